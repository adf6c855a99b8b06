//! Everything about one simulated run, as a bundle: the history and the trace as the simulator
//! gives them, and its frames as the page draws them.
//!
//! A simulated node says what a real one does; what only a machine has is left empty: it has no
//! address, and its `pid` is the number of its life, from 1. Called by `sim::mod` and by the
//! command `run`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use replication::Protocol;
use serde_json::{Value, json};
use simulator::frames::{End, Frame, Half, Link, Node, Passed, Said as Says, State, Status, What};
use simulator::who::Who;
use simulator::{Outcome, Setting};

use crate::bundle::frames::{Collected, frame};
use crate::bundle::{self, Contents, Verdict};
use crate::command::status::{Said, Seen, to_json};
use crate::peer::faults::{EdgeFaults, FaultSet};
use crate::peer::sample::short;
use crate::supervisor::cluster::{Cluster, Member, State as Does};
use crate::supervisor::layout::Role;
use crate::supervisor::node_status::NodeStatus;

/// Writes the bundle of a run that was traced. `repeat`: the command that makes it again.
///
/// # Errors
/// If it cannot be written.
pub fn write(
    folder: &Path,
    setting: &Setting,
    outcome: &Outcome,
    scenario: Option<&str>,
    repeat: String,
) -> Result<Verdict> {
    let (head, lines) = outcome.history.as_ref().context("a traced run has its history")?;
    let mut head = head.clone();
    head.repeat = Some(repeat);
    let lines: Vec<String> = [head.json()].into_iter().chain(lines.iter().cloned()).collect();
    let mut metrics = serde_json::to_value(&outcome.tally)?;
    if let Some(broken) = &outcome.broken {
        metrics["broken"] = json!({"promise": broken.promise, "what": broken.what});
    }
    let frames = frames(setting.protocol, &outcome.frames);
    let contents =
        Contents { scenario, trace: Some(&outcome.trace), metrics: Some(metrics), frames: &frames };
    bundle::write(folder, &lines, &contents)
}

/// The frames as the page draws them; the world's time is also the history's.
fn frames(replication: Protocol, frames: &[Frame]) -> Vec<String> {
    let mut lines = Collected::default();
    for (number, one) in (1..).zip(frames) {
        let at_ms = one.at.0 / 1000;
        lines.add(frame(number, at_ms, at_ms, shown(replication, one)));
    }
    lines.lines()
}

fn shown(replication: Protocol, frame: &Frame) -> Value {
    let seen: Vec<Seen> = frame.nodes.iter().map(seen).collect();
    let nodes = seen.iter().map(|node| node.member.clone()).collect();
    let data = PathBuf::new();
    let cluster = Cluster { pid: 0, replication, dashboard: None, data, nodes, secret: None };
    let mut json = to_json(&cluster, &seen);
    for (place, node) in frame.nodes.iter().enumerate() {
        json["nodes"][place]["messages"] = messages(&node.passed);
    }
    json
}

/// What `toystore status` would see of a node.
fn seen(node: &Node) -> Seen {
    let role = match node.who {
        Who::Catalog(_) => Role::Catalog,
        Who::Order(_) => Role::Order,
        Who::Frontend(_) | Who::Shopper(_) | Who::Asker => Role::Frontend,
    };
    let (does, said) = match &node.state {
        State::Running(says) => (Does::Running, Ok(said(node, role, says))),
        State::Paused => (Does::Paused, Err("no answer: it stands still".to_string())),
        State::Dead => (Does::Dead, Err("nobody listens there".to_string())),
    };
    let is_dead = does == Does::Dead;
    let member = Member {
        name: node.who.to_string(),
        role,
        url: String::new(),
        seed_url: None,
        pid: (!is_dead).then_some(node.life + 1),
        data: PathBuf::new(),
        state: does,
        ended: None,
    };
    Seen { member, said }
}

fn said(node: &Node, role: Role, says: &Says) -> Said {
    let faults = FaultSet { seed: 0, edges: node.links.iter().map(edge).collect() };
    let empty = NodeStatus {
        node: node.who.to_string(),
        role: role.to_string(),
        pid: node.life + 1,
        version: env!("CARGO_PKG_VERSION").to_string(),
        uptime_ms: u64::try_from(node.uptime.as_millis()).unwrap_or(u64::MAX),
        ready: says.ready.is_ok(),
        not_ready_because: says.ready.clone().err(),
        faults: Some(faults),
        status: (),
    };
    match &says.status {
        Status::Catalog(status) => Said::Catalog(Box::new(empty.with((**status).clone()))),
        Status::Order(status) => Said::Order(Box::new(empty.with((**status).clone()))),
        Status::Frontend(status) => Said::Frontend(Box::new(empty.with((**status).clone()))),
    }
}

fn edge(link: &Link) -> EdgeFaults {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    EdgeFaults {
        to: link.to.to_string(),
        cut: link.cut,
        delay_ms: millis(link.delay),
        jitter_ms: millis(link.jitter),
        loss: f64::from(link.lost) / 1000.0,
        duplicate: f64::from(link.doubled) / 1000.0,
    }
}

/// Messages that passed a node, as a real one says it.
fn messages(passed: &Passed) -> Value {
    let events: Vec<Value> = passed.halves.iter().map(event).collect();
    json!({"passed": passed.count, "events": events})
}

fn event(half: &Half) -> Value {
    let mut event = json!({"at_us": half.at.0, "id": half.id});
    let mut set = |name: &str, value: String| event[name] = value.into();
    match &half.end {
        End::Sent { to, what } => {
            set("event", "sent".to_string());
            set("to", to.to_string());
            set("what", words(what));
        }
        End::Came { from, what } => {
            set("event", "came".to_string());
            let from = if from.is_client() { "shoppers".to_string() } else { from.to_string() };
            set("from", from);
            set("what", words(what));
        }
        End::Answered(outcome) => {
            set("event", "answered".to_string());
            set("outcome", result(*outcome));
        }
        End::Told(outcome) => {
            set("event", "told".to_string());
            set("outcome", result(*outcome));
        }
    }
    event
}

/// In the words of a real node.
fn words(what: &What) -> String {
    match what {
        What::Asks(request) => short(request),
        What::Says(message) => short(message),
    }
}

fn result(outcome: simulator::frames::Outcome) -> String {
    match outcome {
        simulator::frames::Outcome::Status(status) => status.to_string(),
        simulator::frames::Outcome::Refused => "refused".to_string(),
        simulator::frames::Outcome::Unknown => "unknown".to_string(),
    }
}
