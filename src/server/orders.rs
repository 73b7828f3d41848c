//! What runners on Kubernetes are to make of their attempts, and which queues a runner cannot serve.

use super::{error::ApiResult, state::App};
use crate::{
    domain::{OfQueue, QueueName, Reason, RunnerName, TaskId, TaskSpec, Work, array, order::Cost},
    store::{Place, TaskRecord},
    template::{self, Facts, Layers, Prepared, PreparedObject, TaskLayer, Values, Variables, gpu_template},
    wire::{ClusterOffer, JobOrder, NewQueue, ObjectOrder, RegisterRequest, limits},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// The templates of queues, merged for runners. What was merged counts while queue and runner are the same objects.
#[derive(Default)]
pub(super) struct Templates {
    known: Mutex<HashMap<RunnerName, HashMap<QueueName, Merged>>>,
}

/// The most sets of values of one queue's variables whose templates are kept merged.
const MAX_VALUES: usize = 64;

struct Merged {
    queue: Arc<NewQueue>,
    runner: Arc<RegisterRequest>,
    by_values: HashMap<String, Attempted>,
    /// What tells this document under these layers from any other; made when it is asked for.
    mark: OnceLock<String>,
}

/// What came of merging.
pub(super) type Attempted = Arc<Result<Ready, Vec<template::Fault>>>;

/// What a runner makes of the tasks of a queue.
pub(super) enum Ready {
    /// Jobs.
    Job(Box<Prepared>),
    /// Objects in their place.
    Object(Box<PreparedObject>),
}

impl Ready {
    pub(super) fn new(queue: &NewQueue, layers: &Layers<'_>) -> Result<Self, Vec<template::Fault>> {
        match &queue.object {
            Some(object) => PreparedObject::new(&object.manifest, layers).map(|prepared| Self::Object(Box::new(prepared))),
            None => Prepared::new(layers).map(|prepared| Self::Job(Box::new(prepared))),
        }
    }

    /// What is made of a task, up to the task's own layer.
    pub(super) fn render(&self, task: &TaskLayer<'_>) -> Result<template::Rendered, Vec<template::Fault>> {
        match self {
            Self::Job(prepared) => prepared.render(task),
            Self::Object(prepared) => prepared.render(task),
        }
    }
}

impl Templates {
    /// The template of a queue for a runner, with values of its variables: those given, else such as they can have.
    pub(super) fn prepare(
        &self,
        runner: (&RunnerName, &Arc<RegisterRequest>),
        offer: &ClusterOffer,
        queue: (&QueueName, &Arc<NewQueue>),
        given: Option<&BTreeMap<String, Value>>,
    ) -> Attempted {
        let key = given.map(|given| json!(given).to_string()).unwrap_or_default();
        if let Some(known) = self.of(runner, queue, |merged| merged.by_values.get(&key).cloned()) {
            return known;
        }
        // Others do not wait for this.
        let values = values(queue.1, given);
        let gpu = queue.1.gpu.as_ref().and_then(|gpu| gpu_template(gpu).ok());
        let prepared: Attempted = Arc::new(values.and_then(|values| {
            let layers = Layers {
                base: offer.base.as_ref(),
                gpu: gpu.as_ref(),
                queue: queue.1.pod_template.as_ref(),
                overlay: offer.overlays.get(queue.0),
                image: queue.1.defaults.image.as_deref(),
                image_of_task: !queue.1.allow.images.is_empty(),
                values: Some(&values),
                namespaces: &offer.namespaces,
            };
            Ready::new(queue.1, &layers)
        }));
        let keep = |merged: &mut Merged| {
            if merged.by_values.len() >= MAX_VALUES {
                merged.by_values.clear();
            }
            merged.by_values.insert(key, prepared.clone());
            None::<()>
        };
        self.of(runner, queue, keep);
        prepared
    }

    /// A short text that changes with a queue's document and with a runner's layers: 16 hex digits of a SHA-256.
    pub(super) fn mark(&self, runner: (&RunnerName, &Arc<RegisterRequest>), queue: (&QueueName, &Arc<NewQueue>)) -> String {
        let known = |merged: &mut Merged| Some(merged.mark.get_or_init(|| mark(&merged.queue, &merged.runner)).clone());
        self.of(runner, queue, known).unwrap_or_default()
    }

    /// What is kept of a queue for a runner; what was kept of others in their place goes.
    fn of<T>(
        &self,
        runner: (&RunnerName, &Arc<RegisterRequest>),
        queue: (&QueueName, &Arc<NewQueue>),
        then: impl FnOnce(&mut Merged) -> Option<T>,
    ) -> Option<T> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let of_runner = known.entry(runner.0.clone()).or_default();
        let fresh = || Merged { queue: queue.1.clone(), runner: runner.1.clone(), by_values: HashMap::new(), mark: OnceLock::new() };
        let merged = of_runner.entry(queue.0.clone()).or_insert_with(fresh);
        if !Arc::ptr_eq(&merged.queue, queue.1) || !Arc::ptr_eq(&merged.runner, runner.1) {
            *merged = fresh();
        }
        then(merged)
    }
}

