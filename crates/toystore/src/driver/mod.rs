//! The driver: one node, everything that happens to it, and everything that it wants done.
//!
//! # The idea
//!
//! A node is a pure state machine ([`shop::node`]). The driver holds it under **one mutex**, and
//! whoever has an input steps it, in whatever task or thread that is: a connection's task with a
//! request, a link's task with an answer, the disk thread with what is durable. No channel and no
//! second task lies between a request and its answer; the lock is held for the microseconds of one
//! step, and everything done under it is a push into a queue.
//!
//! ```text
//!   connection ─┐                         ┌─► reply       to the task that waits for it
//!   link        ├─► lock ─► step ─► effects ─► call, send  peer: one link for each node
//!   disk thread ┤                         ├─► persist     disk: group commit on its own thread
//!   timer       ┘                         └─► …and what follows a persist, once that is durable
//! ```
//!
//! # The rules it keeps
//!
//! 1. Effects of a step are performed in list order; what follows a `Persist` in the same step
//!    waits until that record is on disk, and everything held for the disk goes out in order.
//! 2. Exactly one answer comes to each call, exactly one reply goes to each request.
//! 3. `now` is read under the lock, so that it never goes back for the node.
//! 4. A panic inside a node ends the process: its state is unknown, and its disk is not.
//!
//! Called by `http` (requests), `peer` (answers, links) and the service commands; calls `peer` and
//! [`disk`].

pub mod disk;

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use replication::{Index, NodeId, Time};
use shop::message::{Request, Response};
use shop::node::{Address, Answer, Token};
use shop::{Effect, Input, Node};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use wal::Finished;

use crate::clock;
use crate::http::metrics::Page;
use crate::peer::{Event, Peers};
use crate::trace::{Arrival, Header, Traces};
use disk::{DiskQueue, Write};

/// One node and its shell.
pub struct Driver<N> {
    /// The one lock of a node. Invariant: held only for a step and the pushes of its effects, never
    /// across an await or a system call that waits.
    core: Mutex<Core<N>>,
    /// Wakes the timer task when the node wants to be woken earlier than it planned.
    rearm: Notify,
    peers: Peers,
    disk: Option<DiskQueue>,
    /// Calls are spawned from the disk thread too, which is no thread of the runtime.
    runtime: Handle,
    /// Becomes true at `Effect::Stopped`.
    stopped: watch::Sender<bool>,
}

struct Core<N> {
    node: N,
    /// Requests that wait for their reply, by token.
    waiting: BTreeMap<u64, oneshot::Sender<Response>>,
    last_token: u64,
    /// Records that the node has emitted since its start.
    emitted: u64,
    /// Effects that wait until so many records are durable.
    held: VecDeque<(u64, Effect)>,
    /// When the timer task will look again; earlier wishes must wake it.
    armed: Time,
}

