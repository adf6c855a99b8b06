//! Looks at all nodes again and again, as the page does at real ones, and keeps what it sees.
//!
//! Called by the world's loop between two events, and by `step` for each message; it takes no dice
//! and changes nothing that a node sees, so a run that is looked at is the same run.

use std::time::Duration;

use replication::engine::Message;
use replication::{NodeId, Time};
use shop::message::{Request, Response};
use shop::node::{Answer, CallId};
use shop::{Input, Node as _};

use super::World;
use super::host::Host;
use super::process::Process;
use crate::digest::Digest;
use crate::frames::{End, Frame, Half, Node, Outcome, Passed, Said, State, Status, What};
use crate::who::{Seat, Who};

/// Between two looks, until there are too many of them.
const INTERVAL: Duration = Duration::from_millis(100);

/// Frames that are kept; when there are more, every second one goes.
const FRAMES_MAX: usize = 1200;

/// Ends of messages that a frame keeps of each node; the others are only counted.
const HALVES_MAX: usize = 20;

/// What was seen so far.
pub struct Looks {
    frames: Vec<Frame>,
    interval: Duration,
    next: Time,
    /// By seats, since the newest frame.
    passed: Vec<Passed>,
}

impl Looks {
    /// Nothing yet, of so many seats.
    pub fn new(seats: usize) -> Looks {
        let passed = vec![Passed::default(); seats];
        Looks { frames: Vec::new(), interval: INTERVAL, next: Time(0), passed }
    }

    fn add(&mut self, frame: Frame) {
        self.next = frame.at + self.interval;
        self.frames.push(frame);
        if self.frames.len() > FRAMES_MAX {
            let mut place = 0;
            self.frames.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.interval *= 2;
        }
    }
}

impl World {
    /// Looks at each moment that is due before the next event.
    pub(super) fn look_until(&mut self, at: Time) {
        while let Some(due) = self.looks.as_ref().map(|looks| looks.next).filter(|due| *due <= at) {
            self.look(due);
        }
    }

    /// The frames so far, with a last one of now if the world came to its end by itself.
    pub fn take_frames(&mut self, ended: bool) -> Vec<Frame> {
        let now = self.now;
        let newest = self.looks.as_ref().and_then(|looks| looks.frames.last());
        if ended && newest.is_none_or(|newest| newest.at < now) {
            self.look(now);
        }
        self.looks.take().map_or_else(Vec::new, |looks| looks.frames)
    }

    fn look(&mut self, at: Time) {
        let Some(mut looks) = self.looks.take() else { return };
        let servers = self.hosts.iter().zip(&mut looks.passed).enumerate();
        let servers = servers.filter(|(_, (host, _))| !host.who.is_client() && host.enlisted);
        let nodes = servers.map(|(seat, (host, passed))| Node {
            who: host.who,
            life: host.life,
            uptime: at.since(host.started_at),
            state: state(host, at),
            links: self.links_of(seat),
            passed: std::mem::take(passed),
        });
        let nodes = nodes.collect();
        looks.add(Frame { at, nodes });
        self.looks = Some(looks);
    }

    /// The links on which what a node sends suffers.
    fn links_of(&self, from: Seat) -> Vec<crate::frames::Link> {
        let others = self.hosts.iter().enumerate();
        let others = others.filter(|(to, host)| *to != from && !host.who.is_client());
        others
            .filter_map(|(to, host)| {
                if host.enlisted { self.network.suffers((from, to), host.who) } else { None }
            })
            .collect()
    }

    fn saw(&mut self, seat: Seat, id: impl FnOnce(&World) -> String, end: impl FnOnce() -> End) {
        let Some(mut looks) = self.looks.take() else { return };
        // The asker has no place: it is no process.
        if let Some(passed) = looks.passed.get_mut(seat) {
            passed.count += 1;
            if passed.halves.len() < HALVES_MAX {
                passed.halves.push(Half { at: self.now, id: id(self), end: end() });
            }
        }
        self.looks = Some(looks);
    }

    /// A call is named by who makes it, in which life.
    fn call_id(&self, from: Seat, life: u32, call: CallId) -> String {
        format!("{}/{life}.{}", self.who(from), call.0)
    }

    /// A call is sent.
    pub(super) fn saw_call(&mut self, from: Seat, call: CallId, to: Seat, request: &Request) {
        let (life, to) = (self.life(from), self.who(to));
        let what = || What::Asks(Box::new(request.clone()));
        self.saw(from, |world| world.call_id(from, life, call), || End::Sent { to, what: what() });
    }

    /// It arrives.
    pub(super) fn saw_request(
        &mut self,
        (from, life, call): (Seat, u32, CallId),
        to: Seat,
        request: &Request,
    ) {
        let asks = self.who(from);
        let what = || What::Asks(Box::new(request.clone()));
        let end = || End::Came { from: asks, what: what() };
        self.saw(to, |world| world.call_id(from, life, call), end);
    }

    /// It is answered.
    pub(super) fn saw_reply(
        &mut self,
        by: Seat,
        (from, life, call): (Seat, u32, CallId),
        response: &Response,
    ) {
        let end = || End::Answered(Outcome::Status(status(response)));
        self.saw(by, |world| world.call_id(from, life, call), end);
    }

    /// And whoever asked knows.
    pub(super) fn saw_answer(&mut self, to: Seat, life: u32, call: CallId, answer: &Answer) {
        let outcome = || match answer {
            Answer::Said(response) => Outcome::Status(status(response)),
            Answer::Refused => Outcome::Refused,
            Answer::Unknown => Outcome::Unknown,
        };
        self.saw(to, |world| world.call_id(to, life, call), || End::Told(outcome()));
    }

    /// A replica says something to another.
    pub(super) fn saw_message(&mut self, from: Seat, to: Seat, message: &Message) {
        let (sender, to) = (self.who(from), self.who(to));
        let what = || What::Says(Box::new(message.clone()));
        self.saw(from, |_| id_of(sender, to, message), || End::Sent { to, what: what() });
    }

    /// And that one hears it.
    pub(super) fn saw_input(&mut self, seat: Seat, input: &Input) {
        let Input::Receive { from: NodeId(from), message } = input else { return };
        let to = self.who(seat);
        let from = match to {
            Who::Catalog(_) => Who::Catalog(*from),
            Who::Order(_) => Who::Order(*from),
            Who::Frontend(_) | Who::Shopper(_) | Who::Asker => return,
        };
        let what = || What::Says(Box::new(message.clone()));
        self.saw(seat, |_| id_of(from, to, message), || End::Came { from, what: what() });
    }
}

/// Nobody numbers what is said one way: it is named by what it says.
fn id_of(from: Who, to: Who, message: &Message) -> String {
    let mut digest = Digest::default();
    digest.note(message);
    format!("{from}/{to}/{:016x}", digest.value())
}

fn status(response: &Response) -> u16 {
    response.as_ref().err().map_or(200, |problem| problem.status())
}

fn state(host: &Host, at: Time) -> State {
    let Some(process) = &host.process else { return State::Dead };
    if host.paused {
        return State::Paused;
    }
    let now = host.clock.read(at);
    let (ready, status) = match process {
        Process::Catalog(node) => (node.ready(now), Status::Catalog(Box::new(node.status(now)))),
        Process::Order(node) => (node.ready(now), Status::Order(Box::new(node.status(now)))),
        Process::Frontend(node) => (node.ready(now), Status::Frontend(Box::new(node.status(now)))),
        Process::Shopper(_) => unreachable!("only nodes that serve are looked at"),
    };
    State::Running(Said { ready, status })
}
