//! `slipway cancel`

use super::{
    array,
    context::{Common, Context},
    exit::{Exit, Failure},
    several,
    style::Marks,
    task_ref::TaskRef,
};
use crate::{
    client::Client,
    wire::{Indices, Task, TaskState},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway cancel 1042 1043
  slipway cancel 1040_7                                     one element of an array
  slipway cancel 1040 --indices 3-5,9                       some of its elements; without --indices all
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
    /// Only these elements of an array: 3-5,9
    #[arg(long, value_name = "INDICES")]
    indices: Option<Indices>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Asks to stop tasks.
pub(super) async fn run(args: CancelArgs, context: &Context) -> Result<Exit, Failure> {
    if args.indices.is_some() && args.tasks.len() > 1 {
        return Err(Failure::usage("--indices names elements of one array, and there are several tasks"));
    }
    let client = context.client()?;
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for task in &args.tasks {
        match cancel(task, args.indices.as_ref(), context, &client).await {
            Ok(task) => done.push(task),
            Err(failure) => failures.push(failure),
        }
    }
    let marks = context.console.marks();
    several::print(context, done, |task| line(task, args.indices.as_ref(), marks))?;
    several::conclude(context, failures)
}

async fn cancel(task: &TaskRef, indices: Option<&Indices>, context: &Context, client: &Client) -> Result<Task, Failure> {
    let id = task.id_to_stop(context, client).await?;
    if let Some(indices) = indices {
        return Ok(client.cancel_elements(id, indices.clone(), context.key()).await?);
    }
    Ok(client.cancel_task(id, context.key()).await?)
}

fn line(task: &Task, indices: Option<&Indices>, marks: Marks) -> String {
    let name = array::name(task);
    let now = array::of(task).map(|(_, counts)| array::summary(counts, marks));
    match (task.state, now) {
        (state, Some(now)) if !state.is_terminal() => {
            let which = indices.map(|indices| format!("_{indices}")).unwrap_or_default();
            format!("{name}{which} is being stopped; the array now: {now}")
        }
        (TaskState::Cancelled, _) => format!("{name} cancelled"),
        (state, _) if state.is_terminal() => {
            format!("{name} had already {}", if state == TaskState::Failed { "failed" } else { "succeeded" })
        }
        _ => format!("{name} is being stopped; it has {}s to end by itself", task.grace_seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{array, task};

    #[test]
    fn every_outcome_has_its_line() {
        let lines = [TaskState::Cancelled, TaskState::Active, TaskState::Succeeded, TaskState::Failed]
            .map(|state| line(&task(7, state), None, Marks::new(true)));
        assert_eq!(
            lines,
            ["7 cancelled", "7 is being stopped; it has 30s to end by itself", "7 had already succeeded", "7 had already failed"]
        );
        let three: Indices = "3-5".parse().unwrap();
        let sweep = |state, indices| line(&array(7, state), indices, Marks::new(true));
        assert_eq!(sweep(TaskState::Active, None), "7 is being stopped; the array now: 19 done · 8 running · 5 waiting");
        assert_eq!(sweep(TaskState::Active, Some(&three)), "7_3-5 is being stopped; the array now: 19 done · 8 running · 5 waiting");
        assert_eq!(sweep(TaskState::Cancelled, None), "7 cancelled");
    }
}
