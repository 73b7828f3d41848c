//! Cancels: how fast, how thorough, and against a command that ends by itself.

use crate::{
    eventually,
    procs::{Seen, below, uptime},
    support::Dice,
    world::{Part, World},
};
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{NewTask, TaskId, TaskState},
};
use std::time::Duration;
use tokio::time::Instant;

async fn cancel(world: &World, id: TaskId) {
    let (client, key) = (world.client().await, SystemRng.uuid());
    eventually("an answer to the cancel", async || client.cancel_task(id, key).await.ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_reaches_the_command_at_once_and_what_it_started() {
    let mut world = World::with_both();
    let body = "trap 'note term; emit bye; exit 5' TERM; (setsid sleep 1000 >/dev/null 2>&1 &); emit hello; note ready; \
                while :; do sleep 0.02; done";
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let id = world.submit(&world.recorder.open_task(body)).await;
        world.recorded(id, "ready").await;
        let before = uptime();
        cancel(&world, id).await;
        let task = world.ended(id).await;
        let told = world.recorder.lines().into_iter().find(|l| l.task == id.0 && l.word == "term").expect("SIGTERM was seen");
        slowest = slowest.max(Duration::from_secs_f64((told.at - before).max(0.0)));
        let ended = task.ended.unwrap_or_default();
        assert_eq!((task.state, ended.exit_code, ended.log_complete), (TaskState::Cancelled, Some(5), Some(true)));
        let log = world.log(id, 0).await;
        assert!(log.starts_with(b"hello\n") && log.ends_with(b"bye\n"), "{}", String::from_utf8_lossy(&log));
    }
    eprintln!("cancel → SIGTERM: {slowest:?} at most");
    assert!(slowest < Duration::from_secs(5), "SIGTERM came after {slowest:?}");
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grace_is_given_and_then_everything_is_killed() {
    let mut world = World::with_both();
    let stubborn = "trap '' TERM; (setsid sh -c 'trap \"\" TERM; while :; do sleep 0.05; done' >/dev/null 2>&1 &); \
                    (env -i setsid /bin/sleep 1000 >/dev/null 2>&1 &); note ready; while :; do sleep 0.05; done";
    let task = NewTask { grace_seconds: Some(2), ..world.recorder.open_task(stubborn) };
    let id = world.submit(&task).await;
    world.recorded(id, "ready").await;
    assert!(below(&world.attempts_dir()).len() >= 5, "two of the agent, the command, and what it started");
    let since = Instant::now();
    cancel(&world, id).await;
    let task = world.ended(id).await;
    assert!(since.elapsed() >= Duration::from_secs(2), "its grace was cut to {:?}", since.elapsed());
    let ended = task.ended.unwrap_or_default();
    assert_eq!((task.state, ended.signal), (TaskState::Cancelled, Some(9)));
    // One that was killed has no arguments any more until it is reaped.
    let alive = |seen: &Seen| seen.agent().is_none() && seen.args.iter().any(|arg| !arg.is_empty());
    let commands: Vec<_> = below(&world.attempts_dir()).into_iter().filter(alive).collect();
    assert!(commands.is_empty(), "alive after the end: {commands:?}");
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_task_is_cancelled_at_once_and_never_runs() {
    let mut world = World::new();
    world.start(Part::Server);
    let id = world.submit(&world.recorder.task("emit never")).await;
    cancel(&world, id).await;
    assert_eq!(world.task(id).await.state, TaskState::Cancelled);
    world.start(Part::Runner);
    let next = world.submit(&world.recorder.task("emit next")).await;
    world.check(&[next]).await;
    assert_eq!(world.task(id).await.state, TaskState::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_outlives_the_server() {
    let mut dice = Dice::roll("a_cancel_outlives_the_server");
    let mut world = World::with_both();
    for _ in 0..4 {
        let id = world.submit(&world.recorder.open_task("trap 'note term; exit 0' TERM; note ready; while :; do sleep 0.02; done")).await;
        world.recorded(id, "ready").await;
        cancel(&world, id).await;
        // At this moment the agent may have heard of it, or not; and may have answered, or not.
        tokio::time::sleep(Duration::from_micros(dice.below(40_000))).await;
        world.strike(Part::Server);
        let task = world.ended(id).await;
        assert_eq!((task.state, task.attempt.0), (TaskState::Cancelled, 1));
        assert!(world.recorder.has(id, "term"));
    }
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_races_with_the_end_has_one_outcome() {
    let mut dice = Dice::roll("a_cancel_that_races");
    let mut world = World::new();
    world.slots = 6;
    world.start(Part::Server);
    world.start(Part::Runner);
    let mut races = Vec::new();
    for _ in 0..50 {
        races.push((world.submit(&world.recorder.task("note ready; sleep 0.2; emit done")).await, dice.below(200)));
    }
    let client = world.client().await;
    let world_ref = &world;
    let race = |(id, after): (TaskId, u64)| {
        let client = client.clone();
        async move {
            world_ref.recorded(id, "ready").await;
            // The command takes 200 ms and its report some more: 100 before the end to 100 after it.
            tokio::time::sleep(Duration::from_millis(100 + after)).await;
            let answer = eventually("an answer", async || client.cancel_task(id, SystemRng.uuid()).await.ok()).await;
            (id, answer.state)
        }
    };
    let answers = futures::future::join_all(races.into_iter().map(race)).await;
    let mut counts = [0, 0];
    for (id, answered) in answers {
        let task = world.ended(id).await;
        let ended = world.recorder.has(id, "end");
        match task.state {
            TaskState::Succeeded => assert!(ended && world.log(id, 0).await == b"done\n", "task {id} succeeded without its end"),
            TaskState::Cancelled => {}
            other => panic!("task {id} is {other}: {:?}", task.ended),
        }
        assert!(!answered.is_terminal() || answered == task.state, "the answer said {answered}, later it was {}", task.state);
        let attempts = client.attempts(id).await.unwrap().items;
        assert_eq!(attempts.iter().map(|a| a.state).collect::<Vec<_>>(), [Some(task.state)], "attempt and task do not agree");
        let events = world.ends(id).await;
        assert_eq!(events, [task.state.to_string()], "the events of task {id} tell another story");
        counts[usize::from(task.state == TaskState::Cancelled)] += 1;
    }
    eprintln!("50 races: {} succeeded, {} were cancelled", counts[0], counts[1]);
    world.nothing_left().await;
}
