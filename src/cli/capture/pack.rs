//! A snapshot as a pack of git objects, and the sums by which uploads are named.

use super::{
    super::exit::{Exit, Failure},
    Blob, Limits,
    disk::Disk,
    git::Git,
    remote::Base,
    shadow::broken,
};
use crate::domain::{Sha256, Snapshot};
use sha2::Digest;
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The commit of what is on the disk, in a pack with all that the remote lacks. The same disk gives the same commit.
pub(super) async fn pack(
    objects: &Git,
    disk: &Disk,
    head: &str,
    base: &Base,
    dir: &Path,
    limits: Limits,
) -> Result<(Snapshot, Blob), Failure> {
    let date = objects.line(&["log", "-1", "--format=%ct", head]).await?.unwrap_or_default();
    let mut git = objects.clone();
    for (name, value) in [
        ("GIT_AUTHOR_NAME", "slipway".to_owned()),
        ("GIT_AUTHOR_EMAIL", "slipway@localhost".to_owned()),
        ("GIT_AUTHOR_DATE", format!("{date} +0000")),
        ("GIT_COMMITTER_NAME", "slipway".to_owned()),
        ("GIT_COMMITTER_EMAIL", "slipway@localhost".to_owned()),
        ("GIT_COMMITTER_DATE", format!("{date} +0000")),
    ] {
        git = git.with(name, value);
    }
    let commit = git.line(&["commit-tree", &disk.tree, "-p", head, "-m", "what was on the disk"]).await?;
    let commit = commit.ok_or_else(|| Failure::new(Exit::Error, "git makes no commit of what is on the disk"))?;
    let wanted: String = std::iter::once(format!("{commit}\n")).chain(base.commits.iter().map(|base| format!("^{base}\n"))).collect();
    let file = dir.join("pack");
    let out = File::create(&file).map_err(|e| broken(&e))?;
    // One thread and no shortcuts: what the bases have is left out to the last file, and the same disk gives the same bytes.
    let git = objects.clone().set("pack.threads=1").set("pack.useBitmaps=false").set("pack.useSparse=false");
    git.write(&["pack-objects", "-q", "--revs", "--thin", "--stdout"], wanted.into_bytes(), out).await?;
    let blob = blob(file).await?;
    if blob.size > limits.total {
        let size = super::super::get::size;
        let what = format!("what the remote lacks is {}, and {} may travel with a task", size(blob.size), size(limits.total));
        return Err(Failure::new(Exit::Usage, what).hint("push what is committed, and leave large files out of the repository"));
    }
    Ok((Snapshot { pack: blob.sha256.clone(), commit, bases: base.commits.clone() }, blob))
}

/// A file under the sum of its bytes.
pub(super) async fn blob(file: PathBuf) -> Result<Blob, Failure> {
    let summed = blocking(move || {
        let mut sum = sha2::Sha256::new();
        let mut reader = File::open(&file)?;
        let mut buffer = vec![0; 1 << 16];
        let mut size = 0;
        loop {
            let read = reader.read(&mut buffer)?;
            if read == 0 {
                return Ok(Blob { sha256: Sha256::from_raw(sum.finalize().into()), size, file });
            }
            sum.update(&buffer[..read]);
            size += read as u64;
        }
    });
    summed.await.map_err(|e| broken(&e))
}

/// Does what blocks, beside the rest.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
