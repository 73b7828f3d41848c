//! One attempt each: commands that behave and commands that do not.

use crate::{
    Agent, children, command, kill, run,
    server::{Recipe, Server},
    sh,
};
use nix::sys::signal::Signal;
use slipway::wire::{
    AttemptRef, FinishRequest, Phase, SelfStop, StoppedBy, Times, Work,
    handoff::{Testament, files},
};

/// The result that the server has, once the agent is gone with exit code 0.
async fn result(server: &Server, of: AttemptRef, agent: &mut Agent) -> FinishRequest {
    assert_eq!(agent.ended().await, Some(0), "{}", agent.log());
    let attempt = server.attempt(of);
    assert!(attempt.ended, "not settled");
    attempt.finish.unwrap()
}

fn text(server: &Server, of: AttemptRef) -> String {
    String::from_utf8_lossy(&server.attempt(of).log).into_owned()
}

async fn output(server: &Server, of: AttemptRef, wanted: &'static str) {
    server.until(wanted, |w| String::from_utf8_lossy(&w.attempts[&of].log).contains(wanted)).await;
}

#[tokio::test]
async fn a_command_runs_in_its_own_clean_place() {
    let server = Server::start().await;
    let recipe = Recipe { env: [("GREETING".into(), "hello".into())].into(), ..sh("pwd; env | sort; echo to stderr >&2; exit 3") };
    let (of, mut agent) = run(&server, recipe);
    let dir = agent.dir.path().display().to_string();
    let end = result(&server, of, &mut agent).await;
    assert_eq!((end.exit_code, end.signal, end.stopped_by), (Some(3), None, None));

    let log = text(&server, of);
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines[0], format!("{dir}/scratch"));
    assert_eq!(lines.last(), Some(&"to stderr"));
    for line in [
        "GREETING=hello",
        "CUDA_VISIBLE_DEVICES=3",
        "PYTHONUNBUFFERED=1",
        "SLIPWAY_TASK_ID=1",
        "SLIPWAY_QUEUE=default",
        &format!("SLIPWAY_ATTEMPT={}", agent.marker),
        &format!("HOME={dir}/home"),
        &format!("TMPDIR={dir}/tmp"),
    ] {
        assert!(lines.contains(&line), "{line} is missing in {log}");
    }
    let allowed =
        ["PATH", "USER", "LANG", "PWD", "SHLVL", "_", "OLDPWD", "GREETING", "CUDA_VISIBLE_DEVICES", "PYTHONUNBUFFERED", "HOME", "TMPDIR"];
    let strange: Vec<_> = lines
        .iter()
        .filter_map(|l| l.split_once('='))
        .map(|(k, _)| k)
        .filter(|k| !allowed.contains(k) && !k.starts_with("SLIPWAY_"))
        .collect();
    assert_eq!(strange, Vec::<&str>::new());
    assert!(!log.contains("attempt-1/1") && !agent.log().contains("attempt-1/1"), "a token leaked");
    assert!(!agent.dir.path().join(files::ASSIGNMENT).exists(), "the start token is left on disk");

    let testament: Testament = serde_json::from_slice(&std::fs::read(agent.dir.path().join(files::RESULT)).unwrap()).unwrap();
    assert_eq!(testament.result.unwrap().exit_code, Some(3));
    let phases = server.attempt(of).phases;
    assert_eq!(phases[0], Phase::Starting);
}

#[tokio::test]
async fn a_script_is_run_by_its_interpreter_or_by_the_shell() {
    let server = Server::start().await;
    for (script, expected) in [("echo from $0", "slipway-script"), ("#!/usr/bin/env -S cat\nprinted", "printed")] {
        let (of, mut agent) = run(&server, Recipe { work: Work::Script(script.into()), ..sh("") });
        assert_eq!(result(&server, of, &mut agent).await.exit_code, Some(0));
        assert!(text(&server, of).contains(expected), "{}", text(&server, of));
    }
}

#[tokio::test]
async fn a_command_that_cannot_start_says_why() {
    let server = Server::start().await;
    for (recipe, code) in [(command(&["no-such-program"]), 127), (command(&["/etc/passwd"]), 126)] {
        let (of, mut agent) = run(&server, recipe);
        let end = result(&server, of, &mut agent).await;
        assert_eq!(end.exit_code, Some(code));
        assert!(end.message.unwrap().starts_with("cannot start "));
        assert!(text(&server, of).starts_with("[slipway: cannot start "));
    }
}

#[tokio::test]
async fn an_end_by_signal_is_reported_as_one() {
    let server = Server::start().await;
    let (of, mut agent) = run(&server, sh("kill -SEGV $$"));
    let end = result(&server, of, &mut agent).await;
    assert_eq!((end.exit_code, end.signal, end.stopped_by), (None, Some(11), None));
}

