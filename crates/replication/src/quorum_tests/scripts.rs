//! Golden scripts of the quorum engines: each shows one rule as a transcript.
//!
//! The commands of a scenario stand in `quorum_tests/scenarios`, without output; each engine has a
//! copy of all of them in its own folder, with what it does. [`run`] runs one of these;
//! [`assert_has_scenarios`] sees to it that the commands are the same.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use goldenscript::{Context, Runner};

use super::host::label;
use super::world::{Shown, Tally, World};
use super::{Subject, changes};
use crate::term::NodeId;

/// Longer than any engine takes to elect somebody.
const ELECTION_MAX: Duration = Duration::from_secs(10);

/// Runs a script and compares what it prints.
pub fn run(path: &Path, subject: Subject) {
    goldenscript::run(&mut Script::new(subject), path).expect("script");
}

/// What a script can do. Replicas are named by their ids, or `leader` for whoever leads.
#[derive(goldenscript::Command)]
enum Command {
    /// So many replicas instead of three; first of all.
    Replicas(u8),
    /// Processes start; all of them, if none is named.
    Start(#[arg(optional)] Vec<Name>),
    /// A client's commands, to a replica.
    Propose {
        id: Name,
        commands: Vec<String>,
    },
    /// A replica with an empty disk starts, that is to be added.
    Newcomer(u8),
    /// Other members: `change leader 1 add 4`, `change leader 1 replace 2 4`.
    Change {
        id: Name,
        tag: u64,
        what: String,
        ids: Vec<u8>,
    },
    /// May a read be answered?
    Barrier {
        id: Name,
        tag: u64,
    },
    /// Disks and messages, until all is quiet. No time passes.
    Settle,
    /// Disks catch up.
    Sync(Vec<Name>),
    /// All messages that are under way now, or those from or to a replica; nothing that follows
    /// from them.
    Deliver {
        #[arg(key)]
        from: Option<Name>,
        #[arg(key)]
        to: Option<Name>,
    },
    /// They are lost instead.
    Lose {
        #[arg(key)]
        from: Option<Name>,
        #[arg(key)]
        to: Option<Name>,
    },
    /// Power loss: what was not on disk is gone. The others see the connections close.
    Crash(Vec<Name>),
    Restart(Vec<Name>),
    Pause(Vec<Name>),
    Resume(Vec<Name>),
    /// Cut off from everybody else, both ways, silently.
    Isolate(Vec<Name>),
    /// Groups of replicas that hear only each other: `partition 12 345`.
    Partition(Vec<String>),
    /// Nothing of the first arrives at the second any more.
    Sever {
        from: Name,
        to: Name,
    },
    /// All cuts end.
    Heal,
    /// The connection of two is reset (`down`) or opened again (`up`), and both see it.
    Link {
        one: Name,
        other: Name,
        state: String,
    },
    /// Writes a snapshot and forgets the log before it.
    Checkpoint(Vec<Name>),
    /// The next snapshot that they get cannot be read.
    Damage(Vec<Name>),
    /// So many milliseconds pass. Timers fire when they are due; nothing is delivered or synced.
    Advance(u64),
    /// So many milliseconds pass, with disks and messages that take no time.
    Run(u64),
    /// Time passes as in `run` until somebody leads; if a replica is named, until that one does:
    /// nobody else is woken by a timer meanwhile.
    Elect(#[arg(optional)] Vec<Name>),
    /// Which messages are printed from now on: `all`, `some` (no heartbeats; so it begins), `none`.
    Messages(String),
    /// Who is what.
    Status,
    /// Each replica's state machine.
    Applied,
    /// Each replica's log; of one that is down, what is on its disk.
    Log,
    /// Messages sent and records written since the last `cost`, or the start.
    Cost,
}

/// A replica, as a script names it.
#[derive(Clone, Copy)]
enum Name {
    Id(NodeId),
    Leader,
}

impl std::str::FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Name, String> {
        match (text, text.parse()) {
            ("leader", _) => Ok(Name::Leader),
            (_, Ok(id)) => Ok(Name::Id(NodeId(id))),
            (_, Err(_)) => Err(format!("{text:?} is no replica: expected its id, or `leader`")),
        }
    }
}

struct Script {
    world: World,
    /// What was done when cost was last asked for.
    counted: Tally,
}

impl Script {
    fn new(subject: Subject) -> Script {
        Script { world: Script::world(3, subject), counted: Tally::default() }
    }

