//! The process runner with real agents, against the small server.

use crate::{
    AGENT, children, kill, marked,
    server::{Recipe, Server},
    sh,
};
use nix::sys::signal::Signal;
use slipway::{
    app::ambient::SystemRng,
    client::Client,
    runner::process::{Config, RunnerError, identity, run},
    wire::{AttemptNumber, AttemptRef, FailureClass, Reason, ReportKind, StoppedBy, TaskId},
};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A runner with two slots and two GPUs in a directory of its own. Aborting its task is what `kill -9` does to it.
struct Runner {
    dir: Home,
    task: JoinHandle<Result<(), RunnerError>>,
    stop: CancellationToken,
}

impl Runner {
    fn start(server: &Server) -> Self {
        Self::within(server, Home::new(), &[AGENT, "run"])
    }

    fn within(server: &Server, dir: Home, agent: &[&str]) -> Self {
        let identity = identity(dir.path(), "test.host", &SystemRng).unwrap();
        let config = Config {
            name: identity.name,
            instance: identity.instance,
            queues: vec!["*".into()],
            slots: 2,
            gpus: 2,
            dir: dir.path().to_owned(),
            agent: agent.iter().map(Into::into).collect(),
            url: server.url.clone(),
            ca: None,
            version: "test".into(),
        };
        let client = Client::new(&server.url, None, "test/0").unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(config, client, Arc::new(SystemRng), stop.clone()));
        Self { dir, task, stop }
    }

    /// Kills the runner and starts another one in its directory.
    async fn again(self, server: &Server) -> Self {
        self.task.abort();
        let _ = self.task.await;
        Self::within(server, self.dir, &[AGENT, "run"])
    }

    fn attempt_dir(&self, of: AttemptRef) -> std::path::PathBuf {
        self.dir.path().join(format!("attempts/{}-{}", of.task, of.attempt))
    }

    /// The marker of an attempt's processes.
    fn marker(&self, of: AttemptRef) -> String {
        let meta: serde_json::Value = serde_json::from_slice(&std::fs::read(self.attempt_dir(of).join("meta.json")).unwrap()).unwrap();
        format!("{}-{}-{}", of.task, of.attempt, meta["uid"].as_str().unwrap())
    }

    /// Waits until every attempt's directory is gone.
    async fn idle(&self) {
        let attempts = self.dir.path().join("attempts");
        let gone = async {
            while std::fs::read_dir(&attempts).unwrap().next().is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let gone = tokio::time::timeout(Duration::from_secs(30), gone).await;
        gone.unwrap_or_else(|_| {
            let left: Vec<_> = std::fs::read_dir(&attempts).unwrap().flatten().map(|e| e.path()).collect();
            let logs: Vec<_> = left.iter().map(|dir| std::fs::read_to_string(dir.join("agent.log"))).collect();
            panic!("never idle: {left:?} {logs:?}");
        });
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// A data directory that takes its attempts' processes with it, so that a test that fails leaves nothing behind.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(self.path().join("attempts")).into_iter().flatten().flatten() {
            let meta = std::fs::read(entry.path().join("meta.json")).unwrap_or_default();
            let meta: serde_json::Value = serde_json::from_slice(&meta).unwrap_or_default();
            let uid = meta["uid"].as_str().unwrap_or("none");
            crate::kill_marked(&format!("{}-{}-{uid}", meta["task"], meta["attempt"]));
        }
    }
}

fn first(task: TaskId) -> AttemptRef {
    AttemptRef { task, attempt: AttemptNumber(1) }
}

async fn output(server: &Server, of: AttemptRef, wanted: &'static str) {
    server.until(wanted, |w| w.attempts.get(&of).is_some_and(|a| String::from_utf8_lossy(&a.log).contains(wanted))).await;
}

async fn ended(server: &Server, of: AttemptRef) {
    server.until("the end", |w| w.attempts.get(&of).is_some_and(|a| a.ended)).await;
}

