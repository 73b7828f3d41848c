//! What the programs know of the machine they run on: the one home of the environment.

use super::ambient::{SystemClock, SystemRng};
use crate::cli::{Sources, Surroundings, Terminal};
use std::{io::IsTerminal, path::PathBuf, sync::Arc};
use tokio_util::sync::CancellationToken;

/// A variable of the environment, where it is set to something that is text.
#[expect(clippy::disallowed_methods, reason = "the one home of the environment")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where data is kept unless told otherwise: `$XDG_DATA_HOME/slipway`, else `~/.local/share/slipway`, else
/// `./slipway-data` for whoever has no home.
pub(super) fn data_dir() -> PathBuf {
    let base =
        variable("XDG_DATA_HOME").map(PathBuf::from).or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    base.map_or_else(|| PathBuf::from("slipway-data"), |base| base.join("slipway"))
}

/// A file of the user's: `$XDG_CONFIG_HOME/slipway/NAME`, else below `~/.config`; none for whoever has no home.
fn own(name: &str) -> Option<PathBuf> {
    let base = variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")));
    Some(base?.join("slipway").join(name))
}

/// Says something to whoever watches. Nobody may be listening any more, and that is no reason to end.
pub(super) fn say(line: impl std::fmt::Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// This machine's name.
pub(super) fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}

/// Cancelled by the first Ctrl-C; a second one ends the process at once, should anything hang.
pub(super) fn interrupt() -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
    token
}

/// Cancelled by SIGTERM or Ctrl-C.
pub(super) fn stop() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let token = interrupt();
    let mut terminate = signal(SignalKind::terminate())?;
    let cancel = token.clone();
    tokio::spawn(async move {
        terminate.recv().await;
        cancel.cancel();
    });
    Ok(token)
}

/// What a user's command gets.
pub(super) fn gather(root: fn() -> clap::Command) -> Surroundings {
    Surroundings {
        out: Box::new(std::io::stdout()),
        err: Box::new(std::io::stderr()),
        stdin: Box::new(tokio::io::stdin()),
        terminal: terminal(),
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        // Gone while a shell stands in it: then there is no code around it.
        dir: std::env::current_dir().unwrap_or_default(),
        data_dir: data_dir(),
        contexts: own("contexts.yaml").unwrap_or_else(|| PathBuf::from("/nonexistent/contexts.yaml")),
        sources: Sources::of(variable, std::env::current_dir().ok(), own("config.toml")),
        editor: variable("VISUAL").or_else(|| variable("EDITOR")),
        ask: super::prompt::ask,
        interrupt: interrupt(),
        root,
    }
}

/// What a look gets that must not be noticed.
pub(super) fn silent(root: fn() -> clap::Command) -> Surroundings {
    Surroundings {
        out: Box::new(std::io::sink()),
        err: Box::new(std::io::sink()),
        stdin: Box::new(tokio::io::empty()),
        terminal: Terminal::default(),
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        dir: std::env::current_dir().unwrap_or_default(),
        data_dir: data_dir(),
        contexts: own("contexts.yaml").unwrap_or_default(),
        sources: Sources::of(variable, std::env::current_dir().ok(), own("config.toml")),
        editor: None,
        ask: |_, _| Err(std::io::ErrorKind::Unsupported.into()),
        interrupt: CancellationToken::new(),
        root,
    }
}

fn terminal() -> Terminal {
    Terminal {
        stdin: std::io::stdin().is_terminal(),
        stdout: std::io::stdout().is_terminal(),
        stderr: std::io::stderr().is_terminal(),
        width: variable("COLUMNS").and_then(|text| text.parse().ok()),
        ..Terminal::of_environment(variable)
    }
}
