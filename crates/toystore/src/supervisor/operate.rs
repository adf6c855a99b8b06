//! What can be done to the nodes of a running store: kill, pause, resume, start, stop.
//!
//! Each returns when the thing has happened. Called by [`super::control`] for other processes, and
//! by `up` and `demo` directly.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::Signal;

use super::Store;
use super::child::Watch;
use super::cluster::State;
use super::event::Event;
use super::health::{LIVE, patience, wait_for_health};
use super::layout::Role;
use super::members;

/// How long a node that is started again may take until it answers, beside what a long log takes.
const LIVE_DEADLINE: Duration = Duration::from_secs(10);
/// How long the kernel may take to stop or wake a process.
const SIGNAL_DEADLINE: Duration = Duration::from_secs(2);
/// How often it is asked meanwhile.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(1);
/// How long each tier has to drain before it is killed; three tiers stay within 3 s.
const DRAIN_DEADLINE: Duration = Duration::from_millis(900);

impl Store {
    /// SIGKILL: returns when the process is gone.
    ///
    /// # Errors
    /// If there is no such node, or it does not run.
    pub async fn kill(&self, name: &str) -> Result<String> {
        let (pid, mut watch) = {
            let mut nodes = self.lock();
            let node = nodes.running(name)?;
            node.kill_asked = true;
            node.child.signal(Signal::KILL);
            (node.child.pid(), node.child.watch())
        };
        watch.ended().await;
        self.note_end(name, pid);
        Ok(format!("{name} (pid {pid}) is killed"))
    }

    /// SIGTERM: returns when the process has drained and ended; one that does not is killed.
    ///
    /// # Errors
    /// If there is no such node, or it does not run.
    pub async fn end(&self, name: &str) -> Result<String> {
        let (pid, mut watch) = {
            let mut nodes = self.lock();
            let node = nodes.running(name)?;
            node.kill_asked = true;
            node.child.signal(Signal::TERM);
            (node.child.pid(), node.child.watch())
        };
        if tokio::time::timeout(DRAIN_DEADLINE, watch.ended()).await.is_err() {
            (self.report)(&Event::DoesNotDrain { name: name.to_string() });
            return self.kill(name).await;
        }
        self.note_end(name, pid);
        Ok(format!("{name} (pid {pid}) has ended"))
    }

    /// SIGSTOP: hung, not dead. Returns when the process has stopped.
    ///
    /// # Errors
    /// If there is no such node, or it does not run.
    pub async fn pause(&self, name: &str) -> Result<String> {
        if self.lock().running(name)?.state == State::Paused {
            bail!("{name} is paused already\nhint: toystore resume {name}");
        }
        self.signal_until(name, Signal::STOP, true).await?;
        let pid = self.set_state(name, State::Paused)?;
        (self.report)(&Event::Paused { name: name.to_string() });
        Ok(format!("{name} (pid {pid}) is paused"))
    }

    /// SIGCONT: the process goes on where it was stopped.
    ///
    /// # Errors
    /// If there is no such node, or it is not paused.
    pub async fn resume(&self, name: &str) -> Result<String> {
        let state = self.lock().running(name)?.state;
        if state != State::Paused {
            bail!("{name} is not paused, it is {state}");
        }
        self.signal_until(name, Signal::CONT, false).await?;
        let pid = self.set_state(name, State::Running)?;
        (self.report)(&Event::Resumed { name: name.to_string() });
        Ok(format!("{name} (pid {pid}) goes on"))
    }

    /// Starts a node that ended, where it was, on its own data; returns when it answers.
    ///
    /// # Errors
    /// If there is no such node, it runs, or it does not come up.
    pub async fn start_again(self: &Arc<Store>, name: &str) -> Result<String> {
        let plan = {
            let mut nodes = self.lock();
            if nodes.stopping {
                bail!("the store is being stopped");
            }
            let node = nodes.find(name)?;
            match node.state {
                State::Dead | State::Stopped => node.plan.clone(),
                State::Paused => {
                    bail!("{name} is paused, not dead\nhint: toystore resume {name}")
                }
                State::Starting | State::Running => {
                    bail!("{name} runs already (pid {})", node.child.pid())
                }
            }
        };
        if let Some(why) = members::is_wiped(self.made, &plan, self.folder.path()) {
            bail!(why);
        }
        let started = Instant::now();
        let child = self.spawn(&plan)?;
        let pid = child.pid();
        let mut watch = child.watch();
        {
            let mut nodes = self.lock();
            let node = nodes.find(name)?;
            node.child = child;
            node.state = State::Starting;
            node.ended = None;
            node.kill_asked = false;
        }
        self.await_end(name.to_string(), pid, watch.clone());
        self.write_cluster();
        let deadline = patience(LIVE_DEADLINE, &plan.data);
        wait_for_health(name, &plan.url, watch.how_it_ended(), LIVE, deadline).await?;
        self.set_state(name, State::Running)?;
        (self.report)(&Event::Returned { name: name.to_string(), pid });
        Ok(format!("{name} (pid {pid}) runs again after {} ms", started.elapsed().as_millis()))
    }

    /// Stops frontends, then order replicas, then the catalog, within 3 s; whoever does not drain
    /// in time is killed. Paused nodes are woken to be stopped.
    pub async fn stop(&self) {
        self.lock().stopping = true;
        for role in [Role::Frontend, Role::Order, Role::Catalog] {
            let waits: Vec<(usize, Watch)> = {
                let nodes = self.lock();
                let tier = nodes.all.iter().enumerate().filter(|(_, n)| n.plan.role == role);
                tier.map(|(place, node)| {
                    node.child.signal(Signal::TERM);
                    node.child.signal(Signal::CONT);
                    (place, node.child.watch())
                })
                .collect()
            };
            let deadline = tokio::time::Instant::now() + DRAIN_DEADLINE;
            for (place, mut watch) in waits {
                if tokio::time::timeout_at(deadline, watch.ended()).await.is_err() {
                    let name = self.lock().all[place].plan.name.clone();
                    (self.report)(&Event::DoesNotDrain { name });
                    self.lock().all[place].child.signal(Signal::KILL);
                    watch.ended().await;
                }
            }
        }
        for node in &mut self.lock().all {
            if !matches!(node.state, State::Dead) {
                node.state = State::Stopped;
            }
        }
        // A store that does not run is not found; its folder says nothing wrong.
        let _ = std::fs::remove_file(self.folder.path().join("cluster.json"));
    }

    async fn signal_until(&self, name: &str, signal: Signal, paused: bool) -> Result<()> {
        self.lock().running(name)?.child.signal(signal);
        let deadline = Instant::now() + SIGNAL_DEADLINE;
        while self.lock().running(name)?.child.is_paused() != paused {
            if Instant::now() > deadline {
                bail!("{name} did not react within {SIGNAL_DEADLINE:?}");
            }
            tokio::time::sleep(SIGNAL_INTERVAL).await;
        }
        Ok(())
    }
}
