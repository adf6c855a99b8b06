//! A catalogue of many toys: recorded in parts, restocked in parts.

use super::bounds::ask;
use super::world::World;
use crate::catalog::catalogue::Toy;
use crate::catalog::{Config, LIST_LIMIT_MAX};
use crate::message::{Consistency, Reply, Request};
use crate::node::Node;
use crate::toy::{Cents, Product};

/// Toys of several parts.
fn toys(count: usize, quantity: u64) -> Vec<Toy> {
    let toy = |number: usize| Toy {
        name: format!("toy-{number:04}").parse().unwrap(),
        price: Cents(100),
        quantity,
    };
    (0..count).map(toy).collect()
}

fn listed(world: &mut World) -> Vec<Product> {
    let (limit, consistency) = (LIST_LIMIT_MAX, Consistency::Linearizable);
    match ask(world, Request::ListProducts { after: None, limit, consistency }) {
        Ok(Reply::Products { products, .. }) => products,
        other => panic!("{other:?}"),
    }
}

/// Whenever the process dies: what was whole stays, and of what was not nothing is left.
#[test]
fn a_catalogue_is_whole_or_recorded_anew() {
    let [first, second] = [toys(100, 1), toys(50, 2)];
    let (mut broken_off, mut whole) = (0, 0);
    for records in 0..30 {
        let mut world = World::new(Config { toys: Some(first.clone()), ..Config::default() });
        world.auto = false;
        world.start().unwrap();
        for _ in 0..records {
            world.sync(1);
        }
        let stock = world.node().stock();
        assert!(!stock.has_begun() || stock.shelves().len() == first.len());
        broken_off += usize::from(!stock.has_begun() && !stock.shelves().is_empty());
        world.crash(0);

        world.config.toys = Some(second.clone());
        world.auto = true;
        world.start().unwrap();
        let listed = listed(&mut world);
        let kept = listed.len() == first.len();
        let expected = if kept { &first } else { &second };
        assert!(
            listed
                .iter()
                .map(|toy| (&toy.name, toy.quantity))
                .eq(expected.iter().map(|toy| (&toy.name, toy.quantity)))
        );
        whole += usize::from(kept);
    }
    assert!(broken_off > 5 && whole > 5, "{broken_off} were broken off, {whole} were whole");
}

#[test]
fn all_that_is_sold_out_is_restocked_in_its_turn() {
    let mut world = World::new(Config { toys: Some(toys(600, 0)), ..Config::default() });
    world.start().unwrap();
    assert_eq!(world.node().stock().shelves().totals().sold_out, 600);
    world.wait(world.config.restock_interval);
    let totals = world.node().stock().shelves().totals();
    assert_eq!((totals.sold_out, totals.in_stock, totals.restocked), (0, 60_000, 60_000));
    let said = world.node().status(world.now);
    assert_eq!((said.totals, said.toys.len()), (totals, 100));
    assert!(listed(&mut world).iter().all(|toy| toy.quantity == 100));
}
