//! Whole commands against a scripted server: what is sent, what is printed, how it ends.

mod arrays;
mod completion;
mod config;
mod doctor;
mod first;
mod formats;
mod judged;
mod login;
mod platform;
mod reading;
mod rules;
mod stopping;
mod views;
mod watching;
mod why;

use super::{
    help::parsed,
    scripted::{Script, Server, json, problem, sse, text},
    testing::{Bench, queue, task},
};
use crate::wire::{Ended, Problem, ProblemCode, Queue, Reason, Task, TaskList, TaskState, Token, Version, Whoami};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json as object;

impl Bench {
    /// Types a command against a server; returns its exit code.
    async fn types(&self, server: &Server, words: &[&str]) -> u8 {
        let mut token = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut token, b"slw_test\n").unwrap();
        let (command, rest) = words.split_at(1);
        let words = [command, &["--url", &server.url, "--token-file", token.path().to_str().unwrap()], rest].concat();
        super::run(parsed(&words), self.surroundings()).await.code()
    }

    fn errors(&self, server: &Server) -> String {
        self.err.text().replace(&server.url, "http://server")
    }
}

fn events() -> String {
    let event = |id: i64, ms: i64, kind: &str, data: serde_json::Value| {
        let at = crate::wire::timestamp(crate::domain::UnixMs(ms));
        let data = object!({"id": id, "at": at, "kind": kind, "task": 1042, "data": data});
        format!("id: {id}\nevent: {kind}\ndata: {data}\n\n")
    };
    [
        event(1, 0, "task.submitted", object!(null)),
        event(2, 2_100, "attempt.claimed", object!({"runner": "box-k3f9a"})),
        event(3, 2_200, "attempt.started", object!(null)),
        event(4, 2_400, "attempt.phase", object!({"phase": "running"})),
    ]
    .concat()
}

fn ended() -> String {
    "id: 9\nevent: task.ended\ndata: {\"id\":9,\"at\":\"2026-11-20T09:22:04Z\",\"kind\":\"task.ended\",\"task\":1042}\n\n".into()
}

fn chunk(offset: u64, bytes: &str) -> String {
    let next = offset + bytes.len() as u64;
    let data = object!({"attempt": 1, "offset": offset, "next": next, "b64": STANDARD.encode(bytes)});
    format!("id: 1:{next}\nevent: log\ndata: {data}\n\n")
}

const END: &str = "event: end\ndata: {\"state\":\"failed\"}\n\n";
const EVENTS: &str = "GET /api/v1/events?task=1042&after=0";
const LOG: &str = "GET /api/v1/tasks/1042/log?follow=true";

fn failed() -> Task {
    let ended = Ended { reason: Some(Reason::ExitNonZero), exit_code: Some(42), ..Ended::default() };
    Task { ended: Some(ended), ..task(1042, TaskState::Failed) }
}

fn list(tasks: &[Task]) -> TaskList {
    TaskList { items: tasks.to_vec(), next_cursor: None }
}

#[tokio::test]
async fn in_a_pipe_submit_prints_the_id_and_nothing_else() {
    let server = Script::default().on("POST /api/v1/tasks", json(201, &task(1042, TaskState::Queued))).start().await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["submit", "-n", "eval", "--", "make", "eval"]).await, 0);
    assert_eq!((bench.out.text().as_str(), bench.err.text().as_str()), ("1042\n", ""));
    let seen = &server.seen()[0];
    assert_eq!(seen.body, r#"{"name":"eval","command":["make","eval"]}"#);
    assert_eq!(seen.headers["authorization"], "Bearer slw_test");
    assert_eq!(seen.headers["idempotency-key"], "07070707-0707-4707-8707-070707070707");
}

