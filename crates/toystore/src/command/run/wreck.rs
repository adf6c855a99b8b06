//! What goes wrong with real nodes: each fault of a scenario at its time, and its end.
//!
//! A fault is a task of its own, so that they may overlap; what they share is the stage and its
//! broken links. Everything that happens is told, and goes into the history as an event. Called by
//! [`super::real`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use checker::history::{EventKind, Line};
use replication::Time;
use simulator::Scenario;
use simulator::fault::{Fault, Moment, Shape, Target};
use simulator::who::Who;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::World;
use super::links::{Leaders, Links};
use super::stage::Stage;
use crate::client::runner::Clock;
use crate::command::demo::story::Story;
use crate::supervisor::cluster::{Member, State};
use crate::supervisor::leader;

/// How often it is looked who leads, and whether a node must still be told its faults.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A scenario under way, among real nodes.
pub struct Wreck {
    stage: Stage,
    scenario: Scenario,
    clock: Clock,
    story: Story,
    token: String,
    links: Mutex<Links>,
    /// Lines for the history.
    events: Mutex<Vec<String>>,
}

/// What this world cannot do.
///
/// # Errors
/// Names the fault, and says where it can be played.
pub fn check(scenario: &Scenario, world: World) -> Result<()> {
    for (at, fault) in &scenario.faults {
        let possible = match fault {
            Fault::Crash { moment, again, .. } => *moment == Moment::Now && *again == 0,
            Fault::Cut { held, .. } => !held,
            Fault::Stop { .. } | Fault::Pause { .. } | Fault::Degrade { .. } => true,
            Fault::PowerCut { whom, .. } => whom.is_none(),
            Fault::FullDisk { whom, room, .. } => {
                world == World::Compose && *room == 0 && keeps(scenario, *whom)
            }
            Fault::Roll { .. }
            | Fault::Reset { .. }
            | Fault::Loss { .. }
            | Fault::Lag { .. }
            | Fault::SlowDisk { .. }
            | Fault::FailedDisk { .. }
            | Fault::Rot { .. }
            | Fault::Skew { .. }
            | Fault::Members(_) => false,
        };
        if !possible {
            bail!(
                "real nodes of this world cannot be made to do this, at {at}: {fault}\n\
                 hint: --world sim can"
            );
        }
    }
    Ok(())
}

/// Whether no fault may end its process: a volume that can be full is in memory, and gone with its
/// container.
fn keeps(scenario: &Scenario, whom: Target) -> bool {
    let ends = |fault: &Fault| match *fault {
        Fault::Crash { whom: other, .. } | Fault::Stop { whom: other, .. } => {
            may_be_same(whom, other)
        }
        Fault::PowerCut { .. } => true,
        _ => false,
    };
    !scenario.faults.iter().any(|(_, fault)| ends(fault))
}

/// Whether two targets may be the same process at some moment.
fn may_be_same(one: Target, other: Target) -> bool {
    let drawn = |target: Target| !matches!(target, Target::Process(_));
    let order = |target: Target| match target {
        Target::Leader | Target::Follower | Target::Place(_) | Target::Process(Who::Order(_)) => {
            Some(true)
        }
        Target::CatalogLeader | Target::Process(Who::Catalog(_)) => Some(false),
        Target::Process(Who::Frontend(_) | Who::Shopper(_) | Who::Asker) => None,
    };
    let same_service = order(one).is_some() && order(one) == order(other);
    one == other || same_service && (drawn(one) || drawn(other))
}

impl Wreck {
    /// Nothing is wrong yet.
    ///
    /// # Errors
    /// If the store's token cannot be read.
    pub fn new(
        stage: Stage,
        scenario: Scenario,
        seed: u64,
        clock: Clock,
        story: Story,
    ) -> Result<Arc<Wreck>> {
        let token = stage.cluster().token()?;
        let (links, events) = (Mutex::new(Links::new(seed)), Mutex::default());
        Ok(Arc::new(Wreck { stage, scenario, clock, story, token, links, events }))
    }

