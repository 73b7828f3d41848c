//! From the cluster's objects to what we keep of them: the facts of `domain::evidence`, and whose they are. An object of
//! many kilobytes becomes about one.

use super::{
    object::{Kind, OBJECT, SeenObject},
    states,
};
use crate::{
    domain::{
        evidence::{Condition, ContainerFacts, ContainerRole, ContainerState, JobFacts, MAX_TEXT, ObjectEvent, PodFacts},
        pod,
    },
    wire::{AttemptRef, KeepJobs, QueueName, RunnerName, Testament},
};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{Container, ContainerState as State, ContainerStatus, Event, Pod},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Where a Job notes how long it stays after its end, for a glue that did not create it: `{"success": …, "failure": …}`.
pub(super) const KEEP_JOBS: &str = "slipway.dev/keep-jobs";

/// Labels and annotations in which controllers number the pods of a role.
const RANKS: [&str; 3] = ["training.kubeflow.org/replica-index", "batch.kubernetes.io/job-completion-index", "volcano.sh/task-index"];

/// Whose an object is, by its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The installation.
    pub(super) instance: String,
    pub(super) runner: RunnerName,
    pub(super) of: AttemptRef,
    pub(super) queue: QueueName,
    pub(super) claim: Uuid,
}

impl Mark {
    /// None where a label is missing or is no such thing: then it is nobody's of ours.
    pub(super) fn read(labels: &BTreeMap<String, String>) -> Option<Self> {
        let text = |key: &str| labels.get(key).map(String::as_str);
        Some(Self {
            instance: text(pod::LABEL_INSTANCE)?.to_owned(),
            runner: text(pod::LABEL_RUNNER)?.parse().ok()?,
            of: AttemptRef { task: text(pod::LABEL_TASK)?.parse().ok()?, attempt: text(pod::LABEL_ATTEMPT)?.parse().ok()? },
            queue: text(pod::LABEL_QUEUE)?.parse().ok()?,
            claim: text(pod::LABEL_CLAIM)?.parse().ok()?,
        })
    }
}

/// A Job of ours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeenJob {
    pub(super) mark: Mark,
    pub(super) facts: JobFacts,
    pub(super) created_at: Option<Timestamp>,
    /// How long it stays after its end.
    pub(super) keep: KeepJobs,
    /// What it is beyond a Job of one pod; none for that.
    pub(super) object: Option<SeenObject>,
}

/// A pod of ours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeenPod {
    pub(super) mark: Mark,
    pub(super) namespace: String,
    /// The UID of the Job that owns it.
    pub(super) owner: Option<String>,
    /// The Secret with its right to start.
    pub(super) secret: Option<String>,
    pub(super) facts: PodFacts,
    /// When its first container began.
    pub(super) began_at: Option<Timestamp>,
    /// When the last of its containers ended.
    pub(super) ended_at: Option<Timestamp>,
    /// What it is among the pods of a custom resource: `worker`, `worker-1`.
    pub(super) role: Option<String>,
    /// Whether it is known by what owns it, for want of labels of ours.
    pub(super) unlabelled: bool,
}

impl SeenJob {
    /// None where it bears not all of our labels.
    pub(super) fn read(job: Job) -> Option<Self> {
        let carries = job.metadata.annotations.as_ref().is_some_and(|notes| notes.contains_key(OBJECT));
        let kind = Kind { version: "batch/v1".to_owned(), kind: "Job".to_owned() };
        let object = carries.then(|| SeenObject::read(&kind, &job.metadata, &serde_json::to_value(&job).ok()?)).flatten();
        let meta = job.metadata;
        let status = job.status.unwrap_or_default();
        let conditions = status
            .conditions
            .unwrap_or_default()
            .into_iter()
            .map(|c| condition(c.type_, c.status, c.reason, c.message, c.last_transition_time.as_ref()));
        let facts = JobFacts {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            suspended: job.spec.and_then(|spec| spec.suspend).unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
            conditions: conditions.collect(),
        };
        Self::of(&meta, facts, object)
    }

