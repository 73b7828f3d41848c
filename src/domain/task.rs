//! What a user submits, checked.

use super::{
    Cpu, Ending, Memory, Setup, labels::Labels, labels::valid_label_key, labels::valid_label_value, names::QueueName, order,
    overrides::Overrides, state::Priority,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the agent runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Work {
    /// A program and its arguments, never passed through a shell.
    Command(Vec<String>),
    /// Whatever the image's entrypoint is; for queues with `useImageEntrypoint`.
    Entrypoint,
    /// The text of a script: run by the interpreter of its `#!` line, else by `/bin/sh`.
    Script(String),
}

/// What a task needs of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    /// Whole GPUs, 0 to 1,024.
    pub gpus: u32,
    /// CPU, as `2` or `500m`, where its queue lets a task say so; it is what its pod requests, and its limit where the queue
    /// has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub cpu: Option<Cpu>,
    /// Memory, as `8Gi`, where its queue lets a task say so; it is what its pod requests, and its limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>))]
    pub memory: Option<Memory>,
}

impl Resources {
    /// Whole GPUs, and nothing else.
    #[must_use]
    pub fn of_gpus(gpus: u32) -> Self {
        Self { gpus, cpu: None, memory: None }
    }
}

/// A value of a Kubernetes Secret that a task uses: as a variable or as a file. The value itself is never here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretUse {
    /// The environment variable that has it; this or `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The name of the file that has it, in the directory `/secrets`; 1 to 100 of `A-Z a-z 0-9 . _ -`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The Secret, in the namespace of the task's pod.
    pub secret: String,
    /// Its key.
    pub key: String,
}

/// How often a task is tried again, by the class of the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Retries {
    /// After failures of the command itself; 0 to 100, default 0.
    pub user: u32,
    /// After the memory limit was hit; 0 to 100, default 0.
    pub oom: u32,
    /// After failures of the machine or the cluster; 0 to 100, default 3.
    pub infra: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Self { user: 0, oom: 0, infra: 3 }
    }
}

/// A task as its submitter described it, with every default filled in. It never changes but for name, labels and
/// priority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskSpec {
    /// A name for people; not unique.
    pub name: Option<String>,
    /// Where it waits.
    pub queue: QueueName,
    /// For filters.
    pub labels: Labels,
    /// Its place among others.
    pub priority: Priority,
    /// What runs.
    pub work: Work,
    /// Environment variables of the command.
    pub env: BTreeMap<String, String>,
    /// What it needs.
    pub resources: Resources,
    /// How long the command may run, in seconds; none is no limit.
    pub timeout_seconds: Option<u64>,
    /// How long after it was first queued its first attempt may start, in seconds; none is no limit.
    pub max_wait_seconds: Option<u64>,
    /// How long it may take in all, from when it was first queued to its end, in seconds; none is no limit.
    pub total_timeout_seconds: Option<u64>,
    /// How long the command has between SIGTERM and SIGKILL, in seconds.
    pub grace_seconds: u64,
    /// How often it is tried again.
    pub retries: Retries,
    /// What it says of its pod.
    pub overrides: Overrides,
    /// What is set up before the command starts.
    #[serde(default, skip_serializing_if = "Setup::is_empty")]
    pub setup: Setup,
    /// What is done as it stops, and after it.
    #[serde(default, skip_serializing_if = "Ending::is_empty")]
    pub ending: Ending,
}

/// One thing wrong with a task: where (a JSON pointer into the request) and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// RFC 6901 pointer into the submitted document.
    pub pointer: String,
    /// One sentence for people.
    pub message: String,
}

/// Bounds of a task; the sum is bounded by the request's size.
mod bounds {
    pub(super) const NAME: usize = 200;
    pub(super) const ARGS: usize = 4096;
    pub(super) const LABELS: usize = 64;
    pub(super) const ENV: usize = 1024;
    /// What Linux takes for one string of an argument list or environment, less the final NUL.
    pub(super) const STRING: usize = 131_071;
    pub(super) const SECONDS: u64 = 366 * 86_400;
    pub(super) const RETRIES: u32 = 100;
    pub(super) const GPUS: u32 = 1024;
}

/// The GPUs that a task counts for that names these, and whose variables ask for those.
#[must_use]
pub fn counted_gpus(named: Resources, by_variables: Option<u32>) -> u32 {
    if named.gpus > 0 { named.gpus } else { by_variables.unwrap_or(0) }
}

impl TaskSpec {
    /// The GPUs that it counts for in the order of service: those that it names, else those that its variables make its pods
    /// ask for. 0 where it says nothing of them, and then its queue's template does.
    #[must_use]
    pub fn gpus(&self) -> u32 {
        counted_gpus(self.resources, self.overrides.gpus)
    }

    /// Whether the image's own entrypoint is the command. Then no agent runs beside it, and the runner speaks for it.
    #[must_use]
    pub fn is_agentless(&self) -> bool {
        self.work == Work::Entrypoint
    }

