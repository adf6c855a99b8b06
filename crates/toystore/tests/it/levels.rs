//! `?consistency=`: each level over HTTP, what answers say of themselves, and which level answers
//! when most of the order service is gone.

use crate::raw::{Heard, ask, get};
use crate::store::{Store, toystore};
use crate::waiting::wait_for;

/// Buys a piece of a toy; its order number.
pub fn buy(url: &str, toy: &str) -> u64 {
    let body = format!(r#"{{"name":"{toy}","quantity":1}}"#);
    let heard = ask(url, "POST", "/orders", &[], &body);
    assert_eq!(heard.status, 200, "{heard:?}");
    heard.json()["data"]["order_number"].as_u64().unwrap()
}

/// What an answer to a read says of itself: its level, and whose state it is from.
#[track_caller]
fn says(heard: &Heard, status: u16, level: &str, from: &str) {
    assert_eq!(heard.status, status, "{heard:?}");
    assert_eq!(heard.header("toystore-consistency"), level, "{heard:?}");
    let (node, incarnation) = heard.header("toystore-read-from").split_once('/').unwrap();
    assert!(node.starts_with(from) && incarnation.parse::<u64>().is_ok(), "{heard:?}");
    assert!(heard.header("toystore-applied-index").parse::<u64>().unwrap() > 0, "{heard:?}");
    assert!(!heard.header("toystore-served-by").is_empty(), "{heard:?}");
}

#[test]
fn every_answer_to_a_read_says_its_level_and_whose_state_it_is() {
    let store = Store::start_settled(&[]);
    let (url, leader, follower) = (store.frontend(), store.leader(), store.follower());
    let number = buy(&url, "Tux");
    let order = format!("/orders/{number}");

    says(&get(&url, &order), 200, "linearizable", &leader);
    says(&get(&url, &format!("{order}?consistency=leader")), 200, "leader", &leader);
    let nearby = format!("{order}?consistency=local");
    let heard = wait_for("a follower shows the order", || {
        let heard = get(&url, &nearby);
        (heard.status == 200).then_some(heard)
    });
    says(&heard, 200, "local", "order-");
    assert!(!heard.header("toystore-read-from").starts_with(&leader), "{heard:?}");
    // Where it stands, and how far the log was: two numbers.
    let number_in = |name: &str| heard.header(name).parse::<u64>().unwrap();
    assert!(number_in("toystore-log-index") <= number_in("toystore-applied-index"), "{heard:?}");

    // Who follows answers for itself, and for itself only.
    let at = store.url(&follower);
    says(&get(&at, &format!("{order}?consistency=local")), 200, "local", &follower);
    says(&get(&at, "/orders/999?consistency=local"), 404, "local", &follower);
    assert_eq!(get(&at, &format!("{order}?consistency=leader")).status, 421);
    assert_eq!(get(&at, "/orders/999").status, 421);
    says(&get(&at, "/orders"), 200, "local", &follower);
    assert_eq!(get(&at, "/orders?consistency=linearizable").status, 421);
    says(
        &get(&store.url(&leader), "/orders?consistency=linearizable"),
        200,
        "linearizable",
        &leader,
    );
    says(&get(&url, "/orders/999?consistency=local"), 404, "local", "order-");

    // Two levels are none.
    let twice = get(&url, "/products/whale?consistency=local&consistency=leader");
    assert_eq!(twice.status, 400);
    assert!(twice.body.contains("consistency stands twice in the query"), "{}", twice.body);

    // Toys: what asks for less is kept by nobody; under a lease the cache keeps every promise.
    for level in ["local", "leader"] {
        let heard = get(&url, &format!("/products/whale?consistency={level}"));
        says(&heard, 200, level, "catalog-1");
        assert_eq!(heard.header("x-cache"), "bypass");
        says(
            &get(&url, &format!("/products?limit=2&consistency={level}")),
            200,
            level,
            "catalog-1",
        );
        let catalog = store.url("catalog");
        says(
            &get(&catalog, &format!("/products/fox?consistency={level}")),
            200,
            level,
            "catalog-1",
        );
    }
    let heard = get(&url, "/products/whale");
    says(&heard, 200, "linearizable", "catalog-1");
    assert_eq!(heard.header("x-cache"), "miss");
    for query in ["", "?consistency=local", "?consistency=leader", "?consistency=linearizable"] {
        let heard = get(&url, &format!("/products/whale{query}"));
        says(&heard, 200, "linearizable", "frontend-1");
        assert_eq!(heard.header("x-cache"), "hit");
    }
}

#[test]
fn a_wrong_level_is_refused_with_the_three_that_there_are() {
    let store = Store::start(&[]);
    let words = "consistency=eventual is none: expected linearizable, leader or local";
    let places = [
        (store.frontend(), "/products/tux"),
        (store.frontend(), "/products"),
        (store.frontend(), "/orders/0"),
        (store.url("order-1"), "/orders/0"),
        (store.url("order-1"), "/orders"),
        (store.url("catalog"), "/products/tux"),
        (store.url("catalog"), "/products"),
    ];
    for (url, path) in places {
        let heard = get(&url, &format!("{path}?consistency=eventual"));
        assert_eq!(heard.status, 400, "{path}: {heard:?}");
        assert_eq!(heard.json()["error"]["message"], words, "{path}");
    }
}

#[test]
fn without_a_majority_only_local_reads_are_answered() {
    let mut store = Store::start(&["--replication", "raft"]);
    let url = store.frontend();
    let number = buy(&url, "Tux");
    let leader = store.leader();
    let left = store.names("order").into_iter().find(|name| *name != leader).unwrap();
    let path = format!("/orders/{number}?consistency=local");
    wait_for("the follower has the order", || {
        (get(&store.url(&left), &path).status == 200).then_some(())
    });
    for name in store.names("order").into_iter().filter(|name| *name != left) {
        store.kill(&name);
    }
    let heard = wait_for("the one that is left answers", || {
        let heard = get(&url, &path);
        (heard.status == 200).then_some(heard)
    });
    says(&heard, 200, "local", &left);
    for level in ["leader", "linearizable"] {
        let heard = get(&url, &format!("/orders/9999?consistency={level}"));
        assert_eq!(heard.status, 503, "{level}: {heard:?}");
    }
    says(&get(&url, "/orders/9999?consistency=local"), 404, "local", &left);
}

/// The frontend's cache answers where the catalog stands still and the lease has run out.
#[test]
fn a_silent_catalog_leaves_what_the_cache_has() {
    let mut store = Store::start(&[]);
    let url = store.frontend();
    assert_eq!(get(&url, "/products/fox").status, 200);
    says(&get(&url, "/products/fox"), 200, "linearizable", "frontend-1");
    store.pause("catalog");
    let heard = wait_for("the lease runs out", || {
        let heard = get(&url, "/products/fox?consistency=local");
        (heard.header("toystore-consistency") == "local").then_some(heard)
    });
    says(&heard, 200, "local", "frontend-1");
    assert_eq!(get(&url, "/products/fox").status, 503);
    store.resume("catalog");
}

#[test]
fn shoppers_read_at_a_level_and_what_they_saw_is_judged_by_it() {
    let store = Store::start(&[]);
    let history = store.data.join("levels.jsonl");
    let history = history.to_str().unwrap();
    for level in ["local", "leader"] {
        let data = store.data.to_str().unwrap();
        let arguments = [
            "client",
            "--data",
            data,
            "--clients",
            "3",
            "--requests",
            "30",
            "--consistency",
            level,
            "--orders-csv",
            "none",
            "--history",
            history,
        ];
        let run = toystore(&arguments).output().unwrap();
        assert!(run.status.success(), "{run:?}");
        let checked = toystore(&["check", history]).output().unwrap();
        let text = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{text}");
        assert!(text.contains(&format!("✓ {level}-reads")), "{text}");
    }
    let wrong = toystore(&["client", "--consistency", "eventual"]).output().unwrap();
    let words = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(words.contains("expected linearizable, leader or local"), "{words}");
}
