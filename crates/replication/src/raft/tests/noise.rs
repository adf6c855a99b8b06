//! Messages that no replica sends: from a program with a bug, or from whoever has the token. They
//! may make a replica vote or follow; they must not end its process.

use bytes::Bytes;

use super::make;
use crate::engine::{self, Effect, Input};
use crate::log::{Entry, Index, Recovered, Snapshot};
use crate::members::{Change, Members};
use crate::quorum_tests::temper::Random;
use crate::raft::Message;
use crate::raft::message::{Committed, Said};
use crate::term::{NodeId, Term};
use crate::time::Time;

/// Small numbers, so that they often fit, and those at the ends.
fn number(random: &mut Random) -> u64 {
    match random.below(12) {
        0 => u64::MAX,
        1 => u64::MAX / 2,
        2 => u64::MAX / 2 + 1,
        _ => random.below(9) as u64,
    }
}

fn index(random: &mut Random) -> Index {
    Index(number(random))
}

fn members(random: &mut Random) -> Members {
    let ids = |random: &mut Random| {
        let mask = random.below(32);
        (1..=5).filter(|id| mask >> (id - 1) & 1 == 1).map(NodeId).collect()
    };
    let mut members = Members::first(ids(random));
    if random.chance(50) {
        members.target = ids(random);
        members.learners = ids(random);
    }
    if random.chance(20) {
        members.outgoing = ids(random);
    }
    members.highest = NodeId(u8::try_from(random.below(11)).expect("small"));
    members
}

fn entries(random: &mut Random) -> Vec<Entry> {
    let (first, count) = (number(random), random.below(4) as u64);
    let entry = |step| Entry {
        index: Index(first.saturating_add(step)),
        term: Term {
            generation: 0,
            number: number(random),
            node: NodeId(u8::try_from(random.below(11)).expect("small")),
        },
        command: match random.chance(80) {
            true => Bytes::from_static(b"tux"),
            false => members(random).encode(),
        },
    };
    (0..count).map(entry).collect()
}

fn said(random: &mut Random) -> Said {
    match random.below(10) {
        0 => Said::AskVote {
            pre: random.chance(50),
            last: index(random),
            last_term: number(random),
            handed_over: random.chance(50),
            committed: Committed { index: index(random), term: number(random) },
        },
        1 => Said::Vote {
            pre: random.chance(50),
            granted: random.chance(80),
            committed: Committed { index: index(random), term: number(random) },
        },
        2 | 3 => Said::Append {
            previous: index(random),
            previous_term: number(random),
            entries: entries(random),
            committed: index(random),
        },
        4 => Said::Appended { upto: index(random) },
        5 => Said::NotAppended {
            previous: index(random),
            last: index(random),
            last_term: number(random),
        },
        6 => Said::Heartbeat {
            committed: index(random),
            barrier: number(random),
            goal: index(random),
        },
        7 => Said::Heard { barrier: number(random) },
        8 => Said::Piece {
            index: index(random),
            index_term: Term { generation: 0, number: number(random), node: NodeId(2) },
            offset: number(random),
            total: number(random),
            bytes: Bytes::from(vec![0; random.below(4)]),
            members: Box::new(members(random)),
        },
        _ => match random.below(3) {
            0 => Said::Left,
            1 => Said::Arrived { index: index(random), upto: number(random) },
            _ => Said::LeadNow,
        },
    }
}

