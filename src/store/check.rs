//! What is known of attempts that a runner found.

use super::{
    Store,
    error::Result,
    lease::{LeaseRecord, parse},
    sql,
};
use crate::domain::{AttemptNumber, TaskId};
use uuid::Uuid;

/// What an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The live one.
    Live,
    /// Over, and none came after it.
    Ended,
    /// Another attempt, or another claim, took its place.
    Superseded,
    /// Never heard of.
    Unknown,
}

impl Known {
    /// The verdict on `attempt` of a task whose newest attempt is `newest`.
    pub(super) fn of(newest: AttemptNumber, lease: Option<&LeaseRecord>, attempt: AttemptNumber, claim: Uuid) -> Self {
        match lease {
            _ if attempt > newest || attempt == AttemptNumber::NONE => Known::Unknown,
            Some(lease) if lease.attempt.attempt == attempt && lease.claim == claim => Known::Live,
            None if attempt == newest => Known::Ended,
            _ => Known::Superseded,
        }
    }
}

impl Store {
    /// The verdicts on attempts, in the order asked.
    pub async fn check(&self, items: &[(TaskId, AttemptNumber, Uuid)]) -> Result<Vec<Known>> {
        let ids: Vec<i64> = items.iter().map(|(task, ..)| task.0).collect();
        let rows = sql::query(
            "select t.id, l.attempt as live, l.claim, coalesce(l.attempt, w.attempt, r.attempt, t.attempt) as newest
             from task t
             left join lease l on l.task = t.id left join waiting w on w.task = t.id
             left join ready r on r.task = t.id where t.id in list($1: int)",
        )
        .bind(sql::list(ids))
        .fetch_all(&self.readers)
        .await?;
        let mut known = std::collections::HashMap::new();
        for row in &rows {
            let id: i64 = row.try_get("id")?;
            let claim: Option<Uuid> = row.try_get::<Option<&str>>("claim")?.map(|c| parse("lease", id, c)).transpose()?;
            let live: Option<u32> = row.try_get("live")?;
            known.insert(TaskId(id), (AttemptNumber(row.try_get("newest")?), live.map(AttemptNumber).zip(claim)));
        }
        let verdict = |(task, attempt, claim): &(TaskId, AttemptNumber, Uuid)| match known.get(task) {
            None => Known::Unknown,
            Some((newest, _)) if attempt > newest || *attempt == AttemptNumber::NONE => Known::Unknown,
            Some((_, Some(live))) if *live == (*attempt, *claim) => Known::Live,
            Some((newest, None)) if attempt == newest => Known::Ended,
            Some(_) => Known::Superseded,
        };
        Ok(items.iter().map(verdict).collect())
    }
}
