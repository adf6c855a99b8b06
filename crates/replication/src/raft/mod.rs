//! Raft: a leader elected by a majority, whose log the others copy. The engine underneath is the
//! `raft` crate, driven by hand.
//!
//! # The idea
//!
//! Time is cut into terms, each with at most one leader, since a replica votes once in a term and
//! only a majority elects. The leader appends commands to its log and sends them to the others; an
//! entry is *committed* once a majority has it on disk, and is then never lost: every later leader
//! was elected by a majority, which overlaps that one, and nobody votes for a candidate whose log
//! lacks what it has itself (Ongaro and Ousterhout, "In Search of an Understandable Consensus
//! Algorithm", 2014; sections are cited as Raft §5.4).
//!
//! Replica 3 leads in term 1 and dies with a command, *tux*, that only replica 2 has (from
//! `testscripts/leader_dies`):
//!
//! ```text
//! 3 -> 2: append 1 after 1 of 1 [2:0.1@3+3B] committed 1   3 offers tux at index 2 …
//! 2: persist append 2:0.1@3+3B                             … which 2 has on disk, and 1 has not
//! 3: crash
//! 2 -> 1: ask pre-vote for term 2, last 2 of 1, committed 1 of 1   would you vote for me?
//! 1 -> 2: pre-vote yes in term 2                           1 lost the leader too, and has less
//! 2: persist promise 0.2@2                                 2 votes for itself, on disk …
//! 2 -> 1: ask vote for term 2, last 2 of 1, committed 1 of 1       … and then asks
//! 1: persist promise 0.2@2
//! 1 -> 2: vote yes in term 2
//! 2 -> 1: append 2 after 2 of 1 [3:0.2@2+0B] committed 1   two of three: 2 leads, and begins
//! 1 -> 2: not appended 2 after 2, try 1 of 1               its term; 1 lacks index 2
//! 2 -> 1: append 2 after 1 of 1 [2:0.1@3+3B 3:0.2@2+0B] committed 1
//! 1 -> 2: appended 2 up to 3
//! 2: apply 2:0.1@3+3B tux                                  through its own entry, tux is
//! 2: apply 3:0.2@2+0B Lead                                 committed too: it is not lost
//! 2: leading 0.2@2
//! ```
//!
//! # The rules
//!
//! 1. *One vote a term*, on disk before it is told (§5.2). A promise is kept as a [`Term`] whose
//!    node is the one voted for.
//! 2. *Only who has at least as much may be elected* (§5.4.1).
//! 3. *A leader commits only through an entry of its own term* (§5.4.2). The first is empty; when
//!    it is applied the leader has everything that was ever committed, and [`Effect::Leading`] says
//!    so.
//! 4. *Nothing is answered that is not on disk*, but a leader sends while it writes itself
//!    (Ongaro's thesis §10.2.1): the two disks work at the same time.
//! 5. *A candidate asks first whether it would be elected* (pre-vote, §9.6 of the thesis), so that
//!    one that was cut off deposes nobody when it returns; *a leader that hears no majority for an
//!    election timeout steps down* (check-quorum).
//! 6. *A read barrier passes* when a majority answered a heartbeat that was sent after it (§6.4).
//!    No lease, so no clock is trusted.
//! 7. *A closed connection is a reason to ask at once.* A killed process closes its connections
//!    within a millisecond; followers that see it forget the leader, or else they would refuse
//!    each other's pre-votes, and ask, the highest id first. A process that hangs or is cut off is
//!    noticed by the timeout alone.
//! 8. *The members change by two majorities* (§6, joint consensus; steps in [`crate::members`]). A
//!    newcomer learns until it has nearly all of the log; then a majority of the old and one of the
//!    new decide together, and when that is committed, the new alone; when a majority of them knows
//!    that, who is out may end. One change at a time. A leader that is taken out hands over first.
//!    Nobody's id is used twice, and who was taken out is told so when it asks for votes. *A no to
//!    a vote says what is committed*: the one replica that is left of two may have lost that with
//!    its memory, and needs the vote of the other, which has more of the log and never asks.
//!
//! # What the adapter guarantees
//!
//! * The same inputs give the same effects: election timeouts are a function of seed, replica and
//!   term; the crate's hash maps are not seen outside.
//! * Nothing that comes from the network ends the process: each message is decoded by our own
//!   codec and looked at before the crate hears it (`translate`).
//! * A snapshot is heard by the crate only when the service could read it.
//! * Term, vote and entries stand in one log, in the order in which they were emitted: no fsync of
//!   one file can overtake that of another.
//!
//! # What is left out, and what it costs
//!
//! The commit index is not on disk: a replica that restarts applies its log again when a leader
//! tells it how far, or where the log itself says so: whoever proposed a change of members had
//! applied the one before it. Without that a replica could come back with the members of before
//! the last two changes, and be elected by those (walks find it: `Bug::ChangeForgotten`).
//! Proposals and reads are not forwarded: the service knows who leads. A replica whose disk was
//! wiped must not come back under its old id (it voted); where that shows, since its leader knows
//! better, it warns and takes no part any more.

