//! Rules on what is no device: names, times, shared memory.

use super::{Findings, Level, TEMPLATE, containers, text};
use crate::{
    domain::{Layer, thousandths, valid_label_key, valid_label_value},
    template::{gpu, pointer::below},
};
use serde_json::Value;

/// How large all annotations of an object may be together (`TotalAnnotationSizeLimitB` of Kubernetes).
const MAX_ANNOTATIONS: usize = 256 << 10;

pub(super) fn rules(job: &Value, found: &mut Findings<'_>) {
    let template = &job["spec"]["template"];
    metadata(template, found);
    selector(template, found);
    resources(template, found);
    deadline(job, found);
}

/// More annotations than an API server takes. Labels are judged where a layer is read.
fn metadata(template: &Value, found: &mut Findings<'_>) {
    let annotations = template["metadata"]["annotations"].as_object().into_iter().flatten();
    let size: usize = annotations.map(|(key, value)| key.len() + text(value).len()).sum();
    if size > MAX_ANNOTATIONS {
        let message = format!("Kubernetes takes {MAX_ANNOTATIONS} bytes of annotations");
        found.add(
            Level::Error,
            "AnnotationsTooLarge",
            "/metadata/annotations",
            format!("{size} bytes"),
            message,
            "move what is large into a ConfigMap",
        );
    }
}

/// A selector that no node can have.
fn selector(template: &Value, found: &mut Findings<'_>) {
    for (key, value) in template["spec"]["nodeSelector"].as_object().into_iter().flatten() {
        let at = below("/spec/nodeSelector", key);
        let value = text(value);
        if !valid_label_key(key) || !valid_label_value(&value) {
            found.add(
                Level::Error,
                "LabelInvalid",
                &at,
                format!("{key}={value}"),
                "no node can have such a label",
                "copy it from `kubectl get nodes --show-labels`",
            );
        }
    }
}

/// Requests above their limits, and amounts that are none.
fn resources(template: &Value, found: &mut Findings<'_>) {
    for (at, container) in containers(template) {
        for kind in ["limits", "requests"] {
            for (name, amount) in container["resources"][kind].as_object().into_iter().flatten() {
                let place = below(&format!("{at}/resources/{kind}"), name);
                let Some(asked) = thousandths(&text(amount)) else {
                    found.add(Level::Error, "QuantityInvalid", &place, text(amount), "no amount that Kubernetes reads", "500m, 4, 64Gi");
                    continue;
                };
                let limit = &container["resources"]["limits"][name];
                if kind == "requests" && gpu::device(name).is_none() && thousandths(&text(limit)).is_some_and(|limit| asked > limit) {
                    let message = format!("more than the limit of {}", text(limit));
                    found.add(Level::Error, "RequestAboveLimit", &place, text(amount), message, "lower the request, or raise the limit");
                }
            }
        }
    }
}

/// A pod that is ended before the command's own limit. What follows from that limit itself is no fault.
fn deadline(job: &Value, found: &mut Findings<'_>) {
    let at = format!("{TEMPLATE}/spec/activeDeadlineSeconds");
    if let Some(seconds) = job.pointer(&at).and_then(Value::as_u64).filter(|_| found.origins.of(&at) != Some(Layer::Enforce)) {
        found.add(
            Level::Warning,
            "DeadlineInTemplate",
            "/spec/activeDeadlineSeconds",
            seconds,
            "the kubelet kills the pod then without asking, and pulling and setting up count too",
            "say defaults: {timeoutSeconds: …}, which counts the command alone and ends it gently",
        );
    }
}
