//! Queues whose templates ask for values of their tasks, from the save to the Job.

use super::rig::{Rig, Who, ask};
use serde_json::{Value, json};
use uuid::Uuid;

const GLUE: Uuid = Uuid::from_u128(0xB2);

async fn glue(rig: &Rig) {
    let body = json!({"kind": "kubernetes", "instance": GLUE, "version": "1", "slots": 100, "gpus": 100, "queues": ["*"],
        "cluster": {"namespaces": ["ml-runs"]}});
    rig.call("PUT", "/api/v1/runners/glue").bearer(rig.token(Who::Runner)).json(&body).await.expect(200);
}

/// The Job of the next task.
async fn job(rig: &Rig, claim: u128) -> Value {
    let mut body = ask(Uuid::from_u128(claim), 1);
    (body["runner"], body["instance"], body["waitSeconds"]) = (json!("glue"), json!(GLUE), json!(0));
    let reply = rig.post(Who::Runner, "/api/v1/runner/claims", &body).await.expect(200);
    reply["items"][0]["job"]["manifest"].clone()
}

fn typed() -> Value {
    json!({
        "owner": "my_Team1", "defaults": {"image": "img:1"},
        "variables": {"gpus": {"type": "integer", "default": 1, "minimum": 1, "maximum": 4}, "tier": {"type": "string", "enum": ["a", "b"]}},
        "podTemplate": {"metadata": {"labels": {"tier": "t-{{tier}}", "run": "${run_id}"}, "annotations": {"team": "${entity_name}"}},
            "spec": {"activeDeadlineSeconds": "{{gpus}}", "containers": [{"image": "${image_uri}", "resources": {"limits": {"nvidia.com/gpu": "{{gpus}}"}}}]}},
    })
}

#[tokio::test]
async fn a_task_gives_values_and_its_job_has_them() {
    let rig = Rig::new().await;
    glue(&rig).await;
    rig.call("PUT", "/api/v1/queues/typed").bearer(rig.token(Who::Admin)).json(&typed()).await.expect(201);
    let with = |variables: Value| json!({"command": ["true"], "queue": "typed", "variables": variables});
    for (variables, pointers) in [
        (json!({"gpus": 5, "tier": "a"}), ["/variables/gpus"].as_slice()),
        (json!({"gpus": "x"}), &["/variables/gpus", "/variables/tier"]),
        (json!({"gpu": 1, "tier": "c"}), &["/variables/gpu", "/variables/tier"]),
    ] {
        let problem = rig.post(Who::Sam, "/api/v1/tasks", &with(variables)).await.problem(422, "VALIDATION_FAILED");
        let found: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(found, pointers, "{problem}");
    }
    let problem = rig.post(Who::Sam, "/api/v1/tasks", &with(json!({"gpus": 5, "tier": "a"}))).await.problem(422, "VALIDATION_FAILED");
    assert!(problem["errors"][0]["message"].as_str().unwrap().contains("maximum 4"), "{problem}");

    let task = rig.submit(Who::Sam, with(json!({"gpus": "3", "tier": "b"}))).await;
    rig.submit(Who::Sam, with(json!({"tier": "a"}))).await;
    let shown = rig.get(Who::Sam, format!("/api/v1/tasks/{task}")).await.expect(200);
    assert_eq!(shown["variables"], json!({"gpus": "3", "tier": "b"}));
    let rig = rig.restarted().await;
    let first = job(&rig, 1).await;
    assert_eq!(first["metadata"]["labels"], json!({"tier": "t-b", "run": task.to_string()}));
    assert_eq!(first["metadata"]["annotations"], json!({"team": "my_Team1"}));
    let spec = &first["spec"]["template"]["spec"];
    assert_eq!((&spec["activeDeadlineSeconds"], &spec["containers"][0]["image"]), (&json!(3), &json!("img:1")));
    assert_eq!(spec["containers"][0]["resources"]["limits"], json!({"nvidia.com/gpu": "3"}));
    assert_eq!(job(&rig, 2).await["spec"]["template"]["spec"]["activeDeadlineSeconds"], 1);

    // The same again; and a queue that has changed says what no longer fits.
    rig.post(Who::Sam, format!("/api/v1/tasks/{task}/rerun"), &json!({})).await.expect(201);
    assert_eq!(job(&rig, 3).await["spec"]["template"]["spec"]["activeDeadlineSeconds"], 3);
    let mut less = typed();
    less["variables"]["gpus"]["maximum"] = json!(2);
    rig.call("PUT", "/api/v1/queues/typed").bearer(rig.token(Who::Admin)).json(&less).await.expect(200);
    let problem = rig.post(Who::Sam, format!("/api/v1/tasks/{task}/rerun"), &json!({})).await.problem(422, "VALIDATION_FAILED");
    assert!(problem["detail"].as_str().unwrap().contains("maximum 2"), "{problem}");
}

