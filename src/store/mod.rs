//! The one seam to the database. Only this room knows SQL.
//!
//! Writing: every operation is a struct ([`Submit`], [`Claim`], [`Finish`], …) that [`Store::run`] hands to one
//! writer. The writer takes everything that waits, runs it in one transaction, commits, and only then answers, so a
//! single durable commit serves all that arrived while the one before was being synced (`commit.rs`).
//!
//! Two shapes of operation exist. A *transition* concerns one task and is plain code: the writer loads the tasks of a
//! whole batch with one statement, applies the rules of `domain` in memory, and writes what changed with one statement
//! per table (`work.rs`). A *statement* does its own SQL for all of its kind in the batch (submit, claim, queues).
//!
//! Reading goes past the writer on connections of its own and never waits for it.
//!
//! Another database joins by another form of what `sqlite.rs`, `work.rs` and the statements hold; callers see neither.

mod abandon;
mod address;
mod arrays;
mod audit;
mod backup;
mod beat;
mod board;
mod budgets;
mod cancel;
mod cascade;
mod catalog;
mod changes;
mod check;
mod claim;
mod commit;
mod copy;
mod deadlines;
mod dependencies;
mod due;
mod error;
mod events;
mod evidence;
mod export;
mod faults;
mod finish;
mod flush;
mod gate;
mod gather;
mod halt;
mod holders;
mod insert;
mod lane;
mod lapsed;
mod late;
mod lease;
mod logs;
mod migrations;
mod moves;
mod notes;
mod numbers;
mod oldest;
mod parents;
mod parked;
mod patch;
mod place;
mod postgres;
mod queues;
mod record;
mod report;
mod retention;
mod revisions;
mod runners;
mod schema;
mod sql;
mod sqlite;
mod standing;
mod start;
mod starts;
mod submit;
mod supersede;
mod tally;
mod tasks;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tokens;
mod tx;
mod uploads;
mod uptime;
mod used;
mod waits;
mod watched;
mod work;
mod writer;

pub use abandon::Abandon;
pub use address::names_file;
pub use arrays::{ArrayRecord, Place};
pub use audit::{Audit, AuditFilter, AuditRow, ForgetAudit};
pub use backup::{DatabaseCopy, Restored, adopt};
pub use beat::Beat;
pub use budgets::{ApplyBudget, BudgetFault, BudgetRecord, BudgetRefusal, BudgetUse, DeleteBudget};
pub use cancel::{Cancel, Cancelled};
pub use cascade::{CancelElements, Cascade, Cascaded};
pub use changes::{Changes, TaskWatch};
pub use check::Known;
pub use claim::{Claim, ClaimedAttempt, QueueShare};
pub use copy::{EmptyDatabase, Told};
pub use deadlines::Overdue;
pub use dependencies::{After, ForgetAwaited, On, Unblock};
pub use due::{Chore, Due, Expire, SettleOverdue};
pub use error::{Result, StoreError};
pub use events::{EventFilter, EventRecord};
pub use evidence::Refine;
pub use export::AttemptOfPage;
pub use faults::{Fault, Faults};
pub use finish::{Finish, Finished, Settle};
pub use gather::Release;
pub use halt::{DrainQueue, Halt, PauseQueue};
pub use holders::{HolderRecord, Holding};
pub use late::CompleteLog;
pub use lease::{LeaseRecord, Refusal};
pub use logs::{LogMark, MarkLogs};
pub use moves::{Boost, Boosted, Move, MoveTo, Moved};
pub use notes::Note;
pub use parents::{NoParent, Parent};
pub use patch::{Patch, Patched, merge_labels};
pub use place::Age;
pub use queues::{ApplyQueue, DeleteQueue, Keeper, QueueRecord, QueueRefusal};
pub use record::{AttemptRecord, TaskRecord};
pub use report::{Report, ReportOutcome, Reporting};
pub use retention::{BytesGone, Cut, Kept, Prune, Shrink};
pub use revisions::{MAX_REVISIONS, RevisionRecord};
pub use runners::{Register, Renew, RunnerRecord};
pub use schema::{MigrationRecord, MigrationStanding, Schema, Site};
pub use standing::{Block, Standing};
pub use start::Start;
pub use starts::StartRecord;
pub use submit::{ForgetKeys, Idempotency, NewTask, Submit, Submitted};
pub use supersede::Supersede;
pub use tally::{Tally, TaskEnd};
pub use tasks::TaskFilter;
pub use tokens::{CreateToken, RevokeToken, TokenCreated, TokenRecord, TokensUsed};
pub use uploads::{ForgetUploads, RecordOutput, RecordUpload};
pub use uptime::{KeepUptime, Uptime};
pub use used::{UsageKeys, UsageRecord};
pub use waits::{Waits, Wake};
pub use watched::LiveAttempt;
pub use writer::Operation;

