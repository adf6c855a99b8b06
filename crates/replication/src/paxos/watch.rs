//! Time: rounds of the election, and a watch on whether this replica gets anywhere.
//!
//! The crate elects a leader when nobody hears the old one, and sends most things once. What can
//! still stand still, for good, is a replica that has promised a term whose candidate died while
//! the others follow an older one; a replica that missed the last message before a silence; a
//! leader that lost the others; a follower to whom its leader has said everything, as it believes.
//! Each is seen here, from the outside: *the log of another replica is longer, or decided further,
//! or this one fits to no leader, and nothing has moved for a while.*

use std::collections::BTreeMap;
use std::time::Duration;

use super::message::Beat;
use super::translate::beat;
use super::{Out, Paxos};
use crate::engine::Effect;
use crate::log::Index;
use crate::planted::{Bug, planted};
use crate::term::{NodeId, Term};
use crate::time::Time;

/// Rounds in which a leader hears no majority until it gives up, so that who waits for it is told.
const LONELY_ROUNDS_MAX: u32 = 3;

/// What is begun anew in vain has twice as long the next time, so often: beginning anew takes two
/// round trips, which may be longer than [`Timers::stuck`].
const TRIES_DOUBLED: u32 = 2;

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timers {
    /// The protocol's unit of time; a round of its election has six.
    pub tick: Duration,
    /// Without progress for this long, all peers are asked to begin anew.
    pub stuck: Duration,
    /// Without progress for this long, this replica tries to lead itself.
    pub takeover: Duration,
    /// The same for a leader whose connection is refused; and how much longer each replica waits
    /// than the one with the next higher id, here and before a takeover in tenths of it.
    pub refused: Duration,
}

impl Timers {
    /// A round in which nobody answers must be longer than a disk stalls.
    pub(super) const TICKS_PER_ROUND: u64 = 6;

    /// Promises and questions for them are repeated.
    pub(super) const TICKS_PER_RESEND: u64 = 4;

    /// Rounds of 300 ms, so that stalls up to 90 ms depose nobody; a leader that is silent is
    /// replaced within 600 to 1200 ms.
    pub const DEFAULT: Timers = Timers {
        tick: Duration::from_millis(50),
        stuck: Duration::from_millis(400),
        takeover: Duration::from_millis(900),
        refused: Duration::from_millis(5),
    };

    /// A leader that is not heard for three rounds is gone.
    fn silence(&self) -> Duration {
        self.tick * 3 * u32::try_from(Timers::TICKS_PER_ROUND).unwrap_or(u32::MAX)
    }

    /// For quiet disks: rounds of 36 ms; a leader that is silent is replaced after some 110 ms.
    pub const FAST: Timers = Timers {
        tick: Duration::from_millis(6),
        stuck: Duration::from_millis(48),
        takeover: Duration::from_millis(108),
        refused: Duration::from_millis(5),
    };
}

/// The present round of the election.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rounds {
    /// Rounds of instances of the protocol before this one.
    pub before: u32,
    /// The number that is asked with.
    pub now: u32,
    /// Who answered in it, which term they follow, and whether they hear its leader.
    answers: BTreeMap<NodeId, (Term, bool)>,
    /// The same for the round before.
    answered: BTreeMap<NodeId, (Term, bool)>,
}

impl Rounds {
    pub(super) fn begin(&mut self, round: u32) {
        if round > self.now {
            self.now = round;
            self.answered = std::mem::take(&mut self.answers);
        }
    }

    /// Whether it is this peer's first answer.
    pub(super) fn heard(&mut self, from: NodeId, said: &Beat) -> bool {
        let first = !self.answers.contains_key(&from);
        if first {
            self.answers.insert(from, (said.leader, said.happy));
        }
        first
    }
}

/// What is known of the leader apart from its answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Heard {
    /// The term promised, what is decided, and the round in which the election was told last.
    term: Term,
    decided: Index,
    round: u32,
    /// When somebody led, or was about to; `None` in this life so far.
    at: Option<Time>,
    /// When this life began.
    pub started: Time,
}

/// What moves when a replica gets anywhere.
type Mark = (Term, bool, Index, Index, u64);

/// Since when nothing has moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Watch {
    pub next_tick: Time,
    /// Whether this step is a tick.
    pub ticked: bool,
    mark: Option<Mark>,
    since: Time,
    restarted: Time,
    /// How often something was begun anew since all was well.
    tries: u32,
    /// When to try to lead, because the connection to the leader of this term is refused.
    campaign: Option<(Time, Term)>,
    /// The round that was looked at last, and for how many this leader heard no majority.
    round: u32,
    lonely: u32,
    /// What it had decided then.
    decided: Index,
}

