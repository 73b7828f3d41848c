//! The attempts of this data directory, as they stand on disk.

use super::{
    Config, RunnerError,
    identity::{make_dir, write_whole},
    plan::Observed,
    procs::{self, Sign},
};
use crate::{
    crash_point,
    wire::{
        Assignment, AttemptNumber, AttemptRef, FinishRequest, TaskId,
        handoff::{MARKER, Testament, files, marker},
    },
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, DirEntry, File, Permissions, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};
use uuid::Uuid;

const META: &str = "meta.json";

/// What the runner notes of an attempt, in its directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) task: TaskId,
    pub(super) attempt: AttemptNumber,
    pub(super) claim: Uuid,
    /// Under which the agent starts it; no other attempt ever has it.
    pub(super) uid: String,
    /// The life of the machine in which it was begun.
    pub(super) boot_id: String,
    pub(super) gpus: Vec<u32>,
    /// How often an agent was started for it.
    pub(super) launches: u32,
}

impl Meta {
    pub(super) fn of(&self) -> AttemptRef {
        AttemptRef { task: self.task, attempt: self.attempt }
    }

    pub(super) fn marker(&self) -> String {
        marker(self.of(), &self.uid)
    }
}

/// The directory `attempts/`.
#[derive(Clone, Debug)]
pub(super) struct Attempts {
    dir: PathBuf,
    pub(super) boot_id: String,
}

impl Attempts {
    /// Opens it and removes what an earlier runner had half made, or half removed.
    pub(super) fn open(config: &Config) -> Result<Self, RunnerError> {
        let dir = config.dir.join("attempts");
        make_dir(&dir)?;
        // Without symbolic links, as /proc shows working directories.
        let dir = dir.canonicalize().map_err(RunnerError::io("resolve", &dir))?;
        for entry in fs::read_dir(&dir).map_err(RunnerError::io("list", &dir))?.flatten() {
            if !hidden(&entry) && read_meta(&entry.path()).is_none() {
                tracing::warn!(path = %entry.path().display(), "no attempt's directory; left alone");
            }
        }
        // Where the kernel does not say, every attempt counts as of this life: the safer guess, since a lock is proof.
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        Ok(Self { dir, boot_id })
    }

    pub(super) fn path(&self, of: AttemptRef) -> PathBuf {
        self.dir.join(format!("{}-{}", of.task, of.attempt))
    }

    /// Makes an attempt's directory with everything in it, or nothing.
    pub(super) fn make(&self, meta: &Meta, assignment: &Assignment) -> io::Result<PathBuf> {
        let path = self.path(meta.of());
        let new = self.hidden(meta.of());
        let _ = remove_tree(&new);
        DirBuilder::new().mode(0o700).create(&new)?;
        write_whole(&new.join(META), meta)?;
        write_whole(&new.join(files::ASSIGNMENT), assignment)?;
        crash_point!("runner.making");
        fs::rename(&new, &path)?;
        File::open(&self.dir)?.sync_all()?;
        Ok(path)
    }

    /// Notes that another agent is started for it.
    pub(super) fn renew(&self, meta: &Meta, assignment: &Assignment) -> io::Result<PathBuf> {
        let path = self.path(meta.of());
        write_whole(&path.join(META), meta)?;
        write_whole(&path.join(files::ASSIGNMENT), assignment)?;
        Ok(path)
    }

    /// Every attempt there is a directory for.
    pub(super) fn list(&self) -> Vec<Meta> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let named = entries.filter(|entry| !hidden(entry));
        named.filter_map(|entry| read_meta(&entry.path())).collect()
    }

    pub(super) fn meta(&self, of: AttemptRef) -> Option<Meta> {
        read_meta(&self.path(of))
    }

    /// Whether an agent carries it now.
    pub(super) fn locked(&self, of: AttemptRef) -> bool {
        locked(&self.path(of))
    }

    /// Looks at every attempt.
    ///
    /// The order matters, because agents go on meanwhile: result, then processes, then lock. A free lock then means that
    /// whoever wrote the result, or had started the attempt before this look, is dead; and without a process an agent
    /// on its way to the lock cannot be either. Processes are looked for only where an agent is dead, which is dear.
    pub(super) fn observe(&self) -> Vec<Observed> {
        self.sweep();
        let metas = self.list();
        let signs: Vec<_> = metas.iter().map(|meta| self.sign(meta)).collect();
        let all_locked = || metas.iter().all(|meta| self.locked(meta.of()));
        let results: Vec<_> = metas.iter().map(|meta| self.result(meta)).collect();
        let early = (!all_locked()).then(|| procs::carried(&signs));
        let locks: Vec<_> = metas.iter().map(|meta| self.locked(meta.of())).collect();
        let carried = early.unwrap_or_else(|| {
            let alive = locks.iter().all(|locked| *locked);
            if alive { vec![true; metas.len()] } else { procs::carried(&signs) }
        });
        let look = |(((meta, result), locked), processes): (((Meta, _), bool), bool)| Observed {
            of: meta.of(),
            claim: meta.claim,
            same_boot: meta.boot_id == self.boot_id,
            locked,
            processes,
            result,
            launches: meta.launches,
            verdict: None,
            uid: meta.uid,
        };
        metas.into_iter().zip(results).zip(locks).zip(carried).map(look).collect()
    }

    fn sign(&self, meta: &Meta) -> Sign {
        Sign { marker: format!("{MARKER}={}", meta.marker()), dir: self.path(meta.of()) }
    }

    /// Kills everything of an attempt; whether nothing is left.
    pub(super) fn kill(&self, of: AttemptRef) -> bool {
        self.meta(of).is_none_or(|meta| procs::kill_all(&self.sign(&meta)))
    }

    /// The result that its agent left behind.
    fn result(&self, meta: &Meta) -> Option<FinishRequest> {
        let path = self.path(meta.of()).join(files::RESULT);
        let testament: Testament = serde_json::from_slice(&fs::read(&path).ok()?)
            .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "cannot be understood"))
            .ok()?;
        ((testament.task, testament.attempt) == (meta.task, meta.attempt)).then_some(testament.result).flatten()
    }

    /// Removes an attempt's directory. It loses its name first: what a death leaves of it is no attempt any more, and
    /// goes with the next [`Attempts::open`].
    pub(super) fn remove(&self, of: AttemptRef) -> io::Result<()> {
        let going = self.hidden(of);
        let _ = remove_tree(&going);
        match fs::rename(self.path(of), &going) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other?,
        }
        crash_point!("runner.removing");
        remove_tree(&going)
    }

    /// Removes what is half made or half removed, which nobody is at while this runner looks.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten().filter(hidden) {
            if let Err(error) = remove_tree(&entry.path()) {
                tracing::warn!(path = %entry.path().display(), %error, "cannot remove what is left of an attempt; trying again later");
            }
        }
    }

    /// Where a directory stands that is half made, or half removed.
    fn hidden(&self, of: AttemptRef) -> PathBuf {
        self.dir.join(format!(".{}-{}", of.task, of.attempt))
    }
}

fn hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// Removes a directory, whatever a command did to permissions inside; none is no error.
fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn open_up(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

fn read_meta(dir: &Path) -> Option<Meta> {
    let path = dir.join(META);
    let read = || serde_json::from_slice(&fs::read(&path)?).map_err(io::Error::from);
    read().inspect_err(|error| tracing::debug!(path = %path.display(), %error, "no attempt's directory")).ok()
}

fn locked(dir: &Path) -> bool {
    // Taken for a moment where it is free; an agent that wants it just then tries again.
    File::open(dir.join(files::LOCK)).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
