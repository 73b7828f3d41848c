//! The kubelet's side of a simulated pod: a node for it, its Secret, its states, its removal.

use super::{
    Yard,
    agent::{self, Exit},
    deed::Deed,
    node::{NODE, now},
    plain,
};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Value, json};
use slipway::{
    domain::pod::{AGENT_CONTAINER, POD_UID, START_VOLUME},
    wire::{Assignment, AttemptRef, handoff::files},
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The pause before something is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// One pod on the node.
pub(super) struct Seat {
    yard: Arc<Yard>,
    pods: Api<Pod>,
    pod: Pod,
    told: CancellationToken,
}

/// The pod's object is not there any more.
struct Gone;

/// What runs in a pod.
enum Load {
    Agent(Box<Assignment>),
    Plain(AttemptRef, Deed),
}

/// Whether a conflict says that another object has the name now, or that the pod has a node already.
fn is_another(status: &kube::core::Status) -> bool {
    status.code == 409 && !status.message.contains("has been modified")
}

impl Seat {
    pub(super) fn new(yard: Arc<Yard>, pod: Pod, told: CancellationToken) -> Self {
        let pods = Api::namespaced(yard.client.clone(), &pod.namespace().unwrap_or_default());
        Self { yard, pods, pod, told }
    }

    /// Carries the pod to its end, and removes it once somebody wants it gone.
    pub(super) async fn occupy(self) {
        let phase = self.pod.status.as_ref().and_then(|status| status.phase.as_deref());
        if phase == Some("Pending") && self.carry().await.is_err() {
            return;
        }
        self.told.cancelled().await;
        self.remove().await;
    }

    async fn carry(&self) -> Result<(), Gone> {
        self.bind().await?;
        let Some(load) = self.load().await? else { return Ok(()) };
        self.start_containers().await;
        let (began, uid) = (now(), self.pod.uid().unwrap_or_default());
        self.say(&running(&self.pod, &began)).await?;
        let exit = match load {
            Load::Agent(assignment) => agent::carry(&self.yard, &assignment, &uid, &self.told).await,
            Load::Plain(of, deed) => plain::carry(&self.yard, of, deed, &uid, &self.told).await,
        };
        self.say(&terminated(&self.pod, &began, &exit)).await
    }

    /// What is to run, once all that it needs is there; none where the pod is to go before.
    async fn load(&self) -> Result<Option<Load>, Gone> {
        if let Some((of, deed)) = plain::read(&self.pod) {
            return Ok(Some(Load::Plain(of, deed)));
        }
        brings_agent(&self.pod);
        Ok(self.assignment().await?.map(|assignment| Load::Agent(Box::new(assignment))))
    }

    /// One after the other where they are to initialise the pod; the others at once.
    async fn start_containers(&self) {
        let init = self.pod.spec.as_ref().map_or(0, |spec| spec.init_containers.iter().flatten().count());
        let takes = self.yard.container * u32::try_from(init + 1).unwrap_or(u32::MAX);
        if !takes.is_zero() {
            sleep(takes).await;
        }
    }

    /// What a try came to; none, after a pause, where it is to be tried again. A pod that is gone ends it.
    async fn took<T>(&self, what: &str, tried: Result<T, kube::Error>) -> Result<Option<T>, Gone> {
        match tried {
            Ok(done) => Ok(Some(done)),
            Err(kube::Error::Api(status)) if status.code == 404 || is_another(&status) => Err(Gone),
            Err(error) => {
                eprintln!("fleet: {what} {}: {error}", self.pod.name_any());
                sleep(AGAIN).await;
                Ok(None)
            }
        }
    }

    /// Gives the pod to the node, as the scheduler does.
    async fn bind(&self) -> Result<(), Gone> {
        let name = self.pod.name_any();
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "uid": self.pod.uid()},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
        });
        let params = PostParams::default();
        loop {
            let bound = self.pods.create_subresource::<Value, Value>("binding", &name, &params, &binding).await;
            // An earlier try may have acted although its answer was lost.
            if matches!(&bound, Err(kube::Error::Api(status)) if is_another(status)) && self.is_bound().await {
                return Ok(());
            }
            if self.took("binding", bound).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Whether the pod is on the node.
    async fn is_bound(&self) -> bool {
        let there = self.pods.get(&self.pod.name_any()).await.ok();
        there.is_some_and(|pod| pod.uid() == self.pod.uid() && pod.spec.is_some_and(|spec| spec.node_name.as_deref() == Some(NODE)))
    }

    /// Reads what the pod's Secret holds for the agent, as mounting it would; none where the pod is to go before it is there.
    async fn assignment(&self) -> Result<Option<Assignment>, Gone> {
        let spec = self.pod.spec.as_ref().expect("a spec");
        let volume = spec.volumes.iter().flatten().find(|volume| volume.name == START_VOLUME).expect("a volume with the start");
        let name = volume.secret.as_ref().and_then(|secret| secret.secret_name.clone()).expect("its Secret");
        let secrets: Api<Secret> = Api::namespaced(self.yard.client.clone(), &self.pod.namespace().unwrap_or_default());
        loop {
            let secret = self.took("the Secret of", secrets.get_opt(&name).await).await?;
            if let Some(data) = secret.flatten().and_then(|secret| secret.data?.remove(files::ASSIGNMENT)) {
                return Ok(Some(serde_json::from_slice(&data.0).expect("an assignment")));
            }
            tokio::select! {
                () = self.told.cancelled() => return Ok(None),
                () = sleep(AGAIN) => {}
            }
        }
    }

    /// Tells the API server how the pod is.
    async fn say(&self, status: &Value) -> Result<(), Gone> {
        let patch = Patch::Merge(json!({"metadata": {"uid": self.pod.uid()}, "status": status}));
        let name = self.pod.name_any();
        loop {
            let said = self.pods.patch_status(&name, &PatchParams::default(), &patch).await;
            if self.took("the status of", said).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Nothing of it runs any more: its object may go.
    async fn remove(&self) {
        let only = Preconditions { uid: self.pod.uid(), resource_version: None };
        let params = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }.preconditions(only);
        let name = self.pod.name_any();
        while let Ok(None) = self.took("removing", self.pods.delete(&name, &params).await).await {}
    }
}

fn condition(name: &str, status: bool, at: &str) -> Value {
    json!({"type": name, "status": if status { "True" } else { "False" }, "lastTransitionTime": at})
}

fn conditions(ready: bool, at: &str) -> Value {
    let of = [("PodScheduled", true), ("Initialized", true), ("Ready", ready), ("ContainersReady", ready)];
    of.into_iter().map(|(name, status)| condition(name, status, at)).collect()
}

/// The states of its init containers, all done, and of its containers.
fn containers(pod: &Pod, at: &str, state: &Value, runs: bool) -> (Value, Value) {
    let spec = pod.spec.as_ref().expect("a spec");
    let one = |name: &str, image: Option<&String>, ready: bool, started: bool, state: &Value| json!({"name": name, "image": image, "imageID": "", "ready": ready, "started": started, "restartCount": 0, "state": state});
    let done = json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": at, "finishedAt": at}});
    let init = spec.init_containers.iter().flatten();
    (
        init.map(|container| one(&container.name, container.image.as_ref(), true, false, &done)).collect(),
        spec.containers.iter().map(|container| one(&container.name, container.image.as_ref(), runs, runs, state)).collect(),
    )
}

/// What brings the agent must be there, and what tells it the pod's UID.
fn brings_agent(pod: &Pod) {
    let spec = pod.spec.as_ref().expect("a spec");
    assert!(
        spec.init_containers.iter().flatten().any(|init| init.name == AGENT_CONTAINER),
        "nothing brings an agent to {}",
        pod.name_any()
    );
    let uid = spec.containers.iter().flat_map(|container| container.env.iter().flatten()).find(|var| var.name == POD_UID);
    let path = uid.and_then(|var| Some(var.value_from.as_ref()?.field_ref.as_ref()?.field_path.as_str()));
    assert_eq!(path, Some("metadata.uid"), "the agent of {} does not learn its pod's UID", pod.name_any());
}

/// The status of a pod whose containers run.
fn running(pod: &Pod, at: &str) -> Value {
    let (init, main) = containers(pod, at, &json!({"running": {"startedAt": at}}), true);
    json!({"phase": "Running", "startTime": at, "conditions": conditions(true, at), "initContainerStatuses": init, "containerStatuses": main})
}

/// The status of a pod whose agent has exited.
fn terminated(pod: &Pod, began: &str, exit: &Exit) -> Value {
    let at = now();
    let reason = if exit.code == 0 { "Completed" } else { "Error" };
    let state = json!({"terminated": {
        "exitCode": exit.code, "reason": reason, "message": exit.message, "startedAt": began, "finishedAt": at,
    }});
    let (init, main) = containers(pod, began, &state, false);
    let phase = if exit.code == 0 { "Succeeded" } else { "Failed" };
    json!({"phase": phase, "conditions": conditions(false, &at), "initContainerStatuses": init, "containerStatuses": main})
}
