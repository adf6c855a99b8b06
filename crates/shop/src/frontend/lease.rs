//! The lease: the catalog's promise to let no change become visible before this frontend was told.
//!
//! Leases after Gray and Cheriton, "Leases: an efficient fault-tolerant mechanism for distributed
//! file cache consistency" (1989). Two departures: a lease is for the whole cache, not for one
//! toy, and it has a *generation*, which is new after every lapse. Without it a frontend that was
//! paused for 5 s would renew its lease and serve what it had before.
//!
//! Invariant: `until` is at most (the moment before a renewal left) + (the duration granted), on
//! this node's own clock. The catalog counts from the later moment when it got the request, and a
//! little longer, so the lease ends here first.
//!
//! Called by `frontend::mod`; speaks to the catalog through the outbox.

use std::time::Duration;

use replication::Time;
use replication::planted::{Bug, planted};

use super::calls::{Outbox, Purpose};
use super::config::{Config, STOP_DEADLINE};
use crate::catalog_leader::Heard;
use crate::invalidation::Invalidation;
use crate::message::{Generation, LeaseHolder, Problem, Reply, Request};
use crate::node::Answer;

/// How often the lease is renewed: a quarter of its 2 s, so that two lost renewals do no harm.
const RENEW_INTERVAL: Duration = Duration::from_millis(500);

/// How soon the catalog is asked again while there is no lease, as during a start.
const REGISTER_INTERVAL: Duration = Duration::from_millis(50);

/// A lease as it was granted last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Held {
    generation: Generation,
    until: Time,
}

/// The frontend's side of the lease, and its registration at the catalog.
///
/// In mode `push` it is only the registration: the catalog learns whom to push to, and a new
/// generation still drops the cache, but hits do not ask when it ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lease {
    wanted: bool,
    endless: bool,
    frontend: u8,
    url: String,
    incarnation: u64,
    held: Option<Held>,
    /// Leases of catalog incarnations below this one were revoked; an answer that was under way
    /// while they were must not bring one back.
    revoked_below: u64,
    asked: bool,
    next_at: Option<Time>,
    /// Whether the catalog has given what is needed since the start: the first lease or, where none
    /// is wanted, any answer.
    answered: bool,
    /// Whether the catalog knows another frontend by this id.
    in_use: bool,
}

impl Lease {
    pub fn new(config: &Config) -> Lease {
        let (wanted, endless) = match config.invalidation {
            Invalidation::Lease => (config.cache_capacity > 0, false),
            Invalidation::Push => (config.cache_capacity > 0, true),
            Invalidation::Ttl(_) | Invalidation::None => (false, false),
        };
        Lease {
            wanted,
            endless,
            frontend: config.id,
            url: config.url.clone(),
            incarnation: config.incarnation,
            held: None,
            revoked_below: 0,
            asked: false,
            next_at: None,
            answered: false,
            in_use: false,
        }
    }

    /// The generation under which hits may be served and fills kept at this moment.
    pub fn current(&self, now: Time) -> Option<Generation> {
        let held = self.held?;
        let endless = self.endless || planted(Bug::LeaseOverrun);
        (endless || now < held.until).then_some(held.generation)
    }

    /// What a fill says about who asks.
    pub fn holder(&self, now: Time) -> Option<LeaseHolder> {
        let generation = self.current(now)?;
        Some(LeaseHolder { frontend: self.frontend, generation })
    }

    /// The newest generation that was granted, live or not, and how long it lasts.
    pub fn granted(&self, now: Time) -> Option<(Generation, Duration)> {
        self.held.map(|held| (held.generation, held.until.since(now)))
    }

    /// `Err` says what the catalog has not done yet.
    pub fn ready(&self) -> Result<(), String> {
        if self.in_use {
            Err("the catalog knows another frontend by this id".to_string())
        } else if self.answered {
            Ok(())
        } else if self.wanted {
            Err("the catalog has not granted a lease yet".to_string())
        } else {
            Err("the catalog has not answered yet".to_string())
        }
    }

    /// The catalog answered something.
    pub fn heard(&mut self) {
        self.answered |= !self.wanted;
    }

    /// When it wants to ask the catalog again.
    pub fn next_timer(&self) -> Option<Time> {
        if self.asked { None } else { self.next_at }
    }

