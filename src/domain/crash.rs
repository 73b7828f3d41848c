//! Named places at which a test can end the process as `kill -9` would.
//!
//! A debug build that was armed with `name` or `name:n` (by `app`, from `SLIPWAY_CRASH_POINT`) dies at the n-th pass
//! of that name. With `@FILE` behind it only that process dies which makes the file, so that of all that inherit the
//! variable, and of all that come after, there is one; and the file proves that the place was passed. Release builds
//! hold no trace of it.

#[cfg(debug_assertions)]
use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

#[cfg(debug_assertions)]
struct Armed {
    name: String,
    left: AtomicU32,
    file: Option<String>,
}

#[cfg(debug_assertions)]
static ARMED: OnceLock<Armed> = OnceLock::new();

/// Arms one point for the life of the process: `name`, or `name:n` for the n-th pass, and `@FILE` for the one process
/// that makes the file. A second call changes nothing.
#[cfg(debug_assertions)]
pub fn arm(what: &str) {
    let (what, file) = what.split_once('@').map_or((what, None), |(what, file)| (what, Some(file.to_owned())));
    let (name, nth) = what.rsplit_once(':').and_then(|(name, n)| Some((name, n.parse().ok()?))).unwrap_or((what, 1));
    let _ = ARMED.set(Armed { name: name.to_owned(), left: AtomicU32::new(nth), file });
}

/// Called by [`crash_point!`](crate::crash_point).
#[cfg(debug_assertions)]
pub fn pass(name: &str) {
    if let Some(armed) = ARMED.get().filter(|armed| armed.name == name)
        && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
        && armed.file.as_deref().is_none_or(made)
    {
        // SIGABRT would run handlers and leave a core; SIGKILL is what the tests mean.
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::SIGKILL);
    }
}

/// Whether this call made the file.
#[cfg(debug_assertions)]
fn made(file: &str) -> bool {
    use nix::{
        fcntl::{OFlag, open},
        sys::stat::Mode,
    };
    open(file, OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::S_IRUSR).is_ok()
}

/// Marks a place at which a test may end the process as `kill -9` would; nothing in release builds.
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::domain::crash::pass($name);
    };
}
