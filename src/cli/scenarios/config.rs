//! A project's defaults and one's own: which counts, who is told, and what a stranger's file cannot do.

use crate::{
    cli::{
        Sources,
        help::parsed,
        run,
        scripted::{Script, Server, json, problem},
        testing::{Bench, task},
    },
    wire::{FieldError, Problem, ProblemCode, Role, TaskState, Whoami},
};
use serde_json::{Value, json as object};
use std::{fs, path::Path};

const PROJECT: &str = "[submit]\nqueue = \"gpu\"\ngpus = 1\n\n[submit.env]\nA = \"project\"\nHF_TOKEN = \"hf_secret\"\n";
const MINE: &str = "# mine\noutput = \"json\" # always\n\n[submit]\npriority = \"low\"\n\n[submit.env]\nA = \"mine\"\nB = \"mine\"\n";

/// A repository with its file, and a home with one's own.
fn bench(root: &Path, project: &str, mine: &str) -> Bench {
    fs::create_dir_all(root.join("repo/src")).unwrap();
    fs::create_dir_all(root.join("repo/.git")).unwrap();
    fs::write(root.join("repo/.slipway.toml"), project).unwrap();
    fs::write(root.join("config.toml"), mine).unwrap();
    let sources = Sources { variables: [].into(), project: Some(root.join("repo/src")), user: Some(root.join("config.toml")) };
    Bench { contexts: root.join("contexts.yaml"), sources, ..Bench::default() }
}

async fn types(bench: &Bench, words: &[&str]) -> u8 {
    run(parsed(words), bench.surroundings()).await.code()
}

fn sent(server: &Server) -> Value {
    let posted = server.seen().into_iter().rfind(|seen| seen.line == "POST /api/v1/tasks").expect("a task was sent");
    serde_json::from_slice(posted.body.as_ref()).unwrap()
}

async fn server() -> Server {
    let who = Whoami { user: "lena".into(), role: Role::Submitter, grants: Vec::new() };
    let script = Script::default().on("POST /api/v1/tasks", json(201, &task(1042, TaskState::Queued)));
    script.on("GET /api/v1/whoami", json(200, &who)).start().await
}

#[tokio::test]
async fn a_submit_has_what_the_project_and_the_user_say() {
    let dir = tempfile::tempdir().unwrap();
    let server = server().await;
    let bench = Bench { stdin: b"{command: [x], queue: cpu, env: {A: file}}\n".to_vec(), ..bench(dir.path(), PROJECT, MINE) };
    assert_eq!(types(&bench, &["submit", "--url", &server.url, "-e", "A=typed", "--no-code", "--", "x"]).await, 0, "{}", bench.err.text());
    let whole = object!({
        "command": ["x"], "queue": "gpu", "priority": "low", "resources": {"gpus": 1},
        "env": {"A": "typed", "B": "mine", "HF_TOKEN": "hf_secret"},
    });
    assert_eq!(sent(&server), whole);
    assert!(bench.out.text().starts_with("{\n"), "one's own file says json: {}", bench.out.text());
    let told = bench.err.text();
    assert!(told.contains("config    env.HF_TOKEN, gpus, queue from ") && told.contains("repo/.slipway.toml\n"), "{told}");
    assert!(!told.contains("hf_secret"), "{told}");
    // A task's own file goes over the project's.
    assert_eq!(types(&bench, &["submit", "--url", &server.url, "--no-code", "-f", "-"]).await, 0, "{}", bench.err.text());
    let sent = sent(&server);
    assert_eq!((&sent["queue"], &sent["env"]["A"], &sent["env"]["B"]), (&object!("cpu"), &object!("file"), &object!("mine")));
}

