//! Processes start, from what is on their disks, and are gone.
//!
//! Called by the world's loop and by `strike`.

use replication::NodeId;
use shop::Input;

use super::host::Waiting;
use super::network::Way;
use super::process::Process;
use super::{Event, World};
use crate::points::Point;
use crate::who::{Seat, Who};

impl World {
    /// Starts a process that is down, from what is on its disk.
    pub(super) fn start(&mut self, seat: Seat) {
        let host = &mut self.hosts[seat];
        if host.is_up() || !host.enlisted {
            return;
        }
        let who = host.who;
        let dies = host.dies_in_recovery > 0;
        host.dark = false;
        let found = match host.disk.open(dies) {
            Ok(Some(found)) => found,
            Ok(None) => {
                host.dies_in_recovery -= 1;
                self.points.reach(Point::CrashInRecovery);
                self.say(|| format!("{who} starts, and dies in its recovery"));
                let after = self.micros(1000, 50_000);
                return self.schedule(after, Event::Start { host: seat });
            }
            Err(refused) => {
                self.say(|| format!("{who} does not start: {refused}"));
                // Whoever flipped the bit puts the folder back, and starts it again.
                if self.hosts[seat].disk.is_damaged() {
                    self.points.reach(Point::DamageRefused);
                } else {
                    self.breaks("recovery", format!("{who} does not start: {refused}"));
                }
                return;
            }
        };
        self.points.of_recovery(&found);
        let replicas = self.operator.members();
        self.hosts[seat].knows = replicas.clone();
        let replicas = replicas.into_iter().collect();
        let process = Process::new(who, &found.recovered, self.now.0, &self.plan, replicas);
        match process {
            Ok(process) => {
                self.hosts[seat].started_at = self.now;
                self.hosts[seat].process = Some(process);
            }
            Err(refused) => {
                return self.breaks("recovery", format!("{who} does not start: {refused}"));
            }
        }
        self.say(|| format!("{who} starts"));
        self.links(seat, true);
        self.step(seat, Input::Start);
    }

    /// A process is gone.
    pub(super) fn crash(&mut self, seat: Seat) {
        if !self.hosts[seat].is_up() {
            return;
        }
        let who = self.hosts[seat].who;
        self.say(|| format!("{who} is gone"));
        self.points.of_crash(&self.hosts[seat]);
        if self.operator.waits() && self.leader() == Some(seat) {
            self.points.reach(Point::LeaderDiedInChange);
        }
        let waiting = self.hosts[seat].crash();
        if self.hosts[seat].dark {
            return;
        }
        // Its callers see the connection break.
        for Waiting { from, life, call, .. } in waiting {
            if let Way::Arrives(_) = self.network.send((seat, from)) {
                let after = self.micros(100, 1000);
                let answer = self.broken_off();
                self.schedule(after, Event::Answer { to: from, life, call, answer });
            }
        }
        self.links(seat, false);
    }

    /// A replica that the others can do without is gone, and stays away: the leader, if it is not
    /// the only one in sync; and where a majority decides, if the others are one.
    pub fn begin_absence(&mut self) {
        let all = self.operator.members();
        if self.plan.setting.protocol.is_quorum() && all.len() < 3 {
            return;
        }
        let Some(catalog) = self.catalog() else { return };
        let view = catalog.stock().view().clone();
        self.absent_catalog();
        let others = |id: NodeId| view.in_sync.iter().any(|other| *other != id);
        let leader = Some(view.leader()).filter(|id| all.contains(id) && others(*id));
        let absent = leader.or(all.into_iter().find(|id| others(*id)));
        if let Some(NodeId(id)) = absent {
            let seat = self.seat(Who::Order(id));
            self.crash(seat);
            self.absent.push(seat);
        }
    }

    /// Of several replicas of the catalog the leader goes too, if the others are a majority.
    fn absent_catalog(&mut self) {
        let leader = self.catalog_leader();
        if let Some(seat) = leader.filter(|_| self.seats.catalogs > 2) {
            self.crash(seat);
            self.absent.push(seat);
        }
    }

    /// It comes back.
    pub fn end_absence(&mut self) {
        for seat in std::mem::take(&mut self.absent) {
            self.start(seat);
        }
    }

    /// Tells everybody that holds a connection to a node whether it can be reached.
    pub(super) fn links(&mut self, seat: Seat, up: bool) {
        let Some(node) = self.hosts[seat].who.address() else { return };
        for other in 0..self.seats.processes() {
            if other != seat && !self.network.is_cut((seat, other)) {
                let life = self.hosts[other].life;
                let input = Input::Link { node, up };
                let after = self.micros(500, 5000);
                self.schedule(after, Event::Input { to: other, life, input });
            }
        }
    }
}
