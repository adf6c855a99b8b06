//! What must hold after every step, whatever went wrong: told by `world` of everything that
//! replicas apply and claim, it panics with the name of the invariant that broke.
//!
//! - **one leader per term**: no term is led twice, not even by the same replica after a restart;
//! - **the committed prefix never changes**: what one replica applied at an index, every replica
//!   applies there, for ever;
//! - **equal state at equal index**;
//! - **applied once**: a client's command has at most one position, and was asked for;
//! - **leader completeness**: who leads has applied all that was acknowledged in older terms;
//! - **read barrier**: who may answer a read has applied all that was acknowledged before it;
//! - **one change at a time**: each configuration of the log may follow the one before it;
//! - **own disk**: nothing is applied that is not on that replica's disk.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::host::{Host, is_clients};
use crate::log::{Entry, Index};
use crate::members::{Change, Members};
use crate::term::{NodeId, Term};

/// What was seen so far.
#[derive(Default)]
pub struct Witness {
    /// Who led each term.
    leaders: BTreeMap<Term, NodeId>,
    /// What was applied, by whomever first; and the state's digest with each.
    pub history: Vec<Entry>,
    digests: Vec<u64>,
    /// Where each client's command stands.
    placed: BTreeMap<Bytes, Index>,
    /// What was asked, and of whom in which term, if that one led.
    proposed: BTreeMap<Bytes, Option<(NodeId, Term)>>,
    /// What a leader that was asked for it applied, and in which term: the client knows.
    acknowledged: Vec<(Index, Term)>,
    /// The highest of these.
    pub acknowledged_upto: Index,
    /// Read barriers under way: who was asked, and what had been acknowledged by then.
    pub barriers: BTreeMap<u64, (NodeId, Index)>,
    /// How many barriers passed.
    pub passed: u64,
    /// Changes of members under way: who was asked, and for what.
    pub changes: BTreeMap<u64, (NodeId, Change)>,
    /// The members as of the history, if they ever changed.
    pub members: Option<Members>,
}

impl Witness {
    pub fn proposes(&mut self, id: NodeId, leading: Option<Term>, commands: &[Bytes]) {
        for command in commands {
            let known = self.proposed.insert(command.clone(), leading.map(|term| (id, term)));
            assert!(known.is_none(), "the test proposes {command:?} twice");
        }
    }

    /// How many commands clients know to be done.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Before `entry` is applied.
    pub fn applies(&mut self, id: NodeId, host: &Host, entry: &Entry) {
        let last = host.last_applied();
        assert_eq!(entry.index, last.next(), "applied in order: {id} applies {entry}");
        let on_disk = host.on_disk.get(entry.index);
        assert!(
            on_disk == Some(entry) || entry.index <= host.on_disk.start(),
            "own disk: {id} applies {entry}, on its disk is {}",
            on_disk.map_or("nothing".to_string(), ToString::to_string)
        );
        let digest = fold(host.digest, entry);
        let position = usize::try_from(last.0).expect("few entries");
        if let Some(first) = self.history.get(position) {
            assert_eq!(
                first, entry,
                "the committed prefix never changes: {id} applies {entry}, {first} was applied"
            );
            assert_eq!(self.digests[position], digest, "equal state at equal index: {id}, {entry}");
        } else {
            self.grows(id, entry, digest);
        }
        if let Some(term) = host.leading
            && self.proposed.get(&entry.command) == Some(&Some((id, term)))
        {
            self.acknowledged.push((entry.index, term));
            self.acknowledged_upto = self.acknowledged_upto.max(entry.index);
        }
    }

