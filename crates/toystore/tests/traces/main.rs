//! Traces of real stores, as a real collector gets them: whole, unmixed, and never in the way.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod collector;
#[path = "../it/exchange.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod exchange;
#[path = "../it/store.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod store;
mod tree;
#[path = "../it/waiting.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod waiting;

use std::time::{Duration, Instant};

use collector::{Collector, Span};
use exchange::{Connection, Said};
use rustix::process::Signal;
use store::{Store, is_ours, signal};
use tree::{agreed, asked_twice, check_times, draw};
use waiting::wait_for;

/// How soon spans are handed over: tests wait for them.
const SCHEDULE: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "50");

/// Who asks, in the traces of these tests.
const ASKER: &str = "00f067aa0ba902b7";

/// Spans of one purchase without those of caches: frontend 2, leader 5, catalog 2, followers 2
/// each.
const SPANS: usize = 13;

/// What a frontend is told when a toy changes: two spans for each.
const CACHE: &str = "DELETE /cache";

/// The id of the `number`th trace of a test.
fn trace(number: usize) -> String {
    format!("{:032x}", 0xabc0_0000 + number)
}

/// A store of three replicas and two frontends whose spans go there.
fn start(collector_url: &str) -> Store {
    start_told(&[("TOYSTORE_OTLP", collector_url)])
}

