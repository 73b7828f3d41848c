//! `GET /events`: what happens, as it happens, resumable.

use super::{auth::Principal, body::Query, convert, error::ApiResult, state::App};
use crate::{
    domain::{EventId, QueueName, TaskId},
    store::{EventFilter, EventRecord, TaskWatch},
    wire::{self, Problem, ProblemCode},
};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use std::{convert::Infallible, time::Duration};
use tokio::sync::watch;

/// Rows per read: what a watcher that fell behind gets at once.
const PAGE: u32 = 500;
/// A busy watcher is written to at most about 20 times a second.
const BREATH: Duration = Duration::from_millis(50);

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct EventParams {
    /// Only events of this task.
    #[param(value_type = Option<i64>)]
    task: Option<TaskId>,
    /// Only kinds that begin so, joined by commas: `task,attempt` or `queue`.
    topics: Option<String>,
    /// Begin after this event; 0 is the beginning. Without it, and without `Last-Event-ID`, only what is new is sent.
    after: Option<i64>,
}

/// Events as server-sent events: the id is the cursor, the event's name is its kind, the data is an `Event`.
/// `Last-Event-ID` resumes without loss. Where events after the cursor were removed by the retention of a queue, a `resync`
/// comes first, with the cursor as its id; what is left of them follows.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "watchEvents", tag = "events", params(EventParams),
    responses((status = 200, body = wire::Event, content_type = "text/event-stream")))]
pub(super) async fn watch(
    State(app): State<App>,
    principal: Principal,
    Query(query): Query<EventParams>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    if let Some(task) = query.task {
        principal.may_on(&app, task).await?;
    }
    let newest = app.store.changes().events();
    // One that cannot be read must not pass for none: what came since would be skipped without a word.
    let last = match headers.get("last-event-id") {
        Some(id) => Some(
            id.to_str()
                .ok()
                .and_then(|id| id.parse().ok())
                .ok_or_else(|| Problem::new(ProblemCode::InvalidParameter).detail("Last-Event-ID is no id of an event."))?,
        ),
        None => None,
    };
    let cursor = EventId(last.or(query.after).unwrap_or(*newest.borrow()));
    let wake = match query.task {
        Some(task) => Wake::Task(app.store.changes().task(task)),
        None => Wake::Any(newest),
    };
    let topics = query.topics.unwrap_or_default().split(',').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect();
    let watcher = Watcher { app, filter: EventFilter { task: query.task }, topics, cursor, wake, told: false, principal };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    let mut response = Sse::new(watcher.stream()).keep_alive(keep_alive).into_response();
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

enum Wake {
    Any(watch::Receiver<i64>),
    Task(TaskWatch),
}

struct Watcher {
    app: App,
    filter: EventFilter,
    topics: Vec<String>,
    cursor: EventId,
    wake: Wake,
    /// Whether it was told of what it missed.
    told: bool,
    /// Who watches.
    principal: Principal,
}

impl Watcher {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut watcher| async move {
            if let Some(resync) = watcher.resync().await? {
                return Some((stream::iter(vec![Ok(frame(resync))]), watcher));
            }
            let page = watcher.page().await?;
            let events: Vec<_> = page.into_iter().filter(|e| watcher.wants(e)).map(|e| Ok(frame(e))).collect();
            Some((stream::iter(events), watcher))
        })
        .flatten()
    }

    /// The next events, waiting for them; none when the server stops or its store fails, and the client comes back.
    async fn page(&mut self) -> Option<Vec<EventRecord>> {
        loop {
            if let Wake::Any(newest) = &mut self.wake {
                newest.mark_unchanged();
            }
            let page = self.app.store.events_after(self.cursor, &self.filter, PAGE).await.ok()?;
            if let Some(last) = page.last() {
                self.cursor = last.id;
                return self.visible(page).await;
            }
            let changed = async {
                match &mut self.wake {
                    Wake::Any(newest) => drop(newest.changed().await),
                    Wake::Task(task) => task.changed().await,
                }
            };
            tokio::select! {
                () = changed => tokio::time::sleep(BREATH).await,
                () = self.app.stop().cancelled() => return None,
            }
        }
    }

    /// Those events that are about queues which the watcher may see.
    async fn visible(&self, mut page: Vec<EventRecord>) -> Option<Vec<EventRecord>> {
        if self.principal.may_everywhere() {
            return Some(page);
        }
        let queues = self.app.store.existing(page.iter().filter_map(|event| event.task)).await.ok()?;
        let named = |event: &EventRecord| event.data.get("queue").and_then(|name| name.as_str()?.parse::<QueueName>().ok());
        page.retain(|event| {
            let queue = event.task.map_or_else(|| named(event), |task| queues.get(&task).cloned());
            queue.is_some_and(|queue| self.principal.may_in(&queue))
        });
        Some(page)
    }

    /// What stands in place of events that were removed since the watcher's cursor, once. The outer none ends the stream.
    async fn resync(&mut self) -> Option<Option<EventRecord>> {
        let forgotten = self.app.store.changes().forgotten();
        if self.told || self.cursor.0 >= forgotten {
            return Some(None);
        }
        self.told = true;
        if let Some(task) = self.filter.task
            && !self.app.store.events_expired(task).await.ok()?
        {
            return Some(None);
        }
        Some(Some(EventRecord {
            id: self.cursor,
            at: self.app.now(),
            kind: "resync".to_owned(),
            task: None,
            attempt: None,
            actor: None,
            data: serde_json::json!({ "removedUpTo": forgotten }),
        }))
    }

    fn wants(&self, event: &EventRecord) -> bool {
        self.topics.is_empty() || self.topics.iter().any(|topic| event.kind.split('.').next() == Some(topic) || event.kind == *topic)
    }
}

fn frame(record: EventRecord) -> Event {
    let (id, kind) = (record.id, record.kind.clone());
    Event::default().event(kind).id(id.to_string()).json_data(convert::event(record)).unwrap_or_default()
}
