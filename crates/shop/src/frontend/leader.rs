//! Who leads the order service: search, watch, notify.
//!
//! The course's rule, with what its implementations lack. **Search**: ask all replicas at once,
//! each with a deadline, so that one that hangs costs as much as one that is dead. If one says that
//! it leads, it is adopted, the highest term first: leadership is sticky. Else the highest id that
//! answered is **told** to lead, and all others are told the same, dead ones or not; if it may not
//! (it is not in the in-sync set), the next lower one is told. **Watch**: the leader is asked again
//! and again, and suspected at once when a call to it fails, its connection is refused, or it says
//! that it does not lead. Where another replica is named instead, that one is asked first. Once
//! another replica leads, nobody waits for what the one before was asked: it may hang.
//!
//! A search never ends without a leader: it rests a bounded while and begins again. Under engines
//! that choose for themselves the telling is ignored, and the search finds whom they chose.
//!
//! Called by `frontend::mod`; speaks to the order replicas through the outbox.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replication::planted::{Bug, planted};
use replication::{NodeId, Term, Time};

use super::calls::{Outbox, Purpose};
use super::config::{Config, Timers};
use crate::message::{Leader, Member, Part, Problem, Reply, Request};
use crate::node::{Address, Answer, Effect};

/// The rest after the first search in vain; doubled after each further one.
const REST_MIN: Duration = Duration::from_millis(20);

/// The longest rest between two searches.
const REST_MAX: Duration = Duration::from_millis(500);

/// How long after its start a frontend waits for replicas that do not answer yet: a store's
/// processes start together, and the highest id should lead because it is the highest, not because
/// it was the quickest.
const START_PATIENCE: Duration = Duration::from_millis(300);

/// How many hints are followed in a row before everybody is asked: two replicas may name each
/// other.
const HINTS_MAX: u32 = 3;

/// The leader that is believed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Known {
    /// Which replica.
    pub id: NodeId,
    /// Its term; absent while it is only a hint.
    pub term: Option<Term>,
}

/// What the search is at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// Nothing under way: the next watch or search comes by timer.
    Resting,
    /// Everybody was asked who leads.
    Asking { silent: BTreeSet<NodeId>, answered: BTreeMap<NodeId, Leader> },
    /// Everybody was told that `candidate` should lead; `lower` may be told next.
    Telling { candidate: NodeId, lower: BTreeSet<NodeId> },
}

/// The frontend's belief about who leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leadership {
    replicas: Vec<NodeId>,
    /// Where those are that came by a change of the members.
    urls: BTreeMap<NodeId, String>,
    timers: Timers,
    known: Option<Known>,
    stage: Stage,
    /// The highest term that anybody spoke of: when no replica leads, all up to it have failed.
    highest: Term,
    /// Counts adoptions: what a call sent under an earlier one says of the leader is old.
    reign: u64,
    /// The replica that was adopted last, and the first of its adoptions in a row.
    adopted: Option<(NodeId, u64)>,
    /// Counts askings and tellings, so that answers to an earlier one are not taken for this one's.
    round: u64,
    /// Searches since the order service last did anything for us.
    fruitless: u32,
    hints: u32,
    watching: bool,
    next_at: Option<Time>,
    /// Until then, nobody is told to lead while somebody is silent.
    patient_until: Time,
}

impl Leadership {
    pub fn new(config: &Config) -> Leadership {
        Leadership {
            replicas: config.orders.clone(),
            urls: BTreeMap::new(),
            timers: config.timers,
            known: None,
            stage: Stage::Resting,
            highest: Term::ZERO,
            reign: 0,
            adopted: None,
            round: 0,
            fruitless: 0,
            hints: 0,
            watching: false,
            next_at: None,
            patient_until: Time(0),
        }
    }

    /// Whom to send orders to, and under which adoption.
    pub fn leader(&self) -> Option<(NodeId, u64)> {
        self.known.map(|known| (known.id, self.reign))
    }

    /// Who may lead or follow, as far as is known here.
    pub fn replicas(&self) -> &[NodeId] {
        &self.replicas
    }

    /// Calls under adoptions before this one went to another replica than the one that is believed
    /// in.
    pub fn reign_begun(&self) -> u64 {
        self.adopted.map_or(0, |(_, reign)| reign)
    }

    /// For people.
    pub fn known(&self) -> Option<Known> {
        self.known
    }

    /// When it wants to watch or to search.
    pub fn next_timer(&self) -> Option<Time> {
        self.next_at
    }

