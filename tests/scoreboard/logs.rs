//! Stored logs against what the commands say that they wrote.

use crate::world::World;
use futures::{StreamExt, stream};
use slipway::{
    client::LogRange,
    wire::{Task, TaskState},
};
use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
    time::Duration,
};

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

/// Whether the stored log is, byte for byte, the `size` bytes that the command wrote; for logs too large for memory.
pub(crate) async fn same(world: &World, task: &Task, size: u64) -> bool {
    let stored = world.root.join(format!("stored-{}", task.id));
    let mut answer = world.client().await.with_timeout(Duration::from_mins(5)).log(task.id, LogRange::default()).await.expect("the log");
    let mut file = File::create(&stored).expect("a file");
    while let Some(piece) = answer.chunk().await.expect("the log") {
        file.write_all(&piece).expect("the log");
    }
    let copy = world.recorder.file.with_file_name("copies").join(format!("{}-{}", task.id, task.attempt.0));
    let complete = task.ended.clone().unwrap_or_default().log_complete == Some(true);
    let same = complete && stored.metadata().is_ok_and(|file| file.len() == size) && equal(&stored, &copy);
    let _ = std::fs::remove_file(stored);
    same
}

/// Whether two files hold the same bytes.
fn equal(one: &Path, other: &Path) -> bool {
    let (Ok(mut one), Ok(mut other)) = (File::open(one), File::open(other)) else { return false };
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let Ok(count) = one.read(&mut left) else { return false };
        if other.read_exact(&mut right[..count]).is_err() || left[..count] != right[..count] {
            return false;
        }
        if count == 0 {
            return other.read(&mut right).is_ok_and(|more| more == 0);
        }
    }
}
