//! A ready task's place in the order: its row of `ready`, which the board is told of in the same batch.

use super::{
    board,
    error::Result,
    sql::{self, Row, cells},
    work::Held,
    writer::{Statement, Tx},
};
use crate::domain::{
    AttemptNumber, Priority, QueueName, Status, TaskId,
    order::{Head, Lane, Size, User, counted_weight, rank_of, tier_of},
};

/// A row of `ready`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    queue: QueueName,
    lane: Lane,
    head: Head,
    /// The uptime at which it rises a tier.
    age_up: Option<i64>,
}

/// What a place follows from.
pub(super) struct Grounds {
    pub(super) user: User,
    pub(super) size: Size,
    pub(super) boosted: bool,
    pub(super) priority: Priority,
    pub(super) rank: i64,
    pub(super) since_up: i64,
}

/// Takes rows out of `ready`.
pub(super) const DELETE_READY: &str = "delete from ready where task in each($1: task int)";

/// Puts rows into `ready`.
const INSERT_READY: &str = "insert into ready each($1: queue text, tier int, usr text, gpus int, weight int, rank int, task int,
         attempt int, since_up int, age_up int)";

impl Place {
    /// The place of a task that is ready.
    pub(super) fn new(queue: &QueueName, task: TaskId, attempt: AttemptNumber, of: &Grounds, now_up: i64, aging_ms: u64) -> Self {
        let (tier, age_up) = tier_of(of.boosted, of.priority, of.since_up, now_up, aging_ms);
        Self {
            queue: queue.clone(),
            lane: Lane { tier, user: of.user.clone(), size: of.size },
            head: Head { rank: of.rank, task, since_up: of.since_up, attempt: attempt.0 },
            age_up,
        }
    }

    /// The row under the names that [`super::work::LOAD`] gives; none where the task is not ready.
    pub(super) fn read(row: &Row) -> Result<Option<Self>> {
        let (Some(attempt), Some(tier)) = (row.try_get("ready_attempt")?, row.try_get("tier")?) else { return Ok(None) };
        let task: i64 = row.try_get("task_id")?;
        let size = Size { gpus: row.try_get("ready_gpus")?, weight: row.try_get::<i64>("weight")?.cast_unsigned() };
        Ok(Some(Self {
            queue: super::lease::parse("ready", task, row.try_get("task_queue")?)?,
            lane: Lane { tier, user: row.try_get::<&str>("usr")?.into(), size },
            head: Head { rank: row.try_get("rank")?, task: TaskId(task), since_up: row.try_get("place_since")?, attempt },
            age_up: row.try_get("age_up")?,
        }))
    }
}

impl Place {
    /// The queue.
    pub(super) fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// The lane.
    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }
}

impl Held {
    /// Where it belongs now; none where it is not ready.
    fn place(&self, tx: &Tx<'_>) -> Option<Place> {
        (self.life.status == Status::Queued).then(|| {
            let up = tx.up.now();
            let grounds = Grounds {
                user: self.user.clone(),
                size: Size { gpus: self.gpus, weight: counted_weight(&self.labels, self.weight_by_variables) },
                boosted: self.boosted,
                priority: self.priority,
                rank: self.own_rank.unwrap_or_else(|| rank_of(self.task)),
                since_up: self.since_up.unwrap_or(up),
            };
            Place::new(&self.queue, self.task, self.rests_at(), &grounds, up, tx.times.aging_ms)
        })
    }
}

/// Changes to `ready`.
#[derive(Default)]
pub(super) struct Places {
    pub(super) leaving: Vec<Place>,
    pub(super) entering: Vec<Place>,
}

impl Places {
    /// What the changed tasks of a batch leave and enter.
    pub(super) fn of(changed: &[Held], tx: &Tx<'_>) -> Self {
        let mut places = Self::default();
        for held in changed {
            let now = held.place(tx);
            if now != held.placed {
                places.leaving.extend(held.placed.clone());
                places.entering.extend(now);
            }
        }
        places
    }

    pub(super) async fn leave(&self, tx: &mut Tx<'_>) -> Result<()> {
        for Place { queue, lane, head, .. } in &self.leaving {
            tx.board.remove(queue, lane, head.rank, head.task);
        }
        tx.each(DELETE_READY, sql::column(self.leaving.iter().map(|place| place.head.task))).await?;
        Ok(())
    }

    pub(super) async fn enter(self, tx: &mut Tx<'_>) -> Result<()> {
        let row = |Place { queue, lane, head, age_up }: &Place| {
            let Size { gpus, weight } = lane.size;
            cells![queue, lane.tier, &*lane.user, gpus, weight, head.rank, head.task, head.attempt, head.since_up, *age_up]
        };
        if !self.entering.is_empty() {
            tx.made_ready();
        }
        tx.each(INSERT_READY, self.entering.iter().map(row).collect()).await?;
        for Place { queue, lane, head, .. } in self.entering {
            tx.board.add(&queue, &lane, head);
        }
        Ok(())
    }
}

/// The most tasks that rise in one step, so that it holds nobody up.
const STEP: i64 = 500;

/// Ready tasks that are to rise a tier by uptime `$1`, `$2` at most.
pub(super) const AGED: &str = "select * from ready where age_up <= $1 and age_up is not null order by age_up limit $2";

/// Lets ready tasks rise that have been ready for long.
pub struct Age;

impl Statement for Age {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        let now = tx.up.now();
        let rows = sql::query(AGED).bind(now).bind(STEP).fetch_all(&mut *tx.conn).await?;
        let aging = i64::try_from(tx.times.aging_ms).unwrap_or(i64::MAX).max(1);
        let mut places = Places::default();
        if !rows.is_empty() {
            // No row is ahead of the uptime that a restart finds.
            tx.deadline_written();
        }
        for row in &rows {
            let (queue, lane, head) = board::ready(row)?;
            let mut risen = Place { queue, lane, head, age_up: row.try_get("age_up")? };
            places.leaving.push(risen.clone());
            while let Some(at) = risen.age_up.filter(|at| *at <= now) {
                risen.lane.tier -= 1;
                risen.age_up = (risen.lane.tier > 1).then(|| at.saturating_add(aging));
            }
            places.entering.push(risen);
        }
        places.leave(tx).await?;
        places.enter(tx).await?;
        Ok(vec![(); batch.len()])
    }
}
