//! Whole Jobs as they are created.

use super::{completed, gpus, injection, layers, rendered, restricted::broken};
use crate::{
    domain::Mounts,
    template::{Injection, Layer, complete, render},
};
use serde_json::{Value, json};

#[test]
fn a_queue_without_a_template() {
    let job = completed(&json!({}));
    assert_eq!(broken(&job.manifest), [""; 0]);
    insta::assert_json_snapshot!(job.manifest);
}

#[test]
fn a_slice_of_a_gpu() {
    let queue = json!({"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "mig"}}, "spec": {
        "containers": [{"resources": {"limits": {"nvidia.com/mig-1g.10gb": 1, "memory": "16Gi"}}}],
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
    }});
    let job = completed(&queue);
    assert_eq!(broken(&job.manifest), [""; 0]);
    insta::assert_json_snapshot!(job.manifest);
}

#[test]
fn two_containers_and_what_prepares_them() {
    let queue = json!({"metadata": {"name": "train", "annotations": {"example.com/cost": "42"}}, "spec": {
        "serviceAccountName": "trainer",
        "automountServiceAccountToken": true,
        "terminationGracePeriodSeconds": 300,
        "activeDeadlineSeconds": 120,
        "initContainers": [{"name": "fetch", "image": "busybox", "command": ["sh", "-c", "true"]}, {"name": "proxy", "image": "envoy", "restartPolicy": "Always"}],
        "containers": [
            {"name": "trainer", "image": "trainer:2", "command": ["never", "used"], "args": ["x"], "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
            {"name": "metrics", "image": "exporter", "args": ["--port", "9400"], "env": [{"name": "A", "value": "1"}]},
        ],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "sets"}}],
    }});
    let job = completed(&queue);
    assert_eq!(broken(&job.manifest), [""; 0]);
    insta::assert_json_snapshot!(job.manifest);
}

#[test]
fn the_agent_is_told_what_comes_from_secrets_by_its_names() {
    let queue = json!({"spec": {
        "containers": [{
            "name": "task",
            "env": [
                {"name": "PLAIN", "value": "1"},
                {"name": "B_KEY", "valueFrom": {"secretKeyRef": {"name": "app", "key": "b"}}},
                {"name": "A_KEY", "valueFrom": {"secretKeyRef": {"name": "app", "key": "a"}}},
            ],
            "envFrom": [{"secretRef": {"name": "app"}, "prefix": "APP_"}, {"secretRef": {"name": "more"}}, {"configMapRef": {"name": "c"}}],
            "volumeMounts": [
                {"name": "tls", "mountPath": "/etc/tls/key.pem", "subPath": "key.pem"},
                {"name": "mixed", "mountPath": "/etc/mixed"},
                {"name": "account", "mountPath": "/var/run/account"},
                {"name": "plain", "mountPath": "/etc/plain"},
            ],
        }],
        "volumes": [
            {"name": "tls", "secret": {"secretName": "tls"}},
            {"name": "mixed", "projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]}},
            {"name": "account", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            {"name": "plain", "configMap": {"name": "c"}},
            {"name": "elsewhere", "secret": {"secretName": "not-mounted"}},
        ],
    }});
    let job = completed(&queue).manifest;
    let env = job["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let told = |name: &str| env.iter().find(|variable| variable["name"] == name).map(|variable| variable["value"].clone());
    assert_eq!(told("SLIPWAY_SECRET_ENV"), Some(json!("*,APP_*,A_KEY,B_KEY")));
    assert_eq!(told("SLIPWAY_SECRET_FILES"), Some(json!("/etc/mixed,/etc/tls/key.pem,/var/run/account")));
}

#[test]
fn an_image_that_brings_its_own_command() {
    let queue = json!({"spec": {"containers": [{"name": "server", "image": "model-server:5", "args": ["--once"]}]}});
    let injection = Injection { use_image_entrypoint: true, agent_pull_policy: Some("Never"), ..injection() };
    let job = complete(rendered(&queue).manifest, &injection).unwrap();
    assert_eq!(broken(&job.manifest), [""; 0]);
    insta::assert_json_snapshot!(job.manifest);
    let endless = complete(rendered(&queue).manifest, &Injection { timeout_seconds: None, ..injection }).unwrap();
    assert_eq!(endless.manifest["spec"]["template"]["spec"].get("activeDeadlineSeconds"), None);
}

#[test]
fn the_agent_finds_what_its_queue_names() {
    let mounts = Mounts { git_secret: Some("git-creds".into()), cache_claim: Some("wheels".into()), cache_read_only: true };
    let job = complete(rendered(&json!({})).manifest, &Injection { mounts: &mounts, ..injection() }).unwrap().manifest;
    assert_eq!(broken(&job), [""; 0]);
    let spec = &job["spec"]["template"]["spec"];
    let found = |list: &Value, name: &str| list.as_array().unwrap().iter().find(|item| item["name"] == name).cloned();
    let mounted = |name: &str| found(&spec["containers"][0]["volumeMounts"], name).unwrap();
    assert_eq!(found(&spec["volumes"], "slipway-git").unwrap()["secret"], json!({"secretName": "git-creds", "defaultMode": 0o444}));
    assert_eq!(found(&spec["volumes"], "slipway-cache").unwrap()["persistentVolumeClaim"], json!({"claimName": "wheels"}));
    assert_eq!(mounted("slipway-git"), json!({"name": "slipway-git", "mountPath": "/slipway/git", "readOnly": true}));
    assert_eq!(mounted("slipway-cache"), json!({"name": "slipway-cache", "mountPath": "/slipway/cache", "readOnly": true}));
    assert_eq!(found(&spec["initContainers"][0]["volumeMounts"], "slipway-git"), None, "only the task's container has it");
}

#[test]
fn a_queue_between_the_base_and_the_overlay_of_a_runner() {
    let base = json!({"spec": {"priorityClassName": "batch", "imagePullSecrets": [{"name": "registry"}], "containers": [{"resources": {"requests": {"cpu": 2}}}]}});
    let queue = json!({"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": 4, "memory": "8Gi"}}}]}});
    let overlay =
        json!({"metadata": {"namespace": "scratch"}, "remove": ["/spec/priorityClassName"], "spec": {"runtimeClassName": "nvidia"}});
    let job = render(&layers(Some(&base), Some(&queue), Some(&overlay)), &gpus(2)).unwrap();
    let done = complete(job.manifest.clone(), &injection()).unwrap();
    assert_eq!(broken(&done.manifest), [""; 0]);
    insta::assert_json_snapshot!(json!({"rendered": job.manifest, "origins": job.origins}));
    insta::assert_json_snapshot!(json!({"manifest": done.manifest, "origins": done.origins}));
}

