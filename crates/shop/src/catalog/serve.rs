//! What the catalog answers: reads to frontends; takes, views and settlements to order leaders.
//!
//! Part of [`Catalog`]; called by its `step`. Each function either answers at once or proposes a
//! command and answers when that is applied.

use std::collections::BTreeMap;

use replication::planted::{Bug, planted};
use replication::{Term, Time};

use super::command::{Command, Item, ToyId};
use super::stock::Applied;
use super::takes::Outcome;
use super::view::{ProposedView, Verdict, judge};
use super::{Catalog, PROPOSALS_MAX, Phase, Proposal, Then, misdirected, reply};
use crate::invalidation::Invalidation;
use crate::message::{
    CacheUse, Generation, LeaseHolder, Problem, Reply, Request, Settled, TakeItem,
};
use crate::node::{Effect, Token};
use crate::toy::{Product, ToyName};

/// The most remembered takes, over all terms: about 2 MB. A leader whose floor does not rise is
/// stuck, and more takes would only bind more stock.
pub const TAKES_MAX: usize = 16_384;

/// The most takes in one batch.
pub const TAKE_ITEMS_MAX: usize = 1024;

/// The most toys in one page of the list.
pub const LIST_LIMIT_MAX: u32 = 1000;

impl Catalog {
    pub(super) fn on_request(
        &mut self,
        now: Time,
        token: Token,
        request: Request,
        effects: &mut Vec<Effect>,
    ) {
        match request {
            Request::Fill { name, holder } => {
                let response = self.serving(now).and_then(|()| self.fill(now, &name, holder));
                let filled = |(product, generation)| Reply::Filled { product, generation };
                reply(effects, token, response.map(filled));
            }
            Request::ReadProduct { name } => {
                let response = self.serving(now).and_then(|()| self.fill(now, &name, None));
                let read = |(product, _)| Reply::Product { product, cache: CacheUse::Bypass };
                reply(effects, token, response.map(read));
            }
            Request::ListProducts { after, limit } => {
                let response = self.serving(now).and_then(|()| self.list(after.as_ref(), limit));
                reply(effects, token, response.map(Reply::Products));
            }
            Request::Take { term, floor, items } => {
                self.on_take(now, token, term, floor, &items, effects);
            }
            Request::PutView { view, previous, unclean } => {
                let proposal = ProposedView { view, previous, unclean };
                self.on_put_view(now, token, proposal, effects);
            }
            Request::Settle { term, takes } => self.on_settle(now, token, term, takes, effects),
            Request::RenewLease { frontend, url, incarnation } => {
                self.on_renew(now, token, frontend, url, incarnation, effects);
            }
            Request::EndLease { frontend, incarnation } => {
                self.on_end_lease(now, token, frontend, incarnation, effects);
            }
            Request::PlaceOrder(_)
            | Request::ReadOrder { .. }
            | Request::ReadFate { .. }
            | Request::ResolveFate { .. }
            | Request::ReadLeader
            | Request::Lead { .. }
            | Request::PlaceOrders(_)
            | Request::Invalidate { .. }
            | Request::DropCache { .. }
            | Request::ListOrders { .. }
            | Request::ReadDigest { .. }
            | Request::ReadMembers
            | Request::ChangeMembers(_)
            | Request::ReadMissed { .. } => reply(effects, token, Err(misdirected(&request))),
        }
    }

    /// Whether reads and takes are answered.
    fn serving(&self, now: Time) -> Result<(), Problem> {
        self.open(now).map_err(Problem::Unavailable)
    }

    /// The same, for the health check: `Err` says what is missing.
    pub(super) fn open(&self, now: Time) -> Result<(), String> {
        let what = match self.phase {
            Phase::Open => return Ok(()),
            Phase::Starting => "the catalog is starting".to_string(),
            Phase::Revoking => {
                let until = self.leases.holders().values().map(|h| h.expires).max();
                let left = until.map_or(0, |until| until.since(now).as_millis());
                format!("the catalog revokes the leases of its last run, {left} ms at most")
            }
            Phase::Stopping | Phase::Closing | Phase::Stopped => "the catalog stops".to_string(),
        };
        Err(what)
    }

    /// Whether views, settlements and leases are answered: earlier than reads, for none of them
    /// shows stock to anybody.
    pub(super) fn awake(&self) -> Result<(), Problem> {
        match self.phase {
            Phase::Revoking | Phase::Open => Ok(()),
            Phase::Starting => Err(Problem::Unavailable("the catalog is starting".to_string())),
            Phase::Stopping | Phase::Closing | Phase::Stopped => {
                Err(Problem::Unavailable("the catalog stops".to_string()))
            }
        }
    }

    /// Whether the log takes a command.
    pub(super) fn writing(&self) -> Result<(), Problem> {
        self.awake()?;
        if self.disk_full {
            return Err(Problem::Unavailable("the catalog's disk is full".to_string()));
        }
        if self.proposals.len() >= PROPOSALS_MAX {
            return Err(Problem::Unavailable("the catalog's disk is too slow".to_string()));
        }
        Ok(())
    }

    /// A toy as it is visible, and the generation under which the asker may keep it.
    fn fill(
        &mut self,
        now: Time,
        name: &ToyName,
        holder: Option<LeaseHolder>,
    ) -> Result<(Product, Option<Generation>), Problem> {
        let toy = self.stock.find(name).ok_or(Problem::UnknownProduct)?;
        let product = self.visibility.product(toy, self.stock.shelf(toy));
        let generation = holder.and_then(|holder| self.may_keep(now, toy, &holder));
        Ok((product, generation))
    }

