//! The page of plots: it needs nothing else, no script and no network. Each plot is titled with
//! what it shows, in a sentence made of its numbers.
//!
//! Called by `compare::mod`; in the style of the checker's picture of a verdict.

use checker::picture::escape;
use std::time::Duration;

use replication::Protocol;
use simulator::comparison::{Comparison, CostRow, LossRow, OutageRow};

use super::table::{links, seconds};
use super::{Part, findings};
use crate::command::paint;
use crate::command::plot::bars::{Bar, Group, draw};
use crate::command::plot::sheet::{DRAWING, PAGE, PRINT, PROTOCOLS};

/// The whole page.
pub fn page(parts: &[Part], repeat: &str) -> String {
    let body: String = parts.iter().map(section).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>toystore compare</title>\n\
         <style>\n{PAGE}{DRAWING}{PROTOCOLS}{PRINT}</style>\n</head>\n<body>\n\
         <h1>Ways of replication, side by side</h1>\n\
         <p class=\"dim\">To see it again: <code>{}</code></p>\n{body}</body>\n</html>\n",
        escape(repeat),
    )
}

/// A plot.
pub struct Plot {
    /// A short name, for files.
    pub id: String,
    /// What it shows, in a sentence.
    pub title: String,
    /// What is drawn.
    pub words: String,
    /// What is measured, and in which unit.
    pub axis: &'static str,
    /// The bars.
    pub groups: Vec<Group>,
}

/// What was compared in one world.
fn section(part: &Part) -> String {
    let Part { world, about, .. } = part;
    let mut body = format!("<h2>{}</h2>\n<p>{}</p>\n", escape(world), escape(about));
    for Plot { title, words, axis, groups, .. } in plots(part) {
        body.push_str(&format!(
            "<section>\n<h3>{}</h3>\n<p class=\"dim\">{}: {}</p>\n{}</section>\n",
            escape(&title),
            escape(world),
            escape(&words),
            draw(&groups, axis, &title),
        ));
    }
    body
}

/// Those for which there are numbers.
pub fn plots(part: &Part) -> Vec<Plot> {
    let Part { comparison, real, .. } = part;
    let mut all = costs(comparison, *real);
    let mut add = |id: &str, title: String, words: &str, axis, groups| {
        all.push(Plot { id: id.to_string(), title, words: words.to_string(), axis, groups });
    };
    let words = "the longest time without an acknowledged order from the fault on. Bar: the median \
                 of all runs; line: the worst. Red: no orders in the second half of the fault.";
    let found = findings::outages(&comparison.outages);
    add(
        "outages",
        found,
        words,
        "longest time without an order, in seconds",
        outages(&comparison.outages),
    );
    for replication in [true, false] {
        let rows = comparison.losses.iter().filter(|row| row.replication == replication);
        let rows: Vec<&LossRow> = rows.collect();
        let words = "orders a second, where so many messages are lost. What is lost is lost here: \
                     no TCP sends it again, so that a call waits for its deadline.";
        let id = if replication { "loss-between-replicas" } else { "loss" };
        add(id, findings::losses(&rows), words, "orders a second", losses(&rows));
    }
    let words = "acknowledged orders that were gone at the end, by fault.";
    let found = findings::kept(comparison).sentence;
    add("lost", found, words, "acknowledged orders that were lost", lost(comparison));
    all.retain(|plot| !plot.groups.is_empty());
    all
}

fn two(value: f64) -> String {
    format!("{value:.2}")
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn time(millis: f64) -> String {
    paint::micros((millis * 1e3).round() as u64)
}

/// What is measured of an order, and how it is written.
struct Measure {
    id: &'static str,
    axis: &'static str,
    what: &'static str,
    words: &'static str,
    of: fn(&CostRow) -> f64,
    worst: fn(&CostRow) -> Option<f64>,
    text: fn(f64) -> String,
}

/// Counts of a simulated world.
const COUNTS: [Measure; 3] = [
    Measure {
        id: "messages",
        axis: "messages for an order",
        what: "an order costs so many messages between replicas",
        words: "heartbeats are counted too; orders that come together share messages.",
        of: |row| row.messages,
        worst: |_| None,
        text: two,
    },
    Measure {
        id: "bytes",
        axis: "bytes for an order",
        what: "an order costs so many bytes between replicas",
        words: "as postcard encodes the messages, without what frames them.",
        of: |row| row.message_bytes,
        worst: |_| None,
        text: whole,
    },
    Measure {
        id: "syncs",
        axis: "syncs for an order",
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
            id: "latency",
            axis: "latency of an order, in ms",
            what: "half of the orders take no longer than",
            words: latency,
            of: |row| row.latency.0.as_secs_f64() * 1e3,
            worst: |row| Some(row.latency.1.as_secs_f64() * 1e3),
            text: time,
        },
        Measure {
            id: "rate",
            axis: "orders a second",
            what: "there are so many orders a second",
            words: orders,
            of: |row| row.orders_per_second,
            worst: |row| Some(row.orders_range.1).filter(|_| row.runs > 1),
            text: whole,
        },
    ]
}

/// A bar of a way of replication; the line on it ends at the worst.
fn bar(protocol: Protocol, value: f64, worst: Option<f64>, words: String) -> Bar {
    let (name, range) = (protocol.name().to_string(), worst.map(|worst| (value, worst)));
    Bar { class: name.clone(), name, value, range, words, bad: false }
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
                bar(row.protocol, value, worst, words)
            });
            let (replicas, shoppers) =
                rows.first().map_or((0, 0), |row| (row.replicas, row.shoppers));
            let name = format!("{replicas} replicas, {shoppers} at a time");
            Group { name, bars: bars.collect() }
        });
        let title = findings::cost(all, measure.what, measure.of, measure.text);
        let (id, words) = (measure.id.to_string(), measure.words.to_string());
        Plot { id, title, words, axis: measure.axis, groups: groups.collect() }
    };
    let counts = COUNTS.iter().filter(|_| !real);
    counts.chain(&times(real)).map(plot).collect()
}

fn outages(rows: &[OutageRow]) -> Vec<Group> {
    let group = |rows: &[OutageRow]| {
        let bars = rows.iter().map(|row| {
            let bad = row.went_on < row.seeds;
            let end = if bad { ", until the end" } else { "" };
            let words = format!("{}, {}{end}", seconds(row.gap.0), seconds(row.gap.1));
            let (value, worst) = (row.gap.0.as_secs_f64(), row.gap.1.as_secs_f64());
            Bar { bad, ..bar(row.protocol, value, Some(worst), words) }
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
        let bars = rows.iter().map(|row| {
            let words = format!("{:.0}, {:.1} %", row.orders_per_second, 100.0 * row.share);
            bar(row.protocol, row.orders_per_second, None, words)
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
            Bar { bad, ..bar(row.protocol, row.kept.lost as f64, None, words) }
        });
        let name = rows
            .first()
            .map_or_else(String::new, |row| format!("{}, {} replicas", row.outage, row.replicas));
        Group { name, bars: bars.collect() }
    };
    by_fault(&comparison.outages).map(group).collect()
}
