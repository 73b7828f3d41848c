//! Where a task stands that waits for its turn, and what holds it back: by the rules of the claim, on a board of its own, so
//! that nobody who asks holds up those who claim.

use super::{
    Store,
    board::{self, Ahead},
    error::Result,
    place::Place,
    sql::{self, Conn},
};
use crate::domain::{
    BudgetName, RunnerName, TaskId,
    order::{Amount, Ask, Board, BudgetUse, Next, Resource},
};
use std::collections::BTreeMap;

/// The most tasks ahead that are counted.
const MAX_AHEAD: u32 = 1_000;

/// A ready task among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many of its queue are served before it, were there room and no limit; more than 1,000 are not counted.
    pub ahead: u32,
    /// How many of its queue are ready.
    pub total: u64,
    /// Whether an operator put it before every priority.
    pub boosted: bool,
    /// What holds it back now.
    pub blocks: Vec<Block>,
}

/// What holds a ready task back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// So many of its queue's attempts live as may.
    Queue {
        /// How many live.
        running: u32,
        /// How many may.
        max: u32,
    },
    /// So many of its user's attempts in the queue live as may.
    User {
        /// How many live.
        running: u32,
        /// How many may.
        max: u32,
    },
    /// A budget has not enough left for it.
    Budget {
        /// The budget.
        name: BudgetName,
        /// What is counted.
        resource: Resource,
        /// What the task costs.
        cost: Amount,
        /// What is left for its queue.
        left: Amount,
        /// The use of the budget.
        of: BudgetUse,
    },
    /// A budget is kept for a task that has waited long.
    Reserved {
        /// The budget.
        name: BudgetName,
        /// The task that it is kept for.
        by: TaskId,
    },
}

const TOTAL: &str = "select count(*) from ready where queue = $1";

impl Store {
    /// Where a ready task stands; none where it is not ready.
    pub async fn standing(&self, task: TaskId) -> Result<Option<Standing>> {
        // One snapshot for all of it.
        let mut tx = self.readers.snapshot().await?;
        let row = sql::query(super::work::LOAD).bind(sql::column([task])).fetch_optional(&mut tx).await?;
        let Some((row, place)) = row.as_ref().map(|row| Place::read(row).map(|place| (row, place))).transpose()? else { return Ok(None) };
        let Some(place) = place else { return Ok(None) };
        let now = self.uptime().now();
        let mut board = board::load(&mut tx, &self.times, now, Some(place.queue())).await?;
        board.refresh(now);
        let total: i64 = sql::query_scalar(TOTAL).bind(place.queue().as_str()).fetch_one(&mut tx).await?;
        let blocks = blocks(&board, &place);
        let ahead = ahead(board, task, &place, now, &mut tx).await?;
        let boosted = row.try_get("boosted")?;
        Ok(Some(Standing { ahead, total: total.cast_unsigned(), boosted, blocks }))
    }
}

fn blocks(board: &Board, place: &Place) -> Vec<Block> {
    let Some(bench) = board.queue(place.queue()) else { return Vec::new() };
    let (lane, limits) = (place.lane(), bench.limits());
    let mut found = Vec::new();
    let running = bench.running();
    found.extend(limits.max_running.filter(|max| running >= *max).map(|max| Block::Queue { running, max }));
    let running = bench.running_of(&lane.user);
    found.extend(limits.max_running_per_user.filter(|max| running >= *max).map(|max| Block::User { running, max }));
    let held = board.held_budgets();
    for (name, resource, of) in board.budgets_of_queue(place.queue()) {
        let (cost, left) = (bench.cost_of(lane.size).of(resource), of.left_for(place.queue()));
        let barred =
            cost > Amount::default() && held.get(&name).is_some_and(|kept| kept.bars(place.queue(), lane.tier, &lane.user, lane.size));
        if cost > left {
            found.push(Block::Budget { name, resource, cost, left, of });
        } else if let Some(by) = held.get(&name).filter(|_| barred) {
            found.push(Block::Reserved { by: by.reservation.task, name });
        }
    }
    found
}

/// Claims from the board, without any limit, until the task's turn comes.
async fn ahead(mut board: Board, task: TaskId, place: &Place, now: i64, conn: &mut Conn) -> Result<u32> {
    board.lift_limits(place.queue());
    let mut rows = Ahead::default();
    let shares = BTreeMap::from([(place.queue().clone(), u32::MAX)]);
    // Anybody's room, so the name says nothing.
    let Ok(runner) = "anybody".parse::<RunnerName>() else { return Ok(0) };
    let mut picking = board.picking(Ask { runner, shares, gpus: u32::MAX, all_gpus: u32::MAX }, now);
    let mut ahead = 0;
    while ahead < MAX_AHEAD {
        match board.next(&mut picking) {
            Next::Pick(pick) if pick.head.task == task => break,
            Next::Pick(pick) => {
                board.take(&pick, &mut picking, now);
                ahead += 1;
            }
            Next::Unknown(queue) => rows.learn(&mut board, [&queue], 256, conn).await?,
            Next::Nothing => break,
        }
    }
    Ok(ahead)
}
