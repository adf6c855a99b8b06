//! Primary-backup: the course's rule (the highest live id leads) with a view that makes it safe;
//! and `naive`, the same without the view, kept to be convicted.
//!
//! # The idea
//!
//! One replica leads and appends commands to its log; the others copy it. A command is committed
//! once **every member of the view** has it on disk. The view says who leads, under which term, and
//! which replicas are in sync, that is, hold everything that was acknowledged. It is kept by an
//! arbiter outside the replicas (here: the catalog) and changed by compare-and-set, so that of two
//! replicas that both believe to lead only one can acknowledge anything:
//!
//! ```text
//! frontend: "3 is dead, 2 shall lead"      PUT /leader
//! 2 ──► 1, 3    ask after 7                what do you have that I lack?
//! 1 ──► 2       share [8]                  an entry that 3 sent to 1 only
//! 2 ──► arbiter view 0.2@2{1,2} after 0.1@3
//! arbiter       granted; terms below 0.2@2 are fenced
//! 2             persist promise 0.2@2, append 9 (Lead); 2 ──► 1 append
//! 1 ──► 2       acknowledge up to 9        committed: 2 now leads
//! ```
//!
//! # The rules
//!
//! 1. *Only a member of the in-sync set may lead next*: it has every acknowledged entry.
//! 2. *A leader puts a follower aside by a new view before it acknowledges anything that the
//!    follower lacks.* A leader that was paused meanwhile finds its acknowledgements rejected,
//!    since the new leader was in its in-sync set and listens to no older term.
//! 3. *A follower comes back into the view when it has everything*; while that view is being asked
//!    for, commits and read barriers wait for it already, and commits as soon as it lacks so little
//!    that waiting is short: under load it would else never have everything.
//! 4. *A leader commits only through an entry of its own term* (Raft §5.4.2); its first is `Lead`.
//! 5. *Each change of the in-sync set is a new term*, so that there is one kind of change, and the
//!    service above settles what was under way in the same manner whoever led before.
//! 6. *A promise is made when the arbiter has granted the view*, not when it is asked: a replica
//!    that may not lead deposes nobody by trying.
//!
//! Extending a log by entries that another replica holds beyond its end (`share`) is always safe:
//! by Log Matching the extended log is a prefix-extension of one that existed, and what was
//! acknowledged is never truncated by it. It saves orders that were stored but not acknowledged.
//!
//! # What is left out, and what it costs
//!
//! Without the arbiter nobody can be elected (a quorum protocol needs none); if every member of the
//! in-sync set is lost, the rest must wait, or lead by `unclean` election and lose what only the
//! lost ones had. A replica whose disk was wiped must not come back under its old id.
//!
//! After an **unclean** election a lost replica may return with more than the leader has. Nobody
//! in the view acknowledged its surplus, so that gives way, and each entry of it is named
//! ([`Effect::Discard`]); then it follows as any other. Where the histories part before its newest
//! snapshot it cannot: a snapshot is not taken apart. It says so ([`Effect::Warn`]), answers
//! nothing, and must be started with an empty folder, which is harmless while the view is without
//! it.
//!
//! **naive** leaves out the view, the fence and the waiting: whoever is told to lead, leads, and
//! acknowledges what is on its own disk. When two of its histories meet, the one of the lower term
//! gives way, and each entry of it is named ([`Effect::Discard`]). A leader that hears of a higher
//! term, but not of its leader, leads on under a higher one still: only so does everybody listen to
//! it again.

mod disk;
mod election;
mod follower;
mod leader;
mod members;
pub mod message;
mod naive;
mod progress;
mod transfer;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub use message::Message;

use crate::catch_up::CatchUp;
use crate::engine::{self, Effect, Engine, Input, Status, Viewed};
use crate::log::{Checkpoint, Index, Log, Record, Recovered, Snapshot};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};
use crate::time::Time;
use disk::Disk;
use election::Election;
use follower::Follower;
use leader::Leader;

/// Entries in one message: large enough to fill a frame, small enough not to hold up a heartbeat.
const ENTRIES_PER_MESSAGE_MAX: usize = 512;

/// Which rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rules {
    /// A view kept by an arbiter: safe.
    View,
    /// The course's rule taken literally: neither view nor fence.
    Naive,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timers {
    /// A leader speaks at least this often.
    pub heartbeat: Duration,
    /// A follower that was not heard, or did not move, for this long is put aside.
    pub suspicion: Duration,
    /// A replica that shall lead waits this long for the others' entries.
    pub gather: Duration,
    /// Between two tries to reach the arbiter.
    pub retry: Duration,
}

impl Timers {
    /// For disks that stall up to 90 ms now and then.
    pub const DEFAULT: Timers = Timers {
        heartbeat: Duration::from_millis(100),
        suspicion: Duration::from_millis(600),
        gather: Duration::from_millis(100),
        retry: Duration::from_millis(50),
    };

