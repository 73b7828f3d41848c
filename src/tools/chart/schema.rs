//! The schema of the values.

use super::{
    kubernetes::{self, PLACE},
    values::Key,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Parts that no type of the code says.
const PARTS: &str = include_str!("parts.json");
/// Where the API document keeps its types, and where they stand here.
const PLACES: [&str; 2] = ["#/components/schemas/", "#/$defs/api/"];

/// The schema of values with these keys. `foreign` is what is known of the keys of others, `document` the API's, `fields` the table of
/// Kubernetes.
pub(super) fn of(keys: &[Key], foreign: &Value, document: &Value, fields: &Value) -> Result<Value> {
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of the chart slipway",
        "type": "object",
        "additionalProperties": false,
        "properties": {},
    });
    for key in keys {
        put(&mut root, key).with_context(|| key.path.join("."))?;
    }
    let theirs = of_foreign(foreign, fields);
    for (key, schema) in theirs {
        let properties = root["properties"].as_object_mut().context("properties")?;
        ensure!(!properties.contains_key(&key), "{key} is a key of ours and of others");
        properties.insert(key, schema);
    }
    let mut parts: Map<String, Value> = serde_json::from_str(PARTS)?;
    parts.insert("clearmlQueue".into(), clearml_queue(foreign, fields));
    parts.insert("api".into(), api(document, ["NewQueue"].map(str::to_owned).into()));
    parts["api"]["NewQueue"]["properties"]["podTemplate"] = json!({"$ref": "#/$defs/podTemplate"});
    root["$defs"] = Value::Object(parts);
    let mut named = BTreeSet::new();
    references(&root, PLACE, &mut named);
    root["$defs"]["kubernetes"] = Value::Object(kubernetes::definitions(fields, named));
    Ok(root)
}

/// Puts a key where it belongs.
fn put(root: &mut Value, key: &Key) -> Result<()> {
    let (last, above) = key.path.split_last().context("a key has a name")?;
    let mut at = root;
    for step in above {
        at = at["properties"].get_mut(step).with_context(|| format!("{step} holds nothing"))?;
    }
    let own = if let Some(meaning) = &key.meaning {
        value(&key.default, &key.schema, meaning)?
    } else {
        let mut holder = json!({"type": "object", "additionalProperties": false, "properties": {}});
        for (name, value) in key.schema.as_object().into_iter().flatten() {
            holder[name] = value.clone();
        }
        holder
    };
    at["properties"][last] = own;
    Ok(())
}

/// What a value may be: of the kind of its default, and what its comment says.
fn value(default: &Value, said: &Value, meaning: &str) -> Result<Value> {
    let kind = match default {
        Value::Null => None,
        Value::Bool(_) => Some("boolean"),
        Value::Number(_) => Some("integer"),
        Value::String(_) => Some("string"),
        Value::Array(_) => Some("array"),
        Value::Object(_) => Some("object"),
    };
    let mut own = json!({"description": meaning});
    if let Some(kind) = kind.filter(|_| said.get("$ref").is_none() && said.get("enum").is_none()) {
        own["type"] = kind.into();
    }
    let fields = said.as_object().context("a schema is an object")?;
    ensure!(kind.is_some() || fields.contains_key("type"), "it is null, so @schema has to say its type");
    fields.iter().for_each(|(name, value)| own[name] = value.clone());
    Ok(own)
}

/// The names of a map.
fn names(map: &Value) -> impl Iterator<Item = &String> {
    map.as_object().into_iter().flatten().map(|(name, _)| name)
}

/// An object with these keys and no other, each anything.
fn only<'k>(keys: impl IntoIterator<Item = &'k str>) -> Value {
    let properties: Map<String, Value> = keys.into_iter().map(|key| (key.to_owned(), json!(true))).collect();
    json!({"type": ["object", "null"], "additionalProperties": false, "properties": properties})
}

/// The roots of others' values. What lies deeper is judged by the readers of those formats.
fn of_foreign(foreign: &Value, fields: &Value) -> Map<String, Value> {
    let mut roots: Map<String, Value> = Map::new();
    for key in names(&foreign["clearml"]["root"]).chain(names(&foreign["launch"]["root"])) {
        roots.insert(key.clone(), json!(true));
    }
    let mut glue = only(names(&foreign["clearml"]["glue"]).map(String::as_str));
    glue["properties"]["queues"] = json!({"type": ["object", "array", "null"], "additionalProperties": {"$ref": "#/$defs/clearmlQueue"}});
    glue["properties"]["basePodTemplate"] = template(foreign, fields);
    roots.insert("agentk8sglue".into(), glue);
    roots.insert("agent".into(), only(names(&foreign["launch"]["agent"]).map(String::as_str)));
    for key in ["launchConfig", "agentConfig"] {
        let mut file = only(names(&foreign["launch"]["file"]).map(String::as_str));
        file["type"] = json!(["object", "string", "null"]);
        roots.insert(key.into(), file);
    }
    roots.insert("additionalTargetNamespaces".into(), json!({"type": ["array", "null"], "items": {"$ref": "#/$defs/namespace"}}));
    roots
}

/// Flat keys of ClearML's: fields of a pod, and some of its own.
fn template(foreign: &Value, fields: &Value) -> Value {
    let own = foreign["clearml"]["template"].as_array().into_iter().flatten().filter_map(Value::as_str);
    only(names(&fields["types"]["PodSpec"]["fields"]).map(String::as_str).chain(own))
}

fn clearml_queue(foreign: &Value, fields: &Value) -> Value {
    let mut queue = only(["enabled"]);
    queue["properties"]["templateOverrides"] = template(foreign, fields);
    let settings = foreign["clearml"]["settings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    queue["properties"]["queueSettings"] = only(settings);
    queue
}

/// The types of the API document that some names need, with their places changed to those here.
fn api(document: &Value, mut wanted: BTreeSet<String>) -> Value {
    let mut all = Map::new();
    while let Some(name) = wanted.pop_first() {
        let mut schema = document["components"]["schemas"][&name].clone();
        let mut more = BTreeSet::new();
        references(&schema, PLACES[0], &mut more);
        moved(&mut schema);
        all.insert(name, schema);
        wanted.extend(more.into_iter().filter(|name| !all.contains_key(name)));
    }
    Value::Object(all)
}

/// The names below a place that a schema refers to.
fn references(schema: &Value, place: &str, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix(place)).map(str::to_owned));
            fields.values().for_each(|inner| references(inner, place, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| references(inner, place, found)),
        _ => {}
    }
}

fn moved(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // Formats of numbers are none of the standard's, and a description beside would be read by nobody.
            fields.remove("format");
            if let Some(Value::String(at)) = fields.get_mut("$ref") {
                *at = at.replace(PLACES[0], PLACES[1]);
            }
            fields.values_mut().for_each(moved);
        }
        Value::Array(items) => items.iter_mut().for_each(moved),
        _ => {}
    }
}
