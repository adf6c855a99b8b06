//! The loop of one thread: what is due is sent, what comes is judged and counted.
//!
//! All of its clients share one thread, and no lock is on the way.
//! Started by [`super::Running`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::Result;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, Event};
use tokio::sync::mpsc::UnboundedSender;

use super::arrivals::Arrivals;
use super::client::{Asked, Client, Heard};
use super::count::{Failure, Report};
use super::mix::{Chooser, Kind, spread};
use super::recorded::{Came, Recorded};
use super::reply::{self, Frame, Verdict};
use super::socket::wait;
use super::{Extent, Pace, Plan, Urgency};

/// How often deadlines, reports and orders to stop are looked at.
const TICK: Duration = Duration::from_millis(10);

/// How long a client whose connection was refused waits: a loop of refusals measures nothing.
const REFUSED_WAIT: Duration = Duration::from_millis(10);

/// Events that are taken at once.
const EVENTS: usize = 256;

/// Orders that can be read again: the last ones.
const RECENT_MAX: usize = 1024;

/// How often it is said what went wrong.
const TROUBLES_MAX: usize = 5;

/// One thread's clients.
pub struct Worker {
    // Read only, with all other threads.
    plan: Arc<Plan>,
    thread: usize,
    epoll: OwnedFd,
    clients: Vec<Client>,
    /// Clients that wait for nothing, the one that has waited longest first.
    free: VecDeque<usize>,
    /// Clients that think, and until when.
    thinking: BinaryHeap<Reverse<(Duration, usize)>>,
    chooser: Chooser,
    arrivals: Option<Arrivals>,
    /// Requests still to be sent and counted, if they are counted out.
    left: Option<u64>,
    /// When sending ends, if it is known.
    end: Option<Duration>,
    /// Whether a whole turn has passed since then.
    over: bool,
    /// Orders so far: what makes keys differ.
    sequence: u64,
    recent: VecDeque<(u64, usize, u32)>,
    report: Report,
    troubles: usize,
    reports: UnboundedSender<Report>,
    // Written by whoever watches.
    urgency: Arc<AtomicU8>,
}

impl Worker {
    /// One that has sent nothing yet.
    ///
    /// # Errors
    /// If the system gives no epoll.
    pub fn new(
        plan: Arc<Plan>,
        thread: usize,
        reports: UnboundedSender<Report>,
        urgency: Arc<AtomicU8>,
    ) -> Result<Worker> {
        let clients = plan.share(plan.clients as u64, thread) as usize;
        let (left, end) = match plan.extent {
            Extent::For(time) => (None, Some(plan.warm_up + time)),
            Extent::Count(count) => (Some(plan.share(count, thread)), None),
        };
        let arrivals = match plan.pace {
            Pace::Closed { .. } => None,
            Pace::Open { rate, rhythm } => {
                let seed = spread(plan.seed, 2 * thread);
                Some(Arrivals::new(rate, rhythm, seed, thread, plan.threads))
            }
        };
        let seed = spread(plan.seed, 2 * thread + 1);
        Ok(Worker {
            chooser: Chooser::new(plan.mix, plan.prepared.toys(), seed),
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            clients: (0..clients).map(Client::new).collect(),
            free: (0..clients).collect(),
            thinking: BinaryHeap::new(),
            arrivals,
            left,
            end,
            over: false,
            sequence: 0,
            recent: VecDeque::with_capacity(RECENT_MAX),
            report: Report::default(),
            troubles: 0,
            plan,
            thread,
            reports,
            urgency,
        })
    }

    /// Sends until it is over, and waits for what was asked.
    pub fn run(mut self, began: Instant) {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        let mut next_tick = Duration::ZERO;
        loop {
            let now = began.elapsed();
            if now >= next_tick {
                next_tick = now + TICK;
                if self.tick(now) == Urgency::Now {
                    break;
                }
            }
            self.send_due(now, began);
            if self.is_over(now) && self.clients.iter().all(|client| client.asked.is_none()) {
                break;
            }
            let until = self.next_due().map_or(next_tick, |due| due.min(next_tick));
            wait(&self.epoll, until.saturating_sub(began.elapsed()), &mut events);
            for event in events.drain(..) {
                let client = event.data.u64() as usize;
                let heard = self.clients[client].look();
                self.hear(client, heard, began);
            }
        }
        self.finish(began.elapsed());
    }

    fn is_over(&self, now: Duration) -> bool {
        self.left == Some(0) || self.end.is_some_and(|end| now >= end)
    }

    /// When the next request is due, if one could be sent then.
    fn next_due(&self) -> Option<Duration> {
        let thinker = self.thinking.peek().map(|Reverse((until, _))| *until);
        let arrival = self.arrivals.as_ref().filter(|_| !self.free.is_empty() && !self.over);
        let arrival = arrival.map(Arrivals::due);
        [thinker, arrival].into_iter().flatten().min()
    }

