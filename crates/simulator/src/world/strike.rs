//! Faults, and their end.
//!
//! Called by the world's loop when a fault's time has come, and by `run` when everything heals.

use std::time::Duration;

use replication::Time;
use shop::{Input, Node};

use super::host::Waiting;
use super::network::{Edge, Worse};
use super::process::Process;
use super::{Event, World};
use crate::fault::{Fault, Moment, Shape, Target};
use crate::planted::Lie;
use crate::points::Point;
use crate::who::{Seat, Who};

/// A process that is to die in a commit is spared for so many that cannot be torn.
const COMMITS_SPARED: u32 = 20;

/// What ends a fault.
pub enum Undo {
    /// Edges are mended.
    Mend(Vec<Edge>, bool),
    /// Edges are as good as before.
    Recover(Vec<Edge>, Worse),
    /// A lag is over.
    Unlag(Seat),
    /// A paused process goes on.
    Resume(Seat),
    /// A disk is as fast as before.
    Quicken(Seat),
    /// A disk has room again.
    Room(Seat),
    /// A clock runs as before.
    Straighten(Seat),
    /// A folder is put back, and its process is started.
    Restore(Seat),
}

impl World {
    /// Performs the plan's fault with this number.
    pub(super) fn strike(&mut self, number: usize) {
        let (_, fault) = self.plan.faults[number];
        let node = fault.whom().and_then(|whom| self.find(whom)).map(|seat| self.who(seat));
        if self.perform_fault(fault) {
            let length = fault.length().min(self.plan.heal_at.since(self.now));
            self.record.fault(self.now, length, fault, node);
            self.digest.note(&(self.now, number, fault));
            *self.tally.faults.entry(fault.kind().to_string()).or_default() += 1;
            self.say(|| format!("FAULT {number}: {fault}"));
        } else {
            self.say(|| format!("fault {number} hits nobody: {fault}"));
        }
    }

