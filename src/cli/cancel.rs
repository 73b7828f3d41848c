//! `slipway cancel`

use super::{
    array,
    context::{Common, Context},
    exit::{Exit, Failure},
    ls, several,
    style::Marks,
    table::Table,
    task_ref::TaskRef,
};
use crate::{
    client::Client,
    wire::{Indices, Task, TaskQuery, TaskState},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway cancel 1042 1043
  slipway cancel 1040_7                                     one element of an array
  slipway cancel 1040 --indices 3-5,9                       some of its elements; without --indices all
  slipway cancel @                                          your last task
  slipway cancel --mine --state queued                      all of yours that still wait, once you have seen and confirmed them
  slipway cancel --mine -q gpu --yes                        all of yours in a queue, without a question

A running command gets SIGTERM, then SIGKILL once its grace period is over.
To cancel again, or what has ended, is no error and changes nothing.";

/// The arguments of `cancel`.
#[derive(Clone, Debug, clap::Args)]
pub struct CancelArgs {
    /// The tasks: ids, names, or @ for your last
    #[arg(value_name = "TASK", required_unless_present = "mine")]
    tasks: Vec<TaskRef>,
    /// All of your own that have not ended; they are listed first, and you are asked
    #[arg(long, conflicts_with_all = ["tasks", "indices"])]
    mine: bool,
    /// With --mine: only of this queue; several are joined by commas
    #[arg(short, long)]
    queue: Option<String>,
    /// With --mine: only in this state: waiting, queued, active; several are joined by commas
    #[arg(short, long, value_delimiter = ',')]
    state: Vec<TaskState>,
    /// With --mine: only with these labels
    #[arg(short = 'l', long, value_parser = ls::selector)]
    selector: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
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
    let narrowed = args.queue.is_some() || !args.state.is_empty() || args.selector.is_some() || args.yes;
    if narrowed && !args.mine {
        return Err(
            Failure::usage("--queue, --state, --selector and --yes choose among your own tasks").hint("add --mine, and name no task")
        );
    }
    let client = context.client()?;
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    if args.mine {
        for task in confirmed(&args, context, &client).await? {
            match client.cancel_task(task.id, context.key()).await {
                Ok(task) => done.push(task),
                Err(error) => failures.push(error.into()),
            }
        }
    }
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

/// The caller's tasks that have not ended and are meant, once the caller has seen them and agreed; none where there are none.
///
/// # Errors
/// The caller does not agree, or cannot be asked.
async fn confirmed(args: &CancelArgs, context: &Context, client: &Client) -> Result<Vec<Task>, Failure> {
    let live = |state: &TaskState| !state.is_terminal();
    if let Some(ended) = args.state.iter().find(|state| !live(state)) {
        return Err(Failure::usage(format!("what has {ended} cannot be stopped")).hint("states that can be: waiting, queued, active"));
    }
    let all = [TaskState::Waiting, TaskState::Queued, TaskState::Active];
    let states = if args.state.is_empty() { &all[..] } else { &args.state };
    let query = TaskQuery {
        user: Some("@me".to_owned()),
        queue: args.queue.clone(),
        state: Some(states.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        label_selector: args.selector.clone(),
        ..TaskQuery::default()
    };
    let tasks = ls::pages(client, query, MOST).await?.items;
    if tasks.is_empty() {
        context.console.note("Nothing of yours to stop.");
        return Ok(tasks);
    }
    if args.yes {
        return Ok(tasks);
    }
    let (now, marks) = (context.now(), context.console.marks());
    let rows = tasks.iter().map(|task| ls::row(task, now, true, marks)).collect();
    context.console.say(&Table::new(&ls::WITH_USER, rows).render(true, context.console.terminal().width));
    let several = if tasks.len() == 1 { "this task".to_owned() } else { format!("these {} tasks", tasks.len()) };
    let terminal = context.console.terminal();
    if !(terminal.stdin && terminal.stderr) {
        return Err(Failure::usage(format!("nobody can be asked whether to stop {several}; nothing was stopped")).hint("stop them: --yes"));
    }
    context.console.say(&format!("Stop {several}? [y/N] "));
    let answer = context.line().await?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(tasks);
    }
    Err(Failure::new(Exit::Error, "nothing was stopped"))
}

/// The most tasks that are stopped together.
const MOST: u32 = 10_000;

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
