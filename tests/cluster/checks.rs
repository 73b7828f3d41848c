//! What the cluster says of queues before a task meets them.

use crate::{
    kit::{Scene, World, audit, plain_queue, task, tests},
    support::eventually,
};
use k8s_openapi::api::{
    core::v1::{ConfigMap, ResourceQuota},
    scheduling::v1::PriorityClass,
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};
use slipway::wire::{QueueName, RenderQuery, RenderRequest, Rendering, TaskState};
use std::sync::Arc;

tests!(Shared: queues_are_judged_by_their_cluster_before_a_task_meets_it);

/// A queue whose pods say this besides.
fn with(spec: &Value) -> Value {
    let mut queue = plain_queue();
    queue["podTemplate"]["spec"] = spec.clone();
    queue
}

/// What the preview of a queue says, once its cluster has been asked.
async fn judged(world: &World, queue: &str) -> Rendering {
    let (client, name) = (world.client().await, queue.parse::<QueueName>().expect("a name"));
    eventually(&format!("the cluster to be asked about {queue}"), async || {
        let answer = client.render_queue(&name, &RenderQuery::default(), &RenderRequest::default()).await.ok()?;
        answer.items.into_iter().find(|item| item.checked_at.is_some())
    })
    .await
}

/// Level, code, place and value of what was found, the gravest first.
async fn found(world: &World, queue: &str) -> Vec<String> {
    let findings = judged(world, queue).await.findings;
    findings.iter().map(|one| format!("{:?} {} {} {}", one.level, one.code, one.pointer, one.found).trim().to_owned()).collect()
}

async fn queues_are_judged_by_their_cluster_before_a_task_meets_it(scene: Arc<Scene>) {
    let mut world = World::new(&scene).await;
    let class = scene.namespace.clone();
    let volume = |of: Value| with(&json!({"volumes": [of]}));
    world.queue("fine", plain_queue()).await;
    world.queue("classed", with(&json!({"priorityClassName": class}))).await;
    world.queue("stored", volume(json!({"name": "data", "persistentVolumeClaim": {"claimName": "data"}}))).await;
    world.queue("configured", volume(json!({"name": "conf", "configMap": {"name": "conf"}}))).await;
    world.queue("keyed", volume(json!({"name": "key", "secret": {"secretName": "key"}}))).await;
    // A quota that only pods of one queue meet, and that none of them could ever keep.
    scene.create::<ResourceQuota>(json!({"metadata": {"name": "parts"}, "spec": {"hard": {"requests.slipway.test/part": "1"}}})).await;
    world.queue("large", with(&json!({"containers": [{"resources": {"limits": {"slipway.test/part": "2"}}}]}))).await;
    world.queue("open", with(&json!({"hostNetwork": true}))).await;
    world.glue("k8s", json!({"checkQueues": true})).await;

    assert_eq!(found(&world, "fine").await, [""; 0]);
    let missing = format!("Error PriorityClassMissing /spec/template/spec/priorityClassName {class}");
    assert_eq!(found(&world, "classed").await, [missing]);
    let claim = "Error ClaimMissing /spec/template/spec/volumes/0/persistentVolumeClaim/claimName data";
    assert_eq!(found(&world, "stored").await, [claim]);
    assert_eq!(found(&world, "configured").await, ["Error ConfigMapMissing /spec/template/spec/volumes/0/configMap/name conf"]);
    assert_eq!(found(&world, "keyed").await, ["Error SecretMissing /spec/template/spec/volumes/0/secret/secretName key"]);
    let quota = async || {
        let found = found(&world, "large").await;
        found.contains(&"Error ResourceQuotaExceeded /spec/template/spec".to_owned()).then_some(())
    };
    eventually("the quota to be met", quota).await;
    let refused = judged(&world, "open").await.findings.remove(0);
    assert_eq!((refused.code.as_ref(), refused.pointer.as_str()), ("PodSecurityViolation", "/spec/template/spec"));
    assert!(refused.said.contains("violates PodSecurity \"restricted") && refused.message.contains("host namespaces"), "{refused:?}");

    // What was missing comes, and nobody applies anything.
    let classes: Api<PriorityClass> = Api::all(scene.client());
    let gold = serde_json::from_value(json!({"metadata": {"name": class}, "value": 1})).expect("a class");
    classes.create(&PostParams::default(), &gold).await.expect("the class is created");
    scene.create::<ConfigMap>(json!({"metadata": {"name": "conf"}, "data": {"a": "b"}})).await;
    for queue in ["classed", "configured"] {
        eventually(&format!("{queue} to be healed"), async || judged(&world, queue).await.findings.is_empty().then_some(())).await;
    }
    // A server that starts anew is told again.
    world.start_server();
    assert_eq!(found(&world, "stored").await, [claim]);

    // Asking creates nothing, and tasks are not asked for.
    let ids = [world.submit(&task(json!({"queue": "classed", "command": ["true"]}))).await];
    for id in ids {
        assert_eq!(world.ended(id).await.state, TaskState::Succeeded);
    }
    let created: Vec<_> = audit::of_glue(&scene, "k8s").into_iter().filter(|request| request.verb == "create").collect();
    assert!(created.iter().any(|request| request.resource() == "pods"), "{created:?}");
    let pods = scene.api::<k8s_openapi::api::core::v1::Pod>().list(&kube::api::ListParams::default()).await.expect("the pods").items;
    assert!(pods.iter().all(|pod| pod.metadata.owner_references.is_some()), "{pods:?}");
    classes.delete(&class, &DeleteParams::default()).await.expect("the class is gone");
}
