//! What is looked at to see whether everything gets on.

use super::{
    Store,
    board::{self, Ahead},
    error::Result,
    lease::parse,
    sql::{self, Row},
};
use crate::domain::{
    AttemptNumber, AttemptRef, Phase, QueueName, RunnerName, TaskId,
    order::{Ask, Next},
};
use std::collections::BTreeMap;

/// A live attempt, with the times that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveAttempt {
    /// Which.
    pub attempt: AttemptRef,
    /// The task's queue.
    pub queue: QueueName,
    /// Who holds it.
    pub runner: RunnerName,
    /// The furthest phase reported; none before the first.
    pub phase: Option<Phase>,
    /// Whether it has started.
    pub started: bool,
    /// Whether its agent stops its command by itself once it gets no answer.
    pub self_stop: bool,
    /// Whether its result is stored and only the log is awaited.
    pub finished: bool,
    /// Uptime in ms of the request to stop it.
    pub cancel_up: Option<i64>,
    /// The command's time limit.
    pub timeout_seconds: Option<u64>,
    /// The time between SIGTERM and SIGKILL.
    pub grace_seconds: u64,
}

/// Every live attempt, by task.
pub(super) const LIVE: &str = "select l.task, l.attempt, l.queue, l.runner, l.phase, l.cancel_up, l.self_stop,
         case when l.uid is null then 0 else 1 end as started, case when l.result is null then 0 else 1 end as finished,
         {sqlite: coalesce(p.spec, t.spec) ->> '$.timeout_seconds'; postgres: (coalesce(p.spec, t.spec)::json ->> 'timeout_seconds')::bigint} as timeout_seconds,
         {sqlite: coalesce(p.spec, t.spec) ->> '$.grace_seconds'; postgres: (coalesce(p.spec, t.spec)::json ->> 'grace_seconds')::bigint} as grace_seconds
     from lease l join task t on t.id = l.task left join task p on p.id = t.parent and t.idx is not null order by l.task";

/// The live attempts that are not waited for without end.
pub(super) const SELF_STOPPING: &str =
    "select task, attempt from lease where self_stop <> 0 and uid is not null and result is null order by task";

impl Store {
    /// Every live attempt, by task.
    pub async fn live(&self) -> Result<Vec<LiveAttempt>> {
        sql::query(LIVE).fetch_all(&self.readers).await?.iter().map(LiveAttempt::read).collect()
    }

    /// The live attempts whose agents stop their commands by themselves, and of which there is no result, by task.
    pub async fn self_stopping(&self) -> Result<Vec<AttemptRef>> {
        let rows = sql::query(SELF_STOPPING).fetch_all(&self.readers).await?;
        let of = |row: &Row| Ok(AttemptRef { task: TaskId(row.try_get("task")?), attempt: AttemptNumber(row.try_get("attempt")?) });
        rows.iter().map(of).collect()
    }

    /// The task that a claim from this queue alone would get now, by the rules of the claim, on a board of its own; none where
    /// it would get none.
    pub async fn due_for(&self, queue: &QueueName, runner: &RunnerName, gpus: u32) -> Result<Option<TaskId>> {
        let mut tx = self.readers.snapshot().await?;
        let now = self.uptime().now();
        let mut board = board::load(&mut tx, &self.times, now, Some(queue)).await?;
        let mut rows = Ahead::default();
        let shares = BTreeMap::from([(queue.clone(), 1)]);
        let mut picking = board.picking(Ask { runner: runner.clone(), shares, gpus, all_gpus: gpus }, now);
        loop {
            match board.next(&mut picking) {
                Next::Pick(pick) => return Ok(Some(pick.head.task)),
                Next::Unknown(queue) => rows.learn(&mut board, [&queue], 2, &mut tx).await?,
                Next::Nothing => return Ok(None),
            }
        }
    }
}

impl LiveAttempt {
    fn read(row: &Row) -> Result<Self> {
        let task: i64 = row.try_get("task")?;
        let phase: Option<&str> = row.try_get("phase")?;
        Ok(Self {
            attempt: AttemptRef { task: TaskId(task), attempt: AttemptNumber(row.try_get("attempt")?) },
            queue: parse("lease", task, row.try_get("queue")?)?,
            runner: parse("lease", task, row.try_get("runner")?)?,
            phase: phase.map(|text| parse("lease", task, text)).transpose()?,
            started: row.try_get("started")?,
            self_stop: row.try_get::<i64>("self_stop")? != 0,
            finished: row.try_get("finished")?,
            cancel_up: row.try_get("cancel_up")?,
            timeout_seconds: row.try_get::<Option<i64>>("timeout_seconds")?.map(i64::cast_unsigned),
            grace_seconds: row.try_get::<Option<i64>>("grace_seconds")?.unwrap_or_default().cast_unsigned(),
        })
    }
}
