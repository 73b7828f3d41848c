//! Writing back what a batch of transitions changed: one statement per table, whatever the size of the batch.

use super::{
    cascade,
    deadlines::{FORGET_DEADLINE, KEEP_DEADLINE},
    dependencies::{COUNT, tell},
    error::Result,
    evidence::{FORGET_EVIDENCE, KEEP_EVIDENCE},
    gather::{self, Moves},
    lease::LeaseRecord,
    notes::KEEP_NOTES,
    place::Places,
    sql,
    waits::Waits,
    work::{EndedAttempt, Held, ReturnedAttempt, Work},
    writer::Tx,
};
use crate::domain::{AttemptNumber, AttemptRef, Priority, QueueName, Status, TaskId, TaskState};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Writes what holds tasks back: rows of [`wait_row`].
pub(super) const KEEP_WAITING: &str = "insert into waiting (task, queue, attempt, due_up, not_before, blockers, throttled, since_up)
                  select j.task, j.queue, j.attempt, j.due_up, j.not_before, j.blockers, j.throttled, j.since_up
                  from rows($1: task int, queue text, attempt int, due_up int, not_before int, blockers int, throttled int, since_up int) j where true
                  on conflict (task) do update set due_up = excluded.due_up, not_before = excluded.not_before,
                    blockers = excluded.blockers, throttled = excluded.throttled";

/// Writes what changed of live attempts.
pub(super) const UPDATE_LEASE: &str = "update lease set phase = j.phase, expires_up = j.expires_up, start_token = j.start_token,
                    uid = j.uid, nonce = j.nonce, token_hash = j.token_hash, started_at = j.started_at, self_stop = j.self_stop,
                    cancel_by = j.cancel_by, cancel_at = j.cancel_at, cancel_up = j.cancel_up,
                    result = j.result, log_bytes = j.log_bytes, log_crc = j.log_crc, settle_up = j.settle_up
                  from fields($1: of_task int, phase text, expires_up int, start_token text, uid text, nonce text, token_hash bytes, started_at int, self_stop int, cancel_by text, cancel_at int, cancel_up int, result text, log_bytes int, log_crc int, settle_up int) j where lease.task = j.of_task";

/// Writes how tasks ended.
pub(super) const END_TASK: &str = "update task set state = j.state, class = j.class, reason = j.reason, message = j.message,
                    exit_code = j.exit_code, signal = j.signal, log_complete = j.log_complete,
                    attempt = j.attempt, started_at = j.started_at, finished_at = j.finished_at
                  from fields($1: of_task int, state text, class text, reason text, message text, exit_code int, signal int, log_complete int, attempt int, started_at int, finished_at int) j where task.id = j.of_task";

/// Writes name, labels and time of tasks, and what places them.
pub(super) const DESCRIBE_TASK: &str =
    "update task set name = j.name, labels = j.labels, band = j.band,
                    not_before = j.not_before, rank = j.rank, boosted = j.boosted
                  from fields($1: of_task int, name text, labels text, band int, not_before int, rank int, boosted int) j where task.id = j.of_task";

/// Writes when tasks were first queued.
pub(super) const QUEUED_FIRST: &str =
    "update task set queued_up = j.at_up from rows($1: of_task int, at_up int) j where task.id = j.of_task";

