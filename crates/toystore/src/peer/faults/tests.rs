//! What is taken for a set of faults, and what is drawn from it.

use super::*;

const ME: Address = Address::Order(NodeId(3));
const OTHER: Address = Address::Order(NodeId(2));
const CATALOG: Address = Address::Catalog(NodeId(1));
const KNOWN: [Address; 3] = [Address::Order(NodeId(1)), OTHER, CATALOG];

fn with(body: &str) -> Faults {
    let faults = Faults::new(ME);
    faults.put(body.as_bytes(), &KNOWN).unwrap();
    faults
}

#[test]
fn a_wrong_set_is_refused_with_its_place_and_what_was_expected() {
    let faults = with(r#"{"edges":[{"to":"order-2","cut":true}]}"#);
    let before = faults.set();
    let check = |body: &str, words: &str| {
        let error = faults.put(body.as_bytes(), &KNOWN).unwrap_err();
        assert!(error.contains(words), "{body}: {words:?} is not in {error:?}");
        assert!(error.contains(r#"expected such as {"seed":1"#), "{error:?}");
        assert_eq!(faults.set(), before, "a wrong set changes nothing");
    };
    let edge =
        |more: &str| format!(r#"{{"edges":[{{"to":"catalog"}},{{"to":"order-1",{more}}}]}}"#);
    check("{", "EOF while parsing an object at line 1 column 1");
    check("[]", "the faults are not an object");
    check(" ", "the faults are not an object");
    check(r#"{"edge":[]}"#, "unknown field `edge`, expected `seed` or `edges` at line 1 column 7");
    check(r#"{"seed":-1}"#, "invalid value: integer `-1`");
    check(r#"{"edges":{}}"#, "invalid type: map, expected a sequence");
    check(r#"{"edges":[{"cut":true}]}"#, "missing field `to`");
    check(&edge(r#""cuts":true"#), "unknown field `cuts`, expected one of `to`, `cut`");
    check(&edge(r#""cut":1"#), "invalid type: integer `1`, expected a boolean");
    check(&edge(r#""loss":1.5"#), "edges[1].loss: 1.5 is no probability: expected 0 to 1");
    check(&edge(r#""duplicate":-0.1"#), "edges[1].duplicate: -0.1 is no probability");
    check(&edge(r#""delay_ms":10001"#), "edges[1].delay_ms: 10001 is too long: at most 10000");
    check(&edge(r#""jitter_ms":99999"#), "edges[1].jitter_ms: 99999 is too long");
    check(&edge(r#""delay_ms":-5"#), "invalid value: integer `-5`");
    check(&edge(r#""delay_ms":0.5"#), "invalid type: floating point `0.5`");
    let to = |name: &str| format!(r#"{{"edges":[{{"to":"{name}","cut":true}}]}}"#);
    check(&to("order-3"), "edges[0].to: order-3 is this node itself");
    for wrong in
        ["", "order", "order-0", "order-7", "order-02", "Order-2", "shop-1", "frontend-256"]
    {
        let words = format!("edges[0].to: there is no node {wrong:?}: catalog, order-1, order-2, ");
        check(&to(wrong), &words);
    }
    let twice = r#"{"edges":[{"to":"catalog","cut":true},{"to":"catalog-1","loss":1}]}"#;
    check(twice, "edges[1].to: catalog is named twice");
}

#[test]
fn the_catalog_takes_any_replica_since_it_knows_none_by_name() {
    let faults = Faults::new(CATALOG);
    faults.put(br#"{"edges":[{"to":"order-99","cut":true}]}"#, &[]).unwrap();
    assert!(faults.is_cut(Address::Order(NodeId(99))));
    let error = faults.put(br#"{"edges":[{"to":"order-100"}]}"#, &[]).unwrap_err();
    let words = "\"order-100\": order-1 to order-99, frontend-1 to frontend-255";
    assert!(error.contains(words), "{error}");
}

#[test]
fn where_the_catalog_has_replicas_each_has_a_name_and_none_is_the_catalog() {
    let second = Address::Catalog(NodeId(2));
    let known = [OTHER, CATALOG, second];
    let faults = Faults::new(ME);
    faults.put(br#"{"edges":[{"to":"catalog-2","cut":true}]}"#, &known).unwrap();
    assert!(faults.is_cut(second) && !faults.is_cut(CATALOG));
    assert_eq!(faults.set().edges[0].to, "catalog-2");
    for (name, words) in [
        ("catalog", "there is no node \"catalog\": catalog-1, catalog-2, order-2, frontend-1"),
        ("catalog-3", "there is no node \"catalog-3\": catalog-1, catalog-2, order-2"),
    ] {
        let body = format!(r#"{{"edges":[{{"to":"{name}","cut":true}}]}}"#);
        let error = faults.put(body.as_bytes(), &known).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let own = Faults::new(second);
    own.put(br#"{"edges":[{"to":"catalog-1","cut":true}]}"#, &[CATALOG]).unwrap();
    assert!(own.is_cut(CATALOG));
    let error = own.put(br#"{"edges":[{"to":"catalog-2"}]}"#, &[CATALOG]).unwrap_err();
    assert!(error.contains("catalog-2 is this node itself"), "{error}");
}

#[test]
fn a_set_replaces_the_one_before_and_an_empty_one_heals() {
    let faults = with(r#"{"seed":7,"edges":[{"to":"order-2","cut":true}]}"#);
    assert!(faults.is_cut(OTHER) && !faults.is_cut(CATALOG));
    faults.put(br#"{"edges":[{"to":"catalog","cut":true},{"to":"order-2"}]}"#, &KNOWN).unwrap();
    assert!(!faults.is_cut(OTHER) && faults.is_cut(CATALOG));
    let cut = EdgeFaults { to: "catalog".to_string(), cut: true, ..EdgeFaults::default() };
    assert_eq!(faults.set(), FaultSet { seed: 0, edges: vec![cut] }, "no fault, no edge");
    for empty in ["", "{}", r#"{"seed":3}"#, r#"{"edges":[]}"#] {
        let faults = with(r#"{"edges":[{"to":"catalog","cut":true}]}"#);
        faults.put(empty.as_bytes(), &KNOWN).unwrap();
        assert!(!faults.any_set() && !faults.any(CATALOG));
        assert_eq!(faults.call(CATALOG), None);
    }
}

#[test]
fn what_is_cut_is_lost_whatever_else_is_set() {
    let faults = with(
        r#"{"edges":[{"to":"order-2","cut":true,"delay_ms":9,"duplicate":1},
                     {"to":"catalog","loss":1,"duplicate":1}]}"#,
    );
    for to in [OTHER, CATALOG] {
        assert_eq!(faults.call(to), Some(vec![]));
        let mut batch = VecDeque::from([1, 2, 3]);
        assert_eq!(faults.batch(to, &mut batch), Duration::ZERO);
        assert!(batch.is_empty());
        assert_eq!(faults.answer(to, false), LOST);
    }
    assert_eq!(faults.answer(OTHER, true), LOST, "cut is cut");
    assert_eq!(faults.answer(CATALOG, true), Duration::ZERO, "its messages were lost before");
    assert_eq!(faults.call(Address::Order(NodeId(1))), None);
}

#[test]
fn delays_stay_within_their_bounds_and_everything_can_come_twice_in_order() {
    let faults = with(r#"{"edges":[{"to":"order-2","delay_ms":50,"jitter_ms":20,"duplicate":1}]}"#);
    let bounds = Duration::from_millis(50)..=Duration::from_millis(70);
    for _ in 0..100 {
        let arrivals = faults.call(OTHER).unwrap();
        assert_eq!(arrivals.len(), 2);
        assert!(arrivals.iter().all(|delay| bounds.contains(delay)), "{arrivals:?}");
        assert!(bounds.contains(&faults.answer(OTHER, false)));
        let mut batch = VecDeque::from(['a', 'b']);
        assert!(bounds.contains(&faults.batch(OTHER, &mut batch)));
        assert_eq!(batch, ['a', 'a', 'b', 'b']);
    }
}

/// Some of everything on an edge, as text.
fn draws(faults: &Faults, to: Address) -> String {
    let mut text = String::new();
    for _ in 0..50 {
        let mut batch = VecDeque::from([1, 2, 3]);
        let delay = faults.batch(to, &mut batch);
        text += &format!("{:?} {delay:?} {batch:?} ", faults.call(to));
        text += &format!("{:?}\n", faults.answer(to, false));
    }
    text
}

const MIXED: &str = r#"{"seed":5,"edges":[
    {"to":"order-2","delay_ms":1,"jitter_ms":9,"loss":0.3,"duplicate":0.3},
    {"to":"catalog","delay_ms":1,"jitter_ms":9,"loss":0.3,"duplicate":0.3}]}"#;

#[test]
fn the_same_seed_makes_the_same_draws_whatever_happens_elsewhere() {
    let (one, two) = (with(MIXED), with(MIXED));
    draws(&two, CATALOG);
    let first = draws(&one, OTHER);
    assert_eq!(first, draws(&two, OTHER), "the other edge has been used meanwhile");
    one.put(MIXED.as_bytes(), &KNOWN).unwrap();
    (0..50).for_each(|_| _ = one.call(OTHER));
    let answers = |text: &str| {
        let last = |line: &str| line.split(' ').next_back().unwrap().to_string();
        text.lines().map(last).collect::<Vec<String>>()
    };
    assert_eq!(answers(&draws(&one, OTHER)), answers(&first), "calls were made meanwhile");
    let other = with(&MIXED.replace("\"seed\":5", "\"seed\":6"));
    assert_ne!(draws(&other, OTHER), first);
    assert_ne!(draws(&with(MIXED), CATALOG), first, "two edges have draws of their own");
}

#[test]
fn about_as_much_is_lost_and_doubled_as_was_asked_for() {
    let faults = with(r#"{"edges":[{"to":"order-2","loss":0.1,"duplicate":0.2}]}"#);
    let mut batch: VecDeque<u32> = (0..10_000).collect();
    faults.batch(OTHER, &mut batch);
    let arrived = batch.iter().collect::<std::collections::BTreeSet<_>>().len();
    let twice = batch.len() - arrived;
    assert!((8_800..9_200).contains(&arrived), "{arrived}");
    assert!((1_600..2_000).contains(&twice), "{twice}");
    assert!(batch.iter().is_sorted());
}
