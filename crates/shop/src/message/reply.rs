//! What one node answers another.

use replication::log::Snapshot;
use replication::{Entry, NodeId, Term, View};
use serde::{Deserialize, Serialize};

use super::{Generation, NewOrder, OrderNumber, Problem, ReadFrom};
use crate::toy::{Product, Quantity, ToyName, Version};

/// An answer, or the expected failure.
pub type Response = Result<Reply, Problem>;

/// How a product answer came about: `X-Cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CacheUse {
    /// From the cache.
    Hit,
    /// From the catalog, and kept if that was allowed.
    Miss,
    /// From the catalog: there is no cache, or no lease.
    Bypass,
}

/// An order that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ordered {
    /// Its number.
    pub number: OrderNumber,
    /// The version that its take made.
    pub version: Version,
    /// Its index in the replicated log.
    pub index: u64,
}

/// A recorded order as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Order {
    /// Its number.
    pub number: OrderNumber,
    /// The toy, in the catalogue's spelling.
    pub name: ToyName,
    /// How many.
    pub quantity: Quantity,
    /// Its index in the replicated log.
    pub index: u64,
}

/// Why a take was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// Fewer in stock than asked for.
    Insufficient,
    /// No such toy.
    Unknown,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Fate {
    /// An order, for good.
    Recorded(Ordered),
    /// Refused, for good.
    Refused {
        /// Why.
        refusal: Refusal,
        /// The state of the stock that refused.
        version: Version,
        /// The log index of the recorded refusal.
        index: u64,
    },
    /// Under way.
    Pending,
    /// Resolved as never to be done, for good.
    Never,
    /// Not seen yet; a delayed request may still arrive.
    Unknown,
}

/// One item's answer in a batch of orders.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OrderOutcome {
    /// Final.
    Said(Result<Ordered, Problem>),
    /// Not yet: ask again with the same request id. Keeps one slow toy from holding the batch.
    Pending,
}

/// A frontend's right to answer from its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lease {
    /// Drop the whole cache if it is new.
    pub generation: Generation,
    /// How long it lasts, on the frontend's clock, from before the request left; in milliseconds.
    pub duration_ms: u64,
}

/// Who leads, as one order replica knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Leader {
    /// Who leads, if known.
    pub leader: Option<NodeId>,
    /// The highest term it knows.
    pub term: Term,
    /// Whether this replica itself leads now.
    pub leading: bool,
    /// Who belongs to the group, if it is not the one that the store began with any more.
    pub members: Vec<Member>,
}

/// What a replica does in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Its vote counts.
    Votes,
    /// Its vote counts until the change under way is done; then it is out.
    Leaves,
    /// It gets the log, and its vote when it has nearly all of it.
    Learns,
}

/// A replica of the order service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: NodeId,
    /// What it does.
    pub part: Part,
    /// Where it is reached, if it came by a change: nobody else's address is in the log.
    pub url: Option<String>,
}

/// Who belongs to the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Group {
    /// By rising id.
    pub members: Vec<Member>,
    /// Whether no change is under way.
    pub settled: bool,
    /// The highest id that was ever used: the next one is higher.
    pub highest: NodeId,
}

/// A take of a lower term whose fate the new leader must settle.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Unsettled {
    /// The term it was made in.
    pub term: Term,
    /// Its number in that term.
    pub number: u64,
    /// The order it was for.
    pub order: NewOrder,
}

/// What became of a take of a lower term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Settled {
    /// The term it was made in.
    pub term: Term,
    /// Its number in that term.
    pub number: u64,
    /// Whether an order was recorded for it; else the stock goes back.
    pub recorded: bool,
}

/// What a take did.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Taken {
    /// The stock was taken.
    Taken {
        /// The state it made.
        version: Version,
        /// The toy in the catalogue's spelling.
        name: ToyName,
    },
    /// Nothing was taken.
    Refused {
        /// Why.
        refusal: Refusal,
        /// The state of the stock that refused.
        version: Version,
    },
    /// Durable, but not visible yet: ask again.
    Pending,
}

/// One item's answer in a batch of takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TakeAnswer {
    /// Which item.
    pub number: u64,
    /// What it did.
    pub taken: Taken,
}

/// What a node answers when it can; see [`Request`](super::Request) for which answers what.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reply {
    /// A product, from a frontend.
    Product {
        /// The toy.
        product: Product,
        /// How it came about.
        cache: CacheUse,
        /// Whose state it is.
        from: ReadFrom,
    },
    /// Products in catalogue order.
    Products {
        /// The toys.
        products: Vec<Product>,
        /// Whose state it is.
        from: ReadFrom,
    },
    /// The order is recorded.
    Ordered(Ordered),
    /// An order.
    Order {
        /// It.
        order: Order,
        /// Whose state it is in.
        from: ReadFrom,
    },
    /// The fate of a request.
    Fate(Fate),
    /// A product, from the catalog.
    Filled {
        /// The toy.
        product: Product,
        /// It may be cached under this generation; absent if it may not be cached.
        generation: Option<Generation>,
        /// Whose state it is.
        from: ReadFrom,
    },
    /// A lease was given or renewed.
    Leased(Lease),
    /// Who leads.
    Leader(Leader),
    /// One outcome for each order of the batch, in its order.
    Orders(Vec<OrderOutcome>),
    /// The view is in force.
    View {
        /// The view in force.
        view: View,
        /// Every unsettled take of lower terms.
        unsettled: Vec<Unsettled>,
    },
    /// One answer for each take of the batch, in its order.
    Takes(Vec<TakeAnswer>),
    /// Done.
    Done,
    /// A page of the order log.
    OrderLog {
        /// Orders in the order of their numbers.
        orders: Vec<Order>,
        /// How many there are in all.
        total: u64,
        /// Whose log it is.
        from: ReadFrom,
    },
    /// A hash of the first orders.
    Digest {
        /// How many orders it covers.
        upto: u64,
        /// Hexadecimal.
        digest: String,
    },
    /// Log entries; a snapshot first, where the log no longer has them.
    Missed {
        /// Present if the entries asked for are compacted away.
        snapshot: Option<Snapshot>,
        /// What follows it, or follows the index asked for.
        entries: Vec<Entry>,
        /// How far the log is committed.
        committed: u64,
    },
    /// Who belongs to the group.
    Members(Group),
}
