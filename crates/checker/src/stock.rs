//! Judges whether each toy's stock is linearizable: by versions where they prove or refute it, else
//! by search.
//!
//! Toys are judged one by one: a history is linearizable if it is for each object (Herlihy and Wing
//! 1990, theorem 1, locality). Called by [`crate::judge`]; calls [`crate::witness`],
//! [`crate::refutation`], [`crate::search`] and [`crate::window`], and says in a sentence what they
//! found.

use crate::history::{Cache, History, Outcome};
use crate::model::{Action, Linearization, Object, State, Step};
use crate::refutation::refute;
use crate::search::{Budget, Found, Stuck, search};
use crate::verdict::{Counterexample, Findings, Guarantee, Judgement, Verdict, many, thousands};
use crate::window::{self, Window};
use crate::witness::{self, Doubt};
use crate::words;

/// What is known of one toy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Linearizable: the versions gave this order.
    Versions(Linearization),
    /// Linearizable: the search found this order.
    Search(Linearization),
    /// Not linearizable.
    Broke {
        /// How far an order goes, and what cannot be placed.
        stuck: Stuck,
        /// The smallest part that has no order by itself.
        window: Window,
    },
    /// The search ended at its bounds.
    NotDecided,
}

impl Proof {
    /// The order of everything, if there is one.
    pub fn linearization(&self) -> Option<&Linearization> {
        match self {
            Proof::Versions(found) | Proof::Search(found) => Some(found),
            Proof::Broke { .. } | Proof::NotDecided => None,
        }
    }
}

/// One toy at a time.
pub fn judge(
    history: &History,
    objects: &[Object],
    budget: &mut Budget,
) -> (Judgement, Vec<Proof>) {
    let mut proofs = Vec::with_capacity(objects.len());
    let mut findings = Findings::default();
    let (mut versions, mut searched, mut undecided) = (0_u64, 0_u64, Vec::new());
    for object in objects {
        let proof = match witness::check(object) {
            Ok(found) => Proof::Versions(found),
            Err(doubt) => match refute(object) {
                Some(refutation) => {
                    let (stuck, window) = window::of_two(object, &refutation);
                    findings.add(|| explain(history, object, &refutation.doubt, &stuck));
                    Proof::Broke { stuck, window }
                }
                None => match search(object, budget) {
                    Found::Linearization(found) => Proof::Search(found),
                    Found::Undecided => Proof::NotDecided,
                    Found::Stuck(stuck) => {
                        let (stuck, window) = window::smallest(object, stuck);
                        findings.add(|| explain(history, object, &doubt, &stuck));
                        Proof::Broke { stuck, window }
                    }
                },
            },
        };
        match &proof {
            Proof::Versions(_) => versions += 1,
            Proof::Search(_) => searched += 1,
            Proof::Broke { .. } => {}
            Proof::NotDecided => undecided.push(history.name(object.toy)),
        }
        proofs.push(proof);
    }
    let moves: u64 = objects.iter().map(|object| object.moves.len() as u64).sum();
    let verdict = match (undecided.is_empty(), moves) {
        (false, _) => Verdict::NotDecided,
        (true, 0) => Verdict::NotJudged,
        (true, _) => Verdict::Held,
    };
    let words = match undecided.first() {
        Some(toy) => format!(
            "{} of {} toys need more steps than the search may make, {toy} first",
            undecided.len(),
            objects.len(),
        ),
        None if moves == 0 => "nobody read or bought a toy".to_string(),
        None => format!(
            "linearizable, each toy by itself: {} on {}; {} by versions, {} by search",
            many(moves, "operation"),
            many(objects.len() as u64, "toy"),
            thousands(versions),
            thousands(searched),
        ),
    };
    (findings.judge(Guarantee::Stock, verdict, words), proofs)
}

/// The sentence of a violation. What the versions show is said with the two operations that show
/// it, where the search has confirmed that no other order fits.
fn explain(history: &History, object: &Object, doubt: &Doubt, stuck: &Stuck) -> Counterexample {
    let operation = |place: usize| object.moves[place].operation;
    if let Some((second, left)) = newer_before(object, stuck) {
        let sentence = out_of_time(history, object, stuck.place, second, Some(left));
        let operations = vec![operation(second), operation(stuck.place)];
        return Counterexample { sentence, operations, toy: Some(object.toy) };
    }
    let (sentence, operations) = match *doubt {
        Doubt::Time { first, second, left } => {
            (out_of_time(history, object, first, second, left), vec![second, first])
        }
        Doubt::Twice(a, b) => {
            let (a_words, b_words) = (told(history, operation(a)), told(history, operation(b)));
            (format!("{a_words}, but {b_words}: one change has one version"), vec![a, b])
        }
        Doubt::Value { place, state, since, assumed } if !assumed || is_certain(object) => {
            let mut operations: Vec<usize> = since.into_iter().collect();
            operations.push(place);
            (wrong_value(history, object, place, state, since), operations)
        }
        Doubt::Value { .. } | Doubt::NoVersion(_) | Doubt::Gap(_) => {
            (nothing_fits(history, object, stuck), vec![stuck.place])
        }
    };
    let operations = operations.into_iter().map(operation).collect();
    Counterexample { sentence, operations, toy: Some(object.toy) }
}

