//! Lines between two axes as SVG. Colours are classes of the page's style sheet, so that it is
//! light or dark as its reader has it; every line bears its name.
//!
//! Called by `page`, which knows what the numbers mean.

use std::fmt::Write as _;

use checker::picture::escape;

/// Pixels between the drawing and the left and right edges: names of values stand there.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;

/// Pixels above and below: the name of one axis, and the other.
const TOP: f64 = 26.0;
const BOTTOM: f64 = 38.0;

/// Pixels of a drawing: class, width and height. A telephone has one of its own.
const SIZES: [(&str, f64, f64); 2] = [("wide", 760.0, 300.0), ("narrow", 350.0, 260.0)];

/// One line.
pub struct Line {
    /// What it shows; the class of its colour.
    pub name: String,
    /// Places on both axes.
    pub points: Vec<(f64, f64)>,
}

/// An axis: its ends, and what stands at some of its places.
pub struct Axis {
    /// What is measured, with its unit.
    pub title: String,
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Places with words.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From zero to at least this, with some five round numbers.
    pub fn linear(title: &str, most: f64) -> Axis {
        let most = most.max(1.0);
        let power = 10_f64.powf((most / 5.0).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
        let step = steps.into_iter().find(|step| most / step <= 5.0).unwrap_or(most).max(1.0);
        let count = (most / step).ceil();
        let tick =
            |number: i32| (f64::from(number) * step, format!("{}", f64::from(number) * step));
        let ticks = (0..=count as i32).map(tick).collect();
        Axis { title: title.to_string(), from: 0.0, to: count * step, ticks }
    }
}

/// The class of a line's colour.
fn class_of(line: &Line) -> String {
    line.name.replace(' ', "-")
}

/// The names of the lines, and the drawing, for wide screens and for narrow ones; `label` says what
/// it is to those who do not see it.
pub fn draw(lines: &[Line], x: &Axis, y: &Axis, label: &str) -> String {
    let name =
        |line: &Line| format!("<span class=\"{}\">{}</span>\n", class_of(line), escape(&line.name));
    let names: String = lines.iter().map(name).collect();
    let drawings = SIZES.map(|size| draw_as(size, lines, x, y, label)).concat();
    format!("<p class=\"legend\">{names}</p>\n{drawings}")
}

fn draw_as(
    (class, width, height): (&str, f64, f64),
    lines: &[Line],
    x: &Axis,
    y: &Axis,
    label: &str,
) -> String {
    let share = |axis: &Axis, value: f64| {
        let span = (axis.to - axis.from).max(f64::MIN_POSITIVE);
        ((value - axis.from) / span).clamp(0.0, 1.0)
    };
    let (right, bottom) = (width - RIGHT, height - BOTTOM);
    let across = |value| LEFT + (right - LEFT) * share(x, value);
    let up = |value| bottom - (bottom - TOP) * share(y, value);
    let mut svg = String::new();
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
    for (value, words) in &x.ticks {
        let at = across(*value);
        _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{at:.1}\" y1=\"{bottom}\" x2=\"{at:.1}\" y2=\"{:.1}\"/>\
             <text class=\"dim\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
            bottom + 4.0,
            bottom + 16.0,
            escape(words),
        );
    }
    _ = writeln!(
        svg,
        "<text class=\"dim\" text-anchor=\"end\" x=\"{right}\" y=\"{:.1}\">{}</text>\
         <text class=\"dim\" x=\"0\" y=\"11\">{}</text>",
        height - 4.0,
        escape(&x.title),
        escape(&y.title),
    );
    for line in lines {
        let points: Vec<String> =
            line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), up(*y))).collect();
        let (class, points) = (class_of(line), points.join(" "));
        _ = writeln!(svg, "<polyline class=\"line {class}\" points=\"{points}\"/>");
    }
    format!(
        "<svg class=\"{class}\" xmlns=\"http://www.w3.org/2000/svg\" \
         viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\" aria-label=\"{}\">\n\
         {svg}</svg>\n",
        escape(label)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_numbers_and_holds_the_most() {
        for (most, to, ticks) in [(0.0, 1.0, 2), (9.0, 10.0, 6), (4_321.0, 5_000.0, 6)] {
            let axis = Axis::linear("", most);
            assert_eq!((axis.to, axis.ticks.len()), (to, ticks), "{most}");
        }
    }

    #[test]
    fn a_line_goes_from_corner_to_corner_and_has_its_name() {
        let line =
            Line { name: "read service".to_string(), points: vec![(0.0, 0.0), (10.0, 10.0)] };
        let axis = || Axis::linear("of", 10.0);
        let svg = draw(&[line], &axis(), &axis(), "a & b");
        assert!(svg.contains("points=\"64.0,262.0 746.0,26.0\""), "{svg}");
        assert!(svg.contains("<span class=\"read-service\">read service</span>"), "{svg}");
        assert!(svg.contains("aria-label=\"a &amp; b\""), "{svg}");
    }
}
