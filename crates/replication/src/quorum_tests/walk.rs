//! A seeded random walk through everything that can go wrong: crashes with unsynced records lost,
//! also during recovery; restarts, pauses, partitions of all shapes, loss, doubling and reordering
//! of messages, connections that are reset, checkpoints, snapshots that cannot be read, clocks that
//! drift. Then all heals, and within a bounded time somebody must lead, commit, and be followed.
//!
//! Each walk draws how likely each fault is, many of them zero: a walk in which everything goes
//! wrong at once seldom gets far enough to be interesting.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;

use super::Subject;
use super::temper::{Random, Temper};
use super::world::World;
use crate::term::NodeId;

/// Steps of a walk, where nobody says otherwise.
pub const STEPS: usize = 300;

/// Messages under way at most; beyond it the oldest are lost.
const UNDER_WAY_MAX: usize = 100;

/// Walks, heals, and checks that all is well; panics with the name of what is not.
pub fn walk(seed: u64, steps: usize, subject: Subject) -> World {
    let mut walk = Walk::new(seed, subject);
    walk.go(steps);
    walk.world
}

/// A walk under way; its world outlives a panic, so that its trace can be read.
pub struct Walk {
    pub world: World,
    pub(super) random: Random,
    temper: Temper,
    /// The last command or barrier.
    pub(super) tag: u32,
}

impl Walk {
    pub fn new(seed: u64, subject: Subject) -> Walk {
        let mut random = Random(seed);
        let count = [3, 3, 3, 4, 5, 5][random.below(6)];
        let mut temper = Temper::draw(&mut random);
        if subject.join.is_some() {
            temper.change = 1 + random.below(20);
        }
        Walk { world: World::new(count, random.next(), subject), random, temper, tag: 0 }
    }

    pub fn go(&mut self, steps: usize) {
        self.world.start(&self.world.ids());
        for _ in 0..steps {
            self.step();
        }
        self.heal();
    }

    pub(super) fn any(&mut self) -> NodeId {
        let count = self.world.hosts.len();
        NodeId(u8::try_from(1 + self.random.below(count)).expect("few replicas"))
    }

    /// Mostly whoever leads: nobody else has much to say.
    pub(super) fn likely_leader(&mut self) -> NodeId {
        let any = self.any();
        match self.world.leader() {
            Some(leader) if self.random.chance(80) => leader,
            Some(_) | None => any,
        }
    }

    /// One that says to lead, though another may do so since.
    fn any_leader(&mut self) -> NodeId {
        let leaders = self.world.hosts.iter().filter(|(_, host)| host.leading.is_some());
        let leaders: Vec<NodeId> = leaders.map(|(id, _)| *id).collect();
        if leaders.is_empty() { self.any() } else { leaders[self.random.below(leaders.len())] }
    }

    fn step(&mut self) {
        let t = &self.temper;
        let weights = [
            t.arrive,
            t.sync,
            t.tick,
            t.pass,
            t.propose,
            t.barrier,
            t.crash,
            t.restart,
            t.pause,
            t.resume,
            t.cut,
            t.heal,
            t.link,
            t.checkpoint,
            t.damage,
            t.drift,
            t.slow,
            t.change,
        ];
        let mut drawn = self.random.below(weights.iter().sum());
        let mut which = 0;
        while drawn >= weights[which] {
            drawn -= weights[which];
            which += 1;
        }
        let id = self.any();
        match which {
            // While nothing is under way, time flies.
            0 if self.arrive() || self.sync() => {}
            1 if self.sync() || self.arrive() => {}
            0..=2 => self.tick(),
            3 => {
                self.world.now = self.world.now + Duration::from_millis(1 << self.random.below(10))
            }
            4 => {
                let id = self.likely_leader();
                let commands = (0..1 + self.random.below(3)).map(|_| self.command()).collect();
                self.world.propose(id, commands);
            }
            5 => {
                let id = self.any_leader();
                self.tag += 1;
                self.world.barrier(id, u64::from(self.tag));
            }
            6 => self.crash(),
            7 => self.restart(id),
            8 => self.pause(),
            9 if self.world.hosts[&id].paused => self.resume(id),
            10 => self.cut(),
            11 if !self.world.cut.is_empty() => self.world.heal(),
            12 => {
                let other = self.any();
                let broken = self.world.broken.contains(&(id.min(other), id.max(other)));
                self.world.link(id, other, broken);
            }
            13 => self.world.checkpoint(id),
            14 => _ = self.world.damaged.insert(id),
            15 => {
                let drift = i64::try_from(self.random.below(40_000)).expect("small") - 20_000;
                let now = self.world.now;
                self.world.host(id).clock.set_drift(now, drift);
            }
            16 => {
                self.world.host(id).slow = !self.world.hosts[&id].slow;
                self.world.sync(id, 0);
            }
            17 => self.change(),
            _ => {}
        }
    }

    /// A command that nobody asked for before.
    pub(super) fn command(&mut self) -> Bytes {
        self.tag += 1;
        Bytes::from(format!("c{}", self.tag))
    }

