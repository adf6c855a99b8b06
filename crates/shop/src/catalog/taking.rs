//! Takes as they are asked for: what is known already, what goes into the log, and the answers.
//!
//! Part of [`Catalog`]; called by its `serve`. The takes themselves are in
//! [`takes`](super::takes).

use std::collections::BTreeMap;

use replication::{Term, Time};

use super::command::{Command, Item, ToyId};
use super::serve::{TAKE_ITEMS_MAX, TAKES_MAX};
use super::stock::Applied;
use super::takes::Outcome;
use super::{Catalog, Proposal, Then, reply};
use crate::message::{Problem, Request, TakeItem};
use crate::node::{Effect, Token};

impl Catalog {
    pub(super) fn on_take(
        &mut self,
        now: Time,
        token: Token,
        (term, floor, asked): (Term, u64, Vec<TakeItem>),
        confirmed: bool,
        effects: &mut Vec<Effect>,
    ) {
        if asked.len() > TAKE_ITEMS_MAX {
            let problem = format!("{} takes in a batch: at most {TAKE_ITEMS_MAX}", asked.len());
            return reply(effects, token, Err(Problem::Bad(problem)));
        }
        if let Err(problem) = self.serving(now) {
            return reply(effects, token, Err(problem));
        }
        let number = |take: &TakeItem| Item {
            number: take.number,
            request_id: take.order.request_id,
            toy: self.stock.find(&take.order.name),
            quantity: take.order.quantity,
        };
        let items: Vec<Item> = asked.iter().map(number).collect();
        let allowed = self.stock.check_take(term, floor, &items);
        // By number: another number of a known request is new to the log, which must remember it
        // for as long as that number may be asked again.
        let known = |item: &Item| self.stock.takes().answer(term, item.number);
        let answers: Vec<_> = items.iter().map(|item| (item.number, known(item))).collect();
        let unknown: Vec<Item> =
            items.iter().zip(&answers).filter(|(_, a)| a.1.is_none()).map(|(i, _)| *i).collect();
        // Without anything new, the floor can wait for the next batch; an empty one carries it.
        let known = unknown.is_empty() && !items.is_empty();
        if (known || allowed.is_err()) && !self.certain(confirmed) {
            let request = Request::Take { term, floor, items: asked };
            return self.wait_for_barrier(token, request, effects);
        }
        if let Err(problem) = allowed {
            return reply(effects, token, Err(problem));
        }
        if known {
            let outcomes = answers.into_iter().filter_map(|(n, known)| Some((n, known?))).collect();
            return self.visibility.answer(now, token, outcomes, &self.stock, effects);
        }
        if let Err(problem) = self.writing().and_then(|()| self.room_for(unknown.len())) {
            return reply(effects, token, Err(problem));
        }
        let touches = self.would_change(&unknown);
        let then = Then::AnswerTakes { token, answers, new_items: unknown.len() };
        let command = Command::Take { term, floor, items: unknown };
        self.propose(now, &command, touches, then, effects);
    }

    /// Whether so many more takes can be remembered.
    pub(super) fn room_for(&self, items: usize) -> Result<(), Problem> {
        let on_their_way = |proposal: &Proposal| match &proposal.then {
            Then::AnswerTakes { new_items, .. } => *new_items,
            Then::Nothing
            | Then::Recorded { .. }
            | Then::Begun
            | Then::Answer { .. }
            | Then::Grant { .. }
            | Then::Unregistered { .. }
            | Then::Restocked { .. }
            | Then::Closed => 0,
        };
        let proposed: usize = self.proposals.iter().map(on_their_way).sum();
        if self.stock.takes().outstanding() + proposed + items > TAKES_MAX {
            let what = format!("{TAKES_MAX} takes are not settled");
            return Err(Problem::Unavailable(what));
        }
        Ok(())
    }

    /// The toys that these takes may change. A toy that no other command on its way touches has
    /// the quantity that is applied, so a take that it will refuse is known, and empties no cache:
    /// else orders for a toy that is sold out would drop it from every cache, again and again.
    fn would_change(&self, items: &[Item]) -> Vec<ToyId> {
        let mut left: BTreeMap<ToyId, (u64, bool)> = BTreeMap::new();
        for item in items {
            let Some(toy) = item.toy else { continue };
            let quantity = self.stock.shelf(toy).quantity;
            let (left, changes) = left.entry(toy).or_insert((quantity, false));
            let wanted = u64::from(item.quantity.get());
            if self.visibility.changing(toy) {
                *changes = true;
            } else if wanted <= *left {
                *left -= wanted;
                *changes = true;
            }
        }
        left.into_iter().filter(|(_, (_, changes))| *changes).map(|(toy, _)| toy).collect()
    }

    /// A batch of takes is applied.
    pub(super) fn on_taken(
        &mut self,
        now: Time,
        token: Token,
        answers: Vec<(u64, Option<Outcome>)>,
        applied: Applied,
        effects: &mut Vec<Effect>,
    ) {
        let Applied::Takes(decided) = applied else { unreachable!("takes give takes") };
        let decided = match decided {
            Ok(decided) => decided,
            Err(problem) => return reply(effects, token, Err(problem)),
        };
        let mut decided = decided.into_iter();
        let mut next = || decided.next().expect("each unknown item of the batch was decided").1;
        let outcomes =
            answers.into_iter().map(|(n, known)| (n, known.unwrap_or_else(&mut next))).collect();
        self.visibility.answer(now, token, outcomes, &self.stock, effects);
    }
}
