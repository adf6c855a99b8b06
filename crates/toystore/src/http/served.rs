//! What HTTP asks of a node beside its contract: the hot path of a frontend, and what its messages
//! cannot say.
//!
//! Called by [`super::site`].

use replication::log::Snapshot;
use replication::{NodeId, Time};
use shop::Node;
use shop::catalog::Catalog;
use shop::frontend::{Frontend, Hit};
use shop::orders::Orders;

/// What a node adds to its [`Node`] contract to be served over HTTP.
pub trait Served: Node + Send + 'static {
    /// The hot path: a product from the cache.
    fn hit(&mut self, _now: Time, _name: &str) -> Option<Hit> {
        None
    }

    /// The leader that a frontend believes in.
    fn leader(&self, _now: Time) -> Option<NodeId> {
        None
    }

    /// Everything the log stands on: for `GET /snapshot`.
    fn snapshot(&self) -> Option<Snapshot> {
        None
    }
}

impl Served for Frontend {
    fn hit(&mut self, now: Time, name: &str) -> Option<Hit> {
        Frontend::hit(self, now, name)
    }

    fn leader(&self, now: Time) -> Option<NodeId> {
        self.status(now).leader.map(|leader| leader.id)
    }
}

impl Served for Orders {
    fn snapshot(&self) -> Option<Snapshot> {
        Some(Orders::snapshot(self))
    }
}

impl Served for Catalog {}
