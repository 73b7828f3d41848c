//! The routes of queues.

pub(super) mod apply;
mod check;
pub(super) mod delete;
pub(super) mod drain;
pub(super) mod get;
pub(super) mod pause;
pub(super) mod render;
pub(super) mod revisions;
mod stats;

use super::{
    error::{ApiError, ApiResult, invalid},
    etag,
    state::App,
};
use crate::{
    domain::{BudgetName, QueueName, did_you_mean},
    store::{BudgetFault, QueueRefusal},
    wire::{FieldError, Problem, ProblemCode},
};
use axum::http::HeaderMap;

impl App {
    /// The revision that `If-Match` or `If-None-Match: *` asks for; 0 asks that there is none yet.
    async fn wanted(&self, name: &QueueName, headers: &HeaderMap) -> ApiResult<Option<i64>> {
        if etag::must_exist(headers) {
            let known = self.store.queue(name).await?.ok_or_else(|| refused(name, QueueRefusal::Revision(0)))?;
            return Ok(Some(known.revision));
        }
        etag::wanted(headers)
    }
}

pub(super) fn refused(name: &QueueName, refusal: QueueRefusal) -> ApiError {
    match refusal {
        QueueRefusal::NotFound => {
            Problem::new(ProblemCode::QueueNotFound).detail(format!("There is no queue {name}.")).hint("slipway queue ls")
        }
        QueueRefusal::Revision(0) => Problem::new(ProblemCode::PreconditionFailed).detail(format!("There is no queue {name}.")),
        QueueRefusal::Revision(now) => Problem::new(ProblemCode::PreconditionFailed)
            .detail(format!("Queue {name} is at revision {now}."))
            .hint("Read it again, then apply your change."),
        QueueRefusal::Busy => Problem::new(ProblemCode::Conflict)
            .detail(format!("Queue {name} has tasks that have not ended."))
            .hint("Cancel them, or wait for them, then delete the queue."),
        QueueRefusal::Kept(by) => Problem::new(ProblemCode::Conflict)
            .detail(format!("Queue {name} is kept by {by} (managedBy)."))
            .hint("Change it there, or take it over: slipway queue apply --force, ?force=true in the API."),
        QueueRefusal::Budgets(faults) => return unfit(&faults, &[]),
    }
    .into()
}

/// The budgets that a queue cannot name as it does; `known` are those that exist.
fn unfit(faults: &[BudgetFault], known: &[BudgetName]) -> ApiError {
    let told = |BudgetFault { budget, over }: &BudgetFault| {
        if let Some((sum, max)) = over {
            let message = format!("its queues would be guaranteed {sum} together, and its max is {max}");
            return FieldError { pointer: format!("/budgets/{budget}/guaranteed"), message };
        }
        let near = did_you_mean(budget.as_str(), known.iter().map(BudgetName::as_str));
        let meant = near.map_or("make it first: slipway budget set NAME --max N".to_owned(), |near| format!("did you mean {near:?}?"));
        FieldError { pointer: format!("/budgets/{budget}"), message: format!("there is no budget {budget}; {meant}") }
    };
    invalid(faults.iter().map(told).collect())
}
