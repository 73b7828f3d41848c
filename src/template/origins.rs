//! Who set what: a tree of the document's shape whose leaves are layers.

use super::{
    Layer,
    lists::{List, list},
    pointer,
};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Of each value of a document, the layer that set it. As JSON it has the document's shape; an empty list or map counts
/// as one value, and what the document came with is `null`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origins(Node);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Node {
    Leaf(Option<Layer>),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
}

impl Origins {
    /// The layer that set the value there; none where there is no single value, or nobody is known to have set it.
    #[must_use]
    pub fn of(&self, pointer: &str) -> Option<Layer> {
        match self.node(pointer)? {
            Node::Leaf(layer) => *layer,
            Node::List(_) | Node::Map(_) => None,
        }
    }

    fn node(&self, pointer: &str) -> Option<&Node> {
        pointer::steps(pointer).unwrap_or_default().iter().try_fold(&self.0, |node, step| match node {
            Node::Leaf(_) => None,
            Node::List(items) => items.get(step.parse::<usize>().ok()?),
            Node::Map(fields) => fields.get(step),
        })
    }

    /// The layer that set what stands there, or of several values the first; none where nobody is known to have set it.
    #[must_use]
    pub fn first(&self, pointer: &str) -> Option<Layer> {
        let mut node = self.node(pointer)?;
        loop {
            node = match node {
                Node::Leaf(layer) => return *layer,
                Node::List(items) => items.first()?,
                Node::Map(fields) => fields.values().next()?,
            };
        }
    }

    /// All of a document from one layer, or from nobody known.
    pub(super) fn all(document: &Value, layer: Option<Layer>) -> Self {
        Self(whole(document, layer))
    }

    /// After a layer turned `before` into `after`: it owns what it changed.
    pub(super) fn changed(&mut self, before: &Value, after: &Value, layer: Layer) {
        self.0 = compared("", (before, &self.0), after, layer);
    }

    /// The part that a field holds, where it is there.
    pub(super) fn field(&self, name: &str) -> Option<Self> {
        match &self.0 {
            Node::Map(fields) => fields.get(name).cloned().map(Self),
            Node::Leaf(_) | Node::List(_) => None,
        }
    }

    /// The tree of a document made of others.
    pub(super) fn map(fields: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        Self(Node::Map(fields.into_iter().map(|(name, part)| (name.to_owned(), part.0)).collect()))
    }
}

fn whole(value: &Value, layer: Option<Layer>) -> Node {
    match value {
        Value::Array(items) if !items.is_empty() => Node::List(items.iter().map(|item| whole(item, layer)).collect()),
        Value::Object(map) if !map.is_empty() => Node::Map(map.iter().map(|(key, item)| (key.clone(), whole(item, layer))).collect()),
        _ => Node::Leaf(layer),
    }
}

/// What became of a value of the field `field`.
fn compared(field: &str, (before, node): (&Value, &Node), after: &Value, layer: Layer) -> Node {
    if before == after {
        return node.clone();
    }
    match (before, node, after) {
        (Value::Object(old), Node::Map(nodes), Value::Object(new)) if !new.is_empty() => {
            let one = |(key, value): (&String, &Value)| {
                let known = old.get(key).zip(nodes.get(key));
                (key.clone(), known.map_or_else(|| whole(value, Some(layer)), |known| compared(key, known, value, layer)))
            };
            Node::Map(new.iter().map(one).collect())
        }
        (Value::Array(old), Node::List(nodes), Value::Array(new)) if !new.is_empty() => {
            let one = |value: &Value| {
                let same = |item: &&(&Value, &Node)| match list(field) {
                    List::By(key) => item.0[key] == value[key],
                    List::Added => item.0 == value,
                    List::Replaced => false,
                };
                let known = old.iter().zip(nodes).collect::<Vec<_>>();
                known.iter().find(same).map_or_else(|| whole(value, Some(layer)), |known| compared("", *known, value, layer))
            };
            Node::List(new.iter().map(one).collect())
        }
        _ => whole(after, Some(layer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_layer_owns_what_it_changed_and_no_more() {
        let base = json!({"spec": {"volumes": [], "args": ["a", "b"], "env": [{"name": "A", "value": "1"}], "tolerations": [{"key": "x"}, {"key": "y"}]}});
        let next = json!({"spec": {"volumes": [], "args": ["a"], "env": [{"name": "A", "value": "2"}, {"name": "B"}], "tolerations": [{"key": "y"}, {"key": "z"}]}});
        let mut origins = Origins::all(&base, Some(Layer::RunnerBase));
        origins.changed(&base, &next, Layer::Queue);
        for (pointer, layer) in [
            ("/spec/volumes", Layer::RunnerBase),
            ("/spec/args/0", Layer::Queue),
            ("/spec/env/0/name", Layer::RunnerBase),
            ("/spec/env/0/value", Layer::Queue),
            ("/spec/env/1/name", Layer::Queue),
            ("/spec/tolerations/0/key", Layer::RunnerBase),
            ("/spec/tolerations/1/key", Layer::Queue),
        ] {
            assert_eq!(origins.of(pointer), Some(layer), "{pointer}");
        }
        for nothing in ["", "/spec", "/spec/env/0", "/spec/env/9", "/spec/args/0/x", "/status"] {
            assert_eq!(origins.of(nothing), None, "{nothing}");
        }
        assert_eq!(
            serde_json::to_value(&origins).unwrap()["spec"]["env"],
            json!([{"name": "runnerBase", "value": "queue"}, {"name": "queue"}])
        );
    }

    #[test]
    fn what_a_layer_emptied_is_its_own() {
        let (full, empty) = (json!({"nodeSelector": {"a": "b"}}), json!({"nodeSelector": {}}));
        let mut origins = Origins::all(&full, Some(Layer::BuiltIn));
        origins.changed(&full, &empty, Layer::Queue);
        assert_eq!(origins.of("/nodeSelector"), Some(Layer::Queue));
        origins.changed(&empty, &full, Layer::Task);
        assert_eq!(origins.of("/nodeSelector/a"), Some(Layer::Task));
    }
}
