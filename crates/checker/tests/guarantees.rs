//! Each guarantee has a history, written by hand, that breaks it and nothing else, and says with
//! which sentence. `held.jsonl` holds; the others differ from it in a line or two.
//!
//! Some guarantees follow from others, so that what breaks the weaker one breaks the stronger one
//! too: a session that reads old values, and a read that is too old, are never linearizable.

use checker::history::{self, History};
use checker::verdict::{Guarantee, Verdict};
use checker::{Judged, STEPS_DEFAULT, judge, report};

/// Name, text, what breaks, and the sentence.
type Case = (&'static str, &'static [u8], &'static [Guarantee], &'static str);

macro_rules! case {
    ($name:literal, $broken:expr, $sentence:literal) => {
        ($name, include_bytes!(concat!("histories/", $name, ".jsonl")), $broken, $sentence)
    };
}

#[rustfmt::skip]
const CASES: [Case; 16] = [
    case!("stock", &[Guarantee::Stock],
        "read 4 by client 2 at 0.010 s returned 4 left of Tux (version 2), but version 2 has 3 \
         left, as purchase 3 by client 1 was given order 0 for Tux x2 (version 2)"),
    case!("stale", &[Guarantee::Stock],
        "read 6 by client 4 at 0.020 s returned 3 left of Tux (version 2), but purchase 5 by \
         client 2 had finished at 0.019 s and left 0 (version 3): the cache of frontend-2 served \
         version 2 after 3 was acknowledged"),
    case!("plain-stale", &[Guarantee::Stock],
        "read 7 by client 3 returned 3 left of Tux, between 0.009500 s and 0.009900 s, but every \
         order of the 5 operations before it leaves 1"),
    case!("orders", &[Guarantee::Orders],
        "order read 14 by client 2 at 0.062 s was refused order 2: no such order, but order read \
         13 by client 1 found order 2 to be Fox x1 at 0.061 s"),
    case!("once", &[Guarantee::Once],
        "purchase 3 by client 1 was given order 0 for Tux x2 (version 2) at 0.009 s, but fate \
         question 16 by client 1 at 0.075 s about the same request was told that k1 never happens"),
    case!("told-too-soon", &[Guarantee::Once],
        "fate question 13 by client 3 at 0.070 s was told that k4 is recorded as order 2, but \
         nobody had sent the request by then without being told that nothing was done"),
    case!("kept", &[Guarantee::Kept],
        "fate question 13 by client 3 was told that k4 is recorded as order 2 at 0.071 s, but no \
         replica has order 2 as Fox x1 in its final log"),
    case!("replicas", &[Guarantee::Replicas],
        "order-1 has order 2 as Fox x1, which order-2 lacks"),
    case!("gapless", &[Guarantee::Gapless],
        "order 3 exists, but nobody was given 2, and the outcome of no purchase is unknown"),
    case!("conserved", &[Guarantee::Conserved],
        "Tux: 5 at first + 5 restocked are not 4 in stock at the end + 5 sold: 1 is missing"),
    case!("oversold", &[Guarantee::Oversold],
        "6 of Tux were sold when purchase 10 by client 2 ended at 0.044 s, of 5 that there had \
         been at most"),
    case!("read-your-writes", &[Guarantee::Stock, Guarantee::ReadYourWrites],
        "in session 1, purchase 3 by client 1 was given order 0 for Tux x2 (version 2) at 0.009 s, \
         and then read 6 by client 1 at 0.020 s returned 5 left of Tux (version 1)"),
    case!("monotonic-reads", &[Guarantee::Stock, Guarantee::MonotonicReads],
        "in session 2, read 4 by client 2 returned 3 left of Tux (version 2) at 0.010700 s, and \
         then read 5 by client 2 at 0.010800 s returned 5 left of Tux (version 1)"),
    case!("staleness", &[Guarantee::Stock, Guarantee::Staleness],
        "read 7 by client 6 at 0.026 s returned 5 left of Tux (version 1), 17.0 ms after purchase \
         3 by client 1 was given order 0 for Tux x2 (version 2): older than ttl=2ms allows"),
    case!("leader-reads", &[Guarantee::LeaderReads],
        "read 16 by client 7 at 0.001 s returned 3 left of Tux (version 2) at level leader, but it \
         had ended when purchase 3 by client 1 began at 0.003 s, without which there is no \
         version 2"),
    case!("local-reads", &[Guarantee::LocalReads],
        "by order-2/1, order read 16 by client 7 found order 0 to be Tux x2 in a state at log \
         index 7 at 0.073700 s, and then order read 17 by client 7 at 0.073800 s was refused order \
         2: no such order in a state at log index 5 at level local"),
];

