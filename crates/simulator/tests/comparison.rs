//! The comparison: what is measured is there, is the same in every run, and shows what it must.

use std::time::Duration;

use replication::Protocol;
use simulator::comparison::{Case, Comparison, Extent, Happens, Measured, Outage};
use simulator::run;

fn outage(protocol: Protocol, outage: Outage) -> Measured {
    let length = Duration::from_secs(4);
    let happens = Happens::Outage(outage);
    let replicas = outage.replicas(&[5])[0];
    Case { protocol, replicas, happens, seed: 1, length }.run()
}

#[test]
fn to_measure_a_run_changes_nothing_in_it() {
    let happens = Happens::Nothing { shoppers: 3 };
    let length = Duration::from_millis(300);
    for protocol in Protocol::ALL {
        let case = Case { protocol, replicas: 3, happens, seed: 7, length };
        let plan = case.plan();
        let (measured, costs) = simulator::run_measured(&plan, case.window());
        assert_eq!(run(&plan, false).digest, measured.digest, "{protocol}");
        assert_eq!(costs, simulator::run_measured(&plan, case.window()).1, "{protocol}");
        assert!(costs.messages > 0 && costs.order_syncs > 0, "{protocol}: {costs:?}");
    }
}

#[test]
fn runs_of_a_row_become_one_row() {
    let extent = Extent {
        replicas: vec![3],
        shoppers: vec![1],
        seed: 5,
        seeds: 2,
        cost_seeds: 1,
        length: Duration::from_millis(200),
        loss_length: Duration::from_millis(200),
        span: Duration::from_millis(200),
    };
    let of = |case: Case| {
        let happens = Happens::Nothing { shoppers: 1 };
        Case { happens, ..case }.run()
    };
    let measured = of(extent.cases()[0]);
    let all: Vec<_> = extent.cases().into_iter().map(|case| (case, measured.clone())).collect();
    let rows = Comparison::new(&all);
    assert_eq!((rows.costs.len(), rows.outages.len(), rows.losses.len()), (4, 32, 24));
    assert!(rows.outages.iter().all(|row| row.seeds == 2 && row.went_on == 2), "{rows:?}");
    assert!(rows.losses.iter().all(|row| (row.share - 1.0).abs() < 1e-9), "{rows:?}");
}

#[test]
fn a_majority_goes_on_when_the_leader_is_cut_from_its_followers() {
    for protocol in [Protocol::Raft, Protocol::Paxos] {
        let measured = outage(protocol, Outage::OffFollowers);
        assert!(measured.gap < Duration::from_secs(2), "{protocol}: {measured:?}");
        assert!(measured.went_on, "{protocol}: {measured:?}");
        assert!(measured.kept.broke.is_empty(), "{protocol}: {measured:?}");
    }
}

#[test]
fn only_naive_loses_what_it_acknowledged() {
    for protocol in Protocol::ALL {
        let mut lost = 0;
        for outage_of in [Outage::Isolated, Outage::OffFollowers, Outage::CutThenKilled] {
            lost += outage(protocol, outage_of).kept.lost;
        }
        assert_eq!(lost > 0, !protocol.is_safe(), "{protocol} lost {lost}");
    }
}
