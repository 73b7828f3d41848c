//! Which format a document has, by its keys.

use super::{Format, source::Node};

/// Keys at the root of ClearML's values.
const CLEARML: [&str; 3] = ["agentk8sglue", "templateOverrides", "basePodTemplate"];
/// Keys at the root of what belongs to W&B Launch.
const LAUNCH: [&str; 5] = ["kubernetes", "resource_args", "launchConfig", "agentConfig", "template_variables"];
/// Keys of a launch agent's own file that no queue document has.
const AGENT_FILE: [&str; 5] = ["entity", "max_jobs", "max_schedulers", "builder", "stopped_run_timeout"];
/// Keys of a part of a manifest.
const MANIFEST: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
/// Keys that only a native queue document has; `name` and `description` are everybody's.
const NATIVE: [&str; 6] = ["queues", "podTemplate", "object", "defaults", "limits", "budgets"];

pub(super) fn detect(root: &Node) -> Format {
    let has = |keys: &[&str]| root.entries().iter().any(|entry| keys.contains(&entry.key.as_str()));
    if has(&CLEARML) {
        Format::ClearMl
    } else if has(&LAUNCH) || has(&AGENT_FILE) || (has(&MANIFEST) && !has(&NATIVE)) {
        Format::Launch
    } else {
        Format::Native
    }
}
