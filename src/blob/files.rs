//! A bounded set of open files.

use super::{lock, types::LogKey};
use crate::domain::TaskId;
use std::{
    collections::HashMap,
    fs::File,
    io,
    sync::{Arc, Mutex},
};

/// Open files, the least recently used one given up for a new one. At most `max` are kept; those in use at the moment
/// they are given up stay open for as long as the use lasts.
pub(super) struct Files {
    max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    files: HashMap<LogKey, (Arc<File>, u64)>,
    uses: u64,
}

impl Files {
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), inner: Mutex::default() }
    }

    /// The open file of a log, or the one that `open` returns, which is kept.
    pub(super) fn get(&self, key: LogKey, open: impl FnOnce() -> io::Result<File>) -> io::Result<Arc<File>> {
        if let Some(file) = lock(&self.inner).touch(key) {
            return Ok(file);
        }
        // Opened outside the lock: a slow disk must not stop the other logs. Of two at once, the last is kept.
        let file = Arc::new(open()?);
        self.keep(key, file.clone());
        Ok(file)
    }

    /// Gives up the files that `which` names.
    pub(super) fn forget(&self, which: impl Fn(LogKey) -> bool) {
        lock(&self.inner).files.retain(|key, _| !which(*key));
    }

    /// Gives up the files of a task.
    pub(super) fn forget_task(&self, task: TaskId) {
        self.forget(|key| key.attempt.task == task);
    }

    fn keep(&self, key: LogKey, file: Arc<File>) {
        let mut inner = lock(&self.inner);
        if inner.files.len() >= self.max
            && !inner.files.contains_key(&key)
            && let Some(oldest) = inner.files.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key)
        {
            inner.files.remove(&oldest);
        }
        inner.uses += 1;
        let used = inner.uses;
        inner.files.insert(key, (file, used));
    }
}

impl Inner {
    fn touch(&mut self, key: LogKey) -> Option<Arc<File>> {
        self.uses += 1;
        let (file, used) = self.files.get_mut(&key)?;
        *used = self.uses;
        Some(file.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AttemptNumber, AttemptRef};

    #[test]
    fn the_least_recently_used_file_makes_room() {
        let key = |n| LogKey { attempt: AttemptRef { task: TaskId(n), attempt: AttemptNumber(1) }, member: 0 };
        let files = Files::new(2);
        let get = |n| {
            let mut opened = false;
            files.get(key(n), || Ok((opened = true, tempfile::tempfile()?).1)).unwrap();
            opened
        };
        assert!(get(1) && get(2) && !get(1));
        assert!(get(3) && !get(1) && get(2));
        assert_eq!(lock(&files.inner).files.len(), 2);
        files.forget_task(TaskId(2));
        assert!(get(2));
    }
}
