//! A snapshot for a follower whose missing entries are compacted away, piece by piece.
//!
//! The protocol crate knows nothing of it. It makes a message that begins in what is compacted
//! away, the engine drops that ([`super::links`]) and sends the snapshot in its place. The follower
//! installs it as a restart of the protocol: with a log that begins behind the snapshot, and with
//! the term under which it accepted its log before. Then it asks to be prepared, and says where it
//! is now.
//!
//! **Why this is safe.** A snapshot is a decided history `S`; the follower's log `L` was accepted
//! under term `a`.
//!
//! - If `L` has the snapshot's last entry, it has all of `S`, and perhaps more, which may be
//!   decided thanks to this follower: nothing is installed, only what is decided becomes known.
//! - Else, any decided history that `L` begins with is shorter than `S`, and `S` begins with it. So
//!   `S` in the place of `L` takes back nothing that this follower helped to decide.
//! - The follower must not say that it accepted `S` under the leader's term: `S` may be shorter
//!   than what the leader began with, and a later candidate would take the shorter one for the
//!   better. It keeps `a`.
//! - Under `a` its log may now be another one than that of `a`'s leader; but only if `S` was
//!   decided under a higher term than `a`. A later candidate hears of such a term from one of every
//!   majority, and takes no log of `a` then. The present leader, which might take this log for a
//!   longer one of `a`, ignores the term and sends everything after what is decided
//!   (`Paxos::sync_from_decided`). Since the snapshot's leader is the one that this follower has
//!   promised, no candidate of a lower term can ask it any more.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::gate::is_place;
use super::message::Message;
use super::protocol::Protocol;
use super::storage::State;
use super::{Out, Paxos};
use crate::engine::Effect;
use crate::log::{Index, Log, Snapshot};
use crate::pieces::{self, INSTALL_REST, SNAPSHOT_BYTES_MAX};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};
use crate::time::Time;

/// After this long without an answer, a piece is sent again.
const PIECE_DEADLINE: Duration = Duration::from_millis(300);

/// What a leader has under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Transfers {
    snapshot: Option<Snapshot>,
    wanted: bool,
    /// To whom: the bytes that arrived there, and when a piece was sent last.
    to: BTreeMap<NodeId, (u64, Time)>,
}

/// A snapshot that is arriving.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Incoming {
    term: Term,
    index: Index,
    index_term: Term,
    pub bytes: Vec<u8>,
}

/// A snapshot that is being written to disk; nothing else is heard meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Installing {
    pub index: Index,
    index_term: Term,
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

impl Paxos {
    /// As leader: a follower lacks what is compacted away.
    pub(super) fn transfer_to(&mut self, now: Time, peer: NodeId, out: &mut Out) {
        let start = self.protocol.log().start();
        let Some(reign) = &mut self.reign else { return };
        let transfers = &mut reign.transfers;
        if transfers.snapshot.as_ref().is_some_and(|snapshot| snapshot.index < start) {
            // Too old: what follows it is compacted away too by now.
            transfers.snapshot = None;
            transfers.to.clear();
        }
        if transfers.to.contains_key(&peer) {
            return;
        }
        transfers.to.insert(peer, (0, now));
        if transfers.snapshot.is_some() {
            self.send_piece(now, peer, out);
        } else if !transfers.wanted {
            transfers.wanted = true;
            out.tells.push(Effect::WantSnapshot);
        }
    }

    /// As leader: a follower needs no snapshot any more.
    pub(super) fn transferred_to(&mut self, peer: NodeId) {
        if let Some(Transfers { snapshot, to, .. }) =
            self.reign.as_mut().map(|reign| &mut reign.transfers)
        {
            to.remove(&peer);
            if to.is_empty() {
                *snapshot = None;
            }
        }
    }

    pub(super) fn on_snapshot(&mut self, now: Time, snapshot: Snapshot, out: &mut Out) {
        let Some(reign) = &mut self.reign else { return };
        reign.transfers.wanted = false;
        reign.transfers.snapshot = Some(snapshot);
        let peers: Vec<NodeId> = reign.transfers.to.keys().copied().collect();
        for peer in peers {
            self.send_piece(now, peer, out);
        }
    }

    fn send_piece(&mut self, now: Time, peer: NodeId, out: &mut Out) {
        let Some(reign) = &mut self.reign else { return };
        let Some(snapshot) = &reign.transfers.snapshot else { return };
        let Some((offset, sent)) = reign.transfers.to.get_mut(&peer) else { return };
        *sent = now;
        let piece = Message::Piece {
            term: reign.term,
            index: snapshot.index,
            index_term: snapshot.term,
            offset: *offset,
            total: snapshot.state.len() as u64,
            bytes: pieces::piece(snapshot, *offset),
        };
        out.send(peer, piece);
    }

