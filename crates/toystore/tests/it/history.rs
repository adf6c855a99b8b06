//! A history of a real store, recorded by real shoppers or by the load generator, is judged:
//! `client --history`, `load --history`, `check`.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::store::{Store, toystore};
use crate::waiting::wait_for;

/// Shoppers at a store, recorded; what they printed.
fn record(store: &Store, history: &Path, more: &[&str]) -> Output {
    let shoppers = ["client", "--clients", "6", "--orders-csv", "none", "--json", "--history"];
    let mut arguments = shoppers.to_vec();
    arguments.push(history.to_str().unwrap());
    arguments.extend(more);
    store.run(&arguments)
}

/// The verdict on a file, and the exit code.
fn check(history: &Path, more: &[&str]) -> (Value, Option<i32>) {
    let mut command = toystore(&["check", "--json"]);
    let output = command.arg(history).args(more).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    let verdict = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{words}"));
    (verdict, output.status.code())
}

fn judged(verdict: &Value, guarantee: &str) -> String {
    let all = verdict["guarantees"].as_array().unwrap();
    let one = all.iter().find(|one| one["guarantee"] == guarantee).unwrap();
    one["verdict"].as_str().unwrap().to_string()
}

/// Kills the leader in the midst of what is being recorded, and starts it under the next one.
fn kill_and_start(store: &Store, leader: &str, history: &Path) {
    let grows = || std::fs::metadata(history).is_ok_and(|file| file.len() > 20_000);
    wait_for("operations in the history", || grows().then_some(()));
    let killed = store.run(&["kill", leader]);
    assert!(killed.status.success(), "{}", String::from_utf8_lossy(&killed.stderr));
    store.next_leader(leader);
    let started = store.run(&["start", leader]);
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
}

/// Also while the leader is killed and another one leads, and with toys that are sold out and come
/// back.
#[test]
fn what_shoppers_see_of_a_store_holds() {
    let mut store = Store::start(&["--frontends", "2", "--restock-interval", "500ms"]);
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first.jsonl");
    let output = record(&store, &first, &["--requests", "60", "--probability", "1"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (verdict, code) = check(&first, &[]);
    assert_eq!(code, Some(0), "{verdict:#}");
    let promises =
        ["stock", "orders", "once", "kept", "replicas", "gapless", "conserved", "oversold"];
    for guarantee in promises {
        assert_eq!(judged(&verdict, guarantee), "held", "{guarantee}: {verdict:#}");
    }
    assert!(verdict["operations"].as_u64().unwrap() > 400, "{verdict:#}");

    // The second run begins where the first one ended: with orders, and fewer toys.
    let second = folder.path().join("second.jsonl");
    let leader = store.leader();
    let shop = ["--requests", "150", "--probability", "0.7", "--pause", "5ms"];
    std::thread::scope(|scope| {
        let shoppers = scope.spawn(|| record(&store, &second, &shop));
        kill_and_start(&store, &leader, &second);
        let output = shoppers.join().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
    let picture = folder.path().join("picture.html");
    let (verdict, code) = check(&second, &["--picture", picture.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{verdict:#}");
    assert_eq!(judged(&verdict, "replicas"), "held", "{verdict:#}");
    assert!(std::fs::read_to_string(&picture).unwrap().contains("<svg"));
    store.interrupt();
}

/// A cache that is told nothing answers old values: the checker finds it in what was recorded.
#[test]
fn what_a_cache_without_invalidation_shows_is_convicted() {
    let mut store = Store::start(&["--frontends", "2", "--invalidation", "none"]);
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.jsonl");
    record(&store, &history, &["--requests", "80", "--probability", "1"]);
    let (verdict, code) = check(&history, &[]);
    assert_eq!(code, Some(1), "{verdict:#}");
    assert_eq!(judged(&verdict, "stock"), "broke", "{verdict:#}");
    assert_eq!(judged(&verdict, "kept"), "held", "{verdict:#}");
    let sentence = verdict["counterexample"]["sentence"].as_str().unwrap();
    assert!(sentence.contains("served version"), "{sentence}");
    assert!(verdict["staleness"]["stale"].as_u64().unwrap() > 0, "{verdict:#}");
    store.interrupt();
}

/// Also of requests that were given up, and that nobody tries again: what became of their orders is
/// asked in the end.
#[test]
fn what_the_load_generator_sees_of_a_store_holds() {
    let mut store = Store::start(&["--frontends", "2", "--restock-interval", "500ms"]);
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("load.jsonl");
    let leader = store.leader();
    let pace = ["load", "--rate", "300", "--duration", "5s", "--deadline", "300ms"];
    let mix = ["--orders", "0.4", "--order-queries", "0.1", "--clients", "8", "--threads", "2"];
    let words = [&pace[..], &mix, &["--history", history.to_str().unwrap()]].concat();
    std::thread::scope(|scope| {
        let load = scope.spawn(|| store.run(&words));
        kill_and_start(&store, &leader, &history);
        let output = load.join().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.contains("toystore check"), "{said}");
    });
    let (verdict, code) = check(&history, &[]);
    assert_eq!(code, Some(0), "{verdict:#}");
    for guarantee in ["stock", "orders", "once", "kept", "replicas", "gapless", "conserved"] {
        assert_eq!(judged(&verdict, guarantee), "held", "{guarantee}: {verdict:#}");
    }
    assert!(verdict["operations"].as_u64().unwrap() > 1_000, "{verdict:#}");
    store.interrupt();
}

#[test]
fn a_file_that_is_no_history_has_an_exit_code_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.jsonl");
    std::fs::write(&file, "{\"history\":\"toystore\",\"format\":2}\n").unwrap();
    let output = toystore(&["check"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let words = String::from_utf8_lossy(&output.stderr);
    for part in ["history.jsonl", "line 1, column 23", "format 2", "format 1"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let output = toystore(&["check", "no-such-file"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
}