    /// For quiet disks.
    pub const FAST: Timers = Timers {
        heartbeat: Duration::from_millis(10),
        suspicion: Duration::from_millis(150),
        gather: Duration::from_millis(30),
        retry: Duration::from_millis(10),
    };
}

/// One replica's place in the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// This replica.
    pub id: NodeId,
    /// The others, in rising order.
    pub peers: Vec<NodeId>,
    /// View or naive.
    pub rules: Rules,
    /// How long to wait for what.
    pub timers: Timers,
    /// Allow a replica outside the in-sync set to lead, and lose what it missed.
    pub unclean: bool,
    /// Entries kept in memory behind a snapshot.
    pub entries_kept: u64,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PrimaryBackup {
    config: Config,
    log: Log,
    disk: Disk,
    /// Invariant: on disk before any message of a term as high is answered.
    promised: Term,
    /// Invariant: never falls (`View`); entries up to it never change.
    committed: Index,
    /// Invariant: applied <= committed, applied <= what is on this disk.
    applied: Index,
    /// The newest snapshot that is on disk, or on its way there: what it stands for cannot be taken
    /// back any more.
    snapshot: Index,
    /// Who leads, as far as this replica knows.
    leader: Option<NodeId>,
    role: Role,
    catch_up: CatchUp,
    /// Under way when the frontend asked this replica to lead.
    election: Option<Election>,
    /// The newest view of another leader that ended an election here.
    seen_view: Term,
    /// Peers whose connection is known to be refused. Only speeds things up, decides nothing.
    unreachable: BTreeMap<NodeId, ()>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Role {
    Follower(Follower),
    Leader(Box<Leader>),
}

impl PrimaryBackup {
    /// A replica with what was found on its disk. The service restores its own state from the same
    /// snapshot.
    pub fn new(config: Config, recovered: &Recovered) -> PrimaryBackup {
        let (log, promised) = Log::recover(recovered);
        let snapshot = recovered.checkpoint.snapshot.index;
        let promised = promised.max(log.last_term());
        let committed = match config.rules {
            Rules::View => snapshot,
            // What it placed there itself and has on disk, it acknowledged; so that this is named
            // if it is lost.
            Rules::Naive => {
                let entries = log.from(log.start().next(), usize::MAX).iter().rev();
                let mut own = entries.filter(|entry| entry.term.node == config.id);
                own.next().map_or(snapshot, |entry| entry.index)
            }
        };
        PrimaryBackup {
            disk: Disk::holding(log.last()),
            config,
            log,
            promised,
            committed,
            applied: snapshot,
            snapshot,
            leader: None,
            role: Role::Follower(Follower::default()),
            catch_up: CatchUp::default(),
            election: None,
            seen_view: Term::ZERO,
            unreachable: BTreeMap::new(),
        }
    }

    fn naive(&self) -> bool {
        self.config.rules == Rules::Naive
    }

    /// Whether another history may take the place of what is committed.
    fn may_lose(&self) -> bool {
        self.naive() || self.config.unclean
    }

    fn promise(&mut self, term: Term, effects: &mut Vec<Effect>) {
        if term > self.promised {
            self.promised = term;
            self.disk.persist(Record::Promise(term), effects);
        }
    }

    /// Applies what is committed and on this disk.
    fn apply(&mut self, effects: &mut Vec<Effect>) {
        let limit = self.committed.min(self.disk.durable());
        while self.applied < limit {
            let entry =
                self.log.get(self.applied.next()).expect("what is not applied is not compacted");
            effects.push(Effect::Apply(entry.clone()));
            self.applied = entry.index;
        }
    }

    fn send(&self, to: NodeId, message: Message, effects: &mut Vec<Effect>) {
        effects.push(send(to, message));
    }

    /// Whether a follower should know better than to listen to this term.
    fn is_old(&self, term: Term) -> bool {
        term < self.promised && !planted(Bug::OldTermHeard)
    }

    fn on_receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Vec<Effect>) {
        self.unreachable.remove(&from);
        match message {
            Message::Append { term, previous, previous_term, entries, committed, barrier } => {
                let append =
                    follower::Append { term, previous, previous_term, entries, committed, barrier };
                self.on_append(now, from, append, out);
            }
            Message::Acknowledge { term, matched, barrier } => {
                self.on_acknowledge(now, from, term, matched, barrier, out);
            }
            Message::Reject { promised, last } => self.on_reject(now, from, promised, last, out),
            Message::Ask { last, last_term } => self.on_ask(now, from, last, last_term, out),
            Message::Share { previous, previous_term, entries } => {
                self.on_share(now, from, previous, previous_term, entries, out);
            }
            Message::Piece { term, index, index_term, offset, total, bytes } => {
                let piece = transfer::Piece { term, index, index_term, offset, total, bytes };
                self.on_piece(now, from, piece, out);
            }
            Message::Arrived { term, index, upto } => {
                self.on_arrived(now, from, term, index, upto, out)
            }
        }
    }

    fn on_link(&mut self, now: Time, peer: NodeId, up: bool, effects: &mut Vec<Effect>) {
        if up {
            self.unreachable.remove(&peer);
        } else {
            self.unreachable.insert(peer, ());
        }
        match &mut self.role {
            Role::Leader(_) => self.on_link_as_leader(now, peer, up, effects),
            Role::Follower(_) => self.on_unreachable_in_election(now, effects),
        }
    }
}

