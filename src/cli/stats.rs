//! `slipway stats`: where a task's time went, and what it used.

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    span::span,
    style::{Tone, clean, paint},
    table::{Cell, Table, cell},
    task_ref::TaskRef,
    used,
};
use crate::wire::{Attempt, Ledger, Stretch, Task, Timeline, TimelineSpan};
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway stats 1042                where its time went, and what it used
  slipway stats @ -o wide           and each stretch of it with its begin
  slipway stats 1042 -o json        the API's object: spans and sums, in ms
  slipway stats 1042 --jq .ledger.queuedMs

What happened, event by event: slipway events TASK.";

/// The arguments of `stats`.
#[derive(Clone, Debug, clap::Args)]
pub struct StatsArgs {
    /// The task: its id, its name, or @ for your last
    #[arg(value_name = "TASK")]
    task: TaskRef,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Says where a task's time went.
pub(super) async fn run(args: StatsArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let id = args.task.id(context, &client).await?;
    let timeline = client.timeline(id).await?;
    if !context.format().is_for_people() {
        context.print(&timeline, |timeline| vec![timeline.task.to_string()], |_| String::new())?;
        return Ok(Exit::Ok);
    }
    let task = client.task(id).await?;
    // What it used is a courtesy: a server that does not say must not keep the rest from being shown.
    let attempts = client.attempts(id).await.map(|list| list.items).unwrap_or_default();
    if !timeline.complete {
        context.console.aside("Earlier events were removed by the retention of its queue, so that some of its time is missing.");
    }
    let text = block(&task, &timeline, &attempts, context.wide(), context.width(), context.console.terminal().unicode);
    context.console.text(&text)?;
    Ok(Exit::Ok)
}

fn block(task: &Task, timeline: &Timeline, attempts: &[Attempt], wide: bool, width: Option<u16>, unicode: bool) -> String {
    let name = task.name.as_deref().map(|name| format!("  {}", clean(name))).unwrap_or_default();
    let total = span(ms(timeline.ledger.total_ms));
    let so_far = if timeline.state.is_terminal() { "" } else { " so far" };
    let head =
        format!("{}{name}, queue {}: {}, {total}{so_far}\n\n", paint(Tone::Strong, &task.id.to_string()), task.queue, timeline.state);
    let sums = Table::new(&["WHERE", "TOOK", "SHARE", ""], sums(&timeline.ledger, unicode)).render(true, width);
    let idle = timeline.ledger.gpu_idle_ms.map(|idle| format!("\nGPUs held and not busy for {}\n", span(ms(idle))));
    let used = Some(used::of_attempts(attempts).join("\n")).filter(|used| !used.is_empty()).map(|used| format!("\n{used}\n"));
    let spans = wide.then(|| format!("\n{}", Table::new(&["FROM", "ATTEMPT", "WHAT", "TOOK"], rows(&timeline.spans)).render(true, width)));
    [Some(head + &sums), idle, used, spans].into_iter().flatten().collect()
}

/// What is told of each sum; the ones without any time are left out.
fn sums(ledger: &Ledger, unicode: bool) -> Vec<Vec<Cell>> {
    let Ledger {
        total_ms, waiting_ms, queued_ms, placing_ms, pulling_ms, starting_ms, setup_ms, running_ms, finishing_ms, lost_ms, ..
    } = *ledger;
    let all = [
        ("held back", waiting_ms, None),
        ("queued", queued_ms, None),
        ("lost to retries", lost_ms, Some(Tone::Bad)),
        ("finding a node", placing_ms, None),
        ("pulling", pulling_ms, None),
        ("starting", starting_ms, None),
        ("setup", setup_ms, None),
        ("running", running_ms, Some(Tone::Good)),
        ("finishing", finishing_ms, None),
    ];
    let row = |(what, took, tone): (&str, u64, Option<Tone>)| {
        let percent = share(took, total_ms, 100);
        vec![
            cell(what).tone(tone),
            cell(span(ms(took))),
            cell(format!("{percent} %")),
            cell(bar(share(took, total_ms, 20), unicode)).tone(tone),
        ]
    };
    all.into_iter().filter(|(_, took, _)| *took > 0).map(row).collect()
}

/// How many of `of` parts something is, to the nearest.
fn share(took: u64, total: u64, of: u64) -> u64 {
    (u128::from(took) * u128::from(of) * 2 + u128::from(total))
        .checked_div(2 * u128::from(total))
        .map_or(0, |part| part.try_into().unwrap_or(of))
}

fn bar(parts: u64, unicode: bool) -> String {
    let sign = if unicode { "█" } else { "#" };
    sign.repeat(usize::try_from(parts).unwrap_or(0).max(1))
}

fn rows(spans: &[TimelineSpan]) -> Vec<Vec<Cell>> {
    let row = |of: &TimelineSpan| {
        vec![
            cell(format!("{:.3}", of.from)).tone(Tone::Faint),
            cell(of.attempt.map(|attempt| attempt.to_string()).unwrap_or_default()),
            cell(of.what).tone((of.what == Stretch::Running).then_some(Tone::Busy)),
            cell(if of.to.is_some() { span(ms(of.ms)) } else { format!("{}, goes on", span(ms(of.ms))) }),
        ]
    };
    spans.iter().map(row).collect()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::testing::{attempt, task},
        wire::{AttemptNumber, Notes, TaskState, Usage},
    };

