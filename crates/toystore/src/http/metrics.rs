//! `/metrics`, in Prometheus' text format: every number of `/status`, and what only adds up.
//!
//! There is one public state of a node, and this is the same one for another reader: the path of a
//! number in the JSON is its name (`toystore_status_counters_hits`), so that nothing is written
//! twice and nothing is forgotten. Items of a list become series, with a label where they have a
//! name or a number, else they are left out; a list of numbers is a set, a list of pairs has a
//! value for each number, and a term is its number, labelled with who leads. Beside it stand the
//! histograms of [`crate::histogram`], and what Prometheus expects of any process. All series of a
//! name stand together, as the format wants. Called by [`super::site`].

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use replication::Term;
use serde_json::Value;

use crate::histogram::{BOUNDS_US, Histogram};

/// One page, while it is put together.
pub struct Page {
    /// By name.
    families: BTreeMap<String, Family>,
}

/// All series of one name.
struct Family {
    kind: &'static str,
    help: String,
    lines: String,
}

impl Page {
    /// A page with what stands under `/status`.
    pub fn new(status: &Value) -> Page {
        let mut page = Page { families: BTreeMap::new() };
        page.add_value("toystore", "", status);
        page
    }

    /// Something that only rises.
    pub fn counter(&mut self, name: &str, help: &str, labels: &str, count: impl Display) {
        self.line((name, "counter", help), "", labels, count);
    }

    /// Durations.
    pub fn histogram(&mut self, name: &str, help: &str, labels: &str, histogram: &Histogram) {
        let family = (name, "histogram", help);
        let distribution = histogram.read();
        let comma = if labels.is_empty() { "" } else { "," };
        let bounds = BOUNDS_US.iter().map(|us| (*us as f64 / 1e6).to_string());
        let bounds = bounds.chain(["+Inf".to_string()]);
        for (bound, count) in bounds.zip(distribution.at_most) {
            let labels = format!("{labels}{comma}le=\"{bound}\"");
            self.line(family, "_bucket", &labels, count);
        }
        self.line(family, "_sum", labels, distribution.sum_seconds);
        self.line(family, "_count", labels, distribution.at_most[BOUNDS_US.len()]);
    }

    /// What Prometheus' own clients say of the process, where the system tells.
    pub fn process(&mut self) {
        use rustix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
        let help = "CPU time of the process, user and system, in seconds.";
        self.counter("process_cpu_seconds_total", help, "", seconds);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        if let Some(kib) = kib {
            let family = ("process_resident_memory_bytes", "gauge", "Resident memory, in bytes.");
            self.line(family, "", "", kib * 1024);
        }
    }

    /// The text.
    pub fn finish(self) -> String {
        let mut text = String::new();
        for (name, Family { kind, help, lines }) in self.families {
            // Writing to a string cannot fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{lines}");
        }
        text
    }

    fn line(
        &mut self,
        (name, kind, help): (&str, &'static str, &str),
        suffix: &str,
        labels: &str,
        number: impl Display,
    ) {
        let new = || Family { kind, help: help.to_string(), lines: String::new() };
        let family = self.families.entry(name.to_string()).or_insert_with(new);
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(family.lines, "{name}{suffix}{labels} {number}");
    }

    fn add(&mut self, name: &str, labels: &str, number: impl Display) {
        let path = name.strip_prefix("toystore_").unwrap_or(name);
        self.line((name, "untyped", &format!("{path} in /status.")), "", labels, number);
    }

    fn add_value(&mut self, name: &str, labels: &str, value: &Value) {
        match value {
            Value::Number(number) => self.add(name, labels, number),
            Value::Bool(truth) => self.add(name, labels, u8::from(*truth)),
            Value::Object(fields) => {
                for (field, value) in fields {
                    self.add_value(&format!("{name}_{field}"), labels, value);
                }
            }
            Value::Array(items) if labels.is_empty() => {
                for item in items {
                    self.add_item(name, item);
                }
            }
            Value::String(text) if name.ends_with("_term") => {
                if let Ok(Term { number, node, .. }) = serde_json::from_value(value.clone()) {
                    debug_assert!(text.contains('@'), "a term names its leader");
                    self.add(name, &join(labels, &format!("leader=\"{node}\"")), number);
                }
            }
            Value::Array(_) | Value::String(_) | Value::Null => {}
        }
    }

    fn add_item(&mut self, name: &str, item: &Value) {
        if let Value::Number(number) = item {
            return self.add(name, &format!("id=\"{number}\""), 1);
        }
        if let Some([Value::Number(number), value]) = item.as_array().map(Vec::as_slice) {
            return self.add_value(name, &format!("id=\"{number}\""), value);
        }
        let label = ["name", "id", "frontend", "to"]
            .into_iter()
            .find(|key| matches!(item.get(key), Some(Value::String(_) | Value::Number(_))));
        let Some(label) = label else { return };
        let labels = match &item[label] {
            Value::String(text) => format!("{label}={text:?}"),
            other => format!("{label}=\"{other}\""),
        };
        self.add_value(name, &labels, item);
    }
}

fn join(labels: &str, more: &str) -> String {
    if labels.is_empty() { more.to_string() } else { format!("{labels},{more}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_truths_become_lines_and_named_items_series() {
        let status = json!({
            "node": "frontend-1", "ready": true,
            "status": {
                "counters": {"hits": 3}, "term": "0.4@3", "in_sync": [1, 3],
                "cache": [{"name": "Tux", "hits": 2, "age": 9}, {"name": "Fox", "hits": 1}],
                "followers": [[1, 7]], "x": ["y"],
            },
        });
        let lines = Page::new(&status).finish();
        let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [
            "toystore_ready 1",
            "toystore_status_cache_age{name=\"Tux\"} 9",
            "toystore_status_cache_hits{name=\"Tux\"} 2",
            "toystore_status_cache_hits{name=\"Fox\"} 1",
            "toystore_status_counters_hits 3",
            "toystore_status_followers{id=\"1\"} 7",
            "toystore_status_in_sync{id=\"1\"} 1",
            "toystore_status_in_sync{id=\"3\"} 1",
            "toystore_status_term{leader=\"3\"} 4",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_histogram_adds_up() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_micros(300));
        histogram.observe(Duration::from_secs(3));
        let mut page = Page::new(&json!({}));
        page.histogram("t_seconds", "How long.", "to=\"catalog\"", &histogram);
        let text = page.finish();
        assert!(text.starts_with("# HELP t_seconds How long.\n# TYPE t_seconds histogram\n"));
        for line in [
            "t_seconds_bucket{to=\"catalog\",le=\"0.00025\"} 0\n",
            "t_seconds_bucket{to=\"catalog\",le=\"0.0005\"} 1\n",
            "t_seconds_bucket{to=\"catalog\",le=\"+Inf\"} 2\n",
            "t_seconds_sum{to=\"catalog\"} 3.0003\n",
            "t_seconds_count{to=\"catalog\"} 2\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
