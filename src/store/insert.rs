//! The rows of new tasks.

use super::{
    arrays::{self, NewArray},
    deadlines::{Deadline, KEEP_DEADLINE},
    dependencies::{self, Known},
    error::Result,
    events::NewEvent,
    flush::{KEEP_WAITING, wait_row},
    place::{Grounds, Place, Places},
    record::StoredSpec,
    sql::{self, Cells, cells},
    submit::{NewTask, Submit},
    uploads::note_uses,
    waits::Waits,
    writer::Tx,
};
use crate::domain::{
    AttemptNumber, TaskId,
    order::{User, rank_of, size_of},
};
use serde_json::json;

/// A new task, or an element of one that is an array, under its id.
struct Entry<'a> {
    user: &'a User,
    task: &'a NewTask,
    id: TaskId,
}

/// Inserts the tasks of the submits at `which`; ids in their order.
pub(super) async fn insert(batch: &[Submit], which: &[usize], known: &Known, tx: &mut Tx<'_>) -> Result<Vec<TaskId>> {
    let tasks: Vec<(&String, &NewTask)> =
        which.iter().flat_map(|&at| batch[at].tasks.iter().map(move |task| (&batch[at].user, task))).collect();
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let (up, now) = (tx.up.now(), tx.now);
    let ids = number(tasks.iter().map(|(_, task)| *task), tx).await?;
    let row = |((user, task), id): (&(&String, &NewTask), &TaskId)| {
        let s = &task.spec;
        let ready = task.array.is_none() && task.waits(known).over(up, now);
        Ok(cells![
            *id,
            &s.queue,
            *user,
            &s.name,
            json!(s.labels).to_string(),
            s.priority.band(),
            serde_json::to_string(&StoredSpec::from(s))?,
            task.rerun_of,
            task.not_before,
            ready.then_some(up),
            task.parent.as_ref().map(|parent| parent.id),
            now
        ])
    };
    let rows = tasks.iter().zip(&ids).map(row).collect::<std::result::Result<Vec<Cells>, serde_json::Error>>();
    let rows = rows.map_err(|e| super::StoreError::Corrupt { table: "task", id: 0, what: e.to_string() })?;
    tx.each(INSERT, rows).await?;
    let users: Vec<User> = tasks.iter().map(|(user, _)| user.as_str().into()).collect();
    let (mut ready, mut held, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
    for (((_, task), id), user) in tasks.iter().zip(&ids).zip(&users) {
        let (task, id) = (*task, *id);
        let data = json!({ "queue": task.spec.queue, "name": task.spec.name });
        tx.events.push(NewEvent { kind: "task.submitted", task: Some(id), attempt: None, actor: Some(user.to_string()), data });
        let waits = task.waits(known);
        let gated = !waits.over(up, now);
        if let Some(spec) = &task.array {
            let array = NewArray { id, user, task, spec, gated };
            let (out, throttled) = array.elements();
            ready.extend(out.map(|id| Entry { user, task, id }));
            held.extend(throttled.map(|id| (Entry { user, task, id }, Waits { throttled: true, ..Waits::default() })));
            arrays.push(array);
        }
        if gated {
            held.push((Entry { user, task, id }, waits));
        } else if task.array.is_none() {
            ready.push(Entry { user, task, id });
        }
    }
    arrays::insert(&arrays, tx).await?;
    insert_ready(&ready, tx).await?;
    insert_deadlines(&ready, tx).await?;
    insert_waiting(&held, tx).await?;
    let mut after = Vec::new();
    let mut rest = ids.as_slice();
    for submit in which.iter().map(|&at| &batch[at]) {
        let (own, others) = rest.split_at(submit.tasks.len());
        after.extend(submit.tasks.iter().zip(own).map(|(task, id)| (&task.after, *id, own)));
        rest = others;
    }
    dependencies::insert(&after, known, tx).await?;
    note_uses(ids.iter().copied().zip(tasks.iter().map(|(_, task)| *task)), tx).await?;
    Ok(ids)
}

/// Writes tasks under ids of ours.
pub(super) const INSERT: &str = "insert into task each($1: id int, queue text, usr text, name text, labels text, band int, spec text,
        rerun_of int, not_before int, queued_up int, parent int, created_at int)";

/// The last id that was given; `$1` more are about to be. Differs because SQLite notes each id that a row is written with, and
/// Postgres does not.
const USED: &str = "{sqlite: select seq from sqlite_sequence where name = 'task' and $1 > 0; postgres: select setval('task_ids', nextval('task_ids') + $1 - 1) - $1}";

/// The ids of tasks: each the next that was never used, those of an array's elements left free behind its own.
async fn number(tasks: impl Iterator<Item = &NewTask>, tx: &mut Tx<'_>) -> Result<Vec<TaskId>> {
    let tasks: Vec<&NewTask> = tasks.collect();
    let takes = |task: &NewTask| 1 + task.array.as_ref().map_or(0, |array| i64::from(array.indices.count()));
    let many: i64 = tasks.iter().map(|task| takes(task)).sum();
    let used: Option<i64> = sql::query_scalar(USED).bind(many).fetch_optional(&mut *tx.conn).await?;
    let mut next = used.unwrap_or(0) + 1;
    let number = |task: &NewTask| {
        let id = TaskId(next);
        next += takes(task);
        id
    };
    Ok(tasks.into_iter().map(number).collect())
}

/// Tasks that can be claimed at once.
async fn insert_ready(tasks: &[Entry<'_>], tx: &mut Tx<'_>) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let (up, aging) = (tx.up.now(), tx.times.aging_ms);
    let place = |entry: &Entry<'_>| {
        let spec = &entry.task.spec;
        let grounds = Grounds {
            user: entry.user.clone(),
            size: size_of(spec),
            boosted: false,
            priority: spec.priority,
            rank: rank_of(entry.id),
            since_up: up,
        };
        Place::new(&spec.queue, entry.id, AttemptNumber::NONE, &grounds, up, aging)
    };
    let entering = tasks.iter().map(place).collect();
    Places { entering, ..Places::default() }.enter(tx).await
}

/// Tasks that something holds back.
async fn insert_waiting(tasks: &[(Entry<'_>, Waits)], tx: &mut Tx<'_>) -> Result<()> {
    for (entry, _) in tasks {
        tx.board.came(&entry.task.spec.queue);
    }
    let row = |(entry, waits): &(Entry<'_>, Waits)| wait_row(entry.id, &entry.task.spec.queue, AttemptNumber::NONE, waits, None);
    tx.each(KEEP_WAITING, tasks.iter().map(row).collect()).await?;
    Ok(())
}

/// The limits of tasks that are queued now.
async fn insert_deadlines(tasks: &[Entry<'_>], tx: &mut Tx<'_>) -> Result<()> {
    let of = |task: &NewTask| Deadline::of(task.spec.max_wait_seconds, task.spec.total_timeout_seconds, tx.up);
    let rows: Vec<Cells> = tasks.iter().filter_map(|entry| Some(of(entry.task)?.row(entry.id))).collect();
    if !rows.is_empty() {
        tx.deadline_written();
    }
    tx.each(KEEP_DEADLINE, rows).await?;
    Ok(())
}
