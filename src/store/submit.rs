//! Submitting: tasks become rows, ready to be claimed.

use super::{
    dependencies::{self, After, Known, On},
    error::Result,
    gate::Gates,
    halt::Halt,
    insert::insert,
    lease::parse_json,
    parents::{NoParent, Parent, parents, refused},
    record::TaskRecord,
    sql::{self, Cells, cells},
    uploads::Sent,
    waits::Waits,
    writer::{Statement, Tx},
};
use crate::domain::{ArraySpec, AttemptNumber, QueueName, Sha256, TaskId, TaskSpec, TaskState, UnixMs};
use serde_json::json;
use std::collections::HashMap;

/// A task to store; its spec has been checked.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// What runs.
    pub spec: TaskSpec,
    /// The task it repeats.
    pub rerun_of: Option<TaskId>,
    /// The time of day before which it is not started.
    pub not_before: Option<UnixMs>,
    /// What it waits for.
    pub after: After,
    /// The task that it belongs to.
    pub parent: Option<Parent>,
    /// What makes it an array. Its elements get the ids that follow its own.
    pub array: Option<ArraySpec>,
}

impl NewTask {
    /// A task that nothing holds back.
    #[must_use]
    pub fn new(spec: TaskSpec) -> Self {
        Self { spec, rerun_of: None, not_before: None, after: After::default(), parent: None, array: None }
    }

    /// Whether nothing holds it back and no time counts from its submit, so that what is stored of it is what it says.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.array.is_none() && self.after.on.is_empty() && self.not_before.is_none() && self.spec.total_timeout_seconds.is_none()
    }

    /// A plain one as it is stored.
    #[must_use]
    pub fn stored(self, id: TaskId, user: String, created_at: UnixMs) -> TaskRecord {
        TaskRecord {
            id,
            user,
            spec: self.spec,
            boosted: false,
            state: TaskState::Queued,
            attempt: AttemptNumber::NONE,
            rerun_of: self.rerun_of,
            parent: self.parent.map(|parent| parent.id),
            place: None,
            not_before: None,
            dependencies: Vec::new(),
            end_up: None,
            created_at,
            started_at: None,
            finished_at: None,
            lease: None,
            ended: None,
        }
    }

    /// What holds it back.
    pub(super) fn waits(&self, known: &Known) -> Waits {
        Waits { not_before: self.not_before, blockers: self.after.blockers(known), ..Waits::default() }
    }

    /// How many tasks wait or run for it: the elements of an array.
    pub(super) fn weight(&self) -> u64 {
        self.array.as_ref().map_or(1, |array| u64::from(array.indices.count()))
    }

    /// The tasks of earlier submits that it waits for.
    fn earlier(&self) -> impl Iterator<Item = TaskId> {
        self.after.on.keys().filter_map(|on| if let On::Task(id) = on { Some(*id) } else { None })
    }
}

/// Stores tasks, all or none.
#[derive(Clone, Debug)]
pub struct Submit {
    /// Who submits.
    pub user: String,
    /// One task, or a batch.
    pub tasks: Vec<NewTask>,
    /// Makes a repeat answer as the first did.
    pub idempotency: Option<Idempotency>,
}

/// The identity of a request that may be repeated; kept for 24 h.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Idempotency {
    /// The route: keys of different routes never meet.
    pub route: &'static str,
    /// The client's key.
    pub key: String,
    /// SHA-256 of the body.
    pub digest: [u8; 32],
}

/// What became of a submit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// Stored now, under these ids in the order given, and the time that their rows bear.
    New(Vec<TaskId>, UnixMs),
    /// Stored by an earlier request with the same key and body.
    Repeated(Vec<TaskId>),
    /// The key came before with another body; nothing was stored.
    Mismatch,
    /// There is no such queue; nothing was stored.
    NoQueue(QueueName),
    /// There is no such task to wait for; nothing was stored.
    NoTask(TaskId),
    /// The queue takes no new tasks; nothing was stored.
    Draining {
        /// The queue.
        queue: QueueName,
        /// Who drains it, why, since when.
        halt: Halt,
    },
    /// More tasks of the queue would wait or be queued than it takes; nothing was stored.
    Full {
        /// The queue.
        queue: QueueName,
        /// How many are; one more than `max` stands for every higher number.
        pending: u64,
        /// The most that it takes.
        max: u32,
        /// How many the submit has for it.
        refused: u64,
    },
    /// The user did not send this upload, or so long ago that it is gone; nothing was stored.
    NoUpload(Sha256),
    /// The parent takes no children; nothing was stored.
    NoParent(TaskId, NoParent),
}

