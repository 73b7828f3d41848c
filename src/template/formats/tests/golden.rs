//! The golden cases, from the file of another product to the Job of an attempt.

use super::{clearml, launch};
use crate::{
    domain::{AttemptNumber, AttemptRef, QueueName, RunnerName, TaskId},
    template::{Facts, Injection, Layers, TaskLayer, Variables, complete, formats::Import, render},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The Job of a queue's task, as the server renders it and the glue completes it.
fn job(import: &Import, base: Option<&Value>, given: &Value) -> Value {
    assert!(!import.is_refused(), "{:?}", import.notes);
    let queue = &import.queues[0].document;
    let schemas: BTreeMap<String, Value> = serde_json::from_value(queue["variables"].clone()).unwrap_or_default();
    let values = Variables::read(&schemas).unwrap().values(&serde_json::from_value(given.clone()).unwrap()).unwrap();
    let namespaces = ["overlay".to_owned(), "wandb".to_owned()];
    let image = queue["defaults"]["image"].as_str().or(Some("img:1"));
    let template = queue.get("podTemplate");
    let layers = Layers { base, queue: template, image, values: Some(&values), namespaces: &namespaces, ..Layers::default() };
    let facts = Facts {
        id: 1042,
        attempt: 1,
        name: Some("run_AB12"),
        user: "alice",
        queue: "q1",
        owner: Some("my_Team1"),
        project: Some("My_Proj2"),
        runner: Some("glue-a"),
    };
    let rendered = render(&layers, &TaskLayer { facts, ..TaskLayer::default() }).unwrap();
    let (runner, queue): (RunnerName, QueueName) = ("glue-a".parse().unwrap(), "q1".parse().unwrap());
    let injection = Injection {
        of: AttemptRef { task: TaskId(1042), attempt: AttemptNumber(1) },
        instance: "k3f9a",
        runner: &runner,
        queue: &queue,
        claim: Uuid::from_u128(0xC1),
        agent_image: "registry.example.com/slipway-agent:1",
        agent_pull_policy: None,
        use_image_entrypoint: false,
        timeout_seconds: None,
        grace_seconds: 30,
        mounts: &crate::domain::Mounts::NONE,
    };
    complete(rendered.manifest, &injection).unwrap().manifest
}

fn none() -> Value {
    json!({})
}

#[test]
fn g1_a_part_of_a_job() {
    let import = launch(
        "spec: {template: {spec: {containers: [{env: [{name: MY_ENV_VAR, value: some-value}], resources: {requests: {cpu: 1000m, memory: 1Gi}}}]}}}\nmetadata: {labels: {queue: k8s-test}}\nnamespace: wandb\n",
    );
    let job = job(&import, None, &none());
    assert_eq!((&job["metadata"]["namespace"], &job["metadata"]["labels"]["queue"]), (&json!("wandb"), &json!("k8s-test")));
    assert_eq!((&job["spec"]["backoffLimit"], &job["spec"]["ttlSecondsAfterFinished"]), (&json!(0), &json!(86_400)));
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!((&container["name"], &container["image"]), (&json!("launch0"), &json!("img:1")));
    assert_eq!(container["env"][0], json!({"name": "MY_ENV_VAR", "value": "some-value"}));
    assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
    assert!(job.get("namespace").is_none());
    insta::assert_json_snapshot!(job);
}

#[test]
fn g2_nothing_at_all() {
    let job = job(&launch("{}"), None, &none());
    assert_eq!(job["metadata"]["namespace"], "overlay");
    assert_eq!(job["spec"]["template"]["spec"]["containers"][0]["name"], "launch0");
}

#[test]
fn g4_a_typed_template() {
    let text = "spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{image: '${image_uri}', args: ['n-{{gpus}}'], resources: {limits: {cpu: 4, memory: 12Gi, nvidia.com/gpu: '{{gpus}}'}}}]}}}\ntemplate_variables: {gpus: {type: integer, default: 1, minimum: 1, maximum: 4}}\n";
    let import = launch(text);
    for (given, gpus) in [(json!({}), "1"), (json!({"gpus": 3}), "3")] {
        let limits = &job(&import, None, &given)["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"];
        assert_eq!(limits["nvidia.com/gpu"], gpus, "as Kubernetes writes the number");
    }
    let schemas: BTreeMap<String, Value> = serde_json::from_value(import.queues[0].document["variables"].clone()).unwrap();
    let variables = Variables::read(&schemas).unwrap();
    for (wrong, part) in [(json!({"gpus": 5}), "4"), (json!({"gpus": "x"}), "integer"), (json!({"gpu": 1}), "gpus")] {
        let faults = variables.values(&serde_json::from_value(wrong.clone()).unwrap()).unwrap_err();
        assert!(faults[0].message.contains(part), "{wrong}: {faults:?}");
    }
}

#[test]
fn g6_a_pytorchjob_bare_and_wrapped() {
    let bare = "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nmetadata: {name: '${run_id}-pytorch-job'}\nspec: {pytorchReplicaSpecs: {Master: {replicas: 1, restartPolicy: Never, template: {spec: {containers: [{name: pytorch, image: '${image_uri}'}]}}}, Worker: {replicas: 2, restartPolicy: Never, template: {spec: {containers: [{name: pytorch, image: '${image_uri}'}]}}}}}\n";
    let import = launch(bare);
    let wrapped: String = bare.lines().map(|line| format!("  {line}\n")).collect::<Vec<_>>().concat();
    assert_eq!(launch(&format!("kubernetes:\n{wrapped}")).queues, import.queues);
    let told: Vec<_> = import.notes.iter().map(ToString::to_string).collect();
    insta::assert_json_snapshot!((&import.queues[0].document, told));
}

#[test]
fn g9_an_admins_template_may_have_what_is_refused_of_users() {
    let import = launch(
        "spec: {template: {metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/launch0: unconfined}}, spec: {serviceAccountName: trainer, hostNetwork: true, hostPID: false, volumes: [{name: data, hostPath: {path: /data}}], containers: [{securityContext: {runAsUser: 1000}, ports: [{containerPort: 80, hostPort: 80}]}]}}}\n",
    );
    let spec = &job(&import, None, &none())["spec"]["template"]["spec"];
    assert_eq!(
        (&spec["hostNetwork"], &spec["serviceAccountName"], &spec["volumes"][0]["hostPath"]["path"]),
        (&json!(true), &json!("trainer"), &json!("/data"))
    );
}

#[test]
fn g10_code_without_a_builder() {
    let import = launch("spec: {template: {spec: {containers: [{resources: {limits: {nvidia.com/gpu: 1}}}]}}}\n");
    let container = &job(&import, None, &none())["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        (&container["command"], &container["resources"]["limits"]["nvidia.com/gpu"]),
        (&json!(["/slipway/bin/slipway-agent", "run"]), &json!("1"))
    );
}

#[test]
fn a_key_of_clearml_replaces_that_of_a_runners_base_as_a_whole() {
    let text = "agentk8sglue:\n  queues:\n    q1:\n      templateOverrides:\n        labels: {team: core}\n        resources: {limits: {nvidia.com/gpu: 1}}\n        env: [{name: B, value: \"${HOME} ${CLEARML_TASK.name}\"}]\n        tolerations: [{key: x, operator: Exists}]\n        initContainers: [{name: warm, image: 'busybox:1'}]\n        fileMounts: [{name: motd, folderPath: /etc, fileContent: hello}]\n";
    let base = json!({"metadata": {"labels": {"base": "yes"}}, "spec": {"priorityClassName": "low", "tolerations": [{"key": "y", "operator": "Exists"}],
        "initContainers": [{"name": "old", "image": "old:1"}],
        "containers": [{"name": "task", "resources": {"requests": {"cpu": "2"}}, "env": [{"name": "A", "value": "1"}]}]}});
    let job = job(&clearml(text), Some(&base), &none());
    let pod = &job["spec"]["template"];
    assert_eq!((pod["metadata"]["labels"].get("base"), &pod["metadata"]["labels"]["team"]), (None, &json!("core")));
    assert_eq!(pod["spec"]["containers"][0]["resources"], json!({"limits": {"nvidia.com/gpu": "1"}}));
    assert_eq!(pod["spec"]["containers"][0]["env"][0], json!({"name": "B", "value": "${HOME} run_AB12"}));
    assert_eq!(pod["spec"]["tolerations"], json!([{"key": "x", "operator": "Exists"}]));
    assert_eq!((&pod["spec"]["priorityClassName"], &pod["spec"]["initContainers"][0]["name"]), (&json!("low"), &json!("warm")));
    assert_eq!(
        pod["spec"]["initContainers"][0]["securityContext"]["capabilities"]["drop"],
        json!(["ALL"]),
        "it has the defaults of its own"
    );
    insta::assert_json_snapshot!(job);
}
