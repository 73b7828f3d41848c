//! `slipway doctor` against servers that answer as they are told.

use super::{Bench, Script, Server, json, problem, sse};
use crate::{
    cli::testing::queue,
    domain::Sha256,
    wire::{DatabaseHealth, Health, Problem, ProblemCode, QueueList, RenderResponse, Role, Runner, RunnerList, Upload, Version, Whoami},
};
use serde_json::Value;

fn version() -> Version {
    Version { version: env!("CARGO_PKG_VERSION").into(), api: "v1".into() }
}

fn runners() -> RunnerList {
    let runner = Runner {
        name: "box".parse().unwrap(),
        kind: "process".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        slots: 8,
        gpus: 0,
        queues: vec!["*".into()],
        active: 1,
        registered_at: "2026-11-20T08:00:00Z".parse().unwrap(),
        seen_at: Some("2026-11-20T09:22:38Z".parse().unwrap()),
        state: None,
        footing: None,
        footing_at: None,
    };
    RunnerList { items: vec![runner] }
}

/// A server of which nothing bad can be said, with what is answered to `GET /version`.
fn healthy(version: super::super::scripted::Answer) -> Script {
    let database = DatabaseHealth { kind: "sqlite".into(), schema: 9, known_schema: 9, read_ms: 1, commit_ms: 4 };
    let health =
        Health { version: "0.1.0".into(), at: crate::cli::testing::NOW.parse().unwrap(), database, bytes: None, stuck: Vec::new() };
    Script::default()
        .on("GET /version", version)
        .on("GET /readyz", super::text("ok\n"))
        .on("GET /api/v1/whoami", json(200, &Whoami { user: "ada".into(), role: Role::Viewer, grants: Vec::new() }))
        .on("GET /api/v1/health", json(200, &health))
        .on("GET /api/v1/runners", json(200, &runners()))
        .on("GET /api/v1/queues", json(200, &QueueList { items: vec![queue("cpu", 1)] }))
        .on("POST /api/v1/queues/cpu/render", json(200, &RenderResponse { items: Vec::new() }))
        .on("GET /api/v1/events?after=0", sse(&super::events()))
}

/// Check and verdict of each line.
fn verdicts(bench: &Bench) -> Vec<String> {
    let report: Value = serde_json::from_str(&bench.out.text()).unwrap();
    let word = |line: &Value, field: &str| line[field].as_str().unwrap().to_owned();
    report["checks"].as_array().unwrap().iter().map(|line| format!("{} {}", word(line, "check"), word(line, "verdict"))).collect()
}

async fn doctor(server: &Server, more: &[&str]) -> (u8, Vec<String>) {
    let bench = Bench::default();
    let code = bench.types(server, &[&["doctor", "-o", "json"], more].concat()).await;
    (code, verdicts(&bench))
}

fn has(lines: &[String], line: &str) -> bool {
    lines.iter().any(|one| one == line)
}

#[tokio::test]
async fn a_viewer_sees_what_can_be_seen() {
    let server = healthy(json(200, &version())).start().await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["verify"]).await, 0, "{}", bench.out.text());
    insta::assert_snapshot!(bench.out.text().replace(&server.url, "http://server"));
    assert_eq!(bench.err.text(), "", "nothing is said beside it in scripts");
    let sent = server.lines();
    assert!(!sent.iter().any(|line| line.starts_with("PUT") || line == "POST /api/v1/tasks"), "a viewer sends nothing: {sent:?}");
}

#[tokio::test]
async fn clocks_versions_and_tokens_are_judged_by_what_the_server_says() {
    let skewed = healthy(json(200, &version()).dated("Fri, 20 Nov 2026 09:20:00 GMT")).start().await;
    let (code, lines) = doctor(&skewed, &[]).await;
    assert!(code == 1 && has(&lines, "clock fail"), "{lines:?}");
    // Runners are heard by the server's clock.
    assert!(has(&lines, "runners ok"), "{lines:?}");

    let old = healthy(json(200, &Version { version: "0.0.9".into(), ..version() })).start().await;
    let (code, lines) = doctor(&old, &[]).await;
    assert_eq!(code, 0);
    assert!(has(&lines, "version warn"), "{lines:?}");

    // What an older server does not know is left out.
    let script = Script::default().on("GET /api/v1/health", problem(&Problem::new(ProblemCode::RouteNotFound)));
    let bare = script.on("GET /version", json(200, &version())).on("GET /readyz", super::text("ok\n"));
    let bare =
        bare.on("GET /api/v1/whoami", json(200, &Whoami { user: "ada".into(), role: Role::Viewer, grants: Vec::new() })).start().await;
    let (code, lines) = doctor(&bare, &["--only", "server,token,database"]).await;
    assert_eq!((code, lines), (0, ["server ok", "database skip", "token ok"].map(str::to_owned).to_vec()));

    let script = Script::default().on("GET /version", json(200, &version())).on("GET /readyz", super::text("ok\n"));
    let stranger = script.on("GET /api/v1/whoami", problem(&Problem::new(ProblemCode::Unauthenticated))).start().await;
    let (code, lines) = doctor(&stranger, &[]).await;
    assert!(code == 1 && has(&lines, "token fail") && has(&lines, "runners skip"), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.ends_with("fail")).count(), 1, "one cause is one failure: {lines:?}");
}

#[tokio::test]
async fn only_what_is_asked_for_is_looked_at() {
    let server = healthy(json(200, &version())).start().await;
    let (code, lines) = doctor(&server, &["--only", "runners,clock", "--skip", "clock"]).await;
    assert_eq!((code, lines), (0, vec!["runners ok".to_owned()]));
    let asked = server.lines();
    assert!(!asked.iter().any(|line| line.contains("/events") || line.contains("/health")), "{asked:?}");
}

#[tokio::test]
async fn a_proxy_that_takes_no_large_bodies_is_named_with_its_remedy() {
    let bytes: Vec<u8> = (0..(8_u64 << 20) / 8).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect();
    let large = format!("PUT /api/v1/uploads/{}?size=8388608&offset=0", Sha256::of(&bytes));
    let server = healthy(json(200, &version()))
        .on("GET /api/v1/whoami", json(200, &Whoami { user: "ada".into(), role: Role::Submitter, grants: Vec::new() }))
        .on(&large, super::text("<html>413 Request Entity Too Large</html>").with_status(413))
        .start()
        .await;
    // The first answer to whoami is a viewer's; the second is the one that counts.
    assert_eq!(doctor(&server, &["--only", "token"]).await.0, 0);
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["doctor", "--only", "large-body"]).await, 1);
    assert!(bench.out.text().contains("proxy-body-size: 64m"), "{}", bench.out.text());
    let whole = Upload { sha256: Sha256::of(&bytes), received: bytes.len() as u64, complete: true };
    let fine = healthy(json(200, &version()));
    let fine = fine
        .on("GET /api/v1/whoami", json(200, &Whoami { user: "ada".into(), role: Role::Submitter, grants: Vec::new() }))
        .on(&large, json(200, &whole));
    let fine = fine.start().await;
    assert_eq!(doctor(&fine, &["--only", "token"]).await.0, 0);
    assert_eq!(doctor(&fine, &["--only", "large-body"]).await, (0, vec!["large-body ok".to_owned()]));
}
