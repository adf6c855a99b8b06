//! Who takes part in a run, and everybody's seat: the place in the world's tables.
//!
//! Used by every other file of this crate.

use std::fmt;

use replication::NodeId;
use shop::node::Address;

/// A process by its role and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// A replica of the catalog, from 1; 0 where the catalog is alone.
    Catalog(u8),
    /// A replica of the order service, from 1.
    Order(u8),
    /// A frontend, from 1.
    Frontend(u8),
    /// A shopper, from 1.
    Shopper(u8),
    /// A client that waits for no answer before it asks the next question; no process.
    Asker,
}

impl Who {
    /// How others address it; a client has no address.
    pub fn address(self) -> Option<Address> {
        match self {
            Who::Catalog(id) => Some(Address::Catalog(NodeId(id.max(1)))),
            Who::Order(id) => Some(Address::Order(NodeId(id))),
            Who::Frontend(id) => Some(Address::Frontend(id)),
            Who::Shopper(_) | Who::Asker => None,
        }
    }

    /// Who has this address.
    pub fn at(address: Address) -> Who {
        match address {
            Address::Catalog(id) => Who::Catalog(id.0),
            Address::Order(id) => Who::Order(id.0),
            Address::Frontend(id) => Who::Frontend(id),
        }
    }

    /// Whether it asks on its own account.
    pub fn is_client(self) -> bool {
        matches!(self, Who::Shopper(_) | Who::Asker)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Catalog(0) => write!(f, "catalog"),
            Who::Catalog(id) => write!(f, "catalog-{id}"),
            Who::Order(id) => write!(f, "order-{id}"),
            Who::Frontend(id) => write!(f, "frontend-{id}"),
            Who::Shopper(id) => write!(f, "shopper-{id}"),
            Who::Asker => write!(f, "asker"),
        }
    }
}

/// A place in the world's tables.
pub type Seat = usize;

/// How many there are of each kind; gives everybody a seat, in the order of [`Who`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seats {
    /// Replicas of the order service.
    pub orders: u8,
    /// Frontends.
    pub frontends: u8,
    /// Shoppers.
    pub shoppers: u8,
    /// Replicas of the catalog, from 1.
    pub catalogs: u8,
    /// Order replicas that may come later; their ids go on from the others', their seats are the
    /// last ones.
    pub spares: u8,
}

impl Seats {
    /// The seat of somebody.
    pub fn of(self, who: Who) -> Seat {
        let (orders, frontends) = (usize::from(self.orders), usize::from(self.frontends));
        // Of the last catalog: the others' ids begin with 1.
        let catalogs = usize::from(self.catalogs) - 1;
        match who {
            Who::Catalog(id) => usize::from(id.saturating_sub(1)),
            Who::Order(id) if id > self.orders => {
                self.processes() - usize::from(self.orders + self.spares) + usize::from(id) - 1
            }
            Who::Order(id) => catalogs + usize::from(id),
            Who::Frontend(id) => catalogs + orders + usize::from(id),
            Who::Shopper(id) => catalogs + orders + frontends + usize::from(id),
            Who::Asker => self.processes(),
        }
    }

    /// The first order replica that is not this one.
    pub fn other_order(self, leader: Who) -> Option<Who> {
        (1..=self.orders).map(Who::Order).find(|who| *who != leader)
    }

    /// How many processes there are.
    pub fn processes(self) -> usize {
        let kinds = [self.catalogs, self.orders, self.frontends, self.shoppers, self.spares];
        kinds.into_iter().map(usize::from).sum()
    }

    /// All processes, in the order of their seats.
    pub fn all(self) -> Vec<Who> {
        let first = Seats { spares: 0, ..self };
        let shoppers = (1..=self.shoppers).map(Who::Shopper);
        first.servers().into_iter().chain(shoppers).chain(self.spares()).collect()
    }

    /// The order replicas that may come later.
    pub fn spares(self) -> impl Iterator<Item = Who> {
        (self.orders + 1..=self.orders + self.spares).map(Who::Order)
    }

    /// The replicas of the catalog; it alone, if it is.
    pub fn catalogs(self) -> impl Iterator<Item = Who> {
        let ids = if self.catalogs == 1 { 0..=0 } else { 1..=self.catalogs };
        ids.map(Who::Catalog)
    }

    /// The processes that serve: all but the shoppers.
    pub fn servers(self) -> Vec<Who> {
        let orders = (1..=self.orders).map(Who::Order);
        let frontends = (1..=self.frontends).map(Who::Frontend);
        self.catalogs().chain(orders).chain(frontends).chain(self.spares()).collect()
    }
}
