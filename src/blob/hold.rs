//! Who removes logs, and who keeps them from being removed meanwhile, over processes: a lock on a file beside them.

use super::Logs;
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
};

/// While it lives, nobody removes a log.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "it holds the lock")] File);

/// While it lives, its owner may remove logs.
#[derive(Debug)]
pub struct Removing(#[expect(dead_code, reason = "it holds the lock")] File);

impl Logs {
    /// Keeps all logs as they are, but for their growing; waits while somebody removes some.
    ///
    /// # Errors
    /// The disk's.
    pub fn hold(&self) -> io::Result<Hold> {
        let file = self.lock_file()?;
        file.lock_shared()?;
        Ok(Hold(file))
    }

    /// Asks whether logs may be removed now; none while somebody holds them.
    ///
    /// # Errors
    /// The disk's.
    pub fn removing(&self) -> io::Result<Option<Removing>> {
        let file = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Removing(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn lock_file(&self) -> io::Result<File> {
        let root = self.0.disk.root();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(root.join("logs.lock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_removed_while_somebody_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let logs = || Logs::new(dir.path(), None);
        let (one, other) = (logs().hold().unwrap(), logs().hold().unwrap());
        assert!(logs().removing().unwrap().is_none());
        drop(one);
        assert!(logs().removing().unwrap().is_none());
        drop(other);
        let removing = logs().removing().unwrap().expect("nobody holds them");
        assert!(logs().removing().unwrap().is_none());
        drop(removing);
        logs().hold().unwrap();
    }
}
