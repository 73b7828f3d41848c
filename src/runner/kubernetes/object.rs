//! Objects that carry attempts in place of Jobs: of which kind they are, and what is kept of one that is seen.

use super::{
    config::Config,
    facts::{KEEP_JOBS, SeenJob, condition, cut},
    objects::told,
    states::{Ends, State, state},
};
use crate::{
    domain::{
        ObjectKind,
        evidence::{Condition, JobFacts},
        pod,
    },
    template::{Injection, complete_object},
    wire::{Hold, ObjectOrder},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

/// Where an object says that it carries an attempt, and by which conditions it ends where its kind does not tell:
/// `{"succeeded": …, "failed": …}`.
pub(super) const OBJECT: &str = "slipway.dev/object";

/// A kind of object as the API server knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Kind {
    /// `group/version`, or `v1`.
    pub(super) version: String,
    pub(super) kind: String,
}

impl Kind {
    pub(super) fn of(order: &ObjectOrder) -> Self {
        Self { version: order.api_version.clone(), kind: order.kind.clone() }
    }

    /// `Job` of `batch/v1`, which the watch of Jobs shows.
    pub(super) fn is_job(&self) -> bool {
        (self.version.as_str(), self.kind.as_str()) == ("batch/v1", "Job")
    }

    pub(super) fn gvk(&self) -> GroupVersionKind {
        let (group, version) = self.version.split_once('/').unwrap_or(("", &self.version));
        GroupVersionKind::gvk(group, version, &self.kind)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.kind, self.version)
    }
}

/// What is kept of an object beyond what a Job has.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeenObject {
    pub(super) kind: Kind,
    pub(super) state: State,
    /// Whether its controller makes pods that bear no label of ours.
    pub(super) unlabelled: bool,
}

/// What an object says of itself; none where it is not one that carries an attempt.
fn ends(meta: &ObjectMeta) -> Option<(Option<String>, Option<String>)> {
    let said: Value = serde_json::from_str(meta.annotations.as_ref()?.get(OBJECT)?).ok()?;
    let text = |field: &str| said[field].as_str().map(str::to_owned);
    Some((text("succeeded"), text("failed")))
}

/// Whether an object's controller makes pods of templates that are not in the object, or in which it keeps no labels.
fn unlabelled(known: Option<ObjectKind>, spec: &Value) -> bool {
    match known {
        // What it says of some of its runtime's pods says nothing of the others.
        Some(ObjectKind::TrainJob) => true,
        Some(ObjectKind::RayJob) => spec["submitterPodTemplate"].is_null(),
        _ => !labels(spec),
    }
}

/// Whether labels of ours stand anywhere in it.
fn labels(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key(pod::LABEL_CLAIM) || fields.values().any(labels),
        Value::Array(items) => items.iter().any(labels),
        _ => false,
    }
}

impl SeenObject {
    /// Reads an object; none where it does not carry an attempt.
    pub(super) fn read(kind: &Kind, meta: &ObjectMeta, object: &Value) -> Option<Self> {
        let (succeeded, failed) = ends(meta)?;
        let ends = Ends { succeeded: succeeded.as_deref(), failed: failed.as_deref() };
        let known = ObjectKind::of(&kind.version, &kind.kind);
        let state = match state(known, ends, object) {
            State::Failed(why) => State::Failed(cut(&why)),
            state => state,
        };
        Some(Self { kind: kind.clone(), state, unlabelled: unlabelled(known, &object["spec"]) })
    }
}

/// Reads an object of a kind; none where it bears not all of our labels or does not carry an attempt.
pub(super) fn read(kind: &Kind, object: &Value) -> Option<SeenJob> {
    let meta: ObjectMeta = serde_json::from_value(object["metadata"].clone()).ok()?;
    let seen = SeenObject::read(kind, &meta, object)?;
    let facts = JobFacts {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        suspended: seen.state == State::Suspended,
        deleting: meta.deletion_timestamp.is_some(),
        conditions: object["status"]["conditions"].as_array().into_iter().flatten().filter_map(said).collect(),
    };
    SeenJob::of(&meta, facts, Some(seen))
}

fn said(given: &Value) -> Option<Condition> {
    let text = |field: &str| given[field].as_str().map(str::to_owned);
    let at = text("lastTransitionTime").and_then(|at| at.parse().ok());
    Some(Condition { at, ..condition(text("type")?, text("status")?, text("reason"), text("message"), None) })
}

/// The object of an attempt, as it is sent to the API server.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Made {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) object: Value,
}

/// Makes it from what the server holds.
///
/// # Errors
/// Why what the server rendered cannot be completed.
pub(super) fn made(hold: &Hold, instance: &str, config: &Config) -> Result<Made, String> {
    let (Some(order), Some(_)) = (&hold.job, &hold.start_token) else { return Err("its start is closed".to_owned()) };
    let kind = order.object.as_ref().ok_or("it is not carried by an object")?;
    let manifest = order.manifest.clone().ok_or("the server sent no manifest")?;
    let injection = Injection {
        of: hold.attempt_ref(),
        instance,
        runner: &config.name,
        queue: &hold.queue,
        claim: hold.claim,
        agent_image: &config.agent_image,
        agent_pull_policy: config.agent_pull_policy,
        use_image_entrypoint: true,
        timeout_seconds: order.timeout_seconds,
        grace_seconds: order.grace_seconds,
        mounts: &order.mounts,
    };
    let mut object = complete_object(manifest, &injection).map_err(|faults| told(&faults))?.manifest;
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (Some(namespace), Some(name)) = (text("/metadata/namespace"), text("/metadata/name")) else {
        return Err("the rendered object has no name or namespace".to_owned());
    };
    let keep = serde_json::to_string(&order.keep_jobs_seconds).unwrap_or_default();
    object["metadata"]["annotations"][KEEP_JOBS] = json!(keep);
    object["metadata"]["annotations"][OBJECT] = json!(json!({"succeeded": kind.succeeded, "failed": kind.failed}).to_string());
    Ok(Made { kind: Kind::of(kind), namespace, name, object })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_bear_our_labels_where_their_templates_do() {
        let template = json!({"metadata": {"labels": {pod::LABEL_CLAIM: "c"}}});
        let labelled = json!({"replicaSpecs": [{"template": template}]});
        for kind in [None, Some(ObjectKind::Kubeflow), Some(ObjectKind::Workflow)] {
            assert!(!unlabelled(kind, &labelled));
            // As where a schema keeps no labels in templates.
            assert!(unlabelled(kind, &json!({"replicaSpecs": [{"template": {"metadata": {}}}]})));
        }
        assert!(unlabelled(Some(ObjectKind::TrainJob), &json!({"podTemplateOverrides": [template]})));
        let mut ray = json!({"rayClusterSpec": {"headGroupSpec": {"template": template}}});
        assert!(unlabelled(Some(ObjectKind::RayJob), &ray), "its submitter is a pod of its own");
        ray["submitterPodTemplate"] = template;
        assert!(!unlabelled(Some(ObjectKind::RayJob), &ray));
    }
}
