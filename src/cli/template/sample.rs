//! The queues of a file and a task, made into Jobs here.

use super::Of;
use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
        file,
        queue::wanted,
    },
    domain::{AttemptNumber, AttemptRef, RunnerName, TaskId},
    template::{
        Facts, Fault, Injection, Layers, PreparedObject, Rendered, TaskLayer, Variables, complete_from, complete_object_from, gpu_template,
        render,
    },
    wire::{NewQueue, NewTask, QueueName, RenderRequest},
};
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A queue and a task of it.
pub(super) struct Sample {
    pub(super) name: QueueName,
    pub(super) queue: NewQueue,
    task: NewTask,
}

/// The queues of a file that are asked for, each with the task.
pub(super) struct Samples(pub(super) Vec<Sample>);

/// Reads the files of a command.
pub(super) async fn load(context: &Context, of: &Of) -> Result<Samples, Failure> {
    let mut task = match &of.task {
        Some(path) => {
            let name = path.display().to_string();
            file::parse::<NewTask>(&name, &file::text(&name, context.read(path).await?)?)?
        }
        None => NewTask::default(),
    };
    for pair in &of.set {
        let (name, value) = pair.split_once('=').ok_or_else(|| Failure::usage(format!("--set {pair}: write NAME=VALUE")))?;
        // As YAML reads it: 2 is a number, "2" a text.
        let value = file::parse::<Value>("--set", value).unwrap_or_else(|_| value.into());
        task.variables.insert(name.to_owned(), value);
    }
    let wanted = wanted::load(context, &of.file).await?;
    let names: Vec<String> = wanted.queues.iter().map(|(name, _)| name.to_string()).collect();
    let asked = |name: &QueueName| of.queue.as_ref().is_none_or(|queue| queue == name);
    let chosen: Vec<Sample> =
        wanted.queues.into_iter().filter(|(name, _)| asked(name)).map(|(name, queue)| Sample { name, queue, task: task.clone() }).collect();
    match &of.queue {
        Some(queue) if chosen.is_empty() => {
            Err(Failure::new(Exit::NotFound, format!("the file has no queue {queue}")).hint(format!("it has: {}", names.join(", "))))
        }
        _ => Ok(Samples(chosen)),
    }
}

impl Samples {
    /// The one queue that a command is about.
    pub(super) fn single(mut self, of: &Of) -> Result<Sample, Failure> {
        let one = self.0.pop().filter(|_| self.0.is_empty());
        one.ok_or_else(|| Failure::usage(format!("{} has several queues", of.file.file.display())).hint("name one with --queue"))
    }
}

impl Sample {
    #[cfg(test)]
    pub(super) fn of(name: QueueName, queue: NewQueue, task: NewTask) -> Self {
        Self { name, queue, task }
    }

    /// What the server is asked to preview: the same document and the same task.
    pub(super) fn request(&self) -> RenderRequest {
        let says_nothing = self.task == NewTask::default();
        let mut task = self.task.clone();
        let bare = task.command.is_none() && task.script.is_none();
        if bare && !self.queue.use_image_entrypoint && self.queue.object.is_none() {
            task.command = Some(vec!["true".to_owned()]);
        }
        RenderRequest { task: (!says_nothing).then_some(task), queue: Some(self.queue.clone()) }
    }

    /// The Job, or the object in its place, up to the task. Where no task is given and tasks have to name an image, it is one that the queue takes.
    pub(super) fn render(&self) -> Result<Rendered, Vec<Fault>> {
        let alone = self.render_with(self.task.image.as_deref());
        let given = NewTask { variables: BTreeMap::new(), ..self.task.clone() } != NewTask::default();
        match (self.queue.allow.sample_image(), &alone) {
            (Some(image), Err(faults)) if !given && faults.iter().all(|fault| fault.pointer == "/image") => self.render_with(Some(&image)),
            _ => alone,
        }
    }

