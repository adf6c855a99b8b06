//! The ledger: one JSON file in which what was counted is summed over suites.
//!
//! Called by `sim::mod`. Replaced in one step, so that an interrupted suite leaves the sums of
//! before.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use simulator::Tally;

/// The sums in a file; nothing, if there is none.
///
/// # Errors
/// If it cannot be read, or holds something else.
pub fn read(path: &Path) -> Result<Tally> {
    let name = path.display();
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{name} is no ledger\nhint: name a new file")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Tally::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {name}")),
    }
}

/// Adds a suite to the sums in a file, and returns them.
///
/// # Errors
/// As [`read`]; and if the file cannot be written.
pub fn add(path: &Path, tally: &Tally) -> Result<Tally> {
    let mut sums = read(path)?;
    sums.add(tally);
    let text = serde_json::to_string_pretty(&sums)?;
    let unfinished = path.with_extension("tmp");
    std::fs::write(&unfinished, text + "\n")
        .and_then(|()| std::fs::rename(&unfinished, path))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(sums)
}
