//! The catalog's durable state: what is on the shelves, which takes are open, who may lead, which
//! frontends may hold a lease.
//!
//! A deterministic state machine over the catalog's log: the node ([`mod`](super)) proposes
//! [`Command`]s, the engine orders them and makes them durable, [`Stock::apply`] executes them.
//! Every decision is made here, at the moment of applying: what the node checked before it proposed
//! may have changed meanwhile.
//!
//! Invariant, for each toy: `initial + restocked = quantity + sold + unsettled`, where
//! `sold + unsettled = taken - given_back`. The quantity is never negative, and the version rises
//! by one with each change of it.

use std::collections::BTreeMap;

use replication::planted::{Bug, planted};
use replication::{Term, View};
use serde::{Deserialize, Serialize};

use super::catalogue::Toy;
use super::command::{Command, Item, ToyId};
use super::shelf::Shelf;
use super::shelves::Shelves;
use super::takes::{Kept, Outcome, Takes};
use super::view::{ProposedView, Verdict, judge};
use crate::message::{NewOrder, Problem, Refusal, RequestId, Settled, Unsettled};
use crate::toy::{Product, Quantity, ToyName, Version};

/// A frontend that may hold a lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Registration {
    /// Where to reach it.
    pub url: String,
    /// Which process of it.
    pub incarnation: u64,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Nothing to be told to anybody but that it is done.
    Done,
    /// A take batch: one outcome for each item.
    Takes(Result<Vec<(u64, Outcome)>, Problem>),
    /// The view in force and what the new leader must settle.
    View(Result<(View, Vec<Unsettled>), Problem>),
    /// Takes were settled.
    Settled(Result<Vec<PutBack>, Problem>),
    /// Toys were restocked.
    Restocked(Vec<Restocked>),
}

/// A toy that was sold out and is there again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Restocked {
    /// Which, in the catalogue's spelling.
    pub name: ToyName,
    /// How many there are now.
    pub quantity: u64,
    /// The version that this made.
    pub version: Version,
}

/// A take that was put back, since its order was never recorded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PutBack {
    /// Of which toy, in the catalogue's spelling.
    pub name: ToyName,
    /// How many.
    pub quantity: Quantity,
    /// For which request it was taken.
    pub request_id: RequestId,
    /// The version that the take had made.
    pub taken: Version,
    /// The version that putting it back made.
    pub version: Version,
}

/// The state machine. What serde leaves out, [`Stock::snapshot`] writes behind the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stock {
    /// Fixed, but for what is on them, once a process began to serve.
    #[serde(skip)]
    pub(super) shelves: Shelves,
    /// How often a process of the catalog began to serve.
    pub(super) incarnation: u64,
    /// Whether takes of other terms than the view's are refused.
    pub(super) fencing: bool,
    /// Who leads the order replicas.
    pub(super) view: View,
    /// What may be asked for again, or must be settled.
    pub(super) takes: Takes,
    /// Who may hold a lease, now or after a restart.
    pub(super) frontends: BTreeMap<u8, Registration>,
}

impl Stock {
    /// Executes one command.
    pub fn apply(&mut self, command: Command) -> Applied {
        match command {
            Command::Catalogue(toys) => {
                self.shelves = Shelves::default();
                self.record(&toys)
            }
            Command::MoreToys(toys) => self.record(&toys),
            Command::Begin { fencing } => {
                self.incarnation += 1;
                self.fencing = fencing;
                Applied::Done
            }
            Command::View(proposal) => Applied::View(self.put_view(proposal)),
            Command::Take { term, floor, items } => Applied::Takes(self.take(term, floor, &items)),
            Command::Settle { term, takes } => Applied::Settled(self.settle(term, &takes)),
            Command::Restock { toys, level } => self.restock(&toys, level),
            Command::Register { frontend, url, incarnation } => {
                self.frontends.insert(frontend, Registration { url, incarnation });
                Applied::Done
            }
            Command::Unregister { frontend, incarnation } => {
                if self.frontends.get(&frontend).is_some_and(|r| r.incarnation == incarnation) {
                    self.frontends.remove(&frontend);
                }
                Applied::Done
            }
            Command::Close => {
                self.frontends.clear();
                Applied::Done
            }
        }
    }

