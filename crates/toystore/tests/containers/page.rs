//! The page of a store in containers: the one that is composed with it, and one beside Docker, that
//! kills and pauses.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::engine::{NODES, PROGRAM, Store, composes, wait_for};
use super::exchange::PATIENCE;

#[test]
fn the_page_of_composed_containers_shows_all_nodes() {
    for compose in composes() {
        let store = Store::new(&compose);
        store.up();
        let url = wait_for("the page is there", || {
            let url = store.page();
            let first = send(&url, "GET", "/", "")?.lines().next()?.ok()?;
            (first == "HTTP/1.1 200 OK").then_some(url)
        });
        wait_for("all nodes are up", || {
            let (hello, frame) = frame(&url)?;
            assert_eq!((&hello["chaos"], &hello["hands"]), (&json!(true), &json!(false)));
            is_well(&frame).then_some(())
        });
    }
}

#[test]
fn a_page_beside_docker_kills_pauses_and_starts_containers() {
    let store = Store::new(&composes()[0]);
    store.up();
    let file = store.folder.path().join("cluster.json");
    fs::write(&file, reached(&store).to_string()).unwrap();
    let said = store.folder.path().join("said");
    let page = Command::new(PROGRAM)
        .args(["dashboard", "--listen", "127.0.0.1:0", "--compose", store.project(), "--cluster"])
        .args([file.as_path(), "--cluster-token-file".as_ref()])
        .arg(store.folder.path().join("token"))
        .stderr(fs::File::create(&said).unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _page = Page(page);
    let address = wait_for("the page is served", || {
        let text = fs::read_to_string(&said).unwrap();
        text.lines().find_map(|line| line.strip_prefix("page: ")).map(str::to_string)
    });
    let (url, token) = address.split_once("/#token=").unwrap();
    let act = |node: &str, what: &str| {
        let said = send(url, "POST", &format!("/api/nodes/{node}/{what}"), token).unwrap();
        let lines: Vec<String> = said.lines().map_while(Result::ok).collect();
        assert_eq!(lines[0], "HTTP/1.1 200 OK", "{what} {node}: {lines:?}");
    };
    let until = |node: &str, state: &str| {
        wait_for(&format!("{node} is {state}"), || {
            let (_, frame) = frame(url)?;
            let nodes = frame["nodes"].as_array()?;
            nodes.iter().find(|one| one["name"] == node && one["state"] == state).map(|_| ())
        });
    };
    act("order-2", "kill");
    until("order-2", "dead");
    act("frontend-1", "pause");
    until("frontend-1", "paused");
    act("frontend-1", "resume");
    act("order-2", "start");
    wait_for("all is well", || frame(url).filter(|(_, frame)| is_well(frame)).map(|_| ()));
}

/// Asks as a browser of this machine does; returns what comes.
fn send(url: &str, method: &str, path: &str, token: &str) -> Option<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(url.strip_prefix("http://")?).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    let head = format!("{head}Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    Some(BufReader::new(stream))
}

/// What the feed says first, and the newest frame.
fn frame(url: &str) -> Option<(Value, Value)> {
    let lines = send(url, "GET", "/api/feed", "")?.lines().map_while(Result::ok);
    let mut events =
        lines.filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok());
    let (hello, next) = (events.next()?, events.next()?);
    match next {
        Value::Array(history) => Some((hello, history.last()?.clone())),
        frame => Some((hello, frame)),
    }
}

/// Where the host reaches each container: by its address on the inner network.
fn reached(store: &Store) -> Value {
    let nodes = NODES.iter().map(|service| {
        let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
        let addresses = store.inspect(service, address);
        let address = addresses.split_whitespace().next().unwrap();
        let (name, role) = match *service {
            "frontend" => ("frontend-1", "frontend"),
            "catalog" => ("catalog", "catalog"),
            order => (order, "order"),
        };
        let url = format!("http://{address}:8080");
        json!({"name": name, "role": role, "service": service, "url": url})
    });
    json!({"nodes": nodes.collect::<Vec<Value>>()})
}

fn is_well(frame: &Value) -> bool {
    let nodes = frame["nodes"].as_array().unwrap();
    nodes.len() == NODES.len() && nodes.iter().all(|node| node["said"]["ready"] == true)
}

/// Ended with its test.
struct Page(Child);

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
