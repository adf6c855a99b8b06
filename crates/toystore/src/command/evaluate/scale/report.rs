//! The report of experiment 6: answers a second and latencies against what grows; start and memory.
//!
//! Called by `scale::mod`.

use checker::verdict;

use super::super::lab::Lab;
use super::super::section::{Numbers, Plot, Section, cell, cell_of, count};
use super::super::statistics::Estimate;
use super::{Grows, Point, how};
use crate::command::paint;
use crate::command::plot::axis::Axis;
use crate::command::plot::curve::{Line, draw};
use crate::load::count::Latencies;

/// Everything that was measured, as a section.
pub fn section(lab: &Lab, points: &[Point], missing: Vec<String>) -> Section {
    let mut section = Section::new("scale", "More of everything");
    (section.how, section.missing) = (how(lab), missing);
    for grows in Grows::ALL {
        if points.iter().any(|point| point.grows == grows) {
            rates(&mut section, points, grows);
            latencies(&mut section, points, grows);
            if matches!(grows, Grows::Toys | Grows::Orders) {
                starts(&mut section, points, grows);
                memory(&mut section, points, grows);
            }
        }
    }
    if !lab.settings.urls.is_empty() {
        section.missing.push(
            "Frontends, replicas, toys and orders: the store of --url has those that it has."
                .to_string(),
        );
    }
    if !points.is_empty() {
        section.table("scale-table", "Every run", table(points));
    }
    section
}

/// The steps that were measured, in order.
fn steps(points: &[Point], grows: Grows) -> Vec<usize> {
    let mine = points.iter().filter(|point| point.grows == grows);
    let mut steps: Vec<usize> = mine.map(|point| point.count).collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// What the repetitions of each step say together. All of it is above zero, and differs by factors.
fn estimates(
    points: &[Point],
    grows: Grows,
    of: impl Fn(&Point) -> Option<f64>,
) -> Vec<(usize, Estimate)> {
    let at = |step: usize| {
        let mine = points.iter().filter(|point| (point.grows, point.count) == (grows, step));
        let values: Vec<f64> = mine.filter_map(&of).collect();
        Some((step, Estimate::geometric(&values)?))
    };
    steps(points, grows).into_iter().filter_map(at).collect()
}

/// `1,000,000`.
fn thousands(count: usize) -> String {
    verdict::thousands(count as u64)
}

/// Where a step is on the axis. Orders begin with none, which no axis of factors has: their steps
/// have the same distance each.
fn place(points: &[Point], grows: Grows, step: usize) -> f64 {
    match grows {
        Grows::Orders => {
            steps(points, grows).iter().position(|one| *one == step).unwrap_or(0) as f64
        }
        Grows::Clients | Grows::Frontends | Grows::Replicas | Grows::Toys => step as f64,
    }
}

/// What grows, from the first step to the last: by factors if it grows much.
fn across(points: &[Point], grows: Grows) -> Axis {
    let steps = steps(points, grows);
    let at = |step: &usize| place(points, grows, *step);
    let ticks: Vec<(f64, String)> = steps.iter().map(|step| (at(step), thousands(*step))).collect();
    let (from, to) = match (steps.first(), steps.last()) {
        (Some(from), Some(to)) => (at(from), at(to)),
        _ => (0.0, 1.0),
    };
    let title = match grows {
        Grows::Clients => "clients at the same time, logarithmic".to_string(),
        Grows::Toys => "toys, logarithmic".to_string(),
        Grows::Orders => "orders on disk at the start, step by step".to_string(),
        Grows::Frontends | Grows::Replicas => grows.name().to_string(),
    };
    let factors = matches!(grows, Grows::Clients | Grows::Toys);
    Axis { factors, ..Axis::places(&title, from, to.max(from + 1.0), ticks) }
}

fn line(
    (points, grows): (&[Point], Grows),
    look: usize,
    name: &str,
    found: &[(usize, Estimate)],
) -> Line {
    let at = |step: usize| place(points, grows, step);
    let points = found.iter().map(|(step, one)| (at(*step), one.value)).collect();
    let line = Line::measured(look, name, points);
    match found.iter().all(|(_, one)| one.interval.is_none()) {
        true => line,
        false => line.with_spread(found.iter().map(|(_, one)| one.range()).collect()),
    }
}

/// Rows of a file: one for each step of each line.
fn add(numbers: &mut Numbers, what: &str, found: &[(usize, Estimate)]) {
    for (step, one) in found {
        let (low, high) = one.range();
        let [mean, low, high] = [one.value, low, high].map(cell);
        let repetitions = one.samples.to_string();
        numbers.row([step.to_string(), what.to_string(), mean, low, high, repetitions]);
    }
}

fn numbers(grows: Grows) -> Numbers {
    Numbers::new(&[grows.name(), "what", "geometric_mean", "ci95_low", "ci95_high", "repetitions"])
}

/// How many runs stand behind a plot, and what the lines on its points are.
fn samples(points: &[Point], grows: Grows) -> String {
    let mine = points.iter().filter(|point| point.grows == grows);
    let requests: u64 = mine
        .clone()
        .flat_map(|point| [&point.reads, &point.orders])
        .flatten()
        .map(|latencies| latencies.samples)
        .sum();
    let runs = mine.count();
    let repetitions = runs / steps(points, grows).len().max(1);
    let lines = match repetitions {
        1 => "one repetition of each, so without intervals",
        _ => "points are geometric means of repetitions, lines on them 95 % confidence",
    };
    format!("{requests} requests in {}; {lines}.", count(runs, "run"))
}

/// The ends of what was found, in words.
fn ends(found: &[(usize, Estimate)], words: impl Fn(f64) -> String) -> String {
    match (found.first(), found.last()) {
        (Some((one, first)), Some((other, last))) if one != other => format!(
            "{} with {}, {} with {}",
            words(first.value),
            thousands(*one),
            words(last.value),
            thousands(*other)
        ),
        (Some((one, first)), _) => format!("{} with {}", words(first.value), thousands(*one)),
        (None, _) => "nothing was measured".to_string(),
    }
}

/// What a curve shows beside the store itself, and would be taken for it.
fn why(grows: Grows) -> &'static str {
    match grows {
        Grows::Toys => {
            " The cache keeps as many toys as ever, so of more toys fewer reads are hits; a hit by \
             itself costs the same."
        }
        Grows::Frontends | Grows::Replicas => {
            " All are on this machine and share its processors: more of them have more to do, and \
             no more to do it with."
        }
        Grows::Clients | Grows::Orders => "",
    }
}

