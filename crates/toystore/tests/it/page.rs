//! The live page over HTTP: its files, the stream of frames, the shop, and who may break what. How
//! it looks and moves is tested in a browser.

use std::time::Duration;

use serde_json::{Value, json};

use crate::raw::{Heard, Raw, request};
use crate::store::Store;
use crate::waiting::{wait_at_most, wait_for, watch_for};

/// A page is asked under a name of this machine.
fn bytes(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    request(method, path, headers, body).replacen("Host: toystore", "Host: localhost", 1)
}

/// Asks the page.
pub fn ask(url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Heard {
    let mut raw = Raw::open(url);
    raw.send(bytes(method, path, headers, body));
    raw.hear_as(method).unwrap_or_else(|| panic!("{method} {path}: no answer"))
}

/// Where the page of a store is.
pub fn page(store: &Store) -> String {
    store.cluster()["dashboard"].as_str().expect("cluster.json says where it is").to_string()
}

/// The frames of the page, as they come.
pub struct Frames {
    raw: Raw,
    /// What the server says first.
    pub hello: Value,
    waiting: Vec<Value>,
}

impl Frames {
    /// Opens the stream.
    pub fn open(url: &str) -> Frames {
        let mut raw = Raw::open(url);
        raw.send(bytes("GET", "/api/feed", &[], ""));
        let mut frames = Frames { raw, hello: Value::Null, waiting: vec![] };
        let (kind, hello) = frames.event();
        assert_eq!(kind, "hello");
        frames.hello = hello;
        frames
    }

    /// The next event: its kind and its data.
    fn event(&mut self) -> (String, Value) {
        let mut kind = String::new();
        loop {
            let line = self.raw.line();
            assert!(!line.is_empty(), "the stream ended");
            if let Some(name) = line.strip_prefix("event: ") {
                kind = name.trim().to_string();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (kind, serde_json::from_str(data).unwrap());
            }
        }
    }

    /// The next frame.
    pub fn next(&mut self) -> Value {
        if self.waiting.is_empty() {
            self.waiting = match self.event() {
                (kind, Value::Array(frames)) if kind == "history" => frames,
                (kind, frame) if kind == "frame" => vec![frame],
                other => panic!("{other:?}"),
            };
        }
        self.waiting.remove(0)
    }

    /// The first frame in which something is so.
    pub fn until<T>(&mut self, what: &str, look: impl FnMut(&Value) -> Option<T>) -> T {
        self.until_within(Duration::from_secs(20), what, look)
    }

    fn until_within<T>(
        &mut self,
        patience: Duration,
        what: &str,
        mut look: impl FnMut(&Value) -> Option<T>,
    ) -> T {
        wait_at_most(patience, what, || look(&self.next()))
    }
}

pub fn node<'a>(frame: &'a Value, name: &str) -> &'a Value {
    let nodes = frame["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["name"] == name).unwrap_or_else(|| panic!("no {name}: {frame}"))
}

#[test]
fn files_are_served_whole_and_to_this_machine_only() {
    let store = Store::start(&[]);
    let url = page(&store);
    let index = ask(&url, "GET", "/", &[], "");
    assert_eq!(index.status, 200);
    index.with(&[
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
    ]);
    let is_file = |word: &&str| word.contains(|c: char| c.is_ascii_alphabetic());
    let files = index.body.split(['"']).filter(|word| word.contains('.') && !word.contains(' '));
    let files = files.filter(is_file);
    let mut seen = 0;
    for file in files {
        seen += 1;
        let file = ask(&url, "GET", &format!("/{file}"), &[], "");
        assert_eq!(file.status, 200, "{file:?}");
        // Nothing is fetched from elsewhere.
        assert!(!file.body.replace("http://www.w3.org", "").contains("http://"), "{}", file.body);
        let tag = file.header("etag").to_string();
        assert!(!tag.is_empty());
    }
    assert!(seen >= 3, "{}", index.body);
    let tag = index.header("etag").to_string();
    assert_eq!(ask(&url, "GET", "/", &[("If-None-Match", &tag)], "").status, 304);
    ask(&url, "GET", "/nothing.js", &[], "").is_error(404, "there is no /nothing.js");
    ask(&url, "DELETE", "/", &[], "").is_error(405, "only GET");
    // A name that somebody else had resolved to this machine.
    let mut raw = Raw::open(&url);
    raw.send("GET / HTTP/1.1\r\nHost: evil.example:8070\r\n\r\n");
    raw.hear().unwrap().is_error(403, "this machine only");
}

