//! Members that come and go in the test world: asked for by golden scripts and random walks, looked
//! at by both. Called by `world`, `scripts`, `walk` and `healing`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use bytes::Bytes;

use super::host::Host;
use super::walk::Walk;
use super::world::World;
use crate::engine::{Input, Outcome};
use crate::log::Recovered;
use crate::members::{Change, Members};
use crate::term::NodeId;

/// A walk keeps the disk of everybody who was ever there.
const IDS_MAX: u8 = 9;

impl World {
    /// A replica with an empty disk that shall come to the group. It does not run yet.
    pub fn newcomer(&mut self, id: NodeId) {
        let join = self.subject.join.expect("the members of this engine can change");
        let engine = join(id, self.seed, &Recovered::default());
        let known = self.hosts.insert(id, Host { joins: true, ..Host::new(engine) });
        assert!(known.is_none(), "the test uses replica {id} twice");
    }

    /// Somebody asks a replica for other members.
    pub fn change(&mut self, id: NodeId, tag: u64, change: Change) {
        if self.hosts[&id].up {
            self.tell(|out| write!(out, "{id}: is asked to {change}"));
            let known = self.witness.changes.insert(tag, (id, change.clone()));
            assert!(known.is_none(), "the test uses change {tag} twice");
            self.step(id, Input::Change { tag, change });
        }
    }

    /// What a replica says that came of it.
    pub(super) fn changed(&mut self, id: NodeId, tag: u64, outcome: &Outcome) {
        self.note(|out| match outcome {
            Outcome::Done => write!(out, "{id}: change {tag} is done"),
            Outcome::Refused(why) => write!(out, "{id}: change {tag} is refused: {why}"),
            Outcome::NotLeader => write!(out, "{id}: change {tag}: not the leader"),
        });
        let asked = self.witness.changes.remove(&tag);
        let Some((asked, change)) = asked else {
            panic!("change {tag}, which is not under way, is answered by {id}: {outcome:?}")
        };
        assert_eq!(asked, id, "change {tag} is answered where nobody asked");
        if *outcome == Outcome::Done {
            self.tally.changes += 1;
            let done = self.voters(id).is_none_or(|voters| change.is_met(&voters));
            assert!(done, "{id} says that it is done: {change}");
        }
    }

    /// The voters as a replica knows them, if no change is under way there.
    fn voters(&self, id: NodeId) -> Option<BTreeSet<NodeId>> {
        let members = self.hosts[&id].members.as_ref();
        Some(members.filter(|members| members.is_settled())?.voters.clone())
    }

    /// Who must have everything in the end.
    pub fn belongs(&self, id: NodeId) -> bool {
        match &self.witness.members {
            Some(members) => members.all().contains(&id),
            None => !self.hosts[&id].joins,
        }
    }

    /// Whether no change is under way, as far as anybody applied.
    pub fn is_settled(&self) -> bool {
        self.witness.members.as_ref().is_none_or(Members::is_settled)
    }
}

/// `add 4`, `remove 2`, `replace 2 4`.
pub(super) fn parse(what: &str, ids: &[u8]) -> Result<Change, String> {
    let url = |id: u8| Bytes::from(format!("http://order-{id}"));
    match (what, ids) {
        ("add", [id]) => Ok(Change::Add { id: NodeId(*id), url: url(*id) }),
        ("remove", [id]) => Ok(Change::Remove { id: NodeId(*id) }),
        ("replace", [id, by]) => {
            Ok(Change::Replace { id: NodeId(*id), by: NodeId(*by), url: url(*by) })
        }
        _ => Err(format!("{what}: add 4, remove 2 or replace 2 4")),
    }
}

impl Walk {
    /// Somebody wants another member, one less, or one in the place of another; now and then what
    /// was wanted before, or what cannot be.
    pub(super) fn change(&mut self) {
        let id = self.likely_leader();
        let (highest, other) = (self.world.ids().len(), self.any());
        let by = NodeId(u8::try_from(highest + 1).expect("few replicas"));
        let old = NodeId(u8::try_from(highest).expect("few replicas"));
        let url = |id: NodeId| Bytes::from(format!("http://{id}"));
        let free = by.0 <= IDS_MAX;
        let change = match self.random.below(8) {
            0 | 1 if free => Change::Add { id: by, url: url(by) },
            2..=4 if free => Change::Replace { id: other, by, url: url(by) },
            5 => Change::Add { id: old, url: url(old) },
            _ => Change::Remove { id: other },
        };
        let comes = match &change {
            Change::Add { id, .. } | Change::Replace { by: id, .. } => *id == by,
            Change::Remove { .. } => false,
        };
        if comes {
            self.world.newcomer(by);
            self.world.start(&[by]);
        }
        self.tag += 1;
        self.world.change(id, u64::from(self.tag), change);
    }
}
