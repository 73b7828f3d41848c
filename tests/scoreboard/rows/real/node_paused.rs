//! Row 8: a node stands still for fifteen minutes, as a suspended machine does, and comes back. The control plane gives it up meanwhile.
//! Pods that tolerate that go on; the others are deleted, and their tasks follow once their end is proved; some attempts are given up by
//! an operator, and whatever their agents say later is refused.

use crate::{
    kit::cluster::NODE,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    site::{Site, on_site, times},
    support::eventually,
};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::json;
use slipway::{
    app::ambient::SystemRng,
    domain::{
        Rng,
        pod::{LABEL_ATTEMPT, LABEL_TASK},
    },
    wire::{AbandonRequest, AttemptNumber, FailureClass, NewTask, Reason, Retries, Task, TaskId, TaskState, Times},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::sleep};
use tokio_util::task::AbortOnDropHandle;

pub(crate) const ROW: Row = Row { number: 8, level: Level::R, short: 5, full: 20, run: |form| Box::pin(run(form)) };

/// The exit code of an agent that is told that its attempt is over.
const SUPERSEDED: i32 = 97;
/// It says that it is alive, in the log and on record, until it is let go in its first attempt; a later one ends at once.
const BODY: &str = "if [ $n = 1 ]; then note ready; while ! [ -e over ]; do echo alive; sleep 1; done; fi";

/// What becomes of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lot {
    /// Its pod tolerates a node that is away.
    Resumes,
    /// Its pod is deleted by the control plane.
    GivenUp,
    /// An operator gives its attempt up.
    Abandoned,
}

async fn run(form: Form) -> Result<Outcome, Absent> {
    // Silence is shown before the short form's node is back.
    let times = form.of(Times { heartbeat_lost_ms: 10_000, ..crate::kit::times() }, times(form));
    on_site("node_paused", times, async |site| paused(site, form).await).await
}

async fn paused(site: &mut Site, form: Form) -> Outcome {
    let patient = ["not-ready", "unreachable"]
        .map(|what| json!({"key": format!("node.kubernetes.io/{what}"), "operator": "Exists", "effect": "NoExecute"}));
    site.queue("patient", json!({"podTemplate": {"spec": {"tolerations": patient}}})).await;
    site.queue("plain", json!({"keepJobsSeconds": {"success": 0, "failure": 3_600}})).await;
    site.glue("k8s", json!({})).await;
    site.throughout(&["k8s"]);
    // Where no node is well the control plane blames itself and gives none up.
    site.scene.cluster.fake_nodes(2);
    let lots: Vec<_> =
        [Lot::Resumes, Lot::GivenUp, Lot::Resumes, Lot::GivenUp, Lot::Abandoned].into_iter().cycle().take(form.tasks).collect();
    let tasks: Vec<_> = lots.iter().map(|lot| task(site, *lot)).collect();
    let ids = site.submit(&tasks).await;
    let of: BTreeMap<TaskId, Lot> = ids.iter().copied().zip(lots).collect();
    let with = |lot: Lot| of.iter().filter(|(_, its)| **its == lot).map(|(id, _)| *id).collect::<Vec<_>>();
    site.all_told(&ids, "ready").await;
    let codes = Codes::watch(site);

    let cluster = site.scene.cluster.clone();
    let stopped = cluster.pause();
    let away = form.of(16, 900);
    sleep(Duration::from_secs(away - 4)).await;
    let mut broken = Vec::new();
    for id in &ids {
        let task = site.world.task(*id).await;
        if task.state != TaskState::Active || task.attempt.0 != 1 || !task.heartbeat_lost {
            broken.push(format!("task {id} while its node stands still: {}", story(&task, of[id])));
        }
    }
    let frozen = abandon(site, &with(Lot::Abandoned)).await;
    sleep(Duration::from_secs(4)).await;
    drop(stopped);
    ready(site).await;
    site.recorder.go();
    let judged = site.judged(&ids).await;
    let mut outcome = judged.outcome;
    outcome.broken.extend(broken);
    for task in &judged.tasks {
        outcome.broken.extend(wrong(site, task, of[&task.id]).await);
    }
    for (id, bytes) in frozen {
        let code = codes.of(id).await;
        outcome.must(code == Some(SUPERSEDED), || format!("the agent of task {id} ended with {code:?}, and what it says is refused"));
        let now = site.world.log(id, 1).await.len();
        outcome.must(now == bytes, || format!("the log of task {id} grew from {bytes} to {now} bytes after its attempt was given up"));
    }
    outcome
}

