//! What stands in the cluster for a task.

use super::scene::Scene;
use crate::support::eventually;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        batch::v1::Job,
        core::v1::{Container, Pod, Secret},
    },
};
use kube::{Resource, api::ListParams};
use serde::de::DeserializeOwned;
use serde_json::Value;
use slipway::{
    domain::pod::{LABEL_TASK, TASK_CONTAINER},
    wire::{NewTask, TaskId},
};
use std::fmt::Debug;

impl Scene {
    async fn of_task<K>(&self, id: TaskId) -> Vec<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned + Clone + Debug,
    {
        let list = ListParams::default().labels(&format!("{LABEL_TASK}={id}"));
        self.api::<K>().list(&list).await.expect("the list").items
    }

    /// The Jobs of a task.
    pub(crate) async fn jobs(&self, id: TaskId) -> Vec<Job> {
        self.of_task(id).await
    }

    /// The pods of a task.
    pub(crate) async fn pods(&self, id: TaskId) -> Vec<Pod> {
        self.of_task(id).await
    }

    /// Waits for the one Job of a task.
    pub(crate) async fn job(&self, id: TaskId) -> Job {
        eventually(&format!("the Job of task {id}"), async || self.jobs(id).await.pop()).await
    }

    /// Waits for a pod of a task that `fits`.
    pub(crate) async fn pod(&self, id: TaskId, what: &str, fits: impl Fn(&Pod) -> bool) -> Pod {
        eventually(&format!("a pod of task {id} that {what}"), async || self.pods(id).await.into_iter().find(|pod| fits(pod))).await
    }

    /// Waits until no Job, pod or Secret of a task is left.
    pub(crate) async fn cleared(&self, id: TaskId) {
        eventually(&format!("the objects of task {id} to be cleared away"), async || {
            let left = self.jobs(id).await.len() + self.pods(id).await.len() + self.of_task::<Secret>(id).await.len();
            (left == 0).then_some(())
        })
        .await;
    }
}

/// A task from JSON.
pub(crate) fn task(task: Value) -> NewTask {
    serde_json::from_value(task).expect("a task")
}

/// A pod's phase.
pub(crate) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// The container that runs the task.
pub(crate) fn task_container(pod: &Pod) -> &Container {
    let containers = &pod.spec.as_ref().expect("a spec").containers;
    containers.iter().find(|c| c.name == TASK_CONTAINER).or(containers.first()).expect("a container")
}

/// The limit of the task's container for a resource.
pub(crate) fn limit(pod: &Pod, resource: &str) -> Option<String> {
    Some(task_container(pod).resources.as_ref()?.limits.as_ref()?.get(resource)?.0.clone())
}
