//! Paxos: a majority agrees on the log, without an arbiter. The protocol is Sequence Paxos with the
//! election of Omni-Paxos (Ng, Haridi, Carbone 2023), from crate `omnipaxos`; what it leaves to its
//! user is here: disk, links, snapshots, reads, and a watch on whether it gets anywhere.
//!
//! # The idea
//!
//! A log is a sequence, and Paxos agrees on one that only grows. A would-be leader takes a number
//! that is higher than any it knows (its *ballot*; here [`Term`]) and goes through two phases:
//!
//! 1. *Prepare.* It asks all for a promise to listen to no lower number. Whoever promises says
//!    under which number its log was accepted, and shows what the candidate lacks. With the
//!    promises of a majority the candidate takes the log of the highest number, the longest of
//!    these: whatever was decided before is in it, since a majority had it.
//! 2. *Accept.* It makes the others' logs equal to its own, and from then on only appends. What a
//!    majority has on disk under its number is decided.
//!
//! An election and a command, from `testscripts/election` and `testscripts/replication`:
//!
//! ```text
//! 3: persist promise 0.1@3
//! 3 -> 2: #1 prepare 0.1@3: accepted 0.0@0 last 0 decided 0
//! 2: persist promise 0.1@3
//! 2 -> 3: #1 promise 0.1@3: accepted 0.0@0 last 0 decided 0    two of three: a majority
//! 3: persist append 1:0.1@3+0B                                 Lead, its first entry
//! 3 -> 2: #2 take over 0.1@3 after 0 [1:0.1@3+0B] decided 0
//! 2 -> 3: #2 accepted 0.1@3 up to 1                            on 2's disk
//! 3: apply 1:0.1@3+0B Lead
//! 3: leading 0.1@3
//!
//! 3 -> 2: #4 accept 0.1@3 [2:0.1@3+3B] decided 1               while 3's own disk writes
//! 2 -> 3: #3 accepted 0.1@3 up to 2
//! 3: apply 2:0.1@3+3B tux
//! ```
//!
//! # The rules
//!
//! 1. *Nothing is said that relies on a disk before it is there.* Promises, votes and whole
//!    histories wait in the link (`links`) until their records are durable. Only a leader's own
//!    entries travel earlier: the votes of others for them are counted when this disk has them too
//!    (`reign`).
//! 2. *A history is taken over completely or not at all*, also by a crash in the middle
//!    (`storage`).
//! 3. *Links keep the order, and loss is told* (`links`). What comes from another life of a
//!    process is not heard.
//! 4. *A snapshot takes the place of a log as a restart would find it*, and is no vote for anything
//!    (`transfer`). Nothing that begins in what is compacted away is ever sent.
//! 5. *An entry keeps the term under which it was first placed.* So two logs with an entry of the
//!    same index and term are equal up to it, and a leader serves when its first entry, `Lead`, is
//!    decided, on its disk, and applied.
//! 6. *A read asks a majority whether it has promised a higher term* (`reign`).
//! 7. *Who hears no leader asks whether others do*, before it tries to lead; a leader that hears no
//!    majority says so, and disturbs nobody when it returns (`watch`).
//! 8. *Nothing that a peer says makes the crate panic*: what it believes is checked (`gate`).
//!
//! What is decided is not written down. After a restart it begins at the snapshot and is learned
//! again: it is a lower bound wherever it is used, and entries are applied from the snapshot on
//! anyway.
//!
//! # What was found on the way
//!
//! The crate's own snapshots lose decided entries (0.2.4: the follower's base is made after its
//! decided index was raised), and its `trim` lets a leader read below what is compacted; so neither
//! is used. It writes a new accepted round before the history that belongs to it, which is safe
//! only if both are written atomically. A first form of this engine counted what a replica says to
//! have stored also after a snapshot; then the deposed leader of an older term got a vote for an
//! entry of its own, and decided another one at that index. It took a random walk of 2000 steps,
//! one in some thirty thousand, to find it.
//!
//! A follower that has accepted a history hears neither another question for its promise nor
//! another history: a leader that repeats both believes that it has everything, and waits for votes
//! that never come (walk 225760). So the leader says too how long its log is, and who has less for
//! a while begins anew. And one that had a snapshot only, in a group whose leader began with
//! nothing, was offered that snapshot again and again (walk 651476).
//!
//! # What is left out, and what it costs
//!
//! - *Membership is fixed.* The crate's StopSign stops an instance and starts another; no message
//!   of it is sent or heard.
//! - *Proposals are not passed on* to the leader, since they can vanish on their way: whoever
//!   offers one must know the leader.
//! - *A replica that follows later than the others gets everything after what it knows to be
//!   decided*, though its log may have some of that: after a restart up to a checkpoint's distance,
//!   twice. The crate's bookkeeping of what fits is trusted only within one term.
//! - *A replica that reaches a majority but not the leader* stays behind until it does.
//! - *No leases:* every read barrier costs a round trip, though not a write.
//! - *A log of another engine* can be taken over only if all replicas begin with the same one:
//!   there is no accepted term that says which is the better.
//! - *A wiped disk* must not come back under its old id: it would forget its promises. Where a peer
//!   still knows of one, it says so, and the replica warns and takes no part any more.
//! - An election waits until nobody in a majority has heard a leader for 900 ms: a silent one is
//!   replaced after 650 to 950 ms. A refused connection makes it 10 to 50 ms.

