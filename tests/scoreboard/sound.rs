//! What must hold of the programs in every row: no panic, and where they live throughout no growth of what they hold.

use crate::world::{Part, World};
use std::{fs, path::Path};

/// How many descriptors a program may have more at the end, when nothing is left to do: pools and caches that filled.
const FDS: usize = 40;

/// What a program holds.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) part: String,
    pid: i32,
    fds: Vec<String>,
}

impl Held {
    pub(crate) fn now(world: &mut World, part: Part) -> Self {
        Self::of(&format!("{part:?}"), world.part(part).pid())
    }

    /// The same of any process.
    pub(crate) fn of(part: &str, pid: i32) -> Self {
        let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let named = |entry: fs::DirEntry| fs::read_link(entry.path()).map_or_else(|_| "?".to_owned(), |to| to.display().to_string());
        // A server keeps the newest files of logs open, some hundreds of them.
        Self { part: part.to_owned(), pid, fds: fds.map(named).filter(|to| !to.contains("/logs/")).collect() }
    }

    /// How it has grown since; none where it has not. Another process in its place is a fault.
    pub(crate) fn grown(&self, now: &Self) -> Option<String> {
        if now.pid == self.pid && (1..=self.fds.len() + FDS).contains(&now.fds.len()) {
            return None;
        }
        let new: Vec<_> = now.fds.iter().filter(|fd| !self.fds.contains(fd)).take(20).collect();
        let of = (&self.part, self.pid, self.fds.len(), now.pid, now.fds.len());
        Some(format!(
            "{} (process {}) had {} descriptors, at the end (process {}) {}; of the new ones: {new:?}",
            of.0, of.1, of.2, of.3, of.4
        ))
    }
}

/// Which programs with their output in `root` have said that they panicked.
pub(crate) fn panics(root: &Path) -> Vec<String> {
    let said = |path: &Path| path.extension().is_some_and(|ending| ending == "err").then(|| fs::read_to_string(path).ok()).flatten();
    let files = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let told = files.filter_map(|path| {
        let text = said(&path)?;
        let line = text.lines().find(|line| line.contains("panicked at"))?;
        Some(format!("{}: {line}", path.display()))
    });
    told.collect()
}
