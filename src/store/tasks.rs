//! Reading tasks and attempts.

use super::{
    Store,
    error::Result,
    lease::{LeaseRecord, lease_columns, parse, parse_json},
    record::{AttemptRecord, TaskRecord, outcome},
    sql::{self, Query, Row},
};
use crate::domain::{AttemptNumber, AttemptRef, Evidence, Indices, LabelSelector, Phase, QueueName, TaskId, TaskState, UnixMs};
use std::collections::{BTreeMap, HashMap};

/// The queues of some tasks.
pub(super) const QUEUES: &str = "select t.id, t.queue from task t where t.id in list($1: int)";

/// Which tasks a list shows. An empty list of values means any.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Queues.
    pub queues: Vec<QueueName>,
    /// States.
    pub states: Vec<TaskState>,
    /// Users.
    pub users: Vec<String>,
    /// Exact name.
    pub name: Option<String>,
    /// Labels.
    pub labels: LabelSelector,
    /// Created at or after.
    pub since: Option<UnixMs>,
    /// Only the children of this task, the lowest id first; any other list begins with the highest.
    pub parent: Option<TaskId>,
    /// Also elements of arrays.
    pub elements: bool,
    /// The last task of the page before.
    pub after: Option<TaskId>,
    /// Rows at most.
    pub limit: u32,
}

/// Everything known of tasks, up to the `where`.
pub(super) const TASKS: &str = lease_columns!(
    "select t.id, t.queue as task_queue, t.usr, t.name, t.labels, t.band, t.boosted, coalesce(p.spec, t.spec) as spec, t.rerun_of, t.parent, t.idx, t.not_before, dl.end_up,
            t.created_at, t.state, t.class as end_class,
            t.reason as end_reason, t.message, t.exit_code, t.signal, t.log_complete, t.attempt as last_attempt, t.finished_at,
            coalesce(t.started_at, (select a.started_at from attempt a where a.task = t.id and a.attempt = coalesce(w.attempt, r.attempt))) as task_started_at,
            (select {sqlite: json_group_array(json_array(d.on_task, d.kind, d.on_failure, d.ended)); postgres: coalesce(json_agg(json_build_array(d.on_task, d.kind, d.on_failure, d.ended)), '[]')::text} from dependency d where d.task = t.id) as dependencies,
            w.attempt as waiting_attempt, r.attempt as ready_attempt, z.size as element_size,
            y.indices as array_indices, y.size as array_size, y.max_parallel as array_max_parallel, y.waiting as array_waiting,
            y.queued as array_queued, y.active as array_active, y.succeeded as array_succeeded, y.failed as array_failed,
            y.cancelled as array_cancelled, y.cancel_at as array_cancel_at,",
    "from task t
     left join task p on p.id = t.parent and t.idx is not null
     left join task_array z on z.task = t.parent and t.idx is not null
     left join task_array y on y.task = t.id
     left join lease l on l.task = t.id
     left join waiting w on w.task = t.id
     left join deadline dl on dl.task = t.id
     left join ready r on r.task = t.id"
);

impl Store {
    /// One task.
    pub async fn task(&self, id: TaskId) -> Result<Option<TaskRecord>> {
        let mut sql = tasks_where();
        sql.push(" where t.id = ").push_bind(id.0);
        let row = sql.fetch_optional(&self.readers).await?;
        row.as_ref().map(TaskRecord::read).transpose()
    }

    /// The element of an array with an index.
    pub async fn element(&self, array: TaskId, index: u32) -> Result<Option<TaskId>> {
        let sql = "select elements, indices from task_array where task = $1";
        let Some(row) = sql::query(sql).bind(array.0).fetch_optional(&self.readers).await? else { return Ok(None) };
        let indices: Indices = parse("array", array.0, row.try_get("indices")?)?;
        // The ids follow the array's own, in the order of the indices.
        let place = indices.iter().position(|i| i == index).and_then(|place| i64::try_from(place).ok());
        Ok(place.map(|place| TaskId(array.0 + 1 + place)))
    }

    /// The indices of those elements of an array that have failed.
    pub async fn failed_elements(&self, array: TaskId) -> Result<Vec<u32>> {
        let sql = "select idx from task where parent = $1 and idx is not null and state = 'failed' order by id";
        Ok(sql::query_scalar(sql).bind(array.0).fetch_all(&self.readers).await?)
    }

    /// The elements of an array after one of them that have not ended and have no live attempt, `limit` at most.
    pub async fn unclaimed_elements(&self, array: TaskId, after: TaskId, limit: u32) -> Result<Vec<TaskId>> {
        let sql = "select t.id from task t where t.parent = $1 and t.idx is not null and t.id > $2 and t.state is null
                   and not exists (select 1 from lease l where l.task = t.id) order by t.id limit $3";
        let ids = sql::query_scalar(sql).bind(array.0).bind(after.0).bind(limit).fetch_all(&self.readers).await?;
        Ok(ids.into_iter().map(TaskId).collect())
    }

