//! The parent of a store on one machine: starts every node as a process, keeps account of them,
//! and ends with none left behind.
//!
//! `up` and `demo` each hold one [`Store`]; `kill`, `pause`, `resume` and `start` reach it through
//! [`control`]. It restarts nothing by itself: a crash is a lesson, and `start` is the next one.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`options`] | what is asked for |
//! | [`folder`] | the data folder: one owner, one token |
//! | [`ports`] | addresses, and who sits on one that is taken |
//! | [`layout`] | nodes and their command lines |
//! | [`members`] | which order replicas there are, once that has changed |
//! | `begin` | what it is started with, until all are ready |
//! | `change` | other order replicas while the store works |
//! | [`child`] | one process |
//! | `operate` | kill, pause, resume, start, stop |
//! | [`health`] | waiting until it answers |
//! | [`leader`] | who leads |
//! | [`node_status`] | what a node says of itself |
//! | [`cluster`] | cluster.json |
//! | [`written`] | what a replica's folder says of itself |
//! | [`migration`] | another way of replication, of a store that is stopped |
//! | [`past`] | a store that never ran, with a past that is made up |
//! | [`event`] | what it reports |
//! | [`control`] | the socket for other commands |

mod begin;
mod change;
pub mod child;
pub mod cluster;
pub mod control;
pub mod event;
pub mod folder;
pub mod health;
pub mod layout;
pub mod leader;
pub mod members;
pub mod migration;
pub mod node_status;
mod operate;
pub mod options;
pub mod past;
pub mod ports;
pub mod written;

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, Result, bail};

use child::{Child, Watch, how};
use cluster::{Cluster, Member, State};
use event::Event;
use folder::{Folder, Made};
use layout::NodePlan;
use options::Logs;

/// Told everything that happens, in order, from whatever task notices it.
pub type Report = Box<dyn Fn(&Event) + Send + Sync>;

/// A running store and the processes that it is made of.
pub struct Store {
    folder: Folder,
    made: Made,
    logs: Logs,
    /// Where the page is.
    dashboard: Option<String>,
    program: PathBuf,
    report: Report,
    /// Locked for moments only, never across an await; shared by the control socket, the tasks
    /// that wait for each process's end, and whoever stops the store.
    nodes: Mutex<Nodes>,
}

#[derive(Default)]
struct Nodes {
    all: Vec<Node>,
    stopping: bool,
}

struct Node {
    plan: NodePlan,
    child: Child,
    state: State,
    ended: Option<String>,
    /// Its end was asked for by `kill`, so it is no news.
    kill_asked: bool,
}

impl Store {
    /// The data folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What cluster.json shows.
    pub fn cluster(&self) -> Cluster {
        let nodes = self.lock();
        Cluster {
            pid: std::process::id(),
            replication: self.made.replication,
            dashboard: self.dashboard.clone(),
            data: self.folder.path().to_path_buf(),
            secret: None,
            nodes: nodes.all.iter().map(Node::member).collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().expect("nobody panics while holding it: it guards plain values")
    }

    fn pids(&self) -> Vec<u32> {
        let nodes = self.lock();
        nodes.all.iter().filter(|n| n.child.ended().is_none()).map(|n| n.child.pid()).collect()
    }

    fn spawn(&self, plan: &NodePlan) -> Result<Child> {
        let log = match self.logs {
            Logs::Inherit => None,
            Logs::Files => {
                let path = self.log_file(&plan.name);
                let file = OpenOptions::new().create(true).append(true).open(&path);
                Some(file.with_context(|| format!("cannot write {}", path.display()))?)
            }
        };
        Child::spawn(&self.program, &plan.arguments, log)
            .with_context(|| format!("cannot start {} ({})", plan.name, self.program.display()))
    }

    /// Where a node's log goes under [`Logs::Files`].
    pub fn log_file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// Starts a process whose end is noticed; whoever asks for it puts it among the nodes.
    fn launch(self: &Arc<Store>, plan: NodePlan) -> Result<Node> {
        let child = self.spawn(&plan)?;
        self.await_end(plan.name.clone(), child.pid(), child.watch());
        Ok(Node { plan, child, state: State::Starting, ended: None, kill_asked: false })
    }

    /// Notices the end of a process, whoever caused it. Holds the store weakly, so that a store
    /// that nobody holds any more can end.
    fn await_end(self: &Arc<Store>, name: String, pid: u32, mut watch: Watch) {
        let store = Arc::downgrade(self);
        tokio::spawn(async move {
            watch.ended().await;
            if let Some(store) = store.upgrade() {
                store.note_end(&name, pid);
            }
        });
    }

    fn note_end(&self, name: &str, pid: u32) {
        let event = {
            let mut nodes = self.lock();
            let stopping = nodes.stopping;
            // A later process of the same node is not meant.
            let Ok(node) = nodes.find(name) else { return };
            let (Some(status), true) = (node.child.ended(), node.child.pid() == pid) else {
                return;
            };
            if stopping || matches!(node.state, State::Dead | State::Stopped) {
                return;
            }
            let how = how(status);
            node.state = State::Dead;
            node.ended = Some(how.clone());
            Event::Died { name: name.to_string(), pid, how, asked: node.kill_asked }
        };
        self.write_cluster();
        (self.report)(&event);
    }

    fn set_state(&self, name: &str, state: State) -> Result<u32> {
        let pid = {
            let mut nodes = self.lock();
            let node = nodes.running(name)?;
            node.state = state;
            node.child.pid()
        };
        self.write_cluster();
        Ok(pid)
    }

    fn write_cluster(&self) {
        if let Err(error) = self.cluster().write() {
            (self.report)(&Event::Unwritten { why: format!("{error:#}") });
        }
    }
}

impl Nodes {
    /// By name; where there is one catalog, `catalog-1` is it too.
    fn find(&mut self, name: &str) -> Result<&mut Node> {
        let names: Vec<String> = self.all.iter().map(|node| node.plan.name.clone()).collect();
        let has = |name: &str| names.iter().any(|known| known == name);
        let name = if name == "catalog-1" && !has(name) { "catalog" } else { name };
        self.all
            .iter_mut()
            .find(|node| node.plan.name == name)
            .with_context(|| cluster::no_node(name, names.iter().map(String::as_str)))
    }

    fn running(&mut self, name: &str) -> Result<&mut Node> {
        let node = self.find(name)?;
        match &node.ended {
            Some(how) => bail!("{name} is dead ({how})\nhint: toystore start {name}"),
            None => Ok(node),
        }
    }
}

impl Node {
    fn member(&self) -> Member {
        Member {
            name: self.plan.name.clone(),
            role: self.plan.role,
            url: self.plan.url.clone(),
            seed_url: self.plan.seed_url.clone(),
            pid: self.child.ended().is_none().then(|| self.child.pid()),
            data: self.plan.data.clone(),
            state: self.state,
            ended: self.ended.clone(),
        }
    }
}
