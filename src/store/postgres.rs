//! Opening a Postgres database: the right to write, schema, migrations.
//!
//! One server writes at a time. It holds an advisory lock on the very connection that it writes with, so a connection that
//! is lost takes the right along, and it counts the epoch up, which every batch of writes then holds as it was.

use super::{
    address,
    error::{Result, StoreError},
    migrations::{self, POSTGRES},
    schema::{self, Had},
    sql::{self, Conn, Pool},
};
use sqlx::{
    Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{io::ErrorKind, time::Duration};

/// Readers beside the one writer.
const READERS: u32 = 6;
/// The key of the advisory lock: "slipway" as a number.
const LOCK: i64 = 0x0073_6c69_7077_6179;
/// No statement of ours takes so long; one that does is given up, so that nothing waits for ever.
const STATEMENT_MS: &str = "30000";
/// How often a server that has nothing to write looks whether it still may.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// "Permission denied", as Linux and macOS count it.
const EACCES: i32 = 13;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// What the database is called where its address, which may hold a password, is not to be shown.
pub(super) const NAME: &str = "the Postgres database";

/// Where a Postgres database is, and the epoch that its writer counts.
#[derive(Clone, Debug)]
pub(super) struct Postgres {
    options: PgConnectOptions,
    epoch: i64,
}

/// Whether a statement failed with its connection, or because the database ends: nothing of its transaction stays.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        // Connection exceptions, and what an operator does to a server (PostgreSQL, appendix A).
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P")),
        _ => false,
    }
}

/// The database as its one writer, and its readers, once nobody else writes; migrated where needed.
///
/// # Errors
/// `Taken` where another server writes, `NewerSchema` where a newer version did, `BadUrl`, `Tls`.
pub(super) async fn open(url: &str) -> Result<(Conn, Pool, Postgres)> {
    let options = options(url)?
        .statement_cache_capacity(300)
        .options([("statement_timeout", STATEMENT_MS), ("idle_in_transaction_session_timeout", STATEMENT_MS)]);
    let mut writer = ready(&options).await?;
    let epoch = sql::query_scalar("update epoch set number = number + 1 returning number").fetch_one(&mut writer).await?;
    let readers = PgPoolOptions::new().max_connections(READERS).acquire_timeout(CONNECT).connect_with(options.clone()).await?;
    Ok((writer, Pool::Postgres(readers), Postgres { options, epoch }))
}

/// A connection that alone may write to the database, and without a limit to how long that takes; migrated where needed. It is
/// no server's: nobody is replaced by it.
///
/// # Errors
/// As [`open`].
pub(super) async fn take(url: &str) -> Result<Conn> {
    ready(&options(url)?).await
}

/// Gives the right to write back at once, and ends the connection that had it.
pub(super) async fn leave(mut conn: Conn) -> Result<()> {
    sql::query("select pg_advisory_unlock($1)").bind(LOCK).fetch_one(&mut conn).await?;
    Ok(conn.close().await?)
}

/// A connection that only looks, whoever writes.
///
/// # Errors
/// `BadUrl`, `Tls`, and the database's.
pub(super) async fn look(url: &str) -> Result<Conn> {
    reach(&options(url)?.options([("default_transaction_read_only", "on")])).await
}

/// The migrations that the database has had.
pub(super) async fn had(url: &str) -> Result<Vec<Had>> {
    let mut conn = look(url).await?;
    let had = schema::had(&mut conn).await?;
    conn.close().await?;
    Ok(had)
}

/// What an address says.
fn options(url: &str) -> Result<PgConnectOptions> {
    address::postgres(url)?;
    let options: PgConnectOptions = url.parse().map_err(|error| StoreError::BadUrl(format!("{error}")))?;
    Ok(options.application_name("slipway").options([
        // A server whose machine is gone must not keep the lock.
        ("tcp_keepalives_idle", "2"),
        ("tcp_keepalives_interval", "1"),
        ("tcp_keepalives_count", "2"),
    ]))
}