use crate::domain::{Clock, Rng, Times};
use std::{path::Path, sync::Arc};
use tokio::{sync::mpsc, task::JoinHandle};

/// What the store is given by its owner.
#[derive(Clone)]
pub struct Ambient {
    /// Wall-clock time for records.
    pub clock: Arc<dyn Clock>,
    /// Start tokens and the spread of retry pauses.
    pub rng: Arc<dyn Rng>,
    /// Leases, pauses and other times of the protocol.
    pub times: Times,
    /// Faults of the database that a test asks for; none outside tests.
    pub faults: Option<Faults>,
}

/// A handle on the database; clones share it.
#[derive(Clone)]
pub struct Store {
    jobs: mpsc::Sender<writer::Job>,
    readers: sql::Pool,
    changes: Changes,
    uptime: Arc<Uptime>,
    times: Times,
    instance: Arc<str>,
    restored_up: Option<i64>,
}

impl Store {
    /// Opens the SQLite database at `path`, creates and migrates it where needed, and starts its writer. The writer
    /// ends when every handle is dropped; the join handle tells when.
    ///
    /// # Errors
    /// `NewerSchema` where a newer version wrote the file; it is then left untouched.
    pub async fn open(path: &Path, ambient: Ambient) -> Result<(Self, JoinHandle<()>)> {
        let (connection, readers) = sqlite::open(path).await?;
        Self::begin(connection, readers, None, ambient).await
    }

    /// The same for the Postgres database at `url`, once no other server writes to it.
    ///
    /// # Errors
    /// `Taken` while another server does, `BadUrl`, `Tls`, and as [`Store::open`].
    pub async fn connect(url: &str, ambient: Ambient) -> Result<(Self, JoinHandle<()>)> {
        let (connection, readers, postgres) = postgres::open(url).await?;
        Self::begin(connection, readers, Some(postgres), ambient).await
    }

    async fn begin(
        mut connection: sql::Conn,
        readers: sql::Pool,
        postgres: Option<postgres::Postgres>,
        ambient: Ambient,
    ) -> Result<(Self, JoinHandle<()>)> {
        let uptime = Arc::new(Uptime::load(&mut connection).await?);
        let instance = record::instance(&mut connection, &*ambient.rng).await?;
        let restored_up = uptime::restored(&mut connection).await?;
        let changes = Changes::at(events::newest(&readers).await?, events::forgotten(&readers).await?);
        let (jobs, waiting) = mpsc::channel(4096);
        let times = ambient.times.clone();
        let handle = commit::Writer::new(connection, postgres, ambient, changes.clone(), uptime.clone()).start(waiting)?;
        Ok((Self { jobs, readers, changes, uptime, times, instance: instance.into(), restored_up }, handle))
    }

    /// Waits until the writer has ended and the database is free, where this is the last handle.
    #[cfg(test)]
    async fn closed(self) {
        let Self { jobs, readers, uptime, .. } = self;
        drop(jobs);
        readers.close().await;
        // The writer lets go of it after its connection.
        while Arc::strong_count(&uptime) > 1 {
            tokio::task::yield_now().await;
        }
    }

    /// What changed, for those who wait.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The clock that deadlines run on.
    #[must_use]
    pub fn uptime(&self) -> &Arc<Uptime> {
        &self.uptime
    }

    /// Which database it is: `sqlite` or `postgres`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.readers {
            sql::Pool::Files(_) => "sqlite",
            sql::Pool::Postgres(_) => "postgres",
        }
    }

    /// The newest migration that the database has had, and the newest that this version knows.
    pub async fn schema(&self) -> Result<(i64, i64)> {
        migrations::schema(&self.readers).await
    }

    /// The uptime in ms at which the database was restored, where it was.
    #[must_use]
    pub fn restored_up(&self) -> Option<i64> {
        self.restored_up
    }

    /// Five characters minted with the database: the part of object names that tells installations apart.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }
}
