//! What a seed plans before its world begins: the faults with their times, and the questions of the
//! asker. Values, so that a shrunk run is the same plan with less in it ([`Trim`]).
//!
//! Called by `run`; performed by the world.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use replication::Time;
use shop::message::{Consistency, NewOrder, RequestId};
use shop::toy::{Quantity, ToyName};
use wal::memory::Random;

use crate::fault::{Fault, Moment, Shape, Target, Timeline};
use crate::members;
use crate::setting::{Clocks, Setting, Wishes};
use crate::trim::Trim;
use crate::who::{Seats, Who};

/// When the first fault may happen: the store is up by then.
const CALM: Duration = Duration::from_millis(200);

/// Orders that the asker may ask about at a time.
const ASKED_ABOUT: usize = 6;

/// Between two lapses of a lease that a slow clock does not notice, on average; and how long such a
/// clock is slow: longer than twice a lease.
const AIMED_INTERVAL: Duration = Duration::from_secs(12);
const AIMED_SPAN: Duration = Duration::from_secs(5);

/// A toy that nobody sells.
const UNSOLD: &str = "Unicorn";

/// What the asker asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// To buy something; now and then for the second time.
    Buy(NewOrder),
    /// What became of an order.
    Fate(RequestId),
    /// The same, for good.
    Resolve(RequestId),
    /// How many of a toy there are.
    Look(ToyName),
    /// How many of all there are.
    List,
    /// An order by its number: so many thousandths of the highest that anybody was told.
    Order(u64),
}

/// A question and when it is asked, of which frontend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// From the world's beginning.
    pub at: Time,
    /// Of which frontend.
    pub frontend: u8,
    /// What.
    pub question: Question,
    /// How fresh the answer must be, if it is a read.
    pub consistency: Consistency,
}

/// All that is decided before a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The world.
    pub setting: Setting,
    /// What goes wrong.
    pub faults: Timeline,
    /// What is asked in between.
    pub asks: Vec<Ask>,
    /// When everything heals.
    pub heal_at: Time,
    /// How many rounds each shopper makes at most.
    pub rounds: u32,
    /// Chooses another noise of network and disks for the same plan.
    pub noise: u64,
}

impl Plan {
    /// The plan of a seed.
    pub fn drawn(seed: u64, wishes: &Wishes) -> Plan {
        let mut random = Pcg64Mcg::seed_from_u64(seed ^ 0x5eed);
        let setting = Setting::drawn(seed, wishes, &mut random);
        let heal_at = Time(0) + setting.length * 5 / 6;
        let mut faults = Draw { setting: &setting, random: &mut random }.timeline(heal_at);
        if setting.kinds.skew && setting.clocks == Clocks::BeyondBound {
            aim_at_leases(&setting, heal_at, &mut faults);
        }
        if setting.kinds.members {
            members::change(&setting, heal_at, &mut faults);
        }
        let asks = asks(&setting, heal_at, &mut random);
        Plan { setting, faults, asks, heal_at, rounds: u32::MAX, noise: 0 }
    }

    /// The same with less in it.
    #[must_use]
    pub fn trimmed(mut self, trim: &Trim) -> Plan {
        if let Some(until) = trim.until {
            self.heal_at = self.heal_at.min(until);
        }
        let (heal_at, mut place) = (self.heal_at, 0);
        self.faults.retain(|(at, _)| {
            place += 1;
            *at < heal_at && trim.faults.as_ref().is_none_or(|kept| kept.contains(&(place - 1)))
        });
        let mut place = 0;
        self.asks.retain(|ask| {
            place += 1;
            ask.at < heal_at && trim.asks.as_ref().is_none_or(|kept| kept.contains(&(place - 1)))
        });
        if let Some(shoppers) = trim.shoppers {
            self.setting.seats.shoppers = self.setting.seats.shoppers.min(shoppers);
        }
        self.rounds = trim.rounds.unwrap_or(self.rounds);
        self.noise = trim.noise;
        self
    }
}

/// Draws faults.
struct Draw<'a> {
    setting: &'a Setting,
    random: &'a mut Pcg64Mcg,
}

