//! Changing who belongs to the group, while it works (Raft §6; joint consensus, Ongaro's thesis
//! §4.3).
//!
//! Each step of a change is an entry that holds the whole configuration ([`Members`]); it is in
//! force at a replica when that applies it, as the crate has it. The leader proposes one only when
//! the one before is applied, so that no two that follow each other are far apart, and goes on by
//! itself from step to step; a new leader goes on where the last one was, since the configuration
//! says where the change leads. Called by `mod` (what is asked), `ready` (what is applied), and
//! `transfer` (what a snapshot brings).
//!
//! The commit index is not on disk, but the argument for configurations that are in force when
//! they are *applied* needs to know after a restart which were committed. [`known_committed`]
//! reads that from the disk: a record says which this replica had applied last, and whoever
//! proposed the last one in the log had applied the one before it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use raft::eraftpb::{
    ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, EntryType,
};
use raft::prelude::{ConfState, Entry as TheirEntry};
use raft::{ProgressState, SnapshotStatus, StateRole};

use super::message::Said;
use super::ready::node_id;
use super::{Announced, Raft};
use crate::engine::{Effect, Outcome};
use crate::log::{Index, Log, Record, Recovered};
use crate::members::{Change, Members, Step};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};

/// Changes that may wait for an answer at once.
const CHANGES_MAX: usize = 16;

/// Entries that a newcomer may lack when it gets its vote: those that are on their way to it while
/// the store is busy.
const LACKING_MAX: u64 = 1024;

/// Who belongs to the group, and who wants to change that.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// As of what is applied; `None` at a newcomer that was not told yet.
    pub members: Option<Members>,
    /// Those that this replica begins with, while they are not on its disk: a later start may name
    /// others, and the log goes on from these.
    unwritten: Option<Members>,
    /// As leader: asked for, and not looked at yet.
    asked: VecDeque<(u64, Change)>,
    /// As leader: under way.
    waiting: BTreeMap<u64, Change>,
    /// Somebody said that this replica was taken out.
    left: bool,
}

impl Membership {
    /// What is on the disk; on a new one, `first`: those that the process was started with.
    pub fn new(recovered: &Recovered, first: Members) -> Membership {
        let found = on_disk(recovered);
        let unwritten = found.is_none().then(|| first.clone());
        let members = Some(found.unwrap_or(first)).filter(|of| !of.voters.is_empty());
        Membership { members, unwritten, ..Membership::default() }
    }
}

/// With whom the log of a disk begins, if that was written.
fn on_disk(recovered: &Recovered) -> Option<Members> {
    let written = recovered.records.iter().find_map(Record::members).cloned();
    recovered.checkpoint.members.clone().or(written)
}

/// The configurations of a disk that may be in force: the last that is known to be committed
/// ([`known_committed`]), and one that follows it.
pub(crate) fn in_force(recovered: &Recovered, log: &Log) -> Vec<Members> {
    let entries = log.from(log.start().next(), usize::MAX).iter();
    let changed = entries.filter_map(|entry| Members::decode(&entry.command));
    let first = on_disk(recovered).filter(|of| !of.voters.is_empty());
    let mut all: Vec<Members> = first.into_iter().chain(changed).collect();
    all.split_off(all.len().saturating_sub(2))
}

/// How far the log of a replica that starts is known to be committed: up to the change that it had
/// applied last, or up to the one before the last in its log.
pub(super) fn known_committed(log: &Log, recovered: &Recovered) -> Index {
    if planted(Bug::ChangeForgotten) {
        return log.start();
    }
    let entries = log.from(log.start().next(), usize::MAX).iter();
    let changes = entries.filter(|entry| Members::is_in(&entry.command)).rev();
    let written = recovered.records.iter().rev().find_map(Record::members).map(Members::encode);
    let applied = changes.clone().find(|entry| Some(&entry.command) == written.as_ref());
    let before_last = { changes }.nth(1);
    let known = applied.into_iter().chain(before_last).map(|entry| entry.index);
    known.max().unwrap_or(log.start())
}

