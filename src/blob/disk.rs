//! Segments as files of a local directory: `<root>/logs/<task/1000>/<task>/<attempt>-<member>.log`.
//!
//! Everything here blocks.

use super::{files::Files, lock, types::LogKey};
use crate::domain::TaskId;
use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// How many files are kept open.
const MAX_FILES: usize = 512;

pub(super) struct Disk {
    root: PathBuf,
    files: Files,
    /// The directories above those of tasks whose own names are known to be on the disk.
    anchored: Mutex<HashSet<PathBuf>>,
}

impl Disk {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), files: Files::new(MAX_FILES), anchored: Mutex::default() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the file exactly `len` bytes long; returns how long it was. For an empty log none is made: most that stay empty
    /// would cost more than all else of their task.
    pub(super) fn prepare(&self, key: LogKey, len: u64) -> io::Result<u64> {
        self.files.forget(|other| other == key);
        let file = if len > 0 {
            self.made(key)?
        } else {
            match self.existing(key) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
                other => other?,
            }
        };
        let have = file.metadata()?.len();
        if have != len {
            file.set_len(len)?;
        }
        self.files.get(key, || Ok(file))?;
        Ok(have)
    }

    pub(super) fn write(&self, key: LogKey, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.files.get(key, || self.made(key))?.write_all_at(bytes, offset)
    }

    /// Lets the file end at `len`, what is new being a hole.
    pub(super) fn set_len(&self, key: LogKey, len: u64) -> io::Result<()> {
        self.files.get(key, || self.made(key))?.set_len(len)
    }

    /// Up to `len` bytes; fewer where the file ends, none where there is no file.
    pub(super) fn read(&self, key: LogKey, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let file = match self.file(key) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        read_up_to(&file, offset, len)
    }

    /// Puts the file's bytes and length on the disk.
    pub(super) fn sync(&self, key: LogKey) -> io::Result<()> {
        // Through a file that was reopened since the write, too: the kernel syncs the inode, and a write-back error
        // that nobody has seen is reported to the next one who asks.
        self.file(key)?.sync_data()
    }

    /// Puts the file's name on the disk, and those of the directories above it.
    pub(super) fn sync_names(&self, key: LogKey) -> io::Result<()> {
        let task_dir = self.task_dir(key.attempt.task);
        let mut dirs = task_dir.ancestors();
        for dir in dirs.by_ref().take(2) {
            sync_dir(dir)?;
        }
        // The two levels above change once in a thousand tasks.
        let above: Vec<_> = dirs.take(2).map(Path::to_owned).collect();
        let group = self.group_dir(key.attempt.task);
        if !lock(&self.anchored).contains(&group) {
            above.iter().try_for_each(|dir| sync_dir(dir))?;
            lock(&self.anchored).insert(group);
        }
        Ok(())
    }

    pub(super) fn forget(&self, key: LogKey) {
        self.files.forget(|other| other == key);
    }

    /// Deletes the file of a log; that there is none is no error.
    pub(super) fn remove(&self, key: LogKey) -> io::Result<()> {
        self.forget(key);
        match fs::remove_file(self.path(key)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Deletes the logs of a task; that there are none is no error.
    pub(super) fn remove_task(&self, task: TaskId) -> io::Result<()> {
        self.files.forget_task(task);
        match fs::remove_dir_all(self.task_dir(task)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    pub(super) fn path(&self, key: LogKey) -> PathBuf {
        self.task_dir(key.attempt.task).join(format!("{}-{}.log", key.attempt.attempt, key.member))
    }

    fn file(&self, key: LogKey) -> io::Result<Arc<File>> {
        self.files.get(key, || self.existing(key))
    }

    fn existing(&self, key: LogKey) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(key))
    }

    /// The file, created where it is missing.
    fn made(&self, key: LogKey) -> io::Result<File> {
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(self.path(key));
        match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(self.task_dir(key.attempt.task))?;
                open()
            }
            other => other,
        }
    }

    fn group_dir(&self, task: TaskId) -> PathBuf {
        self.root.join("logs").join((task.0 / 1_000).to_string())
    }

    fn task_dir(&self, task: TaskId) -> PathBuf {
        self.group_dir(task).join(task.to_string())
    }
}

/// Up to `len` bytes of a file; fewer where it ends.
pub(super) fn read_up_to(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir)?.sync_all()
}
