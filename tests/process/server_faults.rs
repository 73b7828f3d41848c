//! The server is killed, stopped, or away.

use crate::{
    eventually,
    support::Dice,
    within,
    world::{Part, World},
};
use nix::sys::signal::Signal;
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{ClaimRequest, NewTask, QueueAsk, RegisterRequest, RunnerName, TaskId},
};
use std::time::Duration;

/// Some lines over a second or so.
const LINES: &str = "i=0; while [ $i -lt 15 ]; do i=$((i+1)); emit \"line $i of $id\"; sleep 0.0$((id % 9 + 1)); done";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_again_and_again_loses_and_repeats_nothing() {
    let mut dice = Dice::roll("a_server_killed_again_and_again");
    let mut world = World::with_both();
    let mut tasks = Vec::new();
    for _ in 0..15 {
        for _ in 0..2 {
            tasks.push(world.submit(&world.recorder.task(LINES)).await);
        }
        dice.pause(20, 500).await;
        world.strike(Part::Server);
    }
    world.check(&tasks).await;
    world.first_attempts(&tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_while_it_makes_its_data_begins_all_the_same() {
    let mut dice = Dice::roll("a_server_killed_while_it_makes_its_data");
    for _ in 0..25 {
        let mut world = World::new();
        world.start(Part::Server);
        tokio::time::sleep(Duration::from_micros(dice.below(60_000))).await;
        world.strike(Part::Server);
        world.ready().await;
        let queues: slipway::wire::QueueList =
            world.client().await.call(reqwest::Method::GET, "api/v1/queues").send().await.expect("the queues");
        assert_eq!(queues.items.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_away_stops_nothing_and_expires_nobody() {
    let mut world = World::new();
    // What takes a minute by default takes three seconds here, and the server is away for longer, twice.
    world.slots = 3;
    world.times.claim_lease_ms = 3_000;
    world.times.runner_expiry_ms = 3_000;
    world.times.heartbeat_lost_ms = 3_000;
    world.start(Part::Server);
    world.start(Part::Runner);
    let ticking = "while [ ! -e \"$COPIES/../go\" ]; do emit \"tick $id\"; note tick; sleep 0.2; done";
    let mut tasks = Vec::new();
    for _ in 0..3 {
        tasks.push(world.submit(&world.recorder.task(ticking)).await);
    }
    for id in &tasks {
        world.recorded(*id, "tick").await;
    }
    let claimed = claimed_elsewhere(&world).await;
    let ticks = |world: &World| world.recorder.lines().iter().filter(|l| l.word == "tick").count();

    world.part(Part::Server).signal(Signal::SIGSTOP);
    let before = ticks(&world);
    // Ten seconds of the tasks' own time: three tasks, five ticks a second at the most.
    within(Duration::from_mins(1), "ten seconds of ticks", async || (ticks(&world) > before + 150).then_some(())).await;
    world.part(Part::Server).signal(Signal::SIGCONT);
    assert!(still_held(&world, claimed).await, "a claim expired because the server was stopped");

    world.part(Part::Server).kill();
    let before = ticks(&world);
    within(Duration::from_mins(1), "four seconds of ticks", async || (ticks(&world) > before + 60).then_some(())).await;
    world.start(Part::Server);
    assert!(still_held(&world, claimed).await, "a claim expired because the server was away");
    for id in &tasks {
        assert!(!world.task(*id).await.heartbeat_lost, "task {id} is blamed for the server's silence");
    }
    // Nobody gives a sign of life for the claim, so now it does expire, and the task goes to whoever asks.
    eventually("the end of the claim", async || (!still_held(&world, claimed).await).then_some(())).await;
    std::fs::write(world.root.join("go"), "").unwrap();
    world.check(&tasks).await;
    world.first_attempts(&tasks).await;
}

fn stranger() -> (RunnerName, uuid::Uuid) {
    ("stranger".parse().expect("a name"), uuid::Uuid::from_u128(7))
}

/// A task that a runner claimed which then says no more.
async fn claimed_elsewhere(world: &World) -> TaskId {
    let (name, instance) = stranger();
    let client = world.runner_client().await;
    let queues = vec!["elsewhere".to_owned()];
    let register =
        RegisterRequest { kind: "process".into(), instance, version: "0".into(), slots: 1, gpus: 0, cluster: None, queues: queues.clone() };
    client.register(&name, &register).await.expect("registered");
    let admin = world.client().await;
    let put = admin.call(reqwest::Method::PUT, "api/v1/queues/elsewhere").json(&serde_json::json!({}));
    put.send_empty().await.expect("a queue");
    let task = NewTask { queue: Some("elsewhere".into()), command: Some(vec!["true".into()]), ..NewTask::default() };
    let id = world.submit(&task).await;
    let queues = queues.into_iter().map(|name| QueueAsk { name, max: None }).collect();
    let claim =
        ClaimRequest { runner: name, instance, claim_id: SystemRng.uuid(), max: 1, gpus: 0, queues, wait_seconds: 0, unserved: Vec::new() };
    let claimed = client.claim(&claim, Duration::from_secs(5)).await.expect("an answer");
    assert_eq!(claimed.items.first().map(|item| item.task), Some(id));
    id
}

async fn still_held(world: &World, id: TaskId) -> bool {
    let (name, instance) = stranger();
    let client = world.runner_client().await;
    let holds = eventually("what the server holds", async || client.holds(&name, instance).await.ok()).await;
    holds.items.iter().any(|hold| hold.task == id)
}
