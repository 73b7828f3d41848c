//! `slipway get`

use super::{
    array,
    context::{Common, Context},
    exit::{Exit, Failure},
    first_error, notes,
    span::{age, between, span},
    style::{Marks, Tone, clean, paint, shell},
    table::{Table, cell},
    task_ref::TaskRef,
    used, verdict, why,
};
use crate::wire::{Attempt, Code, Dependee, DependsOn, Environment, Phase, Task, TaskState, Timestamp, Why};
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway get 1042                  one task and its attempts
  slipway get 1040_7                an element of an array
  slipway get @                     your last one
  slipway get 1042 -o json          the API's object";

/// The arguments of `get`.
#[derive(Clone, Debug, clap::Args)]
pub struct GetArgs {
    /// The task: its id, its name, or @ for your last
    #[arg(value_name = "TASK")]
    task: TaskRef,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Shows a task and its attempts.
pub(super) async fn run(args: GetArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let id = args.task.id(context, &client).await?;
    let task = client.task(id).await?;
    // Attempts are an object of their own; only people want both at once.
    let attempts =
        if context.format().is_for_people() && array::of(&task).is_none() { client.attempts(id).await?.items } else { Vec::new() };
    // The reason is a courtesy: a server that does not give any must not keep the rest from being shown.
    let why = if context.format().is_for_people() && held_up(&task) { client.why(id).await.ok() } else { None };
    let why = why.as_ref();
    let remark = if context.format().is_for_people() { first_error::remark(&client, &task).await } else { None };
    let first = remark.map(|remark| format!("\n{}{remark}\n", paint(Tone::Faint, "log        "))).unwrap_or_default();
    context.print(
        &task,
        |task| vec![task.id.to_string()],
        |task| block(task, &attempts, why, context.now(), context.width(), context.console.marks()) + &first,
    )?;
    Ok(Exit::Ok)
}

/// Whether something holds a task up, so that there is a reason to tell.
fn held_up(task: &Task) -> bool {
    let before_start = task.phase.is_some_and(|phase| phase < Phase::Starting);
    matches!(task.state, TaskState::Waiting | TaskState::Queued) || before_start || task.heartbeat_lost
}

/// A task as a readable block, seen at `now`. `why`: what holds it up.
fn block(task: &Task, attempts: &[Attempt], why: Option<&Why>, now: Timestamp, width: Option<u16>, marks: Marks) -> String {
    let mut lines = Vec::new();
    let mut field = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            lines.push(format!("{}{value}", paint(Tone::Faint, &format!("{name:<11}"))));
        }
    };
    let seconds = |s: u64| span(Duration::from_secs(s));
    let ago = |at: Timestamp| format!("{at:.0}  ({} ago)", age(between(at, now)));
    field(
        "task",
        Some(paint(Tone::Strong, &task.id.to_string()) + &task.name.as_deref().map(|n| format!("  {}", clean(n))).unwrap_or_default()),
    );
    field("array", place(task));
    field("elements", array::of(task).map(|(_, counts)| format!("{}  (slipway ls {})", array::summary(counts, marks), task.id)));
    field("parent", task.parent.filter(|_| task.array.is_none()).map(|id| id.to_string()));
    field("state", Some(state(task)));
    field("why", why.and_then(why::in_short));
    field("queue", Some(task.queue.to_string()));
    field("position", why.and_then(|why| why.position).map(why::place));
    field("user", Some(clean(&task.user)));
    let of_image = || task.script.is_none().then(|| "its image's".to_owned());
    field("command", task.command.as_deref().map(shell).or_else(of_image));
    field("script", task.script.as_deref().map(script));
    field("code", task.code.as_ref().map(|of| code(of, task.working_dir.as_deref())));
    field("setup", task.environment.as_ref().map(environment));
    field("checkpoint", Some(shell(&task.checkpoint)));
    field("keeps", Some(shell(&task.outputs)));
    field("env", Some(pairs(&task.env)));
    field("labels", Some(pairs(&task.labels)));
    field("priority", Some(format!("{}{}", task.priority, if task.boosted { ", boosted before all others" } else { "" })));
    field("gpus", (task.resources.gpus > 0).then(|| task.resources.gpus.to_string()));
    field("limits", Some(limits(task, seconds)));
    let oom = if task.retries.oom > 0 { format!("{} oom, ", task.retries.oom) } else { String::new() };
    field("retries", Some(format!("{} user, {oom}{} infra", task.retries.user, task.retries.infra)));
    field("after", task.depends_on.as_ref().map(after));
    field("not before", task.not_before.map(|at| format!("{at:.0}")));
    field("submitted", Some(ago(task.created_at)));
    field("started", task.started_at.map(ago));
    field("ended", task.finished_at.map(ago));
    field("run", verdict::ran(task, now));
    field("runner", task.runner.as_ref().map(ToString::to_string));
    field("rerun of", task.rerun_of.map(|id| id.to_string()));
    if !attempts.is_empty() {
        lines.push(String::new());
        lines.push(table(attempts, now, width).trim_end().to_owned());
    }
    let mut notes = notes::fields(task.id, attempts);
    notes.extend(used::of_attempts(attempts).into_iter().enumerate().map(|(n, line)| (if n == 0 { "usage" } else { "" }, line)));
    if !notes.is_empty() {
        lines.push(String::new());
    }
    lines.extend(notes.into_iter().map(|(name, value)| format!("{}{value}", paint(Tone::Faint, &format!("{name:<11}")))));
    lines.join("\n") + "\n"
}

