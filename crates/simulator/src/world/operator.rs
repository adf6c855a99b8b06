//! The operator: a person who wants other order replicas while the store works, as with `toystore
//! node`.
//!
//! A newcomer's process is started on an empty disk first; then the replicas are asked for the
//! change, one after the other, until one says that it is done. One that is out is ended a
//! while later, and never started again: so long it must disturb nobody. One change at a time, to
//! its end, also after everything has healed.
//!
//! Called by `strike` and by the world's loop; asks from where the asker sits.

use std::collections::BTreeSet;
use std::time::Duration;

use replication::members::Change as Asked;
use replication::{Members, NodeId};
use shop::Input;
use shop::message::{Group, Part, Problem, Reply, Request};
use shop::node::{Answer, CallId};

use super::process::Process;
use super::{Event, World};
use crate::fault::Change;
use crate::points::Point;
use crate::who::{Seat, Who};

/// How long one replica may take to answer that a change is done.
const ASK_DEADLINE: Duration = Duration::from_secs(5);

/// Between two questions.
const ASK_INTERVAL: Duration = Duration::from_millis(50);

/// How long one that is out may go on, in microseconds.
const LINGERS_US_MAX: u64 = 6_000_000;

/// How long a process may take to end when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(1);

/// Its calls are told from the asker's by this.
const CALLS: u64 = 1 << 63;

/// What the operator knows and does.
pub struct Operator {
    /// Whom a process is told of that starts, as `toystore up` has them in its folder.
    members: BTreeSet<NodeId>,
    /// The highest id that was ever given.
    highest: u8,
    work: Option<Work>,
    /// Who is out, and was not ended yet.
    leaving: BTreeSet<Seat>,
    asked: u64,
}

/// A change under way.
struct Work {
    change: Asked,
    lost: bool,
    /// The one that goes led when the change was wanted.
    led: bool,
    /// The newcomer is to be taken out again.
    gives_up: bool,
    /// That was tried.
    gave_up: bool,
    /// What is waited for.
    waits: Option<CallId>,
}

impl Work {
    fn comes(&self) -> Option<NodeId> {
        match &self.change {
            Asked::Add { id, .. } | Asked::Replace { by: id, .. } => Some(*id),
            Asked::Remove { .. } => None,
        }
    }

    /// What is asked now.
    fn wish(&self) -> Asked {
        match self.comes().filter(|_| self.gives_up) {
            Some(id) => Asked::Remove { id },
            None => self.change.clone(),
        }
    }
}

impl Operator {
    /// Of a store that begins with these.
    pub fn new(members: Vec<NodeId>) -> Operator {
        let highest = members.last().map_or(0, |id| id.0);
        let (members, leaving) = (members.into_iter().collect(), BTreeSet::new());
        Operator { members, highest, work: None, leaving, asked: 0 }
    }

    /// Whom a process is told of that starts.
    pub fn members(&self) -> BTreeSet<NodeId> {
        self.members.clone()
    }

    /// Whether a change is under way.
    pub fn waits(&self) -> bool {
        self.work.is_some()
    }

    /// Who comes by the change under way.
    pub fn newcomer(&self) -> Option<NodeId> {
        self.work.as_ref().and_then(Work::comes)
    }
}