/// A connection that has the right to write, to a database that is brought forward; one that a newer version wrote is left as
/// it is.
async fn ready(options: &PgConnectOptions) -> Result<Conn> {
    let mut conn = connect(options).await?;
    schema::refuse_newer(&schema::had(&mut conn).await?, POSTGRES, NAME)?;
    if let Conn::Postgres(conn) = &mut conn {
        migrations::migrator(POSTGRES).run(conn).await?;
    }
    Ok(conn)
}

impl Postgres {
    /// Begins a batch: nobody may take over until it ends, and nobody has. Where the connection was lost, on a new one: then
    /// `true`.
    ///
    /// # Errors
    /// `Taken` where another server writes now, or did meanwhile; the database's.
    pub(super) async fn begin(&self, conn: &mut Conn) -> Result<bool> {
        match begin(conn, self.epoch).await {
            Err(StoreError::Database(lost)) => {
                tracing::warn!(error = %lost, "the connection to the database was lost; making it anew");
                *conn = self.again().await?;
                begin(conn, self.epoch).await?;
                Ok(true)
            }
            begun => begun.map(|()| false),
        }
    }

    /// Whether this server may still write, while it has nothing to; answers and fails as [`Postgres::begin`].
    pub(super) async fn look(&self, conn: &mut Conn) -> Result<bool> {
        let anew = self.begin(conn).await?;
        sql::query("rollback").execute(conn).await?;
        Ok(anew)
    }

    /// The writer's connection anew.
    async fn again(&self) -> Result<Conn> {
        let mut writer = connect(&self.options).await?;
        let epoch: i64 = sql::query_scalar("select number from epoch").fetch_one(&mut writer).await?;
        if epoch == self.epoch { Ok(writer) } else { Err(StoreError::Taken) }
    }
}

/// A connection.
async fn reach(options: &PgConnectOptions) -> Result<Conn> {
    let connecting = tokio::time::timeout(CONNECT, PgConnection::connect_with(options));
    let conn = connecting.await.map_err(|_| sqlx::Error::PoolTimedOut)?;
    Ok(Conn::Postgres(conn.map_err(|error| refused(error, options))?))
}

/// A connection that has the right to write.
async fn connect(options: &PgConnectOptions) -> Result<Conn> {
    let mut conn = reach(options).await?;
    let held: bool = sql::query_scalar("select pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut conn).await?;
    if held { Ok(conn) } else { Err(StoreError::Taken) }
}

/// Why no connection came about. What TLS objects to looks like a lost connection, but no waiting mends it.
fn refused(error: sqlx::Error, options: &PgConnectOptions) -> StoreError {
    let over_tcp = options.get_socket().is_none() && !options.get_host().starts_with('/');
    match error {
        sqlx::Error::Tls(why) => StoreError::Tls(why.to_string().into()),
        // So rustls says what it holds against a certificate.
        sqlx::Error::Io(why) if why.kind() == ErrorKind::InvalidData => StoreError::Tls(why.to_string().into()),
        // On this way no files are opened but those that the address names. `EPERM` may be a firewall's.
        sqlx::Error::Io(why) if over_tcp && (why.kind() == ErrorKind::NotFound || why.raw_os_error() == Some(EACCES)) => {
            StoreError::Tls(format!("a file that its address names cannot be read: {why}").into())
        }
        error => error.into(),
    }
}

/// One batch on this connection.
async fn begin(conn: &mut Conn, epoch: i64) -> Result<()> {
    let Conn::Postgres(conn) = conn else { return Err(StoreError::Closed) };
    // Both in one message.
    let both = sqlx::AssertSqlSafe(format!("begin; select 1 from epoch where number = {epoch} for share"));
    let mine = sqlx::raw_sql(both).fetch_optional(conn).await?;
    if mine.is_some() { Ok(()) } else { Err(StoreError::Taken) }
}
