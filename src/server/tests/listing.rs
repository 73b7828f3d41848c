//! Lists of tasks: filters and pages.

use super::rig::{Rig, Who};
use serde_json::{Value, json};

async fn ids(rig: &Rig, query: &str) -> Vec<i64> {
    let page = rig.get(Who::Sam, format!("/api/v1/tasks{query}")).await.expect(200);
    page["items"].as_array().unwrap().iter().map(|t| t["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn every_filter_narrows_the_list() {
    let rig = Rig::new().await;
    rig.call("PUT", "/api/v1/queues/gpu").bearer(rig.token(Who::Admin)).json(&json!({})).await.expect(201);
    let a = rig.submit(Who::Sam, json!({"command": ["true"], "name": "a", "labels": {"team": "vision", "tier": "test"}})).await;
    let b = rig.submit(Who::Sue, json!({"command": ["true"], "name": "b", "labels": {"team": "vision"}})).await;
    rig.pass(60_000);
    let c = rig.submit(Who::Sam, json!({"command": ["true"], "queue": "gpu"})).await;
    rig.post(Who::Sam, format!("/api/v1/tasks/{c}/cancel"), &json!({})).await.expect(200);
    rig.running().await;
    for (query, expected) in [
        ("", vec![c, b, a]),
        ("?user=@me", vec![c, a]),
        ("?user=sue,@me", vec![c, b, a]),
        ("?user=nobody", vec![]),
        ("?queue=gpu", vec![c]),
        ("?queue=gpu,default", vec![c, b, a]),
        ("?state=queued", vec![b]),
        ("?state=active,cancelled", vec![c, a]),
        ("?name=b", vec![b]),
        ("?labelSelector=team%3Dvision", vec![b, a]),
        ("?labelSelector=team%3Dvision,tier!%3Dtest", vec![b]),
        ("?labelSelector=tier", vec![a]),
        ("?labelSelector=team%20in%20(vision,speech),!tier", vec![b]),
        ("?since=2027-01-15T08:01:00Z", vec![c]),
        ("?since=2027-01-15T08:01:00Z&user=sue", vec![]),
        ("?limit=1", vec![c]),
    ] {
        assert_eq!(ids(&rig, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn pages_neither_repeat_nor_skip_while_tasks_come_in() {
    let rig = Rig::new().await;
    let mut all = Vec::new();
    for i in 0..25 {
        all.push(rig.submit(Who::Sam, json!({"command": ["true"], "labels": {"even": (i % 2).to_string()}})).await);
    }
    all.reverse();
    for (filter, expected) in
        [("user=sam&limit=4", all.clone()), ("limit=4&labelSelector=even%3D0", all.iter().step_by(2).copied().collect::<Vec<_>>())]
    {
        let mut path = format!("/api/v1/tasks?{filter}");
        let mut seen = Vec::new();
        loop {
            let reply = rig.get(Who::Sam, path).await;
            let page = reply.expect(200);
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 4);
            seen.extend(items.iter().map(|t| t["id"].as_i64().unwrap()));
            rig.submit(Who::Sue, json!({"command": ["true"]})).await;
            let Some(cursor) = page["nextCursor"].as_str() else {
                assert_eq!(reply.header("link"), None);
                break;
            };
            let link = reply.header("link").expect("a Link to the next page");
            path = link.strip_prefix('<').and_then(|l| l.strip_suffix(">; rel=\"next\"")).expect(link).to_owned();
            assert_eq!(path, format!("/api/v1/tasks?{filter}&cursor={cursor}"), "the same query with the new cursor");
        }
        assert_eq!(&seen[..], &expected[..], "{filter}");
    }
}

#[tokio::test]
async fn a_link_has_one_cursor_however_it_was_written() {
    let rig = Rig::new().await;
    for _ in 0..4 {
        rig.task().await;
    }
    let first = rig.get(Who::Sam, "/api/v1/tasks?limit=1").await.expect(200);
    let cursor = first["nextCursor"].as_str().unwrap().bytes().fold(String::new(), |text, b| text + &format!("%{b:02X}"));
    let reply = rig.get(Who::Sam, format!("/api/v1/tasks?cursor={cursor}&limit=1")).await;
    let page: Value = reply.expect(200);
    let next = page["nextCursor"].as_str().unwrap();
    assert_eq!(reply.header("link"), Some(format!("</api/v1/tasks?limit=1&cursor={next}>; rel=\"next\"").as_str()));
}
