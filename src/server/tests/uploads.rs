//! Bytes that go with tasks: sent once, named by tasks of their sender, read by those tasks' attempts, kept as long.

use super::{
    own::Own,
    rig::{Rig, Who},
    wires::Reply,
};
use crate::{domain::Sha256, server::clockwork};
use serde_json::{Value, json};

const DAY: u64 = 86_400_000;

async fn put(rig: &Rig, who: Who, sum: &Sha256, size: usize, offset: usize, bytes: &[u8]) -> Reply {
    rig.call("PUT", format!("/api/v1/uploads/{sum}?size={size}&offset={offset}")).bearer(rig.token(who)).body(bytes.to_vec()).await
}

async fn sent(rig: &Rig, who: Who, bytes: &[u8]) -> Sha256 {
    let sum = Sha256::of(bytes);
    assert_eq!(put(rig, who, &sum, bytes.len(), 0, bytes).await.expect(200)["complete"], true);
    sum
}

fn task(sum: &Sha256) -> Value {
    json!({"command": ["true"], "code": {"upload": sum}})
}

async fn fetched(rig: &Rig, own: &Own, sum: &Sha256, offset: usize) -> Reply {
    rig.call("GET", format!("{}?offset={offset}", own.path(&format!("uploads/{sum}")))).bearer(&own.token).await
}

#[tokio::test]
async fn an_upload_goes_on_where_it_broke_off() {
    let rig = Rig::new().await;
    let (text, sum) = (b"the whole text", Sha256::of(b"the whole text"));
    let state = put(&rig, Who::Sam, &sum, 14, 0, &text[..4]).await.expect(200);
    assert_eq!(state, json!({"sha256": sum, "received": 4, "complete": false}));
    let wrong = put(&rig, Who::Sam, &sum, 14, 9, &text[9..]).await;
    assert_eq!(wrong.problem(416, "LOG_OFFSET")["nextOffset"], 4);
    rig.post(Who::Sam, "/api/v1/tasks", &task(&sum)).await.problem(404, "UPLOAD_NOT_FOUND");
    let path = format!("/api/v1/uploads/{sum}");
    assert_eq!(rig.get(Who::Sam, path.clone()).await.expect(200)["received"], 4);
    assert_eq!(rig.get(Who::Sue, path.clone()).await.expect(200)["received"], 0);
    put(&rig, Who::Sam, &sum, 14, 4, &text[4..]).await.expect(200);
    assert_eq!(rig.get(Who::Sam, path).await.expect(200), json!({"sha256": sum, "received": 14, "complete": true}));
    put(&rig, Who::Sam, &Sha256::of(b"x"), 1, 0, b"y").await.problem(422, "VALIDATION_FAILED");
    put(&rig, Who::Sam, &sum, 2 << 30, 0, b"y").await.problem(413, "BODY_TOO_LARGE");
    put(&rig, Who::Viewer, &sum, 14, 0, text).await.problem(403, "FORBIDDEN");
}

#[tokio::test]
async fn an_attempt_reads_what_its_task_names_and_nothing_else() {
    let rig = Rig::new().await;
    let (sum, other) = (sent(&rig, Who::Sam, b"code of sam").await, sent(&rig, Who::Sam, b"other").await);
    rig.post(Who::Sue, "/api/v1/tasks", &task(&sum)).await.problem(404, "UPLOAD_NOT_FOUND");
    let id = rig.submit(Who::Sam, task(&sum)).await;
    assert_eq!(rig.get(Who::Sue, format!("/api/v1/tasks/{id}")).await.expect(200)["code"], json!({"upload": sum}));
    let own = rig.running().await;
    assert_eq!(own.task, id);
    assert_eq!(fetched(&rig, &own, &sum, 0).await.text(), "code of sam");
    assert_eq!(fetched(&rig, &own, &sum, 8).await.text(), "sam");
    assert_eq!(fetched(&rig, &own, &sum, 99).await.text(), "");
    fetched(&rig, &own, &other, 0).await.problem(404, "UPLOAD_NOT_FOUND");
    rig.call("GET", own.path(&format!("uploads/{sum}"))).bearer("slwa_wrong").await.problem(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_rerun_takes_code_that_its_caller_sent_and_nobody_elses() {
    let rig = Rig::new().await;
    let (old, new, other) = (sent(&rig, Who::Sam, b"old").await, sent(&rig, Who::Sam, b"new").await, sent(&rig, Who::Sue, b"other").await);
    let id = rig.submit(Who::Sam, task(&old)).await;
    let again = |body: Value| rig.post(Who::Sam, format!("/api/v1/tasks/{id}/rerun"), &body);
    let made = again(json!({"code": {"upload": new}})).await.expect(201);
    assert_eq!((&made["code"], &made["rerunOf"]), (&json!({"upload": new}), &json!(id)));
    assert_eq!(rig.get(Who::Sam, format!("/api/v1/tasks/{id}")).await.expect(200)["code"], json!({"upload": old}), "the old one stays");
    assert_eq!(again(json!({})).await.expect(201)["code"], json!({"upload": old}));
    again(json!({"code": {"upload": other}})).await.problem(404, "UPLOAD_NOT_FOUND");
    again(json!({"code": {"upload": Sha256::of(b"nowhere")}})).await.problem(404, "UPLOAD_NOT_FOUND");
    let refused = again(json!({"code": {"git": {"url": "file:///x", "commit": "main"}}})).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(refused["errors"][0]["pointer"], "/code/git/url");
    let refused = again(json!({"code": {}})).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(refused["errors"][0]["pointer"], "/code");
}

#[tokio::test]
async fn what_no_task_names_goes_after_a_day_and_the_rest_with_its_last_task() {
    let rig = Rig::new().await;
    let brief = rig.call("PUT", "/api/v1/queues/default").bearer(rig.token(Who::Admin));
    brief.json(&json!({"retention": {"tasks": {"days": 2}}})).await.expect(200);
    let (named, loose) = (sent(&rig, Who::Sam, b"named").await, sent(&rig, Who::Sam, b"loose").await);
    rig.submit(Who::Sam, task(&named)).await;
    let mut own = rig.running().await;
    own.log(&rig, "done").await;
    own.finish(&rig, 0).await.expect(200);
    let there = async |sum: &Sha256| rig.app.uploads.size(sum).await.unwrap().is_some();
    rig.pass(DAY - 1);
    clockwork::tidy(&rig.app).await;
    assert!(there(&named).await && there(&loose).await);
    rig.pass(2);
    clockwork::tidy(&rig.app).await;
    assert!(there(&named).await && !there(&loose).await);
    rig.post(Who::Sam, "/api/v1/tasks", &task(&loose)).await.problem(404, "UPLOAD_NOT_FOUND");
    // Somebody else may run it again, though the code is not theirs.
    let again = rig.post(Who::Operator, format!("/api/v1/tasks/{}/rerun", own.task), &json!({})).await.expect(201);
    assert_eq!(again["code"], json!({"upload": named}));
    rig.pass(2 * DAY);
    clockwork::tidy(&rig.app).await;
    assert!(there(&named).await, "the task that repeats it needs it");
    let own = rig.running().await;
    own.finish(&rig, 0).await.expect(200);
    rig.pass(3 * DAY);
    clockwork::tidy(&rig.app).await;
    clockwork::tidy(&rig.app).await;
    assert!(!there(&named).await);
}
