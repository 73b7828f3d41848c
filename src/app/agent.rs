//! The agent's role: `run DIR` is the outer process, `work DIR PID` the inner one that it starts.

use super::ambient::{SystemClock, SystemRng};
use crate::agent::{Ambient, init, work};
use std::{
    ffi::OsString,
    path::Path,
    process::{Command, ExitCode},
    sync::Arc,
};

/// Runs the agent for the attempt in `dir`; `again` are the arguments with which this program comes to [`inner`],
/// without the directory. The process must have one thread.
#[must_use]
pub fn outer(dir: &Path, again: &[&str]) -> ExitCode {
    prepare();
    // By this name the very same program is found also after its file was replaced.
    let mut worker = Command::new("/proc/self/exe");
    std::os::unix::process::CommandExt::arg0(&mut worker, "slipway-agent");
    worker.args(again).arg(dir);
    init(dir, worker)
}

/// Runs the agent's inner process, started by [`outer`] with process id `init`.
#[must_use]
pub fn inner(dir: &Path, init: i32) -> ExitCode {
    prepare();
    work(dir, init, &ambient())
}

/// The agent speaks to its standard error, which whoever started it leads into `agent.log`.
fn prepare() {
    let _ = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .try_init();
    #[cfg(debug_assertions)]
    if let Some(point) = variable("SLIPWAY_CRASH_POINT").and_then(|v| v.into_string().ok()) {
        crate::domain::crash::arm(&point);
    }
}

fn ambient() -> Ambient {
    let env = ["PATH", "USER", "LANG"].into_iter().filter_map(|key| Some((key.into(), variable(key)?))).collect();
    Ambient {
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        env,
        program: concat!("slipway-agent/", env!("CARGO_PKG_VERSION")).into(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the app reads the environment for the other rooms")]
fn variable(key: &str) -> Option<OsString> {
    std::env::var_os(key)
}
