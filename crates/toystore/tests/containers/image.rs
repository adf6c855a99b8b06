//! What is in the image, what it says of itself, and what a node in it needs.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::engine::{Container, IMAGE, docker, root, run, wait_for};

/// The issue's own bound, bytes.
const SIZE_MAX: u64 = 25_000_000;
/// How long a node may take to drain.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// What a container of ours may do: nothing.
const HARDENED: [&str; 8] = [
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--network=none",
    "--mount=type=volume,dst=/data",
    "--env=TOYSTORE_CLUSTER_TOKEN=secret",
    "--env=TOYSTORE_RESTOCK_INTERVAL=1s",
    IMAGE,
];

fn inspect_image() -> Value {
    let text = docker(&["image", "inspect", IMAGE]);
    serde_json::from_str::<Value>(&text).unwrap()[0].clone()
}

#[test]
fn the_image_is_small_belongs_to_nobody_and_says_what_it_is() {
    let image = inspect_image();
    let size = image["Size"].as_u64().unwrap();
    println!("image: {:.1} MB", size as f64 / 1e6);
    assert!(size < SIZE_MAX, "{size} bytes");
    let config = &image["Config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/toystore"]));
    assert_eq!(config["StopSignal"], "SIGTERM");
    assert_eq!(config["Healthcheck"]["Test"], serde_json::json!(["CMD", "/toystore", "health"]));
    let label = |name: &str| {
        let name = format!("org.opencontainers.image.{name}");
        config["Labels"][&name].as_str().unwrap_or_default().to_string()
    };
    assert_eq!(label("title"), "toystore");
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
    assert_eq!(label("description"), env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(label("revision").len(), 40, "the commit");
}

#[test]
fn nothing_is_in_the_image_but_the_program_and_a_place_for_data() {
    let container = Container(docker(&["create", IMAGE]));
    let export = format!("docker export {} | tar -t", container.0);
    let all = run(Command::new("sh").args(["-c", &export]));
    let folders_of_docker = ["dev/", "etc/", "proc/", "sys/", ".dockerenv"];
    let ours: Vec<&str> = all
        .lines()
        .filter(|path| !folders_of_docker.iter().any(|folder| path.starts_with(folder)))
        .collect();
    assert_eq!(ours, ["data/", "toystore"]);
}

#[test]
fn a_node_needs_nothing_but_its_folder_and_drains_when_it_is_told_to() {
    let node = Container::run(&[&HARDENED[..], &["catalog"]].concat());
    let healthy = || (node.inspect("{{.State.Health.Status}}") == "healthy").then_some(());
    wait_for("the catalog is healthy", healthy);
    let status = fs::read_to_string(format!("/proc/{}/status", node.inspect("{{.State.Pid}}")));
    let status = status.unwrap();
    for line in ["Uid:\t65532", "Gid:\t65532", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{line:?} is not in:\n{status}");
    }
    ends_by_itself(&node);
}

#[test]
fn a_node_that_is_not_ready_yet_ends_at_once_too() {
    // The first process of a container is not ended by a signal that it does not listen to.
    let words = [
        "frontend",
        "--id=auto",
        "--catalog=http://127.0.0.1:1",
        "--orders=1=http://127.0.0.1:2",
        "--url=http://127.0.0.1:8080",
    ];
    let node = Container::run(&[&HARDENED[..], &words[..]].concat());
    wait_for("the frontend looks for the catalog", || {
        let log = Command::new("docker").args(["logs", &node.0]).output().unwrap();
        String::from_utf8_lossy(&log.stderr).contains("grants no number yet").then_some(())
    });
    ends_by_itself(&node);
}

fn ends_by_itself(node: &Container) {
    let asked = Instant::now();
    docker(&["stop", "--time", "20", &node.0]);
    let took = asked.elapsed();
    assert_eq!(node.inspect("{{.State.ExitCode}}"), "0");
    assert!(took < DRAIN_MAX, "{took:?}");
}

#[test]
fn both_dockerfiles_make_the_same_image_of_a_binary() {
    let text = |name: &str| fs::read_to_string(root().join("deploy").join(name)).unwrap();
    let since_user = |text: String| {
        let from = text.find("ARG VERSION").unwrap();
        text[from..].to_string()
    };
    assert_eq!(since_user(text("Dockerfile")), since_user(text("binary.Dockerfile")));
}
