//! Everything at random, for as long as `SLIPWAY_STORM_SECONDS` says; without it, nothing.

use crate::{
    kills::agents,
    procs::send,
    support::Dice,
    world::{Part, World},
};
use nix::sys::signal::Signal;
use std::time::Duration;
use tokio::time::Instant;

const BODY: &str = "i=0; while [ $i -lt 12 ]; do i=$((i+1)); emit \"line $i of $id\"; note alive; sleep 0.0$((id % 9 + 1)); done";

#[expect(clippy::disallowed_methods, reason = "a test's own switch")]
fn seconds() -> u64 {
    std::env::var("SLIPWAY_STORM_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_kills_loses_and_repeats_nothing() {
    let until = Instant::now() + Duration::from_secs(seconds());
    if seconds() == 0 {
        return;
    }
    let mut dice = Dice::roll("a_storm_of_kills");
    let mut world = World::with_both();
    world.agents_die = true;
    let mut tasks = Vec::new();
    while Instant::now() < until {
        for _ in 0..dice.below(4) {
            tasks.push(world.submit(&world.recorder.task(BODY)).await);
        }
        dice.pause(20, 400).await;
        match dice.below(6) {
            0 | 1 => world.strike(Part::Server),
            2 => world.strike(Part::Runner),
            3 => {
                world.strike(Part::Server);
                world.strike(Part::Runner);
            }
            4 => {
                world.part(Part::Server).signal(Signal::SIGSTOP);
                dice.pause(20, 2_000).await;
                world.part(Part::Server).signal(Signal::SIGCONT);
            }
            _ => {
                let found = agents(&world);
                if let Some((init, worker)) = dice.pick(&found) {
                    send(if dice.below(2) == 0 { *init } else { *worker }, Signal::SIGKILL);
                }
            }
        }
    }
    eprintln!("{} tasks went through the storm", tasks.len());
    world.check(&tasks).await;
}
