//! The end of a random walk: all is well again, so that the replicas must be too, in bounded time.
//! Called by `walk`.

use std::time::Duration;

use bytes::Bytes;

use super::walk::Walk;
use super::world::World;
use crate::term::NodeId;
use crate::time::Time;

/// Within this time after healing a command must be on every replica, and a read must pass. Engines
/// with elections of 600 to 1200 ms needed 5.5 s at most, in a hundred thousand walks.
const HEALING_MAX: Duration = Duration::from_secs(10);

impl Walk {
    /// Everything is well again; then the store must be, in bounded time.
    pub fn heal(&mut self) {
        self.world.note(|out| {
            out.push_str("-- healing");
            Ok(())
        });
        self.world.damaged.clear();
        for (a, b) in self.world.broken.clone() {
            self.world.link(a, b, true);
        }
        self.world.heal();
        for id in self.world.ids() {
            if !self.world.hosts[&id].up {
                self.world.restart(id);
            } else if self.world.hosts[&id].paused {
                self.resume(id);
            }
            self.world.host(id).slow = false;
            self.world.sync(id, 0);
        }
        let start = self.world.now;
        let end = start + HEALING_MAX;
        self.commits(end);
        self.reads(end);
        self.rests(end);
        self.world.tally.healing = self.world.now.since(start);
    }

    /// Somebody leads, and a new command is applied everywhere. A leader may be deposed before it
    /// commits: then the next one is asked.
    fn commits(&mut self, end: Time) {
        loop {
            let leader = self.next_leader(end);
            let command = self.command();
            // It may notice just now that it leads no longer.
            let term = self.world.hosts[&leader].leading;
            self.world.propose(leader, vec![command.clone()]);
            let ended =
                |world: &World| world.hosts[&leader].leading != term || everywhere(world, &command);
            self.until(end, "a command is applied on all replicas", ended);
            if everywhere(&self.world, &command) {
                return;
            }
        }
    }

    /// A read passes. It fails where somebody else is elected meanwhile.
    fn reads(&mut self, end: Time) {
        let passed = self.world.witness.passed;
        while self.world.witness.passed == passed {
            let leader = self.next_leader(end);
            self.tag += 1;
            let tag = u64::from(self.tag);
            self.world.barrier(leader, tag);
            let answered = |world: &World| !world.witness.barriers.contains_key(&tag);
            self.until(end, "a read passes", answered);
        }
    }

    /// No older read waits for ever, one leads, all are equal.
    fn rests(&mut self, end: Time) {
        self.until(end, "all reads are answered", |world| world.witness.barriers.is_empty());
        self.until(end, "all changes are answered", |world| world.witness.changes.is_empty());
        self.until(end, "no change is under way", World::is_settled);
        self.until(end, "one leads", |world| {
            world.hosts.values().filter(|host| host.leading.is_some()).count() == 1
        });
        self.until(end, "all are equal", |world| {
            let length = world.witness.history.len();
            let mut hosts = world.hosts.iter().filter(|(id, _)| world.belongs(**id));
            hosts.all(|(_, host)| host.applied.len() == length)
        });
        self.until(end, "all have caught up", |world| {
            let mut hosts = world.hosts.iter().filter(|(id, _)| world.belongs(**id));
            hosts.all(|(_, host)| host.engine.has_caught_up())
        });
        let (history, needed) = (&self.world.witness.history, self.world.witness.acknowledged_upto);
        assert!(history.len() as u64 >= needed.0, "what is acknowledged is applied everywhere");
    }

    fn next_leader(&mut self, end: Time) -> NodeId {
        self.until(end, "somebody leads", |world| world.leader().is_some());
        self.world.leader().expect("it was waited for")
    }

    fn until(&mut self, end: Time, what: &str, wanted: impl Fn(&World) -> bool) {
        let ids = self.world.ids();
        let left = end.since(self.world.now);
        if self.world.run(&ids, left, wanted) {
            return;
        }
        let hosts = self.world.hosts.iter();
        let hosts: Vec<String> = hosts
            .map(|(id, host)| {
                let status = host.engine.status();
                format!("{id}: {} {}, applied {}", status.role, status.term, host.last_applied())
            })
            .collect();
        panic!("liveness: {HEALING_MAX:?} after healing not yet: {what}; {hosts:?}");
    }
}

/// Whether this command is applied on every replica, behind everything else that is known.
fn everywhere(world: &World, command: &Bytes) -> bool {
    let length = world.witness.history.len();
    world.hosts.iter().filter(|(id, _)| world.belongs(**id)).all(|(_, host)| {
        host.applied.len() == length
            && host.applied.iter().rev().take(50).any(|entry| entry.command == *command)
    })
}
