//! Faults of the network between the nodes of a running store, by `PUT /faults`: links that are
//! cut, in one direction or both, and links that lose, delay and double.
//!
//! Each test ends with everything that the store promises ([`assert_sound`]).

use std::fs::{self, File};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::exchange::{self, Connection};
use crate::load::{Acknowledged, Clients, Shoppers};
use crate::raw::{Heard, ask};
use crate::sound::{assert_sound, digest, wait_until_quiet};
use crate::store::{PRIMARY_BACKUP, Store, toystore};
use crate::waiting::{wait_for, watch_for};

/// Orders may stand still for so long at most when a leader is cut off.
const OUTAGE_MAX: Duration = Duration::from_secs(8);

/// Every lost call costs its deadline, up to 2.5 s, and an order needs several calls.
const BAD_LINKS_PATIENCE: Duration = Duration::from_secs(40);

/// Longer than a lease (2 s), also for a catalog that waits for its end.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(3);

/// `PUT /faults`, with the token.
fn put(store: &Store, node: &str, body: &str) -> Heard {
    let bearer = format!("Bearer {}", store.token());
    ask(&store.url(node), "PUT", "/faults", &[("Authorization", &bearer)], body)
}

/// Sets the faults of what a node sends, and expects that they are in force.
fn set(store: &Store, node: &str, edges: &Value) {
    let heard = put(store, node, &json!({"seed": 1, "edges": edges}).to_string());
    assert_eq!(heard.status, 200, "{heard:?}");
}

/// What a node sends to these others does not arrive.
fn cut(store: &Store, from: &str, to: &[&str]) {
    let edges: Vec<Value> = to.iter().map(|to| json!({"to": to, "cut": true})).collect();
    set(store, from, &json!(edges));
}

/// Neither hears the other.
fn cut_off(store: &Store, node: &str, others: &[&str]) {
    cut(store, node, others);
    others.iter().for_each(|other| cut(store, other, &[node]));
}

fn everybody(store: &Store) -> Vec<String> {
    ["catalog", "order", "frontend"].iter().flat_map(|role| store.names(role)).collect()
}

fn heal(store: &Store) {
    everybody(store).iter().for_each(|node| set(store, node, &json!([])));
}

fn followers(store: &Store, leader: &str) -> Vec<String> {
    store.names("order").into_iter().filter(|name| name != leader).collect()
}

/// In one direction after the other, and in both.
/// Where a majority decides, nobody is put aside: the leader goes on with those that it reaches, or
/// another one is elected by those that it does not.
#[test]
fn whatever_the_leader_is_cut_from_a_majority_goes_on() {
    let store = Store::start(&["--replication", "raft"]);
    let load = Shoppers::of(&store).load();
    for way in ["to a follower", "from a follower", "from both followers", "from everybody"] {
        load.wait_for_more(50);
        let leader = store.leader();
        let followers = followers(&store, &leader);
        let of: Vec<&str> = followers.iter().map(String::as_str).collect();
        let others = everybody(&store).into_iter().filter(|name| *name != leader);
        let others: Vec<String> = others.collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        match way {
            "to a follower" => cut(&store, &leader, &of[..1]),
            "from a follower" => cut(&store, of[0], &[&leader]),
            "from both followers" => cut_off(&store, &leader, &of),
            _ => cut_off(&store, &leader, &others),
        }
        load.wait_for_more_within(OUTAGE_MAX, 100);
        heal(&store);
    }
    assert_sound(&store, &load.stop());
}

#[test]
fn a_leader_cut_from_a_follower_puts_it_aside_and_takes_it_back() {
    let store = Store::start(&PRIMARY_BACKUP);
    let load = Shoppers::of(&store).load();
    for way in ["to the follower", "to the leader", "both"] {
        load.wait_for_more(50);
        let leader = store.leader();
        let follower = followers(&store, &leader).pop().unwrap();
        match way {
            "to the follower" => cut(&store, &leader, &[&follower]),
            "to the leader" => cut(&store, &follower, &[&leader]),
            _ => cut_off(&store, &leader, &[&follower]),
        }
        wait_for(&format!("{follower} is put aside, cut {way}"), || {
            (store.in_sync().len() == 2).then_some(())
        });
        load.wait_for_more_within(OUTAGE_MAX, 100);
        assert_eq!(store.leader(), leader, "one follower is no reason for another leader: {way}");
        heal(&store);
        store.wait_for_view(&[1, 2, 3]);
        load.wait_for_more(50);
    }
    let clients = load.stop();
    wait_until_quiet(&store);
    let digests: Vec<_> = store.names("order").iter().map(|name| digest(&store, name)).collect();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
    assert_sound(&store, &clients);
}

