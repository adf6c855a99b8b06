//! Leading: the first entry, what followers have stored, read barriers.
//!
//! A **read barrier** asks the others whether they have promised a higher term since
//! ([`Message::Probe`](super::Message::Probe)). If a majority has not, nobody can have led under a
//! higher term before the question, since that takes the promises of a majority, and the two have a
//! replica in common, whose promise is on disk before anybody hears of it. So what this leader has
//! applied is all that was acknowledged when the barrier began (Raft §6.4 does the same with
//! heartbeats). It costs a round trip, and no entry in the log.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::message::{Body, Message};
use super::transfer::Transfers;
use super::translate::to_crate;
use super::{Out, Paxos};
use crate::engine::Effect;
use crate::log::{Entry, Index};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};

/// A term in which this replica leads, or will when its first entry is applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reign {
    pub term: Term,
    /// Where its first entry, `Lead`, stands.
    lead: Index,
    /// Whether that is applied, so that the service may work.
    pub leading: bool,
    /// Whether it ended for the service, since no majority is heard.
    pub retired: bool,
    /// How far each follower has stored this leader's log, and how far that was counted.
    stored: BTreeMap<NodeId, (Index, Index)>,
    /// Barriers that wait, with the number of the question that they wait for; rising.
    barriers: VecDeque<(u64, u64)>,
    /// The number of the newest question.
    asked: u64,
    /// The newest question that each peer affirmed.
    affirmed: BTreeMap<NodeId, u64>,
    /// Snapshots on their way to followers.
    pub transfers: Transfers,
}

impl Reign {
    /// How far each follower has stored the log.
    pub(super) fn followers(&self) -> Vec<(NodeId, Index)> {
        self.stored.iter().map(|(peer, (stored, _))| (*peer, *stored)).collect()
    }
}

impl Paxos {
    /// Begins a reign when the protocol leads, ends it when it does not any more.
    pub(super) fn follow_protocol(&mut self, out: &mut Out) {
        let leads = self.protocol.leads();
        if self.reign.as_ref().map(|reign| reign.term) == leads {
            return;
        }
        if let Some(reign) = self.reign.take() {
            let failed = reign.barriers.into_iter().map(|(_, tag)| Effect::Failed(tag));
            out.tells.extend(failed);
        }
        let Some(term) = leads else { return };
        let lead = self.protocol.log().last().next();
        self.reign = Some(Reign {
            term,
            lead,
            leading: false,
            retired: false,
            stored: BTreeMap::new(),
            barriers: VecDeque::new(),
            asked: 0,
            affirmed: BTreeMap::new(),
            transfers: Transfers::default(),
        });
        self.protocol.append(Entry { index: lead, term, command: Bytes::new() });
    }

    /// Tells the service whether it leads, or who else does.
    pub(super) fn tell_leader(&mut self, out: &mut Out) {
        if let Some(reign) = self.reign.as_mut().filter(|reign| !reign.leading && !reign.retired)
            && self.applied >= reign.lead
        {
            reign.leading = true;
            self.leader = Some(self.config.id);
            out.tells.push(Effect::Leading(reign.term));
        }
        let leads = self.reign.as_ref().is_some_and(|reign| reign.leading);
        let promised = Some(self.protocol.promised().node);
        let known = if leads {
            Some(self.config.id)
        } else if promised == self.leader && promised != Some(self.config.id) {
            self.leader
        } else {
            self.protocol.follows()
        };
        if known != self.leader {
            self.leader = known;
            out.tells.push(Effect::Following { leader: known });
        }
    }

    /// Ends a reign for the service; for the protocol it goes on until there is another leader.
    pub(super) fn retire(&mut self, out: &mut Out) {
        let Some(reign) = &mut self.reign else { return };
        (reign.leading, reign.retired) = (false, true);
        let failed = reign.barriers.drain(..).map(|(_, tag)| Effect::Failed(tag));
        out.tells.extend(failed);
    }

    /// Another leader's term is in force at the arbiter: a majority elected it. If it is of another
    /// time of this store, there will be a higher one of this replica.
    pub(super) fn on_refused(&mut self, term: Term, out: &mut Out) {
        if self.reign.as_ref().is_some_and(|reign| reign.term < term) {
            self.retire(out);
        }
    }

