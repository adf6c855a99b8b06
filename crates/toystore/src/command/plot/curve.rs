//! Lines between two axes as SVG. Every line bears its name, with its mark and its dashes.
//!
//! Called by the pages, which know what the numbers mean.

use std::fmt::Write as _;

use checker::picture::escape;

use super::axis::Axis;
use super::room;

/// Pixels between the drawing and the left and right edges: names of values stand there.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;

/// Pixels above, without the names of lines, and below: the name of one axis, and the other.
const TOP: f64 = 26.0;
const BOTTOM: f64 = 38.0;

/// Pixels of a drawing: class, width and height. A telephone has one of its own.
const SIZES: [(&str, f64, f64); 2] = [("wide", 760.0, 300.0), ("narrow", 350.0, 260.0)];

/// Pixels of a row of names, of the sample before each, and after it.
const NAMES: f64 = 18.0;
const SAMPLE: f64 = 34.0;
const BETWEEN: f64 = 18.0;

/// Lines that the style sheet tells apart: then they begin anew.
const TONES: usize = 8;

/// One line.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// What it shows.
    pub name: String,
    /// The class of its colour and its dashes.
    pub class: String,
    /// Places on both axes.
    pub points: Vec<(f64, f64)>,
    /// From where to where each point may be off; empty if that is not known.
    pub spread: Vec<(f64, f64)>,
    /// Whether each point is marked: those that were measured, and not a function.
    pub marks: Option<usize>,
}

impl Line {
    /// A line whose class is its name.
    pub fn named(name: &str, points: Vec<(f64, f64)>) -> Line {
        let class = name.replace(' ', "-");
        Line { name: name.to_string(), class, points, ..Line::default() }
    }

    /// The line of this number: with its tone, dashes and marks.
    pub fn measured(number: usize, name: &str, points: Vec<(f64, f64)>) -> Line {
        let tone = number % TONES;
        let marks = Some(tone);
        Line { name: name.to_string(), class: format!("t{tone}"), points, marks, spread: vec![] }
    }

    /// The same, with what each point may be off by.
    #[must_use]
    pub fn with_spread(self, spread: Vec<(f64, f64)>) -> Line {
        Line { spread, ..self }
    }

    /// The same without marks: so many points that they would be the line.
    #[must_use]
    pub fn plain(self) -> Line {
        Line { marks: None, ..self }
    }
}

/// The names of the lines, and the drawing, for wide screens and for narrow ones; `label` says what
/// it is to those who do not see it.
pub fn draw(lines: &[Line], x: &Axis, y: &Axis, label: &str) -> String {
    SIZES.map(|size| draw_as(size, lines, x, y, label)).concat()
}

fn draw_as(
    (class, width, height): (&str, f64, f64),
    lines: &[Line],
    x: &Axis,
    y: &Axis,
    label: &str,
) -> String {
    let mut svg = String::new();
    let names = draw_names(&mut svg, lines, width);
    let (top, height) = (names + TOP, names + height);
    let (right, bottom) = (width - RIGHT, height - BOTTOM);
    let across = |value| LEFT + (right - LEFT) * x.share(value);
    let up = |value| bottom - (bottom - top) * y.share(value);
    for (value, words) in &y.ticks {
        let at = up(*value);
        _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>\
             <text class=\"dim\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            escape(words),
        );
    }
    for (value, words) in thinned(&x.ticks, &across) {
        let at = across(*value);
        // The last words end at the edge, and not beyond it.
        let anchor = if at + room(words) / 2.0 > width { "end" } else { "middle" };
        let place = if anchor == "end" { width } else { at };
        _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{at:.1}\" y1=\"{bottom}\" x2=\"{at:.1}\" y2=\"{:.1}\"/>\
             <text class=\"dim\" text-anchor=\"{anchor}\" x=\"{place:.1}\" y=\"{:.1}\">{}</text>",
            bottom + 4.0,
            bottom + 16.0,
            escape(words),
        );
    }
    _ = writeln!(
        svg,
        "<text class=\"dim\" text-anchor=\"end\" x=\"{right}\" y=\"{:.1}\">{}</text>\
         <text class=\"dim\" x=\"0\" y=\"{:.1}\">{}</text>",
        height - 4.0,
        escape(&x.title),
        names + 11.0,
        escape(&y.title),
    );
    for line in lines {
        draw_line(&mut svg, line, &across, &up);
    }
    format!(
        "<svg class=\"{class}\" xmlns=\"http://www.w3.org/2000/svg\" \
         viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\" aria-label=\"{}\">\n\
         {svg}</svg>\n",
        escape(label)
    )
}

