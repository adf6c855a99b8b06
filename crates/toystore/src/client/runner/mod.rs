//! Runs shoppers over real HTTP: each a task with its own clock reading and its own connections.
//!
//! The shopper decides everything; here its effects are performed. It does one thing at a time (one
//! call, or one wait), so its task is a plain loop. What it writes down is reported while it shops,
//! for the CSV file, the progress bar and the story. Called by the commands `client` and `demo`;
//! calls [`crate::http::connection`] and [`super::dialect`].

use std::time::{Duration, Instant};

use replication::Time;
use shop::message::{Problem, Request};
use shop::node::{Address, Answer, Effect, Input, Node};
use shop::shopper::{Config, OrderLine, Pace, Sample, Shopper, Summary};
use simulator::recording::{Attempt, Recorder};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::dialect::Dialect;
use crate::http::connection::{Ask, Connection, NoAnswer, Said, Url};

/// Reports that may wait for whoever hears them; more make shoppers wait.
const REPORTS_WAITING_MAX: usize = 1024;

/// The most frontends: the shopper numbers them with one byte.
pub const FRONTENDS_MAX: usize = 255;

/// A monotonic clock that all shoppers of a run share, so that their times can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Begins at zero now.
    pub fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// One that began at zero then.
    pub fn since(origin: Instant) -> Clock {
        Clock { origin }
    }

    /// Now.
    pub fn now(self) -> Time {
        Time(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// How long it has run.
    pub fn elapsed(self) -> Duration {
        self.origin.elapsed()
    }

    async fn sleep_until(self, time: Time) {
        let instant = self.origin + time.since(Time::default());
        tokio::time::sleep_until(instant.into()).await;
    }
}

/// Shoppers to be run.
#[derive(Clone, Debug)]
pub struct Party {
    /// The frontends, in the order in which they are tried; not empty.
    pub urls: Vec<Url>,
    /// The JSON that they speak.
    pub dialect: Dialect,
    /// How many shoppers.
    pub clients: u32,
    /// Whether every operation is recorded, for a history.
    pub recorded: bool,
    /// How many requests a second they make together; absent: as fast as they are answered.
    pub rate: Option<u32>,
    /// What each is told; its number and the frontend that it tries first are filled in here.
    pub each: Config,
}

/// What a shopper wrote down in one step.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which shopper, from 1.
    pub session: u32,
    /// Rounds done so far.
    pub done: u32,
    /// Orders that were recorded.
    pub orders: Vec<OrderLine>,
    /// Requests that ended.
    pub samples: Vec<Sample>,
    /// Its operations as lines of a history, if they are recorded.
    pub operations: Vec<String>,
    /// Requests that it did not begin, since they were too late.
    pub given_up: u64,
    /// Why the last attempt will be repeated, or was given up, in words.
    pub trouble: Option<String>,
}

/// How far shoppers may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// On with their rounds.
    Rounds,
    /// No further round; they compare what they were told.
    Compare,
    /// They stop at once.
    Stop,
}

/// Shoppers under way.
#[derive(Debug)]
pub struct Running {
    reports: mpsc::Receiver<Report>,
    stage: watch::Sender<Stage>,
    shoppers: JoinSet<(u32, Summary)>,
}

impl Party {
    /// Sends all shoppers on their way.
    pub fn start(&self, clock: Clock) -> Running {
        let (reporter, reports) = mpsc::channel(REPORTS_WAITING_MAX);
        let (stage, heard) = watch::channel(Stage::Rounds);
        let mut shoppers = JoinSet::new();
        for session in 1..=self.clients {
            let session_id = format!("toystore-{:x}-{session}", self.each.seed);
            let process = Some(format!("pid {}", std::process::id()));
            let recorder = Recorder { client: session, session: session_id.clone(), process };
            let task = Task {
                recorder: self.recorded.then_some(recorder),
                attempt: None,
                operations: vec![],
                shopper: Shopper::new(self.config(session)),
                connections: self.urls.iter().cloned().map(Connection::new).collect(),
                dialect: self.dialect,
                session_id,
                clock,
                stage: heard.clone(),
                trouble: None,
            };
            let reporter = reporter.clone();
            shoppers.spawn(async move { (session, task.run(session, reporter).await) });
        }
        Running { reports, stage, shoppers }
    }

    /// Shoppers begin at different frontends, so that all have work.
    fn config(&self, session: u32) -> Config {
        let count = u8::try_from(self.urls.len()).expect("the command line takes at most 255");
        let mut frontends: Vec<u8> = (1..=count).collect();
        frontends.rotate_left((session - 1) as usize % self.urls.len());
        let pace = self.rate.map(|rate| Pace::of(rate, self.clients, session));
        Config { session, frontends, pace, ..self.each.clone() }
    }
}

