//! The messages that every node saw pass since it was asked last: a sample, which nodes take only
//! while somebody asks.
//!
//! Called by `mod` with each look at the nodes while a page is open, and by `run` for the frames of
//! its bundle; asks `GET /messages`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::connection::{Ask, Connection};
use crate::supervisor::cluster::{Cluster, Member, State};

/// A node that takes longer has none that anybody would see in time.
const DEADLINE: Duration = Duration::from_millis(200);

/// What was heard of each node up to now.
#[derive(Debug)]
pub struct Ear {
    /// Without it no node tells anything.
    token: Option<String>,
    nodes: BTreeMap<String, Heard>,
}

#[derive(Debug)]
struct Heard {
    connection: Connection,
    last: u64,
    passed: u64,
}

#[derive(Deserialize)]
struct Answered {
    data: Told,
}

#[derive(Deserialize)]
struct Told {
    last: u64,
    passed: u64,
    events: Vec<Value>,
}

impl Ear {
    /// With the token of the store, if it is known.
    pub fn new(token: Option<String>) -> Ear {
        Ear { token, nodes: BTreeMap::new() }
    }

    /// Puts what was heard into the frame of the same nodes: `{"passed": 1234, "events": […]}`, or
    /// null for those that said nothing.
    pub fn tell(frame: &mut Value, mut heard: BTreeMap<String, Value>) {
        for node in frame["nodes"].as_array_mut().into_iter().flatten() {
            node["messages"] = json!(node["name"].as_str().and_then(|name| heard.remove(name)));
        }
    }

    /// What each node that runs saw since it was asked last, by name.
    pub async fn listen(&mut self, cluster: &Cluster) -> BTreeMap<String, Value> {
        let Some(token) = &self.token else { return BTreeMap::new() };
        let running = cluster.nodes.iter().filter(|member| member.state == State::Running);
        let asked = running.map(|member| {
            let heard = self.nodes.remove(&member.name);
            async move { (member.name.clone(), ask(member, heard, token).await) }
        });
        let mut all = BTreeMap::new();
        for (name, told) in futures_util::future::join_all(asked).await {
            if let Some((heard, told)) = told {
                self.nodes.insert(name.clone(), heard);
                all.insert(name, told);
            }
        }
        all
    }
}

/// `None` if it says nothing; from then on it is asked as if for the first time.
async fn ask(member: &Member, heard: Option<Heard>, token: &str) -> Option<(Heard, Value)> {
    let url = member.url().ok()?;
    let known = heard.filter(|heard| *heard.connection.url() == url);
    let anew = || Heard { connection: Connection::new(url), last: 0, passed: 0 };
    let mut heard = known.unwrap_or_else(anew);
    let ask = Ask::get(format!("/messages?after={}", heard.last));
    let ask = ask.with("authorization", format!("Bearer {token}"));
    let said = heard.connection.ask(&ask, DEADLINE).await.ok().filter(|said| said.status == 200)?;
    let Answered { data } = serde_json::from_slice(&said.body).ok()?;
    let Told { last, passed, events } = data;
    // Less than before was counted by another process.
    let since = passed.checked_sub(heard.passed).unwrap_or(passed);
    (heard.last, heard.passed) = (last, passed);
    Some((heard, json!({"passed": since, "events": events})))
}
