//! A Postgres that a test starts, as a process. The tests of the store include this file too.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
};

/// Lives as long as this does, or its process: it ends when its standard input does.
pub(crate) struct PostgresServer {
    dir: PathBuf,
    child: Child,
    pub(crate) input: Option<ChildStdin>,
}

impl PostgresServer {
    /// Makes one with some settings besides, each `name=value`; it takes connections.
    pub(crate) fn start(settings: &[String]) -> Self {
        let dir = tempfile::Builder::new().prefix("slwpg").tempdir().expect("a folder").keep();
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("serve-postgres.sh"), "sh"]).arg(&dir).args(settings);
        // Its own process group: what stops the tests from a terminal must not stop it before it has cleaned up.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().expect("start a shell");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("its output"));
        let mut said = String::new();
        BufReader::new(output).read_line(&mut said).expect("its output");
        let log = || fs::read_to_string(dir.join("postgres.log")).unwrap_or_default();
        assert!(said == "up\n", "Postgres did not start; install the package postgresql: {}", log());
        Self { dir, child, input }
    }

    /// The address of a database of it, over its socket.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://slipway@localhost/{database}?host={}", self.dir.display())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.input.take();
        let _ = self.child.wait();
    }
}
