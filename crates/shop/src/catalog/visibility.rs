//! What readers see of each toy while it changes, and which take answers wait for that.
//!
//! A change is *begun* when its command is proposed, and *visible* when it is applied (durable) and
//! no frontend may answer with an older state any more. Between the two every reader gets the last
//! visible state, which must not be cached; and a take is not answered, whether it took or was
//! refused, for its buyer may read at once afterwards, anywhere.
//!
//! Volatile. Used by the node ([`mod`](super)), which tells it what begins and what is applied.

use std::collections::BTreeMap;
use std::time::Duration;

use replication::Time;
use replication::planted::{Bug, planted};

use super::command::ToyId;
use super::shelf::Shelf;
use super::stock::Stock;
use super::takes::Outcome;
use crate::message::{Reply, TakeAnswer, Taken};
use crate::node::{Effect, Token};
use crate::toy::{Product, Version};

/// How long the answer to a batch of takes waits for its slowest item after it became durable. Ten
/// times a healthy invalidation; afterwards the slow ones are answered *pending*, and asked again,
/// so that one silent frontend does not hold the other toys of the batch.
pub const TAKE_ANSWER_HOLD: Duration = Duration::from_millis(20);

/// The most batches whose answers wait. The leader has one or two on their way; beyond this an
/// answer does not wait, and says *pending*.
pub const WAITING_BATCHES_MAX: usize = 256;

/// One toy as readers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Face {
    quantity: u64,
    version: Version,
    /// How many proposed commands that may change it are not applied yet.
    begun: u32,
}

/// What every toy looks like from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Visibility {
    /// By toy.
    faces: Vec<Face>,
    /// Answers that wait, with the moment until which they do.
    waiting: BTreeMap<(Time, Token), Vec<(u64, Outcome)>>,
    /// Something became visible since they were looked at last.
    shown: bool,
}

impl Visibility {
    /// At the start of a process: no cache is alive, so everything on disk is visible.
    pub fn new(stock: &Stock) -> Visibility {
        let face = |(_, shelf): (_, Shelf)| {
            let Shelf { quantity, version, .. } = shelf;
            Face { quantity, version, begun: 0 }
        };
        let faces = stock.shelves().iter().map(face).collect();
        Visibility { faces, ..Visibility::default() }
    }

    /// Whether readers are shown anything.
    pub fn has_begun(&self) -> bool {
        !self.faces.is_empty()
    }

    /// A command that may change this toy is proposed.
    pub fn begin(&mut self, toy: ToyId) {
        self.faces[toy.place()].begun += 1;
    }

    /// That command is applied.
    pub fn applied(&mut self, toy: ToyId) {
        self.faces[toy.place()].begun -= 1;
    }

    /// Nobody may answer with an older state: readers see what is applied.
    pub fn show(&mut self, toy: ToyId, shelf: &Shelf) {
        let face = &mut self.faces[toy.place()];
        assert!(face.version <= shelf.version, "toy {} would go back in time", toy.0);
        self.shown |= face.version < shelf.version;
        face.quantity = shelf.quantity;
        face.version = shelf.version;
    }

    /// Whether it knows no toy: this node does not lead.
    pub fn is_empty(&self) -> bool {
        self.faces.is_empty()
    }

    /// Whether a change of this toy is on its way to the log.
    pub fn changing(&self, toy: ToyId) -> bool {
        self.faces[toy.place()].begun > 0
    }

    /// Whether readers see the state that is applied.
    pub fn current(&self, toy: ToyId, shelf: &Shelf) -> bool {
        self.faces[toy.place()].version == shelf.version
    }

    /// The toy as a reader sees it.
    pub fn product(&self, toy: ToyId, stock: &Stock) -> Product {
        if planted(Bug::ShownEarly) {
            return stock.product(toy);
        }
        let face = self.faces[toy.place()];
        Product { quantity: face.quantity, version: face.version, ..stock.product(toy) }
    }

    /// The version that a reader sees.
    pub fn version(&self, toy: ToyId) -> Version {
        self.faces[toy.place()].version
    }

    /// Answers a batch of takes as soon as all of it is visible, or at the end of its time.
    pub fn answer(
        &mut self,
        now: Time,
        token: Token,
        outcomes: Vec<(u64, Outcome)>,
        stock: &Stock,
        effects: &mut Vec<Effect>,
    ) {
        let ready = outcomes.iter().all(|(_, outcome)| self.sees(outcome));
        if ready || self.waiting.len() >= WAITING_BATCHES_MAX {
            effects.push(self.reply(token, &outcomes, stock));
        } else {
            self.waiting.insert((now + TAKE_ANSWER_HOLD, token), outcomes);
        }
    }

    /// Answers the batches that became visible or whose time is over.
    pub fn answer_ready(&mut self, now: Time, stock: &Stock, effects: &mut Vec<Effect>) {
        let over = self.next_timer().is_some_and(|until| until <= now);
        if !std::mem::take(&mut self.shown) && !over {
            return;
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|(until, token), outcomes| {
            let ready = *until <= now || outcomes.iter().all(|(_, outcome)| self.sees(outcome));
            if ready {
                effects.push(self.reply(*token, outcomes, stock));
            }
            !ready
        });
        self.waiting = waiting;
    }

    /// Answers everything that waits, as far as it can be.
    pub fn answer_all(&mut self, stock: &Stock, effects: &mut Vec<Effect>) {
        for ((_, token), outcomes) in std::mem::take(&mut self.waiting) {
            effects.push(self.reply(token, &outcomes, stock));
        }
    }

    /// Whose answers wait.
    pub fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        self.waiting.keys().map(|(_, token)| *token)
    }

    /// When the first waiting batch's time is over.
    pub fn next_timer(&self) -> Option<Time> {
        self.waiting.first_key_value().map(|((until, _), _)| *until)
    }

    /// Whether what was answered can be seen by everybody.
    fn sees(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Taken { .. } if planted(Bug::AnswerEarly) => true,
            Outcome::Refused { .. } if planted(Bug::RefusalEarly) => true,
            Outcome::Taken { toy, version } | Outcome::Refused { toy: Some(toy), version, .. } => {
                self.faces[toy.place()].version >= *version
            }
            Outcome::Refused { toy: None, .. } => true,
        }
    }

    fn reply(&self, token: Token, outcomes: &[(u64, Outcome)], stock: &Stock) -> Effect {
        let answer = |(number, outcome): &(u64, Outcome)| {
            let taken = match outcome {
                outcome if !self.sees(outcome) => Taken::Pending,
                Outcome::Taken { toy, version } => {
                    Taken::Taken { version: *version, name: stock.name(*toy).clone() }
                }
                Outcome::Refused { refusal, version, .. } => {
                    Taken::Refused { refusal: *refusal, version: *version }
                }
            };
            TakeAnswer { number: *number, taken }
        };
        let answers = outcomes.iter().map(answer).collect();
        Effect::Reply { token, response: Ok(Reply::Takes(answers)) }
    }
}
