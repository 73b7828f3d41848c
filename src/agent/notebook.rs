//! What the attempt says of itself, gathered from all who know some of it.

use crate::wire::Notes;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The one copy of an attempt's notes. Heartbeats tell the parts that change all the time.
#[derive(Debug, Default)]
pub(super) struct Notebook {
    notes: Mutex<Notes>,
}

impl Notebook {
    /// Looks at the notes.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Notes) -> T) -> T {
        look(&self.lock())
    }

    /// Changes what heartbeats tell: usage and progress.
    pub(super) fn measure(&self, change: impl FnOnce(&mut Notes)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
