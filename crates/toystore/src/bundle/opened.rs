//! A bundle that is looked at: read whole, judged again, refused in words if it is none.
//!
//! Called by the command `view`; calls crate `checker` and its sister files.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use checker::history::{Event, History, Micros, Outcome};
use checker::report;
use checker::verdict;
use serde::Deserialize;
use serde_json::{Value, json};

use super::archive::{Files, UNPACKED_BYTES_MAX, unpack};
use super::frames::{self, Frame};
use super::{FILES, Verdict, judge};

/// A bundle.
#[derive(Debug)]
pub struct Opened {
    /// What it is called: its file or folder.
    pub name: String,
    /// Its files, but for the frames.
    pub files: Files,
    /// What nodes said; none in a bundle that is older than frames, or of nodes nobody looked at.
    pub frames: Vec<Frame>,
    /// What its history holds, and what is said of it today.
    pub verdict: Verdict,
    /// How that differs from what the bundle says itself; absent if it does not.
    pub differs: Option<String>,
}

/// Opens a folder, or a file that was packed of one.
///
/// # Errors
/// If it is no bundle: says what is missing, or which line is wrong.
pub fn open(path: &Path) -> Result<Opened> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let files = match path.is_dir() {
        true => files_in(path),
        false => File::open(path)
            .context("it cannot be read")
            .and_then(|file| unpack(file, UNPACKED_BYTES_MAX)),
    };
    let opened = files.and_then(|files| read(name, files));
    opened.with_context(|| format!("{} cannot be viewed", path.display()))
}

/// The files of a bundle that are in a folder.
fn files_in(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    let mut bytes = 0;
    for name in FILES {
        let path = folder.join(name);
        // Not where a link leads: whoever sent the folder may not know what is there, or may.
        let Ok(about) = path.symlink_metadata() else { continue };
        if !about.is_file() {
            bail!("{name} in it is no file");
        }
        bytes += about.len();
        if bytes > UNPACKED_BYTES_MAX {
            bail!("its files have more than {UNPACKED_BYTES_MAX} bytes");
        }
        let read = std::fs::read(&path).with_context(|| format!("cannot read {name} in it"))?;
        files.insert(name, read);
    }
    Ok(files)
}

fn read(name: String, mut files: Files) -> Result<Opened> {
    let text = |bytes: Vec<u8>, name: &str| {
        String::from_utf8(bytes).map_err(|_| anyhow!("{name} in it is no text"))
    };
    let history = files
        .get("history.jsonl")
        .context("there is no history.jsonl in it, and so it is no bundle")?;
    let history = text(history.clone(), "history.jsonl")?;
    let verdict = judge(history.lines()).context("history.jsonl in it is no history")?;
    let frames = match files.remove("frames.jsonl") {
        Some(bytes) => frames::read(&text(bytes, "frames.jsonl")?).map_err(anyhow::Error::msg)?,
        None => vec![],
    };
    let differs = differs(files.get("verdict.json").map(Vec::as_slice), &verdict)?;
    Ok(Opened { name, files, frames, verdict, differs })
}

/// What is read of `verdict.json` here.
#[derive(Deserialize)]
struct Said {
    guarantees: Vec<SaidOfOne>,
}

#[derive(Deserialize)]
struct SaidOfOne {
    guarantee: String,
    verdict: String,
}

/// How what was said then differs from what is said now.
fn differs(then: Option<&[u8]>, now: &Verdict) -> Result<Option<String>> {
    let Some(then) = then else {
        return Ok(Some("the bundle has no verdict of its own".to_string()));
    };
    let then: Said = serde_json::from_slice(then).context("verdict.json in it is no verdict")?;
    let then: BTreeMap<&str, &str> =
        then.guarantees.iter().map(|one| (&*one.guarantee, &*one.verdict)).collect();
    let words = |now: verdict::Verdict| now.to_string().replace(' ', "-");
    let changed = now.judged.judgements.iter().filter_map(|one| {
        let (name, now) = (one.guarantee.name(), words(one.verdict));
        match then.get(name) {
            Some(then) if **then == *now => None,
            Some(then) => Some(format!("{name} was {then}")),
            None => Some(format!("{name} was not known")),
        }
    });
    let changed: Vec<String> = changed.collect();
    Ok((!changed.is_empty())
        .then(|| format!("judged again, it differs from the bundle: {}", changed.join(", "))))
}

