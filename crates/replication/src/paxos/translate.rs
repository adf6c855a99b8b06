//! The crate's ballots, positions and messages, and ours.
//!
//! A ballot is a [`Term`]: its configuration is the generation (plus one, since zero is forbidden
//! there), its number and process are the term's; priorities are not used. A position counts from
//! zero and says how many entries there are before it, so it is the [`Index`] of the last of them.

use omnipaxos::ballot_leader_election::Ballot;
use omnipaxos::messages::Message as Outer;
use omnipaxos::messages::ballot_leader_election::{
    BLEMessage, HeartbeatMsg, HeartbeatReply, HeartbeatRequest,
};
use omnipaxos::messages::sequence_paxos::{
    AcceptDecide, AcceptSync, Accepted, Decide, NotAccepted, PaxosMessage, PaxosMsg, Prepare,
    PrepareReq, Promise,
};
use omnipaxos::util::{LogSync, SequenceNumber};

use super::message::{Beat, Body, History, Sequence};
use crate::log::{Entry, Index};
use crate::term::{NodeId, Term};

/// What the crate says to whom: a message of the protocol, or of its election.
pub(super) enum Said {
    Body(Body),
    Ask { round: u32 },
    Beat(Beat),
}

pub(super) fn index(position: usize) -> Index {
    Index(position as u64)
}

/// What a replica on a new disk has promised to nobody, as the crate is told. It would else begin
/// as a leader of its own, in a first term, and depose whoever leads when it comes late.
pub(super) fn nobody(generation: u32) -> Ballot {
    Ballot::with(generation.saturating_add(1), 0, 0, u64::MAX)
}

/// A log in memory is shorter than memory.
pub(super) fn position(index: Index) -> usize {
    usize::try_from(index.0).unwrap_or(usize::MAX)
}

pub(super) fn ballot(term: Term) -> Ballot {
    if term.node == NodeId::NONE {
        return Ballot::default();
    }
    let number = u32::try_from(term.number).unwrap_or(u32::MAX);
    Ballot::with(term.generation.saturating_add(1), number, 0, u64::from(term.node.0))
}

pub(super) fn term(ballot: Ballot) -> Term {
    Term {
        generation: ballot.config_id.saturating_sub(1),
        number: u64::from(ballot.n),
        node: node(ballot.pid),
    }
}

/// Ids of processes are those of replicas.
pub(super) fn node(pid: u64) -> NodeId {
    NodeId(u8::try_from(pid).unwrap_or(NodeId::NONE.0))
}

/// What the crate wants to be sent; `None` for what this engine makes no use of: proposals that
/// are passed on, compaction, reconfiguration.
pub(super) fn from_crate(message: Outer<Entry>) -> Option<(NodeId, Said)> {
    match message {
        Outer::SequencePaxos(PaxosMessage { to, msg, .. }) => {
            body(msg).map(|body| (node(to), Said::Body(body)))
        }
        Outer::BLE(BLEMessage { to, msg, .. }) => {
            let said = match msg {
                HeartbeatMsg::Request(HeartbeatRequest { round }) => Said::Ask { round },
                HeartbeatMsg::Reply(HeartbeatReply { round, ballot, leader, happy }) => {
                    Said::Beat(Beat { round, ballot: term(ballot), leader: term(leader), happy })
                }
            };
            Some((node(to), said))
        }
    }
}

fn body(message: PaxosMsg<Entry>) -> Option<Body> {
    Some(match message {
        PaxosMsg::PrepareReq(PrepareReq { n }) => Body::PrepareMe { promised: term(n) },
        PaxosMsg::Prepare(Prepare { n, decided_idx, n_accepted, accepted_idx }) => Body::Prepare {
            term: term(n),
            decided: index(decided_idx),
            accepted: term(n_accepted),
            last: index(accepted_idx),
        },
        PaxosMsg::Promise(Promise { n, n_accepted, decided_idx, accepted_idx, log_sync }) => {
            Body::Promise {
                term: term(n),
                accepted: term(n_accepted),
                decided: index(decided_idx),
                last: index(accepted_idx),
                more: log_sync.map(history),
            }
        }
        PaxosMsg::AcceptSync(AcceptSync { n, seq_num, decided_idx, log_sync }) => Body::TakeOver {
            term: term(n),
            sequence: sequence(seq_num),
            decided: index(decided_idx),
            history: history(log_sync),
        },
        PaxosMsg::AcceptDecide(AcceptDecide { n, seq_num, decided_idx, entries }) => Body::Accept {
            term: term(n),
            sequence: sequence(seq_num),
            decided: index(decided_idx),
            entries,
        },
        PaxosMsg::Accepted(Accepted { n, accepted_idx }) => {
            Body::Accepted { term: term(n), last: index(accepted_idx) }
        }
        PaxosMsg::NotAccepted(NotAccepted { n }) => Body::Refused { promised: term(n) },
        PaxosMsg::Decide(Decide { n, seq_num, decided_idx }) => Body::Decided {
            term: term(n),
            sequence: sequence(seq_num),
            decided: index(decided_idx),
        },
        PaxosMsg::ProposalForward(_)
        | PaxosMsg::Compaction(_)
        | PaxosMsg::AcceptStopSign(_)
        | PaxosMsg::ForwardStopSign(_) => return None,
    })
}