#[tokio::test]
async fn at_a_terminal_submit_follows_over_a_broken_connection() {
    let server = Script::default()
        .on("POST /api/v1/tasks", json(201, &task(1042, TaskState::Queued)))
        .on(EVENTS, sse(&events()).then_break())
        .on(EVENTS, sse(&ended()))
        .on(LOG, sse(&(chunk(0, "epoch 1\n") + ": heartbeat\n\n" + &chunk(8, "epoch"))).then_break())
        .on(LOG, problem(&Problem::new(ProblemCode::Unavailable)))
        .on(LOG, sse(&(chunk(13, " 2") + END)))
        .on("GET /api/v1/tasks/1042", json(200, &failed()))
        .start()
        .await;
    let bench = Bench::person();
    assert_eq!(bench.types(&server, &["submit", "--", "python", "train.py"]).await, 3, "{}", bench.err.text());
    assert_eq!(bench.out.text(), "epoch 1\nepoch 2");
    insta::assert_snapshot!(bench.errors(&server));
    let resumed: Vec<_> =
        server.seen().into_iter().filter(|seen| seen.line == LOG).map(|seen| seen.headers.get("last-event-id").cloned()).collect();
    assert_eq!(resumed, [None, Some("1:13".to_owned()), Some("1:13".to_owned())]);
}

#[tokio::test]
async fn the_tasks_own_exit_code_is_passed_on_where_that_is_asked_for() {
    let server = Script::default()
        .on("POST /api/v1/tasks", json(201, &task(1042, TaskState::Queued)))
        .on(EVENTS, sse(&(events() + &ended())))
        .on("GET /api/v1/tasks/1042", json(200, &task(1042, TaskState::Active)))
        .on("GET /api/v1/tasks/1042", json(200, &failed()))
        .start()
        .await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["submit", "--wait", "--propagate-exit-code", "--", "x"]).await, 42);
    assert_eq!(bench.out.text(), "1042\n");
    assert_eq!(bench.err.text(), "error: task 1042 failed: ExitNonZero, exit code 42\nhint: see its log: slipway logs 1042\n");
}

#[tokio::test]
async fn an_interrupt_detaches_and_cancels_nothing() {
    let server = Script::default()
        .on("POST /api/v1/tasks", json(201, &task(1042, TaskState::Queued)))
        .on(EVENTS, sse(&events()))
        .on(LOG, sse(&chunk(0, "epoch 1\n")))
        .start()
        .await;
    let bench = Bench::person();
    let interrupt = bench.interrupt.clone();
    let (out, err) = (bench.out.clone(), bench.err.clone());
    tokio::spawn(async move {
        while out.text().is_empty() || !err.text().contains("running") {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        interrupt.cancel();
    });
    assert_eq!(bench.types(&server, &["submit", "--", "x"]).await, 130);
    insta::assert_snapshot!(bench.err.text());
    assert!(!server.lines().iter().any(|line| line.contains("cancel")));
}

#[tokio::test]
async fn logs_are_the_bytes_and_the_exit_status_is_an_option() {
    let server = Script::default()
        .on("GET /api/v1/tasks?user=%40me&limit=2", json(200, &list(&[task(1043, TaskState::Queued), failed()])))
        .on("GET /api/v1/tasks/1042/log", text("a\u{1b}[31mb"))
        .on("GET /api/v1/tasks/1042/log?attempt=2", text("two"))
        .on("GET /api/v1/tasks/1042", json(200, &failed()))
        .start()
        .await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["logs", "@2", "--raw"]).await, 0);
    assert_eq!(bench.types(&server, &["logs", "1042", "--attempt", "2", "--exit-status"]).await, 3);
    assert_eq!(bench.out.text(), "a\u{1b}[31mbtwo");
}

