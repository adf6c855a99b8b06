//! The ledger that a disk holds, for whoever reads one that no process runs on: `toystore migrate`.

use replication::log::Snapshot;
use replication::{Log, Members, Protocol};

use super::command::Command;
use super::ledger::Ledger;

/// The state after everything that stands in a log, committed or not: what the replica would come
/// to if it led. `snapshot` is the one that the log begins after.
///
/// # Errors
/// If snapshot or entries are of another format or damaged.
pub fn ledger(protocol: Protocol, snapshot: &Snapshot, log: &Log) -> Result<Ledger, String> {
    let fencing = protocol.is_safe();
    let mut ledger = match snapshot.state.is_empty() {
        true => Ledger::new(fencing),
        false => Ledger::restore(&snapshot.state, fencing)?,
    };
    let (applied, _) = ledger.applied();
    if applied != log.start() {
        let start = log.start();
        return Err(format!("a log after index {start}, and a snapshot at {applied}"));
    }
    for entry in log.from(log.start().next(), usize::MAX) {
        if !entry.command.is_empty() && !Members::is_in(&entry.command) {
            Command::decode(&entry.command)?;
        }
        ledger.apply(entry);
    }
    Ok(ledger)
}
