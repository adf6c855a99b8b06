//! A past that is made up is one that could have been.

use std::collections::{BTreeMap, BTreeSet};

use replication::{Entry, Index, NodeId};

use super::*;
use crate::message::{Fate, OrderNumber};
use crate::orders::ledger::{Applied as Recorded, Ledger};

fn spec(toys: usize, orders: u64, seed: u64) -> Spec {
    let term = Term { generation: 0, number: 1, node: NodeId(3) };
    let view = View { term, in_sync: [1, 2, 3].map(NodeId).into() };
    Spec { toys, orders, seed, view, fencing: true }
}

/// All commands, and what the catalog has in the end.
fn made_up(spec: &Spec) -> (Vec<OrderCommand>, Stock) {
    let mut past = Past::new(spec.clone()).unwrap();
    let mut all = Vec::new();
    loop {
        match past.next_batch() {
            batch if batch.is_empty() => return (all, past.end().0),
            batch => all.extend(batch),
        }
    }
}

fn ledger_of(commands: &[OrderCommand]) -> Ledger {
    let mut ledger = Ledger::new(true);
    let term = spec(1, 0, 0).view.term;
    let lead = [bytes::Bytes::new()].into_iter();
    let entries = lead.chain(commands.iter().map(OrderCommand::encode)).zip(1..);
    for (command, index) in entries {
        let applied = ledger.apply(&Entry { index: Index(index), term, command });
        assert!(!matches!(applied, Recorded::Rejected(_)));
    }
    ledger
}

#[test]
fn what_was_sold_and_what_is_left_is_what_there_was() {
    for (toys, orders, seed) in [(1, 500, 1), (10, 5000, 2), (300, 2000, 3), (5, 0, 4)] {
        let spec = spec(toys, orders, seed);
        let (commands, stock) = made_up(&spec);
        let ledger = ledger_of(&commands);
        assert_eq!(ledger.len(), orders, "{spec:?}");
        let mut sold: BTreeMap<String, u64> = BTreeMap::new();
        let mut versions = BTreeSet::new();
        for (order, _, version) in ledger.records() {
            *sold.entry(order.name.to_string()).or_default() += u64::from(order.quantity.get());
            assert!(versions.insert((order.name.to_string(), version)), "{order:?} twice");
        }
        for (name, shelf) in stock.shelves().iter() {
            let sold = sold.get(name.spelling()).copied().unwrap_or_default();
            assert_eq!((shelf.sold(), shelf.unsettled), (sold, 0), "{spec:?}: {shelf:?}");
            assert_eq!(shelf.initial + shelf.restocked, shelf.quantity + sold, "{shelf:?}");
        }
        assert_eq!((stock.takes().outstanding(), stock.frontends().len()), (0, 0));
        // It is what a disk gives back.
        assert_eq!(Stock::restore(&stock.snapshot()).as_ref(), Ok(&stock));
    }
}

/// Whoever posts an order of the past again is answered as its shopper was.
#[test]
fn every_order_is_found_under_its_key() {
    let spec = spec(10, 700, 9);
    let ledger = ledger_of(&made_up(&spec).0);
    for number in [0, 511, 512, 699] {
        let request_id = RequestId::from_key(&key(9, number)).unwrap();
        let Some(Fate::Recorded(ordered)) = ledger.fate(request_id) else { panic!("{number}") };
        assert_eq!(ordered.number, OrderNumber(number));
    }
}

#[test]
fn the_same_seed_makes_the_same_past_and_another_one_another() {
    let of = |seed| made_up(&spec(20, 1000, seed));
    assert!(of(1) == of(1));
    assert!(of(1).0 != of(2).0);
}

/// What `toystore generate` relies on: fates that are forgotten change no snapshot.
#[test]
fn a_ledger_whose_fates_are_forgotten_has_the_same_snapshot() {
    let (commands, _) = made_up(&spec(10, 3000, 5));
    let whole = ledger_of(&commands);
    let mut forgetful = Ledger::new(true);
    let term = spec(1, 0, 0).view.term;
    forgetful.apply(&Entry { index: Index(1), term, command: bytes::Bytes::new() });
    for (index, command) in (2..).zip(&commands) {
        forgetful.apply(&Entry { index: Index(index), term, command: command.encode() });
        if index % 700 == 0 {
            forgetful.forget_orders_fates();
        }
    }
    assert_eq!(forgetful.snapshot(), whole.snapshot());
}

#[test]
fn what_no_store_can_have_is_refused() {
    let refused = |toys, orders| Past::new(spec(toys, orders, 0)).unwrap_err();
    assert!(refused(0, 1).contains("1 to 1000000 toys, not 0"));
    assert!(refused(1_000_001, 1).contains("not 1000001"));
    assert!(refused(1, ORDERS_MAX + 1).contains("at most 10000000 orders"));
}
