//! The bound of a cache: over its size it loses what was not used for longest.
//!
//! Repositories, environments and the downloads of each program are removed as wholes, and only where nobody uses them. What a
//! program downloaded only saves the making of an environment some time: where that alone has more than half of the size it goes
//! first, so that it never crowds out what it was downloaded for.

use super::{
    Cache, ENVIRONMENTS, REPOSITORIES,
    lock::{open, ready, remove},
};
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Something that is kept.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Thing {
    /// False for what goes first.
    worth: bool,
    used: SystemTime,
    dir: PathBuf,
    bytes: u64,
}

impl Cache {
    /// Notes how much some programs have downloaded by now and brings the cache within its size, as far as what is in use
    /// allows. It happens beside everything else, for it may take a while. What was given up half made goes too.
    pub(in crate::agent::setup) fn tend(&self, programs: Vec<&'static str>) {
        let cache = self.clone();
        // A death in the middle of it leaves nothing that calls itself whole and is not.
        tokio::task::spawn_blocking(move || {
            let downloaded = programs.into_iter().try_for_each(|name| measured(&cache.dir.join(name)));
            if let Err(error) = downloaded.and_then(|()| cache.shrink()) {
                tracing::warn!(%error, "what is not used could not be removed from the cache");
            }
        });
    }

    fn shrink(&self) -> io::Result<()> {
        if !self.writable {
            return Ok(());
        }
        let mut all = kept(&self.dir, |bytes| bytes <= self.size / 2)?;
        for name in [ENVIRONMENTS, REPOSITORIES] {
            let dir = self.dir.join(name);
            for half_made in abandoned(&dir)? {
                remove_unused(&half_made, |whole| !whole)?;
            }
            all.extend(kept(&dir, |_| true)?);
        }
        all.sort();
        let mut total: u64 = all.iter().map(|thing| thing.bytes).sum();
        for thing in all {
            if total <= self.size {
                break;
            }
            if remove_unused(&thing.dir, |whole| whole)? {
                total = total.saturating_sub(thing.bytes);
            }
        }
        Ok(())
    }
}

/// Removes something unless somebody uses it, or it is no longer as it was seen.
fn remove_unused(dir: &Path, as_seen: impl FnOnce(bool) -> bool) -> io::Result<bool> {
    let lock = open(dir)?;
    let ours = lock.try_lock().is_ok() && as_seen(ready(dir).exists());
    if ours {
        remove(dir)?;
    }
    Ok(ours)
}

/// What is whole in a directory.
fn kept(dir: &Path, worth: impl Fn(u64) -> bool) -> io::Result<Vec<Thing>> {
    let mut all = Vec::new();
    for file in entries(dir)? {
        if file.extension().is_some_and(|extension| extension == "ready") {
            // It may be gone by now.
            let (Ok(text), Ok(about)) = (fs::read_to_string(&file), fs::metadata(&file)) else { continue };
            let bytes = text.trim().parse().unwrap_or(0);
            all.push(Thing { worth: worth(bytes), used: about.modified()?, dir: file.with_extension(""), bytes });
        }
    }
    Ok(all)
}

