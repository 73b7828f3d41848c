//! Opening a SQLite database: options, schema, migrations.

use super::{
    error::{Result, StoreError},
    migrations::{self, SQLITE, Step},
    schema::{self, Had},
    sql::{Conn, FileConn, Files, Lent, Pool},
};
use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{path::Path, time::Duration};

/// Readers beside the one writer. Reads never wait for writes in WAL mode.
const READERS: u32 = 4;

/// `SQLITE_READONLY_ROLLBACK`.
const READONLY_ROLLBACK: &str = "776";

/// For so long a connection waits for another one's lock.
const BUSY: Duration = Duration::from_secs(10);

/// What every connection of a server is set to.
const COMMON: [(&str, &str); 3] = [("foreign_keys", "on"), ("cache_size", "-32768"), ("temp_store", "memory")];

/// One writer and some readers on the file at `path`, created and migrated where needed.
///
/// # Errors
/// `NewerSchema` where a newer version wrote the file, which is then left as it is.
pub(super) async fn open(path: &Path) -> Result<(Conn, Pool)> {
    refuse_newer(path).await?;
    let migrating = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .auto_vacuum(SqliteAutoVacuum::Incremental);
    let mut conn = SqliteConnection::connect_with(&migrating).await?;
    migrations::migrator(SQLITE).run(&mut conn).await?;
    // Commit before acknowledging: FULL syncs the log at each commit, and group commit makes that cheap.
    let mut settings = COMMON.to_vec();
    settings.push(("synchronous", "full"));
    let writer = FileConn::open(path, true, BUSY, &settings)?;
    let readers = Files::open(path, READERS, |path| FileConn::open(path, false, BUSY, &COMMON))?;
    // Not before: the last one that closes a file does away with its log.
    conn.close().await?;
    Ok((Conn::File(writer), Pool::Files(readers)))
}

/// A new database at `path`, brought so far as the steps lead, to be filled by whoever makes it. Should they break off, what is
/// there is of no use to anybody.
pub(super) async fn make(path: &Path, steps: &[Step]) -> Result<Conn> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .auto_vacuum(SqliteAutoVacuum::Incremental);
    let mut conn = SqliteConnection::connect_with(&options).await?;
    migrations::migrator(steps).run(&mut conn).await?;
    conn.close().await?;
    let mut settings = COMMON.to_vec();
    settings.extend([("journal_mode", "off"), ("synchronous", "off")]);
    Ok(Conn::Lent(Lent::own(FileConn::open(path, true, BUSY, &settings)?)))
}

/// The tables of this version in a database that holds nothing and is nowhere.
pub(super) fn blank() -> Result<Conn> {
    let conn = FileConn::in_memory()?;
    for (_, _, text) in SQLITE {
        conn.batch(text)?;
    }
    Ok(Conn::Lent(Lent::own(conn)))
}

/// A connection to the database at `path`, which is there, whoever else uses it.
///
/// # Errors
/// `NewerSchema` where a newer version wrote the file.
pub(super) async fn open_existing(path: &Path) -> Result<Conn> {
    refuse_newer(path).await?;
    Ok(Conn::Lent(Lent::own(FileConn::open(path, true, BUSY, &COMMON)?)))
}

async fn refuse_newer(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    schema::refuse_newer(&had(path).await?, SQLITE, &path.display().to_string())
}

/// The migrations that the file, which is there, has had.
pub(super) async fn had(path: &Path) -> Result<Vec<Had>> {
    match read_had(path, false).await {
        // A death while the file was made left a journal to roll back, which takes the right to write. No version that
        // had migrated leaves one: from then on there is a write-ahead log.
        Err(StoreError::Database(error))
            if error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some(READONLY_ROLLBACK) =>
        {
            read_had(path, true).await
        }
        other => other,
    }
}

async fn read_had(path: &Path, write: bool) -> Result<Vec<Had>> {
    let mut conn = Conn::Lent(Lent::own(FileConn::open(path, write, BUSY, &[])?));
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
