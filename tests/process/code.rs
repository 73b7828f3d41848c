//! The code that runs is the code that was sent: checked out, unpacked, set up, by the real agent from a real server.
//!
//! A task may reach repositories by https and ssh alone; the queue's `insteadOf` puts a directory in the place of a host
//! here, as an admin's mirror on a volume would be.

use crate::{eventually, support::run, world::World};
use bytes::Bytes;
use slipway::{
    app::ambient::SystemRng,
    domain::Rng,
    wire::{
        Code, Environment, EnvironmentKind, FailureClass, GitCode, GitSource, Indexes, NewQueue, NewTask, Reason, Sha256, Task, TaskState,
    },
};
use std::{collections::BTreeMap, fs, path::PathBuf};

/// A repository that tasks reach as `https://git.example.com/team/vision`, and a clone of it.
struct Repository {
    clone: PathBuf,
}

impl Repository {
    fn new(world: &World) -> Self {
        let (bare, clone) = (world.root.join("git/team/vision"), world.root.join("screen"));
        fs::create_dir_all(&bare).expect("as the test made it");
        run(&bare, &["git", "init", "--quiet", "--bare", "--initial-branch=main"]);
        run(&world.root, &["git", "clone", "--quiet", &bare.display().to_string(), "screen"]);
        run(&clone, &["git", "checkout", "--quiet", "-B", "main"]);
        Self { clone }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.clone.join(name), text).expect("as the test made it");
    }

    /// Commits everything and pushes it; the commit.
    fn push(&self) -> String {
        run(&self.clone, &["git", "add", "-A"]);
        run(&self.clone, &["git", "commit", "--quiet", "-m", "work"]);
        run(&self.clone, &["git", "push", "--quiet", "origin", "main"]);
        run(&self.clone, &["git", "rev-parse", "HEAD"])
    }

    fn at(commit: &str) -> GitCode {
        GitCode { url: "https://git.example.com/team/vision".into(), commit: commit.to_owned(), ..GitCode::default() }
    }
}

/// Lets tasks of the queue `default` reach the directory of repositories.
pub(crate) async fn mirrored(world: &World, queue: NewQueue) {
    let from = "https://git.example.com/".to_owned();
    let git = GitSource { secret_ref: None, instead_of: BTreeMap::from([(from, format!("file://{}/git/", world.root.display()))]) };
    let queue = NewQueue { git: Some(git), ..queue };
    world.client().await.put_queue(&"default".parse().expect("as the test made it"), &queue, None, true).await.expect("the queue");
}

fn sh(script: &str, code: Code) -> NewTask {
    NewTask { command: Some(["sh", "-c", script].map(str::to_owned).to_vec()), code: Some(code), ..NewTask::default() }
}

fn git(code: GitCode) -> Code {
    Code { git: Some(code), ..Code::default() }
}

pub(crate) async fn sent(world: &World, bytes: &[u8]) -> Sha256 {
    let sum = Sha256::of(bytes);
    let source = Bytes::copy_from_slice(bytes);
    world
        .client()
        .await
        .upload((slipway::client::Sink::Uploads, &sum), bytes.len() as u64, &source, &SystemRng, 3, |_| ())
        .await
        .expect("the upload");
    sum
}

/// Runs a task to its end; it and its log.
async fn ran(world: &World, task: &NewTask) -> (Task, String) {
    let id = world.client().await.submit(task, SystemRng.uuid()).await.expect("the task").id;
    let task = world.ended(id).await;
    let log = world.log(id, task.attempt.0).await;
    (task, String::from_utf8_lossy(&log).into_owned())
}