    /// Plays every fault, until the last one has ended, and not before the shoppers' time is over.
    ///
    /// # Errors
    /// If a node cannot be broken, or mended again.
    pub async fn run(self: Arc<Wreck>) -> Result<()> {
        let mut faults = JoinSet::new();
        for (number, (at, fault)) in self.scenario.faults.iter().copied().enumerate() {
            let wreck = self.clone();
            faults.spawn(async move { wreck.play(number, at, fault).await });
        }
        let watch = tokio::spawn(self.clone().watch());
        let mut done = Ok(());
        while let Some(ended) = faults.join_next().await {
            done = done.and(ended?);
        }
        self.wait_until(Time(0) + self.scenario.length).await;
        watch.abort();
        // Once more, for a node that did not listen before.
        done.and(self.tell().await)
    }

    /// Everything that happened, as lines of a history.
    pub async fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.events.lock().await)
    }

    async fn wait_until(&self, time: Time) {
        tokio::time::sleep(time.since(self.clock.now())).await;
    }

    async fn tell(&self) -> Result<()> {
        self.links.lock().await.tell(&self.stage.cluster(), &self.token).await
    }

    async fn play(&self, number: usize, at: Time, fault: Fault) -> Result<()> {
        self.wait_until(at).await;
        let hit = self.begin(number, &fault).await?;
        if hit.is_empty() {
            self.story.tell(format_args!("this hits nobody: {fault}"));
            return Ok(());
        }
        self.story.tell(fault);
        let began = self.clock.now();
        let end = (at + fault.length()).min(Time(0) + self.scenario.length);
        self.wait_until(end).await;
        self.end(number, &fault, &hit).await?;
        let what = fault.to_string();
        let line = Line {
            event: Some(EventKind::Fault),
            at: Some(began.0),
            until: Some(self.clock.now().0),
            node: fault.whom().and(hit.first()).map(|node| node.as_str().into()),
            what: Some(what.as_str().into()),
            ..Line::default()
        };
        self.events.lock().await.push(line.json());
        Ok(())
    }

    /// The engine can take a container off the network; a process breaks its own links.
    fn in_containers(&self) -> bool {
        matches!(self.stage, Stage::Containers(_))
    }

    /// Another fault may have come between.
    fn is(&self, node: &str, states: &[State]) -> bool {
        let nodes = self.stage.cluster().nodes;
        nodes.iter().any(|one| one.name == node && states.contains(&one.state))
    }

    /// Who leads now.
    async fn leaders(&self) -> Leaders {
        let cluster = self.stage.cluster();
        let of = |member: Result<Member>| {
            let name = member.ok()?.name;
            self.scenario.seats.servers().into_iter().find(|who| who.to_string() == name)
        };
        Leaders {
            order: of(leader::find(&cluster).await),
            catalog: of(leader::find_catalog(&cluster).await),
        }
    }

    /// Returns whom it hit.
    async fn begin(&self, number: usize, fault: &Fault) -> Result<Vec<String>> {
        let (seats, leaders) = (self.scenario.seats, self.leaders().await);
        let who = |whom: Target| match whom {
            Target::Process(who) => Some(who),
            Target::Leader => leaders.order,
            Target::CatalogLeader => leaders.catalog,
            Target::Follower => seats.other_order(leaders.order?),
            Target::Place(_) => None,
        };
        let name = |whom: Target| who(whom).map(|who| who.to_string());
        let runs = |name: &String| self.is(name, &[State::Running]);
        let one = |whom: Target| name(whom).filter(runs);
        Ok(match *fault {
            Fault::PowerCut { .. } => {
                let nodes = self.stage.cluster().nodes.into_iter();
                let names: Vec<String> = nodes.map(|node| node.name).filter(runs).collect();
                self.stage.kill(&names).await?;
                names
            }
            Fault::Crash { whom, .. } => match one(whom) {
                Some(name) => {
                    let names = vec![name];
                    self.stage.kill(&names).await?;
                    names
                }
                None => vec![],
            },
            Fault::Stop { whom, .. } => match one(whom) {
                Some(name) => {
                    self.stage.end(&name).await?;
                    vec![name]
                }
                None => vec![],
            },
            Fault::Pause { whom, .. } => match one(whom) {
                Some(name) => {
                    self.stage.pause(&name).await?;
                    vec![name]
                }
                None => vec![],
            },
            Fault::Cut { shape: Shape::Isolate(whom), .. } if self.in_containers() => {
                match name(whom) {
                    Some(name) => {
                        self.stage.containers()?.cut_off(&name).await?;
                        vec![name]
                    }
                    None => vec![],
                }
            }
            Fault::FullDisk { whom, .. } => match one(whom) {
                Some(name) => {
                    self.stage.containers()?.fill(&name).await?;
                    vec![name]
                }
                None => vec![],
            },
            _ => {
                let mut links = self.links.lock().await;
                let hits = links.begin(number, fault, seats, leaders);
                links.tell(&self.stage.cluster(), &self.token).await?;
                if hits { vec!["links".to_string()] } else { vec![] }
            }
        })
    }

    async fn end(&self, number: usize, fault: &Fault, hit: &[String]) -> Result<()> {
        match fault {
            Fault::PowerCut { .. } | Fault::Crash { .. } | Fault::Stop { .. } => {
                let dead = [State::Dead, State::Stopped];
                let hit: Vec<&String> = hit.iter().filter(|node| self.is(node, &dead)).collect();
                for node in &hit {
                    self.links.lock().await.forget(node);
                }
                let mut starts = JoinSet::new();
                for node in hit {
                    let (stage, node) = (self.stage.clone(), node.clone());
                    starts.spawn(async move { stage.start_again(&node).await });
                }
                while let Some(started) = starts.join_next().await {
                    self.story.tell(started??);
                }
            }
            Fault::Pause { .. } => {
                for node in hit.iter().filter(|node| self.is(node, &[State::Paused])) {
                    self.story.tell(self.stage.resume(node).await?);
                }
            }
            Fault::Cut { shape: Shape::Isolate(_), .. } if self.in_containers() => {
                for node in hit {
                    self.stage.containers()?.rejoin(node).await?;
                }
                self.story.tell(format_args!("mended: {fault}"));
            }
            Fault::FullDisk { .. } => {
                for node in hit {
                    self.stage.containers()?.make_room(node).await?;
                }
                self.story.tell(format_args!("mended: {fault}"));
            }
            _ => {
                self.links.lock().await.end(number);
                self.story.tell(format_args!("mended: {fault}"));
            }
        }
        self.tell().await
    }

    /// Toys of which more were restocked than before. They are noticed late: drawn, not believed.
    async fn notice_restocks(&self, known: &mut BTreeMap<String, u64>) {
        let cluster = self.stage.cluster();
        let Ok(said) = leader::ask_catalog(&cluster).await else { return };
        for toy in said.toys {
            let before = known.insert(toy.name.to_string(), toy.restocked).unwrap_or(0);
            if toy.restocked > before {
                let line = Line {
                    event: Some(EventKind::Restock),
                    at: Some(self.clock.now().0),
                    toy: Some(toy.name.spelling().into()),
                    quantity: i64::try_from(toy.restocked - before).ok(),
                    ..Line::default()
                };
                self.events.lock().await.push(line.json());
            }
        }
    }

    /// Notices who leads and what is restocked, and tells faults to whoever could not be told
    /// before.
    async fn watch(self: Arc<Wreck>) {
        let (mut known, mut restocked) = (None, BTreeMap::new());
        loop {
            self.notice_restocks(&mut restocked).await;
            if let Ok((member, term)) = leader::find_with_term(&self.stage.cluster()).await
                && known.as_ref() != Some(&(member.name.clone(), term))
            {
                self.story.tell(format_args!("{} leads under term {term}", member.name));
                let words = term.to_string();
                let line = Line {
                    event: Some(EventKind::Leader),
                    at: Some(self.clock.now().0),
                    node: Some(member.name.as_str().into()),
                    term: Some(words.as_str().into()),
                    ..Line::default()
                };
                self.events.lock().await.push(line.json());
                known = Some((member.name, term));
            }
            // A node that refuses is heard of when its fault begins or ends.
            let _ = self.tell().await;
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}
