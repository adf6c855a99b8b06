//! The sequential model of one toy's stock, and a history as it sees it.
//!
//! The state is a quantity and a version. What may happen to it:
//!
//! | step | when | does |
//! | --- | --- | --- |
//! | read | the state is the one that was seen | nothing |
//! | take | at least so many are there | removes them |
//! | refusal | fewer than asked for are there | nothing |
//! | restock | none is there | sets it to the restock level; at any moment, nobody asks for it |
//! | take and put-back | the take as above; both between the purchase's two ends | removes and returns |
//!
//! Each change raises the version by one. A *take that was put back* is a purchase that began under
//! a leader that died: the next leader puts back what was not recorded. One attempt leaves at most
//! as many such pairs as the head says (`takes`), less the take that became the order. A purchase
//! of which nobody was told may have taken, and may have put back, at any time after it began; and
//! so may an attempt whose client was told that nothing was done: it made no order, but what its
//! leader had taken is put back only by the next one.
//!
//! Made here of a history; judged by [`crate::witness`] and [`crate::search`].

use std::collections::BTreeMap;

use crate::history::{
    Asked, Event, Head, History, Micros, NEVER_RETURNED, Name, Operation, Outcome, Reason,
};
use crate::purchase::{Fate, Purchase, Purchases};

/// Pairs of take and put-back of one purchase that the search tells apart; more are never needed to
/// explain what was seen between two answers.
pub const PAIRS_MAX: u8 = 60;

/// What an operation does to the state, or needs of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The state is this.
    Read {
        /// So many.
        quantity: i64,
        /// The version that was seen, if one was.
        version: Option<u64>,
    },
    /// Removes so many.
    Take {
        /// So many.
        quantity: i64,
        /// The version that it made, if that was told.
        version: Option<u64>,
    },
    /// Fewer than this are there.
    Refused {
        /// So many were asked for.
        quantity: i64,
        /// The version that refused, if that was told.
        version: Option<u64>,
    },
    /// May remove so many, and may put them back.
    Open {
        /// So many.
        quantity: i64,
    },
    /// Fits no state: a toy of the catalogue that is not there, or the reverse.
    Impossible,
}

/// An operation on one toy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The operation's place in the history; a purchase's first.
    pub operation: usize,
    /// Not before this.
    pub invoked: Micros,
    /// Not after this; [`NEVER_RETURNED`] for what nobody was told of.
    pub returned: Micros,
    /// What it does.
    pub action: Action,
    /// How many takes of it may have been put back.
    pub pairs: u8,
}

impl Move {
    /// The version in which it leaves the state: the one it saw or made.
    pub fn version(&self) -> Option<u64> {
        match self.action {
            Action::Read { version, .. }
            | Action::Take { version, .. }
            | Action::Refused { version, .. } => version,
            Action::Open { .. } | Action::Impossible => None,
        }
    }

    /// Whether it changes nothing.
    pub fn observes(&self) -> bool {
        match self.action {
            Action::Read { .. } | Action::Refused { .. } | Action::Impossible => true,
            Action::Take { .. } | Action::Open { .. } => false,
        }
    }
}

/// The state of a toy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    /// How many.
    pub quantity: i64,
    /// Which version.
    pub version: u64,
}

/// One toy, and everything that was asked about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Which toy.
    pub toy: Name,
    /// Before the first operation.
    pub initial: State,
    /// To how many it is refilled when none is left, if it is.
    pub restock: Option<i64>,
    /// In no particular order.
    pub moves: Vec<Move>,
    /// Who is said to have made a version that no answer names: proposed, not believed.
    pub proposed: BTreeMap<u64, Proposed>,
    /// The moves of each request of which something is proposed: its purchase first, then attempts
    /// that were given up.
    pub requests: BTreeMap<Name, Vec<u32>>,
}

