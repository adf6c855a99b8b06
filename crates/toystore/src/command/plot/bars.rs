//! Groups of bars as SVG; every bar also says in words what it is.
//!
//! Called by the pages, which know what the numbers mean.

use std::fmt::Write as _;

use checker::picture::escape;

use super::axis::Axis;
use super::{fit, room};

/// Pixels of a bar's height.
const BAR: f64 = 12.0;

/// Pixels of a group's name.
const NAME: f64 = 24.0;

/// Pixels of a line of words.
const LINE: f64 = 15.0;

/// Pixels below, for the axis.
const BOTTOM: f64 = 36.0;

/// Where things are drawn: a telephone has no room for words beside a bar.
struct Layout {
    /// The class by which the style sheet shows the one or the other.
    class: &'static str,
    /// Pixels from one bar to the next.
    row: f64,
    /// Pixels of the column with the names of bars, at least; without one, names and words stand
    /// above.
    left: f64,
    /// Pixels of the longest bar.
    longest: f64,
    /// Pixels of the words behind it, at least.
    words: f64,
}

/// Pixels of the words behind the longest bar, at most: longer ones are drawn closer.
const WORDS_MAX: f64 = 400.0;

const WIDE: Layout = Layout { class: "wide", row: 17.0, left: 118.0, longest: 400.0, words: 240.0 };

const NARROW: Layout =
    Layout { class: "narrow", row: 34.0, left: 0.0, longest: 330.0, words: 10.0 };

/// One value.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Whose.
    pub name: String,
    /// The class of its colour.
    pub class: String,
    /// How long the bar is.
    pub value: f64,
    /// Where a line on top of it begins and ends: from the least of several to the most, or what it
    /// may be off by.
    pub range: Option<(f64, f64)>,
    /// What stands behind it.
    pub words: String,
    /// Whether it is marked as bad; its words say why.
    pub bad: bool,
}

/// Bars that are compared with each other.
#[derive(Clone, Debug)]
pub struct Group {
    /// What they have in common.
    pub name: String,
    /// One for each of those that are compared.
    pub bars: Vec<Bar>,
}

/// The drawing, for wide screens and for narrow ones; `title` says what is measured and in which
/// unit, `label` what it is to those who do not see it.
pub fn draw(groups: &[Group], title: &str, label: &str) -> String {
    [WIDE, NARROW].map(|layout| draw_as(layout, groups, title, label)).concat()
}

fn draw_as(mut layout: Layout, groups: &[Group], title: &str, label: &str) -> String {
    let all = || groups.iter().flat_map(|group| &group.bars);
    if layout.left > 0.0 {
        layout.left = all().map(|bar| room(&bar.name) + 10.0).fold(layout.left, f64::max);
    }
    let end = |bar: &Bar| bar.value.max(bar.range.map_or(0.0, |(_, high)| high));
    let axis = Axis::fine(title, all().map(end).fold(0.0, f64::max));
    if layout.left > 0.0 {
        let beyond =
            |bar: &Bar| layout.longest * (axis.share(end(bar)) - 1.0) + 10.0 + room(&bar.words);
        layout.words = all().map(beyond).fold(layout.words, f64::max).min(WORDS_MAX);
    }
    let (mut svg, mut y) = (String::new(), 0.0);
    for group in groups {
        if !group.name.is_empty() {
            let name = escape(&group.name);
            _ = writeln!(svg, "<text class=\"name\" x=\"0\" y=\"{:.1}\">{name}</text>", y + 16.0);
            y += NAME;
        }
        let (left, end) = (layout.left, y + layout.row * group.bars.len() as f64);
        _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{left:.0}\" y1=\"{y:.1}\" x2=\"{left:.0}\" y2=\"{end:.1}\"/>"
        );
        for bar in &group.bars {
            draw_bar(&mut svg, &layout, bar, y, &axis);
            y += layout.row;
        }
        y += BAR / 2.0;
    }
    draw_axis(&mut svg, &layout, &axis, y);
    let (class, width) = (layout.class, layout.left + layout.longest + layout.words);
    let height = y + BOTTOM;
    format!(
        "<svg class=\"{class}\" xmlns=\"http://www.w3.org/2000/svg\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" role=\"img\" \
         aria-label=\"{}\">\n{svg}</svg>\n",
        escape(label)
    )
}

