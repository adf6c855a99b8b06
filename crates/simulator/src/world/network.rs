//! The network: how long what somebody sends is on its way, and whether it arrives.
//!
//! Each edge, from one seat to another, has dice of its own: a fault that is left out of a plan
//! changes what happens on other edges only as far as it must. Asked by the world for each message,
//! changed by `strike`.

use std::time::Duration;

use wal::memory::Random;

use crate::frames::Link;
use crate::setting::Network as Weather;
use crate::who::{Seat, Who};

/// An edge: from one seat to another.
pub type Edge = (Seat, Seat);

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It arrives after so long.
    Arrives(Duration),
    /// It waits until the edge is mended.
    Held,
    /// It never arrives.
    Lost,
}

/// The latest that a late message is, in microseconds: longer than most deadlines between nodes.
const LATE_US_MAX: u64 = 700_000;

/// One direction between two seats. What is wrong with it is counted, since faults overlap.
#[derive(Clone, Debug)]
struct Line {
    dice: Random,
    /// Cuts that lose what is sent.
    cut: u32,
    /// Cuts that keep it.
    held: u32,
    /// What else is wrong with it, added up.
    worse: Worse,
}

/// How much worse an edge is than the weather.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worse {
    /// Of a thousand, lost.
    lost: u32,
    /// Of a thousand, doubled.
    doubled: u32,
    /// Everything is so late, in microseconds, …
    delay_us: u64,
    /// … and up to so much more.
    jitter_us: u64,
}

impl Worse {
    /// Shares are of a thousand.
    pub fn new(lost: u32, doubled: u32, delay: Duration, jitter: Duration) -> Worse {
        let (delay_us, jitter_us) = (delay.as_micros() as u64, jitter.as_micros() as u64);
        Worse { lost, doubled, delay_us, jitter_us }
    }
}

/// All edges.
#[derive(Clone, Debug)]
pub struct Network {
    weather: Weather,
    seats: usize,
    lines: Vec<Line>,
    /// By how much everything from and to a seat is late at most, in microseconds.
    lags: Vec<u64>,
}

impl Network {
    /// A network of so many seats.
    pub fn new(seed: u64, seats: usize, weather: Weather) -> Network {
        let mut seeds = Random(seed);
        let line =
            |_| Line { dice: Random(seeds.draw()), cut: 0, held: 0, worse: Worse::default() };
        let lines = (0..seats * seats).map(line).collect();
        Network { weather, seats, lines, lags: vec![0; seats] }
    }

    fn line(&mut self, (from, to): Edge) -> &mut Line {
        &mut self.lines[from * self.seats + to]
    }

    /// What becomes of a message that is sent now.
    pub fn send(&mut self, edge: Edge) -> Way {
        let (low, high) = self.weather.delay_us;
        let (lost, late) = (self.weather.lost, self.weather.late);
        let lag = self.lags[edge.0].max(self.lags[edge.1]);
        let line = self.line(edge);
        // All dice are thrown for each message, so that one more fault moves no other one.
        let (luck, delay) = (line.dice.draw(), line.dice.draw());
        let (loss, lateness) = ((luck % 1000) as u32, ((luck >> 20) % 1000) as u32);
        if line.cut > 0 || loss < lost + line.worse.lost {
            return Way::Lost;
        }
        if line.held > 0 {
            return Way::Held;
        }
        let mut micros = low + delay % (high - low);
        if lateness < late {
            micros += (delay >> 20) % LATE_US_MAX;
        }
        micros += line.worse.delay_us;
        if line.worse.jitter_us > 0 {
            micros += (delay >> 30) % line.worse.jitter_us;
        }
        if lag > 0 {
            micros += (delay >> 40) % lag;
        }
        Way::Arrives(Duration::from_micros(micros))
    }

    /// Whether a message that is sent now goes twice.
    pub fn doubles(&mut self, edge: Edge) -> bool {
        let doubled = self.weather.doubled;
        let line = self.line(edge);
        line.dice.below(1000) < u64::from(doubled + line.worse.doubled)
    }

    /// Cuts an edge, losing what is sent or holding it.
    pub fn cut(&mut self, edge: Edge, held: bool) {
        let line = self.line(edge);
        *if held { &mut line.held } else { &mut line.cut } += 1;
    }

    /// Takes a cut back.
    pub fn mend(&mut self, edge: Edge, held: bool) {
        let line = self.line(edge);
        *if held { &mut line.held } else { &mut line.cut } -= 1;
    }

    /// Whether something that was held may go on.
    pub fn lets_through(&mut self, edge: Edge) -> bool {
        self.line(edge).held == 0
    }

    /// Whether an edge is cut at all.
    pub fn is_cut(&self, (from, to): Edge) -> bool {
        let line = &self.lines[from * self.seats + to];
        line.cut + line.held > 0
    }

    /// What is wrong with an edge now, to somebody; the weather is wrong with none.
    pub fn suffers(&self, (from, to): Edge, whom: Who) -> Option<Link> {
        let line = &self.lines[from * self.seats + to];
        let Worse { lost, doubled, delay_us, jitter_us } = line.worse;
        let jitter_us = jitter_us + self.lags[from].max(self.lags[to]);
        let cut = line.cut + line.held > 0;
        let (delay, jitter) = (Duration::from_micros(delay_us), Duration::from_micros(jitter_us));
        let link = Link { to: whom, cut, lost, doubled, delay, jitter };
        let fine = Link {
            cut: false,
            lost: 0,
            doubled: 0,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            ..link
        };
        (link != fine).then_some(link)
    }

    /// Makes an edge worse, or as good as before.
    pub fn degrade(&mut self, edge: Edge, by: Worse, on: bool) {
        let worse = &mut self.line(edge).worse;
        let add = |sum: u64, part: u64| if on { sum + part } else { sum - part };
        let add_share = |sum: u32, part: u32| if on { sum + part } else { sum - part };
        *worse = Worse {
            lost: add_share(worse.lost, by.lost),
            doubled: add_share(worse.doubled, by.doubled),
            delay_us: add(worse.delay_us, by.delay_us),
            jitter_us: add(worse.jitter_us, by.jitter_us),
        };
    }

    /// How late everything from and to a seat is, at most.
    pub fn set_lag(&mut self, seat: Seat, by: Duration) {
        self.lags[seat] = by.as_micros() as u64;
    }

    /// Good weather from now on: nothing is lost, doubled or late but for what is cut.
    pub fn clear_up(&mut self) {
        self.weather = Weather { lost: 0, doubled: 0, late: 0, ..self.weather };
    }
}
