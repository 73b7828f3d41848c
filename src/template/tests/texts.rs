//! Variables and macros, up to the Job.

use super::layers;
use crate::template::{Facts, Layer, Layers, TaskLayer, Values, Variables, check, check_queue, refuses, render};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn variables(schemas: &Value) -> Variables {
    Variables::read(&serde_json::from_value(schemas.clone()).unwrap()).unwrap()
}

fn given(values: &Value) -> BTreeMap<String, Value> {
    serde_json::from_value(values.clone()).unwrap()
}

fn facts() -> Facts<'static> {
    Facts {
        id: 1042,
        attempt: 3,
        name: Some("Résumé of Alice's run!"),
        user: "alice@example.com",
        queue: "q1",
        owner: Some("my_Team1"),
        project: Some("My_Proj2"),
        runner: Some("glue-a"),
    }
}

/// The pod template of a queue's task.
fn pod(queue: &Value, values: &Values) -> Value {
    let layers = Layers { values: Some(values), ..layers(None, Some(queue), None) };
    let mut job = render(&layers, &TaskLayer { facts: facts(), ..TaskLayer::default() }).unwrap().manifest;
    job["spec"]["template"].take()
}

/// Golden case G4: a typed template.
#[test]
fn a_variable_has_a_type_and_limits() {
    let of = variables(&json!({"gpus": {"type": "integer", "default": 1, "minimum": 1, "maximum": 4}}));
    let queue = json!({"metadata": {"labels": {"n": "n-{{gpus}}"}}, "spec": {"activeDeadlineSeconds": "{{gpus}}",
        "containers": [{"image": "${image_uri}", "resources": {"limits": {"cpu": 4, "memory": "12Gi", "nvidia.com/gpu": "{{gpus}}"}}}]}});
    assert_eq!(check_queue(&queue, &of.sample()), []);
    let made = pod(&queue, &of.values(&given(&json!({}))).unwrap());
    assert_eq!(made["spec"]["activeDeadlineSeconds"], json!(1));
    assert_eq!(made["metadata"]["labels"]["n"], "n-1");
    assert_eq!(made["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"], "1");
    assert_eq!(made["spec"]["containers"][0]["image"], "python:3.12");
    let refused = |values: Value| of.values(&given(&values)).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(refused(json!({"gpus": 5})), ["/gpus: 5 is more than the maximum 4; it is an integer from 1 to 4"]);
    assert_eq!(refused(json!({"gpus": 0})), ["/gpus: 0 is less than the minimum 1; it is an integer from 1 to 4"]);
    assert_eq!(refused(json!({"gpus": "x"})), ["/gpus: \"x\" is no integer; it is an integer from 1 to 4"]);
    assert_eq!(refused(json!({"gpus": 1.5})), ["/gpus: 1.5 is no integer; it is an integer from 1 to 4"]);
    assert_eq!(refused(json!({"gpu": 1})), ["/gpu: the queue has no variable \"gpu\"; did you mean \"gpus\"?"]);
    assert_eq!(of.values(&given(&json!({"gpus": "3"}))).unwrap()["gpus"], 3, "a flag's text is read as the type");
    assert_eq!(of.values(&given(&json!({"gpus": 2.0}))).unwrap()["gpus"], 2);
}