/// One replica among noise: its disk is quick or slow, its timers fire, it may lead for a while.
fn among_noise(seed: u64) {
    let mut random = Random(seed);
    let id = NodeId(1);
    let mut engine = make(id, &[NodeId(2), NodeId(3)], seed, &Recovered::default());
    let (mut now, mut records, mut applied) = (Time(0), 0, Index(0));
    engine.step(now, Input::Start, &mut Vec::new());
    for step in 0..200 {
        let input = match random.below(10) {
            0 => Input::Persisted { upto: records },
            1 => {
                now = engine.next_timer().unwrap_or(now).max(now);
                Input::Timer
            }
            2 => Input::Propose(vec![Bytes::from_static(b"fox")]),
            3 => Input::Barrier(step + 1),
            9 if random.chance(30) => {
                let id = NodeId(u8::try_from(random.below(7)).expect("small"));
                Input::Change { tag: step + 1, change: Change::Add { id, url: Bytes::new() } }
            }
            4 => Input::Link { peer: NodeId(2), up: random.chance(50) },
            _ => {
                let generation = u32::from(random.chance(3));
                let message =
                    Message { generation, term: number(&mut random), said: said(&mut random) };
                let from = NodeId(u8::try_from(random.below(5)).expect("small"));
                Input::Receive { from, message: engine::Message::Raft(message) }
            }
        };
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut effects = Vec::new();
            engine.step(now, input, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Persist(_) => records += 1,
                    Effect::Apply(entry) => {
                        assert_eq!(entry.index, applied.next(), "seed {seed}");
                        applied = entry.index;
                    }
                    Effect::Install(snapshot) => {
                        applied = snapshot.index;
                        let index = snapshot.index;
                        engine.checkpoint(snapshot);
                        inputs.push(Input::Checkpointed { index });
                    }
                    Effect::WantSnapshot => {
                        let term = engine.log().term_at(applied).unwrap_or(Term::ZERO);
                        let snapshot =
                            Snapshot { index: applied, term, state: crate::StateBytes::default() };
                        inputs.push(Input::Snapshot(snapshot));
                    }
                    Effect::Send { .. }
                    | Effect::AskView { .. }
                    | Effect::NotInSync(_)
                    | Effect::Leading(_)
                    | Effect::Following { .. }
                    | Effect::Passed(_)
                    | Effect::Failed(_)
                    | Effect::Warn(_)
                    | Effect::Changed { .. }
                    | Effect::Members(_)
                    | Effect::Discard { .. } => {}
                }
            }
        }
    }
}

#[test]
fn noise_ends_no_process() {
    for seed in 0..20_000 {
        let ended = std::panic::catch_unwind(|| among_noise(seed));
        assert!(ended.is_ok(), "seed {seed}");
    }
}

/// A disk that lost what was on it, under the same id: it voted, so it may not take part, also not
/// with those who know nothing of that.
#[test]
fn a_lost_disk_is_said_and_takes_no_part() {
    let mut engine = make(NodeId(1), &[NodeId(2), NodeId(3)], 0, &Recovered::default());
    let mut said = |now: u64, input: Input| {
        let mut effects = Vec::new();
        engine.step(Time(now), input, &mut effects);
        effects.retain(|effect| !matches!(effect, Effect::Persist(_) | Effect::Members(_)));
        (effects, engine.status().role)
    };
    let from_2 = |term: u64, said: Said| Input::Receive {
        from: NodeId(2),
        message: engine::Message::Raft(Message { generation: 0, term, said }),
    };
    said(0, Input::Start);
    said(0, Input::Persisted { upto: 1 });
    let knows = Said::Heartbeat { committed: Index(7), barrier: 0, goal: Index(7) };
    let (effects, role) = said(0, from_2(3, knows.clone()));
    assert!(matches!(&effects[..], [Effect::Warn(what)] if what.contains("new id")), "{effects:?}");
    assert_eq!(role, "lost");
    let ask = |pre: bool, term: u64| {
        let known = Committed::default();
        let said = Said::AskVote {
            pre,
            last: Index(0),
            last_term: 0,
            handed_over: true,
            committed: known,
        };
        from_2(term, said)
    };
    let later = 5_000_000;
    for input in [knows].map(|said| from_2(3, said)).into_iter().chain([
        ask(true, 4),
        ask(false, 4),
        Input::Timer,
        Input::Link { peer: NodeId(2), up: false },
        Input::Timer,
    ]) {
        let (effects, _) = said(later, input.clone());
        let acts = |effect: &Effect| !matches!(effect, Effect::Following { .. });
        assert!(!effects.iter().any(acts), "{input:?}: {effects:?}");
    }
}
