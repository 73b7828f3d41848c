//! A SQLite file, spoken to on the thread that asks.
//!
//! sqlx gives each connection a thread of its own and hands it every statement; for a transaction of the writer that is a dozen
//! hand-overs, which cost more than its statements (`docs/decisions/0025-sqlite-on-the-writers-thread.md`). Everything here blocks.

use super::{args::Arg, text::Written};
use rusqlite::{CachedStatement, Connection, OpenFlags, types::Value};
use sqlx::error::{DatabaseError, ErrorKind};
use std::{borrow::Cow, collections::HashMap, error::Error, path::Path, sync::Arc, time::Duration};

/// The statements that are kept prepared.
const PREPARED: usize = 200;

/// A connection to a file.
#[derive(Debug)]
pub(in crate::store) struct FileConn(Connection);

/// The place of each column by its name.
pub(super) type Names = HashMap<Box<str>, usize>;

/// A row of an answer.
pub(in crate::store) struct FileRow {
    names: Arc<Names>,
    values: Vec<Value>,
}

impl FileConn {
    /// Opens a database that is there.
    ///
    /// # Errors
    /// SQLite's.
    pub(in crate::store) fn open(path: &Path, write: bool, busy: Duration, pragmas: &[(&str, &str)]) -> sqlx::Result<Self> {
        let rights = if write { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
        let open = || {
            let conn = Connection::open_with_flags(path, rights | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            conn.busy_timeout(busy)?;
            conn.set_prepared_statement_cache_capacity(PREPARED);
            for (name, value) in pragmas {
                conn.pragma_update(None, name, value)?;
            }
            Ok(Self(conn))
        };
        open().map_err(failed)
    }

    /// An empty database of nobody else's.
    ///
    /// # Errors
    /// SQLite's.
    pub(in crate::store) fn in_memory() -> sqlx::Result<Self> {
        Ok(Self(Connection::open_in_memory().map_err(failed)?))
    }

    /// All rows, or the first few.
    pub(super) fn fetch(&self, written: &Written, args: &[Arg], most: usize) -> sqlx::Result<Vec<FileRow>> {
        let mut found = Vec::new();
        let take = |row| {
            found.push(row);
            found.len() < most
        };
        self.read(written, args, take)?;
        Ok(found)
    }

    /// Gives each row to `take`, until that says `false`.
    pub(super) fn read(&self, written: &Written, args: &[Arg], mut take: impl FnMut(FileRow) -> bool) -> sqlx::Result<()> {
        self.run(written, args, |statement| {
            let names = written.names.get_or_init(|| named(statement)).clone();
            let columns = statement.column_count();
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                let values = (0..columns).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?;
                if !take(FileRow { names: names.clone(), values }) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Runs a statement to its end; answers how many rows it wrote.
    pub(super) fn execute(&self, written: &Written, args: &[Arg]) -> sqlx::Result<u64> {
        let before = self.0.total_changes();
        self.run(written, args, |statement| {
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            Ok(true)
        })?;
        Ok(self.0.total_changes() - before)
    }

    /// Prepares a statement once and runs it once, or for each of the rows that are its first argument, until `run` says `false`
    /// (`docs/decisions/0026-rows-as-arguments.md`).
    fn run(
        &self,
        written: &Written,
        args: &[Arg],
        mut run: impl FnMut(&mut CachedStatement<'_>) -> rusqlite::Result<bool>,
    ) -> sqlx::Result<()> {
        let mut all = || {
            let mut statement = self.0.prepare_cached(&written.sql)?;
            let Some((Arg::Rows(rows), others)) = args.split_first() else {
                bind(&mut statement, 1, args)?;
                run(&mut statement)?;
                return Ok(());
            };
            let width = written.width();
            bind(&mut statement, width + 1, others)?;
            for row in rows {
                // A row that is too short would take what is left of the one before.
                if row.len() != width {
                    return Err(rusqlite::Error::InvalidParameterCount(row.len(), width));
                }
                bind(&mut statement, 1, row)?;
                if !run(&mut statement)? {
                    break;
                }
            }
            Ok(())
        };
        all().map_err(failed)
    }

    /// Runs a statement without arguments that is used rarely.
    pub(in crate::store) fn batch(&self, text: &str) -> sqlx::Result<()> {
        self.0.execute_batch(text).map_err(failed)
    }

    /// Ends the connection in good order.
    pub(in crate::store) fn close(self) -> sqlx::Result<()> {
        self.0.close().map_err(|(_, error)| failed(error))
    }
}

/// Gives a statement its arguments, from a place on.
fn bind(statement: &mut CachedStatement<'_>, from: usize, args: &[Arg]) -> rusqlite::Result<()> {
    args.iter().enumerate().try_for_each(|(at, arg)| statement.raw_bind_parameter(from + at, arg))
}

fn named(statement: &CachedStatement<'_>) -> Arc<Names> {
    Arc::new(statement.column_names().into_iter().enumerate().map(|(at, name)| (name.into(), at)).collect())
}

impl FileRow {
    /// The value of a column.
    pub(super) fn named(&self, name: &str) -> sqlx::Result<&Value> {
        let at = self.names.get(name).ok_or_else(|| sqlx::Error::ColumnNotFound(name.to_owned()))?;
        self.at(*at)
    }

    /// The value of the column at a place.
    pub(super) fn at(&self, place: usize) -> sqlx::Result<&Value> {
        let len = self.values.len();
        self.values.get(place).ok_or(sqlx::Error::ColumnIndexOutOfBounds { index: place, len })
    }
}

/// What SQLite said.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct FileError {
    code: Option<i32>,
    message: String,
}

impl DatabaseError for FileError {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        self.code.map(|code| code.to_string().into())
    }

    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// The same error as sqlx would tell it.
#[expect(clippy::needless_pass_by_value, reason = "it is mapped")]
fn failed(error: rusqlite::Error) -> sqlx::Error {
    let code = error.sqlite_error().map(|error| error.extended_code);
    sqlx::Error::Database(Box::new(FileError { code, message: error.to_string() }))
}
