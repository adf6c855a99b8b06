//! What is read off a run, and the runs of a row together.
//!
//! Called by `comparison::mod` for a run, and by the shell's `compare` command for the rows that it
//! prints and draws.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use replication::{Protocol, Time};

use super::{Case, Happens, Outage};
use crate::costs::{Acknowledged, Costs};
use crate::run::Outcome;

/// What was kept of what shoppers were told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Orders that were acknowledged.
    pub acknowledged: u64,
    /// Of these, gone at the end.
    pub lost: u64,
    /// Requests that came to have two order numbers.
    pub doubled: u64,
    /// Attempts that were told that nothing was done.
    pub refused: u64,
    /// Attempts whose outcome the shopper did not learn.
    pub unknown: u64,
    /// Promises that were broken, by their words.
    pub broke: BTreeSet<String>,
}

impl Kept {
    fn add(&mut self, other: &Kept) {
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.broke.extend(other.broke.iter().cloned());
    }
}

/// What is read off a run. Counts and times are of the run's window, what was kept of all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Orders that were acknowledged within the window.
    pub orders: u64,
    /// Messages between order replicas.
    pub messages: u64,
    /// Their bytes.
    pub message_bytes: u64,
    /// Calls between nodes.
    pub calls: u64,
    /// Syncs of the disks of all order replicas.
    pub order_syncs: u64,
    /// Syncs of the catalog's disk.
    pub catalog_syncs: u64,
    /// How long half of the orders took at most, and 99 of 100.
    pub latency: (Duration, Duration),
    /// The longest time without an acknowledged order, from the window's beginning to the end.
    pub gap: Duration,
    /// Whether there were orders in the second half of the window.
    pub went_on: bool,
    /// What was kept.
    pub kept: Kept,
}

/// The value below which such a share of the sorted values is; zero of none.
pub fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

impl Measured {
    /// Of a run that shoppers left at `end`.
    pub(super) fn new(case: &Case, end: Time, outcome: &Outcome, costs: &Costs) -> Measured {
        let mut broke: BTreeSet<String> =
            outcome.convicted.iter().map(|promise| promise.to_string()).collect();
        broke.extend(outcome.broken.iter().map(|broken| broken.promise.to_string()));
        Measured {
            messages: costs.messages,
            message_bytes: costs.message_bytes,
            calls: costs.calls,
            order_syncs: costs.order_syncs,
            catalog_syncs: costs.catalog_syncs,
            kept: Kept {
                acknowledged: costs.acknowledged.len() as u64,
                lost: costs.lost,
                doubled: costs.doubled,
                refused: costs.refused,
                unknown: costs.unknown,
                broke,
            },
            ..Measured::of_orders(case.window(), end, &costs.acknowledged)
        }
    }

    /// What the times of orders say, of a run that shoppers left at `end`; nothing else.
    pub fn of_orders(window: Range<Time>, end: Time, orders: &[Acknowledged]) -> Measured {
        let within = orders.iter().filter(|one| window.contains(&one.at));
        let mut latencies: Vec<Duration> = within.clone().map(|one| one.latency).collect();
        latencies.sort();
        let half = window.start + window.end.since(window.start) / 2;
        let (mut gap, mut last) = (Duration::ZERO, window.start);
        let times = orders.iter().map(|one| one.at);
        let mut times: Vec<Time> =
            times.filter(|at| *at >= window.start && *at < end).chain([end]).collect();
        times.sort();
        for at in times {
            gap = gap.max(at.since(last));
            last = at;
        }
        Measured {
            orders: latencies.len() as u64,
            latency: (quantile(&latencies, 50), quantile(&latencies, 99)),
            gap,
            went_on: within.clone().any(|one| one.at >= half),
            kept: Kept { acknowledged: orders.len() as u64, ..Kept::default() },
            ..Measured::default()
        }
    }
}

/// What an order costs while nothing goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct CostRow {
    /// How replicas agree.
    pub protocol: Protocol,
    /// How many there are.
    pub replicas: u8,
    /// How many shoppers.
    pub shoppers: u8,
    /// Orders that were counted.
    pub orders: u64,
    /// Messages between replicas, for one order.
    pub messages: f64,
    /// Their bytes, for one order.
    pub message_bytes: f64,
    /// Calls between nodes, for one order.
    pub calls: f64,
    /// Syncs of the disks of all order replicas, for one order.
    pub order_syncs: f64,
    /// Syncs of the catalog's disk, for one order.
    pub catalog_syncs: f64,
    /// How long half of the orders took at most, and 99 of 100: the median of all runs.
    pub latency: (Duration, Duration),
    /// Orders for a second of the world's time: the median of all runs.
    pub orders_per_second: f64,
    /// What was kept.
    pub kept: Kept,
    /// The fewest and the most of them, of all runs.
    pub orders_range: (f64, f64),
    /// Runs.
    pub runs: u64,
}

