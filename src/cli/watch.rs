//! `slipway watch`: how tasks stand, as it changes, until none of them is left.

use super::{
    array,
    context::{Common, Context},
    exit::{Exit, Failure},
    ls::{self, live},
    several,
    style::clean,
    table::{Table, cell},
    task_ref::TaskRef,
    verdict,
};
use crate::{
    client::{Client, Patience},
    wire::{Phase, Task, TaskId, TaskQuery, TaskState},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway watch 1042 1043           until both have ended: exit code 0, or 3 if one did not succeed
  slipway watch                     all of yours that have not ended
  slipway watch -q gpu              everybody's in a queue, until none is left
  slipway watch -q gpu | ts         in a pipe: a line for each change

On a terminal it is one table that is drawn again, with the last line that each command wrote. All that a command writes:
slipway logs -f TASK.";

/// The arguments of `watch`.
#[derive(Clone, Debug, clap::Args)]
pub struct WatchArgs {
    /// The tasks: ids, names, or @ for your last [default: all of yours that have not ended]
    #[arg(value_name = "TASK", conflicts_with = "queue")]
    tasks: Vec<TaskRef>,
    /// Everybody's of this queue that have not ended, and those that come meanwhile
    #[arg(short, long)]
    queue: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// How often it is looked.
const PAUSE: Duration = if cfg!(test) { Duration::from_millis(10) } else { Duration::from_secs(1) };
/// The most tasks that are looked at together.
const MOST: u32 = 200;
/// The most rows on a terminal, the newest ones, and the most running tasks whose last line is shown.
const ROWS: usize = 40;
const LINES: usize = 10;
/// How much of the end of a log is read for its last line, in bytes.
const END: u64 = 2 << 10;

/// Shows how tasks stand until they have ended.
pub(super) async fn run(args: WatchArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let mut all = BTreeMap::new();
    for task in &args.tasks {
        let id = task.id(context, &client).await?;
        all.insert(id, client.task(id).await?);
    }
    let live = args.tasks.is_empty().then(|| live(args.queue.as_deref(), MOST));
    let terminal = context.console.terminal();
    let draws = terminal.stderr && terminal.stdout && terminal.escapes && context.format().is_for_people();
    context.on_interrupt("Not watching any longer; the tasks go on.");
    let mut view = View::default();
    let mut tick = interval(PAUSE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        look(&client, live.as_ref(), &mut all).await?;
        if draws {
            let lines = last_lines(&client, &all).await;
            view.draw(&all, &lines, context);
        } else if context.format().is_for_people() {
            view.tell(&all, context)?;
        }
        if all.values().all(|task| task.state.is_terminal()) {
            break;
        }
    }
    if all.is_empty() {
        context.console.aside("Nothing to watch: no task that has not ended.");
    }
    let own = args.queue.is_none();
    let exits: Vec<_> = all.values().map(|task| Exit::of_task(task, false)).collect();
    if !context.format().is_for_people() {
        several::print(context, all.into_values().collect(), |task| task.id.to_string())?;
    }
    Ok(exits.into_iter().find(|exit| own && *exit != Exit::Ok).unwrap_or(Exit::Ok))
}

/// Looks how tasks stand: those that are listed, and those that are known and have not ended.
async fn look(client: &Client, live: Option<&TaskQuery>, all: &mut BTreeMap<TaskId, Task>) -> Result<(), Failure> {
    let mut open: Vec<_> = all.values().filter(|task| !task.state.is_terminal()).map(|task| task.id).collect();
    if let Some(query) = live {
        let listed = client.tasks(query).await?.items;
        open.retain(|id| !listed.iter().any(|task| task.id == *id));
        all.extend(listed.into_iter().map(|task| (task.id, task)));
    }
    for id in open {
        all.insert(id, client.task_patiently(id, Patience::default()).await?);
    }
    Ok(())
}

/// The last line that each running command wrote. One that cannot be read is left out: it is there the next time.
async fn last_lines(client: &Client, all: &BTreeMap<TaskId, Task>) -> BTreeMap<TaskId, String> {
    let running = all.values().rev().filter(|task| task.phase == Some(Phase::Running) && array::of(task).is_none()).take(LINES);
    let mut lines = BTreeMap::new();
    for task in running {
        let Ok(end) = client.log_end(task.id, None, END).await else { continue };
        let bytes = end.bytes().await.unwrap_or_default();
        lines.extend(last_line(&bytes).map(|line| (task.id, line)));
    }
    lines
}

/// The last line with something in it, as it would stand on a terminal: of a line that was drawn over, the last state.
fn last_line(bytes: &[u8]) -> Option<String> {
    let text = anstream::adapter::strip_bytes(bytes).into_vec();
    let text = String::from_utf8_lossy(&text);
    let drawn = |line: &str| line.split('\r').rfind(|part| !part.trim().is_empty()).map(|part| clean(part.trim()));
    text.lines().rev().find_map(drawn)
}

/// What was shown.
#[derive(Default)]
struct View {
    drawn: usize,
    told: BTreeMap<TaskId, String>,
}

impl View {
    /// Draws the table over the one before.
    fn draw(&mut self, all: &BTreeMap<TaskId, Task>, lines: &BTreeMap<TaskId, String>, context: &Context) {
        let now = context.now();
        let row = |task: &Task| {
            let mut row = ls::row(task, now, true, context.console.marks());
            if let (Some(line), Some(last)) = (lines.get(&task.id), row.last_mut()) {
                *last = cell(line);
            }
            row
        };
        let rows = all.values().rev().take(ROWS).map(row).collect();
        let text = Table::new(&ls::WITH_USER, rows).render(true, context.width());
        context.console.repaint(std::mem::replace(&mut self.drawn, text.lines().count()), &text);
    }

    /// Prints a line for each task that stands otherwise than before.
    fn tell(&mut self, all: &BTreeMap<TaskId, Task>, context: &Context) -> Result<(), Failure> {
        for task in all.values() {
            let stands = standing(task);
            if self.told.get(&task.id) != Some(&stands) {
                context.console.line(format_args!("{} {stands}", task.id))?;
                self.told.insert(task.id, stands);
            }
        }
        Ok(())
    }
}

/// `running`, `failed: ExitNonZero, exit code 3`.
fn standing(task: &Task) -> String {
    match task.phase.filter(|_| task.state == TaskState::Active) {
        Some(phase) if task.heartbeat_lost => format!("{phase}, heartbeat lost"),
        Some(phase) => phase.to_string(),
        None => verdict::sentence(task),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_what_a_terminal_would_show() {
        for (log, line) in [
            ("epoch 1\nepoch 2\n", Some("epoch 2")),
            (" 10%|#  |\r 20%|## |\r", Some("20%|## |")),
            ("\u{1b}[32mdone\u{1b}[0m\n\n  \n", Some("done")),
            ("half a line", Some("half a line")),
            ("\n\n", None),
            ("", None),
        ] {
            assert_eq!(last_line(log.as_bytes()).as_deref(), line, "{log:?}");
        }
    }
}
