//! Arrays, parents and children as their users meet them.

use super::{
    own::Own,
    rig::{Rig, Who},
};
use serde_json::{Value, json};

impl Rig {
    async fn array(&self, array: Value) -> i64 {
        self.submit(Who::Sam, json!({"name": "sweep", "command": ["train", "--fold={index}"], "array": array})).await
    }

    async fn shown(&self, path: impl std::fmt::Display) -> Value {
        self.get(Who::Viewer, format!("/api/v1/tasks/{path}")).await.expect(200)
    }

    /// The ids of a list.
    async fn listed(&self, query: &str) -> Vec<i64> {
        let list = self.get(Who::Viewer, format!("/api/v1/tasks{query}")).await.expect(200);
        list["items"].as_array().unwrap().iter().map(|task| task["id"].as_i64().unwrap()).collect()
    }

    /// Rounds of the clockwork until nothing is due.
    async fn settle(&self) {
        loop {
            let due = self.app.store.due(self.app.now()).await.unwrap();
            if due.waiting.is_empty() && !due.more {
                return;
            }
            self.tick().await;
        }
    }

    async fn finished(&self, code: i32) -> Own {
        let own = self.running().await;
        own.finish(self, code).await.expect(200);
        own
    }
}

#[tokio::test]
async fn an_array_is_one_task_with_many_elements() {
    let rig = Rig::new().await;
    let id = rig.array(json!({"size": 4, "maxParallel": 3})).await;
    let array = rig.shown(id).await;
    let counts = json!({"waiting": 1, "queued": 3, "active": 0, "succeeded": 0, "failed": 0, "cancelled": 0});
    assert_eq!(array["array"], json!({"size": 4, "maxParallel": 3, "counts": counts}));
    assert_eq!((&array["state"], &array["command"]), (&json!("queued"), &json!(["train", "--fold={index}"])));

    // The alias names an element wherever an id stands.
    let element = rig.shown(format!("{id}_2")).await;
    assert_eq!(element, rig.shown(id + 3).await);
    assert_eq!(element["array"], json!({"id": id, "index": 2, "size": 4}));
    assert_eq!((&element["parent"], &element["command"]), (&json!(id), &json!(["train", "--fold=2"])));
    rig.shown(format!("{id}_2/attempts")).await;
    rig.get(Who::Viewer, format!("/api/v1/tasks/{id}_2/log")).await.expect(200);
    let problem = rig.get(Who::Viewer, format!("/api/v1/tasks/{id}_4")).await.problem(404, "TASK_NOT_FOUND");
    assert_eq!(problem["detail"], format!("Task {id} has no element 4."));
    rig.get(Who::Viewer, "/api/v1/tasks/4711_0").await.problem(404, "TASK_NOT_FOUND");
    for wrong in ["x", "1_", "_1", "1_x", "1_2_3"] {
        let problem = rig.get(Who::Viewer, format!("/api/v1/tasks/{wrong}")).await.problem(400, "INVALID_PARAMETER");
        assert!(problem["detail"].as_str().unwrap().contains("1040_7"), "{problem}");
    }

    let other = rig.task().await;
    assert_eq!(rig.listed("").await, [other, id]);
    assert_eq!(rig.listed(&format!("?parent={id}")).await, [id + 1, id + 2, id + 3, id + 4]);
    assert_eq!(rig.listed("?elements=true").await, [other, id + 4, id + 3, id + 2, id + 1, id]);
    assert_eq!(rig.listed(&format!("?parent={id}&state=waiting")).await, [id + 4]);
    let page = rig.get(Who::Viewer, format!("/api/v1/tasks?parent={id}&limit=3")).await.expect(200);
    let next = page["nextCursor"].as_str().unwrap();
    assert_eq!(rig.listed(&format!("?parent={id}&limit=3&cursor={next}")).await, [id + 4]);
}

#[tokio::test]
async fn an_element_is_told_its_place() {
    let rig = Rig::new().await;
    let id = rig.array(json!({"indices": "7-8", "size": 32})).await;
    let mut own = rig.claimed().await;
    let started = own.start(&rig).await;
    assert_eq!(started["work"], json!({"command": ["train", "--fold=7"]}));
    let told = json!({"SLIPWAY_ARRAY_ID": id.to_string(), "SLIPWAY_ARRAY_INDEX": "7", "SLIPWAY_ARRAY_SIZE": "32"});
    assert_eq!(started["env"], told);
    // A task that is no element keeps its words.
    let rig = Rig::new().await;
    rig.submit(Who::Sam, json!({"command": ["echo", "{index}"]})).await;
    let started = rig.claimed().await.start(&rig).await;
    assert_eq!((&started["work"], &started["env"]), (&json!({"command": ["echo", "{index}"]}), &json!({})));
}

