//! What is wrong with one document by itself.

use crate::template::check;
use serde_json::{Value, json};

#[test]
fn a_fault_is_named_with_its_place_and_what_was_meant() {
    let told = |document: Value| check(&document).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let all = [
        json!([]),
        json!({"specs": {}, "containers": [], "env": [], "remove": ["/spec/x", "spec", "/status"]}),
        json!({"remove": "/spec"}),
        json!({"spec": {"containers": [{"imagee": "x", "env": [{"name": "A", "valu": "1"}]}], "nodeSelectors": {}, "volumeMounts": []}}),
        json!({"spec": {"containers": [{"name": "task", "securityContext": {"capabilities": {"dropp": ["ALL"]}, "nodeSelector": {}}}]}}),
        json!({"spec": {"tolerations": "all"}}),
        json!({"metadata": {"labels": {"team": 5}}}),
        json!({"spec": {"containers": [{"name": "task", "ports": [{"containerPort": "http"}]}]}}),
        json!({"spec": {"volumes": [{"emptyDir": {}}, {"name": "p", "persistentVolumeClaim": {"readOnly": true}}], "containers": [{"volumeMounts": [{"name": "p"}]}]}}),
        json!({"spec": {"initContainers": [{"image": "x"}]}}),
        json!({"spec": {"containers": [{"image": "a"}, {"image": "b"}], "volumes": [{"name": "v"}, {"name": "v"}]}}),
        json!({"spec": {"containers": [{"env": [{"name": "A"}, {"name": "A"}], "ports": [{"containerPort": 1}, {"containerPort": 1, "protocol": "UDP"}]}]}}),
    ]
    .map(told)
    .join("\n\n");
    insta::assert_snapshot!(all);
}

#[test]
fn what_is_ours_is_reserved() {
    for (document, pointer) in [
        (json!({"metadata": {"labels": {"slipway.dev/task": "1"}}}), "/metadata/labels/slipway.dev~1task"),
        (json!({"metadata": {"annotations": {"slipway.dev/x": "1"}}}), "/metadata/annotations/slipway.dev~1x"),
        (json!({"metadata": {"labels": {"slipway.dev/weight": "much"}}}), "/metadata/labels/slipway.dev~1weight"),
        (json!({"metadata": {"annotations": {"slipway.dev/weight": "1"}}}), "/metadata/annotations/slipway.dev~1weight"),
        (json!({"metadata": {"labels": {"clear.ml/resource-usage": "-1"}}}), "/metadata/labels/clear.ml~1resource-usage"),
        (json!({"metadata": {"labels": {"a b": "1"}}}), "/metadata/labels/a b"),
        (json!({"metadata": {"labels": {"a": "no good"}}}), "/metadata/labels/a"),
        (json!({"metadata": {"generateName": "x-"}}), "/metadata/generateName"),
        (json!({"metadata": {"finalizers": ["a/b"]}}), "/metadata/finalizers"),
        (json!({"metadata": {"name": "Train"}}), "/metadata/name"),
        (json!({"metadata": {"namespace": "-x"}}), "/metadata/namespace"),
        (json!({"spec": {"restartPolicy": "OnFailure"}}), "/spec/restartPolicy"),
        (json!({"spec": {"os": {"name": "windows"}}}), "/spec/os/name"),
        (json!({"spec": {"ephemeralContainers": [{"name": "x"}]}}), "/spec/ephemeralContainers"),
        (json!({"spec": {"volumes": [{"name": "slipway-bin", "emptyDir": {}}]}}), "/spec/volumes/0/name"),
        (json!({"spec": {"containers": [{"name": "slipway-agent"}]}}), "/spec/containers/0/name"),
        (json!({"spec": {"initContainers": [{"name": "slipway-agent"}]}}), "/spec/initContainers/0/name"),
        (json!({"spec": {"containers": [{"restartPolicy": "Always"}]}}), "/spec/containers/0/restartPolicy"),
        (json!({"spec": {"containers": [{"env": [{"name": "SLIPWAY_POD_UID"}]}]}}), "/spec/containers/0/env/0/name"),
        (mount("/slipway"), "/spec/containers/0/volumeMounts/0/mountPath"),
        (mount("/slipway/work/x"), "/spec/containers/0/volumeMounts/0/mountPath"),
        (mount("//data/.././slipway//bin/"), "/spec/containers/0/volumeMounts/0/mountPath"),
        (mount("/"), "/spec/containers/0/volumeMounts/0/mountPath"),
        (mount("/dev/termination-log"), "/spec/containers/0/volumeMounts/0/mountPath"),
    ] {
        let faults = check(&document);
        assert!(faults.len() == 1 && faults[0].pointer == pointer, "{document}: {faults:?}");
    }
}

fn mount(path: &str) -> Value {
    json!({"spec": {"containers": [{"volumeMounts": [{"name": "data", "mountPath": path}]}]}})
}

#[test]
fn a_part_of_a_template_is_enough() {
    for document in [
        json!({}),
        json!({"metadata": null, "spec": null, "remove": null}),
        json!({"spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": 1, "cpu": 0.5, "memory": "8Gi"}}}]}}),
        json!({"spec": {"containers": null, "nodeSelector": {"zone": "a"}, "restartPolicy": "Never", "volumes": [{"name": "shm", "emptyDir": null}]}}),
        json!({"metadata": {"name": "train", "namespace": "ml-runs", "creationTimestamp": null, "labels": {"kueue.x-k8s.io/queue-name": "lq"}}}),
        json!({"metadata": {"labels": {"slipway.dev/weight": "0.5", "clear.ml/resource-usage": "0.14"}}}),
        json!({"spec": {"initContainers": [{"name": "proxy", "image": "x", "restartPolicy": "Always"}]}, "remove": ["/spec/tolerations/0"]}),
        mount("/slipway-data"),
        mount("/dev/shm"),
    ] {
        assert_eq!(check(&document), [], "{document}");
    }
}
