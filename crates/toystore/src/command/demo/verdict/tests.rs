//! Each promise is kept by a good store, and seen to be broken by a store that breaks it.

use shop::message::OrderNumber;
use shop::shopper::Difference;
use shop::toy::Quantity;

use super::*;

/// Two orders, all well.
fn good() -> Evidence {
    let replica = |name: &str| Replica {
        name: name.to_string(),
        digest: Ok((2, "0123456789abcdef".to_string())),
        discarded: vec![],
    };
    let summary = Summary { orders: 2, matched: 2, complete: true, ..Summary::default() };
    Evidence {
        replicas: vec![replica("order-1"), replica("order-2")],
        acknowledged: 2,
        summaries: vec![summary],
        outage: Outage {
            before: Some(Duration::from_millis(20)),
            after_kill: Some(Duration::from_millis(900)),
            after_return: Some(Duration::from_millis(30)),
        },
    }
}

/// Expects that exactly these promises are broken, and that each line says this of it.
fn check_broken(evidence: &Evidence, expected: &[(&str, &str)]) {
    let checks = judge(evidence);
    let broken: Vec<&Check> = checks.iter().filter(|check| !check.holds).collect();
    let promises: Vec<&str> = broken.iter().map(|check| check.promise).collect();
    let wanted: Vec<&str> = expected.iter().map(|(promise, _)| *promise).collect();
    assert_eq!(promises, wanted, "{broken:#?}");
    for (check, (_, words)) in broken.iter().zip(expected) {
        assert!(check.words.contains(words), "{words:?} is not in {:?}", check.words);
    }
}

#[test]
fn a_good_store_keeps_every_promise() {
    check_broken(&good(), &[]);
}

#[test]
fn shoppers_who_saw_nothing_or_something_else_are_not_content() {
    let mut evidence = good();
    evidence.acknowledged = 0;
    check_broken(&evidence, &[("clients", "0 comparisons matched")]);

    let mut evidence = good();
    evidence.summaries[0].differences.push(Difference::Unknown { key: "key-1".to_string() });
    check_broken(&evidence, &[("clients", "whether order key-1 was done")]);
}

#[test]
fn an_outage_without_end_and_discarded_orders_are_seen() {
    let mut evidence = good();
    evidence.outage.after_kill = Some(Duration::from_secs(6));
    check_broken(&evidence, &[("outage", "6.00 s after the kill")]);
    evidence.outage.after_kill = None;
    check_broken(&evidence, &[("outage", "no orders came after the kill")]);

    let mut evidence = good();
    evidence.replicas[1].discarded = vec![Order {
        number: OrderNumber(1),
        name: "Fox".parse().unwrap(),
        quantity: Quantity::new(1).unwrap(),
        index: 4,
    }];
    check_broken(&evidence, &[("discarded", "order-2 gave up 1 orders that it had: 1 (Fox x1)")]);
}
