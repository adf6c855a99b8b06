//! The report of experiment 3: hit rate, latency, old answers and messages of each scheme.
//!
//! Called by `invalidation::mod`.

use super::super::lab::Lab;
use super::super::section::{Numbers, Plot, Section, cell, count, list};
use super::super::statistics::Estimate;
use super::{FRONTENDS, ORDERS, PAUSE, Run, SHOPPERS, Scheme, TOYS, length};
use crate::command::paint;
use crate::command::plot::bars::{Bar, Group, draw};

/// Everything that was measured, as a section.
pub fn section(lab: &Lab, schemes: &[Scheme], runs: &[Run]) -> Section {
    let mut section = Section::new("invalidation", "What keeps caches right, and what it costs");
    section.how = how(lab);
    if runs.is_empty() {
        return section;
    }
    for measure in MEASURES {
        measured(&mut section, schemes, runs, &measure);
    }
    stale(&mut section, schemes, runs);
    section.table("invalidation-table", "Every run", table(runs));
    for run in runs.iter().filter(|run| !run.broke.is_empty()) {
        section.broken.push(format!("{} broke: {}", run.scheme.name(), run.broke.join(", ")));
    }
    section
}

/// A number of a run.
type Reading = fn(&Run) -> f64;

/// What is drawn of each scheme.
struct Measure {
    id: &'static str,
    question: &'static str,
    title: &'static str,
    axis: &'static str,
    /// What cannot be more, whatever an interval says.
    most: f64,
    values: &'static [(&'static str, Reading)],
    words: fn(f64) -> String,
}

const MEASURES: [Measure; 3] = [
    Measure {
        id: "invalidation-hits",
        question: "How often does the cache help under each scheme?",
        title: "Looks that the cache answered",
        axis: "looks answered from the cache, in percent",
        most: 100.0,
        values: &[("hits", |run| 100.0 * run.hits as f64 / run.looks.max(1) as f64)],
        words: |percent| format!("{percent:.1} %"),
    },
    Measure {
        id: "invalidation-latency",
        question: "What does each scheme cost readers and buyers?",
        title: "A look takes",
        axis: "mean latency, in µs",
        most: f64::MAX,
        values: &[("look", |run| run.look_us), ("order", |run| run.order_us)],
        words: |us| paint::micros(us.round().max(0.0) as u64),
    },
    Measure {
        id: "invalidation-messages",
        question: "How many messages does each scheme need?",
        title: "Calls between frontends and catalog for each look",
        axis: "calls for each look",
        most: f64::MAX,
        values: &[("calls", |run| run.messages)],
        words: |calls| format!("{calls:.2}"),
    },
];

fn of(runs: &[Run], scheme: Scheme) -> impl Iterator<Item = &Run> {
    runs.iter().filter(move |run| run.scheme == scheme)
}

fn measured(section: &mut Section, schemes: &[Scheme], runs: &[Run], measure: &Measure) {
    let mut numbers =
        Numbers::new(&["scheme", "what", "mean", "ci95_low", "ci95_high", "repetitions"]);
    let (mut groups, mut found) = (Vec::new(), Vec::new());
    for scheme in schemes {
        let mut bars = Vec::new();
        for (tone, (what, value)) in measure.values.iter().enumerate() {
            let values: Vec<f64> = of(runs, *scheme).map(value).collect();
            let Some(estimate) = Estimate::mean(&values) else { continue };
            let interval = estimate.interval.map(|(low, high)| (low, high.min(measure.most)));
            let estimate = Estimate { interval, ..estimate };
            let (low, high) = estimate.range();
            let (name, repetitions) = (scheme.name(), estimate.samples.to_string());
            let [mean, from, to] = [estimate.value, low, high].map(cell);
            numbers.row([name, what.to_string(), mean, from, to, repetitions]);
            if tone == 0 {
                found.push(format!("{} {}", scheme.name(), (measure.words)(estimate.value)));
            }
            let shown = (low.max(0.0), high.min(estimate.value * 4.0));
            bars.push(Bar {
                name: if measure.values.len() == 1 { scheme.name() } else { what.to_string() },
                class: format!("t{tone}"),
                value: estimate.value,
                range: Some(shown).filter(|_| estimate.interval.is_some()),
                words: estimate.words(measure.words),
                bad: false,
            });
        }
        let name = if measure.values.len() == 1 { String::new() } else { scheme.name() };
        groups.push(Group { name, bars });
    }
    let title = format!("{}: {}.", measure.title, list(&found));
    let about = format!(
        "Bar: mean of the repetitions, line: its 95 % confidence interval (drawn to four times the \
         mean at most). {}",
        samples(runs)
    );
    let drawing = draw(&groups, measure.axis, &title);
    section.answer(measure.question, title.clone(), measure.id);
    section.plot(Plot { id: measure.id.to_string(), title, about, drawing, numbers });
}

fn samples(runs: &[Run]) -> String {
    let looks: u64 = runs.iter().map(|run| run.looks).sum();
    format!("{looks} looks in {}.", count(runs.len(), "run"))
}

/// What all runs of a scheme say of old answers together.
struct Old {
    scheme: Scheme,
    runs: usize,
    reads: u64,
    stale: u64,
    /// Of the runs' medians the middle one: ages of several runs are not one sample.
    median_us: u64,
    oldest_us: u64,
    versions: u64,
}