    /// Begins the first search.
    pub fn start(&mut self, out: &mut Outbox<'_>) {
        self.patient_until = out.now + START_PATIENCE;
        self.search(out);
    }

    /// Watches the leader or begins a search, if it is time.
    pub fn wake_if_due(&mut self, out: &mut Outbox<'_>) {
        if self.next_at.is_none_or(|at| out.now < at) {
            return;
        }
        if self.known.is_none() {
            self.search(out);
            return;
        }
        self.next_at = Some(out.now + self.timers.check);
        self.watch(out);
    }

    fn watch(&mut self, out: &mut Outbox<'_>) {
        let Some((id, reign)) = self.leader() else { return };
        if !self.watching {
            self.watching = true;
            let purpose = Purpose::Watch { reign };
            out.call(purpose, Address::Order(id), Request::ReadLeader, self.timers.ping);
        }
    }

    /// Asks everybody who leads.
    fn search(&mut self, out: &mut Outbox<'_>) {
        self.fruitless = self.fruitless.saturating_add(1);
        self.round += 1;
        self.next_at = None;
        for replica in &self.replicas {
            let purpose = Purpose::Ping { replica: *replica, round: self.round };
            out.call(purpose, Address::Order(*replica), Request::ReadLeader, self.timers.ping);
        }
        let silent = self.replicas.iter().copied().collect();
        self.stage = Stage::Asking { silent, answered: BTreeMap::new() };
    }

    /// The search found nobody: rest, then begin again.
    fn rest(&mut self, now: Time) {
        let doublings = self.fruitless.saturating_sub(1).min(16);
        self.stage = Stage::Resting;
        let pause = (REST_MIN * (1 << doublings)).min(REST_MAX);
        self.next_at = (!planted(Bug::ExitOnNoLeader)).then_some(now + pause);
    }

    fn adopt(&mut self, now: Time, id: NodeId, term: Option<Term>) {
        self.known = Some(Known { id, term });
        self.patient_until = Time(0);
        self.highest = self.highest.max(term.unwrap_or(Term::ZERO));
        self.reign += 1;
        if self.adopted.is_none_or(|(before, _)| before != id) {
            self.adopted = Some((id, self.reign));
        }
        self.watching = false;
        self.stage = Stage::Resting;
        self.next_at = Some(now + self.timers.check);
    }

    /// A replica's answer in a search.
    pub fn on_ping(&mut self, out: &mut Outbox<'_>, replica: NodeId, round: u64, answer: Answer) {
        let Stage::Asking { silent, answered } = &mut self.stage else { return };
        if round != self.round {
            return;
        }
        silent.remove(&replica);
        let mut learned = (false, Vec::new());
        if let Answer::Said(Ok(Reply::Leader(leader))) = answer {
            self.highest = self.highest.max(leader.term);
            learned = (leader.leading, leader.members.clone());
            answered.insert(replica, leader);
        }
        let leading = answered.iter().filter(|(_, leader)| leader.leading);
        let best = leading.max_by_key(|(_, leader)| leader.term).map(|(id, l)| (*id, l.term));
        // A hung replica need not be waited for when most have answered and one of them leads
        // under the highest term that anybody knows.
        let majority = answered.len() > self.replicas.len() / 2;
        let candidates = answered.keys().copied().collect();
        let (none_silent, all_answered) =
            (silent.is_empty(), answered.len() >= self.replicas.len());
        self.learn(out, learned.0, &learned.1);
        match best {
            Some((id, term)) if none_silent || (majority && term == self.highest) => {
                self.adopt(out.now, id, Some(term));
            }
            Some(_) => {}
            None if none_silent && !all_answered && out.now < self.patient_until => {
                self.rest(out.now);
            }
            None if none_silent => self.tell_next(out, candidates),
            None => {}
        }
    }

    /// Tells everybody that the highest of `candidates` should lead.
    fn tell_next(&mut self, out: &mut Outbox<'_>, mut candidates: BTreeSet<NodeId>) {
        // Who answered may have been taken out, and is told nothing: nobody would wait for it.
        candidates.retain(|id| self.replicas.contains(id));
        let Some(candidate) = candidates.pop_last() else { return self.rest(out.now) };
        self.round += 1;
        for replica in &self.replicas {
            let purpose = Purpose::Lead { replica: *replica, round: self.round };
            let request = Request::Lead { leader: candidate, after: self.highest };
            out.call(purpose, Address::Order(*replica), request, self.timers.lead);
        }
        self.stage = Stage::Telling { candidate, lower: candidates };
    }