/// How long there were no orders after a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutageRow {
    /// How replicas agree.
    pub protocol: Protocol,
    /// How many there are.
    pub replicas: u8,
    /// The fault.
    pub outage: Outage,
    /// How long it lasted.
    pub lasted: Duration,
    /// The longest time without an acknowledged order: of half of the runs at most, and the worst.
    pub gap: (Duration, Duration),
    /// Runs in which there were orders in the second half of the fault.
    pub went_on: u64,
    /// Runs.
    pub seeds: u64,
    /// What was kept, in all runs together.
    pub kept: Kept,
    /// The shortest of the longest times without an order, of all runs.
    pub least: Duration,
}

/// What is left of the orders where messages are lost.
#[derive(Clone, Debug, PartialEq)]
pub struct LossRow {
    /// How replicas agree.
    pub protocol: Protocol,
    /// How many there are.
    pub replicas: u8,
    /// Whether only messages between the leader and its followers were lost.
    pub replication: bool,
    /// Of a thousand messages, so many were lost.
    pub per_mille: u32,
    /// Orders for a second of the world's time.
    pub orders_per_second: f64,
    /// The same as a share of those without loss.
    pub share: f64,
    /// How long half of the orders took at most, and 99 of 100: the median of all runs.
    pub latency: (Duration, Duration),
    /// What was kept, in all runs together.
    pub kept: Kept,
}

/// Everything that was compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// What an order costs.
    pub costs: Vec<CostRow>,
    /// How long there were none.
    pub outages: Vec<OutageRow>,
    /// What loss does.
    pub losses: Vec<LossRow>,
}

impl Comparison {
    /// Of all runs, those of a row one after the other, as [`super::Extent::cases`] has them.
    pub fn new(all: &[(Case, Measured)]) -> Comparison {
        let mut comparison = Comparison::default();
        let row = |case: &Case| (case.protocol, case.replicas, case.happens);
        for runs in all.chunk_by(|(one, _), (other, _)| row(one) == row(other)) {
            comparison.add(runs);
        }
        comparison
    }

    fn add(&mut self, runs: &[(Case, Measured)]) {
        let Some((case, first)) = runs.first() else { return };
        let Case { protocol, replicas, length, .. } = *case;
        let mut kept = Kept::default();
        runs.iter().for_each(|(_, measured)| kept.add(&measured.kept));
        let sorted = |of: &dyn Fn(&Measured) -> Duration| {
            let mut all: Vec<Duration> = runs.iter().map(|(_, measured)| of(measured)).collect();
            all.sort();
            all
        };
        let median = |of: &dyn Fn(&Measured) -> Duration| quantile(&sorted(of), 50);
        let orders: u64 = runs.iter().map(|(_, measured)| measured.orders).sum();
        let seconds = length.as_secs_f64() * runs.len() as f64;
        let orders_per_second = orders as f64 / seconds;
        match case.happens {
            Happens::Nothing { shoppers } => {
                let each = |count: u64| count as f64 / first.orders.max(1) as f64;
                let mut all: Vec<u64> = runs.iter().map(|(_, measured)| measured.orders).collect();
                all.sort_unstable();
                let rate = |count: Option<&u64>| {
                    count.copied().unwrap_or_default() as f64 / length.as_secs_f64()
                };
                self.costs.push(CostRow {
                    protocol,
                    replicas,
                    shoppers,
                    orders: first.orders,
                    messages: each(first.messages),
                    message_bytes: each(first.message_bytes),
                    calls: each(first.calls),
                    order_syncs: each(first.order_syncs),
                    catalog_syncs: each(first.catalog_syncs),
                    latency: (median(&|one| one.latency.0), median(&|one| one.latency.1)),
                    orders_per_second: rate(all.get(all.len().div_ceil(2).saturating_sub(1))),
                    kept,
                    orders_range: (rate(all.first()), rate(all.last())),
                    runs: runs.len() as u64,
                });
            }
            Happens::Outage(outage) => self.outages.push(OutageRow {
                protocol,
                replicas,
                outage,
                lasted: length,
                gap: (
                    median(&|one| one.gap),
                    sorted(&|one| one.gap).last().copied().unwrap_or_default(),
                ),
                went_on: runs.iter().filter(|(_, measured)| measured.went_on).count() as u64,
                seeds: runs.len() as u64,
                kept,
                least: sorted(&|one| one.gap).first().copied().unwrap_or_default(),
            }),
            Happens::Loss { replication, per_mille } => {
                let whole = self.losses.iter().find(|row| {
                    let same = row.protocol == protocol && row.replicas == replicas;
                    same && row.replication == replication && row.per_mille == 0
                });
                let whole = whole.map_or(orders_per_second, |row| row.orders_per_second);
                self.losses.push(LossRow {
                    protocol,
                    replicas,
                    replication,
                    per_mille,
                    orders_per_second,
                    share: orders_per_second / whole.max(f64::MIN_POSITIVE),
                    latency: (median(&|one| one.latency.0), median(&|one| one.latency.1)),
                    kept,
                });
            }
        }
    }
}