impl Work<'_, '_> {
    /// Writes every change of the batch.
    pub(super) async fn flush(self, held: HashMap<TaskId, Held>) -> Result<()> {
        let Work { tx, ended, begun, returned, seen, notes, forgotten, counted, cascades, asked, opened } = self;
        let now = tx.now.0;
        attempts(tx, &ended, &begun, &returned).await?;
        let docs = seen.into_iter().map(|(of, doc)| json!([of.task, of.attempt, doc, now])).collect();
        exec(tx, KEEP_EVIDENCE, Value::Array(docs)).await?;
        exec(tx, FORGET_EVIDENCE, Value::Array(forgotten.iter().map(|of| json!([of.task, of.attempt])).collect())).await?;
        exec(tx, KEEP_NOTES, notes.into_iter().map(|(of, doc)| json!([of.task, of.attempt, doc])).collect()).await?;
        exec(tx, COUNT, Value::Array(counted)).await?;
        let changed: Vec<Held> = held.into_values().filter(|h| h.touched || h.described).collect();
        let pick = |f: &dyn Fn(&Held) -> Option<Value>| Value::Array(changed.iter().filter_map(f).collect());
        let state = |h: &Held| h.life.state();

        // Rows that no longer hold: the state, or the place in the order, is another one.
        let places = Places::of(&changed, tx);
        places.leave(tx).await?;
        exec(
            tx,
            "delete from waiting where task in list($1: int)",
            pick(&|h| (h.before == TaskState::Waiting && state(h) != TaskState::Waiting).then(|| json!(h.task))),
        )
        .await?;
        exec(
            tx,
            "delete from lease where task in list($1: int)",
            pick(&|h| (h.before == TaskState::Active && h.lease.is_none()).then(|| json!(h.task))),
        )
        .await?;

        // Rows that hold now.
        places.enter(tx).await?;
        let waits = |h: &Held| h.touched && (h.life.status == Status::Waiting || h.kin.gated == Some(true) && !state(h).is_terminal());
        changed.iter().filter(|h| waits(h)).for_each(|h| tx.board.came(&h.queue));
        let waits = pick(&|h| waits(h).then(|| wait_row(h.task, &h.queue, h.rests_at(), &h.waits, h.since_up)));
        exec(tx, KEEP_WAITING, waits).await?;
        exec(tx, UPDATE_LEASE, pick(&|h| h.lease.as_ref().filter(|_| h.touched).map(lease_row))).await?;
        exec(tx, END_TASK,
            pick(&|h| match &h.life.status {
                Status::Ended(end) if !h.before.is_terminal() => {
                    let result = h.last.as_ref().map(|(outcome, _)| &outcome.result);
                    Some(json!({ "of_task": h.task, "state": end.state(), "class": end.class(), "reason": end.reason(),
                        "message": result.and_then(|r| r.message.clone()), "exit_code": result.and_then(|r| r.exit_code),
                        "signal": result.and_then(|r| r.signal), "log_complete": h.last.as_ref().and_then(|(_, complete)| complete.map(i64::from)),
                        "attempt": h.life.attempt, "started_at": h.started_at.map(|at| at.0), "finished_at": now }))
                }
                _ => None,
            })).await?;
        deadlines(tx, &changed).await?;
        let over = changed.iter().filter(|h| state(h).is_terminal() && !h.before.is_terminal());
        tell(over.map(|h| (h.task, h.life.state())), tx).await?;
        exec(
            tx,
            DESCRIBE_TASK,
            pick(&|h| {
                h.described.then(|| {
                    json!({ "of_task": h.task, "name": h.name, "labels": json!(h.labels).to_string(), "band": Priority::band(h.priority),
                        "not_before": h.not_before.map(|at| at.0), "rank": h.own_rank, "boosted": i64::from(h.boosted) })
                })
            }),
        )
        .await?;
        gather::asked_to_stop(asked, tx).await?;
        gather::open(&opened, tx).await?;
        cascade::begin(cascades, tx).await?;
        let over = Moves::of(&changed).tell(tx).await?;
        if !over.is_empty() {
            gather::end(&over, tx).await?;
        }
        Ok(())
    }
}

/// When tasks were first queued, and the limits that count from then.
async fn deadlines(tx: &mut Tx<'_>, changed: &[Held]) -> Result<()> {
    let pick = |f: &dyn Fn(&Held) -> Option<Value>| Value::Array(changed.iter().filter_map(f).collect());
    exec(tx, QUEUED_FIRST, pick(&|h| h.queued_up.filter(|_| h.stored.0.is_none()).map(|at| json!([h.task, at])))).await?;
    exec(tx, KEEP_DEADLINE, pick(&|h| h.deadline.filter(|_| h.deadline != h.stored.1).map(|deadline| deadline.row(h.task)))).await?;
    exec(tx, FORGET_DEADLINE, pick(&|h| (h.deadline.is_none() && h.stored.1.is_some()).then(|| json!(h.task)))).await
}