#[test]
fn buying_and_looking_is_what_a_frontend_says() {
    let store = Store::start_settled(&[]);
    let url = page(&store);
    let json = ("Content-Type", "application/json");
    let order = r#"{"name":"Tux","quantity":2}"#;
    let buy = |key: &str| {
        ask(&url, "POST", "/api/shop/orders", &[json, ("Idempotency-Key", key)], order).json()
    };
    let said = buy("one")["data"].clone();
    assert_eq!((&said["status"], &said["frontend"]), (&json!(200), &json!("frontend-1")), "{said}");
    let number = said["body"]["data"]["order_number"].as_u64().unwrap();
    // The same order, not another one.
    assert_eq!(buy("one")["data"]["body"], said["body"]);
    let found = ask(&url, "GET", &format!("/api/shop/orders/{number}"), &[], "").json();
    assert_eq!(found["data"]["body"]["data"]["quantity"], 2, "{found}");
    let look = || ask(&url, "GET", "/api/shop/products/Tux", &[], "").json()["data"].clone();
    wait_for("the toy is in the cache", || (look()["headers"]["x-cache"] == "hit").then_some(()));
    assert_eq!(look()["body"]["data"]["quantity"], 98);
    ask(&url, "POST", "/api/shop/orders", &[("Content-Type", "text/plain")], order)
        .is_error(415, "application/json");
    ask(&url, "GET", "/api/shop/status", &[], "").is_error(404, "products and orders");
    let wrong = ask(&url, "GET", "/api/shop/orders/x", &[], "").json();
    assert_eq!(wrong["data"]["status"], 400, "{wrong}");
    let mut frames = Frames::open(&url);
    frames.until("the order is in every log", |frame| {
        let has = |name: &str| node(frame, name)["said"]["status"]["orders"] == 1;
        ["order-1", "order-2", "order-3"].iter().all(|name| has(name)).then_some(())
    });
}

#[test]
fn a_purchase_is_seen_on_its_way_through_the_store() {
    let store = Store::start_settled(&[]);
    let url = page(&store);
    let mut frames = Frames::open(&url);
    frames.until("messages are listened to", |frame| {
        let leader = store.leader();
        node(frame, &leader)["messages"]["passed"].as_u64().filter(|passed| *passed > 0)
    });
    let json = ("Content-Type", "application/json");
    let order = r#"{"name":"Tux","quantity":2}"#;
    let headers = [json, ("Idempotency-Key", "seen")];
    let bought = ask(&url, "POST", "/api/shop/orders", &headers, order);
    assert_eq!(bought.status, 200, "{bought:?}");
    let leader = &store.leader();
    // Who saw which half of what, each message under one id.
    let mut halves: Vec<(String, Value)> = vec![];
    let half = |halves: &[(String, Value)], node: &str, event: &str, what: &str| {
        let found = halves.iter().find(|(name, half)| {
            let says = half["what"].as_str().is_some_and(|words| words.starts_with(what));
            name == node && half["event"] == event && says
        });
        found.map(|(_, half)| half["id"].as_str().unwrap().to_string())
    };
    let ids = frames.until("the purchase and its take", |frame| {
        for node in frame["nodes"].as_array()? {
            let events = node["messages"]["events"].as_array().into_iter().flatten();
            let name = node["name"].as_str()?.to_string();
            halves.extend(events.map(|event| (name.clone(), event.clone())));
        }
        let asked = half(&halves, "frontend-1", "came", "order Tuxx2:")?;
        let passed_on = half(&halves, "frontend-1", "sent", "orders [Tuxx2:")?;
        let take = half(&halves, leader, "sent", "take ")?;
        let whole = |id: &String, events: &[&str]| {
            let seen = |event: &&str| {
                halves.iter().any(|(_, half)| half["id"] == **id && half["event"] == **event)
            };
            events.iter().all(seen)
        };
        let all = ["sent", "came", "answered", "told"];
        (whole(&asked, &["came", "answered"]) && whole(&passed_on, &all) && whole(&take, &all))
            .then_some([asked, passed_on, take])
    });
    assert!(ids[2].starts_with(&format!("{leader}/")), "{ids:?}");
    let log = frames.until("the replica has applied it", |_| {
        let log = ask(&url, "GET", &format!("/api/log/{leader}/1/100"), &[], "").json();
        let entries = log["data"]["entries"].as_array()?.clone();
        entries.iter().any(|entry| entry["words"] == "order 0: 2 × Tux").then_some(entries)
    });
    assert!(log[0]["words"].as_str().unwrap().starts_with("no order: "), "{log:?}");
    ask(&url, "GET", "/api/log/order-1/9/3", &[], "").is_error(400, "9 to 3 are no entries");
    ask(&url, "GET", "/api/log/order-1/1/999", &[], "").is_error(400, "200 at once");
    ask(&url, "GET", "/api/log/order-9/1/3", &[], "").is_error(409, "there is no node");
    ask(&url, "GET", "/api/log/order-1/one/3", &[], "").is_error(400, "Cannot parse");
    // Who is not told the token is not told what passes.
    let frontend = store.url("frontend-1");
    ask(&frontend, "GET", "/messages", &[], "").is_error(401, "this is internal");
}