    fn may_keep(&mut self, now: Time, toy: ToyId, holder: &LeaseHolder) -> Option<Generation> {
        let LeaseHolder { frontend, generation } = *holder;
        let kept = match self.config.invalidation {
            Invalidation::Lease => {
                let changes = self.visibility.changing(toy) || self.leases.owed(toy);
                (!changes || planted(Bug::KeptWhileChanging))
                    && self.leases.keep(now, frontend, generation, toy)
            }
            // The course's: whoever asks may keep the answer and is told of the next change, which
            // may overtake the answer.
            Invalidation::Push => self.leases.keep(now, frontend, generation, toy),
            Invalidation::Ttl(_) | Invalidation::None => true,
        };
        kept.then_some(generation)
    }

    fn list(&self, after: Option<&ToyName>, limit: u32) -> Result<Vec<Product>, Problem> {
        let first = match after {
            None => 0,
            Some(name) => self.stock.find(name).ok_or(Problem::UnknownProduct)?.place() + 1,
        };
        let limit = usize::try_from(limit.min(LIST_LIMIT_MAX)).unwrap_or(usize::MAX);
        let toys = self.stock.toys().skip(first).take(limit);
        Ok(toys.map(|toy| self.visibility.product(toy, self.stock.shelf(toy))).collect())
    }

    fn on_take(
        &mut self,
        now: Time,
        token: Token,
        term: Term,
        floor: u64,
        items: &[TakeItem],
        effects: &mut Vec<Effect>,
    ) {
        if items.len() > TAKE_ITEMS_MAX {
            let problem = format!("{} takes in a batch: at most {TAKE_ITEMS_MAX}", items.len());
            return reply(effects, token, Err(Problem::Bad(problem)));
        }
        let number = |take: &TakeItem| Item {
            number: take.number,
            request_id: take.order.request_id,
            toy: self.stock.find(&take.order.name),
            quantity: take.order.quantity,
        };
        let items: Vec<Item> = items.iter().map(number).collect();
        let allowed = self.serving(now);
        if let Err(problem) = allowed.and_then(|()| self.stock.check_take(term, floor, &items)) {
            return reply(effects, token, Err(problem));
        }
        // By number: another number of a known request is new to the log, which must remember it
        // for as long as that number may be asked again.
        let known = |item: &Item| self.stock.takes().answer(term, item.number);
        let answers: Vec<_> = items.iter().map(|item| (item.number, known(item))).collect();
        let unknown: Vec<Item> =
            items.iter().zip(&answers).filter(|(_, a)| a.1.is_none()).map(|(i, _)| *i).collect();
        // Without anything new, the floor can wait for the next batch; an empty one carries it.
        if unknown.is_empty() && !items.is_empty() {
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
    fn room_for(&self, items: usize) -> Result<(), Problem> {
        let on_their_way = |proposal: &Proposal| match &proposal.then {
            Then::AnswerTakes { new_items, .. } => *new_items,
            Then::Nothing
            | Then::Begun
            | Then::Answer { .. }
            | Then::Grant { .. }
            | Then::Unregistered { .. }
            | Then::Restocked
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

    fn on_put_view(
        &mut self,
        now: Time,
        token: Token,
        proposal: ProposedView,
        effects: &mut Vec<Effect>,
    ) {
        let verdict = self.awake().and_then(|()| judge(self.stock.view(), &proposal));
        match verdict.and_then(|verdict| match verdict {
            Verdict::InForce => Ok(verdict),
            Verdict::Grant => self.writing().map(|()| verdict),
        }) {
            // Asked again: the same answer, without a word to the log.
            Ok(Verdict::InForce) => {
                let (view, unsettled) = self.stock.view_answer();
                reply(effects, token, Ok(Reply::View { view, unsettled }));
            }
            Ok(Verdict::Grant) => {
                let command = Command::View(proposal);
                self.propose(now, &command, Vec::new(), Then::Answer { token }, effects);
            }
            Err(problem) => reply(effects, token, Err(problem)),
        }
    }

    fn on_settle(
        &mut self,
        now: Time,
        token: Token,
        term: Term,
        takes: Vec<Settled>,
        effects: &mut Vec<Effect>,
    ) {
        let allowed = self.writing().and_then(|()| self.stock.check_settle(term));
        let tombstones = takes.iter().filter(|s| s.term == term && !s.recorded).count();
        let allowed = allowed.and_then(|()| match takes.len() {
            0..=TAKES_MAX => self.room_for(tombstones),
            count => Err(Problem::Bad(format!("{count} takes to settle: at most {TAKES_MAX}"))),
        });
        if let Err(problem) = allowed {
            return reply(effects, token, Err(problem));
        }
        let given_back = takes.iter().filter(|settled| !settled.recorded);
        let held = given_back.filter_map(|s| self.stock.takes().held(s.term, s.number)?.item.toy);
        let mut touches: Vec<ToyId> = held.collect();
        // A take that is still on its way may be given up too: its toy is changing by itself, but
        // only until it is applied.
        touches.extend(self.toys_on_their_way(&takes));
        touches.sort_unstable();
        touches.dedup();
        let command = Command::Settle { term, takes };
        self.propose(now, &command, touches, Then::Answer { token }, effects);
    }

    /// The toys of takes that are proposed and not yet applied, if one of them is given up here.
    fn toys_on_their_way(&self, takes: &[Settled]) -> Vec<ToyId> {
        let numbers = self.proposals.iter().flat_map(|proposal| {
            let Then::AnswerTakes { answers, .. } = &proposal.then else { return Vec::new() };
            let given_up = |number: u64| takes.iter().any(|s| !s.recorded && s.number == number);
            let some = answers.iter().any(|(number, known)| known.is_none() && given_up(*number));
            if some { proposal.touches.clone() } else { Vec::new() }
        });
        numbers.collect()
    }
}
