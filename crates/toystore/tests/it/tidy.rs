//! The rules of CONTRIBUTING.md that a program can check, marked [t] there.
//!
//! Each test reads the project's files and fails with every violation: file, line, and what to do.
//! An exception stands in a table here, with its reason, and must still be one.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::{TextFile, expect_none, files_ending, text_files};

/// The crates that know no clock, disk, socket or thread.
const PURE_CRATES: [&str; 4] = ["checker", "replication", "shop", "simulator"];

/// What each pure crate may depend on: data structures, encodings and seeded generators.
const PURE_DEPENDENCIES: [(&str, &[&str]); 5] = [
    ("checker", &["serde", "serde_json"]),
    ("replication", &["bytes", "omnipaxos", "raft", "serde", "slog"]),
    (
        "shop",
        &["bytes", "postcard", "rand", "rand_pcg", "replication", "serde", "serde_json", "sha2"],
    ),
    (
        "simulator",
        &["bytes", "checker", "rand", "rand_pcg", "replication", "serde", "shop", "toml", "wal"],
    ),
    ("wal", &["bytes", "crc32c", "postcard", "serde"]),
];

/// Files with more lines than [`LINES_MAX`], each with the reason.
const LONG_FILES: [(&str, &str); 0] = [];

/// Files with `unsafe` code, each with the reason.
const UNSAFE_FILES: [(&str, &str); 0] = [];

/// Files that no `mod` reaches, each with the reason.
const UNREACHED_FILES: [(&str, &str); 0] = [];

/// Lines of a source file, tests not counted: what fits in a reader's head.
const LINES_MAX: usize = 400;

/// Characters of a source line: two files fit side by side.
const WIDTH_MAX: usize = 100;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 9] =
    ["util", "utils", "helper", "helpers", "manager", "common", "data", "misc", "types"];

/// Lines of a file before its inline tests.
fn lines_without_tests(file: &TextFile) -> usize {
    let lines: Vec<&str> = file.text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair[0].starts_with("#[cfg(test)]") && pair[1].starts_with("mod tests {"));
    tests.unwrap_or(lines.len())
}

/// The line without its comment. Good enough for words: a `//` inside a string only hides words.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

/// Whether the word stands in the text, not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(is_part)
            && !text[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

/// Compares what was found with a table of exceptions: an exception that is none any more goes.
fn stale(table: &[(&str, &str)], found: &BTreeSet<&str>) -> Vec<String> {
    let stale = table.iter().filter(|(path, _)| !found.contains(path));
    stale
        .map(|(path, _)| format!("{path}: no exception any more; remove it from tidy.rs"))
        .collect()
}

fn is_listed(table: &[(&str, &str)], path: &str) -> bool {
    table.iter().any(|(listed, _)| *listed == path)
}

#[test]
fn every_source_file_says_first_what_it_is() {
    let violations: Vec<String> = files_ending(".rs")
        .iter()
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| format!("{}:1: open with `//!`: what it is, why, who calls it", file.path))
        .collect();
    expect_none(&violations, "a file introduces itself");
}

#[test]
fn no_source_file_is_too_long() {
    let mut violations = Vec::new();
    let files = files_ending(".rs");
    let mut long = BTreeSet::new();
    for file in files.iter().filter(|file| !file.is_test()) {
        let lines = lines_without_tests(file);
        if lines > LINES_MAX {
            long.insert(file.path.as_str());
            if !is_listed(&LONG_FILES, &file.path) {
                let path = &file.path;
                violations.push(format!("{path}:{LINES_MAX}: {lines} lines; split it by subject"));
            }
        }
    }
    violations.extend(stale(&LONG_FILES, &long));
    expect_none(&violations, "a source file has at most 400 lines without its tests");
}

#[test]
fn no_source_line_is_too_wide() {
    let mut violations = Vec::new();
    for file in files_ending(".rs") {
        for (number, line) in file.lines() {
            let width = line.chars().count();
            // A row of a table, in a comment or as a test expects it, cannot be wrapped.
            let row = line.starts_with("//! |") || line.trim_start().starts_with("\"│");
            if width > WIDTH_MAX && !row {
                violations.push(format!("{}:{number}: {width} characters; wrap it", file.path));
            }
        }
    }
    expect_none(&violations, "a source line has at most 100 characters");
}

