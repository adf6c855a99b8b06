//! What goes wrong in the test world, and how it ends: crashes, pauses, cut links, broken
//! connections. Called by golden scripts and random walks.
//!
//! A **cut** is silence: nobody is told. A connection **breaks** when a process dies or the network
//! resets it: whoever is still there sees it close, and again when it opens.

use std::fmt::Write as _;

use super::world::World;
use crate::engine::Input;
use crate::term::NodeId;

impl World {
    /// Processes start on their disks. They see who is there, and are seen.
    pub fn start(&mut self, ids: &[NodeId]) {
        for id in ids {
            assert!(!self.hosts[id].up, "{id} runs already");
            self.boot(*id);
        }
        for id in ids {
            self.connect(*id);
        }
    }

    /// Power loss: what was not on disk is gone, except for so many writes that were just in time.
    pub fn crash(&mut self, id: NodeId, written: usize) {
        if !self.hosts[&id].up {
            return;
        }
        self.tally.faults += 1;
        self.note(|out| write!(out, "{id}: crash"));
        let host = self.host(id);
        for _ in 0..written.min(host.unsynced.len()) {
            host.write();
        }
        host.lose();
        self.witness.crashes(id);
        for peer in self.ids() {
            if peer != id && self.is_cut(id, peer) {
                self.unnoticed.insert((peer, id));
            } else if peer != id {
                self.sees(peer, id, false);
            }
        }
    }

    pub fn restart(&mut self, id: NodeId) {
        if !self.hosts[&id].up {
            self.note(|out| write!(out, "{id}: restart"));
            self.boot(id);
            self.connect(id);
        }
    }

    pub fn pause(&mut self, id: NodeId) {
        self.tally.faults += 1;
        self.tell(|out| write!(out, "{id}: pause"));
        self.host(id).paused = true;
    }

    /// It goes on, and finds what came meanwhile.
    pub fn resume(&mut self, id: NodeId) {
        self.tell(|out| write!(out, "{id}: resume"));
        let host = self.host(id);
        host.paused = false;
        for input in std::mem::take(&mut host.inbox) {
            self.step(id, input);
        }
    }

    /// Nothing arrives from one side at the other any more, and nobody is told.
    pub fn sever(&mut self, from: &[NodeId], to: &[NodeId]) {
        self.tally.faults += 1;
        self.tell(|out| write!(out, "cut: from {} to {}", list(from), list(to)));
        let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
        self.cut.extend(pairs.filter(|(from, to)| from != to));
    }

    /// These are cut off from everybody else, in both directions.
    pub fn isolate(&mut self, ids: &[NodeId]) {
        let others: Vec<NodeId> = self.ids().into_iter().filter(|id| !ids.contains(id)).collect();
        self.sever(ids, &others);
        self.sever(&others, ids);
    }

    /// The network is as it should be. Who had seen a connection close, sees it open; who had not
    /// noticed, sees both.
    pub fn heal(&mut self) {
        self.tell(|out| write!(out, "heal"));
        self.cut.clear();
        self.broken.clear();
        for (id, peer) in std::mem::take(&mut self.unnoticed) {
            self.sees(id, peer, false);
        }
        for id in self.ids() {
            for peer in self.hosts[&id].refused.clone() {
                if self.hosts[&peer].up {
                    self.sees(id, peer, true);
                }
            }
        }
    }

    /// The network resets a connection, or lets it be opened again. Both sides see it.
    pub fn link(&mut self, a: NodeId, b: NodeId, up: bool) {
        let pair = (a.min(b), a.max(b));
        if a == b || self.broken.contains(&pair) != up {
            return;
        }
        if up {
            self.broken.remove(&pair);
            if self.cut.contains(&(a, b)) || self.cut.contains(&(b, a)) {
                return;
            }
        } else {
            self.tally.faults += 1;
            self.broken.insert(pair);
            self.network
                .retain(|letter| (letter.from.min(letter.to), letter.from.max(letter.to)) != pair);
        }
        if !up || (self.hosts[&a].up && self.hosts[&b].up) {
            self.sees(a, b, up);
            self.sees(b, a, up);
        }
    }

    /// A process that just started connects to whomever it reaches.
    fn connect(&mut self, id: NodeId) {
        for peer in self.ids() {
            if peer == id {
                continue;
            }
            if self.is_cut(id, peer) || self.is_cut(peer, id) {
                self.unnoticed.extend([(id, peer), (peer, id)]);
            } else if self.hosts[&peer].up {
                self.sees(id, peer, true);
                self.sees(peer, id, true);
            } else {
                self.sees(id, peer, false);
            }
        }
    }

    fn sees(&mut self, id: NodeId, peer: NodeId, up: bool) {
        let host = self.host(id);
        if !host.up {
            return;
        }
        let is_news = if up { host.refused.remove(&peer) } else { host.refused.insert(peer) };
        if is_news {
            let state = if up { "up" } else { "down" };
            self.note(|out| write!(out, "{id}: link to {peer} {state}"));
        }
        self.step(id, Input::Link { peer, up });
    }
}

fn list(ids: &[NodeId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