    /// None where it bears not all of our labels.
    pub(super) fn of(meta: &ObjectMeta, facts: JobFacts, object: Option<SeenObject>) -> Option<Self> {
        let keep = meta.annotations.as_ref().and_then(|notes| serde_json::from_str(notes.get(KEEP_JOBS)?).ok());
        let created_at = time(meta.creation_timestamp.as_ref());
        Some(Self { mark: mark(meta)?, facts, created_at, keep: keep.unwrap_or_default(), object })
    }

    /// Whether it has ended, by a final condition: `true` after a success.
    pub(super) fn ended(&self) -> Option<bool> {
        if let Some(object) = &self.object {
            return object.state.is_over().then_some(object.state == states::State::Succeeded);
        }
        let holds = |kind: &str| self.facts.conditions.iter().any(|c| c.kind == kind && c.status == "True");
        if holds("Complete") { Some(true) } else { holds("Failed").then_some(false) }
    }
}

impl SeenPod {
    /// None where it bears not all of our labels.
    pub(super) fn read(pod: Pod) -> Option<Self> {
        let meta = pod.metadata;
        let (spec, status) = (pod.spec.unwrap_or_default(), pod.status.unwrap_or_default());
        let owners = meta.owner_references.iter().flatten();
        let owner = owners.filter(|owner| owner.controller == Some(true) && owner.kind == "Job").map(|owner| owner.uid.clone()).next();
        let inits = status.init_container_statuses.unwrap_or_default();
        let mains = status.container_statuses.unwrap_or_default();
        let task = task_container(&spec.containers);
        let start = spec.volumes.iter().flatten().find(|volume| volume.name == pod::START_VOLUME);
        let secret = start.and_then(|volume| volume.secret.as_ref()?.secret_name.clone());
        let role = |container: &Container, main: bool| match (main, container.name.as_str()) {
            (true, name) if Some(name) == task.as_deref() => ContainerRole::Task,
            (true, _) => ContainerRole::Sidecar,
            (false, pod::AGENT_CONTAINER) => ContainerRole::Agent,
            (false, _) if container.restart_policy.as_deref() == Some("Always") => ContainerRole::Sidecar,
            (false, _) => ContainerRole::Init,
        };
        let one = |container: &Container, main: bool| {
            let all = if main { &mains } else { &inits };
            let status = all.iter().find(|status| status.name == container.name);
            ContainerFacts {
                name: container.name.clone(),
                role: role(container, main),
                image: container.image.clone().unwrap_or_default(),
                state: status.map(state).unwrap_or_default(),
            }
        };
        let init_containers = spec.init_containers.iter().flatten().map(|c| one(c, false));
        let conditions = status
            .conditions
            .unwrap_or_default()
            .into_iter()
            .map(|c| condition(c.type_, c.status, c.reason, c.message, c.last_transition_time.as_ref()));
        let facts = PodFacts {
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            node: spec.node_name.clone(),
            phase: status.phase.unwrap_or_default(),
            reason: status.reason.map(|text| cut(&text)),
            message: status.message.map(|text| cut(&text)),
            deleting: meta.deletion_timestamp.is_some(),
            created_at: time(meta.creation_timestamp.as_ref()),
            conditions: conditions.collect(),
            containers: init_containers.chain(spec.containers.iter().map(|c| one(c, true))).collect(),
        };
        let began = |status: &ContainerStatus| {
            let state = status.state.as_ref()?;
            let running = state.running.as_ref().and_then(|running| time(running.started_at.as_ref()));
            running.or_else(|| time(state.terminated.as_ref()?.started_at.as_ref()))
        };
        let began_at = mains.iter().filter_map(began).min();
        let ends = inits.iter().chain(&mains).filter_map(|status| time(status.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref()));
        let namespace = meta.namespace.clone().unwrap_or_default();
        Some(Self {
            mark: mark(&meta)?,
            namespace,
            owner,
            secret,
            began_at,
            ended_at: ends.max(),
            role: role_of(&meta),
            unlabelled: false,
            facts,
        })
    }

