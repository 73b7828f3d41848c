//! History in the order of the ids, page by page. Each page is a read of its own, so that none keeps the database's log from
//! being cut, however slowly its reader takes it.

use super::{
    Store,
    error::Result,
    record::{AttemptRecord, TaskRecord},
    sql,
    tasks::{live, read_attempt, tasks_where},
};
use crate::domain::{QueueName, TaskId};
use std::collections::HashMap;

/// Tasks of a page.
const PAGE: u32 = 200;

/// The attempts of tasks that are over.
pub(super) const ENDED_ATTEMPTS: &str = "select a.*, a.class as end_class, a.reason as end_reason, null as doc
     from attempt a where a.task in list($1: int) order by a.task, a.attempt";
/// The recorded lengths of the logs of tasks.
pub(super) const LOG_BYTES: &str =
    "select l.task, l.attempt, cast(sum(l.durable) as bigint) as bytes from log l where l.task in list($1: int) group by l.task, l.attempt";

/// An attempt and the recorded bytes of its log.
pub type AttemptOfPage = (AttemptRecord, u64);

impl Store {
    /// The next tasks after an id, oldest first; none at the end of history.
    pub async fn tasks_after(&self, after: TaskId, queue: Option<&QueueName>) -> Result<Vec<TaskRecord>> {
        let mut sql = tasks_where();
        sql.push(" where t.id > ").push_bind(after.0);
        if let Some(queue) = queue {
            sql.push(" and t.queue = ").push_bind(queue.to_string());
        }
        sql.push(" order by t.id limit ").push_bind(PAGE);
        let rows = sql.fetch_all(&self.readers).await?;
        rows.iter().map(TaskRecord::read).collect()
    }

    /// Every attempt of tasks as they were just read, in the order of the tasks, oldest first, without evidence.
    pub async fn attempts_of_page(&self, tasks: &[TaskRecord]) -> Result<Vec<Vec<AttemptOfPage>>> {
        let ids = sql::list(tasks.iter().map(|task| task.id));
        let mut ended: HashMap<TaskId, Vec<AttemptRecord>> = HashMap::new();
        for row in sql::query(ENDED_ATTEMPTS).bind(ids.clone()).fetch_all(&self.readers).await? {
            let task = TaskId(row.try_get("task")?);
            ended.entry(task).or_default().push(read_attempt(&row, task)?);
        }
        let mut bytes: HashMap<(i64, u32), u64> = HashMap::new();
        for row in sql::query(LOG_BYTES).bind(ids.clone()).fetch_all(&self.readers).await? {
            bytes.insert((row.try_get("task")?, row.try_get("attempt")?), row.try_get::<i64>("bytes")?.cast_unsigned());
        }
        let all = tasks.iter().map(|task| {
            let mut attempts = ended.remove(&task.id).unwrap_or_default();
            if let Some(lease) = &task.lease {
                // It may have ended between the reads, and others come after it: those belong to a later export.
                attempts.retain(|attempt| attempt.attempt < lease.attempt.attempt);
                attempts.push(live(lease, None));
            }
            let sized = |attempt: AttemptRecord| {
                let len = bytes.get(&(task.id.0, attempt.attempt.0)).copied().unwrap_or(0);
                (attempt, len)
            };
            attempts.into_iter().map(sized).collect()
        });
        Ok(all.collect())
    }
}
