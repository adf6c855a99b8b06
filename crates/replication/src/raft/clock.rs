//! Time: the crate's ticks, election timeouts without hidden randomness, and the short way to a new
//! leader when the old one's connection is closed.
//!
//! The crate counts ticks and draws its timeouts from a random generator of its own. Here each
//! timeout is a function of seed, replica and term, and ticks are caught up when something happens,
//! so that a replica wakes only when something is due. Called by `mod`.

use std::time::Duration;

use raft::StateRole;

use super::Raft;
use crate::engine::Effect;
use crate::term::NodeId;
use crate::time::Time;

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timers {
    /// A leader speaks at least this often.
    pub heartbeat: Duration,
    /// A follower that hears nothing for this long, or up to twice as long, asks for votes; a
    /// leader that hears less than a quorum for this long steps down.
    pub election: Duration,
}

impl Timers {
    /// For disks that stall up to 90 ms now and then.
    pub const DEFAULT: Timers =
        Timers { heartbeat: Duration::from_millis(100), election: Duration::from_millis(600) };

    /// For quiet disks.
    pub const FAST: Timers =
        Timers { heartbeat: Duration::from_millis(10), election: Duration::from_millis(100) };

    /// The crate's unit of time.
    fn tick(self) -> Duration {
        self.heartbeat / 10
    }

    /// The heartbeat interval in ticks.
    pub(super) const HEARTBEAT_TICKS: usize = 10;

    /// The shortest election timeout in ticks; the longest is twice that.
    pub(super) fn election_ticks(self) -> usize {
        let ticks = self.election.as_micros() / self.tick().as_micros().max(1);
        usize::try_from(ticks).unwrap_or(usize::MAX).max(2 * Timers::HEARTBEAT_TICKS)
    }

    /// How much later each next replica asks for votes, when all see at once that the leader died:
    /// enough for the one before to win, so that they do not split the vote.
    fn stagger(self) -> Duration {
        self.heartbeat / 5
    }

    /// How soon it asks again, since the others may not have seen it yet; then after twice as long,
    /// and so on. A question of this kind changes nothing anywhere (pre-vote).
    fn again(self) -> Duration {
        self.heartbeat / 20
    }
}

/// No leader is known to be there: ask for votes soon, not when the timeout has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hurry {
    /// When to ask next.
    at: Time,
    /// How long after that again.
    rest: Duration,
    /// When to leave it to the timeout.
    until: Time,
    /// A higher term says that somebody else was faster.
    term: u64,
}

/// What is remembered of time.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Up to here, time is counted in the crate's ticks.
    ticked: Time,
    hurry: Option<Hurry>,
}

/// SplitMix64 (Steele, Lea, Flood 2014): mixes what makes one timeout differ from another.
fn mix(seed: u64, id: NodeId, term: u64) -> u64 {
    let mut z = seed ^ (u64::from(id.0) << 56) ^ term.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Raft {
    /// At the end of every step, in which the crate may have drawn a timeout of its own: nobody
    /// reads that before the next step's ticks.
    pub(super) fn set_timeout(&mut self) {
        let shortest = self.config.timers.election_ticks();
        let random = mix(self.config.seed, self.config.id, self.node.raft.term);
        let above = usize::try_from(random % shortest as u64).unwrap_or_default();
        self.node.raft.set_randomized_election_timeout(shortest + above);
    }

    /// Ticks until the crate does something by itself.
    fn due_ticks(&self) -> usize {
        let raft = &self.node.raft;
        let heartbeat = raft.heartbeat_timeout().saturating_sub(raft.heartbeat_elapsed());
        let timeout = if self.leads() {
            heartbeat.min(raft.election_timeout().saturating_sub(raft.election_elapsed))
        } else if self.votes() {
            raft.randomized_election_timeout().saturating_sub(raft.election_elapsed)
        } else {
            // Who has no vote does nothing by itself.
            raft.election_timeout()
        };
        timeout.max(1)
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        let ticks = u32::try_from(self.due_ticks()).unwrap_or(u32::MAX);
        let tick = self.clock.ticked + self.config.timers.tick() * ticks;
        let hurry = self.clock.hurry.map(|hurry| hurry.at);
        [Some(tick), hurry, self.transfers.next_timer()].into_iter().flatten().min()
    }

    pub(super) fn start_clock(&mut self, now: Time) {
        self.clock.ticked = now;
        self.hurry(now, None);
    }

    /// Counts the time that passed, but for what is due: that waits for the timer, so that a vote
    /// that is asked for at the same moment is heard first.
    ///
    /// A process that slept counts no further than to the next thing that was due: what others did
    /// meanwhile is on its way to it.
    pub(super) fn pass_time(&mut self, now: Time, is_timer: bool) {
        let tick = self.config.timers.tick();
        let passed = now.since(self.clock.ticked).as_micros() / tick.as_micros().max(1);
        let passed = usize::try_from(passed).unwrap_or(usize::MAX);
        if self.disk.is_replacing() {
            // The crate would read entries that the snapshot stands for.
            self.clock.ticked = now;
            return;
        }
        let due = self.due_ticks();
        if self.has_left() {
            // It asks for no votes. But one of those that are left may need its answer, which it
            // gives when it has not heard its leader for a while.
            let elapsed = &mut self.node.raft.election_elapsed;
            *elapsed = elapsed.saturating_add(passed);
            self.clock.ticked =
                self.clock.ticked + tick * u32::try_from(passed).unwrap_or(u32::MAX);
            return;
        }
        let count = if is_timer { passed.min(due) } else { passed.min(due - 1) };
        for _ in 0..count {
            self.node.tick();
        }
        self.clock.ticked = if is_timer && passed >= due {
            now
        } else {
            self.clock.ticked + tick * u32::try_from(count).unwrap_or(u32::MAX)
        };
    }

    /// `gone` led, and its connection is closed; or, with nobody, this process starts.
    ///
    /// Others see the same at the same time: the highest id asks first, as in the course's rule,
    /// each lower one a little later.
    pub(super) fn hurry(&mut self, now: Time, gone: Option<NodeId>) {
        let (id, timers) = (self.config.id, self.config.timers);
        let before_me = self
            .other_voters()
            .filter(|peer| *peer > id && Some(*peer) != gone && !self.unreachable.contains(peer));
        let rank = u32::try_from(before_me.count()).unwrap_or(u32::MAX);
        self.clock.hurry = Some(Hurry {
            at: now + timers.stagger() * rank,
            rest: timers.again(),
            until: now + timers.election,
            term: self.node.raft.term,
        });
    }

    /// Asks for votes, if there is a hurry and it is time.
    pub(super) fn campaign_if_due(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.calm_down();
        let Some(hurry) = self.clock.hurry.filter(|hurry| hurry.at <= now) else { return };
        let waits = self.node.raft.state == StateRole::Candidate
            || self.disk.is_replacing()
            || !self.votes();
        if !waits && self.node.campaign().is_err() {
            out.push(Effect::Warn("an election could not begin".to_string()));
        }
        let (at, rest) = (now + hurry.rest, hurry.rest * 2);
        self.clock.hurry = (at < hurry.until).then_some(Hurry { at, rest, ..hurry });
    }

    /// There is no hurry once somebody leads or a term began.
    fn calm_down(&mut self) {
        let (leader, term) = (self.node.raft.leader_id, self.node.raft.term);
        self.clock.hurry.take_if(|hurry| leader != 0 || term > hurry.term);
    }
}
