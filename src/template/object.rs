//! From a queue's custom resource to the object of an attempt, pure.
//!
//! The manifest is the queue's own; of what is inside only pod templates are known, and these are found by their shape
//! wherever they stand: a map with a `spec` that has `containers`. Into each of them go labels, environment and the
//! defaults that pass Pod Security "restricted"; nothing else is added, because nobody here knows what else the kind takes.

mod form;
mod shapes;

use super::{
    Fault, Injection, Layer, Layers, Origins, Rendered, TaskLayer, builtin,
    enforce::enforce_object,
    macros::{self, Known},
    pointer::below,
    reserved, task, values,
    variables::Values,
};
use crate::domain::{
    ObjectKind,
    pod::{self, ENV_PREFIX, LABEL_PREFIX, LABEL_ROLE},
};
use serde_json::{Map, Value, json};

/// What is wrong with the object of a queue; the pointers lead into the `object`. `ends`: the conditions that it names for
/// success and failure; `values`: such as its variables can have.
#[must_use]
pub fn check_object(manifest: &Value, ends: (Option<&str>, Option<&str>), values: &Values) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut wrong = |at: &str, message: String| found.push(Fault::new(at, message));
    if !manifest.is_object() {
        wrong("/manifest", "an object: {apiVersion, kind, metadata, spec}".to_owned());
        return found;
    }
    let text = |field: &str| manifest[field].as_str().filter(|text| !text.is_empty());
    for field in ["apiVersion", "kind"].into_iter().filter(|field| text(field).is_none()) {
        wrong(&format!("/manifest/{field}"), format!("{field} is required: which kind of object it is"));
    }
    if let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) {
        if (version.split_once('/').map(|(group, _)| group), kind) == (Some("batch"), "CronJob") {
            wrong("/manifest/kind", "a CronJob has no end: give the Job itself; there are no schedules".to_owned());
        }
        for (field, given) in [("succeeded", ends.0), ("failed", ends.1)] {
            match (ObjectKind::of(version, kind), given) {
                (Some(_), Some(_)) => wrong(&format!("/{field}"), format!("the end of a {kind} ({version}) is known: leave it out")),
                (None, None | Some("")) => {
                    let message = format!("nothing is known of the status of a {kind} ({version}): name the type of the condition");
                    wrong(&format!("/{field}"), message);
                }
                _ => {}
            }
        }
    }
    if manifest.get("status").is_some() {
        wrong("/manifest/status", "the status is its controller's".to_owned());
    }
    let inside =
        values::fill(manifest, values).map_or_else(|faults| faults, |filled| [form::faults(&filled), check_filled(&filled)].concat());
    found.extend(inside.into_iter().map(|fault| Fault { pointer: format!("/manifest{}", fault.pointer), ..fault }));
    found
}

/// The same for what stands in the object, the values of variables in their places.
fn check_filled(manifest: &Value) -> Vec<Fault> {
    // A name may have macros in it; what it is then is made a legal one.
    let mut metadata = manifest["metadata"].clone();
    if let Some(fields) = metadata.as_object_mut() {
        fields.remove("name");
    }
    let (mut inside, pods) = (Vec::new(), pod_templates(manifest));
    reserved::metadata(&metadata, &mut inside);
    for at in &pods {
        let template = manifest.pointer(at).unwrap_or(&Value::Null);
        inside.extend(ours(template).into_iter().map(|fault| Fault { pointer: format!("{at}{}", fault.pointer), ..fault }));
    }
    for part in ["metadata", "spec"] {
        macros::check(&below("", part), &manifest[part], &mut inside);
    }
    inside
}

/// What a pod template says that is ours to say.
fn ours(template: &Value) -> Vec<Fault> {
    let mut found = Vec::new();
    let keys = |field: &str| template["metadata"][field].as_object().into_iter().flatten().map(|(key, _)| key.clone());
    for field in ["labels", "annotations"] {
        for key in keys(field).filter(|key| key.starts_with(LABEL_PREFIX)) {
            found.push(Fault::new(below(&format!("/metadata/{field}"), key), format!("{LABEL_PREFIX} belongs to Slipway")));
        }
    }
    for field in ["containers", "initContainers"] {
        for (i, container) in template["spec"][field].as_array().into_iter().flatten().enumerate() {
            for (j, variable) in container["env"].as_array().into_iter().flatten().enumerate() {
                if variable["name"].as_str().is_some_and(|name| name.starts_with(ENV_PREFIX)) {
                    let at = format!("/spec/{field}/{i}/env/{j}/name");
                    found.push(Fault::new(at, format!("names that begin with {ENV_PREFIX} belong to Slipway")));
                }
            }
        }
    }
    found
}