    /// All toys.
    pub fn shelves(&self) -> &Shelves {
        &self.shelves
    }

    /// One toy.
    pub fn shelf(&self, toy: ToyId) -> Shelf {
        self.shelves.get(toy)
    }

    /// The name of one, in the catalogue's spelling.
    pub fn name(&self, toy: ToyId) -> &ToyName {
        self.shelves.name(toy)
    }

    /// One toy as a reader sees it.
    pub fn product(&self, toy: ToyId) -> Product {
        let Shelf { price, quantity, version, .. } = self.shelf(toy);
        Product { name: self.name(toy).clone(), price, quantity, version }
    }

    /// The toy of a name, in any spelling.
    pub fn find(&self, name: &ToyName) -> Option<ToyId> {
        self.shelves.find(name)
    }

    /// Whether a process ever began to serve: before, the catalogue may be recorded in part.
    pub fn has_begun(&self) -> bool {
        self.incarnation > 0
    }

    /// How often a process of the catalog began to serve: the first half of a lease's generation.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Who leads the order replicas.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The remembered takes.
    pub fn takes(&self) -> &Takes {
        &self.takes
    }

    /// The registered frontends.
    pub fn frontends(&self) -> &BTreeMap<u8, Registration> {
        &self.frontends
    }

    /// Whether a batch of takes may be executed as things stand.
    ///
    /// # Errors
    /// `Fenced` for another term than the view's, `Unavailable` while takes of lower terms are
    /// unsettled (a client's retry would adopt one that is being put back), and those of
    /// [`Takes::check`].
    pub fn check_take(&self, term: Term, floor: u64, items: &[Item]) -> Result<(), Problem> {
        if self.fencing {
            let late = term < self.view.term && planted(Bug::NoFence);
            if term != self.view.term && !late || term == Term::ZERO {
                return Err(Problem::Fenced(self.view.clone()));
            }
            let settled = self.takes.unsettled_below(term).next().is_none();
            if !settled && !planted(Bug::TakeBeforeSettled) && !planted(Bug::NoFence) {
                let what = "takes of older terms are not settled yet";
                return Err(Problem::Unavailable(what.to_string()));
            }
        }
        self.takes.check(term, floor, items)
    }

    /// Whether the fate of takes may be told as things stand.
    ///
    /// # Errors
    /// `Fenced` for another term than the view's.
    pub fn check_settle(&self, term: Term) -> Result<(), Problem> {
        if self.fencing && term != self.view.term {
            return Err(Problem::Fenced(self.view.clone()));
        }
        Ok(())
    }

    /// The answer to a view that is in force: every unsettled take of lower terms.
    pub fn view_answer(&self) -> (View, Vec<Unsettled>) {
        let view = self.view.clone();
        if !self.fencing || planted(Bug::TakesUnlisted) {
            return (view, Vec::new());
        }
        let order = |kept: &Kept| {
            let toy = kept.item.toy.expect("only a toy of the catalogue can be held");
            NewOrder {
                request_id: kept.item.request_id,
                name: self.name(toy).clone(),
                quantity: kept.item.quantity,
            }
        };
        let unsettled = self.takes.unsettled_below(view.term).map(|(term, kept)| Unsettled {
            term,
            number: kept.item.number,
            order: order(&kept),
        });
        let unsettled = unsettled.collect();
        (view, unsettled)
    }

    fn record(&mut self, toys: &[Toy]) -> Applied {
        assert!(!self.has_begun(), "the catalogue is recorded before anybody serves");
        self.shelves.extend(toys);
        Applied::Done
    }

    /// Fences and lists in one step: listed first, a take could land between and leak.
    fn put_view(&mut self, proposal: ProposedView) -> Result<(View, Vec<Unsettled>), Problem> {
        if judge(&self.view, &proposal)? == Verdict::Grant {
            if self.fencing {
                self.takes.fence(proposal.view.term);
            }
            self.view = proposal.view;
        }
        Ok(self.view_answer())
    }

