//! A catalogue file: read by `toystore up --catalogue FILE.csv`, written by a person.
//!
//! Called by the target of this name and by `tests/corpus.rs`; calls `shop::catalog::catalogue`.

use std::collections::BTreeSet;

use shop::catalog::catalogue::{HEADER, QUANTITY_MAX, TOYS_MAX, Toy, parse};
use shop::toy::ToyName;

/// Characters of a refusal: what it quotes from the file is cut, and then escaped.
const WORDS_MAX: usize = 600;

/// An accepted catalogue keeps its limits and says the same when it is written again; a refusal
/// names a place of the file.
///
/// # Panics
/// If that is not so.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let toys = match parse(text) {
        Ok(toys) => toys,
        Err(error) => {
            let words = error.to_string();
            let lines = text.lines().count().max(1);
            assert!((1..=lines + 1).contains(&error.line), "{words}: of {lines} lines");
            let line = text.lines().nth(error.line - 1).unwrap_or_default();
            let columns = line.chars().count() + 1;
            assert!((1..=columns).contains(&error.column), "{words}: of {columns} columns");
            assert!(words.chars().count() <= WORDS_MAX, "{words}");
            return;
        }
    };
    assert!((1..=TOYS_MAX).contains(&toys.len()), "{} toys", toys.len());
    let names: BTreeSet<&ToyName> = toys.iter().map(|toy| &toy.name).collect();
    assert_eq!(names.len(), toys.len(), "a toy stands twice in {toys:?}");
    for Toy { name, quantity, .. } in &toys {
        assert!(*quantity <= QUANTITY_MAX, "{name}: {quantity}");
        let characters = name.spelling().chars().count();
        assert!((1..=ToyName::CHARACTERS_MAX).contains(&characters), "{name}: {characters}");
        assert!(!name.spelling().chars().any(char::is_control), "{name:?}");
    }
    let line = |Toy { name, price, quantity }: &Toy| {
        format!("\"{}\",{price},{quantity}\n", name.spelling().replace('"', "\"\""))
    };
    let again = format!("{HEADER}\n{}", toys.iter().map(line).collect::<String>());
    assert_eq!(parse(&again).as_ref(), Ok(&toys), "{again}");
}