impl<N: Node + Send + 'static> Driver<N> {
    /// A driver of a node that has not started. Must be called inside a runtime.
    pub fn new(node: N, peers: Peers, disk: Option<DiskQueue>) -> Arc<Driver<N>> {
        let core = Core {
            node,
            waiting: BTreeMap::new(),
            last_token: 0,
            emitted: 0,
            held: VecDeque::new(),
            armed: Time(0),
        };
        Arc::new(Driver {
            core: Mutex::new(core),
            rearm: Notify::new(),
            peers,
            disk,
            runtime: Handle::current(),
            stopped: watch::Sender::new(false),
        })
    }

    /// Starts the node, its disk thread, its links and its timer.
    pub fn start(self: &Arc<Driver<N>>) {
        if let Some(disk) = &self.disk {
            // Not bounded: the disk thread says one thing for each commit.
            let (sender, receiver) = mpsc::unbounded_channel();
            // Whoever would hear it is gone: the process ends.
            disk.start(move |finished| _ = sender.send(finished));
            tokio::spawn(run_disk(Arc::downgrade(self), receiver));
        }
        self.input(Input::Start);
        tokio::spawn(run_timer(Arc::downgrade(self)));
        let weak = Arc::downgrade(self);
        self.peers.start(Arc::new(move |event| {
            if let Some(driver) = weak.upgrade() {
                driver.on_peer(event);
            }
        }));
    }

    /// Answers a request. `None` if the node never will: the process ends.
    pub async fn request(
        self: &Arc<Driver<N>>,
        request: Request,
        arrival: &mut Arrival,
    ) -> Option<Response> {
        let answer = {
            let (sender, receiver) = oneshot::channel();
            let mut core = self.lock();
            core.last_token += 1;
            let token = core.last_token;
            core.waiting.insert(token, sender);
            self.traces().asked(token, &request, arrival);
            let input = Input::Request { token: Token(token), request };
            self.step(&mut core, input);
            receiver
        };
        answer.await.ok()
    }

    /// Something happened to the node.
    pub fn input(self: &Arc<Driver<N>>, input: Input) {
        self.step(&mut self.lock(), input);
    }

    /// Several things at once, under one lock.
    pub fn inputs(self: &Arc<Driver<N>>, inputs: impl IntoIterator<Item = Input>) {
        let mut core = self.lock();
        for input in inputs {
            self.step(&mut core, input);
        }
    }

    /// Looks at the node, or takes the hot path past its inputs. Nothing that it does may have
    /// effects.
    pub fn with<T>(&self, look: impl FnOnce(&mut N, Time) -> T) -> T {
        let mut core = self.lock();
        look(&mut core.node, clock::now())
    }

    /// Asks the node to stop, and waits until it has done what a clean stop needs and its disk has
    /// everything, at most `deadline`.
    pub async fn stop(self: &Arc<Driver<N>>, deadline: Duration) {
        let mut stopped = self.stopped.subscribe();
        self.input(Input::Stop);
        let in_time = tokio::time::timeout(deadline, stopped.wait_for(|stopped| *stopped)).await;
        if in_time.is_err() {
            tracing::warn!("the node did not come to an end within {deadline:?}");
        }
        if let Some(disk) = &self.disk {
            disk.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Core<N>> {
        // A step that panicked has ended the process already.
        self.core.lock().unwrap_or_else(|_| std::process::abort())
    }

    fn step(self: &Arc<Driver<N>>, core: &mut Core<N>, input: Input) {
        let now = clock::now();
        tracing::trace!(%input, "step");
        if let Input::Receive { from, message } = &input {
            self.traces().receives(*from, message);
        }
        let mut effects = Vec::new();
        let stepped = catch_unwind(AssertUnwindSafe(|| core.node.step(now, input, &mut effects)));
        if stepped.is_err() {
            // The panic's own message stands in the log already.
            tracing::error!("the node's state is unknown after a panic: the process ends");
            std::process::abort();
        }
        let mut after_persist = false;
        let mut writes = Vec::new();
        for effect in effects {
            tracing::trace!(%effect, "effect");
            match effect {
                Effect::Persist(record) => {
                    core.emitted += 1;
                    after_persist = true;
                    self.traces().persists(core.emitted, &record);
                    writes.push(Write::Record(record));
                }
                Effect::Checkpoint(checkpoint) => writes.push(Write::Checkpoint(checkpoint)),
                // For the operator, who relies on no disk.
                Effect::Warn(_) => self.perform(core, effect),
                effect if after_persist => core.held.push_back((core.emitted, effect)),
                effect => self.perform(core, effect),
            }
        }
        if !writes.is_empty() {
            let disk = self.disk.as_ref();
            disk.expect("only nodes that were given a disk persist anything").push(writes);
        }
        if core.node.next_timer().is_some_and(|at| at < core.armed) {
            self.rearm.notify_one();
        }
    }

    fn perform(self: &Arc<Driver<N>>, core: &mut Core<N>, effect: Effect) {
        match effect {
            Effect::Reply { token, response } => {
                self.traces().replied(token.0);
                if let Some(waiting) = core.waiting.remove(&token.0) {
                    // Whoever asked may have gone away meanwhile.
                    let _ = waiting.send(response);
                }
            }
            Effect::Call { call, to, request, deadline } => {
                let driver = self.clone();
                let link = self.peers.link(to);
                let departure = self.traces().depart(&request, link.as_deref());
                self.runtime.spawn(async move {
                    let answer = match link {
                        Some(link) => link.call(&request, &departure.header, deadline).await,
                        None => Answer::Refused,
                    };
                    departure.end(&answer);
                    driver.input(Input::Answer { call, answer });
                });
            }
            Effect::Send { to, message } => {
                self.traces().sends(to, &message);
                self.peers.send(to, message);
            }
            // What this process was started with is newer than what the log remembers.
            Effect::Know { node: node @ Address::Order(_), url } => self.peers.meet(node, &url),
            Effect::Know { node, url } => self.peers.know(node, &url),
            Effect::Warn(text) => tracing::warn!("{text}"),
            Effect::Stopped => {
                self.stopped.send_replace(true);
            }
            Effect::Persist(_) | Effect::Checkpoint(_) => unreachable!("step() wrote them"),
        }
    }

    fn on_disk(self: &Arc<Driver<N>>, finished: Finished) {
        let mut core = self.lock();
        let input = match finished {
            Finished::Persisted { upto } => {
                self.traces().persisted(upto);
                while core.held.front().is_some_and(|(needed, _)| *needed <= upto)
                    && let Some((_, effect)) = core.held.pop_front()
                {
                    self.perform(&mut core, effect);
                }
                Input::Persisted { upto }
            }
            Finished::Checkpointed { index } => Input::Checkpointed { index: Index(index) },
            Finished::Full(_) => Input::DiskFull(true),
            Finished::Room => Input::DiskFull(false),
        };
        self.step(&mut core, input);
    }

    fn on_peer(self: &Arc<Driver<N>>, event: Event) {
        match event {
            Event::Link { node, up } => self.input(Input::Link { node, up }),
            // From a replica of this node's own service: no other link carries any.
            Event::Messages {
                from: Address::Order(from) | Address::Catalog(from),
                messages,
                traces,
            } => self.receive(from, messages, &traces),
            Event::Messages { from: Address::Frontend(_), .. } => {}
        }
    }

    /// Messages from another replica, and within which traces.
    pub fn receive(
        self: &Arc<Driver<N>>,
        from: NodeId,
        messages: Vec<replication::engine::Message>,
        traces: &Header,
    ) {
        self.traces().received(&messages, traces);
        self.inputs(messages.into_iter().map(|message| Input::Receive { from, message }));
    }

    /// What links and disk have measured, for `/metrics`.
    pub fn measured(&self, page: &mut Page) {
        self.peers.measured(page);
        if let Some(disk) = &self.disk {
            disk.measured(page);
        }
    }

    /// Where the spans of this node are.
    pub fn traces(&self) -> &Traces {
        self.peers.traces()
    }

    /// Where other nodes are.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }
}

/// Tells the node what its disk has done. A task and not the disk thread itself: that is woken once
/// for each commit, and wakes the runtime once, not once for each answer; and it begins the next
/// commit meanwhile.
async fn run_disk<N: Node + Send + 'static>(
    driver: Weak<Driver<N>>,
    mut told: mpsc::UnboundedReceiver<Finished>,
) {
    while let Some(finished) = told.recv().await {
        let Some(driver) = driver.upgrade() else { return };
        driver.on_disk(finished);
    }
}

/// Steps the node when it asked to be woken: late if the machine is busy, never early.
async fn run_timer<N: Node + Send + 'static>(driver: Weak<Driver<N>>) {
    /// How long the timer sleeps at most, where the node wants nothing.
    const SLEEP_MAX: Duration = Duration::from_secs(3600);
    loop {
        let Some(alive) = driver.upgrade() else { return };
        let sleep = {
            let mut core = alive.lock();
            let now = clock::now();
            if core.node.next_timer().is_some_and(|at| at <= now) {
                alive.step(&mut core, Input::Timer);
            }
            let next = core.node.next_timer().unwrap_or(Time(u64::MAX)).min(now + SLEEP_MAX);
            core.armed = next;
            next.since(clock::now())
        };
        tokio::select! {
            biased;
            () = alive.rearm.notified() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}
