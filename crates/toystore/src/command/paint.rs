//! How commands speak: tables, marks and errors.
//!
//! Data goes to stdout, everything else to stderr. Colour only repeats what words say already, and
//! is left out where nobody could see it (`NO_COLOR`, a pipe). Called by every command.

use std::fmt::Display;
use std::io::Write;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use owo_colors::OwoColorize;

/// A table with a heading line.
pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners()).set_header(head.iter().copied());
    table
}

/// The same, with all columns but the first so many set to the right, as numbers are read.
pub fn table_of_numbers(head: &[&str], words: usize) -> Table {
    let mut table = table(head);
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A duration with three digits and its unit: `850 µs`, `12.3 ms`, `1.20 s`.
pub fn micros(micros: u64) -> String {
    let precise = micros as f64;
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.2} ms", precise / 1e3),
        10_000..100_000 => format!("{:.1} ms", precise / 1e3),
        100_000..1_000_000 => format!("{:.0} ms", precise / 1e3),
        _ => format!("{:.2} s", precise / 1e6),
    }
}

/// One line about what is going on, to stderr. A terminal that is gone is no reason to end without
/// what must still be done: its closing asks `up` to stop its nodes.
pub fn say(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// An error, what caused it, and what to do next, to stderr.
pub fn error(error: &anyhow::Error) {
    // A message may carry its hint behind a line break.
    say(format_args!("{} {error}", "error:".red().bold()));
    for cause in error.chain().skip(1) {
        say(format_args!("  because: {cause}"));
    }
}

/// `✓ words` or `✗ words`.
pub fn check(holds: bool, words: &str) -> String {
    match holds {
        true => format!("{} {words}", "✓".green().bold()),
        false => format!("{} {words}", "✗".red().bold()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        for (count, expected) in [
            (0, "0 µs"),
            (850, "850 µs"),
            (1_234, "1.23 ms"),
            (12_345, "12.3 ms"),
            (123_456, "123 ms"),
            (1_234_567, "1.23 s"),
        ] {
            assert_eq!(micros(count), expected);
        }
    }
}