#[tokio::test]
async fn a_queue_whose_template_cannot_be_filled_is_refused_by_place() {
    let rig = Rig::new().await;
    for (change, pointer) in [
        (json!({"variables": {"gpus": {"type": "integer", "default": 9, "maximum": 4}}}), "/variables/gpus/default"),
        (json!({"variables": {"gpus": {"type": "integer", "format": "int32"}}}), "/variables/gpus/format"),
        (json!({"variables": {"tier": {"type": "string"}}}), "/podTemplate/spec/activeDeadlineSeconds"),
        (
            json!({"variables": {"gpus": {"type": "string", "default": "two"}, "tier": {"type": "string"}}}),
            "/podTemplate/spec/activeDeadlineSeconds",
        ),
        (json!({"podTemplate": {"metadata": {"annotations": {"home": "${HOME}"}}}}), "/podTemplate/metadata/annotations/home"),
    ] {
        let mut queue = typed();
        for (field, value) in change.as_object().unwrap() {
            queue[field] = value.clone();
        }
        let reply = rig.call("PUT", "/api/v1/queues/typed").bearer(rig.token(Who::Admin)).json(&queue).await;
        assert_eq!(reply.problem(422, "VALIDATION_FAILED")["errors"][0]["pointer"], pointer);
    }
}

/// What a task makes its pod ask for by a variable counts as if it had named it.
#[tokio::test]
async fn a_budget_counts_the_gpus_that_variables_ask_for() {
    let rig = Rig::new().await;
    glue(&rig).await;
    rig.call("PUT", "/api/v1/budgets/pool").bearer(rig.token(Who::Admin)).json(&json!({"max": 4})).await.expect(201);
    let mut queue = typed();
    queue["budgets"] = json!({"pool": {}});
    rig.call("PUT", "/api/v1/queues/typed").bearer(rig.token(Who::Admin)).json(&queue).await.expect(201);
    for gpus in [3, 3, 1] {
        rig.submit(Who::Sam, json!({"command": ["true"], "queue": "typed", "variables": {"gpus": gpus, "tier": "a"}})).await;
    }
    let mut body = ask(Uuid::from_u128(1), 10);
    (body["runner"], body["instance"], body["waitSeconds"]) = (json!("glue"), json!(GLUE), json!(0));
    let reply = rig.post(Who::Runner, "/api/v1/runner/claims", &body).await.expect(200);
    let asked: Vec<&Value> = reply["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["job"]["manifest"]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"])
        .collect();
    assert_eq!(asked, ["3", "1"], "the second task of three GPUs finds one left of four");
    let pool = rig.get(Who::Sam, "/api/v1/budgets/pool").await.expect(200);
    assert_eq!(pool["used"], 4, "{pool}");
}

#[tokio::test]
async fn a_budget_counts_the_weight_that_variables_say() {
    let rig = Rig::new().await;
    glue(&rig).await;
    rig.call("PUT", "/api/v1/budgets/pool").bearer(rig.token(Who::Admin)).json(&json!({"resource": "weight", "max": 4})).await.expect(201);
    let mut queue = typed();
    queue["budgets"] = json!({"pool": {}});
    queue["variables"]["share"] = json!({"type": "string", "enum": ["0.5", "3", "4"]});
    queue["podTemplate"]["metadata"]["labels"] = json!({"clear.ml/resource-usage": "{{share}}"});
    rig.call("PUT", "/api/v1/queues/typed").bearer(rig.token(Who::Admin)).json(&queue).await.expect(201);
    let mut ids = Vec::new();
    for (share, own) in [("3", json!({})), ("3", json!({})), ("4", json!({"slipway.dev/weight": "0.5"}))] {
        let new = json!({"command": ["true"], "queue": "typed", "variables": {"share": share, "tier": "a"}, "labels": own});
        ids.push(rig.submit(Who::Sam, new).await);
    }
    let mut body = ask(Uuid::from_u128(1), 10);
    (body["runner"], body["instance"], body["waitSeconds"]) = (json!("glue"), json!(GLUE), json!(0));
    let reply = rig.post(Who::Runner, "/api/v1/runner/claims", &body).await.expect(200);
    let claimed: Vec<_> = reply["items"].as_array().unwrap().iter().map(|item| item["task"].as_i64()).collect();
    assert_eq!(
        claimed,
        [Some(ids[0]), Some(ids[2])],
        "the second task of weight three finds one left of four, and the third says a half itself"
    );
    let pool = rig.get(Who::Sam, "/api/v1/budgets/pool").await.expect(200);
    assert_eq!(pool["used"], 3.5, "{pool}");
}

#[tokio::test]
async fn a_rerun_with_other_values_is_checked_as_a_submit() {
    let rig = Rig::new().await;
    glue(&rig).await;
    rig.call("PUT", "/api/v1/queues/typed").bearer(rig.token(Who::Admin)).json(&typed()).await.expect(201);
    let task = rig.submit(Who::Sam, json!({"command": ["true"], "queue": "typed", "variables": {"gpus": 1, "tier": "b"}})).await;
    let again = |body: Value| rig.post(Who::Sam, format!("/api/v1/tasks/{task}/rerun"), &body);
    let refused = again(json!({"variables": {"gpus": 9}})).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(refused["errors"][0]["pointer"], "/variables/gpus");
    let refused = again(json!({"variables": {"gpu": 2}})).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(refused["errors"][0]["pointer"], "/variables/gpu");
    let made = again(json!({"variables": {"gpus": 2}})).await.expect(201);
    assert_eq!((&made["variables"], &made["rerunOf"]), (&json!({"gpus": 2, "tier": "b"}), &json!(task)));
    let (first, second) = (job(&rig, 1).await, job(&rig, 2).await);
    let limits = |job: &Value| job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"].clone();
    assert_eq!((limits(&first), limits(&second)), (json!({"nvidia.com/gpu": "1"}), json!({"nvidia.com/gpu": "2"})));
}
