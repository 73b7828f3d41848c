//! Claiming: ready tasks become live attempts of a runner.

use super::{
    error::Result,
    events::NewEvent,
    flush::exec,
    lease::{LeaseRecord, lease_columns, parse},
    writer::{Statement, Tx},
};
use crate::domain::{AttemptNumber, QueueName, Rng, RunnerName, SecretKind, TaskId, mint_secret};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::Row;
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// A queue to draw from, or every queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueShare {
    /// The queue; none is every queue.
    pub queue: Option<QueueName>,
    /// At most so many from it.
    pub max: u32,
}

/// Takes ready tasks for a runner, in the order of service. A repeat of `claim` whose attempts still live gets those.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Who claims.
    pub runner: RunnerName,
    /// Made for this claim.
    pub claim: Uuid,
    /// At most so many in all.
    pub max: u32,
    /// The sum of GPUs that they may need.
    pub gpus: u32,
    /// Where to draw from.
    pub queues: Vec<QueueShare>,
}

/// One claimed attempt.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimedAttempt {
    /// The task.
    pub task: TaskId,
    /// The new attempt.
    pub attempt: AttemptNumber,
    /// The right to start it.
    pub start_token: String,
    /// Its queue.
    pub queue: QueueName,
    /// The GPUs it needs.
    pub gpus: u32,
}

/// A ready task, in the order of service.
struct Ready {
    band: i64,
    task: i64,
    attempt: u32,
    gpus: u32,
    taken: bool,
}

impl Statement for Claim {
    type Output = Vec<ClaimedAttempt>;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Output>> {
        let mut live = repeated(batch, tx).await?;
        let open = open_queues(tx).await?;
        let mut ready = BTreeMap::new();
        for (queue, (demand, gpus)) in demand(batch, &live, &open) {
            ready.insert(queue.clone(), candidates(&queue, demand, gpus, tx).await?);
        }
        let mut answers = Vec::with_capacity(batch.len());
        let mut leases = Vec::new();
        let mut gone = Vec::new();
        let expires = tx.up.after(tx.times.claim_lease_ms);
        for claim in batch {
            if let Some(again) = live.remove(&(claim.runner.clone(), claim.claim)) {
                answers.push(again);
                continue;
            }
            let picked = claim.pick(&open, &mut ready, tx.rng);
            for c in &picked {
                let ClaimedAttempt { task, attempt, start_token, queue, gpus } = c;
                leases.push(json!([task, attempt, queue, claim.runner, claim.claim, gpus, tx.now.0, expires, start_token]));
                tx.events.push(NewEvent {
                    kind: "attempt.claimed",
                    task: Some(*task),
                    attempt: Some(*attempt),
                    actor: None,
                    data: json!({ "runner": claim.runner }),
                });
            }
            answers.push(picked);
        }
        for (queue, rows) in &ready {
            gone.extend(rows.iter().filter(|r| r.taken).map(|r| json!([queue, r.band, r.task])));
        }
        if !leases.is_empty() {
            tx.deadline_written();
        }
        exec(
            tx,
            "delete from ready where (queue, band, task) in (select j.value ->> 0, j.value ->> 1, j.value ->> 2 from json_each($1) j)",
            Value::Array(gone),
        )
        .await?;
        exec(
            tx,
            "insert into lease (task, attempt, queue, runner, claim, gpus, claimed_at, expires_up, start_token)
             select j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7, j.value ->> 8
             from json_each($1) j",
            Value::Array(leases),
        )
        .await?;
        Ok(answers)
    }
}

impl Claim {
    /// The most it takes from each of its queues that are open.
    fn shares(&self, open: &[QueueName]) -> BTreeMap<QueueName, u32> {
        let mut shares = BTreeMap::new();
        for share in &self.queues {
            match &share.queue {
                Some(queue) if open.contains(queue) => *shares.entry(queue.clone()).or_default() += share.max,
                Some(_) => {}
                None => shares.extend(open.iter().map(|queue| (queue.clone(), share.max))),
            }
        }
        shares
    }

