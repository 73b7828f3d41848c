//! What the tasks of a queue may say of their pods.

use super::{Cpu, Memory, Priority, TaskSpec, Violation, Work, task::escape};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who changes what a queue allows.
const WHO: &str = "who has the role admin can change it (slipway queue apply)";
/// Variables by which a program's loader runs other code, or takes other programs: none where no agent stands between them
/// and what the image runs.
const LOADER: [&str; 4] = ["PATH", "GCONV_PATH", "LOCPATH", "GLIBC_TUNABLES"];

/// What the tasks of a queue may change of their pods, beyond what every task may: command, arguments, environment,
/// labels, and a time limit below the queue's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Allow {
    /// Images that a task may name: patterns in which `*` stands for any text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// The most CPU that a task may ask for: a Kubernetes quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub cpu: Option<Cpu>,
    /// The most memory that a task may ask for: a Kubernetes quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub memory: Option<Memory>,
    /// Environment variables that a task may set, in place of the template's too: patterns of names. None for every name that
    /// is safe and that the template does not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// Keys of the node selector that a task may set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node_selector: Vec<String>,
    /// The highest priority that a task may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest_priority: Option<Priority>,
    /// The longest time limit that a task may set, in seconds; the queue's own where nothing is said. It is the limit of tasks
    /// that set none where the queue has none either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Kubernetes Secrets whose values a task may use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

/// What a queue says beside what it allows.
#[derive(Clone, Copy, Debug)]
pub struct OfQueue<'a> {
    /// Whether its tasks have pods: it has a template, or leaves the command to its image.
    pub pods: bool,
    /// Its own time limit.
    pub timeout_seconds: Option<u64>,
    /// Its own variables: those are no task's.
    pub env: &'a BTreeMap<String, String>,
}

impl Allow {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a task may name an image.
    #[must_use]
    pub fn image(&self, image: &str) -> bool {
        self.images.iter().any(|pattern| matches(pattern, image))
    }

    /// An image that a task may name: the first pattern, with a word for its stars. None where no task may.
    #[must_use]
    pub fn sample_image(&self) -> Option<String> {
        self.images.first().map(|pattern| pattern.replace('*', "sample"))
    }

    /// Whether it names a variable, so that a task may set it in place of the template's.
    #[must_use]
    pub fn names_env(&self, name: &str) -> bool {
        self.env.iter().flatten().any(|pattern| matches(pattern, name))
    }

    /// Whether a task may set a variable that no template sets. `bare`: no agent stands between it and what the image runs.
    #[must_use]
    pub fn env(&self, name: &str, bare: bool) -> bool {
        match &self.env {
            Some(_) => self.names_env(name),
            None => !(name.starts_with("LD_") || bare && LOADER.contains(&name)),
        }
    }

    /// What a task asks for and is not allowed, by place in the task.
    #[must_use]
    pub fn denies(&self, task: &TaskSpec, queue: &OfQueue<'_>) -> Vec<Violation> {
        let name = &task.queue;
        let mut found = Vec::new();
        let mut deny = |ok: bool, pointer: String, rule: String| {
            if !ok {
                found.push(Violation { pointer, message: format!("{rule}; {WHO}") });
            }
        };
        let asks = &task.overrides;
        if let Some(image) = &asks.image {
            let known = if self.images.is_empty() { "its own alone".to_owned() } else { self.images.join(", ") };
            deny(self.image(image), "/image".into(), format!("the queue {name} allows no image {image:?} (allow.images: {known})"));
        }
        match (task.resources.cpu, self.cpu) {
            (Some(_), None) => deny(false, "/resources/cpu".into(), format!("the queue {name} lets no task say its CPU (allow.cpu)")),
            (Some(cpu), Some(most)) => {
                deny(cpu <= most, "/resources/cpu".into(), format!("the queue {name} allows at most {most} CPU (allow.cpu), not {cpu}"));
            }
            (None, _) => {}
        }
        match (task.resources.memory, self.memory) {
            (Some(_), None) => {
                deny(false, "/resources/memory".into(), format!("the queue {name} lets no task say its memory (allow.memory)"));
            }
            (Some(memory), Some(most)) => {
                let rule = format!("the queue {name} allows at most {most} of memory (allow.memory), not {memory}");
                deny(memory <= most, "/resources/memory".into(), rule);
            }
            (None, _) => {}
        }
        let own = task.env.iter().filter(|(key, value)| queue.env.get(*key) != Some(value));
        for (key, _) in own.filter(|(key, _)| !key.starts_with("SLIPWAY_")) {
            // On a machine the command is the user's own, and so is what it loads.
            let fine = self.env(key, task.work == Work::Entrypoint) || (self.env.is_none() && !queue.pods);
            deny(fine, format!("/env/{}", escape(key)), format!("the queue {name} lets no task set {key} (allow.env)"));
        }
        for key in asks.node_selector.keys() {
            let known = if self.node_selector.is_empty() { "none".to_owned() } else { self.node_selector.join(", ") };
            let rule = format!("the queue {name} lets no task select nodes by {key} (allow.nodeSelector: {known})");
            deny(self.node_selector.contains(key), format!("/nodeSelector/{}", escape(key)), rule);
        }
        if let Some(highest) = self.highest_priority {
            let rule = format!("the queue {name} allows no priority above {highest} (allow.highestPriority)");
            deny(task.priority.band() >= highest.band(), "/priority".into(), rule);
        }
        let (longest, by) = match self.timeout_seconds {
            Some(longest) => (Some(longest), "allow.timeoutSeconds"),
            None => (queue.timeout_seconds, "defaults.timeoutSeconds"),
        };
        if let (Some(longest), Some(wanted)) = (longest, task.timeout_seconds) {
            let rule = format!("the queue {name} allows a time limit of at most {longest} seconds ({by}), not {wanted}");
            deny(wanted <= longest, "/timeoutSeconds".into(), rule);
        }
        for (i, used) in asks.secrets.iter().enumerate() {
            let rule = format!("the queue {name} lets no task use the Secret {} (allow.secrets)", used.secret);
            deny(self.secrets.contains(&used.secret), format!("/secrets/{i}/secret"), rule);
        }
        found
    }
}

/// Whether a pattern, in which `*` stands for any text, is the whole of a text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fits) in [
            ("python:3.12", "python:3.12", true),
            ("python:3.12", "python:3.12-slim", false),
            ("registry.example.com/vision/*", "registry.example.com/vision/a:1", true),
            ("registry.example.com/vision/*", "registry.example.com.evil/vision/a", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("*:1", "x:1:1", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn loaders_are_left_alone() {
        let none = Allow::default();
        let says = |name: &str| (none.env(name, false), none.env(name, true));
        assert_eq!(says("LR"), (true, true));
        assert_eq!(says("LD_PRELOAD"), (false, false));
        assert_eq!(says("PATH"), (true, false));
        let some = Allow { env: Some(vec!["LD_LIBRARY_PATH".into(), "WANDB_*".into()]), ..none };
        assert!(some.env("LD_LIBRARY_PATH", true) && some.env("WANDB_MODE", true) && !some.env("LR", false));
    }
}
