//! The status of a store as a person reads it: a table of replicas, each frontend's cache, the
//! stock. Called by [`super::Status`], which prints the lines; `toystore top` says the same words.

use owo_colors::OwoColorize;
use shop::catalog::status::Totals;
use shop::toy::ToyName;
use shop::{catalog, frontend, orders};

use super::{Said, Seen, catalog_leader, leader};
use crate::command::paint;
use crate::supervisor::cluster::{Cluster, State};
use crate::supervisor::layout::Role;
use crate::supervisor::leader::{catalog_reign, reign};

/// How much of a digest is shown: enough to see that two differ.
const DIGEST_DIGITS: usize = 12;

/// How many toys stand in one line.
const NAMED_MAX: usize = 8;

/// Everything; a table is one of the lines.
pub fn lines(cluster: &Cluster, seen: &[Seen]) -> Vec<String> {
    let how = cluster.replication;
    let mut lines = vec![match leader(seen) {
        Some((term, node)) => format!("{} leads under term {term} ({how})", node.bold()),
        None => format!("no order replica leads ({how})"),
    }];
    lines.push(format!("data: {}", cluster.data.display()));
    lines.extend(replicas(seen));
    let catalogs = seen.iter().filter(|node| node.member.role == Role::Catalog).count();
    if catalogs > 1 {
        lines.extend(catalog_replicas(seen));
    }
    let leads =
        |node: &Seen| catalog_leader(seen).is_some_and(|(_, name)| name == node.member.name);
    let alone_or_leads = |node: &&Seen| catalogs == 1 || leads(node);
    let others = seen.iter().filter(|node| match node.member.role {
        Role::Order => false,
        Role::Catalog => alone_or_leads(node),
        Role::Frontend => true,
    });
    for node in others {
        let name = node.member.name.bold();
        let Ok(said) = &node.said else {
            lines.extend([String::new(), format!("{name}: {}", silence(node))]);
            continue;
        };
        lines.extend([String::new(), format!("{name}: {}", readiness(said))]);
        match said {
            Said::Catalog(said) => lines.extend(stock(&said.status)),
            Said::Frontend(said) => lines.extend(cache(&said.status)),
            Said::Order(_) => {}
        }
    }
    lines
}

/// `ready`, or why not.
pub fn readiness(said: &Said) -> String {
    let (ready, because) = match said {
        Said::Catalog(said) => (said.ready, &said.not_ready_because),
        Said::Order(said) => (said.ready, &said.not_ready_because),
        Said::Frontend(said) => (said.ready, &said.not_ready_because),
    };
    match (ready, because) {
        (true, _) => "ready".to_string(),
        (false, Some(because)) => format!("not ready: {because}"),
        (false, None) => "not ready".to_string(),
    }
}

/// Why a node says nothing: what its process does, if that explains it.
pub fn silence(node: &Seen) -> String {
    let state = node.member.state;
    match (state, &node.member.ended, &node.said) {
        (State::Dead | State::Stopped, Some(how), _) => format!("{state} ({how})"),
        (State::Running | State::Starting, _, Err(why)) => format!("{state}, but {why}"),
        (State::Running | State::Starting, _, Ok(_))
        | (State::Paused | State::Dead | State::Stopped, _, _) => state.to_string(),
    }
}

fn replicas(seen: &[Seen]) -> Vec<String> {
    let head = ["replica", "state", "in sync", "digest", "orders", "last", "committed"];
    let mut table = paint::table_of_numbers(&head, 4);
    let mut lost = vec![];
    for node in seen.iter().filter(|node| node.member.role == Role::Order) {
        let name = node.member.name.clone();
        let Ok(Said::Order(said)) = &node.said else {
            table.add_row([name, silence(node)]);
            continue;
        };
        let status = &said.status;
        let in_sync: Vec<String> = status.engine.in_sync.iter().map(ToString::to_string).collect();
        table.add_row([
            name.clone(),
            state(status, said.not_ready_because.as_deref()),
            in_sync.join(","),
            status.digest.chars().take(DIGEST_DIGITS).collect(),
            status.orders.to_string(),
            status.engine.last.to_string(),
            status.engine.committed.to_string(),
        ]);
        let orders: Vec<String> = status
            .discarded
            .iter()
            .map(|order| format!("{} ({} x{})", order.number, order.name, order.quantity))
            .collect();
        if !orders.is_empty() {
            let (count, orders) = (orders.len(), orders.join(", "));
            let words = format!("{name} gave up {count} orders that it had: {orders}");
            lost.push(paint::check(false, &words));
        }
    }
    let mut lines = vec![table.to_string()];
    lines.extend(members(seen));
    lines.extend(lost);
    lines
}

/// Who belongs to the group, as the leader knows it, where that can change.
fn members(seen: &[Seen]) -> Option<String> {
    let (_, leader) = leader(seen)?;
    let node = seen.iter().find(|node| node.member.name == leader)?;
    let Ok(Said::Order(said)) = &node.said else { return None };
    Some(format!("members: {}", said.status.engine.members.as_ref()?))
}

