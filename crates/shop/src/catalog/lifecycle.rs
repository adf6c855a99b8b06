//! The catalog's life: starting, and waiting for the last run's leases; restocking, forgetting
//! frontends, writing checkpoints; stopping.
//!
//! Part of [`Catalog`]; called by its `step`, which asks for everything that is due at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use replication::log::Snapshot;
use replication::planted::{Bug, planted};
use replication::protocol::HAND_OVER;
use replication::{Entry, Index, Term, Time, engine};

use super::command::{Command, ToyId};
use super::leases::Answered;
use super::{Catalog, Phase, Then};
use crate::invalidation::Invalidation;
use crate::message::Lease;
use crate::node::{Address, Effect};

/// A checkpoint after so many entries: replaying them takes a few milliseconds at start.
pub const CHECKPOINT_ENTRIES: u64 = 10_000;

/// Or after so many bytes of commands, in memory and on disk, whichever comes first.
pub const CHECKPOINT_BYTES: u64 = 4 * 1024 * 1024;

/// The most toys that one command restocks: as many as one call tells a frontend of, and no more
/// than are remembered for whoever asks what was restocked.
pub const RESTOCK_TOYS_MAX: usize = 256;

/// A frontend that has had no lease for so long is not coming back soon: its registration goes, so
/// that the next start of the catalog does not wait for it.
pub const UNREGISTER_AFTER: Duration = Duration::from_secs(60);

/// What is to be done from time to time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Chores {
    /// When to look for empty shelves.
    restock_at: Option<Time>,
    /// Whether a restock is on its way through the log.
    pub(super) restocking: bool,
    /// Registered frontends without a lease, since when.
    silent: BTreeMap<u8, Time>,
    /// The last applied entry.
    applied: (Index, Term),
    /// Entries applied since the last checkpoint, and the bytes of their commands.
    entries: u64,
    bytes: u64,
    /// Checkpoints that are being written.
    checkpointing: usize,
}

impl Chores {
    /// Nothing was done yet, on a state that stands here in the log.
    pub(super) fn after(index: Index, term: Term) -> Chores {
        Chores { applied: (index, term), ..Chores::default() }
    }

    /// The last applied entry.
    pub(super) fn applied(&self) -> (Index, Term) {
        self.applied
    }

    /// A checkpoint of the state that stands here is being written.
    pub(super) fn begin_checkpoint(&mut self, applied: (Index, Term)) {
        self.applied = applied;
        self.entries = 0;
        self.bytes = 0;
        self.checkpointing += 1;
    }

    /// Nothing is to be done from time to time by one that does not lead.
    pub(super) fn step_down(&mut self) {
        self.restock_at = None;
        self.restocking = false;
        self.silent.clear();
    }

    /// An entry is applied.
    pub(super) fn count(&mut self, entry: &Entry) {
        self.applied = (entry.index, entry.term);
        self.entries += 1;
        self.bytes += entry.command.len() as u64;
    }

    /// A checkpoint is on disk.
    pub(super) fn checkpointed(&mut self) {
        self.checkpointing = self.checkpointing.saturating_sub(1);
    }

    /// A frontend's registration is gone.
    pub(super) fn forget(&mut self, frontend: u8) {
        self.silent.remove(&frontend);
    }
}

impl Catalog {
    /// The new incarnation is durable. The leases of earlier ones are taken back: each registered
    /// frontend is told, and waited for as long as a lease that was granted at the last moment of
    /// the last run may last.
    ///
    /// Where there are other replicas, that moment is not the start of this process: the last
    /// leader granted until another was elected, and that was before this was committed. It grants
    /// nothing without a read barrier that began after it was asked, so what it answers later was
    /// asked before, and frontends count from there.
    pub(super) fn on_begun(&mut self, now: Time, effects: &mut Vec<Effect>) {
        // Recorded: it may be long, and is needed no more.
        self.config.toys = None;
        if self.phase != Phase::Starting {
            // It was asked to stop meanwhile.
            return;
        }
        self.visibility = super::Visibility::new(&self.stock);
        self.phase = Phase::Revoking;
        let alone = !self.group.has_peers() || planted(Bug::LeasesFromStart);
        let expires = if alone { self.started } else { now } + self.leases.wait();
        let frontends = self.stock.frontends();
        let leased = self.config.invalidation == Invalidation::Lease;
        let revokes = leased && !planted(Bug::LeasesUnrevoked);
        for (frontend, registration) in frontends {
            self.know(*frontend, effects);
            self.chores.silent.insert(*frontend, now);
            if revokes && expires > now {
                let below = self.stock.incarnation();
                self.leases.assume(*frontend, registration.incarnation, below, expires);
            }
        }
        self.proceed(now, effects);
    }

