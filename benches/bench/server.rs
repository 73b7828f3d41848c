//! Our server, as a process of its own.

use crate::Failure;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// Where it keeps its tasks.
pub(crate) enum Database {
    /// One file below its data directory.
    Sqlite,
    /// What this URL names.
    Postgres(String),
}

/// Ends when it is let go.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    pub(crate) token: String,
}

/// Whether this build can keep its tasks on PostgreSQL: it says so in its help.
pub(crate) fn can_postgres() -> Result<bool, Failure> {
    let help = Command::new(env!("CARGO_BIN_EXE_slipway")).args(["server", "--help"]).output()?;
    Ok(String::from_utf8_lossy(&help.stdout).contains("--database "))
}

impl Server {
    /// Waits until it says where it is.
    pub(crate) fn start(dir: &Path, database: &Database) -> Result<Self, Failure> {
        std::fs::create_dir_all(dir)?;
        let (data, file) = (dir.join("data"), dir.join("server.yaml"));
        // One credential does everything as fast as it can, and so do the agents of one address, whose start tokens are new to the server.
        let kinds = ["read", "write", "runner", "beat", "bytes", "stranger"];
        let limits: Vec<_> = kinds.iter().map(|kind| format!("{kind}: {{perSecond: 0, burst: 1}}")).collect();
        std::fs::write(&file, format!("rates: {{{}}}\n", limits.join(", ")))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
        command.args(["server", "--listen", "127.0.0.1:0", "--log", "error", "--config"]).arg(&file).arg("--data-dir").arg(&data);
        if let Database::Postgres(url) = database {
            command.args(["--database", url]);
        }
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().ok_or("no standard error")?;
        let mut server = Self { child, address: String::new(), token: String::new() };
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("http://")).ok_or("the server did not start")?;
        // What it says from now on is for people; unread it would fill the pipe and stop the server.
        std::thread::spawn(move || lines.for_each(|line| eprintln!("server: {line}")));
        line.rsplit("http://").next().unwrap_or_default().trim().clone_into(&mut server.address);
        std::fs::read_to_string(data.join("admin-token"))?.trim().clone_into(&mut server.token);
        Ok(server)
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A whole request with this bearer token.
    pub(crate) fn request(method: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// A client over it.
    pub(crate) fn client(&self, token: &str) -> Result<slipway::client::Client, Failure> {
        Ok(slipway::client::Client::new(&format!("http://{}", self.address), Some(token.to_owned().into()), "bench/0")?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
