//! Layers over one another.

use super::{Fault, Layer, Origins, builtin, decode::Document, pointer};
use k8s_openapi::{DeepMerge, api::core::v1::PodTemplateSpec};
use serde_json::{Value, json};

/// A pod template under way, and who set what in it.
#[derive(Clone)]
pub(super) struct Merged {
    pub(super) value: Value,
    pub(super) origins: Origins,
}

impl Merged {
    /// The built-in layer with the task's container, which stands first. `layer` is the one that named it.
    pub(super) fn new(task: &str, layer: Layer) -> Self {
        let value = builtin::pod();
        let mut merged = Self { origins: Origins::all(&value, Some(Layer::BuiltIn)), value };
        merged.introduce("containers", task, layer);
        merged
    }

    /// Lays a document over what is there.
    pub(super) fn add(&mut self, layer: Layer, document: &Document) -> Result<(), Fault> {
        // Whole containers go first: those of the layer itself then come with the built-in defaults.
        let (whole, parts): (Vec<_>, Vec<_>) = document.remove.iter().partition(|steps| is_whole(steps));
        self.change(layer, |value| whole.iter().for_each(|steps| pointer::remove(value, steps)));
        for field in ["containers", "initContainers"] {
            for name in names(&document.value, field) {
                self.introduce(field, name, layer);
            }
        }
        self.change(layer, |value| parts.iter().for_each(|steps| pointer::remove(value, steps)));
        self.change(layer, |value| displace(value, &document.value));
        let merged =
            merge(&self.value, document.template.clone()).map_err(|error| Fault::new("", format!("it cannot be merged: {error}")))?;
        self.change(layer, |value| *value = merged);
        Ok(())
    }

    /// Changes the value on behalf of a layer.
    pub(super) fn change(&mut self, layer: Layer, change: impl FnOnce(&mut Value)) {
        let before = self.value.clone();
        change(&mut self.value);
        self.origins.changed(&before, &self.value, layer);
    }

    /// A container that a layer is the first to name, with the built-in defaults.
    fn introduce(&mut self, field: &str, name: &str, layer: Layer) {
        if names(&self.value, field).any(|known| known == name) {
            return;
        }
        self.change(layer, |value| match &mut value["spec"][field] {
            Value::Array(containers) => containers.push(json!({"name": name})),
            absent => *absent = json!([{"name": name}]),
        });
        self.change(Layer::BuiltIn, |value| {
            for one in value["spec"][field].as_array_mut().into_iter().flatten().filter(|one| one["name"] == name) {
                one["securityContext"] = builtin::container();
            }
        });
    }
}

/// Whether a pointer leads to a container or to all of them.
fn is_whole(steps: &[String]) -> bool {
    steps.len() <= 3 && steps.get(1).is_some_and(|field| field == "containers" || field == "initContainers")
}

fn names<'a>(template: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    template["spec"][field].as_array().into_iter().flatten().filter_map(|container| container["name"].as_str())
}

/// The rule of `k8s_openapi`, except that a node selector is merged by key and tolerations are added.
fn merge(weaker: &Value, mut stronger: PodTemplateSpec) -> serde_json::Result<Value> {
    let mut template: PodTemplateSpec = serde_json::from_value(weaker.clone())?;
    let spec = stronger.spec.get_or_insert_default();
    let (selector, tolerations) = (spec.node_selector.take(), spec.tolerations.take());
    template.merge_from(stronger);
    let spec = template.spec.get_or_insert_default();
    if let Some(selector) = selector {
        spec.node_selector.get_or_insert_default().extend(selector);
    }
    if let Some(tolerations) = tolerations {
        let all = spec.tolerations.get_or_insert_default();
        for toleration in tolerations {
            if !all.contains(&toleration) {
                all.push(toleration);
            }
        }
    }
    serde_json::to_value(template)
}

/// Where a layer gives a variable or a volume another kind of source, the old one goes: with both Kubernetes refuses it.
fn displace(weaker: &mut Value, stronger: &Value) {
    displace_in(weaker.pointer_mut("/spec/volumes"), &stronger["spec"]["volumes"]);
    for field in ["containers", "initContainers"] {
        for one in weaker.pointer_mut(&format!("/spec/{field}")).and_then(Value::as_array_mut).into_iter().flatten() {
            let mut others = stronger["spec"][field].as_array().into_iter().flatten();
            if let Some(other) = others.find(|other| other["name"] == one["name"]) {
                displace_in(one.get_mut("env"), &other["env"]);
            }
        }
    }
}

/// The same for one list of things that have a name and one source.
fn displace_in(weaker: Option<&mut Value>, stronger: &Value) {
    for item in weaker.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
        let mut others = stronger.as_array().into_iter().flatten().filter_map(Value::as_object);
        let Some(other) = others.find(|other| other.get("name") == item.get("name")) else { continue };
        if other.keys().any(|key| key != "name") {
            item.retain(|key, _| key == "name" || other.contains_key(key));
        }
    }
}
