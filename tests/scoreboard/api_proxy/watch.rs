//! What becomes of a watch on its way: its events delayed, swallowed, exchanged, and its end.

use super::{
    Shared,
    call::Call,
    fate::{End, EventFate, WatchFaults, of_event, of_watch},
};
use axum::body::{Body, Bytes};
use futures::{Stream, StreamExt, stream::unfold};
use serde_json::{Value, json};
use std::{io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

/// One watch.
pub(super) struct Watch {
    pub(super) shared: Arc<Shared>,
    pub(super) call: Call,
    pub(super) path: String,
    pub(super) number: u64,
    pub(super) faults: WatchFaults,
}

impl Watch {
    /// The answer's body; it ends when the watch is to end, or when nobody reads it any more.
    pub(super) fn body(self, events: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static) -> Body {
        let (send, receive) = mpsc::channel(64);
        self.shared.tally().heard(self.call.class, &self.path);
        tokio::spawn(self.pass(events, send));
        Body::from_stream(unfold(receive, |mut receive| async { receive.recv().await.map(|item| (item, receive)) }))
    }

    async fn pass(self, events: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static, send: mpsc::Sender<io::Result<Bytes>>) {
        let ends = of_watch(self.faults, self.shared.seed, self.number);
        let until = ends.map(|(life, _)| Instant::now() + life);
        let over = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let last = tokio::select! {
            () = over => match ends {
                Some((_, End::Gone)) => Some(Ok(expired())),
                _ => Some(Err(io::Error::other("cut"))),
            },
            () = self.each(events, &send) => None,
            () = send.closed() => None,
        };
        if let Some(last) = last {
            let _ = send.send(last).await;
        }
        self.shared.tally().lost(self.call.class, &self.path);
    }

    /// Passes one event after the other, to the end of the watch behind.
    async fn each(&self, events: impl Stream<Item = reqwest::Result<Bytes>> + Send, send: &mpsc::Sender<io::Result<Bytes>>) {
        let mut events = pin!(events);
        let (mut rest, mut nth, mut aside) = (Vec::new(), 0, None::<Bytes>);
        while let Some(Ok(bytes)) = events.next().await {
            rest.extend_from_slice(&bytes);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Bytes = rest.drain(..=end).collect::<Vec<_>>().into();
                nth += 1;
                let out = match of_event(self.faults, self.shared.seed, self.number, nth) {
                    EventFate::Late(delay) => {
                        sleep(delay).await;
                        vec![line]
                    }
                    EventFate::Swallowed => Vec::new(),
                    EventFate::Swapped if aside.is_none() => {
                        aside = Some(line);
                        continue;
                    }
                    EventFate::Pass | EventFate::Swapped => vec![line],
                };
                // Never the order of one object's own events, which every API server keeps.
                let both = match aside.take() {
                    Some(held) if out.first().is_some_and(|line| same(&held, line)) => [vec![held], out].concat(),
                    Some(held) if out.is_empty() => vec![held],
                    held => [out, held.into_iter().collect()].concat(),
                };
                for line in both {
                    if send.send(Ok(line)).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Whether two events are about one object.
fn same(one: &Bytes, other: &Bytes) -> bool {
    let uid = |line: &Bytes| Some(serde_json::from_slice::<Value>(line).ok()?.pointer("/object/metadata/uid")?.as_str()?.to_owned());
    uid(one) == uid(other)
}

fn expired() -> Bytes {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired", "code": 410,
        "message": "too old resource version"});
    format!("{}\n", json!({"type": "ERROR", "object": status})).into()
}

/// A pause that no call outlives.
pub(super) const FOR_EVER: Duration = Duration::from_hours(1);
