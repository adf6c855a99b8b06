//! The report of experiment 2: slots over time, and hit rates by capacity.
//!
//! Called by `cache::mod`.

use super::super::lab::{self, Lab};
use super::super::section::{Numbers, Plot, Section, cell, count, list};
use super::super::statistics::Estimate;
use super::replay::{POLICIES, POPULARITIES, best};
use super::timeline::Timeline;
use super::{
    Beside, MEASURED_AT, Replayed, TOYS, WATCHED_ORDERS, WATCHED_RATE, WATCHED_SLOTS, streams,
};
use crate::command::plot::axis::Axis;
use crate::command::plot::bars::{self, Bar, Group};
use crate::command::plot::curve::{self, Line};
use crate::command::plot::slots::{self, End};

/// What was found.
#[derive(Default)]
pub struct Found {
    /// One frontend's cache over time.
    pub watched: Option<Timeline>,
    /// Stores of each policy.
    pub beside: Vec<Beside>,
    /// Replays.
    pub replayed: Vec<Replayed>,
}

/// Everything, as a section.
pub fn section(lab: &Lab, found: &Found) -> Section {
    let mut section = Section::new("cache", "What is in the cache, and how often it helps");
    section.how = how(lab);
    if let Some(watched) = &found.watched {
        over_time(&mut section, watched);
    }
    for popularity in 0..POPULARITIES.len() {
        by_capacity(&mut section, &found.replayed, popularity);
    }
    agreement(&mut section, found);
    section
}

