//! What the store hands out, and how rows become it.

use super::{
    arrays::Place,
    dependencies,
    error::{Result, StoreError},
    lease::{LeaseRecord, parse, parse_json},
    sql::{self, Conn, Row},
};
use crate::domain::{
    AttemptNumber, AttemptResult, Dependency, End, Ending, Evidence, FailureClass, Outcome, Overrides, Phase, Priority, Reason, Resources,
    Retries, Rng, RunnerName, Setup, TaskId, TaskSpec, TaskState, UnixMs, Work, counted_gpus,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A task with everything known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRecord {
    /// Its id.
    pub id: TaskId,
    /// Who submitted it.
    pub user: String,
    /// What was submitted.
    pub spec: TaskSpec,
    /// Whether an operator put it before every priority.
    pub boosted: bool,
    /// Where it stands.
    pub state: TaskState,
    /// Its newest attempt, 0 before the first.
    pub attempt: AttemptNumber,
    /// The task it repeats.
    pub rerun_of: Option<TaskId>,
    /// The task that it belongs to; of an element its array.
    pub parent: Option<TaskId>,
    /// Where it is an array, or an element of one.
    pub place: Option<Place>,
    /// The time of day before which it is not started.
    pub not_before: Option<UnixMs>,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
    /// Uptime in ms by which it must have ended.
    pub end_up: Option<i64>,
    /// When it was submitted.
    pub created_at: UnixMs,
    /// When its newest attempt started.
    pub started_at: Option<UnixMs>,
    /// When it ended.
    pub finished_at: Option<UnixMs>,
    /// The live attempt.
    pub lease: Option<LeaseRecord>,
    /// How it ended, and whether the last attempt's log is complete.
    pub ended: Option<(Outcome, Option<bool>)>,
}

/// One attempt out of the history or the live one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Its number.
    pub attempt: AttemptNumber,
    /// Its phase.
    pub phase: Phase,
    /// Who ran it.
    pub runner: RunnerName,
    /// When it was claimed.
    pub claimed_at: UnixMs,
    /// When it started.
    pub started_at: Option<UnixMs>,
    /// When it ended.
    pub ended_at: Option<UnixMs>,
    /// The same as uptime in ms.
    pub ended_up: Option<i64>,
    /// How it ended, and whether its log is complete; none where it lives, or was given back before its start.
    pub ended: Option<(Outcome, Option<bool>)>,
    /// Why it found no place, where it was given back for that.
    pub unplaced: Option<Reason>,
    /// What its runner saw of it last.
    pub evidence: Option<Evidence>,
    /// SHA-256 of its attempt token, kept so that a repeated finish is known.
    pub token_hash: Option<Vec<u8>>,
}

/// The part of a task's description that never changes, as one JSON column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredSpec {
    pub(super) work: Work,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) env: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) resources: Resources,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timeout_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_wait_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) total_timeout_seconds: Option<u64>,
    pub(super) grace_seconds: u64,
    pub(super) retries: Retries,
    #[serde(default, skip_serializing_if = "Overrides::is_empty")]
    pub(super) overrides: Overrides,
    #[serde(default, skip_serializing_if = "Setup::is_empty")]
    pub(super) setup: Setup,
    #[serde(default, skip_serializing_if = "Ending::is_empty")]
    pub(super) ending: Ending,
}

/// The part of a task's description that the rules need; the rest, which may be long, is read over.
#[derive(Deserialize)]
pub(super) struct Limits {
    #[serde(default)]
    resources: Resources,
    #[serde(default)]
    pub(super) max_wait_seconds: Option<u64>,
    #[serde(default)]
    pub(super) total_timeout_seconds: Option<u64>,
    pub(super) retries: Retries,
    #[serde(default)]
    overrides: Counted,
}

/// What a task's variables ask for.
#[derive(Default, Deserialize)]
struct Counted {
    gpus: Option<u32>,
    weight: Option<u64>,
}

impl Limits {
    /// The weight that its variables make its pods say.
    pub(super) fn weight_by_variables(&self) -> Option<u64> {
        self.overrides.weight
    }

    /// As [`TaskSpec::gpus`].
    pub(super) fn gpus(&self) -> u32 {
        counted_gpus(self.resources, self.overrides.gpus)
    }
}

impl From<&TaskSpec> for StoredSpec {
    fn from(spec: &TaskSpec) -> Self {
        Self {
            work: spec.work.clone(),
            env: spec.env.clone(),
            resources: spec.resources,
            timeout_seconds: spec.timeout_seconds,
            max_wait_seconds: spec.max_wait_seconds,
            total_timeout_seconds: spec.total_timeout_seconds,
            grace_seconds: spec.grace_seconds,
            retries: spec.retries,
            overrides: spec.overrides.clone(),
            setup: spec.setup.clone(),
            ending: spec.ending.clone(),
        }
    }
}

/// The priority of a band.
pub(super) fn band_priority(band: i64) -> Priority {
    Priority::ALL.iter().copied().find(|p| p.band() == band).unwrap_or_default()
}

