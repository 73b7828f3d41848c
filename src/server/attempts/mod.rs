//! The routes of agents: start, heartbeat, log, finish. Liveness is checked before the token: whoever speaks for an
//! attempt that is not live hears `409`, which is the one answer (beside `410`) that an agent obeys by stopping.

pub(super) mod finish;
pub(super) mod heartbeat;
pub(super) mod log;
pub(super) mod start;

use super::{
    error::{ApiError, ApiResult, refused},
    state::App,
};
use crate::{
    domain::AttemptRef,
    store::{LeaseRecord, Refusal},
    wire::{AttemptNumber, TaskId},
};
use serde::Deserialize;

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
