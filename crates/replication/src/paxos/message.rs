//! What replicas say to each other under Paxos. All of it may be lost, doubled or late.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::log::{Entry, Index};
use crate::term::Term;

/// One life of a replica's process: what was said in another one is not heard.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Life {
    /// The moment on the replica's own clock at which it started, in microseconds.
    pub started: u64,
    /// What was on its disk then: the number of the term promised, and how many records.
    pub promised: u64,
    /// Records after the newest checkpoint.
    pub records: u64,
}

/// `8000000/4+17`.
impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}+{}", self.started, self.promised, self.records)
    }
}

/// One message between two replicas.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// To everybody, at the begin of each round of the election: are you there?
    Ask {
        /// The round, rising within a life.
        round: u32,
        /// Who asks.
        life: Life,
        /// The asked one's life, as far as the asker knows it.
        yours: Life,
        /// How many frames were sent between these two lives: fewer received, some are lost.
        sent: u64,
        /// The highest term that the asked one said it had promised, in this life or another: it
        /// stands on its disk, or that lost it.
        promised: Term,
    },
    /// The answer.
    Answer {
        /// The asker's life, as it said.
        to: Life,
        /// Who answers.
        life: Life,
        /// What the election goes by.
        beat: Beat,
        /// How far the answerer knows the log to be decided.
        decided: Index,
        /// The term under which its log is accepted, and where that ends; all of it on its disk.
        stored: Option<(Term, Index)>,
    },
    /// A message that relies on coming in order, between two lives.
    Frame {
        /// The sender's.
        from: Life,
        /// The receiver's.
        to: Life,
        /// From 1 on, without gaps unless something is lost.
        number: u64,
        /// What it says.
        body: Body,
    },
    /// Leader to all: have you promised a higher term than mine?
    Probe {
        /// The leader's term.
        term: Term,
        /// Which question it is, rising.
        number: u64,
    },
    /// The answer, if not.
    Affirm {
        /// The leader's term.
        term: Term,
        /// The question's number.
        number: u64,
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
    /// Leader to a follower: I am about to stop, so lead in my place.
    LeadNow {
        /// The leader's term.
        term: Term,
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

/// What a replica says of the election.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Beat {
    /// The asker's round.
    pub round: u32,
    /// The term under which the answerer would lead.
    pub ballot: Term,
    /// The term that it follows.
    pub leader: Term,
    /// Whether it sees no need for another leader.
    pub happy: bool,
}

/// Entries, and where they stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct History {
    /// The index before the first.
    pub after: Index,
    /// All that follows.
    pub entries: Vec<Entry>,
}

/// The crate's own count of what a leader sent to a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sequence {
    /// Raised whenever the follower takes over the leader's history.
    pub session: u64,
    /// From 1 on in each.
    pub counter: u64,
}

/// A message of Sequence Paxos.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Body {
    /// The first entries of the message in the next frame, which would be too long.
    More {
        /// Them.
        entries: Vec<Entry>,
    },
    /// I have missed something: if you lead, prepare me.
    PrepareMe {
        /// The highest term promised here.
        promised: Term,
    },
    /// Leader to all (phase 1a): listen to no older term, and show me what I lack.
    Prepare {
        /// The leader's term.
        term: Term,
        /// What it knows to be decided.
        decided: Index,
        /// Under which term its log was accepted.
        accepted: Term,
        /// Where that log ends.
        last: Index,
    },
    /// Follower to leader (phase 1b): I shall not.
    Promise {
        /// The leader's term.
        term: Term,
        /// Under which term the follower's log was accepted.
        accepted: Term,
        /// What it knows to be decided.
        decided: Index,
        /// Where its log ends.
        last: Index,
        /// What the leader may lack.
        more: Option<History>,
    },
    /// Leader to follower (phase 2a, the first): make your log equal to mine.
    TakeOver {
        /// The leader's term.
        term: Term,
        /// Which message of this leader it is.
        sequence: Sequence,
        /// What is decided.
        decided: Index,
        /// What follows in the leader's log after what both have.
        history: History,
    },
    /// Leader to follower (phase 2a): append these.
    Accept {
        /// The leader's term.
        term: Term,
        /// Which message of this leader it is.
        sequence: Sequence,
        /// What is decided.
        decided: Index,
        /// They stand behind what was sent before.
        entries: Vec<Entry>,
    },
    /// Follower to leader (phase 2b): my log equals yours up to here, on disk.
    Accepted {
        /// The leader's term.
        term: Term,
        /// Up to where.
        last: Index,
    },
    /// Follower to leader: not under this term.
    Refused {
        /// The highest term promised here.
        promised: Term,
    },
    /// Leader to follower: this much is decided.
    Decided {
        /// The leader's term.
        term: Term,
        /// Which message of this leader it is.
        sequence: Sequence,
        /// Up to where.
        decided: Index,
    },
}

