//! A small quorum engine, so that the test world is itself tested: terms as ballots, one vote for
//! each, a log that the leader sends again and again until it is acknowledged. No pre-vote, no
//! pipelining, a snapshot in one message. It speaks primary-backup's messages, with another sense
//! where that has none that fits: an empty `Piece` asks for a vote, `Arrived` grants it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use test_each_file::test_each_path;

use super::Protocol;
use crate::engine::{self, Effect, Engine, Input, Status};
use crate::log::{Checkpoint, Entry, Index, Log, Record, Recovered, Snapshot};
use crate::planted::{Bug, planted};
use crate::primary_backup::Message;
use crate::term::{NodeId, Term};
use crate::time::Time;

pub const SIMPLEST: Protocol = Protocol { name: "simplest", make, is_heartbeat };

test_each_path! { in "crates/replication/src/quorum_tests/testscripts" as testscripts => script }

fn script(path: &Path) {
    super::run(path, SIMPLEST);
}

#[test]
fn scripts_are_the_scenarios() {
    super::assert_has_scenarios("quorum_tests/testscripts");
}

#[test]
fn walks() {
    super::walks(SIMPLEST);
}

#[cfg(feature = "planted")]
#[test]
fn every_bug_is_found() {
    let bugs = [
        Bug::AckBeforeReplicate,
        Bug::AckUnsynced,
        Bug::ForgottenVote,
        Bug::LeadsEarly,
        Bug::OldTermHeard,
        Bug::StaleLeaderRead,
    ];
    for bug in bugs {
        let found = super::found(bug, SIMPLEST, 20_000);
        eprintln!("{} {found:?}", bug.name());
        assert!(found.is_some(), "{} is not found", bug.name());
    }
}

fn make(id: NodeId, peers: &[NodeId], seed: u64, recovered: &Recovered) -> Box<dyn Engine> {
    let (log, promised) = Log::recover(recovered);
    let promised = if planted(Bug::ForgottenVote) { Term::ZERO } else { promised };
    let snapshot = recovered.checkpoint.snapshot.index;
    Box::new(Simplest {
        id,
        peers: peers.to_vec(),
        promised: promised.max(log.last_term()),
        durable: log.last(),
        log,
        committed: snapshot,
        applied: snapshot,
        emitted: 0,
        installs: false,
        leader: None,
        role: Role::Follower,
        wake_at: Time(0),
        random: seed ^ u64::from(id.0),
    })
}

fn is_heartbeat(message: &engine::Message) -> bool {
    let text = message.to_string();
    text.contains("[]") || text.starts_with("acknowledge")
}

struct Simplest {
    id: NodeId,
    peers: Vec<NodeId>,
    log: Log,
    promised: Term,
    committed: Index,
    applied: Index,
    durable: Index,
    emitted: u64,
    installs: bool,
    leader: Option<NodeId>,
    role: Role,
    wake_at: Time,
    random: u64,
}

enum Role {
    Follower,
    Candidate { votes: BTreeSet<NodeId>, promise: u64 },
    Leader(Leader),
}

struct Leader {
    lead: Index,
    announced: bool,
    /// How far each follower is known to be, and which barrier it answered.
    matched: BTreeMap<NodeId, Index>,
    next: BTreeMap<NodeId, Index>,
    heard: BTreeMap<NodeId, u64>,
    round: u64,
    barriers: Vec<(u64, u64)>,
}

type Effects = Vec<Effect>;

impl Simplest {
    fn majority(&self) -> usize {
        self.peers.len().div_ceil(2) + 1
    }

    fn send(&self, to: NodeId, message: Message, out: &mut Effects) {
        out.push(Effect::Send { to, message: engine::Message::PrimaryBackup(message) });
    }

    fn persist(&mut self, record: Record, out: &mut Effects) {
        self.emitted += 1;
        out.push(Effect::Persist(record));
    }

    fn rest(&mut self, now: Time) {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let millis =
            if matches!(self.role, Role::Leader(_)) { 50 } else { 150 + (self.random >> 33) % 300 };
        self.wake_at = now + Duration::from_millis(millis);
    }