#[test]
fn a_queue_that_overrides_what_is_restricted_gets_its_way() {
    let root = json!({"spec": {"securityContext": {"runAsUser": 0, "runAsNonRoot": false}, "containers": [{"securityContext": {"privileged": true}}]},
        "remove": ["/spec/securityContext/fsGroup"]});
    let job = completed(&root).manifest;
    assert_eq!(broken(&job), ["task: allowPrivilegeEscalation", "task: privileged", "task: runAsNonRoot", "task: runAsUser"]);
    let spec = &job["spec"]["template"]["spec"];
    assert_eq!(spec["containers"][0]["securityContext"].get("allowPrivilegeEscalation"), None, "Kubernetes refuses both together");
    assert_eq!(spec["initContainers"][0]["securityContext"]["runAsUser"], 65_532, "the agent stays restricted");
    let start = spec["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == "slipway-start").unwrap();
    assert_eq!(start["secret"]["defaultMode"], 0o444, "there is no group to read it");
}

#[test]
fn what_is_added_is_known_by_who_added_it() {
    let job = completed(&json!({"spec": {"containers": [{"args": ["x"], "env": [{"name": "A", "value": "1"}]}]}}));
    for (pointer, layer) in [
        ("/metadata/name", Some(Layer::Inject)),
        ("/metadata/namespace", None),
        ("/metadata/labels/slipway.dev~1task", Some(Layer::Inject)),
        ("/spec/backoffLimit", Some(Layer::Enforce)),
        ("/spec/template/spec/containers/0/command/0", Some(Layer::Inject)),
        ("/spec/template/spec/containers/0/env/0/value", None),
        ("/spec/template/spec/containers/0/env/1/name", Some(Layer::Inject)),
        ("/spec/template/spec/initContainers/0/image", Some(Layer::Inject)),
        ("/spec/template/spec/activeDeadlineSeconds", Some(Layer::Enforce)),
        ("/spec/template/spec/restartPolicy", None),
    ] {
        assert_eq!(job.origins.of(pointer), layer, "{pointer}");
    }
    assert_eq!(job.manifest["spec"]["template"]["spec"]["containers"][0].get("args"), None);
}

#[test]
fn a_manifest_that_would_break_the_agent_is_refused() {
    let good = rendered(&json!({})).manifest;
    let with = |pointer: &str, value: Value| {
        let mut manifest = good.clone();
        *manifest.pointer_mut(pointer).unwrap() = value;
        let faults = complete(manifest, &injection()).unwrap_err();
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(with("/kind", json!("Pod")), [": not a Job with a namespace, as the server renders it"]);
    assert_eq!(with("/metadata/namespace", Value::Null).len(), 1);
    assert_eq!(with("/spec/template/spec/containers", json!([])), ["/spec/containers: there is no container for the task"]);
    let mount = json!([{"name": "task", "volumeMounts": [{"name": "x", "mountPath": "/slipway/bin"}]}]);
    assert!(with("/spec/template/spec/containers", mount)[0].starts_with("/spec/containers/0/volumeMounts/0/mountPath: /slipway/bin"));
    assert_eq!(complete(json!(null), &injection()).unwrap_err().len(), 2);
}
