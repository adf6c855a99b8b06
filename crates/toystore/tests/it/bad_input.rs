//! What nobody should send: every node answers it with the right status and the error object,
//! closes no connection without a word where a word is possible, and never panics.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::raw::{Raw, ask, get, post, request};
use crate::store::{Store, toystore};
use crate::waiting::wait_for;

/// Every node, and the port of the original project's dialect.
fn everybody(store: &Store) -> Vec<String> {
    let cluster = store.cluster();
    let nodes = cluster["nodes"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_string);
    nodes.iter().flat_map(|node| [text(&node["url"]), text(&node["seed_url"])]).flatten().collect()
}

#[track_caller]
fn nobody_panicked(store: &Store) {
    for url in everybody(store) {
        get(&url, "/health/live").is(200, r#"{"data":{"live":true}}"#);
    }
    assert!(!store.said().contains("panicked"), "{}", store.said());
}

/// Sends bytes on a connection of its own; expects the error object and the end of the connection.
#[track_caller]
fn check_refused(url: &str, bytes: impl AsRef<[u8]>, status: u16, words: &str) {
    let mut raw = Raw::open(url);
    let heard = raw.send(bytes).hear().unwrap_or_else(|| panic!("{status} {words}: no answer"));
    heard.is_error(status, words).with(&[("connection", "close")]);
    raw.is_over();
}

#[test]
fn wrong_orders_are_refused_with_what_was_expected() {
    let store = Store::start_settled(&[]);
    let range = "must be a whole number from 1 to 1000000, not";
    let nested = "[".repeat(10_000);
    let long = format!(r#"{{"name":"{}","FIELD":1}}"#, "x".repeat(10_000));
    let cases: [(&str, &str); 26] = [
        ("{", "bad JSON: EOF"),
        ("}", "bad JSON: expected value at line 1 column 1"),
        ("\u{0}", "bad JSON"),
        ("NaN", "bad JSON"),
        (&nested, "bad JSON: recursion limit exceeded"),
        (r#"{"name":"Tux","FIELD":1}{}"#, "trailing characters at line 1 column"),
        (r#"{"name":"Tux","FIELD":1,}"#, "bad JSON: trailing comma"),
        (r#"{'name':'Tux'}"#, "bad JSON: key must be a string"),
        ("null", "an order is an object such as"),
        ("\"Tux\"", "an order is an object such as"),
        ("{}", "name is missing"),
        (r#"{"FIELD":1}"#, "name is missing"),
        (r#"{"name":null,"FIELD":1}"#, "name must be a string, not null"),
        (r#"{"name":["Tux"],"FIELD":1}"#, "name must be a string, not"),
        (r#"{"name":"","FIELD":1}"#, "1 to 64 characters, this one has 0"),
        (&long, "1 to 64 characters, this one has 10000"),
        (r#"{"name":"a\u0007b","FIELD":1}"#, "no control characters"),
        (r#"{"name":"\ud800","FIELD":1}"#, "bad JSON"),
        (r#"{"name":"Tux"}"#, "is missing: expected a whole number from 1 to 1000000"),
        (r#"{"name":"Tux","FIELD":0}"#, range),
        (r#"{"name":"Tux","FIELD":-1}"#, range),
        (r#"{"name":"Tux","FIELD":1.5}"#, range),
        (r#"{"name":"Tux","FIELD":1.0}"#, range),
        (r#"{"name":"Tux","FIELD":1e9}"#, range),
        (r#"{"name":"Tux","FIELD":"2"}"#, range),
        (r#"{"name":"Tux","FIELD":true}"#, range),
    ];
    let leader = store.url(&store.leader());
    let seed = everybody(&store).pop().unwrap();
    for (url, field) in [(&store.frontend(), "quantity"), (&leader, "quantity"), (&seed, "qty")] {
        for (body, words) in cases {
            post(url, "/orders", &body.replace("FIELD", field)).is_error(400, words);
        }
        ask(url, "POST", "/orders", &[], "").is_error(400, "bad JSON: EOF");
        let mut raw = Raw::open(url);
        raw.send(
            b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{\"name\":\"\xff\"}",
        );
        raw.hear().unwrap().is_error(400, "bad JSON: invalid unicode code point");
        for kind in ["text/plain", "application/jsonp", "", "application/x-www-form-urlencoded"] {
            let heard = ask(url, "POST", "/orders", &[("Content-Type", kind)], "{}");
            heard.is_error(415, "expected application/json");
        }
        let kind = [("Content-Type", "application/x-postcard")];
        ask(url, "POST", "/orders", &kind, "\u{7f}\u{7f}").is_error(400, "bad postcard");
    }
    for (number, words) in [("1000001", range), ("99999999999999999999", range)] {
        let body = format!(r#"{{"name":"Tux","quantity":{number}}}"#);
        post(&store.frontend(), "/orders", &body).is_error(400, words);
    }
    // None of them has bought anything.
    get(&leader, "/orders").is(200, r#"{"data":[]}"#);
    nobody_panicked(&store);
}

#[test]
fn names_and_paths_of_any_kind_get_an_answer() {
    let store = Store::start_settled(&[]);
    for url in [store.frontend(), store.url("catalog")] {
        let url = &url;
        for name in ["%zz", "%", "%2", "a%2Fb", "%2e%2e", "Tux%20", "%F0%9F%A7%B8", "\u{e9}"] {
            get(url, &format!("/products/{name}")).is_error(404, "product not found");
        }
        for (name, words) in [
            ("%FF", "not UTF-8 when decoded"),
            ("%C3", "not UTF-8 when decoded"),
            ("%0A", "no control characters"),
            (&"x".repeat(10_000), "1 to 64 characters, this one has 10000"),
            (&"%41".repeat(1000), "1 to 64 characters, this one has 1000"),
        ] {
            get(url, &format!("/products/{name}")).is_error(400, words);
        }
        check_refused(url, "GET /products/a toy HTTP/1.1\r\nHost: x\r\n\r\n", 400, "no whole");
        check_refused(url, b"GET /products/\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400, "no whole");
        for path in ["/", "//", "/products/a/b", "//products/tux", "/products//", "*", "/../etc"] {
            get(url, path).is_error(404, "serves nothing at");
        }
        for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"] {
            let heard = ask(url, method, "/products/tux", &[], "");
            heard.is_error(405, "is not allowed here, only GET").with(&[("allow", "GET")]);
        }
    }
    nobody_panicked(&store);
}

#[test]
fn what_is_no_request_is_told_so() {
    let store = Store::start_settled(&[]);
    let head = "GET /health/live HTTP/1.1\r\nHost: x\r\n";
    let no_request = "this is no whole HTTP/1.1 request";
    let too_large = "a head has at most 64 headers and 16384 bytes";
    let headers = |count: usize| -> String { (0..count).map(|n| format!("A{n}: b\r\n")).collect() };
    let long = "x".repeat(17 * 1024);
    for url in everybody(&store) {
        let url = &url;
        check_refused(url, "hello, toys\r\n\r\n", 400, no_request);
        check_refused(
            url,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            400,
            no_request,
        );
        check_refused(url, [0; 200], 400, no_request);
        check_refused(url, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, no_request);
        check_refused(url, "GET / HTTP/3.7\r\n\r\n", 400, no_request);
        check_refused(url, format!("{head}no colon\r\n\r\n"), 400, no_request);
        check_refused(url, format!("{head}A : b\r\n\r\n"), 400, no_request);
        check_refused(url, format!("{head}A: b\u{0}\r\n\r\n"), 400, no_request);
        check_refused(url, format!("{head}Content-Length: x\r\n\r\n"), 400, no_request);
        check_refused(url, format!("{head}Content-Length: -1\r\n\r\n"), 400, no_request);
        let two = format!("{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\n");
        check_refused(url, two, 400, no_request);
        check_refused(url, format!("{head}Transfer-Encoding: gzip\r\n\r\n"), 400, no_request);
        check_refused(url, format!("{head}Host: y\r\n\r\n"), 400, "one header Host");
        check_refused(url, "GET /health/live HTTP/1.1\r\n\r\n", 400, "one header Host");

        check_refused(url, format!("{head}A: {long}\r\n\r\n"), 431, too_large);
        check_refused(url, format!("{head}A: {}\r\n\r\n", long.repeat(60)), 431, too_large);
        check_refused(url, format!("{head}{}\r\n", headers(64)), 431, too_large);
        check_refused(url, format!("GET /{long} HTTP/1.1\r\n\r\n"), 431, too_large);
        // One less of each is served.
        let mut raw = Raw::open(url);
        raw.send(format!("{head}{}\r\n", headers(63)));
        assert_eq!(raw.hear().unwrap().status, 200);
        let mut raw = Raw::open(url);
        raw.send(format!("{head}A: {}\r\n\r\n", &long[..15 * 1024]));
        assert_eq!(raw.hear().unwrap().status, 200);

        // Half a head, half a body, and nothing more.
        let mut raw = Raw::open(url);
        let heard = raw.send("GET /health/live HT").end().hear().unwrap();
        heard.is_error(400, no_request);
        let mut raw = Raw::open(url);
        raw.send(format!("{head}Content-Length: 27\r\n\r\n{{\"name\"")).end();
        raw.hear().unwrap().is_error(400, "the body broke off");
        let mut raw = Raw::open(url);
        raw.send(format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\nabc"));
        raw.hear().unwrap().is_error(400, "the body broke off or is malformed");
        // Nothing at all is no request, and gets no answer.
        Raw::open(url).end().is_over();

        // HTTP/1.0 is served, and its connection closed, unless it is asked for.
        let mut raw = Raw::open(url);
        let heard = raw.send("GET /health/live HTTP/1.0\r\n\r\n").hear().unwrap();
        assert_eq!((heard.status, heard.protocol.as_str()), (200, "HTTP/1.0"));
        raw.is_over();
        // A client that has said all may close its half, and still gets its answer.
        let mut raw = Raw::open(url);
        assert_eq!(raw.send(format!("{head}\r\n")).end().hear().unwrap().status, 200);
    }
    nobody_panicked(&store);
}

#[test]
fn bodies_have_bounds_and_lengths() {
    let store = Store::start_settled(&[]);
    let url = &store.frontend();
    let json = "Content-Type: application/json\r\n";
    let head = format!("POST /orders HTTP/1.1\r\nHost: x\r\n{json}");
    let too_large = "the body has more than 16384 bytes";
    let chunked = |chunks: usize| -> String {
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(chunks))
    };
    // Announced: 413 before it is sent, while it is sent, and without anything of it.
    check_refused(url, format!("{head}Content-Length: 16385\r\n\r\n"), 413, too_large);
    let huge = "x".repeat(8_000_000);
    let announced = format!("{head}Content-Length: {}\r\n\r\n{huge}", huge.len());
    check_refused(url, announced, 413, too_large);
    let length = "99999999999999999999999";
    check_refused(url, format!("{head}Content-Length: {length}\r\n\r\n"), 400, "no whole HTTP/1.1");
    check_refused(url, chunked(5), 413, too_large);
    check_refused(url, chunked(2000), 413, too_large);
    let mut raw = Raw::open(url);
    raw.send(chunked(4));
    raw.hear().unwrap().is_error(400, "bad JSON");

    // Whoever waits for leave to send a body is given it, or told that it is too large.
    let body = r#"{"name":"tux","quantity":1}"#;
    let mut raw = Raw::open(url);
    raw.send(format!("{head}Expect: 100-continue\r\nContent-Length: 27\r\n\r\n"));
    assert_eq!(raw.hear().unwrap().status, 100);
    raw.send(body);
    raw.hear().unwrap().is(200, r#"{"data":{"order_number":0}}"#);
    let large = format!("{head}Expect: 100-continue\r\nContent-Length: 99999\r\n\r\n");
    check_refused(url, large, 413, too_large);

    // Chunks are a body like any other; two lengths are not: whoever has seen the other one would
    // take something else for the next request.
    let mut raw = Raw::open(url);
    raw.send(format!("{head}Transfer-Encoding: chunked\r\n\r\nA\r\n{}\r\n11\r\n", &body[..10]));
    raw.send(format!("{}\r\n0\r\n\r\n", &body[10..]));
    raw.hear().unwrap().is(200, r#"{"data":{"order_number":1}}"#);
    for order in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
    ] {
        let smuggled = "GET /products/tux HTTP/1.1\r\nHost: x\r\n\r\n";
        let bytes = format!("{head}{order}\r\n\r\n0\r\n\r\n{smuggled}");
        check_refused(url, bytes, 400, "both Content-Length and Transfer-Encoding");
    }

    // A body that nobody reads is not taken for the next request either.
    let unread = huge.len();
    for (path, status, words) in [
        ("PUT /orders", 405, "only POST"),
        ("PUT /nothing", 404, "serves nothing"),
        ("DELETE /cache/tux", 401, "needs Authorization"),
    ] {
        let head = format!("{path} HTTP/1.1\r\nHost: x\r\n");
        let small = format!("{head}Content-Length: 5\r\n\r\nhello");
        check_refused(url, small, status, words);
        let large = format!("{head}Content-Length: {unread}\r\n\r\n{huge}");
        check_refused(url, large, status, words);
    }
    // Between nodes the bound is another one.
    let own = format!("Bearer {}", store.token());
    let internal = [("Authorization", own.as_str())];
    let takes = ask(&store.url("catalog"), "POST", "/takes", &internal, &huge);
    takes.is_error(400, "bad JSON");
    let more = huge.clone() + &"x".repeat(500_000);
    let takes = ask(&store.url("catalog"), "POST", "/takes", &internal, &more);
    takes.is_error(413, "more than 8388608 bytes");
    nobody_panicked(&store);
}

#[test]
fn pipelined_requests_are_answered_in_order_and_at_once() {
    let store = Store::start_settled(&[]);
    let url = &store.frontend();
    let json = ("Content-Type", "application/json");
    let order = r#"{"name":"tux","quantity":1}"#;
    let mut all = String::new();
    for round in 0..20 {
        let mark = |name: &str| format!("{name}-{round}");
        all += &request("GET", "/products/tux", &[("Session-ID", &mark("a"))], "");
        all += &request("POST", "/orders", &[json, ("Session-ID", &mark("b"))], order);
        all += &request("GET", "/products/nothing", &[("Session-ID", &mark("c"))], "");
        all += &request("GET", &format!("/orders/{round}"), &[("Session-ID", &mark("d"))], "");
    }
    let mut raw = Raw::open(url);
    raw.send(all);
    for round in 0..20 {
        let mut next = |name: &str| {
            let heard = raw.hear().unwrap();
            heard.with(&[("session-id", &format!("{name}-{round}"))]);
            heard
        };
        let left = 100 - round;
        let tux = format!(r#"{{"data":{{"name":"Tux","price":25.99,"quantity":{left}}}}}"#);
        next("a").is(200, &tux);
        next("b").is(200, &format!(r#"{{"data":{{"order_number":{round}}}}}"#));
        next("c").is_error(404, "product not found");
        let read = format!(r#"{{"data":{{"number":{round},"name":"Tux","quantity":1}}}}"#);
        next("d").is(200, &read);
    }
    // The first is answered while the second is still being written.
    let (first, second) = (request("GET", "/products/tux", &[], ""), "GET /products/fox HTTP");
    raw.send(first + second);
    assert_eq!(raw.hear().unwrap().status, 200);
    raw.send("/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n");
    assert_eq!(raw.hear().unwrap().status, 200);
    raw.hear().unwrap().is_error(400, "this is no whole HTTP/1.1 request");
    raw.is_over();
    nobody_panicked(&store);
}

#[test]
fn slow_clients_are_told_and_let_go() {
    let store = Store::start_settled(&[]);
    let url = &store.frontend();
    let post = "POST /orders HTTP/1.1\r\nHost: x\r\n";
    let head = "the head of the request did not come within 10 s";
    let body = "the body did not come within 10 s";
    let whole = request("GET", "/products/tux", &[], "");
    let cases = [
        ("GET /products/tux HTT".to_string(), 0, head),
        (format!("{whole}GET /prod"), 1, head),
        (format!("{post}Content-Length: 27\r\n\r\n{{\"name\""), 0, body),
        (format!("{post}Transfer-Encoding: chunked\r\n\r\n1b\r\n{{\"na"), 0, body),
    ];
    std::thread::scope(|scope| {
        for (bytes, answers_before, words) in cases {
            scope.spawn(move || {
                let began = Instant::now();
                let mut raw = Raw::open(url);
                raw.send(bytes);
                for _ in 0..answers_before {
                    assert_eq!(raw.hear().unwrap().status, 200);
                }
                raw.hear().unwrap().is_error(408, words).with(&[("connection", "close")]);
                raw.is_over();
                let took = began.elapsed();
                assert!(
                    took > Duration::from_secs(9) && took < Duration::from_secs(13),
                    "{took:?}"
                );
            });
        }
        // A byte now and then does not buy more time.
        scope.spawn(|| {
            let began = Instant::now();
            let mut raw = Raw::open(url);
            for byte in "GET /products/tux HTTP/1.1\r\n".bytes() {
                raw.send([byte]);
                std::thread::sleep(Duration::from_millis(400));
            }
            raw.hear().unwrap().is_error(408, head);
            assert!(began.elapsed() < Duration::from_secs(13), "{:?}", began.elapsed());
        });
        // Silence is no request: the connection is closed without a word.
        for said in ["", &whole] {
            scope.spawn(move || {
                let mut raw = Raw::open(url);
                if !said.is_empty() {
                    raw.send(said).hear().unwrap();
                }
                raw.is_over();
            });
        }
        // Meanwhile others are served.
        for _ in 0..20 {
            assert_eq!(get(url, "/products/tux").status, 200);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    nobody_panicked(&store);
}

/// Memory of a process that is in use, in bytes.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn ten_thousand_idle_connections_hinder_nobody() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let allowed = limit.maximum.unwrap_or(u64::MAX).saturating_sub(2000);
    let count = allowed.min(10_000);

    let store = Store::start_settled(&[]);
    let (url, pid) = (store.frontend(), store.pid("frontend-1"));
    get(&url, "/products/tux");
    let before = memory(pid);
    let address = url.strip_prefix("http://").unwrap();
    let idle: Vec<TcpStream> = (0..count).map(|_| TcpStream::connect(address).unwrap()).collect();
    let files = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64;
    wait_for("the frontend has accepted all", || (files() > count).then_some(()));
    let after = memory(pid);
    let each = after.saturating_sub(before) / count;
    println!("{count} idle connections: {each} bytes each");
    assert!(each < 32 * 1024, "{each} bytes for a connection that says nothing");
    let tux = r#"{"data":{"name":"Tux","price":25.99,"quantity":100}}"#;
    for _ in 0..100 {
        get(&url, "/products/tux").is(200, tux);
    }
    post(&url, "/orders", r#"{"name":"tux","quantity":1}"#)
        .is(200, r#"{"data":{"order_number":0}}"#);
    drop(idle);
    wait_for("the frontend has let go of all", || (files() < 100).then_some(()));
    nobody_panicked(&store);
}

/// A node without a store: it serves what it can say by itself.
struct Alone {
    child: Child,
    /// It ends when this closes.
    _stdin: ChildStdin,
    url: String,
}

impl Alone {
    fn start(flags: &[&str]) -> Alone {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = format!("127.0.0.1:{port}");
        let nobody = "http://127.0.0.1:1";
        let mut command = toystore(&["frontend", "--exit-with-stdin", "--catalog", nobody]);
        command.args(["--orders", "1=http://127.0.0.1:1", "--cluster-token", "secret"]);
        command.args(["--listen", &listen]).args(flags);
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        wait_for("the node listens", || TcpStream::connect(&listen).ok());
        Alone { child, _stdin: stdin, url: format!("http://{listen}") }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn one_connection_too_many_is_told_so() {
    let mut node = Alone::start(&["--connections-max", "2"]);
    let live = request("GET", "/health/live", &[], "");
    let served = || {
        let mut raw = Raw::open(&node.url);
        (raw.send(&live).hear().unwrap().status == 200).then_some(raw)
    };
    // The connection with which its start was noticed may still count.
    let mut kept: Vec<Raw> = (0..2).map(|_| wait_for("a place is free", served)).collect();
    for _ in 0..50 {
        let mut raw = Raw::open(&node.url);
        let heard = raw.send(&live).hear().unwrap();
        heard.is_error(503, "too many connections").with(&[("retry-after", "1")]);
        heard.with(&[("connection", "close")]);
        raw.is_over();
    }
    for raw in &mut kept {
        assert_eq!(raw.send(&live).hear().unwrap().status, 200);
    }
    kept.pop();
    wait_for("its place is free", served);

    // A frontend without anybody says so, in time, and does not claim to know more than it does.
    kept.clear();
    let heard = wait_for("it has an answer", || {
        let heard = get(&node.url, "/products/tux");
        (!heard.body.contains("too many")).then_some(heard)
    });
    heard.is_error(503, "not available").with(&[("retry-after", "1")]);
    node.child.kill().unwrap();
    let mut words = String::new();
    node.child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert!(!words.contains("panicked"), "{words}");
}

#[test]
fn internal_endpoints_need_the_token() {
    let store = Store::start_settled(&[]);
    let own = store.token();
    let endpoints = [
        ("frontend-1", "DELETE", "/cache/tux"),
        ("frontend-1", "DELETE", "/cache"),
        ("catalog", "PUT", "/view"),
        ("catalog", "POST", "/takes"),
        ("catalog", "POST", "/settlements"),
        ("catalog", "PUT", "/frontends/1/lease"),
        ("catalog", "DELETE", "/frontends/1/lease"),
        ("catalog", "POST", "/log"),
        ("order-1", "GET", "/leader"),
        ("order-1", "PUT", "/leader"),
        ("order-1", "POST", "/log"),
        ("order-1", "GET", "/log/missed"),
        ("order-1", "GET", "/snapshot"),
        ("order-1", "POST", "/members"),
        ("order-1", "GET", "/digest"),
        ("frontend-1", "PUT", "/faults"),
        ("order-1", "PUT", "/faults"),
        ("catalog", "PUT", "/faults"),
    ];
    for (name, method, path) in endpoints {
        let url = &store.url(name);
        ask(url, method, path, &[], "").is_error(401, "Authorization: Bearer CLUSTER_TOKEN");
        let almost = format!("Bearer {}", &own[..own.len() - 1]);
        let more = format!("Bearer {own}0");
        for wrong in ["Bearer wrong", "Bearer", &own, "Basic dG95OnN0b3Jl", &almost, &more] {
            let heard = ask(url, method, path, &[("Authorization", wrong)], "");
            heard.is_error(403, "wrong cluster token");
        }
        // Our own services' encoding opens no door either.
        let inside = [("Toystore-Protocol", "2"), ("Content-Type", "application/x-postcard")];
        ask(url, method, path, &inside, "").is_error(401, "needs");
        let good = format!("Bearer {own}");
        let heard = ask(url, method, path, &[("Authorization", good.as_str())], "");
        assert!(![401, 403, 404, 405, 500].contains(&heard.status), "{method} {path}: {heard:?}");
    }
    nobody_panicked(&store);
}

#[test]
fn what_makes_no_sense_is_refused_with_the_token_too() {
    let store = Store::start_settled(&[]);
    let bearer = format!("Bearer {}", store.token());
    let headers = [("Authorization", bearer.as_str())];
    let check = |node: &str, method: &str, path: &str, body: &str, status: u16, words: &str| {
        let heard = ask(&store.url(node), method, path, &headers, body);
        assert_eq!(heard.status, status, "{method} {path} {body}: {heard:?}");
        assert!(heard.body.contains(words), "{words:?} is not in {heard:?}");
    };
    let last = u64::MAX;
    let view = format!(r#"{{"term":"0.{last}@3","in_sync":[1,2,3]}}"#);
    let view = format!(r#"{{"view":{view},"previous":"0.1@3","unclean":true}}"#);
    check("catalog", "PUT", "/view", &view, 400, "is not a term");
    let lead = format!(r#"{{"leader":1,"term":"0.{last}@3"}}"#);
    let nobody = r#"{"leader":77,"term":"0.1@3"}"#;
    let lease = r#"{"url":"nowhere","incarnation":1}"#;
    check("catalog", "PUT", "/frontends/200/lease", lease, 400, "is not a URL of a node");
    for order in ["order-1", "order-2", "order-3"] {
        check(order, "PUT", "/leader", &lead, 400, "is not a term");
        check(order, "PUT", "/leader", nobody, 400, "there is no replica 77");
        check(order, "GET", &format!("/log/missed?after={last}"), "", 200, r#""entries":[]"#);
        check(order, "GET", &format!("/digest?upto={last}"), "", 200, "digest");
        check(order, "GET", &format!("/orders?after={last}&limit=4294967295"), "", 200, "[]");
    }
    nobody_panicked(&store);
}

#[test]
fn a_malformed_catalogue_is_refused_with_its_place_and_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toys.csv");
    let header = "name,price,quantity\n";
    let cases: [(&[u8], &str); 9] = [
        (b"", "line 1, column 1: expected the header name,price,quantity, found nothing"),
        (b"Tux,1,1\n", "line 1, column 1: expected the header name,price,quantity"),
        (b"", "line 2, column 1: expected at least one toy, such as Tux,25.99,100"),
        (b"Tux,1,1\nFox,cheap,1\n", "line 3, column 5: expected a price such as 25.99"),
        (b"Tux,1,-1\n", "line 2, column 7: expected a whole number from 0 to 1000000000"),
        (b"Tux,1\n", "line 2, column 6: expected the three fields name,price,quantity"),
        (b"\"Tux,1,1\n", "line 2, column 1: expected the quote that ends this field"),
        (b"Tux,1,1\ntux,1,1\n", "line 3, column 1: expected a name that is not on line 2"),
        (b"Tux,1,1\nF\xffx,1,1\n", "line 3, column 2: expected UTF-8, found 0xff"),
    ];
    let data = folder.path().join("data");
    let (path, data) = (path.to_str().unwrap(), data.to_str().unwrap());
    for (place, (toys, words)) in cases.iter().enumerate() {
        let header = if place < 2 { "" } else { header };
        fs::write(path, [header.as_bytes(), toys].concat()).unwrap();
        let up = ["up", "--ephemeral", "--ports", "auto", "--catalogue", path];
        let mut catalog = vec!["catalog", "--listen", "127.0.0.1:0", "--data", data];
        catalog.extend(["--cluster-token", "secret", "--catalogue", path]);
        for command in [&up[..], &catalog] {
            let output = toystore(command).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.starts_with(&format!("error: {path}: {words}")), "{said}");
            assert!(!said.contains("INFO") && !said.contains("panicked"), "{said}");
            assert_eq!(output.stdout, b"");
        }
    }
    let missing = ["up", "--ephemeral", "--ports", "auto", "--catalogue", "/nowhere.csv"];
    let output = toystore(&missing).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: cannot read the catalogue /nowhere.csv"), "{said}");
}
