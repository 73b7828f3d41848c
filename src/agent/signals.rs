//! What reaches the worker from outside, by way of init.

use super::Exit;
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// The signals of one agent.
pub(super) struct Signals {
    /// The machine is going away: SIGTERM or SIGINT came.
    pub(super) drain: CancellationToken,
    /// Signals that are the command's business.
    pub(super) passed: tokio::sync::mpsc::UnboundedReceiver<Signal>,
    _listeners: Vec<AbortOnDropHandle<()>>,
}

/// Listens from now on. Call it inside the runtime.
pub(super) fn listen() -> Result<Signals, Exit> {
    let drain = CancellationToken::new();
    let (send, passed) = tokio::sync::mpsc::unbounded_channel();
    let mut listeners = Vec::new();
    let fault = |e: std::io::Error| Exit::Fault(format!("cannot listen to signals: {e}"));
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let (mut stream, drain) = (signal(kind).map_err(fault)?, drain.clone());
        listeners.push(AbortOnDropHandle::new(tokio::spawn(async move {
            stream.recv().await;
            drain.cancel();
            // Further ones change nothing, but must not fall back on the default, which is death.
            while stream.recv().await.is_some() {}
        })));
    }
    for which in [Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2] {
        let (mut stream, send) = (signal(SignalKind::from_raw(which as i32)).map_err(fault)?, send.clone());
        listeners
            .push(AbortOnDropHandle::new(tokio::spawn(async move { while stream.recv().await.is_some() && send.send(which).is_ok() {} })));
    }
    Ok(Signals { drain, passed, _listeners: listeners })
}
