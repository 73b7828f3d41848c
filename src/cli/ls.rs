//! `slipway ls`

use super::{
    array,
    context::{Common, Context},
    exit::{Exit, Failure},
    span::{age, between, parse_duration},
    style::{Marks, Tone, cut, shell},
    table::{Cell, Table, cell},
    task_ref::TaskRef,
    verdict,
};
use crate::{
    client::Client,
    domain::LabelSelector,
    wire::{Task, TaskId, TaskList, TaskQuery, TaskState, Timestamp},
};
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway ls                               your tasks that have not ended, and your 20 newest that have
  slipway ls --all -q gpu                  everybody's tasks of one queue
  slipway ls --state failed --since 1d     what failed since yesterday
  slipway ls 1040 --state failed           the elements of an array, or a task's children, that failed
  slipway ls -l team=vision,tier!=test     by label, in Kubernetes' syntax
  slipway ls -o wide                       with times, runners and labels
  slipway ls -w                            drawn again every 2 s
  slipway ls --all --jq '.items[].user'         what jq makes of the JSON
  slipway ls --state queued -o name | xargs slipway cancel";

/// The arguments of `ls`.
#[derive(Clone, Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct LsArgs {
    /// Only the elements of this array, or the children of this task
    #[arg(value_name = "TASK", conflicts_with = "mine")]
    parent: Option<TaskRef>,
    /// Also every element of arrays, which else are one row each
    #[arg(short, long)]
    elements: bool,
    /// Only of this queue; several are joined by commas
    #[arg(short, long)]
    queue: Option<String>,
    /// Only in this state: waiting, queued, active, succeeded, failed, cancelled
    #[arg(short, long, value_delimiter = ',')]
    state: Vec<TaskState>,
    /// Only your own, which is the default
    #[arg(long, conflicts_with = "all")]
    mine: bool,
    /// Of everybody
    #[arg(short, long)]
    all: bool,
    /// Only with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector)]
    selector: Option<String>,
    /// Only submitted within this time: 2h, 1d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    since: Option<Duration>,
    /// At most so many, the newest first [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Draw it again and again, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// A selector that the server will take.
pub(super) fn selector(text: &str) -> Result<String, String> {
    LabelSelector::parse(text).map(|_| text.to_owned()).map_err(|e| e.to_string())
}

/// How often a list that is watched is drawn, and how many rows of it.
const PAUSE: Duration = if cfg!(test) { Duration::from_millis(10) } else { Duration::from_secs(2) };
const ROWS: usize = 20;
/// How many ended tasks stand below those that have not ended.
const RECENT: u32 = 20;
const LIVE: [TaskState; 3] = [TaskState::Waiting, TaskState::Queued, TaskState::Active];
const ENDED: [TaskState; 3] = [TaskState::Succeeded, TaskState::Failed, TaskState::Cancelled];

