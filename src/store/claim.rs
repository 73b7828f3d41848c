//! Claiming: ready tasks become live attempts of a runner.

use super::{
    board::{self, Ahead},
    error::Result,
    events::NewEvent,
    gather,
    lease::{LeaseRecord, lease_columns},
    place::DELETE_READY,
    sql::{self, Cells, cells},
    writer::{Statement, Tx},
};
use crate::domain::{
    AttemptNumber, QueueName, RunnerName, SecretKind, TaskId, mint_secret,
    order::{Ask, Board, Next, Pick},
};
use secrecy::ExposeSecret;
use serde_json::json;
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
    /// The sum of GPUs that they may need: those that are free.
    pub gpus: u32,
    /// All the GPUs of the runner, with those in use.
    pub all_gpus: u32,
    /// Where to draw from.
    pub queues: Vec<QueueShare>,
    /// The queues that it draws nothing from, whatever `queues` says.
    pub except: BTreeSet<QueueName>,
    /// Whether it waits where there is nothing for it: it is answered with the commit that brings something, or with nothing as soon as
    /// rules of queues change. Whoever stops waiting may have been given something in that moment, and learns it by asking again.
    pub wait: bool,
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

/// The live attempts of claims that came before.
pub(super) const REPEATED: &str = lease_columns!(
    "select",
    "from each($1: runner text, claim text) j, lease l where l.runner = j.runner and l.claim = j.claim order by l.task"
);

type Answers = HashMap<(RunnerName, Uuid), Vec<ClaimedAttempt>>;

/// Writes what was claimed.
const INSERT_LEASE: &str = "insert into lease each($1: task int, attempt int, queue text, usr text, runner text, claim text, gpus int,
         load_gpus int, load_weight int, since_up int, claimed_up int, claimed_at int, expires_up int, start_token text)";

impl Statement for Claim {
    type Output = Vec<ClaimedAttempt>;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Output>> {
        tx.fresh_board().await?;
        board::move_epoch(tx).await?;
        let mut given = repeated(batch, tx).await?;
        let mut ahead = Ahead::default();
        let mut answers = Vec::with_capacity(batch.len());
        let (mut leases, mut taken) = (Vec::new(), Vec::new());
        let expires = tx.up.after(tx.times.claim_lease_ms);
        for claim in batch {
            // A repeat may have arrived in the same batch as the first.
            if let Some(again) = given.get(&(claim.runner.clone(), claim.claim)) {
                answers.push(again.clone());
                continue;
            }
            let mut claimed = Vec::new();
            for pick in claim.pick(&mut ahead, tx).await? {
                let start_token = mint_secret(SecretKind::Start, tx.rng).expose_secret().to_owned();
                let Pick { queue, lane, head } = pick;
                let attempt = AttemptNumber(head.attempt).next();
                let cost = tx.board.queue(&queue).map(|bench| bench.cost_of(lane.size)).unwrap_or_default();
                let (now, up) = (tx.now, tx.up.now());
                leases.push(cells![
                    head.task,
                    attempt,
                    &queue,
                    &*lane.user,
                    &claim.runner,
                    claim.claim,
                    lane.size.gpus,
                    cost.gpus.0,
                    cost.weight.0,
                    head.since_up,
                    up,
                    now,
                    expires,
                    &start_token
                ]);
                taken.push(head.task);
                tx.events.push(NewEvent {
                    kind: "attempt.claimed",
                    task: Some(head.task),
                    attempt: Some(attempt),
                    actor: None,
                    data: json!({ "runner": claim.runner }),
                });
                claimed.push(ClaimedAttempt { task: head.task, attempt, start_token, queue, gpus: lane.size.gpus });
            }
            let mut again = claimed.clone();
            again.sort_unstable_by_key(|c| c.task);
            given.insert((claim.runner.clone(), claim.claim), again);
            answers.push(claimed);
        }
        if !leases.is_empty() {
            tx.deadline_written();
        }
        ahead.leave(tx.board);
        gather::claimed(&taken, tx).await?;
        tx.each(DELETE_READY, sql::column(taken)).await?;
        tx.each(INSERT_LEASE, leases).await?;
        Ok(answers)
    }
}

impl Claim {
    /// The most it takes from each of its queues that are open to it.
    fn shares(&self, board: &Board) -> BTreeMap<QueueName, u32> {
        let mut shares: BTreeMap<QueueName, u32> = BTreeMap::new();
        for (queue, max) in self.queues.iter().filter_map(|s| s.queue.as_ref().map(|queue| (queue, s.max))) {
            let share = shares.entry(queue.clone()).or_default();
            *share = share.saturating_add(max);
        }
        if let Some(all) = self.queues.iter().filter(|s| s.queue.is_none()).map(|s| s.max).reduce(u32::saturating_add) {
            for queue in board.queues() {
                shares.entry(queue.clone()).or_insert(all);
            }
        }
        shares.retain(|queue, _| !self.except.contains(queue));
        shares
    }

    /// Takes what it may, in the order of service.
    async fn pick(&self, ahead: &mut Ahead, tx: &mut Tx<'_>) -> Result<Vec<Pick>> {
        let (shares, now) = (self.shares(tx.board), tx.up.now());
        let max = usize::try_from(self.max).unwrap_or(usize::MAX);
        let mut picks = Vec::new();
        if max == 0 {
            return Ok(picks);
        }
        let concerned = tx.board.concerned(shares.keys());
        ahead.learn(tx.board, &concerned, max, tx.conn).await?;
        let ask = Ask { runner: self.runner.clone(), shares, gpus: self.gpus, all_gpus: self.all_gpus.max(self.gpus) };
        let mut picking = tx.board.picking(ask, now);
        while picks.len() < max {
            match tx.board.next(&mut picking) {
                Next::Pick(pick) => {
                    tx.board.take(&pick, &mut picking, now);
                    picks.push(pick);
                }
                Next::Unknown(queue) => ahead.learn(tx.board, [&queue], max - picks.len(), tx.conn).await?,
                Next::Nothing => break,
            }
        }
        Ok(picks)
    }
}

/// What claims that came before may still start, by runner and claim.
async fn repeated(batch: &[Claim], tx: &mut Tx<'_>) -> Result<Answers> {
    let asked: HashSet<(&RunnerName, Uuid)> = batch.iter().map(|c| (&c.runner, c.claim)).collect();
    let asked: Vec<Cells> = asked.into_iter().map(|(runner, claim)| cells![runner, claim]).collect();
    let rows = sql::query(REPEATED).bind(asked).fetch_all(&mut *tx.conn).await?;
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
