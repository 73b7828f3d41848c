//! Connections to a SQLite file for those who may not block: their statements run on tokio's blocking threads.

use super::{FileConn, args::Arg, file::FileRow, text::Written};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use std::{
    future::ready,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::{JoinHandle, spawn_blocking},
};

/// So many rows are read ahead of whoever takes them one by one.
const AHEAD: usize = 256;

/// A statement whose rows come: those read ahead, the thread that reads, and whose connection it has.
type Reading<'c> = (mpsc::Receiver<FileRow>, Option<JoinHandle<(FileConn, sqlx::Result<()>)>>, &'c mut Lent);

/// Some connections to one file, lent to whoever reads. Clones are one.
#[derive(Clone)]
pub(in crate::store) struct Files(Arc<Inner>);

struct Inner {
    open: Box<dyn Fn() -> sqlx::Result<FileConn> + Send + Sync>,
    most: u32,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<FileConn>>,
}

/// A connection with whoever has it; goes back to its pool, where it is of one, when it is dropped.
#[derive(Debug)]
pub(in crate::store) struct Lent {
    /// None while a statement runs.
    conn: Option<FileConn>,
    home: Option<(Files, OwnedSemaphorePermit)>,
    snapshot: bool,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("most", &self.0.most).finish_non_exhaustive()
    }
}

impl Files {
    /// At most so many connections, the first of which is opened at once.
    ///
    /// # Errors
    /// SQLite's.
    pub(in crate::store) fn open(
        path: &Path,
        most: u32,
        open: impl Fn(&Path) -> sqlx::Result<FileConn> + Send + Sync + 'static,
    ) -> sqlx::Result<Self> {
        let path = path.to_owned();
        let open = Box::new(move || open(&path));
        let first = open()?;
        let permits = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(1)));
        Ok(Self(Arc::new(Inner { open, most, permits, idle: Mutex::new(vec![first]) })))
    }

    async fn permit(&self) -> sqlx::Result<OwnedSemaphorePermit> {
        self.0.permits.clone().acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)
    }

    fn idle(&self) -> Option<FileConn> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Blocks.
    fn lend(&self, permit: OwnedSemaphorePermit) -> sqlx::Result<Lent> {
        let conn = self.idle().map_or_else(|| (self.0.open)(), Ok)?;
        Ok(Lent { conn: Some(conn), home: Some((self.clone(), permit)), snapshot: false })
    }

    /// Runs something on a connection, to its end even if the caller stops waiting.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce(&FileConn) -> sqlx::Result<T> + Send + 'static) -> sqlx::Result<T> {
        let (files, permit) = (self.clone(), self.permit().await?);
        blocking(move || {
            let lent = files.lend(permit)?;
            work(lent.conn()?)
        })
        .await?
    }

    /// A connection that sees the file as of one moment.
    pub(super) async fn snapshot(&self) -> sqlx::Result<Lent> {
        let (files, permit) = (self.clone(), self.permit().await?);
        blocking(move || {
            let mut lent = files.lend(permit)?;
            lent.conn()?.batch("begin")?;
            lent.snapshot = true;
            Ok(lent)
        })
        .await?
    }

    /// Ends all connections, once nobody has one.
    pub(super) async fn close(&self) {
        let all = self.0.permits.acquire_many(self.0.most).await;
        self.0.permits.close();
        drop(all);
        while let Some(conn) = self.idle() {
            drop(conn);
        }
    }
}

impl Lent {
    /// A connection of no pool.
    pub(in crate::store) fn own(conn: FileConn) -> Self {
        Self { conn: Some(conn), home: None, snapshot: false }
    }

    fn conn(&self) -> sqlx::Result<&FileConn> {
        self.conn.as_ref().ok_or(sqlx::Error::WorkerCrashed)
    }

    /// Runs something on the connection, which is lost where the caller stops waiting.
    pub(super) async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&FileConn) -> sqlx::Result<T> + Send + 'static,
    ) -> sqlx::Result<T> {
        let conn = self.conn.take().ok_or(sqlx::Error::WorkerCrashed)?;
        let (conn, answer) = blocking(move || {
            let answer = work(&conn);
            (conn, answer)
        })
        .await?;
        self.conn = Some(conn);
        answer
    }

    /// The rows of a statement as they come, a few ahead. The connection is lost where they are not read to their end.
    pub(super) fn stream(&mut self, written: Arc<Written>, args: Vec<Arg>) -> BoxStream<'_, sqlx::Result<FileRow>> {
        let Some(conn) = self.conn.take() else { return stream::once(ready(Err(sqlx::Error::WorkerCrashed))).boxed() };
        let (sender, rows) = mpsc::channel(AHEAD);
        let reading = spawn_blocking(move || {
            let read = conn.read(&written, &args, |row| sender.blocking_send(row).is_ok());
            (conn, read)
        });
        stream::unfold((rows, Some(reading), self), next).boxed()
    }

    /// Ends the connection in good order, or gives it back.
    pub(super) async fn close(mut self) -> sqlx::Result<()> {
        match self.conn.take_if(|_| self.home.is_none()) {
            Some(conn) => blocking(move || conn.close()).await?,
            None => Ok(()),
        }
    }
}

/// The next row; at the end the connection goes back.
async fn next((mut rows, mut reading, home): Reading<'_>) -> Option<(sqlx::Result<FileRow>, Reading<'_>)> {
    if let Some(row) = rows.recv().await {
        return Some((Ok(row), (rows, reading, home)));
    }
    let error = match reading.take()?.await {
        Ok((conn, read)) => {
            home.conn = Some(conn);
            read.err()
        }
        Err(_) => Some(sqlx::Error::WorkerCrashed),
    };
    Some((Err(error?), (rows, reading, home)))
}

impl Drop for Lent {
    fn drop(&mut self) {
        let (Some(conn), Some((files, _permit))) = (self.conn.take(), self.home.take()) else { return };
        // Of what only read there is nothing to undo, so this does not block.
        if !self.snapshot || conn.batch("rollback").is_ok() {
            files.0.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> sqlx::Result<T> {
    spawn_blocking(work).await.map_err(|_| sqlx::Error::WorkerCrashed)
}
