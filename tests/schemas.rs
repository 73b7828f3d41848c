//! Every Job that is made here uses what all minors of Kubernetes from 1.28 to 1.36 know, and nothing else.
//!
//! `data/job-fields.json` says for each minor which fields a Job and all below it have, of which kind they are, and which must
//! be there. It is made by `data/job-fields.sh` from the API documents (`api/openapi-spec/v3`) in the modules of v1.28.15,
//! v1.29.6, v1.30.14, v1.31.14, v1.32.13, v1.33.13, v1.34.4, v1.35.4 and v1.36.3; fields do not change within a minor. What those
//! documents do not say is not judged here: values that admission refuses, and feature gates (in 1.28 `restartPolicy` of an
//! init container is a field behind a gate that is off). `cluster/ready.rs` asks a real API server of one minor.

#[path = "support/fields.rs"]
mod fields;

use fields::Fields;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path, process::Command};

/// What `slipway template render` makes of a task of a queue of a file.
fn rendered(file: &Path, queue: &str, task: Option<&Path>) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
    command.args(["template", "render", "--queue", queue, "-o", "json", "-f"]).arg(file).env_remove("SLIPWAY_URL");
    if let Some(task) = task {
        command.arg("--task").arg(task);
    }
    let made = command.output().expect("the program runs");
    assert!(made.status.success(), "{} {queue}: {}", file.display(), String::from_utf8_lossy(&made.stderr));
    serde_json::from_slice(&made.stdout).expect("a manifest")
}

/// The queues of a file, whatever its format.
fn queues(file: &Path) -> Vec<String> {
    let document: Value = serde_yaml::from_str(&fs::read_to_string(file).expect("the file")).expect("YAML");
    let several = document["queues"].as_object().or(document["agentk8sglue"]["queues"].as_object());
    let stem = || file.file_stem().expect("a name").display().to_string();
    match several {
        Some(several) => several.keys().cloned().collect(),
        None => vec![document["name"].as_str().map_or_else(stem, str::to_owned)],
    }
}

/// Every pod template of an object.
fn pods(manifest: &Value) -> Vec<&Value> {
    slipway::template::pod_templates(manifest).iter().filter_map(|at| manifest.pointer(at)).collect()
}

#[test]
fn every_job_fits_every_minor() {
    let fields = Fields::of(include_str!("data/job-fields.json"));
    assert_eq!(fields.minors, (28..=36).collect::<Vec<_>>());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, document: Value| {
        let path = dir.path().join(name);
        fs::write(&path, document.to_string()).expect("a file");
        path
    };
    // All that a task may say, and an image with a command of its own.
    let all = write(
        "all.yaml",
        json!({"queues": {
            "all": {
                "defaults": {"image": "img:1", "env": {"A": "b"}},
                "gpu": {"mig": "1g.10gb", "product": "NVIDIA-H100-80GB-HBM3", "sharedMemory": "8Gi"},
                "allow": {"images": ["*"], "cpu": "64", "memory": "1Ti", "env": ["*"], "nodeSelector": ["zone"], "secrets": ["hf"]},
                "podTemplate": {"spec": {"containers": [{"resources": {"limits": {"cpu": "1"}}}]}},
            },
            "gated": {"useImageEntrypoint": true, "defaults": {"image": "img:1"}, "podTemplate": {}},
        }}),
    );
    let task = write(
        "task.yaml",
        json!({"command": ["true"], "image": "img:2", "env": {"LR": "1"}, "resources": {"cpu": "2", "memory": "1Gi"},
            "nodeSelector": {"zone": "a"}, "timeoutSeconds": 60, "graceSeconds": 5,
            "secrets": [{"env": "HF", "secret": "hf", "key": "token"}, {"file": "key", "secret": "hf", "key": "token"}]}),
    );
    let image = write("image.yaml", json!({"image": "img:1"}));
    let mut made = vec![rendered(&all, "all", Some(&task)), rendered(&all, "all", None), rendered(&all, "gated", None)];
    let ready = fs::read_dir(root.join("templates")).expect("the ready files").map(|file| file.expect("a file").path());
    let examples = ["clearml-values", "launch-pytorchjob", "red-green-blue"].map(|name| root.join(format!("examples/{name}.yaml")));
    for file in ready.chain(examples) {
        let of_task = file.ends_with("launch-pytorchjob.yaml").then_some(image.as_path());
        made.extend(queues(&file).iter().map(|queue| rendered(&file, queue, of_task)));
    }
    assert!(made.len() > 20, "{}", made.len());
    for manifest in &made {
        let name = &manifest["metadata"]["labels"]["slipway.dev/queue"];
        if manifest["kind"] == "Job" {
            assert_eq!(fields.of_all(manifest, "Job"), BTreeSet::new(), "{name}");
        }
        // An object's own kind is not in the table, its pods are.
        let templates = pods(manifest);
        assert!(!templates.is_empty(), "{name}");
        for template in templates {
            assert_eq!(fields.of_all(template, "PodTemplateSpec"), BTreeSet::new(), "{name}");
        }
    }

    // And what does not fit is found.
    let mut newer = made.swap_remove(0);
    let container = &mut newer["spec"]["template"]["spec"]["containers"][0];
    container["restartPolicyRules"] = json!([{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]);
    container["stdin"] = "yes".into();
    newer["spec"]["nodeSelectors"] = json!({});
    newer["spec"]["template"]["spec"]["volumes"][0]["name"].take();
    newer["spec"]["template"]["spec"]["hostAliases"] = json!([{"hostnames": ["a"]}]);
    let found = fields.of_all(&newer, "Job");
    let says = |minor: u64, what: &str| found.iter().any(|fault| fault.starts_with(&format!("1.{minor}: ")) && fault.contains(what));
    assert!(says(33, "/restartPolicyRules: unknown") && !says(34, "restartPolicyRules"), "{found:#?}");
    assert!(says(28, "/stdin: no boolean") && says(36, "/nodeSelectors: unknown") && says(30, "/volumes/0/name: no string"), "{found:#?}");
    assert!(!says(29, "/hostAliases/0/ip: missing") && says(30, "/hostAliases/0/ip: missing"), "{found:#?}");
}
