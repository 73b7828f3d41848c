//! What becomes of layers over one another.

use super::{gpus, layers, rendered};
use crate::domain::Allow;
use crate::template::{Layer, Layers, TaskLayer, render};
use serde_json::{Value, json};

#[test]
fn maps_and_named_things_merge_and_other_lists_are_replaced() {
    let base = json!({"metadata": {"labels": {"team": "core", "tier": "1"}}, "spec": {
        "nodeSelector": {"zone": "a", "disk": "ssd"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "shm", "emptyDir": {"medium": "Memory"}}],
        "containers": [{"args": ["a", "b"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "resources": {"limits": {"cpu": 4, "memory": "8Gi"}}}],
    }});
    let queue = json!({"metadata": {"labels": {"tier": "2"}}, "spec": {
        "nodeSelector": {"disk": "nvme"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}, {"key": "team", "operator": "Exists"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "sets"}}, {"name": "shm", "emptyDir": {"sizeLimit": "8Gi"}}],
        "containers": [{"args": ["c"], "resources": {"limits": {"memory": "16Gi"}},
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}, {"name": "C", "value": "3"}]}],
    }});
    let job = render(&layers(Some(&base), Some(&queue), None), &gpus(0)).unwrap();
    insta::assert_json_snapshot!(json!({"template": job.manifest["spec"]["template"], "origins": job.origins}));
}

#[test]
fn what_a_layer_removes_is_gone_before_it_adds() {
    let base = json!({"spec": {"nodeSelector": {"zone": "a", "disk": "ssd"}, "tolerations": [{"key": "a"}, {"key": "b"}],
        "containers": [{"env": [{"name": "A", "value": "1"}], "resources": {"limits": {"cpu": "4"}}}]}});
    let queue = json!({"remove": ["/spec/nodeSelector", "/spec/tolerations/0", "/spec/containers/task/env/A", "/spec/containers/task/resources/limits",
        "/spec/securityContext/runAsUser", "/spec/containers/side/securityContext/capabilities", "/spec/priority"],
        "spec": {"nodeSelector": {"disk": "ssd"}, "containers": [{}, {"name": "side", "image": "x"}]}});
    let job = render(&layers(Some(&base), Some(&queue), None), &gpus(0)).unwrap();
    let spec = &job.manifest["spec"]["template"]["spec"];
    assert_eq!(spec["nodeSelector"], json!({"disk": "ssd"}));
    assert_eq!(spec["tolerations"], json!([{"key": "b"}]));
    assert_eq!((&spec["containers"][0]["env"], &spec["containers"][0]["resources"]), (&json!([]), &json!({})));
    assert_eq!(spec["securityContext"].get("runAsUser"), None);
    assert_eq!(spec["containers"][1]["securityContext"], json!({"allowPrivilegeEscalation": false}));
    let origin = |pointer: &str| job.origins.of(&format!("/spec/template/spec{pointer}")).unwrap();
    assert_eq!(origin("/nodeSelector/disk"), Layer::Queue, "it was cleared and set again");
    assert_eq!(origin("/tolerations/0/key"), Layer::RunnerBase);
    assert_eq!(origin("/containers/0/env"), Layer::Queue);
}