/// It goes on leading, as far as it knows.
#[test]
fn a_leader_that_nobody_hears_is_replaced_and_nothing_is_lost() {
    let store = Store::start(&PRIMARY_BACKUP);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    let old = store.leader();
    let others: Vec<String> = everybody(&store).into_iter().filter(|name| *name != old).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    cut_off(&store, &old, &others);
    load.wait_for_more_within(OUTAGE_MAX, 100);
    let status = store.status(&old).unwrap();
    assert_eq!(status["engine"]["role"], "leader", "it cannot know: {status}");
    assert_ne!(store.leader(), old);
    heal(&store);
    store.wait_for_view(&[1, 2, 3]);
    let status = store.status(&old).unwrap();
    assert_eq!(status["engine"]["role"], "follower", "{status}");
    assert_eq!(status["discarded"], json!([]), "{status}");
    load.wait_for_more(50);
    assert_sound(&store, &load.stop());
}

/// It asks the catalog for a view of its own, and acknowledges only then.
#[test]
fn a_leader_cut_from_all_followers_goes_on_alone_and_takes_them_back() {
    let store = Store::start(&PRIMARY_BACKUP);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    let leader = store.leader();
    let others = followers(&store, &leader);
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    cut_off(&store, &leader, &others);
    load.wait_for_more_within(OUTAGE_MAX, 100);
    assert_eq!(store.in_sync().len(), 1);
    assert_eq!(store.leader(), leader);
    heal(&store);
    store.wait_for_view(&[1, 2, 3]);
    load.wait_for_more(50);
    assert_sound(&store, &load.stop());
}

/// The frontend still reaches it, and is told that it leads: no orders then, until the links are
/// back, as README.md says.
#[test]
fn a_leader_that_only_the_frontend_reaches_acknowledges_nothing() {
    let store = Store::start(&PRIMARY_BACKUP);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    let leader = store.leader();
    let mut others = followers(&store, &leader);
    others.push("catalog".to_string());
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    cut_off(&store, &leader, &others);
    // Answers that were ready may still be on their way to the shoppers.
    watch_for(Duration::from_millis(500), || {});
    let sold = load.count();
    watch_for(Duration::from_secs(3), || assert_eq!(load.count(), sold, "sold by nobody"));
    heal(&store);
    load.wait_for_more_within(OUTAGE_MAX, 100);
    store.wait_for_view(&[1, 2, 3]);
    assert_sound(&store, &load.stop());
}

/// What readers of a frontend were answered.
#[derive(Debug, Default)]
struct Reads {
    bypasses: u32,
    unavailable: u32,
}

/// Reads a toy again and again, and expects that no answer is older than what was sold elsewhere
/// before it was asked for.
fn reads_nothing_old(url: &str, toy: &str, newest: &AtomicU64, end: &AtomicBool) -> Reads {
    let mut reads = Reads::default();
    while !end.load(Ordering::SeqCst) {
        let sold = newest.load(Ordering::SeqCst);
        let said = exchange::get(url, &format!("/products/{toy}")).unwrap();
        match said.status {
            200 => {
                let version = said.version();
                assert!(version >= sold, "version {version} after {sold} was sold: {said:?}");
                reads.bypasses += u32::from(said.headers["x-cache"] != "hit");
            }
            503 => reads.unavailable += 1,
            _ => panic!("{said:?}"),
        }
    }
    reads
}

fn wait_for_a_hit(url: &str, toy: &str) {
    wait_for("it serves from its cache", || {
        let said = exchange::get(url, &format!("/products/{toy}")).unwrap();
        said.headers.get("x-cache").is_some_and(|cache| cache == "hit").then_some(())
    });
}

#[test]
fn a_frontend_cut_from_the_catalog_for_longer_than_its_lease_serves_nothing_old() {
    let store = Store::start(&["--frontends", "2"]);
    let (one, two) = (store.url("frontend-1"), store.url("frontend-2"));
    let mut mine = vec![];
    for way in ["to-the-catalog", "to-the-frontend", "both"] {
        wait_for_a_hit(&one, "Rocket");
        match way {
            "to-the-catalog" => cut(&store, "frontend-1", &["catalog"]),
            "to-the-frontend" => cut(&store, "catalog", &["frontend-1"]),
            _ => cut_off(&store, "frontend-1", &["catalog"]),
        }
        // Its lease is not over yet.
        wait_for_a_hit(&one, "Rocket");
        let (newest, end) = (AtomicU64::new(0), AtomicBool::new(false));
        let began = Instant::now();
        let reads = std::thread::scope(|scope| {
            let read = || reads_nothing_old(&one, "Rocket", &newest, &end);
            let readers: Vec<_> = (0..4).map(|_| scope.spawn(read)).collect();
            let mut connection = Connection::open(&two).unwrap();
            while began.elapsed() < LONGER_THAN_A_LEASE {
                let key = format!("{way}-{}", mine.len());
                let said = connection.order(&key, "Rocket", 1).unwrap();
                let order = Acknowledged::by(&said, &key, "Rocket", 1);
                newest.store(order.version, Ordering::SeqCst);
                mine.push(order);
            }
            end.store(true, Ordering::SeqCst);
            readers.into_iter().map(|reader| reader.join().unwrap()).collect::<Vec<Reads>>()
        });
        let all = |count: fn(&Reads) -> u32| reads.iter().map(count).sum::<u32>();
        assert!(all(|r| r.unavailable) > 0, "it says that it cannot know, cut {way}: {reads:?}");
        assert_eq!(all(|r| r.bypasses), 0, "nothing comes from the catalog, cut {way}: {reads:?}");
        heal(&store);
    }
    wait_for_a_hit(&one, "Rocket");
    assert_sound(&store, &Clients::of(mine));
}

