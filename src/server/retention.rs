//! Removing what queues keep no longer: a round of small steps, level-triggered like all of the clockwork.
//!
//! A queue that is gone asks for nothing, so its tasks stay.

use super::{clockwork::pause, state::App, uploads};
use crate::{
    domain::{QueueName, TaskId, Times, UnixMs},
    store::{BytesGone, Cut, Kept, Prune, Shrink, StoreError},
    wire::{Keep, Retention},
};

const DAY_MS: i64 = 86_400_000;

/// One round over all queues. It goes on as long as there is something to remove, or until the server stops.
pub(super) async fn round(app: &App) -> Result<(), StoreError> {
    // What a death left over.
    remove_bytes(app).await?;
    uploads::sweep(app).await?;
    let mut removed = false;
    for (name, queue) in app.queues.all() {
        for (what, keep) in rules(&queue.retention) {
            removed |= prune(app, &name, what, keep).await?;
        }
    }
    while removed && pause(app, app.settings.times.prune_pause_ms).await {
        removed = app.store.run(Shrink).await?;
    }
    Ok(())
}

fn rules(retention: &Retention) -> [(Kept, Keep); 3] {
    let events = Keep { days: retention.events.days, count: None };
    [(Kept::Task, retention.tasks), (Kept::Log, retention.logs), (Kept::Events, events)]
}

/// Removes what lies beyond one rule of a queue; whether there was anything.
async fn prune(app: &App, name: &QueueName, what: Kept, keep: Keep) -> Result<bool, StoreError> {
    if keep == Keep::default() {
        return Ok(false);
    }
    let beyond = match keep.count {
        Some(count) => app.store.cut_after(name, count).await?,
        None => None,
    };
    let Some(cut) = cut(keep, beyond, app.now(), &app.settings.times) else { return Ok(false) };
    let mut removed = false;
    loop {
        let mut due = app.store.overdue(what, name, cut).await?;
        if due.is_empty() {
            return Ok(removed);
        }
        while !due.is_empty() {
            if !pause(app, app.settings.times.prune_pause_ms).await {
                return Ok(removed);
            }
            let done = app.store.run(Prune { what, tasks: due.clone() }).await?;
            due.drain(..done.clamp(1, due.len()));
            removed = true;
        }
        if what != Kept::Events {
            remove_bytes(app).await?;
        }
    }
}

/// Up to where a rule removes: by age, and beyond the newest, whichever reaches further, but nothing that ended lately.
fn cut(keep: Keep, beyond: Option<Cut>, now: UnixMs, times: &Times) -> Option<Cut> {
    let before = |ms: i64| Cut { at: UnixMs(now.0.saturating_sub(ms)), task: TaskId(0) };
    let aged = keep.days.map(|days| before(i64::from(days) * DAY_MS));
    let least = before(i64::try_from(times.keep_least_ms).unwrap_or(i64::MAX));
    aged.max(beyond).map(|cut| cut.min(least))
}

/// Removes the bytes of logs that no row promises any more, unless somebody copies them now: then a later round does.
async fn remove_bytes(app: &App) -> Result<(), StoreError> {
    loop {
        let unlogged = app.store.unlogged().await?;
        if unlogged.is_empty() {
            return Ok(());
        }
        let removing = match app.logs.removing() {
            Ok(Some(removing)) => removing,
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::error!(%error, "the logs could not be locked for removal");
                return Ok(());
            }
        };
        let mut gone = Vec::new();
        for task in unlogged {
            match app.logs.remove_task(task).await {
                Ok(()) => gone.push(task),
                Err(error) => tracing::error!(%error, %task, "a log could not be removed"),
            }
        }
        drop(removing);
        // One that cannot be removed is tried again in the next round.
        let all = !gone.is_empty();
        app.store.run(BytesGone(gone)).await?;
        if !all || !pause(app, app.settings.times.prune_pause_ms).await {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_bound_counts_and_nothing_young_goes() {
        let times = Times::default();
        let now = UnixMs(100 * DAY_MS);
        let keep = |days: Option<u32>| Keep { days, count: Some(1) };
        let ended = |day: i64| Some(Cut { at: UnixMs(day * DAY_MS), task: TaskId(7) });
        let at = |day: i64| Some(Cut { at: UnixMs(day * DAY_MS), task: TaskId(0) });
        assert_eq!(cut(keep(None), None, now, &times), None);
        assert_eq!(cut(keep(None), ended(30), now, &times), ended(30));
        assert_eq!(cut(keep(Some(50)), ended(30), now, &times), at(50));
        assert_eq!(cut(keep(Some(80)), ended(30), now, &times), ended(30));
        assert_eq!(cut(keep(Some(50)), None, now, &times), at(50));
        let least = Cut { at: UnixMs(100 * DAY_MS - 90_000_000), task: TaskId(0) };
        for young in [cut(keep(Some(1)), None, now, &times), cut(keep(None), ended(100), now, &times)] {
            assert_eq!(young, Some(least));
        }
    }
}
