//! Addresses for servers.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU32, Ordering},
};

/// A free address for a server that comes back to it. It lies below the range from which the system gives ports to
/// outgoing connections, so that nobody takes it while the server is away.
pub(crate) fn free_address(ip: IpAddr) -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id() * 64;
    loop {
        let port = 12_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 18_000;
        let address = SocketAddr::new(ip, u16::try_from(port).unwrap_or_default());
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
