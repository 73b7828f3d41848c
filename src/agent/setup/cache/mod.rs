//! What is kept from task to task, on a volume that the queue names or in a directory of the runner: copies of repositories,
//! what pip, uv and conda downloaded, and whole environments.
//!
//! Several tasks use it at once. Each thing is a directory `NAME` with two files beside it: whoever uses it holds a shared lock
//! (`flock`) on `NAME.lock`, whoever makes or removes it an exclusive one; `NAME.ready` says that it is whole, its time when it
//! was used last, its text how many bytes it has. Over its size the cache loses what was not used for longest ([`bound`]).
//! Where it cannot be written, what is ready in it is used and everything else is made in the task's own directory.

mod bound;
mod lock;

pub(super) use lock::Use;

use crate::wire::{CacheSource, Sha256};
use lock::{exists, open, remove, touch};
use std::{
    fs::{self, File, TryLockError},
    io,
    path::PathBuf,
    time::Duration,
};
use tokio::time::sleep;

/// How large everything may grow together where the queue says nothing: 20 GiB.
const SIZE: u64 = 20 << 30;
/// How long somebody else's making of the same environment is waited for.
const PATIENCE: Duration = Duration::from_mins(30);
/// Where environments are, and where copies of repositories.
const ENVIRONMENTS: &str = "env";
const REPOSITORIES: &str = "git";

/// A cache.
#[derive(Clone, Debug)]
pub(in crate::agent) struct Cache {
    dir: PathBuf,
    writable: bool,
    size: u64,
}

/// A copy of a repository, which nobody removes meanwhile.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) dir: PathBuf,
    /// Whether something may be fetched into it: it is held by who does, for as long as that takes.
    pub(super) fetch: Option<File>,
    lent: Option<Use>,
}

/// Where a program keeps what it downloaded, which nobody removes meanwhile.
#[derive(Debug)]
pub(super) struct Downloads {
    pub(super) dir: PathBuf,
    _lent: Use,
}

/// What is known of an environment.
#[derive(Debug)]
pub(super) enum Kept {
    /// It is there, whole.
    Ready(PathBuf, Option<Use>),
    /// It is ours to make, there.
    Make(Making),
    /// It cannot be kept.
    No,
}

/// The right to make an environment.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) dir: PathBuf,
    lock: File,
}

impl Cache {
    /// The cache in a directory, which is made where that can be.
    pub(in crate::agent) fn new(dir: PathBuf, settings: &CacheSource) -> Self {
        let made = fs::create_dir_all(&dir).is_ok();
        let may_write = nix::unistd::access(&dir, nix::unistd::AccessFlags::W_OK).is_ok();
        let size = settings.size.map_or(SIZE, |size| size.0);
        Self { dir, writable: made && may_write && !settings.read_only, size }
    }

    /// Where a program keeps what it downloaded; none where nothing can be kept, or where it is being removed just now.
    pub(super) fn downloads(&self, name: &str) -> Option<Downloads> {
        let dir = self.dir.join(name);
        if !self.writable {
            return None;
        }
        let lock = open(&dir).ok()?;
        lock.try_lock_shared().ok()?;
        fs::create_dir_all(&dir).ok()?;
        Some(Downloads { dir, _lent: Use(lock) })
    }

    /// The copy of a repository; none where there is none and none can be made now. One at a time fetches into it: who cannot
    /// uses what is there, which is whole all the same.
    pub(super) fn mirror(&self, url: &str) -> Option<Mirror> {
        let dir = self.dir.join(REPOSITORIES).join(&Sha256::of(url.as_bytes()).as_str()[..32]);
        if !self.writable {
            return exists(&dir).then(|| Mirror { fetch: None, lent: Use::of_what_cannot_be_written(&dir), dir });
        }
        fs::create_dir_all(dir.parent()?).ok()?;
        let lock = open(&dir).ok()?;
        lock.try_lock_shared().ok()?;
        let fetch = File::create(dir.with_extension("fetch")).ok()?;
        let fetch = fetch.try_lock().is_ok().then_some(fetch);
        match (&fetch, exists(&dir)) {
            (None, false) => return None,
            // Somebody died in the middle of its first fetch, or of removing it.
            (Some(_), false) => remove(&dir).and_then(|()| fs::create_dir(&dir)).ok()?,
            (_, true) => touch(&dir),
        }
        Some(Mirror { dir, fetch, lent: Some(Use(lock)) })
    }

