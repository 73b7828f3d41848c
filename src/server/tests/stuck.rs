//! What should get on and does not is found, told everywhere, and forgotten once it does.

use super::{
    own::Own,
    rig::{INSTANCE, Rig, Who},
};
use serde_json::{Value, json};
use uuid::Uuid;

const GLUE: Uuid = Uuid::from_u128(0xB5);
const TWO_MINUTES: u64 = 120_000;

/// A sign of life of the rig's runner that says how it stands.
async fn tell(rig: &Rig, state: Value) -> super::wires::Reply {
    let body = json!({"runner": "r1", "instance": INSTANCE, "known": "", "state": state});
    rig.post(Who::Runner, "/api/v1/runner/heartbeat", &body).await
}

fn room(max: u32) -> Value {
    json!({"room": {"max": max, "gpus": 8, "queues": [{"name": "*"}]}})
}

/// Time passes while the runner goes on to say how it stands; then the server looks.
async fn pass(rig: &Rig, ms: u64, state: &Value) {
    for _ in 0..ms / 30_000 {
        rig.pass(30_000);
        tell(rig, state.clone()).await.expect(200);
        rig.app.look().await.unwrap();
    }
}

async fn stuck(rig: &Rig) -> Vec<Value> {
    rig.get(Who::Viewer, "/api/v1/health").await.expect(200)["stuck"].as_array().unwrap().clone()
}

async fn codes(rig: &Rig, task: i64) -> Vec<(String, bool)> {
    let why = rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/why")).await.expect(200);
    let of = |reason: &Value| (reason["code"].as_str().unwrap().to_owned(), reason["blocking"].as_bool().unwrap());
    why["reasons"].as_array().unwrap().iter().map(of).collect()
}