#[test]
fn nodes_and_links_are_broken_and_healed_with_the_token() {
    let store = Store::start_settled(&[]);
    let url = page(&store);
    let bearer = format!("Bearer {}", store.token());
    let with = [("Authorization", bearer.as_str())];
    let mut frames = Frames::open(&url);
    assert_eq!(frames.hello["chaos"], true);

    for headers in [&[][..], &[("Authorization", "Bearer no")]] {
        for (method, path) in [
            ("POST", "/api/nodes/order-1/kill"),
            ("PUT", "/api/links/order-1/order-2"),
            ("POST", "/api/heal"),
            ("PUT", "/api/chaos"),
            ("DELETE", "/api/chaos"),
        ] {
            ask(&url, method, path, headers, "{}").is_error(401, "needs the token");
        }
    }
    ask(&url, "POST", "/api/nodes/order-9/kill", &with, "").is_error(409, "there is no node");
    ask(&url, "POST", "/api/nodes/order-1/hug", &with, "").is_error(409, "kill, pause, resume");
    ask(&url, "PUT", "/api/links/order-1/order-2", &with, "{\"loss\":7}")
        .is_error(409, "expected 0 to 1");
    ask(&url, "PUT", "/api/links/order-1/order-1", &with, "{}").is_error(409, "itself");
    ask(&url, "PUT", "/api/links/order-1/order-2", &with, "{\"cuts\":1}")
        .is_error(400, "expected such as");

    let leader = store.leader();
    let killed = ask(&url, "POST", &format!("/api/nodes/{leader}/kill"), &with, "");
    assert_eq!(killed.status, 200, "{killed:?}");
    frames.until("the page sees who is dead, and who leads now", |frame| {
        let next = frame["leader"]["node"].as_str()?;
        (node(frame, &leader)["state"] == "dead" && next != leader).then_some(())
    });
    let cut = ask(&url, "PUT", "/api/links/frontend-1/catalog", &with, "{\"cut\":true}").json();
    assert_eq!(cut["data"]["done"], "frontend-1 to catalog: cut");
    let late = ask(&url, "PUT", "/api/links/frontend-1/order-1", &with, "{\"delay_ms\":5}").json();
    assert_eq!(late["data"]["done"], "frontend-1 to order-1: 5 ms late");
    frames.until("the page sees both links", |frame| {
        let edges = node(frame, "frontend-1")["said"]["faults"]["edges"].as_array()?;
        (edges.len() == 2).then_some(())
    });
    let paused = ask(&url, "POST", "/api/nodes/catalog/pause", &with, "");
    assert_eq!(paused.status, 200, "{paused:?}");

    let healed = ask(&url, "POST", "/api/heal", &with, "").json();
    let nodes = healed["data"]["nodes"].as_array().unwrap();
    assert!(nodes.iter().all(|node| node["refused"].is_null()), "{healed}");
    assert_eq!(nodes.len(), 3, "{healed}");
    frames.until("all is well", |frame| {
        let nodes = frame["nodes"].as_array()?;
        let well = |node: &Value| {
            let edges = node["said"]["faults"]["edges"].as_array();
            node["said"]["ready"] == true && edges.is_some_and(|edges| edges.is_empty())
        };
        nodes.iter().all(well).then_some(())
    });
}

