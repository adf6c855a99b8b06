//! How commands speak: tables, marks and errors.
//!
//! Data goes to stdout, everything else to stderr. Colour only repeats what words say already, and
//! is left out where nobody could see it (`NO_COLOR`, a pipe). Called by every command.

use std::fmt::Display;

use anstream::eprintln;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use owo_colors::OwoColorize;

/// A table with a heading line.
pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners()).set_header(head.iter().copied());
    table
}

/// One line about what is going on, to stderr.
pub fn say(text: impl Display) {
    eprintln!("{text}");
}

/// An error, what caused it, and what to do next, to stderr.
pub fn error(error: &anyhow::Error) {
    // A message may carry its hint behind a line break.
    eprintln!("{} {error}", "error:".red().bold());
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}

/// `✓ words` or `✗ words`.
pub fn check(holds: bool, words: &str) -> String {
    match holds {
        true => format!("{} {words}", "✓".green().bold()),
        false => format!("{} {words}", "✗".red().bold()),
    }
}
