//! Snapshots of the ledger: given to the engine, taken from another replica, written to disk.

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
        safe && self.checkpointing == 0
            && since >= self.checkpoint_entries.max(self.ledger.len() / 2)
    }
}
