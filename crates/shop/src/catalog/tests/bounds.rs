//! Everything that can grow has an end, and says so when it is reached.

use replication::{NodeId, Term, View};

use super::world::World;
use crate::catalog::stock::Stock;
use crate::catalog::{
    Config, FRONTENDS_MAX, LIST_LIMIT_MAX, PROPOSALS_MAX, TAKE_ITEMS_MAX, TAKES_MAX, catalogue,
};
use crate::message::{
    Consistency, NewOrder, Problem, Reply, Request, RequestId, Response, TakeItem,
};
use crate::node::Node;
use crate::toy::Quantity;

const TERM: Term = Term { generation: 0, number: 1, node: NodeId(3) };

fn started() -> World {
    let mut world = World::new(Config::default());
    world.start().unwrap();
    let view = View { term: TERM, in_sync: [NodeId(3)].into() };
    ask(&mut world, Request::PutView { view, previous: Term::ZERO, unclean: false }).unwrap();
    world
}

/// Asks, and the answer if it came at once.
pub(super) fn ask(world: &mut World, request: Request) -> Response {
    world.replies.clear();
    world.ask(request);
    world.replies.pop_front().expect("an automatic disk answers at once").1
}

fn take(numbers: std::ops::Range<u64>, floor: u64) -> Request {
    let item = |number: u64| {
        let quantity = Quantity::new(1).unwrap();
        let request_id = RequestId(u128::from(number));
        let order = NewOrder { request_id, name: "Tux".parse().unwrap(), quantity };
        TakeItem { number, order }
    };
    Request::Take { term: TERM, floor, items: numbers.map(item).collect() }
}

fn renew(frontend: u8) -> Request {
    Request::RenewLease { frontend, url: "http://a".to_string(), incarnation: 1 }
}

fn unavailable(response: &Response, what: &str) {
    let Err(Problem::Unavailable(said)) = response else { panic!("{response:?}") };
    assert!(said.contains(what), "{said}");
}

#[test]
fn takes_end_when_too_many_are_not_settled() {
    let mut world = started();
    let (max, batch) = (TAKES_MAX as u64, TAKE_ITEMS_MAX as u64);
    for first in (0..max).step_by(TAKE_ITEMS_MAX) {
        ask(&mut world, take(first..first + batch, 0)).unwrap();
    }
    unavailable(&ask(&mut world, take(max..max + 1, 0)), "takes are not settled");
    // Known ones are still answered, and a floor makes room.
    ask(&mut world, take(5..6, 0)).unwrap();
    ask(&mut world, take(0..0, 10)).unwrap();
    ask(&mut world, take(max..max + 10, 10)).unwrap();
    unavailable(&ask(&mut world, take(max + 10..max + 11, 10)), "takes are not settled");
    let too_long = ask(&mut world, take(0..batch + 1, 0));
    assert!(matches!(too_long, Err(Problem::Bad(_))), "{too_long:?}");
}

#[test]
fn frontends_end_when_too_many_are_registered() {
    let mut world = started();
    let max = u8::try_from(FRONTENDS_MAX).unwrap();
    for frontend in 1..=max {
        ask(&mut world, renew(frontend)).unwrap();
    }
    unavailable(&ask(&mut world, renew(max + 1)), "64 frontends are registered");
    ask(&mut world, renew(max)).unwrap();
    ask(&mut world, Request::EndLease { frontend: 1, incarnation: 1 }).unwrap();
    ask(&mut world, renew(max + 1)).unwrap();
}

#[test]
fn proposals_end_when_the_disk_is_too_slow() {
    let mut world = started();
    world.auto = false;
    for number in 0..PROPOSALS_MAX as u64 {
        world.ask(take(number..number + 1, 0));
    }
    let number = PROPOSALS_MAX as u64;
    unavailable(&ask(&mut world, take(number..number + 1, 0)), "disk is too slow");
    world.sync(usize::MAX);
    assert_eq!(world.replies.len(), PROPOSALS_MAX);
}

#[test]
fn the_list_ends() {
    let mut world = started();
    let all = ask(
        &mut world,
        Request::ListProducts {
            after: None,
            limit: u32::MAX,
            consistency: Consistency::Linearizable,
        },
    );
    let Ok(Reply::Products { products, .. }) = all else { panic!("{all:?}") };
    assert_eq!(products.len(), catalogue::built_in().len());
    assert!(products.len() <= LIST_LIMIT_MAX as usize);
}

#[test]
fn a_catalogue_without_toys_is_refused() {
    let config = Config { toys: Some(Vec::new()), ..Config::default() };
    let error = World::new(config).start().unwrap_err();
    assert!(error.contains("1 to 1000000 toys"), "{error}");
}

#[test]
fn a_log_of_a_newer_version_is_refused_at_start() {
    let mut recovered = started().recovered();
    recovered.checkpoint.snapshot.state = vec![99].into();
    let error = crate::catalog::Catalog::new(Config::default(), &recovered).unwrap_err();
    assert!(error.contains("has format 99"), "{error}");
}

#[test]
fn status_is_json_there_and_back() {
    let mut world = started();
    ask(&mut world, renew(1)).unwrap();
    ask(&mut world, take(0..3, 0)).unwrap();
    let status = world.node().status(world.now);
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<crate::catalog::status::Status>(&text).unwrap(), status);
    assert!(text.contains(r#""unsettled":3"#), "{text}");
}

/// What is restored can be asked about everything that it lists, and settled.
#[test]
fn a_snapshot_that_contradicts_itself_is_refused() {
    let mut world = started();
    ask(&mut world, take(1..4, 0)).unwrap();
    let whole = world.node().stock().snapshot().whole().to_vec();
    let mut refused = 0;
    for bit in 8..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match Stock::restore(&bytes.into()) {
            Ok(stock) => {
                assert_eq!(stock.view_answer().0, *stock.view());
                assert!(stock.shelves().iter().all(|(_, shelf)| shelf.sold() <= shelf.taken));
            }
            Err(why) => refused += usize::from(why.contains("contradicts itself")),
        }
    }
    assert!(refused > 10, "{refused} were refused for what they say");
}
