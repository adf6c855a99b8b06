//! The search and the witness check against another program: Porcupine, in its port to Rust.
//!
//! 100,000 random small histories of one toy, good and mutated. The same model is written a second
//! time in [`model`], in Porcupine's way: the state is the set of all states that are possible, and
//! what nobody asks for is in it. Both must say the same.

mod model;

use checker::history::NEVER_RETURNED;
use checker::model::{Action, Move, Object, State};
use checker::refutation::refute;
use checker::search::{Budget, Found, Stuck, search};
use checker::{window, witness};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Histories that are compared; in the dev profile as many as fit into the time below.
const HISTORIES: u64 = 100_000;
/// Seconds that the comparison may take.
const SECONDS: u64 = 20;
/// More than any of these small histories needs.
const STEPS: u64 = 10_000_000;

/// Draws a history of one toy: what truly happened, in a random order, each seen within random
/// bounds; then, of two in three, something is changed.
fn draw(seed: u64) -> Object {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let mut draw = |below: u64| random.random_range(0..below);
    let restock = [None, Some(2), Some(3)][draw(3) as usize];
    let initial = State { quantity: draw(4) as i64, version: 1 + draw(2) };
    let takes = 1 + (draw(4) / 3) as u8;
    // With many takes that may have been put back nearly everything can be explained.
    let mut pairs_left = draw(5) as u8;
    // 0: no answer has a version; 1: all have one; 2: some have.
    let versions = draw(3);
    let mut state = initial;
    let mut out: Vec<i64> = Vec::new();
    let mut moves: Vec<Move> = Vec::new();
    for at in 0..2 + draw(6) {
        let time = 10 * (at + 1);
        let (before, after) = (draw(25).min(time - 1), draw(25));
        if state.quantity == 0
            && let Some(level) = restock
            && draw(3) > 0
        {
            state = State { quantity: level, version: state.version + 1 };
        }
        if let Some(quantity) = out.pop() {
            if draw(2) == 0 {
                state = State { quantity: state.quantity + quantity, version: state.version + 1 };
            } else {
                out.push(quantity);
            }
        }
        let shows = versions == 1 || (versions == 2 && draw(2) == 0);
        let version = |version: u64| shows.then_some(version);
        let wanted = 1 + draw(3) as i64;
        let kind = draw(8);
        let mut returned = time + after;
        let (action, pairs) = match kind {
            0..3 => {
                let (quantity, version) = (state.quantity, version(state.version));
                (Action::Read { quantity, version }, 0)
            }
            3..7 if wanted <= state.quantity => {
                state.quantity -= wanted;
                state.version += 1;
                let version = version(state.version);
                (Action::Take { quantity: wanted, version }, takes - 1)
            }
            3..7 => {
                let version = version(state.version);
                (Action::Refused { quantity: wanted, version }, takes)
            }
            _ => {
                if wanted <= state.quantity && draw(2) == 0 {
                    state.quantity -= wanted;
                    state.version += 1;
                    out.push(wanted);
                }
                returned = NEVER_RETURNED;
                (Action::Open { quantity: wanted }, takes)
            }
        };
        let operation = moves.len();
        let pairs = pairs.min(pairs_left);
        pairs_left -= pairs;
        moves.push(Move { operation, invoked: time - before, returned, action, pairs });
    }
    let toy = checker::history::Names::default().put("toy");
    let mut object = Object { initial, restock, moves, ..Object::new(toy) };
    for _ in 0..[0, 1, 2, 4][draw(4) as usize] {
        mutate(&mut object, &mut draw);
    }
    object
}

/// Changes one thing that a faulty store or a faulty client might.
fn mutate(object: &mut Object, draw: &mut impl FnMut(u64) -> u64) {
    let place = draw(object.moves.len() as u64) as usize;
    let other = draw(object.moves.len() as u64) as usize;
    let by = 1 + draw(2);
    let several = object.moves.len() > 1;
    let one = &mut object.moves[place];
    match draw(6) {
        0 => match &mut one.action {
            Action::Read { quantity, .. }
            | Action::Take { quantity, .. }
            | Action::Refused { quantity, .. }
            | Action::Open { quantity } => *quantity += 1 - 2 * (by as i64 - 1),
            Action::Impossible => {}
        },
        1 => match &mut one.action {
            Action::Read { version: Some(version), .. }
            | Action::Take { version: Some(version), .. }
            | Action::Refused { version: Some(version), .. } => {
                *version = version.saturating_sub(by).max(1)
            }
            _ => {}
        },
        2 => one.invoked = one.returned.min(one.invoked + 10 * by),
        3 => {
            let (a, b) = (object.moves[place], object.moves[other]);
            (object.moves[place].action, object.moves[other].action) = match (a.action, b.action) {
                (Action::Open { .. }, _) | (_, Action::Open { .. }) => (a.action, b.action),
                (a, b) => (b, a),
            };
            (object.moves[place].pairs, object.moves[other].pairs) = (b.pairs, a.pairs);
        }
        4 if several => {
            object.moves.swap_remove(place);
        }
        _ => {
            let shift = 10 * by;
            if one.returned != NEVER_RETURNED {
                one.invoked += shift;
                one.returned += shift;
            }
        }
    }
}

