//! The chart's glue alone, for a server elsewhere: the common case of a second cluster. And what every scenario makes, before a real API
//! server.

use crate::{
    chart::{CHART, images, pods, slipway, written},
    kit::{Scene, World, script, task, tests},
    support::eventually,
};
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use kube::{ResourceExt, api::ListParams};
use serde::Deserialize;
use serde_json::json;
use slipway::{domain::Times, wire::TaskState};
use std::{fs, process::Command, sync::Arc};
use tempfile::TempDir;

tests!(Shared:
    a_glue_alone_lays_its_values_over_the_queues_of_a_server_elsewhere,
    values_of_a_launch_agent_make_queues,
    the_api_server_takes_every_scenario,
);

/// Kinds that this cluster does not know; a Pod would need its account, and is made by `helm test`.
const LEFT_OUT: [&str; 6] = ["HTTPRoute", "ServiceMonitor", "PodMonitor", "PrometheusRule", "Route", "Pod"];

async fn a_glue_alone_lays_its_values_over_the_queues_of_a_server_elsewhere(scene: Arc<Scene>) {
    let world = World::with_times(&scene, Times::default()).await;
    let queues = world.root().join("queues.yaml");
    fs::write(&queues, "queues: {theirs: {podTemplate: {}, defaults: {image: \"slipway.test/busybox:1\"}}, other: {podTemplate: {}}}\n")
        .expect("a file");
    world.apply(&queues.display().to_string());
    let token = fs::read_to_string(world.data().join("runner-token")).expect("the runner's token");
    scene.create::<Secret>(json!({"metadata": {"name": "runner"}, "stringData": {"it": token.trim()}})).await;
    let dir = TempDir::new().expect("a directory");
    let namespace = scene.namespace.as_str();
    let values = format!(
        "{}server: {{enabled: false}}\nglue: {{serverUrl: \"{}\", allowPlainHttp: true, existingSecret: runner, existingSecretKey: it, runnerName: second, cluster: two}}\nagentk8sglue:\n  maxPods: 3\n  basePodTemplate: {{labels: {{team: core}}}}\n  queues:\n    theirs: {{templateOverrides: {{env: [{{name: FROM, value: here}}]}}, queueSettings: {{maxPods: 2}}}}\n",
        images(&scene),
        world.url
    );
    let values = written(dir.path(), "values.yaml", &values);
    let helm = |words: &[&str]| scene.cluster.helm("4", &[words, &["--namespace", namespace]].concat());
    let said = helm(&["install", "team", CHART, "-f", &values, "--wait", "--timeout", "120s"]);
    assert!(said.contains("The glue second serves"), "{said}");

    let id = world.submit(&task(json!({"queue": "theirs", "command": ["sh", "-c", "test $FROM = here"]}))).await;
    let pod = scene.pod(id, "is there", |_| true).await;
    assert_eq!(pod.labels()["team"], "core");
    assert_eq!(pod.spec.and_then(|spec| spec.service_account_name).as_deref(), Some("team-slipway-task"));
    assert_eq!(world.ended(id).await.state, TaskState::Succeeded);
    let runners = world.client().await.runners().await.expect("the runners").items;
    assert!(runners.iter().any(|runner| runner.name.as_str() == "second"), "{runners:?}");

    helm(&["uninstall", "team", "--wait", "--timeout", "120s"]);
    let gone = async || pods(&scene, "app.kubernetes.io/instance=team", "Running").await.is_empty().then_some(());
    eventually("the glue to be gone", gone).await;
    let left = scene.api::<Pod>().list(&ListParams::default().labels("app.kubernetes.io/component=server")).await.expect("pods");
    assert!(left.items.is_empty(), "there never was a server");
}

