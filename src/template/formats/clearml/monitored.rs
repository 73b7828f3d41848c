//! `monitoredResources`: what all queues of a file may use together, as a budget.

use super::keys;
use crate::template::{
    Values,
    formats::{
        Import, Named,
        near::{unknown, wrong},
        note::{Level, Note},
        source::Node,
    },
    queue_cost,
};
use serde_json::{Value, json};

const DEFAULT_FIELD: &str = "resources|limits|nvidia.com/gpu";
const FIELDS: [&str; 3] = ["maxResources", "minResourcesFieldName", "maxResourcesFieldName"];
/// The labels that say a part of a GPU.
const FRACTION: [&str; 2] = ["clearml-injector/fraction", "clear.ml/fraction-"];
const WEIGHT: &str = "slipway.dev/weight";
const USAGE: &str = "clear.ml/resource-usage";
/// What the budget is called.
const BUDGET: &str = "clearml";

/// Makes the budget, and names it in every queue of the file. Where all that is counted are whole GPUs it counts GPUs;
/// else weights, which each queue's template then says by a label.
pub(super) fn read(root: &Node, import: &mut Import) {
    let Some(monitored) = keys::glue(root).and_then(|block| block.get("monitoredResources")).filter(|node| !node.is_empty()) else {
        return;
    };
    if !monitored.is_map() {
        import.notes.push(wrong(monitored, "a map"));
        return;
    }
    import.notes.extend(monitored.entries().iter().filter(|e| !FIELDS.contains(&e.key.as_str())).map(|e| unknown(e, FIELDS)));
    let Some(most) = monitored.get("maxResources").filter(|most| !most.is_empty()) else { return };
    let max = match most.json() {
        Value::Number(max) => max.to_string(),
        Value::String(max) => max,
        _ => {
            import.notes.push(wrong(most, "a number"));
            return;
        }
    };
    let field =
        ["maxResourcesFieldName", "minResourcesFieldName"].into_iter().find_map(|key| monitored.get(key).filter(|field| !field.is_empty()));
    let path = field.and_then(Node::text).unwrap_or(DEFAULT_FIELD).to_owned();
    let uses: Vec<Option<String>> = import.queues.iter().map(|queue| uses(&queue.document["podTemplate"], &path)).collect();
    let whole = path == DEFAULT_FIELD
        && import.queues.iter().zip(&uses).all(|(queue, uses)| {
            let gpus = queue_cost(None, Some(&queue.document["podTemplate"]), &Values::new()).gpus.to_string();
            uses.as_deref().unwrap_or("0") == gpus
        });
    for (queue, uses) in import.queues.iter_mut().zip(uses) {
        if uses.is_none() {
            let at = field.unwrap_or(monitored);
            import.notes.push(Note::on(
                Level::Warning,
                at,
                format!("queue {}: there is no {path} in its template, so its tasks count 0", queue.name),
            ));
        }
        queue.document["budgets"] = json!({BUDGET: {}});
        if let Some(uses) = uses.filter(|_| !whole) {
            let labels = &mut queue.document["podTemplate"]["metadata"]["labels"];
            if labels.get(USAGE).and_then(Value::as_str) != Some(uses.as_str()) && labels.get(WEIGHT).is_none() {
                labels[WEIGHT] = uses.into();
            }
        }
    }
    let resource = if whole { "gpus" } else { "weight" };
    let Ok(number) = max.parse::<serde_json::Number>() else {
        import.notes.push(wrong(most, "a number"));
        return;
    };
    let document = json!({"description": "maxResources of ClearML's values", "resource": resource, "max": number});
    let message = format!("the budget {BUDGET}: its queues use {max} together at most, counted by {resource}");
    import.notes.push(Note::on(Level::Info, monitored, message));
    import.budgets.push(Named { name: BUDGET.to_owned(), document });
}

/// What a task of a template uses: the part of a GPU that a label says, else what the path leads to, from the task's
/// container or the pod. None where there is nothing.
fn uses(template: &Value, path: &str) -> Option<String> {
    let labels = template["metadata"]["labels"].as_object();
    let fraction = labels.into_iter().flatten().find(|(key, _)| *key == FRACTION[0] || key.starts_with(FRACTION[1]));
    if let Some((_, Value::String(fraction))) = fraction {
        return Some(fraction.clone());
    }
    let roots = [template.pointer("/spec/containers/0"), Some(&template["metadata"]), Some(&template["spec"]), Some(template)];
    let found = roots.into_iter().flatten().find_map(|root| path.split('|').try_fold(root, |at, key| at.get(key)))?;
    match found {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}
