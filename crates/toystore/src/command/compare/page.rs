//! The page of plots: it needs nothing else, no script and no network. Each plot is titled with
//! what it shows, in a sentence made of its numbers.
//!
//! Called by `compare::mod`; in the style of the checker's picture of a verdict.

use checker::picture::escape;
use std::time::Duration;

use simulator::comparison::{Comparison, CostRow, LossRow, OutageRow};

use super::chart::{Bar, Group, draw};
use super::table::{links, seconds};
use super::{Part, findings};
use crate::command::paint;

/// The whole page.
pub fn page(parts: &[Part], repeat: &str) -> String {
    let body: String = parts.iter().map(section).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>toystore compare</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>Ways of replication, side by side</h1>\n\
         <p class=\"dim\">To see it again: <code>{}</code></p>\n{body}</body>\n</html>\n",
        escape(repeat),
    )
}

/// What was compared in one world.
fn section(part: &Part) -> String {
    let Part { world, about, comparison, real } = part;
    let kept = findings::kept(comparison);
    let mut body = format!("<h2>{}</h2>\n<p>{}</p>\n", escape(world), escape(about));
    let mut add = |title: &str, words: &str, groups: &[Group]| {
        if groups.is_empty() {
            return;
        }
        body.push_str(&format!(
            "<section>\n<h3>{}</h3>\n<p class=\"dim\">{}: {}</p>\n{}</section>\n",
            escape(title),
            escape(world),
            escape(words),
            draw(groups, title),
        ));
    };
    for (title, words, groups) in costs(comparison, *real) {
        add(&title, &words, &groups);
    }
    let words = "the longest time without an acknowledged order from the fault on. Bar: the median \
                 of all runs; line: the worst. Red: no orders in the second half of the fault.";
    add(&findings::outages(&comparison.outages), words, &outages(&comparison.outages));
    for replication in [true, false] {
        let rows = comparison.losses.iter().filter(|row| row.replication == replication);
        let rows: Vec<&LossRow> = rows.collect();
        let words = "orders a second, where so many messages are lost. What is lost is lost here: \
                     no TCP sends it again, so that a call waits for its deadline.";
        add(&findings::losses(&rows), words, &losses(&rows));
    }
    let words = "acknowledged orders that were gone at the end, by fault.";
    add(&kept.sentence, words, &lost(comparison));
    body
}

type Plot = (String, String, Vec<Group>);

