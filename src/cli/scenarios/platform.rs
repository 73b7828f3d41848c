//! Queues in an editor, runners and ready files one by one, and tasks once more with something changed.

use crate::{
    cli::{
        BundleArgs, RunnerGetArgs,
        help::parsed,
        run,
        scripted::{Script, json, problem, text},
        testing::{Bench, queue, task},
    },
    wire::{Problem, ProblemCode, Queue, QueueList, Runner, RunnerList, TaskList, TaskState},
};
use clap::Parser;
use serde_json::{Value, json as object};
use std::{fs, path::PathBuf};

async fn types(bench: &Bench, words: &[&str]) -> u8 {
    run(parsed(words), bench.surroundings()).await.code()
}

/// With an editor that does this to the file.
fn editing(script: &str) -> (tempfile::TempDir, Bench) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("editor.sh");
    fs::write(&path, script).unwrap();
    (dir, Bench { editor: Some(format!("sh '{}'", path.display())), ..Bench::default() })
}

/// The file that a text was kept in.
fn kept(said: &str) -> PathBuf {
    let after = said.split("your text is kept in ").nth(1).unwrap_or_else(|| panic!("nothing is kept: {said}"));
    after.split(';').next().unwrap().into()
}

#[tokio::test]
async fn a_queue_is_changed_in_an_editor_under_the_revision_that_was_shown() {
    let changed = Queue { description: Some("short jobs".into()), ..queue("cpu", 8) };
    let server = Script::default()
        .on("GET /api/v1/queues/cpu", json(200, &queue("cpu", 7)))
        .on("PUT /api/v1/queues/cpu", json(200, &changed))
        .start()
        .await;
    let words = ["queue", "edit", "cpu", "--url", server.url.as_str()];
    let (_dir, bench) = editing("sed -i 's/for everything/short jobs/' \"$1\"\ncp \"$1\" \"$0.seen\"\n");
    assert_eq!(types(&bench, &words).await, 0, "{}", bench.err.text());
    assert_eq!(bench.out.text(), "cpu changed, revision 8\n");
    let put = server.seen().into_iter().rfind(|seen| seen.line.starts_with("PUT")).unwrap();
    assert_eq!(put.headers["if-match"], "\"7\"");
    assert_eq!(serde_json::from_slice::<Value>(put.body.as_ref()).unwrap()["description"], object!("short jobs"));
    // Saved as it was, with another comment, or not at all: nothing is sent.
    for script in ["true\n", "sed -i '1d' \"$1\"\n"] {
        let (_dir, bench) = editing(script);
        assert_eq!(types(&bench, &words).await, 0, "{}", bench.err.text());
        assert_eq!(bench.err.text(), "cpu is unchanged: nothing was sent.\n");
    }
    assert_eq!(server.lines().iter().filter(|line| line.starts_with("PUT")).count(), 1);
}

#[tokio::test]
async fn what_was_typed_is_kept_where_it_is_refused() {
    let refused = Problem::new(ProblemCode::PreconditionFailed).detail("The queue cpu has revision 8.");
    let server = Script::default()
        .on("GET /api/v1/queues/cpu", json(200, &queue("cpu", 7)))
        .on("PUT /api/v1/queues/cpu", problem(&refused))
        .start()
        .await;
    let words = ["queue", "edit", "cpu", "--url", server.url.as_str()];
    for (script, exit, says) in [
        ("sed -i 's/for everything/short jobs/' \"$1\"\n", 6, "somebody else changed cpu meanwhile"),
        ("echo 'descrption: short jobs' >> \"$1\"\n", 2, "unknown field \"descrption\""),
        ("sed -i 's/^name: cpu/name: gpu/' \"$1\"\n", 2, "the text is of the queue gpu, and cpu was opened"),
        ("echo 'description: short jobs' > \"$1\"; exit 3\n", 1, "the editor ended with exit status: 3"),
    ] {
        let (_dir, bench) = editing(script);
        assert_eq!(types(&bench, &words).await, exit, "{}", bench.err.text());
        let said = bench.err.text();
        assert!(said.contains(says), "{said}");
        let file = kept(&said);
        assert!(fs::read_to_string(&file).unwrap().contains("description: "), "{said}");
        fs::remove_file(file).unwrap();
    }
    let bench = Bench::default();
    assert_eq!(types(&bench, &words).await, 2);
    assert!(bench.err.text().contains("neither VISUAL nor EDITOR is set"), "{}", bench.err.text());
}

#[derive(Parser)]
struct Get {
    #[command(flatten)]
    args: RunnerGetArgs,
}

