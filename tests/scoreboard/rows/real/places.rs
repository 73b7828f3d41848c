//! Row 12: no node fits, or a quota refuses the pods or the Jobs; after a while there is room. Half of it comes before the queue's patience
//! ends, half after. While nothing can run, every slot of the glue is taken, and in the end none may have leaked.

use crate::{
    kit::cluster::Cluster,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    site::{Site, on_site, times},
};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use slipway::wire::{Attempt, Reason, TaskId, TaskState};
use std::time::Duration;
use tokio::time::sleep;

pub(crate) const ROW: Row = Row { number: 12, level: Level::R, short: 6, full: 12, run: |form| Box::pin(run(form)) };

/// What keeps pods from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    /// No node has the label.
    Node,
    /// The namespace may have no pods.
    Pods,
    /// The namespace may have no Jobs.
    Jobs,
}

/// One queue, in a namespace of its own.
#[derive(Clone, Debug)]
struct Plight {
    lack: Lack,
    /// Whether there is room before the queue's patience ends.
    early: bool,
    /// The queue and its namespace.
    name: String,
}

impl Lack {
    fn reason(self) -> Reason {
        if self == Self::Node { Reason::NoNodeMatchesSelector } else { Reason::ResourceQuotaExceeded }
    }

    /// What a quota of none is of.
    fn quota(self) -> Option<&'static str> {
        match self {
            Self::Node => None,
            Self::Pods => Some("pods"),
            Self::Jobs => Some("count/jobs.batch"),
        }
    }
}

async fn run(form: Form) -> Result<Outcome, Absent> {
    on_site("no_place", times(form), async |site| held_up(site, form).await).await
}

async fn held_up(site: &mut Site, form: Form) -> Outcome {
    // In seconds: the queue's patience, how exact that is to be kept, when there is room early, and how long after the end of patience.
    let (patience, slack, early, late) = (form.of(10, 900), form.of(5.0, 30.0), form.of(3, 300), form.of(2, 20));
    let mut plights = Vec::new();
    for lack in [Lack::Node, Lack::Pods, Lack::Jobs] {
        for early in [true, false] {
            let word = format!("{lack:?}-{}", if early { "early" } else { "late" }).to_lowercase();
            let name = site.namespace(&word).await;
            plights.push(Plight { lack, early, name });
        }
    }
    for plight in &plights {
        let mut spec = json!({"metadata": {"namespace": plight.name}});
        match plight.lack.quota() {
            None => spec["spec"] = json!({"nodeSelector": {label(plight): "here"}}),
            Some(what) => quota(site, &plight.name, what).await,
        }
        site.queue(&plight.name, json!({"podTemplate": spec, "pendingTimeoutSeconds": patience})).await;
    }
    site.queue("plain", json!({})).await;
    site.glue("k8s", json!({"maxPods": form.tasks})).await;
    site.throughout(&["k8s"]);
    let tasks: Vec<_> = plights.iter().cycle().take(form.tasks).map(|plight| site.task(&plight.name, "note runs")).collect();
    let ids = site.submit(&tasks).await;
    let of = |nth: usize| &plights[nth % plights.len()];

    sleep(Duration::from_secs(early)).await;
    make_room(site, plights.iter().filter(|plight| plight.early)).await;
    sleep(Duration::from_secs(patience - early + late)).await;
    make_room(site, plights.iter().filter(|plight| !plight.early)).await;

    let mut judged = site.judged(&ids).await;
    judged.all_succeed(false);
    let mut outcome = judged.outcome;
    for (nth, id) in ids.iter().enumerate() {
        let (plight, attempts) = (of(nth), site.attempts(*id).await);
        let right = if plight.early { attempts.len() == 1 } else { returned(&attempts, plight.lack.reason(), patience, slack) };
        outcome.must(right, || format!("task {id} ({plight:?}): {attempts:?}"));
    }
    outcome.must(no_slot_leaked(site, form.tasks).await, || format!("{} tasks do not run at once any more", form.tasks));
    site.scene
        .cluster
        .patch_node(
            json!({"metadata": {"labels": plights.iter().map(|plight| (label(plight), Value::Null)).collect::<serde_json::Map<_, _>>()}}),
        )
        .await;
    site.nothing_left(&mut outcome).await;
    outcome
}

/// What a node must have for this plight to be over.
fn label(plight: &Plight) -> String {
    format!("slipway.test/{}", plight.name)
}

/// Lets the namespace have none of these, and waits until that counts.
async fn quota(site: &Site, namespace: &str, what: &str) {
    let quotas: Api<ResourceQuota> = Api::namespaced(site.scene.client(), namespace);
    let tight = serde_json::from_value(json!({"metadata": {"name": "tight"}, "spec": {"hard": {what: "0"}}})).expect("a quota");
    quotas.create(&PostParams::default(), &tight).await.expect("a quota");
    crate::support::eventually("the quota to count", async || quotas.get("tight").await.ok()?.status?.hard.map(drop)).await;
}

async fn make_room(site: &Site, plights: impl Iterator<Item = &Plight>) {
    let cluster: &Cluster = &site.scene.cluster;
    for plight in plights {
        match plight.lack.quota() {
            None => cluster.patch_node(json!({"metadata": {"labels": {label(plight): "here"}}})).await,
            Some(what) => {
                let quotas: Api<ResourceQuota> = Api::namespaced(site.scene.client(), &plight.name);
                let more = Patch::Merge(json!({"spec": {"hard": {what: "100"}}}));
                quotas.patch("tight", &PatchParams::default(), &more).await.expect("raised");
            }
        }
    }
}

/// All but the last attempt were given back for this reason, the first of them when the patience ended, and nothing was charged.
fn returned(attempts: &[Attempt], reason: Reason, patience: u64, slack: f64) -> bool {
    let Some((last, before)) = attempts.split_last() else { return false };
    let fine = |attempt: &Attempt| attempt.state.is_none() && attempt.ended.as_ref().is_some_and(|end| end.reason == Some(reason));
    let waited = before.first().and_then(|first| Some(first.ended_at?.duration_since(first.claimed_at).as_secs_f64()));
    #[expect(clippy::cast_precision_loss, reason = "some minutes")]
    let in_time = waited.is_some_and(|waited| (waited - patience as f64).abs() <= slack);
    last.state == Some(TaskState::Succeeded) && in_time && before.iter().all(fine)
}

/// Whether as many tasks run at once as the glue has slots.
async fn no_slot_leaked(site: &Site, slots: usize) -> bool {
    let ids: Vec<TaskId> = site.submit(&vec![site.task("plain", "note wait"); slots]).await;
    let until = crate::procs::uptime() + 180.0;
    while site.count(&ids, "wait") < slots && crate::procs::uptime() < until {
        sleep(Duration::from_millis(200)).await;
    }
    let all = site.count(&ids, "wait") == slots;
    site.recorder.go();
    crate::ended::all_ended(&site.world).await;
    all
}
