//! Judges a history: every guarantee, in the order of the proof that the crate's text describes.
//!
//! Called by `toystore check` and by whatever runs a store; calls every judge of this crate.

use crate::conservation::Accounts;
use crate::history::History;
use crate::model::{Object, objects};
use crate::orders::Numbers;
use crate::purchase::Purchases;
use crate::search::Budget;
use crate::staleness::Staleness;
use crate::stock::Proof;
use crate::verdict::{Counterexample, Judgement, Verdict};
use crate::{invariants, levels, once, sessions, staleness, stock};

/// Steps of all searches of one history, unless told otherwise: some ten seconds, and 300 MB.
pub const STEPS_DEFAULT: u64 = 20_000_000;

/// A history, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// One for each guarantee, in the order of [`crate::verdict::Guarantee::ALL`].
    pub judgements: Vec<Judgement>,
    /// How old stale reads were.
    pub staleness: Staleness,
    /// Every toy, and everything that was asked about it.
    pub objects: Vec<Object>,
    /// What is known of each toy's order, in the same order.
    pub proofs: Vec<Proof>,
}

/// Judges a history. `steps` bounds what may be searched where the versions prove nothing.
pub fn judge(history: &History, steps: u64) -> Judged {
    let mut purchases = Purchases::of(history);
    let objects = objects(history, &purchases);
    let (stock, proofs) = stock::judge(history, &objects, &mut Budget { steps });
    let once = once::judge(history, &mut purchases);
    let numbers = Numbers::of(history, &purchases);
    let accounts = Accounts::of(history, &purchases);
    let [read_your_writes, monotonic_reads] = sessions::judge(history);
    let (stale, staleness) = staleness::judge(history, &objects);
    let [leader_reads, local_reads] = levels::judge(history, &objects, &proofs, &numbers);
    let judgements = vec![
        stock,
        numbers.linearizable(),
        once,
        numbers.kept(),
        invariants::replicas(history),
        invariants::gapless(history, &purchases),
        accounts.conserved(),
        accounts.oversold(&objects, &proofs),
        read_your_writes,
        monotonic_reads,
        stale,
        leader_reads,
        local_reads,
    ];
    Judged { judgements, staleness, objects, proofs }
}

impl Judged {
    /// Broke if anything broke; else not decided if anything is; else held. What the history says
    /// nothing about does not count.
    pub fn verdict(&self) -> Verdict {
        let verdicts = self.judgements.iter().map(|judgement| judgement.verdict);
        verdicts.max().unwrap_or(Verdict::NotJudged)
    }

    /// The counterexample that needs the fewest operations; of these, of the first guarantee, and
    /// there the shortest sentence.
    pub fn shortest(&self) -> Option<(&Judgement, &Counterexample)> {
        let all = self.judgements.iter().flat_map(|judgement| {
            judgement.found.iter().map(move |counterexample| (judgement, counterexample))
        });
        all.min_by_key(|(judgement, found)| {
            // One without operations names none that could be looked at.
            let operations = if found.operations.is_empty() { 3 } else { found.operations.len() };
            (operations, judgement.guarantee, found.sentence.len())
        })
    }
}
