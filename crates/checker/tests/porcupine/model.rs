//! The model of a toy's stock as Porcupine wants it: the state is the set of all that are possible.

use std::collections::BTreeSet;

use checker::history::NEVER_RETURNED;
use checker::model::{Action, Object};
use porcupine_rs::{Model, Operation, check_operations};

/// What Porcupine places.
#[derive(Clone, Debug)]
enum Op {
    /// Before all others: the toy's first state.
    Begin(World),
    /// From now on this purchase may take so many, and put them back, so often.
    Opens { quantity: i64, purchase: usize, pairs: u8 },
    /// From now on it may not, and nothing of it is out.
    Closes { purchase: usize },
    /// What it does, or needs.
    Acts(Action),
}

/// One state that is possible.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct World {
    quantity: i64,
    version: u64,
    restock: Option<i64>,
    /// Each purchase under way: how many it takes, how often it still may, whether a take is out.
    purchases: Vec<(i64, u8, bool)>,
}

#[derive(Clone, Debug)]
struct Stock;

impl Model for Stock {
    type State = Vec<World>;
    type Op = Op;
    type Metadata = ();

    fn init() -> Vec<World> {
        Vec::new()
    }

    fn step(worlds: &Vec<World>, op: &Op) -> (bool, Vec<World>) {
        if let Op::Begin(world) = op {
            return (true, closure(vec![world.clone()]));
        }
        let after: Vec<World> = worlds.iter().filter_map(|world| next(world, op)).collect();
        let after = closure(after);
        (!after.is_empty(), after)
    }
}

/// With everything that may happen by itself.
fn closure(worlds: Vec<World>) -> Vec<World> {
    let mut all: BTreeSet<World> = BTreeSet::new();
    let mut open = worlds;
    while let Some(world) = open.pop() {
        if !all.insert(world.clone()) {
            continue;
        }
        if let (0, Some(level)) = (world.quantity, world.restock) {
            open.push(changed(&world, level));
        }
        for (purchase, (quantity, left, out)) in world.purchases.iter().enumerate() {
            if *out {
                let mut next = changed(&world, *quantity);
                next.purchases[purchase].2 = false;
                open.push(next);
            } else if *left > 0 && *quantity > 0 && *quantity <= world.quantity {
                let mut next = changed(&world, -quantity);
                next.purchases[purchase] = (*quantity, left - 1, true);
                open.push(next);
            }
        }
    }
    all.into_iter().collect()
}

fn changed(world: &World, by: i64) -> World {
    World { quantity: world.quantity + by, version: world.version + 1, ..world.clone() }
}

/// The state after an operation in one state, if it fits.
fn next(world: &World, op: &Op) -> Option<World> {
    let is = |shown: Option<u64>, version: u64| shown.is_none_or(|shown| shown == version);
    match *op {
        Op::Begin(_) => None,
        Op::Opens { quantity, purchase, pairs } => {
            let mut world = world.clone();
            world.purchases[purchase] = (quantity, pairs, false);
            Some(world)
        }
        Op::Closes { purchase } => {
            let mut after = world.clone();
            after.purchases[purchase] = (0, 0, false);
            (!world.purchases[purchase].2).then_some(after)
        }
        Op::Acts(Action::Read { quantity, version }) => {
            let fits = quantity == world.quantity && is(version, world.version);
            fits.then(|| world.clone())
        }
        Op::Acts(Action::Refused { quantity, version }) => {
            let fits = quantity > world.quantity && is(version, world.version);
            fits.then(|| world.clone())
        }
        Op::Acts(Action::Take { quantity, version }) => {
            let enough = quantity > 0 && quantity <= world.quantity;
            (enough && is(version, world.version + 1)).then(|| changed(world, -quantity))
        }
        Op::Acts(Action::Open { .. } | Action::Impossible) => None,
    }
}

/// What Porcupine says.
pub fn is_linearizable(object: &Object) -> bool {
    let end = object.moves.iter().map(|one| one.returned).filter(|time| *time != NEVER_RETURNED);
    let begin = object.moves.iter().map(|one| one.invoked);
    let end = end.chain(begin).max().unwrap_or(0) + 1;
    let mut operations: Vec<Operation<Stock>> = Vec::new();
    let mut put = |from: u64, to: u64, op: Op| {
        let (call_time, return_time) = (from as i64, to as i64);
        operations.push(Operation { client_id: None, call_time, return_time, op, metadata: None });
    };
    let first = World {
        quantity: object.initial.quantity,
        version: object.initial.version,
        restock: object.restock,
        purchases: vec![(0, 0, false); object.moves.len()],
    };
    put(0, 1, Op::Begin(first));
    // Between two of our times there is room for what opens before and closes after.
    let at = |time: u64| 8 * (time.min(end) + 1);
    for (purchase, one) in object.moves.iter().enumerate() {
        let (from, to) = (at(one.invoked), at(one.returned));
        let quantity = match one.action {
            Action::Take { quantity, .. }
            | Action::Refused { quantity, .. }
            | Action::Open { quantity } => quantity,
            Action::Read { .. } | Action::Impossible => 0,
        };
        if one.pairs > 0 {
            put(from - 2, from - 1, Op::Opens { quantity, purchase, pairs: one.pairs });
            if one.returned != NEVER_RETURNED {
                put(to + 1, to + 2, Op::Closes { purchase });
            }
        }
        if !matches!(one.action, Action::Open { .. }) {
            put(from, to, Op::Acts(one.action));
        }
    }
    check_operations(&operations)
}
