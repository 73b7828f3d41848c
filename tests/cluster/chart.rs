//! The chart, from install to uninstall, as a platform team would use it: no secret is made by hand, the namespace enforces the
//! profile "restricted", and the glue has the chart's own Role.

use crate::{
    kit::{Scene, identity::rights, phase, tests},
    support::eventually,
};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Pod, ServiceAccount},
    rbac::v1::Role,
};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, LogParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use std::{fs, path::Path, sync::Arc};
use tempfile::TempDir;

tests!(Shared: the_chart_installs_tests_upgrades_and_leaves_what_runs, each_file_renders_alike_and_each_bad_value_is_named);

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/slipway");

/// A values file as people write them.
fn values(scene: &Scene, limit: u32) -> Value {
    let split = |image: String| {
        let (name, tag) = image.rsplit_once(':').expect("a tag");
        let (registry, repository) = name.split_once('/').expect("a registry");
        json!({"registry": registry, "repository": repository, "tag": tag, "pullPolicy": "Never"})
    };
    json!({
        "image": split(scene.cluster.program_image()),
        "agentImage": split(scene.cluster.agent_image()),
        "server": {
            "persistence": {"enabled": false},
            "roles": [{"role": "operator", "users": [format!("system:serviceaccount:{}:ci", scene.namespace)]}],
        },
        "queues": {"cpu": {"defaults": {"image": "slipway.test/busybox:1"}, "limits": {"maxRunning": limit}, "podTemplate": {}}},
    })
}

fn written(dir: &Path, values: &Value) -> String {
    let file = dir.join("values.yaml");
    fs::write(&file, values.to_string()).expect("a file");
    file.display().to_string()
}

/// A user's command in a pod of the cluster, as the service account `ci`; what it said.
async fn slipway(scene: &Scene, name: &str, words: &[&str]) -> String {
    let mount = json!([{"name": "token", "mountPath": "/token", "readOnly": true}, {"name": "state", "mountPath": "/var/lib/slipway"}]);
    let security = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true, "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"}});
    let env = json!([{"name": "SLIPWAY_URL", "value": "http://team-slipway-server"}, {"name": "SLIPWAY_ALLOW_PLAIN_HTTP", "value": "true"},
            {"name": "SLIPWAY_TOKEN_FILE", "value": "/token/token"}]);
    let container = json!({"name": "c", "image": scene.cluster.program_image(), "imagePullPolicy": "Never", "args": words, "env": env,
        "securityContext": security, "volumeMounts": mount});
    let token = json!({"name": "token", "projected": {"sources": [{"serviceAccountToken": {"audience": "slipway", "path": "token"}}]}});
    let spec = json!({"serviceAccountName": "ci", "restartPolicy": "Never", "containers": [container],
        "volumes": [token, {"name": "state", "emptyDir": {}}]});
    scene.create::<Pod>(json!({"metadata": {"name": name}, "spec": spec})).await;
    let pods = scene.api::<Pod>();
    let ended = async || {
        let pod = pods.get(name).await.ok()?;
        ["Succeeded", "Failed"].contains(&phase(&pod)).then(|| phase(&pod).to_owned())
    };
    let end = eventually("the command's end", ended).await;
    let said = pods.logs(name, &LogParams::default()).await.expect("what it said");
    assert_eq!(end, "Succeeded", "{words:?}: {said}");
    said
}

/// The pods of running tasks, by UID.
async fn running(scene: &Scene) -> Vec<String> {
    let pods = scene.api::<Pod>().list(&ListParams::default().labels("slipway.dev/queue=cpu")).await.expect("pods").items;
    let mut uids: Vec<_> = pods.iter().filter(|pod| phase(pod) == "Running").filter_map(ResourceExt::uid).collect();
    uids.sort();
    uids
}