impl LsArgs {
    /// What to ask for, each with its number of rows. Without a choice of states, times or numbers: everything that
    /// has not ended, and the newest that have.
    fn queries(&self, parent: Option<TaskId>, now: Timestamp) -> Vec<(TaskQuery, u32)> {
        let of = |states: &[TaskState]| TaskQuery {
            queue: self.queue.clone(),
            state: (!states.is_empty()).then(|| states.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
            user: (!self.all && parent.is_none()).then(|| "@me".to_owned()),
            parent,
            elements: self.elements,
            label_selector: self.selector.clone(),
            since: self.since.and_then(|ago| now.checked_sub(ago).ok()),
            ..TaskQuery::default()
        };
        if parent.is_none() && self.state.is_empty() && self.since.is_none() && self.limit.is_none() {
            return vec![(of(&LIVE), 1_000), (of(&ENDED), RECENT)];
        }
        vec![(of(&self.state), self.limit.unwrap_or(100))]
    }
}

/// What asks for the tasks that have not ended: everybody's of a queue, or one's own.
pub(super) fn live(queue: Option<&str>, most: u32) -> TaskQuery {
    TaskQuery {
        queue: queue.map(str::to_owned),
        state: Some(LIVE.map(|state| state.to_string()).join(",")),
        user: queue.is_none().then(|| "@me".to_owned()),
        limit: Some(most),
        ..TaskQuery::default()
    }
}

/// Lists tasks, once or again and again.
pub(super) async fn run(args: LsArgs, context: &Context) -> Result<Exit, Failure> {
    let terminal = context.console.terminal();
    if args.watch && !(terminal.stdout && terminal.escapes && context.format().is_for_people()) {
        return Err(Failure::usage("--watch draws on a terminal").hint("elsewhere each change is a line of: slipway watch"));
    }
    let client = context.client()?;
    let parent = match &args.parent {
        Some(parent) => Some(parent.id(context, &client).await?),
        None => None,
    };
    if args.watch {
        return watched(&args, &client, parent, context).await;
    }
    let list = listed(&args, &client, parent, context.now()).await?;
    if let Some(parent) = parent.filter(|_| list.items.is_empty()) {
        // An empty list says nothing of a task that there is not.
        client.task(parent).await?;
    }
    if list.items.is_empty() && context.asked().is_none() {
        context.console.note(empty(&args));
        return Ok(Exit::Ok);
    }
    let names = |list: &TaskList| list.items.iter().map(|task| task.id.to_string()).collect();
    context.print(&list, names, |list| shown(&list.items, &args, context))?;
    if list.next_cursor.is_some() {
        let of = args.parent.as_ref().map(|parent| format!("{parent} ")).unwrap_or_default();
        context.console.aside(format_args!("There are more: slipway ls {of}--limit {}", args.limit.unwrap_or(100).saturating_mul(10)));
    }
    Ok(Exit::Ok)
}

/// What is asked for, newest first.
async fn listed(args: &LsArgs, client: &Client, parent: Option<TaskId>, now: Timestamp) -> Result<TaskList, Failure> {
    let mut list = TaskList { items: Vec::new(), next_cursor: None };
    let several = args.queries(parent, now);
    let single = several.len() == 1;
    for (query, rows) in several {
        let part = pages(client, query, rows).await?;
        list.items.extend(part.items);
        // Two lists in one have no place to go on from.
        list.next_cursor = part.next_cursor.filter(|_| single);
    }
    if parent.is_none() {
        list.items.sort_by_key(|task| std::cmp::Reverse(task.id));
    }
    Ok(list)
}

/// Draws the list over the one before, until somebody ends it. What cannot be read is said, and tried again.
async fn watched(args: &LsArgs, client: &Client, parent: Option<TaskId>, context: &Context) -> Result<Exit, Failure> {
    context.on_interrupt("");
    let (mut drawn, mut first) = (0, true);
    let mut tick = tokio::time::interval(PAUSE);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let text = match listed(args, client, parent, context.now()).await {
            Ok(list) if list.items.is_empty() => format!("{}\n", empty(args)),
            Ok(list) => {
                let most = list.items.len().min(ROWS);
                let more = list.items.len() - most;
                let more = if more > 0 { format!("and {more} more\n") } else { String::new() };
                shown(&list.items[..most], args, context) + &more
            }
            Err(failure) if first => return Err(failure),
            Err(failure) => format!("{}\n", failure.message.unwrap_or_default()),
        };
        first = false;
        context.console.repaint(std::mem::replace(&mut drawn, text.lines().count()), &text);
    }
}

fn shown(tasks: &[Task], args: &LsArgs, context: &Context) -> String {
    let (marks, now) = (context.console.marks(), context.now());
    let table = if context.wide() {
        Table::new(&WIDE, tasks.iter().map(|task| wide(task, marks)).collect())
    } else {
        let header: &'static [&'static str] = if args.all { &WITH_USER } else { &WITHOUT_USER };
        Table::new(header, tasks.iter().map(|task| row(task, now, args.all, marks)).collect())
    };
    table.render(context.headers(), context.width())
}

fn empty(args: &LsArgs) -> &'static str {
    if args.parent.is_some() && args.state.is_empty() {
        return "It has no elements and no children.";
    }
    let filtered = args.queue.is_some() || !args.state.is_empty() || args.selector.is_some() || args.since.is_some();
    match (filtered, args.all) {
        (true, _) => "No tasks match.",
        (false, true) => "No tasks yet. Submit one: slipway submit -- echo hello",
        (false, false) => "You have no tasks. Everybody's: slipway ls --all   Submit one: slipway submit -- echo hello",
    }
}

