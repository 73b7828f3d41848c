//! Attempts as pods carry them: mounts, a container's environment, a termination message. What a cluster makes of it is
//! tested there; here a directory stands for a container's root.

use crate::{
    AGENT, children, is_worker, kill, kill_marked, marked,
    server::{Recipe, Server},
    sh,
};
use nix::sys::signal::Signal;
use slipway::{
    domain::pod,
    wire::{
        Assignment, AttemptRef, FinishRequest, Phase, StoppedBy, Work,
        handoff::{MAX_TESTAMENT, Testament, files, marker},
    },
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};

/// Where tools are found, in tests and in the images that they stand for.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The root of a container with the mounts that a glue gives it.
pub(crate) struct Root {
    dir: tempfile::TempDir,
    uid: String,
}

impl Root {
    pub(crate) fn new(server: &Server, of: AttemptRef, url: &str) -> Self {
        Self::with_ca(server, of, url, None)
    }

    /// The same, whose agent is told which authorities the server's certificate may be from.
    pub(crate) fn with_ca(server: &Server, of: AttemptRef, url: &str, ca: Option<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Tests beside this one have attempts of the same numbers.
        let root = Self { uid: format!("pod-{}", dir.path().file_name().unwrap().display()), dir };
        for inner in [pod::WORK_DIR, pod::START_DIR, pod::AGENT_DIR, "/dev"] {
            fs::create_dir_all(root.at(inner)).unwrap();
        }
        fs::write(root.at(pod::TERMINATION_LOG), "").unwrap();
        let assignment = Assignment {
            url: url.to_owned(),
            ca,
            task: of.task,
            attempt: of.attempt,
            start_token: format!("start-{of}").into(),
            uid: String::new(),
            env: [].into(),
            cache: None,
            times: server.times.clone(),
        };
        fs::write(root.assignment(), serde_json::to_vec(&assignment).unwrap()).unwrap();
        root
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    fn assignment(&self) -> PathBuf {
        self.at(pod::START_DIR).join(files::ASSIGNMENT)
    }

    pub(crate) fn message(&self) -> String {
        fs::read_to_string(self.at(pod::TERMINATION_LOG)).unwrap()
    }

    fn testament(&self) -> Testament {
        let message = self.message();
        assert!(message.len() <= MAX_TESTAMENT);
        serde_json::from_str(&message).unwrap_or_else(|error| panic!("{error}: {message:?}"))
    }
}

/// An agent in a container.
pub(crate) struct Pod {
    pub(crate) root: Root,
    process: Child,
    marker: String,
}

impl Pod {
    fn start(server: &Server, of: AttemptRef, role: &str) -> Self {
        Self::start_with(server, of, role, |_, _| {})
    }

    pub(crate) fn start_with(server: &Server, of: AttemptRef, role: &str, change: impl FnOnce(&Root, &mut Command)) -> Self {
        let root = Root::new(server, of, &server.url);
        let mut command = Command::new(AGENT);
        command.arg(role).arg("--root").arg(root.path()).current_dir("/");
        command.env_clear().env("PATH", PATH).env(pod::POD_UID, &root.uid);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        change(&root, &mut command);
        Self { marker: marker(of, &root.uid), process: command.spawn().unwrap(), root }
    }

    fn init(&self) -> i32 {
        i32::try_from(self.process.id().unwrap()).unwrap()
    }

    /// The agent's inner process.
    pub(crate) fn worker(&self) -> i32 {
        children(self.init()).into_iter().find(|pid| is_worker(*pid)).unwrap()
    }

