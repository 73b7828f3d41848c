//! Connections to one database or the other.

use super::Dialect;
use futures::stream::BoxStream;
use sqlx::{Connection as _, Executor, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction};

/// A connection: the writer's, or one of the readers' in a snapshot, which ends when it is dropped.
#[derive(Debug)]
pub(in crate::store) enum Conn {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
    SqliteSnapshot(Transaction<'static, Sqlite>),
    PostgresSnapshot(Transaction<'static, Postgres>),
}

/// The readers.
#[derive(Clone, Debug)]
pub(in crate::store) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Where a statement runs.
pub(in crate::store) enum On<'c> {
    Sqlite(SqliteOn<'c>),
    Postgres(PostgresOn<'c>),
}

/// A connection of the database's own kind, or any of a pool.
pub(in crate::store) enum SqliteOn<'c> {
    One(&'c mut SqliteConnection),
    Any(&'c SqlitePool),
}

/// The same for Postgres.
pub(in crate::store) enum PostgresOn<'c> {
    One(&'c mut PgConnection),
    Any(&'c PgPool),
}

impl Conn {
    /// Which database it is of.
    pub(in crate::store) const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) | Self::SqliteSnapshot(_) => Dialect::Sqlite,
            Self::Postgres(_) | Self::PostgresSnapshot(_) => Dialect::Postgres,
        }
    }

    /// Ends the connection in good order; a snapshot goes back to the readers.
    pub(in crate::store) async fn close(self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(conn) => conn.close().await,
            Self::Postgres(conn) => conn.close().await,
            Self::SqliteSnapshot(tx) => tx.rollback().await,
            Self::PostgresSnapshot(tx) => tx.rollback().await,
        }
    }
}

impl Pool {
    /// A reader that sees the database as of one moment.
    pub(in crate::store) async fn snapshot(&self) -> sqlx::Result<Conn> {
        match self {
            Self::Sqlite(pool) => Ok(Conn::SqliteSnapshot(pool.begin().await?)),
            Self::Postgres(pool) => {
                Ok(Conn::PostgresSnapshot(pool.begin_with("begin transaction isolation level repeatable read read only").await?))
            }
        }
    }

    /// Ends all of its connections in good order.
    pub(in crate::store) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl<'c> From<&'c mut Conn> for On<'c> {
    fn from(conn: &'c mut Conn) -> Self {
        match conn {
            Conn::Sqlite(conn) => Self::Sqlite(SqliteOn::One(conn)),
            Conn::Postgres(conn) => Self::Postgres(PostgresOn::One(conn)),
            Conn::SqliteSnapshot(tx) => Self::Sqlite(SqliteOn::One(tx)),
            Conn::PostgresSnapshot(tx) => Self::Postgres(PostgresOn::One(tx)),
        }
    }
}

impl<'c> From<&'c Pool> for On<'c> {
    fn from(pool: &'c Pool) -> Self {
        match pool {
            Pool::Sqlite(pool) => Self::Sqlite(SqliteOn::Any(pool)),
            Pool::Postgres(pool) => Self::Postgres(PostgresOn::Any(pool)),
        }
    }
}

macro_rules! executes {
    ($on:ident, $db:ident) => {
        impl<'c> $on<'c> {
            pub(super) fn fetch(
                self,
                query: sqlx::query::Query<'c, $db, <$db as sqlx::Database>::Arguments>,
            ) -> BoxStream<'c, sqlx::Result<<$db as sqlx::Database>::Row>> {
                match self {
                    Self::One(conn) => conn.fetch(query),
                    Self::Any(pool) => pool.fetch(query),
                }
            }

            pub(super) async fn fetch_all(
                self,
                query: sqlx::query::Query<'_, $db, <$db as sqlx::Database>::Arguments>,
            ) -> sqlx::Result<Vec<<$db as sqlx::Database>::Row>> {
                match self {
                    Self::One(conn) => conn.fetch_all(query).await,
                    Self::Any(pool) => pool.fetch_all(query).await,
                }
            }

            pub(super) async fn fetch_optional(
                self,
                query: sqlx::query::Query<'_, $db, <$db as sqlx::Database>::Arguments>,
            ) -> sqlx::Result<Option<<$db as sqlx::Database>::Row>> {
                match self {
                    Self::One(conn) => conn.fetch_optional(query).await,
                    Self::Any(pool) => pool.fetch_optional(query).await,
                }
            }

            pub(super) async fn execute(
                self,
                query: sqlx::query::Query<'_, $db, <$db as sqlx::Database>::Arguments>,
            ) -> sqlx::Result<<$db as sqlx::Database>::QueryResult> {
                match self {
                    Self::One(conn) => conn.execute(query).await,
                    Self::Any(pool) => pool.execute(query).await,
                }
            }
        }
    };
}

executes!(SqliteOn, Sqlite);
executes!(PostgresOn, Postgres);
