//! The one notation: how requests and replies look in golden scripts, traces, logs and docs.

use std::fmt;

use super::reply::{
    CacheUse, Fate, Member, OrderOutcome, Part, Refusal, Reply, Settled, TakeAnswer, Taken,
    Unsettled,
};
use super::{Consistency, LeaseHolder, NewOrder, Ordered, Problem, Request, TakeItem};

/// Writes `items` separated by a space, in brackets.
fn list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl IntoIterator<Item = T>,
) -> fmt::Result {
    write!(f, "[")?;
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            write!(f, " ")?;
        }
        write!(f, "{item}")?;
    }
    write!(f, "]")
}

/// ` local`: only what is not the default is said.
fn level(consistency: Consistency) -> String {
    match consistency {
        Consistency::Linearizable => String::new(),
        Consistency::Leader | Consistency::Local => format!(" {consistency}"),
    }
}

impl fmt::Display for NewOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}:{}", self.name, self.quantity, self.request_id)
    }
}

impl fmt::Display for TakeItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.number, self.order)
    }
}

impl fmt::Display for LeaseHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frontend-{} {}", self.frontend, self.generation)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::ReadProduct { name, consistency } => {
                write!(f, "read {name}{}", level(*consistency))
            }
            Request::ListProducts { after: None, limit, consistency } => {
                write!(f, "products limit={limit}{}", level(*consistency))
            }
            Request::ListProducts { after: Some(after), limit, consistency } => {
                write!(f, "products after={after} limit={limit}{}", level(*consistency))
            }
            Request::PlaceOrder(order) => write!(f, "order {order}"),
            Request::ReadOrder { number, consistency } => {
                write!(f, "read-order {number}{}", level(*consistency))
            }
            Request::ReadFate { request_id } => write!(f, "fate {request_id}"),
            Request::ResolveFate { request_id } => write!(f, "resolve {request_id}"),
            Request::Fill { name, holder: None, consistency } => {
                write!(f, "fill {name}{}", level(*consistency))
            }
            Request::Fill { name, holder: Some(holder), consistency } => {
                write!(f, "fill {name} for {holder}{}", level(*consistency))
            }
            Request::RenewLease { frontend, incarnation, .. } => {
                write!(f, "renew-lease frontend-{frontend}/{incarnation}")
            }
            Request::EndLease { frontend, incarnation } => {
                write!(f, "end-lease frontend-{frontend}/{incarnation}")
            }
            Request::ReadLeader => write!(f, "leader?"),
            Request::Lead { leader, after } => write!(f, "lead {leader} after {after}"),
            Request::PlaceOrders(orders) => {
                write!(f, "orders ")?;
                list(f, orders)
            }
            Request::PutView { view, previous, unclean } => {
                let unclean = if *unclean { " unclean" } else { "" };
                write!(f, "view {view} after {previous}{unclean}")
            }
            Request::Take { term, floor, items } => {
                write!(f, "take {term} floor={floor} ")?;
                list(f, items)
            }
            Request::Settle { term, takes } => {
                write!(f, "settle {term} ")?;
                list(f, takes)
            }
            Request::Invalidate { names } => {
                write!(f, "invalidate ")?;
                list(f, names)
            }
            Request::DropCache { catalog } => write!(f, "drop-cache before g{catalog}"),
            Request::ListOrders { after: None, limit, consistency } => {
                write!(f, "list-orders limit={limit}{}", level(*consistency))
            }
            Request::ListOrders { after: Some(after), limit, consistency } => {
                write!(f, "list-orders after={after} limit={limit}{}", level(*consistency))
            }
            Request::ReadDigest { upto: None } => write!(f, "digest"),
            Request::ReadDigest { upto: Some(upto) } => write!(f, "digest upto={upto}"),
            Request::ReadMissed { after } => write!(f, "missed after={after}"),
            Request::ReadMembers => write!(f, "members?"),
            Request::ChangeMembers(change) => write!(f, "members {change}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status(), self.message())
    }
}

impl fmt::Display for Ordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} @{}", self.number, self.version, self.index)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Insufficient => "insufficient",
            Refusal::Unknown => "unknown",
        })
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Recorded(ordered) => write!(f, "recorded {ordered}"),
            Fate::Refused { refusal, version, index } => {
                write!(f, "refused {refusal} {version} @{index}")
            }
            Fate::Pending => write!(f, "pending"),
            Fate::Never => write!(f, "never"),
            Fate::Unknown => write!(f, "unknown"),
        }
    }
}

impl fmt::Display for OrderOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OrderOutcome::Said(Ok(ordered)) => write!(f, "({ordered})"),
            OrderOutcome::Said(Err(problem)) => write!(f, "({problem})"),
            OrderOutcome::Pending => write!(f, "(pending)"),
        }
    }
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}={}", self.term, self.number, self.order)
    }
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = if self.recorded { "recorded" } else { "give-back" };
        write!(f, "{}/{}={fate}", self.term, self.number)
    }
}

impl fmt::Display for TakeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.taken {
            Taken::Taken { version, name } => write!(f, "{}={name}:{version}", self.number),
            Taken::Refused { refusal, version } => {
                write!(f, "{}={refusal}:{version}", self.number)
            }
            Taken::Pending => write!(f, "{}=pending", self.number),
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Part::Votes => write!(f, "{}", self.id),
            Part::Leaves => write!(f, "{} leaves", self.id),
            Part::Learns => write!(f, "{} learns", self.id),
        }
    }
}

impl fmt::Display for CacheUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CacheUse::Hit => "hit",
            CacheUse::Miss => "miss",
            CacheUse::Bypass => "bypass",
        })
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Product { product, cache, from } => write!(f, "{product} {cache}{from}"),
            Reply::Products { products, from } => {
                list(f, products)?;
                write!(f, "{from}")
            }
            Reply::Ordered(ordered) => write!(f, "ordered {ordered}"),
            Reply::Order { order, from } => {
                write!(
                    f,
                    "order {} {}x{} @{}{from}",
                    order.number, order.name, order.quantity, order.index
                )
            }
            Reply::Fate(fate) => write!(f, "{fate}"),
            Reply::Filled { product, generation: Some(generation), from } => {
                write!(f, "{product} keep {generation}{from}")
            }
            Reply::Filled { product, generation: None, from } => {
                write!(f, "{product} do-not-keep{from}")
            }
            Reply::Leased(lease) => write!(f, "lease {} {}ms", lease.generation, lease.duration_ms),
            Reply::Leader(leader) => {
                let who = leader.leader.map_or("nobody".to_string(), |id| id.to_string());
                let role = if leader.leading { " (me)" } else { "" };
                write!(f, "leader {who}{role} {}", leader.term)
            }
            Reply::Orders(outcomes) => list(f, outcomes),
            Reply::View { view, unsettled } => {
                write!(f, "view {view} unsettled ")?;
                list(f, unsettled)
            }
            Reply::Takes(answers) => list(f, answers),
            Reply::Done => write!(f, "done"),
            Reply::OrderLog { orders, total, from } => {
                write!(f, "{} of {total} orders{from}", orders.len())
            }
            Reply::Digest { upto, digest } => write!(f, "digest of {upto}: {digest}"),
            Reply::Missed { snapshot, entries, committed } => {
                let snapshot = if snapshot.is_some() { "snapshot and " } else { "" };
                write!(f, "{snapshot}{} entries, committed {committed}", entries.len())
            }
            Reply::Members(group) => {
                write!(f, "members ")?;
                list(f, &group.members)
            }
        }
    }
}
