//! An attempt that runs, and what its agent sends of its output.

use crate::{Failure, fill::fill, fresh, http, runner::Runner, server::Server};
use bytes::Bytes;
use slipway::wire::{LogAck, StartResponse, TaskId};
use tokio::net::TcpStream;

/// The most bytes of a log that a call takes.
pub(super) const FRAME: usize = 256 << 10;

pub(super) struct Attempt {
    pub(super) task: TaskId,
    path: String,
    token: String,
    stream: TcpStream,
    offset: usize,
}

impl Attempt {
    /// Submits a task, claims it and starts it.
    pub(super) async fn begin(server: &Server, runner: &mut Runner) -> Result<Self, Failure> {
        fill(server, 1).await?;
        let claimed = runner.claim(1, 10).await?.pop().ok_or("a claim came back empty")?;
        let path = format!("/api/v1/attempts/{}/{}", claimed.task, claimed.attempt);
        let body = serde_json::json!({"uid": "bench", "nonce": fresh()}).to_string();
        let request = Server::request("POST", &format!("{path}/start"), &claimed.start_token, &body);
        let mut stream = http::connect(&server.address).await?;
        let started: StartResponse = serde_json::from_slice(&http::exchange(&mut stream, &request, &["200"]).await?)?;
        Ok(Self { task: claimed.task, path, token: started.attempt_token, stream, offset: 0 })
    }

    /// Sends what comes next in the log; how far it has come.
    pub(super) async fn put(&mut self, bytes: &[u8]) -> Result<LogAck, Failure> {
        let (path, offset, token, length) = (&self.path, self.offset, &self.token, bytes.len());
        let head = format!(
            "PUT {path}/log?offset={offset}&crc32c={} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-type: application/octet-stream\r\ncontent-length: {length}\r\n\r\n",
            crc32c::crc32c(bytes)
        );
        let request: Bytes = [head.as_bytes(), bytes].concat().into();
        let ack: LogAck = serde_json::from_slice(&http::exchange(&mut self.stream, &request, &["200"]).await?)?;
        self.offset += length;
        if usize::try_from(ack.next_offset)? == self.offset {
            return Ok(ack);
        }
        Err(format!("the log goes on at {}, not at {}", ack.next_offset, self.offset).into())
    }
}
