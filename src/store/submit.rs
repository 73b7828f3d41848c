//! Submitting: tasks become rows, ready to be claimed.

use super::{
    deadlines::{Deadline, KEEP_DEADLINE},
    dependencies::{self, After, Known, On},
    error::Result,
    events::NewEvent,
    flush::{KEEP_WAITING, exec, hex, wait_row},
    gate::Gates,
    halt::Halt,
    lease::parse_json,
    place::{Grounds, Place, Places},
    record::StoredSpec,
    waits::Waits,
    writer::{Statement, Tx},
};
use crate::domain::{
    AttemptNumber, QueueName, TaskId, TaskSpec, UnixMs,
    order::{rank_of, size_of},
};
use serde_json::{Value, json};
use sqlx::Row;
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
}

impl NewTask {
    /// A task that nothing holds back.
    #[must_use]
    pub fn new(spec: TaskSpec) -> Self {
        Self { spec, rerun_of: None, not_before: None, after: After::default() }
    }

    /// What holds it back.
    fn waits(&self, known: &Known) -> Waits {
        Waits { not_before: self.not_before, blockers: self.after.blockers(known), ..Waits::default() }
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
    /// Stored now, under these ids in the order given.
    New(Vec<TaskId>),
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
}

type IdemKey = (String, &'static str, String);

impl Statement for Submit {
    type Output = Submitted;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Submitted>> {
        let seen = earlier(batch, tx).await?;
        let known = dependencies::known(batch.iter().flat_map(|s| &s.tasks).flat_map(NewTask::earlier), tx).await?;
        let mut gates = Gates::of(batch.iter().flat_map(|s| s.tasks.iter().map(|t| &t.spec.queue)).collect(), tx).await?;
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
            if let Some(task) = submit.tasks.iter().flat_map(NewTask::earlier).find(|task| !known.contains_key(task)) {
                plan.push(Err(Submitted::NoTask(task)));
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
        let of = |at: usize| ids.get(&at).cloned().unwrap_or_default();
        let answer = |(at, p)| match p {
            Ok(holder) if holder == at => Submitted::New(of(at)),
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
    let rows = sqlx::query(
        "select j.key as at, i.digest, i.ids from json_each($1) j
         join idempotency i on i.principal = j.value ->> 0 and i.route = j.value ->> 1 and i.key = j.value ->> 2",
    )
    .bind(json!(keys).to_string())
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

/// Inserts the tasks of the submits at `which`; ids in their order.
async fn insert(batch: &[Submit], which: &[usize], known: &Known, tx: &mut Tx<'_>) -> Result<Vec<TaskId>> {
    let tasks = || which.iter().flat_map(|&at| batch[at].tasks.iter().map(move |task| (&batch[at].user, task)));
    let (up, now) = (tx.up.now(), tx.now);
    let is_ready = |task: &NewTask| task.waits(known).over(up, now);
    let rows: Vec<Value> = tasks()
        .map(|(user, task)| {
            let s = &task.spec;
            Ok(json!([
                s.queue,
                user,
                s.name,
                json!(s.labels).to_string(),
                s.priority.band(),
                serde_json::to_string(&StoredSpec::from(s))?,
                task.rerun_of,
                task.not_before.map(|at| at.0),
                is_ready(task).then_some(up)
            ]))
        })
        .collect::<std::result::Result<_, serde_json::Error>>()
        .map_err(|e| super::StoreError::Corrupt { table: "task", id: 0, what: e.to_string() })?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let inserted = sqlx::query(
        "insert into task (queue, user, name, labels, band, spec, rerun_of, not_before, queued_up, created_at)
         select j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7,
             j.value ->> 8, $2
         from json_each($1) j order by j.key returning id",
    )
    .bind(Value::Array(rows).to_string())
    .bind(tx.now.0)
    .fetch_all(&mut *tx.conn)
    .await?;
    let mut ids: Vec<TaskId> = inserted.iter().map(|row| row.try_get("id").map(TaskId)).collect::<std::result::Result<_, _>>()?;
    // `returning` promises no order; ids rise in the order of insertion.
    ids.sort_unstable();
    let placed = tasks().zip(&ids).map(|((user, task), id)| (user, task, id));
    let (ready, held): (Vec<_>, Vec<_>) = placed.partition(|(_, task, _)| is_ready(task));
    insert_ready(&ready, tx).await?;
    insert_deadlines(&ready, tx).await?;
    insert_waiting(&held, known, tx).await?;
    let mut after = Vec::new();
    let mut rest = ids.as_slice();
    for submit in which.iter().map(|&at| &batch[at]) {
        let (own, others) = rest.split_at(submit.tasks.len());
        after.extend(submit.tasks.iter().zip(own).map(|(task, id)| (&task.after, *id, own)));
        rest = others;
    }
    dependencies::insert(&after, known, tx).await?;
    for ((user, task), id) in tasks().zip(&ids) {
        let data = json!({ "queue": task.spec.queue, "name": task.spec.name });
        tx.events.push(NewEvent { kind: "task.submitted", task: Some(*id), attempt: None, actor: Some(user.clone()), data });
    }
    Ok(ids)
}

/// Tasks that can be claimed at once.
async fn insert_ready(tasks: &[(&String, &NewTask, &TaskId)], tx: &mut Tx<'_>) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let (up, aging) = (tx.up.now(), tx.times.aging_ms);
    let place = |(user, task, id): &(&String, &NewTask, &TaskId)| {
        let grounds = Grounds {
            user: user.as_str().into(),
            size: size_of(&task.spec),
            boosted: false,
            priority: task.spec.priority,
            rank: rank_of(**id),
            since_up: up,
        };
        Place::new(&task.spec.queue, **id, AttemptNumber::NONE, &grounds, up, aging)
    };
    let entering = tasks.iter().map(place).collect();
    Places { entering, ..Places::default() }.enter(tx).await
}

/// Tasks that something holds back.
async fn insert_waiting(tasks: &[(&String, &NewTask, &TaskId)], known: &Known, tx: &mut Tx<'_>) -> Result<()> {
    let row =
        |(_, task, id): &(&String, &NewTask, &TaskId)| wait_row(**id, &task.spec.queue, AttemptNumber::NONE, &task.waits(known), None);
    exec(tx, KEEP_WAITING, Value::Array(tasks.iter().map(row).collect())).await
}

/// The limits of tasks that are queued now.
async fn insert_deadlines(tasks: &[(&String, &NewTask, &TaskId)], tx: &mut Tx<'_>) -> Result<()> {
    let of = |spec: &TaskSpec| Deadline::of(spec.max_wait_seconds, spec.total_timeout_seconds, tx.up);
    let rows: Vec<Value> = tasks.iter().filter_map(|(_, task, id)| Some(of(&task.spec)?.row(**id))).collect();
    if !rows.is_empty() {
        tx.deadline_written();
    }
    exec(tx, KEEP_DEADLINE, Value::Array(rows)).await
}

async fn remember(batch: &[Submit], ids: &HashMap<usize, Vec<TaskId>>, tx: &mut Tx<'_>) -> Result<()> {
    let now = tx.now.0;
    let rows = ids.iter().filter_map(|(&at, ids)| {
        let ((principal, route, key), digest) = batch[at].key()?;
        Some(json!([principal, route, key, hex(&digest), json!(ids).to_string(), now]))
    });
    let rows = Value::Array(rows.collect());
    exec(
        tx,
        "insert into idempotency (principal, route, key, digest, ids, created_at)
         select j.value ->> 0, j.value ->> 1, j.value ->> 2, unhex(j.value ->> 3), j.value ->> 4, j.value ->> 5 from json_each($1) j",
        rows,
    )
    .await
}

/// How long a key is remembered, in ms (24 h).
const KEY_LIFE_MS: i64 = 86_400_000;

/// Forgets keys that are older than a day, a few thousand at a time so that nobody waits for it.
pub struct ForgetKeys;

impl Statement for ForgetKeys {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        sqlx::query(
            "delete from idempotency where (principal, route, key) in
                 (select principal, route, key from idempotency where created_at < $1 order by created_at limit 2000)",
        )
        .bind(tx.now.0 - KEY_LIFE_MS)
        .execute(&mut *tx.conn)
        .await?;
        Ok(vec![(); batch.len()])
    }
}
