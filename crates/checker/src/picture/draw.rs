//! Draws a scene as SVG. Colours are classes of the page's style sheet, so that it is light or dark
//! as its reader has it. Called by [`super`].

use std::fmt::Write as _;

use crate::history::{Asked, History, Outcome};
use crate::model::State;
use crate::words;

use super::escape;
use super::scene::{Band, Bar, Point, Role, Scene};

/// Pixels from one row to the next.
const ROW: f64 = 34.0;
/// Pixels of a bar's height.
const BAR: f64 = 20.0;
/// Pixels of a line of band names.
const BAND: f64 = 15.0;
/// Pixels of the lane with the states.
const STATES: f64 = 30.0;
/// Pixels of the axis.
const AXIS: f64 = 26.0;
/// Pixels between two times on the axis.
const APART: f64 = 84.0;
/// Pixels between two quantities above the order.
const STATE_APART: f64 = 20.0;
/// Pixels of a letter of a band's name.
const LETTER: f64 = 6.2;

/// The drawing, and the names of its lanes as a drawing of the same height.
pub(super) struct Drawing {
    pub lanes: String,
    pub body: String,
}

struct Painter<'a> {
    history: &'a History,
    scene: &'a Scene,
    /// Where the first row begins.
    top: f64,
    height: f64,
    svg: String,
}

pub(super) fn draw(history: &History, scene: &Scene) -> Drawing {
    let lines = band_lines(&scene.bands);
    let band_rows = lines.iter().max().map_or(0, |line| line + 1) as f64;
    let top = AXIS + band_rows * BAND + if scene.points.is_empty() { 8.0 } else { STATES };
    let height = top + scene.rows.len() as f64 * ROW + 8.0;
    let mut painter = Painter { history, scene, top, height, svg: String::new() };
    painter.bands(&lines);
    painter.axis();
    painter.rows();
    for bar in &scene.bars {
        painter.bar(bar);
    }
    painter.points();
    let body = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{height:.0}\" \
         role=\"img\" aria-label=\"operations of clients over time\">\n{}</svg>\n",
        scene.width, painter.svg,
    );
    Drawing { lanes: painter.lanes(), body }
}

/// Which line each band's name stands in, so that none covers another.
fn band_lines(bands: &[Band]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..bands.len()).collect();
    order.sort_by(|a, b| bands[*a].from.total_cmp(&bands[*b].from));
    let (mut ends, mut lines) = (Vec::<f64>::new(), vec![0; bands.len()]);
    for place in order {
        let band = &bands[place];
        let end = band.from + band.words.chars().count() as f64 * LETTER + 10.0;
        let line = ends.iter().position(|end| *end <= band.from).unwrap_or(ends.len());
        if line == ends.len() {
            ends.push(end);
        } else {
            ends[line] = end;
        }
        lines[place] = line;
    }
    lines
}

