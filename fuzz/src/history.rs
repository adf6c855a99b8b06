//! A history file: read by `toystore check`, written by whoever ran a store, perhaps not by us.
//!
//! Called by the target of this name and by `tests/corpus.rs`; calls `checker`.

use checker::{picture, report};

/// Steps of the search for an order that fits: what it does with more, it does with these.
const STEPS: u64 = 2000;

/// Whatever stands in a file, it is read, judged, told and drawn, or refused at a place in it.
///
/// # Panics
/// If that is not so.
pub fn check(input: &[u8]) {
    let history = match checker::history::read(input) {
        Ok(history) => history,
        Err(error) => {
            let lines = 1 + input.iter().filter(|byte| **byte == b'\n').count() as u64;
            assert!((1..=lines).contains(&error.line), "{error}: of {lines} lines");
            assert!(error.column >= 1, "{error}");
            return;
        }
    };
    let judged = checker::judge(&history, STEPS);
    let text = report::text(&history, &judged);
    assert!(text.contains(&report::conclusion(&judged)), "{text}");
    let value = report::json(&history, &judged);
    assert!(value.is_object(), "{value}");
    let page = picture::page(&history, &judged);
    assert!(!page.contains("NaN"), "a place that is no number: {page}");
}
