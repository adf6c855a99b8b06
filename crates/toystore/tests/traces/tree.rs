//! A trace as a person reads it: a tree of spans, in one notation that tests compare.

use std::collections::{BTreeMap, BTreeSet};

use crate::collector::{CLIENT, Span};

/// Draws a trace below the span `above`, each span on a line of its own, siblings by their names.
/// Fails if a span has no parent in the trace, or one twice.
pub fn draw(spans: &[Span], above: &str) -> String {
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    assert_eq!(ids.len(), spans.len(), "an id is given twice");
    let mut below: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        let known = ids.contains(span.parent.as_str()) || span.parent == above;
        assert!(known, "nobody is the parent of {span:?}");
        below.entry(span.parent.as_str()).or_default().push(span);
    }
    let mut text = String::new();
    draw_below(&below, above, 0, &mut text);
    assert_eq!(text.lines().count(), spans.len(), "a circle: {spans:#?}");
    text
}

fn draw_below(below: &BTreeMap<&str, Vec<&Span>>, parent: &str, depth: usize, text: &mut String) {
    let mut children = below.get(parent).cloned().unwrap_or_default();
    children.sort_by_key(|span| (&span.name, &span.node, span.attributes.get("toystore.peer")));
    for span in children {
        let arrow = match (span.kind == CLIENT, span.attributes.get("toystore.peer")) {
            (true, Some(peer)) => format!(" → {peer}"),
            _ => String::new(),
        };
        text.push_str(&format!("{}{} {}{arrow}\n", "  ".repeat(depth), span.node, span.name));
        draw_below(below, &span.id, depth + 1, text);
    }
}

/// Fails unless every span lies within its parent, and none failed. An order is answered when a
/// majority has it: the last follower's copy may come later, and has begun before.
pub fn check_times(spans: &[Span]) {
    let by_id: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    for span in spans {
        assert!(span.start <= span.end && !span.failed, "{span:?}");
        let Some(parent) = by_id.get(span.parent.as_str()) else { continue };
        let ends = span.name == "replicate" || span.end <= parent.end;
        let within = parent.start <= span.start && ends;
        assert!(within, "{span:?} does not lie within {parent:?}");
    }
}

/// The one value that all spans which have an attribute agree on.
pub fn agreed(spans: &[Span], attribute: &str) -> String {
    let values: BTreeSet<&String> =
        spans.iter().filter_map(|span| span.attributes.get(attribute)).collect();
    assert_eq!(values.len(), 1, "{attribute}: {values:?} in\n{}", draw_any(spans));
    values.into_iter().next().unwrap().clone()
}

/// Whether a node was asked the same thing twice, as is done on a busy machine: a take that is not
/// visible yet, an order that is not decided yet.
pub fn asked_twice(spans: &[Span]) -> bool {
    let asked = |name: &str, role: &str| {
        let of_role = |span: &&Span| span.name == name && span.service == role;
        spans.iter().filter(of_role).filter(|span| span.kind != CLIENT).count() > 1
    };
    asked("POST /takes", "toystore-catalog") || asked("POST /orders", "toystore-order")
}

fn draw_any(spans: &[Span]) -> String {
    spans
        .iter()
        .map(|span| format!("{} {} {:?}\n", span.node, span.name, span.attributes))
        .collect()
}