impl Opened {
    /// The frame that is looked at first: the one after the first violation, or the last one.
    pub fn first_look(&self) -> Option<&Frame> {
        let broke_ms = self.broke_ms().unwrap_or(u64::MAX);
        let after = self.frames.iter().find(|frame| frame.clock_ms >= broke_ms);
        after.or(self.frames.last())
    }

    /// When the first violation can be seen, on the history's clock, in milliseconds.
    fn broke_ms(&self) -> Option<u64> {
        let Verdict { history, judged } = &self.verdict;
        let broke = judged.judgements.iter().filter(|one| one.verdict == verdict::Verdict::Broke);
        let seen = broke.flat_map(|one| &one.found).filter_map(|found| {
            found.operations.iter().map(|place| history.operations[*place].returned).max()
        });
        // The moment after it: a frame that is older does not show it yet.
        seen.min().map(|at| at / 1000 + 1)
    }

    /// The verdict, as `verdict.json` has it.
    pub fn judged(&self) -> Value {
        report::json(&self.verdict.history, &self.verdict.judged)
    }

    /// Which promise a simulated run broke, in words, also if no history can show it.
    pub fn broken(&self) -> Option<String> {
        let metrics: Value = serde_json::from_slice(self.files.get("metrics.json")?).ok()?;
        let part = |name: &str| metrics["broken"][name].as_str();
        Some(format!("{}: {}", part("promise")?, part("what")?))
    }

    /// What the strip of time shows where there are no frames: how many orders were told in each
    /// `bar_ms`, leaders and faults; on the history's clock.
    pub fn told(&self) -> Value {
        let history = &self.verdict.history;
        let bar = (history.end() / BARS_MAX + 1).max(SECOND);
        let mut orders = vec![0_u64; (history.end() / bar + 1) as usize];
        for one in &history.operations {
            if matches!(one.outcome, Outcome::Bought(_)) {
                orders[(one.returned / bar) as usize] += 1;
            }
        }
        let marks: Vec<Value> =
            history.events.iter().flat_map(|event| marks(history, event)).collect();
        json!({"bar_ms": bar / 1000, "orders": orders, "marks": marks})
    }
}

/// On the history's clock.
const SECOND: Micros = 1_000_000;

/// A bar is a second, or as long as it must be.
const BARS_MAX: u64 = 1000;

