//! What of each log survives a crash. The bytes are files (`blob`); these rows say how far they can be trusted.

use super::{
    Store,
    error::Result,
    flush::last_of,
    lease::parse_json,
    sql::{self, Row, cells},
    writer::{Statement, Tx},
};
use crate::domain::AttemptRef;
use serde_json::json;

/// How far a log is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogMark {
    /// The attempt.
    pub attempt: AttemptRef,
    /// Which of its pods.
    pub member: u32,
    /// Every byte before it survives a crash.
    pub durable: u64,
    /// CRC-32C of those bytes; none once bytes were lost.
    pub crc: Option<u32>,
    /// Lost ranges: offset and length.
    pub gaps: Vec<(u64, u64)>,
    /// Whose objects hold it: from which offset on, and the writer's tag. Empty where no object store holds it.
    pub stints: Vec<(u64, u64)>,
}

/// Records how far logs are on disk. A mark that comes late, from a sync that others overtook, changes nothing: what was
/// recorded as durable stays so.
pub struct MarkLogs(pub Vec<LogMark>);

impl Statement for MarkLogs {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        let mut marks: Vec<&LogMark> = batch.iter().flat_map(|marks| &marks.0).collect();
        marks.sort_by_key(|m| m.durable);
        let rows = marks.into_iter().map(|m| {
            cells![m.attempt.task, m.attempt.attempt, m.member, m.durable, m.crc, json!(m.gaps).to_string(), json!(m.stints).to_string()]
        });
        let rows = last_of(rows, 3);
        tx.each(
            "insert into log each($1: task int, attempt int, member int, durable int, crc int, gaps text, stints text)
             on conflict (task, attempt, member) do update set durable = excluded.durable, crc = excluded.crc, gaps = excluded.gaps,
             stints = excluded.stints
             where excluded.durable >= log.durable",
            rows,
        )
        .await?;
        Ok(vec![(); batch.len()])
    }
}

impl Store {
    /// How far one log is on disk; none where nothing of it was recorded.
    pub async fn log_mark(&self, attempt: AttemptRef, member: u32) -> Result<Option<LogMark>> {
        let row = sql::query("select * from log where task = $1 and attempt = $2 and member = $3")
            .bind(attempt.task.0)
            .bind(attempt.attempt.0)
            .bind(member)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(|row| read(row, attempt)).transpose()
    }
}

pub(super) fn read(row: &Row, attempt: AttemptRef) -> Result<LogMark> {
    Ok(LogMark {
        attempt,
        member: row.try_get("member")?,
        durable: row.try_get::<i64>("durable")?.cast_unsigned(),
        crc: row.try_get("crc")?,
        gaps: parse_json("log", attempt.task.0, row.try_get("gaps")?)?,
        stints: parse_json("log", attempt.task.0, row.try_get("stints")?)?,
    })
}
