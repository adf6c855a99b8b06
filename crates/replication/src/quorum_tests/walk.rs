//! A seeded random walk through everything that can go wrong: crashes with unsynced records lost,
//! also during recovery; restarts, pauses, partitions of all shapes, loss, doubling and reordering
//! of messages, connections that are reset, checkpoints, snapshots that cannot be read, clocks that
//! drift. Then all heals, and within a bounded time somebody must lead, commit, and be followed.
//!
//! Each walk draws how likely each fault is, many of them zero: a walk in which everything goes
//! wrong at once seldom gets far enough to be interesting.

use std::time::Duration;

use bytes::Bytes;

use super::Protocol;
use super::world::World;
use crate::term::NodeId;

/// Steps of a walk, where nobody says otherwise.
pub const STEPS: usize = 300;

/// Within this time after healing, a command must be on every replica. Longest seen of an engine
/// with elections of 600 to 1200 ms: see the engines' tests.
const HEALING_MAX: Duration = Duration::from_secs(10);

/// Messages under way at most; beyond it the oldest are lost.
const UNDER_WAY_MAX: usize = 100;

/// SplitMix64 (Steele, Lea, Flood 2014): enough for a walk, and one line in a failure report.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).expect("below a usize")
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A weight that is zero as often as not.
    fn weight(&mut self, max: usize) -> usize {
        if self.chance(50) { 0 } else { 1 + self.below(max) }
    }
}

/// How likely what is in this walk, beside one another.
struct Temper {
    arrive: usize,
    sync: usize,
    tick: usize,
    pass: usize,
    propose: usize,
    barrier: usize,
    crash: usize,
    restart: usize,
    pause: usize,
    resume: usize,
    cut: usize,
    heal: usize,
    link: usize,
    checkpoint: usize,
    damage: usize,
    drift: usize,
    /// Percent of the messages.
    loss: usize,
    doubling: usize,
    reordering: usize,
}

impl Temper {
    fn draw(random: &mut Random) -> Temper {
        Temper {
            arrive: 400,
            sync: 150 + random.below(150),
            tick: 30 + random.below(90),
            pass: random.weight(30),
            propose: 20 + random.below(80),
            barrier: random.weight(20),
            crash: random.weight(12),
            restart: 15 + random.below(30),
            pause: random.weight(10),
            resume: 10 + random.below(30),
            cut: random.weight(12),
            heal: 2 + random.below(20),
            link: random.weight(15),
            checkpoint: random.weight(20),
            damage: random.weight(2),
            drift: random.weight(3),
            loss: random.weight(20),
            doubling: random.weight(10),
            reordering: random.weight(40),
        }
    }
}

/// Walks, heals, and checks that all is well; panics with the name of what is not.
pub fn walk(seed: u64, steps: usize, protocol: Protocol) -> World {
    let mut walk = Walk::new(seed, protocol);
    walk.go(steps);
    walk.world
}

/// A walk under way; its world outlives a panic, so that its trace can be read.
pub struct Walk {
    pub world: World,
    random: Random,
    temper: Temper,
    /// The last command or barrier.
    tag: u32,
}

impl Walk {
    pub fn new(seed: u64, protocol: Protocol) -> Walk {
        let mut random = Random(seed);
        let count = [3, 3, 3, 4, 5, 5][random.below(6)];
        let temper = Temper::draw(&mut random);
        Walk { world: World::new(count, random.next(), protocol), random, temper, tag: 0 }
    }

    pub fn go(&mut self, steps: usize) {
        self.world.start(&self.world.ids());
        for _ in 0..steps {
            self.step();
        }
        self.heal();
    }

    fn any(&mut self) -> NodeId {
        let count = self.world.hosts.len();
        NodeId(u8::try_from(1 + self.random.below(count)).expect("few replicas"))
    }

