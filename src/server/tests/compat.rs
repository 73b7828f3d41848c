//! Programs of another version: what agents, runners and users of each version sent, and what they were answered, as it was recorded
//! (`tests/compat/VERSION.json`). Today's server must take those requests and answer all that it answered then; today's programs
//! must be able to read the answers of then.
//!
//! A file of a version that is out never changes. That of the present one is written anew, to be looked at and committed, when it
//! does not hold: what is added is no break, and what is taken away is.

use super::rig::{Rig, Who};
use crate::{
    store::{DatabaseCopy, Site, testing::on_postgres},
    wire,
};
use serde_json::{Map, Value, json};
use std::{fmt::Write, fs, path::Path};

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/compat");

/// Whether a value is one of a type, and what that type makes of it when it is sent again.
fn read(kind: &str, value: &Value) -> Result<Value, String> {
    macro_rules! kinds {
        ($($name:ident),+) => {
            match kind {
                $(stringify!($name) => {
                    let read: wire::$name = serde_json::from_value(value.clone()).map_err(|e| format!("{kind}: {e}"))?;
                    serde_json::to_value(read).map_err(|e| e.to_string())
                })+
                other => Err(format!("no type {other}")),
            }
        };
    }
    kinds!(
        NewTask,
        Task,
        TaskList,
        AttemptList,
        EventList,
        Why,
        RegisterRequest,
        RegisterResponse,
        ClaimRequest,
        ClaimResponse,
        RunnerBeatRequest,
        RunnerBeatResponse,
        Holds,
        CheckRequest,
        CheckResponse,
        ReportRequest,
        ReportResponse,
        StartRequest,
        StartResponse,
        HeartbeatRequest,
        HeartbeatResponse,
        Notes,
        LogAck,
        FinishRequest,
        FinishResponse,
        CancelRequest,
        NewQueue,
        Queue,
        NewToken,
        CreatedToken,
        Problem
    )
}

/// What stands at `${step.field.0}` in the answers so far.
fn found(place: &str, answers: &Map<String, Value>) -> Value {
    let mut parts = place.split('.');
    let mut value = &answers[parts.next().unwrap()];
    for part in parts {
        value = part.parse::<usize>().map_or_else(|_| &value[part], |nth| &value[nth]);
    }
    assert!(!value.is_null(), "${{{place}}} is nothing");
    value.clone()
}

/// A value with the answers so far put in.
fn filled(value: &Value, answers: &Map<String, Value>) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            Some(place) if !place.contains("${") => found(place, answers),
            _ => {
                let mut whole = String::new();
                let mut pieces = text.split("${");
                whole.push_str(pieces.next().unwrap());
                for piece in pieces {
                    let (place, rest) = piece.split_once('}').unwrap();
                    let value = found(place, answers);
                    write!(whole, "{}{rest}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap();
                }
                Value::String(whole)
            }
        },
        Value::Array(items) => items.iter().map(|item| filled(item, answers)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), filled(field, answers))).collect(),
        other => other.clone(),
    }
}

/// What was answered then and is not now, by place; values may differ, but not what they are.
fn missing(then: &Value, now: &Value, at: &str, into: &mut Vec<String>) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            for (name, value) in then {
                match now.get(name) {
                    Some(other) => missing(value, other, &format!("{at}/{name}"), into),
                    None => into.push(format!("{at}/{name} is gone")),
                }
            }
        }
        (Value::Array(then), Value::Array(now)) => match (then.first(), now.first()) {
            (Some(then), Some(now)) => missing(then, now, &format!("{at}/0"), into),
            (Some(_), None) => into.push(format!("{at} is empty")),
            (None, _) => {}
        },
        (Value::Null, _)
        | (Value::String(_), Value::String(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_)) => {}
        (then, now) => into.push(format!("{at} was {then} and is {now}")),
    }
}

/// The same with nothing in it that looks like a token.
fn without_secrets(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("slw") => json!("a token"),
        Value::Array(items) => items.iter().map(without_secrets).collect(),
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), without_secrets(field))).collect(),
        other => other.clone(),
    }
}