/// A half of a take that was put back, as the store tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// For which request.
    pub key: Name,
    /// How many.
    pub quantity: i64,
    /// Whether it is the second half: put back.
    pub back: bool,
}

/// One step of a linearization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A move, by its place in the object.
    Move(u32),
    /// The catalog refilled it.
    Restock,
    /// A take that is not, or not yet, known to be an order; by how many.
    Taken(i64),
    /// Such a take is put back.
    PutBack(i64),
}

/// An order of everything that fits what was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linearization {
    /// Step by step.
    pub steps: Vec<Step>,
}

impl Object {
    /// A toy of which nothing is known: as one that is in no catalogue.
    pub fn new(toy: Name) -> Object {
        let initial = State { quantity: 0, version: 0 };
        Object {
            toy,
            initial,
            restock: None,
            moves: Vec::new(),
            proposed: BTreeMap::new(),
            requests: BTreeMap::new(),
        }
    }

    /// The same toy, of which nothing was asked.
    pub fn without_moves(&self) -> Object {
        let Object { toy, initial, restock, .. } = *self;
        Object { initial, restock, ..Object::new(toy) }
    }

    /// The state after a step.
    pub fn after(&self, state: State, step: Step) -> State {
        let change = match step {
            Step::Restock => self.restock.unwrap_or(0) - state.quantity,
            Step::Taken(quantity) => -quantity,
            Step::PutBack(quantity) => quantity,
            Step::Move(place) => match self.moves[place as usize].action {
                Action::Take { quantity, .. } => -quantity,
                Action::Read { .. }
                | Action::Refused { .. }
                | Action::Open { .. }
                | Action::Impossible => return state,
            },
        };
        State { quantity: state.quantity + change, version: state.version + 1 }
    }

    /// The states after each step, the initial one not among them.
    pub fn states<'a>(&'a self, steps: &'a [Step]) -> impl Iterator<Item = State> + 'a {
        steps.iter().scan(self.initial, |state, step| {
            *state = self.after(*state, *step);
            Some(*state)
        })
    }
}

/// Every toy of a history, in the order of the catalogue, then those that are not in it.
pub fn objects(history: &History, purchases: &Purchases) -> Vec<Object> {
    let restock = history.head.restock.map(|rule| rule.to);
    let mut objects: Vec<Object> = Vec::new();
    let mut places: BTreeMap<Name, usize> = BTreeMap::new();
    for shelf in &history.catalogue {
        places.insert(shelf.toy, objects.len());
        let initial = State { quantity: shelf.quantity, version: shelf.version };
        objects.push(Object { initial, restock, ..Object::new(shelf.toy) });
    }
    let known = objects.len();
    let mut put = |toy: Name, of: &dyn Fn(bool) -> Option<Move>| {
        let place = *places.entry(toy).or_insert_with(|| {
            objects.push(Object::new(toy));
            objects.len() - 1
        });
        objects[place].moves.extend(of(place < known));
    };
    for (place, operation) in history.operations.iter().enumerate() {
        if let Asked::Read { toy } = operation.asked
            && operation.is_linearizable()
        {
            put(toy, &|known| {
                let (invoked, returned) = (operation.invoked, operation.returned);
                let action = read(&operation.outcome, known)?;
                Some(Move { operation: place, invoked, returned, action, pairs: 0 })
            });
        }
    }
    for purchase in &purchases.all {
        put(purchase.toy, &|known| bought(purchase, known, history.head.takes));
    }
    for (place, operation) in history.operations.iter().enumerate() {
        if let (Asked::Buy { toy, quantity, .. }, Outcome::Unavailable) =
            (operation.asked, operation.outcome)
        {
            put(toy, &|known| known.then(|| given_up(place, operation, quantity, &history.head)));
        }
    }
    for object in &mut objects {
        propose(history, object);
    }
    objects
}

