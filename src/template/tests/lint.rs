//! What is found in Jobs: by rule, and on nodes.

#![expect(clippy::needless_pass_by_value, reason = "documents written in place read better without references")]

use super::{NAMESPACES, gpus, layers, rendered};
use crate::{
    domain::{Node, Taint},
    template::{Layer, Layers, Level, Origins, lint, render},
};
use serde_json::{Value, json};

/// Code, place and text of what is found in a queue's template.
fn found(template: &Value, nodes: Option<&[Node]>) -> Vec<String> {
    let job = rendered(template);
    let line = |finding: crate::domain::TemplateFinding| {
        let fix = if finding.fix.is_empty() { String::new() } else { format!("\n      fix: {}", finding.fix) };
        let layer = finding.layer.map(|layer| format!(" ({layer:?})")).unwrap_or_default();
        format!("{:?} {} {} {:?}{layer}\n      {}{fix}", finding.level, finding.code, finding.pointer, finding.found, finding.message)
    };
    lint(&job.manifest, &job.origins, nodes).into_iter().map(line).collect()
}

fn codes(template: &Value, nodes: Option<&[Node]>) -> Vec<String> {
    let job = rendered(template);
    lint(&job.manifest, &job.origins, nodes).into_iter().map(|finding| finding.code.into_owned()).collect()
}

/// A template whose task asks for these limits, on nodes with these labels.
fn asks(limits: Value, selector: Value) -> Value {
    let tolerations = json!([{"key": "nvidia.com/gpu", "operator": "Exists"}, {"key": "amd.com/gpu", "operator": "Exists"}]);
    json!({"spec": {"nodeSelector": selector, "tolerations": tolerations, "containers": [{"resources": {"limits": limits}}]}})
}

fn node(name: &str, labels: Value, allocatable: Value) -> Node {
    let map = |value: Value| serde_json::from_value(value).unwrap();
    Node { name: name.into(), labels: map(labels), allocatable: map(allocatable), ready: true, ..Node::default() }
}

