//! One address before two servers, as a Service of Kubernetes is: a connection goes to whoever says that it is ready.

use crate::support::free_address;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Serves until it is dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Service {
    pub(crate) async fn before(servers: Vec<SocketAddr>) -> Self {
        let address = free_address(Ipv4Addr::LOCALHOST.into());
        let listener = TcpListener::bind(address).await.expect("an address");
        let task = tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                let servers = servers.clone();
                tokio::spawn(async move {
                    for server in servers {
                        if status(server, "/readyz").await == Some(200)
                            && let Ok(mut server) = TcpStream::connect(server).await
                        {
                            let _ = copy_bidirectional(&mut caller, &mut server).await;
                            return;
                        }
                    }
                });
            }
        });
        Self { address, task }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a server answers to a bare GET; none where it does not.
pub(crate) async fn status(server: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(server).await.ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes()).await.ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.ok()?;
    std::str::from_utf8(&head[9..]).ok()?.parse().ok()
}
