//! What a shell is offered at the cursor, from a server that answers, one that does not, and one that is not there.

use crate::{
    cli::{
        Around, completing,
        help::root,
        scripted::{Script, Server, json},
        testing::{Bench, queue, task},
    },
    wire::{QueueList, Runner, RunnerList, Task, TaskId, TaskList, TaskState},
};
use clap_complete::engine::complete;
use std::{ffi::OsString, fs, sync::Arc};

/// What is offered for the last of these words.
async fn offered(bench: &Bench, line: &str) -> Vec<String> {
    let (bench, words) = (bench.clone(), line.split(' ').map(OsString::from).collect::<Vec<_>>());
    let look = move || {
        let around: Around = Arc::new(move || bench.surroundings());
        let mut command = completing(root(), &words, &around);
        let whole: Vec<_> = std::iter::once(OsString::from("slipway")).chain(words).collect();
        let last = whole.len() - 1;
        complete(&mut command, whole, last, None).unwrap()
    };
    let found = tokio::task::spawn_blocking(look).await.unwrap();
    let shown = |candidate: &clap_complete::CompletionCandidate| {
        let help = candidate.get_help().map(|help| format!("  {help}")).unwrap_or_default();
        format!("{}{help}", candidate.get_value().to_string_lossy())
    };
    found.iter().map(shown).collect()
}

fn runner(name: &str) -> Runner {
    serde_json::from_value(serde_json::json!({
        "name": name, "kind": "process", "version": "0.1.0", "slots": 8, "gpus": 1, "queues": ["*"], "active": 3,
        "registeredAt": "2026-11-20T08:00:00Z"
    }))
    .unwrap()
}

async fn server() -> Server {
    let named = |id, state, name: &str| Task { id: TaskId(id), name: Some(name.into()), ..task(id, state) };
    let mine = vec![named(1042, TaskState::Active, "resnet-lr3"), named(1040, TaskState::Queued, "$(reboot)")];
    let all = vec![mine[0].clone(), named(1041, TaskState::Failed, "resnet-old"), named(977, TaskState::Failed, "x y")];
    let live = vec![mine[0].clone()];
    let list = |items| json(200, &TaskList { items, next_cursor: None });
    Script::default()
        .on("GET /api/v1/tasks?user=%40me&limit=50", list(mine.clone()))
        .on("GET /api/v1/tasks?limit=200", list(all))
        .on("GET /api/v1/tasks?state=waiting%2Cqueued%2Cactive&user=%40me&limit=50", list(live.clone()))
        .on("GET /api/v1/tasks?state=waiting%2Cqueued%2Cactive&limit=200", list(live))
        .on("GET /api/v1/queues", json(200, &QueueList { items: vec![queue("gpu-a100", 3), queue("cpu", 1)] }))
        .on("GET /api/v1/runners", json(200, &RunnerList { items: vec![runner("box-k3f9a")] }))
        .start()
        .await
}

#[tokio::test]
async fn what_the_server_knows_is_offered_at_the_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let server = server().await;
    let contexts = dir.path().join("contexts.yaml");
    let text =
        format!("current: lab\ncontexts:\n  lab: {{url: '{}', token: slw_lab}}\n  last: {{url: 'http://127.0.0.1:1'}}\n", server.url);
    fs::write(&contexts, text).unwrap();
    let bench = Bench { contexts, ..Bench::default() };
    let mut told = Vec::new();
    for line in [
        "logs ",
        "logs 10",
        "get res",
        "why @",
        "cancel 10",
        "cancel 9",
        "submit -q g",
        "submit --queue=c",
        "queue pause ",
        "ls --state queued,a",
        "ls --context la",
        "context use l",
        "help why NoRunnerF",
        "help qu",
        "help queue ap",
        "config get submit.q",
    ] {
        told.push(format!("{line}\n"));
        for offer in offered(&bench, line).await {
            told.push(format!("    {offer}\n").replace(&server.url, "http://server"));
        }
    }
    let told = told.concat();
    assert!(!told.contains("    $"), "{told}");
    insta::assert_snapshot!(told);
    assert!(server.seen().iter().all(|seen| seen.line.starts_with("GET ")), "{:?}", server.lines());
    assert!(server.seen().iter().all(|seen| seen.headers["authorization"] == "Bearer slw_lab"));
    assert_eq!((bench.out.text(), bench.err.text()), (String::new(), String::new()), "nothing is said");
}

#[tokio::test]
async fn where_nobody_answers_nothing_is_offered_and_nothing_said() {
    // One that takes calls and never answers, one that is not there, one that refuses.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let refuses = Script::default().start().await;
    let bench = Bench::default();
    for url in [silent.as_str(), "http://127.0.0.1:1", &refuses.url, "nonsense"] {
        let found = tokio::time::timeout(std::time::Duration::from_secs(20), offered(&bench, &format!("logs --url {url} 10"))).await;
        assert_eq!(found.expect("it gives up by itself"), [""; 0], "{url}");
    }
    assert!(bench.err.text().is_empty() && bench.out.text().is_empty(), "{}", bench.err.text());
}