#[tokio::test]
async fn a_cancel_gives_grace_to_who_uses_it() {
    let server = Server::start().await;
    let (of, mut agent) = run(&server, sh("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.01; done"));
    output(&server, of, "ready").await;
    server.change(|w| w.attempts.get_mut(&of).unwrap().cancel = true);
    let end = result(&server, of, &mut agent).await;
    assert_eq!((end.exit_code, end.stopped_by), (Some(5), Some(StoppedBy::Cancel)));
    assert!(text(&server, of).ends_with("bye\n"));
}

#[tokio::test]
async fn a_cancel_ends_a_command_that_ignores_it_and_all_its_descendants() {
    let server = Server::start().await;
    let script = "trap '' TERM; (setsid sh -c 'trap \"\" TERM; while :; do sleep 0.05; done' &) ; \
                  (env -i setsid sleep 1000 &); echo ready; while :; do sleep 0.05; done";
    let (of, mut agent) = run(&server, Recipe { grace_seconds: 0, ..sh(script) });
    output(&server, of, "ready").await;
    server.change(|w| w.attempts.get_mut(&of).unwrap().cancel = true);
    let end = result(&server, of, &mut agent).await;
    assert_eq!((end.signal, end.stopped_by), (Some(9), Some(StoppedBy::Cancel)));
}

#[tokio::test]
async fn the_time_limit_stops_the_command() {
    let server = Server::start().await;
    let (of, mut agent) = run(&server, Recipe { timeout_seconds: Some(1), ..sh("sleep 1000") });
    let end = result(&server, of, &mut agent).await;
    assert_eq!((end.signal, end.stopped_by), (Some(15), Some(StoppedBy::Timeout)));
}

#[tokio::test]
async fn a_server_that_is_silent_for_too_long_stops_the_command_where_that_was_agreed() {
    let server = Server::start().await;
    let self_stop = Some(SelfStop { stop_ms: 1_500, kill_ms: 2_500 });
    let deaf = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let (of, mut agent) = run(&server, Recipe { self_stop, grace_seconds: 1_000, ..sh(deaf) });
    output(&server, of, "ready").await;
    server.change(|w| w.refused_beats = Some(0));
    // Nobody hears its heartbeats, and its grace period is cut short: nothing of it lives when another may begin.
    let end = result(&server, of, &mut agent).await;
    assert_eq!((end.signal, end.stopped_by), (Some(9), Some(StoppedBy::Silence)));
}

#[tokio::test]
async fn a_server_that_answers_now_and_then_stops_nothing() {
    let server = Server::start().await;
    let self_stop = Some(SelfStop { stop_ms: 7_000, kill_ms: 8_000 });
    // Longer than the agent would wait without an answer.
    let (of, mut agent) = run(&server, Recipe { self_stop, ..sh("echo ready; sleep 12; echo done") });
    output(&server, of, "ready").await;
    for _ in 0..2 {
        server.change(|w| w.refused_beats = Some(0));
        server.until("a heartbeat", |w| w.refused_beats > Some(0)).await;
        server.change(|w| w.refused_beats = None);
        let before = server.attempt(of).beats.len();
        server.until("an answered heartbeat", |w| w.attempts[&of].beats.len() > before).await;
    }
    let end = result(&server, of, &mut agent).await;
    assert_eq!((end.exit_code, end.stopped_by), (Some(0), None));
}

#[tokio::test]
async fn a_machine_that_goes_away_drains_the_command() {
    let server = Server::start().await;
    let (of, mut agent) = run(&server, sh("echo ready; sleep 1000"));
    output(&server, of, "ready").await;
    kill(agent.init(), Signal::SIGTERM);
    let end = result(&server, of, &mut agent).await;
    assert_eq!((end.signal, end.stopped_by), (Some(15), Some(StoppedBy::Drain)));
}

#[tokio::test]
async fn a_grandchild_that_holds_the_output_is_not_waited_for() {
    let server = Server::start().await;
    let (of, mut agent) = run(&server, sh("echo first; (setsid sleep 1000 &); exit 0"));
    let end = result(&server, of, &mut agent).await;
    assert_eq!((end.exit_code, end.stopped_by), (Some(0), None));
    assert_eq!(text(&server, of), "first\n");
}

#[tokio::test]
async fn output_of_helpers_after_the_end_is_kept() {
    let server = Server::with_times(Times { drain_output_ms: 30_000, ..Server::start().await.times }).await;
    let (of, mut agent) = run(&server, sh("(sleep 0.3; echo last) & echo first"));
    result(&server, of, &mut agent).await;
    assert_eq!(text(&server, of), "first\nlast\n");
}

#[tokio::test]
async fn ten_thousand_zombies_are_reaped() {
    let server = Server::start().await;
    let (of, mut agent) = run(&server, sh("i=0; while [ $i -lt 10000 ]; do (true &); i=$((i+1)); done; echo ready; read x < /dev/zero"));
    output(&server, of, "ready").await;
    server.change(|w| w.attempts.get_mut(&of).unwrap().cancel = true);
    result(&server, of, &mut agent).await;
}

