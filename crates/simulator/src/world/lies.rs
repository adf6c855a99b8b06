//! How the world lies, where a planted bug is that the disk, the network, a clock or whoever
//! performs effects does not keep to its contract (`shop::node`).
//!
//! Asked by the world where such a thing happens; nothing here is done in an honest world.

use bytes::Bytes;
use replication::Record;
use replication::log::{Checkpoint, Entry};
use shop::catalog::command::Command;
use shop::message::Request;
use shop::node::Answer;
use shop::orders::ledger::Ledger;

use super::World;
use crate::planted::Lie;
use crate::who::{Seat, Who};

impl World {
    /// Whether the world has this lie.
    pub(super) fn lies(&self, lie: Lie) -> bool {
        self.plan.setting.lies(lie)
    }

    /// Whether a call is answered as done, and never delivered.
    pub(super) fn swallows(&self, request: &Request) -> bool {
        self.lies(Lie::InvalidationsLost) && matches!(request, Request::Invalidate { .. })
            || self.lies(Lie::RevocationsLost) && matches!(request, Request::DropCache { .. })
    }

    /// Whether a call is never made.
    pub(super) fn leaves_out(&self, to: Seat, request: &Request) -> bool {
        let told = matches!(request, Request::Lead { .. });
        told && self.lies(Lie::NotifyStops) && (1..to).any(|before| !self.hosts[before].is_up())
    }

    /// What a caller is told whose connection broke: it may have happened.
    pub(super) fn broken_off(&self) -> Answer {
        if self.lies(Lie::UnknownIsRefused) { Answer::Refused } else { Answer::Unknown }
    }

    /// A record as it comes to the disk.
    pub(super) fn written(&self, seat: Seat, record: Record) -> Record {
        match record {
            Record::Promise(_) if self.lies(Lie::PromiseForgotten) && !self.is_catalog(seat) => {
                Record::Promise(replication::Term::ZERO)
            }
            Record::Append(entry) if self.lies(Lie::ViewForgotten) && self.is_catalog(seat) => {
                let view = matches!(Command::decode(&entry.command), Ok(Command::View(_)));
                // Something that changes nothing, so that no index is left out.
                let nothing = || Command::Begin { fencing: true }.encode();
                let command = if view { nothing() } else { entry.command };
                Record::Append(Entry { command, ..entry })
            }
            Record::Promise(_)
            | Record::Append(_)
            | Record::Truncate(_)
            | Record::Accepted(_)
            | Record::Members(_) => record,
        }
    }

    /// A checkpoint as it comes to the disk: its snapshot says that it has the last order, and has
    /// not.
    pub(super) fn snapped(&self, seat: Seat, mut checkpoint: Checkpoint) -> Checkpoint {
        let of_orders = matches!(self.who(seat), Who::Order(_));
        if of_orders && self.lies(Lie::PromiseForgotten) {
            checkpoint.promised = replication::Term::ZERO;
        }
        if of_orders && self.lies(Lie::SnapshotMissesLast) {
            let snapshot = &mut checkpoint.snapshot;
            let mut ledger = Ledger::restore(&snapshot.state, true).expect("it was just written");
            let (index, term, command) = (snapshot.index, snapshot.term, Bytes::new());
            let nothing = Entry { index, term, command };
            ledger.undo(&nothing);
            ledger.apply(&nothing);
            snapshot.state = ledger.snapshot();
        }
        checkpoint
    }
}
