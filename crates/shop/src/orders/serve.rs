//! Requests: orders, reads, who leads.

use replication::planted::{Bug, planted};

use super::*;
use crate::message::{Fate, NewOrder, OrderNumber, ReadFrom, Reply};
use crate::orders::purchase::PURCHASES_MAX;
use crate::orders::reads::Read;

/// Orders in one batch, and orders on one page of the log.
pub const BATCH_MAX: usize = 1024;

/// Answers to orders that may wait at once, and reads; more are answered 503.
const WAITING_MAX: usize = 16_384;

/// Waiters of one purchase beyond which it is looked whether they still wait.
const WAITERS_KEPT: usize = 16;

/// Who may wait for the same request to be resolved.
const RESOLVERS_MAX: usize = 64;

/// Log entries in one answer to `ReadMissed`.
const MISSED_MAX: usize = 1024;

impl Orders {
    pub(super) fn on_request(
        &mut self,
        now: Time,
        token: Token,
        request: Request,
        out: &mut Vec<Effect>,
    ) {
        let response = match request {
            Request::PlaceOrders(orders) => return self.on_orders(now, token, orders, false, out),
            Request::PlaceOrder(order) => {
                return self.on_orders(now, token, vec![order], true, out);
            }
            Request::ReadOrder { number, consistency } => {
                return self.on_read(token, Read::Order(number), consistency, out);
            }
            Request::ReadFate { request_id } => {
                let read = Read::Fate(request_id);
                return self.on_read(token, read, Consistency::Linearizable, out);
            }
            Request::ListOrders { after, limit, consistency } => {
                return self.on_read(token, Read::Log(after, limit), consistency, out);
            }
            Request::ResolveFate { request_id } => {
                return self.on_resolve(now, token, request_id, out);
            }
            Request::Lead { leader, after } => return self.on_lead(now, token, leader, after, out),
            Request::ReadLeader => Ok(self.leader_reply()),
            Request::ReadDigest { upto } => Ok(self.digest(upto)),
            Request::ReadMissed { after } => Ok(self.missed(after)),
            Request::ReadMembers => Ok(Reply::Members(self.group())),
            Request::ChangeMembers(change) => return self.on_change(now, token, change, out),
            Request::ReadProduct { .. }
            | Request::ListProducts { .. }
            | Request::Fill { .. }
            | Request::RenewLease { .. }
            | Request::EndLease { .. }
            | Request::PutView { .. }
            | Request::Take { .. }
            | Request::Settle { .. }
            | Request::Invalidate { .. }
            | Request::DropCache { .. } => {
                Err(Problem::Bad("this is an order replica: ask a frontend or the catalog".into()))
            }
        };
        out.push(Effect::Reply { token, response });
    }

    fn on_orders(
        &mut self,
        now: Time,
        token: Token,
        orders: Vec<NewOrder>,
        single: bool,
        out: &mut Vec<Effect>,
    ) {
        if self.state == State::Following {
            out.push(Effect::Reply { token, response: Err(self.not_leader()) });
            return;
        }
        if orders.len() > BATCH_MAX {
            let problem = Problem::Bad(format!("{} orders: at most {BATCH_MAX}", orders.len()));
            out.push(Effect::Reply { token, response: Err(problem) });
            return;
        }
        if self.batches.len() >= WAITING_MAX {
            let problem = Problem::Unavailable("too many orders are under way".into());
            out.push(Effect::Reply { token, response: Err(problem) });
            return;
        }
        if orders.is_empty() {
            out.push(Effect::Reply { token, response: Ok(Reply::Orders(Vec::new())) });
            return;
        }
        let batch = self.batches.open(now, token, orders.len(), single);
        for (position, order) in orders.into_iter().enumerate() {
            if let Some(outcome) = self.order(order, (batch, position)) {
                self.batches.decide((batch, position), outcome, out);
            }
        }
    }

    /// Begins a purchase, or joins the one under way, or finds the recorded answer.
    fn order(&mut self, order: NewOrder, waiter: (u64, usize)) -> Option<Result<Ordered, Problem>> {
        let request_id = order.request_id;
        let looks = !planted(Bug::RetryTakesAgain) && !planted(Bug::DoubleBuy);
        if looks && let Some(fate) = self.ledger.fate_of(&order) {
            return Some(fate.and_then(|fate| outcome(&fate)));
        }
        if let Some(purchase) = self.purchases.get_mut(request_id) {
            if purchase.order.name != order.name || purchase.order.quantity != order.quantity {
                return Some(Err(Problem::KeyReused));
            }
            if purchase.waiters.len() >= WAITERS_KEPT {
                // Who asked again before got "pending" then, and waits no more.
                purchase.waiters.retain(|(batch, _)| self.batches.waits(*batch));
            }
            purchase.waiters.push(waiter);
            return None;
        }
        if let Some(resolving) = self.resolving.get_mut(&request_id) {
            if resolving.orders.len() >= WAITERS_KEPT {
                resolving.orders.retain(|(batch, _)| self.batches.waits(*batch));
            }
            resolving.orders.push(waiter);
            return None;
        }
        if self.disk_full {
            return Some(Err(Problem::Unavailable("the order leader's disk is full".into())));
        }
        if let Some(problem) = self.purchases.refused() {
            return Some(Err(problem.clone()));
        }
        if self.purchases.len() >= PURCHASES_MAX {
            return Some(Err(Problem::Unavailable("too many orders are under way".into())));
        }
        self.purchases.begin(order, waiter);
        None
    }

