//! Which tasks are stopped, and that it is the right ones.

use super::{Bench, Script, json, list, problem};
use crate::{
    cli::{Terminal, testing::task},
    wire::{Problem, ProblemCode, TaskState},
};

#[tokio::test]
async fn a_name_must_leave_no_doubt_about_what_to_stop() {
    let twice = list(&[task(5, TaskState::Active), task(4, TaskState::Queued)]);
    let named = "GET /api/v1/tasks?state=waiting%2Cqueued%2Cactive&name=train&limit=10";
    let server = Script::default()
        .on(named, json(200, &twice))
        .on("POST /api/v1/tasks/4/cancel", json(200, &task(4, TaskState::Cancelled)))
        .on("POST /api/v1/tasks/9/cancel", problem(&Problem::new(ProblemCode::TaskNotFound).detail("No task 9.")))
        .start()
        .await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["cancel", "train"]).await, 6);
    assert_eq!(bench.types(&server, &["cancel", "9", "4"]).await, 5);
    assert_eq!(bench.out.text(), "4 cancelled\n");
    assert_eq!(bench.err.text(), "error: 2 tasks called \"train\" have not ended: 5, 4\nhint: name one by its id\nerror: No task 9.\n");
}

const MINE: &str = "GET /api/v1/tasks?queue=gpu&state=queued&user=%40me&limit=1000";

/// A server on which two tasks of the caller wait.
fn two() -> Script {
    Script::default()
        .on(MINE, json(200, &list(&[task(5, TaskState::Queued), task(4, TaskState::Queued)])))
        .on("POST /api/v1/tasks/5/cancel", json(200, &task(5, TaskState::Cancelled)))
        .on("POST /api/v1/tasks/4/cancel", json(200, &task(4, TaskState::Cancelled)))
}

const WORDS: [&str; 6] = ["cancel", "--mine", "-q", "gpu", "--state", "queued"];

#[tokio::test]
async fn all_of_ones_own_are_stopped_once_they_were_seen_and_confirmed() {
    let server = two().start().await;
    let person = Terminal { stdin: true, stderr: true, width: Some(80), ..Terminal::default() };
    for (answer, code, stopped) in [("y\n", 0, 2), ("yes\nmore", 0, 2), ("n\n", 1, 0), ("\n", 1, 0), ("", 1, 0)] {
        let before = server.lines().iter().filter(|line| line.starts_with("POST")).count();
        let bench = Bench { terminal: person, stdin: answer.into(), ..Bench::default() };
        assert_eq!(bench.types(&server, &WORDS).await, code, "{answer:?}: {}", bench.errors(&server));
        let said = bench.errors(&server);
        assert!(said.contains("5   resnet-lr3  lena") && said.contains("Stop these 2 tasks? [y/N] "), "{said}");
        let posts = server.lines().iter().filter(|line| line.starts_with("POST")).count() - before;
        assert_eq!((posts, bench.out.text().lines().count()), (stopped, stopped), "{answer:?}");
    }
}

#[tokio::test]
async fn where_nobody_can_be_asked_nothing_is_stopped_unless_it_was_said_before() {
    let server = two().start().await;
    let bench = Bench { stdin: "y\n".into(), ..Bench::default() };
    assert_eq!(bench.types(&server, &WORDS).await, 2);
    assert!(
        bench.errors(&server).contains("nobody can be asked whether to stop these 2 tasks; nothing was stopped\nhint: stop them: --yes")
    );
    assert_eq!(server.lines(), [MINE]);
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &[&WORDS[..], &["--yes", "-o", "name"]].concat()).await, 0, "{}", bench.errors(&server));
    assert_eq!((bench.out.text().as_str(), bench.err.text().as_str()), ("5\n4\n", ""));
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["cancel", "--mine", "--state", "failed"]).await, 2, "what has ended cannot be stopped");
    assert_eq!(bench.types(&server, &["cancel", "--yes", "5"]).await, 2, "one that is named needs no word for it");
}

#[tokio::test]
async fn where_nothing_is_left_that_is_said_and_no_failure() {
    let server = Script::default().on(MINE, json(200, &list(&[]))).start().await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &WORDS).await, 0);
    assert_eq!((bench.out.text().as_str(), bench.err.text().as_str()), ("", "Nothing of yours to stop.\n"));
}
