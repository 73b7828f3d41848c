//! Submitting: tasks become rows, ready to be claimed.

use super::{
    arrays::{self, NewArray},
    error::Result,
    events::NewEvent,
    flush::{KEEP_WAITING, exec, hex, wait_row},
    lease::parse_json,
    parents::{NoParent, Parent, parents, refused},
    place::{Grounds, Place, Places},
    record::StoredSpec,
    waits::Waits,
    writer::{Statement, Tx},
};
use crate::domain::{
    ArraySpec, AttemptNumber, QueueName, TaskId, TaskSpec, UnixMs,
    order::{User, rank_of, size_of},
};
use serde_json::{Value, json};
use sqlx::Row;
use std::collections::{HashMap, HashSet};

/// A task to store; its spec has been checked.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// What runs.
    pub spec: TaskSpec,
    /// The task it repeats.
    pub rerun_of: Option<TaskId>,
    /// The time of day before which it is not started.
    pub not_before: Option<UnixMs>,
    /// The task that it belongs to.
    pub parent: Option<Parent>,
    /// What makes it an array. Its elements get the ids that follow its own.
    pub array: Option<ArraySpec>,
}

impl NewTask {
    /// A task that nothing holds back.
    #[must_use]
    pub fn new(spec: TaskSpec) -> Self {
        Self { spec, rerun_of: None, not_before: None, parent: None, array: None }
    }

