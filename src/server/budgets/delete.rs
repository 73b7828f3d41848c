//! `DELETE /budgets/{name}`.

use super::refused;
use crate::{
    server::{auth::Principal, body::Path, error::ApiResult, state::App},
    store::DeleteBudget,
    wire::{BudgetName, Problem},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};

/// Deletes a budget that no queue names.
#[utoipa::path(delete, path = "/api/v1/budgets/{name}", operation_id = "deleteBudget", tag = "budgets", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn delete(
    State(app): State<App>,
    principal: Principal,
    Path(name): Path<BudgetName>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    let if_revision = app.wanted_of_budget(&name, &headers).await?;
    let delete = DeleteBudget { name: name.clone(), by: principal.user, if_revision };
    app.store.run(delete).await?.map_err(|refusal| refused(&name, refusal))?;
    Ok(StatusCode::NO_CONTENT)
}
