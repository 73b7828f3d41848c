//! Roles that count in some queues alone: every route × every role × {own task, other's task, other queue}.

use super::{
    access::call,
    rig::{INSTANCE, Rig, Who, ask},
    wires::Frames,
};
use crate::{
    domain::Role,
    server::access::{Access, ROUTES},
};
use serde_json::{Value, json};
use uuid::Uuid;

/// A server with the queues `default` and `other`.
async fn two_queues() -> Rig {
    let rig = Rig::new().await;
    rig.call("PUT", "/api/v1/queues/other").bearer(rig.token(Who::Admin)).json(&json!({})).await.expect(201);
    rig
}

#[tokio::test]
async fn every_route_asks_for_the_role_in_the_queue_that_it_is_about() {
    let rig = two_queues().await;
    let (here, there) = (rig.task().await, rig.submit(Who::Sue, json!({"command": ["true"], "queue": "other"})).await);
    for role in [Role::Viewer, Role::Submitter, Role::Operator, Role::Admin, Role::Runner] {
        let token = rig.token_in("lim", role.as_str(), &["default"]).await;
        for (method, path, access) in ROUTES {
            let told = async |task| call(&rig, method, path, task).bearer(&token).open().await.status().as_u16();
            let (needed, scoped) = match access {
                Access::Role(needed) => (needed, false),
                Access::InQueue(needed) => (needed, true),
                _ => continue,
            };
            let status = told(here).await;
            if !scoped || !role.includes(*needed) {
                assert_eq!(status, 403, "{method} {path} refuses {role} of one queue");
                continue;
            }
            assert!(status != 401 && status != 403, "{method} {path} lets {role} of its queue in: {status}");
            if path.contains("/tasks/{id}") {
                assert_eq!(told(there).await, 404, "{method} {path}: for {role} there is no task of another queue");
            }
            if path.contains("/queues/{name}") {
                let elsewhere = path.replace("{name}", "%6fther").replace("{revision}", "1");
                let reply = rig.call(method, elsewhere).bearer(&token).json(&json!({"noSuchField": 1})).await;
                reply.problem(404, "QUEUE_NOT_FOUND");
            }
        }
    }
}

#[tokio::test]
async fn a_viewer_of_all_acts_where_its_other_role_counts() {
    let issuer: crate::domain::Rights = crate::domain::Rights::of(vec![
        crate::domain::Grant { role: Role::Viewer, queues: None },
        crate::domain::Grant { role: Role::Operator, queues: Some(vec!["oth*".to_owned()]) },
    ])
    .unwrap();
    let queue = |name: &str| name.parse().unwrap();
    assert!(issuer.include_in(Role::Operator, &queue("other")) && !issuer.include_in(Role::Operator, &queue("default")));

    // By tokens: a viewer of `other` meets its tasks, and may not act on them.
    let rig = two_queues().await;
    let there = rig.submit(Who::Sue, json!({"command": ["true"], "queue": "other"})).await;
    let viewer = rig.token_in("vic", "viewer", &["oth*"]).await;
    let seen = rig.call("GET", format!("/api/v1/tasks/{there}")).bearer(&viewer).await.expect(200);
    assert_eq!(seen["queue"], "other");
    let refused = rig.call("POST", format!("/api/v1/tasks/{there}/cancel")).bearer(&viewer).json(&json!({})).await;
    refused.problem(403, "FORBIDDEN");
    // An operator there acts on anybody's.
    let operator = rig.token_in("ole", "operator", &["other"]).await;
    rig.call("POST", format!("/api/v1/tasks/{there}/cancel")).bearer(&operator).json(&json!({})).await.expect(200);
    let me = rig.call("GET", "/api/v1/whoami").bearer(&operator).await.expect(200);
    assert_eq!(me, json!({"user": "ole", "role": "operator", "grants": [{"role": "operator", "queues": ["other"]}]}));
}