    /// Ends the leases that have run out.
    pub(super) fn lapse(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let lapsed = self.leases.lapsed(now);
        for frontend in &lapsed {
            self.end_lease(now, *frontend);
        }
        if !lapsed.is_empty() {
            self.visibility.answer_ready(now, &self.stock, effects);
            self.proceed(now, effects);
        }
    }

    /// A frontend certainly answers nothing from its cache any more.
    pub(super) fn end_lease(&mut self, now: Time, frontend: u8) {
        let toys = self.leases.end(frontend);
        if self.stock.frontends().contains_key(&frontend) {
            self.chores.silent.insert(frontend, now);
        }
        self.show(toys);
    }

    /// Grants or renews a lease.
    pub(super) fn grant(&mut self, now: Time, frontend: u8, incarnation: u64) -> Lease {
        self.chores.silent.remove(&frontend);
        self.leases.grant(now, self.stock.incarnation(), frontend, incarnation)
    }

    /// A frontend answered a call, or failed to.
    pub(super) fn on_answered(&mut self, now: Time, answered: Answered, effects: &mut Vec<Effect>) {
        match answered {
            Answered::Nothing => {}
            Answered::Dropped(toys) => self.show(toys),
            Answered::Ended(frontend) => self.release(now, frontend, effects),
        }
    }

    /// Ends a lease, and does what waited for that.
    pub(super) fn release(&mut self, now: Time, frontend: u8, effects: &mut Vec<Effect>) {
        self.end_lease(now, frontend);
        self.visibility.answer_ready(now, &self.stock, effects);
        self.proceed(now, effects);
    }

    pub(super) fn on_link(
        &mut self,
        now: Time,
        node: Address,
        up: bool,
        effects: &mut Vec<Effect>,
    ) {
        match node {
            Address::Frontend(frontend) if up => self.leases.reachable(frontend),
            Address::Catalog(peer) => {
                self.drive(now, engine::Input::Link { peer, up }, effects);
            }
            Address::Frontend(_) | Address::Order(_) => {}
        }
    }

    pub(super) fn on_disk_full(&mut self, now: Time, full: bool, effects: &mut Vec<Effect>) {
        self.disk_full = full;
        if full && self.phase == Phase::Closing {
            // It cannot be recorded that no lease is left; the next start waits for them.
            return self.leave(now, effects);
        }
        self.hand_over_if_full(now, effects);
    }

