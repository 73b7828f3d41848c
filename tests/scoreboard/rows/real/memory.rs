//! Row 10: commands that run out of memory. The kernel kills the command itself, a child of it, or all that is in the pod.

use crate::{
    procs::uptime,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    site::{Site, on_site, times},
};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use serde_json::json;
use slipway::wire::{FailureClass, Reason, Task, TaskId, TaskState};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::sleep;

pub(crate) const ROW: Row = Row { number: 10, level: Level::R, short: 3, full: 20, run: |form| Box::pin(run(form)) };

/// Within so many seconds the end is stored.
const STORED: f64 = 60.0;

/// Whom the kernel kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    /// The command itself.
    Child,
    /// A child of the command, which goes on and fails with a code of its own.
    Grandchild,
    /// Everything, the agent included: what takes the memory is no process.
    Pod,
}
use Victim::{Child, Grandchild, Pod as Whole};

fn body(victim: Victim) -> &'static str {
    match victim {
        Child => "note eat; exec tail /dev/zero",
        Grandchild => "note eat; tail /dev/zero; note survived; exit 7",
        Whole => "note eat; for i in 1 2 3; do while :; do cat /dev/zero >>/fill/$i; done & done; wait",
    }
}

async fn run(form: Form) -> Result<Outcome, Absent> {
    on_site("out_of_memory", times(form), async |site| eaten(site, form).await).await
}

async fn eaten(site: &mut Site, form: Form) -> Outcome {
    let container = json!({
        "name": "task",
        "image": "slipway.test/busybox:1",
        "resources": {"limits": {"memory": "96Mi"}},
        "volumeMounts": [{"name": "fill", "mountPath": "/fill"}],
    });
    let spec = json!({"containers": [container], "volumes": [{"name": "fill", "emptyDir": {"medium": "Memory"}}]});
    // Their pods stay for whoever looks at what became of them.
    site.queue("q", json!({"podTemplate": {"spec": spec}, "keepJobsSeconds": {"success": 0, "failure": 3_600}})).await;
    site.glue("k8s", json!({"maxPods": 6})).await;
    site.throughout(&["k8s"]);
    let victims: Vec<_> = [Child, Grandchild, Whole].into_iter().cycle().take(form.tasks).collect();
    let tasks: Vec<_> = victims.iter().map(|victim| site.open_task("q", body(*victim))).collect();
    let ids = site.submit(&tasks).await;
    let of: BTreeMap<_, _> = ids.iter().copied().zip(victims).collect();
    let judged = site.judged(&ids).await;
    let (mut outcome, mut slowest) = (judged.outcome, 0.0_f64);
    for task in &judged.tasks {
        let (victim, end) = (of[&task.id], task.ended.clone().unwrap_or_default());
        let took = judged.seen.get(&task.id).zip(site.told(task.id, "eat")).map_or(f64::INFINITY, |(seen, eat)| seen - eat);
        slowest = slowest.max(took);
        let right = (task.state, end.class, end.reason) == (TaskState::Failed, Some(FailureClass::Oom), Some(Reason::OomKilled));
        outcome.must(right && task.attempt.0 == 1 && took <= STORED, || story(task, victim, took));
        let survived = site.told(task.id, "survived").is_some();
        outcome.must(survived == (victim == Grandchild), || format!("task {} ({victim:?}): its command survived: {survived}", task.id));
        let alone = left_alone(site, task.id).await;
        outcome.must(alone == Some(victim == Whole), || format!("task {} ({victim:?}): without a word of its agent: {alone:?}", task.id));
    }
    eprintln!("the slowest end was stored {slowest:.1} s after its command began to take memory");
    outcome
}

fn story(task: &Task, victim: Victim, took: f64) -> String {
    format!("task {} ({victim:?}) is {} in attempt {} after {took:.1} s: {:?}", task.id, task.state, task.attempt, task.ended)
}

/// Whether the pod's container ended without a word of its agent; none where that was not to be seen for a minute: a busy kubelet says
/// so later than the agent.
async fn left_alone(site: &Site, id: TaskId) -> Option<bool> {
    let until = uptime() + 60.0;
    loop {
        if let Some(end) = site.scene.pods(id).await.iter().find_map(ended) {
            return Some(end.message.is_none_or(|message| message.is_empty()));
        }
        if uptime() > until {
            return None;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

fn ended(pod: &Pod) -> Option<ContainerStateTerminated> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == "task")?.state.as_ref()?.terminated.clone()
}
