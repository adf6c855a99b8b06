//! What is in the picture, and where: which operations, in which lanes, at which places.
//!
//! Time runs to the right, but not evenly: each beginning and each end of an operation that is
//! shown has a place of its own, far enough from the last that what stands in a bar can be read. So
//! order is exact, and lengths are not; the axis says the times. Called by [`super`]; drawn by
//! [`super::draw`].

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Event, History, Micros, NEVER_RETURNED, Name};
use crate::judge::Judged;
use crate::model::{Object, State, Step};
use crate::stock::Proof;
use crate::verdict::Counterexample;

use super::label;

/// Operations before and after each one that the picture is about.
const AROUND: usize = 20;
/// If no more than this lie between two that the picture is about, all of them are shown.
const BETWEEN_MAX: usize = 60;
/// Pixels between two times.
const STEP: f64 = 9.0;
/// Pixels of a letter.
const LETTER: f64 = 6.7;
/// Pixels between two points in one bar.
const POINT_STEP: f64 = 5.0;
/// Pixels for the last time on the axis.
const LAST_LABEL: f64 = 90.0;

/// One operation in the picture.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub operation: usize,
    pub row: usize,
    pub from: f64,
    pub to: f64,
    pub label: String,
    pub role: Role,
}

/// What an operation is in the violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It happened to be near.
    Bystander,
    /// The counterexample speaks of it.
    Witness,
    /// It cannot be placed.
    Misfit,
}

/// A moment at which an operation took effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub x: f64,
    pub row: usize,
    pub state: State,
    /// Whether the state is another than before.
    pub changes: bool,
}

/// Something that happened to nodes.
#[derive(Clone, Debug)]
pub(super) struct Band {
    pub from: f64,
    pub to: f64,
    pub words: String,
    pub is_fault: bool,
}

/// Everything that is drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    pub bars: Vec<Bar>,
    pub points: Vec<Point>,
    pub bands: Vec<Band>,
    /// By row: whose it is; empty for a further row of the same client.
    pub rows: Vec<String>,
    /// Places and times of the axis.
    pub axis: Vec<(f64, Micros)>,
    /// Where operations are left out.
    pub cuts: Vec<(f64, usize)>,
    pub width: f64,
    /// The toy, if it is about one's stock.
    pub toy: Option<String>,
}

/// Chooses and places.
pub(super) fn scene(history: &History, judged: &Judged) -> Scene {
    let shortest = judged.shortest().map(|(_, found)| found);
    let object = subject(judged, shortest);
    let proof = object.map(|place| &judged.proofs[place]);
    let object = object.map(|place| &judged.objects[place]);
    let misfit = match (object, proof) {
        (Some(object), Some(Proof::Broke { stuck, .. })) => {
            Some(object.moves[stuck.place].operation)
        }
        _ => shortest.and_then(|found| found.operations.last().copied()),
    };
    let mut focus: BTreeSet<usize> =
        shortest.iter().flat_map(|found| found.operations.iter().copied()).collect();
    focus.extend(misfit);
    let (chosen, cuts) = choose(history, object, &focus);
    let mut scene = place(history, &chosen, &focus, misfit);
    scene.toy = object.map(|object| history.name(object.toy).to_string());
    let place_of: BTreeMap<usize, usize> =
        scene.bars.iter().enumerate().map(|(at, bar)| (bar.operation, at)).collect();
    for (operation, count) in cuts {
        let bar = &scene.bars[place_of[&operation]];
        scene.cuts.push((bar.from - STEP / 2.0, count));
    }
    if let (Some(object), Some(proof)) = (object, proof) {
        let steps = match proof {
            Proof::Versions(found) | Proof::Search(found) => &found.steps[..],
            Proof::Broke { stuck, .. } => &stuck.prefix.steps[..],
            Proof::NotDecided => &[],
        };
        scene.points = points(object, steps, &scene.bars, &place_of);
    }
    scene.bands = bands(history, &scene.axis, object.map(|object| object.toy));
    scene
}

