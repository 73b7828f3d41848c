//! The one writer: takes all that waits, one transaction, one commit, then all the answers.
//!
//! No timer gathers a batch: the sync of the running commit is the window of the next one. A batch with a statement that
//! fails is run again in halves, so that only that one fails; where the transaction fails, all fail and none is tried again.

use super::{
    Ambient, board,
    changes::{Changes, Committed},
    error::{Result, StoreError},
    events,
    faults::{Fault, injected},
    parked::Parked,
    postgres::{self, Postgres},
    sql::{self, Conn},
    tally::Tally,
    tx::Tx,
    uptime::Uptime,
    writer::{Batch, Job},
};
use crate::domain::order::Board;
use std::sync::Arc;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

/// The most operations in one transaction: enough to make the commit cheap, few enough to answer soon.
const MAX_BATCH: usize = 1_024;

/// Why a batch was not committed.
enum Failed {
    /// A statement failed, so some operation of it is at fault.
    Some(StoreError),
    /// The transaction failed.
    Every(StoreError),
}

/// The owner of the writing connection.
pub(super) struct Writer {
    conn: Conn,
    postgres: Option<Postgres>,
    ambient: Ambient,
    changes: Changes,
    up: Arc<Uptime>,
    /// None where a batch failed: then it may hold what was not committed.
    board: Option<Board>,
    /// The uptime that the database holds; none where nobody knows.
    kept_up: Option<i64>,
    parked: Parked,
}

impl Writer {
    pub(super) fn new(conn: Conn, postgres: Option<Postgres>, ambient: Ambient, changes: Changes, up: Arc<Uptime>) -> Self {
        Self { conn, postgres, ambient, changes, up, board: None, kept_up: None, parked: Parked::default() }
    }

