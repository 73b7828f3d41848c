//! Health, version, metrics, the page.

use super::rig::{Rig, Who};
use serde_json::json;

#[tokio::test]
async fn health_tells_alive_from_ready() {
    let rig = Rig::new().await;
    assert_eq!(rig.call("GET", "/livez").await.text(), "ok\n");
    assert_eq!(rig.call("GET", "/readyz").await.text(), "ok\n");
    assert_eq!(rig.call("HEAD", "/readyz").await.status, 200);
    rig.app.stop().cancel();
    let problem = rig.call("GET", "/readyz").await.problem(503, "UNAVAILABLE");
    assert_eq!(problem["detail"], "The server is stopping.");
    rig.call("GET", "/livez").await.expect(200);
}

#[tokio::test]
async fn version_and_document_are_open() {
    let rig = Rig::new().await;
    assert_eq!(rig.call("GET", "/version").await.expect(200), json!({"version": env!("CARGO_PKG_VERSION"), "api": "v1"}));
    assert_eq!(rig.call("GET", "/openapi.json").await.expect(200)["info"]["title"], "Slipway");
    let page = rig.call("GET", "/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert!(page.text().contains(env!("CARGO_PKG_VERSION")) && !page.text().contains("{version}"));
}

/// The value of a sample, `name{labels}`.
fn sample(scrape: &str, name: &str) -> Option<f64> {
    scrape.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn metrics_count_by_queue_and_name_nobody() {
    let rig = Rig::new().await;
    let secret = "swordfish";
    for (path, body) in [
        ("budgets/pool", json!({"max": 2.5, "resource": "weight"})),
        ("queues/default", json!({"limits": {"maxRunning": 7}, "budgets": {"pool": {}}})),
    ] {
        assert!(rig.call("PUT", format!("/api/v1/{path}")).bearer(rig.token(Who::Admin)).json(&body).await.status.is_success());
    }
    rig.submit(Who::Sam, json!({"command": [secret], "name": secret, "labels": {secret: secret}})).await;
    let mut own = rig.running().await;
    own.log(&rig, secret).await;
    own.finish(&rig, 0).await.expect(200);
    rig.submit(Who::Sam, json!({"command": ["true"]})).await;
    rig.post(Who::Operator, "/api/v1/queues/default/pause", &json!({"reason": secret})).await.expect(200);
    rig.get(Who::Sam, format!("/api/v1/tasks?name={secret}")).await.expect(200);
    rig.call(secret, format!("/{secret}")).await;
    rig.get(Who::Sam, "/api/v1/tasks/424242").await.problem(404, "TASK_NOT_FOUND");

    let scrape = rig.get(Who::Viewer, "/metrics").await.text();
    for (name, value) in [
        ("slipway_build_info{version=\"0.1.0\"}", 1.0),
        ("slipway_tasks_submitted_total{queue=\"default\"}", 2.0),
        ("slipway_tasks_finished_total{queue=\"default\",result=\"succeeded\",reason=\"\"}", 1.0),
        ("slipway_queue_pending{queue=\"default\"}", 1.0),
        ("slipway_queue_running{queue=\"default\"}", 0.0),
        ("slipway_queue_paused{queue=\"default\"}", 1.0),
        ("slipway_queue_limit{queue=\"default\"}", 7.0),
        ("slipway_queue_oldest_pending_seconds{queue=\"default\"}", 0.0),
        ("slipway_budget_used{budget=\"pool\"}", 0.0),
        ("slipway_budget_max{budget=\"pool\"}", 2.5),
        ("slipway_runner_heartbeat_timestamp_seconds{runner=\"r1\"}", 1_800_000_000.0),
        ("slipway_agent_log_bytes_total", 9.0),
        ("http_request_duration_seconds_count{method=\"GET\",route=\"/api/v1/tasks/{id}\",status=\"404\"}", 1.0),
        ("http_request_duration_seconds_count{method=\"other\",route=\"unmatched\",status=\"404\"}", 1.0),
    ] {
        assert_eq!(sample(&scrape, name), Some(value), "{name}\n{scrape}");
    }
    assert!(scrape.ends_with("# EOF\n"));
    for private in [secret, "sam", "424242"] {
        assert!(!scrape.contains(private), "{private}");
    }
    rig.pass(90_000);
    rig.post(Who::Operator, "/api/v1/queues/default/resume", &json!({})).await.expect(200);
    let rule = json!({"limits": {}, "budgets": {"pool": {}}});
    rig.call("PUT", "/api/v1/queues/default").bearer(rig.token(Who::Admin)).json(&rule).await.expect(200);
    let heavy = json!({"command": ["true"], "labels": {"slipway.dev/weight": "0.5"}, "priority": "high"});
    rig.submit(Who::Sam, heavy).await;
    rig.claimed().await;
    let scrape = rig.get(Who::Viewer, "/metrics").await.text();
    assert_eq!(sample(&scrape, "slipway_queue_oldest_pending_seconds{queue=\"default\"}"), Some(90.0));
    assert_eq!(sample(&scrape, "slipway_budget_used{budget=\"pool\"}"), Some(0.5));
    assert_eq!(sample(&scrape, "slipway_queue_limit{queue=\"default\"}"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrapes_at_once_are_all_whole() {
    let rig = Rig::new().await;
    for _ in 0..20 {
        let calls = (0..4).map(|_| tokio::spawn(rig.get(Who::Viewer, "/metrics").into_future()));
        for reply in futures::future::join_all(calls).await {
            assert!(reply.unwrap().text().contains("slipway_queue_pending{queue=\"default\"} 0\n"));
        }
    }
}
