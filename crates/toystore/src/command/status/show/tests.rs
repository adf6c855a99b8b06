//! What a person reads of a store in which one replica is dead and one frontend is paused.

use replication::engine;
use replication::{Index, NodeId, Term};
use shop::frontend::{Counters, LeaderStatus, LeaseStatus, SlotStatus};
use shop::message::{Generation, Order, OrderNumber};
use shop::toy::{Quantity, Version};

use super::*;
use crate::supervisor::cluster::Member;
use crate::supervisor::node_status::NodeStatus;
use replication::Protocol;

fn member(name: &str, role: Role, state: State) -> Member {
    Member {
        name: name.to_string(),
        role,
        url: "http://127.0.0.1:1".to_string(),
        seed_url: None,
        pid: Some(7),
        data: "/data".into(),
        state,
        ended: (state == State::Dead).then(|| "killed by SIGKILL".to_string()),
    }
}

fn envelope<S>(node: &str, status: S) -> Box<NodeStatus<S>> {
    Box::new(NodeStatus {
        node: node.to_string(),
        role: "x".to_string(),
        pid: 7,
        version: "0.1.0".to_string(),
        uptime_ms: 1,
        ready: true,
        not_ready_because: None,
        faults: None,
        status,
    })
}

fn term() -> Term {
    Term::ZERO.next(NodeId(2))
}

pub fn replica(id: u8, role: &str, state: &str) -> Seen {
    let name = format!("order-{id}");
    let status = orders::Status {
        id: NodeId(id),
        engine: engine::Status {
            engine: "naive".to_string(),
            role: role.to_string(),
            term: term(),
            leader: Some(NodeId(2)),
            in_sync: vec![NodeId(1), NodeId(2)],
            last: Index(9),
            committed: Index(8),
            followers: vec![],
            members: None,
        },
        state: state.to_string(),
        orders: 5,
        digest: "0123456789abcdef".to_string(),
        purchases: 0,
        disk_full: false,
        discarded: vec![],
    };
    let said = Ok(Said::Order(envelope(&name, status)));
    Seen { member: member(&name, Role::Order, State::Running), said }
}

pub fn frontend() -> Seen {
    let status = frontend::Status {
        id: 1,
        mode: shop::invalidation::Invalidation::Lease,
        capacity: 7,
        policy: shop::frontend::Policy::Lru,
        leader: Some(LeaderStatus { id: NodeId(2), term: Some(term()) }),
        lease: Some(LeaseStatus {
            generation: Generation { catalog: 1, count: 2 },
            remaining_ms: 800,
        }),
        cache: vec![SlotStatus {
            name: "Tux".to_string(),
            quantity: 98,
            version: Version(3),
            age_ms: 120,
            hits: 3,
        }],
        counters: Counters { hits: 3, misses: 1, fills: 1, ..Counters::default() },
        happened: vec![],
        orders_waiting: 0,
        questions_waiting: 0,
        readers_waiting: 0,
        calls_in_flight: 0,
    };
    let said = Ok(Said::Frontend(envelope("frontend-1", status)));
    Seen { member: member("frontend-1", Role::Frontend, State::Running), said }
}

pub fn catalog(id: u8, role: &str, phase: &str) -> Seen {
    let name = format!("catalog-{id}");
    let status = catalog::status::Status {
        phase: phase.to_string(),
        invalidation: "lease".to_string(),
        fencing: true,
        disk_full: false,
        incarnation: 2,
        view: replication::View::default(),
        totals: totals(&[]),
        toys: vec![],
        leases: vec![],
        frontends: vec![],
        takes_outstanding: 0,
        term: term(),
        log_start: Index(0),
        log_last: Index(9),
        applied: Index(8),
        engine: engine::Status {
            engine: "raft".to_string(),
            role: role.to_string(),
            term: term(),
            leader: Some(NodeId(2)),
            in_sync: vec![],
            last: Index(9),
            committed: Index(8),
            followers: vec![],
            members: None,
        },
    };
    let said = Ok(Said::Catalog(envelope(&name, status)));
    Seen { member: member(&name, Role::Catalog, State::Running), said }
}

