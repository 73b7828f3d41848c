//! `slipway why`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    first_error,
    span::{age, between, span},
    style::{Marks, Tone, clean, cut, paint},
    task_ref::TaskRef,
};
use crate::wire::{Amount, Finding, Forecast, Holder, Holders, Instead, Position, Quote, ReasonClass, Task, TaskState, Timestamp, Why};
use std::{fmt::Write, time::Duration};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway why 1042                  why it waits, or ended as it did, and what to do
  slipway why @                     the same of your last one
  slipway why 1042 --exit-status    and exit with 8 if it waits for what somebody has to change
  slipway why 1042 -o json          the API's object, with all evidence in full

Every reason has a code; what it means: slipway help why CODE";

/// Evidence is cut to this many characters for people; `-o json` has it in full.
const MAX_QUOTE: usize = 400;
/// At most so many quotes of one reason for people.
const MAX_QUOTES: usize = 8;

/// The arguments of `why`.
#[derive(Clone, Debug, clap::Args)]
pub struct WhyArgs {
    /// The task: its id, its name, or @ for your last
    #[arg(value_name = "TASK")]
    task: TaskRef,
    /// Exit with 8 if it waits for what will not come by itself, and with 3 if it ended and did not succeed
    #[arg(long)]
    exit_status: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Says why a task is where it is.
pub(super) async fn run(args: WhyArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let id = args.task.id(context, &client).await?;
    let task = client.task(id).await?;
    let why = client.why(id).await?;
    let marks = Marks::new(context.console.terminal().unicode);
    // A courtesy to people alone: it costs a look at the log.
    let remark = if context.format().is_for_people() { first_error::remark(&client, &task).await } else { None };
    let first = remark.map(|remark| format!("\n  {}{remark}\n", paint(Tone::Faint, "log     "))).unwrap_or_default();
    let codes = |why: &Why| why.reasons.iter().map(|reason| reason.code.to_string()).collect();
    context.print(&why, codes, |why| block(&task, why, context.now(), marks) + &first)?;
    Ok(if args.exit_status { exit(&why) } else { Exit::Ok })
}

/// The exit for where a task stands: whether it can go on as it is.
fn exit(why: &Why) -> Exit {
    match why.state {
        TaskState::Succeeded => Exit::Ok,
        state if state.is_terminal() => Exit::TaskFailed,
        _ if why.verdict == Some(ReasonClass::Change) => Exit::Unsatisfiable,
        _ => Exit::Ok,
    }
}

/// The first blocking reason of a task, in one line.
#[must_use]
pub(super) fn in_short(why: &Why) -> Option<String> {
    let reason = why.reasons.iter().find(|reason| reason.blocking)?;
    Some(format!("{}: {}  (slipway why {})", reason.code, clean(&reason.message), why.task))
}

/// `17 of 40`.
#[must_use]
pub(super) fn place(Position { index, of }: Position) -> String {
    if index > 1_000 { format!("1000+ of {of}") } else { format!("{index} of {of}") }
}

/// `starts in about 8m, within 31m in 9 of 10 cases, in 2h at the latest if no other goes first (the last 50 starts of the queue)`.
fn expected(eta: &Forecast) -> String {
    let of = |seconds| span(Duration::from_secs(seconds));
    let parts = [
        eta.p50_seconds.map(|s| format!("in about {}", of(s))),
        eta.p90_seconds.map(|s| format!("within {} in 9 of 10 cases", of(s))),
        eta.by_seconds.map(|s| format!("in {} at the latest if no other goes first", of(s))),
    ];
    format!("starts {} ({})", parts.into_iter().flatten().collect::<Vec<_>>().join(", "), clean(&eta.basis))
}

/// What would let it get on, as commands to type.
fn instead(why: &Why) -> String {
    let (mut text, id) = (String::new(), why.task);
    let queues: Vec<_> = why.instead.iter().filter_map(|one| one.queue.as_ref()).map(ToString::to_string).collect();
    if let Some(first) = queues.first() {
        let (of, have) = if queues.len() == 1 { ("queue", "has") } else { ("queues", "have") };
        let _ = writeln!(text, "The {of} {} {have} room for it now: slipway rerun {id} --queue {first}", queues.join(", "));
    }
    for Instead { gpus, now, .. } in &why.instead {
        if let Some(gpus) = gpus {
            let would = if *now { "it would start now" } else { "it would fit" };
            let _ = writeln!(text, "With {} {would}: slipway rerun {id} --gpus {gpus}", of_gpus(Amount::whole(*gpus)));
        }
    }
    text
}

/// `1 GPU`, `2 GPUs`.
fn of_gpus(amount: Amount) -> String {
    format!("{amount} GPU{}", if amount == Amount::whole(1) { "" } else { "s" })
}

/// Who has what it waits for, a line each.
fn held(holders: &Holders, now: Timestamp) -> String {
    let mut text = format!("\n{}\n", paint(Tone::Strong, "Held by"));
    for Holder { task, name, queue, user, gpus, since, ends_by } in &holders.items {
        let name = name.as_deref().map(|name| format!(" {}", clean(name))).unwrap_or_default();
        let gpus = if *gpus == Amount::default() { String::new() } else { format!(", {}", of_gpus(*gpus)) };
        let end = match ends_by {
            Some(at) if *at > now => format!("over within {}", span(between(now, *at))),
            Some(_) => "over its time".to_owned(),
            None => "no time limit".to_owned(),
        };
        let _ = writeln!(text, "  {task}{name}, {} in queue {queue}{gpus}, for {}, {end}", clean(user), age(between(*since, now)));
    }
    let more = holders.total.saturating_sub(u64::try_from(holders.items.len()).unwrap_or(u64::MAX));
    if more > 0 {
        let _ = writeln!(text, "  and {more} more{}", if holders.items.is_empty() { ", in queues that you do not see" } else { "" });
    }
    text
}

/// All of it as a readable block, seen at `now`.
fn block(task: &Task, why: &Why, now: Timestamp, marks: Marks) -> String {
    let name = task.name.as_deref().map(|name| format!("  {}", clean(name))).unwrap_or_default();
    let mut text = format!("{}{name}, queue {}: {}", paint(Tone::Strong, &task.id.to_string()), task.queue, standing(why, now));
    if let Some(place) = why.position {
        let _ = write!(text, ", position {}", self::place(place));
    }
    if let Some(verdict) = why.verdict {
        let _ = write!(text, "  verdict: {}", paint(tone(verdict), verdict.as_str()));
    }
    text.push('\n');
    if why.position.is_some() {
        let told = why.eta.as_ref().map_or_else(|| "no estimate of its start".to_owned(), expected);
        let _ = writeln!(text, "  {}", paint(Tone::Faint, &told));
    }
    for reason in &why.reasons {
        text.push('\n');
        text.push_str(&told(reason, now, marks));
    }
    if let Some(holders) = &why.holders {
        text.push_str(&held(holders, now));
    }
    let instead = instead(why);
    if !instead.is_empty() {
        let _ = write!(text, "\n{instead}");
    }
    if why.reasons.is_empty() {
        text.push_str(if why.state.is_terminal() { "\nIt succeeded.\n" } else { "\nNothing holds it up.\n" });
    }
    text
}

/// `scheduling for 12m11s`, `failed 8m ago`.
fn standing(why: &Why, now: Timestamp) -> String {
    let since = between(why.since, now);
    if why.state.is_terminal() {
        return format!("{} {} ago", why.state, age(since));
    }
    match why.phase {
        Some(phase) => format!("{phase} for {}", span(since)),
        None => format!("{} for {}", why.state, span(since)),
    }
}

fn told(reason: &Finding, now: Timestamp, marks: Marks) -> String {
    let mark = match (reason.blocking, reason.class) {
        (true, ReasonClass::Wait) => marks.doing,
        (true, _) => marks.failed,
        (false, _) => marks.remark,
    };
    let blocks = if reason.blocking { "blocking" } else { "not blocking" };
    let code = paint(if reason.blocking { tone(reason.class) } else { Tone::Faint }, &format!("{mark}{}", reason.code));
    let mut text = format!("{code}  {}, {blocks}\n  {}\n", reason.class, clean(&reason.message));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {}{value}", paint(Tone::Faint, &format!("{name:<8}")));
    };
    for quote in reason.evidence.iter().take(MAX_QUOTES) {
        line("seen", &seen(quote, now));
    }
    let more = reason.evidence.len().saturating_sub(MAX_QUOTES);
    if more > 0 {
        line("seen", &format!("{more} more, with -o json"));
    }
    if let Some(who) = &reason.set_by {
        line("set by", &clean(who));
    }
    if let Some(hint) = &reason.hint {
        line("next", &clean(hint));
    }
    text
}

