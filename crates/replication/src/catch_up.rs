//! Whether a replica that was started has what the others had when it came.
//!
//! A node that follows is *ready* once it has applied everything that its leader had committed when
//! it first heard of it; so a rolling upgrade takes the next one only then. That it lags a little
//! later, under load, changes nothing. Kept by every engine, asked by the services above
//! ([`Engine::has_caught_up`](crate::engine::Engine::has_caught_up)).

use crate::log::{Index, Log};
use crate::term::Term;

/// What is to be applied first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct CatchUp {
    /// The term of the leader that was heard, and how far it had committed then.
    goal: Option<(Term, Index)>,
    done: bool,
}

impl CatchUp {
    /// The leader of this term says how far its log is committed. The first time counts; with
    /// another leader, the first time of that one, since a log may also give way (naive).
    pub fn heard(&mut self, term: Term, committed: Index) {
        if self.goal.is_none_or(|(known, _)| known < term) {
            self.goal = Some((term, committed));
        }
    }

    /// This replica has applied so much of its log; or it leads, and has everything.
    ///
    /// A leader may know little of what is committed until its own first entry is: so the last
    /// entry that is applied must be of its term.
    pub fn look(&mut self, leads: bool, log: &Log, applied: Index) {
        let reached = self.goal.is_some_and(|(term, committed)| {
            applied >= committed && log.term_at(applied) == Some(term)
        });
        self.done |= leads || reached;
    }

    /// Whether it is there.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::log::Entry;
    use crate::term::NodeId;

    fn term(number: u64) -> Term {
        Term { generation: 0, number, node: NodeId(3) }
    }

    /// Entries of these terms from index 1 on.
    fn log(terms: &[u64]) -> Log {
        let mut log = Log::after(Index(0), Term::ZERO);
        for (index, number) in (1..).map(Index).zip(terms) {
            log.append(Entry { index, term: term(*number), command: Bytes::new() });
        }
        log
    }

    #[test]
    fn what_was_committed_when_the_leader_was_first_heard_is_to_be_applied() {
        let mut own = CatchUp::default();
        let log = log(&[1, 1, 1, 1]);
        own.look(false, &log, Index(4));
        assert!(!own.is_done(), "nobody was heard");
        own.heard(term(1), Index(3));
        own.heard(term(1), Index(9));
        own.look(false, &log, Index(2));
        assert!(!own.is_done());
        own.look(false, &log, Index(3));
        assert!(own.is_done(), "what came later does not count");
        own.heard(term(2), Index(9));
        own.look(false, &log, Index(3));
        assert!(own.is_done(), "never again");
    }

    #[test]
    fn a_new_leader_knows_what_is_committed_with_its_own_first_entry() {
        let mut own = CatchUp::default();
        let log = log(&[1, 1, 2]);
        own.heard(term(1), Index(9));
        own.heard(term(2), Index(0));
        own.look(false, &log, Index(2));
        assert!(!own.is_done());
        own.look(false, &log, Index(3));
        assert!(own.is_done(), "what the one before had committed gave way");
    }
}