impl Painter<'_> {
    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        self.svg.write_fmt(element).expect("a string takes everything");
        self.svg.push('\n');
    }

    fn middle(&self, row: usize) -> f64 {
        self.top + row as f64 * ROW + ROW / 2.0
    }

    fn bands(&mut self, lines: &[usize]) {
        for (band, line) in self.scene.bands.iter().zip(lines) {
            let class = if band.is_fault { "fault" } else { "event" };
            let (y, wide) = (AXIS + *line as f64 * BAND, (band.to - band.from).max(2.0));
            let height = self.height - y;
            self.add(format_args!(
                "<g class=\"{class}\"><rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" \
                 height=\"{height:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
                band.from,
                band.from + 5.0,
                y + 11.0,
                escape(&band.words),
            ));
        }
    }

    fn axis(&mut self) {
        let mut last = f64::MIN;
        for (x, time) in self.scene.axis.clone() {
            if x - last < APART {
                continue;
            }
            last = x;
            let (bottom, label) = (self.height, words::seconds(time));
            self.add(format_args!(
                "<g class=\"axis\"><line x1=\"{x:.1}\" y1=\"18\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\
                 <text x=\"{x:.1}\" y=\"13\">{label}</text></g>"
            ));
        }
        for (x, count) in self.scene.cuts.clone() {
            let bottom = self.height;
            self.add(format_args!(
                "<g class=\"cut\"><line x1=\"{x:.1}\" y1=\"18\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\
                 <title>{count} operations are left out here</title></g>"
            ));
        }
    }

    fn rows(&mut self) {
        for row in 0..self.scene.rows.len() {
            if self.scene.rows[row].is_empty() {
                continue;
            }
            let (y, wide) = (self.top + row as f64 * ROW, self.scene.width);
            self.add(format_args!(
                "<line class=\"lane\" x1=\"0\" y1=\"{y:.1}\" x2=\"{wide:.1}\" y2=\"{y:.1}\"/>"
            ));
        }
    }

    fn bar(&mut self, bar: &Bar) {
        let operation = &self.history.operations[bar.operation];
        let kind = match (operation.asked, operation.outcome) {
            (_, Outcome::Unknown) => "unknown",
            (_, Outcome::Refused(_) | Outcome::Unavailable) => "refused",
            (Asked::Buy { .. }, _) => "buy",
            (Asked::Read { .. } | Asked::Order { .. } | Asked::Fate { .. }, _) => "read",
        };
        let (role, id) = match bar.role {
            Role::Misfit => (" misfit", " id=\"misfit\""),
            Role::Witness => (" witness", ""),
            Role::Bystander => ("", ""),
        };
        let (middle, wide) = (self.middle(bar.row), bar.to - bar.from);
        let y = middle - BAR / 2.0;
        self.add(format_args!(
            "<g class=\"bar {kind}{role}\"{id}><title>{}</title><rect x=\"{:.1}\" y=\"{y:.1}\" \
             width=\"{wide:.1}\" height=\"{BAR}\" rx=\"3\"/><text x=\"{:.1}\" y=\"{:.1}\">{}\
             </text></g>",
            escape(&self.hover(bar)),
            bar.from,
            bar.from + 6.0,
            middle + 4.0,
            escape(&bar.label),
        ));
    }

    /// What is said of an operation when it is pointed at.
    fn hover(&self, bar: &Bar) -> String {
        let operation = &self.history.operations[bar.operation];
        let node = operation
            .node
            .map_or_else(String::new, |node| format!("\nanswered by {}", self.history.name(node)));
        let mut cache = String::new();
        if let Outcome::Product { cache: Some(how), .. } = operation.outcome {
            cache = format!(", cache {how:?}");
        }
        format!(
            "{} {}\nfrom {} to {} ({})\nline {}, session {}{node}{}",
            words::who(self.history, bar.operation),
            words::told(self.history, bar.operation),
            words::seconds(operation.invoked),
            words::seconds(operation.returned),
            words::length(operation.returned - operation.invoked),
            operation.line,
            self.history.name(operation.session),
            cache.to_lowercase(),
        )
    }

    /// The moments of the order, joined; above them what was left.
    fn points(&mut self) {
        let points: Vec<Point> = self.scene.points.clone();
        let path: Vec<String> = points
            .iter()
            .map(|point| format!("{:.1},{:.1}", point.x, self.middle(point.row)))
            .collect();
        self.add(format_args!("<polyline class=\"order\" points=\"{}\"/>", path.join(" ")));
        let y = self.top - 10.0;
        let mut last = f64::MIN;
        for (place, point) in points.iter().enumerate() {
            let (x, middle) = (point.x, self.middle(point.row));
            let State { quantity, version } = point.state;
            self.add(format_args!(
                "<g class=\"point\"><line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>\
                 <title>{quantity} left, version {version}</title></g>",
                middle - BAR / 2.0 - 3.0,
                middle + BAR / 2.0 + 3.0,
            ));
            if (point.changes || place == 0) && x - last > STATE_APART {
                last = x;
                self.add(format_args!(
                    "<g class=\"state\"><line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" \
                     y2=\"{:.1}\"/><text x=\"{:.1}\" y=\"{y:.1}\">{quantity}</text></g>",
                    y + 2.0,
                    middle - BAR / 2.0 - 3.0,
                    x - 3.0,
                ));
            }
        }
    }

    /// Whose lane each is.
    fn lanes(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"92\" height=\"{:.0}\">\n",
            self.height
        );
        for (row, name) in self.scene.rows.iter().enumerate() {
            let y = self.middle(row) + 4.0;
            svg.push_str(&format!("<text x=\"4\" y=\"{y:.1}\">{}</text>\n", escape(name)));
        }
        if !self.scene.points.is_empty() {
            let y = self.top - 10.0;
            svg.push_str(&format!("<text class=\"dim\" x=\"4\" y=\"{y:.1}\">left</text>\n"));
        }
        svg.push_str("</svg>\n");
        svg
    }
}