    /// What holds it back.
    fn waits(&self) -> Waits {
        Waits { not_before: self.not_before, ..Waits::default() }
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
    /// The parent takes no children; nothing was stored.
    NoParent(TaskId, NoParent),
}

type IdemKey = (String, &'static str, String);

impl Statement for Submit {
    type Output = Submitted;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Submitted>> {
        let seen = earlier(batch, tx).await?;
        let absent = absent_queues(batch, tx).await?;
        let parents = parents(batch, tx).await?;
        // Which submit of this batch holds the rows of a key: a repeat inside the batch answers as that one.
        let mut plan: Vec<std::result::Result<usize, Submitted>> = Vec::with_capacity(batch.len());
        let mut first: HashMap<IdemKey, usize> = HashMap::new();
        for (at, submit) in batch.iter().enumerate() {
            let key = submit.key();
            // The key before the queue: a repeat answers as the first did, even if its queue is gone by now.
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
            if let Some(queue) = submit.tasks.iter().map(|t| &t.spec.queue).find(|queue| absent.contains(queue)) {
                plan.push(Err(Submitted::NoQueue(queue.clone())));
                continue;
            }
            if let Some((parent, why)) = submit.tasks.iter().find_map(|t| refused(t.parent.as_ref()?, &parents)) {
                plan.push(Err(Submitted::NoParent(parent, why)));
                continue;
            }
            first.extend(key.map(|(key, _)| (key, at)));
            plan.push(Ok(at));
        }
        let stored: Vec<usize> = plan.iter().enumerate().filter(|(at, p)| p.as_ref() == Ok(at)).map(|(at, _)| at).collect();
        let mut ids = insert(batch, &stored, tx).await?.into_iter();
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

/// The queues named that do not exist.
async fn absent_queues(batch: &[Submit], tx: &mut Tx<'_>) -> Result<HashSet<QueueName>> {
    let named: HashSet<&QueueName> = batch.iter().flat_map(|s| s.tasks.iter().map(|t| &t.spec.queue)).collect();
    let absent: Vec<String> = sqlx::query_scalar("select value from json_each($1) where value not in (select name from queue)")
        .bind(json!(named).to_string())
        .fetch_all(&mut *tx.conn)
        .await?;
    Ok(named.into_iter().filter(|name| absent.iter().any(|a| a == name.as_str())).cloned().collect())
}

/// Inserts the tasks of the submits at `which`; ids in their order.
async fn insert(batch: &[Submit], which: &[usize], tx: &mut Tx<'_>) -> Result<Vec<TaskId>> {
    let tasks: Vec<(&String, &NewTask)> =
        which.iter().flat_map(|&at| batch[at].tasks.iter().map(move |task| (&batch[at].user, task))).collect();
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let (up, now) = (tx.up.now(), tx.now);
    let ids = number(tasks.iter().map(|(_, task)| *task), tx).await?;
    let row = |((user, task), id): (&(&String, &NewTask), &TaskId)| {
        let s = &task.spec;
        Ok(json!([
            id,
            s.queue,
            user,
            s.name,
            json!(s.labels).to_string(),
            s.priority.band(),
            serde_json::to_string(&StoredSpec::from(s))?,
            task.rerun_of,
            task.not_before.map(|at| at.0),
            task.waits().over(up, now).then_some(up),
            task.parent.as_ref().map(|parent| parent.id)
        ]))
    };
    let rows = tasks.iter().zip(&ids).map(row).collect::<std::result::Result<_, serde_json::Error>>();
    let rows = rows.map_err(|e| super::StoreError::Corrupt { table: "task", id: 0, what: e.to_string() })?;
    sqlx::query(INSERT).bind(Value::Array(rows).to_string()).bind(tx.now.0).execute(&mut *tx.conn).await?;
    let users: Vec<User> = tasks.iter().map(|(user, _)| user.as_str().into()).collect();
    let (mut ready, mut held, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
    for (((_, task), id), user) in tasks.iter().zip(&ids).zip(&users) {
        let (task, id) = (*task, *id);
        let data = json!({ "queue": task.spec.queue, "name": task.spec.name });
        tx.events.push(NewEvent { kind: "task.submitted", task: Some(id), attempt: None, actor: Some(user.to_string()), data });
        let waits = task.waits();
        let gated = !waits.over(up, now);
        if let Some(spec) = &task.array {
            let array = NewArray { id, user, task, spec, gated };
            let (out, throttled) = array.elements();
            ready.extend(out.map(|id| Entry { user, task, id }));
            held.extend(throttled.map(|id| (Entry { user, task, id }, Waits { throttled: true, ..Waits::default() })));
            arrays.push(array);
        }
        if gated {
            held.push((Entry { user, task, id }, waits));
        } else if task.array.is_none() {
            ready.push(Entry { user, task, id });
        }
    }
    arrays::insert(&arrays, tx).await?;
    insert_ready(&ready, tx).await?;
    insert_waiting(&held, tx).await?;
    Ok(ids)
}

/// Writes tasks under ids of ours.
pub(super) const INSERT: &str = "insert into task (id, queue, user, name, labels, band, spec, rerun_of, not_before, queued_up, parent, created_at)
    select j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7, j.value ->> 8,
        j.value ->> 9, j.value ->> 10, $2 from json_each($1) j";

/// The ids of tasks: each the next that was never used, those of an array's elements left free behind its own.
async fn number(tasks: impl Iterator<Item = &NewTask>, tx: &mut Tx<'_>) -> Result<Vec<TaskId>> {
    let used: Option<i64> = sqlx::query_scalar("select seq from sqlite_sequence where name = 'task'").fetch_optional(&mut *tx.conn).await?;
    let mut next = used.unwrap_or(0) + 1;
    let number = |task: &NewTask| {
        let id = TaskId(next);
        next += 1 + task.array.as_ref().map_or(0, |array| i64::from(array.indices.count()));
        id
    };
    Ok(tasks.map(number).collect())
}

/// A new task, or an element of one that is an array, under its id.
struct Entry<'a> {
    user: &'a User,
    task: &'a NewTask,
    id: TaskId,
}

/// Tasks that can be claimed at once.
async fn insert_ready(tasks: &[Entry<'_>], tx: &mut Tx<'_>) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let (up, aging) = (tx.up.now(), tx.times.aging_ms);
    let place = |row: &Entry<'_>| {
        let spec = &row.task.spec;
        let grounds = Grounds {
            user: row.user.clone(),
            size: size_of(spec),
            boosted: false,
            priority: spec.priority,
            rank: rank_of(row.id),
            since_up: up,
        };
        Place::new(&spec.queue, row.id, AttemptNumber::NONE, &grounds, up, aging)
    };
    let entering = tasks.iter().map(place).collect();
    Places { entering, ..Places::default() }.enter(tx).await
}

/// Tasks that something holds back.
async fn insert_waiting(tasks: &[(Entry<'_>, Waits)], tx: &mut Tx<'_>) -> Result<()> {
    let row = |(row, waits): &(Entry<'_>, Waits)| wait_row(row.id, &row.task.spec.queue, AttemptNumber::NONE, waits, None);
    exec(tx, KEEP_WAITING, Value::Array(tasks.iter().map(row).collect())).await
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
