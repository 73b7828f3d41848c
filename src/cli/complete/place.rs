//! What belongs where in the command line. Pure.

use crate::{
    cli::task_ref::TaskRef,
    wire::{QueueName, RunnerName, TaskState},
};
use std::any::TypeId;

/// What is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Tasks, ended ones too.
    Tasks,
    /// Tasks that have not ended.
    LiveTasks,
    Queues,
    Runners,
    Contexts,
    States,
    /// What `help` explains.
    Topics,
    /// Keys of the configuration.
    Keys,
}

/// The commands for tasks that have not ended.
const FOR_LIVE: [&str; 6] = ["cancel", "wait", "watch", "move", "boost", "abandon"];
/// Other programs' words: a context of kubectl, the name that a runner is to have.
const ROLES: [&str; 6] = ["up", "server", "runner", "glue", "admin", "admin reap"];

/// What completes an argument of the command at `path`; none where only its user can know.
pub(super) fn kind(path: &str, arg: &clap::Arg) -> Option<Kind> {
    let parser = arg.get_value_parser().type_id();
    let is = |of: TypeId| parser == of;
    if is(TypeId::of::<TaskRef>()) {
        return Some(if FOR_LIVE.contains(&path) { Kind::LiveTasks } else { Kind::Tasks });
    }
    if is(TypeId::of::<TaskState>()) {
        return Some(Kind::States);
    }
    let id = arg.get_id().as_str();
    match (path, id) {
        ("help", "words") => return Some(Kind::Topics),
        ("config get" | "config set" | "config unset", "key") => return Some(Kind::Keys),
        ("context use" | "context rm" | "logout", "name") => return Some(Kind::Contexts),
        ("runner", "queues") => return Some(Kind::Queues),
        _ if ROLES.contains(&path) || path.starts_with("template") => return None,
        _ => {}
    }
    if is(TypeId::of::<RunnerName>()) {
        return Some(Kind::Runners);
    }
    match id {
        "context" => Some(Kind::Contexts),
        "queue" => Some(Kind::Queues),
        // A new queue's name is its maker's.
        _ if is(TypeId::of::<QueueName>()) && arg.is_positional() => Some(Kind::Queues),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::help::root;

    /// Every argument that completes itself, with what.
    fn all(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for arg in command.get_arguments().filter(|arg| arg.get_id() != "context") {
            found.extend(kind(path, arg).map(|kind| format!("{path} {} {kind:?}", arg.get_id())));
        }
        for sub in command.get_subcommands() {
            all(sub, format!("{path} {}", sub.get_name()).trim_start(), found);
        }
    }

    #[test]
    fn what_is_completed_where() {
        let mut found = Vec::new();
        all(&root(), "", &mut found);
        insta::assert_snapshot!(found.join("\n"));
    }
}
