//! The clock that deadlines run on: milliseconds of server uptime.
//!
//! It stands still while the server is down, its database cannot be written, or its process is stopped, and it goes
//! on from where it was. So an outage of ours expires nobody, and no deadline ever needs to be shifted
//! (`docs/decisions/0004-uptime-deadlines.md`).

use super::{
    error::Result,
    sql::{self, Conn},
    writer::{Statement, Tx},
};
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

/// Milliseconds that this database has been served, over all restarts.
#[derive(Debug)]
pub struct Uptime(AtomicI64);

impl Uptime {
    /// Continues where the last writer of a deadline left it.
    pub(super) async fn load(conn: &mut Conn) -> Result<Self> {
        let stored: Option<String> = sql::query_scalar("select value from meta where key = 'uptime'").fetch_optional(conn).await?;
        Ok(Self(AtomicI64::new(stored.and_then(|text| text.parse().ok()).unwrap_or(0))))
    }

    /// The uptime now, in ms.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The uptime at which a deadline `ms` from now is over.
    #[must_use]
    pub fn after(&self, ms: u64) -> i64 {
        self.now().saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    /// Moves on by `elapsed`, unless that is more than `outage`: then nobody was served, and nothing counts.
    /// Only the server's clockwork calls it, and only after the database answered.
    pub fn advance(&self, elapsed: Duration, outage: Duration) {
        if elapsed <= outage {
            self.0.fetch_add(i64::try_from(elapsed.as_millis()).unwrap_or(0), Ordering::Relaxed);
        }
    }
}

/// The uptime at which the database was restored.
pub(super) async fn restored(conn: &mut Conn) -> Result<Option<i64>> {
    let kept = sql::query_scalar("select cast(value as bigint) from meta where key = 'restored_up'");
    Ok(kept.fetch_optional(conn).await?)
}

/// Writes the uptime down although no deadline was, so that a restart repeats little of it.
#[derive(Clone, Copy, Debug)]
pub struct KeepUptime;

impl Statement for KeepUptime {
    type Output = ();
    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        tx.deadline_written();
        Ok(vec![(); batch.len()])
    }
}