/// As the crate has it.
pub(super) fn conf_state(members: &Members) -> ConfState {
    let ids = |ids: &std::collections::BTreeSet<NodeId>| ids.iter().map(|id| id.0.into()).collect();
    let mut state = ConfState::from((ids(&members.voters), ids(&members.learners)));
    state.voters_outgoing = ids(&members.outgoing);
    state
}

fn one(change_type: ConfChangeType, id: NodeId) -> ConfChangeSingle {
    let mut one = ConfChangeSingle { node_id: id.0.into(), ..ConfChangeSingle::default() };
    one.set_change_type(change_type);
    one
}

fn simple(change_type: ConfChangeType, id: NodeId) -> ConfChangeV2 {
    ConfChangeV2 { changes: vec![one(change_type, id)].into(), ..ConfChangeV2::default() }
}

/// What makes the crate's configuration that of `next`.
fn changes(now: &Members, next: &Members) -> Vec<ConfChangeV2> {
    let added = next.voters.difference(&now.voters).map(|id| one(ConfChangeType::AddNode, *id));
    let gone = now.voters.difference(&next.voters).map(|id| one(ConfChangeType::RemoveNode, *id));
    let mut joint = ConfChangeV2 {
        changes: added.chain(gone).collect::<Vec<_>>().into(),
        ..ConfChangeV2::default()
    };
    // Not left by itself: the adapter says when.
    joint.set_transition(ConfChangeTransition::Explicit);
    if now.is_joint() {
        return vec![ConfChangeV2::default()];
    }
    if next.is_joint() {
        return vec![joint];
    }
    let learns = next.learners.difference(&now.learners);
    let given_up = now.learners.difference(&next.learners);
    learns
        .map(|id| simple(ConfChangeType::AddLearnerNode, *id))
        .chain(given_up.map(|id| simple(ConfChangeType::RemoveNode, *id)))
        .collect()
}

/// The same where nobody was known yet, by way of those who were before.
fn from_nothing(next: &Members) -> Vec<ConfChangeV2> {
    let before = if next.is_joint() { &next.outgoing } else { &next.voters };
    let base = Members { outgoing: Default::default(), voters: before.clone(), ..next.clone() };
    let voters = before.iter().map(|id| simple(ConfChangeType::AddNode, *id));
    let mut all: Vec<ConfChangeV2> = voters.collect();
    if next.is_joint() {
        all.extend(changes(&base, next));
    } else {
        let learners = next.learners.iter();
        all.extend(learners.map(|id| simple(ConfChangeType::AddLearnerNode, *id)));
    }
    all
}

impl Raft {
    /// A newcomer with nothing on its disk is of the generation that it hears of: nobody has told
    /// it how often its group was converted (`toystore migrate`).
    pub(super) fn belong_to(&mut self, generation: u32) {
        let new = self.config.joins && self.membership.members.is_none();
        let store = self.node.mut_store();
        if new && store.promised == Term::ZERO && generation > store.generation {
            store.generation = generation;
        }
    }

    /// Whether this replica may be elected.
    pub(super) fn votes(&self) -> bool {
        self.node.raft.promotable() && !self.has_left()
    }

    /// Whether it was taken out of the group, or must not be in it, since its disk lost something.
    pub(super) fn has_left(&self) -> bool {
        let members = self.membership.members.as_ref();
        self.lost || self.membership.left || members.is_some_and(|of| of.has_left(self.config.id))
    }

    /// Those that may lead instead.
    pub(super) fn other_voters(&self) -> impl Iterator<Item = NodeId> + use<> {
        let voters = self.membership.members.as_ref().map(|of| of.voters.clone());
        let me = self.config.id;
        voters.unwrap_or_default().into_iter().filter(move |id| *id != me)
    }

    /// Puts on disk with whom it begins, at its first start.
    pub(super) fn write_members(&mut self, out: &mut Vec<Effect>) {
        if let Some(first) = self.membership.unwritten.take() {
            self.persist(Record::Members(first), out);
        }
    }

