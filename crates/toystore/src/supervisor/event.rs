//! What happens to a store's processes, in words.
//!
//! Made by [`super::Store`]; printed by `up`, and told with the time by `demo`.

use std::fmt;

/// Something that whoever watches the store should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A process ended while it was wanted.
    Died {
        /// The node.
        name: String,
        /// The process.
        pid: u32,
        /// How it ended.
        how: String,
        /// `toystore kill` asked for it.
        asked: bool,
    },
    /// A node was started again and answers.
    Returned {
        /// The node.
        name: String,
        /// The new process.
        pid: u32,
    },
    /// A node was stopped by SIGSTOP.
    Paused {
        /// The node.
        name: String,
    },
    /// A node goes on.
    Resumed {
        /// The node.
        name: String,
    },
    /// A node did not end in time when it was asked to, and is killed.
    DoesNotDrain {
        /// The node.
        name: String,
    },
    /// A node is not started with the others.
    LeftOut {
        /// The node.
        name: String,
        /// Why, and what to do.
        why: String,
    },
    /// cluster.json could not be written.
    Unwritten {
        /// Why.
        why: String,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Died { name, pid, how, asked: true } => {
                write!(f, "{name} (pid {pid}) was killed on request: {how}")
            }
            Event::Died { name, pid, how, asked: false } => {
                write!(f, "{name} (pid {pid}) died: {how}; `toystore start {name}` brings it back")
            }
            Event::Returned { name, pid } => write!(f, "{name} (pid {pid}) is back"),
            Event::Paused { name } => write!(f, "{name} is paused"),
            Event::Resumed { name } => write!(f, "{name} goes on"),
            Event::DoesNotDrain { name } => {
                write!(f, "{name} does not end in time and is killed")
            }
            Event::LeftOut { name, why } => write!(f, "{name} is not started: {why}"),
            Event::Unwritten { why } => write!(f, "{why}"),
        }
    }
}