fn task(site: &Site, lot: Lot) -> NewTask {
    let retries = Some(Retries { infra: if lot == Lot::Abandoned { 0 } else { 3 }, ..Retries::default() });
    let queue = if lot == Lot::Resumes { "patient" } else { "plain" };
    // Those that resume are let go; the others stay until somebody ends them.
    let body = if lot == Lot::Resumes { "note ready; note wait".to_owned() } else { BODY.to_owned() };
    NewTask { retries, ..site.task(queue, &body) }
}

/// Gives up the first attempts of these; how long the log of each is then.
async fn abandon(site: &Site, ids: &[TaskId]) -> Vec<(TaskId, usize)> {
    let (client, mut lengths) = (site.world.client().await, Vec::new());
    for id in ids {
        let request = AbandonRequest { reason: "its node does not answer".to_owned() };
        client.abandon_attempt(*id, AttemptNumber(1), &request, SystemRng.uuid()).await.expect("given up");
        let ended = site.world.ended(*id).await;
        assert_eq!(ended.state, TaskState::Failed, "{:?}", ended.ended);
        lengths.push((*id, site.world.log(*id, 1).await.len()));
    }
    lengths
}

async fn ready(site: &Site) {
    let nodes: Api<Node> = Api::all(site.scene.client());
    eventually("the node to be ready", async || {
        let conditions = nodes.get(NODE).await.ok()?.status?.conditions?;
        conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True").then_some(())
    })
    .await;
}

async fn wrong(site: &Site, task: &Task, lot: Lot) -> Option<String> {
    let end = task.ended.clone().unwrap_or_default();
    let right = match lot {
        Lot::Resumes => (task.state, task.attempt.0) == (TaskState::Succeeded, 1),
        Lot::Abandoned => (task.state, task.attempt.0, end.class) == (TaskState::Failed, 1, Some(FailureClass::Lost)),
        Lot::GivenUp => {
            let first = site.attempts(task.id).await.into_iter().next().and_then(|first| first.ended).unwrap_or_default();
            let cause = (first.class, first.reason) == (Some(FailureClass::Infra), Some(Reason::NodeLost));
            if !cause {
                return Some(format!("the first attempt of task {} ended as {first:?}", task.id));
            }
            (task.state, task.attempt.0) == (TaskState::Succeeded, 2)
        }
    };
    (!right).then(|| story(task, lot))
}

fn story(task: &Task, lot: Lot) -> String {
    let silent = if task.heartbeat_lost { ", silent" } else { "" };
    format!("task {} ({lot:?}) is {}{silent} in attempt {}: {:?}", task.id, task.state, task.attempt, task.ended)
}

/// What the agents of first attempts ended with, seen before their pods are gone.
struct Codes {
    seen: Arc<Mutex<BTreeMap<String, i32>>>,
    _looking: AbortOnDropHandle<()>,
}

impl Codes {
    fn watch(site: &Site) -> Self {
        let (seen, pods) = (Arc::<Mutex<BTreeMap<String, i32>>>::default(), site.scene.api::<Pod>());
        let kept = seen.clone();
        let look = async move {
            loop {
                // While the list fails the next one is awaited.
                for pod in pods.list(&ListParams::default().labels(&format!("{LABEL_ATTEMPT}=1"))).await.into_iter().flatten() {
                    let task = pod.labels().get(LABEL_TASK).cloned().unwrap_or_default();
                    if let Some(code) = ended(&pod) {
                        kept.lock().await.insert(task, code);
                    }
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        Self { seen, _looking: AbortOnDropHandle::new(tokio::spawn(look)) }
    }

    /// That of a task, once it is known or had its time to be.
    async fn of(&self, id: TaskId) -> Option<i32> {
        for _ in 0..600 {
            if let Some(code) = self.seen.lock().await.get(&id.to_string()) {
                return Some(*code);
            }
            sleep(Duration::from_millis(100)).await;
        }
        None
    }
}

fn ended(pod: &Pod) -> Option<i32> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == "task")?.state.as_ref()?.terminated.as_ref().map(|end| end.exit_code)
}
