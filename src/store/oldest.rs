//! How long tasks have been ready, for those who watch over queues.

use super::{Store, board::LANES, error::Result};
use crate::domain::QueueName;

impl Store {
    /// Since which uptime in ms the longest of a queue's tasks has been ready, of those first in line; none where none is
    /// ready. It reads the first row of each lane, never all of them.
    pub async fn oldest_ready(&self, queue: &QueueName) -> Result<Option<i64>> {
        let sql = sqlx::AssertSqlSafe(format!("select min(since_up) from ({LANES})"));
        Ok(sqlx::query_scalar(sql).bind(queue.as_str()).fetch_one(&self.readers).await?)
    }
}
