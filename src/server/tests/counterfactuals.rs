//! Who has what a task waits for, what would let it get on, and how good estimates of its start were.

use super::{
    own::Own,
    rig::{INSTANCE, Rig, Who},
    wires::Reply,
};
use crate::server::flow;
use serde_json::{Value, json};
use uuid::Uuid;

async fn why(rig: &Rig, task: i64) -> Value {
    rig.get(Who::Sam, format!("/api/v1/tasks/{task}/why")).await.expect(200)
}

fn first(why: &Value) -> &str {
    why["reasons"][0]["code"].as_str().unwrap()
}

async fn apply(rig: &Rig, path: &str, body: Value) {
    rig.call("PUT", format!("/api/v1/{path}")).bearer(rig.token(Who::Admin)).json(&body).await.expect(201);
}

async fn tell(rig: &Rig, max: u32, gpus: u32) -> Reply {
    let state = json!({"room": {"max": max, "gpus": gpus, "queues": [{"name": "*"}]}});
    rig.post(Who::Runner, "/api/v1/runner/heartbeat", &json!({"runner": "r1", "instance": INSTANCE, "known": "", "state": state})).await
}

#[tokio::test]
async fn whoever_waits_for_a_slot_learns_who_has_it_and_until_when() {
    let rig = Rig::new().await;
    apply(&rig, "queues/narrow", json!({"limits": {"maxRunning": 2}})).await;
    let task = |name: &str, timeout: Option<u32>| json!({"command": ["true"], "queue": "narrow", "name": name, "timeoutSeconds": timeout, "graceSeconds": 10});
    let long = rig.submit(Who::Sue, task("long", Some(900))).await;
    rig.running().await;
    rig.pass(60_000);
    let short = rig.submit(Who::Sam, task("short", Some(300))).await;
    rig.running().await;
    let waits = rig.submit(Who::Sam, task("waits", None)).await;
    let next = rig.submit(Who::Sam, task("next", None)).await;
    rig.register("r1", INSTANCE).await.expect(200);
    let shown = why(&rig, waits).await;
    assert_eq!(first(&shown), "QueueConcurrencyLimit");
    let items = json!([
        {"task": short, "name": "short", "queue": "narrow", "user": "sam", "gpus": 0, "since": "2027-01-15T08:01:00Z", "endsBy": "2027-01-15T08:06:10Z"},
        {"task": long, "name": "long", "queue": "narrow", "user": "sue", "gpus": 0, "since": "2027-01-15T08:00:00Z", "endsBy": "2027-01-15T08:15:10Z"},
    ]);
    assert_eq!(shown["holders"], json!({"items": items, "total": 2}));
    let by = |seconds: u64| json!({"bySeconds": seconds, "basis": "the time limits of 2 running tasks"});
    assert_eq!((&shown["eta"], &why(&rig, next).await["eta"]), (&by(310), &by(850)), "the first slot, and the second");
    assert!(why(&rig, short).await.get("holders").is_none(), "who runs waits for nobody");
}

#[tokio::test]
async fn without_a_limit_of_time_nobody_knows_when_a_slot_is_free() {
    let rig = Rig::new().await;
    apply(&rig, "queues/narrow", json!({"limits": {"maxRunning": 1}})).await;
    let body = json!({"command": ["true"], "queue": "narrow"});
    rig.submit(Who::Sam, body.clone()).await;
    rig.running().await;
    let waits = rig.submit(Who::Sam, body).await;
    let shown = why(&rig, waits).await;
    assert_eq!((shown["holders"]["items"][0].get("endsBy"), shown.get("eta")), (None, None));
}

/// Found by trying: for the ten seconds to the runner's next sign of life `why` said that the task was next and nothing else.
#[tokio::test]
async fn a_runner_is_full_as_soon_as_it_holds_as_many_as_it_has_slots() {
    let rig = Rig::new().await;
    rig.register("r1", INSTANCE).await.expect(200);
    tell(&rig, 4, 8).await.expect(200);
    for _ in 0..4 {
        rig.submit(Who::Sue, json!({"command": ["true"], "timeoutSeconds": 60, "graceSeconds": 0})).await;
        rig.running().await;
    }
    let waits = rig.task().await;
    let shown = why(&rig, waits).await;
    assert_eq!(first(&shown), "RunnerAtCapacity", "it said before that it had room for four");
    let said = "Runner r1 is full: no room for the queue default, 4 of 4 slots taken";
    assert_eq!((&shown["reasons"][0]["message"], &shown["holders"]["total"]), (&json!(said), &json!(4)));
    assert_eq!(shown["eta"], json!({"bySeconds": 60, "basis": "the time limits of 4 running tasks"}));
    apply(&rig, "queues/other", json!({})).await;
    rig.submit(Who::Sue, json!({"command": ["true"], "queue": "other"})).await;
    assert!(why(&rig, waits).await.get("eta").is_none(), "another queue may get the slot");
}