#[test]
fn every_word_of_a_schema_holds_and_others_are_refused() {
    let faults = |schema: Value| {
        let all = Variables::read(&[("v".to_owned(), schema)].into()).err().unwrap_or_default();
        all.iter().map(|fault| fault.pointer.clone()).collect::<Vec<_>>()
    };
    for (schema, wrong) in [
        (json!({"type": "string", "enum": ["a", "b"], "default": "a", "title": "T", "description": "D"}), vec![]),
        (json!({"type": "integer", "default": 9, "maximum": 4}), vec!["/v/default"]),
        (json!({"type": "string", "enum": ["a", 1]}), vec!["/v/enum/1"]),
        (json!({"type": "string", "enum": [], "default": "x"}), vec!["/v/enum"]),
        (json!({"type": "array"}), vec!["/v/type"]),
        (json!({"default": 1}), vec!["/v/type"]),
        (json!({"type": "integer", "multipleOf": 2}), vec!["/v/multipleOf"]),
        (json!({"type": "string", "minimum": 2}), vec!["/v/minimum"]),
        (json!({"type": "integer", "pattern": "x"}), vec!["/v/pattern"]),
        (json!({"type": "string", "pattern": "("}), vec!["/v/pattern"]),
        (json!({"type": "number", "minimum": "1"}), vec!["/v/minimum"]),
        (json!({"type": "string", "minLength": -1}), vec!["/v/minLength"]),
        (json!(7), vec!["/v"]),
    ] {
        assert_eq!(faults(schema.clone()), wrong, "{schema}");
    }
    assert_eq!(Variables::read(&[("a b".to_owned(), json!({"type": "string"}))].into()).unwrap_err()[0].pointer, "/a b");
    let of = variables(&json!({
        "s": {"type": "string", "minLength": 2, "maxLength": 3, "pattern": "^[a-z]+$"}, "n": {"type": "number", "minimum": 0.5},
        "b": {"type": "boolean", "default": false}, "e": {"type": "string", "enum": ["x", "y"]},
    }));
    let check = |values: Value| of.values(&given(&values)).err().unwrap_or_default().iter().map(|f| f.pointer.clone()).collect::<Vec<_>>();
    assert_eq!(check(json!({"s": "ab", "n": 0.5, "b": true, "e": "y"})), [""; 0]);
    assert_eq!(check(json!({"s": "abcd", "n": 0.4, "b": "maybe", "e": "z"})), ["/b", "/e", "/n", "/s"]);
    assert_eq!(check(json!({"s": "A1", "n": "1e3", "b": "true"})), ["/e", "/s"], "what has no default must be given");
}

#[test]
fn macros_say_who_the_task_is() {
    let queue = json!({"metadata": {"name": "${run_id}-Pytorch Job", "labels": {"job": "${CLEARML_TASK.name}", "by": "${author}"},
            "annotations": {"team": "${entity_name}/${project_name}", "attempt": "${attempt} on ${runner}"}},
        "spec": {"hostname": "fixed", "containers": [{"image": "${image_uri}", "env": [
            {"name": "RUN", "value": "${run_id} ${name} $(POD_IP) $${HOME} ${X:-y}"},
            {"name": "NOTE", "value": "${CLEARML_TASK.variables.note:none} ${CLEARML_TASK.queue}"}]}]}});
    assert_eq!(check_queue(&queue, &Values::new()), []);
    let made = pod(&queue, &Values::new());
    assert_eq!(made["metadata"]["labels"], json!({"job": "R-sum--of-Alice-s-run", "by": "alice-example.com"}));
    assert_eq!(made["metadata"]["annotations"], json!({"team": "my_Team1/my_proj2", "attempt": "3 on glue-a"}));
    let container = &made["spec"]["containers"][0];
    assert_eq!(container["image"], "python:3.12");
    assert_eq!(container["env"][0]["value"], "1042 Résumé of Alice's run! $(POD_IP) ${HOME} ${X:-y}");
    assert_eq!(container["env"][1]["value"], "none q1");
    let layers = layers(None, Some(&queue), None);
    let job = render(&layers, &TaskLayer { facts: facts(), ..TaskLayer::default() }).unwrap();
    assert_eq!(job.manifest["metadata"]["name"], "1042-pytorch-job");
    assert_eq!(job.origins.of("/spec/template/metadata/labels/job"), Some(Layer::Queue));
}

