//! What was told in a round so far, and the part of it that can be judged while it goes on.
//!
//! **Why not all of it.** A purchase under way may have changed the stock already. A reader who saw
//! that looks like a liar in a history that does not have the purchase yet. So there is a *cut*: a
//! moment before which every operation that had begun has also ended.
//!
//! ```text
//! client 1   ├─buy──┤   ├─read─┤         ├──buy… (under way)
//! client 2       ├read┤     ├─buy───────────────┤
//! judged     all of it  │ whole │  cut ──┘  of later answers nothing counts
//! ```
//!
//! Before the cut everything is whole. A purchase that began before it and was answered later may
//! have been done by then: its outcome counts as unknown. A read that was answered later is left
//! out. What is left is a history that a client could have written who stopped at the cut, so a
//! verdict on it is as sound as any.
//!
//! Pure. Filled and asked by `mod`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

/// The lines of a round.
#[derive(Debug, Default)]
pub struct Window {
    head: String,
    told: Vec<Told>,
    /// Purchases by their keys: whether one of the attempts is known to be recorded, or refused.
    purchases: BTreeMap<String, Purchase>,
    /// The numbers of all orders that were told.
    orders: BTreeSet<u64>,
}

#[derive(Debug)]
struct Told {
    line: String,
    invoked: u64,
    returned: u64,
    buys: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purchase {
    Open,
    Recorded,
    Refused,
}

/// What is read of a line here; the judge reads all.
#[derive(Deserialize)]
struct Times {
    op: String,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    order: Option<u64>,
    invoked: u64,
    returned: u64,
    outcome: String,
}

impl Window {
    /// Without operations; `head` is the first line.
    pub fn new(head: String) -> Window {
        Window { head, ..Window::default() }
    }

    /// Operations so far.
    pub fn len(&self) -> usize {
        self.told.len()
    }

    /// Adds the line of an operation; returns when it was told.
    pub fn add(&mut self, line: &str) -> Option<u64> {
        let times = serde_json::from_str::<Times>(line).ok()?;
        let Times { op, key, order, invoked, returned, outcome } = times;
        let buys = op == "buy";
        if let Some(key) = key.filter(|_| buys) {
            let known = self.purchases.entry(key).or_insert(Purchase::Open);
            match (&*outcome, *known) {
                (_, Purchase::Recorded) => {}
                ("ok", _) => *known = Purchase::Recorded,
                ("refused", _) => *known = Purchase::Refused,
                _ => {}
            }
        }
        self.orders.extend(order.filter(|_| outcome == "ok" && op != "order"));
        self.told.push(Told { line: line.to_string(), invoked, returned, buys });
        Some(returned)
    }

    /// How many of the first orders of a store, from this number on, nobody here was told of.
    pub fn missing(&self, first: u64, total: u64) -> u64 {
        let told = self.orders.range(first..total.max(first)).count() as u64;
        total.saturating_sub(first) - told
    }

    /// The keys of purchases of which it is not known what became of them.
    pub fn open_keys(&self) -> impl Iterator<Item = &str> {
        let open = self.purchases.iter().filter(|(_, purchase)| **purchase == Purchase::Open);
        open.map(|(key, _)| key.as_str())
    }

    /// The history up to a cut, in microseconds of the round's clock.
    pub fn until(&self, cut: u64) -> Vec<String> {
        let lines = self.told.iter().filter_map(|told| match told {
            whole if whole.returned <= cut => Some(whole.line.clone()),
            late if late.buys && late.invoked <= cut => unknown(&late.line),
            _ => None,
        });
        [self.head.clone()].into_iter().chain(lines).collect()
    }
}

/// The same purchase when nobody knows what became of it.
fn unknown(line: &str) -> Option<String> {
    let mut fields: Map<String, Value> = serde_json::from_str(line).ok()?;
    for told in ["order", "version", "index", "reason"] {
        fields.remove(told);
    }
    fields.insert("outcome".to_string(), "unknown".into());
    serde_json::to_string(&fields).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn window() -> Window {
        let head = json!({
            "history": "toystore", "format": 1, "clock": "us", "invalidation": "lease",
            "replication": "raft", "keys": true, "catalogue": [{"toy": "Tux", "quantity": 9}],
        });
        Window::new(head.to_string())
    }

    /// A line of a client, with what is asked and told beside its times.
    fn line(client: u32, (invoked, returned): (u64, u64), more: Value) -> String {
        let (session, mut line) = (format!("s{client}"), more);
        let times = json!({"client": client, "session": session, "toy": "Tux",
            "invoked": invoked, "returned": returned});
        line.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        line.to_string()
    }

    fn buy(client: u32, times: (u64, u64), order: Option<u32>) -> String {
        let key = format!("k{client}");
        let mut more = json!({"op": "buy", "quantity": 1, "key": key, "outcome": "unknown"});
        if let Some(order) = order {
            more["outcome"] = "ok".into();
            more["order"] = order.into();
            more["version"] = (order + 2).into();
        }
        line(client, times, more)
    }

    fn read(client: u32, times: (u64, u64), quantity: u32, version: u32) -> String {
        let more = json!({"op": "read", "outcome": "ok", "quantity": quantity, "version": version});
        line(client, times, more)
    }

    fn verdict(window: &Window, cut: u64) -> checker::verdict::Verdict {
        let lines = window.until(cut);
        crate::bundle::judge(lines.iter().map(String::as_str)).unwrap().judged.verdict()
    }

    /// A reader sees what a purchase did whose answer comes later. At each cut that is allowed.
    #[test]
    fn what_is_seen_of_a_purchase_under_way_is_no_violation() {
        let mut window = window();
        window.add(&buy(1, (10, 100), Some(0)));
        window.add(&read(2, (20, 30), 8, 2));
        window.add(&read(2, (110, 120), 8, 2));
        for cut in [9, 40, 100, 115, 200] {
            assert_ne!(verdict(&window, cut), checker::verdict::Verdict::Broke, "cut {cut}");
        }
        assert_eq!(window.until(40).len(), 3, "the head, the purchase, one read");
        assert_eq!(window.until(200).len(), 4);
        // Of orders 0 and 1 nobody was told of the second; of the first of all, somebody else was.
        assert_eq!([window.missing(0, 1), window.missing(0, 2), window.missing(1, 1)], [0, 1, 0]);
    }

    /// And a real violation is seen at every cut that has it whole.
    #[test]
    fn a_stale_read_is_found_while_a_purchase_is_under_way() {
        let mut window = window();
        window.add(&buy(1, (10, 20), Some(0)));
        window.add(&read(2, (30, 40), 9, 1));
        window.add(&buy(3, (35, 90), Some(1)));
        assert_eq!(verdict(&window, 25), checker::verdict::Verdict::Held);
        assert_eq!(verdict(&window, 50), checker::verdict::Verdict::Broke);
    }

    #[test]
    fn a_purchase_is_open_until_an_attempt_says_what_became_of_it() {
        let mut window = window();
        window.add(&buy(1, (10, 20), None));
        assert_eq!(window.missing(0, 1), 1);
        assert_eq!(window.open_keys().collect::<Vec<_>>(), ["k1"]);
        window.add(&buy(1, (30, 40), Some(0)));
        assert_eq!(window.missing(0, 1), 0);
    }
}
