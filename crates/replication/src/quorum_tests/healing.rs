//! The end of a random walk: all is well again, so that the replicas must be too, in bounded time.
//! Called by `walk`.

use std::time::Duration;

use bytes::Bytes;

use super::walk::Walk;
use super::world::World;

/// Within this time after healing, a command must be on every replica. Longest seen of an engine
/// with elections of 600 to 1200 ms: see the engines' tests.
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
        }
        let end = self.world.now + HEALING_MAX;
        let ids = self.world.ids();
        let mut wanted = None;
        loop {
            let left = end.since(self.world.now);
            assert!(left > Duration::ZERO, "liveness: {HEALING_MAX:?} after healing {wanted:?}");
            // A leader may be deposed before it commits: then the next one is asked.
            let known = self.world.leader().filter(|_| wanted.is_none());
            if let Some(leader) = known {
                let command = self.command();
                // It may notice just now that it leads no longer.
                let term = self.world.hosts[&leader].leading;
                self.world.propose(leader, vec![command.clone()]);
                wanted = Some((leader, term, command));
            }
            let ended = |world: &World| match &wanted {
                None => world.leader().is_some(),
                Some((leader, term, command)) => {
                    world.hosts[leader].leading != *term || everywhere(world, command)
                }
            };
            if !self.world.run(&ids, left, ended) {
                continue;
            }
            if let Some((leader, term, command)) = &wanted {
                if everywhere(&self.world, command) {
                    break;
                }
                if self.world.hosts[leader].leading != *term {
                    wanted = None;
                }
            }
        }
        self.reads_and_rests();
    }

    /// A read passes, nobody waits for ever, all are equal, and one leads.
    fn reads_and_rests(&mut self) {
        let ids = self.world.ids();
        self.tag += 1;
        let tag = u64::from(self.tag);
        let (leader, passed) =
            (self.world.leader().expect("it just committed"), self.world.witness.passed);
        self.world.barrier(leader, tag);
        let answered = |world: &World| world.witness.barriers.is_empty();
        self.world.run(&ids, Duration::from_secs(3), answered);
        let waiting = &self.world.witness.barriers;
        assert!(waiting.is_empty(), "liveness: reads wait for ever: {waiting:?}");
        assert!(self.world.witness.passed > passed, "liveness: no read passes after healing");
        let leaders = self.world.hosts.values().filter(|host| host.leading.is_some()).count();
        assert_eq!(leaders, 1, "liveness: one leads after healing");
        let digests: Vec<_> =
            self.world.hosts.values().map(|host| (host.last_applied(), host.digest)).collect();
        assert!(
            digests.iter().all(|d| *d == digests[0]),
            "liveness: all become equal: {digests:?}"
        );
        assert!(
            digests[0].0 >= self.world.witness.acknowledged_upto,
            "nothing acknowledged is lost"
        );
    }
}

/// Whether this command is applied on every replica, behind everything else that is known.
fn everywhere(world: &World, command: &Bytes) -> bool {
    let length = world.witness.history.len();
    world.hosts.values().all(|host| {
        host.applied.len() == length
            && host.applied.iter().rev().take(50).any(|entry| entry.command == *command)
    })
}
