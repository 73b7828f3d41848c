//! What a task says and leaves, from the command in the attempt to the person at the terminal.

use crate::{
    eventually,
    support::run,
    world::{Part, World},
};
use serde_json::{Value, json};
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{NewQueue, NewTask, QueueLimits, Retries, StoppedBy, TaskId, TaskState},
};
use std::fs;

fn sh(script: &str) -> NewTask {
    NewTask { command: Some(["sh", "-c", script].map(str::to_owned).to_vec()), ..NewTask::default() }
}

async fn submitted(world: &World, task: &NewTask) -> TaskId {
    world.client().await.submit(task, SystemRng.uuid()).await.expect("the task").id
}

/// What a user's command prints, and whether it succeeded.
async fn told(world: &World, args: &[&str]) -> (String, String, bool) {
    let token = world.data().join("admin-token").display().to_string();
    let mut program = world.program(&[&args[..1], &["--url", &world.url, "--token-file", &token], &args[1..]].concat());
    let status = eventually("the command's end", async || program.ended()).await;
    (String::from_utf8_lossy(&program.out()).into_owned(), program.err(), status.success())
}

async fn log(world: &World, id: TaskId, attempt: u32) -> String {
    String::from_utf8_lossy(&world.log(id, attempt).await).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_finds_out_and_leaves_comes_to_the_terminal() {
    let mut world = World::with_both();
    world.ready().await;
    // Nine MiB are two pieces on the way.
    let script = "mkdir -p run/deep && head -c 9437184 /dev/urandom > model.pt && sha256sum < model.pt && cp model.pt run/deep/same
        echo '#!/bin/sh' > run/tool && chmod +x run/tool
        slipway-agent result set acc=0.91 name='a b' && slipway-agent progress 7/7 && slipway-agent phase 'all done'";
    let (out, err, ok) =
        told(&world, &["submit", "--keep", "model.pt", "--keep", "run/", "--keep", "nothing", "--", "sh", "-c", script]).await;
    assert!(ok, "{err}");
    let id = TaskId(out.trim().parse().expect("an id"));
    assert_eq!(world.ended(id).await.state, TaskState::Succeeded, "{}", log(&world, id, 1).await);
    let said = log(&world, id, 1).await;
    let sum = said.split_whitespace().next().expect("a sum").to_owned();
    assert!(said.contains("[slipway: outputs: nothing is not there]"), "{said}");

    let task = id.to_string();
    let (shown, ..) = told(&world, &["get", &task]).await;
    for line in [
        "keeps      model.pt run nothing",
        "progress   all done · 7/7 (100 %)",
        "results    acc=0.91 name='a b'",
        "outputs    3 files, 18.0 MiB",
    ] {
        assert!(shown.contains(line), "{line} is missing in {shown}");
    }
    let (listed, ..) = told(&world, &["outputs", "ls", &task, "-o", "json"]).await;
    let listed: Value = serde_json::from_str(&listed).expect("a list");
    let files: Vec<_> =
        listed["items"].as_array().expect("files").iter().map(|f| (f["path"].as_str(), f["sha256"] == json!(sum))).collect();
    assert_eq!(files, [(Some("model.pt"), true), (Some("run/deep/same"), true), (Some("run/tool"), false)]);
    let kept = fs::read_dir(world.data().join("uploads")).expect("kept").flatten().filter(|dir| dir.file_name() != "part");
    let kept = kept.flat_map(|dir| fs::read_dir(dir.path()).expect("a directory").flatten()).count();
    assert_eq!(kept, 2, "the same bytes are kept once");

    let to = world.root.join("fetched");
    let dir = to.display().to_string();
    let (fetched, err, ok) = told(&world, &["outputs", "get", &task, "--to", &dir]).await;
    assert!(ok, "{err}");
    assert_eq!(fetched.lines().count(), 3, "{fetched}");
    assert!(run(&to, &["sha256sum", "model.pt"]).starts_with(&sum));
    run(&to, &["test", "-x", "run/tool"]);
    let (_, err, ok) = told(&world, &["outputs", "get", &task, "run", "--to", &dir]).await;
    assert!(!ok && err.contains("is there already") && err.contains("--force"), "{err}");
    let (one, ..) = told(&world, &["outputs", "get", &task, "run/tool", "--to", "-"]).await;
    assert_eq!(one, "#!/bin/sh\n");
    let (_, err, ok) = told(&world, &["outputs", "get", &task, "run/too"]).await;
    assert!(!ok && err.contains("left no run/too"), "{err}");
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_queue_keeps_is_not_kept_and_the_task_ends_as_it_ended() {
    let world = World::with_both();
    world.ready().await;
    let limits = QueueLimits { output_bytes: Some(1_000), ..QueueLimits::default() };
    let queue = NewQueue { limits, ..NewQueue::default() };
    world.client().await.put_queue(&"default".parse().expect("a name"), &queue, None, true).await.expect("the queue");
    let task = NewTask { outputs: vec!["big".into()], ..sh("head -c 1001 /dev/zero > big; exit 3") };
    let id = submitted(&world, &task).await;
    let ended = world.ended(id).await.ended.expect("an end");
    assert_eq!(ended.exit_code, Some(3));
    let said = log(&world, id, 1).await;
    assert!(said.contains("1001 bytes are more than the 1000 that the queue keeps"), "{said}");
    assert_eq!(world.client().await.outputs(id, None).await.expect("a list").items, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_goes_on_where_the_one_before_it_was_stopped() {
    let world = World::with_both();
    world.ready().await;
    let script = "echo ${SLIPWAY_ATTEMPT_NUMBER}: from ${SLIPWAY_RESUME:-the beginning}
        test $SLIPWAY_ATTEMPT_NUMBER = 1 || exit 0
        slipway-agent resume set step-4; exit 1";
    let task = NewTask { retries: Some(Retries { user: 1, ..Retries::default() }), ..sh(script) };
    let id = submitted(&world, &task).await;
    assert_eq!(world.ended(id).await.state, TaskState::Succeeded);
    assert_eq!((log(&world, id, 1).await.as_str(), log(&world, id, 2).await.as_str()), ("1: from the beginning\n", "2: from step-4\n"));
    let rerun = world.client().await.rerun_task(id, SystemRng.uuid()).await.expect("another task").id;
    world.ended(rerun).await;
    assert_eq!(log(&world, rerun, 1).await, "1: from the beginning\n", "another task begins anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_there_though_the_server_died_meanwhile() {
    let mut world = World::with_both();
    world.ready().await;
    let go = world.root.join("go").display().to_string();
    let script =
        format!("slipway-agent result set a=1; echo said; while ! test -e {go}; do sleep 0.02; done; slipway-agent result set b=2");
    let id = submitted(&world, &sh(&script)).await;
    eventually("the first result", async || {
        let attempt = world.client().await.attempts(id).await.ok()?.items.pop()?;
        attempt.notes.filter(|notes| notes.results.contains_key("a"))
    })
    .await;
    world.strike(Part::Server);
    fs::write(&go, "").expect("a file");
    assert_eq!(world.ended(id).await.state, TaskState::Succeeded);
    let notes = world.client().await.attempts(id).await.expect("attempts").items.remove(0).notes.expect("notes");
    assert_eq!(json!(notes.results), json!({"a": 1, "b": 2}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_task_keeps_its_checkpoint_among_its_outputs() {
    let world = World::with_both();
    world.ready().await;
    let checkpoint = ["sh", "-c", "echo $SLIPWAY_STOPPED_BY > saved"].map(str::to_owned).to_vec();
    let task = NewTask { checkpoint, outputs: vec!["saved".into()], ..sh("echo runs; exec sleep 1000") };
    let id = submitted(&world, &task).await;
    eventually("the command", async || log(&world, id, 1).await.contains("runs").then_some(())).await;
    world.client().await.cancel_task(id, SystemRng.uuid()).await.expect("a cancel");
    assert_eq!(world.ended(id).await.state, TaskState::Cancelled);
    let (saved, err, _) = told(&world, &["outputs", "get", &id.to_string(), "saved", "--to", "-"]).await;
    assert_eq!(saved.trim(), StoppedBy::Cancel.as_str(), "{err}");
}
