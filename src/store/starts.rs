//! When the newest tasks started for the first time, and since when they could have.

use super::{Store, error::Result, lease::parse, sql};
use crate::domain::{QueueName, UnixMs};

/// A task's first start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartRecord {
    /// Its queue.
    pub queue: QueueName,
    /// When it was submitted, where it could have started at once; none where something held it back on purpose.
    pub ready_at: Option<UnixMs>,
    /// When it started.
    pub started_at: UnixMs,
}

/// Of so many of the newest tasks it is read: what a server reads when it begins is bounded.
const NEWEST: i64 = 5_000;

/// The first attempts of the newest tasks that have started, live ones and ended ones, by their start.
pub(super) const STARTS: &str = "select t.queue, t.created_at, s.started_at,
         case when t.not_before is null and t.parent is null and not exists (select 1 from dependency d where d.task = t.id) then 1 else 0 end as at_once
     from (select task, started_at from attempt where attempt = 1 and started_at is not null and task > $1
           union all select task, started_at from lease where attempt = 1 and started_at is not null and task > $1) s
     join task t on t.id = s.task order by s.started_at";

impl Store {
    /// The first starts of the newest tasks, oldest first.
    pub async fn starts(&self) -> Result<Vec<StartRecord>> {
        let newest: Option<i64> = sql::query_scalar("select max(id) from task").fetch_one(&self.readers).await?;
        let rows = sql::query(STARTS).bind(newest.unwrap_or(0).saturating_sub(NEWEST)).fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                let at_once = row.try_get::<i64>("at_once")? != 0;
                Ok(StartRecord {
                    queue: parse("task", 0, row.try_get("queue")?)?,
                    ready_at: at_once.then_some(UnixMs(row.try_get("created_at")?)),
                    started_at: UnixMs(row.try_get("started_at")?),
                })
            })
            .collect()
    }
}
