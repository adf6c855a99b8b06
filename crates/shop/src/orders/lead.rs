//! Beginning and ending to lead: the view's answer, settlement, stepping down.

use replication::View;
use replication::planted::{Bug, planted};

use super::*;
use crate::message::{Fate, Reply, Settled};

/// Takes settled in one call.
const SETTLED_PER_CALL_MAX: usize = 1024;

impl Orders {
    pub(super) fn not_leader(&self) -> Problem {
        Problem::NotLeader { leader: self.leader.filter(|id| *id != self.config.engine.id) }
    }

    pub(super) fn on_view_answer(&mut self, now: Time, answer: Answer, out: &mut Vec<Effect>) {
        let mut listed = Vec::new();
        let viewed = match answer {
            Answer::Said(Ok(Reply::View { view, unsettled })) => {
                listed = unsettled;
                Viewed::Granted(view)
            }
            Answer::Said(Err(Problem::Fenced(view) | Problem::NotInSync(view))) => {
                Viewed::Refused(view)
            }
            Answer::Said(_) | Answer::Refused | Answer::Unknown => Viewed::Unknown,
        };
        let granted = match &viewed {
            Viewed::Granted(view) => Some(view.term),
            Viewed::Refused(_) | Viewed::Unknown => None,
        };
        self.drive(now, engine::Input::Viewed(viewed), out);
        // The engine knows whether the grant still counts: an answer that was long on its way may
        // speak of a term that this replica has left behind, or never began.
        if let Some(term) = granted
            && self.engine.status().role == "leader"
            && self.engine.status().term == term
            && self.term_led() != Some(term)
        {
            self.state =
                State::Settling { term, leading: false, unsettled: listed, calling: false };
        }
    }

    /// `Lead` is committed: the ledger is complete.
    pub(super) fn on_leading(&mut self, led: Term, out: &mut Vec<Effect>) {
        self.leader = Some(self.config.engine.id);
        match &mut self.state {
            State::Settling { term, leading, .. } if *term == led => *leading = true,
            _ if self.config.engine.protocol.is_quorum() => {
                let (previous, in_sync) = (self.previous_term, self.replicas());
                self.state = State::Fencing { term: led, previous, in_sync, calling: false };
            }
            // Naive has no view, so nothing to settle: what its predecessors took stays taken.
            State::Fencing { .. } | State::Settling { .. } | State::Following | State::Open(_) => {
                let naive = !self.config.engine.protocol.is_safe();
                assert!(naive, "{led} leads without the list of what is unsettled");
                self.purchases.start_over();
                self.state = State::Open(led);
            }
        }
        for token in std::mem::take(&mut self.lead_waiters) {
            out.push(Effect::Reply { token, response: Ok(self.leader_reply()) });
        }
    }

    /// Elected by a majority: has the catalog fence older terms. It is not asked who may lead, so
    /// every replica counts as in sync.
    pub(super) fn fence_next(&mut self, out: &mut Vec<Effect>) {
        let State::Fencing { term, previous, in_sync, calling } = &mut self.state else { return };
        if *calling || self.retry_at.is_some() {
            return;
        }
        *calling = true;
        let (term, previous, in_sync) = (*term, *previous, in_sync.clone());
        let view = View { term, in_sync };
        let request = Request::PutView { view, previous, unclean: true };
        self.call(Call::Fence { term }, request, VIEW_DEADLINE, out);
    }

    pub(super) fn on_fence_answer(
        &mut self,
        now: Time,
        of: Term,
        answer: Answer,
        out: &mut Vec<Effect>,
    ) {
        let State::Fencing { term, previous, calling, .. } = &mut self.state else { return };
        if *term != of {
            return;
        }
        *calling = false;
        match answer {
            Answer::Said(Ok(Reply::View { unsettled, .. })) => {
                self.state = State::Settling { term: of, leading: true, unsettled, calling: false };
            }
            // Another leader's, which this one succeeds.
            Answer::Said(Err(Problem::Fenced(view))) if view.term < of => *previous = view.term,
            Answer::Said(Err(Problem::Fenced(view))) => {
                self.retry_at = Some(now + RETRY);
                self.drive(now, engine::Input::Viewed(Viewed::Refused(view)), out);
            }
            Answer::Said(_) | Answer::Refused | Answer::Unknown => {
                self.retry_at = Some(now + RETRY);
            }
        }
    }

    /// A leader without room lets another lead, if a majority chooses: it could answer nobody.
    pub(super) fn on_disk_full(&mut self, now: Time, full: bool, out: &mut Vec<Effect>) {
        self.disk_full = full;
        self.hand_over_if_full(now, out);
    }

    pub(super) fn hand_over_if_full(&mut self, now: Time, out: &mut Vec<Effect>) {
        if let Some(hand_over) = self.other_than_full(now) {
            self.drive(now, hand_over, out);
        }
    }

