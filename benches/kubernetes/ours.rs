//! Our server and our glue, as users have them: durable, with the limits and times that they have by themselves.

use crate::{
    Failure,
    case::Case,
    ended::{all_ended, stored},
    fleet::Deed,
    ground::Ground,
    jobs::resources,
    kit::World,
    options::Options,
    side::Told,
    sight::{Signal, uptime},
};
use serde_json::json;
use slipway::{
    app::ambient::{SystemClock, SystemRng},
    domain::{Clock, Rng},
    wire::{NewTask, Times},
};
use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};
use tokio::task::JoinSet;

/// How many submit at once.
pub(crate) const SUBMITTERS: usize = 16;
const QUEUE: &str = "bench";
const GLUE: &str = "k8s";

pub(crate) struct Ours {
    world: World,
    keep: Option<PathBuf>,
}

impl Ours {
    pub(crate) async fn start(ground: &Ground, case: Case, options: &Options) -> Self {
        let mut world = World::with_times(&ground.scene, Times::default()).await;
        let container = json!({"name": "task", "image": "slipway.test/simulated:1", "resources": resources()});
        let template = json!({"spec": {"schedulerName": "fleet", "containers": [container]}});
        world.queue(QUEUE, json!({"podTemplate": template, "keepJobsSeconds": {"success": 0, "failure": 0}})).await;
        // As many may wait for their start as there are slots, as with the others.
        let mut config = json!({"agentImage": "slipway.test/simulated-agent:1", "maxPods": case.slots, "maxUnstarted": case.slots});
        if let Some(qps) = options.qps {
            (config["qps"], config["burst"]) = (json!(qps), json!(2 * qps));
        }
        world.glue(GLUE, config).await;
        Self { world, keep: options.keep.as_ref().map(PathBuf::from) }
    }

    pub(crate) fn programs(&self) -> BTreeMap<&'static str, u32> {
        let pid = |pid: i32| u32::try_from(pid).unwrap_or_default();
        [("server", pid(self.world.server_pid())), ("glue", pid(self.world.pid(GLUE)))].into()
    }

    pub(crate) async fn play(&self, ground: &Ground, case: Case) -> Result<Told, Failure> {
        let client = Arc::new(self.world.client().await);
        let mut submits = JoinSet::new();
        for nth in 0..SUBMITTERS {
            let (client, count) = (client.clone(), (case.tasks + nth) / SUBMITTERS);
            let task = NewTask { queue: Some(QUEUE.parse()?), command: Some(Deed::live(case.ms).command()), ..NewTask::default() };
            submits.spawn(async move {
                let mut submitted = Vec::new();
                for _ in 0..count {
                    let at = uptime();
                    submitted.push((client.submit(&task, SystemRng.uuid()).await?.id.0, at));
                }
                Ok::<_, slipway::client::Error>(submitted)
            });
        }
        let mut submitted = BTreeMap::new();
        while let Some(submits) = submits.join_next().await {
            submitted.extend(submits??);
        }
        ground.all_over(Signal::Pod, case).await?;
        let all = all_ended(&self.world).await;
        let ahead = seconds(jiff::Timestamp::from_millisecond(SystemClock.now().0)?) - uptime();
        let finished = all.iter().filter_map(|task| Some((task.id.0, seconds(task.finished_at?) - ahead)));
        Ok(Told { submitted, finished: finished.collect(), stored: stored(&all) })
    }
}

/// Seconds since 1970.
fn seconds(at: jiff::Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

impl Drop for Ours {
    fn drop(&mut self) {
        let Some(dir) = &self.keep else { return };
        let path = dir.join(format!("{}.log", self.world.scene.namespace));
        if let Err(error) = fs::write(&path, self.world.said()) {
            eprintln!("{}: {error}", path.display());
        }
    }
}
