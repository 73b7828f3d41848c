//! Connections to one database or the other.

use super::{
    Dialect, FileConn,
    files::{Files, Lent},
};
use futures::stream::BoxStream;
use sqlx::{Connection as _, Executor, PgConnection, PgPool, Postgres, Transaction};

/// A connection: the writer's, or one of the readers' in a snapshot, which ends when it is dropped.
#[derive(Debug)]
pub(in crate::store) enum Conn {
    /// Statements block the thread that runs them, which is the writer's own.
    File(FileConn),
    /// Statements run on another thread.
    Lent(Lent),
    Postgres(PgConnection),
    PostgresSnapshot(Transaction<'static, Postgres>),
}

/// The readers.
#[derive(Clone, Debug)]
pub(in crate::store) enum Pool {
    Files(Files),
    Postgres(PgPool),
}

/// Where a statement runs.
pub(in crate::store) enum On<'c> {
    File(FileOn<'c>),
    Postgres(PostgresOn<'c>),
}

/// A connection to a file, or any of a pool.
pub(in crate::store) enum FileOn<'c> {
    /// On the thread that asks.
    Here(&'c mut FileConn),
    Lent(&'c mut Lent),
    Any(&'c Files),
}

/// A connection to Postgres, or any of a pool.
pub(in crate::store) enum PostgresOn<'c> {
    One(&'c mut PgConnection),
    Any(&'c PgPool),
}

impl Conn {
    /// Which database it is of.
    pub(in crate::store) const fn dialect(&self) -> Dialect {
        match self {
            Self::File(_) | Self::Lent(_) => Dialect::Sqlite,
            Self::Postgres(_) | Self::PostgresSnapshot(_) => Dialect::Postgres,
        }
    }

    /// Whether its statements block the thread that runs them.
    pub(in crate::store) const fn blocks(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Ends the connection in good order; a snapshot goes back to the readers.
    pub(in crate::store) async fn close(self) -> sqlx::Result<()> {
        match self {
            Self::File(conn) => conn.close(),
            Self::Lent(lent) => lent.close().await,
            Self::Postgres(conn) => conn.close().await,
            Self::PostgresSnapshot(tx) => tx.rollback().await,
        }
    }
}

impl Pool {
    /// A reader that sees the database as of one moment.
    pub(in crate::store) async fn snapshot(&self) -> sqlx::Result<Conn> {
        match self {
            Self::Files(files) => Ok(Conn::Lent(files.snapshot().await?)),
            Self::Postgres(pool) => {
                Ok(Conn::PostgresSnapshot(pool.begin_with("begin transaction isolation level repeatable read read only").await?))
            }
        }
    }

    /// Ends all of its connections in good order.
    pub(in crate::store) async fn close(&self) {
        match self {
            Self::Files(files) => files.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl<'c> From<&'c mut Conn> for On<'c> {
    fn from(conn: &'c mut Conn) -> Self {
        match conn {
            Conn::File(conn) => Self::File(FileOn::Here(conn)),
            Conn::Lent(lent) => Self::File(FileOn::Lent(lent)),
            Conn::Postgres(conn) => Self::Postgres(PostgresOn::One(conn)),
            Conn::PostgresSnapshot(tx) => Self::Postgres(PostgresOn::One(tx)),
        }
    }
}

impl<'c> From<&'c Pool> for On<'c> {
    fn from(pool: &'c Pool) -> Self {
        match pool {
            Pool::Files(files) => Self::File(FileOn::Any(files)),
            Pool::Postgres(pool) => Self::Postgres(PostgresOn::Any(pool)),
        }
    }
}

impl FileOn<'_> {
    pub(super) async fn run<T: Send + 'static>(self, work: impl FnOnce(&FileConn) -> sqlx::Result<T> + Send + 'static) -> sqlx::Result<T> {
        match self {
            Self::Here(conn) => work(conn),
            Self::Lent(lent) => lent.run(work).await,
            Self::Any(files) => files.run(work).await,
        }
    }
}

type Asked<'q> = sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments>;

impl<'c> PostgresOn<'c> {
    pub(super) fn fetch(self, query: Asked<'c>) -> BoxStream<'c, sqlx::Result<sqlx::postgres::PgRow>> {
        match self {
            Self::One(conn) => conn.fetch(query),
            Self::Any(pool) => pool.fetch(query),
        }
    }

    pub(super) async fn fetch_all(self, query: Asked<'_>) -> sqlx::Result<Vec<sqlx::postgres::PgRow>> {
        match self {
            Self::One(conn) => conn.fetch_all(query).await,
            Self::Any(pool) => pool.fetch_all(query).await,
        }
    }

    pub(super) async fn fetch_optional(self, query: Asked<'_>) -> sqlx::Result<Option<sqlx::postgres::PgRow>> {
        match self {
            Self::One(conn) => conn.fetch_optional(query).await,
            Self::Any(pool) => pool.fetch_optional(query).await,
        }
    }

    pub(super) async fn execute(self, query: Asked<'_>) -> sqlx::Result<u64> {
        match self {
            Self::One(conn) => Ok(conn.execute(query).await?.rows_affected()),
            Self::Any(pool) => Ok(pool.execute(query).await?.rows_affected()),
        }
    }
}
