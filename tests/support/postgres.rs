//! A Postgres of a test's own, and what befalls it.

#[path = "postgres_server.rs"]
mod server;

use server::PostgresServer;
use sqlx::{Connection, PgConnection};
use std::io::Write;

/// Lives as long as this does, or the test.
pub(crate) struct Postgres(PostgresServer);

impl Postgres {
    pub(crate) async fn start() -> Self {
        Self::with([]).await
    }

    /// The same with some settings besides, each `name=value`.
    pub(crate) async fn with(settings: impl IntoIterator<Item = String>) -> Self {
        let settings: Vec<_> = settings.into_iter().collect();
        Self(tokio::task::spawn_blocking(move || PostgresServer::start(&settings)).await.expect("Postgres"))
    }

    /// The address of its database.
    pub(crate) fn url(&self) -> String {
        self.0.url("postgres")
    }

    /// Ends every connection to it but this one.
    pub(crate) async fn disconnect(&self) {
        let mut conn = PgConnection::connect(&self.url()).await.expect("a connection");
        let all =
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'";
        sqlx::query(all).execute(&mut conn).await.expect("it ends them");
    }

    /// `kill -9`, and at once another one over the same files.
    pub(crate) fn strike(&mut self) {
        let input = self.0.input.as_mut().expect("it runs");
        input.write_all(b"strike\n").expect("its input");
        input.flush().expect("its input");
    }
}