fn marks(history: &History, event: &Event) -> Vec<Value> {
    let mark = |at: Micros, kind: &str, words: String| {
        let at_ms = at / 1000;
        json!({"at_ms": at_ms, "kind": kind, "words": words})
    };
    match event {
        Event::Leader { at, node, term: _ } => {
            vec![mark(*at, "leader", format!("{} leads", history.name(*node)))]
        }
        Event::Fault { at, until, node, what } => {
            let at_node = node.map_or(String::new(), |node| format!("{}: ", history.name(node)));
            let words = format!("{at_node}{}", history.name(*what));
            let mended = mark(*until, "mend", format!("{words}, over"));
            let ends = until > at && *until <= history.end();
            [mark(*at, "fault", words)].into_iter().chain(ends.then_some(mended)).collect()
        }
        Event::Restock { .. } | Event::Log { .. } | Event::Stock { .. } | Event::PutBack { .. } => {
            vec![]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Contents, write};
    use super::*;

    /// A bundle of a stale read that is answered at 2.0099 s; its folder goes with it.
    fn bundle() -> (tempfile::TempDir, std::path::PathBuf) {
        bundle_of(2_009_900)
    }

    fn bundle_of(read_us: u64) -> (tempfile::TempDir, std::path::PathBuf) {
        let lines = [
            json!({"history": "toystore", "format": 1, "clock": "us", "invalidation": "lease",
                "replication": "raft", "keys": false,
                "catalogue": [{"toy": "Tux", "quantity": 5}]}),
            json!({"op": "buy", "client": 1, "invoked": 1000, "returned": 9000, "toy": "Tux",
                "quantity": 2, "outcome": "ok", "order": 0}),
            json!({"op": "read", "client": 2, "invoked": 9500, "returned": read_us, "toy": "Tux",
                "outcome": "ok", "quantity": 5}),
            json!({"event": "leader", "at": 500, "node": "order-2"}),
            json!({"event": "fault", "at": 600, "until": 700_000, "node": "order-1",
                "what": "kill"}),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let nodes = json!([{"name": "order-1", "role": "order", "state": "running"}]);
        let frames: Vec<String> = (1..=40_u64)
            .map(|number| {
                frames::frame(number, number * 100, number * 100, json!({"nodes": nodes}))
            })
            .collect();
        let contents = Contents { frames: &frames, ..Contents::default() };
        write(&path, &lines.map(|line| line.to_string()), &contents).unwrap();
        (folder, path)
    }

    fn refused(path: &Path) -> String {
        format!("{:#}", open(path).unwrap_err())
    }

    #[test]
    fn a_folder_and_what_is_packed_of_it_are_one_bundle() {
        let (folder, path) = bundle();
        let opened = open(&path).unwrap();
        assert_eq!((&*opened.name, opened.frames.len()), ("run", 40));
        assert_eq!(opened.differs, None);
        assert_eq!(opened.judged()["verdict"], "broke");
        // The first moment after the read was answered.
        assert_eq!(opened.first_look().unwrap().clock_ms, 2100);
        let packed = folder.path().join("run.tar.gz");
        std::fs::write(&packed, super::super::archive::pack(&path, "run").unwrap()).unwrap();
        let unpacked = open(&packed).unwrap();
        assert_eq!(unpacked.frames, opened.frames);
        assert_eq!(unpacked.files, opened.files);
    }

    #[test]
    fn without_frames_the_history_says_when_what_happened() {
        let (_folder, path) = bundle();
        std::fs::remove_file(path.join("frames.jsonl")).unwrap();
        let opened = open(&path).unwrap();
        assert!(opened.frames.is_empty());
        let told = opened.told();
        assert_eq!((&told["bar_ms"], &told["orders"]), (&json!(1000), &json!([1, 0, 0])));
        let words: Vec<&str> = told["marks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["words"].as_str().unwrap())
            .collect();
        assert_eq!(words, ["order-2 leads", "order-1: kill", "order-1: kill, over"]);
    }

    /// Also one that somebody made up, and that ends in half a million years.
    #[test]
    fn a_long_history_has_no_more_bars_than_can_be_seen() {
        let (_folder, path) = bundle_of(u64::MAX / 2);
        let told = open(&path).unwrap().told();
        assert!(told["orders"].as_array().unwrap().len() <= 1000, "{told}");
    }

    #[test]
    fn another_verdict_than_the_bundles_own_is_said() {
        let (_folder, path) = bundle();
        let file = path.join("verdict.json");
        let then = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, then.replacen("\"broke\"", "\"held\"", 2)).unwrap();
        let differs = open(&path).unwrap().differs.unwrap();
        assert!(differs.ends_with("differs from the bundle: stock was held"), "{differs}");
        std::fs::remove_file(&file).unwrap();
        assert!(open(&path).unwrap().differs.unwrap().contains("no verdict of its own"));
    }

    #[test]
    fn what_is_no_bundle_is_refused_in_words() {
        let (folder, path) = bundle();
        assert!(refused(folder.path()).contains("there is no history.jsonl in it"));
        assert!(refused(&folder.path().join("nothing")).contains("it cannot be read"));
        assert!(refused(&path.join("history.jsonl")).contains("no .tar.gz"));
        let frames = std::fs::read_to_string(path.join("frames.jsonl")).unwrap();
        std::fs::write(path.join("frames.jsonl"), format!("{frames}{{\n")).unwrap();
        assert!(refused(&path).contains("frames.jsonl, line 41, is no frame"));
        std::fs::write(path.join("history.jsonl"), "{}\n").unwrap();
        assert!(refused(&path).contains("history.jsonl in it is no history"));
    }
}
