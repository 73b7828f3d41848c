//! `GET /budgets` and `GET /budgets/{name}`.

use super::refused;
use crate::{
    server::{
        body::Path,
        convert,
        error::ApiResult,
        etag::{etag, is_known},
        state::App,
    },
    store::BudgetRefusal,
    wire::{Budget, BudgetList, BudgetName, Problem},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

/// All budgets, by name, with what is used of each now.
#[utoipa::path(get, path = "/api/v1/budgets", operation_id = "listBudgets", tag = "budgets", responses((status = 200, body = BudgetList)))]
pub(crate) async fn list(State(app): State<App>) -> ApiResult<axum::Json<BudgetList>> {
    Ok(axum::Json(BudgetList { items: app.store.budgets().await?.iter().map(convert::budget).collect() }))
}

/// One budget with what is used of it now, and the `ETag` of its revision.
#[utoipa::path(get, path = "/api/v1/budgets/{name}", operation_id = "getBudget", tag = "budgets", params(("name" = String, Path)),
    responses((status = 200, body = Budget), (status = 304), (status = 404, body = Problem)))]
pub(crate) async fn get(State(app): State<App>, Path(name): Path<BudgetName>, headers: HeaderMap) -> ApiResult<Response> {
    let record = app.store.budget(&name).await?.ok_or_else(|| refused(&name, BudgetRefusal::NotFound))?;
    let tag = etag(record.revision);
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(([(header::ETAG, tag)], axum::Json(convert::budget(&record))).into_response())
}
