//! `POST /tasks/{id}/move` and `POST /tasks/{id}/boost`: change whose turn comes first.

use super::{
    kin,
    path::{OfTask, TaskPath},
};
use crate::{
    server::{
        auth::Principal,
        body::Json,
        error::{ApiError, ApiResult, invalid, no_task},
        state::App,
    },
    store::{Boost, Boosted, Move, MoveTo, Moved},
    wire::{BoostRequest, FieldError, MoveEnd, MoveRequest, Problem, ProblemCode, Task, TaskId, TaskState},
};
use axum::extract::State;

/// Moves a task that is waiting or queued among its user's own tasks of the same queue and priority. Others are served
/// neither sooner nor later by it.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/move", operation_id = "moveTask", tag = "tasks", params(TaskPath),
    request_body = MoveRequest, responses((status = 200, body = Task), (status = 403, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn shift(
    State(app): State<App>,
    principal: Principal,
    OfTask(id): OfTask,
    Json { value: request, .. }: Json<MoveRequest>,
) -> ApiResult<axum::Json<Task>> {
    let task = app.record(id).await?;
    principal.may_act_on(&task)?;
    kin::no_array(&task, "place in the order", "move")?;
    let to = wanted(id, &request)?;
    match app.store.run(Move { task: id, by: principal.user, to }).await? {
        Moved::Done => Ok(axum::Json(app.task(app.record(id).await?))),
        refused => Err(unmoved(id, to, refused)),
    }
}

fn wanted(id: TaskId, request: &MoveRequest) -> ApiResult<MoveTo> {
    let wrong = |pointer: &str, message: &str| invalid(vec![FieldError { pointer: pointer.into(), message: message.into() }]);
    match (request.to, request.before, request.after) {
        (Some(MoveEnd::Front), None, None) => Ok(MoveTo::Front),
        (Some(MoveEnd::Back), None, None) => Ok(MoveTo::Back),
        (None, Some(other), None) if other != id => Ok(MoveTo::Before(other)),
        (None, None, Some(other)) if other != id => Ok(MoveTo::After(other)),
        (None, Some(_), None) => Err(wrong("/before", "a task cannot stand before itself")),
        (None, None, Some(_)) => Err(wrong("/after", "a task cannot stand behind itself")),
        _ => Err(wrong("", "say one of `to` (front or back), `before` and `after` (a task's id)")),
    }
}

fn unmoved(id: TaskId, to: MoveTo, refused: Moved) -> ApiError {
    let conflict = |detail: String| Problem::new(ProblemCode::Conflict).detail(detail);
    match refused {
        Moved::Done | Moved::NotFound => return no_task(id),
        Moved::Refused(state) => still(id, state),
        Moved::NoAnchor(other) => {
            let pointer = if matches!(to, MoveTo::Before(_)) { "/before" } else { "/after" };
            return invalid(vec![FieldError { pointer: pointer.into(), message: format!("there is no task {other}") }]);
        }
        Moved::AnchorRefused(other, state) => conflict(format!("Task {other} is {state}: it has no place in the order any more."))
            .hint("Name a task that is waiting or queued."),
        Moved::Stranger(other) => conflict(format!("Task {other} is of another user or queue than {id}."))
            .hint("Tasks are moved among those of one user in one queue; an operator can boost one before all others."),
        Moved::OtherTier(other) => {
            conflict(format!("Task {other} is served in another tier than {id}: a tier before it, whatever their ranks."))
                .hint("Give both the same priority first; a task that has been ready for hours rises by itself.")
        }
        Moved::NoRoom(first, second) => conflict(format!("There is no room left between {first} and {second}."))
            .hint(format!("Move {second} to the back or to the front, then back to its place; or move {id} to another place.")),
    }
    .into()
}

fn still(id: TaskId, state: TaskState) -> Problem {
    Problem::new(ProblemCode::Conflict)
        .detail(format!("Task {id} is {state}; only a task that is waiting or queued has a place in the order."))
}

/// Puts a task that is waiting or queued before every priority of its queue, or takes that back; of an array all its elements
/// that are waiting or queued.
#[utoipa::path(post, path = "/api/v1/tasks/{id}/boost", operation_id = "boostTask", tag = "tasks", params(TaskPath),
    request_body = BoostRequest, responses((status = 200, body = Task), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn boost(
    State(app): State<App>,
    principal: Principal,
    OfTask(id): OfTask,
    Json { value: request, .. }: Json<BoostRequest>,
) -> ApiResult<axum::Json<Task>> {
    let task = app.record(id).await?;
    let of = |task| Boost { task, by: principal.user.clone(), boost: request.boost };
    let boosted = app.store.run(of(id)).await?;
    if boosted == Boosted::Done && kin::array_of(&task).is_some() {
        kin::each_unclaimed(&app, id, of).await?;
    }
    match boosted {
        Boosted::Done => Ok(axum::Json(app.task(app.record(id).await?))),
        Boosted::NotFound => Err(no_task(id)),
        Boosted::Refused(state) => Err(still(id, state).into()),
    }
}
