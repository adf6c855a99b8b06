//! Faults of the network, as far as one node causes it: what it sends is lost, late or doubled, on
//! purpose.
//!
//! # The idea
//!
//! Whatever goes from A to B leaves A, so A is where it gets lost: each node is told the faults of
//! what **it** sends, for each other node (`PUT /faults`, only under `--chaos`). An edge has one
//! owner; one that is cut both ways is told to both ends.
//!
//! ```text
//! PUT /faults at A: {"seed":1,"edges":[{"to":"B","cut":true}]}
//!
//! A ──call──►✗  B      it never arrives; A waits for its deadline, and knows nothing
//! A ──log───►✗  B      one-way messages are gone
//! B ──call──►   A      it arrives, and is done
//! B ◄✗──answer─ A      lost: B waits for its deadline, and knows nothing
//! ```
//!
//! # The rules it keeps
//!
//! 1. *Cut, lost and late look like silence*, never like a refused or a broken connection: the
//!    caller learns [`Answer::Unknown`](shop::node::Answer) at its deadline. The watch on a link
//!    (`peer::watch`) reports nothing either while the link is cut; what happened meanwhile it
//!    notices when the link is healed.
//! 2. *A delay may outlast its deadline*: the request then arrives at B although A has given up,
//!    and its answer is heard by nobody.
//! 3. *A call may arrive twice*, on two connections, each with a delay of its own; the answer to
//!    the first counts, also where the second arrives before it. Every call between nodes is one
//!    that its caller tries again when it knows nothing, so B must bear that. An answer does not
//!    come twice: an HTTP exchange has one.
//! 4. *Log messages* are lost and doubled one by one, and a batch of them is late as a whole: they
//!    stay in order. While an edge has faults they do not ride home with the answer to a
//!    `POST /log`, so that there is one way on which that happens; that answer, which then carries
//!    nothing, is cut and late but not lost by chance.
//! 5. *The same seed makes the same draws*: for the first, the second, the third call on an edge,
//!    and likewise for messages, batches and answers, whatever happens on other edges or of other
//!    kinds. A set that is put again begins anew.
//!
//! What is set is in force for whatever is sent from then on; what was held back before stays so.
//!
//! # What is left out, and what it costs
//!
//! Only what nodes say to each other is concerned, not shoppers and tools. These are faults of
//! whole messages, not of packets, so nothing is sent again by TCP: with 10 % loss every tenth call
//! has an unknown outcome. B knows who asks by a header that only nodes under `--chaos` send. A
//! process that starts has no faults. And a node that is killed behind a cut closes its
//! connections: whoever was told of that cut does not notice, the others do.
//!
//! Called by `http::chaos` (to set and to show them, and for answers), [`super::Link`] (calls),
//! [`super::outbox`] (messages), [`super::watch`].

mod set;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use replication::NodeId;
use shop::node::Address;

pub use set::{DELAY_MS_MAX, EdgeFaults, FaultSet};

/// How long a lost answer is held back, and the connection with it: longer than any deadline
/// between nodes (8 s), so that whoever waits for it has given up.
const LOST: Duration = Duration::from_secs(12);

/// The faults of what one node sends. Exists only under `--chaos`.
pub struct Faults {
    me: Address,
    /// Whether any fault is set; while none is, this is all that is looked at.
    active: AtomicBool,
    /// Locked for one decision, from whatever task sends something.
    edges: Mutex<Edges>,
}

#[derive(Default)]
struct Edges {
    seed: u64,
    by_destination: BTreeMap<Address, Edge>,
}

impl Faults {
    /// None yet, for what `me` sends.
    pub fn new(me: Address) -> Faults {
        Faults { me, active: AtomicBool::new(false), edges: Mutex::default() }
    }

    /// Replaces the whole set by what a body asks for. `known` are the other nodes that this one
    /// knows.
    ///
    /// # Errors
    /// Says what is wrong with the body, where, and what was expected. The old set stays then.
    pub fn put(&self, body: &[u8], known: &[Address]) -> Result<(), String> {
        let (seed, edges) = set::read(body, self.me, known)?;
        let by_destination: BTreeMap<Address, Edge> =
            edges.into_iter().map(|(to, faults)| (to, Edge::new(faults, seed, to))).collect();
        let active = !by_destination.is_empty();
        *self.lock() = Edges { seed, by_destination };
        // Whoever reads an old value decides as if it had sent a moment earlier.
        self.active.store(active, Ordering::Relaxed);
        Ok(())
    }

    /// The set in force.
    pub fn set(&self) -> FaultSet {
        let edges = self.lock();
        let all = edges.by_destination.values().map(|edge| edge.faults.clone());
        FaultSet { seed: edges.seed, edges: all.collect() }
    }