impl World {
    /// Somebody wants other members. Returns whether there is anything to do.
    pub(super) fn change_members(&mut self, change: Change) -> bool {
        if change == Change::GiveUp {
            return self.give_up();
        }
        let whom = change.whom().and_then(|whom| self.find(whom));
        let id = whom.and_then(|seat| match self.who(seat) {
            Who::Order(id) => Some(NodeId(id)).filter(|id| self.operator.members.contains(id)),
            Who::Catalog(_) | Who::Frontend(_) | Who::Shopper(_) | Who::Asker => None,
        });
        let count = self.operator.members.len();
        let free = NodeId(self.operator.highest + 1);
        let url = || format!("http://order-{free}").into();
        let asked = match (change, id) {
            _ if self.operator.waits() => return false,
            (Change::Remove(_), Some(id)) if count > 1 => Asked::Remove { id },
            // Of two, the other one alone is no majority.
            (Change::Replace { lost: true, .. }, _) if count < 3 => return false,
            (Change::Add | Change::Replace { .. }, _) if self.spares_left() == 0 => return false,
            (Change::Add, _) => Asked::Add { id: free, url: url() },
            (Change::Replace { .. }, Some(id)) => Asked::Replace { id, by: free, url: url() },
            (Change::Remove(_) | Change::Replace { .. } | Change::GiveUp, _) => return false,
        };
        let lost = matches!(change, Change::Replace { lost: true, .. });
        let led = whom.is_some() && self.leader() == whom;
        let work = Work { change: asked, lost, led, gives_up: false, gave_up: false, waits: None };
        self.operator.work = Some(work);
        if let Some(seat) = whom.filter(|_| lost) {
            self.hosts[seat].enlisted = false;
            self.hosts[seat].dark = true;
            self.crash(seat);
        }
        if let Some(id) = self.operator.newcomer() {
            self.operator.highest = id.0;
            self.operator.members.insert(id);
            self.points.newcomer = Some(Who::Order(id.0));
            let seat = self.seat(Who::Order(id.0));
            self.hosts[seat].enlisted = true;
            self.start(seat);
        }
        self.schedule(ASK_INTERVAL, Event::Operate);
        true
    }

    fn spares_left(&self) -> u8 {
        self.seats.orders + self.seats.spares - self.operator.highest
    }

    /// The newcomer under way is not wanted any more. One in the place of a lost replica is.
    fn give_up(&mut self) -> bool {
        let work = self.operator.work.as_mut().filter(|work| !work.lost && !work.gives_up);
        let Some(work) = work.filter(|work| work.comes().is_some()) else { return false };
        (work.gives_up, work.gave_up, work.waits) = (true, true, None);
        self.schedule(ASK_INTERVAL, Event::Operate);
        true
    }

    /// Asks the next replica.
    pub(super) fn operate(&mut self) {
        let Operator { members, work, asked, .. } = &mut self.operator;
        let Some(work) = work.as_mut().filter(|work| work.waits.is_none()) else { return };
        *asked += 1;
        let call = CallId(CALLS + *asked);
        work.waits = Some(call);
        let place = *asked as usize % members.len();
        let Some(NodeId(id)) = members.iter().nth(place).copied() else { return };
        let (from, to) = (self.seats.of(Who::Asker), self.seats.of(Who::Order(id)));
        let request = Request::ChangeMembers(work.wish());
        // A copy that comes after the newcomer is wanted again would take it out once more, as it
        // says, and nobody would have asked for that.
        let may_double = !work.gives_up;
        self.say(|| format!("operator -> call !{} order-{id} {request}", call.0 - CALLS));
        let (life, answer) = (0, Answer::Unknown);
        self.schedule(ASK_DEADLINE, Event::Answer { to: from, life, call, answer });
        let doubled = may_double && self.network.doubles((from, to));
        if doubled {
            let request = request.clone();
            self.send((from, to), Event::Call { from, life, call, to, request, doubled });
        }
        self.send((from, to), Event::Call { from, life, call, to, request, doubled });
    }

    /// An answer comes to where the asker sits: whether it is the operator's.
    pub(super) fn hears(&mut self, call: CallId, answer: &Answer) -> bool {
        if call.0 < CALLS {
            return false;
        }
        let work = self.operator.work.as_mut().filter(|work| work.waits == Some(call));
        let Some(work) = work else { return true };
        work.waits = None;
        self.digest.note(&(self.now, call, answer));
        self.say(|| format!("operator <- answer !{} {answer}", call.0 - CALLS));
        match answer {
            Answer::Said(Ok(Reply::Members(group))) => self.on_changed(group),
            Answer::Said(Err(Problem::NotChanged(why))) => self.on_refused(why),
            Answer::Said(_) | Answer::Refused | Answer::Unknown => {
                self.schedule(ASK_INTERVAL, Event::Operate);
            }
        }
        true
    }

