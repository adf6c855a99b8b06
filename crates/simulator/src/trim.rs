//! Less of a plan: which of a seed's faults and questions are kept, how many shoppers and rounds,
//! and until when. What a failing run is shrunk to, and replayed from.
//!
//! Written by `shrink`, read from the command line, obeyed by [`Plan::trimmed`](crate::plan::Plan).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use replication::Time;

/// What is left of a plan; the default leaves everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trim {
    /// The faults that are kept, by their place in the plan.
    pub faults: Option<BTreeSet<usize>>,
    /// The questions of the asker that are kept.
    pub asks: Option<BTreeSet<usize>>,
    /// At most so many shoppers.
    pub shoppers: Option<u8>,
    /// At most so many rounds each.
    pub rounds: Option<u32>,
    /// Everything heals at this time.
    pub until: Option<Time>,
    /// Another noise of network and disks.
    pub noise: u64,
}

/// `3,7-9`: places and ranges of them, in order.
fn write_places(f: &mut fmt::Formatter<'_>, places: &BTreeSet<usize>) -> fmt::Result {
    let mut rest = places.iter().copied().peekable();
    let mut first = true;
    while let Some(from) = rest.next() {
        let mut to = from;
        while rest.next_if_eq(&(to + 1)).is_some() {
            to += 1;
        }
        let comma = if std::mem::take(&mut first) { "" } else { "," };
        match from == to {
            true => write!(f, "{comma}{from}")?,
            false => write!(f, "{comma}{from}-{to}")?,
        }
    }
    Ok(())
}

fn read_places(text: &str) -> Option<BTreeSet<usize>> {
    let mut places = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        places.extend(from.parse::<usize>().ok()?..=to.parse().ok()?);
    }
    Some(places)
}

impl fmt::Display for Trim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blank = "";
        if let Some(faults) = &self.faults {
            write!(f, "faults=")?;
            write_places(f, faults)?;
            blank = " ";
        }
        if let Some(asks) = &self.asks {
            write!(f, "{blank}asks=")?;
            write_places(f, asks)?;
            blank = " ";
        }
        let numbers = [
            ("shoppers", self.shoppers.map(u64::from)),
            ("rounds", self.rounds.map(u64::from)),
            ("until_ms", self.until.map(|until| until.0 / 1000)),
            ("noise", Some(self.noise).filter(|noise| *noise > 0)),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                write!(f, "{blank}{name}={number}")?;
                blank = " ";
            }
        }
        Ok(())
    }
}

impl FromStr for Trim {
    type Err = String;

    /// Reads what [`Display`](fmt::Display) writes: `faults=3,7-9 asks= shoppers=2 until_ms=4000`.
    fn from_str(text: &str) -> Result<Trim, String> {
        let wrong = |part: &str| {
            format!("{part:?}: expected such as \"faults=3,7-9 asks= shoppers=2 rounds=10\"")
        };
        let mut trim = Trim::default();
        for part in text.split_whitespace() {
            let (name, value) = part.split_once('=').ok_or_else(|| wrong(part))?;
            let number = || value.parse::<u64>().map_err(|_| wrong(part));
            let places = || read_places(value).ok_or_else(|| wrong(part));
            match name {
                "faults" => trim.faults = Some(places()?),
                "asks" => trim.asks = Some(places()?),
                "shoppers" => trim.shoppers = u8::try_from(number()?).ok(),
                "rounds" => trim.rounds = u32::try_from(number()?).ok(),
                "until_ms" => trim.until = Some(Time(0) + Duration::from_millis(number()?)),
                "noise" => trim.noise = number()?,
                _ => return Err(wrong(part)),
            }
        }
        Ok(trim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trim_reads_back_what_it_writes() {
        let texts = ["", "faults=3,7-9", "asks= shoppers=2 rounds=10 until_ms=4000 noise=3"];
        for text in texts {
            assert_eq!(text.parse::<Trim>().unwrap().to_string(), text);
        }
        for wrong in ["faults", "faults=x", "faults=3-", "hats=3", "rounds=-1"] {
            assert!(wrong.parse::<Trim>().is_err(), "{wrong}");
        }
    }
}
