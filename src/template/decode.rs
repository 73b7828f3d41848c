//! From a document to a checked part of a `PodTemplateSpec`.

use super::{
    Fault,
    fields::fields,
    macros,
    pointer::{below, steps},
    reserved, text, values,
    variables::Values,
};
use crate::domain::{did_you_mean, pod::TASK_CONTAINER};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_ignored::Path;
use serde_json::{Map, Value, json};
use serde_path_to_error::{Segment, Track};

/// Everything that is wrong with one document of a runner's by itself; empty means that it can be a layer.
#[must_use]
pub fn check(document: &Value) -> Vec<Fault> {
    let mut faults = decode(document, TASK_CONTAINER).err().unwrap_or_default();
    for part in ["metadata", "spec"] {
        text::each(&below("", part), &document[part], &mut |at, text| {
            if text::pieces(text).iter().any(|piece| matches!(piece, text::Piece::Variable(_))) {
                faults.push(Fault::new(at, "variables belong to queues: only a queue's podTemplate can have them"));
            }
        });
    }
    faults
}

/// Everything that is wrong with a queue's `podTemplate` by itself, with some values of its variables.
#[must_use]
pub fn check_queue(pod_template: &Value, values: &Values) -> Vec<Fault> {
    values::fill(pod_template, values).and_then(|filled| decode(&filled, TASK_CONTAINER)).err().unwrap_or_default()
}

/// A layer's document, read.
pub(super) struct Document {
    /// What it sets, in its typed form.
    pub(super) template: PodTemplateSpec,
    /// The same as JSON, numbers of quantities written as text.
    pub(super) value: Value,
    /// What it takes from weaker layers: the steps of each pointer.
    pub(super) remove: Vec<Vec<String>>,
}

/// The fields of a document.
const FIELDS: [&str; 3] = ["metadata", "spec", "remove"];

/// Reads a document. A container without a name becomes the one called `unnamed`.
pub(super) fn decode(document: &Value, unnamed: &str) -> Result<Document, Vec<Fault>> {
    let Some(given) = document.as_object() else {
        return Err(vec![Fault::new("", "a podTemplate is an object: {metadata, spec, remove}")]);
    };
    let strange = given.keys().filter(|key| !FIELDS.contains(&key.as_str()));
    let mut faults: Vec<Fault> = strange.map(|key| Fault::new(below("", key), unknown(&[], key))).collect();
    let remove = removals(given, &mut faults);
    let template = part(given, unnamed);
    match typed(&template, &mut faults) {
        Some((typed, value)) => {
            missing("", &value, &template, &mut faults);
            macros::check("", &value, &mut faults);
            // What macros stand for is checked once it is known (`render`); here it is enough that it can be legal.
            faults.extend(reserved::faults(&macros::sampled(&value)));
            if faults.is_empty() { Ok(Document { template: typed, value, remove }) } else { Err(faults) }
        }
        None => Err(faults),
    }
}

fn removals(given: &Map<String, Value>, faults: &mut Vec<Fault>) -> Vec<Vec<String>> {
    let mut wrong =
        |at: String| faults.push(Fault::new(at, "a list of JSON pointers: [/spec/nodeSelector, /spec/containers/task/env/NAME]"));
    let pointers = match given.get("remove") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(pointers)) => pointers,
        Some(_) => {
            wrong("/remove".into());
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for (i, pointer) in pointers.iter().enumerate() {
        match pointer.as_str().and_then(steps).filter(|steps| steps.first().is_some_and(|first| first == "spec" || first == "metadata")) {
            Some(steps) => found.push(steps),
            None => wrong(format!("/remove/{i}")),
        }
    }
    found
}

/// Metadata and spec of a document, every container of it with a name.
fn part(given: &Map<String, Value>, unnamed: &str) -> Value {
    let mut template = json!({});
    for field in ["metadata", "spec"] {
        if let Some(value) = given.get(field).filter(|value| !value.is_null()) {
            template[field] = value.clone();
        }
    }
    for container in template.pointer_mut("/spec/containers").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(fields) = container.as_object_mut().filter(|fields| nameless(fields)) {
            fields.insert("name".into(), unnamed.into());
        }
    }
    template
}

