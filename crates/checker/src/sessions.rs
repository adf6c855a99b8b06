//! Judges what a session sees of itself: read your writes, and monotonic reads.
//!
//! Both are weaker than linearizability, which implies them; they are named separately so that a
//! weaker mode is told which of them it still kept. From Terry et al., *Session guarantees for
//! weakly consistent replicated data* (1994), here for each toy and each order number:
//!
//! - **Read your writes**: after a purchase was acknowledged to a session, its reads show that
//!   version or a later one, and its order.
//! - **Monotonic reads**: after a read showed a version or an order, later reads show that or a
//!   later one.
//!
//! What one operation of a session ended before another began, that one must see. Toys are compared
//! by version; where answers have none, only orders are. Called by [`crate::judge`].

use crate::history::{Asked, History, Micros, Name, Outcome};
use crate::verdict::{Counterexample, Findings, Guarantee, Judgement, Verdict, many};
use crate::words;

/// What a session compares: a toy, or an order number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Toy(Name),
    Order(u64),
}

/// What one operation showed, or must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    session: Name,
    thing: Thing,
    /// When it counts: the end of what showed it, the beginning of what must show it.
    at: Micros,
    /// The toy's version; for an order, 1 if it was there.
    version: u64,
    place: usize,
}

/// Judges both.
pub fn judge(history: &History) -> [Judgement; 2] {
    let (mut bought, mut seen, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    let mut unversioned = 0_u64;
    for (place, operation) in history.operations.iter().enumerate() {
        let shown =
            |thing, version, at| Shown { session: operation.session, thing, at, version, place };
        let (invoked, returned) = (operation.invoked, operation.returned);
        match (operation.asked, operation.outcome) {
            (Asked::Buy { toy, .. }, Outcome::Bought(told)) => {
                bought.push(shown(Thing::Order(told.order), 1, returned));
                bought.extend(told.version.map(|v| shown(Thing::Toy(toy), v, returned)));
            }
            // What was asked for less has no part in it.
            (Asked::Read { .. } | Asked::Order { .. }, _) if !operation.is_linearizable() => {}
            (Asked::Read { toy }, Outcome::Product { version: Some(version), .. }) => {
                seen.push(shown(Thing::Toy(toy), version, returned));
                reads.push(shown(Thing::Toy(toy), version, invoked));
            }
            (Asked::Read { .. }, Outcome::Product { version: None, .. }) => unversioned += 1,
            (Asked::Order { number }, Outcome::Found { .. }) => {
                seen.push(shown(Thing::Order(number), 1, returned));
                reads.push(shown(Thing::Order(number), 1, invoked));
            }
            (Asked::Order { number }, Outcome::Refused(_)) => {
                reads.push(shown(Thing::Order(number), 0, invoked));
            }
            _ => {}
        }
    }
    reads.sort_unstable();
    let one = |guarantee, shown: Vec<Shown>, what: &str| {
        compare(history, guarantee, shown, &reads, unversioned, what)
    };
    [
        one(Guarantee::ReadYourWrites, bought, "its own purchase"),
        one(Guarantee::MonotonicReads, seen, "an earlier read"),
    ]
}

/// Every read against the newest that was shown to its session before it began.
fn compare(
    history: &History,
    guarantee: Guarantee,
    mut shown: Vec<Shown>,
    reads: &[Shown],
    unversioned: u64,
    what: &str,
) -> Judgement {
    shown.sort_unstable();
    let mut findings = Findings::default();
    let mut compared = 0_u64;
    let mut shown = shown.into_iter().peekable();
    let mut newest: Option<Shown> = None;
    for read in reads {
        let key = |one: &Shown| (one.session, one.thing);
        while let Some(next) = shown.next_if(|next| (key(next), next.at) < (key(read), read.at)) {
            let newer = newest.is_none_or(|n| key(&n) != key(&next) || n.version < next.version);
            if newer {
                newest = Some(next);
            }
        }
        let Some(newest) = newest.filter(|newest| key(newest) == key(read)) else { continue };
        compared += 1;
        if read.version < newest.version {
            findings.add(|| older(history, newest.place, read));
        }
    }
    let (verdict, words) = match compared {
        0 => {
            let why = match unversioned {
                0 => format!("no session read what {what} had shown it before"),
                count => format!("{} showed no version", many(count, "read")),
            };
            (Verdict::NotJudged, why)
        }
        count => {
            let words = format!("{} compared with {what} of the same session", many(count, "read"));
            (Verdict::Held, words)
        }
    };
    findings.judge(guarantee, verdict, words)
}

fn older(history: &History, first: usize, read: &Shown) -> Counterexample {
    let operation = &history.operations[read.place];
    let toy = match read.thing {
        Thing::Toy(toy) => Some(toy),
        Thing::Order(_) => None,
    };
    Counterexample {
        sentence: format!(
            "in session {}, {} {} at {}, and then {} {}",
            history.name(operation.session),
            words::who(history, first),
            words::told(history, first),
            words::seconds(history.operations[first].returned),
            words::began(history, read.place),
            words::told(history, read.place),
        ),
        operations: vec![first, read.place],
        toy,
    }
}