    fn render_with(&self, image: Option<&str>) -> Result<Rendered, Vec<Fault>> {
        let placed = |at: &str, faults: Vec<Fault>| -> Vec<Fault> {
            faults.into_iter().map(|fault| Fault { pointer: format!("{at}{}", fault.pointer), ..fault }).collect()
        };
        let queue = &self.queue;
        let variables = Variables::read(&queue.variables).map_err(|faults| placed("/variables", faults))?;
        let values = if self.task.variables.is_empty() {
            variables.sample()
        } else {
            variables.values(&self.task.variables).map_err(|faults| placed("/variables", faults))?
        };
        let gpu = queue.gpu.as_ref().map(gpu_template).transpose().map_err(|faults| placed("/gpu", faults))?;
        // Which namespaces a runner has is not known here: any that the template names will do.
        let document = queue.object.as_ref().map(|object| &object.manifest).or(queue.pod_template.as_ref());
        let namespace = document.and_then(|template| template.pointer("/metadata/namespace")?.as_str());
        let namespaces = [namespace.unwrap_or("default").to_owned()];
        let layers = Layers {
            gpu: gpu.as_ref(),
            queue: queue.pod_template.as_ref(),
            image: queue.defaults.image.as_deref(),
            image_of_task: !queue.allow.images.is_empty(),
            values: Some(&values),
            namespaces: &namespaces,
            ..Layers::default()
        };
        let task = &self.task;
        let resources = task.resources.unwrap_or_default();
        let mut env: BTreeMap<String, String> = queue.defaults.env.clone();
        env.extend(task.env.clone());
        let layer = TaskLayer {
            gpus: resources.gpus,
            cpu: resources.cpu,
            memory: resources.memory,
            image,
            env: &env,
            queue_env: &queue.defaults.env,
            env_in_pod: queue.use_image_entrypoint || queue.object.is_some(),
            node_selector: &task.node_selector,
            secrets: &task.secrets,
            allow: &queue.allow,
            facts: Facts {
                id: 1,
                attempt: 1,
                name: Some(task.name.as_deref().unwrap_or("sample")),
                user: "you",
                queue: self.name.as_str(),
                owner: queue.owner.as_deref(),
                project: task.labels.get("project").map(String::as_str),
                runner: Some("runner"),
            },
        };
        match &queue.object {
            Some(object) => PreparedObject::new(&object.manifest, &layers)?.render(&layer),
            None => render(&layers, &layer),
        }
    }

    /// The Job as a runner would create it for the first attempt of a first task.
    pub(super) fn complete(&self) -> Result<Rendered, Failure> {
        let broken = |faults: Vec<Fault>| refused(&self.name, &faults);
        let runner: RunnerName = "runner".parse().map_err(|_| Failure::new(Exit::Error, "no runner"))?;
        let rendered = self.render().map_err(broken)?;
        let injection = Injection {
            of: AttemptRef { task: TaskId(1), attempt: AttemptNumber(1) },
            instance: "xxxxx",
            runner: &runner,
            queue: &self.name,
            claim: Uuid::nil(),
            agent_image: concat!("slipway-agent:", env!("CARGO_PKG_VERSION")),
            agent_pull_policy: None,
            use_image_entrypoint: self.queue.use_image_entrypoint,
            timeout_seconds: self.task.timeout_seconds.or(self.queue.defaults.timeout_seconds),
            grace_seconds: self.task.grace_seconds.or(self.queue.defaults.grace_seconds).unwrap_or(30),
            mounts: &self.queue.sources().mounts(),
        };
        let complete = if self.queue.object.is_some() { complete_object_from } else { complete_from };
        complete(rendered, &injection).map_err(broken)
    }
}

/// What keeps a queue from making a Job.
fn refused(name: &QueueName, faults: &[Fault]) -> Failure {
    faults.iter().fold(Failure::new(Exit::Error, format!("{name} makes no Job")), |failure, fault| failure.hint(fault.to_string()))
}