    /// Whether nothing of it runs: its phase is terminal, and so is every container that ever started. A phase alone can
    /// be the word of a controller that has not heard of the node.
    pub(super) fn dead(&self) -> bool {
        self.facts.is_terminal() && self.facts.containers.iter().all(|c| c.state != ContainerState::Running)
    }

    /// Whether the task's container runs or has run.
    pub(super) fn running(&self) -> bool {
        let task = self.facts.task().map(|task| &task.state);
        matches!(task, Some(ContainerState::Running | ContainerState::Terminated { .. }))
    }

    /// How much it says of the attempt among several pods: what was disrupted most, then what failed, then what waits.
    pub(super) fn weight(&self) -> u8 {
        let failed = |state: &ContainerState| matches!(state, ContainerState::Terminated { exit_code, .. } if *exit_code != 0);
        let disrupted = self.facts.condition("DisruptionTarget").is_some_and(|c| c.status == "True") || self.facts.reason.is_some();
        match self.facts.phase.as_str() {
            _ if disrupted => 4,
            "Failed" => 3,
            _ if self.facts.task().is_some_and(|task| failed(&task.state)) => 3,
            "Pending" => 2,
            "Running" => 1,
            _ => 0,
        }
    }

    /// What its agent left behind about this attempt.
    pub(super) fn testament(&self) -> Option<Testament> {
        let message = |state: &ContainerState| match state {
            ContainerState::Terminated { message: Some(message), .. } => serde_json::from_str::<Testament>(message).ok(),
            _ => None,
        };
        // An agentless attempt's gate leaves its own in the init container.
        let told = self.facts.containers.iter().filter(|c| matches!(c.role, ContainerRole::Task | ContainerRole::Agent));
        let mut testaments: Vec<_> =
            told.filter_map(|c| message(&c.state)).filter(|t| self.mark.of.task == t.task && self.mark.of.attempt == t.attempt).collect();
        testaments.pop()
    }
}

/// What a pod of a custom resource is: its template's place in it and, where its kind numbers them, its number.
fn role_of(meta: &ObjectMeta) -> Option<String> {
    let (none, labels) = (BTreeMap::new(), meta.labels.as_ref()?);
    let role = labels.get(pod::LABEL_ROLE)?;
    let rank = RANKS.iter().find_map(|key| labels.get(*key).or(meta.annotations.as_ref().unwrap_or(&none).get(*key)));
    Some(rank.map_or_else(|| role.clone(), |rank| format!("{role}-{rank}")))
}

/// The container that runs the command: the one that the agent's program stands in, else the one with the usual name,
/// else the first.
fn task_container(containers: &[Container]) -> Option<String> {
    let agent = |c: &&Container| c.command.as_ref().and_then(|words| words.first()).is_some_and(|word| word == pod::AGENT);
    let named = |c: &&Container| c.name == pod::TASK_CONTAINER;
    let task = containers.iter().find(agent).or_else(|| containers.iter().find(named)).or(containers.first());
    task.map(|c| c.name.clone())
}

fn state(status: &ContainerStatus) -> ContainerState {
    let Some(State { running, terminated, waiting }) = status.state.clone() else { return ContainerState::Unknown };
    match (running, terminated, waiting) {
        (_, Some(t), _) => ContainerState::Terminated {
            exit_code: t.exit_code,
            signal: t.signal.filter(|signal| *signal != 0),
            reason: t.reason.map(|text| cut(&text)),
            // The agent's message is a document of its own size; cut, it would be none.
            message: t.message.filter(|text| text.len() <= 2 * MAX_TEXT),
        },
        (Some(_), ..) => ContainerState::Running,
        (.., Some(w)) => ContainerState::Waiting { reason: w.reason.map(|text| cut(&text)), message: w.message.map(|text| cut(&text)) },
        _ => ContainerState::Unknown,
    }
}