    /// The replicas refuse: only what is given up is refused for good, or cannot be given up any
    /// more.
    fn on_refused(&mut self, why: &str) {
        let Some(work) = &mut self.operator.work else { return };
        if !work.gave_up {
            let what = format!("{} is refused: {why}", work.change);
            return self.breaks("members", what);
        }
        work.gives_up = !work.gives_up;
        self.schedule(ASK_INTERVAL, Event::Operate);
    }

    /// The replicas say that the members are as wanted.
    fn on_changed(&mut self, group: &Group) {
        let Some(work) = self.operator.work.take() else { return };
        self.points.newcomer = None;
        let is: BTreeSet<NodeId> = group.members.iter().map(|member| member.id).collect();
        let voters = group.members.iter().filter(|member| member.part == Part::Votes);
        let met = work.wish().is_met(&voters.map(|member| member.id).collect());
        let out: Vec<NodeId> = self.operator.members.difference(&is).copied().collect();
        let goes = match work.change {
            Asked::Remove { id } | Asked::Replace { id, .. } => Some(id),
            Asked::Add { .. } => None,
        };
        let comes = work.comes();
        let may_go = |id: &NodeId| Some(*id) == goes || (work.gave_up && Some(*id) == comes);
        if !met || !group.settled || !out.iter().all(may_go) {
            let is = Members::first(is);
            let what = format!("{} is said to be done, and the members are {is}", work.wish());
            return self.breaks("members", what);
        }
        self.operator.members = is;
        self.points.reach(if work.gives_up { Point::NewcomerGivenUp } else { Point::Changed });
        if work.lost {
            self.points.reach(Point::LostReplaced);
        }
        if work.led && goes.is_some_and(|id| out.contains(&id)) {
            self.points.reach(Point::LeaderRemoved);
        }
        for NodeId(id) in out {
            let host = self.seat(Who::Order(id));
            self.operator.leaving.insert(host);
            let lingers = self.micros(0, LINGERS_US_MAX);
            let at_once = self.dice.below(2) == 0;
            self.schedule(lingers, Event::Dismiss { host, at_once });
        }
    }

    /// A process that was taken out is ended.
    pub(super) fn dismiss(&mut self, seat: Seat, at_once: bool) {
        let host = &mut self.hosts[seat];
        host.enlisted = false;
        if at_once || host.paused || !host.is_up() {
            self.operator.leaving.remove(&seat);
            self.crash(seat);
            return self.tell_frontends();
        }
        host.stopping = true;
        self.step(seat, Input::Stop);
        self.schedule(STOP_MAX, Event::Dismiss { host: seat, at_once: true });
    }

    /// One that was out of touch while all went that it knew would look for them for ever: it is
    /// started again, and told who is there.
    fn tell_frontends(&mut self) {
        for frontend in 1..=self.seats.frontends {
            let seat = self.seat(Who::Frontend(frontend));
            let Some(Process::Frontend(process)) = &self.hosts[seat].process else { continue };
            if process.replicas().iter().all(|id| !self.operator.members.contains(id)) {
                self.crash(seat);
                self.schedule(ASK_INTERVAL, Event::Start { host: seat });
            }
        }
    }

    /// Whether every change has come to its end, and everybody who is out has ended.
    pub fn members_settled(&self) -> bool {
        !self.operator.waits() && self.operator.leaving.is_empty()
    }

    /// What is under way, for the message.
    pub(super) fn unsettled(&self) -> Option<String> {
        let work = self.operator.work.as_ref()?;
        Some(format!("{} (operator)", work.wish()))
    }
}
