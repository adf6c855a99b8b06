//! The report of experiment 1: latencies against p, and what the cache is worth.
//!
//! Called by `latency::mod`.

use super::super::lab::Lab;
use super::super::section::{Numbers, Plot, Section, cell, count, list};
use super::super::statistics::Estimate;
use super::{Cell, Measured, Request, how, percents};
use crate::command::paint;
use crate::command::plot::axis::Axis;
use crate::command::plot::curve::{Line, draw};

/// What is drawn with a cache, and without one.
const WITH: [Request; 4] = [Request::Hit, Request::Miss, Request::Order, Request::OrderQuery];
const WITHOUT: [Request; 3] = [Request::Query, Request::Order, Request::OrderQuery];

/// Everything that was measured, as a section.
pub fn section(lab: &Lab, measured: &Measured) -> Section {
    let mut section =
        Section::new("latency", "How long requests take, and what the cache is worth");
    section.how = how(lab);
    if measured.cells.is_empty() {
        return section;
    }
    let percents = percents(lab.settings.size);
    let both = measured.cells.iter().any(|cell| !cell.cache);
    with_or_without(&mut section, measured, percents, true);
    if both {
        with_or_without(&mut section, measured, percents, false);
        benefit(&mut section, measured, percents);
    } else {
        section.missing.push(
            "Without a cache nothing was measured: the store of --url is as it is. Leave --url \
             away to see what the cache is worth."
                .to_string(),
        );
    }
    section.table("latency-table", "Latencies in numbers", table(measured));
    section
}

fn time(micros: f64) -> String {
    paint::micros(micros.round().max(0.0) as u64)
}

/// What the repetitions of a cell say together.
fn estimate(cell: &Cell) -> Option<Estimate> {
    let means: Vec<f64> = cell.means.iter().map(|(_, mean)| *mean).collect();
    Estimate::mean(&means)
}

/// Latencies against p, with the cache or without.
fn with_or_without(section: &mut Section, measured: &Measured, percents: &[u32], cache: bool) {
    let requests: &[Request] = if cache { &WITH } else { &WITHOUT };
    let mut numbers =
        Numbers::new(&["p_percent", "request", "mean_us", "low_us", "high_us", "repetitions"]);
    let (mut lines, mut samples) = (Vec::new(), 0);
    let (mut least, mut most) = (f64::MAX, 0.0_f64);
    for request in requests {
        let found = percents.iter().filter_map(|percent| {
            let cell = measured.cell(cache, *percent, *request)?;
            Some((*percent, cell.all.len(), estimate(cell)?))
        });
        let found: Vec<(u32, u64, Estimate)> = found.collect();
        for (percent, count, estimate) in &found {
            let (low, high) = estimate.range();
            // A mean whose interval reaches below zero is drawn down to a tenth of itself.
            least = least.min(low.max(estimate.value / 10.0));
            most = most.max(high);
            samples += count;
            let repetitions = estimate.samples.to_string();
            let times = [estimate.value, low, high].map(cell);
            let name = request.name().to_string();
            let [mean, low, high] = times;
            numbers.row([percent.to_string(), name, mean, low, high, repetitions]);
        }
        // The same request has the same look in both plots.
        let look = match request {
            Request::Hit => 2,
            Request::Miss | Request::Query => 0,
            Request::Order => 1,
            Request::OrderQuery => 3,
        };
        let points = found.iter().map(|(percent, _, one)| (f64::from(*percent), one.value));
        let spread = found.iter().map(|(_, _, one)| one.range());
        let line = Line::measured(look, request.name(), points.collect());
        if !found.is_empty() {
            lines.push(line.with_spread(spread.collect()));
        }
    }
    let title = finding(measured, percents, cache, requests);
    let ticks = percents.iter().map(|p| (f64::from(*p), format!("{p} %"))).collect();
    let x = Axis::places("p, the probability of an order after a look", 0.0, 100.0, ticks);
    let y = Axis::latencies("latency, logarithmic", least, most);
    let (id, word) = match cache {
        true => ("latency-with-cache", "with"),
        false => ("latency-without-cache", "without"),
    };
    let repetitions = count(measured.repetitions, "repetition");
    let about = format!(
        "Mean latency of each kind of request {word} the cache, {samples} requests in \
         {repetitions}; lines on the points: 95 % confidence. Clients and store share the \
         machine's processors, and an order needs some fifty times the instructions of a hit: \
         beside orders everything waits for a processor."
    );
    let drawing = draw(&lines, &x, &y, &title);
    if cache {
        let question = "How long does each kind of request take, and how does that change with p?";
        section.answer(question, title.clone(), id);
    }
    section.plot(Plot { id: id.to_string(), title, about, drawing, numbers });
}

/// From the least p to the most, for each kind.
fn finding(measured: &Measured, percents: &[u32], cache: bool, requests: &[Request]) -> String {
    let part = |request: &Request| {
        let mut found = percents.iter().filter_map(|percent| {
            let cell = measured.cell(cache, *percent, *request)?;
            Some((*percent, estimate(cell)?.value))
        });
        let first = found.next()?;
        let name = request.name();
        Some(match found.next_back() {
            Some(last) => format!(
                "{name} {} at p = {} %, {} at {} %",
                time(first.1),
                first.0,
                time(last.1),
                last.0
            ),
            None => format!("{name} {} at p = {} %", time(first.1), first.0),
        })
    };
    let parts: Vec<String> = requests.iter().filter_map(part).collect();
    let word = if cache { "With the cache" } else { "Without the cache" };
    format!("{word}: {}.", parts.join("; "))
}

