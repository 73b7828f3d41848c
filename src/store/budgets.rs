//! Budgets: what the live attempts of several queues may use together.
//!
//! That a queue names only budgets that exist, and that the guaranteed parts of a budget fit into it, is decided here, in
//! the writer, whichever of the two changes.

use super::{
    Store,
    error::Result,
    events::NewEvent,
    lease::{parse, parse_json},
    sql::{self, Conn, Row},
    writer::{Statement, Tx},
};
use crate::domain::{
    BudgetName, QueueName, UnixMs,
    order::{Amount, BudgetRules, BudgetShare, QueueRules, Resource},
};
use serde_json::json;
use std::collections::BTreeMap;

/// A budget. Its document is the caller's JSON; the store reads the rules in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetRecord {
    /// Its name.
    pub name: BudgetName,
    /// What it was applied with, as JSON.
    pub doc: String,
    /// What the document says of the order of service.
    pub rules: BudgetRules,
    /// Counts its changes, from 1.
    pub revision: i64,
    /// When it was created.
    pub created_at: UnixMs,
    /// When it was changed last.
    pub updated_at: UnixMs,
    /// The queues that draw on it, by name.
    pub queues: Vec<BudgetUse>,
}

/// What a queue has of a budget, and uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetUse {
    /// The queue.
    pub queue: QueueName,
    /// Kept free for it.
    pub guaranteed: Amount,
    /// What its live attempts use.
    pub used: Amount,
    /// Of each user what that is.
    pub users: BTreeMap<String, Amount>,
}

/// Why a budget operation is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BudgetRefusal {
    /// There is no such budget.
    NotFound,
    /// The revision asked for is not the present one.
    Revision(i64),
    /// Queues draw on it.
    Named(Vec<QueueName>),
    /// Its queues are guaranteed more than it would hold.
    Guaranteed(Amount),
}

/// What is wrong with one of the budgets that a queue names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetFault {
    /// The budget.
    pub budget: BudgetName,
    /// None where it does not exist; else what its queues would be guaranteed together, and its maximum.
    pub over: Option<(Amount, Amount)>,
}

/// Creates or replaces a budget. A document equal to the stored one changes nothing, not even the revision.
pub struct ApplyBudget {
    /// Its name.
    pub name: BudgetName,
    /// Its document, as JSON.
    pub doc: String,
    /// Who applies it.
    pub by: String,
    /// The revision it must have; 0 asks that it does not exist.
    pub if_revision: Option<i64>,
}

impl Statement for ApplyBudget {
    /// Whether it was created.
    type Output = std::result::Result<bool, BudgetRefusal>;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Output>> {
        let mut answers = Vec::with_capacity(batch.len());
        for apply in batch {
            answers.push(apply.one(tx).await?);
        }
        Ok(answers)
    }
}

impl ApplyBudget {
    async fn one(&self, tx: &mut Tx<'_>) -> Result<std::result::Result<bool, BudgetRefusal>> {
        let now = stored(&self.name, tx).await?;
        let revision = now.as_ref().map_or(0, |(revision, _)| *revision);
        if self.if_revision.is_some_and(|wanted| wanted != revision) {
            return Ok(Err(BudgetRefusal::Revision(revision)));
        }
        if now.is_some_and(|(_, doc)| doc == self.doc) {
            return Ok(Ok(false));
        }
        let rules: BudgetRules = parse_json("budget", 0, &self.doc)?;
        let guaranteed = guaranteed(&self.name, &naming(tx.conn).await?, None);
        if guaranteed > rules.max {
            return Ok(Err(BudgetRefusal::Guaranteed(guaranteed)));
        }
        sql::query(
            "insert into budget (name, doc, revision, created_at, updated_at) values ($1, $2, 1, $3, $3)
             on conflict (name) do update set doc = excluded.doc, revision = budget.revision + 1, updated_at = excluded.updated_at",
        )
        .bind(self.name.as_str())
        .bind(&self.doc)
        .bind(tx.now.0)
        .execute(&mut *tx.conn)
        .await?;
        tx.rules_written();
        event(tx, "budget.applied", &self.name, &self.by);
        Ok(Ok(revision == 0))
    }
}

/// Deletes a budget that no queue names.
pub struct DeleteBudget {
    /// The budget.
    pub name: BudgetName,
    /// Who does it.
    pub by: String,
    /// The revision it must have.
    pub if_revision: Option<i64>,
}

impl Statement for DeleteBudget {
    type Output = std::result::Result<(), BudgetRefusal>;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<Self::Output>> {
        let mut answers = Vec::with_capacity(batch.len());
        for op in batch {
            answers.push(op.one(tx).await?);
        }
        Ok(answers)
    }
}

impl DeleteBudget {
    async fn one(&self, tx: &mut Tx<'_>) -> Result<std::result::Result<(), BudgetRefusal>> {
        let Some((revision, _)) = stored(&self.name, tx).await? else { return Ok(Err(BudgetRefusal::NotFound)) };
        if self.if_revision.is_some_and(|wanted| wanted != revision) {
            return Ok(Err(BudgetRefusal::Revision(revision)));
        }
        let queues = naming(tx.conn).await?;
        let named: Vec<QueueName> = queues.into_iter().filter(|(_, q)| q.budgets.contains_key(&self.name)).map(|(name, _)| name).collect();
        if !named.is_empty() {
            return Ok(Err(BudgetRefusal::Named(named)));
        }
        sql::query("delete from budget where name = $1").bind(self.name.as_str()).execute(&mut *tx.conn).await?;
        tx.rules_written();
        event(tx, "budget.deleted", &self.name, &self.by);
        Ok(Ok(()))
    }
}

