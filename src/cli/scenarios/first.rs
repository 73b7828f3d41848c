//! The line where things first went wrong: where it is told, and that it never stands in the way.

use super::{
    super::{
        Terminal,
        scripted::{Script, json, problem, sse, text},
        testing::{Bench, task},
    },
    END, EVENTS, chunk, ended, events, failed,
};
use crate::wire::{AttemptNumber, Ended, Finding, Problem, ProblemCode, Quote, Reason, Task, TaskId, TaskState, Why};
use serde_json::json as object;

const LOG: &str = "\
epoch 1
Traceback (most recent call last):
  File \"train.py\", line 41, in main
RuntimeError: CUDA out of memory. Tried to allocate 2 GiB
[slipway: outputs: model.pt is not there]
";
const END_OF_LOG: &str = "GET /api/v1/tasks/1042/log?attempt=1";
const WHOLE_LOG: &str = "GET /api/v1/tasks/1042/log";
const LINE: &str = "RuntimeError: CUDA out of memory. Tried to allocate 2 GiB (train.py:41)  (slipway logs 1042 --first-error)\n";

fn script() -> Script {
    let why = Why {
        task: TaskId(1042),
        state: TaskState::Failed,
        attempt: AttemptNumber(1),
        phase: None,
        since: "2026-11-20T09:14:30Z".parse().unwrap(),
        eta: None,
        instead: Vec::new(),
        holders: None,
        position: None,
        verdict: None,
        reasons: vec![Finding::new(Reason::ExitNonZero, "It ended with 42", vec![Quote::new("Container task", "exit code 42")])],
    };
    Script::default()
        .on("POST /api/v1/tasks", json(201, &task(1042, TaskState::Queued)))
        .on("GET /api/v1/tasks/1042", json(200, &failed()))
        .on("GET /api/v1/tasks/1042/attempts", json(200, &object!({"items": []})))
        .on("GET /api/v1/tasks/1042/why", json(200, &why))
        .on(EVENTS, sse(&(events() + &ended())))
        .on(super::LOG, sse(&(chunk(0, LOG) + END)))
}

fn person() -> Bench {
    let terminal = Terminal { stdout: true, stderr: true, unicode: true, ..Terminal::default() };
    Bench { terminal, ..Bench::default() }
}

#[tokio::test]
async fn it_is_told_wherever_a_task_is_told_to_have_failed() {
    let server = script().on(END_OF_LOG, text(LOG).part("bytes 0-163/164")).start().await;
    for (words, code, before) in [
        (&["why", "1042"][..], 0, "\n  log     line 4: "),
        (&["get", "1042"], 0, "\nlog        line 4: "),
        (&["logs", "-f", "1042"], 0, "\nfirst error  line 4: "),
        (&["submit", "--follow", "--", "x"], 3, "\n  first error  line 4: "),
        (&["submit", "--wait", "--", "x"], 3, "first error  line 4: "),
    ] {
        let bench = person();
        assert_eq!(bench.types(&server, words).await, code, "{}", bench.err.text());
        let told = format!("\n{}{}", bench.out.text(), bench.err.text());
        assert!(told.contains(&format!("{before}{LINE}")), "{words:?}: {told}");
    }
    for words in [&["why", "1042", "-o", "json"][..], &["get", "1042", "-o", "yaml"], &["logs", "-f", "1042"]] {
        let (bench, asked) = (Bench::default(), server.lines().len());
        assert_eq!(bench.types(&server, words).await, 0, "{}", bench.err.text());
        assert!(!server.lines()[asked..].contains(&END_OF_LOG.to_owned()), "{words:?}: scripts do not pay for it");
    }
    let ranges: Vec<_> =
        server.seen().into_iter().filter(|seen| seen.line == END_OF_LOG).map(|seen| seen.headers["range"].clone()).collect();
    assert_eq!(ranges, ["bytes=-1048576"; 5]);
}

#[tokio::test]
async fn of_the_end_of_a_long_log_no_line_is_counted() {
    let server = script().on(END_OF_LOG, text(LOG).part("bytes 3000000-3000163/3000164")).start().await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["why", "1042"]).await, 0, "{}", bench.err.text());
    assert!(bench.out.text().contains(&format!("\n  log     {LINE}")), "{}", bench.out.text());
}

