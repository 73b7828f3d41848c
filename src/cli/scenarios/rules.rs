//! Budgets, drains and the order of tasks, as they are typed.

use super::{Bench, Script, json, problem};
use crate::{
    cli::testing::{budget, queue, task},
    wire::{Amount, Budget, BudgetList, Paused, Problem, ProblemCode, Queue, Task, TaskState},
};
use serde_json::json as object;

#[tokio::test]
async fn a_budget_is_set_by_what_is_named() {
    let pool = budget("gpu-pool", 8, &[("a", 2, 5)]);
    let lower = Budget { max: Amount::whole(4), ..pool.clone() };
    let missing = problem(&Problem::new(ProblemCode::BudgetNotFound).detail("There is no budget new.").hint("slipway budget ls"));
    let server = Script::default()
        .on("GET /api/v1/budgets/gpu-pool", json(200, &pool))
        .on("PUT /api/v1/budgets/gpu-pool", json(200, &lower))
        .on("GET /api/v1/budgets/new", missing)
        .on("PUT /api/v1/budgets/new", json(201, &budget("new", 2, &[])))
        .on("DELETE /api/v1/budgets/new", json(204, &object!(null)))
        .start()
        .await;
    let bench = Bench::default();
    for words in [
        &["budget", "set", "gpu-pool", "--max", "8"][..],
        &["budget", "set", "gpu-pool", "--max", "4"],
        &["budget", "set", "new", "--max", "2.5", "--resource", "weight"],
        &["budget", "delete", "new"],
    ] {
        assert_eq!(bench.types(&server, words).await, 0, "{words:?}: {}", bench.err.text());
    }
    assert_eq!(bench.types(&server, &["budget", "set", "new"]).await, 2);
    assert_eq!(bench.types(&server, &["budget", "get", "new"]).await, 5);
    insta::assert_snapshot!([bench.out.text(), bench.errors(&server)].join("---\n"));
    let puts: Vec<_> = server.seen().into_iter().filter(|seen| seen.line.starts_with("PUT")).collect();
    let sent: Vec<_> =
        puts.iter().map(|seen| (seen.body.as_str(), seen.headers.get("if-match"), seen.headers.get("if-none-match"))).collect();
    let (three, any) = ("\"3\"".to_owned(), "*".to_owned());
    assert_eq!(
        sent,
        [
            (r#"{"description":"the rack in the cellar","resource":"gpus","max":4}"#, Some(&three), None),
            (r#"{"resource":"weight","max":2.5}"#, None, Some(&any)),
        ],
        "what is as wanted is not sent"
    );
}

#[tokio::test]
async fn budgets_of_a_file_are_applied_and_listed() {
    let server = Script::default()
        .on("GET /api/v1/budgets/gpu-pool", json(200, &budget("gpu-pool", 8, &[])))
        .on("GET /api/v1/budgets/licences", problem(&Problem::new(ProblemCode::BudgetNotFound)))
        .on("PUT /api/v1/budgets/licences", json(201, &budget("licences", 2, &[])))
        .on("GET /api/v1/budgets", json(200, &BudgetList { items: vec![] }))
        .on("GET /api/v1/budgets", json(200, &BudgetList { items: vec![budget("gpu-pool", 8, &[("a", 2, 5), ("b", 0, 1)])] }))
        .start()
        .await;
    let file = "budgets:\n  licences: {resource: weight, max: 2}\n  gpu-pool: {max: 8, description: the rack in the cellar}\n";
    let bench = Bench { stdin: file.into(), ..Bench::default() };
    assert_eq!(bench.types(&server, &["budget", "apply", "-f", "-"]).await, 0, "{}", bench.err.text());
    let wrong = Bench { stdin: "- {name: a, max: 8}\n- {name: b, mx: 8}\n".into(), ..bench.clone() };
    assert_eq!(wrong.types(&server, &["budget", "apply", "-f", "-"]).await, 2);
    for _ in 0..2 {
        assert_eq!(bench.types(&server, &["budget", "ls"]).await, 0);
    }
    insta::assert_snapshot!([bench.out.text(), bench.errors(&server)].join("---\n"));
}

#[tokio::test]
async fn a_drained_queue_refuses_and_says_so() {
    let at = "2026-11-20T09:02:41Z".parse().unwrap();
    let draining = Queue { draining: Some(Paused { by: "olga".into(), reason: Some("moving".into()), at }), ..queue("gpu", 4) };
    let refused = Problem::new(ProblemCode::QueueDraining)
        .detail("The queue gpu takes no new tasks: olga drains it since 2026-11-20T09:02:41Z: moving")
        .hint("Submit to another queue, or ask olga; to end it: slipway queue resume gpu");
    let server = Script::default()
        .on("POST /api/v1/queues/gpu/drain", json(200, &draining))
        .on("POST /api/v1/tasks", problem(&refused))
        .start()
        .await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["queue", "drain", "gpu", "--reason", "moving"]).await, 0);
    assert_eq!(bench.types(&server, &["submit", "-q", "gpu", "--", "true"]).await, 6);
    insta::assert_snapshot!([bench.out.text(), bench.errors(&server)].join("---\n"));
    assert_eq!(server.seen()[0].body, r#"{"reason":"moving"}"#);
}

#[tokio::test]
async fn several_tasks_are_moved_in_the_order_in_which_they_are_typed() {
    let queued = |id| json(200, &task(id, TaskState::Queued));
    let running = problem(
        &Problem::new(ProblemCode::Conflict).detail("Task 9 is active; only a task that is waiting or queued has a place in the order."),
    );
    let server = Script::default()
        .on("POST /api/v1/tasks/7/move", queued(7))
        .on("POST /api/v1/tasks/8/move", queued(8))
        .on("POST /api/v1/tasks/9/move", running)
        .on("POST /api/v1/tasks/7/boost", json(200, &Task { boosted: true, ..task(7, TaskState::Queued) }))
        .on("POST /api/v1/tasks/7/boost", queued(7))
        .start()
        .await;
    let bench = Bench::default();
    for (words, exit) in [
        (&["move", "7", "8", "--front"][..], 0),
        (&["move", "7", "8", "--before", "5"], 0),
        (&["move", "7", "8", "--after", "5"], 0),
        (&["move", "9", "7", "--back"], 6),
        (&["boost", "7"], 0),
        (&["boost", "7", "--off"], 0),
    ] {
        assert_eq!(bench.types(&server, words).await, exit, "{words:?}: {}", bench.err.text());
    }
    let sent: Vec<_> = server.seen().iter().map(|seen| format!("{} {}", seen.line.replace("POST /api/v1/tasks/", ""), seen.body)).collect();
    insta::assert_snapshot!([bench.out.text(), bench.errors(&server), sent.join("\n")].join("---\n"));
}