/// The same, told in these words.
fn start_told(environment: &[(&'static str, &str)]) -> Store {
    let mut store = Store::prepare(&["--frontends", "2"]);
    let all = environment.iter().chain([&SCHEDULE]);
    store.environment = all.map(|(name, value)| (*name, (*value).to_string())).collect();
    store.up();
    store.settle();
    store
}

/// Reads a toy until a frontend has it in its cache.
fn cache(frontend: &str, toy: &str) {
    wait_for("the frontend caches a toy", || {
        let said = exchange::get(frontend, &format!("/products/{toy}")).unwrap();
        (said.headers.get("x-cache").map(String::as_str) == Some("hit")).then_some(())
    });
}

/// Reads toys until every frontend has them in its cache.
fn cache_everywhere(store: &Store, toys: &[&str]) {
    for frontend in store.frontends() {
        toys.iter().for_each(|toy| cache(&frontend, toy));
    }
}

/// Orders a toy within a trace.
fn order_in(frontend: &str, trace: &str, toy: &str, flags: &str) -> Said {
    let mut connection = Connection::open(frontend).unwrap();
    let parent = format!("00-{trace}-{ASKER}-{flags}");
    let body = format!("{{\"name\":\"{toy}\",\"quantity\":1}}");
    connection.ask("POST", "/orders", &[("traceparent", &parent)], &body).unwrap();
    connection.answer().unwrap()
}

/// Waits until a trace has so many spans of caches, and of everything else.
fn wait_for_spans(collector: &Collector, trace: &str, others: usize, caches: usize) -> Vec<Span> {
    let began = Instant::now();
    loop {
        let spans = collector.trace(trace);
        let found = spans.iter().filter(|span| span.name == CACHE).count();
        if found >= caches && spans.len() - found >= others {
            return spans;
        }
        let tree = || spans.iter().map(|s| format!("{} {}\n", s.node, s.name)).collect::<String>();
        assert!(began.elapsed() < waiting::DEADLINE, "only {} spans:\n{}", spans.len(), tree());
        std::thread::sleep(waiting::LOOK_INTERVAL);
    }
}

/// What a purchase looks like, with `caches` between the take and its end.
fn expected(frontend: &str, leader: &str, followers: &[String], caches: &str) -> String {
    let replicated = |follower: &String| {
        format!(
            "      {leader} replicate → {follower}\n\
             \x20       {follower} append\n\
             \x20         {follower} persist\n"
        )
    };
    let replicated: String = followers.iter().map(replicated).collect();
    format!(
        "{frontend} POST /orders\n\
         \x20 {frontend} POST /orders → {leader}\n\
         \x20   {leader} POST /orders\n\
         \x20     {leader} POST /takes → catalog\n\
         \x20       catalog POST /takes\n\
         {caches}\
         \x20         catalog persist\n\
         \x20     {leader} persist\n\
         {replicated}"
    )
}

/// Each of these frontends was told to drop the toy.
fn told(frontends: &[&str]) -> String {
    let told = |frontend: &&str| {
        format!(
            "          catalog DELETE /cache → {frontend}\n            {frontend} DELETE /cache\n"
        )
    };
    frontends.iter().map(told).collect()
}

fn followers(store: &Store, leader: &str) -> Vec<String> {
    store.names("order").into_iter().filter(|name| name != leader).collect()
}

#[test]
fn one_purchase_is_one_trace_through_all_tiers() {
    let collector = Collector::start();
    let store = start(&collector.url);
    let leader = store.leader();
    cache_everywhere(&store, &["tux"]);
    let said = order_in(&store.frontend(), &trace(1), "Tux", "01");
    assert_eq!(said.status, 200, "{said:?}");

    let spans = wait_for_spans(&collector, &trace(1), SPANS, 4);
    let caches = told(&["frontend-1", "frontend-2"]);
    check_times(&spans);
    let drawn = draw(&spans, ASKER);
    if !asked_twice(&spans) {
        assert_eq!(drawn, expected("frontend-1", &leader, &followers(&store, &leader), &caches));
    }
    for span in &spans {
        let role = span.node.split('-').next().unwrap();
        assert_eq!(span.service, format!("toystore-{role}"), "{span:?}");
        let names = ["POST /orders", "POST /takes", CACHE];
        if names.contains(&span.name.as_str()) {
            assert_eq!(span.attributes["http.response.status_code"], "200", "{span:?}");
            let method = span.name.split(' ').next().unwrap();
            assert_eq!(span.attributes["http.request.method"], method, "{span:?}");
        }
    }
    let first = spans.iter().find(|span| span.parent == ASKER).unwrap();
    assert_eq!(first.attributes["toystore.toy"], "Tux");
    let number = said.json()["data"]["order_number"].to_string();
    assert_eq!(first.attributes["toystore.order.number"], number);

    // Whoever names no trace begins one; whoever does not want to be seen is not.
    let own = exchange::order(&store.frontend(), "own", "Tux", 1).unwrap();
    assert_eq!(own.status, 200);
    assert_eq!(order_in(&store.frontend(), &trace(2), "Tux", "00").status, 200);
    assert_eq!(order_in(&store.frontend(), &trace(3), "Tux", "01").status, 200);
    let begun = wait_for("a purchase begins a trace", || {
        let ordered = |span: &Span| span.name == "POST /orders" && span.parent.is_empty();
        collector.spans().into_iter().find(ordered)
    });
    let spans = wait_for_spans(&collector, &begun.trace, SPANS, 0);
    let drawn = draw(&spans, "");
    if !asked_twice(&spans) {
        assert_eq!(drawn, expected("frontend-1", &leader, &followers(&store, &leader), ""));
    }
    wait_for_spans(&collector, &trace(3), SPANS, 0);
    assert_eq!(collector.trace(&trace(2)).len(), 0);
}

/// Buys within so many traces at once, at both frontends.
fn buy_at_once(store: &Store, traces: &[String], toys: &[&str]) -> Vec<Said> {
    let frontends = store.frontends();
    let gate = std::sync::Barrier::new(traces.len());
    std::thread::scope(|scope| {
        let buy = |(number, trace): (usize, &String)| {
            let (frontend, gate) = (frontends[number % frontends.len()].clone(), &gate);
            let (trace, toy) = (trace.clone(), toys[number % toys.len()].to_string());
            scope.spawn(move || {
                gate.wait();
                order_in(&frontend, &trace, &toy, "01")
            })
        };
        let threads: Vec<_> = traces.iter().enumerate().map(buy).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Whatever is about one entry of the log stands in the trace of its purchase.
fn check_unmixed(spans: &[Span], said: &Said) {
    assert_eq!(said.status, 200, "{said:?}");
    let of_orders: Vec<Span> =
        spans.iter().filter(|span| span.node != "catalog").cloned().collect();
    let index = agreed(&of_orders, "toystore.log.index");
    assert_eq!(index, said.number("toystore-log-index").to_string());
    let number = said.json()["data"]["order_number"].to_string();
    assert_eq!(agreed(spans, "toystore.order.number"), number);
}

#[test]
fn purchases_at_once_do_not_mix_their_traces() {
    let collector = Collector::start();
    let store = start(&collector.url);
    let leader = store.leader();
    let followers = followers(&store, &leader);
    let mut whole = 0;
    for round in 0..10 {
        let toys = ["Rocket", "Robot"];
        cache_everywhere(&store, &toys);
        let traces = [trace(100 + round * 2), trace(101 + round * 2)];
        let said = buy_at_once(&store, &traces, &toys);
        for (number, (trace, said)) in traces.iter().zip(&said).enumerate() {
            let spans = wait_for_spans(&collector, trace, SPANS, 4);
            let frontend = format!("frontend-{}", number % 2 + 1);
            let caches = told(&["frontend-1", "frontend-2"]);
            check_times(&spans);
            check_unmixed(&spans, said);
            if !asked_twice(&spans) {
                whole += 1;
                assert_eq!(draw(&spans, ASKER), expected(&frontend, &leader, &followers, &caches));
            }
        }
    }
    assert!(whole > 0, "every purchase was asked about twice: the machine is too busy");
}

#[test]
fn a_crowd_of_purchases_has_a_whole_trace_each() {
    let collector = Collector::start();
    let store = start(&collector.url);
    let leader = store.leader();
    let followers = followers(&store, &leader);
    let (mut together, mut whole) = (0, 0);
    for round in 0..5 {
        let toys = ["Rocket", "Robot", "Kite"];
        cache_everywhere(&store, &toys);
        let traces: Vec<String> = (0..20).map(|number| trace(1000 + round * 20 + number)).collect();
        let said = buy_at_once(&store, &traces, &toys);
        for (number, (trace, said)) in traces.iter().zip(&said).enumerate() {
            let spans = wait_for_spans(&collector, trace, SPANS, 0);
            // Who buys a toy that was just bought finds no cache that holds it.
            let (caches, others): (Vec<Span>, Vec<Span>) =
                spans.into_iter().partition(|span| span.name == CACHE);
            let frontend = format!("frontend-{}", number % 2 + 1);
            check_times(&others);
            check_unmixed(&others, said);
            let take =
                others.iter().find(|span| span.name == "POST /takes" && span.node == "catalog");
            let take = take.unwrap();
            if asked_twice(&others) {
                continue;
            }
            whole += 1;
            assert_eq!(draw(&others, ASKER), expected(&frontend, &leader, &followers, ""));
            assert!(caches.iter().all(|span| span.node != "catalog" || span.parent == take.id));
            let count = take.attributes["toystore.together"].parse::<u64>().unwrap();
            together = together.max(count);
        }
    }
    assert!(whole > 0, "every purchase was asked about twice: the machine is too busy");
    assert!(together > 1, "no two purchases ever shared a call: this shows nothing");
}

/// Asks something within a trace.
fn get_in(url: &str, trace: &str, path: &str) -> Said {
    let mut connection = Connection::open(url).unwrap();
    let parent = format!("00-{trace}-{ASKER}-01");
    connection.ask("GET", path, &[("traceparent", &parent)], "").unwrap();
    connection.answer().unwrap()
}

#[test]
fn reads_have_traces_too() {
    let collector = Collector::start();
    // As the standard says it; what is empty is not there.
    let standard = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str());
    let store = start_told(&[("TOYSTORE_OTLP", ""), standard]);
    let (frontend, leader) = (store.frontend(), store.leader());
    assert_eq!(exchange::order(&frontend, "k", "Tux", 1).unwrap().status, 200);
    let check = |number: usize, path: &str, status: u16, spans: usize, expected: &str| {
        assert_eq!(get_in(&frontend, &trace(number), path).status, status, "{path}");
        let spans = wait_for_spans(&collector, &trace(number), spans, 0);
        check_times(&spans);
        assert_eq!(draw(&spans, ASKER), expected, "{path}");
    };
    let through = |path: &str, to: &str| {
        format!("frontend-1 GET {path}\n  frontend-1 GET {path} → {to}\n    {to} GET {path}\n")
    };
    check(1, "/products/fox", 200, 3, &through("/products/{}", "catalog"));
    cache(&frontend, "fox");
    check(2, "/products/fox", 200, 1, "frontend-1 GET /products/{}\n");
    check(3, "/products", 200, 3, &through("/products", "catalog"));
    check(4, "/orders/0", 200, 3, &through("/orders/{}", &leader));
    check(5, "/requests/k", 200, 3, &through("/requests/{}", &leader));
    check(6, "/orders/none", 400, 1, "frontend-1 GET /orders/{}\n");
    assert_eq!(collector.trace(&trace(2))[0].attributes["toystore.cache"], "hit");
    assert_eq!(collector.trace(&trace(6))[0].attributes["http.response.status_code"], "400");
}

#[test]
fn a_purchase_that_outlives_its_leader_stays_one_trace() {
    let collector = Collector::start();
    let mut store = start(&collector.url);
    let leader = store.leader();
    let frontend = store.frontend();
    let buyers: Vec<_> = (0_usize..4)
        .map(|buyer| {
            let frontend = frontend.clone();
            std::thread::spawn(move || {
                let bought = |number| {
                    let trace = trace(1000 * (buyer + 1) + number);
                    (order_in(&frontend, &trace, "Rocket", "01"), trace)
                };
                (0..200).map(bought).collect::<Vec<_>>()
            })
        })
        .collect();
    wait_for("some have bought", || (collector.spans().len() > 40 * SPANS).then_some(()));
    store.kill(&leader);
    let mut tried_twice = 0;
    for (said, trace) in buyers.into_iter().flat_map(|buyer| buyer.join().unwrap()) {
        assert_eq!(said.status, 200, "{said:?}");
        let spans = wait_for_spans(&collector, &trace, 3, 0);
        let first: Vec<&Span> = spans.iter().filter(|span| span.parent == ASKER).collect();
        assert_eq!(first.len(), 1, "{first:?}");
        let number = said.json()["data"]["order_number"].to_string();
        assert_eq!(agreed(&spans, "toystore.order.number"), number);
        let tries = spans.iter().filter(|span| span.parent == first[0].id);
        let tries: Vec<&str> =
            tries.map(|span| span.attributes["toystore.peer"].as_str()).collect();
        if tries.len() > 1 && tries.iter().any(|replica| *replica != leader) {
            tried_twice += 1;
            // It takes the order, or finds it recorded.
            let asked = |span: &Span| {
                span.name == "POST /orders"
                    && span.service == "toystore-order"
                    && span.node != leader
            };
            wait_for("the other leader's part comes", || {
                collector.trace(&trace).iter().any(asked).then_some(())
            });
        }
    }
    assert!(tried_twice > 0, "the leader died, and nobody waited for it");
}

/// How long each node takes to end when it is asked to.
fn check_ends_in_time(store: &Store) {
    for name in ["frontend-1", "order-1", "order-2", "order-3", "catalog"] {
        let pid = store.pid(name);
        let began = Instant::now();
        signal(pid, Signal::TERM);
        wait_for(&format!("{name} ends"), || (!is_ours(pid)).then_some(()));
        assert!(began.elapsed() < Duration::from_secs(5), "{name}: {:?}", began.elapsed());
    }
}

/// Buys more than the queue of spans holds.
fn buy_much(store: &Store) {
    let began = Instant::now();
    let frontend = store.frontend();
    std::thread::scope(|scope| {
        for buyer in 0..8 {
            let frontend = frontend.clone();
            scope.spawn(move || {
                let mut connection = Connection::open(&frontend).unwrap();
                for number in 0..150 {
                    let key = format!("{buyer}-{number}");
                    let said = connection.order(&key, "Rocket", 1).unwrap();
                    assert_eq!(said.status, 200, "{said:?}");
                }
            });
        }
    });
    assert!(began.elapsed() < waiting::DEADLINE, "{:?}", began.elapsed());
}

#[test]
fn a_collector_that_hangs_is_in_nobodys_way() {
    let collector = Collector::start_hanging();
    let store = start(&collector.url);
    buy_much(&store);
    check_ends_in_time(&store);
    let said = store.said();
    assert!(said.contains("spans did not reach the collector"), "{said}");
}

#[test]
fn a_collector_that_is_away_is_named_once_and_found_again() {
    // Bound, so that nobody else gets the port, but not listening.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap();
    drop(deaf);
    let store = start(&format!("http://{address}"));
    buy_much(&store);
    let warning = "the collector takes no spans";
    wait_for("it is said", || store.said().contains(warning).then_some(()));
    let collector = Collector::start_on(address, false);
    wait_for("it is found again", || {
        exchange::order(&store.frontend(), "again", "Rocket", 1).unwrap();
        collector.spans().iter().any(|span| span.name == "POST /orders").then_some(())
    });
    let said = store.said();
    let frontend = said.lines().filter(|line| line.contains(warning)).count();
    assert!(frontend <= 6, "each of six nodes says it once at most:\n{said}");
    check_ends_in_time(&store);
}