type IdemKey = (String, &'static str, String);

impl Statement for Submit {
    type Output = Submitted;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Submitted>> {
        let seen = earlier(batch, tx).await?;
        let known = dependencies::known(batch.iter().flat_map(|s| &s.tasks).flat_map(NewTask::earlier), tx).await?;
        let parents = parents(batch, tx).await?;
        let sent = Sent::of(batch, tx).await?;
        let mut gates = Gates::of(batch.iter().flat_map(|s| &s.tasks), tx).await?;
        // Which submit of this batch holds the rows of a key: a repeat inside the batch answers as that one.
        let mut plan: Vec<std::result::Result<usize, Submitted>> = Vec::with_capacity(batch.len());
        let mut first: HashMap<IdemKey, usize> = HashMap::new();
        for (at, submit) in batch.iter().enumerate() {
            let key = submit.key();
            // The key before the queue: a repeat answers as the first did, even if its queue is gone, drained or full by now.
            if let Some((key, digest)) = &key {
                if let Some((stored, ids)) = seen.get(key) {
                    plan.push(Err(if stored == digest { Submitted::Repeated(ids.clone()) } else { Submitted::Mismatch }));
                    continue;
                }
                if let Some(&holder) = first.get(key) {
                    let same = batch[holder].key().is_some_and(|(_, d)| d == *digest);
                    plan.push(if same { Ok(holder) } else { Err(Submitted::Mismatch) });
                    continue;
                }
            }
            if let Some((parent, why)) = submit.tasks.iter().find_map(|t| refused(t.parent.as_ref()?, &parents)) {
                plan.push(Err(Submitted::NoParent(parent, why)));
                continue;
            }
            if let Some(task) = submit.tasks.iter().flat_map(NewTask::earlier).find(|task| !known.contains_key(task)) {
                plan.push(Err(Submitted::NoTask(task)));
                continue;
            }
            if let Some(sum) = sent.lacks(submit) {
                plan.push(Err(Submitted::NoUpload(sum)));
                continue;
            }
            // Last, because what is let in counts.
            if let Err(refused) = gates.enter(&submit.tasks) {
                plan.push(Err(refused));
                continue;
            }
            first.extend(key.map(|(key, _)| (key, at)));
            plan.push(Ok(at));
        }
        let stored: Vec<usize> = plan.iter().enumerate().filter(|(at, p)| p.as_ref() == Ok(at)).map(|(at, _)| at).collect();
        let mut ids = insert(batch, &stored, &known, tx).await?.into_iter();
        let ids: HashMap<usize, Vec<TaskId>> = stored.iter().map(|&at| (at, ids.by_ref().take(batch[at].tasks.len()).collect())).collect();
        remember(batch, &ids, tx).await?;
        let (now, of) = (tx.now, |at: usize| ids.get(&at).cloned().unwrap_or_default());
        let answer = |(at, p)| match p {
            Ok(holder) if holder == at => Submitted::New(of(at), now),
            Ok(holder) => Submitted::Repeated(of(holder)),
            Err(answer) => answer,
        };
        Ok(plan.into_iter().enumerate().map(answer).collect())
    }
}

impl Submit {
    fn key(&self) -> Option<(IdemKey, [u8; 32])> {
        self.idempotency.as_ref().map(|i| ((self.user.clone(), i.route, i.key.clone()), i.digest))
    }
}

async fn earlier(batch: &[Submit], tx: &mut Tx<'_>) -> Result<HashMap<IdemKey, ([u8; 32], Vec<TaskId>)>> {
    let keys: Vec<IdemKey> = batch.iter().filter_map(|s| s.key().map(|(key, _)| key)).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let asked: Vec<Cells> = (0_i64..).zip(&keys).map(|(at, (principal, route, key))| cells![at, principal, *route, key]).collect();
    let rows = sql::query(
        "select j.at as at, i.digest, i.ids from each($1: at int, principal text, route text, key text) j, idempotency i
         where i.principal = j.principal and i.route = j.route and i.key = j.key",
    )
    .bind(asked)
    .fetch_all(&mut *tx.conn)
    .await?;
    rows.iter()
        .map(|row| {
            let at: i64 = row.try_get("at")?;
            let digest: Vec<u8> = row.try_get("digest")?;
            let ids: Vec<TaskId> = parse_json("idempotency", at, row.try_get("ids")?)?;
            let key = keys.get(usize::try_from(at).unwrap_or(usize::MAX)).cloned();
            let key = key.ok_or_else(|| super::StoreError::Corrupt { table: "idempotency", id: at, what: "no such key asked".into() })?;
            Ok((key, (digest.try_into().unwrap_or([0; 32]), ids)))
        })
        .collect()
}

async fn remember(batch: &[Submit], ids: &HashMap<usize, Vec<TaskId>>, tx: &mut Tx<'_>) -> Result<()> {
    let now = tx.now;
    let rows = ids.iter().filter_map(|(&at, ids)| {
        let ((principal, route, key), digest) = batch[at].key()?;
        Some(cells![principal, route, key, digest.as_slice(), json!(ids).to_string(), now])
    });
    let rows = rows.collect();
    tx.each("insert into idempotency each($1: principal text, route text, key text, digest bytes, ids text, created_at int)", rows).await?;
    Ok(())
}

/// How long a key is remembered, in ms (24 h).
const KEY_LIFE_MS: i64 = 86_400_000;

/// Forgets keys that are older than a day, a few thousand at a time so that nobody waits for it.
pub struct ForgetKeys;

impl Statement for ForgetKeys {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        sql::query(
            "delete from idempotency where (principal, route, key) in
                 (select principal, route, key from idempotency where created_at < $1 order by created_at limit 2000)",
        )
        .bind(tx.now.0 - KEY_LIFE_MS)
        .execute(&mut *tx.conn)
        .await?;
        Ok(vec![(); batch.len()])
    }
}
