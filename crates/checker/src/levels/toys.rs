//! Whether what a weaker read saw of a toy was ever so, and was so before the read ended.
//!
//! The states of a toy are those of the order that explains all linearizable operations. A state
//! that such a read saw, or that follows from one by a purchase, is certain; a restock or a take
//! that was put back, which only the order assumes, is not: what contradicts that is not decided. A
//! state cannot begin to be before the purchases that lead to it were asked for.

use crate::history::{Asked, Event, History, Micros, Outcome};
use crate::model::{Action, Object, State, Step};
use crate::stock::Proof;
use crate::verdict::Counterexample;
use crate::words;

use super::Weak;

/// One state of a toy.
#[derive(Clone, Copy, Debug)]
struct Known {
    quantity: i64,
    certain: bool,
    /// It cannot have begun before this,
    began: Micros,
    /// since this operation began then.
    by: Option<usize>,
}

/// All states of a toy, by version, from the first one on.
struct States {
    first: u64,
    known: Vec<Known>,
}

/// Judges every toy.
pub fn judge(history: &History, objects: &[Object], proofs: &[Proof], weak: &mut Weak) {
    for (object, proof) in objects.iter().zip(proofs) {
        let reads = history.operations.iter().enumerate().filter(|(_, operation)| {
            !operation.is_linearizable()
                && matches!(operation.asked, Asked::Read { toy } if toy == object.toy)
        });
        let reads = reads.filter_map(|(place, operation)| {
            let Outcome::Product { quantity, version: Some(version), .. } = operation.outcome
            else {
                return None;
            };
            Some((place, State { quantity, version }))
        });
        let mut reads = reads.peekable();
        if reads.peek().is_none() {
            continue;
        }
        let mut states = proof.linearization().map(|found| States::of(object, &found.steps));
        let last = last_version(history, object);
        for (place, seen) in reads {
            let Some(states) = &mut states else {
                undecided(history, weak, place);
                continue;
            };
            states.reach(object, seen.version);
            one(history, object, states, last, (place, seen), weak);
        }
    }
}

fn undecided(history: &History, weak: &mut Weak, place: usize) {
    if let Some(reads) = weak.of(&history.operations[place]) {
        reads.undecided += 1;
    }
}

/// One read.
fn one(
    history: &History,
    object: &Object,
    states: &States,
    last: Option<u64>,
    (place, seen): (usize, State),
    weak: &mut Weak,
) {
    let convict = |weak: &mut Weak, first: Option<usize>, because: String| {
        weak.convict(history, place, || Counterexample {
            sentence: format!(
                "{} {} at level {}, but {because}",
                words::began(history, place),
                words::told(history, place),
                history.operations[place].consistency.name(),
            ),
            operations: first.into_iter().chain([place]).collect(),
            toy: Some(object.toy),
        });
    };
    let Some(at) = seen.version.checked_sub(states.first) else {
        let State { quantity, version } = object.initial;
        let because = format!("it began with {quantity} left (version {version})");
        return convict(weak, None, because);
    };
    let known = usize::try_from(at).ok().and_then(|at| states.known.get(at));
    let Some(known) = known else {
        return match last {
            Some(last) if seen.version > last => {
                convict(weak, None, format!("at the end it was at version {last}"));
            }
            Some(_) | None => undecided(history, weak, place),
        };
    };
    if known.quantity != seen.quantity {
        if !known.certain {
            return undecided(history, weak, place);
        }
        let because = format!("version {} has {} left", seen.version, known.quantity);
        return convict(weak, None, because);
    }
    if let Some(by) = known.by
        && history.operations[place].returned < known.began
    {
        let because = format!(
            "it had ended when {} began at {}, without which there is no version {}",
            words::who(history, by),
            words::seconds(known.began),
            seen.version,
        );
        convict(weak, Some(by), because);
    }
}

/// The version in which a toy ended, where the history says so.
fn last_version(history: &History, object: &Object) -> Option<u64> {
    history.events.iter().find_map(|event| match *event {
        Event::Stock { toy, version, .. } if toy == object.toy => version,
        Event::Stock { .. }
        | Event::Restock { .. }
        | Event::Leader { .. }
        | Event::Fault { .. }
        | Event::Log { .. }
        | Event::PutBack { .. } => None,
    })
}

impl States {
    /// Those of an order.
    fn of(object: &Object, steps: &[Step]) -> States {
        let State { quantity, version } = object.initial;
        let initial = Known { quantity, certain: true, began: 0, by: None };
        let mut states = States { first: version, known: vec![initial] };
        let mut state = object.initial;
        for step in steps {
            let next = object.after(state, *step);
            let mut known = states.last();
            match *step {
                Step::Move(place) => {
                    let one = &object.moves[place as usize];
                    if next.version == state.version {
                        let read = matches!(one.action, Action::Read { version: Some(_), .. });
                        states.known.last_mut().expect("the first is always there").certain |= read;
                        continue;
                    }
                    if known.began < one.invoked {
                        (known.began, known.by) = (one.invoked, Some(one.operation));
                    }
                }
                Step::Restock | Step::Taken(_) | Step::PutBack(_) => known.certain = false,
            }
            known.quantity = next.quantity;
            states.known.push(known);
            state = next;
        }
        states
    }

    fn last(&self) -> Known {
        *self.known.last().expect("the first is always there")
    }

    /// On to a version that no linearizable operation knows of, as far as the store says how.
    fn reach(&mut self, object: &Object, version: u64) {
        while self.first + (self.known.len() as u64) <= version {
            let next = self.first + self.known.len() as u64;
            let mut known = self.last();
            known.certain = false;
            known.quantity = match (object.proposed.get(&next), object.restock) {
                (Some(proposed), _) if proposed.back => known.quantity + proposed.quantity,
                (Some(proposed), _) => known.quantity - proposed.quantity,
                (None, Some(level)) if known.quantity == 0 => level,
                (None, _) => return,
            };
            self.known.push(known);
        }
    }
}