    /// The environment of a key: what is there, or the right to make it. `wait` is told when somebody else makes it now.
    pub(super) async fn environment(&self, key: &str, wait: impl FnOnce()) -> io::Result<Kept> {
        let dir = self.dir.join(ENVIRONMENTS).join(key);
        if !self.writable {
            if !exists(&dir) {
                return Ok(Kept::No);
            }
            let lent = Use::of_what_cannot_be_written(&dir);
            return Ok(Kept::Ready(dir, lent));
        }
        fs::create_dir_all(self.dir.join(ENVIRONMENTS))?;
        let lock = open(&dir)?;
        let mut wait = Some(wait);
        let mut waited = Duration::ZERO;
        loop {
            let busy = match lock.try_lock_shared() {
                Ok(()) if exists(&dir) => {
                    touch(&dir);
                    return Ok(Kept::Ready(dir, Some(Use(lock))));
                }
                Ok(()) => {
                    lock.unlock()?;
                    match lock.try_lock() {
                        // Between the two locks somebody may have made it.
                        Ok(()) if exists(&dir) => {
                            lock.unlock()?;
                            continue;
                        }
                        Ok(()) => {
                            remove(&dir)?;
                            return Ok(Kept::Make(Making { dir, lock }));
                        }
                        Err(busy) => busy,
                    }
                }
                Err(busy) => busy,
            };
            match busy {
                TryLockError::WouldBlock if waited < PATIENCE => {}
                TryLockError::WouldBlock => return Ok(Kept::No),
                TryLockError::Error(error) => return Err(error),
            }
            if let Some(wait) = wait.take() {
                wait();
            }
            let pause = Duration::from_millis(200);
            sleep(pause).await;
            waited += pause;
        }
    }
}

impl Mirror {
    /// What was fetched into it is there from now on; the next may fetch.
    pub(super) fn fetched(&mut self) -> io::Result<()> {
        bound::measured(&self.dir)?;
        self.fetch = None;
        Ok(())
    }

    /// The right to use it on.
    pub(super) fn lend(self) -> Option<Use> {
        self.lent
    }
}

impl Making {
    /// It is whole: from now on others use it.
    pub(super) fn finish(self) -> io::Result<(PathBuf, Use)> {
        bound::measured(&self.dir)?;
        self.lock.unlock()?;
        self.lock.lock_shared()?;
        Ok((self.dir, Use(self.lock)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn cache(dir: &Path, size: &str, read_only: bool) -> Cache {
        Cache::new(dir.to_owned(), &CacheSource { size: Some(size.parse().unwrap()), read_only, ..CacheSource::default() })
    }

    async fn make(cache: &Cache, key: &str, bytes: usize) -> Use {
        let Kept::Make(making) = cache.environment(key, || ()).await.unwrap() else { panic!("{key} is there") };
        fs::create_dir_all(&making.dir).unwrap();
        fs::write(making.dir.join("file"), vec![0; bytes]).unwrap();
        making.finish().unwrap().1
    }

    async fn is_there(cache: &Cache, key: &str) -> bool {
        matches!(cache.environment(key, || ()).await.unwrap(), Kept::Ready(..))
    }

    #[tokio::test]
    async fn one_makes_it_and_the_others_wait_and_use_it() {
        let dir = tempfile::tempdir().unwrap();
        let one = cache(dir.path(), "1Gi", false);
        let Kept::Make(making) = one.environment("k", || ()).await.unwrap() else { panic!("nobody made it") };
        fs::create_dir_all(&making.dir).unwrap();
        let other = cache(dir.path(), "1Gi", false);
        let (told, heard) = tokio::sync::oneshot::channel();
        let waiting = tokio::spawn(async move { other.environment("k", || told.send(()).unwrap()).await.unwrap() });
        heard.await.unwrap();
        let used = making.finish().unwrap();
        assert!(matches!(waiting.await.unwrap(), Kept::Ready(at, Some(_)) if at == used.0));
    }

    #[tokio::test]
    async fn what_was_given_up_half_made_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let cache = cache(dir.path(), "1Gi", false);
        let Kept::Make(making) = cache.environment("k", || ()).await.unwrap() else { panic!("nobody made it") };
        fs::create_dir_all(&making.dir).unwrap();
        fs::write(making.dir.join("half"), "x").unwrap();
        drop(making);
        let Kept::Make(again) = cache.environment("k", || ()).await.unwrap() else { panic!("it is not whole") };
        assert!(!again.dir.join("half").exists());
    }

    #[test]
    fn one_at_a_time_fetches_into_a_repository() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (cache(dir.path(), "1Gi", false), cache(dir.path(), "1Gi", false));
        let mut first = one.mirror("https://h/x").unwrap();
        assert!(first.fetch.is_some() && other.mirror("https://h/x").is_none(), "nothing is there yet");
        assert!(other.mirror("https://h/y").is_some_and(|mirror| mirror.fetch.is_some()));
        first.fetched().unwrap();
        let second = other.mirror("https://h/x").unwrap();
        assert!(second.fetch.is_some());
        assert!(one.mirror("https://h/x").is_some_and(|mirror| mirror.fetch.is_none()), "what is there can be used meanwhile");
    }

    #[tokio::test]
    async fn a_cache_that_is_only_read_gives_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        drop(make(&cache(dir.path(), "1Gi", false), "there", 1).await);
        let reader = cache(dir.path(), "1Gi", true);
        assert!(is_there(&reader, "there").await);
        assert!(matches!(reader.environment("absent", || ()).await.unwrap(), Kept::No));
        assert!(reader.downloads("uv").is_none() && reader.mirror("https://h/x").is_none());
        cache(dir.path(), "1Gi", false).mirror("https://h/x").unwrap().fetched().unwrap();
        assert!(reader.mirror("https://h/x").is_some_and(|mirror| mirror.fetch.is_none()));
    }
}
