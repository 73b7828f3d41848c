//! Every route × who calls it × whose task it is.

use super::{
    own::Own,
    rig::{Rig, Who},
    wires::Call,
};
use crate::{
    domain::Role,
    server::{
        access::{Access, ROUTES},
        openapi,
    },
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every operation of the API document: method, path.
pub(super) fn documented() -> BTreeSet<(String, String)> {
    let document = openapi();
    let methods = |(path, item): (&String, &Value)| {
        let path = path.clone();
        item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    document["paths"].as_object().unwrap().iter().flat_map(methods).collect()
}

#[test]
fn the_table_and_the_document_name_the_same_routes() {
    let table: BTreeSet<_> = ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(table, documented());
    assert_eq!(table.len(), ROUTES.len(), "no route stands twice");
}

/// A path with its parts filled in, for a task of Sam's whose first attempt is live.
pub(super) fn filled(path: &str, task: i64) -> String {
    let name = if path.contains("runners") { "r9" } else { "default" };
    let n = if path.contains("attempts/{task}") { "1" } else { "7" };
    let id = if path.contains("tokens") { "9999".to_owned() } else { task.to_string() };
    path.replace("{id}", &id)
        .replace("{task}", &task.to_string())
        .replace("{n}", n)
        .replace("{name}", name)
        .replace("{queue}", "default")
        .replace("{sha256}", &"0".repeat(64))
}

/// The call with a body that has a fault, so that whoever is let through changes nothing and hears neither 401 nor 403.
pub(super) fn call(rig: &Rig, method: &str, path: &str, task: i64) -> Call {
    let call = rig.call(method, filled(path, task));
    if method == "GET" { call } else { call.json(&json!({"noSuchField": 1})) }
}

#[tokio::test]
async fn every_route_asks_every_caller_for_what_the_table_says() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    for (method, path, access) in ROUTES {
        let anonymous = call(&rig, method, path, task).open().await;
        match access {
            Access::Open => assert!(anonymous.status().is_success(), "{method} {path}"),
            // Whether the attempt is live comes first; without any token there is nobody to answer.
            Access::Role(_) | Access::InQueue(_) | Access::Attempt => {
                assert_eq!(anonymous.status(), 401, "{method} {path}");
                assert_eq!(anonymous.headers()["www-authenticate"], "Bearer", "{method} {path}");
            }
        }
        let (Access::Role(needed) | Access::InQueue(needed)) = access else { continue };
        for who in Who::ALL {
            let response = call(&rig, method, path, task).bearer(rig.token(who)).open().await;
            let status = response.status().as_u16();
            if who.role().includes(*needed) {
                assert!(status != 401 && status != 403, "{method} {path} lets {who:?} in: {status}");
            } else {
                assert_eq!(status, 403, "{method} {path} refuses {who:?}");
                let problem = call(&rig, method, path, task).bearer(rig.token(who)).await.problem(403, "FORBIDDEN");
                assert!(problem["detail"].as_str().unwrap().contains(&format!("needs the role {needed}")), "{problem}");
            }
        }
    }
}

#[tokio::test]
async fn a_task_is_acted_on_by_its_owner_and_by_operators() {
    for who in [Who::Sam, Who::Sue, Who::Operator, Who::Admin] {
        for (verb, body) in [("cancel", json!({})), ("rerun", json!({})), ("move", json!({"to": "front"})), ("", json!({"name": "other"}))]
        {
            let rig = Rig::new().await;
            let task = rig.task().await;
            let path = format!("/api/v1/tasks/{task}{}{verb}", if verb.is_empty() { "" } else { "/" });
            let method = if verb.is_empty() { "PATCH" } else { "POST" };
            let reply = rig.call(method, path).bearer(rig.token(who)).json(&body).await;
            if who == Who::Sue {
                let problem = reply.problem(403, "FORBIDDEN");
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains("belongs to sam") && detail.contains("the role operator"), "{detail}");
                assert_eq!(rig.state(task).await, "queued");
            } else {
                assert!(reply.status.is_success(), "{who:?} {verb}: {}", reply.text());
            }
        }
    }
    // Everybody reads everybody's tasks.
    let rig = Rig::new().await;
    let task = rig.task().await;
    for path in ["", "/attempts", "/log"] {
        rig.get(Who::Sue, format!("/api/v1/tasks/{task}{path}")).await.expect(200);
    }
}

