//! Where a task stands that waits for its turn.

use super::{Store, error::Result};
use crate::domain::{Priority, QueueName, TaskId};
use sqlx::Row;

/// The most tasks ahead that are counted.
const MAX_AHEAD: u32 = 1_000;

/// Tasks of the queue that are ready, those ahead counted up to `$4`. Both are ranges of the primary key.
pub(super) const POSITION: &str = "select
     (select count(*) from (select 1 from ready where queue = $1 and (band, task) < ($2, $3) limit $4)) as ahead,
     (select count(*) from ready where queue = $1) as total";

impl Store {
    /// How many tasks of its queue are served before a task that is ready, and how many are ready in all. Beyond 1,000
    /// nobody counts those ahead.
    pub async fn position(&self, queue: &QueueName, priority: Priority, task: TaskId) -> Result<(u32, u64)> {
        let row =
            sqlx::query(POSITION).bind(queue.as_str()).bind(priority.band()).bind(task.0).bind(MAX_AHEAD).fetch_one(&self.readers).await?;
        Ok((row.try_get("ahead")?, row.try_get::<i64, _>("total")?.cast_unsigned()))
    }
}
