//! Groups of bars as SVG. Colours are classes of the page's style sheet, so that it is light or
//! dark as its reader has it; every bar also says in words what it is.
//!
//! Called by `page`.

use std::fmt::Write as _;

use checker::picture::escape;
use replication::Protocol;

/// Pixels from one bar to the next.
const ROW: f64 = 17.0;

/// Pixels of a bar's height.
const BAR: f64 = 12.0;

/// Pixels of a group's name.
const NAME: f64 = 24.0;

/// Pixels of the column with the names of protocols.
const LEFT: f64 = 118.0;

/// Pixels of the longest bar.
const LONGEST: f64 = 400.0;

/// Pixels of the words behind the longest bar.
const WORDS: f64 = 240.0;

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

/// The drawing; `label` says what it is to those who do not see it.
pub fn draw(groups: &[Group], label: &str) -> String {
    let all = groups.iter().flat_map(|group| &group.bars);
    let longest = all.map(|bar| bar.value.max(bar.worst.unwrap_or(0.0))).fold(0.0, f64::max);
    let scale = if longest > 0.0 { LONGEST / longest } else { 0.0 };
    let (mut svg, mut y) = (String::new(), 0.0);
    for group in groups {
        let name = escape(&group.name);
        _ = writeln!(svg, "<text class=\"name\" x=\"0\" y=\"{:.1}\">{name}</text>", y + 16.0);
        y += NAME;
        for bar in &group.bars {
            draw_bar(&mut svg, bar, y, scale);
            y += ROW;
        }
        y += ROW / 2.0;
    }
    let width = LEFT + LONGEST + WORDS;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {y:.0}\" \
         width=\"{width:.0}\" role=\"img\" aria-label=\"{}\">\n\
         <line class=\"axis\" x1=\"{LEFT:.0}\" y1=\"0\" x2=\"{LEFT:.0}\" y2=\"{y:.0}\"/>\n\
         {svg}</svg>\n",
        escape(label)
    )
}

fn draw_bar(svg: &mut String, bar: &Bar, y: f64, scale: f64) {
    let (wide, middle) = (bar.value * scale, y + BAR / 2.0);
    let class = bar.protocol.name();
    let mut end = LEFT + wide;
    _ = write!(
        svg,
        "<text class=\"dim\" text-anchor=\"end\" x=\"{:.1}\" y=\"{:.1}\">{class}</text>\
         <rect class=\"{class}\" x=\"{LEFT:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR:.1}\" \
         rx=\"2\"/>",
        LEFT - 8.0,
        y + 10.0,
        wide.max(1.0),
    );
    if let Some(worst) = bar.worst.filter(|worst| *worst > bar.value) {
        let to = LEFT + worst * scale;
        _ = write!(
            svg,
            "<line class=\"worst\" x1=\"{end:.1}\" y1=\"{middle:.1}\" x2=\"{to:.1}\" \
             y2=\"{middle:.1}\"/><line class=\"worst\" x1=\"{to:.1}\" y1=\"{:.1}\" x2=\"{to:.1}\" \
             y2=\"{:.1}\"/>",
            y + 2.0,
            y + BAR - 2.0,
        );
        end = to;
    }
    let (class, words) = (if bar.bad { "bad" } else { "value" }, escape(&bar.words));
    let (x, y) = (end + 6.0, y + 10.0);
    _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>");
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
        let svg = draw(&[Group { name: "a & b".to_string(), bars }], "what");
        assert!(svg.contains("width=\"100.0\"") && svg.contains("width=\"200.0\""), "{svg}");
        assert!(svg.contains("x2=\"518.0\""), "{svg}");
        assert!(svg.contains("1 &lt; 2") && svg.contains("a &amp; b"), "{svg}");
    }
}
