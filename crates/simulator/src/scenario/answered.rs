//! What a scenario expects to be answered in the middle of its faults, and under which way of
//! replication: who goes on, and who must stop.
//!
//! Read by [`super::file`]; compared with the history of a run by whoever judges it.

use std::fmt;

use checker::history::{Asked, History, Outcome};
use replication::{Protocol, Time};
use shop::invalidation::duration_text;

/// What shoppers ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// How many of a toy there are.
    Toy,
    /// To buy some.
    Purchase,
    /// What is recorded under an order number.
    Order,
}

impl Question {
    /// All of them.
    pub const ALL: [Question; 3] = [Question::Toy, Question::Purchase, Question::Order];

    /// Its word in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            Question::Toy => "toy",
            Question::Purchase => "purchase",
            Question::Order => "order",
        }
    }

    /// Whether this is such a question, and its answer a yes.
    fn is_answered(self, asked: &Asked, outcome: &Outcome) -> bool {
        match self {
            Question::Toy => matches!(outcome, Outcome::Product { .. }),
            Question::Purchase => {
                matches!((asked, outcome), (Asked::Buy { .. }, Outcome::Bought(_)))
            }
            Question::Order => matches!(outcome, Outcome::Found { .. }),
        }
    }
}

/// Between two moments shoppers get this answered, under these ways of replication, and under no
/// other one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What.
    pub question: Question,
    /// Asked no sooner than this.
    pub after: Time,
    /// Answered no later than this.
    pub before: Time,
    /// Under which ways.
    pub under: Vec<Protocol>,
}

impl Answered {
    /// What is expected under this way of replication, in words.
    pub fn expectation(&self, protocol: Protocol) -> String {
        let no = if self.under.contains(&protocol) { "" } else { "no " };
        format!("{no}{self}")
    }

    /// What is wrong with a run under this way of replication; nothing, if it is as expected.
    pub fn compare(&self, protocol: Protocol, history: &History) -> Option<String> {
        let count = self.count(history);
        let as_expected = (count > 0) == self.under.contains(&protocol);
        (!as_expected)
            .then(|| format!("expected: {}; there are {count}", self.expectation(protocol)))
    }

    /// How many there are in a history.
    fn count(&self, history: &History) -> usize {
        let within = history.operations.iter().filter(|operation| {
            Time(operation.invoked) >= self.after && Time(operation.returned) <= self.before
        });
        within.filter(|one| self.question.is_answered(&one.asked, &one.outcome)).count()
    }
}

/// `look-ups of orders answered between 6s and 9s`
impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.question {
            Question::Toy => "look-ups of toys",
            Question::Purchase => "purchases",
            Question::Order => "look-ups of orders",
        };
        let [after, before] = [self.after, self.before].map(|at| duration_text(at.since(Time(0))));
        write!(f, "{what} answered between {after} and {before}")
    }
}
