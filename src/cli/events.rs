//! `slipway events`: what happened to a task.

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    format::Format,
    span::{between, span},
    style::{Tone, clean},
    table::{Cell, Table, cell},
    task_ref::TaskRef,
};
use crate::{
    client::{Client, Next, Patience},
    wire::{Event, EventKind, EventList, EventQuery, TaskId, limits::MAX_PAGE},
};
use serde_json::Value;

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway events 1042               what happened to it, and who did it
  slipway events -f @               and what goes on, until it ends
  slipway events 1042 -o jsonl      the API's objects, one a line

Of what everybody does, with queues and tokens too: slipway audit.";

/// The arguments of `events`.
#[derive(Clone, Debug, clap::Args)]
pub struct EventsArgs {
    /// The task: its id, its name, or @ for your last
    #[arg(value_name = "TASK")]
    task: TaskRef,
    /// Go on until the task ends
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Shows what happened to a task.
pub(super) async fn run(args: EventsArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let id = args.task.id(context, &client).await?;
    if args.follow {
        return follow(&client, id, context).await;
    }
    let list = all(&client, id).await?;
    if !list.complete {
        context.console.aside("Earlier events were removed by the retention of its queue.");
    }
    let ids = |list: &EventList| list.items.iter().map(|event| event.id.to_string()).collect();
    context.print(&list, ids, |list| Table::new(&HEADER, rows(&list.items)).render(context.headers(), context.width()))?;
    Ok(Exit::Ok)
}

async fn all(client: &Client, id: TaskId) -> Result<EventList, Failure> {
    let mut query = EventQuery { limit: Some(MAX_PAGE), cursor: None };
    let mut list = client.events(id, &query).await?;
    while let Some(next) = list.next_cursor.take() {
        query.cursor = Some(next);
        let page = client.events(id, &query).await?;
        list.items.extend(page.items);
        list.next_cursor = page.next_cursor;
    }
    Ok(list)
}

/// Every event as it comes, each printed by itself.
async fn follow(client: &Client, id: TaskId, context: &Context) -> Result<Exit, Failure> {
    // A stream of events says nothing of a task that there is not.
    client.task(id).await?;
    context.on_interrupt(format!("Task {id} goes on."));
    let mut stream = client.follow_events(id, Patience::default());
    let mut last: Option<Event> = None;
    loop {
        let event = match stream.next().await? {
            Next::Item(event) => event,
            Next::Broken(why) => {
                context.console.note(super::follow::lost(&why));
                continue;
            }
            Next::Resumed => {
                context.console.note("connection back");
                continue;
            }
        };
        match context.format() {
            Format::Table | Format::Wide => {
                let with_last: Vec<_> = last.iter().cloned().chain([event.clone()]).collect();
                let row = rows(&with_last).pop().into_iter().collect();
                context.console.text(&Table::new(&HEADER, row).render(false, context.width()))?;
            }
            // A document that never ends is none: one object a line.
            Format::Json if context.common.jq.is_none() => context.console.line(serde_json::to_value(&event).unwrap_or_default())?,
            _ => context.print(&event, |event| vec![event.id.to_string()], |_| String::new())?,
        }
        if event.kind == EventKind::TaskEnded {
            return Ok(Exit::Ok);
        }
        last = Some(event);
    }
}

const HEADER: [&str; 6] = ["AT", "AFTER", "ATTEMPT", "WHAT", "BY", "DETAIL"];

/// A row for each event: when, how long after the one before, what, who, and what else is told.
fn rows(events: &[Event]) -> Vec<Vec<Cell>> {
    let mut before = None;
    let row = |event: &Event| {
        let after = before.replace(event.at).map(|before| format!("+{}", span(between(before, event.at))));
        let kind = serde_json::to_value(event.kind).ok().and_then(|kind| Some(kind.as_str()?.to_owned()));
        vec![
            cell(format!("{:.3}", event.at)).tone(Tone::Faint).whole(),
            cell(after.unwrap_or_default()),
            cell(event.attempt.map(|attempt| attempt.to_string()).unwrap_or_default()),
            cell(kind.unwrap_or_default()).tone(tone(event)),
            cell(event.actor.clone().unwrap_or_default()),
            cell(detail(&event.data)),
        ]
    };
    events.iter().map(row).collect()
}

fn tone(event: &Event) -> Option<Tone> {
    match event.kind {
        EventKind::TaskEnded if event.data["state"] == "succeeded" => Some(Tone::Good),
        EventKind::TaskEnded | EventKind::AttemptEnded => Some(Tone::Bad),
        EventKind::AttemptReturned | EventKind::AttemptAbandoned | EventKind::AttemptSuperseded | EventKind::TaskCancelRequested => {
            Some(Tone::Warn)
        }
        EventKind::AttemptPhase => Some(Tone::Busy),
        _ => None,
    }
}

/// What an event tells beside its kind: `phase running`, `state failed, reason ExitNonZero, exitCode 1`.
fn detail(data: &Value) -> String {
    let told = |(name, value): (&String, &Value)| match value {
        Value::Null => None,
        Value::String(text) => Some(format!("{name} {}", clean(text))),
        Value::Bool(_) | Value::Number(_) => Some(format!("{name} {value}")),
        Value::Array(_) | Value::Object(_) => Some(format!("{name} {}", clean(&value.to_string()))),
    };
    data.as_object().into_iter().flatten().filter_map(told).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_life_is_read_from_top_to_bottom() {
        let event = |id: i64, at: &str, kind: &str, attempt: Option<u32>, actor: Option<&str>, data: Value| {
            let event = json!({"id": id, "at": at, "kind": kind, "task": 1042, "attempt": attempt, "actor": actor, "data": data});
            serde_json::from_value::<Event>(event).unwrap()
        };
        let events = [
            event(1, "2026-11-20T09:14:30Z", "task.submitted", None, Some("lena"), json!({"queue": "gpu"})),
            event(2, "2026-11-20T09:20:41.2Z", "attempt.claimed", Some(1), None, json!({"runner": "box-k3f9a"})),
            event(3, "2026-11-20T09:20:41.9Z", "attempt.phase", Some(1), None, json!({"phase": "running"})),
            event(
                4,
                "2026-11-20T09:22:04Z",
                "task.ended",
                Some(1),
                None,
                json!({"state": "failed", "reason": "ExitNonZero", "exitCode": 1, "signal": null}),
            ),
        ];
        insta::assert_snapshot!(anstream::adapter::strip_str(&Table::new(&HEADER, rows(&events)).render(true, None)).to_string());
    }
}