    fn grows(&mut self, id: NodeId, entry: &Entry, digest: u64) {
        self.history.push(entry.clone());
        self.digests.push(digest);
        if let Some(next) = Members::decode(&entry.command) {
            let now = self.members.as_ref();
            let follows = now.is_none_or(|now| now.may_become(&next));
            assert!(follows, "one change at a time: {id} goes from {now:?} to {next:?}");
            self.members = Some(next);
        }
        if is_clients(entry) {
            let command = &entry.command;
            assert!(self.proposed.contains_key(command), "applied once: nobody asked for {entry}");
            let before = self.placed.insert(command.clone(), entry.index);
            let before = before.unwrap_or_default();
            assert_eq!(before, Index(0), "applied once: {id} applies {entry}, it is at {before}");
        }
    }

    /// After a snapshot took the place of the state of `id`; `before` is what it had applied.
    pub fn installs(&self, id: NodeId, host: &Host, before: Index) {
        let index = host.last_applied();
        assert!(index > before, "applied in order: {id} installs {index}, has applied {before}");
        self.restored(id, host);
    }

    /// After a state machine was read from a snapshot.
    pub fn restored(&self, id: NodeId, host: &Host) {
        let count = host.applied.len();
        assert!(
            count <= self.history.len(),
            "the committed prefix never changes: {id} has a snapshot of {count}, which nobody \
             applied"
        );
        let digest = count.checked_sub(1).map_or(0, |last| self.digests[last]);
        assert_eq!(host.digest, digest, "equal state at equal index: {id} after snapshot {count}");
    }

    pub fn leads(&mut self, id: NodeId, host: &Host, term: Term) {
        assert_eq!(term.node, id, "one leader per term: {id} leads {term}");
        // Raft's votes are for a number; a ballot of Paxos differs by its node too.
        let by_number = host.engine.status().engine == "raft";
        let key = if by_number { Term { node: NodeId::NONE, ..term } } else { term };
        if let Some(other) = self.leaders.insert(key, id) {
            panic!("one leader per term: {id} leads {term}, {other} led it");
        }
        // A leader that was deposed without its knowledge owes nothing to its successors.
        let older = self.acknowledged.iter().filter(|(_, when)| *when < term);
        let needed = older.map(|(index, _)| *index).max().unwrap_or_default();
        let applied = host.last_applied();
        assert!(
            applied >= needed,
            "leader completeness: {id} leads {term} with {applied} applied, {needed} was \
             acknowledged"
        );
    }

    pub fn asks(&mut self, id: NodeId, tag: u64) {
        let known = self.barriers.insert(tag, (id, self.acknowledged_upto));
        assert!(known.is_none(), "the test uses barrier {tag} twice");
    }

    pub fn passes(&mut self, id: NodeId, tag: u64, applied: Index) {
        let Some((asked, needed)) = self.barriers.remove(&tag) else {
            panic!("read barrier: {id} passes {tag}, which is not under way");
        };
        assert_eq!(asked, id, "read barrier: {tag} passes where nobody asked");
        assert!(
            applied >= needed,
            "read barrier: {id} would answer from {applied}, {needed} was acknowledged before"
        );
        self.passed += 1;
    }

    pub fn fails(&mut self, id: NodeId, tag: u64) {
        let asked = self.barriers.remove(&tag);
        assert!(asked.is_some(), "read barrier: {id} fails {tag}, which is not under way");
    }

    /// Its process is gone, and whoever waited for it.
    pub fn crashes(&mut self, id: NodeId) {
        self.barriers.retain(|_, (asked, _)| *asked != id);
        self.changes.retain(|_, (asked, _)| *asked != id);
    }
}

/// The digest with one more entry: FNV-1a over its words, mixed once.
pub fn fold(digest: u64, entry: &Entry) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let term = entry.term;
    let words = [entry.index.0, u64::from(term.generation), term.number, u64::from(term.node.0)];
    let mut digest = digest ^ 0xcbf2_9ce4_8422_2325;
    for word in words {
        digest = (digest ^ word).wrapping_mul(PRIME);
    }
    for byte in &entry.command {
        digest = (digest ^ u64::from(*byte)).wrapping_mul(PRIME);
    }
    digest ^ (digest >> 29)
}