/// The names of the containers of a Job, the task's first.
fn containers(base: Option<Value>, queue: Option<Value>, overlay: Option<Value>) -> Vec<(String, String)> {
    let document = |containers: Option<Value>| containers.map(|containers| json!({"spec": {"containers": containers}}));
    let (base, queue, overlay) = (document(base), document(queue), document(overlay));
    let job = render(&layers(base.as_ref(), queue.as_ref(), overlay.as_ref()), &gpus(0)).unwrap();
    let all = job.manifest["spec"]["template"]["spec"]["containers"].as_array().unwrap().clone();
    all.iter().map(|c| (c["name"].as_str().unwrap().to_owned(), c["image"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn the_task_runs_in_the_container_that_the_queue_means() {
    let own = |name: &str| vec![(name.to_owned(), "python:3.12".to_owned())];
    let with = |name: &str, side: &str| [own(name), vec![(side.to_owned(), "x".to_owned())]].concat();
    assert_eq!(containers(None, None, None), own("task"));
    assert_eq!(containers(None, Some(json!([{"name": "main"}])), None), own("main"));
    assert_eq!(containers(None, Some(json!([{"name": "side", "image": "x"}, {"name": "task"}])), None), with("task", "side"));
    assert_eq!(containers(None, Some(json!([{"name": "side", "image": "x"}, {"stdin": true}])), None), with("task", "side"));
    // A base that does not know the queue's name for it, one that brings a helper of its own, one that names it.
    assert_eq!(containers(Some(json!([{"tty": true}])), Some(json!([{"name": "main"}])), None), own("main"));
    assert_eq!(containers(Some(json!([{"name": "side", "image": "x"}])), Some(json!([{"tty": true}])), None), with("task", "side"));
    assert_eq!(containers(Some(json!([{"name": "side", "image": "x"}])), Some(json!([{"name": "main"}])), None), with("main", "side"));
    assert_eq!(containers(Some(json!([{"name": "main"}])), None, None), own("main"));
    assert_eq!(containers(None, None, Some(json!([{"name": "side", "image": "x"}, {"name": "task"}]))), with("task", "side"));
}

#[test]
fn the_name_of_the_task_s_container_belongs_to_who_gave_it() {
    let job = rendered(&json!({"spec": {"containers": [{"name": "main"}]}}));
    assert_eq!(job.origins.of("/spec/template/spec/containers/0/name"), Some(Layer::Queue));
    assert_eq!(job.origins.of("/spec/template/spec/containers/0/image"), Some(Layer::Queue));
    assert_eq!(job.origins.of("/spec/template/spec/containers/0/securityContext/capabilities/drop/0"), Some(Layer::BuiltIn));
}

/// The faults of rendering a queue's template.
fn refused(layers: &Layers<'_>, task: &TaskLayer<'_>) -> Vec<String> {
    render(layers, task).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn what_cannot_be_rendered_says_why() {
    let bad = json!({"spec": {"nodeName": 5}, "metadata": {"namespace": "prod"}});
    assert_eq!(
        refused(&Layers { base: Some(&bad), ..layers(None, None, None) }, &gpus(0)),
        ["/spec/nodeName: in the runner's base: invalid type: integer `5`, expected a string"]
    );
    let elsewhere = json!({"metadata": {"namespace": "prod"}, "spec": {"containers": [{}, {"name": "side"}]}});
    assert_eq!(
        refused(&Layers { image: None, ..layers(None, Some(&elsewhere), None) }, &gpus(0)),
        [
            "/spec/containers/0/image: no image: give the queue one (defaults: {image: …}) or the container",
            "/spec/containers/1/image: the container side has no image",
            "/metadata/namespace: the runner has no namespace prod; it has: ml-runs, scratch"
        ]
    );
    assert_eq!(
        refused(&Layers { namespaces: &[], ..layers(None, None, None) }, &gpus(0)),
        ["/metadata/namespace: the runner offers no namespace"]
    );
}

#[test]
fn the_queue_says_where_its_jobs_stand_before_the_runner_does() {
    let of = |base: Value, queue: Value, overlay: Value| {
        let job = render(&layers(Some(&base), Some(&queue), Some(&overlay)), &gpus(0)).unwrap();
        (job.manifest["metadata"]["namespace"].as_str().unwrap().to_owned(), job.origins.of("/metadata/namespace").unwrap())
    };
    let at = |namespace: &str| json!({"metadata": {"namespace": namespace}});
    assert_eq!(of(at("ml-runs"), at("scratch"), at("ml-runs")), ("scratch".into(), Layer::Queue));
    assert_eq!(of(at("ml-runs"), json!({}), at("scratch")), ("scratch".into(), Layer::RunnerOverlay));
    assert_eq!(of(at("scratch"), json!({}), json!({})), ("scratch".into(), Layer::RunnerBase));
    assert_eq!(of(json!({}), json!({}), json!({})), ("ml-runs".into(), Layer::RunnerBase));
}

#[test]
fn a_task_asks_for_gpus_within_what_its_queue_gives() {
    let asks = |limits: Value| json!({"spec": {"containers": [{"resources": {"limits": limits}}]}});
    let two = asks(json!({"nvidia.com/gpu": 2, "memory": "8Gi"}));
    let resources = |task: u32| {
        let job = render(&layers(None, Some(&two), None), &gpus(task)).unwrap();
        job.manifest["spec"]["template"]["spec"]["containers"][0]["resources"].clone()
    };
    assert_eq!(resources(0), json!({"limits": {"nvidia.com/gpu": "2", "memory": "8Gi"}}));
    assert_eq!(resources(1), json!({"limits": {"nvidia.com/gpu": "1", "memory": "8Gi"}, "requests": {"nvidia.com/gpu": "1"}}));
    let plain = json!({});
    let job = render(&layers(None, Some(&plain), None), &gpus(3)).unwrap();
    assert_eq!(job.manifest["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"], json!({"nvidia.com/gpu": "3"}));
    assert_eq!(job.origins.of("/spec/template/spec/containers/0/resources/limits/nvidia.com~1gpu"), Some(Layer::Task));
    for (limits, told) in [
        (json!({"nvidia.com/gpu": 2}), "/resources/gpus: the queue's template gives 2 GPUs; the task asks for 3"),
        (
            json!({"nvidia.com/mig-1g.5gb": 1}),
            "/resources/gpus: the queue's template asks for nvidia.com/mig-1g.5gb already: leave the GPUs to it",
        ),
        (json!({"amd.com/gpu": 1}), "/resources/gpus: the queue's template asks for amd.com/gpu already: leave the GPUs to it"),
    ] {
        let queue = asks(limits);
        assert_eq!(refused(&layers(None, Some(&queue), None), &gpus(3)), [told]);
        assert!(render(&layers(None, Some(&queue), None), &gpus(0)).is_ok());
    }
}

#[test]
fn variables_that_no_agent_sets_stand_in_the_pod() {
    let queue = json!({"spec": {"containers": [{"env": [{"name": "A", "value": "template"}, {"name": "S", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]}]}});
    let allow = Allow { env: Some(vec!["*".to_owned()]), ..Allow::default() };
    let env = [("A".to_owned(), "$(HOME) costs $5".to_owned()), ("B".to_owned(), String::new())].into();
    let job = render(&layers(None, Some(&queue), None), &TaskLayer { env: &env, env_in_pod: true, allow: &allow, ..TaskLayer::default() })
        .unwrap();
    let env = &job.manifest["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!((&env[0], &env[2]), (&json!({"name": "A", "value": "$$(HOME) costs $$5"}), &json!({"name": "B", "value": ""})));
    let job_env = [("A".to_owned(), "x".to_owned())].into();
    let secret = [("S".to_owned(), "x".to_owned())].into();
    assert_eq!(
        refused(&layers(None, Some(&queue), None), &TaskLayer { env: &secret, env_in_pod: true, allow: &allow, ..TaskLayer::default() }),
        ["/env/S: the queue's template takes it from elsewhere (valueFrom)"]
    );
    let own = TaskLayer { env: &job_env, allow: &Allow::default(), ..TaskLayer::default() };
    let told = refused(&layers(None, Some(&queue), None), &own);
    assert!(told[0].starts_with("/env/A: the queue's template sets it, and the queue lets no task change that (allow.env)"), "{told:?}");
    // What the queue itself gives is no task's.
    let of_queue = TaskLayer { queue_env: &job_env, ..own };
    assert!(render(&layers(None, Some(&queue), None), &of_queue).is_ok());
}
