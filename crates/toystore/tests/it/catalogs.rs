//! A catalog with replicas: real processes of which the catalog that leads is killed, hung, cut off
//! and stopped under load, and folders and flags that do not fit.
//!
//! Each test of the first kind ends with everything that the store promises ([`assert_sound`]),
//! which includes that no shopper who tries again was ever told of a failure.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::exchange::{self, Connection};
use crate::load::{Acknowledged, Clients, Shoppers};
use crate::raw::{Heard, ask};
use crate::sound::assert_sound;
use crate::store::{PRIMARY_BACKUP, Store, signal, toystore, wait_until_gone};
use crate::waiting::{wait_for, watch_for};

/// A store of which no single process is needed.
const THREE: [&str; 2] = ["--catalog-replicas", "3"];

/// Nothing may be sold for so long at most when the catalog that leads is gone.
const OUTAGE_MAX: Duration = Duration::from_secs(5);

/// How long a process is paused: longer than a lease (2 s), and than every timer of the store.
const PAUSE: Duration = Duration::from_secs(5);

fn faults(store: &Store, node: &str, to: &[String]) {
    let edges: Vec<Value> = to.iter().map(|to| json!({"to": to, "cut": true})).collect();
    let bearer = format!("Bearer {}", store.token());
    let body = json!({ "edges": edges }).to_string();
    let heard = ask(&store.url(node), "PUT", "/faults", &[("Authorization", &bearer)], &body);
    assert_eq!(heard.status, 200, "{heard:?}");
}

fn everybody(store: &Store) -> Vec<String> {
    ["catalog", "order", "frontend"].iter().flat_map(|role| store.names(role)).collect()
}

/// Waits until another catalog leads, and sells.
fn next_catalog(store: &Store, old: &str) -> String {
    wait_for("another catalog leads", || {
        let name = store.catalog_now().filter(|name| name != old)?;
        (store.status(&name).ok()?["phase"] == "open").then_some(name)
    })
}

/// Waits until every catalog has the same state.
fn wait_until_equal(store: &Store) {
    wait_for("every catalog has all", || {
        let statuses = store.names("catalog").into_iter().map(|name| store.status(&name));
        let statuses: Vec<Value> = statuses.collect::<Result<_, _>>().ok()?;
        let same = |field: &str| statuses.iter().all(|s| s[field] == statuses[0][field]);
        (same("applied") && same("incarnation") && same("view")).then_some(())
    });
    let toys = store.names("catalog").into_iter().map(|name| {
        let toys = store.status(&name).unwrap()["toys"].as_array().unwrap().clone();
        // What readers see is the leader's alone to say.
        let state = |toy: Value| {
            let fields = ["name", "in_stock", "version", "initial", "restocked", "sold"];
            fields.map(|field| toy[field].clone())
        };
        toys.into_iter().map(state).collect::<Vec<_>>()
    });
    let toys: Vec<_> = toys.collect();
    assert!(toys.windows(2).all(|pair| pair[0] == pair[1]), "{toys:#?}");
}

// Under load.

#[test]
fn kill_the_catalog_that_leads_under_load() {
    let mut store = Store::start(&[&THREE[..], &["--frontends", "2"]].concat());
    let load = Shoppers::of(&store).load();
    for _ in 0..2 {
        load.wait_for_more(50);
        let old = store.catalog();
        let output = store.run(&["kill", "catalog"]);
        let words = String::from_utf8(output.stdout).unwrap();
        assert!(words.starts_with(&old) && words.contains("is killed"), "{words}");
        load.wait_for_more_within(OUTAGE_MAX, 50);
        assert_ne!(store.catalog(), old);
        store.start_node(&old);
        load.wait_for_more(50);
    }
    let clients = load.stop();
    assert_sound(&store, &clients);
    wait_until_equal(&store);
}

#[test]
fn a_paused_catalog_is_replaced_and_steps_down() {
    let mut store = Store::start(&THREE);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    let old = store.catalog();
    let began = Instant::now();
    store.pause(&old);
    load.wait_for_more_within(OUTAGE_MAX, 50);
    let new = store.catalog();
    assert_ne!(new, old);
    watch_for(PAUSE.saturating_sub(began.elapsed()), || {});
    store.resume(&old);
    wait_for("it follows", || {
        let status = store.status(&old).ok()?;
        (status["phase"] == "following" && status["leases"] == json!([])).then_some(())
    });
    load.wait_for_more(50);
    assert_sound(&store, &load.stop());
    wait_until_equal(&store);
}

