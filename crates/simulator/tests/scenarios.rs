//! The scenarios that are shipped, in a simulated world: each ends in the verdict that it says, in
//! every seed. With real processes `.ci/scenarios` plays them.

use std::path::PathBuf;

use checker::history::Reader;
use replication::Protocol;
use simulator::{Scenario, run};

/// Seeds of each.
const SEEDS: u64 = 3;

/// Every scenario, with its file's name.
fn shipped() -> Vec<(String, Scenario)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut all = vec![];
    for entry in std::fs::read_dir(folder).expect("a folder of scenarios") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_string();
            let text = std::fs::read_to_string(&path).expect("a readable scenario");
            let scenario = Scenario::read(&text).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            all.push((name, scenario));
        }
    }
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}

#[test]
fn each_scenario_ends_in_the_verdict_that_it_expects() {
    let all = shipped();
    assert!(all.len() >= 12, "only {} scenarios", all.len());
    check("", all);
}

/// Whoever protects what was acknowledged does so in every story, also in those that convict
/// `naive`.
#[test]
fn each_scenario_holds_under_every_way_that_protects() {
    for protocol in Protocol::ALL.into_iter().filter(|protocol| protocol.is_safe()) {
        let all = shipped().into_iter().map(|(name, story)| (name, story.under(protocol)));
        check(&format!(" --replication {protocol}"), all.collect());
    }
}

fn check(flags: &str, all: Vec<(String, Scenario)>) {
    for (name, scenario) in all {
        for seed in 0..SEEDS {
            let outcome = run(&scenario.plan(seed), true);
            let again = format!("toystore run scenarios/{name} --world sim{flags} --seed {seed}");
            let (head, lines) = outcome.history.expect("a traced run has its history");
            let mut reader = Reader::default();
            reader.line(head.json().as_bytes()).expect("a head");
            for line in &lines {
                reader.line(line.as_bytes()).expect("a line");
            }
            let history = reader.finish().expect("a history");
            let judged = checker::judge(&history, checker::STEPS_DEFAULT);
            assert_eq!(scenario.compare(&history, &judged), None, "{again}");
            let broken = outcome.broken.map(|broken| broken.promise);
            assert!(!matches!(broken, Some("liveness" | "invariant" | "rest")), "{again}");
        }
    }
}

/// What is wrong is said with its line, and what was expected.
#[test]
fn a_text_that_is_no_scenario_is_refused_with_its_line() {
    let check = |text: &str, line: usize, words: &str| {
        let wrong = Scenario::read(text).expect_err(text);
        assert_eq!(wrong.line, line, "{wrong}");
        assert!(wrong.why.contains(words), "{wrong:?} does not say {words:?}");
    };
    let whole = "about = \"x\"\n[expect]\nheld = true\n";
    assert!(Scenario::read(whole).is_ok());
    check("", 1, "missing field `about`");
    check("about = 7\n", 1, "invalid type: integer `7`, expected a string");
    check("about = \"x\"\nabout = \"y\"\n", 2, "duplicate key");
    check("about = \"x\"\n[expect]\nhold = true\n", 3, "unknown field `hold`");
    check("about = \"x\"\n[expect]\n", 2, "expected either held = true or broke");
    check(&format!("{whole}broke = [\"kept\"]\n"), 2, "expected either held = true or broke");
    let broke = "about = \"x\"\n[expect]\nbroke = [\"keep\"]\n";
    check(broke, 2, "no guarantee \"keep\": expected some of stock, orders");
    check(&format!("{whole}[store]\norders = 10\n"), 4, "orders = 10: expected 1 to 9");
    check(&format!("{whole}[store]\nreplication = \"magic\"\n"), 4, "naive, primary-backup, raft");
    check(&format!("{whole}[store]\ninvalidation = \"ttl\"\n"), 4, "expected lease, push, none");
    check(&format!("{whole}[shoppers]\nprobability = 1.5\n"), 4, "expected 0 to 1");
    check(&format!("{whole}[shoppers]\npause = \"0s\"\n"), 4, "must think");
    check(&format!("{whole}[shoppers]\nfor = \"2h\"\n"), 4, "such as 500ms, 10s or 2m");
    let fault = |text: &str| format!("{whole}\n[[faults]]\nat = \"1s\"\n{text}\n");
    check(&fault("what = \"burn\""), 5, "expected what = \"kill\"");
    check(&fault("what = \"kill\""), 5, "\"kill\" needs the field `node`");
    check(&fault("what = \"kill\"\nnode = \"order-3\""), 5, "needs the field `for`");
    let nobody = fault("what = \"kill\"\nnode = \"order-4\"\nfor = \"1s\"");
    check(&nobody, 5, "expected one of leader, catalog, order-1, order-2, order-3, frontend-1");
    let both = "what = \"kill\"\nnode = \"order-3\"\nfor = \"1s\"\nloss = 0.1";
    check(&fault(both), 5, "\"kill\" takes no `loss`");
    let links = "what = \"cut\"\nfor = \"1s\"\nlinks = { of = \"leader\", ring = true }";
    check(&fault(links), 5, "expected one of between = [A, B]");
    let answered = |text: &str| format!("{whole}[[expect.answered]]\n{text}");
    let times = "after = \"2s\"\nbefore = \"1s\"\nunder = []\n";
    check(&answered(&format!("what = \"toys\"\n{times}")), 4, "one of toy, purchase, order");
    check(&answered(&format!("what = \"toy\"\n{times}")), 4, "nothing is after 2s and before 1s");
    let late = fault("what = \"power-cut\"\nfor = \"1s\"").replace("1s\"\nwhat", "11s\"\nwhat");
    check(&late, 5, "after the shoppers have ended");
    let half = "what = \"cut\"\nfor = \"1s\"\nlinks = { halves = [[\"leader\"], []] }";
    check(&fault(half), 5, "the leader may change");
}