impl Draw<'_> {
    fn timeline(mut self, end: Time) -> Timeline {
        let mut timeline = Timeline::new();
        let mut at = Time(0) + CALM;
        while at < end {
            // Drawn in any case, so that a world without a kind has the others at the same times.
            let gap = self.span(10, 2 * self.setting.fault_interval.as_millis() as u64);
            if let Some(fault) = self.fault() {
                timeline.push((at, fault));
            }
            at = at + gap;
        }
        timeline
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.random_range(0..bound)
    }

    fn span(&mut self, low_ms: u64, high_ms: u64) -> Duration {
        Duration::from_millis(self.random.random_range(low_ms..high_ms))
    }

    /// Mostly short; now and then longer than every deadline.
    fn outage(&mut self) -> Duration {
        match self.below(8) {
            0..4 => self.span(5, 500),
            4..7 => self.span(300, 4000),
            _ => self.span(2000, 10_000),
        }
    }

    fn server(&mut self) -> Target {
        let seats = self.setting.seats;
        match self.below(8) {
            0 | 1 => Target::Leader,
            2 => self.catalog(),
            3 | 4 => Target::Process(Who::Frontend(1 + self.below(seats.frontends.into()) as u8)),
            _ if self.setting.seats.catalogs > 1 && self.below(3) == 0 => self.catalog(),
            _ => self.replica(),
        }
    }

    fn catalog(&mut self) -> Target {
        let catalogs = self.setting.seats.catalogs;
        match catalogs {
            1 => Target::Process(Who::Catalog(0)),
            _ if self.below(2) == 0 => Target::CatalogLeader,
            _ => Target::Process(Who::Catalog(1 + self.below(catalogs.into()) as u8)),
        }
    }

    fn replica(&mut self) -> Target {
        let place = self.below(self.setting.seats.orders.into()) as u8;
        match self.setting.kinds.members {
            true => Target::Place(place),
            false => Target::Process(Who::Order(1 + place)),
        }
    }

    /// Somebody with a disk.
    fn store(&mut self) -> Target {
        match self.below(4) {
            0 => self.catalog(),
            1 => Target::Leader,
            _ => self.replica(),
        }
    }

    fn fault(&mut self) -> Option<Fault> {
        let kinds = self.setting.kinds;
        Some(match self.below(24) {
            0..5 if kinds.crash => self.crash(),
            5 if kinds.crash && self.below(2) == 0 => {
                Fault::PowerCut { whom: None, down: self.span(100, 2000) }
            }
            6 | 7 if kinds.stop => Fault::Stop { whom: self.server(), down: self.outage() },
            8 if kinds.stop => Fault::Roll { each: self.span(100, 1500) },
            9..12 if kinds.pause => Fault::Pause { whom: self.server(), span: self.outage() },
            12 if kinds.pause => {
                let shopper = 1 + self.below(self.setting.seats.shoppers.into()) as u8;
                let whom = Target::Process(Who::Shopper(shopper));
                Fault::Pause { whom, span: self.outage() }
            }
            13..17 if kinds.cut => {
                let (shape, held) = (self.shape(), self.below(3) == 0);
                Fault::Cut { shape, held, span: self.outage() }
            }
            17 if kinds.cut => Fault::Reset { whom: self.server() },
            18 if kinds.weather => Fault::Loss {
                per_mille: [30, 100, 300][self.below(3) as usize],
                orders_only: self.below(3) == 0,
                span: self.span(500, 8000),
            },
            19 if kinds.weather => {
                let by = self.span(5, 900);
                Fault::Lag { whom: self.server(), by, span: self.outage() }
            }
            20..22 if kinds.disk => self.disk(),
            22 if kinds.rot => {
                let draw = self.below(u64::MAX);
                Fault::Rot { whom: self.store(), down: self.outage(), draw }
            }
            23 if kinds.skew => {
                let percent = [50, 80, 110, 130, 200][self.below(5) as usize];
                Fault::Skew { whom: self.server(), percent, span: self.span(1000, 12_000) }
            }
            _ => return None,
        })
    }

    fn crash(&mut self) -> Fault {
        let (kind, down) = (self.below(6), self.outage());
        if kind == 0 {
            return Fault::PowerCut { whom: Some(self.server()), down };
        }
        let again = if self.below(4) == 0 { 1 + self.below(2) as u8 } else { 0 };
        let (whom, moment) = match kind {
            1 | 2 => (self.store(), Moment::InCommit),
            3 => (Target::Leader, Moment::AfterView),
            _ => (self.server(), Moment::Now),
        };
        Fault::Crash { whom, moment, down, again }
    }

    fn disk(&mut self) -> Fault {
        let whom = self.store();
        match self.below(5) {
            0 | 1 => {
                let by = self.span(5, 400);
                Fault::SlowDisk { whom, by, span: self.outage() }
            }
            2 | 3 => {
                let room = self.below(3) as u32 * 3000;
                Fault::FullDisk { whom, room, span: self.outage() }
            }
            _ => Fault::FailedDisk { whom, down: self.outage() },
        }
    }

    /// What separates one replica of the catalog from the others, or from those who ask it.
    fn catalog_shape(&mut self) -> Shape {
        match self.below(6) {
            0 | 1 => Shape::Peers(Target::CatalogLeader),
            2 => Shape::Isolate(Target::CatalogLeader),
            3 => Shape::Star(self.catalog()),
            4 => Shape::OneWay { from: self.catalog(), to: self.catalog() },
            _ => Shape::Pair { a: self.catalog(), b: self.server() },
        }
    }

    fn shape(&mut self) -> Shape {
        if self.setting.seats.catalogs > 1 && self.below(3) == 0 {
            return self.catalog_shape();
        }
        let first = Seats { spares: 0, ..self.setting.seats };
        let side = self.below(1 << first.processes().min(31)) as u32;
        match self.below(10) {
            0 | 1 => Shape::OneWay { from: self.server(), to: self.server() },
            2 => Shape::Pair { a: self.server(), b: self.server() },
            3 => Shape::Isolate(Target::Leader),
            4 => Shape::Isolate(self.server()),
            5 => Shape::Halves { side },
            6 => Shape::Ring,
            7 => Shape::Bridge { side, middle: self.server() },
            _ => Shape::Partial { draw: self.below(u64::MAX) },
        }
    }
}

