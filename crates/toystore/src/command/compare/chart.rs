//! Groups of bars as SVG. Colours are classes of the page's style sheet, so that it is light or
//! dark as its reader has it; every bar also says in words what it is.
//!
//! Called by `page`.

use std::fmt::Write as _;

use checker::picture::escape;
use replication::Protocol;

/// Pixels of a bar's height.
const BAR: f64 = 12.0;

/// Pixels of a group's name.
const NAME: f64 = 24.0;

/// Pixels of a line of words.
const LINE: f64 = 15.0;

/// Pixels of a character.
const CHARACTER: f64 = 6.7;

/// Where things are drawn: a telephone has no room for words beside a bar.
struct Layout {
    /// The class by which the style sheet shows the one or the other.
    class: &'static str,
    /// Pixels from one bar to the next.
    row: f64,
    /// Pixels of the column with the names of protocols; without one, names and words stand above.
    left: f64,
    /// Pixels of the longest bar.
    longest: f64,
    /// Pixels of the words behind it.
    words: f64,
}

const WIDE: Layout = Layout { class: "wide", row: 17.0, left: 118.0, longest: 400.0, words: 240.0 };

const NARROW: Layout =
    Layout { class: "narrow", row: 34.0, left: 0.0, longest: 330.0, words: 10.0 };

/// One value.
pub struct Bar {
    /// Whose.
    pub protocol: Protocol,
    /// How long the bar is.
    pub value: f64,
    /// Where a line on top of it ends: the worst of several, or a percentile.
    pub worst: Option<f64>,
    /// What stands behind it.
    pub words: String,
    /// Whether it is marked as bad; its words say why.
    pub bad: bool,
}

/// Bars that are compared with each other.
pub struct Group {
    /// What they have in common.
    pub name: String,
    /// One for each protocol.
    pub bars: Vec<Bar>,
}

/// The drawing, for wide screens and for narrow ones; `label` says what it is to those who do not
/// see it.
pub fn draw(groups: &[Group], label: &str) -> String {
    [WIDE, NARROW].map(|layout| draw_as(&layout, groups, label)).concat()
}

fn draw_as(layout: &Layout, groups: &[Group], label: &str) -> String {
    let all = groups.iter().flat_map(|group| &group.bars);
    let longest = all.map(|bar| bar.value.max(bar.worst.unwrap_or(0.0))).fold(0.0, f64::max);
    let scale = if longest > 0.0 { layout.longest / longest } else { 0.0 };
    let (mut svg, mut y) = (String::new(), 0.0);
    for group in groups {
        let name = escape(&group.name);
        _ = writeln!(svg, "<text class=\"name\" x=\"0\" y=\"{:.1}\">{name}</text>", y + 16.0);
        y += NAME;
        let (left, end) = (layout.left, y + layout.row * group.bars.len() as f64);
        _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{left:.0}\" y1=\"{y:.1}\" x2=\"{left:.0}\" y2=\"{end:.1}\"/>"
        );
        for bar in &group.bars {
            draw_bar(&mut svg, layout, bar, y, scale);
            y += layout.row;
        }
        y += BAR / 2.0;
    }
    let (class, width) = (layout.class, layout.left + layout.longest + layout.words);
    format!(
        "<svg class=\"{class}\" xmlns=\"http://www.w3.org/2000/svg\" \
         viewBox=\"0 0 {width:.0} {y:.0}\" width=\"{width:.0}\" role=\"img\" \
         aria-label=\"{}\">\n{svg}</svg>\n",
        escape(label)
    )
}

fn draw_bar(svg: &mut String, layout: &Layout, bar: &Bar, y: f64, scale: f64) {
    let above = layout.left == 0.0;
    let (left, wide) = (layout.left, bar.value * scale);
    let top = if above { y + LINE } else { y };
    let (baseline, middle) = (y + 10.0, top + BAR / 2.0);
    let protocol = bar.protocol.name();
    let mut end = left + wide;
    _ = write!(
        svg,
        "<rect class=\"{protocol}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" \
         height=\"{BAR:.1}\" rx=\"2\"/>",
        wide.max(1.0),
    );
    if let Some(worst) = bar.worst.filter(|worst| *worst > bar.value) {
        let to = left + worst * scale;
        _ = write!(
            svg,
            "<line class=\"worst\" x1=\"{end:.1}\" y1=\"{middle:.1}\" x2=\"{to:.1}\" \
             y2=\"{middle:.1}\"/><line class=\"worst\" x1=\"{to:.1}\" y1=\"{:.1}\" x2=\"{to:.1}\" \
             y2=\"{:.1}\"/>",
            top + 2.0,
            top + BAR - 2.0,
        );
        end = to;
    }
    let (class, words) = (if bar.bad { "bad" } else { "value" }, escape(&bar.words));
    let start = if above { 4.0 } else { end + 6.0 };
    let room = layout.left + layout.longest + layout.words - start;
    let beside = if above { protocol.len() + 1 } else { 0 };
    let fit = fit(beside + bar.words.chars().count(), room);
    _ = match above {
        true => writeln!(
            svg,
            "<text x=\"{start:.1}\" y=\"{baseline:.1}\"{fit}>\
             <tspan class=\"dim\">{protocol}</tspan> \
             <tspan class=\"{class}\">{words}</tspan></text>"
        ),
        false => writeln!(
            svg,
            "<text class=\"dim\" text-anchor=\"end\" x=\"{:.1}\" y=\"{baseline:.1}\">{protocol}\
             </text><text class=\"{class}\" x=\"{start:.1}\" y=\"{baseline:.1}\"{fit}>{words}\
             </text>",
            left - 8.0,
        ),
    };
}

/// Words that are too long for their room are drawn closer, so that none is cut off.
fn fit(characters: usize, room: f64) -> String {
    match characters as f64 * CHARACTER > room {
        true => format!(" textLength=\"{room:.0}\" lengthAdjust=\"spacingAndGlyphs\""),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_as_long_as_it_may_be_and_says_its_value() {
        let bar = |value, worst| Bar {
            protocol: Protocol::Raft,
            value,
            worst,
            words: format!("{value} < {}", value + 1.0),
            bad: false,
        };
        let bars = vec![bar(1.0, None), bar(2.0, Some(4.0))];
        let svg = draw_as(&WIDE, &[Group { name: "a & b".to_string(), bars }], "what");
        assert!(svg.contains("width=\"100.0\"") && svg.contains("width=\"200.0\""), "{svg}");
        assert!(svg.contains("x2=\"518.0\""), "{svg}");
        assert!(svg.contains("1 &lt; 2") && svg.contains("a &amp; b"), "{svg}");
    }
}
