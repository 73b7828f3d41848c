//! What is on the screen is what runs in a pod: `slipway submit` in a changed repository, and the task's log.
//!
//! The pod's image has nothing but busybox; git, Python and uv come from this machine, on volumes that the queue's template
//! mounts. So do the repository, which the queue puts in the place of its host, and the cache.

use crate::{
    kit::{HOST, Scene, World, tests},
    support::{Index, Screen, line, run, uv},
};
use serde_json::{Value, json};
use slipway::wire::TaskState;
use std::{fs, sync::Arc};
use tempfile::TempDir;

tests!(Shared: what_is_on_the_screen_runs_in_a_pod);

/// Directories of this machine in a pod, under the same names.
fn mounted(dirs: &[&str]) -> (Value, Value) {
    let name = |at: usize| format!("host-{at}");
    let volumes = dirs.iter().enumerate().map(|(at, dir)| json!({"name": name(at), "hostPath": {"path": dir}}));
    let mounts = dirs.iter().enumerate().map(|(at, dir)| json!({"name": name(at), "mountPath": dir}));
    (volumes.collect(), mounts.collect())
}

async fn what_is_on_the_screen_runs_in_a_pod(scene: Arc<Scene>) {
    // Directories of a node are more than the profile "restricted" lets a pod have.
    scene.trust().await;
    let world = World::with_glue(&scene).await;
    let (dir, uv) = (TempDir::new().expect("a directory"), uv());
    let root = dir.path().canonicalize().expect("its name");
    let index = Index::serve(&root, HOST.into()).await;
    let screen = Screen::new(&root, &uv, &index);
    let (python, cache) = (run(&root, &["python3", "-c", "import sys; print(sys.base_prefix)"]), root.join("cache"));
    fs::create_dir(&cache).expect("a directory");
    let [uv, root, cache] = [&uv, &root, &cache].map(|path| path.display().to_string());
    let mut dirs = vec!["/usr", "/lib", "/lib64", uv.as_str(), root.as_str()];
    if !python.starts_with("/usr") {
        dirs.push(&python);
    }
    let (volumes, mounts) = mounted(&dirs);
    let path = format!("{uv}:{python}/bin:/usr/local/bin:/usr/bin:/bin");
    let container = json!({
        "name": "task", "image": "slipway.test/busybox:1", "env": [{"name": "PATH", "value": path}], "volumeMounts": mounts,
    });
    // What this machine has for its administrator others may not read.
    let security = json!({"runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false});
    let queue = json!({
        "podTemplate": {"spec": {"securityContext": security, "containers": [container], "volumes": volumes}},
        "git": {"insteadOf": {"https://git.example.com/": format!("file://{root}/git/")}},
        "indexes": {"url": index.url},
        "cache": {"path": cache},
    });
    world.queue("default", queue).await;
    for again in [false, true] {
        let (id, told) = screen.submit("default", &world.url, &world.data());
        assert!(told.contains("team/vision @ ") && told.contains("1 changed, 1 untracked file"), "{told}");
        let task = world.ended(id).await;
        let log = String::from_utf8_lossy(&world.log(id, 0).await).into_owned();
        assert_eq!(task.state, TaskState::Succeeded, "{log}");
        assert_eq!(line(&log, "said "), "hello 42");
        assert_eq!(log.contains("taken from the cache"), again, "{log}");
    }
}
