//! Each case captures in one clone, restores in a fresh one as an agent does, and compares the trees byte for byte.

mod changes;
mod conversions;
mod dry;
mod limits;
mod names;
mod places;
#[cfg(feature = "server")]
mod sent;
mod settings;
mod whole;
mod within;

use super::{Captured, Kind, Options, look};
use crate::domain::{GitCode, Snapshot};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// What stands at a path: a file with whether it can be run, or a link.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Thing {
    File { runs: bool, bytes: Vec<u8> },
    Link(PathBuf),
}

type Things = BTreeMap<Vec<u8>, Thing>;

/// Everything below a directory but what git keeps there for itself.
fn things(dir: &Path) -> Things {
    fn walk(top: &Path, dir: &Path, all: &mut Things) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(top).unwrap().as_os_str().as_bytes().to_vec();
            if path.file_name() == Some(OsStr::new(".git")) {
            } else if meta.is_symlink() {
                all.insert(name, Thing::Link(fs::read_link(&path).unwrap()));
            } else if meta.is_dir() {
                walk(top, &path, all);
            } else {
                let runs = meta.permissions().mode() & 0o100 != 0;
                all.insert(name, Thing::File { runs, bytes: fs::read(&path).unwrap() });
            }
        }
    }
    let mut all = Things::new();
    walk(dir, dir, &mut all);
    all
}

/// Runs git as a user without any settings.
fn git_bytes(dir: &Path, args: &[&str], stdin: Option<File>) -> Vec<u8> {
    let mut command = Command::new("git");
    for (name, value) in [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_ALLOW_PROTOCOL", "file")] {
        command.env(name, value);
    }
    for name in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{name}_NAME"), "Lena").env(format!("GIT_{name}_EMAIL"), "lena@example.com");
        command.env(format!("GIT_{name}_DATE"), "1700000000 +0000");
    }
    command.args(["-c", "init.defaultBranch=main", "-c", "advice.detachedHead=false"]).args(args).current_dir(dir);
    let output = command.stdin(stdin.map_or_else(Stdio::null, Stdio::from)).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn git(dir: &Path, args: &[&str]) -> String {
    String::from_utf8(git_bytes(dir, args, None)).unwrap().trim_end().to_owned()
}

fn write(dir: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn link(dir: &Path, path: &str, target: &str) {
    std::os::unix::fs::symlink(target, dir.join(path)).unwrap();
}

fn commit(dir: &Path, message: &str) {
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-q", "--allow-empty", "-m", message]);
}

const URL: &str = "https://git.example.com/acme/vision.git";

/// A remote with a first commit, and the user's clone of it.
struct World {
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        Self::with(|work| {
            write(work, "README", "hello\n");
            write(work, "src/train.py", "print(1)\n");
            write(work, "src/data/a.bin", [0, 255, 13, 10]);
        })
    }

    /// With what `make` puts into the first commit.
    fn with(make: impl FnOnce(&Path)) -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        git(world.dir.path(), &["init", "-q", "--bare", "remote.git"]);
        git(&world.remote(), &["config", "uploadpack.allowAnySHA1InWant", "true"]);
        git(world.dir.path(), &["clone", "-q", "remote.git", "work"]);
        make(&world.work());
        commit(&world.work(), "first");
        world.push();
        git(&world.work(), &["remote", "set-url", "origin", URL]);
        world
    }

    fn remote(&self) -> PathBuf {
        self.dir.path().join("remote.git")
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    fn git(&self, args: &[&str]) -> String {
        git(&self.work(), args)
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        write(&self.work(), path, bytes);
    }

    /// Pushes what is checked out, and notes it as a user's push does.
    fn push(&self) {
        self.git(&["push", "-q", self.remote().to_str().unwrap(), "HEAD:refs/heads/main"]);
        self.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    }

    async fn captured(&self) -> Captured {
        captured(&self.work()).await
    }

    /// Captures, restores, and compares.
    async fn travels(&self) -> Captured {
        self.travels_without(&[]).await
    }

    /// As [`World::travels`], where these files stay behind.
    async fn travels_without(&self, left: &[&str]) -> Captured {
        let captured = self.captured().await;
        let restored = self.restored(&captured);
        let mut here = things(&self.work());
        here.retain(|path, _| !left.iter().any(|left| Path::new(OsStr::from_bytes(path)).starts_with(left)));
        assert_eq!(things(restored.path()), here);
        assert_eq!(git(restored.path(), &["rev-parse", "HEAD"]), self.git(&["rev-parse", "HEAD"]));
        captured
    }

    /// A fresh clone with what was captured.
    fn restored(&self, captured: &Captured) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        git(at, &["init", "-q", "."]);
        let code = gitcode(captured);
        assert_eq!(code.url, URL);
        let Some(Snapshot { commit, bases, .. }) = &code.snapshot else {
            self.fetch(at, &code.commit);
            git(at, &["checkout", "-q", "--detach", &code.commit]);
            return dir;
        };
        for base in bases {
            self.fetch(at, base);
        }
        let [blob] = &captured.blobs[..] else { panic!("one pack") };
        git_bytes(at, &["index-pack", "--stdin", "--fix-thin"], Some(File::open(&blob.file).unwrap()));
        fs::create_dir_all(at.join(".git/info")).unwrap();
        fs::write(at.join(".git/info/attributes"), super::shadow::ATTRIBUTES).unwrap();
        git(at, &["read-tree", "--reset", "-u", commit]);
        git(at, &["update-ref", "--no-deref", "HEAD", &code.commit]);
        git(at, &["reset", "-q", "--mixed"]);
        fs::remove_file(at.join(".git/info/attributes")).unwrap();
        assert_eq!(git(at, &["rev-parse", &format!("{commit}^")]), code.commit, "the snapshot stands on the user's commit");
        dir
    }

    fn fetch(&self, at: &Path, commit: &str) {
        let from = format!("file://{}", self.remote().display());
        git(at, &["fetch", "-q", "--depth=1", &from, commit]);
    }
}

fn gitcode(captured: &Captured) -> &GitCode {
    assert_eq!(captured.facts.kind, Kind::Git, "{:?}", captured.facts);
    captured.code.as_ref().unwrap().git.as_ref().unwrap()
}

/// Captures twice: the same disk gives the same, and nothing of the user's repository changes.
async fn captured(dir: &Path) -> Captured {
    captured_with(dir, &Options::default()).await
}

async fn captured_with(dir: &Path, options: &Options) -> Captured {
    let top = dir.ancestors().find(|above| above.join(".git").exists());
    let kept = top.map(|top| kept(&top.join(".git")));
    let captured = look(dir, options).await.unwrap();
    let again = look(dir, options).await.unwrap();
    assert_eq!(again.code, captured.code);
    assert_eq!(again.facts, captured.facts);
    assert_eq!(top.map(|top| self::kept(&top.join(".git"))), kept, "the user's repository is as it was");
    if let Some(code) = &captured.code {
        let named: Vec<_> = code.uploads().collect();
        assert_eq!(named, captured.blobs.iter().map(|blob| &blob.sha256).collect::<Vec<_>>());
    }
    captured
}

/// Every file that git keeps for itself, with its bytes.
fn kept(git: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut left = vec![git.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            all.insert(path, Vec::new());
        } else {
            let bytes = fs::read(&path).unwrap();
            all.insert(path, bytes);
        }
    }
    all
}
