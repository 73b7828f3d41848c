//! Custom resources in place of Jobs. No operator runs here: the test plays it, on kinds with the real group, name and
//! shape of status.

use crate::{
    kit::{Scene, World, phase, task, tests},
    support::eventually,
};
use k8s_openapi::{
    api::{core::v1::Pod, rbac::v1::Role},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use slipway::{
    app::ambient::SystemRng,
    domain::{Rng, pod::LABEL_TASK},
    wire::{Phase, TaskId, TaskState},
};
use std::sync::Arc;

tests!(Shared: a_pytorch_job_runs_to_its_end, a_cancelled_object_goes_with_its_pods, a_glue_that_dies_anywhere_makes_an_object_once);

/// Where a glue can die on the way of an object.
pub(crate) const POINTS: [&str; 5] = ["glue.object", "glue.started", "glue.objectMade", "glue.objectClosed", "glue.objectDeleted"];

/// A kind of object that a test installs.
#[derive(Clone, Copy)]
struct Custom {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
}

const PYTORCH: Custom = Custom { group: "kubeflow.org", version: "v1", kind: "PyTorchJob", plural: "pytorchjobs" };

impl Custom {
    fn resource(self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(self.group, self.version, self.kind), self.plural)
    }

    fn version(self) -> String {
        format!("{}/{}", self.group, self.version)
    }

    /// Sees to it that the cluster serves it. It stays: other tests may use it.
    async fn install(self, scene: &Scene) {
        let api: Api<CustomResourceDefinition> = Api::all(scene.client());
        let name = format!("{}.{}", self.plural, self.group);
        let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }}});
        let singular = self.kind.to_lowercase();
        let definition = json!({
            "metadata": {"name": name},
            "spec": {
                "group": self.group,
                "scope": "Namespaced",
                "names": {"kind": self.kind, "plural": self.plural, "singular": singular, "listKind": format!("{}List", self.kind)},
                "versions": [{"name": self.version, "served": true, "storage": true, "schema": schema, "subresources": {"status": {}}}],
            },
        });
        let definition = serde_json::from_value(definition).expect("a definition");
        match api.create(&PostParams::default(), &definition).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            made => drop(made.expect("the definition is taken")),
        }
        eventually(&format!("{name} to be served"), async || {
            let found = api.get(&name).await.ok()?;
            let conditions = found.status?.conditions?;
            conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True").then_some(())
        })
        .await;
    }

    fn api(self, scene: &Scene) -> Api<DynamicObject> {
        Api::namespaced_with(scene.client(), &scene.namespace, &self.resource())
    }

    async fn of_task(self, scene: &Scene, id: TaskId) -> Option<DynamicObject> {
        let list = ListParams::default().labels(&format!("{LABEL_TASK}={id}"));
        self.api(scene).list(&list).await.ok()?.items.pop()
    }

    /// Waits for the object of a task.
    async fn object(self, scene: &Scene, id: TaskId) -> DynamicObject {
        eventually(&format!("the {} of task {id}", self.kind), async || self.of_task(scene, id).await).await
    }

    /// As its controller would.
    async fn says(self, scene: &Scene, object: &DynamicObject, status: Value) {
        let name = object.metadata.name.clone().expect("a name");
        let patch = Patch::Merge(json!({"status": status}));
        self.api(scene).patch_status(&name, &PatchParams::default(), &patch).await.expect("the status is taken");
    }

    /// Makes a pod of one of the object's templates, as its controller would.
    async fn pod(self, scene: &Scene, object: &DynamicObject, at: &str, name: &str, labels: Value) -> Pod {
        let mut pod = object.data.pointer(at).cloned().expect("a pod template");
        let meta = &object.metadata;
        let (owner, uid) = (meta.name.clone().expect("a name"), meta.uid.clone().expect("a uid"));
        pod["metadata"]["name"] = format!("{owner}-{name}").into();
        for (key, value) in labels.as_object().into_iter().flatten() {
            pod["metadata"]["labels"][key] = value.clone();
        }
        let owner = json!({"apiVersion": self.version(), "kind": self.kind, "name": owner, "uid": uid, "controller": true});
        pod["metadata"]["ownerReferences"] = json!([owner]);
        pod["spec"]["restartPolicy"] = "Never".into();
        pod["spec"]["terminationGracePeriodSeconds"] = 1.into();
        scene.create::<Pod>(pod).await
    }

    /// Lets a glue make objects of it, as an administrator does with what `slipway glue rbac --object` prints.
    async fn allow(self, scene: &Scene, account: &str) {
        let api: Api<Role> = scene.api();
        let rule = json!({"apiGroups": [self.group], "resources": [self.plural], "verbs": ["get", "list", "create", "delete"]});
        let patch = Patch::<()>::Json(serde_json::from_value(json!([{"op": "add", "path": "/rules/-", "value": rule}])).expect("a patch"));
        api.patch(account, &PatchParams::default(), &patch).await.expect("the role is changed");
    }
}

