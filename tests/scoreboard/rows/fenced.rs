//! The half of row 13 that costs something by agreement: attempts of an `idempotent` queue are followed by others while their machine is
//! cut off, without proof, and their commands are over by then.

use crate::{
    ended::{all_ended, stored},
    judge::judge,
    proxy::{Proxy, Weather},
    row::{Form, Outcome},
    sound::panics,
    support::{Dice, eventually},
    world::{Part, World},
};
use slipway::wire::{NewQueue, NewTask, TaskState};
use std::{net::SocketAddr, time::Duration};
use tokio::time::sleep;

/// The first attempt would go on for ever, and half of them do not hear that they are to end; the next one is short.
const BODY: &str = "[ $((id % 2)) = 0 ] || trap '' TERM; note ready; [ \"$n\" -gt 1 ] || while :; do note tick; sleep 0.1; done";
const SLOTS: u32 = 8;
/// A sixtieth of 15 minutes.
const CUT: Duration = Duration::from_secs(15);

/// Cuts a machine off in each of the ways that leave its agents alive, while another one is free.
pub(super) async fn fenced(form: Form) -> Outcome {
    let mut dice = Dice::of(form.seed);
    let mut all = Outcome::default();
    for _ in 0..form.of(1, 12) {
        let weather = *dice.pick(&[Weather::Cut, Weather::HalfOpen, Weather::Reset, Weather::Html]).expect("one of them");
        eprintln!("an idempotent queue, {weather:?}");
        all = all.and(once(weather, dice.below(u64::MAX)).await);
    }
    all
}

async fn once(weather: Weather, seed: u64) -> Outcome {
    let mut world = World::new();
    let server: SocketAddr = world.url.trim_start_matches("http://").parse().expect("an address");
    let proxy = Proxy::before(server, seed).await;
    world.slots = SLOTS;
    // Sixtieths of the usual: ten minutes, nine, and a margin that a busy machine needs.
    (world.times.heartbeat_lost_ms, world.times.stop_after_ms, world.times.stop_margin_ms) = (10_000, 6_000, 1_000);
    world.runners_call = Some(format!("http://{}", proxy.address));
    world.start(Part::Server);
    world.start(Part::Runner);
    world.ready().await;
    let client = world.client().await;
    let queue = "idempotent".parse().expect("a name");
    client.put_queue(&queue, &NewQueue { idempotent: true, ..NewQueue::default() }, None, false).await.expect("a queue");
    let mut tasks = Vec::new();
    for _ in 0..SLOTS {
        tasks.push(world.submit(&NewTask { queue: Some(queue.to_string()), ..world.recorder.task(BODY) }).await);
    }
    for id in &tasks {
        world.recorded(*id, "tick").await;
    }
    let (data, token) = (world.root.join("west").display().to_string(), world.data().join("runner-token").display().to_string());
    let args = ["runner", "--url", &world.url, "--token-file", &token, "--data-dir", &data, "--slots", "8", "--gpus", "0"];
    let west = world.program(&args);
    eventually("a second runner", async || client.runners().await.ok().filter(|runners| runners.items.len() == 2)).await;
    proxy.turn(weather);
    sleep(CUT).await;
    let lines = world.recorder.lines();
    let begun = lines.iter().filter(|line| line.word == "start" && line.attempt > 1).count();
    proxy.turn(Weather::Fair);
    let ended = all_ended(&world).await;
    let lines = world.recorder.lines();
    let acknowledged: Vec<_> = tasks.iter().map(|id| id.0).collect();
    let mut outcome = Outcome { tries: tasks.len(), findings: judge(&acknowledged, &lines, &stored(&ended)), ..Outcome::default() };
    outcome.must(begun == tasks.len(), || format!("{begun} of {} tasks had another attempt before the cut was over", tasks.len()));
    for task in ended.iter().filter(|task| task.state != TaskState::Succeeded || task.attempt.0 != 2) {
        outcome.must(false, || format!("task {} is {} after attempt {}: {:?}", task.id, task.state, task.attempt, task.ended));
    }
    drop(west);
    world.nothing_left().await;
    outcome.broken.extend(panics(&world.root));
    outcome
}
