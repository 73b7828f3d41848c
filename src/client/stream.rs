//! Streams that survive a broken connection: a task's log, and events.
//!
//! A stream that breaks (the server restarts, a proxy gives up, a laptop sleeps) is opened again with the id of the
//! last event, so nothing is lost and nothing comes twice. What cannot be cured by waiting ends it: the task is not
//! there, the credential is refused.

use super::{
    Client, Error,
    sse::{Message, Parser},
};
use crate::wire::{AttemptNumber, Event, LogChunk, Task, TaskId, TaskState};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder, Retryable};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::{Method, Response};
use serde::{Deserialize, de::DeserializeOwned};
use std::{collections::VecDeque, pin::Pin, time::Duration};
use tokio::time::{Sleep, sleep, timeout};

/// How long streams are patient.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A stream that is silent for this long counts as broken; the server sends a heartbeat every 15 s.
    pub silence: Duration,
    /// The pause before the first try to open a broken stream again; it doubles from try to try.
    pub first_pause: Duration,
    /// The longest pause between two tries.
    pub longest_pause: Duration,
    /// The number of tries in a row after which the last error is final.
    pub tries: usize,
}

impl Default for Patience {
    /// About a quarter of an hour without a server.
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(45),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(5),
            tries: 180,
        }
    }
}

/// What comes next in a stream.
#[derive(Debug)]
pub enum Next<T> {
    /// The next thing.
    Item(T),
    /// The connection broke and could not be opened again at once, for this reason; it goes on trying. A break that
    /// is mended by the first try passes in silence: nothing was lost, and some proxies cut streams every minute.
    Broken(String),
    /// The connection stands again; only after `Broken`.
    Resumed,
}

/// The next thing in a task's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogItem {
    /// Bytes of an attempt's log.
    Bytes {
        /// The attempt.
        attempt: AttemptNumber,
        /// The bytes.
        bytes: Bytes,
    },
    /// The task has ended and every byte was sent.
    End {
        /// How it ended.
        state: TaskState,
    },
}

/// A task's log, followed. Read it until [`LogItem::End`].
pub struct LogStream(Stream);

/// Events, followed. It has no end.
pub struct EventStream(Stream);

impl Client {
    /// Follows a task's log from its beginning: of one attempt, or of all attempts one after the other.
    #[must_use]
    pub fn follow_log(&self, id: TaskId, attempt: Option<AttemptNumber>, patience: Patience) -> LogStream {
        let mut query = vec![("follow".to_owned(), "true".to_owned())];
        query.extend(attempt.map(|n| ("attempt".to_owned(), n.to_string())));
        LogStream(Stream::new(self.clone(), format!("api/v1/tasks/{id}/log"), query, patience))
    }

    /// Follows the events of one task, from its submit on.
    #[must_use]
    pub fn follow_events(&self, task: TaskId, patience: Patience) -> EventStream {
        let query = vec![("task".to_owned(), task.to_string()), ("after".to_owned(), "0".to_owned())];
        EventStream(Stream::new(self.clone(), "api/v1/events".into(), query, patience))
    }
}

impl Client {
    /// One task, asked for again while the server is away, as long as `patience` lasts.
    pub async fn task_patiently(&self, id: TaskId, patience: Patience) -> Result<Task, Error> {
        (|| self.task(id)).retry(patience.pauses()).when(|error| !hopeless(error)).await
    }
}

impl Patience {
    fn pauses(self) -> ExponentialBuilder {
        ExponentialBuilder::new().with_min_delay(self.first_pause).with_max_delay(self.longest_pause).with_max_times(self.tries)
    }
}

impl LogStream {
    /// The same, from this place on.
    #[must_use]
    pub fn after(mut self, attempt: AttemptNumber, offset: u64) -> Self {
        self.0.last_id = Some(format!("{attempt}:{offset}"));
        self
    }

    /// Waits for the next piece. Safe to drop while it waits.
    ///
    /// # Errors
    /// What cannot be cured by waiting, the first connection that fails, or the last of too many.
    pub async fn next(&mut self) -> Result<Next<LogItem>, Error> {
        #[derive(Deserialize)]
        struct End {
            state: TaskState,
        }
        loop {
            let message = match self.0.next().await? {
                Next::Item(message) => message,
                Next::Broken(why) => return Ok(Next::Broken(why)),
                Next::Resumed => return Ok(Next::Resumed),
            };
            match message.kind.as_str() {
                "log" => {
                    let chunk: LogChunk = self.0.read(&message)?;
                    let bytes = STANDARD.decode(&chunk.b64).map_err(|e| self.0.foreign(&e))?.into();
                    return Ok(Next::Item(LogItem::Bytes { attempt: chunk.attempt, bytes }));
                }
                "end" => return Ok(Next::Item(LogItem::End { state: self.0.read::<End>(&message)?.state })),
                _ => {}
            }
        }
    }
}