#[test]
#[allow(clippy::disallowed_types, clippy::disallowed_methods)] // Bounds the test, not the checker.
fn the_search_and_the_witness_agree_with_porcupine() {
    let begin = std::time::Instant::now();
    let first = 0x70_7963;
    let (mut compared, mut good, mut proved) = (0_u64, 0_u64, 0_u64);
    let (mut refuted, mut windows) = (0_u64, 0_u64);
    for seed in first..first + HISTORIES {
        if begin.elapsed().as_secs() >= SECONDS {
            break;
        }
        let object = draw(seed);
        let expected = model::is_linearizable(&object);
        let found = search(&object, &mut Budget { steps: STEPS });
        let says = match &found {
            Found::Linearization(_) => true,
            Found::Stuck(_) => false,
            Found::Undecided => panic!("seed {seed}: not decided\n{object:#?}"),
        };
        assert_eq!(says, expected, "seed {seed}: the search says {found:?}\n{object:#?}");
        if let Found::Stuck(stuck) = found {
            windows += u64::from(assert_window(&object, stuck, seed));
        } else if let Found::Linearization(found) = &found {
            assert_fits(&object, found, seed);
        }
        if let Some(refutation) = refute(&object) {
            assert!(!expected, "seed {seed}: {refutation:?} refutes what is true\n{object:#?}");
            refuted += 1;
        }
        if let Ok(found) = witness::check(&object) {
            assert!(expected, "seed {seed}: the witness proves what is false\n{object:#?}");
            assert_fits(&object, &found, seed);
            proved += 1;
        }
        compared += 1;
        good += u64::from(expected);
    }
    let elapsed = begin.elapsed();
    eprintln_summary(&format!(
        "{compared} histories from seed {first} in {elapsed:.1?}: {good} good, {proved} by \
         versions, {refuted} refuted by versions; {windows} windows shorter than all before"
    ));
    assert!(good > compared / 10 && good < compared - compared / 10, "{good} of {compared} good");
    assert!(proved > compared / 50, "{proved} of {compared} by versions");
    assert!(refuted > compared / 50, "{refuted} of {compared} refuted");
}

#[allow(clippy::disallowed_macros)] // A test may say what it did.
fn eprintln_summary(words: &str) {
    eprintln!("{words}");
}

/// What ended until the misfit fits no order, what ended before it does, and the window fits none
/// whatever its toy was before. Returns whether the window leaves out something that had ended.
fn assert_window(object: &Object, stuck: Stuck, seed: u64) -> bool {
    let (stuck, window) = window::smallest(object, stuck);
    let end = object.moves[stuck.place].returned;
    let ended = |by: &dyn Fn(&Move) -> bool| {
        let mut part = object.without_moves();
        for one in object.moves.iter().filter(|one| one.invoked <= end) {
            match one.action {
                Action::Open { .. } => part.moves.push(*one),
                _ if by(one) => part.moves.push(*one),
                // It may have happened, and so may each take of it that was put back.
                Action::Take { quantity, .. } | Action::Refused { quantity, .. } => {
                    let open = Action::Open { quantity };
                    let open = Move { action: open, returned: NEVER_RETURNED, ..*one };
                    part.moves.push(open);
                    let takes = u8::from(!one.observes());
                    part.moves.push(Move { pairs: takes, ..open });
                }
                Action::Read { .. } | Action::Impossible => {}
            }
        }
        part
    };
    let until = ended(&|one| one.returned <= end);
    assert!(!model::is_linearizable(&until), "seed {seed}: {stuck:?}\n{object:#?}");
    let before = ended(&|one| one.returned < end);
    assert!(model::is_linearizable(&before), "seed {seed}: {stuck:?}\n{object:#?}");
    assert_eq!(window.moves.last(), Some(&stuck.place), "seed {seed}");
    let all = object.moves.iter().filter(|one| one.returned <= end).count();
    let first = window.moves.iter().map(|place| object.moves[*place].invoked).min();
    let mut dropped = object.moves.iter().enumerate();
    let overlaps = dropped.any(|(place, one)| {
        !window.moves.contains(&place) && Some(one.returned) >= first && one.invoked <= end
    });
    if window.moves.len() == all || overlaps || object.moves.iter().any(|one| one.pairs > 0) {
        return window.moves.len() < all;
    }
    let mut part = object.without_moves();
    part.moves = window.moves.iter().map(|place| object.moves[*place]).collect();
    for quantity in 0..12 {
        for version in 0..8 {
            part.initial = State { quantity, version };
            let fits = model::is_linearizable(&part);
            assert!(!fits, "seed {seed}: {window:?} fits {:?}\n{object:#?}", part.initial);
        }
    }
    true
}

/// The order that was found is one: it fits each answer, and time.
fn assert_fits(object: &Object, found: &checker::model::Linearization, seed: u64) {
    use checker::model::Step;
    let mut state = object.initial;
    let (mut latest, mut placed) = (0, 0);
    for step in &found.steps {
        if let Step::Move(place) = step {
            let one = &object.moves[*place as usize];
            assert!(one.returned >= latest, "seed {seed}: time runs back at {place}\n{object:#?}");
            latest = latest.max(one.invoked);
            placed += 1;
            let fits = match one.action {
                Action::Read { quantity, .. } => quantity == state.quantity,
                Action::Take { quantity, .. } => quantity > 0 && quantity <= state.quantity,
                Action::Refused { quantity, .. } => quantity > state.quantity,
                Action::Open { .. } | Action::Impossible => false,
            };
            assert!(fits, "seed {seed}: {place} does not fit {state:?}\n{object:#?}");
            let made = object.after(state, *step).version;
            let version = one.version();
            assert!(version.is_none_or(|v| v == made), "seed {seed}: {place}, {made}\n{object:#?}");
        }
        state = object.after(state, *step);
        assert!(state.quantity >= 0, "seed {seed}: {state:?}");
    }
    let open = object.moves.iter().filter(|one| matches!(one.action, Action::Open { .. })).count();
    assert_eq!(placed, object.moves.len() - open, "seed {seed}: somebody is missing");
}
