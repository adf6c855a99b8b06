//! How long elections take: what holds of every quorum engine, here of this one.

use super::PAXOS;
use crate::quorum_tests::timing;

#[test]
fn a_silent_leader_is_replaced_within_1300_ms_and_not_before_500() {
    timing::a_silent_leader_is_replaced_within_1300_ms_and_not_before_500(PAXOS);
}

#[test]
fn a_leader_whose_connections_are_refused_is_replaced_at_once() {
    timing::a_leader_whose_connections_are_refused_is_replaced_at_once(PAXOS);
}

#[test]
fn a_process_that_stalls_for_90_ms_is_not_replaced() {
    timing::a_process_that_stalls_for_90_ms_is_not_replaced(PAXOS);
}

#[test]
fn a_leader_hands_over_before_it_stops() {
    timing::a_leader_hands_over_before_it_stops(PAXOS);
}

#[test]
fn a_group_of_a_later_generation_elects_and_commits() {
    timing::a_group_of_a_later_generation_elects_and_commits(PAXOS);
}

#[test]
fn a_new_group_has_a_leader_within_300_ms() {
    timing::a_new_group_has_a_leader_within_300_ms(PAXOS);
}
