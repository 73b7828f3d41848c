//! Parts of Kubernetes' API as JSON schemas, made of the table of `tests/data/job-fields.json`.
//!
//! They say which fields there are, in the newest minor that has each, and of which kind a text, list or map is. A number or a switch
//! may be a text too, for templates have variables (`'{{gpus}}'`); null is the absence of a field, as for the API server. What must be
//! there is not said: parts of templates leave it to other layers.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Where they stand in the schema.
pub(super) const PLACE: &str = "#/$defs/kubernetes/";

/// The types that some names need, themselves included.
pub(super) fn definitions(table: &Value, mut wanted: BTreeSet<String>) -> Map<String, Value> {
    let mut all = Map::new();
    while let Some(name) = wanted.pop_first() {
        let mut properties = Map::new();
        for (field, entry) in table["types"][&name]["fields"].as_object().into_iter().flatten() {
            let kind = newest(entry);
            let inner = kind.trim_matches(['[', ']', '{', '}']);
            if table["types"][inner].is_object() && !all.contains_key(inner) && inner != name {
                wanted.insert(inner.to_owned());
            }
            properties.insert(field.clone(), of(kind, table));
        }
        all.insert(name, json!({"type": ["object", "null"], "additionalProperties": false, "properties": properties}));
    }
    all
}

/// What an entry says of the newest minor: a text, or the last of its spans `KIND FIRST-LAST`.
fn newest(entry: &Value) -> &str {
    let span = entry.as_array().and_then(|spans| spans.last()).and_then(Value::as_str);
    entry.as_str().or(span.and_then(|span| span.rsplit_once(' ')).map(|(kind, _)| kind)).unwrap_or("any")
}

fn of(kind: &str, table: &Value) -> Value {
    let part = |brackets: [char; 2]| kind.strip_prefix(brackets[0]).and_then(|kind| kind.strip_suffix(brackets[1]));
    if let Some(item) = part(['[', ']']) {
        return json!({"type": ["array", "null"], "items": of(item, table)});
    }
    if let Some(value) = part(['{', '}']) {
        return json!({"type": ["object", "null"], "additionalProperties": of(value, table)});
    }
    match kind {
        "integer" | "IntOrString" => json!({"type": ["integer", "string", "null"]}),
        "boolean" => json!({"type": ["boolean", "string", "null"]}),
        "number" | "Quantity" => json!({"type": ["number", "string", "null"]}),
        "string" | "Time" | "MicroTime" => json!({"type": ["string", "null"]}),
        name if table["types"][name].is_object() => json!({"$ref": format!("{PLACE}{name}")}),
        _ => json!(true),
    }
}
