//! A follower: copies the leader's log, answers when it is on disk.

use std::iter;

use crate::engine::Effect;
use crate::log::{Entry, Index, Record};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};
use crate::time::Time;

use super::transfer::{Incoming, Installing};
use super::{ENTRIES_PER_MESSAGE_MAX, Message, PrimaryBackup, Role};

/// What only a follower knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Follower {
    /// When to ask the others for what was missed, unless a leader is heard before.
    pub ask_at: Time,
    /// A snapshot that is arriving.
    pub incoming: Option<Incoming>,
    /// A snapshot that is being written to disk; appends wait.
    pub installing: Option<Installing>,
    /// Until then no snapshot is accepted: the last one could not be read.
    pub rest_until: Time,
    /// Whether it was said that the leader's history is another one.
    pub said_apart: bool,
}

/// The fields of [`Message::Append`].
pub(super) struct Append {
    pub term: Term,
    pub previous: Index,
    pub previous_term: Term,
    pub entries: Vec<Entry>,
    pub committed: Index,
    pub barrier: u64,
}

impl PrimaryBackup {
    /// A returning replica asks all others for what it missed.
    pub(super) fn ask_all(&mut self, now: Time, effects: &mut Vec<Effect>) {
        for peer in self.config.peers.clone() {
            self.ask(peer, effects);
        }
        let ask_at = now + self.config.timers.suspicion;
        if let Role::Follower(follower) = &mut self.role {
            follower.ask_at = ask_at;
        }
    }

    pub(super) fn ask(&self, peer: NodeId, effects: &mut Vec<Effect>) {
        let message = Message::Ask { last: self.log.last(), last_term: self.log.last_term() };
        self.send(peer, message, effects);
    }

    pub(super) fn on_timer_as_follower(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if let Role::Follower(follower) = &self.role
            && now >= follower.ask_at
        {
            self.ask_all(now, effects);
        }
        self.on_timer_in_election(now, effects);
    }

    /// The frontend says who leads. Under a view that is only a hint; naive believes it.
    pub(super) fn on_follow(&mut self, leader: NodeId, effects: &mut Vec<Effect>) {
        if leader == self.config.id {
            return;
        }
        match &self.role {
            Role::Leader(_) if self.naive() => self.step_down(Some(leader), effects),
            Role::Leader(_) => {}
            Role::Follower(_) => {
                if self.naive() {
                    self.election = None;
                }
                if self.leader != Some(leader) {
                    self.leader = Some(leader);
                    effects.push(Effect::Following { leader: Some(leader) });
                }
            }
        }
    }

    /// Makes this replica a follower of a term that a leader has shown. Returns false if the term
    /// is old, after saying so to its leader (which steps down; naive's, having no fence, goes on).
    pub(super) fn follow(
        &mut self,
        now: Time,
        from: NodeId,
        term: Term,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.is_old(term) {
            let reject = Message::Reject { promised: self.promised, last: self.committed };
            self.send(from, reject, effects);
            return false;
        }
        let succeeded = self.election.as_ref().is_some_and(|election| election.after < term);
        let gave_up = term > self.promised && self.election.is_some() || succeeded;
        if gave_up {
            self.election = None;
        }
        self.promise(term, effects);
        match &mut self.role {
            Role::Leader(leader) => {
                assert_ne!(leader.term, term, "a term has one leader, {from} is a second one");
                self.step_down(Some(from), effects);
            }
            Role::Follower(_) => {}
        }
        // Whoever wanted this replica to lead is told too, though the leader may be the same.
        if self.leader != Some(from) || gave_up {
            self.leader = Some(from);
            effects.push(Effect::Following { leader: Some(from) });
        }
        let ask_at = now + self.config.timers.suspicion;
        if let Role::Follower(follower) = &mut self.role {
            follower.ask_at = ask_at;
        }
        self.answered_in_election(now, from, effects);
        // That was perhaps the last answer that naive waited for, and it leads now.
        matches!(self.role, Role::Follower(_))
    }

    pub(super) fn on_append(
        &mut self,
        now: Time,
        from: NodeId,
        append: Append,
        effects: &mut Vec<Effect>,
    ) {
        if !self.follow(now, from, append.term, effects) {
            return;
        }
        self.catch_up.heard(append.term, append.committed);
        if let Role::Follower(Follower { installing: Some(_), .. }) = &self.role {
            return;
        }
        if self.is_apart(&append) {
            self.warn_apart(from, effects);
            return;
        }
        if let Some(last) = self.mismatch(&append) {
            let reject = Message::Reject { promised: self.promised, last };
            self.send(from, reject, effects);
            return;
        }
        let matched = Index(append.previous.0 + append.entries.len() as u64);
        let wrote = self.store(append.entries, effects);
        self.committed = self.committed.max(append.committed.min(matched));
        // An acknowledgement speaks of what is on disk: after a Persist in this list it waits for
        // that; else it must not claim what is still on its way there.
        let synced = wrote || planted(Bug::AckUnsynced);
        let matched = if synced { matched } else { matched.min(self.disk.durable()) };
        if wrote || self.disk.has_promise() {
            let (term, barrier) = (append.term, append.barrier);
            self.send(from, Message::Acknowledge { term, matched, barrier }, effects);
        }
        self.apply(effects);
    }

