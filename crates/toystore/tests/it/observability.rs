//! Prometheus' and Grafana's files against a running store: every metric and label that they name
//! is served, and the dashboard is whole.
//!
//! What a query means is Prometheus' business; here its text is taken apart as far as names go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::exchange::{get, order};
use crate::store::Store;
use crate::waiting::wait_for;
use crate::workspace::{expect_none, text_files};

const DASHBOARD: &str = "deploy/observability/grafana/dashboards/toystore.json";
const ALERTS: &str = "deploy/observability/alerts.yaml";
const SCRAPES: &str = "deploy/observability/prometheus.yaml";

/// What Prometheus adds to every series, and the one series that it makes itself.
const LABELS_ADDED: [&str; 2] = ["job", "instance"];
const SERIES_ADDED: &str = "up";

/// Words of the query language that are followed by a list of labels.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Words between two expressions.
const OPERATORS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "Inf"];

fn read(path: &str) -> String {
    let file = text_files().into_iter().find(|file| file.path == path);
    file.unwrap_or_else(|| panic!("no {path}")).text
}

/// All that the nodes of one role serve: by metric, the labels of each of its series.
type Served = BTreeMap<String, Vec<BTreeMap<String, String>>>;

fn served(page: &str) -> Served {
    let mut served = Served::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty());
        let pair = |label: &str| {
            let (name, value) = label.split_once("=\"").unwrap();
            (name.to_string(), value.trim_end_matches('"').to_string())
        };
        served.entry(name.to_string()).or_default().push(labels.map(pair).collect());
    }
    served
}

/// One `metric{label="value"}` of a query.
#[derive(Debug, Default, PartialEq)]
struct Selector {
    metric: String,
    /// Only those that say `=`.
    equal: BTreeMap<String, String>,
}

/// The names in a query.
#[derive(Debug, Default)]
struct Names {
    selectors: Vec<Selector>,
    labels: BTreeSet<String>,
}

/// Words, texts and signs of a query.
fn tokens(query: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || "_:$.".contains(c);
        let len = match first {
            '"' => rest[1..].find('"').unwrap() + 2,
            first if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            first => first.len_utf8(),
        };
        tokens.push(rest[..len].to_string());
        rest = rest[len..].trim_start();
    }
    tokens
}

fn names(query: &str) -> Names {
    let (mut names, tokens) = (Names::default(), tokens(query));
    let mut at = 0;
    let at_is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token == text);
    while at < tokens.len() {
        let token = tokens[at].as_str();
        at += 1;
        if BEFORE_LABELS.contains(&token) && at_is(at, "(") {
            while !at_is(at, ")") {
                if tokens[at].starts_with(|c: char| c.is_alphabetic()) {
                    names.labels.insert(tokens[at].clone());
                }
                at += 1;
            }
        } else if token == "[" {
            while !at_is(at, "]") {
                at += 1;
            }
        } else if token.starts_with(|c: char| c.is_alphabetic())
            && !at_is(at, "(")
            && !BEFORE_LABELS.contains(&tokens.get(at).map_or("", String::as_str))
            && !OPERATORS.contains(&token)
        {
            let mut selector = Selector { metric: token.to_string(), ..Selector::default() };
            if at_is(at, "{") {
                while !at_is(at, "}") {
                    let (label, equals, next) = (&tokens[at + 1], &tokens[at + 2], &tokens[at + 3]);
                    names.labels.insert(label.clone());
                    if equals == "=" && next.starts_with('"') {
                        selector.equal.insert(label.clone(), next.trim_matches('"').to_string());
                    }
                    at += 1;
                    while !at_is(at, ",") && !at_is(at, "}") {
                        at += 1;
                    }
                }
            }
            names.selectors.push(selector);
        }
    }
    names
}

#[test]
fn the_names_of_a_query_are_found() {
    let query = "sum by (le, to) (rate(a_bucket{job=\"order\", to=~\"c.*\"}[$__rate_interval])) / \
                 b - on (instance) group_right () c > 0 or vector(0)";
    let Names { selectors, labels } = names(query);
    let selector = |metric: &str, equal: &[(&str, &str)]| Selector {
        metric: metric.to_string(),
        equal: equal.iter().map(|(a, b)| ((*a).to_string(), (*b).to_string())).collect(),
    };
    let expected =
        [selector("a_bucket", &[("job", "order")]), selector("b", &[]), selector("c", &[])];
    assert_eq!(selectors, expected);
    assert_eq!(
        labels.iter().map(String::as_str).collect::<Vec<_>>(),
        ["instance", "job", "le", "to"]
    );
}

/// The queries of the dashboard, each with the panel that shows it, and the labels in its legends.
fn panels(dashboard: &Value) -> Vec<(String, String, Vec<String>)> {
    let mut all = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let legend = target["legendFormat"].as_str().unwrap();
            let labels = legend.split("{{").skip(1).map(|part| part.split("}}").next().unwrap());
            let labels = labels.map(str::to_string).collect();
            let (title, expr) = (panel["title"].as_str(), target["expr"].as_str());
            all.push((title.unwrap().to_string(), expr.unwrap().to_string(), labels));
        }
    }
    all
}

/// The queries of the alerts, each on a line of its own or in a block behind `|`.
fn alerts() -> Vec<(String, String, Vec<String>)> {
    let text = read(ALERTS);
    let mut all = Vec::new();
    for part in text.split("- alert: ").skip(1) {
        let (name, rest) = part.split_once('\n').unwrap();
        let rest = rest.split_once("expr: ").unwrap().1;
        let end = ["\n        for:", "\n        annotations:"];
        let end = end.iter().filter_map(|end| rest.find(end)).min().unwrap();
        let query = rest[..end].trim_start_matches('|').to_string();
        let labels = rest.split("$labels.").skip(1);
        let word = |part: &str| part.chars().take_while(|c| c.is_alphanumeric()).collect();
        all.push((name.to_string(), query, labels.map(word).collect()));
    }
    assert!(all.len() > 3, "{all:?}");
    all
}

