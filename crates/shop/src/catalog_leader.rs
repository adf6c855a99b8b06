//! Which replica of the catalog its callers ask: the one that leads, as far as they know.
//!
//! A hint is followed at once, a few times in a row; else the next replica is asked after a pause,
//! so that two replicas that name each other, or none that leads, cost a few calls a second. What
//! is asked here may be asked again of another replica without harm: takes have numbers, views are
//! compared, settlements and registrations say the same twice. Where the catalog is alone, it is
//! asked whatever it answers.
//!
//! Used by [`frontend`](crate::frontend) and [`orders`](crate::orders), each with a pace of its
//! own.

use replication::NodeId;

use crate::message::Problem;
use crate::node::{Address, Answer};

/// How many hints are followed in a row before there is a pause.
const HINTS_MAX: u32 = 3;

/// What an answer means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is the answer: of the leader, or of a catalog that is alone.
    Final,
    /// Ask the replica that was named, at once.
    Hint,
    /// Ask another one, after a pause.
    Elsewhere,
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CatalogLeader {
    /// How many replicas there are; their ids begin with 1.
    replicas: u8,
    /// Whom to ask now.
    believed: NodeId,
    /// Hints that were followed since somebody served.
    hints: u32,
}

impl CatalogLeader {
    /// Nobody was asked yet: the first one is. `replicas` are 1 to [`NodeId::MAX`].
    pub fn new(replicas: u8) -> CatalogLeader {
        CatalogLeader { replicas: replicas.max(1), believed: NodeId(1), hints: 0 }
    }

    /// Whether there are others.
    pub fn has_replicas(&self) -> bool {
        self.replicas > 1
    }

    /// Whom to ask now.
    pub fn address(&self) -> Address {
        Address::Catalog(self.believed)
    }

    /// Whom to ask now, by its id.
    pub fn believed(&self) -> NodeId {
        self.believed
    }

    /// What `asked` answered. Of one that is not asked any more, it changes nothing here.
    pub fn heard(&mut self, asked: NodeId, answer: &Answer) -> Heard {
        if !self.has_replicas() {
            return Heard::Final;
        }
        let current = asked == self.believed;
        match answer {
            Answer::Said(Err(Problem::NotLeader { leader })) => {
                let known = NodeId(1)..=NodeId(self.replicas);
                let hint = leader.filter(|id| *id != asked && known.contains(id));
                match hint {
                    // Another answer said so before.
                    Some(id) if !current && id == self.believed => Heard::Hint,
                    _ if !current => Heard::Elsewhere,
                    Some(id) if self.hints < HINTS_MAX => {
                        self.hints += 1;
                        self.believed = id;
                        Heard::Hint
                    }
                    Some(_) | None => {
                        self.ask_next();
                        Heard::Elsewhere
                    }
                }
            }
            Answer::Said(_) => {
                if current {
                    self.hints = 0;
                }
                Heard::Final
            }
            Answer::Refused | Answer::Unknown => {
                if current {
                    self.ask_next();
                }
                Heard::Elsewhere
            }
        }
    }

    /// A connection opened, or broke and could not be opened again.
    pub fn on_link(&mut self, node: NodeId, up: bool) {
        if !up && self.has_replicas() && node == self.believed {
            self.ask_next();
        }
    }

    fn ask_next(&mut self) {
        self.hints = 0;
        self.believed = NodeId(self.believed.0 % self.replicas + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Reply;

    fn not_leader(leader: Option<u8>) -> Answer {
        Answer::Said(Err(Problem::NotLeader { leader: leader.map(NodeId) }))
    }

    const DONE: Answer = Answer::Said(Ok(Reply::Done));

    #[test]
    fn a_catalog_that_is_alone_is_asked_whatever_it_answers() {
        let mut catalog = CatalogLeader::new(1);
        for answer in [DONE, not_leader(Some(2)), Answer::Refused, Answer::Unknown] {
            assert_eq!(catalog.heard(NodeId(1), &answer), Heard::Final);
            catalog.on_link(NodeId(1), false);
            assert_eq!(catalog.believed(), NodeId(1));
        }
    }

    #[test]
    fn hints_are_followed_at_once_but_not_for_ever() {
        let mut catalog = CatalogLeader::new(3);
        for (asked, named) in [(1, 2), (2, 1), (1, 2)] {
            assert_eq!(catalog.heard(NodeId(asked), &not_leader(Some(named))), Heard::Hint);
            assert_eq!(catalog.believed(), NodeId(named));
        }
        assert_eq!(catalog.heard(NodeId(2), &not_leader(Some(1))), Heard::Elsewhere);
        assert_eq!(catalog.believed(), NodeId(3), "whoever they do not name has its turn");
        assert_eq!(catalog.heard(NodeId(3), &DONE), Heard::Final);
        assert_eq!(catalog.heard(NodeId(3), &not_leader(Some(1))), Heard::Hint);
    }

    #[test]
    fn silence_and_unknown_names_pass_the_question_on() {
        let mut catalog = CatalogLeader::new(3);
        let answers = [
            Answer::Refused,
            Answer::Unknown,
            not_leader(None),
            not_leader(Some(9)),
            not_leader(Some(2)),
        ];
        for (answer, next) in answers.iter().zip([2, 3, 1, 2, 3]) {
            assert_eq!(catalog.heard(catalog.believed(), answer), Heard::Elsewhere);
            assert_eq!(catalog.believed(), NodeId(next), "{answer}");
        }
        catalog.on_link(NodeId(1), false);
        assert_eq!(catalog.believed(), NodeId(3), "nobody asks that one");
        catalog.on_link(NodeId(3), false);
        assert_eq!(catalog.believed(), NodeId(1));
    }

    #[test]
    fn a_late_answer_of_another_one_changes_nothing() {
        let mut catalog = CatalogLeader::new(3);
        catalog.heard(NodeId(1), &Answer::Unknown);
        for late in [Answer::Unknown, not_leader(Some(3)), Answer::Refused] {
            assert_eq!(catalog.heard(NodeId(1), &late), Heard::Elsewhere);
            assert_eq!(catalog.believed(), NodeId(2));
        }
        let same = catalog.heard(NodeId(1), &not_leader(Some(2)));
        assert_eq!(same, Heard::Hint, "whoever asked the same can go there at once too");
        assert_eq!(catalog.heard(NodeId(1), &DONE), Heard::Final, "an answer is one all the same");
    }
}