    /// Time goes on to the next timer.
    fn tick(&mut self) {
        let (ids, until) = (self.world.ids(), self.world.now + Duration::from_secs(1));
        self.world.tick(&ids, until);
    }

    /// Some disk has written something; false if all have.
    fn sync(&mut self) -> bool {
        let busy = self.world.hosts.iter().filter(|(_, h)| h.runs() && !h.unsynced.is_empty());
        let busy: Vec<NodeId> = busy.map(|(id, _)| *id).collect();
        if busy.is_empty() {
            return false;
        }
        let id = busy[self.random.below(busy.len())];
        let writes = if self.random.chance(80) { usize::MAX } else { 1 };
        self.world.sync(id, writes);
        true
    }

    /// Some message arrives, or not; false if none is under way.
    fn arrive(&mut self) -> bool {
        let length = self.world.network.len();
        if length == 0 {
            return false;
        }
        if length > UNDER_WAY_MAX {
            self.world.network.drain(..length - UNDER_WAY_MAX);
        }
        let length = self.world.network.len();
        let reorders = self.random.chance(self.temper.reordering);
        let position = if reorders { self.random.below(length) } else { 0 };
        if self.random.chance(self.temper.loss) {
            self.world.tally.faults += 1;
            let lost = self.world.network.remove(position);
            self.world
                .tell(|out| write!(out, "lost: {} -> {}: {}", lost.from, lost.to, lost.message));
            return true;
        }
        if self.random.chance(self.temper.doubling) {
            self.world.tally.faults += 1;
            let copy = self.world.network[position].clone();
            self.world.network.push(copy);
        }
        self.world.deliver(position);
        true
    }

    /// One, mostly whoever leads, or the power of all. Some are back at once, in the middle of what
    /// they were asked: if they forgot what they promised, it matters now.
    fn crash(&mut self) {
        let ids = match self.random.below(10) {
            0 => self.world.ids(),
            1..=4 => vec![self.likely_leader()],
            _ => vec![self.any()],
        };
        for id in &ids {
            let written = self.random.below(4);
            self.world.crash(*id, written);
        }
        if self.random.chance(50) {
            ids.into_iter().for_each(|id| self.restart(id));
        }
    }

    /// Some die again while they recover.
    fn restart(&mut self, id: NodeId) {
        if self.world.hosts[&id].up {
            return;
        }
        self.world.restart(id);
        if self.temper.crash > 0 && self.random.chance(10) {
            let written = self.random.below(2);
            self.world.crash(id, written);
        }
    }

    /// Often whoever leads: it will believe so when it goes on.
    fn pause(&mut self) {
        let id = if self.random.chance(50) { self.likely_leader() } else { self.any() };
        if self.world.hosts[&id].runs() {
            self.world.pause(id);
        }
    }

    /// It may see first how late it is, or what came meanwhile.
    pub(super) fn resume(&mut self, id: NodeId) {
        if self.random.chance(50) {
            let inbox = std::mem::take(&mut self.world.host(id).inbox);
            self.world.resume(id);
            let now = self.world.now;
            if self.world.hosts[&id].due().is_some_and(|at| at <= now) {
                self.world.step(id, crate::engine::Input::Timer);
            }
            for input in inbox {
                self.world.step(id, input);
            }
        } else {
            self.world.resume(id);
        }
    }

    /// A partition of some shape, on top of what is cut already.
    fn cut(&mut self) {
        let (ids, one, other) = (self.world.ids(), self.likely_leader(), self.any());
        match self.random.below(6) {
            // One way.
            0 => self.world.sever(&[one], &[other]),
            // Partial: two do not hear each other, everybody hears both.
            1 => {
                self.world.sever(&[one], &[other]);
                self.world.sever(&[other], &[one]);
            }
            // Isolated, mostly the leader.
            2 => self.world.isolate(&[one]),
            // Two groups.
            3 => {
                let mask = self.random.next();
                let group: Vec<NodeId> =
                    ids.into_iter().filter(|id| mask >> id.0 & 1 == 1).collect();
                self.world.isolate(&group);
            }
            // A bridge: one is heard by all, the others are in two groups.
            4 => {
                let mask = self.random.next();
                let others: Vec<NodeId> = ids.into_iter().filter(|id| *id != one).collect();
                let (a, b): (Vec<NodeId>, Vec<NodeId>) =
                    others.into_iter().partition(|id| mask >> id.0 & 1 == 1);
                self.world.sever(&a, &b);
                self.world.sever(&b, &a);
            }
            // A ring: each hears its two neighbours only.
            _ => {
                for (at, id) in ids.iter().enumerate() {
                    let next = ids[(at + 1) % ids.len()];
                    let previous = ids[(at + ids.len() - 1) % ids.len()];
                    let far: Vec<NodeId> =
                        ids.iter().copied().filter(|i| *i != next && *i != previous).collect();
                    self.world.sever(&[*id], &far);
                }
            }
        }
    }
}
