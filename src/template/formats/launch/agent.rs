//! A launch agent's own file, and the Helm values that hold it: which queues there are. Their configurations stand with
//! W&B, each to be applied by its name.

use crate::domain::QueueName;
use crate::template::formats::{
    Import, Named,
    near::{at_key, unknown, wrong},
    note::{Level, Note},
    source::{Node, compose},
};
use serde_json::{Map, Value, json};

/// The keys of values, with what is said of them.
const VALUES: [(&str, Option<(Level, &str)>); 19] = [
    ("agent", None),
    ("launchConfig", None),
    ("agentConfig", None),
    ("USER-SUPPLIED VALUES", None),
    ("COMPUTED VALUES", None),
    ("namespace", Some((Level::Info, "left out: the glue's own namespace is that of its Deployment"))),
    ("additionalTargetNamespaces", Some((Level::Warning, "left out: write them into the file of slipway glue, as namespaces"))),
    ("additionalEnvVars", Some((Level::Info, "left out: they are the agent's own"))),
    ("additionalSecretEnvVars", Some((Level::Info, "left out: they are the agent's own"))),
    ("gitCreds", Some((Level::Warning, "left out: credentials stand in a Secret of the cluster"))),
    ("sshAuthSecrets", Some((Level::Warning, "left out: mount the Secret in the queue's podTemplate"))),
    ("serviceAccount", Some((Level::Info, "left out: it is about the agent's own pod"))),
    ("customCABundle", Some((Level::Warning, "left out: mount the ConfigMap in the queue's podTemplate"))),
    ("volcano", Some((Level::Info, "left out"))),
    ("baseUrl", Some((Level::Info, "left out"))),
    ("azureStorageAccessKey", Some((Level::Info, "left out"))),
    ("kanikoPvcName", Some((Level::Info, "left out: no images are built"))),
    ("kanikoDockerConfigSecret", Some((Level::Info, "left out: no images are built"))),
    ("global", Some((Level::Info, "left out"))),
];

/// The keys of the agent's file.
const FILE: [(&str, Option<(Level, &str)>); 12] = [
    ("entity", None),
    ("queues", None),
    ("stopped_run_timeout", None),
    ("base_url", Some((Level::Info, "left out"))),
    ("max_jobs", Some((Level::Warning, "left out: it bounds one agent: write maxPods into the file of slipway glue"))),
    ("max_schedulers", Some((Level::Info, "left out: sweeps are tasks like others"))),
    ("verbosity", Some((Level::Info, "left out: what a program logs is said by RUST_LOG"))),
    ("secure_mode", Some((Level::Info, "left out: a task changes of its pod only what the queue allows (allow)"))),
    ("environment", Some((Level::Info, "left out: a pod has the identity of its service account"))),
    ("registry", Some((Level::Warning, "left out: name the Secret for pulls in the queue's podTemplate: imagePullSecrets"))),
    ("builder", Some((Level::Info, "left out: no images are built"))),
    ("project", Some((Level::Info, "left out"))),
];

/// The keys that are known, by what they stand in: those of values, and of the file in them.
pub(in crate::template::formats) fn known() -> [(&'static str, Vec<&'static str>); 2] {
    [("", VALUES.map(|(key, _)| key).to_vec()), ("launchConfig", FILE.map(|(key, _)| key).to_vec())]
}

/// Whether a document is the values of a launch agent.
pub(super) fn is_values(root: &Node) -> bool {
    ["launchConfig", "agentConfig"].iter().any(|key| root.get(key).is_some())
}

/// Whether a document is a launch agent's file.
pub(super) fn is_file(root: &Node) -> bool {
    let has = |key: &str| root.get(key).is_some();
    !["spec", "metadata", "kubernetes", "resource_args", "config"].iter().any(|key| has(key))
        && ["queues", "max_jobs", "builder"].iter().any(|key| has(key))
}

/// Reads either.
pub(super) fn read(root: &Node, import: &mut Import) {
    if !is_values(root) {
        file(root, None, "", import);
        return;
    }
    judge(root, &VALUES, "", &mut import.notes);
    let pending = root.get("agent").and_then(|agent| agent.get("startTimeout")).filter(|seconds| !seconds.is_empty());
    for key in ["launchConfig", "agentConfig"] {
        let Some(text) = root.get(key).filter(|text| !text.is_empty()) else { continue };
        if text.is_map() {
            file(text, pending, "", import);
            continue;
        }
        let Some(inner) = text.text() else {
            import.notes.push(wrong(text, "the agent's file, as a text"));
            continue;
        };
        let mut words = Vec::new();
        match compose(inner, &mut words) {
            Ok(documents) => documents.iter().for_each(|document| file_of_text(document, text, key, pending, import)),
            Err(note) => import.notes.push(Note { path: key.to_owned(), at: Some(text.at), ..note }),
        }
    }
}

/// A file inside of a text: what is said about it has the place of the text.
fn file_of_text(document: &Node, text: &Node, key: &str, pending: Option<&Node>, import: &mut Import) {
    let before = import.notes.len();
    file(document, pending, key, import);
    for note in &mut import.notes[before..] {
        note.at = Some(text.at);
    }
}

fn judge(root: &Node, table: &[(&str, Option<(Level, &str)>)], inside: &str, notes: &mut Vec<Note>) {
    let dot = if inside.is_empty() { "" } else { "." };
    for entry in root.entries() {
        let note = match table.iter().find(|(key, _)| *key == entry.key) {
            None => Some(unknown(entry, table.iter().map(|(key, _)| *key))),
            Some((_, said)) => said.filter(|_| !entry.value.is_empty()).map(|(level, message)| at_key(level, entry, message)),
        };
        notes.extend(note.map(|note| Note { path: format!("{inside}{dot}{}", note.path), ..note }));
    }
}

fn file(root: &Node, pending: Option<&Node>, inside: &str, import: &mut Import) {
    judge(root, &FILE, inside, &mut import.notes);
    let mut document = Map::new();
    if let Some(owner) = root.get("entity").and_then(Node::text) {
        document.insert("owner".into(), owner.into());
    }
    if let Some(seconds) = root.get("stopped_run_timeout").and_then(|seconds| seconds.json().as_u64()) {
        document.insert("defaults".into(), json!({"graceSeconds": seconds}));
    }
    if let Some(seconds) = pending.and_then(|seconds| seconds.json().as_u64()) {
        document.insert("pendingTimeoutSeconds".into(), seconds.into());
    }
    let queues = root.get("queues").map(Node::items).unwrap_or_default();
    if queues.is_empty() {
        import.notes.push(Note::on(Level::Error, root, "it names no queues").fix("queues: [gpu-small]"));
    } else {
        // They make pods, whose image is the task's, as in a configuration with W&B's macro for it.
        document.insert("podTemplate".into(), json!({}));
        document.insert("allow".into(), json!({"images": ["*"]}));
        let message = "these queues have an empty pod template: their configurations stand with W&B";
        let note = Note::on(Level::Warning, root.get("queues").unwrap_or(root), message);
        import.notes.push(note.fix("save each of them, and apply it: slipway queue apply -f FILE --name QUEUE"));
    }
    for queue in queues {
        match queue.text().filter(|name| name.parse::<QueueName>().is_ok()) {
            Some(name) => import.queues.push(Named { name: name.to_owned(), document: Value::Object(document.clone()) }),
            None => import.notes.push(wrong(queue, "the name of a queue: 1 to 63 of A-Z a-z 0-9 . _ -")),
        }
    }
}
