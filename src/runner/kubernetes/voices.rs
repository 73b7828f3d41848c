//! Sends the log of all pods of an object, as one: each line with the name of what wrote it, in the order of time.
//!
//! Every connection gives a pod's log from its beginning, so a glue that starts anew merges the same lines in the same
//! order and passes over what the server has. A line that comes so late that others have been sent before it makes the
//! whole another one than before; the log then says that it is incomplete.

use super::{
    cluster::Cluster,
    facts::SeenPod,
    follow::{Follower, PAUSE, Pass},
};
use crate::{
    domain::evidence::ContainerState,
    runner::link::Link,
    wire::{AttemptRef, limits::MAX_LOG_FRAME},
};
use bytes::{Bytes, BytesMut};
use futures::{AsyncBufReadExt, AsyncReadExt};
use jiff::Timestamp;
use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// A pod that has written nothing for so long keeps nobody's lines back.
const SILENT: Duration = Duration::from_millis(500);
/// A connection that has given nothing yet keeps them back for so long.
const SLOW: Duration = Duration::from_secs(3);
/// How often is looked for lines.
const GLANCE: Duration = Duration::from_millis(50);
/// How long pods that outlive the end of their object are listened to.
const AFTER: Duration = Duration::from_secs(5);
/// The longest line that is held whole.
const LONGEST: u64 = 1 << 20;
/// How many lines of a pod are held.
const HELD: usize = 256;

/// What is known of the pods of an attempt.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    pub(super) pods: Vec<Arc<SeenPod>>,
    /// Whether no others come.
    pub(super) over: bool,
}

/// Sends everything that the pods write until there is no more, and waits until the server keeps it. Length and CRC-32C of
/// the whole; none where the attempt is over.
pub(super) async fn follow_pods(
    cluster: &Cluster,
    link: &Link,
    of: AttemptRef,
    claim: Uuid,
    course: watch::Receiver<Course>,
) -> Option<(u64, u32)> {
    let mut follower = Follower::new(link, of, claim);
    loop {
        match merge(cluster, &mut follower, &course).await {
            Pass::Over => return None,
            Pass::Full => return Some(follower.sum()),
            Pass::Ended if follower.keep().await? => return Some(follower.sum()),
            Pass::Ended | Pass::Again => sleep(PAUSE).await,
        }
    }
}

/// One line, and when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    at: Timestamp,
    text: Bytes,
}

/// The lines of one pod, on their way.
struct Voice {
    lines: mpsc::Receiver<Line>,
    head: Option<Line>,
    /// Since when nothing has come.
    since: Instant,
    heard: bool,
    ended: bool,
    _reader: AbortOnDropHandle<()>,
}

impl Voice {
    fn new(cluster: &Cluster, pod: &Arc<SeenPod>) -> Self {
        let (tell, lines) = mpsc::channel(HELD);
        let reader = AbortOnDropHandle::new(tokio::spawn(read(cluster.clone(), pod.clone(), tell)));
        Self { lines, head: None, since: Instant::now(), heard: false, ended: false, _reader: reader }
    }

    /// Takes its next line where there is one; whether it may be passed over otherwise.
    fn listen(&mut self) -> bool {
        if self.head.is_some() || self.ended {
            return true;
        }
        match self.lines.try_recv() {
            Ok(line) => {
                (self.head, self.heard, self.since) = (Some(line), true, Instant::now());
                true
            }
            Err(mpsc::error::TryRecvError::Disconnected) => {
                self.ended = true;
                true
            }
            Err(mpsc::error::TryRecvError::Empty) => self.since.elapsed() >= if self.heard { SILENT } else { SLOW },
        }
    }
}

/// Merges the logs of all pods from their beginnings.
async fn merge(cluster: &Cluster, follower: &mut Follower<'_>, course: &watch::Receiver<Course>) -> Pass {
    follower.begin();
    let mut voices: BTreeMap<String, Voice> = BTreeMap::new();
    let mut over_since: Option<Instant> = None;
    loop {
        let Course { pods, over } = course.borrow().clone();
        for pod in pods.iter().filter(|pod| pod.running()) {
            voices.entry(pod.facts.uid.clone()).or_insert_with(|| Voice::new(cluster, pod));
        }
        let out = next_lines(&mut voices);
        if !out.is_empty() {
            if let Some(end) = follower.take(out).await {
                return end;
            }
            continue;
        }
        if over {
            let since = *over_since.get_or_insert_with(Instant::now);
            if voices.values().all(|voice| voice.ended) || since.elapsed() >= AFTER {
                return Pass::Ended;
            }
        }
        sleep(GLANCE).await;
    }
}

