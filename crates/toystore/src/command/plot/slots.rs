//! What stands in which place when, as SVG: a row for each place, a piece for each stay.
//!
//! Called by `evaluate`, for the slots of a cache.

use std::fmt::Write as _;

use checker::picture::escape;

use super::axis::Axis;
use super::{CHARACTER, room};

/// Pixels of a row, of a piece in it, and of the names of rows.
const ROW: f64 = 24.0;
const PIECE: f64 = 18.0;
const LEFT: f64 = 64.0;

/// Pixels right of the pieces, above and below them.
const RIGHT: f64 = 14.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 38.0;

/// Pixels of a drawing: class and width.
const SIZES: [(&str, f64); 2] = [("wide", 760.0), ("narrow", 350.0)];

/// How a stay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It gave its place away.
    Evicted,
    /// It was dropped, since it was old.
    Invalidated,
    /// It was there to the end.
    Stayed,
}

/// One stay.
#[derive(Clone, Debug, PartialEq)]
pub struct Stay {
    /// In which place, from 0 on.
    pub slot: usize,
    /// Whose.
    pub name: String,
    /// Which of the tones.
    pub tone: usize,
    /// From when to when.
    pub from: f64,
    /// See there.
    pub to: f64,
    /// How it ended.
    pub end: End,
    /// What is said of it under the pointer.
    pub words: String,
}

/// The drawing, for wide screens and for narrow ones.
pub fn draw(stays: &[Stay], slots: usize, time: &Axis, label: &str) -> String {
    SIZES.map(|size| draw_as(size, stays, slots, time, label)).concat()
}

fn draw_as(
    (class, width): (&str, f64),
    stays: &[Stay],
    slots: usize,
    time: &Axis,
    label: &str,
) -> String {
    let bottom = TOP + ROW * slots as f64;
    let height = bottom + BOTTOM;
    let right = width - RIGHT;
    let across = |value| LEFT + (right - LEFT) * time.share(value);
    let mut svg = String::new();
    for slot in 0..slots {
        let y = TOP + ROW * slot as f64;
        _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>\
             <text class=\"dim\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">slot {}</text>",
            LEFT - 6.0,
            y + 16.0,
            slot + 1,
        );
    }
    for stay in stays {
        draw_stay(&mut svg, stay, across(stay.from), across(stay.to));
    }
    for (value, words) in &time.ticks {
        let at = across(*value);
        _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{at:.1}\" y1=\"{bottom}\" x2=\"{at:.1}\" y2=\"{:.1}\"/>\
             <text class=\"dim\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{:.1}\">{words}</text>",
            bottom + 4.0,
            bottom + 16.0,
        );
    }
    _ = writeln!(
        svg,
        "<text class=\"dim\" text-anchor=\"end\" x=\"{right}\" y=\"{:.1}\">{}</text>\
         <text class=\"dim\" x=\"0\" y=\"12\">| evicted   × invalidated</text>",
        height - 4.0,
        escape(&time.title),
    );
    format!(
        "<svg class=\"{class}\" xmlns=\"http://www.w3.org/2000/svg\" \
         viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\" aria-label=\"{}\">\n\
         {svg}</svg>\n",
        escape(label)
    )
}

fn draw_stay(svg: &mut String, stay: &Stay, from: f64, to: f64) {
    let y = TOP + ROW * stay.slot as f64 + (ROW - PIECE) / 2.0;
    let (wide, tone) = ((to - from).max(1.0), stay.tone % 8);
    _ = write!(
        svg,
        "<g><title>{}</title><rect class=\"stay t{tone}\" x=\"{from:.1}\" y=\"{y:.1}\" \
         width=\"{wide:.1}\" height=\"{PIECE}\" rx=\"2\"/>",
        escape(&stay.words),
    );
    let (end, middle) = (from + wide, y + PIECE / 2.0);
    match stay.end {
        End::Evicted => {
            _ = write!(svg, "<path class=\"worst\" d=\"M{end:.1} {y:.1}v{PIECE}\"/>");
        }
        End::Invalidated => {
            let (x, y) = (end - 3.0, middle - 3.0);
            _ = write!(svg, "<path class=\"worst\" d=\"M{x:.1} {y:.1}l6 6m0 -6l-6 6\"/>");
        }
        End::Stayed => {}
    }
    // What has no room for its name whole has its first letters, or none.
    let letters = ((wide - 8.0) / CHARACTER).floor().max(0.0) as usize;
    let name: String = match room(&stay.name) + 6.0 <= wide {
        true => stay.name.clone(),
        false if letters >= 3 => stay.name.chars().take(letters).collect(),
        false => String::new(),
    };
    _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
        from + 4.0,
        middle + 4.0,
        escape(&name)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stay_has_its_name_where_there_is_room() {
        let stay = |from, to| Stay {
            slot: 1,
            name: "Rubik's Cube".to_string(),
            tone: 9,
            from,
            to,
            end: End::Evicted,
            words: "a < b".to_string(),
        };
        let svg = draw(&[stay(0.0, 5.0), stay(5.0, 5.1)], 2, &Axis::fine("s", 10.0), "what");
        assert!(svg.contains(">Rubik&#39;s Cube<") || svg.contains(">Rubik's Cube<"), "{svg}");
        assert!(svg.contains("stay t1") && svg.contains("a &lt; b"), "{svg}");
        assert_eq!(svg.matches(">Rubik").count(), 2, "wide and narrow, of one stay: {svg}");
    }
}
