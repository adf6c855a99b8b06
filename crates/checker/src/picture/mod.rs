//! The picture of a verdict: one page that needs nothing else, no script of others and no network.
//!
//! Lanes for clients, a bar for each operation with what it was told, the moments at which the
//! operations of the longest order take effect, joined by a line, and the operation that cannot be
//! placed, marked. Faults and changes of the leader are bands. Only what the counterexample speaks
//! of is shown, and twenty operations around it. Users of Porcupine asked for these things
//! (anishathalye/porcupine, issues 4 and 14).
//!
//! Called by `toystore check --picture`. [`scene`] chooses and places, [`draw`] draws.

mod draw;
mod scene;

use crate::history::{Asked, Cache, History, Outcome, Reason};
use crate::judge::Judged;
use crate::report;
use crate::verdict::Verdict;

/// The whole page.
pub fn page(history: &History, judged: &Judged) -> String {
    let scene = scene::scene(history, judged);
    let drawing = draw::draw(history, &scene);
    let mut rows = String::new();
    for judgement in judged.judgements.iter().filter(|judgement| report::is_shown(judgement)) {
        let class = match judgement.verdict {
            Verdict::Held => "held",
            Verdict::Broke => "broke",
            Verdict::NotDecided => "open",
            Verdict::NotJudged => "dim",
        };
        rows.push_str(&format!(
            "<tr class=\"{class}\"><td>{}</td><th>{}</th><td>{}</td></tr>\n",
            report::mark(judgement.verdict),
            judgement.guarantee,
            escape(&report::words(&history.head, judgement)),
        ));
    }
    let shortest = judged.shortest();
    let sentence = match shortest {
        Some((_, found)) => format!("<p class=\"sentence\">{}</p>", escape(&found.sentence)),
        None => String::new(),
    };
    let about = match (&scene.toy, shortest) {
        (Some(toy), Some(_)) => format!("What was asked about {toy}, around the violation."),
        (Some(toy), None) => format!("A part of what was asked about {toy}."),
        (None, _) => "All operations around those that the sentence speaks of.".to_string(),
    };
    let repeat = history.head.repeat.as_ref();
    let repeat = repeat.map_or_else(String::new, |command| {
        format!("<p class=\"dim\">To see it again: <code>{}</code></p>", escape(command))
    });
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{conclusion}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>{conclusion}</h1>\n<p class=\"dim\">{summary}</p>\n{sentence}\n\
         <p>{about} Time runs to the right; order is exact, lengths are not.</p>\n\
         <div class=\"picture\"><div class=\"lanes\">{lanes}</div><div class=\"scroll\" \
         id=\"scroll\">{body}</div></div>\n{LEGEND}\n<table>\n{rows}</table>\n{repeat}\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n",
        conclusion = escape(&report::conclusion(judged)),
        summary = escape(&report::summary(history)),
        about = escape(&about),
        lanes = drawing.lanes,
        body = drawing.body,
    )
}

/// What stands in a bar.
fn label(history: &History, operation: usize) -> String {
    let operation = &history.operations[operation];
    let version = |version: Option<u64>| version.map_or_else(String::new, |v| format!(" v{v}"));
    let refused = |reason: Reason| match reason {
        Reason::Insufficient => "too few",
        Reason::NoSuchToy => "no such toy",
        Reason::NoSuchOrder => "not found",
        Reason::Resolved => "resolved",
        Reason::Other => "refused",
    };
    let asked = match operation.asked {
        Asked::Read { .. } => "read".to_string(),
        Asked::Buy { quantity, .. } => format!("buy {quantity}"),
        Asked::Order { number } => format!("order {number}"),
        Asked::Fate { resolve: false, .. } => "fate".to_string(),
        Asked::Fate { resolve: true, .. } => "resolve".to_string(),
    };
    let told = match operation.outcome {
        Outcome::Product { quantity, version: seen, cache } => {
            let hit = if cache == Some(Cache::Hit) { " hit" } else { "" };
            format!("{quantity}{}{hit}", version(seen))
        }
        Outcome::Bought(bought) | Outcome::FateRecorded(bought) => {
            format!("#{}{}", bought.order, version(bought.version))
        }
        Outcome::Found { toy, quantity, .. } => format!("{} x{quantity}", history.name(toy)),
        Outcome::Refused(why) | Outcome::FateRefused(why) => {
            format!("{}{}", refused(why.reason), version(why.version))
        }
        Outcome::FateNever => "never".to_string(),
        Outcome::FateOpen => "open".to_string(),
        Outcome::Unknown => "?".to_string(),
        Outcome::Unavailable => "nobody".to_string(),
    };
    format!("{asked} → {told}")
}

/// Text in a page.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

