//! What must be so in every Job, whatever the layers say.

use super::Injection;
use crate::domain::pod::END_ALLOWANCE_SECONDS;
use serde_json::{Value, json};

/// How long an ended Job stays where no glue lives to delete it.
const TTL_SECONDS: u64 = 86_400;
/// What the agent may take before the command starts, on top of the command's own limit.
const SETUP_SECONDS: u64 = 3_600;
/// What the pod's own limit leaves to everybody else.
const BACKSTOP_SECONDS: u64 = 60;

/// One pod per Job, never a second; a grace period that the agent can work with; an end.
pub(super) fn enforce(job: &mut Value, injection: &Injection<'_>) {
    let spec = &mut job["spec"];
    spec["backoffLimit"] = 0.into();
    spec["ttlSecondsAfterFinished"] = TTL_SECONDS.into();
    spec["podReplacementPolicy"] = "Failed".into();
    spec["podFailurePolicy"] =
        json!({"rules": [{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]});
    let pod = &mut spec["template"]["spec"];
    pod["restartPolicy"] = "Never".into();
    if pod["automountServiceAccountToken"] != true {
        pod["automountServiceAccountToken"] = false.into();
    }
    let grace = injection.grace_seconds.saturating_add(END_ALLOWANCE_SECONDS);
    let wanted = pod["terminationGracePeriodSeconds"].as_u64().unwrap_or(0);
    pod["terminationGracePeriodSeconds"] = grace.max(wanted).into();
    if let Some(limit) = deadline(injection) {
        let wanted = pod["activeDeadlineSeconds"].as_u64().unwrap_or(limit);
        pod["activeDeadlineSeconds"] = limit.min(wanted).into();
    }
}

/// Where kinds of objects say for how long an ended one stays.
const STAYS: [&str; 5] = [
    "/spec/ttlSecondsAfterFinished",
    "/spec/runPolicy/ttlSecondsAfterFinished",
    "/spec/ttlStrategy/secondsAfterCompletion",
    "/spec/ttlStrategy/secondsAfterSuccess",
    "/spec/ttlStrategy/secondsAfterFailure",
];

/// An object stays as long as a Job where no glue lives to delete it: were it removed before a glue has seen its end, the end
/// would be lost.
pub(super) fn enforce_object(object: &mut Value) {
    for at in STAYS {
        if let Some(seconds) = object.pointer_mut(at).filter(|seconds| seconds.as_u64().is_some_and(|seconds| seconds < TTL_SECONDS)) {
            *seconds = TTL_SECONDS.into();
        }
    }
}

/// How long the pod may live from the kubelet's first sight of it: a backstop behind the agent, or the limit itself where
/// nobody else enforces it.
fn deadline(injection: &Injection<'_>) -> Option<u64> {
    let timeout = injection.timeout_seconds?;
    if injection.use_image_entrypoint {
        return Some(timeout);
    }
    Some(timeout.saturating_add(SETUP_SECONDS + BACKSTOP_SECONDS).saturating_add(injection.grace_seconds))
}
