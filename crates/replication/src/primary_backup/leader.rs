//! A leader: appends commands, sends them to its followers before its own disk has them, and
//! commits what every member of the view has on disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::engine::Effect;
use crate::log::{Entry, Index, Log, Record, Snapshot};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term, View};
use crate::time::Time;

use super::follower::Follower;
use super::members::Change;
use super::progress::Progress;
use super::{ENTRIES_PER_MESSAGE_MAX, Message, PrimaryBackup, Role, Timers, send};

/// Entries that may be under way to one follower before it has acknowledged any of them.
const ENTRIES_UNDER_WAY_MAX: u64 = 8192;

/// What only a leader knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leader {
    pub term: Term,
    /// Where this term's `Lead` entry stands.
    pub lead: Index,
    /// Whether `lead` is committed: only then is the service told that it leads.
    pub leading: bool,
    pub followers: BTreeMap<NodeId, Progress>,
    /// Invariant: the in-sync set of the newest view that the arbiter is known to have granted.
    pub in_sync: BTreeSet<NodeId>,
    /// A change of the view under way; at most one.
    pub change: Option<Change>,
    /// A follower outside the view that has almost everything: commits wait for it already, so
    /// that it can have all of it while more keeps coming.
    pub catching_up: Option<NodeId>,
    /// Counts read barriers.
    pub barrier: u64,
    /// (barrier, the service's tag) in order.
    pub barriers: VecDeque<(u64, u64)>,
    pub heartbeat_at: Time,
    /// Kept while some follower needs it.
    pub snapshot: Option<Snapshot>,
    /// Whether the service was asked for one.
    pub snapshot_wanted: bool,
    /// Naive: since when it is known that somebody listens only to a higher term.
    pub outbid_since: Option<Time>,
}

impl Leader {
    pub(super) fn next_timer(&self) -> Time {
        let retry = self.change.as_ref().and_then(|change| change.retry_at);
        self.heartbeat_at.min(retry.unwrap_or(Time(u64::MAX)))
    }

    /// Whoever may lead next: the view's members, and the one that is on its way into it, since the
    /// view with it may be in force before this leader hears so.
    fn members(&self) -> impl Iterator<Item = NodeId> + '_ {
        let joining = self.change.as_ref().and_then(|change| change.joining);
        let joining = joining.filter(|_| !planted(Bug::JoinUnwaited));
        self.in_sync.iter().copied().chain(joining)
    }

    /// Sends a follower what it has not been sent yet; with `always`, a heartbeat if that is
    /// nothing.
    fn send_entries(
        &mut self,
        now: Time,
        to: NodeId,
        log: &Log,
        committed: Index,
        always: bool,
        effects: &mut Vec<Effect>,
    ) {
        let (term, barrier) = (self.term, self.barrier);
        let Some(progress) = self.followers.get_mut(&to) else { return };
        // Its place is not known: one frame with each heartbeat and each of its answers. A frame
        // for each new entry would repeat all that it lacks, and it may be hung.
        if progress.probing && !always {
            return;
        }
        let compacted = progress.next.previous() < log.start();
        let mut heartbeat = always;
        loop {
            let previous = if compacted { log.start() } else { progress.next.previous() };
            let window = ENTRIES_UNDER_WAY_MAX
                .saturating_sub(previous.0 - progress.matched.0.min(previous.0));
            let limit = if compacted || progress.snapshot_bytes.is_some() {
                0
            } else {
                ENTRIES_PER_MESSAGE_MAX.min(usize::try_from(window).unwrap_or(usize::MAX))
            };
            let entries = log.from(previous.next(), limit).to_vec();
            if entries.is_empty() && !heartbeat {
                break;
            }
            heartbeat = false;
            let count = entries.len() as u64;
            let previous_term = log.term_at(previous).expect("previous is in the log");
            let append =
                Message::Append { term, previous, previous_term, entries, committed, barrier };
            effects.push(send(to, append));
            progress.sent = now;
            if progress.probing || count == 0 {
                break;
            }
            progress.next = Index(progress.next.0 + count);
        }
    }
}

impl PrimaryBackup {
    /// The view is granted (naive: taken): lead.
    pub(super) fn become_leader(&mut self, now: Time, view: View, effects: &mut Vec<Effect>) {
        if view.term <= self.promised && !self.naive() && !planted(Bug::ForgottenVote) {
            // A newer leader was heard while the arbiter's answer was under way.
            self.election = None;
            return;
        }
        self.election = None;
        self.leader = Some(self.config.id);
        let followers = self.new_progress(now);
        self.role = Role::Leader(Box::new(Leader {
            term: view.term,
            lead: Index(0),
            leading: false,
            followers,
            in_sync: view.in_sync,
            change: None,
            catching_up: None,
            barrier: 0,
            barriers: VecDeque::new(),
            heartbeat_at: now + self.config.timers.heartbeat,
            snapshot: None,
            snapshot_wanted: false,
            outbid_since: None,
        }));
        self.begin_term(now, view.term, effects);
    }

