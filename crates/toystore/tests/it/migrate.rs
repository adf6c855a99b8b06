//! `toystore migrate` on stores of real processes: every order of before is there afterwards, and
//! the whole history, before and after, is judged as one.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::exchange::{self, Said};
use crate::sound::{Logged, assert_stock_is_conserved, digest, order_log, wait_until_quiet};
use crate::store::{Store, toystore};
use crate::waiting::wait_for;

fn migrate(store: &Store, to: &str, more: &[&str]) -> Output {
    let mut arguments = vec!["migrate", "--replication", to];
    arguments.extend(more);
    store.run(&arguments)
}

fn migrated(store: &Store, to: &str) -> String {
    let output = migrate(store, to, &[]);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    String::from_utf8(output.stdout).unwrap()
}

/// Shoppers, recorded; under a seed of their own, so that no two runs share a request.
fn shop(store: &Store, history: &Path, seed: usize) {
    let (history, seed) = (history.to_str().unwrap(), seed.to_string());
    let each = ["--clients", "3", "--requests", "25", "--probability", "0.9", "--retries", "50"];
    let mut arguments = vec!["client", "--orders-csv", "none", "--json", "--seed", &seed];
    arguments.extend(each);
    arguments.extend(["--retry-interval", "100ms", "--history", history]);
    let output = store.run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The verdict on a history, which must hold.
fn assert_held(history: &Path) {
    let output = toystore(&["check", "--json"]).arg(history).output().unwrap();
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{verdict:#}");
}

/// All parts of what clients saw, as one history: the store stood still in between.
#[derive(Default)]
struct Whole {
    lines: Vec<Value>,
    /// The last moment that is in it, in microseconds.
    end: u64,
}

impl Whole {
    /// A part that was recorded. Its head counts if it is the first, its final logs and stock until
    /// another part follows.
    fn add(&mut self, part: &Path) {
        self.lines.retain(|line| !is_final(line));
        let begin = self.end + 1_000_000;
        let skip = usize::from(!self.lines.is_empty());
        for line in fs::read_to_string(part).unwrap().lines().skip(skip) {
            let mut line: Value = serde_json::from_str(line).unwrap();
            for time in ["invoked", "returned", "at", "until"] {
                if let Some(at) = line[time].as_u64() {
                    line[time] = (begin + at).into();
                    self.end = self.end.max(begin + at);
                }
            }
            self.lines.push(line);
        }
    }

    /// One order of a client of its own, and what it was told.
    fn order(&mut self, client: usize, key: &str, said: &Result<Said, String>) {
        let mut line = json!({
            "op": "buy", "client": client, "key": key, "toy": "Kite", "quantity": 1,
            "invoked": self.end + 1000, "returned": self.end + 2000, "outcome": "unknown",
        });
        self.end += 2000;
        if let Some(said) = said.as_ref().ok().filter(|said| said.status == 200) {
            line["outcome"] = "ok".into();
            line["order"] = said.json()["data"]["order_number"].clone();
            line["version"] = said.version().into();
        }
        self.lines.push(line);
    }

    fn write(&self, file: &Path) {
        let text: Vec<String> = self.lines.iter().map(Value::to_string).collect();
        fs::write(file, text.join("\n") + "\n").unwrap();
    }
}

fn is_final(line: &Value) -> bool {
    line["event"] == "log" || line["event"] == "stock"
}

fn assert_all_there(store: &Store, before: &[Logged]) -> Vec<Logged> {
    wait_until_quiet(store);
    let log = order_log(store);
    assert_eq!(log[..before.len()], *before, "what was ordered before is there, and the same");
    for order in before {
        let said = exchange::get(&store.frontend(), &format!("/orders/{}", order.number)).unwrap();
        assert_eq!(said.json()["data"]["name"], *order.name, "{said:?}");
    }
    assert_stock_is_conserved(store, &log);
    let digests: Vec<_> = store.names("order").iter().map(|name| digest(store, name)).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0] && digest.is_ok()), "{digests:?}");
    log
}

/// One store goes through all of them, so that each pair is one step. Before each of them
/// everything is killed while an order is under way: logs are uneven, and a take may be unsettled.
#[test]
fn every_way_becomes_every_other() {
    let steps = ["paxos", "raft", "primary-backup", "paxos", "primary-backup", "raft"];
    let pairs = convert(&mut Store::start(&[]), steps);
    assert_eq!(pairs.len(), 6, "all ordered pairs: {pairs:?}");
}

/// The catalogs go on as they agreed before; primary-backup's view is theirs.
#[test]
fn replicas_of_the_catalog_stay_as_they_are() {
    convert(&mut Store::start(&["--catalog-replicas", "3"]), ["primary-backup", "paxos"]);
}

