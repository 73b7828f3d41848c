//! Log bytes from agents: offsets, resends, gaps, limits.

use super::{
    rig::{Rig, Who},
    wires::Reply,
};
use serde_json::{Value, json};

async fn text(rig: &Rig, task: i64) -> String {
    rig.get(Who::Sam, format!("/api/v1/tasks/{task}/log")).await.text()
}

fn next(reply: &Reply) -> Value {
    reply.expect(200)["nextOffset"].clone()
}

#[tokio::test]
async fn bytes_follow_each_other_and_a_resend_is_harmless() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.running().await;
    assert_eq!(own.put(&rig, 0, b"hello ").await.expect(200), json!({"nextOffset": 6, "durableOffset": 0}));
    assert_eq!(next(&own.put(&rig, 0, b"hello ").await), 6, "a resend");
    assert_eq!(next(&own.put(&rig, 3, b"lo world").await), 11, "an overlap");
    let ahead = own.put(&rig, 20, b"later").await;
    assert_eq!(ahead.problem(416, "LOG_OFFSET")["nextOffset"], 11);
    rig.app.sync_logs().await;
    assert_eq!(own.put(&rig, 11, b"").await.expect(200), json!({"nextOffset": 11, "durableOffset": 11}));
    assert_eq!(text(&rig, task).await, "hello world");
}

#[tokio::test]
async fn what_is_wrong_with_a_frame_changes_nothing() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.running().await;
    let put = |query: &str, body: Vec<u8>| rig.call("PUT", own.path(query)).bearer(&own.token).body(body);
    put("log?offset=0&crc32c=1", b"hello".to_vec()).await.problem(400, "INVALID_PARAMETER");
    put("log?offset=0", b"hello".to_vec()).await.problem(400, "INVALID_PARAMETER");
    put("log", b"hello".to_vec()).await.problem(400, "INVALID_PARAMETER");
    put("log?offset=-1", b"hello".to_vec()).await.problem(400, "INVALID_PARAMETER");
    put("log?offset=0&membr=1", Vec::new()).await.problem(400, "INVALID_PARAMETER");
    put("log?offset=0&member=1", Vec::new()).await.problem(400, "INVALID_PARAMETER");
    put("log?offset=0&gap=5", b"hello".to_vec()).await.problem(422, "VALIDATION_FAILED");
    own.put(&rig, 0, &vec![b'x'; (256 << 10) + 1]).await.problem(413, "BODY_TOO_LARGE");
    assert_eq!(text(&rig, task).await, "");
    assert_eq!(next(&own.put(&rig, 0, &vec![b'x'; 256 << 10]).await), 256 << 10, "the largest frame");
}

#[tokio::test]
async fn a_full_log_takes_no_more() {
    let rig = Rig::new().await;
    rig.call("PUT", "/api/v1/queues/default").bearer(rig.token(Who::Admin)).json(&json!({"limits": {"logBytes": 4096}})).await.expect(200);
    rig.task().await;
    let own = rig.running().await;
    let room = 4096 + (64 << 10);
    assert_eq!(next(&own.put(&rig, 0, &vec![b'x'; room]).await), room);
    own.put(&rig, room as u64, b"y").await.problem(413, "LOG_FULL");
    assert_eq!(next(&own.put(&rig, 0, b"xxx").await), room, "what is there is acknowledged");
    assert_eq!(next(&own.gap(&rig, room as u64, 1000).await), room + 1000, "a gap holds no bytes");
}

#[tokio::test]
async fn lost_bytes_show_as_one_notice() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.running().await;
    own.put(&rig, 0, b"before").await.expect(200);
    for _ in 0..2 {
        assert_eq!(next(&own.gap(&rig, 6, 1000).await), 1006);
    }
    assert_eq!(next(&own.gap(&rig, 1006, 500).await), 1506);
    own.put(&rig, 1506, b"after").await.expect(200);
    own.gap(&rig, 2000, 5).await.problem(416, "LOG_OFFSET");
    assert_eq!(text(&rig, task).await, "before\n[slipway: 1500 bytes of output were lost here]\nafter");
    let scrape = rig.get(Who::Viewer, "/metrics").await.text();
    assert!(scrape.contains("slipway_log_gap_bytes_total 1500\n"), "a resent gap is counted once: {scrape}");
    // A log with a gap is never called complete, and reads the same once it is closed.
    own.finish_with(&rig, &json!({"exitCode": 0, "logBytes": 1511, "logCrc": 0})).await.expect(200);
    let ended = rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200);
    assert_eq!(ended["ended"]["logComplete"], false);
    assert_eq!(text(&rig, task).await, "before\n[slipway: 1500 bytes of output were lost here]\nafter");
}

#[tokio::test]
async fn after_a_restart_a_log_goes_on_at_what_was_durable() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.running().await;
    own.put(&rig, 0, b"durable ").await.expect(200);
    rig.app.sync_logs().await;
    own.put(&rig, 8, b"in the cache").await.expect(200);
    let rig = rig.restarted().await;
    assert_eq!(text(&rig, task).await, "durable ");
    let problem = own.put(&rig, 20, b"more").await.problem(416, "LOG_OFFSET");
    assert_eq!(problem["nextOffset"], 8);
    assert_eq!(next(&own.put(&rig, 8, b"in the cache more").await), 25);
    let whole = b"durable in the cache more";
    let finish = json!({"exitCode": 0, "logBytes": whole.len(), "logCrc": crc32c::crc32c(whole)});
    assert_eq!(own.finish_with(&rig, &finish).await.expect(200)["settled"], true);
    assert_eq!(text(&rig, task).await.as_bytes(), whole);
}
