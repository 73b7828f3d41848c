//! `slipway logs`

mod feed;
mod lines;
mod phases;
mod read;
mod steady;

pub(super) use feed::Feed;
pub(super) use lines::{Manner, Screen, Show};
pub(super) use read::range_of;

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    first_error,
    style::Marks,
    task_ref::TaskRef,
    verdict,
};
use crate::{
    client::Patience,
    wire::{AttemptNumber, TaskState},
};
use phases::Part;
use read::{Log, Printer};
use regex::bytes::Regex;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway logs 1042                     what it wrote so far
  slipway logs -f @                     follow your last task to its end
  slipway logs 1042 --attempt 1         what the first attempt wrote
  slipway logs -f 1042 --tail 20        its last 20 lines, and what follows
  slipway logs 1042 --grep 'error|oom'  the lines in which that is found
  slipway logs 1042 --phase setup       how its code and its environment were prepared
  slipway logs 1042 --first-error       the line where things first went wrong
  slipway logs -f 1042 --exit-status    and exit with 3 if it did not succeed

Only the log goes to standard output. At a terminal a step of the set-up that ended well is one line; one that failed is shown \
whole, and so is one that goes on: with -f only steps that were over when they were read are folded. Titles of your own groups \
(::group::TITLE, --- TITLE, +++ TITLE) stand out, and nothing in them is hidden. Colours stay, and every other escape code is left \
out: a log cannot move the cursor or name the window.

Elsewhere, in a pipe or a file, nothing is folded; escape codes are left out there. In both, of a line that a progress bar overwrote \
only its last state is shown, at a terminal with -f as it comes. --raw gives every byte.";

/// The arguments of `logs`.
#[derive(Clone, Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags are independent on the command line")]
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
    /// Only the last N lines of what is there
    #[arg(short = 'n', long, value_name = "N")]
    tail: Option<usize>,
    /// Only lines in which this regular expression is found
    #[arg(short, long, value_name = "REGEX")]
    grep: Option<Regex>,
    /// Only what was done before the command began, or only what the command wrote
    #[arg(long, value_name = "PART", conflicts_with = "tail")]
    phase: Option<Part>,
    /// Only the line where things first went wrong, and three around it; exit with 1 if there is none
    #[arg(long, conflicts_with_all = ["follow", "tail", "grep", "phase", "raw", "exit_status"])]
    first_error: bool,
    /// Every byte as the task wrote it, also where no terminal is
    #[arg(long, conflicts_with = "grep")]
    raw: bool,
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
    let mut log = Log::new(&client, id, args.attempt.map(AttemptNumber));
    if args.first_error {
        let Some(found) = log.first_error().await? else {
            context.console.note(format_args!("No error was found in the log of task {id}. All of it: slipway logs {id}"));
            return Ok(Exit::Error);
        };
        context.console.text(&first_error::with_context(&found))?;
        if let Some(place) = &found.place {
            context.console.aside(format_args!("Raised at {place}"));
        }
        return Ok(Exit::Ok);
    }
    let mut printer = Printer { context, feed: Feed::new(manner(&args, context), args.tail.is_none()) };
    if let Some(count) = args.tail {
        log.end(count, &mut printer).await?;
    }
    let mut failed = false;
    if args.follow {
        failed = log.follow(&mut printer).await? == TaskState::Failed;
    } else if args.tail.is_none() {
        log.all(&mut printer).await?;
    }
    printer.finish()?;
    let remarks = failed && context.console.terminal().stderr;
    if !remarks && !args.exit_status {
        return Ok(Exit::Ok);
    }
    let task = client.task_patiently(id, Patience::default()).await?;
    if remarks
        && args.attempt.is_none_or(|attempt| attempt == task.attempt.0)
        && let Some(remark) = first_error::remark(&client, &task).await
    {
        context.console.aside(format_args!("first error  {remark}"));
    }
    if !args.exit_status || !task.state.is_terminal() {
        return Ok(Exit::Ok);
    }
    verdict::failure(&task, false).map_or(Ok(Exit::Ok), |failure| Err(Failure { hints: Vec::new(), ..failure }))
}

/// How lines are shown here.
fn manner(args: &LogsArgs, context: &Context) -> Manner {
    let chosen = args.tail.is_some() || args.grep.is_some() || args.phase.is_some();
    let show = match () {
        () if args.raw => Show::Raw,
        () if context.console.terminal().stdout => Show::Terminal(screen(context, !chosen, args.follow)),
        () => Show::Plain,
    };
    Manner { show, grep: args.grep.clone(), part: args.phase }
}

/// What the terminal that standard output is shows of a log.
pub(super) fn screen(context: &Context, fold: bool, live: bool) -> Screen {
    let terminal = context.console.terminal();
    Screen { escapes: terminal.escapes, paint: context.console.colours(), marks: Marks::new(terminal.unicode), fold, live }
}
