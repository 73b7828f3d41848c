//! What the command says to its agent while it runs: over a socket in the attempt's directory, which `SLIPWAY_SOCKET` names.
//!
//! One line of JSON each way: [`Said`], answered by [`Answer`]. `slipway-agent` speaks it for scripts ([`say`]); a program may
//! do so itself. Whoever runs under the attempt's user may speak: it is trusted with its own attempt and with nothing else.

mod say;

pub use say::{USAGE, say};

use super::{
    command::Prepared,
    link::{Link, Stopping},
    place::Place,
};
use crate::wire::{AttemptNumber, Notes, Progress, StoppedBy, TaskId, handoff::files};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::{
            fs::{DirBuilderExt, PermissionsExt, symlink},
            net::UnixListener as Listener,
        },
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};

/// The variable that names the socket.
pub(super) const SOCKET: &str = "SLIPWAY_SOCKET";
/// The longest line either way, in bytes.
const MAX_LINE: u64 = 256 << 10;
/// The most that speak at once; others wait.
const MAX_TALKS: usize = 16;
/// How long one may be silent before it is sent away.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a command says; whatever is absent stays as it is. Nothing at all asks how things stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Said {
    /// Results to add, or to put in place of those of the same names; null removes one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    results: BTreeMap<String, Value>,
    /// What it does now.
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Counted>,
    /// What its next attempt is to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
}

/// How far a command is; a message that is absent is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Counted {
    done: u64,
    total: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// How things stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// Why nothing was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    task: TaskId,
    attempt: AttemptNumber,
    /// Set once the command is to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopping: Option<Told>,
    /// What an attempt before this one left for it; what this one said, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    results: BTreeMap<String, Value>,
}

/// Why a command is to stop and how long it has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    by: StoppedBy,
    seconds_left: u64,
}

/// Listens from now on for as long as the future is polled, and lets the command know where. Where that is impossible the
/// command runs without, and the agent says so.
pub(super) fn open(place: &Place, command: &mut Prepared, link: &Arc<Link>) -> impl Future<Output = ()> + use<> {
    let listening = listen(place, command);
    if let Err(error) = &listening {
        tracing::warn!(%error, "the command cannot speak to its agent");
    }
    let link = link.clone();
    async move {
        match listening {
            Ok(listener) => serve(listener, link).await,
            Err(_) => std::future::pending().await,
        }
    }
}

fn listen(place: &Place, command: &mut Prepared) -> io::Result<UnixListener> {
    let dir = place.at(files::INSIDE);
    DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
    let socket = dir.join(files::SOCKET);
    // Left over from an agent that died before its first heartbeat.
    let _ = fs::remove_file(&socket);
    let listener = Listener::bind(reachable(&File::open(&dir)?))?;
    fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    let programs = place.programs().unwrap_or_else(|| dir.clone());
    if programs == dir {
        let link = dir.join("slipway-agent");
        let _ = fs::remove_file(&link);
        // The very program that this is, also after its file was replaced.
        symlink(format!("/proc/{}/exe", std::process::id()), link)?;
    }
    command.env.insert(SOCKET.into(), socket.into());
    append(command, &programs);
    UnixListener::from_std(listener)
}

/// A socket's path has at most 107 bytes, those of directories have 4,095: this one is short wherever the directory is.
fn reachable(dir: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(files::SOCKET)
}

/// Lets the command find `slipway-agent`, after all that is its own.
fn append(command: &mut Prepared, dir: &Path) {
    let known = command.env.get(OsStr::new("PATH")).cloned().unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let all = std::env::split_paths(&known).chain([dir.to_owned()]);
    // A directory with a colon in its name cannot be joined; then it is not found by its name alone.
    if let Ok(joined) = std::env::join_paths(all) {
        command.env.insert("PATH".into(), joined);
    }
}

