//! How long tasks have been ready, for those who watch over queues.

use super::{Store, board::LANES, error::Result, sql};
use crate::domain::QueueName;

impl Store {
    /// Since which uptime in ms the longest of a queue's tasks has been ready, of those first in line; none where none is
    /// ready. It reads the first row of each lane, never all of them.
    pub async fn oldest_ready(&self, queue: &QueueName) -> Result<Option<i64>> {
        let oldest = sql::query_of(format!("select min(since_up) from ({LANES}) r")).bind(queue.as_str());
        Ok(oldest.fetch_one(&self.readers).await?.first()?)
    }
}
