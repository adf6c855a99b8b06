//! All toys of the catalog: their names, and their shelves in the bytes in which a snapshot carries
//! them.
//!
//! A million toys must not make an order dearer, nor stop the store while a snapshot is made. So
//! rows stand in pages of [`PAGE_ROWS`], which a snapshot shares: making one touches no row, and a
//! page is copied when it is first changed afterwards. Sums, and what is sold out, are kept change
//! by change; a name is found by halving a list that is sorted by hash.
//!
//! Part of [`Stock`](super::stock::Stock). What it costs by size is in ARCHITECTURE.md.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::catalogue::Toy;
use super::command::ToyId;
use super::shelf::{ROW_BYTES, Shelf};
use crate::toy::ToyName;

/// Rows of a page: what is copied at most when one of them is changed, 16 KiB.
const PAGE_ROWS: usize = 256;

const PAGE_BYTES: usize = PAGE_ROWS * ROW_BYTES;

/// All toys together, with the account of their pieces:
/// `initial + restocked = in_stock + sold + unsettled`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Totals {
    /// How many toys there are.
    pub toys: u64,
    /// Of how many of them nothing is in stock.
    pub sold_out: u64,
    /// How many pieces are in stock.
    pub in_stock: u64,
    /// How many there were at first.
    pub initial: u64,
    /// How many were added by restocking.
    pub restocked: u64,
    /// How many were taken by orders that are known to be recorded.
    pub sold: u64,
    /// How many are taken, with the fate of their order open.
    pub unsettled: u64,
}

/// Every toy, in catalogue order.
///
/// Invariant: names are distinct; there is a row for each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shelves {
    /// In the catalogue's spelling.
    names: Vec<ToyName>,
    /// The same as a snapshot has them, one behind the other.
    spelled: Bytes,
    /// Every toy, sorted by hash, then by name: comparing numbers is ten times cheaper.
    by_name: Vec<(u32, ToyId)>,
    pages: Vec<Bytes>,
    /// Of all rows; `toys` and `sold_out` are counted elsewhere.
    sums: Sums,
    sold_out: BTreeSet<ToyId>,
}

impl Shelves {
    /// How many toys there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none: nothing is recorded yet.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// One toy.
    pub fn get(&self, toy: ToyId) -> Shelf {
        let (page, at) = (toy.place() / PAGE_ROWS, toy.place() % PAGE_ROWS * ROW_BYTES);
        Shelf::read(&self.pages[page][at..at + ROW_BYTES])
    }

    /// The name of one, in the catalogue's spelling.
    pub fn name(&self, toy: ToyId) -> &ToyName {
        &self.names[toy.place()]
    }

    /// The toy of a name, in any spelling.
    pub fn find(&self, name: &ToyName) -> Option<ToyId> {
        let wanted = (hash(name), name);
        let named = |(hash, toy): &(u32, ToyId)| (*hash, self.name(*toy)).cmp(&wanted);
        let found = self.by_name.binary_search_by(named);
        found.ok().map(|at| self.by_name[at].1)
    }

    /// Every toy's number.
    pub fn ids(&self) -> impl Iterator<Item = ToyId> + use<> {
        (0..self.names.len()).map(toy_id)
    }

    /// Every toy.
    pub fn iter(&self) -> impl Iterator<Item = (&ToyName, Shelf)> {
        let rows = self.pages.iter().flat_map(|page| page.chunks_exact(ROW_BYTES));
        self.names.iter().zip(rows.map(Shelf::read))
    }

    /// Those of which nothing is in stock.
    pub fn sold_out(&self) -> &BTreeSet<ToyId> {
        &self.sold_out
    }

    /// The account of all toys together.
    pub fn totals(&self) -> Totals {
        let Sums { in_stock, initial, restocked, taken, given_back, unsettled } = self.sums;
        Totals {
            toys: self.names.len() as u64,
            sold_out: self.sold_out.len() as u64,
            in_stock,
            initial,
            restocked,
            sold: taken - given_back - unsettled,
            unsettled,
        }
    }

    /// Puts toys behind those that are there.
    ///
    /// # Panics
    /// If there is one of that name already.
    pub(super) fn extend(&mut self, toys: &[Toy]) {
        let mut spelled = own(std::mem::take(&mut self.spelled));
        for toy in toys {
            spelled = spell(&toy.name, spelled);
            self.names.push(toy.name.clone());
            self.push(&Shelf::new(toy));
        }
        self.spelled = spelled.freeze();
        self.sort_names().expect("a catalogue's names are distinct");
    }

    /// What is on a shelf changed.
    pub(super) fn put(&mut self, toy: ToyId, shelf: &Shelf) {
        let (page, at) = (toy.place() / PAGE_ROWS, toy.place() % PAGE_ROWS * ROW_BYTES);
        let mut bytes = own(std::mem::take(&mut self.pages[page]));
        let row = &mut bytes[at..at + ROW_BYTES];
        self.sums.replace(&Shelf::read(row), shelf);
        shelf.write(row);
        self.pages[page] = bytes.freeze();
        self.note_sold_out(toy, shelf);
    }