#[tokio::test]
async fn holders_in_queues_that_somebody_may_not_see_are_only_counted() {
    let rig = Rig::new().await;
    apply(&rig, "budgets/pool", json!({"resource": "gpus", "max": 2})).await;
    for queue in ["a", "b"] {
        apply(&rig, &format!("queues/{queue}"), json!({"budgets": {"pool": {"guaranteed": 0}}})).await;
    }
    let body = |queue: &str| json!({"command": ["true"], "queue": queue, "resources": {"gpus": 2}});
    let holder = rig.submit(Who::Sue, body("b")).await;
    rig.running().await;
    let waits = rig.submit(Who::Sam, body("a")).await;
    let shown = why(&rig, waits).await;
    assert_eq!((first(&shown), &shown["holders"]["total"]), ("BudgetExhausted", &json!(1)));
    assert_eq!((&shown["holders"]["items"][0]["task"], &shown["holders"]["items"][0]["gpus"]), (&json!(holder), &json!(2)));
    let limited = rig.token_in("vito", "viewer", &["a"]).await;
    let shown = rig.call("GET", format!("/api/v1/tasks/{waits}/why")).bearer(&limited).await.expect(200);
    assert_eq!(shown["holders"], json!({"items": [], "total": 1}));
}

#[tokio::test]
async fn with_the_gpus_that_are_free_it_would_start_and_does() {
    let rig = Rig::new().await;
    let body = |gpus: u32| json!({"command": ["true"], "resources": {"gpus": gpus}});
    let large = rig.submit(Who::Sue, body(6)).await;
    rig.running().await;
    let waits = rig.submit(Who::Sam, body(4)).await;
    tell(&rig, 3, 2).await.expect(200);
    let shown = why(&rig, waits).await;
    assert_eq!(first(&shown), "RunnerAtCapacity");
    assert_eq!(shown["holders"]["items"][0]["task"], large);
    assert_eq!(shown["instead"], json!([{"gpus": 2, "now": true}]));
    let again = |body: Value| rig.post(Who::Sam, format!("/api/v1/tasks/{waits}/rerun"), &body);
    let refused = again(json!({"gpus": 2_000})).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(refused["errors"][0]["pointer"], "/gpus");
    let small = again(json!({"gpus": 2})).await.expect(201);
    assert_eq!((&small["resources"]["gpus"], &small["rerunOf"]), (&json!(2), &json!(waits)));
    let ask = json!({"runner": "r1", "instance": INSTANCE, "claimId": Uuid::from_u128(9), "max": 3, "gpus": 2, "queues": [{"name": "*"}]});
    let claimed = rig.post(Who::Runner, "/api/v1/runner/claims", &ask).await.expect(200);
    assert_eq!((claimed["items"].as_array().unwrap().len(), &claimed["items"][0]["task"]), (1, &small["id"]), "what was said holds");

    // Nothing is free any more, and one who asks for one cannot ask for fewer.
    tell(&rig, 2, 0).await.expect(200);
    assert!(why(&rig, waits).await.get("instead").is_none());
    tell(&rig, 2, 2).await.expect(200);
    let single = rig.submit(Who::Sam, json!({"command": ["true"], "queue": "default", "resources": {"gpus": 1}})).await;
    assert!(why(&rig, single).await.get("instead").is_none());
}