/// Where the pod templates of an object stand, in the order of the document: pointers to maps with a `spec` that has
/// `containers`.
#[must_use]
pub fn pod_templates(manifest: &Value) -> Vec<String> {
    let mut found = Vec::new();
    search("", manifest, &mut found);
    found
}

fn search(at: &str, value: &Value, found: &mut Vec<String>) {
    if value["spec"]["containers"].is_array() {
        found.push(at.to_owned());
        return;
    }
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| search(&below(at, key), value, found)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| search(&below(at, i), item, found)),
        _ => {}
    }
}

/// The object of a queue for one runner: what all its tasks have in common. The layers of the runner count for its namespace
/// alone.
pub struct PreparedObject {
    object: Value,
    origins: Origins,
    image: Option<String>,
    values: Values,
    /// The texts with macros.
    macros: Vec<String>,
}

impl PreparedObject {
    /// Fills in the variables and the namespace, and in every container without an image the queue's default.
    ///
    /// # Errors
    /// A variable that there is not, a text where a map belongs, and a namespace that is not the runner's.
    pub fn new(manifest: &Value, layers: &Layers<'_>) -> Result<Self, Vec<Fault>> {
        let values = layers.values.cloned().unwrap_or_default();
        let mut object = values::fill(manifest, &values)?;
        let misshapen = form::faults(&object);
        if !misshapen.is_empty() {
            return Err(misshapen);
        }
        let mut origins = Origins::all(&object, Some(Layer::Queue));
        let (namespace, layer) = namespace(&object, layers).map_err(|fault| vec![fault])?;
        step(&mut object, &mut origins, layer, |object| object["metadata"]["namespace"] = namespace.into());
        step(&mut object, &mut origins, Layer::Queue, |object| {
            let image = layers.image.filter(|_| !shapes::has_images(object));
            each_container(object, |container| {
                if let Some(image) = image.filter(|_| container["image"].as_str().is_none_or(str::is_empty)) {
                    container["image"] = image.into();
                }
            });
        });
        Ok(Self { macros: macros::places(&object), object, origins, image: layers.image.map(str::to_owned), values })
    }

    /// Where the objects stand.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.object["metadata"]["namespace"].as_str().unwrap_or_default()
    }

    /// The object of a task, up to the task's own layer: macros expanded, and its variables in every container of its pods.
    ///
    /// # Errors
    /// Variables that the template takes from elsewhere, and an image that nobody names; the pointers lead into the task.
    pub fn render(&self, task: &TaskLayer<'_>) -> Result<Rendered, Vec<Fault>> {
        let (mut object, mut origins) = (self.object.clone(), self.origins.clone());
        let beyond = beyond(task);
        if !beyond.is_empty() {
            return Err(beyond);
        }
        let known = Known { facts: &task.facts, values: &self.values, image: task.image.or(self.image.as_deref()) };
        let mut faults = macros::expand(&mut object, &self.macros, &known);
        step(&mut object, &mut origins, Layer::Task, |object| {
            each_container(object, |container| {
                task::variables(container, task, &mut faults);
                if container["image"] == "" {
                    let message = "no image: the queue's object takes the task's; name one, or give the queue one (defaults: {image: …})";
                    faults.push(Fault::new("/image", message));
                }
            });
        });
        // The same is said of every container.
        faults.dedup();
        if faults.is_empty() { Ok(Rendered { manifest: object, origins }) } else { Err(faults) }
    }
}

