//! Following a task: its log on standard output, its phases on standard error.

use super::{
    context::Context,
    exit::{Exit, Failure},
    first_error,
    logs::{Feed, Manner, Show, screen},
    progress::{Progress, going_on},
    style::{Tone, paint},
    used, verdict,
};
use crate::{
    client::{Client, EventStream, LogItem, LogStream, Next, Patience},
    wire::{AttemptNumber, Event, EventKind, Task, TaskId},
};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

/// How long the first byte of a log waits for the event that says that the command runs: the two come by different
/// streams, and the line should stand above the output.
const EVENT_GRACE: Duration = Duration::from_millis(500);

/// Follows a task to its end and returns it. Prints log bytes as they are on standard output, at a terminal as `slipway logs -f`
/// does, and phases and the result on standard error. Nothing that happens to this process stops the task.
///
/// # Errors
/// The server cannot be reached, or takes the connection back for good; standard output is closed.
pub async fn follow(context: &Context, client: &Client, id: TaskId) -> Result<Task, Failure> {
    context.on_interrupt(detached(id));
    let mut follower = Follower::new(context, client, id);
    follower.run().await?;
    let task = client.task_patiently(id, Patience::default()).await?;
    context.console.note(verdict::closing(&task, context.console.marks()));
    // What it used is a courtesy: a server that does not say changes nothing.
    let attempts = client.attempts(id).await.map(|list| list.items).unwrap_or_default();
    if let Some(used) = attempts.last().and_then(|last| used::summary(last.notes.as_ref()?.usage.as_ref()?)) {
        context.console.note(paint(Tone::Faint, &format!("  {used}")));
    }
    if let Some(remark) = first_error::remark(client, &task).await {
        context.console.note(format_args!("  first error  {remark}"));
    }
    Ok(task)
}

/// What a user reads who stops following: the task goes on, and these are the ways back to it.
pub(crate) fn detached(id: TaskId) -> String {
    format!("Detached. Task {id} goes on.\n  follow it again: slipway logs -f {id}\n  stop it:         slipway cancel {id}")
}

struct Follower<'a> {
    context: &'a Context,
    log: LogStream,
    feed: Feed,
    events: Option<EventStream>,
    progress: Progress,
    phase_since: Duration,
    attempt: Option<AttemptNumber>,
    drawn: bool,
    mid_line: bool,
}

impl<'a> Follower<'a> {
    fn new(context: &'a Context, client: &Client, id: TaskId) -> Self {
        let show = if context.console.terminal().stdout { Show::Terminal(screen(context, true, true)) } else { Show::Raw };
        Self {
            context,
            log: client.follow_log(id, None, Patience::default()),
            feed: Feed::new(Manner { show, ..Manner::default() }, true),
            events: Some(client.follow_events(id, Patience::default())),
            progress: Progress::default(),
            phase_since: context.clock.monotonic(),
            attempt: None,
            drawn: false,
            mid_line: false,
        }
    }

    async fn run(&mut self) -> Result<(), Failure> {
        let mut tick = ticker();
        loop {
            tokio::select! {
                biased;
                event = next(&mut self.events) => self.on_event(event),
                piece = self.log.next() => match piece? {
                    Next::Item(LogItem::Bytes { attempt, bytes }) => {
                        if self.attempt.replace(attempt) != Some(attempt) {
                            self.await_running().await;
                        }
                        let shown = self.feed.push(attempt, &bytes);
                        self.show(&shown)?;
                    }
                    Next::Item(LogItem::End { .. }) => break,
                    Next::Broken(why) => self.note(&lost(&why)),
                    Next::Resumed => self.note("connection back"),
                },
                () = self.feed.patience() => {
                    let shown = self.feed.settle();
                    self.show(&shown)?;
                }
                _ = tick.tick() => self.draw(),
            }
        }
        self.await_end().await;
        let shown = self.feed.finish();
        self.show(&shown)?;
        self.clear();
        self.finish_line();
        Ok(())
    }

