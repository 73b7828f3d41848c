//! The API document: what the routes say of themselves, completed by what holds for all of them.

use super::access::{self, Access};
use crate::wire::limits;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// Bodies that people write by hand, by operation.
fn examples() -> [(&'static str, Value); 15] {
    [
        ("submitTask", json!({"command": ["python", "train.py", "--lr", "3e-4"], "name": "train", "resources": {"gpus": 0}})),
        ("submitTasks", json!({"tasks": [{"command": ["python", "train.py", "--seed", "1"]}, {"script": "#!/bin/sh\necho hello\n"}]})),
        ("patchTask", json!({"priority": "high", "labels": {"team": "vision", "draft": null}})),
        ("cancelTask", json!({})),
        ("rerunTask", json!({})),
        ("moveTask", json!({"to": "front"})),
        ("boostTask", json!({"boost": true})),
        ("abandonAttempt", json!({"reason": "the node burnt down"})),
        (
            "applyQueue",
            json!({"description": "short jobs", "defaults": {"timeoutSeconds": 3600}, "limits": {"maxRunningPerUser": 4, "logBytes": 67_108_864}}),
        ),
        ("pauseQueue", json!({"reason": "moving racks until noon"})),
        ("drainQueue", json!({"reason": "gone by Friday; use gpu-h100"})),
        ("renderQueue", json!({"task": {"command": ["python", "train.py"]}})),
        ("applyBudget", json!({"resource": "gpus", "max": 8})),
        ("rotateToken", json!({"overlapSeconds": 604_800})),
        ("createToken", json!({"user": "kim", "role": "submitter", "expiresInSeconds": 2_592_000})),
    ]
}

/// Request headers, by operation.
const HEADERS: &[(&str, &str, &str)] = &[
    ("submitTask", "Idempotency-Key", IDEMPOTENCY),
    ("submitTasks", "Idempotency-Key", IDEMPOTENCY),
    ("rerunTask", "Idempotency-Key", IDEMPOTENCY),
    ("getQueue", "If-None-Match", "An ETag that the caller has; where it is the present one, the answer is 304."),
    ("applyQueue", "If-Match", "The ETag that the queue must have; `*`: it must exist."),
    ("applyQueue", "If-None-Match", "`*`: the queue must not exist yet."),
    ("deleteQueue", "If-Match", "The ETag that the queue must have."),
    ("getBudget", "If-None-Match", "An ETag that the caller has; where it is the present one, the answer is 304."),
    ("applyBudget", "If-Match", "The ETag that the budget must have; `*`: it must exist."),
    ("applyBudget", "If-None-Match", "`*`: the budget must not exist yet."),
    ("deleteBudget", "If-Match", "The ETag that the budget must have."),
    ("watchEvents", "Last-Event-ID", "Goes on after this event."),
    ("getLog", "Last-Event-ID", "Goes on after this place, `attempt:next`; with `Accept: text/event-stream`."),
    ("getLog", "Range", "One range of bytes; without `follow`, `offset` and `limit`."),
];
const IDEMPOTENCY: &str = "1 to 255 visible ASCII characters, kept for a day. A repeat with the same key and body gets the first answer, \
    marked `Idempotent-Replayed: true`; with another body it gets 422.";

/// Operations that take a body and do not need it.
const OPTIONAL_BODIES: &[&str] = &["cancelTask", "drainQueue", "pauseQueue", "renderQueue", "rerunTask", "rotateToken"];

/// Completes the document: who may call, how it fails, examples, headers.
pub(super) fn complete(mut document: Value) -> Value {
    let examples = examples();
    for (path, item) in fields(&mut document["paths"]) {
        for (method, operation) in fields(item) {
            let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
            let access = access::of(&method.to_uppercase(), path);
            if access == Some(Access::Open) {
                operation["security"] = json!([]);
            }
            failures(&mut operation["responses"], access);
            if let Some((_, example)) = examples.iter().find(|(of, _)| *of == id) {
                operation["requestBody"]["content"]["application/json"]["example"] = example.clone();
            }
            if OPTIONAL_BODIES.contains(&id.as_str()) {
                operation["requestBody"]["required"] = false.into();
            }
            for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
                grammar(parameter, path);
            }
            for (_, name, description) in HEADERS.iter().filter(|(of, ..)| *of == id) {
                header(operation, name, description);
            }
        }
    }
    whole_numbers(&mut document["paths"]);
    whole_numbers(&mut document["components"]);
    document
}