impl Running {
    /// The next report; absent when all shoppers are done.
    pub async fn next(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// A report that is there already.
    pub fn waiting(&mut self) -> Option<Report> {
        self.reports.try_recv().ok()
    }

    /// Ends early: a request under way may be done or not.
    pub fn stop(&self) {
        self.stage.send_replace(Stage::Stop);
    }

    /// No more rounds: each shopper ends the one that it is in, and compares.
    pub fn end_rounds(&self) {
        self.stage.send_replace(Stage::Compare);
    }

    /// What became of each shopper, in the order of their numbers. Reports must have been read
    /// until there are no more.
    pub async fn summaries(self) -> Vec<Summary> {
        // Reports that nobody reads must not hold a shopper.
        drop(self.reports);
        let mut all = self.shoppers.join_all().await;
        all.sort_by_key(|(session, _)| *session);
        all.into_iter().map(|(_, summary)| summary).collect()
    }
}

/// One shopper and what it needs.
struct Task {
    shopper: Shopper,
    /// The `k`th is to frontend `k + 1`.
    connections: Vec<Connection>,
    dialect: Dialect,
    session_id: String,
    clock: Clock,
    stage: watch::Receiver<Stage>,
    trouble: Option<String>,
    recorder: Option<Recorder>,
    /// What is under way, if it is recorded.
    attempt: Option<Attempt>,
    /// What is recorded and not reported yet.
    operations: Vec<String>,
}

impl Task {
    async fn run(mut self, session: u32, reporter: mpsc::Sender<Report>) -> Summary {
        let mut input = Input::Start;
        loop {
            let mut effects = vec![];
            if *self.stage.borrow() == Stage::Compare {
                self.shopper.end_rounds();
            }
            self.shopper.step(self.clock.now(), input, &mut effects);
            let report = Report {
                session,
                done: self.shopper.progress().0,
                orders: self.shopper.take_orders(),
                samples: self.shopper.take_samples(),
                operations: std::mem::take(&mut self.operations),
                given_up: self.shopper.take_given_up(),
                trouble: self.trouble.take(),
            };
            let told = !report.samples.is_empty() || !report.operations.is_empty();
            if told || report.trouble.is_some() {
                // Nobody listens any more: the summary still counts.
                let _ = reporter.send(report).await;
            }
            match self.perform(effects).await {
                Some(next) => input = next,
                None => return self.shopper.summary().clone(),
            }
        }
    }

    /// Does what the shopper wants, and returns what came of it; absent at the end.
    async fn perform(&mut self, effects: Vec<Effect>) -> Option<Input> {
        let mut stage = self.stage.clone();
        for effect in effects {
            match effect {
                Effect::Call { call, to, request, deadline } => {
                    let answer = tokio::select! {
                        biased;
                        _ = stage.wait_for(|stage| *stage == Stage::Stop) => None,
                        answer = self.call(to, &request, deadline) => Some(answer),
                    };
                    let Some(answer) = answer else {
                        self.record(None, &Answer::Unknown);
                        return Some(Input::Stop);
                    };
                    return Some(Input::Answer { call, answer });
                }
                Effect::Stopped => return None,
                // A shopper keeps nothing on disk, and nobody asks it anything.
                Effect::Persist(_)
                | Effect::Checkpoint(_)
                | Effect::Reply { .. }
                | Effect::Send { .. }
                | Effect::Know { .. }
                | Effect::Warn(_) => {}
            }
        }
        let timer = self.shopper.next_timer()?;
        tokio::select! {
            biased;
            _ = stage.wait_for(|stage| *stage == Stage::Stop) => Some(Input::Stop),
            () = self.clock.sleep_until(timer) => Some(Input::Timer),
        }
    }

    async fn call(&mut self, to: Address, request: &Request, deadline: Duration) -> Answer {
        let Address::Frontend(number) = to else {
            return Answer::Refused;
        };
        let key = match request {
            Request::PlaceOrder(order) => self.shopper.key_of(order.request_id).unwrap_or_default(),
            _ => "",
        };
        let Some(ask) = self.dialect.ask(request, key) else {
            let why = format!("the {} dialect has no words for it", self.dialect);
            return Answer::Said(Err(Problem::Bad(why)));
        };
        let ask: Ask = ask.with("session-id", self.session_id.clone());
        if self.recorder.is_some() {
            let (request, key) = (request.clone(), key.to_string());
            self.attempt = Some(Attempt { request, key, invoked: self.clock.now() });
        }
        let connection = &mut self.connections[usize::from(number) - 1];
        let answered = connection.ask(&ask, deadline).await;
        let node = answered.as_ref().ok().and_then(|said| said.header("toystore-served-by"));
        let node = node.map(str::to_string);
        let answer = self.judge(number, request, answered);
        self.record(node.as_deref(), &answer);
        answer
    }

    /// What an answer means to the shopper.
    fn judge(&mut self, number: u8, request: &Request, answered: Result<Said, NoAnswer>) -> Answer {
        let url = self.connections[usize::from(number) - 1].url();
        let answer = self.dialect.meant(request, &answered);
        match answered {
            Ok(said) => {
                if let Some(advice) = self.dialect.advice(request, &said) {
                    self.trouble = Some(format!("{url}: {advice}"));
                } else if let Answer::Said(Err(problem)) = &answer
                    && !is_everyday(problem)
                {
                    self.trouble = Some(format!("{url} says {}: {}", said.status, said.message()));
                }
            }
            // Says itself who refused.
            Err(refused @ NoAnswer::Refused(_)) => self.trouble = Some(refused.to_string()),
            Err(unknown @ NoAnswer::Unknown(_)) => self.trouble = Some(format!("{url}: {unknown}")),
        }
        answer
    }
}

impl Task {
    /// Writes the attempt down that has ended.
    fn record(&mut self, node: Option<&str>, answer: &Answer) {
        if let (Some(recorder), Some(attempt)) = (&self.recorder, self.attempt.take()) {
            let lines = recorder.lines(&attempt, self.clock.now(), node, answer);
            self.operations.extend(lines);
        }
    }
}

/// What happens in a store where all is well.
fn is_everyday(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::InsufficientStock { .. }
            | Problem::UnknownProduct
            | Problem::UnknownOrder
            | Problem::NoOrderHere(_)
    )
}

#[cfg(test)]
mod tests;