/// The first that had shown or made a newer version before what cannot be placed began, and how
/// many were left then.
fn newer_before(object: &Object, stuck: &Stuck) -> Option<(usize, i64)> {
    let misfit = &object.moves[stuck.place];
    let version = misfit.version()?;
    let mut newest: Option<(usize, i64)> = None;
    let steps = &stuck.prefix.steps;
    for (step, state) in steps.iter().zip(object.states(steps)) {
        let Step::Move(place) = *step else { continue };
        let one = &object.moves[place as usize];
        let newer = one.version().is_some_and(|other| other > version);
        let first = newest.is_none_or(|(other, _)| one.returned < object.moves[other].returned);
        if newer && first && one.returned < misfit.invoked {
            newest = Some((place as usize, state.quantity));
        }
    }
    newest
}

/// Whether a version that no answer explains can be nothing but a restock.
fn is_certain(object: &Object) -> bool {
    object.moves.iter().all(|one| one.pairs == 0)
}

fn told(history: &History, operation: usize) -> String {
    format!("{} {}", words::who(history, operation), words::told(history, operation))
}

/// An older version after a newer one.
fn out_of_time(
    history: &History,
    object: &Object,
    first: usize,
    second: usize,
    left: Option<i64>,
) -> String {
    let (one, two) = (&object.moves[first], &object.moves[second]);
    let [old, new] = [one, two].map(|one| one.version().unwrap_or_default());
    let how = match (left, two.observes()) {
        (Some(left), true) => format!("had seen {left} (version {new})"),
        (Some(left), false) => format!("left {left} (version {new})"),
        (None, true) => format!("had seen version {new}"),
        (None, false) => format!("made version {new}"),
    };
    let mut sentence = format!(
        "{} {}, but {} {} and {how}",
        words::began(history, one.operation),
        words::told(history, one.operation),
        words::who(history, two.operation),
        words::finished(history, two.operation),
    );
    let operation = &history.operations[one.operation];
    let node = operation.node.map(|node| history.name(node));
    sentence.push_str(&match (operation.outcome, node) {
        _ if old == new => ": it was seen before it was made".to_string(),
        (Outcome::Product { cache: Some(Cache::Hit), .. }, node) => {
            let of = node.map_or_else(String::new, |node| format!(" of {node}"));
            format!(": the cache{of} served version {old} after {new} was acknowledged")
        }
        (_, Some(node)) => format!(": {node} showed version {old} after {new} was acknowledged"),
        (_, None) => format!(": version {old} was shown after {new} was acknowledged"),
    });
    sentence
}

/// A value that its version does not have.
fn wrong_value(
    history: &History,
    object: &Object,
    place: usize,
    state: State,
    since: Option<usize>,
) -> String {
    let operation = object.moves[place].operation;
    let sentence =
        format!("{} {}", words::began(history, operation), words::told(history, operation));
    let shown = object.moves[place].version().unwrap_or_default();
    if shown < object.initial.version || (shown == object.initial.version && since.is_none()) {
        let State { quantity, version } = object.initial;
        return format!("{sentence}, but it began with {quantity} left (version {version})");
    }
    let because = match since {
        Some(since) => {
            let since = object.moves[since].operation;
            format!(", as {}", told(history, since))
        }
        None => ", since it was sold out and refilled".to_string(),
    };
    let State { quantity, version } = state;
    format!("{sentence}, but version {version} has {quantity} left{because}")
}

/// No order explains the answer.
fn nothing_fits(history: &History, object: &Object, stuck: &Stuck) -> String {
    let one = &object.moves[stuck.place];
    let toy = history.name(object.toy);
    let told = told(history, one.operation);
    if one.action == Action::Impossible {
        let is = if object.initial.version == 0 { "is not" } else { "is" };
        return format!("{told}, but {toy} {is} in the catalogue");
    }
    let states: Vec<String> = stuck.states.iter().map(|state| state.quantity.to_string()).collect();
    let before = stuck.prefix.steps.iter().filter(|step| matches!(step, Step::Move(_))).count();
    let operation = &history.operations[one.operation];
    let before = match before {
        _ if states.is_empty() => "no order of what came before leaves that".to_string(),
        0 => "nothing had happened before, which leaves ".to_string(),
        1 => "the one operation before it leaves ".to_string(),
        count => {
            format!("every order of the {} before it leaves ", many(count as u64, "operation"))
        }
    };
    format!(
        "{told}, between {} and {}, but {before}{}",
        words::seconds(operation.invoked),
        words::seconds(one.returned.min(history.end())),
        either(&states),
    )
}

/// `1, 2 or 3`.
fn either(choices: &[String]) -> String {
    let mut choices = choices.to_vec();
    choices.dedup();
    match choices.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}
