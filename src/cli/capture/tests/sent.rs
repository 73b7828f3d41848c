//! What goes to the server, and in which order.

use super::*;
use crate::cli::{
    help::parsed,
    scripted::{Script, json},
    testing::{Bench, task},
};
use crate::wire::{Problem, ProblemCode, TaskState};

#[tokio::test]
async fn the_code_is_sent_before_the_task() {
    let world = World::new();
    world.write("src/train.py", "changed\n");
    let captured = look(&world.work(), &Options::default()).await.unwrap();
    let (sha256, size) = (&captured.blobs[0].sha256, captured.blobs[0].size);
    let upload = |received: u64| serde_json::json!({"sha256": sha256, "size": size, "received": received, "complete": received == size});
    let server = Script::default()
        .on(&format!("GET /api/v1/uploads/{sha256}"), json(200, &upload(0)))
        .on(&format!("PUT /api/v1/uploads/{sha256}?size={size}&offset=0"), json(200, &upload(size)))
        .on("POST /api/v1/tasks", json(201, &task(1042, TaskState::Queued)))
        .start()
        .await;
    let bench = Bench { dir: world.work().join("src"), ..Bench::default() };
    let words = ["submit", "--url", &server.url, "--", "python", "train.py"];
    assert_eq!(crate::cli::run(parsed(&words), bench.surroundings()).await.code(), 0, "{}", bench.err.text());
    assert_eq!(bench.out.text(), "1042\n");
    let seen = server.seen();
    let lines: Vec<_> = seen.iter().map(|seen| seen.line.split('/').take(4).collect::<Vec<_>>().join("/")).collect();
    assert_eq!(lines, ["GET /api/v1/queues", "GET /api/v1/uploads", "PUT /api/v1/uploads", "POST /api/v1/tasks"]);
    let sent: crate::wire::NewTask = serde_json::from_str(&seen[3].body).unwrap();
    assert_eq!((sent.code, sent.working_dir.as_deref()), (captured.code, Some("src")));
}

#[tokio::test]
async fn where_the_code_is_refused_no_task_is_submitted() {
    let world = World::new();
    world.write("src/train.py", "changed\n");
    let captured = look(&world.work(), &Options::default()).await.unwrap();
    let refusal = Problem::new(ProblemCode::Forbidden).detail("Uploads are for submitters; you are viewer.");
    let server = Script::default()
        .on(&format!("GET /api/v1/uploads/{}", captured.blobs[0].sha256), crate::cli::scripted::problem(&refusal))
        .start()
        .await;
    let bench = Bench { dir: world.work(), ..Bench::default() };
    let words = ["submit", "--url", &server.url, "--", "make"];
    assert_eq!(crate::cli::run(parsed(&words), bench.surroundings()).await.code(), 1);
    assert!(bench.err.text().contains("Uploads are for submitters"), "{}", bench.err.text());
    assert_eq!(server.lines().len(), 2, "the queue and the upload: {:?}", server.lines());
}
