//! What rows with a Kubernetes API stand on: the test cluster, one row's part of it, a server, a fleet of simulated pods
//! and the record that they write.

use crate::{
    api_proxy::ApiProxy,
    batch,
    ended::{all_ended, stored},
    fleet::{Counts, Deed, Fleet, Pen},
    judge::judge,
    kit::{Scene, World},
    left,
    record::Line,
    row::{Absent, Outcome},
    sound::panics,
    stage::{Nodes, on_stage, second},
};
use futures::FutureExt;
use serde_json::{Value, json};
use slipway::wire::{NewTask, TaskId, TaskState, Times};
use std::{
    fs,
    panic::{AssertUnwindSafe, resume_unwind},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

/// How long what is over may stand in the cluster: the table's five minutes, scaled as the other times are.
const CLEARED: Duration = Duration::from_secs(45);

/// One row's ground.
pub(crate) struct Ground {
    pub(crate) scene: Arc<Scene>,
    pub(crate) world: World,
    pub(crate) fleet: Fleet,
    /// The same namespace in another cluster, where the row has one, and the simulated pods there.
    elsewhere: Option<(Arc<Scene>, Fleet)>,
    /// Where pods stand; each has a queue of the same name.
    namespaces: Vec<String>,
    record: PathBuf,
}

/// Plays a row on a ground of its own, which is cleared away whatever happens.
/// It has so many namespaces, and in each a queue.
pub(crate) async fn on_ground(
    row: &str,
    times: Times,
    namespaces: usize,
    body: impl AsyncFnOnce(&mut Ground) -> Outcome,
) -> Result<Outcome, Absent> {
    on_stage(Nodes::Played, row, async |scene| {
        let world = World::with_times(scene, times).await;
        let record = world.root().join("record");
        let mut all = vec![scene.namespace.clone()];
        for nth in 1..namespaces {
            let name = format!("{}-{nth}", scene.namespace);
            scene.make_namespace(&name, json!({"pod-security.kubernetes.io/enforce": "restricted"})).await;
            all.push(name);
        }
        let fleet = Fleet::start(scene.client(), &all, Pen::open(&record), Duration::ZERO).await;
        let mut ground = Ground { scene: scene.clone(), world, fleet, elsewhere: None, namespaces: all, record };
        ground.queues().await;
        let outcome = played(row, &mut ground, body, |ground| &ground.world).await;
        if let Some((other, _)) = &ground.elsewhere {
            other.close().await;
        }
        said(row, &ground.world, &outcome);
        outcome
    })
    .await
}

/// Plays a row. Should it break off, what server and glue said is kept too.
pub(crate) async fn played<T>(row: &str, place: &mut T, body: impl AsyncFnOnce(&mut T) -> Outcome, world: fn(&T) -> &World) -> Outcome {
    let played = AssertUnwindSafe(body(place)).catch_unwind().await;
    played.unwrap_or_else(|panic| {
        keep(row, world(place));
        resume_unwind(panic)
    })
}

/// Keeps what server and glue said of a row that failed.
pub(crate) fn said(row: &str, world: &World, outcome: &Outcome) {
    if !outcome.passes() {
        keep(row, world);
    }
}

fn keep(row: &str, world: &World) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{row}.log"));
    fs::write(&path, world.said()).expect("a file");
    eprintln!("what server and glue said last is in {}", path.display());
}

impl Ground {
    /// A queue for each namespace. What is over goes at once.
    async fn queues(&self) {
        for namespace in &self.namespaces {
            let spec = json!({"schedulerName": "fleet", "containers": [{"name": "task", "image": "slipway.test/simulated:1"}]});
            let template = json!({"metadata": {"namespace": namespace}, "spec": spec});
            self.world.queue(namespace, json!({"podTemplate": template, "keepJobsSeconds": {"success": 0, "failure": 0}})).await;
        }
    }

    /// A second cluster, whose glues serve the same queue.
    pub(crate) async fn expand(&mut self) -> Result<(), Absent> {
        let scene = Arc::new(self.scene.mirrored(second().await?).await);
        let pen = Pen::open(&self.record);
        let fleet = Fleet::start(scene.client(), std::slice::from_ref(&scene.namespace), pen, Duration::ZERO).await;
        self.elsewhere = Some((scene, fleet));
        Ok(())
    }