pub(super) fn condition(kind: String, status: String, reason: Option<String>, message: Option<String>, at: Option<&Time>) -> Condition {
    let some = |text: Option<String>| text.filter(|text| !text.is_empty()).map(|text| cut(&text));
    Condition { kind, status, reason: some(reason), message: some(message), at: time(at) }
}

/// An event of the cluster.
pub(super) fn event(event: Event) -> ObjectEvent {
    let at = event.last_timestamp.as_ref().map(|t| t.0).or(event.event_time.as_ref().map(|t| t.0)).or(event.first_timestamp.map(|t| t.0));
    ObjectEvent {
        about: event.involved_object.kind.unwrap_or_default(),
        reason: event.reason.map(|text| cut(&text)).unwrap_or_default(),
        message: event.message.map(|text| cut(&text)).unwrap_or_default(),
        kind: event.type_.unwrap_or_default(),
        at,
    }
}

fn mark(meta: &ObjectMeta) -> Option<Mark> {
    Mark::read(meta.labels.as_ref()?)
}

fn time(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

/// A text with at most [`MAX_TEXT`] bytes of it.
pub(super) fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::kubernetes::examples::{of, terminal, with_state};
    use serde_json::json;

    #[test]
    fn a_pod_is_read_as_what_it_is_to_the_attempt() {
        let labels = pod::labels("k3f9a", &"glue".parse().unwrap(), of(1), &QueueName::default(), Uuid::from_u128(7));
        let labels: BTreeMap<_, _> = labels.into();
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "x", "namespace": "a", "uid": "u", "labels": labels, "managedFields": [{"manager": "kubelet"}],
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "x", "uid": "job-1", "controller": true}]},
            "spec": {
                "initContainers": [{"name": "slipway-agent"}, {"name": "fetch"}, {"name": "proxy", "restartPolicy": "Always"}],
                "containers": [{"name": "metrics"}, {"name": "main", "command": [pod::AGENT, "run"]}],
                "volumes": [{"name": pod::START_VOLUME, "secret": {"secretName": "x"}}],
            },
            "status": {"phase": "Running", "containerStatuses": [
                {"name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                    "state": {"terminated": {"exitCode": 137, "signal": 0, "reason": "OOMKilled", "finishedAt": "2026-11-24T12:00:00Z"}}},
            ]},
        }))
        .unwrap();
        let seen = SeenPod::read(pod.clone()).unwrap();
        let roles: Vec<_> = seen.facts.containers.iter().map(|c| (c.name.as_str(), c.role)).collect();
        let expected = [
            ("slipway-agent", ContainerRole::Agent),
            ("fetch", ContainerRole::Init),
            ("proxy", ContainerRole::Sidecar),
            ("metrics", ContainerRole::Sidecar),
            ("main", ContainerRole::Task),
        ];
        assert_eq!(roles, expected);
        assert_eq!((seen.mark.of, seen.owner.as_deref(), seen.secret.as_deref()), (of(1), Some("job-1"), Some("x")));
        assert!(seen.running() && !seen.dead(), "its phase is not terminal");
        assert!(seen.ended_at.is_some());
        let mut stranger = pod;
        stranger.metadata.labels.as_mut().unwrap().remove(pod::LABEL_CLAIM);
        assert_eq!(SeenPod::read(stranger), None);
    }

    #[test]
    fn a_phase_is_no_proof_while_a_container_runs() {
        assert!(terminal(1, "Failed").dead());
        assert!(!with_state(terminal(1, "Failed"), "Failed", ContainerState::Running).dead());
        assert!(with_state(terminal(1, "Failed"), "Failed", ContainerState::Unknown).dead(), "it was evicted before it ran");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = "ä".repeat(MAX_TEXT);
        assert!(cut(&long).len() <= MAX_TEXT && long.starts_with(&cut(&long)));
        assert_eq!(cut("short"), "short");
    }
}
