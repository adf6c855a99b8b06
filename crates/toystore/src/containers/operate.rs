//! What can be done to the containers of a running store. Each returns when the thing has happened.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::compose::{self, SMALL_MIB};
use super::engine::docker;
use super::{DRAIN_SECONDS, Node, Project};
use crate::supervisor::cluster::{State, no_node};
use crate::supervisor::health::LIVE;

/// How long a node that is started again may take until it answers.
pub const LIVE_DEADLINE: Duration = Duration::from_secs(20);
/// What fills a volume: a file of this machine, and where it goes.
pub const BALLAST_FILE: &str = "ballast";
const BALLAST: &str = "/data/ballast";

impl Project {
    /// SIGKILL to the processes of all these, as one.
    ///
    /// # Errors
    /// If there is no such node, it does not run, or Docker says no.
    pub async fn kill(&self, names: &[String]) -> Result<()> {
        // Known before it is done: whoever wants to kill it too meanwhile finds it dead.
        for name in names {
            self.expect(name, &[State::Running, State::Paused])?;
            self.set(name, State::Dead);
        }
        let containers: Vec<String> = names.iter().map(|name| self.container(name)).collect();
        let mut words = vec!["kill"];
        words.extend(containers.iter().map(String::as_str));
        docker(&words).await.map(|_| ())
    }

    /// SIGTERM to its process, which drains and ends.
    ///
    /// # Errors
    /// As above.
    pub async fn end(&self, name: &str) -> Result<String> {
        self.expect(name, &[State::Running])?;
        docker(&["stop", "--time", DRAIN_SECONDS, &self.container(name)]).await?;
        self.set(name, State::Stopped);
        Ok(format!("{name} has ended"))
    }

    /// Freezes all of the container: hung, not dead.
    ///
    /// # Errors
    /// As above.
    pub async fn pause(&self, name: &str) -> Result<String> {
        self.expect(name, &[State::Running])?;
        docker(&["pause", &self.container(name)]).await?;
        self.set(name, State::Paused);
        Ok(format!("{name} is paused"))
    }

    /// It goes on where it was frozen.
    ///
    /// # Errors
    /// As above.
    pub async fn resume(&self, name: &str) -> Result<String> {
        self.expect(name, &[State::Paused])?;
        docker(&["unpause", &self.container(name)]).await?;
        self.set(name, State::Running);
        Ok(format!("{name} goes on"))
    }

    /// Starts a container that ended, on its own volume; returns when its node answers.
    ///
    /// # Errors
    /// If it does not come up; as above.
    pub async fn start_again(&self, name: &str) -> Result<String> {
        let node = self.expect(name, &[State::Dead, State::Stopped])?;
        let started = Instant::now();
        docker(&["start", &self.container(name)]).await?;
        self.wait_for(&node, LIVE, LIVE_DEADLINE).await?;
        self.set(name, State::Running);
        Ok(format!("{name} runs again after {} ms", started.elapsed().as_millis()))
    }

    /// Takes a node off the network on which the others are.
    ///
    /// # Errors
    /// As above.
    pub async fn cut_off(&self, name: &str) -> Result<()> {
        if self.count_cuts(name, |cuts| cuts + 1) != 1 {
            return Ok(());
        }
        let network = compose::network(&self.name, "back");
        docker(&["network", "disconnect", &network, &self.container(name)]).await.map(|_| ())
    }

    /// Puts it back, once nothing cuts it off any more: under the name that the others know,
    /// perhaps with another address.
    ///
    /// # Errors
    /// As above.
    pub async fn rejoin(&self, name: &str) -> Result<()> {
        if self.count_cuts(name, |cuts| cuts - 1) != 0 {
            return Ok(());
        }
        let (network, alias) = (compose::network(&self.name, "back"), compose::name_on_back(name));
        let container = self.container(name);
        docker(&["network", "connect", "--alias", &alias, &network, &container]).await.map(|_| ())
    }

    /// Fills a node's volume to the last byte. It must be a small one.
    ///
    /// # Errors
    /// If it cannot be filled.
    pub async fn fill(&self, name: &str) -> Result<()> {
        // More than fits: what fits stays, and Docker says that the rest did not.
        match self.put_ballast(name, u64::from(SMALL_MIB) << 20).await {
            Ok(()) => bail!("{name} has room for more than {SMALL_MIB} MiB"),
            Err(error) if format!("{error:#}").contains("no space left") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes room again.
    ///
    /// # Errors
    /// If Docker says no.
    pub async fn make_room(&self, name: &str) -> Result<()> {
        self.put_ballast(name, 0).await
    }

    /// There is no shell in the container: the file comes from outside.
    async fn put_ballast(&self, name: &str, bytes: u64) -> Result<()> {
        let path = self.folder.join(BALLAST_FILE);
        let make = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&path)?;
            let piece = vec![0x5a; 1 << 20];
            for _ in 0..bytes >> 20 {
                file.write_all(&piece)?;
            }
            Ok(())
        };
        make().with_context(|| format!("cannot write {}", path.display()))?;
        let from = path.to_str().context("the path of the bundle is not UTF-8")?;
        docker(&["cp", from, &format!("{}:{BALLAST}", self.container(name))]).await.map(|_| ())
    }

    fn expect(&self, name: &str, states: &[State]) -> Result<Node> {
        let nodes = self.lock();
        let node = nodes.iter().find(|node| node.plan.name == name);
        let names = || nodes.iter().map(|node| node.plan.name.as_str());
        let node = node.with_context(|| no_node(name, names()))?;
        if !states.contains(&node.state) {
            bail!("{name} is {}", node.state);
        }
        Ok(node.clone())
    }

    fn count_cuts(&self, name: &str, count: impl Fn(u32) -> u32) -> u32 {
        let mut nodes = self.lock();
        let node = nodes.iter_mut().find(|node| node.plan.name == name);
        node.map_or(0, |node| {
            node.cuts = count(node.cuts);
            node.cuts
        })
    }

    fn set(&self, name: &str, state: State) {
        let mut nodes = self.lock();
        nodes.iter_mut().filter(|node| node.plan.name == name).for_each(|node| node.state = state);
    }
}