/// A world whose glue may make objects of a kind.
async fn world(scene: &Arc<Scene>, custom: Custom) -> World {
    custom.install(scene).await;
    let world = World::with_glue(scene).await;
    custom.allow(scene, "glue-k8s").await;
    world
}

/// W&B's sample of distributed training, with a command that this cluster has an image for.
fn sample(script: &str) -> Value {
    let replica = |replicas: u32| {
        let container = json!({"name": "pytorch", "image": "slipway.test/busybox:1", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]});
        json!({"replicas": replicas, "restartPolicy": "Never", "template": {"spec": {"containers": [container]}}})
    };
    json!({"object": {"manifest": {
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "metadata": {"name": "ddp"},
        "spec": {"pytorchReplicaSpecs": {"Master": replica(1), "Worker": replica(1)}},
    }}})
}

const TEMPLATES: [(&str, &str); 2] =
    [("/spec/pytorchReplicaSpecs/Master/template", "master"), ("/spec/pytorchReplicaSpecs/Worker/template", "worker")];

fn condition(kind: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": format!("PyTorchJob{kind}"), "message": "said the test",
        "lastTransitionTime": "2026-11-24T12:00:00Z", "lastUpdateTime": "2026-11-24T12:00:00Z"})
}

/// Both pods of the sample.
async fn pods(scene: &Scene, object: &DynamicObject) {
    for (at, role) in TEMPLATES {
        let labels = json!({"training.kubeflow.org/replica-index": "0", "training.kubeflow.org/replica-type": role});
        PYTORCH.pod(scene, object, at, &format!("{role}-0"), labels).await;
    }
}

async fn a_pytorch_job_runs_to_its_end(scene: Arc<Scene>) {
    let world = world(&scene, PYTORCH).await;
    let script = "echo I am $SLIPWAY_ROLE $SLIPWAY_RANK of $SLIPWAY_TASK_ID with $LR; sleep 1; echo done";
    world.queue("ddp", sample(script)).await;
    let id = world.submit(&task(json!({"queue": "ddp", "env": {"LR": "0.1"}}))).await;

    let object = PYTORCH.object(&scene, id).await;
    let name = object.metadata.name.clone().expect("a name");
    assert!(name.starts_with("ddp-") && name.ends_with(&format!("-{id}-a1")), "{name}");
    assert!(object.data["spec"].get("runPolicy").is_none(), "nothing that the queue did not say");
    PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created")]})).await;
    let client = world.client().await;
    let seen = client.task(id).await.expect("the task");
    assert_eq!((seen.state, seen.phase), (TaskState::Active, Some(Phase::Starting)));

    pods(&scene, &object).await;
    PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created"), condition("Running")]})).await;
    eventually("the task to run", async || client.task(id).await.ok().filter(|task| task.phase == Some(Phase::Running))).await;
    for (_, role) in TEMPLATES {
        scene
            .pod(id, "has ended", |pod| phase(pod) == "Succeeded" && pod.metadata.name.as_ref().is_some_and(|name| name.contains(role)))
            .await;
    }
    // Both pods have succeeded; the job is not over before its controller says so.
    assert_eq!(client.task(id).await.expect("the task").state, TaskState::Active);
    let mut ran = condition("Running");
    ran["status"] = "False".into();
    PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created"), ran, condition("Succeeded")]})).await;

    let ended = world.ended(id).await;
    let end = ended.ended.expect("an end");
    assert_eq!((ended.state, end.exit_code, end.log_complete), (TaskState::Succeeded, Some(0), Some(true)), "{end:?}");
    let log = String::from_utf8_lossy(&world.log(id, 0).await).into_owned();
    let mut lines: Vec<_> = log.lines().map(str::to_owned).collect();
    lines.sort();
    let of = |role: &str| [format!("[{role}-0] I am {role} 0 of {id} with 0.1"), format!("[{role}-0] done")];
    assert_eq!(lines, [of("master"), of("worker")].concat(), "{log}");
}

