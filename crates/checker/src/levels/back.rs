//! Whether one process went back in time: what it showed at first, it may not show as older later.
//!
//! Of a toy its version counts, of orders how far the log was applied. Everything that a process
//! showed counts as shown, at whatever level; what must not be older is a weaker read.

use crate::history::{Asked, History, Micros, Name, Outcome};
use crate::verdict::Counterexample;
use crate::words;

use super::Weak;

/// What one answer showed, or must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    process: Name,
    /// Of which toy; of all orders, if of none.
    toy: Option<Name>,
    /// When it counts: the end of what showed it, the beginning of what must.
    at: Micros,
    /// A version or an index.
    state: u64,
    place: usize,
}

/// Judges every process.
pub fn judge(history: &History, weak: &mut Weak) {
    let (mut shown, mut reads) = (Vec::new(), Vec::new());
    for (place, operation) in history.operations.iter().enumerate() {
        let Some(process) = operation.from else { continue };
        let (toy, state) = match (operation.asked, operation.outcome) {
            (Asked::Read { toy }, Outcome::Product { version, .. }) => (Some(toy), version),
            (Asked::Order { .. }, Outcome::Found { .. } | Outcome::Refused(_)) => {
                (None, operation.applied)
            }
            _ => continue,
        };
        let Some(state) = state else { continue };
        let one = |at| Shown { process, toy, at, state, place };
        shown.push(one(operation.returned));
        if !operation.is_linearizable() {
            reads.push(one(operation.invoked));
        }
    }
    shown.sort_unstable();
    reads.sort_unstable();
    let mut shown = shown.into_iter().peekable();
    let mut newest: Option<Shown> = None;
    for read in reads {
        let key = |one: &Shown| (one.process, one.toy);
        while let Some(next) = shown.next_if(|next| (key(next), next.at) < (key(&read), read.at)) {
            if newest.is_none_or(|n| key(&n) != key(&next) || n.state < next.state) {
                newest = Some(next);
            }
        }
        let Some(newest) = newest.filter(|newest| key(newest) == key(&read)) else { continue };
        if read.state < newest.state {
            weak.convict(history, read.place, || older(history, &newest, &read));
        }
    }
}

fn older(history: &History, newest: &Shown, read: &Shown) -> Counterexample {
    let state = |one: &Shown| match one.toy {
        Some(_) => String::new(),
        None => format!(" in a state at log index {}", one.state),
    };
    Counterexample {
        sentence: format!(
            "by {}, {} {}{} at {}, and then {} {}{} at level {}",
            history.name(read.process),
            words::who(history, newest.place),
            words::told(history, newest.place),
            state(newest),
            words::seconds(history.operations[newest.place].returned),
            words::began(history, read.place),
            words::told(history, read.place),
            state(read),
            history.operations[read.place].consistency.name(),
        ),
        operations: vec![newest.place, read.place],
        toy: read.toy,
    }
}