    /// Writes what is to be seen of the log.
    fn show(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(last) = bytes.last() else { return Ok(()) };
        self.clear();
        self.mid_line = *last != b'\n';
        self.context.console.bytes(bytes)
    }

    /// Gives the event that the command runs a moment to overtake its output.
    async fn await_running(&mut self) {
        let grace = sleep(EVENT_GRACE);
        tokio::pin!(grace);
        while self.events.is_some() && !self.progress.running() {
            tokio::select! {
                event = next(&mut self.events) => self.on_event(event),
                () = &mut grace => break,
            }
        }
    }

    /// Gives the last events of a task that was quick, or wrote nothing, a moment to be told.
    async fn await_end(&mut self) {
        let grace = sleep(EVENT_GRACE);
        tokio::pin!(grace);
        while self.events.is_some() {
            tokio::select! {
                event = next(&mut self.events) => {
                    let over = matches!(&event, Some(Next::Item(event)) if event.kind == EventKind::TaskEnded);
                    self.on_event(event);
                    if over {
                        break;
                    }
                }
                () = &mut grace => break,
            }
        }
    }

    fn on_event(&mut self, next: Option<Next<Event>>) {
        match next {
            Some(Next::Item(event)) => {
                let before = self.progress.phase();
                let lines = self.progress.on(&event);
                if self.progress.phase() != before {
                    self.phase_since = self.context.clock.monotonic();
                }
                for line in lines {
                    self.note(&line.render(self.context.console.marks()));
                }
                self.draw();
            }
            // The log's stream tells of the same outage.
            Some(Next::Broken(_) | Next::Resumed) => {}
            // Without events the log still comes.
            None => self.events = None,
        }
    }

    /// Draws the phase that goes on over the present line, where the terminal can and no output stands there.
    fn draw(&mut self) {
        let terminal = self.context.console.terminal();
        let Some(phase) = self.progress.phase().filter(|_| terminal.stderr && terminal.escapes && !self.progress.running()) else { return };
        if self.mid_line {
            return;
        }
        let since = self.context.clock.monotonic().saturating_sub(self.phase_since);
        self.context.console.redraw(&going_on(phase, since, self.context.console.marks()));
        self.drawn = true;
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            self.context.console.redraw("");
        }
    }

    fn note(&mut self, text: &str) {
        self.clear();
        self.finish_line();
        self.context.console.note(text);
    }

    /// Ends a half line of output, where output and conversation share a screen.
    fn finish_line(&mut self) {
        let terminal = self.context.console.terminal();
        if std::mem::take(&mut self.mid_line) && terminal.stdout && terminal.stderr {
            self.context.console.note("");
        }
    }
}

/// What is said of an outage.
pub(crate) fn lost(why: &str) -> String {
    format!("connection lost, trying again: {why}")
}

fn ticker() -> Interval {
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

/// The next event; none once the stream failed, and no answer at all from then on.
async fn next(events: &mut Option<EventStream>) -> Option<Next<Event>> {
    match events {
        Some(stream) => stream.next().await.ok(),
        None => std::future::pending().await,
    }
}

/// Waits for a task's end without a word and returns it.
///
/// # Errors
/// The server cannot be reached, or takes the connection back for good.
pub async fn wait(client: &Client, id: TaskId) -> Result<Task, Failure> {
    let mut events = client.follow_events(id, Patience::default());
    let mut task = client.task(id).await?;
    while !task.state.is_terminal() {
        match events.next().await? {
            Next::Item(event) if event.kind == EventKind::TaskEnded => {}
            // An outage may have been longer than the server's memory for events: ask again.
            Next::Resumed => {}
            Next::Item(_) | Next::Broken(_) => continue,
        }
        task = client.task_patiently(id, Patience::default()).await?;
    }
    Ok(task)
}

/// Says that the user left, and how to come back.
pub(crate) fn interrupted(context: &Context) -> Failure {
    let terminal = context.console.terminal();
    if terminal.stderr {
        context.console.note("");
    }
    if let Some(farewell) = context.farewell() {
        context.console.note(paint(Tone::Strong, &farewell));
    }
    Failure::quiet(Exit::Interrupted)
}
