//! What attempts took of slots and GPUs in a stretch of time, added up.

use super::{Store, error::Result, lease::parse, sql};
use crate::domain::{QueueName, UnixMs};

/// By what attempts are added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageKeys {
    /// By who submitted their tasks.
    pub user: bool,
    /// By their queues.
    pub queue: bool,
    /// By the values of this label.
    pub label: Option<String>,
}

/// One sum; the keys are there by which was added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRecord {
    /// Who submitted the tasks.
    pub user: Option<String>,
    /// Their queue.
    pub queue: Option<QueueName>,
    /// The value of the label.
    pub label: Option<String>,
    /// How many tasks.
    pub tasks: u64,
    /// How many attempts.
    pub attempts: u64,
    /// From claim to end, in ms.
    pub slot_ms: u64,
    /// The same, each times its GPUs.
    pub gpu_ms: u64,
    /// The part of that which went to attempts that failed or were cancelled.
    pub lost_gpu_ms: u64,
}

/// Each attempt with the stretch of it that lies in `[$1, $2)`; live ones have not ended before `$2`.
const ATTEMPTS: &str = "
    select a.task, a.state, {sqlite: min(a.ended_at, $2) - max(a.claimed_at, $1); postgres: least(a.ended_at, $2) - greatest(a.claimed_at, $1)} as ms
      from attempt a where a.ended_at > $1 and a.claimed_at < $2
    union all
    select l.task, null as state, {sqlite: $2 - max(l.claimed_at, $1); postgres: $2 - greatest(l.claimed_at, $1)} as ms
      from lease l where l.claimed_at < $2";

const GPUS: &str =
    "cast(coalesce({sqlite: t.spec ->> '$.resources.gpus'; postgres: (t.spec::json -> 'resources' ->> 'gpus')::bigint}, 0) as bigint)";

impl Store {
    /// The sums of `[since, until)`, those with the most GPUs first, `most` of them; `until` is not later than now. It reads every
    /// attempt: a report, not for hot paths.
    pub async fn usage(
        &self,
        keys: &UsageKeys,
        (since, until): (UnixMs, UnixMs),
        queue: Option<&QueueName>,
        most: u32,
    ) -> Result<Vec<UsageRecord>> {
        let mut sql = sql::query_of(String::new()).bind(since.0).bind(until.0);
        let column =
            |used: bool, of: &str, name: &str| if used { format!("{of} as {name}, ") } else { format!("cast(null as text) as {name}, ") };
        sql.push("select ").push(&column(keys.user, "t.usr", "usr")).push(&column(keys.queue, "t.queue", "queue"));
        match &keys.label {
            Some(key) => sql.push("{sqlite: t.labels; postgres: t.labels::json} ->> ").push_bind(key.as_str()).push(" as label, "),
            None => sql.push("cast(null as text) as label, "),
        };
        sql.push(
            "cast(count(distinct u.task) as bigint) as tasks, cast(count(*) as bigint) as attempts, cast(sum(u.ms) as bigint) as slot_ms, ",
        );
        sql.push(&format!("cast(sum(u.ms * {GPUS}) as bigint) as gpu_ms, "));
        sql.push(&format!("cast(sum(case when u.state in ('failed', 'cancelled') then u.ms * {GPUS} else 0 end) as bigint) as lost_ms "));
        sql.push(&format!("from ({ATTEMPTS}) u join task t on t.id = u.task "));
        if let Some(queue) = queue {
            sql.push("where t.queue = ").push_bind(queue.as_str());
        }
        sql.push(" group by 1, 2, 3 order by gpu_ms desc, slot_ms desc, 1, 2, 3 limit ").push_bind(most);
        let rows = sql.fetch_all(&self.readers).await?;
        let count = |row: &sql::Row, name: &str| row.try_get::<i64>(name).map(|count| u64::try_from(count).unwrap_or(0));
        rows.iter()
            .map(|row| {
                Ok(UsageRecord {
                    user: row.try_get("usr")?,
                    queue: row.try_get::<Option<&str>>("queue")?.map(|name| parse("task", 0, name)).transpose()?,
                    label: row.try_get("label")?,
                    tasks: count(row, "tasks")?,
                    attempts: count(row, "attempts")?,
                    slot_ms: count(row, "slot_ms")?,
                    gpu_ms: count(row, "gpu_ms")?,
                    lost_gpu_ms: count(row, "lost_ms")?,
                })
            })
            .collect()
    }
}
