//! What wakes a node without anybody's asking: its disk and its timer.
//!
//! Called by the world's loop, and after each step.

use std::time::Duration;

use replication::Time;
use shop::Input;

use super::disk::{Failed, Outcome};
use super::process::Process;
use super::{Event, World};
use crate::planted::Lie;
use crate::points::Point;
use crate::who::Seat;

/// When a full disk is tried again, as in the shell.
const FULL_RETRY: Duration = Duration::from_millis(200);

/// How much later than it says a disk writes, if the planted bug is that it does.
const WRITTEN_LATER: Duration = Duration::from_secs(1);

impl World {
    pub(super) fn begin_commit(&mut self, seat: Seat) {
        let host = &mut self.hosts[seat];
        let life = host.life;
        if let Some(mut after) = host.disk.begin_commit() {
            if self.plan.setting.lies(Lie::MemoryAck) {
                after += WRITTEN_LATER;
            }
            let worth = host.disk.is_large_commit() || host.doomed_commits == 0;
            host.doomed_commits = host.doomed_commits.saturating_sub(1);
            if worth && let Some(down) = host.doomed.take() {
                self.schedule(after / 2, Event::Kill { host: seat, life });
                self.schedule(after / 2 + down, Event::Start { host: seat });
            }
            self.schedule(after, Event::Commit { host: seat, life });
        }
    }

    pub(super) fn set_timer(&mut self, seat: Seat) {
        let now = self.now;
        let host = &mut self.hosts[seat];
        let Some(at) = host.process.as_ref().and_then(Process::next_timer) else { return };
        if at == Time(u64::MAX) {
            return;
        }
        let after = host.clock.until(now, at);
        if host.timer.is_some_and(|set| set <= now + after && set > now) {
            return;
        }
        host.timer = Some(now + after);
        let life = host.life;
        self.schedule(after, Event::Timer { host: seat, life, at: now + after });
    }

    pub(super) fn on_commit(&mut self, seat: Seat) {
        let before = self.hosts[seat].disk.syncs();
        let outcomes = self.hosts[seat].disk.commit();
        self.count_syncs(seat, before);
        self.after_disk(seat, outcomes);
    }

    pub(super) fn on_job(&mut self, seat: Seat, number: u64) {
        let before = self.hosts[seat].disk.syncs();
        let finished = self.hosts[seat].disk.finish(number);
        self.count_syncs(seat, before);
        match finished {
            Ok(Some(outcomes)) => self.after_disk(seat, Ok(outcomes)),
            Ok(None) => {
                let life = self.life(seat);
                self.schedule(FULL_RETRY, Event::Job { host: seat, life, number });
            }
            Err(failed) => self.after_disk(seat, Err(failed)),
        }
    }

    fn count_syncs(&mut self, seat: Seat, before: u64) {
        if let Some(costs) = &mut self.costs {
            let host = &self.hosts[seat];
            costs.synced(self.now, host.who, host.disk.syncs().saturating_sub(before));
        }
    }

    /// What the disk made possible; and then it goes on.
    pub(super) fn after_disk(&mut self, seat: Seat, outcomes: Result<Vec<Outcome>, Failed>) {
        let Ok(outcomes) = outcomes else {
            self.points.reach(Point::DiskFailed);
            let after = self.hosts[seat].down_for;
            self.crash(seat);
            return self.schedule(after, Event::Start { host: seat });
        };
        let life = self.life(seat);
        for outcome in outcomes {
            if self.life(seat) != life {
                return;
            }
            match outcome {
                Outcome::Perform(effect) => self.perform(seat, effect),
                Outcome::Step(input) => self.step(seat, input),
            }
        }
        while let Some((number, after)) = self.hosts[seat].disk.next_job() {
            self.schedule(after, Event::Job { host: seat, life, number });
        }
        if self.hosts[seat].disk.wants_retry() {
            self.schedule(FULL_RETRY, Event::Retry { host: seat, life });
        }
        self.begin_commit(seat);
    }

    pub(super) fn on_timer(&mut self, seat: Seat, at: Time) {
        let now = self.now;
        let host = &mut self.hosts[seat];
        if host.timer == Some(at) {
            host.timer = None;
        }
        let due = host.process.as_ref().and_then(Process::next_timer);
        if due.is_some_and(|due| due <= host.clock.read(now)) {
            self.step(seat, Input::Timer);
        } else {
            self.set_timer(seat);
        }
    }
}
