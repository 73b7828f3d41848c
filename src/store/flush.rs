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
    sql::{self, Cells, cells},
    waits::Waits,
    work::{EndedAttempt, Held, ReturnedAttempt, Work},
    writer::Tx,
};
use crate::domain::{AttemptNumber, Outcome, Priority, QueueName, Reason, Status, TaskId, TaskState, UnixMs};
use serde_json::json;
use std::collections::{HashMap, HashSet};

/// Writes what holds tasks back: rows of [`wait_row`].
pub(super) const KEEP_WAITING: &str = "insert into waiting each($1: task int, queue text, attempt int, due_up int, not_before int,
         blockers int, throttled int, since_up int)
     on conflict (task) do update set due_up = excluded.due_up, not_before = excluded.not_before,
         blockers = excluded.blockers, throttled = excluded.throttled";

/// Writes what changed of live attempts: rows of [`lease_row`].
pub(super) const UPDATE_LEASE: &str = "update lease set phase = j.phase, expires_up = j.expires_up, start_token = j.start_token,
         uid = j.uid, nonce = j.nonce, token_hash = j.token_hash, started_at = j.started_at, self_stop = j.self_stop,
         cancel_by = j.cancel_by, cancel_at = j.cancel_at, cancel_up = j.cancel_up,
         result = j.result, log_bytes = j.log_bytes, log_crc = j.log_crc, settle_up = j.settle_up
     from each($1: of_task int, phase text, expires_up int, start_token text, uid text, nonce text, token_hash bytes, started_at int,
         self_stop int, cancel_by text, cancel_at int, cancel_up int, result text, log_bytes int, log_crc int, settle_up int) j
     where lease.task = j.of_task";

/// Writes how tasks ended: rows of [`end_row`].
pub(super) const END_TASK: &str = "update task set state = j.state, class = j.class, reason = j.reason, message = j.message,
         exit_code = j.exit_code, signal = j.signal, log_complete = j.log_complete,
         attempt = j.attempt, started_at = j.started_at, finished_at = j.finished_at
     from each($1: of_task int, state text, class text, reason text, message text, exit_code int, signal int, log_complete int,
         attempt int, started_at int, finished_at int) j where task.id = j.of_task";

/// Writes name, labels and time of tasks, and what places them.
pub(super) const DESCRIBE_TASK: &str = "update task set name = j.name, labels = j.labels, band = j.band,
         not_before = j.not_before, rank = j.rank, boosted = j.boosted
     from each($1: of_task int, name text, labels text, band int, not_before int, rank int, boosted int) j where task.id = j.of_task";

/// Writes when tasks were first queued.
pub(super) const QUEUED_FIRST: &str =
    "update task set queued_up = j.at_up from each($1: of_task int, at_up int) j where task.id = j.of_task";

impl Work<'_, '_> {
    /// Writes every change of the batch.
    pub(super) async fn flush(self, held: HashMap<TaskId, Held>) -> Result<()> {
        let Work { tx, ended, returned, seen, notes, forgotten, counted, cascades, asked, opened } = self;
        let now = tx.now;
        attempts(tx, &ended, &returned).await?;
        tx.each(KEEP_EVIDENCE, seen.into_iter().map(|(of, doc)| cells![of.task, of.attempt, doc, now]).collect()).await?;
        tx.each(FORGET_EVIDENCE, forgotten.iter().map(|of| cells![of.task, of.attempt]).collect()).await?;
        tx.each(KEEP_NOTES, notes.into_iter().map(|(of, doc)| cells![of.task, of.attempt, doc]).collect()).await?;
        tx.each(COUNT, counted).await?;
        let changed: Vec<Held> = held.into_values().filter(|h| h.touched || h.described).collect();
        let state = |h: &Held| h.life.state();

        // Rows that no longer hold: the state, or the place in the order, is another one.
        let places = Places::of(&changed, tx);
        places.leave(tx).await?;
        let waits_no_more = |h: &&Held| h.before == TaskState::Waiting && state(h) != TaskState::Waiting;
        tx.each("delete from waiting where task in each($1: task int)", ids(changed.iter().filter(waits_no_more))).await?;
        let lives_no_more = |h: &&Held| h.before == TaskState::Active && h.lease.is_none();
        tx.each("delete from lease where task in each($1: task int)", ids(changed.iter().filter(lives_no_more))).await?;

        // Rows that hold now.
        places.enter(tx).await?;
        let waits = |h: &&Held| h.touched && (h.life.status == Status::Waiting || h.kin.gated == Some(true) && !state(h).is_terminal());
        changed.iter().filter(waits).for_each(|h| tx.board.came(&h.queue));
        let rows = changed.iter().filter(waits).map(|h| wait_row(h.task, &h.queue, h.rests_at(), &h.waits, h.since_up));
        tx.each(KEEP_WAITING, rows.collect()).await?;
        let live = changed.iter().filter(|h| h.touched).filter_map(|h| h.lease.as_ref());
        tx.each(UPDATE_LEASE, live.map(lease_row).collect()).await?;
        tx.each(END_TASK, changed.iter().filter_map(|h| end_row(h, now)).collect()).await?;
        deadlines(tx, &changed).await?;
        let over = changed.iter().filter(|h| state(h).is_terminal() && !h.before.is_terminal());
        tell(over.map(|h| (h.task, h.life.state())), tx).await?;
        let described = |h: &Held| {
            let labels = json!(h.labels).to_string();
            cells![h.task, &h.name, labels, Priority::band(h.priority), h.not_before, h.own_rank, h.boosted]
        };
        tx.each(DESCRIBE_TASK, changed.iter().filter(|h| h.described).map(described).collect()).await?;
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

/// Rows that name tasks.
fn ids<'a>(tasks: impl Iterator<Item = &'a Held>) -> Vec<Cells> {
    sql::column(tasks.map(|h| h.task))
}

/// When tasks were first queued, and the limits that count from then.
async fn deadlines(tx: &mut Tx<'_>, changed: &[Held]) -> Result<()> {
    let first = |h: &Held| h.queued_up.filter(|_| h.stored.0.is_none()).map(|at| cells![h.task, at]);
    tx.each(QUEUED_FIRST, changed.iter().filter_map(first).collect()).await?;
    let kept = |h: &Held| h.deadline.filter(|_| h.deadline != h.stored.1).map(|deadline| deadline.row(h.task));
    tx.each(KEEP_DEADLINE, changed.iter().filter_map(kept).collect()).await?;
    let gone = |h: &&Held| h.deadline.is_none() && h.stored.1.is_some();
    tx.each(FORGET_DEADLINE, ids(changed.iter().filter(gone))).await?;
    Ok(())
}

/// An attempt goes to the history when it ends, and stands in its lease until then: rows of [`attempt_row`].
const KEEP_ATTEMPT: &str = "insert into attempt each($1: task int, attempt int, runner text, claim text, uid text, token_hash bytes,
         claimed_at int, started_at int, ended_at int, ended_up int, state text, class text, reason text, message text, exit_code int,
         signal int, log_complete int)";