#[tokio::test]
async fn lists_and_streams_show_the_queues_of_the_caller_alone() {
    let rig = two_queues().await;
    let token = rig.token_in("lim", "submitter", &["default"]).await;
    let get = |path: &str| rig.call("GET", path).bearer(&token);
    let stream = get("/api/v1/events?after=0&topics=task,queue").open().await;
    let (here, there) = (rig.task().await, rig.submit(Who::Sam, json!({"command": ["true"], "queue": "other"})).await);

    let ids = |list: &Value| list["items"].as_array().unwrap().iter().map(|task| task["id"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids(&get("/api/v1/tasks").await.expect(200)), [here]);
    assert_eq!(ids(&get("/api/v1/tasks?queue=other,default").await.expect(200)), [here]);
    assert_eq!(ids(&get("/api/v1/tasks?queue=other").await.expect(200)), [0i64; 0]);
    let queues = get("/api/v1/queues").await.expect(200);
    let names: Vec<_> = queues["items"].as_array().unwrap().iter().map(|queue| queue["name"].clone()).collect();
    assert_eq!(names, ["default"]);

    let mut frames = Frames::of(stream);
    let first = frames.next().await.unwrap();
    assert_eq!((first.event.as_str(), &first.data["data"]["queue"]), ("queue.applied", &json!("default")), "{first:?}");
    let next = frames.next().await.unwrap();
    assert_eq!((next.event.as_str(), &next.data["task"]), ("task.submitted", &json!(here)), "{next:?}");
    assert!(frames.is_quiet().await);
    get(&format!("/api/v1/events?task={there}")).await.problem(404, "TASK_NOT_FOUND");

    // Nor does a submit reach into another queue, by name or by what it waits for.
    let submit = |body: Value| rig.call("POST", "/api/v1/tasks").bearer(&token).json(&body);
    for queue in ["other", "othr"] {
        let problem = submit(json!({"command": ["true"], "queue": queue})).await.problem(404, "QUEUE_NOT_FOUND");
        assert_eq!(problem["detail"], format!("No queue {queue:?}."), "no other queue is suggested");
    }
    let waits = json!({"command": ["true"], "dependsOn": {"afterAny": [there]}});
    let problem = submit(waits).await.problem(422, "VALIDATION_FAILED");
    assert!(problem["detail"].as_str().unwrap().contains(&format!("no task {there}")), "{problem}");
    submit(json!({"command": ["true"], "dependsOn": {"afterAny": [here]}})).await.expect(201);
    let batch = json!({"tasks": [{"command": ["true"]}, {"command": ["true"], "queue": "other"}]});
    let reply = rig.call("POST", "/api/v1/tasks:batch").bearer(&token).json(&batch).await;
    assert_eq!(reply.problem(404, "QUEUE_NOT_FOUND")["errors"][0]["pointer"], "/tasks/1/queue");
}

#[tokio::test]
async fn a_runner_of_some_queues_claims_from_them_alone() {
    let rig = two_queues().await;
    let token = rig.token_in("rune", "runner", &["oth*"]).await;
    rig.register("r1", INSTANCE).await.expect(200);
    let (here, there) = (rig.task().await, rig.submit(Who::Sam, json!({"command": ["true"], "queue": "other"})).await);
    let claim = async |token: &str, n: u128| {
        let reply = rig.call("POST", "/api/v1/runner/claims").bearer(token).json(&ask(Uuid::from_u128(n), 10)).await.expect(200);
        reply["items"].as_array().unwrap().iter().map(|item| item["task"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(claim(&token, 1).await, [there]);
    assert_eq!(claim(&token, 2).await, [0i64; 0]);
    assert_eq!(claim(rig.token(Who::Runner), 3).await, [here]);
    // What the same runner holds of other queues is not shown to it.
    let holds = rig.call("GET", format!("/api/v1/runner/holds?runner=r1&instance={INSTANCE}")).bearer(&token).await.expect(200);
    let held: Vec<_> = holds["items"].as_array().unwrap().iter().map(|hold| hold["task"].clone()).collect();
    assert_eq!(held, [there]);
}
