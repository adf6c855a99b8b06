//! Operations, times and orders in words: what every sentence of a verdict is made of.
//!
//! `read 812 by client 3` names an operation by the line of the file that it stands in. Called by
//! every judge of this crate.

use crate::history::{Asked, History, Micros, Outcome, Reason};

/// `12.340 s`; the digits behind the milliseconds only where there are some.
pub fn seconds(time: Micros) -> String {
    let (whole, rest) = (time / 1_000_000, time % 1_000_000);
    match rest % 1000 {
        0 => format!("{whole}.{:03} s", rest / 1000),
        _ => format!("{whole}.{rest:06} s"),
    }
}

/// A length of time: `850 µs`, `12.3 ms`, `1.20 s`.
pub fn length(time: Micros) -> String {
    let precise = time as f64;
    match time {
        0..1_000 => format!("{time} µs"),
        1_000..1_000_000 => format!("{:.1} ms", precise / 1e3),
        _ => format!("{:.2} s", precise / 1e6),
    }
}

/// What kind of operation it is, in a word.
pub fn kind(asked: &Asked) -> &'static str {
    match asked {
        Asked::Read { .. } => "read",
        Asked::Buy { .. } => "purchase",
        Asked::Order { .. } => "order read",
        Asked::Fate { resolve: false, .. } => "fate question",
        Asked::Fate { resolve: true, .. } => "resolution",
    }
}

/// `read 812`.
pub fn short(history: &History, operation: usize) -> String {
    let operation = &history.operations[operation];
    format!("{} {}", kind(&operation.asked), operation.line)
}

/// `read 812 by client 3`.
pub fn who(history: &History, operation: usize) -> String {
    format!("{} by client {}", short(history, operation), history.operations[operation].client)
}

/// `read 812 by client 3 at 12.340 s`: when it began.
pub fn began(history: &History, operation: usize) -> String {
    let invoked = seconds(history.operations[operation].invoked);
    format!("{} at {invoked}", who(history, operation))
}

/// `had finished at 12.101 s`.
pub fn finished(history: &History, operation: usize) -> String {
    format!("had finished at {}", seconds(history.operations[operation].returned))
}

/// What an operation was told: `returned 5 left of Tux (version 17)`.
pub fn told(history: &History, operation: usize) -> String {
    let operation = &history.operations[operation];
    let asked = match operation.asked {
        Asked::Buy { toy, quantity, .. } => format!("{} x{quantity}", history.name(toy)),
        Asked::Read { toy } => history.name(toy).to_string(),
        Asked::Order { number } => format!("order {number}"),
        Asked::Fate { key, .. } => history.key(key).to_string(),
    };
    match operation.outcome {
        Outcome::Product { quantity, version, .. } => {
            format!("returned {quantity} left of {asked}{}", at_version(version))
        }
        Outcome::Bought(bought) => {
            let made = at_version(bought.version);
            format!("was given order {} for {asked}{made}", bought.order)
        }
        Outcome::Found { toy, quantity, .. } => {
            format!("found {asked} to be {} x{quantity}", history.name(toy))
        }
        Outcome::FateRecorded(bought) => {
            format!("was told that {asked} is recorded as order {}", bought.order)
        }
        Outcome::FateRefused(_) => format!("was told that {asked} is refused"),
        Outcome::FateNever => format!("was told that {asked} never happens"),
        Outcome::FateOpen => format!("was told that nothing is decided of {asked}"),
        Outcome::Refused(refused) => {
            let version = at_version(refused.version);
            format!("was refused {asked}: {}{version}", reason(refused.reason))
        }
        Outcome::Unknown => format!("was not answered about {asked}"),
        Outcome::Unavailable => format!("reached nobody with {asked}"),
    }
}

/// Why, in words.
pub fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Insufficient => "too few in stock",
        Reason::NoSuchToy => "no such toy",
        Reason::NoSuchOrder => "no such order",
        Reason::Resolved => "resolved before as never",
        Reason::Other => "not valid",
    }
}

/// ` (version 17)`, or nothing.
pub fn at_version(version: Option<u64>) -> String {
    version.map_or_else(String::new, |version| format!(" (version {version})"))
}
