//! Stored logs against what the commands say that they wrote.

use crate::world::World;
use futures::{StreamExt, stream};
use slipway::wire::{Task, TaskState};

/// Which tasks of those that succeeded have another log than their command wrote, each with its story.
pub(crate) async fn differing(world: &World, tasks: &[Task]) -> Vec<String> {
    let of = |task: &Task| {
        let (id, attempt, complete) = (task.id, task.attempt, task.ended.clone().unwrap_or_default().log_complete);
        async move {
            let written = world.recorder.copy(id, attempt.0).unwrap_or_default();
            let stored = world.log(id, attempt.0).await;
            let at = stored.iter().zip(&written).take_while(|(a, b)| a == b).count();
            let story = || {
                let (stored, written) = (stored.len(), written.len());
                format!("task {id}: its log has {stored} bytes of {written} (complete: {complete:?}), the same up to byte {at}")
            };
            (complete != Some(true) || stored != written).then(story)
        }
    };
    let succeeded: Vec<_> = tasks.iter().filter(|task| task.state == TaskState::Succeeded).map(of).collect();
    stream::iter(succeeded).buffer_unordered(8).filter_map(async |story| story).collect().await
}
