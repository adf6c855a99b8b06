//! What the folder of a replica says of itself, beside its log: how its group agrees, and which of
//! them it is. Terms and votes mean another thing under another protocol, and two replicas with one
//! log would be two votes of one.
//!
//! ```text
//! DATA/order-2/replication    raft
//!                             order-2
//! ```
//!
//! Written at a replica's first start, and by [`super::migration`]; read before each later one.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use replication::Protocol;

use crate::disk::write_whole;

/// The note's name in the folder.
pub const REPLICATION_FILE: &str = "replication";

/// The note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// How the group agrees whose log this is.
    pub protocol: Protocol,
    /// `order-2`, `catalog-1`; absent in a folder of an older program.
    pub replica: Option<String>,
}

impl Written {
    /// By this replica of a group that agrees like this.
    pub fn by(replica: &str, protocol: Protocol) -> Written {
        Written { protocol, replica: Some(replica.to_string()) }
    }

    /// Of a folder; absent where no replica was ever started.
    ///
    /// # Errors
    /// If the note cannot be read.
    pub fn of(folder: &Path) -> Result<Option<Written>> {
        let path = folder.join(REPLICATION_FILE);
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
        };
        let mut lines = text.lines().map(str::trim);
        let protocol = lines.next().unwrap_or_default().parse().map_err(|why: String| {
            anyhow!(
                "{} should say how the log beside it was written: {why}\nhint: the same file of \
                 another replica of the store says it",
                path.display()
            )
        })?;
        let replica = lines.next().filter(|name| !name.is_empty()).map(str::to_string);
        Ok(Some(Written { protocol, replica }))
    }

    /// Writes down in a folder whose it is, where what it said so far does not say that.
    ///
    /// # Errors
    /// If that fails.
    pub fn complete(so_far: Option<&Written>, folder: &Path, by: &Written) -> Result<()> {
        match so_far {
            Some(Written { replica: Some(_), .. }) => Ok(()),
            Some(Written { replica: None, .. }) | None => by.note(folder),
        }
    }

    /// Writes it into a folder.
    ///
    /// # Errors
    /// If that fails.
    pub fn note(&self, folder: &Path) -> Result<()> {
        let path = folder.join(REPLICATION_FILE);
        let Written { protocol, replica } = self;
        let text = format!("{protocol}\n{}\n", replica.as_deref().unwrap_or_default());
        write_whole(&path, text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Whether it is this replica's; an older note does not say.
    ///
    /// # Errors
    /// If it is another one's.
    pub fn check_replica(&self, folder: &Path, replica: &str) -> Result<()> {
        match &self.replica {
            Some(other) if other != replica => bail!(
                "the log in {} is that of {other}, and this is {replica}: two replicas with one \
                 log would be two votes of one\nhint: give it the folder that it had, with --data; \
                 a new replica begins with an empty one",
                folder.display()
            ),
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether there is a log in a folder, whole or not.
///
/// # Errors
/// If the folder cannot be read.
pub fn has_log(folder: &Path) -> Result<bool> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        entries => entries.and_then(Iterator::collect::<Result<Vec<_>, _>>),
    };
    let entries = entries.with_context(|| format!("cannot read {}", folder.display()))?;
    let is_log = |name: &str| name.ends_with(".segment") || name.ends_with(".checkpoint");
    Ok(entries.iter().any(|entry| entry.file_name().to_str().is_some_and(is_log)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_an_older_one_names_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(Written::of(folder).unwrap(), None);
        let mine = Written::by("order-2", Protocol::Paxos);
        mine.note(folder).unwrap();
        assert_eq!(Written::of(folder).unwrap(), Some(mine.clone()));
        mine.check_replica(folder, "order-2").unwrap();
        let words = mine.check_replica(folder, "order-1").unwrap_err().to_string();
        assert!(words.contains("is that of order-2, and this is order-1"), "{words}");

        fs::write(folder.join(REPLICATION_FILE), "raft\n").unwrap();
        let older = Written::of(folder).unwrap().unwrap();
        assert_eq!(older, Written { protocol: Protocol::Raft, replica: None });
        older.check_replica(folder, "order-1").unwrap();
    }

    #[test]
    fn what_is_no_note_is_refused_with_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b""[..], b"raff\n", b"\xff\xfe"] {
            fs::write(folder.path().join(REPLICATION_FILE), bytes).unwrap();
            let words = Written::of(folder.path()).unwrap_err().to_string();
            assert!(words.contains("should say how the log") && words.contains("raft"), "{words}");
        }
    }

    #[test]
    fn a_log_is_told_from_an_empty_folder_and_from_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_log(&folder.path().join("none")).unwrap());
        assert!(!has_log(folder.path()).unwrap());
        fs::write(folder.path().join("0000.segment"), "").unwrap();
        assert!(has_log(folder.path()).unwrap());
    }
}
