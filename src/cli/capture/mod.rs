//! The code on the user's screen, made ready to travel with a task.
//!
//! In a git repository it is the commit and, where the disk differs from it or the remote lacks it, a snapshot: a commit whose
//! tree is what is on the disk, byte for byte, as a pack of git objects on top of what the remote has. Without a usable remote it
//! is one archive of the files (`docs/CODE.md`, `docs/decisions/0014-code-capture.md`).

mod archive;
mod disk;
mod facts;
mod git;
mod index;
mod pack;
mod place;
mod remote;
mod rules;
mod shadow;
mod submodules;
#[cfg(test)]
mod tests;
mod whole;

pub(crate) use facts::{Excluded, Facts, Kind, Lock};
pub(crate) use rules::Limits;

use super::exit::Failure;
use crate::domain::{Code, GitCode, Sha256};
use disk::Look;
use git::Git;
use pack::blocking;
use place::{has, lock, locks, stands};
use remote::Remote;
use rules::Sorted;
use shadow::{Shadow, broken};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use whole::{folder_whole, whole};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The files are to travel whole.
    pub(crate) upload: Option<Upload>,
    /// Files under Git LFS are to be fetched where the task runs.
    pub(crate) lfs: bool,
    /// How much may travel.
    pub(crate) limits: Limits,
}

/// Which files travel whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Upload {
    /// Those of the repository, or of the folder outside of one.
    Here,
    /// Those of this folder.
    Folder(PathBuf),
}

/// Bytes that go with a task, in a temporary file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) sha256: Sha256,
    pub(crate) size: u64,
    pub(crate) file: PathBuf,
}

/// What was captured. Its files are gone with it.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    /// None where there is nothing to capture.
    pub(crate) code: Option<Code>,
    /// Where below its top the user stands.
    pub(crate) working_dir: Option<String>,
    /// What is to be sent before the task.
    pub(crate) blobs: Vec<Blob>,
    /// What is to be told before that.
    pub(crate) facts: Facts,
    _files: Option<TempDir>,
}

/// Captures the code around a directory; what is no repository is captured only where that is asked for. Nothing is sent, and
/// nothing of the user's is changed.
///
/// # Errors
/// There is more than may travel, git refuses, or the temporary directory is full.
pub(crate) async fn look(dir: &Path, options: &Options) -> Result<Captured, Failure> {
    match &options.upload {
        Some(Upload::Folder(folder)) => folder_whole(&dir.join(folder), options).await,
        upload => match (repository(dir).await?, upload) {
            (None, None) => Ok(Captured::default()),
            (None, Some(_)) => folder_whole(dir, options).await,
            (Some(place), None) => of_repository(place, options).await,
            (Some(place), Some(_)) => whole(place, "it was asked for".into(), options).await,
        },
    }
}

/// Where in a repository the user stands.
#[derive(Debug)]
struct Place {
    top: PathBuf,
    /// Below the top; empty there.
    below: PathBuf,
}

/// Whether a directory may be in a repository. One that is gone, which leaves it without a name, is in none.
pub(crate) fn may_be_repository(dir: &Path) -> bool {
    dir.is_absolute() && dir.ancestors().any(|above| above.join(".git").exists())
}

async fn repository(dir: &Path) -> Result<Option<Place>, Failure> {
    // git is not even asked where there cannot be one.
    if !may_be_repository(dir) {
        return Ok(None);
    }
    let user = Git::of(dir);
    if user.line(&["rev-parse", "--is-inside-work-tree"]).await?.as_deref() != Some("true") {
        return Ok(None);
    }
    let told = user.run(&["rev-parse", "--show-toplevel", "--show-prefix"]).await?;
    let mut lines = told.split(|byte| *byte == b'\n').map(|line| git::path(line.strip_suffix(b"/").unwrap_or(line)));
    Ok(Some(Place { top: lines.next().unwrap_or_default(), below: lines.next().unwrap_or_default() }))
}

async fn of_repository(place: Place, options: &Options) -> Result<Captured, Failure> {
    let user = Git::of(&place.top);
    let Some(head) = user.line(&["rev-parse", "-q", "--verify", "HEAD^{commit}"]).await? else {
        return whole(place, "the repository has no commit yet".into(), options).await;
    };
    let branch = user.line(&["symbolic-ref", "-q", "--short", "HEAD"]).await?;
    let remote = match Remote::of(&user, branch.as_deref()).await? {
        Ok(remote) => remote,
        Err(why) => return whole(place, why, options).await,
    };
    let Some(base) = remote.base(&user, &head, branch.as_deref()).await? else {
        return whole(place, format!("nothing of it is known to be on {}", remote.name), options).await;
    };
    let files = tempfile::tempdir().map_err(|e| broken(&e))?;
    let format = user.line(&["rev-parse", "--show-object-format"]).await?.unwrap_or_else(|| "sha1".into());
    let shadow = Shadow::new(files.path(), &format).await?;
    let mut scan = Look { shadow, limits: options.limits, weighed: Sorted::default() };
    let disk = scan.at(&place.top).await?;
    let objects = scan.shadow.objects();
    let (snapshot, blobs) = if disk.clean && base.whole {
        (None, Vec::new())
    } else {
        let (snapshot, blob) = pack::pack(&objects, &disk, &head, &base, files.path(), options.limits).await?;
        (Some(snapshot), vec![blob])
    };
    let mut unfaithful = disk.told(options.lfs);
    let working_dir = stands(&place.below, &has(&objects, &disk.tree, std::slice::from_ref(&place.below)).await?, &mut unfaithful)?;
    let candidates = locks(&place.below);
    let lock = lock(&place.top, &candidates, &has(&objects, &disk.tree, &candidates).await?);
    let mut excluded = disk.excluded;
    excluded.extend(ignored(&user, &place.top).await?);
    let facts = Facts {
        kind: Kind::Git,
        repository: Some(remote::short(&remote.url)),
        url: Some(remote.url.clone()),
        branch,
        commit: Some(head.clone()),
        remote_has_commit: Some(base.whole),
        changed: disk.changed,
        untracked: disk.untracked,
        bytes: blobs.iter().map(|blob| blob.size).sum(),
        excluded,
        unfaithful,
        lock,
        ..Facts::default()
    };
    let (submodules, lfs) = (disk.submodules > 0, options.lfs);
    let git = GitCode { url: remote.url, commit: head, reference: base.reference, snapshot, diff: None, submodules, lfs };
    let code = Some(Code { git: Some(git), ..Code::default() });
    Ok(Captured { code, working_dir, blobs, facts: facts.order(), _files: Some(files) })
}

/// What git ignores, directories as one.
async fn ignored(user: &Git, top: &Path) -> Result<Vec<Excluded>, Failure> {
    let listed = user.run(&["ls-files", "-z", "-o", "-i", "--exclude-standard", "--directory"]).await?;
    let paths: Vec<PathBuf> = git::items(&listed).map(git::path).collect();
    let top = top.to_owned();
    let measured = blocking(move || Ok(paths.iter().map(|path| Excluded::measured(&top, path, facts::IGNORED)).collect()));
    measured.await.map_err(|e| broken(&e))
}
