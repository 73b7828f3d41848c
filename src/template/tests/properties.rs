//! What holds of any layers.

use super::{gpus, injection, layers, restricted::broken};
use crate::template::{Layer, Rendered, check, complete, pointer::below, render};
use proptest::{collection::btree_map, option, prelude::*, sample::subsequence};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// An object of the fields that are given.
fn object(fields: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    Value::Object(fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect::<Map<_, _>>())
}

fn words() -> impl Strategy<Value = Value> {
    btree_map("[abc]", "[xyz]", 0..3).prop_map(|map: BTreeMap<String, String>| json!(map))
}

/// Some of some named things, each with one of two contents.
fn named(names: &'static [&'static str], one: fn(&str, bool) -> Value) -> impl Strategy<Value = Value> {
    (subsequence(names, 0..=names.len()), any::<[bool; 4]>())
        .prop_map(move |(names, which)| json!(names.iter().zip(which).map(|(name, which)| one(name, which)).collect::<Vec<_>>()))
}

fn variable(name: &str, plain: bool) -> Value {
    if plain {
        json!({"name": name, "value": "1"})
    } else {
        json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}})
    }
}

fn volume(name: &str, plain: bool) -> Value {
    if plain { json!({"name": name, "emptyDir": {}}) } else { json!({"name": name, "persistentVolumeClaim": {"claimName": "c"}}) }
}

fn mount(name: &str, plain: bool) -> Value {
    json!({"name": if plain { "v" } else { "w" }, "mountPath": format!("/{name}")})
}

fn toleration(key: &str, plain: bool) -> Value {
    json!({"key": key, "operator": if plain { "Exists" } else { "Equal" }})
}

fn container(name: &'static str) -> impl Strategy<Value = Value> {
    let lists = (option::of(named(&["A", "B", "C"], variable)), option::of(named(&["m", "n"], mount)));
    (option::of("[ab]:[12]"), option::of(prop::collection::vec("[a-c]", 0..3)), option::of(words()), lists).prop_map(
        move |(image, args, limits, (env, mounts))| {
            object([
                ("name", Some(json!(name))),
                ("image", Some(json!(image.unwrap_or("x".into())))),
                ("args", args.map(|args| json!(args))),
                ("resources", limits.map(|limits| json!({"limits": limits}))),
                ("env", env),
                ("volumeMounts", mounts),
            ])
        },
    )
}

/// A legal document of no `remove`, which overrides nothing of what is restricted.
fn document() -> impl Strategy<Value = Value> {
    let containers = (option::of(container("task")), option::of(container("side"))).prop_map(|(task, side)| {
        let all: Vec<Value> = task.into_iter().chain(side).collect();
        json!(all)
    });
    let metadata = (option::of(words()), option::of(words()))
        .prop_map(|(labels, annotations)| object([("labels", labels), ("annotations", annotations)]));
    let lists = (
        option::of(named(&["k", "l"], toleration)),
        option::of(named(&["v", "w"], volume)),
        option::of(named(&["i"], |name, _| json!({"name": name, "image": "x"}))),
    );
    let scalars = (option::of("[pq]"), option::of(1..9_i64), option::of(any::<bool>()));
    (option::of(metadata), option::of(containers), option::of(words()), lists, scalars).prop_map(
        |(metadata, containers, selector, lists, scalars)| {
            let (tolerations, volumes, inits) = lists;
            let (class, user, links) = scalars;
            let spec = object([
                ("containers", containers),
                ("nodeSelector", selector),
                ("tolerations", tolerations),
                ("volumes", volumes),
                ("initContainers", inits),
                ("priorityClassName", class.map(|class| json!(class))),
                ("securityContext", user.map(|user| json!({"runAsUser": user}))),
                ("enableServiceLinks", links.map(|links| json!(links))),
            ]);
            object([("metadata", metadata), ("spec", Some(spec))])
        },
    )
}

fn rendered(base: &Value, queue: &Value, overlay: &Value) -> Rendered {
    render(&layers(Some(base), Some(queue), Some(overlay)), &gpus(0)).unwrap()
}

