//! Snapshots of the ledger: given to the engine, taken from another replica, written to disk.

use replication::Protocol;

use super::*;

impl Orders {
    /// The ledger as it is, and where in the log that is.
    pub fn snapshot(&self) -> Snapshot {
        let (index, term) = self.ledger.applied();
        Snapshot { index, term, state: self.ledger.snapshot() }
    }

    pub(super) fn on_install(
        &mut self,
        snapshot: Snapshot,
        out: &mut Vec<Effect>,
    ) -> Option<engine::Input> {
        let fencing = self.config.engine.protocol.is_safe();
        match Ledger::restore(&snapshot.state, fencing) {
            Ok(ledger) => {
                self.ledger = ledger;
                self.checkpointed = snapshot.index.0;
                self.checkpointing += 1;
                out.push(Effect::Checkpoint(self.engine.checkpoint(snapshot)));
                None
            }
            Err(problem) => {
                out.push(Effect::Warn(format!("a snapshot from the leader is refused: {problem}")));
                Some(engine::Input::NotInstalled { index: snapshot.index })
            }
        }
    }

    /// So that neither start-up nor disk grows with history, and yet the work of all snapshots
    /// together stays proportional to the number of orders.
    pub(super) fn checkpoint_is_due(&self) -> bool {
        let since = self.ledger.applied().0.0.saturating_sub(self.checkpointed);
        let safe = self.config.engine.protocol.is_safe();
        let least = self.checkpoint_entries;
        safe && self.checkpointing == 0 && is_due(since, least, self.ledger.len())
    }
}

/// An order in the log behind a checkpoint takes four times the memory of one in it, and a start
/// must apply it before anything else: so there is one for eight of the others at most. All
/// checkpoints together then write each order some nine times, 40 bytes each time.
const ORDERS_FOR_AN_ENTRY: u64 = 8;

/// Whether so many entries since the last checkpoint are enough for another one.
fn is_due(since: u64, least: u64, orders: u64) -> bool {
    since >= least.max(orders / ORDERS_FOR_AN_ENTRY)
}

/// Where the last checkpoint stands of a replica that sold so many orders under one leader, whose
/// first entry has index 1, and nothing else: an index, 0 if there is none yet. Behind it comes the
/// rest of the log.
pub fn last_checkpoint(protocol: Protocol, orders: u64) -> u64 {
    if !protocol.is_safe() {
        return 0;
    }
    (1..=orders + 1).fold(0, |last, index| {
        if is_due(index - last, CHECKPOINT_ENTRIES, index - 1) { index } else { last }
    })
}
