//! The reader of `values.yaml`: its keys in their order, with what their comments say.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// A key of the values.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    /// The keys that lead to it, its own last.
    pub(super) path: Vec<String>,
    /// What it means; none where it only holds others.
    pub(super) meaning: Option<String>,
    /// What `@schema` says, an object.
    pub(super) schema: Value,
    /// What it is by default.
    pub(super) default: Value,
}

/// Reads all keys that hold others or mean something; what lies within a value belongs to it.
///
/// # Errors
/// A key neither means something nor holds others, or a comment is not as it should be.
pub(super) fn read(text: &str) -> Result<Vec<Key>> {
    let whole: Value = serde_yaml::from_str(text).context("no YAML")?;
    let mut keys: Vec<Key> = Vec::new();
    let (mut meaning, mut schema) = (None::<String>, Value::Object(serde_json::Map::new()));
    // The keys that stand above a line, each with how far it is in; and how far in the value is whose parts are passed over.
    let (mut above, mut within): (Vec<(usize, String)>, Option<usize>) = (Vec::new(), None);
    for (at, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        let depth = line.len() - bare.len();
        if bare.is_empty() || within.is_some_and(|value| depth > value) {
            continue;
        }
        within = None;
        if let Some(comment) = bare.strip_prefix('#') {
            let comment = comment.strip_prefix(' ').unwrap_or(comment);
            if let Some(said) = comment.strip_prefix("-- ") {
                meaning = Some(said.to_owned());
            } else if let Some(json) = comment.strip_prefix("@schema ") {
                schema = serde_json::from_str(json).with_context(|| format!("line {}: {json}", at + 1))?;
                ensure!(schema.is_object(), "line {}: a schema is an object", at + 1);
            } else if let Some(meaning) = &mut meaning {
                meaning.push(' ');
                meaning.push_str(comment);
            }
            continue;
        }
        let Some((key, _)) = bare.split_once(':') else { bail!("line {}: no key: {line}", at + 1) };
        above.retain(|(outer, _)| *outer < depth);
        above.push((depth, key.to_owned()));
        let path: Vec<String> = above.iter().map(|(_, key)| key.clone()).collect();
        let default = path.iter().try_fold(&whole, |value, key| value.get(key)).cloned();
        let default = default.with_context(|| format!("line {}: {} is read otherwise by YAML", at + 1, path.join(".")))?;
        if meaning.is_some() {
            within = Some(depth);
        } else {
            let holds = default.as_object().is_some_and(|keys| !keys.is_empty());
            ensure!(holds, "line {}: {} has no comment that says what it means", at + 1, path.join("."));
        }
        let said = std::mem::replace(&mut schema, Value::Object(serde_json::Map::new()));
        keys.push(Key { path, meaning: meaning.take(), schema: said, default });
    }
    Ok(keys)
}