/// Plays a recording against today's server; what does not hold, and the recording as it would be made today.
async fn played(rig: &Rig, recording: &Value) -> (Vec<String>, Value) {
    let mut answers = Map::new();
    let (mut faults, mut anew) = (Vec::new(), Vec::new());
    for step in recording["steps"].as_array().unwrap() {
        let name = step["name"].as_str().unwrap();
        let token = match step["as"].as_str().unwrap() {
            "sam" => rig.token(Who::Sam).to_owned(),
            "admin" => rig.token(Who::Admin).to_owned(),
            "runner" => rig.token(Who::Runner).to_owned(),
            other => filled(&json!(other), &answers).as_str().unwrap().to_owned(),
        };
        let path = filled(&step["path"], &answers);
        let mut call = rig.call(step["method"].as_str().unwrap(), path.as_str().unwrap()).bearer(&token);
        if let Some(kind) = step["sends"].as_str() {
            let body = filled(&step["body"], &answers);
            match read(kind, &body) {
                Ok(again) if again == body || recording["version"] != env!("CARGO_PKG_VERSION") => {}
                Ok(again) => faults.push(format!("{name}: today's program sends {again}, not {body}")),
                Err(error) => faults.push(format!("{name}: {error}")),
            }
            call = call.json(&body);
        } else if let Some(text) = step["text"].as_str() {
            call = call.body(text.to_owned());
        }
        let reply = call.await;
        let now = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        if Some(u64::from(reply.status.as_u16())) != step["status"].as_u64() {
            faults.push(format!("{name}: {} in place of {}: {now}", reply.status.as_u16(), step["status"]));
        }
        missing(&step["answer"], &now, name, &mut faults);
        if step["answer"].is_null() && !now.is_null() {
            faults.push(format!("{name}: its answer is not recorded"));
        }
        if let Some(kind) = step["gets"].as_str() {
            // What was answered then, and what is answered now, are both read by today's programs.
            for answer in [&step["answer"], &now] {
                faults.extend(read(kind, answer).err().map(|error| format!("{name}: {error}")));
            }
        }
        let mut fresh = step.clone();
        fresh["answer"] = without_secrets(&now);
        anew.push(fresh);
        answers.insert(name.to_owned(), now);
    }
    (faults, json!({"version": recording["version"], "steps": anew}))
}

#[tokio::test]
async fn programs_of_each_version_are_served_and_understood() {
    let mut versions = 0;
    for entry in fs::read_dir(DIR).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        versions += 1;
        let recording: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let rig = Rig::new().await;
        let (faults, fresh) = played(&rig, &recording).await;
        if recording["version"] == env!("CARGO_PKG_VERSION") && !on_postgres() {
            let _ = fs::remove_file("/tmp/slipway-compat.db");
            let file = rig.dir.path().join("slipway.db");
            DatabaseCopy::make(Site::File(&file), Path::new("/tmp/slipway-compat.db"), &mut |_| {}).await.unwrap();
        }
        let told = if recording["version"] == env!("CARGO_PKG_VERSION") {
            fs::write("/tmp/slipway-compat.json", format!("{fresh:#}\n")).unwrap();
            "; where it is right: cp /tmp/slipway-compat.json over it"
        } else {
            "; that version is out, so the server is wrong"
        };
        assert!(faults.is_empty(), "{}{told}:\n{}", file.display(), faults.join("\n"));
    }
    assert!(versions >= 1 && Path::new(DIR).join(concat!(env!("CARGO_PKG_VERSION"), ".json")).exists(), "this version has a recording");
}

/// The database that a version left behind, after the exchanges of its recording.
#[tokio::test]
async fn databases_of_each_version_open_and_are_read() {
    // No version before this one wrote to Postgres.
    if on_postgres() {
        return;
    }
    for entry in fs::read_dir(DIR).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "db") {
            continue;
        }
        let rig = Rig::over(&file).await;
        // Its users' tokens are unknown; an admin is as good.
        let list = rig.get(Who::Admin, "/api/v1/tasks").await.expect(200);
        let states: Vec<_> = list["items"].as_array().unwrap().iter().map(|task| task["state"].clone()).collect();
        assert_eq!(states, ["cancelled", "succeeded"], "{}", file.display());
        let task = rig.get(Who::Admin, "/api/v1/tasks/1").await.expect(200);
        assert_eq!((&task["notes"]["results"]["acc"], &task["queue"]), (&json!(0.79), &json!("gpu")), "{task}");
        rig.get(Who::Admin, "/api/v1/queues/gpu").await.expect(200);
        rig.post(Who::Sam, "/api/v1/tasks", &json!({"command": ["true"], "queue": "gpu"})).await.expect(201);
    }
}

#[test]
fn what_is_taken_away_is_found() {
    let gone = |then: Value, now: Value| {
        let mut faults = Vec::new();
        missing(&then, &now, "", &mut faults);
        faults
    };
    assert_eq!(gone(json!({"a": [{"b": 1}]}), json!({"a": [{"b": 2, "c": 3}], "d": 4})), [""; 0]);
    assert_eq!(gone(json!({"a": [{"b": 1}]}), json!({"a": [{}]})), ["/a/0/b is gone"]);
    assert_eq!(gone(json!({"a": 1}), json!({"a": "1"})), ["/a was 1 and is \"1\""]);
    assert_eq!(gone(json!({"a": [1]}), json!({"a": []})), ["/a is empty"]);
}
