//! Sends the log to the server.

use super::{Log, stream::Frame};
use crate::{
    agent::link::Link,
    client::Error,
    crash_point,
    wire::{LogAck, LogQuery, ProblemCode, limits::MAX_LOG_FRAME},
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};

/// Sends frames for ever, each as soon as it is full or `logFlushMs` after the one before. It returns only where the
/// server takes no more of this log or the attempt is over.
pub(in crate::agent) async fn upload(link: Arc<Link>, log: Arc<Log>) {
    let mut backoff = link.backoff("log");
    let flush = Duration::from_millis(link.times.log_flush_ms);
    let mut rewound = None;
    let mut due = soon(Duration::ZERO);
    loop {
        if !ready(&link, &log, due).await {
            // Nothing new, but room is scarce: an empty piece at the end asks how much has become durable.
            let (end, _) = log.sum();
            if let Ok(ack) = put(&link, end, Bytes::new(), None).await {
                log.stream().acknowledge(ack.next_offset.max(end), ack.durable_offset);
            }
            continue;
        }
        due = soon(flush);
        let frame = log.stream().frame();
        let answer = match frame {
            Frame::Nothing => continue,
            Frame::Bytes(offset, bytes) => put(&link, offset, bytes.into(), None).await,
            Frame::Gap(offset, length) => {
                tracing::warn!(offset, length, "the server asks for log bytes that are gone");
                put(&link, offset, Bytes::new(), Some(length)).await
            }
        };
        match answer {
            Ok(ack) => {
                crash_point!("agent.put");
                backoff.succeeded();
                rewound = None;
                log.stream().acknowledge(ack.next_offset, ack.durable_offset);
            }
            Err(error) => match error.problem().map(|p| (p.code, p.next_offset)) {
                Some((ProblemCode::LogOffset, Some(next))) => {
                    log.stream().rewind(next);
                    // Obeyed at once, the first time. An offset that obeying does not move is trouble like any.
                    if rewound.replace(next) == Some(next) {
                        sleep(backoff.failed(&error)).await;
                    }
                }
                _ if link.ends(&error) => return,
                _ if error.is_final() => {
                    tracing::error!(%error, "the server takes no more of the log");
                    log.stream().refuse();
                    log.taken.notify_waiters();
                    return;
                }
                _ => sleep(backoff.failed(&error)).await,
            },
        }
        log.taken.notify_waiters();
    }
}

/// A moment from now. Tokio's clock decides only when to send, never what.
fn soon(after: Duration) -> Instant {
    Instant::now() + after
}

/// Waits for a reason to send: `true` is a frame, `false` a question.
async fn ready(link: &Link, log: &Log, due: Instant) -> bool {
    loop {
        let more = log.more.notified();
        let (backlog, closed, ask) = {
            let stream = log.stream();
            (stream.backlog(), stream.closed(), stream.wants_release())
        };
        if backlog >= MAX_LOG_FRAME as u64 || (closed && backlog > 0) {
            return true;
        }
        tokio::select! {
            () = more => {}
            () = sleep_until(due), if backlog > 0 => return true,
            () = sleep(Duration::from_millis(link.times.log_sync_ms)), if ask => return false,
        }
    }
}

async fn put(link: &Link, offset: u64, bytes: Bytes, gap: Option<u64>) -> Result<LogAck, Error> {
    let query = LogQuery { offset, crc32c: crc32c::crc32c(&bytes), gap, ..LogQuery::default() };
    link.client.put_log(link.attempt, &query, bytes).await
}
