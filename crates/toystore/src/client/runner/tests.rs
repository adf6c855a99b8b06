//! Shoppers against a small store in this process, which can lose an answer or be away.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request as HttpRequest, Response as HttpResponse};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use shop::shopper::{Difference, Draw, Kind, Outcome, Probability};
use tokio::net::TcpListener;

use super::*;

/// What the small store remembers, and what it does wrong.
#[derive(Default)]
struct Shelf {
    orders: Vec<(String, Value)>,
    sessions: BTreeMap<String, u64>,
    connections: u64,
    /// Answers to orders that are thrown away after they were recorded.
    lose_answers: u32,
    /// Orders that are acknowledged and not recorded.
    forget_orders: u32,
}

type Shared = Arc<Mutex<Shelf>>;

/// The status and body for a request.
fn answer(shelf: &mut Shelf, method: &Method, path: &str, key: &str, body: &Value) -> (u16, Value) {
    let toy = |name: &str| json!({"name": name, "price": 25.99, "quantity": 100});
    if method == Method::POST {
        let known = shelf.orders.iter().position(|(k, _)| k == key);
        let number = known.unwrap_or_else(|| {
            let number = shelf.orders.len();
            let (name, quantity) = (&body["name"], &body["quantity"]);
            let order = json!({"number": number, "name": name, "quantity": quantity});
            shelf.orders.push((key.to_string(), order));
            number
        });
        if shelf.forget_orders > 0 {
            shelf.forget_orders -= 1;
            shelf.orders.pop();
        }
        return (200, json!({"data": {"order_number": number}}));
    }
    if path == "/products?limit=100" {
        return (200, json!({"data": [toy("Tux"), toy("Fox")]}));
    }
    if path.starts_with("/products?after=") {
        return (200, json!({"data": []}));
    }
    if let Some(name) = path.strip_prefix("/products/") {
        return (200, json!({"data": toy(name)}));
    }
    let number: Option<usize> = path.strip_prefix("/orders/").and_then(|n| n.parse().ok());
    match number.and_then(|number| shelf.orders.get(number)) {
        Some((_, order)) => (200, json!({"data": order})),
        None => (404, json!({"error": {"code": 404, "message": "order not found"}})),
    }
}

async fn serve(
    shared: Shared,
    request: HttpRequest<Incoming>,
) -> Result<HttpResponse<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let header =
        |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_string();
    let mut shelf = shared.lock().unwrap();
    *shelf.sessions.entry(header("session-id")).or_default() += 1;
    let path = head.uri.to_string();
    let (status, body) = answer(&mut shelf, &head.method, &path, &header("idempotency-key"), &body);
    if head.method == Method::POST && shelf.lose_answers > 0 {
        shelf.lose_answers -= 1;
        return Err(std::io::Error::other("the answer is lost"));
    }
    let answer = HttpResponse::builder().status(status).body(Full::from(body.to_string()));
    Ok(answer.unwrap())
}

async fn store(shelf: Shelf) -> (Url, Shared) {
    let shared = Arc::new(Mutex::new(shelf));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let state = shared.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            state.lock().unwrap().connections += 1;
            let state = state.clone();
            let service = service_fn(move |request| serve(state.clone(), request));
            let served = hyper::server::conn::http1::Builder::new();
            tokio::spawn(async move {
                let _ = served.serve_connection(TokioIo::new(stream), service).await;
                Ok::<(), Infallible>(())
            });
        }
    });
    (url, shared)
}

fn party(urls: Vec<Url>, clients: u32) -> Party {
    let mut each = Config::new(0, vec![], 0x5eed);
    each.requests = 10;
    each.probability = Probability::from_millionths(500_000).unwrap();
    each.draw = Draw::Exact;
    each.retry_interval = Duration::from_millis(10);
    Party { urls, dialect: Dialect::Lab, clients, recorded: false, rate: None, each }
}

async fn run(party: &Party) -> (Vec<Summary>, Vec<Report>) {
    let mut running = party.start(Clock::start());
    let mut reports = vec![];
    while let Some(report) = running.next().await {
        reports.push(report);
    }
    (running.summaries().await, reports)
}

#[tokio::test]
async fn shoppers_order_and_compare_each_on_one_connection_and_in_one_session() {
    let (url, shelf) = store(Shelf::default()).await;
    let (summaries, reports) = run(&party(vec![url], 3)).await;
    assert_eq!(summaries.len(), 3);
    for summary in &summaries {
        assert!(summary.all_matched(), "{summary:?}");
        assert_eq!((summary.queries, summary.orders, summary.matched), (10, 5, 5));
    }
    let shelf = shelf.lock().unwrap();
    assert_eq!((shelf.connections, shelf.orders.len()), (3, 15));
    let sessions: Vec<&str> = shelf.sessions.keys().map(String::as_str).collect();
    assert_eq!(sessions, ["toystore-5eed-1", "toystore-5eed-2", "toystore-5eed-3"]);
    assert_eq!(reports.iter().map(|report| report.orders.len()).sum::<usize>(), 15);
    let kinds = |kind| {
        let samples = reports.iter().flat_map(|report| &report.samples);
        samples.filter(|sample| sample.kind == kind && sample.outcome == Outcome::Ok).count()
    };
    let counts = [Kind::List, Kind::Query, Kind::Order, Kind::OrderQuery].map(kinds);
    assert_eq!(counts, [6, 30, 15, 15]);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_nothing_is_ordered_twice() {
    let (url, shelf) = store(Shelf { lose_answers: 2, ..Shelf::default() }).await;
    let (summaries, reports) = run(&party(vec![url], 1)).await;
    assert!(summaries[0].all_matched(), "{summaries:?}");
    assert_eq!((summaries[0].retried, summaries[0].orders), (1, 5));
    assert_eq!(shelf.lock().unwrap().orders.len(), 5);
    let trouble = reports.iter().find_map(|report| report.trouble.clone()).unwrap();
    assert!(trouble.contains("no answer"), "{trouble}");
}

#[tokio::test]
async fn an_order_that_was_acknowledged_and_lost_is_found_out() {
    let (url, _) = store(Shelf { forget_orders: 1, ..Shelf::default() }).await;
    let (summaries, _) = run(&party(vec![url], 1)).await;
    assert!(!summaries[0].all_matched());
    let doubled = |difference: &Difference| matches!(difference, Difference::Doubled { .. });
    assert!(summaries[0].differences.iter().any(doubled), "{summaries:?}");
}

#[tokio::test]
async fn a_frontend_that_is_away_is_passed_over() {
    let deaf = tokio::net::TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let away = format!("http://{}", deaf.local_addr().unwrap()).parse().unwrap();
    let (url, _) = store(Shelf::default()).await;
    let (summaries, _) = run(&party(vec![away, url], 2)).await;
    for summary in &summaries {
        assert!(summary.all_matched(), "{summary:?}");
        assert_eq!((summary.unavailable, summary.unknown), (0, 0));
    }
}

#[tokio::test]
async fn shoppers_that_are_stopped_have_not_compared() {
    let (url, _) = store(Shelf::default()).await;
    let mut party = party(vec![url], 2);
    party.each.pause = Duration::from_secs(60);
    let mut running = party.start(Clock::start());
    while running.next().await.is_some_and(|report| report.done == 0) {}
    running.stop();
    while running.next().await.is_some() {}
    let summaries = running.summaries().await;
    assert!(summaries.iter().all(|summary| !summary.complete && !summary.all_matched()));
}