/// What is wrong with the budgets that a queue would name.
pub(super) async fn faults(name: &QueueName, rules: &QueueRules, tx: &mut Tx<'_>) -> Result<Vec<BudgetFault>> {
    if rules.budgets.is_empty() {
        return Ok(Vec::new());
    }
    let queues = naming(tx.conn).await?;
    let mut found = Vec::new();
    for budget in rules.budgets.keys() {
        let Some((_, doc)) = stored(budget, tx).await? else {
            found.push(BudgetFault { budget: budget.clone(), over: None });
            continue;
        };
        let max = parse_json::<BudgetRules>("budget", 0, &doc)?.max;
        let guaranteed = guaranteed(budget, &queues, Some((name, rules)));
        if guaranteed > max {
            found.push(BudgetFault { budget: budget.clone(), over: Some((guaranteed, max)) });
        }
    }
    Ok(found)
}

/// What the queues of a budget are guaranteed together, with one of them as it would be.
fn guaranteed(budget: &BudgetName, queues: &BTreeMap<QueueName, QueueRules>, with: Option<(&QueueName, &QueueRules)>) -> Amount {
    let others = queues.iter().filter(|(name, _)| with.is_none_or(|(changed, _)| changed != *name));
    others.chain(with).filter_map(|(_, rules)| rules.budgets.get(budget)).map(|share| share.guaranteed).sum()
}

/// The queues that name any budget.
async fn naming(conn: &mut Conn) -> Result<BTreeMap<QueueName, QueueRules>> {
    rules(&sql::query(NAMING).fetch_all(conn).await?)
}

const NAMING: &str = "select name, doc from queue where {sqlite: doc ->> '$.budgets'; postgres: doc::json ->> 'budgets'} is not null";

fn rules(rows: &[Row]) -> Result<BTreeMap<QueueName, QueueRules>> {
    rows.iter().map(|row| Ok((parse("queue", 0, row.try_get("name")?)?, parse_json("queue", 0, row.try_get("doc")?)?))).collect()
}

async fn stored(name: &BudgetName, tx: &mut Tx<'_>) -> Result<Option<(i64, String)>> {
    let row = sql::query("select revision, doc from budget where name = $1").bind(name.as_str()).fetch_optional(&mut *tx.conn).await?;
    row.map(|row| Ok((row.try_get("revision")?, row.try_get("doc")?))).transpose()
}

fn event(tx: &mut Tx<'_>, kind: &'static str, budget: &BudgetName, by: &str) {
    let data = json!({ "budget": budget });
    tx.events.push(NewEvent { kind, task: None, attempt: None, actor: Some(by.to_owned()), data });
}

/// What the live attempts of some queues use whose result is not stored, by queue and user.
pub(super) const USED: &str =
    "select l.queue, l.usr, cast(sum(l.load_gpus) as bigint) as gpus, cast(sum(l.load_weight) as bigint) as weight
     from lease l where l.queue in list($1: text) and l.result is null group by l.queue, l.usr";

/// By queue, of each user the use in thousandths of GPUs and of weight.
type Used = BTreeMap<QueueName, Vec<(String, [i64; 2])>>;

fn used(rows: &[Row]) -> Result<Used> {
    let mut used = Used::new();
    for row in rows {
        let of = used.entry(parse("lease", 0, row.try_get("queue")?)?).or_default();
        of.push((row.try_get("usr")?, [row.try_get("gpus")?, row.try_get("weight")?]));
    }
    Ok(used)
}

/// The part of one queue, in what the budget counts.
fn part(queue: &QueueName, share: BudgetShare, resource: Resource, used: &Used) -> BudgetUse {
    let counted = |[gpus, weight]: [i64; 2]| match resource {
        Resource::Gpus => Amount(gpus.cast_unsigned()),
        Resource::Weight => Amount(weight.cast_unsigned()),
    };
    let users = used.get(queue).into_iter().flatten().map(|(user, amounts)| (user.clone(), counted(*amounts)));
    let users: BTreeMap<String, Amount> = users.filter(|(_, amount)| *amount > Amount::default()).collect();
    BudgetUse { queue: queue.clone(), guaranteed: share.guaranteed, used: users.values().copied().sum(), users }
}

impl Store {
    /// One budget.
    pub async fn budget(&self, name: &BudgetName) -> Result<Option<BudgetRecord>> {
        Ok(self.budgets().await?.into_iter().find(|budget| budget.name == *name))
    }

    /// All budgets, by name, with what is used of each now.
    pub async fn budgets(&self) -> Result<Vec<BudgetRecord>> {
        let rows = sql::query("select * from budget order by name").fetch_all(&self.readers).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let queues = rules(&sql::query(NAMING).fetch_all(&self.readers).await?)?;
        let names: Vec<&QueueName> = queues.keys().collect();
        let rows_of_use = sql::query(USED).bind(sql::list(names)).fetch_all(&self.readers).await?;
        let used = used(&rows_of_use)?;
        rows.iter()
            .map(|row| {
                let name: BudgetName = parse("budget", 0, row.try_get("name")?)?;
                let doc: String = row.try_get("doc")?;
                let rules: BudgetRules = parse_json("budget", 0, &doc)?;
                let shares = queues.iter().filter_map(|(queue, of)| Some((queue, *of.budgets.get(&name)?)));
                Ok(BudgetRecord {
                    queues: shares.map(|(queue, share)| part(queue, share, rules.resource, &used)).collect(),
                    name,
                    doc,
                    rules,
                    revision: row.try_get("revision")?,
                    created_at: UnixMs(row.try_get("created_at")?),
                    updated_at: UnixMs(row.try_get("updated_at")?),
                })
            })
            .collect()
    }
}
