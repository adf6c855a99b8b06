//! One process of the world and everything that is its own: node, clock, disk, who waits for it,
//! and what it waits for.
//!
//! Owned by the world; changed by `strike`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replication::{NodeId, Time};
use shop::message::{Request, RequestId};
use shop::node::CallId;

use super::Event;
use super::disk::HostDisk;
use super::process::Process;
use crate::clock::Clock;
use crate::who::{Seat, Who};

/// What kind of question waits for a reply; what the points want to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Takes, at the catalog.
    Takes,
    /// Orders, at a replica: their request ids.
    Orders(Vec<RequestId>),
    /// A view, at the catalog.
    View,
    /// Anything else.
    Other,
}

impl Asked {
    /// What kind a request is.
    pub fn of(request: &Request) -> Asked {
        if let Request::PlaceOrders(orders) = request {
            return Asked::Orders(orders.iter().map(|order| order.request_id).collect());
        }
        if matches!(request, Request::Take { .. }) {
            return Asked::Takes;
        }
        if matches!(request, Request::PutView { .. }) { Asked::View } else { Asked::Other }
    }
}

/// A request that waits for a reply.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Who asked, in which life.
    pub from: Seat,
    /// In which life.
    pub life: u32,
    /// By which call.
    pub call: CallId,
    /// What.
    pub asked: Asked,
    /// Whether the network delivers it twice.
    pub doubled: bool,
}

/// A process and everything that is its own.
pub struct Host {
    /// Who it is.
    pub who: Who,
    /// The node, while the process lives.
    pub process: Option<Process>,
    /// Whether it is started at all: a spare not before it is wanted, one that was taken out never
    /// again.
    pub enlisted: bool,
    /// Order replicas of which it knows where they are.
    pub knows: BTreeSet<NodeId>,
    /// Raised by each crash: what was meant for an earlier life is dropped.
    pub life: u32,
    /// When its process started last.
    pub started_at: Time,
    /// Its machine has no power: it does not even refuse.
    pub dark: bool,
    /// It was asked to stop.
    pub stopping: bool,
    /// It stands still.
    pub paused: bool,
    /// Since when, if it does.
    pub paused_at: Time,
    /// What came while it was paused.
    pub held: Vec<Event>,
    /// Its clock.
    pub clock: Clock,
    /// Its disk; never used by those without a log.
    pub disk: HostDisk,
    /// It dies in its next commit, and stays down for so long.
    pub doomed: Option<Duration>,
    /// Unless so many commits come before one that can be torn.
    pub doomed_commits: u32,
    /// How long it stays down when its disk fails.
    pub down_for: Duration,
    /// How often it will die again in its recovery.
    pub dies_in_recovery: u8,
    /// Requests that wait for its reply, by token.
    pub asked: BTreeMap<u64, Waiting>,
    /// Its own calls that were not answered yet.
    pub open: BTreeSet<CallId>,
    /// The timer that is set, so that no second one is set for the same moment.
    pub timer: Option<Time>,
}

impl Host {
    /// A process that was never started.
    pub fn new(who: Who, clock: Clock, disk: HostDisk) -> Host {
        Host {
            who,
            process: None,
            enlisted: true,
            knows: BTreeSet::new(),
            life: 0,
            started_at: Time(0),
            dark: false,
            stopping: false,
            paused: false,
            paused_at: Time(0),
            held: Vec::new(),
            clock,
            disk,
            doomed: None,
            doomed_commits: 0,
            down_for: Duration::ZERO,
            dies_in_recovery: 0,
            asked: BTreeMap::new(),
            open: BTreeSet::new(),
            timer: None,
        }
    }

    /// Whether the process lives.
    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// The process is gone. Returns those who waited for it.
    pub fn crash(&mut self) -> Vec<Waiting> {
        self.disk.crash();
        self.process = None;
        self.life += 1;
        self.stopping = false;
        self.doomed = None;
        self.paused = false;
        self.held.clear();
        self.open.clear();
        self.timer = None;
        std::mem::take(&mut self.asked).into_values().collect()
    }
}