/// A cluster as they are: whole GPUs, divided ones of either strategy, processors alone.
fn cluster() -> Vec<Node> {
    let size = |gpu: Value| {
        let mut all = json!({"cpu": "32", "memory": "256Gi", "pods": "110"});
        all.as_object_mut().unwrap().extend(gpu.as_object().unwrap().clone());
        all
    };
    let guarded = |mut node: Node| {
        node.taints = vec![Taint { key: "nvidia.com/gpu".into(), value: "present".into(), effect: "NoSchedule".into() }];
        node
    };
    vec![
        guarded(node("gpu-1", json!({"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}), size(json!({"nvidia.com/gpu": "8"})))),
        guarded(node("gpu-2", json!({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"}), size(json!({"nvidia.com/gpu": "7"})))),
        guarded(node(
            "gpu-3",
            json!({"nvidia.com/gpu.product": "NVIDIA-H200", "nvidia.com/mig.config.state": "pending"}),
            size(json!({"nvidia.com/mig-1g.18gb": "7", "nvidia.com/gpu": "0"})),
        )),
        node("cpu-1", json!({"kubernetes.io/arch": "amd64"}), size(json!({}))),
    ]
}

#[test]
fn a_template_without_devices_is_clean() {
    assert_eq!(codes(&json!({}), None), [""; 0]);
    assert_eq!(codes(&asks(json!({"cpu": "2", "memory": "8Gi"}), json!({})), None), [""; 0]);
}

#[test]
fn the_deadline_that_follows_from_a_time_limit_is_no_fault() {
    let job = json!({"spec": {"template": {"spec": {"activeDeadlineSeconds": 3_990}}}});
    let said = |layer| lint(&job, &Origins::all(&job, Some(layer)), None).iter().any(|finding| finding.code == "DeadlineInTemplate");
    assert!(said(Layer::Queue) && !said(Layer::Enforce));
}

#[test]
fn the_static_rules_name_place_cause_and_remedy() {
    let all: Vec<String> = [
        asks(json!({"nvidia.com/mig-1g.10": 1}), json!({})),
        asks(json!({"nvidia.com/gpus": 1}), json!({})),
        asks(json!({"nvidia.com/gpu": "500m"}), json!({})),
        asks(json!({"nvidia.com/gpu": 1, "nvidia.com/mig-1g.10gb": 1}), json!({})),
        asks(json!({"nvidia.com/mig-1g.10gb": 2}), json!({})),
        asks(json!({"nvidia.com/gpu.shared": 2}), json!({})),
        asks(json!({"nvidia.com/gpu": 4}), json!({})),
        asks(json!({"nvidia.com/mig-1g.5gb": 1}), json!({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"})),
        asks(json!({"nvidia.com/mig-1g.5gb": 1}), json!({"nvidia.com/gpu.product": "A100-SXM4-40GB-MIG-1g.5gb"})),
        asks(json!({"nvidia.com/gpu": 1}), json!({"nvidia.com/gpu.product": "A100-SXM4-40GB-MIG-1g.20gb"})),
        json!({"spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": 1}, "requests": {"amd.com/gpu": 1, "nvidia.com/gpu": 2}}}]}}),
        json!({"spec": {"activeDeadlineSeconds": 60, "nodeSelector": {"zone": "a b"}, "containers": [{"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}]}}),
    ]
    .iter()
    .map(|template| found(template, None).join("\n"))
    .collect();
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn the_nodes_say_what_would_never_run() {
    let product = |name: &str| json!({"nvidia.com/gpu.product": name});
    let all: Vec<String> = [
        asks(json!({"nvidia.com/gpu": 8}), product("NVIDIA-H100-80GB-HBM3")),
        // As the vendor's own samples write it, without NVIDIA-.
        asks(json!({"nvidia.com/gpu": 1}), product("A100-SXM4-40GB-MIG-1g.5gb")),
        asks(json!({"nvidia.com/gpu": 1}), product("NVIDIA-A100-SXM4-40GB")),
        asks(json!({"nvidia.com/gpu": 16}), product("NVIDIA-H100-80GB-HBM3")),
        asks(json!({"nvidia.com/mig-1g.10gb": 1}), json!({})),
        asks(json!({"nvidia.com/mig-1g.18gb": 1}), json!({})),
        asks(json!({"nvidia.com/gpu": 1}), product("NVIDIA-H200")),
        asks(json!({"amd.com/gpu": 1}), json!({})),
        asks(json!({"cpu": "48"}), json!({})),
        asks(json!({"cpu": "1"}), json!({"kubernetes.io/arc": "amd64"})),
        json!({"spec": {"nodeSelector": product("NVIDIA-H100-80GB-HBM3"), "containers": [{"resources": {"limits": {"nvidia.com/gpu": 1}}}]}}),
    ]
    .iter()
    .map(|template| found(template, Some(&cluster())).join("\n"))
    .collect();
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn affinity_and_names_select_as_the_scheduler_does() {
    let affine = |terms: Value| json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}}});
    let expression =
        |key: &str, operator: &str, values: Value| json!([{"matchExpressions": [{"key": key, "operator": operator, "values": values}]}]);
    for (template, fits) in [
        (affine(expression("kubernetes.io/arch", "In", json!(["arm64", "amd64"]))), true),
        (affine(expression("kubernetes.io/arch", "In", json!(["arm64"]))), false),
        (affine(expression("nvidia.com/gpu.product", "DoesNotExist", json!([]))), true),
        (affine(expression("kubernetes.io/arch", "Exists", json!([]))), true),
        (affine(json!([{}])), false),
        (affine(json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["cpu-1"]}]}])), true),
        (json!({"spec": {"nodeName": "cpu-1"}}), true),
        (json!({"spec": {"nodeName": "cpu-2"}}), false),
    ] {
        assert_eq!(codes(&template, Some(&cluster())).iter().any(|code| code == "Fits"), fits, "{template}");
    }
}

#[test]
fn a_runner_s_overlay_heals_a_queue() {
    let queue = asks(json!({"nvidia.com/gpu": 1}), json!({"nvidia.com/gpu.product": "A100-SXM4-40GB-MIG-1g.5gb"}));
    let overlay = json!({"spec": {"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"}}});
    let judged = |overlay: Option<&Value>| {
        let job = render(&Layers { namespaces: &NAMESPACES, ..layers(None, Some(&queue), overlay) }, &gpus(0)).unwrap();
        lint(&job.manifest, &job.origins, Some(&cluster())).iter().map(|finding| finding.level).min()
    };
    assert_eq!(judged(None), Some(Level::Error));
    assert_eq!(judged(Some(&overlay)), Some(Level::Info));
}

/// How many empty nodes hold such pods, by their largest moment: sidecars beside the rest, other init containers before it.
#[test]
fn what_a_pod_takes_is_counted_as_the_scheduler_counts() {
    let cpu = |n: u32| json!({"resources": {"requests": {"cpu": n.to_string()}}, "image": "i"});
    let named = |name: &str, mut container: Value, policy: Option<&str>| {
        container["name"] = name.into();
        if let Some(policy) = policy {
            container["restartPolicy"] = policy.into();
        }
        container
    };
    let pod = |inits: Vec<Value>, task: u32| json!({"spec": {"nodeSelector": {"kubernetes.io/arch": "amd64"}, "initContainers": inits, "containers": [cpu(task)]}});
    for (template, most) in [
        (pod(vec![], 8), 4),
        (pod(vec![named("warm", cpu(16), None)], 8), 2),
        (pod(vec![named("help", cpu(8), Some("Always"))], 8), 2),
        (pod(vec![named("warm", cpu(4), None)], 8), 4),
    ] {
        let told = found(&template, Some(&cluster())).join("\n");
        assert!(told.contains(&format!("fits on 1 of 4 nodes, {most} such pods")), "{told}");
    }
}