#[tokio::test]
async fn two_hundred_megabytes_on_one_line_pass_in_little_memory() {
    let server = Server::start().await;
    let script = "echo begin; read x < /dev/zero 2>/dev/null; head -c 200000000 /dev/zero; printf '\\377\\376'; echo end; sleep 1000";
    let (of, mut agent) = run(&server, sh(&script.replace("read x < /dev/zero 2>/dev/null; ", "")));
    server.until("all of it", |w| w.attempts[&of].log.len() == 6 + 200_000_000 + 2 + 4).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.worker())).unwrap();
    let peak: u64 = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 32 << 10, "the worker took {peak} KiB");
    server.change(|w| w.attempts.get_mut(&of).unwrap().cancel = true);
    result(&server, of, &mut agent).await;
    assert!(server.attempt(of).log.ends_with(b"\0\xff\xfeend\n"));
}

#[tokio::test]
async fn a_log_beyond_its_limit_keeps_head_and_tail() {
    let server = Server::start().await;
    let (of, mut agent) = run(&server, Recipe { log_limit_bytes: 3 << 20, ..sh("echo head; seq 1000000; echo tail") });
    result(&server, of, &mut agent).await;
    let log = text(&server, of);
    assert!(log.len() <= 3 << 20);
    assert!(log.starts_with("head\n1\n2\n") && log.ends_with("999999\n1000000\ntail\n"));
    assert_eq!(log.matches("bytes of output omitted here (log limit 3145728 bytes)]\n").count(), 1);
}

#[tokio::test]
async fn a_server_away_stops_nothing_and_misses_nothing() {
    let server = Server::start().await;
    server.change(|w| (w.log_closed, w.pages) = (true, 3));
    let (of, mut agent) = run(&server, sh("seq 300000; echo done"));
    server.until("the result is stored before the log", |w| w.attempts[&of].finish.is_some()).await;
    server.change(|w| (w.log_closed, w.lost_answers, w.pages) = (false, 3, 2));
    assert_eq!(result(&server, of, &mut agent).await.exit_code, Some(0));
    assert_eq!(text(&server, of).lines().count(), 300_001);
    assert!(agent.log().contains("did not answer as a Slipway server"), "{}", agent.log());
}

#[tokio::test]
async fn an_attempt_that_is_superseded_dies_at_once() {
    let server = Server::start().await;
    let (of, mut agent) = run(&server, sh("trap '' TERM; echo ready; while :; do sleep 0.05; done"));
    output(&server, of, "ready").await;
    server.change(|w| w.attempts.get_mut(&of).unwrap().superseded = true);
    assert_eq!(agent.ended().await, Some(97));
    assert!(!agent.dir.path().join(files::RESULT).exists());
}

#[tokio::test]
async fn a_refused_start_runs_nothing() {
    let server = Server::start().await;
    let of = server.claimed(sh("touch /should-not-run"));
    server.change(|w| w.attempts.get_mut(&of).unwrap().cancel = true);
    let mut agent = Agent::start(&server, of);
    assert_eq!(agent.ended().await, Some(97));
    assert!(server.attempt(of).phases.is_empty());
}

#[tokio::test]
async fn a_killed_worker_takes_everything_with_it() {
    let server = Server::start().await;
    let (of, mut agent) = run(&server, sh("(env -i setsid sleep 1000 &); echo ready; sleep 1000"));
    output(&server, of, "ready").await;
    let strays: Vec<_> = children(agent.init()).into_iter().filter(|pid| *pid != agent.worker()).collect();
    kill(agent.worker(), Signal::SIGKILL);
    assert_eq!(agent.ended().await, Some(99));
    assert!(strays.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()));
}

#[tokio::test]
async fn a_killed_init_takes_the_worker_and_the_command_with_it() {
    let server = Server::start().await;
    let (of, mut agent) = run(&server, sh("echo ready; sleep 1000"));
    output(&server, of, "ready").await;
    kill(agent.init(), Signal::SIGKILL);
    agent.process.wait().await.unwrap();
    let lock = std::fs::File::open(agent.dir.path().join(files::LOCK)).unwrap();
    // Blocks until worker and init have let go of it.
    tokio::task::spawn_blocking(move || lock.lock()).await.unwrap().unwrap();
    // The shell dies with the worker; what it started does not have to, and is found by its marker.
    crate::kill_marked(&agent.marker);
}

#[tokio::test]
async fn two_agents_never_share_an_attempt() {
    let server = Server::start().await;
    let (of, mut agent) = run(&server, sh("echo ready; sleep 1000"));
    output(&server, of, "ready").await;
    let second = tokio::process::Command::new(crate::AGENT).arg("run").arg(agent.dir.path()).output().await.unwrap();
    assert_eq!(second.status.code(), Some(99));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another agent carries this attempt"));
    server.change(|w| w.attempts.get_mut(&of).unwrap().cancel = true);
    result(&server, of, &mut agent).await;
}
