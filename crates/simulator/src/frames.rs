//! What all nodes of a simulated store say of themselves, moment after moment: the frames that the
//! page draws, before they are JSON; and some of the messages that passed in between.
//!
//! A run is looked at from outside, between its events: what is seen changes nothing of it. Made by
//! `world::look` where everything about a run is wanted, written down by the shell.

use std::time::Duration;

use replication::Time;
use replication::engine::Message;
use shop::message::Request;
use shop::{catalog, frontend, orders};

use crate::who::Who;

/// One moment.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When, on the world's clock.
    pub at: Time,
    /// Every node that was ever started, in the order of their seats.
    pub nodes: Vec<Node>,
}

/// A node at that moment.
#[derive(Clone, Debug)]
pub struct Node {
    /// Which.
    pub who: Who,
    /// How often its process died before.
    pub life: u32,
    /// How long it has run.
    pub uptime: Duration,
    /// What its process does.
    pub state: State,
    /// Links on which what it sends suffers.
    pub links: Vec<Link>,
    /// Messages since the frame before.
    pub passed: Passed,
}

/// What a node's process does.
#[derive(Clone, Debug)]
pub enum State {
    /// It runs, and says this of itself.
    Running(Said),
    /// It stands still.
    Paused,
    /// It is gone.
    Dead,
}

/// What a node says of itself.
#[derive(Clone, Debug)]
pub struct Said {
    /// Whether it can serve; `Err` says what is missing.
    pub ready: Result<(), String>,
    /// Its state.
    pub status: Status,
}

/// A node's state, by its role.
#[derive(Clone, Debug)]
pub enum Status {
    /// The catalog's.
    Catalog(Box<catalog::status::Status>),
    /// An order replica's.
    Order(Box<orders::Status>),
    /// A frontend's.
    Frontend(Box<frontend::Status>),
}

/// What everything from one node to another suffers, beside the weather.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// To whom.
    pub to: Who,
    /// Nothing arrives, or not before it is mended.
    pub cut: bool,
    /// Of a thousand, lost.
    pub lost: u32,
    /// Of a thousand, doubled.
    pub doubled: u32,
    /// So late at least, …
    pub delay: Duration,
    /// … and up to so much more.
    pub jitter: Duration,
}

/// Messages that a node sent and got.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub halves: Vec<Half>,
}

/// One end of a message.
#[derive(Clone, Debug)]
pub struct Half {
    /// When.
    pub at: Time,
    /// Which message: the same at both of its ends.
    pub id: String,
    /// Which end.
    pub end: End,
}

/// What a node sees of a message.
#[derive(Clone, Debug)]
pub enum End {
    /// It sent this.
    Sent {
        /// To whom.
        to: Who,
        /// What it says.
        what: What,
    },
    /// This came.
    Came {
        /// From whom.
        from: Who,
        /// What it says.
        what: What,
    },
    /// It answered.
    Answered(Outcome),
    /// It was told an answer, or gave up.
    Told(Outcome),
}

/// What a message says.
#[derive(Clone, Debug)]
pub enum What {
    /// A call.
    Asks(Box<Request>),
    /// One way, between replicas.
    Says(Box<Message>),
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This HTTP status.
    Status(u16),
    /// Nobody was there.
    Refused,
    /// Nobody knows.
    Unknown,
}
