//! Reading single tasks: those that several calls ask for at once are read by one statement. Each statement wakes a thread of the
//! database and is woken by it, which costs more than the rows.
//!
//! No timer gathers them: while one read runs, the next gathers.

use crate::{
    domain::TaskId,
    store::{Result, Store, TaskRecord},
};
use tokio::sync::{mpsc, oneshot};

/// Calls that wait for their task; beyond it callers wait to ask.
const WAITING: usize = 4_096;
/// Tasks in one read.
const BATCH: usize = 256;

type Asked = (TaskId, oneshot::Sender<Option<TaskRecord>>);

/// Reads tasks for all calls.
pub(super) struct Reads {
    store: Store,
    asked: mpsc::Sender<Asked>,
}

impl Reads {
    /// It reads for as long as somebody may ask.
    pub(super) fn new(store: Store) -> Self {
        let (asked, waiting) = mpsc::channel(WAITING);
        tokio::spawn(read(store.clone(), waiting));
        Self { store, asked }
    }

    /// A task as it was after this was called, or later.
    pub(super) async fn task(&self, id: TaskId) -> Result<Option<TaskRecord>> {
        let (caller, answer) = oneshot::channel();
        if self.asked.send((id, caller)).await.is_ok()
            && let Ok(found) = answer.await
        {
            return Ok(found);
        }
        // The read failed, maybe for the row of another: each hears of its own.
        self.store.task(id).await
    }
}

async fn read(store: Store, mut waiting: mpsc::Receiver<Asked>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let Ok(mut found) = store.tasks_of(batch.iter().map(|(id, _)| *id)).await else {
            batch.clear();
            continue;
        };
        // Fewer rows than callers: some asked for the same.
        let alone = found.len() == batch.len();
        for (id, caller) in batch.drain(..) {
            let task = if alone { found.remove(&id) } else { found.get(&id).cloned() };
            // One who has hung up is told nothing.
            caller.send(task).unwrap_or_default();
        }
    }
}
