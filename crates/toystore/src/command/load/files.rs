//! A run as JSON, as CSV and as a log of HdrHistogram.
//!
//! Pure. Called by `load::run`.

use serde_json::{Map, Value, json};

use super::outcome::Outcome;
use crate::client::csv;
use crate::load::count::{Failure, Latencies, Row, availability};
use crate::load::gathered::{Part, Second};
use crate::load::goal;
use crate::load::hdr::Log;
use crate::load::mix::Kind;

fn failures(row: &Row) -> Value {
    let counts = Failure::ALL.map(|failure| {
        (failure.name().replace(' ', "_"), Value::from(row.failures[failure as usize]))
    });
    Value::Object(Map::from_iter(counts))
}

/// Everything, as one object.
pub fn json(outcome: &Outcome) -> Value {
    let gathered = &outcome.gathered;
    let counts = &gathered.counts;
    let kind = |(kind, row): (Kind, &Row)| {
        json!({
            "kind": kind.name(),
            "right": row.right,
            "per_second": outcome.per_second(row.right),
            "no_stock": row.no_stock,
            "cache_hits": row.hits(),
            "failures": failures(row),
            "availability": availability(row, 0),
            "response": Latencies::of(&row.response),
            "service": Latencies::of(&row.service),
        })
    };
    let second = |second: &Second| {
        let (right, failed) = (second.right(), second.failed());
        json!({"second": second.number, "right": right, "failed": failed})
    };
    let goal =
        |goal: &goal::Outcome| json!({"goal": goal.goal, "holds": goal.holds, "value": goal.value});
    let total = counts.total();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "seed": outcome.seed,
        "repeat": outcome.repeat,
        "about": outcome.about,
        "loop": if outcome.open { "open" } else { "closed" },
        "measured_seconds": gathered.measured.as_secs_f64(),
        "intended": total.ended() + counts.never_sent,
        "never_sent": counts.never_sent,
        "right": total.right,
        "wrong": counts.wrong(),
        "failures": failures(&total),
        "per_second": outcome.per_second(total.right),
        "availability": outcome.availability(),
        "kinds": counts.rows().map(kind).collect::<Vec<_>>(),
        "orders_with_the_number_of_another": outcome.twice,
        "troubles": gathered.troubles,
        "slo": outcome.goals.iter().map(goal).collect::<Vec<_>>(),
        "seconds": gathered.seconds.iter().map(second).collect::<Vec<_>>(),
        "holds": outcome.holds(),
    })
}

/// A line for each second and kind; latencies from the intended time, in microseconds.
pub fn csv(outcome: &Outcome) -> String {
    let head = ["second", "kind", "right", "failed", "samples", "p50_us", "p90_us", "p99_us"];
    let mut text = csv::line(head.into_iter().chain(["p999_us", "max_us"]));
    for second in &outcome.gathered.seconds {
        for Part { kind, right, failed, response } in &second.parts {
            let mut fields =
                vec![second.number.to_string(), kind.name().to_string(), right.to_string()];
            fields.push(failed.to_string());
            match response {
                Some(all) => fields.extend(
                    [all.samples, all.p50_us, all.p90_us, all.p99_us, all.p999_us, all.max_us]
                        .map(|number| number.to_string()),
                ),
                None => fields.extend(["0", "", "", "", "", ""].map(str::to_string)),
            }
            text.push_str(&csv::line(fields.iter().map(String::as_str)));
        }
    }
    text
}

/// All latencies.
///
/// # Errors
/// If they cannot be encoded.
pub fn hdr(outcome: &Outcome) -> Result<String, String> {
    let mut log = Log::new(outcome.began, outcome.gathered.measured);
    for (kind, what, histogram) in outcome.latencies() {
        let behind = if what == "service" { ".service" } else { "" };
        log.add(&format!("{}{behind}", kind.name()), histogram);
    }
    log.write()
}