/// What these come to, if they are all.
pub fn totals(toys: &[catalog::status::ToyStatus]) -> catalog::status::Totals {
    let sum = |of: fn(&catalog::status::ToyStatus) -> u64| toys.iter().map(of).sum();
    catalog::status::Totals {
        toys: toys.len() as u64,
        sold_out: sum(|toy| u64::from(toy.in_stock == 0)),
        in_stock: sum(|toy| toy.in_stock),
        initial: sum(|toy| toy.initial),
        restocked: sum(|toy| toy.restocked),
        sold: sum(|toy| toy.sold),
        unsettled: sum(|toy| toy.unsettled),
    }
}

pub fn silent(name: &str, role: Role, state: State) -> Seen {
    Seen { member: member(name, role, state), said: Err("no connection".to_string()) }
}

fn shown(seen: &[Seen]) -> String {
    let cluster = Cluster {
        pid: 1,
        replication: Protocol::Naive,
        dashboard: None,
        data: "/data".into(),
        secret: None,
        nodes: vec![],
    };
    anstream::adapter::strip_str(&lines(&cluster, seen).join("\n")).to_string()
}

fn check_shown(seen: &[Seen], parts: &[&str]) {
    let shown = shown(seen);
    for part in parts {
        assert!(shown.contains(part), "{part:?} is not in:\n{shown}");
    }
}

#[test]
fn the_leader_the_dead_and_the_paused_are_told_apart() {
    let seen = [
        replica(1, "follower", "following"),
        replica(2, "leader", "open"),
        silent("order-3", Role::Order, State::Dead),
        frontend(),
        silent("frontend-2", Role::Frontend, State::Paused),
        silent("catalog", Role::Catalog, State::Running),
    ];
    check_shown(
        &seen,
        &[
            "order-2 leads under term 0.1@2 (naive)",
            "│ order-2 ┆ leader, open             ┆ 1,2     ┆ 0123456789ab ┆      5 ┆    9 ┆         8 │",
            "│ order-3 ┆ dead (killed by SIGKILL) ┆",
            "frontend-1: ready\n  believes that order-2 leads under term 0.1@2\n  \
             lease g1.2, 800 ms",
            "cache (lru): 1 of 7 slots; 75.0 % of 4 reads hit; 1 fills",
            "│ Tux ┆       98 ┆      v3 ┆ 120 ms ┆    3 │",
            "frontend-2: paused",
            "catalog: running, but no connection",
        ],
    );
}

#[test]
fn of_several_catalogs_the_one_that_leads_is_shown_whole() {
    let seen = [
        catalog(1, "follower", "following"),
        catalog(2, "leader", "open"),
        silent("catalog-3", Role::Catalog, State::Dead),
    ];
    check_shown(
        &seen,
        &[
            "catalog-2 leads the catalogs under term 0.1@2\n",
            "│ catalog-1 ┆ follower                 ┆ 0.1@2 ┆    9 ┆       8 │",
            "│ catalog-2 ┆ leader, open             ┆",
            "│ catalog-3 ┆ dead (killed by SIGKILL) ┆",
            "catalog-2: ready\n  open; view ",
        ],
    );
    assert!(!shown(&seen).contains("catalog-1: "), "its stock is the leader's");
    let none = [catalog(1, "candidate", "following"), catalog(2, "follower", "following")];
    check_shown(&none, &["no catalog leads: nothing is sold"]);
}

#[test]
fn a_leader_that_follows_again_does_not_lead_and_nothing_is_discarded_silently() {
    let mut replica = replica(2, "leader", "following");
    if let Ok(Said::Order(said)) = &mut replica.said {
        said.status.discarded.push(Order {
            number: OrderNumber(4),
            name: "Fox".parse().unwrap(),
            quantity: Quantity::new(2).unwrap(),
            index: 7,
        });
    }
    check_shown(
        &[replica],
        &["no order replica leads", "✗ order-2 gave up 1 orders that it had: 4 (Fox x2)"],
    );
}