/// How many times as long a query takes without the cache, pair by pair.
fn ratio(measured: &Measured, percent: u32, without: Request, with: Request) -> Option<Estimate> {
    let slow = measured.cell(false, percent, without)?;
    let quick = measured.cell(true, percent, with)?;
    let pairs = slow.means.iter().filter_map(|(repetition, mean)| {
        let (_, other) = quick.means.iter().find(|(number, _)| number == repetition)?;
        Some((*mean, *other))
    });
    Estimate::ratio(&pairs.collect::<Vec<_>>())
}

/// How many times as many answers a second there are with the cache.
fn rate_ratio(measured: &Measured, percent: u32) -> Option<Estimate> {
    let of =
        |cache: bool| measured.rates.iter().filter(move |(c, p, ..)| (*c, *p) == (cache, percent));
    let pairs = of(true).filter_map(|(.., repetition, rate)| {
        let (.., other) = of(false).find(|(.., number, _)| number == repetition)?;
        Some((*rate, *other))
    });
    Estimate::ratio(&pairs.collect::<Vec<_>>())
}

/// What the cache is worth, against p.
fn benefit(section: &mut Section, measured: &Measured, percents: &[u32]) {
    let names = ["all queries", "hits only", "answers a second"];
    let mut numbers = Numbers::new(&["p_percent", "of", "times", "low", "high", "repetitions"]);
    let mut lines = Vec::new();
    let mut most = 1.0_f64;
    let mut first = None;
    for (look, name) in names.iter().enumerate() {
        let of = |percent: u32| match look {
            0 => ratio(measured, percent, Request::Query, Request::Query),
            1 => ratio(measured, percent, Request::Query, Request::Hit),
            _ => rate_ratio(measured, percent),
        };
        let found = percents.iter().filter_map(|percent| Some((*percent, of(*percent)?)));
        let found: Vec<(u32, Estimate)> = found.collect();
        for (percent, one) in &found {
            let (low, high) = one.range();
            most = most.max(high.min(one.value * 3.0));
            let [times, low, high] = [one.value, low, high].map(cell);
            let repetitions = one.samples.to_string();
            numbers.row([percent.to_string(), name.to_string(), times, low, high, repetitions]);
        }
        let points = found.iter().map(|(percent, one)| (f64::from(*percent), one.value));
        let spread = found.iter().map(|(_, one)| one.range());
        let line = Line::measured(look, name, points.collect());
        lines.push(line.with_spread(spread.collect()));
        first = first.or(Some(found));
    }
    let at = |percent: u32| {
        let found = first.iter().flatten().find(|(p, _)| *p == percent)?;
        let words = found.1.words(|times| format!("{times:.2}"));
        // An interval that holds 1 shows neither a benefit nor a loss.
        let (low, high) = found.1.range();
        let shown = match low <= 1.0 && high >= 1.0 {
            true => ", which shows no difference,",
            false => "",
        };
        Some(format!("{words} times{shown} at p = {percent} %"))
    };
    let ends: Vec<u32> = match (percents.first(), percents.last()) {
        (Some(one), Some(other)) => vec![*one, *other],
        _ => vec![],
    };
    let words: Vec<String> = ends.into_iter().filter_map(at).collect();
    let title = format!(
        "A query takes so many times as long without the cache as with it: {} (95 % confidence).",
        list(&words)
    );
    let ticks = percents.iter().map(|p| (f64::from(*p), format!("{p} %"))).collect();
    let x = Axis::places("p, the probability of an order after a look", 0.0, 100.0, ticks);
    let y = Axis::fine("times as quick with the cache; 1: no benefit", most);
    let drawing = draw(&lines, &x, &y, &title);
    let about = format!(
        "Geometric mean over {} pairs of stores of the ratio within each pair; lines on the \
         points: 95 % confidence. All queries: hits and misses as they come; hits only: what a \
         toy in the cache gains; answers a second: of all kinds of requests together.",
        measured.repetitions
    );
    let id = "latency-benefit";
    section.answer("How much does the cache help?", title.clone(), id);
    section.plot(Plot { id: id.to_string(), title, about, drawing, numbers });
}

/// Everything in numbers.
fn table(measured: &Measured) -> Numbers {
    let mut numbers = Numbers::new(&[
        "cache",
        "p_percent",
        "request",
        "requests",
        "mean_us",
        "ci95_low_us",
        "ci95_high_us",
        "p50_us",
        "p90_us",
        "p99_us",
        "max_us",
        "repetitions",
    ]);
    let mut cells: Vec<&Cell> =
        measured.cells.iter().filter(|cell| !cell.means.is_empty()).collect();
    cells.sort_by_key(|cell| (!cell.cache, cell.percent, cell.request));
    for one in cells {
        let Some(estimate) = estimate(one) else { continue };
        let (low, high) = estimate.range();
        let at = |quantile| one.all.value_at_quantile(quantile).to_string();
        numbers.row([
            if one.cache { "on" } else { "off" }.to_string(),
            one.percent.to_string(),
            one.request.name().to_string(),
            one.all.len().to_string(),
            cell(estimate.value),
            cell(low),
            cell(high),
            at(0.5),
            at(0.9),
            at(0.99),
            one.all.max().to_string(),
            estimate.samples.to_string(),
        ]);
    }
    numbers
}