    /// Serves as a task where it waits for its database, and on a thread of its own where its database is a file, which blocks;
    /// in a runtime of one thread that would free nobody. The handle tells when it has ended.
    pub(super) fn start(self, waiting: mpsc::Receiver<Job>) -> Result<JoinHandle<()>> {
        let runtime = Handle::current();
        if !self.conn.blocks() || runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            return Ok(tokio::spawn(self.run(waiting)));
        }
        let (ended, end) = oneshot::channel::<()>();
        let serve = move || {
            runtime.block_on(self.run(waiting));
            drop(ended);
        };
        std::thread::Builder::new().name("store".into()).spawn(serve).map_err(sqlx::Error::Io)?;
        Ok(tokio::spawn(async {
            let _ = end.await;
        }))
    }

    /// Serves until every handle is dropped, or another server writes to the database.
    async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(MAX_BATCH);
        while self.next(&mut waiting, &mut jobs).await {
            let mut todo = vec![Batch::of(jobs.drain(..))];
            while let Some(mut batch) = todo.pop() {
                match self.commit(&mut batch).await {
                    Ok(rules) => {
                        if rules {
                            self.parked.bounce();
                        } else {
                            self.parked.keep(&mut batch.claim);
                        }
                        batch.answer();
                    }
                    Err(Failed::Every(error)) => {
                        batch.fail(|| error.share());
                        if matches!(error, StoreError::Taken) {
                            return;
                        }
                    }
                    Err(Failed::Some(error)) => {
                        let mut jobs = batch.split();
                        let later = jobs.split_off(jobs.len() / 2);
                        if jobs.is_empty() {
                            let mut error = Some(error);
                            Batch::of(later).fail(|| error.take().unwrap_or(StoreError::Closed));
                        } else {
                            tracing::warn!(%error, "a batch failed; running its halves");
                            todo.extend([Batch::of(later), Batch::of(jobs)]);
                        }
                    }
                }
            }
        }
    }

    /// Waits for operations; `false` where none will come. While there are none, it looks whether it may still write: a server
    /// that may not must not answer reads either, and learns it from nobody else.
    async fn next(&mut self, waiting: &mut mpsc::Receiver<Job>, jobs: &mut Vec<Job>) -> bool {
        let Some(postgres) = &self.postgres else { return waiting.recv_many(jobs, MAX_BATCH).await > 0 };
        loop {
            tokio::select! {
                biased;
                taken = waiting.recv_many(jobs, MAX_BATCH) => return taken > 0,
                () = tokio::time::sleep(postgres::LOOK) => {}
            }
            match postgres.look(&mut self.conn).await {
                Err(StoreError::Taken) => return false,
                Err(error) => tracing::warn!(%error, "the database does not answer"),
                Ok(anew) => {
                    if anew {
                        self.board = None;
                    }
                }
            }
        }
    }

    /// Commits a batch, and tells whether rules of queues or budgets are among what was written.
    async fn commit(&mut self, batch: &mut Batch) -> std::result::Result<bool, Failed> {
        let fault = self.ambient.faults.as_ref().map_or(Fault::None, |faults| faults(&batch.kinds()));
        fault.delay().await;
        if let Err(error) = self.begin().await {
            // A transaction that could not be rolled back would refuse every one after it.
            self.rollback().await;
            return Err(Failed::Every(match error {
                StoreError::Database(error) => StoreError::Unavailable(error.into()),
                other => other,
            }));
        }
        let filled = match fault {
            Fault::Before => Err(injected().into()),
            _ => self.fill(batch).await,
        };
        #[cfg(test)]
        if filled.is_ok() {
            fault.audit(self.board.as_ref(), &mut self.conn, &self.ambient.times, self.up.now()).await;
        }
        match filled {
            Ok(_) if fault == Fault::After => {
                self.rollback().await;
                Err(Failed::Some(injected().into()))
            }
            Ok(committed) => {
                crate::crash_point!("store.commit");
                if let Err(error) = sql::query("commit").execute(&mut self.conn).await {
                    self.rollback().await;
                    self.kept_up = None;
                    return Err(Failed::Every(StoreError::Unsure(error.into())));
                }
                crate::crash_point!("store.committed");
                self.kept_up = committed.kept_up;
                self.changes.announce(&committed);
                if fault == Fault::Answer {
                    return Err(Failed::Every(StoreError::Unsure(injected().into())));
                }
                Ok(committed.rules)
            }
            Err(error) => {
                self.rollback().await;
                Err(match error {
                    StoreError::Database(error) if self.postgres.is_some() && postgres::is_lost(&error) => {
                        Failed::Every(StoreError::Unavailable(error.into()))
                    }
                    error => Failed::Some(error),
                })
            }
        }
    }

    async fn begin(&mut self) -> Result<()> {
        match &self.postgres {
            None => Ok(sql::query("begin immediate").execute(&mut self.conn).await.map(|_| ())?),
            Some(postgres) => {
                if postgres.begin(&mut self.conn).await? {
                    self.board = None;
                }
                Ok(())
            }
        }
    }

    async fn fill(&mut self, batch: &mut Batch) -> Result<Committed> {
        if self.board.is_none() {
            self.board = Some(board::load(&mut self.conn, &self.ambient.times, self.up.now(), None).await?);
        }
        let Some(board) = &mut self.board else { return Err(StoreError::Closed) };
        let mut tx = Tx {
            board,
            conn: &mut self.conn,
            now: self.ambient.clock.now(),
            up: &self.up,
            times: &self.ambient.times,
            rng: &*self.ambient.rng,
            clock: &*self.ambient.clock,
            events: Vec::new(),
            ready: false,
            rules: false,
            due: false,
            deadline: false,
            forgotten: None,
        };
        batch.run(&mut tx, &mut self.parked).await?;
        tx.fresh_board().await?;
        board::keep(&mut tx).await?;
        let tasks = tx.events.iter().filter_map(|e| e.task).collect();
        let tally = Tally::of(&tx.events);
        let newest_event = events::append(&mut tx).await?;
        // No deadline counts from a later uptime than this: it is looked at last.
        let up = Some(tx.up.now());
        let kept_up = if tx.deadline { up } else { self.kept_up };
        if kept_up != self.kept_up {
            sql::query("insert into meta (key, value) values ('uptime', $1) on conflict (key) do update set value = excluded.value")
                .bind(kept_up.map(|up| up.to_string()))
                .execute(&mut *tx.conn)
                .await?;
        }
        Ok(Committed { newest_event, rules: tx.rules, due: tx.due, tasks, forgotten: tx.forgotten, kept_up, tally })
    }

    async fn rollback(&mut self) {
        self.board = None;
        if let Err(error) = sql::query("rollback").execute(&mut self.conn).await {
            // SQLite ends the transaction itself on some errors; then there is nothing to roll back.
            tracing::debug!(%error, "rolling back");
        }
    }
}
