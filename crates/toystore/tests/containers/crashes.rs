//! `docker kill` under load: of each role, of the leader's whole machine, of everything at once.
//! Nobody's order is lost, and shoppers who try again notice nothing but time.

use std::time::Duration;

use super::engine::{NODES, Store, composes, docker};

/// For how long somebody is gone.
const GONE: Duration = Duration::from_secs(2);

#[test]
fn whoever_is_killed_no_order_is_lost() {
    let store = Store::new(&composes()[0]);
    store.up();
    let shoppers = store.shop();
    for node in ["order-3", "order-1", "catalog", "frontend"] {
        let container = store.container(node);
        docker(&["kill", &container]);
        std::thread::sleep(GONE);
        docker(&["start", &container]);
        store.wait_until_healthy(&NODES);
    }
    let all = NODES.map(|node| store.container(node));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    docker(&[&["kill"], &all[..]].concat());
    std::thread::sleep(GONE);
    docker(&[&["start"], &all[..]].concat());
    store.wait_until_healthy(&NODES);
    let result = shoppers.finish();
    println!("crashes: {} orders, {} tried again", result["orders"], result["retried"]);
}
