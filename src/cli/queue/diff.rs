//! `slipway queue diff`

use super::{
    apply::asked,
    wanted::{FileArgs, load},
};
use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
        style::{Tone, paint},
    },
    client::Client,
    wire::{Budget, BudgetName, NewBudget, NewQueue, ProblemCode, QueueName},
};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

/// What apply would do to a queue, or to a budget that the file asks for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Difference {
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<QueueName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<BudgetName>,
    /// `created`, `changed` or `unchanged`.
    change: &'static str,
    /// The fields that would change, by JSON pointer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    /// Who keeps it now, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_by: Option<String>,
    /// What would become of a queue's tasks.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    tasks: Option<Tasks>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Tasks {
    /// Those that have not begun: they would get the new template.
    pending: u64,
    /// Those that run: they would keep the old one.
    running: u64,
}

impl Difference {
    /// As apply calls it.
    fn name(&self) -> String {
        let budget = self.budget.iter().map(|name| format!("budget {name}"));
        self.queue.iter().map(ToString::to_string).chain(budget).collect()
    }
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
    for (name, budget) in wanted.budgets {
        found.push(of_budget(&client, name, budget).await?);
    }
    for (name, queue) in wanted.queues {
        found.push(difference(&client, name, queue).await?);
    }
    let differs = found.iter().any(|difference| difference.change != "unchanged");
    let names = |found: &Vec<Difference>| found.iter().filter(|d| d.change != "unchanged").map(Difference::name).collect();
    context.print(&found, names, |found| found.iter().map(block).collect())?;
    if !differs && context.format().is_for_people() {
        context.console.aside("nothing would change");
    }
    Ok(if differs { Exit::Error } else { Exit::Ok })
}

fn broken(name: &impl fmt::Display, error: &serde_json::Error) -> Failure {
    Failure::new(Exit::Error, format!("cannot compare {name}: {error}"))
}

/// What apply would do to a budget.
async fn of_budget(client: &Client, name: BudgetName, wanted: NewBudget) -> Result<Difference, Failure> {
    let then = serde_json::to_value(NewBudget { name: None, ..wanted }).map_err(|error| broken(&name, &error))?;
    let now = match client.budget(&name).await {
        Ok(Budget { description, resource, max, .. }) => {
            let now = NewBudget { name: None, description, resource, max };
            Some(serde_json::to_value(now).map_err(|error| broken(&name, &error))?)
        }
        Err(error) if error.code() == Some(ProblemCode::BudgetNotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let (change, fields) = changed(now.as_ref(), &then);
    Ok(Difference { queue: None, budget: Some(name), change, fields, kept_by: None, tasks: None })
}

/// What is done, and to which fields.
fn changed(now: Option<&Value>, then: &Value) -> (&'static str, Vec<Field>) {
    let fields = compare(now.unwrap_or(&Value::Object(serde_json::Map::new())), then);
    let change = match now {
        None => "created",
        Some(_) if fields.is_empty() => "unchanged",
        Some(_) => "changed",
    };
    (change, fields)
}

async fn difference(client: &Client, name: QueueName, wanted: NewQueue) -> Result<Difference, Failure> {
    let wanted = NewQueue { name: None, ..wanted };
    let then = serde_json::to_value(&wanted).map_err(|error| broken(&name, &error))?;
    let (now, present) = match client.queue(&name).await {
        Ok(queue) => (Some(serde_json::to_value(asked(&queue)).map_err(|error| broken(&name, &error))?), Some(queue)),
        Err(error) if error.code() == Some(ProblemCode::QueueNotFound) => (None, None),
        Err(error) => return Err(error.into()),
    };
    let (change, fields) = changed(now.as_ref(), &then);
    let kept_by = present.as_ref().and_then(|queue| queue.managed_by.clone()).filter(|by| wanted.managed_by.as_ref() != Some(by));
    let counts = present.map(|queue| queue.counts).unwrap_or_default();
    let tasks = Some(Tasks { pending: counts.waiting + counts.queued, running: counts.active });
    Ok(Difference { queue: Some(name), budget: None, change, fields, kept_by, tasks })
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

/// The text of one queue or budget.
fn block(difference: &Difference) -> String {
    let (Difference { change, fields, kept_by, tasks, .. }, name) = (difference, difference.name());
    let mark = match *change {
        "created" => paint(Tone::Good, "+"),
        "changed" => paint(Tone::Warn, "~"),
        _ => return format!("  {name} unchanged\n"),
    };
    let mut text = format!("{mark} {name} {change}\n");
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
    if let Some(Tasks { pending, running }) = tasks.filter(|tasks| tasks.pending + tasks.running > 0) {
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
