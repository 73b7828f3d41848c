//! What runners on Kubernetes are to make of their attempts, and which queues a runner cannot serve.

use super::{error::ApiResult, state::App};
use crate::{
    domain::{QueueName, RunnerName, TaskId, TaskSpec, Work, array},
    store::{Place, TaskRecord},
    template::{self, Layers, Prepared, TaskLayer},
    wire::{ClusterOffer, JobOrder, NewQueue, RegisterRequest, limits},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

/// The templates of queues, merged for runners. What was merged counts while queue and runner are the same objects.
#[derive(Default)]
pub(super) struct Templates {
    known: Mutex<HashMap<RunnerName, HashMap<QueueName, Merged>>>,
}

#[derive(Clone)]
struct Merged {
    queue: Arc<NewQueue>,
    runner: Arc<RegisterRequest>,
    prepared: Attempted,
}

/// What came of merging.
type Attempted = Arc<Result<Prepared, Vec<template::Fault>>>;

impl Templates {
    fn prepare(
        &self,
        runner: (&RunnerName, &Arc<RegisterRequest>),
        offer: &ClusterOffer,
        queue: (&QueueName, &Arc<NewQueue>),
    ) -> Attempted {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let of_runner = known.entry(runner.0.clone()).or_default();
        if let Some(merged) = of_runner.get(queue.0)
            && Arc::ptr_eq(&merged.queue, queue.1)
            && Arc::ptr_eq(&merged.runner, runner.1)
        {
            return merged.prepared.clone();
        }
        let layers = Layers {
            base: offer.base.as_ref(),
            queue: queue.1.pod_template.as_ref(),
            overlay: offer.overlays.get(queue.0),
            image: queue.1.defaults.image.as_deref(),
            namespaces: &offer.namespaces,
        };
        let prepared = Arc::new(Prepared::new(&layers));
        let merged = Merged { queue: queue.1.clone(), runner: runner.1.clone(), prepared: prepared.clone() };
        of_runner.insert(queue.0.clone(), merged);
        prepared
    }
}

impl App {
    /// The queues that a runner cannot serve, as they are now: for one on Kubernetes those without a Job, for any other
    /// those that ask for a pod.
    pub(super) fn beyond(&self, name: &RunnerName) -> BTreeSet<QueueName> {
        let runner = self.runners.get(name);
        let serves = |queue: (&QueueName, &Arc<NewQueue>)| match runner.as_ref().and_then(|runner| Some((runner, runner.cluster.as_ref()?)))
        {
            Some((runner, offer)) => self.templates.prepare((name, runner), offer, queue).is_ok(),
            None => queue.1.pod_template.is_none() && !queue.1.use_image_entrypoint,
        };
        self.queues.all().iter().filter(|queue| !serves(*queue)).map(|(name, _)| name.clone()).collect()
    }

    /// Why no runner can serve a queue: none where it has no runner on Kubernetes that was heard lately, or where one of
    /// its runners can.
    #[must_use]
    pub fn unrenderable(&self, name: &QueueName) -> Option<Vec<template::Fault>> {
        let queue = self.queues.get(name.as_str())?;
        let mut faults = Vec::new();
        for (runner, doc) in self.runners.all() {
            let is_its = doc.queues.iter().any(|served| served == "*" || served == name.as_str());
            if !is_its || !self.is_heard(&runner) {
                continue;
            }
            match &doc.cluster {
                None if queue.pod_template.is_none() && !queue.use_image_entrypoint => return None,
                None => {}
                Some(offer) => match &*self.templates.prepare((&runner, &doc), offer, (name, &queue)) {
                    Ok(_) => return None,
                    Err(found) => faults.extend(found.iter().cloned()),
                },
            }
        }
        let mut told = BTreeSet::new();
        faults.retain(|fault| told.insert(fault.to_string()));
        (!faults.is_empty()).then_some(faults)
    }

    /// [`Self::order`] for the live attempts of tasks, in their order.
    pub(super) async fn orders(
        &self,
        name: &RunnerName,
        tasks: impl Iterator<Item = (TaskId, bool)> + Clone,
    ) -> ApiResult<Vec<Option<JobOrder>>> {
        if self.runners.get(name).is_none_or(|runner| runner.cluster.is_none()) {
            return Ok(tasks.map(|_| None).collect());
        }
        let known = self.store.tasks_of(tasks.clone().map(|(task, _)| task)).await?;
        Ok(tasks.map(|(task, starts)| self.order(name, known.get(&task)?, starts)).collect())
    }

    /// What a runner is to make of an attempt; none for one that is not on Kubernetes. `starts` tells whether the attempt
    /// can still start: then the Job goes with it, unless by now it cannot be rendered any more.
    fn order(&self, name: &RunnerName, task: &TaskRecord, starts: bool) -> Option<JobOrder> {
        let spec = &task.spec;
        let runner = self.runners.get(name)?;
        let offer = runner.cluster.as_ref()?;
        let queue = self.queues.get(spec.queue.as_str()).unwrap_or_default();
        let use_image_entrypoint = spec.work == Work::Entrypoint;
        let manifest = starts.then(|| {
            let prepared = self.templates.prepare((name, &runner), offer, (&spec.queue, &queue));
            manifest(&prepared, &runs(task))
        });
        Some(JobOrder {
            manifest: manifest.flatten(),
            use_image_entrypoint,
            timeout_seconds: task.time_limit(self.store.uptime().now()),
            grace_seconds: spec.grace_seconds,
            pending_timeout_seconds: queue.pending_timeout_seconds.unwrap_or(limits::DEFAULT_PENDING_TIMEOUT_SECONDS),
            fail_pending_after_seconds: queue.fail_pending_after_seconds,
            keep_jobs_seconds: queue.keep_jobs_seconds.unwrap_or_default(),
        })
    }
}

/// What a task runs: of an element, with its place in the arguments and in the environment.
pub(super) fn runs(task: &TaskRecord) -> TaskSpec {
    let mut spec = task.spec.clone();
    if let (Some(array), Some(Place::Element { index, size })) = (task.parent, &task.place) {
        spec.work = array::work_of(&spec.work, *index);
        spec.env.extend(array::env_of(array, *index, *size).map(|(name, value)| (name.to_owned(), value)));
    }
    spec
}

fn manifest(prepared: &Attempted, spec: &TaskSpec) -> Option<Value> {
    let none = BTreeMap::new();
    Some(prepared.as_ref().as_ref().ok()?.render(&layer(spec, &none)).ok()?.manifest)
}

/// What a task adds to its pod. Its variables stand there only where no agent sets them.
pub(super) fn layer<'a>(spec: &'a TaskSpec, none: &'a BTreeMap<String, String>) -> TaskLayer<'a> {
    TaskLayer { gpus: spec.resources.gpus, env: if spec.work == Work::Entrypoint { &spec.env } else { none } }
}
