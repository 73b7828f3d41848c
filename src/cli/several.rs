//! Acting on several tasks: one that fails keeps no other from its turn.

use super::{
    context::Context,
    exit::{Exit, Failure},
};
use crate::wire::{Task, TaskList};

/// Prints what became of several tasks: the object of a single one, a list of more, or a line each.
pub(crate) fn print(context: &Context, tasks: Vec<Task>, line: impl Fn(&Task) -> String) -> Result<(), Failure> {
    match (tasks.as_slice(), context.format()) {
        ([], _) => Ok(()),
        ([task], format) if format.is_whole() => context.print(task, |task| vec![task.id.to_string()], &line),
        _ => context.print(
            &TaskList { items: tasks, next_cursor: None },
            |list| list.items.iter().map(|task| task.id.to_string()).collect(),
            |list| list.items.iter().map(|task| line(task) + "\n").collect(),
        ),
    }
}

/// The end of a command on several tasks: the first failure decides, every other is told here.
pub(crate) fn conclude(context: &Context, failures: Vec<Failure>) -> Result<Exit, Failure> {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else { return Ok(Exit::Ok) };
    for other in failures {
        context.console.report(&Failure { hints: Vec::new(), ..other });
    }
    Err(first)
}