/// Answers a second.
fn rates(section: &mut Section, points: &[Point], grows: Grows) {
    let found = estimates(points, grows, |point| Some(point.rate));
    let most = found.iter().map(|(_, one)| one.range().1).fold(0.0, f64::max);
    let mut numbers = numbers(grows);
    add(&mut numbers, "answers_a_second", &found);
    let best = found.iter().max_by(|one, other| one.1.value.total_cmp(&other.1.value));
    let best = best.map_or_else(String::new, |(step, one)| {
        format!("; most with {}: {:.0}", thousands(*step), one.value)
    });
    let rates = ends(&found, |rate| format!("{rate:.0}"));
    let title = format!("Answers a second, by {}: {rates}{best}.", grows.name());
    let about =
        format!("Right answers to all kinds of requests. {}{}", samples(points, grows), why(grows));
    let y = Axis::linear("right answers a second", most);
    let lines = [line((points, grows), 0, "answers a second", &found)];
    let drawing = draw(&lines, &across(points, grows), &y, &title);
    let id = format!("scale-{}-rate", grows.name());
    let question = format!("How much does the store do with more {}?", grows.name());
    section.answer(&question, title.clone(), &id);
    section.plot(Plot { id, title, about, drawing, numbers });
}

/// How long reads and orders take.
fn latencies(section: &mut Section, points: &[Point], grows: Grows) {
    let half = |latencies: &Option<Latencies>| latencies.as_ref().map(|l| l.p50_us as f64);
    let tail = |latencies: &Option<Latencies>| latencies.as_ref().map(|l| l.p99_us as f64);
    let all = [
        ("read p50", estimates(points, grows, |point| half(&point.reads))),
        ("read p99", estimates(points, grows, |point| tail(&point.reads))),
        ("order p50", estimates(points, grows, |point| half(&point.orders))),
        ("order p99", estimates(points, grows, |point| tail(&point.orders))),
    ];
    let mut numbers = numbers(grows);
    let (mut least, mut most) = (f64::MAX, 1.0_f64);
    for (name, found) in &all {
        add(&mut numbers, &format!("{}_us", name.replace(' ', "_")), found);
        for (_, one) in found {
            least = least.min(one.value);
            most = most.max(one.range().1.min(one.value * 10.0));
        }
    }
    let looks = [0, 5, 1, 4];
    let lines =
        all.iter().zip(looks).map(|((name, found), look)| line((points, grows), look, name, found));
    let lines: Vec<Line> = lines.collect();
    let time = |us: f64| paint::micros(us.round() as u64);
    let title = format!(
        "Half of the reads take at most {}; half of the orders {}.",
        ends(&all[0].1, time),
        ends(&all[2].1, time)
    );
    let about = format!(
        "Latency at the client: half of the requests are quicker than p50, 99 of 100 than p99. \
         {}{}",
        samples(points, grows),
        why(grows)
    );
    let y = Axis::latencies("latency, logarithmic", least, most);
    let drawing = draw(&lines, &across(points, grows), &y, &title);
    let id = format!("scale-{}-latency", grows.name());
    let question = format!("How long does one wait with more {}?", grows.name());
    section.answer(&question, title.clone(), &id);
    section.plot(Plot { id, title, about, drawing, numbers });
}

