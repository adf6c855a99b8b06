//! Links to peers that keep the order of messages, or tell that something was lost.
//!
//! The protocol believes that what it gets from a peer comes in order, and that whatever is lost is
//! told ([`Protocol::reconnected`](super::protocol::Protocol::reconnected)). What really comes,
//! comes late, twice, in any order, or from a process that is dead by now. So messages go in
//! **frames**, numbered between one life of the sender and one of the receiver:
//!
//! - A frame for another life, or from one that is not the peer's present one, is dropped.
//! - A frame with a number that was passed is dropped: it comes twice, or too late.
//! - A number is left out: those behind it wait for it, [`EARLY_MAX`] of them, a tick or two; then
//!   it is lost, and dropped if it comes later.
//! - Each [`Message::Ask`] says how many frames there were. If these are not here when the next one
//!   comes, they are lost.
//!
//! **Which life is the peer's present one** is learned only from the first [`Message::Answer`] to
//! the present round of questions, which names the asker's life and the round, both unique. A life
//! that answers a question was there when it was asked; so an answer to a later round is never from
//! an earlier life than one that answered a round before. No clocks are compared; that two lives
//! of a replica differ is all that a [`Life`] must do.
//!
//! A frame whose content relies on records waits here until they are on disk, and all behind it.
//! One that says what is decided waits for the next one, or for a tick: nobody waits for it.

use std::collections::{BTreeMap, VecDeque};

use super::gate::{is_term, makes_sense};
use super::message::{Beat, Body, Life, Message};
use super::translate::{Said, beat, to_crate};
use super::{Out, Paxos};
use crate::engine::Effect;
use crate::log::{Entry, Index};
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};
use crate::time::Time;

/// Entries in one frame. Few where walks try the engine: what goes in many frames is where order
/// counts, and their histories are short.
const ENTRIES_PER_FRAME_MAX: usize = if cfg!(test) { 4 } else { 512 };

/// Entries of one message that are gathered from several frames: a bound for what a peer with a bug
/// makes this replica keep.
const GATHERED_MAX: usize = 1 << 22;

/// Frames that wait for one before them: a log of 16,384 entries can come in any order.
const EARLY_MAX: usize = 32;

/// This replica's end of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Link {
    /// The peer's present life, once it is known.
    pub life: Option<Life>,
    /// Who asked last.
    asked_by: Life,
    /// Frames sent between the present lives.
    sent: u64,
    /// The number of the newest frame received between them.
    received: u64,
    /// Those behind it that came early, by number.
    early: BTreeMap<u64, Body>,
    /// The newest one received when a tick last found early ones.
    stood_at: Option<u64>,
    /// How many there were when the peer asked last.
    claimed: u64,
    /// The beginning of a message in several frames.
    gathered: Vec<Entry>,
    /// What waits, with the number of the record that it waits for.
    outbox: VecDeque<(u64, Body)>,
    /// Whether the transport found the connection refused.
    pub refused: bool,
    /// How far the peer knows the log to be decided.
    pub decided: Index,
    /// The term under which its log is accepted, and where that ends, as it said last.
    pub stored: Option<(Term, Index)>,
    /// The highest term that it has on its disk, as it said in any of its lives.
    promised: Term,
}

impl Paxos {
    /// Something is to be said to a peer.
    pub(super) fn say(&mut self, now: Time, to: NodeId, said: Said, out: &mut Out) {
        match said {
            Said::Ask { round } => self.ask(to, self.rounds.before.saturating_add(round), out),
            Said::Beat(beat) => self.answer(now, to, beat, out),
            Said::Body(body) => self.say_in_order(now, to, body, out),
        }
    }

    fn ask(&mut self, to: NodeId, round: u32, out: &mut Out) {
        self.rounds.begin(round);
        let Some(link) = self.links.get(&to) else { return };
        let (yours, sent, promised) = (link.life.unwrap_or_default(), link.sent, link.promised);
        out.send(to, Message::Ask { round, life: self.life, yours, sent, promised });
    }

    fn answer(&mut self, now: Time, to: NodeId, beat: Beat, out: &mut Out) {
        let stored = self.stored();
        let promised = self.protocol.promised();
        let beat = match self.tries_to_lead() && promised > beat.ballot {
            // The crate's election learns that only with its next round.
            true => Beat { ballot: promised, leader: promised, happy: true, ..beat },
            false if self.reign.is_some() => beat,
            // Fresher than what the crate knows since its last round.
            false => Beat { happy: self.hears_leader(now), ..beat },
        };
        let Some(link) = self.links.get(&to) else { return };
        let (life, decided) = (self.life, self.protocol.decided());
        out.send(to, Message::Answer { to: link.asked_by, life, beat, decided, stored });
    }

