//! A repository of our own beside the user's: it reads the user's objects and writes none of them, and it takes files as they
//! are on the disk, byte for byte. The user's repository, index, hooks, filters and settings are never used for that.

use super::{
    super::exit::{Exit, Failure},
    git::{self, Git},
    index::{self, Belief, Entry},
};
use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Nothing is converted on the way from the disk.
pub(super) const ATTRIBUTES: &str = "* -text -ident -filter -working-tree-encoding\n";

/// Ends of lines and the like are converted as the user's git does; no program is run.
const CONVERTING: &str = "* -filter\n";

/// What of the user's settings says how the disk is to be read.
const OF_THE_DISK: &str = r"^core\.(filemode|symlinks|ignorecase|precomposeunicode|autocrlf|eol)$";

/// Where the shadow's attributes stand; they come before all others.
const INFO: &str = "git/info/attributes";

/// A failure of the temporary directory.
pub(super) fn broken(error: &io::Error) -> Failure {
    Failure::new(Exit::Error, format!("cannot write to the temporary directory: {error}"))
}

/// The shadow: a bare repository in a temporary directory.
#[derive(Debug)]
pub(super) struct Shadow {
    dir: PathBuf,
    indexes: usize,
}

/// The index of one repository, copied into the shadow.
#[derive(Debug)]
pub(super) struct Copied {
    /// git, with the shadow's objects, the copied index and the user's files.
    pub(super) git: Git,
    /// The user's repository.
    pub(super) user: Git,
    pub(super) top: PathBuf,
    attributes: PathBuf,
}

impl Shadow {
    /// Makes one in `dir`, for objects named by `format`, `sha1` or `sha256`.
    pub(super) async fn new(dir: &Path, format: &str) -> Result<Self, Failure> {
        let shadow = Self { dir: dir.to_owned(), indexes: 0 };
        let git = shadow.git(dir);
        let at = shadow.at("git");
        git.run(&[
            OsStr::new("init"),
            "-q".as_ref(),
            "--bare".as_ref(),
            "--template=".as_ref(),
            format!("--object-format={format}").as_ref(),
            at.as_os_str(),
        ])
        .await?;
        fs::create_dir_all(at.join("info")).map_err(|e| broken(&e))?;
        Ok(shadow)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// git in `dir`, without any of the user's or the system's settings.
    fn git(&self, dir: &Path) -> Git {
        let git = ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"].into_iter().fold(Git::of(dir), |git, name| git.with(name, "/dev/null"));
        let git = ["GIT_CONFIG_NOSYSTEM", "GIT_ATTR_NOSYSTEM"].into_iter().fold(git, |git, name| git.with(name, "1"));
        git.with("HOME", &self.dir).with("XDG_CONFIG_HOME", &self.dir)
    }

    /// git on the shadow's objects alone.
    pub(super) fn objects(&self) -> Git {
        self.git(&self.dir).with("GIT_DIR", self.at("git"))
    }

    /// Reads another repository's objects too, and copies its index: with it comes what git knows of files that did not change.
    pub(super) async fn copy(&mut self, top: &Path) -> Result<Copied, Failure> {
        let user = Git::of(top);
        let paths = user
            .run(&["rev-parse", "--path-format=absolute", "--git-path", "objects", "--git-path", "index", "--git-path", "shallow"])
            .await?;
        let mut paths = paths.split(|byte| *byte == b'\n').map(git::path);
        let mut path = || paths.next().unwrap_or_default();
        let (objects, from, shallow) = (path(), path(), path());
        let to = self.at(&format!("index{}", self.indexes));
        self.indexes += 1;
        self.take(&objects, &from, &to, &shallow).map_err(|e| broken(&e))?;
        let mut git = self.objects_in(top).with("GIT_INDEX_FILE", to);
        let settings = user.line(&["config", "--get-regexp", OF_THE_DISK]).await?.unwrap_or_default();
        for (name, value) in settings.lines().filter_map(|line| line.split_once(' ')) {
            git = git.set(format!("{name}={value}"));
        }
        Ok(Copied { git, user, top: top.to_owned(), attributes: self.at(INFO) })
    }

    fn objects_in(&self, top: &Path) -> Git {
        let git = self.git(top).with("GIT_DIR", self.at("git")).with("GIT_WORK_TREE", top);
        // What is written here is read once more and thrown away.
        ["core.looseCompression=1", "core.fsync=none", "core.safecrlf=false"].into_iter().fold(git, Git::set)
    }

    fn take(&self, objects: &Path, from: &Path, to: &Path, shallow: &Path) -> io::Result<()> {
        append(&self.at("git/objects/info/alternates"), &[objects.as_os_str().as_bytes(), b"\n"].concat())?;
        // Where the history ends here, it ends in the shadow.
        if let Ok(ends) = fs::read(shallow) {
            append(&self.at("git/shallow"), &ends)?;
        }
        let Ok(meta) = fs::metadata(from) else { return Ok(()) };
        fs::copy(from, to)?;
        // git looks again at files that were written in the second in which the index was; a younger index would hide them.
        File::options().write(true).open(to)?.set_modified(meta.modified()?)?;
        // An index may be split: most of it then stands beside it.
        let Some(beside) = from.parent() else { return Ok(()) };
        for entry in fs::read_dir(beside)?.flatten().filter(|entry| entry.file_name().as_bytes().starts_with(b"sharedindex.")) {
            fs::copy(entry.path(), self.at("git").join(entry.file_name()))?;
        }
        Ok(())
    }
}

fn append(file: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(file))?;
    OpenOptions::new().create(true).append(true).open(file)?.write_all(bytes)
}

