//! What a command says to its agent, and what it is told.

use crate::{
    Agent, run,
    server::{Recipe, Server},
    sh,
};
use serde_json::{Value, json};
use slipway::wire::{AttemptRef, Ending, FinishRequest, Notes, StoppedBy};

/// What the server has of it once the agent is gone.
async fn end(server: &Server, of: AttemptRef, agent: &mut Agent) -> (FinishRequest, Notes, String) {
    assert_eq!(agent.ended().await, Some(0), "{}", agent.log());
    let attempt = server.attempt(of);
    let finish = attempt.finish.expect("a finish");
    let notes = finish.notes.as_deref().cloned().unwrap_or_default();
    (finish, notes, String::from_utf8_lossy(&attempt.log).into_owned())
}

#[tokio::test]
async fn a_command_tells_results_and_progress_by_the_agents_own_program() {
    let server = Server::start().await;
    let script = "set -e
        slipway-agent phase 'warm up'
        slipway-agent progress 3/10 epoch 3
        slipway-agent result set acc=0.91 'best={\"epoch\": 3}' name=resnet gone=1
        slipway-agent result set gone=null
        echo got $(slipway-agent result get acc) $(slipway-agent result get name) $(slipway-agent result get)
        slipway-agent status
        while ! test -e go; do sleep 0.02; done
        slipway-agent progress 42.5%";
    let (of, mut agent) = run(&server, sh(script));
    // Both come without the end of the attempt: by a heartbeat, and as notes.
    server
        .until("progress and results", |w| {
            let attempt = &w.attempts[&of];
            let progress = attempt.beats.iter().rev().find_map(|beat| beat.progress.clone());
            progress.is_some_and(|p| p.phase.as_deref() == Some("warm up") && (p.done, p.total) == (Some(3), Some(10)))
                && attempt.notes.as_ref().is_some_and(|notes| notes.results.len() == 3)
        })
        .await;
    std::fs::write(agent.dir.path().join("scratch/go"), "").expect("the scratch directory");
    let (finish, notes, log) = end(&server, of, &mut agent).await;
    assert_eq!(finish.exit_code, Some(0), "{log}");
    assert_eq!(json!(notes.results), json!({"acc": 0.91, "best": {"epoch": 3}, "name": "resnet"}));
    assert_eq!(json!(notes.progress), json!({"phase": "warm up", "done": 425, "total": 1000}));
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines[0], r#"got 0.91 resnet {"acc":0.91,"best":{"epoch":3},"name":"resnet"}"#);
    let status: Value = serde_json::from_str(lines[1]).expect("a status");
    assert_eq!((&status["task"], &status["attempt"], &status["stopping"]), (&json!(1), &json!(1), &Value::Null));
    assert!(!agent.dir.path().join("inside").exists(), "the socket is left");
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_and_the_rest_stays() {
    let server = Server::start().await;
    let script = "slipway-agent result set good=1
        slipway-agent result set \"$(head -c 200 /dev/zero | tr '\\0' n)=1\"; echo $?
        slipway-agent result set \"long=$(head -c 5000 /dev/zero | tr '\\0' x)\"; echo $?
        slipway-agent progress 11/10; echo $?
        slipway-agent phase \"$(printf 'a\\nb')\"; echo $?
        slipway-agent result get none; echo $?
        slipway-agent stopping; echo $?
        slipway-agent resume get; echo $?
        slipway-agent nonsense 2>&1 | head -1
        env -u SLIPWAY_SOCKET slipway-agent status; echo $?";
    let (of, mut agent) = run(&server, sh(script));
    let (_, notes, log) = end(&server, of, &mut agent).await;
    assert_eq!(json!(notes.results), json!({"good": 1}));
    insta::assert_snapshot!(log, @r#"
    slipway-agent: the name of a result is one line of 1 to 128 bytes
    1
    slipway-agent: the result long has more than 4096 bytes; a file among the task's outputs may have them
    1
    slipway-agent: "11/10" is no progress: give per cent (42%) or a part of a whole (160/1281)
    2
    slipway-agent: a phase is one line of 1 to 64 bytes
    1
    1
    1
    1
    usage: slipway-agent install DIR | run [DIR] | gate | version
    slipway-agent: SLIPWAY_SOCKET is not set: this works inside a task that Slipway runs
    1
    "#);
}

#[tokio::test]
async fn a_program_speaks_for_itself_line_by_line() {
    let server = Server::start().await;
    let script = r#"exec python3 - <<'EOF'
import json, os, socket
talk = socket.socket(socket.AF_UNIX)
talk.connect(os.environ["SLIPWAY_SOCKET"])
lines = talk.makefile("rw")
def say(line):
    print(line, file=lines, flush=True)
    return json.loads(lines.readline())
for epoch in range(1, 101):
    say(json.dumps({"progress": {"done": epoch, "total": 100}, "results": {"loss": 1 / epoch}}))
print("refused:", "error" in say("nonsense"), "error" in say('{"result": {}}'))
print(say("{}")["progress"])
EOF"#;
    let (of, mut agent) = run(&server, sh(script));
    let (finish, notes, log) = end(&server, of, &mut agent).await;
    assert_eq!((finish.exit_code, log.as_str()), (Some(0), "refused: True True\n{'done': 100, 'total': 100}\n"));
    assert_eq!(json!(notes.results), json!({"loss": 0.01}));
    let beats = server.attempt(of).beats.len();
    assert!(beats < 50, "{beats} heartbeats: what a command says often is told seldom");
}

#[tokio::test]
async fn a_command_that_is_to_stop_saves_what_it_has_and_its_next_attempt_knows() {
    let server = Server::start().await;
    let save = "echo saving by $SLIPWAY_STOPPED_BY, $SLIPWAY_SECONDS_LEFT s left, in $(basename $PWD)
        test $(slipway-agent stopping) -ge 10 && slipway-agent resume set step-17";
    let ending = Ending { checkpoint: ["/bin/sh", "-c", save].map(str::to_owned).into(), ..Ending::default() };
    let script = "trap 'echo stopped; exit 0' TERM; echo ready ${SLIPWAY_RESUME:-afresh}; while :; do sleep 0.02; done";
    let recipe = Recipe { ending, ..sh(script) };
    let (of, mut agent) = run(&server, recipe.clone());
    server.until("it runs", |w| w.attempts[&of].log.starts_with(b"ready")).await;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(agent.init()), nix::sys::signal::Signal::SIGTERM).expect("it lives");
    let (finish, notes, log) = end(&server, of, &mut agent).await;
    assert_eq!(finish.stopped_by, Some(StoppedBy::Drain));
    assert_eq!(notes.resume.as_deref(), Some("step-17"), "{log}");
    // Some shells also say that their child was terminated.
    let lines: Vec<_> = log.lines().filter(|line| !line.contains("erminated")).collect();
    let expected = [
        "ready afresh",
        "[slipway: checkpoint: the command is to stop; saving what it has]",
        "saving by drain, 15 s left, in scratch",
        "[slipway: checkpoint: done]",
        "stopped",
    ];
    assert_eq!(lines, expected);

    let again = Recipe { resume: notes.resume, ending: Ending::default(), ..sh("slipway-agent resume get; echo $SLIPWAY_RESUME") };
    let (of, mut agent) = run(&server, again);
    assert_eq!(end(&server, of, &mut agent).await.2, "step-17\nstep-17\n");
}

#[tokio::test]
async fn a_checkpoint_that_hangs_or_cannot_start_holds_up_nothing() {
    let server = Server::start().await;
    for (words, said) in [
        (&["/bin/sh", "-c", "trap '' TERM; sleep 1000 & wait"][..], "checkpoint: not ready after 1 s; it was killed"),
        (&["/nowhere/save"], "checkpoint: cannot start /nowhere/save"),
        (&["/bin/sh", "-c", "exit 3"], "checkpoint: failed: exit status: 3"),
    ] {
        let ending = Ending { checkpoint: words.iter().map(ToString::to_string).collect(), ..Ending::default() };
        let script = "trap 'echo told; exit 5' TERM; echo ready; while :; do sleep 0.02; done";
        let (of, mut agent) = run(&server, Recipe { ending, grace_seconds: 2, ..sh(script) });
        server.until("it runs", |w| w.attempts[&of].log.starts_with(b"ready")).await;
        server.change(|w| w.attempts.get_mut(&of).expect("it is there").cancel = true);
        let (finish, _, log) = end(&server, of, &mut agent).await;
        assert_eq!((finish.exit_code, finish.stopped_by), (Some(5), Some(StoppedBy::Cancel)), "{log}");
        assert!(log.contains(said) && log.ends_with("told\n"), "{log}");
    }
}
