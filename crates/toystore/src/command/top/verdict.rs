//! What the store's page says of its round, in two lines: the verdict on what its shoppers were
//! told, and what they met. Pure but for [`Page::ask`]; drawn by `draw`.

use std::time::Duration;

use ratatui::style::Stylize;
use ratatui::text::{Line, Span};
use serde_json::Value;

use crate::command::dashboard::ROUNDS_PATH;
use crate::http::connection::{Ask, Connection, Url};

/// A page that takes longer is not waited for: the next look asks again.
const DEADLINE: Duration = Duration::from_millis(200);

/// A page that is asked again and again.
#[derive(Debug, Default)]
pub struct Page {
    connection: Option<Connection>,
}

impl Page {
    /// What it says; `None` if there is no page, or it says nothing.
    pub async fn ask(&mut self, dashboard: Option<&str>) -> Option<Value> {
        let url: Url = dashboard?.split("/#").next()?.parse().ok()?;
        let known = self.connection.take().filter(|connection| *connection.url() == url);
        let mut connection = known.unwrap_or_else(|| Connection::new(url));
        let said = connection.ask(&Ask::get(ROUNDS_PATH), DEADLINE).await.ok()?;
        self.connection = Some(connection);
        let said: Value = serde_json::from_slice(&said.body).ok()?;
        Some(said["data"].clone())
    }
}

/// Verdict and load.
pub fn lines(rounds: &Value) -> Vec<Line<'static>> {
    vec![judged(rounds), load(rounds)]
}

/// Of the open round, or of the one that ended last while there is nothing to say of that.
fn judged(rounds: &Value) -> Line<'static> {
    let open = &rounds["open"];
    let is_open = open["operations"].as_u64().is_some_and(|operations| operations > 0);
    let round = if is_open { open } else { &rounds["ended"] };
    let verdict = &round["verdict"];
    if verdict.is_null() {
        return Line::from("nothing is judged yet: buy on the page, or send shoppers from there");
    }
    let of = |wanted: &str| -> Vec<&str> {
        let all = verdict["guarantees"].as_array().into_iter().flatten();
        let such = all.filter(|one| one["verdict"] == wanted);
        such.filter_map(|one| one["guarantee"].as_str()).collect()
    };
    let (broke, held) = (of("broke"), of("held").len());
    let open: Vec<&str> = of("not-decided").into_iter().chain(of("not-judged")).collect();
    let undecided = match open.is_empty() {
        true => String::new(),
        false => format!(", undecided: {}", open.join(", ")),
    };
    let when = if is_open { "so far" } else { "ended" };
    let of_what = format!(
        "  round {} {when}, {} operations",
        round["round"].as_u64().unwrap_or_default(),
        round["operations"].as_u64().unwrap_or_default(),
    );
    let words = match broke.is_empty() {
        true if held == 0 => Span::raw(format!("– nothing held yet{undecided}")),
        true => Span::raw(format!("✓ held: {held}{undecided}")).green(),
        false => Span::raw(format!("✗ broke: {}; held: {held}{undecided}", broke.join(", "))).red(),
    };
    Line::from(vec![words.bold(), Span::raw(of_what)])
}

fn load(rounds: &Value) -> Line<'static> {
    let (wanted, met) = (&rounds["load"], &rounds["met"]);
    let Some(shoppers) = wanted["shoppers"].as_u64() else {
        return Line::from("no shoppers from the page");
    };
    let millis = |of: &str| match met[of].as_u64() {
        Some(micros) => format!("{:.1} ms", micros as f64 / 1e3),
        None => "–".to_string(),
    };
    let answered = met["answered"].as_f64();
    Line::from(format!(
        "{shoppers} shoppers, p {}: {:.0} requests/s, p50 {}, p99 {}, {}",
        wanted["probability"].as_str().unwrap_or("–"),
        met["per_second"].as_f64().unwrap_or_default(),
        millis("p50_us"),
        millis("p99_us"),
        match answered {
            Some(share) => format!("{:.1} % answered", 100.0 * share),
            None => "none answered yet".to_string(),
        },
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn round(number: u64, operations: u64, verdicts: &[(&str, &str)]) -> Value {
        let one = |of: &(&str, &str)| json!({"guarantee": of.0, "verdict": of.1});
        let guarantees: Vec<Value> = verdicts.iter().map(one).collect();
        json!({"round": number, "operations": operations, "verdict": {"guarantees": guarantees}})
    }

    fn words(line: &Line<'_>) -> String {
        line.spans.iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn what_broke_comes_first_and_nothing_undecided_counts_as_held() {
        let broke = round(3, 120, &[("stock", "broke"), ("once", "held"), ("kept", "not-judged")]);
        let said = words(&judged(&json!({"open": broke})));
        assert_eq!(
            said,
            "✗ broke: stock; held: 1, undecided: kept  round 3 so far, 120 operations"
        );
        let open = round(4, 0, &[]);
        let ended = round(3, 120, &[("stock", "held"), ("kept", "held")]);
        let said = words(&judged(&json!({"open": open, "ended": ended})));
        assert_eq!(said, "✓ held: 2  round 3 ended, 120 operations");
        let nothing = round(1, 5, &[("stock", "not-judged")]);
        let said = words(&judged(&json!({"open": nothing})));
        assert!(said.starts_with("– nothing held yet, undecided: stock"), "{said}");
        assert!(words(&judged(&Value::Null)).starts_with("nothing is judged yet"));
    }

    #[test]
    fn what_shoppers_meet() {
        assert_eq!(words(&load(&Value::Null)), "no shoppers from the page");
        let rounds = json!({
            "load": {"shoppers": 5, "probability": "0.5"},
            "met": {"per_second": 812.4, "p50_us": 900, "p99_us": 12_000, "answered": 0.995},
        });
        let expected =
            "5 shoppers, p 0.5: 812 requests/s, p50 0.9 ms, p99 12.0 ms, 99.5 % answered";
        assert_eq!(words(&load(&rounds)), expected);
    }
}