impl Copied {
    /// The entries as they stand now.
    pub(super) async fn entries(&self) -> Result<Vec<Entry>, Failure> {
        Ok(index::entries(&self.git.run(&["ls-files", "-s", "-v", "-z"]).await?))
    }

    /// Takes the files that git knows as they are on the disk: changed, removed, with other modes, staged or not.
    pub(super) async fn update(&self) -> Result<(), Failure> {
        self.git.run(&["add", "-u", "--", "."]).await.map(drop)
    }

    /// Whether files are converted from now on as the user's git does, to find out what changed in its eyes.
    pub(super) fn convert(&self, on: bool) -> Result<(), Failure> {
        fs::write(&self.attributes, if on { CONVERTING } else { ATTRIBUTES }).map_err(|e| broken(&e))
    }

    /// Has the next [`Copied::update`] read these files, whatever git believes of them.
    pub(super) async fn doubt(&self, entries: impl IntoIterator<Item = &Entry>) -> Result<(), Failure> {
        self.put(index::info(entries)).await
    }

    /// Puts entries there, see [`index::info`].
    pub(super) async fn put(&self, info: Vec<u8>) -> Result<(), Failure> {
        if info.is_empty() {
            return Ok(());
        }
        self.git.feed(&["update-index", "-z", "--index-info"], info).await.map(drop)
    }

    /// Takes entries away.
    pub(super) async fn drop(&self, paths: Vec<u8>) -> Result<(), Failure> {
        if paths.is_empty() {
            return Ok(());
        }
        self.git.feed(&["update-index", "--force-remove", "-z", "--stdin"], paths).await.map(drop)
    }

    /// Takes files that git does not know.
    pub(super) async fn add(&self, paths: Vec<u8>) -> Result<(), Failure> {
        if paths.is_empty() {
            return Ok(());
        }
        self.git.feed(&["update-index", "--add", "-z", "--stdin"], paths).await.map(drop)
    }

    /// Puts a whole tree below a path where nothing is.
    pub(super) async fn graft(&self, path: &[u8], tree: &str) -> Result<(), Failure> {
        let prefix = [b"--prefix=", path, b"/"].concat();
        self.git.run(&[OsStr::new("read-tree"), OsStr::from_bytes(&prefix), tree.as_ref()]).await.map(drop)
    }

    /// The tree of what stands in the index.
    pub(super) async fn tree(&self) -> Result<String, Failure> {
        // Objects that a partial clone never had are on the remote.
        let tree = self.git.line(&["write-tree", "--missing-ok"]).await?;
        tree.ok_or_else(|| Failure::new(Exit::Error, "git writes no tree of what is on the disk"))
    }

    /// Whether the disk counts: not for what a sparse checkout leaves out.
    pub(super) fn looked_at(&self, entry: &Entry) -> bool {
        entry.belief != Belief::Absent || self.top.join(git::path(&entry.path)).symlink_metadata().is_ok()
    }

    /// Entries that git would take for unchanged without a look though the disk may hold something else: `assume-unchanged`, and
    /// files that are there although a sparse checkout leaves them out.
    pub(super) fn hidden<'a>(&self, entries: &'a [Entry]) -> Vec<&'a Entry> {
        entries.iter().filter(|entry| !entry.is_link() && entry.belief != Belief::Looks && self.looked_at(entry)).collect()
    }
}
