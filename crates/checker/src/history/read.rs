//! Reads a history, line by line, and says line, column and what was expected where it cannot.
//!
//! It never panics, and keeps no more than what stands in the lines. Called by whoever has the
//! file; makes a [`History`].

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

use super::{
    Asked, Bought, Event, EventKind, FORMAT, FateKind, Head, History, Line, Logged, LoggedLine,
    MAGIC, Name, Names, OpKind, Operation, Outcome, OutcomeKind, Reason, Refused, Shelf,
};

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

fn bad(line: u64, column: u64, expected: String) -> BadInput {
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
fn column_of(text: &[u8], field: &str) -> u64 {
    let quoted = format!("\"{field}\"");
    let place = text.windows(quoted.len()).position(|part| part == quoted.as_bytes());
    place.unwrap_or(text.len().saturating_sub(1)) as u64 + 1
}

/// One line on its way into the history.
struct Row<'a> {
    line: u32,
    text: &'a [u8],
    history: &'a mut History,
}

impl Row<'_> {
    fn wrong(&self, field: &str, expected: String) -> BadInput {
        bad(u64::from(self.line), column_of(self.text, field), expected)
    }

    fn need<T: Copy>(&self, field: &str, value: Option<T>, of: &str) -> Result<T, BadInput> {
        value.ok_or_else(|| self.wrong(field, format!("expected the field `{field}` {of}")))
    }

    fn name(
        &mut self,
        field: &str,
        text: Option<&super::Text<'_>>,
        of: &str,
    ) -> Result<Name, BadInput> {
        match text {
            Some(text) => Ok(self.history.names.put(&text.0)),
            None => Err(self.wrong(field, format!("expected the field `{field}` {of}"))),
        }
    }

    fn key(&mut self, line: &Line<'_>, of: &str) -> Result<Name, BadInput> {
        match &line.key {
            Some(text) => Ok(self.history.keys.put(&text.0)),
            None => Err(self.wrong("key", format!("expected the field `key` {of}"))),
        }
    }

    /// Numbers that can be added up.
    fn bounds(&self, line: &Line<'_>) -> Result<(), BadInput> {
        let logged = || line.orders.iter().flatten();
        let quantities = line.quantity.into_iter().chain(logged().map(|order| order.quantity));
        if !quantities.into_iter().all(|quantity| quantity.abs_diff(0) <= QUANTITY_MAX as u64) {
            let words = format!("expected a quantity from -{QUANTITY_MAX} to {QUANTITY_MAX}");
            return Err(self.wrong("quantity", words));
        }
        let of_logged = |order: &LoggedLine| [Some(order.number), order.version, order.index];
        let numbers = [("order", line.order), ("version", line.version), ("index", line.index)];
        let logged = logged().flat_map(of_logged).map(|number| ("orders", number));
        for (field, number) in numbers.into_iter().chain(logged) {
            if number.is_some_and(|number| number > NUMBER_MAX) {
                return Err(self.wrong(field, format!("expected a number up to {NUMBER_MAX}")));
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &Line<'_>) -> Result<(), BadInput> {
        self.bounds(line)?;
        match (line.op, line.event) {
            (Some(op), None) => {
                let operation = self.operation(op, line)?;
                self.history.operations.push(operation);
            }
            (None, Some(event)) => {
                let event = self.event(event, line)?;
                self.history.events.push(event);
            }
            (Some(_), Some(_)) => {
                return Err(self.wrong("event", "expected `op` or `event`, not both".into()));
            }
            (None, None) => {
                return Err(self.wrong("op", "expected the field `op` or `event`".into()));
            }
        }
        Ok(())
    }

    fn operation(&mut self, op: OpKind, line: &Line<'_>) -> Result<Operation, BadInput> {
        let client = self.need("client", line.client, "of an operation")?;
        let invoked = self.need("invoked", line.invoked, "of an operation")?;
        let returned = self.need("returned", line.returned, "of an operation")?;
        if returned < invoked {
            let words = format!("expected `returned` not before `invoked` ({invoked})");
            return Err(self.wrong("returned", words));
        }
        if returned == super::NEVER_RETURNED {
            return Err(self.wrong("returned", "expected a time below 2^64 - 1".into()));
        }
        let asked = self.asked(op, line)?;
        let outcome = self.outcome(op, line)?;
        let session = match &line.session {
            Some(session) => self.history.names.put(&session.0),
            None => self.history.names.put(&client.to_string()),
        };
        let put = |text: &super::Text<'_>| self.history.names.put(&text.0);
        let [process, node] = [&line.process, &line.node].map(Option::as_ref);
        let (process, node) = (process.map(put), node.map(|n| self.history.names.put(&n.0)));
        let attempts = line.attempts.unwrap_or(1);
        let line = self.line;
        Ok(Operation {
            line,
            client,
            session,
            process,
            node,
            invoked,
            returned,
            attempts,
            asked,
            outcome,
        })
    }

    fn asked(&mut self, op: OpKind, line: &Line<'_>) -> Result<Asked, BadInput> {
        Ok(match op {
            OpKind::Read => Asked::Read { toy: self.name("toy", line.toy.as_ref(), "of a read")? },
            OpKind::Buy => Asked::Buy {
                toy: self.name("toy", line.toy.as_ref(), "of a purchase")?,
                quantity: self.need("quantity", line.quantity, "of a purchase: how many")?,
                key: line.key.as_ref().map(|key| self.history.keys.put(&key.0)),
            },
            OpKind::Order => {
                Asked::Order { number: self.need("order", line.order, "of a read of an order")? }
            }
            OpKind::Fate | OpKind::Resolve => {
                let key = self.key(line, "of a question about a request")?;
                Asked::Fate { key, resolve: op == OpKind::Resolve }
            }
        })
    }

    fn outcome(&mut self, op: OpKind, line: &Line<'_>) -> Result<Outcome, BadInput> {
        Ok(match self.need("outcome", line.outcome, "of an operation")? {
            OutcomeKind::Unknown => Outcome::Unknown,
            OutcomeKind::Unavailable => Outcome::Unavailable,
            OutcomeKind::Refused => Outcome::Refused(self.refused(line)?),
            OutcomeKind::Ok => match op {
                OpKind::Read => Outcome::Product {
                    quantity: self.need("quantity", line.quantity, "that was seen")?,
                    version: line.version,
                    cache: line.cache,
                },
                OpKind::Buy => Outcome::Bought(self.bought(line)?),
                OpKind::Order => Outcome::Found {
                    toy: self.name("toy", line.toy.as_ref(), "that was seen")?,
                    quantity: self.need("quantity", line.quantity, "that was seen")?,
                    index: line.index,
                },
                OpKind::Fate | OpKind::Resolve => match self.need("fate", line.fate, "told")? {
                    FateKind::Recorded => Outcome::FateRecorded(self.bought(line)?),
                    FateKind::Refused => Outcome::FateRefused(self.refused(line)?),
                    FateKind::Never => Outcome::FateNever,
                    FateKind::Pending | FateKind::Unknown => Outcome::FateOpen,
                },
            },
        })
    }

    fn bought(&self, line: &Line<'_>) -> Result<Bought, BadInput> {
        let order = self.need("order", line.order, "of what was bought: its number")?;
        Ok(Bought { order, version: line.version, index: line.index })
    }

    fn refused(&self, line: &Line<'_>) -> Result<Refused, BadInput> {
        let reason: Reason = self.need("reason", line.reason, "of a refusal")?;
        Ok(Refused { reason, version: line.version, index: line.index })
    }

    fn event(&mut self, event: EventKind, line: &Line<'_>) -> Result<Event, BadInput> {
        Ok(match event {
            EventKind::Restock => Event::Restock {
                at: self.need("at", line.at, "of a restock")?,
                toy: self.name("toy", line.toy.as_ref(), "of a restock")?,
                quantity: self.need("quantity", line.quantity, "of a restock: how many now")?,
            },
            EventKind::Leader => Event::Leader {
                at: self.need("at", line.at, "of a change of the leader")?,
                node: self.name("node", line.node.as_ref(), "that leads")?,
                term: line.term.as_ref().map(|term| self.history.names.put(&term.0)),
            },
            EventKind::Fault => {
                let at = self.need("at", line.at, "of a fault")?;
                let until = line.until.unwrap_or(at);
                if until < at {
                    let words = format!("expected `until` not before `at` ({at})");
                    return Err(self.wrong("until", words));
                }
                Event::Fault {
                    at,
                    until,
                    node: line.node.as_ref().map(|node| self.history.names.put(&node.0)),
                    what: self.name("what", line.what.as_ref(), "of a fault")?,
                }
            }
            EventKind::Log => {
                let node = self.name("node", line.node.as_ref(), "whose log it is")?;
                let Some(orders) = &line.orders else {
                    return Err(self.wrong("orders", "expected the field `orders` of a log".into()));
                };
                Event::Log { node, orders: orders.iter().map(|o| self.logged(o)).collect() }
            }
            EventKind::Stock => Event::Stock {
                toy: self.name("toy", line.toy.as_ref(), "in stock")?,
                quantity: self.need("quantity", line.quantity, "in stock")?,
                version: line.version,
            },
        })
    }

    fn logged(&mut self, order: &LoggedLine<'_>) -> Logged {
        Logged {
            line: self.line,
            number: order.number,
            toy: self.history.names.put(&order.toy.0),
            quantity: order.quantity,
            key: order.key.as_ref().map(|key| self.history.keys.put(&key.0)),
            version: order.version,
            index: order.index,
        }
    }
}
