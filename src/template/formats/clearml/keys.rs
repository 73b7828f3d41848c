//! The keys of the chart's values, and what becomes of each.

use crate::template::formats::{
    near::{at_key, unknown},
    note::{Level, Note},
    source::{Entry, Node},
};

/// What becomes of a key.
#[derive(Clone, Copy)]
enum Fate {
    /// It is read.
    Read,
    /// It is so in any case, or means nothing here.
    Moot,
    /// It is about the pod of ClearML's own controller.
    Own,
    /// It is left out, with why.
    Dropped(&'static str),
    /// The same, where somebody may miss it.
    Missed(&'static str),
    /// It cannot be, with what to do instead.
    Refused(&'static str),
}
use Fate::{Dropped, Missed, Moot, Own, Read, Refused};

const ROOT: &[(&str, Fate)] = &[
    ("agentk8sglue", Read),
    ("imageCredentials", Read),
    // A block by itself.
    ("templateOverrides", Read),
    ("queueSettings", Read),
    ("basePodTemplate", Read),
    // The first line of `helm get values`.
    ("USER-SUPPLIED VALUES", Moot),
    ("COMPUTED VALUES", Moot),
    ("nameOverride", Own),
    ("fullnameOverride", Own),
    ("bootstrap", Moot),
    ("clearml", Dropped("tasks bring no credentials of ClearML; what reads git is a Secret of the queue's own")),
    ("global", Missed("images are named whole: nothing is put before their names")),
    ("customCertificates", Missed("put the certificates into a ConfigMap and mount it: templateOverrides.extraVolumes, extraVolumeMounts")),
    ("sessions", Missed("no Services are made for tasks")),
];

/// The keys below `agentk8sglue`.
const GLUE: &[(&str, Fate)] = &[
    ("queues", Read),
    ("queue", Read),
    ("basePodTemplate", Read),
    ("defaultContainerImage", Read),
    ("maxPods", Read),
    ("monitoredResources", Read),
    ("multiNode", Read),
    ("appsQueue", Read),
    ("completedPodDeletionDelayMinutes", Read),
    ("serviceAccountName", Read),
    ("extraEnvs", Read),
    ("createQueueIfNotExists", Moot),
    ("createQueues", Moot),
    ("taskAsJob", Moot),
    ("airGappedSupport", Moot),
    ("useOwnerToken", Moot),
    ("image", Own),
    ("replicaCount", Own),
    ("resources", Own),
    ("initContainers", Own),
    ("labels", Own),
    ("annotations", Own),
    ("podSecurityContext", Own),
    ("containerSecurityContext", Own),
    ("nodeSelector", Own),
    ("tolerations", Own),
    ("affinity", Own),
    ("volumes", Own),
    ("volumeMounts", Own),
    ("fileMounts", Own),
    ("serviceAccountAnnotations", Own),
    ("serviceExistingAccountName", Own),
    ("additionalClusterRoleBindings", Own),
    ("additionalRoleBindings", Own),
    ("apiServerUrlReference", Dropped("tasks report to Slipway")),
    ("fileServerUrlReference", Dropped("tasks report to Slipway")),
    ("webServerUrlReference", Dropped("tasks report to Slipway")),
    ("clearmlcheckCertificate", Dropped("tasks report to Slipway")),
    ("workerIdOverride", Dropped("a runner has the name of its file")),
    ("taskWorkerIdOverride", Dropped("a runner has the name of its file")),
    ("orchestrationDashboard", Dropped("the page and the metrics of the server are always there")),
    ("queuePollFrequencySeconds", Dropped("nothing is polled")),
    ("statusReportFrequencySeconds", Dropped("states are reported as they come")),
    ("debugMode", Dropped("what a program logs is said by RUST_LOG")),
    ("applyVaultEnvVars", Missed("variables come from Secrets: env with valueFrom.secretKeyRef")),
    (
        "containerCustomBashScript",
        Refused("the agent is brought into the image; what has to be set up belongs into it, or into initContainers"),
    ),
    ("customBashScript", Refused("the agent is brought into the image; what has to be set up belongs into it, or into initContainers")),
    ("serverTasks", Refused("tasks of ClearML's server run nowhere but there; take the key out")),
    ("serviceAccountClusterAccess", Refused("the glue has rights in its namespaces alone; take the key out")),
];

/// Variables of the controller that change what tasks become.
const VARIABLES: &[(&str, Fate)] = &[
    ("CLEARML_K8S_GLUE_TEMPLATE_MODULE", Refused("no code is run to make a template; write a queue for each kind of pod")),
    ("CLEARML_K8S_GLUE_COND_CUST_TEMPLATE", Refused("no code is run to make a template; write a queue for each kind of pod")),
    ("CLEARML_K8S_GLUE_POD_PRE_APPLY_CMD", Refused("no command is run around a pod; what a task needs stands in its template")),
    ("CLEARML_K8S_GLUE_POD_POST_APPLY_CMD", Refused("no command is run around a pod; what a task needs stands in its template")),
    ("CLEARML_K8S_GLUE_POD_POST_DELETE_CMD", Refused("no command is run around a pod; what a task needs stands in its template")),
    ("CLEARML_K8S_SUPPORT_SUSPENSION", Dropped("it has no meaning here")),
    ("CLEARML_K8S_PORTS_MODE_ON_REQUEST_ONLY", Dropped("it has no meaning here")),
    ("CLEARML_K8S_GLUE_MONITOR_ALL_NAMESPACES", Dropped("the glue watches its own namespaces")),
    ("K8S_GLUE_MAX_PODS", Missed(CAP)),
];

/// What to say of a cap on the pods of a glue.
pub(super) const CAP: &str = "it bounds one glue: write maxPods into the file of slipway glue";

/// The keys that are known, by what they stand in.
pub(in crate::template::formats) fn known() -> [(&'static str, Vec<&'static str>); 4] {
    let names = |table: &[(&'static str, Fate)]| table.iter().map(|(key, _)| *key).collect();
    [
        ("", names(ROOT)),
        ("agentk8sglue", names(GLUE)),
        ("templateOverrides", super::template::OWN.to_vec()),
        ("queueSettings", super::queue::SETTINGS.to_vec()),
    ]
}

/// Says what becomes of every key that is not read.
pub(super) fn survey(root: &Node, notes: &mut Vec<Note>) {
    let mut own = Vec::new();
    judge(root.entries(), ROOT, &mut own, notes);
    if let Some(block) = glue(root) {
        judge(block.entries(), GLUE, &mut own, notes);
        for variable in block.get("extraEnvs").map(Node::items).unwrap_or_default() {
            let Some((name, node)) = variable.get("name").and_then(|name| Some((name.text()?, name))) else { continue };
            if let Some((_, fate)) = VARIABLES.iter().find(|(known, _)| *known == name) {
                notes.extend(said(*fate, node).map(|(level, why)| Note::on(level, node, format!("{name}: {why}"))));
            }
        }
    }
    if let Some((first, rest)) = own.split_first() {
        let keys: Vec<&str> = std::iter::once(first).chain(rest).map(|entry| entry.key.as_str()).collect();
        let message = format!("left out, for it is about the pod of ClearML's own controller: {}", keys.join(", "));
        notes.push(Note { path: String::new(), ..at_key(Level::Info, first, message) });
    }
}

/// Where the keys of the glue stand.
pub(super) fn glue(root: &Node) -> Option<&Node> {
    root.get("agentk8sglue")
}

fn judge<'e>(entries: &'e [Entry], table: &[(&str, Fate)], own: &mut Vec<&'e Entry>, notes: &mut Vec<Note>) {
    for entry in entries {
        match table.iter().find(|(key, _)| *key == entry.key) {
            None => notes.push(unknown(entry, table.iter().map(|(key, _)| *key))),
            Some((_, Own)) if !entry.value.is_empty() => own.push(entry),
            Some((_, fate)) => notes.extend(said(*fate, &entry.value).map(|(level, why)| at_key(level, entry, format!("left out: {why}")))),
        }
    }
}

/// What is said of a value by its fate; nothing where it says nothing or is switched off.
fn said(fate: Fate, value: &Node) -> Option<(Level, &'static str)> {
    let off = ["enabled", "portModeEnabled"].iter().any(|switch| value.get(switch).is_some_and(Node::is_empty));
    if value.is_empty() || off || value.entries().iter().all(|entry| entry.value.is_empty()) && value.is_map() {
        return None;
    }
    match fate {
        Read | Moot | Own => None,
        Dropped(why) => Some((Level::Info, why)),
        Missed(why) => Some((Level::Warning, why)),
        Refused(why) => Some((Level::Error, why)),
    }
}
