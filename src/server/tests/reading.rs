//! Reading logs: bytes, ranges, follows.

use super::{
    own::Own,
    rig::{Rig, Who},
    wires::{Call, Frames},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use std::time::Duration;

fn log(rig: &Rig, task: i64, query: &str) -> Call {
    rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/log{query}"))
}

async fn sse(call: Call) -> Frames {
    Frames::of(call.header("accept", "text/event-stream").open().await)
}

/// A finished task whose log is these bytes.
async fn written(rig: &Rig, text: &str) -> i64 {
    let task = rig.task().await;
    let mut own = rig.running().await;
    own.log(rig, text).await;
    own.finish(rig, 0).await.expect(200);
    task
}

/// Ends an attempt with a failure and brings its successor to life.
async fn tried_again(rig: &Rig, own: &Own) -> Own {
    own.finish(rig, 1).await.expect(200);
    rig.pass(600_000);
    rig.tick().await;
    rig.running().await
}

#[tokio::test]
async fn any_part_of_a_log_can_be_read() {
    let rig = Rig::new().await;
    let task = written(&rig, "0123456789").await;
    for (query, expected) in [
        ("", "0123456789"),
        ("?offset=4", "456789"),
        ("?offset=4&limit=3", "456"),
        ("?limit=0", ""),
        ("?offset=10", ""),
        ("?offset=99", ""),
        ("?attempt=1&offset=9", "9"),
        ("?follow=true", "0123456789"),
    ] {
        let reply = log(&rig, task, query).await;
        reply.expect(200);
        assert_eq!((reply.text().as_str(), reply.cut), (expected, false), "{query}");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    log(&rig, task, "?attempt=2").await.problem(404, "ATTEMPT_NOT_FOUND");
    log(&rig, task, "?attempt=0").await.problem(404, "ATTEMPT_NOT_FOUND");
    log(&rig, 4711, "").await.problem(404, "TASK_NOT_FOUND");
    let fresh = rig.task().await;
    assert_eq!(log(&rig, fresh, "").await.text(), "");
}

#[tokio::test]
async fn ranges_are_those_of_http() {
    let rig = Rig::new().await;
    let task = written(&rig, "0123456789").await;
    for (range, status, expected, content_range) in [
        ("bytes=0-3", 206, "0123", Some("bytes 0-3/10")),
        ("bytes=8-", 206, "89", Some("bytes 8-9/10")),
        ("bytes=8-99", 206, "89", Some("bytes 8-9/10")),
        ("bytes=-3", 206, "789", Some("bytes 7-9/10")),
        ("bytes=-99", 206, "0123456789", Some("bytes 0-9/10")),
        ("bytes=0-1,3-4", 200, "0123456789", None),
        ("lines=1-2", 200, "0123456789", None),
    ] {
        let reply = log(&rig, task, "").header("range", range).await;
        assert_eq!(
            (reply.status.as_u16(), reply.text().as_str(), reply.header("content-range")),
            (status, expected, content_range),
            "{range}"
        );
    }
    for range in ["bytes=10-", "bytes=-0"] {
        let reply = log(&rig, task, "").header("range", range).await;
        assert_eq!(reply.problem(416, "LOG_OFFSET")["nextOffset"], 10);
        assert_eq!(reply.header("content-range"), Some("bytes */10"));
    }
    assert_eq!(log(&rig, task, "?offset=5").header("range", "bytes=0-1").await.text(), "56789", "the query says more");
}

#[tokio::test]
async fn a_large_log_is_the_same_from_memory_and_from_disk() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.running().await;
    let whole: Vec<u8> = (0..1_000_003_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    for (i, frame) in whole.chunks(200_000).enumerate() {
        own.put(&rig, i as u64 * 200_000, frame).await.expect(200);
    }
    assert!(log(&rig, task, "").await.body == whole, "while it is open");
    own.finish_with(&rig, &json!({"exitCode": 0, "logBytes": whole.len(), "logCrc": crc32c::crc32c(&whole)})).await.expect(200);
    assert!(log(&rig, task, "").await.body == whole, "once it is closed");
    let tail = log(&rig, task, "").header("range", "bytes=-100").await;
    assert_eq!(tail.body, whole[whole.len() - 100..]);
    let rig = rig.restarted().await;
    assert!(log(&rig, task, "").await.body == whole, "after a restart");
}

#[tokio::test]
async fn a_follow_begins_before_the_task_and_ends_with_it() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"user": 1}})).await;
    let mut follow = log(&rig, task, "?follow=true").into_future();
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut follow).await.is_err(), "it waits");
    let follow = tokio::spawn(follow);
    let mut first = rig.running().await;
    first.log(&rig, "one ").await;
    first.log(&rig, "two ").await;
    let mut second = tried_again(&rig, &first).await;
    second.log(&rig, "three").await;
    second.finish(&rig, 0).await.expect(200);
    let reply = follow.await.unwrap();
    assert_eq!((reply.text().as_str(), reply.cut), ("one two three", false));
    // Without a follow it is the newest attempt's.
    assert_eq!(log(&rig, task, "").await.text(), "three");
    assert_eq!(log(&rig, task, "?attempt=1&follow=true").await.text(), "one two ");
}

