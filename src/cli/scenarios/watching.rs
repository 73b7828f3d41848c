use super::*;
use crate::{cli::Terminal, wire::Phase};

fn running() -> Task {
    Task { phase: Some(Phase::Running), ..task(1042, TaskState::Active) }
}

#[tokio::test]
async fn in_a_pipe_each_change_is_a_line_and_a_failure_the_exit() {
    let of = "GET /api/v1/tasks/1042";
    let script = Script::default()
        .on(of, json(200, &task(1042, TaskState::Queued)))
        .on(of, json(200, &task(1042, TaskState::Queued)))
        .on(of, json(200, &running()))
        .on(of, json(200, &running()))
        .on(of, json(200, &failed()));
    let server = script.start().await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["watch", "1042"]).await, 3);
    assert_eq!(bench.out.text(), "1042 queued\n1042 running\n1042 failed: ExitNonZero, exit code 42\n");
}

#[tokio::test]
async fn a_list_is_drawn_again_until_somebody_ends_it() {
    let listed = "GET /api/v1/tasks?state=active&user=%40me&limit=100";
    let script = Script::default().on(listed, json(200, &list(&[running()]))).on(listed, json(200, &list(&[])));
    let server = script.start().await;
    let bench = Bench { terminal: Terminal { stdout: true, escapes: true, no_color: true, ..Terminal::default() }, ..Bench::default() };
    let (interrupt, out) = (bench.interrupt.clone(), bench.out.clone());
    tokio::spawn(async move {
        while !out.text().contains("No tasks match") {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        interrupt.cancel();
    });
    assert_eq!(bench.types(&server, &["ls", "--state", "active", "-w"]).await, 130, "{}", bench.errors(&server));
    let text = bench.out.text();
    let (first, second) = text.split_once("\u{1b}[2A\u{1b}[J").unwrap_or_else(|| panic!("{text:?}"));
    assert!(first.contains("1042  resnet-lr3  gpu-a100  running"), "{first}");
    assert_eq!(second, "No tasks match.\n");
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["ls", "-w"]).await, 2, "a pipe is no terminal");
}

#[tokio::test]
async fn a_queue_is_watched_until_none_of_its_tasks_is_left() {
    let listed = "GET /api/v1/tasks?queue=gpu&state=waiting%2Cqueued%2Cactive&limit=200";
    let script = Script::default()
        .on(listed, json(200, &list(&[running()])))
        .on(listed, json(200, &list(&[running(), task(1043, TaskState::Queued)])))
        .on(listed, json(200, &list(&[])))
        .on("GET /api/v1/tasks/1042", json(200, &failed()))
        .on("GET /api/v1/tasks/1043", json(200, &task(1043, TaskState::Succeeded)));
    let server = script.start().await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["watch", "-q", "gpu"]).await, 0, "{}", bench.errors(&server));
    assert_eq!(bench.out.text(), "1042 running\n1043 queued\n1042 failed: ExitNonZero, exit code 42\n1043 succeeded\n");
}

#[tokio::test]
async fn on_a_terminal_it_is_one_table_with_the_last_line() {
    let of = "GET /api/v1/tasks/1042";
    let script = Script::default()
        .on(of, json(200, &running()))
        .on(of, json(200, &running()))
        .on("GET /api/v1/tasks/1042/log", text("epoch 1\n 10%\r 20%\r"))
        .on(of, json(200, &failed()));
    let server = script.start().await;
    let bench = Bench::person();
    let bench = Bench { terminal: Terminal { escapes: true, ..bench.terminal }, ..bench };
    assert_eq!(bench.types(&server, &["watch", "1042"]).await, 3);
    insta::assert_snapshot!(anstream::adapter::strip_str(&bench.out.text().replace('\u{1b}', "ESC")).to_string());
}
