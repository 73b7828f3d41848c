//! What the watches show of our Jobs and pods: a cache that suggests and never decides.

use super::{
    cluster::Cluster,
    facts::{Mark, SeenJob, SeenPod},
    object::Kind,
};
use crate::{
    domain::pod::LABEL_RUNNER,
    wire::{AttemptRef, RunnerName},
};
use futures::StreamExt;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use std::{
    collections::BTreeMap,
    fmt::Debug,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// Objects in a page of a list. All watches list at once when a glue begins, each with a page in memory, where an object
/// takes many times what is kept of it.
pub(super) const PAGE: u32 = 100;

/// One attempt in the cache.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sight {
    /// Its Job; where there should be several by some accident, the newest.
    pub(super) job: Option<Arc<SeenJob>>,
    /// Its pods, oldest first.
    pub(super) pods: Vec<Arc<SeenPod>>,
    /// Grows with every change of any of them.
    pub(super) revision: u64,
}

/// Which watch.
type Watch = (&'static str, String);

#[derive(Default)]
struct State {
    jobs: BTreeMap<String, Arc<SeenJob>>,
    pods: BTreeMap<String, Arc<SeenPod>>,
    revisions: BTreeMap<AttemptRef, u64>,
    revision: u64,
    /// By watch, whether it has listed everything once, and its trouble.
    watches: BTreeMap<Watch, (bool, Option<String>)>,
}

/// Our Jobs and pods of all namespaces.
pub(super) struct Cache {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

/// What is kept of an object.
enum Kept {
    Job(SeenJob),
    Pod(SeenPod),
}

impl Kept {
    fn of(&self) -> AttemptRef {
        match self {
            Self::Job(job) => job.mark.of,
            Self::Pod(pod) => pod.mark.of,
        }
    }
}

impl State {
    fn touch(&mut self, of: AttemptRef) {
        self.revision += 1;
        self.revisions.insert(of, self.revision);
    }

    fn put(&mut self, kept: Kept) {
        self.touch(kept.of());
        match kept {
            Kept::Job(job) => drop(self.jobs.insert(job.facts.uid.clone(), Arc::new(job))),
            Kept::Pod(pod) => drop(self.pods.insert(pod.facts.uid.clone(), Arc::new(pod))),
        }
    }

    fn remove(&mut self, kept: &Kept) {
        self.touch(kept.of());
        match kept {
            Kept::Job(job) => drop(self.jobs.remove(&job.facts.uid)),
            Kept::Pod(pod) => drop(self.pods.remove(&pod.facts.uid)),
        }
    }

    /// Takes a whole list in the place of what was there.
    fn replace(&mut self, (kind, namespace): &Watch, list: Vec<Kept>) {
        let mut gone = Vec::new();
        if *kind == "jobs" {
            self.jobs.retain(|_, job| {
                // Objects of other kinds are listed by themselves.
                job.facts.namespace != *namespace || job.object.as_ref().is_some_and(|object| !object.kind.is_job()) || {
                    gone.push(job.mark.of);
                    false
                }
            });
        } else {
            self.pods.retain(|_, pod| {
                // Those without labels are listed by themselves.
                pod.namespace != *namespace || pod.unlabelled || {
                    gone.push(pod.mark.of);
                    false
                }
            });
        }
        for of in gone {
            self.touch(of);
        }
        for kept in list {
            self.put(kept);
        }
    }
}

impl Cache {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), changed: watch::Sender::new(()) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Told whenever anything changed.
    pub(super) fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Whether every watch has listed everything at least once.
    pub(super) fn complete(&self) -> bool {
        let state = self.state();
        !state.watches.is_empty() && state.watches.values().all(|(listed, _)| *listed)
    }

    /// What each watch in trouble has to say.
    pub(super) fn troubles(&self) -> Vec<String> {
        let state = self.state();
        let told = |((kind, namespace), trouble): (&Watch, &String)| format!("the watch of {kind} in {namespace}: {trouble}");
        state.watches.iter().filter_map(|(watch, (_, trouble))| Some((watch, trouble.as_ref()?))).map(told).collect()
    }

    /// Every attempt whose objects are of the right installation, and the Jobs that bear our name for another one.
    pub(super) fn sights(&self, ours: impl Fn(&Mark) -> bool) -> (BTreeMap<AttemptRef, Sight>, Vec<Arc<SeenJob>>) {
        let mut state = self.state();
        let mut sights: BTreeMap<AttemptRef, Sight> = BTreeMap::new();
        let mut foreign = Vec::new();
        for job in state.jobs.values() {
            if ours(&job.mark) {
                let sight = sights.entry(job.mark.of).or_default();
                if sight.job.as_ref().is_none_or(|other| other.created_at <= job.created_at) {
                    sight.job = Some(job.clone());
                }
            } else {
                foreign.push(job.clone());
            }
        }
        for pod in state.pods.values().filter(|pod| ours(&pod.mark)) {
            sights.entry(pod.mark.of).or_default().pods.push(pod.clone());
        }
        state.revisions.retain(|of, _| sights.contains_key(of));
        for (of, sight) in &mut sights {
            sight.revision = state.revisions.get(of).copied().unwrap_or_default();
            sight.pods.sort_by_key(|pod| pod.facts.created_at);
        }
        (sights, foreign)
    }

    /// How far the changes of an attempt have come, as in [`Sight::revision`].
    pub(super) fn revision(&self, of: AttemptRef) -> u64 {
        self.state().revisions.get(&of).copied().unwrap_or_default()
    }

    /// Our pods by phase.
    pub(super) fn phases(&self) -> BTreeMap<String, i64> {
        let mut phases = BTreeMap::new();
        for pod in self.state().pods.values() {
            *phases.entry(pod.facts.phase.clone()).or_default() += 1;
        }
        phases
    }

    /// Takes the list of all objects of a kind in a namespace; only what has changed counts as a change.
    pub(super) fn listed(&self, kind: &Kind, namespace: &str, list: Vec<SeenJob>) {
        // The watch of Jobs shows these already.
        if kind.is_job() {
            return;
        }
        let mut state = self.state();
        let before = state.revision;
        let of_kind = |job: &SeenJob| job.facts.namespace == namespace && job.object.as_ref().is_some_and(|object| object.kind == *kind);
        let gone: Vec<_> =
            state.jobs.values().filter(|job| of_kind(job) && !list.iter().any(|now| now.facts.uid == job.facts.uid)).cloned().collect();
        for job in gone {
            state.remove(&Kept::Job((*job).clone()));
        }
        for job in list {
            if state.jobs.get(&job.facts.uid).is_none_or(|known| **known != job) {
                state.put(Kept::Job(job));
            }
        }
        if state.revision != before {
            drop(state);
            self.changed.send_replace(());
        }
    }

    /// Takes the list of all pods in a namespace that bear no label of ours and are ours all the same.
    pub(super) fn unlabelled(&self, namespace: &str, list: Vec<SeenPod>) {
        let mut state = self.state();
        let before = state.revision;
        let gone =
            |pod: &&Arc<SeenPod>| pod.unlabelled && pod.namespace == namespace && !list.iter().any(|now| now.facts.uid == pod.facts.uid);
        let gone: Vec<_> = state.pods.values().filter(gone).cloned().collect();
        for pod in gone {
            state.remove(&Kept::Pod((*pod).clone()));
        }
        for pod in list {
            if state.pods.get(&pod.facts.uid).is_none_or(|known| **known != pod) {
                state.put(Kept::Pod(pod));
            }
        }
        if state.revision != before {
            drop(state);
            self.changed.send_replace(());
        }
    }

    fn change(&self, watch: &Watch, change: impl FnOnce(&mut State)) {
        {
            let mut state = self.state();
            change(&mut state);
            if let Some((_, trouble)) = state.watches.get_mut(watch)
                && trouble.take().is_some()
            {
                tracing::info!(resource = watch.0, namespace = watch.1, "the watch goes on");
            }
        }
        self.changed.send_replace(());
    }

    fn trouble(&self, watch: &Watch, error: &watcher::Error) {
        let mut inner: &dyn std::error::Error = error;
        while let Some(source) = inner.source() {
            inner = source;
        }
        let mut state = self.state();
        if let Some((_, trouble)) = state.watches.get_mut(watch) {
            if trouble.is_none() {
                tracing::warn!(resource = watch.0, namespace = watch.1, error = %inner, "the watch is interrupted; trying on");
            }
            *trouble = Some(inner.to_string());
        }
    }
}

/// Watches our Jobs and pods in a namespace for as long as the handles live.
pub(super) fn watch(cluster: &Cluster, namespace: &str, runner: &RunnerName, cache: &Arc<Cache>) -> [AbortOnDropHandle<()>; 2] {
    let selector = format!("{LABEL_RUNNER}={runner}");
    for kind in ["jobs", "pods"] {
        cluster.meter.hear(kind, namespace);
        cache.state().watches.insert((kind, namespace.to_owned()), (false, None));
    }
    let jobs: Api<Job> = Api::namespaced(cluster.client.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let jobs = follow(jobs, ("jobs", namespace.to_owned()), selector.clone(), cache.clone(), |job| SeenJob::read(job).map(Kept::Job));
    let pods = follow(pods, ("pods", namespace.to_owned()), selector, cache.clone(), |pod| SeenPod::read(pod).map(Kept::Pod));
    [AbortOnDropHandle::new(tokio::spawn(jobs)), AbortOnDropHandle::new(tokio::spawn(pods))]
}

async fn follow<K>(api: Api<K>, watch: Watch, selector: String, cache: Arc<Cache>, keep: fn(K) -> Option<Kept>)
where
    K: Resource + Clone + serde::de::DeserializeOwned + Debug + Send + 'static,
{
    let config = watcher::Config::default().labels(&selector).page_size(PAGE);
    // Each stream has a backoff of its own: a shared one would leave all deaf for the trouble of one.
    let mut stream = pin!(watcher(api, config).default_backoff());
    let mut list = Vec::new();
    // The stream never ends; it begins anew after every error by itself.
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => list.clear(),
            Ok(Event::InitApply(object)) => list.extend(keep(object)),
            Ok(Event::InitDone) => {
                let list = std::mem::take(&mut list);
                cache.change(&watch, |state| {
                    state.replace(&watch, list);
                    state.watches.insert(watch.clone(), (true, None));
                });
            }
            Ok(Event::Apply(object)) => {
                if let Some(kept) = keep(object) {
                    cache.change(&watch, |state| state.put(kept));
                }
            }
            Ok(Event::Delete(object)) => {
                if let Some(kept) = keep(object) {
                    cache.change(&watch, |state| state.remove(&kept));
                }
            }
            Err(error) => cache.trouble(&watch, &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::kubernetes::examples::{job, pod};

    #[test]
    fn a_list_takes_the_place_of_what_was_there() {
        let cache = Cache::new();
        let watch = ("jobs", "a".to_owned());
        cache.state().replace(&watch, vec![Kept::Job(job(1)), Kept::Job(job(2))]);
        cache.state().replace(&("pods", "a".to_owned()), vec![Kept::Pod(pod(1))]);
        let (before, _) = cache.sights(|mark| mark.instance == "k3f9a");
        assert_eq!(before.len(), 2);
        cache.state().replace(&watch, vec![Kept::Job(job(2))]);
        let (after, foreign) = cache.sights(|mark| mark.instance == "k3f9a");
        assert_eq!(foreign, []);
        assert!(after[&job(1).mark.of].job.is_none() && after[&job(1).mark.of].pods.len() == 1, "a deletion missed is seen");
        assert!(after[&job(1).mark.of].revision > before[&job(1).mark.of].revision);
        let (none, foreign) = cache.sights(|mark| mark.instance == "other");
        assert!(none.is_empty() && foreign.len() == 1);
    }

    #[test]
    fn pods_without_labels_are_not_the_watchs() {
        let cache = Cache::new();
        let found = |task| SeenPod { unlabelled: true, ..pod(task) };
        cache.unlabelled("a", vec![found(1), found(2)]);
        cache.state().replace(&("pods", "a".to_owned()), vec![Kept::Pod(pod(3))]);
        let pods = || cache.sights(|_| true).0.into_values().map(|sight| sight.pods.len()).sum::<usize>();
        assert_eq!(pods(), 3, "a list of the watch takes none of them away");
        let changed = cache.changed();
        cache.unlabelled("a", vec![found(1), found(2)]);
        assert!(!changed.has_changed().unwrap(), "nothing has changed");
        cache.unlabelled("a", vec![found(2)]);
        assert!(changed.has_changed().unwrap());
        assert_eq!(pods(), 2);
        cache.unlabelled("b", Vec::new());
        assert_eq!(pods(), 2);
    }
}
