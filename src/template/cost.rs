//! What a task of a queue costs that says nothing itself: derived from the queue's template when it is saved.

use super::{Layers, Prepared, pod_templates, values, variables::Values};
use crate::domain::order::{Amount, Cost, weight_of};
use serde_json::{Map, Value, json};

/// What a task costs whose queue says these of its pods, with these values of its variables; the same as of the
/// `podTemplate` alone where the two do not fit together.
#[must_use]
pub fn queue_cost(gpu: Option<&Value>, pod_template: Option<&Value>, values: &Values) -> Cost {
    let namespaces = ["default".to_owned()];
    let layers =
        Layers { gpu, queue: pod_template, image: Some("image"), values: Some(values), namespaces: &namespaces, ..Layers::default() };
    match Prepared::new(&layers) {
        Ok(prepared) => of(prepared.pod_template()),
        Err(_) => pod_template.and_then(|template| values::fill(template, values).ok()).map(|filled| of(&filled)).unwrap_or_default(),
    }
}

/// The GPUs that the containers of a `podTemplate` document ask for together, MIG slices included, and the weight that
/// its labels say. Init containers are over when the others run, so what they ask for is theirs no longer.
fn of(pod_template: &Value) -> Cost {
    let containers = pod_template.pointer("/spec/containers").and_then(Value::as_array);
    let gpus = containers.into_iter().flatten().map(gpus).fold(0, u32::saturating_add);
    let labels = pod_template["metadata"]["labels"].as_object().into_iter().flatten();
    let labels = labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    Cost { gpus: Amount::whole(gpus), weight: Amount(weight_of(&labels)) }
}

/// The same for all pods of an object: what its pod templates ask for, as often as the object says (`replicas`,
/// `parallelism`).
#[must_use]
pub fn object_cost(manifest: &Value, values: &Values) -> Cost {
    let Ok(manifest) = values::fill(manifest, values) else { return Cost::default() };
    let of_template = |at: &String| {
        let one = of(manifest.pointer(at).unwrap_or(&Value::Null)).gpus.0;
        let ancestors = at.match_indices('/').map(|(end, _)| manifest.pointer(&at[..end]).unwrap_or(&Value::Null));
        let often = |parent: &Value| ["replicas", "parallelism"].iter().find_map(|field| parent[field].as_u64()).unwrap_or(1);
        ancestors.map(often).fold(one, u64::saturating_mul)
    };
    // Of a TrainJob the runtime makes as many pods as the trainer says.
    let trainer = &manifest["spec"]["trainer"];
    let per_node = u64::from(gpus(&json!({"resources": trainer["resourcesPerNode"]}))) * 1000;
    let trainers = per_node.saturating_mul(trainer["numNodes"].as_u64().unwrap_or(1));
    let gpus = pod_templates(&manifest).iter().map(of_template).fold(trainers, u64::saturating_add);
    let weight = of(&json!({"metadata": {"labels": manifest["metadata"]["labels"]}})).weight;
    Cost { gpus: Amount(gpus), weight }
}

/// The GPUs of one container. Of a device, limit and request are the same where both stand.
fn gpus(container: &Value) -> u32 {
    let part = |field: &str| container["resources"][field].as_object();
    let (limits, requests) = (part("limits"), part("requests"));
    let absent = |name: &String| limits.is_none_or(|limits| !limits.contains_key(name));
    let asked = devices(limits).chain(devices(requests).filter(|(name, _)| absent(name)));
    asked.map(|(_, count)| count).fold(0, u32::saturating_add)
}

fn devices(resources: Option<&Map<String, Value>>) -> impl Iterator<Item = (&String, u32)> {
    resources.into_iter().flatten().filter(|(name, _)| is_gpu(name)).map(|(name, quantity)| (name, whole(quantity)))
}

/// Whether a resource counts as GPUs: any vendor's whole ones, and NVIDIA's MIG slices.
fn is_gpu(name: &str) -> bool {
    name.ends_with("/gpu") || name.starts_with("nvidia.com/mig-")
}