async fn serve(listener: UnixListener, link: Arc<Link>) {
    let places = Arc::new(Semaphore::new(MAX_TALKS));
    let mut talks = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let link = link.clone();
                while talks.try_join_next().is_some() {}
                talks.spawn(async move {
                    let _ = talk(stream, &link).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the command cannot be listened to for a moment");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn talk(stream: UnixStream, link: &Link) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut words = Vec::new();
        let reading = (&mut read).take(MAX_LINE);
        tokio::pin!(reading);
        if timeout(PATIENCE, reading.read_until(b'\n', &mut words)).await?? == 0 {
            return Ok(());
        }
        let mut answer = serde_json::to_vec(&hear(&words, link))?;
        answer.push(b'\n');
        timeout(PATIENCE, write.write_all(&answer)).await??;
        if words.last() != Some(&b'\n') {
            // The end of what it says, or of what it may say at once.
            return Ok(());
        }
    }
}

/// Takes what a command says, or nothing of it.
fn hear(words: &[u8], link: &Link) -> Answer {
    let taken = match serde_json::from_slice::<Said>(words) {
        Ok(said) => take(&said, link),
        Err(error) => Err(format!("that is no line of JSON that says something known: {error}")),
    };
    let stopping = link.stopping.borrow().as_ref().map(|stopping| told(stopping, link));
    link.notebook.read(|notes| Answer {
        error: taken.err(),
        task: link.attempt.task,
        attempt: link.attempt.attempt,
        stopping,
        resume: notes.resume.clone().or_else(|| link.resume.clone()),
        progress: notes.progress.clone(),
        results: notes.results.clone(),
    })
}

fn told(stopping: &Stopping, link: &Link) -> Told {
    Told { by: stopping.by, seconds_left: stopping.until.saturating_sub(link.clock.monotonic()).as_secs() }
}

fn take(said: &Said, link: &Link) -> Result<(), String> {
    let (mut new, before) = link.notebook.read(|notes| (notes.clone(), notes.progress.clone()));
    merge(said.clone(), &mut new);
    if let Some(wrong) = new.wrong() {
        return Err(wrong);
    }
    // Others may have written meanwhile, but for these parts: they are the command's, and this is one thread.
    let Notes { progress, results, resume, .. } = new;
    if progress != before {
        link.notebook.announce(|notes| notes.progress = progress);
    }
    if !said.results.is_empty() || said.resume.is_some() {
        link.notebook.note(|notes| (notes.results, notes.resume) = (results, resume));
    }
    Ok(())
}

fn merge(said: Said, notes: &mut Notes) {
    for (name, value) in said.results {
        if value.is_null() {
            notes.results.remove(&name);
        } else {
            notes.results.insert(name, value);
        }
    }
    notes.resume = said.resume.or(notes.resume.take());
    if said.phase.is_none() && said.progress.is_none() {
        return;
    }
    let progress = notes.progress.get_or_insert_default();
    if let Some(Counted { done, total, message }) = said.progress {
        (progress.done, progress.total, progress.message) = (Some(done), Some(total), message);
    }
    progress.phase = said.phase.or(progress.phase.take());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_said_changes_what_it_names_and_nothing_else() {
        let mut notes = Notes::default();
        let mut say = |said: Value| {
            merge(serde_json::from_value(said).unwrap(), &mut notes);
            json!(notes)
        };
        assert_eq!(say(json!({})), json!({}));
        assert_eq!(say(json!({"results": {"acc": 0.5, "gone": 1}})), json!({"results": {"acc": 0.5, "gone": 1}}));
        let said = say(json!({"results": {"acc": {"top1": 0.7}, "gone": null}, "phase": "train"}));
        assert_eq!(said, json!({"results": {"acc": {"top1": 0.7}}, "progress": {"phase": "train"}}));
        let said = say(json!({"progress": {"done": 3, "total": 10, "message": "epoch 3"}, "resume": "ckpt-3"}));
        assert_eq!(said["progress"], json!({"phase": "train", "done": 3, "total": 10, "message": "epoch 3"}));
        let said = say(json!({"progress": {"done": 4, "total": 10}}));
        assert_eq!((&said["progress"], &said["resume"]), (&json!({"phase": "train", "done": 4, "total": 10}), &json!("ckpt-3")));
        for bad in [json!({"result": {}}), json!({"progress": {"done": -1, "total": 1}}), json!("x")] {
            assert!(serde_json::from_value::<Said>(bad.clone()).is_err(), "{bad}");
        }
    }
}