    /// What is not looked at after every answer.
    fn tick(&mut self, now: Duration) -> Urgency {
        let asked = self.urgency.load(Ordering::Relaxed);
        let urgency = [Urgency::None, Urgency::Soon, Urgency::Now][usize::from(asked.min(2))];
        if urgency > Urgency::None {
            self.end = Some(self.end.map_or(now, |end| end.min(now)));
            self.left = self.left.map(|_| 0);
        }
        for client in 0..self.clients.len() {
            let late = |asked: Asked| now > asked.sent + self.plan.deadline;
            if self.clients[client].asked.is_some_and(late) {
                self.give_up(client, now, "no answer within the deadline");
            }
        }
        self.report_until(now);
        urgency
    }

    fn give_up(&mut self, client: usize, now: Duration, why: &str) {
        self.clients[client].close();
        let Some(asked) = self.clients[client].asked.take() else { return };
        self.record(client, asked, now, |_| Came::Nothing);
        self.fail(asked, Failure::TimedOut, why.to_string());
        if self.counts(asked) {
            let row = self.report.counts.row_mut(asked.kind);
            row.record(now - asked.intended, self.arrivals.is_some().then(|| now - asked.sent));
        }
        self.rest(client, now, Duration::ZERO);
    }

    /// Whether it belongs to what is measured.
    fn counts(&self, asked: Asked) -> bool {
        asked.intended >= self.plan.warm_up
    }

    /// Sends the report of a second that is over.
    fn report_until(&mut self, now: Duration) {
        let Some(measured) = now.checked_sub(self.plan.warm_up) else { return };
        let second = measured.as_secs() as usize;
        if second > self.report.second {
            self.send_report(now, false);
            self.report.second = second;
        }
    }

    fn send_report(&mut self, now: Duration, last: bool) {
        let until = self.end.map_or(now, |end| end.min(now));
        (self.report.thread, self.report.last) = (self.thread, last);
        self.report.measured = until.saturating_sub(self.plan.warm_up);
        // Whoever does not listen any more has decided that it is over.
        let _ = self.reports.send(std::mem::take(&mut self.report));
    }

    /// What is under way when it must end is given up; what was never sent is counted.
    fn finish(mut self, now: Duration) {
        for client in 0..self.clients.len() {
            self.give_up(client, now, "stopped before its answer came");
        }
        let end = self.end.unwrap_or(now);
        let measured = end > self.plan.warm_up;
        if let (Some(arrivals), None, true) = (&mut self.arrivals, self.left, measured) {
            arrivals.skip_until(self.plan.warm_up);
            self.report.counts.never_sent += arrivals.skip_until(end);
        }
        self.send_report(now, true);
    }

    fn send_due(&mut self, now: Duration, began: Instant) {
        while let Some(Reverse((until, client))) = self.thinking.peek().copied() {
            if until > now {
                break;
            }
            self.thinking.pop();
            self.free.push_back(client);
        }
        // A client that fails at once is free again, but not before the next turn.
        let over = self.is_over(now);
        for _ in 0..self.free.len() {
            let intended = match &mut self.arrivals {
                None if over || self.left == Some(0) => break,
                None => None,
                // What was due just before the end is sent in the turn after it, if it can be.
                Some(_) if self.over || self.left == Some(0) => break,
                Some(arrivals) if arrivals.due() > now => break,
                Some(arrivals) if self.end.is_some_and(|end| arrivals.due() >= end) => break,
                Some(arrivals) => {
                    let due = arrivals.due();
                    arrivals.go_on();
                    Some(due)
                }
            };
            let Some(client) = self.free.pop_front() else { break };
            self.ask(client, intended, began);
        }
        self.over = over;
    }

    fn ask(&mut self, client: usize, intended: Option<Duration>, began: Instant) {
        // Clients of all threads are dealt out in turns.
        let address = (client * self.plan.threads + self.thread) % self.plan.addresses.len();
        let (kind, toy, quantity, mut number) = self.draw(client);
        let (prepared, one) = (&self.plan.prepared, &mut self.clients[client]);
        one.out.clear();
        match kind {
            Kind::Read => prepared.read(address, toy, &mut one.out),
            Kind::Order => {
                number = self.sequence;
                self.sequence += 1;
                prepared.order((address, toy, quantity), (self.thread, number), &mut one.out);
            }
            Kind::OrderQuery => prepared.order_query(address, number, &mut one.out),
        }
        let sent = began.elapsed();
        let intended = intended.unwrap_or(sent);
        let asked = Asked { kind, toy, quantity, number, intended, sent };
        one.asked = Some(asked);
        let heard = one.send(&self.epoll, self.plan.addresses[address]);
        if self.counts(asked) {
            self.left = self.left.map(|left| left.saturating_sub(1));
        }
        self.hear(client, heard, began);
    }

