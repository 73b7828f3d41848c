//! The live attempt as stored: one narrow row per active task.

use super::{
    Store,
    error::{Result, StoreError},
    sql::{self, Row},
};
use crate::domain::{AttemptNumber, AttemptRef, Outcome, Phase, QueueName, RunnerName, TaskId, UnixMs};
use uuid::Uuid;

/// The live attempt of an active task.
#[derive(Clone, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Which attempt.
    pub attempt: AttemptRef,
    /// The task's queue.
    pub queue: QueueName,
    /// Who holds it.
    pub runner: RunnerName,
    /// The claim it belongs to.
    pub claim: Uuid,
    /// What it takes of the runner's GPUs.
    pub gpus: u32,
    /// The installation that it began under, where that was before a restore: its objects bear that name.
    pub instance: Option<String>,
    /// The furthest phase reported.
    pub phase: Option<Phase>,
    /// When it was claimed.
    pub claimed_at: UnixMs,
    /// Uptime in ms at which an unstarted attempt goes back to the queue; none once it started. Later than its claim alone
    /// would hold where what carries it was seen.
    pub expires_up: Option<i64>,
    /// The right to start it, in clear until the first heartbeat.
    pub start_token: Option<String>,
    /// What started it.
    pub uid: Option<String>,
    /// The memory of the agent that started it.
    pub nonce: Option<Uuid>,
    /// SHA-256 of the attempt token.
    pub token_hash: Option<Vec<u8>>,
    /// When it started.
    pub started_at: Option<UnixMs>,
    /// Whether its agent stops its command by itself once it gets no answer.
    pub self_stop: bool,
    /// Who asked to stop it, and when; the uptime of the request.
    pub cancel: Option<CancelRequest>,
    /// The first result.
    pub result: Option<Outcome>,
    /// The length and CRC-32C of the whole log, as the result named them; none where a runner reported it.
    pub log: Option<(u64, u32)>,
    /// Uptime in ms at which the result counts although its log is not complete.
    pub settle_up: Option<i64>,
}

/// A request to stop a live attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelRequest {
    /// Who asked.
    pub by: String,
    /// When.
    pub at: UnixMs,
    /// The same as uptime in ms.
    pub up: i64,
}

impl std::fmt::Debug for LeaseRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither token stands in it, so that no log line ever shows one.
        f.debug_struct("LeaseRecord").field("attempt", &self.attempt).field("phase", &self.phase).finish_non_exhaustive()
    }
}

/// Why an attempt route is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such task, or it never had such an attempt.
    NotFound,
    /// The attempt is not the live one, or another agent started it.
    Superseded,
    /// The task was cancelled before the attempt started.
    Cancelled,
    /// It is live and the credential is not its own.
    WrongToken,
}

/// The columns of a lease under the alias `l`, with what stands before and after them.
macro_rules! lease_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " l.task, l.attempt, l.queue, l.runner, l.claim, l.gpus, l.instance, l.phase, l.claimed_at, l.expires_up, l.start_token, l.uid, l.nonce,",
            " l.token_hash, l.started_at, l.self_stop, l.cancel_by, l.cancel_at, l.cancel_up, l.result, l.log_bytes, l.log_crc, l.settle_up ",
            $after
        )
    };
}
pub(super) use lease_columns;

/// The lease of a task.
pub(super) const LEASE: &str = lease_columns!("select", "from lease l where l.task = $1");
/// All leases.
pub(super) const LEASES: &str = lease_columns!("select", "from lease l order by l.task");
/// The leases of a runner.
pub(super) const LEASES_OF: &str = lease_columns!("select", "from lease l where l.runner = $1 order by l.task");

/// Reads a row's text into a type, naming table and row where it does not fit.
pub(super) fn parse<T: std::str::FromStr>(table: &'static str, id: i64, text: &str) -> Result<T> {
    text.parse().map_err(|_| StoreError::Corrupt { table, id, what: format!("{text:?} cannot be read") })
}

/// The same for JSON.
pub(super) fn parse_json<T: serde::de::DeserializeOwned>(table: &'static str, id: i64, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt { table, id, what: e.to_string() })
}

impl LeaseRecord {
    pub(super) fn read(row: &Row) -> Result<Self> {
        let task: i64 = row.try_get("task")?;
        let text = |name: &str| row.try_get::<Option<String>>(name);
        let int = |name: &str| row.try_get::<Option<i64>>(name);
        let claim: String = row.try_get("claim")?;
        let cancel = match (text("cancel_by")?, int("cancel_at")?, int("cancel_up")?) {
            (Some(by), Some(at), Some(up)) => Some(CancelRequest { by, at: UnixMs(at), up }),
            _ => None,
        };
        Ok(Self {
            attempt: AttemptRef { task: TaskId(task), attempt: AttemptNumber(row.try_get("attempt")?) },
            queue: parse("lease", task, row.try_get("queue")?)?,
            runner: parse("lease", task, row.try_get("runner")?)?,
            claim: parse("lease", task, &claim)?,
            gpus: row.try_get("gpus")?,
            instance: text("instance")?,
            phase: text("phase")?.map(|p| parse("lease", task, &p)).transpose()?,
            claimed_at: UnixMs(row.try_get("claimed_at")?),
            expires_up: int("expires_up")?,
            start_token: text("start_token")?,
            uid: text("uid")?,
            nonce: text("nonce")?.map(|n| parse("lease", task, &n)).transpose()?,
            token_hash: row.try_get("token_hash")?,
            started_at: int("started_at")?.map(UnixMs),
            self_stop: row.try_get::<i64>("self_stop")? != 0,
            cancel,
            result: text("result")?.map(|r| parse_json("lease", task, &r)).transpose()?,
            log: int("log_bytes")?.zip(int("log_crc")?).map(|(bytes, crc)| (bytes.cast_unsigned(), u32::try_from(crc).unwrap_or(0))),
            settle_up: int("settle_up")?,
        })
    }

    /// Whether `token_hash` is the attempt token's, in constant time.
    #[must_use]
    pub fn has_token(&self, token_hash: &[u8; 32]) -> bool {
        use subtle::ConstantTimeEq;
        self.token_hash.as_deref().is_some_and(|own| own.ct_eq(token_hash).into())
    }
}

impl Store {
    /// The live attempt of a task, whatever its number.
    pub async fn lease(&self, task: TaskId) -> Result<Option<LeaseRecord>> {
        let row = sql::query(LEASE).bind(task.0).fetch_optional(&self.readers).await?;
        row.as_ref().map(LeaseRecord::read).transpose()
    }

    /// Every live attempt that a runner holds, by task.
    pub async fn leases_of(&self, runner: &RunnerName) -> Result<Vec<LeaseRecord>> {
        let rows = sql::query(LEASES_OF).bind(runner.as_str()).fetch_all(&self.readers).await?;
        rows.iter().map(LeaseRecord::read).collect()
    }
}
