//! What a new store sells: the built-in catalogue, and the reader of `--catalogue FILE.csv`.
//!
//! A bad line is refused with line, column and what was expected, since a person wrote it and must
//! mend it. Called by the shell (which reads the file) and by [`Catalog`](super::Catalog), which
//! records the catalogue in its log when its disk is empty; afterwards the disk wins.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::toy::{Cents, ToyName};

/// The most toys a catalogue may have. What each one costs is in ARCHITECTURE.md.
pub const TOYS_MAX: usize = 1_000_000;

/// The most of one toy that a catalogue may put in stock: sums of such numbers stay far from the
/// end of 64 bits.
pub const QUANTITY_MAX: u64 = 1_000_000_000;

/// The first line of a catalogue file.
pub const HEADER: &str = "name,price,quantity";

/// One line of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Toy {
    /// In the spelling that every answer will carry.
    pub name: ToyName,
    /// The price of one.
    pub price: Cents,
    /// How many are in stock at first.
    pub quantity: u64,
}

/// The first ten are those of the original project, with its prices; the others are toys of the
/// National Toy Hall of Fame. Prices in cents; 100 of each.
const BUILT_IN: [(&str, u64); 31] = [
    ("Tux", 2599),
    ("Whale", 1999),
    ("Elephant", 2099),
    ("Dolphin", 1599),
    ("Fox", 999),
    ("Monopoly", 4999),
    ("Lego", 2999),
    ("Marbles", 499),
    ("Frisbee", 249),
    ("Bicycle", 9999),
    ("Barbie", 1499),
    ("Candy Land", 1299),
    ("Checkers", 899),
    ("Chess", 2499),
    ("Crayola Crayons", 399),
    ("Dominoes", 1199),
    ("Easy-Bake Oven", 4499),
    ("Erector Set", 5999),
    ("Etch A Sketch", 1799),
    ("Hula Hoop", 799),
    ("Jigsaw Puzzle", 1399),
    ("Lincoln Logs", 3999),
    ("Lionel Trains", 19999),
    ("Play-Doh", 699),
    ("Radio Flyer Wagon", 8999),
    ("Rubik's Cube", 1099),
    ("Scrabble", 2199),
    ("Slinky", 349),
    ("Teddy Bear", 1899),
    ("View-Master", 1699),
    ("Yo-Yo", 599),
];

/// The stock of each toy of the built-in catalogue.
const BUILT_IN_QUANTITY: u64 = 100;

/// The catalogue of a store that was given none.
pub fn built_in() -> Vec<Toy> {
    let toy = |(name, cents): (&str, u64)| Toy {
        name: name.parse().expect("a test reads every built-in name"),
        price: Cents(cents),
        quantity: BUILT_IN_QUANTITY,
    };
    BUILT_IN.into_iter().map(toy).collect()
}

/// What is wrong with a catalogue file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What should stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CatalogueError { line, column, expected, found } = self;
        write!(f, "line {line}, column {column}: expected {expected}, found {found}")
    }
}

impl std::error::Error for CatalogueError {}

/// Reads a catalogue: a header `name,price,quantity`, then one toy a line. Fields may be quoted
/// (`"Ball, red"`, with `""` for a quote); lines end with LF or CRLF; empty lines are skipped; a
/// byte order mark is accepted, since spreadsheets write one.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(text: &str) -> Result<Vec<Toy>, CatalogueError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate().map(|(at, text)| (at + 1, text));
    let header = lines.next().map_or("", |(_, text)| text);
    if header.trim_end() != HEADER {
        return Err(wrong(1, 1, format!("the header {HEADER}"), shown(header)));
    }
    let mut toys = Vec::new();
    let mut seen: BTreeMap<ToyName, usize> = BTreeMap::new();
    for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
        if toys.len() == TOYS_MAX {
            let expected = format!("the end of the file, after {TOYS_MAX} toys");
            return Err(wrong(line, 1, expected, "one more".to_string()));
        }
        let toy = toy(line, text)?;
        if let Some(first) = seen.insert(toy.name.clone(), line) {
            let expected = format!("a name that is not on line {first} already");
            return Err(wrong(line, 1, expected, shown(toy.name.spelling())));
        }
        toys.push(toy);
    }
    if toys.is_empty() {
        let line = text.lines().count() + 1;
        let expected = "at least one toy, such as Tux,25.99,100".to_string();
        return Err(wrong(line, 1, expected, "the end of the file".to_string()));
    }
    Ok(toys)
}

/// One field of a line, without its quotes.
struct Field {
    /// Where it begins, in characters from 1.
    column: usize,
    text: String,
}

fn toy(line: usize, text: &str) -> Result<Toy, CatalogueError> {
    let fields = fields(line, text)?;
    let [name, price, quantity] = fields.as_slice() else {
        let expected = format!("the three fields {HEADER}");
        let found = match fields.len() {
            1 => "1 field".to_string(),
            count => format!("{count} fields"),
        };
        let column = fields.get(3).map_or(text.chars().count() + 1, |extra| extra.column);
        return Err(wrong(line, column, expected, found));
    };
    let at = |field: &Field, expected: &str| {
        wrong(line, field.column, expected.to_string(), shown(&field.text))
    };
    let expected = "a name of 1 to 64 characters without control characters";
    let parsed = name.text.trim().parse();
    let toy_name: ToyName = parsed.map_err(|_| at(name, expected))?;
    let cents: Cents = price.text.trim().parse().map_err(|_| at(price, "a price such as 25.99"))?;
    let number = quantity.text.trim().parse().ok().filter(|number| *number <= QUANTITY_MAX);
    let expected = "a whole number from 0 to 1000000000";
    let quantity = number.ok_or_else(|| at(quantity, expected))?;
    Ok(Toy { name: toy_name, price: cents, quantity })
}

/// Splits a line at its commas, as RFC 4180 has it; a field does not go on in the next line.
fn fields(line: usize, text: &str) -> Result<Vec<Field>, CatalogueError> {
    let mut fields = Vec::new();
    let mut characters = text.chars().enumerate().map(|(at, c)| (at + 1, c)).peekable();
    loop {
        let column = characters.peek().map_or(text.chars().count() + 1, |(at, _)| *at);
        let mut field = String::new();
        if characters.next_if(|(_, c)| *c == '"').is_some() {
            loop {
                match characters.next() {
                    Some((_, '"')) if characters.next_if(|(_, c)| *c == '"').is_some() => {
                        field.push('"');
                    }
                    Some((_, '"')) => break,
                    Some((_, c)) => field.push(c),
                    None => {
                        let expected = "the quote that ends this field".to_string();
                        return Err(wrong(line, column, expected, "the end of the line".into()));
                    }
                }
            }
        } else {
            while let Some((_, c)) = characters.next_if(|(_, c)| *c != ',') {
                field.push(c);
            }
        }
        fields.push(Field { column, text: field });
        match characters.next() {
            None => return Ok(fields),
            Some((_, ',')) => {}
            Some((at, c)) => {
                let expected = "a comma or the end of the line after the quote".to_string();
                return Err(wrong(line, at, expected, shown(&c.to_string())));
            }
        }
    }
}

fn wrong(line: usize, column: usize, expected: String, found: String) -> CatalogueError {
    CatalogueError { line, column, expected, found }
}

/// A piece of the file as an error shows it: quoted, and not longer than a line.
fn shown(text: &str) -> String {
    /// Enough to recognise the place.
    const CHARACTERS_MAX: usize = 40;
    if text.is_empty() {
        return "nothing".to_string();
    }
    let short: String = text.chars().take(CHARACTERS_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{more}")
}
