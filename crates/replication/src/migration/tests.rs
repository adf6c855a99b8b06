//! Which log is chosen; and that a group of every engine goes on from what it is given.

use super::*;
use crate::engine::{Input, Message};
use crate::log::Record;
use crate::members::{Change, Step};
use crate::protocol::{Config, ENTRIES_KEPT, Pace};
use crate::raft::message::Said;
use crate::time::Time;

fn term(generation: u32, number: u64, node: u8) -> Term {
    Term { generation, number, node: NodeId(node) }
}

/// A disk with a promise and entries of these terms, from index 1 on.
fn disk(promised: Term, terms: &[Term]) -> Recovered {
    let entries = terms.iter().zip(1..);
    let appended = entries.map(|(term, index)| {
        Record::Append(Entry { index: Index(index), term: *term, command: Bytes::new() })
    });
    let records = [Record::Promise(promised)].into_iter().chain(appended).collect();
    Recovered { records, ..Recovered::default() }
}

fn standings(protocol: Protocol, disks: &[(u8, Recovered)]) -> BTreeMap<NodeId, Standing> {
    let of = |(id, disk): &(u8, Recovered)| (NodeId(*id), Standing::of(protocol, 3, disk));
    disks.iter().map(of).collect()
}

fn view(number: u64, leader: u8, in_sync: &[u8]) -> View {
    let in_sync = in_sync.iter().map(|id| NodeId(*id)).collect();
    View { term: term(0, number, leader), in_sync }
}

/// Replica 1 is longer, but stale: what it has beyond was never acknowledged.
#[test]
fn a_higher_term_goes_before_a_longer_log() {
    let (old, new) = (term(0, 1, 1), term(0, 2, 2));
    let disks = [(1, disk(old, &[old, old, old])), (2, disk(new, &[old, new]))];
    for protocol in [Protocol::Raft, Protocol::Naive] {
        let standings = standings(protocol, &disks);
        assert_eq!(choose(protocol, 3, &standings, &View::default()), Ok(NodeId(2)));
    }
}

#[test]
fn of_the_same_term_the_longest_is_chosen() {
    let one = term(0, 1, 3);
    let disks = [(1, disk(one, &[one, one])), (2, disk(one, &[one])), (3, disk(one, &[]))];
    let standings = standings(Protocol::Raft, &disks);
    assert_eq!(choose(Protocol::Raft, 3, &standings, &View::default()), Ok(NodeId(1)));
}

/// A log of Paxos may hold entries of low terms that a high ballot took over.
#[test]
fn paxos_asks_what_was_accepted() {
    let (old, new) = (term(0, 1, 1), term(0, 5, 2));
    let mut taken_over = disk(new, &[old]);
    taken_over.records.insert(0, Record::Accepted(new));
    taken_over.records.push(Record::Accepted(new));
    let disks = [(1, disk(old, &[old, old])), (3, taken_over)];
    let standings = standings(Protocol::Paxos, &disks);
    assert_eq!(standings[&NodeId(3)].accepted, new);
    assert_eq!(choose(Protocol::Paxos, 3, &standings, &View::default()), Ok(NodeId(3)));
}

#[test]
fn primary_backup_asks_members_of_the_view() {
    let (old, new) = (term(0, 1, 3), term(0, 2, 3));
    let disks = [(1, disk(old, &[old])), (2, disk(new, &[old, new]))];
    let standings = standings(Protocol::PrimaryBackup, &disks);
    let of = |view: &View| choose(Protocol::PrimaryBackup, 3, &standings, view);
    assert_eq!(of(&view(2, 3, &[1, 3])), Ok(NodeId(1)));
    assert_eq!(of(&view(2, 3, &[3])), Err(TooFew::Members(view(2, 3, &[3]))));
    assert_eq!(of(&View::default()), Ok(NodeId(2)), "nothing was acknowledged");
}

#[test]
fn less_than_a_majority_is_refused() {
    let one = term(0, 1, 1);
    let standings = standings(Protocol::Raft, &[(1, disk(one, &[one]))]);
    let refused = Err(TooFew::Majority { needed: 2 });
    assert_eq!(choose(Protocol::Raft, 3, &standings, &View::default()), refused);
    assert_eq!(choose(Protocol::Naive, 3, &standings, &View::default()), Ok(NodeId(1)));
    let nobody = BTreeMap::new();
    let refused = choose(Protocol::Naive, 3, &nobody, &View::default());
    assert_eq!(refused, Err(TooFew::Nobody));
}