    /// Nothing is known of any follower.
    pub(super) fn new_progress(&self, now: Time) -> BTreeMap<NodeId, Progress> {
        let last = self.log.last();
        self.config.peers.iter().map(|peer| (*peer, Progress::new(now, last))).collect()
    }

    /// Promises the term and appends its `Lead` entry, an empty command. No message of the term
    /// leaves before the promise is on disk ([`PrimaryBackup::replicate_to`]): a leader that
    /// crashed in between would come back under the same term with another history.
    pub(super) fn begin_term(&mut self, now: Time, term: Term, effects: &mut Vec<Effect>) {
        self.promise(term, effects);
        let lead = self.log.last().next();
        if let Role::Leader(leader) = &mut self.role {
            leader.term = term;
            leader.lead = lead;
            leader.leading = false;
            leader.catching_up = None;
        }
        self.append(now, vec![Bytes::new()], effects);
    }

    pub(super) fn on_propose(
        &mut self,
        now: Time,
        commands: Vec<Bytes>,
        effects: &mut Vec<Effect>,
    ) {
        if matches!(self.role, Role::Leader(_)) {
            self.append(now, commands, effects);
        }
    }

    /// Frames to followers first, own disk second: they overlap.
    fn append(&mut self, now: Time, commands: Vec<Bytes>, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &self.role else { return };
        let term = leader.term;
        let first = self.log.last().next();
        for command in commands {
            self.log.append(Entry { index: self.log.last().next(), term, command });
        }
        self.replicate(now, false, effects);
        for entry in self.log.from(first, usize::MAX) {
            self.disk.persist(Record::Append(entry.clone()), effects);
        }
    }

    /// Sends every follower what it lacks, in id order (the order matters to nobody but the trace).
    pub(super) fn replicate(&mut self, now: Time, always: bool, effects: &mut Vec<Effect>) {
        for place in 0..self.config.peers.len() {
            self.replicate_to(now, self.config.peers[place], always, effects);
        }
    }

    pub(super) fn replicate_to(
        &mut self,
        now: Time,
        peer: NodeId,
        always: bool,
        effects: &mut Vec<Effect>,
    ) {
        let promised = self.disk.has_promise() || planted(Bug::TermUnsynced);
        if !promised || self.unreachable.contains_key(&peer) && !always {
            return;
        }
        let Role::Leader(leader) = &mut self.role else { return };
        leader.send_entries(now, peer, &self.log, self.committed, always, effects);
        self.transfer_if_needed(now, peer, effects);
    }

    pub(super) fn on_persisted_as_leader(&mut self, now: Time, upto: u64, out: &mut Vec<Effect>) {
        let waited = !self.disk.has_promise();
        self.disk.persisted(upto);
        if waited && self.disk.has_promise() {
            self.replicate(now, true, out);
        }
        self.advance_commit(now, out);
    }

    pub(super) fn on_timer_as_leader(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Timers { heartbeat, suspicion, .. } = self.config.timers;
        let Role::Leader(leader) = &mut self.role else { return };
        if now >= leader.heartbeat_at {
            if now.since(leader.heartbeat_at) * 2 >= suspicion {
                // This process itself was paused: that nobody was heard meanwhile says nothing.
                for progress in leader.followers.values_mut() {
                    progress.heard = now;
                    progress.moved = now;
                }
            }
            leader.heartbeat_at = now + heartbeat;
            self.replicate(now, true, effects);
            self.check_members(now, effects);
            // Whoever went silent while it was catching up is not waited for any more.
            self.advance_commit(now, effects);
        }
        self.retry_change(now, effects);
    }

    pub(super) fn on_acknowledge(
        &mut self,
        now: Time,
        from: NodeId,
        term: Term,
        matched: Index,
        barrier: u64,
        effects: &mut Vec<Effect>,
    ) {
        let last = self.log.last();
        let Role::Leader(leader) = &mut self.role else { return };
        if leader.term != term {
            return;
        }
        let Some(progress) = leader.followers.get_mut(&from) else { return };
        // No replica says so, but whoever has the token may, and what it does not have must not be
        // counted.
        if matched > last {
            let what = format!("replica {from} acknowledges {matched}, the log ends at {last}");
            effects.push(Effect::Warn(format!("{what}: not heard")));
            return;
        }
        progress.acknowledged(now, matched, barrier, last);
        self.forget_snapshot();
        self.replicate_to(now, from, false, effects);
        self.advance_commit(now, effects);
        self.pass_barriers(effects);
        self.check_members(now, effects);
    }

