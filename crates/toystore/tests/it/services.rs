//! The store on real processes as a person meets it: `up`, `client`, `status`, `kill`, `start`,
//! `export`, `demo`, while nothing else goes wrong.

use std::fs::File;

use rustix::process::Signal;
use serde_json::Value;

use crate::load::{Clients, Shoppers};
use crate::sound::{assert_sound, digest, order_log, wait_until_quiet};
use crate::store::{Store, is_ours, signal as send, toystore, turn};
use crate::waiting::wait_for;

#[test]
fn five_shoppers_buy_and_compare() {
    let store = Store::start(&[]);
    let mut clients = Clients::default();
    let looks = Shoppers::of(&store).with("--clients", "5").with("--probability", "0").shop();
    assert_eq!(looks.orders, []);
    for probability in ["0.2", "0.5", "0.8", "1"] {
        let shoppers = Shoppers::of(&store).with("--clients", "5").with("--requests", "20");
        let shoppers = shoppers.with("--probability", probability).with("--pause", "0ms");
        let run = shoppers.shop();
        assert_eq!(run.results[0]["shoppers"].as_array().unwrap().len(), 5);
        assert_eq!(run.sum("retried"), 0, "{run:?}");
        // An order that is refused for want of stock is none.
        let least = if probability == "1" { 60 } else { 5 };
        assert!(run.orders.len() > least, "{run:?}");
        clients = clients.and(run);
    }
    assert_sound(&store, &clients);
}

fn status(store: &Store) -> Value {
    let output = store.run(&["status", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn status_shows_a_dead_and_a_paused_replica_and_who_leads() {
    let mut store = Store::start(&["--frontends", "2"]);
    let first = Shoppers::of(&store).shop();
    let leader = status(&store)["leader"]["node"].as_str().unwrap().to_string();
    let output = store.run(&["kill", "leader"]);
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(words.starts_with(&leader) && words.contains("is killed"), "{words}");
    let second = Shoppers::of(&store).shop();
    let shown = status(&store);
    assert_ne!(shown["leader"]["node"], leader.as_str());
    let nodes = shown["nodes"].as_array().unwrap();
    let dead = nodes.iter().find(|node| node["name"] == leader.as_str()).unwrap();
    assert_eq!(dead["state"], "dead");
    assert!(dead["said"].is_null() && dead["silent_because"].is_string(), "{dead:#}");
    store.start_node(&leader);
    wait_until_quiet(&store);
    assert_eq!(digest(&store, "order-1"), digest(&store, "order-2"));
    assert_eq!(order_log(&store).len(), first.orders.len() + second.orders.len());

    store.pause("order-1");
    let text = String::from_utf8(store.run(&["status"]).stdout).unwrap();
    let line = text.lines().find(|line| line.contains("order-1")).unwrap();
    assert!(line.contains("paused"), "{text}");
    let third = Shoppers::of(&store).shop();
    store.resume("order-1");
    assert_sound(&store, &first.and(second).and(third));
}

#[test]
fn the_original_projects_dialect_is_spoken_and_orders_are_written_down() {
    let store = Store::start_with_built_in_toys(&[]);
    let file = store.folder().join("orders.csv");
    let path = file.to_str().unwrap();
    let flags = ["client", "--dialect", "seed", "--draw", "exact", "--probability", "0.5"];
    let output = store.run(&[&flags[..], &["--orders-csv", path]].concat());
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{table}");
    assert!(table.contains("all 50 orders are in the store as they were acknowledged"), "{table}");
    let orders = std::fs::read_to_string(file).unwrap();
    assert!(orders.starts_with("number,name,quantity,session,request_id,"), "{orders}");
    assert_eq!(orders.lines().count(), 51);
}

/// Whether it is interrupted before it has started a node, or while they start.
#[test]
fn a_store_that_is_stopped_while_it_starts_stops_in_order() {
    for (signal, file) in [
        (Signal::INT, "lock"),
        (Signal::TERM, "cluster.json"),
        (Signal::HUP, "cluster.json"),
        (Signal::INT, "control.sock"),
    ] {
        let mut store = Store::prepare(&[]);
        store.spawn_up();
        wait_for("it starts", || store.data.join(file).exists().then_some(()));
        let pids = store.pids();
        send(store.up_pid(), signal);
        let ended = store.wait_for_end();
        let said = store.said();
        assert!(ended.code().is_some(), "{signal:?} at {file}: {ended}\n{said}");
        assert!(said.contains("stopped before") || said.contains("stopping: "), "{said}");
        assert!(!store.data.join("cluster.json").exists(), "{signal:?} at {file}:\n{said}");
        assert!(!pids.into_iter().any(is_ours), "{signal:?} at {file}:\n{said}");
        assert!(!said.contains("panicked") && !said.contains("SIGKILL"), "{said}");
        store.up();
    }
}

/// A terminal that is gone fails every write, as a device that is full does.
#[test]
fn a_store_whose_terminal_closes_stops_in_order() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let mut command = toystore(&["up", "--ports", "auto", "--data"]);
    let gone = || File::options().write(true).open("/dev/full").unwrap();
    command.arg(folder.path()).stdout(gone()).stderr(gone());
    let mut up = command.spawn().unwrap();
    let cluster = folder.path().join("cluster.json");
    wait_for("it is ready", || {
        let text = std::fs::read_to_string(&cluster).unwrap_or_default();
        let ready = text.contains("running") && !text.contains("starting");
        ready.then_some(())
    });
    send(up.id(), Signal::HUP);
    let ended = wait_for("up ends", || up.try_wait().unwrap());
    assert!(ended.success(), "{ended}");
    assert!(!cluster.exists());
}

#[test]
fn commands_say_that_a_store_was_killed_and_how_it_goes_on() {
    let mut store = Store::start(&[]);
    store.kill_up();
    for command in [&["status"][..], &["export", "orders"], &["kill", "leader"]] {
        let output = store.run(command);
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(words.contains("was killed, and its nodes ended with it"), "{words}");
        assert!(words.contains("hint: toystore up --data "), "{words}");
    }
}

#[test]
fn a_demo_keeps_every_promise() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("demo.html");
    let flags = ["demo", "--json", "--frontends", "2", "--requests", "100", "--pause", "10ms"];
    let output = toystore(&flags).arg("--picture").arg(&picture).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    let verdict: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{words}"));
    assert_eq!(verdict["holds"], true, "{words}\n{verdict:#}");
    assert!(output.status.success());
    assert_eq!(verdict["checks"].as_array().map(Vec::len), Some(3));
    let history = &verdict["history"];
    assert_eq!(history["verdict"], "held", "{history:#}");
    assert!(history["operations"].as_u64().unwrap() > 500, "{history:#}");
    assert!(std::fs::read_to_string(&picture).unwrap().contains("<svg"));
    assert!(verdict["clients"]["orders"].as_u64().unwrap() > 100, "{verdict:#}");
}
