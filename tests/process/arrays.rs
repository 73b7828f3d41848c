//! Arrays of real programs, with a server that dies in the middle.

use crate::world::{Part, World};
use slipway::wire::{ElementCounts, NewArray, NewTask, TaskId, TaskState};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn every_index_runs_once_and_never_more_at_once_than_may() {
    let mut world = World::new();
    world.slots = 8;
    world.start(Part::Server);
    world.start(Part::Runner);
    let body = "note index-$SLIPWAY_ARRAY_INDEX; note of-$SLIPWAY_ARRAY_ID-$SLIPWAY_ARRAY_SIZE; sleep 0.3; note end; \
                case $SLIPWAY_ARRAY_INDEX in 4|9) exit 7;; esac";
    let array = NewArray { size: Some(12), max_parallel: Some(3), ..NewArray::default() };
    let id = world.submit(&NewTask { array: Some(array), ..world.recorder.open_task(body) }).await;
    let elements: Vec<TaskId> = (1..=12).map(|nth| TaskId(id.0 + nth)).collect();
    // The server dies while the second three run, and again while later ones do.
    for nth in [4, 9] {
        world.recorded(elements[nth], "start").await;
        world.strike(Part::Server);
    }
    let ended = world.ended(id).await;
    let counts = ended.array.and_then(|array| array.counts).expect("an array");
    assert_eq!(counts, ElementCounts { succeeded: 10, failed: 2, ..ElementCounts::default() });
    let message = ended.ended.and_then(|ended| ended.message);
    assert_eq!((ended.state, message), (TaskState::Failed, Some(format!("2 of 12 elements failed: {id}_4, {id}_9"))));

    world.recorder.check(&elements);
    world.first_attempts(&elements).await;
    let lines = world.recorder.lines();
    let (mut running, mut most) = (BTreeSet::new(), 0);
    for line in &lines {
        match line.word.as_str() {
            "start" => drop(running.insert(line.task)),
            "end" => drop(running.remove(&line.task)),
            _ => {}
        }
        most = most.max(running.len());
    }
    assert_eq!(most, 3, "as many at once as may, and no more");
    for (element, index) in elements.iter().zip(0..) {
        assert!(world.recorder.has(*element, &format!("index-{index}")), "element {index} ran under its index");
        assert!(world.recorder.has(*element, &format!("of-{id}-12")));
    }
    world.nothing_left().await;
}