    /// What this client asks for next: kind, toy, quantity and order.
    fn draw(&mut self, client: usize) -> (Kind, usize, u32, u64) {
        let chooser = &mut self.chooser;
        if let Some(toy) = self.clients[client].wants.take() {
            return (Kind::Order, toy, chooser.quantity(), 0);
        }
        match chooser.kind() {
            Kind::OrderQuery if !self.recent.is_empty() => {
                let (number, toy, quantity) = self.recent[chooser.one_of(self.recent.len())];
                (Kind::OrderQuery, toy, quantity, number)
            }
            Kind::Read | Kind::OrderQuery => (Kind::Read, chooser.toy(), 0, 0),
            Kind::Order => (Kind::Order, chooser.toy(), chooser.quantity(), 0),
        }
    }

    /// Counts what came of a request.
    fn hear(&mut self, client: usize, heard: Heard, began: Instant) {
        match heard {
            Heard::Nothing => {}
            Heard::Answer(frame) => self.judge(client, frame, began.elapsed()),
            Heard::Failed(failure, why) => {
                let Some(asked) = self.clients[client].asked.take() else { return };
                let (now, refused) = (began.elapsed(), failure == Failure::NoConnection);
                let came = if refused { Came::Refusal } else { Came::Nothing };
                self.record(client, asked, now, |_| came);
                self.fail(asked, failure, why);
                self.rest(client, now, if refused { REFUSED_WAIT } else { Duration::ZERO });
            }
        }
    }

    /// Keeps it for the history, if there is one.
    fn record(
        &mut self,
        client: usize,
        asked: Asked,
        returned: Duration,
        came: impl FnOnce(&Client) -> Came,
    ) {
        if self.plan.recorded {
            let came = came(&self.clients[client]);
            self.report.recorded.push(Recorded { client, asked, returned, came });
        }
    }

    fn judge(&mut self, client: usize, frame: Frame, now: Duration) {
        let Some(asked) = self.clients[client].asked.take() else { return };
        self.record(client, asked, now, |one| Came::Answer(one.answer(frame).into(), frame));
        let one = &mut self.clients[client];
        let name = self.plan.prepared.name(asked.toy);
        let expected = match asked.kind {
            Kind::Read => reply::Asked::Read { name },
            Kind::Order => reply::Asked::Order,
            Kind::OrderQuery => {
                reply::Asked::OrderQuery { number: asked.number, name, quantity: asked.quantity }
            }
        };
        match reply::judge(expected, frame.status, one.body(frame)) {
            Verdict::Toy { in_stock } => {
                if in_stock && self.chooser.orders_after_read() {
                    one.wants = Some(asked.toy);
                }
                self.right(asked, frame, now, false);
            }
            Verdict::Ordered(number) => {
                if self.recent.len() == RECENT_MAX {
                    self.recent.pop_front();
                }
                self.recent.push_back((number, asked.toy, asked.quantity));
                self.report.numbers.push(number);
                self.right(asked, frame, now, false);
            }
            Verdict::NoStock => self.right(asked, frame, now, true),
            Verdict::Found => self.right(asked, frame, now, false),
            Verdict::Unavailable(why) => self.fail(asked, Failure::Unavailable, why),
            Verdict::Wrong(why) => self.fail(asked, Failure::Wrong, why),
        }
        self.rest(client, now, Duration::ZERO);
    }

    fn right(&mut self, asked: Asked, frame: Frame, now: Duration, no_stock: bool) {
        if !self.counts(asked) {
            return;
        }
        let service = self.arrivals.is_some().then(|| now - asked.sent);
        let row = self.report.counts.row_mut(asked.kind);
        row.record_right(now - asked.intended, service, no_stock, frame.hit);
    }

    /// A wrong answer in the warm-up is as wrong as a later one.
    fn fail(&mut self, asked: Asked, failure: Failure, why: String) {
        if self.counts(asked) || failure == Failure::Wrong {
            self.report.counts.row_mut(asked.kind).failures[failure as usize] += 1;
            if self.troubles < TROUBLES_MAX {
                self.troubles += 1;
                let (kind, failure) = (asked.kind.name(), failure.name());
                self.report.troubles.push(format!("{kind}, {failure}: {why}"));
            }
        }
    }

    /// It has its answer, or none: when it may ask again.
    fn rest(&mut self, client: usize, now: Duration, wait: Duration) {
        let think = match self.plan.pace {
            // Who saw what it wants does not think.
            Pace::Closed { .. } if self.clients[client].wants.is_some() => Duration::ZERO,
            Pace::Closed { think } => think,
            Pace::Open { .. } => Duration::ZERO,
        };
        match think.max(wait) {
            Duration::ZERO => self.free.push_back(client),
            wait => self.thinking.push(Reverse((now + wait, client))),
        }
    }
}
