//! Claiming: ready tasks become live attempts of a runner.

use super::{
    arrays,
    error::Result,
    events::NewEvent,
    flush::{DELETE_READY, exec},
    lease::{LeaseRecord, lease_columns, parse},
    writer::{Statement, Tx},
};
use crate::domain::{AttemptNumber, QueueName, Rng, RunnerName, SecretKind, TaskId, mint_secret};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// A queue to draw from, or every other one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueShare {
    /// The queue; none is every queue that the claim does not name.
    pub queue: Option<QueueName>,
    /// At most so many from it.
    pub max: u32,
}

/// Takes ready tasks for a runner, in the order of service. A repeat of `claim`, while any attempt of it lives, gets
/// those of them that can still be started and takes nothing.
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
    /// The queues that it draws nothing from, whatever `queues` says.
    pub except: BTreeSet<QueueName>,
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

impl std::fmt::Debug for ClaimedAttempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the token, so that no log line ever shows one.
        f.debug_struct("ClaimedAttempt").field("task", &self.task).field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

/// The first ready tasks of each queue and each number of GPUs, `$3` of each kind at most, in the order of service. The
/// cost is that of the kinds and of what is taken, never of the depth: each kind is a range of one index.
pub(super) const CANDIDATES: &str = "with recursive kind (queue, gpus) as (
         select j.value, (select min(r.gpus) from ready r where r.queue = j.value) from json_each($1) j
         union all
         select k.queue, (select min(r.gpus) from ready r where r.queue = k.queue and r.gpus > k.gpus) from kind k where k.gpus < $2
     )
     select r.queue, r.band, r.task, r.attempt, r.gpus
     from kind k cross join ready r on r.queue = k.queue and (r.band, r.task) in
         (select x.band, x.task from ready x where x.queue = k.queue and x.gpus = k.gpus order by x.band, x.task limit $3)
     where k.gpus <= $2 order by r.band, r.task";

/// The live attempts of claims that came before.
pub(super) const REPEATED: &str =
    lease_columns!("select", "from json_each($1) j join lease l on l.runner = j.value ->> 0 and l.claim = j.value ->> 1 order by l.task");

/// A ready task.
struct Ready {
    queue: QueueName,
    band: i64,
    task: i64,
    attempt: u32,
    gpus: u32,
    taken: bool,
}

type Answers = HashMap<(RunnerName, Uuid), Vec<ClaimedAttempt>>;

