//! A rolling upgrade as people do it: the new image, one replica at a time, under load.

use std::process::Command;

use super::engine::{IMAGE, NODES, Store, composes, docker, run};

/// The image that the store is upgraded to: another one, with the same program.
const NEXT: &str = "toystore:next";

#[test]
fn one_replica_at_a_time_is_replaced_and_shoppers_see_no_error() {
    let dockerfile = format!("FROM {IMAGE}\nLABEL next=true\n");
    let build = format!("printf '{dockerfile}' | docker build -q -t {NEXT} -");
    run(Command::new("sh").args(["-c", &build]));
    let mut store = Store::new(&composes()[0]);
    store.up();
    let shoppers = store.shop();
    for node in ["order-1", "order-2", "order-3", "catalog", "frontend"] {
        let before = store.container(node);
        store.add_file(&format!("services:\n  {node}: {{image: {NEXT}}}\n"));
        store.compose(&["up", "-d", "--no-deps", node]);
        store.wait_until_healthy(&NODES);
        assert_ne!(store.container(node), before);
        assert_eq!(store.inspect(node, "{{.Config.Image}}"), NEXT);
    }
    let result = shoppers.finish();
    assert_eq!(result["failed"], 0, "nobody who tries again is told that something failed");
    println!("upgrade: {} orders, {} tried again", result["orders"], result["retried"]);
    docker(&["image", "rm", "--force", NEXT]);
}