const LEGEND: &str = "<p class=\"legend dim\"><span class=\"chip read\">read</span> \
<span class=\"chip buy\">purchase</span> <span class=\"chip refused\">refused</span> \
<span class=\"chip unknown\">no answer</span> \
<span class=\"chip witness\">named in the sentence</span> \
<span class=\"chip misfit\">✗ cannot be placed</span> · \
the line joins the moments at which the operations of the longest order take effect; above it, how \
many are left · bands are faults, changes of the leader, restocks · point at a bar for all that is \
known of it</p>";

/// Brings what cannot be placed into sight.
const SCRIPT: &str = "const m=document.getElementById('misfit'),\
s=document.getElementById('scroll');\
if(m)s.scrollLeft=m.getBBox().x+m.getBBox().width/2-s.clientWidth/2;";

const STYLE: &str = "\
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1e21; --dim: #6b7075; --line: #e3e5e8;
  --read: #dbeafe; --read-line: #6b9be8; --buy: #d5f2dd; --buy-line: #4fa86b; --refused: #eceef0;
  --refused-line: #a9aeb4; --unknown: #fff6dc; --unknown-line: #c79a26; --bad: #d92c2c;
  --bad-fill: #fde0de; --witness: #e07b00; --order: #5b3fc4; --fault: rgb(217 44 44 / 10%);
  --fault-ink: #a81f1f; --event: rgb(91 63 196 / 45%); --event-ink: #5b3fc4; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15171a; --ink: #e8eaed; --dim: #9aa0a6; --line: #2b2f34; --read: #1d3355;
    --read-line: #5b8bd6; --buy: #16402a; --buy-line: #4aa56a; --refused: #2b2f34;
    --refused-line: #6b7075; --unknown: #3d3312; --unknown-line: #c79a26; --bad: #ff6b63;
    --bad-fill: #4a1a1a; --witness: #ffa640; --order: #b19cff; --fault: rgb(255 107 99 / 14%);
    --fault-ink: #ff9d97; --event: rgb(177 156 255 / 50%); --event-ink: #b19cff; } }
body { margin: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0 0 .3rem; }
p { max-width: 62rem; margin: .4rem 0; }
.dim { color: var(--dim); }
.sentence { font-size: 1.05rem; border-left: 4px solid var(--bad); padding: .2rem 0 .2rem .8rem; }
.picture { display: flex; border: 1px solid var(--line); border-radius: 6px; margin: .8rem 0; }
.lanes { flex: none; border-right: 1px solid var(--line); }
.scroll { overflow-x: auto; flex: auto; }
svg { display: block; font: 11px ui-monospace, 'DejaVu Sans Mono', monospace; }
svg text { fill: var(--ink); }
svg text.dim, .axis text { fill: var(--dim); }
.axis line, .lane { stroke: var(--line); }
.cut line { stroke: var(--dim); stroke-width: 2; stroke-dasharray: 2 5; }
.bar rect { stroke-width: 1; }
.read rect, .chip.read { fill: var(--read); background: var(--read); stroke: var(--read-line); }
.buy rect, .chip.buy { fill: var(--buy); background: var(--buy); stroke: var(--buy-line); }
.refused rect, .chip.refused { fill: var(--refused); background: var(--refused);
  stroke: var(--refused-line); }
.unknown rect, .chip.unknown { fill: var(--unknown); background: var(--unknown);
  stroke: var(--unknown-line); stroke-dasharray: 4 3; }
.witness rect { stroke: var(--witness); stroke-width: 2.5; }
.misfit rect { fill: var(--bad-fill); stroke: var(--bad); stroke-width: 3; stroke-dasharray: none; }
.misfit text { fill: var(--bad); font-weight: bold; }
.chip { padding: 0 .4rem; border-radius: 3px; color: var(--ink); }
.chip.witness { outline: 2px solid var(--witness); }
.chip.misfit { outline: 2px solid var(--bad); background: var(--bad-fill); color: var(--bad); }
.order { fill: none; stroke: var(--order); stroke-width: 1.2; opacity: .55; }
.point line { stroke: var(--order); stroke-width: 2.5; }
.state line { stroke: var(--order); stroke-width: .6; stroke-dasharray: 1 3; }
.state text { fill: var(--order); font-weight: bold; }
.fault rect { fill: var(--fault); }
.fault text { fill: var(--fault-ink); }
.event rect { fill: var(--event); }
.event text { fill: var(--event-ink); }
table { border-collapse: collapse; margin: 1rem 0; }
th { text-align: left; font-weight: 600; }
td, th { padding: .15rem .7rem .15rem 0; vertical-align: top; }
tr.held td:first-child { color: var(--buy-line); }
tr.broke td:first-child, tr.broke th { color: var(--bad); }
tr.open td:first-child { color: var(--unknown-line); }
tr.dim { color: var(--dim); }
code { font-size: .9em; }
";