#[tokio::test]
async fn without_it_everything_else_is_as_it_was() {
    let empty = Problem { status: 416, ..Problem::new(ProblemCode::LogOffset) };
    for answer in
        [problem(&empty), problem(&Problem::new(ProblemCode::LogExpired)), text("trained\n"), text(LOG).part("nonsense").then_break()]
    {
        let server = script().on(END_OF_LOG, answer).start().await;
        let bench = Bench::default();
        assert_eq!(bench.types(&server, &["why", "1042"]).await, 0, "{}", bench.err.text());
        assert_eq!(bench.types(&server, &["get", "1042"]).await, 0, "{}", bench.err.text());
        assert_eq!(bench.types(&server, &["submit", "--wait", "--", "x"]).await, 3);
        let told = bench.out.text() + &bench.err.text();
        assert!(told.contains("exit code 42") && !told.contains("first"), "{told}");
    }
}

#[tokio::test]
async fn what_the_tasks_end_says_already_is_not_said_twice() {
    let message = "CUDA out of memory".to_owned();
    let ended = Ended { message: Some(message), ..failed().ended.unwrap() };
    let server = Script::default()
        .on("GET /api/v1/tasks/1042", json(200, &Task { ended: Some(ended), ..failed() }))
        .on("GET /api/v1/tasks/1042/attempts", json(200, &object!({"items": []})))
        .on(END_OF_LOG, text(LOG).part("bytes 0-163/164"))
        .start()
        .await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["get", "1042"]).await, 0, "{}", bench.err.text());
    assert!(server.lines().contains(&END_OF_LOG.to_owned()) && !bench.out.text().contains("line 4"), "{}", bench.out.text());
}

#[tokio::test]
async fn it_is_printed_with_its_neighbours() {
    let server = Script::default().on(WHOLE_LOG, text(LOG)).start().await;
    let bench = person();
    assert_eq!(bench.types(&server, &["logs", "1042", "--first-error"]).await, 0, "{}", bench.err.text());
    let lines: Vec<_> = LOG.lines().collect();
    assert_eq!(
        bench.out.text(),
        format!("  1  {}\n  2  {}\n  3  {}\n> 4  {}\n  5  {}\n", lines[0], lines[1], lines[2], lines[3], lines[4])
    );
    assert_eq!(bench.err.text(), "Raised at train.py:41\n");
    let server = Script::default().on(WHOLE_LOG, text("0 errors\n")).start().await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["logs", "1042", "--first-error"]).await, 1);
    assert_eq!((bench.out.text().as_str(), bench.err.text().lines().count()), ("", 1), "{}", bench.err.text());
}

#[tokio::test]
async fn a_terminal_sees_steps_in_one_line_and_a_pipe_all_of_them() {
    let setup = "[slipway: set-up: unpack the files]\nx\n[slipway: set-up: unpack the files: done in 0.1 s]\n";
    let log = format!("{setup}hello\u{1b}[2J\n");
    let folded = "✔ set-up: unpack the files  0.1 s  1 line, --phase setup shows it\n";
    let server = script().on(WHOLE_LOG, text(&log)).start().await;
    for (bench, words, out) in [
        (person(), &["logs", "1042"][..], format!("{folded}hello\n")),
        (person(), &["logs", "1042", "--phase", "setup"], setup.to_owned()),
        (person(), &["logs", "1042", "--phase", "run"], "hello\n".to_owned()),
        (person(), &["logs", "1042", "--raw"], log.clone()),
        (Bench::default(), &["logs", "1042"], format!("{setup}hello\n")),
        (Bench::default(), &["logs", "1042", "--phase", "run", "--raw"], "hello\u{1b}[2J\n".to_owned()),
    ] {
        assert_eq!(bench.types(&server, words).await, 0, "{}", bench.err.text());
        assert_eq!(bench.out.text(), out, "{words:?}");
    }
    // Who follows sees the half line that waits for an answer, and what goes on.
    let goes_on = "[slipway: set-up: e]\nDownloading\n";
    let server = Script::default()
        .on("GET /api/v1/tasks/1042", json(200, &task(1042, TaskState::Active)))
        .on(super::LOG, sse(&chunk(0, &format!("{setup}{goes_on}half"))))
        .start()
        .await;
    let bench = person();
    let (out, interrupt) = (bench.out.clone(), bench.interrupt.clone());
    let seen = tokio::spawn(async move {
        while !out.text().ends_with("half") {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        interrupt.cancel();
    });
    assert_eq!(bench.types(&server, &["logs", "-f", "1042"]).await, 130);
    seen.await.unwrap();
    assert_eq!(bench.out.text(), format!("{folded}{goes_on}half"));
}
