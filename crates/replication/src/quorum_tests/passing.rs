//! How time passes in the test world: from timer to timer, so that nothing depends on how long a
//! step of the clock is. Called by golden scripts and random walks.

use std::fmt::Write as _;
use std::time::Duration;

use super::world::World;
use crate::engine::Input;
use crate::term::NodeId;
use crate::time::Time;

/// Timers of one replica that fire at the same moment.
const TIMERS_AT_ONCE_MAX: usize = 10;

impl World {
    /// Disks and messages, until nothing is left to do. No time passes.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            let busy = self.hosts.iter().find(|(_, h)| h.runs() && !h.unsynced.is_empty());
            if let Some((id, _)) = busy {
                self.sync(*id, usize::MAX);
            } else if !self.network.is_empty() {
                self.deliver(0);
            } else {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// The next timer of one of these, and whose it is.
    fn next_timer(&self, of: &[NodeId]) -> Option<(Time, NodeId)> {
        of.iter().filter_map(|id| Some((self.hosts[id].due()?, *id))).min()
    }

    /// Time goes on to the next timer of one of these, if that is not after `until`; it fires.
    pub fn tick(&mut self, of: &[NodeId], until: Time) -> bool {
        let Some((at, id)) = self.next_timer(of).filter(|(at, _)| *at <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(at);
        self.tell(|out| write!(out, "{id}: timer at {at}"));
        for _ in 0..TIMERS_AT_ONCE_MAX {
            self.step(id, Input::Timer);
            if self.hosts[&id].due().is_none_or(|at| at > self.now) {
                return true;
            }
        }
        panic!("{id}: its timer is due again and again");
    }

    /// So much time passes; timers fire when they are due. Nothing arrives meanwhile.
    pub fn advance(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.tick(&self.ids(), until) {}
    }

    /// So much time passes, with quick disks and a quick network, or until it is as is wanted.
    pub fn run(
        &mut self,
        of: &[NodeId],
        duration: Duration,
        wanted: impl Fn(&World) -> bool,
    ) -> bool {
        let until = self.now + duration;
        self.settle();
        while !wanted(self) {
            if !self.tick(of, until) {
                return false;
            }
            self.settle();
        }
        true
    }
}
