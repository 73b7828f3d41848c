//! What runners saw of attempts, and what it tells of those that have just ended.

use super::{
    Store,
    error::Result,
    lease::parse_json,
    sql,
    writer::{Statement, Tx},
};
use crate::domain::{AttemptRef, Evidence, FailureClass, Reason};
use serde_json::json;
use uuid::Uuid;

/// Keeps what was seen last.
pub(super) const KEEP_EVIDENCE: &str = "insert into evidence each($1: task int, attempt int, doc text, seen_at int)
     on conflict (task, attempt) do update set doc = excluded.doc, seen_at = excluded.seen_at";
/// Drops what nobody will ask for.
pub(super) const FORGET_EVIDENCE: &str = "delete from evidence using each($1: id int, nr int) j where task = j.id and attempt = j.nr";

/// What a runner saw of an attempt that ended a short while ago: kept with it where it did not succeed. It may give the
/// end a better reason; class and state never change, and a later end of the task is not touched.
pub struct Refine {
    /// The attempt.
    pub attempt: AttemptRef,
    /// Its claim.
    pub claim: Uuid,
    /// What carried it, which must be what started it, if anything did.
    pub uid: Option<String>,
    /// What was seen.
    pub evidence: Evidence,
    /// The class and reason that the end must have, and the better reason.
    pub better: Option<(FailureClass, Reason, Reason)>,
}

/// The attempt where it ended within the time and did not succeed. Of one that never started what was seen at its end says why; what
/// comes of its objects later is the runner's own doing.
const JUST_ENDED: &str = "insert into evidence (task, attempt, doc, seen_at)
     select a.task, a.attempt, $5, $6 from attempt a
     where a.task = $1 and a.attempt = $2 and a.claim = $3
       and (a.uid = $4 or (a.uid is null and not exists (select 1 from evidence e where e.task = a.task and e.attempt = a.attempt)))
       and a.ended_up >= $7 and a.state is distinct from 'succeeded'
     on conflict (task, attempt) do update set doc = excluded.doc, seen_at = excluded.seen_at";
const BETTER_ATTEMPT: &str =
    "update attempt set reason = $5 where task = $1 and attempt = $2 and state = 'failed' and class = $3 and reason = $4";
const BETTER_TASK: &str = "update task set reason = $5 where id = $1 and attempt = $2 and state = 'failed' and class = $3 and reason = $4";

impl Statement for Refine {
    /// Whether the attempt is one that ended a short while ago, so that anything was kept.
    type Output = bool;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<bool>> {
        let mut answers = Vec::with_capacity(batch.len());
        for refine in batch {
            answers.push(refine.one(tx).await?);
        }
        Ok(answers)
    }
}

impl Refine {
    async fn one(&self, tx: &mut Tx<'_>) -> Result<bool> {
        let window = i64::try_from(tx.times.refine_ms).unwrap_or(i64::MAX);
        let AttemptRef { task, attempt } = self.attempt;
        let kept = sql::query(JUST_ENDED)
            .bind(task.0)
            .bind(attempt.0)
            .bind(self.claim.to_string())
            .bind(&self.uid)
            .bind(json!(self.evidence).to_string())
            .bind(tx.now.0)
            .bind(tx.up.now().saturating_sub(window))
            .execute(&mut *tx.conn)
            .await?;
        if kept == 0 {
            return Ok(false);
        }
        if let Some((class, from, to)) = self.better {
            for sql in [BETTER_ATTEMPT, BETTER_TASK] {
                sql::query(sql)
                    .bind(task.0)
                    .bind(attempt.0)
                    .bind(class.as_str())
                    .bind(from.as_str())
                    .bind(to.as_str())
                    .execute(&mut *tx.conn)
                    .await?;
            }
        }
        Ok(true)
    }
}

impl Store {
    /// What a runner saw of an attempt last; none where nothing was, or it succeeded.
    pub async fn evidence(&self, of: AttemptRef) -> Result<Option<Evidence>> {
        let doc: Option<String> = sql::query_scalar("select doc from evidence where task = $1 and attempt = $2")
            .bind(of.task.0)
            .bind(of.attempt.0)
            .fetch_optional(&self.readers)
            .await?;
        doc.map(|doc| parse_json("evidence", of.task.0, &doc)).transpose()
    }
}
