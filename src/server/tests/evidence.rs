//! What runners report of attempts whose agents cannot speak, or that have none.

use super::{
    own::Own,
    rig::{INSTANCE, Rig, Who},
    wires::Reply,
};
use crate::{
    domain::{Labels, Overrides, Priority, QueueName, Resources, Retries, TaskSpec, Work},
    store::{NewTask, Submit, Submitted},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn told(reply: &Reply) -> (bool, String) {
    let item = reply.expect(200)["items"][0].clone();
    (item["applied"].as_bool().unwrap(), item["verdict"].as_str().unwrap().to_owned())
}

fn unschedulable() -> Value {
    let message = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.";
    json!({"pod": {"name": "p", "uid": "pod-1", "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}})
}

fn disrupted() -> Value {
    json!({"pod": {"name": "p", "uid": "pod-1", "phase": "Failed",
        "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "made room"}]}})
}

pub(super) async fn attempts(rig: &Rig, task: i64) -> Value {
    rig.get(Who::Viewer, format!("/api/v1/tasks/{task}/attempts")).await.expect(200)["items"].clone()
}

/// A task whose image's entrypoint is the command, started by its gate.
async fn agentless(rig: &Rig) -> Own {
    let spec = TaskSpec {
        name: None,
        queue: QueueName::default(),
        labels: Labels::new(),
        priority: Priority::Normal,
        work: Work::Entrypoint,
        env: BTreeMap::new(),
        resources: Resources::default(),
        timeout_seconds: None,
        max_wait_seconds: None,
        total_timeout_seconds: None,
        grace_seconds: 30,
        retries: Retries::default(),
        overrides: Overrides::default(),
        setup: crate::domain::Setup::default(),
        ending: crate::domain::Ending::default(),
    };
    let submit = Submit { user: "sam".into(), tasks: vec![NewTask::new(spec)], idempotency: None };
    assert!(matches!(rig.app.store.run(submit).await.unwrap(), Submitted::New(..)));
    let mut own = rig.claimed().await;
    own.start(rig).await;
    own
}

#[tokio::test]
async fn an_attempt_without_a_place_is_seen_returned_and_held() {
    let rig = Rig::new().await;
    let task = rig.task().await;
    let own = rig.claimed().await;
    let seen = json!({"kind": "evidence", "phase": "scheduling", "evidence": unschedulable()});
    assert_eq!(told(&own.reported(&rig, None, seen.clone()).await), (true, "live".into()));
    assert_eq!(told(&own.reported(&rig, None, seen).await), (false, "live".into()), "no news");
    let shown = attempts(&rig, task).await[0].clone();
    assert_eq!((&shown["phase"], &shown["evidence"]), (&json!("scheduling"), &unschedulable()));

    // Its runner away for longer than a claim holds: the Job is there and may start yet.
    rig.pass(600_000);
    rig.tick().await;
    assert_eq!(rig.state(task).await, "active");
    let returned = json!({"kind": "returned", "reason": "InsufficientGPU"});
    assert_eq!(told(&own.reported(&rig, None, returned).await), (true, "ended".into()));
    assert_eq!(rig.state(task).await, "waiting");
    let shown = attempts(&rig, task).await[0].clone();
    assert_eq!((&shown["phase"], shown.get("state"), &shown["ended"]["reason"]), (&json!("ended"), None, &json!("InsufficientGPU")));
    assert_eq!(shown["evidence"], unschedulable());
    rig.pass(60_000);
    rig.tick().await;
    assert_eq!(rig.state(task).await, "queued");
}

#[tokio::test]
async fn that_a_pod_is_gone_counts_after_silence_and_a_sign_of_life_outweighs_what_was_seen() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"infra": 0}})).await;
    let own = rig.running().await;
    let ended = |proof: &str, ago: u64| json!({"kind": "ended", "class": "infra", "reason": "PodDeleted", "message": "gone", "proof": proof, "observedMsAgo": ago});
    rig.pass(59_999);
    assert_eq!(told(&own.reported(&rig, Some("pod-1"), ended("gone", 0)).await), (false, "live".into()), "not silent for long enough");
    for proof in ["seen", "gone"] {
        own.beat(&rig, &json!({"phase": "running"})).await.expect(200);
        rig.pass(60_000);
        let stale = own.reported(&rig, Some("pod-1"), ended(proof, 60_001)).await;
        assert_eq!(told(&stale), (false, "live".into()), "{proof}: it was heard since");
    }
    assert_eq!(told(&own.reported(&rig, Some("pod-2"), ended("gone", 0)).await), (false, "live".into()), "another pod");
    assert_eq!(told(&own.reported(&rig, Some("pod-1"), ended("gone", 0)).await), (true, "ended".into()));
    let shown = rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200);
    assert_eq!((&shown["ended"]["class"], &shown["ended"]["reason"]), (&json!("infra"), &json!("PodDeleted")));
    own.beat(&rig, &json!({"phase": "running"})).await.problem(409, "SUPERSEDED");
}

#[tokio::test]
async fn after_a_restart_the_silence_before_it_does_not_count() {
    let rig = Rig::new().await;
    let own = rig.task().await;
    let running = rig.running().await;
    rig.pass(600_000);
    let rig = rig.restarted().await;
    let gone = json!({"kind": "ended", "class": "infra", "reason": "PodDeleted", "message": "gone", "proof": "gone"});
    assert!(!told(&running.reported(&rig, Some("pod-1"), gone.clone()).await).0, "the silence was ours");
    rig.pass(60_000);
    assert!(told(&running.reported(&rig, Some("pod-1"), gone).await).0);
    assert_ne!(rig.state(own).await, "active");
}

#[tokio::test]
async fn the_cluster_corrects_the_reason_of_a_drain() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"infra": 0}})).await;
    let own = rig.running().await;
    own.finish_with(&rig, &json!({"signal": 15, "stoppedBy": "drain", "logBytes": 0, "logCrc": 0})).await.expect(200);
    let reason = async || rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200)["ended"]["reason"].clone();
    assert_eq!(reason().await, "Evicted");
    let seen = json!({"kind": "evidence", "evidence": disrupted()});
    assert_eq!(told(&own.reported(&rig, Some("pod-1"), seen.clone()).await), (true, "ended".into()));
    assert_eq!(reason().await, "Preempted");
    let shown = attempts(&rig, task).await[0].clone();
    assert_eq!((&shown["ended"]["reason"], &shown["evidence"]), (&json!("Preempted"), &disrupted()));
    rig.pass(30_001);
    assert_eq!(told(&own.reported(&rig, Some("pod-1"), seen).await), (false, "ended".into()), "too late");
}

