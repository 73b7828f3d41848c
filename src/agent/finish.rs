//! Telling the server the result.

use super::{Exit, link::Link, log::Log, place::Place};
use crate::{
    client::Error,
    crash_point,
    wire::{FinishRequest, limits::MAX_LOG_FRAME},
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// Reports the result until the server has it and the whole log.
///
/// A short rest of the log goes first, so that one call settles the attempt; a long one follows the first finish,
/// which stores the result at once.
pub(super) async fn finish(place: &Place, link: &Arc<Link>, log: &Log, request: &FinishRequest) -> Result<(), Exit> {
    let stands = place.testament.display();
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
            return Err(Exit::Fault(format!("the server could not be told the result; it stands in {stands}")));
        }
        let all_sent = log.backlog() == 0;
        match link.client.finish(link.attempt, request).await {
            Ok(answer) if answer.settled => return Ok(()),
            // The result is stored, and there is nothing more to send: the server waits for the log as long as it likes.
            Ok(_) if log.is_refused() => return Ok(()),
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
                return Err(Exit::Fault(format!("the server refuses the result, which stands in {stands}: {error}")));
            }
            Err(error) => sleep(backoff.failed(&error)).await,
        }
    }
}

fn over(error: &Error) -> Exit {
    Exit::Over(error.to_string())
}