/// Who leads them, and how far each is; the stock is the leader's.
fn catalog_replicas(seen: &[Seen]) -> Vec<String> {
    let head = ["catalog", "state", "term", "last", "applied"];
    let mut table = paint::table_of_numbers(&head, 3);
    for node in seen.iter().filter(|node| node.member.role == Role::Catalog) {
        let name = node.member.name.clone();
        let Ok(Said::Catalog(said)) = &node.said else {
            table.add_row([name, silence(node)]);
            continue;
        };
        let status = &said.status;
        let mut state = match catalog_reign(status) {
            Some(_) => format!("leader, {}", status.phase),
            None => status.engine.role.clone(),
        };
        if status.disk_full {
            state.push_str(", disk full");
        }
        if let Some(why) = &said.not_ready_because {
            state.push_str(&format!(", not ready: {why}"));
        }
        table.add_row([
            name,
            state,
            status.engine.term.to_string(),
            status.engine.last.to_string(),
            status.applied.to_string(),
        ]);
    }
    let leads = match catalog_leader(seen) {
        Some((term, node)) => format!("{} leads the catalogs under term {term}", node.bold()),
        None => "no catalog leads: nothing is sold".to_string(),
    };
    vec![String::new(), leads, table.to_string()]
}

/// The role; of a leader, how far it has come; and what is missing.
pub fn state(status: &orders::Status, not_ready: Option<&str>) -> String {
    let mut words = match reign(status) {
        Some(_) => format!("leader, {}", status.state),
        None => status.engine.role.clone(),
    };
    if status.purchases > 0 {
        words.push_str(&format!(", {} under way", status.purchases));
    }
    if status.disk_full {
        words.push_str(", disk full");
    }
    if let Some(why) = not_ready {
        words.push_str(&format!(", not ready: {why}"));
    }
    words
}

fn cache(status: &frontend::Status) -> Vec<String> {
    let mut lines = vec![match status.leader {
        Some(frontend::LeaderStatus { id, term: Some(term) }) => {
            format!("  believes that order-{id} leads under term {term}")
        }
        Some(frontend::LeaderStatus { id, term: None }) => {
            format!("  believes that order-{id} leads")
        }
        None => "  knows of no leader".to_string(),
    }];
    lines.push(match status.lease {
        Some(lease) if lease.remaining_ms > 0 => {
            format!("  lease {}, {} ms left", lease.generation, lease.remaining_ms)
        }
        Some(lease) => format!("  lease {} has lapsed", lease.generation),
        None => format!("  no lease (invalidation: {})", status.mode),
    });
    let counters = &status.counters;
    let reads = counters.hits + counters.misses + counters.bypasses;
    let share = match reads {
        0 => "nothing read yet".to_string(),
        _ => format!("{:.1} % of {reads} reads hit", 100.0 * counters.hits as f64 / reads as f64),
    };
    lines.push(format!(
        "  cache ({}): {} of {} slots; {share}; {} fills, {} invalidated, {} evicted",
        status.policy,
        status.cache.len(),
        status.capacity,
        counters.fills,
        counters.invalidations,
        counters.evictions,
    ));
    if status.cache.is_empty() {
        return lines;
    }
    let head = ["toy", "quantity", "version", "age", "hits"];
    let mut table = paint::table_of_numbers(&head, 1);
    // What stays longest first (lru: the most recently used): the last one is evicted next.
    for slot in status.cache.iter().rev() {
        table.add_row([
            slot.name.clone(),
            slot.quantity.to_string(),
            slot.version.to_string(),
            age(slot.age_ms),
            slot.hits.to_string(),
        ]);
    }
    lines.push(table.to_string());
    lines
}

/// As precise as it is told.
fn age(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        _ => paint::micros(millis.saturating_mul(1000)),
    }
}

fn stock(status: &catalog::status::Status) -> Vec<String> {
    let mut lines = vec![format!(
        "  {}; view {}; invalidation: {}",
        status.phase, status.view, status.invalidation
    )];
    for lease in &status.leases {
        let fate = if lease.revoking { ", being taken back" } else { "" };
        lines.push(format!(
            "  lease {} of frontend-{}: {} ms left{fate}; may hold {}",
            lease.generation,
            lease.frontend,
            lease.remaining_ms,
            some_of(&lease.may_hold, lease.may_hold_toys as u64)
        ));
    }
    let Totals { toys, sold_out, in_stock, initial, restocked, sold, unsettled } = status.totals;
    lines.push(format!(
        "  stock of {toys} toys: {initial} at first + {restocked} restocked = \
         {in_stock} in stock + {sold} sold + {unsettled} not settled",
    ));
    lines.push(format!("  takes remembered: {}", status.takes_outstanding));
    let out = status.toys.iter().filter(|toy| toy.in_stock == 0);
    let out: Vec<ToyName> = out.map(|toy| toy.name.clone()).collect();
    if sold_out > 0 {
        lines.push(format!("  sold out: {}", some_of(&out, sold_out)));
    }
    lines
}

/// The first few names of so many toys, of which not all may be listed.
fn some_of(listed: &[ToyName], toys: u64) -> String {
    let names: Vec<&str> = listed.iter().take(NAMED_MAX).map(ToyName::spelling).collect();
    match (toys, toys - names.len() as u64) {
        (0, _) => "nothing".to_string(),
        (_, 0) => names.join(", "),
        (_, _) if names.is_empty() => format!("{toys} toys"),
        (_, more) => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
pub mod tests;