    /// A higher term ends what was.
    fn adopt(&mut self, now: Time, term: Term, out: &mut Effects) {
        if term <= self.promised {
            return;
        }
        self.promised = term;
        self.persist(Record::Promise(term), out);
        self.follow(now, None, out);
    }

    fn follow(&mut self, now: Time, leader: Option<NodeId>, out: &mut Effects) {
        if let Role::Leader(old) = std::mem::replace(&mut self.role, Role::Follower) {
            out.extend(old.barriers.iter().map(|(tag, _)| Effect::Failed(*tag)));
            self.leader = Some(self.id);
        }
        if self.leader != leader {
            self.leader = leader;
            out.push(Effect::Following { leader });
        }
        self.rest(now);
    }

    fn campaign(&mut self, now: Time, out: &mut Effects) {
        self.follow(now, None, out);
        let term = self.promised.next(self.id);
        self.promised = term;
        self.persist(Record::Promise(term), out);
        self.role = Role::Candidate { votes: BTreeSet::new(), promise: self.emitted };
        for peer in &self.peers {
            let (index, index_term) = (self.log.last(), self.log.last_term());
            let bytes = Bytes::new();
            self.send(
                *peer,
                Message::Piece { term, index, index_term, offset: 0, total: 0, bytes },
                out,
            );
        }
    }

    fn vote(&mut self, now: Time, from: NodeId, term: Term, out: &mut Effects) {
        let Role::Candidate { votes, .. } = &mut self.role else { return };
        if term != self.promised {
            return;
        }
        votes.insert(from);
        if votes.len() < self.majority() {
            return;
        }
        let next = self.peers.iter().map(|peer| (*peer, self.log.last().next())).collect();
        let lead = self.log.last().next();
        self.role = Role::Leader(Leader {
            lead,
            announced: false,
            matched: BTreeMap::new(),
            next,
            heard: BTreeMap::new(),
            round: 0,
            barriers: Vec::new(),
        });
        self.leader = Some(self.id);
        self.append_own(vec![Bytes::new()], out);
        self.rest(now);
        if planted(Bug::LeadsEarly) {
            self.announce(out);
        }
    }

    fn announce(&mut self, out: &mut Effects) {
        if let Role::Leader(leader) = &mut self.role
            && !leader.announced
        {
            leader.announced = true;
            out.push(Effect::Leading(self.promised));
        }
    }

    fn append_own(&mut self, commands: Vec<Bytes>, out: &mut Effects) {
        let from = self.log.last().next();
        for command in commands {
            self.log.append(Entry { index: self.log.last().next(), term: self.promised, command });
        }
        self.broadcast(out);
        for entry in self.log.from(from, usize::MAX).to_vec() {
            self.persist(Record::Append(entry), out);
        }
    }

    fn broadcast(&mut self, out: &mut Effects) {
        for peer in self.peers.clone() {
            self.send_log(peer, out);
        }
    }

    fn send_log(&mut self, to: NodeId, out: &mut Effects) {
        let Role::Leader(leader) = &self.role else { return };
        let (next, barrier) = (leader.next[&to], leader.round);
        let previous = next.previous();
        let Some(previous_term) = self.log.term_at(previous) else {
            return out.push(Effect::WantSnapshot);
        };
        let entries = self.log.from(next, 8).to_vec();
        let (term, committed) = (self.promised, self.committed);
        let append = Message::Append { term, previous, previous_term, entries, committed, barrier };
        self.send(to, append, out);
    }