    fn take(
        &mut self,
        term: Term,
        floor: u64,
        items: &[Item],
    ) -> Result<Vec<(u64, Outcome)>, Problem> {
        self.check_take(term, floor, items)?;
        for sold in self.takes.raise_floor(term, floor) {
            self.release(&sold);
        }
        let outcomes = items.iter().map(|item| (item.number, self.take_one(term, item))).collect();
        if !self.fencing {
            self.takes.bound_terms();
        }
        Ok(outcomes)
    }

    /// At most once for each request of a term: a known one gets its answer again, and what it
    /// took stays with the number that took it.
    fn take_one(&mut self, term: Term, item: &Item) -> Outcome {
        if let Some(kept) = self.takes.known(term, item) {
            if kept.item.number != item.number {
                self.takes.keep(term, Kept { item: *item, held: false, ..kept });
            }
            return kept.outcome;
        }
        let quantity = u64::from(item.quantity.get());
        let refused = |refusal, version| Outcome::Refused { refusal, toy: item.toy, version };
        let outcome = match item.toy {
            None => refused(Refusal::Unknown, Version(0)),
            Some(toy) => {
                let mut shelf = self.shelf(toy);
                let left = shelf.quantity.checked_sub(quantity);
                if let Some(left) = left.or(planted(Bug::Oversell).then_some(0)) {
                    shelf.quantity = left;
                    shelf.taken += quantity;
                    shelf.unsettled += quantity;
                    shelf.change();
                    self.shelves.put(toy, &shelf);
                    Outcome::Taken { toy, version: shelf.version }
                } else {
                    refused(Refusal::Insufficient, shelf.version)
                }
            }
        };
        let held = matches!(outcome, Outcome::Taken { .. });
        self.takes.keep(term, Kept { item: *item, outcome, held });
        outcome
    }

    fn settle(&mut self, term: Term, takes: &[Settled]) -> Result<Vec<PutBack>, Problem> {
        self.check_settle(term)?;
        let mut put_back = Vec::new();
        for settled in takes {
            // Without fencing nobody speaks for another term, and a higher one is nobody's past.
            if settled.term > term || (!self.fencing && settled.term != term) {
                continue;
            }
            let held = self.takes.held(settled.term, settled.number);
            if let Some(kept) = held {
                let toy = self.release(&kept);
                if !settled.recorded {
                    let quantity = u64::from(kept.item.quantity.get());
                    let mut shelf = self.shelf(toy);
                    shelf.quantity += quantity;
                    shelf.given_back += quantity;
                    shelf.change();
                    self.shelves.put(toy, &shelf);
                    if let Outcome::Taken { version: taken, .. } = kept.outcome {
                        let Item { quantity, request_id, .. } = kept.item;
                        let (name, version) = (self.name(toy).clone(), shelf.version);
                        put_back.push(PutBack { name, quantity, request_id, taken, version });
                    }
                }
            }
            if settled.recorded {
                self.takes.record(settled.term, settled.number, term);
            } else {
                self.takes.give_up(settled.term, settled.number, term);
            }
        }
        Ok(put_back)
    }

    /// What a take holds is not open any more.
    fn release(&mut self, kept: &Kept) -> ToyId {
        let toy = kept.item.toy.expect("only a toy of the catalogue can be held");
        let mut shelf = self.shelf(toy);
        shelf.unsettled -= u64::from(kept.item.quantity.get());
        self.shelves.put(toy, &shelf);
        toy
    }

    fn restock(&mut self, toys: &[ToyId], level: u64) -> Applied {
        let mut restocked = Vec::new();
        for toy in toys {
            let mut shelf = self.shelf(*toy);
            if shelf.quantity == 0 && level > 0 {
                shelf.quantity = level;
                shelf.restocked += level;
                shelf.change();
                self.shelves.put(*toy, &shelf);
                let (name, version) = (self.name(*toy).clone(), shelf.version);
                restocked.push(Restocked { name, quantity: level, version });
            }
        }
        Applied::Restocked(restocked)
    }
}