/// Sets bad links between all nodes, each with draws of its own.
fn make_all_links_bad(store: &Store, seed: u64) {
    let all = everybody(store);
    for node in &all {
        let edges = all.iter().filter(|other| *other != node).map(|other| {
            json!({"to": other, "delay_ms": 1, "jitter_ms": 9, "loss": 0.02, "duplicate": 0.2})
        });
        let body = json!({"seed": seed, "edges": edges.collect::<Vec<_>>()});
        assert_eq!(put(store, node, &body.to_string()).status, 200);
    }
}

#[test]
fn links_that_lose_delay_and_double_cost_time_and_nothing_else() {
    let store = Store::start(&["--frontends", "2"]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    for seed in 1..=2 {
        make_all_links_bad(&store, seed);
        watch_for(Duration::from_secs(4), || {});
        load.wait_for_more_within(BAD_LINKS_PATIENCE, 20);
        let status = exchange::get(&store.url("order-1"), "/status").unwrap().json();
        assert_eq!(status["faults"]["seed"], seed, "{status}");
        assert_eq!(status["faults"]["edges"].as_array().unwrap().len(), 5, "{status}");
    }
    heal(&store);
    store.wait_for_view(&[1, 2, 3]);
    load.wait_for_more(50);
    let clients = load.stop();
    wait_until_quiet(&store);
    let digests: Vec<_> = store.names("order").iter().map(|name| digest(&store, name)).collect();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
    assert_sound(&store, &clients);
}

#[test]
fn a_wrong_set_of_faults_is_refused_and_the_old_one_stays() {
    let store = Store::start(&[]);
    let faults =
        |node: &str| exchange::get(&store.url(node), "/status").unwrap().json()["faults"].clone();
    assert_eq!(faults("order-1"), json!({"seed": 0, "edges": []}));
    let right = r#"{"seed":3,"edges":[{"to":"order-2","cut":true},{"to":"catalog","loss":0.5}]}"#;
    let heard = put(&store, "order-1", right);
    let whole = |to: &str, cut: bool, loss: f64| {
        let mut edge = json!({"to": to, "cut": cut, "loss": loss, "duplicate": 0.0});
        edge["delay_ms"] = json!(0);
        edge["jitter_ms"] = json!(0);
        edge
    };
    let edges = json!([whole("order-2", true, 0.0), whole("catalog", false, 0.5)]);
    let expected = json!({"seed": 3, "edges": edges});
    assert_eq!((heard.status, heard.json()), (200, json!({"data": expected})), "{heard:?}");
    let wrong = [
        ("{", "the faults are not understood: EOF while parsing an object at line 1 column 1"),
        ("[]", "the faults are not an object; expected such as {\"seed\":1,"),
        (r#"{"edge":[]}"#, "unknown field `edge`"),
        (r#"{"edges":[{"cut":true}]}"#, "missing field `to`"),
        (r#"{"edges":[{"to":"order-2","los":1}]}"#, "unknown field `los`, expected one of"),
        (r#"{"edges":[{"to":"order-2","loss":"1"}]}"#, "invalid type: string"),
        (r#"{"edges":[{"to":"order-2","loss":1.01}]}"#, "edges[0].loss: 1.01 is no probability"),
        (r#"{"edges":[{"to":"order-2","duplicate":-1}]}"#, "edges[0].duplicate: -1 is no"),
        (r#"{"edges":[{"to":"order-2","delay_ms":10001}]}"#, "edges[0].delay_ms: 10001 is too"),
        (r#"{"edges":[{"to":"order-2","jitter_ms":10001}]}"#, "edges[0].jitter_ms: 10001 is too"),
        (r#"{"edges":[{"to":"order-1"}]}"#, "edges[0].to: order-1 is this node itself"),
        (r#"{"edges":[{"to":"order-4"}]}"#, "no node \"order-4\": catalog, order-2, order-3"),
        (r#"{"edges":[{"to":"shopper"}]}"#, "there is no node \"shopper\""),
        (r#"{"edges":[{"to":"order-2"},{"to":"order-2"}]}"#, "edges[1].to: order-2 is named twice"),
    ];
    for (body, words) in wrong {
        put(&store, "order-1", body).is_error(400, words);
        assert_eq!(faults("order-1"), expected, "{body}");
    }
    let metrics = exchange::get(&store.url("order-1"), "/metrics").unwrap().body;
    assert!(metrics.contains("toystore_faults_edges_cut{to=\"order-2\"} 1\n"), "{metrics}");
    ask(&store.url("order-1"), "GET", "/faults", &[], "").with(&[("allow", "PUT")]);
    put(&store, "order-1", "");
    assert_eq!(faults("order-1"), json!({"seed": 0, "edges": []}));
    assert_sound(&store, &Shoppers::of(&store).shop());
}

#[test]
fn without_chaos_nothing_can_be_broken() {
    let store = Store::start(&["--chaos=false"]);
    for node in everybody(&store) {
        let heard = put(&store, &node, r#"{"edges":[{"to":"order-2","cut":true}]}"#);
        heard.is_error(404, "start it with --chaos (TOYSTORE_CHAOS=true)");
        ask(&store.url(&node), "PUT", "/faults", &[], "{}").is_error(401, "needs");
        let status = exchange::get(&store.url(&node), "/status").unwrap().json();
        assert_eq!(status["faults"], Value::Null, "{status}");
    }
}

#[test]
fn chaos_is_off_where_others_can_listen_unless_it_is_asked_for() {
    for (flags, status) in [(&[][..], 404), (&["--chaos"][..], 200)] {
        let mut all = vec!["--orders-listen", "0.0.0.0:0"];
        all.extend(flags);
        let store = Store::start(&all);
        let heard = put(&store, "catalog", "{}");
        assert_eq!(heard.status, status, "{heard:?}");
    }
    let output = toystore(&["up", "--ephemeral", "--chaos=perhaps"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

// A disk is lost, and its replica started by hand under the id that it had.

fn a_wiped_replica_takes_no_part(replication: &str) {
    let mut store = Store::start(&["--replication", replication]);
    let leader = store.leader();
    let [behind, wiped] = &followers(&store, &leader)[..] else { panic!("two follow") };
    cut_off(&store, &leader, &[behind]);
    let url = store.frontend();
    let buy = |key: String| exchange::order(&url, &key, "Rocket", 1).unwrap().status;
    wait_for("orders go on with two of three", || (buy("first".into()) == 200).then_some(()));
    for order in 0..20 {
        assert_eq!(buy(format!("order-{order}")), 200);
    }
    // Of those, only the leader and the one that is wiped now know.
    let flags = fs::read(format!("/proc/{}/cmdline", store.pid(wiped))).unwrap();
    let mut flags: Vec<&str> =
        str::from_utf8(&flags).unwrap().trim_matches('\0').split('\0').collect();
    let empty = store.folder().join("empty");
    let data = flags.iter().position(|flag| *flag == "--data").unwrap() + 1;
    flags[data] = empty.to_str().unwrap();
    store.kill(wiped);
    let log = File::create(store.folder().join("wiped.log")).unwrap();
    let mut by_hand = toystore(&flags[1..]).stdin(Stdio::piped()).stderr(log).spawn().unwrap();
    let role = || Some(store.status(wiped).ok()?["engine"]["role"].as_str()?.to_string());
    wait_for("it knows that its disk is lost", || (role()? == "lost").then_some(()));
    let said = fs::read_to_string(store.folder().join("wiped.log")).unwrap();
    assert!(said.contains("start this replica under a new id"), "{said}");
    store.kill(&leader);
    set(&store, behind, &json!([]));
    watch_for(Duration::from_secs(4), || {
        let status = store.status(behind).unwrap();
        assert_ne!(
            status["engine"]["role"], "leader",
            "elected by one that voted before: {status}"
        );
    });
    store.start_node(&leader);
    wait_for("orders go on", || (buy("last".into()) == 200).then_some(()));
    let orders = store.status(&store.leader()).unwrap()["orders"].as_u64().unwrap();
    assert_eq!(orders, 22, "what was acknowledged is there");
    by_hand.kill().unwrap();
    by_hand.wait().unwrap();
}

#[test]
fn a_wiped_replica_of_raft_takes_no_part() {
    a_wiped_replica_takes_no_part("raft");
}

#[test]
fn a_wiped_replica_of_paxos_takes_no_part() {
    a_wiped_replica_takes_no_part("paxos");
}