/// They keep their ids, and none of them comes to the others any more: all begin together.
#[test]
fn replicas_that_came_while_it_ran_are_converted_too() {
    let mut store = Store::start(&[]);
    let change = |store: &Store, arguments: &[&str]| {
        let output = store.run(&[&["node"], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    change(&store, &["replace", "order-2"]);
    assert_eq!(store.names("order"), ["order-1", "order-3", "order-4"]);
    let pairs = convert(&mut store, ["paxos", "primary-backup", "raft", "naive", "raft"]);
    assert_eq!(pairs.len(), 5, "{pairs:?}");
    let members = fs::read_to_string(store.data.join("members.json")).unwrap();
    assert_eq!(members, r#"{"orders":[1,3,4],"joined":[],"highest":4}"#);
    // They can change again; the id that was given up stays so.
    change(&store, &["add"]);
    change(&store, &["remove", "order-3"]);
    assert_eq!(store.names("order"), ["order-1", "order-4", "order-5"]);
    let before = order_log(&store);
    let said = exchange::order(&store.frontend(), "after-all", "Kite", 1).unwrap();
    assert_eq!(said.status, 200, "{said:?}");
    assert_all_there(&store, &before);
}

/// From raft through all these ways, with orders at each of them. Returns which became which.
fn convert<const STEPS: usize>(
    store: &mut Store,
    steps: [&'static str; STEPS],
) -> BTreeSet<(&'static str, &'static str)> {
    let (mut from, mut pairs, mut whole) = ("raft", BTreeSet::new(), Whole::default());
    let replicas = store.names("order");
    let part = store.folder().join("part.jsonl");
    shop(store, &part, 1);
    whole.add(&part);
    let mut before = assert_all_there(store, &[]);
    for (number, to) in (1..).zip(steps) {
        let (url, key) = (store.frontend(), format!("under-way-{number}"));
        let told = std::thread::scope(|scope| {
            let asked = scope.spawn(|| exchange::order(&url, &key, "Kite", 1));
            store.kill_everything();
            asked.join().unwrap()
        });
        whole.order(90 + number, &key, &told);
        let words = migrated(store, to);
        assert!(words.contains(&format!("generation {number}")), "{words}");
        store.up();
        assert_eq!(store.names("order"), replicas);
        // Whatever became of it, once more is the same order.
        let leads = || exchange::order(&store.frontend(), &key, "Kite", 1).ok();
        let again = wait_for("somebody leads", || leads().filter(|said| said.status == 200));
        whole.order(90 + number, &key, &Ok(again));
        before = assert_all_there(store, &before);
        shop(store, &part, number + 1);
        whole.add(&part);
        let log = assert_all_there(store, &before);
        assert!(log.len() > before.len(), "orders go on");
        before = log;
        pairs.insert((from, to));
        from = to;
    }
    let history = store.folder().join("whole.jsonl");
    whole.write(&history);
    assert_held(&history);
    pairs
}

/// SIGKILL after each of the steps that it tells of; once more finishes it.
#[test]
fn killed_at_any_moment_it_is_finished_by_the_same_command() {
    let mut store = Store::start(&[]);
    let part = store.folder().join("part.jsonl");
    shop(&store, &part, 1);
    let mut before = assert_all_there(&store, &[]);
    store.interrupt();
    let mut ways = ["paxos", "raft"].into_iter().cycle();
    for steps in [2, 4, 5, 8, 11] {
        let to = ways.next().unwrap();
        let data = store.data.to_str().unwrap().to_string();
        let mut command = toystore(&["migrate", "--replication", to, "--data", &data]);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let told = BufReader::new(child.stderr.take().unwrap()).lines().take(steps);
        let told: Vec<String> = told.map(Result::unwrap).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        if store.data.join("migrate/plan.json").exists() {
            let output = store.run(&["up", "--ports", "auto"]);
            let words = String::from_utf8_lossy(&output.stderr);
            assert!(words.contains("finishes it") && !output.status.success(), "{words}");
            let other = migrate(&store, "naive", &[]);
            let words = String::from_utf8_lossy(&other.stderr);
            assert!(words.contains("must be finished first"), "{words}");
        }
        migrated(&store, to);
        assert!(!store.data.join("migrate").exists(), "{told:?}");
        store.up();
        store.settle();
        before = assert_all_there(&store, &before);
        let key = format!("after-{steps}");
        let said = exchange::order(&store.frontend(), &key, "Rocket", 1).unwrap();
        assert_eq!(said.status, 200, "{said:?}");
        before = assert_all_there(&store, &before);
        store.interrupt();
    }
    let rockets = before.iter().filter(|order| order.name == "Rocket").count();
    assert!(rockets >= 5, "{rockets}");
}

#[test]
fn a_running_store_is_refused_and_a_dry_run_changes_nothing() {
    let mut store = Store::start(&[]);
    let output = migrate(&store, "paxos", &[]);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("in use") && !output.status.success(), "{words}");
    store.interrupt();
    let output = migrate(&store, "paxos", &["--dry-run"]);
    let words = String::from_utf8(output.stdout).unwrap();
    for part in ["order-1: term", "chosen: order-", "generation 1", "nothing was changed"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let made = fs::read_to_string(store.data.join("store.json")).unwrap();
    assert!(made.contains("raft") && !store.data.join("migrate").exists(), "{made}");
    let same = migrated(&store, "raft");
    assert!(same.contains("nothing to do"), "{same}");
    // Whoever wants another way is told how.
    let output = store.run(&["up", "--ports", "auto", "--replication", "paxos"]);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("toystore migrate --replication paxos"), "{words}");
    let node = store.data.join("order-1");
    let arguments = ["order", "--id", "1", "--listen", "127.0.0.1:0", "--catalog", "http://a:1"];
    let more = ["--orders", "1=http://a:2", "--replication", "paxos", "--cluster-token", "secret"];
    let output = toystore(&arguments).args(more).arg("--data").arg(node).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("toystore migrate --replication paxos"), "{words}");
    let nowhere = store.folder().join("nowhere");
    let output = toystore(&["migrate", "--replication", "raft", "--data"]).arg(&nowhere).output();
    let output = output.unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("there is no store") && !nowhere.exists(), "{words}");
}
