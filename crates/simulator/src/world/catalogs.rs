//! The replicas of the catalog: which of them leads, and what must hold of them at every step: one
//! leader in each term, the same state at the same place of the log.
//!
//! Called by the world after each step of one of them, and by `check` at the end.

use std::collections::BTreeMap;
use std::hash::Hash;

use replication::{NodeId, Term, Time};
use shop::Node;
use shop::catalog::Catalog;

use super::World;
use super::check::Check;
use super::process::Process;
use super::seen::Seen;
use crate::digest::Digest;
use crate::who::{Seat, Who};

/// How many entries a replica may be behind when all is quiet: followers learn with the next
/// heartbeat what is committed.
const BEHIND_MAX: u64 = 8;

/// What was seen of the replicas so far.
#[derive(Debug, Default)]
pub struct Catalogs {
    /// Who led in each term.
    led: BTreeMap<Term, NodeId>,
    /// The stock, as one number.
    seen: Seen<u64>,
}

impl World {
    /// The catalog: of several replicas the one that leads.
    pub(super) fn catalog(&self) -> Option<&Catalog> {
        self.catalog_at(if self.seats.catalogs == 1 { 0 } else { self.catalog_leader()? })
    }

    fn catalog_at(&self, seat: Seat) -> Option<&Catalog> {
        match &self.hosts[seat].process {
            Some(Process::Catalog(catalog)) => Some(catalog),
            Some(_) | None => None,
        }
    }

    /// Whether somebody is a catalog.
    pub(super) fn is_catalog(&self, seat: Seat) -> bool {
        matches!(self.who(seat), Who::Catalog(_))
    }

    /// The replica of the catalog that leads under the highest term, if one believes so.
    pub(super) fn catalog_leader(&self) -> Option<Seat> {
        let leading = (0..usize::from(self.seats.catalogs)).filter_map(|seat| {
            let engine = self.catalog_at(seat)?.status(Time(0)).engine;
            (engine.role == "leader").then_some((engine.term, seat))
        });
        leading.max().map(|(_, seat)| seat)
    }

    /// One of several replicas made a step.
    pub(super) fn compare_catalogs(&mut self, seat: Seat) {
        if self.seats.catalogs == 1 || !self.is_catalog(seat) {
            return;
        }
        let Some(Process::Catalog(catalog)) = &self.hosts[seat].process else { return };
        let (applied, leads) = (catalog.applied(), catalog.leads_under());
        let who = self.hosts[seat].who;
        let mut wrong = None;
        if let Some(term) = leads
            && *self.catalogs.led.entry(term).or_insert(term.node) != catalog_id(who)
        {
            wrong = Some(format!("{who} leads under {term}, and another one did"));
        }
        let state = || {
            let mut digest = Digest::default();
            catalog.stock().hash(&mut digest);
            digest.value()
        };
        if self.catalogs.seen.differs(seat, applied, state) {
            wrong = Some(format!("{who} has another state at {applied} than another one"));
        }
        if let Some(what) = wrong {
            self.breaks("invariant", what);
        }
    }

    /// When all is quiet, one of the replicas leads and the others have what it has.
    pub(super) fn check_catalogs(&self) -> Check {
        let Some(leader) = self.catalog() else {
            return Err(("liveness", "no catalog leads after healing".to_string()));
        };
        let last = leader.applied();
        for seat in 0..usize::from(self.seats.catalogs) {
            let who = self.who(seat);
            let Some(catalog) = self.catalog_at(seat) else {
                return Err(("liveness", format!("{who} is down after healing")));
            };
            let applied = catalog.applied();
            if applied.0 + BEHIND_MAX < last.0 {
                let what = format!("{who} has applied {applied}, the leader {last}");
                return Err(("equal replicas", what));
            }
        }
        Ok(())
    }
}

fn catalog_id(who: Who) -> NodeId {
    match who {
        Who::Catalog(id) => NodeId(id.max(1)),
        Who::Order(_) | Who::Frontend(_) | Who::Shopper(_) | Who::Asker => NodeId::NONE,
    }
}
