//! The audit log: each call of a known user that would change something, and nothing else.

use super::{
    access::{call, filled},
    rig::{Rig, Who},
};
use crate::server::{
    access::{ROUTES, audited},
    router::operations,
};
use serde_json::{Value, json};

async fn entries(rig: &Rig, query: &str) -> Vec<Value> {
    let log = rig.get(Who::Admin, format!("/api/v1/audit?limit=1000{query}")).await.expect(200);
    log["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_call_that_would_change_something_leaves_one_entry() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    for (method, path, _) in ROUTES {
        let before = settled(&rig).await;
        // Streams do not end, so the body is not read.
        let reply = call(&rig, method, path, task).bearer(rig.token(Who::Operator)).open().await;
        let new = settled(&rig).await.split_off(before.len());
        if !audited(method, path) || reply.status() == 401 {
            assert_eq!(new, [Value::Null; 0], "{method} {path}");
            continue;
        }
        assert_eq!(new.len(), 1, "{method} {path}: {new:?}");
        let operation = &operations()[&((*method).to_owned(), (*path).to_owned())];
        let (entry, object) = (&new[0], filled(path, task).trim_start_matches("/api/v1/").to_owned());
        assert_eq!((&entry["user"], &entry["action"]), (&json!("olga"), &json!(operation)), "{method} {path}");
        assert_eq!(entry["status"], reply.status().as_u16(), "{method} {path}");
        assert_eq!(entry["requestId"].as_str().unwrap(), reply.headers()["x-request-id"]);
        assert!(object.starts_with(entry["object"].as_str().unwrap()), "{entry} {object}");
    }
}

/// All entries, oldest first, when those of submits have been written, too.
async fn settled(rig: &Rig) -> Vec<Value> {
    // What waits is written before what comes later.
    rig.call("DELETE", "/api/v1/tokens/4711").bearer(rig.token(Who::Admin)).await.problem(404, "TOKEN_NOT_FOUND");
    let mut all = entries(rig, "").await;
    all.retain(|entry| entry["object"] != "tokens/4711");
    all.reverse();
    all
}

#[tokio::test]
async fn entries_name_what_was_made_and_are_found_again() {
    let rig = Rig::new().await;
    let token = rig.post(Who::Admin, "/api/v1/tokens", &json!({"user": "kim", "role": "viewer"})).await.expect(201);
    let task = rig.task().await;
    let batch = json!({"tasks": [{"command": ["true"]}, {"command": ["true"]}]});
    let ids = rig.post(Who::Sue, "/api/v1/tasks:batch", &batch).await.expect(201)["ids"].clone();
    rig.pass(5_000);
    rig.post(Who::Sue, format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.problem(403, "FORBIDDEN");
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.expect(200);
    rig.call("POST", "/api/v1/tasks").json(&json!({"command": ["true"]})).await.problem(401, "UNAUTHENTICATED");

    let told = |entry: &Value| {
        let text = |field: &str| entry[field].as_str().unwrap().to_owned();
        format!("{} {} {} {}", text("user"), text("action"), text("object"), entry["status"])
    };
    let all: Vec<_> = settled(&rig).await.iter().map(told).collect();
    let wanted = [
        format!("ada createToken tokens/{} 201", token["token"]["id"]),
        format!("sam submitTask tasks/{task} 201"),
        format!("sue submitTasks tasks/{}..{} 201", ids[0], ids[1]),
        format!("sue cancelTask tasks/{task} 403"),
        format!("sam cancelTask tasks/{task} 200"),
    ];
    assert_eq!(all, wanted);

    let found = async |query: &str| entries(&rig, query).await.iter().map(told).rev().collect::<Vec<_>>();
    assert_eq!(found(&format!("&object=tasks/{task}")).await, [wanted[1].clone(), wanted[3].clone(), wanted[4].clone()]);
    assert_eq!(found("&user=sue&action=cancelTask").await, [wanted[3].clone()]);
    let at = settled(&rig).await[3]["at"].as_str().unwrap().to_owned();
    assert_eq!(found(&format!("&since={at}&object=tasks")).await, wanted[3..]);
    assert_eq!(found(&format!("&until={at}&object=tasks")).await, wanted[1..3]);
    let problem = rig.get(Who::Admin, "/api/v1/audit?action=cancelTsk").await.problem(422, "VALIDATION_FAILED");
    assert!(problem["detail"].as_str().unwrap().contains("Did you mean \"cancelTask\"?"), "{problem}");

    // Pages and the export tell the same.
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = rig.get(Who::Admin, format!("/api/v1/audit?limit=2{cursor}")).await.expect(200);
        pages.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let lines = rig.get(Who::Admin, "/api/v1/export/audit").await;
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let mut exported: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    exported.reverse();
    assert_eq!(pages, exported);
    assert!(pages.len() >= wanted.len());
}

#[tokio::test]
async fn entries_go_by_age_alone() {
    let rig = Rig::new().await;
    rig.post(Who::Admin, "/api/v1/tokens", &json!({"user": "kim", "role": "viewer"})).await.expect(201);
    rig.pass(399 * 86_400_000);
    crate::server::clockwork::tidy(&rig.app).await;
    assert_eq!(entries(&rig, "&action=createToken").await.len(), 1);
    rig.pass(2 * 86_400_000);
    crate::server::clockwork::tidy(&rig.app).await;
    assert_eq!(entries(&rig, "&action=createToken").await.len(), 0);
}
