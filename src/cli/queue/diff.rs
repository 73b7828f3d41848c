//! `slipway queue diff`

use super::{
    apply::asked,
    wanted::{FileArgs, load},
};
use crate::{
    cli::{
        context::{Context, Format},
        exit::{Exit, Failure},
        style::{Tone, paint},
    },
    client::Client,
    wire::{NewQueue, ProblemCode, QueueName},
};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write};

/// What apply would do to a queue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Difference {
    queue: QueueName,
    /// `created`, `changed` or `unchanged`.
    change: &'static str,
    /// The fields that would change, by JSON pointer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    /// Who keeps it now, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_by: Option<String>,
    /// Its tasks that have not begun: they would get the new template.
    pending: u64,
    /// Its tasks that run: they would keep the old one.
    running: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Field {
    pointer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    then: Option<Value>,
}

/// Shows what apply would change; differences end with 1.
pub(super) async fn run(context: &Context, args: &FileArgs) -> Result<Exit, Failure> {
    let wanted = load(context, args).await?;
    let client = context.client()?;
    let mut found = Vec::new();
    for (name, queue) in wanted.queues {
        found.push(difference(&client, name, queue).await?);
    }
    let differs = found.iter().any(|difference| difference.change != "unchanged");
    let names = |found: &Vec<Difference>| found.iter().filter(|d| d.change != "unchanged").map(|d| d.queue.to_string()).collect();
    context.print(&found, names, |found| found.iter().map(block).collect())?;
    if !differs && context.format() == Format::Table {
        context.console.aside("nothing would change");
    }
    Ok(if differs { Exit::Error } else { Exit::Ok })
}

async fn difference(client: &Client, name: QueueName, wanted: NewQueue) -> Result<Difference, Failure> {
    let wanted = NewQueue { name: None, ..wanted };
    let broken = |error: serde_json::Error| Failure::new(Exit::Error, format!("cannot compare {name}: {error}"));
    let then = serde_json::to_value(&wanted).map_err(broken)?;
    let (now, present) = match client.queue(&name).await {
        Ok(queue) => (serde_json::to_value(asked(&queue)).map_err(broken)?, Some(queue)),
        Err(error) if error.code() == Some(ProblemCode::QueueNotFound) => (Value::Object(serde_json::Map::new()), None),
        Err(error) => return Err(error.into()),
    };
    let fields = compare(&now, &then);
    let change = match &present {
        None => "created",
        Some(_) if fields.is_empty() => "unchanged",
        Some(_) => "changed",
    };
    let kept_by = present.as_ref().and_then(|queue| queue.managed_by.clone()).filter(|by| wanted.managed_by.as_ref() != Some(by));
    let counts = present.map(|queue| queue.counts).unwrap_or_default();
    Ok(Difference { queue: name, change, fields, kept_by, pending: counts.waiting + counts.queued, running: counts.active })
}

/// The leaves in which two documents differ, in the order of their pointers.
fn compare(now: &Value, then: &Value) -> Vec<Field> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    leaves("", now, &mut before);
    leaves("", then, &mut after);
    let mut pointers: Vec<&String> = before.keys().chain(after.keys()).collect();
    pointers.sort();
    pointers.dedup();
    let field = |pointer: &String| Field { pointer: pointer.clone(), now: before.get(pointer).cloned(), then: after.get(pointer).cloned() };
    pointers.into_iter().map(field).filter(|field| field.now != field.then).collect()
}

/// Every value that is no object and no list of objects, by its pointer.
fn leaves(at: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    let below = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(fields) if !fields.is_empty() => fields.iter().for_each(|(key, value)| leaves(&below(key), value, found)),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().for_each(|(i, item)| leaves(&below(&i.to_string()), item, found));
        }
        Value::Object(_) if at.matches('/').count() <= 1 => {}
        other => drop(found.insert(at.to_owned(), other.clone())),
    }
}

/// A queue's part of the text.
fn block(difference: &Difference) -> String {
    let Difference { queue, change, fields, kept_by, pending, running } = difference;
    let mark = match *change {
        "created" => paint(Tone::Good, "+"),
        "changed" => paint(Tone::Warn, "~"),
        _ => return format!("  {queue} unchanged\n"),
    };
    let mut text = format!("{mark} {queue} {change}\n");
    for Field { pointer, now, then } in fields {
        let _ = writeln!(text, "    {}", pointer.trim_start_matches('/').replace('/', ".").replace("~1", "/").replace("~0", "~"));
        for (sign, tone, value) in [("-", Tone::Bad, now), ("+", Tone::Good, then)] {
            if let Some(value) = value {
                let _ = writeln!(text, "{}", paint(tone, &format!("  {sign}   {value}")));
            }
        }
    }
    if let Some(by) = kept_by {
        let _ = writeln!(text, "  {by} keeps it (managedBy): apply asks for --force");
    }
    if pending + running > 0 {
        let _ = writeln!(text, "  {running} running keep what they have, {pending} pending get the new one");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn leaves_are_compared() {
        let now = json!({"a": {"b": 1, "c/d": "x"}, "args": ["x", "y"], "list": [{"name": "a"}], "defaults": {}});
        let then = json!({"a": {"b": 2}, "args": ["x"], "list": [{"name": "a"}, {"name": "b"}], "limits": {}});
        let told: Vec<_> = compare(&now, &then).into_iter().map(|field| (field.pointer, field.now, field.then)).collect();
        let one = |pointer: &str, now: Value, then: Value| {
            (pointer.to_owned(), Some(now).filter(|v| !v.is_null()), Some(then).filter(|v| !v.is_null()))
        };
        assert_eq!(
            told,
            [
                one("/a/b", json!(1), json!(2)),
                one("/a/c~1d", json!("x"), Value::Null),
                one("/args", json!(["x", "y"]), json!(["x"])),
                one("/list/1/name", Value::Null, json!("b")),
            ]
        );
        assert_eq!(compare(&now, &now), []);
    }
}