#[test]
fn no_name_is_empty_of_meaning() {
    let mut violations = Vec::new();
    for file in files_ending(".rs") {
        for part in file.path.split('/').map(|part| part.trim_end_matches(".rs")) {
            if EMPTY_NAMES.contains(&part) {
                violations.push(format!("{}: `{part}`: name it after what it holds", file.path));
            }
        }
        for (number, line) in file.lines() {
            if let Some(name) = module_named(line)
                && EMPTY_NAMES.contains(&name)
            {
                let path = &file.path;
                violations.push(format!("{path}:{number}: `mod {name}`: name what it holds"));
            }
        }
    }
    expect_none(&violations, "modules have names that say something");
}

#[test]
fn nothing_is_left_half_done() {
    // In two parts, so that this file does not find itself.
    let marks = [
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
        concat!("db", "g!"),
        concat!("#[ig", "nore"),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("XX", "X"),
    ];
    let mut violations = Vec::new();
    for file in files_ending(".rs") {
        for (number, line) in file.lines() {
            for mark in marks.iter().filter(|mark| line.contains(**mark)) {
                violations.push(format!("{}:{number}: {mark}: do it, or drop it", file.path));
            }
        }
    }
    expect_none(&violations, "what is committed is done");
}

#[test]
fn text_files_end_with_a_line_break_and_lines_without_blanks() {
    let mut violations = Vec::new();
    // What a decoder was given may be text by chance.
    let is_input = |file: &&TextFile| file.path.starts_with("fuzz/corpus/");
    for file in text_files().iter().filter(|f| !f.text.is_empty() && !is_input(f)) {
        let path = &file.path;
        if !file.text.ends_with('\n') {
            violations.push(format!("{path}: end the last line with a line break"));
        }
        if file.text.ends_with("\n\n") && !path.contains("/testscripts/") {
            violations.push(format!("{path}: remove the empty lines at the end"));
        }
        for (number, line) in file.lines() {
            if line.ends_with([' ', '\t', '\r']) {
                violations.push(format!("{path}:{number}: remove the blanks at the end"));
            }
        }
    }
    expect_none(&violations, "text is clean");
}

#[test]
fn unsafe_code_is_listed() {
    let mut violations = Vec::new();
    let files = files_ending(".rs");
    let mut found = BTreeSet::new();
    for file in &files {
        for (number, line) in file.lines() {
            if has_word(code(line), concat!("uns", "afe")) {
                found.insert(file.path.as_str());
                if !is_listed(&UNSAFE_FILES, &file.path) {
                    let path = &file.path;
                    violations.push(format!("{path}:{number}: find a safe way, or list it here"));
                }
            }
        }
    }
    violations.extend(stale(&UNSAFE_FILES, &found));
    expect_none(&violations, "code that the compiler cannot check needs a reason");
}

/// Clippy forbids these by type; here also by name, so that an `allow` does not slip through.
#[test]
fn pure_crates_name_no_clock_disk_socket_or_thread() {
    let names = [
        "std::fs",
        "std::net",
        "std::thread",
        "std::process",
        "std::env",
        "std::io",
        "Mutex",
        "RwLock",
        "Instant",
        "SystemTime",
        "HashMap",
        "HashSet",
        "println",
        "eprintln",
        "tokio",
        "ThreadRng",
        "thread_rng",
    ];
    let mut violations = Vec::new();
    for file in files_ending(".rs") {
        let is_pure = PURE_CRATES.iter().any(|c| file.path.starts_with(&format!("crates/{c}/src")));
        if !is_pure || file.is_test() {
            continue;
        }
        for (number, line) in file.lines().take(lines_without_tests(&file)) {
            for name in names.iter().filter(|name| has_word(code(line), name)) {
                violations.push(format!("{}:{number}: {name}: make it an input", file.path));
            }
        }
    }
    expect_none(&violations, "a pure crate takes inputs and returns effects");
}

