//! Where the page finds its store, and with which hands it kills, pauses and starts nodes.
//!
//! ```text
//! Up          DATA/cluster.json, as `up` writes it          hands: the `up` that runs the store
//! Elsewhere   a file or another page's /api/cluster.json    hands: none, or Docker's
//! ```
//!
//! Made by `up`, `demo` and `elsewhere`; asked by everything else of the page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use replication::Protocol;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shop::orders;

use crate::containers::composed::Composed;
use crate::http::connection::{Ask, Url, ask_once};
use crate::supervisor::cluster::{Cluster, Member, State};
use crate::supervisor::control::{self, Action};
use crate::supervisor::layout::Role;
use crate::supervisor::node_status;

/// How long another page may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Where a page says which nodes its store has.
pub const CLUSTER_PATH: &str = "/api/cluster.json";

/// A store that the page shows.
pub enum Source {
    /// The store in a folder, in which the `up` that runs it says who does.
    Up(PathBuf),
    /// A store that others run.
    Elsewhere(Box<Elsewhere>),
}

impl Source {
    /// The store as it is known now.
    ///
    /// # Errors
    /// If none runs any more.
    pub fn cluster(&self) -> Result<Cluster> {
        match self {
            Source::Up(data) => Cluster::find(data),
            Source::Elsewhere(elsewhere) => Ok(elsewhere.lock().clone()),
        }
    }

    /// The secret of its internal endpoints, if it is known.
    ///
    /// # Errors
    /// If it should be, and is not.
    pub fn token(&self) -> Result<Option<String>> {
        match self {
            Source::Up(_) => self.cluster()?.token().map(Some),
            Source::Elsewhere(elsewhere) => Ok(elsewhere.lock().secret.clone()),
        }
    }

    /// Whether nodes can be killed, paused and started from here.
    pub fn has_hands(&self) -> bool {
        match self {
            Source::Up(_) => true,
            Source::Elsewhere(elsewhere) => elsewhere.composed.is_some(),
        }
    }

    /// Kills, pauses, resumes or starts a node.
    ///
    /// # Errors
    /// If there are no hands for it, no such node, or the store refuses.
    pub async fn act(&self, cluster: &Cluster, action: Action, name: &str) -> Result<String> {
        let elsewhere = match self {
            Source::Up(data) => return control::ask(data, action, name).await,
            Source::Elsewhere(elsewhere) => elsewhere,
        };
        let Some(composed) = &elsewhere.composed else {
            cluster.member(name)?;
            bail!(
                "{name} is run by others: from here its links can be broken, and nothing more\n\
                 hint: --compose PROJECT, if it runs in containers of this machine"
            );
        };
        let done = composed.act(cluster, action, name).await;
        // Whoever looks next sees what was done.
        elsewhere.look().await?;
        done
    }
}

/// Who runs where, without secrets: what [`CLUSTER_PATH`] answers, and [`Elsewhere::read`] reads.
pub fn public(cluster: &Cluster) -> Value {
    let nodes = cluster.nodes.iter();
    let nodes = nodes.map(|node| json!({"name": node.name, "role": node.role, "url": node.url}));
    json!({"replication": cluster.replication, "nodes": nodes.collect::<Vec<_>>()})
}

/// A store that others run.
pub struct Elsewhere {
    from: From,
    /// Addresses that were named at first, where there is a token to be told.
    first: Option<BTreeSet<String>>,
    known: Mutex<Cluster>,
    composed: Option<Composed>,
}

/// Where it is written which nodes there are.
#[derive(Clone, Debug)]
enum From {
    File(PathBuf),
    Page(Url, String),
}

/// That file: what `up` writes, what [`public`] answers, or what somebody wrote by hand. What else
/// stands in it is of no use here.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    /// Asked of the nodes, where it is not said.
    replication: Option<Protocol>,
    nodes: Vec<Node>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Node {
    name: String,
    role: Role,
    url: String,
    /// What Compose calls it, if not by its name.
    service: Option<String>,
}

impl Elsewhere {
    /// The store that a file describes, or another page; with its token, if that is known, and as
    /// the containers of a Compose project, if that is said. `data`: a folder for what is kept.
    ///
    /// # Errors
    /// If it cannot be read, says nothing of use, no node answers, or there are no containers.
    pub async fn find(
        from: &str,
        token: Option<String>,
        project: Option<&str>,
        data: &Path,
    ) -> Result<Elsewhere> {
        let from = From::parse(from)?;
        let written = from.read().await?;
        let service = |node: &Node| {
            let service = node.service.clone().unwrap_or_else(|| node.name.clone());
            (node.name.clone(), service)
        };
        let services: BTreeMap<String, String> = written.nodes.iter().map(service).collect();
        let mut cluster = Cluster {
            pid: std::process::id(),
            replication: written.replication.unwrap_or_default(),
            dashboard: None,
            data: data.to_path_buf(),
            secret: token,
            nodes: written.nodes.iter().map(Node::member).collect(),
        };
        let said = first_answer(&cluster).await?;
        if written.replication.is_none() {
            cluster.replication = said.parse().map_err(anyhow::Error::msg)?;
        }
        let composed = match project {
            Some(project) => Some(Composed::find(project, services).await?),
            None => None,
        };
        let urls = || cluster.nodes.iter().map(|node| node.url.clone()).collect();
        let first = cluster.secret.is_some().then(urls);
        let elsewhere = Elsewhere { from, first, known: Mutex::new(cluster), composed };
        elsewhere.look().await?;
        Ok(elsewhere)
    }

