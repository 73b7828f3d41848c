//! The audit log: who did what, to what, from where, and how it ended. One row for each call of a known user that would change
//! something, refused ones included; no bodies.
//!
//! A row is on disk before its call is answered. Submits alone do not wait for it: their tasks are the record of who submitted
//! them, and waiting would cost each of them a second commit. Their rows stand a moment for others to come with them, so that
//! they cost few.

use super::{access, envelope::Origin, error::Failed, router::operations, state::App};
use crate::{
    domain::{Clock, UnixMs},
    store::{Audit, AuditRow, ForgetAudit, Store, StoreError},
    wire::ProblemCode,
};
use axum::{
    extract::Request,
    http::{Method, header},
    response::Response,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

/// Rows that wait to be written; beyond it callers wait.
const WAITING: usize = 4_096;
/// Rows in one commit.
const BATCH: usize = 1_000;
/// For so long rows that nobody waits for stand for others.
const GATHER: Duration = Duration::from_millis(100);
/// How long rows are kept.
const KEPT_MS: i64 = 400 * 86_400_000;

/// The object of a call, where its path does not name it: set by a handler in its response.
#[derive(Clone)]
pub(super) struct Object(pub(super) String);

/// A call that the log will tell of, as far as it is known before it is served.
pub(super) struct Entry {
    user: String,
    action: String,
    object: String,
    from: Origin,
    waits: bool,
}

impl Entry {
    pub(super) fn new(method: &Method, route: &str, request: &Request, user: &str, from: Origin) -> Self {
        let action = operations().get(&(method.to_string(), route.to_owned())).cloned().unwrap_or_default();
        let waits = !matches!(route, "/api/v1/tasks" | "/api/v1/tasks:batch");
        Self { user: user.to_owned(), action, object: object(request.uri().path()), from, waits }
    }
}

/// What a path is about: `tasks/1042` of `/api/v1/tasks/1042/cancel`.
fn object(path: &str) -> String {
    let parts: Vec<&str> = path.trim_start_matches("/api/v1/").splitn(3, '/').take(2).collect();
    // What comes from the path is a caller's text.
    parts.join("/").chars().take(200).collect()
}

/// What the log tells of a call.
pub(super) struct Row {
    row: AuditRow,
    waits: bool,
}

type Waiting = (AuditRow, Option<oneshot::Sender<()>>);

/// Takes rows, and writes them.
pub(super) struct Recorder {
    rows: mpsc::Sender<Waiting>,
    clock: Arc<dyn Clock>,
}

impl Recorder {
    /// It writes for as long as somebody may bring rows.
    pub(super) fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        let (rows, waiting) = mpsc::channel(WAITING);
        tokio::spawn(write(store, waiting));
        Self { rows, clock }
    }

    /// What is to be said of a call that was answered so; nothing where it was not looked at.
    pub(super) fn row(&self, entry: Entry, response: &Response) -> Option<Row> {
        let failed = response.extensions().get::<Failed>().map(|Failed(problem)| problem.code);
        if failed == Some(ProblemCode::RateLimited) {
            return None;
        }
        let made = || response.extensions().get::<Object>().map(|Object(object)| object.clone());
        let located = || response.headers().get(header::LOCATION)?.to_str().ok().map(object);
        let row = AuditRow {
            at: self.clock.now(),
            user: entry.user,
            action: entry.action,
            object: made().or_else(located).unwrap_or(entry.object),
            address: entry.from.address.to_canonical().to_string(),
            status: response.status().as_u16(),
            request_id: entry.from.request_id,
        };
        Some(Row { row, waits: entry.waits })
    }

    /// Records it.
    pub(super) async fn record(&self, Row { row, waits }: Row) {
        let (done, written) = oneshot::channel();
        let sent = self.rows.send((row, waits.then_some(done))).await.is_ok();
        if sent && waits {
            // It was dropped where the store failed, which the log tells.
            let _ = written.await;
        }
    }
}

async fn write(store: Store, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::new();
    while gather(&mut waiting, &mut batch).await {
        let (rows, callers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        match store.run(Audit(rows.clone())).await {
            // One who has hung up is told nothing.
            Ok(()) => callers.into_iter().flatten().for_each(|caller| caller.send(()).unwrap_or_default()),
            Err(error) => {
                for row in rows {
                    tracing::error!(%error, ?row, "a row of the audit log could not be stored");
                }
            }
        }
    }
}

/// Takes what is to be written together; `false` where nothing will come. Whoever waits is not let wait for others.
async fn gather(waiting: &mut mpsc::Receiver<Waiting>, batch: &mut Vec<Waiting>) -> bool {
    let some = waiting.recv_many(batch, BATCH).await > 0;
    let until = Instant::now() + GATHER;
    while some && batch.len() < BATCH && batch.iter().all(|(_, caller)| caller.is_none()) {
        let room = BATCH - batch.len();
        match timeout_at(until, waiting.recv_many(batch, room)).await {
            Ok(more) if more > 0 => {}
            _ => break,
        }
    }
    some
}

/// Forgets rows that are older than they are kept.
pub(super) async fn forget(app: &App) -> Result<(), StoreError> {
    let before = UnixMs(app.now().0.saturating_sub(KEPT_MS));
    while app.store.run(ForgetAudit { before }).await? {}
    Ok(())
}

/// The operations that the log tells of.
pub(super) fn actions() -> impl Iterator<Item = &'static str> {
    operations().iter().filter(|((method, path), _)| access::audited(method, path)).map(|(_, operation)| operation.as_str())
}

/// Whether the log tells of an operation.
pub(super) fn is_action(name: &str) -> bool {
    actions().any(|action| action == name)
}
