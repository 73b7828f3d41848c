//! What is said of queues before a task meets them.

use super::{Bench, Script, json, problem};
use crate::{
    cli::testing::queue,
    wire::{FieldError, Level, Problem, ProblemCode, Queue, RenderResponse, Rendering, TemplateFinding, Timestamp},
};

fn finding(level: Level, code: &'static str, said: &str) -> TemplateFinding {
    TemplateFinding {
        level,
        code: code.into(),
        pointer: "/spec/template/spec/priorityClassName".into(),
        found: "gold".into(),
        message: "There is no priority class gold".into(),
        fix: "Create the PriorityClass, or name another in the template.".into(),
        said: said.into(),
        layer: None,
    }
}

fn rendering(cluster: &str, findings: Vec<TemplateFinding>) -> Rendering {
    let at: Timestamp = crate::cli::testing::NOW.parse().unwrap();
    Rendering {
        runner: Some("glue".parse().unwrap()),
        cluster: Some(cluster.into()),
        manifest: Some(serde_json::json!({})),
        origins: None,
        faults: Vec::new(),
        findings,
        nodes_at: None,
        checked_at: Some(at),
    }
}

fn missing_class() -> TemplateFinding {
    finding(Level::Error, "PriorityClassMissing", "pods \"x\" is forbidden: no PriorityClass with name gold was found")
}

const FILE: &str = "queues:\n  a: {podTemplate: {spec: {priorityClassName: gold}}, defaults: {image: i}}\n  b: {}\n";

fn applied() -> Script {
    let pods = Queue { pod_template: Some(serde_json::json!({})), ..queue("a", 1) };
    Script::default()
        .on("GET /api/v1/queues/a", problem(&Problem::new(ProblemCode::QueueNotFound)))
        .on("PUT /api/v1/queues/a", json(201, &pods))
        .on("GET /api/v1/queues/b", problem(&Problem::new(ProblemCode::QueueNotFound)))
        .on("PUT /api/v1/queues/b", json(201, &queue("b", 1)))
}

fn machines() -> Rendering {
    let fault = FieldError { pointer: "/queue/podTemplate/spec/containers/0/image".into(), message: "no image".into() };
    Rendering { manifest: None, faults: vec![fault], checked_at: None, ..rendering("eu-1", Vec::new()) }
}

#[tokio::test]
async fn apply_says_what_is_wrong_and_ends_well() {
    let fits = finding(Level::Info, "Fits", "");
    let both = RenderResponse { items: vec![rendering("eu-1", vec![missing_class(), fits.clone()]), rendering("us-2", vec![fits])] };
    let server = applied()
        .on("POST /api/v1/queues/a/render", json(200, &both))
        .on("POST /api/v1/queues/b/render", json(200, &RenderResponse { items: vec![machines()] }))
        .start()
        .await;
    let bench = Bench { stdin: FILE.into(), ..Bench::default() };
    assert_eq!(bench.types(&server, &["queue", "apply", "-f", "-"]).await, 0);
    assert_eq!(bench.out.text(), "a created\nb created\n");
    insta::assert_snapshot!(bench.errors(&server));
}

#[tokio::test]
async fn what_all_clusters_say_is_said_once_and_a_server_that_cannot_say_it_is_no_failure() {
    let both = RenderResponse { items: vec![rendering("eu-1", vec![missing_class()]), rendering("us-2", vec![missing_class()])] };
    let server = applied()
        .on("POST /api/v1/queues/a/render", json(200, &both))
        .on("POST /api/v1/queues/b/render", problem(&Problem::new(ProblemCode::Forbidden)))
        .start()
        .await;
    let bench = Bench { stdin: FILE.into(), ..Bench::default() };
    assert_eq!(bench.types(&server, &["queue", "apply", "-f", "-", "-o", "json"]).await, 0);
    insta::assert_snapshot!(bench.errors(&server));
}

