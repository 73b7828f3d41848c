//! An answer that does not end: bytes as they come.

use crate::{Failure, http, server::Server};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

pub(crate) struct Stream(BufReader<TcpStream>);

impl Stream {
    /// Asks on a connection of its own, and reads as far as the head.
    pub(crate) async fn open(server: &Server, path: &str, accept: &str) -> Result<Self, Failure> {
        let mut stream = http::connect(&server.address).await?;
        let token = &server.token;
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\naccept: {accept}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut stream = Self(BufReader::with_capacity(1 << 10, stream));
        let status = stream.line().await?;
        let mut chunked = false;
        loop {
            let line = stream.line().await?.to_ascii_lowercase();
            chunked |= line == "transfer-encoding: chunked";
            if line.is_empty() {
                break;
            }
        }
        if status.starts_with("HTTP/1.1 200") && chunked {
            return Ok(stream);
        }
        Err(format!("{path}: {status}, chunked: {chunked}").into())
    }

    /// The size of the next piece, which is read and dropped; 0 at the end.
    pub(crate) async fn next(&mut self) -> Result<usize, Failure> {
        let size = usize::from_str_radix(&self.line().await?, 16)?;
        let mut rest = vec![0; size + 2];
        self.0.read_exact(&mut rest).await?;
        Ok(size)
    }

    async fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Err("the connection was closed".into());
        }
        Ok(line.trim_end().to_owned())
    }
}