/// The toy that the picture is about: of the counterexample, or that broke, or the busiest.
fn subject(judged: &Judged, shortest: Option<&Counterexample>) -> Option<usize> {
    let broke =
        |place: &usize| !matches!(judged.proofs[*place], Proof::Versions(_) | Proof::Search(_));
    let of_toy = |toy| judged.objects.iter().position(|object| Some(object.toy) == toy);
    match shortest {
        Some(found) if found.toy.is_some() => of_toy(found.toy).filter(broke),
        Some(_) => None,
        None => (0..judged.objects.len()).max_by_key(|place| {
            (broke(place), judged.objects[*place].moves.len(), std::cmp::Reverse(*place))
        }),
    }
}

/// The operations that are shown, in the order of their beginnings, and before which of them how
/// many are left out.
fn choose(
    history: &History,
    object: Option<&Object>,
    focus: &BTreeSet<usize>,
) -> (Vec<usize>, Vec<(usize, usize)>) {
    let mut all: Vec<usize> = match object {
        Some(object) => object.moves.iter().map(|one| one.operation).collect(),
        None => (0..history.operations.len()).collect(),
    };
    all.extend(focus);
    all.sort_unstable_by_key(|operation| (history.operations[*operation].invoked, *operation));
    all.dedup();
    let places = all.iter().enumerate().filter(|(_, operation)| focus.contains(operation));
    let mut places: Vec<usize> = places.map(|(place, _)| place).collect();
    if places.is_empty() {
        // Where nothing is wrong, what is worth a look is how a fault was survived.
        let faults = history.events.iter().filter_map(|event| match event {
            Event::Fault { at, .. } => Some(*at),
            Event::Leader { .. }
            | Event::Restock { .. }
            | Event::Log { .. }
            | Event::Stock { .. }
            | Event::PutBack { .. } => None,
        });
        let at = faults.min().unwrap_or(0);
        let began = |operation: &usize| history.operations[*operation].invoked < at;
        places.push(all.partition_point(began).clamp(AROUND, all.len().max(AROUND)));
    }
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for place in places {
        let (from, to) = (place.saturating_sub(AROUND), (place + AROUND + 1).min(all.len()));
        match ranges.last_mut() {
            Some(last) if from <= last.1 + BETWEEN_MAX.saturating_sub(2 * AROUND) => last.1 = to,
            Some(_) | None => ranges.push((from, to)),
        }
    }
    let mut cuts = Vec::new();
    for pair in ranges.windows(2) {
        cuts.push((all[pair[1].0], pair[1].0 - pair[0].1));
    }
    let chosen = ranges.into_iter().flat_map(|(from, to)| all[from..to].to_vec()).collect();
    (chosen, cuts)
}

/// Bars in lanes.
fn place(
    history: &History,
    chosen: &[usize],
    focus: &BTreeSet<usize>,
    misfit: Option<usize>,
) -> Scene {
    let mut scene = Scene::default();
    let mut times: Vec<Micros> = Vec::new();
    for operation in chosen {
        let operation = &history.operations[*operation];
        times.extend([operation.invoked, operation.returned]);
    }
    times.sort_unstable();
    times.dedup();
    let rank = |time: Micros| times.partition_point(|other| *other < time);
    let mut ends: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
    for operation in chosen {
        let one = &history.operations[*operation];
        let wide = width(&text(history, *operation, misfit));
        ends.entry(rank(one.returned)).or_default().push((rank(one.invoked), wide));
    }
    let mut places: Vec<f64> = Vec::with_capacity(times.len());
    for at in 0..times.len() {
        let mut x = places.last().map_or(STEP, |last| last + STEP);
        for (began, wide) in ends.get(&at).into_iter().flatten() {
            let began = places.get(*began).copied().unwrap_or(x);
            x = x.max(began + wide);
        }
        places.push(x);
    }
    scene.axis = places.iter().copied().zip(times.iter().copied()).collect();
    scene.width = places.last().copied().unwrap_or(0.0) + LAST_LABEL;
    let mut clients: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for operation in chosen {
        clients.entry(history.operations[*operation].client).or_default().push(*operation);
    }
    for (client, operations) in clients {
        lane(history, client, &operations, misfit, &mut scene, |time| places[rank(time)]);
    }
    for bar in &mut scene.bars {
        bar.role = match bar.operation {
            operation if Some(operation) == misfit => Role::Misfit,
            operation if focus.contains(&operation) => Role::Witness,
            _ => Role::Bystander,
        };
    }
    scene
}

