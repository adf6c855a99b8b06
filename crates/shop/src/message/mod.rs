//! Every message of the system, in dataflow order.
//!
//! One set of types, two encodings: JSON for people, postcard between our own services on the hot
//! edges. The REST endpoints are these requests; crate `toystore` maps them to HTTP.
//!
//! | from | to | requests |
//! | --- | --- | --- |
//! | shopper | frontend | `ReadProduct` `ListProducts` `PlaceOrder` `ReadOrder` `ReadFate` `ResolveFate` |
//! | frontend | catalog | `Fill` `ListProducts` `RenewLease` `EndLease` |
//! | frontend | order replica | `ReadLeader` `Lead` `PlaceOrders` `ReadOrder` `ReadFate` `ResolveFate` |
//! | order leader | catalog | `PutView` `Take` `Settle` |
//! | catalog | frontend | `Invalidate` `DropCache` |
//! | anybody with the token | order replica | `ListOrders` `ReadDigest` `ReadMissed` `ReadMembers` `ChangeMembers` |
//! | order replica | order replica | one-way: [`replication::engine::Message`] |

mod consistency;
mod display;
mod problem;
mod reply;

use std::fmt;

use replication::members::Change;
use replication::{NodeId, Term, View};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use consistency::{Consistency, ReadFrom};
pub use problem::Problem;
pub use reply::{
    CacheUse, Fate, Group, Leader, Lease, Member, Order, OrderOutcome, Ordered, Part, Refusal,
    Reply, Response, Settled, TakeAnswer, Taken, Unsettled,
};

use crate::toy::{Quantity, ToyName};

/// What makes a retry harmless: 128 bits of the SHA-256 of the client's `Idempotency-Key`. JSON
/// writes it as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u128);

impl RequestId {
    /// The longest `Idempotency-Key`, in bytes.
    pub const KEY_BYTES_MAX: usize = 128;

    /// # Errors
    /// If the key is not 1 to 128 visible ASCII characters.
    pub fn from_key(key: &str) -> Result<RequestId, String> {
        let length = key.len();
        if length == 0
            || length > RequestId::KEY_BYTES_MAX
            || !key.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err("Idempotency-Key must be 1 to 128 visible ASCII characters".to_string());
        }
        let hash = Sha256::digest(key.as_bytes());
        let mut first = [0; 16];
        first.copy_from_slice(&hash[..16]);
        Ok(RequestId(u128::from_be_bytes(first)))
    }
}

impl Serialize for RequestId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&format_args!("{:032x}", self.0))
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return u128::deserialize(deserializer).map(RequestId);
        }
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("a request id is 32 hexadecimal digits");
        if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        u128::from_str_radix(&text, 16).map(RequestId).map_err(|_| wrong())
    }
}

/// The first eight of its 32 hexadecimal digits: enough to tell requests of one trace apart.
impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0 >> 96)
    }
}

/// The number of an order: 0, 1, 2 … without gaps, given by applying the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderNumber(pub u64);

impl fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An order that a shopper wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NewOrder {
    /// The same in every retry.
    pub request_id: RequestId,
    /// Which toy.
    pub name: ToyName,
    /// How many.
    pub quantity: Quantity,
}

/// One try to remove stock for an order. Numbered by the leader, rising within a term, so that the
/// catalog need not remember settled ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TakeItem {
    /// Rises within a term.
    pub number: u64,
    /// The order it is for.
    pub order: NewOrder,
}

/// Which state of a frontend's cache a lease or a cacheable answer belongs to: new after every
/// lapse, catalog restart or change of the catalog's leader. A frontend drops its whole cache when
/// it sees a new one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Generation {
    /// Raised durably at each start of the catalog (or change of its leader).
    pub catalog: u64,
    /// Counts the leases given since then.
    pub count: u64,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}.{}", self.catalog, self.count)
    }
}

/// A frontend that says who it is when it asks for a product that it would like to keep.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeaseHolder {
    /// The frontend's number.
    pub frontend: u8,
    /// The generation of the lease it holds.
    pub generation: Generation,
}

