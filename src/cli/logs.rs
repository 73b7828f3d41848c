//! `slipway logs`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    follow::{detached, lost},
    lines::{Lines, Manner, last},
    task_ref::TaskRef,
    verdict,
};
use crate::{
    client::{Client, LogItem, LogRange, Next, Patience, cut_off},
    wire::{AttemptNumber, TaskId, TaskState},
};
use regex::bytes::Regex;
use reqwest::{Response, StatusCode, header::CONTENT_RANGE};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway logs 1042                     what it wrote so far
  slipway logs -f @                     follow your last task to its end
  slipway logs 1042 --attempt 1         what the first attempt wrote
  slipway logs -f 1042 --tail 20        its last 20 lines, and what follows
  slipway logs 1042 --grep 'error|oom'  the lines in which that is found
  slipway logs -f 1042 --exit-status    and exit with 3 if it did not succeed

Only the log goes to standard output. A terminal gets it byte by byte; elsewhere lines that a progress bar overwrote and
escape codes are left out, unless --raw is given.";

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
    /// Only the last N lines of what is there
    #[arg(short = 'n', long, value_name = "N")]
    tail: Option<usize>,
    /// Only lines in which this regular expression is found
    #[arg(short, long, value_name = "REGEX")]
    grep: Option<Regex>,
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
    let plain = !args.raw && !context.console.terminal().stdout;
    let mut printer = Printer { context, lines: Lines::new(Manner { plain, grep: args.grep }) };
    let mut log = Log { client: &client, id, attempt: args.attempt.map(AttemptNumber), from: None };
    if let Some(count) = args.tail {
        log.end(count, &mut printer).await?;
    }
    if args.follow {
        log.follow(&mut printer).await?;
    } else if args.tail.is_none() {
        let response = client.log(id, LogRange { attempt: log.attempt, ..LogRange::default() }).await?;
        log.all(response, &mut printer).await?;
    }
    printer.finish()?;
    if !args.exit_status {
        return Ok(Exit::Ok);
    }
    let task = client.task_patiently(id, Patience::default()).await?;
    if !task.state.is_terminal() {
        return Ok(Exit::Ok);
    }
    verdict::failure(&task, false).map_or(Ok(Exit::Ok), |failure| Err(Failure { hints: Vec::new(), ..failure }))
}

/// Lines on their way to standard output.
struct Printer<'a> {
    context: &'a Context,
    lines: Lines,
}

impl Printer<'_> {
    fn print(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.context.console.bytes(&self.lines.push(bytes))
    }

    fn finish(self) -> Result<(), Failure> {
        self.context.console.bytes(&self.lines.finish())
    }
}

/// The log of a task, read.
struct Log<'a> {
    client: &'a Client,
    id: TaskId,
    /// The one that was asked for.
    attempt: Option<AttemptNumber>,
    /// Where what follows begins.
    from: Option<(AttemptNumber, u64)>,
}

/// How much of the end is read for some lines at first, and how many times more if that is not enough.
const GUESS: u64 = 64 << 10;
const MORE: u64 = 8;

impl Log<'_> {
    /// All that is there.
    async fn all(&self, mut response: Response, printer: &mut Printer<'_>) -> Result<(), Failure> {
        while let Some(bytes) = response.chunk().await.map_err(|error| self.broken(error))? {
            printer.print(&bytes)?;
        }
        Ok(())
    }

    /// The last lines of what is there.
    async fn end(&mut self, count: usize, printer: &mut Printer<'_>) -> Result<(), Failure> {
        let attempt = match self.attempt {
            Some(attempt) => attempt,
            None => self.client.task(self.id).await?.attempt,
        };
        let mut size = GUESS;
        loop {
            let response = match self.client.log_end(self.id, self.attempt, size).await {
                // Nothing is written yet.
                Err(error) if error.problem().is_some_and(|problem| problem.status == StatusCode::RANGE_NOT_SATISFIABLE) => return Ok(()),
                answer => answer?,
            };
            let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).and_then(parts);
            let bytes = response.bytes().await.map_err(|error| self.broken(error))?;
            let begins = last(&bytes, count);
            // A log with gaps comes as a whole, and says not how long it is.
            let first = range.map_or(0, |(first, _)| first);
            if begins.is_none() && first > 0 {
                size *= MORE;
                continue;
            }
            self.from = range.map(|(_, total)| (attempt, total));
            return printer.print(&bytes[begins.unwrap_or(0)..]);
        }
    }

    /// What is there and what is still to come, to the task's end; after [`Self::end`] only the latter.
    async fn follow(&self, printer: &mut Printer<'_>) -> Result<(), Failure> {
        let (context, id) = (printer.context, self.id);
        let task = self.client.task(id).await?;
        if matches!(task.state, TaskState::Waiting | TaskState::Queued) {
            context.console.aside(format_args!("Task {id} is {}; its log begins when it runs.", task.state));
        }
        if !task.state.is_terminal() {
            context.on_interrupt(detached(id));
        }
        let mut log = self.client.follow_log(id, self.attempt, Patience::default());
        if let Some((attempt, offset)) = self.from {
            log = log.after(attempt, offset);
        }
        loop {
            match log.next().await? {
                Next::Item(LogItem::Bytes { bytes, .. }) => printer.print(&bytes)?,
                Next::Item(LogItem::End { .. }) => return Ok(()),
                Next::Broken(why) => context.console.note(lost(&why)),
                Next::Resumed => context.console.note("connection back"),
            }
        }
    }

    fn broken(&self, error: reqwest::Error) -> Failure {
        Failure::new(Exit::Error, format!("the log of task {} broke off: {}", self.id, cut_off(error)))
    }
}

/// The first byte and the total of `bytes 65536-131071/131072`.
fn parts(range: &str) -> Option<(u64, u64)> {
    let (bounds, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    Some((bounds.split_once('-')?.0.parse().ok()?, total.parse().ok()?))
}
