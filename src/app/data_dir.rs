//! The data directory: private, and used by one server at a time.

use anyhow::{Context, Result, bail};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// The address of the object store that holds bytes of logs and uploads.
const BLOBS: &str = "blobs";

/// A data directory that this process alone serves, for as long as this value lives.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory where it is missing (mode 0700) and takes its lock.
    ///
    /// # Errors
    /// Another server has it, or it cannot be used.
    pub(super) fn take(path: &Path) -> Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the data directory {}", path.display()))?;
        let path = fs::canonicalize(path).with_context(|| format!("cannot use the data directory {}", path.display()))?;
        let file = path.join("lock");
        let mut lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&file)?;
        match try_for_a_moment(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                bail!(
                    "another server uses {} (process {}): stop it, or give this one another --data-dir",
                    path.display(),
                    if holder.trim().is_empty() { "unknown" } else { holder.trim() }
                );
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("cannot lock {}", file.display())),
        }
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that bytes are in an object store.
    pub(super) fn set_blobs(&self, url: &str) -> Result<()> {
        let path = self.file(BLOBS);
        fs::write(&path, url).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The address of the object store of this directory's servers, if there has been one.
    pub(super) fn blobs(&self) -> Result<Option<String>> {
        blobs(&self.path)
    }
}

/// The address of the object store of the servers of a data directory, if there has been one.
pub(super) fn blobs(dir: &Path) -> Result<Option<String>> {
    let path = dir.join(BLOBS);
    match fs::read_to_string(&path) {
        Ok(url) => Ok(Some(url)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Takes the lock. A `slipway up` that was killed while it started an agent leaves its files to the half-made process
/// for a moment, so one refusal means nothing yet.
fn try_for_a_moment(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..20 {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(25)),
            other => return other,
        }
    }
    lock.try_lock()
}

/// Writes a secret to a file that only its owner reads, whole or not at all.
pub(super) fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let new = path.with_added_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        writeln!(file, "{secret}")?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