/// What the store says of takes that were put back, as far as their requests are in the history.
fn propose(history: &History, object: &mut Object) {
    let of_toy = history.events.iter().filter_map(|event| match *event {
        Event::PutBack { toy, quantity, key, taken, version } if toy == object.toy => {
            Some((quantity, key, taken, version))
        }
        Event::PutBack { .. }
        | Event::Restock { .. }
        | Event::Leader { .. }
        | Event::Fault { .. }
        | Event::Log { .. }
        | Event::Stock { .. } => None,
    });
    let mut of_toy = of_toy.peekable();
    if of_toy.peek().is_none() {
        return;
    }
    let key_of = |one: &Move| match history.operations[one.operation].asked {
        Asked::Buy { key, .. } => key,
        Asked::Fate { key, .. } => Some(key),
        Asked::Read { .. } | Asked::Order { .. } => None,
    };
    for (place, one) in (0..).zip(&object.moves) {
        if let Some(key) = key_of(one) {
            object.requests.entry(key).or_default().push(place);
        }
    }
    // Of several that may have taken, the one that began first rules out the least.
    for places in object.requests.values_mut() {
        places.sort_by_key(|place| object.moves[*place as usize].invoked);
    }
    for (quantity, key, taken, version) in of_toy {
        for (version, back) in [(taken, false), (version, true)] {
            object.proposed.insert(version, Proposed { key, quantity, back });
        }
    }
}

/// What a read needs of the state; nothing if it was not answered.
fn read(outcome: &Outcome, known: bool) -> Option<Action> {
    match *outcome {
        Outcome::Product { quantity, version, .. } if known => {
            Some(Action::Read { quantity, version })
        }
        Outcome::Product { .. } => Some(Action::Impossible),
        Outcome::Refused(refused) if refused.reason == Reason::NoSuchToy => {
            known.then_some(Action::Impossible)
        }
        Outcome::Refused(_)
        | Outcome::Bought(_)
        | Outcome::Found { .. }
        | Outcome::FateRecorded(_)
        | Outcome::FateRefused(_)
        | Outcome::FateNever
        | Outcome::FateOpen
        | Outcome::Unknown
        | Outcome::Unavailable => None,
    }
}

/// So many attempts' takes.
fn pairs(takes: u32, attempts: u32) -> u8 {
    let takes = takes.max(1).saturating_mul(attempts.max(1));
    u8::try_from(takes).unwrap_or(PAIRS_MAX).min(PAIRS_MAX)
}

/// An attempt that made no order: at most it took, and that is put back.
fn given_up(place: usize, operation: &Operation, quantity: i64, head: &Head) -> Move {
    Move {
        operation: place,
        invoked: operation.invoked,
        returned: NEVER_RETURNED,
        action: Action::Open { quantity },
        pairs: pairs(head.takes, operation.attempts),
    }
}

fn bought(purchase: &Purchase, known: bool, takes: u32) -> Option<Move> {
    let quantity = purchase.quantity;
    let takes = pairs(takes, purchase.attempts);
    let (action, pairs) = match purchase.fate {
        Fate::Bought(_) if !known => (Action::Impossible, 0),
        Fate::Bought(bought) => (Action::Take { quantity, version: bought.version }, takes - 1),
        Fate::Refused(refused) if (refused.reason == Reason::NoSuchToy) == known => {
            (Action::Impossible, 0)
        }
        Fate::Refused(_) if !known => return None,
        Fate::Refused(refused) => (Action::Refused { quantity, version: refused.version }, takes),
        Fate::Never | Fate::Open if !known => return None,
        Fate::Never | Fate::Open => (Action::Open { quantity }, takes),
    };
    let returned = match action {
        Action::Open { .. } => NEVER_RETURNED,
        Action::Read { .. } | Action::Take { .. } | Action::Refused { .. } | Action::Impossible => {
            purchase.returned
        }
    };
    let (operation, invoked) = (purchase.operations[0], purchase.invoked);
    Some(Move { operation, invoked, returned, action, pairs })
}
