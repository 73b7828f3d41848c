//! How long it takes to make a Job of a task by a queue's template of 10 KB.
//!
//! Probes run in turn, round by round, so that a machine whose speed drifts slows all of them. `json` reads and writes the
//! finished Job as JSON: what anyone must do who handles it at all. `merge` lays the layers over one another, once for each
//! queue, revision and runner; `render` is what the server does for each task of a claim; `complete` is the glue's part;
//! `whole` is all three. Figures are µs as min / median / max over the rounds' medians.
//!
//! `cargo bench --bench render [-- ROUNDS TIMES]`

#![expect(clippy::print_stdout, reason = "its figures are its output")]

use serde_json::{Value, json};
use slipway::{
    domain::{Allow, AttemptNumber, AttemptRef, QueueName, RunnerName, TaskId},
    template::{Facts, Injection, Layers, Prepared, Rendered, TaskLayer, Variables, complete, complete_from},
};
use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};
use uuid::Uuid;

const KEYS: usize = 46;

/// A queue's template of about 10 KB: variables, environment, volumes, side containers, tolerations.
fn template() -> Value {
    let env: Vec<Value> = (0..KEYS).map(|i| json!({"name": format!("SETTING_{i}"), "value": format!("value {i} of ${{queue}}")})).collect();
    let volumes: Vec<Value> =
        (0..KEYS).map(|i| json!({"name": format!("v{i}"), "configMap": {"name": format!("settings-{i}"), "optional": true}})).collect();
    let mounts: Vec<Value> =
        (0..KEYS).map(|i| json!({"name": format!("v{i}"), "mountPath": format!("/etc/settings/{i}"), "readOnly": true})).collect();
    json!({
        "metadata": {"labels": {"team": "vision"}, "annotations": (0..8).map(|i| (format!("example.com/note-{i}"), json!("x".repeat(120)))).collect::<serde_json::Map<_, _>>()},
        "spec": {
            "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "containers": [
                {"name": "task", "image": "example.com/train:1", "env": env, "volumeMounts": mounts, "resources": {"limits": {"nvidia.com/gpu": "{{gpus}}", "memory": "64Gi"}}},
                {"name": "metrics", "image": "example.com/metrics:1", "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}}},
            ],
            "volumes": volumes,
        },
    })
}

struct Times(Vec<Duration>);

impl Times {
    /// The median of some runs, in µs.
    fn median(&mut self) -> f64 {
        self.0.sort_unstable();
        self.0[self.0.len() / 2].as_secs_f64() * 1e6
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures the time that passes")]
fn timed<T>(times: &mut Times, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let made = black_box(work());
    times.0.push(began.elapsed());
    made
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<usize>().ok());
    let (rounds, repeats) = (numbers.next().unwrap_or(9), numbers.next().unwrap_or(300));
    let template = template();
    let bytes = template.to_string().len();
    assert!((9_000..13_000).contains(&bytes), "it is to be a template of 10 KB: {bytes}");
    let schema = BTreeMap::from([("gpus".to_owned(), json!({"type": "integer", "minimum": 1, "maximum": 8, "default": 2}))]);
    let values = Variables::read(&schema).and_then(|variables| variables.values(&BTreeMap::new())).expect("legal variables");
    let base = json!({"spec": {"priorityClassName": "batch", "containers": [{"name": "task", "env": [{"name": "HTTP_PROXY", "value": "http://proxy:3128"}]}]}});
    let namespaces = ["research".to_owned()];
    let layers = Layers { base: Some(&base), queue: Some(&template), values: Some(&values), namespaces: &namespaces, ..Layers::default() };
    let env = BTreeMap::from([("EPOCHS".to_owned(), "90".to_owned())]);
    let allow = Allow::default();
    let task = TaskLayer {
        gpus: 0,
        cpu: None,
        memory: None,
        image: None,
        env: &env,
        queue_env: &BTreeMap::new(),
        env_in_pod: false,
        node_selector: &BTreeMap::new(),
        secrets: &[],
        allow: &allow,
        facts: Facts {
            id: 7,
            attempt: 1,
            name: Some("resnet"),
            user: "ada",
            queue: "gpu",
            owner: None,
            project: None,
            runner: Some("cluster-a"),
        },
    };
    let (runner, queue): (RunnerName, QueueName) = ("cluster-a".parse().expect("a name"), "gpu".parse().expect("a name"));
    let injection = Injection {
        of: AttemptRef { task: TaskId(7), attempt: AttemptNumber(1) },
        instance: "abcde",
        runner: &runner,
        queue: &queue,
        claim: Uuid::nil(),
        agent_image: "example.com/slipway-agent:1",
        agent_pull_policy: None,
        use_image_entrypoint: false,
        timeout_seconds: Some(3_600),
        grace_seconds: 30,
        mounts: &slipway::domain::Mounts::NONE,
    };
    let prepared = Prepared::new(&layers).expect("the template is legal");
    let finish = |rendered: Rendered| complete_from(rendered, &injection).expect("it can be completed").manifest;
    let made = finish(prepared.render(&task).expect("the task is legal"));
    verify(&made);
    let text = made.to_string();
    let mut rows: [Vec<f64>; 5] = Default::default();
    for round in 0..=rounds {
        let [mut json, mut merge, mut render, mut finishing, mut whole] = [(); 5].map(|()| Times(Vec::with_capacity(repeats)));
        for _ in 0..repeats {
            timed(&mut json, || serde_json::from_str::<Value>(&text).expect("it is JSON").to_string());
            timed(&mut merge, || Prepared::new(&layers).expect("legal"));
            let rendered = timed(&mut render, || prepared.render(&task).expect("legal"));
            let by_glue = timed(&mut finishing, || complete(rendered.manifest.clone(), &injection).expect("legal"));
            let all = timed(&mut whole, || finish(Prepared::new(&layers).and_then(|prepared| prepared.render(&task)).expect("legal")));
            assert!(by_glue.manifest == made && all == made, "every way makes the same Job");
        }
        // The first round warms caches.
        if round > 0 {
            for (row, times) in rows.iter_mut().zip([&mut json, &mut merge, &mut render, &mut finishing, &mut whole]) {
                row.push(times.median());
            }
        }
    }
    println!(
        "µs for a template of {bytes} bytes, a Job of {} bytes; min / median / max of {rounds} rounds' medians of {repeats}",
        text.len()
    );
    let json = spread(&mut rows[0]).1;
    for (name, row) in ["json", "merge", "render", "complete", "whole"].iter().zip(&mut rows) {
        let (min, median, max) = spread(row);
        println!("  {name:<10} {min:>8.0} / {median:>8.0} / {max:>8.0}   {:>6.2} x json", median / json);
    }
}

/// What is timed makes the Job that it should.
fn verify(job: &Value) {
    let at = |pointer: &str| job.pointer(pointer).unwrap_or(&Value::Null);
    assert_eq!(at("/spec/template/spec/containers/0/resources/limits/nvidia.com~1gpu"), "2");
    assert_eq!(at("/spec/template/spec/priorityClassName"), "batch");
    assert_eq!(at("/metadata/namespace"), "research");
    assert_eq!(at("/spec/template/spec/volumes").as_array().map(Vec::len).map(|n| n >= KEYS), Some(true));
    let env = at("/spec/template/spec/containers/0/env").as_array().expect("a list");
    assert!(env.iter().any(|one| one["name"] == "SETTING_7" && one["value"] == "value 7 of gpu"), "macros are expanded");
}

fn spread(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}