/// Up to `rows` rows, over as many pages as that takes.
pub(super) async fn pages(client: &Client, query: TaskQuery, rows: u32) -> Result<TaskList, Failure> {
    let mut list = TaskList { items: Vec::new(), next_cursor: None };
    loop {
        let missing = rows.saturating_sub(u32::try_from(list.items.len()).unwrap_or(u32::MAX));
        let limit = missing.min(crate::wire::limits::MAX_PAGE);
        let page = client.tasks(&TaskQuery { limit: Some(limit), cursor: list.next_cursor.take(), ..query.clone() }).await?;
        list.next_cursor = page.next_cursor;
        let done = page.items.is_empty() || u32::try_from(page.items.len()).unwrap_or(u32::MAX) >= missing;
        list.items.extend(page.items);
        if done || list.next_cursor.is_none() {
            return Ok(list);
        }
    }
}

const WITHOUT_USER: [&str; 8] = ["ID", "NAME", "QUEUE", "PHASE", "AGE", "WAIT", "RUN", "NOTE"];
pub(super) const WITH_USER: [&str; 8] = ["ID", "NAME", "USER", "QUEUE", "PHASE", "AGE", "RUN", "NOTE"];

const WIDE: [&str; 13] =
    ["ID", "NAME", "USER", "QUEUE", "PRIORITY", "STATE", "PHASE", "SUBMITTED", "STARTED", "FINISHED", "RUNNER", "LABELS", "NOTE"];

/// The row of a task with all there is, and times that can be sorted.
fn wide(task: &Task, marks: Marks) -> Vec<Cell> {
    let at = |at: Option<Timestamp>| cell(at.map(|at| format!("{at:.0}")).unwrap_or_default());
    let labels: Vec<_> = task.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let name = match (&task.name, &task.command) {
        (Some(name), _) => name.clone(),
        (None, Some(command)) => shell(command),
        (None, None) => String::new(),
    };
    vec![
        cell(array::name(task)),
        cell(name + &array::shape(task)),
        cell(&task.user),
        cell(&task.queue),
        cell(task.priority),
        cell(task.state).tone(Tone::of(task.state)),
        cell(task.phase.map(|phase| phase.to_string()).unwrap_or_default()),
        at(Some(task.created_at)),
        at(task.started_at),
        at(task.finished_at),
        cell(task.runner.as_ref().map(ToString::to_string).unwrap_or_default()),
        cell(labels.join(",")),
        note(task, marks),
    ]
}

/// The row of a task, seen at `now`.
pub(super) fn row(task: &Task, now: Timestamp, user: bool, marks: Marks) -> Vec<Cell> {
    let mut row = vec![cell(array::name(task)), name(task)];
    if user {
        row.push(cell(&task.user));
    }
    // While an attempt is out its phase says more than the state.
    let phase = task.phase.map_or_else(|| task.state.to_string(), |phase| phase.to_string());
    row.extend([cell(&task.queue), cell(phase).tone(Tone::of(task.state)), cell(age(between(task.created_at, now)))]);
    if !user {
        row.push(cell(waited(task, now).map(age).unwrap_or_default()));
    }
    row.extend([cell(verdict::ran(task, now).unwrap_or_default()), note(task, marks)]);
    row
}

/// How long it waited for its start, or does; none where it never will have one.
fn waited(task: &Task, now: Timestamp) -> Option<Duration> {
    let until = task.started_at.or_else(|| (!task.state.is_terminal()).then_some(now))?;
    task.array.as_ref().is_none_or(|array| array.index.is_some()).then(|| between(task.created_at, until))
}

/// A task without a name shows the beginning of its command.
fn name(task: &Task) -> Cell {
    let shape = array::shape(task);
    match (&task.name, &task.command) {
        (Some(name), _) => cell(cut(name, 40) + &shape),
        (None, Some(command)) => cell(cut(&shell(command), 30) + &shape).tone(Tone::Faint),
        (None, None) if task.script.is_some() => cell(format!("(script){shape}")).tone(Tone::Faint),
        (None, None) => cell(format!("(its image's){shape}")).tone(Tone::Faint),
    }
}

