//! Becoming leader: gather what others hold beyond this log, then ask the arbiter for a view.
//!
//! Until the arbiter grants it, this replica goes on following: it deposes nobody by trying.

use std::collections::BTreeSet;

use crate::engine::{Effect, Viewed};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term, View};
use crate::time::Time;

use super::follower::Follower;
use super::{PrimaryBackup, Role};

/// A try to become leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Election {
    /// The failed term that the frontend named. A leader of a newer one ends the election.
    pub(super) after: Term,
    /// Peers that answered: they can be in the next view.
    answered: BTreeSet<NodeId>,
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Waiting for the peers' entries.
    Gathering { until: Time },
    /// Waiting for the arbiter, or (with a time) for the next try to reach it.
    Asking { view: View, previous: Term, retry_at: Option<Time> },
}

impl Election {
    pub(super) fn next_timer(&self) -> Time {
        match &self.phase {
            Phase::Gathering { until } => *until,
            Phase::Asking { retry_at, .. } => retry_at.unwrap_or(Time(u64::MAX)),
        }
    }
}

impl PrimaryBackup {
    /// The frontend chose this replica. Ignored if it leads already, if a leader of a newer term is
    /// known, or if an election is under way.
    pub(super) fn on_lead(&mut self, now: Time, after: Term, effects: &mut Vec<Effect>) {
        match &self.role {
            // While a snapshot is being installed this replica lacks entries for certain.
            Role::Leader(_) | Role::Follower(Follower { installing: Some(_), .. }) => return,
            Role::Follower(_) if self.election.is_some() => return,
            Role::Follower(_) => {}
        }
        if after < self.promised && self.leader.is_some() {
            effects.push(Effect::Following { leader: self.leader });
            return;
        }
        let until = now + self.config.timers.gather;
        let phase = Phase::Gathering { until };
        self.election = Some(Election { after, answered: BTreeSet::new(), phase });
        if planted(Bug::GatherSkipped) {
            return self.ask_first_view(now, effects);
        }
        for peer in self.config.peers.clone() {
            self.ask(peer, effects);
        }
        self.on_unreachable_in_election(now, effects);
    }

    /// A peer's answer came: it can be in the view.
    pub(super) fn answered_in_election(
        &mut self,
        now: Time,
        from: NodeId,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(election) = &mut self.election {
            election.answered.insert(from);
        }
        self.on_unreachable_in_election(now, effects);
    }

    /// Goes on once every peer has answered or is known to be unreachable.
    pub(super) fn on_unreachable_in_election(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Some(Election { answered, phase: Phase::Gathering { .. }, .. }) = &self.election else {
            return;
        };
        let done = |peer: &NodeId| answered.contains(peer) || self.unreachable.contains_key(peer);
        if self.config.peers.iter().all(done) {
            self.ask_first_view(now, effects);
        }
    }

    pub(super) fn on_timer_in_election(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Some(election) = &mut self.election else { return };
        match &mut election.phase {
            Phase::Gathering { until } if now >= *until => self.ask_first_view(now, effects),
            Phase::Asking { view, previous, retry_at: retry_at @ Some(_) }
                if retry_at.is_some_and(|at| now >= at) =>
            {
                *retry_at = None;
                effects.push(Effect::AskView {
                    view: view.clone(),
                    previous: *previous,
                    unclean: self.config.unclean,
                });
            }
            Phase::Gathering { .. } | Phase::Asking { .. } => {}
        }
    }

    /// Asks as if nobody had led before. Usually refused with the view in force, and that is what
    /// this replica must know: which replicas are in sync cannot be guessed.
    fn ask_first_view(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Some(election) = &self.election else { return };
        let term = self.promised.max(election.after).next(self.config.id);
        let mut in_sync = election.answered.clone();
        in_sync.insert(self.config.id);
        let view = View { term, in_sync };
        if self.naive() {
            self.become_leader(now, view, effects);
        } else {
            self.ask_view(view, Term::ZERO, effects);
        }
    }

    fn ask_view(&mut self, view: View, previous: Term, effects: &mut Vec<Effect>) {
        if let Some(election) = &mut self.election {
            election.phase = Phase::Asking { view: view.clone(), previous, retry_at: None };
        }
        effects.push(Effect::AskView { view, previous, unclean: self.config.unclean });
    }

    pub(super) fn on_viewed_in_election(
        &mut self,
        now: Time,
        viewed: Viewed,
        effects: &mut Vec<Effect>,
    ) {
        let retry_at = now + self.config.timers.retry;
        let Some(Election { after, answered, phase: Phase::Asking { view, retry_at: retry, .. } }) =
            &mut self.election
        else {
            return;
        };
        match viewed {
            Viewed::Unknown => *retry = Some(retry_at),
            Viewed::Granted(granted) if granted.term == view.term => {
                self.become_leader(now, granted, effects);
            }
            Viewed::Granted(_) => {}
            Viewed::Refused(in_force) => {
                let me = self.config.id;
                // A view of a generation before this one: whoever is of this one began with all.
                let converted = in_force.term.generation < self.promised.generation;
                let member = converted || in_force.in_sync.contains(&me);
                if !member && !self.config.unclean && !planted(Bug::HoleLeads) {
                    self.election = None;
                    effects.push(Effect::NotInSync(in_force));
                    return;
                }
                let leader = in_force.leader();
                let failed =
                    converted || [after.node, me].contains(&leader) || in_force.term <= *after;
                if !failed && in_force.term > self.seen_view {
                    // This question was long on its way: the failed leader has been succeeded. If
                    // its successor failed too, the frontend chooses again, and the view is known.
                    self.seen_view = in_force.term;
                    self.election = None;
                    self.leader = Some(leader);
                    effects.push(Effect::Following { leader: Some(leader) });
                    return;
                }
                // Only who was in sync and answers now; after an unclean election, nobody else.
                let mut in_sync: BTreeSet<NodeId> = match (converted, member) {
                    (true, _) => answered.clone(),
                    (false, true) => in_force.in_sync.intersection(answered).copied().collect(),
                    (false, false) => BTreeSet::new(),
                };
                in_sync.insert(me);
                let term = self.promised.max(in_force.term).next(me);
                let resumes = planted(Bug::ForgottenVote) && leader == me;
                let view = if resumes { in_force.clone() } else { View { term, in_sync } };
                self.ask_view(view, in_force.term, effects);
            }
        }
    }
}
