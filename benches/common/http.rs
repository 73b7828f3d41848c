//! HTTP/1.1 as the benches speak it: one connection, one answer after the other, so that the caller costs next to nothing.

use crate::Failure;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection that stays open and sends at once what it is given.
pub(crate) async fn connect(address: &str) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a whole request and reads the body of its answer, whose status must be one of these.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &[u8], statuses: &[&str]) -> Result<Vec<u8>, Failure> {
    stream.write_all(request).await?;
    answer(stream, statuses).await
}

/// The body of one answer, read by its length.
async fn answer(stream: &mut TcpStream, statuses: &[&str]) -> Result<Vec<u8>, Failure> {
    let mut buffer = Vec::with_capacity(4096);
    let head = loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err("the connection was closed".into());
        }
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = std::str::from_utf8(&buffer[..head])?.to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("no length")?.parse::<usize>()?;
    while buffer.len() < head + length {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err("the answer was cut off".into());
        }
    }
    let body = buffer.split_off(head);
    if statuses.iter().any(|status| text.starts_with(&format!("http/1.1 {status}"))) {
        return Ok(body);
    }
    Err(format!("not {statuses:?}: {text}{}", String::from_utf8_lossy(&body)).into())
}
