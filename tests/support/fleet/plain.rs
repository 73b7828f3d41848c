//! A simulated pod without an agent: its kubelet runs the command, and nothing else is told.

use super::{Counts, Yard, agent, agent::Exit, deed::Deed};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use slipway::wire::{AttemptNumber, AttemptRef, TaskId};
use std::sync::atomic::Ordering;
use tokio_util::sync::CancellationToken;

/// The label that says which task of the record such a pod is.
pub(crate) const TASK: &str = "slipway.test/task";

/// The attempt on record of a pod without an agent, and what its command stands for; none where the pod has one.
pub(super) fn read(pod: &Pod) -> Option<(AttemptRef, Deed)> {
    let task = pod.labels().get(TASK)?.parse().expect("a number");
    let command = pod.spec.as_ref()?.containers.first()?.command.as_ref()?;
    let deed = Deed::of(command).expect("a simulated pod knows the command");
    Some((AttemptRef { task: TaskId(task), attempt: AttemptNumber(1) }, deed))
}

/// Carries the pod `uid` to its end. `told` says that somebody wants it gone.
pub(super) async fn carry(yard: &Yard, of: AttemptRef, deed: Deed, uid: &str, told: &CancellationToken) -> Exit {
    yard.pen.note(of, "start", uid);
    yard.counts.running.fetch_add(1, Ordering::Relaxed);
    let alone = told.run_until_cancelled(deed.done(&yard.go)).await.is_some();
    yard.counts.running.fetch_sub(1, Ordering::Relaxed);
    if !alone {
        Counts::add(&yard.counts.disturbed);
    }
    yard.pen.note(of, if alone { "end" } else { "killed" }, uid);
    Exit { code: if alone { 0 } else { agent::TERMINATED }, message: String::new() }
}
