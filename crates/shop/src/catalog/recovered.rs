//! The stock that a disk holds, for whoever reads one that no process runs on: `toystore migrate`.

use replication::{Log, StateBytes};

use super::command::Command;
use super::stock::Stock;

/// The state of a snapshot, and after everything that stands in the log behind it.
///
/// # Errors
/// If the disk holds what this version cannot read.
pub fn stock(snapshot: &StateBytes, log: &Log) -> Result<Stock, String> {
    let mut stock = Stock::restore(snapshot)?;
    let entries = log.from(log.start().next(), usize::MAX).iter();
    // A leader of several begins with an entry that says nothing.
    for entry in entries.filter(|entry| !entry.command.is_empty()) {
        stock.apply(Command::decode(&entry.command)?);
    }
    Ok(stock)
}
