//! The audit log: appended, read in pages, removed by age.

use super::{
    Store,
    error::Result,
    sql::{self, Row, cells},
    writer::{Statement, Tx},
};
use crate::domain::UnixMs;

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// When it was answered.
    pub at: UnixMs,
    /// Who.
    pub user: String,
    /// What: the name of the operation in the API document.
    pub action: String,
    /// To what: `tasks/1042`, `queues/gpu`.
    pub object: String,
    /// From which address.
    pub address: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The request's id.
    pub request_id: String,
}

/// Appends rows.
pub struct Audit(pub Vec<AuditRow>);

impl Statement for Audit {
    type Output = ();

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<()>> {
        let row = |r: &AuditRow| cells![r.at, &r.user, &r.action, &r.object, &r.address, r.status, &r.request_id];
        let rows = batch.iter().flat_map(|audit| audit.0.iter().map(row)).collect();
        tx.each("insert into audit each($1: at int, usr text, action text, object text, address text, status int, request_id text)", rows)
            .await?;
        Ok(vec![(); batch.len()])
    }
}

/// Removes some of the rows that are older.
pub struct ForgetAudit {
    /// Rows of this time and later stay.
    pub before: UnixMs,
}

/// The most rows that go in one step.
const STEP: u32 = 1_000;

impl Statement for ForgetAudit {
    /// Whether there may be more.
    type Output = bool;

    async fn run(batch: &[Self], tx: &mut Tx<'_>) -> Result<Vec<bool>> {
        let mut more = Vec::with_capacity(batch.len());
        for ForgetAudit { before } in batch {
            let done = sql::query("delete from audit where id in (select id from audit where at < $1 order by at limit $2)")
                .bind(before.0)
                .bind(STEP)
                .execute(&mut *tx.conn)
                .await?;
            more.push(done == u64::from(STEP));
        }
        Ok(more)
    }
}

/// Which rows are wanted.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// By this user.
    pub user: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// To this object, or to what belongs to it.
    pub object: Option<String>,
    /// Not before.
    pub since: Option<UnixMs>,
    /// Before.
    pub until: Option<UnixMs>,
}

impl Store {
    /// A page of the audit log: rows of which one after `after` comes first, or, `newest` first, those before it.
    pub async fn audit(&self, filter: &AuditFilter, after: Option<i64>, newest: bool, limit: u32) -> Result<Vec<(i64, AuditRow)>> {
        let sql = if newest { NEWEST_FIRST } else { OLDEST_FIRST };
        let rows = sql::query(sql)
            .bind(after)
            .bind(&filter.user)
            .bind(&filter.action)
            .bind(&filter.object)
            .bind(filter.since.map(|at| at.0))
            .bind(filter.until.map(|at| at.0))
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(read).collect()
    }
}

macro_rules! page {
    ($order:literal) => {
        concat!(
            "select id, at, usr, action, object, address, status, request_id from audit
             where ($2 is null or usr = $2) and ($3 is null or action = $3)
             and ($4 is null or object = $4 or substr(object, 1, length($4) + 1) = $4 || '/')
             and ($5 is null or at >= $5) and ($6 is null or at < $6) and ",
            $order,
            " limit $7"
        )
    };
}

const NEWEST_FIRST: &str = page!("id < coalesce($1, 9223372036854775807) order by id desc");
const OLDEST_FIRST: &str = page!("id > coalesce($1, 0) order by id");

fn read(row: &Row) -> Result<(i64, AuditRow)> {
    let audit = AuditRow {
        at: UnixMs(row.try_get("at")?),
        user: row.try_get("usr")?,
        action: row.try_get("action")?,
        object: row.try_get("object")?,
        address: row.try_get("address")?,
        status: u16::try_from(row.try_get::<i64>("status")?).unwrap_or_default(),
        request_id: row.try_get("request_id")?,
    };
    Ok((row.try_get("id")?, audit))
}