    /// Takes what it may, by priority and age over all its queues. A task that needs more GPUs than are left is
    /// passed over.
    fn pick(&self, open: &[QueueName], ready: &mut BTreeMap<QueueName, Vec<Ready>>, rng: &dyn Rng) -> Vec<ClaimedAttempt> {
        let mut shares = self.shares(open);
        let mut gpus = self.gpus;
        let mut rows: Vec<(&QueueName, &mut Ready)> =
            ready.iter_mut().flat_map(|(queue, rows)| rows.iter_mut().map(move |row| (queue, row))).filter(|(_, row)| !row.taken).collect();
        rows.sort_by_key(|(_, row)| (row.band, row.task));
        let mut picked = Vec::new();
        for (queue, row) in rows {
            if picked.len() >= usize::try_from(self.max).unwrap_or(usize::MAX) {
                break;
            }
            let Some(share) = shares.get_mut(queue).filter(|left| **left > 0) else { continue };
            let Some(left) = gpus.checked_sub(row.gpus) else { continue };
            *share -= 1;
            gpus = left;
            row.taken = true;
            picked.push(ClaimedAttempt {
                task: TaskId(row.task),
                attempt: AttemptNumber(row.attempt).next(),
                start_token: mint_secret(SecretKind::Start, rng).expose_secret().to_owned(),
                queue: queue.clone(),
                gpus: row.gpus,
            });
        }
        picked
    }
}

/// The live attempts of claims that came before, by runner and claim.
async fn repeated(batch: &[Claim], tx: &mut Tx<'_>) -> Result<HashMap<(RunnerName, Uuid), Vec<ClaimedAttempt>>> {
    let sql = lease_columns!(
        "select",
        "from json_each($1) j join lease l on l.runner = j.value ->> 0 and l.claim = j.value ->> 1 order by l.task"
    );
    let asked: HashSet<(&RunnerName, Uuid)> = batch.iter().map(|c| (&c.runner, c.claim)).collect();
    let rows = sqlx::query(sql).bind(json!(asked).to_string()).fetch_all(&mut *tx.conn).await?;
    let mut live: HashMap<_, Vec<_>> = HashMap::new();
    for row in &rows {
        let lease = LeaseRecord::read(row)?;
        let Some(start_token) = lease.start_token else { continue };
        live.entry((lease.runner, lease.claim)).or_default().push(ClaimedAttempt {
            task: lease.attempt.task,
            attempt: lease.attempt.attempt,
            start_token,
            queue: lease.queue,
            gpus: lease.gpus,
        });
    }
    Ok(live)
}

/// The queues that are not paused.
async fn open_queues(tx: &mut Tx<'_>) -> Result<Vec<QueueName>> {
    let rows = sqlx::query("select name from queue where paused_at is null").fetch_all(&mut *tx.conn).await?;
    rows.iter().map(|row| parse("queue", 0, row.try_get("name")?)).collect()
}

/// How many rows each queue must offer for the batch, and the most GPUs that any of its claims can use.
fn demand(batch: &[Claim], live: &HashMap<(RunnerName, Uuid), Vec<ClaimedAttempt>>, open: &[QueueName]) -> BTreeMap<QueueName, (u32, u32)> {
    let mut demand: BTreeMap<QueueName, (u32, u32)> = BTreeMap::new();
    for claim in batch.iter().filter(|c| !live.contains_key(&(c.runner.clone(), c.claim))) {
        for (queue, share) in claim.shares(open) {
            let entry = demand.entry(queue).or_default();
            *entry = (entry.0.saturating_add(share.min(claim.max)), entry.1.max(claim.gpus));
        }
    }
    demand
}

/// The first ready tasks of a queue that need `gpus` at most. Its cost does not grow with the queue's depth: both
/// statements walk an index in the order of service.
async fn candidates(queue: &QueueName, limit: u32, gpus: u32, tx: &mut Tx<'_>) -> Result<Vec<Ready>> {
    let sql = if gpus == 0 {
        "select band, task, attempt, gpus from ready where queue = $1 and gpus = 0 order by band, task limit $2"
    } else {
        "select band, task, attempt, gpus from ready where queue = $1 and gpus <= $3 order by band, task limit $2"
    };
    let rows = sqlx::query(sql).bind(queue.as_str()).bind(limit).bind(gpus).fetch_all(&mut *tx.conn).await?;
    rows.iter()
        .map(|row| {
            Ok(Ready {
                band: row.try_get("band")?,
                task: row.try_get("task")?,
                attempt: row.try_get("attempt")?,
                gpus: row.try_get("gpus")?,
                taken: false,
            })
        })
        .collect()
}
