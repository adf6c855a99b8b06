//! The machine and the program that were measured: a number without them says nothing.
//!
//! Called by [`super::page`] through [`super::Evaluate`]. Read from Linux's own files; what is not
//! there is left out.

use std::fs::{self, File};
use std::io::Write;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How often a write is synced to see how long that takes.
const SYNCS: usize = 30;

/// Bytes of each.
const SYNC_BYTES: usize = 4096;

/// File systems that keep nothing on a disk.
const MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// What is known, as names and values.
pub fn describe(began: SystemTime, folder: &Path) -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let build = if cfg!(debug_assertions) { "unoptimised build" } else { "optimised build" };
    let version = format!("toystore {}, {build}", env!("CARGO_PKG_VERSION"));
    let mut all = vec![("program", version)];
    let mut add = |name, value: Option<String>| all.extend(value.map(|value| (name, value)));
    add("commit", commit(&std::env::current_dir().unwrap_or_default()));
    add("when", Some(httpdate::fmt_http_date(began)));
    add(
        "processor",
        field("/proc/cpuinfo", "model name").map(|name| format!("{name}, {cores} cores")),
    );
    add("memory", field("/proc/meminfo", "MemTotal").map(gigabytes));
    add(
        "kernel",
        fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().into()),
    );
    add("load before", fs::read_to_string("/proc/loadavg").ok().and_then(load));
    add("data folder", file_system(folder).map(|kind| format!("on {kind}")));
    add(
        "disk",
        sync_time(folder).map(|time| {
            format!(
                "{} µs for a write of 4 KiB with its sync (median of {SYNCS})",
                time.as_micros()
            )
        }),
    );
    all
}

/// The value behind a name in a file of lines `name : value`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

/// `16384 kB` in GB.
fn gigabytes(text: String) -> String {
    let kib = text.strip_suffix(" kB").and_then(|kib| kib.parse::<f64>().ok());
    kib.map_or(text, |kib| format!("{:.1} GB", kib * 1024.0 / 1e9))
}

/// `0.50 0.40 0.30 1/100 1234`
fn load(text: String) -> Option<String> {
    let one = text.split(' ').next()?;
    Some(format!("{one} processes ran or waited, on average over a minute"))
}

/// The kind of the file system that a folder is on: that of the longest mount point above it.
fn file_system(folder: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let folder = folder.canonicalize().ok()?;
    let above = mounts.lines().filter_map(|line| {
        let mut parts = line.split(' ').skip(1);
        let (point, kind) = (parts.next()?, parts.next()?);
        folder.starts_with(point).then(|| (point.len(), kind.to_string()))
    });
    above.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// What makes figures mean less than they seem to, if the folder is in memory.
pub fn warning(folder: &Path) -> Option<String> {
    let kind = file_system(folder).filter(|kind| MEMORY.contains(&kind.as_str()))?;
    Some(format!(
        "the stores' folders are on {kind}, which is memory: a sync costs nothing there, so orders \
         are quicker than on any disk, and nothing would survive a power cut. TMPDIR=FOLDER names \
         a folder on a disk"
    ))
}

/// How long half of some syncs take at most.
fn sync_time(folder: &Path) -> Option<Duration> {
    let path = folder.join("sync-time");
    let mut file = File::create(&path).ok()?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&[0; SYNC_BYTES]).ok()?;
        file.sync_data().ok()?;
        times.push(began.elapsed());
    }
    // It is in a folder that is removed anyway.
    let _ = fs::remove_file(&path);
    times.sort();
    times.get(SYNCS / 2).copied()
}

/// What is checked out, if a folder is inside of this project's sources.
fn commit(folder: &Path) -> Option<String> {
    let root = folder.ancestors().find(|one| one.join(".git").exists())?;
    if !root.join("crates/toystore/Cargo.toml").exists() {
        return None;
    }
    let git = git_folder(&root.join(".git"))?;
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(name) = head.trim().strip_prefix("ref: ") else { return Some(head.trim().into()) };
    // A work tree beside the first one keeps its branches there.
    let shared = fs::read_to_string(git.join("commondir")).ok();
    let shared = shared.map_or_else(|| git.clone(), |path| git.join(path.trim()));
    let loose = fs::read_to_string(shared.join(name)).ok().map(|text| text.trim().to_string());
    loose.or_else(|| {
        let packed = fs::read_to_string(shared.join("packed-refs")).ok()?;
        let line = packed.lines().find(|line| line.ends_with(name))?;
        Some(line.split(' ').next()?.to_string())
    })
}

/// `.git`, or where a file of that name says that it is.
fn git_folder(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path.to_path_buf());
    }
    let text = fs::read_to_string(path).ok()?;
    Some(PathBuf::from(text.trim().strip_prefix("gitdir: ")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_measures_in_memory_is_warned() {
        assert!(warning(Path::new("/dev/shm")).unwrap().contains("on tmpfs, which is memory"));
        assert_eq!(warning(Path::new("/proc")), None);
    }

    #[test]
    fn the_program_is_named_and_nothing_is_empty() {
        let all = describe(SystemTime::UNIX_EPOCH, &std::env::temp_dir());
        assert!(all[0].1.starts_with("toystore "), "{all:?}");
        assert!(all.iter().all(|(_, value)| !value.is_empty()), "{all:?}");
        assert_eq!(gigabytes("1000000 kB".to_string()), "1.0 GB");
    }

    #[test]
    fn a_commit_is_read_wherever_git_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join(".git/refs/heads")).unwrap();
        fs::create_dir_all(root.join("crates/toystore")).unwrap();
        fs::write(root.join("crates/toystore/Cargo.toml"), "").unwrap();
        fs::write(root.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        fs::write(root.join(".git/packed-refs"), "# pack\nabc refs/heads/main\n").unwrap();
        assert_eq!(commit(root), Some("abc".to_string()));
        fs::write(root.join(".git/refs/heads/main"), "def\n").unwrap();
        assert_eq!(commit(&root.join("crates")), Some("def".to_string()));
        fs::write(root.join(".git/HEAD"), "123\n").unwrap();
        assert_eq!(commit(root), Some("123".to_string()));
        assert_eq!(commit(&std::env::temp_dir()), None);
    }
}
