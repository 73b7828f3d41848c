//! What people read, as it stands on narrow and wide terminals, with colours and without.

use super::{Bench, Script, json, list};
use crate::{
    cli::{
        Terminal,
        testing::{array, attempt, budget, queue, task},
    },
    wire::{AttemptList, Ended, Phase, Reason, Task, TaskId, TaskState},
};
use serde_json::{Value, json as object};

/// Every command that shows something; tables keep to the width of the terminal.
const VIEWS: &[(&str, bool)] = &[
    ("ls --all", true),
    ("get 1042", false),
    ("why 1039", false),
    ("stats 1042", false),
    ("events 1042", true),
    ("outputs ls 1042", true),
    ("queue ls", true),
    ("queue get gpu-a100", false),
    ("queue history gpu-a100", true),
    ("nodes", true),
    ("budget ls", true),
    ("budget get gpu-pool", false),
    ("usage --by user,queue", true),
    ("audit", true),
    ("token ls", true),
    ("whoami", false),
];

const LISTED: &str = "GET /api/v1/tasks?state=waiting%2Cqueued%2Cactive&limit=1000";
const RECENT: &str = "GET /api/v1/tasks?state=succeeded%2Cfailed%2Ccancelled&limit=20";

fn tasks() -> [Task; 5] {
    let failed = Ended { reason: Some(Reason::PatchDoesNotApply), message: Some("scripts/io.py:6".to_owned()), ..Ended::default() };
    [
        Task { phase: Some(Phase::Running), ..task(1042, TaskState::Active) },
        array(1040, TaskState::Active),
        Task { phase: Some(Phase::Scheduling), name: Some("llm-eval".to_owned()), ..task(1039, TaskState::Active) },
        Task { name: Some("tokenize".to_owned()), ended: Some(failed), ..task(1031, TaskState::Failed) },
        Task { name: None, user: "a-user-with-a-rather-long-name".to_owned(), ..task(1030, TaskState::Succeeded) },
    ]
}

fn why() -> Value {
    object!({"task": 1039, "state": "active", "attempt": 1, "phase": "scheduling", "since": "2026-11-20T09:10:30Z", "verdict": "escalate",
        "instead": [{"queue": "mig-2g", "now": true}],
        "holders": {"items": [{"task": 41, "name": "resnet", "queue": "mig-small", "user": "ada", "gpus": 1,
            "since": "2026-11-20T08:52:41Z", "endsBy": "2026-11-20T11:22:41Z"}], "total": 3},
        "reasons": [{"code": "MigProfileNotAdvertised", "class": "escalate", "blocking": true,
            "message": "The pod asks for nvidia.com/mig-1g.10gb; none of 12 nodes offers it; they offer nvidia.com/gpu, nvidia.com/mig-2g.20gb",
            "hint": "Try: an admin labels a node nvidia.com/mig.config=all-1g.10gb, with the strategy mixed",
            "setBy": "queue, /spec/template/spec/containers/0/resources/limits/nvidia.com~1mig-1g.10gb",
            "evidence": [{"source": "PodScheduled", "raw": "0/12 nodes are available: 12 Insufficient nvidia.com/mig-1g.10gb.", "at": "2026-11-20T09:19:41Z"}]},
            {"code": "BehindInQueue", "class": "wait", "blocking": false, "message": "It is the next", "evidence": []}]})
}

fn timeline() -> Value {
    let span = |what: &str, attempt: Option<u32>, from: &str, to: Option<&str>, ms: u64| {
        let at = |text: &str| format!("2026-11-20T{text}Z");
        object!({"what": what, "attempt": attempt, "from": at(from), "to": to.map(at), "ms": ms})
    };
    object!({"task": 1042, "state": "active", "complete": true, "spans": [
        span("queued", None, "09:14:30", Some("09:20:41"), 371_000), span("scheduling", Some(1), "09:20:41", Some("09:20:43"), 2_000),
        span("pulling", Some(1), "09:20:43", Some("09:21:24"), 41_000), span("setup", Some(1), "09:21:24", Some("09:21:28"), 4_000),
        span("running", Some(1), "09:21:28", None, 73_000)],
        "ledger": {"totalMs": 491_000, "waitingMs": 0, "queuedMs": 371_000, "placingMs": 2_000, "pullingMs": 41_000, "startingMs": 0,
            "setupMs": 4_000, "runningMs": 73_000, "finishingMs": 0, "lostMs": 0, "gpuIdleMs": 12_000}})
}

fn events() -> Value {
    let event = |id: i64, at: &str, kind: &str, actor: Option<&str>, data: Value| object!({"id": id, "at": format!("2026-11-20T{at}Z"), "kind": kind, "task": 1042, "actor": actor, "data": data});
    object!({"complete": true, "items": [
        event(1, "09:14:30", "task.submitted", Some("lena"), object!({"queue": "gpu-a100", "name": "resnet-lr3"})),
        event(2, "09:20:41", "attempt.claimed", None, object!({"runner": "box-k3f9a", "queue": "gpu-a100"})),
        event(3, "09:20:42", "attempt.started", None, object!({"uid": "0b6b6f53-7c0e-4a5c-9a3e-0a1d64e5f001"})),
        event(4, "09:21:28", "attempt.phase", None, object!({"phase": "running"}))]})
}

