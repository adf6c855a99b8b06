//! `toystore load` on real stores, and on a server that lies or stands still: what it counts, what
//! it notices, and its exit codes.
//!
//! `load` is something else: the shoppers that other tests have in the background.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::store::{Store, toystore};

/// Runs the generator; short of a warm-up, so that everything is counted.
fn load(url: &str, flags: &[&str]) -> Output {
    let usual = ["load", "--url", url, "--warm-up", "0ms", "--seed", "7"];
    toystore(&usual).args(flags).output().unwrap()
}

fn words(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(all).unwrap()
}

/// The result as it was written to stdout.
fn result(output: &Output) -> Value {
    let read = serde_json::from_slice(&output.stdout);
    read.unwrap_or_else(|error| panic!("{error}: {}", words(output)))
}

fn kind<'a>(result: &'a Value, name: &str) -> &'a Value {
    let kinds = result["kinds"].as_array().unwrap();
    kinds.iter().find(|kind| kind["kind"] == name).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_closed_loop_on_a_store_adds_up() {
    let store = Store::start(&[]);
    store.settle();
    let url = store.frontends()[0].clone();
    let mix = ["--orders", "0.3", "--order-queries", "0.2", "--clients", "8", "--threads", "2"];
    let output = load(&url, &[&mix[..], &["--count", "1500", "--json", "-"]].concat());
    let found = result(&output);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert_eq!((number(&found["intended"]), number(&found["wrong"])), (1500, 0));
    let kinds = ["read", "order", "order-query"].map(|name| kind(&found, name));
    assert_eq!(kinds.iter().map(|kind| number(&kind["right"])).sum::<u64>(), 1500);
    let seconds = found["seconds"].as_array().unwrap();
    assert_eq!(seconds.iter().map(|second| number(&second["right"])).sum::<u64>(), 1500);
    for kind in kinds {
        assert_eq!(kind["response"]["samples"], kind["right"]);
    }
    // What it was told is recorded is recorded, and nothing else.
    let orders = number(&kinds[1]["right"]) - number(&kinds[1]["no_stock"]);
    let export = ["export", "orders", "--data", store.data.to_str().unwrap()];
    let log = toystore(&export).output().unwrap();
    let lines = String::from_utf8(log.stdout).unwrap().lines().count() as u64;
    assert_eq!(lines - 1, orders, "{}", String::from_utf8_lossy(&log.stderr));
    // With the same seed its keys are new all the same: it is no repetition to the store.
    let again = load(&url, &["--orders", "1", "--count", "20", "--json", "-"]);
    assert_eq!(number(&result(&again)["wrong"]), 0);
}

#[test]
fn an_open_loop_on_a_store_keeps_its_rate_and_goals_decide_the_exit_code() {
    let store = Store::start(&[]);
    store.settle();
    let url = store.frontends()[0].clone();
    let even = ["--rate", "200", "--arrivals", "even", "--duration", "2s"];
    let met = ["--slo", "read.p50<5s,availability>99%,rate>10", "--json", "-"];
    let output = load(&url, &[&even[..], &met].concat());
    let found = result(&output);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert_eq!((number(&found["intended"]), &found["loop"]), (400, &"open".into()));
    let read = kind(&found, "read");
    assert!(number(&read["response"]["p50_us"]) >= number(&read["service"]["p50_us"]));
    assert_eq!(found["slo"].as_array().unwrap().len(), 3);

    let missed = load(&url, &["--count", "50", "--slo", "p50<1us,order.max<1s"]);
    let words = words(&missed);
    assert_eq!(missed.status.code(), Some(1), "{words}");
    assert!(words.contains("✗ p50<1us: "), "{words}");
    assert!(words.contains("✗ order.max<1s: not measured"), "{words}");
}

#[test]
fn goals_and_shares_that_make_no_sense_are_refused_at_once() {
    for (flags, expected) in [
        (&["--slo", "p99>5ms"][..], "p99 must be <"),
        (&["--slo", "p99<5"], "no duration"),
        (&["--rate", "0"], "requests a second"),
        (&["--popularity", "pareto"], "zipf=0.8"),
        (&["--quantities", "0"], "baskets"),
        (&["--count", "0"], "1.."),
        (&["--rate", "5", "--p", "0.1"], "cannot be used with"),
    ] {
        let output = load("http://127.0.0.1:1", flags);
        assert_eq!(output.status.code(), Some(2), "{}", words(&output));
        assert!(words(&output).contains(expected), "{expected}: {}", words(&output));
    }
    let output = load("http://127.0.0.1:1", &["--orders", "0.6", "--order-queries", "0.6"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("more than all requests"), "{}", words(&output));
    let output = load("http://127.0.0.1:1", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("no connection"), "{}", words(&output));
}

/// A store of one toy that does as it is told.
#[derive(Clone, Copy)]
struct Told {
    /// What a look at any toy shows.
    toy: &'static str,
    /// When it stands still, since the first look at a toy, and for how long.
    stall: Option<(Duration, Duration)>,
}

/// Serves at the address that it returns, until the test process ends.
fn serve(told: Told) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let began: Arc<OnceLock<Instant>> = Arc::default();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (began, stream) = (began.clone(), stream.unwrap());
            std::thread::spawn(move || answer(stream, told, &began));
        }
    });
    url
}