/// The end written in a row with `state`, `end_class` and `end_reason`; none where `state` is null.
pub(super) fn terminal(row: &Row, id: i64) -> Result<Option<End>> {
    let Some(state) = row.try_get::<Option<&str>>("state")? else { return Ok(None) };
    let class: Option<FailureClass> = row.try_get::<Option<&str>>("end_class")?.map(|c| parse("task", id, c)).transpose()?;
    let reason: Option<Reason> = row.try_get::<Option<&str>>("end_reason")?.map(|r| parse("task", id, r)).transpose()?;
    match (parse("task", id, state)?, class, reason) {
        (TaskState::Succeeded, ..) => Ok(Some(End::Succeeded)),
        (TaskState::Cancelled, ..) => Ok(Some(End::Cancelled)),
        (TaskState::Failed, Some(class), Some(reason)) => Ok(Some(End::Failed(class, reason))),
        (other, ..) => Err(StoreError::Corrupt { table: "task", id, what: format!("{other} without class and reason") }),
    }
}

/// The end with its raw result: the columns of [`terminal`], `message`, `exit_code`, `signal` and `log_complete`.
pub(super) fn outcome(row: &Row, id: i64) -> Result<Option<(Outcome, Option<bool>)>> {
    let Some(end) = terminal(row, id)? else { return Ok(None) };
    let result = AttemptResult {
        exit_code: row.try_get("exit_code")?,
        signal: row.try_get("signal")?,
        message: row.try_get("message")?,
        ..AttemptResult::default()
    };
    Ok(Some((Outcome { end, result }, row.try_get("log_complete")?)))
}

impl TaskRecord {
    pub(super) fn read(row: &Row) -> Result<Self> {
        let id: i64 = row.try_get("id")?;
        let stored: StoredSpec = parse_json("task", id, row.try_get("spec")?)?;
        let lease = row.try_get::<Option<i64>>("task")?.map(|_| LeaseRecord::read(row)).transpose()?;
        let ended = outcome(row, id)?;
        let waiting: Option<u32> = row.try_get("waiting_attempt")?;
        let place = Place::read(row, id)?;
        let (state, attempt) = match (&ended, &lease, waiting) {
            (None, ..) if let Some(Place::Array(array)) = &place => (array.counts.state(), AttemptNumber::NONE),
            (Some((outcome, _)), ..) => (outcome.end.state(), AttemptNumber(row.try_get("last_attempt")?)),
            (None, Some(lease), _) => (TaskState::Active, lease.attempt.attempt),
            (None, None, Some(attempt)) => (TaskState::Waiting, AttemptNumber(attempt)),
            (None, None, None) => (TaskState::Queued, AttemptNumber(row.try_get::<Option<u32>>("ready_attempt")?.unwrap_or(0))),
        };
        let started_at = row.try_get::<Option<i64>>("task_started_at")?.map(UnixMs);
        Ok(Self {
            id: TaskId(id),
            user: row.try_get("usr")?,
            spec: TaskSpec {
                name: row.try_get("name")?,
                queue: parse("task", id, row.try_get("task_queue")?)?,
                labels: parse_json("task", id, row.try_get("labels")?)?,
                priority: band_priority(row.try_get("band")?),
                work: stored.work,
                env: stored.env,
                resources: stored.resources,
                timeout_seconds: stored.timeout_seconds,
                max_wait_seconds: stored.max_wait_seconds,
                total_timeout_seconds: stored.total_timeout_seconds,
                grace_seconds: stored.grace_seconds,
                retries: stored.retries,
                overrides: stored.overrides,
                setup: stored.setup,
                ending: stored.ending,
            },
            boosted: row.try_get("boosted")?,
            state,
            attempt,
            rerun_of: row.try_get::<Option<i64>>("rerun_of")?.map(TaskId),
            parent: row.try_get::<Option<i64>>("parent")?.map(TaskId),
            place,
            not_before: row.try_get::<Option<i64>>("not_before")?.map(UnixMs),
            dependencies: dependencies::read(id, row.try_get("dependencies")?)?,
            end_up: row.try_get("end_up")?,
            created_at: UnixMs(row.try_get("created_at")?),
            started_at: lease.as_ref().map_or(started_at, |l| l.started_at),
            finished_at: row.try_get::<Option<i64>>("finished_at")?.map(UnixMs),
            lease,
            ended,
        })
    }

    /// How long its command may run that starts at uptime `up`, in seconds: by its own limit and by what is left of the time
    /// that the task may take in all.
    #[must_use]
    pub fn time_limit(&self, up: i64) -> Option<u64> {
        let left = self.end_up.map(|end| u64::try_from(end.saturating_sub(up)).unwrap_or(0).div_ceil(1_000).max(1));
        [self.spec.timeout_seconds, left].into_iter().flatten().min()
    }
}

/// The installation's five characters, minted once with the database.
pub(super) async fn instance(conn: &mut Conn, rng: &dyn Rng) -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let minted: String = (0..5).map(|_| char::from(LETTERS[usize::try_from(rng.below(32)).unwrap_or(0)])).collect();
    sql::query("insert into meta (key, value) values ('instance', $1) on conflict (key) do nothing")
        .bind(minted)
        .execute(&mut *conn)
        .await?;
    Ok(sql::query_scalar("select value from meta where key = 'instance'").fetch_one(conn).await?)
}
