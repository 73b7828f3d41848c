//! Row 9: pods evicted, preempted, drained from their node and deleted, and Jobs deleted, at random moments from before the agent's start
//! to the middle of the command. Each task is struck once, in its first attempt; the second one ends at once.

use crate::{
    procs::uptime,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    site::{Site, on_site, times},
    support::{Dice, within},
};
use futures::future::join_all;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod, scheduling::v1::PriorityClass};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, EvictParams, PostParams},
};
use serde_json::{Value, json};
use slipway::wire::{Attempt, FailureClass, Reason, TaskId, TaskState};
use std::time::Duration;

pub(crate) const ROW: Row = Row { number: 9, level: Level::R, short: 5, full: 100, run: |form| Box::pin(run(form)) };

/// Within so many seconds the next attempt's command begins.
const AGAIN: f64 = 60.0;
/// How many tasks are on the node at a drain.
const DRAINED: usize = 5;
/// The class of what preempts.
const URGENT: &str = "slipway-test-urgent";
/// In its first attempt it stays until it is struck.
const BODY: &str = "if [ $n = 1 ]; then note ready; sleep 900; fi";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Eviction,
    Preemption,
    PodDeletion,
    JobDeletion,
    Drain,
}

/// A task, and when it was struck, in seconds of the machine's uptime.
type Hit = (TaskId, Blow, f64);

impl Blow {
    fn reason(self) -> Reason {
        match self {
            Self::Eviction | Self::Drain => Reason::Evicted,
            Self::Preemption => Reason::Preempted,
            Self::PodDeletion | Self::JobDeletion => Reason::PodDeleted,
        }
    }
}

async fn run(form: Form) -> Result<Outcome, Absent> {
    on_site("disturbed", times(form), async |site| disturbed(site, form).await).await
}

async fn disturbed(site: &mut Site, form: Form) -> Outcome {
    let (mut dice, each) = (Dice::of(form.seed), form.tasks.div_ceil(5));
    let slice = site.scene.slices(1).await;
    let container = json!({"name": "task", "image": "slipway.test/busybox:1", "resources": {"limits": {&slice: "1"}}});
    site.queue("plain", json!({})).await;
    site.queue("contended", json!({"podTemplate": {"spec": {"containers": [container]}}})).await;
    urgent(site).await;
    site.glue("k8s", json!({"maxPods": 12})).await;
    site.throughout(&["k8s"]);
    let lanes = [Blow::Eviction, Blow::Preemption, Blow::PodDeletion, Blow::JobDeletion];
    let lanes = lanes.map(|blow| lane(site, blow, each, &slice, Dice::of(dice.below(u64::MAX))));
    let mut hits: Vec<Hit> = join_all(lanes).await.concat();
    // What empties the node would strike the others too.
    for left in (0..each).step_by(DRAINED) {
        hits.extend(drain(site, DRAINED.min(each - left), &mut dice).await);
    }
    let ids: Vec<_> = hits.iter().map(|(id, ..)| *id).collect();
    let mut judged = site.judged(&ids).await;
    judged.all_succeed(false);
    let (mut outcome, mut slowest, mut early) = (judged.outcome, 0.0_f64, 0);
    for (id, blow, at) in hits {
        let attempts = explained(site, id, blow.reason()).await;
        outcome.must(right(&attempts, blow.reason()), || format!("task {id} ({blow:?}): {attempts:?}"));
        let again = site.began(id, 2).map_or(f64::INFINITY, |began| began - at);
        outcome.must(again <= AGAIN, || format!("task {id} ({blow:?}) began again after {again:.1} s"));
        slowest = slowest.max(again);
        early += usize::from(site.began(id, 1).is_none());
    }
    outcome.worst_recovery = Some(slowest);
    eprintln!("{early} of {} were struck before their command began; the slowest began again after {slowest:.1} s", ids.len());
    site.nothing_left(&mut outcome).await;
    outcome
}

