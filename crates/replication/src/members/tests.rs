//! Configurations: what may follow what, and what bytes are none.

use super::*;

fn ids(text: &str) -> BTreeSet<NodeId> {
    text.chars().map(|digit| NodeId(digit as u8 - b'0')).collect()
}

fn add(id: u8) -> Change {
    Change::Add { id: NodeId(id), url: Bytes::from(format!("http://order-{id}")) }
}

fn remove(id: u8) -> Change {
    Change::Remove { id: NodeId(id) }
}

fn replace(id: u8, by: u8) -> Change {
    Change::Replace { id: NodeId(id), by: NodeId(by), url: Bytes::from_static(b"http://x") }
}

fn group() -> Members {
    Members::first(ids("123"))
}

fn commit(members: &Members, change: &Change) -> Members {
    match members.begin(change) {
        Ok(Step::Commit(next)) => next,
        other => panic!("{change} of {members}: {other:?}"),
    }
}

#[test]
fn a_change_goes_by_learning_and_two_majorities() {
    let mut steps = vec![group()];
    steps.push(commit(&group(), &replace(2, 4)));
    while let Some(next) = steps[steps.len() - 1].next() {
        steps.push(next);
    }
    let shown: Vec<String> = steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["1,2,3", "1,2,3 learns 4", "1,3,4 and 1,2,3", "1,3,4 unconfirmed", "1,3,4",]
    );
    for (before, after) in steps.iter().zip(&steps[1..]) {
        assert!(before.may_become(after) && !after.may_become(before));
        assert_eq!(Members::decode(&after.encode()).as_ref(), Some(after));
    }
    assert!(!steps[1].may_become(&steps[3]), "the joint configuration is not skipped");
    assert!(!steps[2].may_become(&steps[4]), "nor is that it is not confirmed");
    assert_eq!(steps[3].begin(&replace(2, 4)), Ok(Step::UnderWay));
    assert_eq!(steps[4].begin(&replace(2, 4)), Ok(Step::Done));
    assert_eq!(steps[1].begin(&replace(2, 4)), Ok(Step::UnderWay));
}

#[test]
fn what_cannot_be_is_refused_and_says_what_to_do() {
    let learning = commit(&group(), &add(4));
    let joint = commit(&group(), &remove(2));
    let gone = joint.next().and_then(|alone| alone.next()).expect("it is joint");
    let one = Members::first(ids("1"));
    let refused = |members: &Members, change: &Change, why: &str| {
        let error = members.begin(change).expect_err("it cannot be");
        assert!(error.contains(why), "{error}");
    };
    refused(&learning, &add(5), "give it up by removing 4");
    refused(&learning, &remove(1), "another change is under way");
    refused(&gone, &add(2), "id 2 was used before, and no id is used twice: use 4");
    refused(&gone, &replace(3, 2), "use 4, with an empty disk");
    refused(&one, &remove(1), "would leave nobody");
    refused(&group(), &remove(7), "there is no replica 7");
    refused(&gone, &replace(2, 4), "replica 2 is no member");
    refused(&group(), &add(NodeId::MAX + 1), "is no id of a replica");
    refused(&Members::first(ids("123456789")), &add(10), "at most 9 replicas: replace one of 1,2");
    assert_eq!(gone.begin(&remove(2)), Ok(Step::Done));
    assert_eq!(group().begin(&add(3)), Ok(Step::Done));
}

#[test]
fn a_newcomer_that_never_comes_is_given_up_and_its_id_is_used() {
    let learning = commit(&group(), &add(4));
    let given_up = commit(&learning, &remove(4));
    assert!(learning.may_become(&given_up) && given_up.is_settled());
    assert_eq!((given_up.voters, given_up.highest), (ids("123"), NodeId(4)));
}

#[test]
fn no_other_bytes_are_a_configuration() {
    let good = commit(&group(), &add(4)).encode();
    for length in 0..good.len() {
        assert_eq!(Members::decode(&good.slice(..length)), None);
    }
    let mut bad = good.to_vec();
    bad.push(0);
    assert_eq!(Members::decode(&bad.into()), None);
    let shapes = [
        Members { voters: BTreeSet::new(), ..group() },
        Members { highest: NodeId(2), ..group() },
        Members { learners: ids("3"), ..group() },
        Members { outgoing: ids("12"), target: ids("12"), ..group() },
        Members { target: ids("12"), ..group() },
        Members { voters: ids("0123"), target: ids("0123"), ..group() },
    ];
    for shape in shapes {
        assert_eq!(Members::decode(&shape.encode()), None, "{shape}");
    }
}
