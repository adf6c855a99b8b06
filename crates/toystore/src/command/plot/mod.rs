//! Drawings as SVG, for the pages of `compare`, `load` and `evaluate`.
//!
//! Pure: numbers in, text out. Colours are classes of a style sheet, so that a drawing is light or
//! dark as its reader has it; nothing is said by colour alone, since lines have marks and dashes
//! and bars have names. A drawing for wide screens stands beside one for narrow ones, and the style
//! sheet shows one of them.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `axis` | ends, round numbers, and where a value is |
//! | `bars` | groups of bars, with what they may be off by |
//! | `curve` | lines between two axes, likewise |
//! | `slots` | what stands in which place when |
//! | `sheet` | the style sheet, and a drawing as a file of its own |

pub mod axis;
pub mod bars;
pub mod curve;
pub mod sheet;
pub mod slots;

/// Pixels of a character of the drawings' font.
pub const CHARACTER: f64 = 6.7;

/// Pixels that words need.
pub fn room(words: &str) -> f64 {
    words.chars().count() as f64 * CHARACTER
}

/// Words that are too long for their room are drawn closer, so that none is cut off.
pub fn fit(characters: usize, room: f64) -> String {
    match characters as f64 * CHARACTER > room {
        true => format!(" textLength=\"{room:.0}\" lengthAdjust=\"spacingAndGlyphs\""),
        false => String::new(),
    }
}
