//! The final check of a store that has had its faults: did it keep its word?
//!
//! Called at the end of every test with real processes. Judges from what clients were told, what
//! frontends say, the order log and the catalog's account; it believes no one of them alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::exchange::Connection;
use crate::load::Clients;
use crate::store::Store;
use crate::waiting::wait_for;

/// One order of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its number.
    pub number: u64,
    /// The toy.
    pub name: String,
    /// How many.
    pub quantity: u64,
}

/// The order log: `toystore export orders`.
pub fn order_log(store: &Store) -> Vec<Logged> {
    let output = store.run(&["export", "orders", "--format", "json"]);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "export: {words}");
    let text = String::from_utf8(output.stdout).unwrap();
    let orders = text.lines().map(|line| {
        let order: Value = serde_json::from_str(line).unwrap();
        let name = order["name"].as_str().unwrap().to_string();
        let number = |field: &str| order[field].as_u64().unwrap();
        Logged { number: number("number"), name, quantity: number("quantity") }
    });
    orders.collect()
}

/// The number of orders and their digest, at one replica.
pub fn digest(store: &Store, name: &str) -> Result<(u64, String), String> {
    let said = store.internal(name, "/digest")?;
    let data = &said.json()["data"];
    let upto = data["upto"].as_u64().ok_or_else(|| format!("{said:?}"))?;
    Ok((upto, data["digest"].as_str().unwrap().to_string()))
}

/// Waits until every replica has the same orders and the fate of every take is known.
pub fn wait_until_quiet(store: &Store) {
    let replicas = store.names("order");
    wait_for("replicas are equal, and takes are settled", || {
        let digests: BTreeSet<_> = replicas.iter().map(|name| digest(store, name)).collect();
        let equal = digests.len() == 1 && digests.first().unwrap().is_ok();
        let catalog = store.status(&store.catalog_now()?).ok()?;
        let settled = toys(&catalog).iter().all(|toy| toy["unsettled"] == 0);
        (equal && settled).then_some(())
    });
}

/// The catalog's account of every toy.
pub fn toys(catalog: &Value) -> Vec<Value> {
    catalog["toys"].as_array().unwrap().clone()
}

/// Every promise of the store, at the end. All nodes must run.
pub fn assert_sound(store: &Store, clients: &Clients) {
    wait_until_quiet(store);
    assert_clients_are_content(clients);
    assert_nothing_is_doubled(clients);
    let log = order_log(store);
    for (expected, order) in (0..).zip(&log) {
        assert_eq!(order.number, expected, "the log has a gap, or a number twice");
    }
    // Every outcome is known, so what is recorded and not acknowledged was bought by a retry.
    assert_eq!(log.len(), clients.orders.len(), "recorded and acknowledged orders");
    for order in &clients.orders {
        let logged = log.get(usize::try_from(order.number).unwrap());
        let (name, quantity) = (order.name.to_lowercase(), order.quantity);
        let same = logged.is_some_and(|l| l.name.to_lowercase() == name && l.quantity == quantity);
        assert!(same, "acknowledged {order:?}, in the log is {logged:?}");
    }
    assert_frontends_find_all(store, &log);
    assert_stock_is_conserved(store, &log);
}

fn assert_clients_are_content(clients: &Clients) {
    for result in &clients.results {
        assert_eq!(result["all_matched"], true, "a shopper was told something else: {result}");
        for wrong in ["unknown", "unavailable", "failed"] {
            assert_eq!(result[wrong], 0, "{wrong}: {result}");
        }
    }
}

/// No number, no key and no state of the stock belongs to two orders.
pub fn assert_nothing_is_doubled(clients: &Clients) {
    let (mut numbers, mut keys, mut versions) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for order in &clients.orders {
        let before = numbers.insert(order.number, order);
        assert_eq!(before, None, "two orders with one number: {order:?}");
        let before = keys.insert(&order.key, order);
        assert_eq!(before, None, "one request, two orders: {order:?}");
        let before = versions.insert((order.name.to_lowercase(), order.version), order);
        assert_eq!(before, None, "two orders took the same pieces: {order:?}");
    }
}

/// Every recorded order is found by its number, at every frontend.
fn assert_frontends_find_all(store: &Store, log: &[Logged]) {
    for url in store.frontends() {
        let mut connection = Connection::open(&url).unwrap();
        for order in log {
            let said = connection.get(&format!("/orders/{}", order.number)).unwrap();
            let data = &said.json()["data"];
            let same = data["name"] == order.name.as_str() && data["quantity"] == order.quantity;
            assert!(said.status == 200 && same, "{order:?}, but {url} says {said:?}");
        }
    }
}

/// Every piece that there ever was is in stock or sold, for each toy.
pub fn assert_stock_is_conserved(store: &Store, log: &[Logged]) {
    let mut sold: BTreeMap<String, u64> = BTreeMap::new();
    for order in log {
        *sold.entry(order.name.clone()).or_default() += order.quantity;
    }
    for toy in toys(&store.status(&store.catalog()).unwrap()) {
        let number = |field: &str| toy[field].as_u64().unwrap();
        let in_log = sold.remove(toy["name"].as_str().unwrap()).unwrap_or(0);
        assert_eq!(number("unsettled"), 0, "{toy}");
        assert_eq!(number("sold"), in_log, "the catalog and the order log disagree: {toy}");
        let came = number("initial") + number("restocked");
        assert_eq!(came, number("in_stock") + in_log, "pieces were lost or made: {toy}");
    }
    assert!(sold.is_empty(), "sold, and not in the catalogue: {sold:?}");
}