    /// Asks the follower that has most to lead.
    pub(super) fn on_hand_over(&mut self, out: &mut Out) {
        let Some(reign) = self.reign.as_ref().filter(|reign| reign.leading) else { return };
        let reachable = |peer: &NodeId| self.links.get(peer).is_some_and(|link| !link.refused);
        let followers = reign.stored.iter().filter(|(peer, _)| reachable(peer));
        let best = followers.max_by_key(|(peer, (stored, _))| (*stored, **peer));
        if let Some((peer, _)) = best {
            out.send(*peer, Message::LeadNow { term: reign.term });
        }
    }

    pub(super) fn on_lead_now(&mut self, from: NodeId, term: Term) {
        if term.node == from && term == self.protocol.promised() {
            self.try_to_lead();
        }
    }

    pub(super) fn on_propose(&mut self, commands: Vec<Bytes>) {
        let Some(reign) = self.reign.as_ref().filter(|reign| reign.leading) else { return };
        let first = self.protocol.log().last().0 + 1;
        for (index, command) in (first..).map(Index).zip(commands) {
            self.protocol.append(Entry { index, term: reign.term, command });
        }
    }

    /// A follower has this much of the log of a term on its disk.
    pub(super) fn on_stored(&mut self, from: NodeId, term: Term, last: Index) {
        let end = self.protocol.log().last();
        let Some(reign) = self.reign.as_mut().filter(|reign| reign.term == term) else { return };
        if last <= end {
            let (stored, _) = reign.stored.entry(from).or_default();
            *stored = last.max(*stored);
            self.count_stored();
        }
    }

    /// The crate counts this leader's own vote for an entry at once; so it hears of the others'
    /// only when the entry is on this disk too, and disks and network can work at the same time.
    pub(super) fn count_stored(&mut self) {
        let durable = self.disk.durable();
        let Some(reign) = self.reign.as_mut() else { return };
        let term = reign.term;
        let mut votes = Vec::new();
        if planted(Bug::ReachableMajority) {
            let gone = self.links.iter().filter(|(_, link)| link.refused);
            reign.stored.extend(gone.map(|(peer, _)| (*peer, (durable, Index(0)))));
        }
        for (peer, (stored, counted)) in &mut reign.stored {
            let own = if planted(Bug::AcceptUnsynced) { *stored } else { durable };
            let last = (*stored).min(own);
            if last > *counted {
                *counted = last;
                votes.push((*peer, last));
            }
        }
        for (peer, last) in votes {
            let vote = to_crate(peer, self.config.id, Body::Accepted { term, last });
            self.protocol.hear(vote.expect("a vote is a whole message"));
        }
    }

    pub(super) fn on_barrier(&mut self, tag: u64, out: &mut Out) {
        let Some(reign) = self.reign.as_mut().filter(|reign| reign.leading) else {
            return out.tells.push(Effect::Failed(tag));
        };
        if planted(Bug::ProbeSkipped) {
            return out.tells.push(Effect::Passed(tag));
        }
        reign.asked += 1;
        reign.barriers.push_back((reign.asked, tag));
        self.probe(out);
    }

    /// Asks the question that answers all barriers; again every now and then, if it was lost.
    pub(super) fn probe(&self, out: &mut Out) {
        let Some(reign) = self.reign.as_ref().filter(|reign| !reign.barriers.is_empty()) else {
            return;
        };
        for peer in &self.config.peers {
            out.send(*peer, Message::Probe { term: reign.term, number: reign.asked });
        }
    }

    pub(super) fn on_probe(&self, from: NodeId, term: Term, number: u64, out: &mut Out) {
        if term.node == from && term == self.protocol.promised() {
            out.send(from, Message::Affirm { term, number });
        }
    }

    pub(super) fn on_affirm(&mut self, from: NodeId, term: Term, number: u64, out: &mut Out) {
        let quorum = self.quorum();
        let Some(reign) = self.reign.as_mut().filter(|reign| reign.term == term) else { return };
        if number > reign.asked {
            return;
        }
        let affirmed = reign.affirmed.entry(from).or_default();
        *affirmed = number.max(*affirmed);
        while let Some((asked, tag)) = reign.barriers.front().copied() {
            let agree = reign.affirmed.values().filter(|number| **number >= asked).count();
            if agree + 1 < quorum {
                break;
            }
            reign.barriers.pop_front();
            out.tells.push(Effect::Passed(tag));
        }
    }
}
