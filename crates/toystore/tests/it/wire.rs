//! The wire as it is promised: every endpoint of every service, in both dialects, to the byte.
//!
//! Each test asks a real store. What the numbers are is part of what is compared, so each has a
//! store of its own.

use std::fs;

use crate::raw::{Heard, Raw, ask, get, post, request};
use crate::store::Store;
use crate::waiting::wait_for;

const NO_TOY: &str = r#"{"error":{"code":404,"message":"product not found"}}"#;
const NO_ORDER: &str = r#"{"error":{"code":404,"message":"order not found"}}"#;
const TOO_FEW: &str = r#"{"error":{"code":400,"message":"insufficient stock"}}"#;

/// What nodes show each other.
fn token(store: &Store) -> String {
    format!("Bearer {}", store.token())
}

/// The original project's dialect.
fn seed(store: &Store) -> String {
    let cluster = store.cluster();
    let nodes = cluster["nodes"].as_array().unwrap();
    nodes.iter().find_map(|node| node["seed_url"].as_str()).unwrap().to_string()
}

/// A store that sells what is written here.
fn selling(catalogue: &str, options: &[&str]) -> Store {
    let mut store = Store::prepare(options);
    let toys = format!("name,price,quantity\n{catalogue}");
    fs::write(store.folder().join("toys.csv"), toys).unwrap();
    store.up();
    store.settle();
    store
}

/// Where in the order log the n-th order from now on will stand: a start takes an entry or two.
fn indexes(store: &Store) -> impl Fn(u64) -> String {
    let committed = store.status(&store.leader()).unwrap()["engine"]["committed"].clone();
    let committed = committed.as_u64().unwrap();
    move |nth| (committed + nth).to_string()
}

