use super::*;
use crate::{
    domain::{Allow, AttemptNumber, AttemptRef, QueueName, RunnerName, TaskId},
    template::Facts,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// W&B's sample of distributed training, as a queue's object.
fn pytorch() -> Value {
    let replica = |replicas: u32| {
        let container = json!({"name": "pytorch", "image": "${image_uri}"});
        json!({"replicas": replicas, "restartPolicy": "Never", "template": {"spec": {"containers": [container]}}})
    };
    json!({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "metadata": {"name": "${run_name}-pytorch-job"},
        "spec": {"pytorchReplicaSpecs": {"Master": replica(1), "Worker": replica(2)}}})
}

fn completed(manifest: &Value) -> Value {
    let (runner, queue): (RunnerName, _) = ("glue".parse().unwrap(), QueueName::default());
    let of = AttemptRef { task: TaskId(1042), attempt: AttemptNumber(3) };
    let injection = Injection {
        of,
        instance: "k3f9a",
        runner: &runner,
        queue: &queue,
        claim: Uuid::from_u128(7),
        agent_image: "agent:1",
        agent_pull_policy: None,
        use_image_entrypoint: false,
        timeout_seconds: Some(60),
        grace_seconds: 30,
        mounts: &crate::domain::Mounts::NONE,
    };
    let env = BTreeMap::from([("LR".to_owned(), "0.1".to_owned())]);
    let allow = Allow { env: Some(vec!["LR".to_owned()]), ..Allow::default() };
    let layers = Layers { namespaces: &["research".to_owned()], image: Some("img:1"), ..Layers::default() };
    let facts = Facts { id: 1042, attempt: 3, name: Some("run_AB12"), ..Facts::default() };
    let rendered = PreparedObject::new(manifest, &layers)
        .unwrap()
        .render(&TaskLayer { env: &env, env_in_pod: true, allow: &allow, facts, ..TaskLayer::default() })
        .unwrap();
    complete_object(rendered.manifest, &injection).unwrap().manifest
}

#[test]
fn a_pytorch_job_is_named_labelled_and_restricted_and_nothing_else() {
    insta::assert_json_snapshot!(completed(&pytorch()));
}

#[test]
fn pod_templates_are_found_by_their_shape_and_roles_by_their_place() {
    let template = json!({"spec": {"containers": [{"name": "a"}]}});
    let roles = |manifest: Value| -> Vec<_> { pod_templates(&manifest).iter().map(|at| role(&manifest, at).unwrap_or_default()).collect() };
    let rows = [
        (
            json!({"spec": {"replicatedJobs": [{"name": "driver", "template": {"spec": {"template": &template}}}, {"name": "Workers", "template": {"spec": {"template": &template}}}]}}),
            vec!["driver", "workers"],
        ),
        (
            json!({"spec": {"rayClusterSpec": {"headGroupSpec": {"template": &template}, "workerGroupSpecs": [{"groupName": "gpu", "template": &template}]}, "submitterPodTemplate": &template}}),
            vec!["head", "gpu", "submitter"],
        ),
        (
            json!({"spec": {"tasks": [{"name": "ps", "template": &template}, {"name": "worker", "template": &template}]}}),
            vec!["ps", "worker"],
        ),
        (
            json!({"spec": {"mpiReplicaSpecs": {"Launcher": {"template": &template}, "Worker": {"template": &template}}}}),
            vec!["launcher", "worker"],
        ),
        (json!({"spec": {"template": &template}}), vec![""]),
        (json!({"spec": {"templates": [{"name": "a", "container": {}}]}}), vec![]),
    ];
    for (manifest, expected) in rows {
        assert_eq!(roles(manifest.clone()), expected, "{manifest}");
    }
}

#[test]
fn what_the_template_says_is_kept() {
    let mut manifest = pytorch();
    let own = json!({"runAsUser": 0, "runAsNonRoot": false});
    manifest["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]["securityContext"] = own.clone();
    let container = json!({"name": "pytorch", "securityContext": {"privileged": true}, "env": [{"name": "LR", "value": "1"}]});
    manifest["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]["containers"][0] = container;
    let worker = &completed(&manifest)["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]["spec"];
    assert_eq!((&worker["securityContext"]["runAsUser"], &worker["securityContext"]["runAsNonRoot"]), (&json!(0), &json!(false)));
    assert_eq!(worker["containers"][0]["securityContext"]["privileged"], true);
    assert_eq!(worker["containers"][0]["securityContext"].get("allowPrivilegeEscalation"), None);
    assert_eq!(worker["containers"][0]["env"][0], json!({"name": "LR", "value": "0.1"}), "the task's is stronger");
    assert_eq!(worker["containers"][0]["image"], "img:1");
}

#[test]
fn an_ended_object_stays_until_its_end_is_known() {
    let mut manifest = pytorch();
    manifest["spec"]["runPolicy"] = json!({"ttlSecondsAfterFinished": 600});
    assert_eq!(completed(&manifest)["spec"]["runPolicy"]["ttlSecondsAfterFinished"], 86_400);
    manifest["spec"]["runPolicy"] = json!({"ttlSecondsAfterFinished": 200_000});
    assert_eq!(completed(&manifest)["spec"]["runPolicy"]["ttlSecondsAfterFinished"], 200_000);
}

#[test]
fn an_image_that_nobody_names_is_a_fault_of_the_task() {
    let namespaces = ["research".to_owned()];
    let prepared = PreparedObject::new(&pytorch(), &Layers { namespaces: &namespaces, ..Layers::default() }).unwrap();
    let faults = prepared.render(&TaskLayer::default()).unwrap_err();
    assert_eq!(faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), ["/image"], "{faults:?}");
    let named = prepared.render(&TaskLayer { image: Some("img:2"), ..TaskLayer::default() }).unwrap().manifest;
    assert_eq!(named.pointer("/spec/pytorchReplicaSpecs/Worker/template/spec/containers/0/image"), Some(&json!("img:2")));
}

#[test]
fn what_an_object_may_not_say_is_refused_with_its_place() {
    let told =
        |manifest: &Value, ends| check_object(manifest, ends, &Values::default()).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told(&pytorch(), (None, None)), Vec::<String>::new());
    let mut bad = pytorch();
    bad["metadata"] = json!({"name": "${run_id}-x", "generateName": "x-", "labels": {"slipway.dev/task": "1"}});
    bad["status"] = json!({});
    bad["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["metadata"] = json!({"labels": {"slipway.dev/claim": "1"}});
    bad["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "SLIPWAY_ROLE"}]);
    let unknown = json!({"apiVersion": "example.org/v1", "kind": "Train"});
    let all = [
        told(&bad, (Some("Done"), None)),
        told(&unknown, (Some("Done"), None)),
        told(&unknown, (Some("Done"), Some("Broken"))),
        told(&json!({"apiVersion": "batch/v1", "kind": "CronJob"}), (Some("a"), Some("b"))),
        told(&json!({"kind": 7}), (None, None)),
        told(&json!("x"), (None, None)),
    ];
    insta::assert_snapshot!(all.map(|faults| faults.join("\n")).join("\n--\n"));
}

#[test]
fn the_containers_of_a_workflow_are_told_and_restricted_like_any() {
    insta::assert_json_snapshot!(completed(&json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "two-steps"},
        "spec": {"entrypoint": "main", "templates": [
            {"name": "main", "steps": [[{"name": "a", "template": "prepare"}], [{"name": "b", "template": "train"}]]},
            {"name": "prepare", "script": {"image": "python:3.12", "command": ["python"], "source": "print(1)"}},
            {"name": "train", "container": {"command": ["train"], "securityContext": {"runAsUser": 1000}}},
        ]},
    })));
}

#[test]
fn the_trainer_of_a_train_job_is_told_and_keeps_its_runtimes_image() {
    insta::assert_json_snapshot!(completed(&json!({
        "apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "metadata": {"name": "fine-tune"},
        "spec": {"runtimeRef": {"name": "torch-distributed"}, "trainer": {"numNodes": 2, "command": ["torchrun", "train.py"]},
            "podTemplateOverrides": [{"targetJobs": [{"name": "node"}]}]},
    })));
}

/// A text in the place of a map once ended the server's thread: wherever something is put in, its form is looked at.
#[test]
fn whatever_stands_in_the_place_of_a_map_is_a_fault() {
    let workflow = |spec: Value| json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": spec});
    let train = |spec: Value| json!({"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "spec": spec});
    let pod = |template: Value| json!({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "spec": {"x": template}});
    for (manifest, pointer) in [
        (json!({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "metadata": "x", "spec": {}}), "/metadata"),
        (json!({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "metadata": {"labels": []}}), "/metadata/labels"),
        (json!({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "spec": "x"}), "/spec"),
        (json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": "x"}}), "/spec/template"),
        (pod(json!({"metadata": 1, "spec": {"containers": []}})), "/spec/x/metadata"),
        (pod(json!({"spec": {"containers": ["x"]}})), "/spec/x/spec/containers/0"),
        (pod(json!({"spec": {"containers": [null]}})), "/spec/x/spec/containers/0"),
        (pod(json!({"spec": {"containers": [{"securityContext": 1}]}})), "/spec/x/spec/containers/0/securityContext"),
        (pod(json!({"spec": {"containers": [{"env": {"A": "1"}}]}})), "/spec/x/spec/containers/0/env"),
        (pod(json!({"spec": {"containers": [], "initContainers": {}}})), "/spec/x/spec/initContainers"),
        (pod(json!({"spec": {"containers": [], "securityContext": "x"}})), "/spec/x/spec/securityContext"),
        (workflow(json!({"podMetadata": "x"})), "/spec/podMetadata"),
        (workflow(json!({"templates": [{"container": {"env": "x"}}]})), "/spec/templates/0/container/env"),
        (workflow(json!({"templates": [{"containerSet": {"containers": ["x"]}}]})), "/spec/templates/0/containerSet/containers/0"),
        (train(json!({"trainer": "x"})), "/spec/trainer"),
        (train(json!({"podTemplateOverrides": [1]})), "/spec/podTemplateOverrides/0"),
    ] {
        let layers = Layers { namespaces: &["research".to_owned()], ..Layers::default() };
        let faults = PreparedObject::new(&manifest, &layers).err().unwrap_or_default();
        assert_eq!(faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), [pointer], "{manifest}");
        let checked = check_object(&manifest, (None, None), &Values::default());
        assert!(checked.iter().any(|fault| fault.pointer == format!("/manifest{pointer}")), "{manifest}: {checked:?}");
    }
}
