//! What is sold: names, prices, quantities, products.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a toy, 1 to 64 characters, in the spelling that its speaker used.
///
/// Names match without regard to case: equality, order and hash are those of [`ToyName::key`].
/// Only the catalog knows the catalogue's own spelling, and puts it into its answers.
#[derive(Clone)]
pub struct ToyName {
    /// The spelling; behind it the key, if that is another: names are made and copied for each
    /// order, so that one is one piece of memory.
    text: Arc<str>,
    /// Where the spelling ends.
    end: usize,
}

impl ToyName {
    /// The longest name, in characters.
    pub const CHARACTERS_MAX: usize = 64;

    /// The name as it was written.
    pub fn spelling(&self) -> &str {
        &self.text[..self.end]
    }

    /// The name in lower case: what is compared.
    pub fn key(&self) -> &str {
        if self.end == self.text.len() { &self.text } else { &self.text[self.end..] }
    }
}

impl FromStr for ToyName {
    type Err = String;

    fn from_str(text: &str) -> Result<ToyName, String> {
        let characters = text.chars().count();
        if characters == 0 || characters > ToyName::CHARACTERS_MAX {
            return Err(format!("a toy's name has 1 to 64 characters, this one has {characters}"));
        }
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            return Err(format!("a toy's name holds no control characters, this one {control:?}"));
        }
        let end = text.len();
        if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
            return Ok(ToyName { text: text.into(), end });
        }
        let key = text.to_lowercase();
        let both = if key == text { text.into() } else { [text, &key].concat().into() };
        Ok(ToyName { text: both, end })
    }
}

impl Serialize for ToyName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.spelling())
    }
}

impl<'de> Deserialize<'de> for ToyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ToyName, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = ToyName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ToyName, E> {
                text.parse().map_err(E::custom)
            }
        }

        // As a visitor, since a `String` that is thrown away would be made otherwise.
        deserializer.deserialize_str(Name)
    }
}

impl fmt::Debug for ToyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.spelling(), f)
    }
}

impl PartialEq for ToyName {
    fn eq(&self, other: &ToyName) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ToyName {}

impl PartialOrd for ToyName {
    fn partial_cmp(&self, other: &ToyName) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ToyName {
    fn cmp(&self, other: &ToyName) -> std::cmp::Ordering {
        self.key().cmp(other.key())
    }
}

impl std::hash::Hash for ToyName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// So that a map keyed by names can be asked with a lower-case `&str`.
impl std::borrow::Borrow<str> for ToyName {
    fn borrow(&self) -> &str {
        self.key()
    }
}

impl fmt::Display for ToyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spelling())
    }
}

/// A price in cents; written as a number with two decimals.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Cents(pub u64);

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl FromStr for Cents {
    type Err = String;

    /// Reads `25`, `25.9` or `25.99`.
    fn from_str(text: &str) -> Result<Cents, String> {
        let wrong = || format!("{text:?} is not a price: expected a number such as 25.99");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "00"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 2 {
            return Err(wrong());
        }
        let tens = if fraction.len() == 1 { 10 } else { 1 };
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        let fraction: u64 = fraction.parse().map_err(|_| wrong())?;
        whole
            .checked_mul(100)
            .and_then(|c| c.checked_add(fraction * tens))
            .map(Cents)
            .ok_or_else(wrong)
    }
}

/// How many of a toy one order may ask for: 1 to [`Quantity::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quantity(u32);

impl Quantity {
    /// The largest order.
    pub const MAX: u32 = 1_000_000;

    /// # Errors
    /// Says the range, if `number` is outside it.
    pub fn new(number: i64) -> Result<Quantity, String> {
        match u32::try_from(number) {
            Ok(number @ 1..=Quantity::MAX) => Ok(Quantity(number)),
            Ok(_) | Err(_) => {
                Err(format!("quantity must be a whole number from 1 to 1000000, not {number}"))
            }
        }
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Quantity {
    type Error = String;

    fn try_from(number: u32) -> Result<Quantity, String> {
        Quantity::new(i64::from(number))
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> u32 {
        quantity.0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Counts the changes of one toy's stock, from 1. Every answer about a toy names it: that is what
/// makes a history checkable in linear time.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Version(pub u64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// A toy as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Product {
    /// In the catalogue's spelling.
    pub name: ToyName,
    /// The price of one.
    pub price: Cents,
    /// How many are in stock.
    pub quantity: u64,
    /// Which state of the stock this is.
    pub version: Version,
}

/// `Tux 25.99 x100 v1`.
impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} x{} {}", self.name, self.price, self.quantity, self.version)
    }
}