async fn a_cancelled_object_goes_with_its_pods(scene: Arc<Scene>) {
    let world = world(&scene, PYTORCH).await;
    world.queue("ddp", sample("trap 'exit 0' TERM; echo here; while true; do sleep 0.1; done")).await;
    let id = world.submit(&task(json!({"queue": "ddp"}))).await;
    let object = PYTORCH.object(&scene, id).await;
    pods(&scene, &object).await;
    PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created"), condition("Running")]})).await;
    let client = world.client().await;
    eventually("the task to run", async || client.task(id).await.ok().filter(|task| task.phase == Some(Phase::Running))).await;
    client.cancel_task(id, SystemRng.uuid()).await.expect("taken");
    assert_eq!(world.ended(id).await.state, TaskState::Cancelled);
    assert!(PYTORCH.of_task(&scene, id).await.is_none(), "its object is gone");
    let left = scene.pods(id).await;
    assert!(left.iter().all(|pod| matches!(phase(pod), "Succeeded" | "Failed")), "none of its pods runs");
    scene.cleared(id).await;
}

async fn a_glue_that_dies_anywhere_makes_an_object_once(scene: Arc<Scene>) {
    let mut world = world(&scene, PYTORCH).await;
    let mut queue = sample("true");
    queue["keepJobsSeconds"] = json!({"success": 0, "failure": 0});
    world.queue("ddp", queue).await;
    let proofs = tempfile::tempdir().expect("a directory");
    for point in POINTS {
        let proof = proofs.path().join(point);
        world.crash = Some(format!("{point}@{}", proof.display()));
        world.strike("k8s");
        let id = world.submit(&task(json!({"queue": "ddp"}))).await;
        let died = async |world: &mut World| {
            eventually(&format!("a death at {point}"), async || {
                world.attend("k8s");
                proof.exists().then_some(())
            })
            .await;
            world.attend("k8s");
        };
        if point != "glue.objectDeleted" {
            died(&mut world).await;
        }
        let client = world.client().await;
        let object = eventually(&format!("the object of task {id}, after {point}"), async || {
            world.attend("k8s");
            PYTORCH.of_task(&scene, id).await
        })
        .await;
        // It is taken for what it is, and none is made beside it or in its place.
        // The proof is made a moment before the death.
        eventually("a glue that has seen it", async || {
            world.attend("k8s");
            client.task(id).await.ok().filter(|task| task.phase == Some(Phase::Starting))
        })
        .await;
        PYTORCH.says(&scene, &object, json!({"conditions": [condition("Created"), condition("Running")]})).await;
        eventually("the task to run", async || {
            world.attend("k8s");
            client.task(id).await.ok().filter(|task| task.phase == Some(Phase::Running))
        })
        .await;
        let now = PYTORCH.object(&scene, id).await;
        assert_eq!(now.metadata.uid, object.metadata.uid, "after {point}");
        PYTORCH.says(&scene, &object, json!({"conditions": [condition("Succeeded")]})).await;
        let ended = world.ended(id).await;
        assert_eq!((ended.state, ended.attempt.0), (TaskState::Succeeded, 1), "after {point}: {:?}", ended.ended);
        if point == "glue.objectDeleted" {
            died(&mut world).await;
        }
        eventually("its object to be cleared away", async || {
            world.attend("k8s");
            PYTORCH.of_task(&scene, id).await.is_none().then_some(())
        })
        .await;
    }
}