/// What a task says that has no one place in an object of several pods; what the queue leaves to its tasks there are variables.
fn beyond(task: &TaskLayer<'_>) -> Vec<Fault> {
    let said = [
        ("/resources/gpus", task.gpus > 0),
        ("/resources/cpu", task.cpu.is_some()),
        ("/resources/memory", task.memory.is_some()),
        ("/nodeSelector", !task.node_selector.is_empty()),
        ("/secrets", !task.secrets.is_empty()),
    ];
    let message = "the queue makes an object of its own kind of a task, in which this has no place: its variables are what tasks may set";
    said.into_iter().filter(|(_, said)| *said).map(|(at, _)| Fault::new(at, message)).collect()
}

/// Where the object stands, and who says so: the queue before the runner's layers.
fn namespace(object: &Value, layers: &Layers<'_>) -> Result<(String, Layer), Fault> {
    let said = [(Some(object), Layer::Queue), (layers.overlay, Layer::RunnerOverlay), (layers.base, Layer::RunnerBase)];
    let of = |(document, layer): (Option<&Value>, Layer)| Some((document?.pointer("/metadata/namespace")?.as_str()?.to_owned(), layer));
    let first = || Some((layers.namespaces.first()?.clone(), Layer::RunnerBase));
    match said.into_iter().find_map(of).or_else(first) {
        Some((namespace, layer)) if layers.namespaces.contains(&namespace) => Ok((namespace, layer)),
        Some((namespace, _)) => {
            let message = format!("the runner has no namespace {namespace}; it has: {}", layers.namespaces.join(", "));
            Err(Fault::new("/metadata/namespace", message))
        }
        None => Err(Fault::new("/metadata/namespace", "the runner offers no namespace")),
    }
}

fn step(object: &mut Value, origins: &mut Origins, layer: Layer, change: impl FnOnce(&mut Value)) {
    let before = object.clone();
    change(object);
    origins.changed(&before, object, layer);
}

fn each_container(object: &mut Value, mut change: impl FnMut(&mut Value)) {
    for at in pod_templates(object) {
        let containers = object.pointer_mut(&format!("{at}/spec/containers")).and_then(Value::as_array_mut);
        containers.into_iter().flatten().for_each(&mut change);
    }
    shapes::each_container(object, &mut change);
}

/// From a rendered object to the one that is created: its name, the labels of the attempt on it and on every pod template
/// in it, who and what it is in the environment of every container, and what passes Pod Security "restricted" where the
/// template says nothing.
///
/// # Errors
/// Where it has no namespace, as the server renders it.
pub fn complete_object(manifest: Value, injection: &Injection<'_>) -> Result<Rendered, Vec<Fault>> {
    let origins = Origins::all(&manifest, None);
    complete_object_from(Rendered { manifest, origins }, injection)
}

/// The same where it is known who set what before.
///
/// # Errors
/// As [`complete_object`].
pub fn complete_object_from(rendered: Rendered, injection: &Injection<'_>) -> Result<Rendered, Vec<Fault>> {
    let Rendered { manifest, mut origins } = rendered;
    if !manifest["metadata"]["namespace"].is_string() || !manifest["kind"].is_string() {
        return Err(vec![Fault::new("", "not an object with a namespace, as the server renders it")]);
    }
    let mut object = manifest;
    let known = ObjectKind::of(object["apiVersion"].as_str().unwrap_or_default(), object["kind"].as_str().unwrap_or_default());
    let templates: Vec<_> = pod_templates(&object).into_iter().map(|at| (role(&object, &at), at)).collect();
    let before = object.clone();
    for (_, at) in &templates {
        object.pointer_mut(at).into_iter().for_each(restrict);
    }
    shapes::restrict(&mut object);
    origins.changed(&before, &object, Layer::BuiltIn);
    let before = object.clone();
    let given = object["metadata"]["name"].as_str().and_then(pod::sanitised);
    object["metadata"]["name"] = pod::object_name(given.as_deref(), injection.instance, injection.of).into();
    label(&mut object["metadata"], injection);
    for (role, at) in &templates {
        let Some(template) = object.pointer_mut(at) else { continue };
        label(&mut template["metadata"], injection);
        if let Some(role) = role {
            template["metadata"]["labels"][LABEL_ROLE] = role.as_str().into();
        }
        for container in template["spec"]["containers"].as_array_mut().into_iter().flatten() {
            introduce(container, injection, role.as_deref(), known);
        }
    }
    shapes::introduce(&mut object, injection);
    if known == Some(ObjectKind::Job) && object.pointer("/spec/template/spec/restartPolicy").is_none() {
        object["spec"]["template"]["spec"]["restartPolicy"] = "Never".into();
    }
    origins.changed(&before, &object, Layer::Inject);
    step(&mut object, &mut origins, Layer::Enforce, enforce_object);
    Ok(Rendered { manifest: object, origins })
}

