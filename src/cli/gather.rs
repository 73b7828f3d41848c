//! Following an array: how many of its elements are how far, until the last one ends.

use super::{
    array,
    context::Context,
    exit::Failure,
    style::{Marks, Tone, paint},
    verdict,
};
use crate::{
    client::{Client, Next, Patience},
    wire::{EventKind, Task, TaskId},
};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often a terminal hears of the counts.
const DRAW_EVERY: Duration = Duration::from_secs(1);
/// How often everything else does, where they have changed.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Follows an array to its end and returns it: counts and the result on standard error, nothing on standard output.
///
/// # Errors
/// The server cannot be reached, or takes the connection back for good.
pub(crate) async fn follow(context: &Context, client: &Client, array: Task) -> Result<Task, Failure> {
    context.on_interrupt(detached(array.id));
    let terminal = context.console.terminal();
    let draws = terminal.stderr && terminal.escapes;
    let marks = context.console.marks();
    let mut events = client.follow_events(array.id, Patience::default());
    let mut tick = interval(if draws { DRAW_EVERY } else { TELL_EVERY });
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.reset();
    let mut task = array;
    let mut told = String::new();
    while !task.state.is_terminal() {
        let line = counted(&task, marks);
        if draws {
            context.console.redraw(&line);
        } else if line != told {
            context.console.note(&line);
            told = line;
        }
        tokio::select! {
            event = events.next() => match event? {
                // An outage may have been longer than the server's memory for events.
                Next::Item(event) if event.kind != EventKind::TaskEnded => continue,
                Next::Broken(why) => {
                    context.console.note(super::follow::lost(&why));
                    continue;
                }
                Next::Item(_) | Next::Resumed => {}
            },
            _ = tick.tick() => {}
        }
        task = client.task_patiently(task.id, Patience::default()).await?;
    }
    if draws {
        context.console.redraw("");
    }
    context.console.note(counted(&task, marks));
    context.console.note(verdict::closing(&task, marks));
    Ok(task)
}

/// `● 19 done · 8 running · 5 queued`.
fn counted(task: &Task, marks: Marks) -> String {
    let Some((_, counts)) = array::of(task) else { return String::new() };
    let mark = if counts.failed > 0 { paint(Tone::Bad, marks.failed) } else { paint(Tone::Busy, marks.doing) };
    format!("  {mark}{}", array::summary(counts, marks))
}

/// What a user reads who stops following: the array goes on, and these are the ways back to it.
pub(crate) fn detached(id: TaskId) -> String {
    format!(
        "Detached. Array {id} goes on.\n  see how far it is: slipway get {id}\n  wait for its end:  slipway wait {id}\n  stop it:           slipway cancel {id}"
    )
}