mod disk;
mod gate;
mod links;
pub mod message;
mod out;
mod protocol;
mod reign;
mod storage;
mod transfer;
mod translate;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use message::Message;
pub use watch::Timers;

use crate::catch_up::CatchUp;
use crate::engine::{self, Effect, Engine, Input, Status, Viewed};
use crate::log::{Checkpoint, Index, Log, Record, Recovered, Snapshot};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};
use crate::time::Time;
use disk::Disk;
use links::Link;
use message::Life;
use out::Out;
use protocol::Protocol;
use reign::Reign;
use transfer::{Incoming, Installing, Piece};
use watch::{Heard, Rounds, Watch};

/// The log, the promise and the accepted term that a disk holds, for whoever reads one that no
/// process runs on.
pub fn on_disk(recovered: &Recovered) -> (Log, Term, Term) {
    let (state, _) = storage::replay(recovered);
    (state.log, state.promised, state.accepted)
}

/// One replica's place in the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// This replica.
    pub id: NodeId,
    /// The others, in rising order; at least one.
    pub peers: Vec<NodeId>,
    /// How long to wait for what.
    pub timers: Timers,
    /// Entries kept in memory behind a snapshot.
    pub entries_kept: u64,
    /// Moves this replica's ticks by a part of one, so that they do not all come at once.
    pub seed: u64,
}

/// One replica.
#[derive(Debug)]
pub struct Paxos {
    config: Config,
    protocol: Protocol,
    disk: Disk,
    /// What the disk had at the start.
    life: Life,
    /// What undoes a change on the disk that a crash broke off.
    undo: Vec<Record>,
    /// One for each peer.
    links: BTreeMap<NodeId, Link>,
    rounds: Rounds,
    watch: Watch,
    /// Invariant: applied <= decided, applied <= what is on this disk.
    applied: Index,
    /// What is known of the leader.
    heard: Heard,
    /// What was promised when this instance of the protocol began: a term of its own that is found
    /// on the disk is not resumed.
    found: Term,
    /// Who leads, as the service was told.
    leader: Option<NodeId>,
    /// Where this replica leads.
    reign: Option<Reign>,
    catch_up: CatchUp,
    /// A candidate needs what is compacted away here.
    wants_to_lead: bool,
    /// A snapshot on its way here.
    incoming: Option<Incoming>,
    /// One on its way to the disk: nothing is heard meanwhile.
    installing: Option<Installing>,
    /// Until then no snapshot is accepted: the last one could not be read.
    rest_until: Time,
    /// Whether this disk was found to have lost a promise: then it takes no part any more.
    lost: bool,
}

impl Paxos {
    /// A replica with what was found on its disk. The service restores its own state from the same
    /// snapshot.
    ///
    /// # Panics
    /// If there are no peers: one replica alone is `single`.
    pub fn new(config: Config, recovered: &Recovered) -> Paxos {
        assert!(!config.peers.is_empty(), "one replica alone needs no Paxos");
        let (state, undo) = storage::replay(recovered);
        let applied = state.decided;
        let life = Life {
            started: 0,
            promised: state.promised.number,
            records: recovered.records.len() as u64,
        };
        let found = state.promised;
        let generation = found.generation;
        Paxos {
            disk: Disk::holding(state.log.last()),
            protocol: Protocol::new(&config, generation, state),
            life,
            undo,
            links: config.peers.iter().map(|peer| (*peer, Link::default())).collect(),
            rounds: Rounds::default(),
            watch: Watch::default(),
            applied,
            heard: Heard::default(),
            found,
            leader: None,
            reign: None,
            catch_up: CatchUp::default(),
            wants_to_lead: false,
            incoming: None,
            installing: None,
            rest_until: Time(0),
            lost: false,
            config,
        }
    }

    fn on_start(&mut self, now: Time, out: &mut Out) {
        // Unlike the life that nobody knows.
        self.life.started = now.0.saturating_add(1);
        self.heard.started = now;
        for record in std::mem::take(&mut self.undo) {
            self.disk.persist(record, &mut out.persists);
        }
        let tick = self.config.timers.tick;
        let micros = u64::try_from(tick.as_micros()).unwrap_or(u64::MAX).max(1);
        self.watch.next_tick = Time(now.0.saturating_add(self.config.seed % micros)) + tick;
    }

