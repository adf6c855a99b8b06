//! Messages that no replica sends: from a program with a bug, or from whoever has the token.
//! Nothing of it may make a replica panic; and what cannot be true is not heard.

use bytes::Bytes;

use super::fixed;
use crate::engine::{self, Effect, Engine, Input};
use crate::log::{Entry, Index, Recovered};
use crate::paxos::message::{Beat, Body, History, Life, Message, Sequence};
use crate::paxos::{Config, Paxos, Timers};
use crate::quorum_tests::temper::Random;
use crate::term::{NodeId, Term};
use crate::time::Time;

impl Random {
    /// Mostly small, sometimes as large as can be.
    fn number(&mut self) -> u64 {
        match self.next() % 16 {
            0 => u64::MAX - self.next() % 3,
            1 => 1 << (self.next() % 64),
            _ => self.next() % 6,
        }
    }

    fn index(&mut self) -> Index {
        Index(self.number())
    }

    fn node(&mut self) -> NodeId {
        NodeId([1, 2, 3, 3, 2, 1, 0, 255][(self.next() % 8) as usize])
    }

    fn term(&mut self) -> Term {
        let generation = if self.next().is_multiple_of(16) { u32::MAX } else { 0 };
        Term { generation, number: self.number().min(Term::NUMBER_MAX), node: self.node() }
    }

    fn entries(&mut self, after: Index) -> Vec<Entry> {
        let holes = self.next().is_multiple_of(4);
        (1..=self.next() % 4)
            .map(|step| {
                let follows = Index(after.0.saturating_add(step));
                let index = if holes { self.index() } else { follows };
                Entry { index, term: self.term(), command: Bytes::from_static(b"noise") }
            })
            .collect()
    }

    fn sequence(&mut self) -> Sequence {
        Sequence { session: self.number(), counter: self.number() }
    }

    fn history(&mut self) -> History {
        let after = self.index();
        History { after, entries: self.entries(after) }
    }

    fn body(&mut self) -> Body {
        let (term, accepted) = (self.term(), self.term());
        let (decided, last) = (self.index(), self.index());
        let sequence = self.sequence();
        match self.next() % 9 {
            0 => Body::More { entries: self.entries(last) },
            1 => Body::PrepareMe { promised: term },
            2 => Body::Prepare { term, decided, accepted, last },
            3 => {
                let more = self.next().is_multiple_of(2).then(|| self.history());
                Body::Promise { term, accepted, decided, last, more }
            }
            4 => Body::TakeOver { term, sequence, decided, history: self.history() },
            5 => Body::Accept { term, sequence, decided, entries: self.entries(last) },
            6 => Body::Accepted { term, last },
            7 => Body::Refused { promised: term },
            _ => Body::Decided { term, sequence, decided },
        }
    }

    fn message(&mut self, peer: Life, own: Life, number: &mut u64) -> Message {
        let life = if self.next().is_multiple_of(8) { Life::default() } else { peer };
        let term = self.term();
        match self.next() % 13 {
            0 => {
                // Whoever believes that its disk lost a promise hears nothing any more.
                let wrong = self.next().is_multiple_of(512);
                let promised = if wrong { self.term() } else { Term::ZERO };
                let (yours, sent) = (own, self.number());
                Message::Ask { round: 1, life, yours, sent, promised }
            }
            1 => {
                let round = u32::try_from(self.next() % 50).expect("small");
                let (ballot, leader) = (self.term(), self.term());
                let beat = Beat { round, ballot, leader, happy: self.next().is_multiple_of(2) };
                let stored = Some((term, self.index()));
                Message::Answer { to: own, life, beat, decided: self.index(), stored }
            }
            2 => Message::Probe { term, number: self.number() },
            3 => Message::Affirm { term, number: self.number() },
            4 => Message::Piece {
                term,
                index: self.index(),
                index_term: self.term(),
                offset: self.number(),
                total: self.number(),
                bytes: Bytes::from_static(b"piece"),
            },
            12 => Message::LeadNow { term },
            5 => Message::Arrived { term, index: self.index(), upto: self.number() },
            _ => {
                *number += 1;
                Message::Frame { from: life, to: own, number: *number, body: self.body() }
            }
        }
    }
}

