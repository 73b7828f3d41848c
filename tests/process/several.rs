//! One queue, several runners on it.

use crate::{
    eventually,
    support::Program,
    world::{Part, World},
};
use slipway::wire::{RunnerList, TaskId};
use std::collections::{BTreeMap, BTreeSet};

const RUNNERS: usize = 3;

/// Starts the nth runner, which has a data directory, and so a name, of its own.
fn runner(world: &World, nth: usize) -> Program {
    let (data, token) = (world.root.join(format!("runner-{nth}")), world.data().join("runner-token"));
    let (data, token) = (data.display().to_string(), token.display().to_string());
    world.program(&["runner", "--url", &world.url, "--token-file", &token, "--data-dir", &data, "--slots", "2", "--gpus", "0"])
}

#[tokio::test(flavor = "multi_thread")]
async fn runners_share_a_queue_and_one_that_is_killed_comes_back_to_its_own() {
    let mut world = World::new();
    world.start(Part::Server);
    world.ready().await;
    let mut runners: Vec<_> = (0..RUNNERS).map(|nth| runner(&world, nth)).collect();
    let client = world.client().await;
    eventually("all runners", async || {
        let there: RunnerList = client.runners().await.ok()?;
        (there.items.len() == RUNNERS).then_some(())
    })
    .await;

    let mut tasks = Vec::new();
    for nth in 0..45 {
        tasks.push(world.submit(&world.recorder.task(&format!("emit {nth}; sleep 0.2"))).await);
    }
    let over = |world: &World| world.recorder.lines().iter().filter(|line| line.word == "end").count();
    eventually("some of the tasks to end", async || (over(&world) >= 10).then_some(())).await;
    runners[1].kill();
    runners[1] = runner(&world, 1);
    world.known = runners.iter().map(Program::pid).collect();
    world.check(&tasks).await;

    // Whoever had room had some, and nobody had more at once than its slots.
    let by_runner = by_runner(&world, &tasks).await;
    assert_eq!(by_runner.len(), RUNNERS, "{by_runner:?}");
    for (name, own) in by_runner {
        let (mut running, mut most) = (BTreeSet::new(), 0);
        for line in world.recorder.lines().iter().filter(|line| own.contains(&line.task)) {
            let _ = if line.word == "start" { running.insert(line.task) } else { running.remove(&line.task) };
            most = most.max(running.len());
        }
        assert!(most <= 2, "{name} ran {most} tasks at once on 2 slots");
    }
}

/// The tasks that each runner carried to their end.
async fn by_runner(world: &World, tasks: &[TaskId]) -> BTreeMap<String, BTreeSet<i64>> {
    let (client, mut by_runner) = (world.client().await, BTreeMap::<_, BTreeSet<_>>::new());
    for id in tasks {
        let attempts = eventually("the attempts", async || client.attempts(*id).await.ok()).await;
        let last = attempts.items.into_iter().max_by_key(|attempt| attempt.attempt).expect("an attempt");
        by_runner.entry(last.runner.to_string()).or_default().insert(id.0);
    }
    by_runner
}
