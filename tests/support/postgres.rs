//! A Postgres of a test's own.

use sqlx::{Connection, PgConnection};
use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
};

/// Lives as long as this does, or the test.
pub(crate) struct Postgres {
    socket: PathBuf,
    child: Child,
    input: Option<ChildStdin>,
}

impl Postgres {
    pub(crate) async fn start() -> Self {
        let socket = tempfile::Builder::new().prefix("slwpg").tempdir().expect("a folder").keep();
        let mut command = Command::new("sh");
        // Its own process group: what stops the tests from a terminal must not stop it before it has cleaned up.
        command.args(["-c", include_str!("serve-postgres.sh"), "sh"]).arg(&socket).stdin(Stdio::piped()).process_group(0);
        let mut child = command.spawn().expect("start a shell");
        let input = child.stdin.take();
        let postgres = Self { socket, child, input };
        crate::eventually("Postgres", async || postgres.socket.join(".s.PGSQL.5432").exists().then_some(())).await;
        postgres
    }

    /// The address of its database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://slipway@localhost/postgres?host={}", self.socket.display())
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
        let input = self.input.as_mut().expect("it runs");
        input.write_all(b"strike\n").expect("its input");
        input.flush().expect("its input");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.input.take();
        let _ = self.child.wait();
    }
}