/// Makes a message one of the present term, so that more of it is looked at.
fn fit(random: &mut Random, engine: &Paxos, message: &mut Message) {
    let (promised, last) = (engine.protocol.promised(), engine.protocol.log().last());
    match message {
        Message::Piece { term, offset, total, .. } => {
            (*term, *offset, *total) = (promised, 0, 5);
        }
        Message::Probe { term, .. }
        | Message::Affirm { term, .. }
        | Message::Arrived { term, .. }
        | Message::LeadNow { term } => *term = promised,
        Message::Frame { body, .. } => match body {
            Body::TakeOver { term, history, .. } => {
                let after = Index(last.0.saturating_sub(random.next() % 3));
                *history = History { after, entries: random.entries(after) };
                *term = promised;
            }
            Body::Accept { term, entries, .. } => {
                *entries = random.entries(last);
                *term = promised;
            }
            Body::Promise { term, last: end, more, .. } => {
                let after = Index(last.0.saturating_sub(random.next() % 3));
                let entries = random.entries(after);
                *end = Index(after.0 + entries.len() as u64);
                *more = Some(History { after, entries });
                *term = promised;
            }
            Body::Prepare { term, .. }
            | Body::Accepted { term, .. }
            | Body::Decided { term, .. } => *term = promised,
            Body::More { .. } | Body::PrepareMe { .. } | Body::Refused { .. } => {}
        },
        Message::Ask { .. } | Message::Answer { .. } => {}
    }
}

fn replica(disk: &Recovered) -> Paxos {
    let (id, peers) = (NodeId(1), vec![NodeId(2), NodeId(3)]);
    let config = Config { id, peers, timers: Timers::DEFAULT, entries_kept: 3, seed: 0 };
    Paxos::new(config, disk)
}

/// A replica among peers that say anything, over links that work. How many records it wrote.
fn noise(seed: u64) -> u64 {
    let mut random = Random(seed);
    let (mut engine, mut effects) = (replica(&Recovered::default()), Vec::new());
    let (mut now, mut persisted) = (Time(0), 0);
    let mut disk = Recovered::default();
    engine.step(now, Input::Start, &mut effects);
    let (peer, own) = (Life { started: 9, ..Life::default() }, Life { started: 1, ..fixed() });
    let mut numbers = [0; 2];
    for _ in 0..400 {
        now = Time(now.0 + random.next() % 60_000);
        let from = (random.next() % 2) as usize;
        let mut message = random.message(peer, own, &mut numbers[from]);
        let from = NodeId([2, 3][from]);
        // Some rounds go well, so that the links are used.
        if let Message::Answer { beat, .. } = &mut message {
            beat.ballot.node = from;
            beat.round = engine.rounds.now;
        }
        if random.next().is_multiple_of(2) {
            fit(&mut random, &engine, &mut message);
        }
        engine.step(
            now,
            Input::Receive { from, message: engine::Message::Paxos(message) },
            &mut effects,
        );
        if random.next().is_multiple_of(4) {
            engine.step(now, Input::Timer, &mut effects);
        }
        if random.next().is_multiple_of(16) {
            let command = Bytes::from_static(b"tux");
            engine.step(now, Input::Propose(vec![command]), &mut effects);
        }
        for effect in std::mem::take(&mut effects) {
            if let Effect::Persist(record) = effect {
                persisted += 1;
                disk.records.push(record);
            } else if let Effect::Install(snapshot) = effect {
                let index = snapshot.index;
                if random.next().is_multiple_of(2) {
                    let checkpoint = engine.checkpoint(snapshot);
                    disk = Recovered { checkpoint, records: Vec::new() };
                    engine.step(now, Input::Checkpointed { index }, &mut effects);
                } else {
                    engine.step(now, Input::NotInstalled { index }, &mut effects);
                }
            }
        }
        engine.step(now, Input::Persisted { upto: persisted }, &mut effects);
    }
    // What it wrote can be read.
    let log = engine.log().clone();
    let mut engine = replica(&disk);
    assert_eq!(engine.log().last(), log.last());
    engine.step(now, Input::Start, &mut effects);
    persisted
}

#[test]
fn no_noise_makes_a_replica_panic() {
    let mut written = 0;
    for seed in 0..2000 {
        let run = std::panic::catch_unwind(|| noise(seed));
        written += run.unwrap_or_else(|_| panic!("seed {seed} fails: see above"));
    }
    assert!(written > 10_000, "some of it is heard: {written} records");
}
