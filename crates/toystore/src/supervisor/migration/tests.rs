//! A store that is converted, and one whose conversion dies after each of its steps.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::anyhow;
use bytes::Bytes;
use replication::log::{Checkpoint, Entry, Index};
use replication::{NodeId, Protocol, Term};
use shop::message::{NewOrder, RequestId};
use shop::orders::command::Command;
use shop::toy::{Quantity, Version};

use super::conversion::{Step, finish, prepare};
use super::survey::{Survey, look};
use super::*;
use crate::disk::write_fresh;
use crate::supervisor::folder::Folder;
use crate::supervisor::written::Written;

fn term(number: u64, node: u8) -> Term {
    Term { generation: 0, number, node: NodeId(node) }
}

/// Order number `number` at index `number + 2`, behind the first `Lead`.
fn order(number: u64, term: Term) -> Entry {
    let order = NewOrder {
        request_id: RequestId(u128::from(number) + 1),
        name: "Tux".parse().unwrap(),
        quantity: Quantity::new(1).unwrap(),
    };
    let command = Command::Record { term, order, version: Version(number + 2) };
    Entry { index: Index(number + 2), term, command: command.encode() }
}

/// A folder of a replica that has so many orders.
fn write_replica(folder: &Path, protocol: Protocol, orders: u64) {
    let term = term(1, 3);
    let lead = Entry { index: Index(1), term, command: Bytes::new() };
    let tail = [lead].into_iter().chain((0..orders).map(|number| order(number, term))).collect();
    let checkpoint = Checkpoint { promised: term, tail, ..Checkpoint::default() };
    write_fresh(folder, &checkpoint).unwrap();
    let name = folder.file_name().unwrap().to_str().unwrap();
    Written::by(name, protocol).note(folder).unwrap();
}

/// Three replicas under Raft: two have 5 orders, which are acknowledged, and one missed two.
fn store() -> (Folder, Made) {
    store_of([1, 2, 3])
}

/// The same of replicas with these ids; the last one came while the store ran.
fn store_of(ids: [u8; 3]) -> (Folder, Made) {
    let folder = Folder::ephemeral().unwrap();
    let made = Made::new(Protocol::Raft, 3, 1);
    folder.remember(made).unwrap();
    let members = Members { orders: ids.into(), joined: [ids[2]].into(), highest: ids[2] };
    members.remember(folder.path()).unwrap();
    for (number, orders) in ids.into_iter().zip([3, 5, 5]) {
        write_replica(&folder.path().join(replica(number)), Protocol::Raft, orders);
    }
    (folder, made)
}

fn survey(folder: &Folder) -> Survey {
    look(folder.path(), folder.made().unwrap().unwrap()).unwrap()
}

/// What the command does.
fn migrate(folder: &Folder, to: Protocol, told: &mut dyn FnMut(&Step) -> Result<()>) -> Result<()> {
    if let Some(plan) = unfinished(folder.path())? {
        return finish(folder, &plan, told);
    }
    let made = folder.made()?.unwrap();
    if made.replication == to {
        return Ok(());
    }
    let survey = look(folder.path(), made)?;
    let beginning = survey.choose()?;
    let generation = beginning.checkpoint.promised.generation;
    let members = survey.members.clone().together();
    let catalogs = beginning.catalogs.as_ref().map(|catalogs| catalogs.agree);
    let plan = Plan { from: made.replication, made: made.under(to), members, catalogs, generation };
    prepare(folder, &plan, &beginning, told)?;
    finish(folder, &plan, told)
}

/// Orders of each folder with a log, in `DATA` and in what it is made in.
fn copies(data: &Path) -> Vec<u64> {
    let mut copies = Vec::new();
    for parent in [data.to_path_buf(), staging(data)] {
        let Ok(entries) = fs::read_dir(parent) else { continue };
        let paths: BTreeSet<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        for path in paths {
            let name = path.file_name().unwrap().to_str().unwrap();
            let Some(written) = Written::of(&path).unwrap_or_default() else { continue };
            let alone = Folder::ephemeral().unwrap();
            let made = Made::new(written.protocol, 1, 1);
            // Looked at under the name that it has in the store.
            let replica = written.replica.unwrap();
            let id: u8 = replica.strip_prefix("order-").unwrap().parse().unwrap();
            let members = Members { orders: [id].into(), ..Members::first(id) };
            members.remember(alone.path()).unwrap();
            std::os::unix::fs::symlink(&path, alone.path().join(replica)).unwrap();
            let survey = look(alone.path(), made).unwrap();
            assert!(survey.unread.is_empty(), "{name}: {:?}", survey.unread);
            copies.push(survey.choose().unwrap().orders);
        }
    }
    copies
}

fn assert_converted(folder: &Folder, to: Protocol) {
    let members = Members::of(folder.path()).unwrap().unwrap();
    assert!(members.joined.is_empty(), "all of them began together");
    let best = *members.orders.last().unwrap();
    let made = folder.made().unwrap().unwrap();
    assert_eq!((made.replication, made.orders), (to, 3));
    assert!(!staging(folder.path()).exists());
    let survey = survey(folder);
    assert!(survey.unread.is_empty(), "{:?}", survey.unread);
    let first = Term { generation: 1, number: 1, node: NodeId(best) };
    for read in survey.read.values() {
        assert_eq!((read.standing.promised, read.standing.accepted), (first, first));
        assert_eq!(read.standing.log.last(), Index(7), "behind 5 orders and two leaders' first");
    }
    assert_eq!(survey.choose().unwrap().orders, 5);
    for number in members.orders {
        assert!(folder.path().join(before(&replica(number), 1)).is_dir());
    }
}

