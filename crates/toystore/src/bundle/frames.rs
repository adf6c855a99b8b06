//! The frames of a run: what all nodes said of themselves at one moment, a line of JSON each.
//!
//! A frame is what the page's stream carries (`command::dashboard`), with one field more:
//! `clock_ms`, where it stands on the clock of the run's history. However long a run is, its frames
//! fit into memory and into a bundle: when there are too many, every second one goes.
//!
//! Pure. Collected by rounds of the page and by the commands `run` and `sim`, read by
//! [`super::opened`].

use serde::Deserialize;
use serde_json::Value;

/// The most frames of a bundle; even, so that what is left of it is evenly spread.
const FRAMES_MAX: usize = 1200;

/// The most bytes of all of them.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// Frames as they come, evenly thinned.
#[derive(Debug)]
pub struct Collected {
    lines: Vec<String>,
    bytes: usize,
    /// How many came.
    seen: usize,
    /// One of so many is kept.
    one_in: usize,
    /// The newest, if it is not kept: the end of a run is part of it.
    last: Option<String>,
}

impl Default for Collected {
    fn default() -> Collected {
        Collected { lines: vec![], bytes: 0, seen: 0, one_in: 1, last: None }
    }
}

impl Collected {
    /// Adds a frame, as [`frame`] or [`placed`] makes it.
    pub fn add(&mut self, line: String) {
        let is_kept = self.seen.is_multiple_of(self.one_in);
        self.seen += 1;
        if !is_kept {
            self.last = Some(line);
            return;
        }
        self.last = None;
        self.bytes += line.len();
        self.lines.push(line);
        while self.lines.len() > 1 && (self.lines.len() > FRAMES_MAX || self.bytes > BYTES_MAX) {
            self.thin();
        }
    }

    /// Every second one goes.
    fn thin(&mut self) {
        let mut place = 0;
        let last = self.lines.last().cloned();
        self.lines.retain(|_| {
            place += 1;
            place % 2 == 1
        });
        self.last = last.filter(|last| self.lines.last() != Some(last));
        self.one_in *= 2;
        self.bytes = self.lines.iter().map(String::len).sum();
    }

    /// All that are kept, and the newest.
    pub fn lines(mut self) -> Vec<String> {
        self.lines.extend(self.last);
        self.lines
    }
}

/// A frame of what was seen, `clock_ms` after the history's clock began.
pub fn frame(number: u64, at_ms: u64, clock_ms: u64, mut seen: Value) -> String {
    seen["number"] = number.into();
    seen["at_ms"] = at_ms.into();
    placed(&seen.to_string(), clock_ms)
}

/// A frame of the page's stream as a bundle has it; an object, as all frames are.
pub fn placed(frame: &str, clock_ms: u64) -> String {
    format!("{{\"clock_ms\":{clock_ms},{}", frame.trim_start_matches('{'))
}

/// A frame of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its number, larger than that of the one before.
    pub number: u64,
    /// On the clock of whoever looked, in milliseconds.
    pub at_ms: u64,
    /// On the history's clock, in milliseconds.
    pub clock_ms: u64,
    /// All of it, one line.
    pub json: String,
}

/// What is read of a frame here; the page reads all.
#[derive(Deserialize)]
struct Head {
    number: u64,
    at_ms: u64,
    clock_ms: u64,
    nodes: Vec<Node>,
}

/// Without these no node can be drawn.
#[derive(Deserialize)]
#[expect(dead_code, reason = "what is not read must be there all the same")]
struct Node {
    name: String,
    role: Role,
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Catalog,
    Order,
    Frontend,
}

/// Reads `frames.jsonl`.
///
/// # Errors
/// Says which line is no frame, and why.
pub fn read(text: &str) -> Result<Vec<Frame>, String> {
    let mut frames: Vec<Frame> = vec![];
    for (place, line) in text.lines().enumerate() {
        let wrong = |why: String| format!("frames.jsonl, line {}, is no frame: {why}", place + 1);
        let head: Head = serde_json::from_str(line).map_err(|why| wrong(why.to_string()))?;
        if head.nodes.is_empty() {
            return Err(wrong("it has no nodes".to_string()));
        }
        let Head { number, at_ms, clock_ms, nodes: _ } = head;
        if frames.last().is_some_and(|last| last.number >= number) {
            return Err(wrong("it is older than the one before".to_string()));
        }
        frames.push(Frame { number, at_ms, clock_ms, json: line.to_string() });
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(number: u64, padding: usize) -> String {
        let node = json!({"name": "order-1", "role": "order", "state": "running"});
        let seen = json!({"nodes": [node], "padding": "x".repeat(padding)});
        frame(number, number * 250, number * 250 + 7, seen)
    }

    fn collected(count: u64, padding: usize) -> Vec<Frame> {
        let mut collected = Collected::default();
        (1..=count).for_each(|number| collected.add(made(number, padding)));
        read(&collected.lines().join("\n")).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let frames = collected(3, 0);
        assert_eq!(frames.len(), 3);
        let second = &frames[1];
        assert_eq!((second.number, second.at_ms, second.clock_ms), (2, 500, 507));
        let page: Value = serde_json::from_str(&second.json).unwrap();
        assert_eq!(page["nodes"][0]["name"], "order-1");
    }

    #[test]
    fn a_long_run_is_thinned_evenly_and_has_its_beginning_and_its_end() {
        for count in [1199, 1200, 1201, 2400, 2401, 9999] {
            let frames = collected(count, 0);
            assert!((600..=1201).contains(&frames.len()), "{} of {count}", frames.len());
            assert_eq!((frames[0].number, frames.last().unwrap().number), (1, count));
            let steps: Vec<u64> =
                frames.windows(2).map(|pair| pair[1].number - pair[0].number).collect();
            let (last, others) = steps.split_last().unwrap();
            assert!(others.iter().all(|step| *step == others[0]) && *last <= others[0]);
        }
    }

    #[test]
    fn large_frames_are_thinned_to_their_bound() {
        let frames = collected(90, 1024 * 1024);
        assert!(
            frames.iter().map(|frame| frame.json.len()).sum::<usize>() <= BYTES_MAX + 2_000_000
        );
        assert_eq!((frames[0].number, frames.last().unwrap().number), (1, 90));
    }

    #[test]
    fn a_line_that_is_no_frame_is_named() {
        let check = |line: &str, why: &str| {
            let error = read(&format!("{}\n{line}\n", made(5, 0))).unwrap_err();
            assert!(error.starts_with("frames.jsonl, line 2, is no frame: "), "{error}");
            assert!(error.contains(why), "{error}");
        };
        check("{", "EOF");
        check(r#"{"number":6,"at_ms":9000,"clock_ms":1}"#, "missing field `nodes`");
        check(r#"{"number":6,"at_ms":9000,"clock_ms":1,"nodes":[]}"#, "no nodes");
        let role = r#"{"number":6,"at_ms":9000,"clock_ms":1,
            "nodes":[{"name":"x","role":"cook","state":"running"}]}"#;
        check(&role.replace('\n', " "), "unknown variant `cook`");
        check(&made(4, 0), "older than the one before");
    }
}
