//! The verdict as text and as JSON.
//!
//! Text: a line for each guarantee, then the shortest counterexample in words. Nothing is said by
//! colour: each line has a mark. Called by `toystore check`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::history::{Head, History};
use crate::judge::Judged;
use crate::stock::Proof;
use crate::verdict::{Counterexample, Guarantee, Judgement, Verdict, many, thousands};
use crate::words;

/// The mark of a verdict.
pub fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Held => "✓",
        Verdict::Broke => "✗",
        Verdict::NotDecided => "?",
        Verdict::NotJudged => "–",
    }
}

/// Which mode of a store does not promise a guarantee. It is judged all the same.
fn not_promised_by(head: &Head, guarantee: Guarantee) -> Option<&str> {
    let invalidation = head.invalidation.as_str();
    let weak_cache = ["push", "none"].contains(&invalidation) || invalidation.starts_with("ttl=");
    let naive = (head.replication == "naive").then_some(head.replication.as_str());
    match guarantee {
        Guarantee::Stock | Guarantee::ReadYourWrites | Guarantee::MonotonicReads => {
            weak_cache.then_some(invalidation).or(naive)
        }
        Guarantee::Staleness => None,
        Guarantee::Orders
        | Guarantee::Once
        | Guarantee::Kept
        | Guarantee::Replicas
        | Guarantee::Gapless
        | Guarantee::Conserved
        | Guarantee::Oversold
        | Guarantee::LeaderReads
        | Guarantee::LocalReads => naive,
    }
}

/// Whether it has a line. What nobody asked for has none.
pub fn is_shown(judgement: &Judgement) -> bool {
    let weak = matches!(judgement.guarantee, Guarantee::LeaderReads | Guarantee::LocalReads);
    !weak || judgement.verdict != Verdict::NotJudged
}

/// What a guarantee's line says behind its name.
pub fn words(head: &Head, judgement: &Judgement) -> String {
    let words = &judgement.words;
    match judgement.verdict {
        Verdict::Held => words.clone(),
        Verdict::Broke => match not_promised_by(head, judgement.guarantee) {
            Some(mode) => format!("{words}; {mode} does not promise this"),
            None => words.clone(),
        },
        Verdict::NotDecided | Verdict::NotJudged => format!("{}: {words}", judgement.verdict),
    }
}

/// What the history is, in a line.
pub fn summary(history: &History) -> String {
    let clients: BTreeSet<u32> = history.operations.iter().map(|one| one.client).collect();
    let head = &history.head;
    let keys = if head.keys { "with" } else { "without" };
    format!(
        "{} of {} on {} in {}; {}, {}, {keys} request ids",
        many(history.operations.len() as u64, "operation"),
        many(clients.len() as u64, "client"),
        many(history.catalogue.len() as u64, "toy"),
        words::length(history.end()),
        head.invalidation,
        head.replication,
    )
}

/// The last line: what became of all of it.
pub fn conclusion(judged: &Judged) -> String {
    let verdict = judged.verdict();
    let names: Vec<String> = judged
        .judgements
        .iter()
        .filter(|judgement| judgement.verdict == verdict)
        .map(|judgement| judgement.guarantee.to_string())
        .collect();
    match verdict {
        Verdict::Held => format!("held: all {} that could be judged", many_guarantees(&names)),
        Verdict::Broke => format!("broke: {}", names.join(", ")),
        Verdict::NotDecided => format!("not decided: {}", names.join(", ")),
        Verdict::NotJudged => "not judged: the history says nothing".to_string(),
    }
}

fn many_guarantees(names: &[String]) -> String {
    many(names.len() as u64, "guarantee")
}

/// The smallest part of a toy's operations that no order fits, by the lines of the file.
fn window(history: &History, judged: &Judged, found: &Counterexample) -> Option<Vec<u32>> {
    let mut proofs = judged.objects.iter().zip(&judged.proofs);
    let (object, proof) = proofs.find(|(object, _)| Some(object.toy) == found.toy)?;
    let Proof::Broke { window, .. } = proof else { return None };
    let operations = window.moves.iter().map(|place| object.moves[*place].operation);
    Some(operations.map(|operation| history.operations[operation].line).collect())
}

/// The verdict as text.
pub fn text(history: &History, judged: &Judged) -> String {
    let mut text = format!("history    {}\n\nverdict\n", summary(history));
    for judgement in judged.judgements.iter().filter(|judgement| is_shown(judgement)) {
        let line = format!(
            "{} {:<17} {}\n",
            mark(judgement.verdict),
            judgement.guarantee,
            words(&history.head, judgement)
        );
        text.push_str(&line);
    }
    if let Some((judgement, found)) = judged.shortest() {
        write!(text, "\n{}\n  {}\n", judgement.guarantee, found.sentence)
            .expect("a string takes everything");
        if judgement.guarantee == Guarantee::Stock
            && let Some(lines) = window(history, judged, found)
        {
            let shown: Vec<String> = lines.iter().map(u32::to_string).collect();
            let words = match shown.len() {
                0..=12 => format!("no order fits lines {} whatever went before", shown.join(", ")),
                count => format!(
                    "no order fits the {} operations from line {} to line {}, whatever went before",
                    thousands(count as u64),
                    shown[0],
                    shown[count - 1],
                ),
            };
            writeln!(text, "  {words}").expect("a string takes everything");
        }
        if let Some(repeat) = &history.head.repeat {
            writeln!(text, "  to see it again: {repeat}").expect("a string takes everything");
        }
    }
    text.push('\n');
    text.push_str(&conclusion(judged));
    text.push('\n');
    text
}

/// The verdict as JSON.
pub fn json(history: &History, judged: &Judged) -> Value {
    let found = |found: &Counterexample| {
        let lines = found.operations.iter().map(|place| history.operations[*place].line);
        json!({
            "sentence": found.sentence,
            "lines": lines.collect::<Vec<_>>(),
            "toy": found.toy.map(|toy| history.name(toy)),
        })
    };
    let guarantees = judged.judgements.iter().map(|judgement| {
        json!({
            "guarantee": judgement.guarantee,
            "verdict": judgement.verdict,
            "promised": not_promised_by(&history.head, judgement.guarantee).is_none(),
            "words": judgement.words,
            "violations": judgement.count,
            "counterexamples": judgement.found.iter().map(found).collect::<Vec<_>>(),
        })
    });
    let shortest = judged.shortest().map(|(judgement, example)| {
        let mut example_json = found(example);
        example_json["guarantee"] = json!(judgement.guarantee);
        example_json["window"] = json!(window(history, judged, example));
        example_json
    });
    json!({
        "verdict": judged.verdict(),
        "operations": history.operations.len(),
        "guarantees": guarantees.collect::<Vec<_>>(),
        "staleness": judged.staleness,
        "counterexample": shortest,
        "repeat": history.head.repeat,
    })
}
