//! Which migrations a database has had, and what this version makes of that.

use super::{
    error::{Result, StoreError},
    migrations::{self, Step},
    postgres,
    sql::{self, Conn, Dialect, Row},
    sqlite,
};
use sqlx::migrate::MigrateError;
use std::path::Path;

/// A database: the file of one, or the address of one of Postgres.
#[derive(Clone, Copy)]
pub enum Site<'a> {
    /// SQLite's file.
    File(&'a Path),
    /// `postgres://user@host/database`.
    Postgres(&'a str),
}

impl Site<'_> {
    /// Which database it is: `sqlite` or `postgres`.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::File(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
}

/// The migrations of a database, those that it has had and those that this version knows, in their order.
#[derive(Debug)]
pub struct Schema {
    /// One by one.
    pub migrations: Vec<MigrationRecord>,
    /// Why this version cannot serve the database, where that is so.
    pub unfit: Option<StoreError>,
}

/// A migration, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationRecord {
    /// Its number.
    pub version: i64,
    /// What it is about.
    pub name: String,
    /// Where it stands.
    pub standing: MigrationStanding,
}

/// Where a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationStanding {
    /// The database has had it.
    Applied,
    /// The database has not had it yet.
    Pending,
    /// The database has had another one under this number.
    Changed,
    /// The database has had it, and this version does not know it.
    Unknown,
    /// It began and did not come to its end.
    Unfinished,
}

impl MigrationStanding {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Changed => "changed",
            Self::Unknown => "unknown",
            Self::Unfinished => "unfinished",
        }
    }
}

impl Schema {
    /// Looks at a database, which may be in use, and changes nothing.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn look(site: Site<'_>) -> Result<Self> {
        Ok(match site {
            Site::File(path) => judge(sqlite::had(path).await?, migrations::SQLITE, &path.display().to_string()),
            Site::Postgres(url) => judge(postgres::had(url).await?, migrations::POSTGRES, postgres::NAME),
        })
    }

    /// Applies what is pending to a database that nobody serves: of a file the caller makes sure of that.
    ///
    /// # Errors
    /// `Taken` where a server writes to the Postgres database, why this version cannot serve it, and the database's.
    pub async fn migrate(site: Site<'_>) -> Result<()> {
        match site {
            Site::File(path) => {
                let (conn, readers) = sqlite::open(path).await?;
                readers.close().await;
                conn.close().await?;
            }
            Site::Postgres(url) => postgres::leave(postgres::take(url).await?).await?,
        }
        Ok(())
    }

    /// Whether something is pending.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.migrations.iter().any(|migration| migration.standing == MigrationStanding::Pending)
    }
}

/// A migration as the database says that it has had it.
pub(super) struct Had {
    pub(super) version: i64,
    name: String,
    checksum: Vec<u8>,
    finished: bool,
}

/// Those that the database has had, in their order; none where it has had none.
pub(super) async fn had(conn: &mut Conn) -> Result<Vec<Had>> {
    let there = match conn.dialect() {
        Dialect::Sqlite => "select count(*) from sqlite_schema where name = '_sqlx_migrations'",
        Dialect::Postgres => "select (to_regclass('_sqlx_migrations') is not null)::int",
    };
    let there: i64 = sql::query_scalar(there).fetch_one(&mut *conn).await?;
    if there == 0 {
        return Ok(Vec::new());
    }
    let rows = sql::query("select version, description, checksum, success from _sqlx_migrations order by version").fetch_all(conn).await?;
    let read = |row: &Row| {
        let (version, name) = (row.try_get("version")?, row.try_get("description")?);
        Ok(Had { version, name, checksum: row.try_get("checksum")?, finished: row.try_get("success")? })
    };
    rows.iter().map(read).collect()
}

/// Refuses a database that a newer version has written, which is to be left as it is.
pub(super) fn refuse_newer(had: &[Had], steps: &[Step], path: &str) -> Result<()> {
    let known = migrations::newest(steps);
    match had.last() {
        Some(newest) if newest.version > known => Err(StoreError::NewerSchema { path: path.into(), found: newest.version, known }),
        _ => Ok(()),
    }
}

/// Compares; pure.
fn judge(had: Vec<Had>, steps: &[Step], path: &str) -> Schema {
    use MigrationStanding as S;
    let mut unfit = refuse_newer(&had, steps, path).err();
    let known = migrations::migrator(steps);
    let pending = known.iter().filter(|step| !had.iter().any(|had| had.version == step.version));
    let record = |version, name: &str, standing| MigrationRecord { version, name: name.to_owned(), standing };
    let mut all: Vec<_> = pending.map(|step| record(step.version, &step.description, S::Pending)).collect();
    for Had { version, name, checksum, finished } in had {
        let step = known.iter().find(|step| step.version == version);
        let (standing, fault) = match step {
            _ if !finished => (S::Unfinished, Some(MigrateError::Dirty(version))),
            None => (S::Unknown, Some(MigrateError::VersionMissing(version))),
            Some(step) if *step.checksum != *checksum => (S::Changed, Some(MigrateError::VersionMismatch(version))),
            Some(_) => (S::Applied, None),
        };
        unfit = unfit.or(fault.map(StoreError::Migrate));
        all.push(record(version, &name, standing));
    }
    all.sort_by_key(|migration| migration.version);
    Schema { migrations: all, unfit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use migrations::SQLITE;

    /// What a database has had that went through `steps`.
    fn through(steps: &[Step]) -> Vec<Had> {
        let had = |step: &sqlx::migrate::Migration| Had {
            version: step.version,
            name: step.description.to_string(),
            checksum: step.checksum.to_vec(),
            finished: true,
        };
        migrations::migrator(steps).iter().map(had).collect()
    }

    fn told(had: Vec<Had>, steps: &[Step]) -> (Vec<&'static str>, Option<String>) {
        let schema = judge(had, steps, "a.db");
        let standings = schema.migrations.iter().map(|migration| migration.standing.as_str()).collect();
        (standings, schema.unfit.map(|error| error.to_string()))
    }

    #[test]
    fn a_database_is_current_behind_or_unfit() {
        assert_eq!(told(through(&SQLITE[..3]), &SQLITE[..3]), (vec!["applied"; 3], None));
        assert_eq!(told(through(&SQLITE[..1]), &SQLITE[..3]), (vec!["applied", "pending", "pending"], None));
        let (standings, unfit) = told(through(&SQLITE[..3]), &SQLITE[..2]);
        assert_eq!(standings, ["applied", "applied", "unknown"]);
        assert!(unfit.unwrap().contains("a newer version of Slipway (schema 3, this version knows 2)"));
    }

    #[test]
    fn what_was_changed_dropped_or_broken_off_is_named() {
        let mut changed = through(&SQLITE[..2]);
        changed[0].checksum[0] ^= 1;
        let (standings, unfit) = told(changed, &SQLITE[..2]);
        assert_eq!((standings, unfit.unwrap().contains("migration 1 ")), (vec!["changed", "applied"], true));
        let (standings, unfit) = told(through(&SQLITE[..2]), &SQLITE[1..3]);
        assert_eq!((standings, unfit.unwrap().contains("migration 1 ")), (vec!["unknown", "applied", "pending"], true));
        let mut broken = through(&SQLITE[..2]);
        broken[1].finished = false;
        let (standings, unfit) = told(broken, &SQLITE[..2]);
        assert_eq!((standings, unfit.unwrap().contains("migration 2 ")), (vec!["applied", "unfinished"], true));
    }
}
