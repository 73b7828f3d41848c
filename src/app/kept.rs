//! The queues that a file keeps: applied at the start and whenever the file changes, as `slipway queue apply` would. What people
//! change by other ways stays until then; a queue that is no longer in the file is left alone.

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
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// The pause between two looks at the file. Kubelet brings a change of a `ConfigMap` within a minute or so.
const PAUSE: Duration = Duration::from_secs(5);

/// Keeps the queues of `file` in the server at `url` until `stop`, with the admin token in `token`.
pub(super) async fn keep(file: PathBuf, url: String, token: PathBuf, stop: CancellationToken) {
    let mut applied = None;
    loop {
        match tokio::fs::read(&file).await {
            Ok(text) => {
                let sum = Sha256::of(&text);
                if applied.as_ref() != Some(&sum) && apply(&file, &url, &token, &stop).await {
                    applied = Some(sum);
                }
            }
            Err(error) => tracing::error!(file = %file.display(), %error, "the file of queues cannot be read"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Whether all of it was taken.
async fn apply(file: &Path, url: &str, token: &Path, stop: &CancellationToken) -> bool {
    let words =
        ["slipway", "queue", "apply", "--file", &file.display().to_string(), "--url", url, "--token-file", &token.display().to_string()];
    let Ok(Cli { command: Command::User(command), .. }) = Cli::try_parse_from(words) else {
        tracing::error!(file = %file.display(), "the file of queues has a name that cannot be typed");
        return false;
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
        interrupt: stop.child_token(),
        root: args::root,
    };
    let done = cli::run(*command, around).await == Exit::Ok;
    for line in said.text().lines() {
        if done {
            tracing::info!(file = %file.display(), "queues: {line}");
        } else {
            tracing::error!(file = %file.display(), "queues: {line}");
        }
    }
    done
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