    /// The ledger has a request's fate: everybody who waits for it hears it.
    pub(super) fn on_decided(&mut self, request_id: RequestId, fate: &Fate, out: &mut Vec<Effect>) {
        if let Some(purchase) = self.purchases.decided(request_id) {
            for waiter in purchase.waiters {
                self.batches.decide(waiter, outcome(fate), out);
            }
        }
        let resolved = self.resolving.remove(&request_id).unwrap_or_default();
        for waiter in resolved.orders {
            self.batches.decide(waiter, outcome(fate), out);
        }
        for token in resolved.tokens {
            out.push(Effect::Reply { token, response: Ok(Reply::Fate(fate.clone())) });
        }
    }

    fn on_read(
        &mut self,
        token: Token,
        read: Read,
        consistency: Consistency,
        out: &mut Vec<Effect>,
    ) {
        let at_once = match consistency {
            Consistency::Linearizable => None,
            Consistency::Leader if !self.leads() => Some(Err(self.not_leader())),
            Consistency::Leader | Consistency::Local => Some(self.answer_read(read, consistency)),
        };
        if let Some(response) = at_once {
            return out.push(Effect::Reply { token, response });
        }
        let final_answer = match self.answer_read(read, consistency) {
            Ok(Reply::Fate(Fate::Unknown | Fate::Pending) | Reply::OrderLog { .. }) | Err(_) => {
                None
            }
            found => Some(found),
        };
        let response = match (final_answer, &self.state) {
            // An order and a fate are written once: what is found is final, wherever it is found.
            (Some(response), _) => response,
            (None, State::Following) => Err(self.not_leader()),
            // "Not yet" may be an old answer, if another leads by now without this one's knowledge.
            (None, State::Fencing { .. } | State::Settling { .. } | State::Open(_))
                if self.reads.len() < WAITING_MAX =>
            {
                return self.reads.push(token, read);
            }
            (None, State::Fencing { .. } | State::Settling { .. } | State::Open(_)) => {
                Err(Problem::Unavailable("too many reads are under way".into()))
            }
        };
        out.push(Effect::Reply { token, response });
    }

    /// What the applied state says.
    pub(super) fn answer_read(&self, read: Read, consistency: Consistency) -> Response {
        let uncommitted = consistency == Consistency::Local && planted(Bug::UncommittedRead);
        if uncommitted {
            return self.answer_uncommitted(read, consistency);
        }
        self.answer_from(&self.ledger, read, consistency)
    }

    /// The bug: entries of the log count that are not known to be committed.
    fn answer_uncommitted(&self, read: Read, consistency: Consistency) -> Response {
        let mut ledger = self.ledger.clone();
        for entry in self.engine.log().from(ledger.applied().0.next(), usize::MAX) {
            ledger.apply(entry);
        }
        self.answer_from(&ledger, read, consistency)
    }

    fn answer_from(&self, ledger: &Ledger, read: Read, consistency: Consistency) -> Response {
        let from = ReadFrom {
            consistency,
            node: Address::Order(self.config.engine.id),
            incarnation: self.config.incarnation,
            applied: ledger.applied().0.0,
        };
        match read {
            Read::Order(number) => match (ledger.order(number), consistency) {
                (Some(order), _) => Ok(Reply::Order { order, from }),
                (None, Consistency::Linearizable) => Err(Problem::UnknownOrder),
                (None, Consistency::Leader | Consistency::Local) => Err(Problem::NoOrderHere(from)),
            },
            Read::Log(after, limit) => Ok(list(ledger, after, limit, from)),
            Read::Fate(request_id) => {
                let pending =
                    self.purchases.contains(request_id) || self.resolving.contains_key(&request_id);
                let undecided = if pending { Fate::Pending } else { Fate::Unknown };
                Ok(Reply::Fate(self.ledger.fate(request_id).unwrap_or(undecided)))
            }
        }
    }