fn judged(name: &str, text: &[u8]) -> (History, Judged) {
    let history = history::read(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let judged = judge(&history, STEPS_DEFAULT);
    (history, judged)
}

fn with(judged: &Judged, verdict: Verdict) -> Vec<Guarantee> {
    let those = judged.judgements.iter().filter(|judgement| judgement.verdict == verdict);
    those.map(|judgement| judgement.guarantee).collect()
}

#[test]
fn each_history_breaks_what_it_is_made_to_break() {
    for (name, text, broken, sentence) in CASES {
        let (history, judged) = judged(name, text);
        assert_eq!(with(&judged, Verdict::Broke), broken, "{name}");
        assert_eq!(with(&judged, Verdict::NotDecided), [], "{name}");
        assert_eq!(judged.verdict(), Verdict::Broke, "{name}");
        let found: Vec<&str> = judged
            .judgements
            .iter()
            .flat_map(|judgement| judgement.found.iter().map(|found| found.sentence.as_str()))
            .collect();
        assert!(found.contains(&sentence), "{name}: {found:#?}");
        let text = report::text(&history, &judged);
        assert!(text.contains("\nbroke: "), "{name}: {text}");
        let page = checker::picture::page(&history, &judged);
        assert!(page.contains("id=\"misfit\"") || judged.shortest().is_some(), "{name}: no mark");
    }
}

#[test]
fn every_guarantee_is_broken_by_one() {
    for guarantee in Guarantee::ALL {
        let breaks = |case: &Case| case.2.last() == Some(&guarantee);
        assert!(CASES.iter().any(breaks), "no history breaks {guarantee}");
    }
}

#[test]
fn the_one_without_a_fault_holds() {
    let (history, judged) = judged("held", include_bytes!("histories/held.jsonl"));
    let text = report::text(&history, &judged);
    let expected = include_str!("histories/held.verdict");
    assert_eq!(text, expected, "\n{text}");
    assert_eq!(judged.verdict(), Verdict::Held);
}

/// Somebody else's store: no versions, no request ids, no logs.
#[test]
fn a_store_without_versions_is_judged_by_search() {
    let (_, judged) = judged("plain", include_bytes!("histories/plain.jsonl"));
    assert_eq!(with(&judged, Verdict::Broke), []);
    assert!(with(&judged, Verdict::Held).contains(&Guarantee::Stock));
    let words = &judged.judgements[0].words;
    assert!(words.ends_with("1 by versions, 1 by search"), "{words}");
    assert!(with(&judged, Verdict::NotJudged).contains(&Guarantee::ReadYourWrites));
}

#[test]
fn what_could_be_both_is_not_decided_and_never_held() {
    let (_, judged) = judged("undecided", include_bytes!("histories/undecided.jsonl"));
    assert_eq!(with(&judged, Verdict::NotDecided), [Guarantee::Gapless]);
    assert_eq!(judged.verdict(), Verdict::NotDecided);

    let history = history::read(include_bytes!("histories/plain-stale.jsonl")).unwrap();
    let judged = judge(&history, 0);
    assert_eq!(judged.verdict(), Verdict::NotDecided);
    assert_eq!(judged.judgements[0].verdict, Verdict::NotDecided, "no steps, no verdict");
}

#[test]
fn a_history_in_which_nothing_happens_says_nothing() {
    let text = include_bytes!("histories/held.jsonl");
    let head = text.split(|byte| *byte == b'\n').next().unwrap();
    let (_, judged) = judged("head only", head);
    assert_eq!(judged.verdict(), Verdict::NotJudged);
}

#[test]
fn a_weak_mode_is_told_what_it_kept_and_how_stale_it_was() {
    let (_, judged) = judged("monotonic", include_bytes!("histories/monotonic-reads.jsonl"));
    assert!(with(&judged, Verdict::Held).contains(&Guarantee::ReadYourWrites));
    let stale = &judged.staleness;
    assert_eq!((stale.reads, stale.stale), (5, 1));
    assert_eq!((stale.age_us_max, stale.versions_max), (1_800, 1));
}

#[test]
fn the_verdict_as_json_names_lines() {
    let (history, judged) = judged("stale", include_bytes!("histories/stale.jsonl"));
    let json = report::json(&history, &judged);
    assert_eq!(json["verdict"], "broke");
    assert_eq!(json["counterexample"]["guarantee"], "stock");
    assert_eq!(json["counterexample"]["lines"], serde_json::json!([5, 6]));
    assert_eq!(json["counterexample"]["toy"], "Tux");
    assert_eq!(json["guarantees"][0]["verdict"], "broke");
    assert_eq!(json["guarantees"].as_array().unwrap().len(), Guarantee::ALL.len());
}

/// The page needs nothing else, and what stands in a history cannot become a part of it.
#[test]
fn the_picture_is_whole_and_safe() {
    let text = include_str!("histories/stale.jsonl").replace("Tux", "<b>&\\\"x");
    let (history, judged) = judged("stale", text.as_bytes());
    let page = checker::picture::page(&history, &judged);
    for outside in ["http://", "https://", "src=", "url(", "@import"] {
        let page = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!page.contains("<b>"), "a name is text");
    assert!(page.contains("id=\"misfit\""));
    assert!(page.contains("prefers-color-scheme: dark"));
}
