//! The command's last chance to save what it has: a program that runs when the command is to stop, before it gets SIGTERM.

use super::{
    command::{self, Prepared},
    log::Log,
};
use crate::wire::StoppedBy;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{io::PipeWriter, time::Duration};
use tokio::time::timeout;

/// What a checkpoint leaves of the grace period to the command itself, at least.
const LEFT: Duration = Duration::from_secs(5);

/// A checkpoint that may be taken.
pub(super) struct Checkpoint {
    program: Prepared,
    /// Where its output goes: the same way as the command's.
    output: PipeWriter,
}

impl Checkpoint {
    /// A checkpoint by a program that writes to `output`.
    pub(super) fn new(program: Prepared, output: PipeWriter) -> Self {
        Self { program, output }
    }

    /// Takes it within a part of the grace period: all but five seconds of it, of a short one the half. Whether it succeeds is
    /// said in the log, and changes nothing of how the command is stopped.
    pub(super) async fn take(self, by: StoppedBy, grace: Duration, log: &Log) {
        let Self { mut program, output } = self;
        let limit = grace.saturating_sub(LEFT.min(grace / 2));
        program.env.insert("SLIPWAY_STOPPED_BY".into(), by.as_str().into());
        program.env.insert("SLIPWAY_SECONDS_LEFT".into(), limit.as_secs().to_string().into());
        log.notice("checkpoint: the command is to stop; saving what it has");
        let said = match command::spawn_into(program, output) {
            Err(not) => not.message,
            Ok(mut child) => match timeout(limit, child.wait()).await {
                Ok(Ok(status)) if status.success() => "done".to_owned(),
                Ok(Ok(status)) => format!("failed: {status}"),
                Ok(Err(error)) => format!("lost: {error}"),
                Err(_) => {
                    if let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()) {
                        // Its leader is not reaped yet, so the group is still its own.
                        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
                    }
                    format!("not ready after {} s; it was killed", limit.as_secs())
                }
            },
        };
        log.notice(&format!("checkpoint: {}", log.clear(&said)));
    }
}
