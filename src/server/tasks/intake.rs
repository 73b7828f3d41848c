//! From what a user sent to what is stored: defaults filled in, every fault named with its place.

use crate::{
    domain::{Ending, Overrides, QueueName, Setup, TaskId, TaskSpec, Violation, Work, did_you_mean, order::Cost},
    server::{
        auth::Principal,
        error::{self, ApiResult, invalid},
        orders,
        state::App,
    },
    template,
    wire::{FieldError, NewQueue, NewTask, Problem, ProblemCode},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// The time between SIGTERM and SIGKILL where neither task nor queue says.
const DEFAULT_GRACE_SECONDS: u64 = 30;

/// Checks a task and fills in the defaults of its queue.
pub(super) fn take(app: &App, principal: &Principal, new: NewTask, at: &str) -> ApiResult<TaskSpec> {
    let user = principal.user.as_str();
    let name = new.queue.clone().unwrap_or_else(|| QueueName::default().to_string());
    let queue = app.queues.get(&name).ok_or_else(|| no_queue(app, principal, &name, at))?;
    let name = name.parse::<QueueName>().map_err(|_| no_queue(app, principal, &name, at))?;
    principal.within(&name, || no_queue(app, principal, name.as_str(), at).into())?;
    let placed = |v: Violation| FieldError { pointer: format!("{at}{}", v.pointer), message: v.message };
    let spec = spec(new, user, name, &queue).map_err(|violations| invalid(violations.into_iter().map(placed).collect()))?;
    match app.unmade(&spec, user) {
        None => Ok(spec),
        Some(faults) => Err(invalid(error::placed(at, faults).collect())),
    }
}

/// Checks that a stored task can be submitted again.
pub(super) fn again(app: &App, user: &str, id: TaskId, spec: &TaskSpec) -> ApiResult<()> {
    // Where the queue is gone the store says so.
    let odds = app.queues.get(spec.queue.as_str()).map(|queue| at_odds(spec, user, &queue)).unwrap_or_default();
    let Some(first) = odds.first() else { return Ok(()) };
    let detail = format!("Task {id} no longer fits its queue: {}.", first.message);
    Err(Problem::new(ProblemCode::ValidationFailed).detail(detail).hint("Submit a new task in its place.").into())
}

/// A stored task with something changed, or for another queue, which takes it as if it were submitted there.
///
/// # Errors
/// There is no such queue, or not for the caller; it does not take the task.
pub(super) fn elsewhere(app: &App, principal: &Principal, spec: TaskSpec, name: &str) -> ApiResult<TaskSpec> {
    let unknown = || no_queue(app, principal, name, "");
    let queue = app.queues.get(name).ok_or_else(unknown)?;
    let name = name.parse::<QueueName>().map_err(|_| unknown())?;
    principal.within(&name, || unknown().into())?;
    let cost = cost_of(&spec.overrides.variables, &queue);
    let (gpus, weight) = (cost.and_then(gpus_of), cost.map(|cost| cost.weight.0));
    let spec = TaskSpec { queue: name, overrides: Overrides { gpus, weight, ..spec.overrides }, ..spec };
    let odds = [spec.violations(), at_odds(&spec, &principal.user, &queue)].concat();
    if !odds.is_empty() {
        return Err(invalid(odds.into_iter().map(|v| FieldError { pointer: v.pointer, message: v.message }).collect()));
    }
    match app.unmade(&spec, &principal.user) {
        None => Ok(spec),
        Some(faults) => Err(invalid(error::placed("", faults).collect())),
    }
}

/// The rule, apart from everything else: a task as it is stored, with all that is wrong with it and at odds with its queue.
pub(in crate::server) fn spec(new: NewTask, user: &str, name: QueueName, queue: &NewQueue) -> Result<TaskSpec, Vec<Violation>> {
    let work = match (new.command, new.script) {
        (Some(argv), None) => Work::Command(argv),
        (None, Some(text)) => Work::Script(text),
        (None, None) if queue.use_image_entrypoint || queue.object.is_some() => Work::Entrypoint,
        (None, None) => return one("/command", "a task needs a command (a list: program and arguments) or a script (a text)"),
        (Some(_), Some(_)) => return one("/script", "a task has a command or a script, not both"),
    };
    let mut env = queue.defaults.env.clone();
    env.extend(new.env);
    let cost = cost_of(&new.variables, queue);
    let spec = TaskSpec {
        name: new.name,
        queue: name,
        labels: new.labels,
        priority: new.priority.unwrap_or_default(),
        work,
        env,
        resources: new.resources.unwrap_or_default(),
        timeout_seconds: new.timeout_seconds.or(queue.defaults.timeout_seconds).or(queue.allow.timeout_seconds),
        max_wait_seconds: new.max_wait_seconds.or(queue.defaults.max_wait_seconds),
        total_timeout_seconds: new.total_timeout_seconds.or(queue.defaults.total_timeout_seconds),
        grace_seconds: new.grace_seconds.or(queue.defaults.grace_seconds).unwrap_or(DEFAULT_GRACE_SECONDS),
        retries: new.retries.or(queue.defaults.retries).unwrap_or_default(),
        overrides: Overrides {
            image: new.image,
            node_selector: new.node_selector,
            secrets: new.secrets,
            gpus: cost.and_then(gpus_of),
            weight: cost.map(|cost| cost.weight.0),
            variables: new.variables,
        },
        setup: Setup { code: new.code, working_dir: new.working_dir, environment: new.environment },
        ending: Ending { checkpoint: new.checkpoint, outputs: new.outputs },
    };
    let violations = [spec.violations(), at_odds(&spec, user, queue)].concat();
    if violations.is_empty() { Ok(spec) } else { Err(violations) }
}

/// What the values of variables make a task of a queue cost; none where there are none, or they are wrong.
fn cost_of(variables: &BTreeMap<String, Value>, queue: &NewQueue) -> Option<Cost> {
    if variables.is_empty() {
        return None;
    }
    let values = orders::values(queue, Some(variables)).ok()?;
    Some(orders::cost(queue, &values))
}

fn gpus_of(cost: Cost) -> Option<u32> {
    u32::try_from(cost.gpus.0 / 1000).ok()
}

/// What a task asks for and its queue does not give.
fn at_odds(spec: &TaskSpec, user: &str, queue: &NewQueue) -> Vec<Violation> {
    let wrong = |pointer: &str, message: String| Violation { pointer: pointer.to_owned(), message };
    let mut found = Vec::new();
    let (what, field) = if queue.object.is_some() { ("object", "object") } else { ("image", "useImageEntrypoint") };
    let of_image = format!("the queue {} leaves the command to its {what} ({field}): submit without one", spec.queue);
    let of_task = format!("the queue {} no longer leaves the command to its image", spec.queue);
    match (&spec.work, queue.use_image_entrypoint || queue.object.is_some()) {
        (Work::Command(_), true) => found.push(wrong("/command", of_image)),
        (Work::Script(_), true) => found.push(wrong("/script", of_image)),
        (Work::Entrypoint, false) => found.push(wrong("/command", of_task)),
        _ => {}
    }
    if spec.is_agentless() {
        // No agent runs beside the command, so nobody would do it.
        let Setup { code, working_dir, environment } = &spec.setup;
        let asked = [
            ("/code", code.is_some()),
            ("/workingDir", working_dir.is_some()),
            ("/environment", environment.is_some()),
            ("/checkpoint", !spec.ending.checkpoint.is_empty()),
            ("/outputs", !spec.ending.outputs.is_empty()),
        ];
        for (pointer, _) in asked.iter().filter(|(_, asked)| *asked) {
            found.push(wrong(
                pointer,
                format!("the queue {} leaves the command to its {what} ({field}), and no agent runs beside it", spec.queue),
            ));
        }
    }
    if orders::has_pods(queue) {
        found.extend(queue.allow.denies(spec, &orders::of_queue(queue)));
    } else {
        let asks = &spec.overrides;
        let named = [
            ("/image", asks.image.is_some()),
            ("/resources/cpu", spec.resources.cpu.is_some()),
            ("/resources/memory", spec.resources.memory.is_some()),
            ("/nodeSelector", !asks.node_selector.is_empty()),
            ("/secrets", !asks.secrets.is_empty()),
        ];
        // A runner without pods would leave it out, and the task would run as nobody asked for.
        for (pointer, _) in named.iter().filter(|(_, asked)| *asked) {
            found.push(wrong(
                pointer,
                format!("the queue {} has no pods of its own (podTemplate): take a queue that has, or leave it out", spec.queue),
            ));
        }
        found.extend(
            queue.allow.denies(spec, &orders::of_queue(queue)).into_iter().filter(|v| !named.iter().any(|(p, _)| v.pointer.starts_with(p))),
        );
    }
    let values = match orders::values(queue, Some(&spec.overrides.variables)) {
        Ok(values) => values,
        Err(faults) => {
            found.extend(faults.into_iter().map(|fault| wrong(&format!("/variables{}", fault.pointer), fault.message)));
            return found;
        }
    };
    if queue.object.is_some() && spec.resources.gpus > 0 {
        found.push(wrong(
            "/resources/gpus",
            format!("the object of the queue {} says what its pods need: leave the GPUs to it", spec.queue),
        ));
    }
    if let Some(template) = &queue.pod_template {
        let faults = template::refuses(template, &values, &orders::layer(spec, queue, orders::facts(spec, user, queue)));
        found.extend(faults.into_iter().map(|fault| wrong(&fault.pointer, fault.message)));
    }
    found
}

fn one(pointer: &str, message: &str) -> Result<TaskSpec, Vec<Violation>> {
    Err(vec![Violation { pointer: pointer.to_owned(), message: message.to_owned() }])
}

pub(super) fn no_queue(app: &App, principal: &Principal, name: &str, at: &str) -> Problem {
    let mut names = app.queues.names();
    // What the caller may not use is not told, least of all as what they may have meant.
    names.retain(|queue| principal.may_in(queue));
    let near = did_you_mean(name, names.iter().map(QueueName::as_str));
    let shown: String = name.chars().take(64).collect();
    let detail = match near {
        Some(near) => format!("No queue {shown:?}. Did you mean {near:?}?"),
        None => format!("No queue {shown:?}."),
    };
    let mut problem = Problem::new(ProblemCode::QueueNotFound).detail(detail).hint("slipway queue ls");
    problem.errors = vec![FieldError { pointer: format!("{at}/queue"), message: "no such queue".to_owned() }];
    problem
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{QueueDefaults, Retries};

    #[test]
    fn the_task_says_more_than_its_queue_and_the_queue_more_than_we() {
        let defaults = QueueDefaults {
            timeout_seconds: Some(60),
            grace_seconds: Some(5),
            retries: Some(Retries { user: 2, oom: 0, infra: 1 }),
            env: [("A".to_owned(), "queue".to_owned()), ("B".to_owned(), "queue".to_owned())].into(),
            ..QueueDefaults::default()
        };
        let queue = NewQueue { defaults, ..NewQueue::default() };
        let new = NewTask {
            command: Some(vec!["true".into()]),
            grace_seconds: Some(9),
            env: [("B".to_owned(), "task".to_owned())].into(),
            ..NewTask::default()
        };
        let made = spec(new, "kim", QueueName::default(), &queue).unwrap();
        assert_eq!((made.timeout_seconds, made.grace_seconds, made.retries.user), (Some(60), 9, 2));
        assert_eq!((made.env["A"].as_str(), made.env["B"].as_str()), ("queue", "task"));
        let plain =
            spec(NewTask { script: Some("echo".into()), ..NewTask::default() }, "kim", QueueName::default(), &NewQueue::default()).unwrap();
        assert_eq!((plain.timeout_seconds, plain.grace_seconds, plain.retries), (None, 30, Retries { user: 0, oom: 0, infra: 3 }));
    }

    #[test]
    fn a_task_runs_one_thing() {
        let both = NewTask { command: Some(vec!["a".into()]), script: Some("b".into()), ..NewTask::default() };
        assert_eq!(spec(both, "kim", QueueName::default(), &NewQueue::default()).unwrap_err()[0].pointer, "/script");
        assert_eq!(spec(NewTask::default(), "kim", QueueName::default(), &NewQueue::default()).unwrap_err()[0].pointer, "/command");
    }

    #[test]
    fn where_the_image_brings_the_command_a_task_has_none() {
        let queue = NewQueue { use_image_entrypoint: true, ..NewQueue::default() };
        let of = |new: NewTask| spec(new, "kim", QueueName::default(), &queue);
        assert_eq!(of(NewTask::default()).unwrap().work, Work::Entrypoint);
        for (new, pointer) in [
            (NewTask { command: Some(vec!["a".into()]), ..NewTask::default() }, "/command"),
            (NewTask { script: Some("b".into()), ..NewTask::default() }, "/script"),
        ] {
            let found = of(new).unwrap_err();
            assert_eq!(found[0].pointer, pointer);
            assert!(found[0].message.contains("useImageEntrypoint"), "{}", found[0].message);
        }
    }
}