#[tokio::test]
async fn a_token_that_was_revoked_or_has_expired_is_refused_at_once() {
    let rig = Rig::new().await;
    let create = |body: Value| rig.post(Who::Admin, "/api/v1/tokens", &body);
    let made = create(json!({"user": "kim", "role": "viewer"})).await.expect(201);
    let short = create(json!({"user": "kim", "role": "viewer", "expiresInSeconds": 60})).await.expect(201);
    let whoami = |made: &Value| rig.call("GET", "/api/v1/whoami").bearer(made["secret"].as_str().unwrap());
    assert_eq!(whoami(&made).await.expect(200), json!({"user": "kim", "role": "viewer"}));
    whoami(&short).await.expect(200);

    rig.pass(60_000);
    whoami(&short).await.problem(401, "UNAUTHENTICATED");
    let path = format!("/api/v1/tokens/{}", made["token"]["id"]);
    let revoke = || rig.call("DELETE", path.clone()).bearer(rig.token(Who::Admin));
    revoke().await.expect(204);
    let problem = whoami(&made).await.problem(401, "UNAUTHENTICATED");
    assert!(problem["detail"].as_str().unwrap().contains("revoked"), "{problem}");
    revoke().await.expect(204);
    rig.call("DELETE", "/api/v1/tokens/4711").bearer(rig.token(Who::Admin)).await.problem(404, "TOKEN_NOT_FOUND");
}

#[tokio::test]
async fn what_is_no_token_is_refused_in_one_way() {
    let rig = Rig::new().await;
    let good = rig.token(Who::Admin).to_owned();
    let (short, unknown) = (good[..good.len() - 1].to_owned(), format!("slw_{}", "A".repeat(49)));
    for value in
        ["", "Bearer", "Bearer ", &good, &format!("Basic {good}"), &format!("Bearer {short}"), &format!("Bearer {unknown}"), "Bearer ä"]
    {
        let reply = rig.call("GET", "/api/v1/whoami").header("authorization", value).await;
        reply.problem(401, "UNAUTHENTICATED");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{value:?}");
        assert!(!reply.text().contains(&good) && !reply.text().contains("AAAA"), "no answer repeats a token");
    }
    rig.call("GET", "/api/v1/whoami").header("authorization", &format!("bearer {good}")).await.expect(200);
}

#[tokio::test]
async fn the_runner_is_no_user_and_the_admin_no_runner() {
    let rig = Rig::new().await;
    rig.get(Who::Runner, "/api/v1/tasks").await.problem(403, "FORBIDDEN");
    rig.post(Who::Runner, "/api/v1/tasks", &json!({"command": ["true"]})).await.problem(403, "FORBIDDEN");
    rig.post(Who::Admin, "/api/v1/runner/claims", &super::rig::ask(super::rig::INSTANCE, 1)).await.problem(403, "FORBIDDEN");
    assert_eq!(Who::Runner.role(), Role::Runner);
}

#[tokio::test]
async fn an_attempts_token_is_worth_its_own_attempt_alone() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"user": 1}})).await;
    let mut first = rig.running().await;
    rig.task().await;
    let mut other = rig.running().await;
    assert_ne!(other.task, task);

    // Not on another task's attempt, not on a user's route.
    std::mem::swap(&mut first.token, &mut other.token);
    for own in [&first, &other] {
        refused_everywhere(&rig, own, 401, "UNAUTHENTICATED").await;
    }
    std::mem::swap(&mut first.token, &mut other.token);
    for path in ["/api/v1/whoami".to_owned(), format!("/api/v1/tasks/{task}"), format!("/api/v1/tasks/{task}/log"), "/metrics".to_owned()] {
        rig.call("GET", path).bearer(&first.token).await.problem(401, "UNAUTHENTICATED");
    }
    rig.call("GET", "/api/v1/whoami").bearer(&first.start_token).await.problem(401, "UNAUTHENTICATED");
    // Nor is a user's token, or the start token, worth an attempt.
    for token in [rig.token(Who::Admin).to_owned(), rig.token(Who::Runner).to_owned(), first.start_token.clone()] {
        let own = Own { token, ..Own::of(&json!({"task": task, "attempt": 1, "claim": "", "startToken": ""})) };
        refused_everywhere(&rig, &own, 401, "UNAUTHENTICATED").await;
    }

    // Its attempt over, it is worth nothing; nor on the attempt that follows.
    assert_eq!(first.finish(&rig, 1).await.expect(200)["settled"], true);
    rig.pass(600_000);
    rig.tick().await;
    let mut second = rig.running().await;
    assert_eq!((second.task, second.attempt), (task, 2));
    let problem = first.beat(&rig, &json!({"phase": "running"})).await.problem(409, "SUPERSEDED");
    assert_eq!(problem["state"], "active");
    second.token.clone_from(&first.token);
    refused_everywhere(&rig, &second, 401, "UNAUTHENTICATED").await;
    let never = Own { attempt: 9, ..second };
    refused_everywhere(&rig, &never, 404, "ATTEMPT_NOT_FOUND").await;
    let nowhere = Own { task: 4711, ..never };
    refused_everywhere(&rig, &nowhere, 404, "ATTEMPT_NOT_FOUND").await;
}

async fn refused_everywhere(rig: &Rig, own: &Own, status: u16, code: &str) {
    own.beat(rig, &json!({"phase": "running"})).await.problem(status, code);
    own.put(rig, 0, b"forged").await.problem(status, code);
    own.finish(rig, 0).await.problem(status, code);
}
