//! What stands in the log of a replica, for whoever points at one of its cells.
//!
//! Called by `web`; asks the replica itself for its orders, which know their place in the log.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use shop::message::{Consistency, Order, OrderNumber, Reply, Request};

use crate::http::connection::ask_once;
use crate::http::wire;
use crate::supervisor::cluster::Member;

/// How long a replica may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// Entries that are shown at once.
pub const ENTRIES_MAX: u64 = 200;

/// Orders that are asked for at once, and how often before the rest is left out.
const ORDERS_MAX: u32 = 1000;
const ASKED_MAX: u32 = 4;

/// An entry that is no order's: what it is, only the engine and the ledger know.
const NO_ORDER: &str = "no order: a leader's term begins, or a request was refused, or given up";

/// Those entries of its log that a replica has applied, each in words.
///
/// # Errors
/// If it does not answer, or is no order replica: says why.
pub async fn entries(member: &Member, token: &str, wanted: RangeInclusive<u64>) -> Result<Value> {
    let (first, last) = (*wanted.start(), *wanted.end());
    let newest = orders(member, token, None, 1).await?;
    // Behind the first entry that is wanted there are so many orders at most.
    let behind = newest.applied.saturating_sub(first);
    let mut after = newest.total.saturating_sub(behind).checked_sub(2).map(OrderNumber);
    let mut words: BTreeMap<u64, String> = BTreeMap::new();
    let mut known = first.saturating_sub(1);
    for _ in 0..ASKED_MAX {
        let found = orders(member, token, after, ORDERS_MAX).await?;
        for Order { number, name, quantity, index } in &found.orders {
            if wanted.contains(index) {
                words.insert(*index, format!("order {number}: {quantity} × {name}"));
            }
        }
        let end = found.orders.last();
        let whole = end.is_none_or(|order| order.number.0 + 1 >= found.total);
        known = if whole { found.applied } else { end.map_or(known, |order| order.index) };
        after = end.map(|order| order.number);
        if whole || known >= last {
            break;
        }
    }
    let shown = (first..=last.min(known)).map(|index| {
        let words = words.get(&index).map_or(NO_ORDER, String::as_str);
        json!({"index": index, "words": words})
    });
    Ok(json!({"entries": shown.collect::<Vec<_>>()}))
}

/// What a replica says of its orders.
struct Found {
    orders: Vec<Order>,
    total: u64,
    /// The last entry of its log that this is of.
    applied: u64,
}

async fn orders(
    member: &Member,
    token: &str,
    after: Option<OrderNumber>,
    limit: u32,
) -> Result<Found> {
    let request = Request::ListOrders { after, limit, consistency: Consistency::Local };
    let said = ask_once(&member.url()?, &wire::to_http(&request, token), DEADLINE).await;
    let said = said.map_err(|why| anyhow!("{} does not answer: {why}", member.name))?;
    let reply = wire::from_http(&said).map_err(anyhow::Error::msg);
    let reply = reply.with_context(|| format!("{} is not understood", member.name))?;
    match reply {
        Ok(Reply::OrderLog { orders, total, from }) => {
            Ok(Found { orders, total, applied: from.applied })
        }
        Ok(_) => bail!("{} answers another question", member.name),
        Err(problem) => bail!("{} says {problem}", member.name),
    }
}