/// What was bought from the page is judged while it goes on, and with everything at the end; where
/// others buy too, nothing is said to hold.
#[test]
fn what_is_bought_from_here_is_judged_and_nothing_else() {
    let store = Store::start_settled(&[]);
    let url = page(&store);
    let bearer = format!("Bearer {}", store.token());
    let with = [("Authorization", bearer.as_str())];
    let load = r#"{"shoppers":3,"probability":"0.5","pause_ms":20}"#;
    ask(&url, "PUT", "/api/load", &[], load).is_error(401, "needs the token");
    for (wrong, words) in [
        ("{}", "missing field `shoppers`"),
        (&*load.replace('3', "65"), "65 shoppers: expected 1 to 64"),
        (&*load.replace("0.5", "1.5"), "expected 0 to 1"),
        (&*load.replace("20", "60001"), "too long to think"),
        (&*load.replace('}', ",\"rate\":20001}"), "20001 requests a second: expected 1 to 20000"),
        (&*load.replace('}', ",\"rate\":0}"), "0 requests a second"),
    ] {
        ask(&url, "PUT", "/api/load", &with, wrong).is_error(400, words);
    }
    ask(&url, "GET", "/api/rounds/1/history.jsonl", &[], "").is_error(404, "has not ended");
    ask(&url, "GET", "/api/rounds/1/passwd", &[], "").is_error(404, "a round has history.jsonl");

    let mut frames = Frames::open(&url);
    let of = |part: &Value, name: &str| {
        let all = part["verdict"]["guarantees"].as_array()?;
        Some(all.iter().find(|one| one["guarantee"] == name)?["verdict"].clone())
    };
    frames.until("a round is open", |frame| frame["rounds"]["open"]["round"].as_u64());
    assert_eq!(ask(&url, "PUT", "/api/load", &with, load).status, 200);
    frames.until("what shoppers are told is judged", |frame| {
        let open = &frame["rounds"]["open"];
        let enough = open["operations"].as_u64()? > 50 && of(open, "stock")? == "held";
        // Only the end says what is in the logs.
        enough.then(|| assert_eq!(of(open, "replicas"), Some(json!("not-judged"))))
    });
    assert_eq!(ask(&url, "DELETE", "/api/load", &with, "").status, 200);
    let ended = frames.until("the round has ended", |frame| {
        let ended = &frame["rounds"]["ended"];
        (ended["operations"].as_u64()? > 50).then(|| ended.clone())
    });
    assert_eq!(ended["verdict"]["verdict"], "held", "{ended}");
    assert_eq!(of(&ended, "replicas"), Some(json!("held")), "{ended}");
    let history =
        ask(&url, "GET", &format!("/api/rounds/{}/history.jsonl", ended["round"]), &[], "");
    assert!(history.status == 200 && history.body.starts_with("{\"history\":\"toystore\""));

    // Somebody else buys.
    frames.until("the next round is open", |frame| {
        let open = &frame["rounds"]["open"];
        (open["round"].as_u64()? > ended["round"].as_u64()?).then_some(())
    });
    crate::levels::buy(&store.frontend(), "Tux");
    frames.until("nothing is said to hold", |frame| {
        let open = &frame["rounds"]["open"];
        let all = open["verdict"]["guarantees"].as_array()?;
        let undecided = |one: &Value| one["verdict"] == "not-decided";
        (open["verdict"]["others"] == 1).then(|| assert!(all.iter().all(undecided), "{open}"))
    });

    // And while shoppers look at what a stranger changed, nobody is called a liar.
    let lookers = r#"{"shoppers":5,"probability":"0","pause_ms":50}"#;
    assert_eq!(ask(&url, "PUT", "/api/load", &with, lookers).status, 200);
    frames.until("they look", |frame| {
        let open = &frame["rounds"]["open"];
        (open["operations"].as_u64()? > 20 && of(open, "stock")? == "held").then_some(())
    });
    crate::levels::buy(&store.frontend(), "Tux");
    frames.until("it is noticed", |frame| {
        let open = &frame["rounds"]["open"];
        assert_ne!(open["verdict"]["verdict"], "broke", "{open}");
        (open["verdict"]["others"] == 1).then_some(())
    });
}

/// With a rate, a store that stands still is asked all the same: what waits is counted from when it
/// was meant to begin, and the rate is made up for.
#[test]
fn shoppers_keep_a_rate_and_a_pause_of_the_store_is_seen_by_all_who_wait() {
    let store = Store::start_settled(&[]);
    let url = page(&store);
    let bearer = format!("Bearer {}", store.token());
    let with = [("Authorization", bearer.as_str())];
    let load = r#"{"shoppers":4,"probability":"0","pause_ms":0,"rate":100}"#;
    assert_eq!(ask(&url, "PUT", "/api/load", &with, load).status, 200);
    let mut frames = Frames::open(&url);
    let met = |frame: &Value, name: &str| frame["rounds"]["met"][name].as_f64();
    // At first they also ask for the list of toys.
    frames.until("they keep it", |frame| {
        let rate = met(frame, "per_second")?;
        (met(frame, "seconds")? >= 5.0 && rate > 90.0 && rate < 115.0).then_some(())
    });
    let act = |what: &str| {
        let said = ask(&url, "POST", &format!("/api/nodes/frontend-1/{what}"), &with, "");
        assert_eq!(said.status, 200, "{said:?}");
    };
    act("pause");
    frames
        .until("it hangs", |frame| (node(frame, "frontend-1")["state"] == "paused").then_some(()));
    watch_for(Duration::from_secs(1), || drop(frames.next()));
    act("resume");
    // Of a second in which four waited for an answer, a hundred requests were late, not four.
    frames.until("it is seen", |frame| {
        (met(frame, "p50_us")? > 20_000.0 || met(frame, "late_p99_us")? > 500_000.0).then_some(())
    });
    assert_eq!(ask(&url, "DELETE", "/api/load", &with, "").status, 200);
}