/// Which toy was in which slot when.
fn over_time(section: &mut Section, watched: &Timeline) {
    let end = watched.stays.iter().map(|stay| stay.to).fold(1.0, f64::max);
    let mut time = Axis::fine("seconds", end);
    time.to = end;
    time.ticks.retain(|(at, _)| *at <= end);
    let (evicted, invalidated) = (watched.ends(End::Evicted), watched.ends(End::Invalidated));
    let missed = match watched.missed {
        0 => String::new(),
        count => format!(" {count} events were missed, so that stays may be wrong."),
    };
    let title = format!(
        "In {end:.0} s {} slots had {} stays of toys: {evicted} ended by eviction, {invalidated} \
         by invalidation.",
        watched.capacity(),
        watched.stays.len()
    );
    let about = format!(
        "A row for each slot, a piece for each stay ({} stays); a bar ends what was evicted, a \
         cross what was invalidated since it was sold. Under the pointer, and in the table of \
         events: by what.{missed}",
        watched.stays.len()
    );
    let mut stays = Numbers::new(&["slot", "toy", "from_s", "to_s", "how_it_ended"]);
    for stay in &watched.stays {
        let how = stay.words.split(", ").nth(1).unwrap_or_default().to_string();
        let (slot, toy) = ((stay.slot + 1).to_string(), stay.name.clone());
        stays.row([slot, toy, cell(stay.from), cell(stay.to), how]);
    }
    let drawing = slots::draw(&watched.stays, watched.capacity(), &time, &title);
    let id = "cache-slots";
    let question = "Which toy is in which slot when, and what evicts it?";
    section.answer(question, title.clone(), id);
    section.plot(Plot { id: id.to_string(), title, about, drawing, numbers: stays });
    let mut events = Numbers::new(&["seconds", "what", "toy", "for"]);
    for (at, what, toy, by) in &watched.events {
        events.row([cell(*at), what.to_string(), toy.clone(), by.clone()]);
    }
    section.table("cache-events", "Every event of these slots", events);
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Hit rate against capacity.
fn by_capacity(section: &mut Section, replayed: &[Replayed], popularity: usize) {
    let (name, law) = POPULARITIES[popularity];
    let mine: Vec<&Replayed> = replayed.iter().filter(|one| one.popularity == popularity).collect();
    let Some(sample) = mine.first() else { return };
    let mut numbers =
        Numbers::new(&["slots", "policy", "hit_rate", "ci95_low", "ci95_high", "streams"]);
    let (mut lines, mut at_seven) = (Vec::new(), Vec::new());
    for (policy, (policy_name, _)) in POLICIES.iter().enumerate() {
        let of = mine.iter().filter(|one| one.policy == policy);
        let found = of.filter_map(|one| Some((one.capacity, Estimate::mean(&one.rates)?)));
        let found: Vec<(usize, Estimate)> = found.collect();
        for (capacity, one) in &found {
            let (low, high) = one.range();
            let [rate, low, high] = [one.value, low, high].map(cell);
            let (slots, streams) = (capacity.to_string(), one.samples.to_string());
            numbers.row([slots, policy_name.to_string(), rate, low, high, streams]);
        }
        // The capacity that is nearest to the one that stores are measured at.
        let near = found.iter().min_by_key(|(capacity, _)| capacity.abs_diff(MEASURED_AT));
        at_seven.extend(near.map(|(capacity, one)| (*capacity, *policy_name, one.value)));
        let points = found.iter().map(|(capacity, one)| (*capacity as f64, 100.0 * one.value));
        let spread = found.iter().map(|(_, one)| {
            let (low, high) = one.range();
            (100.0 * low, 100.0 * high)
        });
        let line = Line::measured(policy, policy_name, points.collect());
        lines.push(line.with_spread(spread.collect()));
    }
    let bound = (0..=TOYS).map(|slots| (slots as f64, 100.0 * best(law, TOYS, slots)));
    lines.push(Line::measured(6, "the most there can be", bound.collect()).plain());
    at_seven.sort_by(|one, other| other.2.total_cmp(&one.2));
    let slots = at_seven.first().map_or(MEASURED_AT, |one| one.0);
    let words: Vec<String> =
        at_seven.iter().map(|(_, policy, rate)| format!("{policy} {}", percent(*rate))).collect();
    let law_words = match law {
        crate::load::mix::Popularity::Uniform => "all toys equally popular".to_string(),
        crate::load::mix::Popularity::Zipf(exponent) => format!("popularity by Zipf {exponent}"),
    };
    let title =
        format!("With {law_words}, {slots} slots for {TOYS} toys answer: {}.", list(&words));
    let (count, length) = (sample.rates.len(), numbers.rows.len());
    let about = format!(
        "Share of looks that the cache answers, by its slots; {length} points, each the mean of \
         {count} streams; lines on the points: 95 % confidence. Dotted, without marks: the most \
         that a policy can reach that does not know what comes."
    );
    let ticks = [0, 5, 10, 15, 20, 25, 31].map(|slots| (f64::from(slots), slots.to_string()));
    let x = Axis::places("slots of the cache", 0.0, TOYS as f64, ticks.to_vec());
    let y = Axis::linear("hits, in percent of looks", 100.0);
    let drawing = curve::draw(&lines, &x, &y, &title);
    let id = format!("cache-capacity-{name}");
    let question = format!("What is the hit rate, with {law_words}?");
    section.answer(&question, title.clone(), &id);
    section.plot(Plot { id, title, about, drawing, numbers });
}

/// Stores beside replays.
fn agreement(section: &mut Section, found: &Found) {
    if found.beside.is_empty() || found.replayed.is_empty() {
        return;
    }
    let zipf = POPULARITIES.len() - 1;
    let mut numbers = Numbers::new(&["policy", "measured", "looks", "replayed", "streams"]);
    let (mut groups, mut apart) = (Vec::new(), 0.0_f64);
    for beside in &found.beside {
        let (name, _) = POLICIES[beside.policy];
        let replayed = found.replayed.iter().find(|one| {
            (one.popularity, one.policy, one.capacity) == (zipf, beside.policy, MEASURED_AT)
        });
        let replayed = replayed.and_then(|one| Estimate::mean(&one.rates));
        numbers.row([
            name.to_string(),
            cell(beside.rate),
            beside.looks.to_string(),
            replayed.map_or_else(String::new, |one| cell(one.value)),
            replayed.map_or_else(String::new, |one| one.samples.to_string()),
        ]);
        let bar = |name: &str, class: &str, value: f64, words: String| Bar {
            name: name.to_string(),
            class: class.to_string(),
            value: 100.0 * value,
            range: None,
            words,
            bad: false,
        };
        let words = format!("{} of {} looks", percent(beside.rate), beside.looks);
        let mut bars = vec![bar("a real store", "t0", beside.rate, words)];
        if let Some(one) = replayed {
            apart = apart.max((one.value - beside.rate).abs());
            let words = format!("{}, {} streams", percent(one.value), one.samples);
            bars.push(bar("replayed", "t1", one.value, words));
        }
        groups.push(Group { name: name.to_string(), bars });
    }
    let looks: u64 = found.beside.iter().map(|one| one.looks).sum();
    let title = format!(
        "A real store and a replay of its cache differ by {:.1} percentage points at most.",
        100.0 * apart
    );
    let about = format!(
        "Hits with {MEASURED_AT} slots for {TOYS} toys, Zipf 0.8: {looks} looks at {}, beside \
         the replays above.",
        count(found.beside.len(), "store")
    );
    let drawing = bars::draw(&groups, "hits, in percent of looks", &title);
    let id = "cache-agreement";
    section.answer("Is the replay what a real store does?", title.clone(), id);
    section.plot(Plot { id: id.to_string(), title, about, drawing, numbers });
}

fn how(lab: &Lab) -> Vec<String> {
    let (length, count) = streams(lab.settings.size);
    vec![
        format!(
            "Slots over time: a store of {} toys and a cache of {WATCHED_SLOTS} (lru, leases) is \
             asked {WATCHED_RATE} times a second, by Zipf 0.8, {} % orders; every 40 ms the \
             frontend says what happened to its cache (/status).",
            lab::TOYS,
            WATCHED_ORDERS / 10_000,
        ),
        format!(
            "Hit rates: the frontend's own cache, without a store around it, is asked for {length} \
             toys of {TOYS}, after a fifth as many that are not counted, in each of {count} \
             streams from seeds; a toy that is not there is filled. Nothing is sold in them, so \
             nothing is invalidated."
        ),
        format!(
            "Beside it a store with each policy and {MEASURED_AT} slots is asked by one client \
             without a pause. By hand: toystore up --cache-policy lfu --cache-capacity \
             {MEASURED_AT}; toystore load --clients 1 --orders 0."
        ),
    ]
}
