//! The numbers as tables for a terminal, and as CSV for whatever draws.
//!
//! Called by `compare::mod`.

use std::fmt::Write as _;
use std::time::Duration;

use anstream::println;
use simulator::comparison::{CostRow, Kept, LossRow, OutageRow};

use super::Part;
use crate::command::paint;

/// Words of what was kept, in columns.
const KEPT: [&str; 4] = ["acked", "lost", "doubled", "broke"];

fn micros(time: Duration) -> String {
    paint::micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// A duration as a person compares it: in seconds.
pub fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// Which links lose messages.
pub fn links(row: &LossRow) -> &'static str {
    if row.replication { "leader, followers" } else { "all nodes" }
}

/// What was broken; a dash for nothing.
fn broke(kept: &Kept) -> String {
    let words: Vec<&str> = kept.broke.iter().map(String::as_str).collect();
    if words.is_empty() { "–".to_string() } else { words.join(", ") }
}

fn kept(kept: &Kept) -> [String; 4] {
    let numbers = [kept.acknowledged, kept.lost, kept.doubled].map(|number| number.to_string());
    let [acknowledged, lost, doubled] = numbers;
    [acknowledged, lost, doubled, broke(kept)]
}

/// So many, or from the fewest to the most where several runs differ.
pub fn orders(row: &CostRow) -> String {
    let (least, most) = row.orders_range;
    match row.runs {
        0 | 1 => format!("{:.0}", row.orders_per_second),
        _ => format!("{:.0} [{least:.0}..{most:.0}]", row.orders_per_second),
    }
}

/// What is counted in a simulated world only stands before the times.
fn cost(row: &CostRow, real: bool) -> Vec<String> {
    let mut cells =
        vec![row.replicas.to_string(), row.shoppers.to_string(), row.protocol.to_string()];
    if !real {
        cells.extend([
            format!("{:.2}", row.messages),
            format!("{:.0}", row.message_bytes),
            format!("{:.2}", row.calls),
            format!("{:.2}", row.order_syncs),
            format!("{:.2}", row.catalog_syncs),
        ]);
    }
    cells.extend([micros(row.latency.0), micros(row.latency.1), orders(row)]);
    cells.extend(kept(&row.kept).into_iter().skip(1));
    cells
}

fn outage(row: &OutageRow) -> Vec<String> {
    let went_on = match row.went_on {
        0 => "no".to_string(),
        all if all == row.seeds => "yes".to_string(),
        some => format!("{some} of {}", row.seeds),
    };
    let mut cells = vec![
        row.outage.to_string(),
        row.replicas.to_string(),
        seconds(row.lasted),
        row.protocol.to_string(),
        seconds(row.gap.0),
        seconds(row.gap.1),
        went_on,
        row.kept.refused.to_string(),
        row.kept.unknown.to_string(),
    ];
    cells.extend(kept(&row.kept));
    cells
}

fn loss(row: &LossRow) -> Vec<String> {
    let mut cells = vec![
        links(row).to_string(),
        format!("{} %", f64::from(row.per_mille) / 10.0),
        row.replicas.to_string(),
        row.protocol.to_string(),
        format!("{:.0}", row.orders_per_second),
        format!("{:.1} %", 100.0 * row.share),
        micros(row.latency.0),
        micros(row.latency.1),
    ];
    cells.extend(kept(&row.kept));
    cells
}

/// Prints all of them.
pub fn print(part: &Part) {
    let Part { comparison, real, .. } = part;
    let [acked, lost, doubled, broke] = KEPT;
    let mut head = vec!["replicas", "shoppers", "replication"];
    if !real {
        head.extend(["messages", "bytes", "calls", "syncs", "catalog syncs"]);
    }
    head.extend(["p50", "p99", "orders/s", lost, doubled, broke]);
    let rows = comparison.costs.iter().map(|row| cost(row, *real));
    print_one("What an order costs while nothing goes wrong", &head, 0, rows);
    let mut head = vec!["fault", "replicas", "lasts", "replication", "median", "worst", "went on"];
    head.extend(["refused", "unknown", acked, lost, doubled, broke]);
    let rows = comparison.outages.iter().map(outage);
    print_one("The longest time without an order after a fault", &head, 1, rows);
    let mut head = vec!["between", "lost", "replicas", "replication", "orders/s", "of all"];
    head.extend(["p50", "p99", acked, lost, doubled, broke]);
    print_one("Where messages are lost", &head, 1, comparison.losses.iter().map(loss));
}