impl Old {
    /// Absent without runs.
    fn of(scheme: Scheme, runs: &[Run]) -> Option<Old> {
        let mine: Vec<&Run> = of(runs, scheme).collect();
        let most = |value: fn(&Run) -> u64| mine.iter().copied().map(value).max();
        let sum = |value: fn(&Run) -> u64| mine.iter().copied().map(value).sum();
        let some = mine.iter().filter(|run| run.stale.stale > 0);
        let mut medians: Vec<u64> = some.map(|run| run.stale.age_us_median).collect();
        medians.sort_unstable();
        Some(Old {
            scheme,
            runs: mine.len(),
            reads: sum(|run| run.stale.reads),
            stale: sum(|run| run.stale.stale),
            median_us: medians.get(medians.len().saturating_sub(1) / 2).copied().unwrap_or(0),
            oldest_us: most(|run| run.stale.age_us_max)?,
            versions: most(|run| run.stale.versions_max)?,
        })
    }

    fn percent(&self) -> f64 {
        100.0 * self.stale as f64 / self.reads.max(1) as f64
    }

    fn row(&self) -> [String; 8] {
        [
            self.scheme.name(),
            self.reads.to_string(),
            self.stale.to_string(),
            cell(self.percent()),
            self.median_us.to_string(),
            self.oldest_us.to_string(),
            self.versions.to_string(),
            self.runs.to_string(),
        ]
    }

    fn bar(&self) -> Bar {
        let (median, oldest) = (paint::micros(self.median_us), paint::micros(self.oldest_us));
        let words = match self.stale {
            0 => format!("none of {}", self.reads),
            stale => format!("{stale} of {}, {median} old (median), {oldest} at most", self.reads),
        };
        Bar {
            name: self.scheme.name(),
            class: "t1".to_string(),
            value: self.percent(),
            range: None,
            words,
            bad: self.stale > 0 && self.scheme.promises(),
        }
    }
}

/// Old answers, and how old they were.
fn stale(section: &mut Section, schemes: &[Scheme], runs: &[Run]) {
    let mut numbers = Numbers::new(&[
        "scheme",
        "reads",
        "stale",
        "percent",
        "median_age_us",
        "greatest_age_us",
        "versions_behind_at_most",
        "runs",
    ]);
    let all: Vec<Old> = schemes.iter().filter_map(|scheme| Old::of(*scheme, runs)).collect();
    all.iter().for_each(|old| numbers.row(old.row()));
    let clean = all.iter().filter(|old| old.stale == 0).map(|old| old.scheme.name());
    let clean: Vec<String> = clean.collect();
    let words = all.iter().filter(|old| old.stale > 0).map(|old| {
        let (name, percent, oldest) =
            (old.scheme.name(), old.percent(), paint::micros(old.oldest_us));
        format!("{name} {percent:.1} % of its reads, {oldest} old at most")
    });
    let words: Vec<String> = words.collect();
    let title = match (clean.is_empty(), words.is_empty()) {
        (_, true) => "No scheme showed an old answer in what was measured.".to_string(),
        (true, false) => format!("Old answers: {}.", list(&words)),
        (false, false) => {
            format!("No old answer under {}; old were: {}.", list(&clean), list(&words))
        }
    };
    let about = format!(
        "A read is stale if somebody had seen, or made, a newer version of its toy before the read \
         began; its age is the time since the first such moment. As crate checker counts it in the \
         recorded histories. {}",
        samples(runs)
    );
    let groups = [Group { name: String::new(), bars: all.iter().map(Old::bar).collect() }];
    let drawing = draw(&groups, "reads that were stale, in percent", &title);
    let id = "invalidation-stale";
    section.answer("How old are answers where nothing keeps them right?", title.clone(), id);
    section.plot(Plot { id: id.to_string(), title, about, drawing, numbers });
}

fn table(runs: &[Run]) -> Numbers {
    let mut numbers = Numbers::new(&[
        "scheme",
        "looks",
        "hits",
        "look_us",
        "order_us",
        "calls_a_look",
        "reads_judged",
        "stale",
        "median_age_us",
        "greatest_age_us",
        "broke",
    ]);
    for run in runs {
        numbers.row([
            run.scheme.name(),
            run.looks.to_string(),
            run.hits.to_string(),
            cell(run.look_us),
            cell(run.order_us),
            cell(run.messages),
            run.stale.reads.to_string(),
            run.stale.stale.to_string(),
            run.stale.age_us_median.to_string(),
            run.stale.age_us_max.to_string(),
            if run.broke.is_empty() { "–".to_string() } else { run.broke.join(", ") },
        ]);
    }
    numbers
}

fn how(lab: &Lab) -> Vec<String> {
    let percent = f64::from(ORDERS) / 10_000.0;
    vec![
        format!(
            "Each run is a store of its own with {FRONTENDS} frontends, {TOYS} toys, in each \
             frontend a cache with room for all of them (so that entries die of age, and not of \
             want of room), three order replicas ({}) and one catalog; runs differ in \
             --invalidation alone, and the last in --cache-capacity 0. {SHOPPERS} shoppers look at \
             toys for {} ms, all equally likely, {} ms apart, and order {percent} % of them. The \
             schemes take turns; in each repetition all have the same shoppers.",
            lab.replication(),
            length(lab.settings.size).as_millis(),
            PAUSE.as_millis(),
        ),
        "lease: a change waits until every holder has dropped the toy, or its lease has run out; \
         answers are never old. push: holders are told after the change, nobody waits. ttl=1s: \
         nobody is told, an entry dies of age. none: nobody is told, an entry lives until it is \
         evicted."
            .to_string(),
        "Calls are those that were answered, from frontends to the catalog (fills, leases) and \
         from the catalog to frontends (invalidations), as /metrics counts them. By hand: toystore \
         up --frontends 2 --invalidation push; toystore client --history h.jsonl; toystore check \
         h.jsonl."
            .to_string(),
    ]
}