/// The agent's init, found as its runner would.
fn init(marker: &str, dir: &Path) -> i32 {
    let carriers = marked(marker);
    let inner: Vec<_> = carriers.iter().flat_map(|pid| children(*pid)).collect();
    *carriers.iter().find(|pid| !inner.contains(pid)).unwrap_or_else(|| panic!("no agent in {}", dir.display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_claimed_within_the_slots_and_leave_nothing() {
    let server = Server::start().await;
    let tasks: Vec<_> = (0..6).map(|_| server.submit(sh("echo it ran"))).collect();
    let runner = Runner::start(&server);
    for task in tasks {
        ended(&server, first(task)).await;
        let attempt = server.attempt(first(task));
        assert_eq!((attempt.finish.unwrap().exit_code, attempt.starts, attempt.log), (Some(0), 1, b"it ran\n".to_vec()));
    }
    assert!(server.world().largest_claim <= 2);
    runner.idle().await;
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_has_gpus_of_its_own() {
    let server = Server::start().await;
    let script = "echo see $CUDA_VISIBLE_DEVICES.; sleep 1000";
    let (one, two) = (server.submit(Recipe { gpus: 1, ..sh(script) }), server.submit(Recipe { gpus: 1, ..sh(script) }));
    let runner = Runner::start(&server);
    for of in [first(one), first(two)] {
        output(&server, of, ".\n").await;
    }
    let mut seen = [server.attempt(first(one)).log, server.attempt(first(two)).log];
    seen.sort();
    assert_eq!(seen, [b"see 0.\n".to_vec(), b"see 1.\n".to_vec()]);
    server.change(|w| w.attempts.values_mut().for_each(|a| a.cancel = true));
    runner.idle().await;
    let none = server.submit(sh(script));
    output(&server, first(none), "see .\n").await;
    server.change(|w| w.attempts.values_mut().for_each(|a| a.cancel = true));
    runner.idle().await;
    assert_eq!(server.attempt(first(none)).finish.unwrap().stopped_by, Some(StoppedBy::Cancel));
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_runner_finds_its_attempts_again() {
    let server = Server::start().await;
    let task = first(server.submit(sh("echo ready; while [ ! -e ../go ]; do sleep 0.02; done; echo done")));
    let mut runner = Runner::start(&server);
    for _ in 0..3 {
        output(&server, task, "ready").await;
        runner = runner.again(&server).await;
    }
    std::fs::write(runner.attempt_dir(task).join("go"), "").unwrap();
    ended(&server, task).await;
    runner.idle().await;
    let attempt = server.attempt(task);
    assert_eq!((attempt.finish.unwrap().exit_code, attempt.starts, attempt.reports), (Some(0), 1, vec![]));
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_was_lost_is_begun_all_the_same() {
    let server = Server::start().await;
    // The server holds it for the runner, which has never heard of it.
    let of = server.claimed(sh("echo it ran"));
    let runner = Runner::start(&server);
    ended(&server, of).await;
    assert_eq!(server.attempt(of).starts, 1);
    runner.idle().await;
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_agent_is_reported_after_everything_of_it_is_dead() {
    let server = Server::start().await;
    let script = "(setsid sh -c 'trap \"\" TERM; while :; do sleep 0.05; done' &); echo ready; sleep 1000";
    let task = first(server.submit(sh(script)));
    let runner = Runner::start(&server);
    output(&server, task, "ready").await;
    let marker = runner.marker(task);
    kill(init(&marker, runner.dir.path()), Signal::SIGKILL);
    ended(&server, task).await;
    assert_eq!(marked(&marker), Vec::<i32>::new(), "reported before it was dead");
    let report = &server.attempt(task).reports[0];
    assert!(matches!(report, ReportKind::Ended { class: FailureClass::Lost, reason: Reason::AttemptLost, .. }), "{report:?}");
    runner.idle().await;
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_left_behind_is_reported_for_its_agent() {
    let server = Server::start().await;
    server.change(|w| w.log_closed = true);
    let task = first(server.submit(sh("echo ready; exit 4")));
    let runner = Runner::start(&server);
    // The result is stored, the log cannot follow, and the agent dies of it.
    server.until("the result", |w| w.attempts.get(&task).is_some_and(|a| a.finish.is_some())).await;
    let marker = runner.marker(task);
    kill(init(&marker, runner.dir.path()), Signal::SIGKILL);
    ended(&server, task).await;
    let report = &server.attempt(task).reports[0];
    assert!(matches!(report, ReportKind::Finish { result } if result.exit_code == Some(4)), "{report:?}");
    runner.idle().await;
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_cannot_start_is_tried_and_then_reported() {
    let server = Server::start().await;
    for agent in [["/bin/false", "run"], ["/no/such/agent", "run"]] {
        let task = first(server.submit(sh("true")));
        let runner = Runner::within(&server, Home::new(), &agent);
        ended(&server, task).await;
        let report = server.attempt(task).reports.remove(0);
        assert!(matches!(report, ReportKind::Ended { class: FailureClass::Infra, reason: Reason::AgentNotStarted, .. }), "{report:?}");
        runner.idle().await;
        runner.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overdue_cancel_is_carried_out_by_force() {
    let server = Server::start().await;
    let task = first(server.submit(sh("echo ready; sleep 1000")));
    let runner = Runner::start(&server);
    output(&server, task, "ready").await;
    let marker = runner.marker(task);
    // An agent that hangs hears no cancel.
    for pid in marked(&marker) {
        kill(pid, Signal::SIGSTOP);
    }
    server.change(|w| {
        let attempt = w.attempts.get_mut(&task).unwrap();
        (attempt.cancel, attempt.overdue) = (true, true);
    });
    ended(&server, task).await;
    assert_eq!(marked(&marker), Vec::<i32>::new());
    runner.idle().await;
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_the_runner_stops_no_task() {
    let server = Server::start().await;
    let task = first(server.submit(sh("echo ready; while [ ! -e ../go ]; do sleep 0.02; done")));
    let runner = Runner::start(&server);
    output(&server, task, "ready").await;
    let go = runner.attempt_dir(task).join("go");
    runner.stop.cancel();
    runner.task.await.unwrap().unwrap();
    std::fs::write(go, "").unwrap();
    ended(&server, task).await;
    assert_eq!(server.attempt(task).finish.unwrap().exit_code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_unknown_to_the_server_is_left_alone_and_takes_no_slot() {
    let server = Server::start().await;
    let dir = Home::new();
    let strange = dir.path().join("attempts/99-1");
    std::fs::create_dir_all(&strange).unwrap();
    let meta = r#"{"task":99,"attempt":1,"claim":"00000000-0000-0000-0000-000000000000","uid":"u","bootId":"b","gpus":[0,1],"launches":1}"#;
    std::fs::write(strange.join("meta.json"), meta).unwrap();
    let runner = Runner::within(&server, dir, &[AGENT, "run"]);
    let tasks: Vec<_> = (0..2).map(|_| server.submit(Recipe { gpus: 1, ..sh("true") })).collect();
    for task in tasks {
        ended(&server, first(task)).await;
    }
    assert!(strange.join("meta.json").exists());
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_name_ends_the_runner_with_a_clear_word() {
    let server = Server::start().await;
    server.change(|w| w.taken = true);
    let runner = Runner::start(&server);
    let error = runner.task.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("is taken by another live runner"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgot_the_runner_is_told_again() {
    let server = Server::start().await;
    let runner = Runner::start(&server);
    server.until("registered", |w| w.registered).await;
    server.change(|w| (w.registered, w.pages) = (false, 2));
    let task = server.submit(sh("true"));
    ended(&server, first(task)).await;
    runner.idle().await;
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_may_die_anywhere() {
    let server = Server::start().await;
    // Before a result the attempt is lost, after it the result counts; either way nothing runs twice and nothing is left.
    let points = ["started", "beaten", "spawned", "result", "stored", "finished"];
    for (at, point) in points.into_iter().enumerate() {
        let task = first(server.submit(sh("(setsid sleep 1000 &); echo once")));
        let armed = format!("SLIPWAY_CRASH_POINT=agent.{point}");
        let runner = Runner::within(&server, Home::new(), &["/usr/bin/env", &armed, AGENT, "run"]);
        ended(&server, task).await;
        runner.idle().await;
        let attempt = server.attempt(task);
        assert_eq!(attempt.starts, 1, "at {point}");
        match (&attempt.finish, attempt.reports.as_slice()) {
            (_, [ReportKind::Finish { result }]) => assert!(at >= 3 && result.exit_code == Some(0), "at {point}"),
            (None, [ReportKind::Ended { reason: Reason::AttemptLost, .. }]) => assert!(at < 3, "at {point}"),
            (Some(finish), []) => assert!(at >= 4 && finish.exit_code == Some(0), "at {point}"),
            other => panic!("at {point}: {other:?}"),
        }
        runner.stop().await;
    }
}