    pub(super) fn tell_members(&self, out: &mut Vec<Effect>) {
        out.extend(self.membership.members.clone().map(Effect::Members));
    }

    /// Somebody wants other members.
    pub(super) fn on_change(&mut self, tag: u64, change: Change, out: &mut Vec<Effect>) {
        let Membership { asked, waiting, .. } = &mut self.membership;
        if self.announced != Announced::Leading {
            out.push(Effect::Changed { tag, outcome: Outcome::NotLeader });
        } else if asked.len() + waiting.len() >= CHANGES_MAX {
            let why = "too many ask for changes of the members: try again later".to_string();
            out.push(Effect::Changed { tag, outcome: Outcome::Refused(why) });
        } else {
            asked.push_back((tag, change));
        }
    }

    /// As leader: the next step of a change, if it is time for one. Whether there is one.
    pub(super) fn change_next(&mut self, out: &mut Vec<Effect>) -> bool {
        let raft = &self.node.raft;
        // It may lead no longer, or again, and the service was not told yet.
        let began = self.node.store().log.term_at(self.applied).map(|term| term.number);
        let leads = self.announced == Announced::Leading
            && raft.state == StateRole::Leader
            && began == Some(raft.term);
        if !leads || raft.has_pending_conf() || raft.lead_transferee.is_some() {
            return false;
        }
        let Some(members) = &self.membership.members else { return false };
        if self.membership.asked.is_empty() && !members.goes_on() {
            return false;
        }
        let members = members.clone();
        while let Some((tag, change)) = self.membership.asked.pop_front() {
            let outcome = match members.begin(&change) {
                Ok(Step::Done) => Outcome::Done,
                Err(why) => Outcome::Refused(why),
                Ok(Step::UnderWay) => {
                    self.membership.waiting.insert(tag, change);
                    continue;
                }
                Ok(Step::Commit(next)) => {
                    self.membership.waiting.insert(tag, change);
                    self.propose_members(&next);
                    return true;
                }
            };
            out.push(Effect::Changed { tag, outcome });
        }
        if members.is_joint() && !members.voters.contains(&self.config.id) {
            // It is being taken out: the one that leads after it ends the change.
            self.on_hand_over();
            return self.node.raft.lead_transferee.is_some();
        }
        let ready = members.learners.iter().all(|id| self.has_caught_up(*id));
        let next = members.next().filter(|_| ready);
        if let Some(next) = &next {
            self.propose_members(next);
        }
        next.is_some()
    }

    /// Whether a newcomer has nearly all of the log.
    fn has_caught_up(&self, id: NodeId) -> bool {
        let (raft, last) = (&self.node.raft, self.node.raft.raft_log.last_index());
        raft.prs().get(id.0.into()).is_some_and(|progress| match progress.state {
            ProgressState::Replicate => progress.matched + LACKING_MAX >= last,
            // After a snapshot the crate goes back to replicating with the next entry, and there
            // may be none.
            ProgressState::Probe => progress.matched == last && progress.recent_active,
            ProgressState::Snapshot => false,
        })
    }

    /// Not by the crate's own way, which would have to read protobuf.
    fn propose_members(&mut self, next: &Members) {
        let mut entry = TheirEntry {
            data: next.encode(),
            context: self.node.store().own_context(),
            ..TheirEntry::default()
        };
        entry.set_entry_type(EntryType::EntryConfChangeV2);
        let raft = &mut self.node.raft;
        let appended = raft.append_entry(&mut [entry]);
        assert!(appended, "there is no bound on what is not committed yet");
        raft.pending_conf_index = raft.raft_log.last_index();
        raft.bcast_append();
    }