fn note(task: &Task, marks: Marks) -> Cell {
    if let Some((_, counts)) = array::of(task) {
        let stopping = task.cancel_requested_at.is_some() && !task.state.is_terminal();
        let summary = array::summary(counts, marks);
        return if stopping { cell(format!("cancel requested{}{summary}", marks.between)).tone(Tone::Warn) } else { cell(summary) };
    }
    if task.heartbeat_lost {
        return cell("heartbeat lost: its agent is silent").tone(Tone::Warn);
    }
    if task.state == TaskState::Active && task.cancel_requested_at.is_some() {
        return cell("cancel requested").tone(Tone::Warn);
    }
    let attempt = (!task.state.is_terminal() && task.attempt.0 > 1).then(|| format!("attempt {}", task.attempt));
    cell(attempt.or_else(|| task.ended.as_ref().map(verdict::particulars)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::testing::{NOW, array, task},
        wire::{AttemptNumber, Ended, Phase, Reason, TaskArray},
    };
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        args: LsArgs,
    }

    #[test]
    fn tasks_are_read_at_a_glance() {
        let now = NOW.parse().unwrap();
        let tasks = [
            Task { phase: Some(Phase::Running), ..task(1042, TaskState::Active) },
            Task { name: None, attempt: AttemptNumber(2), ..task(1041, TaskState::Waiting) },
            Task { heartbeat_lost: true, phase: Some(Phase::Running), ..task(1040, TaskState::Active) },
            Task {
                ended: Some(Ended { reason: Some(Reason::ExitNonZero), exit_code: Some(1), ..Ended::default() }),
                ..task(7, TaskState::Failed)
            },
            array(6, TaskState::Active),
            Task { cancel_requested_at: Some(now), ..array(5, TaskState::Active) },
            array(4, TaskState::Failed),
            Task {
                array: Some(TaskArray { id: Some(TaskId(6)), index: Some(7), size: 32, ..TaskArray::default() }),
                ..task(14, TaskState::Queued)
            },
        ];
        let shown = |user: bool| {
            let header: &'static [&'static str] = if user { &WITH_USER } else { &WITHOUT_USER };
            let table = Table::new(header, tasks.iter().map(|task| row(task, now, user, Marks::new(true))).collect()).render(true, None);
            anstream::adapter::strip_str(&table).to_string()
        };
        insta::assert_snapshot!(shown(false) + "\n" + &shown(true));
        let all = Table::new(&WIDE, tasks.iter().map(|task| wide(task, Marks::new(true))).collect()).render(true, None);
        insta::assert_snapshot!("wide", anstream::adapter::strip_str(&all).to_string());
    }

    #[test]
    fn the_plain_list_is_what_goes_on_and_what_just_ended() {
        let now: Timestamp = NOW.parse().unwrap();
        let asked = |words: &[&str]| {
            let args = Only::try_parse_from([&["ls"], words].concat()).unwrap().args;
            args.queries(words.contains(&"1040").then_some(TaskId(1040)), now)
                .into_iter()
                .map(|(query, rows)| format!("{rows} {}", serde_json::to_string(&query).unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            asked(&[]),
            [r#"1000 {"state":"waiting,queued,active","user":"@me"}"#, r#"20 {"state":"succeeded,failed,cancelled","user":"@me"}"#]
        );
        assert_eq!(
            asked(&["--all", "-q", "gpu", "--state", "failed,queued", "--since", "2h", "-l", "a!=b"]),
            [r#"100 {"queue":"gpu","state":"failed,queued","labelSelector":"a!=b","since":"2026-11-20T07:22:41Z"}"#]
        );
        assert_eq!(asked(&["1040", "--state", "failed"]), [r#"100 {"state":"failed","parent":1040}"#]);
        assert_eq!(asked(&["1040"]), [r#"100 {"parent":1040}"#]);
        assert_eq!(asked(&["--elements", "--limit", "5"]), [r#"5 {"user":"@me","elements":true}"#]);
        assert!(Only::try_parse_from(["ls", "-l", "a b"]).is_err());
        assert!(Only::try_parse_from(["ls", "--mine", "--all"]).is_err());
    }
}
