//! The Job of a queue's task for one runner, up to the task layer.

use super::{
    Fault, Layer, Layers, Origins, Rendered, TaskLayer, builtin,
    decode::{decode, marked, names_task},
    guard,
    macros::{self, Known},
    merge::Merged,
    reserved, task, values,
    variables::Values,
};
use crate::domain::pod::TASK_CONTAINER;
use serde_json::{Value, json};

/// Merges the layers into a Job (`batch/v1`), whose `metadata.name`, where a layer gives one, is what the attempt's name
/// is to begin with.
///
/// # Errors
/// As [`Prepared::new`] and [`Prepared::render`].
pub fn render(layers: &Layers<'_>, task: &TaskLayer<'_>) -> Result<Rendered, Vec<Fault>> {
    Prepared::new(layers)?.render(task)
}

/// The layers of a queue for one runner, merged: what all its tasks have in common.
pub struct Prepared {
    merged: Merged,
    namespace: (String, Layer),
    /// The image where the task brings none.
    image: Option<String>,
    values: Values,
    /// The texts with macros.
    macros: Vec<String>,
}

impl Prepared {
    /// Merges the layers under the task.
    ///
    /// # Errors
    /// All that is wrong: what the documents say, an image that nobody names, a namespace that is not the runner's.
    pub fn new(layers: &Layers<'_>) -> Result<Self, Vec<Fault>> {
        let filled = layers.queue.zip(layers.values).map(|(queue, values)| values::fill(queue, values)).transpose()?;
        let layers = &Layers { queue: filled.as_ref().or(layers.queue), ..*layers };
        let mut merged = layers.merged()?;
        let mut faults = Vec::new();
        merged.change(Layer::Queue, |template| faults.extend(images(template, layers)));
        merged.change(Layer::BuiltIn, |template| {
            for field in ["/spec/containers", "/spec/initContainers"] {
                template.pointer_mut(field).and_then(Value::as_array_mut).into_iter().flatten().for_each(builtin::yield_to_privilege);
            }
        });
        match layers.namespace(&merged) {
            Ok(namespace) if faults.is_empty() => Ok(Self {
                macros: macros::places(&merged.value),
                merged,
                namespace,
                image: layers.image.map(str::to_owned),
                values: layers.values.cloned().unwrap_or_default(),
            }),
            Ok(_) => Err(faults),
            Err(fault) => {
                faults.push(fault);
                Err(faults)
            }
        }
    }

    /// The pod template without a task.
    pub(super) fn pod_template(&self) -> &Value {
        &self.merged.value
    }

    /// The Job of a task, up to the task's own layer.
    ///
    /// # Errors
    /// What the task asks for and the template does not give; the pointers lead into the task.
    pub fn render(&self, task: &TaskLayer<'_>) -> Result<Rendered, Vec<Fault>> {
        let mut merged = self.merged.clone();
        // A text stays a text, so each remains with the layer that wrote it.
        let mut faults = self.expand(&mut merged.value, task);
        let before = merged.value.clone();
        merged.change(Layer::Task, |template| faults.extend(task::apply(template, task)));
        if faults.is_empty() {
            let told = |fault: Fault| Fault::new("", format!("in the pod, {fault}"));
            faults.extend(guard::faults(&before, &merged.value, task).into_iter().map(told));
        }
        if merged.value.pointer("/spec/containers/0/image").and_then(Value::as_str).is_none_or(str::is_empty) {
            faults.push(Fault::new("/image", "no image: name one, or give the queue one (defaults: {image: …})"));
        }
        if faults.is_empty() { Ok(job(merged, self.namespace.clone())) } else { Err(faults) }
    }

    /// Puts in place of the macros what they say of a task, and checks what no template may say once more.
    fn expand(&self, template: &mut Value, task: &TaskLayer<'_>) -> Vec<Fault> {
        if self.macros.is_empty() {
            return Vec::new();
        }
        let known = Known { facts: &task.facts, values: &self.values, image: task.image.or(self.image.as_deref()) };
        let mut faults = macros::expand(template, &self.macros, &known);
        if faults.is_empty() {
            let told = |fault: Fault| Fault::new("/queue", format!("with what the queue's template takes of this task, {fault}"));
            faults.extend(reserved::faults(template).into_iter().map(told));
        }
        faults
    }
}

/// What a task asks for and a queue's template, by itself, does not give; the pointers lead into the task. A runner's
/// layers are not asked: what a queue gives is said by the queue.
#[must_use]
pub fn refuses(pod_template: &Value, values: &Values, task: &TaskLayer<'_>) -> Vec<Fault> {
    let of_queue = |fault: Fault| Fault::new("/queue", format!("with this task, in the queue's template: {fault}"));
    let mut template = match values::fill(pod_template, values) {
        Ok(template) => template,
        Err(faults) => return faults.into_iter().map(of_queue).collect(),
    };
    let places = macros::places(&template);
    let mut faults = macros::expand(&mut template, &places, &Known { facts: &task.facts, values, image: task.image });
    if faults.is_empty() && !places.is_empty() {
        faults.extend(reserved::faults(&template).into_iter().map(of_queue));
    }
    let name = marked(pod_template).unwrap_or(TASK_CONTAINER);
    let containers = pod_template.pointer("/spec/containers").and_then(Value::as_array);
    let task_s = |container: &&Value| container["name"].as_str().unwrap_or(TASK_CONTAINER) == name;
    if let Some(at) = containers.and_then(|containers| containers.iter().position(|container| task_s(&container))) {
        faults.extend(task::apply_to(&mut template["spec"]["containers"][at], task));
    }
    faults
}

