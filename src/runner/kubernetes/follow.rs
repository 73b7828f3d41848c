//! Sends the log of a pod that has no agent, from the API server to ours.

use super::{cluster::Cluster, facts::SeenPod};
use crate::{
    client::Error,
    domain::evidence::ContainerState,
    runner::link::Link,
    wire::{AttemptRef, LogAck, LogQuery, ProblemCode, limits::MAX_LOG_FRAME},
};
use bytes::{Bytes, BytesMut};
use futures::AsyncReadExt;
use std::{pin::pin, time::Duration};
use tokio::time::sleep;
use uuid::Uuid;

/// A connection on which nothing has come for so long is made anew; the bytes sent are passed over.
const SILENCE: Duration = Duration::from_mins(10);
/// The pause between two tries to read the log of a container that runs.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// How often the log of a container that has ended is tried to read.
const LAST_TRIES: u32 = 5;

/// How one pass over the log ended.
pub(super) enum Pass {
    /// With the container.
    Ended,
    /// The connection broke, or the server wants bytes from further back.
    Again,
    /// The server takes no more of it.
    Full,
    /// The attempt is over.
    Over,
}

/// Sends everything that the task's container writes until it ends, and waits until the server keeps it. Length and
/// CRC-32C of the whole; none where the attempt is over or nothing can be known of its pod.
///
/// Every connection gives the log from its beginning, so what the server has is passed over, and the sum is always that of
/// the whole. The kubelet rotates logs: what it has dropped by then is missing, and the log then says it is incomplete.
pub(super) async fn follow(cluster: &Cluster, link: &Link, of: AttemptRef, claim: Uuid, pod: &SeenPod) -> Option<(u64, u32)> {
    let mut follower = Follower::new(link, of, claim);
    let container = pod.facts.task()?.name.clone();
    let mut tries = 0;
    loop {
        let ended = match cluster.pod(&pod.namespace, &pod.facts.name).await {
            Ok(Some(now)) if now.facts.uid == pod.facts.uid => {
                now.facts.task().is_some_and(|task| matches!(task.state, ContainerState::Terminated { .. }))
            }
            Ok(_) => return Some(follower.sum()),
            Err(_) => {
                sleep(PAUSE).await;
                continue;
            }
        };
        let pass = follower.pass(cluster, &pod.namespace, &pod.facts.name, &container).await;
        match pass {
            Pass::Over => return None,
            Pass::Full => return Some(follower.sum()),
            // Only what was read after the end is the whole.
            Pass::Ended if ended => {
                if follower.keep().await? {
                    return Some(follower.sum());
                }
            }
            Pass::Ended | Pass::Again => {
                tries += u32::from(ended);
                if tries >= LAST_TRIES {
                    tracing::warn!(attempt = %of, "the rest of its log cannot be read");
                    return Some(follower.sum());
                }
                sleep(PAUSE).await;
            }
        }
    }
}

pub(super) struct Follower<'a> {
    link: &'a Link,
    of: AttemptRef,
    claim: Uuid,
    /// The offset that the server wants next.
    next: u64,
    durable: u64,
    /// How many bytes this pass has read, and their sum.
    position: u64,
    crc: u32,
}

impl<'a> Follower<'a> {
    pub(super) fn new(link: &'a Link, of: AttemptRef, claim: Uuid) -> Self {
        Self { link, of, claim, next: 0, durable: 0, position: 0, crc: 0 }
    }
}

impl Follower<'_> {
    pub(super) fn sum(&self) -> (u64, u32) {
        (self.position, self.crc)
    }

    /// Begins to read from the beginning.
    pub(super) fn begin(&mut self) {
        (self.position, self.crc) = (0, 0);
    }

    /// Takes the next bytes that were read, and sends of them what the server does not have.
    pub(super) async fn take(&mut self, bytes: Bytes) -> Option<Pass> {
        self.crc = crc32c::crc32c_append(self.crc, &bytes);
        let from = self.position;
        self.position += bytes.len() as u64;
        let known = usize::try_from(self.next.saturating_sub(from)).unwrap_or(usize::MAX);
        if known < bytes.len() { self.send(from + known as u64, bytes.slice(known..)).await } else { None }
    }

    async fn pass(&mut self, cluster: &Cluster, namespace: &str, pod: &str, container: &str) -> Pass {
        let Ok(stream) = cluster.follow(namespace, pod, container, false).await else { return Pass::Again };
        let mut stream = pin!(stream);
        self.begin();
        let mut buffer = vec![0; MAX_LOG_FRAME];
        loop {
            let read = match tokio::time::timeout(SILENCE, stream.read(&mut buffer)).await {
                Ok(Ok(0)) => return Pass::Ended,
                Ok(Ok(read)) => read,
                Ok(Err(_)) | Err(_) => return Pass::Again,
            };
            if let Some(end) = self.take(BytesMut::from(&buffer[..read]).freeze()).await {
                return end;
            }
        }
    }

    /// Sends a piece until it is taken.
    async fn send(&mut self, offset: u64, bytes: Bytes) -> Option<Pass> {
        let mut backoff = self.link.backoff("log").quiet();
        let end = offset + bytes.len() as u64;
        loop {
            match self.put(offset, bytes.clone()).await {
                Ok(ack) => {
                    (self.next, self.durable) = (ack.next_offset.max(end), ack.durable_offset);
                    return None;
                }
                Err(error) => match error.problem().map(|p| (p.code, p.next_offset)) {
                    Some((ProblemCode::LogOffset, Some(next))) => {
                        self.next = next;
                        // What it has already is passed over; what it has lost is read again.
                        return Some(Pass::Again);
                    }
                    Some((ProblemCode::LogFull, _)) => return Some(Pass::Full),
                    _ if error.is_final() => return Some(Pass::Over),
                    _ => sleep(backoff.failed(&error)).await,
                },
            }
        }
    }

    /// Waits until everything survives a crash of the server. `false` where it has lost some of it.
    pub(super) async fn keep(&mut self) -> Option<bool> {
        let mut backoff = self.link.backoff("log").quiet();
        while self.durable < self.position {
            match self.put(self.position, Bytes::new()).await {
                Ok(ack) => {
                    self.durable = ack.durable_offset;
                    sleep(Duration::from_millis(self.link.times.log_sync_ms / 4)).await;
                }
                Err(error) => match error.problem().map(|p| (p.code, p.next_offset)) {
                    Some((ProblemCode::LogOffset, Some(next))) => {
                        self.next = next;
                        return Some(false);
                    }
                    _ if error.is_final() => return None,
                    _ => sleep(backoff.failed(&error)).await,
                },
            }
        }
        Some(true)
    }

    async fn put(&self, offset: u64, bytes: Bytes) -> Result<LogAck, Error> {
        let query = LogQuery { offset, crc32c: crc32c::crc32c(&bytes), claim: Some(self.claim), ..LogQuery::default() };
        self.link.client.put_log(self.of, &query, bytes).await
    }
}
