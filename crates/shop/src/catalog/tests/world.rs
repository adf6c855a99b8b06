//! One catalog, its simulated disk and its clock: performs effects as the contract says, so that an
//! effect that follows a `Persist` waits until that record is durable.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use replication::log::{Checkpoint, Recovered};
use replication::{Record, Time};

use crate::catalog::{Catalog, Config};
use crate::message::{Request, Response};
use crate::node::{Address, Answer, CallId, Effect, Input, Node, Token};

/// A catalog and what surrounds it.
#[derive(Clone)]
pub struct World {
    pub config: Config,
    /// `None` while the process is dead.
    pub catalog: Option<Catalog>,
    pub now: Time,
    /// Durable: the checkpoint, the number of the last record it stands for, and what follows.
    checkpoint: Checkpoint,
    covered: u64,
    durable: Vec<(u64, Record)>,
    /// Emitted by this process, not yet durable, with their numbers since it started.
    waiting: VecDeque<(u64, Record)>,
    emitted: u64,
    synced: u64,
    /// Effects that wait for the record of this number.
    held: VecDeque<(u64, Effect)>,
    /// Whether each step is followed by a sync.
    pub auto: bool,
    /// Calls without an answer yet.
    pub calls: BTreeMap<CallId, (Address, Request)>,
    /// Replies that were performed and not yet taken.
    pub replies: VecDeque<(Token, Response)>,
    /// Performed effects, for scripts.
    pub trace: Vec<String>,
    pub stopped: bool,
    tokens: u64,
}

impl World {
    pub fn new(config: Config) -> World {
        World {
            config,
            catalog: None,
            now: Time(0),
            checkpoint: Checkpoint::default(),
            covered: 0,
            durable: Vec::new(),
            waiting: VecDeque::new(),
            emitted: 0,
            synced: 0,
            held: VecDeque::new(),
            auto: true,
            calls: BTreeMap::new(),
            replies: VecDeque::new(),
            trace: Vec::new(),
            stopped: false,
            tokens: 0,
        }
    }

    pub fn node(&self) -> &Catalog {
        self.catalog.as_ref().expect("the test started the catalog")
    }

    pub fn recovered(&self) -> Recovered {
        let records = self.durable.iter().map(|(_, record)| record.clone()).collect();
        Recovered { checkpoint: self.checkpoint.clone(), records }
    }

    /// Starts a process on what the disk holds.
    pub fn start(&mut self) -> Result<(), String> {
        self.catalog = Some(Catalog::new(self.config.clone(), &self.recovered())?);
        (self.emitted, self.synced, self.covered) = (0, 0, 0);
        for (number, _) in &mut self.durable {
            *number = 0;
        }
        self.stopped = false;
        self.step(Input::Start);
        Ok(())
    }

    /// The process dies. Of what was not synced, the first `written` records reach the disk.
    pub fn crash(&mut self, written: usize) {
        self.write(written);
        self.waiting.clear();
        self.held.clear();
        self.calls.clear();
        self.replies.clear();
        self.catalog = None;
    }

    /// Asks something; the token under which the reply will come.
    pub fn ask(&mut self, request: Request) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.step(Input::Request { token, request });
        token
    }

    /// Answers a call that waits.
    pub fn answer(&mut self, call: CallId, answer: Answer) {
        self.calls.remove(&call);
        self.step(Input::Answer { call, answer });
    }

    /// The last call that a frontend has not answered.
    pub fn call_of(&self, frontend: u8) -> Option<CallId> {
        let to = Address::Frontend(frontend);
        self.calls.iter().rev().find(|(_, (address, _))| *address == to).map(|(call, _)| *call)
    }

    pub fn step(&mut self, input: Input) {
        let mut effects = Vec::new();
        let catalog = self.catalog.as_mut().expect("only a living process is stepped");
        catalog.step(self.now, input, &mut effects);
        assert!(catalog.next_timer().is_none_or(|at| at > self.now), "a timer stays due");
        let mut gate = 0;
        for effect in effects {
            if let Effect::Persist(record) = effect {
                self.trace.push(format!("persist {record}"));
                self.emitted += 1;
                gate = self.emitted;
                self.waiting.push_back((gate, record));
            } else if gate > self.synced {
                self.held.push_back((gate, effect));
            } else {
                self.perform(effect);
            }
        }
        if self.auto && !self.waiting.is_empty() {
            self.sync(usize::MAX);
        }
    }

    /// Makes the first `count` waiting records durable and says so.
    pub fn sync(&mut self, count: usize) {
        self.write(count);
        while self.held.front().is_some_and(|(gate, _)| *gate <= self.synced) {
            let (_, effect) = self.held.pop_front().expect("it was just looked at");
            self.perform(effect);
        }
        let upto = self.synced;
        self.step(Input::Persisted { upto });
    }

    pub fn unsynced(&self) -> usize {
        self.waiting.len()
    }

    /// Everything but the catalog's own state that what happens next depends on.
    pub fn fingerprint(&self, into: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        (&self.checkpoint, self.covered, &self.durable, &self.waiting).hash(into);
        (self.emitted, self.synced, self.stopped).hash(into);
        format!("{:?} {:?}", self.held, self.calls).hash(into);
    }

    /// Lets time pass; the node's timers fire when they are due.
    pub fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.catalog.as_ref().and_then(Node::next_timer) {
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            self.step(Input::Timer);
        }
        self.now = end;
    }

    fn write(&mut self, count: usize) {
        for _ in 0..count.min(self.waiting.len()) {
            let (number, record) = self.waiting.pop_front().expect("counted");
            self.synced = number;
            if number > self.covered {
                self.durable.push((number, record));
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        self.trace.push(effect.to_string());
        match effect {
            Effect::Reply { token, response } => self.replies.push_back((token, response)),
            Effect::Call { call, to, request, .. } => {
                self.calls.insert(call, (to, request));
            }
            Effect::Checkpoint(checkpoint) => {
                // It stands for every record emitted before it: all but those of later steps.
                let last = checkpoint.tail.last().map_or(checkpoint.snapshot.index, |e| e.index);
                self.covered = self.emitted;
                let newer = |record: &Record| match record {
                    Record::Append(entry) => entry.index > last,
                    Record::Promise(_)
                    | Record::Truncate(_)
                    | Record::Accepted(_)
                    | Record::Members(_) => false,
                };
                self.durable.retain(|(_, record)| newer(record));
                if let Some((number, _)) = self.waiting.iter().find(|(_, record)| newer(record)) {
                    self.covered = number - 1;
                }
                let index = checkpoint.snapshot.index;
                self.checkpoint = checkpoint;
                self.step(Input::Checkpointed { index });
            }
            Effect::Stopped => self.stopped = true,
            Effect::Persist(_) | Effect::Send { .. } | Effect::Know { .. } | Effect::Warn(_) => {}
        }
    }
}