fn label(metadata: &mut Value, injection: &Injection<'_>) {
    for (key, value) in pod::labels(injection.instance, injection.runner, injection.of, injection.queue, injection.claim) {
        metadata["labels"][key] = value.into();
    }
}

/// What passes Pod Security "restricted" and reaches nothing of the cluster, where the template says nothing.
fn restrict(template: &mut Value) {
    let spec = &mut template["spec"];
    restrict_pod(spec);
    let named = ["serviceAccountName", "serviceAccount"].iter().any(|field| spec.get(field).is_some());
    if !named {
        default(spec, "automountServiceAccountToken", &false.into());
    }
    for field in ["initContainers", "containers"] {
        spec[field].as_array_mut().into_iter().flatten().for_each(restrict_container);
    }
    if spec["initContainers"].is_null()
        && let Some(fields) = spec.as_object_mut()
    {
        fields.remove("initContainers");
    }
}

/// The same of what is said of all containers of a pod.
fn restrict_pod(spec: &mut Value) {
    for (field, value) in builtin::pod()["spec"]["securityContext"].as_object().into_iter().flatten() {
        default(&mut spec["securityContext"], field, value);
    }
}

/// The same of one container.
fn restrict_container(container: &mut Value) {
    for (field, value) in builtin::container().as_object().into_iter().flatten() {
        default(&mut container["securityContext"], field, value);
    }
    builtin::yield_to_privilege(container);
}

fn default(parent: &mut Value, field: &str, value: &Value) {
    if parent.is_null() {
        *parent = Value::Object(Map::new());
    }
    if let Some(fields) = parent.as_object_mut() {
        fields.entry(field).or_insert_with(|| value.clone());
    }
}

/// Tells a container whose it is. A template's own variables come first.
fn introduce(container: &mut Value, injection: &Injection<'_>, role: Option<&str>, known: Option<ObjectKind>) {
    let mut variables = vec![
        json!({"name": "SLIPWAY_TASK_ID", "value": injection.of.task.to_string()}),
        json!({"name": "SLIPWAY_ATTEMPT_NUMBER", "value": injection.of.attempt.to_string()}),
        json!({"name": "SLIPWAY_QUEUE", "value": injection.queue.as_str()}),
    ];
    variables.extend(role.map(|role| json!({"name": "SLIPWAY_ROLE", "value": role})));
    let rank = known.and_then(ObjectKind::rank_field);
    variables.extend(rank.map(|path| json!({"name": "SLIPWAY_RANK", "valueFrom": {"fieldRef": {"fieldPath": path}}})));
    match &mut container["env"] {
        Value::Array(env) => env.extend(variables),
        absent => *absent = variables.into(),
    }
}

/// What the pods of a template are among the others: the name of the replicas, group or task that it stands in.
fn role(object: &Value, at: &str) -> Option<String> {
    let steps: Vec<&str> = at.split('/').skip(1).collect();
    (0..steps.len()).rev().find_map(|last| {
        let (way, step) = (&steps[..last], steps[last]);
        let parent = object.pointer(&at[..way.iter().map(|step| step.len() + 1).sum()])?;
        let name = match parent {
            Value::Array(items) => {
                let item = items.get(step.parse::<usize>().ok()?)?;
                item["name"].as_str().or(item["groupName"].as_str())?
            }
            _ if way.last().is_some_and(|field| field.ends_with("ReplicaSpecs")) => step,
            _ => step.strip_suffix("GroupSpec").or(step.strip_suffix("PodTemplate"))?,
        };
        let name = pod::sanitised(name)?;
        Some(name.chars().take(40).collect::<String>().trim_end_matches('-').to_owned())
    })
}

#[cfg(test)]
mod tests;
