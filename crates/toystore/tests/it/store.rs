//! A store of real processes, shopped at through the real client while its nodes are killed and
//! come back: what a person does by hand with `up`, `client`, `kill`, `start` and `status`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything that is waited for may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// A running `up`, and its data.
struct Store {
    folder: TempDir,
    up: Child,
}

impl Store {
    /// Returns when all nodes are ready.
    fn up(flags: &[&str]) -> Store {
        let folder = tempfile::tempdir().unwrap();
        let mut up = command()
            .args(["up", "--ports", "auto", "--data"])
            .arg(folder.path())
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The table of nodes is printed when all are ready.
        let mut line = String::new();
        BufReader::new(up.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the store did not come up");
        Store { folder, up }
    }

    /// Runs a command for this store; its exit code and stdout.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output =
            command().args(arguments).env("TOYSTORE_DATA", self.folder.path()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (_, text) = self.run(arguments);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    fn status(&self) -> Value {
        self.json(&["status", "--json"])
    }

    /// What the order replicas that answer say of themselves.
    fn replicas(&self) -> Vec<Value> {
        let status = self.status();
        let nodes = status["nodes"].as_array().unwrap().iter();
        let replicas = nodes.filter(|node| node["role"] == "order" && !node["said"].is_null());
        replicas.map(|node| node["said"]["status"].clone()).collect()
    }

    fn wait_until(&self, what: &str, holds: impl Fn(&Store) -> bool) {
        let give_up = Instant::now() + DEADLINE;
        while !holds(self) {
            assert!(Instant::now() < give_up, "not so: {what}\n{:#}", self.status());
        }
    }

    fn shop(&self, flags: &[&str]) -> Value {
        let result = self.json(&[&["client", "--json", "--orders-csv", "none"], flags].concat());
        assert_eq!(result["all_matched"], true, "{result:#}");
        result
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Its nodes end with it: their stdin closes.
        let _ = self.up.kill();
        let _ = self.up.wait();
    }
}

/// The binary, without the environment of whoever runs the tests.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_toystore"));
    command.env_clear();
    command
}

#[test]
fn shoppers_are_served_through_a_crash_of_the_leader_and_its_return() {
    let store = Store::up(&["--frontends", "2"]);
    let first = store.shop(&["--seed", "1"]);
    let leader = store.status()["leader"]["node"].as_str().unwrap().to_string();

    let (code, words) = store.run(&["kill", "leader"]);
    assert_eq!(code, Some(0));
    assert!(words.starts_with(&leader) && words.contains("is killed"), "{words}");
    let second = store.shop(&["--seed", "2"]);
    let status = store.status();
    assert_ne!(status["leader"]["node"], leader.as_str());
    let nodes = status["nodes"].as_array().unwrap();
    let dead = nodes.iter().find(|node| node["name"] == leader.as_str()).unwrap();
    assert_eq!(dead["state"], "dead");
    assert!(dead["said"].is_null() && dead["silent_because"].is_string(), "{dead:#}");

    assert_eq!(store.run(&["start", &leader]).0, Some(0));
    store.wait_until("all three replicas have the same orders", |store| {
        let replicas = store.replicas();
        replicas.len() == 3 && replicas.iter().all(|said| said["digest"] == replicas[0]["digest"])
    });
    let (code, log) = store.run(&["export", "orders"]);
    assert_eq!(code, Some(0));
    let placed = |result: &Value| result["orders"].as_u64().unwrap();
    let numbers: Vec<u64> =
        log.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    let expected: Vec<u64> = (0..placed(&first) + placed(&second)).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn a_paused_replica_is_shown_as_such_and_does_not_stop_the_shop() {
    let store = Store::up(&[]);
    store.shop(&["--seed", "1", "--requests", "5"]);
    let leader = store.status()["leader"]["node"].as_str().unwrap().to_string();
    let follower = ["order-1", "order-2"].into_iter().find(|name| *name != leader).unwrap();
    assert_eq!(store.run(&["pause", follower]).0, Some(0));
    let result = store.shop(&["--seed", "2", "--requests", "5"]);
    assert_eq!(result["unknown"], 0);
    let (_, text) = store.run(&["status"]);
    let line = text.lines().find(|line| line.contains(follower)).unwrap();
    assert!(line.contains("paused"), "{text}");
    assert_eq!(store.run(&["resume", follower]).0, Some(0));
}

#[test]
fn the_original_projects_dialect_is_spoken_and_orders_are_written_down() {
    let store = Store::up(&[]);
    let file = store.folder.path().join("orders.csv");
    let path = file.to_string_lossy().to_string();
    let flags = ["client", "--dialect", "seed", "--draw", "exact", "--probability", "0.5"];
    let (code, table) = store.run(&[&flags[..], &["--orders-csv", &path]].concat());
    assert_eq!(code, Some(0), "{table}");
    assert!(table.contains("all 50 orders are in the store as they were acknowledged"), "{table}");
    let orders = std::fs::read_to_string(file).unwrap();
    assert!(orders.starts_with("number,name,quantity,session,request_id,"), "{orders}");
    assert_eq!(orders.lines().count(), 51);
}

#[test]
fn a_demo_keeps_every_promise() {
    let flags = ["demo", "--json", "--frontends", "2", "--requests", "100", "--pause", "10ms"];
    let output = command().args(flags).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    let verdict: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{words}"));
    assert_eq!(verdict["holds"], true, "{words}\n{verdict:#}");
    assert!(output.status.success());
    assert_eq!(verdict["checks"].as_array().map(Vec::len), Some(8));
    assert!(verdict["clients"]["orders"].as_u64().unwrap() > 100, "{verdict:#}");
}
