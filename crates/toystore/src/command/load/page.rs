//! The page of a run: it needs nothing else, no script and no network. Each plot is titled with
//! what it shows, in a sentence made of its numbers.
//!
//! Pure. Called by `load::run`; in the style of `compare`'s page.

use checker::picture::escape;
use hdrhistogram::Histogram;

use super::outcome::Outcome;
use crate::command::paint;
use crate::command::plot::axis::Axis;
use crate::command::plot::curve::{Line, draw};
use crate::load::count::Latencies;
use crate::load::gathered::Second;
use crate::load::mix::Kind;

/// Points of a line of latencies.
const POINTS: u32 = 120;

/// The whole page.
pub fn page(outcome: &Outcome) -> String {
    let mut body = String::new();
    for goal in &outcome.goals {
        let (class, mark) = if goal.holds { ("good", "✓") } else { ("bad", "✗") };
        let (text, value) = (escape(&goal.goal), escape(&goal.value));
        body.push_str(&format!("<p class=\"{class}\">{mark} {text}: {value}</p>\n"));
    }
    for (title, words, plot) in [latencies(outcome), rates(outcome), tails(outcome)] {
        body.push_str(&format!(
            "<section>\n<h2>{}</h2>\n<p class=\"dim\">{}</p>\n{plot}</section>\n",
            escape(&title),
            escape(&words),
        ));
    }
    body.push_str(&table(outcome));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>toystore load</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>{}</h1>\n<p>{}</p>\n\
         <p class=\"dim\">To make the same choices: <code>{}</code></p>\n{body}</body>\n</html>\n",
        escape(&finding(outcome)),
        escape(&outcome.about),
        escape(&outcome.repeat),
    )
}

/// What came of it, in a sentence.
fn finding(outcome: &Outcome) -> String {
    let right = outcome.right();
    let rate = outcome.per_second(right);
    let counts = &outcome.gathered.counts;
    let failed = counts.total().ended() - right + counts.never_sent;
    let failed = match (failed, counts.wrong()) {
        (0, _) => "none failed".to_string(),
        (failed, 0) => format!("{failed} failed, none of them with a wrong answer"),
        (failed, wrong) => format!("{failed} failed, {wrong} of them with a wrong answer"),
    };
    format!("{rate:.0} right answers a second, {right} in all; {failed}")
}

/// Latencies over quantiles, which reach as far as there are samples.
fn latencies(outcome: &Outcome) -> (String, String, String) {
    let all = outcome.latencies();
    let most = all.iter().map(|(_, _, histogram)| histogram.len()).max().unwrap_or(1).max(10);
    let end = (most as f64).log10();
    let line = |(kind, what, histogram): &(Kind, &str, &Histogram<u64>)| {
        let last = (histogram.len() as f64).log10();
        let point = |step: u32| {
            let x = last * f64::from(step) / f64::from(POINTS);
            let value = histogram.value_at_quantile(1.0 - 10_f64.powf(-x));
            (x, (value.max(1) as f64).log10())
        };
        let name = match *what {
            "service" => format!("{} service", kind.name()),
            _ => kind.name().to_string(),
        };
        Line::named(&name, (0..=POINTS).map(point).collect())
    };
    let lines: Vec<Line> = all.iter().map(line).collect();
    let quantiles = ["0", "90", "99", "99.9", "99.99", "99.999", "99.9999", "99.99999"];
    let ticks = quantiles.iter().enumerate().map(|(x, words)| (x as f64, format!("{words} %")));
    let ticks = ticks.take_while(|(x, _)| *x <= end).collect();
    let x = Axis::places("share of requests", 0.0, end, ticks);
    let y = decades(lines.iter().flat_map(|line| line.points.iter().map(|(_, y)| *y)));
    let half = |(kind, latencies): (Kind, Latencies)| {
        let (half, most) = (paint::micros(latencies.p50_us), paint::micros(latencies.p99_us));
        format!("{}: half within {half}, 99 % within {most}", kind.name())
    };
    let rows = outcome.gathered.counts.rows();
    let rows = rows.filter_map(|(kind, row)| Some((kind, Latencies::of(&row.response)?)));
    let title: Vec<String> = rows.map(half).collect();
    let title = if title.is_empty() { "nothing was answered".into() } else { title.join("; ") };
    let (from, dashed) = match outcome.open {
        true => ("intended time", " Dashed (service): from its sending."),
        false => ("sending", ""),
    };
    let samples: u64 = outcome.gathered.counts.total().response.len();
    let words = format!(
        "how long answers took, from the {from} of each request to its answer or its end; \
         {samples} samples, both axes logarithmic. A line goes as far as it has samples.{dashed}"
    );
    let plot = draw(&lines, &x, &y, &title);
    (title, words, plot)
}