#[test]
fn pure_crates_match_exhaustively_on_their_own_enums() {
    let mut violations = Vec::new();
    for name in PURE_CRATES {
        let path = format!("crates/{name}/src/lib.rs");
        let attribute = "#![deny(clippy::wildcard_enum_match_arm)]";
        if !files_ending(&path).iter().any(|file| file.text.contains(attribute)) {
            violations.push(format!("{path}: write {attribute}"));
        }
    }
    expect_none(&violations, "a new message must not fall through an old match");
}

/// `name` of `pub mod name;` or `mod name {`.
fn module_named(line: &str) -> Option<&str> {
    let line = code(line).trim();
    let line = match line.strip_prefix("pub") {
        Some(rest) => match rest.trim_start().strip_prefix('(') {
            Some(rest) => rest.split_once(')')?.1,
            None => rest,
        },
        None => line,
    };
    let name = line.trim_start().strip_prefix("mod ")?;
    Some(name.trim_end_matches(['{', ';', ' ']))
}

/// Where a crate, test binary or build script begins.
fn is_crate_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts[..],
        ["crates", _, "build.rs"]
            | ["crates" | "bench", _, "src", "lib.rs" | "main.rs"]
            | ["crates", _, "src", "bin", _]
            | ["crates", _, "tests" | "benches" | "examples", _]
            | ["fuzz", "src", "lib.rs"]
            | ["fuzz", "targets" | "tests" | "examples", _]
            | ["crates", _, "tests" | "benches" | "examples", _, "main.rs"]
    )
}

#[test]
fn every_source_file_is_part_of_the_program() {
    let files = files_ending(".rs");
    let by_path: BTreeMap<&str, &TextFile> =
        files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut reached = BTreeSet::new();
    let mut open: Vec<&TextFile> = files.iter().filter(|file| is_crate_root(&file.path)).collect();
    while let Some(file) = open.pop() {
        if !reached.insert(file.path.as_str()) {
            continue;
        }
        let folder = match (is_crate_root(&file.path), file.name()) {
            (true, _) | (_, "mod.rs") => file.folder(),
            (false, _) => file.path.trim_end_matches(".rs"),
        };
        for module in file.text.lines().filter(|l| l.ends_with(';')).filter_map(module_named) {
            for path in [format!("{folder}/{module}.rs"), format!("{folder}/{module}/mod.rs")] {
                open.extend(by_path.get(path.as_str()));
            }
        }
    }
    let dead: BTreeSet<&str> =
        by_path.keys().filter(|path| !reached.contains(*path)).copied().collect();
    let mut violations: Vec<String> = dead
        .iter()
        .filter(|path| !is_listed(&UNREACHED_FILES, path))
        .map(|path| format!("{path}: no `mod` reaches it; declare it or delete it"))
        .collect();
    violations.extend(stale(&UNREACHED_FILES, &dead));
    expect_none(&violations, "no dead file");
}

#[test]
fn a_module_with_a_folder_has_its_text_in_mod_rs() {
    let files = files_ending(".rs");
    let folders: BTreeSet<&str> = files.iter().map(TextFile::folder).collect();
    let violations: Vec<String> = files
        .iter()
        .filter(|file| folders.contains(file.path.trim_end_matches(".rs")))
        .map(|file| format!("{}: move it to mod.rs of the folder of that name", file.path))
        .collect();
    expect_none(&violations, "a module is in one place");
}

#[test]
fn every_golden_script_says_what_it_shows_and_shows_it() {
    let mut violations = Vec::new();
    for file in text_files().iter().filter(|file| file.path.contains("/testscripts/")) {
        let path = &file.path;
        let first = file.text.lines().next().unwrap_or("");
        let is_comment = first.starts_with("# ") && first.split_whitespace().count() > 3;
        if !is_comment {
            violations.push(format!("{path}:1: open with a comment: what does it show?"));
        }
        let outputs = file.text.split("\n---\n").skip(1);
        if !outputs.into_iter().any(|output| !output.trim().is_empty()) {
            violations
                .push(format!("{path}: it shows nothing; see CONTRIBUTING.md, golden scripts"));
        }
    }
    expect_none(&violations, "a golden script is an illustrated example");
}

