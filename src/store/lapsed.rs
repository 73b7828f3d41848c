//! Attempts that ended before they started.

use super::{
    Store,
    error::Result,
    sql::{self, Row},
};
use crate::domain::{AttemptNumber, AttemptRef, RunnerName, TaskId};

/// What attempts of a runner were given back or ran out since an uptime, the newest first.
pub(super) const LAPSED: &str =
    "select task, attempt from attempt where runner = $1 and ended_up > $2 and state is null and ended_at is not null
     order by ended_up desc limit $3";

impl Store {
    /// The attempts of a runner that were given back, or whose claims ran out, since an uptime in ms: the newest first, `most` at
    /// most.
    pub async fn lapsed(&self, runner: &RunnerName, since_up: i64, most: u32) -> Result<Vec<AttemptRef>> {
        let rows = sql::query(LAPSED).bind(runner.to_string()).bind(since_up).bind(most).fetch_all(&self.readers).await?;
        let of = |row: &Row| Ok(AttemptRef { task: TaskId(row.try_get("task")?), attempt: AttemptNumber(row.try_get("attempt")?) });
        rows.iter().map(of).collect()
    }
}
