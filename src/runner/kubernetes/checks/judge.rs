//! What follows for a queue from what its cluster answers. Pure.

use super::refers::Kind;
use crate::{
    domain::{
        Evidence, ReasonClass,
        evidence::ApiRefusal,
        reasons::{entry, pending},
    },
    wire::{Level, Reason, TemplateFinding},
};
use serde_json::{Value, json};

/// What was asked for by dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// The object itself.
    Object,
    /// A pod of the template that stands there in it.
    Pod(&'a str),
}

/// The pod that the Job controller would make of a Job; none where it has no template.
pub(super) fn pod(job: &Value) -> Option<Value> {
    let template = job.pointer("/spec/template")?;
    let name = job["metadata"]["name"].as_str()?;
    let mut metadata = json!({"generateName": format!("{name}-"), "namespace": job["metadata"]["namespace"]});
    for field in ["labels", "annotations"] {
        if let Some(given) = template["metadata"].get(field) {
            metadata[field] = given.clone();
        }
    }
    for label in ["batch.kubernetes.io/job-name", "job-name"] {
        metadata["labels"][label] = name.into();
    }
    Some(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}))
}

/// What a refusal means: by the same reading as that of an attempt's own refusals. What heals by itself is a warning.
pub(super) fn refused(object: &Value, asked: Asked<'_>, refusal: ApiRefusal) -> TemplateFinding {
    let said = refusal.message.clone();
    if refusal.status == 400 && said.contains("dry run") {
        let message = "something that judges such objects does not take part in dry runs: what it says is met by tasks alone";
        return finding(Level::Info, "DryRunRefused", place(object, asked, None), message, "", said);
    }
    let lacks = refusal.status == 403;
    let evidence = Evidence { refusal: Some(refusal), ..Evidence::default() };
    let Some(reason) = pending(&evidence).into_iter().next() else {
        return finding(Level::Warning, "Unknown", place(object, asked, None), "the API server refuses it", "", said);
    };
    if reason.code == Reason::RunnerForbidden && lacks && matches!(asked, Asked::Pod(_)) {
        let message = "the glue may not ask for a pod by dry run, so what only pods meet is not known: priority class, quota, limits, Pod Security, webhooks";
        return finding(Level::Info, "RunnerForbidden", place(object, asked, None), message, "slipway glue rbac --check", said);
    }
    let level = if reason.class == ReasonClass::Wait { Level::Warning } else { Level::Error };
    let at = match reason.code {
        Reason::PriorityClassMissing => Some(in_pod(asked, "/spec/priorityClassName")),
        Reason::ServiceAccountMissing => Some(in_pod(asked, "/spec/serviceAccountName")),
        Reason::RuntimeClassMissing => Some(in_pod(asked, "/spec/runtimeClassName")),
        Reason::NamespaceMissing => Some("/metadata/namespace".to_owned()),
        Reason::ObjectInvalid => field(&said).map(|field| format!("{}{field}", root(asked))),
        _ => None,
    };
    finding(level, reason.code.as_str(), place(object, asked, at), &reason.message, &reason.hint.unwrap_or_default(), said)
}

/// Something that is not there. `said` is what the API server says of it.
pub(super) fn missing(kind: Kind, at: &str, name: &str, namespace: &str, said: String) -> TemplateFinding {
    let (code, what, then) = match kind {
        Kind::Claim => ("ClaimMissing", "persistent volume claim", "pods would wait for it"),
        Kind::ConfigMap => ("ConfigMapMissing", "config map", "the pod's containers would not be made"),
        Kind::Secret => ("SecretMissing", "Secret", "the pod's containers would not be made"),
        Kind::PullSecret => ("SecretMissing", "Secret", "images that need it would not be pulled"),
    };
    let level = if kind == Kind::PullSecret { Level::Warning } else { Level::Error };
    let message = format!("There is no {what} {name} in the namespace {namespace}: {then}");
    let fix = if kind == Kind::Claim {
        format!("Create the claim in the namespace {namespace}, or name another in the template.")
    } else {
        entry(Reason::SecretOrConfigMissing).hint.to_owned()
    };
    finding(level, code, (at.to_owned(), name.to_owned()), &message, &fix, said)
}

fn finding(level: Level, code: &str, (pointer, found): (String, String), message: &str, fix: &str, said: String) -> TemplateFinding {
    let (code, message, fix) = (code.to_owned().into(), message.to_owned(), fix.to_owned());
    TemplateFinding { level, code, pointer, found, message, fix, said, layer: None }
}

/// Where a pod template stands in the object.
fn root(asked: Asked<'_>) -> &str {
    match asked {
        Asked::Object => "",
        Asked::Pod(at) => at,
    }
}

/// A place in the pod template; of a refused object it is the one where a Job has it.
fn in_pod(asked: Asked<'_>, at: &str) -> String {
    match asked {
        Asked::Object => format!("/spec/template{at}"),
        Asked::Pod(template) => format!("{template}{at}"),
    }
}

/// The place where something stands, with what stands there: of `at` as much as there is in the object.
fn place(object: &Value, asked: Asked<'_>, at: Option<String>) -> (String, String) {
    let mut at = at.unwrap_or_else(|| format!("{}/spec", root(asked)));
    loop {
        match object.pointer(&at) {
            Some(Value::String(text)) => return (at, text.clone()),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => return (at, value.to_string()),
            Some(_) => return (at, String::new()),
            None => match at.rfind('/') {
                Some(parent) => at.truncate(parent),
                None => return (String::new(), String::new()),
            },
        }
    }
}

/// The field that a refusal names first, as a pointer: `spec.template.spec.containers[0].image`.
fn field(said: &str) -> Option<String> {
    let after = |mark: &str| said.split_once(mark).map(|(_, rest)| rest);
    let named = match after("unknown field \"") {
        Some(rest) => rest.split('"').next()?,
        None => after("is invalid: ")?.trim_start_matches('[').split(": ").next()?,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '[' | ']' | '-' | '_' | '/' | '~');
    if named.is_empty() || !named.chars().all(plain) {
        return None;
    }
    let mut pointer = String::new();
    for step in named.split('.') {
        for part in step.split('[').map(|part| part.trim_end_matches(']')).filter(|part| !part.is_empty()) {
            pointer.push('/');
            pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
        }
    }
    Some(pointer)
}

#[cfg(test)]
mod tests;
