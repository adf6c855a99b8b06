//! Who may lead the order replicas: the rule by which the catalog judges a proposed view.
//!
//! The catalog is the arbiter because every order needs it anyway. Called twice for each proposal:
//! by the node, to refuse at once what cannot be granted, and by [`Stock`](super::stock::Stock)
//! when the command is applied, which decides.

use replication::planted::{Bug, planted};
use replication::{NodeId, Term, View};
use serde::{Deserialize, Serialize};

use crate::message::Problem;

/// A view that somebody wants to be in force.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProposedView {
    /// The new view.
    pub view: View,
    /// The term of the one it replaces.
    pub previous: Term,
    /// Grant it to a replica that is not in sync too.
    pub unclean: bool,
}

/// What an acceptable proposal comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It takes the place of the current view and fences every lower term.
    Grant,
    /// It is the current view: somebody asks again who did not hear the answer.
    InForce,
}

/// Judges a proposed view. Compare-and-set: it must name the term of the view that it replaces, so
/// that two members which both saw the same leader die cannot both succeed; and its term must be
/// higher, since a term is never resumed.
///
/// Only a member of the current in-sync set may propose: every other replica may lack an order
/// that was acknowledged. Before there is a view, nothing was acknowledged and anybody may; with
/// `unclean`, an operator's choice to lose what only the others have, anybody may too. So may
/// anybody of a generation that has no view yet: its replicas all began with everything that there
/// was (`toystore migrate`), and have acknowledged nothing since.
///
/// # Errors
/// `Bad` if the view makes no sense by itself, `Fenced` or `NotInSync` with the view in force.
pub fn judge(current: &View, proposal: &ProposedView) -> Result<Verdict, Problem> {
    let ProposedView { view: proposed, previous, unclean } = proposal;
    if !proposed.in_sync.contains(&proposed.leader()) {
        return Err(Problem::Bad(format!("the leader of view {proposed} must be in sync")));
    }
    let known = NodeId(1)..=NodeId(NodeId::MAX);
    if let Some(node) = proposed.in_sync.iter().find(|node| !known.contains(node)) {
        let max = NodeId::MAX;
        return Err(Problem::Bad(format!("replica {node} is not one of 1 to {max}")));
    }
    if proposed == current {
        return Ok(Verdict::InForce);
    }
    if proposed.term <= current.term {
        return Err(Problem::Fenced(current.clone()));
    }
    let converted = proposed.term.generation > current.term.generation;
    let anybody = current.term == Term::ZERO || converted || *unclean || planted(Bug::HoleLeads);
    if !anybody && !current.in_sync.contains(&proposed.leader()) {
        return Err(Problem::NotInSync(current.clone()));
    }
    if *previous != current.term && !planted(Bug::ViewUncompared) {
        return Err(Problem::Fenced(current.clone()));
    }
    Ok(Verdict::Grant)
}

#[cfg(test)]
mod tests {
    //! The rule at the border of two generations; the others are in the golden scripts.

    use super::*;

    fn proposal(generation: u32, leader: u8) -> ProposedView {
        let term = Term { generation, number: 2, node: NodeId(leader) };
        let view = View { term, in_sync: [NodeId(leader)].into() };
        ProposedView { view, previous: in_force(0).term, unclean: false }
    }

    fn in_force(generation: u32) -> View {
        let term = Term { generation, number: 9, node: NodeId(3) };
        View { term, in_sync: [NodeId(3)].into() }
    }

    #[test]
    fn the_first_view_of_a_generation_may_be_anybodys() {
        assert_eq!(judge(&in_force(0), &proposal(1, 2)), Ok(Verdict::Grant));
    }

    #[test]
    fn the_next_one_may_not_and_a_folder_of_before_is_fenced() {
        let current = in_force(1);
        let term = current.term.next(NodeId(2));
        let view = View { term, in_sync: [NodeId(2)].into() };
        let next = ProposedView { view, previous: current.term, unclean: false };
        assert_eq!(judge(&current, &next), Err(Problem::NotInSync(current.clone())));
        assert_eq!(judge(&current, &proposal(0, 3)), Err(Problem::Fenced(current)));
    }
}