/// How long a start takes.
fn starts(section: &mut Section, points: &[Point], grows: Grows) {
    let start = estimates(points, grows, |point| point.start);
    let mut start_numbers = numbers(grows);
    add(&mut start_numbers, "start_s", &start);
    let most = start.iter().map(|(_, one)| one.range().1).fold(0.0, f64::max);
    let words = ends(&start, |seconds| format!("{seconds:.1} s"));
    let title = format!("A store is ready after {words} {}.", grows.name());
    let y = Axis::fine("seconds until all nodes are ready", most);
    let drawing =
        draw(&[line((points, grows), 0, "start", &start)], &across(points, grows), &y, &title);
    let about = format!("From the first process on. {}", samples(points, grows));
    let id = format!("scale-{}-start", grows.name());
    let question = format!("How long does a start take with more {}?", grows.name());
    section.answer(&question, title.clone(), &id);
    section.plot(Plot { id, title, about, drawing, numbers: start_numbers });
}

/// How much memory the nodes have.
fn memory(section: &mut Section, points: &[Point], grows: Grows) {
    let mut numbers = numbers(grows);
    let of = |place: usize| {
        estimates(points, grows, move |point| Some(point.memory?[place] as f64 / 1e6))
    };
    let all = [("catalog", of(0)), ("frontend", of(1)), ("order replica", of(2))];
    let (mut least, mut most) = (f64::MAX, 1.0_f64);
    for (name, found) in &all {
        add(&mut numbers, &format!("{}_mb", name.replace(' ', "_")), found);
        for (_, one) in found {
            (least, most) = (least.min(one.value), most.max(one.value));
        }
    }
    if all[0].1.is_empty() {
        return;
    }
    let lines: Vec<Line> = all
        .iter()
        .enumerate()
        .map(|(look, (name, found))| line((points, grows), look, name, found))
        .collect();
    // Toys are the catalog's, orders the order replicas'.
    let whose = if grows == Grows::Orders { 2 } else { 0 };
    let words = ends(&all[whose].1, |mb| format!("{mb:.0} MB"));
    let title = format!("Memory of a process ({}): {words} {}.", all[whose].0, grows.name());
    let y = Axis::factors("resident memory, logarithmic", least, most, |mb| format!("{mb:.0} MB"));
    let drawing = draw(&lines, &across(points, grows), &y, &title);
    let about = format!("Of one process of each kind, after the load. {}", samples(points, grows));
    let id = format!("scale-{}-memory", grows.name());
    let question = format!("How much memory do more {} take?", grows.name());
    section.answer(&question, title.clone(), &id);
    section.plot(Plot { id, title, about, drawing, numbers });
}

fn table(points: &[Point]) -> Numbers {
    let mut numbers = Numbers::new(&[
        "grows",
        "to",
        "answers_a_second",
        "read_p50_us",
        "read_p99_us",
        "order_p50_us",
        "order_p99_us",
        "start_s",
        "catalog_mb",
        "frontend_mb",
        "order_replica_mb",
    ]);
    for point in points {
        let of = |latencies: &Option<Latencies>, at: fn(&Latencies) -> u64| {
            latencies.as_ref().map_or_else(String::new, |latencies| at(latencies).to_string())
        };
        let memory = |place: usize| cell_of(point.memory.map(|all| all[place] as f64 / 1e6));
        numbers.row([
            point.grows.name().to_string(),
            point.count.to_string(),
            cell(point.rate),
            of(&point.reads, |latencies| latencies.p50_us),
            of(&point.reads, |latencies| latencies.p99_us),
            of(&point.orders, |latencies| latencies.p50_us),
            of(&point.orders, |latencies| latencies.p99_us),
            cell_of(point.start),
            memory(0),
            memory(1),
            memory(2),
        ]);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_have_commas() {
        assert_eq!([1, 1_000, 1_000_000].map(thousands), ["1", "1,000", "1,000,000"]);
    }
}