    /// As leader: sends again what was not answered.
    pub(super) fn transfer_again(&mut self, now: Time, out: &mut Out) {
        let Some(reign) = &self.reign else { return };
        let to = reign.transfers.to.iter();
        let silent = to.filter(|(_, (_, sent))| now.since(*sent) >= PIECE_DEADLINE);
        let silent: Vec<NodeId> = silent.map(|(peer, _)| *peer).collect();
        for peer in silent {
            self.send_piece(now, peer, out);
        }
    }

    pub(super) fn on_arrived(
        &mut self,
        now: Time,
        from: NodeId,
        (term, index): (Term, Index),
        upto: u64,
        out: &mut Out,
    ) {
        let Some(reign) = self.reign.as_mut().filter(|reign| reign.term == term) else { return };
        let Some(snapshot) = reign.transfers.snapshot.as_ref().filter(|s| s.index == index) else {
            return;
        };
        let total = snapshot.state.len() as u64;
        // Where it really is counts, also when that is further back: it may have crashed meanwhile.
        if let Some((arrived, _)) = reign.transfers.to.get_mut(&from)
            && upto != *arrived
        {
            *arrived = upto.min(total);
            if upto < total {
                self.send_piece(now, from, out);
            }
        }
    }

    /// As follower: a piece came.
    pub(super) fn on_piece(&mut self, now: Time, from: NodeId, piece: Piece, out: &mut Out) {
        let Piece { term, index, index_term, offset, total, bytes } = piece;
        let promised = term == self.protocol.promised() && term.node == from;
        let place = is_place(index, index_term, term);
        if !promised || !place || total > SNAPSHOT_BYTES_MAX || now < self.rest_until {
            return;
        }
        if index <= self.protocol.decided() {
            // It is here already, and the leader did not hear it.
            return self.protocol.reconnected(from);
        }
        if self.protocol.log().term_at(index) == Some(index_term) {
            let state = State { decided: index, ..self.protocol.state() };
            return self.begin_anew(state);
        }
        let same = |i: &Incoming| (i.term, i.index, i.index_term) == (term, index, index_term);
        let mut incoming = match self.incoming.take() {
            Some(incoming) if same(&incoming) => incoming,
            Some(_) | None => Incoming { term, index, index_term, bytes: Vec::new() },
        };
        if offset == incoming.bytes.len() as u64 {
            incoming.bytes.extend_from_slice(&bytes);
        }
        let upto = incoming.bytes.len() as u64;
        out.send(from, Message::Arrived { term, index, upto });
        if upto < total {
            self.incoming = Some(incoming);
            return;
        }
        if planted(Bug::StockSnapshot) {
            self.applied = index;
            let log = Log::after(index, index_term);
            return self.begin_anew(State { log, decided: index, ..self.protocol.state() });
        }
        self.installing = Some(Installing { index, index_term });
        let state = incoming.bytes.into();
        out.tells.push(Effect::Install(Snapshot { index, term: index_term, state }));
    }

    /// The service has installed the snapshot: the log begins behind it from now on, and the disk
    /// is told so by the checkpoint that is being made.
    pub(super) fn install(&mut self, installing: Installing) {
        let Installing { index, index_term } = installing;
        self.applied = if planted(Bug::SnapshotOffByOne) { index.next() } else { index };
        let log = Log::after(index, index_term);
        self.begin_anew(State { log, decided: index, ..self.protocol.state() });
    }

    /// As if the process had restarted with this state on its disk.
    fn begin_anew(&mut self, state: State) {
        self.rounds.before = self.rounds.now;
        self.found = state.promised;
        let stored = self.protocol.records();
        assert!(stored.is_empty(), "a step that begins anew stores nothing before: {stored:?}");
        self.protocol = Protocol::new(&self.config, self.protocol.generation(), state);
    }

    /// A checkpoint is on disk: an installed snapshot counts from now on.
    pub(super) fn on_checkpointed(&mut self, index: Index) {
        if self.installing.take_if(|installing| installing.index == index).is_some() {
            self.disk.replaced(index);
        }
    }

    /// An installed snapshot cannot be read: everything is as before. It is asked for again after a
    /// rest, since it may have been damaged on its way.
    pub(super) fn on_not_installed(&mut self, now: Time, index: Index) {
        if self.installing.take_if(|installing| installing.index == index).is_some() {
            self.rest_until = now + INSTALL_REST;
        }
    }
}
