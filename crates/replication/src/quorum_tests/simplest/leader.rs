//! What the simplest engine does to lead: votes, its log, what is committed. Called by its `step`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Effects, Leader, Role, Simplest};
use crate::engine::Effect;
use crate::log::{Entry, Index, Record, Snapshot};
use crate::planted::{Bug, planted};
use crate::primary_backup::Message;
use crate::term::{NodeId, Term};
use crate::time::Time;

impl Simplest {
    pub(super) fn vote(&mut self, now: Time, from: NodeId, term: Term, out: &mut Effects) {
        let Role::Candidate { votes, .. } = &mut self.role else { return };
        if term != self.promised {
            return;
        }
        votes.insert(from);
        if votes.len() < self.majority() {
            return;
        }
        let next = self.peers.iter().map(|peer| (*peer, self.log.last().next())).collect();
        let lead = self.log.last().next();
        self.role = Role::Leader(Leader {
            lead,
            announced: false,
            matched: BTreeMap::new(),
            next,
            heard: BTreeMap::new(),
            round: 0,
            barriers: Vec::new(),
        });
        self.leader = Some(self.id);
        self.append_own(vec![Bytes::new()], out);
        self.rest(now);
        if planted(Bug::LeadsEarly) {
            self.announce(out);
        }
    }

    pub(super) fn announce(&mut self, out: &mut Effects) {
        if let Role::Leader(leader) = &mut self.role
            && !leader.announced
        {
            leader.announced = true;
            out.push(Effect::Leading(self.promised));
        }
    }

    pub(super) fn append_own(&mut self, commands: Vec<Bytes>, out: &mut Effects) {
        let from = self.log.last().next();
        for command in commands {
            self.log.append(Entry { index: self.log.last().next(), term: self.promised, command });
        }
        self.broadcast(out);
        for entry in self.log.from(from, usize::MAX).to_vec() {
            self.persist(Record::Append(entry), out);
        }
    }

    pub(super) fn broadcast(&mut self, out: &mut Effects) {
        for peer in self.peers.clone() {
            self.send_log(peer, out);
        }
    }

    pub(super) fn send_log(&mut self, to: NodeId, out: &mut Effects) {
        let Role::Leader(leader) = &self.role else { return };
        let (next, barrier) = (leader.next[&to], leader.round);
        let previous = next.previous();
        let Some(previous_term) = self.log.term_at(previous) else {
            return out.push(Effect::WantSnapshot);
        };
        let entries = self.log.from(next, 8).to_vec();
        let (term, committed) = (self.promised, self.committed);
        let append = Message::Append { term, previous, previous_term, entries, committed, barrier };
        self.send(to, append, out);
    }

    pub(super) fn advance(&mut self, out: &mut Effects) {
        let majority = self.majority();
        let Role::Leader(leader) = &mut self.role else { return };
        let mut matched: Vec<Index> = leader.matched.values().copied().collect();
        matched.push(self.durable);
        matched.sort_unstable_by(|a, b| b.cmp(a));
        let needed = if planted(Bug::AckBeforeReplicate) { 1 } else { majority };
        if let Some(index) = matched.get(needed - 1)
            && self.log.term_at(*index) == Some(self.promised)
        {
            self.committed = self.committed.max(*index);
        }
        let heard = |round: u64| leader.heard.values().filter(|r| **r >= round).count() + 1;
        let passes = |round: u64| heard(round) >= majority || planted(Bug::StaleLeaderRead);
        let passed = leader.barriers.iter().filter(|(_, round)| passes(*round));
        let passed: Vec<u64> = passed.map(|(tag, _)| *tag).collect();
        leader.barriers.retain(|(tag, _)| !passed.contains(tag));
        self.apply(out);
        out.extend(passed.into_iter().map(Effect::Passed));
    }

    pub(super) fn on_snapshot(&mut self, snapshot: Snapshot, out: &mut Effects) {
        let Role::Leader(leader) = &self.role else { return };
        let Snapshot { index, term: index_term, state: bytes } = snapshot;
        let behind = leader.next.iter().filter(|(_, next)| **next <= self.log.start());
        for (peer, _) in behind {
            let (term, total, bytes) = (self.promised, bytes.len() as u64, bytes.clone());
            self.send(
                *peer,
                Message::Piece { term, index, index_term, offset: 0, total, bytes },
                out,
            );
        }
    }
}