    /// How many elements of an array that wait for a slot get one before this one.
    pub async fn throttled_before(&self, array: TaskId, element: TaskId) -> Result<u32> {
        let sql = "select count(*) from waiting where task > $1 and task < $2 and throttled = 1";
        Ok(sql::query_scalar(sql).bind(array.0).bind(element.0).fetch_one(&self.readers).await?)
    }

    /// The live attempts of a task's children.
    pub async fn active_children(&self, task: TaskId) -> Result<Vec<AttemptRef>> {
        let sql = "select l.task, l.attempt from task t join lease l on l.task = t.id where t.parent = $1 and t.state is null";
        let rows = sql::query(sql).bind(task.0).fetch_all(&self.readers).await?;
        let read = |row: &Row| Ok(AttemptRef { task: TaskId(row.try_get("task")?), attempt: AttemptNumber(row.try_get("attempt")?) });
        rows.iter().map(read).collect()
    }

    /// Some tasks, by id.
    pub async fn tasks_of(&self, tasks: impl IntoIterator<Item = TaskId>) -> Result<HashMap<TaskId, TaskRecord>> {
        let ids: Vec<i64> = tasks.into_iter().map(|task| task.0).collect();
        let mut sql = tasks_where();
        sql.push(" where ").push_in("t.id", "int", ids);
        let rows = sql.fetch_all(&self.readers).await?;
        rows.iter().map(|row| TaskRecord::read(row).map(|task| (task.id, task))).collect()
    }

    /// The queues of those of some tasks that exist.
    pub async fn existing(&self, tasks: impl IntoIterator<Item = TaskId>) -> Result<BTreeMap<TaskId, QueueName>> {
        let ids: Vec<i64> = tasks.into_iter().map(|task| task.0).collect();
        let rows = sql::query(QUEUES).bind(sql::list(ids)).fetch_all(&self.readers).await?;
        let of = |row: &Row| {
            let id: i64 = row.try_get("id")?;
            Ok((TaskId(id), parse("task", id, row.try_get("queue")?)?))
        };
        rows.iter().map(of).collect()
    }

    /// Tasks, newest first, and whether more follow. An array is one of them, and stands for its elements.
    ///
    /// Labels are compared in chunks of rows, so a selector that matches little reads on through history until the
    /// page is full or history ends.
    pub async fn tasks(&self, filter: &TaskFilter) -> Result<(Vec<TaskRecord>, bool)> {
        let wanted = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let chunk = if filter.labels.is_empty() { wanted + 1 } else { (wanted + 1).max(500) };
        let mut found = Vec::new();
        let mut after = filter.after;
        loop {
            let rows = self.chunk(filter, after, chunk).await?;
            for row in &rows {
                let task = TaskRecord::read(row)?;
                after = Some(task.id);
                if filter.labels.matches(&task.spec.labels) {
                    if found.len() == wanted {
                        return Ok((found, true));
                    }
                    found.push(task);
                }
            }
            if rows.len() < chunk {
                return Ok((found, false));
            }
        }
    }

    async fn chunk(&self, filter: &TaskFilter, after: Option<TaskId>, limit: usize) -> Result<Vec<Row>> {
        let mut sql = tasks_where();
        sql.push(" where true");
        let mut any = |column: &str, values: Vec<String>| {
            if !values.is_empty() {
                sql.push(" and ").push_in(column, "text", values);
            }
        };
        any("t.queue", filter.queues.iter().map(ToString::to_string).collect());
        any("t.usr", filter.users.clone());
        if let Some(name) = &filter.name {
            sql.push(" and t.name = ").push_bind(name.clone());
        }
        if let Some(since) = filter.since {
            sql.push(" and t.created_at >= ").push_bind(since.0);
        }
        if let Some(parent) = filter.parent {
            sql.push(" and t.parent = ").push_bind(parent.0);
        }
        if let Some(after) = after {
            sql.push(if filter.parent.is_some() { " and t.id > " } else { " and t.id < " }).push_bind(after.0);
        }
        let folded = filter.parent.is_none() && !filter.elements;
        if folded {
            sql.push(" and t.idx is null");
        }
        if let Some(states) = of_states(&filter.states, folded) {
            sql.push(" and ").push(&states);
        }
        sql.push(if filter.parent.is_some() { " order by t.id limit " } else { " order by t.id desc limit " })
            .push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        Ok(sql.fetch_all(&self.readers).await?)
    }