impl Watch {
    pub(super) fn next_timer(&self) -> Time {
        self.campaign.map_or(self.next_tick, |(at, _)| at.min(self.next_tick))
    }
}

impl Paxos {
    pub(super) fn quorum(&self) -> usize {
        self.config.peers.len().div_ceil(2) + 1
    }

    pub(super) fn on_time(&mut self, now: Time, out: &mut Out) {
        if let Some((at, term)) = self.watch.campaign
            && at <= now
        {
            self.watch.campaign = None;
            self.campaign_against(term);
        }
        if now < self.watch.next_tick {
            return;
        }
        // A process that was stopped has one tick, not all that it missed.
        let tick = self.config.timers.tick;
        let due = self.watch.next_tick + tick;
        self.watch.next_tick = if due > now { due } else { now + tick };
        self.watch.ticked = true;
        if self.installing.is_some() {
            return;
        }
        self.look_for_lost();
        self.protocol.tick();
        self.probe(out);
        self.transfer_again(now, out);
        self.watch_progress(now);
        self.watch_majority(out);
        self.watch_leader(now);
    }

    /// Whoever asks for a promise is there, and so the leader to be; whoever decides is, and has a
    /// majority. The crate's election would learn it with the next round only, and might choose
    /// another one until then.
    pub(super) fn hear_leader(&mut self, now: Time) {
        let (term, decided) = (self.protocol.promised(), self.protocol.decided());
        let asks = std::mem::replace(&mut self.heard.term, term) != term;
        let more = std::mem::replace(&mut self.heard.decided, decided) < decided;
        if term.node == self.config.id || !(asks || more && self.protocol.follows().is_some()) {
            return;
        }
        self.heard.at = Some(now);
        if asks || self.heard.round != self.rounds.now {
            self.heard.round = self.rounds.now;
            let round = self.rounds.now.saturating_sub(self.rounds.before);
            let said = Beat { round, ballot: term, leader: term, happy: true };
            self.protocol.hear(beat(term.node, self.config.id, said));
        }
    }

    /// The leader of the promised term answers, and has a majority.
    pub(super) fn hear_answer(&mut self, now: Time, said: &Beat) {
        if said.happy && said.ballot == self.protocol.promised() {
            self.heard.at = Some(now);
        }
    }

    /// Whether somebody led a moment ago.
    pub(super) fn hears_leader(&self, now: Time) -> bool {
        self.heard.at.is_some_and(|at| now.since(at) < self.config.timers.silence())
    }

    /// Tries to lead when a majority answers and nobody in it hears a leader, this replica last of
    /// all. The crate's election does the same, but waits until each of them had its own round, and
    /// lets all begin at once.
    fn watch_leader(&mut self, now: Time) {
        let answers = &self.rounds.answers;
        let timers = self.config.timers;
        // A life in which nobody was heard yet knows of nobody who could come back.
        let (since, patience) = match self.heard.at {
            Some(at) => (at, timers.silence()),
            None => (self.heard.started, timers.tick),
        };
        let silent = now.since(since) >= patience + timers.tick * self.rank();
        let agreed = answers.len() + 1 >= self.quorum();
        let nobody = answers.values().all(|(_, hears)| !hears);
        if silent && agreed && nobody && !self.tries_to_lead() {
            self.heard.at = Some(now);
            self.try_to_lead();
        }
    }

    /// Applies what is decided and on this disk.
    pub(super) fn apply(&mut self, out: &mut Out) {
        let limit = self.protocol.decided().min(self.disk.durable());
        while self.applied < limit {
            let entry = self.protocol.log().get(self.applied.next());
            let entry = entry.expect("what is not applied is not compacted").clone();
            self.applied = entry.index;
            out.tells.push(Effect::Apply(entry));
        }
    }

    /// Whether it has what was decided when it first followed somebody.
    pub(super) fn look_how_far(&mut self) {
        if let Some(link) = self.protocol.follows().and_then(|leader| self.links.get(&leader)) {
            let decided = link.decided.max(self.protocol.decided());
            self.catch_up.heard(self.protocol.promised(), decided);
        }
        let leads = self.reign.as_ref().is_some_and(|reign| reign.leading);
        self.catch_up.look(leads, self.protocol.log(), self.applied);
    }

