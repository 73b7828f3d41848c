//! From what a user sent to what is stored: defaults filled in, every fault named with its place.

use crate::{
    domain::{QueueName, TaskSpec, Violation, Work, did_you_mean},
    server::{
        error::{ApiResult, invalid},
        state::App,
    },
    wire::{FieldError, NewQueue, NewTask, Problem, ProblemCode},
};

/// The time between SIGTERM and SIGKILL where neither task nor queue says.
const DEFAULT_GRACE_SECONDS: u64 = 30;

/// Checks a task and fills in the defaults of its queue.
pub(super) fn take(app: &App, new: NewTask, at: &str) -> ApiResult<TaskSpec> {
    let name = new.queue.clone().unwrap_or_else(|| QueueName::default().to_string());
    let queue = app.queues.get(&name).ok_or_else(|| no_queue(app, &name, at))?;
    let name = name.parse::<QueueName>().map_err(|_| no_queue(app, &name, at))?;
    let placed = |v: Violation| FieldError { pointer: format!("{at}{}", v.pointer), message: v.message };
    spec(new, name, &queue).map_err(|violations| invalid(violations.into_iter().map(placed).collect()))
}

/// The rule, apart from everything else.
fn spec(new: NewTask, name: QueueName, queue: &NewQueue) -> Result<TaskSpec, Vec<Violation>> {
    let work = match (new.command, new.script) {
        (Some(argv), None) => Work::Command(argv),
        (None, Some(text)) => Work::Script(text),
        (None, None) => return one("/command", "a task needs a command (a list: program and arguments) or a script (a text)"),
        (Some(_), Some(_)) => return one("/script", "a task has a command or a script, not both"),
    };
    let mut env = queue.defaults.env.clone();
    env.extend(new.env);
    let spec = TaskSpec {
        name: new.name,
        queue: name,
        labels: new.labels,
        priority: new.priority.unwrap_or_default(),
        work,
        env,
        resources: new.resources.unwrap_or_default(),
        timeout_seconds: new.timeout_seconds.or(queue.defaults.timeout_seconds),
        grace_seconds: new.grace_seconds.or(queue.defaults.grace_seconds).unwrap_or(DEFAULT_GRACE_SECONDS),
        retries: new.retries.or(queue.defaults.retries).unwrap_or_default(),
    };
    let violations = spec.violations();
    if violations.is_empty() { Ok(spec) } else { Err(violations) }
}

fn one(pointer: &str, message: &str) -> Result<TaskSpec, Vec<Violation>> {
    Err(vec![Violation { pointer: pointer.to_owned(), message: message.to_owned() }])
}

pub(super) fn no_queue(app: &App, name: &str, at: &str) -> Problem {
    let names = app.queues.names();
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
        let made = spec(new, QueueName::default(), &queue).unwrap();
        assert_eq!((made.timeout_seconds, made.grace_seconds, made.retries.user), (Some(60), 9, 2));
        assert_eq!((made.env["A"].as_str(), made.env["B"].as_str()), ("queue", "task"));
        let plain =
            spec(NewTask { script: Some("echo".into()), ..NewTask::default() }, QueueName::default(), &NewQueue::default()).unwrap();
        assert_eq!((plain.timeout_seconds, plain.grace_seconds, plain.retries), (None, 30, Retries { user: 0, oom: 0, infra: 3 }));
    }

    #[test]
    fn a_task_runs_one_thing() {
        let both = NewTask { command: Some(vec!["a".into()]), script: Some("b".into()), ..NewTask::default() };
        assert_eq!(spec(both, QueueName::default(), &NewQueue::default()).unwrap_err()[0].pointer, "/script");
        assert_eq!(spec(NewTask::default(), QueueName::default(), &NewQueue::default()).unwrap_err()[0].pointer, "/command");
    }
}
