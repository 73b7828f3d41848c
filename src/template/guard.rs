//! The last look at a pod before it is an attempt's: of what the layers under the task set, the task has changed only what
//! the queue allows, and has brought nothing else.

use super::{
    Fault, TaskLayer,
    lists::{List, list},
    pointer::below,
    task::{GPU, SECRETS_DIR, SECRETS_VOLUME},
};
use crate::domain::{Cpu, Memory};
use serde_json::Value;

/// What a task did to a pod template that its queue does not allow; the pointers lead into the template, with the names of
/// named things in place of their indices.
pub(super) fn faults(before: &Value, after: &Value, task: &TaskLayer<'_>) -> Vec<Fault> {
    let container = after.pointer("/spec/containers/0/name").and_then(Value::as_str).unwrap_or_default();
    let mut guard = Guard { task, container, found: Vec::new() };
    guard.walk(&mut Vec::new(), before, after);
    guard.found
}

struct Guard<'a> {
    task: &'a TaskLayer<'a>,
    container: &'a str,
    found: Vec<Fault>,
}

/// What stands in place of what is not there.
const ABSENT: Value = Value::Null;

impl<'a> Guard<'a> {
    fn walk(&mut self, path: &mut Vec<&'a str>, before: &'a Value, after: &'a Value) {
        if before == after || self.allows(path, before, after) {
            return;
        }
        match (before, after) {
            (Value::Object(old), Value::Object(new)) => {
                for (key, value) in old {
                    self.step(path, key, value, new.get(key).unwrap_or(&ABSENT));
                }
                for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                    self.step(path, key, &ABSENT, value);
                }
            }
            // What is new is looked at part by part.
            (Value::Null, Value::Object(new)) if !new.is_empty() => {
                for (key, value) in new {
                    self.step(path, key, &ABSENT, value);
                }
            }
            (Value::Array(old), Value::Array(new)) => self.list(path, old, new),
            (Value::Null, Value::Array(new)) if !new.is_empty() => self.list(path, &[], new),
            _ => {
                let at = path.iter().fold(String::new(), |at, step| below(&at, step));
                self.found.push(Fault::new(at, "a task must not change it: it is the queue's, and allow does not name it"));
            }
        }
    }

    fn step(&mut self, path: &mut Vec<&'a str>, key: &'a str, before: &'a Value, after: &'a Value) {
        path.push(key);
        self.walk(path, before, after);
        path.pop();
    }

    fn list(&mut self, path: &mut Vec<&'a str>, old: &'a [Value], new: &'a [Value]) {
        let List::By(key) = list(path.last().copied().unwrap_or_default()) else {
            let at = path.iter().fold(String::new(), |at, step| below(&at, step));
            self.found.push(Fault::new(at, "a task must not change this list: it is the queue's"));
            return;
        };
        let same = |items: &'a [Value], name: &Value| items.iter().find(|item| item[key] == *name);
        for item in old {
            self.step(path, item[key].as_str().unwrap_or_default(), item, same(new, &item[key]).unwrap_or(&ABSENT));
        }
        for item in new.iter().filter(|item| same(old, &item[key]).is_none()) {
            self.step(path, item[key].as_str().unwrap_or_default(), &ABSENT, item);
        }
    }

    /// Whether a task may do this, there.
    fn allows(&self, path: &[&str], before: &Value, after: &Value) -> bool {
        let allow = self.task.allow;
        match path {
            ["spec", "nodeSelector", key] => {
                after.as_str().is_some_and(|value| self.task.node_selector.get(*key).is_some_and(|wanted| wanted == value))
                    && allow.node_selector.iter().any(|named| named == key)
            }
            ["spec", "volumes", name] if *name == SECRETS_VOLUME => before.is_null() && self.is_secrets(after),
            ["spec", "containers", name, field @ ..] if *name == self.container => match field {
                ["image"] => after.as_str().is_some_and(|image| allow.image(image)),
                ["resources", "limits" | "requests", resource] => self.amount(resource, before, after),
                ["env", name] => self.variable(name, before, after),
                ["volumeMounts", path] => {
                    *path == SECRETS_DIR && before.is_null() && after["name"] == SECRETS_VOLUME && after["readOnly"] == true
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn amount(&self, resource: &str, before: &Value, after: &Value) -> bool {
        let text = after.as_str().unwrap_or_default();
        match resource {
            "cpu" => text.parse::<Cpu>().ok().zip(self.task.allow.cpu).is_some_and(|(cpu, most)| cpu <= most),
            "memory" => text.parse::<Memory>().ok().zip(self.task.allow.memory).is_some_and(|(memory, most)| memory <= most),
            GPU => {
                let given = before.as_str().map_or(Some(u32::MAX), |given| given.parse().ok());
                text.parse::<u32>().ok().zip(given).is_some_and(|(wanted, given)| wanted == self.task.gpus && wanted <= given)
            }
            _ => false,
        }
    }

    /// A variable may come, or a plain one be replaced, where the queue allows it.
    fn variable(&self, name: &str, before: &Value, after: &Value) -> bool {
        if before.get("valueFrom").is_some() || after.is_null() {
            return false;
        }
        let replaced = !before.is_null();
        if let Some(from) = after.get("valueFrom") {
            let of_secret = from.get("secretKeyRef").and_then(|from| from["name"].as_str());
            let lone = from.as_object().is_some_and(|from| from.len() == 1);
            return !replaced && lone && of_secret.is_some_and(|secret| self.may_use(secret));
        }
        let own = self.task.is_own(name);
        if !own {
            return self.task.env.contains_key(name);
        }
        if replaced { self.task.allow.names_env(name) } else { self.task.allow.env(name, self.task.env_in_pod) }
    }

    fn may_use(&self, secret: &str) -> bool {
        self.task.allow.secrets.iter().any(|named| named == secret)
    }

    /// Whether it is the volume of the Secrets that a task may use, and nothing else.
    fn is_secrets(&self, volume: &Value) -> bool {
        let only =
            |value: &Value, fields: &[&str]| value.as_object().is_some_and(|map| map.keys().all(|key| fields.contains(&key.as_str())));
        let sources = volume["projected"]["sources"].as_array();
        only(volume, &["name", "projected"])
            && only(&volume["projected"], &["sources", "defaultMode"])
            && sources.is_some_and(|sources| {
                sources
                    .iter()
                    .all(|source| only(source, &["secret"]) && source["secret"]["name"].as_str().is_some_and(|name| self.may_use(name)))
            })
    }
}
