//! What the documents say is there, is there: links, files, tests, functions, commands.
//!
//! Reads every `*.md` of the project. What is named ahead of its being written stands in a table
//! here, and leaves it when it is there.

use std::process::Command;

use crate::tidy::dependencies;
use crate::workspace::{TextFile, expect_none, files_ending, root, text_files};

/// Tests that the documents name and that are being written.
const TESTS_LATER: [&str; 0] = [];

/// Places of the code that the documents name and that are being written.
const PLACES_LATER: [&str; 0] = [];

/// Commands that the documents show and that are being written.
const COMMANDS_LATER: [&str; 0] = [];

/// Source files that still name a document which is not there.
const DOCUMENTS_LATER: [&str; 0] = [];

/// What a line of a document contains that can be checked.
struct Shown {
    /// `FILE:LINE`.
    at: String,
    text: String,
}

/// Lines outside of code blocks, or those inside.
fn lines(file: &TextFile, inside: bool) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    file.lines().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && fenced == inside
    })
}

/// Everything in `backticks`.
fn quoted(file: &TextFile) -> Vec<Shown> {
    let mut shown = Vec::new();
    for (number, line) in lines(file, false) {
        let at = format!("{}:{number}", file.path);
        let parts = line.split('`').skip(1).step_by(2);
        shown.extend(parts.map(|text| Shown { at: at.clone(), text: text.to_string() }));
    }
    shown
}

/// The targets of all links.
fn links(file: &TextFile) -> Vec<Shown> {
    let mut found = Vec::new();
    for (number, line) in lines(file, false) {
        for (place, _) in line.match_indices("](") {
            let Some((target, _)) = line[place + 2..].split_once(')') else { continue };
            let at = format!("{}:{number}", file.path);
            found.push(Shown { at, text: target.to_string() });
        }
    }
    found
}

/// Where the modules are whose functions the documents name as `orders::serve::on_orders`.
const MODULES: [(&str, &str); 6] = [
    ("catalog", "crates/shop/src"),
    ("frontend", "crates/shop/src"),
    ("orders", "crates/shop/src"),
    ("primary_backup", "crates/replication/src"),
    ("shopper", "crates/shop/src"),
    ("single", "crates/replication/src"),
];

/// Whether a module, or a function in one, is there; absent if the text names none.
fn module_is_there(text: &str) -> Option<bool> {
    let parts: Vec<&str> = text.split("::").collect();
    let is_name = |part: &&str| part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let (_, folder) = MODULES.iter().find(|(module, _)| *module == parts[0])?;
    if parts.len() < 2 || !parts.iter().all(is_name) {
        return None;
    }
    let files = |parts: &[&str]| {
        let path = parts.join("/");
        [format!("{folder}/{path}.rs"), format!("{folder}/{path}/mod.rs")]
    };
    let is_module = files(&parts).iter().any(|path| root().join(path).exists());
    let (name, modules) = parts.split_last()?;
    Some(is_module || files(modules).iter().any(|path| has_function(path, name)))
}

/// A path as the documents write it, from the project's root.
fn from_root(path: &str) -> String {
    match path.strip_prefix("tests/it/") {
        Some(rest) => format!("crates/toystore/tests/it/{rest}"),
        None => path.to_string(),
    }
}

fn has_function(path: &str, name: &str) -> bool {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    text.contains(&format!("fn {name}(")) || text.contains(&format!("fn {name}<"))
}

/// A file or folder, or a function in one.
fn is_there(place: &str) -> bool {
    match place.split_once("::") {
        Some((path, name)) => has_function(&from_root(path), name),
        None => root().join(from_root(place)).exists(),
    }
}

fn looks_like_a_path(text: &str) -> bool {
    let starts = ["crates/", "docs/", "tests/it/", ".ci/"].iter().any(|s| text.starts_with(s));
    starts && !text.contains(['*', '{', '<', ' ', '…'])
}

/// An exception that is none any more goes.
fn arrived(table: &[&str], there: impl Fn(&str) -> bool) -> Vec<String> {
    let arrived = table.iter().filter(|entry| there(entry));
    arrived
        .map(|entry| format!("{entry} is there now: remove it from the table in docs.rs"))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut violations = Vec::new();
    for file in files_ending(".md") {
        for link in links(&file) {
            let target = link.text.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            if !root().join(file.folder()).join(target).exists() {
                violations.push(format!("{}: {target} is not there", link.at));
            }
        }
    }
    expect_none(&violations, "a link leads somewhere");
}

#[test]
fn every_file_and_test_that_is_named_is_there() {
    let mut violations = Vec::new();
    for file in files_ending(".md") {
        for Shown { at, text } in quoted(&file) {
            let text = text.trim_end_matches('/');
            let later = TESTS_LATER.contains(&text) || PLACES_LATER.contains(&text);
            let missing = looks_like_a_path(text) && !later && !is_there(text);
            if missing || module_is_there(text) == Some(false) {
                violations.push(format!("{at}: `{text}` is not there"));
            }
        }
    }
    violations.extend(arrived(&TESTS_LATER, is_there));
    violations.extend(arrived(&PLACES_LATER, is_there));
    expect_none(&violations, "what a document names can be opened");
}

