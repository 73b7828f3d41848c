//! `slipway logs`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    follow::{detached, lost},
    task_ref::TaskRef,
    verdict,
};
use crate::{
    client::{Client, LogItem, LogRange, Next, Patience},
    wire::{AttemptNumber, TaskId, TaskState},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway logs 1042                     what it wrote so far
  slipway logs -f @                     follow your last task to its end
  slipway logs 1042 --attempt 1         what the first attempt wrote
  slipway logs -f 1042 --exit-status    and exit with 3 if it did not succeed

Only the log goes to standard output, byte by byte as the task wrote it.";

/// The arguments of `logs`.
#[derive(Clone, Debug, clap::Args)]
pub struct LogsArgs {
    /// The task: its id, its name, or @ for your last
    #[arg(value_name = "TASK")]
    task: TaskRef,
    /// Go on until the task ends
    #[arg(short, long)]
    follow: bool,
    /// Only of this attempt [default: the newest, and with -f all]
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// Exit with 3 if the task has ended and did not succeed
    #[arg(long)]
    exit_status: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Prints a log.
pub(super) async fn run(args: LogsArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let id = args.task.id(context, &client).await?;
    let attempt = args.attempt.map(AttemptNumber);
    if args.follow {
        follow(context, &client, id, attempt).await?;
    } else {
        let mut response = client.log(id, LogRange { attempt, ..LogRange::default() }).await?;
        let broken = |e: reqwest::Error| Failure::new(Exit::Error, format!("the log of task {id} broke off: {e}"));
        while let Some(bytes) = response.chunk().await.map_err(broken)? {
            context.console.bytes(&bytes)?;
        }
    }
    if !args.exit_status {
        return Ok(Exit::Ok);
    }
    let task = client.task_patiently(id, Patience::default()).await?;
    if !task.state.is_terminal() {
        return Ok(Exit::Ok);
    }
    verdict::failure(&task, false).map_or(Ok(Exit::Ok), |failure| Err(Failure { hints: Vec::new(), ..failure }))
}

async fn follow(context: &Context, client: &Client, id: TaskId, attempt: Option<AttemptNumber>) -> Result<(), Failure> {
    let task = client.task(id).await?;
    if matches!(task.state, TaskState::Waiting | TaskState::Queued) {
        context.console.aside(format_args!("Task {id} is {}; its log begins when it runs.", task.state));
    }
    if !task.state.is_terminal() {
        context.on_interrupt(detached(id));
    }
    let mut log = client.follow_log(id, attempt, Patience::default());
    loop {
        match log.next().await? {
            Next::Item(LogItem::Bytes { bytes, .. }) => context.console.bytes(&bytes)?,
            Next::Item(LogItem::End { .. }) => return Ok(()),
            Next::Broken(why) => context.console.note(lost(&why)),
            Next::Resumed => context.console.note("connection back"),
        }
    }
}
