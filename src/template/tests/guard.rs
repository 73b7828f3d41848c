//! A task changes nothing that its queue does not let it change: over every field that a pod can have.

use super::layers;
use crate::{
    domain::{Allow, SecretUse},
    template::{Layers, TaskLayer, guard, pointer::below, render},
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::{
    Deserialize,
    de::{
        DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor,
        value::{Error, StrDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Answers whatever a type asks for, so that it has every field there is.
#[derive(Clone, Copy)]
struct Everything {
    field: &'static str,
}

impl<'de> Deserializer<'de> for Everything {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(1)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(true)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let time = self.field.ends_with("Timestamp") || self.field == "time";
        visitor.visit_str(if time { "2026-01-01T00:00:00Z" } else { "x" })
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Once(Some(self)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Fields { left: &["k"], at: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Fields { left: fields, at: None })
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier ignored_any
    }
}

struct Once(Option<Everything>);

impl<'de> SeqAccess<'de> for Once {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.take().map(|of| seed.deserialize(of)).transpose()
    }
}

struct Fields {
    left: &'static [&'static str],
    at: Option<&'static str>,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((first, rest)) = self.left.split_first() else { return Ok(None) };
        (self.left, self.at) = (rest, Some(*first));
        let key: StrDeserializer<'_, Error> = serde::de::IntoDeserializer::into_deserializer(*first);
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(Everything { field: self.at.unwrap_or_default() })
    }
}

/// A pod template in which every field of the types is set.
fn everything() -> Value {
    serde_json::to_value(PodTemplateSpec::deserialize(Everything { field: "" }).unwrap()).unwrap()
}

/// Each value of a document changed, and each taken away: where, and the document then.
fn changes(document: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    walk("", document, &mut |at, value| {
        let parent = at.rsplit_once('/').unwrap_or_default();
        let other = match value {
            Value::String(text) => json!(format!("{text}y")),
            Value::Bool(yes) => json!(!yes),
            Value::Number(_) => json!(7),
            _ => Value::Null,
        };
        let mut changed = document.clone();
        if let Some(place) = changed.pointer_mut(at) {
            *place = other;
        }
        found.push((at.to_owned(), changed));
        let mut without = document.clone();
        match without.pointer_mut(parent.0) {
            Some(Value::Object(fields)) => drop(fields.remove(&parent.1.replace("~1", "/"))),
            Some(Value::Array(items)) => drop(items.remove(parent.1.parse().unwrap())),
            _ => return,
        }
        found.push((at.to_owned(), without));
    });
    found
}

fn walk(at: &str, value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    if !at.is_empty() {
        visit(at, value);
    }
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| walk(&below(at, key), value, visit)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, value)| walk(&below(at, i), value, visit)),
        _ => {}
    }
}

#[test]
fn no_field_of_a_pod_can_be_changed_or_taken_away() {
    let all = everything();
    let fields: BTreeSet<&String> = all["spec"].as_object().unwrap().keys().collect();
    assert_eq!(fields.len(), super::super::fields::fields(&["spec"]).len(), "every field of a PodSpec is looked at");
    let changes = changes(&all);
    assert!(changes.len() > 2_000, "{}", changes.len());
    for (at, changed) in changes {
        let found = guard::faults(&all, &changed, &TaskLayer::default());
        assert!(!found.is_empty(), "{at} could be changed");
    }
}

#[test]
fn what_is_allowed_in_one_place_is_allowed_nowhere_else() {
    let mut all = everything();
    for name in ["cpu", "memory"] {
        all["spec"]["containers"][0]["resources"]["limits"][name] = json!("1");
    }
    let allow = Allow {
        images: vec!["*".into()],
        cpu: "8".parse().ok(),
        memory: "8Gi".parse().ok(),
        env: Some(vec!["*".into()]),
        node_selector: vec!["k".into()],
        secrets: vec!["x".into()],
        ..Allow::default()
    };
    let env = [("x".to_owned(), "y".to_owned())].into();
    let selector: BTreeMap<String, String> = [("k".to_owned(), "xy".to_owned())].into();
    let task = TaskLayer { allow: &allow, env: &env, node_selector: &selector, ..TaskLayer::default() };
    let open: BTreeSet<String> =
        changes(&all).into_iter().filter(|(_, changed)| guard::faults(&all, changed, &task).is_empty()).map(|(at, _)| at).collect();
    // The variable has a source, so not even a queue that allows all variables lets a task replace it.
    assert_eq!(open.iter().map(String::as_str).collect::<Vec<_>>(), ["/spec/containers/0/image", "/spec/nodeSelector/k"]);
}

#[test]
fn a_task_adds_its_own_and_leaves_the_rest() {
    let queue = json!({"spec": {"volumes": [{"name": "data", "emptyDir": {}}], "nodeSelector": {"zone": "a"}, "containers": [
        {"image": "x", "env": [{"name": "A", "value": "1"}], "volumeMounts": [{"name": "data", "mountPath": "/data"}]}, {"name": "side", "image": "y"}]}});
    let allow = Allow {
        images: vec!["z".into()],
        cpu: "4".parse().ok(),
        memory: "4Gi".parse().ok(),
        node_selector: vec!["disk".into()],
        secrets: vec!["s".into()],
        ..Allow::default()
    };
    let secrets = [
        SecretUse { env: Some("TOKEN".into()), file: None, secret: "s".into(), key: "k".into() },
        SecretUse { env: None, file: Some("f".into()), secret: "s".into(), key: "k".into() },
    ];
    let selector: BTreeMap<String, String> = [("disk".to_owned(), "nvme".to_owned())].into();
    let task = TaskLayer {
        image: Some("z"),
        cpu: "2".parse().ok(),
        memory: "1Gi".parse().ok(),
        gpus: 1,
        node_selector: &selector,
        secrets: &secrets,
        allow: &allow,
        ..TaskLayer::default()
    };
    let of = |task: &TaskLayer<'_>| render(&Layers { image: None, ..layers(None, Some(&queue), None) }, task);
    insta::assert_json_snapshot!(of(&task).unwrap().manifest["spec"]["template"]["spec"]);
    // The second line, where the first was passed.
    for (what, broken) in [
        ("image", TaskLayer { image: Some("w"), ..task }),
        ("cpu", TaskLayer { cpu: "5".parse().ok(), ..task }),
        ("nodeSelector", TaskLayer { allow: &Allow { node_selector: vec![], ..allow.clone() }, ..task }),
        ("secrets", TaskLayer { allow: &Allow { secrets: vec![], ..allow.clone() }, ..task }),
    ] {
        let faults = of(&broken).unwrap_err();
        assert!(faults[0].message.contains("allow does not name it"), "{what}: {faults:?}");
    }
    let mounted = json!({"spec": {"containers": [{"image": "x", "volumeMounts": [{"name": "data", "mountPath": "/secrets/own"}]}], "volumes": [{"name": "data", "emptyDir": {}}]}});
    let faults = render(&layers(None, Some(&mounted), None), &task).unwrap_err();
    assert_eq!(faults[0].pointer, "/secrets/1/file");
}
