//! The contract between a core and its shell.
//!
//! Laws:
//! 1. Effects are performed in list order, and an effect that follows a [`Effect::Persist`] waits
//!    until that record is on disk. The core itself does not wait: it goes on stepping, and the
//!    shell puts all waiting records into one `fdatasync` (group commit). Only a [`Effect::Warn`]
//!    waits for nothing: it must be in the log before the disk loses what it names.
//! 2. `Request`/`Reply` and `Call`/`Answer` are HTTP exchanges; `Send`/`Receive` are one-way
//!    messages that may be lost, delayed, doubled or reordered. A call that got no answer within
//!    its deadline is [`Answer::Unknown`], never "failed".
//! 3. The core logs nothing and knows no wall clock. `Display` of inputs and effects is the one
//!    notation of golden scripts, traces, logs and docs.
//! 4. The same inputs give the same effects, byte for byte.
//! 5. Recovery: the constructor gets what was on disk ([`replication::log::Recovered`]), then the
//!    node gets [`Input::Start`].

use std::fmt;
use std::time::Duration;

use replication::log::Checkpoint;
use replication::{NodeId, Record, Time};
use serde::{Deserialize, Serialize};

use crate::message::{Request, Response};

/// One process of the system as a pure state machine.
pub trait Node {
    /// What `/status` shows.
    type Status: Serialize;

    /// One transition. `now` is this node's own monotonic clock and never goes back.
    fn step(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>);

    /// When the node wants [`Input::Timer`]. The shell may be late, never early.
    fn next_timer(&self) -> Option<Time>;

    /// The public state; for people and tests, never for decisions.
    fn status(&self, now: Time) -> Self::Status;

    /// Whether it can serve now: what `/health/ready` answers. `Err` says what is missing.
    fn ready(&self, now: Time) -> Result<(), String>;
}

/// A process, by its role and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Address {
    /// A frontend, numbered from 1.
    Frontend(u8),
    /// A replica of the order service.
    Order(NodeId),
    /// A replica of the catalog; 1 where there is only one.
    Catalog(NodeId),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Frontend(number) => write!(f, "frontend-{number}"),
            Address::Order(id) => write!(f, "order-{id}"),
            Address::Catalog(id) => write!(f, "catalog-{id}"),
        }
    }
}

/// Names one request that waits for a [`Effect::Reply`]; made by the shell, unique in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Names one call that waits for an [`Input::Answer`]; made by the core, unique in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What happened.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Input {
    /// The process starts.
    Start,
    /// The moment that `next_timer` asked for has come.
    Timer,
    /// Somebody wants an answer.
    Request {
        /// To be repeated in the reply.
        token: Token,
        /// What is wanted.
        request: Request,
    },
    /// The answer to a [`Effect::Call`]; exactly one for each.
    Answer {
        /// Which call.
        call: CallId,
        /// What came of it.
        answer: Answer,
    },
    /// A replication message.
    Receive {
        /// Which replica sent it.
        from: NodeId,
        /// What it says.
        message: replication::engine::Message,
    },
    /// The first `upto` records that this node ever emitted (since its process started) are on
    /// disk.
    Persisted {
        /// How many.
        upto: u64,
    },
    /// The checkpoint whose snapshot stands at this log index is on disk.
    Checkpointed {
        /// The snapshot's index.
        index: replication::Index,
    },
    /// A connection to another node opened, or broke and could not be opened again.
    Link {
        /// Whose.
        node: Address,
        /// Whether it is there.
        up: bool,
    },
    /// Disk is full: a persist failed before anything was promised. `false` when there is room
    /// again.
    DiskFull(bool),
    /// The process was asked to stop: finish what matters, then [`Effect::Stopped`].
    Stop,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Answer {
    /// The other side answered.
    Said(Response),
    /// The connection was refused: the request never reached anybody.
    Refused,
    /// No answer within the deadline, or the connection broke: it may have happened or not.
    Unknown,
}

/// What must be done.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Effect {
    /// Put this on disk.
    Persist(Record),
    /// Write this to disk in the background; when that is done, records emitted before it may go.
    Checkpoint(Checkpoint),
    /// Answer a request.
    Reply {
        /// Which.
        token: Token,
        /// With what.
        response: Response,
    },
    /// Ask another node.
    Call {
        /// To be repeated in the answer.
        call: CallId,
        /// Whom.
        to: Address,
        /// What.
        request: Request,
        /// When to give up and say [`Answer::Unknown`].
        deadline: Duration,
    },
    /// Tell another replica, without waiting for anything.
    Send {
        /// Whom.
        to: NodeId,
        /// What.
        message: replication::engine::Message,
    },
    /// From now on this node is reached at this URL (frontends register theirs at the catalog).
    Know {
        /// Who.
        node: Address,
        /// Where: `http://host:port`.
        url: String,
    },
    /// For the operator's log, where silence would hide a loss: what happened, in a sentence.
    Warn(String),
    /// All that a clean stop needs is done: the process may end.
    Stopped,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Start => write!(f, "start"),
            Input::Timer => write!(f, "timer"),
            Input::Request { token, request } => write!(f, "request #{} {request}", token.0),
            Input::Answer { call, answer } => write!(f, "answer !{} {answer}", call.0),
            Input::Receive { from, message } => write!(f, "receive {from}: {message}"),
            Input::Persisted { upto } => write!(f, "persisted {upto}"),
            Input::Checkpointed { index } => write!(f, "checkpointed at {index}"),
            Input::Link { node, up } => {
                write!(f, "link {node} {}", if *up { "up" } else { "down" })
            }
            Input::DiskFull(full) => write!(f, "disk {}", if *full { "full" } else { "has room" }),
            Input::Stop => write!(f, "stop"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Said(Ok(reply)) => write!(f, "{reply}"),
            Answer::Said(Err(problem)) => write!(f, "error {problem}"),
            Answer::Refused => write!(f, "refused"),
            Answer::Unknown => write!(f, "unknown"),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effect::Persist(record) => write!(f, "persist {record}"),
            Effect::Checkpoint(checkpoint) => {
                write!(f, "checkpoint at {}", checkpoint.snapshot.index)
            }
            Effect::Reply { token, response: Ok(reply) } => write!(f, "reply #{} {reply}", token.0),
            Effect::Reply { token, response: Err(problem) } => {
                write!(f, "reply #{} error {problem}", token.0)
            }
            Effect::Call { call, to, request, .. } => write!(f, "call !{} {to} {request}", call.0),
            Effect::Send { to, message } => write!(f, "send {to}: {message}"),
            Effect::Know { node, url } => write!(f, "know {node} at {url}"),
            Effect::Warn(text) => write!(f, "warn {text}"),
            Effect::Stopped => write!(f, "stopped"),
        }
    }
}