    /// Their bytes: the names, then the rows.
    pub(super) fn parts(&self) -> impl Iterator<Item = Bytes> {
        [&self.spelled].into_iter().chain(&self.pages).cloned()
    }

    /// How many of those bytes are names.
    pub(super) fn names_bytes(&self) -> usize {
        self.spelled.len()
    }

    /// So many toys from those bytes.
    ///
    /// # Errors
    /// If they are not that many, or no account of their pieces can be right.
    pub(super) fn read(toys: usize, mut names: &[u8], rows: &[u8]) -> Result<Shelves, String> {
        if toys.checked_mul(ROW_BYTES) != Some(rows.len()) {
            return Err("there are more toys, or fewer, than it says".to_string());
        }
        // Copied, so that they outlive the snapshot in front of them, and pages can be changed.
        let spelled = Bytes::copy_from_slice(names);
        let pages = rows.chunks(PAGE_BYTES).map(Bytes::copy_from_slice).collect();
        let mut shelves = Shelves { spelled, pages, ..Shelves::default() };
        for _ in 0..toys {
            let (name, rest) =
                postcard::take_from_bytes(names).map_err(|error| error.to_string())?;
            shelves.names.push(name);
            names = rest;
        }
        if !names.is_empty() {
            return Err("there are names of no toys".to_string());
        }
        shelves.sort_names()?;
        for (place, row) in rows.chunks_exact(ROW_BYTES).enumerate() {
            shelves.count(toy_id(place), &Shelf::read(row))?;
        }
        Ok(shelves)
    }

    /// Toys as an older snapshot has them, one by one.
    ///
    /// # Errors
    /// As [`Shelves::read`].
    pub(super) fn from_old(toys: Vec<(ToyName, Shelf)>) -> Result<Shelves, String> {
        let (mut names, mut rows) = (BytesMut::new(), vec![0; toys.len() * ROW_BYTES]);
        for ((name, shelf), row) in toys.iter().zip(rows.chunks_exact_mut(ROW_BYTES)) {
            names = spell(name, names);
            shelf.write(row);
        }
        Shelves::read(toys.len(), &names, &rows)
    }

    fn push(&mut self, shelf: &Shelf) {
        let toy = toy_id(self.names.len() - 1);
        if toy.place().is_multiple_of(PAGE_ROWS) {
            self.pages.push(Bytes::new());
        }
        let last = self.pages.last_mut().expect("there is one by now");
        let mut bytes = own(std::mem::take(last));
        let at = bytes.len();
        bytes.resize(at + ROW_BYTES, 0);
        shelf.write(&mut bytes[at..]);
        *last = bytes.freeze();
        self.count(toy, shelf).expect("a catalogue's quantities are bounded");
    }

    /// A toy is there for the first time.
    fn count(&mut self, toy: ToyId, shelf: &Shelf) -> Result<(), String> {
        let sums = self.sums.plus(shelf).filter(|_| shelf.adds_up());
        self.sums = sums.ok_or("pieces appeared or vanished")?;
        self.note_sold_out(toy, shelf);
        Ok(())
    }

    fn note_sold_out(&mut self, toy: ToyId, shelf: &Shelf) {
        if shelf.quantity == 0 {
            self.sold_out.insert(toy);
        } else {
            self.sold_out.remove(&toy);
        }
    }

    /// Sorted anew where toys came; what is sorted already is only merged with them.
    fn sort_names(&mut self) -> Result<(), String> {
        let names = &self.names;
        let name = |toy: &ToyId| &names[toy.place()];
        let new = (self.by_name.len()..names.len()).map(toy_id);
        self.by_name.extend(new.map(|toy| (hash(name(&toy)), toy)));
        self.by_name.sort_by(|(hash, toy), (other_hash, other)| {
            hash.cmp(other_hash).then_with(|| name(toy).cmp(name(other)))
        });
        let same =
            |pair: &&[(u32, ToyId)]| pair[0].0 == pair[1].0 && name(&pair[0].1) == name(&pair[1].1);
        let twice = self.by_name.windows(2).find(same);
        twice.map_or(Ok(()), |pair| Err(format!("{} is there twice", name(&pair[0].1))))
    }
}

/// Of a name's key; nothing is kept that depends on which numbers these are.
fn hash(name: &ToyName) -> u32 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    (hasher.finish() >> 32) as u32
}

/// Sums over all shelves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Sums {
    in_stock: u64,
    initial: u64,
    restocked: u64,
    taken: u64,
    given_back: u64,
    unsettled: u64,
}

impl Sums {
    /// `None`: more than 64 bits hold.
    fn plus(self, shelf: &Shelf) -> Option<Sums> {
        Some(Sums {
            in_stock: self.in_stock.checked_add(shelf.quantity)?,
            initial: self.initial.checked_add(shelf.initial)?,
            restocked: self.restocked.checked_add(shelf.restocked)?,
            taken: self.taken.checked_add(shelf.taken)?,
            given_back: self.given_back.checked_add(shelf.given_back)?,
            unsettled: self.unsettled.checked_add(shelf.unsettled)?,
        })
    }

