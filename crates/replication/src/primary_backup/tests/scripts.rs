//! Runs the golden scripts: each shows one rule as a transcript.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use bytes::Bytes;
use goldenscript::{Context, Runner};
use test_each_file::test_each_path;

use crate::engine::{Engine, Input};
use crate::primary_backup::Rules;
use crate::term::{NodeId, Term};

use super::world::World;

test_each_path! { in "crates/replication/src/primary_backup/testscripts" as scripts => run }

fn run(path: &Path) {
    goldenscript::run(&mut Script { world: World::new(3, Rules::View) }, path).expect("script");
}

struct Script {
    world: World,
}

/// What a script can do.
#[derive(goldenscript::Command)]
enum Command {
    /// The same three replicas without view and fence.
    Naive,
    /// The same three replicas, of which each may lead at the price of what the others have.
    Unclean,
    /// Processes start.
    Start(Vec<u8>),
    /// The frontend tells a replica to lead, since every term up to `after` failed.
    Lead {
        id: u8,
        #[arg(key)]
        after: Option<Term>,
    },
    /// The frontend tells a replica who leads.
    Follow {
        id: u8,
        leader: u8,
    },
    /// A client's commands.
    Propose {
        id: u8,
        commands: Vec<String>,
    },
    /// May a read be answered?
    Barrier {
        id: u8,
        tag: u64,
    },
    /// Disks, messages and the arbiter, until all is quiet.
    Settle,
    /// Disks catch up.
    Sync(Vec<u8>),
    /// All messages that are under way now, nothing that follows from them.
    Deliver,
    /// Every message under way is lost.
    Lose,
    /// The arbiter answers one question.
    Arbitrate,
    /// It decides, but its answer is lost.
    Unheard,
    /// The arbiter is `up` or `down`.
    Arbiter(String),
    /// Power loss: what was not synced is gone.
    Crash(Vec<u8>),
    Restart(Vec<u8>),
    /// Writes a snapshot and forgets the log before it.
    Checkpoint(Vec<u8>),
    /// The next snapshot that they get cannot be read.
    Damage(Vec<u8>),
    Pause(Vec<u8>),
    Resume(Vec<u8>),
    /// Cut off from everybody else.
    Cut(Vec<u8>),
    /// All cuts end.
    Heal,
    /// Everybody's connections to these are refused.
    Refused(Vec<u8>),
    /// Connections to these are there again.
    Reached(Vec<u8>),
    /// So many milliseconds pass.
    Advance(u64),
    Status,
}

impl Script {
    fn each(&mut self, ids: &[u8], act: impl Fn(&mut World, NodeId)) {
        for id in ids {
            act(&mut self.world, NodeId(*id));
        }
    }

    fn link(&mut self, ids: &[u8], up: bool) {
        self.each(ids, |world, peer| {
            for id in world.hosts.keys().copied().collect::<Vec<_>>() {
                if id != peer {
                    world.step(id, Input::Link { peer, up });
                }
            }
        });
    }

    fn pause(&mut self, ids: &[u8], paused: bool) {
        self.each(ids, |world, id| world.hosts.get_mut(&id).expect("a host").paused = paused);
    }

    fn status(&self) -> String {
        let mut text = String::new();
        for (id, host) in &self.world.hosts {
            let status = host.engine.status();
            let state = match (host.up, host.paused) {
                (false, _) => "down".to_string(),
                (true, true) => format!("{} (paused)", status.role),
                (true, false) => status.role.clone(),
            };
            let log = host.engine.log();
            let entries = log.from(log.start().next(), 99).iter().map(|entry| {
                let command = String::from_utf8_lossy(&entry.command);
                format!("{}:{}", entry.index, if command.is_empty() { "Lead" } else { &command })
            });
            let entries = entries.collect::<Vec<_>>().join(" ");
            let (term, committed) = (status.term, status.committed);
            let lacks = if host.up && !host.engine.has_caught_up() { ", catching up" } else { "" };
            writeln!(text, "{id}: {state} {term}, committed {committed}, log [{entries}]{lacks}")
                .expect("a string");
        }
        writeln!(text, "arbiter: {}", self.world.view).expect("a string");
        text
    }
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let world = &mut self.world;
        match command {
            Command::Naive => *world = World::new(3, Rules::Naive),
            Command::Unclean => *world = World::unclean(3),
            Command::Start(ids) => self.each(ids, |world, id| world.step(id, Input::Start)),
            Command::Lead { id, after } => {
                let highest = world.hosts.values().map(|h| h.engine.status().term).max();
                let after = after.or(highest).unwrap_or_default();
                world.step(NodeId(*id), Input::Lead { after });
            }
            Command::Follow { id, leader } => {
                world.step(NodeId(*id), Input::Follow { leader: NodeId(*leader) });
            }
            Command::Propose { id, commands } => {
                let bytes = commands.iter().map(|c| Bytes::copy_from_slice(c.as_bytes()));
                world.step(NodeId(*id), Input::Propose(bytes.collect()));
            }
            Command::Barrier { id, tag } => world.barrier(NodeId(*id), *tag),
            Command::Settle => world.settle(),
            Command::Sync(ids) => self.each(ids, World::sync),
            Command::Deliver => (0..world.network.len()).for_each(|_| world.deliver(0)),
            Command::Lose => world.network.clear(),
            Command::Arbitrate => world.arbitrate(true),
            Command::Unheard => world.arbitrate(false),
            Command::Arbiter(state) => world.arbiter_up = state == "up",
            Command::Crash(ids) => self.each(ids, World::crash),
            Command::Restart(ids) => self.each(ids, World::restart),
            Command::Checkpoint(ids) => self.each(ids, World::checkpoint),
            Command::Damage(ids) => self.each(ids, |world, id| {
                world.damaged.insert(id);
            }),
            Command::Pause(ids) => self.pause(ids, true),
            Command::Resume(ids) => self.pause(ids, false),
            Command::Cut(ids) => self.each(ids, |world, id| {
                for peer in world.hosts.keys().copied().collect::<Vec<_>>() {
                    world.cut.extend([(id, peer), (peer, id)]);
                }
            }),
            Command::Heal => world.cut.clear(),
            Command::Refused(ids) => self.link(ids, false),
            Command::Reached(ids) => self.link(ids, true),
            Command::Advance(millis) => world.advance(*millis),
            Command::Status => return Ok(self.status()),
        }
        self.world.check();
        Ok(std::mem::take(&mut self.world.trace))
    }
}