fn mark(queue: &NewQueue, runner: &RegisterRequest) -> String {
    let both = serde_json::to_string(&(queue, &runner.cluster)).unwrap_or_default();
    let digest: [u8; 32] = Sha256::digest(both).into();
    format!("{:016x}", u64::from_be_bytes(*digest.first_chunk().unwrap_or(&[0; 8])))
}

/// The values of a queue's variables: with those given, or such as they can have.
pub(super) fn values(queue: &NewQueue, given: Option<&BTreeMap<String, Value>>) -> Result<Values, Vec<template::Fault>> {
    let variables = Variables::read(&queue.variables)?;
    match given {
        Some(given) => variables.values(given),
        None => Ok(variables.sample()),
    }
}

/// What a task of a queue costs that names no GPUs itself, with these values of its variables.
pub(super) fn cost(queue: &NewQueue, values: &Values) -> Cost {
    if let Some(object) = &queue.object {
        return template::object_cost(&object.manifest, values);
    }
    let gpu = queue.gpu.as_ref().and_then(|gpu| gpu_template(gpu).ok());
    template::queue_cost(gpu.as_ref(), queue.pod_template.as_ref(), values)
}

impl App {
    /// The queues that a runner cannot serve, as they are now: for one on Kubernetes those without a Job, or with an object
    /// whose kind its cluster does not take, for any other those that ask for a pod.
    pub(super) fn beyond(&self, name: &RunnerName) -> BTreeSet<QueueName> {
        let runner = self.runners.get(name);
        let serves = |queue: (&QueueName, &Arc<NewQueue>)| match runner.as_ref().and_then(|runner| Some((runner, runner.cluster.as_ref()?)))
        {
            Some((runner, offer)) => {
                let prepared = self.templates.prepare((name, runner), offer, queue, None);
                prepared.as_ref().as_ref().is_ok_and(|ready| self.unserved.refusal(name, queue.1, ready).is_none())
            }
            None => !queue.1.asks_for_pods(),
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
                None if !queue.asks_for_pods() => return None,
                None => {}
                Some(offer) => match &*self.templates.prepare((&runner, &doc), offer, (name, &queue), None) {
                    Ok(_) => return None,
                    Err(found) => faults.extend(found.iter().cloned()),
                },
            }
        }
        let mut told = BTreeSet::new();
        faults.retain(|fault| told.insert(fault.to_string()));
        (!faults.is_empty()).then_some(faults)
    }

    /// Merges the template of a queue for all its runners, so that no claim waits for it.
    pub(super) fn warm(&self, name: &QueueName) {
        let Some(queue) = self.queues.get(name.as_str()) else { return };
        for (runner, doc) in self.runners.all() {
            if let Some(offer) = &doc.cluster {
                self.templates.prepare((&runner, &doc), offer, (name, &queue), None);
                self.templates.prepare((&runner, &doc), offer, (name, &queue), Some(&BTreeMap::new()));
            }
        }
    }

    /// Why no runner makes a pod of a task; none where one does, or where none makes any of its queue's.
    pub(super) fn unmade(&self, spec: &TaskSpec, user: &str) -> Option<Vec<template::Fault>> {
        let name = &spec.queue;
        let queue = self.queues.get(name.as_str()).filter(|queue| has_pods(queue))?;
        let mut first = None;
        for (runner, doc) in self.runners.all() {
            let Some(offer) = doc.cluster.as_ref().filter(|_| doc.queues.iter().any(|served| served == "*" || served == name.as_str()))
            else {
                continue;
            };
            let prepare = |given| self.templates.prepare((&runner, &doc), offer, (name, &queue), given);
            if prepare(None).is_err() {
                continue;
            }
            let facts = Facts { runner: Some(runner.as_str()), ..facts(spec, user, &queue) };
            match prepare(Some(&spec.overrides.variables)).as_ref() {
                Ok(prepared) => match prepared.render(&layer(spec, &queue, facts)) {
                    Ok(_) => return None,
                    Err(faults) => drop(first.get_or_insert(faults)),
                },
                Err(faults) => drop(first.get_or_insert_with(|| faults.iter().map(of_values).collect())),
            }
        }
        first
    }

    /// Why a task that waits is not what its queue takes by now.
    pub(super) fn misfit(&self, task: &TaskRecord) -> Option<(Reason, Vec<template::Fault>)> {
        let spec = runs(task);
        let queue = self.queues.get(spec.queue.as_str())?;
        let denied = queue.allow.denies(&spec, &of_queue(&queue));
        if !denied.is_empty() {
            return Some((
                Reason::PolicyDenied,
                denied.into_iter().map(|v| template::Fault { pointer: v.pointer, message: v.message }).collect(),
            ));
        }
        self.unmade(&spec, &task.user).map(|faults| (Reason::TemplateInvalid, faults))
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
        let manifest = starts.then(|| {
            let given = Some(&spec.overrides.variables);
            let prepared = self.templates.prepare((name, &runner), offer, (&spec.queue, &queue), given);
            let facts = Facts { id: task.id.0, attempt: task.attempt.0, runner: Some(name.as_str()), ..facts(spec, &task.user, &queue) };
            manifest(&prepared, &runs(task), &queue, facts)
        });
        let now = self.store.uptime().now();
        let ends_in = task.end_up.map(|end| u64::try_from(end.saturating_sub(now)).unwrap_or(0).div_ceil(1_000));
        // An object is watched from outside, where each limit counts for itself.
        let timeout = if queue.object.is_some() { spec.timeout_seconds } else { task.time_limit(now) };
        Some(assembled(spec, &queue, manifest.flatten(), timeout, ends_in))
    }

    /// What a runner would make of the first attempt of a task that is not stored; none where it makes nothing of it.
    pub(super) fn first_order(
        &self,
        runner: (&RunnerName, &Arc<RegisterRequest>),
        offer: &ClusterOffer,
        queue: &Arc<NewQueue>,
        spec: &TaskSpec,
        user: &str,
    ) -> Option<JobOrder> {
        let prepared = self.templates.prepare(runner, offer, (&spec.queue, queue), Some(&spec.overrides.variables));
        let facts = Facts { runner: Some(runner.0.as_str()), ..facts(spec, user, queue) };
        let manifest = manifest(&prepared, spec, queue, facts)?;
        Some(assembled(spec, queue, Some(manifest), spec.timeout_seconds, None))
    }
}