#[test]
fn every_folder_of_golden_scripts_is_run() {
    let sources = files_ending(".rs");
    let mut folders: Vec<String> = text_files()
        .iter()
        .filter(|file| file.path.contains("/testscripts/"))
        .map(|file| file.folder().to_string())
        .collect();
    folders.dedup();
    assert!(!folders.is_empty(), "there are no golden scripts at all");
    folders.retain(|folder| {
        let quoted = format!("\"{folder}\"");
        !sources.iter().any(|file| file.is_test() && file.text.contains(&quoted))
    });
    let violations: Vec<String> = folders
        .iter()
        .map(|folder| format!("{folder}: no test runs it with test_each_path or test_each_file"))
        .collect();
    expect_none(&violations, "a script that is not run proves nothing");
}

/// The lines of a section of a manifest, such as `dependencies`.
fn section<'a>(manifest: &'a str, name: &str) -> Vec<&'a str> {
    let heading = format!("[{name}]");
    let lines = manifest.lines().skip_while(|line| line.trim() != heading).skip(1);
    let lines = lines.take_while(|line| !line.trim_start().starts_with('['));
    lines.filter(|line| !line.trim().is_empty()).collect()
}

/// The names of what a crate is built from (not: what its tests use).
pub fn dependencies(manifest: &str) -> BTreeSet<&str> {
    let lines = section(manifest, "dependencies").into_iter();
    let mut names: BTreeSet<&str> =
        lines.filter_map(|line| line.split(['=', '.']).next()).map(str::trim).collect();
    for line in manifest.lines().map(str::trim) {
        let table = line.strip_prefix("[dependencies.");
        names.extend(table.map(|name| name.trim_end_matches(']')));
        if line.starts_with("[target.") && line.contains("dependencies") {
            names.insert(line);
        }
    }
    names
}

#[test]
fn pure_crates_depend_on_nothing_that_touches_the_world() {
    let mut violations = Vec::new();
    for (name, allowed) in PURE_DEPENDENCIES {
        let path = format!("crates/{name}/Cargo.toml");
        let file = files_ending(&path).pop().unwrap();
        for dependency in dependencies(&file.text) {
            if !allowed.contains(&dependency) {
                violations
                    .push(format!("{path}: {dependency}: may a pure crate have it? see tidy.rs"));
            }
        }
    }
    // A bug must not be able to hide from the checker by being in it too.
    for file in files_ending("crates/checker/Cargo.toml") {
        for ours in dependencies(&file.text).intersection(&BTreeSet::from(PURE_CRATES)) {
            violations.push(format!("{}: {ours}: the checker imports no crate of ours", file.path));
        }
    }
    expect_none(&violations, "a crate's law is in its manifest");
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let violations: Vec<String> = files_ending("Cargo.toml")
        .iter()
        .filter(|file| file.path.starts_with("crates/"))
        .filter(|file| section(&file.text, "lints") != ["workspace = true"])
        .map(|file| format!("{}: write [lints] with workspace = true", file.path))
        .collect();
    expect_none(&violations, "no crate escapes the lints");
}

#[test]
fn clippy_still_forbids_the_world_to_pure_crates() {
    let files = files_ending("clippy.toml");
    let root = &files.iter().find(|file| file.path == "clippy.toml").unwrap().text;
    let forbidden = [
        "std::collections::HashMap",
        "std::collections::HashSet",
        "std::time::Instant",
        "std::time::SystemTime",
        "std::fs::File",
        "std::net::TcpStream",
        "std::net::TcpListener",
        "std::net::UdpSocket",
        "std::thread::spawn",
        "std::thread::sleep",
        "std::time::Instant::now",
        "std::fs::read",
        "std::fs::write",
        "std::println",
        "std::eprintln",
    ];
    let mut violations: Vec<String> = forbidden
        .iter()
        .filter(|path| !root.contains(&format!("path = \"{path}\"")))
        .map(|path| format!("clippy.toml: forbid {path} again"))
        .collect();
    for file in &files {
        // A crate's own file replaces the root's, it does not add to it.
        if !["clippy.toml", "crates/toystore/clippy.toml"].contains(&file.path.as_str()) {
            violations.push(format!("{}: delete it; only the shell is exempt", file.path));
        }
    }
    expect_none(&violations, "purity is checked by clippy");
}