impl Statement for Claim {
    type Output = Vec<ClaimedAttempt>;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Output>> {
        let mut given = repeated(batch, tx).await?;
        let open = open_queues(tx).await?;
        let mut ready = candidates(batch, &given, &open, tx).await?;
        let mut answers = Vec::with_capacity(batch.len());
        let mut leases = Vec::new();
        let expires = tx.up.after(tx.times.claim_lease_ms);
        let mut from = 0;
        for claim in batch {
            // A repeat may have arrived in the same batch as the first.
            if let Some(again) = given.get(&(claim.runner.clone(), claim.claim)) {
                answers.push(again.clone());
                continue;
            }
            from += ready[from..].iter().take_while(|row| row.taken).count();
            let picked = claim.pick(&open, &mut ready[from..], tx.rng);
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
            let mut again = picked.clone();
            again.sort_unstable_by_key(|c| c.task);
            given.insert((claim.runner.clone(), claim.claim), again);
            answers.push(picked);
        }
        if !leases.is_empty() {
            tx.deadline_written();
        }
        let taken: Vec<TaskId> = ready.iter().filter(|r| r.taken).map(|r| TaskId(r.task)).collect();
        arrays::claimed(&taken, tx).await?;
        let gone = ready.iter().filter(|r| r.taken).map(|r| json!([r.queue, r.band, r.task])).collect();
        exec(tx, DELETE_READY, Value::Array(gone)).await?;
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
    /// The most it takes from each of its queues that are open to it.
    fn shares(&self, open: &HashSet<QueueName>) -> BTreeMap<QueueName, u32> {
        let mut shares: BTreeMap<QueueName, u32> = BTreeMap::new();
        for (queue, max) in self.queues.iter().filter_map(|s| s.queue.as_ref().map(|queue| (queue, s.max))) {
            let share = shares.entry(queue.clone()).or_default();
            *share = share.saturating_add(max);
        }
        if let Some(all) = self.queues.iter().filter(|s| s.queue.is_none()).map(|s| s.max).reduce(u32::saturating_add) {
            for queue in open {
                shares.entry(queue.clone()).or_insert(all);
            }
        }
        shares.retain(|queue, _| open.contains(queue) && !self.except.contains(queue));
        shares
    }

    /// Takes what it may of `ready`, which is in the order of service. A task that needs more GPUs than are left is
    /// passed over.
    fn pick(&self, open: &HashSet<QueueName>, ready: &mut [Ready], rng: &dyn Rng) -> Vec<ClaimedAttempt> {
        let mut shares = self.shares(open);
        let mut gpus = self.gpus;
        let max = usize::try_from(self.max).unwrap_or(usize::MAX);
        let mut picked = Vec::new();
        for row in ready.iter_mut().filter(|row| !row.taken) {
            if picked.len() >= max {
                break;
            }
            let Some(share) = shares.get_mut(&row.queue).filter(|left| **left > 0) else { continue };
            let Some(left) = gpus.checked_sub(row.gpus) else { continue };
            *share -= 1;
            gpus = left;
            row.taken = true;
            picked.push(ClaimedAttempt {
                task: TaskId(row.task),
                attempt: AttemptNumber(row.attempt).next(),
                start_token: mint_secret(SecretKind::Start, rng).expose_secret().to_owned(),
                queue: row.queue.clone(),
                gpus: row.gpus,
            });
        }
        picked
    }
}

/// What claims that came before may still start, by runner and claim.
async fn repeated(batch: &[Claim], tx: &mut Tx<'_>) -> Result<Answers> {
    let asked: HashSet<(&RunnerName, Uuid)> = batch.iter().map(|c| (&c.runner, c.claim)).collect();
    let rows = sqlx::query(REPEATED).bind(json!(asked).to_string()).fetch_all(&mut *tx.conn).await?;
    let mut live = Answers::new();
    for row in &rows {
        let lease = LeaseRecord::read(row)?;
        let startable = live.entry((lease.runner, lease.claim)).or_default();
        startable.extend(lease.start_token.map(|start_token| ClaimedAttempt {
            task: lease.attempt.task,
            attempt: lease.attempt.attempt,
            start_token,
            queue: lease.queue,
            gpus: lease.gpus,
        }));
    }
    Ok(live)
}

/// The queues that are not paused.
async fn open_queues(tx: &mut Tx<'_>) -> Result<HashSet<QueueName>> {
    let rows = sqlx::query("select name from queue where paused_at is null").fetch_all(&mut *tx.conn).await?;
    rows.iter().map(|row| parse("queue", 0, row.try_get("name")?)).collect()
}

/// The tasks that the new claims of a batch can take, in the order of service. However their rooms for GPUs differ, none
/// of them is missed: what one takes of a kind is a beginning of what the ones before it left.
async fn candidates(batch: &[Claim], given: &Answers, open: &HashSet<QueueName>, tx: &mut Tx<'_>) -> Result<Vec<Ready>> {
    let mut demand: BTreeMap<QueueName, u32> = BTreeMap::new();
    let mut gpus = 0;
    for claim in batch.iter().filter(|c| !given.contains_key(&(c.runner.clone(), c.claim))) {
        for (queue, share) in claim.shares(open) {
            let most = demand.entry(queue).or_default();
            *most = most.saturating_add(share.min(claim.max));
        }
        gpus = gpus.max(claim.gpus);
    }
    let Some(most) = demand.values().copied().max().filter(|most| *most > 0) else { return Ok(Vec::new()) };
    let queues: Vec<&QueueName> = demand.keys().collect();
    let rows = sqlx::query(CANDIDATES).bind(json!(queues).to_string()).bind(gpus).bind(most).fetch_all(&mut *tx.conn).await?;
    rows.iter()
        .map(|row| {
            let task = row.try_get("task")?;
            Ok(Ready {
                queue: parse("ready", task, row.try_get("queue")?)?,
                band: row.try_get("band")?,
                task,
                attempt: row.try_get("attempt")?,
                gpus: row.try_get("gpus")?,
                taken: false,
            })
        })
        .collect()
}
