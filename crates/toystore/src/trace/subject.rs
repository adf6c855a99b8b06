//! What a message, a log entry and a call are about: by this, and not by the moment, a cause is
//! found.
//!
//! Pure. Called by [`super::place`] and [`super::live`].

use replication::{Entry, Term};
use shop::message::{OrderNumber, Request, RequestId};
use shop::node::Address;
use shop::toy::ToyName;
use shop::{catalog, orders};

/// Something that a message names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A purchase. Remembered beyond its answer, since its log entry may come later.
    Purchase(RequestId),
    /// A take, by its number in its term: settlements know it by no other name.
    Take(Term, u64),
    /// A toy that is being changed: until the change is answered.
    Change(ToyName),
    /// A toy that is being read.
    Fill(ToyName),
    /// A page of toys.
    Page(Option<ToyName>),
    /// An order that is being read.
    Order(OrderNumber),
    /// A request whose fate is asked for.
    Fate(RequestId),
}

/// What a node has at hand from now on because of this request, each with its place in the message.
pub fn begun_by(request: &Request) -> Vec<(usize, Subject)> {
    match request {
        Request::PlaceOrder(order) => vec![(0, Subject::Purchase(order.request_id))],
        Request::PlaceOrders(orders) => {
            let purchases = orders.iter().map(|order| Subject::Purchase(order.request_id));
            purchases.enumerate().collect()
        }
        Request::Take { term, items, .. } => {
            let subjects = items.iter().enumerate().flat_map(|(place, item)| {
                let order = &item.order;
                [
                    (place, Subject::Purchase(order.request_id)),
                    (place, Subject::Take(*term, item.number)),
                    (place, Subject::Change(order.name.clone())),
                ]
            });
            subjects.collect()
        }
        Request::ReadProduct { name, .. } => vec![(0, Subject::Fill(name.clone()))],
        Request::ListProducts { after, .. } => vec![(0, Subject::Page(after.clone()))],
        Request::ReadOrder { number, .. } => vec![(0, Subject::Order(*number))],
        Request::ReadFate { request_id } | Request::ResolveFate { request_id } => {
            vec![(0, Subject::Fate(*request_id))]
        }
        // Answered at once, or nobody's: nothing is called on their behalf.
        Request::Fill { .. }
        | Request::RenewLease { .. }
        | Request::EndLease { .. }
        | Request::ReadLeader
        | Request::Lead { .. }
        | Request::PutView { .. }
        | Request::Settle { .. }
        | Request::Invalidate { .. }
        | Request::DropCache { .. }
        | Request::ListOrders { .. }
        | Request::ReadDigest { .. }
        | Request::ReadMissed { .. }
        | Request::ReadMembers
        | Request::ChangeMembers(_) => Vec::new(),
    }
}

/// What a call is made for, by place.
pub fn causes_of(request: &Request) -> Vec<Subject> {
    match request {
        Request::PlaceOrder(order) => vec![Subject::Purchase(order.request_id)],
        Request::PlaceOrders(orders) => {
            orders.iter().map(|order| Subject::Purchase(order.request_id)).collect()
        }
        Request::Take { items, .. } => {
            items.iter().map(|item| Subject::Purchase(item.order.request_id)).collect()
        }
        Request::Settle { takes, .. } => {
            takes.iter().map(|settled| Subject::Take(settled.term, settled.number)).collect()
        }
        Request::Invalidate { names } => names.iter().cloned().map(Subject::Change).collect(),
        Request::Fill { name, .. } => vec![Subject::Fill(name.clone())],
        Request::ListProducts { after, .. } => vec![Subject::Page(after.clone())],
        Request::ReadOrder { number, .. } => vec![Subject::Order(*number)],
        Request::ReadFate { request_id } | Request::ResolveFate { request_id } => {
            vec![Subject::Fate(*request_id)]
        }
        Request::ReadProduct { .. }
        | Request::RenewLease { .. }
        | Request::EndLease { .. }
        | Request::ReadLeader
        | Request::Lead { .. }
        | Request::PutView { .. }
        | Request::DropCache { .. }
        | Request::ListOrders { .. }
        | Request::ReadDigest { .. }
        | Request::ReadMissed { .. }
        | Request::ReadMembers
        | Request::ChangeMembers(_) => Vec::new(),
    }
}

/// Whose a log entry is, in the log of this node.
pub fn of_entry(node: Address, entry: &Entry) -> Vec<Subject> {
    match node {
        // Its own record of what a leader says: whatever has no command is the engine's.
        Address::Order(_) => match orders::command::Command::decode(&entry.command) {
            Ok(orders::command::Command::Record { order, .. })
            | Ok(orders::command::Command::Refuse { order, .. }) => {
                vec![Subject::Purchase(order.request_id)]
            }
            Ok(orders::command::Command::Never { .. }) | Err(_) => Vec::new(),
        },
        Address::Catalog(_) => match catalog::command::Command::decode(&entry.command) {
            Ok(catalog::command::Command::Take { items, .. }) => {
                items.iter().map(|item| Subject::Purchase(item.request_id)).collect()
            }
            Ok(catalog::command::Command::Settle { takes, .. }) => {
                takes.iter().map(|settled| Subject::Take(settled.term, settled.number)).collect()
            }
            Ok(
                catalog::command::Command::Catalogue(_)
                | catalog::command::Command::Begin { .. }
                | catalog::command::Command::View(_)
                | catalog::command::Command::Restock { .. }
                | catalog::command::Command::Register { .. }
                | catalog::command::Command::Unregister { .. }
                | catalog::command::Command::Close
                | catalog::command::Command::MoreToys(_),
            )
            | Err(_) => Vec::new(),
        },
        Address::Frontend(_) => Vec::new(),
    }
}

/// A call's method and path, the latter with `{}` for what differs from one to the next.
pub fn title(request: &Request) -> (&'static str, &'static str) {
    match request {
        Request::ReadProduct { .. } | Request::Fill { .. } => ("GET", "/products/{}"),
        Request::ListProducts { .. } => ("GET", "/products"),
        Request::PlaceOrder(_) | Request::PlaceOrders(_) => ("POST", "/orders"),
        Request::ReadOrder { .. } => ("GET", "/orders/{}"),
        Request::ReadFate { .. } => ("GET", "/requests/{}"),
        Request::ResolveFate { .. } => ("POST", "/requests/{}/resolve"),
        Request::RenewLease { .. } => ("PUT", "/frontends/{}/lease"),
        Request::EndLease { .. } => ("DELETE", "/frontends/{}/lease"),
        Request::ReadLeader => ("GET", "/leader"),
        Request::Lead { .. } => ("PUT", "/leader"),
        Request::PutView { .. } => ("PUT", "/view"),
        Request::Take { .. } => ("POST", "/takes"),
        Request::Settle { .. } => ("POST", "/settlements"),
        Request::Invalidate { .. } | Request::DropCache { .. } => ("DELETE", "/cache"),
        Request::ListOrders { .. } => ("GET", "/orders"),
        Request::ReadDigest { .. } => ("GET", "/digest"),
        Request::ReadMissed { .. } => ("GET", "/log/missed"),
        Request::ReadMembers => ("GET", "/members"),
        Request::ChangeMembers(_) => ("POST", "/members"),
    }
}