/// What another replica said, for the crate; `None` for a part of a message.
pub(super) fn to_crate(from: NodeId, to: NodeId, body: Body) -> Option<Outer<Entry>> {
    let msg = match body {
        Body::More { .. } => return None,
        Body::PrepareMe { promised } => PaxosMsg::PrepareReq(PrepareReq { n: ballot(promised) }),
        Body::Prepare { term, decided, accepted, last } => PaxosMsg::Prepare(Prepare {
            n: ballot(term),
            decided_idx: position(decided),
            n_accepted: ballot(accepted),
            accepted_idx: position(last),
        }),
        Body::Promise { term, accepted, decided, last, more } => PaxosMsg::Promise(Promise {
            n: ballot(term),
            n_accepted: ballot(accepted),
            decided_idx: position(decided),
            accepted_idx: position(last),
            log_sync: more.map(log_sync),
        }),
        Body::TakeOver { term, sequence, decided, history } => PaxosMsg::AcceptSync(AcceptSync {
            n: ballot(term),
            seq_num: sequence_number(sequence),
            decided_idx: position(decided),
            log_sync: log_sync(history),
        }),
        Body::Accept { term, sequence, decided, entries } => PaxosMsg::AcceptDecide(AcceptDecide {
            n: ballot(term),
            seq_num: sequence_number(sequence),
            decided_idx: position(decided),
            entries,
        }),
        Body::Accepted { term, last } => {
            PaxosMsg::Accepted(Accepted { n: ballot(term), accepted_idx: position(last) })
        }
        Body::Refused { promised } => PaxosMsg::NotAccepted(NotAccepted { n: ballot(promised) }),
        Body::Decided { term, sequence, decided } => PaxosMsg::Decide(Decide {
            n: ballot(term),
            seq_num: sequence_number(sequence),
            decided_idx: position(decided),
        }),
    };
    let (from, to) = (u64::from(from.0), u64::from(to.0));
    Some(Outer::SequencePaxos(PaxosMessage { from, to, msg }))
}

/// A question of the election, for the crate.
pub(super) fn ask(from: NodeId, to: NodeId, round: u32) -> Outer<Entry> {
    let msg = HeartbeatMsg::Request(HeartbeatRequest { round });
    Outer::BLE(BLEMessage { from: u64::from(from.0), to: u64::from(to.0), msg })
}

/// The answer to one, for the crate.
pub(super) fn beat(from: NodeId, to: NodeId, beat: Beat) -> Outer<Entry> {
    let msg = HeartbeatMsg::Reply(HeartbeatReply {
        round: beat.round,
        ballot: ballot(beat.ballot),
        leader: ballot(beat.leader),
        happy: beat.happy,
    });
    Outer::BLE(BLEMessage { from: u64::from(from.0), to: u64::from(to.0), msg })
}

fn history(sync: LogSync<Entry>) -> History {
    History { after: index(sync.sync_idx), entries: sync.suffix }
}

fn log_sync(history: History) -> LogSync<Entry> {
    LogSync {
        decided_snapshot: None,
        suffix: history.entries,
        sync_idx: position(history.after),
        stopsign: None,
    }
}

fn sequence(number: SequenceNumber) -> Sequence {
    Sequence { session: number.session, counter: number.counter }
}

fn sequence_number(sequence: Sequence) -> SequenceNumber {
    SequenceNumber { session: sequence.session, counter: sequence.counter }
}