    /// A vote for all of this log, for the leader whose log it is. Only for the one that is
    /// promised, and followed or this one: with a snapshot in the place of its log, a replica has
    /// one of an older term that the leader of that term never had ([`super::transfer`]).
    fn stored(&self) -> Option<(Term, Index)> {
        let protocol = &self.protocol;
        let knows = protocol.follows().is_some() || protocol.leads().is_some();
        let leaders = knows && protocol.accepted() == protocol.promised();
        let idle = self.disk.is_idle() || planted(Bug::AcceptUnsynced);
        (leaders && idle).then(|| (protocol.accepted(), protocol.log().last()))
    }

    fn say_in_order(&mut self, now: Time, to: NodeId, body: Body, out: &mut Out) {
        let start = self.protocol.log().start();
        let relies = match &body {
            // A leader's entries may travel while its own disk writes them, since its own vote
            // counts only when they are there: `Paxos::count_stored`.
            Body::Accept { .. } | Body::Decided { .. } => 0,
            // Nobody is promised: whoever leads asks by itself.
            Body::PrepareMe { promised } if promised.node == NodeId::NONE => return,
            Body::TakeOver { history, .. } if history.after < start => {
                return self.transfer_to(now, to, out);
            }
            Body::Promise { more: Some(history), .. } if history.after < start => {
                // Whoever lacks what is compacted away here cannot lead, but I can.
                self.wants_to_lead = true;
                return;
            }
            Body::TakeOver { .. } => {
                self.transferred_to(to);
                self.disk.count()
            }
            Body::More { .. }
            | Body::PrepareMe { .. }
            | Body::Prepare { .. }
            | Body::Promise { .. }
            | Body::Accepted { .. }
            | Body::Refused { .. } => self.disk.count(),
        };
        let relies = if planted(Bug::AcceptUnsynced) { 0 } else { relies };
        if let Some(link) = self.links.get_mut(&to).filter(|link| link.life.is_some()) {
            link.outbox.push_back((relies, body));
        }
    }

    /// Sends what need not wait any more.
    pub(super) fn release(&mut self, out: &mut Out) {
        let confirmed = self.disk.confirmed();
        let ticked = std::mem::take(&mut self.watch.ticked);
        for (peer, link) in &mut self.links {
            let Some(life) = link.life else { continue };
            let only_decided = |(_, body): &(u64, Body)| matches!(body, Body::Decided { .. });
            if !ticked && link.outbox.iter().all(only_decided) {
                continue;
            }
            while link.outbox.front().is_some_and(|(relies, _)| *relies <= confirmed)
                && let Some((_, mut body)) = link.outbox.pop_front()
            {
                let mut frames = Vec::new();
                if let Some(entries) = body.entries_mut() {
                    while entries.len() > ENTRIES_PER_FRAME_MAX {
                        let rest = entries.split_off(ENTRIES_PER_FRAME_MAX);
                        let entries = std::mem::replace(entries, rest);
                        frames.push(Body::More { entries });
                    }
                }
                frames.push(body);
                for body in frames {
                    link.sent += 1;
                    let number = link.sent;
                    out.send(*peer, Message::Frame { from: self.life, to: life, number, body });
                }
            }
        }
    }

    /// A peer may know of a promise that this disk does not have. Whoever promised may have voted,
    /// and would again: from then on it hears nothing, asks for nothing, and is counted for
    /// nothing.
    pub(super) fn look_for_loss(&mut self, promised: Term, out: &mut Out) {
        let known = self.protocol.promised();
        if promised <= known || !is_term(promised, self.protocol.generation()) {
            return;
        }
        self.lost = true;
        let why = format!(
            "this replica has promised {promised}, and its disk says {known}: the disk lost what \
             was on it; start this replica under a new id"
        );
        out.tells.push(Effect::Warn(why));
        self.retire(out);
    }

    pub(super) fn on_ask(&mut self, from: NodeId, round: u32, life: Life, yours: Life, sent: u64) {
        let Some(link) = self.links.get_mut(&from) else { return };
        link.asked_by = life;
        if yours == self.life && link.life == Some(life) {
            let lost = link.claimed > link.received;
            if lost {
                link.received = link.claimed;
                link.gathered.clear();
            }
            link.claimed = link.claimed.max(sent);
            if lost {
                self.protocol.reconnected(from);
                self.deliver_early(from);
            }
        }
        self.protocol.asked(from, round);
    }

