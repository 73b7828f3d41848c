//! The order of service in memory, and the store it is made from.
//!
//! The writer owns the board. Whatever changes ready tasks or live attempts tells it within the same batch; where a batch
//! fails it is thrown away and made anew: by a walk over the lanes of `ready`, never over its rows.

use super::{
    error::Result,
    lease::parse,
    sql::{self, Cells, Conn, Row, cells},
    writer::Tx,
};
use crate::domain::{
    BudgetName, QueueName, TaskId, Times,
    order::{Amount, Board, BudgetRules, Cost, Head, Holders, Kept, Lane, QueueRules, Reservation, Size, Terms, User},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The first row of every lane of the queue `$1`: each step goes to the next lane by the primary key. The last rank of all
/// ends a lane; the plus signs keep SQLite from comparing by affinity, which only the first column of a key would survive.
/// Differs as [`NEXT`] does, and because Postgres has no unary plus for texts.
pub(super) const LANES: &str = "with recursive lane (task, tier, usr, gpus, weight) as (
         select * from (select task, tier, usr, gpus, weight from ready where queue = $1 order by tier, usr, gpus, weight, rank, task limit 1) f
         union all
         select n.task, n.tier, n.usr, n.gpus, n.weight from lane l
             {sqlite: cross join ready n on n.task = (select x.task; postgres: cross join lateral (select x.*}
              from ready x
              where x.queue = $1 and (x.tier, x.usr, x.gpus, x.weight, x.rank)
                  > {sqlite: (+l.tier, +l.usr, +l.gpus, +l.weight, 9223372036854775807); postgres: (l.tier, l.usr, l.gpus, l.weight, 9223372036854775807)}
              order by x.tier, x.usr, x.gpus, x.weight, x.rank, x.task limit 1){sqlite: ; postgres:  n}
     )
     select r.* from lane l ordered join ready r on r.task = l.task";

/// The first rows of some lanes after given places, `$2` of each at most.
///
/// Differs because SQLite runs it for one lane after the other, and has no `lateral`.
pub(super) const NEXT: &str = "select j.lane as lane, x.rank, x.task, x.attempt, x.since_up
     from each($1: lane int, queue text, tier int, usr text, gpus int, weight int, after_rank int, after_task int) j{sqlite: , ; postgres:  cross join lateral (select * from }ready x
          where x.queue = j.queue and x.tier = j.tier and x.usr = j.usr
              and x.gpus = j.gpus and x.weight = j.weight and (x.rank, x.task) > (j.after_rank, j.after_task)
          order by x.rank, x.task limit $2{sqlite: ; postgres: ) x order by j.lane, x.rank, x.task}";

/// What lives and counts: no result is stored.
const LIVE: &str = "select task, queue, usr, load_gpus, load_weight, claimed_up from lease where result is null";

/// The board as the database has it; with `only`, the ready tasks of that queue and of those that share a budget with it.
pub(super) async fn load(conn: &mut Conn, times: &Times, now_up: i64, only: Option<&QueueName>) -> Result<Board> {
    let epoch: Option<String> = sql::query_scalar("select value from meta where key = 'epoch_up'").fetch_optional(&mut *conn).await?;
    let mut board = Board::new(times.clone(), epoch.and_then(|text| text.parse().ok()).unwrap_or(0));
    board.refresh(now_up);
    load_rules(&mut board, conn).await?;
    for row in &sql::query("select queue, usr, used from usage").fetch_all(&mut *conn).await? {
        board.set_used(&queue(row, 0)?, &row.try_get::<&str>("usr")?.into(), row.try_get("used")?);
    }
    let queues = match only {
        Some(queue) => board.sharing(std::iter::once(queue)),
        None => board.queues().cloned().collect(),
    };
    for queue in queues {
        for row in &sql::query(LANES).bind(queue.as_str()).fetch_all(&mut *conn).await? {
            board.add(&queue, &lane(row)?, head(row)?);
        }
    }
    for row in &sql::query(LIVE).fetch_all(&mut *conn).await? {
        let task: i64 = row.try_get("task")?;
        let cost = Cost { gpus: amount(row, "load_gpus")?, weight: amount(row, "load_weight")? };
        board.begin(&queue(row, task)?, TaskId(task), &row.try_get::<&str>("usr")?.into(), cost, row.try_get("claimed_up")?);
    }
    let held = "select v.kind, v.name, r.* from reservation v join ready r on r.task = v.task";
    for row in &sql::query(held).fetch_all(&mut *conn).await? {
        let Head { task, since_up, .. } = head(row)?;
        let lane = lane(row)?;
        let reservation = Reservation { tier: lane.tier, since_up, task };
        let kept = Kept { queue: queue(row, task.0)?, lane, reservation };
        match row.try_get("kind")? {
            "budget" => board.hold_budget(parse("reservation", task.0, row.try_get("name")?)?, kept),
            _ => board.hold_runner(parse("reservation", task.0, row.try_get("name")?)?, kept, now_up),
        }
    }
    Ok(board)
}

/// The rules of all queues and budgets.
pub(super) async fn load_rules(board: &mut Board, conn: &mut Conn) -> Result<()> {
    let mut queues = BTreeMap::new();
    let rows = sql::query("select name, doc, paused_at, template_gpus, template_weight from queue").fetch_all(&mut *conn).await?;
    for row in &rows {
        let name: QueueName = parse("queue", 0, row.try_get("name")?)?;
        let template = Cost { gpus: amount(row, "template_gpus")?, weight: amount(row, "template_weight")? };
        // What cannot be read must not stop all others.
        let rules: QueueRules = serde_json::from_str(row.try_get("doc")?).unwrap_or_else(|error| {
            tracing::error!(queue = %name, %error, "the rules of a stored queue cannot be read; it has none");
            QueueRules::default()
        });
        let paused = row.try_get::<Option<i64>>("paused_at")?.is_some();
        queues.insert(name, Terms { rules, paused, template });
    }
    let mut budgets = BTreeMap::new();
    for row in &sql::query("select name, doc from budget").fetch_all(&mut *conn).await? {
        let name: BudgetName = parse("budget", 0, row.try_get("name")?)?;
        budgets.insert(name, super::lease::parse_json::<BudgetRules>("budget", 0, row.try_get("doc")?)?);
    }
    board.set_rules(queues, budgets);
    Ok(())
}

fn queue(row: &Row, of: i64) -> Result<QueueName> {
    parse("ready", of, row.try_get("queue")?)
}

fn amount(row: &Row, name: &str) -> Result<Amount> {
    Ok(Amount(row.try_get::<i64>(name)?.cast_unsigned()))
}

/// The lane of a row of `ready`.
fn lane(row: &Row) -> Result<Lane> {
    let size = Size { gpus: row.try_get("gpus")?, weight: row.try_get::<i64>("weight")?.cast_unsigned() };
    Ok(Lane { tier: row.try_get("tier")?, user: row.try_get::<&str>("usr")?.into(), size })
}

/// A row of `ready`.
pub(super) fn ready(row: &Row) -> Result<(QueueName, Lane, Head)> {
    let head = head(row)?;
    Ok((queue(row, head.task.0)?, lane(row)?, head))
}

fn head(row: &Row) -> Result<Head> {
    Ok(Head {
        rank: row.try_get("rank")?,
        task: TaskId(row.try_get("task")?),
        since_up: row.try_get("since_up")?,
        attempt: row.try_get("attempt")?,
    })
}

/// Rows read ahead of the lanes that are drawn from.
#[derive(Default)]
pub(super) struct Ahead(HashMap<(QueueName, Lane), Vec<Head>>);

impl Ahead {
    /// Tells the board the first tasks that it does not know of these queues; what is not read yet is read, about `each`
    /// rows of every lane.
    pub(super) async fn learn<'a>(
        &mut self,
        board: &mut Board,
        queues: impl IntoIterator<Item = &'a QueueName>,
        each: usize,
        conn: &mut Conn,
    ) -> Result<()> {
        let queues: Vec<QueueName> = queues.into_iter().cloned().collect();
        let mut asked = Vec::new();
        for (queue, lane, after) in board.unknown(&queues) {
            match self.0.get_mut(&(queue.clone(), lane.clone())).and_then(Vec::pop) {
                Some(head) => board.learn(&queue, &lane, Some(head)),
                None => asked.push((queue, lane, after)),
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let key = |(nth, (queue, lane, (rank, task))): (i64, &(QueueName, Lane, (i64, TaskId)))| {
            cells![nth, queue, lane.tier, &*lane.user, lane.size.gpus, lane.size.weight, *rank, *task]
        };
        let lanes: Vec<Cells> = (0..).zip(&asked).map(key).collect();
        let limit = i64::try_from(each.div_ceil(asked.len()).clamp(2, 256)).unwrap_or(2);
        let rows = sql::query(NEXT).bind(lanes).bind(limit).fetch_all(conn).await?;
        let mut found: HashMap<usize, Vec<Head>> = HashMap::new();
        for row in rows.iter().rev() {
            let at = usize::try_from(row.try_get::<i64>("lane")?).unwrap_or(usize::MAX);
            found.entry(at).or_default().push(head(row)?);
        }
        for (at, (queue, lane, _)) in asked.into_iter().enumerate() {
            let mut rows = found.remove(&at).unwrap_or_default();
            board.learn(&queue, &lane, rows.pop());
            self.0.insert((queue, lane), rows);
        }
        Ok(())
    }

    /// Tells the board what was read ahead, for the next claim.
    pub(super) fn leave(mut self, board: &mut Board) {
        // Each once, though several of its lanes were read: a row must not be told in place of the one before it.
        let queues: BTreeSet<QueueName> = self.0.keys().map(|(queue, _)| queue.clone()).collect();
        for (queue, lane, _) in board.unknown(&queues) {
            if let Some(head) = self.0.get_mut(&(queue.clone(), lane.clone())).and_then(Vec::pop) {
                board.learn(&queue, &lane, Some(head));
            }
        }
    }
}

/// Keeps what changed of use and reservations.
pub(super) async fn keep(tx: &mut Tx<'_>) -> Result<()> {
    let used: Vec<(QueueName, User, i64)> = tx.board.take_used();
    let rows = used.iter().map(|(queue, user, used)| cells![queue, &**user, *used]).collect();
    tx.each(
        "insert into usage each($1: queue text, usr text, used int)
         on conflict (queue, usr) do update set used = excluded.used",
        rows,
    )
    .await?;
    if let Some(Holders { budgets, runners }) = tx.board.take_held() {
        sql::query("delete from reservation").execute(&mut *tx.conn).await?;
        let budgets = budgets.into_iter().map(|(name, task)| cells!["budget", &name, task]);
        let rows = budgets.chain(runners.into_iter().map(|(name, task)| cells!["runner", &name, task])).collect();
        tx.each("insert into reservation each($1: kind text, name text, task int)", rows).await?;
    }
    Ok(())
}

/// Moves the epoch of use, where it is time to.
pub(super) async fn move_epoch(tx: &mut Tx<'_>) -> Result<()> {
    let Some(epoch) = tx.board.epoch_due(tx.up.now()) else { return Ok(()) };
    tx.board.move_epoch(epoch);
    sql::query("insert into meta (key, value) values ('epoch_up', $1) on conflict (key) do update set value = excluded.value")
        .bind(epoch.to_string())
        .execute(&mut *tx.conn)
        .await?;
    Ok(())
}