async fn attempts(tx: &mut Tx<'_>, ended: &[EndedAttempt], returned: &[ReturnedAttempt]) -> Result<()> {
    let at = (tx.now, tx.up.now());
    let returned = returned.iter().map(|r| attempt_row(&r.lease, at, None, r.reason));
    let ended = ended.iter().map(|e| attempt_row(&e.lease, at, Some((&e.outcome, e.log_complete)), e.outcome.end.reason()));
    let rows = returned.chain(ended).collect();
    tx.each(KEEP_ATTEMPT, rows).await?;
    Ok(())
}

/// A row of `attempt`. `at`: when it ended, and the uptime; `end`: none where it was given back.
fn attempt_row(lease: &LeaseRecord, (at, up): (UnixMs, i64), end: Option<(&Outcome, Option<bool>)>, reason: Option<Reason>) -> Cells {
    let outcome = end.map(|(outcome, _)| outcome);
    let result = outcome.map(|outcome| &outcome.result);
    cells![
        lease.attempt.task,
        lease.attempt.attempt,
        &lease.runner,
        lease.claim,
        &lease.uid,
        lease.token_hash.as_deref(),
        lease.claimed_at,
        lease.started_at,
        at,
        up,
        outcome.map(|outcome| outcome.end.state()),
        outcome.and_then(|outcome| outcome.end.class()),
        reason,
        result.and_then(|result| result.message.as_deref()),
        result.and_then(|result| result.exit_code),
        result.and_then(|result| result.signal),
        end.and_then(|(_, log_complete)| log_complete),
    ]
}

/// How a task ended, where it has since it was loaded.
fn end_row(held: &Held, now: UnixMs) -> Option<Cells> {
    let Status::Ended(end) = &held.life.status else { return None };
    if held.before.is_terminal() {
        return None;
    }
    let result = held.last.as_ref().map(|(outcome, _)| &outcome.result);
    Some(cells![
        held.task,
        end.state(),
        end.class(),
        end.reason(),
        result.and_then(|result| result.message.as_deref()),
        result.and_then(|result| result.exit_code),
        result.and_then(|result| result.signal),
        held.last.as_ref().and_then(|(_, log_complete)| *log_complete),
        held.life.attempt,
        held.started_at,
        now,
    ])
}

/// A row of `waiting`.
pub(super) fn wait_row(task: TaskId, queue: &QueueName, attempt: AttemptNumber, waits: &Waits, since_up: Option<i64>) -> Cells {
    cells![task, queue, attempt, waits.due_up, waits.not_before, waits.blockers, waits.throttled, since_up]
}

fn lease_row(lease: &LeaseRecord) -> Cells {
    let cancel = lease.cancel.as_ref();
    cells![
        lease.attempt.task,
        lease.phase,
        lease.expires_up,
        &lease.start_token,
        &lease.uid,
        lease.nonce,
        lease.token_hash.as_deref(),
        lease.started_at,
        lease.self_stop,
        cancel.map(|cancel| &cancel.by),
        cancel.map(|cancel| cancel.at),
        cancel.map(|cancel| cancel.up),
        lease.result.as_ref().map(|result| json!(result).to_string()),
        lease.log.map(|(bytes, _)| bytes),
        lease.log.map(|(_, crc)| crc),
        lease.settle_up,
    ]
}

/// Of the rows with the same first `columns` the last: an insert that updates may meet a row once, says Postgres.
pub(super) fn last_of(rows: impl Iterator<Item = Cells>, columns: usize) -> Vec<Cells> {
    let mut rows: Vec<Cells> = rows.collect();
    let mut seen = HashSet::new();
    rows.reverse();
    rows.retain(|row| seen.insert(row[..columns].to_vec()));
    rows.reverse();
    rows
}