/// Nobody hears it, not even the frontends that hold its leases: they run out.
#[test]
fn a_catalog_that_is_cut_off_is_replaced_and_serves_nothing_old() {
    let store = Store::start(&THREE);
    let load = Shoppers::of(&store).with("--toys", "Fox,Whale,Lego").load();
    load.wait_for_more(50);
    let old = store.catalog();
    let others: Vec<String> = everybody(&store).into_iter().filter(|name| *name != old).collect();
    let mine = {
        // In the cache, under a lease of the one that is cut off.
        let mut reader = Connection::open(&store.frontend()).unwrap();
        wait_for("it is in the cache", || {
            let said = reader.get("/products/Rocket").unwrap();
            (said.headers["x-cache"] == "hit").then_some(())
        });
        faults(&store, &old, &others);
        others.iter().for_each(|other| faults(&store, other, std::slice::from_ref(&old)));
        let new = next_catalog(&store, &old);
        assert_ne!(new, old);
        let before = reader.get("/products/Rocket").unwrap().json()["data"]["quantity"].clone();
        let said = exchange::order(&store.frontend(), "behind-the-cut", "Rocket", 1).unwrap();
        let mine = Acknowledged::by(&said, "behind-the-cut", "Rocket", 1);
        let after = reader.get("/products/Rocket").unwrap().json()["data"]["quantity"].clone();
        assert_eq!(after.as_u64().unwrap() + 1, before.as_u64().unwrap());
        mine
    };
    load.wait_for_more_within(OUTAGE_MAX, 50);
    everybody(&store).iter().for_each(|node| faults(&store, node, &[]));
    wait_for("it follows", || (store.status(&old).ok()?["phase"] == "following").then_some(()));
    load.wait_for_more(50);
    assert_sound(&store, &load.stop().and(Clients::of(vec![mine])));
    wait_until_equal(&store);
}

/// What a rolling update does to each pod.
#[test]
fn a_catalog_that_is_asked_to_stop_hands_its_lead_over() {
    let mut store = Store::start(&THREE);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    for _ in 0..3 {
        let old = store.catalog();
        let pid = store.pid(&old);
        signal(pid, Signal::TERM);
        wait_until_gone(&[pid]);
        // No election: it is led before the others would have noticed anything.
        let new = next_catalog(&store, &old);
        load.wait_for_more_within(OUTAGE_MAX, 30);
        store.start_node(&old);
        assert_eq!(store.catalog(), new, "who returns follows");
        load.wait_for_more(30);
    }
    assert_sound(&store, &load.stop());
}

#[test]
fn catalogs_survive_the_end_of_all_of_them_and_a_restart_of_the_store() {
    let mut store = Store::start(&[&THREE[..], &["--shadow-disk"]].concat());
    let first = Shoppers::of(&store).shop();
    for name in store.names("catalog") {
        store.kill(&name);
    }
    for name in store.names("catalog") {
        store.start_node(&name);
    }
    let second = Shoppers::of(&store).shop();
    store.kill_everything();
    store.up();
    let third = Shoppers::of(&store).shop();
    let (status, took) = store.interrupt();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(4), "it took {took:?}");
    store.up();
    let all = first.and(second).and(third).and(Shoppers::of(&store).shop());
    assert_sound(&store, &all);
    wait_until_equal(&store);
}

/// The view of primary-backup is kept by the catalog: whoever leads that knows it.
#[test]
fn both_leaders_die_at_once_under_primary_backup() {
    let mut store = Store::start(&[&THREE[..], &PRIMARY_BACKUP].concat());
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    let (catalog, order) = (store.catalog(), store.leader());
    store.kill(&catalog);
    store.kill(&order);
    load.wait_for_more_within(Duration::from_secs(10), 50);
    store.start_node(&catalog);
    store.start_node(&order);
    store.wait_for_view(&[1, 2, 3]);
    load.wait_for_more(50);
    assert_sound(&store, &load.stop());
}

