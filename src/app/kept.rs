//! The queues that files keep: applied at the start and whenever a file changes, as `slipway queue apply` would, each file in the
//! format that it has. What people change by other ways stays until then; a queue that is no longer in a file is left alone.

use super::{
    ambient::{SystemClock, SystemRng},
    args::{self, Cli, Command},
};
use crate::{
    cli::{self, Exit, Surroundings, Terminal},
    domain::Sha256,
};
use clap::Parser;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// The pause between two looks at the files. Kubelet brings a change of a `ConfigMap` within a minute or so.
const PAUSE: Duration = Duration::from_secs(5);
/// What the files of a directory end with.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// What became of a file when it was last tried.
#[derive(Default)]
struct Tried {
    /// Of the text that was taken as a whole.
    applied: Option<Sha256>,
    /// What was said then; the same is not logged again.
    said: String,
}

/// Keeps the queues of `place`, a file or a directory of files, in the server at `url` until `stop`, with the admin token in
/// `token`. One file with a fault holds up no other.
pub(super) async fn keep(place: PathBuf, url: String, token: PathBuf, stop: CancellationToken) {
    let mut tried: BTreeMap<PathBuf, Tried> = BTreeMap::new();
    loop {
        match files(&place) {
            Ok(files) => {
                for file in files {
                    Box::pin(look(&file, tried.entry(file.clone()).or_default(), &url, &token, &stop)).await;
                }
            }
            Err(error) => tracing::error!(place = %place.display(), %error, "the files of queues cannot be listed"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// The files that a place stands for, in the order of their names. What kubelet keeps beside them begins with a dot.
fn files(place: &Path) -> io::Result<Vec<PathBuf>> {
    if !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let mut files: Vec<PathBuf> = fs::read_dir(place)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    files.retain(|file| {
        let hidden = file.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        let ends = file.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending));
        !hidden && ends && file.is_file()
    });
    files.sort();
    Ok(files)
}

/// Applies a file that has changed, and says what came of it.
async fn look(file: &Path, tried: &mut Tried, url: &str, token: &Path, stop: &CancellationToken) {
    let text = match tokio::fs::read(file).await {
        Ok(text) => text,
        Err(error) => return tracing::error!(file = %file.display(), %error, "the file of queues cannot be read"),
    };
    let sum = Sha256::of(&text);
    if tried.applied.as_ref() == Some(&sum) {
        return;
    }
    let (done, said) = apply(file, url, token, stop).await;
    tried.applied = done.then_some(sum);
    if done || said != tried.said {
        for line in said.lines() {
            if done {
                tracing::info!(file = %file.display(), "queues: {line}");
            } else {
                tracing::error!(file = %file.display(), "queues: {line}");
            }
        }
    }
    tried.said = said;
}

/// Whether all of it was taken, and what was said.
async fn apply(file: &Path, url: &str, token: &Path, stop: &CancellationToken) -> (bool, String) {
    let words =
        ["slipway", "queue", "apply", "--file", &file.display().to_string(), "--url", url, "--token-file", &token.display().to_string()];
    let Ok(Cli { command: Command::User(command), .. }) = Cli::try_parse_from(words) else {
        return (false, "the file of queues has a name that cannot be typed".to_owned());
    };
    let said = Heard::default();
    let around = Surroundings {
        out: Box::new(said.clone()),
        err: Box::new(said.clone()),
        stdin: Box::new(tokio::io::empty()),
        terminal: Terminal::default(),
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        dir: PathBuf::new(),
        data_dir: PathBuf::new(),
        contexts: PathBuf::new(),
        sources: cli::Sources::default(),
        editor: None,
        ask: |_, _| Err(io::ErrorKind::Unsupported.into()),
        interrupt: stop.child_token(),
        root: args::root,
    };
    let done = cli::run(*command, around).await == Exit::Ok;
    (done, said.text())
}

/// What a command says.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_stands_for_its_files_and_a_file_for_itself() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("..2026")).unwrap();
        fs::create_dir(at("more.yaml")).unwrap();
        fs::write(at("..2026/queues.yaml"), "").unwrap();
        std::os::unix::fs::symlink("..2026", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/queues.yaml", at("queues.yaml")).unwrap();
        for name in ["clearml.yml", "notes.txt", ".hidden.yaml", "a.json"] {
            fs::write(at(name), "").unwrap();
        }
        assert_eq!(files(dir.path()).unwrap(), [at("a.json"), at("clearml.yml"), at("queues.yaml")]);
        assert_eq!(files(&at("none.yaml")).unwrap(), [at("none.yaml")]);
    }
}
