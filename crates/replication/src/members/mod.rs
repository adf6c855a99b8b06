//! Who belongs to a group of replicas that a majority decides for, and how that changes.
//!
//! A change goes by steps, each an entry of the log, and each the whole new configuration: whoever
//! has an entry needs none before it (Raft §6; joint consensus, Ongaro's thesis §4.3).
//!
//! ```text
//! 1,2,3              replace 2 by 4: a newcomer learns first, without a vote
//! 1,2,3 learns 4     until it has nearly all of the log …
//! 1,3,4 and 1,2,3    … then a majority of the old *and* one of the new decide
//! 1,3,4 unconfirmed  when that is committed, the new alone …
//! 1,3,4              … and when a majority of them knows that, whoever is out may end
//! ```
//!
//! A replica that restarts knows of the last configuration in its log only that the one before was
//! committed, and one that lost its leader may know no more. Both go on by the one before: if that
//! is joint, and too few of the old are left, nobody could be elected any more. So the last step
//! says the same once more, and only then is the change done.
//!
//! An id is used once: a replica whose disk was lost would vote a second time in a term in which
//! it voted already, so what comes in its place has a higher id than any before
//! ([`Members::highest`]). Made by `raft`, kept in a checkpoint, shown to services by
//! [`Effect::Members`](crate::engine::Effect::Members).

mod bytes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ::bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::planted::{Bug, planted};
use crate::term::NodeId;

/// The longest address of a replica, in bytes.
pub const URL_BYTES_MAX: usize = 256;

/// A change that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Change {
    /// One more replica.
    Add {
        /// Its id: higher than any that was ever used.
        id: NodeId,
        /// Where it is reached; opaque here.
        url: Bytes,
    },
    /// One less.
    Remove {
        /// Which.
        id: NodeId,
    },
    /// One takes the place of another, in one step.
    Replace {
        /// Which goes.
        id: NodeId,
        /// Which comes: an id higher than any that was ever used.
        by: NodeId,
        /// Where that one is reached.
        url: Bytes,
    },
}

impl Change {
    /// Whether these voters are as it wants them.
    pub fn is_met(&self, voters: &BTreeSet<NodeId>) -> bool {
        match self {
            Change::Add { id, .. } => voters.contains(id),
            Change::Remove { id } => !voters.contains(id),
            Change::Replace { id, by, .. } => !voters.contains(id) && voters.contains(by),
        }
    }

    fn comes(&self) -> Option<(NodeId, &Bytes)> {
        match self {
            Change::Add { id, url } | Change::Replace { by: id, url, .. } => Some((*id, url)),
            Change::Remove { .. } => None,
        }
    }

    fn goes(&self) -> Option<NodeId> {
        match self {
            Change::Add { .. } => None,
            Change::Remove { id } | Change::Replace { id, .. } => Some(*id),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Add { id, .. } => write!(f, "add {id}"),
            Change::Remove { id } => write!(f, "remove {id}"),
            Change::Replace { id, by, .. } => write!(f, "replace {id} by {by}"),
        }
    }
}

/// What is to be done about a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it is as wanted.
    Done,
    /// Nothing more: it is under way.
    UnderWay,
    /// This configuration is to be committed next.
    Commit(Members),
}

/// A configuration.
///
/// Invariant: `outgoing` is empty unless the configuration is joint; learners are no voters; while
/// nobody learns and nothing is joint, `target` equals `voters`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Members {
    /// Whose majority decides.
    pub voters: BTreeSet<NodeId>,
    /// Whose majority decides too, while the configuration is joint.
    pub outgoing: BTreeSet<NodeId>,
    /// Who gets the log and has no vote yet.
    pub learners: BTreeSet<NodeId>,
    /// The voters when the change under way is done.
    pub target: BTreeSet<NodeId>,
    /// It is the new one of a change, and perhaps nobody but the leader knows that it is in force.
    pub unconfirmed: bool,
    /// Where those are reached that came by a change.
    pub urls: BTreeMap<NodeId, Bytes>,
    /// The highest id that was ever used. None up to it comes again.
    pub highest: NodeId,
}