    /// What makes another lead in the place of one without room: when its disk fills, when it was
    /// elected although it is full, and until somebody takes the lead. It may fail, when the others
    /// are busy.
    pub(super) fn other_than_full(&mut self, now: Time) -> Option<engine::Input> {
        let quorum = self.config.engine.protocol.is_quorum();
        let should = self.disk_full && quorum && self.state != State::Following;
        self.hand_over_at = should.then_some(now + HAND_OVER);
        should.then_some(engine::Input::HandOver)
    }

    /// A process that leads by election lets another lead before it ends, so that orders hardly
    /// wait.
    pub(super) fn on_stop(&mut self, now: Time, out: &mut Vec<Effect>) {
        let can_hand_over = self.config.engine.protocol.is_quorum() && self.replicas().len() > 1;
        if self.state == State::Following || !can_hand_over {
            out.push(Effect::Stopped);
            return;
        }
        self.stop_at = Some(now + HAND_OVER);
        self.drive(now, engine::Input::HandOver, out);
    }

    /// Settles what is left of older terms; opens when nothing is.
    pub(super) fn settle_next(&mut self, out: &mut Vec<Effect>) {
        let State::Settling { term, leading: true, unsettled, calling } = &mut self.state else {
            return;
        };
        let term = *term;
        if *calling || self.retry_at.is_some() {
            return;
        }
        if unsettled.is_empty() {
            self.purchases.start_over();
            self.state = State::Open(term);
            return;
        }
        *calling = true;
        let count = unsettled.len().min(SETTLED_PER_CALL_MAX);
        let ledger = &self.ledger;
        let takes = unsettled[..count].iter().map(|take| Settled {
            term: take.term,
            number: take.number,
            recorded: matches!(ledger.fate(take.order.request_id), Some(Fate::Recorded(_)))
                || planted(Bug::HalfPurchase),
        });
        let request = Request::Settle { term, takes: takes.collect() };
        self.call(Call::Settle { term, count }, request, CALL_DEADLINE, out);
        if planted(Bug::TakeBeforeSettled) {
            self.purchases.start_over();
            self.state = State::Open(term);
        }
    }

    pub(super) fn on_settle_answer(
        &mut self,
        now: Time,
        (of, count): (Term, usize),
        answer: Answer,
        out: &mut Vec<Effect>,
    ) {
        let State::Settling { term, unsettled, calling, .. } = &mut self.state else { return };
        if *term != of {
            return;
        }
        *calling = false;
        match answer {
            Answer::Said(Ok(_)) => {
                unsettled.drain(..count);
            }
            Answer::Said(Err(Problem::Fenced(view))) => {
                self.drive(now, engine::Input::Viewed(Viewed::Refused(view)), out);
            }
            Answer::Said(Err(_)) | Answer::Refused | Answer::Unknown => {
                self.retry_at = Some(now + RETRY);
            }
        }
    }

    /// Another replica leads, or may lead: everybody who waits here is sent there.
    pub(super) fn on_following(&mut self, leader: Option<NodeId>, out: &mut Vec<Effect>) {
        self.leader = leader;
        if let Some(leader) = leader {
            for token in std::mem::take(&mut self.lead_waiters) {
                let reply = crate::message::Leader {
                    leader: Some(leader),
                    term: self.engine.status().term,
                    leading: false,
                    members: Vec::new(),
                };
                out.push(Effect::Reply { token, response: Ok(Reply::Leader(reply)) });
            }
        }
        if self.state == State::Following {
            return;
        }
        self.state = State::Following;
        if self.stop_at.take().is_some() {
            out.push(Effect::Stopped);
        }
        let problem = self.not_leader();
        for purchase in self.purchases.abandon() {
            for waiter in purchase.waiters {
                self.batches.decide(waiter, Err(problem.clone()), out);
            }
        }
        let mut tokens: Vec<Token> = self.reads.abandon().into_iter().map(|(t, _)| t).collect();
        for resolving in std::mem::take(&mut self.resolving).into_values() {
            for waiter in resolving.orders {
                self.batches.decide(waiter, Err(problem.clone()), out);
            }
            tokens.extend(resolving.tokens);
        }
        for token in tokens {
            out.push(Effect::Reply { token, response: Err(problem.clone()) });
        }
    }

    /// Whether it thinks that it leads.
    pub(super) fn leads(&self) -> bool {
        match self.state {
            State::Following | State::Settling { leading: false, .. } => false,
            State::Fencing { .. } | State::Settling { leading: true, .. } | State::Open(_) => true,
        }
    }

    pub(super) fn leader_reply(&self) -> Reply {
        let leading = self.leads();
        let term = self.engine.status().term;
        let members = self.news_of_members();
        Reply::Leader(crate::message::Leader { leader: self.leader, term, leading, members })
    }
}
