//! Queues as files that `apply` takes. YAML is written so that a reader of YAML 1.1 takes every text for a text.

use crate::{
    cli::{
        exit::{Exit, Failure},
        format::Format,
    },
    wire::{NewQueue, QueueName},
};
use serde_json::{Map, Value};
use std::fmt::Write;

/// The text of a file with these queues: one queue by itself, several by their names.
pub(super) fn text(queues: &[NewQueue], format: Format) -> Result<String, Failure> {
    let broken = |error: serde_json::Error| Failure::new(Exit::Error, format!("cannot write the queues: {error}"));
    let mut documents = Vec::new();
    for queue in queues {
        documents.push((queue.name.clone(), document(queue).map_err(broken)?));
    }
    if format == Format::Name {
        return Ok(documents.iter().filter_map(|(name, _)| Some(format!("{}\n", name.as_ref()?))).collect());
    }
    let whole = match documents.as_slice() {
        [(_, one)] => one.clone(),
        several => {
            let without_name = |(name, document): &(Option<QueueName>, Value)| {
                let mut document = document.clone();
                document.as_object_mut().map(|fields| fields.remove("name"));
                Some((name.as_ref()?.to_string(), document))
            };
            let all: Map<String, Value> = several.iter().filter_map(without_name).collect();
            serde_json::json!({"queues": all})
        }
    };
    match format {
        Format::Json => return serde_json::to_string_pretty(&whole).map(|text| text + "\n").map_err(broken),
        Format::Jsonl => return Ok(whole.to_string() + "\n"),
        _ => {}
    }
    // The name of a queue stands first.
    let mut out = String::new();
    let mut rest = whole;
    if let Some(name) = rest.as_object_mut().and_then(|fields| fields.remove("name")) {
        let _ = writeln!(out, "name: {}", scalar(&name, 0));
    }
    if rest.as_object().is_none_or(|fields| !fields.is_empty()) {
        write_yaml(&rest, 0, &mut out);
    }
    Ok(out)
}

/// Any document as YAML that readers of YAML 1.1 read alike.
pub(in crate::cli) fn yaml(document: &Value) -> String {
    let mut out = String::new();
    write_yaml(document, 0, &mut out);
    out
}

/// A queue as JSON without what is empty.
fn document(queue: &NewQueue) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(queue)?;
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|key, value| !(["defaults", "limits"].contains(&key.as_str()) && value.as_object().is_some_and(Map::is_empty)));
    }
    Ok(value)
}

fn write_yaml(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let _ = write!(out, "{indent}{}:", scalar(&Value::from(key.as_str()), depth));
                below(value, depth, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut inner = String::new();
                match item {
                    Value::Object(fields) if !fields.is_empty() => write_yaml(item, depth + 1, &mut inner),
                    Value::Array(items) if !items.is_empty() => write_yaml(item, depth + 1, &mut inner),
                    _ => inner = format!("{indent}  {}\n", scalar(item, depth + 1)),
                }
                let _ = write!(out, "{indent}- {}", inner.trim_start_matches(' '));
            }
        }
        _ => {
            let _ = writeln!(out, "{indent}{}", scalar(value, depth));
        }
    }
}

/// What stands after a key.
fn below(value: &Value, depth: usize, out: &mut String) {
    let nested = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        out.push('\n');
        write_yaml(value, depth + 1, out);
    } else {
        let _ = writeln!(out, " {}", scalar(value, depth));
    }
}

fn scalar(value: &Value, depth: usize) -> String {
    match value {
        Value::String(text) if is_block(text) => {
            let indent = "  ".repeat(depth + 1);
            let lines: Vec<String> =
                text.lines().map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") }).collect();
            format!("|\n{}", lines.join("\n"))
        }
        Value::String(text) if is_plain(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether a text of several lines can stand as it is.
fn is_block(text: &str) -> bool {
    let fine = |c: char| c == '\n' || (!c.is_control() && c != '\u{feff}' && c != '\u{2028}' && c != '\u{2029}');
    let lines = text.trim_end_matches('\n');
    lines.contains('\n') && text.ends_with('\n') && !text.ends_with("\n\n") && !text.starts_with([' ', '\n']) && text.chars().all(fine)
}

/// Whether a text needs no quotes for any reader: it begins with a letter, has nothing that YAML uses, and is no word that
/// YAML 1.1 takes for something else.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"];
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-/@".contains(c);
    let inside = text.chars().all(|c| fine(c) || c == ' ' || c == ':') && !text.ends_with([' ', ':']) && !text.contains(": ");
    begins && inside && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn queue(value: Value) -> NewQueue {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn texts_that_other_readers_misread_are_quoted() {
        let env = json!({"A": "no", "B": "on", "C": "1_000", "D": "017", "E": "~", "F": "yes please", "G": "12:30", "H": "", "I": "a: b", "J": "x #y", "K": "two\nlines\n", "L": "é"});
        let one = queue(
            json!({"name": "gpu", "defaults": {"env": env, "image": "python:3.12"}, "podTemplate": {"spec": {"tolerations": [{"key": "a"}, {"key": "b", "operator": "Exists"}], "containers": [{"args": [["x"], {}], "resources": {"limits": {"nvidia.com/gpu": 1}}}]}, "remove": ["/spec/tolerations"]}}),
        );
        let text = text(std::slice::from_ref(&one), Format::Table).unwrap();
        insta::assert_snapshot!(text);
        assert_eq!(serde_yaml::from_str::<NewQueue>(&text).unwrap(), one);
    }

    #[test]
    fn several_stand_by_their_names() {
        let all = [queue(json!({"name": "a"})), queue(json!({"name": "b", "description": "x"}))];
        assert_eq!(text(&all, Format::Yaml).unwrap(), "queues:\n  a: {}\n  b:\n    description: x\n");
        assert_eq!(text(&all, Format::Name).unwrap(), "a\nb\n");
        assert!(serde_json::from_str::<Value>(&text(&all, Format::Json).unwrap()).is_ok());
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~é\n\t]{0,12}".prop_map(Value::from),
            proptest::sample::select(vec!["no", "~", "0x1", "a\nb\n", "- a", "a:", "{}", "null", ".5", "=", "<<"]).prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[ -~]{0,6}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in value()) {
            let mut text = String::new();
            write_yaml(&json!({"value": value}), 0, &mut text);
            let read: Value = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            prop_assert_eq!(&read["value"], &value, "{}", text);
        }
    }
}
