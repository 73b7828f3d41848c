//! How the store fails.

use std::{path::PathBuf, sync::Arc};

/// A fault of the database or of what it holds. What a caller did wrong is never one of these: operations say that
/// in their own answers.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or failed a statement.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// No transaction could begin; nothing was stored.
    #[error("database: {0}")]
    Unavailable(Arc<sqlx::Error>),
    /// The commit failed, or its answer was lost: the operation may be stored or not.
    #[error("database, committing: {0}")]
    Unsure(Arc<sqlx::Error>),
    /// A migration failed.
    #[error("migrating the database: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row holds what this version cannot read.
    #[error("table {table}, row {id}: {what}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's key.
        id: i64,
        /// What is wrong with it.
        what: String,
    },
    /// The database was written by a newer version; it was not touched.
    #[error(
        "{path} was written by a newer version of Slipway (schema {found}, this version knows {known}): run that version, or restore a backup"
    )]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this version knows.
        known: i64,
    },
    /// Another server writes to the database, or has since this one did: this one may not.
    #[error("another server writes to this database")]
    Taken,
    /// A database to be filled is not empty; it was not touched.
    #[error("the database is not empty (there are rows in its table {table}): name one that no server has used")]
    NotEmpty {
        /// A table with rows.
        table: String,
    },
    /// No server has ever used the database.
    #[error("there is nothing of Slipway in the database")]
    Absent,
    /// A table is not as this version knows it.
    #[error("table {table} of the database is not the one that this version knows: somebody changed it")]
    Differs {
        /// The table.
        table: String,
    },
    /// What should name a Postgres database does not. No part of it is shown that could be a password.
    #[error("not the address of a Postgres database: {0}; it looks like postgres://user@host/database")]
    BadUrl(String),
    /// TLS with the database does not come about, and will not by itself.
    #[error(
        "no TLS with the database: {0}; in its address sslmode says what is checked, and sslrootcert=FILE whose certificate is trusted"
    )]
    Tls(Arc<str>),
    /// The writer has stopped.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether it may pass by itself, so that whoever opens the database should try again.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Taken => true,
            Self::Database(error) => super::postgres::is_lost(error),
            _ => false,
        }
    }

    /// The same fault for one more caller of a transaction that failed.
    pub(super) fn share(&self) -> Self {
        match self {
            Self::Unavailable(error) => Self::Unavailable(error.clone()),
            Self::Unsure(error) => Self::Unsure(error.clone()),
            Self::Taken => Self::Taken,
            Self::Tls(why) => Self::Tls(why.clone()),
            _ => Self::Closed,
        }
    }
}

/// The answer of every store operation.
pub type Result<T> = std::result::Result<T, StoreError>;