/// `0-31, at most 8 at once`, or `index 7 of 1040, size 32`.
fn place(task: &Task) -> Option<String> {
    if let Some((of, _)) = array::of(task) {
        let indices = of.indices.as_ref().map_or_else(|| format!("0-{}", of.size.saturating_sub(1)), ToString::to_string);
        let most = of.max_parallel.map(|most| format!(", at most {most} at once")).unwrap_or_default();
        return Some(indices + &most);
    }
    let of = task.array.as_ref()?;
    Some(format!("index {} of {}, size {}", of.index?, of.id?, of.size))
}

fn state(task: &Task) -> String {
    let word = match Tone::of(task.state) {
        Some(tone) => paint(tone, task.state.as_str()),
        None => task.state.to_string(),
    };
    let phase = task.phase.map(|phase| format!(", {phase}")).unwrap_or_default();
    let more = task.ended.as_ref().map(verdict::particulars).filter(|text| !text.is_empty()).map(|text| format!(": {text}"));
    let cancel = if task.cancel_requested_at.is_some() && !task.state.is_terminal() { ", cancel requested" } else { "" };
    let silent = if task.heartbeat_lost { ", heartbeat lost" } else { "" };
    format!("{word}{phase}{}{cancel}{silent}", more.unwrap_or_default())
}

/// `https://git.example.com/team/vision @ 4f2a91c (main) + changes, in src/`.
fn code(code: &Code, dir: Option<&str>) -> String {
    let what = match (&code.git, &code.upload) {
        (Some(git), _) => {
            let branch = git.reference.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            let changed = if git.snapshot.is_some() || git.diff.is_some() { " + changes" } else { "" };
            format!("{} @ {}{branch}{changed}", git.url, git.commit.get(..7).unwrap_or(&git.commit))
        }
        (None, Some(_)) => "files that were sent along".to_owned(),
        (None, None) => format!("{} files in the task itself", code.inline.len()),
    };
    clean(&format!("{what}{}", dir.map(|dir| format!(", in {dir}/")).unwrap_or_default()))
}

/// `auto, Python 3.12, 2 requirements, a set-up script`.
fn environment(of: &Environment) -> String {
    let python = of.python.as_ref().map(|version| format!("Python {version}"));
    let lines = (!of.requirements.is_empty()).then(|| format!("{} requirements", of.requirements.len()));
    let script = of.setup_script.as_ref().map(|_| "a set-up script".to_owned());
    let parts = [Some(of.kind.to_string()), python, lines, script].into_iter().flatten();
    clean(&parts.collect::<Vec<_>>().join(", "))
}

fn script(text: &str) -> String {
    let lines = text.lines().count();
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    format!("{}  ({lines} line{}, whole with -o yaml)", clean(first), if lines == 1 { "" } else { "s" })
}

fn pairs<'a>(map: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    map.into_iter().map(|(key, value)| shell(&[format!("{key}={value}")])).collect::<Vec<_>>().join(" ")
}

/// `1039, 1040 succeeded; 1041 ended; else fail`.
fn after(depends: &DependsOn) -> String {
    let list = |tasks: &[Dependee], word: &str| {
        let ids: Vec<String> = tasks.iter().map(ToString::to_string).collect();
        (!ids.is_empty()).then(|| format!("{} {word}", ids.join(", ")))
    };
    let rule = depends.on_failure.filter(|_| !depends.after_success.is_empty()).map(|rule| format!("else {rule}"));
    [list(&depends.after_success, "succeeded"), list(&depends.after_any, "ended"), rule]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ")
}

fn limits(task: &Task, seconds: impl Fn(u64) -> String) -> String {
    let limit = |name: &str, s: Option<u64>| s.map(|s| format!("{name} {}, ", seconds(s))).unwrap_or_default();
    let (time, wait) = (limit("time", task.timeout_seconds), limit("wait", task.max_wait_seconds));
    let total = limit("in all", task.total_timeout_seconds);
    format!("{time}{wait}{total}grace {}", seconds(task.grace_seconds))
}

