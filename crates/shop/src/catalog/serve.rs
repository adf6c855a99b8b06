//! What the catalog answers: reads to frontends; takes, views and settlements to order leaders.
//!
//! Part of [`Catalog`]; called by its `step`. Each function either answers at once or proposes a
//! command and answers when that is applied.

use replication::engine::CATCHING_UP;
use replication::planted::{Bug, planted};
use replication::{Term, Time};

use super::command::{Command, ToyId};
use super::view::{ProposedView, Verdict, judge};
use super::{Catalog, Config, PROPOSALS_MAX, Phase, Then, misdirected, reply};
use crate::invalidation::Invalidation;
use crate::message::{
    CacheUse, Consistency, Generation, LeaseHolder, Problem, ReadFrom, Reply, Request, Settled,
};
use crate::node::{Address, Effect, Token};
use crate::toy::{Product, ToyName};

/// The most remembered takes, over all terms: about 2 MB. A leader whose floor does not rise is
/// stuck, and more takes would only bind more stock.
pub const TAKES_MAX: usize = 16_384;

/// The most takes in one batch.
pub const TAKE_ITEMS_MAX: usize = 1024;

/// The most toys in one page of the list.
pub const LIST_LIMIT_MAX: u32 = 1000;

/// The most questions that wait for a read barrier: as many as a process has connections.
const READS_MAX: usize = 16_384;

impl Catalog {
    pub(super) fn on_request(
        &mut self,
        now: Time,
        token: Token,
        request: Request,
        effects: &mut Vec<Effect>,
    ) {
        let level = if let Request::Fill { consistency, .. }
        | Request::ReadProduct { consistency, .. }
        | Request::ListProducts { consistency, .. } = &request
        {
            Some(*consistency)
        } else {
            None
        };
        if self.phase == Phase::Following && level != Some(Consistency::Local) {
            return reply(effects, token, Err(self.not_leader()));
        }
        let confirms = level == Some(Consistency::Linearizable) && self.phase == Phase::Open;
        if confirms && !self.certain(false) {
            return self.wait_for_barrier(token, request, effects);
        }
        self.answer(now, token, request, false, effects);
    }

    /// What is answered from the state alone is confirmed first, where there are other replicas:
    /// another one may lead by now. The question is looked at anew when the barrier passed.
    pub(super) fn wait_for_barrier(
        &mut self,
        token: Token,
        request: Request,
        effects: &mut Vec<Effect>,
    ) {
        if self.reads.len() >= READS_MAX {
            let full = format!("{READS_MAX} questions wait at the catalog");
            return reply(effects, token, Err(Problem::Unavailable(full)));
        }
        self.reads.push(token, request);
    }

