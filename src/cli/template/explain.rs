//! `slipway template explain`

use super::{
    Of,
    sample::{Sample, load},
};
use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
        style::{Tone, paint},
    },
    template::{Layer, Origins},
};
use serde_json::Value;

/// Prints the leaves of a part of the Job, each with the layer that set it.
pub(super) async fn run(context: &Context, of: &Of, path: &str) -> Result<Exit, Failure> {
    let sample = load(context, of).await?.single(of)?;
    let job = sample.complete()?;
    let pointer = pointer(path);
    let part = job.manifest.pointer(&pointer).ok_or_else(|| missing(path, &pointer, &job.manifest))?;
    context.console.text(&lines(&pointer, part, &job.origins, &sample))?;
    Ok(Exit::Ok)
}

/// A path as people type it, as a JSON pointer. A dot inside a key is written in a pointer alone.
fn pointer(path: &str) -> String {
    if path.starts_with('/') || path.is_empty() {
        return path.to_owned();
    }
    path.split(['.', '[', ']']).filter(|step| !step.is_empty()).fold(String::new(), |at, step| format!("{at}/{step}"))
}

/// What is there instead, as far as the path leads.
fn missing(path: &str, pointer: &str, manifest: &Value) -> Failure {
    let mut parent = pointer;
    while let Some((shorter, _)) = parent.rsplit_once('/') {
        parent = shorter;
        let keys: Vec<String> = match manifest.pointer(parent) {
            Some(Value::Object(fields)) => fields.keys().cloned().collect(),
            Some(Value::Array(items)) => (0..items.len()).map(|i| i.to_string()).collect(),
            _ => continue,
        };
        let whole = if parent.is_empty() { "the Job" } else { parent };
        return Failure::new(Exit::NotFound, format!("nothing stands at {path}")).hint(format!("{whole} has: {}", keys.join(", ")));
    }
    Failure::new(Exit::NotFound, format!("nothing stands at {path}"))
}

/// One line for each leaf: where, what, who.
fn lines(at: &str, value: &Value, origins: &Origins, sample: &Sample) -> String {
    let mut all = Vec::new();
    leaves(at, value, &mut all);
    let width = all.iter().map(|(at, value)| at.len() + value.len() + 2).max().unwrap_or(0).min(100);
    let line = |(at, value): &(String, String)| {
        let who = origins.of(at).map_or("nobody known", Layer::whose);
        let what = format!("{at}  {value}");
        let from = if matches!(origins.of(at), Some(Layer::Queue)) { format!(" {}", sample.name) } else { String::new() };
        format!("{what:<width$}  {}\n", paint(Tone::Faint, &format!("← {who}{from}")))
    };
    all.iter().map(line).collect()
}

fn leaves(at: &str, value: &Value, all: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(key, value)| leaves(&format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), value, all));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(i, value)| leaves(&format!("{at}/{i}"), value, all));
        }
        leaf => all.push((at.to_owned(), leaf.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::pointer;

    #[test]
    fn a_path_is_typed_with_dots_or_as_a_pointer() {
        for (typed, is) in [
            ("", ""),
            ("spec.template.spec", "/spec/template/spec"),
            ("spec.containers[0].env", "/spec/containers/0/env"),
            ("/metadata/labels/a.b~1c", "/metadata/labels/a.b~1c"),
        ] {
            assert_eq!(pointer(typed), is);
        }
    }
}
