//! The routes of agents: start, heartbeat, log, finish. Liveness is checked before the token: whoever speaks for an
//! attempt that is not live hears `409`, which is the one answer (beside `410`) that an agent obeys by stopping.

pub(super) mod finish;
pub(super) mod heartbeat;
mod late;
pub(super) mod log;
pub(super) mod notes;
pub(super) mod output;
pub(super) mod start;
pub(super) mod upload;

use super::{
    auth::whose,
    error::{ApiError, ApiResult, refused},
    state::App,
};
use crate::{
    domain::{AttemptRef, Role},
    store::{LeaseRecord, Refusal},
    wire::{AttemptNumber, Problem, ProblemCode, TaskId},
};
use serde::Deserialize;
use uuid::Uuid;

/// The attempt in the path.
#[derive(Clone, Copy, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct AttemptPath {
    /// The task.
    #[param(value_type = i64)]
    task: TaskId,
    /// The attempt.
    #[param(value_type = u32)]
    n: AttemptNumber,
}

impl AttemptPath {
    fn attempt(self) -> AttemptRef {
        AttemptRef { task: self.task, attempt: self.n }
    }
}

impl App {
    /// The lease of a live attempt whose token this is.
    async fn live(&self, attempt: AttemptRef, token_hash: &[u8; 32]) -> ApiResult<LeaseRecord> {
        match self.store.lease(attempt.task).await? {
            Some(lease) if lease.attempt == attempt => {
                if lease.has_token(token_hash) {
                    Ok(lease)
                } else {
                    Err(refused(Refusal::WrongToken))
                }
            }
            _ => Err(self.not_live(attempt).await?),
        }
    }

    /// The lease of a live attempt that has no agent, for the runner that holds it by `claim`.
    async fn live_agentless(&self, attempt: AttemptRef, claim: Uuid, token: &str) -> ApiResult<LeaseRecord> {
        let lease = self.store.lease(attempt.task).await?.filter(|lease| lease.attempt == attempt && lease.claim == claim);
        let Some(lease) = lease else { return Err(self.not_live(attempt).await?) };
        let known = whose(self, Some(token), None).await?;
        let queue = self.store.task(attempt.task).await?.map(|task| task.spec.queue);
        if !queue.is_some_and(|queue| known.rights.include_in(Role::Runner, &queue)) {
            return Err(ProblemCode::Forbidden.into());
        }
        if !self.store.task(attempt.task).await?.is_some_and(|task| task.spec.is_agentless()) {
            let detail = "The attempt has an agent, which alone sends its log.";
            return Err(Problem::new(ProblemCode::Forbidden).detail(detail).into());
        }
        Ok(lease)
    }

    /// Why an attempt is not live, with the state of its task.
    pub(super) async fn not_live(&self, attempt: AttemptRef) -> ApiResult<ApiError> {
        let Some(task) = self.store.task(attempt.task).await? else { return Ok(refused(Refusal::NotFound)) };
        if attempt.attempt > task.attempt || attempt.attempt == AttemptNumber::NONE {
            return Ok(refused(Refusal::NotFound));
        }
        let mut error = refused(Refusal::Superseded);
        error.0.state = Some(task.state);
        Ok(error)
    }
}