/// Now and then a frontend whose clock runs at half its speed loses the catalog: it believes in its
/// lease for twice as long as the catalog waits for it. Drawn apart from everything else.
fn aim_at_leases(setting: &Setting, end: Time, faults: &mut Timeline) {
    let mut random = Random(setting.seed ^ 0xc10c_b0bd);
    let mut at = Time(0) + AIMED_INTERVAL / 2;
    while at < end {
        let frontend = 1 + random.below(setting.seats.frontends.into()) as u8;
        let whom = Target::Process(Who::Frontend(frontend));
        faults.push((at, Fault::Skew { whom, percent: 50, span: AIMED_SPAN }));
        let alone = Target::Process(Who::Catalog(0));
        let catalog = if setting.seats.catalogs > 1 { Target::CatalogLeader } else { alone };
        let shape = Shape::Pair { a: catalog, b: whom };
        faults.push((at, Fault::Cut { shape, held: false, span: AIMED_SPAN }));
        at = at + AIMED_INTERVAL / 2 + AIMED_INTERVAL * random.below(1000) as u32 / 1000;
    }
    faults.sort_by_key(|(at, _)| *at);
}

/// The names of the toys that are sold, in the catalogue's order.
pub fn toys(setting: &Setting) -> Vec<ToyName> {
    let sold = shop::catalog::catalogue::built_in().into_iter().take(setting.toys);
    sold.map(|toy| toy.name).collect()
}

/// The asker's questions. It speaks of a few orders at a time, so that it asks about them before,
/// while and after they are bought.
fn asks(setting: &Setting, end: Time, random: &mut Pcg64Mcg) -> Vec<Ask> {
    let mut names = toys(setting);
    names.truncate(3);
    names.push(UNSOLD.parse().expect("a name"));
    let mut orders: Vec<NewOrder> = Vec::new();
    let mut asks = Vec::new();
    let mut at = Time(0) + Duration::from_millis(300);
    while at < end {
        let number = asks.len() as u128 + 1;
        if orders.len() < ASKED_ABOUT || random.random_range(0..10) == 0 {
            orders.push(NewOrder {
                // The first half is what a trace shows of it.
                request_id: RequestId(number << 96),
                name: names[random.random_range(0..names.len())].clone(),
                quantity: Quantity::new(random.random_range(1..4)).expect("in range"),
            });
            if orders.len() > ASKED_ABOUT {
                orders.remove(0);
            }
        }
        let order = orders[random.random_range(0..orders.len())].clone();
        let question = match random.random_range(0..20) {
            0..6 => Question::Buy(order),
            6..11 => Question::Fate(order.request_id),
            11 => Question::Resolve(order.request_id),
            12..16 => Question::Look(order.name),
            16 => Question::List,
            _ => Question::Order(random.random_range(0..1100)),
        };
        let frontend = 1 + random.random_range(0..setting.seats.frontends);
        let consistency = setting.levels.of_question(asks.len() as u64);
        asks.push(Ask { at, frontend, question, consistency });
        let most = 2 * setting.ask_interval.as_millis() as u64;
        at = at + Duration::from_millis(random.random_range(1..most));
    }
    asks
}
