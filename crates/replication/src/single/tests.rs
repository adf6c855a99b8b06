//! Golden scripts of the single-node engine, on a simulated disk that syncs when told to.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use goldenscript::{Command, Context, Runner};
use test_each_file::test_each_path;

use super::Single;
use crate::engine::{Effect, Engine, Input};
use crate::log::{Record, Recovered, Snapshot};
use crate::term::{NodeId, Term};
use crate::time::Time;

test_each_path! { in "crates/replication/src/single/testscripts" as scripts => script }

fn script(path: &Path) {
    goldenscript::run(&mut Disk::new(), path).expect("the script's output is as recorded");
}

/// One engine and its disk.
struct Disk {
    engine: Single,
    /// What a power cut leaves.
    durable: Recovered,
    /// Emitted and not yet synced.
    waiting: Vec<Record>,
    /// How many records of this process are durable.
    synced: u64,
    /// What the service has applied.
    state: Vec<u8>,
}

impl Disk {
    fn new() -> Disk {
        let durable = Recovered::default();
        Disk {
            engine: Single::new(NodeId(1), &durable),
            durable,
            waiting: Vec::new(),
            synced: 0,
            state: Vec::new(),
        }
    }

    fn step(&mut self, input: Input) -> String {
        let mut effects = Vec::new();
        self.engine.step(Time(0), input, &mut effects);
        let mut output = String::new();
        for effect in effects {
            match effect {
                Effect::Persist(record) => {
                    let _ = writeln!(output, "persist {record}");
                    self.waiting.push(record);
                }
                Effect::Apply(entry) => {
                    let text = String::from_utf8_lossy(&entry.command).into_owned();
                    let _ = writeln!(output, "apply {entry} {text}");
                    self.state.extend_from_slice(&entry.command);
                }
                Effect::Leading(term) => {
                    let _ = writeln!(output, "leading {term}");
                }
                Effect::Passed(number) => {
                    let _ = writeln!(output, "passed {number}");
                }
                Effect::Failed(number) => {
                    let _ = writeln!(output, "failed {number}");
                }
                Effect::Send { .. }
                | Effect::Install(_)
                | Effect::AskView { .. }
                | Effect::NotInSync(_)
                | Effect::Changed { .. }
                | Effect::Members(_)
                | Effect::Warn(_)
                | Effect::WantSnapshot
                | Effect::Following { .. }
                | Effect::Discard { .. } => panic!("a node without peers: {effect:?}"),
            }
        }
        output
    }

    /// Makes the first `count` waiting records durable, in order; the engine does not hear of it.
    fn write(&mut self, count: usize) {
        let count = count.min(self.waiting.len());
        self.durable.records.extend(self.waiting.drain(..count));
        self.synced += count as u64;
    }

    /// Makes the first `count` waiting records durable and says so.
    fn sync(&mut self, count: usize) -> String {
        self.write(count);
        self.step(Input::Persisted { upto: self.synced })
    }

    /// The process dies; what was not synced is gone, and it starts again.
    fn crash(&mut self) -> String {
        self.waiting.clear();
        self.synced = 0;
        self.state = self.durable.checkpoint.snapshot.state.whole().to_vec();
        self.engine = Single::new(NodeId(1), &self.durable);
        self.step(Input::Start)
    }

    fn checkpoint(&mut self) -> String {
        let index = self.engine.applied();
        let term = self.engine.log().term_at(index).unwrap_or(Term::ZERO);
        let state = self.state.clone().into();
        let checkpoint = self.engine.checkpoint(Snapshot { index, term, state });
        let mut output = format!("promised {} snapshot at {index}\n", checkpoint.promised);
        for entry in &checkpoint.tail {
            let _ = writeln!(output, "tail {entry}");
        }
        self.synced += self.waiting.drain(..).count() as u64;
        self.durable = Recovered { checkpoint, records: Vec::new() };
        output
    }
}

impl Runner for Disk {
    type Command = Command;

    /// `start`, `propose COMMAND...`, `write`, `sync [COUNT]`, `barrier NUMBER`, `checkpoint`,
    /// `crash`, `state`, `status`.
    fn run(&mut self, command: &Command, _context: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = command.consume_args();
        let output = match command.name.as_str() {
            "start" => self.step(Input::Start),
            "propose" => {
                let mut commands = Vec::new();
                while let Some(text) = args.next_pos() {
                    commands.push(Bytes::copy_from_slice(text.as_bytes()));
                }
                self.step(Input::Propose(commands))
            }
            "sync" => {
                let count = args.next_pos().map(|text| text.parse()).transpose()?;
                self.sync(count.unwrap_or(usize::MAX))
            }
            "write" => {
                self.write(usize::MAX);
                String::new()
            }
            "barrier" => {
                let number = args.next_pos().ok_or("which barrier?")?.parse()?;
                self.step(Input::Barrier(number))
            }
            "checkpoint" => self.checkpoint(),
            "crash" => self.crash(),
            "state" => format!("{}\n", String::from_utf8_lossy(&self.state)),
            "status" => format!("{}\n", self.engine),
            name => return Err(format!("no command {name}").into()),
        };
        args.reject_next()?;
        Ok(output)
    }
}
