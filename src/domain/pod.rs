//! An attempt's objects in a cluster: what they are called, what marks them, and what stands where inside the pod. One
//! place, because glue, template and agent must agree.

use super::{AttemptRef, QueueName, RunnerName};
use uuid::Uuid;

/// The installation: the five characters minted with the database.
pub const LABEL_INSTANCE: &str = "slipway.dev/instance";
/// The runner's name.
pub const LABEL_RUNNER: &str = "slipway.dev/runner";
/// The task's id.
pub const LABEL_TASK: &str = "slipway.dev/task";
/// The attempt's number.
pub const LABEL_ATTEMPT: &str = "slipway.dev/attempt";
/// The queue's name.
pub const LABEL_QUEUE: &str = "slipway.dev/queue";
/// The claim: an object that bears another one is not ours.
pub const LABEL_CLAIM: &str = "slipway.dev/claim";
/// In a pod of a custom resource: what it is among the others, such as `worker`.
pub const LABEL_ROLE: &str = "slipway.dev/role";
/// On a server's own pod: whether it serves (`active`) or stands by (`standby`).
pub const LABEL_SERVER: &str = "slipway.dev/server";
/// What all labels of ours begin with; nobody else may set one.
pub const LABEL_PREFIX: &str = "slipway.dev/";

/// Where the agent's program stands, in a volume that the task can only read.
pub const AGENT_DIR: &str = "/slipway/bin";
/// The agent's program.
pub const AGENT: &str = "/slipway/bin/slipway-agent";
/// The volume of the Secret with the assignment.
pub const START_VOLUME: &str = "slipway-start";
/// Where it is mounted, read-only.
pub const START_DIR: &str = "/slipway/start";
/// The attempt's directory (`wire::handoff::files`), a writable emptyDir.
pub const WORK_DIR: &str = "/slipway/work";
/// Where a queue's cache is mounted (`cache.claim`).
pub const CACHE_DIR: &str = "/slipway/cache";
/// Where what git needs to know itself by is mounted, read-only (`git.secretRef`).
pub const GIT_DIR: &str = "/slipway/git";
/// All mounts of ours stand below it; nobody else may mount there.
pub const ROOT_DIR: &str = "/slipway";
/// The environment variable with the pod's UID (downward API).
pub const POD_UID: &str = "SLIPWAY_POD_UID";
/// The environment variable that names those of a container that hold secrets, `A,B,APP_*`: names and beginnings of names
/// and no values; `*` stands for all whose names look like it.
pub const SECRET_ENV: &str = "SLIPWAY_SECRET_ENV";
/// The environment variable that names the files, and the directories of files, that hold secrets, `/secrets,/etc/tls`.
pub const SECRET_FILES: &str = "SLIPWAY_SECRET_FILES";
/// What all environment variables of ours begin with; nobody else may set one.
pub const ENV_PREFIX: &str = "SLIPWAY_";
/// Where Kubernetes takes a container's termination message from.
pub const TERMINATION_LOG: &str = "/dev/termination-log";

/// The container that runs the user's command, where a template names none.
pub const TASK_CONTAINER: &str = "task";
/// The init container that brings the agent.
pub const AGENT_CONTAINER: &str = "slipway-agent";

/// How much longer a pod may take to end than the command's grace period: for the rest of the log and the result.
pub const END_ALLOWANCE_SECONDS: u64 = 10;

/// Whether a text is what Kubernetes calls a DNS label: names of namespaces, and what names of Jobs are made of.
#[must_use]
pub fn is_dns_label(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(fine) && !text.starts_with('-') && !text.ends_with('-')
}

/// The name of an attempt's Job and of its Secret: `slw-<instance>-<task>-a<n>`, or with a `given` name in the place of
/// `slw`, which is cut so that the whole has at most 63 characters and never loses what makes it unique. A name that begins with
/// a digit comes after `slw-`: controllers name Services after the objects of some kinds, and those begin with a letter.
#[must_use]
pub fn object_name(given: Option<&str>, instance: &str, of: AttemptRef) -> String {
    let unique = format!("-{instance}-{}-a{}", of.task, of.attempt);
    let given = match given {
        Some(given) if given.starts_with(|c: char| c.is_ascii_digit()) => format!("slw-{given}"),
        given => given.unwrap_or("slw").to_owned(),
    };
    let cut: String = given.chars().take(63_usize.saturating_sub(unique.len())).collect();
    format!("{}{unique}", cut.trim_end_matches(['-', '.']))
}

/// A text as the beginning of a name: in lower case, with a dash for whatever no name has. None where nothing is left.
#[must_use]
pub fn sanitised(text: &str) -> Option<String> {
    let fine = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.chars().map(fine).collect();
    let name = name.trim_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// The labels of every object of an attempt.
#[must_use]
pub fn labels(instance: &str, runner: &RunnerName, of: AttemptRef, queue: &QueueName, claim: Uuid) -> [(&'static str, String); 6] {
    [
        (LABEL_INSTANCE, instance.to_owned()),
        (LABEL_RUNNER, runner.as_str().to_owned()),
        (LABEL_TASK, of.task.to_string()),
        (LABEL_ATTEMPT, of.attempt.to_string()),
        (LABEL_QUEUE, queue.as_str().to_owned()),
        (LABEL_CLAIM, claim.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AttemptNumber, TaskId};

    #[test]
    fn a_name_is_legal_and_never_loses_what_makes_it_unique() {
        let of = AttemptRef { task: TaskId(1042), attempt: AttemptNumber(3) };
        assert_eq!(object_name(None, "k3f9a", of), "slw-k3f9a-1042-a3");
        assert_eq!(object_name(Some("train"), "k3f9a", of), "train-k3f9a-1042-a3");
        assert_eq!(object_name(Some("1042-ddp"), "k3f9a", of), "slw-1042-ddp-k3f9a-1042-a3");
        let long = object_name(Some(&"x-".repeat(60)), "k3f9a", of);
        assert!(long.len() <= 63 && long.ends_with("x-k3f9a-1042-a3"), "{long}");
        assert_eq!(sanitised("run_AB12-ddp.").as_deref(), Some("run-ab12-ddp"));
        assert_eq!(sanitised("_"), None);
    }
}
