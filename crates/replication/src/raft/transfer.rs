//! A snapshot for a follower whose missing entries are compacted away, piece by piece (Raft §7).
//!
//! The crate says only that a snapshot is to be sent, and where it stands; its bytes go from
//! adapter to adapter, one piece under way at a time. The follower's crate hears of it when all
//! bytes are there and the service has read them, so that a damaged snapshot changes nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use raft::eraftpb::{Message as Theirs, MessageType};
use raft::{ProgressState, SnapshotStatus, StateRole};

use super::Raft;
use super::message::Said;
use super::store::{Offered, outline};
use crate::engine::Effect;
use crate::log::{Index, Snapshot};
use crate::members::Members;
use crate::pieces::{self, INSTALL_REST, SNAPSHOT_BYTES_MAX};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};
use crate::time::Time;

/// A snapshot that is being sent to one follower.
#[derive(Debug)]
struct Sending {
    /// What has arrived there, in bytes.
    offset: u64,
    /// When the piece after it is sent again.
    again_at: Time,
}

/// A snapshot that is arriving.
#[derive(Debug)]
struct Incoming {
    from: NodeId,
    index: Index,
    index_term: Term,
    bytes: Vec<u8>,
}

/// Snapshots on their way from here, or to here.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    sending: BTreeMap<NodeId, Sending>,
    incoming: Option<Incoming>,
    /// Complete: for the service to read when this step is done.
    complete: Option<Snapshot>,
    /// Given to the service to read: from whom, and where it stands.
    installing: Option<(NodeId, Index, Term)>,
    /// The term of the last that was installed, which the crate knows only by its number.
    installed_term: Term,
    /// Who belonged to the group then.
    installed_members: Option<Members>,
    /// Until then no snapshot is accepted: the last one could not be read.
    rest_until: Time,
}

impl Transfers {
    pub fn next_timer(&self) -> Option<Time> {
        self.sending.values().map(|sending| sending.again_at).min()
    }

    pub fn installed_term(&self) -> Term {
        self.installed_term
    }

    pub fn installed_members(&self) -> Option<Members> {
        self.installed_members.clone()
    }
}

/// A piece as it comes.
pub(super) struct Piece {
    pub index: Index,
    pub index_term: Term,
    pub offset: u64,
    pub total: u64,
    pub bytes: Bytes,
    pub members: Members,
}

impl Raft {
    /// As leader: the snapshot that was asked for.
    pub(super) fn on_snapshot(&mut self, snapshot: Snapshot) {
        if !self.leads() {
            return;
        }
        // It is of what is applied, as these are.
        let Some(members) = self.membership.members.clone() else { return };
        self.node.mut_store().snapshot = Some(Offered { snapshot, members });
        // The crate tries again with the next heartbeat's answer; this is sooner.
        for peer in self.others().collect::<Vec<_>>() {
            let start = self.node.store().log.start();
            let progress = self.node.raft.prs().get(u64::from(peer.0));
            let behind = progress.is_some_and(|progress| {
                progress.state == ProgressState::Probe && progress.next_idx <= start.0
            });
            if behind {
                self.node.raft.send_append(u64::from(peer.0));
            }
        }
    }

    /// As leader: the crate wants this follower to have the snapshot.
    pub(super) fn begin_transfer(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        self.transfers.sending.insert(peer, Sending { offset: 0, again_at: now });
        self.send_piece(now, peer, out);
    }

    fn send_piece(&mut self, now: Time, peer: NodeId, out: &mut Vec<Effect>) {
        let Some(sending) = self.transfers.sending.get_mut(&peer) else { return };
        let Some(Offered { snapshot, members }) = &self.node.store().snapshot else { return };
        sending.again_at = now + self.config.timers.election;
        let said = Said::Piece {
            index: snapshot.index,
            index_term: snapshot.term,
            offset: sending.offset,
            total: snapshot.state.len() as u64,
            bytes: pieces::piece(snapshot, sending.offset),
            members: Box::new(members.clone()),
        };
        out.push(self.send(peer, said));
    }

    /// As leader: sends again what was not answered.
    pub(super) fn send_pieces_again(&mut self, now: Time, out: &mut Vec<Effect>) {
        let sending = self.transfers.sending.iter();
        let due = sending.filter(|(_, sending)| sending.again_at <= now).map(|(peer, _)| *peer);
        for peer in due.collect::<Vec<_>>() {
            self.send_piece(now, peer, out);
        }
    }

    /// As leader: a follower has the bytes up to here.
    pub(super) fn on_arrived(
        &mut self,
        now: Time,
        from: NodeId,
        (term, index, upto): (u64, Index, u64),
        out: &mut Vec<Effect>,
    ) {
        if !self.leads() || term != self.node.raft.term {
            return;
        }
        let offered = self.node.store().snapshot.as_ref();
        let snapshot = offered.map(|of| &of.snapshot).filter(|of| of.index == index);
        let Some(total) = snapshot.map(|snapshot| snapshot.state.len() as u64) else { return };
        let Some(sending) = self.transfers.sending.get_mut(&from) else { return };
        if upto >= total {
            self.end_transfer(from, SnapshotStatus::Finish);
        } else if upto != sending.offset {
            // Where it really is counts, also when that is further back: it may have crashed.
            sending.offset = upto;
            self.send_piece(now, from, out);
        }
    }