/// The pointers of all single values of a document.
fn leaves(at: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => fields.iter().for_each(|(key, value)| leaves(&below(at, key), value, found)),
        Value::Array(items) if !items.is_empty() => items.iter().enumerate().for_each(|(i, value)| leaves(&below(at, i), value, found)),
        _ => found.push(at.to_owned()),
    }
}

fn all_leaves(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    leaves("", value, &mut found);
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_layer_twice_is_the_layer_once(one in document(), other in document()) {
        prop_assert_eq!(check(&one), []);
        prop_assert_eq!(rendered(&json!({}), &one, &one).manifest, rendered(&json!({}), &one, &json!({})).manifest);
        prop_assert_eq!(rendered(&other, &one, &one).manifest, rendered(&other, &one, &json!({})).manifest);
    }

    #[test]
    fn an_empty_layer_changes_nothing_and_owns_nothing(one in document(), other in document()) {
        let with = rendered(&one, &other, &json!({"spec": {}, "metadata": {}}));
        let without = render(&layers(Some(&one), Some(&other), None), &gpus(0)).unwrap();
        prop_assert_eq!(&with, &without);
        for pointer in all_leaves(&with.manifest) {
            prop_assert_ne!(with.origins.of(&pointer), Some(Layer::RunnerOverlay), "{}", pointer);
        }
    }

    #[test]
    fn every_value_has_one_origin(base in document(), queue in document(), overlay in document()) {
        let job = rendered(&base, &queue, &overlay);
        for pointer in all_leaves(&job.manifest) {
            prop_assert!(job.origins.of(&pointer).is_some(), "{} of {}", pointer, job.manifest);
        }
        prop_assert_eq!(all_leaves(&serde_json::to_value(&job.origins).unwrap()), all_leaves(&job.manifest));
    }

    #[test]
    fn the_later_layer_wins(base in document(), queue in document()) {
        let job = rendered(&base, &queue, &json!({}));
        let template = &job.manifest["spec"]["template"];
        for pointer in all_leaves(&queue).iter().filter(|pointer| !pointer.chars().any(|c| c.is_ascii_digit())) {
            let said = queue.pointer(pointer).unwrap();
            if said != &json!({}) && said != &json!([]) {
                prop_assert_eq!(template.pointer(pointer), Some(said), "{}", pointer);
                let before = base.pointer(pointer);
                let owner = job.origins.of(&format!("/spec/template{pointer}"));
                prop_assert_eq!(owner, Some(if before == Some(said) { Layer::RunnerBase } else { Layer::Queue }), "{}", pointer);
            }
        }
        for container in queue["spec"]["containers"].as_array().into_iter().flatten() {
            let mut merged = template["spec"]["containers"].as_array().unwrap().iter();
            let merged = merged.find(|merged| merged["name"] == container["name"]).unwrap();
            prop_assert_eq!(&merged["image"], &container["image"]);
            for variable in container["env"].as_array().into_iter().flatten() {
                prop_assert!(merged["env"].as_array().unwrap().contains(variable), "{} in {}", variable, merged);
            }
        }
    }

    #[test]
    fn what_is_rendered_can_be_completed(base in document(), queue in document(), overlay in document()) {
        let job = complete(rendered(&base, &queue, &overlay).manifest, &injection()).unwrap();
        prop_assert_eq!(broken(&job.manifest), [""; 0]);
        prop_assert_eq!(all_leaves(&serde_json::to_value(&job.origins).unwrap()), all_leaves(&job.manifest));
    }

    #[test]
    fn nothing_breaks_the_check(document in arbitrary()) {
        let _ = check(&document);
        let _ = render(&layers(Some(&document), Some(&document), None), &gpus(1)).map(|job| complete(job.manifest, &injection()));
    }
}

/// Any JSON, often with the names of a pod's fields.
fn arbitrary() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z/~]{0,5}".prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 64, 4, |inner| {
        let key = prop_oneof![
            Just("spec".to_owned()),
            Just("metadata".to_owned()),
            Just("remove".to_owned()),
            Just("containers".to_owned()),
            Just("name".to_owned()),
            Just("env".to_owned()),
            Just("labels".to_owned()),
            Just("volumes".to_owned()),
            Just("resources".to_owned()),
            "[a-z]{1,6}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(key, inner, 0..5).prop_map(|map| json!(map))
        ]
    })
}