    /// Returns whether it hit anybody.
    fn perform_fault(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Members(change) => return self.change_members(change),
            Fault::PowerCut { whom: None, down } => self.power_cut(down),
            Fault::Roll { each } => self.roll(each),
            Fault::Cut { shape, held, span } => {
                let edges = self.edges(shape);
                if edges.is_empty() {
                    return false;
                }
                for edge in &edges {
                    self.network.cut(*edge, held);
                }
                self.later(span, Undo::Mend(edges, held));
            }
            Fault::Loss { per_mille, orders_only, span } => {
                let worse = Worse::new(per_mille, 0, Duration::ZERO, Duration::ZERO);
                self.degrade(self.lossy_edges(orders_only), worse, span);
            }
            Fault::Degrade { links, loss, doubled, delay, jitter, span } => {
                let (edges, worse) = (self.edges(links), Worse::new(loss, doubled, delay, jitter));
                if edges.is_empty() {
                    return false;
                }
                self.degrade(edges, worse, span);
            }
            Fault::Crash { whom, .. }
            | Fault::PowerCut { whom: Some(whom), .. }
            | Fault::Stop { whom, .. }
            | Fault::Pause { whom, .. }
            | Fault::Reset { whom }
            | Fault::Lag { whom, .. }
            | Fault::SlowDisk { whom, .. }
            | Fault::FullDisk { whom, .. }
            | Fault::FailedDisk { whom, .. }
            | Fault::Rot { whom, .. }
            | Fault::Skew { whom, .. } => match self.find(whom) {
                Some(seat) => return self.hit(seat, fault),
                None => return false,
            },
        }
        true
    }

    /// Faults of one process.
    fn hit(&mut self, seat: Seat, fault: Fault) -> bool {
        let host = &mut self.hosts[seat];
        match fault {
            Fault::Crash { moment, down, again, .. } => {
                host.dies_in_recovery = again;
                match moment {
                    Moment::InCommit if host.is_up() => {
                        host.doomed = Some(down);
                        host.doomed_commits = COMMITS_SPARED;
                        return true;
                    }
                    Moment::AfterView if host.is_up() => {
                        self.doomed_by_view.push((seat, down));
                        return true;
                    }
                    Moment::Now | Moment::InCommit | Moment::AfterView => self.crash(seat),
                }
                self.schedule(down, Event::Start { host: seat });
            }
            Fault::PowerCut { down, .. } => {
                host.dark = true;
                self.crash(seat);
                self.schedule(down, Event::Start { host: seat });
            }
            Fault::Stop { down, .. } => self.stop(seat, Duration::ZERO, down),
            Fault::Pause { span, .. } => {
                host.paused = true;
                host.paused_at = self.now;
                self.later(span, Undo::Resume(seat));
            }
            Fault::Reset { .. } => self.reset(seat),
            Fault::Lag { by, span, .. } => {
                self.network.set_lag(seat, by);
                self.later(span, Undo::Unlag(seat));
            }
            Fault::SlowDisk { by, span, .. } => {
                host.disk.set_slow(by);
                self.later(span, Undo::Quicken(seat));
            }
            Fault::FullDisk { room, span, .. } => {
                host.disk.set_room(Some(room));
                self.later(span, Undo::Room(seat));
            }
            Fault::FailedDisk { down, .. } => {
                if !host.is_up() {
                    return false;
                }
                host.disk.fail();
                host.down_for = down;
            }
            Fault::Rot { down, draw, .. } => {
                self.crash(seat);
                let flipped = self.hosts[seat].disk.rot(draw);
                let after = if flipped { down / 2 } else { down };
                self.schedule(after, Event::Start { host: seat });
                self.later(down, Undo::Restore(seat));
                return flipped;
            }
            Fault::Skew { percent, span, .. } => {
                host.clock.run_at(self.now, Some(u64::from(percent) * 10_000));
                host.timer = None;
                self.set_timer(seat);
                self.later(span, Undo::Straighten(seat));
            }
            Fault::Roll { .. }
            | Fault::Cut { .. }
            | Fault::Degrade { .. }
            | Fault::Loss { .. }
            | Fault::Members(_) => unreachable!("{fault} hits more than one"),
        }
        true
    }

    fn degrade(&mut self, edges: Vec<Edge>, worse: Worse, span: Duration) {
        for edge in &edges {
            self.network.degrade(*edge, worse, true);
        }
        self.later(span, Undo::Recover(edges, worse));
    }

    fn later(&mut self, span: Duration, undo: Undo) {
        self.undo.push(Some(undo));
        self.schedule(span, Event::Undo(self.undo.len() - 1));
    }

    /// A fault ends, if it has not ended already.
    pub(super) fn undo(&mut self, number: usize) {
        let Some(undo) = self.undo[number].take() else { return };
        match undo {
            Undo::Mend(edges, held) => self.mend(&edges, held),
            Undo::Recover(edges, worse) => {
                for edge in edges {
                    self.network.degrade(edge, worse, false);
                }
            }
            Undo::Unlag(seat) => self.network.set_lag(seat, Duration::ZERO),
            Undo::Resume(seat) => self.resume(seat),
            Undo::Quicken(seat) => self.hosts[seat].disk.set_slow(Duration::ZERO),
            Undo::Room(seat) => self.hosts[seat].disk.set_room(None),
            Undo::Straighten(seat) => {
                let host = &mut self.hosts[seat];
                host.clock.run_at(self.now, None);
                host.timer = None;
                self.set_timer(seat);
            }
            Undo::Restore(seat) => {
                self.hosts[seat].disk.restore();
                self.start(seat);
            }
        }
    }

    fn mend(&mut self, edges: &[Edge], held: bool) {
        self.points.of_mend(self.now, &self.hosts, edges);
        for edge in edges {
            self.network.mend(*edge, held);
        }
        self.say(|| "mended".to_string());
        let waiting = std::mem::take(&mut self.held);
        for (edge, event) in waiting {
            if self.network.lets_through(edge) {
                self.points.reach(Point::HeldArrived);
                self.send(edge, event);
            } else {
                self.held.push((edge, event));
            }
        }
    }

    /// A paused process goes on, with all that came meanwhile.
    fn resume(&mut self, seat: Seat) {
        if !std::mem::take(&mut self.hosts[seat].paused) {
            return;
        }
        if self.lies(Lie::ClockStopsInPause) {
            let host = &mut self.hosts[seat];
            host.clock.stood_still(host.paused_at, self.now);
        }
        let who = self.hosts[seat].who;
        self.say(|| format!("{who} goes on"));
        self.points.of_resume(self.now, &self.hosts, seat);
        for event in std::mem::take(&mut self.hosts[seat].held) {
            self.schedule(Duration::ZERO, event);
        }
        self.set_timer(seat);
    }

    /// All machines lose their power at once, and come back one after the other.
    fn power_cut(&mut self, down: Duration) {
        for who in self.seats.servers() {
            let seat = self.seat(who);
            self.hosts[seat].dark = true;
            self.crash(seat);
            let after = self.micros(1000, 1001 + down.as_micros() as u64);
            self.schedule(after, Event::Start { host: seat });
        }
    }

    fn roll(&mut self, each: Duration) {
        let seats = self.seats;
        let catalogs = seats.catalogs().filter(|_| seats.catalogs > 1).map(|who| seats.of(who));
        let all: Vec<Seat> = self.enlisted().chain(catalogs).collect();
        for (place, seat) in (0..).zip(all) {
            self.stop(seat, each * place, each);
        }
    }

    /// A process is asked to stop, after a while; then it is ended, and started again.
    fn stop(&mut self, seat: Seat, after: Duration, down: Duration) {
        let life = self.life(seat);
        self.schedule(after, Event::Stop { host: seat, life });
        self.schedule(after + down, Event::Kill { host: seat, life });
        self.schedule(after + down + Duration::from_millis(1), Event::Start { host: seat });
    }

    /// Every call from and to a process breaks; new connections can be opened.
    fn reset(&mut self, whom: Seat) {
        let mut broken: Vec<Waiting> = Vec::new();
        for (seat, host) in self.hosts.iter_mut().enumerate() {
            let all = std::mem::take(&mut host.asked);
            for (token, waiting) in all {
                if seat == whom || waiting.from == whom {
                    broken.push(waiting);
                } else {
                    host.asked.insert(token, waiting);
                }
            }
        }
        for Waiting { from, life, call, .. } in broken {
            let after = self.micros(100, 1000);
            let answer = self.broken_off();
            self.schedule(after, Event::Answer { to: from, life, call, answer });
        }
        self.links(whom, true);
    }

    /// Whom a target means now.
    pub(super) fn find(&self, target: Target) -> Option<Seat> {
        match target {
            Target::Process(Who::Shopper(id)) if id > self.seats.shoppers => None,
            Target::Process(who) => Some(self.seat(who)).filter(|seat| self.hosts[*seat].enlisted),
            Target::Leader => self.leader(),
            Target::CatalogLeader => self.catalog_leader(),
            Target::Follower => {
                let leader = self.leader()?;
                self.enlisted().find(|seat| *seat != leader)
            }
            Target::Place(place) => {
                let newest_first: Vec<Seat> = self.enlisted().rev().collect();
                newest_first.get(usize::from(place) % newest_first.len().max(1)).copied()
            }
        }
    }

    /// The order replica that leads under the highest term, if one believes so.
    pub(super) fn leader(&self) -> Option<Seat> {
        let leading = self.hosts.iter().enumerate().filter_map(|(seat, host)| {
            let Some(Process::Order(orders)) = &host.process else { return None };
            let engine = orders.status(Time(0)).engine;
            (engine.role == "leader").then_some((engine.term, seat))
        });
        leading.max().map(|(_, seat)| seat)
    }

    /// The edges of a shape, among those who serve.
    fn edges(&self, shape: Shape) -> Vec<Edge> {
        let edges = shape.edges(self.seats, |target| self.find(target).map(|seat| self.who(seat)));
        edges.into_iter().map(|(a, b)| (self.seat(a), self.seat(b))).collect()
    }

    fn lossy_edges(&self, orders_only: bool) -> Vec<Edge> {
        let seats = self.seats.processes() + 1;
        let is_order = |seat: Seat| matches!(self.who(seat), Who::Order(_));
        let is_frontend = |seat: Seat| matches!(self.who(seat), Who::Frontend(_));
        let all = (0..seats).flat_map(|a| (0..seats).map(move |b| (a, b)));
        let concerned = |(a, b): &Edge| {
            !orders_only || is_order(*a) && is_frontend(*b) || is_frontend(*a) && is_order(*b)
        };
        all.filter(concerned).collect()
    }

    /// Everything heals: no fault any more, everybody is up, the network is good.
    pub fn heal(&mut self) {
        self.healed = true;
        self.doomed_by_view.clear();
        self.say(|| "everything heals".to_string());
        self.network.clear_up();
        for number in 0..self.undo.len() {
            self.undo(number);
        }
        for seat in 0..self.hosts.len() {
            self.hosts[seat].dies_in_recovery = 0;
            self.hosts[seat].doomed = None;
            if self.hosts[seat].stopping || self.hosts[seat].disk.fails() {
                self.crash(seat);
            }
            self.start(seat);
            if let Some(Process::Shopper(shopper)) = &mut self.hosts[seat].process {
                shopper.end_rounds();
            }
        }
    }

    /// A process is asked to stop.
    pub(super) fn on_stop(&mut self, seat: Seat) {
        if self.hosts[seat].is_up() {
            self.hosts[seat].stopping = true;
            self.step(seat, Input::Stop);
        }
    }
}
