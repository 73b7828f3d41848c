//! Leaving the result where it cannot be lost, and telling the server.

use super::{Exit, link::Link, log::Log};
use crate::{
    client::Error,
    crash_point,
    wire::{
        FinishRequest,
        handoff::{Testament, files},
        limits::MAX_LOG_FRAME,
    },
};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::time::sleep;

/// Writes the result so that it is either there whole or not at all.
pub(super) fn bequeath(dir: &Path, testament: &Testament) -> io::Result<()> {
    let (new, path) = (dir.join("result.json.new"), dir.join(files::RESULT));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(testament)?)?;
    file.sync_all()?;
    crash_point!("agent.testament");
    fs::rename(&new, &path)?;
    fs::File::open(dir)?.sync_all()
}

/// Reports the result until the server has it and the whole log.
///
/// A short rest of the log goes first, so that one call settles the attempt; a long one follows the first finish,
/// which stores the result at once.
pub(super) async fn finish(link: &Arc<Link>, log: &Log, request: &FinishRequest) -> Result<(), Exit> {
    let started = link.clock.monotonic();
    let patience = Duration::from_millis(link.times.finish_retry_ms);
    let call = Duration::from_millis(link.times.call_timeout_ms);
    let mut backoff = link.backoff("finish");
    let mut pause = Duration::from_millis((link.times.log_sync_ms / 50).max(1));
    if log.backlog() <= MAX_LOG_FRAME as u64 {
        log.flushed(Duration::from_millis(link.times.log_flush_ms).min(call)).await;
    }
    loop {
        if link.clock.monotonic().saturating_sub(started) > patience {
            return Err(Exit::Fault("the server could not be told the result; it stands in result.json".into()));
        }
        let all_sent = log.backlog() == 0;
        match link.client.finish(link.attempt, request).await {
            Ok(answer) if answer.settled => return Ok(()),
            Ok(answer) => {
                backoff.succeeded();
                crash_point!("agent.stored");
                // A piece that was under way may have come after this answer was made; then it says nothing new.
                if all_sent && answer.next_offset < request.log_bytes {
                    log.rewind(answer.next_offset);
                }
                log.flushed(call).await;
                // All is sent; the server makes it durable in its own time.
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(link.times.log_sync_ms));
            }
            Err(error) if error.ends_attempt() => return Err(over(&error)),
            Err(error) if error.is_final() => {
                return Err(Exit::Fault(format!("the server refuses the result, which stands in result.json: {error}")));
            }
            Err(error) => sleep(backoff.failed(&error)).await,
        }
    }
}

fn over(error: &Error) -> Exit {
    Exit::Over(error.to_string())
}
