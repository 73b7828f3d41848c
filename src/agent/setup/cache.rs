//! What is kept from task to task, on a volume that the queue names or in a directory of the runner: copies of repositories,
//! what pip and uv downloaded, and whole environments.
//!
//! Several tasks use it at once. An environment is made where it will be used, under an exclusive lock (`flock`); the file
//! `ready` beside it says that it is whole. Whoever uses one holds a shared lock, so nobody removes it meanwhile. Where the
//! cache cannot be written, what is ready in it is used and everything else is made in the task's own directory.

use crate::wire::{CacheSource, Sha256};
use nix::sys::{stat::futimens, time::TimeSpec};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::sleep;

/// How large environments may grow together where the queue says nothing: 20 GiB.
const SIZE: u64 = 20 << 30;
/// How long somebody else's making of the same environment is waited for.
const PATIENCE: Duration = Duration::from_mins(30);

/// A cache.
#[derive(Clone, Debug)]
pub(in crate::agent) struct Cache {
    dir: PathBuf,
    writable: bool,
    size: u64,
}

/// A copy of a repository.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) dir: PathBuf,
    pub(super) writable: bool,
    _lock: Option<File>,
}

/// The right to use an environment of the cache, for as long as it lives.
#[derive(Debug)]
pub(super) struct Use(#[expect(dead_code, reason = "it holds the lock")] File);

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
    ready: PathBuf,
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

    /// Where a program keeps what it downloaded; none where nothing can be kept.
    pub(super) fn of_program(&self, name: &str) -> Option<PathBuf> {
        let dir = self.dir.join(name);
        (self.writable && fs::create_dir_all(&dir).is_ok()).then_some(dir)
    }

    /// The copy of a repository. Who may write waits for others who do.
    pub(super) fn mirror(&self, url: &str) -> Option<Mirror> {
        let dir = self.dir.join("git").join(&Sha256::of(url.as_bytes()).as_str()[..32]);
        if !self.writable {
            return dir.join("HEAD").exists().then_some(Mirror { dir, writable: false, _lock: None });
        }
        fs::create_dir_all(&dir).ok()?;
        let lock = open_lock(&dir.with_extension("lock")).ok()?;
        match lock.try_lock() {
            Ok(()) => Some(Mirror { dir, writable: true, _lock: Some(lock) }),
            // Somebody fetches into it now: what is there already is whole all the same.
            Err(_) => dir.join("HEAD").exists().then_some(Mirror { dir, writable: false, _lock: None }),
        }
    }

    /// The environment of a key: what is there, or the right to make it. `wait` is told when somebody else makes it now.
    pub(super) async fn environment(&self, key: &str, wait: impl FnOnce()) -> io::Result<Kept> {
        let dir = self.dir.join("env").join(key);
        let ready = dir.with_extension("ready");
        if !self.writable {
            if !ready.exists() {
                return Ok(Kept::No);
            }
            let lent = open_shared(&dir);
            return Ok(Kept::Ready(dir, lent));
        }
        fs::create_dir_all(self.dir.join("env"))?;
        let lock = open_lock(&dir.with_extension("lock"))?;
        let mut wait = Some(wait);
        let mut waited = Duration::ZERO;
        loop {
            let busy = match lock.try_lock_shared() {
                Ok(()) if ready.exists() => {
                    // Its time says when it was used last.
                    touch(&ready);
                    return Ok(Kept::Ready(dir, Some(Use(lock))));
                }
                Ok(()) => {
                    lock.unlock()?;
                    match lock.try_lock() {
                        // Between the two locks somebody may have made it.
                        Ok(()) if ready.exists() => {
                            lock.unlock()?;
                            continue;
                        }
                        Ok(()) => {
                            remove(&dir)?;
                            return Ok(Kept::Make(Making { dir, ready, lock }));
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

    /// Removes environments that were not used for longest, until the rest is within its size. Those in use stay.
    pub(super) fn shrink(&self) -> io::Result<()> {
        let mut all = Vec::new();
        for entry in fs::read_dir(self.dir.join("env"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "ready") {
                let bytes: u64 = fs::read_to_string(&path)?.trim().parse().unwrap_or(0);
                all.push((fs::metadata(&path)?.modified()?, path, bytes));
            }
        }
        all.sort();
        let mut total: u64 = all.iter().map(|(.., bytes)| bytes).sum();
        for (_, ready, bytes) in all {
            if total <= self.size {
                break;
            }
            let lock = open_lock(&ready.with_extension("lock"))?;
            if lock.try_lock().is_ok() {
                // The mark goes first: a death between leaves nothing that calls itself whole.
                fs::remove_file(&ready)?;
                remove(&ready.with_extension(""))?;
                total = total.saturating_sub(bytes);
            }
        }
        Ok(())
    }
}

impl Making {
    /// It is whole: from now on others use it.
    pub(super) fn finish(self) -> io::Result<(PathBuf, Use)> {
        fs::write(&self.ready, size_of(&self.dir)?.to_string())?;
        self.lock.unlock()?;
        self.lock.lock_shared()?;
        Ok((self.dir, Use(self.lock)))
    }
}

/// Sets the time of a file to now. Where that fails the file only looks less used than it is.
fn touch(path: &Path) {
    if let Ok(file) = File::options().write(true).open(path) {
        let _ = futimens(&file, &TimeSpec::UTIME_NOW, &TimeSpec::UTIME_NOW);
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// A lock on what cannot be written, where the file system gives one.
fn open_shared(dir: &Path) -> Option<Use> {
    let file = File::open(dir.with_extension("lock")).ok()?;
    file.try_lock_shared().ok()?;
    Some(Use(file))
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The bytes of all files below a directory; symbolic links are not followed.
fn size_of(dir: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let about = entry.metadata()?;
        total += if about.is_dir() { size_of(&entry.path())? } else { about.len() };
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[tokio::test]
    async fn what_was_not_used_for_longest_goes_unless_somebody_uses_it() {
        let dir = tempfile::tempdir().unwrap();
        let cache = cache(dir.path(), "2500", false);
        let held = make(&cache, "oldest", 1_000).await;
        drop(make(&cache, "old", 1_000).await);
        drop(make(&cache, "young", 1_000).await);
        cache.shrink().unwrap();
        assert!(is_there(&cache, "oldest").await && !is_there(&cache, "old").await && is_there(&cache, "young").await);
        drop(held);
    }

    #[tokio::test]
    async fn a_cache_that_is_only_read_gives_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        drop(make(&cache(dir.path(), "1Gi", false), "there", 1).await);
        let reader = cache(dir.path(), "1Gi", true);
        assert!(is_there(&reader, "there").await);
        assert!(matches!(reader.environment("absent", || ()).await.unwrap(), Kept::No));
        assert!(reader.of_program("uv").is_none() && reader.mirror("https://h/x").is_none());
    }
}
