//! Stores for tests: on SQLite, or with `SLIPWAY_TEST_DATABASE=postgres` on a Postgres of the tests' own.

use super::{Ambient, Store, StoreError};
use sqlx::{Connection, PgConnection};
use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

/// A server that lives as long as this process: it ends when its standard input does.
pub(crate) struct Cluster {
    socket: PathBuf,
    _guard: (Child, ChildStdin),
}

#[expect(clippy::disallowed_methods, reason = "which database a test runs on is its caller's choice")]
static CLUSTER: LazyLock<Option<Cluster>> = LazyLock::new(|| {
    let wanted = std::env::var("SLIPWAY_TEST_DATABASE").ok()?;
    assert!(["postgres", "sqlite"].contains(&wanted.as_str()), "SLIPWAY_TEST_DATABASE is sqlite or postgres");
    (wanted == "postgres").then(Cluster::start)
});

impl Cluster {
    pub(crate) fn of_tests() -> Option<&'static Self> {
        CLUSTER.as_ref()
    }

    fn start() -> Self {
        let socket = tempfile::Builder::new().prefix("slwpg").tempdir().expect("a folder").keep();
        let mut command = Command::new("sh");
        // Its own process group: what stops the tests from a terminal must not stop it before it has cleaned up.
        command
            .args(["-c", include_str!("../../tests/support/serve-postgres.sh"), "sh"])
            .arg(&socket)
            .stdin(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().expect("start a shell");
        let input = child.stdin.take().expect("its input");
        let cluster = Self { socket, _guard: (child, input) };
        let ready = || cluster.socket.join(".s.PGSQL.5432").exists();
        for _ in 0..600 {
            if ready() {
                return cluster;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let said = |log: &str| std::fs::read_to_string(cluster.socket.join(log)).unwrap_or_default();
        panic!("Postgres did not start; install the package postgresql: {}{}", said("initdb.log"), said("postgres.log"));
    }

    /// The address of the database of a folder, made where it is not there.
    pub(crate) async fn database(&self, of: &Path) -> String {
        let name = of.file_name().and_then(|name| name.to_str()).unwrap().trim_start_matches('.').to_owned();
        let url = |database: &str| format!("postgres://slipway@localhost/{database}?host={}", self.socket.display());
        let mut tries = 0;
        let mut conn = loop {
            match PgConnection::connect(&url("postgres")).await {
                Ok(conn) => break conn,
                // It may still be starting.
                Err(error) if tries > 100 => panic!("{error}"),
                Err(_) => tries += 1,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let known: i64 =
            sqlx::query_scalar("select count(*) from pg_database where datname = $1").bind(&name).fetch_one(&mut conn).await.unwrap();
        if known == 0 {
            let create = sqlx::AssertSqlSafe(format!("create database \"{name}\""));
            sqlx::query(create).execute(&mut conn).await.unwrap();
        }
        conn.close().await.unwrap();
        url(&name)
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