    /// All attempts of a task, oldest first, the live one included.
    pub async fn attempts(&self, task: TaskId) -> Result<Vec<AttemptRecord>> {
        let sql = "select a.*, a.class as end_class, a.reason as end_reason, e.doc from attempt a
                   left join evidence e on e.task = a.task and e.attempt = a.attempt where a.task = $1 order by a.attempt";
        // The live attempt first: what ends between the two reads then still stands once in the answer.
        let lease = self.lease(task).await?;
        let rows = sql::query(sql).bind(task.0).fetch_all(&self.readers).await?;
        let mut attempts: Vec<AttemptRecord> = rows.iter().map(|row| read_attempt(row, task)).collect::<Result<_>>()?;
        if let Some(lease) = lease {
            attempts.retain(|a| a.attempt < lease.attempt.attempt);
            attempts.push(live(&lease, self.evidence(lease.attempt).await?));
        }
        Ok(attempts)
    }
}

/// The condition for a list of states; none for any. One state is found by an index, and so are all that come before
/// the end; a list that mixes both is read from the newest task on until the page is full. `folded`: without elements.
pub(super) fn of_states(states: &[TaskState], folded: bool) -> Option<String> {
    let is = |state: &TaskState| match state {
        TaskState::Active => "(l.task is not null or y.active > 0)".to_owned(),
        TaskState::Waiting => "(w.task is not null and y.task is null or y.waiting > 0 and y.queued + y.active = 0)".to_owned(),
        TaskState::Queued => "(r.task is not null or y.queued > 0 and y.active = 0)".to_owned(),
        ended => format!("t.state = '{ended}'"),
    };
    let any = || states.iter().map(is).collect::<Vec<_>>().join(" or ");
    let all_of = |among: &[TaskState]| !states.is_empty() && states.iter().all(|s| among.contains(s));
    match states {
        [] => None,
        // Few tasks are active or waiting: they lead to their rows.
        _ if all_of(&[TaskState::Active, TaskState::Waiting]) => {
            // Those that wait for a slot may be many: their array stands for them.
            let waiting = if folded { "waiting where throttled = 0" } else { "waiting" };
            let tables = [(TaskState::Active, "lease"), (TaskState::Waiting, waiting)].into_iter().filter(|(s, _)| states.contains(s));
            let ids: Vec<_> = tables.map(|(_, table)| format!("select task from {table}")).collect();
            let arrays = "select task from task_array where waiting + queued + active > 0";
            Some(format!("t.id in ({} union all {arrays}) and ({})", ids.join(" union all "), any()))
        }
        // The plus keeps the planner from sorting all that is queued where the first of them fill the page.
        _ if all_of(&[TaskState::Active, TaskState::Waiting, TaskState::Queued]) => {
            Some(format!("t.state is null and ({})", any().replace("r.task", "{sqlite: +; postgres: }r.task")))
        }
        [one] => Some(is(one)),
        _ => Some(format!("({})", any().replace("t.state", "{sqlite: +; postgres: }t.state"))),
    }
}

pub(super) fn tasks_where() -> Query {
    sql::query(TASKS)
}

/// An attempt of the history.
pub(super) fn read_attempt(row: &Row, task: TaskId) -> Result<AttemptRecord> {
    let ended = outcome(row, task.0)?;
    let unplaced = row.try_get::<Option<&str>>("end_reason")?.filter(|_| ended.is_none());
    Ok(AttemptRecord {
        attempt: AttemptNumber(row.try_get("attempt")?),
        phase: Phase::Ended,
        runner: parse("attempt", task.0, row.try_get("runner")?)?,
        claimed_at: UnixMs(row.try_get("claimed_at")?),
        started_at: row.try_get::<Option<i64>>("started_at")?.map(UnixMs),
        ended_at: row.try_get::<Option<i64>>("ended_at")?.map(UnixMs),
        ended_up: row.try_get("ended_up")?,
        ended,
        unplaced: unplaced.map(|reason| parse("attempt", task.0, reason)).transpose()?,
        evidence: row.try_get::<Option<&str>>("doc")?.map(|doc| parse_json("evidence", task.0, doc)).transpose()?,
        token_hash: row.try_get("token_hash")?,
    })
}

/// The live one.
pub(super) fn live(lease: &LeaseRecord, evidence: Option<Evidence>) -> AttemptRecord {
    AttemptRecord {
        attempt: lease.attempt.attempt,
        phase: lease.phase.unwrap_or(Phase::Claimed),
        runner: lease.runner.clone(),
        claimed_at: lease.claimed_at,
        started_at: lease.started_at,
        ended_at: None,
        ended_up: None,
        ended: None,
        unplaced: None,
        evidence,
        token_hash: lease.token_hash.clone(),
    }
}