impl Members {
    /// Those that a new group begins with.
    pub fn first(ids: impl IntoIterator<Item = NodeId>) -> Members {
        let voters: BTreeSet<NodeId> = ids.into_iter().collect();
        let highest = voters.last().copied().unwrap_or(NodeId::NONE);
        Members { target: voters.clone(), voters, highest, ..Members::default() }
    }

    /// Everybody who gets the log.
    pub fn all(&self) -> BTreeSet<NodeId> {
        self.voters.iter().chain(&self.outgoing).chain(&self.learners).copied().collect()
    }

    /// Whether two majorities decide.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether these are a majority, or both.
    pub fn is_decided_by<'a>(&self, ids: impl Iterator<Item = &'a NodeId> + Clone) -> bool {
        let decide = |group: &BTreeSet<NodeId>| {
            let of_it = ids.clone().filter(|id| group.contains(id)).count();
            group.is_empty() || of_it > group.len() / 2
        };
        decide(&self.voters) && decide(&self.outgoing)
    }

    /// Whether no change is under way.
    pub fn is_settled(&self) -> bool {
        !self.is_joint() && !self.unconfirmed && self.voters == self.target
    }

    /// Whether an id was taken out, or given up while it learned: it never comes again.
    pub fn has_left(&self, id: NodeId) -> bool {
        let has = |group: &BTreeSet<NodeId>| group.contains(&id);
        id <= self.highest && ![&self.voters, &self.outgoing, &self.learners].into_iter().any(has)
    }

    /// What a change wants done now.
    ///
    /// # Errors
    /// If it cannot be, in a sentence that says why and what to do instead.
    pub fn begin(&self, change: &Change) -> Result<Step, String> {
        self.look_at(change)?;
        if !self.is_settled() {
            if change.is_met(&self.target) {
                return Ok(Step::UnderWay);
            }
            // A newcomer that never comes must not stand in the way for ever.
            return match change {
                Change::Remove { id } if self.learners.contains(id) => {
                    Ok(Step::Commit(self.without_learners()))
                }
                Change::Add { .. } | Change::Remove { .. } | Change::Replace { .. } => {
                    Err(self.busy())
                }
            };
        }
        if change.is_met(&self.voters) {
            return Ok(Step::Done);
        }
        if let Some(id) = change.goes()
            && !self.voters.contains(&id)
        {
            return Err(format!("replica {id} is no member: the members are {self}"));
        }
        let mut next = self.clone();
        if let Some(id) = change.goes() {
            next.target.remove(&id);
        }
        if let Some((id, url)) = change.comes() {
            next.target.insert(id);
            if next.target.len() > NodeId::GROUP_MAX {
                let max = NodeId::GROUP_MAX;
                return Err(format!("a group has at most {max} replicas: replace one of {self}"));
            }
            next.urls.insert(id, url.clone());
            next.highest = id;
            next.learners.insert(id);
            return Ok(Step::Commit(next));
        }
        if next.target.is_empty() {
            return Err("that would leave nobody: add a replica first".to_string());
        }
        Ok(Step::Commit(next.joint()))
    }

    /// What no state of a change allows.
    fn look_at(&self, change: &Change) -> Result<(), String> {
        if let Some(id) = change.goes()
            && id > self.highest
        {
            return Err(format!("there is no replica {id}: the members are {self}"));
        }
        let Some((id, url)) = change.comes() else { return Ok(()) };
        if !(1..=NodeId::MAX).contains(&id.0) {
            return Err(format!("{id} is no id of a replica: they go from 1 to {}", NodeId::MAX));
        }
        let free = self.highest.0 + 1;
        if self.has_left(id) {
            let next = if free <= NodeId::MAX {
                format!("use {free}, with an empty disk")
            } else {
                "and all ids up to the highest are used up".to_string()
            };
            return Err(format!("id {id} was used before, and no id is used twice: {next}"));
        }
        if url.len() > URL_BYTES_MAX {
            return Err(format!("an address has at most {URL_BYTES_MAX} bytes"));
        }
        match self.urls.get(&id) {
            Some(known) if known != url => Err(format!(
                "replica {id} is a member already, at another address: {}",
                String::from_utf8_lossy(known)
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn busy(&self) -> String {
        let newcomer = self.learners.first();
        let instead = newcomer.map_or("wait until it is done".to_string(), |id| {
            format!("wait until replica {id} has caught up, or give it up by removing {id}")
        });
        format!("another change is under way ({self}): {instead}")
    }

    /// Whether [`Members::next`] gives a step. Asked after each input, where that would copy all.
    pub fn goes_on(&self) -> bool {
        self.is_joint() || self.unconfirmed || !self.learners.is_empty()
    }

    /// The step that follows this one by itself: of a newcomer that has caught up, the joint
    /// configuration; of that, the new one alone; of that, the same for good.
    pub fn next(&self) -> Option<Members> {
        if self.is_joint() {
            let outgoing = BTreeSet::new();
            let unconfirmed = !planted(Bug::ChangeUnconfirmed);
            let mut next = Members { outgoing, unconfirmed, ..self.clone() };
            next.forget_urls();
            return Some(next);
        }
        if self.unconfirmed {
            return Some(Members { unconfirmed: false, ..self.clone() });
        }
        (!self.learners.is_empty()).then(|| self.clone().joint())
    }

    fn joint(self) -> Members {
        Members {
            voters: self.target.clone(),
            outgoing: self.voters,
            learners: BTreeSet::new(),
            ..self
        }
    }

    fn without_learners(&self) -> Members {
        let mut next =
            Members { learners: BTreeSet::new(), target: self.voters.clone(), ..self.clone() };
        next.forget_urls();
        next
    }

    fn forget_urls(&mut self) {
        let all = self.all();
        self.urls.retain(|id, _| all.contains(id));
    }

    /// Whether `next` may follow this configuration in a log.
    pub fn may_become(&self, next: &Members) -> bool {
        let by_itself = self.next().as_ref() == Some(next);
        let given_up = !self.learners.is_empty() && *next == self.without_learners();
        by_itself || given_up || (self.is_settled() && self.begins(next))
    }

    /// Whether `next` is the first step of some change.
    fn begins(&self, next: &Members) -> bool {
        let comes = next.target.difference(&self.voters).copied().next();
        let goes = self.voters.difference(&next.target).copied().next();
        let url = comes.and_then(|id| next.urls.get(&id)).cloned().unwrap_or_default();
        let change = match (goes, comes) {
            (None, Some(id)) => Change::Add { id, url },
            (Some(id), None) => Change::Remove { id },
            (Some(id), Some(by)) => Change::Replace { id, by, url },
            (None, None) => return false,
        };
        self.begin(&change) == Ok(Step::Commit(next.clone()))
    }

    /// What must hold of every configuration that is read from anybody.
    pub(crate) fn is_well_formed(&self) -> bool {
        let all = self.all();
        let is_id = |id: &NodeId| (1..=NodeId::MAX).contains(&id.0) && *id <= self.highest;
        let wants = |ids: &BTreeSet<NodeId>| ids.iter().all(|id| all.contains(id));
        !self.voters.is_empty()
            && (1..=NodeId::GROUP_MAX).contains(&self.target.len())
            && all.iter().all(is_id)
            && self.highest.0 <= NodeId::MAX
            && wants(&self.target)
            && self.learners.is_disjoint(&self.voters)
            && self.learners.is_disjoint(&self.outgoing)
            && self.learners.iter().all(|id| self.target.contains(id))
            && (!self.is_joint() || (self.learners.is_empty() && self.voters == self.target))
            && (self.is_joint() || !self.learners.is_empty() || self.voters == self.target)
            && !(self.unconfirmed && (self.is_joint() || !self.learners.is_empty()))
            && self.urls.keys().all(|id| all.contains(id))
            && self.urls.values().all(|url| url.len() <= URL_BYTES_MAX)
    }
}

/// `1,2,3 learns 4`; joint, `1,3,4 and 1,2,3`; of a newcomer that was not told yet, `nobody`.
impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.voters.is_empty() {
            return write!(f, "nobody");
        }
        write!(f, "{}", list(&self.voters))?;
        if self.is_joint() {
            write!(f, " and {}", list(&self.outgoing))?;
        }
        if !self.learners.is_empty() {
            write!(f, " learns {}", list(&self.learners))?;
        }
        if self.unconfirmed {
            write!(f, " unconfirmed")?;
        }
        Ok(())
    }
}

fn list(ids: &BTreeSet<NodeId>) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
