//! One step of a node, and what follows from it: effects become messages, calls and replies on
//! their way; and those that arrive become steps.
//!
//! Called by the world's loop, and for what a disk made possible.

use std::time::Duration;

use replication::NodeId;
use replication::engine::Message;
use shop::message::{Problem, Reply, Request, Response};
use shop::node::{Address, Answer, CallId, Token};
use shop::{Effect, Input};

use super::host::{Asked, Waiting};
use super::network::{Edge, Way};
use super::process::Process;
use super::{Event, World};
use crate::planted::Lie;
use crate::who::{Seat, Who};

impl World {
    /// One step of a node, and all that follows from it at once.
    pub(super) fn step(&mut self, seat: Seat, input: Input) {
        if !self.hosts[seat].is_up() {
            return;
        }
        let who = self.hosts[seat].who;
        self.tally.steps += 1;
        self.digest.note(&(self.now, seat, &input));
        self.saw_input(seat, &input);
        let host = &mut self.hosts[seat];
        let Some(process) = &mut host.process else { return };
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{} {who} <- {input}", self.now));
        }
        self.points.of_input(who, &input);
        if let (Who::Order(_), Input::Receive { from, .. }) = (who, &input) {
            host.knows.insert(*from);
        }
        let mut effects = std::mem::take(&mut self.effects);
        process.step(host.clock.read(self.now), input, &mut effects);
        let (mut after_persist, mut stopped) = (false, false);
        for effect in effects.drain(..) {
            self.digest.note(&effect);
            if let Some(trace) = &mut self.trace {
                trace.push(format!("{} {who} -> {effect}", self.now));
            }
            match effect {
                Effect::Persist(record) => {
                    let record = self.written(seat, record);
                    self.hosts[seat].disk.persist(&record);
                    after_persist = true;
                }
                Effect::Checkpoint(checkpoint) => {
                    let checkpoint = self.snapped(seat, checkpoint);
                    self.hosts[seat].disk.checkpoint(&checkpoint);
                }
                Effect::Stopped if !after_persist => stopped = true,
                Effect::Warn(_) => self.perform(seat, effect),
                effect @ (Effect::Reply { .. }
                | Effect::Call { .. }
                | Effect::Send { .. }
                | Effect::Know { .. }
                | Effect::Stopped) => match after_persist && !self.lies(Lie::MemoryAck) {
                    true => self.hosts[seat].disk.wait(effect),
                    false => self.perform(seat, effect),
                },
            }
        }
        self.effects = effects;
        if after_persist && self.lies(Lie::MemoryAck) {
            let (to, host) = (seat, &self.hosts[seat]);
            let (life, upto) = (host.life, host.disk.emitted());
            let input = Input::Persisted { upto };
            self.schedule(Duration::ZERO, Event::Input { to, life, input });
        }
        if let Some(Process::Catalog(catalog)) = &mut self.hosts[seat].process {
            self.record.put_back(catalog.take_put_back());
            self.record.restocked(self.now, catalog.take_restocked());
        }
        self.compare_catalogs(seat);
        self.compare_orders(seat);
        // A shopper that is done stays where it is, with its book.
        if stopped && !who.is_client() {
            return self.crash(seat);
        }
        self.begin_commit(seat);
        self.set_timer(seat);
    }

    /// Sends something on its way.
    pub(super) fn send(&mut self, edge: Edge, event: Event) {
        match self.network.send(edge) {
            Way::Arrives(after) => self.schedule(after, event),
            Way::Held => self.held.push((edge, event)),
            Way::Lost => self.tally.messages_lost += 1,
        }
    }

    /// A call leaves.
    pub(super) fn call(
        &mut self,
        from: Seat,
        call: CallId,
        to: Seat,
        request: Request,
        deadline: Duration,
    ) {
        let life = self.life(from);
        let who = self.who(from);
        self.saw_call(from, call, to, &request);
        if who.is_client() {
            self.record.begin((from, life, call), who, self.who(to), self.now, &request);
        }
        if let Some(costs) = &mut self.costs {
            match who.is_client() {
                true => costs.asked((from, life, call), self.now, &request),
                false => costs.called(self.now),
            }
        }
        match self.hosts.get_mut(from) {
            Some(host) => _ = host.open.insert(call),
            None => self.asker.begin(call),
        }
        if who.is_client() || !self.lies(Lie::HungNotDead) {
            let answer = Answer::Unknown;
            self.schedule(deadline, Event::Answer { to: from, life, call, answer });
        }
        if self.leaves_out(to, &request) {
            return;
        }
        if !self.can_reach(from, to) {
            let (after, answer) = (Duration::from_micros(1), Answer::Refused);
            return self.schedule(after, Event::Answer { to: from, life, call, answer });
        }
        let doubled = self.network.doubles((from, to));
        if doubled {
            let request = request.clone();
            self.send((from, to), Event::Call { from, life, call, to, request, doubled });
        }
        self.send((from, to), Event::Call { from, life, call, to, request, doubled });
    }

    pub(super) fn perform(&mut self, seat: Seat, effect: Effect) {
        self.points.of_effect(&self.hosts[seat], &effect);
        match effect {
            Effect::Reply { token, response } => self.reply(seat, token, response),
            Effect::Call { call, to, request, deadline } => {
                let to = self.seat(Who::at(to));
                self.call(seat, call, to, request, deadline);
            }
            Effect::Send { to, message } => self.tell(seat, to, message),
            Effect::Stopped => self.crash(seat),
            Effect::Warn(text) => self.warnings.push(text),
            Effect::Know { node, .. } => {
                if let Address::Order(id) = node {
                    self.hosts[seat].knows.insert(id);
                }
            }
            Effect::Persist(_) | Effect::Checkpoint(_) => unreachable!("step() wrote them"),
        }
    }

    pub(super) fn tell(&mut self, seat: Seat, NodeId(to): NodeId, message: Message) {
        let (from, to) = match self.hosts[seat].who {
            Who::Order(id) => (id, Who::Order(to)),
            Who::Catalog(id) => (id, Who::Catalog(to)),
            Who::Frontend(_) | Who::Shopper(_) | Who::Asker => panic!("only replicas send"),
        };
        if let (Who::Order(_), Some(costs)) = (to, &mut self.costs) {
            costs.sent(self.now, &message);
        }
        let to = self.seat(to);
        self.saw_message(seat, to, &message);
        if !self.can_reach(seat, to) {
            return;
        }
        let life = self.life(to);
        let from = NodeId(from);
        if self.network.doubles((seat, to)) {
            let input = Input::Receive { from, message: message.clone() };
            self.send((seat, to), Event::Input { to, life, input });
        }
        let input = Input::Receive { from, message };
        self.send((seat, to), Event::Input { to, life, input });
    }

    pub(super) fn reply(&mut self, seat: Seat, token: Token, response: Response) {
        let Some(waiting) = self.hosts[seat].asked.remove(&token.0) else { return };
        let host = &self.hosts[seat];
        self.points.of_reply(host, &waiting.asked, &response);
        if let (Asked::View, Ok(Reply::View { view, .. })) = (&waiting.asked, &response) {
            self.points.of_view(&self.hosts, view);
            self.record.leader(self.now, Who::Order(view.leader().0), view.term);
            for (seat, down) in std::mem::take(&mut self.doomed_by_view) {
                let (after, life) = (self.micros(0, 10_000), self.life(seat));
                self.schedule(after, Event::Kill { host: seat, life });
                self.schedule(after + down, Event::Start { host: seat });
            }
        }
        let Waiting { from, life, call, doubled, .. } = waiting;
        self.saw_reply(seat, (from, life, call), &response);
        // Of a doubled one, the other may wait still, and be done.
        let nothing_done = matches!(response, Err(Problem::Unavailable(_)));
        let answer = match doubled && nothing_done && self.who(from).is_client() {
            true => Answer::Unknown,
            false => Answer::Said(response),
        };
        self.send((seat, from), Event::Answer { to: from, life, call, answer });
    }

    pub(super) fn on_call(
        &mut self,
        (from, life, call): (Seat, u32, CallId),
        to: Seat,
        request: Request,
        doubled: bool,
    ) {
        if self.hosts[to].dark {
            return;
        }
        if !self.hosts[to].is_up() {
            // Of a doubled one, the other may arrive when the process is there again.
            let answer = if doubled { Answer::Unknown } else { Answer::Refused };
            return self.send((to, from), Event::Answer { to: from, life, call, answer });
        }
        if self.swallows(&request) {
            let answer = Answer::Said(Ok(Reply::Done));
            return self.send((to, from), Event::Answer { to: from, life, call, answer });
        }
        self.saw_request((from, life, call), to, &request);
        self.next_token += 1;
        let token = self.next_token;
        let asked = Asked::of(&request);
        self.hosts[to].asked.insert(token, Waiting { from, life, call, asked, doubled });
        self.step(to, Input::Request { token: Token(token), request });
    }

    pub(super) fn on_answer(&mut self, to: Seat, life: u32, call: CallId, answer: Answer) {
        if to == self.hosts.len() && self.hears(call, &answer) {
            return;
        }
        let waited = match self.hosts.get_mut(to) {
            Some(host) => host.life == life && host.open.remove(&call),
            None => self.asker.end(call),
        };
        if !waited {
            return;
        }
        if self.who(to).is_client() {
            self.tally.count_answer(&answer);
            self.record.end((to, life, call), self.now, &answer);
            if let Some(costs) = &mut self.costs {
                costs.answered((to, life, call), self.now, &answer);
            }
        }
        self.saw_answer(to, life, call, &answer);
        if to < self.hosts.len() {
            self.step(to, Input::Answer { call, answer });
        } else {
            self.digest.note(&(self.now, call, &answer));
            if let Some(trace) = &mut self.trace {
                trace.push(format!("{} asker <- answer !{} {answer}", self.now, call.0));
            }
            self.points.of_client(&answer);
            self.on_asked(call, &answer);
        }
    }
}
