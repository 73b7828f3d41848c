//! The stream of events: complete, in order, resumable.

use super::{
    rig::{Rig, Who},
    wires::Frames,
};
use serde_json::{Value, json};

async fn watch(rig: &Rig, query: &str) -> Frames {
    Frames::of(rig.get(Who::Viewer, format!("/api/v1/events{query}")).open().await)
}

async fn kinds(stream: &mut Frames, n: usize) -> Vec<String> {
    let mut kinds = Vec::new();
    for _ in 0..n {
        let frame = stream.next().await.expect("an event");
        assert_eq!((frame.data["id"].to_string(), frame.data["kind"].as_str().unwrap()), (frame.id.clone(), frame.event.as_str()));
        kinds.push(frame.event);
    }
    kinds
}

const LIFE: [&str; 6] = ["task.submitted", "attempt.claimed", "attempt.started", "attempt.phase", "attempt.phase", "task.ended"];

async fn a_life(rig: &Rig) -> i64 {
    let task = rig.task().await;
    rig.running().await.finish(rig, 0).await.expect(200);
    task
}

#[tokio::test]
async fn a_watcher_sees_what_is_new_and_in_order() {
    let rig = Rig::new().await;
    a_life(&rig).await;
    let mut stream = watch(&rig, "").await;
    let task = a_life(&rig).await;
    let first = stream.next().await.unwrap();
    assert_eq!((first.event.as_str(), &first.data["task"], &first.data["actor"]), ("task.submitted", &json!(task), &json!("sam")));
    assert_eq!(first.data["data"]["queue"], "default");
    assert_eq!(kinds(&mut stream, 5).await, LIFE[1..]);
    assert!(stream.is_quiet().await);
}

#[tokio::test]
async fn what_happened_to_a_task_is_read_page_by_page() {
    let rig = Rig::new().await;
    a_life(&rig).await;
    let task = a_life(&rig).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/events?limit=4{cursor}")).await.expect(200);
        assert_eq!(page["complete"], true);
        let items = page["items"].as_array().unwrap();
        assert!(items.iter().all(|event| event["task"] == task) && items.len() <= 4);
        seen.extend(items.iter().map(|event| event["kind"].as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, LIFE);
    for bad in ["limit=0", "limit=1001", "cursor=x", "after=1"] {
        rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/events?{bad}")).await.problem(400, "INVALID_PARAMETER");
    }
    rig.get(Who::Viewer, "/api/v1/tasks/999/events").await.problem(404, "TASK_NOT_FOUND");
}

#[tokio::test]
async fn a_watcher_resumes_where_it_was_or_at_the_beginning() {
    let rig = Rig::new().await;
    a_life(&rig).await;
    let mut all = watch(&rig, "?after=0").await;
    assert_eq!(all.next().await.unwrap().event, "queue.applied");
    assert_eq!(kinds(&mut all, 6).await, LIFE);
    let resumed = rig.get(Who::Viewer, "/api/v1/events?after=0").header("last-event-id", "3").open().await;
    assert_eq!(kinds(&mut Frames::of(resumed), 4).await, LIFE[2..]);
    for last in ["x", "", "1:4", "99999999999999999999"] {
        rig.get(Who::Viewer, "/api/v1/events").header("last-event-id", last).await.problem(400, "INVALID_PARAMETER");
    }
    // Ids go on over a restart.
    let rig = rig.restarted().await;
    let mut stream = Frames::of(rig.get(Who::Viewer, "/api/v1/events").header("last-event-id", "6").open().await);
    assert_eq!(kinds(&mut stream, 1).await, ["task.ended"]);
    rig.task().await;
    assert_eq!(stream.next().await.unwrap().id, "8");
}

#[tokio::test]
async fn a_watcher_asks_for_a_task_or_for_topics() {
    let rig = Rig::new().await;
    let one = rig.task().await;
    let two = rig.task().await;
    let mut of_two = watch(&rig, &format!("?task={two}&after=0")).await;
    let mut of_queues = watch(&rig, "?topics=queue&after=0").await;
    let mut ends = watch(&rig, "?topics=task.ended,queue.paused").await;
    for task in [one, two] {
        rig.post(Who::Sam, format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.expect(200);
    }
    rig.post(Who::Operator, "/api/v1/queues/default/pause", &json!({"reason": "x"})).await.expect(200);
    assert_eq!(kinds(&mut of_two, 3).await, ["task.submitted", "task.cancelRequested", "task.ended"]);
    assert_eq!(kinds(&mut of_queues, 2).await, ["queue.applied", "queue.paused"]);
    assert_eq!(kinds(&mut ends, 3).await, ["task.ended", "task.ended", "queue.paused"]);
    assert!(of_two.is_quiet().await && of_queues.is_quiet().await);
}

#[tokio::test]
async fn a_watcher_far_behind_gets_everything() {
    let rig = Rig::new().await;
    let tasks = Value::Array(vec![json!({"command": ["true"]}); 1000]);
    for _ in 0..2 {
        rig.post(Who::Sam, "/api/v1/tasks:batch", &json!({"tasks": tasks})).await.expect(201);
    }
    let mut stream = watch(&rig, "?after=1").await;
    for id in 2..=2001 {
        assert_eq!(stream.next().await.unwrap().id, id.to_string());
    }
    // Topics that match nothing of all this still come through.
    let mut stream = watch(&rig, "?after=1&topics=queue").await;
    rig.post(Who::Operator, "/api/v1/queues/default/pause", &json!({})).await.expect(200);
    assert_eq!(kinds(&mut stream, 1).await, ["queue.paused"]);
}

#[tokio::test]
async fn every_kind_of_event_is_a_known_word() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"user": 1}})).await;
    rig.call("PATCH", format!("/api/v1/tasks/{task}")).bearer(rig.token(Who::Sam)).json(&json!({"name": "n"})).await.expect(200);
    rig.claimed().await.reported(&rig, None, json!({"kind": "returned"})).await.expect(200);
    rig.running().await.finish(&rig, 1).await.expect(200);
    rig.pass(600_000);
    rig.tick().await;
    rig.running().await;
    rig.post(Who::Operator, format!("/api/v1/tasks/{task}/attempts/3/abandon"), &json!({"reason": "x"})).await.expect(200);
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/cancel"), &json!({})).await.expect(200);
    for verb in ["pause", "resume"] {
        rig.post(Who::Operator, format!("/api/v1/queues/default/{verb}"), &json!({})).await.expect(200);
    }
    rig.call("DELETE", "/api/v1/queues/default").bearer(rig.token(Who::Admin)).await.expect(204);
    let mut stream = watch(&rig, "?after=0").await;
    let mut seen = std::collections::BTreeSet::new();
    while !seen.contains("queue.deleted") {
        seen.extend(kinds(&mut stream, 1).await);
    }
    assert_eq!(seen.len(), 15, "{seen:?}");
    assert!(!seen.contains("unknown"));
}

