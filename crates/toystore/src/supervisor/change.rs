//! `toystore node add | remove | replace`: other order replicas, while the store works.
//!
//! A newcomer is started on an empty folder first, then the replicas are asked to take it in; one
//! that goes is asked for first, then stopped, and its folder is put aside. Each can be asked for
//! again if it came to no end: the replicas answer what is done already. Called by
//! [`super::control`]; asks the order replicas (`POST /members`).

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use replication::{NodeId, Protocol};
use serde::Deserialize;
use shop::message::{Group, Part};
use tokio::time::Instant;

use super::cluster::{Cluster, State};
use super::health::{LIVE, wait_for_health};
use super::layout::{NodePlan, Role};
use super::members::{Members, listens_on, newcomer, number, tell_of};
use super::ports::free_port;
use super::{Nodes, Store};
use crate::http::connection::{Ask, Connection, Said, Url};

/// How long a change may take until the command gives up waiting; it goes on by itself.
const CHANGE_DEADLINE: Duration = Duration::from_secs(60);
/// How long one replica may take to answer a question.
const ASK_DEADLINE: Duration = Duration::from_secs(2);
/// Between two rounds of asking everybody.
const ASK_INTERVAL: Duration = Duration::from_millis(50);
/// How long a replica that is out goes on: each frontend asks it once more meanwhile, and is told
/// who is there now. It may know no other of those.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a new process may take until it answers.
const LIVE_DEADLINE: Duration = Duration::from_secs(10);

/// Why a change did not come to its end.
enum NotDone {
    /// The replicas said no: nothing is changed.
    Refused(anyhow::Error),
    /// Nobody said anything in time: what was asked for may stand in the log of one that leads when
    /// a majority is back.
    Open(anyhow::Error),
}

impl From<NotDone> for anyhow::Error {
    fn from(not_done: NotDone) -> anyhow::Error {
        match not_done {
            NotDone::Refused(why) | NotDone::Open(why) => why,
        }
    }
}

#[derive(Deserialize)]
struct Answered {
    data: Group,
}