async fn the_chart_installs_tests_upgrades_and_leaves_what_runs(scene: Arc<Scene>) {
    let dir = TempDir::new().expect("a directory");
    let (namespace, file) = (scene.namespace.as_str(), written(dir.path(), &values(&scene, 5)));
    let helm = |words: &[&str]| scene.cluster.helm("4", &[words, &["--namespace", namespace]].concat());
    scene.create::<ServiceAccount>(json!({"metadata": {"name": "ci"}})).await;
    helm(&["install", "team", CHART, "-f", &file, "--wait", "--timeout", "180s"]);
    helm(&["test", "team", "--timeout", "120s"]);

    // The chart's Role is the table of the code.
    let role: Role = scene.api::<Role>().get("team-slipway-glue").await.expect("a role");
    assert_eq!(role.rules.unwrap_or_default(), rights().await);

    // Three tasks run while a queue is changed: none is lost, none is started anew, and no server either.
    slipway(
        &scene,
        "submit",
        &["submit", "--no-code", "--queue", "cpu", "--grace", "1s", "--array", "0-2", "--", "sh", "-c", "while :; do sleep 0.1; done"],
    )
    .await;
    let three = async || Some(running(&scene).await).filter(|pods| pods.len() == 3);
    let before = eventually("three tasks", three).await;
    let server = async || {
        let pods = scene.api::<Pod>().list(&ListParams::default().labels("app.kubernetes.io/component=server")).await.ok()?.items;
        pods.first().and_then(ResourceExt::uid)
    };
    let first = server().await;
    helm(&["upgrade", "team", CHART, "-f", &written(dir.path(), &values(&scene, 7)), "--wait", "--timeout", "120s"]);
    // Kubelet brings a change of the file to a pod when it next looks; a change of the pod makes it look.
    let touch = json!({"metadata": {"annotations": {"looked-at": "now"}}});
    let touched = async || {
        let pods = scene.api::<Pod>();
        let all = pods.list(&ListParams::default().labels("app.kubernetes.io/component=server")).await.ok()?.items;
        pods.patch(&all.first()?.name_any(), &PatchParams::default(), &Patch::Merge(&touch)).await.ok()
    };
    touched().await.expect("the server's pod");
    let applied = async || {
        let pods = scene.api::<Pod>().list(&ListParams::default().labels("app.kubernetes.io/component=server")).await.ok()?.items;
        let said = scene.api::<Pod>().logs(&pods.first()?.name_any(), &LogParams::default()).await.ok()?;
        said.contains("cpu changed").then_some(())
    };
    eventually("the changed queue", applied).await;
    let queue = slipway(&scene, "queue", &["queue", "get", "cpu", "-o", "json"]).await;
    assert!(queue.contains("\"maxRunning\": 7"), "{queue}");
    assert_eq!((running(&scene).await, server().await), (before.clone(), first));

    helm(&["uninstall", "team", "--wait", "--timeout", "120s"]);
    assert_eq!(running(&scene).await, before, "what runs goes on");
    let gone = async || {
        let pods = scene.api::<Pod>().list(&ListParams::default().labels("app.kubernetes.io/instance=team")).await.ok()?.items;
        pods.is_empty().then_some(())
    };
    eventually("server and glue to be gone", gone).await;
    scene.api::<Job>().delete_collection(&DeleteParams::background(), &ListParams::default()).await.expect("the Jobs");
    // The cluster may be taken down next.
    let left = async || running(&scene).await.is_empty().then_some(());
    eventually("the tasks to be gone", left).await;
}

async fn each_file_renders_alike_and_each_bad_value_is_named(scene: Arc<Scene>) {
    let helm = |version: &str, words: &[&str]| scene.cluster.try_helm(version, words);
    let file = |name: &str| format!("{CHART}/ci/{name}-values.yaml");
    let rendered = |version: &str, name: &str| {
        let (taken, said) = helm(version, &["template", "team", CHART, "--namespace", "ns", "--kube-version", "1.28.0", "-f", &file(name)]);
        assert!(taken, "{name}: {said}");
        said.lines().filter(|line| !line.is_empty() && !line.starts_with('#') && *line != "---").map(str::to_owned).collect::<Vec<_>>()
    };
    for name in ["minimal", "glue-only", "full"] {
        for version in ["3", "4"] {
            let (taken, said) = helm(version, &["lint", "--strict", CHART, "-f", &file(name)]);
            assert!(taken, "{name}: {said}");
        }
        let [mut three, mut four] = [rendered("3", name), rendered("4", name)];
        assert_eq!(rendered("4", name), four, "{name}: nothing is made up");
        // The versions differ in the order of what they print.
        three.sort();
        four.sort();
        assert_eq!(three, four, "{name}");
    }
    for (bad, named) in [
        ("server.enabld=true", "'enabld' not allowed"),
        ("glue.maxPods=0", "/glue/maxPods"),
        ("server.service.port=99999", "/server/service/port"),
        ("server.roles[0].role=root", "/server/roles/0/role"),
        ("image.digest=abc", "/image/digest"),
        ("server.enabled=false", "glue.serverUrl: where the server is"),
        ("glue.releaseNamespace=false", "tasks have nowhere to run"),
        ("server.ingress.enabled=true", "server.ingress.host: the name"),
    ] {
        for version in ["3", "4"] {
            let (taken, said) = helm(version, &["template", "team", CHART, "--kube-version", "1.28.0", "--set", bad]);
            assert!(!taken && said.contains(named), "{bad}: {said}");
        }
    }
}
