//! `sometimes` points: interesting states that a suite must reach, or it proves less than it says.
//!
//! A test that never sees a leader die between take and record says nothing about that. Each point
//! is derived from what goes in and out of nodes, and from their public status; the services know
//! nothing of it. Counted by the world, summed in [`Tally`](crate::tally::Tally).

use std::collections::BTreeMap;

use replication::{Index, Time, View};
use shop::invalidation::Invalidation;
use shop::message::{
    CacheUse, Fate, OrderOutcome, Problem, Reply, Request, RequestId, Response, Taken,
};
use shop::node::{Answer, CallId};
use shop::{Effect, Input, Node};

use crate::setting::Wishes;
use crate::who::{Seat, Who};
use crate::world::disk::Found;
use crate::world::host::{Asked, Host};
use crate::world::network::Edge;
use crate::world::process::Process;

macro_rules! points {
    ($($(#[doc = $doc:literal])* $name:ident: $words:literal,)*) => {
        /// An interesting state.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Point {
            $($(#[doc = $doc])* $name,)*
        }

        impl Point {
            /// All of them, in the order of the table.
            pub const ALL: [Point; 0 $(+ { let _ = Point::$name; 1 })*] = [$(Point::$name,)*];

            /// What is written in the table.
            pub fn words(self) -> &'static str {
                match self {
                    $(Point::$name => $words,)*
                }
            }
        }
    };
}

points! {
    /// A leader died after the catalog had taken stock and before the order was recorded.
    DiedBeforeRecord: "leader died between take and record: its take was put back",
    /// A leader died after the order was recorded and before the catalog knew.
    DiedAfterRecord: "leader died between record and floor: its take was settled as bought",
    /// A take came under a term that a later view had fenced.
    LateTakeFenced: "late take refused by the fence",
    /// A take came twice under one number, and the first one was settled already.
    ForgottenTake: "late take refused as below the floor",
    /// Two replicas believed that they lead when a view was granted.
    TwoLeaders: "a second leader was granted while the first believed it led",
    /// A paused leader went on when another one led.
    LeaderWokeDeposed: "leader paused, and went on after another led",
    /// A leader went on without a follower.
    PutAside: "follower put aside",
    /// A follower came back into the view.
    TakenBack: "follower taken back into the view",
    /// A replica was told to lead and was not in sync.
    NotInSync: "replica refused to lead: not in sync",
    /// A follower installed a leader's snapshot.
    SnapshotInstalled: "snapshot installed by a follower",
    /// A follower had entries that the leader's log does not have.
    Rejected: "append rejected: logs differed",
    /// A request was answered from the ledger by another leader than had taken for it.
    OtherLeaderAnswered: "retry answered from the ledger by another leader",
    /// A request was resolved as never to be done.
    Never: "request resolved as never",
    /// An order came after its request was resolved.
    ResolvedFirst: "order refused: resolved before it arrived",
    /// A fate was asked while its purchase was under way.
    FatePending: "fate asked while pending",
    /// A shopper or asker was told that nobody knows.
    OutcomeUnknown: "client told: outcome unknown",
    /// An order was refused for want of stock.
    SoldOut: "order refused: sold out",
    /// The catalog held an answer back for a cache.
    TakePending: "take pending: a cache may still hold the toy",
    /// An invalidation came while a fill of the toy was under way.
    FillRaced: "fill raced an invalidation",
    /// A frontend answered from its cache.
    Hit: "read answered from a cache",
    /// A frontend answered past its cache.
    Bypass: "read answered without a lease",
    /// A catalog that started took leases back.
    LeaseRevoked: "lease revoked by a catalog that started",
    /// A lease ran out while its frontend was cut off from the catalog.
    LapsedInPartition: "lease ran out while partitioned",
    /// A frontend was paused longer than its lease.
    PausedBeyondLease: "frontend paused beyond its lease",
    /// An interrupted write was found at start.
    TornTail: "torn tail found and cut",
    /// A start from a checkpoint.
    FromCheckpoint: "start from a checkpoint",
    /// A process died while it read its log.
    CrashInRecovery: "crash in the middle of a recovery",
    /// A flipped bit was found, and the start refused.
    DamageRefused: "flipped bit found, start refused",
    /// A node was told that its disk is full.
    DiskFull: "disk full, and the node told",
    /// A disk failed, and its process ended itself.
    DiskFailed: "sync failed, process ended",
    /// A message that was held back by a cut arrived after it.
    HeldArrived: "message delivered after the partition",
    /// A client was refused: nothing was done.
    Unavailable: "client told: not available",
    /// The operator was told that a change of the members is done.
    Changed: "order replicas changed, as was wanted",
    /// A newcomer was so far behind that it was sent a snapshot.
    NewcomerSnapshot: "newcomer sent a snapshot, before the change that it came by was done",
    /// The replica that led was taken out.
    LeaderRemoved: "leader taken out of the group",
    /// A leader died before the operator was told that a change is done.
    LeaderDiedInChange: "leader died in the middle of a change of replicas",
    /// A replica whose disk was lost was replaced.
    LostReplaced: "replica that lost its disk replaced by another",
    /// A newcomer was given up, and is no member.
    NewcomerGivenUp: "newcomer given up in the middle of a change",
}

impl Point {
    /// Whether a suite with these wishes can reach it, and must.
    pub fn is_due(self, wishes: &Wishes) -> bool {
        let replicated = wishes.orders != Some(1);
        let leases = wishes.invalidation == Invalidation::Lease;
        let safe = wishes.protocol.is_safe();
        let view = wishes.protocol.has_arbiter();
        match self {
            Point::DiedBeforeRecord
            | Point::DiedAfterRecord
            | Point::LateTakeFenced
            | Point::OtherLeaderAnswered
            | Point::TwoLeaders
            | Point::LeaderWokeDeposed
            | Point::SnapshotInstalled => safe && replicated,
            Point::PutAside | Point::TakenBack | Point::NotInSync => view && replicated,
            Point::Rejected => replicated,
            Point::ForgottenTake => safe,
            Point::TakePending
            | Point::LeaseRevoked
            | Point::LapsedInPartition
            | Point::PausedBeyondLease
            | Point::Bypass => leases,
            Point::Changed
            | Point::NewcomerSnapshot
            | Point::LeaderRemoved
            | Point::LeaderDiedInChange
            | Point::LostReplaced
            | Point::NewcomerGivenUp => wishes.members.may_change(wishes),
            Point::FillRaced => leases || wishes.invalidation == Invalidation::Push,
            Point::Never
            | Point::ResolvedFirst
            | Point::FatePending
            | Point::OutcomeUnknown
            | Point::SoldOut
            | Point::Hit
            | Point::TornTail
            | Point::FromCheckpoint
            | Point::CrashInRecovery
            | Point::DamageRefused
            | Point::DiskFull
            | Point::DiskFailed
            | Point::HeldArrived
            | Point::Unavailable => true,
        }
    }
}

/// How often each point was reached in a run, and what is needed to notice.
#[derive(Clone, Debug, Default)]
pub struct Points {
    counts: BTreeMap<Point, u64>,
    /// Who took for a request last: which replica, in which life.
    takers: BTreeMap<RequestId, (Who, u32)>,
    /// Fills under way: frontend, life, call, toy.
    fills: BTreeMap<(Who, CallId), String>,
    /// Replicas that have a leader's snapshot whole, and its index.
    installing: BTreeMap<Who, Index>,
    /// The view that was granted last.
    view: View,
    /// Who comes by the change of members that is under way.
    pub newcomer: Option<Who>,
}

impl Points {
    /// A point was reached.
    pub fn reach(&mut self, point: Point) {
        *self.counts.entry(point).or_default() += 1;
    }

    /// How often each was reached.
    pub fn counts(&self) -> impl Iterator<Item = (Point, u64)> + '_ {
        self.counts.iter().map(|(point, count)| (*point, *count))
    }

    /// A process starts with this.
    pub fn of_recovery(&mut self, found: &Found) {
        if found.torn_bytes > 0 {
            self.reach(Point::TornTail);
        }
        if found.checkpoint {
            self.reach(Point::FromCheckpoint);
        }
    }

    /// A process is about to end.
    pub fn of_crash(&mut self, host: &Host) {
        let who = host.who;
        self.fills.retain(|(frontend, _), _| *frontend != who);
    }

    /// A node is told something.
    pub fn of_input(&mut self, who: Who, input: &Input) {
        match input {
            Input::Request { request: Request::Invalidate { names }, .. } => {
                let raced = |((frontend, _), toy): (&(Who, CallId), &String)| {
                    *frontend == who && names.iter().any(|name| name.key() == toy)
                };
                if self.fills.iter().any(raced) {
                    self.reach(Point::FillRaced);
                }
            }
            Input::Answer { call, answer } => {
                if !self.fills.is_empty() {
                    self.fills.remove(&(who, *call));
                }
                if who.is_client() {
                    self.of_client(answer);
                }
            }
            Input::Receive { message, .. } => {
                if message.refuses() {
                    self.reach(Point::Rejected);
                }
                if let Some(index) = message.completes_snapshot() {
                    self.installing.insert(who, index);
                }
            }
            Input::Checkpointed { index } => {
                if self.installing.remove(&who) == Some(*index) {
                    self.reach(Point::SnapshotInstalled);
                    if self.newcomer == Some(who) {
                        self.reach(Point::NewcomerSnapshot);
                    }
                }
            }
            Input::DiskFull(true) => self.reach(Point::DiskFull),
            Input::Start
            | Input::Timer
            | Input::Request { .. }
            | Input::Persisted { .. }
            | Input::Link { .. }
            | Input::DiskFull(false)
            | Input::Stop => {}
        }
    }

    /// A client is told something.
    pub fn of_client(&mut self, answer: &Answer) {
        let Answer::Said(response) = answer else { return };
        match response {
            Err(Problem::OutcomeUnknown(_)) => self.reach(Point::OutcomeUnknown),
            Err(Problem::Unavailable(_)) => self.reach(Point::Unavailable),
            Err(Problem::InsufficientStock { .. }) => self.reach(Point::SoldOut),
            Err(Problem::Resolved) => self.reach(Point::ResolvedFirst),
            Ok(Reply::Fate(Fate::Pending)) => self.reach(Point::FatePending),
            Ok(Reply::Fate(Fate::Never)) => self.reach(Point::Never),
            Ok(Reply::Product { cache: CacheUse::Hit, .. }) => self.reach(Point::Hit),
            Ok(Reply::Product { cache: CacheUse::Bypass, .. }) => self.reach(Point::Bypass),
            Ok(_) | Err(_) => {}
        }
    }

    /// A node does something.
    pub fn of_effect(&mut self, host: &Host, effect: &Effect) {
        let Effect::Call { call, request, .. } = effect else { return };
        if let Request::Fill { name, .. } = request {
            self.fills.insert((host.who, *call), name.key().to_string());
        }
        if let Request::DropCache { .. } = request {
            self.reach(Point::LeaseRevoked);
        }
        if let Request::Take { items, .. } = request {
            for item in items {
                self.takers.insert(item.order.request_id, (host.who, host.life));
            }
        }
        if let Request::Settle { takes, .. } = request {
            if takes.iter().any(|take| take.recorded) {
                self.reach(Point::DiedAfterRecord);
            }
            if takes.iter().any(|take| !take.recorded) {
                self.reach(Point::DiedBeforeRecord);
            }
        }
    }

    /// A node answers what it was asked.
    pub fn of_reply(&mut self, host: &Host, asked: &Asked, response: &Response) {
        match (asked, response) {
            (Asked::Takes, Err(Problem::Fenced(_))) => self.reach(Point::LateTakeFenced),
            (Asked::Takes, Err(Problem::Bad(_))) => self.reach(Point::ForgottenTake),
            (Asked::Takes, Ok(Reply::Takes(answers))) => {
                if answers.iter().any(|answer| answer.taken == Taken::Pending) {
                    self.reach(Point::TakePending);
                }
            }
            (Asked::View, Err(Problem::NotInSync(_))) => self.reach(Point::NotInSync),
            (Asked::View, Ok(Reply::View { view, .. })) => {
                let before = std::mem::replace(&mut self.view, view.clone());
                if before.leader() == view.leader() {
                    if !before.in_sync.is_subset(&view.in_sync) {
                        self.reach(Point::PutAside);
                    }
                    if !view.in_sync.is_subset(&before.in_sync) {
                        self.reach(Point::TakenBack);
                    }
                }
            }
            (Asked::Orders(ids), Ok(Reply::Orders(outcomes))) => {
                let here = (host.who, host.life);
                for (request_id, outcome) in ids.iter().zip(outcomes) {
                    let taker = self.takers.get(request_id);
                    if matches!(outcome, OrderOutcome::Said(Ok(_)))
                        && taker.is_some_and(|taker| *taker != here)
                    {
                        self.reach(Point::OtherLeaderAnswered);
                    }
                }
            }
            (Asked::Takes | Asked::View | Asked::Orders(_) | Asked::Other, Ok(_) | Err(_)) => {}
        }
    }

    /// A cut is about to be mended.
    pub fn of_mend(&mut self, now: Time, hosts: &[Host], edges: &[Edge]) {
        let catalog = |seat: Seat| matches!(hosts[seat].who, Who::Catalog(_));
        for (from, to) in edges {
            let ends = catalog(*from).then_some(*to).or(catalog(*to).then_some(*from));
            if ends.is_some_and(|seat| has_lapsed(&hosts[seat], now)) {
                self.reach(Point::LapsedInPartition);
            }
        }
    }

    /// A process is about to go on after a pause.
    pub fn of_resume(&mut self, now: Time, hosts: &[Host], seat: Seat) {
        let host = &hosts[seat];
        if has_lapsed(host, now) {
            self.reach(Point::PausedBeyondLease);
        }
        if let Some(Process::Order(orders)) = &host.process {
            let engine = orders.status(now).engine;
            if engine.role == "leader" && self.view.term > engine.term {
                self.reach(Point::LeaderWokeDeposed);
            }
        }
    }

    /// A view was granted: whether somebody else believes that it leads.
    pub fn of_view(&mut self, hosts: &[Host], view: &View) {
        for host in hosts {
            if let (Some(Process::Order(orders)), Who::Order(id)) = (&host.process, host.who)
                && id != view.leader().0
                && orders.status(Time(0)).engine.role == "leader"
            {
                self.reach(Point::TwoLeaders);
            }
        }
    }
}

/// Whether a frontend had a lease that has run out.
fn has_lapsed(host: &Host, now: Time) -> bool {
    let Some(Process::Frontend(frontend)) = &host.process else { return false };
    let lease = frontend.status(host.clock.read(now)).lease;
    lease.is_some_and(|lease| lease.remaining_ms == 0)
}
