//! Queues on the slices of one GPU that is divided into three sizes.

use crate::{
    kit::{Recorder, Scene, World, limit, phase, task, tests},
    support::eventually,
};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;
use slipway::{
    domain::pod::{LABEL_QUEUE, LABEL_TASK},
    wire::TaskState,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

tests!(Shared: red_green_and_blue_share_a_gpu);

/// Queue, the resource of its slices, how many of these there are, and how many tasks want one.
const COLOURS: [(&str, &str, u32, usize); 3] =
    [("red", "nvidia.com/mig-1g.10gb", 2, 4), ("green", "nvidia.com/mig-2g.20gb", 1, 2), ("blue", "nvidia.com/mig-3g.40gb", 1, 2)];

/// The pod of each task, the pods of each queue that run now, and the most that ran at once.
#[derive(Default)]
struct Seen {
    pods: BTreeMap<String, Pod>,
    running: BTreeMap<String, BTreeSet<String>>,
    most: BTreeMap<String, usize>,
}

async fn red_green_and_blue_share_a_gpu(scene: Arc<Scene>) {
    for (_, resource, count, _) in COLOURS {
        scene.cluster.offer(resource, count).await;
    }
    let mut world = World::new(&scene).await;
    let base = json!({"podTemplate": {"spec": {"containers": [{"image": "slipway.test/busybox:1"}]}}});
    world.glue("k8s", json!({"base": base})).await;
    world.apply("examples/red-green-blue.yaml");

    let seen = Arc::new(Mutex::new(Seen::default()));
    let watching = tokio::spawn(watch(scene.clone(), seen.clone()));
    let recorder = Recorder::start().await;
    let mut ids = Vec::new();
    for (queue, _, _, wanted) in COLOURS {
        for _ in 0..wanted {
            ids.push((queue, world.submit(&task(json!({"queue": queue, "script": recorder.script("note wait")}))).await));
        }
    }
    let full = || COLOURS.map(|(queue, _, count, _)| (queue.to_owned(), usize::try_from(count).expect("a small number")));
    eventually("a pod in every slice", async || {
        let running = &seen.lock().expect("seen").running;
        full().iter().all(|(queue, count)| running.get(queue).map(BTreeSet::len) == Some(*count)).then_some(())
    })
    .await;
    recorder.go();
    for (_, id) in &ids {
        assert_eq!(world.ended(*id).await.state, TaskState::Succeeded);
    }
    recorder.check(&ids.iter().map(|(_, id)| *id).collect::<Vec<_>>());
    // Pods of tasks that succeeded go soon, so what counts is what was seen of them.
    eventually("a look at every pod", async || (seen.lock().expect("seen").pods.len() == ids.len()).then_some(())).await;
    watching.abort();
    let seen = std::mem::take(&mut *seen.lock().expect("seen"));
    assert_eq!(seen.most, BTreeMap::from(full()), "never more pods than slices");
    for (queue, id) in ids {
        let pod = seen.pods.get(&id.to_string()).expect("the pod of the task");
        assert_eq!(pod.metadata.labels.as_ref().and_then(|labels| labels.get("colour")).map(String::as_str), Some(queue));
        for (other, resource, ..) in COLOURS {
            assert_eq!(limit(pod, resource), (other == queue).then(|| "1".to_owned()), "{queue}: {resource}");
        }
    }
    for (_, resource, ..) in COLOURS {
        scene.cluster.withdraw(resource).await;
    }
}

/// Notes what pods there are, and which run, until it is stopped.
async fn watch(scene: Arc<Scene>, seen: Arc<Mutex<Seen>>) {
    let mut pods = watcher(scene.api::<Pod>(), watcher::Config::default()).default_backoff().applied_objects().boxed();
    while let Some(told) = pods.next().await {
        // A watch that breaks is made anew.
        let Ok(pod) = told else { continue };
        let labels = pod.metadata.labels.clone().unwrap_or_default();
        let (Some(queue), Some(name)) = (labels.get(LABEL_QUEUE), pod.metadata.name.clone()) else { continue };
        let mut seen = seen.lock().expect("seen");
        if let Some(task) = labels.get(LABEL_TASK) {
            seen.pods.insert(task.clone(), pod.clone());
        }
        let running = seen.running.entry(queue.clone()).or_default();
        if phase(&pod) == "Running" {
            running.insert(name);
        } else {
            running.remove(&name);
        }
        let now = running.len();
        let most = seen.most.entry(queue.clone()).or_default();
        *most = now.max(*most);
    }
}
