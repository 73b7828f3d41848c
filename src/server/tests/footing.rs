//! What glues stand on, told by them and shown with the runners; and how the server itself is.

use super::rig::{Rig, Who};
use crate::wire::limits;
use serde_json::{Value, json};
use uuid::Uuid;

const GLUE: Uuid = Uuid::from_u128(0xB5);

fn report(missing: &Value) -> Value {
    json!({"instance": GLUE, "footing": {"agentUrl": "http://slipway.ml", "namespaces": ["ml"], "checksQueues": true, "needed": 20, "missing": missing}})
}

async fn tell(rig: &Rig, body: &Value) -> super::wires::Reply {
    rig.call("PUT", "/api/v1/runners/glue/footing").bearer(rig.token(Who::Runner)).json(body).await
}

async fn shown(rig: &Rig) -> Value {
    rig.get(Who::Viewer, "/api/v1/runners").await.expect(200)["items"][0].clone()
}

#[tokio::test]
async fn what_a_glue_lacks_is_shown_with_it() {
    let rig = Rig::new().await;
    let right = json!({"namespace": "ml", "group": "batch", "resource": "jobs", "verb": "delete", "why": "one Job for each attempt"});
    tell(&rig, &report(&json!([]))).await.problem(404, "RUNNER_NOT_FOUND");
    let cluster = json!({"namespaces": ["ml"]});
    let body = json!({"kind": "kubernetes", "instance": GLUE, "version": "1", "slots": 9, "queues": ["*"], "cluster": cluster});
    rig.call("PUT", "/api/v1/runners/glue").bearer(rig.token(Who::Runner)).json(&body).await.expect(200);
    assert_eq!((shown(&rig).await.get("footing"), shown(&rig).await.get("footingAt")), (None, None));

    assert_eq!(tell(&rig, &report(&json!([right]))).await.status, 204);
    let footing = shown(&rig).await["footing"].clone();
    assert_eq!(
        (&footing["missing"], &footing["agentUrl"], &footing["readsNodes"]),
        (&json!([right]), &json!("http://slipway.ml"), &json!(false))
    );
    assert_eq!(shown(&rig).await["footingAt"], shown(&rig).await["seenAt"]);
    assert_eq!(tell(&rig, &report(&json!([]))).await.status, 204);
    assert_eq!(shown(&rig).await["footing"]["missing"], json!([]), "the newest counts");

    let other = json!({"instance": Uuid::from_u128(1), "footing": {}});
    tell(&rig, &other).await.problem(409, "RUNNER_NAME_TAKEN");
    let long = json!([{"resource": "x".repeat(limits::MAX_FINDING_TEXT + 1), "verb": "get", "why": ""}]);
    let problem = tell(&rig, &report(&long)).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(problem["errors"][0]["pointer"], "/footing/missing/0");
    let many = json!(vec![right; limits::MAX_MISSING_RIGHTS + 1]);
    let problem = tell(&rig, &report(&many)).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(problem["errors"][0]["pointer"], "/footing/missing");
}

#[tokio::test]
async fn health_tells_of_clock_and_database() {
    let rig = Rig::new().await;
    let health = rig.get(Who::Viewer, "/api/v1/health").await.expect(200);
    let database = &health["database"];
    assert_eq!((&database["kind"], &database["schema"]), (&json!("sqlite"), &database["knownSchema"]));
    assert!(database["schema"].as_i64().unwrap() >= 9, "{health}");
    assert!(database["commitMs"].is_u64() && database["readMs"].is_u64(), "{health}");
    assert_eq!((&health["version"], &health["at"]), (&json!(env!("CARGO_PKG_VERSION")), &json!("2027-01-15T08:00:00Z")));
}