async fn values_of_a_launch_agent_make_queues(scene: Arc<Scene>) {
    let dir = TempDir::new().expect("a directory");
    let namespace = scene.namespace.as_str();
    let own = format!(
        "{}server:\n  persistence: {{enabled: false}}\n  adminToken: {{existingSecret: first}}\n  roles: [{{role: operator, users: [\"system:serviceaccount:{namespace}:ci\"]}}]\n",
        images(&scene)
    );
    let theirs = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/launch-agent-values.yaml");
    let own = written(dir.path(), "own.yaml", &own);
    let helm = |words: &[&str]| scene.cluster.helm("4", &[words, &["--namespace", namespace]].concat());
    scene.create::<ServiceAccount>(json!({"metadata": {"name": "ci"}})).await;
    // The first admin token is there before the server, and the server's own pod goes by it.
    let minted = Command::new(env!("CARGO_BIN_EXE_slipway")).args(["admin", "mint-token"]).output().expect("the program runs");
    let token = String::from_utf8_lossy(&minted.stdout).trim().to_owned();
    scene.create::<Secret>(json!({"metadata": {"name": "first"}, "stringData": {"token": token}})).await;
    let said = helm(&["install", "team", CHART, "-f", theirs, "-f", &own, "--wait", "--timeout", "180s"]);
    assert!(said.contains("launchConfig.builder: no images are built"), "{said}");
    let ask = format!("kubectl --namespace {namespace} exec deploy/team-slipway-server -- slipway token create ada --role viewer\n");
    let (status, said) = script("shell.sh", &[&written(dir.path(), "ask.sh", &ask)]).expect("a shell");
    assert!(status.success() && said.contains("slw_"), "{said}");
    let words = ["submit", "--no-code", "--wait", "--queue", "gpu-small", "--image", "slipway.test/busybox:1", "--", "true"];
    slipway(&scene, "submit", &words).await;
    let queue = slipway(&scene, "queue", &["queue", "get", "gpu-small", "-o", "json"]).await;
    assert!(queue.contains("\"owner\": \"vision\"") && queue.contains("\"pendingTimeoutSeconds\": 1800"), "{queue}");
    helm(&["uninstall", "team", "--wait", "--timeout", "120s"]);
    let gone = async || pods(&scene, "app.kubernetes.io/instance=team", "Running").await.is_empty().then_some(());
    eventually("server and glue to be gone", gone).await;
}

async fn the_api_server_takes_every_scenario(scene: Arc<Scene>) {
    let dir = TempDir::new().expect("a directory");
    let files = fs::read_dir(format!("{CHART}/ci")).expect("the scenarios").map(|file| file.expect("a file").path());
    let mut text = String::from("exec 2>&1\n");
    let mut objects = 0;
    for file in files {
        let said = scene.cluster.helm("4", &["template", "team", CHART, "-f", &file.display().to_string()]);
        let mut documents = Vec::new();
        for document in serde_yaml::Deserializer::from_str(&said) {
            let mut object = serde_json::Value::deserialize(document).expect("an object");
            if object.is_null() || LEFT_OUT.contains(&object["kind"].as_str().unwrap_or_default()) {
                continue;
            }
            // The namespaces of scenarios are not there.
            if !object["kind"].as_str().unwrap_or_default().starts_with("Cluster") {
                object["metadata"]["namespace"] = scene.namespace.clone().into();
            }
            documents.push(object.to_string());
        }
        objects += documents.len();
        let name = file.file_name().unwrap_or_default().to_string_lossy().replace(".yaml", ".objects");
        let made = written(dir.path(), &name, &documents.join("\n---\n"));
        text += &["echo '", &name, "'\nkubectl apply --server-side --dry-run=server --validate=strict --filename ", &made, "\n"].concat();
    }
    assert!(objects > 100, "{objects}");
    let (status, said) = script("shell.sh", &[&written(dir.path(), "apply.sh", &text)]).expect("a shell");
    assert!(status.success(), "{said}");
    assert_eq!(said.matches("serverside-applied (server dry run)").count(), objects, "{said}");
}
