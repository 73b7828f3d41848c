//! The cluster that rows with a Kubernetes API play on: one at a time, with a node or without.

use crate::{
    kit::{Scene, cluster::Cluster, testbed::Testbed},
    row::{Absent, Outcome},
};
use futures::FutureExt;
use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
};
use tokio::{
    sync::Mutex,
    task::{block_in_place, spawn_blocking},
};

/// What pods run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nodes {
    /// There is none: the row plays them.
    Played,
    /// A real one.
    Real,
}

struct Up {
    nodes: Nodes,
    testbed: Testbed,
    cluster: Arc<Cluster>,
    /// Another control plane beside it, where a row has asked for one.
    second: Option<Arc<Cluster>>,
}

static UP: Mutex<Option<Up>> = Mutex::const_new(None);

/// Removes the cluster where this run has started one; not from within a runtime.
pub(crate) fn close() {
    if let Some(up) = UP.blocking_lock().take() {
        up.testbed.close();
    }
}

/// The cluster of this run, started by the first row that needs it; the other kind goes before.
async fn cluster(nodes: Nodes) -> Result<Arc<Cluster>, Absent> {
    let mut up = UP.lock().await;
    if let Some(up) = up.as_ref().filter(|up| up.nodes == nodes) {
        return Ok(up.cluster.clone());
    }
    let other = up.take();
    let start = move || {
        if let Some(other) = other {
            other.testbed.close();
        }
        let testbed = if nodes == Nodes::Played { Testbed::plane() } else { Testbed::default() };
        let opened = testbed.kubeconfig();
        opened.map(|path| (testbed, path))
    };
    let (testbed, path) = spawn_blocking(start)
        .await
        .expect("the cluster's start")
        .map_err(|absent| Absent { why: absent.why, may_skip: absent.may_skip })?;
    let cluster = Cluster::connect(&path).await.map(Arc::new).map_err(|why| Absent { why, may_skip: false })?;
    *up = Some(Up { nodes, testbed, cluster: cluster.clone(), second: None });
    Ok(cluster)
}

/// Another cluster beside that of this run; it has no nodes, and goes with the first.
pub(crate) async fn second() -> Result<Arc<Cluster>, Absent> {
    let mut up = UP.lock().await;
    let up = up.as_mut().ok_or_else(|| Absent { why: "there is no first cluster".to_owned(), may_skip: false })?;
    if let Some(second) = &up.second {
        return Ok(second.clone());
    }
    let path = block_in_place(|| up.testbed.second()).map_err(|absent| Absent { why: absent.why, may_skip: absent.may_skip })?;
    let cluster = Cluster::connect(&path).await.map(Arc::new).map_err(|why| Absent { why, may_skip: false })?;
    Ok(up.second.insert(cluster).clone())
}

/// Plays a row in a part of the cluster that is its own, and is given back whatever happens.
pub(crate) async fn on_stage(nodes: Nodes, row: &str, body: impl AsyncFnOnce(&Arc<Scene>) -> Outcome) -> Result<Outcome, Absent> {
    let scene = Arc::new(Scene::open(cluster(nodes).await?, row).await);
    let played = AssertUnwindSafe(body(&scene)).catch_unwind().await;
    if played.is_err() {
        scene.tell(row).await;
    }
    scene.close().await;
    played.map_or_else(|panic| resume_unwind(panic), Ok)
}
