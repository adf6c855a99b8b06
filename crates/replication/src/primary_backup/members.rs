//! Who is in sync: a leader puts silent followers aside and takes those back that caught up. Each
//! change is a new view, and so a new term.

use std::collections::BTreeSet;

use crate::engine::{Effect, Viewed};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, View};
use crate::time::Time;

use super::progress::Progress;
use super::{ENTRIES_PER_MESSAGE_MAX, PrimaryBackup, Role};

/// A follower that lacks at most so many entries is waited for, so that it comes back into the
/// view also while more and more is proposed: what fits into one frame.
const CATCH_UP_MAX: u64 = ENTRIES_PER_MESSAGE_MAX as u64;

/// A view that the leader has asked the arbiter for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Change {
    pub view: View,
    /// The follower that comes back: commits wait for it from now on, since the view may be in
    /// force before this leader hears of it.
    pub joining: Option<NodeId>,
    /// When to ask again; the arbiter could not be reached.
    pub retry_at: Option<Time>,
}

impl PrimaryBackup {
    /// Asks for a new view where one is due.
    pub(super) fn check_members(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.naive() {
            return;
        }
        let suspicion = self.config.timers.suspicion;
        let me = self.config.id;
        let Role::Leader(leader) = &self.role else { return };
        if leader.change.is_some() {
            return;
        }
        let silent = |id: &NodeId| {
            self.unreachable.contains_key(id)
                || leader.followers.get(id).is_none_or(|p| {
                    now.since(p.heard) >= suspicion
                        || (p.matched < self.log.last() && now.since(p.moved) >= suspicion)
                })
        };
        let gone = |id: &NodeId| *id != me && silent(id) && !planted(Bug::ReachableMajority);
        let mut catching_up = None;
        let mut view = None;
        if leader.in_sync.iter().any(gone) {
            let live = leader.in_sync.iter().copied().filter(|id| !gone(id)).collect();
            view = Some((live, None));
        } else if leader.leading {
            let last = self.log.last();
            // One that has not acknowledged anything yet may be gone: nobody waits for it.
            let close = |p: &Progress| !p.probing && p.matched.0 + CATCH_UP_MAX >= last.0;
            let mut outside = leader.followers.iter().filter(|(id, progress)| {
                !leader.in_sync.contains(id) && close(progress) && !silent(id)
            });
            match outside.next() {
                Some((id, progress))
                    if progress.matched >= self.committed || planted(Bug::JoinsTooSoon) =>
                {
                    let mut in_sync = leader.in_sync.clone();
                    in_sync.insert(*id);
                    view = Some((in_sync, Some(*id)));
                }
                Some((id, _)) => catching_up = Some(*id),
                None => {}
            }
        }
        if let Role::Leader(leader) = &mut self.role {
            leader.catching_up = catching_up;
        }
        if let Some((in_sync, joining)) = view {
            self.ask_change(in_sync, joining, effects);
        }
    }

    fn ask_change(
        &mut self,
        in_sync: BTreeSet<NodeId>,
        joining: Option<NodeId>,
        effects: &mut Vec<Effect>,
    ) {
        let me = self.config.id;
        let Role::Leader(leader) = &mut self.role else { return };
        if planted(Bug::PutAsideLate) && joining.is_none() {
            leader.in_sync = in_sync.clone();
        }
        let view = View { term: leader.term.next(me), in_sync };
        leader.change = Some(Change { view: view.clone(), joining, retry_at: None });
        effects.push(Effect::AskView { view, previous: leader.term, unclean: false });
    }

    pub(super) fn retry_change(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &mut self.role else { return };
        let previous = leader.term;
        if let Some(change) = &mut leader.change
            && change.retry_at.is_some_and(|at| now >= at)
        {
            change.retry_at = None;
            let view = change.view.clone();
            effects.push(Effect::AskView { view, previous, unclean: false });
        }
    }

    pub(super) fn on_viewed_as_leader(
        &mut self,
        now: Time,
        viewed: Viewed,
        effects: &mut Vec<Effect>,
    ) {
        let retry_at = now + self.config.timers.retry;
        let Role::Leader(leader) = &mut self.role else { return };
        match viewed {
            Viewed::Unknown => {
                if let Some(change) = &mut leader.change {
                    change.retry_at = Some(retry_at);
                }
            }
            Viewed::Granted(view) => {
                let asked = leader.change.as_ref().is_some_and(|c| c.view.term == view.term);
                if asked {
                    leader.change = None;
                    leader.in_sync = view.in_sync;
                    self.begin_term(now, view.term, effects);
                    // Perhaps they waited for nobody but the one that was put aside.
                    self.pass_barriers(effects);
                }
            }
            Viewed::Refused(in_force) => {
                let mine = leader.change.as_ref().is_some_and(|c| c.view.term == in_force.term);
                if mine || in_force.term <= leader.term {
                    // A take overtook the answer to the change: that answer is still to come. Or
                    // this one was long on its way, and speaks of a view before. In both cases the
                    // change may be in force, and whoever joins by it is waited for.
                } else {
                    let hint = Some(in_force.leader()).filter(|id| *id != self.config.id);
                    self.step_down(hint, effects);
                }
            }
        }
    }

    pub(super) fn on_link_as_leader(
        &mut self,
        now: Time,
        peer: NodeId,
        up: bool,
        effects: &mut Vec<Effect>,
    ) {
        if up {
            self.replicate_to(now, peer, true, effects);
        } else {
            self.check_members(now, effects);
            self.advance_commit(now, effects);
        }
    }
}
