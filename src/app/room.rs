//! How many files the process may have open, of which every connection is one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What database, logs and uploads need beside connections.
const OTHERS: u64 = 256;

/// Takes all the room that the system would give. Programs that are started inherit it, and some of them expect little.
pub(super) fn widen() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!(%error, soft, "no more room for connections could be taken");
    }
}

/// The most connections for which there is room; a quarter of all files at least.
pub(super) fn connections() -> usize {
    let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    usize::try_from(soft.saturating_sub(OTHERS).max(soft / 4)).unwrap_or(usize::MAX).max(1)
}
