//! What a watch shows of a namespace: when each task's pod and Job were over. One watch for all sides.

use futures::StreamExt;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{batch::v1::Job, core::v1::Pod},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use nix::time::{ClockId, clock_gettime};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, fmt::Debug, pin::pin, time::Duration};
use tokio::{sync::watch, time::timeout};
use tokio_util::task::AbortOnDropHandle;

/// Where nothing ends for so long, nothing will.
const STILL: Duration = Duration::from_mins(3);

/// Seconds of the machine's uptime, as the record has them.
pub(crate) fn uptime() -> f64 {
    Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).expect("an uptime")).as_secs_f64()
}

/// By what somebody sees that a task is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Its Job has the condition `Complete` or `Failed`.
    Job,
    /// Its pod's phase is terminal.
    Pod,
}

/// When the pod or the Job of each task was over, and whether it ended well.
#[derive(Clone, Default)]
pub(crate) struct Over {
    jobs: BTreeMap<i64, (f64, bool)>,
    pods: BTreeMap<i64, (f64, bool)>,
}

impl Over {
    /// By one of the signals.
    pub(crate) fn by(&self, signal: Signal) -> &BTreeMap<i64, (f64, bool)> {
        match signal {
            Signal::Job => &self.jobs,
            Signal::Pod => &self.pods,
        }
    }
}

/// The watch, for as long as this lives.
pub(crate) struct Sight {
    over: watch::Receiver<Over>,
    _watches: [AbortOnDropHandle<()>; 2],
}

impl Sight {
    /// Watches a namespace; `label` holds the number of the task.
    pub(crate) fn of(client: &Client, namespace: &str, label: &'static str) -> Self {
        let (tell, over) = watch::channel(Over::default());
        let (jobs, pods) = (Api::<Job>::namespaced(client.clone(), namespace), Api::<Pod>::namespaced(client.clone(), namespace));
        let of_jobs = follow(jobs, label, tell.clone(), job_ended, |over| &mut over.jobs);
        let of_pods = follow(pods, label, tell, pod_ended, |over| &mut over.pods);
        Self { over, _watches: [AbortOnDropHandle::new(tokio::spawn(of_jobs)), AbortOnDropHandle::new(tokio::spawn(of_pods))] }
    }

    /// What was seen so far.
    pub(crate) fn over(&self) -> Over {
        self.over.borrow().clone()
    }

    /// Waits until more than `count` are over; how many are.
    pub(crate) async fn more(&self, signal: Signal, count: usize) -> Result<usize, String> {
        let mut over = self.over.clone();
        let waited = timeout(STILL, over.wait_for(|over| over.by(signal).len() > count)).await;
        let seen = waited.map_err(|_| format!("after {count} tasks no other ended for {STILL:?}"))?;
        Ok(seen.map_err(|_| "the watch is gone")?.by(signal).len())
    }
}

type Ends = fn(&mut Over) -> &mut BTreeMap<i64, (f64, bool)>;

async fn follow<K>(api: Api<K>, label: &'static str, tell: watch::Sender<Over>, ended: fn(&K) -> Option<bool>, of: Ends)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut stream = pin!(watcher(api, watcher::Config::default().labels(label)).default_backoff());
    while let Some(event) = stream.next().await {
        let object = match event {
            // What is deleted is shown as it was last.
            Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => object,
            Ok(Event::Init | Event::InitDone) => continue,
            Err(error) => {
                eprintln!("the watch of {}: {error}", K::kind(&()));
                continue;
            }
        };
        let task = object.labels().get(label).and_then(|number| number.parse().ok());
        if let Some((task, well)) = task.zip(ended(&object)) {
            tell.send_if_modified(|over| {
                let ends = of(over);
                let fresh = !ends.contains_key(&task);
                ends.entry(task).or_insert((uptime(), well));
                fresh
            });
        }
    }
}

/// Whether a Job is over, and ended well.
fn job_ended(job: &Job) -> Option<bool> {
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let over = conditions.filter(|condition| condition.status == "True").find(|c| matches!(c.type_.as_str(), "Complete" | "Failed"))?;
    Some(over.type_ == "Complete")
}

/// The same of a pod.
fn pod_ended(pod: &Pod) -> Option<bool> {
    match pod.status.as_ref()?.phase.as_deref()? {
        "Succeeded" => Some(true),
        "Failed" => Some(false),
        _ => None,
    }
}
