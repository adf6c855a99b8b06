//! Judges reads that were asked for less than linearizability, each by what its level promises.
//!
//! - **Leader** and **local**: a state that the store really had, and that had begun to be when the
//!   read ended. It may be old; it may not be invented, nor come from the future. An order that is
//!   found is the true one; that one is not found proves nothing by itself.
//! - **One process** never goes back in time, and what it says of how far its log is applied must
//!   fit what it shows. Where a history names the process (`from`) and the index (`applied`).
//!
//! What the states were is what linearizable operations and final logs say; such a read has no part
//! in the other guarantees. Compare *timeline consistency* in Terry, *Replicated data consistency
//! explained through baseball* (2011). Called by [`crate::judge`]; calls [`toys`], [`orders`] and
//! [`back`].

mod back;
mod orders;
mod toys;

use crate::history::{Asked, Consistency, History, Operation, Outcome};
use crate::model::Object;
use crate::orders::Numbers;
use crate::stock::Proof;
use crate::verdict::{Counterexample, Findings, Guarantee, Judgement, Verdict, many};

/// What is said of the reads of one level.
#[derive(Debug, Default)]
struct Reads {
    findings: Findings,
    /// How many were judged.
    judged: u64,
    /// How many might be true or not.
    undecided: u64,
    /// How many did not find their order.
    absent: u64,
    /// How many showed no version.
    unversioned: u64,
}

/// Both levels.
#[derive(Debug, Default)]
struct Weak {
    leader: Reads,
    local: Reads,
}

impl Weak {
    /// Those of a read's level; nothing for one that is linearizable.
    fn of(&mut self, operation: &Operation) -> Option<&mut Reads> {
        match operation.consistency {
            Consistency::Linearizable => None,
            Consistency::Leader => Some(&mut self.leader),
            Consistency::Local => Some(&mut self.local),
        }
    }

    /// A read that cannot be true.
    fn convict(&mut self, history: &History, place: usize, why: impl FnOnce() -> Counterexample) {
        if let Some(reads) = self.of(&history.operations[place]) {
            reads.findings.add(why);
        }
    }
}

/// Judges both levels.
pub fn judge(
    history: &History,
    objects: &[Object],
    proofs: &[Proof],
    numbers: &Numbers<'_>,
) -> [Judgement; 2] {
    let mut weak = Weak::default();
    for operation in &history.operations {
        let Some(reads) = weak.of(operation) else { continue };
        match (operation.asked, operation.outcome) {
            (Asked::Read { .. }, Outcome::Product { version: None, .. }) => reads.unversioned += 1,
            (Asked::Read { .. }, Outcome::Product { .. }) => reads.judged += 1,
            (Asked::Order { .. }, Outcome::Found { .. }) => reads.judged += 1,
            (Asked::Order { .. }, Outcome::Refused(_)) => {
                reads.judged += 1;
                reads.absent += 1;
            }
            _ => {}
        }
    }
    if weak.leader.judged + weak.local.judged > 0 {
        toys::judge(history, objects, proofs, &mut weak);
        orders::judge(history, numbers, &mut weak);
        back::judge(history, &mut weak);
    }
    [weak.leader.judgement(Guarantee::LeaderReads), weak.local.judgement(Guarantee::LocalReads)]
}

impl Reads {
    fn judgement(self, guarantee: Guarantee) -> Judgement {
        let (verdict, words) = match (self.judged, self.undecided, self.unversioned) {
            (0, _, 0) => (Verdict::NotJudged, "nobody read at this level".to_string()),
            (0, _, count) => {
                (Verdict::NotJudged, format!("{} showed no version", many(count, "read")))
            }
            (count, 0, _) => {
                let absent = match self.absent {
                    0 => String::new(),
                    absent => format!(", {} not found", many(absent, "order")),
                };
                let words = "each a state that was, and had begun to be";
                (Verdict::Held, format!("{}{absent}: {words}", many(count, "read")))
            }
            (count, open, _) => {
                let words = format!("of {}, {open} may show what never was", many(count, "read"));
                (Verdict::NotDecided, words)
            }
        };
        self.findings.judge(guarantee, verdict, words)
    }
}
