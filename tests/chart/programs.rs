//! What the chart writes for the programs, read by the programs.

use crate::{
    fields::Fields,
    helm::{CHART, Helm, called},
};
use serde_json::{Value, json};
use slipway::{
    runner::kubernetes::{Config, File, Surrounding},
    template::formats::{self, Format, Level, known_keys},
};
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

fn slipway(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_slipway")).args(words).env_remove("SLIPWAY_URL").output().expect("the program runs")
}

/// The texts under a key of the `ConfigMap`s and Secrets.
fn files(objects: &[Value], ends: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let data = objects.iter().flat_map(|object| [&object["data"], &object["stringData"]]);
    let all = data.filter_map(Value::as_object).flatten();
    all.filter(|(name, _)| ends(name)).filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned()))).collect()
}

/// Glue and server take their files, and every queue makes a Job that all minors of Kubernetes know.
pub(crate) fn read_their_files(helm: &Helm, name: &str) {
    let objects = helm.objects("4", name, &[]);
    let dir = tempfile::tempdir().expect("a directory");
    for (_, text) in files(&objects, |file| file == "glue.yaml") {
        let file = match formats::glue(&text) {
            Some((file, notes)) => {
                assert!(notes.iter().all(|note| note.level != Level::Error), "{notes:?}");
                file
            }
            None => serde_yaml::from_str(&text).expect("YAML"),
        };
        let file: File = serde_json::from_value(file).expect("a glue's file");
        let around = Surrounding { namespace: "ns".into(), in_pod: true, version: "1".into(), ..Surrounding::default() };
        let config = Config::new(file, around).expect("a glue's file");
        let account = config.base.as_ref().map(|base| &base["spec"]["serviceAccountName"]);
        assert!(account.and_then(Value::as_str).is_some_and(|account| account.ends_with("-task")), "{account:?}");
    }
    for (_, text) in files(&objects, |file| file == "server.yaml") {
        let file = dir.path().join("server.yaml");
        fs::write(&file, text).expect("a file");
        let output = slipway(&["server", "--config", &file.display().to_string(), "--data-dir", &dir.path().display().to_string()]);
        let said = String::from_utf8_lossy(&output.stderr);
        // Outside of a pod that is all that can be wrong with it.
        assert!(said.contains("kubernetes: true works in a pod with a service account's token"), "{said}");
    }
    let table = Fields::of(include_str!("../data/job-fields.json"));
    // W&B's queues leave the image to tasks.
    let task = dir.path().join("task.yaml");
    fs::write(&task, "image: img:1\n").expect("a file");
    let task = task.display().to_string();
    for (file, text) in files(&objects, |file| ["queues.yaml", "clearml.yaml", "launch.yaml"].contains(&file)) {
        let path = dir.path().join(&file);
        fs::write(&path, &text).expect("a file");
        let path = path.display().to_string();
        for queue in queues(&text) {
            let of_task = ["--task", &task];
            let words = ["template", "render", "-f", &path, "--queue", &queue, "-o", "json"];
            let output = slipway(&[&words[..], if name == "launch" && queue != "smoke" { &of_task } else { &[] }].concat());
            assert!(output.status.success(), "{file} {queue}: {}", String::from_utf8_lossy(&output.stderr));
            let job: Value = serde_json::from_slice(&output.stdout).expect("a manifest");
            assert_eq!(table.of_all(&job, "Job"), BTreeSet::new(), "{file} {queue}");
        }
    }
}

