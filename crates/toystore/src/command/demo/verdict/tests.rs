//! Each promise is kept by a good store, and seen to be broken by a store that breaks it.

use replication::{Index, View};
use shop::catalog::status::ToyStatus;
use shop::message::OrderNumber;
use shop::toy::{Cents, Quantity, Version};

use super::*;

fn line(number: u64, name: &str, quantity: i64) -> OrderLine {
    OrderLine {
        number: OrderNumber(number),
        name: name.parse().unwrap(),
        quantity: Quantity::new(quantity).unwrap(),
        session: 1,
        key: format!("key-{number}"),
        version: Version(2),
        index: number + 3,
        retries: 0,
    }
}

fn order(line: &OrderLine) -> Order {
    Order {
        number: line.number,
        name: line.name.clone(),
        quantity: line.quantity,
        index: line.index,
    }
}

fn toy(name: &str, in_stock: u64, restocked: u64, sold: u64) -> ToyStatus {
    ToyStatus {
        name: name.parse().unwrap(),
        price: Cents(999),
        in_stock,
        version: Version(3),
        visible_version: Version(3),
        initial: 100,
        restocked,
        sold,
        unsettled: 0,
    }
}

/// Two orders, all well.
fn good() -> Evidence {
    let lines = vec![line(0, "Tux", 2), line(1, "Fox", 1)];
    let logged = |line: &OrderLine| LoggedOrder {
        number: line.number.0,
        name: line.name.to_string(),
        quantity: u64::from(line.quantity.get()),
    };
    let replica = |name: &str| Replica {
        name: name.to_string(),
        digest: Ok((2, "0123456789abcdef".to_string())),
        discarded: vec![],
    };
    let summary = Summary { orders: 2, matched: 2, complete: true, ..Summary::default() };
    Evidence {
        found: lines.iter().map(|line| (line.number.0, Ok(order(line)))).collect(),
        log: Ok(("order-2".to_string(), lines.iter().map(logged).collect())),
        replicas: vec![replica("order-1"), replica("order-2")],
        catalog: Ok(catalog::status::Status {
            phase: "open".to_string(),
            invalidation: "lease".to_string(),
            fencing: true,
            disk_full: false,
            incarnation: 1,
            view: View::default(),
            toys: vec![toy("Tux", 98, 0, 2), toy("Fox", 109, 10, 1)],
            leases: vec![],
            frontends: vec![],
            takes_outstanding: 0,
            term: replication::Term::ZERO,
            log_start: Index(0),
            log_last: Index(5),
            applied: Index(5),
        }),
        acknowledged: lines,
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
    let words: Vec<String> = judge(&good()).into_iter().map(|check| check.words).collect();
    assert_eq!(words[2], "equal logs: order-1, order-2 with 2 orders (0123456789ab…)");
    assert_eq!(words[3], "conserved for all 2 toys: 210 came = 207 in stock + 3 sold");
}

#[test]
fn a_lost_order_is_named() {
    let mut evidence = good();
    evidence.found.insert(1, Err("order not found".to_string()));
    check_broken(&evidence, &[("lost", "1 of 2 acknowledged orders: order 1 (Fox x1): order not")]);
    let other = order(&line(1, "Fox", 3));
    evidence.found.insert(1, Ok(other));
    check_broken(&evidence, &[("lost", "order 1 (Fox x1) is now Fox x3")]);
}

#[test]
fn nothing_acknowledged_shows_nothing() {
    let mut evidence = good();
    evidence.acknowledged.clear();
    evidence.log = Ok(("order-1".to_string(), vec![]));
    evidence.catalog.as_mut().unwrap().toys = vec![toy("Tux", 100, 0, 0)];
    check_broken(&evidence, &[("lost", "no order was acknowledged")]);
}

#[test]
fn a_doubled_order_is_seen_in_the_log_unless_its_outcome_is_unknown() {
    let mut evidence = good();
    evidence.acknowledged.pop();
    check_broken(&evidence, &[("doubled", "1 recorded orders are nobody's")]);
    evidence.summaries[0].differences.push(Difference::Unknown { key: "key-1".to_string() });
    check_broken(&evidence, &[("clients", "whether order key-1 was done")]);

    let mut evidence = good();
    evidence.acknowledged[1].number = OrderNumber(0);
    evidence.acknowledged[1].key = "key-0".to_string();
    evidence.found.clear();
    let checks = judge(&evidence);
    assert!(checks[1].words.contains("number 0 was given twice; request key-0"), "{checks:?}");
}

#[test]
fn a_gap_in_the_log_is_seen() {
    let mut evidence = good();
    evidence.log.as_mut().unwrap().1[1].number = 7;
    check_broken(&evidence, &[("doubled", "the log has 7 where 1 belongs")]);
}

#[test]
fn replicas_that_differ_or_are_silent_are_named() {
    let mut evidence = good();
    evidence.replicas[0].digest = Ok((2, "fedcba9876543210".to_string()));
    check_broken(&evidence, &[("replicas", "order-1 with 2 orders (fedcba987654…)")]);
    evidence.replicas[0].digest = Err("no connection".to_string());
    check_broken(&evidence, &[("replicas", "order-1: no connection")]);
}

#[test]
fn stock_that_does_not_add_up_is_named_and_so_is_what_was_oversold() {
    let mut evidence = good();
    evidence.catalog.as_mut().unwrap().toys[0].in_stock = 97;
    check_broken(&evidence, &[("stock", "Tux: 100 at first + 0 restocked, but 97 in stock + 2")]);

    let mut evidence = good();
    evidence.catalog.as_mut().unwrap().toys[0].initial = 1;
    evidence.catalog.as_mut().unwrap().toys[0].in_stock = 0;
    check_broken(&evidence, &[("stock", "Tux"), ("oversold", "Tux: 2 sold of 1")]);
}

#[test]
fn an_outage_without_end_and_discarded_orders_are_seen() {
    let mut evidence = good();
    evidence.outage.after_kill = Some(Duration::from_secs(6));
    check_broken(&evidence, &[("outage", "6.00 s after the kill")]);
    evidence.outage.after_kill = None;
    check_broken(&evidence, &[("outage", "no orders came after the kill")]);

    let mut evidence = good();
    evidence.replicas[1].discarded = vec![order(&line(1, "Fox", 1))];
    check_broken(&evidence, &[("discarded", "order-2 gave up 1 orders that it had: 1 (Fox x1)")]);
}

#[test]
fn a_missing_catalog_breaks_what_cannot_be_shown() {
    let mut evidence = good();
    evidence.catalog = Err("catalog: no connection".to_string());
    check_broken(&evidence, &[("stock", "no connection"), ("oversold", "no connection")]);
}
