//! Reads the command's output.

use super::Log;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe::Receiver,
    time::{sleep, timeout},
};

/// What one look at the pipe takes at most: what a pipe holds by default.
const PIECE: usize = 64 << 10;
/// A look that finds less finds a command that writes slowly. The pipe has room for what it writes until the next one.
const LITTLE: usize = PIECE / 4;
/// How long the next look then waits, so that a command that writes line by line does not cost a look for each of them.
const GATHER: Duration = Duration::from_millis(5);

/// Reads until nobody can write any more.
pub(in crate::agent) async fn pump(mut output: Receiver, log: Arc<Log>) {
    let mut piece = vec![0; PIECE];
    loop {
        let read = output.read(&mut piece);
        let read = match log.patience() {
            Some(silence) => {
                let Ok(read) = timeout(silence, read).await else {
                    log.pause();
                    continue;
                };
                read
            }
            None => read.await,
        };
        let gathered = match read {
            Ok(0) => return,
            Ok(n) => {
                log.push(&piece[..n]);
                if n < LITTLE { gather(output).await } else { Ok(output) }
            }
            Err(error) => Err(error),
        };
        output = match gathered {
            Ok(output) => output,
            Err(error) => {
                tracing::warn!(%error, "the command's output cannot be read any more");
                return;
            }
        };
    }
}

/// Waits without hearing of each write meanwhile.
async fn gather(output: Receiver) -> io::Result<Receiver> {
    let deaf = output.into_nonblocking_fd()?;
    sleep(GATHER).await;
    Receiver::from_owned_fd(deaf)
}