    /// Asks, if it is time: for the lease, or (where none is wanted) whether the catalog is there.
    pub fn ask_if_due(&mut self, out: &mut Outbox<'_>) {
        if self.next_timer().is_none_or(|at| out.now < at) {
            return;
        }
        if self.wanted {
            let Lease { frontend, incarnation, .. } = *self;
            let request = Request::RenewLease { frontend, url: self.url.clone(), incarnation };
            out.call_catalog(Purpose::Renew { left: out.now }, request, RENEW_INTERVAL);
        } else if self.answered {
            self.next_at = None;
            return;
        } else {
            let request = Request::ListProducts { after: None, limit: 1 };
            out.call_catalog(Purpose::Probe, request, RENEW_INTERVAL);
        }
        self.asked = true;
    }

    /// Begins.
    pub fn start(&mut self, out: &mut Outbox<'_>) {
        self.next_at = Some(out.now);
        self.ask_if_due(out);
    }

    /// The answer to a probe.
    pub fn on_probed(&mut self, now: Time, answer: &Answer) {
        self.asked = false;
        self.answered |= matches!(answer, Answer::Said(_));
        self.next_at = (!self.answered).then_some(now + REGISTER_INTERVAL);
    }

    /// The answer to a renewal that left at `left`. Returns whether the whole cache must go.
    pub fn on_renewed(
        &mut self,
        out: &mut Outbox<'_>,
        left: Time,
        heard: Heard,
        answer: Answer,
    ) -> bool {
        self.asked = false;
        let before = self.held.map(|held| held.generation);
        match answer {
            Answer::Said(Ok(Reply::Leased(lease))) => {
                self.answered = true;
                self.in_use = false;
                let from = if planted(Bug::LeaseFromAnswer) { out.now } else { left };
                self.grant(lease.generation, from + Duration::from_millis(lease.duration_ms));
            }
            Answer::Said(Err(Problem::FrontendInUse)) => {
                if !self.in_use {
                    out.warn(format!("another process serves as frontend-{}", self.frontend));
                }
                self.in_use = true;
                self.held = None;
            }
            Answer::Said(_) | Answer::Refused | Answer::Unknown => {}
        }
        let live = self.held.is_some_and(|held| out.now < held.until);
        let pause = match heard {
            // The replica that leads is known now.
            Heard::Hint => Duration::ZERO,
            Heard::Final if live => RENEW_INTERVAL,
            Heard::Final | Heard::Elsewhere => REGISTER_INTERVAL,
        };
        self.next_at = Some(out.now.max(left + pause));
        self.held.map(|held| held.generation) != before && !planted(Bug::GenerationIgnored)
    }

    /// A generation below the one held can only be a late word of a catalog that leads no more.
    fn grant(&mut self, generation: Generation, until: Time) {
        if generation.catalog < self.revoked_below {
            return;
        }
        match &mut self.held {
            Some(held) if generation < held.generation => {}
            Some(held) if generation == held.generation => held.until = held.until.max(until),
            Some(_) | None => self.held = Some(Held { generation, until }),
        }
    }

    /// The catalog begins as incarnation `catalog` and revokes what older ones gave. Returns
    /// whether the whole cache must go.
    pub fn revoke(&mut self, now: Time, catalog: u64) -> bool {
        if self.wanted && catalog > self.revoked_below {
            self.next_at = Some(now);
        }
        self.revoked_below = self.revoked_below.max(catalog);
        let revoked = self.held.is_some_and(|held| held.generation.catalog < catalog);
        if revoked {
            self.held = None;
        }
        revoked
    }

    /// Gives the lease back, for a clean stop. Returns whether the catalog is asked to confirm.
    pub fn end(&mut self, out: &mut Outbox<'_>) -> bool {
        self.held = None;
        self.next_at = None;
        if !self.wanted {
            return false;
        }
        // A renewal under way may still be granted after this; nothing is held under it, and it
        // runs out by itself.
        self.revoked_below = u64::MAX;
        self.wanted = false;
        self.tell_end(out);
        true
    }

    /// Tells the catalog that nothing is held any more.
    pub fn tell_end(&self, out: &mut Outbox<'_>) {
        let Lease { frontend, incarnation, .. } = *self;
        let request = Request::EndLease { frontend, incarnation };
        out.call_catalog(Purpose::End, request, STOP_DEADLINE);
    }
}
