//! What people see of the catalog: `/status`, the dashboard, `toystore status`, the demo's verdict.
//!
//! Made by [`Catalog`] on request; nothing decides by it.

use replication::{Index, Term, Time, View, engine};
use serde::{Deserialize, Serialize};

pub use super::shelves::Totals;
use super::{Catalog, Phase};
use crate::message::Generation;
use crate::toy::{Cents, ToyName, Version};

/// So many toys are listed one by one: whoever looks at a store asks for this again and again, so
/// that it must stay short. Of all of them there are the [`Totals`].
pub const TOYS_LISTED: usize = 100;

/// The catalog's whole public state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// `starting`, `revoking`, `open`, `stopping`, `closing`, `stopped`; `following`, if another
    /// replica leads.
    pub phase: String,
    /// How caches learn of changes: `lease`, `push`, `ttl=2000ms`, `none`.
    pub invalidation: String,
    /// Whether takes of other terms than the view's are refused.
    pub fencing: bool,
    /// Whether the disk has no room.
    pub disk_full: bool,
    /// How often a process of the catalog began to serve on this disk.
    pub incarnation: u64,
    /// Who leads the order replicas.
    pub view: View,
    /// All toys together.
    pub totals: Totals,
    /// Toy by toy, in catalogue order: the first [`TOYS_LISTED`].
    pub toys: Vec<ToyStatus>,
    /// The live leases.
    pub leases: Vec<LeaseStatus>,
    /// The frontends that a start would wait for.
    pub frontends: Vec<FrontendStatus>,
    /// How many takes are remembered, over all terms.
    pub takes_outstanding: usize,
    /// The engine's own term.
    pub term: Term,
    /// The log begins after this index; a checkpoint stands for what is before.
    pub log_start: Index,
    /// The last index in the log.
    pub log_last: Index,
    /// The last index that is durable and applied.
    pub applied: Index,
    /// The engine: role, term, leader, log positions; of several replicas, who has what.
    pub engine: engine::Status,
}

/// One toy, with the account of its pieces:
/// `initial + restocked = in_stock + sold + unsettled`, always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToyStatus {
    /// In the catalogue's spelling.
    pub name: ToyName,
    /// In cents.
    pub price: Cents,
    /// How many are in stock, as applied.
    pub in_stock: u64,
    /// The state of that stock.
    pub version: Version,
    /// What readers see now: an older state while caches are being emptied.
    pub visible_version: Version,
    /// How many there were at first.
    pub initial: u64,
    /// How many were added by restocking.
    pub restocked: u64,
    /// How many were taken by orders that are known to be recorded.
    pub sold: u64,
    /// How many are taken, with the fate of their order open.
    pub unsettled: u64,
}

/// One live lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// Whose.
    pub frontend: u8,
    /// What its cacheable answers carry.
    pub generation: Generation,
    /// How long until it has certainly ended, in milliseconds.
    pub remaining_ms: u64,
    /// Whether it is being taken back.
    pub revoking: bool,
    /// How many toys the frontend may answer from its cache: those that it was given to keep, and
    /// that did not change since. It may have forgotten most of them.
    pub may_hold_toys: usize,
    /// Which: the first [`TOYS_LISTED`].
    pub may_hold: Vec<ToyName>,
}

/// One registered frontend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontendStatus {
    /// Its number.
    pub frontend: u8,
    /// Where it is.
    pub url: String,
}

impl Catalog {
    pub(super) fn status_at(&self, now: Time) -> Status {
        let engine = self.group.engine();
        let log = engine.log();
        let toys = self.stock.shelves().ids().take(TOYS_LISTED).map(|toy| {
            let shelf = self.stock.shelf(toy);
            // Before a reign has begun nobody reads here.
            let begun = self.visibility.has_begun();
            let visible_version = if begun { self.visibility.version(toy) } else { shelf.version };
            ToyStatus {
                name: self.stock.name(toy).clone(),
                price: shelf.price,
                in_stock: shelf.quantity,
                version: shelf.version,
                visible_version,
                initial: shelf.initial,
                restocked: shelf.restocked,
                sold: shelf.sold(),
                unsettled: shelf.unsettled,
            }
        });
        let leases = self.leases.holders().iter().map(|(frontend, holder)| {
            let listed = holder.may_serve().take(TOYS_LISTED);
            let left = holder.expires.since(now).as_millis();
            LeaseStatus {
                frontend: *frontend,
                generation: holder.generation,
                remaining_ms: u64::try_from(left).unwrap_or(u64::MAX),
                revoking: holder.revoked(),
                may_hold_toys: holder.may_serve_toys(),
                may_hold: listed.map(|toy| self.stock.name(toy).clone()).collect(),
            }
        });
        let frontends = self.stock.frontends().iter();
        let frontends = frontends
            .map(|(frontend, r)| FrontendStatus { frontend: *frontend, url: r.url.clone() });
        Status {
            phase: self.phase.to_string(),
            invalidation: self.config.invalidation.to_string(),
            fencing: self.config.fencing,
            disk_full: self.disk_full,
            incarnation: self.stock.incarnation(),
            view: self.stock.view().clone(),
            totals: self.stock.shelves().totals(),
            toys: toys.collect(),
            leases: leases.collect(),
            frontends: frontends.collect(),
            takes_outstanding: self.stock.takes().outstanding(),
            term: engine.status().term,
            log_start: log.start(),
            log_last: log.last(),
            applied: self.chores.applied().0,
            engine: engine.status(),
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Phase::Starting => "starting",
            Phase::Revoking => "revoking",
            Phase::Open => "open",
            Phase::Stopping => "stopping",
            Phase::Closing => "closing",
            Phase::Stopped => "stopped",
            Phase::Following => "following",
        })
    }
}
