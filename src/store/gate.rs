//! Which queues take tasks: those that exist, are not drained, and are not full.

use super::{
    error::Result,
    halt::Halt,
    lease::parse,
    queues::{DRAINING, halt},
    sql,
    submit::{NewTask, Submitted},
    writer::Tx,
};
use crate::domain::QueueName;
use std::collections::{BTreeMap, HashMap};

/// What stands at the entrance of a queue.
struct Gate {
    draining: Option<Halt>,
    /// The most tasks that may wait or be queued, and how many do, counted up to one more; none where all that ask fit.
    room: Option<(u32, u64)>,
}

/// The gates of the queues that a batch of submits names. What is let in counts for those that follow.
pub(super) struct Gates(HashMap<QueueName, Gate>);

/// The tasks of a queue that wait or are queued, counted up to `$2` each: two ranges of indexes.
pub(super) const PENDING: &str = "select (select count(*) from (select 1 from ready where queue = $1 limit $2) r)
     + (select count(*) from (select 1 from waiting where queue = $1 limit $2) w)";

impl Gates {
    /// The gates of the queues of these tasks. Tasks are counted only where there is a limit that they might reach: to count
    /// takes the longer the more there are.
    pub(super) async fn of(tasks: impl Iterator<Item = &NewTask>, tx: &mut Tx<'_>) -> Result<Self> {
        let asked = asked(tasks);
        let names: Vec<&QueueName> = asked.keys().copied().collect();
        let rows = sql::query(
            "select q.name, q.draining_by, q.draining_reason, q.draining_at, {sqlite: q.doc ->> '$.limits.maxPending'; postgres: (q.doc::json -> 'limits' ->> 'maxPending')::bigint} as max
             from queue q where q.name in list($1: text)",
        )
        .bind(sql::list(names))
        .fetch_all(&mut *tx.conn)
        .await?;
        let mut gates = HashMap::new();
        for row in &rows {
            let name: QueueName = parse("queue", 0, row.try_get("name")?)?;
            let room = match row.try_get::<Option<u32>>("max")? {
                None => None,
                Some(max) if tx.board.pending_at_most(&name).is_some_and(|most| most + asked[&name] <= u64::from(max)) => None,
                Some(max) => {
                    let most = i64::from(max) + 1;
                    let pending: i64 = sql::query_scalar(PENDING).bind(name.as_str()).bind(most).fetch_one(&mut *tx.conn).await?;
                    tx.board.counted(&name, pending.unsigned_abs());
                    Some((max, pending.min(most).unsigned_abs()))
                }
            };
            gates.insert(name, Gate { draining: halt(row, DRAINING)?, room });
        }
        Ok(Self(gates))
    }

    /// Lets the tasks of one submit in, all of them or none.
    pub(super) fn enter(&mut self, tasks: &[NewTask]) -> std::result::Result<(), Submitted> {
        let asked = asked(tasks.iter());
        for (queue, n) in &asked {
            let Some(gate) = self.0.get(*queue) else { return Err(Submitted::NoQueue((*queue).clone())) };
            if let Some(halt) = &gate.draining {
                return Err(Submitted::Draining { queue: (*queue).clone(), halt: halt.clone() });
            }
            if let Some((max, pending)) = gate.room.filter(|(max, pending)| pending + n > u64::from(*max)) {
                return Err(Submitted::Full { queue: (*queue).clone(), pending, max, refused: *n });
            }
        }
        for (queue, n) in asked {
            if let Some((_, pending)) = self.0.get_mut(queue).and_then(|gate| gate.room.as_mut()) {
                *pending += n;
            }
        }
        Ok(())
    }
}

/// How many tasks ask for each queue; an array counts as many as it has elements.
fn asked<'a>(tasks: impl Iterator<Item = &'a NewTask>) -> BTreeMap<&'a QueueName, u64> {
    let mut asked = BTreeMap::new();
    for task in tasks {
        *asked.entry(&task.spec.queue).or_default() += task.weight();
    }
    asked
}
