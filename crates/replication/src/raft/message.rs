//! What Raft's replicas say to each other, in our own words and encoding.
//!
//! The crate underneath speaks protobuf, whose parser is not made for hostile bytes; none of it
//! goes over the network. `translate` makes the crate's messages of these, and these of the
//! crate's. All of it may be lost, doubled, late or out of order.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::log::{Entry, Index};
use crate::members::Members;
use crate::term::Term;

/// One message between two replicas.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// The generation of the sender's log: replicas of two generations do not hear each other.
    pub generation: u32,
    /// The sender's term, by its number; of a candidacy that is only asked for, the one it would
    /// have.
    pub term: u64,
    /// What it says.
    pub said: Said,
}

/// How far a replica knows the log to be committed: whoever has the same entry there has all of
/// the log before it, and knows the same from then on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Committed {
    /// The last committed index; 0 for nothing.
    pub index: Index,
    /// That entry's term.
    pub term: u64,
}

/// What a message says. Names in brackets are those of the paper (Raft, figure 2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Said {
    /// Will you vote for me? (RequestVote)
    AskVote {
        /// Only whether you would: nobody's term changes (pre-vote, Ongaro §9.6).
        pre: bool,
        /// The candidate's last index …
        last: Index,
        /// … and that entry's term.
        last_term: u64,
        /// The leader wants it so: vote even if you heard it a moment ago.
        handed_over: bool,
        /// What the candidate knows to be committed.
        committed: Committed,
    },
    /// The answer to it.
    Vote {
        /// To which of the two questions.
        pre: bool,
        /// Yes or no.
        granted: bool,
        /// With a no: what the voter knows to be committed. It may have been taken out of the
        /// group by that, and the candidate, which does not know, need its vote.
        committed: Committed,
    },
    /// These entries follow your entry `previous`. (AppendEntries)
    Append {
        /// The index before the first entry.
        previous: Index,
        /// Its term in the leader's log.
        previous_term: u64,
        /// What to append.
        entries: Vec<Entry>,
        /// How far the leader knows the log to be committed.
        committed: Index,
    },
    /// My log equals yours up to here, on disk.
    Appended {
        /// The last index that is equal and on disk; 0 from one that only tells its higher term.
        upto: Index,
    },
    /// Your `previous` is not in my log.
    NotAppended {
        /// What the append said.
        previous: Index,
        /// Where the logs may meet, at most …
        last: Index,
        /// … and the term of the entry there.
        last_term: u64,
    },
    /// I lead. (AppendEntries without entries)
    Heartbeat {
        /// What is committed and known to be in the follower's log.
        committed: Index,
        /// The newest read barrier, to be repeated; 0 for none.
        barrier: u64,
        /// What is committed in all, also what the follower lacks.
        goal: Index,
    },
    /// The answer to it.
    Heard {
        /// The barrier of the heartbeat.
        barrier: u64,
    },
    /// A piece of a snapshot, since what you lack is compacted away. (InstallSnapshot)
    Piece {
        /// The snapshot's index.
        index: Index,
        /// That entry's term.
        index_term: Term,
        /// Where in the snapshot's bytes this piece begins.
        offset: u64,
        /// How many bytes the snapshot has in all.
        total: u64,
        /// The piece.
        bytes: Bytes,
        /// Who belonged to the group at the snapshot's index.
        members: Box<Members>,
    },
    /// The snapshot's bytes up to here have arrived.
    Arrived {
        /// The snapshot's index.
        index: Index,
        /// How many bytes, from the first on.
        upto: u64,
    },
    /// You are to lead now; do not wait. (TimeoutNow, Ongaro §3.10)
    LeadNow,
    /// You were taken out of the group, for good: a replica that applied that knows it.
    Left,
}

impl Message {
    /// See [`crate::engine::Message::entries`].
    pub(crate) fn entries(&self) -> &[Entry] {
        if let Said::Append { entries, .. } = &self.said { entries } else { &[] }
    }

    pub(crate) fn acknowledges(&self) -> Option<Index> {
        if let Said::Appended { upto } = self.said { Some(upto) } else { None }
    }

    pub(crate) fn refuses(&self) -> bool {
        matches!(self.said, Said::NotAppended { .. })
    }

    pub(crate) fn completes_snapshot(&self) -> Option<Index> {
        match &self.said {
            Said::Piece { index, offset, total, bytes, .. } => {
                (offset.saturating_add(bytes.len() as u64) == *total).then_some(*index)
            }
            Said::AskVote { .. }
            | Said::Vote { .. }
            | Said::Append { .. }
            | Said::Appended { .. }
            | Said::NotAppended { .. }
            | Said::Heartbeat { .. }
            | Said::Heard { .. }
            | Said::Arrived { .. }
            | Said::LeadNow
            | Said::Left => None,
        }
    }
}

impl fmt::Display for Committed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Committed { index, term } = self;
        if index.0 == 0 { Ok(()) } else { write!(f, ", committed {index} of {term}") }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let term = self.term;
        match &self.said {
            Said::AskVote { pre, last, last_term, handed_over, committed } => {
                let pre = if *pre { "pre-vote" } else { "vote" };
                let handed_over = if *handed_over { ", handed over" } else { "" };
                write!(f, "ask {pre} for term {term}, last {last} of {last_term}{handed_over}")?;
                write!(f, "{committed}")
            }
            Said::Vote { pre, granted, committed } => {
                let pre = if *pre { "pre-vote" } else { "vote" };
                let granted = if *granted { "yes" } else { "no" };
                write!(f, "{pre} {granted} in term {term}{committed}")
            }
            Said::Append { previous, previous_term, entries, committed } => {
                write!(f, "append {term} after {previous} of {previous_term} [")?;
                for (position, entry) in entries.iter().enumerate() {
                    let space = if position > 0 { " " } else { "" };
                    write!(f, "{space}{entry}")?;
                }
                write!(f, "] committed {committed}")
            }
            Said::Appended { upto } => write!(f, "appended {term} up to {upto}"),
            Said::NotAppended { previous, last, last_term } => {
                write!(f, "not appended {term} after {previous}, try {last} of {last_term}")
            }
            Said::Heartbeat { committed, barrier, goal } => {
                write!(f, "heartbeat {term} committed {committed} barrier {barrier}")?;
                if goal != committed { write!(f, " of {goal}") } else { Ok(()) }
            }
            Said::Heard { barrier } => write!(f, "heard {term} barrier {barrier}"),
            Said::Piece { index, offset, total, bytes, .. } => {
                write!(f, "piece {term} of {index}: {offset}+{} of {total}", bytes.len())
            }
            Said::Arrived { index, upto } => write!(f, "arrived {term} of {index}: {upto}"),
            Said::LeadNow => write!(f, "lead now, after term {term}"),
            Said::Left => write!(f, "you have left, says term {term}"),
        }
    }
}
