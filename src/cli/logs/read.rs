//! Reading a log and printing it.

use super::feed::Feed;
use super::lines::last;
use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
        first_error::{Finder, Found},
        follow::{detached, lost},
    },
    client::{Client, LogItem, LogRange, Next, Patience, cut_off},
    wire::{AttemptNumber, TaskId, TaskState},
};
use reqwest::{Response, StatusCode, header::CONTENT_RANGE};

/// Lines on their way to standard output.
pub(super) struct Printer<'a> {
    pub(super) context: &'a Context,
    pub(super) feed: Feed,
}

impl Printer<'_> {
    fn print(&mut self, attempt: AttemptNumber, bytes: &[u8]) -> Result<(), Failure> {
        self.context.console.bytes(&self.feed.push(attempt, bytes))
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.context.console.bytes(&self.feed.finish())
    }
}

/// The log of a task, read.
pub(super) struct Log<'a> {
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

impl<'a> Log<'a> {
    pub(super) fn new(client: &'a Client, id: TaskId, attempt: Option<AttemptNumber>) -> Self {
        Self { client, id, attempt, from: None }
    }

    /// All that is there.
    pub(super) async fn all(&self, printer: &mut Printer<'_>) -> Result<(), Failure> {
        let mut response = self.whole().await?;
        while let Some(bytes) = response.chunk().await.map_err(|error| self.broken(error))? {
            printer.print(self.attempt.unwrap_or(AttemptNumber::NONE), &bytes)?;
        }
        Ok(())
    }

    /// The line where things first went wrong.
    pub(super) async fn first_error(&self) -> Result<Option<Found>, Failure> {
        let mut response = self.whole().await?;
        let mut finder = Finder::default();
        while let Some(bytes) = response.chunk().await.map_err(|error| self.broken(error))? {
            finder.push(&bytes);
        }
        Ok(finder.finish())
    }

    async fn whole(&self) -> Result<Response, Failure> {
        Ok(self.client.log(self.id, LogRange { attempt: self.attempt, ..LogRange::default() }).await?)
    }

    /// The last lines of what is there.
    pub(super) async fn end(&mut self, count: usize, printer: &mut Printer<'_>) -> Result<(), Failure> {
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
            let range = range_of(&response);
            let bytes = response.bytes().await.map_err(|error| self.broken(error))?;
            let begins = last(&bytes, count);
            // A log with gaps comes as a whole, and says not how long it is.
            let first = range.map_or(0, |(first, _)| first);
            if begins.is_none() && first > 0 {
                size *= MORE;
                continue;
            }
            self.from = range.map(|(_, total)| (attempt, total));
            return printer.print(attempt, &bytes[begins.unwrap_or(0)..]);
        }
    }

    /// What is there and what is still to come, to the task's end, and how that was; after [`Self::end`] only the latter.
    pub(super) async fn follow(&self, printer: &mut Printer<'_>) -> Result<TaskState, Failure> {
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
            let next = tokio::select! {
                biased;
                next = log.next() => next?,
                () = printer.feed.patience() => {
                    context.console.bytes(&printer.feed.settle())?;
                    continue;
                }
            };
            match next {
                Next::Item(LogItem::Bytes { attempt, bytes }) => printer.print(attempt, &bytes)?,
                Next::Item(LogItem::End { state }) => return Ok(state),
                Next::Broken(why) => context.console.note(lost(&why)),
                Next::Resumed => context.console.note("connection back"),
            }
        }
    }

    fn broken(&self, error: reqwest::Error) -> Failure {
        Failure::new(Exit::Error, format!("the log of task {} broke off: {}", self.id, cut_off(error)))
    }
}

/// The first byte and the total of an answer that is a part.
pub(in crate::cli) fn range_of(response: &Response) -> Option<(u64, u64)> {
    response.headers().get(CONTENT_RANGE)?.to_str().ok().and_then(parts)
}

/// The first byte and the total of `bytes 65536-131071/131072`.
fn parts(range: &str) -> Option<(u64, u64)> {
    let (bounds, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    Some((bounds.split_once('-')?.0.parse().ok()?, total.parse().ok()?))
}
