//! The report of experiment 4: how long there was no service, what clients noticed, and whether all
//! replicas ended equal.
//!
//! Called by `crashes::mod`.

use super::super::lab::Lab;
use super::super::section::{Numbers, Plot, Section, cell, count, list};
use super::super::statistics::spread;
use super::{CAPACITY, Kills, ORDERS, PAUSE, RETRY_INTERVAL, Run, SHOPPERS, lengths};
use crate::command::plot::axis::Axis;
use crate::command::plot::bars::{self, Bar, Group};
use crate::command::plot::curve::{self, Line};

/// Seconds of a point of orders over time.
const STEP: f64 = 0.1;

/// A number of a run.
type Reading = fn(&Run) -> f64;

/// Everything that was played, as a section.
pub fn section(lab: &Lab, runs: &[Run]) -> Section {
    let mut section = Section::new("crashes", "What clients notice when nodes die");
    section.how = how(lab);
    if runs.is_empty() {
        return section;
    }
    let mut kinds: Vec<Kills> = runs.iter().map(|run| run.kills).collect();
    kinds.sort_unstable();
    kinds.dedup();
    gaps(&mut section, runs, &kinds);
    over_time(&mut section, lab, runs, &kinds);
    noticed(&mut section, runs, &kinds);
    ends(&mut section, runs);
    section.table("crashes-table", "Every run", table(runs));
    section
}

fn of(runs: &[Run], kills: Kills) -> impl Iterator<Item = &Run> {
    runs.iter().filter(move |run| run.kills == kills)
}

/// `0.03 s [0.02..0.05]`, the median and from the least to the most.
fn seconds((least, median, most): (f64, f64, f64)) -> String {
    match most - least < 0.005 {
        true => format!("{median:.2} s"),
        false => format!("{median:.2} s [{least:.2}..{most:.2}]"),
    }
}

/// How long there were no orders and no looks.
fn gaps(section: &mut Section, runs: &[Run], kinds: &[Kills]) {
    let mut numbers =
        Numbers::new(&["fault", "service", "least_s", "median_s", "most_s", "repetitions"]);
    let (mut groups, mut words) = (Vec::new(), Vec::new());
    for kills in kinds {
        let mut bars = Vec::new();
        let services: [(&str, Reading); 2] =
            [("orders", |run| run.order_gap), ("looks", |run| run.look_gap)];
        for (tone, (service, gap)) in services.into_iter().enumerate() {
            let all: Vec<f64> = of(runs, *kills).map(gap).collect();
            let Some(found) = spread(&all) else { continue };
            let (least, median, most) = found;
            let cells = [least, median, most].map(cell);
            let (fault, repetitions) = (kills.name().to_string(), all.len().to_string());
            let [low, middle, high] = cells;
            numbers.row([fault, service.to_string(), low, middle, high, repetitions]);
            if service == "orders" {
                words.push(format!("{} {}", kills.name(), seconds(found)));
            }
            bars.push(Bar {
                name: service.to_string(),
                class: format!("t{tone}"),
                value: median,
                range: Some((least, most)),
                words: seconds(found),
                bad: false,
            });
        }
        groups.push(Group { name: kills.name().to_string(), bars });
    }
    let title = format!("The longest time without an order: {}.", list(&words));
    let drawing = bars::draw(&groups, "longest time without a right answer, in seconds", &title);
    let about = format!(
        "From the fault's beginning to the end of the run; a shopper that waits for its order does \
         not look at toys meanwhile. Bar: median, line: least to most of {} \
         of each.",
        count(repetitions(runs), "repetition")
    );
    let id = "crashes-gaps";
    section.answer("How long is there no service when a node dies?", title.clone(), id);
    section.plot(Plot { id: id.to_string(), title, about, drawing, numbers });
}

fn repetitions(runs: &[Run]) -> usize {
    runs.iter().map(|run| run.repetition + 1).max().unwrap_or(0)
}

