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
//! | `change` | other order replicas while the store works |
//! | [`child`] | one process |
//! | `operate` | kill, pause, resume, start, stop |
//! | [`health`] | waiting until it answers |
//! | [`leader`] | who leads |
//! | [`node_status`] | what a node says of itself |
//! | [`cluster`] | cluster.json |
//! | [`migration`] | another way of replication, of a store that is stopped |
//! | [`event`] | what it reports |
//! | [`control`] | the socket for other commands |

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
pub mod ports;

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use child::{Child, Watch, how};
use cluster::{Cluster, Member, State};
use event::Event;
use folder::{Folder, Made};
use health::{LIVE, READY, wait_for_health};
use layout::{NodePlan, Places};
use members::Members;
use options::{Logs, Options};
use ports::{Counts, Ports};

/// How long all nodes may take until they are ready: a long log must be read, and leases of a
/// catalog that was killed must run out.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// How often other free ports are tried when someone took one first.
const PORT_TRIES_MAX: u32 = 5;

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
    /// Starts every node and returns when all are ready; nothing, if it was asked to stop before:
    /// then all are stopped in order.
    ///
    /// # Errors
    /// If the folder is taken, its options contradict, a port is in use, or a node does not come
    /// up. No process is left behind then.
    pub async fn start(
        options: &Options,
        report: Report,
        asked_to_stop: impl Future<Output = ()>,
    ) -> Result<Option<Arc<Store>>> {
        tokio::pin!(asked_to_stop);
        let folder = match &options.data {
            Some(path) => Folder::take(path)?,
            None => Folder::ephemeral()?,
        };
        let made = agree(options, &folder)?;
        let token = folder.token_file()?;
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let store = Arc::new(Store {
            folder,
            made,
            logs: options.logs,
            dashboard: options.dashboard.clone(),
            program,
            report,
            nodes: Mutex::default(),
        });
        let members = Members::of(store.folder.path())?;
        let orders = members.as_ref().map_or(made.orders, |members| members.highest);
        let mut tries = 0;
        loop {
            tries += 1;
            let ports = choose_ports(options, Counts { orders, ..made.into() })?;
            let (folder, catalogue) = (store.folder.path(), options.catalogue.as_deref());
            let places = Places::of_processes(&ports, folder, &token, catalogue);
            let plans = layout::nodes(options, made, &places);
            let plans = store.fit(plans, members.as_ref());
            store.spawn_all(plans)?;
            let ready = tokio::select! {
                biased;
                () = &mut asked_to_stop => {
                    store.stop().await;
                    return Ok(None);
                }
                ready = store.wait_until_ready() => ready,
            };
            let Err(error) = ready else { break };
            let taken = ports.taken_by_another(&store.pids());
            store.stop().await;
            if !options.ports_auto || !taken || tries == PORT_TRIES_MAX {
                return Err(error);
            }
            store.lock().stopping = false;
        }
        store.lock().all.iter_mut().for_each(|node| node.state = State::Running);
        store.write_cluster();
        if members.is_none() {
            Members::first(made.orders).remember(store.folder.path())?;
        }
        Ok(Some(store))
    }

    /// Those of the nodes that are there; but for one whose disk was lost, and that had a vote.
    fn fit(&self, plans: Vec<NodePlan>, members: Option<&Members>) -> Vec<NodePlan> {
        let Some(members) = members else { return plans };
        let mut plans = members.fit(plans);
        plans.retain(|plan| {
            let wiped = members::is_wiped(self.made, plan, self.folder.path());
            if let Some(why) = &wiped {
                let (name, why) = (plan.name.clone(), why.clone());
                (self.report)(&Event::LeftOut { name, why });
            }
            wiped.is_none()
        });
        plans
    }

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

    fn spawn_all(self: &Arc<Store>, plans: Vec<NodePlan>) -> Result<()> {
        let mut all = vec![];
        for plan in plans {
            all.push(self.launch(plan)?);
        }
        self.lock().all = all;
        self.write_cluster();
        Ok(())
    }

    /// Starts a process whose end is noticed; whoever asks for it puts it among the nodes.
    fn launch(self: &Arc<Store>, plan: NodePlan) -> Result<Node> {
        let child = self.spawn(&plan)?;
        self.await_end(plan.name.clone(), child.pid(), child.watch());
        Ok(Node { plan, child, state: State::Starting, ended: None, kill_asked: false })
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let waits: Vec<(NodePlan, Watch)> = {
            let nodes = self.lock();
            nodes.all.iter().map(|node| (node.plan.clone(), node.child.watch())).collect()
        };
        let mut tasks = tokio::task::JoinSet::new();
        for (plan, mut watch) in waits {
            tasks.spawn(async move {
                let ended = watch.how_it_ended();
                // One that came while the store ran may not be taken in yet: nobody needs it.
                let until = if members::joins(&plan) { LIVE } else { READY };
                wait_for_health(&plan.name, &plan.url, ended, until, READY_DEADLINE).await
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.context("a wait for readiness broke off")??;
        }
        Ok(())
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
        self.all.iter_mut().find(|node| node.plan.name == name).with_context(|| {
            format!("there is no node {name:?}; this store has {}", names.join(", "))
        })
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

/// What the store is made with: what the folder remembers, if nothing contradicts it.
fn agree(options: &Options, folder: &Folder) -> Result<Made> {
    migration::refuse_unfinished(folder.path())?;
    let Some(made) = folder.made()? else {
        let made = options.made();
        folder.remember(made)?;
        return Ok(made);
    };
    let data = folder.path().display();
    let replication = options.replication.map(|wanted| wanted.to_string());
    let convert = replication
        .as_ref()
        .map(|wanted| format!("convert it (toystore migrate --replication {wanted}), "));
    let convert = convert.unwrap_or_default();
    let number = |wanted: u8| wanted.to_string();
    let (orders, catalogs) = (options.orders.map(number), options.catalogs.map(number));
    let flags = [
        ("--replication", made.replication.to_string(), replication, convert.as_str()),
        ("--orders", number(made.orders), orders, ""),
        ("--catalog-replicas", number(made.catalogs), catalogs, ""),
    ];
    for (flag, has, wanted, or) in flags {
        let Some(wanted) = wanted.filter(|wanted| *wanted != has) else { continue };
        bail!(
            "the store in {data} was made with {flag} {has}, and {flag} {wanted} contradicts that\n\
             hint: leave {flag} away, {or}or begin a new store in another folder with --data"
        );
    }
    Ok(made)
}

fn choose_ports(options: &Options, counts: Counts) -> Result<Ports> {
    if options.ports_auto {
        return Ports::free(options.wanted, options.frontends, counts, rand::random());
    }
    let ports = Ports::fixed(options.wanted, options.frontends, counts)?;
    ports.check_free()?;
    Ok(ports)
}
