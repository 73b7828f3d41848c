//! Opening a SQLite database: options, schema, migrations.

use super::error::{Result, StoreError};
use sqlx::{
    Connection, SqliteConnection, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{path::Path, time::Duration};

/// Every migration, in order. They only go forward; an applied one never changes.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "init", include_str!("../../migrations/sqlite/0001_init.sql")),
    (2, "evidence", include_str!("../../migrations/sqlite/0002_evidence.sql")),
    (3, "order", include_str!("../../migrations/sqlite/0003_order.sql")),
    (4, "dependencies", include_str!("../../migrations/sqlite/0004_dependencies.sql")),
    (5, "arrays", include_str!("../../migrations/sqlite/0005_arrays.sql")),
    (6, "retention", include_str!("../../migrations/sqlite/0006_retention.sql")),
    (7, "revisions", include_str!("../../migrations/sqlite/0007_revisions.sql")),
    (8, "uploads", include_str!("../../migrations/sqlite/0008_uploads.sql")),
    (9, "notes", include_str!("../../migrations/sqlite/0009_notes.sql")),
    (10, "audit", include_str!("../../migrations/sqlite/0010_audit.sql")),
    (12, "stints", include_str!("../../migrations/sqlite/0012_stints.sql")),
];

/// Readers beside the one writer. Reads never wait for writes in WAL mode.
const READERS: u32 = 4;

/// `SQLITE_READONLY_ROLLBACK`, as sqlx names it.
const READONLY_ROLLBACK: &str = "776";

/// One writer and some readers on the file at `path`, created and migrated where needed.
///
/// # Errors
/// `NewerSchema` where a newer version wrote the file, which is then left as it is.
pub(super) async fn open(path: &Path) -> Result<(SqliteConnection, SqlitePool)> {
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
    let mut writer = SqliteConnection::connect_with(&writing).await?;
    migrator(MIGRATIONS).run(&mut writer).await?;
    let readers = SqlitePoolOptions::new().max_connections(READERS).min_connections(1).connect_with(common.read_only(true)).await?;
    Ok((writer, readers))
}

/// A connection to the database at `path`, which is there, whoever else uses it.
///
/// # Errors
/// `NewerSchema` where a newer version wrote the file.
pub(super) async fn open_existing(path: &Path) -> Result<SqliteConnection> {
    refuse_newer(path).await?;
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(10)).pragma("temp_store", "memory");
    Ok(SqliteConnection::connect_with(&options).await?)
}

/// The newest migration that the database has had, and the newest that is known.
pub(super) async fn schema(readers: &SqlitePool) -> Result<(i64, i64)> {
    let had: Option<i64> = sqlx::query_scalar("select max(version) from _sqlx_migrations").fetch_one(readers).await?;
    Ok((had.unwrap_or(0), MIGRATIONS.last().map_or(0, |migration| migration.0)))
}

fn migrator(migrations: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |&(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sqlx::SqlStr::from_static(sql), false)
    };
    Migrator::with_migrations(migrations.iter().map(migration).collect())
}

async fn refuse_newer(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let found = match newest_migration(path, true).await {
        // A death while the file was made left a journal to roll back, which takes the right to write. No version that
        // had migrated leaves one: from then on there is a write-ahead log.
        Err(error) if error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some(READONLY_ROLLBACK) => {
            newest_migration(path, false).await?
        }
        other => other?,
    };
    let known = MIGRATIONS.last().map_or(0, |m| m.0);
    match found {
        Some(found) if found > known => Err(StoreError::NewerSchema { path: path.to_owned(), found, known }),
        _ => Ok(()),
    }
}

/// The newest migration that the file has had; none where it has had none.
async fn newest_migration(path: &Path, read_only: bool) -> sqlx::Result<Option<i64>> {
    let mut conn = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path).read_only(read_only)).await?;
    let migrated: i64 =
        sqlx::query_scalar("select count(*) from sqlite_schema where name = '_sqlx_migrations'").fetch_one(&mut conn).await?;
    if migrated == 0 {
        conn.close().await?;
        return Ok(None);
    }
    let found = sqlx::query_scalar("select max(version) from _sqlx_migrations").fetch_one(&mut conn).await?;
    conn.close().await?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_of_an_earlier_version_is_brought_forward() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slipway.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
        migrator(&MIGRATIONS[..1]).run(&mut conn).await.unwrap();
        sqlx::query(
            "insert into attempt (task, attempt, runner, claim, claimed_at, ended_at, state) values (1, 1, 'r', 'c', 1, 2, 'failed')",
        )
        .execute(&mut conn)
        .await
        .unwrap();
        conn.close().await.unwrap();
        let (_writer, readers) = open(&path).await.unwrap();
        let kept: (Option<i64>, i64) =
            sqlx::query_as("select ended_up, (select count(*) from evidence) from attempt").fetch_one(&readers).await.unwrap();
        assert_eq!(kept, (None, 0));
    }
}
