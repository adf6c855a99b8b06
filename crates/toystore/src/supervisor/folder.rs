//! The data folder of a store: one owner, one token, and options that do not change.
//!
//! ```text
//! DATA/lock           held (flock) by the `up` that runs the store; its pid inside
//! DATA/store.json     what the store was made with: a restart that contradicts it is refused
//! DATA/members.json   which order replicas it has since (see `members`)
//! DATA/cluster-token  the secret of the internal endpoints, readable by the owner only
//! DATA/cluster.json   who runs where, as long as it runs (see `cluster`)
//! DATA/control.sock   where `kill`, `pause`, `start` and so on are heard (see `control`)
//! DATA/catalog/, DATA/order-1/, …   each node's own; DATA/catalog-1/, … where it has replicas
//! DATA/rounds/1/, …   what was bought from the page, and the verdict on it (see `dashboard`)
//! DATA/migrate/       another way of replication on its way (see `migration`)
//! DATA/generating     a past that is made up is not complete yet (see `past`)
//! ```
//!
//! Called by the supervisor, and by commands that look for a running store.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use replication::Protocol;

use crate::disk::write_whole;

/// The length of a cluster token before it is written in hexadecimal.
const TOKEN_BYTES: usize = 32;

/// Raised when the folder's layout changes so that an older program would misread it.
const FORMAT: u32 = 1;

/// A data folder that this process owns.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Held as long as the folder is owned; the kernel lets go of it however the process ends.
    _lock: File,
    /// Removed at the end.
    ephemeral: bool,
}

/// What a store was made with and keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    format: u32,
    /// The engine whose log is in the folder.
    pub replication: Protocol,
    /// How many order replicas hold it.
    pub orders: u8,
    /// How many catalogs there are: replicas of each other, if more than one.
    #[serde(default = "alone", skip_serializing_if = "is_alone")]
    pub catalogs: u8,
}

/// A store of an older program, too, has one catalog.
fn alone() -> u8 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_alone(catalogs: &u8) -> bool {
    *catalogs == alone()
}

impl Made {
    /// What a new store keeps.
    pub fn new(replication: Protocol, orders: u8, catalogs: u8) -> Made {
        Made { format: FORMAT, replication, orders, catalogs }
    }

    /// The same under another way of replication.
    pub fn under(self, replication: Protocol) -> Made {
        Made { replication, ..self }
    }
}

impl Folder {
    /// Takes a folder, made if need be.
    ///
    /// # Errors
    /// If another `up` owns it (named), or it cannot be written.
    pub fn take(path: &Path) -> Result<Folder> {
        fs::create_dir_all(path)
            .with_context(|| format!("cannot make the data folder {}", path.display()))?;
        // Nodes are given this path and need not share the working folder.
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot open the data folder {}", path.display()))?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("lock"))
            .with_context(|| format!("cannot write to the data folder {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                lock.read_to_string(&mut pid).context("cannot read the lock file")?;
                bail!(
                    "{} is in use by another `toystore up` (pid {})\n\
                     hint: stop that one, or give this one another folder with --data",
                    path.display(),
                    pid.trim()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).context(format!("cannot lock {}", path.display()));
            }
        }
        lock.set_len(0).context("cannot write the lock file")?;
        writeln!(lock, "{}", std::process::id()).context("cannot write the lock file")?;
        Ok(Folder { path, _lock: lock, ephemeral: false })
    }

    /// Takes a new folder that is removed at the end.
    ///
    /// # Errors
    /// If the system's folder for temporary files cannot be written.
    pub fn ephemeral() -> Result<Folder> {
        let name = format!("toystore-{}-{:08x}", std::process::id(), rand::random::<u32>());
        let mut folder = Folder::take(&std::env::temp_dir().join(name))?;
        folder.ephemeral = true;
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is removed at the end.
    pub fn is_ephemeral(&self) -> bool {
        self.ephemeral
    }

    /// What the store was made with; absent if it is new.
    ///
    /// # Errors
    /// If the note cannot be read, or is of a newer program.
    pub fn made(&self) -> Result<Option<Made>> {
        let path = self.path.join("store.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
        };
        let made: Made = serde_json::from_str(&text)
            .with_context(|| format!("{} is not as this program writes it", path.display()))?;
        if made.format > FORMAT {
            bail!(
                "{} has format {}, this program knows formats up to {FORMAT}\n\
                 hint: use the toystore that made it, or a newer one",
                path.display(),
                made.format
            );
        }
        Ok(Some(made))
    }

    /// Writes down what a new store is made with.
    ///
    /// # Errors
    /// If that fails.
    pub fn remember(&self, made: Made) -> Result<()> {
        let text = serde_json::to_vec_pretty(&made).context("cannot write store.json")?;
        let path = self.path.join("store.json");
        write_whole(&path, &text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The secret of the internal endpoints, made at the first start.
    ///
    /// # Errors
    /// If it cannot be made or written.
    pub fn token_file(&self) -> Result<PathBuf> {
        let path = self.path.join("cluster-token");
        if fs::metadata(&path).is_ok_and(|found| found.len() > 0) {
            return Ok(path);
        }
        make_token(&path, 0o600)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.ephemeral {
            // What cannot be removed now is in a folder for temporary files.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Writes a new secret into a file of its own; `mode` says who may read it.
///
/// # Errors
/// If it cannot be written.
pub fn make_token(path: &Path, mode: u32) -> Result<()> {
    let secret: [u8; TOKEN_BYTES] = rand::random();
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| writeln!(file, "{hex}"))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Of all files in a folder and its folders, in bytes.
///
/// # Errors
/// If one of them cannot be looked at.
pub fn length(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.metadata()?;
        bytes += if file.is_dir() { length(&entry.path())? } else { file.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_has_one_owner_who_is_named_to_others() {
        let first = Folder::ephemeral().unwrap();
        let message = Folder::take(first.path()).unwrap_err().to_string();
        assert!(message.contains(&format!("(pid {})", std::process::id())), "{message}");
        assert!(message.contains("--data"), "{message}");
    }

    #[test]
    fn an_ephemeral_folder_is_removed_and_another_is_kept_and_free_again() {
        let ephemeral = Folder::ephemeral().unwrap();
        let path = ephemeral.path().to_path_buf();
        drop(ephemeral);
        assert!(!path.exists());

        drop(Folder::take(&path).unwrap());
        drop(Folder::take(&path).unwrap());
        fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn the_token_is_secret_long_and_stays() {
        let folder = Folder::ephemeral().unwrap();
        let path = folder.token_file().unwrap();
        let token = fs::read_to_string(&path).unwrap();
        assert_eq!(token.trim().len(), 2 * TOKEN_BYTES);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        folder.token_file().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), token);
    }

    #[test]
    fn what_a_store_was_made_with_is_remembered_and_a_newer_format_refused() {
        let folder = Folder::ephemeral().unwrap();
        assert_eq!(folder.made().unwrap(), None);
        let made = Made::new(Protocol::Naive, 5, 3);
        folder.remember(made).unwrap();
        assert_eq!(folder.made().unwrap(), Some(made));
        let one = Made::new(Protocol::Naive, 5, 1);
        folder.remember(one).unwrap();
        let text = fs::read_to_string(folder.path().join("store.json")).unwrap();
        assert!(!text.contains("catalogs"), "an older program reads it: {text}");
        assert_eq!(folder.made().unwrap(), Some(one));
        folder.remember(Made { format: FORMAT + 1, ..made }).unwrap();
        let message = folder.made().unwrap_err().to_string();
        assert!(message.contains("format 2") && message.contains("up to 1"), "{message}");
    }
}
