//! `--history`: what the generator asked and was told, for `toystore check`.
//!
//! The generator keeps bytes and times; here they become what [`crate::client`] makes of an answer,
//! and lines as its shoppers write them. Called by `load::run` and `load::watch`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Error, Result};
use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use replication::Time;
use shop::message::{Consistency, NewOrder, OrderNumber, Problem, Request, RequestId};
use shop::node::Answer;
use shop::shopper::Config;
use shop::toy::{Quantity, ToyName};
use simulator::recording::{Attempt, Recorder};

use super::Flags;
use crate::client::dialect::Dialect;
use crate::client::runner::{Clock, Party};
use crate::command::client::history_file::{HistoryFile, store_of};
use crate::command::paint;
use crate::http::connection::{NoAnswer, Said, Url};
use crate::load::count::Report;
use crate::load::mix::Kind;
use crate::load::recorded::{Asked, Came, Recorded};
use crate::load::reply::{Frame, HEADERS_MAX};
use crate::load::{Plan, Running};

/// A history that grows.
pub struct History {
    file: HistoryFile,
    party: Party,
    /// In the order of the generator's places.
    toys: Vec<ToyName>,
    clock: Clock,
    /// One for each client, in the order of their numbers.
    recorders: Vec<Recorder>,
    /// The keys of orders of which nobody knows what became.
    unknown: Vec<String>,
}

impl History {
    /// Begins the file with the state of the store, before anything is sent.
    ///
    /// # Errors
    /// If it cannot be written, or the store does not answer.
    pub async fn begin(
        path: &Path,
        flags: &Flags,
        (urls, names): (&[Url], &[String]),
        repeat: &str,
    ) -> Result<History> {
        let names = names.iter().map(|name| name.parse().map_err(Error::msg));
        let toys = names.collect::<Result<Vec<ToyName>>>()?;
        let party = Party {
            urls: urls.to_vec(),
            dialect: Dialect::Lab,
            clients: flags.clients,
            recorded: true,
            rate: None,
            each: Config { toys: toys.clone(), ..Config::new(0, vec![], 0) },
        };
        let store = store_of(&party, &flags.running.data);
        let file = HistoryFile::begin(path, &party, store, repeat).await?;
        let (clock, recorders, unknown) = (Clock::start(), Vec::new(), Vec::new());
        Ok(History { file, party, toys, clock, recorders, unknown })
    }

    /// The clients are at it, by this clock.
    pub fn began(&mut self, running: &Running) {
        let run = std::process::id();
        let recorder = |client| Recorder {
            client,
            session: format!("load-{run}-{client}"),
            process: Some(format!("pid {run}")),
        };
        self.clock = Clock::since(running.began());
        self.recorders = (1..).map(recorder).take(running.plan().clients).collect();
    }

    /// Writes what a report has for it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, plan: &Plan, report: &mut Report) -> Result<()> {
        for Recorded { client, asked, returned, came } in std::mem::take(&mut report.recorded) {
            let key = match asked.kind {
                Kind::Order => plan.prepared.key((report.thread, asked.number)),
                Kind::Read | Kind::OrderQuery => String::new(),
            };
            let request = self.request(asked);
            let said = came_of(came);
            let answer = Dialect::Lab.meant(&request, &said);
            let node = said.as_ref().ok().and_then(|said| said.header("toystore-served-by"));
            let node = node.map(str::to_string);
            if asked.kind == Kind::Order && is_unknown(&answer) {
                self.unknown.push(key.clone());
            }
            let attempt = Attempt { request, key, invoked: micros(asked.sent) };
            // Clients of all threads are dealt out in turns.
            let recorder = &self.recorders[client * plan.threads + report.thread];
            let lines = recorder.lines(&attempt, micros(returned), node.as_deref(), &answer);
            self.file.add(&lines)?;
        }
        Ok(())
    }

    /// What was asked, as the store's clients say it.
    fn request(&self, asked: Asked) -> Request {
        let name = self.toys[asked.toy].clone();
        let consistency = Consistency::Linearizable;
        match asked.kind {
            Kind::Read => Request::ReadProduct { name, consistency },
            Kind::Order => Request::PlaceOrder(NewOrder {
                // The key says which it is.
                request_id: RequestId(0),
                name,
                quantity: Quantity::new(asked.quantity.into()).expect("as the flags allow"),
            }),
            Kind::OrderQuery => {
                Request::ReadOrder { number: OrderNumber(asked.number), consistency }
            }
        }
    }

    /// Asks what became of orders that nobody was told of, and writes how it ended.
    ///
    /// # Errors
    /// If it cannot be written, or a part of the store does not answer.
    pub async fn end(self) -> Result<()> {
        let path = self.file.path().display().to_string();
        let unknown = self.unknown.iter().map(String::as_str);
        self.file.end(&self.party, self.clock, unknown).await?;
        paint::say(format_args!("history: {path}\n  toystore check {path}"));
        Ok(())
    }
}

fn micros(time: Duration) -> Time {
    Time(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// Whether the order may have been recorded or not.
fn is_unknown(answer: &Answer) -> bool {
    match answer {
        Answer::Unknown => true,
        Answer::Said(Err(
            Problem::OutcomeUnknown(_) | Problem::Bad(_) | Problem::NotLeader { .. },
        )) => true,
        Answer::Said(_) | Answer::Refused => false,
    }
}

/// An answer as a client of the store has it.
fn came_of(came: Came) -> Result<Said, NoAnswer> {
    let (bytes, frame) = match came {
        Came::Answer(bytes, frame) => (bytes, frame),
        Came::Refusal => return Err(NoAnswer::Refused("no connection".to_string())),
        Came::Nothing => return Err(NoAnswer::Unknown("no answer".to_string())),
    };
    let headers = headers(&bytes, frame);
    let body = Bytes::from(bytes).slice(frame.body..frame.end);
    Ok(Said { status: frame.status, headers, body })
}

/// The headers of an answer that was understood when it came.
fn headers(bytes: &[u8], frame: Frame) -> HeaderMap {
    let mut space = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut space);
    let parsed = answer.parse(&bytes[..frame.body]);
    debug_assert!(parsed.is_ok(), "the generator has read it");
    let header = |header: &httparse::Header<'_>| {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(header.value).ok()?))
    };
    answer.headers.iter().filter_map(header).collect()
}