#[tokio::test]
async fn a_wait_in_vain_ends_with_7_and_one_for_any_with_the_first() {
    let quick = task(7, TaskState::Succeeded);
    let server = Script::default()
        .on(EVENTS, sse(&events()))
        .on("GET /api/v1/tasks/1042", json(200, &task(1042, TaskState::Active)))
        .on("GET /api/v1/tasks/7", json(200, &quick))
        .start()
        .await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["wait", "1042", "7", "--timeout", "1"]).await, 7);
    assert_eq!(bench.out.text(), "7 succeeded\n");
    assert_eq!(bench.err.text(), "error: after 1s 1 task has not ended: 1042\nhint: see where it stands: slipway get 1042\n");
    assert_eq!(bench.types(&server, &["wait", "--any", "1042", "7"]).await, 0);
}

#[tokio::test]
async fn errors_say_what_where_and_what_next() {
    let nothing = |code, detail: &str, hint: &str| problem(&Problem::new(code).detail(detail).hint(hint));
    let internal = Problem { request_id: Some("0198".into()), ..Problem::new(ProblemCode::Internal) };
    let server = Script::default()
        .on("POST /api/v1/tasks", nothing(ProblemCode::QueueNotFound, "No queue 'gpu-a10'. Did you mean 'gpu-a100'?", "slipway queue ls"))
        .on("GET /api/v1/whoami", problem(&Problem::new(ProblemCode::Unauthenticated)))
        .on("GET /api/v1/tokens", problem(&Problem::new(ProblemCode::Forbidden).detail("Tokens are for admins; you are viewer.")))
        .on("GET /api/v1/queues", problem(&internal))
        .on("GET /api/v1/runners", text("<html>"))
        .start()
        .await;
    let bench = Bench::default();
    for (words, exit) in [
        (&["submit", "-q", "gpu-a10", "--", "x"][..], 5),
        (&["whoami"], 4),
        (&["token", "ls"], 1),
        (&["queue", "ls"], 1),
        (&["get", "1"], 1),
        (&["submit"], 2),
    ] {
        assert_eq!(bench.types(&server, words).await, exit, "{words:?}");
    }
    let away = super::run(parsed(&["ls", "--url", "http://127.0.0.1:1"]), bench.surroundings()).await;
    assert_eq!(away.code(), 1);
    insta::assert_snapshot!(bench.errors(&server));
}

#[tokio::test]
async fn submit_needs_no_command_where_the_image_brings_it() {
    let serve = Queue { use_image_entrypoint: true, ..queue("serve", 3) };
    let server = Script::default()
        .on("GET /api/v1/queues/serve", json(200, &serve))
        .on("GET /api/v1/queues/cpu", json(200, &queue("cpu", 3)))
        .on("POST /api/v1/tasks", json(201, &task(1042, TaskState::Queued)))
        .start()
        .await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["submit", "-q", "serve", "-e", "MODEL=7b"]).await, 0);
    assert_eq!(bench.out.text(), "1042\n");
    let sent = server.seen().into_iter().find(|seen| seen.line.starts_with("POST")).unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(sent.body.as_ref()).unwrap(),
        object!({"queue": "serve", "env": {"MODEL": "7b"}})
    );
    assert_eq!(bench.types(&server, &["submit", "-q", "cpu"]).await, 2);
    assert!(bench.errors(&server).contains("the queue cpu takes a command"), "{}", bench.errors(&server));
}

#[tokio::test]
async fn a_command_for_a_queue_that_brings_its_own_is_refused_before_its_code_is_looked_at() {
    let object = serde_json::from_value(object!({"manifest": {"apiVersion": "ray.io/v1", "kind": "RayJob"}})).unwrap();
    let server = Script::default()
        .on("GET /api/v1/queues/serve", json(200, &Queue { use_image_entrypoint: true, ..queue("serve", 3) }))
        .on("GET /api/v1/queues/ray", json(200, &Queue { object: Some(object), ..queue("ray", 3) }))
        .on("POST /api/v1/tasks", json(201, &task(1042, TaskState::Queued)))
        .start()
        .await;
    // A folder that is not there fails only where somebody looks.
    let words = |queue: &'static str| ["submit", "-q", queue, "--upload=/no/such/folder", "--", "true"];
    for (queue, said) in [("serve", "the queue serve leaves the command to its image"), ("ray", "leaves the command to its object")] {
        let bench = Bench::default();
        assert_eq!(bench.types(&server, &words(queue)).await, 2);
        assert!(bench.errors(&server).contains(said), "{}", bench.errors(&server));
    }
    let bench = Bench::default();
    assert_ne!(bench.types(&server, &words("other")).await, 0);
    assert!(bench.errors(&server).contains("/no/such/folder"), "{}", bench.errors(&server));
    assert_eq!(bench.types(&server, &["submit", "-q", "ray"]).await, 0);
    assert_eq!(server.lines().iter().filter(|line| line.starts_with("POST")).count(), 1);
}