fn print_one(
    title: &str,
    head: &[&str],
    words: usize,
    rows: impl ExactSizeIterator<Item = Vec<String>>,
) {
    if rows.len() == 0 {
        return;
    }
    println!("{title}");
    let mut table = paint::table_of_numbers(head, words);
    rows.for_each(|row| _ = table.add_row(row));
    println!("{table}\n");
}

/// What the columns of the CSV are called, with units; empty where a row has none.
const COLUMNS: &str = "world,what,replication,replicas,shoppers,fault,lasted_ms,lost_per_mille,\
                       messages_per_order,bytes_per_order,calls_per_order,syncs_per_order,\
                       catalog_syncs_per_order,p50_us,p99_us,orders_per_second,gap_median_ms,\
                       gap_worst_ms,went_on_runs,runs,refused,unknown,acknowledged,lost,doubled,\
                       broke,orders_per_second_least,orders_per_second_most,gap_least_ms";

/// All rows, with a heading.
pub fn csv(parts: &[Part]) -> String {
    let mut text = format!("{COLUMNS}\n");
    for part in parts {
        let world = if part.real { "local" } else { "sim" };
        let Part { comparison, real, .. } = part;
        let costs = comparison.costs.iter().map(|row| cost_line(row, *real));
        let outages = comparison.outages.iter().map(outage_line);
        let losses = comparison.losses.iter().map(loss_line);
        for line in costs.chain(outages).chain(losses) {
            _ = writeln!(text, "{world},{line}");
        }
    }
    text
}

fn kept_cells(kept: &Kept) -> String {
    let broke: Vec<&str> = kept.broke.iter().map(String::as_str).collect();
    let Kept { acknowledged, lost, doubled, refused, unknown, .. } = kept;
    format!("{refused},{unknown},{acknowledged},{lost},{doubled},{}", broke.join(" + "))
}

fn cost_line(row: &CostRow, real: bool) -> String {
    let CostRow { protocol, replicas, shoppers, runs, .. } = row;
    let counts = [row.messages, row.message_bytes, row.calls, row.order_syncs, row.catalog_syncs];
    let counts = counts.map(|count| if real { String::new() } else { format!("{count:.4}") });
    format!(
        "cost,{protocol},{replicas},{shoppers},,,,{},{},{},{:.2},,,{runs},{runs},{},{:.2},{:.2},",
        counts.join(","),
        row.latency.0.as_micros(),
        row.latency.1.as_micros(),
        row.orders_per_second,
        kept_cells(&row.kept),
        row.orders_range.0,
        row.orders_range.1,
    )
}

fn outage_line(row: &OutageRow) -> String {
    let OutageRow { protocol, replicas, outage, went_on, seeds, .. } = row;
    format!(
        "outage,{protocol},{replicas},,{outage:?},{},,,,,,,,,,{},{},{went_on},{seeds},{},,,{}",
        row.lasted.as_millis(),
        row.gap.0.as_millis(),
        row.gap.1.as_millis(),
        kept_cells(&row.kept),
        row.least.as_millis(),
    )
}

fn loss_line(row: &LossRow) -> String {
    let LossRow { protocol, replicas, per_mille, .. } = row;
    format!(
        "loss,{protocol},{replicas},,{},,{per_mille},,,,,,{},{},{:.2},,,,,{},,,",
        if row.replication { "replication" } else { "nodes" },
        row.latency.0.as_micros(),
        row.latency.1.as_micros(),
        row.orders_per_second,
        kept_cells(&row.kept),
    )
}
