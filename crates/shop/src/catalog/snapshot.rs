//! The catalog's state in the bytes of a snapshot, and back.
//!
//! ```text
//! format, 1 │ how many toys, bytes of names, and everything short │ names │ rows
//! ```
//!
//! Names and rows are shared with [`Shelves`], so that a snapshot is made in microseconds, however
//! many toys there are. Called by the node ([`mod`](super)) and by [`recovered`](super::recovered).

use std::collections::BTreeMap;

use bytes::Bytes;
use replication::{StateBytes, View};
use serde::{Deserialize, Serialize};

use super::catalogue::TOYS_MAX;
use super::shelf::Shelf;
use super::shelves::Shelves;
use super::stock::{Registration, Stock};
use super::takes::Takes;
use crate::toy::{Cents, ToyName, Version};

/// The first byte of a snapshot.
const FORMAT: u8 = 2;

/// That of one that an older toystore wrote.
const OLD_FORMAT: u8 = 1;

/// What stands first: how much there is of what stands last.
#[derive(Serialize, Deserialize)]
struct Counts {
    toys: usize,
    names_bytes: usize,
}

impl Stock {
    /// The state in a snapshot; the initial one if it is empty.
    ///
    /// # Errors
    /// If a newer version wrote it, or it is damaged.
    pub fn restore(state: &StateBytes) -> Result<Stock, String> {
        let bytes = state.whole();
        let read = match bytes.split_first() {
            None => return Ok(Stock::default()),
            Some((&FORMAT, body)) => read(body),
            Some((&OLD_FORMAT, body)) => read_old(body),
            Some((format, _)) => {
                let reads = format!("this version reads {OLD_FORMAT} and {FORMAT}");
                return Err(format!("the catalog's snapshot has format {format}; {reads}"));
            }
        };
        let stock = read.map_err(|error| format!("the catalog's snapshot is damaged: {error}"))?;
        if !stock.takes.fit(&stock.shelves) {
            return Err("the catalog's snapshot contradicts itself".to_string());
        }
        Ok(stock)
    }

    /// The whole state; equal states give equal bytes.
    pub fn snapshot(&self) -> StateBytes {
        let counts = Counts { toys: self.shelves.len(), names_bytes: self.shelves.names_bytes() };
        let head = postcard::to_extend(&(counts, self), vec![FORMAT]);
        let head = head.expect("a vector grows and our types have nothing unknown to postcard");
        [Bytes::from(head)].into_iter().chain(self.shelves.parts()).collect()
    }
}

fn read(bytes: &[u8]) -> Result<Stock, String> {
    let ((counts, mut stock), rest) =
        postcard::take_from_bytes::<(Counts, Stock)>(bytes).map_err(|error| error.to_string())?;
    let Counts { toys, names_bytes } = counts;
    bounded(toys)?;
    let (names, rows) = rest.split_at_checked(names_bytes).ok_or("fewer names than it says")?;
    stock.shelves = Shelves::read(toys, names, rows)?;
    Ok(stock)
}

fn bounded(toys: usize) -> Result<(), String> {
    if toys > TOYS_MAX {
        return Err(format!("it has {toys} toys, and there can be {TOYS_MAX}"));
    }
    Ok(())
}

/// The state as [`OLD_FORMAT`] has it.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
struct Old {
    shelves: Vec<OldShelf>,
    incarnation: u64,
    fencing: bool,
    view: View,
    takes: Takes,
    frontends: BTreeMap<u8, Registration>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
struct OldShelf {
    name: ToyName,
    price: Cents,
    quantity: u64,
    version: Version,
    initial: u64,
    restocked: u64,
    taken: u64,
    given_back: u64,
    unsettled: u64,
}

fn read_old(bytes: &[u8]) -> Result<Stock, String> {
    let old: Old = postcard::from_bytes(bytes).map_err(|error| error.to_string())?;
    let Old { shelves, incarnation, fencing, view, takes, frontends } = old;
    bounded(shelves.len())?;
    let shelf = |old: OldShelf| {
        let OldShelf { name, price, quantity, version, initial, .. } = old;
        let OldShelf { restocked, taken, given_back, unsettled, .. } = old;
        let shelf =
            Shelf { price, quantity, version, initial, restocked, taken, given_back, unsettled };
        (name, shelf)
    };
    let shelves = Shelves::from_old(shelves.into_iter().map(shelf).collect())?;
    Ok(Stock { shelves, incarnation, fencing, view, takes, frontends })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::catalogue;
    use crate::catalog::command::Command;

    fn stock() -> Stock {
        let mut stock = Stock::default();
        stock.apply(Command::Catalogue(catalogue::built_in()));
        stock.apply(Command::Begin { fencing: true });
        let (url, incarnation) = ("http://a".to_string(), 7);
        stock.apply(Command::Register { frontend: 1, url, incarnation });
        stock
    }

    #[test]
    fn what_an_older_toystore_wrote_is_read() {
        let stock = stock();
        let shelf = |(name, shelf): (&ToyName, Shelf)| OldShelf {
            name: name.clone(),
            price: shelf.price,
            quantity: shelf.quantity,
            version: shelf.version,
            initial: shelf.initial,
            restocked: shelf.restocked,
            taken: shelf.taken,
            given_back: shelf.given_back,
            unsettled: shelf.unsettled,
        };
        let old = Old {
            shelves: stock.shelves.iter().map(shelf).collect(),
            incarnation: stock.incarnation,
            fencing: stock.fencing,
            view: stock.view.clone(),
            takes: stock.takes.clone(),
            frontends: stock.frontends.clone(),
        };
        let bytes = postcard::to_extend(&old, vec![OLD_FORMAT]).unwrap();
        assert_eq!(Stock::restore(&bytes.into()), Ok(stock));
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        let whole = stock().snapshot().whole();
        assert_eq!(Stock::restore(&whole.clone().into()), Ok(stock()));
        let refused = |bytes: &[u8]| Stock::restore(&bytes.to_vec().into()).unwrap_err();
        assert!(refused(&[3]).contains("has format 3; this version reads 1 and 2"));
        for end in 1..whole.len() {
            assert!(refused(&whole[..end]).contains("damaged"), "{end} of {}", whole.len());
        }
        assert!(refused(&[&whole[..], &[0]].concat()).contains("damaged"));
    }
}