impl EventStream {
    /// Waits for the next event. Safe to drop while it waits.
    ///
    /// # Errors
    /// What cannot be cured by waiting, the first connection that fails, or the last of too many.
    pub async fn next(&mut self) -> Result<Next<Event>, Error> {
        Ok(match self.0.next().await? {
            Next::Item(message) => Next::Item(self.0.read(&message)?),
            Next::Broken(why) => Next::Broken(why),
            Next::Resumed => Next::Resumed,
        })
    }
}

/// One resumable stream of messages.
struct Stream {
    client: Client,
    path: String,
    query: Vec<(String, String)>,
    patience: Patience,
    last_id: Option<String>,
    parser: Parser,
    ready: VecDeque<Message>,
    link: Link,
}

/// The connection under a stream. Everything that takes time is kept here, so that a dropped wait loses nothing.
enum Link {
    /// Not asked for yet.
    New,
    /// Asked for: the first time, or again after a break.
    Opening(Opening, Option<Outage>),
    /// It stands; a break before counts as mended once bytes come.
    Up(Response, Option<Outage>),
    /// Waiting before the next try.
    Pausing(Pin<Box<Sleep>>, Outage),
}

/// A break that is not mended yet.
struct Outage {
    pauses: ExponentialBackoff,
    told: bool,
}

type Opening = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

impl Stream {
    fn new(client: Client, path: String, query: Vec<(String, String)>, patience: Patience) -> Self {
        Self { client, path, query, patience, last_id: None, parser: Parser::default(), ready: VecDeque::new(), link: Link::New }
    }

    async fn next(&mut self) -> Result<Next<Message>, Error> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                self.last_id.clone_from(&message.id);
                return Ok(Next::Item(message));
            }
            match &mut self.link {
                Link::New => self.link = Link::Opening(self.open(), None),
                Link::Opening(opening, outage) => {
                    let opened = opening.as_mut().await;
                    let outage = outage.take();
                    self.link = Link::New;
                    match (opened, outage) {
                        (Ok(response), mut outage) => {
                            let told = outage.as_mut().is_some_and(|outage| std::mem::take(&mut outage.told));
                            self.link = Link::Up(response, outage);
                            if told {
                                return Ok(Next::Resumed);
                            }
                        }
                        (Err(error), Some(mut outage)) if !hopeless(&error) => {
                            let Some(pause) = outage.pauses.next() else { return Err(error) };
                            let told = std::mem::replace(&mut outage.told, true);
                            self.link = Link::Pausing(Box::pin(sleep(pause)), outage);
                            if !told {
                                return Ok(Next::Broken(error.to_string()));
                            }
                        }
                        (Err(error), _) => return Err(error),
                    }
                }
                Link::Up(response, outage) => {
                    if let Ok(Ok(Some(bytes))) = timeout(self.patience.silence, response.chunk()).await {
                        *outage = None;
                        self.ready.extend(self.parser.push(&bytes));
                        continue;
                    }
                    // It ended, broke, or fell silent: all the same, it is opened again.
                    let (pause, outage) = match outage.take() {
                        // Not a byte since the last break: something closes every stream, so do not hurry.
                        Some(mut outage) => match outage.pauses.next() {
                            Some(pause) => (pause, outage),
                            None => return Err(self.foreign(&"it closes every stream")),
                        },
                        // Short, so that a restarted server is found at once.
                        None => (self.patience.first_pause / 4, Outage { pauses: self.patience.pauses().build(), told: false }),
                    };
                    self.link = Link::Pausing(Box::pin(sleep(pause)), outage);
                }
                Link::Pausing(pause, _) => {
                    pause.as_mut().await;
                    if let Link::Pausing(_, outage) = std::mem::replace(&mut self.link, Link::New) {
                        self.link = Link::Opening(self.open(), Some(outage));
                    }
                }
            }
        }
    }

    fn open(&mut self) -> Opening {
        // What was cut off in the middle comes again as a whole.
        self.parser = Parser::default();
        let mut call = self.client.call(Method::GET, &self.path).query(&self.query).header("accept", "text/event-stream");
        if let Some(id) = &self.last_id {
            call = call.header("last-event-id", id);
        }
        // A limit on the whole call would end a stream that is well; silence is what ends one.
        let opening = call.timeout(Duration::from_hours(24 * 365)).response();
        let late = self.foreign(&"no answer in time");
        let silence = self.patience.silence;
        Box::pin(async move { timeout(silence, opening).await.unwrap_or(Err(late)) })
    }

    fn read<T: DeserializeOwned>(&self, message: &Message) -> Result<T, Error> {
        serde_json::from_str(&message.data).map_err(|e| self.foreign(&e))
    }

    fn foreign(&self, what: &dyn std::fmt::Display) -> Error {
        Error::Foreign { url: format!("{}/{}", self.client.base(), self.path), status: 200, what: what.to_string() }
    }
}

/// Whether waiting cannot help a stream that stood before: the credential is refused, or what it followed is gone.
fn hopeless(error: &Error) -> bool {
    error.is_final() || matches!(error.problem().map(|p| p.status), Some(401 | 403 | 404 | 410))
}
