//! What primary and backups say to each other. All of it may be lost, doubled or late.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::log::{Entry, Index};
use crate::term::{NodeId, Term};

/// One message between two replicas.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// Leader to follower: these entries follow your entry `previous`. Without entries, a
    /// heartbeat.
    Append {
        /// The leader's term.
        term: Term,
        /// The index before the first entry.
        previous: Index,
        /// Its term in the leader's log.
        previous_term: Term,
        /// What to append.
        entries: Vec<Entry>,
        /// How far the leader knows the log to be committed.
        committed: Index,
        /// The newest read barrier; to be repeated in the acknowledgement.
        barrier: u64,
    },
    /// Follower to leader: my log equals yours up to here, on disk.
    Acknowledge {
        /// The leader's term.
        term: Term,
        /// The last index that is equal and on disk.
        matched: Index,
        /// The barrier of the newest append seen.
        barrier: u64,
    },
    /// Follower to leader: not under this term, or `previous` does not fit my log.
    Reject {
        /// The highest term promised here; above the leader's, it deposes the leader.
        promised: Term,
        /// Where the leader may try next: an index up to which the logs may be equal.
        last: Index,
    },
    /// A returning replica to all others: what did I miss after this entry?
    Ask {
        /// Its last index.
        last: Index,
        /// That entry's term.
        last_term: Term,
    },
    /// The answer of a replica that does not lead: my entries after yours, if our logs are equal
    /// up to there. Empty if there are none.
    Share {
        /// The asker's last index.
        previous: Index,
        /// That entry's term.
        previous_term: Term,
        /// What follows.
        entries: Vec<Entry>,
    },
    /// Leader to a follower whose missing entries are compacted away: a piece of a snapshot.
    Piece {
        /// The leader's term.
        term: Term,
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
    },
    /// Follower to leader: the snapshot's bytes up to here have arrived.
    Arrived {
        /// The leader's term.
        term: Term,
        /// The snapshot's index.
        index: Index,
        /// How many bytes, from the first on.
        upto: u64,
    },
}

impl Message {
    /// See [`crate::engine::Message::entries`].
    pub(crate) fn entries(&self) -> &[Entry] {
        match self {
            Message::Append { entries, .. } => entries,
            Message::Acknowledge { .. }
            | Message::Reject { .. }
            | Message::Ask { .. }
            | Message::Share { .. }
            | Message::Piece { .. }
            | Message::Arrived { .. } => &[],
        }
    }

    pub(crate) fn acknowledges(&self) -> Option<Index> {
        if let Message::Acknowledge { matched, .. } = self { Some(*matched) } else { None }
    }

    pub(crate) fn refuses(&self) -> bool {
        matches!(self, Message::Reject { .. })
    }

    pub(crate) fn completes_snapshot(&self) -> Option<Index> {
        match self {
            Message::Piece { index, offset, total, bytes, .. } => {
                (offset.saturating_add(bytes.len() as u64) == *total).then_some(*index)
            }
            Message::Append { .. }
            | Message::Acknowledge { .. }
            | Message::Reject { .. }
            | Message::Ask { .. }
            | Message::Share { .. }
            | Message::Arrived { .. } => None,
        }
    }

    /// Whether a replica could have said it: what it shows of a log has no holes, and who speaks as
    /// a term's leader is the one that the term names. Anything else is noise, and not heard.
    pub(super) fn makes_sense(&self, from: NodeId) -> bool {
        match self {
            Message::Append { term, previous, entries, .. } => {
                term.node == from && follow(*previous, entries)
            }
            Message::Piece { term, .. } => term.node == from,
            Message::Share { previous, entries, .. } => follow(*previous, entries),
            Message::Acknowledge { .. }
            | Message::Reject { .. }
            | Message::Ask { .. }
            | Message::Arrived { .. } => true,
        }
    }
}

/// Whether these entries stand one behind the other after `previous`.
fn follow(previous: Index, entries: &[Entry]) -> bool {
    let indexes = (1..).map(|step| previous.0.checked_add(step));
    entries.iter().zip(indexes).all(|(entry, index)| Some(entry.index.0) == index)
}

/// Writes entries separated by a space, in brackets.
fn list(f: &mut fmt::Formatter<'_>, entries: &[Entry]) -> fmt::Result {
    write!(f, "[")?;
    for (position, entry) in entries.iter().enumerate() {
        let space = if position > 0 { " " } else { "" };
        write!(f, "{space}{entry}")?;
    }
    write!(f, "]")
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Append { term, previous, entries, committed, barrier, .. } => {
                write!(f, "append {term} after {previous} ")?;
                list(f, entries)?;
                write!(f, " committed {committed} barrier {barrier}")
            }
            Message::Acknowledge { term, matched, barrier } => {
                write!(f, "acknowledge {term} up to {matched} barrier {barrier}")
            }
            Message::Reject { promised, last } => {
                write!(f, "reject: promised {promised}, last {last}")
            }
            Message::Ask { last, last_term } => write!(f, "ask after {last} of {last_term}"),
            Message::Share { previous, entries, .. } => {
                write!(f, "share after {previous} ")?;
                list(f, entries)
            }
            Message::Piece { term, index, offset, total, bytes, .. } => {
                write!(f, "piece {term} of {index}: {offset}+{} of {total}", bytes.len())
            }
            Message::Arrived { term, index, upto } => {
                write!(f, "arrived {term} of {index}: {upto}")
            }
        }
    }
}
