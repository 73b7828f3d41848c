//! Parents and arrays: what a request says of them, checked.

use crate::{
    domain::{
        ArraySpec, Indices, Role, TaskId,
        array::{MAX_ELEMENTS, MAX_INDEX},
    },
    server::{
        auth::Principal,
        error::{ApiError, ApiResult, invalid, no_task},
        state::App,
    },
    store::{ArrayRecord, NoParent, Operation, Parent, Place, TaskRecord},
    wire::{FieldError, NewArray, Problem, ProblemCode},
};
use futures::future::join_all;

/// The parent that a submit names: one of the caller's own, for an operator anybody's.
pub(super) fn parent(principal: &Principal, id: TaskId) -> Parent {
    Parent { id, of: (!principal.rights.include(Role::Operator)).then(|| principal.user.clone()) }
}

/// Why a task takes no children, as a problem.
pub(super) fn no_parent(id: TaskId, why: &NoParent) -> ApiError {
    let problem =
        match why {
            NoParent::Absent => return no_task(id),
            NoParent::Foreign(user) => Problem::new(ProblemCode::Forbidden)
                .detail(format!("Task {id} belongs to {user}; to submit a child of it needs the role operator.")),
            NoParent::Ended(state) => Problem::new(ProblemCode::Conflict)
                .detail(format!("Task {id} has ended ({state}); only a task that has not takes children.")),
            NoParent::Cancelled => Problem::new(ProblemCode::Conflict)
                .detail(format!("Task {id} was asked to stop, and with it its children; it takes no more.")),
        };
    problem.hint("Submit it without a parent.").into()
}

/// What makes a task an array. `at`: where the task stands in the request.
pub(super) fn array(new: &NewArray, at: &str) -> ApiResult<ArraySpec> {
    let wrong = |field: &str, message: String| Err(invalid(vec![FieldError { pointer: format!("{at}/array{field}"), message }]));
    let within = |n: u32| (1..=MAX_ELEMENTS).contains(&n);
    let indices = match (&new.indices, new.size) {
        (Some(indices), _) => indices.clone(),
        (None, Some(size)) if within(size) => Indices::first(size),
        (None, Some(_)) => return wrong("/size", format!("an array has 1 to {MAX_ELEMENTS} elements")),
        (None, None) => return wrong("", "an array needs a size (the number of its elements) or indices (as 0-31,40)".to_owned()),
    };
    let count = indices.count();
    if !within(count) {
        return wrong("/indices", format!("an array has 1 to {MAX_ELEMENTS} elements; these are {count}"));
    }
    let size = new.size.unwrap_or(count);
    if !(1..=MAX_INDEX + 1).contains(&size) {
        return wrong("/size", format!("between 1 and {}", MAX_INDEX + 1));
    }
    if new.max_parallel == Some(0) {
        return wrong("/maxParallel", "at least 1; without it all elements may be out at once".to_owned());
    }
    Ok(ArraySpec { indices, size, max_parallel: new.max_parallel })
}

/// The array that a task is; none where it is none.
pub(super) fn array_of(task: &TaskRecord) -> Option<&ArrayRecord> {
    match &task.place {
        Some(Place::Array(array)) => Some(array),
        _ => None,
    }
}

/// So many elements are changed in one commit.
const STEP: u32 = 500;

/// Runs an operation on each element of an array that has not ended and has no live attempt, a step at a time.
pub(super) async fn each_unclaimed<O: Operation>(app: &App, array: TaskId, of: impl Fn(TaskId) -> O) -> ApiResult<()> {
    let mut after = array;
    loop {
        let step = app.store.unclaimed_elements(array, after, STEP).await?;
        let Some(last) = step.last().copied() else { return Ok(()) };
        join_all(step.into_iter().map(|element| app.store.run(of(element)))).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        after = last;
    }
}

/// Elements that a request names, which the array must have.
pub(super) fn named(task: &TaskRecord, indices: &Indices) -> ApiResult<()> {
    let wrong = |message: String| Err(invalid(vec![FieldError { pointer: "/indices".to_owned(), message }]));
    let Some(array) = array_of(task) else { return wrong(format!("task {} is no array", task.id)) };
    match indices.first_beyond(&array.spec.indices) {
        Some(index) => wrong(format!("the array {} has no element {index}; it has {}", task.id, array.spec.indices)),
        None => Ok(()),
    }
}

/// Refuses what only a task with attempts of its own can answer; `what`: what the array has none of.
pub(super) fn no_array(task: &TaskRecord, what: &str, command: &str) -> ApiResult<()> {
    let Some(array) = array_of(task) else { return Ok(()) };
    let id = task.id;
    let first = array.spec.indices.iter().next().unwrap_or(0);
    Err(Problem::new(ProblemCode::Conflict)
        .detail(format!("Task {id} is an array and has no {what} of its own: its elements have, {id}_{first} and so on."))
        .hint(format!("slipway {command} {id}_{first}"))
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_a_size_or_a_list_of_indices() {
        let made = |size, indices: Option<&str>, max_parallel| {
            let new = NewArray { size, indices: indices.map(|text| text.parse().unwrap()), max_parallel };
            array(&new, "/tasks/3").map(|spec| (spec.indices.to_string(), spec.size)).map_err(|error| error.0.errors[0].pointer.clone())
        };
        assert_eq!(made(Some(32), None, Some(8)), Ok(("0-31".into(), 32)));
        assert_eq!(made(None, Some("3-7"), None), Ok(("3-7".into(), 5)));
        assert_eq!(made(Some(32), Some("2,9"), None), Ok(("2,9".into(), 32)), "a part of an array of 32");
        assert_eq!(made(Some(10_000), None, None).map(|(_, size)| size), Ok(10_000));
        for (size, indices, max_parallel, pointer) in [
            (None, None, None, "/tasks/3/array"),
            (Some(0), None, None, "/tasks/3/array/size"),
            (Some(10_001), None, None, "/tasks/3/array/size"),
            (None, Some("0-10000"), None, "/tasks/3/array/indices"),
            (Some(0), Some("1"), None, "/tasks/3/array/size"),
            (Some(4), None, Some(0), "/tasks/3/array/maxParallel"),
        ] {
            assert_eq!(made(size, indices, max_parallel), Err(pointer.to_owned()));
        }
    }
}