#[tokio::test]
async fn what_counts_is_told_with_who_said_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = bench(dir.path(), PROJECT, MINE);
    bench.sources.variables = [("SLIPWAY_SUBMIT_GPUS", "4"), ("SLIPWAY_COLOR", "never"), ("SLIPWAY_URL", "http://a")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    assert_eq!(types(&bench, &["config", "get", "--show-origin", "-o", "table", "--url", "http://a"]).await, 0, "{}", bench.err.text());
    assert_eq!(types(&bench, &["config", "get", "submit.queue", "-o", "table"]).await, 0);
    assert_eq!(types(&bench, &["config", "get", "submit.gpus", "--show-origin", "-o", "wide"]).await, 0);
    assert_eq!(types(&bench, &["config", "get", "submit.env"]).await, 0, "one's own file says json");
    assert_eq!(types(&bench, &["config", "get", "submit.time"]).await, 0);
    assert_eq!(types(&bench, &["config", "get", "submit.env.NONE"]).await, 5);
    assert_eq!(types(&bench, &["config", "get", "quue"]).await, 2);
    let said = (bench.out.text() + &bench.err.text()).replace(&dir.path().display().to_string(), "");
    assert!(!said.contains("hf_secret"), "{said}");
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn a_project_chooses_among_ones_own_servers_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (lab, other) = (server().await, server().await);
    let bench = bench(dir.path(), "context = \"lab\"\n", "");
    let contexts = format!("current: other\ncontexts:\n  lab: {{url: '{}', token: slw_lab}}\n  other: {{url: '{}'}}\n", lab.url, other.url);
    fs::write(dir.path().join("contexts.yaml"), contexts).unwrap();
    assert_eq!(types(&bench, &["whoami"]).await, 0, "{}", bench.err.text());
    assert_eq!(types(&bench, &["whoami", "--context", "other"]).await, 0);
    assert_eq!((lab.seen().len(), other.seen().len()), (1, 1));
    assert_eq!(types(&bench, &["context", "use", "other"]).await, 0);
    assert!(bench.err.text().contains("Here lab counts: it is named by "), "{}", bench.err.text());
    for said in ["url = \"http://evil\"\n", "token-file = \"x\"\n", "[submit]\ncaFile = \"x\"\n", "data-dir = \"x\"\n"] {
        fs::write(dir.path().join("repo/.slipway.toml"), said).unwrap();
        let bench = Bench { err: crate::cli::testing::Capture::default(), ..bench.clone() };
        assert_eq!(types(&bench, &["whoami"]).await, 2, "{said}");
        assert!(bench.err.text().contains("has no place in a project's file"), "{}", bench.err.text());
    }
    fs::write(dir.path().join("repo/.slipway.toml"), "\ncontext = \"labs\"\n").unwrap();
    assert_eq!(types(&bench, &["whoami"]).await, 5);
    let told = bench.err.text();
    assert!(told.contains("did you mean \"lab\"?") && told.contains("repo/.slipway.toml:2"), "{told}");
    assert_eq!((lab.seen().len(), other.seen().len()), (1, 1), "nobody else was asked");
}

#[tokio::test]
async fn a_broken_file_stops_what_would_go_by_it_and_can_be_mended() {
    let dir = tempfile::tempdir().unwrap();
    let server = server().await;
    let bench = bench(dir.path(), "[submit]\nquue = \"gpu\"\n", MINE);
    assert_eq!(types(&bench, &["submit", "--url", &server.url, "--", "x"]).await, 2);
    assert!(server.seen().is_empty());
    let told = bench.err.text();
    assert!(told.contains("repo/.slipway.toml:2: unknown key \"submit.quue\"\nhint: did you mean \"submit.queue\"?"), "{told}");
    assert_eq!(types(&bench, &["help", "exit-codes"]).await, 0);
    assert_eq!(types(&bench, &["config", "get"]).await, 2);
    assert_eq!(types(&bench, &["config", "set", "submit.queue", "cpu"]).await, 0, "{}", bench.err.text());
    assert_eq!(types(&bench, &["config", "set", "submit.env.B", "-1"]).await, 0);
    assert_eq!(types(&bench, &["config", "unset", "submit.env.A"]).await, 0);
    assert_eq!(types(&bench, &["config", "unset", "submit.env.A", "-o", "json"]).await, 0);
    assert_eq!(types(&bench, &["config", "set", "token", "slw_x"]).await, 2);
    let mine = fs::read_to_string(dir.path().join("config.toml")).unwrap();
    assert_eq!(mine, MINE.replace("\"low\"\n", "\"low\"\nqueue = \"cpu\"\n").replace("A = \"mine\"\n", "").replace("\"mine\"", "\"-1\""));
    assert!(bench.out.text().contains("\"changed\": false"), "{}", bench.out.text());
    // The first file of one's own is made, for nobody else to read.
    let first =
        Bench { sources: Sources { user: Some(dir.path().join("home/slipway/config.toml")), ..Sources::default() }, ..Bench::default() };
    assert_eq!(types(&first, &["config", "set", "output", "wide"]).await, 0, "{}", first.err.text());
    assert_eq!(fs::read_to_string(dir.path().join("home/slipway/config.toml")).unwrap(), "output = \"wide\"\n");
    assert_eq!(types(&first, &["config", "get", "output"]).await, 0);
    assert!(first.out.text().ends_with("wide\n"), "{}", first.out.text());
}

#[tokio::test]
async fn a_refusal_names_the_line_that_nobody_typed() {
    let dir = tempfile::tempdir().unwrap();
    let mut refused = Problem::new(ProblemCode::ValidationFailed);
    refused.errors = vec![FieldError { pointer: "/image".into(), message: "the queue gpu has no pods of its own".into() }];
    let server = Script::default().on("POST /api/v1/tasks", problem(&refused)).start().await;
    let bench = bench(dir.path(), "submit.image = \"python:3.12\"\n", "");
    assert_eq!(types(&bench, &["submit", "--url", &server.url, "--no-code", "--", "x"]).await, 2);
    let told = bench.err.text();
    assert!(told.contains("hint: submit.image is set in ") && told.contains(".slipway.toml:1\n"), "{told}");
}