fn table(attempts: &[Attempt], now: Timestamp, width: Option<u16>) -> String {
    let rows = attempts
        .iter()
        .map(|attempt| {
            let state = attempt.state.unwrap_or(TaskState::Active);
            let returned = attempt.state.is_none() && attempt.ended_at.is_some();
            let word = match attempt.state {
                Some(state) => state.to_string(),
                None if returned => "returned".to_owned(),
                None => attempt.phase.to_string(),
            };
            let end = attempt.ended_at.unwrap_or(now);
            vec![
                cell(attempt.attempt),
                cell(word).tone(Tone::of(state).filter(|_| !returned)),
                cell(&attempt.runner),
                cell(age(between(attempt.claimed_at, now))),
                cell(attempt.started_at.map(|start| span(between(start, end))).unwrap_or_default()),
                cell(size(attempt.log_bytes)),
                cell(attempt.ended.as_ref().map(verdict::particulars).unwrap_or_default()),
            ]
        })
        .collect();
    Table::new(&["ATTEMPT", "STATE", "RUNNER", "AGE", "RUN", "LOG", "NOTE"], rows).render(true, width)
}

/// Bytes at a glance: `12 B`, `3.4 KiB`.
#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
pub(crate) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::testing::{NOW, array, attempt, task},
        wire::{AttemptNumber, Ended, Finding, GitCode, Notes, OnFailure, Position, Quote, Reason, Sha256, TaskArray, TaskId, Usage},
    };

    #[test]
    fn a_task_is_a_readable_block() {
        let failed = Task {
            env: [("LR".to_owned(), "3e-4".to_owned()), ("NOTE".to_owned(), "a b".to_owned())].into(),
            timeout_seconds: Some(9_000),
            max_wait_seconds: Some(3_600),
            total_timeout_seconds: Some(86_400),
            not_before: Some("2026-11-20T09:20:00Z".parse().unwrap()),
            depends_on: Some(DependsOn {
                after_success: vec![Dependee::Id(TaskId(1039)), Dependee::Id(TaskId(1040))],
                after_any: vec![Dependee::Id(TaskId(1041))],
                on_failure: Some(OnFailure::Fail),
            }),
            code: Some(Code {
                git: Some(GitCode {
                    url: "https://git.example.com/team/vision".into(),
                    commit: "4f2a91c".repeat(5) + "aaaaa",
                    reference: Some("main".into()),
                    diff: Some(Sha256::of(b"")),
                    ..GitCode::default()
                }),
                ..Code::default()
            }),
            working_dir: Some("src".into()),
            environment: Some(Environment { python: Some("3.12".into()), requirements: vec!["six".into()], ..Environment::default() }),
            rerun_of: Some(TaskId(1001)),
            ended: Some(Ended { reason: Some(Reason::ExitNonZero), exit_code: Some(1), ..Ended::default() }),
            ..task(1042, TaskState::Failed)
        };
        let end = Ended { reason: Some(Reason::NodeLost), ..Ended::default() };
        let unplaced = Ended { reason: Some(Reason::InsufficientGpu), ..Ended::default() };
        let returned = Attempt { state: None, started_at: None, ..attempt(2, Some((TaskState::Failed, unplaced))) };
        let used = |cpu_ms| Usage { elapsed_ms: 82_000, cpu_ms: Some(cpu_ms), memory_peak_bytes: Some(3 << 30), ..Usage::default() };
        let with = |cpu_ms| Some(Notes { usage: Some(used(cpu_ms)), ..Notes::default() });
        let first = Attempt { notes: with(131_000), ..attempt(1, Some((TaskState::Failed, end))) };
        let attempts = [first, returned, Attempt { notes: with(40_000), ..attempt(3, None) }];
        let text = block(&failed, &attempts, None, NOW.parse().unwrap(), None, Marks::new(true));
        let live = Task { script: Some("#!/bin/sh\necho hi\n".into()), command: None, ..task(7, TaskState::Active) };
        let paused = Finding::new(Reason::QueuePaused, "olga paused the queue", vec![Quote::new("Queue", "paused")]);
        let why = Why {
            task: TaskId(7),
            state: TaskState::Queued,
            attempt: AttemptNumber(0),
            phase: None,
            since: NOW.parse().unwrap(),
            eta: None,
            instead: Vec::new(),
            holders: None,
            position: Some(Position { index: 3, of: 17 }),
            verdict: None,
            reasons: vec![paused],
        };
        let live = Task { boosted: true, ..live };
        let text = text + "\n" + &block(&live, &[], Some(&why), NOW.parse().unwrap(), None, Marks::new(true));
        let sweep = Task {
            ended: Some(Ended { message: Some("3 of 32 elements failed: 6_1, 6_4, 6_9".into()), ..Ended::default() }),
            ..array(6, TaskState::Failed)
        };
        let text = text + "\n" + &block(&sweep, &[], None, NOW.parse().unwrap(), None, Marks::new(true));
        let place = TaskArray { id: Some(TaskId(6)), index: Some(7), size: 32, ..TaskArray::default() };
        let element = Task { array: Some(place), parent: Some(TaskId(6)), ..task(14, TaskState::Queued) };
        let text = text + "\n" + &block(&element, &[], None, NOW.parse().unwrap(), None, Marks::new(true));
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
    }

    #[test]
    fn sizes_are_read_at_a_glance() {
        assert_eq!([0, 1023, 1024, 3_500_000, u64::MAX].map(size), ["0 B", "1023 B", "1.0 KiB", "3.3 MiB", "16777216.0 TiB"]);
    }
}