fn two(value: f64) -> String {
    format!("{value:.2}")
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn time(micros: f64) -> String {
    paint::micros(micros as u64)
}

/// What is measured of an order, and how it is written.
struct Measure {
    what: &'static str,
    words: &'static str,
    of: fn(&CostRow) -> f64,
    worst: fn(&CostRow) -> Option<f64>,
    text: fn(f64) -> String,
}

/// Counts of a simulated world.
const COUNTS: [Measure; 3] = [
    Measure {
        what: "an order costs so many messages between replicas",
        words: "heartbeats are counted too; orders that come together share messages.",
        of: |row| row.messages,
        worst: |_| None,
        text: two,
    },
    Measure {
        what: "an order costs so many bytes between replicas",
        words: "as postcard encodes the messages, without what frames them.",
        of: |row| row.message_bytes,
        worst: |_| None,
        text: whole,
    },
    Measure {
        what: "an order costs so many syncs of the replicas' disks",
        words: "of all replicas together; orders that come together share syncs.",
        of: |row| row.order_syncs,
        worst: |_| None,
        text: two,
    },
];

/// From question to answer, and how often.
fn times(real: bool) -> [Measure; 2] {
    let latency = "from a shopper's question to its answer. Bar: half of the orders at most; line: \
                   99 of 100.";
    let orders = match real {
        true => {
            "of shoppers that ask without a pause, each for one thing after the other, on the same \
             machine as the store. Bar: the median of all runs; line: the most."
        }
        false => {
            "of shoppers that ask without a pause, each for one thing after the other, in the \
             world's time: no processor is busy in it, so this is waiting alone."
        }
    };
    [
        Measure {
            what: "half of the orders take no longer than",
            words: latency,
            of: |row| row.latency.0.as_micros() as f64,
            worst: |row| Some(row.latency.1.as_micros() as f64),
            text: time,
        },
        Measure {
            what: "there are so many orders a second",
            words: orders,
            of: |row| row.orders_per_second,
            worst: |row| Some(row.orders_range.1).filter(|_| row.runs > 1),
            text: whole,
        },
    ]
}

fn costs(comparison: &Comparison, real: bool) -> Vec<Plot> {
    let plot = |measure: &Measure| {
        let all = &comparison.costs;
        let same = |one: &CostRow, other: &CostRow| {
            (one.replicas, one.shoppers) == (other.replicas, other.shoppers)
        };
        let groups = all.chunk_by(same).map(|rows| {
            let bars = rows.iter().map(|row| {
                let (value, worst) = ((measure.of)(row), (measure.worst)(row));
                let mut words = (measure.text)(value);
                if let Some(worst) = worst {
                    words = format!("{words}, {}", (measure.text)(worst));
                }
                Bar { protocol: row.protocol, value, worst, words, bad: false }
            });
            let (replicas, shoppers) =
                rows.first().map_or((0, 0), |row| (row.replicas, row.shoppers));
            let name = format!("{replicas} replicas, {shoppers} at a time");
            Group { name, bars: bars.collect() }
        });
        let title = findings::cost(all, measure.what, measure.of, measure.text);
        (title, measure.words.to_string(), groups.collect())
    };
    let counts = COUNTS.iter().filter(|_| !real);
    counts.chain(&times(real)).map(plot).collect()
}

fn outages(rows: &[OutageRow]) -> Vec<Group> {
    let group = |rows: &[OutageRow]| {
        let bars = rows.iter().map(|row| {
            let bad = row.went_on < row.seeds;
            let end = if bad { ", until the end" } else { "" };
            Bar {
                protocol: row.protocol,
                value: row.gap.0.as_secs_f64(),
                worst: Some(row.gap.1.as_secs_f64()),
                words: format!("{}, {}{end}", seconds(row.gap.0), seconds(row.gap.1)),
                bad,
            }
        });
        let name = rows.first().map_or_else(String::new, |row| {
            format!("{}, {} replicas, for {}", row.outage, row.replicas, span(row.lasted))
        });
        Group { name, bars: bars.collect() }
    };
    by_fault(rows).map(group).collect()
}

/// The rows of each fault and number of replicas.
fn by_fault(rows: &[OutageRow]) -> impl Iterator<Item = &[OutageRow]> {
    rows.chunk_by(|one, other| (one.outage, one.replicas) == (other.outage, other.replicas))
}

fn span(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

fn losses(rows: &[&LossRow]) -> Vec<Group> {
    let group = |rows: &[&LossRow]| {
        let bars = rows.iter().map(|row| Bar {
            protocol: row.protocol,
            value: row.orders_per_second,
            worst: None,
            words: format!("{:.0}, {:.1} %", row.orders_per_second, 100.0 * row.share),
            bad: false,
        });
        let name = rows.first().map_or_else(String::new, |row| {
            let percent = f64::from(row.per_mille) / 10.0;
            format!("{percent} % lost, {}, {} replicas", links(row), row.replicas)
        });
        Group { name, bars: bars.collect() }
    };
    let same = |one: &&LossRow, other: &&LossRow| {
        (one.per_mille, one.replicas) == (other.per_mille, other.replicas)
    };
    rows.chunk_by(same).map(group).collect()
}

fn lost(comparison: &Comparison) -> Vec<Group> {
    let group = |rows: &[OutageRow]| {
        let bars = rows.iter().map(|row| {
            let bad = row.kept.lost + row.kept.doubled > 0 || !row.kept.broke.is_empty();
            let broke: Vec<&str> = row.kept.broke.iter().map(String::as_str).collect();
            let mut words = format!("{} of {} lost", row.kept.lost, row.kept.acknowledged);
            if !broke.is_empty() {
                words = format!("{words}; broke: {}", broke.join(", "));
            }
            Bar { protocol: row.protocol, value: row.kept.lost as f64, worst: None, words, bad }
        });
        let name = rows
            .first()
            .map_or_else(String::new, |row| format!("{}, {} replicas", row.outage, row.replicas));
        Group { name, bars: bars.collect() }
    };
    by_fault(&comparison.outages).map(group).collect()
}

const STYLE: &str = "\
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1e21; --dim: #6b7075; --line: #c9ccd1;
  --naive: #a9aeb4; --primary-backup: #6b9be8; --raft: #4fa86b; --paxos: #e07b00; --bad: #d92c2c; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15171a; --ink: #e8eaed; --dim: #9aa0a6; --line: #43484e; --naive: #6b7075;
    --primary-backup: #5b8bd6; --raft: #4aa56a; --paxos: #ffa640; --bad: #ff6b63; } }
body { margin: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .2rem; padding-top: .6rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; max-width: 62rem; margin: 2rem 0 .2rem; }
p { max-width: 62rem; margin: .4rem 0; }
.dim { color: var(--dim); }
svg { display: block; max-width: 100%; height: auto;
  font: 11px ui-monospace, 'DejaVu Sans Mono', monospace; }
svg.narrow { display: none; }
@media (max-width: 50rem) { svg.wide { display: none; } svg.narrow { display: block; } }
svg text { fill: var(--ink); }
svg .dim { fill: var(--dim); }
svg text.name { font-weight: bold; }
svg .bad { fill: var(--bad); font-weight: bold; }
.axis { stroke: var(--line); }
.worst { stroke: var(--ink); stroke-width: 1.2; }
.naive { fill: var(--naive); }
.primary-backup { fill: var(--primary-backup); }
.raft { fill: var(--raft); }
.paxos { fill: var(--paxos); }
code { font-size: .9em; overflow-wrap: anywhere; }
";