#[test]
fn without_a_majority_of_catalogs_nothing_is_sold() {
    let mut store = Store::start(&THREE);
    let first = Shoppers::of(&store).shop();
    let lost: Vec<String> = store.names("catalog").into_iter().take(2).collect();
    lost.iter().for_each(|name| store.kill(name));
    let said = exchange::order(&store.frontend(), "to-nobody", "Rocket", 1).unwrap();
    assert_eq!(said.status, 503, "{said:?}");
    store.start_node(&lost[0]);
    next_catalog(&store, "");
    let said = exchange::order(&store.frontend(), "to-nobody", "Rocket", 1).unwrap();
    let mine = Acknowledged::by(&said, "to-nobody", "Rocket", 1);
    store.start_node(&lost[1]);
    assert_sound(&store, &first.and(Clients::of(vec![mine])));
}

/// It voted, and has forgotten: what comes in its place is all of them in a new generation.
#[test]
fn a_catalog_whose_disk_was_lost_does_not_come_back_as_it_was() {
    for (orders, kill) in [("raft", true), ("paxos", false)] {
        let mut store = Store::start(&[&THREE[..], &["--replication", orders]].concat());
        let load = Shoppers::of(&store).load();
        load.wait_for_more(50);
        let lost = store.catalog();
        let replica = if orders == "paxos" { Some(store.follower()) } else { None };
        let gone: Vec<String> = [lost.clone()].into_iter().chain(replica).collect();
        let lose = |store: &Store| {
            gone.iter().for_each(|node| std::fs::remove_dir_all(store.data.join(node)).unwrap());
        };
        let hint = format!("toystore migrate --data {} --replication {orders}`", data(&store));
        if kill {
            gone.iter().for_each(|node| store.kill(node));
            lose(&store);
            for node in &gone {
                let output = store.run(&["start", node]);
                let words = String::from_utf8(output.stderr).unwrap();
                assert!(!output.status.success() && words.contains("must not come back"));
                assert!(words.contains(&hint), "{words}");
            }
            load.wait_for_more_within(OUTAGE_MAX, 50);
        }
        let clients = load.stop();
        let (status, _) = store.interrupt();
        assert!(status.success());
        if !kill {
            lose(&store);
        }
        // The others go on without it.
        store.up();
        let said = store.said_since_up();
        for node in &gone {
            assert!(said.contains(&format!("{node} is not started: the disk of {node} is empty")));
        }
        assert!(said.contains(&hint), "{said}");
        let clients = clients.and(Shoppers::of(&store).shop());
        assert_eq!(store.names("catalog").len(), 2);
        store.interrupt();
        let output = store.run(&["migrate", "--replication", orders]);
        let words = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{words}");
        for node in &gone {
            assert!(words.contains(&format!("{node} cannot be read")), "{words}");
            assert!(words.contains(&format!("{node}: its new folder is in its place")), "{words}");
        }
        store.up();
        assert_eq!(store.names("catalog").len(), 3, "{}", store.said_since_up());
        assert_eq!(store.names("order").len(), 3);
        let load = Shoppers::of(&store).load();
        load.wait_for_more(50);
        // It votes again: without it this would be no majority.
        let other = store.names("catalog").into_iter().find(|name| *name != lost).unwrap();
        store.kill(&other);
        load.wait_for_more_within(OUTAGE_MAX, 50);
        store.start_node(&other);
        load.wait_for_more(50);
        assert_sound(&store, &clients.and(load.stop()));
        wait_until_equal(&store);
    }
}

fn data(store: &Store) -> String {
    // As `up` knows it.
    store.data.canonicalize().unwrap().display().to_string()
}

// What is seen of them.