    fn on_append(&mut self, now: Time, from: NodeId, append: Message, out: &mut Effects) {
        let Message::Append { term, previous, previous_term, entries, committed, barrier } = append
        else {
            return;
        };
        self.adopt(now, term, out);
        if term < self.promised && !planted(Bug::OldTermHeard) {
            let reject = Message::Reject { promised: self.promised, last: self.log.last() };
            return self.send(from, reject, out);
        }
        self.follow(now, Some(from), out);
        if self.installs {
            return;
        }
        let (mut entries, mut previous, mut previous_term) =
            (&entries[..], previous, previous_term);
        while previous < self.log.start()
            && let Some((first, rest)) = entries.split_first()
        {
            (previous, previous_term, entries) = (first.index, first.term, rest);
        }
        if self.log.term_at(previous) != Some(previous_term) {
            let last = self.log.last().min(previous.previous()).max(self.committed);
            return self.send(from, Message::Reject { promised: term, last }, out);
        }
        let before = self.emitted;
        for entry in entries {
            match self.log.term_at(entry.index) {
                Some(known) if known == entry.term => continue,
                Some(_) => {
                    self.log.truncate(entry.index);
                    self.durable = self.durable.min(entry.index.previous());
                    self.persist(Record::Truncate(entry.index), out);
                }
                None => {}
            }
            self.log.append(entry.clone());
            self.persist(Record::Append(entry.clone()), out);
        }
        let end = entries.last().map_or(previous, |entry| entry.index);
        self.committed = self.committed.max(committed.min(end));
        let waits = self.emitted > before;
        let matched = if waits { end } else { end.min(self.durable) };
        let matched = if planted(Bug::AckUnsynced) { end } else { matched };
        self.send(from, Message::Acknowledge { term, matched, barrier }, out);
        if planted(Bug::AckUnsynced)
            && let Some(send) = out.pop()
        {
            out.insert(0, send);
        }
        self.apply(out);
    }

    fn apply(&mut self, out: &mut Effects) {
        while self.applied < self.committed.min(self.durable) {
            let entry = self.log.get(self.applied.next()).expect("not compacted").clone();
            self.applied = entry.index;
            out.push(Effect::Apply(entry));
        }
        if let Role::Leader(leader) = &self.role
            && self.applied >= leader.lead
        {
            self.announce(out);
        }
    }

    fn advance(&mut self, out: &mut Effects) {
        let majority = self.majority();
        let Role::Leader(leader) = &mut self.role else { return };
        let mut matched: Vec<Index> = leader.matched.values().copied().collect();
        matched.push(self.durable);
        matched.sort_unstable_by(|a, b| b.cmp(a));
        let needed = if planted(Bug::AckBeforeReplicate) { 1 } else { majority };
        if let Some(index) = matched.get(needed - 1)
            && self.log.term_at(*index) == Some(self.promised)
        {
            self.committed = self.committed.max(*index);
        }
        let heard = |round: u64| leader.heard.values().filter(|r| **r >= round).count() + 1;
        let passes = |round: u64| heard(round) >= majority || planted(Bug::StaleLeaderRead);
        let passed = leader.barriers.iter().filter(|(_, round)| passes(*round));
        let passed: Vec<u64> = passed.map(|(tag, _)| *tag).collect();
        leader.barriers.retain(|(tag, _)| !passed.contains(tag));
        self.apply(out);
        out.extend(passed.into_iter().map(Effect::Passed));
    }

    fn on_receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Effects) {
        match message {
            append @ Message::Append { .. } => self.on_append(now, from, append, out),
            Message::Acknowledge { term, matched, barrier } => {
                let Role::Leader(leader) = &mut self.role else { return };
                if term == self.promised {
                    let known = leader.matched.entry(from).or_default();
                    let is_news = matched > *known;
                    *known = matched.max(*known);
                    leader.next.insert(from, known.next());
                    let heard = leader.heard.entry(from).or_default();
                    *heard = barrier.max(*heard);
                    self.advance(out);
                    if is_news && matched < self.log.last() {
                        self.send_log(from, out);
                    }
                }
            }
            Message::Reject { promised, last } => {
                self.adopt(now, promised, out);
                if let Role::Leader(leader) = &mut self.role
                    && promised == self.promised
                {
                    let known = leader.matched.get(&from).copied().unwrap_or_default();
                    leader.next.insert(from, last.max(known).next());
                    self.send_log(from, out);
                }
            }
            Message::Piece { term, index, index_term, total: 0, .. } => {
                let is_new = term > self.promised;
                self.adopt(now, term, out);
                if is_new && (index_term, index) >= (self.log.last_term(), self.log.last()) {
                    self.send(from, Message::Arrived { term, index, upto: 0 }, out);
                }
            }
            Message::Piece { term, index, index_term, bytes, .. } => {
                self.adopt(now, term, out);
                if term != self.promised || self.installs {
                    return;
                }
                self.follow(now, Some(from), out);
                if index > self.applied {
                    self.installs = true;
                    out.push(Effect::Install(Snapshot { index, term: index_term, state: bytes }));
                } else {
                    let matched = index.min(self.durable);
                    self.send(from, Message::Acknowledge { term, matched, barrier: 0 }, out);
                }
            }
            Message::Arrived { term, .. } => self.vote(now, from, term, out),
            Message::Ask { .. } | Message::Share { .. } => {}
        }
    }

    fn on_snapshot(&mut self, snapshot: Snapshot, out: &mut Effects) {
        let Role::Leader(leader) = &self.role else { return };
        let Snapshot { index, term: index_term, state: bytes } = snapshot;
        let behind = leader.next.iter().filter(|(_, next)| **next <= self.log.start());
        for (peer, _) in behind {
            let (term, total, bytes) = (self.promised, bytes.len() as u64, bytes.clone());
            self.send(
                *peer,
                Message::Piece { term, index, index_term, offset: 0, total, bytes },
                out,
            );
        }
    }
}

