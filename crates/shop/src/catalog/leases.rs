//! The cache leases: which frontends may answer from their caches, what each may hold, and what
//! each still owes an acknowledgement for.
//!
//! A lease (Gray and Cheriton 1989) is a right that ends by itself, so that a silent frontend can
//! delay a change only until then. The catalog's clock and a frontend's are never compared: the
//! frontend counts its lease from before its request left, the catalog from after it came, and
//! waits a hundredth and [`LEASE_MARGIN`] longer.
//!
//! Volatile: the node ([`mod`](super)) asks and tells, and registers frontends durably before it
//! grants the first lease of a process. After a restart the registered ones are put back here as
//! *revoking*, each of them holding a lease that nobody remembers.
//!
//! Invariant: a frontend that is not in `holders` answers nothing from its cache.
//! Invariant: a lease never lasts longer than [`Leases::wait`] after the moment from which its
//! frontend owes an acknowledgement, however often it is renewed; else a frontend that renews and
//! never acknowledges would hide a change for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replication::Time;
use replication::planted::{Bug, planted};

use super::command::ToyId;
use super::stock::Stock;
use crate::message::{Generation, Lease, Request};
use crate::node::{Address, CallId, Effect};

/// How long a lease lasts on the frontend's clock. Long enough for four renewals (one each 500 ms),
/// short enough to wait for when a frontend is silent.
pub const LEASE_DURATION: Duration = Duration::from_secs(2);

/// How much faster one clock may run than another: one hundredth, a hundred times what a quartz
/// clock drifts.
pub const LEASE_DRIFT_DIVISOR: u32 = 100;

/// What the catalog waits on top of that, for the time in which a frontend that was stopped between
/// the look at its clock and the write of its answer may still write it.
pub const LEASE_MARGIN: Duration = Duration::from_millis(50);

/// After how long an unanswered invalidation or revocation is asked again. A quarter of a lease:
/// several tries fit into one.
pub const INVALIDATE_DEADLINE: Duration = Duration::from_millis(500);

/// The pause before it is asked again after a refused connection, so that a dead frontend costs
/// ten small calls a second and no more.
pub const INVALIDATE_PAUSE: Duration = Duration::from_millis(100);

/// The most toys in one invalidation: 256 names of 64 characters stay far below the limit of a
/// body; the rest goes into the next call.
pub const INVALIDATE_TOYS_MAX: usize = 256;

/// What is to be told to a frontend.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Errand {
    /// These toys changed.
    Toys(Vec<ToyId>),
    /// Everything.
    Drop,
}

/// One frontend with a live lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// Which process of it.
    pub incarnation: u64,
    /// What a cacheable answer to it carries.
    pub generation: Generation,
    /// From this moment on, on the catalog's clock, it certainly answers nothing from its cache.
    pub expires: Time,
    /// The toys it may hold.
    pub holds: BTreeSet<ToyId>,
    /// The toys it must drop before their change may be seen, and since when.
    owes: BTreeMap<ToyId, Time>,
    /// Of what changed, that which no call told it yet.
    unsent: BTreeSet<ToyId>,
    /// `Some`: the lease is taken back. All leases of incarnations below this one end.
    revoking: Option<u64>,
    /// What it is being told. At most one call at a time: the next one carries all that waits.
    call: Option<(CallId, Errand)>,
    /// Not before this moment: the last call failed.
    retry_at: Option<Time>,
}

impl Holder {
    fn new(incarnation: u64, generation: Generation, expires: Time) -> Holder {
        Holder {
            incarnation,
            generation,
            expires,
            holds: BTreeSet::new(),
            owes: BTreeMap::new(),
            unsent: BTreeSet::new(),
            revoking: None,
            call: None,
            retry_at: None,
        }
    }

    /// Whether the lease is being taken back.
    pub fn revoked(&self) -> bool {
        self.revoking.is_some()
    }