impl Body {
    /// The entries that it carries, the part of it that can be long.
    pub(super) fn entries_mut(&mut self) -> Option<&mut Vec<Entry>> {
        match self {
            Body::More { entries } | Body::Accept { entries, .. } => Some(entries),
            Body::Promise { more, .. } => more.as_mut().map(|history| &mut history.entries),
            Body::TakeOver { history, .. } => Some(&mut history.entries),
            Body::PrepareMe { .. }
            | Body::Prepare { .. }
            | Body::Accepted { .. }
            | Body::Refused { .. }
            | Body::Decided { .. } => None,
        }
    }
}

impl Message {
    /// The entries that it carries to a follower.
    pub(crate) fn entries(&self) -> &[Entry] {
        match self {
            Message::Frame { body: Body::Accept { entries, .. }, .. } => entries,
            Message::Frame { body: Body::TakeOver { history, .. }, .. } => &history.entries,
            Message::Frame { .. }
            | Message::Ask { .. }
            | Message::Answer { .. }
            | Message::Probe { .. }
            | Message::Affirm { .. }
            | Message::Piece { .. }
            | Message::LeadNow { .. }
            | Message::Arrived { .. } => &[],
        }
    }

    pub(crate) fn acknowledges(&self) -> Option<Index> {
        match self {
            Message::Frame { body: Body::Accepted { last, .. }, .. } => Some(*last),
            Message::Answer { stored, .. } => stored.map(|(_, last)| last),
            Message::Frame { .. }
            | Message::Ask { .. }
            | Message::Probe { .. }
            | Message::Affirm { .. }
            | Message::Piece { .. }
            | Message::LeadNow { .. }
            | Message::Arrived { .. } => None,
        }
    }

    pub(crate) fn refuses(&self) -> bool {
        matches!(self, Message::Frame { body: Body::Refused { .. }, .. })
    }

    pub(crate) fn completes_snapshot(&self) -> Option<Index> {
        let Message::Piece { index, offset, total, bytes, .. } = self else { return None };
        (offset.saturating_add(bytes.len() as u64) == *total).then_some(*index)
    }
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

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::More { entries } => {
                write!(f, "more ")?;
                list(f, entries)
            }
            Body::PrepareMe { promised } => write!(f, "prepare me: promised {promised}"),
            Body::Prepare { term, decided, accepted, last } => {
                write!(f, "prepare {term}: accepted {accepted} last {last} decided {decided}")
            }
            Body::Promise { term, accepted, decided, last, more } => {
                write!(f, "promise {term}: accepted {accepted} last {last} decided {decided}")?;
                let Some(History { after, entries }) = more else { return Ok(()) };
                write!(f, " more after {after} ")?;
                list(f, entries)
            }
            Body::TakeOver { term, decided, history, .. } => {
                write!(f, "take over {term} after {} ", history.after)?;
                list(f, &history.entries)?;
                write!(f, " decided {decided}")
            }
            Body::Accept { term, decided, entries, .. } => {
                write!(f, "accept {term} ")?;
                list(f, entries)?;
                write!(f, " decided {decided}")
            }
            Body::Accepted { term, last } => write!(f, "accepted {term} up to {last}"),
            Body::Refused { promised } => write!(f, "refused: promised {promised}"),
            Body::Decided { term, decided, .. } => write!(f, "decided {term} up to {decided}"),
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Ask { round, .. } => write!(f, "ask round {round}"),
            Message::Answer { beat, decided, .. } => {
                let Beat { round, ballot, leader, happy } = beat;
                let happy = if *happy { "happy" } else { "unhappy" };
                write!(f, "answer round {round}: {ballot} following {leader} {happy} ")?;
                write!(f, "decided {decided}")
            }
            Message::Frame { number, body, .. } => write!(f, "#{number} {body}"),
            Message::Probe { term, number } => write!(f, "probe {term} number {number}"),
            Message::Affirm { term, number } => write!(f, "affirm {term} number {number}"),
            Message::Piece { term, index, offset, total, bytes, .. } => {
                write!(f, "piece {term} of {index}: {offset}+{} of {total}", bytes.len())
            }
            Message::LeadNow { term } => write!(f, "lead now, after {term}"),
            Message::Arrived { term, index, upto } => {
                write!(f, "arrived {term} of {index}: {upto}")
            }
        }
    }
}
