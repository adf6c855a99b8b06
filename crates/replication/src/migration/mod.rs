//! From one way of agreeing to another: which replica's log holds everything that was ever
//! acknowledged, and what every replica begins with under the new way.
//!
//! Pure; called by `toystore migrate` with what it found on the disks of a store that is stopped.
//!
//! **Which log.** The rule is that by which the old engine would choose its next leader, asked of
//! the replicas that can be read (Raft §5.4.1, for one):
//!
//! | engine | who can be chosen | the best of them |
//! | --- | --- | --- |
//! | raft | all, if they are a majority | the highest last term, then the longest log |
//! | paxos | all, if they are a majority | the highest accepted ballot, then the longest log |
//! | primary-backup | members of the view | the highest last term, then the longest log |
//! | naive | all | the same: nothing better is known, and orders may be lost |
//!
//! Where members have changed, a majority is one of each that may be in force by the best log: if
//! there was a later one, that was committed by a majority of these, and some log that can be read
//! would have it and be better.
//!
//! Whatever was acknowledged is on a majority (in each member of the view), so some replica that is
//! looked at has it, and the best log begins with it. What that log has beyond it counts too, as it
//! would after an election.
//!
//! **What they begin with.** As if the chosen replica had been elected by all in the first term of
//! a new *generation* ([`Term`]), its first entry had been committed, and every replica had made a
//! checkpoint of it. That is a state that each engine knows from its own restarts; and no term of
//! before is as high, so that a message or a folder of before is heard by nobody.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::log::{Checkpoint, Entry, Index, Log, Recovered, Snapshot};
use crate::members::Members;
use crate::paxos;
use crate::protocol::Protocol;
use crate::raft;
use crate::state::StateBytes;
use crate::term::{NodeId, Term, View};

/// What one replica has on its disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its log.
    pub log: Log,
    /// The highest term that it promised.
    pub promised: Term,
    /// Paxos: the highest term under which the log was accepted; the last entry's with others.
    pub accepted: Term,
    /// Raft: the configurations that may be in force, as far as the disk knows.
    pub members: Vec<Members>,
}

impl Standing {
    /// Of what was found on a disk. Paxos alone reads its records in a way of its own, and with one
    /// replica there is nothing to agree on.
    pub fn of(protocol: Protocol, all: usize, recovered: &Recovered) -> Standing {
        if protocol == Protocol::Paxos && all > 1 {
            let (log, promised, accepted) = paxos::on_disk(recovered);
            return Standing { log, promised, accepted, members: Vec::new() };
        }
        let (log, promised) = Log::recover(recovered);
        let accepted = log.last_term();
        let members = raft::in_force(recovered, &log);
        Standing { promised: promised.max(accepted), accepted, log, members }
    }

    /// What makes one log better than another.
    fn rank(&self) -> (Term, Index) {
        (self.accepted, self.log.last())
    }
}

/// `term 0.3@2, up to 41`.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "term {}, up to index {}", self.accepted, self.log.last())
    }
}

/// Why no log can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TooFew {
    /// What was acknowledged may be on those alone that cannot be read.
    Majority {
        /// How many there must be.
        needed: usize,
    },
    /// The same of a group whose members have changed: these had a say.
    Voters(Box<Members>),
    /// Nobody in the view can be read.
    Members(View),
    /// None can be read.
    Nobody,
}

impl fmt::Display for TooFew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TooFew::Majority { needed } => write!(
                f,
                "an acknowledged order is on a majority of the replicas, so {needed} of them must \
                 be read to find all"
            ),
            TooFew::Voters(group) => write!(
                f,
                "an acknowledged order is on a majority of {group}, so a majority must be read to \
                 find all"
            ),
            TooFew::Members(view) => write!(
                f,
                "only the members of the view {view} are sure to have every acknowledged order, \
                 and none of them can be read"
            ),
            TooFew::Nobody => write!(f, "no replica can be read"),
        }
    }
}

/// The replica whose log holds everything that was acknowledged by a group of `all` replicas.
/// `standings` are those that could be read; `view` is the arbiter's, and counts with
/// primary-backup only: before there is one, nothing was acknowledged.
///
/// # Errors
/// If too few could be read to know.
pub fn choose(
    protocol: Protocol,
    all: usize,
    standings: &BTreeMap<NodeId, Standing>,
    view: &View,
) -> Result<NodeId, TooFew> {
    let majority = all / 2 + 1;
    let arbitrated = protocol.has_arbiter() && view.term != Term::ZERO;
    let may = |id: &NodeId| !arbitrated || view.in_sync.contains(id);
    // Of equals the highest id, as primary-backup elects it.
    let able = standings.iter().filter(|(id, _)| may(id));
    let best = able.max_by_key(|(id, standing)| (standing.rank(), **id));
    if protocol.is_quorum() {
        let members = best.map_or(&[][..], |(_, standing)| &standing.members);
        if let Some(group) = members.iter().find(|group| !group.is_decided_by(standings.keys())) {
            return Err(TooFew::Voters(Box::new(group.clone())));
        }
        if members.is_empty() && standings.len() < majority {
            return Err(TooFew::Majority { needed: majority });
        }
    }
    match best {
        Some((id, _)) => Ok(*id),
        None if arbitrated => Err(TooFew::Members(view.clone())),
        None => Err(TooFew::Nobody),
    }
}

/// The first term of the next generation, as if the chosen replica had been elected in it; nothing
/// after the last generation that there is.
pub fn first_term<'a>(
    chosen: NodeId,
    standings: impl Iterator<Item = &'a Standing>,
    view: &View,
) -> Option<Term> {
    let highest = standings.map(|standing| standing.promised.max(standing.accepted));
    let generation = highest.chain([view.term]).max().unwrap_or_default().generation;
    Some(Term { generation: generation.checked_add(1)?, number: 1, node: chosen })
}

/// The first entry of that term: it changes nothing of the state but says who led.
pub fn first_entry(term: Term, after: Index) -> Entry {
    Entry { index: after.next(), term, command: Bytes::new() }
}

/// What every replica finds on its new disk: the state after that entry.
pub fn checkpoint(term: Term, index: Index, state: StateBytes) -> Checkpoint {
    let snapshot = Snapshot { index, term, state };
    Checkpoint { promised: term, snapshot, accepted: term, ..Checkpoint::default() }
}

#[cfg(test)]
mod tests;