    /// A clean stop: leases are taken back, so that the next start, or the next leader, need not
    /// wait for them.
    pub(super) fn on_stop(&mut self, now: Time, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Following => self.finish(effects),
            Phase::Starting => self.leave(now, effects),
            Phase::Revoking | Phase::Open => {
                self.phase = Phase::Stopping;
                self.stop_at = self.group.has_peers().then(|| now + self.stop_bound());
                if self.config.invalidation == Invalidation::Lease {
                    self.leases.revoke_all(self.stock.incarnation() + 1);
                } else {
                    let holders: Vec<u8> = self.leases.holders().keys().copied().collect();
                    for frontend in holders {
                        self.end_lease(now, frontend);
                    }
                }
                self.proceed(now, effects);
            }
            Phase::Stopping | Phase::Closing | Phase::Stopped => {}
        }
    }

    /// Goes on to the next phase, once no lease is left that is being taken back.
    fn proceed(&mut self, now: Time, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Revoking if !self.leases.revoking() => {
                self.phase = Phase::Open;
                let interval = self.config.restock_interval;
                self.chores.restock_at = (!interval.is_zero()).then(|| now + interval);
            }
            Phase::Stopping if self.leases.holders().is_empty() => {
                if self.disk_full {
                    self.leave(now, effects);
                } else {
                    self.phase = Phase::Closing;
                    // Nobody holds anything: where no majority is left to record that, as when all
                    // replicas are stopped, the next leader waits for the frontends, and not this.
                    self.stop_at = self.stop_at.map(|at| at.min(now + HAND_OVER));
                    self.propose(now, &Command::Close, Vec::new(), Then::Closed, effects);
                }
            }
            Phase::Starting
            | Phase::Revoking
            | Phase::Open
            | Phase::Stopping
            | Phase::Closing
            | Phase::Stopped
            | Phase::Following => {}
        }
    }

    /// The process may end.
    pub(super) fn finish(&mut self, effects: &mut Vec<Effect>) {
        self.phase = Phase::Stopped;
        self.visibility.answer_all(&self.stock, effects);
        effects.push(Effect::Stopped);
    }

    /// Everything that is due. Proposals come last in a step, since effects after them wait for
    /// the disk.
    pub(super) fn do_chores(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.checkpoint_if_long(effects);
        if let Some(tag) = self.reads.next_barrier() {
            self.drive(now, engine::Input::Barrier(tag), effects);
        }
        if self.phase != Phase::Open {
            return;
        }
        if self.chores.restock_at.is_some_and(|at| at <= now) {
            self.restock(now, effects);
        }
        let long_silent =
            self.chores.silent.iter().filter(|(_, since)| **since + UNREGISTER_AFTER <= now);
        let gone: Vec<u8> = long_silent.map(|(frontend, _)| *frontend).collect();
        for frontend in gone {
            // Looked at again after the same time, if it cannot be recorded now.
            self.chores.silent.insert(frontend, now);
            let registration = self.stock.frontends().get(&frontend);
            if let Some(incarnation) = registration.map(|r| r.incarnation)
                && self.writing().is_ok()
            {
                self.unregister(now, frontend, incarnation, effects);
            }
        }
    }

    pub(super) fn unregister(
        &mut self,
        now: Time,
        frontend: u8,
        incarnation: u64,
        effects: &mut Vec<Effect>,
    ) {
        let command = Command::Unregister { frontend, incarnation };
        self.propose(now, &command, Vec::new(), Then::Unregistered { frontend }, effects);
    }

    /// Fills the shelves that are empty now; those that are still empty when the command is
    /// applied. Behind so many of them, the rest follows when these are full.
    fn restock(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.chores.restock_at = Some(now + self.config.restock_interval);
        let level = self.config.restock_level;
        if self.chores.restocking || level == 0 || self.writing().is_err() {
            return;
        }
        self.restock_from(now, ToyId(0), effects);
    }

    fn restock_from(&mut self, now: Time, first: ToyId, effects: &mut Vec<Effect>) {
        let empty = self.stock.shelves().sold_out().range(first..);
        let toys: Vec<ToyId> = empty.take(RESTOCK_TOYS_MAX).copied().collect();
        let Some(last) = toys.last() else { return };
        let next = (toys.len() == RESTOCK_TOYS_MAX).then_some(ToyId(last.0 + 1));
        self.chores.restocking = true;
        let command = Command::Restock { toys: toys.clone(), level: self.config.restock_level };
        self.propose(now, &command, toys, Then::Restocked { next }, effects);
    }

    /// Shelves are full again. One that was emptied since waits for its turn.
    pub(super) fn on_restocked(
        &mut self,
        now: Time,
        next: Option<ToyId>,
        effects: &mut Vec<Effect>,
    ) {
        self.chores.restocking = false;
        if let Some(next) = next
            && self.phase == Phase::Open
            && self.writing().is_ok()
        {
            self.restock_from(now, next, effects);
        }
    }

    /// Keeps disk, memory and the time of a start from growing with history.
    fn checkpoint_if_long(&mut self, effects: &mut Vec<Effect>) {
        let long = self.chores.entries >= self.config.checkpoint_entries
            || self.chores.bytes >= self.config.checkpoint_bytes;
        // Before it leads, the engine's term is not durable; and one checkpoint at a time.
        if !long || self.chores.checkpointing > 0 || !self.group.may_checkpoint() {
            return;
        }
        let (index, term) = self.chores.applied;
        let snapshot = Snapshot { index, term, state: self.stock.snapshot() };
        self.chores.begin_checkpoint((index, term));
        let checkpoint = self.group.engine_mut().checkpoint(snapshot);
        effects.push(Effect::Checkpoint(checkpoint));
    }

    /// When something is due.
    pub(super) fn next_chore(&self) -> Option<Time> {
        if self.phase != Phase::Open {
            return None;
        }
        let silent = self.chores.silent.values().min().map(|since| *since + UNREGISTER_AFTER);
        [self.chores.restock_at, silent].into_iter().flatten().min()
    }
}
