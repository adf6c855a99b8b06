//! `toystore status`: the cluster at a glance, from what every node says of itself.

pub(super) mod show;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anstream::println;
use anyhow::{Result, bail};
use clap::Args;
use replication::Term;
use serde::Serialize;
use serde_json::json;
use shop::{catalog, frontend, orders};
use tokio::task::JoinSet;

use super::Running;
use crate::http::connection::Connection;
use crate::supervisor::cluster::{Cluster, Member, State};
use crate::supervisor::layout::Role;
use crate::supervisor::leader::{catalog_reign, reign};
use crate::supervisor::node_status::{self, NodeStatus};

/// Show who leads, what is cached and what is in stock
///
/// Asks every node of the running store and waits half a second at most: one that is paused or
/// dead is shown as such.
#[derive(Debug, Args)]
pub struct Status {
    /// Print one JSON object: for each node, what it says of itself
    #[arg(long, env = "TOYSTORE_JSON")]
    json: bool,
    #[command(flatten)]
    running: Running,
}

/// What a node says, by its role.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Said {
    /// The catalog.
    Catalog(Box<NodeStatus<catalog::status::Status>>),
    /// An order replica.
    Order(Box<NodeStatus<orders::Status>>),
    /// A frontend.
    Frontend(Box<NodeStatus<frontend::Status>>),
}

/// A node, and what it says, or why it says nothing.
#[derive(Debug)]
pub struct Seen {
    /// The node.
    pub member: Member,
    /// What it says.
    pub said: Result<Said, String>,
}

impl Seen {
    /// Whether it says that it can serve.
    pub fn is_ready(&self) -> bool {
        match &self.said {
            Ok(Said::Catalog(said)) => said.ready,
            Ok(Said::Order(said)) => said.ready,
            Ok(Said::Frontend(said)) => said.ready,
            Err(_) => false,
        }
    }
}

impl Status {
    /// Asks and shows.
    ///
    /// # Errors
    /// If there is no such store, or no node of it answers.
    pub fn run(self) -> Result<ExitCode> {
        let cluster = Cluster::find(&self.running.data)?;
        let seen = super::block_on(look(&cluster))?;
        if seen.iter().all(|node| node.said.is_err()) {
            let words = seen.iter().filter_map(|node| node.said.as_ref().err()).next();
            bail!(
                "no node of the store in {} answers: {}",
                cluster.data.display(),
                words.map_or("it has none", String::as_str)
            );
        }
        match self.json {
            true => println!("{}", to_json(&cluster, &seen)),
            false => show::lines(&cluster, &seen).iter().for_each(|line| println!("{line}")),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Asks all nodes at once; they are shown in the order of cluster.json.
pub async fn look(cluster: &Cluster) -> Vec<Seen> {
    Eyes::default().look(cluster).await
}

/// Who looks again and again keeps its connections.
#[derive(Debug, Default)]
pub struct Eyes {
    connections: BTreeMap<String, Connection>,
}

impl Eyes {
    /// As [`look`].
    pub async fn look(&mut self, cluster: &Cluster) -> Vec<Seen> {
        let mut asked = JoinSet::new();
        for (place, member) in cluster.nodes.iter().cloned().enumerate() {
            let known = self.connections.remove(&member.url);
            asked.spawn(async move {
                let (connection, said) = ask(&member, known).await;
                (place, connection, Seen { member, said })
            });
        }
        let mut seen = asked.join_all().await;
        seen.sort_by_key(|(place, _, _)| *place);
        seen.into_iter()
            .map(|(_, connection, seen)| {
                let kept = connection.map(|connection| (seen.member.url.clone(), connection));
                self.connections.extend(kept);
                seen
            })
            .collect()
    }
}

async fn ask(
    member: &Member,
    known: Option<Connection>,
) -> (Option<Connection>, Result<Said, String>) {
    let mut connection = match (known, member.url()) {
        (Some(connection), _) => connection,
        (None, Ok(url)) => Connection::new(url),
        (None, Err(why)) => return (None, Err(why.to_string())),
    };
    if member.state == State::Paused {
        // It would take the question, and whoever looks would wait in vain.
        return (Some(connection), Err("no answer: it is paused".to_string()));
    }
    let on = &mut connection;
    let said = match member.role {
        Role::Catalog => node_status::ask_on(on).await.map(Box::new).map(Said::Catalog),
        Role::Order => node_status::ask_on(on).await.map(Box::new).map(Said::Order),
        Role::Frontend => node_status::ask_on(on).await.map(Box::new).map(Said::Frontend),
    };
    (Some(connection), said)
}

/// Who leads, and under which term: the highest that is claimed.
pub fn leader(seen: &[Seen]) -> Option<(Term, &str)> {
    let reigns = seen.iter().filter_map(|node| match &node.said {
        Ok(Said::Order(said)) => Some((reign(&said.status)?, node.member.name.as_str())),
        Ok(Said::Catalog(_) | Said::Frontend(_)) | Err(_) => None,
    });
    reigns.max()
}

/// The same of the catalogs.
pub fn catalog_leader(seen: &[Seen]) -> Option<(Term, &str)> {
    let reigns = seen.iter().filter_map(|node| match &node.said {
        Ok(Said::Catalog(said)) => Some((catalog_reign(&said.status)?, node.member.name.as_str())),
        Ok(Said::Order(_) | Said::Frontend(_)) | Err(_) => None,
    });
    reigns.max()
}

/// What `--json` prints.
pub fn to_json(cluster: &Cluster, seen: &[Seen]) -> serde_json::Value {
    let nodes = seen.iter().map(|node| {
        json!({
            "name": node.member.name,
            "role": node.member.role,
            "url": node.member.url,
            "pid": node.member.pid,
            "state": node.member.state,
            "ended": node.member.ended,
            "said": node.said.as_ref().ok(),
            "silent_because": node.said.as_ref().err(),
        })
    });
    let named = |leader: Option<(Term, &str)>| {
        leader.map(|(term, node)| json!({"node": node, "term": term}))
    };
    json!({
        "replication": cluster.replication,
        "data": cluster.data,
        "leader": named(leader(seen)),
        "catalog_leader": named(catalog_leader(seen)),
        "nodes": nodes.collect::<Vec<_>>(),
    })
}
