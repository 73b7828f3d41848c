//! Kinds of objects that tests install, and whose controllers they play.

use super::{Scene, World};
use crate::support::eventually;
use k8s_openapi::{
    api::{core::v1::Pod, rbac::v1::Role},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use slipway::{domain::pod::LABEL_TASK, wire::TaskId};
use std::sync::Arc;

/// A kind of object that a test installs.
#[derive(Clone, Copy)]
pub(crate) struct Custom {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
}

impl Custom {
    fn resource(self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(self.group, self.version, self.kind), self.plural)
    }

    fn version(self) -> String {
        format!("{}/{}", self.group, self.version)
    }

    /// Sees to it that the cluster serves it. It stays: other tests may use it.
    pub(crate) async fn install(self, scene: &Scene) {
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

    /// Takes it from the cluster, with all objects of it.
    pub(crate) async fn remove(self, scene: &Scene) {
        let api: Api<CustomResourceDefinition> = Api::all(scene.client());
        api.delete(&format!("{}.{}", self.plural, self.group), &DeleteParams::background()).await.expect("the definition is removed");
    }

    fn api(self, scene: &Scene) -> Api<DynamicObject> {
        Api::namespaced_with(scene.client(), &scene.namespace, &self.resource())
    }

    pub(crate) async fn of_task(self, scene: &Scene, id: TaskId) -> Option<DynamicObject> {
        let list = ListParams::default().labels(&format!("{LABEL_TASK}={id}"));
        self.api(scene).list(&list).await.ok()?.items.pop()
    }

    /// Waits for the object of a task.
    pub(crate) async fn object(self, scene: &Scene, id: TaskId) -> DynamicObject {
        eventually(&format!("the {} of task {id}", self.kind), async || self.of_task(scene, id).await).await
    }

    /// As its controller would.
    pub(crate) async fn says(self, scene: &Scene, object: &DynamicObject, status: Value) {
        let name = object.metadata.name.clone().expect("a name");
        let patch = Patch::Merge(json!({"status": status}));
        self.api(scene).patch_status(&name, &PatchParams::default(), &patch).await.expect("the status is taken");
    }

    /// What an object that it controls says of it.
    pub(crate) fn owner(self, object: &DynamicObject) -> Value {
        let meta = &object.metadata;
        let (name, uid) = (meta.name.clone().expect("a name"), meta.uid.clone().expect("a uid"));
        json!({"apiVersion": self.version(), "kind": self.kind, "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true})
    }

    /// Makes an object of this name that another one controls.
    pub(crate) async fn owned(self, scene: &Scene, name: &str, owner: Value) -> DynamicObject {
        let new = json!({"apiVersion": self.version(), "kind": self.kind, "metadata": {"name": name, "ownerReferences": [owner]}});
        let new = serde_json::from_value(new).expect("an object");
        self.api(scene).create(&PostParams::default(), &new).await.expect("the object is created")
    }

    /// How many objects of it are there.
    pub(crate) async fn count(self, scene: &Scene) -> usize {
        self.api(scene).list(&ListParams::default()).await.expect("the list").items.len()
    }

    /// Makes a pod of one of the object's templates, as its controller would.
    pub(crate) async fn pod(self, scene: &Scene, object: &DynamicObject, at: &str, name: &str, labels: Value) -> Pod {
        let mut pod = object.data.pointer(at).cloned().expect("a pod template");
        let owner = self.owner(object);
        pod["metadata"]["name"] = format!("{}-{name}", owner["name"].as_str().expect("a name")).into();
        for (key, value) in labels.as_object().into_iter().flatten() {
            pod["metadata"]["labels"][key] = value.clone();
        }
        pod["metadata"]["ownerReferences"] = json!([owner]);
        pod["spec"]["restartPolicy"] = "Never".into();
        pod["spec"]["terminationGracePeriodSeconds"] = 1.into();
        scene.create::<Pod>(pod).await
    }

    /// Lets a glue make objects of it, as an administrator does with what `slipway glue rbac --object` prints.
    pub(crate) async fn allow(self, scene: &Scene, account: &str) {
        let api: Api<Role> = scene.api();
        let rule = json!({"apiGroups": [self.group], "resources": [self.plural], "verbs": ["get", "list", "create", "delete"]});
        let patch = Patch::<()>::Json(serde_json::from_value(json!([{"op": "add", "path": "/rules/-", "value": rule}])).expect("a patch"));
        api.patch(account, &PatchParams::default(), &patch).await.expect("the role is changed");
    }
}

pub(crate) const PYTORCH: Custom = Custom { group: "kubeflow.org", version: "v1", kind: "PyTorchJob", plural: "pytorchjobs" };

/// A condition of Kubeflow's jobs that holds.
pub(crate) fn condition(kind: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": format!("PyTorchJob{kind}"), "message": "said the test",
        "lastTransitionTime": "2026-11-24T12:00:00Z", "lastUpdateTime": "2026-11-24T12:00:00Z"})
}

/// A world whose glue may make objects of a kind.
pub(crate) async fn world_of(scene: &Arc<Scene>, custom: Custom) -> World {
    custom.install(scene).await;
    let world = World::with_glue(scene).await;
    custom.allow(scene, "glue-k8s").await;
    world
}
