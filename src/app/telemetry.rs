//! Where log lines go: to standard error, as text or JSON.

use super::{
    args::{LogArgs, LogFormat},
    surroundings::say,
};
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging; called once, before anything logs. A filter that cannot be read is said, and the default taken.
pub(super) fn start(args: &LogArgs, default: &str) {
    let filter = args
        .log
        .as_deref()
        .map(EnvFilter::try_new)
        .and_then(|parsed| parsed.inspect_err(|error| say(format_args!("warning: --log: {error}; logging at {default}"))).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(default));
    let stderr = std::io::stderr;
    match args.log_format {
        LogFormat::Text => fmt()
            .log_internal_errors(false)
            .with_env_filter(filter)
            .with_writer(stderr)
            .with_ansi(stderr().is_terminal())
            .with_target(false)
            .init(),
        LogFormat::Json => fmt().log_internal_errors(false).json().flatten_event(true).with_env_filter(filter).with_writer(stderr).init(),
    }
}