#[tokio::test]
async fn one_runner_is_shown_and_a_slip_is_found() {
    let runner: Runner = serde_json::from_value(object!({
        "name": "box-k3f9a", "kind": "process", "version": "0.1.0", "slots": 8, "gpus": 1, "queues": ["default", "gpu"], "active": 3,
        "registeredAt": "2026-11-20T08:00:00Z"
    }))
    .unwrap();
    let list = RunnerList { items: vec![runner.clone()] };
    let server = Script::default().on("GET /api/v1/runners", json(200, &list)).start().await;
    let get = async |bench: &Bench, words: &[&str]| {
        let words = [&["get", "--url", server.url.as_str()], words].concat();
        let command = super::super::Command::RunnerGet(Get::try_parse_from(words).unwrap_or_else(|e| panic!("{e}")).args);
        run(command, bench.surroundings()).await.code()
    };
    let bench = Bench::default();
    assert_eq!(get(&bench, &["box-k3f9a", "-o", "json"]).await, 0);
    assert_eq!(serde_json::from_str::<Runner>(&bench.out.text()).unwrap(), runner);
    assert_eq!(get(&bench, &["box-k3f9"]).await, 5);
    assert_eq!(bench.err.text(), "error: there is no runner \"box-k3f9\"\nhint: did you mean \"box-k3f9a\"?\n");
}

#[tokio::test]
async fn a_ready_file_is_printed_as_it_is() {
    let bench = Bench::default();
    assert_eq!(types(&bench, &["template", "presets", "mig-a100"]).await, 0);
    assert_eq!(bench.out.text(), include_str!("../../../templates/mig-a100.yaml"));
    let bench = Bench::default();
    assert_eq!(types(&bench, &["template", "presets", "-o", "name"]).await, 0);
    assert!(bench.out.text().contains("mig-a100\n"), "{}", bench.out.text());
    assert_eq!(types(&bench, &["template", "presets", "mig-a10"]).await, 5);
    assert!(bench.err.text().contains("did you mean \"mig-a100\"?"), "{}", bench.err.text());
}

#[tokio::test]
async fn a_task_runs_again_with_other_values_and_the_code_of_now() {
    let server = Script::default().on("POST /api/v1/tasks/7/rerun", json(201, &task(1042, TaskState::Queued))).start().await;
    let url = server.url.as_str();
    let bench = Bench::default();
    assert_eq!(types(&bench, &["rerun", "7", "--set", "size=7", "--set", "lr=3e-4", "--url", url]).await, 0, "{}", bench.err.text());
    let sent = server.seen().pop().unwrap();
    let body: Value = serde_json::from_slice(sent.body.as_ref()).unwrap();
    assert_eq!(body, object!({"variables": {"size": "7", "lr": "3e-4"}}));
    // Without code nothing is sent that would run the old one.
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench { dir: dir.path().to_owned(), ..Bench::default() };
    assert_eq!(types(&bench, &["rerun", "7", "--latest-code", "--url", url]).await, 2);
    assert!(bench.err.text().contains("there is no repository around you"), "{}", bench.err.text());
    assert_eq!(server.lines().iter().filter(|line| line.starts_with("POST")).count(), 1);
}

#[derive(Parser)]
struct Bundle {
    #[command(flatten)]
    args: BundleArgs,
}

#[tokio::test]
async fn a_bundle_has_what_can_be_had_and_no_secret() {
    let mut secret = queue("gpu", 3);
    secret.defaults.env.insert("HF_TOKEN".into(), "hf_secret".into());
    let event = object!({"id": 1, "at": "2026-11-20T09:14:30Z", "kind": "task.submitted", "task": 1042, "data": {"script": "hf_secret"}});
    let server = Script::default()
        .on("GET /api/v1/queues", json(200, &QueueList { items: vec![secret] }))
        .on("GET /api/v1/runners", json(200, &RunnerList { items: Vec::new() }))
        .on("GET /api/v1/tasks?limit=50", json(200, &TaskList { items: vec![task(1042, TaskState::Queued)], next_cursor: None }))
        .on("GET /api/v1/tasks/1042/events?limit=1000", json(200, &object!({"items": [event], "complete": true})))
        .on("GET /metrics", text("slipway_tasks 1\n"))
        .start()
        .await;
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("support.tar.gz");
    let words = ["bundle", "--url", &server.url, "--to", to.to_str().unwrap()];
    let command = || super::super::Command::SupportBundle(Bundle::try_parse_from(words).unwrap_or_else(|e| panic!("{e}")).args);
    let bench = Bench::default();
    assert_eq!(run(command(), bench.surroundings()).await.code(), 0, "{}", bench.err.text());
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(&to).unwrap()));
    let mut all = String::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        all.push_str(&["== ", entry.path().unwrap().to_str().unwrap(), "\n"].concat());
        std::io::Read::read_to_string(&mut entry, &mut all).unwrap();
    }
    for name in ["doctor.json", "version.json", "health.json", "queues.json", "runners.json", "nodes.json", "events.json", "metrics.txt"] {
        assert!(all.contains(&format!("== slipway-support/{name}\n")) && bench.err.text().contains(name), "{name}: {all}");
    }
    assert!(all.contains("\"HF_TOKEN\": \"(left out)\"") && all.contains("task.submitted") && all.contains("slipway_tasks 1"), "{all}");
    assert!(!all.contains("hf_secret") && !all.contains("train.py"), "{all}");
    // What is there is left alone.
    assert_eq!(run(command(), bench.surroundings()).await.code(), 1);
    assert!(bench.err.text().contains("hint: name another: --to FILE"), "{}", bench.err.text());
}