#[tokio::test]
async fn a_follow_of_one_attempt_ends_with_that_attempt() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"user": 1}})).await;
    let mut own = rig.running().await;
    let follow = tokio::spawn(log(&rig, task, "?attempt=1&follow=true").into_future());
    own.log(&rig, "alone").await;
    own.finish(&rig, 1).await.expect(200);
    assert_eq!(follow.await.unwrap().text(), "alone");
    assert_eq!(rig.state(task).await, "waiting");
}

#[tokio::test]
async fn a_stream_tells_offsets_and_resumes_without_loss() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"user": 1}})).await;
    let mut first = rig.running().await;
    let mut stream = sse(log(&rig, task, "?follow=true")).await;
    first.log(&rig, "one ").await;
    let frame = stream.next().await.unwrap();
    assert_eq!((frame.event.as_str(), frame.id.as_str()), ("log", "1:4"));
    assert_eq!(frame.data, json!({"attempt": 1, "offset": 0, "next": 4, "b64": STANDARD.encode("one ")}));
    first.log(&rig, "two ").await;
    assert_eq!(stream.next().await.unwrap().id, "1:8");
    let mut second = tried_again(&rig, &first).await;
    second.log(&rig, "three").await;
    let frame = stream.next().await.unwrap();
    assert_eq!((frame.id.as_str(), &frame.data["attempt"], &frame.data["offset"]), ("2:5", &json!(2), &json!(0)));
    assert!(stream.is_quiet().await);
    second.finish(&rig, 0).await.expect(200);
    let end = stream.next().await.unwrap();
    assert_eq!((end.event.as_str(), end.data), ("end", json!({"state": "succeeded"})));
    assert_eq!(stream.next().await, None);

    for (last, expected) in [("1:4", vec!["1:8", "2:5", ""]), ("1:8", vec!["2:5", ""]), ("2:5", vec![""]), ("0:0", vec!["1:8", "2:5", ""])]
    {
        let mut stream = sse(log(&rig, task, "?follow=true").header("last-event-id", last)).await;
        for id in expected {
            assert_eq!(stream.next().await.unwrap().id, id, "after {last}");
        }
        assert_eq!(stream.next().await, None);
    }
    log(&rig, task, "?follow=true")
        .header("accept", "text/event-stream")
        .header("last-event-id", "x")
        .await
        .problem(400, "INVALID_PARAMETER");
}

#[tokio::test]
async fn a_gap_is_one_notice_in_a_stream() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.running().await;
    own.put(&rig, 0, b"a").await.expect(200);
    own.gap(&rig, 1, 99).await.expect(200);
    own.put(&rig, 100, b"b").await.expect(200);
    let mut stream = sse(log(&rig, task, "?follow=true")).await;
    let ids = [stream.next().await.unwrap().id, stream.next().await.unwrap().id, stream.next().await.unwrap().id];
    assert_eq!(ids, ["1:1", "1:100", "1:101"]);
    // A range of it would lie about lengths: the whole is sent.
    for _ in 0..2 {
        assert_eq!(log(&rig, task, "").header("range", "bytes=0-1").await.status, 200);
        rig.app.sync_logs().await;
    }
}

#[tokio::test]
async fn a_claim_that_went_back_wrote_nothing_and_is_passed_over() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    rig.claimed().await;
    let mut stream = sse(log(&rig, task, "?follow=true")).await;
    rig.pass(60_000);
    rig.tick().await;
    let mut own = rig.running().await;
    assert_eq!(own.attempt, 2);
    own.log(&rig, "x").await;
    assert_eq!(stream.next().await.unwrap().id, "2:1");
    own.finish(&rig, 0).await.expect(200);
    assert_eq!(stream.next().await.unwrap().event, "end");
}

#[tokio::test]
async fn the_servers_end_cuts_a_follow_and_says_no_end() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let mut own = rig.running().await;
    own.log(&rig, "so far").await;
    let mut stream = sse(log(&rig, task, "?follow=true")).await;
    let raw = tokio::spawn(log(&rig, task, "?follow=true").into_future());
    assert_eq!(stream.next().await.unwrap().id, "1:6");
    rig.app.stop().cancel();
    assert_eq!(stream.next().await, None, "no `end`: the client comes back");
    let raw = raw.await.unwrap();
    assert!(raw.cut && (raw.text() == "so far" || raw.text().is_empty()), "{}", raw.text());
}
