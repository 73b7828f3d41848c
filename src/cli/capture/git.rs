//! How git is called: arguments only, never a shell, never a question, never the network, and bounded in time.

use super::super::exit::{Exit, Failure};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{io::AsyncWriteExt, process::Command};

/// The longest that one call may take.
const BOUND: Duration = Duration::from_mins(10);

/// What in the environment would lead git to another repository, make it run a program, or read paths another way.
const REDIRECTS: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DEFAULT_HASH",
    "GIT_DIFF_OPTS",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INDEX_VERSION",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TEMPLATE_DIR",
    "GIT_WORK_TREE",
];

/// One repository, and how it is to be spoken to.
#[derive(Clone, Debug)]
pub(super) struct Git {
    dir: PathBuf,
    env: Vec<(&'static str, OsString)>,
    config: Vec<String>,
}

/// What a call wrote and how it ended.
struct Ended {
    status: ExitStatus,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Git {
    /// The user's own repository around a directory. It is only read: no lock, no hook, no monitor of the file system.
    pub(super) fn of(dir: &Path) -> Self {
        let env = [("GIT_OPTIONAL_LOCKS", "0"), ("GIT_NO_REPLACE_OBJECTS", "1"), ("GIT_NO_LAZY_FETCH", "1")];
        Self {
            dir: dir.to_owned(),
            env: env.map(|(name, value)| (name, value.into())).into(),
            config: ["core.fsmonitor=false", "core.untrackedCache=keep"].map(str::to_owned).into(),
        }
    }

    /// The same with a variable more.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// The same with a setting more.
    pub(super) fn set(mut self, setting: impl Into<String>) -> Self {
        self.config.push(setting.into());
        self
    }

    /// What a call writes.
    ///
    /// # Errors
    /// git is missing, takes too long, or refuses; its own words are told.
    pub(super) async fn run(&self, args: &[impl AsRef<OsStr> + Sync]) -> Result<Vec<u8>, Failure> {
        self.feed(args, Vec::new()).await
    }

    /// As [`Git::run`], with bytes to read.
    pub(super) async fn feed(&self, args: &[impl AsRef<OsStr> + Sync], input: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let ended = self.call(args, input, Stdio::piped()).await?;
        if ended.status.success() { Ok(ended.out) } else { Err(refused(args, &ended)) }
    }

    /// As [`Git::feed`], into a file.
    pub(super) async fn write(&self, args: &[impl AsRef<OsStr> + Sync], input: Vec<u8>, file: File) -> Result<(), Failure> {
        let ended = self.call(args, input, Stdio::from(file)).await?;
        if ended.status.success() { Ok(()) } else { Err(refused(args, &ended)) }
    }

    /// What a call writes; none where it ends with 1, by which git says that there is none.
    pub(super) async fn found(&self, args: &[impl AsRef<OsStr> + Sync]) -> Result<Option<Vec<u8>>, Failure> {
        let ended = self.call(args, Vec::new(), Stdio::piped()).await?;
        match ended.status.code() {
            Some(0) => Ok(Some(ended.out)),
            Some(1) => Ok(None),
            _ => Err(refused(args, &ended)),
        }
    }

    /// As [`Git::found`], one line of text.
    pub(super) async fn line(&self, args: &[impl AsRef<OsStr> + Sync]) -> Result<Option<String>, Failure> {
        Ok(self
            .found(args)
            .await?
            .map(|out| String::from_utf8_lossy(&out).trim_end_matches('\n').to_owned())
            .filter(|line| !line.is_empty()))
    }

    async fn call(&self, args: &[impl AsRef<OsStr> + Sync], input: Vec<u8>, out: Stdio) -> Result<Ended, Failure> {
        let mut command = Command::new("git");
        for setting in &self.config {
            command.arg("-c").arg(setting);
        }
        command.args(args).current_dir(&self.dir);
        for name in REDIRECTS {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(out).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| {
            Failure::new(Exit::Error, format!("cannot run git, which finds the code to send along: {e}"))
                .hint("without it: --no-code sends none, and --upload=DIR sends a plain folder")
        })?;
        let stdin = child.stdin.take();
        let fed = async move {
            if let Some(mut stdin) = stdin {
                // Whoever stops reading says why in its own words.
                let _ = stdin.write_all(&input).await;
            }
        };
        let both = async { tokio::join!(fed, child.wait_with_output()).1 };
        match tokio::time::timeout(BOUND, both).await {
            Ok(Ok(output)) => Ok(Ended { status: output.status, out: output.stdout, err: output.stderr }),
            Ok(Err(error)) => Err(Failure::new(Exit::Error, format!("cannot read what git says: {error}"))),
            Err(_) => Err(Failure::new(Exit::Error, format!("git {} took longer than {} minutes", shown(args), BOUND.as_secs() / 60))),
        }
    }
}

fn shown(args: &[impl AsRef<OsStr>]) -> String {
    args.first().map(|arg| arg.as_ref().to_string_lossy().into_owned()).unwrap_or_default()
}

fn refused(args: &[impl AsRef<OsStr>], ended: &Ended) -> Failure {
    let text = String::from_utf8_lossy(&ended.err);
    let said: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(3).collect();
    let said = if said.is_empty() { ended.status.to_string() } else { said.join("; ") };
    Failure::new(Exit::Error, format!("the code cannot be captured: git {}: {said}", shown(args)))
        .hint("--no-code submits the task without it")
}

/// The items of a list that ends each with a zero byte, as paths are listed.
pub(super) fn items(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == 0).filter(|item| !item.is_empty())
}

/// A path of those bytes.
pub(super) fn path(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}

/// A list as [`items`] reads it.
pub(super) fn list<'a>(items: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut list = Vec::new();
    for item in items {
        list.extend_from_slice(item);
        list.push(0);
    }
    list
}
