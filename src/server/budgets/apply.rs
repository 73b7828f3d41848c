//! `PUT /budgets/{name}`: create or replace a budget.

use super::refused;
use crate::{
    server::{
        auth::Principal,
        body::{Json, Path},
        convert,
        error::{ApiResult, valid},
        etag::etag,
        state::App,
    },
    store::{ApplyBudget, BudgetRefusal},
    wire::{Budget, BudgetName, FieldError, NewBudget, Problem, ProblemCode},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Creates a budget, or replaces it. The same document changes nothing. What runs goes on, also where more is used than a
/// lower `max`. `If-Match` asks for a revision, `If-None-Match: *` that it is new.
#[utoipa::path(put, path = "/api/v1/budgets/{name}", operation_id = "applyBudget", tag = "budgets", params(("name" = String, Path)),
    request_body = NewBudget, responses((status = 200, body = Budget), (status = 201, body = Budget), (status = 412, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn apply(
    State(app): State<App>,
    principal: Principal,
    Path(name): Path<BudgetName>,
    headers: HeaderMap,
    Json { value: mut budget, .. }: Json<NewBudget>,
) -> ApiResult<Response> {
    check(&name, &budget)?;
    budget.name = None;
    let doc = serde_json::to_string(&budget).map_err(|_| ProblemCode::Internal)?;
    let if_revision = app.wanted_of_budget(&name, &headers).await?;
    let apply = ApplyBudget { name: name.clone(), doc, by: principal.user, if_revision };
    let created = app.store.run(apply).await?.map_err(|refusal| refused(&name, refusal))?;
    let record = app.store.budget(&name).await?.ok_or_else(|| refused(&name, BudgetRefusal::NotFound))?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, [(header::ETAG, etag(record.revision))], axum::Json(convert::budget(&record))).into_response())
}

fn check(name: &BudgetName, budget: &NewBudget) -> ApiResult<()> {
    let mut errors = Vec::new();
    let mut rule = |ok: bool, pointer: &str, message: String| {
        if !ok {
            errors.push(FieldError { pointer: pointer.to_owned(), message });
        }
    };
    if let Some(given) = &budget.name {
        rule(given == name, "/name", format!("the path says {name}, the body {given}"));
    }
    rule(budget.description.as_ref().is_none_or(|d| d.len() <= 1000), "/description", "at most 1,000 bytes".into());
    valid(errors)
}