/// The ticks whose words have room beside those before.
fn thinned<'a>(
    ticks: &'a [(f64, String)],
    across: &'a impl Fn(f64) -> f64,
) -> impl Iterator<Item = &'a (f64, String)> {
    let mut end = f64::MIN;
    ticks.iter().filter(move |(value, words)| {
        let half = room(words) / 2.0;
        let free = across(*value) - half > end;
        if free {
            end = across(*value) + half;
        }
        free
    })
}

/// Names, each behind a sample of its line, in as many rows as they need; says how high they are.
fn draw_names(svg: &mut String, lines: &[Line], width: f64) -> f64 {
    let (mut left, mut row) = (0.0, 0.0);
    for line in lines {
        let wide = SAMPLE + room(&line.name);
        if left > 0.0 && left + wide > width {
            (left, row) = (0.0, row + NAMES);
        }
        let (middle, class) = (row + 8.0, &line.class);
        _ = write!(
            svg,
            "<line class=\"line {class}\" x1=\"{left:.1}\" y1=\"{middle:.1}\" x2=\"{:.1}\" \
             y2=\"{middle:.1}\"/>",
            left + SAMPLE - 8.0,
        );
        draw_mark(svg, line, left + SAMPLE / 2.0 - 4.0, middle);
        _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            left + SAMPLE,
            row + 12.0,
            escape(&line.name)
        );
        left += wide + BETWEEN;
    }
    row + NAMES
}

fn draw_line(
    svg: &mut String,
    line: &Line,
    across: &impl Fn(f64) -> f64,
    up: &impl Fn(f64) -> f64,
) {
    let points: Vec<String> =
        line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), up(*y))).collect();
    let (class, points) = (&line.class, points.join(" "));
    _ = writeln!(svg, "<polyline class=\"line {class}\" points=\"{points}\"/>");
    for ((x, _), (low, high)) in line.points.iter().zip(&line.spread) {
        let (x, low, high) = (across(*x), up(*low), up(*high));
        _ = writeln!(
            svg,
            "<path class=\"spread {class}\" d=\"M{x:.1} {low:.1}V{high:.1}M{:.1} {low:.1}h6\
             M{:.1} {high:.1}h6\"/>",
            x - 3.0,
            x - 3.0,
        );
    }
    for (x, y) in &line.points {
        draw_mark(svg, line, across(*x), up(*y));
    }
}

/// A shape for each of the lines that are told apart.
fn draw_mark(svg: &mut String, line: &Line, x: f64, y: f64) {
    let Some(shape) = line.marks else { return };
    let path = match shape {
        0 => "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z",
        1 => "m-3.2 -3.2h6.4v6.4h-6.4z",
        2 => "m0 -4.2l4.2 7.4h-8.4z",
        3 => "m0 -4.6l4.6 4.6l-4.6 4.6l-4.6 -4.6z",
        4 => "m0 4.2l4.2 -7.4h-8.4z",
        5 => "m-1.5 -4.2h3v2.7h2.7v3h-2.7v2.7h-3v-2.7h-2.7v-3h2.7z",
        6 => "m-4.5 -2h9v4h-9z",
        _ => "m-2 -4.5h4v9h-4z",
    };
    let class = &line.class;
    _ = writeln!(svg, "<path class=\"mark {class}\" d=\"M{x:.1} {y:.1}{path}\"/>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_from_corner_to_corner_and_has_its_name() {
        let line = Line::named("read service", vec![(0.0, 0.0), (10.0, 10.0)]);
        let axis = || Axis::linear("of", 10.0);
        let svg = draw(&[line], &axis(), &axis(), "a & b");
        assert!(svg.contains("points=\"64.0,280.0 746.0,44.0\""), "{svg}");
        assert!(svg.contains(">read service</text>"), "{svg}");
        assert!(svg.contains("class=\"line read-service\""), "{svg}");
        assert!(svg.contains("aria-label=\"a &amp; b\""), "{svg}");
    }

    #[test]
    fn a_measured_point_has_a_mark_and_says_what_it_may_be_off_by() {
        let line = Line::measured(1, "p50", vec![(5.0, 5.0)]).with_spread(vec![(4.0, 6.0)]);
        let axis = || Axis::linear("of", 10.0);
        let svg = draw(&[line], &axis(), &axis(), "what");
        assert_eq!(svg.matches("class=\"spread t1\"").count(), 2, "wide and narrow: {svg}");
        assert_eq!(svg.matches("class=\"mark t1\"").count(), 4, "in the names, too: {svg}");
    }

    #[test]
    fn names_that_have_no_room_begin_a_row() {
        let line = |number| Line::measured(number, "a name of some length", vec![]);
        let lines: Vec<Line> = (0..6).map(line).collect();
        let mut svg = String::new();
        assert_eq!(draw_names(&mut svg, &lines, 760.0), 2.0 * NAMES);
        assert_eq!(draw_names(&mut svg, &lines, 350.0), 6.0 * NAMES);
    }
}
