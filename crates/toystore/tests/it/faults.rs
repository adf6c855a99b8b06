//! Faults of real processes under load: killed, hung, without power, with a damaged or a full disk.
//!
//! Each test does one thing to a store while shoppers shop, and ends with everything that the store
//! promises ([`assert_sound`]).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::exchange::{self, Connection};
use crate::load::{Acknowledged, Clients, Shoppers};
use crate::sound::{assert_sound, digest, order_log, wait_until_quiet};
use crate::store::{PRIMARY_BACKUP, Store, is_ours, signal, term, wait_until_gone};
use crate::waiting::{wait_at_most, wait_for, watch_for};

/// Orders may stand still for so long at most when a leader is gone: the promise of the demo.
const OUTAGE_MAX: Duration = Duration::from_secs(5);

/// How long a process is paused: longer than a lease (2 s), and than every timer of the store.
const PAUSE: Duration = Duration::from_secs(5);

// A process is killed, and returns.

#[test]
fn kill_the_leader_under_load() {
    let mut store = Store::start(&[]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    let old = store.leader();
    store.kill(&old);
    load.wait_for_more_within(OUTAGE_MAX, 50);
    assert_ne!(store.leader(), old);
    store.start_node(&old);
    store.wait_for_view(&[1, 2, 3]);
    load.wait_for_more(50);
    assert_sound(&store, &load.stop());
}

#[test]
fn a_replica_comes_back_equal() {
    let mut store = Store::start(&[]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    let leader = store.leader();
    let follower = store.names("order").into_iter().find(|name| *name != leader).unwrap();
    store.kill(&follower);
    load.wait_for_more_within(OUTAGE_MAX, 100);
    assert_eq!(store.leader(), leader, "a follower's death is no reason for another leader");
    store.start_node(&follower);
    store.wait_for_view(&[1, 2, 3]);
    load.wait_for_more(50);
    let clients = load.stop();
    wait_until_quiet(&store);
    assert_eq!(digest(&store, &follower), digest(&store, &leader));
    assert_sound(&store, &clients);
}

#[test]
fn kill_the_catalog_under_load() {
    let mut store = Store::start(&[]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    store.kill("catalog");
    // What was taken before may still be answered; nothing is sold any more.
    let url = store.frontend();
    let said = exchange::order(&url, "while-it-is-dead", "Rocket", 1).unwrap();
    assert_eq!(said.status, 503, "{said:?}");
    let sold = load.count();
    watch_for(Duration::from_millis(500), || assert_eq!(load.count(), sold, "sold by nobody"));
    store.start_node("catalog");
    load.wait_for_more(50);
    let said = exchange::order(&url, "while-it-is-dead", "Rocket", 1).unwrap();
    let mine = Acknowledged::by(&said, "while-it-is-dead", "Rocket", 1);
    assert_sound(&store, &load.stop().and(Clients::of(vec![mine])));
}

#[test]
fn kill_one_of_two_frontends_under_load() {
    let mut store = Store::start(&["--frontends", "2"]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    store.kill("frontend-1");
    // For one lease the toys that it may hold are not changed; then nobody misses it.
    load.wait_for_more_within(OUTAGE_MAX, 100);
    store.start_node("frontend-1");
    load.wait_for_more(50);
    assert_sound(&store, &load.stop());
}

#[test]
fn kill_the_only_frontend_under_load() {
    let mut store = Store::start(&[]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    store.kill("frontend-1");
    let sold = load.count();
    watch_for(Duration::from_millis(300), || assert_eq!(load.count(), sold));
    store.start_node("frontend-1");
    load.wait_for_more_within(OUTAGE_MAX, 50);
    assert_sound(&store, &load.stop());
}

#[test]
fn leader_and_follower_are_restarted_one_after_the_other() {
    let mut store = Store::start(&[]);
    let load = Shoppers::of(&store).load();
    for leader_first in [true, false] {
        load.wait_for_more(30);
        let leader = store.leader();
        let follower = store.names("order").into_iter().find(|name| *name != leader).unwrap();
        let order = if leader_first { [&leader, &follower] } else { [&follower, &leader] };
        for name in order {
            store.kill(name);
            load.wait_for_more_within(OUTAGE_MAX, 20);
            store.start_node(name);
            store.wait_for_view(&[1, 2, 3]);
        }
    }
    assert_sound(&store, &load.stop());
}

// A process hangs, and goes on.

#[test]
fn a_paused_leader_does_not_stop_the_store() {
    let mut store = Store::start(&[]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    let old = store.leader();
    let began = std::time::Instant::now();
    store.pause(&old);
    load.wait_for_more_within(OUTAGE_MAX, 50);
    let new = store.leader();
    assert_ne!(new, old);
    watch_for(PAUSE.saturating_sub(began.elapsed()), || {});
    store.resume(&old);
    store.wait_for_view(&[1, 2, 3]);
    let status = store.status(&old).unwrap();
    assert_eq!(status["engine"]["role"], "follower", "{status}");
    assert_eq!(status["discarded"], serde_json::json!([]), "{status}");
    load.wait_for_more(50);
    assert_sound(&store, &load.stop());
}

#[test]
fn a_paused_follower_is_put_aside_and_comes_back_into_the_view() {
    let mut store = Store::start(&PRIMARY_BACKUP);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    let leader = store.leader();
    let follower = store.names("order").into_iter().find(|name| *name != leader).unwrap();
    let began = std::time::Instant::now();
    store.pause(&follower);
    // It is put aside after 600 ms.
    load.wait_for_more_within(Duration::from_secs(3), 50);
    assert_eq!(store.in_sync().len(), 2);
    assert_eq!(store.leader(), leader);
    watch_for(PAUSE.saturating_sub(began.elapsed()), || {});
    load.wait_for_more(50);
    store.resume(&follower);
    store.wait_for_view(&[1, 2, 3]);
    load.wait_for_more(50);
    assert_sound(&store, &load.stop());
}

#[test]
fn a_frontend_that_was_paused_for_longer_than_its_lease_serves_nothing_old() {
    let mut store = Store::start(&["--frontends", "2"]);
    let (one, two) = (store.url("frontend-1"), store.url("frontend-2"));
    // Nobody but this test buys the others.
    let load = Shoppers::of(&store).at(&two).with("--toys", "Rocket,Fox,Whale,Lego").load();
    // The question is there before the process goes on: it is the first thing that it reads then.
    let mut asked: Vec<Connection> = (0..20).map(|_| Connection::open(&one).unwrap()).collect();
    for connection in &mut asked {
        connection.get("/products/Rocket").unwrap();
    }
    let mut reader = Connection::open(&one).unwrap();
    wait_for("it is in the cache", || {
        let said = reader.get("/products/Rocket").unwrap();
        (said.headers["x-cache"] == "hit").then_some(())
    });
    // These are not looked at again before it has a new lease, which must not revive them.
    let forgotten = ["Robot", "Kite", "Tux"];
    for toy in forgotten {
        reader.get(&format!("/products/{toy}")).unwrap();
    }
    store.pause("frontend-1");
    for connection in &mut asked {
        connection.ask("GET", "/products/Rocket", &[], "").unwrap();
    }
    watch_for(PAUSE, || {});
    let said = exchange::order(&two, "while-one-sleeps", "Rocket", 1).unwrap();
    let mut mine = vec![Acknowledged::by(&said, "while-one-sleeps", "Rocket", 1)];
    for toy in forgotten {
        let said = exchange::order(&two, toy, toy, 1).unwrap();
        mine.push(Acknowledged::by(&said, toy, toy, 1));
    }
    let elsewhere = exchange::get(&two, "/products/Rocket").unwrap();
    assert!(elsewhere.version() >= mine[0].version, "{elsewhere:?}");
    store.resume("frontend-1");
    for connection in &mut asked {
        let said = connection.answer().unwrap();
        // It may also say that it cannot know.
        if said.status == 200 {
            let (old, new) = (said.version(), elsewhere.version());
            assert!(old >= new, "version {old} after {new} was shown elsewhere: {said:?}");
        }
    }
    wait_for("it serves from its cache again", || {
        let said = reader.get("/products/Rocket").unwrap();
        (said.headers["x-cache"] == "hit").then_some(())
    });
    for (toy, bought) in forgotten.iter().zip(&mine[1..]) {
        let said = reader.get(&format!("/products/{toy}")).unwrap();
        assert!(said.version() >= bought.version, "{said:?} after {bought:?}");
    }
    assert_sound(&store, &load.stop().and(Clients::of(mine)));
}

// Everything at once.

fn everything_is_killed_and_goes_on(options: &[&str]) {
    let mut store = Store::start(options);
    let load = Shoppers::of(&store).with("--retries", "0").load();
    load.wait_for_more(100);
    let terms = store.status("catalog").unwrap()["view"]["term"].clone();
    store.kill_everything();
    // Their store is gone for good, since the next one has other ports: an order under way is
    // done or not.
    let mut clients = load.stop();
    clients.results.clear();
    store.up();
    let log = order_log(&store);
    for order in &clients.orders {
        let found = log.iter().find(|logged| logged.number == order.number);
        assert!(
            found.is_some_and(|f| f.quantity == order.quantity),
            "{order:?} is lost: {found:?}"
        );
    }
    crate::sound::assert_nothing_is_doubled(&clients);
    let view = store.status("catalog").unwrap()["view"].clone();
    assert!(term(&view["term"]) > term(&terms), "no term is resumed: {view} after {terms}");
    wait_until_quiet(&store);
    crate::sound::assert_stock_is_conserved(&store, &log);
    let more = Shoppers::of(&store).shop();
    assert!(!more.orders.is_empty());
    assert!(more.orders.iter().all(|order| order.number >= log.len() as u64), "{more:?}");
    assert_eq!(order_log(&store).len(), log.len() + more.orders.len());
}

#[test]
fn all_processes_are_killed_at_once_and_up_continues() {
    everything_is_killed_and_goes_on(&[]);
}

#[test]
fn after_a_power_cut_of_everything_up_continues() {
    everything_is_killed_and_goes_on(&["--shadow-disk"]);
}

#[test]
fn no_child_survives_its_parent_not_even_a_paused_one() {
    let mut store = Store::start(&["--frontends", "2"]);
    let load = Shoppers::of(&store).with("--retries", "0").load();
    load.wait_for_more(20);
    store.pause("order-1");
    store.pause("frontend-2");
    let pids = store.kill_up();
    assert_eq!(pids.len(), 6, "{pids:?}");
    wait_at_most(Duration::from_secs(3), "all nodes end with their parent", || {
        pids.iter().all(|pid| !is_ours(*pid)).then_some(())
    });
    let known = load.stop().orders.len();
    store.up();
    assert!(order_log(&store).len() >= known);
}

#[test]
fn ctrl_c_stops_everything_in_order_and_within_three_seconds() {
    let mut store = Store::start(&["--frontends", "2"]);
    let load = Shoppers::of(&store).with("--retries", "0").load();
    load.wait_for_more(20);
    store.pause("order-2");
    let pids = store.pids();
    let (status, time) = store.interrupt();
    assert!(status.success(), "{status}: {}", store.said());
    assert!(time < Duration::from_secs(3), "{time:?}: {}", store.said());
    assert!(pids.iter().all(|pid| !is_ours(*pid)), "{pids:?}: {}", store.said());
    let said = store.said();
    let last = |name: &str| said.rfind(&format!("{name} stops")).expect(&said);
    let first = |name: &str| said.find(&format!("{name} stops")).expect(&said);
    for order in ["order-1", "order-3"] {
        assert!(last("frontend-1") < first(order) && last("frontend-2") < first(order), "{said}");
        assert!(last(order) < first("catalog"), "{said}");
    }
    assert!(!store.data.join("cluster.json").exists());
    let known = load.stop().orders;
    // A clean stop leaves no lease, so the next start waits for none.
    let began = std::time::Instant::now();
    store.up();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let log = order_log(&store);
    assert!(known.iter().all(|order| log.iter().any(|l| l.number == order.number)));
}

// A damaged disk.

fn segments(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "segment"))
}

/// The segment of a stopped node's log that was written last, and where its last byte is.
fn written(folder: &Path) -> (PathBuf, usize) {
    let end = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0)? + 1;
        Some((path, end))
    };
    segments(folder).filter_map(end).max().unwrap()
}

fn overwrite(path: &Path, offset: usize, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset as u64).unwrap();
}

#[test]
fn a_torn_last_write_is_cut_and_said() {
    let mut store = Store::start(&[]);
    let load = Shoppers::of(&store).load();
    for torn in ["a half frame after the last one", "bytes of the last one are missing"] {
        load.wait_for_more(50);
        let name = store.leader();
        store.kill(&name);
        let (path, end) = written(&store.folder_of(&name));
        let begins = store.said().len();
        let bytes = match torn {
            "a half frame after the last one" => {
                overwrite(&path, end, b"TOYF-and-what-was-left");
                22
            }
            // Its last frame is not whole any more, as if the power had gone during the write. It
            // may have been acknowledged: the others have it.
            _ => {
                let bytes = fs::read(&path).unwrap();
                let frame = bytes[..end].windows(4).rposition(|four| four == b"TOYF").unwrap();
                overwrite(&path, end - 3, &[0; 3]);
                let left = fs::read(&path).unwrap();
                left.iter().rposition(|byte| *byte != 0).unwrap() + 1 - frame
            }
        };
        store.start_node(&name);
        let said = store.said().split_off(begins);
        assert!(said.contains(&format!("cut {bytes} bytes of an interrupted write")), "{said}");
        store.wait_for_view(&[1, 2, 3]);
    }
    assert_sound(&store, &load.stop());
}

/// Damages the log of a stopped node in its middle: which file, from which frame on, and what it
/// held before.
fn damage(store: &Store, name: &str) -> (PathBuf, usize, Vec<u8>) {
    let (path, end) = written(&store.folder_of(name));
    let whole = fs::read(&path).unwrap();
    let frame = whole[..end / 2].windows(4).rposition(|four| four == b"TOYF").unwrap();
    overwrite(&path, frame + 40, &[whole[frame + 40] ^ 1]);
    (path, frame, whole)
}

#[test]
fn a_store_begins_without_a_replica_that_is_damaged_and_not_without_two() {
    let mut store = Store::start(&[]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(100);
    let before = load.stop();
    assert!(store.interrupt().0.success());
    let (path, frame, whole) = damage(&store, "order-2");
    store.up();
    let said = store.said_since_up();
    assert!(said.contains(&format!("damaged at byte {frame}")), "{said}");
    assert!(said.contains("order-2 (pid") && said.contains("died: exit code 1"), "{said}");
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    // Put back from a copy, it goes on.
    fs::write(&path, &whole).unwrap();
    store.start_node("order-2");
    store.wait_for_view(&[1, 2, 3]);
    load.wait_for_more(50);
    let all = before.and(load.stop());
    assert_sound(&store, &all);

    // Of two disks nothing is left, and of the catalog's later.
    assert!(store.interrupt().0.success());
    for lost in [&["order-1", "order-3"][..], &["catalog"]] {
        for name in lost {
            fs::rename(store.data.join(name), store.data.join(format!("{name}.lost"))).unwrap();
        }
        store.spawn_up();
        assert!(!store.wait_for_end().success());
        let said = store.said_since_up();
        let words = format!("without {} the store cannot go on", lost.join(" and "));
        assert!(said.contains(&words) && said.contains("put copies of their folders"), "{said}");
        for name in lost {
            let place = store.data.join(name);
            assert!(!place.exists(), "nothing begins anew in the place of what was lost");
            fs::rename(store.data.join(format!("{name}.lost")), place).unwrap();
        }
    }
    store.up();
    assert_sound(&store, &all);
}

#[test]
fn a_damaged_middle_is_refused_with_file_and_offset() {
    let mut store = Store::start(&[]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(100);
    let name = store.leader();
    store.kill(&name);
    let (path, frame, whole) = damage(&store, &name);
    let begins = store.said().len();
    let output = store.run(&["start", &name]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = store.said().split_off(begins);
    for part in [
        path.to_str().unwrap(),
        &format!("damaged at byte {frame}"),
        "Put back a copy",
        "toystore node replace",
    ] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
    assert_eq!(fs::read(&path).unwrap().len(), whole.len(), "nothing was thrown away");
    // Put back from a copy, it goes on.
    fs::write(&path, &whole).unwrap();
    store.start_node(&name);
    store.wait_for_view(&[1, 2, 3]);
    assert_sound(&store, &load.stop());
}

// A full disk. Its file system is small and only the store sees it; see `Store::start_with_disks`.

/// Room for the segment in use and not for one in reserve.
const ROOM_FOR_ONE_SEGMENT: u64 = 6 * 1024 * 1024;

/// Room for both, until a test takes [`BALLAST_BYTES`] away.
const WITH_RESERVE: u64 = 10 * 1024 * 1024;
const BALLAST_BYTES: u64 = WITH_RESERVE - ROOM_FOR_ONE_SEGMENT;

/// Makes the file system larger: the operator has cleared up.
fn make_room(store: &Store, node: &str) {
    let folder = store.data.join(node);
    let up = store.up_pid().to_string();
    let mut words = vec!["--target", up.as_str(), "--mount"];
    if !rustix::process::geteuid().is_root() {
        words.insert(0, "--user");
    }
    let mount = ["mount", "-o", "remount,size=64m", folder.to_str().unwrap()];
    let output = std::process::Command::new("nsenter").args(words).args(mount).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn wait_until_full(store: &Store, node: &str, full: bool) {
    wait_for(&format!("{node} says disk_full {full}"), || {
        (store.status(node).ok()?["disk_full"] == full).then_some(())
    });
}

/// The node comes back without its reserve, and with no room for another: to write a whole segment
/// full would take a minute.
fn fill_the_disk(store: &mut Store, node: &str) {
    store.kill(node);
    let folder = store.folder_of(node);
    let (used, _) = written(&folder);
    let mut unused: Vec<PathBuf> = segments(&folder).filter(|path| *path != used).collect();
    assert_eq!(unused.len(), 1, "{unused:?}");
    fs::remove_file(unused.pop().unwrap()).unwrap();
    fs::write(folder.join("ballast"), vec![1; usize::try_from(BALLAST_BYTES).unwrap()]).unwrap();
    store.start_node(node);
    wait_until_full(store, node, true);
}

/// The leader's or the catalog's disk is full: nothing is sold, clearly; then there is room again.
fn full_disk_refuses_and_goes_on(node: &str, message: &str) {
    // So that the replica with the disk leads.
    let mut store = Store::start_with_disks(&PRIMARY_BACKUP, &[(node, WITH_RESERVE)]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    if node == "order-3" {
        assert_eq!(store.leader(), node, "the highest id leads a new store");
    }
    fill_the_disk(&mut store, node);
    if node == "order-3" {
        // The others lead now; it follows with what room it has, until it has to lead.
        store.wait_for_view(&[1, 2, 3]);
        load.wait_for_more(20);
        for other in ["order-2", "order-1"] {
            store.kill(other);
        }
        store.next_leader("order-1");
    }
    let url = store.frontend();
    let said = wait_for("it says why nothing is sold", || {
        let said = exchange::order(&url, "too-full", "Rocket", 1).unwrap();
        (said.status == 503 && said.body.contains("full")).then_some(said)
    });
    assert!(said.body.contains(message), "{said:?}");
    assert!(said.body.contains("nothing was done"), "{said:?}");
    let sold = load.count();
    watch_for(Duration::from_millis(500), || assert_eq!(load.count(), sold));
    // Reads go on.
    assert_eq!(exchange::get(&url, "/products/Kite").unwrap().status, 200);
    assert_eq!(exchange::get(&url, "/orders/0").unwrap().status, 200);
    make_room(&store, node);
    wait_until_full(&store, node, false);
    load.wait_for_more(50);
    if node == "order-3" {
        store.start_node("order-1");
        store.start_node("order-2");
        store.wait_for_view(&[1, 2, 3]);
    }
    let said = exchange::order(&url, "too-full", "Rocket", 1).unwrap();
    let mine = Acknowledged::by(&said, "too-full", "Rocket", 1);
    assert_sound(&store, &load.stop().and(Clients::of(vec![mine])));
}

#[test]
fn a_full_disk_of_the_order_leader_refuses_orders_and_loses_nothing() {
    full_disk_refuses_and_goes_on("order-3", "the order leader's disk is full");
}

#[test]
fn a_full_disk_of_the_catalog_refuses_orders_and_loses_nothing() {
    full_disk_refuses_and_goes_on("catalog", "the catalog's disk is full");
}

/// Elected by a majority, it hands the lead over: the others have room.
#[test]
fn a_full_disk_of_the_elected_leader_stops_nobody() {
    let options = ["--replication", "raft"];
    let mut store = Store::start_with_disks(&options, &[("order-3", WITH_RESERVE)]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    assert_eq!(store.leader(), "order-3", "the highest id leads a new store");
    fill_the_disk(&mut store, "order-3");
    store.next_leader("order-3");
    load.wait_for_more(100);
    make_room(&store, "order-3");
    wait_until_full(&store, "order-3", false);
    load.wait_for_more(50);
    assert_sound(&store, &load.stop());
}

#[test]
fn a_full_disk_of_a_follower_stops_nobody() {
    let mut store = Store::start_with_disks(&[], &[("order-1", WITH_RESERVE)]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    fill_the_disk(&mut store, "order-1");
    assert!(store.said().contains("no room to prepare a segment of the log"), "{}", store.said());
    load.wait_for_more(100);
    make_room(&store, "order-1");
    wait_until_full(&store, "order-1", false);
    store.wait_for_view(&[1, 2, 3]);
    load.wait_for_more(50);
    assert_sound(&store, &load.stop());
}

#[test]
fn a_new_store_without_room_says_so_at_once() {
    let one = ROOM_FOR_ONE_SEGMENT;
    for (node, room) in [("order-2", one / 2), ("order-2", one), ("catalog", one)] {
        let mut store = Store::prepare(&[]);
        store.give_disks(&[(node, room)]);
        let began = Instant::now();
        store.spawn_up();
        assert_eq!(store.wait_for_end().code(), Some(1));
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        let said = store.said();
        let why = format!("{node} did not start");
        for part in [why.as_str(), "No space left on device", "free some space"] {
            assert!(said.contains(part), "{part:?} is not in:\n{said}");
        }
    }
}

// Other stores.

#[test]
fn naive_names_every_order_that_it_loses() {
    let mut store = Store::start(&["--replication", "naive"]);
    let url = store.frontend();
    let place = |key: &str, toy: &str| {
        let said = exchange::order(&url, key, toy, 1).unwrap();
        Acknowledged::by(&said, key, toy, 1)
    };
    let mut acknowledged = vec![place("all-have-it", "Kite")];
    wait_until_quiet(&store);
    let old = store.leader();
    let followers: Vec<String> =
        store.names("order").into_iter().filter(|name| *name != old).collect();
    // Its followers are hung, and it acknowledges all the same.
    followers.iter().for_each(|name| store.pause(name));
    acknowledged.extend((0..20).map(|n| place(&format!("only-there-{n}"), "Rocket")));
    store.pause(&old);
    followers.iter().for_each(|name| store.resume(name));
    let other = |n: u64| {
        let key = format!("after-{n}");
        let said = wait_for("somebody else leads", || {
            exchange::order(&url, &key, "Robot", 1).ok().filter(|said| said.status == 200)
        });
        Acknowledged::by(&said, &key, "Robot", 1)
    };
    let others: Vec<Acknowledged> = (0..20).map(other).collect();
    store.resume(&old);
    wait_for("the histories meet, and the replicas are equal", || {
        let digests = store.names("order").into_iter().map(|name| digest(&store, &name).ok());
        let digests: Option<Vec<_>> = digests.collect();
        let discarded = !store.status(&old).ok()?["discarded"].as_array()?.is_empty();
        (discarded && digests?.windows(2).all(|pair| pair[0] == pair[1])).then_some(())
    });
    let numbers = |of: &[Acknowledged]| of.iter().map(|o| o.number).collect::<BTreeSet<u64>>();
    let twice = numbers(&acknowledged).intersection(&numbers(&others)).count();
    assert!(twice > 0, "both histories gave the same numbers: {acknowledged:?} {others:?}");
    // Whatever was acknowledged and is not there any more is named: nothing more, nothing less.
    let log = order_log(&store);
    let is_there = |order: &Acknowledged| {
        log.iter().any(|logged| logged.number == order.number && logged.name == order.name)
    };
    let all = acknowledged.iter().chain(&others);
    let lost: BTreeSet<u64> = all.filter(|o| !is_there(o)).map(|o| o.number).collect();
    let status = store.status(&old).unwrap();
    let named = status["discarded"].as_array().unwrap().iter();
    let named: BTreeSet<u64> = named.map(|order| order["number"].as_u64().unwrap()).collect();
    assert_eq!(named, lost, "discarded in /status, and lost");
    let said = store.said();
    for number in lost {
        let line = format!("DISCARDED acknowledged order {number}: 1 x Rocket");
        assert!(said.contains(&line), "{line:?} is not in:\n{said}");
    }
}

#[test]
fn five_replicas_lose_two_and_get_them_back() {
    for protocol in ["raft", "primary-backup"] {
        lose_two_of_five(protocol);
    }
}

fn lose_two_of_five(protocol: &str) {
    let mut store = Store::start(&["--orders", "5", "--replication", protocol]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(30);
    store.kill("order-1");
    store.kill("order-5");
    load.wait_for_more_within(OUTAGE_MAX, 50);
    if protocol == "primary-backup" {
        store.wait_for_view(&[2, 3, 4]);
    }
    store.start_node("order-5");
    store.start_node("order-1");
    store.wait_for_view(&[1, 2, 3, 4, 5]);
    load.wait_for_more(30);
    assert_sound(&store, &load.stop());
}

#[test]
fn a_single_replica_stops_the_store_while_it_is_away_and_loses_nothing() {
    let mut store = Store::start(&["--orders", "1", "--shadow-disk"]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(50);
    store.kill("order-1");
    let sold = load.count();
    watch_for(Duration::from_millis(300), || assert_eq!(load.count(), sold));
    store.start_node("order-1");
    load.wait_for_more_within(OUTAGE_MAX, 50);
    assert_sound(&store, &load.stop());
}

#[test]
fn every_mode_of_invalidation_sells_what_there_is() {
    for mode in ["lease", "push", "ttl=200ms", "none"] {
        let store = Store::start(&["--invalidation", mode, "--frontends", "2"]);
        let status = store.status("catalog").unwrap();
        let shown = status["invalidation"].as_str().unwrap();
        assert_eq!(shown, mode);
        // Looks may be old in some of them; orders never are.
        assert_sound(&store, &Shoppers::of(&store).with("--pause", "0ms").shop());
    }
}

/// The rule of the view: who is silent is put aside *before* anything is acknowledged without it,
/// so the last of three goes on alone; and those that were put aside do not lead without it.
#[test]
fn a_majority_sells_and_less_than_one_does_not() {
    let mut store = Store::start(&["--replication", "raft"]);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(30);
    store.kill("order-1");
    store.kill("order-3");
    // What was on its way is through soon; then the last one cannot acknowledge anything.
    watch_for(Duration::from_millis(500), || {});
    let sold = load.count();
    watch_for(Duration::from_secs(2), || assert_eq!(load.count(), sold, "one of three sold"));
    store.start_node("order-1");
    load.wait_for_more_within(OUTAGE_MAX, 30);
    store.start_node("order-3");
    load.wait_for_more(30);
    assert_sound(&store, &load.stop());
}

#[test]
fn the_last_of_three_goes_on_alone_and_the_others_do_not_without_it() {
    let mut store = Store::start(&PRIMARY_BACKUP);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(30);
    store.kill("order-1");
    store.kill("order-2");
    store.wait_for_view(&[3]);
    load.wait_for_more_within(OUTAGE_MAX, 30);
    store.kill("order-3");
    let sold = load.count();
    store.start_node("order-1");
    store.start_node("order-2");
    // Both are there, a majority even; and neither has everything.
    watch_for(Duration::from_secs(2), || {
        assert_eq!(load.count(), sold, "an order was acknowledged by who lacks others");
        assert_eq!(store.leader_now(), None);
    });
    let url = store.frontend();
    let said = exchange::get(&url, &format!("/orders/{}", sold - 1)).unwrap();
    assert_eq!(said.status, 503, "an acknowledged order is not 'not found': {said:?}");
    store.start_node("order-3");
    store.wait_for_view(&[1, 2, 3]);
    load.wait_for_more(30);
    assert_sound(&store, &load.stop());
}

// Starting.

#[test]
fn a_second_up_on_the_same_folder_is_refused() {
    let store = Store::start(&[]);
    let output = store.run(&["up", "--ports", "auto"]);
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    let holder = format!("in use by another `toystore up` (pid {})", store.up_pid());
    assert!(words.contains(&holder) && words.contains("--data"), "{words}");
    assert!(Shoppers::of(&store).shop().orders.len() > 10, "the first is as it was");
}

#[test]
fn a_port_in_use_is_named_with_its_holder_and_its_flag() {
    let store = Store::start(&[]);
    let taken = store.url("order-2").replace("http://", "");
    let other = tempfile::tempdir().unwrap();
    let data = other.path().join("data");
    for flag in ["--listen", "--catalog-listen", "--orders-listen", "--seed-listen"] {
        let mut command = crate::store::toystore(&["up", "--orders", "1"]);
        for other in ["--listen", "--catalog-listen", "--orders-listen", "--seed-listen"] {
            let free = format!("127.0.0.1:{}", free_port());
            command.args([other, if other == flag { &taken } else { &free }]);
        }
        let output = command.args(["--data", data.to_str().unwrap()]).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words}");
        let port = taken.rsplit(':').next().unwrap();
        let holder = format!("in use by toystore (pid {})", store.pid("order-2"));
        for part in [&format!("port {port} for "), &holder, &format!("{flag} HOST:PORT")] {
            assert!(words.contains(part.as_str()), "{part:?} is not in:\n{words}");
        }
    }
}

/// A port that nobody has now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_store_starts_fast_and_is_small() {
    let mut store = Store::start(&[]);
    let said = store.said();
    let words = said.split("ready after ").nth(1).unwrap();
    let ms: u64 = words.split(' ').next().unwrap().parse().unwrap();
    // Without optimisation and with others on the machine; in a release build it is below 1 s.
    assert!(ms < if cfg!(debug_assertions) { 5000 } else { 1000 }, "{ms} ms");
    let shared = Shoppers::of(&store).shop();
    let pids: Vec<u32> = store.pids().into_iter().chain([store.up_pid()]).collect();
    assert_eq!(pids.len(), 6);
    // What is shared counts once: the proportional set size.
    let pss = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let kilobytes: u64 = pids.iter().map(pss).sum();
    assert!(kilobytes < 100 * 1024, "{kilobytes} kB for all six");
    assert_sound(&store, &shared);
    for pid in &pids {
        signal(*pid, Signal::KILL);
    }
    wait_until_gone(&pids[..5]);
    store.kill_everything();
}
