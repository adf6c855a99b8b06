//! Who belongs to the group of replicas: told by the engine, asked for and changed by people.
//!
//! The engine decides (`replication::members`); here its answers find those who wait, and
//! everybody learns where a newcomer is. Called by `orders::mod` and `orders::serve`.

use replication::Members;
use replication::engine::Outcome;
use replication::members::Change;

use super::*;
use crate::message::{Group, Member, Part, Reply};

/// Members as the engine knows them, and who waits for a change of them.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// As of what is applied; `None` where they never change.
    members: Option<Members>,
    waiting: BTreeMap<u64, Token>,
    last: u64,
}

impl Orders {
    /// Whoever may lead or follow, this replica among them.
    pub(super) fn replicas(&self) -> BTreeSet<NodeId> {
        let engine = &self.config.engine;
        let fixed = || engine.peers.iter().copied().chain([engine.id]).collect();
        self.membership.members.as_ref().map_or_else(fixed, Members::all)
    }

    /// The engine has other members.
    pub(super) fn on_members(&mut self, members: Members, out: &mut Vec<Effect>) {
        for (id, url) in members.urls.iter().filter(|(id, _)| **id != self.config.engine.id) {
            let (node, url) = (Address::Order(*id), String::from_utf8_lossy(url).into_owned());
            out.push(Effect::Know { node, url });
        }
        self.membership.members = Some(members);
    }

    /// Somebody wants other members.
    pub(super) fn on_change(
        &mut self,
        now: Time,
        token: Token,
        change: Change,
        out: &mut Vec<Effect>,
    ) {
        self.membership.last += 1;
        let tag = self.membership.last;
        self.membership.waiting.insert(tag, token);
        self.drive(now, engine::Input::Change { tag, change }, out);
    }

    /// What came of it.
    pub(super) fn on_changed(&mut self, tag: u64, outcome: Outcome, out: &mut Vec<Effect>) {
        let Some(token) = self.membership.waiting.remove(&tag) else { return };
        let response = match outcome {
            Outcome::Done => Ok(Reply::Members(self.group())),
            Outcome::Refused(why) => Err(Problem::NotChanged(why)),
            Outcome::NotLeader => Err(self.not_leader()),
        };
        out.push(Effect::Reply { token, response });
    }

    /// Everybody who belongs to it, and how.
    pub(super) fn group(&self) -> Group {
        let all = self.replicas();
        let Some(members) = &self.membership.members else {
            if self.config.engine.joins {
                // Nobody has told it yet.
                return Group { members: Vec::new(), settled: false, highest: NodeId::NONE };
            }
            let highest = all.last().copied().unwrap_or(NodeId::NONE);
            let member = |id| Member { id, part: Part::Votes, url: None };
            return Group {
                members: all.into_iter().map(member).collect(),
                settled: true,
                highest,
            };
        };
        let member = |id: NodeId| Member {
            id,
            part: match (members.voters.contains(&id), members.learners.contains(&id)) {
                (true, _) => Part::Votes,
                (false, true) => Part::Learns,
                (false, false) => Part::Leaves,
            },
            url: members.urls.get(&id).map(|url| String::from_utf8_lossy(url).into_owned()),
        };
        Group {
            members: all.into_iter().map(member).collect(),
            settled: members.is_settled(),
            highest: members.highest,
        }
    }

    /// The same for a frontend that was told others when it started; nothing, if it was not.
    pub(super) fn news_of_members(&self) -> Vec<Member> {
        let engine = &self.config.engine;
        let first = Members::first(engine.peers.iter().copied().chain([engine.id]));
        match &self.membership.members {
            Some(members) if *members != first => self.group().members,
            Some(_) | None => Vec::new(),
        }
    }
}
