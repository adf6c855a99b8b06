//! A snapshot for a follower whose missing entries are compacted away, piece by piece.
//!
//! One piece is under way at a time; what is lost is sent again with a later heartbeat.

use bytes::Bytes;

use crate::engine::Effect;
use crate::log::{Index, Log, Snapshot};
use crate::pieces::{self, INSTALL_REST, SNAPSHOT_BYTES_MAX};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};
use crate::time::Time;

use super::{Message, PrimaryBackup, Role};

/// A snapshot that is arriving.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Incoming {
    term: Term,
    index: Index,
    index_term: Term,
    bytes: Vec<u8>,
}

/// A snapshot that is being installed, and what it takes the place of, if it can be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Installing {
    index: Index,
    log: Log,
    committed: Index,
    applied: Index,
}

/// The fields of [`Message::Piece`].
pub(super) struct Piece {
    pub term: Term,
    pub index: Index,
    pub index_term: Term,
    pub offset: u64,
    pub total: u64,
    pub bytes: Bytes,
}

impl PrimaryBackup {
    /// As leader: begins or repeats the transfer to a follower that is behind the log's start.
    pub(super) fn transfer_if_needed(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let start = self.log.start();
        let suspicion = self.config.timers.suspicion;
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.followers.get_mut(&peer) else { return };
        if progress.next.previous() >= start || self.unreachable.contains_key(&peer) {
            return;
        }
        if leader.snapshot.as_ref().is_some_and(|snapshot| snapshot.index < start) {
            // Too old: what follows it is compacted away too by now.
            leader.snapshot = None;
            progress.snapshot_bytes = None;
        }
        match (&leader.snapshot, progress.snapshot_bytes) {
            (Some(_), None) => {
                progress.snapshot_bytes = Some(0);
                self.send_piece(now, peer, out);
            }
            (Some(_), Some(_)) if now.since(progress.moved) >= suspicion => {
                self.send_piece(now, peer, out);
            }
            (Some(_), Some(_)) => {}
            (None, _) if !leader.snapshot_wanted => {
                leader.snapshot_wanted = true;
                out.push(Effect::WantSnapshot);
            }
            (None, _) => {}
        }
    }

    pub(super) fn on_snapshot(&mut self, now: Time, snapshot: Snapshot, out: &mut Vec<Effect>) {
        let Role::Leader(leader) = &mut self.role else { return };
        leader.snapshot_wanted = false;
        leader.snapshot = Some(snapshot);
        for peer in self.config.peers.clone() {
            self.transfer_if_needed(now, peer, out);
        }
    }

    fn send_piece(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(snapshot) = &leader.snapshot else { return };
        let Some(progress) = leader.followers.get_mut(&peer) else { return };
        let Some(offset) = progress.snapshot_bytes else { return };
        progress.moved = now;
        let piece = Message::Piece {
            term: leader.term,
            index: snapshot.index,
            index_term: snapshot.term,
            offset,
            total: snapshot.state.len() as u64,
            bytes: pieces::piece(snapshot, offset),
        };
        self.send(peer, piece, out);
    }

    pub(super) fn on_arrived(
        &mut self,
        now: Time,
        from: NodeId,
        term: Term,
        index: Index,
        upto: u64,
        out: &mut Vec<Effect>,
    ) {
        let Role::Leader(leader) = &mut self.role else { return };
        let fits =
            leader.term == term && leader.snapshot.as_ref().is_some_and(|s| s.index == index);
        let Some(progress) = leader.followers.get_mut(&from) else { return };
        progress.heard = now;
        // Where it really is counts, also when that is further back: it may have crashed meanwhile.
        if fits && progress.snapshot_bytes.is_some_and(|sent| upto != sent) {
            progress.snapshot_bytes = Some(upto);
            let total = leader.snapshot.as_ref().map_or(0, |s| s.state.len() as u64);
            if upto < total {
                self.send_piece(now, from, out);
            }
        }
    }

    /// As leader: forgets the snapshot once nobody needs it.
    pub(super) fn forget_snapshot(&mut self) {
        if let Role::Leader(leader) = &mut self.role
            && leader.followers.values().all(|p| p.snapshot_bytes.is_none())
        {
            leader.snapshot = None;
        }
    }

    /// As follower: a piece came.
    pub(super) fn on_piece(
        &mut self,
        now: Time,
        from: NodeId,
        piece: Piece,
        out: &mut Vec<Effect>,
    ) {
        if !self.follow(now, from, piece.term, out) || piece.total > SNAPSHOT_BYTES_MAX {
            return;
        }
        self.catch_up.heard(piece.term, piece.index);
        if piece.index <= self.committed && !planted(Bug::SnapshotOverwrites) {
            return;
        }
        let has_it = self.log.term_at(piece.index) == Some(piece.index_term);
        if has_it && !planted(Bug::SnapshotOverwrites) {
            // This log has all of it, and perhaps acknowledged entries behind it, which installing
            // would throw away (Raft, §7, rule 6 of InstallSnapshot).
            self.committed = piece.index;
            self.apply(out);
            let matched = piece.index.min(self.disk.durable());
            let acknowledge = Message::Acknowledge { term: piece.term, matched, barrier: 0 };
            self.send(from, acknowledge, out);
            return;
        }
        let Role::Follower(follower) = &mut self.role else { return };
        if follower.installing.is_some() || now < follower.rest_until {
            return;
        }
        let (term, index, index_term) = (piece.term, piece.index, piece.index_term);
        let same = follower.incoming.as_ref().is_some_and(|i| i.term == term && i.index == index);
        if !same {
            follower.incoming = Some(Incoming { term, index, index_term, bytes: Vec::new() });
        }
        let Some(incoming) = &mut follower.incoming else { return };
        if piece.offset == incoming.bytes.len() as u64 {
            incoming.bytes.extend_from_slice(&piece.bytes);
        }
        let upto = incoming.bytes.len() as u64;
        if upto == piece.total {
            let state = std::mem::take(&mut incoming.bytes).into();
            follower.incoming = None;
            follower.installing = Some(Installing {
                index,
                log: std::mem::replace(&mut self.log, Log::after(index, index_term)),
                committed: std::mem::replace(&mut self.committed, index),
                applied: std::mem::replace(&mut self.applied, index),
            });
            out.push(Effect::Install(Snapshot { index, term: index_term, state }));
        }
        self.send(from, Message::Arrived { term, index, upto }, out);
    }

    /// A checkpoint is on disk: an installed snapshot counts from now on.
    pub(super) fn on_checkpointed(&mut self, index: Index, out: &mut Vec<Effect>) {
        let Role::Follower(follower) = &mut self.role else { return };
        if follower.installing.take_if(|installing| installing.index == index).is_none() {
            return;
        }
        self.disk.replaced(index);
        if let Some(leader) = self.leader {
            let acknowledge =
                Message::Acknowledge { term: self.promised, matched: index, barrier: 0 };
            self.send(leader, acknowledge, out);
        }
    }

    /// An installed snapshot cannot be read: everything is as before. It is asked for again after a
    /// rest, since it may have been damaged on its way.
    pub(super) fn on_not_installed(&mut self, now: Time, index: Index) {
        let Role::Follower(follower) = &mut self.role else { return };
        if let Some(installing) = follower.installing.take_if(|of| of.index == index) {
            follower.rest_until = now + INSTALL_REST;
            self.log = installing.log;
            self.committed = installing.committed;
            self.applied = installing.applied;
        }
    }
}