    /// Whether there is any fault at all.
    pub fn any_set(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// Whether what is sent there is lost for certain.
    pub fn is_cut(&self, to: Address) -> bool {
        self.on(to, |edge| edge.faults.cut).unwrap_or(false)
    }

    /// Whether there is any fault on the way there.
    pub fn any(&self, to: Address) -> bool {
        self.on(to, |_| ()).is_some()
    }

    /// When a call that is made now arrives: never, once or twice, each after its delay. `None` if
    /// it has no fault.
    pub fn call(&self, to: Address) -> Option<Vec<Duration>> {
        self.on(to, Edge::call)
    }

    /// Takes lost messages out of a batch that is sent now, and puts doubled ones in twice.
    /// Returns after which delay it leaves.
    pub fn batch<T: Clone>(&self, to: Address, messages: &mut VecDeque<T>) -> Duration {
        self.on(to, |edge| edge.batch(messages)).unwrap_or_default()
    }

    /// How long an answer that is ready now is held back. One to a `POST /log` carries no message
    /// here, and so is not lost by chance.
    pub fn answer(&self, to: Address, is_log: bool) -> Duration {
        self.on(to, |edge| edge.answer(is_log)).unwrap_or_default()
    }

    fn on<T>(&self, to: Address, decide: impl FnOnce(&mut Edge) -> T) -> Option<T> {
        if !self.any_set() {
            return None;
        }
        self.lock().by_destination.get_mut(&to).map(decide)
    }

    fn lock(&self) -> MutexGuard<'_, Edges> {
        // It guards plain values that no panic leaves half changed.
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One edge with faults: pure, and the same for the same seed. Every decision draws the same number
/// of times, whatever comes of it, so that the next one does not depend on it.
struct Edge {
    faults: EdgeFaults,
    /// One generator for each kind of decision, so that none depends on how often the others were
    /// made.
    calls: Pcg64Mcg,
    messages: Pcg64Mcg,
    batches: Pcg64Mcg,
    answers: Pcg64Mcg,
}

impl Edge {
    fn new(faults: EdgeFaults, seed: u64, to: Address) -> Edge {
        let edge = match to {
            Address::Frontend(number) => u64::from(number),
            Address::Order(NodeId(number)) => 0x100 + u64::from(number),
            Address::Catalog(NodeId(number)) => 0x200 + u64::from(number),
        };
        // Spread apart, so that generators of one seed share no stretch of numbers.
        let random = |kind: u64| {
            let place = (edge * 4 + kind).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Pcg64Mcg::seed_from_u64(seed ^ place)
        };
        let (calls, messages) = (random(0), random(1));
        Edge { faults, calls, messages, batches: random(2), answers: random(3) }
    }

    fn call(&mut self) -> Vec<Duration> {
        let EdgeFaults { cut, loss, duplicate, .. } = self.faults;
        let random = &mut self.calls;
        let (lost, twice) = (chance(random, loss), chance(random, duplicate));
        let delays = [delay(random, &self.faults), delay(random, &self.faults)];
        let copies = match (cut || lost, twice) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        };
        delays[..copies].to_vec()
    }

    fn batch<T: Clone>(&mut self, messages: &mut VecDeque<T>) -> Duration {
        let EdgeFaults { cut, loss, duplicate, .. } = self.faults;
        let mut arriving = VecDeque::with_capacity(messages.len());
        for message in messages.drain(..) {
            let random = &mut self.messages;
            let (lost, twice) = (chance(random, loss), chance(random, duplicate));
            if cut || lost {
                continue;
            }
            if twice {
                arriving.push_back(message.clone());
            }
            arriving.push_back(message);
        }
        *messages = arriving;
        let delay = delay(&mut self.batches, &self.faults);
        if cut { Duration::ZERO } else { delay }
    }

    fn answer(&mut self, is_log: bool) -> Duration {
        let lost = chance(&mut self.answers, self.faults.loss) && !is_log;
        let delay = delay(&mut self.answers, &self.faults);
        if self.faults.cut || lost { LOST } else { delay }
    }
}

fn chance(random: &mut Pcg64Mcg, probability: f64) -> bool {
    // Below 1 always, so that 0 is never and 1 is always.
    random.random::<f64>() < probability
}

fn delay(random: &mut Pcg64Mcg, faults: &EdgeFaults) -> Duration {
    let EdgeFaults { delay_ms, jitter_ms, .. } = *faults;
    let more = Duration::from_millis(jitter_ms).mul_f64(random.random::<f64>());
    Duration::from_millis(delay_ms) + more
}