/// A quantity of a device, which Kubernetes takes in whole numbers alone; 0 where it is none, which no cluster takes.
fn whole(quantity: &Value) -> u32 {
    let Some(text) = quantity.as_str() else { return quantity.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0) };
    match text.strip_suffix('m') {
        Some(thousandths) => thousandths.parse::<u32>().unwrap_or(0).div_ceil(1000),
        None => text.parse().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_costs_what_all_its_pods_do() {
        let pod = |gpus: u32| json!({"spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": gpus}}}]}});
        let of = |manifest: Value| object_cost(&manifest, &Values::default()).gpus.0 / 1000;
        assert_eq!(
            of(
                json!({"spec": {"pytorchReplicaSpecs": {"Master": {"replicas": 1, "template": pod(2)}, "Worker": {"replicas": 3, "template": pod(4)}}}})
            ),
            14
        );
        let jobs = json!([{"replicas": 2, "template": {"spec": {"parallelism": 4, "template": pod(1)}}}]);
        assert_eq!(of(json!({"spec": {"replicatedJobs": jobs}})), 8);
        assert_eq!(of(json!({"spec": {"trainer": {"numNodes": 3, "resourcesPerNode": {"limits": {"nvidia.com/gpu": 2}}}}})), 6);
        assert_eq!(of(json!({"spec": {"template": pod(1)}})), 1);
        assert_eq!(of(json!({"spec": {}})), 0);
    }

    #[test]
    fn gpus_are_summed_over_the_containers() {
        let of = |containers: Value| super::of(&json!({"spec": {"containers": containers}})).gpus.0 / 1000;
        for (containers, gpus) in [
            (json!([]), 0),
            (json!([{"name": "task"}]), 0),
            (json!([{"resources": {"limits": {"nvidia.com/gpu": 2, "cpu": "8", "memory": "64Gi"}}}]), 2),
            (json!([{"resources": {"limits": {"nvidia.com/gpu": "4"}}}, {"resources": {"limits": {"amd.com/gpu": 1}}}]), 5),
            (json!([{"resources": {"limits": {"nvidia.com/mig-1g.10gb": 1, "nvidia.com/mig-3g.20gb": "2"}}}]), 3),
            (json!([{"resources": {"requests": {"nvidia.com/gpu": 3}}}]), 3),
            (json!([{"resources": {"limits": {"nvidia.com/gpu": 2}, "requests": {"nvidia.com/gpu": 2}}}]), 2),
            (json!([{"resources": {"limits": {"cpu": 1}, "requests": {"nvidia.com/gpu": 1}}}]), 1),
            (json!([{"resources": {"limits": {"nvidia.com/gpu": "2000m"}}}]), 2),
            (json!([{"resources": {"limits": {"nvidia.com/gpu": "many", "rdma/hca": 1, "nvidia.com/gpumem": 3000}}}]), 0),
            (json!(null), 0),
        ] {
            assert_eq!(of(containers.clone()), gpus, "{containers}");
        }
        let init = json!({"spec": {"initContainers": [{"name": "warm", "resources": {"limits": {"nvidia.com/gpu": 1}}}]}});
        assert_eq!(super::of(&init).gpus, Amount::default());
    }

    #[test]
    fn what_gpu_stands_for_counts_and_the_template_lies_over_it() {
        let gpu = json!({"spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": "2"}}}]}});
        let over = json!({"metadata": {"labels": {"slipway.dev/weight": "2"}}, "spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": 4}}}]}});
        assert_eq!(queue_cost(Some(&gpu), None, &Values::default()).gpus, Amount::whole(2));
        assert_eq!(queue_cost(Some(&gpu), Some(&over), &Values::default()), Cost { gpus: Amount::whole(4), weight: Amount::whole(2) });
        assert_eq!(queue_cost(None, None, &Values::default()), Cost::default());
    }

    #[test]
    fn the_weight_is_what_its_labels_say() {
        let of = |labels: Value| super::of(&json!({"metadata": {"labels": labels}})).weight;
        assert_eq!(of(json!({"clear.ml/resource-usage": "0.14"})), Amount(140));
        assert_eq!(of(json!({"clear.ml/resource-usage": "0.14", "slipway.dev/weight": "2"})), Amount::whole(2));
        assert_eq!(of(json!({"team": "vision"})), Amount::default());
        assert_eq!(super::of(&json!({})).weight, Amount::default());
    }
}