/// Orders over time, around the fault.
fn over_time(section: &mut Section, lab: &Lab, runs: &[Run], kinds: &[Kills]) {
    let [before, down, after] = lengths(lab.settings.size).map(|time| time.as_secs_f64());
    let first = -(before / STEP).floor() as i32 + 1;
    let last = ((down + after) / STEP).floor() as i32 - 1;
    let mut numbers = Numbers::new(&["fault", "seconds", "orders_a_second", "repetitions"]);
    let (mut lines, mut most, mut orders) = (Vec::new(), 0.0_f64, 0);
    for (look, kills) in kinds.iter().enumerate() {
        let count = of(runs, *kills).count() as f64;
        let points = (first..last).map(|step| {
            let (from, to) = (f64::from(step) * STEP, f64::from(step + 1) * STEP);
            let within = |run: &Run| {
                run.orders.iter().filter(|time| (from..to).contains(*time)).count() as f64
            };
            let rate = of(runs, *kills).map(within).sum::<f64>() / count.max(1.0) / STEP;
            (from + STEP / 2.0, rate)
        });
        let points: Vec<(f64, f64)> = points.collect();
        orders += of(runs, *kills).map(|run| run.orders.len()).sum::<usize>();
        for (time, rate) in &points {
            most = most.max(*rate);
            let name = kills.name().to_string();
            numbers.row([name, cell(*time), cell(*rate), (count as usize).to_string()]);
        }
        lines.push(Line::measured(look, kills.name(), points).plain());
    }
    let whole = [0.0, down];
    let ticks = [("fault", whole[0]), ("undone", whole[1])];
    let steps = (-(before.floor()) as i32..=(down + after).floor() as i32)
        .map(f64::from)
        .filter(|second| whole.iter().all(|mark| (mark - second).abs() > 0.4))
        .map(|second| (second, format!("{second:.0}")));
    let mut ticks: Vec<(f64, String)> =
        ticks.into_iter().map(|(word, at)| (at, format!("{at} {word}"))).chain(steps).collect();
    ticks.sort_by(|one, other| one.0.total_cmp(&other.0));
    let x = Axis::places("seconds since the fault began", -before, down + after, ticks);
    let y = Axis::linear("acknowledged orders a second", most);
    let still: Vec<String> = kinds
        .iter()
        .filter(|kills| {
            let gaps: Vec<f64> = of(runs, **kills).map(|run| run.order_gap).collect();
            spread(&gaps).is_some_and(|(_, median, _)| median > down * 0.8)
        })
        .map(|kills| kills.name().to_string())
        .collect();
    let title = match still.is_empty() {
        true => "After every fault orders go on while the node is still away.".to_string(),
        false => format!(
            "Orders stand still until the node is back only with: {}; with all others they go on.",
            list(&still)
        ),
    };
    let about = format!(
        "Orders in each {STEP} s, the mean of all repetitions; {orders} orders, {SHOPPERS} \
         shoppers. The node is gone, or stands still, from 0 to {down} s."
    );
    let drawing = curve::draw(&lines, &x, &y, &title);
    let id = "crashes-over-time".to_string();
    section.answer("Does the store go on while a node is away?", title.clone(), &id);
    section.plot(Plot { id, title, about, drawing, numbers });
}

/// What shoppers saw of it.
fn noticed(section: &mut Section, runs: &[Run], kinds: &[Kills]) {
    let mut numbers = Numbers::new(&[
        "fault",
        "orders",
        "orders_retried",
        "retries",
        "given_up",
        "slowest_order_s",
        "compared_at_the_end",
        "differences",
    ]);
    let (mut groups, mut words) = (Vec::new(), Vec::new());
    let mut given_up = 0;
    for kills in kinds {
        let sum = |value: fn(&Run) -> u64| of(runs, *kills).map(value).sum::<u64>();
        let (orders, retried) = (sum(|run| run.orders.len() as u64), sum(|run| run.retried));
        let slowest = of(runs, *kills).map(|run| run.slowest).fold(0.0, f64::max);
        given_up += sum(|run| run.given_up);
        numbers.row([
            kills.name().to_string(),
            orders.to_string(),
            retried.to_string(),
            sum(|run| run.retries).to_string(),
            sum(|run| run.given_up).to_string(),
            cell(slowest),
            sum(|run| run.matched).to_string(),
            sum(|run| run.differences.len() as u64).to_string(),
        ]);
        words.push(format!("{} {retried} of {orders}", kills.name()));
        groups.push(Bar {
            name: kills.name().to_string(),
            class: "t1".to_string(),
            value: slowest,
            range: None,
            words: format!("{slowest:.2} s; {retried} of {orders} orders tried again"),
            bad: false,
        });
    }
    let end = match given_up {
        0 => "none was given up".to_string(),
        count => format!("{count} were given up"),
    };
    let slowest = runs.iter().max_by(|one, other| one.slowest.total_cmp(&other.slowest));
    let slowest = slowest.map_or_else(String::new, |run| {
        format!("; the slowest took {:.2} s ({})", run.slowest, run.kills.name())
    });
    let title = format!("Orders that had to be tried again: {}; {end}{slowest}.", list(&words));
    let groups = [Group { name: String::new(), bars: groups }];
    let drawing = bars::draw(&groups, "the slowest order, in seconds", &title);
    let about = format!(
        "The longest that any order took, its retries included; and how many orders needed more \
         than one attempt, of {} together. A frontend tries again in its shoppers' place, at the \
         next leader, for up to 8 s: until then they notice a crash only by waiting.",
        count(repetitions(runs), "repetition")
    );
    let id = "crashes-noticed";
    section.answer("Can clients notice a crash while they order?", title.clone(), id);
    section.plot(Plot { id: id.to_string(), title, about, drawing, numbers });
}

