//! What a replica says of what is on its disk: regressions that the walk found.

use bytes::Bytes;

use super::fixed;
use crate::engine::{self, Effect, Engine, Input};
use crate::log::{Checkpoint, Entry, Index, Record, Recovered, Snapshot};
use crate::paxos::message::{Life, Message};
use crate::paxos::storage::replay;
use crate::paxos::{Config, Paxos, Timers};
use crate::term::{NodeId, Term};
use crate::time::Time;

const OLD: Term = Term { generation: 0, number: 1, node: NodeId(2) };
const NEW: Term = Term { generation: 0, number: 2, node: NodeId(3) };

fn config() -> Config {
    let (id, peers) = (NodeId(1), vec![NodeId(2), NodeId(3)]);
    Config { id, peers, timers: Timers::DEFAULT, entries_kept: 3, seed: 0 }
}

fn entry(index: u64, term: Term) -> Entry {
    Entry { index: Index(index), term, command: Bytes::from_static(b"tux") }
}

/// A log with a snapshot in it was accepted under a term whose leader had another one: it must not
/// count as a vote there.
#[test]
fn a_log_of_an_older_term_is_no_vote() {
    let snapshot = Snapshot { index: Index(37), term: NEW, state: crate::StateBytes::default() };
    let checkpoint =
        Checkpoint { promised: NEW, snapshot, tail: Vec::new(), accepted: OLD, members: None };
    let mut engine = Paxos::new(config(), &Recovered { checkpoint, records: Vec::new() });
    let mut effects = Vec::new();
    engine.step(Time(0), Input::Start, &mut effects);
    effects.clear();
    let (life, yours) = (fixed(), Life::default());
    let ask = Message::Ask { round: 1, life, yours, sent: 0, promised: Term::ZERO };
    let message = engine::Message::Paxos(ask);
    engine.step(Time(1), Input::Receive { from: NodeId(2), message }, &mut effects);
    let answers = effects.iter().filter(|effect| {
        let Effect::Send { message: engine::Message::Paxos(message), .. } = effect else {
            return false;
        };
        matches!(message, Message::Answer { stored: None, .. })
    });
    assert_eq!(answers.count(), 1, "{effects:?}");
}

/// A disk that lost what was on it, under the same id: a peer knows of a promise that is not there.
#[test]
fn a_lost_disk_is_said_and_takes_no_part() {
    let mut engine = Paxos::new(config(), &Recovered::default());
    engine.step(Time(0), Input::Start, &mut Vec::new());
    let mut hear = |now: u64, message: Message| {
        let mut effects = Vec::new();
        let message = engine::Message::Paxos(message);
        engine.step(Time(now), Input::Receive { from: NodeId(2), message }, &mut effects);
        engine.step(Time(now), Input::Timer, &mut effects);
        (effects, engine.status().role, engine.next_timer())
    };
    let ask = |round: u32, promised: Term| {
        let (life, yours) = (fixed(), Life::default());
        Message::Ask { round, life, yours, sent: 0, promised }
    };
    assert!(!hear(1, ask(1, Term::ZERO)).0.is_empty(), "it answers");
    let (effects, role, timer) = hear(2, ask(2, OLD));
    assert!(matches!(&effects[..], [Effect::Warn(what)] if what.contains("new id")), "{effects:?}");
    assert_eq!((role.as_str(), timer), ("lost", None));
    assert_eq!(hear(10_000_000, ask(3, Term::ZERO)).0, []);
}

/// Whatever part of a history that is taken over reaches the disk, the replica has the old one or
/// the new one; and whoever reads the records after the next start comes to the same log.
#[test]
fn a_history_is_taken_over_completely_or_not_at_all() {
    let old = [entry(1, OLD), entry(2, OLD), entry(3, OLD)];
    let before: Vec<Record> = [Record::Promise(OLD), Record::Accepted(OLD)]
        .into_iter()
        .chain(old.iter().cloned().map(Record::Append))
        .chain([Record::Accepted(OLD)])
        .collect();
    let change = [
        Record::Promise(NEW),
        Record::Accepted(NEW),
        Record::Truncate(Index(2)),
        Record::Append(entry(2, NEW)),
        Record::Append(entry(3, NEW)),
        Record::Append(entry(4, NEW)),
        Record::Accepted(NEW),
    ];
    for written in 0..=change.len() {
        let mut records = before.clone();
        records.extend(change[..written].iter().cloned());
        let complete = written == change.len();
        // Each start may be broken off as well, anywhere in what it writes first.
        for again in 0..8 {
            let recovered = Recovered { records: records.clone(), ..Recovered::default() };
            let (state, undo) = replay(&recovered);
            let expected = if complete { (NEW, 4) } else { (OLD, 3) };
            assert_eq!((state.accepted, state.log.last().0), expected, "{written} {again}");
            let whole = [records.clone(), undo.clone()].concat();
            let recovered = Recovered { records: whole, ..Recovered::default() };
            assert_eq!(crate::Log::recover(&recovered).0, state.log, "{written} {again}");
            assert_eq!(replay(&recovered), (state, Vec::new()), "{written} {again}");
            records.extend(undo.into_iter().take(again));
        }
    }
}