#[test]
fn replicas_of_the_catalog_are_shown_and_a_follower_says_who_leads() {
    let mut store = Store::start_with_built_in_toys(&[&THREE[..], &["--orders", "1"]].concat());
    assert_eq!(store.names("catalog"), ["catalog-1", "catalog-2", "catalog-3"]);
    let leader = store.catalog();
    let followers: Vec<String> =
        store.names("catalog").into_iter().filter(|name| *name != leader).collect();
    let heard: Heard = ask(&store.url(&followers[0]), "GET", "/products/tux", &[], "");
    assert_eq!(heard.status, 421, "{heard:?}");
    assert!(heard.body.contains(&format!("not the leader, {leader} is")), "{heard:?}");
    heard.with(&[("toystore-served-by", followers[0].as_str())]);
    let output = store.run(&["status"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("{leader} leads the catalogs under term")), "{text}");
    let json = store.run(&["status", "--json"]).stdout;
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["catalog_leader"]["node"], leader.as_str());
    let refused = store.run(&["kill", "catalog-4"]);
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(words.contains("catalog-1, catalog-2, catalog-3, order-1"), "{words}");
    let refused = store.run(&["start", "catalog"]);
    assert!(!refused.status.success(), "there are three");
    store.pause(&leader);
    let text = String::from_utf8(store.run(&["status"]).stdout).unwrap();
    let line = text.lines().find(|line| line.contains(&format!("│ {leader} "))).unwrap();
    assert!(line.contains("paused"), "{text}");
    store.resume(&leader);
}

// What does not fit.

/// What a command says that is refused.
fn refused(arguments: &[&str]) -> String {
    let output = toystore(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: ") && said.contains("hint: "), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn peers_that_cannot_be_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let check = |more: &[&str], parts: &[&str]| {
        let own = ["catalog", "--listen", "127.0.0.1:0", "--cluster-token", "x", "--data", data];
        let said = refused(&[&own[..], more].concat());
        for part in parts {
            assert!(said.contains(part), "{more:?}: {part:?} is not in {said}");
        }
    };
    check(&["--id", "2"], &["--id 2", "--peers names none"]);
    let two = "2=http://127.0.0.1:2";
    check(&["--peers", two, "--id", "2"], &["up to 2, but not 1"]);
    check(
        &["--peers", "1=http://127.0.0.1:1"],
        &["names this replica, 1, and no other", "without"],
    );
    check(&["--peers", "3=http://127.0.0.1:3"], &["up to 3, but not 2", "without a gap"]);
    let twice = format!("{two},{two}");
    let output = toystore(&["catalog", "--listen", "127.0.0.1:0", "--data", data])
        .args(["--cluster-token", "x", "--peers", &twice])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--peers names replica 2 of the catalog twice"), "{said}");
}

#[test]
fn a_folder_remembers_whether_its_catalog_has_replicas() {
    let mut store = Store::start(&["--orders", "1"]);
    let mine = Shoppers::of(&store).shop();
    let (status, _) = store.interrupt();
    assert!(status.success());
    let data = store.data.to_str().unwrap().to_string();
    let said = refused(&["up", "--ports", "auto", "--data", &data, "--catalog-replicas", "3"]);
    let words = "was made with --catalog-replicas 1, and --catalog-replicas 3 contradicts that";
    assert!(said.contains(words), "{said}");
    let own = store.data.join("catalog");
    let own = own.to_str().unwrap();
    let node = ["catalog", "--listen", "127.0.0.1:0", "--cluster-token", "x", "--data"];
    let peers = ["--peers", "2=http://127.0.0.1:2,3=http://127.0.0.1:3"];
    let said = refused(&[&node[..], &[own], &peers].concat());
    assert!(said.contains("is that of a catalog that is alone"), "{said}");
    store.up();
    assert_sound(&store, &mine);

    let mut store = {
        drop(store);
        Store::start(&[&THREE[..], &["--orders", "1"]].concat())
    };
    let (status, _) = store.interrupt();
    assert!(status.success());
    let data = store.data.to_str().unwrap().to_string();
    let said = refused(&["up", "--ports", "auto", "--data", &data, "--catalog-replicas", "1"]);
    assert!(said.contains("was made with --catalog-replicas 3"), "{said}");
    let own = store.data.join("catalog-2");
    let own = own.to_str().unwrap();
    let said = refused(&[&node[..], &[own]].concat());
    assert!(said.contains("is that of a replica of the catalog, under raft"), "{said}");
    store.up();
    assert_eq!(store.names("catalog").len(), 3, "as the data has it");
}