#[tokio::test]
async fn apply_creates_changes_and_leaves_alone() {
    let changed = Queue { description: Some("short jobs".into()), ..queue("b", 8) };
    let server = Script::default()
        .on("GET /api/v1/queues/a", json(200, &queue("a", 3)))
        .on("GET /api/v1/queues/b", json(200, &queue("b", 7)))
        .on("PUT /api/v1/queues/b", json(200, &changed))
        .on("GET /api/v1/queues/c", problem(&Problem::new(ProblemCode::QueueNotFound)))
        .on("PUT /api/v1/queues/c", json(201, &queue("c", 1)))
        .start()
        .await;
    let file = "queues:\n  a: {description: for everything}\n  b: {description: short jobs}\n  c: {}\n";
    let bench = Bench { stdin: file.into(), ..Bench::default() };
    assert_eq!(bench.types(&server, &["queue", "apply", "-f", "-"]).await, 0);
    assert_eq!(bench.out.text(), "a unchanged\nb changed\nc created\n");
    let matched: Vec<_> =
        server.seen().into_iter().filter(|seen| seen.line.starts_with("PUT")).map(|seen| seen.headers.get("if-match").cloned()).collect();
    assert_eq!(matched, [Some("\"7\"".to_owned()), None]);
}

#[tokio::test]
async fn what_a_machine_reads_is_the_apis_object() {
    let (live, done) = (task(1042, TaskState::Active), failed());
    let server = Script::default()
        .on("GET /api/v1/tasks?state=waiting%2Cqueued%2Cactive&user=%40me&limit=1000", json(200, &list(std::slice::from_ref(&live))))
        .on(
            "GET /api/v1/tasks?state=succeeded%2Cfailed%2Ccancelled&user=%40me&limit=20",
            json(200, &list(&[Task { id: crate::wire::TaskId(7), ..done }])),
        )
        .on("GET /api/v1/tasks/1042", json(200, &live))
        .start()
        .await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["ls", "-o", "name"]).await, 0);
    assert_eq!(bench.out.text(), "1042\n7\n");
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["get", "1042", "-o", "json"]).await, 0);
    assert_eq!(serde_json::from_str::<Task>(&bench.out.text()).unwrap(), live);
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["get", "1042", "-o", "yaml"]).await, 0);
    assert_eq!(serde_yaml::from_str::<Task>(&bench.out.text()).unwrap(), live);
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["ls", "-o", "json"]).await, 0);
    assert_eq!(serde_json::from_str::<TaskList>(&bench.out.text()).unwrap().items.len(), 2);
}

#[tokio::test]
async fn long_lists_come_page_by_page() {
    let page = |ids: std::ops::Range<i64>, next: Option<&str>| TaskList {
        items: ids.rev().map(|id| task(id, TaskState::Queued)).collect(),
        next_cursor: next.map(str::to_owned),
    };
    let server = Script::default()
        .on("GET /api/v1/tasks?state=queued&limit=1000", json(200, &page(1000..2000, Some("c1"))))
        .on("GET /api/v1/tasks?state=queued&limit=200&cursor=c1", json(200, &page(800..1000, Some("c2"))))
        .start()
        .await;
    let bench = Bench::person();
    assert_eq!(bench.types(&server, &["ls", "--all", "--state", "queued", "--limit", "1200", "-o", "name"]).await, 0);
    assert_eq!(bench.out.text().lines().count(), 1200);
    assert_eq!(bench.err.text(), "There are more: slipway ls --limit 12000\n");
}