/// What is wrong with a query, if the nodes serve this.
fn missing(query: &str, legend: &[String], by_role: &BTreeMap<String, Served>) -> Vec<String> {
    let names = names(query);
    let mut wrong = Vec::new();
    let mut known: BTreeSet<&str> = LABELS_ADDED.into();
    assert!(!names.selectors.is_empty(), "no metric in {query}");
    for Selector { metric, equal } in names.selectors.iter().filter(|s| s.metric != SERIES_ADDED) {
        let role = equal.get("job");
        let served = by_role.iter().filter(|(name, _)| role.is_none_or(|role| role == *name));
        let series: Vec<_> =
            served.filter_map(|(_, served)| served.get(metric)).flatten().collect();
        if series.is_empty() {
            wrong.push(format!("nobody serves {metric}"));
        }
        let fits = |labels: &&&BTreeMap<String, String>| {
            equal.iter().filter(|(name, _)| *name != "job").all(|(k, v)| labels.get(k) == Some(v))
        };
        if !series.iter().any(|labels| fits(&labels)) {
            wrong.push(format!("no series of {metric} has {equal:?}"));
        }
        known.extend(series.into_iter().flat_map(|labels| labels.keys()).map(String::as_str));
    }
    let used = names.labels.iter().chain(legend).filter(|label| !known.contains(label.as_str()));
    wrong.extend(used.map(|label| format!("no series has a label {label}")));
    wrong
}

#[test]
fn every_query_asks_for_what_is_served() {
    let store = Store::start_settled(&["--frontends", "2"]);
    let frontend = store.frontend();
    wait_for("the frontend caches a toy", || {
        let said = get(&frontend, "/products/tux").unwrap();
        (said.headers["x-cache"] == "hit").then_some(())
    });
    let said = order(&frontend, "k", "Tux", 1).unwrap();
    assert_eq!(said.status, 200, "{said:?}");
    let mut by_role: BTreeMap<String, Served> = BTreeMap::new();
    for role in ["frontend", "order", "catalog"] {
        let all = by_role.entry(role.to_string()).or_default();
        for name in store.names(role) {
            for (metric, series) in served(&get(&store.url(&name), "/metrics").unwrap().body) {
                all.entry(metric).or_default().extend(series);
            }
        }
    }
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let mut violations = Vec::new();
    for (title, query, legend) in panels(&dashboard).into_iter().chain(alerts()) {
        let wrong = missing(&query, &legend, &by_role);
        violations.extend(wrong.into_iter().map(|why| format!("{title}: {why}: {query}")));
    }
    expect_none(&violations, "a dashboard shows what there is");

    // It would notice.
    for query in ["nothing", "toystore_ready{job=\"shop\"}", "sum by (toy) (toystore_ready)"] {
        assert_ne!(missing(query, &[], &by_role), Vec::<String>::new(), "{query}");
    }
    let route = "toystore_request_duration_seconds_count{route=\"/order\"}";
    assert_eq!(missing(route, &["method".to_string()], &by_role).len(), 1);
}

#[test]
fn every_panel_says_what_it_shows_and_none_hides_another() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    assert_eq!((&dashboard["uid"], &dashboard["title"]), (&"toystore".into(), &"Toystore".into()));
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeMap::new());
    for panel in panels {
        let title = panel["title"].as_str().filter(|title| !title.is_empty());
        let title = title.unwrap_or_else(|| panic!("no title: {panel}"));
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is another's too");
        let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        let (left, top) = (place("x"), place("y"));
        for x in left..left + place("w") {
            for y in top..top + place("h") {
                assert!(x < 24, "{title} is too wide");
                let other = cells.insert((x, y), title);
                assert!(other.is_none(), "{title} lies over {other:?}");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        let unit = panel["fieldConfig"]["defaults"]["unit"].as_str();
        assert!(unit.is_some_and(|unit| !unit.is_empty()), "{title}: no unit");
        assert!(panel["description"].as_str().is_some_and(|words| words.ends_with('.')), "{title}");
        let mut targets = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap() {
            for source in [&panel["datasource"], &target["datasource"]] {
                assert_eq!(source["uid"], "${datasource}", "{title}");
            }
            assert!(targets.insert(target["refId"].as_str().unwrap()), "{title}");
        }
        assert!(!targets.is_empty(), "{title}: no query");
    }
    assert!(panels.len() > 20);
}

#[test]
fn prometheus_asks_every_node_of_compose() {
    let (compose, scrapes) = (read("compose.yaml"), read(SCRAPES));
    let services = compose.split("\nservices:\n").nth(1).unwrap().split("\nnetworks:").next();
    let names = services.unwrap().lines().filter_map(|line| line.strip_prefix("  "));
    let names =
        names.filter(|line| !line.starts_with([' ', '#'])).filter_map(|l| l.strip_suffix(':'));
    let no_nodes = ["dashboard", "client", "prometheus", "grafana"];
    let nodes: Vec<&str> = names.filter(|name| !no_nodes.contains(name)).collect();
    assert_eq!(nodes, ["catalog", "order-1", "order-2", "order-3", "frontend"]);
    for node in nodes {
        assert!(scrapes.contains(&format!("\"{node}:8080\"")), "{node} is not asked");
    }
}