/// What stands in a bar.
fn text(history: &History, operation: usize, misfit: Option<usize>) -> String {
    let cross = if Some(operation) == misfit { "✗ " } else { "" };
    format!("{cross}{}", label(history, operation))
}

/// Pixels that a bar needs for its text.
fn width(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER + 14.0
}

/// One client's bars: in one row, or in several where its operations overlap.
fn lane(
    history: &History,
    client: u32,
    operations: &[usize],
    misfit: Option<usize>,
    scene: &mut Scene,
    x: impl Fn(Micros) -> f64,
) {
    let first = scene.rows.len();
    let mut ends: Vec<f64> = Vec::new();
    for operation in operations.iter().copied() {
        let one = &history.operations[operation];
        let (from, label) = (x(one.invoked), text(history, operation, misfit));
        // One that ends as it begins has a bar all the same.
        let to = x(one.returned).max(from + width(&label));
        let free = ends.iter().position(|end| *end <= from);
        let row = free.unwrap_or(ends.len());
        match free {
            Some(row) => ends[row] = to,
            None => ends.push(to),
        }
        let role = Role::Bystander;
        scene.bars.push(Bar { operation, row: first + row, from, to, label, role });
    }
    for row in 0..ends.len() {
        scene.rows.push(if row == 0 { format!("client {client}") } else { String::new() });
    }
}

/// Where each operation of an order took effect: as early as the order allows.
fn points(
    object: &Object,
    steps: &[Step],
    bars: &[Bar],
    place_of: &BTreeMap<usize, usize>,
) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    let mut before = object.initial;
    for (step, state) in steps.iter().zip(object.states(steps)) {
        let changes = state != before;
        before = state;
        let Step::Move(place) = step else { continue };
        let one = &object.moves[*place as usize];
        let Some(bar) = place_of.get(&one.operation).map(|at| &bars[*at]) else { continue };
        let earliest = points.last().map_or(0.0, |point| point.x + POINT_STEP);
        let latest = if one.returned == NEVER_RETURNED { f64::MAX } else { bar.to - 2.0 };
        let x = earliest.max(bar.from + 3.0).min(latest.max(bar.from));
        points.push(Point { x, row: bar.row, state, changes });
    }
    points
}

/// Faults and leaders, and the restocks of the toy that the picture is about.
fn bands(history: &History, axis: &[(f64, Micros)], shown: Option<Name>) -> Vec<Band> {
    let (Some((left, first)), Some((right, last))) = (axis.first(), axis.last()) else {
        return Vec::new();
    };
    let x = |time: Micros| {
        let at = axis.partition_point(|(_, other)| *other < time);
        match (at.checked_sub(1).and_then(|at| axis.get(at)), axis.get(at)) {
            (Some((x0, t0)), Some((x1, t1))) => {
                x0 + (x1 - x0) * (time - t0) as f64 / (t1 - t0).max(1) as f64
            }
            (None, _) => *left - STEP / 2.0,
            (Some(_), None) => *right + STEP,
        }
    };
    let mut bands = Vec::new();
    for event in &history.events {
        let (from, to, words, is_fault) = match event {
            Event::Fault { at, until, node, what } => {
                let node = node.map_or_else(String::new, |node| history.name(node).to_string());
                (*at, *until, format!("{} {node}", history.name(*what)), true)
            }
            Event::Leader { at, node, term } => {
                let term = term.map_or_else(String::new, |t| format!(" ({})", history.name(t)));
                (*at, *at, format!("{} leads{term}", history.name(*node)), false)
            }
            Event::Restock { at, toy, quantity } if Some(*toy) == shown => {
                (*at, *at, format!("{} restocked to {quantity}", history.name(*toy)), false)
            }
            Event::Restock { .. }
            | Event::Log { .. }
            | Event::Stock { .. }
            | Event::PutBack { .. } => continue,
        };
        if to >= *first && from <= *last {
            bands.push(Band { from: x(from), to: x(to), words, is_fault });
        }
    }
    bands
}