/// What is not whole in a directory.
fn abandoned(dir: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(entries(dir)?.into_iter().filter(|path| path.extension().is_none() && path.is_dir() && !ready(path).exists()).collect())
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

/// Says that something is whole, used now, and how many bytes it has.
pub(super) fn measured(dir: &Path) -> io::Result<()> {
    fs::write(ready(dir), size_of(dir)?.to_string())
}

/// The bytes of all files below a directory. Symbolic links are not followed, and of a file with several names (uv gives those
/// of its cache to environments) each has its part.
fn size_of(dir: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in entries(dir)? {
        match fs::symlink_metadata(&entry) {
            Ok(about) if about.is_dir() => total += size_of(&entry)?,
            Ok(about) => total += about.len() / about.nlink().max(1),
            // Others work here, too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::setup::cache::{Kept, Mirror, Use},
        wire::CacheSource,
    };

    struct Room(tempfile::TempDir, Cache);

    impl Room {
        fn of(size: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let cache = Cache::new(dir.path().to_owned(), &CacheSource { size: Some(size.parse().unwrap()), ..CacheSource::default() });
            Self(dir, cache)
        }

        async fn environment(&self, key: &str) -> Use {
            let Kept::Make(making) = self.1.environment(key, || ()).await.unwrap() else { panic!("{key} is there") };
            fill(&making.dir);
            making.finish().unwrap().1
        }

        fn mirror(&self, url: &str) -> Option<Mirror> {
            let mut mirror = self.1.mirror(url)?;
            if mirror.fetch.is_some() {
                fill(&mirror.dir);
                mirror.fetched().unwrap();
            }
            Some(mirror)
        }

        fn download(&self, name: &str) {
            fill(&self.1.downloads(name).unwrap().dir);
            measured(&self.0.path().join(name)).unwrap();
        }

        /// What is whole, by its place; the hashes of repositories are left out.
        fn has(&self) -> Vec<String> {
            let there = |dir: &str| kept(&self.0.path().join(dir), |_| true).unwrap().into_iter().map(|thing| thing.dir);
            let mut all: Vec<_> = ["", "env", "git"].into_iter().flat_map(there).collect();
            all.sort();
            assert!(all.iter().all(|dir| dir.join("file").exists()));
            let short = |dir: &PathBuf| match dir.strip_prefix(self.0.path()).unwrap().display().to_string() {
                name if name.starts_with("git/") => "git".to_owned(),
                name => name,
            };
            all.iter().map(short).collect()
        }

        /// Lets everything look used long ago, in this order and before all else.
        fn aged(&self, dirs: &[&Path]) {
            for (n, dir) in (1..).zip(dirs) {
                let file = fs::File::options().write(true).open(ready(&self.0.path().join(dir))).unwrap();
                file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n)).unwrap();
            }
        }
    }

    fn fill(dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("file"), vec![0; 1_000]).unwrap();
    }

    #[tokio::test]
    async fn what_was_not_used_for_longest_goes_whatever_it_is() {
        let room = Room::of("3500");
        room.download("pip");
        let mirror = room.mirror("https://h/x").unwrap().dir;
        drop(room.environment("old").await);
        drop(room.environment("new").await);
        room.aged(&[Path::new("pip"), &mirror, Path::new("env/old"), Path::new("env/new")]);
        room.1.shrink().unwrap();
        assert_eq!(room.has(), ["env/new", "env/old", "git"]);
        // To use it is to keep it.
        drop(room.mirror("https://h/x"));
        room.download("uv");
        room.1.shrink().unwrap();
        assert_eq!(room.has(), ["env/new", "git", "uv"]);
    }

    #[tokio::test]
    async fn what_is_in_use_stays_whatever_its_size() {
        let room = Room::of("500");
        let lent = (room.environment("held").await, room.mirror("https://h/held").unwrap().lend(), room.1.downloads("uv").unwrap());
        fill(&lent.2.dir);
        measured(&lent.2.dir).unwrap();
        drop(room.environment("free").await);
        drop(room.mirror("https://h/free"));
        room.1.shrink().unwrap();
        assert_eq!(room.has().len(), 3, "{:?}", room.has());
        drop(lent);
        room.1.shrink().unwrap();
        assert_eq!(room.has(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn downloads_do_not_crowd_out_what_they_are_for() {
        let room = Room::of("1900");
        drop(room.environment("k").await);
        room.download("uv");
        room.1.shrink().unwrap();
        assert_eq!(room.has(), ["env/k"]);
    }

    #[tokio::test]
    async fn what_somebody_died_over_is_cleared_away() {
        let room = Room::of("1Gi");
        let Kept::Make(making) = room.1.environment("given-up", || ()).await.unwrap() else { panic!("it is there") };
        fill(&making.dir);
        room.1.shrink().unwrap();
        assert!(making.dir.exists(), "somebody is at it");
        let dir = making.dir.clone();
        drop(making);
        // Of a repository the mark went before the death, and the rest stands.
        let mirror = room.mirror("https://h/x").unwrap();
        let half = mirror.dir.clone();
        drop(mirror);
        fs::remove_file(ready(&half)).unwrap();
        let again = room.1.mirror("https://h/x").unwrap();
        assert!(!half.join("file").exists() && again.fetch.is_some(), "what is not whole is not used");
        drop(again);
        room.1.shrink().unwrap();
        assert!(!dir.exists() && !half.exists());
    }

    #[test]
    fn a_file_with_several_names_counts_once() {
        let dir = tempfile::tempdir().unwrap();
        fill(&dir.path().join("a"));
        fs::create_dir(dir.path().join("b")).unwrap();
        fs::hard_link(dir.path().join("a/file"), dir.path().join("b/file")).unwrap();
        assert_eq!(size_of(dir.path()).unwrap(), 1_000);
    }
}