    /// Waits for its end: exit code, standard output, standard error.
    pub(crate) async fn ended(&mut self) -> (Option<i32>, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (mut stdout, mut stderr) = (self.process.stdout.take(), self.process.stderr.take());
        let read = async {
            let out = async {
                if let Some(stdout) = &mut stdout {
                    stdout.read_to_end(&mut out).await.unwrap();
                }
            };
            let err = async { stderr.as_mut().unwrap().read_to_end(&mut err).await.unwrap() };
            tokio::join!(out, err);
            self.process.wait().await.unwrap()
        };
        let status = tokio::time::timeout(Duration::from_mins(1), read).await.expect("the agent hangs");
        assert_eq!(marked(&self.marker), Vec::<i32>::new(), "processes are left");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (status.code(), text(out), text(err))
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        if self.process.id().is_some() {
            kill_marked(&self.marker);
            let _ = self.process.start_kill();
        }
    }
}

pub(crate) fn stored(server: &Server, of: AttemptRef) -> FinishRequest {
    let attempt = server.attempt(of);
    assert!(attempt.ended, "not settled");
    attempt.finish.unwrap()
}

pub(crate) fn log(server: &Server, of: AttemptRef) -> String {
    String::from_utf8_lossy(&server.attempt(of).log).into_owned()
}

#[tokio::test]
async fn a_command_gets_its_containers_environment_and_leaves_its_result_twice() {
    let server = Server::start().await;
    let env = [("GREETING".into(), "of the task".into())].into();
    let of = server.claimed(Recipe { env, ..sh("pwd; env; echo to stderr >&2; exit 3") });
    let mut pod = Pod::start_with(&server, of, "run", |_, command| {
        command.env("GREETING", "of the image").env("FROM_SECRET", "s3cret").env("SLIPWAY_TOKEN", "no").env("HOME", "/no/such/home");
    });
    let (code, out, err) = pod.ended().await;
    assert_eq!((code, err.as_str()), (Some(3), ""), "pod and Job show the command's own code");
    let end = stored(&server, of);
    assert_eq!(end.exit_code, Some(3));
    assert_eq!(out, log(&server, of), "the container's output is the log");

    let work = pod.root.at(pod::WORK_DIR).display().to_string();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!((lines[0], lines.last()), (format!("{work}/scratch").as_str(), Some(&"to stderr")));
    for line in [
        "GREETING=of the task",
        "FROM_SECRET=s3cret",
        "PYTHONUNBUFFERED=1",
        "SLIPWAY_TASK_ID=1",
        "SLIPWAY_QUEUE=default",
        "USER=slipway",
        &format!("SLIPWAY_ATTEMPT={}", pod.marker),
        &format!("HOME={work}/home"),
        &format!("TMPDIR={work}/tmp"),
        &format!("UV_CACHE_DIR={work}/home/.cache/uv"),
    ] {
        assert!(lines.contains(&line), "{line} is missing in {out}");
    }
    assert!(!out.contains("SLIPWAY_TOKEN") && !out.contains(pod::POD_UID) && !out.contains("attempt-1/1"), "{out}");

    let testament = pod.root.testament();
    assert_eq!((testament.task, testament.attempt, testament.fault), (of.task, of.attempt, None));
    assert_eq!(testament.result, Some(FinishRequest { notes: None, ..end }), "what else there is to say has no room there");
    assert_eq!(server.attempt(of).started.unwrap().0, pod.root.uid, "started by the pod's UID");
    assert!(pod.root.assignment().exists(), "a mounted Secret cannot be removed");
}

#[tokio::test]
async fn an_image_that_has_a_home_and_a_directory_keeps_them() {
    let server = Server::start().await;
    let of = server.claimed(sh("pwd; echo $HOME; echo ${XDG_CACHE_HOME:-none}"));
    let image = tempfile::tempdir().unwrap();
    let path = image.path().display().to_string();
    let mut pod = Pod::start_with(&server, of, "run", |_, command| {
        command.env("HOME", image.path()).current_dir(image.path());
    });
    assert_eq!(pod.ended().await.1, format!("{path}\n{path}\nnone\n"));
}

#[tokio::test]
async fn an_output_that_nobody_reads_holds_up_nothing() {
    let server = Server::start().await;
    let of = server.claimed(sh("seq 1000000; echo done"));
    let (reader, writer) = std::io::pipe().unwrap();
    let mut pod = Pod::start_with(&server, of, "run", |_, command| {
        command.stdout(writer);
    });
    assert_eq!(pod.ended().await.0, Some(0));
    assert!(log(&server, of).ends_with("1000000\ndone\n"), "the server has all of it");
    drop(reader);
}

#[tokio::test]
async fn every_end_without_a_result_says_why_in_the_termination_message() {
    let server = Server::start().await;
    let fault = |pod: &Pod, code: i32, words: &str| {
        let testament = pod.root.testament();
        let fault = testament.fault.unwrap();
        assert!(testament.result.is_none() && fault.exit_code == code && fault.message.contains(words), "{fault:?}");
        (testament.task.0, testament.attempt.0)
    };

    let of = server.claimed(sh("exit 0"));
    server.change(|w| w.attempts.get_mut(&of).unwrap().superseded = true);
    let mut pod = Pod::start(&server, of, "run");
    assert_eq!(pod.ended().await.0, Some(97));
    assert_eq!(fault(&pod, 97, "the attempt is over"), (of.task.0, 1));

    let of = server.claimed(sh("exit 0"));
    let mut pod = Pod::start_with(&server, of, "run", |_, command| {
        command.env_remove(pod::POD_UID);
    });
    let (code, _, err) = pod.ended().await;
    assert!(code == Some(98) && err.contains("SLIPWAY_POD_UID is not set"), "{err}");
    assert_eq!(fault(&pod, 98, "SLIPWAY_POD_UID is not set"), (of.task.0, 1));

    let mut pod = Pod::start_with(&server, of, "run", |root, _| fs::write(root.assignment(), "{").unwrap());
    assert_eq!(pod.ended().await.0, Some(98));
    assert_eq!(fault(&pod, 98, "cannot read the assignment"), (0, 0), "nobody knows which");

    let mut pod = Pod::start_with(&server, of, "run", |root, _| fs::remove_dir(root.at(pod::WORK_DIR)).unwrap());
    assert_eq!(pod.ended().await.0, Some(98));
    fault(&pod, 98, "No such file");

    let of = server.claimed(sh("echo ready; sleep 1000"));
    let mut pod = Pod::start(&server, of, "run");
    server.until("ready", |w| w.attempts[&of].log == b"ready\n").await;
    let worker = crate::children(pod.init()).into_iter().find(|pid| crate::is_worker(*pid)).unwrap();
    kill(worker, Signal::SIGKILL);
    assert_eq!(pod.ended().await.0, Some(99));
    fault(&pod, 99, "killed by SIGKILL");
}

#[tokio::test]
async fn a_result_is_never_overwritten_by_a_fault() {
    let server = Server::start().await;
    let of = server.claimed(sh("exit 7"));
    // The result is stored, the log cannot follow, and the attempt is given up meanwhile.
    server.change(|w| w.log_closed = true);
    let mut pod = Pod::start_with(&server, of, "run", |_, _| {});
    let of_long = server.claimed(sh("echo something; exit 7"));
    let mut long = Pod::start(&server, of_long, "run");
    assert_eq!(pod.ended().await.0, Some(7), "no log, nothing to wait for");
    server.until("the result", |w| w.attempts[&of_long].finish.is_some()).await;
    server.change(|w| w.attempts.get_mut(&of_long).unwrap().superseded = true);
    assert_eq!(long.ended().await.0, Some(97));
    assert_eq!(long.root.testament().result.unwrap().exit_code, Some(7));
}

#[tokio::test]
async fn a_pod_told_to_end_reports_so_whatever_it_was_at() {
    let server = Server::start().await;
    let of = server.claimed(sh("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.01; done"));
    let mut pod = Pod::start(&server, of, "run");
    server.until("ready", |w| w.attempts[&of].log == b"ready\n").await;
    kill(pod.init(), Signal::SIGTERM);
    assert_eq!(pod.ended().await.0, Some(5));
    let end = stored(&server, of);
    assert_eq!((end.exit_code, end.stopped_by), (Some(5), Some(StoppedBy::Drain)));
    assert!(log(&server, of).ends_with("bye\n"));

    // Started, and told to end before the first heartbeat could be answered.
    let of = server.claimed(sh("echo must not run"));
    server.change(|w| w.refused_beats = Some(0));
    let mut pod = Pod::start(&server, of, "run");
    server.until("the start", |w| w.attempts[&of].started.is_some()).await;
    // The answer may still be on its way; a signal before it is one before the start.
    server.until("a heartbeat", |w| w.refused_beats > Some(0)).await;
    kill(pod.init(), Signal::SIGTERM);
    assert_eq!(pod.ended().await.0, Some(1));
    let end = stored(&server, of);
    assert_eq!((end.exit_code, end.stopped_by, log(&server, of)), (None, Some(StoppedBy::Drain), String::new()));
}

#[tokio::test]
async fn the_gate_lets_an_entrypoint_pass_once() {
    let server = Server::start().await;
    let entrypoint = || Recipe { work: Work::Entrypoint, ..sh("") };
    let of = server.claimed(entrypoint());
    let mut pod = Pod::start(&server, of, "gate");
    assert_eq!(pod.ended().await, (Some(0), String::new(), String::new()));
    let attempt = server.attempt(of);
    assert_eq!((attempt.phases, attempt.finish.is_some(), pod.root.message()), (vec![Phase::Starting], false, String::new()));

    // A second pod of the same attempt.
    let mut second = Pod::start(&server, of, "gate");
    assert_eq!(second.ended().await.0, Some(97));
    assert_eq!(second.root.testament().fault.unwrap().exit_code, 97);

    for (recipe, cancel, code) in [(entrypoint(), true, 97), (sh("exit 0"), false, 98)] {
        let of = server.claimed(recipe);
        server.change(|w| w.attempts.get_mut(&of).unwrap().cancel = cancel);
        let mut pod = Pod::start(&server, of, "gate");
        assert_eq!(pod.ended().await.0, Some(code));
        assert_eq!(pod.root.testament().fault.unwrap().exit_code, code);
    }
    let mut agent = Pod::start(&server, server.claimed(entrypoint()), "run");
    assert_eq!(agent.ended().await.0, Some(98));

    server.change(|w| w.refused_beats = Some(0));
    let of = server.claimed(entrypoint());
    let mut pod = Pod::start(&server, of, "gate");
    server.until("a heartbeat", |w| w.refused_beats > Some(0)).await;
    kill(pod.init(), Signal::SIGTERM);
    assert_eq!(pod.ended().await.0, Some(98));
    assert!(pod.root.message().contains("told to stop before the entrypoint began"));
}

#[tokio::test]
async fn the_agent_installs_itself_for_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let install = |dir: &Path| Command::new(AGENT).arg("install").arg(dir).env_clear().output();
    for _ in 0..2 {
        let output = install(dir.path()).await.unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    let copy = dir.path().join("slipway-agent");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o7777, 0o555);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    assert!(fs::read(&copy).unwrap() == fs::read(AGENT).unwrap());
    let version = Command::new(&copy).arg("version").output().await.unwrap();
    assert_eq!(String::from_utf8(version.stdout).unwrap(), concat!("slipway-agent ", env!("CARGO_PKG_VERSION"), "\n"));

    let nowhere = install(&dir.path().join("nowhere")).await.unwrap();
    assert_eq!(nowhere.status.code(), Some(98));
    assert!(String::from_utf8(nowhere.stderr).unwrap().contains("cannot make"));
    let words = Command::new(AGENT).args(["run", "--root"]).stderr(Stdio::null()).status().await.unwrap();
    assert_eq!(words.code(), Some(2));
}