/// What one node asks of another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Request {
    /// `GET /products/{name}` at a frontend. → [`Reply::Product`]
    ReadProduct {
        /// Which toy.
        name: ToyName,
        /// How fresh.
        consistency: Consistency,
    },
    /// `GET /products`, in catalogue order. → [`Reply::Products`]
    ListProducts {
        /// Begin after this toy; at the beginning if absent.
        after: Option<ToyName>,
        /// At most so many.
        limit: u32,
        /// How fresh.
        consistency: Consistency,
    },
    /// `POST /orders` at a frontend. → [`Reply::Ordered`]
    PlaceOrder(NewOrder),
    /// `GET /orders/{number}`. → [`Reply::Order`]
    ReadOrder {
        /// Which order.
        number: OrderNumber,
        /// How fresh.
        consistency: Consistency,
    },
    /// `GET /requests/{key}`: what became of a request; linearizable. → [`Reply::Fate`]
    ReadFate {
        /// Which request.
        request_id: RequestId,
    },
    /// `POST /requests/{key}/resolve`: records "never" if nothing was recorded. → [`Reply::Fate`]
    ResolveFate {
        /// Which request.
        request_id: RequestId,
    },

    /// `GET /products/{name}` at the catalog, by a frontend. → [`Reply::Filled`]
    Fill {
        /// Which toy.
        name: ToyName,
        /// Who will cache the answer, if anybody (`X-Frontend`).
        holder: Option<LeaseHolder>,
        /// How fresh. Below `linearizable` nobody keeps the answer.
        consistency: Consistency,
    },
    /// `PUT /frontends/{id}/lease`. → [`Reply::Leased`]
    RenewLease {
        /// The frontend's number.
        frontend: u8,
        /// Where the catalog reaches it.
        url: String,
        /// Drawn anew by each process: tells a restarted frontend from a second one.
        incarnation: u64,
    },
    /// `DELETE /frontends/{id}/lease`: a frontend stops and holds nothing more. → [`Reply::Done`]
    EndLease {
        /// The frontend's number.
        frontend: u8,
        /// Which process of it.
        incarnation: u64,
    },

    /// `GET /leader` at an order replica. → [`Reply::Leader`]
    ReadLeader,
    /// `PUT /leader`: the course's rule, sent to all replicas. → [`Reply::Leader`] once `leader`
    /// leads (at that replica), at once (at the others); [`Problem::NotInSync`] if it may not.
    Lead {
        /// Who should lead.
        leader: NodeId,
        /// The last term that is known to have failed.
        after: Term,
    },
    /// `POST /orders` with an array: all that waits at a frontend. → [`Reply::Orders`]
    PlaceOrders(Vec<NewOrder>),

    /// `PUT /view` at the catalog: compare-and-set, fences lower terms. → [`Reply::View`]
    PutView {
        /// The new view.
        view: View,
        /// The term of the view that it replaces; [`Term::ZERO`] where there was none.
        previous: Term,
        /// Grant it even to a replica that is not in sync (`--unclean-election`).
        unclean: bool,
    },
    /// `POST /takes`. → [`Reply::Takes`]
    Take {
        /// The leader's term.
        term: Term,
        /// All takes of this term below this number are recorded: forget them.
        floor: u64,
        /// The takes, numbers rising.
        items: Vec<TakeItem>,
    },
    /// `POST /settlements`: the fate of takes of lower terms. → [`Reply::Done`] when durable
    Settle {
        /// The leader's term.
        term: Term,
        /// What became of each.
        takes: Vec<Settled>,
    },

    /// `DELETE /cache/{name}`, or `DELETE /cache` with several. → [`Reply::Done`]
    Invalidate {
        /// The toys whose cached values are old now.
        names: Vec<ToyName>,
    },
    /// `DELETE /cache` without names: the catalog starts anew; drop everything and the lease.
    /// → [`Reply::Done`]
    DropCache {
        /// Only leases of catalog incarnations below this one are revoked.
        catalog: u64,
    },

    /// `GET /orders?after=N&limit=M`: the order log. → [`Reply::OrderLog`]
    ListOrders {
        /// Begin after this number; at the beginning if absent.
        after: Option<OrderNumber>,
        /// At most so many.
        limit: u32,
        /// How fresh. Over HTTP it is `local` where nobody says: a replica shows its own log.
        consistency: Consistency,
    },
    /// `GET /digest?upto=N`: a hash of the first N orders (all, if absent). → [`Reply::Digest`]
    ReadDigest {
        /// How many orders.
        upto: Option<u64>,
    },
    /// `GET /log/missed?after=N`: log entries after an index. → [`Reply::Missed`]
    ReadMissed {
        /// The last index that the asker has.
        after: replication::Index,
    },

    /// `GET /members` at an order replica: who belongs to the group, as far as it knows.
    /// → [`Reply::Members`]
    ReadMembers,
    /// `POST /members` at the leader: other replicas. → [`Reply::Members`] when they are as wanted,
    /// for good; [`Problem::NotChanged`] if they cannot be.
    ChangeMembers(Change),
}
