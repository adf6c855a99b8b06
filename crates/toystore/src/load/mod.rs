//! A load generator that does not lie: what `toystore load` sends, when, and what it makes of the
//! answers.
//!
//! **The idea.** A store that stalls for a second makes a generator that waits for answers wait,
//! too: it asks nothing in that second, and only one of a thousand latencies tells of it
//! (*coordinated omission*). In the **open loop** requests have times of their own, fixed by rate
//! and seed before the first is sent, and a latency counts from that intended time, however late
//! the request went out. In the **closed loop** each client waits for its answer: that measures how
//! much the store can do, and its latencies are those of clients who wait.
//!
//! **The rules it keeps.**
//! - Every answer is checked: status, JSON, the toy's name, the order's number ([`reply`]).
//! - No retry and no failover: what one request met is what is counted.
//! - What was intended and never sent is counted, and counts against the store ([`count`]).
//! - It must not be the bottleneck: one thread, prepared bytes, and waits of its own that end
//!   within microseconds; those of the runtime end within a millisecond, which is more than a
//!   cached read takes.
//!
//! | file | what it holds | pure |
//! | --- | --- | --- |
//! | `mix` | which toy, what with it, how many | yes |
//! | `arrivals` | when, in the open loop | yes |
//! | `request` | the bytes of a request | yes |
//! | `reply` | the bytes of an answer, and whether it is right | yes |
//! | `count` | what is counted, and added up | yes |
//! | `gathered` | all counts of all threads, second by second | yes |
//! | `goal` | `--slo`: what must hold of the counts | yes |
//! | `recorded` | what was asked and what came, for a history | yes |
//! | `hdr` | histograms as files that others read, and that can be merged | yes |
//! | `socket` | one connection that never blocks | no |
//! | `client` | a client: its connection, and what it asked | no |
//! | `worker` | the loop of one thread | no |
//!
//! Called by [`crate::command::load`].

pub mod arrivals;
mod client;
pub mod count;
pub mod gathered;
pub mod goal;
pub mod hdr;
pub mod mix;
pub mod recorded;
pub mod reply;
pub mod request;
mod socket;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use arrivals::Rhythm;
use count::Report;
use mix::Mix;
use request::Prepared;
use worker::Worker;

/// How requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Each client waits for its answer, thinks, and asks again.
    Closed {
        /// Between an answer and the next request.
        think: Duration,
    },
    /// So many requests are due each second, whatever becomes of those before.
    Open {
        /// Requests a second, of all threads together.
        rate: f64,
        /// How they are spread over it.
        rhythm: Rhythm,
    },
}

/// How long it goes on after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So long.
    For(Duration),
    /// Until so many requests have been sent.
    Count(u64),
}

/// All that is decided before the first request.
pub struct Plan {
    /// The store's addresses; clients are spread over them.
    pub addresses: Vec<SocketAddr>,
    /// The bytes of all requests.
    pub prepared: Prepared,
    /// What is asked for.
    pub mix: Mix,
    /// When.
    pub pace: Pace,
    /// Connections, at least one for each thread.
    pub clients: usize,
    /// Threads, at least one.
    pub threads: usize,
    /// What is sent before this is over is not counted.
    pub warm_up: Duration,
    /// How long after that.
    pub extent: Extent,
    /// A request that has no answer by then is given up, and its connection closed.
    pub deadline: Duration,
    /// Fixes toys, kinds, quantities and times.
    pub seed: u64,
    /// Whether every request is kept for a history.
    pub recorded: bool,
}

impl Plan {
    /// The part of a whole that falls to this thread.
    fn share(&self, whole: u64, thread: usize) -> u64 {
        let (threads, thread) = (self.threads as u64, thread as u64);
        whole / threads + u64::from(thread < whole % threads)
    }
}

/// How soon it must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Urgency {
    /// When it is done.
    None,
    /// No more requests; what was asked is waited for.
    Soon,
    /// At once.
    Now,
}

/// Threads that are at it. Their reports come once a second, at the end one more of each.
pub struct Running {
    reports: UnboundedReceiver<Report>,
    urgency: Arc<AtomicU8>,
    threads: Vec<JoinHandle<()>>,
    plan: Arc<Plan>,
    began: Instant,
}

impl Running {
    /// Starts all threads; they have the same clock.
    ///
    /// # Errors
    /// If the system gives no epoll or no thread.
    pub fn start(plan: Plan) -> std::io::Result<Running> {
        let (sender, reports) = unbounded_channel();
        // Shared for reading by all threads, and by nobody else.
        let plan = Arc::new(plan);
        // The only thing that is told to a thread that runs.
        let urgency = Arc::new(AtomicU8::new(Urgency::None as u8));
        let workers = (0..plan.threads)
            .map(|thread| Worker::new(plan.clone(), thread, sender.clone(), urgency.clone()))
            .collect::<std::io::Result<Vec<_>>>()?;
        let began = Instant::now();
        let spawn = |worker: Worker| {
            let name = std::thread::Builder::new().name("load".to_string());
            name.spawn(move || worker.run(began))
        };
        let threads = workers.into_iter().map(spawn).collect::<std::io::Result<_>>()?;
        Ok(Running { reports, urgency, threads, plan, began })
    }

    /// What was decided before.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// When all threads' clocks stood at zero.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The next report; absent when all threads are done.
    pub async fn next(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// No more requests; the second time, no more waiting either.
    pub fn stop(&self) {
        let soon = Urgency::Soon as u8;
        if self.urgency.swap(soon, Ordering::Relaxed) >= soon {
            self.urgency.store(Urgency::Now as u8, Ordering::Relaxed);
        }
    }

    /// Waits for the threads, which have sent their last report.
    ///
    /// # Errors
    /// If one panicked: then its counts are not whole.
    pub fn end(self) -> Result<(), &'static str> {
        let ended = self.threads.into_iter().map(JoinHandle::join);
        match ended.filter(Result::is_err).count() {
            0 => Ok(()),
            _ => Err("a thread of the generator ended in a panic: this is a bug in it"),
        }
    }
}
