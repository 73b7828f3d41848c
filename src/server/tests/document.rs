//! The API document: what it promises is kept, and each change of it shows in review.

use crate::{
    domain::{FailureClass, Phase, Priority, Reason, Role, StoppedBy, TaskState},
    server::{
        access::{self, Access},
        openapi,
    },
    wire::ProblemCode,
};
use serde::Serialize;
use serde_json::Value;
use std::{collections::HashSet, fs, path::Path};

/// Every operation: method, path, itself.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| {
        let path = path.clone();
        item.as_object().unwrap().iter().map(move |(m, op)| (m.to_uppercase(), path.clone(), op.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

/// `docs/openapi.json` is the document as it is published.
#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let now = serde_json::to_string_pretty(&openapi()).unwrap() + "\n";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if fs::read_to_string(root.join("docs/openapi.json")).unwrap_or_default() != now {
        let fresh = std::env::temp_dir().join("slipway-openapi.json");
        fs::write(&fresh, now).unwrap();
        panic!("docs/openapi.json is stale; look at the difference, then: cp {} docs/openapi.json", fresh.display());
    }
}

/// One line per operation, for eyes: a changed name breaks generated clients.
#[test]
fn operations_keep_their_names() {
    let document = openapi();
    let mut lines: Vec<String> = operations(&document)
        .iter()
        .map(|(method, path, op)| {
            let statuses: Vec<_> = op["responses"].as_object().unwrap().keys().map(String::as_str).filter(|s| *s != "default").collect();
            let access = match access::of(method, path) {
                Some(Access::Role(role)) => role.to_string(),
                Some(Access::InQueue(role)) => format!("{role}, by queue"),
                Some(Access::Open) => "open".into(),
                Some(Access::Attempt) => "attempt".into(),
                None => "nobody".into(),
            };
            format!("{:<18} {method:<6} {path:<45} {access:<19} {}", op["operationId"].as_str().unwrap(), statuses.join(" "))
        })
        .collect();
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_operation_says_what_it_does_who_may_and_how_it_fails() {
    let document = openapi();
    let mut ids = HashSet::new();
    for (method, path, op) in operations(&document) {
        let at = format!("{method} {path}");
        let id = op["operationId"].as_str().unwrap_or_default().to_owned();
        assert!(!id.is_empty() && ids.insert(id.clone()), "{at}: operationId {id:?}");
        let said = op["summary"].as_str().or(op["description"].as_str()).unwrap_or_default();
        assert!(said.len() > 7, "{at}: a description");
        for (status, response) in op["responses"].as_object().unwrap() {
            assert!(!response["description"].as_str().unwrap_or_default().is_empty(), "{at} {status}: a description");
            if status.starts_with(['4', '5', 'd']) {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{at} {status}");
            }
        }
        let access = access::of(&method, &path).unwrap();
        let has = |status: &str| op["responses"].get(status).is_some();
        assert!(has("default"), "{at}: any other failure");
        assert_eq!(has("401"), access != Access::Open, "{at}: 401");
        assert_eq!(has("403"), matches!(access, Access::Role(_) | Access::InQueue(_)), "{at}: 403");
        let open = op["security"] == serde_json::json!([]) || op["security"] == serde_json::json!([{}]);
        assert_eq!(open, access == Access::Open, "{at}: security {}", op["security"]);
        for parameter in op["parameters"].as_array().into_iter().flatten() {
            let said = parameter["description"].as_str().unwrap_or_default();
            assert!(parameter["in"] == "path" || !said.is_empty(), "{at}: parameter {} says what it is", parameter["name"]);
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut HashSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(to)) = fields.get("$ref") {
                    found.insert(to.clone());
                }
                fields.values().for_each(|v| references(v, found));
            }
            Value::Array(items) => items.iter().for_each(|v| references(v, found)),
            _ => {}
        }
    }
    let document = openapi();
    let mut found = HashSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for to in found {
        assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
    }
}

/// The document shows the words that travel, not the names of our variants.
#[test]
fn enumerations_are_the_words_on_the_wire() {
    fn words<T: Serialize>(all: &[T]) -> Vec<Value> {
        all.iter().map(|word| serde_json::to_value(word).unwrap()).collect()
    }
    let document = openapi();
    for (name, words) in [
        ("ProblemCode", words(ProblemCode::ALL)),
        ("TaskState", words(TaskState::ALL)),
        ("Phase", words(Phase::ALL)),
        ("Priority", words(Priority::ALL)),
        ("FailureClass", words(FailureClass::ALL)),
        ("Reason", words(Reason::ALL)),
        ("Role", words(Role::ALL)),
        ("StoppedBy", words(StoppedBy::ALL)),
    ] {
        let documented = document["components"]["schemas"][name]["enum"].as_array().unwrap();
        assert!(words.iter().all(|word| documented.contains(word)), "{name}: {documented:?}");
    }
}

/// Bodies that people write by hand come with an example that the server takes.
#[tokio::test]
async fn the_examples_work() {
    let document = openapi();
    let mut tried = 0;
    for (method, path, op) in operations(&document) {
        let content = &op["requestBody"]["content"]["application/json"];
        let Some(example) = content.get("example") else {
            let by_hand = !path.contains("/runner") && !path.contains("/attempts/") && content.is_object();
            assert!(!by_hand, "{method} {path}: an example");
            continue;
        };
        let rig = super::rig::Rig::new().await;
        let mut id = rig.task().await;
        if path.contains("{n}") {
            id = rig.running().await.task;
        }
        let path = path.replace("{id}", &id.to_string()).replace("{n}", "1").replace("{name}", "default");
        let reply = rig.call(&method, path.clone()).bearer(rig.token(super::rig::Who::Admin)).json(example).await;
        assert!(reply.status.is_success(), "{method} {path}: {}", reply.text());
        tried += 1;
    }
    assert!(tried >= 5, "{tried}");
}