/// What was found in the end.
fn ends(section: &mut Section, runs: &[Run]) {
    let id = "crashes-table";
    let matched: u64 = runs.iter().map(|run| run.matched).sum();
    let differences: Vec<&String> = runs.iter().flat_map(|run| &run.differences).collect();
    let sentence = match differences.first() {
        None => format!(
            "No: all {matched} orders that were compared at the end are in the store as they were \
             acknowledged, whatever died."
        ),
        Some(first) => format!(
            "Yes: {} of {} orders are not in the store as they were acknowledged; the first: \
             {first}.",
            differences.len(),
            matched + differences.len() as u64
        ),
    };
    section.answer("Can clients notice it in the final check?", sentence, id);
    let unequal = runs.iter().filter(|run| run.equal == Some(false)).count();
    let unknown = runs.iter().filter(|run| run.equal.is_none()).count();
    let orders: usize = runs.iter().map(|run| run.logged).sum();
    let unsaid = match unknown {
        0 => String::new(),
        count => format!(" Of {count} runs it cannot be said: a replica did not show its log."),
    };
    let sentence = match unequal {
        0 => format!(
            "Yes, in {} of {} runs: the same orders in the same order, also at replicas that were \
             dead or stood still meanwhile; {orders} orders in all.{unsaid}",
            runs.len() - unknown,
            runs.len(),
        ),
        count => format!("No: in {count} of {} runs they differ.{unsaid}", runs.len()),
    };
    section.answer("Do all order replicas end with the same database?", sentence, id);
    for run in runs {
        let mut wrong = run.differences.clone();
        wrong.extend(run.broke.iter().map(|broke| format!("broke: {broke}")));
        if !wrong.is_empty() {
            let (name, number) = (run.kills.name(), run.repetition + 1);
            section.broken.push(format!("{name}, repetition {number}: {}", wrong.join("; ")));
        }
    }
}

fn table(runs: &[Run]) -> Numbers {
    let mut numbers = Numbers::new(&[
        "fault",
        "repetition",
        "order_gap_s",
        "look_gap_s",
        "orders",
        "retried",
        "given_up",
        "slowest_s",
        "matched",
        "differences",
        "in_the_log",
        "replicas_equal",
        "broke",
    ]);
    for run in runs {
        let equal = run.equal.map_or("not known", |equal| if equal { "yes" } else { "no" });
        numbers.row([
            run.kills.name().to_string(),
            (run.repetition + 1).to_string(),
            cell(run.order_gap),
            cell(run.look_gap),
            run.orders.len().to_string(),
            run.retried.to_string(),
            run.given_up.to_string(),
            cell(run.slowest),
            run.matched.to_string(),
            run.differences.len().to_string(),
            run.logged.to_string(),
            equal.to_string(),
            if run.broke.is_empty() { "–".to_string() } else { run.broke.join(", ") },
        ]);
    }
    numbers
}

fn how(lab: &Lab) -> Vec<String> {
    let [before, down, after] = lengths(lab.settings.size).map(|time| time.as_secs_f64());
    vec![
        format!(
            "Each run is a store of its own: one frontend (a cache of {CAPACITY}, leases), \
             {ORDERS} order replicas ({}), one catalog, each a process. {SHOPPERS} shoppers look \
             at toys and order every other one; each thinks for {} ms after a toy, and tries again \
             after {} ms what failed.",
            lab.replication(),
            PAUSE.as_millis(),
            RETRY_INTERVAL.as_millis()
        ),
        format!(
            "After {before} s the fault: SIGKILL, or SIGSTOP for a pause. {down} s later the node \
             is started again on its own data, or goes on; {after} s later each shopper reads back \
             every order that it placed, and compares."
        ),
        "Then the logs of all replicas are read, and the whole history of the run is judged: is \
         there one order of everything that fits what every client was told; is any order lost or \
         doubled; are the replicas' logs equal (toystore check, docs/formats.md)."
            .to_string(),
        "By hand: toystore up; toystore client --clients 5 --requests 2000 --probability 0.5; \
         meanwhile toystore kill leader, toystore start order-3."
            .to_string(),
    ]
}