    /// A proxy before the API server, for the glues that are started from now on.
    pub(crate) async fn proxied(&mut self, seed: u64) -> ApiProxy {
        let scene = self.scene.clone();
        self.proxied_in(&scene, seed).await
    }

    async fn proxied_in(&mut self, scene: &Scene, seed: u64) -> ApiProxy {
        let (base, authority) = scene.cluster.address();
        let proxy = ApiProxy::before(&base, &authority, seed).await;
        self.world.api = Some(proxy.url.clone());
        proxy
    }

    /// Starts a glue that serves the queue; `config` is laid over what it needs.
    pub(crate) async fn glue(&mut self, name: &str, config: Value) {
        let whole = self.glues_config(config);
        self.world.glue(name, whole).await;
    }

    /// The same in the other cluster, behind a proxy of its own.
    pub(crate) async fn glue_elsewhere(&mut self, name: &str, seed: u64, config: Value) -> ApiProxy {
        let scene = self.elsewhere.as_ref().expect("another cluster").0.clone();
        let (proxy, whole) = (self.proxied_in(&scene, seed).await, self.glues_config(config));
        self.world.glue_in(&scene, name, whole).await;
        proxy
    }

    fn glues_config(&self, config: Value) -> Value {
        let mut whole = json!({"agentImage": "slipway.test/simulated-agent:1", "namespaces": self.namespaces});
        if let Value::Object(more) = config {
            for (key, value) in more {
                whole[key] = value;
            }
        }
        whole
    }

    /// Submits tasks, each with what it does, until all are acknowledged.
    pub(crate) async fn submit(&self, deeds: impl IntoIterator<Item = Deed>) -> Vec<TaskId> {
        let queues = self.namespaces.iter().cycle();
        let task =
            |(deed, queue): (Deed, &String)| NewTask { queue: Some(queue.clone()), command: Some(deed.command()), ..NewTask::default() };
        batch::submit(&self.world, &deeds.into_iter().zip(queues).map(task).collect::<Vec<_>>()).await
    }

    /// What the tasks wrote.
    pub(crate) fn lines(&self) -> Vec<Line> {
        fs::read_to_string(&self.record).unwrap_or_default().lines().filter_map(Line::read).collect()
    }

    /// The file of what the tasks wrote.
    pub(crate) fn record(&self) -> PathBuf {
        self.record.clone()
    }

    /// Waits for the end of all tasks and judges them; also that nothing was disturbed, and that nothing is left in the
    /// cluster.
    pub(crate) async fn judged(&self, acknowledged: &[TaskId]) -> Outcome {
        self.judged_within(acknowledged, CLEARED).await
    }

    /// The same where what is over may take so long to go.
    pub(crate) async fn judged_within(&self, acknowledged: &[TaskId], limit: Duration) -> Outcome {
        let all = all_ended(&self.world).await;
        let acknowledged: Vec<_> = acknowledged.iter().map(|id| id.0).collect();
        let findings = judge(&acknowledged, &self.lines(), &stored(&all));
        let mut outcome = Outcome { tries: acknowledged.len(), findings, ..Outcome::default() };
        for task in all.iter().filter(|task| task.state != TaskState::Succeeded) {
            outcome.must(false, || format!("task {} is {}: {:?}", task.id, task.state, task.ended));
        }
        let repeated = all.iter().filter(|task| task.attempt.0 > 1).count();
        let fleets = || [&self.fleet].into_iter().chain(self.elsewhere.as_ref().map(|(_, fleet)| fleet));
        let of = |what: fn(&Counts) -> &AtomicU64| fleets().map(|fleet| Counts::of(what(&fleet.yard.counts))).sum::<u64>();
        eprintln!(
            "{} pods for {} tasks; {repeated} tasks needed another attempt; {} starts were refused, {} results left in a message",
            of(|counts| &counts.pods),
            all.len(),
            of(|counts| &counts.refused),
            of(|counts| &counts.untold)
        );
        let disturbed = of(|counts| &counts.disturbed);
        outcome.must(disturbed == 0, || format!("{disturbed} pods were deleted while they ran"));
        outcome.broken.extend(panics(self.world.root()));
        let mut left = left::cleared(&self.scene.client(), &self.namespaces, limit).await;
        if let Some((other, _)) = &self.elsewhere {
            left.extend(left::cleared(&other.client(), std::slice::from_ref(&other.namespace), limit).await);
        }
        outcome.must(left.is_empty(), || format!("left in the cluster after {limit:?}: {}", left.join(", ")));
        outcome
    }
}
