//! A run that is over is opened again, with nothing running: one of a store's rounds, and a failing
//! seed of the simulator. How it looks is tested in a browser.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::page::{Frames, ask, page};
use crate::store::{Store, toystore};
use crate::viewer::Viewer;
use crate::workspace::root;

/// A file that is no text.
fn download(url: &str, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut all = vec![];
    stream.read_to_end(&mut all).unwrap();
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8(all[..end].to_vec()).unwrap(), all.split_off(end))
}

/// What the stream of a bundle begins with, and all its frames.
fn look(viewer: &Viewer) -> (Value, Vec<Value>) {
    let mut stream = Frames::open(&viewer.url);
    let hello = stream.hello.clone();
    let count = hello["frames"].as_u64().unwrap();
    let frames = (0..count).map(|_| stream.next()).collect();
    (hello, frames)
}

/// The bundle of a scenario that breaks a promise, in a simulated world.
fn broken_run(folder: &Path) -> PathBuf {
    let out = folder.join("two-leaders");
    let scenario = root().join("scenarios/naive-two-leaders.toml");
    let mut run = toystore(&["run", scenario.to_str().unwrap(), "--world", "sim", "--seed", "1"]);
    let ran = run.arg("--out").arg(&out).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    out
}

fn refused(bundle: &Path) -> String {
    let output = toystore(&["view", bundle.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_round_is_downloaded_and_opened_with_nothing_running() {
    let store = Store::start_settled(&[]);
    let url = page(&store);
    let bearer = format!("Bearer {}", store.token());
    let with = [("Authorization", bearer.as_str())];
    ask(&url, "GET", "/api/rounds/1/bundle.tar.gz", &[], "").is_error(404, "has not ended");
    let mut frames = Frames::open(&url);
    frames.until("a round is open", |frame| frame["rounds"]["open"]["round"].as_u64());
    let load = r#"{"shoppers":3,"probability":"0.5","pause_ms":20}"#;
    assert_eq!(ask(&url, "PUT", "/api/load", &with, load).status, 200);
    frames.until("shoppers shop", |frame| {
        let open = &frame["rounds"]["open"];
        // For as long as some frames take.
        (open["operations"].as_u64()? > 50 && open["seconds"].as_f64()? > 2.0).then_some(())
    });
    assert_eq!(ask(&url, "DELETE", "/api/load", &with, "").status, 200);
    let round = frames.until("the round has ended", |frame| {
        let ended = &frame["rounds"]["ended"];
        (ended["operations"].as_u64()? > 50).then(|| ended["round"].as_u64().unwrap())
    });
    let (head, packed) = download(&url, &format!("/api/rounds/{round}/bundle.tar.gz"));
    let name = format!("toystore-round-{round}.tar.gz");
    assert!(head.contains(&format!("attachment; filename=\"{name}\"")), "{head}");
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join(&name);
    std::fs::write(&bundle, packed).unwrap();
    drop((frames, store));

    let viewer = Viewer::open(&bundle);
    assert!(viewer.said.contains("held: "), "{}", viewer.said);
    let (hello, frames) = look(&viewer);
    assert_eq!((&hello["viewing"], &hello["chaos"]), (&name.into(), &false.into()), "{hello}");
    assert_eq!((&hello["verdict"]["verdict"], &hello["differs"]), (&"held".into(), &Value::Null));
    assert!(frames.len() >= 4, "{}", frames.len());
    assert_eq!(hello["first_look_ms"], frames.last().unwrap()["at_ms"]);
    for pair in frames.windows(2) {
        let passed =
            |field: &str| pair[1][field].as_u64().unwrap() - pair[0][field].as_u64().unwrap();
        assert!(passed("number") > 0 && passed("at_ms") == passed("clock_ms"));
    }
    let last = &frames.last().unwrap()["nodes"];
    assert!(last.as_array().unwrap().iter().all(|node| !node["said"].is_null()), "{last}");
    let picture = ask(&viewer.url, "GET", "/api/bundle/picture.html", &[], "");
    picture.with(&[("content-type", "text/html; charset=utf-8")]);
    assert!(picture.body.starts_with("<!doctype html"));
    ask(&viewer.url, "GET", "/api/bundle/passwd", &[], "").is_error(404, "no passwd in");
    ask(&viewer.url, "GET", "/api/bundle/trace.txt", &[], "").is_error(404, "no trace.txt in");
    ask(&viewer.url, "POST", "/api/heal", &[], "").is_error(405, "only GET");
    assert!(ask(&viewer.url, "GET", "/", &[], "").body.contains("toystore"));
}

#[test]
fn a_failing_seed_is_opened_at_its_violation() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = broken_run(folder.path());
    let viewer = Viewer::open(&bundle);
    let (hello, frames) = look(&viewer);
    assert_eq!(hello["verdict"]["verdict"], "broke");
    assert!(hello["links"].as_array().unwrap().contains(&"trace.txt".into()), "{hello}");
    assert!(frames.len() > 50, "{}", frames.len());
    let looks: Vec<u64> = frames.iter().map(|frame| frame["at_ms"].as_u64().unwrap()).collect();
    assert_eq!((looks[0], looks[1] - looks[0]), (0, 100));
    let first = hello["first_look_ms"].as_u64().unwrap();
    assert!(looks[1] < first && first < *looks.last().unwrap(), "{first}");
    // What happened is seen: somebody led, a link was cut, a message passed at both its ends.
    assert!(frames.iter().any(|frame| frame["leader"]["node"].is_string()));
    let nodes: Vec<&Value> =
        frames.iter().flat_map(|frame| frame["nodes"].as_array().unwrap()).collect();
    let cut = |node: &&Value| node["said"]["faults"]["edges"][0]["cut"] == true;
    assert!(nodes.iter().any(cut));
    let events: Vec<&Value> =
        nodes.iter().flat_map(|node| node["messages"]["events"].as_array().unwrap()).collect();
    let starts =
        |event: &Value, word| event["what"].as_str().is_some_and(|it| it.starts_with(word));
    let sent = |event: &&&Value| event["event"] == "sent" && starts(event, "take ");
    let sent = events.iter().find(sent).expect("a take");
    assert!(events.iter().any(|event| event["event"] == "came" && event["id"] == sent["id"]));
    // The same seed is the same run, and the same frames.
    let again = tempfile::tempdir().unwrap();
    let read = |bundle: &Path| std::fs::read(bundle.join("frames.jsonl")).unwrap();
    assert!(read(&bundle) == read(&broken_run(again.path())));
}

#[test]
fn without_frames_there_is_the_verdict_and_when_what_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = broken_run(folder.path());
    std::fs::remove_file(bundle.join("frames.jsonl")).unwrap();
    let viewer = Viewer::open(&bundle);
    assert!(viewer.said.contains("it has no frames"), "{}", viewer.said);
    let (hello, _) = look(&viewer);
    assert!(hello["told"]["orders"].as_array().unwrap().len() > 5, "{hello}");
    assert_eq!(hello["first_look_ms"], Value::Null);
}

#[test]
fn what_is_no_bundle_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let said = refused(folder.path());
    assert!(said.contains("cannot be viewed") && said.contains("no history.jsonl"), "{said}");
    let bundle = broken_run(folder.path());
    let frames = bundle.join("frames.jsonl");
    let text = std::fs::read_to_string(&frames).unwrap();
    std::fs::write(&frames, text.replacen("\"nodes\":[", "\"nodes\":7,\"x\":[", 1)).unwrap();
    let said = refused(&bundle);
    assert!(said.contains("frames.jsonl, line 1, is no frame"), "{said}");
}

/// Real nodes are looked at while a scenario is played.
#[test]
fn a_story_of_real_processes_has_its_frames() {
    let _turn = crate::store::turn();
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("short.toml");
    let text = "about = \"Nothing happens.\"\n[shoppers]\nfor = \"2s\"\n[expect]\nheld = true\n";
    std::fs::write(&scenario, text).unwrap();
    let bundle = folder.path().join("out");
    let mut run = toystore(&["run", scenario.to_str().unwrap(), "--world", "local", "--out"]);
    run.arg(&bundle).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let ran = run.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let viewer = Viewer::open(&bundle);
    let (_, frames) = look(&viewer);
    assert!(frames.len() >= 4, "{}", frames.len());
    let clock = |frame: &Value| frame["clock_ms"].as_u64().unwrap();
    assert!(clock(&frames[0]) < 1500 && clock(frames.last().unwrap()) > 1500);
}