#[tokio::test]
async fn small_commands_say_what_they_did() {
    let token: Token = serde_json::from_value(object!({"id": 3, "user": "lena", "role": "submitter", "tail": "x9Qa", "createdBy": "admin",
        "createdAt": "2026-11-20T09:22:41Z", "expiresAt": "2026-12-20T09:22:41Z"}))
    .unwrap();
    let paused = queue("gpu", 4);
    let server = Script::default()
        .on("POST /api/v1/tokens", json(201, &object!({"secret": "slw_secret", "token": token})))
        .on("DELETE /api/v1/tokens/3", json(204, &()))
        .on("GET /api/v1/whoami", json(200, &Whoami { user: "lena".into(), role: crate::wire::Role::Submitter, grants: Vec::new() }))
        .on("GET /version", json(200, &Version { version: "0.1.0".into(), api: "v1".into() }))
        .on("POST /api/v1/queues/gpu/pause", json(200, &paused))
        .on("POST /api/v1/queues/gpu/resume", json(200, &paused))
        .on("DELETE /api/v1/queues/gpu", json(204, &()))
        .on("POST /api/v1/tasks/1042/rerun", json(201, &task(1050, TaskState::Queued)))
        .on("GET /api/v1/tasks/1042", json(200, &task(1042, TaskState::Active)))
        .on("POST /api/v1/tasks/1042/attempts/1/abandon", json(204, &()))
        .start()
        .await;
    let bench = Bench::default();
    for words in [
        &["token", "create", "lena", "--role", "submitter", "--expires", "30d"][..],
        &["token", "revoke", "3"],
        &["whoami"],
        &["version"],
        &["queue", "pause", "gpu", "--reason", "driver update"],
        &["queue", "resume", "gpu"],
        &["queue", "delete", "gpu"],
        &["rerun", "1042"],
        &["abandon", "1042", "--reason", "scrapped"],
    ] {
        assert_eq!(bench.types(&server, words).await, 0, "{words:?}: {}", bench.err.text());
    }
    insta::assert_snapshot!(bench.out.text().replace(&server.url, "http://server"));
    let bodies: Vec<_> = server.seen().into_iter().filter(|seen| !seen.body.is_empty()).map(|seen| seen.body).collect();
    assert_eq!(
        bodies,
        [r#"{"user":"lena","role":"submitter","expiresInSeconds":2592000}"#, r#"{"reason":"driver update"}"#, r#"{"reason":"scrapped"}"#]
    );
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let server = Script::default().on("GET /api/v1/tasks/1042/log", text("bytes")).start().await;
    let bench = Bench::default();
    let around = super::Surroundings { out: Box::new(Closed), ..bench.surroundings() };
    assert_eq!(super::run(parsed(&["logs", "1042", "--url", &server.url]), around).await.code(), 0);
    assert_eq!(bench.err.text(), "");
}

#[tokio::test]
async fn a_server_that_closes_every_stream_is_given_up() {
    let server = Script::default().on("GET /api/v1/tasks/1042/log?follow=true", text("")).start().await;
    let client = crate::client::Client::new(&server.url, None, "slipway/test").unwrap();
    let short = std::time::Duration::from_millis(1);
    let patience = crate::client::Patience { first_pause: short, longest_pause: short, tries: 3, ..Default::default() };
    let error = client.follow_log(crate::wire::TaskId(1042), None, patience).next().await.unwrap_err();
    assert!(error.to_string().ends_with("it closes every stream"), "{error}");
    assert_eq!(server.lines().len(), 5, "the first, the quick one, and three tries");
}
