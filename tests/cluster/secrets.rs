//! What must not show.

use crate::kit::{Recorder, Scene, World, audit, task, tests};
use crate::support::eventually;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod, Secret},
};
use kube::api::ListParams;
use serde_json::json;
use slipway::wire::TaskState;
use std::{fs, path::Path, sync::Arc};

tests!(Shared: a_secret_shows_nowhere);

/// What our tokens begin with.
const TOKEN: &str = "slw_";

async fn a_secret_shows_nowhere(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    let recorder = Recorder::start().await;
    let canary = format!("canary-of-{}", scene.namespace);
    let of_task = format!("private-to-{}", scene.namespace);
    scene.create::<Secret>(json!({"metadata": {"name": "app"}, "stringData": {"key": canary}})).await;
    let env = json!([{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "app", "key": "key"}}}]);
    let container = json!({"name": "task", "image": "slipway.test/busybox:1", "env": env});
    world.queue("q", json!({"podTemplate": {"spec": {"containers": [container]}}})).await;
    let script = recorder.script("echo \"${#KEY} ${#OWN}\"; note wait");
    let id = world.submit(&task(json!({"queue": "q", "script": script, "env": {"OWN": of_task}}))).await;
    eventually("the task to run", async || recorder.has(id, "wait").then_some(())).await;

    let everything = ListParams::default();
    let jobs = json!(scene.api::<Job>().list(&everything).await.expect("the Jobs").items);
    let pods = json!(scene.api::<Pod>().list(&everything).await.expect("the pods").items);
    recorder.go();
    assert_eq!(world.ended(id).await.state, TaskState::Succeeded);
    assert_eq!(world.log(id, 0).await, format!("{} {}\n", canary.len(), of_task.len()).into_bytes());
    let events = json!(scene.api::<Event>().list(&everything).await.expect("the events").items);

    let places = [
        ("a Job", jobs.to_string()),
        ("a pod", pods.to_string()),
        ("an event", events.to_string()),
        ("what our programs say", world.said()),
        ("the audit log", audit::text()),
    ];
    for (place, text) in places {
        assert!(!text.is_empty(), "{place} was not read");
        for secret in [&canary, &of_task, TOKEN] {
            assert!(!text.contains(secret), "{place} shows {secret}");
        }
    }
    let files = files(&world.data());
    assert!(files.iter().any(|file| file.ends_with("slipway.db")), "{files:?}");
    for file in files {
        let bytes = fs::read(&file).unwrap_or_default();
        assert!(!bytes.windows(canary.len()).any(|part| part == canary.as_bytes()), "{file} holds the secret");
    }
}

/// All files below a directory.
fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let below = |path: std::path::PathBuf| if path.is_dir() { files(&path) } else { vec![path.display().to_string()] };
    entries.flat_map(|entry| below(entry.path())).collect()
}
