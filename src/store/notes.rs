//! What attempts say of themselves beside their logs.

use super::{
    Store,
    error::Result,
    lease::{Refusal, parse_json},
    sql,
    start::of_agent,
    work::{Held, Work},
    writer::Transition,
};
use crate::domain::{AttemptNumber, AttemptRef, Notes, TaskId};
use std::collections::HashMap;

/// Keeps what was said last.
pub(super) const KEEP_NOTES: &str = "insert into notes each($1: task int, attempt int, doc text)
     on conflict (task, attempt) do update set doc = excluded.doc";

/// Keeps what a live attempt says of itself, in place of what it said before.
pub struct Note {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// SHA-256 of the attempt token presented.
    pub token_hash: [u8; 32],
    /// What it says.
    pub notes: Notes,
}

impl Transition for Note {
    type Output = std::result::Result<(), Refusal>;

    fn task(&self) -> TaskId {
        self.task
    }

    fn apply(&self, held: Option<&mut Held>, work: &mut Work<'_, '_>) -> Self::Output {
        of_agent(held, self.attempt, &self.token_hash)?;
        work.note(AttemptRef { task: self.task, attempt: self.attempt }, &self.notes);
        Ok(())
    }
}

impl Store {
    /// What the attempts of a task said of themselves.
    pub async fn notes(&self, task: TaskId) -> Result<HashMap<AttemptNumber, Notes>> {
        let rows = sql::query("select attempt, doc from notes where task = $1").bind(task.0).fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((AttemptNumber(row.try_get("attempt")?), parse_json("notes", task.0, row.try_get("doc")?)?))).collect()
    }

    /// What the attempts of a task before this one want it to know: the newest that said anything.
    pub async fn resume(&self, task: TaskId, attempt: AttemptNumber) -> Result<Option<String>> {
        let sql = "select {sqlite: doc ->> 'resume'; postgres: doc::json ->> 'resume'} from notes
                   where task = $1 and attempt < $2 and {sqlite: doc ->> 'resume'; postgres: doc::json ->> 'resume'} is not null
                   order by attempt desc limit 1";
        Ok(sql::query_scalar(sql).bind(task.0).bind(attempt.0).fetch_optional(&self.readers).await?)
    }
}