    /// Everything that is wrong with it, in the order of the document; empty means it can be stored and run.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut check = |ok: bool, pointer: String, message: String| {
            if !ok {
                found.push(Violation { pointer, message });
            }
        };
        if let Some(name) = &self.name {
            let plain = !name.is_empty() && name.len() <= bounds::NAME && !name.chars().any(char::is_control);
            check(plain, "/name".into(), format!("a name has 1 to {} bytes and no control characters", bounds::NAME));
        }
        check(self.labels.len() <= bounds::LABELS, "/labels".into(), format!("at most {} labels", bounds::LABELS));
        for (key, value) in &self.labels {
            let at = format!("/labels/{}", escape(key));
            check(valid_label_key(key), at.clone(), format!("{key:?} is no legal label key (Kubernetes' rule: [prefix/]name)"));
            check(valid_label_value(value), at.clone(), format!("{value:?} is no legal label value (0 to 63 of A-Z a-z 0-9 . _ -)"));
            if let Some(wrong) = order::not_a_weight(key, value) {
                check(false, at, wrong);
            }
        }
        match &self.work {
            Work::Command(argv) => {
                check(
                    argv.first().is_some_and(|program| !program.is_empty()),
                    "/command".into(),
                    "a command needs a program: [\"python\", \"train.py\"]".into(),
                );
                check(argv.len() <= bounds::ARGS, "/command".into(), format!("at most {} arguments", bounds::ARGS));
                for (i, arg) in argv.iter().enumerate().filter(|(_, arg)| !passable(arg)) {
                    check(false, format!("/command/{i}"), unpassable(arg));
                }
            }
            Work::Entrypoint => {}
            Work::Script(text) => {
                check(!text.trim().is_empty(), "/script".into(), "a script needs text".into());
            }
        }
        check(self.env.len() <= bounds::ENV, "/env".into(), format!("at most {} variables", bounds::ENV));
        for (key, value) in &self.env {
            let at = format!("/env/{}", escape(key));
            check(env_name(key), at.clone(), format!("{key:?} is no legal variable name: letters, digits and _, no digit first"));
            check(!key.starts_with("SLIPWAY_"), at.clone(), "names that begin with SLIPWAY_ belong to Slipway".into());
            check(key.len() + value.len() < bounds::STRING && !value.contains('\0'), at, unpassable(value));
        }
        check(self.resources.gpus <= bounds::GPUS, "/resources/gpus".into(), format!("at most {} GPUs", bounds::GPUS));
        for (field, seconds) in [
            ("timeoutSeconds", self.timeout_seconds),
            ("maxWaitSeconds", self.max_wait_seconds),
            ("totalTimeoutSeconds", self.total_timeout_seconds),
        ] {
            let fine = seconds.is_none_or(|seconds| (1..=bounds::SECONDS).contains(&seconds));
            check(fine, format!("/{field}"), format!("between 1 and {} seconds", bounds::SECONDS));
        }
        check(self.grace_seconds <= 3600, "/graceSeconds".into(), "between 0 and 3600 seconds".into());
        self.overrides.violations(&self.env, &mut check);
        self.setup.violations(&mut check);
        self.ending.violations(&mut check);
        for (field, n) in [("user", self.retries.user), ("oom", self.retries.oom), ("infra", self.retries.infra)] {
            check(n <= bounds::RETRIES, format!("/retries/{field}"), format!("at most {} retries", bounds::RETRIES));
        }
        found
    }
}

fn passable(text: &str) -> bool {
    text.len() <= bounds::STRING && !text.contains('\0')
}

fn unpassable(text: &str) -> String {
    if text.contains('\0') {
        "a NUL byte cannot be passed to a program".into()
    } else {
        format!("{} bytes are more than Linux passes to a program in one string ({})", text.len(), bounds::STRING)
    }
}

pub(super) fn env_name(key: &str) -> bool {
    let mut bytes = key.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A key as one part of a JSON pointer (RFC 6901).
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal() -> TaskSpec {
        TaskSpec {
            name: None,
            queue: QueueName::default(),
            labels: Labels::new(),
            priority: Priority::Normal,
            work: Work::Command(vec!["true".into()]),
            env: BTreeMap::new(),
            resources: Resources::default(),
            timeout_seconds: None,
            max_wait_seconds: None,
            total_timeout_seconds: None,
            grace_seconds: 30,
            retries: Retries::default(),
            overrides: Overrides::default(),
            setup: Setup::default(),
            ending: Ending::default(),
        }
    }

    #[test]
    fn the_smallest_task_is_fine() {
        assert_eq!(minimal().violations(), vec![]);
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let spec = TaskSpec {
            name: Some("a\nb".into()),
            labels: [("bad key", "v"), ("ok", "no good"), ("slipway.dev/weight", "much")].map(|(k, v)| (k.into(), v.into())).into(),
            work: Work::Command(vec!["x".into(), "a\0b".into(), "y".repeat(200_000)]),
            env: [("1A".to_owned(), String::new()), ("SLIPWAY_TOKEN".to_owned(), String::new())].into(),
            resources: Resources::of_gpus(5000),
            timeout_seconds: Some(0),
            max_wait_seconds: Some(0),
            total_timeout_seconds: Some(u64::MAX),
            grace_seconds: 9999,
            retries: Retries { user: 101, oom: 0, infra: 0 },
            ..minimal()
        };
        let pointers: Vec<_> = spec.violations().into_iter().map(|v| v.pointer).collect();
        assert_eq!(
            pointers,
            [
                "/name",
                "/labels/bad key",
                "/labels/ok",
                "/labels/slipway.dev~1weight",
                "/command/1",
                "/command/2",
                "/env/1A",
                "/env/SLIPWAY_TOKEN",
                "/resources/gpus",
                "/timeoutSeconds",
                "/maxWaitSeconds",
                "/totalTimeoutSeconds",
                "/graceSeconds",
                "/retries/user"
            ]
        );
        let empty = TaskSpec { work: Work::Command(vec![]), ..minimal() };
        assert_eq!(empty.violations()[0].pointer, "/command");
    }
}
