//! A bundle as one file, `.tar.gz`, and out of it again: it comes from elsewhere, so nothing in it
//! is believed.
//!
//! Only the files of a bundle are taken, by their names; they stand at the top or in one folder.
//! Nothing is written to disk. Packed by the page, unpacked by [`super::opened`].

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tar::{Archive, Builder, EntryType, Header};

use super::FILES;

/// The most bytes that are unpacked: all files together, with what is not taken.
pub const UNPACKED_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The most entries of an archive that are looked at.
const ENTRIES_MAX: usize = 10_000;

/// The files of a bundle, by their names.
pub type Files = BTreeMap<&'static str, Vec<u8>>;

/// Packs the bundle in `folder`; in the file its folder has this name.
///
/// # Errors
/// If there is none, or a file of it cannot be read.
pub fn pack(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let mut all = Builder::new(GzEncoder::new(vec![], Compression::default()));
    for file in FILES {
        let path = folder.join(file);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
        };
        // No times and no owners: the same bundle is the same file.
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        all.append_data(&mut header, format!("{name}/{file}"), &*bytes)
            .with_context(|| format!("cannot pack {}", path.display()))?;
    }
    let packed = all.into_inner().and_then(GzEncoder::finish);
    packed.with_context(|| format!("cannot pack {}", folder.display()))
}

/// Takes the files of a bundle out of what [`pack`], or `tar czf`, made of it.
///
/// # Errors
/// If it is no such file, unpacks to more than `bytes_max`, or holds what no bundle does.
pub fn unpack(packed: impl Read, bytes_max: u64) -> Result<Files> {
    let mut bounded = GzDecoder::new(packed).take(bytes_max);
    let taken = take(&mut Archive::new(&mut bounded));
    // Behind the last file stands the sum of all, which is compared when it is read.
    let whole = std::io::copy(&mut bounded, &mut std::io::sink()).context("it is damaged");
    if bounded.limit() == 0 {
        bail!("it unpacks to more than {bytes_max} bytes: unpack it, and view the folder");
    }
    taken.and_then(|files| whole.map(|_| files))
}

fn take(archive: &mut Archive<impl Read>) -> Result<Files> {
    const NONE: &str = "it is no .tar.gz, or only a part of one";
    let mut files = Files::new();
    for (place, entry) in archive.entries().context(NONE)?.enumerate() {
        let mut entry = entry.context(NONE)?;
        if place >= ENTRIES_MAX {
            bail!("it has more than {ENTRIES_MAX} entries, which no bundle has");
        }
        let path = entry.path().context(NONE)?.into_owned();
        let Some(name) = name_of(&path)? else { continue };
        if entry.header().entry_type() != EntryType::Regular {
            bail!("{} in it is no file", path.display());
        }
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).context(NONE)?;
        if files.insert(name, bytes).is_some() {
            bail!("it holds {name} twice, and so more than one bundle");
        }
    }
    Ok(files)
}

/// Which file of a bundle a path names, if it is one: at the top, or in one folder.
fn name_of(path: &Path) -> Result<Option<&'static str>> {
    let mut parts = vec![];
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                bail!("{} in it leads outside of it", path.display())
            }
        }
    }
    let ([name] | [_, name]) = parts[..] else { return Ok(None) };
    Ok(FILES.into_iter().find(|file| name == *file))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: u64 = 1_000_000;

    /// An archive of entries as somebody else may write them.
    fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut all = Builder::new(GzEncoder::new(vec![], Compression::fast()));
        for (path, kind, bytes) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            // `set_path` would refuse what is to be refused here.
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            all.append(&header, *bytes).unwrap();
        }
        all.into_inner().unwrap().finish().unwrap()
    }

    fn check_refused(packed: &[u8], why: &str) {
        let error = format!("{:#}", unpack(packed, BYTES_MAX).unwrap_err());
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("history.jsonl"), "{}\n").unwrap();
        std::fs::write(folder.path().join("picture.html"), [7; 20_000]).unwrap();
        std::fs::write(folder.path().join("secret"), "not of a bundle").unwrap();
        let packed = pack(folder.path(), "round-3").unwrap();
        assert_eq!(packed, pack(folder.path(), "round-3").unwrap());
        let files = unpack(&*packed, BYTES_MAX).unwrap();
        assert_eq!(files.keys().copied().collect::<Vec<_>>(), ["history.jsonl", "picture.html"]);
        assert_eq!((&*files["history.jsonl"], files["picture.html"].len()), (&b"{}\n"[..], 20_000));
    }

    #[test]
    fn what_was_changed_on_its_way_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("history.jsonl"), "{}\n").unwrap();
        let packed = pack(folder.path(), "round-3").unwrap();
        let mut changed = packed.clone();
        let sum = changed.len() - 8;
        changed[sum] ^= 1;
        check_refused(&changed, "it is damaged");
        check_refused(&packed[..packed.len() - 8], "it is damaged");
    }

    #[test]
    fn what_is_no_file_of_a_bundle_is_left_out() {
        let files = archive(&[
            ("run/", EntryType::Directory, b""),
            ("run/history.jsonl", EntryType::Regular, b"1"),
            ("run/logs/history.jsonl", EntryType::Regular, b"2"),
            ("run/passwd", EntryType::Regular, b"3"),
            ("run/link", EntryType::Symlink, b""),
        ]);
        let files = unpack(&*files, BYTES_MAX).unwrap();
        assert_eq!(files.into_iter().collect::<Vec<_>>(), [("history.jsonl", b"1".to_vec())]);
    }

    #[test]
    fn what_no_bundle_holds_is_refused() {
        let file = EntryType::Regular;
        check_refused(b"no archive at all", "no .tar.gz");
        check_refused(&archive(&[("../history.jsonl", file, b"1")]), "leads outside");
        check_refused(&archive(&[("/etc/history.jsonl", file, b"1")]), "leads outside");
        check_refused(&archive(&[("history.jsonl", EntryType::Symlink, b"")]), "is no file");
        let twice = [("a/history.jsonl", file, &b"1"[..]), ("b/history.jsonl", file, b"2")];
        check_refused(&archive(&twice), "holds history.jsonl twice");
        let whole = archive(&[("history.jsonl", file, &[1; 50_000])]);
        check_refused(&whole[..whole.len() / 2], "only a part of one");
    }

    #[test]
    fn a_small_file_that_unpacks_to_a_large_one_is_refused() {
        let large = vec![0; 2_000_000];
        for path in ["history.jsonl", "unknown"] {
            let packed = archive(&[(path, EntryType::Regular, &large)]);
            assert!(packed.len() < 20_000);
            check_refused(&packed, "unpacks to more than 1000000 bytes");
        }
    }
}