    /// A configuration is committed, and is in force here from now on.
    pub(super) fn apply_members(&mut self, command: &Bytes, out: &mut Vec<Effect>) {
        let now = self.membership.members.take();
        let next = Members::decode(command);
        let may_follow = next.filter(|next| now.as_ref().is_none_or(|now| now.may_become(next)));
        let Some(next) = may_follow else {
            // Every replica has the same log, and says the same.
            out.push(Effect::Warn("the log has a change of members that cannot be".to_string()));
            self.membership.members = now;
            return;
        };
        self.tell_crate_members(now.as_ref(), &next);
        for peer in now.iter().flat_map(Members::all).filter(|id| next.has_left(*id)) {
            self.end_transfer(peer, SnapshotStatus::Failure);
        }
        self.node.mut_store().members = conf_state(&next);
        self.membership.members = Some(next.clone());
        // So that it is in force after a restart too: this one may be needed to elect anybody, and
        // would not know that it votes.
        self.persist(Record::Members(next.clone()), out);
        self.tell_members(out);
        if next.is_settled() {
            for (tag, change) in std::mem::take(&mut self.membership.waiting) {
                let outcome = if change.is_met(&next.voters) {
                    Outcome::Done
                } else {
                    Outcome::Refused(format!("it was given up: the members are {next}"))
                };
                out.push(Effect::Changed { tag, outcome });
            }
        }
    }

    fn tell_crate_members(&mut self, now: Option<&Members>, next: &Members) {
        let mut changes = now.map_or_else(|| from_nothing(next), |now| changes(now, next));
        if planted(Bug::OldMajorityAlone) && now.is_some() {
            if next.is_joint() {
                return;
            }
            let crates = self.node.raft.prs().conf().to_conf_state();
            let skipped = crates.voters_outgoing.is_empty();
            if let Some(now) = now.filter(|now| now.is_joint() && skipped) {
                let old = Members { outgoing: Default::default(), ..now.clone() };
                let old = Members { voters: now.outgoing.clone(), ..old };
                changes.splice(0..0, self::changes(&old, now));
            }
        }
        for change in changes {
            let changed = self.node.apply_conf_change(&change);
            changed.expect("this configuration may follow the one in force");
        }
        let is = self.node.raft.prs().conf();
        let (voters, learners) = (is.voters().ids(), is.learners());
        let mut all: Vec<NodeId> =
            voters.iter().chain(learners.iter().copied()).map(node_id).collect();
        all.sort_unstable();
        assert!(all.iter().eq(&next.all()), "the crate's members are {all:?}, the log's {next}");
    }

    /// Who leads no longer answers: the one that leads next goes on with it.
    pub(super) fn fail_changes(&mut self, out: &mut Vec<Effect>) {
        self.held.clear();
        let asked = std::mem::take(&mut self.membership.asked);
        let waiting = std::mem::take(&mut self.membership.waiting);
        for (tag, _) in asked.into_iter().chain(waiting) {
            out.push(Effect::Changed { tag, outcome: Outcome::NotLeader });
        }
    }

    /// Whether to hear nothing of `from`: it was taken out, and is told if it wants to lead.
    pub(super) fn is_gone(&self, from: NodeId, said: &Said, out: &mut Vec<Effect>) -> bool {
        let gone = self.membership.members.as_ref().is_some_and(|of| of.has_left(from));
        let leads =
            matches!(said, Said::AskVote { .. } | Said::Append { .. } | Said::Heartbeat { .. });
        if gone && leads {
            out.push(self.send(from, Said::Left));
        }
        gone
    }

    /// Another replica knows that this one was taken out.
    pub(super) fn on_left(&mut self, from: NodeId, out: &mut Vec<Effect>) {
        if std::mem::replace(&mut self.membership.left, true) {
            return;
        }
        out.push(Effect::Warn(format!(
            "replica {from} says that this one was taken out of the group: it may be stopped, and \
             its id is not used again"
        )));
        self.stop_leading_if_out();
    }

    /// One that was elected with its own removal in its log commits that, and is out.
    pub(super) fn stop_leading_if_out(&mut self) {
        if self.has_left() && self.node.raft.state != StateRole::Follower {
            let term = self.node.raft.term;
            self.node.raft.become_follower(term, raft::INVALID_ID);
        }
    }
}