#[tokio::test]
async fn memory_has_a_class_of_its_own() {
    let rig = Rig::new().await;
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "retries": {"oom": 1}})).await;
    let killed = json!({"signal": 9, "oomKilled": true, "logBytes": 0, "logCrc": 0});
    let own = rig.running().await;
    own.finish_with(&rig, &killed).await.expect(200);
    assert_eq!(rig.state(task).await, "waiting", "retries.oom pays for another attempt");
    rig.pass(600_000);
    rig.tick().await;
    rig.running().await.finish_with(&rig, &killed).await.expect(200);
    let shown = rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200);
    assert_eq!((&shown["ended"]["class"], &shown["ended"]["reason"]), (&json!("oom"), &json!("OOMKilled")));
}

#[tokio::test]
async fn silence_says_nothing_where_no_agent_is() {
    let rig = Rig::new().await;
    let own = agentless(&rig).await;
    let path = format!("/api/v1/tasks/{}", own.task);
    rig.pass(3_600_000);
    let shown = rig.get(Who::Sam, &path).await.expect(200);
    assert_eq!((&shown["phase"], shown.get("heartbeatLost")), (&json!("running"), None));
    assert_eq!(rig.get(Who::Sam, format!("{path}/why")).await.expect(200)["reasons"], json!([]));

    // A cancel is the runner's to carry out, at once.
    rig.post(Who::Sam, format!("{path}/cancel"), &json!({})).await.expect(202);
    let beat = json!({"runner": "r1", "instance": INSTANCE, "known": ""});
    let orders = rig.post(Who::Runner, "/api/v1/runner/heartbeat", &beat).await.expect(200)["cancels"].clone();
    assert_eq!(orders, json!([{"task": own.task, "attempt": 1, "overdue": true}]));
    let deleted = json!({"kind": "ended", "class": "infra", "reason": "PodDeleted", "message": "cancelled", "proof": "gone"});
    assert!(told(&own.reported(&rig, Some("pod-1"), deleted).await).0);
    assert_eq!(rig.state(own.task).await, "cancelled");
}

#[tokio::test]
async fn a_runner_sends_the_log_of_an_attempt_that_has_no_agent() {
    let rig = Rig::new().await;
    let own = agentless(&rig).await;
    let put = |own: &Own, claim: &str, token: &str, text: &str| {
        let query = format!("log?offset=0&crc32c={}&claim={claim}", crc32c::crc32c(text.as_bytes()));
        rig.call("PUT", own.path(&query)).bearer(token).body(text.to_owned())
    };
    for who in Who::ALL {
        let reply = put(&own, &own.claim, rig.token(who), "hello\n").await;
        if who == Who::Runner {
            assert_eq!(reply.expect(200)["nextOffset"], 6);
        } else {
            reply.problem(403, "FORBIDDEN");
        }
    }
    for token in [&own.token, &own.start_token, "slw_nonsense"] {
        put(&own, &own.claim, token, "forged").await.problem(401, "UNAUTHENTICATED");
    }
    let runner = rig.token(Who::Runner);
    put(&own, "00000000-0000-0000-0000-000000000000", runner, "x").await.problem(409, "SUPERSEDED");
    rig.call("PUT", own.path("log?offset=6&crc32c=0")).bearer(runner).body("x").await.problem(401, "UNAUTHENTICATED");

    let result = json!({"exitCode": 0, "logBytes": 6, "logCrc": crc32c::crc32c(b"hello\n")});
    assert!(told(&own.reported(&rig, Some("pod-1"), json!({"kind": "finish", "result": result})).await).0);
    let shown = rig.get(Who::Sam, format!("/api/v1/tasks/{}", own.task)).await.expect(200);
    assert_eq!((&shown["state"], &shown["ended"]["logComplete"]), (&json!("succeeded"), &json!(true)));
    assert_eq!(rig.get(Who::Sam, format!("/api/v1/tasks/{}/log", own.task)).await.text(), "hello\n");
    put(&own, &own.claim, runner, "late").await.problem(409, "SUPERSEDED");

    // Where an agent runs, it alone speaks.
    rig.task().await;
    let own = rig.running().await;
    put(&own, &own.claim, runner, "x").await.problem(403, "FORBIDDEN");
}
