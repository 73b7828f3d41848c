//! Named places at which a test can end the process as `kill -9` would.
//!
//! A debug build that was armed with `name` or `name:n` (by `app`, from `SLIPWAY_CRASH_POINT`) dies at the n-th pass
//! of that name; release builds hold no trace of it.

#[cfg(debug_assertions)]
use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

#[cfg(debug_assertions)]
static ARMED: OnceLock<(String, AtomicU32)> = OnceLock::new();

/// Arms one point for the life of the process: `name`, or `name:n` for the n-th pass. A second call changes nothing.
#[cfg(debug_assertions)]
pub fn arm(what: &str) {
    let (name, nth) = what.rsplit_once(':').and_then(|(name, n)| Some((name, n.parse().ok()?))).unwrap_or((what, 1));
    let _ = ARMED.set((name.to_owned(), AtomicU32::new(nth)));
}

/// Called by [`crash_point!`](crate::crash_point).
#[cfg(debug_assertions)]
pub fn pass(name: &str) {
    if let Some((_, left)) = ARMED.get().filter(|(armed, _)| armed == name)
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        // SIGABRT would run handlers and leave a core; SIGKILL is what the tests mean.
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::SIGKILL);
    }
}

/// Marks a place at which a test may end the process as `kill -9` would; nothing in release builds.
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::domain::crash::pass($name);
    };
}
