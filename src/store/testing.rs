//! Stores for tests: on SQLite, or with `SLIPWAY_TEST_DATABASE=postgres` on a Postgres of the tests' own.

#[path = "../../tests/support/postgres_server.rs"]
mod server;

use super::{Ambient, Store, StoreError};
use server::PostgresServer;
use sqlx::{Connection, PgConnection};
use std::{path::Path, sync::LazyLock, time::Duration};

/// A server that lives as long as this process.
pub(crate) struct Cluster(PostgresServer);

#[expect(clippy::disallowed_methods, reason = "which database a test runs on is its caller's choice")]
static CLUSTER: LazyLock<Option<Cluster>> = LazyLock::new(|| {
    let wanted = std::env::var("SLIPWAY_TEST_DATABASE").ok()?;
    assert!(["postgres", "sqlite"].contains(&wanted.as_str()), "SLIPWAY_TEST_DATABASE is sqlite or postgres");
    (wanted == "postgres").then(|| Cluster(PostgresServer::start(&[])))
});

impl Cluster {
    pub(crate) fn of_tests() -> Option<&'static Self> {
        CLUSTER.as_ref()
    }

    /// The same whatever the suite runs on, for what is about both databases.
    pub(crate) fn of_this_process() -> &'static Self {
        static OWN: LazyLock<Cluster> = LazyLock::new(|| Cluster(PostgresServer::start(&[])));
        Self::of_tests().unwrap_or_else(|| &OWN)
    }

    /// The address of the database of a folder, made where it is not there.
    pub(crate) async fn database(&self, of: &Path) -> String {
        let name = of.file_name().and_then(|name| name.to_str()).unwrap().trim_start_matches('.').to_owned();
        let mut conn = PgConnection::connect(&self.0.url("postgres")).await.unwrap();
        let known: i64 =
            sqlx::query_scalar("select count(*) from pg_database where datname = $1").bind(&name).fetch_one(&mut conn).await.unwrap();
        if known == 0 {
            let create = sqlx::AssertSqlSafe(format!("create database \"{name}\""));
            sqlx::query(create).execute(&mut conn).await.unwrap();
        }
        conn.close().await.unwrap();
        self.0.url(&name)
    }
}

/// Whether the suite runs on Postgres: a few tests are about SQLite's file.
pub(crate) fn on_postgres() -> bool {
    Cluster::of_tests().is_some()
}

/// The store in a folder; on Postgres in a database of that folder's name.
pub(crate) async fn opened(dir: &tempfile::TempDir, ambient: Ambient) -> Store {
    try_open(dir, ambient).await.expect("open the store")
}

pub(crate) async fn try_open(dir: &tempfile::TempDir, ambient: Ambient) -> Result<Store, StoreError> {
    let Some(cluster) = Cluster::of_tests() else {
        return Ok(Store::open(&dir.path().join("slipway.db"), ambient).await?.0);
    };
    let url = cluster.database(dir.path()).await;
    loop {
        match Store::connect(&url, ambient.clone()).await {
            // The one before has ended and its connection is about to.
            Err(StoreError::Taken) => tokio::time::sleep(Duration::from_millis(5)).await,
            opened => return Ok(opened?.0),
        }
    }
}