    /// Answers, or proposes what will be answered. `confirmed`: a read barrier passed that began
    /// after the question came.
    pub(super) fn answer(
        &mut self,
        now: Time,
        token: Token,
        request: Request,
        confirmed: bool,
        effects: &mut Vec<Effect>,
    ) {
        match request {
            Request::Fill { name, holder, consistency } => {
                let holder = holder.filter(|_| consistency == Consistency::Linearizable);
                let response = self.fill(now, &name, holder, consistency);
                let from = self.read_from(consistency);
                let filled = |(product, generation)| Reply::Filled { product, generation, from };
                reply(effects, token, response.map(filled));
            }
            Request::ReadProduct { name, consistency } => {
                let response = self.fill(now, &name, None, consistency);
                let (cache, from) = (CacheUse::Bypass, self.read_from(consistency));
                let read = |(product, _)| Reply::Product { product, cache, from };
                reply(effects, token, response.map(read));
            }
            Request::ListProducts { after, limit, consistency } => {
                let response = self.list(now, after.as_ref(), limit, consistency);
                let from = self.read_from(consistency);
                let listed = |products| Reply::Products { products, from };
                reply(effects, token, response.map(listed));
            }
            Request::Take { term, floor, items } => {
                self.on_take(now, token, (term, floor, items), confirmed, effects);
            }
            Request::PutView { view, previous, unclean } => {
                let proposal = ProposedView { view, previous, unclean };
                self.on_put_view(now, token, proposal, confirmed, effects);
            }
            Request::Settle { term, takes } => {
                self.on_settle(now, token, (term, takes), confirmed, effects);
            }
            Request::RenewLease { frontend, url, incarnation } => {
                self.on_renew(now, token, (frontend, url, incarnation), confirmed, effects);
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

    /// What an answer says of where it is from.
    fn read_from(&self, consistency: Consistency) -> ReadFrom {
        let Config { incarnation, .. } = self.config;
        let (node, applied) = (Address::Catalog(self.group.id()), self.chores.applied().0.0);
        ReadFrom { consistency, node, incarnation, applied }
    }

    /// Whether reads and takes are answered.
    pub(super) fn serving(&self, now: Time) -> Result<(), Problem> {
        if self.phase == Phase::Following {
            return Err(self.not_leader());
        }
        self.open(now).map_err(Problem::Unavailable)
    }

    /// The same, for the health check, which a replica passes that follows a leader: `Err` says
    /// what is missing.
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
            Phase::Following if self.leader.is_none() => {
                "no leader of the catalog is known".to_string()
            }
            Phase::Following if self.group.engine().has_caught_up() => return Ok(()),
            Phase::Following => CATCHING_UP.to_string(),
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
            Phase::Following => Err(self.not_leader()),
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

    /// A toy, and the generation under which the asker may keep it.
    fn fill(
        &mut self,
        now: Time,
        name: &ToyName,
        holder: Option<LeaseHolder>,
        consistency: Consistency,
    ) -> Result<(Product, Option<Generation>), Problem> {
        self.shows(now, consistency)?;
        let toy = self.stock.find(name).ok_or(Problem::UnknownProduct)?;
        let product = self.product(toy);
        let generation = holder.and_then(|holder| self.may_keep(now, toy, &holder));
        Ok((product, generation))
    }

    /// Whether reads of this level are answered. What is applied is there for a local one as soon
    /// as the whole catalogue is, whoever leads.
    fn shows(&self, now: Time, consistency: Consistency) -> Result<(), Problem> {
        match consistency {
            Consistency::Local if self.stock.has_begun() => Ok(()),
            Consistency::Local | Consistency::Leader | Consistency::Linearizable => {
                self.serving(now)
            }
        }
    }

    /// A toy as it is visible; where this node does not lead, as it is applied. The first is never
    /// behind what the same node showed before it led.
    fn product(&self, toy: ToyId) -> Product {
        if self.visibility.is_empty() {
            self.stock.product(toy)
        } else {
            self.visibility.product(toy, &self.stock)
        }
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

    fn list(
        &self,
        now: Time,
        after: Option<&ToyName>,
        limit: u32,
        consistency: Consistency,
    ) -> Result<Vec<Product>, Problem> {
        self.shows(now, consistency)?;
        let first = match after {
            None => 0,
            Some(name) => self.stock.find(name).ok_or(Problem::UnknownProduct)?.place() + 1,
        };
        let limit = usize::try_from(limit.min(LIST_LIMIT_MAX)).unwrap_or(usize::MAX);
        let toys = self.stock.shelves().ids().skip(first).take(limit);
        Ok(toys.map(|toy| self.product(toy)).collect())
    }

    fn on_put_view(
        &mut self,
        now: Time,
        token: Token,
        proposal: ProposedView,
        confirmed: bool,
        effects: &mut Vec<Effect>,
    ) {
        if let Err(problem) = self.awake() {
            return reply(effects, token, Err(problem));
        }
        let verdict = judge(self.stock.view(), &proposal);
        if verdict != Ok(Verdict::Grant) && !self.certain(confirmed) {
            let ProposedView { view, previous, unclean } = proposal;
            let request = Request::PutView { view, previous, unclean };
            return self.wait_for_barrier(token, request, effects);
        }
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
        (term, takes): (Term, Vec<Settled>),
        confirmed: bool,
        effects: &mut Vec<Effect>,
    ) {
        let allowed = self.stock.check_settle(term);
        if self.awake().is_ok() && allowed.is_err() && !self.certain(confirmed) {
            let request = Request::Settle { term, takes };
            return self.wait_for_barrier(token, request, effects);
        }
        let allowed = self.writing().and(allowed);
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
