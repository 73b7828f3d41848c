//! What submitted tasks depend on: ids and refs become places and rows, and what cannot be is refused by its place.

use crate::{
    domain::{DependencyKind, MAX_DEPENDENCIES, QueueName, Role, UnixMs, cycle, did_you_mean, valid_label_value},
    server::{
        auth::Principal,
        error::{ApiResult, valid},
        state::App,
    },
    store::{After, On},
    wire::{Dependee, DependsOn, FieldError, NewTask, TaskId},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Display,
};

/// The time of day before which a task is not started, as it is stored.
pub(super) fn not_before(new: &NewTask) -> Option<UnixMs> {
    new.not_before.map(|at| UnixMs(at.as_millisecond()))
}

/// What the one task of a request waits for.
pub(super) async fn of_one(app: &App, principal: &Principal, new: &NewTask) -> ApiResult<After> {
    let given = new.reference.is_some();
    valid(given.then(|| fault("/ref", "only the tasks of a batch name each other: POST /api/v1/tasks:batch")).into_iter().collect())?;
    let after = resolve((app, principal), std::slice::from_ref(new), |_| String::new(), &HashMap::new()).await?;
    Ok(after.into_iter().next().unwrap_or_default())
}

/// What each task of a batch waits for.
pub(super) async fn of_batch(app: &App, principal: &Principal, tasks: &[NewTask]) -> ApiResult<Vec<After>> {
    let refs = refs(tasks)?;
    let after = resolve((app, principal), tasks, |nth| format!("/tasks/{nth}"), &refs).await?;
    let siblings = |after: &After| after.on.keys().filter_map(|on| if let On::Nth(nth) = on { Some(*nth) } else { None }).collect();
    let Some(mut ring) = cycle(&after.iter().map(siblings).collect::<Vec<_>>()) else { return Ok(after) };
    let first = ring.iter().enumerate().min_by_key(|(_, nth)| **nth).map_or(0, |(at, _)| at);
    ring.rotate_left(first);
    let names: Vec<&str> = ring.iter().chain(ring.first()).filter_map(|nth| tasks[*nth].reference.as_deref()).collect();
    let message = format!("these tasks wait for each other, so none could start: {}", names.join(" → "));
    valid(vec![fault(format!("/tasks/{}/dependsOn", ring[0]), message)])?;
    Ok(after)
}

fn fault(pointer: impl Into<String>, message: impl Into<String>) -> FieldError {
    FieldError { pointer: pointer.into(), message: message.into() }
}

/// The place of each task that has a name.
fn refs(tasks: &[NewTask]) -> ApiResult<HashMap<&str, usize>> {
    let mut known = HashMap::new();
    let mut errors = Vec::new();
    for (nth, name) in tasks.iter().enumerate().filter_map(|(nth, task)| Some((nth, task.reference.as_deref()?))) {
        let at = format!("/tasks/{nth}/ref");
        if name.is_empty() || !valid_label_value(name) {
            errors.push(fault(at, format!("{name:?} is no legal ref (1 to 63 of A-Z a-z 0-9 . _ -, letters or digits at both ends)")));
        } else if let Some(first) = known.insert(name, nth) {
            errors.push(fault(at, format!("{name:?} is the ref of /tasks/{first}, too")));
        }
    }
    valid(errors)?;
    Ok(known)
}

async fn resolve(
    (app, principal): (&App, &Principal),
    tasks: &[NewTask],
    place: impl Fn(usize) -> String,
    refs: &HashMap<&str, usize>,
) -> ApiResult<Vec<After>> {
    let ids: BTreeSet<TaskId> = tasks
        .iter()
        .filter_map(|task| task.depends_on.as_ref())
        .flat_map(|depends| depends.after_success.iter().chain(&depends.after_any))
        .filter_map(|on| if let Dependee::Id(id) = on { Some(*id) } else { None })
        .collect();
    let mut exist = if ids.is_empty() { BTreeMap::new() } else { app.store.existing(ids).await? };
    exist.retain(|_, queue| principal.rights.include_in(Role::Viewer, queue));
    let mut errors = Vec::new();
    let mut all = Vec::with_capacity(tasks.len());
    for (nth, task) in tasks.iter().enumerate() {
        let none = DependsOn::default();
        let depends = task.depends_on.as_ref().unwrap_or(&none);
        let at = format!("{}/dependsOn", place(nth));
        let mut after = After { on_failure: depends.on_failure.unwrap_or_default(), ..After::default() };
        // What must succeed comes last, as it asks for more.
        for (field, kind, list) in
            [("afterAny", DependencyKind::Any, &depends.after_any), ("afterSuccess", DependencyKind::Success, &depends.after_success)]
        {
            for (i, on) in list.iter().enumerate() {
                match find(on, &exist, refs, place(0).is_empty()) {
                    Ok(on) => drop(after.on.insert(on, kind)),
                    Err(message) => errors.push(fault(format!("{at}/{field}/{i}"), message)),
                }
            }
        }
        if depends.after_success.len() + depends.after_any.len() > MAX_DEPENDENCIES {
            errors.push(fault(at, format!("a task depends on at most {MAX_DEPENDENCIES} others")));
        }
        all.push(after);
    }
    valid(errors)?;
    Ok(all)
}

/// One dependency. `alone`: whether the request has only one task.
fn find(on: &Dependee, exist: &BTreeMap<TaskId, QueueName>, refs: &HashMap<&str, usize>, alone: bool) -> Result<On, String> {
    match on {
        Dependee::Id(id) if exist.contains_key(id) => Ok(On::Task(*id)),
        Dependee::Id(id) => Err(no_task(id)),
        Dependee::Ref(name) => refs.get(name.as_str()).map(|nth| On::Nth(*nth)).ok_or_else(|| {
            let shown: String = name.chars().take(64).collect();
            if let Ok(id) = name.parse::<TaskId>() {
                return format!("{shown:?} is a text, which names a task of the same batch; the task {id} is a number, without quotes");
            }
            if alone {
                return format!("{shown:?} is no id; only in a batch do tasks name each other by ref");
            }
            match did_you_mean(name, refs.keys().copied()) {
                Some(near) => format!("no task of this batch has the ref {shown:?}. Did you mean {near:?}?"),
                None => format!("no task of this batch has the ref {shown:?}"),
            }
        }),
    }
}

/// What is said of a task that cannot be waited for.
pub(super) fn no_task(id: impl Display) -> String {
    format!("there is no task {id}")
}