fn draw_axis(svg: &mut String, layout: &Layout, axis: &Axis, y: f64) {
    let (left, right) = (layout.left, layout.left + layout.longest);
    _ = writeln!(
        svg,
        "<line class=\"axis\" x1=\"{left:.0}\" y1=\"{y:.1}\" x2=\"{right:.0}\" y2=\"{y:.1}\"/>"
    );
    for (value, words) in &axis.ticks {
        let at = left + layout.longest * axis.share(*value);
        let anchor = if at < 10.0 { "start" } else { "middle" };
        _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{at:.1}\" y1=\"{y:.1}\" x2=\"{at:.1}\" y2=\"{:.1}\"/>\
             <text class=\"dim\" text-anchor=\"{anchor}\" x=\"{at:.1}\" y=\"{:.1}\">{words}</text>",
            y + 4.0,
            y + 16.0,
        );
    }
    _ = writeln!(
        svg,
        "<text class=\"dim\" text-anchor=\"end\" x=\"{right:.0}\" y=\"{:.1}\">{}</text>",
        y + 31.0,
        escape(&axis.title),
    );
}

fn draw_bar(svg: &mut String, layout: &Layout, bar: &Bar, y: f64, axis: &Axis) {
    let above = layout.left == 0.0;
    let long = |value: f64| layout.longest * axis.share(value);
    let (left, wide) = (layout.left, long(bar.value));
    let top = if above { y + LINE } else { y };
    let (baseline, middle) = (y + 10.0, top + BAR / 2.0);
    let (name, tone) = (escape(&bar.name), &bar.class);
    let mut end = left + wide;
    _ = write!(
        svg,
        "<rect class=\"{tone}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" \
         height=\"{BAR:.1}\" rx=\"2\"/>",
        wide.max(1.0),
    );
    if let Some((low, high)) = bar.range.filter(|(low, high)| high > low) {
        let (from, to) = (left + long(low), left + long(high));
        let (cap, deep) = (top + 2.0, BAR - 4.0);
        // A line that begins where the bar ends needs no mark there.
        let first = match low < bar.value {
            true => format!("M{from:.1} {cap:.1}v{deep:.1}"),
            false => String::new(),
        };
        _ = write!(
            svg,
            "<path class=\"worst\" d=\"M{from:.1} {middle:.1}H{to:.1}{first}M{to:.1} {cap:.1}\
             v{deep:.1}\"/>",
        );
        end = end.max(to);
    }
    let (class, words) = (if bar.bad { "bad" } else { "value" }, escape(&bar.words));
    let start = if above { 4.0 } else { end + 6.0 };
    let room = layout.left + layout.longest + layout.words - start;
    let beside = if above { bar.name.chars().count() + 1 } else { 0 };
    let fit = fit(beside + bar.words.chars().count(), room);
    _ = match above {
        true => writeln!(
            svg,
            "<text x=\"{start:.1}\" y=\"{baseline:.1}\"{fit}>\
             <tspan class=\"dim\">{name}</tspan> \
             <tspan class=\"{class}\">{words}</tspan></text>"
        ),
        false => writeln!(
            svg,
            "<text class=\"dim\" text-anchor=\"end\" x=\"{:.1}\" y=\"{baseline:.1}\">{name}\
             </text><text class=\"{class}\" x=\"{start:.1}\" y=\"{baseline:.1}\"{fit}>{words}\
             </text>",
            left - 8.0,
        ),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share_of_the_axis_and_says_its_value() {
        let bar = |value, range| Bar {
            name: "raft".to_string(),
            class: "raft".to_string(),
            value,
            range,
            words: format!("{value} < {}", value + 1.0),
            bad: false,
        };
        let bars = vec![bar(1.0, None), bar(2.0, Some((2.0, 4.0)))];
        let groups = [Group { name: "a & b".to_string(), bars }];
        let svg = draw_as(WIDE, &groups, "in s", "what");
        assert!(svg.contains("width=\"100.0\"") && svg.contains("width=\"200.0\""), "{svg}");
        assert!(svg.contains("H518.0M518.0"), "{svg}");
        assert!(svg.contains("1 &lt; 2") && svg.contains("a &amp; b"), "{svg}");
        assert!(svg.contains(">in s</text>") && svg.contains(">4</text>"), "{svg}");
    }
}
