//! `/metrics`: every number of `/status`, in Prometheus' text format.
//!
//! There is one public state of a node, and this is the same one for another reader: the path of a
//! number in the JSON is its name (`toystore_status_counters_hits`), so that nothing is written
//! twice and nothing is forgotten. Lists become series with a label where their items have a name
//! or a number, else they are left out. Called by [`super::site`].

use std::fmt::Write;

use serde_json::Value;

/// The text, for what stands under `/status`.
pub fn render(status: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, "toystore", "", status);
    text
}

fn write_value(text: &mut String, name: &str, labels: &str, value: &Value) {
    match value {
        Value::Number(number) => line(text, name, labels, number),
        Value::Bool(truth) => line(text, name, labels, u8::from(*truth)),
        Value::Object(fields) => {
            for (field, value) in fields {
                write_value(text, &format!("{name}_{field}"), labels, value);
            }
        }
        Value::Array(items) if labels.is_empty() => {
            for item in items {
                let label = ["name", "id", "frontend", "to"]
                    .into_iter()
                    .find(|key| matches!(item.get(key), Some(Value::String(_) | Value::Number(_))));
                let Some(label) = label else { continue };
                let labels = match &item[label] {
                    Value::String(text) => format!("{{{label}={text:?}}}"),
                    other => format!("{{{label}=\"{other}\"}}"),
                };
                write_value(text, name, &labels, item);
            }
        }
        Value::Array(_) | Value::String(_) | Value::Null => {}
    }
}

fn line(text: &mut String, name: &str, labels: &str, number: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{name}{labels} {number}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_truths_become_lines_and_named_items_series() {
        let status = json!({
            "node": "frontend-1", "ready": true,
            "status": {"counters": {"hits": 3}, "cache": [{"name": "Tux", "hits": 2}], "x": [1]},
        });
        let expected = "toystore_ready 1\n\
                        toystore_status_cache_hits{name=\"Tux\"} 2\n\
                        toystore_status_counters_hits 3\n";
        assert_eq!(render(&status), expected);
    }
}