#[tokio::test]
async fn lint_shows_what_the_server_knows_of_each_cluster() {
    let both = RenderResponse { items: vec![rendering("eu-1", vec![missing_class()]), rendering("us-2", Vec::new())] };
    let invalid = Problem {
        errors: vec![FieldError { pointer: "/weight".into(), message: "between 1 and 1000".into() }],
        ..Problem::new(ProblemCode::ValidationFailed)
    };
    let server = Script::default()
        .on("POST /api/v1/queues/a/render", json(200, &both))
        .on("POST /api/v1/queues/b/render", problem(&invalid))
        .start()
        .await;
    let bench = Bench { stdin: FILE.into(), ..Bench::default() };
    assert_eq!(bench.types(&server, &["template", "lint", "-f", "-", "--live"]).await, 1);
    let one = Bench { stdin: FILE.into(), ..Bench::default() };
    assert_eq!(one.types(&server, &["template", "lint", "-f", "-", "--live", "--queue", "a"]).await, 0, "one cluster takes it");
    let asked = server.seen().into_iter().find(|seen| seen.line.ends_with("/a/render")).unwrap().body;
    let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
    assert_eq!((&asked["queue"]["podTemplate"]["spec"]["priorityClassName"], asked.get("task")), (&"gold".into(), None));
    insta::assert_snapshot!([bench.out.text(), bench.errors(&server), one.out.text()].join("---\n"));
}

#[tokio::test]
async fn lint_says_when_no_cluster_can_be_looked_at() {
    let nobody = Rendering { runner: None, cluster: None, checked_at: None, ..rendering("", Vec::new()) };
    let server = Script::default().on("POST /api/v1/queues/a/render", json(200, &RenderResponse { items: vec![nobody] })).start().await;
    let bench = Bench { stdin: FILE.into(), ..Bench::default() };
    assert_eq!(bench.types(&server, &["template", "lint", "-f", "-", "--live", "--queue", "a", "--set", "x=1"]).await, 1);
    assert!(server.seen()[0].body.contains("\"command\":[\"true\"]"), "{}", server.seen()[0].body);
    insta::assert_snapshot!(bench.errors(&server));
}

#[tokio::test]
async fn what_could_never_run_is_refused_where_that_is_asked_for() {
    let both =
        |ours: Vec<TemplateFinding>| RenderResponse { items: vec![rendering("eu-1", vec![missing_class()]), rendering("us-2", ours)] };
    let submitted = json(201, &crate::cli::testing::task(1042, crate::wire::TaskState::Queued));
    let script = || Script::default().on("POST /api/v1/tasks", submitted.clone());
    let render = "POST /api/v1/queues/gpu/render";
    let server = script().on(render, json(200, &both(vec![missing_class()]))).start().await;
    let bench = Bench::default();
    assert_eq!(bench.types(&server, &["submit", "--check", "-q", "gpu", "--", "true"]).await, 8);
    assert!(bench.errors(&server).contains("There is no priority class gold") && bench.out.text().is_empty(), "{}", bench.errors(&server));
    assert_eq!(server.lines(), [render], "nothing was submitted");
    assert!(server.seen()[0].body.contains(r#""command":["true"]"#));
    let script_alone = Bench::default();
    assert_eq!(script_alone.types(&server, &["submit", "-q", "gpu", "--", "true"]).await, 0);
    assert_eq!((script_alone.err.text().as_str(), server.lines().len()), ("", 2), "a script is asked nothing more");
    let person = Bench::person();
    assert_eq!(person.types(&server, &["submit", "--detach", "-q", "gpu", "--", "true"]).await, 0);
    assert!(person.err.text().contains("As things are it could never run:"), "{}", person.err.text());

    // One cluster that could is enough.
    let server = script().on(render, json(200, &both(Vec::new()))).start().await;
    assert_eq!(bench.types(&server, &["submit", "--check", "-q", "gpu", "--", "true"]).await, 0, "{}", bench.errors(&server));
    // Machines need no pod.
    let server = script().on(render, json(200, &RenderResponse { items: vec![Rendering { runner: None, ..machines() }] })).start().await;
    assert_eq!(bench.types(&server, &["submit", "--check", "-q", "gpu", "--", "true"]).await, 0);
}