/// One task after the other, each struck so.
async fn lane(site: &Site, blow: Blow, count: usize, slice: &str, mut dice: Dice) -> Vec<Hit> {
    let mut hits = Vec::new();
    for _ in 0..count {
        let queue = if blow == Blow::Preemption { "contended" } else { "plain" };
        let id = site.submit(&[site.task(queue, BODY)]).await[0];
        let pod = there(site, id, blow).await;
        dice.pause(0, 4_000).await;
        let at = uptime();
        strike(site, blow, id, &pod, slice).await;
        within(Duration::from_mins(4), &format!("the end of task {id} ({blow:?})"), async || {
            site.world.client().await.task(id).await.ok().filter(|task| task.state.is_terminal())
        })
        .await;
        hits.push((id, blow, at));
    }
    hits
}

/// Waits for the first pod of a task; what has no place yet cannot lose it.
async fn there(site: &Site, id: TaskId, blow: Blow) -> Pod {
    let placed = |pod: &Pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    within(Duration::from_mins(2), &format!("a pod of task {id}"), async || {
        site.scene.pods(id).await.into_iter().find(|pod| blow != Blow::Preemption || placed(pod))
    })
    .await
}

async fn strike(site: &Site, blow: Blow, id: TaskId, pod: &Pod, slice: &str) {
    let (pods, name) = (site.scene.api::<Pod>(), pod.name_any());
    match blow {
        Blow::Eviction | Blow::Drain => drop(pods.evict(&name, &EvictParams::default()).await.expect("evicted")),
        Blow::PodDeletion => drop(pods.delete(&name, &DeleteParams::default()).await.expect("deleted")),
        Blow::JobDeletion => {
            let job = site.scene.job(id).await.name_any();
            drop(site.scene.api::<Job>().delete(&job, &DeleteParams::background()).await.expect("deleted"));
        }
        Blow::Preemption => {
            site.scene.create::<Pod>(preemptor(id, slice)).await;
            let name = format!("urgent-{id}");
            within(Duration::from_mins(2), "the urgent pod to have the place", async || {
                pods.get(&name).await.ok()?.status?.phase.filter(|phase| phase == "Running")
            })
            .await;
            pods.delete(&name, &DeleteParams::default().grace_period(0)).await.expect("deleted");
        }
    }
}

/// The node takes no pods, and loses those that it has; then it takes them again.
async fn drain(site: &Site, count: usize, dice: &mut Dice) -> Vec<Hit> {
    let ids = site.submit(&vec![site.task("plain", BODY); count]).await;
    let mut pods = Vec::new();
    for id in &ids {
        pods.push(there(site, *id, Blow::Drain).await);
    }
    dice.pause(0, 4_000).await;
    site.scene.cluster.cordon(true).await;
    let mut hits = Vec::new();
    for (id, pod) in ids.iter().zip(&pods) {
        hits.push((*id, Blow::Drain, uptime()));
        strike(site, Blow::Drain, *id, pod, "").await;
    }
    site.scene.cluster.cordon(false).await;
    within(Duration::from_mins(4), "the end of what was drained", async || (site.count(&ids, "end") == ids.len()).then_some(())).await;
    hits
}

/// A priority above all tasks'.
async fn urgent(site: &Site) {
    let class = json!({"metadata": {"name": URGENT}, "value": 1_000_000, "description": "preempts the pods of a test"});
    let class: PriorityClass = serde_json::from_value(class).expect("a class");
    match Api::<PriorityClass>::all(site.scene.client()).create(&PostParams::default(), &class).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        made => drop(made.expect("the class is made")),
    }
}

fn preemptor(id: TaskId, slice: &str) -> Value {
    json!({
        "metadata": {"name": format!("urgent-{id}")},
        "spec": {
            "priorityClassName": URGENT,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "main",
                "image": "slipway.test/pause:1",
                "resources": {"limits": {slice: "1"}},
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    })
}

/// The attempts of a task, once the first one's reason is this one or has had its time to become it.
async fn explained(site: &Site, id: TaskId, reason: Reason) -> Vec<Attempt> {
    let until = uptime() + 40.0;
    loop {
        let attempts = site.attempts(id).await;
        if right(&attempts, reason) || uptime() > until {
            return attempts;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// One attempt that ended so and was charged to the machine, then one that succeeded.
fn right(attempts: &[Attempt], reason: Reason) -> bool {
    let [first, second] = attempts else { return false };
    let end = first.ended.clone().unwrap_or_default();
    (end.class, end.reason) == (Some(FailureClass::Infra), Some(reason)) && second.state == Some(TaskState::Succeeded)
}
