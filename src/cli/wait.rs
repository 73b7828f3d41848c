//! `slipway wait`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    follow, several,
    span::{parse_duration, span},
    task_ref::TaskRef,
    verdict,
};
use crate::{
    client::Client,
    wire::{Task, TaskId},
};
use std::{collections::BTreeSet, time::Duration};
use tokio::task::JoinSet;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway wait 1042                        until it ends: exit code 0, or 3 if it did not succeed
  slipway wait 1042 1043 --timeout 2h      until both end: exit code 7 if one has not after two hours
  slipway wait --any 1042 1043             until the first of them ends

Waiting changes nothing: a task that is waited for in vain goes on.";

/// The arguments of `wait`.
#[derive(Clone, Debug, clap::Args)]
pub struct WaitArgs {
    /// The tasks: ids, names, or @ for your last
    #[arg(value_name = "TASK", required = true)]
    tasks: Vec<TaskRef>,
    /// Give up after this time: 90, 90s, 2h30m, 1d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Until the first of them ends
    #[arg(long)]
    any: bool,
    /// Exit with the task's own exit code instead of 3 when it does not succeed
    #[arg(long)]
    propagate_exit_code: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Waits for tasks to end.
pub(super) async fn run(args: WaitArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let mut waiting = BTreeSet::new();
    for task in &args.tasks {
        waiting.insert(task.id(context, &client).await?);
    }
    ends(waiting, &args.way(), context, &client).await
}

/// How to wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    pub(super) limit: Option<Duration>,
    pub(super) any: bool,
    pub(super) propagate_exit_code: bool,
}

impl WaitArgs {
    fn way(&self) -> Way {
        Way { limit: self.timeout, any: self.any, propagate_exit_code: self.propagate_exit_code }
    }
}

/// Waits for tasks to end, and tells how each did.
pub(super) async fn ends(mut waiting: BTreeSet<TaskId>, way: &Way, context: &Context, client: &Client) -> Result<Exit, Failure> {
    context.on_interrupt("Not waiting any longer; the tasks go on.");
    let mut ends = JoinSet::new();
    for id in waiting.clone() {
        let client = client.clone();
        ends.spawn(async move { follow::wait(&client, id).await });
    }
    let mut done: Vec<Task> = Vec::new();
    let all = async {
        while let Some(end) = ends.join_next().await {
            let task = end.map_err(|e| Failure::new(Exit::Error, format!("cannot wait: {e}")))??;
            waiting.remove(&task.id);
            if context.format().is_for_people() {
                context.console.line(format_args!("{} {}", task.id, verdict::sentence(&task)))?;
            }
            done.push(task);
            if way.any {
                break;
            }
        }
        Ok::<_, Failure>(())
    };
    let in_time = match way.limit {
        Some(limit) => tokio::time::timeout(limit, all).await.map_or(Ok(false), |done| done.map(|()| true))?,
        None => all.await.map(|()| true)?,
    };
    let exits: Vec<_> = done.iter().map(|task| Exit::of_task(task, way.propagate_exit_code)).collect();
    if !context.format().is_for_people() {
        several::print(context, done, |task| task.id.to_string())?;
    }
    if !in_time {
        return Err(timed_out(&waiting, way.limit.unwrap_or_default()));
    }
    Ok(exits.into_iter().find(|exit| *exit != Exit::Ok).unwrap_or(Exit::Ok))
}

fn timed_out(waiting: &BTreeSet<TaskId>, limit: Duration) -> Failure {
    let ids: Vec<_> = waiting.iter().map(ToString::to_string).collect();
    let verb = if ids.len() == 1 { "task has" } else { "tasks have" };
    Failure::new(Exit::TimedOut, format!("after {} {} {verb} not ended: {}", span(limit), ids.len(), ids.join(", ")))
        .hint(format!("see where it stands: slipway get {}", ids.first().map_or("@", String::as_str)))
}