/// Strike after strike under shoppers; when it is off, everything is well and every promise was
/// kept.
#[test]
fn chaos_strikes_as_its_seed_says_and_mends_what_it_broke() {
    let store = Store::start_settled(&[]);
    let url = page(&store);
    let bearer = format!("Bearer {}", store.token());
    let with = [("Authorization", bearer.as_str())];
    for (wrong, words) in [
        ("7", "expected such as"),
        (r#"{"sed":7}"#, "unknown field `sed`"),
        (r#"{"seed":-1}"#, "expected u64"),
        (r#"{"seed":9007199254740992}"#, "too large: at most 9007199254740991"),
    ] {
        ask(&url, "PUT", "/api/chaos", &with, wrong).is_error(400, words);
    }
    let mut frames = Frames::open(&url);
    frames.until("it is off", |frame| frame["chaos"].is_null().then_some(()));
    let load = r#"{"shoppers":3,"probability":"0.5","pause_ms":20}"#;
    assert_eq!(ask(&url, "PUT", "/api/load", &with, load).status, 200);
    // What a click broke is not chaos's to mend.
    let late = r#"{"delay_ms":1}"#;
    assert_eq!(ask(&url, "PUT", "/api/links/order-1/order-3", &with, late).status, 200);

    let on = ask(&url, "PUT", "/api/chaos", &with, r#"{"seed":4}"#).json();
    assert_eq!(on["data"]["seed"], 4, "{on}");
    let struck = frames.until_within(Duration::from_secs(60), "some strikes are over", |frame| {
        let last = frame["chaos"]["last"].as_array()?;
        (last.len() >= 3).then(|| frame["chaos"].clone())
    });
    assert_eq!(struck["seed"], 4);
    assert!(!struck.to_string().contains("not mended"), "{struck}");
    assert_eq!(ask(&url, "DELETE", "/api/chaos", &with, "").status, 200);
    frames.until("all is well, but for what was clicked", |frame| {
        let well = |node: &Value| {
            let faults = node["said"]["faults"]["edges"].as_array();
            let mine = usize::from(node["name"] == "order-1");
            node["said"]["ready"] == true && faults.is_some_and(|edges| edges.len() == mine)
        };
        let all = frame["nodes"].as_array()?;
        (frame["chaos"].is_null() && all.iter().all(well)).then_some(())
    });
    assert_eq!(ask(&url, "DELETE", "/api/load", &with, "").status, 200);
    let ended = frames.until_within(Duration::from_secs(60), "the round has ended", |frame| {
        let ended = &frame["rounds"]["ended"];
        (ended["operations"].as_u64()? > 10).then(|| ended.clone())
    });
    assert_eq!(ended["verdict"]["verdict"], "held", "{ended}");

    // The same strikes, in the same order.
    let words = |chaos: &Value| {
        let last = chaos["last"].as_array().unwrap().iter();
        last.map(|one| one["words"].to_string()).rev().collect::<Vec<String>>()
    };
    assert_eq!(ask(&url, "PUT", "/api/chaos", &with, r#"{"seed":4}"#).status, 200);
    let again = frames.until("two strikes are over", |frame| {
        let chaos = &frame["chaos"];
        (chaos["last"].as_array()?.len() == 2).then(|| chaos.clone())
    });
    assert_eq!(words(&again), words(&struck)[..2]);
}

#[test]
fn without_chaos_nothing_can_be_broken_and_without_a_page_there_is_none() {
    let mut store = Store::start(&["--chaos=false"]);
    let url = page(&store);
    assert_eq!(Frames::open(&url).hello["chaos"], false);
    let bearer = format!("Bearer {}", store.token());
    let with = [("Authorization", bearer.as_str())];
    ask(&url, "POST", "/api/nodes/order-1/kill", &with, "").is_error(404, "--chaos");
    ask(&url, "PUT", "/api/chaos", &with, "{}").is_error(404, "--chaos");
    let said = store.said();
    assert!(said.contains(&format!("page: {url}\n")), "{said}");
    store.interrupt();
    drop(store);
    let store = Store::start(&["--no-dashboard"]);
    assert!(store.cluster()["dashboard"].is_null());
}
