//! A small quorum engine, so that the test world is itself tested: terms as ballots, one vote for
//! each, a log that the leader sends again and again until it is acknowledged. No pre-vote, no
//! pipelining, a snapshot in one message. It speaks primary-backup's messages, with another sense
//! where that has none that fits: an empty `Piece` asks for a vote, `Arrived` grants it.

mod follower;
mod leader;
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::Protocol;
use crate::engine::{self, Effect, Engine, Input, Status};
use crate::log::{Checkpoint, Index, Log, Record, Recovered, Snapshot};
use crate::planted::{Bug, planted};
use crate::primary_backup::Message;
use crate::term::{NodeId, Term};
use crate::time::Time;

pub const SIMPLEST: Protocol = Protocol { name: "simplest", make, is_heartbeat };

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
            #[allow(
                irrefutable_let_patterns,
                reason = "it is refutable as soon as other engines speak"
            )]
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
        Checkpoint { promised: self.promised, snapshot, tail }
    }
}
