//! The routes of budgets.

pub(super) mod apply;
pub(super) mod delete;
pub(super) mod get;

use super::{
    error::{ApiError, ApiResult, invalid},
    etag,
    state::App,
};
use crate::{
    domain::{BudgetName, QueueName},
    store::BudgetRefusal,
    wire::{FieldError, Problem, ProblemCode},
};
use axum::http::HeaderMap;

impl App {
    /// The revision that a change of a budget asks for.
    async fn wanted_of_budget(&self, name: &BudgetName, headers: &HeaderMap) -> ApiResult<Option<i64>> {
        if etag::must_exist(headers) {
            let known = self.store.budget(name).await?.ok_or_else(|| refused(name, BudgetRefusal::Revision(0)))?;
            return Ok(Some(known.revision));
        }
        etag::wanted(headers)
    }
}

fn refused(name: &BudgetName, refusal: BudgetRefusal) -> ApiError {
    match refusal {
        BudgetRefusal::NotFound => {
            Problem::new(ProblemCode::BudgetNotFound).detail(format!("There is no budget {name}.")).hint("slipway budget ls")
        }
        BudgetRefusal::Revision(0) => Problem::new(ProblemCode::PreconditionFailed).detail(format!("There is no budget {name}.")),
        BudgetRefusal::Revision(now) => Problem::new(ProblemCode::PreconditionFailed)
            .detail(format!("Budget {name} is at revision {now}."))
            .hint("Read it again, then apply your change."),
        BudgetRefusal::Named(queues) => {
            let names = queues.iter().map(QueueName::as_str).collect::<Vec<_>>().join(", ");
            Problem::new(ProblemCode::Conflict)
                .detail(format!("Budget {name} is named by: {names}."))
                .hint("Take it out of `budgets` of these queues, then delete it.")
        }
        BudgetRefusal::Guaranteed(sum) => {
            let message = format!("its queues are guaranteed {sum} together, so it cannot hold less");
            return invalid(vec![FieldError { pointer: "/max".to_owned(), message }]);
        }
    }
    .into()
}
