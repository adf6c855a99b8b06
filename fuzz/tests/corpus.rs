//! Every input that was kept, checked on every machine: what a fuzzer has found once stays found.
//!
//! Reads the folders that `.ci/fuzz` begins from, and asks [`fuzz::TARGETS`]. A panic names the
//! input before it.

// A test may read files, and fail by panicking.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, clippy::unwrap_used)]

use std::path::Path;

/// Real files that are seeds too, as `.ci/fuzz` has them.
const ELSEWHERE: [(&str, &str); 2] =
    [("history", "../crates/checker/tests/histories"), ("scenario", "../scenarios")];

fn replay(folder: &Path, check: fn(&[u8])) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let input = std::fs::read(&path).unwrap();
        // Shown only if the check fails: the last one is the one.
        println!("{}", path.display());
        check(&input);
        count += 1;
    }
    count
}

#[test]
fn every_input_that_was_kept() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (target, check) in fuzz::TARGETS {
        let count = replay(&root.join("corpus").join(target), check);
        assert!(count > 0, "no inputs in fuzz/corpus/{target}");
        for (_, folder) in ELSEWHERE.iter().filter(|(of, _)| *of == target) {
            assert!(replay(&root.join(folder), check) > 0, "no inputs in {folder}");
        }
    }
}

/// Every target has a program, and every program is a target.
#[test]
fn every_target_is_built_and_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let script = std::fs::read_to_string(root.join("../.ci/fuzz")).unwrap();
    let list = script.lines().find_map(|line| line.split_once("|| targets=(")).unwrap().1;
    let mut run: Vec<&str> = list.trim_end_matches(')').split(' ').collect();
    run.sort_unstable();
    let names: Vec<&str> = fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(run, names, "the list of .ci/fuzz");
    for name in names {
        let bin = format!("[[bin]]\nname = \"{name}\"\npath = \"targets/{name}.rs\"");
        assert!(manifest.contains(&bin), "no program of {name} in fuzz/Cargo.toml");
    }
}
