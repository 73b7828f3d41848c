//! The files beside what is kept.

use nix::sys::{stat::futimens, time::TimeSpec};
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// The right to use something of the cache, for as long as it lives.
#[derive(Debug)]
pub(in crate::agent::setup) struct Use(#[expect(dead_code, reason = "it holds the lock")] pub(super) File);

impl Use {
    /// The same, where the file system gives a lock on what cannot be written.
    pub(super) fn of_what_cannot_be_written(dir: &Path) -> Option<Self> {
        let file = File::open(lock(dir)).ok()?;
        file.try_lock_shared().ok()?;
        Some(Self(file))
    }
}

fn lock(dir: &Path) -> PathBuf {
    dir.with_extension("lock")
}

/// The file that says that something is whole.
pub(super) fn ready(dir: &Path) -> PathBuf {
    dir.with_extension("ready")
}

/// The lock of something, not yet held. It stays for ever: who removed it would let two hold it at once.
pub(super) fn open(dir: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(lock(dir))
}

/// Whether it is there, whole.
pub(super) fn exists(dir: &Path) -> bool {
    ready(dir).exists()
}

/// Its use is now. Where that cannot be written it only looks less used than it is.
pub(super) fn touch(dir: &Path) {
    if let Ok(file) = File::options().write(true).open(ready(dir)) {
        let _ = futimens(&file, &TimeSpec::UTIME_NOW, &TimeSpec::UTIME_NOW);
    }
}

/// Removes it. The mark goes first: a death between leaves nothing that calls itself whole.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_file(ready(dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