impl Store {
    /// One more order replica: returns when it votes.
    ///
    /// # Errors
    /// If the store's replicas are fixed, the replicas refuse, or the newcomer does not catch up.
    pub async fn add_order(self: &Arc<Store>) -> Result<String> {
        let id = self.next_order().await?;
        let plan = self.start_newcomer(id).await?;
        let wish = format!(r#"{{"add":{id},"url":"{}"}}"#, plan.url);
        if let Err(why) = self.change(&wish).await {
            return Err(self.undo_newcomer(id, why).await);
        }
        Ok(format!("order-{id} is a member and votes, at {}", plan.url))
    }

    /// One order replica less: returns when it is out and its process has ended.
    ///
    /// # Errors
    /// If there is no such replica, or the replicas refuse.
    pub async fn remove_order(self: &Arc<Store>, name: &str) -> Result<String> {
        self.can_change()?;
        if let Some(id) = self.never_taken_in(name).await? {
            let aside = self.put_aside(id).await?;
            return Ok(format!("order-{id} never was a member; {aside}"));
        }
        let id = self.order_id(name).await?;
        self.change(&format!(r#"{{"remove":{id}}}"#)).await?;
        let aside = self.put_aside(id).await?;
        Ok(format!("order-{id} is no member any more; {aside}"))
    }

    /// A new replica in the place of one that may be dead, under a new id: returns when the new one
    /// votes and the old one is out.
    ///
    /// # Errors
    /// As the two above.
    pub async fn replace_order(self: &Arc<Store>, name: &str) -> Result<String> {
        self.can_change()?;
        let old = self.order_id(name).await?;
        let id = self.next_order().await?;
        let plan = self.start_newcomer(id).await?;
        let wish = format!(r#"{{"replace":{old},"by":{id},"url":"{}"}}"#, plan.url);
        if let Err(why) = self.change(&wish).await {
            return Err(self.undo_newcomer(id, why).await);
        }
        let aside = self.put_aside(old).await?;
        Ok(format!("order-{id} votes in the place of order-{old}, at {}; {aside}", plan.url))
    }

    fn can_change(&self) -> Result<()> {
        match self.made.replication {
            Protocol::Raft => Ok(()),
            fixed @ (Protocol::Naive | Protocol::PrimaryBackup | Protocol::Paxos) => bail!(
                "the order replicas of this store are fixed: it was made with --replication \
                 {fixed}\nhint: a store made with --replication raft can change them while it runs"
            ),
        }
    }

    /// The id of a replica that belongs to the group; also of one whose process was never started.
    async fn order_id(&self, name: &str) -> Result<u8> {
        let id = name.strip_prefix("order-").and_then(|id| id.parse::<u8>().ok());
        let Some(id) = id else {
            bail!("{name:?} is no order replica: expected order-1, order-2, …");
        };
        let group = self.group().await?;
        if group.members.iter().all(|member| member.id != NodeId(id)) {
            let names: Vec<String> =
                group.members.iter().map(|member| format!("order-{}", member.id)).collect();
            bail!("order-{id} is no member; the members are {}", names.join(", "));
        }
        Ok(id)
    }

    /// One that was started to come, when whoever asked for that died: the others never heard of
    /// it.
    async fn never_taken_in(&self, name: &str) -> Result<Option<u8>> {
        let kept = Members::of(self.folder.path())?.unwrap_or_default();
        let mut orders = kept.orders.into_iter();
        let Some(id) = orders.find(|id| name == format!("order-{id}")) else { return Ok(None) };
        Ok((self.group().await?.highest < NodeId(id)).then_some(id))
    }

    /// The id that the next newcomer has: no id is used twice, also not that of one that was given
    /// up before it voted.
    async fn next_order(&self) -> Result<u8> {
        self.can_change()?;
        let group = self.group().await?;
        if let Some(learner) = group.members.iter().find(|member| member.part == Part::Learns) {
            bail!(
                "another change is under way: order-{} has not caught up yet\n\
                 hint: wait, or give it up with `toystore node remove order-{}`",
                learner.id,
                learner.id
            );
        }
        let folder = self.folder.path();
        let kept = Members::of(folder)?.unwrap_or_default();
        let mut id = group.highest.0.max(kept.highest) + 1;
        while folder.join(format!("order-{id}")).exists() {
            id += 1;
        }
        if id > NodeId::MAX {
            bail!("ids of replicas go up to {}, and all of them were used", NodeId::MAX);
        }
        Ok(id)
    }

    /// The members, as the first replica that answers knows them; of one that leads, if there is.
    async fn group(&self) -> Result<Group> {
        let ask = self.internal(Ask::get("/members"))?;
        let give_up = Instant::now() + CHANGE_DEADLINE;
        while Instant::now() < give_up {
            let mut best: Option<Group> = None;
            for url in self.order_urls()? {
                let said = Connection::new(url).ask(&ask, ASK_DEADLINE).await;
                let Ok(said) = said else { continue };
                if let Ok(Answered { data }) = serde_json::from_slice(&said.body) {
                    // A newcomer knows of nobody; one that lags, of fewer ids.
                    let knows = !data.members.is_empty();
                    if knows && best.as_ref().is_none_or(|best| best.highest < data.highest) {
                        best = Some(data);
                    }
                }
            }
            if let Some(group) = best {
                return Ok(group);
            }
            tokio::time::sleep(ASK_INTERVAL).await;
        }
        bail!("no order replica answers\nhint: toystore status shows the replicas")
    }

    /// Asks every replica in turn until the one that leads says that it is done.
    async fn change(&self, wish: &str) -> Result<(), NotDone> {
        let ask = Ask {
            method: hyper::Method::POST,
            path: "/members".into(),
            body: wish.to_string().into(),
            ..Ask::default()
        };
        let ask = self.internal(ask).map_err(NotDone::Refused)?;
        let give_up = Instant::now() + CHANGE_DEADLINE;
        let mut last_words = String::from("nobody answered");
        while Instant::now() < give_up {
            for url in self.order_urls().map_err(NotDone::Open)? {
                let left = give_up.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                match Connection::new(url).ask(&ask, left).await {
                    Ok(Said { status: 200, .. }) => return Ok(()),
                    Ok(said) if matches!(said.status, 421 | 503) => last_words = said.message(),
                    Ok(said) => return Err(NotDone::Refused(anyhow!(said.message()))),
                    // Asked again, it answers what became of it.
                    Err(no_answer) => last_words = no_answer.to_string(),
                }
            }
            tokio::time::sleep(ASK_INTERVAL).await;
        }
        Err(NotDone::Open(anyhow!(
            "not done within {CHANGE_DEADLINE:?}, and it may still be ({last_words})\n\
             hint: `toystore status` shows the members; `toystore node remove` gives a newcomer up \
             that does not catch up"
        )))
    }

    fn internal(&self, ask: Ask) -> Result<Ask> {
        let token = self.cluster().token()?;
        Ok(ask.with("authorization", format!("Bearer {token}")))
    }

    fn order_urls(&self) -> Result<Vec<Url>> {
        let cluster: Cluster = self.cluster();
        let running = cluster.of(Role::Order).filter(|member| member.state == State::Running);
        running.map(|member| member.url()).collect()
    }

    /// A process with an empty folder, which the next `up` starts too.
    async fn start_newcomer(self: &Arc<Store>, id: u8) -> Result<NodePlan> {
        let (like, taken) = {
            let nodes = self.lock();
            let mut orders = nodes.all.iter().filter(|node| node.plan.role == Role::Order);
            let like = orders.next().context("there is no order replica")?.plan.clone();
            let taken = nodes.all.iter().filter_map(|node| listens_on(&node.plan));
            (like, taken.collect::<Vec<_>>())
        };
        let plan = newcomer(&like, id, free_address(&like, id, &taken)?);
        self.edit_members(|members| members.join(id))?;
        let plans = {
            let mut nodes = self.lock();
            let mut plans: Vec<NodePlan> =
                nodes.all.iter().map(|node| node.plan.clone()).chain([plan]).collect();
            tell_of(&mut plans);
            nodes.learn(&plans);
            plans
        };
        let plan = plans.into_iter().next_back().context("the newcomer is the last")?;
        let node = self.launch(plan.clone())?;
        let mut watch = node.child.watch();
        self.lock().all.push(node);
        self.write_cluster();
        wait_for_health(&plan.name, &plan.url, watch.how_it_ended(), LIVE, LIVE_DEADLINE).await?;
        self.set_state(&plan.name, State::Running)?;
        Ok(plan)
    }

    /// A newcomer that was refused is nobody's; one that may still be taken in goes on.
    async fn undo_newcomer(self: &Arc<Store>, id: u8, why: NotDone) -> anyhow::Error {
        let error = match why {
            NotDone::Open(error) => return error,
            NotDone::Refused(error) => error,
        };
        let belongs = self
            .group()
            .await
            .map_or(true, |group| group.members.iter().any(|member| member.id == NodeId(id)));
        if !belongs && let Err(also) = self.put_aside(id).await {
            return error.context(format!("order-{id} could not be put aside: {also:#}"));
        }
        error
    }

    /// Ends the process of a replica that is out, and puts its folder where nothing finds it again.
    async fn put_aside(self: &Arc<Store>, id: u8) -> Result<String> {
        let name = format!("order-{id}");
        self.edit_members(|members| members.leave(id))?;
        let runs = self.lock().running(&name).is_ok();
        if runs {
            tokio::time::sleep(FAREWELL).await;
            self.end(&name).await?;
        }
        {
            let mut nodes = self.lock();
            nodes.all.retain(|node| node.plan.name != name);
            let mut plans: Vec<NodePlan> = nodes.all.iter().map(|node| node.plan.clone()).collect();
            tell_of(&mut plans);
            nodes.learn(&plans);
        }
        self.write_cluster();
        let folder = self.folder.path().join(&name);
        if !folder.exists() {
            return Ok("it has no folder".to_string());
        }
        let aside = self.folder.path().join(format!("{name}.removed"));
        std::fs::rename(&folder, &aside)
            .with_context(|| format!("cannot put {} aside", folder.display()))?;
        Ok(format!("its folder is put aside as {}", shown(&aside)))
    }

    fn edit_members(&self, edit: impl FnOnce(&mut Members)) -> Result<()> {
        let folder = self.folder.path();
        let mut members = Members::of_store(folder, self.made)?;
        edit(&mut members);
        members.remember(folder)
    }
}

impl Nodes {
    /// The command lines of the next start of each.
    fn learn(&mut self, plans: &[NodePlan]) {
        for node in &mut self.all {
            if let Some(plan) = plans.iter().find(|plan| plan.name == node.plan.name) {
                node.plan = plan.clone();
            }
        }
    }
}

fn shown(path: &std::path::Path) -> String {
    path.file_name().map_or_else(PathBuf::new, PathBuf::from).display().to_string()
}

/// The port that goes with the id, as every replica has it, if it is nobody's; else some free one.
/// A node that is dead keeps its own.
fn free_address(like: &NodePlan, id: u8, taken: &[SocketAddr]) -> Result<SocketAddr> {
    let address = listens_on(like).context("an order replica listens somewhere")?;
    let first = number(like).context("it has a number")?;
    let port = u32::from(address.port()) + u32::from(id) - u32::from(first);
    let usual = u16::try_from(port).map(|port| SocketAddr::new(address.ip(), port));
    if let Ok(usual) = usual
        && !taken.contains(&usual)
        && TcpListener::bind(usual).is_ok()
    {
        return Ok(usual);
    }
    let mut next = rand::random();
    loop {
        let (free, _) = free_port(address.ip(), &mut next)?;
        if !taken.contains(&free) {
            return Ok(free);
        }
    }
}
