//! Who a data directory is, and that only one runner uses it.

use super::RunnerError;
use crate::{domain::Rng, wire::RunnerName};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};
use uuid::Uuid;

/// What stays the same for the whole life of a data directory; kept in its `runner-id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Tells this data directory from every other.
    pub instance: Uuid,
    /// The name of a runner that is given none: `<host>-<5 characters>`.
    pub name: RunnerName,
}

/// Reads the data directory's identity; mints it, and the directory, the first time.
///
/// # Errors
/// `Io` where the file cannot be read or written, or holds something else.
pub fn identity(dir: &Path, hostname: &str, rng: &dyn Rng) -> Result<Identity, RunnerError> {
    make_dir(dir)?;
    let path = dir.join("runner-id");
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| RunnerError::io("understand", &path)(e.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let identity = Identity { instance: rng.uuid(), name: mint_name(hostname, rng).map_err(RunnerError::io("name", dir))? };
            write_whole(&path, &identity).map_err(RunnerError::io("write", &path))?;
            Ok(identity)
        }
        Err(error) => Err(RunnerError::io("read", &path)(error)),
    }
}

fn mint_name(hostname: &str, rng: &dyn Rng) -> io::Result<RunnerName> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let tail: String = (0..5).map(|_| char::from(LETTERS[usize::try_from(rng.below(32)).unwrap_or(0)])).collect();
    let host: String = hostname.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).take(57).collect();
    let host = host.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let whole = if host.is_empty() { format!("runner-{tail}") } else { format!("{host}-{tail}") };
    RunnerName::try_from(whole).map_err(io::Error::other)
}

/// Writes a JSON file that is there whole or not at all, readable by its owner alone.
pub(super) fn write_whole(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let new = path.with_added_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

pub(super) fn make_dir(dir: &Path) -> Result<(), RunnerError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(RunnerError::io("make", dir))
}

/// Takes the data directory for this process; it is free again once the file is dropped, also by death.
pub(super) fn hold(dir: &Path) -> Result<File, RunnerError> {
    make_dir(dir)?;
    let path = dir.join("runner.lock");
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(RunnerError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunnerError::Busy(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(RunnerError::io("lock", &path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(std::sync::atomic::AtomicU8);
    impl Rng for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    #[test]
    fn a_directory_keeps_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let rng = Counting(0.into());
        let first = identity(dir.path(), "gpu box.example", &rng).unwrap();
        assert_eq!(first.name.as_str().rsplit_once('-').unwrap().0, "gpu-box.example");
        assert_eq!(identity(dir.path(), "renamed", &rng).unwrap(), first);
        for odd in ["", "---", "ä", &"x".repeat(300)] {
            assert!(mint_name(odd, &rng).unwrap().as_str().len() <= 63);
        }
    }

    #[test]
    fn two_runners_do_not_share_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let held = hold(dir.path()).unwrap();
        assert!(matches!(hold(dir.path()), Err(RunnerError::Busy(_))));
        drop(held);
        hold(dir.path()).unwrap();
    }
}
