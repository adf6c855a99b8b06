//! A scenario file: read by `toystore run` and `toystore sim`, written by a person.
//!
//! Called by the target of this name and by `tests/corpus.rs`; calls `simulator::Scenario`.

use replication::Time;
use simulator::Scenario;

/// An accepted scenario keeps its limits; a refusal names a line of the file.
///
/// # Panics
/// If that is not so.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Scenario::read(text) {
        Ok(scenario) => {
            let seats = scenario.seats;
            assert!((1..=9).contains(&seats.orders), "{} order replicas", seats.orders);
            assert!((1..=9).contains(&seats.frontends), "{} frontends", seats.frontends);
            assert!((1..=100).contains(&seats.shoppers), "{} shoppers", seats.shoppers);
            assert!(scenario.length.as_secs() <= 3600, "{:?}", scenario.length);
            assert!(!scenario.pause.is_zero(), "shoppers that never think");
            let end = Time(0) + scenario.length;
            assert!(scenario.faults.iter().all(|(at, _)| *at <= end), "a fault after the end");
            assert!(scenario.faults.is_sorted_by_key(|(at, _)| *at), "faults out of order");
        }
        Err(wrong) => {
            let lines = 1 + text.bytes().filter(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(&wrong.line), "{wrong}: of {lines} lines");
            assert!(!wrong.why.is_empty(), "a refusal without words");
        }
    }
}