fn script() -> Script {
    let [running, sweep, waits, failed, done] = tasks();
    let at = "2026-11-20T08:22:41Z";
    let node = |name: &str, allocatable: Value| object!({"name": name, "ready": true, "allocatable": allocatable, "labels": {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}});
    let nodes = object!({"items": [{"runner": "prod-eu", "cluster": "eu", "at": at, "nodes": [
        node("gpu-07", object!({"cpu": "64", "memory": "512Gi", "nvidia.com/gpu": "8", "pods": "110"})),
        node("gpu-08", object!({"cpu": "64", "memory": "512Gi", "nvidia.com/mig-2g.20gb": "21", "pods": "110"}))]}]});
    let sum = |user: &str, queue: &str, n: u64| object!({"user": user, "queue": queue, "tasks": n, "attempts": n + 1, "slotSeconds": n * 3_600, "gpuSeconds": n * 7_200, "lostGpuSeconds": n * 60});
    let usage = object!({"since": "2026-10-21T09:22:41Z", "until": "2026-11-20T09:22:41Z", "by": ["user", "queue"], "complete": true,
        "items": [sum("lena", "gpu-a100", 312), sum("a-user-with-a-rather-long-name", "mig-small", 4)]});
    let entry = |id: i64, action: &str, of: &str, status: u16| object!({"id": id, "at": at, "user": "lena", "action": action, "object": of, "address": "10.0.0.7", "status": status, "requestId": "0198"});
    let audit = object!({"items": [entry(2, "pauseQueue", "queues/gpu-a100", 200), entry(1, "revokeToken", "tokens/7", 403)]});
    let token = |id: i64, queues: Option<Value>| object!({"id": id, "user": "lena", "role": "submitter", "tail": "x9Qa", "createdBy": "admin", "createdAt": at, "queues": queues, "expiresAt": "2026-12-20T09:22:41Z"});
    let output = |path: &str, size: u64| object!({"path": path, "size": size, "sha256": "cf945b5236e101dbe0471d5200f28b1ae64f21c1f35bf55fcf40cd0fe47cf945"});
    let revision = |n: i64| object!({"name": "gpu-a100", "revision": n, "by": "lena", "at": at});
    let attempts = AttemptList { items: vec![attempt(1, None)] };
    Script::default()
        .on(LISTED, json(200, &list(&[running.clone(), sweep, waits.clone()])))
        .on(RECENT, json(200, &list(&[failed, done])))
        .on("GET /api/v1/tasks/1042", json(200, &running))
        .on("GET /api/v1/tasks/1039", json(200, &Task { id: TaskId(1039), ..waits }))
        .on("GET /api/v1/tasks/1042/attempts", json(200, &attempts))
        .on("GET /api/v1/tasks/1039/why", json(200, &why()))
        .on("GET /api/v1/tasks/1042/timeline", json(200, &timeline()))
        .on("GET /api/v1/tasks/1042/events?limit=1000", json(200, &events()))
        .on("GET /api/v1/tasks/1042/outputs", json(200, &object!({"attempt": 1, "items": [output("model.txt", 12_345_678), output("checkpoints/epoch-0001/optimizer-state.bin", 7)]})))
        .on("GET /api/v1/queues", json(200, &object!({"items": [queue("cpu", 1), queue("gpu-a100", 4)]})))
        .on("GET /api/v1/queues/gpu-a100", json(200, &queue("gpu-a100", 4)))
        .on("GET /api/v1/queues/gpu-a100/revisions", json(200, &object!({"items": [revision(2), revision(1)]})))
        .on("GET /api/v1/nodes", json(200, &nodes))
        .on("GET /api/v1/budgets", json(200, &object!({"items": [budget("gpu-pool", 8, &[("gpu-a100", 2, 3), ("other", 0, 2)])]})))
        .on("GET /api/v1/budgets/gpu-pool", json(200, &budget("gpu-pool", 8, &[("gpu-a100", 2, 3), ("other", 0, 2)])))
        .on("GET /api/v1/usage?by=user%2Cqueue&since=2026-10-21T09%3A22%3A41Z", json(200, &usage))
        .on("GET /api/v1/audit?limit=50", json(200, &audit))
        .on("GET /api/v1/tokens", json(200, &object!({"items": [token(1, None), token(2, Some(object!(["gpu-*", "cpu"])))]})))
        .on("GET /api/v1/whoami", json(200, &object!({"user": "lena", "role": "submitter"})))
}

#[tokio::test]
async fn what_people_read_fits_their_terminals_with_and_without_colours() {
    let server = script().start().await;
    let typed = async |line: &str, width: u16, no_color: bool| {
        let terminal =
            Terminal { stdout: true, stderr: true, width: Some(width), unicode: true, escapes: true, no_color, ..Terminal::default() };
        let bench = Bench { terminal, ..Bench::default() };
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(bench.types(&server, &words).await, 0, "{line}: {}\n{:?}", bench.errors(&server), server.lines().last());
        (bench.out.text().replace(&server.url, "http://server"), bench.errors(&server))
    };
    for (line, is_table) in VIEWS {
        let mut shown = String::new();
        for width in [80, 160] {
            let (plain, said) = typed(line, width, true).await;
            let (coloured, _) = typed(line, width, false).await;
            assert!(!plain.contains('\u{1b}') && said.is_empty(), "{line}: {said}");
            assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain, "{line}: colours change no text");
            for row in plain.lines().filter(|_| *is_table) {
                assert!(row.chars().count() <= usize::from(width), "{line}, at {width}: {row}");
            }
            let marked = coloured.replace('\u{1b}', "␛");
            shown.push_str(&[&format!("{width} columns\n"), &plain, &format!("\n{width} columns, with colours\n"), &marked, "\n"].concat());
        }
        insta::assert_snapshot!(line.replace([' ', ','], "-"), shown);
    }
}
