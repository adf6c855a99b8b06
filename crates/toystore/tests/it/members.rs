//! Replicas that come and go while shoppers shop, with real processes: `toystore node`.
//!
//! Each test ends with everything that the store promises ([`assert_sound`]).

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::exchange::Connection;
use crate::load::Shoppers;
use crate::sound::assert_sound;
use crate::store::Store;

/// Orders may stand still for so long at most while the members change.
const OUTAGE_MAX: Duration = Duration::from_secs(5);

/// Runs `toystore node`, and returns whether it was done, and its words.
fn node(store: &Store, arguments: &[&str]) -> (bool, String) {
    let output = store.run(&[&["node"], arguments].concat());
    let words = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&words).into_owned())
}

fn done(store: &Store, arguments: &[&str]) -> String {
    let (done, words) = node(store, arguments);
    assert!(done, "node {arguments:?}: {words}\n{}", store.said());
    words
}

fn refused(store: &Store, arguments: &[&str]) -> String {
    let (done, words) = node(store, arguments);
    assert!(!done, "node {arguments:?}: {words}");
    words
}

/// The members as the leader tells them.
fn members(store: &Store) -> Vec<u64> {
    let said = store.internal(&store.leader(), "/members").unwrap();
    let group = said.json()["data"].clone();
    assert_eq!(group["settled"], true, "{group}");
    let members = group["members"].as_array().cloned().unwrap_or_default();
    members.iter().filter_map(|member| member["id"].as_u64()).collect()
}

/// `POST /members`, as a person would.
fn post(store: &Store, wish: &str) -> (u16, Value) {
    let token = format!("Bearer {}", store.token());
    let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
    let mut connection = Connection::open(&store.url(&store.leader())).unwrap();
    connection.ask("POST", "/members", &headers, wish).unwrap();
    let said = connection.answer().unwrap();
    (said.status, said.json())
}

#[test]
fn a_fourth_and_a_fifth_come_under_load_and_two_of_five_die() {
    let mut store = Store::start(&[]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    assert!(done(&store, &["add"]).contains("order-4 is a member and votes"));
    load.wait_for_more(50);
    assert!(done(&store, &["add"]).contains("order-5 is a member and votes"));
    assert_eq!(members(&store), [1, 2, 3, 4, 5]);
    load.wait_for_more(50);
    // A majority of five is three: with three members this would be the end of selling.
    let leader = store.leader();
    let other = if leader == "order-1" { "order-2" } else { "order-1" };
    store.kill(&leader);
    store.kill(other);
    load.wait_for_more_within(OUTAGE_MAX, 50);
    store.start_node(&leader);
    store.start_node(other);
    load.wait_for_more(50);
    assert_sound(&store, &load.stop());
}

#[test]
fn a_replica_whose_disk_was_lost_is_replaced_under_a_new_id() {
    let mut store = Store::start(&[]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    let lost = store.follower();
    store.kill(&lost);
    fs::remove_dir_all(store.data.join(&lost)).unwrap();
    let output = store.run(&["start", &lost]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && words.contains("must not come back"), "{words}");
    assert!(words.contains(&format!("toystore node replace {lost}")), "{words}");
    let words = done(&store, &["replace", &lost]);
    assert!(words.contains(&format!("order-4 votes in the place of {lost}")), "{words}");
    load.wait_for_more(50);
    let id = lost.trim_start_matches("order-");
    let (status, said) = post(&store, &format!(r#"{{"add":{id},"url":"http://127.0.0.1:1"}}"#));
    assert_eq!(status, 409, "{said}");
    assert!(said.to_string().contains("no id is used twice: use 5"), "{said}");
    let clients = load.stop();
    assert_sound(&store, &clients);

    // A later start has the members of then.
    let before = members(&store);
    store.interrupt();
    store.up();
    assert_eq!(members(&store), before);
    assert!(before.contains(&4) && !before.iter().any(|member| member.to_string() == id));
    let more = Shoppers::of(&store).load();
    more.wait_for_more_within(OUTAGE_MAX, 30);
    assert_sound(&store, &clients.and(more.stop()));
}

#[test]
fn the_only_replica_is_replaced_and_every_frontend_finds_the_other_one() {
    let store = Store::start(&["--orders", "1", "--frontends", "2"]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(30);
    let words = done(&store, &["replace", "order-1"]);
    assert!(words.contains("order-2 votes in the place of order-1"), "{words}");
    load.wait_for_more_within(OUTAGE_MAX, 50);
    assert_eq!(members(&store), [2]);
    assert_sound(&store, &load.stop());
}

#[test]
fn the_leader_is_taken_out_under_load() {
    let mut store = Store::start(&[]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    let old = store.leader();
    let words = done(&store, &["remove", "leader"]);
    assert!(words.contains(&format!("{old} is no member any more")), "{words}");
    assert!(store.data.join(format!("{old}.removed")).is_dir(), "its folder is put aside");
    load.wait_for_more_within(OUTAGE_MAX, 50);
    assert!(!store.names("order").contains(&old));
    let words = refused(&store, &["remove", &old]);
    assert!(words.contains("is no member; the members are"), "{words}");
    // Nobody else has its id.
    assert!(done(&store, &["add"]).contains("order-4 is a member"));
    load.wait_for_more(50);
    let second = store.leader();
    store.kill(&second);
    load.wait_for_more_within(OUTAGE_MAX, 50);
    store.start_node(&second);
    load.wait_for_more(20);
    assert_sound(&store, &load.stop());
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let store = Store::start(&["--replication", "paxos"]);
    let words = refused(&store, &["add"]);
    assert!(words.contains("are fixed") && words.contains("--replication raft"), "{words}");
    let words = refused(&store, &["remove", "frontend-1"]);
    assert!(words.contains("hint"), "{words}");
    let (status, said) = post(&store, r#"{"remove":2}"#);
    assert_eq!(status, 409, "{said}");
    let (status, said) = post(&store, r#"{"remove":2,"add":4}"#);
    assert_eq!(status, 400, "{said}");
}

/// The supervisor died between starting a newcomer and asking the others for it: nobody needs that
/// one, and it can be given up.
#[test]
fn a_newcomer_that_nobody_was_asked_for_is_in_nobodys_way() {
    let mut store = Store::start(&[]);
    store.interrupt();
    let note = store.data.join("members.json");
    assert_eq!(fs::read_to_string(&note).unwrap(), r#"{"orders":[1,2,3],"joined":[],"highest":3}"#);
    fs::write(&note, r#"{"orders":[1,2,3,4],"joined":[4],"highest":4}"#).unwrap();
    fs::create_dir(store.data.join("order-4")).unwrap();
    fs::write(store.data.join("order-4/replication"), "raft\n").unwrap();
    store.up();
    assert_eq!(members(&store), [1, 2, 3]);
    let clients = Shoppers::of(&store).shop();
    let words = refused(&store, &["replace", "order-4"]);
    assert!(words.contains("order-4 is no member"), "{words}");
    let words = done(&store, &["remove", "order-4"]);
    assert!(words.contains("order-4 never was a member"), "{words}");
    assert!(done(&store, &["add"]).contains("order-5 is a member and votes"));
    assert_eq!(members(&store), [1, 2, 3, 5]);
    assert_sound(&store, &clients.and(Shoppers::of(&store).shop()));
}
