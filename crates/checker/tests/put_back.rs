//! What a store says of takes that it put back is a proposal: it shortens the proof where it is
//! true, and proves nothing where it is not.

use checker::history;
use checker::stock::Proof;
use checker::verdict::Verdict;
use checker::{Judged, STEPS_DEFAULT, judge};

const HEAD: &str = concat!(
    r#"{"history":"toystore","format":1,"clock":"us","invalidation":"lease","keys":true,"#,
    r#""replication":"primary-backup","catalogue":[{"toy":"Tux","quantity":5}]}"#
);

/// Client 1's purchase of 2 is never answered until somebody asks; client 2 sees 5, and version 3.
const BUY: &str = concat!(
    r#"{"op":"buy","client":1,"invoked":10,"returned":20,"toy":"Tux","quantity":2,"#,
    r#""key":"a","outcome":"unknown"}"#
);
const NEVER: &str = concat!(
    r#"{"op":"resolve","client":1,"invoked":50,"returned":60,"key":"a","outcome":"ok","#,
    r#""fate":"never"}"#
);

fn judged(read: &str, told: &str) -> Judged {
    let text = [HEAD, BUY, read, NEVER, told].join("\n");
    judge(&history::read(text.as_bytes()).expect("a history"), STEPS_DEFAULT)
}

fn read(version: u64, invoked: u64) -> String {
    let returned = invoked + 5;
    let times = format!(r#""invoked":{invoked},"returned":{returned}"#);
    let seen = format!(r#""toy":"Tux","quantity":5,"version":{version}"#);
    format!(r#"{{"op":"read","client":2,{times},"outcome":"ok",{seen}}}"#)
}

fn put_back(key: &str, quantity: u64, taken: u64) -> String {
    let what = format!(r#""toy":"Tux","quantity":{quantity},"key":"{key}""#);
    let version = taken + 1;
    format!(r#"{{"event":"put-back",{what},"taken":{taken},"version":{version}}}"#)
}

#[test]
fn what_is_true_takes_the_place_of_a_search() {
    let judged = judged(&read(3, 30), &put_back("a", 2, 2));
    assert_eq!(judged.verdict(), Verdict::Held);
    assert!(matches!(judged.proofs[0], Proof::Versions(_)), "{:?}", judged.proofs[0]);
}

/// The verdict is then what it would be without it: found by the search.
#[test]
fn what_is_not_true_proves_nothing() {
    for lie in [put_back("b", 2, 2), put_back("a", 1, 2), put_back("a", 6, 2), put_back("a", 2, 7)]
    {
        let judged = judged(&read(3, 30), &lie);
        assert_eq!(judged.verdict(), Verdict::Held, "{lie}");
        assert!(matches!(judged.proofs[0], Proof::Search(_)), "{lie}: {:?}", judged.proofs[0]);
    }
    // Nobody had asked for anything when this was read.
    let judged = judged(&read(3, 2), &put_back("a", 2, 2));
    assert_eq!(judged.verdict(), Verdict::Broke, "{:?}", judged.proofs[0]);
}

/// A first attempt took, was given up and put back; the same request's next one begins only after
/// somebody has seen that. It is not the one that took.
#[test]
fn the_attempt_that_began_first_may_have_been_put_back() {
    let attempt = |invoked: u64, more: &str| {
        let times = format!(r#""invoked":{invoked},"returned":{}"#, invoked + 10);
        let asked = r#""toy":"Tux","quantity":2,"key":"a""#;
        format!(r#"{{"op":"buy","client":1,{times},{asked},{more}}}"#)
    };
    let first = attempt(10, r#""outcome":"unavailable""#);
    let second = attempt(50, r#""outcome":"ok","order":0,"version":4,"index":1"#);
    let head = HEAD.replace(r#""keys":true"#, r#""keys":true,"takes":8"#);
    let text = [head, first, read(3, 30), second, put_back("a", 2, 2)].join("\n");
    let judged = judge(&history::read(text.as_bytes()).expect("a history"), STEPS_DEFAULT);
    assert_eq!(judged.verdict(), Verdict::Held);
    assert!(matches!(judged.proofs[0], Proof::Versions(_)), "{:?}", judged.proofs[0]);
}
