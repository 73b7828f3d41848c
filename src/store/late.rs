//! Logs that are still on their way when their attempt has ended.

use super::{
    Store,
    error::Result,
    record::AttemptRecord,
    sql::{self, Cells, cells},
    tasks::read_attempt,
    writer::{Statement, Tx},
};
use crate::domain::{AttemptNumber, AttemptRef, End, FailureClass, TaskId};
use std::collections::BTreeSet;

impl AttemptRecord {
    /// Whether it ended by what its agent reported. An end that others brought about has neither exit code nor signal; nor has
    /// that of a command which never started.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        self.ended.as_ref().is_some_and(|(outcome, log_complete)| {
            let seen = outcome.result.exit_code.or(outcome.result.signal).is_some();
            seen || match outcome.end {
                End::Succeeded => true,
                End::Cancelled => log_complete.is_some(),
                End::Failed(class, _) => !matches!(class, FailureClass::Lost | FailureClass::Infra),
            }
        })
    }

    /// Whether the rest of its log may still come: its agent reported the result and was then cut off for longer than an end
    /// waits for a log. An agent keeps what it has for `patience_ms`, and so long is it listened to. `up` is the uptime now.
    #[must_use]
    pub fn awaits_log(&self, up: i64, patience_ms: u64) -> bool {
        let incomplete = matches!(self.ended, Some((_, Some(false))));
        let until = self.ended_up.map(|ended| ended.saturating_add_unsigned(patience_ms));
        incomplete && self.is_reported() && until.is_some_and(|until| up < until)
    }
}

/// Records that the log of an ended attempt has become whole. State and result stay.
pub struct CompleteLog(pub AttemptRef);

impl Statement for CompleteLog {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        let rows = || batch.iter().map(|CompleteLog(of)| cells![of.task, of.attempt]).collect();
        tx.each(
            "update attempt set log_complete = 1 from each($1: of_task int, of_attempt int) j
             where attempt.task = j.of_task and attempt.attempt = j.of_attempt and attempt.log_complete = 0",
            rows(),
        )
        .await?;
        tx.each(
            "update task set log_complete = 1 from each($1: of_task int, of_attempt int) j
             where task.id = j.of_task and task.attempt = j.of_attempt and task.log_complete = 0",
            rows(),
        )
        .await?;
        Ok(vec![(); batch.len()])
    }
}

impl Store {
    /// An attempt that ended; none where it lives, or is not known.
    pub async fn ended_attempt(&self, of: AttemptRef) -> Result<Option<AttemptRecord>> {
        let sql = "select a.*, a.class as end_class, a.reason as end_reason, null as doc from attempt a
                   where a.task = $1 and a.attempt = $2";
        let row = sql::query(sql).bind(of.task.0).bind(of.attempt.0).fetch_optional(&self.readers).await?;
        row.as_ref().map(|row| read_attempt(row, of.task)).transpose()
    }

    /// Which of these attempts [await their logs](AttemptRecord::awaits_log).
    pub async fn awaiting_logs(&self, of: impl IntoIterator<Item = AttemptRef>) -> Result<BTreeSet<AttemptRef>> {
        let asked: Vec<Cells> = of.into_iter().map(|of| cells![of.task, of.attempt]).collect();
        if asked.is_empty() {
            return Ok(BTreeSet::new());
        }
        let sql = "select a.*, a.class as end_class, a.reason as end_reason, null as doc
                   from each($1: of_task int, of_attempt int) j, attempt a
                   where a.task = j.of_task and a.attempt = j.of_attempt and a.log_complete = 0";
        let (up, patience) = (self.uptime().now(), self.times.finish_retry_ms);
        let mut awaiting = BTreeSet::new();
        for row in sql::query(sql).bind(asked).fetch_all(&self.readers).await? {
            let task = TaskId(row.try_get("task")?);
            let record = read_attempt(&row, task)?;
            if record.awaits_log(up, patience) {
                awaiting.insert(AttemptRef { task, attempt: AttemptNumber(row.try_get("attempt")?) });
            }
        }
        Ok(awaiting)
    }
}
