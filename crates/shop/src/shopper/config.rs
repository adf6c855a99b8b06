//! What a shopper is told at its start.
//!
//! Made by the shell from flags (or by a test), read by every other file of this folder.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::pace::Pace;
use crate::message::Consistency;
use crate::toy::ToyName;

/// How often a failed request is tried again, unless told otherwise: the original client's number.
pub const RETRIES_DEFAULT: u32 = 3;

/// How long a shopper waits before it tries again, unless told otherwise: the original client's
/// number.
pub const RETRY_INTERVAL_DEFAULT: Duration = Duration::from_secs(2);

/// How long one call may take. Longer than a frontend's own deadline (8 s), so that the frontend's
/// "outcome unknown" is heard before the shopper gives up by itself (bug zoo: timeout-mismatch).
pub const CALL_DEADLINE_DEFAULT: Duration = Duration::from_secs(10);

/// How many requests a shopper makes, unless told otherwise: the original client's number.
pub const REQUESTS_DEFAULT: u32 = 20;

/// A probability in millionths: exact, and the same on every machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probability(u32);

impl Probability {
    /// One: always.
    pub const ONE: u32 = 1_000_000;

    /// # Errors
    /// If it is more than one.
    pub fn from_millionths(millionths: u32) -> Result<Probability, String> {
        if millionths > Probability::ONE {
            return Err(format!("{millionths} millionths are more than 1"));
        }
        Ok(Probability(millionths))
    }

    /// In millionths.
    pub fn millionths(self) -> u32 {
        self.0
    }

    /// This share of `number`, rounded to the nearest.
    pub fn share_of(self, number: u32) -> u32 {
        let product = u64::from(self.0) * u64::from(number) + u64::from(Probability::ONE / 2);
        u32::try_from(product / u64::from(Probability::ONE)).unwrap_or(number)
    }
}

impl FromStr for Probability {
    type Err = String;

    /// Reads `0`, `1`, `0.5`, `.25`: at most six decimals.
    fn from_str(text: &str) -> Result<Probability, String> {
        let wrong = || format!("{text:?} is not a probability: expected 0 to 1, as 0.5");
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if text.len() == text.matches('.').count() || !digits(whole) || !digits(decimals) {
            return Err(wrong());
        }
        if decimals.len() > 6 || whole.len() > 3 {
            return Err(wrong());
        }
        let whole: u32 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| wrong())? };
        let decimals: u32 = format!("{decimals:0<6}").parse().map_err(|_| wrong())?;
        Probability::from_millionths(whole * Probability::ONE + decimals).map_err(|_| wrong())
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:06}", self.0 % Probability::ONE);
        let decimals = decimals.trim_end_matches('0');
        let dot = if decimals.is_empty() { "" } else { "." };
        write!(f, "{}{dot}{decimals}", self.0 / Probability::ONE)
    }
}

/// How it is drawn after which queries a shopper orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Draw {
    /// Each time with probability p: the lab.
    #[default]
    Independent,
    /// p times n of the n times, at positions drawn in advance: the original project.
    Exact,
}

impl fmt::Display for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Draw::Independent => "independent",
            Draw::Exact => "exact",
        })
    }
}

/// What a shopper is told at its start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Its number: in the CSV file, in `Session-ID`, in its request ids.
    pub session: u32,
    /// The frontends it may use, tried in turn; not empty.
    pub frontends: Vec<u8>,
    /// The toys to choose from. Empty: asks for the list first.
    pub toys: Vec<ToyName>,
    /// How many toys it looks at.
    pub requests: u32,
    /// How often it orders one that it saw in stock.
    pub probability: Probability,
    /// How that is drawn.
    pub draw: Draw,
    /// How often it reads, after a round, one of its orders again.
    pub lookups: Probability,
    /// How often a request that fails is tried again.
    pub retries: u32,
    /// How long it waits before that.
    pub retry_interval: Duration,
    /// How long it thinks after each round, so that it shops for a while; zero: not at all.
    pub pause: Duration,
    /// When its looks and orders are meant to begin; absent: as soon as what was before has ended,
    /// and it has thought. With a pace it does not think.
    pub pace: Option<Pace>,
    /// How long one call may take, see [`CALL_DEADLINE_DEFAULT`].
    pub call_deadline: Duration,
    /// How fresh the answers to its reads must be.
    pub consistency: Consistency,
    /// Fixes every choice. A store remembers request ids, which are made of the seed: two runs
    /// against one store need two seeds.
    pub seed: u64,
}

impl Config {
    /// The defaults: 20 requests, p = 0, three retries 2 s apart.
    pub fn new(session: u32, frontends: Vec<u8>, seed: u64) -> Config {
        Config {
            session,
            frontends,
            toys: Vec::new(),
            requests: REQUESTS_DEFAULT,
            probability: Probability::default(),
            draw: Draw::Independent,
            lookups: Probability::default(),
            retries: RETRIES_DEFAULT,
            retry_interval: RETRY_INTERVAL_DEFAULT,
            pause: Duration::ZERO,
            pace: None,
            call_deadline: CALL_DEADLINE_DEFAULT,
            consistency: Consistency::Linearizable,
            seed,
        }
    }
}