    fn on_receive(&mut self, now: Time, from: NodeId, message: Message, out: &mut Out) {
        let generation = self.protocol.generation();
        match message {
            Message::Ask { round, life, yours, sent, promised } => {
                self.look_for_loss(promised, out);
                if !self.lost {
                    self.on_ask(from, round, life, yours, sent);
                }
            }
            Message::Answer { to, life, beat, decided, stored } => {
                if to == self.life && gate::is_beat(&beat, from, generation) {
                    self.on_answer(now, from, beat, (life, decided, stored));
                    if let Some((term, last)) = stored {
                        self.on_stored(from, term, last);
                    }
                }
            }
            Message::Frame { from: from_life, to, number, body } => {
                self.on_frame(from, (from_life, to), number, body);
            }
            Message::Probe { term, number } => self.on_probe(from, term, number, out),
            Message::Affirm { term, number } => self.on_affirm(from, term, number, out),
            Message::LeadNow { term } => self.on_lead_now(from, term),
            Message::Piece { term, index, index_term, offset, total, bytes } => {
                let piece = Piece { term, index, index_term, offset, total, bytes };
                self.on_piece(now, from, piece, out);
            }
            Message::Arrived { term, index, upto } => {
                self.on_arrived(now, from, (term, index), upto, out);
            }
        }
    }

    /// Takes out of the protocol what the input made of it, and what follows from that.
    fn settle(&mut self, now: Time, out: &mut Out) {
        while self.installing.is_none() {
            self.hear_leader(now);
            let records = self.protocol.records();
            let said = self.protocol.said();
            if records.is_empty() && said.is_empty() {
                break;
            }
            for record in records {
                self.disk.persist(record, &mut out.persists);
            }
            for (to, said) in said {
                self.say(now, to, said, out);
            }
            if std::mem::take(&mut self.wants_to_lead) {
                self.try_to_lead();
            }
            self.follow_protocol(out);
        }
        // Leadership can end without a word.
        self.follow_protocol(out);
        if self.installing.is_none() {
            self.apply(out);
        }
        self.tell_leader(out);
        self.release(out);
    }
}

impl Engine for Paxos {
    fn step(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        let mut out = Out::default();
        if input != Input::Start && !self.lost {
            // Time passes also where the timer comes late.
            self.on_time(now, &mut out);
        }
        match input {
            Input::Start => self.on_start(now, &mut out),
            Input::Receive { from, message: engine::Message::Paxos(message) } => {
                let hears = self.installing.is_none() && !self.lost;
                if hears && self.config.peers.contains(&from) {
                    self.on_receive(now, from, message, &mut out);
                }
            }
            Input::Persisted { upto } => {
                self.disk.persisted(upto);
                self.count_stored();
            }
            Input::Propose(commands) => self.on_propose(commands),
            Input::Barrier(tag) => self.on_barrier(tag, &mut out),
            Input::Snapshot(snapshot) => self.on_snapshot(now, snapshot, &mut out),
            Input::Checkpointed { index } => self.on_checkpointed(index),
            Input::NotInstalled { index } => self.on_not_installed(now, index),
            Input::Link { peer, up } => self.on_link(now, peer, up),
            Input::HandOver => self.on_hand_over(&mut out),
            Input::Change { tag, .. } => out.tells.push(engine::fixed(tag)),
            Input::Viewed(Viewed::Refused(view)) => self.on_refused(view.term, &mut out),
            // Time has passed above; and others' messages, and what an arbiter has to say.
            Input::Timer
            | Input::Receive {
                message: engine::Message::PrimaryBackup(_) | engine::Message::Raft(_),
                ..
            }
            | Input::Lead { .. }
            | Input::Follow { .. }
            | Input::Viewed(Viewed::Granted(_) | Viewed::Unknown) => {}
        }
        self.settle(now, &mut out);
        self.look_how_far();
        effects.append(&mut out.sends);
        effects.append(&mut out.persists);
        effects.append(&mut out.tells);
    }

    fn next_timer(&self) -> Option<Time> {
        (!self.lost).then(|| self.watch.next_timer())
    }

    fn status(&self) -> Status {
        let promised = self.protocol.promised();
        let (role, followers) = match &self.reign {
            _ if self.lost => ("lost", Vec::new()),
            Some(reign) if reign.leading => ("leader", reign.followers()),
            Some(_) => ("candidate", Vec::new()),
            None if promised.node == self.config.id => ("candidate", Vec::new()),
            None => ("follower", Vec::new()),
        };
        Status {
            engine: "paxos".to_string(),
            role: role.to_string(),
            term: promised,
            leader: self.leader,
            in_sync: Vec::new(),
            last: self.protocol.log().last(),
            committed: self.protocol.decided(),
            followers,
            members: None,
        }
    }

    fn has_caught_up(&self) -> bool {
        self.catch_up.is_done()
    }

    fn log(&self) -> &Log {
        self.protocol.log()
    }

    fn checkpoint(&mut self, snapshot: Snapshot) -> Checkpoint {
        match self.installing {
            Some(installing) if installing.index == snapshot.index => self.install(installing),
            Some(_) | None => {
                let kept = snapshot.index.0.saturating_sub(self.config.entries_kept);
                self.protocol.compact(Index(kept));
            }
        }
        let tail = self.protocol.log().from(snapshot.index.next(), usize::MAX).to_vec();
        let accepted = self.protocol.accepted();
        let forgotten = planted(Bug::PromiseForgotten);
        let promised: Term = if forgotten { accepted } else { self.protocol.promised() };
        Checkpoint { promised, snapshot, tail, accepted, members: None }
    }
}
