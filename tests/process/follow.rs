//! Logs across restarts of the server: followed live, and uploaded in bulk.

use crate::{
    endings::exit,
    eventually,
    support::Dice,
    world::{Part, World},
};
use sha2::{Digest, Sha256};
use slipway::{
    client::{LogItem, Next, Patience},
    wire::TaskState,
};

const LINES: &str = "i=0; while [ $i -lt 150 ]; do i=$((i+1)); emit \"line $i of $id\"; sleep 0.02; done";

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_gets_each_byte_once_across_restarts() {
    let mut dice = Dice::roll("a_follower_gets_each_byte_once");
    let mut world = World::with_both();
    let id = world.submit(&world.recorder.task(LINES)).await;
    let mut command = world.command(&["logs", "-f", &id.to_string()]);
    let client = world.client().await;
    let stream = tokio::spawn(async move {
        let (mut log, mut all) = (client.follow_log(id, None, Patience::default()), Vec::new());
        loop {
            match log.next().await.unwrap() {
                Next::Item(LogItem::Bytes { bytes, .. }) => all.extend_from_slice(&bytes),
                Next::Item(LogItem::End { state }) => return (all, state),
                Next::Broken(_) | Next::Resumed => {}
            }
        }
    });
    eventually("the first lines", async || command.out().ends_with(b"\n").then_some(())).await;
    for _ in 0..5 {
        dice.pause(200, 600).await;
        world.strike(Part::Server);
    }
    let (followed, state) = stream.await.unwrap();
    assert_eq!(exit(&mut command).await, Some(0), "{}", command.err());
    let written = world.recorder.copy(id, 1).unwrap();
    assert!(followed == written, "the stream brought {} bytes of {}", followed.len(), written.len());
    assert!(command.out() == written, "the command printed {} bytes of {}", command.out().len(), written.len());
    assert_eq!(state, TaskState::Succeeded);
    world.check(&[id]).await;
    world.first_attempts(&[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_log_survives_restarts_and_little_of_it_is_sent_again() {
    const SIZE: u64 = 64 << 20;
    let mut dice = Dice::roll("a_large_log_survives_restarts");
    let mut world = World::with_both();
    // In 16 parts, so that it lasts for some seconds.
    let body = "i=0; while [ $i -lt 16 ]; do i=$((i+1)); head -c 4194304 /dev/urandom | tee -a \"$COPIES/$id-$n\"; sleep 0.2; done";
    let id = world.submit(&world.recorder.task(body)).await;
    let client = world.client().await;
    let mut taken = 0;
    for _ in 0..6 {
        let before = stored(&client, id).await;
        eventually("more of the log", async || (stored(&client, id).await > before + (2 << 20)).then_some(())).await;
        dice.pause(10, 150).await;
        // The counter begins anew with each server, so it is read just before the kill; what comes between is not counted.
        taken += uploaded(&client).await;
        world.strike(Part::Server);
    }
    let task = world.ended(id).await;
    taken += uploaded(&client).await;
    let log = world.log(id, 0).await;
    assert_eq!((task.state, log.len() as u64), (TaskState::Succeeded, SIZE));
    let written = world.recorder.copy(id, 1).unwrap();
    assert_eq!(Sha256::digest(&log), Sha256::digest(&written));
    // Sent again is what was not durable yet: what one sync takes, with each kill.
    assert!(taken < SIZE + 6 * (16 << 20), "{taken} bytes were taken for a log of {SIZE}");
    eprintln!("64 MiB of log: {} KiB taken again in 6 restarts", taken.saturating_sub(SIZE) >> 10);
    world.check(&[id]).await;
    world.first_attempts(&[id]).await;
}

async fn stored(client: &slipway::client::Client, id: slipway::wire::TaskId) -> u64 {
    let attempts = eventually("the attempts", async || client.attempts(id).await.ok()).await;
    attempts.items.first().map_or(0, |attempt| attempt.log_bytes)
}

/// The log bytes that this server has taken from agents.
async fn uploaded(client: &slipway::client::Client) -> u64 {
    let scrape = async || client.call(reqwest::Method::GET, "metrics").response().await.ok()?.text().await.ok();
    let text = eventually("the metrics", scrape).await;
    let line = text.lines().find_map(|line| line.strip_prefix("slipway_agent_log_bytes_total "));
    line.and_then(|number| number.trim().parse().ok()).expect("a counter")
}
