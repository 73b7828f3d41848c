//! The migrations of both databases. They only go forward; an applied one never changes.

use super::{
    error::Result,
    sql::{self, Pool},
};
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, name, text.
pub(super) type Step = (i64, &'static str, &'static str);

/// Those of SQLite.
pub(super) const SQLITE: &[Step] = &[
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
    (13, "names", include_str!("../../migrations/sqlite/0013_names.sql")),
    (14, "self_stop", include_str!("../../migrations/sqlite/0014_self_stop.sql")),
    (15, "lapsed", include_str!("../../migrations/sqlite/0015_lapsed.sql")),
    (16, "history", include_str!("../../migrations/sqlite/0016_history.sql")),
];

/// Those of Postgres. Its first makes what those of SQLite up to the same number have made; from then on numbers go together.
pub(super) const POSTGRES: &[Step] = &[
    (13, "init", include_str!("../../migrations/postgres/0013_init.sql")),
    (14, "self_stop", include_str!("../../migrations/postgres/0014_self_stop.sql")),
    (15, "lapsed", include_str!("../../migrations/postgres/0015_lapsed.sql")),
    (16, "history", include_str!("../../migrations/postgres/0016_history.sql")),
];

/// The newest of some steps.
pub(super) fn newest(steps: &[Step]) -> i64 {
    steps.last().map_or(0, |step| step.0)
}

/// What applies them.
pub(super) fn migrator(steps: &[Step]) -> Migrator {
    let migration =
        |&(version, name, sql): &Step| Migration::new(version, name.into(), MigrationType::Simple, sqlx::SqlStr::from_static(sql), false);
    Migrator::with_migrations(steps.iter().map(migration).collect())
}

/// The newest step that the database has had, and the newest that is known.
pub(super) async fn schema(readers: &Pool) -> Result<(i64, i64)> {
    let had: Option<i64> = sql::query_scalar("select max(version) from _sqlx_migrations").fetch_one(readers).await?;
    let known = match readers {
        Pool::Files(_) => newest(SQLITE),
        Pool::Postgres(_) => newest(POSTGRES),
    };
    Ok((had.unwrap_or(0), known))
}
