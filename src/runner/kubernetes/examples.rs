//! Objects for tests, as short as they can be told.

use super::{
    config::{Config, File, Surrounding},
    facts::{Mark, SeenJob, SeenPod},
    object::{Kind, SeenObject},
    sight::{Late, Log, Observed, Rest},
    states::State,
};
use crate::{
    domain::evidence::{ContainerFacts, ContainerState, Evidence, JobFacts, PodFacts},
    wire::{AttemptNumber, AttemptRef, Hold, JobOrder, KeepJobs, Mounts, ObjectOrder, Phase, QueueName, Resources, TaskId},
};
use std::time::Duration;
use uuid::Uuid;

pub(super) fn of(task: i64) -> AttemptRef {
    AttemptRef { task: TaskId(task), attempt: AttemptNumber(1) }
}

fn mark(task: i64) -> Mark {
    Mark {
        instance: "k3f9a".to_owned(),
        runner: "glue".parse().unwrap(),
        of: of(task),
        queue: QueueName::default(),
        claim: Uuid::from_u128(7),
    }
}

/// A Job `job-<task>` in namespace `a`.
pub(super) fn job(task: i64) -> SeenJob {
    let name = format!("slw-k3f9a-{task}-a1");
    let facts = JobFacts { namespace: "a".to_owned(), name, uid: format!("job-{task}"), ..JobFacts::default() };
    SeenJob { mark: mark(task), facts, created_at: None, keep: KeepJobs::default(), object: None }
}

/// An object in place of the Job, in this state.
pub(super) fn object(task: i64, state: State) -> SeenJob {
    let kind = Kind { version: "kubeflow.org/v1".to_owned(), kind: "PyTorchJob".to_owned() };
    SeenJob { object: Some(SeenObject { kind, state, unlabelled: false }), ..job(task) }
}

/// What the server holds of an attempt that an object carries, its start being closed.
pub(super) fn object_hold(task: i64) -> Hold {
    let mut hold = hold(task, Some("claim"));
    let order = ObjectOrder {
        api_version: "kubeflow.org/v1".to_owned(),
        kind: "PyTorchJob".to_owned(),
        succeeded: None,
        failed: None,
        ends_in_seconds: None,
    };
    if let Some(job) = &mut hold.job {
        (job.object, job.use_image_entrypoint) = (Some(Box::new(order)), true);
    }
    Hold { phase: Phase::Starting, ..hold }
}

/// A pod `pod-<task>` whose task runs.
pub(super) fn pod(task: i64) -> SeenPod {
    let container = ContainerFacts { name: "task".to_owned(), state: ContainerState::Running, ..ContainerFacts::default() };
    let facts = PodFacts {
        name: format!("slw-k3f9a-{task}-a1-x"),
        uid: format!("pod-{task}"),
        node: Some("node-1".to_owned()),
        phase: "Running".to_owned(),
        containers: vec![container],
        ..PodFacts::default()
    };
    SeenPod {
        mark: mark(task),
        namespace: "a".to_owned(),
        owner: Some(format!("job-{task}")),
        secret: None,
        facts,
        began_at: None,
        ended_at: None,
        role: None,
        unlabelled: false,
    }
}

/// The same with its container in this state.
pub(super) fn with_state(mut pod: SeenPod, phase: &str, state: ContainerState) -> SeenPod {
    phase.clone_into(&mut pod.facts.phase);
    pod.facts.containers[0].state = state;
    pod
}

/// The same before its task could begin.
pub(super) fn waiting(task: i64, reason: &str, message: &str) -> SeenPod {
    with_state(pod(task), "Pending", ContainerState::Waiting { reason: Some(reason.to_owned()), message: Some(message.to_owned()) })
}

/// The same after its end, with exit code 0 or 1.
pub(super) fn terminal(task: i64, phase: &str) -> SeenPod {
    let exit_code = i32::from(phase != "Succeeded");
    with_state(pod(task), phase, ContainerState::Terminated { exit_code, signal: None, reason: None, message: None })
}

/// An attempt that nothing is seen of yet.
pub(super) fn observed(task: i64) -> Observed {
    Observed {
        of: of(task),
        claim: Uuid::from_u128(7),
        queue: QueueName::default(),
        job: None,
        pods: Vec::new(),
        look: None,
        evidence: Evidence::default(),
        news: false,
        was_there: false,
        owned: true,
        rest: Rest::None,
        waited: Duration::ZERO,
        troubled: Duration::ZERO,
        look_in: Duration::from_secs(3),
        create_in: Duration::ZERO,
        hopeless: None,
        log: Log::Unsent,
        verdict: None,
        late: Late::Nothing,
        ended_for: None,
        orphaned_for: None,
        ran_for: None,
        over: None,
    }
}

/// What the server holds, started by `uid` or not at all.
pub(super) fn hold(task: i64, uid: Option<&str>) -> Hold {
    Hold {
        task: TaskId(task),
        attempt: AttemptNumber(1),
        claim: Uuid::from_u128(7),
        uid: uid.map(str::to_owned),
        instance: None,
        phase: if uid.is_some() { Phase::Running } else { Phase::Claimed },
        start_token: uid.is_none().then(|| "token".to_owned()),
        queue: QueueName::default(),
        resources: Resources::default(),
        finished: false,
        job: Some(JobOrder {
            manifest: uid.is_none().then(|| serde_json::json!({})),
            use_image_entrypoint: false,
            timeout_seconds: None,
            grace_seconds: 30,
            pending_timeout_seconds: 900,
            fail_pending_after_seconds: None,
            keep_jobs_seconds: KeepJobs::default(),
            mounts: Mounts::default(),
            object: None,
        }),
    }
}

pub(super) fn config() -> Config {
    let file = File {
        name: Some("glue".parse().unwrap()),
        url: Some("http://10.0.0.5:7227".into()),
        allow_plain_http: true,
        agent_image: Some("agent:1".into()),
        ..File::default()
    };
    let around = Surrounding { namespace: "a".into(), in_pod: false, url: None, ca: None, version: "0".into() };
    Config::new(file, around).unwrap()
}