impl<'a> Layers<'a> {
    /// The documents, weakest first.
    fn documents(&self) -> impl Iterator<Item = (Layer, &'a Value)> + use<'a> {
        let all =
            [(Layer::RunnerBase, self.base), (Layer::Queue, self.gpu), (Layer::Queue, self.queue), (Layer::RunnerOverlay, self.overlay)];
        all.into_iter().filter_map(|(layer, document)| document.map(|document| (layer, document)))
    }

    /// The name of the task's container, and who gave it.
    fn task_container(&self) -> (&'a str, Layer) {
        if let Some((layer, _)) = self.documents().find(|(_, document)| names_task(document)) {
            return (TASK_CONTAINER, layer);
        }
        let asked = [(Layer::Queue, self.queue), (Layer::RunnerBase, self.base), (Layer::RunnerOverlay, self.overlay)];
        let found = asked.into_iter().find_map(|(layer, document)| Some((marked(document?)?, layer)));
        found.unwrap_or((TASK_CONTAINER, Layer::BuiltIn))
    }

    fn merged(&self) -> Result<Merged, Vec<Fault>> {
        let (name, layer) = self.task_container();
        let mut merged = Merged::new(name, layer);
        let mut faults = Vec::new();
        for (layer, document) in self.documents() {
            match decode(document, name) {
                Ok(document) => faults.extend(merged.add(layer, &document).map_err(|fault| said_by(layer, fault)).err()),
                Err(found) => faults.extend(found.into_iter().map(|fault| said_by(layer, fault))),
            }
        }
        if faults.is_empty() { Ok(merged) } else { Err(faults) }
    }

    /// Where the Job stands, and who says so: the queue's template before the other layers.
    fn namespace(&self, merged: &Merged) -> Result<(String, Layer), Fault> {
        let of_queue = self.queue.and_then(|queue| queue.pointer("/metadata/namespace")).map(|namespace| (namespace, Layer::Queue));
        let of_runner = || Some((merged.value.pointer("/metadata/namespace")?, merged.origins.of("/metadata/namespace")?));
        let (namespace, layer) = match of_queue.or_else(of_runner).and_then(|(namespace, layer)| Some((namespace.as_str()?, layer))) {
            Some((namespace, layer)) => (namespace, layer),
            None => match self.namespaces.first() {
                Some(first) => (first.as_str(), Layer::RunnerBase),
                None => return Err(Fault::new("/metadata/namespace", "the runner offers no namespace")),
            },
        };
        if self.namespaces.iter().any(|offered| offered == namespace) {
            return Ok((namespace.to_owned(), layer));
        }
        let offered = self.namespaces.join(", ");
        Err(Fault::new("/metadata/namespace", format!("the runner has no namespace {namespace}; it has: {offered}")))
    }
}

/// A fault with the document that it is in, where that is not the queue's.
fn said_by(layer: Layer, fault: Fault) -> Fault {
    let whose = match layer {
        Layer::RunnerBase => "in the runner's base: ",
        Layer::RunnerOverlay => "in the runner's overlay: ",
        _ => "",
    };
    Fault { message: format!("{whose}{}", fault.message), ..fault }
}

/// Gives the task's container, the first, the image that is the default, and names the containers without any.
fn images(template: &mut Value, layers: &Layers<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for field in ["containers", "initContainers"] {
        let containers = template.pointer_mut(&format!("/spec/{field}")).and_then(Value::as_array_mut);
        for (i, container) in containers.into_iter().flatten().enumerate() {
            let is_task = field == "containers" && i == 0;
            if container["image"].as_str().is_some_and(|image| !image.is_empty()) {
                continue;
            }
            match layers.image.filter(|_| is_task) {
                Some(image) => container["image"] = image.into(),
                None if is_task && layers.image_of_task => {}
                None if is_task => {
                    let message = "no image: give the queue one (defaults: {image: …}) or the container";
                    faults.push(Fault::new("/spec/containers/0/image", message));
                }
                None => {
                    let name = container["name"].as_str().unwrap_or_default();
                    faults.push(Fault::new(format!("/spec/{field}/{i}/image"), format!("the container {name} has no image")));
                }
            }
        }
    }
    faults
}

/// The Job around a template. Labels and annotations stand on both: queues of other schedulers read the Job's.
fn job(merged: Merged, (namespace, layer): (String, Layer)) -> Rendered {
    let Merged { mut value, mut origins } = merged;
    let mut metadata = json!({"namespace": namespace});
    let mut owners = vec![("namespace", Origins::all(&metadata["namespace"], Some(layer)))];
    let of_template = origins.field("metadata");
    for field in ["annotations", "labels", "name"] {
        if let Some((given, owner)) = value["metadata"].get(field).zip(of_template.as_ref().and_then(|owner| owner.field(field))) {
            metadata[field] = given.clone();
            owners.push((field, owner));
        }
    }
    let before = value.clone();
    if let Some(fields) = value["metadata"].as_object_mut() {
        fields.retain(|field, _| field == "labels" || field == "annotations");
    }
    if value["metadata"].as_object().is_none_or(serde_json::Map::is_empty) {
        value.as_object_mut().map(|fields| fields.remove("metadata"));
    }
    origins.changed(&before, &value, layer);
    let built_in = |value: &str| Origins::all(&value.into(), Some(Layer::BuiltIn));
    let manifest = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": value}});
    let origins = Origins::map([
        ("apiVersion", built_in("batch/v1")),
        ("kind", built_in("Job")),
        ("metadata", Origins::map(owners)),
        ("spec", Origins::map([("template", origins)])),
    ]);
    Rendered { manifest, origins }
}