    /// Mostly whoever leads: nobody else has much to say.
    fn likely_leader(&mut self) -> NodeId {
        let any = self.any();
        match self.world.leader() {
            Some(leader) if self.random.chance(80) => leader,
            Some(_) | None => any,
        }
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
        ];
        let mut drawn = self.random.below(weights.iter().sum());
        let mut which = 0;
        while drawn >= weights[which] {
            drawn -= weights[which];
            which += 1;
        }
        let id = self.any();
        match which {
            0 => self.arrive(),
            1 => {
                let writes = if self.random.chance(80) { usize::MAX } else { 1 };
                self.world.sync(id, writes);
            }
            2 => {
                let (ids, until) = (self.world.ids(), self.world.now + Duration::from_secs(2));
                self.world.tick(&ids, until);
            }
            3 => {
                self.world.now = self.world.now + Duration::from_millis(1 << self.random.below(10))
            }
            4 => {
                let id = self.likely_leader();
                let commands = (0..1 + self.random.below(3)).map(|_| self.command()).collect();
                self.world.propose(id, commands);
            }
            5 => {
                let id = self.likely_leader();
                self.tag += 1;
                self.world.barrier(id, u64::from(self.tag));
            }
            6 => self.crash(),
            7 => self.restart(id),
            8 if self.world.hosts[&id].runs() => self.world.pause(id),
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
            _ => {}
        }
    }

    /// A command that nobody asked for before.
    fn command(&mut self) -> Bytes {
        self.tag += 1;
        Bytes::from(format!("c{}", self.tag))
    }

    fn arrive(&mut self) {
        let length = self.world.network.len();
        if length == 0 {
            return;
        }
        if length > UNDER_WAY_MAX {
            self.world.network.drain(..length - UNDER_WAY_MAX);
        }
        let length = self.world.network.len();
        let reorders = self.random.chance(self.temper.reordering);
        let position = if reorders { self.random.below(length) } else { 0 };
        if self.random.chance(self.temper.loss) {
            self.world.tally.faults += 1;
            self.world.network.remove(position);
            return;
        }
        if self.random.chance(self.temper.doubling) {
            self.world.tally.faults += 1;
            let copy = self.world.network[position].clone();
            self.world.network.push(copy);
        }
        self.world.deliver(position);
    }

    /// One, mostly whoever leads, or the power of all.
    fn crash(&mut self) {
        if self.random.chance(10) {
            for id in self.world.ids() {
                let written = self.random.below(4);
                self.world.crash(id, written);
            }
        } else {
            let id = if self.random.chance(50) { self.likely_leader() } else { self.any() };
            let written = self.random.below(4);
            self.world.crash(id, written);
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

    /// It may see first how late it is, or what came meanwhile.
    fn resume(&mut self, id: NodeId) {
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

    /// Everything is well again; then the store must be, in bounded time.
    fn heal(&mut self) {
        self.world.note(|out| {
            out.push_str("-- healing");
            Ok(())
        });
        self.world.damaged.clear();
        for (a, b) in self.world.broken.clone() {
            self.world.link(a, b, true);
        }
        self.world.heal();
        for id in self.world.ids() {
            if !self.world.hosts[&id].up {
                self.world.restart(id);
            } else if self.world.hosts[&id].paused {
                self.resume(id);
            }
        }
        let end = self.world.now + HEALING_MAX;
        let ids = self.world.ids();
        let mut wanted = None;
        loop {
            let left = end.since(self.world.now);
            assert!(left > Duration::ZERO, "liveness: {HEALING_MAX:?} after healing {wanted:?}");
            // A leader may be deposed before it commits: then the next one is asked.
            let known = self.world.leader().filter(|_| wanted.is_none());
            if let Some(leader) = known {
                let command = self.command();
                // It may notice just now that it leads no longer.
                let term = self.world.hosts[&leader].leading;
                self.world.propose(leader, vec![command.clone()]);
                wanted = Some((leader, term, command));
            }
            let ended = |world: &World| match &wanted {
                None => world.leader().is_some(),
                Some((leader, term, command)) => {
                    world.hosts[leader].leading != *term || everywhere(world, command)
                }
            };
            if !self.world.run(&ids, left, ended) {
                continue;
            }
            if let Some((leader, term, command)) = &wanted {
                if everywhere(&self.world, command) {
                    break;
                }
                if self.world.hosts[leader].leading != *term {
                    wanted = None;
                }
            }
        }
        self.reads_and_rests();
    }

    /// A read passes, nobody waits for ever, all are equal, and one leads.
    fn reads_and_rests(&mut self) {
        let ids = self.world.ids();
        self.tag += 1;
        let tag = u64::from(self.tag);
        let (leader, passed) =
            (self.world.leader().expect("it just committed"), self.world.witness.passed);
        self.world.barrier(leader, tag);
        let answered = |world: &World| world.witness.barriers.is_empty();
        self.world.run(&ids, Duration::from_secs(3), answered);
        let waiting = &self.world.witness.barriers;
        assert!(waiting.is_empty(), "liveness: reads wait for ever: {waiting:?}");
        assert!(self.world.witness.passed > passed, "liveness: no read passes after healing");
        let leaders = self.world.hosts.values().filter(|host| host.leading.is_some()).count();
        assert_eq!(leaders, 1, "liveness: one leads after healing");
        let digests: Vec<_> =
            self.world.hosts.values().map(|host| (host.last_applied(), host.digest)).collect();
        assert!(
            digests.iter().all(|d| *d == digests[0]),
            "liveness: all become equal: {digests:?}"
        );
        assert!(
            digests[0].0 >= self.world.witness.acknowledged_upto,
            "nothing acknowledged is lost"
        );
    }
}

/// Whether this command is applied on every replica, behind everything else that is known.
fn everywhere(world: &World, command: &Bytes) -> bool {
    let length = world.witness.history.len();
    world.hosts.values().all(|host| {
        host.applied.len() == length
            && host.applied.iter().rev().take(50).any(|entry| entry.command == *command)
    })
}
