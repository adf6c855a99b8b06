//! The style sheet of drawings and of the pages that they stand on: light and dark, on a screen and
//! on paper.
//!
//! Tones are those of Okabe and Ito, *Color Universal Design* (2008), which people tell apart who
//! do not see all colours; darker on white, so that thin lines are seen.

/// Of a page: words and tables.
pub const PAGE: &str = "\
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1e21; --dim: #5f6469; --line: #d9dce0;
  --good: #2f7d4b; --bad: #c42323; --soft: #f4f5f7; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15171a; --ink: #e8eaed; --dim: #9aa0a6; --line: #34383d; --good: #6fcb90;
    --bad: #ff6b63; --soft: #1e2125; } }
body { margin: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; max-width: 62rem; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .2rem; padding-top: .6rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; max-width: 62rem; margin: 2rem 0 .2rem; }
p, ul, ol, dl { max-width: 62rem; margin: .4rem 0; }
.dim { color: var(--dim); }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: bold; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .2rem .7rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
code { font-size: .9em; overflow-wrap: anywhere; }
";

/// Of a drawing.
pub const DRAWING: &str = "\
svg { display: block; max-width: 100%; height: auto;
  font: 11px ui-monospace, 'DejaVu Sans Mono', monospace;
  --t0: #0060a8; --t1: #b84a00; --t2: #00775a; --t3: #a8387c; --t4: #8a6d00; --t5: #3b82b5;
  --t6: #5f6469; --t7: #7a3b10; }
@media (prefers-color-scheme: dark) {
  svg { --t0: #62b1f0; --t1: #ff9a4d; --t2: #35c9a0; --t3: #ee8cc2; --t4: #e6cc4d; --t5: #9ad4ff;
    --t6: #a9aeb4; --t7: #d9a27c; } }
svg text { fill: var(--ink); }
svg .dim { fill: var(--dim); }
svg text.name { font-weight: bold; }
svg .bad { fill: var(--bad); font-weight: bold; }
.axis { stroke: var(--line); }
.worst { stroke: var(--ink); stroke-width: 1.2; fill: none; }
.line { fill: none; stroke: var(--tone); stroke-width: 1.8; }
.spread { fill: none; stroke: var(--tone); stroke-width: 1.1; }
.mark { fill: var(--tone); stroke: var(--paper); stroke-width: .6; }
rect { fill: var(--tone); }
.stay { fill-opacity: .25; stroke: var(--tone); }
.t0 { --tone: var(--t0); } .t1 { --tone: var(--t1); } .t2 { --tone: var(--t2); }
.t3 { --tone: var(--t3); } .t4 { --tone: var(--t4); } .t5 { --tone: var(--t5); }
.t6 { --tone: var(--t6); } .t7 { --tone: var(--t7); }
.line.t1 { stroke-dasharray: 7 3; } .line.t2 { stroke-dasharray: 2 3; }
.line.t3 { stroke-dasharray: 9 3 2 3; } .line.t4 { stroke-dasharray: 4 2; }
.line.t5 { stroke-dasharray: 12 4; } .line.t6 { stroke-dasharray: 3 3; }
.line.t7 { stroke-dasharray: 6 2 2 2 2 2; }
svg.narrow { display: none; }
@media screen and (max-width: 50rem) { svg.wide { display: none; } svg.narrow { display: block; } }
";

/// Of the ways of replication.
pub const PROTOCOLS: &str = "\
:root { --naive: #a9aeb4; --primary-backup: #6b9be8; --raft: #4fa86b; --paxos: #e07b00; }
@media (prefers-color-scheme: dark) {
  :root { --naive: #6b7075; --primary-backup: #5b8bd6; --raft: #4aa56a; --paxos: #ffa640; } }
.naive { --tone: var(--naive); }
.primary-backup { --tone: var(--primary-backup); }
.raft { --tone: var(--raft); }
.paxos { --tone: var(--paxos); }
";

/// On paper: nothing is folded, nothing is torn, and there is no night.
pub const PRINT: &str = "\
@media print {
  :root { --paper: #fff; --ink: #000; --dim: #444; --line: #bbb; --good: #1d5c34; --bad: #a11515;
    --soft: #fff; }
  svg { --t0: #0060a8; --t1: #b84a00; --t2: #00775a; --t3: #a8387c; --t4: #8a6d00; --t5: #3b82b5;
    --t6: #5f6469; --t7: #7a3b10; }
  body { margin: 0; font-size: 11px; }
  section, svg, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .scroll { overflow: visible; }
  th, td { white-space: normal; padding: .1rem .35rem; }
}
";

/// The drawing for wide screens, as a file of its own.
pub fn alone(drawings: &str) -> String {
    let wide = drawings.find("<svg class=\"narrow\"").map_or(drawings, |end| &drawings[..end]);
    let colours = PAGE.split("body {").next().unwrap_or_default();
    let own = "svg { background: var(--paper); }\nsvg.wide { display: block; }\n";
    let style = format!("<style>\n{colours}{DRAWING}{PROTOCOLS}{own}</style>");
    match wide.split_once(">\n") {
        Some((head, body)) => format!("{head}>\n{style}\n{body}"),
        None => wide.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_alone_has_its_colours_and_is_the_wide_one() {
        let both = "<svg class=\"wide\" width=\"1\">\nA</svg>\n<svg class=\"narrow\">\nB</svg>\n";
        let file = alone(both);
        assert!(file.starts_with("<svg class=\"wide\" width=\"1\">\n<style>"), "{file}");
        assert!(file.contains("--t0") && file.ends_with("A</svg>\n"), "{file}");
        assert!(!file.contains('B') || !file.contains("narrow\">"), "{file}");
    }
}
