//! Secrets in what a pod's command prints, wherever a byte of its output comes to rest.

use crate::kit::{Scene, World, task, tests};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::LogParams;
use serde_json::json;
use slipway::wire::TaskState;
use std::{fs, path::Path, sync::Arc};

tests!(Shared: what_a_pod_prints_of_a_secret_shows_nowhere);

/// Nothing of it is a word of something else.
const SECRET: &str = "q7Zr!k9/Xw2 v\"4Jm'8Tn&5Lp+6Hd?3Bf";

/// Prints it cut at every place into two writes with and without a pause between them, among noise of every length; then as
/// base64 at each alignment.
const SCRIPT: &str = r#"#!/bin/sh
for pause in : "sleep 0.01"; do
  at=1
  while [ $at -lt ${#KEY} ]; do
    printf 'cut %s' "$(printf %s "$KEY" | head -c $at)"
    $pause
    printf '%s\n' "$(printf %s "$KEY" | tail -c +$((at + 1)))"
    at=$((at + 1))
  done
done
awk 'BEGIN { for (n = 0; n < 20000; n++) { printf "%s%s", ENVIRON["KEY"], substr("-------------------------------------------------------------", 1, n % 61) "\n" } }'
for before in "" x xy; do printf '%s%s' "$before" "$KEY" | base64 | tr -d '\n'; echo; done
echo end
"#;

/// Whether any six bytes in a row of the secret stand there; a mask's promise begins with so many.
fn shows(bytes: &[u8]) -> Option<String> {
    let parts = SECRET.as_bytes().windows(6);
    parts.filter(|part| bytes.windows(6).any(|six| six == *part)).map(|part| String::from_utf8_lossy(part).into_owned()).next()
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

async fn what_a_pod_prints_of_a_secret_shows_nowhere(scene: Arc<Scene>) {
    let world = World::with_glue(&scene).await;
    scene.create::<Secret>(json!({"metadata": {"name": "app"}, "stringData": {"key": SECRET}})).await;
    let env = json!([{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "app", "key": "key"}}}]);
    let container = json!({"name": "task", "image": "slipway.test/busybox:1", "env": env});
    world.queue("q", json!({"podTemplate": {"spec": {"containers": [container]}}})).await;
    let id = world.submit(&task(json!({"queue": "q", "script": SCRIPT}))).await;
    assert_eq!(world.ended(id).await.state, TaskState::Succeeded);

    let log = world.log(id, 0).await;
    let pod = scene.pod(id, "is still there", |_| true).await.metadata.name.expect("a name");
    let params = LogParams { container: Some("task".into()), ..LogParams::default() };
    let repeated = scene.api::<Pod>().logs(&pod, &params).await.expect("the pod's log");
    for (place, text) in [("the log", String::from_utf8_lossy(&log).into_owned()), ("the pod's log", repeated)] {
        // Each time once; what is cut shows as one, too.
        let lines = text.lines().filter(|line| line.contains("[masked]")).count();
        assert!(lines >= 2 * (SECRET.len() - 1) && text.ends_with("\nend\n"), "{place}: {lines}: {text:.500}");
        assert_eq!(shows(text.as_bytes()), None, "{place}");
    }
    assert_eq!(String::from_utf8_lossy(&log).matches("[masked]").count(), 2 * (SECRET.len() - 1) + 20_000 + 3);
    assert_eq!(shows(world.said().as_bytes()), None, "what our programs say");
    let all = files(&world.data());
    assert!(all.iter().any(|file| file.ends_with("slipway.db")), "{all:?}");
    for file in all {
        assert_eq!(shows(&fs::read(&file).unwrap_or_default()), None, "{}", file.display());
    }
}