    pub(super) fn on_answer(
        &mut self,
        now: Time,
        from: NodeId,
        said: Beat,
        (life, decided, stored): (Life, Index, Option<(Term, Index)>),
    ) {
        let first = said.round == self.rounds.now && self.rounds.heard(from, &said);
        let Some(link) = self.links.get_mut(&from).filter(|_| first) else { return };
        link.decided = decided;
        link.stored = stored;
        link.promised = stored.map_or(link.promised, |(term, _)| term.max(link.promised));
        if link.life != Some(life) {
            *link = Link {
                life: Some(life),
                asked_by: link.asked_by,
                refused: link.refused,
                promised: link.promised,
                decided,
                stored,
                ..Link::default()
            };
            self.protocol.reconnected(from);
        }
        self.hear_answer(now, &said);
        let round = said.round.saturating_sub(self.rounds.before);
        self.protocol.hear(beat(from, self.config.id, Beat { round, ..said }));
    }

    pub(super) fn on_frame(
        &mut self,
        from: NodeId,
        (from_life, to_life): (Life, Life),
        number: u64,
        body: Body,
    ) {
        let Some(link) = self.links.get_mut(&from) else { return };
        let ordered = !planted(Bug::LinkUnordered);
        if ordered
            && (to_life != self.life || link.life != Some(from_life) || number <= link.received)
        {
            return;
        }
        if ordered && number > link.received.saturating_add(1) {
            // The first of a life are often said before this replica knows of that.
            let first = link.received == 0;
            link.early.insert(number, body);
            if first || link.early.len() > EARLY_MAX {
                self.give_up_missing(from);
            }
            return;
        }
        link.received = number;
        self.deliver(from, body);
        self.deliver_early(from);
    }

    /// At each tick: what has not come since the one before is lost.
    pub(super) fn look_for_lost(&mut self) {
        for peer in self.config.peers.clone() {
            let Some(link) = self.links.get_mut(&peer) else { continue };
            let stands = (!link.early.is_empty()).then_some(link.received);
            let stood = std::mem::replace(&mut link.stood_at, stands);
            if stands.is_some() && stands == stood {
                self.give_up_missing(peer);
            }
        }
    }

    /// What is before the first early frame is lost.
    fn give_up_missing(&mut self, from: NodeId) {
        let Some(link) = self.links.get_mut(&from) else { return };
        let Some(next) = link.early.keys().next().copied() else { return };
        link.received = next.saturating_sub(1);
        link.gathered.clear();
        self.protocol.reconnected(from);
        self.deliver_early(from);
    }

    /// Frames whose turn it is, now that those before them came or are lost.
    fn deliver_early(&mut self, from: NodeId) {
        while let Some(link) = self.links.get_mut(&from) {
            let next = link.received.saturating_add(1);
            link.early.retain(|number, _| *number >= next);
            let Some(body) = link.early.remove(&next) else { return };
            link.received = next;
            self.deliver(from, body);
        }
    }

    fn deliver(&mut self, from: NodeId, mut body: Body) {
        let Some(link) = self.links.get_mut(&from) else { return };
        if let Body::More { entries } = body {
            if link.gathered.len() + entries.len() <= GATHERED_MAX {
                link.gathered.extend(entries);
            }
            return;
        }
        let mut gathered = std::mem::take(&mut link.gathered);
        if let Some(entries) = body.entries_mut() {
            gathered.append(entries);
            *entries = gathered;
        }
        self.on_body(from, body);
    }

    fn on_body(&mut self, from: NodeId, body: Body) {
        if !makes_sense(&body, from, self.config.id, &self.protocol) {
            // Not what a peer says, or not what one says to a replica that knows what this one
            // does: something is missing between the two.
            if self.protocol.promised().node == from {
                self.protocol.reconnected(from);
            }
            return;
        }
        if let Body::Promise { term, .. } | Body::Accepted { term, .. } = &body
            && let Some(link) = self.links.get_mut(&from)
        {
            link.promised = link.promised.max(*term);
        }
        if let Body::Accepted { term, last } = body {
            return self.on_stored(from, term, last);
        }
        let body = self.sync_from_decided(body);
        if let Some(message) = to_crate(from, self.config.id, body) {
            self.protocol.hear(message);
        }
    }

    /// A follower that comes late, with a log of another term than this leader's, gets everything
    /// after what it knows to be decided. The crate would believe that the logs of equal terms fit
    /// further than that; they do, but for a follower whose snapshot came from this leader.
    fn sync_from_decided(&self, mut body: Body) -> Body {
        if let Body::Promise { term, accepted, more, .. } = &mut body
            && self.protocol.leads() == Some(*term)
        {
            *more = None;
            if accepted != term {
                // A term of nobody: under zero, logs would fit as far as they did when this leader
                // began, if nobody had accepted anything then.
                *accepted = Term { number: 0, ..*term };
            }
        }
        body
    }
}
