//! Replicas that are restarted one after the other, as an upgrade does it: nobody who shops
//! notices, and who comes back is ready only when it has what it missed.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::exchange::{self, Said};
use crate::load::Shoppers;
use crate::raw::ask;
use crate::sound::assert_sound;
use crate::store::{Store, signal, toystore, wait_until_gone};
use crate::waiting::{wait_at_most, wait_for};

/// Nothing may be acknowledged for so long at most, on whatever machine this runs: hands are
/// changed in some milliseconds. What it was is printed.
const GAP_MAX: Duration = Duration::from_millis(1500);

/// How late everything comes to a replica that returns; less than a round of Paxos' election, whose
/// answers it would miss.
const LATE: Duration = Duration::from_millis(100);

/// How long shoppers may take to come to their end.
const SHOPPERS_DEADLINE: Duration = Duration::from_secs(60);

fn health(store: &Store, node: &str) -> Option<Said> {
    exchange::get(&store.url(node), "/health/ready").ok()
}

fn is_ready(store: &Store, node: &str) -> bool {
    health(store, node).is_some_and(|said| said.status == 200)
}

/// Four who try nothing twice, recorded.
fn shoppers(store: &Store) -> Child {
    let file = |name: &str| store.folder().join(name).to_str().unwrap().to_string();
    let (history, csv) = (file("roll.jsonl"), file("roll.csv"));
    let mut command = toystore(&["client", "--json", "--seed", "1", "--url", &store.frontend()]);
    command.args(["--clients", "4", "--requests", "600", "--probability", "0.9", "--retries", "0"]);
    command.args(["--pause", "10ms", "--history", &history, "--orders-csv", &csv]);
    command.args(["--data", store.data.to_str().unwrap()]);
    command.stdout(fs::File::create(file("roll.json")).unwrap()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// When orders were acknowledged, since the shoppers began.
fn acknowledged(store: &Store) -> Vec<Duration> {
    let text = fs::read_to_string(store.folder().join("roll.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let bought = lines.filter(|line| line["op"] == "buy" && line["outcome"] == "ok");
    let returned = bought.map(|line| Duration::from_micros(line["returned"].as_u64().unwrap()));
    let mut times: Vec<Duration> = returned.collect();
    times.sort_unstable();
    times
}

fn roll(protocol: &str) {
    let mut store = Store::start(&["--replication", protocol]);
    store.settle();
    let mut shoppers = shoppers(&store);
    let orders = || {
        let text = fs::read_to_string(store.folder().join("roll.csv")).unwrap_or_default();
        text.lines().count()
    };
    wait_for("they shop", || (orders() > 100).then_some(()));
    let began = Instant::now();
    for name in store.names("order") {
        let pid = store.pid(&name);
        signal(pid, Signal::TERM);
        wait_until_gone(&[pid]);
        store.start_node(&name);
        wait_for("it is ready", || is_ready(&store, &name).then_some(()));
    }
    let took = began.elapsed();
    let ended = shoppers.try_wait().unwrap();
    assert!(ended.is_none(), "they went home after {took:?}: the roll is to be seen by them");
    let status = wait_at_most(SHOPPERS_DEADLINE, "they end", || shoppers.try_wait().unwrap());
    let result = fs::read_to_string(store.folder().join("roll.json")).unwrap();
    assert!(status.success(), "{result}");
    let result: Value = serde_json::from_str(&result).unwrap();
    for trouble in ["retried", "unavailable", "unknown", "failed"] {
        assert_eq!(result[trouble], 0, "{trouble}: {result:#}");
    }
    let times = acknowledged(&store);
    assert_eq!(result["orders"], times.len());
    let gap = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    println!(
        "{protocol}: three replicas restarted in {took:?}, {} orders, {gap:?} without one at most",
        times.len()
    );
    assert!(gap < GAP_MAX, "{protocol}: {gap:?}");
    let history = store.folder().join("roll.jsonl");
    let output = toystore(&["check", "--json"]).arg(&history).output().unwrap();
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{verdict:#}");
}

#[test]
fn raft_replicas_are_restarted_in_turn_and_nobody_notices() {
    roll("raft");
}

#[test]
fn paxos_replicas_are_restarted_in_turn_and_nobody_notices() {
    roll("paxos");
}

/// Everything comes late from the leader to the one that returns.
fn slow_down(store: &Store, to: &str, delay: Duration) {
    let leader = store.leader();
    let bearer = format!("Bearer {}", store.token());
    let edges = json!({"edges": [{"to": to, "delay_ms": delay.as_millis() as u64}]});
    let edges = if delay.is_zero() { json!({}) } else { edges };
    let url = store.url(&leader);
    let heard = ask(&url, "PUT", "/faults", &[("Authorization", &bearer)], &edges.to_string());
    assert_eq!(heard.status, 200, "{heard:?}");
}

/// Whether it was seen that it knows a leader and has not everything yet.
fn a_follower_that_was_away(protocol: &str) -> bool {
    let mut store = Store::start(&["--replication", protocol]);
    let first = Shoppers::of(&store).shop();
    let follower = store.follower();
    store.kill(&follower);
    let second = Shoppers::of(&store).with("--requests", "100").shop();
    let leader = store.leader();
    let recorded = store.status(&leader).unwrap()["orders"].as_u64().unwrap();
    slow_down(&store, &follower, LATE);
    store.start_node(&follower);
    let mut seen = false;
    wait_for("it is ready", || {
        let said = health(&store, &follower)?;
        seen |= said.json()["error"]["message"].to_string().contains("catching up");
        (said.status == 200).then_some(())
    });
    let orders = store.status(&follower).unwrap()["orders"].as_u64().unwrap();
    assert!(orders >= recorded, "{protocol}: ready with {orders} of {recorded} orders");
    // It lags a while under load, and stays ready.
    let load = Shoppers::of(&store).load();
    let until = load.count() + 50;
    while load.count() < until {
        assert!(is_ready(&store, &follower), "{protocol}: it was ready before");
    }
    slow_down(&store, &follower, Duration::ZERO);
    load.wait_for_more(50);
    assert_sound(&store, &first.and(second).and(load.stop()));
    seen
}

#[test]
fn a_follower_is_ready_when_it_has_what_it_missed() {
    for protocol in ["raft", "paxos", "primary-backup", "naive"] {
        let seen = a_follower_that_was_away(protocol);
        // Under the others all that it missed may come with the leader's first word.
        assert!(seen || protocol != "raft");
    }
}
