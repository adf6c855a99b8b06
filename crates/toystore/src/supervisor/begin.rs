//! How a store begins: what its folder remembers, which nodes that makes, on which ports; and
//! waiting until all are ready.
//!
//! A store that was ready once also begins without a node whose disk was lost or damaged, as long
//! as enough are left: that is what the others are for. Called by `up`, `demo`, `run`, `compare`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use replication::Protocol;

use super::child::Watch;
use super::cluster::State;
use super::event::Event;
use super::folder::{Folder, Made};
use super::health::{LIVE, READY, patience, wait_for_health};
use super::layout::{self, NodePlan, Places, Role};
use super::members::{self, Members};
use super::options::Options;
use super::ports::{Counts, Ports};
use super::{Node, Report, Store, migration, past};

/// How long all nodes may take until they are ready, beside what long logs take: leases of a
/// catalog that was killed must run out.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// How often other free ports are tried when someone took one first.
const PORT_TRIES_MAX: u32 = 5;

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
        // Of a store that was ready once.
        let members = Members::of(store.folder.path())?;
        let orders = members.as_ref().map_or(made.orders, |members| members.highest);
        let mut tries = 0;
        loop {
            tries += 1;
            let ports = choose_ports(options, Counts { orders, ..made.into() })?;
            let (folder, catalogue) = (store.folder.path(), options.catalogue.as_deref());
            let places = Places::of_processes(&ports, folder, &token, catalogue);
            let plans = layout::nodes(options, made, &places);
            let (plans, missing) = store.fit(plans, members.as_ref())?;
            store.spawn_all(plans.iter().filter(|plan| !missing.contains(&plan.name)))?;
            let ready = store.wait_until_ready(&plans, missing, members.is_some());
            let ready = tokio::select! {
                biased;
                () = &mut asked_to_stop => {
                    store.stop().await;
                    return Ok(None);
                }
                ready = ready => ready,
            };
            let (error, enough) = match ready {
                Ok(None) => break,
                Ok(Some(error)) => (error, true),
                Err(error) => (error, false),
            };
            // Who ended may have found its port taken, and not its log damaged.
            let taken = options.ports_auto && ports.taken_by_another(&store.pids());
            if enough && !taken {
                break;
            }
            store.stop().await;
            if !taken || tries == PORT_TRIES_MAX {
                return Err(error);
            }
            store.lock().stopping = false;
        }
        let runs = |node: &&mut Node| node.child.ended().is_none();
        store.lock().all.iter_mut().filter(runs).for_each(|node| node.state = State::Running);
        store.write_cluster();
        if members.is_none() {
            Members::first(made.orders).remember(store.folder.path())?;
        }
        Ok(Some(store))
    }

    /// Those of the nodes that there are, and which of them must not be started: their disks were
    /// lost, and with them what nobody else has.
    fn fit(
        &self,
        plans: Vec<NodePlan>,
        members: Option<&Members>,
    ) -> Result<(Vec<NodePlan>, BTreeSet<String>)> {
        let mut missing = BTreeSet::new();
        let Some(members) = members else { return Ok((plans, missing)) };
        let plans = members.fit(plans);
        for plan in &plans {
            let Some(why) = members::is_wiped(self.made, plan, self.folder.path()) else {
                continue;
            };
            missing.insert(plan.name.clone());
            (self.report)(&Event::LeftOut { name: plan.name.clone(), why });
        }
        members::check_enough(self.made, &plans, &missing)?;
        Ok((plans, missing))
    }

    fn spawn_all<'a>(
        self: &Arc<Store>,
        plans: impl IntoIterator<Item = &'a NodePlan>,
    ) -> Result<()> {
        let mut all = vec![];
        for plan in plans {
            all.push(self.launch(plan.clone())?);
        }
        self.lock().all = all;
        self.write_cluster();
        Ok(())
    }

    /// Returns when all are ready. If the store was ready once, also without those that are missing
    /// and those that end by themselves (a damaged log, say), as long as enough are left: says of
    /// one of them how.
    async fn wait_until_ready(
        &self,
        all: &[NodePlan],
        mut missing: BTreeSet<String>,
        was_ready: bool,
    ) -> Result<Option<anyhow::Error>> {
        let waits: Vec<(NodePlan, Watch)> = {
            let nodes = self.lock();
            nodes.all.iter().map(|node| (node.plan.clone(), node.child.watch())).collect()
        };
        // They read side by side.
        let deadline = patience(READY_DEADLINE, self.folder.path());
        let mut tasks = tokio::task::JoinSet::new();
        for (plan, mut watch) in waits {
            tasks.spawn(async move {
                let ended = watch.clone();
                let how = watch.how_it_ended();
                // One that came while the store ran may not be taken in yet: nobody needs it.
                let until = if members::joins(&plan) { LIVE } else { READY };
                let ready = wait_for_health(&plan.name, &plan.url, how, until, deadline).await;
                ready.map_err(|error| (plan, ended.has_ended(), error))
            });
        }
        let mut first = None;
        while let Some(done) = tasks.join_next().await {
            let done = done.context("a wait for readiness broke off")?;
            let Err((plan, ended, error)) = done else { continue };
            if !was_ready || !ended || plan.role == Role::Frontend {
                return Err(error);
            }
            missing.insert(plan.name);
            if let Err(why) = members::check_enough(self.made, all, &missing) {
                return Err(why.context(error));
            }
            first.get_or_insert(error);
        }
        Ok(first)
    }
}

/// What the store is made with: what the folder remembers, if nothing contradicts it.
fn agree(options: &Options, folder: &Folder) -> Result<Made> {
    past::refuse_unfinished(folder.path())?;
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
    let change = match made.replication {
        Protocol::Raft => "change it while the store runs (toystore node add, node remove), ",
        Protocol::Naive | Protocol::PrimaryBackup | Protocol::Paxos => "",
    };
    let flags = [
        ("--replication", made.replication.to_string(), replication, convert.as_str()),
        ("--orders", number(made.orders), orders, change),
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