    /// Every toy that it may answer from its cache: those it may keep, and those whose drop it has
    /// not acknowledged.
    pub fn may_serve(&self) -> impl Iterator<Item = ToyId> + '_ {
        self.holds.iter().chain(self.owes.keys()).copied()
    }

    /// How many those are.
    pub fn may_serve_toys(&self) -> usize {
        self.holds.len() + self.owes.len()
    }

    fn errand(&self, now: Time) -> Option<Errand> {
        if self.call.is_some() || self.retry_at.is_some_and(|at| at > now) {
            None
        } else if self.revoked() {
            Some(Errand::Drop)
        } else if self.unsent.is_empty() {
            None
        } else {
            Some(Errand::Toys(self.unsent.iter().take(INVALIDATE_TOYS_MAX).copied().collect()))
        }
    }
}

/// All live leases.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leases {
    /// On the frontend's clock.
    duration: Duration,
    /// How many were granted since the process started: the second half of a generation.
    granted: u64,
    /// By frontend.
    holders: BTreeMap<u8, Holder>,
}

impl Leases {
    /// No lease is granted yet.
    pub fn new(duration: Duration) -> Leases {
        Leases { duration, granted: 0, holders: BTreeMap::new() }
    }

    /// How long the catalog waits, on its own clock, until a lease has certainly ended.
    pub fn wait(&self) -> Duration {
        if planted(Bug::WaitWithoutMargin) {
            return self.duration;
        }
        self.duration + self.duration / LEASE_DRIFT_DIVISOR + LEASE_MARGIN
    }

    /// The frontends with a live lease.
    pub fn holders(&self) -> &BTreeMap<u8, Holder> {
        &self.holders
    }

    /// Grants a lease to a frontend that has none, under a new generation, or renews the one it
    /// has, under the same.
    pub fn grant(&mut self, now: Time, catalog: u64, frontend: u8, incarnation: u64) -> Lease {
        let wait = self.wait();
        let Some(holder) = self.holders.get_mut(&frontend) else {
            self.granted += 1;
            let generation = Generation { catalog, count: self.granted };
            self.holders.insert(frontend, Holder::new(incarnation, generation, now + wait));
            return Lease { generation, duration_ms: millis(self.duration) };
        };
        let since = holder.owes.values().min().map_or(now, |since| now.min(*since));
        holder.expires = holder.expires.max(since + wait);
        let generation = holder.generation;
        if since == now {
            return Lease { generation, duration_ms: millis(self.duration) };
        }
        // What is left of the wait, less the margin, less the drift: the frontend's share of it.
        let left = holder.expires.since(now).saturating_sub(LEASE_MARGIN);
        let share = left * LEASE_DRIFT_DIVISOR / (LEASE_DRIFT_DIVISOR + 1);
        Lease { generation, duration_ms: millis(share.min(self.duration)) }
    }

    /// Notes that a frontend will keep this toy, if it may: its lease is alive now, of this
    /// generation, and not being taken back.
    pub fn keep(&mut self, now: Time, frontend: u8, generation: Generation, toy: ToyId) -> bool {
        let Some(holder) = self.holders.get_mut(&frontend) else { return false };
        let alive = now < holder.expires && holder.generation == generation && !holder.revoked();
        if alive {
            holder.holds.insert(toy);
        }
        alive
    }

    /// A change of this toy begins: everybody who may hold it must drop it.
    pub fn invalidate(&mut self, now: Time, toy: ToyId) {
        for holder in self.holders.values_mut() {
            if holder.holds.remove(&toy) {
                holder.owes.insert(toy, now);
                holder.unsent.insert(toy);
            }
        }
    }

    /// Mode `push`: a toy changed; everybody who may hold it is told, nobody waits.
    pub fn push(&mut self, toy: ToyId) {
        for holder in self.holders.values_mut() {
            if holder.holds.remove(&toy) {
                holder.unsent.insert(toy);
            }
        }
    }

    /// Whether somebody may still answer with an older state of this toy.
    pub fn owed(&self, toy: ToyId) -> bool {
        self.holders.values().any(|holder| holder.owes.contains_key(&toy))
    }

    /// Puts a frontend back whose lease nobody remembers: the process that granted it is gone.
    pub fn assume(&mut self, frontend: u8, incarnation: u64, below: u64, expires: Time) {
        let mut holder = Holder::new(incarnation, Generation::default(), expires);
        holder.revoking = Some(below);
        self.holders.insert(frontend, holder);
    }

