//! The chart, from install to uninstall, as a platform team would use it: no secret is made by hand, the namespace enforces the
//! profile "restricted", and the glue has the chart's own Role.

use crate::{
    kit::{Scene, audit, identity::rights, phase, tests},
    support::{eventually, within},
};
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{PersistentVolume, PersistentVolumeClaim, Pod, ServiceAccount},
        policy::v1::PodDisruptionBudget,
        rbac::v1::Role,
    },
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::{fs, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

// Its tasks ask for all of a node with two cores: an agent's container wants 100m.
tests!(Exclusive: a_short_file_is_enough_and_twenty_tasks_outlive_upgrade_and_uninstall);

pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/slipway");
/// How many tasks run meanwhile.
const TASKS: usize = 20;

/// The lines of a values file that say which images: those of this build.
pub(crate) fn images(scene: &Scene) -> String {
    let split = |image: String| {
        let (name, tag) = image.rsplit_once(':').expect("a tag");
        let (registry, repository) = name.split_once('/').expect("a registry");
        format!("{{registry: {registry}, repository: {repository}, tag: \"{tag}\", pullPolicy: Never}}")
    };
    format!("image: {}\nagentImage: {}\n", split(scene.cluster.program_image()), split(scene.cluster.agent_image()))
}

pub(crate) fn written(dir: &Path, name: &str, text: &str) -> String {
    let file = dir.join(name);
    fs::write(&file, text).expect("a file");
    file.display().to_string()
}

/// A user's command in a pod of the cluster, as the service account `ci`; what it said.
pub(crate) async fn slipway(scene: &Scene, name: &str, words: &[&str]) -> String {
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

/// The pods that bear a label, and are in a phase.
pub(crate) async fn pods(scene: &Scene, label: &str, in_phase: &str) -> Vec<Pod> {
    let pods = scene.api::<Pod>().list(&ListParams::default().labels(label)).await.expect("pods").items;
    pods.into_iter().filter(|pod| phase(pod) == in_phase).collect()
}

/// The pods of running tasks, by UID, with how often their containers were started anew.
async fn running(scene: &Scene) -> Vec<(String, i32)> {
    let again = |pod: &Pod| {
        let status = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
        status.into_iter().flatten().map(|container| container.restart_count).sum()
    };
    let mut all: Vec<_> =
        pods(scene, "slipway.dev/queue=cpu", "Running").await.iter().map(|pod| (pod.uid().unwrap_or_default(), again(pod))).collect();
    all.sort();
    all
}

/// A volume of this machine for the server, such as a cluster without a provisioner has.
pub(crate) async fn volume(scene: &Scene, dir: &Path) -> String {
    let name = format!("{}-data", scene.namespace);
    let path = dir.join("data");
    fs::create_dir(&path).expect("a directory");
    let here = json!({"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}]});
    let spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain",
        "local": {"path": path}, "nodeAffinity": {"required": here}});
    let volume = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).expect("a volume");
    Api::<PersistentVolume>::all(scene.client()).create(&PostParams::default(), &volume).await.expect("a volume");
    name
}

async fn server(scene: &Scene) -> Option<Pod> {
    pods(scene, "app.kubernetes.io/component=server", "Running").await.into_iter().next()
}

async fn a_short_file_is_enough_and_twenty_tasks_outlive_upgrade_and_uninstall(scene: Arc<Scene>) {
    let dir = TempDir::new().expect("a directory");
    let namespace = scene.namespace.as_str();
    let volume = volume(&scene, dir.path()).await;
    let values = |limit: u32| {
        let text = format!(
            "{}server:\n  persistence: {{size: 1Gi, volumeName: {volume}}}\n  roles: [{{role: operator, users: [\"system:serviceaccount:{namespace}:ci\"]}}]\nqueues:\n  cpu:\n    defaults: {{image: \"slipway.test/busybox:1\"}}\n    limits: {{maxRunning: {limit}}}\n    podTemplate: {{spec: {{containers: [{{resources: {{requests: {{cpu: 20m, memory: 16Mi}}}}}}]}}}}\n",
            images(&scene)
        );
        assert!(text.lines().count() <= 10, "{text}");
        written(dir.path(), "values.yaml", &text)
    };
    let helm = |words: &[&str]| scene.cluster.helm("4", &[words, &["--namespace", namespace]].concat());
    let room = ["--set", "server.resources.requests.cpu=0,glue.resources.requests.cpu=0"];
    let put = |word: &str, limit: u32, more: &[&str]| {
        let words = [word, "team", CHART, "-f", &values(limit), "--wait", "--timeout", "180s"];
        helm(&[&words[..], &room, more].concat());
    };
    scene.create::<ServiceAccount>(json!({"metadata": {"name": "ci"}})).await;
    put("install", 30, &[]);
    helm(&["test", "team", "--timeout", "120s"]);

    // The chart's Role is the table of the code, and tasks have an account of their own.
    let role: Role = scene.api::<Role>().get("team-slipway-glue").await.expect("a role");
    assert_eq!(role.rules.unwrap_or_default(), rights().await);

    // Twenty tasks run while a queue is changed: none is lost, none is started anew, and no server either.
    let forever = ["sh", "-c", "while :; do sleep 1; done"];
    let submit = ["submit", "--no-code", "--queue", "cpu", "--grace", "1s", "--array", "0-19", "--"];
    let said = slipway(&scene, "submit", &[&submit[..], &forever].concat()).await;
    let array = said.lines().last().unwrap_or_default();
    let twenty = async || Some(running(&scene).await).filter(|pods| pods.len() == TASKS);
    let before = within(Duration::from_mins(3), "twenty tasks", twenty).await;
    for pod in pods(&scene, "slipway.dev/queue=cpu", "Running").await {
        let spec = pod.spec.expect("a spec");
        assert_eq!(spec.service_account_name.as_deref(), Some("team-slipway-task"));
        assert_eq!(spec.automount_service_account_token, Some(false));
    }
    let first = server(&scene).await.and_then(|pod| pod.uid());
    put("upgrade", 31, &[]);
    // Kubelet brings a change of the file to a pod when it next looks; a change of the pod makes it look.
    let touch = json!({"metadata": {"annotations": {"looked-at": "now"}}});
    let name = server(&scene).await.expect("the server's pod").name_any();
    scene.api::<Pod>().patch(&name, &PatchParams::default(), &Patch::Merge(&touch)).await.expect("the server's pod");
    let applied = async || {
        let said = scene.api::<Pod>().logs(&name, &LogParams::default()).await.ok()?;
        said.contains("cpu changed").then_some(())
    };
    eventually("the changed queue", applied).await;
    let queue = slipway(&scene, "queue", &["queue", "get", "cpu", "-o", "json"]).await;
    assert!(queue.contains("\"maxRunning\": 31"), "{queue}");
    assert_eq!((running(&scene).await, server(&scene).await.and_then(|pod| pod.uid())), (before.clone(), first));

    // An uninstall leaves what runs, and the data.
    helm(&["uninstall", "team", "--wait", "--timeout", "120s"]);
    let gone = async || {
        let pods = scene.api::<Pod>().list(&ListParams::default().labels("app.kubernetes.io/instance=team")).await.ok()?.items;
        pods.is_empty().then_some(())
    };
    eventually("server and glue to be gone", gone).await;
    assert_eq!(running(&scene).await, before, "what runs goes on");
    let claims = scene.api::<PersistentVolumeClaim>();
    assert!(claims.get("team-slipway-server").await.is_ok(), "the data stay");

    // Installed anew it knows all of them, and they it; two glues share the work, and one of them may be drained.
    put("install", 31, &["--set", "glue.replicas=2"]);
    assert_eq!(pods(&scene, "app.kubernetes.io/component=glue", "Running").await.len(), 2);
    let budget: PodDisruptionBudget = scene.api().get("team-slipway-glue").await.expect("a budget");
    assert_eq!(budget.spec.and_then(|spec| spec.min_available), Some(IntOrString::Int(1)));
    let known = slipway(&scene, "ls", &["ls", array, "--state", "active", "-o", "name"]).await;
    assert_eq!(known.lines().count(), TASKS, "{known}");
    assert_eq!(running(&scene).await, before, "none is started anew");
    slipway(&scene, "cancel", &["cancel", array]).await;
    let ended = async || running(&scene).await.is_empty().then_some(());
    within(Duration::from_mins(2), "the tasks to end by a cancel", ended).await;

    // The chart's Role was enough for all of it. What a namespace at its end refuses has the same status, and this one lives.
    let asked = audit::of_account(&scene, "team-slipway-glue");
    let refused: Vec<_> = asked.iter().filter(|request| request.response_status.code == 403).collect();
    assert!(asked.len() > TASKS && refused.is_empty(), "{}: {refused:#?}", asked.len());
    helm(&["uninstall", "team", "--wait", "--timeout", "120s"]);
    scene.api::<Job>().delete_collection(&DeleteParams::background(), &ListParams::default()).await.expect("the Jobs");
    claims.delete("team-slipway-server", &DeleteParams::default()).await.expect("the claim");
    Api::<PersistentVolume>::all(scene.client()).delete(&volume, &DeleteParams::default()).await.expect("the volume");
    // The directory goes with the test, so nothing may write into it any more.
    eventually("server and glue to be gone", gone).await;
}