fn nameless(container: &Map<String, Value>) -> bool {
    container.get("name").is_none_or(Value::is_null)
}

/// The name by which a document marks the task's container: `task`, or the first one's; none where it has no containers.
/// A container without a name is called `task`.
pub(super) fn marked(document: &Value) -> Option<&str> {
    let containers = document.pointer("/spec/containers")?.as_array()?;
    let names: Vec<&str> = containers.iter().map(|container| container["name"].as_str().unwrap_or(TASK_CONTAINER)).collect();
    names.iter().find(|name| **name == TASK_CONTAINER).or(names.first()).copied()
}

/// Whether a document itself calls a container `task`.
pub(super) fn names_task(document: &Value) -> bool {
    let containers = document.pointer("/spec/containers").and_then(Value::as_array);
    containers.is_some_and(|containers| containers.iter().any(|container| container["name"] == TASK_CONTAINER))
}

/// The typed form, and the same as JSON. A wrong type ends the reading, so there is one fault of that kind at most.
fn typed(template: &Value, faults: &mut Vec<Fault>) -> Option<(PodTemplateSpec, Value)> {
    let mut track = Track::new();
    let mut ignored = Vec::new();
    let reader = serde_path_to_error::Deserializer::new(template, &mut track);
    let read = serde_ignored::deserialize::<_, _, PodTemplateSpec>(reader, |path| ignored.push(ignored_steps(&path)));
    for path in ignored {
        let steps: Vec<&str> = path.iter().map(String::as_str).collect();
        if let Some((last, parent)) = steps.split_last() {
            faults.push(Fault::new(path.iter().fold(String::new(), |at, step| below(&at, step)), unknown(parent, last)));
        }
    }
    match read.and_then(|typed| Ok((serde_json::to_value(&typed)?, typed))) {
        Ok((value, typed)) => Some((typed, value)),
        Err(error) => {
            let at = track.path().iter().fold(String::new(), |at, segment| match segment {
                Segment::Seq { index } => below(&at, index),
                Segment::Map { key } => below(&at, key),
                Segment::Enum { variant } => below(&at, variant),
                Segment::Unknown => at,
            });
            faults.push(Fault::new(at, error.to_string()));
            None
        }
    }
}

fn ignored_steps(path: &Path<'_>) -> Vec<String> {
    let (parent, step) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(index.to_string())),
        Path::Map { parent, key } => (parent, Some(key.clone())),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => (parent, None),
    };
    let mut steps = ignored_steps(parent);
    steps.extend(step);
    steps
}

/// What to say of a field that an object does not have.
fn unknown(parent: &[&str], field: &str) -> String {
    let places: [&[&str]; 2] = [&["spec"], &["spec", "containers", "0"]];
    if let Some(place) = places.iter().find(|place| fields(place).contains(&field)) {
        return format!("unknown field {field:?} here; it belongs into /{}", place.join("/"));
    }
    let known = if parent.is_empty() { &FIELDS } else { fields(parent) };
    match did_you_mean(field, known.iter().copied()) {
        Some(near) => format!("unknown field {field:?}; did you mean {near:?}?"),
        None => format!("unknown field {field:?}"),
    }
}

/// Names what Kubernetes requires and the document does not say. A list of containers may be absent: a layer is a part.
fn missing(at: &str, full: &Value, given: &Value, faults: &mut Vec<Fault>) {
    match (full, given) {
        (Value::Object(full), Value::Object(given)) => {
            for (key, value) in full {
                let at = below(at, key);
                match given.get(key) {
                    Some(given) if !given.is_null() => missing(&at, value, given, faults),
                    _ if at == "/spec/containers" => {}
                    _ => faults.push(Fault::new(at, format!("{key} is required here"))),
                }
            }
        }
        (Value::Array(full), Value::Array(given)) => {
            for (i, (full, given)) in full.iter().zip(given).enumerate() {
                missing(&below(at, i), full, given, faults);
            }
        }
        _ => {}
    }
}
