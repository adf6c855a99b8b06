//! Recording what a new store sells, before anybody serves.
//!
//! In parts, each a command of its own, since a long catalogue is more than one message between
//! replicas, or one write to the disk, should carry. The next part is proposed when the last one is
//! applied; the last one together with [`Command::Begin`], by which everybody knows that the
//! catalogue is whole. A leader that ends between them leaves a beginning that the next one puts
//! its own in place of: nothing of it was ever shown or sold.
//!
//! Part of [`Catalog`]; called by its `lifecycle`.

use replication::Time;

use super::catalogue::{self, Toy};
use super::command::Command;
use super::shelves::Shelves;
use super::{Catalog, Phase, Then};
use crate::node::Effect;

/// How much of the catalogue one command may hold, in bytes; some thousands of toys.
const PART_BYTES: usize = if cfg!(test) { 400 } else { 256 * 1024 };

/// The most that a toy takes beside its name: two numbers and a length.
const TOY_BYTES: usize = 22;

impl Catalog {
    /// The engine leads, and everything on disk is applied: what is sold is recorded, if it is not
    /// yet, and then that this process begins.
    pub(super) fn record_catalogue(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if !self.stock.has_begun() {
            self.config.toys.get_or_insert_with(catalogue::built_in);
            return self.record_from(now, 0, effects);
        }
        // Kept no longer than it is needed: it may be long.
        let given = self.config.toys.take();
        if let Some(difference) = given.and_then(|toys| difference(&toys, self.stock.shelves())) {
            effects.push(Effect::Warn(format!(
                "the catalogue on disk is kept, the one given differs: {difference}"
            )));
        }
        self.begin(now, effects);
    }

    /// The part that begins with this toy, counted from 0.
    pub(super) fn record_from(&mut self, now: Time, first: usize, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Starting {
            // It was asked to stop meanwhile.
            return;
        }
        let toys = self.config.toys.as_ref().expect("it is kept until it is recorded");
        let mut bytes = 0;
        let fits = |toy: &&Toy| {
            bytes += toy.name.spelling().len() + TOY_BYTES;
            bytes <= PART_BYTES
        };
        let part: Vec<Toy> = toys[first..].iter().take_while(fits).cloned().collect();
        let upto = first + part.len();
        let last = upto == toys.len();
        let command = if first == 0 { Command::Catalogue(part) } else { Command::MoreToys(part) };
        let then = if last { Then::Nothing } else { Then::Recorded { toys: upto } };
        self.propose(now, &command, Vec::new(), then, effects);
        if last {
            self.begin(now, effects);
        }
    }

    fn begin(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let command = Command::Begin { fencing: self.config.fencing };
        self.propose(now, &command, Vec::new(), Then::Begun, effects);
    }
}

/// The first difference between the catalogue given and what the disk says there was at first.
fn difference(given: &[Toy], kept: &Shelves) -> Option<String> {
    if given.len() != kept.len() {
        return Some(format!("{} toys instead of {}", given.len(), kept.len()));
    }
    let mut pairs = given.iter().zip(kept.iter());
    pairs.find_map(|(toy, (name, shelf))| {
        let same = (toy.name.spelling(), toy.price, toy.quantity)
            == (name.spelling(), shelf.price, shelf.initial);
        let given = || format!("{},{},{}", toy.name, toy.price, toy.quantity);
        (!same).then(|| format!("{} instead of {name},{},{}", given(), shelf.price, shelf.initial))
    })
}