    fn replace(&mut self, old: &Shelf, new: &Shelf) {
        self.in_stock = self.in_stock - old.quantity + new.quantity;
        self.restocked = self.restocked - old.restocked + new.restocked;
        self.taken = self.taken - old.taken + new.taken;
        self.given_back = self.given_back - old.given_back + new.given_back;
        self.unsettled = self.unsettled - old.unsettled + new.unsettled;
    }
}

/// A name behind those that are written already.
fn spell(name: &ToyName, names: BytesMut) -> BytesMut {
    postcard::to_extend(name, names).expect("a buffer grows, and a name is a string")
}

/// Bytes to be changed: copied first, if a snapshot has it too.
fn own(page: Bytes) -> BytesMut {
    page.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]))
}

fn toy_id(place: usize) -> ToyId {
    ToyId(u32::try_from(place).expect("a catalogue has at most TOYS_MAX toys"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::Cents;

    /// Toys of three pages, of which the last is not full; every seventh is sold out.
    const TOYS: usize = 2 * PAGE_ROWS + 7;

    fn toys() -> Vec<Toy> {
        let toy = |number: usize| Toy {
            // So that the order of names is not that of the catalogue.
            name: format!("toy-{:03}", number * 211 % TOYS).parse().unwrap(),
            price: Cents(number as u64),
            quantity: (number % 7) as u64,
        };
        (0..TOYS).map(toy).collect()
    }

    fn shelves(part: usize) -> Shelves {
        let mut shelves = Shelves::default();
        for part in toys().chunks(part) {
            shelves.extend(part);
        }
        shelves
    }

    fn bytes(parts: impl Iterator<Item = Bytes>) -> Vec<u8> {
        parts.flatten().collect()
    }

    /// What is kept change by change, added up anew.
    fn added_up(shelves: &Shelves) -> Totals {
        let sum = |of: fn(&Shelf) -> u64| shelves.iter().map(|(_, shelf)| of(&shelf)).sum();
        Totals {
            toys: shelves.iter().count() as u64,
            sold_out: shelves.iter().filter(|(_, shelf)| shelf.quantity == 0).count() as u64,
            in_stock: sum(|shelf| shelf.quantity),
            initial: sum(|shelf| shelf.initial),
            restocked: sum(|shelf| shelf.restocked),
            sold: sum(Shelf::sold),
            unsettled: sum(|shelf| shelf.unsettled),
        }
    }

    #[test]
    fn in_whatever_parts_they_come_every_toy_is_found() {
        let whole = shelves(TOYS);
        for part in [1, 100, PAGE_ROWS, PAGE_ROWS + 1] {
            let shelves = shelves(part);
            assert_eq!(bytes(shelves.parts()), bytes(whole.parts()), "{part} at a time");
            assert_eq!(shelves.totals(), added_up(&shelves));
            for (toy, id) in toys().iter().zip(shelves.ids()) {
                assert_eq!(shelves.find(&toy.name), Some(id));
                assert_eq!(shelves.get(id), Shelf::new(toy));
            }
        }
        assert_eq!(whole.find(&"toy-999".parse().unwrap()), None);
    }

    #[test]
    fn a_snapshot_stays_as_it_was_and_can_be_read_again() {
        let mut shelves = shelves(TOYS);
        let (before, parts): (_, Vec<Bytes>) = (shelves.clone(), shelves.parts().collect());
        let written = bytes(parts.iter().cloned());
        for toy in [0, PAGE_ROWS, TOYS - 1].map(toy_id) {
            for left in [0, 5] {
                let mut shelf = shelves.get(toy);
                shelf.restocked += 5;
                shelf.taken += shelf.quantity + 5 - left;
                shelf.quantity = left;
                shelf.change();
                shelves.put(toy, &shelf);
                assert_eq!(shelves.get(toy), shelf);
                assert_eq!(shelves.totals(), added_up(&shelves));
                assert_eq!(shelves.sold_out().contains(&toy), left == 0);
            }
        }
        assert_eq!(bytes(parts.into_iter()), written);
        let (names, rows) = written.split_at(before.names_bytes());
        assert_eq!(Shelves::read(TOYS, names, rows), Ok(before));
    }

    #[test]
    fn bytes_that_cannot_be_shelves_are_refused() {
        let shelves = shelves(TOYS);
        let written = bytes(shelves.parts());
        let (names, rows) = written.split_at(shelves.names_bytes());
        let refused =
            |toys, names: &[u8], rows: &[u8]| Shelves::read(toys, names, rows).unwrap_err();
        assert!(refused(TOYS + 1, names, rows).contains("more toys, or fewer"));
        assert!(refused(usize::MAX, names, rows).contains("more toys, or fewer"));
        let more = [names, &[1, b'x'][..]].concat();
        assert!(refused(TOYS, &more, rows).contains("names of no toys"));
        let twice = [&names[..8], names].concat();
        let rows_twice = [&rows[..ROW_BYTES], rows].concat();
        assert!(refused(TOYS + 1, &twice, &rows_twice).contains("is there twice"));
        let mut wrong = rows.to_vec();
        wrong[15] += 1;
        assert!(refused(TOYS, names, &wrong).contains("appeared or vanished"));
    }
}