/// An order under a key.
fn order(url: &str, key: &str, name: &str, quantity: u64) -> Heard {
    let body = format!(r#"{{"name":"{name}","quantity":{quantity}}}"#);
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
    ask(url, "POST", "/orders", &headers, &body)
}

#[test]
fn toys_are_shown() {
    let store = Store::start_settled(&[]);
    let url = &store.frontend();
    let tux = r#"{"data":{"name":"Tux","price":25.99,"quantity":100}}"#;
    let proof = [
        ("content-type", "application/json"),
        ("etag", "\"1\""),
        ("cache-control", "private, no-cache"),
        ("toystore-served-by", "frontend-1"),
        ("toystore-toy-version", "1"),
        ("content-length", "52"),
    ];
    get(url, "/products/Tux").is(200, tux).with(&proof).with(&[("x-cache", "miss")]);
    for path in [
        "/products/Tux",
        "/products/tux",
        "/products/TUX/",
        "/products/%74%55x",
        "/products/tux?x=1",
    ] {
        get(url, path).is(200, tux).with(&proof).with(&[("x-cache", "hit")]);
    }
    ask(url, "HEAD", "/products/tux", &[], "").is(200, "").with(&proof);
    ask(url, "HEAD", "/products/nothing", &[], "").is(404, "");
    let cube = r#"{"data":{"name":"Rubik's Cube","price":10.99,"quantity":100}}"#;
    get(url, "/products/rubik%27s%20CUBE").is(200, cube);
    let checkers = r#"{"data":{"name":"Checkers","price":8.99,"quantity":100}}"#;
    get(url, "/products/checkers").is(200, checkers);

    for (tags, status) in [
        ("\"1\"", 304),
        ("W/\"1\"", 304),
        ("\"7\", \"1\"", 304),
        ("*", 304),
        ("\"7\"", 200),
        ("1", 200),
    ] {
        let heard = ask(url, "GET", "/products/tux", &[("If-None-Match", tags)], "");
        heard.is(status, if status == 304 { "" } else { tux }).with(&proof[1..5]);
    }

    get(url, "/products/nothing").is(404, NO_TOY).with(&[("toystore-served-by", "frontend-1")]);
    get(url, "/products/%FF").is_error(400, "not UTF-8");
    get(url, "/products/%00").is_error(400, "no control characters");
    get(url, &format!("/products/{}", "x".repeat(64))).is(404, NO_TOY);
    get(url, &format!("/products/{}", "x".repeat(65))).is_error(400, "1 to 64 characters");
    let heard = post(url, "/products/tux", "{}");
    heard.is_error(405, "POST is not allowed here, only GET").with(&[("allow", "GET")]);
}

#[test]
fn toys_are_listed_page_by_page() {
    let store = Store::start_settled(&[]);
    for (url, version) in [(store.frontend(), ""), (store.url("catalog"), r#","version":1"#)] {
        let url = &url;
        let toy = |name: &str, price: &str| {
            format!(r#"{{"name":"{name}","price":{price},"quantity":100{version}}}"#)
        };
        let list = |toys: &[String]| format!("{{\"data\":[{}]}}", toys.join(","));
        let first = [toy("Tux", "25.99"), toy("Whale", "19.99"), toy("Elephant", "20.99")];
        get(url, "/products?limit=3").is(200, &list(&first));
        get(url, "/products/?limit=1&after=TUX").is(200, &list(&first[1..2]));
        get(url, "/products?after=Rubik%27s+Cube&limit=1")
            .is(200, &list(&[toy("Scrabble", "21.99")]));
        get(url, "/products?after=Yo-Yo").is(200, &list(&[]));
        let all = get(url, "/products").json();
        assert_eq!(all["data"].as_array().unwrap().len(), 31);
        let names = ["Tux", "Whale", "Elephant", "Dolphin", "Fox", "Monopoly", "Lego", "Marbles"];
        for (place, name) in names.iter().enumerate() {
            assert_eq!(all["data"][place]["name"], **name);
        }
        get(url, "/products?after=nobody").is(404, NO_TOY);
        // More than there are is as many as there are.
        let many = get(url, "/products?limit=99999999999999999999").json();
        assert_eq!(many["data"].as_array().unwrap().len(), 31);
        for limit in ["0", "-1", "many", ""] {
            get(url, &format!("/products?limit={limit}")).is_error(400, "is no limit");
        }
        post(url, "/products", "{}").is_error(405, "only GET").with(&[("allow", "GET")]);
    }
}

#[test]
fn orders_are_read_back() {
    let store = Store::start_settled(&[]);
    let index = indexes(&store);
    let url = &store.frontend();
    let heard = post(url, "/orders", r#"{"name":"tux","quantity":1}"#);
    heard.is(200, r#"{"data":{"order_number":0}}"#).with(&[
        ("content-type", "application/json"),
        ("toystore-served-by", "frontend-1"),
        ("toystore-toy-version", "2"),
        ("toystore-log-index", &index(1)),
    ]);
    let read = r#"{"data":{"number":0,"name":"Tux","quantity":1}}"#;
    for path in ["/orders/0", "/orders/0/", "/orders/00"] {
        get(url, path)
            .is(200, read)
            .with(&[("toystore-log-index", &index(1)), ("toystore-served-by", "frontend-1")]);
    }
    ask(url, "HEAD", "/orders/0", &[], "").is(200, "").with(&[("content-length", "47")]);
    get(url, "/orders/1").is(404, NO_ORDER);
    for number in ["x", "-1", "1.5", "%30x", "99999999999999999999999"] {
        get(url, &format!("/orders/{number}")).is_error(400, "is no order number");
    }
    // A missing content type is taken as JSON, and what follows a semicolon is of no interest.
    let body = r#"{"quantity":2,"note":"a gift","name":"RUBIK'S cube"}"#;
    ask(url, "POST", "/orders/", &[], body).is(200, r#"{"data":{"order_number":1}}"#);
    let json = [("Content-Type", "Application/JSON; charset=utf-8")];
    ask(url, "POST", "/orders", &json, body).is(200, r#"{"data":{"order_number":2}}"#);
    get(url, "/orders/2").is(200, r#"{"data":{"number":2,"name":"Rubik's Cube","quantity":2}}"#);

    let unknown = post(url, "/orders", r#"{"name":"nothing","quantity":1}"#);
    unknown.is(404, NO_TOY);
    let few = post(url, "/orders", r#"{"name":"Tux","quantity":1000000}"#);
    few.is(400, TOO_FEW).with(&[("toystore-toy-version", "2"), ("toystore-log-index", &index(5))]);
    let heard = ask(url, "GET", "/orders", &[], "");
    heard.is_error(405, "only POST").with(&[("allow", "POST")]);
    let xml = [("Content-Type", "text/xml")];
    ask(url, "POST", "/orders", &xml, body).is_error(415, "expected application/json");
    post(url, "/orders", &"x".repeat(16 * 1024 + 1)).is_error(413, "more than 16384 bytes");
    post(url, "/orders", &"x".repeat(16 * 1024)).is_error(400, "bad JSON");
    get(url, "/nothing").is_error(404, "frontend-1 serves nothing at /nothing");
}

#[test]
fn a_key_makes_retries_harmless_and_tells_what_became_of_a_request() {
    let store = Store::start_settled(&[]);
    let index = indexes(&store);
    let url = &store.frontend();
    let unknown = r#"{"data":{"state":"unknown"}}"#;
    get(url, "/requests/first").is(200, unknown);
    let (first, second) = (index(1), index(2));
    let proof = [("toystore-toy-version", "2"), ("toystore-log-index", first.as_str())];
    for _ in 0..3 {
        let heard = order(url, "first", "tux", 2);
        heard.is(200, r#"{"data":{"order_number":0}}"#).with(&proof);
    }
    let recorded = r#"{"data":{"state":"recorded","order_number":0}}"#;
    get(url, "/requests/first").is(200, recorded).with(&proof);
    ask(url, "POST", "/requests/first/resolve", &[], "").is(200, recorded).with(&proof);
    let used = "this Idempotency-Key was used before for another order";
    order(url, "first", "tux", 3).is_error(422, used);
    order(url, "first", "fox", 2).is_error(422, used);
    get(url, "/products/tux").is(200, r#"{"data":{"name":"Tux","price":25.99,"quantity":98}}"#);

    let proof = [("toystore-toy-version", "2"), ("toystore-log-index", second.as_str())];
    for _ in 0..2 {
        order(url, "greedy", "tux", 99).is(400, TOO_FEW).with(&proof);
    }
    let refused = r#"{"data":{"state":"refused","reason":"insufficient stock"}}"#;
    get(url, "/requests/greedy").is(200, refused).with(&proof);
    order(url, "nothing", "nothing", 1).is(404, NO_TOY);
    let refused = r#"{"data":{"state":"refused","reason":"product not found"}}"#;
    get(url, "/requests/nothing/").is(200, refused);

    let never = r#"{"data":{"state":"never"}}"#;
    for _ in 0..2 {
        ask(url, "POST", "/requests/late/resolve", &[], "").is(200, never);
        get(url, "/requests/late").is(200, never);
    }
    order(url, "late", "tux", 1).is_error(409, "resolved as never to be done");
    get(url, "/requests/a%20b").is_error(400, "1 to 128 visible ASCII characters");
    order(url, &"k".repeat(128), "tux", 1).is(200, r#"{"data":{"order_number":1}}"#);
    order(url, &"k".repeat(129), "tux", 1).is_error(400, "1 to 128 visible ASCII characters");
    order(url, "a b", "tux", 1).is_error(400, "1 to 128 visible ASCII characters");
    let heard = get(url, "/requests/first/resolve");
    heard.is_error(405, "only POST").with(&[("allow", "POST")]);
}

#[test]
fn session_id_is_given_back() {
    let store = Store::start_settled(&[]);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("Session-ID", "session 7"), ("traceparent", trace)];
    let back = [("session-id", "session 7"), ("traceparent", trace)];
    let order = r#"{"name":"tux","quantity":1}"#;
    let url = &store.frontend();
    for (path, status, cache) in [
        ("/products/tux", 200, "miss"),
        ("/products/tux", 200, "hit"),
        ("/products/nothing", 404, ""),
        ("/products", 200, ""),
        ("/orders/0", 404, ""),
        ("/nothing", 404, ""),
        ("/health/live", 200, ""),
    ] {
        let heard = ask(url, "GET", path, &headers, "");
        assert_eq!(heard.status, status, "{heard:?}");
        heard.with(&back).with(&[("x-cache", cache)]);
    }
    ask(url, "POST", "/orders", &headers, order).with(&back);
    ask(url, "POST", "/orders", &headers, "{").with(&back);
    ask(url, "DELETE", "/cache/tux", &headers, "").with(&back);
    ask(&seed(&store), "GET", "/products/tux", &headers, "").with(&back);
    ask(&store.url("catalog"), "GET", "/products/tux", &headers, "").with(&back);
    ask(&store.url("order-1"), "GET", "/orders/0", &headers, "").with(&back);
    assert_eq!(get(url, "/products/tux").header("session-id"), "");
}

#[test]
fn the_original_projects_dialect() {
    let store = Store::start_settled(&[]);
    let index = indexes(&store);
    let url = &seed(&store);
    let close = [("connection", "close"), ("toystore-served-by", "frontend-1")];
    let tux = r#"{"name":"tux","qty":100,"cost":25.99}"#;
    let json = [("content-type", "application/json"), ("toystore-toy-version", "1")];
    get(url, "/products/tux").is(200, tux).with(&close).with(&json).with(&[("x-cache", "miss")]);
    get(url, "/products/TUX/").is(200, tux).with(&close).with(&[("x-cache", "hit")]);
    let not_found = r#"{"error":{"code":404,"message":"Product not found"}}"#;
    get(url, "/products/cat").is(404, not_found).with(&close);

    let heard = post(url, "/orders", r#"{"name":"tux","qty":2}"#);
    heard.is(200, r#"{"data":{"order_number":0}}"#).with(&close);
    heard.with(&[("toystore-toy-version", "2"), ("toystore-log-index", &index(1))]);
    let read = r#"{"number":0,"name":"tux","qty":2}"#;
    get(url, "/orders/0").is(200, read).with(&close).with(&[("toystore-log-index", &index(1))]);
    let no_order = r#"{"error":{"code":404,"message":"Order not found"}}"#;
    get(url, "/orders/99").is(404, no_order).with(&close);
    let few = r#"{"error":{"code":400,"message":"Insufficient quantity available"}}"#;
    let heard = post(url, "/orders", r#"{"name":"tux","qty":101}"#);
    heard.is(400, few).with(&[("toystore-toy-version", "2"), ("toystore-log-index", &index(2))]);
    // What its own tests order.
    post(url, "/orders", r#"{"name":"tux","qty":99999999999}"#).is(400, few);
    let invalid = r#"{"error":{"code":404,"message":"Invalid toy name"}}"#;
    post(url, "/orders", r#"{"name":"cat","qty":1}"#).is(404, invalid);
    post(url, "/orders", r#"{"name":"tux","quantity":1}"#).is_error(400, "qty is missing");

    let key = [("Content-Type", "application/json"), ("Idempotency-Key", "k")];
    for _ in 0..2 {
        let heard = ask(url, "POST", "/orders", &key, r#"{"name":"Rubik's Cube","qty":1}"#);
        heard.is(200, r#"{"data":{"order_number":1}}"#);
    }
    get(url, "/orders/1").is(200, r#"{"number":1,"name":"rubik's cube","qty":1}"#);

    get(url, "/products/fox").with(&[("x-cache", "miss")]);
    get(url, "/products/fox").with(&[("x-cache", "hit")]);
    let gone = r#"{"message":"Item fox deleted from cache"}"#;
    ask(url, "DELETE", "/delete/FOX", &[], "").is(200, gone).with(&close);
    get(url, "/products/fox").with(&[("x-cache", "miss")]);
    let leader = format!("Leader Order Port: {}", port(&store.url(&store.leader())));
    get(url, "/send_leader_info").is(200, &leader).with(&[("content-type", "text/plain")]);
    get(url, "/products").is_error(404, "serves nothing");
    // The lab's dialect tells of the same store.
    let lab = r#"{"data":{"number":0,"name":"Tux","quantity":2}}"#;
    get(&store.frontend(), "/orders/0").is(200, lab);

    // That client closes its socket before it reads the body.
    let mut raw = Raw::open(url);
    raw.send(request("GET", "/products/tux", &[("Connection", "keep-alive")], ""));
    raw.hear().unwrap().with(&close);
    raw.is_over();
}

fn port(url: &str) -> &str {
    url.rsplit(':').next().unwrap()
}

#[test]
fn the_cache_keeps_what_was_asked_for_last_and_drops_what_changes() {
    let toys = "Ant,1,2\nBat,0.5,3\nCat,3.25,3\nDog,1,3\nEel,1,3\nFox,1,3\nGnu,1,3\nHen,1,3\n";
    let store = selling(toys, &["--restock-interval", "1s"]);
    let url = &store.frontend();
    let cache = |name: &str| get(url, &format!("/products/{name}")).header("x-cache").to_string();
    for name in ["ant", "bat", "cat", "dog", "eel", "fox", "gnu"] {
        assert_eq!(cache(name), "miss", "{name}");
    }
    // Ant is asked for again, so Bat is the one that was not asked for the longest.
    assert_eq!(cache("ant"), "hit");
    assert_eq!(cache("hen"), "miss");
    for name in ["ant", "cat", "dog", "eel", "fox", "gnu", "hen"] {
        assert_eq!(cache(name), "hit", "{name}");
    }
    assert_eq!(cache("bat"), "miss");
    assert_eq!(cache("bat"), "hit");
    assert_eq!(cache("ant"), "miss");

    // An order makes the next read a miss, which tells the new stock.
    let bat = r#"{"data":{"name":"Bat","price":0.50,"quantity":3}}"#;
    get(url, "/products/bat").is(200, bat).with(&[("x-cache", "hit"), ("etag", "\"1\"")]);
    order(url, "a", "Bat", 1).with(&[("toystore-toy-version", "2")]);
    let bat = r#"{"data":{"name":"Bat","price":0.50,"quantity":2}}"#;
    let known = [("If-None-Match", "\"1\"")];
    let heard = ask(url, "GET", "/products/bat", &known, "");
    heard.is(200, bat).with(&[("x-cache", "miss"), ("etag", "\"2\"")]);
    get(url, "/products/bat").is(200, bat).with(&[("x-cache", "hit"), ("etag", "\"2\"")]);

    // Sold out, until all that is at 0 goes to 100.
    order(url, "b", "Cat", 3).with(&[("toystore-toy-version", "2")]);
    let full = r#"{"data":{"name":"Cat","price":3.25,"quantity":100}}"#;
    let restocked = wait_for("Cat is restocked", || {
        let heard = get(url, "/products/cat");
        (heard.header("toystore-toy-version") == "3").then_some(heard)
    });
    restocked.is(200, full).with(&[("x-cache", "miss")]);
    get(url, "/products/cat").is(200, full).with(&[("x-cache", "hit"), ("etag", "\"3\"")]);

    // What the catalog says to the cache, said by hand.
    let own = token(&store);
    let with = |token: &str| ask(url, "DELETE", "/cache/CAT", &[("Authorization", token)], "");
    ask(url, "DELETE", "/cache/cat", &[], "").is_error(401, "needs Authorization: Bearer");
    with("Bearer wrong").is_error(403, "wrong cluster token");
    assert_eq!(cache("cat"), "hit");
    with(&own).is(204, "").with(&[("toystore-served-by", "frontend-1")]);
    assert_eq!(cache("cat"), "miss");
    let names = r#"{"names":["cat","Bat"]}"#;
    ask(url, "DELETE", "/cache", &[("Authorization", &own)], names).is(204, "");
    assert_eq!((cache("cat"), cache("bat")), ("miss".to_string(), "miss".to_string()));
}

#[test]
fn without_a_cache_every_answer_comes_from_the_catalog() {
    let store = Store::start(&["--cache-capacity", "0"]);
    for _ in 0..2 {
        get(&store.frontend(), "/products/tux").with(&[("x-cache", "bypass"), ("etag", "\"1\"")]);
    }
}

/// Two slots: the toy that was just read goes, since it was filled first.
#[test]
fn a_cache_keeps_to_the_policy_that_it_is_told() {
    let store = Store::start_settled(&["--cache-capacity", "2", "--cache-policy", "fifo"]);
    let url = &store.frontend();
    let cache = |toy| get(url, &format!("/products/{toy}")).header("x-cache").to_string();
    let seen = ["tux", "fox", "tux", "whale", "tux"].map(cache);
    assert_eq!(seen, ["miss", "miss", "hit", "miss", "miss"]);
    assert_eq!(store.status("frontend-1").unwrap()["policy"], "fifo");
    let shown = store.run(&["status"]).stdout;
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("cache (fifo): 2 of 2 slots"), "{shown}");
}

#[test]
fn the_catalog_shows_toys_and_gives_leases() {
    let store = Store::start_settled(&[]);
    let url = &store.url("catalog");
    let own = &token(&store);
    let inside = |method: &str, path: &str, body: &str| {
        ask(url, method, path, &[("Authorization", own)], body)
    };
    let proof = [
        ("etag", "\"1\""),
        ("toystore-served-by", "catalog"),
        ("toystore-toy-version", "1"),
        ("cache-control", "private, no-cache"),
    ];
    let fox = r#"{"data":{"name":"Fox","price":9.99,"quantity":100,"version":1}}"#;
    get(url, "/products/fox").is(200, fox).with(&proof);
    let known = [("If-None-Match", "\"1\"")];
    ask(url, "GET", "/products/fox", &known, "").is(304, "").with(&proof);
    get(url, "/products/nothing").is(404, NO_TOY);
    let frontend = |text: &str| ask(url, "GET", "/products/fox", &[("X-Frontend", text)], "");
    frontend("9").is_error(400, "expected NUMBER CATALOG.COUNT");

    let lease = |method: &str, id: &str, body: &str| {
        inside(method, &format!("/frontends/{id}/lease"), body)
    };
    let nine = r#"{"url":"http://127.0.0.1:1","incarnation":1}"#;
    let granted = lease("PUT", "9", nine);
    assert_eq!(granted.status, 200, "{granted:?}");
    let granted = granted.json();
    assert_eq!(granted["data"]["duration_ms"], 2000);
    let generation = &granted["data"]["generation"];
    let mark = format!("9 {}.{}", generation["catalog"], generation["count"]);
    lease("PUT", "9", &nine.replace("incarnation\":1", "incarnation\":2"))
        .is_error(409, "another frontend uses this id");
    lease("PUT", "0", nine).is_error(400, "expected 1 to 255");
    frontend(&mark).with(&[("x-cache", "bypass"), ("toystore-toy-version", "1")]);
    lease("DELETE", "9", r#"{"incarnation":1}"#).is(204, "");
    let heard = get(url, "/frontends/9/lease");
    heard.is_error(405, "only PUT, DELETE").with(&[("allow", "PUT, DELETE")]);
}

#[test]
fn the_catalog_takes_for_the_leader_of_the_view_only() {
    let store = Store::start_settled(&[]);
    let url = &store.url("catalog");
    let own = &token(&store);
    let inside = |method: &str, path: &str, body: &str| {
        ask(url, method, path, &[("Authorization", own)], body)
    };
    // The view that is in force; no other can be put in its place without naming it.
    let view = wait_for("a leader has a view", || {
        let said = inside("GET", "/view", "");
        said.is_error(405, "only PUT").with(&[("allow", "PUT")]);
        let status = store.status("catalog").ok()?;
        Some(status["view"]["term"].as_str()?.to_string())
    });
    let ask_view = |previous: &str| {
        let body = r#"{"view":{"term":"9.9@1","in_sync":[1]},"previous":"TERM","unclean":false}"#;
        inside("PUT", "/view", &body.replace("TERM", previous))
    };
    let fenced = &format!("fenced: the view in force is {view}{{");
    ask_view("0.0@0").is_error(409, fenced);
    inside("PUT", "/view", "{}").is_error(400, "missing field `view` at line 1 column 2");

    let takes = |term: &str, items: &str| {
        let body = format!(r#"{{"term":"{term}","floor":0,"items":[{items}]}}"#);
        inside("POST", "/takes", &body)
    };
    takes("0.0@1", "").is_error(409, fenced);
    let item = |number: u64, name: &str, quantity: u64| {
        let order =
            format!(r#"{{"request_id":"{number:032x}","name":"{name}","quantity":{quantity}}}"#);
        format!(r#"{{"number":{number},"order":{order}}}"#)
    };
    let items = [item(900, "fox", 1), item(901, "nothing", 1), item(902, "fox", 1000)].join(",");
    let taken = concat!(
        r#"{"data":[{"number":900,"taken":{"Taken":{"name":"Fox","version":2}}},"#,
        r#"{"number":901,"taken":{"Refused":{"refusal":"Unknown","version":0}}},"#,
        r#"{"number":902,"taken":{"Refused":{"refusal":"Insufficient","version":2}}}]}"#
    );
    for _ in 0..2 {
        takes(&view, &items).is(200, taken);
    }
    takes("4@3", "").is_error(400, "is not a term: expected GENERATION.NUMBER@NODE");

    let settle =
        |term: &str| inside("POST", "/settlements", &format!(r#"{{"term":"{term}","takes":[]}}"#));
    settle("0.0@1").is_error(409, fenced);
    settle(&view).is(204, "");
}

#[test]
fn orders_are_placed_at_the_leader_and_read_at_every_replica() {
    let store = Store::start_settled(&[]);
    let (leader, index) = (store.leader(), indexes(&store));
    let (url, follower) = (&store.url(&leader), &store.url(&store.follower()));
    let own = &token(&store);
    let inside = |url: &str, method: &str, path: &str, body: &str| {
        ask(url, method, path, &[("Authorization", own)], body)
    };
    let tux = r#"{"name":"tux","quantity":1}"#;
    let not_me = format!(r#"{{"error":{{"code":421,"message":"not the leader, {leader} is"}}}}"#);
    let not_me = not_me.as_str();
    post(follower, "/orders", tux).is(421, not_me);
    get(follower, "/requests/k").is(421, not_me);
    ask(follower, "POST", "/requests/k/resolve", &[], "").is(421, not_me);
    post(url, "/orders", tux).is(200, r#"{"data":{"order_number":0}}"#).with(&[
        ("toystore-served-by", leader.as_str()),
        ("toystore-toy-version", "2"),
        ("toystore-log-index", &index(1)),
    ]);
    // All that waits at a frontend, in one request: each with its own status, in the same order.
    let many = concat!(
        r#"[{"name":"FOX","quantity":2,"idempotency_key":"k"},{"name":"nothing","quantity":1},"#,
        r#"{"name":"tux","quantity":1000},{"name":"tux","quantity":0},"#,
        r#"{"name":"Candy Land","quantity":5},7]"#
    );
    let no_quantity = "quantity must be a whole number from 1 to 1000000, not 0";
    let no_order = r#"an order is an object such as {\"name\":\"Tux\",\"quantity\":1}, not 7"#;
    let heard = [
        r#"{"data":[{"data":{"order_number":1}}"#,
        r#"{"error":{"code":404,"message":"product not found"}}"#,
        r#"{"error":{"code":400,"message":"insufficient stock"}}"#,
        &format!(r#"{{"error":{{"code":400,"message":"{no_quantity}"}}}}"#),
        r#"{"data":{"order_number":2}}"#,
        &format!(r#"{{"error":{{"code":400,"message":"{no_order}"}}}}]}}"#),
    ];
    post(url, "/orders", many).is(200, &heard.join(","));
    post(url, "/orders", "[]").is(200, r#"{"data":[]}"#);
    get(url, "/requests/k").is(200, r#"{"data":{"state":"recorded","order_number":1}}"#);
    let fox = r#"{"data":{"number":1,"name":"Fox","quantity":2}}"#;
    let log = concat!(
        r#"{"number":0,"name":"Tux","quantity":1},{"number":1,"name":"Fox","quantity":2},"#,
        r#"{"number":2,"name":"Candy Land","quantity":5}"#
    );
    // Every replica has every order, and the log as JSON and as CSV.
    for name in ["order-1", "order-2", "order-3"] {
        let url = &store.url(name);
        wait_for("the replica has applied all", || {
            (get(url, "/orders/2").status == 200).then_some(())
        });
        get(url, "/orders/1").is(200, fox).with(&[("toystore-served-by", name)]);
        get(url, "/orders").is(200, &format!("{{\"data\":[{log}]}}"));
        get(url, "/orders?after=0&limit=1")
            .is(200, r#"{"data":[{"number":1,"name":"Fox","quantity":2}]}"#);
        get(url, "/orders?after=2").is(200, r#"{"data":[]}"#);
        get(url, "/orders?after=x").is_error(400, "is no order number");
        get(url, "/orders?limit=0").is_error(400, "is no limit");
        let csv = "number,name,quantity\n0,Tux,1\n1,Fox,2\n2,Candy Land,5\n";
        let heard = ask(url, "GET", "/orders", &[("Accept", "text/csv")], "");
        heard.is(200, csv).with(&[("content-type", "text/csv; charset=utf-8")]);
        let leads = inside(url, "GET", "/leader", "").json();
        assert_eq!(format!("order-{}", leads["data"]["leader"]), leader);
        assert_eq!(leads["data"]["leading"], name == leader);
    }
    get(url, "/orders/3").is(404, NO_ORDER);
}

#[test]
fn replicas_tell_what_they_have() {
    let store = Store::start_settled(&[]);
    let (leader, index) = (store.leader(), indexes(&store));
    let (url, follower) = (&store.url(&leader), &store.url(&store.follower()));
    let own = &token(&store);
    let inside = |url: &str, method: &str, path: &str, body: &str| {
        ask(url, method, path, &[("Authorization", own)], body)
    };
    let order = r#"{"name":"tux","quantity":1}"#;
    let many = format!("[{order},{order},{order}]");
    post(url, "/orders", &many);
    for _ in 0..2 {
        post(url, "/orders", r#"{"name":"nothing","quantity":1}"#);
    }
    wait_for("the follower has applied all", || {
        (get(follower, "/orders/2").status == 200).then_some(())
    });
    let term = inside(url, "GET", "/leader", "").json()["data"]["term"].clone();
    let id = leader.strip_prefix("order-").unwrap();
    let heard = inside(url, "PUT", "/leader", &format!(r#"{{"leader":{id},"term":{term}}}"#));
    let leads = format!(r#""leader":{id},"leading":true,"members":[],"term":{term}"#);
    heard.is(200, &format!(r#"{{"data":{{{leads}}}}}"#));
    inside(url, "PUT", "/leader", r#"{"leader":3}"#).is_error(400, "missing field `term`");
    let missed = inside(url, "GET", &format!("/log/missed?after={}", index(4)), "").json();
    let entries = missed["data"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{missed}");
    assert_eq!(entries[0]["index"].to_string(), index(5));
    assert_eq!(missed["data"]["committed"].to_string(), index(5));
    inside(url, "GET", "/log/missed?after=x", "").is_error(400, "is no whole number");
    let snapshot = inside(url, "GET", "/snapshot", "").json();
    assert_eq!(snapshot["data"]["index"].to_string(), index(5));
    assert!(snapshot["data"]["state"].as_str().unwrap().len() > 100, "{snapshot}");
    inside(url, "POST", "/members", "{}").is_error(400, "expected {\"add\":4");
    let members = inside(url, "GET", "/members", "").json();
    assert_eq!(members["data"]["members"].as_array().unwrap().len(), 3, "{members}");
    let digest = |url: &str, query: &str| inside(url, "GET", &format!("/digest{query}"), "");
    let whole = digest(url, "");
    assert_eq!(whole.json()["data"]["upto"], 3);
    assert_eq!(whole.json()["data"]["digest"].as_str().unwrap().len(), 64);
    digest(follower, "?upto=3").is(200, &whole.body);
    assert_ne!(digest(url, "?upto=2").json()["data"]["digest"], whole.json()["data"]["digest"]);
    digest(url, "?upto=x").is_error(400, "no whole number");
    inside(url, "POST", "/log", r#"{"from":1,"messages":[]}"#).is(204, "");
    inside(url, "POST", "/log", "{").is_error(400, "bad JSON");
    let heard = ask(url, "DELETE", "/orders", &[], "");
    heard.is_error(405, "only POST, GET").with(&[("allow", "POST, GET")]);
}

#[test]
fn every_service_tells_how_it_is() {
    let mut store = Store::start_settled(&[]);
    let live = r#"{"data":{"live":true}}"#;
    let ready = r#"{"data":{"ready":true}}"#;
    for name in ["catalog", "order-1", "order-2", "order-3", "frontend-1"] {
        let url = &store.url(name);
        get(url, "/health/live").is(200, live).with(&[("toystore-served-by", name)]);
        get(url, "/health/ready").is(200, ready);
        ask(url, "HEAD", "/health/ready", &[], "").is(200, "").with(&[("content-length", "23")]);
        let status = get(url, "/status").json();
        let role = name.split('-').next().unwrap();
        assert_eq!((&status["node"], &status["role"]), (&name.into(), &role.into()));
        assert_eq!((&status["ready"], &status["pid"]), (&true.into(), &store.pid(name).into()));
        let metrics = get(url, "/metrics");
        metrics.with(&[("content-type", "text/plain; version=0.0.4")]);
        assert!(metrics.body.contains("toystore_ready 1\n"), "{metrics:?}");
        for line in metrics.body.lines().filter(|line| !line.starts_with("# ")) {
            let (series, number) = line.rsplit_once(' ').unwrap();
            let ours = series.starts_with("toystore_") || series.starts_with("process_");
            assert!(ours && number.parse::<f64>().is_ok(), "{line}");
        }

        let mut events = Raw::open(url);
        events.send(request("GET", "/events", &[], ""));
        let head = events.hear().unwrap();
        head.is(200, "").with(&[("content-type", "text/event-stream")]);
        for _ in 0..2 {
            // The length of the chunk, then what it holds.
            events.line();
            assert_eq!(events.line(), "event: status\n");
            let data = events.line();
            let event: serde_json::Value =
                serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!((&event["node"], &event["ready"]), (&name.into(), &true.into()));
            assert_eq!((events.line(), events.line()), ("\n".to_string(), "\r\n".to_string()));
        }

        let other = [("Toystore-Protocol", "1")];
        let heard = ask(url, "GET", "/status", &other, "");
        heard.is_error(400, "this node speaks Toystore-Protocol 2, not \"1\"");
    }

    // Without a leader it is not ready, and says when to come back.
    for name in ["order-1", "order-2", "order-3"] {
        store.kill(name);
    }
    let url = &store.frontend();
    let retry = [("retry-after", "1")];
    wait_for("the frontend is not ready", || {
        let heard = get(url, "/health/ready");
        (heard.status == 503).then(|| heard.is_error(503, "not ready").with(&retry).clone())
    });
    get(url, "/health/live").is(200, live);
    let heard = order(url, "k", "tux", 1);
    assert_eq!(heard.status, 503, "{heard:?}");
    let message = heard.json()["error"]["message"].as_str().unwrap().to_string();
    let known = message.starts_with("not available") || message.starts_with("outcome unknown");
    assert!(known, "{message}");
    heard.with(&retry);
    heard.is_error(503, "");
}