/// History is written at the start and at the end of an attempt.
async fn attempts(tx: &mut Tx<'_>, ended: &[EndedAttempt], begun: &[LeaseRecord], returned: &[ReturnedAttempt]) -> Result<()> {
    let (now, up) = (tx.now.0, tx.up.now());
    let row = |lease: &LeaseRecord| {
        json!({ "task": lease.attempt.task, "attempt": lease.attempt.attempt, "runner": lease.runner, "claim": lease.claim, "uid": lease.uid,
            "token_hash": lease.token_hash.as_deref().map(hex), "claimed_at": lease.claimed_at.0, "started_at": lease.started_at.map(|at| at.0) })
    };
    let over = |lease: &LeaseRecord, at_end: Value| {
        let mut row = row(lease);
        if let (Value::Object(row), Value::Object(at_end)) = (&mut row, at_end) {
            row.extend(at_end);
        }
        row
    };
    // One that began and ended in this batch is written as it ended.
    let mut rows: HashMap<AttemptRef, Value> = begun.iter().map(|lease| (lease.attempt, row(lease))).collect();
    rows.extend(returned.iter().map(|r| (r.lease.attempt, over(&r.lease, json!({ "ended_at": now, "ended_up": up, "reason": r.reason })))));
    rows.extend(ended.iter().map(|e| {
        let end = e.outcome.end;
        let result = &e.outcome.result;
        let at_end = json!({ "ended_at": now, "ended_up": up, "state": end.state(), "class": end.class(), "reason": end.reason(),
            "message": result.message, "exit_code": result.exit_code, "signal": result.signal,
            "log_complete": e.log_complete.map(i64::from) });
        (e.lease.attempt, over(&e.lease, at_end))
    }));
    exec(tx, "insert into attempt (task, attempt, runner, claim, uid, token_hash, claimed_at, started_at, ended_at, ended_up, state, class, reason,
                                   message, exit_code, signal, log_complete)
              select j.task, j.attempt, j.runner, j.claim, j.uid, j.token_hash,
                     j.claimed_at, j.started_at, j.ended_at, j.ended_up, j.state, j.class,
                     j.reason, j.message, j.exit_code, j.signal, j.log_complete
              from fields($1: task int, attempt int, runner text, claim text, uid text, token_hash bytes, claimed_at int, started_at int, ended_at int, ended_up int, state text, class text, reason text, message text, exit_code int, signal int, log_complete int) j where true
              on conflict (task, attempt) do update set uid = excluded.uid, token_hash = excluded.token_hash, started_at = excluded.started_at,
                     ended_at = excluded.ended_at, ended_up = excluded.ended_up, state = excluded.state, class = excluded.class, reason = excluded.reason,
                     message = excluded.message, exit_code = excluded.exit_code, signal = excluded.signal, log_complete = excluded.log_complete",
        rows.into_values().collect()).await
}

/// A row of `waiting`.
pub(super) fn wait_row(task: TaskId, queue: &QueueName, attempt: AttemptNumber, waits: &Waits, since_up: Option<i64>) -> Value {
    json!([task, queue, attempt, waits.due_up, waits.not_before.map(|at| at.0), waits.blockers, i64::from(waits.throttled), since_up])
}

fn lease_row(lease: &LeaseRecord) -> Value {
    json!({
        "of_task": lease.attempt.task, "phase": lease.phase, "expires_up": lease.expires_up, "start_token": lease.start_token, "uid": lease.uid,
        "nonce": lease.nonce, "token_hash": lease.token_hash.as_deref().map(hex), "started_at": lease.started_at.map(|at| at.0), "self_stop": i64::from(lease.self_stop),
        "cancel_by": lease.cancel.as_ref().map(|c| &c.by), "cancel_at": lease.cancel.as_ref().map(|c| c.at.0),
        "cancel_up": lease.cancel.as_ref().map(|c| c.up), "result": lease.result.as_ref().map(|r| json!(r).to_string()),
        "log_bytes": lease.log.map(|(bytes, _)| bytes), "log_crc": lease.log.map(|(_, crc)| crc), "settle_up": lease.settle_up,
    })
}

/// Bytes as statements take them in rows: JSON has no bytes.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Of the rows with the same first `columns` the last: an insert that updates may meet a row once, says Postgres.
pub(super) fn last_of(rows: impl Iterator<Item = Value>, columns: usize) -> Value {
    let mut rows: Vec<Value> = rows.collect();
    let mut seen = HashSet::new();
    let key = |row: &Value| json!(row.as_array().map(|cells| &cells[..columns])).to_string();
    rows.reverse();
    rows.retain(|row| seen.insert(key(row)));
    rows.reverse();
    Value::Array(rows)
}

/// Runs a statement over an array of rows; nothing where there are none.
pub(super) async fn exec(tx: &mut Tx<'_>, sql: &'static str, rows: Value) -> Result<()> {
    if rows.as_array().is_some_and(|rows| !rows.is_empty()) {
        sql::query(sql).bind(rows).execute(&mut *tx.conn).await?;
    }
    Ok(())
}
