//! Opening a SQLite database: options, schema, migrations.

use super::{
    error::{Result, StoreError},
    migrations::{self, SQLITE, Step},
    schema::{self, Had},
    sql::{Conn, Pool},
};
use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{path::Path, time::Duration};

/// Readers beside the one writer. Reads never wait for writes in WAL mode.
const READERS: u32 = 4;

/// `SQLITE_READONLY_ROLLBACK`, as sqlx names it.
const READONLY_ROLLBACK: &str = "776";

/// One writer and some readers on the file at `path`, created and migrated where needed.
///
/// # Errors
/// `NewerSchema` where a newer version wrote the file, which is then left as it is.
pub(super) async fn open(path: &Path) -> Result<(Conn, Pool)> {
    refuse_newer(path).await?;
    let common = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_secs(10))
        .statement_cache_capacity(200)
        .pragma("cache_size", "-32768")
        .pragma("temp_store", "memory");
    let writing = common
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // Commit before acknowledging: FULL syncs the log at each commit, and group commit makes that cheap.
        .synchronous(SqliteSynchronous::Full)
        .auto_vacuum(SqliteAutoVacuum::Incremental);
    let mut writer = Conn::Sqlite(SqliteConnection::connect_with(&writing).await?);
    migrations::apply(&mut writer).await?;
    let readers = SqlitePoolOptions::new().max_connections(READERS).min_connections(1).connect_with(common.read_only(true)).await?;
    Ok((writer, Pool::Sqlite(readers)))
}

/// A new database at `path`, brought so far as the steps lead, to be filled by whoever makes it. Should they break off, what is
/// there is of no use to anybody.
pub(super) async fn make(path: &Path, steps: &[Step]) -> Result<Conn> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .pragma("cache_size", "-32768")
        .pragma("temp_store", "memory");
    let mut conn = SqliteConnection::connect_with(&options).await?;
    migrations::migrator(steps).run(&mut conn).await?;
    Ok(Conn::Sqlite(conn))
}

/// A connection to the database at `path`, which is there, whoever else uses it.
///
/// # Errors
/// `NewerSchema` where a newer version wrote the file.
pub(super) async fn open_existing(path: &Path) -> Result<Conn> {
    refuse_newer(path).await?;
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(10)).pragma("temp_store", "memory");
    Ok(Conn::Sqlite(SqliteConnection::connect_with(&options).await?))
}

async fn refuse_newer(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    schema::refuse_newer(&had(path).await?, SQLITE, &path.display().to_string())
}

/// The migrations that the file, which is there, has had.
pub(super) async fn had(path: &Path) -> Result<Vec<Had>> {
    match read_had(path, true).await {
        // A death while the file was made left a journal to roll back, which takes the right to write. No version that
        // had migrated leaves one: from then on there is a write-ahead log.
        Err(StoreError::Database(error))
            if error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some(READONLY_ROLLBACK) =>
        {
            read_had(path, false).await
        }
        other => other,
    }
}

async fn read_had(path: &Path, read_only: bool) -> Result<Vec<Had>> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(10)).read_only(read_only);
    let mut conn = Conn::Sqlite(SqliteConnection::connect_with(&options).await?);
    let had = schema::had(&mut conn).await?;
    conn.close().await?;
    Ok(had)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql;

    #[tokio::test]
    async fn a_database_of_an_earlier_version_is_brought_forward() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slipway.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
        migrations::migrator(&SQLITE[..1]).run(&mut conn).await.unwrap();
        sqlx::query(
            "insert into attempt (task, attempt, runner, claim, claimed_at, ended_at, state) values (1, 1, 'r', 'c', 1, 2, 'failed')",
        )
        .execute(&mut conn)
        .await
        .unwrap();
        conn.close().await.unwrap();
        let (_writer, readers) = open(&path).await.unwrap();
        let kept = sql::query("select ended_up, (select count(*) from evidence) as seen from attempt").fetch_one(&readers).await.unwrap();
        assert_eq!((kept.try_get::<Option<i64>>("ended_up").unwrap(), kept.try_get::<i64>("seen").unwrap()), (None, 0));
    }
}
