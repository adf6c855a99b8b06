//! The project's own files, for the tests that read them: [`super::tidy`] and [`super::docs`].

use std::fs;
use std::path::{Path, PathBuf};

/// What is made by building and running, and never committed.
const NOT_OURS: [&str; 4] = ["target", ".git", "toystore-data", "report"];

/// One text file of the project.
pub struct TextFile {
    /// From the project's root, with `/`: `crates/shop/src/lib.rs`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl TextFile {
    /// `lib.rs` of `crates/shop/src/lib.rs`.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// `crates/shop/src` of `crates/shop/src/lib.rs`.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Lines with their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// Whether it belongs to tests as a whole.
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part.ends_with("tests") || part == "tests.rs")
    }
}

/// The project's root: the folder of the workspace that this crate is a member of.
pub fn root() -> PathBuf {
    let mut folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    while let Some(parent) = folder.parent() {
        folder = parent;
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        if manifest.contains("[workspace]") {
            return folder.to_path_buf();
        }
    }
    panic!("no Cargo.toml with [workspace] above {}", env!("CARGO_MANIFEST_DIR"));
}

/// Every text file of the project, in the order of their paths.
pub fn text_files() -> Vec<TextFile> {
    let root = root();
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if NOT_OURS.iter().any(|not_ours| name == *not_ours) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if let Ok(text) = fs::read_to_string(entry.path()) {
                let path = entry.path();
                let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_string();
                files.push(TextFile { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 100, "only {} text files under {}", files.len(), root.display());
    files
}

/// Those whose name ends so.
pub fn files_ending(ending: &str) -> Vec<TextFile> {
    let mut files = text_files();
    files.retain(|file| file.path.ends_with(ending));
    files
}

/// Fails with every violation, one a line.
pub fn expect_none(violations: &[String], rule: &str) {
    let list = violations.join("\n  ");
    assert!(violations.is_empty(), "{rule}\n  {list}\n(CONTRIBUTING.md says why)");
}