    pub(super) fn on_reject(
        &mut self,
        now: Time,
        from: NodeId,
        promised: Term,
        last: Index,
        effects: &mut Vec<Effect>,
    ) {
        let Role::Leader(leader) = &mut self.role else { return };
        if promised > leader.term {
            if self.naive() {
                self.outbid(now, promised, effects);
            } else {
                self.step_down(None, effects);
                self.promise(promised, effects);
            }
            return;
        }
        let Some(progress) = leader.followers.get_mut(&from) else { return };
        if progress.rejected(now, last) {
            self.replicate_to(now, from, true, effects);
        }
    }

    /// A replica asks what it missed: its log ends at `last`.
    pub(super) fn on_ask_as_leader(
        &mut self,
        now: Time,
        from: NodeId,
        last: Index,
        last_term: Term,
        effects: &mut Vec<Effect>,
    ) {
        let fits = self.log.term_at(last) == Some(last_term);
        let next = if fits { last.next() } else { last.min(self.log.last()).next() };
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.followers.get_mut(&from) else { return };
        progress.heard = now;
        progress.next = next;
        progress.probing = true;
        progress.snapshot_bytes = None;
        self.replicate_to(now, from, true, effects);
    }

    /// Commits up to the lowest index that every member of the view has on disk.
    pub(super) fn advance_commit(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let naive = self.naive();
        let me = self.config.id;
        let Role::Leader(leader) = &mut self.role else { return };
        let mut index = self.disk.durable();
        if !naive && !planted(Bug::AckBeforeReplicate) {
            let members = leader.members().chain(leader.catching_up);
            let counts = |id: &NodeId| {
                !planted(Bug::ReachableMajority) || !self.unreachable.contains_key(id)
            };
            for member in members.filter(|id| *id != me && counts(id)) {
                index = index.min(leader.followers.get(&member).map_or(Index(0), |p| p.matched));
            }
        }
        // Raft §5.4.2: an entry of an older term is committed only along with one of this term.
        if index > self.committed && (index >= leader.lead || planted(Bug::OldTermCommitted)) {
            self.committed = index;
            self.apply(effects);
        }
        let Role::Leader(leader) = &mut self.role else { return };
        if !leader.leading && (self.committed >= leader.lead || planted(Bug::LeadsEarly)) {
            leader.leading = true;
            effects.push(Effect::Leading(leader.term));
            self.check_members(now, effects);
        }
    }

    /// Raft §6.4: a read may be answered once every member of the view has confirmed, after the
    /// read began, that it listens to no newer term; the next leader will be one of them.
    pub(super) fn on_barrier(&mut self, now: Time, tag: u64, effects: &mut Vec<Effect>) {
        let naive = self.naive();
        let Role::Leader(leader) = &mut self.role else {
            effects.push(Effect::Failed(tag));
            return;
        };
        if !leader.leading {
            effects.push(Effect::Failed(tag));
            return;
        }
        if naive || planted(Bug::StaleLeaderRead) {
            effects.push(Effect::Passed(tag));
            return;
        }
        leader.barrier += 1;
        leader.barriers.push_back((leader.barrier, tag));
        self.pass_barriers(effects);
        if matches!(&self.role, Role::Leader(leader) if !leader.barriers.is_empty()) {
            self.replicate(now, true, effects);
        }
    }

    pub(super) fn pass_barriers(&mut self, effects: &mut Vec<Effect>) {
        let me = self.config.id;
        let Role::Leader(leader) = &mut self.role else { return };
        let others = leader.members().filter(|id| *id != me);
        let passed = others
            .map(|id| leader.followers.get(&id).map_or(0, |p| p.barrier))
            .min()
            .unwrap_or(leader.barrier);
        while let Some((barrier, tag)) = leader.barriers.front().copied()
            && barrier <= passed
        {
            leader.barriers.pop_front();
            effects.push(Effect::Passed(tag));
        }
    }

    /// Another leads, or may: nothing more is acknowledged under this term.
    pub(super) fn step_down(&mut self, leader: Option<NodeId>, effects: &mut Vec<Effect>) {
        if let Role::Leader(old) = &self.role {
            for (_, tag) in &old.barriers {
                effects.push(Effect::Failed(*tag));
            }
            self.role = Role::Follower(Follower::default());
            self.leader = leader;
            effects.push(Effect::Following { leader });
        }
    }
}