#[test]
fn an_unknown_macro_is_refused_with_its_escape() {
    let told = |text: &str| check(&json!({"spec": {"hostname": text}})).iter().map(ToString::to_string).collect::<Vec<_>>();
    let found = told("${HOME}");
    assert!(
        found[0].starts_with("/spec/hostname: there is no macro ${HOME}. Where the text itself is meant, write $${HOME};"),
        "{found:?}"
    );
    assert!(told("${run_idd}")[0].contains("Did you mean ${run_id}?"));
    assert!(told("${CLEARML_TASK.name|lower}")[0].contains("operations are not known"));
    assert!(told("${CLEARML_TASK.hyperparams.x}")[0].contains("give a default"));
    assert_eq!(told("${CLEARML_TASK.hyperparams.x:1}"), [""; 0]);
    assert_eq!(told("$${HOME} $(HOME) ${HOME:-x}"), [""; 0]);
    assert!(told("{{gpus}}")[0].contains("only a queue's podTemplate"));
    let strange = check_queue(&json!({"spec": {"hostname": "{{gpus}}"}}), &Values::new());
    assert!(strange[0].message.starts_with("the queue has no variable \"gpus\""), "{strange:?}");
}

#[test]
fn what_a_task_must_bring_is_said_at_submit() {
    let queue = json!({"metadata": {"annotations": {"a": "${CLEARML_TASK.name} ${CLEARML_TASK.project}"}}});
    let nameless = TaskLayer { facts: Facts { name: None, project: None, ..facts() }, ..TaskLayer::default() };
    let pointers = |task: &TaskLayer<'_>| refuses(&queue, &Values::new(), task).into_iter().map(|f| f.pointer).collect::<Vec<_>>();
    assert_eq!(pointers(&nameless), ["/name"]);
    assert_eq!(pointers(&TaskLayer { facts: facts(), ..TaskLayer::default() }), [""; 0]);
    // A name that becomes one of ours, by a variable.
    let of = variables(&json!({"n": {"type": "string", "default": "A"}}));
    let queue = json!({"spec": {"containers": [{"env": [{"name": "{{n}}", "value": "1"}]}]}});
    assert_eq!(check_queue(&queue, &of.sample()), []);
    let values = of.values(&given(&json!({"n": "SLIPWAY_TOKEN"}))).unwrap();
    let layers = Layers { values: Some(&values), ..layers(None, Some(&queue), None) };
    assert!(render(&layers, &TaskLayer::default()).unwrap_err()[0].message.contains("belong to Slipway"));
}

#[test]
fn a_value_stays_in_its_text() {
    let of = variables(&json!({"v": {"type": "string", "default": "x"}}));
    let queue = json!({"metadata": {"annotations": {"a": "{{v}}", "b": "${{v}}", "c": "$(A){{v}}"}},
        "spec": {"containers": [{"env": [{"name": "V", "value": "{{v}} $(A)"}, {"name": "N", "value": "${name}"}]}]}});
    for evil in ["${user}", "{user}", "$${id}", "{{v}}", "\"}, \"hostPID\": true, {\"", "a: b\n- c", "$(SECRET)", "!!binary x", "${$}{id}"]
    {
        let values = of.values(&given(&json!({"v": evil}))).unwrap();
        let layers = Layers { values: Some(&values), ..layers(None, Some(&queue), None) };
        let job = render(&layers, &TaskLayer { facts: Facts { name: Some(evil), ..facts() }, ..TaskLayer::default() }).unwrap().manifest;
        let made = &job["spec"]["template"];
        let annotations = &made["metadata"]["annotations"];
        assert_eq!(annotations, &json!({"a": evil, "b": format!("${evil}"), "c": format!("$(A){evil}")}));
        let doubled = evil.replace('$', "$$");
        let env = &made["spec"]["containers"][0]["env"];
        assert_eq!(env, &json!([{"name": "V", "value": format!("{doubled} $(A)")}, {"name": "N", "value": doubled}]));
        let plain = pod(&queue, &of.sample());
        assert_eq!(keys(made), keys(&plain), "its shape is the template's");
    }
}

/// The shape of a document: its keys and how many items its lists have.
fn keys(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), keys(value))).collect(),
        Value::Array(items) => items.iter().map(keys).collect(),
        _ => Value::Null,
    }
}