/// Numbers without a sign, as they are: the generator gives them the formats of signed ones, which end halfway.
fn whole_numbers(value: &mut Value) {
    let (format, maximum) = match value.get("format").and_then(Value::as_str) {
        Some("int32") => ("uint32", u64::from(u32::MAX)),
        Some("int64") => ("uint64", u64::MAX),
        _ => ("", 0),
    };
    if maximum > 0 && value.get("minimum").and_then(Value::as_i64) == Some(0) {
        value["format"] = format.into();
        if value.get("maximum").is_none() {
            value["maximum"] = maximum.into();
        }
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        _ => {}
    }
}

/// What the type of a parameter does not say: how names, sums and numbers of rows are written.
fn grammar(parameter: &mut Value, path: &str) {
    let name = parameter["name"].as_str().unwrap_or_default().to_owned();
    let schema = &mut parameter["schema"];
    let of_queues = ["/api/v1/queues/", "/api/v1/export/", "/api/v1/usage"].iter().any(|of| path.starts_with(of));
    match name.as_str() {
        "sha256" => schema["pattern"] = "^[0-9a-f]{64}$".into(),
        "name" if of_queues || path.starts_with("/api/v1/runners/") || path.starts_with("/api/v1/budgets/") => {
            schema["pattern"] = NAME.into();
        }
        "by" => schema["pattern"] = "^((user|queue),)*(user|queue|label:[A-Za-z0-9._/-]{1,317})(,(user|queue))*$".into(),
        // An attempt has one pod.
        "member" => schema["maximum"] = 0.into(),
        "runner" if of_queues || path.starts_with("/api/v1/runner/") => schema["pattern"] = NAME.into(),
        "cursor" if path == "/api/v1/tasks" => schema["pattern"] = "^[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$".into(),
        "cursor" => schema["pattern"] = "^[0-9]{1,18}$".into(),
        "queue" if of_queues || path.starts_with("/api/v1/runners/") => schema["pattern"] = NAME.into(),
        "limit" if ["/api/v1/tasks", "/api/v1/tasks/{id}/events", "/api/v1/audit"].contains(&path) => {
            schema["minimum"] = 1.into();
            schema["maximum"] = limits::MAX_PAGE.into();
        }
        _ => {}
    }
}

/// A legal name of a queue or a runner.
const NAME: &str = "^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$";

/// Every answer has a description; every failure is a problem document.
fn failures(responses: &mut Value, access: Option<Access>) {
    let needed: &[&str] = match access {
        Some(Access::Role(_) | Access::InQueue(_)) => &["401", "403", "429", "default"],
        Some(Access::Attempt) => &["401", "429", "default"],
        _ => &["429", "default"],
    };
    for status in needed {
        if responses.get(status).is_none() {
            responses[*status] = json!({});
        }
    }
    for (status, response) in fields(responses) {
        let known = status.parse().ok().and_then(|n| StatusCode::from_u16(n).ok());
        let description = known.and_then(|s| s.canonical_reason()).unwrap_or("Any other failure");
        if response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = description.into();
        }
        if known.is_none_or(|s| s.is_client_error() || s.is_server_error()) {
            response["content"] = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
        }
    }
}

fn header(operation: &mut Value, name: &str, description: &str) {
    if operation["parameters"].is_null() {
        operation["parameters"] = json!([]);
    }
    let Value::Array(parameters) = &mut operation["parameters"] else { return };
    parameters.retain(|p| p["name"] != name);
    let schema = match name {
        "Idempotency-Key" => json!({"type": "string", "minLength": 1, "maxLength": limits::MAX_IDEMPOTENCY_KEY, "pattern": "^[!-~]+$"}),
        "Last-Event-ID" => json!({"type": "string", "pattern": "^[0-9]{1,18}(:[0-9]{1,18})?$"}),
        _ => json!({"type": "string"}),
    };
    parameters.push(json!({"name": name, "in": "header", "required": false, "description": description, "schema": schema}));
}

fn fields(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flat_map(Map::iter_mut)
}
