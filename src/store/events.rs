//! The log of events: append only, its id is the cursor of every watcher.

use super::{
    Store,
    error::Result,
    lease::parse_json,
    sql::{self, Cells, Pool, Row, cells},
    writer::Tx,
};
use crate::domain::{AttemptNumber, EventId, Outcome, QueueName, TaskId, TaskState, UnixMs};
use serde_json::{Value, json};

/// An event that a batch appends at its end.
pub(super) struct NewEvent {
    pub(super) kind: &'static str,
    pub(super) task: Option<TaskId>,
    pub(super) attempt: Option<AttemptNumber>,
    pub(super) actor: Option<String>,
    pub(super) data: Value,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRecord {
    /// Its place in the log.
    pub id: EventId,
    /// When.
    pub at: UnixMs,
    /// What, as a word of `wire::EventKind`.
    pub kind: String,
    /// The task it is about.
    pub task: Option<TaskId>,
    /// The attempt it is about.
    pub attempt: Option<AttemptNumber>,
    /// Who did it.
    pub actor: Option<String>,
    /// Its particulars.
    pub data: Value,
}

/// Which events a watcher wants.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Only of this task.
    pub task: Option<TaskId>,
}

/// A page of the log.
pub(super) const EVENTS_AFTER: &str = "select id, at, task, attempt, kind, actor, data from event where id > $1 order by id limit $2";
/// The same of one task.
pub(super) const EVENTS_OF_TASK_AFTER: &str =
    "select id, at, task, attempt, kind, actor, data from event where id > $1 and task = $3 order by id limit $2";

/// Appends what the batch gathered; answers the newest id.
pub(super) async fn append(tx: &mut Tx<'_>) -> Result<Option<i64>> {
    if tx.events.is_empty() {
        return Ok(None);
    }
    let rows = std::mem::take(&mut tx.events).into_iter().map(|e| {
        let data = (!e.data.is_null()).then(|| e.data.to_string());
        cells![tx.now, e.task, e.attempt, e.kind, e.actor, data]
    });
    let rows: Vec<Cells> = rows.collect();
    let newest = sql::query_scalar::<i64>(APPEND).bind(rows).fetch_all(&mut *tx.conn).await?;
    Ok(newest.into_iter().max())
}

/// Appends events in their order; answers ids, the newest among them. Differs because SQLite has no insert in a `with`.
const APPEND: &str =
    "{sqlite: ; postgres: with new as (}insert into event each($1: at int, task int, attempt int, kind text, actor text, data text)
     returning id{sqlite: ; postgres: ) select max(id) from new}";

/// The id of the newest event, 0 before the first.
pub(super) async fn newest(readers: &Pool) -> Result<i64> {
    Ok(sql::query_scalar::<Option<i64>>("select max(id) from event").fetch_one(readers).await?.unwrap_or(0))
}

/// The newest event that was deleted, 0 where none was.
pub(super) async fn forgotten(readers: &Pool) -> Result<i64> {
    let kept = sql::query_scalar("select cast(value as bigint) from meta where key = 'events_forgotten'");
    Ok(kept.fetch_optional(readers).await?.unwrap_or(0))
}

/// The newest event of a task among some kinds.
pub(super) const LAST_EVENT: &str = "select id, at, task, attempt, kind, actor, data from event
     where task = $1 and kind in list($2: text) order by id desc limit 1";

impl Store {
    /// The newest event of a task among some kinds.
    pub async fn last_event(&self, task: TaskId, kinds: &[&str]) -> Result<Option<EventRecord>> {
        let row = sql::query(LAST_EVENT).bind(task.0).bind(sql::list(kinds.iter().copied())).fetch_optional(&self.readers).await?;
        row.as_ref().map(read).transpose()
    }

    /// The events after a cursor, oldest first, `limit` at most.
    pub async fn events_after(&self, after: EventId, filter: &EventFilter, limit: u32) -> Result<Vec<EventRecord>> {
        let query = match filter.task {
            None => sql::query(EVENTS_AFTER).bind(after.0).bind(limit),
            Some(task) => sql::query(EVENTS_OF_TASK_AFTER).bind(after.0).bind(limit).bind(task.0),
        };
        let rows = query.fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<EventRecord> {
    let id: i64 = row.try_get("id")?;
    let data: Option<&str> = row.try_get("data")?;
    Ok(EventRecord {
        id: EventId(id),
        at: UnixMs(row.try_get("at")?),
        kind: row.try_get("kind")?,
        task: row.try_get::<Option<i64>>("task")?.map(TaskId),
        attempt: row.try_get::<Option<u32>>("attempt")?.map(AttemptNumber),
        actor: row.try_get("actor")?,
        data: data.map(|text| parse_json("event", id, text)).transpose()?.unwrap_or(Value::Null),
    })
}

/// What an event tells of an end.
pub(super) fn end_data(queue: &QueueName, state: TaskState, last: Option<&(Outcome, Option<bool>)>) -> Value {
    let mut data = json!({ "queue": queue, "state": state });
    if let (Some((outcome, _)), Value::Object(fields)) = (last, &mut data) {
        let known = [
            ("class", outcome.end.class().map(|c| json!(c))),
            ("reason", outcome.end.reason().map(|r| json!(r))),
            ("exitCode", outcome.result.exit_code.map(|c| json!(c))),
            ("signal", outcome.result.signal.map(|s| json!(s))),
        ];
        fields.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    data
}
