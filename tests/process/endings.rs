//! Programs that are asked to end, and the demo, which ends by itself.

use crate::{
    eventually,
    support::Program,
    within,
    world::{Part, World},
};
use nix::sys::signal::Signal;
use std::time::Duration;
use tokio::time::Instant;

const UNTIL_GO: &str = "emit before; note ready; while [ ! -e \"$COPIES/../go\" ]; do sleep 0.05; done; emit after";

/// Waits for the end of a program; its exit code.
pub(crate) async fn exit(program: &mut Program) -> Option<i32> {
    eventually("the end of the program", async || program.ended()).await.code()
}

/// Asks `parts` to end while tasks run, lets the tasks end without them, and starts them again.
async fn graceful(mut world: World, parts: &[Part]) {
    let mut tasks = Vec::new();
    for _ in 0..3 {
        tasks.push(world.submit(&world.recorder.task(UNTIL_GO)).await);
    }
    for id in &tasks {
        world.recorded(*id, "ready").await;
    }
    for part in parts {
        world.part(*part).signal(Signal::SIGTERM);
        assert_eq!(exit(world.part(*part)).await, Some(0), "{part:?} did not end well");
    }
    if parts == [Part::Up] {
        let err = world.part(Part::Up).err();
        assert!(err.contains("3 running tasks go on; `slipway up` finds them again."), "{err}");
    }
    std::fs::write(world.root.join("go"), "").expect("a file");
    for id in &tasks {
        world.recorded(*id, "end").await;
    }
    for part in parts {
        world.start(*part);
    }
    world.check(&tasks).await;
    world.first_attempts(&tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_up_ends_no_task() {
    graceful(World::up(), &[Part::Up]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_the_server_ends_no_task() {
    graceful(World::with_both(), &[Part::Server]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_the_runner_ends_no_task() {
    graceful(World::with_both(), &[Part::Runner]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_the_runner_and_then_the_server_ends_no_task() {
    graceful(World::with_both(), &[Part::Runner, Part::Server]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_itself_and_ends() {
    let mut world = World::new();
    let (data, listen) = (world.data().display().to_string(), world.url.trim_start_matches("http://").to_owned());
    let since = Instant::now();
    let mut demo = world.program(&["up", "--demo", "--once", "--listen", &listen, "--data-dir", &data, "--slots", "1", "--gpus", "0"]);
    let status = within(Duration::from_secs(30), "the end of the demo", async || demo.ended()).await;
    let (out, err) = (String::from_utf8_lossy(&demo.out()).into_owned(), demo.err());
    assert_eq!(status.code(), Some(0), "{err}");
    assert!(since.elapsed() < Duration::from_secs(10), "it took {:?}", since.elapsed());
    assert!(out.starts_with("Hello from task 1.\n") && out.ends_with("step 3 of 3\nDone.\n"), "{out}");
    for phrase in [&*format!("is up at {}", world.url), "admin token", "1", "succeeded"] {
        assert!(err.contains(phrase), "{phrase:?} is missing in: {err}");
    }
    assert!(!err.contains("Hello from"), "the log is on standard error: {err}");
    world.nothing_left().await;
}
