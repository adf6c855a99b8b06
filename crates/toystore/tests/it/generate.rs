//! `toystore generate`: a store goes on with a past that was made up as with one of its own.

use std::fs;

use serde_json::Value;

use crate::exchange;
use crate::sound::{assert_stock_is_conserved, order_log, wait_until_quiet};
use crate::store::{PROGRAM, Store, toystore, unshare};

/// Of each store here.
const SEED: &str = "7";

/// A store with a past, which is ready.
fn start(orders: u64, options: &[&str]) -> Store {
    let mut store = Store::prepare(&[]);
    let count = orders.to_string();
    let mut words = vec!["generate", "--toys", "50", "--orders", &count, "--seed", SEED];
    words.extend(options);
    let output = store.run(&words);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("{orders} orders of ")), "{said}");
    // As a replica that sold them would have them.
    let parted = if orders == 60_000 { (49_999, 10_001) } else { (0, orders) };
    let parted = format!("{} orders in a checkpoint, {} in the log behind it", parted.0, parted.1);
    assert!(said.contains(&parted), "{said}");
    store.up();
    store
}

/// What a client gets that asks for an order, posts it once more under its key, and buys another.
fn check(store: &Store, orders: u64) {
    let (url, log) = (store.frontend(), order_log(store));
    let numbers: Vec<u64> = log.iter().map(|order| order.number).collect();
    assert_eq!(numbers, (0..orders).collect::<Vec<_>>());
    for number in [0, orders / 2, orders - 1] {
        let order = &log[usize::try_from(number).unwrap()];
        let read = exchange::get(&url, &format!("/orders/{number}")).unwrap().json();
        assert_eq!(read["data"]["name"], order.name.as_str());
        assert_eq!(read["data"]["quantity"], order.quantity);
        let key = format!("generated-{SEED}-{number}");
        let again = exchange::order(&url, &key, &order.name, order.quantity).unwrap();
        assert_eq!(again.json()["data"]["order_number"], number, "{again:?}");
    }
    let history = store.folder().join("history");
    let history = history.to_str().unwrap();
    let shoppers =
        ["--clients", "3", "--requests", "20", "--probability", "0.9", "--retries", "50"];
    let mut words = vec!["client", "--orders-csv", "none", "--seed", "1", "--history", history];
    words.extend(shoppers);
    let output = store.run(&words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let verdict = toystore(&["check", "--json", history]).output().unwrap();
    let said: Value = serde_json::from_slice(&verdict.stdout).unwrap();
    assert_eq!(verdict.status.code(), Some(0), "{said:#}");
    wait_until_quiet(store);
    let after = order_log(store);
    assert!(after.len() > log.len(), "nobody bought anything");
    let numbers: Vec<u64> = after.iter().map(|order| order.number).collect();
    assert_eq!(numbers, (0..after.len() as u64).collect::<Vec<_>>());
    assert_stock_is_conserved(store, &after);
}

#[test]
fn a_disk_without_room_is_told_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let script = "mkdir \"$1\" && mount -t tmpfs -o size=16m toystore \"$1\" && cd \"$1\" && \
                  { \"$0\" generate --data \"$1/new\" --orders 1000000; echo \"code $?\"; \
                  ls -A \"$1\" \"$1/new\"; }";
    let output = unshare().args(["sh", "-c", script, PROGRAM]).arg(&data).output().unwrap();
    let (said, trouble) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("code 1"), "{said}{trouble}");
    for part in ["has room for", "MiB, and the store needs some", "hint: fewer --orders"] {
        assert!(trouble.contains(part), "{part}: {said}{trouble}");
    }
    assert!(!said.contains("order-1") && !said.contains("generating"), "{said}");
}

/// So many that there is a checkpoint, and a log behind it.
#[test]
fn a_store_goes_on_with_a_past_that_was_made_up() {
    let orders = 60_000;
    let mut store = start(orders, &[]);
    check(&store, orders);
    let leader = store.leader();
    store.kill(&leader);
    store.next_leader(&leader);
    store.start_node(&leader);
    wait_until_quiet(&store);
}

#[test]
fn under_every_way_of_replication() {
    for (replication, replicas, catalogs) in
        [("paxos", "5", "3"), ("primary-backup", "2", "1"), ("naive", "3", "1"), ("raft", "1", "2")]
    {
        let layout = ["--replicas", replicas, "--catalog-replicas", catalogs];
        let store = start(2000, &[&["--replication", replication], &layout[..]].concat());
        assert_eq!(store.names("order").len().to_string(), replicas);
        check(&store, 2000);
    }
}

#[test]
fn what_cannot_be_made_is_refused() {
    let refused = |words: &[&str], code: i32, parts: &[&str]| {
        let output = toystore(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{words:?}: {said}");
    };
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new").to_str().unwrap().to_string();
    refused(&["generate", "--data", &new], 2, &["--orders"]);
    refused(&["generate", "--data", &new, "--orders", "10000001"], 2, &["0..=10000000"]);
    refused(&["generate", "--data", &new, "--orders", "1", "--toys", "0"], 2, &["1..=10000"]);
    assert!(!folder.path().join("new").exists());
    let full = folder.path().to_str().unwrap();
    fs::write(folder.path().join("mine"), "").unwrap();
    refused(&["generate", "--data", full, "--orders", "1"], 1, &["is not empty", "hint: name"]);
    // Killed in the midst of it.
    fs::write(folder.path().join("generating"), "").unwrap();
    let up = ["up", "--data", full, "--ports", "auto", "--no-dashboard"];
    refused(&up, 1, &["broken off", "hint: remove"]);
}