/// Replicas 4 and 5 were started and never taken in: with 1 they are no majority of those that
/// decided. After 2 was replaced by 4, 3 and 4 are one.
#[test]
fn where_members_have_changed_a_majority_is_one_of_those_that_decided() {
    let one = term(0, 1, 1);
    let first = Members::first([1, 2, 3].map(NodeId));
    let mut old = disk(one, &[one]);
    old.records.insert(0, Record::Members(first.clone()));
    let newcomer = Recovered::default();
    let disks = [(1, old.clone()), (4, newcomer.clone()), (5, newcomer)];
    let standings_of = |disks: &[(u8, Recovered)]| standings(Protocol::Raft, disks);
    let chosen = choose(Protocol::Raft, 5, &standings_of(&disks), &View::default());
    assert_eq!(chosen, Err(TooFew::Voters(Box::new(first.clone()))));
    let mut new = old;
    let url = Bytes::from_static(b"u");
    let change = Change::Replace { id: NodeId(2), by: NodeId(4), url };
    let Ok(Step::Commit(learns)) = first.begin(&change) else { panic!("it can begin") };
    let joint = learns.next().unwrap();
    let alone = joint.next().unwrap();
    for (index, members) in (2..).zip([&learns, &joint, &alone]) {
        let command = members.encode();
        new.records.push(Record::Append(Entry { index: Index(index), term: one, command }));
    }
    let choose = |ids: &[u8]| {
        let disks: Vec<_> = ids.iter().map(|id| (*id, new.clone())).collect();
        super::choose(Protocol::Raft, 4, &standings_of(&disks), &View::default())
    };
    assert_eq!(choose(&[1, 3]), Ok(NodeId(3)));
    let refused = Err(TooFew::Voters(Box::new(joint.clone())));
    assert_eq!(choose(&[3, 4]), refused, "that the change is done may not be committed");
    // Once a snapshot stands for all that, the first do not count any more.
    let snapshot = Snapshot { index: Index(4), term: one, state: StateBytes::default() };
    let members = Some(alone);
    let checkpoint = Checkpoint { promised: one, snapshot, members, ..Checkpoint::default() };
    let new = Recovered { checkpoint, records: Vec::new() };
    let disks = [3, 4].map(|id| (id, new.clone()));
    let chosen = super::choose(Protocol::Raft, 4, &standings_of(&disks), &View::default());
    assert_eq!(chosen, Ok(NodeId(4)));
}

#[test]
fn the_generation_is_above_all_that_was_seen() {
    let disks = [(1, disk(term(2, 9, 1), &[]))];
    let standings = standings(Protocol::Raft, &disks);
    let first = |view: &View| first_term(NodeId(1), standings.values(), view);
    assert_eq!(first(&View::default()), Some(term(3, 1, 1)));
    let newer = View { term: term(7, 1, 2), ..View::default() };
    assert_eq!(first(&newer), Some(term(8, 1, 1)));
    let last = View { term: term(u32::MAX, 1, 2), ..View::default() };
    assert_eq!(first(&last), None);
}

/// A newcomer learns from the others how often the group was converted, until it has promised
/// something.
#[test]
fn a_newcomer_belongs_to_the_generation_that_it_hears_of() {
    let config = Config {
        protocol: Protocol::Raft,
        id: NodeId(4),
        peers: vec![NodeId(1)],
        pace: Pace::Default,
        unclean: false,
        entries_kept: ENTRIES_KEPT,
        seed: 0,
        joins: true,
    };
    let mut engine = config.start(&Recovered::default());
    engine.step(Time(0), Input::Start, &mut Vec::new());
    for (generation, term) in [(4, 3), (5, 9)] {
        let said = Said::Heartbeat { committed: Index(0), barrier: 0, goal: Index(7) };
        let message = Message::Raft(raft::Message { generation, term, said });
        engine.step(Time(1), Input::Receive { from: NodeId(1), message }, &mut Vec::new());
        let status = engine.status();
        assert_eq!((status.leader, status.term), (Some(NodeId(1)), self::term(4, 3, 1)));
    }
}

/// What every engine makes of it: it has the snapshot, leads under no term of before, and never
/// resumes the one that it was given.
#[test]
fn every_engine_starts_from_it() {
    let first = term(4, 1, 3);
    let recovered = Recovered {
        checkpoint: checkpoint(first, Index(17), Bytes::from_static(b"state").into()),
        records: Vec::new(),
    };
    for protocol in Protocol::ALL {
        let config = Config {
            protocol,
            id: NodeId(3),
            peers: vec![NodeId(1), NodeId(2)],
            pace: Pace::Default,
            unclean: false,
            entries_kept: ENTRIES_KEPT,
            seed: 0,
            joins: false,
        };
        let mut engine = config.start(&recovered);
        engine.step(Time(0), Input::Start, &mut Vec::new());
        let status = engine.status();
        assert_eq!((status.last, status.committed), (Index(17), Index(17)), "{protocol}");
        assert_eq!(status.term.generation, 4, "{protocol}");
        assert_ne!(status.role, "leader", "{protocol}");
        let standing = Standing::of(protocol, 3, &recovered);
        assert_eq!((standing.accepted, standing.promised), (first, first), "{protocol}");
    }
}
