//! Everything that can be wrong with a request, whoever finds it: one shape of answer, and nothing stored.

use super::rig::{INSTANCE, Rig, Who, ask};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

async fn submit(rig: &Rig, body: &Value) -> Value {
    rig.post(Who::Sam, "/api/v1/tasks", body).header("x-request-id", "test-1").await.problem(422, "VALIDATION_FAILED")
}

async fn nothing_is_stored(rig: &Rig) {
    assert_eq!(rig.get(Who::Viewer, "/api/v1/tasks").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_route_that_is_not_there() {
    let rig = Rig::new().await;
    for path in ["/nope", "/api/v1/nope", "/api/v2/tasks", "/api/v1/tasks/1/nope", "/api/v1/tasks/", "//"] {
        let problem = rig.get(Who::Admin, path).await.problem(404, "ROUTE_NOT_FOUND");
        assert_eq!(problem["instance"], path);
    }
    // Whether a route is there is no secret.
    rig.call("GET", "/api/v1/nope").await.problem(404, "ROUTE_NOT_FOUND");
}

#[tokio::test]
async fn a_method_that_the_route_does_not_take() {
    let rig = Rig::new().await;
    for (method, path, allow) in
        [("DELETE", "/api/v1/tasks", "POST,GET,HEAD"), ("PUT", "/api/v1/tasks/1", "GET,HEAD,PATCH"), ("BREW", "/livez", "GET,HEAD")]
    {
        let reply = rig.call(method, path).bearer(rig.token(Who::Admin)).await;
        reply.problem(405, "METHOD_NOT_ALLOWED");
        let mut allowed: Vec<_> = reply.header("allow").expect("Allow").split(',').map(str::trim).collect();
        let mut wanted: Vec<_> = allow.split(',').collect();
        allowed.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(allowed, wanted, "{method} {path}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_is_told_by_line_and_column() {
    let rig = Rig::new().await;
    let send = |text: &'static str| {
        rig.call("POST", "/api/v1/tasks").bearer(rig.token(Who::Sam)).header("content-type", "application/json").body(text)
    };
    let problem = send("{\n  \"command\": [\"true\",]\n}").await.problem(400, "INVALID_BODY");
    assert!(problem["detail"].as_str().unwrap().contains("line 2 column 22"), "{problem}");
    for text in ["", "{", "command", "{\"command\":[\"true\"]} and more"] {
        send(text).await.problem(400, "INVALID_BODY");
    }
    nothing_is_stored(&rig).await;
}

#[tokio::test]
async fn a_body_of_another_type() {
    let rig = Rig::new().await;
    for given in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp")] {
        let mut call = rig.call("POST", "/api/v1/tasks").bearer(rig.token(Who::Sam)).body(r#"{"command":["true"]}"#);
        if let Some(given) = given {
            call = call.header("content-type", given);
        }
        call.await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    nothing_is_stored(&rig).await;
    for given in ["application/json", "Application/JSON; charset=utf-8"] {
        let call = rig.call("POST", "/api/v1/tasks").bearer(rig.token(Who::Sam)).body(r#"{"command":["true"]}"#);
        call.header("content-type", given).await.expect(201);
    }
}

#[tokio::test]
async fn a_task_with_a_fault_names_the_place_and_the_likely_word() {
    let rig = Rig::new().await;
    for (body, pointer, says) in [
        (json!({"comand": ["true"]}), "/comand", "Did you mean \"command\"?"),
        (json!({"command": ["true"], "timeoutSeconds": -5}), "/timeoutSeconds", "-5"),
        (json!({"command": ["true"], "timeoutSeconds": 0}), "/timeoutSeconds", "between 1 and"),
        (json!({"command": "true"}), "/command", "a sequence"),
        (json!({"command": ["true", 3]}), "/command/1", "a string"),
        (json!({"command": ["true"], "priority": "hihg"}), "/priority", "Did you mean \"high\"?"),
        (json!({"command": ["true"], "resources": {"gpu": 1}}), "/resources/gpu", "Did you mean \"gpus\"?"),
        (json!({"command": ["true"], "env": {"A/B": 1}}), "/env/A~1B", "a string"),
        (json!({"command": ["true"], "labels": {"a b": "c"}}), "/labels/a b", "legal label key"),
        (json!({"command": ["true"], "script": "true"}), "/script", "not both"),
        (json!({}), "/command", "needs a command"),
        (json!({"command": []}), "/command", "needs a program"),
        (json!([]), "", "an object"),
    ] {
        let problem = submit(&rig, &body).await;
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(says), "{body}: {detail}");
        assert!(!detail.contains("struct "), "no word of our code: {detail}");
    }
    nothing_is_stored(&rig).await;
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_guessed() {
    let rig = Rig::new().await;
    let problem =
        rig.post(Who::Sam, "/api/v1/tasks", &json!({"command": ["true"], "queue": "defualt"})).await.problem(404, "QUEUE_NOT_FOUND");
    assert_eq!(problem["detail"], "No queue \"defualt\". Did you mean \"default\"?");
    assert_eq!(problem["errors"][0]["pointer"], "/queue");
    let far =
        rig.post(Who::Sam, "/api/v1/tasks", &json!({"command": ["true"], "queue": "no such\nname"})).await.problem(404, "QUEUE_NOT_FOUND");
    assert_eq!(far["detail"], "No queue \"no such\\nname\".");
    rig.get(Who::Sam, "/api/v1/queues/nope").await.problem(404, "QUEUE_NOT_FOUND");
    nothing_is_stored(&rig).await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_read_so_that_its_sender_reads_the_answer() {
    let rig = Rig::new().await;
    let huge = json!({"script": "x".repeat(2 << 20)});
    let problem = rig.post(Who::Sam, "/api/v1/tasks", &huge).await.problem(413, "BODY_TOO_LARGE");
    assert!(problem["detail"].as_str().unwrap().contains("1048576"), "{problem}");
    rig.post(Who::Sam, "/api/v1/tasks/1/cancel", &huge).await.problem(413, "BODY_TOO_LARGE");
    nothing_is_stored(&rig).await;
}

#[tokio::test]
async fn a_parameter_that_is_wrong() {
    let rig = Rig::new().await;
    for (path, says) in [
        ("/api/v1/tasks?limit=0", "limit: between 1 and 1000"),
        ("/api/v1/tasks?limit=1001", "limit"),
        ("/api/v1/tasks?limit=many", "limit"),
        ("/api/v1/tasks?limt=5", "limt"),
        ("/api/v1/tasks?cursor=zzz", "cursor"),
        ("/api/v1/tasks?state=runing", "runing"),
        ("/api/v1/tasks?queue=a%20b", "not a legal name"),
        ("/api/v1/tasks?labelSelector=a%3D%3D%3Db", "labelSelector"),
        ("/api/v1/tasks?since=yesterday", "since"),
        ("/api/v1/tasks/abc", "abc"),
        ("/api/v1/tasks/99999999999999999999", "99999999999999999999"),
        ("/api/v1/tasks/1/log?attempt=-1", "attempt"),
        ("/api/v1/tasks/1/log?follow=maybe", "follow"),
        ("/api/v1/queues/a%20b", "not a legal name"),
        ("/api/v1/events?after=x", "after"),
        ("/api/v1/events?topic=task", "topic"),
    ] {
        let problem = rig.get(Who::Admin, path).await.problem(400, "INVALID_PARAMETER");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(says), "{path}: {detail}");
        assert_eq!(problem["instance"], path.split('?').next().unwrap());
    }
    rig.post(Who::Sam, "/api/v1/tasks", &json!({"command": ["true"]}))
        .header("idempotency-key", "")
        .await
        .problem(400, "INVALID_PARAMETER");
    nothing_is_stored(&rig).await;
}

#[tokio::test]
async fn a_panic_is_a_bare_500() {
    let rig = Rig::new().await;
    rig.rng.panics_once.store(true, Ordering::Relaxed);
    let call = rig.post(Who::Admin, "/api/v1/tokens", &json!({"user": "kim", "role": "viewer"})).header("x-request-id", "test-1");
    let reply = call.await;
    let problem = reply.problem(500, "INTERNAL");
    assert!(!reply.text().contains("internal text"), "{problem}");
    assert!(problem.get("detail").is_none(), "{problem}");
    // The next call is served.
    rig.get(Who::Admin, "/api/v1/tokens").await.expect(200);
}

#[tokio::test]
async fn every_answer_carries_a_request_id() {
    let rig = Rig::new().await;
    let echoed = rig.call("GET", "/livez").header("x-request-id", "abc-123").await;
    assert_eq!(echoed.header("x-request-id"), Some("abc-123"));
    let (one, two) = (rig.call("GET", "/livez").await, rig.call("GET", "/nope").await);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
    for strange in ["a b", "<script>", &"x".repeat(65)] {
        let reply = rig.call("GET", "/livez").header("x-request-id", strange).await;
        assert_ne!(reply.header("x-request-id"), Some(strange));
    }
    assert_eq!(two.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn problems_as_they_are_read() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let named = |call: super::wires::Call| call.header("x-request-id", "test-1");
    let mut shown = String::new();
    for call in [
        rig.call("GET", "/api/v1/whoami"),
        rig.post(Who::Viewer, "/api/v1/tasks", &json!({"command": ["true"]})),
        rig.post(Who::Sue, format!("/api/v1/tasks/{task}/cancel"), &json!({})),
        rig.get(Who::Admin, "/api/v1/tasks/4711"),
        rig.post(Who::Sam, "/api/v1/tasks", &json!({"comand": ["true"]})),
        rig.post(Who::Sam, "/api/v1/tasks", &json!({"command": ["a\0b"], "timeoutSeconds": 0, "labels": {"a b": "c"}})),
        rig.post(Who::Sam, "/api/v1/tasks", &json!({"command": ["true"], "queue": "defualt"})),
        rig.get(Who::Admin, "/api/v1/tasks?limt=5"),
        rig.get(Who::Admin, "/api/v1/tasks/abc"),
        rig.post(
            Who::Runner,
            "/api/v1/runner/claims",
            &json!({"runner": "r1", "instance": INSTANCE, "claimId": INSTANCE, "max": 0,
            "queues": [{"name": "*"}, {"name": "a b"}]}),
        ),
        rig.post(Who::Runner, "/api/v1/runner/claims", &ask(INSTANCE, 1)),
    ] {
        let reply = named(call).await;
        let problem: Value = serde_json::from_slice(&reply.body).unwrap();
        shown += &serde_json::to_string_pretty(&problem).unwrap();
        shown.push('\n');
    }
    insta::assert_snapshot!(shown);
}
