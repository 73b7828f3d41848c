//! The alerts and the dashboard.

use crate::helm::{CHART, Helm};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

/// The sources in which metrics are registered.
const SOURCES: [&str; 2] = [include_str!("../../src/server/metrics.rs"), include_str!("../../src/runner/kubernetes/metrics.rs")];
/// What the exposition adds to the name of a counter and of a histogram.
const ENDINGS: [&str; 4] = ["_total", "_bucket", "_sum", "_count"];

/// Every metric that an alert or a panel names is registered, and each alert and panel names one.
pub(crate) fn metrics_are_there(_: &Helm, _: &str) {
    let known: BTreeSet<&str> = SOURCES.iter().flat_map(|source| source.split('"').filter(|text| is_metric(text))).collect();
    assert!(known.len() > 20, "{known:?}");
    let read = |name: &str| fs::read_to_string(Path::new(CHART).join("files").join(name)).expect("the file");
    let rules: Value = serde_yaml::from_str(&read("rules.yaml")).expect("YAML");
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).expect("JSON");
    let mut expressions = Vec::new();
    gathered(&rules, &mut expressions);
    gathered(&dashboard, &mut expressions);
    assert!(expressions.len() > 20, "{expressions:?}");
    for expression in expressions {
        let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let named: Vec<&str> = words.filter(|word| is_metric(word)).collect();
        assert!(!named.is_empty(), "{expression}");
        for name in named {
            let bare = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
            assert!(known.contains(bare) || known.contains(name), "{name} in {expression}");
        }
    }
    let alerts = rules["groups"][0]["rules"].as_array().expect("rules");
    for alert in alerts {
        let summary = alert["annotations"]["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty() && alert["labels"]["severity"].is_string(), "{alert}");
    }
}

fn is_metric(text: &str) -> bool {
    let named = text.starts_with("slipway_") || text.starts_with("http_");
    named && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The texts under every `expr`.
fn gathered<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(Value::as_str));
            fields.values().for_each(|inner| gathered(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| gathered(inner, found)),
        _ => {}
    }
}