    /// Whether the leader's history is another one before this replica's snapshot. Only after an
    /// unclean election: what a snapshot stands for was committed.
    fn is_apart(&self, append: &Append) -> bool {
        let entries = append.entries.iter().map(|entry| (entry.index, entry.term));
        let mut shown = iter::once((append.previous, append.previous_term)).chain(entries);
        shown.any(|(index, term)| {
            let own = self.log.term_at(index);
            // The term of what is compacted is forgotten; it was at most that of what follows.
            let other = own.map_or(term > self.log.start_term(), |own| own != term);
            index <= self.snapshot && other
        })
    }

    fn warn_apart(&mut self, leader: NodeId, effects: &mut Vec<Effect>) {
        let Role::Follower(follower) = &mut self.role else { return };
        if !std::mem::replace(&mut follower.said_apart, true) {
            effects.push(Effect::Warn(format!(
                "the history of leader {leader} is another one before this replica's snapshot at \
                 {}, after an unclean election: it cannot follow; start it with an empty folder",
                self.snapshot
            )));
        }
    }

    /// If `previous` does not fit this log: where the logs may be equal.
    fn mismatch(&self, append: &Append) -> Option<Index> {
        if append.previous < self.log.start() {
            return None;
        }
        match self.log.term_at(append.previous) {
            Some(_) if planted(Bug::CatchUpByIndex) => None,
            Some(term) if term == append.previous_term => None,
            None => Some(self.log.last()),
            Some(conflicting) => {
                // Skip the whole conflicting term at once, never below what stays.
                let mut last = append.previous.previous();
                let gives_up = self.may_lose() || planted(Bug::CommittedChanges);
                let floor = if gives_up { self.snapshot } else { self.committed };
                while last > floor && self.log.term_at(last) == Some(conflicting) {
                    last = last.previous();
                }
                Some(last.max(floor))
            }
        }
    }

    /// Appends what is new, after truncating what conflicts. Returns whether anything was written.
    pub(super) fn store(&mut self, entries: Vec<Entry>, effects: &mut Vec<Effect>) -> bool {
        let mut wrote = false;
        for entry in entries {
            if entry.index <= self.log.start() {
                continue;
            }
            match self.log.term_at(entry.index) {
                Some(_) if planted(Bug::CatchUpByIndex) => continue,
                Some(term) if term == entry.term => continue,
                Some(_) => self.truncate(entry.index, effects),
                None => {}
            }
            self.log.append(entry.clone());
            self.disk.persist(Record::Append(entry), effects);
            wrote = true;
        }
        wrote
    }

    /// Forgets entries that another history replaces. Under a view nothing committed can be among
    /// them; naive (and an unclean election) names each entry that goes.
    fn truncate(&mut self, from: Index, effects: &mut Vec<Effect>) {
        if self.may_lose() {
            self.discard(from, effects);
        }
        assert!(
            from > self.committed || planted(Bug::CommittedChanges),
            "entry {from} is committed (up to {}) and would change",
            self.committed
        );
        self.log.truncate(from);
        self.disk.persist(Record::Truncate(from), effects);
    }

    /// Names every entry from `from` on. Whether one was acknowledged is not known for certain:
    /// another leader may have placed it, acknowledged it and died, and what was known to be
    /// committed is forgotten in a restart.
    fn discard(&mut self, from: Index, effects: &mut Vec<Effect>) {
        let before = from.previous();
        let first = self.applied.min(before).next();
        let entries = self.log.from(first, usize::MAX).to_vec();
        effects.push(Effect::Discard { entries, from, committed: self.committed });
        self.applied = self.applied.min(before);
        self.committed = self.committed.min(before);
    }

    /// Another replica returns, or shall lead: what does it lack?
    pub(super) fn on_ask(
        &mut self,
        now: Time,
        from: NodeId,
        last: Index,
        last_term: Term,
        effects: &mut Vec<Effect>,
    ) {
        if matches!(self.role, Role::Leader(_)) {
            self.on_ask_as_leader(now, from, last, last_term, effects);
            return;
        }
        let entries = if self.log.term_at(last) == Some(last_term) {
            let limit = self.log.from(last.next(), ENTRIES_PER_MESSAGE_MAX);
            limit.iter().take_while(|e| e.index <= self.disk.durable()).cloned().collect()
        } else {
            Vec::new()
        };
        let share = Message::Share { previous: last, previous_term: last_term, entries };
        self.send(from, share, effects);
    }

    pub(super) fn on_share(
        &mut self,
        now: Time,
        from: NodeId,
        previous: Index,
        previous_term: Term,
        entries: Vec<Entry>,
        effects: &mut Vec<Effect>,
    ) {
        match &self.role {
            Role::Leader(_) | Role::Follower(Follower { installing: Some(_), .. }) => return,
            Role::Follower(_) => {}
        }
        let fits = previous == self.log.last() && previous_term == self.log.last_term();
        let more = entries.len() == ENTRIES_PER_MESSAGE_MAX;
        if fits && !entries.is_empty() {
            self.store(entries, effects);
            self.promise(self.log.last_term(), effects);
        }
        if fits && more {
            self.ask(from, effects);
        } else {
            self.answered_in_election(now, from, effects);
        }
    }
}
