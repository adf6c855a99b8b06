//! The store on real processes while nothing goes wrong.

use crate::load::{Clients, Shoppers};
use crate::sound::assert_sound;
use crate::store::Store;

#[test]
fn five_shoppers_buy_and_compare() {
    let store = Store::start(&[]);
    let mut clients = Clients::default();
    for probability in ["0", "0.2", "0.5", "0.8", "1"] {
        let shoppers = Shoppers::of(&store).with("--clients", "5").with("--requests", "20");
        let shoppers = shoppers.with("--probability", probability).with("--pause", "0ms");
        let run = shoppers.shop();
        assert_eq!(run.results[0]["shoppers"].as_array().unwrap().len(), 5);
        assert_eq!(run.sum("retried"), 0, "{run:?}");
        match probability {
            "0" => assert_eq!(run.orders, []),
            // An order that is refused for want of stock is none.
            "1" => assert!(run.orders.len() > 80, "{run:?}"),
            _ => assert!(!run.orders.is_empty(), "{run:?}"),
        }
        clients = clients.and(run);
    }
    assert_sound(&store, &clients);
}