/// Found by trying: of a task for a GPU on a machine without one `why` said "nothing to do", and --check let it pass.
#[tokio::test]
async fn more_gpus_than_any_machine_has_never_fit_and_are_refused_on_request() {
    let rig = Rig::new().await;
    let preview = |gpus: u32| {
        let task = json!({"task": {"command": ["true"], "resources": {"gpus": gpus}}});
        rig.post(Who::Sam, "/api/v1/queues/default/render", &task)
    };
    assert_eq!(preview(9).await.expect(200)["items"][0]["findings"], json!([]), "nobody serves the queue, so nobody is too small");
    rig.register("r1", INSTANCE).await.expect(200);
    tell(&rig, 4, 8).await.expect(200);
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "resources": {"gpus": 9}})).await;
    let shown = why(&rig, task).await;
    assert_eq!((first(&shown), &shown["verdict"], &shown["reasons"][1]["blocking"]), ("NeverFits", &json!("change"), &json!(false)));
    let said = "The task asks for 9 GPUs; no runner of the queue default has so many, the largest, r1, has 8";
    assert_eq!(shown["reasons"][0]["message"], said);
    assert_eq!((&shown["instead"], shown.get("eta")), (&json!([{"gpus": 8, "now": true}]), None));
    let found = preview(9).await.expect(200)["items"][0].clone();
    assert_eq!(
        (&found["runner"], &found["findings"][0]["code"], &found["findings"][0]["level"]),
        (&json!("r1"), &json!("NeverFits"), &json!("error"))
    );
    assert!(preview(8).await.expect(200)["items"].as_array().unwrap().iter().all(|item| item["findings"] == json!([])));
    let fits = rig.submit(Who::Sam, json!({"command": ["true"], "resources": {"gpus": 8}})).await;
    assert_ne!(first(&why(&rig, fits).await), "NeverFits");

    let glue = json!({"kind": "kubernetes", "instance": Uuid::from_u128(7), "version": "1", "slots": 9, "queues": ["*"], "cluster": {"namespaces": ["ml"]}});
    rig.call("PUT", "/api/v1/runners/glue").bearer(rig.token(Who::Runner)).json(&glue).await.expect(200);
    assert_ne!(first(&why(&rig, task).await), "NeverFits", "a cluster may have as many");
}

/// Starts tasks in the default queue, one each 20 s.
async fn starts(rig: &Rig, count: u32) -> Vec<Own> {
    let mut started = Vec::new();
    for _ in 0..count {
        rig.pass(20_000);
        let own = rig.running().await;
        own.finish(rig, 0).await.expect(200);
        started.push(own);
    }
    started
}

#[tokio::test]
async fn estimates_are_compared_with_what_happened_and_outlive_the_server() {
    let rig = Rig::new().await;
    rig.register("r1", INSTANCE).await.expect(200);
    let mut tasks = Vec::new();
    for _ in 0..20 {
        tasks.push(rig.task().await);
    }
    starts(&rig, 12).await;
    let stats = async |rig: &Rig| rig.get(Who::Viewer, "/api/v1/queues/default").await.expect(200)["stats"].clone();
    assert_eq!(stats(&rig).await["waits"], json!({"p50Seconds": 120, "p90Seconds": 220, "of": 12}));
    assert!(stats(&rig).await.get("estimates").is_none(), "nobody asked");
    // Two are told; the one starts in time, the other after its time.
    why(&rig, tasks[12]).await;
    why(&rig, tasks[13]).await;
    starts(&rig, 1).await;
    why(&rig, tasks[13]).await;
    rig.pass(30_000);
    starts(&rig, 1).await;
    assert_eq!(stats(&rig).await["estimates"], json!({"told": 2, "byP50": 1, "byP90": 1}), "the first that was said of each counts");

    let scrape = rig.get(Who::Viewer, "/metrics").await.text();
    for (came, count) in [("p50", 1), ("p90", 0), ("later", 1)] {
        assert!(scrape.contains(&format!("slipway_queue_estimated_starts{{queue=\"default\",came=\"{came}\"}} {count}\n")), "{scrape}");
    }

    let rig = rig.restarted().await;
    rig.register("r1", INSTANCE).await.expect(200);
    flow::remember(rig.app.clone()).await;
    let basis = "the last 14 starts of the queue";
    assert_eq!(why(&rig, tasks[14]).await["eta"]["basis"], basis, "what was known of the queue before still is");
    let counted = stats(&rig).await;
    assert_eq!(counted["starts"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>(), 14);
    assert_eq!((&counted["places"], &counted["runners"][0]["name"]), (&json!(4), &json!("r1")));
}