    fn world(count: u8, subject: Subject) -> World {
        let mut world = World::new(count, 1, subject);
        world.trace = Some(String::new());
        world
    }

    fn id(&self, name: Name) -> Result<NodeId, String> {
        match name {
            Name::Id(id) if self.world.hosts.contains_key(&id) => Ok(id),
            Name::Id(id) => Err(format!("there is no replica {id}")),
            Name::Leader => self.world.leader().ok_or_else(|| "nobody leads".to_string()),
        }
    }

    fn ids(&self, names: &[Name]) -> Result<Vec<NodeId>, String> {
        names.iter().map(|name| self.id(*name)).collect()
    }

    fn each(&mut self, names: &[Name], act: impl Fn(&mut World, NodeId)) -> Result<(), String> {
        for id in self.ids(names)? {
            act(&mut self.world, id);
        }
        Ok(())
    }

    /// What is under way between these goes where `arrives` says.
    fn letters(
        &mut self,
        from: Option<Name>,
        to: Option<Name>,
        arrives: bool,
    ) -> Result<(), String> {
        let from = from.map(|name| self.id(name)).transpose()?;
        let to = to.map(|name| self.id(name)).transpose()?;
        let mut position = 0;
        for _ in 0..self.world.network.len() {
            let letter = &self.world.network[position];
            let meant =
                from.is_none_or(|id| id == letter.from) && to.is_none_or(|id| id == letter.to);
            match (meant, arrives) {
                (false, _) => position += 1,
                (true, true) => self.world.deliver(position),
                (true, false) => _ = self.world.network.remove(position),
            }
        }
        Ok(())
    }

    fn partition(&mut self, groups: &[String]) -> Result<(), String> {
        let digits = |group: &String| -> Result<Vec<NodeId>, String> {
            let ids = group.chars().map(|digit| digit.to_string().parse::<Name>());
            ids.map(|name| self.id(name?)).collect()
        };
        let groups = groups.iter().map(digits).collect::<Result<Vec<_>, _>>()?;
        groups.iter().for_each(|group| self.world.isolate(group));
        Ok(())
    }

    fn elect(&mut self, names: &[Name]) -> Result<(), String> {
        let wanted = self.ids(names)?;
        let of = if wanted.is_empty() { self.world.ids() } else { wanted.clone() };
        let leads = |world: &World| match world.leader() {
            Some(id) => wanted.is_empty() || wanted.contains(&id),
            None => false,
        };
        match self.world.run(&of, ELECTION_MAX, leads) {
            true => Ok(()),
            false => Err(format!("nobody leads after {ELECTION_MAX:?}")),
        }
    }

    fn status(&self) -> String {
        let mut text = String::new();
        for (id, host) in &self.world.hosts {
            if !host.up {
                writeln!(text, "{id}: down, log on disk to {}", host.on_disk.last())
                    .expect("a string");
                continue;
            }
            let status = host.engine.status();
            let role = if host.paused { status.role + " (paused)" } else { status.role };
            let (term, last, committed) = (status.term, status.last, status.committed);
            let applied = host.last_applied();
            let lacks = if host.engine.has_caught_up() { "" } else { ", catching up" };
            writeln!(
                text,
                "{id}: {role} {term}, log to {last}, committed {committed}, applied \
                 {applied}{lacks}"
            )
            .expect("a string");
        }
        text
    }

    fn applied(&self) -> String {
        let mut text = String::new();
        for (id, host) in &self.world.hosts {
            let labels: Vec<String> = host.applied.iter().map(label).collect();
            let labels = labels.join(" ");
            writeln!(text, "{}", format!("{id}: {labels}").trim_end()).expect("a string");
        }
        text
    }

    fn log(&self) -> String {
        let mut text = String::new();
        for (id, host) in &self.world.hosts {
            let log = if host.up { host.engine.log() } else { &host.on_disk };
            let entries = log.from(log.start().next(), usize::MAX).iter();
            let entries = entries.map(|e| format!("{}:{} {}", e.index, e.term, label(e)));
            let entries = entries.collect::<Vec<_>>().join(", ");
            writeln!(text, "{id}: after {} [{entries}]", log.start()).expect("a string");
        }
        text
    }

