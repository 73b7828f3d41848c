//! The whole object of an attempt, as its runner would create it.

use super::orders::{self, Ready};
use crate::{
    domain::{AttemptRef, QueueName, RunnerName, TaskSpec},
    template::{self, Facts, Fault, Injection, Layers, Rendered},
    wire::{ClusterOffer, NewQueue},
};
use uuid::Uuid;

/// What stands in place of the agent's image, which only the runner knows.
const AGENT_IMAGE: &str = "slipway-agent";
/// Where a runner's name must stand and there is none.
const NOBODY: &str = "runner";

/// What an object is made of.
pub(super) struct Parts<'a> {
    /// The runner, where there is one, and what it offers.
    pub(super) runner: Option<&'a RunnerName>,
    pub(super) offer: &'a ClusterOffer,
    pub(super) name: &'a QueueName,
    pub(super) queue: &'a NewQueue,
    /// What runs, and for whom.
    pub(super) spec: &'a TaskSpec,
    pub(super) user: &'a str,
    pub(super) of: AttemptRef,
    pub(super) claim: Uuid,
    /// The installation.
    pub(super) instance: &'a str,
}

impl Parts<'_> {
    /// The Job with everything in it, and who set what.
    ///
    /// # Errors
    /// All that is wrong: below `/queue` in the queue's document, below `/task` in the task.
    pub(super) fn whole(&self) -> Result<Rendered, Vec<Fault>> {
        let (queue, spec) = (self.queue, self.spec);
        let below = |at: &'static str| {
            move |faults: Vec<Fault>| -> Vec<Fault> {
                faults.into_iter().map(|fault| Fault { pointer: format!("{at}{}", fault.pointer), ..fault }).collect()
            }
        };
        let denied = queue.allow.denies(spec, &orders::of_queue(queue));
        if !denied.is_empty() {
            let denied = denied.into_iter().map(|v| Fault { pointer: v.pointer, message: v.message }).collect();
            return Err(below("/task")(denied));
        }
        let values = orders::values(queue, Some(&spec.overrides.variables)).map_err(below("/task/variables"))?;
        let (document, at) = match &queue.object {
            Some(object) => (Some(&object.manifest), "/queue/object/manifest"),
            None => (queue.pod_template.as_ref(), "/queue/podTemplate"),
        };
        let own = document.and_then(|document| document.pointer("/metadata/namespace")?.as_str());
        let gpu = queue.gpu.as_ref().map(template::gpu_template).transpose().map_err(below("/queue/gpu"))?;
        let anywhere = [own.unwrap_or("default").to_owned()];
        let layers = Layers {
            base: self.offer.base.as_ref(),
            gpu: gpu.as_ref(),
            queue: queue.pod_template.as_ref(),
            overlay: self.offer.overlays.get(self.name),
            image: queue.defaults.image.as_deref(),
            image_of_task: !queue.allow.images.is_empty(),
            values: Some(&values),
            namespaces: if self.runner.is_some() { &self.offer.namespaces } else { &anywhere },
        };
        let prepared = Ready::new(queue, &layers).map_err(below(at))?;
        let facts = Facts {
            id: self.of.task.0,
            attempt: self.of.attempt.0,
            runner: self.runner.map(RunnerName::as_str),
            ..orders::facts(spec, self.user, queue)
        };
        let rendered = prepared.render(&orders::layer(spec, queue, facts)).map_err(below("/task"))?;
        let nobody = NOBODY.parse().ok();
        let Some(runner) = self.runner.or(nobody.as_ref()) else { return Ok(rendered) };
        let injection = Injection {
            of: self.of,
            instance: self.instance,
            runner,
            queue: self.name,
            claim: self.claim,
            agent_image: AGENT_IMAGE,
            agent_pull_policy: None,
            use_image_entrypoint: spec.is_agentless(),
            timeout_seconds: spec.timeout_seconds,
            grace_seconds: spec.grace_seconds,
            mounts: &queue.sources().mounts(),
        };
        let complete = if queue.object.is_some() { template::complete_object_from } else { template::complete_from };
        complete(rendered, &injection).map_err(below(at))
    }
}