/// The names of the queues of a file.
fn queues(text: &str) -> Vec<String> {
    let names = match formats::detect(text).expect("YAML") {
        Format::Native => {
            let file: Value = serde_yaml::from_str(text).expect("YAML");
            file["queues"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
        }
        format => {
            let import = formats::read(format, text, None);
            assert!(!import.is_refused(), "{:?}", import.notes);
            import.queues.into_iter().map(|queue| queue.name).collect::<Vec<_>>()
        }
    };
    assert!(!names.is_empty(), "{text}");
    names
}

/// The Role, and the `ClusterRole`, are what `slipway glue rbac` prints.
pub(crate) fn the_role_is_the_table(helm: &Helm, _: &str) {
    let printed = slipway(&["glue", "rbac", "-n", "ns", "--check", "--nodes", "--object", "pytorchjobs.kubeflow.org", "-o", "json"]);
    let printed: Value = serde_json::from_slice(&printed.stdout).expect("a list");
    let rules = |objects: &[Value], kind: &str| {
        let found = objects.iter().find(|object| object["kind"] == kind).expect("an object of the kind");
        found["rules"].as_array().expect("rules").iter().map(Value::to_string).collect::<BTreeSet<_>>()
    };
    let rendered = helm.objects("4", "full", &[]);
    for kind in ["Role", "ClusterRole"] {
        assert_eq!(rules(&rendered, kind), rules(printed["items"].as_array().expect("items"), kind), "{kind}");
    }
    let namespaces = |kind: &str| rendered.iter().filter(|object| object["kind"] == kind).map(called).collect::<Vec<_>>();
    assert_eq!(namespaces("Role"), ["Role ns/slip-glue", "Role research/slip-glue"]);
    assert_eq!(namespaces("RoleBinding").len(), 2);
}

/// `files/foreign.yaml` says a fate for every key that a reader knows, and for no other.
pub(crate) fn keys_of_others(_: &Helm, _: &str) {
    let text = fs::read_to_string(Path::new(CHART).join("files/foreign.yaml")).expect("the file");
    let fates: Value = serde_yaml::from_str(&text).expect("YAML");
    let said = |at: &str| -> BTreeSet<String> {
        let value = fates.pointer(at).expect("the place");
        let names = value.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned));
        names.chain(value.as_object().into_iter().flatten().map(|(name, _)| name.clone())).collect()
    };
    // A block of a queue alone is no values file, and these two are values of ours as well.
    let ours = ["templateOverrides", "queueSettings", "basePodTemplate", "nameOverride", "fullnameOverride", "global"];
    for (format, place, at) in [
        (Format::ClearMl, "", "/clearml/root"),
        (Format::ClearMl, "agentk8sglue", "/clearml/glue"),
        (Format::ClearMl, "templateOverrides", "/clearml/template"),
        (Format::ClearMl, "queueSettings", "/clearml/settings"),
        (Format::Launch, "", "/launch/root"),
        (Format::Launch, "launchConfig", "/launch/file"),
    ] {
        let known = known_keys(format).into_iter().find(|(name, _)| *name == place).expect("the place").1;
        let known: BTreeSet<String> = known.into_iter().filter(|key| !place.is_empty() || !ours.contains(key)).map(str::to_owned).collect();
        assert_eq!(said(at), known, "{at}");
    }
}

/// What goes into the server's file has its fields in the schema; of an issuer but the one that says it is the own cluster.
pub(crate) fn the_servers_file_is_that_of_the_code(_: &Helm, _: &str) {
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(Path::new(CHART).join("values.schema.json")).expect("the schema")).expect("JSON");
    let dir = tempfile::tempdir().expect("a directory");
    let known = |file: Value| -> BTreeSet<String> {
        let path = dir.path().join("server.yaml");
        fs::write(&path, file.to_string()).expect("a file");
        let output = slipway(&["server", "--config", &path.display().to_string(), "--data-dir", &dir.path().display().to_string()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let list = said.split_once("known fields: ").map_or("", |(_, list)| list);
        list.lines().next().unwrap_or_default().split(", ").map(str::to_owned).collect()
    };
    let in_schema = |name: &str| -> BTreeSet<String> {
        schema["$defs"][name]["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    let mut issuer = known(json!({"issuers": [{"zzzzzzzz": 1}]}));
    assert!(issuer.remove("kubernetes"));
    assert_eq!(in_schema("issuer"), issuer);
    assert_eq!(in_schema("rates"), known(json!({"rates": {"zzzzzzzz": 1}})));
    assert_eq!(in_schema("rate"), known(json!({"rates": {"read": {"zzzzzzzz": 1}}})));
    assert_eq!(in_schema("blobs"), known(json!({"blobs": {"url": "s3://a", "zzzzzzzz": 1}})));
    assert_eq!(in_schema("connections"), known(json!({"connections": {"zzzzzzzz": 1}})));
    assert_eq!(in_schema("binding"), known(json!({"issuers": [{"name": "a", "roles": [{"zzzzzzzz": 1}]}]})));
}
