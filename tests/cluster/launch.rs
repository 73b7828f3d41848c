//! A queue configuration of W&B Launch, as it is.

use crate::{
    kit::{PYTORCH, Scene, condition, phase, task, tests, world_of},
    support::eventually,
};
use kube::api::DynamicObject;
use serde_json::json;
use slipway::wire::{Phase, TaskState};
use std::sync::Arc;

tests!(Shared: the_sample_of_launchs_distributed_training_runs);

/// The pods that its operator makes: role, the pointer of the template, number.
const PODS: [(&str, &str, u32); 3] = [("master", "Master", 0), ("worker", "Worker", 0), ("worker", "Worker", 1)];

async fn the_sample_of_launchs_distributed_training_runs(scene: Arc<Scene>) {
    let world = world_of(&scene, PYTORCH).await;
    let said = world.apply("examples/launch-pytorchjob.yaml");
    for told in ["spec.runPolicy.ttlSecondsAfterFinished", "tasks name the image", "launch-pytorchjob created"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    // The image says one line and ends well.
    let new = json!({"queue": "launch-pytorchjob", "image": "slipway.test/static:1", "env": {"LR": "0.1"}});
    let id = world.submit(&task(new)).await;
    let object = PYTORCH.object(&scene, id).await;
    let name = object.metadata.name.clone().expect("a name");
    // The sample's name begins with the run's id, and the operator names Services after the object.
    let named = name.strip_prefix(&format!("slw-{id}-pytorch-job-")).is_some_and(|rest| rest.ends_with(&format!("-{id}-a1")));
    assert!(named, "{name}");
    // The glue keeps the time to live; the operator's comes later, so that it removes no end that nobody has seen.
    assert_eq!(object.data["spec"]["runPolicy"], json!({"ttlSecondsAfterFinished": 86_400}));
    for (role, at, _) in PODS {
        let template = &object.data["spec"]["pytorchReplicaSpecs"][at]["template"];
        let container = &template["spec"]["containers"][0];
        assert_eq!((&container["image"], &container["imagePullPolicy"]), (&json!("slipway.test/static:1"), &json!("Always")));
        let env = |name: &str| container["env"].as_array().into_iter().flatten().find(|variable| variable["name"] == name).cloned();
        assert_eq!(env("LR"), Some(json!({"name": "LR", "value": "0.1"})));
        assert_eq!(env("SLIPWAY_ROLE").map(|variable| variable["value"].clone()), Some(json!(role)));
        assert_eq!(template["metadata"]["labels"]["slipway.dev/task"], id.to_string());
    }
    PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created")]})).await;
    operate(&scene, &object).await;
    PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created"), condition("Running")]})).await;
    let client = world.client().await;
    eventually("the task to run", async || client.task(id).await.ok().filter(|task| task.phase == Some(Phase::Running))).await;
    eventually("the ends of all pods", async || {
        let pods = scene.pods(id).await;
        (pods.len() == 3 && pods.iter().all(|pod| phase(pod) == "Succeeded")).then_some(())
    })
    .await;
    PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created"), condition("Succeeded")]})).await;
    let ended = world.ended(id).await;
    let end = ended.ended.expect("an end");
    assert_eq!((ended.state, end.exit_code, end.log_complete), (TaskState::Succeeded, Some(0), Some(true)), "{end:?}");
    let log = String::from_utf8_lossy(&world.log(id, 0).await).into_owned();
    let mut lines: Vec<_> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["[master-0] hello from an empty image", "[worker-0] hello from an empty image", "[worker-1] hello from an empty image"],
        "{log}"
    );
}

/// Makes the pods as the operator does. Only that images are pulled cannot be here: there is no registry.
async fn operate(scene: &Scene, object: &DynamicObject) {
    let mut local = object.clone();
    for (role, at, number) in PODS {
        let template = format!("/spec/pytorchReplicaSpecs/{at}/template");
        local.data.pointer_mut(&template).expect("a template")["spec"]["containers"][0]["imagePullPolicy"] = "IfNotPresent".into();
        let labels = json!({"training.kubeflow.org/replica-index": number.to_string(), "training.kubeflow.org/replica-type": role});
        PYTORCH.pod(scene, &local, &template, &format!("{role}-{number}"), labels).await;
    }
}
