//! Commands that do what they should not, through `slipway up`.

use crate::{
    procs::{below, status_kib},
    within,
    world::World,
};
use sha2::{Digest, Sha256};
use slipway::wire::{FailureClass, NewTask, Reason, Task, TaskId, TaskState};
use std::time::Duration;

async fn run(world: &World, task: NewTask) -> (TaskId, Task) {
    let id = world.submit(&task).await;
    let task = world.ended(id).await;
    (id, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_leaves_behind_does_not_outlive_it() {
    let mut world = World::up();
    let ignores = "trap '' TERM; (sh -c 'trap \"\" TERM; while :; do sleep 0.05; done' >/dev/null 2>&1 &); emit ok";
    let forks =
        "(setsid sh -c 'setsid sleep 1000 & sleep 1000 &' >/dev/null 2>&1 &); (env -i setsid /bin/sleep 1000 >/dev/null 2>&1 &); emit ok";
    let holds = "(setsid sleep 1000 &); emit ok";
    let mut tasks = Vec::new();
    for body in [ignores, forks, holds] {
        tasks.push(world.submit(&world.recorder.task(body)).await);
    }
    world.check(&tasks).await;
    world.first_attempts(&tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_200_mb_arrives_whole_and_the_agent_stays_small() {
    const SIZE: usize = 200_000_000;
    let mut world = World::up();
    let id = world.submit(&world.recorder.task("head -c 200000000 /dev/zero | tr '\\0' x")).await;
    let mut largest = 0;
    let client = world.client().await;
    let ended = within(Duration::from_mins(2), "the end of the line", async || {
        for worker in below(&world.attempts_dir()).iter().filter(|seen| seen.agent() == Some("work")) {
            // What it has of its own; the pages of a debug build's program are counted by nobody who runs a release.
            let own = status_kib(worker.pid, "RssAnon").unwrap_or(0) + status_kib(worker.pid, "RssShmem").unwrap_or(0);
            largest = largest.max(own);
        }
        client.task(id).await.ok().filter(|task| task.state.is_terminal())
    })
    .await;
    assert_eq!((ended.state, ended.ended.unwrap_or_default().log_complete), (TaskState::Succeeded, Some(true)));
    let mut expected = Sha256::new();
    (0..SIZE / 10_000).for_each(|_| expected.update([b'x'; 10_000]));
    let log = world.log(id, 0).await;
    assert_eq!((log.len(), Sha256::digest(&log)), (SIZE, expected.finalize()));
    eprintln!("200 MB on a line: the agent's worker took {largest} KiB at most");
    assert!(largest > 0 && largest <= 32 << 10, "the agent's worker took {largest} KiB");
    world.nothing_left().await;
}

/// Golden case G11: a configuration of 40,009 bytes is neither cut nor split nor quoted.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_value_arrives_as_it_was_sent() {
    let mut world = World::up();
    let odd = "{\"a\": [1, 'x'], \"$HOME\": \"`id`\\n\", \"é\": \"日本\"}\n\t%s ";
    let mut config = odd.repeat(40_009 / odd.len());
    config += &"x".repeat(40_009 - config.len());
    let mut task = world.recorder.task("printf %s \"$CONFIG\"");
    task.env.insert("CONFIG".to_owned(), config.clone());
    let (id, ended) = run(&world, task).await;
    assert_eq!(ended.state, TaskState::Succeeded);
    assert!(world.log(id, 0).await == config.as_bytes(), "40,009 bytes, each as it was");
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_bytes_arrive_as_they_were_written() {
    let mut world = World::up();
    let body = r#"printf 'a\000b\377\376\300\257\r\n\033[31m\342\202' | tee -a "$COPIES/$id-$n"; head -c 300000 /dev/urandom | tee -a "$COPIES/$id-$n""#;
    let id = world.submit(&world.recorder.task(body)).await;
    world.check(&[id]).await;
    assert!(world.log(id, 0).await.starts_with(b"a\0b\xff\xfe\xc0\xaf\r\n\x1b[31m\xe2\x82"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_end_is_told_as_what_it_was() {
    let mut world = World::up();
    let signalled = run(&world, world.recorder.open_task("emit first; kill -SEGV $$")).await.1;
    let ended = signalled.ended.unwrap_or_default();
    assert_eq!(
        (signalled.state, ended.signal, ended.exit_code, ended.class),
        (TaskState::Failed, Some(11), None, Some(FailureClass::User))
    );

    let command = |words: &[&str]| NewTask { command: Some(words.iter().map(|w| (*w).to_owned()).collect()), ..NewTask::default() };
    let (id, missing) = run(&world, command(&["no-such-program-anywhere"])).await;
    let ended = missing.ended.unwrap_or_default();
    assert_eq!((missing.state, ended.exit_code), (TaskState::Failed, Some(127)));
    assert!(ended.message.is_some_and(|message| message.contains("no-such-program-anywhere")));
    assert!(String::from_utf8_lossy(&world.log(id, 0).await).contains("cannot start no-such-program-anywhere"));

    let (_, denied) = run(&world, command(&["/etc/passwd"])).await;
    assert_eq!((denied.state, denied.ended.unwrap_or_default().exit_code), (TaskState::Failed, Some(126)));

    let endless = NewTask {
        timeout_seconds: Some(1),
        grace_seconds: Some(1),
        ..world.recorder.open_task("trap '' TERM; while :; do sleep 0.05; done")
    };
    let late = run(&world, endless).await.1;
    let ended = late.ended.unwrap_or_default();
    assert_eq!((late.state, ended.class, late.attempt.0), (TaskState::Failed, Some(FailureClass::Timeout), 1));
    assert_ne!(ended.reason, Some(Reason::AttemptLost));
    world.nothing_left().await;
}
