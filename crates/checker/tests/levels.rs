//! Reads that were asked for less than linearizability: what holds at which level, in histories
//! written by hand. A read that is merely old holds below `linearizable` and there is convicted.

use checker::verdict::{Guarantee, Verdict};
use checker::{STEPS_DEFAULT, history, judge};

/// Two purchases that end at 20 and 40 ms, and a read of what they leave.
const STORE: &str = include_str!("histories/levels.jsonl");

/// A read of a toy, from one process.
fn read(level: &str, from: &str, times: (u64, u64), seen: (i64, u64)) -> String {
    let ((invoked, returned), (quantity, version)) = (times, seen);
    let asked = format!(r#""op":"read","client":2,"invoked":{invoked},"returned":{returned}"#);
    let seen = format!(r#""outcome":"ok","quantity":{quantity},"version":{version}"#);
    format!(r#"{{{asked},"toy":"Tux",{seen},"consistency":"{level}","from":"{from}"}}"#)
}

/// A read of order 1, from a process at an index; what it found, if anything.
fn order(level: &str, from: &str, times: (u64, u64), applied: u64, found: Option<i64>) -> String {
    let (invoked, returned) = times;
    let outcome = match found {
        Some(many) => format!(r#""outcome":"ok","toy":"Tux","quantity":{many},"index":4"#),
        None => r#""outcome":"refused","reason":"no-such-order""#.to_string(),
    };
    let asked = format!(r#""op":"order","client":2,"invoked":{invoked},"returned":{returned}"#);
    let from = format!(r#""consistency":"{level}","from":"{from}","applied":{applied}"#);
    format!(r#"{{{asked},"order":1,{outcome},{from}}}"#)
}

/// What breaks in the store's history with these lines added, and the words of its sentence.
fn check(lines: &[String], expected: Option<(Guarantee, &str)>) {
    let text = format!("{STORE}{}\n", lines.join("\n"));
    let history = history::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    let judged = judge(&history, STEPS_DEFAULT);
    let broke = judged.judgements.iter().filter(|one| one.verdict >= Verdict::NotDecided);
    let broke: Vec<_> = broke.map(|one| (one.guarantee, one.found.first())).collect();
    let Some((guarantee, words)) = expected else {
        assert!(broke.is_empty(), "{broke:#?} in {text}");
        return;
    };
    let found = broke.iter().find(|(one, _)| *one == guarantee);
    let sentence = found.and_then(|(_, found)| Some(&found.as_ref()?.sentence));
    assert!(sentence.is_some_and(|told| told.contains(words)), "{broke:#?} in {text}");
}

/// The guarantee of each weaker level.
const WEAK: [(&str, Guarantee); 2] =
    [("leader", Guarantee::LeaderReads), ("local", Guarantee::LocalReads)];

#[test]
fn what_is_merely_old_holds_below_linearizable_only() {
    let old = (50_000, 51_000);
    for (level, _) in WEAK {
        check(&[read(level, "catalog-1/1", old, (5, 1))], None);
        check(&[read(level, "catalog-1/1", old, (3, 2))], None);
        check(&[order(level, "order-1/1", old, 3, None)], None);
        check(&[order(level, "order-1/1", old, 4, Some(1))], None);
    }
    let stale = "returned 5 left of Tux (version 1), but purchase 2 by client 1 had finished at";
    let stock = Some((Guarantee::Stock, stale));
    check(&[read("linearizable", "catalog-1/1", old, (5, 1))], stock);
    let lost = Some((Guarantee::Orders, "was refused order 1: no such order"));
    check(&[order("linearizable", "order-1/1", old, 3, None)], lost);
}

#[test]
fn what_never_was_is_convicted_at_every_level() {
    for (level, guarantee) in WEAK {
        let broke = |words| Some((guarantee, words));
        let at = (50_000, 51_000);
        check(&[read(level, "catalog-1/1", at, (4, 2))], broke("but version 2 has 3 left"));
        check(&[read(level, "catalog-1/1", at, (5, 0))], broke("but it began with 5 left"));
        let ended = r#"{"event":"stock","toy":"Tux","quantity":2,"version":3}"#.to_string();
        let beyond = read(level, "catalog-1/1", at, (1, 4));
        check(&[beyond, ended], broke("but at the end it was at version 3"));
        let other = order(level, "order-1/1", at, 4, Some(2));
        check(&[other], broke("but purchase 3 by client 1 was given order 1 for Tux x1"));
    }
}

#[test]
fn what_is_from_the_future_is_convicted_at_every_level() {
    for (level, guarantee) in WEAK {
        let broke = |words| Some((guarantee, words));
        let early = (21_000, 22_000);
        let words = "it had ended when purchase 3 by client 1 began at 0.030 s";
        check(&[read(level, "catalog-1/1", early, (2, 3))], broke(words));
        let words = "purchase 3 by client 1 began only later, at 0.030 s";
        check(&[order(level, "order-1/1", early, 4, Some(1))], broke(words));
    }
}

#[test]
fn a_state_has_what_stands_before_its_index_and_no_more() {
    for (level, guarantee) in WEAK {
        let broke = |words| Some((guarantee, words));
        let at = (50_000, 51_000);
        let words = "it stands at log index 4, and the state was at 3";
        check(&[order(level, "order-1/1", at, 3, Some(1))], broke(words));
        let words = "it stands at log index 4, and the state was at 4";
        check(&[order(level, "order-1/1", at, 4, None)], broke(words));
    }
}

#[test]
fn one_process_does_not_go_back_and_another_one_may() {
    let (first, then) = ((50_000, 51_000), (52_000, 53_000));
    for (level, guarantee) in WEAK {
        let toys =
            |other| [read(level, "frontend-1/1", first, (2, 3)), read(level, other, then, (3, 2))];
        let words = "by frontend-1/1, read 5 by client 2 returned 2 left of Tux (version 3)";
        check(&toys("frontend-1/1"), Some((guarantee, words)));
        // Another frontend, and the same one after a restart.
        check(&toys("frontend-2/1"), None);
        check(&toys("frontend-1/2"), None);
        let orders = |other| {
            [order(level, "order-1/1", first, 4, Some(1)), order(level, other, then, 2, None)]
        };
        let words = "by order-1/1, order read 5 by client 2 found order 1 to be Tux x1 in a state \
                     at log index 4";
        check(&orders("order-1/1"), Some((guarantee, words)));
        check(&orders("order-2/1"), None);
        check(&orders("order-1/2"), None);
    }
}

#[test]
fn a_purchase_has_no_level() {
    let level = r#""consistency":"local","key":"a""#;
    let error = history::read(STORE.replace(r#""key":"a""#, level).as_bytes()).unwrap_err();
    assert!(error.to_string().contains("below linearizable of a read only"), "{error}");
}
