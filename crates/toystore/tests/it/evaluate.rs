//! `toystore evaluate`: the smallest one, with real processes; every experiment answers, and all
//! files are there.

use std::fs;
use std::path::Path;

use crate::store::{Store, toystore, turn};

/// The questions that a report must answer, by what they ask for.
const QUESTIONS: [&str; 14] = [
    "How long does each kind of request take",
    "How much does the cache help?",
    "Which toy is in which slot when",
    "What is the hit rate, with all toys equally popular?",
    "Is the replay what a real store does?",
    "How often does the cache help under each scheme?",
    "How old are answers where nothing keeps them right?",
    "How long is there no service when a node dies?",
    "Can clients notice a crash while they order?",
    "Can clients notice it in the final check?",
    "Do all order replicas end with the same database?",
    "What does an order cost under each way of replication?",
    "How much does the store do with more clients?",
    "How much memory do more toys take?",
];

/// Names of files in a folder that end so, without the end.
fn named(folder: &Path, end: &str) -> Vec<String> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let all = all.map(|name| name.into_string().unwrap());
    let mut names: Vec<String> =
        all.filter_map(|name| name.strip_suffix(end).map(str::to_string)).collect();
    names.sort();
    names
}

#[test]
fn the_smallest_evaluation_answers_every_question() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report");
    let flags = ["evaluate", "--smallest", "--seed", "1", "--out", out.to_str().unwrap()];
    let output = toystore(&flags).current_dir(folder.path()).output().unwrap();
    let (words, trouble) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{words}\n{trouble}");
    assert!(words.contains("toystore evaluate --smallest --seed 1"), "{words}");
    assert!(trouble.contains(" left · latency"), "nobody was told how long it takes:\n{trouble}");

    let page = fs::read_to_string(out.join("index.html")).unwrap();
    for question in QUESTIONS {
        let answer = page.split("<dt>").find(|part| part.starts_with(question));
        let answer = answer.unwrap_or_else(|| panic!("{question}: not asked"));
        let answer = answer.split("<dd>").nth(1).unwrap();
        assert!(answer.split(" <a").next().unwrap().len() > 20, "{question} {answer}");
        let evidence = answer.split("href=\"#").nth(1).unwrap().split('"').next().unwrap();
        assert!(page.contains(&format!("id=\"{evidence}\"")), "{question}: no {evidence}");
    }
    for wrong in ["NaN", "inf]", "<script", "nothing was measured", "Nothing was measured", "✗"] {
        assert!(!page.contains(wrong), "{wrong} in the page");
    }
    let (drawings, numbers) = (named(&out, ".svg"), named(&out, ".csv"));
    assert!(drawings.len() > 15, "{drawings:?}");
    for drawing in &drawings {
        assert!(numbers.contains(drawing), "{drawing} has no numbers");
        assert!(page.contains(&format!("{drawing}.svg")), "{drawing} is not shown");
        let svg = fs::read_to_string(out.join(format!("{drawing}.svg"))).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{drawing}");
    }
    for name in numbers {
        let csv = fs::read_to_string(out.join(format!("{name}.csv"))).unwrap();
        assert!(csv.lines().count() > 1, "{name}: {csv}");
    }
    let about = fs::read_to_string(out.join("about.txt")).unwrap();
    assert!(about.contains("toystore evaluate --smallest --only crashes --seed 1"), "{about}");
}

#[test]
fn a_store_that_runs_is_evaluated_as_far_as_that_can_be_done() {
    let store = Store::start(&[]);
    let out = store.folder().join("report");
    let url = store.frontend();
    let flags = ["evaluate", "--smallest", "--seed", "1", "--url", &url, "--out"];
    let output = toystore(&flags).arg(&out).output().unwrap();
    let words = [&output.stdout[..], &output.stderr].concat();
    let words = String::from_utf8(words).unwrap();
    assert!(output.status.success(), "{words}");
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    for part in ["How long does each kind of request take", "How much does the store do with more"]
    {
        assert!(page.contains(part), "{part}: {words}");
    }
    for what in ["cache", "invalidation", "crashes", "protocols"] {
        assert!(page.contains(&format!("<li>{what}: needs stores of its own")), "{what}");
    }
    // It is still there, and nobody changed how it works.
    store.settle();
}

#[test]
fn what_needs_a_store_of_its_own_is_refused_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |flags: &[&str], expected: &str| {
        let output = toystore(flags).current_dir(folder.path()).output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && words.contains(expected), "{flags:?}: {words}");
        assert!(words.contains("hint:") || words.contains("cannot be used with"), "{words}");
    };
    let url = ["--url", "http://127.0.0.1:1"];
    let flags = [&["evaluate", "--only", "crashes"][..], &url].concat();
    refused(&flags, "--only crashes needs stores of its own");
    let flags = [&["evaluate", "--replication", "paxos"][..], &url].concat();
    refused(&flags, "cannot be used with");
    assert!(!folder.path().join("report").exists(), "what is refused leaves nothing");
    fs::write(folder.path().join("letter.txt"), "Dear").unwrap();
    refused(&["evaluate", "--out", "."], "is not empty, and no report is in it");
}