/// The lines that may be sent now, in the order of time.
fn next_lines(voices: &mut BTreeMap<String, Voice>) -> Bytes {
    let mut out = BytesMut::new();
    while out.len() < MAX_LOG_FRAME / 4 {
        // All of them are asked, so that none falls behind.
        let ready = voices.values_mut().map(Voice::listen).filter(|ready| !ready).count() == 0;
        let first = voices.values_mut().filter(|voice| voice.head.is_some()).min_by_key(|voice| voice.head.as_ref().map(|line| line.at));
        let Some(line) = first.filter(|_| ready).and_then(|voice| voice.head.take()) else { break };
        out.extend_from_slice(&line.text);
    }
    out.freeze()
}

/// Reads a pod's log until its container has ended.
async fn read(cluster: Cluster, pod: Arc<SeenPod>, tell: mpsc::Sender<Line>) {
    let Some(container) = pod.facts.task().map(|task| task.name.clone()) else { return };
    let name = pod.role.as_ref().unwrap_or(&pod.facts.name);
    let prefix = format!("[{name}] ");
    let (mut told, mut tries) = (0_u64, 0);
    loop {
        let ended = match cluster.pod(&pod.namespace, &pod.facts.name).await {
            Ok(Some(now)) if now.facts.uid == pod.facts.uid => {
                now.facts.task().is_some_and(|task| matches!(task.state, ContainerState::Terminated { .. }))
            }
            Ok(_) => return,
            Err(_) => {
                sleep(PAUSE).await;
                continue;
            }
        };
        let read = pass(&cluster, &pod, &container, &prefix, &mut told, &tell).await;
        // Only what was read after the end is the whole.
        if ended && (read || tries >= 5) {
            return;
        }
        tries += u32::from(ended);
        if tell.is_closed() {
            return;
        }
        sleep(PAUSE / 4).await;
    }
}

/// One connection: passes over the lines that were told before. Whether it was read to its end.
async fn pass(cluster: &Cluster, pod: &SeenPod, container: &str, prefix: &str, told: &mut u64, tell: &mpsc::Sender<Line>) -> bool {
    let Ok(stream) = cluster.follow(&pod.namespace, &pod.facts.name, container, true).await else { return false };
    let mut stream = pin!(stream);
    let (mut nth, mut at) = (0_u64, Timestamp::UNIX_EPOCH);
    loop {
        let mut raw = Vec::new();
        match (&mut stream).take(LONGEST).read_until(b'\n', &mut raw).await {
            Ok(0) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
        let line = parsed(&raw, &mut at, prefix);
        nth += 1;
        if nth > *told {
            if tell.send(line).await.is_err() {
                return false;
            }
            *told = nth;
        }
    }
}

/// A line of the kubelet: the time, a blank, the text. What has no time belongs to the line before.
fn parsed(raw: &[u8], at: &mut Timestamp, prefix: &str) -> Line {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    let cut = raw.iter().position(|byte| *byte == b' ').unwrap_or(raw.len());
    let time = std::str::from_utf8(&raw[..cut]).ok().and_then(|text| text.parse::<Timestamp>().ok());
    let text = match time {
        Some(time) => {
            *at = time;
            raw.get(cut + 1..).unwrap_or_default()
        }
        None => raw,
    };
    Line { at: *at, text: [prefix.as_bytes(), text, b"\n"].concat().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_from_its_time() {
        let mut at = Timestamp::UNIX_EPOCH;
        let line = parsed(b"2026-11-24T12:00:00.5Z epoch 1\n", &mut at, "[worker-0] ");
        assert_eq!((line.at.as_millisecond() % 1_000, &line.text[..]), (500, &b"[worker-0] epoch 1\n"[..]));
        let rest = parsed(b"without a time", &mut at, "[worker-0] ");
        assert_eq!((rest.at, &rest.text[..]), (line.at, &b"[worker-0] without a time\n"[..]));
        assert_eq!(&parsed(b"2026-11-24T12:00:01Z ", &mut at, "").text[..], b"\n");
    }

    #[tokio::test]
    async fn lines_of_several_pods_come_in_the_order_of_time() {
        let voice = |lines: &[(&str, &str)], open: bool| {
            let (tell, receiver) = mpsc::channel(HELD);
            for (at, text) in lines {
                tell.try_send(Line { at: at.parse().unwrap(), text: Bytes::from((*text).to_owned()) }).unwrap();
            }
            let reader = AbortOnDropHandle::new(tokio::spawn(async move {
                if open {
                    std::future::pending::<()>().await;
                }
                drop(tell);
            }));
            Voice { lines: receiver, head: None, since: Instant::now(), heard: false, ended: false, _reader: reader }
        };
        let mut voices = BTreeMap::new();
        voices.insert("a".to_owned(), voice(&[("2026-11-24T12:00:00Z", "1"), ("2026-11-24T12:00:03Z", "4")], false));
        voices.insert("b".to_owned(), voice(&[("2026-11-24T12:00:01Z", "2"), ("2026-11-24T12:00:02Z", "3")], true));
        tokio::task::yield_now().await;
        assert_eq!(&next_lines(&mut voices)[..], b"123", "b may write something before the fourth");
        sleep(SILENT * 2).await;
        assert_eq!(&next_lines(&mut voices)[..], b"4");
    }
}