async fn gauge(rig: &Rig, why: &str) -> String {
    let scrape = rig.get(Who::Viewer, "/metrics").await.text();
    let line = scrape.lines().find(|line| line.starts_with(&format!("slipway_stuck{{why=\"{why}\"}}")));
    line.unwrap_or_else(|| panic!("{scrape}")).rsplit(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_runner_with_room_that_takes_nothing_is_told_and_forgotten_with_the_next_claim() {
    let rig = Rig::new().await;
    rig.register("r1", INSTANCE).await.expect(200);
    let task = rig.task().await;
    tell(&rig, room(3)).await.expect(200);
    rig.app.look().await.unwrap();
    pass(&rig, TWO_MINUTES - 30_000, &room(3)).await;
    assert_eq!(stuck(&rig).await, [] as [Value; 0], "two minutes are not over");
    pass(&rig, 30_000, &room(3)).await;
    let found = stuck(&rig).await;
    let told = format!(
        "Task {task} is due, the runner r1 has room for 3 of the queue default and does not ask for work: nothing was claimed for 2 min"
    );
    assert_eq!(found[0]["message"], told);
    assert_eq!((found.len(), &found[0]["code"], &found[0]["since"]), (1, &json!("RunnerBehind"), &json!("2027-01-15T08:00:00Z")));
    assert_eq!(codes(&rig, task).await, [("RunnerBehind".to_owned(), true), ("BehindInQueue".to_owned(), false)]);
    assert_eq!((gauge(&rig, "RunnerBehind").await, gauge(&rig, "RunnerBlind").await), ("1".into(), "0".into()));

    rig.task().await;
    assert_eq!(rig.claim(Uuid::from_u128(7), 1).await.len(), 1);
    rig.app.look().await.unwrap();
    assert_eq!(stuck(&rig).await, [] as [Value; 0]);
    pass(&rig, TWO_MINUTES, &room(2)).await;
    assert_eq!(stuck(&rig).await.len(), 1, "the other one is due, too");
}

#[tokio::test]
async fn who_is_full_or_held_back_is_not_stuck() {
    let rig = Rig::new().await;
    rig.register("r1", INSTANCE).await.expect(200);
    let task = rig.task().await;
    pass(&rig, 2 * TWO_MINUTES, &room(0)).await;
    assert_eq!(stuck(&rig).await, [] as [Value; 0], "full");
    assert_eq!(codes(&rig, task).await, [("RunnerAtCapacity".to_owned(), true), ("BehindInQueue".to_owned(), false)]);

    rig.post(Who::Operator, "/api/v1/queues/default/pause", &json!({})).await.expect(200);
    pass(&rig, 2 * TWO_MINUTES, &room(3)).await;
    assert_eq!(stuck(&rig).await, [] as [Value; 0], "paused");
    rig.post(Who::Operator, "/api/v1/queues/default/resume", &json!({})).await.expect(200);

    let limited = json!({"limits": {"maxRunning": 1}});
    rig.call("PUT", "/api/v1/queues/default").bearer(rig.token(Who::Admin)).json(&limited).await.expect(200);
    let _running = rig.running().await;
    rig.task().await;
    pass(&rig, 2 * TWO_MINUTES, &room(3)).await;
    assert_eq!(stuck(&rig).await, [] as [Value; 0], "at the queue's limit");

    let large = rig.submit(Who::Sam, json!({"command": ["true"], "resources": {"gpus": 8}})).await;
    let without = json!({"room": {"max": 3, "gpus": 1, "queues": [{"name": "*"}]}});
    tell(&rig, without).await.expect(200);
    assert!(codes(&rig, large).await.contains(&("RunnerAtCapacity".to_owned(), true)), "seven of eight GPUs are in use");
}

#[tokio::test]
async fn a_runner_that_does_not_see_its_cluster_is_told_at_once_of_a_silent_watch_and_after_a_while_of_no_answer() {
    let rig = Rig::new().await;
    let body =
        json!({"kind": "kubernetes", "instance": GLUE, "version": "1", "slots": 9, "queues": ["*"], "cluster": {"namespaces": ["ml"]}});
    rig.call("PUT", "/api/v1/runners/glue").bearer(rig.token(Who::Runner)).json(&body).await.expect(200);
    let image = json!({"defaults": {"image": "train:1"}});
    rig.call("PUT", "/api/v1/queues/default").bearer(rig.token(Who::Admin)).json(&image).await.expect(200);
    let beat = async |cluster: Value| {
        let body = json!({"runner": "glue", "instance": GLUE, "known": "", "state": {"cluster": cluster}});
        rig.post(Who::Runner, "/api/v1/runner/heartbeat", &body).await.expect(200);
        rig.app.look().await.unwrap();
    };
    let task = rig.task().await;
    beat(json!({"answers": true})).await;
    assert_eq!(codes(&rig, task).await, [("BehindInQueue".to_owned(), true)]);
    beat(json!({"answers": true, "silent": [{"resource": "jobs", "namespace": "ml", "seconds": 200}]})).await;
    assert_eq!(stuck(&rig).await[0]["message"], "The runner glue has heard nothing on its watch of jobs in ml for 3 min");
    assert_eq!(codes(&rig, task).await[0], ("RunnerBlind".to_owned(), true));
    assert_eq!(gauge(&rig, "RunnerBlind").await, "1");

    rig.register("r1", INSTANCE).await.expect(200);
    assert_eq!(codes(&rig, task).await, [("BehindInQueue".to_owned(), true), ("RunnerBlind".to_owned(), false)], "another one sees");
    beat(json!({"answers": true})).await;
    assert_eq!(stuck(&rig).await, [] as [Value; 0]);

    beat(json!({"answers": false})).await;
    for _ in 0..4 {
        assert_eq!(stuck(&rig).await, [] as [Value; 0]);
        rig.pass(30_000);
        beat(json!({"answers": false})).await;
    }
    assert_eq!(stuck(&rig).await[0]["message"], "The runner glue gets no answer from its cluster's API server");
    let silent = vec![json!({"resource": "jobs", "namespace": "ml", "seconds": 1}); 101];
    let body = json!({"runner": "glue", "instance": GLUE, "known": "", "state": {"cluster": {"answers": true, "silent": silent}}});
    let problem = rig.post(Who::Runner, "/api/v1/runner/heartbeat", &body).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(problem["errors"][0]["pointer"], "/state/cluster/silent");
}

/// A claim that its runner renews, and of which it shows nothing.
async fn idle(rig: &Rig, own: &Own, ms: u64, evidence: Option<&Value>) {
    for _ in 0..ms / 30_000 {
        if let Some(pod) = evidence {
            own.reported(rig, None, json!({"kind": "evidence", "evidence": pod})).await.expect(200);
        }
        pass(rig, 30_000, &room(0)).await;
    }
}

#[tokio::test]
async fn an_attempt_that_nobody_begins_is_told_and_one_whose_image_is_pulled_is_not() {
    let rig = Rig::new().await;
    rig.task().await;
    let own = rig.claimed().await;
    pass(&rig, 30_000, &room(0)).await;
    idle(&rig, &own, 900_000, None).await;
    assert_eq!(stuck(&rig).await, [] as [Value; 0], "its queue bears with 15 minutes, and two more");
    idle(&rig, &own, TWO_MINUTES, None).await;
    let found = stuck(&rig).await;
    assert_eq!((&found[0]["code"], &found[0]["task"], &found[0]["attempt"]), (&json!("AttemptOverdue"), &json!(own.task), &json!(1)));
    assert_eq!(found[0]["message"], "It has been claimed, and nothing has begun, for 17 min, and has 15 min for that");
    assert_eq!(codes(&rig, own.task).await, [("AttemptOverdue".to_owned(), true)]);
    let elsewhere = rig.token_in("vito", "viewer", &["other"]).await;
    let health = rig.call("GET", "/api/v1/health").bearer(&elsewhere).await.expect(200);
    assert_eq!(health["stuck"], json!([]), "it is of a queue that this one may not look into");

    let pulling = json!({"pod": {"name": "p", "uid": "pod-1", "phase": "Pending", "node": "n1",
        "conditions": [{"type": "PodScheduled", "status": "True"}],
        "containers": [{"name": "task", "role": "task", "image": "train:1", "state": {"waiting": {"reason": "ContainerCreating"}}}]},
        "events": [{"reason": "Pulling", "message": "Pulling image \"train:1\""}]});
    idle(&rig, &own, 30_000, Some(&pulling)).await;
    assert_eq!(stuck(&rig).await, [] as [Value; 0]);
    idle(&rig, &own, 1_800_000, Some(&pulling)).await;
    assert_eq!(stuck(&rig).await, [] as [Value; 0], "a large image takes its time");
}

#[tokio::test]
async fn an_attempt_that_does_not_stop_when_asked_to_is_told() {
    let rig = Rig::new().await;
    rig.task().await;
    let own = rig.running().await;
    let beat = async || {
        own.beat(&rig, &json!({"phase": "running"})).await.expect(200);
        pass(&rig, 30_000, &room(3)).await;
    };
    rig.post(Who::Sam, format!("/api/v1/tasks/{}/cancel", own.task), &json!({})).await.expect(202);
    for _ in 0..5 {
        beat().await;
        assert_eq!(stuck(&rig).await, [] as [Value; 0]);
    }
    beat().await;
    assert_eq!(stuck(&rig).await[0]["message"], "It has been asked to stop for 3 min, and has 60 s for that");
    own.finish_with(&rig, &json!({"stoppedBy": "cancel", "signal": 15, "logBytes": 0, "logCrc": 0})).await.expect(200);
    rig.app.look().await.unwrap();
    assert_eq!(stuck(&rig).await, [] as [Value; 0]);
}