    fn watch_progress(&mut self, now: Time) {
        if planted(Bug::LinkUnordered) {
            return;
        }
        let protocol = &self.protocol;
        let (accepting, decided) = (protocol.is_accepting(), protocol.decided());
        let bytes = self.incoming.as_ref().map_or(0, |incoming| incoming.bytes.len() as u64);
        let (accepted, last) = (protocol.accepted(), protocol.log().last());
        let mark = (protocol.promised(), accepting, last, decided, bytes);
        // A follower that lost its place in the leader's log may be told nothing more, and the log
        // is not decided without it.
        let more = |of: Option<(Term, Index)>| of.is_some_and(|(t, to)| t == accepted && to > last);
        let behind = self.links.values().any(|link| link.decided > decided || more(link.stored));
        if accepting && !behind {
            self.watch.tries = 0;
        }
        if self.watch.mark != Some(mark) || accepting && !behind {
            self.watch.mark = Some(mark);
            self.watch.since = now;
            self.watch.restarted = now;
            return;
        }
        let timers = self.config.timers;
        let patience = 1 << self.watch.tries.min(TRIES_DOUBLED);
        let takeover = timers.takeover + timers.takeover / 10 * self.rank();
        if now.since(self.watch.since) >= takeover * patience && self.may_take_over() {
            self.watch.since = now;
            self.watch.tries += 1;
            self.try_to_lead();
        } else if now.since(self.watch.restarted) >= timers.stuck * patience {
            self.watch.restarted = now;
            self.watch.tries += 1;
            for peer in &self.config.peers {
                self.protocol.reconnected(*peer);
            }
        }
    }

    /// How many replicas have a higher id: one after the other, the highest first.
    fn rank(&self) -> u32 {
        self.config.peers.iter().map(|peer| u32::from(*peer > self.config.id)).sum()
    }

    /// A replica that hears a majority, and the leader that these follow. One that is cut off from
    /// the leader alone would depose it again and again.
    fn may_take_over(&self) -> bool {
        let answered = &self.rounds.answered;
        let top = answered.values().max().map_or(NodeId::NONE, |(term, _)| term.node);
        answered.len() + 1 >= self.quorum()
            && (top == self.config.id || answered.contains_key(&top))
    }

    /// Whether it leads, or has begun to.
    pub(super) fn tries_to_lead(&self) -> bool {
        let promised = self.protocol.promised();
        promised.node == self.config.id && promised != self.found
    }

    /// Begins to lead, if others agree, under a term higher than any promised here.
    pub(super) fn try_to_lead(&mut self) {
        self.protocol.try_to_lead();
    }

    /// A leader that hears no majority can acknowledge nothing, and says so. When it hears one
    /// again that knows of no newer leader, it leads on, under a new term.
    fn watch_majority(&mut self, out: &mut Out) {
        if self.rounds.now == self.watch.round {
            return;
        }
        self.watch.round = self.rounds.now;
        let Rounds { answers, answered, .. } = &self.rounds;
        let heard = answers.len().max(answered.len()) + 1 >= self.quorum();
        let followed = answers.values().chain(answered.values()).map(|(term, _)| *term);
        let newest = followed.max().unwrap_or_default();
        let Some(reign) = &self.reign else {
            self.watch.lonely = 0;
            return;
        };
        // Whoever decides has a majority, also when their answers come late.
        let decided = self.protocol.decided();
        let decides = std::mem::replace(&mut self.watch.decided, decided) < decided;
        match (heard || decides, reign.retired) {
            (true, true) if newest <= reign.term => self.try_to_lead(),
            (true, _) => self.watch.lonely = 0,
            (false, true) => {}
            (false, false) => {
                self.watch.lonely += 1;
                if self.watch.lonely >= LONELY_ROUNDS_MAX {
                    self.retire(out);
                }
            }
        }
    }

    pub(super) fn on_link(&mut self, now: Time, peer: NodeId, up: bool) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.refused = !up;
        let promised = self.protocol.promised();
        if up {
            if self.installing.is_none() {
                self.protocol.reconnected(peer);
            }
        } else if promised.node == peer {
            let after = self.config.timers.refused * (1 + self.rank());
            self.watch.campaign = Some((now + after, promised));
        }
    }

    /// The leader of this term is gone, if the transport is right. If it is not, the leader is
    /// deposed for nothing, once.
    fn campaign_against(&mut self, term: Term) {
        let refused = |peer: &NodeId| self.links.get(peer).is_some_and(|link| link.refused);
        let reachable = self.config.peers.iter().filter(|peer| !refused(peer)).count();
        if self.protocol.promised() == term
            && refused(&term.node)
            && reachable + 1 >= self.quorum()
            && self.installing.is_none()
        {
            self.try_to_lead();
        }
    }
}