#[tokio::test]
async fn what_an_array_has_not_is_named_with_what_has_it() {
    let rig = Rig::new().await;
    let id = rig.array(json!({"indices": "3-5"})).await;
    for (path, command) in [("log", "logs"), ("attempts", "get")] {
        let problem = rig.get(Who::Viewer, format!("/api/v1/tasks/{id}/{path}")).await.problem(409, "CONFLICT");
        assert!(problem["detail"].as_str().unwrap().contains(&format!("{id}_3")), "{problem}");
        assert_eq!(problem["hint"], format!("slipway {command} {id}_3"));
    }
    for (array, pointer) in [
        (json!({}), "/array"),
        (json!({"size": 0}), "/array/size"),
        (json!({"size": 10_001}), "/array/size"),
        (json!({"indices": "3-1"}), "/array/indices"),
        (json!({"size": 4, "maxParallel": 0}), "/array/maxParallel"),
    ] {
        let body = json!({"command": ["true"], "array": array});
        let problem = rig.post(Who::Sam, "/api/v1/tasks", &body).await.problem(422, "VALIDATION_FAILED");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

#[tokio::test]
async fn an_array_is_cancelled_whole_or_in_part() {
    let rig = Rig::new().await;
    let id = rig.array(json!({"size": 6, "maxParallel": 2})).await;
    let own = rig.running().await;
    let cancel = |who, body: Value| rig.post(who, format!("/api/v1/tasks/{id}/cancel"), &body);
    cancel(Who::Sue, json!({})).await.problem(403, "FORBIDDEN");
    let problem = cancel(Who::Sam, json!({"indices": "4-6"})).await.problem(422, "VALIDATION_FAILED");
    assert_eq!(problem["detail"], format!("/indices: the array {id} has no element 6; it has 0-5."));
    let part = cancel(Who::Sam, json!({"indices": "1,4-5"})).await.expect(202);
    assert_eq!(part["array"]["counts"]["cancelled"], 3);
    assert!(part.get("cancelRequestedAt").is_none());
    rig.settle().await;
    assert_eq!(rig.state(id + 3).await, "queued", "the slot of the second went to the third");

    let whole = cancel(Who::Sam, json!({})).await.expect(202);
    assert_eq!((&whole["array"]["counts"]["cancelled"], &whole["state"]), (&json!(5), &json!("active")));
    assert!(whole["cancelRequestedAt"].is_string());
    let child = rig.post(Who::Sam, "/api/v1/tasks", &json!({"command": ["true"], "parent": id})).await;
    child.problem(409, "CONFLICT");
    // The agent of the running one hears of it.
    let beat = own.beat(&rig, &json!({"phase": "running"})).await.expect(200);
    assert_eq!(beat["cancel"], true);
    own.finish_with(&rig, &json!({"stoppedBy": "cancel", "signal": 15, "logBytes": 0, "logCrc": 0})).await.expect(200);
    let ended = rig.shown(id).await;
    assert_eq!((&ended["state"], &ended["ended"]["message"]), (&json!("cancelled"), &json!("6 of 6 elements were cancelled")));
    assert_eq!(cancel(Who::Sam, json!({})).await.expect(200)["state"], "cancelled", "a repeat is no error");
    let plain = rig.task().await;
    let path = format!("/api/v1/tasks/{plain}/cancel");
    rig.post(Who::Sam, path, &json!({"indices": "0"})).await.problem(422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn an_array_is_rerun_whole_or_in_part_under_the_same_indices() {
    let rig = Rig::new().await;
    let id = rig.array(json!({"size": 4, "maxParallel": 2})).await;
    let again = |path: String, body: Value| rig.post(Who::Sam, format!("/api/v1/tasks/{path}/rerun"), &body);
    again(id.to_string(), json!({"only": "failed"})).await.problem(409, "CONFLICT");
    for code in [0, 1, 0, 2] {
        rig.finished(code).await;
        rig.settle().await;
    }
    let ended = rig.shown(id).await;
    assert_eq!(ended["ended"]["message"], format!("2 of 4 elements failed: {id}_1, {id}_3"));
    assert_eq!((&ended["ended"]["class"], &ended["ended"]["reason"]), (&json!("user"), &json!("ExitNonZero")));
    let shape = |task: &Value| (task["rerunOf"].clone(), task["array"]["size"].clone(), task["array"]["indices"].clone());
    let failed = again(id.to_string(), json!({"only": "failed"})).await.expect(201);
    assert_eq!(shape(&failed), (json!(id), json!(4), json!("1,3")));
    assert_eq!(failed["array"]["maxParallel"], 2);
    let named = again(id.to_string(), json!({"indices": "0-1"})).await.expect(201);
    assert_eq!(shape(&named), (json!(id), json!(4), json!("0-1")));
    let whole = again(id.to_string(), json!({})).await.expect(201);
    assert_eq!(shape(&whole), (json!(id), json!(4), Value::Null));
    let one = again(format!("{id}_3"), json!({})).await.expect(201);
    assert_eq!(shape(&one), (json!(id + 4), json!(4), json!("3")));
    again(id.to_string(), json!({"indices": "4"})).await.problem(422, "VALIDATION_FAILED");
    again(id.to_string(), json!({"indices": "1", "only": "failed"})).await.problem(422, "VALIDATION_FAILED");
    let plain = rig.task().await;
    again(plain.to_string(), json!({"only": "failed"})).await.problem(422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn a_change_of_an_array_reaches_the_elements_that_nobody_has_claimed() {
    let rig = Rig::new().await;
    let id = rig.array(json!({"size": 1_203, "maxParallel": 2})).await;
    let own = rig.running().await;
    let change = json!({"priority": "high", "labels": {"team": "vision"}});
    let path = format!("/api/v1/tasks/{id}");
    let changed = rig.call("PATCH", path.clone()).bearer(rig.token(Who::Sam)).json(&change).await.expect(200);
    assert_eq!((&changed["priority"], &changed["labels"]), (&json!("high"), &json!({"team": "vision"})));
    assert_eq!(rig.shown(id + 1).await["priority"], "normal", "it is active");
    for element in [id + 2, id + 3, id + 1_203] {
        let element = rig.shown(element).await;
        assert_eq!((&element["priority"], &element["labels"]), (&json!("high"), &json!({"team": "vision"})));
    }
    assert_eq!(rig.listed("?labelSelector=team=vision&elements=true&limit=1000").await.len(), 1_000);
    drop(own);
}

#[tokio::test]
async fn children_go_with_their_parent_when_that_is_cancelled() {
    let rig = Rig::new().await;
    let parent = rig.task().await;
    let own = rig.running().await;
    let child = json!({"command": ["true"], "parent": parent});
    let first = rig.submit(Who::Sam, child.clone()).await;
    let second = rig.submit(Who::Operator, child.clone()).await;
    rig.post(Who::Sue, "/api/v1/tasks", &child).await.problem(403, "FORBIDDEN");
    rig.post(Who::Sam, "/api/v1/tasks", &json!({"command": ["true"], "parent": 4711})).await.problem(404, "TASK_NOT_FOUND");
    assert_eq!(rig.shown(first).await["parent"], parent);
    assert_eq!(rig.listed(&format!("?parent={parent}")).await, [first, second]);
    assert_eq!(rig.listed("").await, [second, first, parent], "a child is a task like any other");

    rig.post(Who::Sam, format!("/api/v1/tasks/{parent}/cancel"), &json!({})).await.expect(202);
    rig.settle().await;
    assert_eq!((rig.state(first).await, rig.state(second).await), ("cancelled".into(), "cancelled".into()));
    let problem = rig.post(Who::Sam, "/api/v1/tasks", &child).await.problem(409, "CONFLICT");
    assert_eq!(problem["detail"], format!("Task {parent} was asked to stop, and with it its children; it takes no more."));
    own.finish_with(&rig, &json!({"stoppedBy": "cancel", "signal": 15, "logBytes": 0, "logCrc": 0})).await.expect(200);
    let problem = rig.post(Who::Sam, "/api/v1/tasks", &child).await.problem(409, "CONFLICT");
    assert_eq!(problem["detail"], format!("Task {parent} has ended (cancelled); only a task that has not takes children."));
}

/// Elements whose agents are silent end with the cancel of their array, as a task of that kind does by itself.
#[tokio::test]
async fn a_silent_element_ends_with_the_cancel_of_its_array() {
    let rig = Rig::new().await;
    let id = rig.array(json!({"size": 2})).await;
    let _own = rig.running().await;
    rig.pass(rig.app.settings.times.heartbeat_lost_ms + 1);
    let ended = rig.post(Who::Sam, format!("/api/v1/tasks/{id}/cancel"), &json!({})).await.expect(200);
    assert_eq!((&ended["state"], &ended["array"]["counts"]["cancelled"]), (&json!("cancelled"), &json!(2)));
}

#[tokio::test]
async fn why_tells_of_the_throttle_and_of_the_first_element() {
    let rig = Rig::new().await;
    rig.register("r1", super::rig::INSTANCE).await.expect(200);
    let id = rig.array(json!({"size": 4, "maxParallel": 1})).await;
    let why = rig.shown(format!("{id}_2/why")).await;
    let reason = &why["reasons"][0];
    assert_eq!((&reason["code"], &reason["class"], &reason["blocking"]), (&json!("ArrayThrottle"), &json!("wait"), &json!(true)));
    let message = format!("The array {id} lets 1 of its elements out at once; one other element goes first");
    assert_eq!(reason["message"], message);
    assert!(reason["hint"].as_str().unwrap().ends_with(&format!("slipway ls {id}")), "it names the array: {reason}");
    let why = rig.shown(format!("{id}/why")).await;
    assert_eq!((&why["state"], &why["reasons"][0]["code"]), (&json!("queued"), &json!("BehindInQueue")));
    assert!(why["reasons"][0]["message"].as_str().unwrap().starts_with(&format!("Element {}: ", id + 1)), "{why}");
    for code in [1, 0, 0, 0] {
        rig.finished(code).await;
        rig.settle().await;
    }
    let why = rig.shown(format!("{id}/why")).await;
    assert_eq!(
        (&why["reasons"][0]["code"], &why["reasons"][0]["message"]),
        (&json!("ExitNonZero"), &json!(format!("1 of 4 elements failed: {id}_0")))
    );
    assert_eq!(why["reasons"][0]["hint"], format!("See its elements: slipway ls {id}"));
}