/// An axis of latencies: all decades that there are, given as logarithms of microseconds.
fn decades(values: impl Iterator<Item = f64>) -> Axis {
    let (least, most) = values
        .fold((f64::MAX, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    let (from, to) = (least.min(most).floor(), most.ceil().max(least.min(most).floor() + 1.0));
    let ticks = (from as i32..=to as i32)
        .map(|power| (f64::from(power), paint::micros(10_u64.pow(power.max(0) as u32))));
    Axis::places("latency", from, to, ticks.collect())
}

/// Seconds that were measured from beginning to end.
fn whole(outcome: &Outcome) -> &[Second] {
    let whole = outcome.gathered.measured.as_secs() as usize;
    let seconds = &outcome.gathered.seconds;
    &seconds[..seconds.partition_point(|second| second.number < whole)]
}

fn seconds_axis(seconds: &[Second]) -> Axis {
    let last = seconds.last().map_or(1, |second| second.number.max(1));
    let mut axis = Axis::linear("seconds since the warm-up", last as f64);
    axis.to = last as f64;
    axis.ticks.retain(|(at, _)| *at <= last as f64);
    axis
}

/// Answers in each second.
fn rates(outcome: &Outcome) -> (String, String, String) {
    let seconds = whole(outcome);
    let line = |name: &str, of: fn(&Second) -> u64| {
        let points = seconds.iter().map(|second| (second.number as f64, of(second) as f64));
        Line::named(name, points.collect())
    };
    let mut lines = vec![line("right", Second::right)];
    if seconds.iter().any(|second| second.failed() > 0) {
        lines.push(line("failed", Second::failed));
    }
    let most =
        lines.iter().flat_map(|line| line.points.iter().map(|(_, y)| *y)).fold(0.0, f64::max);
    let rights = || seconds.iter().map(Second::right);
    let title = match (rights().min(), rights().max()) {
        (Some(least), Some(most)) => format!("between {least} and {most} right answers a second"),
        (None, _) | (_, None) => "shorter than a second: no rate over time".to_string(),
    };
    let (x, y) = (seconds_axis(seconds), Axis::linear("answers a second", most));
    let words = "how many came in each second; a store that stands still shows as a gap.";
    let plot = draw(&lines, &x, &y, &title);
    (title, words.to_string(), plot)
}

/// The 99th percentile of each second.
fn tails(outcome: &Outcome) -> (String, String, String) {
    let seconds = whole(outcome);
    let points = |kind: Kind| {
        let at = |second: &Second| {
            let part = second.parts.iter().find(|part| part.kind == kind)?;
            let most = part.response.as_ref()?.p99_us.max(1);
            Some((second.number as f64, (most as f64).log10()))
        };
        seconds.iter().filter_map(at).collect::<Vec<_>>()
    };
    let lines = Kind::ALL.map(|kind| Line::named(kind.name(), points(kind)));
    let lines: Vec<Line> = lines.into_iter().filter(|line| !line.points.is_empty()).collect();
    let worst = |line: &Line| {
        let worst = line.points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
        format!("{} {}", line.name, paint::micros(10_f64.powf(worst).round() as u64))
    };
    let worst: Vec<String> = lines.iter().map(worst).collect();
    let title = match worst.is_empty() {
        true => "shorter than a second: no tails over time".to_string(),
        false => format!("in the worst second 99 % were within: {}", worst.join(", ")),
    };
    let y = decades(lines.iter().flat_map(|line| line.points.iter().map(|(_, y)| *y)));
    let plot = draw(&lines, &seconds_axis(seconds), &y, &title);
    (title, "p99 of what ended in each second, logarithmic.".to_string(), plot)
}

/// The same in numbers.
fn table(outcome: &Outcome) -> String {
    let mut rows = String::new();
    for (kind, what, histogram) in outcome.latencies() {
        let Some(all) = Latencies::of(histogram) else { continue };
        let times = [all.p50_us, all.p90_us, all.p99_us, all.p999_us, all.max_us];
        let times: String = times.map(|time| format!("<td>{}</td>", paint::micros(time))).concat();
        let (name, samples) = (kind.name(), all.samples);
        rows.push_str(&format!("<tr><th>{name} {what}</th><td>{samples}</td>{times}</tr>\n"));
    }
    format!(
        "<section>\n<h2>The same in numbers</h2>\n<div class=\"scroll\" tabindex=\"0\">\n\
         <table>\n<tr><th>what</th><th>samples</th><th>p50</th><th>p90</th><th>p99</th>\
         <th>p99.9</th><th>max</th></tr>\n{rows}</table>\n</div>\n</section>\n"
    )
}

const STYLE: &str = "\
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1e21; --dim: #5f6469; --line: #d9dce0;
  --read: #2f6fd0; --order: #b35c00; --query: #2f7d4b; --good: #2f7d4b; --bad: #c42323; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15171a; --ink: #e8eaed; --dim: #9aa0a6; --line: #34383d; --read: #7fb0ff;
    --order: #ffa640; --query: #6fcb90; --good: #6fcb90; --bad: #ff6b63; } }
body { margin: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.3rem; max-width: 62rem; margin: 0 0 .3rem; }
h2 { font-size: 1.05rem; max-width: 62rem; margin: 2rem 0 .2rem; }
p { max-width: 62rem; margin: .4rem 0; }
.dim { color: var(--dim); }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: bold; }
svg { display: block; max-width: 100%; height: auto;
  font: 11px ui-monospace, 'DejaVu Sans Mono', monospace; }
svg.narrow { display: none; }
@media (max-width: 50rem) { svg.wide { display: none; } svg.narrow { display: block; } }
svg text { fill: var(--ink); }
svg .dim { fill: var(--dim); }
.axis { stroke: var(--line); }
.line { fill: none; stroke: var(--tone); stroke-width: 1.8; }
.read, .read-service { --tone: var(--read); }
.order, .order-service { --tone: var(--order); }
.order-query, .order-query-service { --tone: var(--query); }
.right { --tone: var(--good); }
.failed { --tone: var(--bad); }
.line.read-service, .line.order-service, .line.order-query-service { stroke-dasharray: 4 3; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th:first-child { text-align: left; }
code { font-size: .9em; overflow-wrap: anywhere; }
";