    /// Takes all leases back: those of catalog incarnations below this one.
    pub fn revoke_all(&mut self, below: u64) {
        for holder in self.holders.values_mut() {
            holder.revoking = Some(below);
            // What it was being told is part of "drop everything", which does not wait for it.
            holder.call = None;
            holder.retry_at = None;
        }
    }

    /// Whether some lease is being taken back and not known to have ended.
    pub fn revoking(&self) -> bool {
        self.holders.values().any(Holder::revoked)
    }

    /// A frontend ended its lease itself, or its caches do not matter. Returns the toys whose
    /// change it no longer delays.
    pub fn end(&mut self, frontend: u8) -> Vec<ToyId> {
        let holder = self.holders.remove(&frontend);
        holder.map_or_else(Vec::new, |holder| holder.owes.into_keys().collect())
    }

    /// The frontends whose lease has run out by now.
    pub fn lapsed(&self, now: Time) -> Vec<u8> {
        let lapsed = self.holders.iter().filter(|(_, holder)| holder.expires <= now);
        lapsed.map(|(frontend, _)| *frontend).collect()
    }

    /// The calls that are due: at most one for each frontend.
    pub fn calls(&mut self, now: Time, stock: &Stock, last: &mut u64, effects: &mut Vec<Effect>) {
        for (frontend, holder) in &mut self.holders {
            let Some(errand) = holder.errand(now) else { continue };
            let request = match &errand {
                Errand::Toys(toys) => {
                    for toy in toys {
                        holder.unsent.remove(toy);
                    }
                    let names = toys.iter().map(|toy| stock.name(*toy).clone()).collect();
                    Request::Invalidate { names }
                }
                Errand::Drop => {
                    let catalog = holder.revoking.expect("only a revoked lease is dropped");
                    Request::DropCache { catalog }
                }
            };
            *last += 1;
            let call = CallId(*last);
            holder.call = Some((call, errand));
            holder.retry_at = None;
            let to = Address::Frontend(*frontend);
            effects.push(Effect::Call { call, to, request, deadline: INVALIDATE_DEADLINE });
        }
    }

    /// A call was answered. Returns who ended its lease by that, and the toys that are owed no
    /// more. An answer to a call that was overtaken by a revocation means nothing.
    pub fn answered(&mut self, now: Time, call: CallId, done: bool) -> Answered {
        let in_flight = |holder: &&mut Holder| {
            holder.call.as_ref().is_some_and(|(in_flight, _)| *in_flight == call)
        };
        let found = self.holders.iter_mut().map(|(id, holder)| (*id, holder));
        let Some((frontend, holder)) = found.into_iter().find(|(_, h)| in_flight(h)) else {
            return Answered::Nothing;
        };
        let (_, errand) = holder.call.take().expect("it was found by its call");
        match errand {
            Errand::Toys(toys) if done => {
                for toy in &toys {
                    holder.owes.remove(toy);
                }
                Answered::Dropped(toys)
            }
            Errand::Toys(toys) => {
                // In mode `push` nothing is owed, and what a push did not reach stays stale.
                holder.unsent.extend(toys.iter().filter(|toy| holder.owes.contains_key(toy)));
                holder.retry_at = Some(now + INVALIDATE_PAUSE);
                Answered::Nothing
            }
            Errand::Drop if done => Answered::Ended(frontend),
            Errand::Drop => {
                holder.retry_at = Some(now + INVALIDATE_PAUSE);
                Answered::Nothing
            }
        }
    }

    /// A frontend can be reached again: what failed is asked again at once.
    pub fn reachable(&mut self, frontend: u8) {
        if let Some(holder) = self.holders.get_mut(&frontend) {
            holder.retry_at = None;
        }
    }

    /// When the next lease lapses or the next call is asked again.
    pub fn next_timer(&self) -> Option<Time> {
        let times = self.holders.values().map(|holder| {
            let retry = holder.retry_at.filter(|_| holder.revoked() || !holder.unsent.is_empty());
            retry.map_or(holder.expires, |retry| retry.min(holder.expires))
        });
        times.min()
    }
}

/// What the answer to a call changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Nothing, or it is asked again.
    Nothing,
    /// A frontend dropped these toys.
    Dropped(Vec<ToyId>),
    /// A frontend dropped everything and its lease.
    Ended(u8),
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
