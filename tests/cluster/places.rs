//! The same task with its code in images that have little in common, as the strictest profile lets pods run. Pods reach this
//! machine and nothing beyond it: what they install comes from an index of the test.

use crate::{
    kit::{HOST, Scene, World, task, tests},
    luggage,
    support::{Index, line, uv},
};
use bytes::Bytes;
use serde_json::{Value, json};
use slipway::{
    app::ambient::SystemRng,
    wire::{Sha256, TaskState},
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};
use tempfile::TempDir;

tests!(Shared: the_same_code_runs_in_every_image);

/// The user of the pods, whom no image knows.
const USER: u32 = 12_345;

async fn sent(world: &World, dir: &Path) -> Sha256 {
    let bytes = Bytes::from(luggage::archive(dir));
    let sum = Sha256::of(&bytes);
    world
        .client()
        .await
        .upload((slipway::client::Sink::Uploads, &sum), bytes.len() as u64, &bytes, &SystemRng, 3, |_| ())
        .await
        .expect("the upload");
    sum
}

/// A pod of this image for a user whom it does not know, on a root that cannot be written.
fn pod(image: &str, mut container: Value) -> Value {
    container["name"] = json!("task");
    container["image"] = json!(image);
    container["securityContext"] = json!({"readOnlyRootFilesystem": true});
    json!({"podTemplate": {"spec": {"securityContext": {"runAsUser": USER, "runAsGroup": USER}, "containers": [container]}}})
}

/// Directories of this machine that make a Debian of busybox, with uv in the last.
fn debian(dirs: &[&str]) -> Value {
    let named = |at: usize, dir: &&str, path: &str| json!({"name": format!("host-{at}"), path: dir});
    let mounts: Value = dirs.iter().enumerate().map(|(at, dir)| named(at, dir, "mountPath")).collect();
    let volumes: Value =
        dirs.iter().enumerate().map(|(at, dir)| json!({"name": format!("host-{at}"), "hostPath": {"path": dir}})).collect();
    let path = format!("{}:/usr/bin:/bin", dirs.last().expect("one"));
    let mut pod = pod("slipway.test/busybox:1", json!({"volumeMounts": mounts, "env": [{"name": "PATH", "value": path}]}));
    pod["podTemplate"]["spec"]["volumes"] = volumes;
    pod
}

async fn the_same_code_runs_in_every_image(scene: Arc<Scene>) {
    // Directories of a node are more than the profile "restricted" lets a pod have; all else of it holds.
    scene.trust().await;
    let world = World::with_glue(&scene).await;
    let dir = TempDir::new().expect("a directory");
    let bin = dir.path().join("bin");
    luggage::pack(&dir.path().join("code"));
    fs::create_dir(&bin).expect("a directory");
    fs::copy(uv().join("uv"), bin.join("uv")).expect("uv");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("others may look");
    let code = json!({"upload": sent(&world, &dir.path().join("code")).await});
    let index = Index::serve(dir.path(), HOST.into()).await;
    let mut debian = debian(&["/usr", "/lib", "/lib64", &bin.display().to_string()]);
    debian["indexes"] = json!({"url": index.url});
    world.queue("empty", pod("slipway.test/static:1", json!({}))).await;
    world.queue("busybox", pod("slipway.test/busybox:1", json!({}))).await;
    world.queue("debian", debian).await;

    let mut submitted = Vec::new();
    for queue in ["empty", "busybox", "debian"] {
        let same = json!({"queue": queue, "command": ["./show"], "code": code, "environment": {"kind": "image"}});
        submitted.push((queue, world.submit(&task(same)).await));
    }
    let mut python = Vec::new();
    for kind in ["venv", "uv"] {
        let main = json!({"queue": "debian", "command": ["python", "main.py"], "code": code, "environment": {"kind": kind}});
        python.push((kind, world.submit(&task(main)).await));
    }
    for (queue, id) in submitted {
        let state = world.ended(id).await.state;
        let log = String::from_utf8_lossy(&world.log(id, 0).await).into_owned();
        assert!(state == TaskState::Succeeded && log.ends_with("\nof the code\n"), "{queue}: {log}");
    }
    for (kind, id) in python {
        let state = world.ended(id).await.state;
        let log = String::from_utf8_lossy(&world.log(id, 0).await).into_owned();
        assert_eq!(state, TaskState::Succeeded, "{kind}: {log}");
        assert_eq!(line(&log, "said "), "hello of the code");
        assert_eq!(line(&log, "user "), format!("{USER} True False False"), "{log}");
    }
}