/// `Event FailedMount, 3m ago: "MountVolume.SetUp failed …"`.
fn seen(quote: &Quote, now: Timestamp) -> String {
    let at = quote.at.map(|at| format!(", {} ago", age(between(at, now)))).unwrap_or_default();
    format!("{}{at}: \"{}\"", clean(&quote.source), cut(&clean(&quote.raw), MAX_QUOTE))
}

fn tone(class: ReasonClass) -> Tone {
    match class {
        ReasonClass::Wait => Tone::Busy,
        ReasonClass::Change => Tone::Warn,
        ReasonClass::Escalate => Tone::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::testing::{NOW, task},
        wire::{AttemptNumber, Phase, Reason, TaskId},
    };

    fn why(state: TaskState, reasons: Vec<Finding>) -> Why {
        let verdict = crate::domain::reasons::verdict(&reasons);
        let since = "2026-11-20T09:10:30Z".parse().unwrap();
        Why {
            task: TaskId(1039),
            state,
            attempt: AttemptNumber(1),
            phase: None,
            since,
            position: None,
            eta: None,
            verdict,
            instead: Vec::new(),
            holders: None,
            reasons,
        }
    }

    #[test]
    fn scripts_learn_whether_it_can_go_on() {
        let waits = |code: Reason| vec![Finding::new(code, "", vec![Quote::new("Queue q", "x")])];
        for (state, reasons, code) in [
            (TaskState::Queued, waits(Reason::BehindInQueue), 0),
            (TaskState::Active, waits(Reason::NoNodeMatchesSelector), 8),
            (TaskState::Active, waits(Reason::ImageNotFound), 8),
            (TaskState::Queued, waits(Reason::NoRunnerForQueue), 0),
            (TaskState::Failed, waits(Reason::ExitNonZero), 3),
            (TaskState::Succeeded, Vec::new(), 0),
        ] {
            assert_eq!(exit(&why(state, reasons)).code(), code, "{state}");
        }
    }

    #[test]
    fn reasons_are_told_with_what_they_rest_on_and_what_comes_next() {
        let quote = Quote {
            at: Some("2026-11-20T09:19:41Z".parse().unwrap()),
            ..Quote::new("PodScheduled", "0/12 nodes are available: 3 Insufficient nvidia.com/gpu,\n\u{1b}[2J")
        };
        let full = Finding::new(Reason::InsufficientGpu, "3 of 12 nodes have too little nvidia.com/gpu free", vec![quote.clone()]);
        let taint = Finding::new(Reason::UntoleratedTaint, "9 of 12 nodes bear the taint team: vision", vec![quote]).beside();
        let missing =
            Finding::new(Reason::ImageNotFound, "The registry has no image train:2", vec![Quote::new("Container task", "ErrImagePull")]);
        let active = Why { phase: Some(Phase::Scheduling), ..why(TaskState::Active, vec![full, taint]) };
        let behind = Finding::new(Reason::BehindInQueue, "16 others go first", vec![Quote::new("Queue gpu-a100", "position 17 of 40")]);
        let basis = "the last 50 starts of the queue".to_owned();
        let eta = Forecast { p50_seconds: Some(480), p90_seconds: Some(1_860), by_seconds: Some(7_200), basis };
        let holder = |task: i64, gpus: u32, ends_by: Option<&str>| Holder {
            task: TaskId(task),
            name: (task == 41).then(|| "resnet".to_owned()),
            queue: "gpu-a100".parse().unwrap(),
            user: "ada".to_owned(),
            gpus: Amount::whole(gpus),
            since: "2026-11-20T08:52:41Z".parse().unwrap(),
            ends_by: ends_by.map(|at| at.parse().unwrap()),
        };
        let items = vec![holder(41, 2, Some("2026-11-20T11:22:41Z")), holder(42, 1, Some("2026-11-20T09:22:00Z")), holder(43, 0, None)];
        let holders = Some(Holders { items, total: 16 });
        let change = |queue: Option<&str>, gpus, now| Instead { queue: queue.map(|name| name.parse().unwrap()), gpus, now };
        let queued = Why {
            position: Some(Position { index: 17, of: 40 }),
            eta: Some(eta),
            instead: vec![change(Some("small"), None, true), change(None, Some(1), true), change(None, Some(4), false)],
            holders,
            ..why(TaskState::Queued, vec![behind])
        };
        let shown = [
            block(&task(1039, TaskState::Active), &active, NOW.parse().unwrap(), Marks::new(true)),
            block(&task(1039, TaskState::Active), &why(TaskState::Failed, vec![missing]), NOW.parse().unwrap(), Marks::new(true)),
            block(&task(1039, TaskState::Queued), &queued, NOW.parse().unwrap(), Marks::new(false)),
            block(&task(1039, TaskState::Succeeded), &why(TaskState::Succeeded, vec![]), NOW.parse().unwrap(), Marks::new(true)),
        ];
        insta::assert_snapshot!(anstream::adapter::strip_str(&shown.join("\n----\n")).to_string());
        assert_eq!(in_short(&active).unwrap(), "InsufficientGPU: 3 of 12 nodes have too little nvidia.com/gpu free  (slipway why 1039)");
        assert_eq!(in_short(&why(TaskState::Active, vec![])), None);
    }

    #[test]
    fn the_document_of_reasons_is_made_from_their_catalogue() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/REASONS.md");
        let now = crate::domain::reasons::markdown();
        if std::fs::read_to_string(path).unwrap_or_default() != now {
            let fresh = std::env::temp_dir().join("slipway-REASONS.md");
            std::fs::write(&fresh, now).unwrap();
            panic!("docs/REASONS.md is stale; look at the difference, then: cp {} docs/REASONS.md", fresh.display());
        }
    }
}
