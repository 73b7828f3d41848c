//! What holds of any texts, and how long it takes.

use super::layers;
use crate::template::{Facts, Layers, Prepared, TaskLayer, Values, check_queue, render};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use std::time::Instant;

/// Texts made of all that could be taken for something else.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("${"),
        Just("{{"),
        Just("}}"),
        Just("}"),
        Just("{"),
        Just("$"),
        Just("$$"),
        Just("$${"),
        Just("a"),
        Just("id"),
        Just("é"),
        Just("${id}"),
        Just("${name}"),
        Just("{{v}}"),
        Just("{{ v }}"),
        Just("${CLEARML_TASK.name}"),
        Just("${CLEARML_TASK.x:"),
        Just("$("),
        Just(")"),
        Just("${$}"),
        Just("${$$}"),
        Just("${HOME}"),
        Just("{{w}}"),
        Just("\u{0}"),
    ];
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// The template of a queue with a text in places that are read in different ways.
fn queue(text: &str) -> Value {
    json!({"metadata": {"annotations": {"a": text}, "labels": {"b": text}}, "spec": {"hostname": text, "containers": [{"image": "x", "args": [text],
        "env": [{"name": "A", "value": text}]}]}})
}

fn made(queue: &Value, v: &str, name: &str) -> Option<Value> {
    let values: Values = [("v".to_owned(), json!(v))].into();
    let layers = Layers { values: Some(&values), ..layers(None, Some(queue), None) };
    let task = TaskLayer { facts: Facts { name: Some(name), ..Facts::default() }, ..TaskLayer::default() };
    render(&layers, &task).ok().map(|job| job.manifest["spec"]["template"].clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever values say, they stand where the template put them and are never read again.
    #[test]
    fn values_are_put_in_and_not_looked_at(text in text(), v in text(), name in text()) {
        let queue = queue(&text);
        let (Some(marked), Some(real)) = (made(&queue, "\u{1}V\u{1}", "\u{1}N\u{1}"), made(&queue, &v, &name)) else { return Ok(()) };
        let place = |text: &Value, double: bool| {
            let of = |value: &str| if double { value.replace('$', "$$") } else { value.to_owned() };
            text.as_str().unwrap().replace("\u{1}V\u{1}", &of(&v)).replace("\u{1}N\u{1}", &of(&name))
        };
        for (pointer, double) in [("/metadata/annotations/a", false), ("/spec/hostname", false), ("/spec/containers/0/args/0", true), ("/spec/containers/0/env/0/value", true)] {
            prop_assert_eq!(&json!(place(marked.pointer(pointer).unwrap(), double)), real.pointer(pointer).unwrap(), "{} {}", text, pointer);
        }
        let label = real["metadata"]["labels"]["b"].as_str().unwrap();
        prop_assert!(crate::domain::valid_label_value(label), "{}", label);
    }

    #[test]
    fn no_text_breaks_the_check_and_what_passes_is_bounded(text in text(), value in text()) {
        let values: Values = [("v".to_owned(), json!(value.repeat(100)))].into();
        let _ = check_queue(&queue(&text), &values);
        if let Some(made) = made(&queue(&text), &value, &value) {
            prop_assert!(made.to_string().len() < 4_000 + 40 * (text.len() + 1) * (value.len() + 1), "{}", made);
        }
    }
}

/// A template of about 10 KB with whatever can be in one.
fn large() -> Value {
    let env: Vec<Value> = (0..140).map(|i| json!({"name": format!("VARIABLE_{i}"), "value": format!("value-{i}-${{run_id}}")})).collect();
    let mounts: Vec<Value> = (0..30).map(|i| json!({"name": format!("volume-{i}"), "mountPath": format!("/data/{i}")})).collect();
    let volumes: Vec<Value> =
        (0..30).map(|i| json!({"name": format!("volume-{i}"), "persistentVolumeClaim": {"claimName": format!("claim-{i}")}})).collect();
    json!({"metadata": {"labels": {"job": "${name}"}}, "spec": {"volumes": volumes,
        "containers": [{"image": "${image_uri}", "env": env, "volumeMounts": mounts, "resources": {"limits": {"nvidia.com/gpu": "{{v}}"}}}]}})
}

/// The goal is 1 ms in a release build. This build is not optimised and shares its machine: the limit only catches what grows
/// faster than the template.
#[test]
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn a_large_template_is_rendered_at_once() {
    let queue = large();
    assert!(queue.to_string().len() > 10_000, "{}", queue.to_string().len());
    let values: Values = [("v".to_owned(), json!(1))].into();
    let layers = Layers { values: Some(&values), ..layers(None, Some(&queue), None) };
    let prepared = Prepared::new(&layers).unwrap();
    let best = |of: &dyn Fn()| {
        let timed = || {
            let begun = Instant::now();
            of();
            begun.elapsed()
        };
        (0..20).map(|_| timed()).min().unwrap()
    };
    let merged = best(&|| drop(Prepared::new(&layers).unwrap()));
    let rendered = best(&|| drop(prepared.render(&TaskLayer::default()).unwrap()));
    eprintln!("10 KB template: merged in {merged:?}, then {rendered:?} a task");
    assert!(rendered.as_millis() < 100, "{rendered:?}");
}