fn answer(stream: TcpStream, told: Told, began: &OnceLock<Instant>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone().ok()?), stream);
    loop {
        let (mut first, mut length, mut line) = (String::new(), 0, String::new());
        reader.read_line(&mut first).ok().filter(|bytes| *bytes > 0)?;
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).ok()?;
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        let toy = format!(r#"{{"name":"{}","price":1.5,"quantity":9}}"#, told.toy);
        let data = match first.split(' ').nth(1)? {
            "/orders" => r#"{"order_number":7}"#.to_string(),
            path if path.starts_with("/products?") => {
                r#"[{"name":"Tux","price":1.5,"quantity":9}]"#.to_string()
            }
            _ => {
                let now = began.get_or_init(Instant::now).elapsed();
                if let Some((from, time)) = told.stall.filter(|(from, _)| now >= *from) {
                    std::thread::sleep((from + time).saturating_sub(now));
                }
                toy
            }
        };
        let body = format!(r#"{{"data":{data}}}"#);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        writer.write_all(format!("{head}{body}").as_bytes()).ok()?;
    }
}

/// Coordinated omission: one of many latencies tells a closed loop of half a second in which
/// nothing was answered; in an open loop, everything that was due in it does.
#[test]
fn a_stall_is_hidden_from_a_closed_loop_and_not_from_an_open_one() {
    let stall = Some((Duration::from_millis(500), Duration::from_millis(500)));
    let told = Told { toy: "Tux", stall };
    let p99 = |flags: &[&str]| {
        let flags = [&["--duration", "2s", "--json", "-"], flags].concat();
        let found = result(&load(&serve(told), &flags));
        let response = kind(&found, "read")["response"].clone();
        assert!(number(&response["samples"]) > 150, "{found:#}");
        assert!(number(&response["max_us"]) > 400_000, "{found:#}");
        number(&response["p99_us"])
    };
    let open = p99(&["--rate", "200", "--clients", "4"]);
    let closed = p99(&["--clients", "1"]);
    assert!(open > 400_000, "open loop: p99 {open} µs");
    assert!(closed < 200_000, "closed loop: p99 {closed} µs");
}

#[test]
fn what_was_due_and_never_sent_is_said_and_counts() {
    let stall = Some((Duration::from_millis(300), Duration::from_secs(2)));
    let url = serve(Told { toy: "Tux", stall });
    let open = ["--rate", "200", "--clients", "2", "--duration", "1s"];
    let output = load(&url, &[&open[..], &["--slo", "availability>90%"]].concat());
    let words = words(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("✗ never sent: "), "{words}");
    assert!(words.contains("✗ availability>90%: "), "{words}");
}

#[test]
fn a_store_that_lies_is_caught() {
    let output = load(&serve(Told { toy: "Fox", stall: None }), &["--count", "50"]);
    let said = words(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("read, wrong: asked for \"Tux\", got \"Fox\""), "{said}");
    assert!(said.contains("✗ 50 answers were wrong"), "{said}");

    let honest = serve(Told { toy: "Tux", stall: None });
    let output = load(&honest, &["--count", "50", "--orders", "1"]);
    let said = words(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("1 order numbers were given to more than one order: 7"), "{said}");
}

#[test]
fn files_are_written_and_latencies_of_two_runs_merged() {
    let url = serve(Told { toy: "Tux", stall: None });
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let text = |name: &str| std::fs::read_to_string(Path::new(&file(name))).unwrap();
    for hdr in ["a.hdr", "b.hdr"] {
        let (hdr, csv, html) = (file(hdr), file("a.csv"), file("a.html"));
        let files = ["--hdr", &hdr, "--csv", &csv, "--html", &html];
        let output = load(&url, &[&["--count", "300"][..], &files].concat());
        assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    }
    let csv = text("a.csv");
    assert!(csv.starts_with("second,kind,right,failed,samples,p50_us"), "{csv}");
    assert_eq!(csv.lines().nth(1).map(|line| line.split(',').count()), Some(10));
    let html = text("a.html");
    assert!(html.contains("right answers a second, 300 in all; none failed"), "{html}");
    assert_eq!(html.matches("<svg").count(), 6);
    assert!(!html.contains("<script") && !html.contains("NaN") && !html.contains("inf"), "{html}");

    let sum = file("sum.hdr");
    let merge = ["load", "merge", &file("a.hdr"), &file("b.hdr"), "--hdr", &sum, "--json"];
    let merged = toystore(&merge).output().unwrap();
    assert_eq!(result(&merged)["latencies"]["read"]["samples"], 600);
    let again = toystore(&["load", "merge", &sum]).output().unwrap();
    assert!(words(&again).contains("600"), "{}", words(&again));
    std::fs::write(&sum, "hello").unwrap();
    let refused = toystore(&["load", "merge", &sum]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(words(&refused).contains("sum.hdr: line 1: not of a log"), "{}", words(&refused));
}