#[tokio::test]
async fn the_servers_end_ends_the_stream() {
    let rig = Rig::new().await;
    let mut stream = watch(&rig, "").await;
    rig.app.stop().cancel();
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_timeline_tells_where_the_time_went() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"user": 1}})).await;
    rig.pass(30_000);
    let own = rig.running().await;
    rig.pass(5_000);
    own.finish(&rig, 3).await.expect(200);
    rig.pass(600_000);
    rig.tick().await;
    let own = rig.running().await;
    rig.pass(12_000);
    let of = |task: String| rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/timeline"));
    let live = of(task.to_string()).await.expect(200);
    let last = live["spans"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["what"], &last["attempt"], &last["ms"], last.get("to")), (&json!("running"), &json!(2), &json!(12_000), None));
    own.finish(&rig, 0).await.expect(200);
    rig.pass(60_000);
    let shown = of(task.to_string()).await.expect(200);
    assert_eq!((&shown["state"], &shown["complete"]), (&json!("succeeded"), &json!(true)));
    let what: Vec<_> = shown["spans"].as_array().unwrap().iter().map(|span| span["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["queued", "running", "waiting", "running"]);
    let ledger = &shown["ledger"];
    let of_ledger = |part: &str| ledger[part].as_u64().unwrap();
    assert_eq!(["totalMs", "queuedMs", "waitingMs", "runningMs", "lostMs"].map(of_ledger), [647_000, 30_000, 600_000, 12_000, 5_000]);
    assert!(ledger.get("gpuIdleMs").is_none());
    let array = rig.submit(Who::Sam, json!({"command": ["true"], "array": {"size": 2}})).await;
    of(array.to_string()).await.problem(409, "CONFLICT");
    of("999".to_owned()).await.problem(404, "TASK_NOT_FOUND");
}