/// An order: what is to be made, and by which times. `ends_in` is what is left of the task's time in all.
fn assembled(spec: &TaskSpec, queue: &NewQueue, manifest: Option<Value>, timeout: Option<u64>, ends_in: Option<u64>) -> JobOrder {
    let object = queue.object.as_ref().map(|object| ObjectOrder {
        api_version: text(&object.manifest, "apiVersion"),
        kind: text(&object.manifest, "kind"),
        succeeded: object.succeeded.clone(),
        failed: object.failed.clone(),
        ends_in_seconds: ends_in,
    });
    JobOrder {
        manifest,
        use_image_entrypoint: spec.work == Work::Entrypoint,
        timeout_seconds: timeout,
        object: object.map(Box::new),
        grace_seconds: spec.grace_seconds,
        pending_timeout_seconds: queue.pending_timeout_seconds.unwrap_or(limits::DEFAULT_PENDING_TIMEOUT_SECONDS),
        fail_pending_after_seconds: queue.fail_pending_after_seconds,
        keep_jobs_seconds: queue.keep_jobs_seconds.unwrap_or_default(),
        mounts: queue.sources().mounts(),
    }
}

/// A fault of a template with the values of one task.
fn of_values(fault: &template::Fault) -> template::Fault {
    template::Fault { pointer: "/variables".into(), message: format!("with these values, in the queue's template: {fault}") }
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

/// The Job of a task of a queue; none where its queue by now does not allow it, or makes none of it.
fn manifest(prepared: &Attempted, spec: &TaskSpec, queue: &NewQueue, facts: Facts<'_>) -> Option<Value> {
    let allowed = queue.allow.denies(spec, &of_queue(queue)).is_empty();
    let prepared = prepared.as_ref().as_ref().ok().filter(|_| allowed)?;
    Some(prepared.render(&layer(spec, queue, facts)).ok()?.manifest)
}

/// What macros say of a task that has no id yet.
pub(super) fn facts<'a>(spec: &'a TaskSpec, user: &'a str, queue: &'a NewQueue) -> Facts<'a> {
    Facts {
        id: 0,
        attempt: 1,
        name: spec.name.as_deref(),
        user,
        queue: spec.queue.as_str(),
        owner: queue.owner.as_deref(),
        project: spec.labels.get("project").map(String::as_str),
        runner: None,
    }
}

fn text(manifest: &Value, field: &str) -> String {
    manifest[field].as_str().unwrap_or_default().to_owned()
}

/// Whether the tasks of a queue have pods of its making.
pub(super) fn has_pods(queue: &NewQueue) -> bool {
    queue.asks_for_pods()
}

/// What a queue says beside what it allows.
pub(super) fn of_queue(queue: &NewQueue) -> OfQueue<'_> {
    OfQueue { pods: has_pods(queue), timeout_seconds: queue.defaults.timeout_seconds, env: &queue.defaults.env }
}

/// What a task says of its pod.
pub(super) fn layer<'a>(spec: &'a TaskSpec, queue: &'a NewQueue, facts: Facts<'a>) -> TaskLayer<'a> {
    TaskLayer {
        gpus: spec.resources.gpus,
        cpu: spec.resources.cpu,
        memory: spec.resources.memory,
        image: spec.overrides.image.as_deref(),
        env: &spec.env,
        queue_env: &queue.defaults.env,
        env_in_pod: spec.work == Work::Entrypoint,
        node_selector: &spec.overrides.node_selector,
        secrets: &spec.overrides.secrets,
        allow: &queue.allow,
        facts,
    }
}