#[test]
fn every_document_that_a_comment_names_is_there() {
    let documents = files_ending(".md");
    let names: Vec<&str> = documents.iter().map(TextFile::name).collect();
    let mut violations = Vec::new();
    let is_part = |c: char| c.is_alphanumeric() || "._-".contains(c);
    for file in files_ending(".rs").iter().filter(|file| !file.path.contains("tests/it/")) {
        let missing = file.lines().find_map(|(number, line)| {
            let mut words = line.split(|c| !is_part(c)).map(|word| word.trim_matches('.'));
            let name = words.find(|word| word.len() > 3 && word.ends_with(".md"))?;
            (!names.contains(&name)).then(|| format!("{}:{number}: no {name}", file.path))
        });
        match (missing, DOCUMENTS_LATER.contains(&file.path.as_str())) {
            (Some(missing), false) => violations.push(missing),
            (None, true) => violations.extend(arrived(&[&file.path], |_| true)),
            (Some(_), true) | (None, false) => {}
        }
    }
    expect_none(&violations, "a comment sends nobody to a document that is not there");
}

/// The arguments of a line that runs the program, if it does.
fn arguments(line: &str) -> Option<Vec<&str>> {
    let line = line.trim().trim_start_matches("$ ");
    let rest = line
        .strip_prefix("toystore ")
        .or_else(|| line.strip_prefix("cargo run --release -- "))
        .or_else(|| line.strip_prefix("target/release/toystore "))?;
    let command = rest.split("  ").next().unwrap_or_default();
    let words = command.split_whitespace().take_while(|w| !["#", "&", "|", ">", "…"].contains(w));
    // What a shell takes off.
    Some(words.map(|word| word.trim_matches('\'')).collect())
}

/// Whether the program takes these arguments; `--help` at the end lets it do nothing.
fn parses(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(env!("CARGO_BIN_EXE_toystore"))
        .args(arguments)
        .arg("--help")
        .env_clear()
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    let words = words.lines().next().unwrap_or_default().to_string();
    if output.status.success() { Ok(()) } else { Err(words) }
}

#[test]
fn every_command_that_is_shown_parses() {
    let mut violations = Vec::new();
    let mut commands = 0;
    for file in files_ending(".md") {
        let mut shown = quoted(&file);
        shown.extend(lines(&file, true).map(|(number, line)| Shown {
            at: format!("{}:{number}", file.path),
            text: line.to_string(),
        }));
        for Shown { at, text } in shown {
            let Some(arguments) = arguments(&text) else { continue };
            commands += 1;
            let later = arguments.first().is_some_and(|first| COMMANDS_LATER.contains(first));
            if !later && let Err(error) = parses(&arguments) {
                violations.push(format!("{at}: `{text}`: {error}"));
            }
        }
    }
    violations.extend(arrived(&COMMANDS_LATER, |command| parses(&[command]).is_ok()));
    expect_none(&violations, "a command that is shown works");
    assert!(commands > 0, "the documents show no command at all");
}

#[test]
fn every_dependency_has_its_reason() {
    let text = files_ending("ARCHITECTURE.md").pop().unwrap().text;
    let mut violations = Vec::new();
    for file in files_ending("Cargo.toml") {
        if !file.path.starts_with("crates/") {
            continue;
        }
        let ours = ["replication", "shop", "checker", "simulator", "wal"];
        for name in dependencies(&file.text).into_iter().filter(|name| !ours.contains(name)) {
            if !text.contains(&format!("| {name} | ")) {
                violations.push(format!("{}: {name}: why is it here?", file.path));
            }
        }
    }
    expect_none(&violations, "a dependency has a line in ARCHITECTURE.md");
}

#[test]
fn every_bug_that_is_named_is_in_the_zoo() {
    let zoo = files_ending("docs/bug-zoo.md").pop().unwrap().text;
    let mut violations = Vec::new();
    for file in text_files().iter().filter(|file| file.path.starts_with("crates/")) {
        for (number, line) in file.lines() {
            let lower = line.to_lowercase();
            for (place, mark) in lower.match_indices(concat!("bug zoo", ": ")) {
                let name = lower[place + mark.len()..].split(['.', ')', ',', ';']).next();
                let name = name.unwrap_or_default();
                if !zoo.contains(&format!("| {name} |")) {
                    violations.push(format!("{}:{number}: {name}", file.path));
                }
            }
        }
    }
    expect_none(&violations, "a bug that is named stands in docs/bug-zoo.md");
}

#[test]
fn every_bug_of_the_zoo_has_a_test_on_real_processes_and_the_other_way_round() {
    let zoo = files_ending("docs/bug-zoo.md").pop().unwrap().text;
    let tests = files_ending("tests/it/zoo.rs").pop().unwrap().text;
    let mut violations = Vec::new();
    let rows = zoo.lines().filter(|line| line.starts_with("| ")).skip(2);
    for row in rows.clone().filter(|row| !row.contains("`tests/it/zoo.rs::")) {
        violations.push(format!("no test of zoo.rs in the row {row}"));
    }
    let names: Vec<String> = rows.map(|row| row.split('|').nth(1).unwrap().trim().into()).collect();
    let lines: Vec<&str> = tests.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[0] == "#[test]") {
        let name = pair[1].trim_start_matches("fn ").trim_end_matches("() {").replace('_', "-");
        if !names.contains(&name) {
            violations.push(format!("zoo.rs: {name} is not in docs/bug-zoo.md"));
        }
    }
    expect_none(&violations, "a bug of the zoo is looked for where it was found: in processes");
}