    /// Reads anew which nodes there are, and what their containers do. What cannot be read stays
    /// as it was known.
    ///
    /// # Errors
    /// If Docker cannot be asked.
    pub async fn look(&self) -> Result<()> {
        let written = self.from.read().await.ok();
        let containers = match &self.composed {
            Some(composed) => composed.containers().await?,
            None => BTreeMap::new(),
        };
        let mut known = self.lock();
        if let Some(written) = written {
            let nodes = written.nodes.iter().map(Node::member);
            known.nodes = nodes.filter(|member| self.trusts(&member.url)).collect();
        }
        for member in &mut known.nodes {
            if let Some(container) = containers.get(&member.name) {
                member.state = container.state;
                member.ended = (container.state == State::Dead).then(|| container.words.clone());
            }
        }
        Ok(())
    }

    /// Whether this address may be told the token: another page, or who stands between, could name
    /// any. Those that it named at first were wanted by whoever named the page.
    fn trusts(&self, url: &str) -> bool {
        match (&self.from, &self.first) {
            (From::Page(..), Some(first)) => first.contains(url),
            (From::Page(..) | From::File(_), _) => true,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cluster> {
        self.known.lock().expect("nobody panics while holding it: it guards plain values")
    }
}

impl From {
    fn parse(text: &str) -> Result<From> {
        if text.starts_with("https://") {
            bail!(
                "{text}: this program speaks plain HTTP\n\
                 hint: fetch it with another one, and say --cluster FILE"
            );
        }
        let Some(rest) = text.strip_prefix("http://") else {
            return Ok(From::File(text.into()));
        };
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) if !path.is_empty() => (authority, format!("/{path}")),
            Some((authority, _)) => (authority, CLUSTER_PATH.to_string()),
            None => (rest, CLUSTER_PATH.to_string()),
        };
        let url = format!("http://{authority}").parse().map_err(anyhow::Error::msg)?;
        Ok(From::Page(url, path))
    }

    async fn read(&self) -> Result<Written> {
        let (text, place) = match self {
            From::File(path) => {
                let text = std::fs::read(path);
                (
                    text.with_context(|| format!("cannot read {}", path.display()))?,
                    path.display().to_string(),
                )
            }
            From::Page(url, path) => {
                let place = format!("{url}{path}");
                let said = ask_once(url, &Ask::get(path.clone()), DEADLINE).await;
                let said = said.map_err(|why| anyhow!("{place}: {why}"))?;
                ensure!(said.status == 200, "{place} says {}: {}", said.status, said.message());
                (said.body.to_vec(), place)
            }
        };
        let written: Written = serde_json::from_slice(&text).with_context(|| {
            format!(
                "{place} is not understood; expected such as \
                 {{\"nodes\":[{{\"name\":\"order-1\",\"role\":\"order\",\"url\":\"http://…\"}}]}}"
            )
        })?;
        written.check().with_context(|| place)?;
        Ok(written)
    }
}

impl Written {
    /// A store has nodes of each role, each once.
    fn check(&self) -> Result<()> {
        for role in [Role::Catalog, Role::Order, Role::Frontend] {
            let any = self.nodes.iter().any(|node| node.role == role);
            ensure!(any, "it names no node with \"role\":\"{role}\": a store has one at least");
        }
        let mut names = BTreeSet::new();
        for node in &self.nodes {
            let name = &node.name;
            ensure!(names.insert(name), "it names {name:?} twice");
            let url: Result<Url, String> = node.url.parse();
            url.map_err(|why| anyhow!("{name:?}: {why}"))?;
        }
        Ok(())
    }
}

impl Node {
    /// Nobody says here how its process fares: a node that runs and one that is dead differ by
    /// whether they answer.
    fn member(&self) -> Member {
        Member {
            name: self.name.clone(),
            role: self.role,
            url: self.url.clone(),
            seed_url: None,
            pid: None,
            data: PathBuf::new(),
            state: State::Running,
            ended: None,
        }
    }
}

/// How an order replica says that it agrees with the others.
///
/// # Errors
/// If none answers: says what the first one did.
async fn first_answer(cluster: &Cluster) -> Result<String> {
    let mut silent = None;
    for member in cluster.of(Role::Order) {
        match node_status::ask_within::<orders::Status>(member, DEADLINE).await {
            Ok(said) => return Ok(said.status.engine.engine),
            Err(why) => {
                let Member { name, url, .. } = member;
                silent.get_or_insert_with(|| format!("{name} at {url}: {why}"));
            }
        }
    }
    let silent = silent.unwrap_or_default();
    bail!("no order replica of the store answers; {silent}\nhint: does the store run?")
}
