//! Reads a history, line by line, and says line, column and what was expected where it cannot.
//!
//! It never panics, and keeps no more than what stands in the lines. Called by whoever has the
//! file; makes a [`History`].

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

use super::row::Row;
use super::{FORMAT, Head, History, Line, MAGIC, Names, Shelf};

/// The longest line, in bytes: a replica's log of some hundred thousand orders; a longer one is
/// split into several `log` events.
pub const LINE_BYTES_MAX: usize = 64 << 20;

/// The most of a toy, in stock or in one order, and the least: a file of 2^32 lines adds up to less
/// than 2^63.
pub const QUANTITY_MAX: i64 = 1_000_000_000;

/// The highest version, order number and log index.
pub const NUMBER_MAX: u64 = 1 << 62;

/// Why a file is no history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadInput {
    /// The line, from 1.
    pub line: u64,
    /// The byte in it, from 1.
    pub column: u64,
    /// What is wrong, and what was expected.
    pub expected: String,
}

/// `line 3, column 17: expected …`
impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.expected)
    }
}

impl std::error::Error for BadInput {}

/// Takes lines in, in their order.
#[derive(Debug, Default)]
pub struct Reader {
    line: u32,
    history: Option<History>,
}

/// What a file of another version can still be asked.
#[derive(Deserialize)]
struct AnyHead {
    history: Option<serde_json::Value>,
    format: Option<serde_json::Value>,
}

/// Reads a whole file.
///
/// # Errors
/// At the first line that is not as `docs/formats.md` describes it.
pub fn read(text: &[u8]) -> Result<History, BadInput> {
    let mut reader = Reader::default();
    let mut lines = text.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        if !(line.is_empty() && lines.peek().is_none()) {
            reader.line(line)?;
        }
    }
    reader.finish()
}

impl Reader {
    /// The next line, without its line break.
    ///
    /// # Errors
    /// If it is not as `docs/formats.md` describes it.
    pub fn line(&mut self, text: &[u8]) -> Result<(), BadInput> {
        let Some(line) = self.line.checked_add(1) else {
            return Err(bad(u64::from(self.line), 1, "expected fewer than 2^32 lines".into()));
        };
        self.line = line;
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.len() > LINE_BYTES_MAX {
            let expected = format!("expected a line of at most {LINE_BYTES_MAX} bytes");
            return Err(bad(u64::from(line), LINE_BYTES_MAX as u64 + 1, expected));
        }
        match &mut self.history {
            None => self.history = Some(head(text)?),
            Some(history) => {
                let parsed: Line = serde_json::from_slice(text).map_err(|e| json(line, &e))?;
                Row { line, text, history }.take(&parsed)?;
            }
        }
        Ok(())
    }

    /// The history, after the last line.
    ///
    /// # Errors
    /// If there was not even a first line.
    pub fn finish(self) -> Result<History, BadInput> {
        let empty = || bad(1, 1, format!("expected a first line with \"history\":\"{MAGIC}\""));
        self.history.ok_or_else(empty)
    }
}

pub(super) fn bad(line: u64, column: u64, expected: String) -> BadInput {
    BadInput { line, column, expected }
}

/// The library's own words, without its place: a line is a whole text to it.
fn json(line: u32, error: &serde_json::Error) -> BadInput {
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or_default().to_string();
    bad(u64::from(line), error.column().max(1) as u64, words)
}

fn head(text: &[u8]) -> Result<History, BadInput> {
    let column = |field| column_of(text, field);
    let any: AnyHead = serde_json::from_slice(text).map_err(|error| json(1, &error))?;
    if any.history.as_ref().and_then(|magic| magic.as_str()) != Some(MAGIC) {
        let expected = format!("expected \"history\":\"{MAGIC}\", the mark of a history");
        return Err(bad(1, column("history"), expected));
    }
    match any.format.as_ref().and_then(serde_json::Value::as_u64) {
        Some(FORMAT) => {}
        Some(format) if format > FORMAT => {
            let expected = format!(
                "this is a history of format {format}; this program reads format {FORMAT}: \
                 take a newer one"
            );
            return Err(bad(1, column("format"), expected));
        }
        Some(_) | None => {
            return Err(bad(1, column("format"), format!("expected \"format\":{FORMAT}")));
        }
    }
    let head: Head = serde_json::from_slice(text).map_err(|error| json(1, &error))?;
    if head.clock != "us" {
        return Err(bad(1, column("clock"), "expected \"clock\":\"us\" (microseconds)".into()));
    }
    if head.restock.is_some_and(|rule| !(1..=QUANTITY_MAX).contains(&rule.to)) {
        let expected = format!("expected a restock to 1 to {QUANTITY_MAX}");
        return Err(bad(1, column("restock"), expected));
    }
    if head.orders > NUMBER_MAX {
        return Err(bad(1, column("orders"), format!("expected a number up to {NUMBER_MAX}")));
    }
    let mut names = Names::default();
    let mut catalogue = Vec::new();
    let mut seen = BTreeSet::new();
    for shelf in &head.catalogue {
        let toy = names.put(&shelf.toy);
        if !seen.insert(toy) {
            let expected = format!("expected each toy once, but {:?} stands twice", shelf.toy);
            return Err(bad(1, column("catalogue"), expected));
        }
        if shelf.quantity.abs_diff(0) > QUANTITY_MAX as u64 || shelf.version > NUMBER_MAX {
            let expected = format!("expected at most {QUANTITY_MAX} of {:?}", shelf.toy);
            return Err(bad(1, column("catalogue"), expected));
        }
        catalogue.push(Shelf { toy, quantity: shelf.quantity, version: shelf.version });
    }
    let (keys, operations, events) = (Names::default(), Vec::new(), Vec::new());
    Ok(History { head, catalogue, names, keys, operations, events })
}

/// The column of a field's name, or of the line's end, where it would be added.
pub(super) fn column_of(text: &[u8], field: &str) -> u64 {
    let quoted = format!("\"{field}\"");
    let place = text.windows(quoted.len()).position(|part| part == quoted.as_bytes());
    place.unwrap_or(text.len().saturating_sub(1)) as u64 + 1
}