fn failed(task: &Task) -> (Option<FailureClass>, Option<Reason>, String) {
    let ended = task.ended.clone().unwrap_or_default();
    (ended.class, ended.reason, ended.message.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_runs_the_very_commit_in_the_directory_that_it_names() {
    let mut world = World::with_both();
    world.ready().await;
    let repository = Repository::new(&world);
    mirrored(&world, NewQueue::default()).await;
    fs::create_dir(repository.clone.join("src")).expect("as the test made it");
    repository.write("src/hello", "first");
    let first = repository.push();
    repository.write("src/hello", "second");
    repository.push();
    let task =
        NewTask { working_dir: Some("src".into()), ..sh("cat hello; git rev-parse HEAD; git status --short", git(Repository::at(&first))) };
    for again in [false, true] {
        let (task, log) = ran(&world, &task).await;
        assert_eq!(task.state, TaskState::Succeeded, "{log}");
        assert!(log.ends_with(&format!("first{first}\n")), "{log}");
        // The second time the commit is in the runner's copy of the repository: that it is gone elsewhere is no matter.
        if !again {
            fs::rename(world.root.join("git"), world.root.join("gone")).expect("as the test made it");
        }
    }
    let (task, log) = ran(&world, &sh("true", git(Repository::at(&"b".repeat(40))))).await;
    assert_eq!(task.state, TaskState::Failed, "{log}");
    let (class, reason, _) = failed(&task);
    assert!(class == Some(FailureClass::Setup) && reason.is_some_and(Reason::is_of_setup), "{:?}", failed(&task));
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_prepared_says_why_and_never_begins() {
    let mut world = World::with_both();
    world.ready().await;
    let repository = Repository::new(&world);
    let nowhere = Indexes { url: Some("http://127.0.0.1:1/simple".into()), extra: vec![] };
    mirrored(&world, NewQueue { indexes: Some(nowhere), ..NewQueue::default() }).await;
    repository.write("a.txt", "one\n");
    let commit = repository.push();
    let began = world.root.join("began");
    let mark = format!("touch {}", began.display());
    let diff = sent(&world, b"--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-two\n+three\n").await;
    let outside = {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().expect("as the test made it").name[..11].copy_from_slice(b"../../began");
        header.set_size(1);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, &b"x"[..]).expect("as the test made it");
        sent(&world, &archive.into_inner().expect("as the test made it")).await
    };
    let inline = |name: &str, text: &str| Code { inline: BTreeMap::from([(name.to_owned(), text.to_owned())]), ..Code::default() };
    let environment = |kind, python: Option<&str>| Some(Environment { kind, python: python.map(str::to_owned), ..Environment::default() });
    let lost = GitCode { reference: Some("main".into()), ..Repository::at(&"b".repeat(40)) };
    let table = [
        (sh(&mark, git(lost)), Reason::CommitNotFound, "bbbbbbb", 1),
        (sh(&mark, git(GitCode { diff: Some(diff), ..Repository::at(&commit) })), Reason::PatchDoesNotApply, "a.txt:1", 1),
        (sh(&mark, Code { upload: Some(outside), ..Code::default() }), Reason::SetupFailed, "leads outside", 1),
        (NewTask { working_dir: Some("nowhere".into()), ..sh(&mark, git(Repository::at(&commit))) }, Reason::SetupFailed, "nowhere", 1),
        (
            NewTask { environment: environment(EnvironmentKind::Venv, Some("2.6")), ..sh(&mark, inline("a", "b")) },
            Reason::PythonVersionMissing,
            "needs Python 2.6",
            1,
        ),
        (
            NewTask { environment: environment(EnvironmentKind::Conda, None), ..sh(&mark, inline("a", "b")) },
            Reason::ToolMissing,
            "conda",
            1,
        ),
        // What may be had at another try is tried again, on the budget of the machine's failures.
        (
            NewTask {
                retries: Some(slipway::wire::Retries { user: 0, oom: 0, infra: 1 }),
                ..sh(&mark, inline("requirements.txt", "a-package-that-nobody-has"))
            },
            Reason::IndexUnreachable,
            "",
            2,
        ),
    ];
    for (task, reason, said, attempts) in table {
        let (task, log) = ran(&world, &task).await;
        let (class, why, message) = failed(&task);
        assert_eq!((class, why, task.attempt.0), (Some(FailureClass::Setup), Some(reason), attempts), "{message}\n{log}");
        assert!(message.contains(said), "{said:?} in {message:?}");
        assert!(log.contains(reason.as_str()), "{log}");
    }
    assert!(!began.exists(), "a command began whose code was not there");
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_a_set_up_with_all_that_it_started() {
    let mut world = World::with_both();
    world.ready().await;
    let script = format!("touch {}; sleep 1000 & sleep 1000", world.root.join("setting-up").display());
    let environment = Environment { kind: EnvironmentKind::Image, setup_script: Some(script), ..Environment::default() };
    let task = NewTask { command: Some(vec!["true".into()]), environment: Some(environment), ..NewTask::default() };
    let client = world.client().await;
    let id = client.submit(&task, SystemRng.uuid()).await.expect("the task").id;
    eventually("the set-up", async || world.root.join("setting-up").exists().then_some(())).await;
    eventually("its phase", async || (client.task(id).await.ok()?.phase == Some(slipway::wire::Phase::Setup)).then_some(())).await;
    client.cancel_task(id, SystemRng.uuid()).await.expect("the cancel");
    assert_eq!(world.ended(id).await.state, TaskState::Cancelled);
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_with_the_same_requirements_starts_at_once() {
    let mut world = World::with_both();
    world.ready().await;
    let files = [("requirements.txt", "# nothing but the standard library\n"), ("main.py", "import sys; print(sys.prefix)\n")];
    let inline = files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let code = Code { inline, ..Code::default() };
    let task = NewTask { command: Some(vec!["python".into(), "main.py".into()]), code: Some(code), ..NewTask::default() };
    let (first, log) = ran(&world, &task).await;
    assert_eq!(first.state, TaskState::Succeeded, "{log}");
    assert!(log.contains("done in"), "{log}");
    let (second, log) = ran(&world, &task).await;
    assert_eq!(second.state, TaskState::Succeeded, "{log}");
    assert!(log.contains("taken from the cache") && log.contains("/cache/env/"), "{log}");
    let attempts = world.client().await.attempts(second.id).await.expect("its attempts").items;
    let notes = attempts[0].notes.clone().expect("its notes");
    assert!(notes.setup.len() == 1 && notes.setup[0].what.ends_with("taken from the cache"), "{:?}", notes.setup);
    assert!(notes.packages.iter().any(|package| package.starts_with("pip==")), "{:?}", notes.packages);
    // Ten times the goal of a second, on a machine that does other things too.
    let took = second.finished_at.zip(second.started_at).map(|(end, start)| end.as_millisecond() - start.as_millisecond());
    assert!(took.is_some_and(|ms| ms < 10_000), "{took:?} ms");
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submodule_comes_along_where_it_is_asked_for() {
    let mut world = World::with_both();
    world.ready().await;
    let repository = Repository::new(&world);
    mirrored(&world, NewQueue::default()).await;
    let (bare, library) = (world.root.join("git/team/library"), world.root.join("library"));
    fs::create_dir_all(&bare).expect("a directory");
    run(&bare, &["git", "init", "--quiet", "--bare", "--initial-branch=main"]);
    run(&world.root, &["git", "clone", "--quiet", &bare.display().to_string(), "library"]);
    fs::write(library.join("word"), "of the library").expect("a file");
    run(&library, &["git", "add", "-A"]);
    run(&library, &["git", "commit", "--quiet", "-m", "work"]);
    run(&library, &["git", "push", "--quiet", "origin", "HEAD:main"]);
    let add = ["git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &bare.display().to_string(), "library"];
    run(&repository.clone, &add);
    let url = "https://git.example.com/team/library";
    run(&repository.clone, &["git", "config", "-f", ".gitmodules", "submodule.library.url", url]);
    let commit = repository.push();
    for (submodules, expected) in [(true, "of the library"), (false, "none")] {
        let code = GitCode { submodules, ..Repository::at(&commit) };
        let (task, log) = ran(&world, &sh("cat library/word 2>/dev/null || printf none", git(code))).await;
        assert_eq!(task.state, TaskState::Succeeded, "{log}");
        assert!(log.ends_with(expected), "submodules: {submodules}: {log}");
    }
    world.nothing_left().await;
}