    /// A replica's answer to being told who should lead.
    pub fn on_lead(&mut self, out: &mut Outbox<'_>, replica: NodeId, round: u64, answer: Answer) {
        let Stage::Telling { candidate, lower } = &self.stage else { return };
        if round != self.round {
            return;
        }
        if let Answer::Said(Ok(Reply::Leader(leader))) = &answer
            && leader.leading
            && (replica == *candidate || leader.term > self.highest)
        {
            return self.adopt(out.now, replica, Some(leader.term));
        }
        if replica != *candidate {
            return;
        }
        let mut lower = lower.clone();
        match answer {
            Answer::Said(Err(Problem::NotInSync(view) | Problem::Fenced(view))) => {
                // Its leader did not say that it leads when everybody was asked: it failed too.
                self.highest = self.highest.max(view.term);
                if !view.in_sync.is_empty() {
                    lower.retain(|id| view.in_sync.contains(id));
                }
                self.tell_next(out, lower);
            }
            Answer::Said(Ok(Reply::Leader(leader))) => {
                // Somebody else leads, or an engine chooses for itself: ask everybody again.
                self.highest = self.highest.max(leader.term);
                self.rest(out.now);
            }
            Answer::Said(_) | Answer::Refused | Answer::Unknown => self.tell_next(out, lower),
        }
    }

    /// The leader's answer to the question whether it still leads.
    pub fn on_watch(&mut self, out: &mut Outbox<'_>, reign: u64, answer: Answer) {
        if reign != self.reign {
            return;
        }
        self.watching = false;
        match answer {
            Answer::Said(Ok(Reply::Leader(Leader { leading: true, term, members, .. }))) => {
                self.learn(out, true, &members);
                self.highest = self.highest.max(term);
                if let Some(known) = &mut self.known {
                    known.term = Some(term);
                }
                self.served(reign);
            }
            Answer::Said(Ok(Reply::Leader(Leader { leader, term, members, .. }))) => {
                self.learn(out, false, &members);
                self.highest = self.highest.max(term);
                self.redirected(out, reign, leader);
            }
            Answer::Said(_) | Answer::Refused | Answer::Unknown => self.lost(out, reign),
        }
    }

    /// A replica says who belongs to the group, if it is another one than in the beginning. What a
    /// leader says counts; others may be behind, but may know somebody who leads.
    fn learn(&mut self, out: &mut Outbox<'_>, leading: bool, members: &[Member]) {
        let voters = members.iter().filter(|member| member.part != Part::Learns);
        let mut voters: BTreeSet<NodeId> = voters.map(|member| member.id).collect();
        if !members.is_empty() {
            if !leading {
                voters.extend(&self.replicas);
            }
            self.replicas = voters.into_iter().collect();
        }
        for Member { id, url, .. } in members {
            if let Some(url) = url
                && self.urls.insert(*id, url.clone()).as_ref() != Some(url)
            {
                out.effects.push(Effect::Know { node: Address::Order(*id), url: url.clone() });
            }
        }
    }

    /// The leader did what a leader does.
    pub fn served(&mut self, reign: u64) {
        if reign == self.reign {
            self.fruitless = 0;
            self.hints = 0;
        }
    }

    /// A call to the leader failed, or its connection did.
    pub fn lost(&mut self, out: &mut Outbox<'_>, reign: u64) {
        if reign != self.reign || self.known.take().is_none() {
            return;
        }
        // One that was found and lost again without having done anything is no reason to hurry.
        if self.fruitless <= 1 { self.search(out) } else { self.rest(out.now) }
    }

    /// The leader says that it does not lead, and perhaps who does.
    pub fn redirected(&mut self, out: &mut Outbox<'_>, reign: u64, hint: Option<NodeId>) {
        let Some(known) = self.known.filter(|_| reign == self.reign) else { return };
        match hint {
            Some(id) if id != known.id && self.replicas.contains(&id) && self.hints < HINTS_MAX => {
                self.hints += 1;
                self.adopt(out.now, id, None);
                self.watch(out);
            }
            Some(_) | None => self.lost(out, reign),
        }
    }

    /// A connection opened or was refused. One that opens ends a rest: that replica may lead.
    pub fn on_link(&mut self, out: &mut Outbox<'_>, replica: NodeId, up: bool) {
        match self.leader() {
            Some((id, reign)) if id == replica && !up => self.lost(out, reign),
            Some(_) => {}
            None if up && self.stage == Stage::Resting => self.search(out),
            None => {}
        }
    }

    /// No more watching and searching: the node stops.
    pub fn end(&mut self) {
        self.next_at = None;
    }
}