    fn timeline() -> Timeline {
        let spans = [
            (Stretch::Waiting, None, 0, Some(30)),
            (Stretch::Queued, None, 30, Some(372)),
            (Stretch::Claimed, Some(1), 372, Some(374)),
            (Stretch::Running, Some(1), 374, Some(400)),
            (Stretch::Waiting, None, 400, Some(430)),
            (Stretch::Scheduling, Some(2), 430, Some(432)),
            (Stretch::Pulling, Some(2), 432, Some(473)),
            (Stretch::Setup, Some(2), 473, Some(477)),
            (Stretch::Running, Some(2), 477, None),
        ];
        let at = |s: i64| crate::wire::Timestamp::from_second(1_795_000_000 + s).unwrap();
        let span = |(what, attempt, from, to): (Stretch, Option<u32>, i64, Option<i64>)| TimelineSpan {
            what,
            attempt: attempt.map(AttemptNumber),
            from: at(from),
            to: to.map(at),
            ms: u64::try_from(to.unwrap_or(600) - from).unwrap() * 1_000,
        };
        let ledger = Ledger {
            total_ms: 600_000,
            waiting_ms: 60_000,
            queued_ms: 342_000,
            placing_ms: 2_000,
            pulling_ms: 41_000,
            setup_ms: 4_000,
            running_ms: 123_000,
            lost_ms: 28_000,
            gpu_idle_ms: Some(16_000),
            ..Ledger::default()
        };
        Timeline { task: crate::wire::TaskId(1042), state: TaskState::Active, complete: true, spans: spans.map(span).into(), ledger }
    }

    #[test]
    fn the_parts_of_a_life_are_shown_with_their_shares() {
        let usage = Usage { elapsed_ms: 123_000, cpu_ms: Some(131_000), memory_peak_bytes: Some(1 << 30), ..Usage::default() };
        let used = [Attempt { notes: Some(Notes { usage: Some(usage), ..Notes::default() }), ..attempt(2, None) }];
        let whole = block(&task(1042, TaskState::Active), &timeline(), &used, true, None, true);
        let short = block(&task(1042, TaskState::Active), &timeline(), &[], false, Some(40), false);
        let both = format!("{whole}----\n{short}");
        insta::assert_snapshot!(anstream::adapter::strip_str(&both).to_string());
        assert_eq!((share(1, 3, 100), share(2, 3, 100), share(0, 0, 100), share(u64::MAX, u64::MAX, 20)), (33, 67, 0, 20));
    }
}