    fn cost(&mut self) -> String {
        let (tally, before) = (self.world.tally, self.counted);
        self.counted = tally;
        let (sends, persists) = (tally.sends - before.sends, tally.persists - before.persists);
        format!("{sends} messages, {persists} records\n")
    }

    fn act(&mut self, command: &Command) -> Result<String, String> {
        match command {
            Command::Replicas(count) => self.world = Script::world(*count, self.world.subject),
            Command::Start(names) if names.is_empty() => self.world.start(&self.world.ids()),
            Command::Start(names) => self.world.start(&self.ids(names)?),
            Command::Propose { id, commands } => {
                let bytes = commands.iter().map(|c| Bytes::copy_from_slice(c.as_bytes()));
                self.world.propose(self.id(*id)?, bytes.collect());
            }
            Command::Newcomer(id) => {
                self.world.newcomer(NodeId(*id));
                self.world.start(&[NodeId(*id)]);
            }
            Command::Change { id, tag, what, ids } => {
                self.world.change(self.id(*id)?, *tag, changes::parse(what, ids)?);
            }
            Command::Barrier { id, tag } => self.world.barrier(self.id(*id)?, *tag),
            Command::Settle => self.world.settle(),
            Command::Sync(ids) => self.each(ids, |world, id| world.sync(id, usize::MAX))?,
            Command::Deliver { from, to } => self.letters(*from, *to, true)?,
            Command::Lose { from, to } => self.letters(*from, *to, false)?,
            Command::Crash(ids) => self.each(ids, |world, id| world.crash(id, 0))?,
            Command::Restart(ids) => self.each(ids, World::restart)?,
            Command::Pause(ids) => self.each(ids, World::pause)?,
            Command::Resume(ids) => self.each(ids, World::resume)?,
            Command::Isolate(ids) => self.each(ids, |world, id| world.isolate(&[id]))?,
            Command::Partition(groups) => self.partition(groups)?,
            Command::Sever { from, to } => {
                self.world.sever(&[self.id(*from)?], &[self.id(*to)?]);
            }
            Command::Heal => self.world.heal(),
            Command::Link { one, other, state } => {
                self.world.link(self.id(*one)?, self.id(*other)?, state == "up");
            }
            Command::Checkpoint(ids) => self.each(ids, World::checkpoint)?,
            Command::Damage(ids) => self.each(ids, |world, id| _ = world.damaged.insert(id))?,
            Command::Advance(millis) => self.world.advance(Duration::from_millis(*millis)),
            Command::Run(millis) => {
                let of = self.world.ids();
                self.world.run(&of, Duration::from_millis(*millis), |_| false);
            }
            Command::Elect(names) => self.elect(names)?,
            Command::Messages(which) => {
                self.world.shown = match which.as_str() {
                    "all" => Shown::All,
                    "some" => Shown::Some,
                    "none" => Shown::None,
                    other => return Err(format!("messages {other}: all, some or none")),
                };
            }
            Command::Status => return Ok(self.status()),
            Command::Applied => return Ok(self.applied()),
            Command::Log => return Ok(self.log()),
            Command::Cost => return Ok(self.cost()),
        }
        Ok(self.world.trace.as_mut().map(std::mem::take).unwrap_or_default())
    }
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        Ok(self.act(command)?)
    }
}

/// Asserts that the protocol's folder has every scenario, with the same commands.
pub fn assert_has_scenarios(subject: Subject) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let scenarios = commands(&source.join("quorum_tests/scenarios"));
    let scripts = commands(&source.join(subject.name).join("testscripts"));
    assert!(!scenarios.is_empty(), "there are scenarios");
    for (name, commands) in scenarios {
        let script = scripts.get(&name);
        assert_eq!(script, Some(&commands), "{}/testscripts/{name}: its commands", subject.name);
    }
}

/// The scripts of a folder, each without its output.
fn commands(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let files = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = files.map(|file| file.expect("a file of the folder").path());
    let script = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a script");
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        (name, commands_of(&text))
    };
    paths.map(script).collect()
}

/// A script without its output, which stands between `---` and an empty line.
fn commands_of(text: &str) -> Vec<String> {
    let mut is_output = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        is_output = line == "---" || (is_output && !line.is_empty());
        if !is_output && !line.is_empty() {
            commands.push(line.to_string());
        }
    }
    commands
}
