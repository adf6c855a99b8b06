//! `toystore dashboard`: the page of a store that another process runs, found by a file or by
//! another page.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::page::{Frames, ask, node};
use crate::store::Store;
use crate::waiting::wait_for;

/// A page, ended with its test.
struct Page {
    child: Child,
    url: String,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_toystore"));
    command.arg("dashboard").args(arguments).env_clear();
    command
}

/// Serves it at a free port; returns it with the line that says where.
fn serve(folder: &Path, arguments: &[&str]) -> (Page, String) {
    let said = folder.join("said");
    let child = command(arguments)
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let mut page = Page { child, url: String::new() };
    let address = wait_for("the page is served", || {
        let text = std::fs::read_to_string(&said).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("page: "));
        line.map(str::to_string)
    });
    page.url = address.split("/#").next().unwrap().to_string();
    (page, address)
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends at once, with these words.
fn check_refused(arguments: &[&str], parts: &[&str]) {
    let Output { status, stderr, .. } = command(arguments).output().unwrap();
    let words = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{arguments:?}: {words}");
    for part in parts {
        assert!(words.contains(part), "{arguments:?}: {part:?} is not in:\n{words}");
    }
}

/// What somebody writes who knows no more than where the nodes are.
fn by_hand(store: &Store, path: &Path) {
    let cluster = store.cluster();
    let nodes = cluster["nodes"].as_array().unwrap().iter();
    let nodes =
        nodes.map(|one| json!({"name": one["name"], "role": one["role"], "url": one["url"]}));
    let text = json!({"nodes": nodes.collect::<Vec<Value>>()}).to_string();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_store_of_elsewhere_is_shown_its_links_are_broken_and_its_nodes_are_not() {
    let store = Store::start_settled(&["--no-dashboard"]);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("by-hand.json");
    by_hand(&store, &file);
    let token = store.data.join("cluster-token");
    let (file, token) = (file.to_str().unwrap(), token.to_str().unwrap());
    let (page, address) = serve(folder.path(), &["--cluster", file, "--cluster-token-file", token]);
    assert!(address.ends_with(&format!("/#token={}", store.token())), "{address}");
    let url = &page.url;
    let bearer = format!("Bearer {}", store.token());
    let with = [("Authorization", bearer.as_str())];
    let mut frames = Frames::open(url);
    assert_eq!((&frames.hello["chaos"], &frames.hello["hands"]), (&json!(true), &json!(false)));
    frames.until("all nodes are up", |frame| {
        assert_eq!(frame["replication"], "raft");
        let nodes = frame["nodes"].as_array()?;
        (nodes.len() == 5 && nodes.iter().all(|node| node["said"]["ready"] == true)).then_some(())
    });

    ask(url, "POST", "/api/nodes/order-1/kill", &with, "").is_error(409, "run by others");
    ask(url, "POST", "/api/nodes/order-9/kill", &with, "").is_error(409, "there is no node");
    let cut = ask(url, "PUT", "/api/links/order-1/catalog", &with, "{\"cut\":true}").json();
    assert_eq!(cut["data"]["done"], "order-1 to catalog: cut");
    frames.until("the page sees it", |frame| {
        let edges = node(frame, "order-1")["said"]["faults"]["edges"].as_array()?;
        (edges.len() == 1).then_some(())
    });
    assert_eq!(ask(url, "POST", "/api/heal", &with, "").status, 200);

    // Rounds, with everything that the store can be asked in the end; chaos, of links only.
    let load = r#"{"shoppers":2,"probability":"0.5","pause_ms":20}"#;
    assert_eq!(ask(url, "PUT", "/api/load", &with, load).status, 200);
    assert_eq!(ask(url, "PUT", "/api/chaos", &with, "{\"seed\":1}").status, 200);
    frames.until("a strike is over", |frame| {
        let told = frame["chaos"]["last"][0]["words"].as_str()?.to_string();
        assert!(!told.contains("dead") && !told.contains("paused"), "{told}");
        Some(())
    });
    assert_eq!(ask(url, "DELETE", "/api/chaos", &with, "").status, 200);
    assert_eq!(ask(url, "DELETE", "/api/load", &with, "").status, 200);
    frames.until("the round has ended", |frame| {
        let ended = &frame["rounds"]["ended"];
        ended["operations"].as_u64().filter(|count| *count > 10)?;
        let replicas = ended["verdict"]["guarantees"].as_array()?;
        let replicas = replicas.iter().find(|one| one["guarantee"] == "replicas")?;
        assert_eq!(replicas["verdict"], "held", "{ended}");
        Some(())
    });

    // Somebody ends one; nobody here knows more than that it is silent.
    store.run(&["kill", "order-2"]);
    frames.until("it is silent", |frame| {
        let silent = &node(frame, "order-2")["silent_because"];
        (silent == "nobody listens there").then_some(())
    });
}

#[test]
fn without_a_token_it_is_looked_at_and_a_page_tells_another_which_nodes_there_are() {
    let store = Store::start_settled(&[]);
    let first = store.cluster()["dashboard"].as_str().unwrap().to_string();
    let public = ask(&first, "GET", "/api/cluster.json", &[], "").body;
    assert!(!public.contains(&store.token()) && !public.contains("data"), "{public}");
    let folder = TempDir::new().unwrap();
    let own = store.data.join("cluster.json");
    for cluster in [&first, &format!("{first}/api/cluster.json"), own.to_str().unwrap()] {
        let (page, address) = serve(folder.path(), &["--cluster", cluster]);
        assert_eq!(address, page.url, "no token is known");
        let mut frames = Frames::open(&page.url);
        assert_eq!(frames.hello["chaos"], false);
        frames.until("it leads", |frame| frame["leader"]["node"].as_str().map(|_| ()));
        ask(&page.url, "PUT", "/api/chaos", &[], "{}").is_error(404, "--chaos");
        let look = ask(&page.url, "GET", "/api/shop/products/Tux", &[], "").json();
        assert_eq!(look["data"]["status"], 200, "{look}");
    }
}

#[test]
fn what_is_no_store_is_refused_in_words() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("cluster.json");
    let file = path.to_str().unwrap();
    let check = |text: &str, parts: &[&str]| {
        std::fs::write(&path, text).unwrap();
        check_refused(&["--cluster", file], parts);
    };
    check_refused(&["--cluster", file], &["cannot read", file]);
    check("[]", &["is not understood", "expected such as"]);
    check("{\"nodes\":[{\"name\":\"a\"}]}", &["is not understood", "missing field `role`"]);
    check("{\"nodes\":[]}", &["it names no node with \"role\":\"catalog\""]);
    let node = |name: &str, role: &str, url: &str| json!({"name": name, "role": role, "url": url});
    let nobody = "http://127.0.0.1:1";
    let store = |nodes: [Value; 3]| json!({"nodes": nodes}).to_string();
    let (catalog, order) = (node("catalog", "catalog", nobody), node("order-1", "order", nobody));
    let twice = store([catalog.clone(), order.clone(), node("order-1", "frontend", nobody)]);
    check(&twice, &["it names \"order-1\" twice"]);
    let wrong = store([catalog.clone(), order.clone(), node("frontend-1", "frontend", "x")]);
    check(&wrong, &["\"frontend-1\": \"x\" is not a URL of a node"]);
    let silent = store([catalog, order, node("frontend-1", "frontend", nobody)]);
    check(&silent, &["no order replica of the store answers", "order-1 at http://127.0.0.1:1"]);
    check_refused(&["--cluster", nobody], &["http://127.0.0.1:1/api/cluster.json"]);
    check_refused(&["--cluster", "https://example.org"], &["plain HTTP"]);
    check_refused(&["--cluster", file, "--chaos"], &["--cluster-token-file"]);
}