mod barriers;
mod clock;
mod disk;
mod membership;
pub mod message;
mod propose;
mod ready;
mod receive;
mod store;
mod transfer;
mod translate;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use raft::{RawNode, SnapshotStatus, StateRole};

pub use clock::Timers;
pub use message::Message;

use crate::catch_up::CatchUp;
use crate::engine::{self, Effect, Engine, Input, Status, Viewed};
use crate::log::{Checkpoint, Index, Log, Recovered, Snapshot};
use crate::members::Members;
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};
use crate::time::Time;
use barriers::Barriers;
use clock::Clock;
use disk::Disk;
pub(crate) use membership::in_force;
use membership::{Membership, conf_state};
use message::Said;
use ready::{node_id, send};
use store::Store;
use transfer::Transfers;

/// Bytes of commands in one append: some thousand orders.
const APPEND_BYTES_MAX: u64 = 256 * 1024;

/// Appends on their way to one follower that it did not answer yet.
const APPENDS_UNANSWERED_MAX: usize = 256;

/// One replica's place in the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// This replica.
    pub id: NodeId,
    /// The others, in rising order.
    pub peers: Vec<NodeId>,
    /// How long to wait for what.
    pub timers: Timers,
    /// Entries kept in memory behind a snapshot, so that a follower that was away for a short while
    /// needs none.
    pub entries_kept: u64,
    /// Makes election timeouts differ between stores; any number will do.
    pub seed: u64,
    /// It comes to a group that is there already: who belongs to that, its log will say.
    pub joins: bool,
}

/// What the service was told last of who leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Announced {
    Following(Option<NodeId>),
    Leading,
}

/// One replica.
pub struct Raft {
    config: Config,
    /// The crate's state machine, which owns log and promise.
    node: RawNode<Store>,
    disk: Disk,
    clock: Clock,
    barriers: Barriers,
    transfers: Transfers,
    membership: Membership,
    /// Proposed while the lead is handed over.
    held: Vec<Bytes>,
    /// Invariant: everything up to here was given to the service.
    applied: Index,
    announced: Announced,
    catch_up: CatchUp,
    /// Peers whose connection is known to be refused. Only speeds things up, decides nothing.
    unreachable: BTreeSet<NodeId>,
    /// Whether this disk was found to have lost something: then it takes no part any more.
    lost: bool,
}

impl Raft {
    /// A replica with what was found on its disk. The service restores its own state from the same
    /// snapshot.
    pub fn new(config: Config, recovered: &Recovered) -> Raft {
        let (log, promised) = Log::recover(recovered);
        let applied = log.start();
        let first = config.peers.iter().copied().chain([config.id]);
        let first = if config.joins { Members::default() } else { Members::first(first) };
        let membership = Membership::new(recovered, first);
        let store = Store {
            id: config.id,
            generation: promised.generation.max(log.last_term().generation),
            committed: membership::known_committed(&log, recovered),
            log,
            promised,
            members: membership.members.as_ref().map(conf_state).unwrap_or_default(),
            snapshot: None,
            snapshot_wanted: Cell::new(false),
        };
        let election_tick = config.timers.election_ticks();
        let crates = raft::Config {
            id: u64::from(config.id.0),
            election_tick,
            heartbeat_tick: Timers::HEARTBEAT_TICKS,
            applied: applied.0,
            max_size_per_msg: APPEND_BYTES_MAX,
            max_inflight_msgs: APPENDS_UNANSWERED_MAX,
            check_quorum: !planted(Bug::LeadsUnheard),
            pre_vote: true,
            // Followers learn what is committed with the next append or heartbeat.
            skip_bcast_commit: true,
            batch_append: true,
            ..raft::Config::default()
        };
        let silent = slog::Logger::root(slog::Discard, slog::o!());
        let node = RawNode::new(&crates, store, &silent);
        let mut raft = Raft {
            node: node.expect("timers and members are those of a replica"),
            config,
            disk: Disk::default(),
            clock: Clock::default(),
            barriers: Barriers::default(),
            transfers: Transfers::default(),
            membership,
            held: Vec::new(),
            applied,
            announced: Announced::Following(None),
            catch_up: CatchUp::default(),
            unreachable: BTreeSet::new(),
            lost: false,
        };
        raft.set_timeout();
        raft
    }

