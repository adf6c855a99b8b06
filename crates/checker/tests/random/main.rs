//! Whole histories of a store that keeps every promise: none is ever called broken. And of one line
//! of them changed, as a faulty store would: that one is found.

mod store;

use checker::history::{self, History};
use checker::verdict::{Guarantee, Verdict};
use checker::{Judged, judge, report};
use store::Plan;

/// Histories of each test; in the dev profile as many as fit into the time below.
const HISTORIES: u64 = 20_000;
/// Seconds that each test may take.
const SECONDS: u64 = 10;
/// More than any of these small histories needs.
const STEPS: u64 = 3_000_000;

fn plan(seed: u64) -> Plan {
    let bit = |place: u64| seed >> place & 1 == 1;
    Plan {
        seed,
        toys: 1 + (seed % 3) as usize,
        clients: 1 + (seed % 5) as u32,
        operations: 5 + seed % 56,
        quantity: 1 + (seed % 7) as i64,
        versions: !bit(1) || bit(2),
        logged_keys: bit(3),
        unknown: bit(4),
    }
}

fn text(plan: Plan) -> String {
    let mut text = String::new();
    store::history(plan, &mut |line| {
        text.push_str(&line);
        text.push('\n');
    });
    text
}

fn judged(text: &str) -> (History, Judged) {
    let history = history::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let judged = judge(&history, STEPS);
    (history, judged)
}

/// Runs a test for as many seeds as fit into its time.
#[allow(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros)]
fn each_seed(first: u64, mut test: impl FnMut(u64)) {
    let begin = std::time::Instant::now();
    let mut seeds = first..first + HISTORIES;
    for seed in seeds.by_ref() {
        test(seed);
        if begin.elapsed().as_secs() >= SECONDS {
            break;
        }
    }
    eprintln!("seeds {first} to {} in {:.1?}", seeds.start - 1, begin.elapsed());
}

#[test]
fn a_right_history_is_never_called_broken() {
    let mut undecided = 0;
    each_seed(1_000, |seed| {
        let plan = plan(seed);
        let text = text(plan);
        let (history, judged) = judged(&text);
        let verdict = judged.verdict();
        let shown = || report::text(&history, &judged);
        assert_ne!(verdict, Verdict::Broke, "seed {seed}\n{text}\n{}", shown());
        if plan.versions && plan.logged_keys {
            assert_eq!(verdict, Verdict::Held, "seed {seed}\n{text}\n{}", shown());
        }
        undecided += u64::from(verdict == Verdict::NotDecided);
    });
    assert!(undecided < HISTORIES / 50, "{undecided} are not decided");
}

/// Thousands of operations, hundreds of which were never answered, and takes of which were put
/// back:
/// that is decided, and so is what one stale read among them makes of it.
#[test]
fn a_long_history_with_many_unknown_outcomes_is_decided() {
    for seed in [7, 8, 9] {
        let long = Plan {
            seed,
            toys: 5,
            clients: 20,
            operations: 20_000,
            quantity: 60,
            versions: true,
            logged_keys: true,
            unknown: true,
        };
        let text = text(long);
        let (history, judged) = judged(&text);
        let shown = || report::text(&history, &judged);
        assert_eq!(judged.verdict(), Verdict::Held, "seed {seed}\n{}", shown());
        assert!(judged.judgements[0].words.ends_with("5 by search"), "{}", shown());

        let mut lines: Vec<&str> = text.lines().collect();
        let reads = |line: &&str| line.contains("\"op\":\"read\"") && line.contains("\"toy 0\"");
        let places: Vec<usize> = (0..lines.len()).filter(|place| reads(&lines[*place])).collect();
        let [old, new] = [places.len() / 2 - 20, places.len() / 2].map(|place| places[place]);
        let mut stale: serde_json::Value = serde_json::from_str(lines[new]).unwrap();
        let seen: serde_json::Value = serde_json::from_str(lines[old]).unwrap();
        for field in ["quantity", "version"] {
            stale[field] = seen[field].clone();
        }
        let stale = stale.to_string();
        lines[new] = &stale;
        let (history, judged) = self::judged(&lines.join("\n"));
        let stock = &judged.judgements[0];
        let shown = || report::text(&history, &judged);
        assert_eq!(stock.verdict, Verdict::Broke, "seed {seed}\n{}", shown());
        let named = stock.found[0].operations.last().map(|place| &history.operations[*place]);
        assert_eq!(named.map(|one| one.line as usize), Some(new + 1), "seed {seed}\n{}", shown());
    }
}

/// A read that shows one more than was there is found, wherever it stands.
#[test]
fn one_wrong_answer_is_found() {
    let (mut changed, mut found) = (0_u64, 0_u64);
    each_seed(500_000, |seed| {
        let plan = Plan { versions: true, unknown: false, ..plan(seed) };
        let text = text(plan);
        let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
        let reads: Vec<usize> =
            (0..lines.len()).filter(|place| lines[*place].contains("\"op\":\"read\"")).collect();
        let Some(place) = reads.get(seed as usize % reads.len().max(1)).copied() else { return };
        let mut line: serde_json::Value = serde_json::from_str(&lines[place]).unwrap();
        line["quantity"] = (line["quantity"].as_i64().unwrap() + 1).into();
        lines[place] = line.to_string();
        let (_, judged) = judged(&lines.join("\n"));
        let stock = judged.judgements.iter().find(|one| one.guarantee == Guarantee::Stock).unwrap();
        changed += 1;
        // Behind the last change of its toy, a restock may explain it.
        found += u64::from(stock.verdict == Verdict::Broke);
    });
    assert!(found * 100 > changed * 95, "{found} of {changed} were found");
}