    /// Without the crate's knowledge of how it ended, it would never send to this follower again.
    pub(super) fn end_transfer(&mut self, peer: NodeId, status: SnapshotStatus) {
        if self.transfers.sending.remove(&peer).is_some() {
            self.node.report_snapshot(u64::from(peer.0), status);
        }
        if self.transfers.sending.is_empty() {
            self.node.mut_store().snapshot = None;
        }
    }

    /// This replica leads no longer.
    pub(super) fn forget_transfers(&mut self) {
        self.transfers.sending.clear();
        self.node.mut_store().snapshot = None;
    }

    /// As follower: a piece came. Its sender leads, as one that sends a heartbeat does.
    pub(super) fn on_piece(
        &mut self,
        now: Time,
        from: NodeId,
        (term, piece): (u64, Piece),
        out: &mut Vec<Effect>,
    ) {
        let said = Said::Heartbeat { committed: Index(0), barrier: 0, goal: piece.index };
        let generation = self.node.store().generation;
        self.hear(from, super::Message { generation, term, said });
        let raft = &self.node.raft;
        if raft.term != term || raft.leader_id != u64::from(from.0) || self.leads() {
            return;
        }
        let Piece { index, index_term, offset, total, bytes, members } = piece;
        let refused = total > SNAPSHOT_BYTES_MAX
            || now < self.transfers.rest_until
            || !members.all().contains(&self.config.id);
        if refused || self.disk.is_replacing() || self.transfers.installing.is_some() {
            return;
        }
        let log = &raft.raft_log;
        let useless = index.0 <= log.committed || log.match_term(index.0, index_term.number);
        if useless && !planted(Bug::SnapshotOverwrites) {
            // This log has all of it, and perhaps entries behind it, which installing would throw
            // away (Raft §7, rule 6 of InstallSnapshot): the crate only moves its commit index.
            self.install(from, index, index_term, &members);
            out.push(self.send(from, Said::Arrived { index, upto: total }));
            return;
        }
        let incoming = self.transfers.incoming.take_if(|incoming| {
            (incoming.from, incoming.index, incoming.index_term) == (from, index, index_term)
        });
        let mut incoming =
            incoming.unwrap_or(Incoming { from, index, index_term, bytes: Vec::new() });
        if offset == incoming.bytes.len() as u64 {
            incoming.bytes.extend_from_slice(&bytes);
        }
        let upto = incoming.bytes.len() as u64;
        out.push(self.send(from, Said::Arrived { index, upto }));
        if upto < total {
            self.transfers.incoming = Some(incoming);
            return;
        }
        self.transfers.installing = Some((from, index, index_term));
        self.transfers.installed_members = Some(members);
        let state = incoming.bytes.into();
        self.transfers.complete = Some(Snapshot { index, term: index_term, state });
    }

    /// At the end of a step, when nothing of the log before can be applied behind it.
    pub(super) fn install_if_complete(&mut self, out: &mut Vec<Effect>) {
        let Some(snapshot) = self.transfers.complete.take() else { return };
        let leader = self.transfers.installing.map_or(0, |(from, _, _)| u64::from(from.0));
        let follows = self.node.raft.state == StateRole::Follower;
        if !follows || self.node.raft.leader_id != leader {
            // The crate would not take it now.
            self.transfers.installing = None;
            return;
        }
        out.push(Effect::Install(snapshot));
    }

    /// The service has read the snapshot and writes it to disk: now the crate hears of it. What it
    /// answers waits until the checkpoint is on disk.
    pub(super) fn installed(&mut self, index: Index) {
        let Some((from, _, term)) = self.transfers.installing.take_if(|(_, of, _)| *of == index)
        else {
            return;
        };
        let Some(members) = self.transfers.installed_members() else { return };
        self.disk.replacing(index);
        self.install(from, index, term, &members);
        // Nothing comes of it but what waits for the disk.
        let mut effects = Vec::new();
        self.drain(Time(0), &mut effects);
        debug_assert!(effects.is_empty(), "a snapshot was answered before it was on disk");
    }

    fn install(&mut self, from: NodeId, index: Index, term: Term, members: &Members) {
        self.transfers.installed_term = term;
        let mut theirs = Theirs {
            msg_type: MessageType::MsgSnapshot,
            from: u64::from(from.0),
            to: u64::from(self.config.id.0),
            term: self.node.raft.term,
            ..Theirs::default()
        };
        theirs.set_snapshot(outline(index, term, members));
        self.tell_crate(theirs);
    }

    /// A checkpoint is on disk, perhaps that of an installed snapshot.
    pub(super) fn on_checkpointed(&mut self, now: Time, index: Index, out: &mut Vec<Effect>) {
        if self.disk.replaced(index) {
            self.tell_members(out);
            // The crate counts the snapshot as on disk, and only then as applied.
            self.drain(now, out);
            if self.node.raft.raft_log.applied < index.0 {
                self.node.advance_apply_to(index.0);
            }
        }
    }

    /// A snapshot that the service could not read: everything is as before. It is asked for again
    /// after a rest, since it may have been damaged on its way.
    pub(super) fn on_not_installed(&mut self, now: Time, index: Index) {
        if self.transfers.installing.take_if(|(_, of, _)| *of == index).is_some() {
            self.transfers.rest_until = now + INSTALL_REST;
        }
    }
}