    fn leads(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    /// The term that this replica leads in, if it does.
    fn own_term(&self) -> Term {
        self.term_led_by(self.config.id)
    }

    fn term_led_by(&self, node: NodeId) -> Term {
        let generation = self.node.store().generation;
        Term { generation, number: self.node.raft.term, node }
    }

    fn others(&self) -> impl Iterator<Item = NodeId> + use<> {
        let mut ids: Vec<NodeId> =
            self.node.raft.prs().iter().map(|(id, _)| node_id(*id)).collect();
        ids.retain(|id| *id != self.config.id);
        ids.sort_unstable();
        ids.into_iter()
    }

    fn send(&self, to: NodeId, said: Said) -> Effect {
        let generation = self.node.store().generation;
        send(to, Message { generation, term: self.node.raft.term, said })
    }

    fn on_barrier(&mut self, tag: u64, out: &mut Vec<Effect>) {
        if self.announced != Announced::Leading || tag == 0 {
            out.push(Effect::Failed(tag));
        } else if planted(Bug::StaleLeaderRead) {
            out.push(Effect::Passed(tag));
        } else {
            self.barriers.ask(tag);
            self.node.read_index(translate::context_of(tag));
        }
    }

    fn on_link(&mut self, now: Time, peer: NodeId, up: bool, out: &mut Vec<Effect>) {
        if up {
            self.unreachable.remove(&peer);
            return;
        }
        self.unreachable.insert(peer);
        if self.leads() {
            if !planted(Bug::LinkUnreported) {
                self.node.report_unreachable(u64::from(peer.0));
            }
            self.end_transfer(peer, SnapshotStatus::Failure);
        } else if self.node.raft.leader_id == u64::from(peer.0) {
            self.node.raft.leader_id = raft::INVALID_ID;
            self.hurry(now, Some(peer));
            self.campaign_if_due(now, out);
        }
    }

    /// Another leader's term is in force at the arbiter: a majority elected it.
    fn on_refused(&mut self, term: Term) {
        if self.leads() && term > self.own_term() {
            self.node.raft.become_follower(self.node.raft.term, raft::INVALID_ID);
        }
    }
}

impl Engine for Raft {
    fn step(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        if input == Input::Start {
            self.start_clock(now);
        } else {
            self.pass_time(now, input == Input::Timer);
        }
        match input {
            Input::Start => {
                self.write_members(out);
                self.tell_members(out);
                self.campaign_if_due(now, out);
            }
            Input::Timer => {
                self.campaign_if_due(now, out);
                self.send_pieces_again(now, out);
            }
            Input::Receive { from, message: engine::Message::Raft(message) } => {
                self.on_receive(now, from, message, out);
            }
            Input::Receive {
                message: engine::Message::PrimaryBackup(_) | engine::Message::Paxos(_),
                ..
            } => {}
            Input::Persisted { upto } => self.disk.confirmed(upto),
            Input::Propose(commands) => self.on_propose(commands),
            Input::Barrier(tag) => self.on_barrier(tag, out),
            // Who leads is not for others to choose.
            Input::Lead { .. } | Input::Follow { .. } => {}
            Input::Viewed(Viewed::Refused(view)) => self.on_refused(view.term),
            Input::Viewed(Viewed::Granted(_) | Viewed::Unknown) => {}
            Input::Snapshot(snapshot) => self.on_snapshot(snapshot),
            Input::Checkpointed { index } => self.on_checkpointed(now, index, out),
            Input::NotInstalled { index } => self.on_not_installed(now, index),
            Input::Link { peer, up } => self.on_link(now, peer, up, out),
            Input::HandOver => self.on_hand_over(),
            Input::Change { tag, change } => self.on_change(tag, change, out),
        }
        self.drain(now, out);
        self.install_if_complete(out);
        let leads = self.announced == Announced::Leading;
        self.catch_up.look(leads, &self.node.store().log, self.applied);
    }

    fn next_timer(&self) -> Option<Time> {
        self.next_due()
    }

    fn status(&self) -> Status {
        let raft = &self.node.raft;
        let role = match raft.state {
            StateRole::Leader => "leader",
            StateRole::Follower => "follower",
            StateRole::Candidate | StateRole::PreCandidate => "candidate",
        };
        let leader = Some(node_id(raft.leader_id)).filter(|id| *id != NodeId::NONE);
        let members = self.membership.members.as_ref();
        let followers = self.others().filter(|_| self.leads());
        Status {
            engine: "raft".to_string(),
            role: match self.has_left() {
                true if self.lost => "lost",
                true => "removed",
                false => role,
            }
            .to_string(),
            term: self.term_led_by(leader.unwrap_or(NodeId::NONE)),
            leader,
            in_sync: members.map(|of| of.voters.iter().copied().collect()).unwrap_or_default(),
            last: Index(raft.raft_log.last_index()),
            committed: Index(raft.raft_log.committed),
            followers: followers.map(|peer| (peer, self.matched(peer))).collect(),
            members: members.map(ToString::to_string),
        }
    }

    fn has_caught_up(&self) -> bool {
        self.catch_up.is_done()
    }

    fn log(&self) -> &Log {
        &self.node.store().log
    }

    fn checkpoint(&mut self, snapshot: Snapshot) -> Checkpoint {
        self.installed(snapshot.index);
        let kept = self.config.entries_kept;
        let store = self.node.mut_store();
        let tail = store.log.from(snapshot.index.next(), usize::MAX).to_vec();
        store.log.compact(Index(snapshot.index.0.saturating_sub(kept)));
        let (promised, accepted) = (store.promised, Term::ZERO);
        let mut members = self.membership.members.clone();
        if planted(Bug::MembersForgotten) {
            members = None;
        }
        Checkpoint { promised, snapshot, tail, accepted, members }
    }
}

impl fmt::Debug for Raft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raft").field("status", &self.status()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
