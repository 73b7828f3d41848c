//! Who holds what others wait for: the live attempts, and by when each gives its place back.

use super::{Store, error::Result, lease::parse, sql};
use crate::domain::{AttemptNumber, AttemptRef, QueueName, RunnerName, TaskId, UnixMs, order::Amount};

/// A live attempt, as others see it who wait for its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderRecord {
    /// Which.
    pub attempt: AttemptRef,
    /// The task's queue.
    pub queue: QueueName,
    /// Who submitted it.
    pub user: String,
    /// What it is called.
    pub name: Option<String>,
    /// What it counts for in GPUs, by its own word or its queue's template.
    pub gpus: Amount,
    /// Since when it has its place.
    pub claimed_at: UnixMs,
    /// When its command has to be over, grace included, by the limits of its time; none where it has none, or has not started.
    pub ends_by: Option<UnixMs>,
}

/// Among whom to look.
#[derive(Clone, Debug)]
pub struct Holding {
    /// Those of these queues; all where none is named.
    pub queues: Vec<QueueName>,
    /// Only those of this user.
    pub user: Option<String>,
    /// Those that these runners hold; all where none is named.
    pub runners: Vec<RunnerName>,
    /// Only those that count for GPUs.
    pub with_gpus: bool,
    /// All but this one.
    pub but: TaskId,
}

/// Live attempts with the two ends of their time, by their own limit and by that of the task in all; `$1` is the wall clock less uptime.
const LIVE: &str = "select l.task, l.attempt, l.queue, l.usr, coalesce(t.name, p.name) as name, l.load_gpus, l.claimed_at, l.started_at,
         l.started_at + 1000 * {sqlite: (coalesce(p.spec, t.spec) ->> '$.timeout_seconds'); postgres: (coalesce(p.spec, t.spec)::json ->> 'timeout_seconds')::bigint} as own_end,
         d.end_up + cast($1 as bigint) as whole_end,
         1000 * coalesce({sqlite: coalesce(p.spec, t.spec) ->> '$.grace_seconds'; postgres: (coalesce(p.spec, t.spec)::json ->> 'grace_seconds')::bigint}, 0) as grace
     from lease l join task t on t.id = l.task left join task p on p.id = t.parent and t.idx is not null
         left join deadline d on d.task = l.task where l.task <> $2";

/// What is told of each.
const HOLDERS: &str = "select h.task, h.attempt, h.queue, h.usr, h.name, h.load_gpus, h.claimed_at, case when h.started_at is not null then
     {sqlite: min(coalesce(h.own_end, h.whole_end), coalesce(h.whole_end, h.own_end)); postgres: least(h.own_end, h.whole_end)} + h.grace end as ends_by from (";

impl Store {
    /// Live attempts, those first that have to end first, then those without end, the oldest first; `most` of them, and how many there are.
    pub async fn holders(&self, of: &Holding, now: UnixMs, most: u32) -> Result<(Vec<HolderRecord>, u64)> {
        let zero = now.0.saturating_sub(self.uptime().now());
        let narrow = |sql: &mut sql::Query| {
            if !of.queues.is_empty() {
                sql.push(" and ").push_in("l.queue", "text", of.queues.iter().map(QueueName::as_str));
            }
            if !of.runners.is_empty() {
                sql.push(" and ").push_in("l.runner", "text", of.runners.iter().map(RunnerName::as_str));
            }
            if let Some(user) = &of.user {
                sql.push(" and l.usr = ").push_bind(user.as_str());
            }
            if of.with_gpus {
                sql.push(" and l.load_gpus > 0");
            }
        };
        let mut sql = sql::query_of(format!("{HOLDERS}{LIVE}")).bind(zero).bind(of.but.0);
        narrow(&mut sql);
        sql.push(") h order by ends_by nulls last, h.task limit ").push_bind(most);
        let rows = sql.fetch_all(&self.readers).await?;
        let mut count = sql::query_of("select count(*) from lease l where l.task <> $1".to_owned()).bind(of.but.0);
        narrow(&mut count);
        let total: i64 = count.fetch_one(&self.readers).await?.first()?;
        let holders = rows.iter().map(|row| {
            let task: i64 = row.try_get("task")?;
            Ok(HolderRecord {
                attempt: AttemptRef { task: TaskId(task), attempt: AttemptNumber(row.try_get("attempt")?) },
                queue: parse("lease", task, row.try_get("queue")?)?,
                user: row.try_get("usr")?,
                name: row.try_get("name")?,
                gpus: Amount(row.try_get::<i64>("load_gpus")?.cast_unsigned()),
                claimed_at: UnixMs(row.try_get("claimed_at")?),
                ends_by: row.try_get::<Option<i64>>("ends_by")?.map(UnixMs),
            })
        });
        Ok((holders.collect::<Result<_>>()?, total.cast_unsigned()))
    }
}