#[test]
fn every_replica_begins_with_the_state_of_the_best() {
    for to in [Protocol::Paxos, Protocol::Naive] {
        let (folder, _) = store();
        let beginning = survey(&folder).choose().unwrap();
        assert_eq!((beginning.chosen, beginning.orders), (NodeId(3), 5));
        migrate(&folder, to, &mut |_| Ok(())).unwrap();
        assert_converted(&folder, to);
    }
}

/// Dies after each step, and once more after the next one; then it is finished.
#[test]
fn whenever_it_dies_it_is_finished_and_no_order_is_in_fewer_places() {
    let steps = {
        let mut count = 0;
        let (folder, _) = store();
        migrate(&folder, Protocol::Paxos, &mut |_| {
            count += 1;
            Ok(())
        })
        .unwrap();
        count
    };
    assert_eq!(steps, 12, "three folders made, a plan, three times two renames, two at the end");
    let ids = [[1, 2, 3], [1, 3, 4]];
    for (first, ids) in (1..=steps).flat_map(|first| ids.map(|ids| (first, ids))) {
        let (folder, _) = store_of(ids);
        let dies_after = |count: u32| {
            let mut left = count;
            let outcome = migrate(&folder, Protocol::Paxos, &mut |_| {
                left -= 1;
                if left == 0 { Err(anyhow!("it dies")) } else { Ok(()) }
            });
            let copies = copies(folder.path());
            let whole = copies.iter().filter(|orders| **orders == 5).count();
            assert!(whole >= 2, "it died after step {first}: {copies:?}");
            let planned = unfinished(folder.path()).unwrap().is_some();
            assert_eq!(refuse_unfinished(folder.path()).is_err(), planned);
            outcome
        };
        let dead = dies_after(first);
        assert!(dead.is_err(), "it ended before step {first}");
        let _ = dies_after(1);
        migrate(&folder, Protocol::Paxos, &mut |_| Ok(())).unwrap();
        assert_converted(&folder, Protocol::Paxos);
    }
}

/// A replica that was alone with an order of its own: naive may have told somebody of it.
#[test]
fn what_the_others_alone_have_is_named() {
    let folder = Folder::ephemeral().unwrap();
    folder.remember(Made::new(Protocol::Naive, 2, 1)).unwrap();
    write_replica(&folder.path().join("order-1"), Protocol::Naive, 4);
    write_replica(&folder.path().join("order-2"), Protocol::Naive, 2);
    let alone = folder.path().join("order-2");
    fs::remove_dir_all(&alone).unwrap();
    let newer = term(2, 2);
    let checkpoint = Checkpoint {
        promised: newer,
        tail: vec![
            Entry { index: Index(1), term: newer, command: Bytes::new() },
            Entry { index: Index(2), ..order(7, newer) },
        ],
        ..Checkpoint::default()
    };
    write_fresh(&alone, &checkpoint).unwrap();
    let beginning = survey(&folder).choose().unwrap();
    assert_eq!((beginning.chosen, beginning.orders), (NodeId(2), 1), "the higher term");
    assert_eq!(beginning.left_out.len(), 4);
    assert!(beginning.left_out.iter().all(|(id, _)| *id == NodeId(1)));
}

#[test]
fn too_few_replicas_are_refused_with_the_reason_of_each() {
    let (folder, _) = store();
    let data = folder.path();
    fs::remove_dir_all(data.join("order-1")).unwrap();
    assert_eq!(survey(&folder).choose().unwrap().chosen, NodeId(3), "a majority is left");
    // A disk that was wiped, and one of another engine.
    fs::remove_dir_all(data.join("order-2")).unwrap();
    fs::create_dir(data.join("order-2")).unwrap();
    Written::by("order-3", Protocol::Paxos).note(&data.join("order-3")).unwrap();
    let Err(error) = survey(&folder).choose() else { panic!("nothing is left") };
    let words = error.to_string();
    for part in ["2 of them", "order-1 is missing", "no log in", "order-3", "paxos"] {
        assert!(words.contains(part), "{part}: {words}");
    }
}

#[test]
fn a_damaged_replica_is_named_and_a_running_one_is_in_the_way() {
    let (folder, made) = store();
    let data = folder.path();
    let find = |name: &str| {
        let entries = fs::read_dir(data.join(name)).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths.find(|path| path.extension().is_some_and(|end| end == "checkpoint")).unwrap()
    };
    let path = find("order-2");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let survey = survey(&folder);
    let reason = &survey.unread[&NodeId(2)];
    assert!(reason.contains("order-2"), "{reason}");
    assert_eq!(survey.choose().unwrap().chosen, NodeId(3));
    // What was read stays locked.
    let Err(error) = look(data, made) else { panic!("two look at once") };
    assert!(error.to_string().contains("order-1"), "{error}");
}
