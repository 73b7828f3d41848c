//! What is printed of answers: formats, expressions, lines of logs, any call.

use super::{Bench, END, Script, chunk, json, list, problem, sse, text};
use crate::{
    cli::{Terminal, testing::task},
    wire::{Problem, ProblemCode, TaskState},
};
use serde_json::json as object;

const LS: &str = "GET /api/v1/tasks?state=queued&user=%40me&limit=100";
const LOG: &str = "GET /api/v1/tasks/1042/log";

#[tokio::test]
async fn an_answer_is_printed_as_it_is_asked_for() {
    let server = Script::default().on(LS, json(200, &list(&[task(1042, TaskState::Queued), task(7, TaskState::Queued)]))).start().await;
    let ls = |more: &'static [&'static str]| {
        let (bench, server) = (Bench::default(), &server);
        async move {
            let code = bench.types(server, &[&["ls", "--state", "queued"], more].concat()).await;
            (code, bench.out.text(), bench.err.text())
        }
    };
    assert_eq!(ls(&["-o", "name"]).await.1, "1042\n7\n");
    let lines = ls(&["-o", "jsonl"]).await.1;
    let ids: Vec<_> = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].clone()).collect();
    assert_eq!(ids, [1042, 7]);
    assert_eq!(ls(&["--jq", ".items | map(.id) | add"]).await, (0, "1049\n".to_owned(), String::new()));
    let (code, out, err) = ls(&["--jq", ".items.id"]).await;
    assert_eq!((code, out.as_str(), err.contains("cannot index")), (1, "", true), "{err}");
    assert!(ls(&["-o", "wide"]).await.1.lines().nth(1).unwrap().contains("2026-11-20T09:14:30Z"));
}

#[tokio::test]
async fn the_end_of_a_log_is_read_from_its_end() {
    let long = "x".repeat(70_000) + "\n" + &"y".repeat(10) + "\n";
    let server = Script::default()
        .on("GET /api/v1/tasks/1042", json(200, &task(1042, TaskState::Active)))
        .on(LOG, text(&long[long.len() - 65_536..]).part("bytes 4476-70011/70012"))
        .on(LOG, text(&long).part("bytes 0-70011/70012"))
        .on("GET /api/v1/tasks/1042/log?follow=true", sse(&(chunk(70_012, "new\n") + END)))
        .start()
        .await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["logs", "1042", "--tail", "2", "-f"]).await, 0, "{}", bench.err.text());
    assert_eq!(bench.out.text(), long.clone() + "new\n");
    let seen = server.seen();
    let ranges: Vec<_> = seen.iter().filter_map(|seen| seen.headers.get("range")).collect();
    assert_eq!(ranges, ["bytes=-65536", "bytes=-524288"]);
    assert_eq!(seen.last().unwrap().headers["last-event-id"], "1:70012", "nothing comes twice");
}

#[tokio::test]
async fn a_log_that_is_empty_or_has_gaps_has_an_end_too() {
    let empty = Problem::new(ProblemCode::LogOffset);
    let server = Script::default()
        .on("GET /api/v1/tasks/1042", json(200, &task(1042, TaskState::Succeeded)))
        .on(LOG, problem(&Problem { status: 416, ..empty }))
        .on(LOG, text("a\n[gap]\nb\n"))
        .start()
        .await;
    let bench = Bench::default();
    for (words, out) in [(&["logs", "1042", "-n", "1"][..], ""), (&["logs", "1042", "-n", "1"], "b\n")] {
        assert_eq!(bench.types(&server, words).await, 0, "{}", bench.err.text());
        assert_eq!(bench.out.text(), out);
    }
}

#[tokio::test]
async fn a_pipe_gets_lines_and_a_terminal_colours_too() {
    let written = "1%\r\u{1b}[32m100%\u{1b}[0m\n\u{1b}]0;title\u{7}loss 3\n";
    let server = Script::default().on(LOG, text(written)).start().await;
    let terminal = Terminal { stdout: true, escapes: true, ..Terminal::default() };
    for (bench, words, out) in [
        (Bench::default(), &["logs", "1042"][..], "100%\nloss 3\n"),
        (Bench::default(), &["logs", "1042", "--raw"], written),
        (Bench::default(), &["logs", "1042", "--grep", "^loss [0-9]$"], "loss 3\n"),
        (Bench { terminal, ..Bench::default() }, &["logs", "1042"], "\u{1b}[32m100%\u{1b}[0m\nloss 3\n"),
        (Bench { terminal, ..Bench::default() }, &["logs", "1042", "--raw"], written),
    ] {
        assert_eq!(bench.types(&server, words).await, 0, "{}", bench.err.text());
        assert_eq!(bench.out.text(), out, "{words:?}");
    }
}

#[tokio::test]
async fn any_call_is_made_as_it_is_typed() {
    let server = Script::default()
        .on("GET /api/v1/tasks/1042", json(200, &object!({"id": 1042, "new": {"field": 1}})))
        .on("POST /api/v1/tasks", json(201, &object!({"id": 1043})))
        .on("GET /healthz", text("ok\n"))
        .on("DELETE /api/v1/queues/gpu", problem(&Problem::new(ProblemCode::QueueNotFound)))
        .start()
        .await;
    let bench = Bench::default();
    let api = async |words: &[&str]| bench.types(&server, &[&["api"], words].concat()).await;
    assert_eq!(api(&["get", "tasks/1042", "--jq", ".new.field"]).await, 0, "{}", bench.err.text());
    assert_eq!(api(&["POST", "tasks", "-f", "queue=gpu", "-f", "command=[\"make\"]", "-o", "name", "-H", "x-a: b"]).await, 0);
    assert_eq!(api(&["GET", "/healthz"]).await, 0);
    assert_eq!(bench.out.text(), "1\n1043\nok\n");
    assert_eq!(api(&["DELETE", "queues/gpu"]).await, 5);
    let sent = server.seen().into_iter().find(|seen| seen.line.starts_with("POST")).unwrap();
    assert_eq!(sent.body, r#"{"command":["make"],"queue":"gpu"}"#);
    assert!(sent.headers.contains_key("idempotency-key") && sent.headers["x-a"] == "b");
}
