//! `slipway cancel`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    several,
    task_ref::TaskRef,
};
use crate::{
    client::Client,
    wire::{Task, TaskState},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway cancel 1042 1043
  slipway cancel @                                          your last task
  slipway ls --state queued -o name | xargs slipway cancel  everything of yours that still waits

A running command gets SIGTERM, then SIGKILL once its grace period is over.
To cancel again, or what has ended, is no error and changes nothing.";

/// The arguments of `cancel`.
#[derive(Clone, Debug, clap::Args)]
pub struct CancelArgs {
    /// The tasks: ids, names, or @ for your last
    #[arg(value_name = "TASK", required = true)]
    tasks: Vec<TaskRef>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Asks to stop tasks.
pub(super) async fn run(args: CancelArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for task in &args.tasks {
        match cancel(task, context, &client).await {
            Ok(task) => done.push(task),
            Err(failure) => failures.push(failure),
        }
    }
    several::print(context, done, line)?;
    several::conclude(context, failures)
}

async fn cancel(task: &TaskRef, context: &Context, client: &Client) -> Result<Task, Failure> {
    let id = task.id_to_stop(context, client).await?;
    Ok(client.cancel_task(id, context.key()).await?)
}

fn line(task: &Task) -> String {
    match task.state {
        TaskState::Cancelled => format!("{} cancelled", task.id),
        state if state.is_terminal() => {
            format!("{} had already {}", task.id, if state == TaskState::Failed { "failed" } else { "succeeded" })
        }
        _ => format!("{} is being stopped; it has {}s to end by itself", task.id, task.grace_seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::task;

    #[test]
    fn every_outcome_has_its_line() {
        let lines = [TaskState::Cancelled, TaskState::Active, TaskState::Succeeded, TaskState::Failed].map(|state| line(&task(7, state)));
        assert_eq!(
            lines,
            ["7 cancelled", "7 is being stopped; it has 30s to end by itself", "7 had already succeeded", "7 had already failed"]
        );
    }
}