fn send(to: NodeId, message: Message) -> Effect {
    Effect::Send { to, message: engine::Message::PrimaryBackup(message) }
}

impl Engine for PrimaryBackup {
    fn step(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Start => {
                self.ask_all(now, effects);
                self.apply(effects);
            }
            Input::Timer => match &self.role {
                Role::Leader(_) => self.on_timer_as_leader(now, effects),
                Role::Follower(_) => self.on_timer_as_follower(now, effects),
            },
            Input::Receive {
                message: engine::Message::Raft(_) | engine::Message::Paxos(_),
                ..
            }
            | Input::HandOver => {}
            Input::Change { tag, .. } => effects.push(engine::fixed(tag)),
            Input::Receive { from, message: engine::Message::PrimaryBackup(message) } => {
                if self.config.peers.contains(&from) && message.makes_sense(from) {
                    self.on_receive(now, from, message, effects);
                }
            }
            Input::Persisted { upto } => match &self.role {
                Role::Leader(_) => self.on_persisted_as_leader(now, upto, effects),
                Role::Follower(_) => {
                    self.disk.persisted(upto);
                    self.apply(effects);
                }
            },
            Input::Propose(commands) => self.on_propose(now, commands, effects),
            Input::Barrier(tag) => self.on_barrier(now, tag, effects),
            Input::Lead { after } => self.on_lead(now, after, effects),
            Input::Follow { leader } => self.on_follow(leader, effects),
            Input::Viewed(viewed) => self.on_viewed(now, viewed, effects),
            Input::Snapshot(snapshot) => self.on_snapshot(now, snapshot, effects),
            Input::Checkpointed { index } => self.on_checkpointed(index, effects),
            Input::NotInstalled { index } => self.on_not_installed(now, index),
            Input::Link { peer, up } => self.on_link(now, peer, up, effects),
        }
        let leads = matches!(&self.role, Role::Leader(leader) if leader.leading);
        self.catch_up.look(leads, &self.log, self.applied);
    }

    fn next_timer(&self) -> Option<Time> {
        match &self.role {
            Role::Leader(leader) => Some(leader.next_timer()),
            Role::Follower(follower) => {
                let election = self.election.as_ref().map(Election::next_timer);
                [Some(follower.ask_at), election].into_iter().flatten().min()
            }
        }
    }

    fn status(&self) -> Status {
        let (role, term, in_sync, followers) = match &self.role {
            Role::Leader(leader) => {
                let followers = leader.followers.iter().map(|(id, p)| (*id, p.matched)).collect();
                let in_sync = leader.in_sync.iter().copied().collect();
                ("leader", leader.term, in_sync, followers)
            }
            Role::Follower(_) if self.election.is_some() => {
                ("candidate", self.promised, Vec::new(), Vec::new())
            }
            Role::Follower(_) => ("follower", self.promised, Vec::new(), Vec::new()),
        };
        let engine = if self.naive() { "naive" } else { "primary-backup" };
        Status {
            engine: engine.to_string(),
            role: role.to_string(),
            term,
            leader: self.leader,
            in_sync,
            last: self.log.last(),
            committed: self.committed,
            followers,
            members: None,
        }
    }

    fn has_caught_up(&self) -> bool {
        self.catch_up.is_done()
    }

    fn log(&self) -> &Log {
        &self.log
    }

    fn checkpoint(&mut self, snapshot: Snapshot) -> Checkpoint {
        self.snapshot = snapshot.index;
        let after = self.log.from(snapshot.index.next(), usize::MAX).to_vec();
        self.log.compact(Index(snapshot.index.0.saturating_sub(self.config.entries_kept)));
        let accepted = Term::ZERO;
        Checkpoint { promised: self.promised, snapshot, tail: after, accepted, members: None }
    }
}

impl PrimaryBackup {
    fn on_viewed(&mut self, now: Time, viewed: Viewed, effects: &mut Vec<Effect>) {
        match &self.role {
            Role::Leader(_) => self.on_viewed_as_leader(now, viewed, effects),
            Role::Follower(_) => self.on_viewed_in_election(now, viewed, effects),
        }
    }
}
