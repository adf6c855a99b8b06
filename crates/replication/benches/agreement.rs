//! What agreeing on a command costs a processor: every step of three replicas, without a disk, a
//! network or a clock. `cargo bench -p replication`.
//!
//! One sample is a thousand commands, which the leader is offered one by one; each is applied by
//! the leader before it is offered the next one. So a command is some ten steps: the leader's with
//! the offer, the followers' with the entry, the leader's with what they say, and one at each
//! replica for what its disk says. Compare the ways of agreeing with each other, and with
//! themselves a change ago; how often each of them waits, sends and syncs is what
//! `toystore compare` counts.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use replication::engine::{Effect, Input, Message, Viewed};
use replication::log::Recovered;
use replication::protocol::{Config, ENTRIES_KEPT, Pace};
use replication::{Engine, NodeId, Protocol, Term, Time};

/// Commands of one sample: enough that nothing of the election is seen, few enough that no replica
/// must compact its log.
const COMMANDS: u64 = 1000;

/// Bytes of a command: about those of an order.
const COMMAND_BYTES: usize = 60;

const REPLICAS: u8 = 3;

struct Replica {
    engine: Box<dyn Engine>,
    persisted: u64,
    applied: u64,
}

/// Replicas, and what is under way between them. Disks are done at once, and messages come in
/// order.
struct Group {
    replicas: BTreeMap<NodeId, Replica>,
    letters: VecDeque<(NodeId, NodeId, Message)>,
    now: Time,
    leader: Option<NodeId>,
}

impl Group {
    /// A group that has a leader.
    fn led(protocol: Protocol) -> Group {
        let ids = || (1..=REPLICAS).map(NodeId);
        let replica = |id| Replica { engine: engine(protocol, id), persisted: 0, applied: 0 };
        let mut group = Group {
            replicas: ids().map(|id| (id, replica(id))).collect(),
            letters: VecDeque::new(),
            now: Time(0),
            leader: None,
        };
        for id in ids() {
            group.step(id, Input::Start);
            for peer in ids().filter(|peer| *peer != id) {
                group.step(id, Input::Link { peer, up: true });
            }
        }
        if protocol.has_arbiter() || !protocol.is_quorum() {
            group.step(NodeId(REPLICAS), Input::Lead { after: Term::ZERO });
        }
        group.deliver();
        while group.leader.is_none() {
            group.wait();
        }
        group
    }

    /// Time passes until the next replica wants it to have passed.
    fn wait(&mut self) {
        let due = |replica: &Replica| replica.engine.next_timer();
        let next = self.replicas.values().filter_map(due).min().expect("somebody waits");
        self.now = next.max(self.now);
        let late = |(id, replica): (&NodeId, &Replica)| {
            due(replica).is_some_and(|at| at <= next).then_some(*id)
        };
        let late: Vec<NodeId> = self.replicas.iter().filter_map(late).collect();
        for id in late {
            self.step(id, Input::Timer);
        }
        self.deliver();
    }

    fn step(&mut self, id: NodeId, input: Input) {
        let replica = self.replicas.get_mut(&id).expect("only its replicas are stepped");
        let (mut effects, mut answers) = (Vec::new(), Vec::new());
        replica.engine.step(self.now, input, &mut effects);
        let persisted = replica.persisted;
        for effect in effects {
            match effect {
                Effect::Persist(_) => replica.persisted += 1,
                Effect::Send { to, message } => self.letters.push_back((id, to, message)),
                Effect::Apply(_) => replica.applied += 1,
                Effect::Leading(_) => self.leader = Some(id),
                Effect::AskView { view, .. } => answers.push(Input::Viewed(Viewed::Granted(view))),
                Effect::Following { .. }
                | Effect::Passed(_)
                | Effect::Failed(_)
                | Effect::Members(_)
                | Effect::Changed { .. } => {}
                Effect::Install(_)
                | Effect::WantSnapshot
                | Effect::NotInSync(_)
                | Effect::Warn(_)
                | Effect::Discard { .. } => panic!("{id}: {effect:?}: nothing goes wrong here"),
            }
        }
        if replica.persisted > persisted {
            answers.push(Input::Persisted { upto: replica.persisted });
        }
        for answer in answers {
            self.step(id, answer);
        }
    }

    /// Everything arrives, and what is said of it.
    fn deliver(&mut self) {
        while let Some((from, to, message)) = self.letters.pop_front() {
            self.step(to, Input::Receive { from, message });
        }
    }

    /// One command, until the leader has applied it.
    fn agree(&mut self, command: &Bytes) {
        let leader = self.leader.expect("a group is led");
        let before = self.replicas[&leader].applied;
        self.step(leader, Input::Propose(vec![command.clone()]));
        self.deliver();
        assert_eq!(self.replicas[&leader].applied, before + 1, "the command is not applied");
    }
}

fn engine(protocol: Protocol, id: NodeId) -> Box<dyn Engine> {
    let config = Config {
        protocol,
        id,
        peers: (1..=REPLICAS).map(NodeId).filter(|peer| *peer != id).collect(),
        pace: Pace::Default,
        unclean: false,
        entries_kept: ENTRIES_KEPT,
        seed: 7,
        joins: false,
    };
    config.start(&Recovered::default())
}

fn agreement(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("agree on a command");
    group.throughput(Throughput::Elements(COMMANDS));
    let command = Bytes::from(vec![b'o'; COMMAND_BYTES]);
    for protocol in Protocol::ALL {
        group.bench_function(protocol.name(), |bencher| {
            let agree = |mut replicas: Group| {
                (0..COMMANDS).for_each(|_| replicas.agree(&command));
                replicas
            };
            bencher.iter_batched(|| Group::led(protocol), agree, BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, agreement);
criterion_main!(benches);