    fn on_resolve(
        &mut self,
        now: Time,
        token: Token,
        request_id: RequestId,
        out: &mut Vec<Effect>,
    ) {
        let response = match (self.ledger.fate(request_id), &self.state) {
            (Some(fate), _) => Ok(Reply::Fate(fate)),
            (None, State::Following) => Err(self.not_leader()),
            (None, State::Fencing { .. } | State::Settling { .. }) => {
                Err(Problem::Unavailable("takes of older terms are being settled".into()))
            }
            (None, State::Open(_)) if planted(Bug::ResolveUnrecorded) => {
                Ok(Reply::Fate(Fate::Never))
            }
            (None, State::Open(_)) if self.disk_full && !self.purchases.contains(request_id) => {
                Err(Problem::Unavailable("the order leader's disk is full".into()))
            }
            (None, State::Open(_)) => {
                // A purchase under way is final soon; its take must not be left behind.
                let under_way = self.purchases.contains(request_id);
                let first = !self.resolving.contains_key(&request_id);
                let tokens = &mut self.resolving.entry(request_id).or_default().tokens;
                if tokens.len() >= RESOLVERS_MAX {
                    let response = Err(Problem::Unavailable("too many ask".into()));
                    out.push(Effect::Reply { token: tokens.remove(0), response });
                }
                tokens.push(token);
                if first && !under_way {
                    let never = command::Command::Never { request_id }.encode();
                    self.drive(now, engine::Input::Propose(vec![never]), out);
                }
                return;
            }
        };
        out.push(Effect::Reply { token, response });
    }

    fn on_lead(
        &mut self,
        now: Time,
        token: Token,
        leader: NodeId,
        after: Term,
        out: &mut Vec<Effect>,
    ) {
        let engine = &self.config.engine;
        if !self.replicas().contains(&leader) {
            let response = Err(Problem::Bad(format!("there is no replica {leader}")));
            out.push(Effect::Reply { token, response });
            return;
        }
        if leader != engine.id {
            self.drive(now, engine::Input::Follow { leader }, out);
            out.push(Effect::Reply { token, response: Ok(self.leader_reply()) });
            return;
        }
        if engine.protocol.is_quorum() {
            // A majority chooses; who asks learns whom.
            out.push(Effect::Reply { token, response: Ok(self.leader_reply()) });
            return;
        }
        match self.state {
            State::Open(_) | State::Fencing { .. } | State::Settling { leading: true, .. } => {
                out.push(Effect::Reply { token, response: Ok(self.leader_reply()) });
            }
            State::Following | State::Settling { leading: false, .. } => {
                if self.lead_waiters.len() >= LEAD_WAITERS_MAX {
                    let oldest = self.lead_waiters.remove(0);
                    let response = Err(Problem::Unavailable("too many ask".into()));
                    out.push(Effect::Reply { token: oldest, response });
                }
                self.lead_waiters.push(token);
                self.drive(now, engine::Input::Lead { after }, out);
            }
        }
    }

    fn digest(&self, upto: Option<u64>) -> Reply {
        let upto = upto.unwrap_or(u64::MAX).min(self.ledger.len());
        let digest = self.ledger.digest_of(upto);
        Reply::Digest { upto, digest: digest.iter().map(|byte| format!("{byte:02x}")).collect() }
    }

    fn missed(&self, after: replication::Index) -> Reply {
        let log = self.engine.log();
        let snapshot = (after < log.start()).then(|| self.snapshot());
        let from = snapshot.as_ref().map_or(after, |snapshot| snapshot.index);
        let entries = log.from(from.next(), MISSED_MAX).to_vec();
        Reply::Missed { snapshot, entries, committed: self.ledger.applied().0.0 }
    }
}

fn list(ledger: &Ledger, after: Option<OrderNumber>, limit: u32, from: ReadFrom) -> Reply {
    let first = after.map_or(0, |number| number.0.saturating_add(1));
    let limit = u64::from(limit).min(BATCH_MAX as u64);
    let numbers = first..first.saturating_add(limit);
    let orders = numbers.map_while(|number| ledger.order(OrderNumber(number))).collect();
    Reply::OrderLog { orders, total: ledger.len(), from }
}

/// The answer to an order whose fate is decided.
fn outcome(fate: &Fate) -> Result<Ordered, Problem> {
    match fate {
        Fate::Recorded(ordered) => Ok(*ordered),
        Fate::Refused { refusal: crate::message::Refusal::Unknown, .. } => {
            Err(Problem::UnknownProduct)
        }
        Fate::Refused { version, index, .. } => {
            Err(Problem::InsufficientStock { version: *version, index: *index })
        }
        Fate::Never => Err(Problem::Resolved),
        Fate::Pending | Fate::Unknown => {
            Err(Problem::OutcomeUnknown("the order is under way".to_string()))
        }
    }
}