impl Engine for Simplest {
    fn step(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Start => self.rest(now),
            Input::Timer => match &self.role {
                Role::Leader(_) => {
                    self.broadcast(out);
                    self.rest(now);
                }
                Role::Follower | Role::Candidate { .. } => self.campaign(now, out),
            },
            #[allow(clippy::infallible_destructuring_match, irrefutable_let_patterns)]
            Input::Receive { from, message } => {
                if let engine::Message::PrimaryBackup(message) = message {
                    self.on_receive(now, from, message, out);
                }
            }
            Input::Persisted { upto } => {
                if upto == self.emitted && !self.installs {
                    self.durable = self.log.last();
                }
                if let Role::Candidate { promise, .. } = &self.role
                    && upto >= *promise
                {
                    self.vote(now, self.id, self.promised, out);
                }
                self.advance(out);
                self.apply(out);
            }
            Input::Propose(commands) => {
                if let Role::Leader(_) = self.role {
                    self.append_own(commands, out);
                }
            }
            Input::Barrier(tag) => match &mut self.role {
                Role::Leader(leader) if leader.announced => {
                    leader.round += 1;
                    leader.barriers.push((tag, leader.round));
                    self.broadcast(out);
                    self.advance(out);
                }
                Role::Leader(_) | Role::Candidate { .. } | Role::Follower => {
                    out.push(Effect::Failed(tag));
                }
            },
            Input::Snapshot(snapshot) => self.on_snapshot(snapshot, out),
            Input::Checkpointed { index } => {
                self.installs = false;
                self.durable = self.durable.max(index);
                if let Some(leader) = self.leader.filter(|leader| *leader != self.id) {
                    let acknowledge =
                        Message::Acknowledge { term: self.promised, matched: index, barrier: 0 };
                    self.send(leader, acknowledge, out);
                }
            }
            Input::NotInstalled { .. } => self.installs = false,
            Input::Lead { .. } | Input::Follow { .. } | Input::Viewed(_) | Input::Link { .. } => {}
        }
    }

    fn next_timer(&self) -> Option<Time> {
        Some(self.wake_at)
    }

    fn status(&self) -> Status {
        let role = match &self.role {
            Role::Leader(_) => "leader",
            Role::Candidate { .. } => "candidate",
            Role::Follower => "follower",
        };
        Status {
            engine: "simplest".to_string(),
            role: role.to_string(),
            term: self.promised,
            leader: self.leader,
            in_sync: Vec::new(),
            last: self.log.last(),
            committed: self.committed,
            followers: Vec::new(),
        }
    }

    fn log(&self) -> &Log {
        &self.log
    }

    fn checkpoint(&mut self, snapshot: Snapshot) -> Checkpoint {
        let index = snapshot.index;
        if self.log.term_at(index) == Some(snapshot.term) {
            self.log.compact(index);
        } else {
            self.log = Log::after(index, snapshot.term);
            self.durable = Index(0);
        }
        self.committed = self.committed.max(index);
        self.applied = self.applied.max(index);
        let tail = self.log.from(index.next(), usize::MAX).to_vec();
        Checkpoint { promised: self.promised, snapshot, tail, accepted: Term::ZERO }
    }
}
