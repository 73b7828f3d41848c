//! One run's ground: a namespace, the simulated pods in it, their record, and the watch.

use crate::{
    Failure,
    case::Case,
    fleet::{Fleet, Pen},
    kit::{Scene, cluster::Cluster},
    options::Options,
    record::Line,
    side::Side,
    sight::{Sight, Signal},
    support::within,
};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Namespace, Pod, Secret, ServiceAccount},
};
use kube::{
    Api, Client,
    api::{ListParams, ObjectList},
    core::PartialObjectMeta,
};
use slipway::domain::pod::LABEL_TASK;
use std::{fs, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

/// How long all that is over may take to go.
const CLEARED: Duration = Duration::from_mins(3);

pub(crate) struct Ground {
    pub(crate) scene: Arc<Scene>,
    pub(crate) sight: Sight,
    label: &'static str,
    _fleet: Fleet,
    dir: TempDir,
}

impl Ground {
    pub(crate) async fn open(cluster: &Arc<Cluster>, side: &Side, options: &Options) -> Result<Self, Failure> {
        let scene = Arc::new(Scene::open(cluster.clone(), &format!("bench-{}", side.flag())).await);
        // Plain Jobs do not pass what ours pass by themselves.
        scene.trust().await;
        let accounts = scene.api::<ServiceAccount>();
        within(Duration::from_mins(1), "the account of pods", async || accounts.get("default").await.ok()).await;
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let pen = Pen::open(&dir.path().join("record"));
        let fleet = Fleet::start(scene.client(), std::slice::from_ref(&scene.namespace), pen, options.container).await;
        let label = if matches!(side, Side::Ours) { LABEL_TASK } else { crate::fleet::TASK };
        let sight = Sight::of(&scene.client(), &scene.namespace, label);
        Ok(Self { scene, sight, label, _fleet: fleet, dir })
    }

    pub(crate) fn client(&self) -> Client {
        self.scene.client()
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.scene.namespace
    }

    /// Where files of this run lie.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What the commands wrote.
    pub(crate) fn lines(&self) -> Result<Vec<Line>, Failure> {
        Ok(fs::read_to_string(self.dir().join("record"))?.lines().filter_map(Line::read).collect())
    }

    /// Waits until nothing is left of what was played so far, and forgets it.
    pub(crate) async fn forget(&mut self) -> Result<(), Failure> {
        self.cleared().await;
        fs::write(self.dir().join("record"), "")?;
        self.sight = Sight::of(&self.client(), self.namespace(), self.label);
        Ok(())
    }

    /// Keeps the record.
    pub(crate) fn keep(&self, dir: &Path) -> Result<(), Failure> {
        fs::copy(self.dir().join("record"), dir.join(format!("{}.record", self.namespace())))?;
        Ok(())
    }

    /// Waits until all tasks are over.
    pub(crate) async fn all_over(&self, signal: Signal, case: Case) -> Result<(), Failure> {
        let mut over = 0;
        while over < case.tasks {
            over = self.sight.more(signal, over).await?;
        }
        Ok(())
    }

    /// Waits until nothing of the run is left.
    pub(crate) async fn cleared(&self) {
        within(CLEARED, "Jobs, pods and Secrets to go", async || (self.left().await? == 0).then_some(())).await;
    }

    async fn left(&self) -> Option<usize> {
        let few = ListParams::default().limit(1);
        let (jobs, pods, secrets) = (self.scene.api::<Job>(), self.scene.api::<Pod>(), self.scene.api::<Secret>());
        let all = tokio::join!(jobs.list_metadata(&few), pods.list_metadata(&few), secrets.list_metadata(&few));
        Some(count(all.0)? + count(all.1)? + count(all.2)?)
    }

    /// Gives everything back, and waits until the cluster has no work with it any more.
    pub(crate) async fn close(self) {
        self.scene.close().await;
        let (all, name) = (Api::<Namespace>::all(self.client()), self.namespace().to_owned());
        within(CLEARED, "the namespace to go", async || all.get_opt(&name).await.ok()?.is_none().then_some(())).await;
    }
}

fn count<K: Clone>(list: Result<ObjectList<PartialObjectMeta<K>>, kube::Error>) -> Option<usize> {
    list.ok().map(|list| list.items.len())
}
