//! Orders that gave way to another history (`naive`, or after an unclean election): each is named,
//! in the operator's log and in `/status`, whether or not it is known to have been acknowledged.
//!
//! The log has the name before the disk loses the order, since a warning waits for nothing. The
//! disk still holds what was truncated until the next checkpoint, so that `/status` names it again
//! after a restart. Called by [`super::Orders`].

use replication::log::Recovered;
use replication::{Index, Record};

use super::*;

/// Discarded orders that `status` names; all of them are in the operator's log.
pub const DISCARDED_MAX: usize = 1000;

/// The newest last, the oldest forgotten.
fn remember(discarded: &mut VecDeque<Order>, order: Order) {
    discarded.push_back(order);
    if discarded.len() > DISCARDED_MAX {
        discarded.pop_front();
    }
}

/// What was discarded before this process started: the records on disk, gone through again.
/// `ledger` is the state that they begin with.
pub(super) fn before(
    config: &protocol::Config,
    ledger: &Ledger,
    recovered: &Recovered,
) -> VecDeque<Order> {
    let mut discarded = VecDeque::new();
    let may_lose = !config.protocol.is_safe() || config.unclean;
    let truncated = |record: &Record| matches!(record, Record::Truncate(_));
    if !may_lose || !recovered.records.iter().any(truncated) {
        return discarded;
    }
    let mut ledger = ledger.clone();
    let mut entries = recovered.checkpoint.tail.clone();
    for entry in &entries {
        ledger.apply(entry);
    }
    for record in &recovered.records {
        match record {
            Record::Promise(_) | Record::Accepted(_) | Record::Members(_) => {}
            Record::Append(entry) => {
                ledger.apply(entry);
                entries.push(entry.clone());
            }
            Record::Truncate(from) => {
                while let Some(entry) = entries.pop_if(|entry| entry.index >= *from) {
                    if let Some(order) = ledger.undo(&entry) {
                        remember(&mut discarded, order);
                    }
                }
            }
        }
    }
    discarded
}

impl Orders {
    /// Two histories met, and what stands in one of them from `from` on gives way.
    pub(super) fn on_discard(
        &mut self,
        entries: &[Entry],
        from: Index,
        committed: Index,
        out: &mut Vec<Effect>,
    ) {
        let kept = self.ledger.applied().0.min(from.previous());
        for entry in entries {
            if entry.index > self.ledger.applied().0 {
                self.ledger.apply(entry);
            }
        }
        for entry in entries.iter().rev().take_while(|entry| entry.index > kept) {
            let Some(order) = self.ledger.undo(entry) else { continue };
            if entry.index < from {
                continue;
            }
            let (number, quantity, name) = (order.number, order.quantity, &order.name);
            out.push(Effect::Warn(if entry.index <= committed {
                format!(
                    "DISCARDED acknowledged order {number}: {quantity} x {name}; another history \
                     took its place"
                )
            } else {
                format!(
                    "DISCARDED order {number}: {quantity} x {name}; it may have been acknowledged; \
                     another history took its place"
                )
            }));
            remember(&mut self.discarded, order);
        }
    }
}
