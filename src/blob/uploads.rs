//! Uploads: bytes by their SHA-256, as files of a local directory.
//!
//! `<root>/uploads/<first two digits>/<sha256>` is whole and on the disk. `<root>/uploads/part/<who>-<sha256>` is what one
//! user has sent of it so far: those of different users never meet, so nobody can spoil what another one sends.

use super::{blocking, disk::read_up_to, lock};
use crate::domain::{Sha256, UnixMs};
use bytes::Bytes;
use sha2::Digest;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::SystemTime,
};

/// A handle on all uploads; clones share it.
#[derive(Clone, Debug)]
pub struct Uploads {
    root: PathBuf,
    /// The parts that somebody writes to at this moment.
    busy: Arc<Mutex<std::collections::HashSet<PathBuf>>>,
}

/// Why bytes were not taken. What was there before stays, but for [`UploadError::Checksum`].
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The bytes do not follow what is there.
    #[error("the upload continues at offset {received}")]
    Offset {
        /// How much is there.
        received: u64,
    },
    /// Another call of the same user writes to it now.
    #[error("the upload is being written to")]
    Busy,
    /// All bytes came, and their SHA-256 is another one; all of them are forgotten.
    #[error("the bytes have another SHA-256")]
    Checksum,
    /// The disk refused.
    #[error("writing an upload: {0}")]
    Io(#[from] io::Error),
}

/// What is there of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, without a hole.
    Part(u64),
    /// All of them, on the disk.
    Whole(u64),
}

/// Holds a part for one writer.
struct Writing<'a>(&'a Uploads, PathBuf);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        lock(&self.0.busy).remove(&self.1);
    }
}

impl Uploads {
    /// The uploads in the data directory `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.join("uploads"), busy: Arc::default() }
    }

    /// How much `who` has sent of it.
    ///
    /// # Errors
    /// The disk's.
    pub async fn received(&self, who: &str, sum: &Sha256) -> io::Result<u64> {
        let path = self.part(who, sum);
        blocking(move || len(&path)).await?.map(|len| len.unwrap_or(0))
    }

    /// Takes `bytes` of an upload of `size` bytes at `offset`; bytes that are there already may come again.
    ///
    /// # Errors
    /// As [`UploadError`] says.
    pub async fn append(&self, who: &str, sum: &Sha256, size: u64, offset: u64, bytes: Bytes) -> Result<Received, UploadError> {
        let (this, part, whole, sum) = (self.clone(), self.part(who, sum), self.path(sum), sum.clone());
        blocking(move || {
            if !lock(&this.busy).insert(part.clone()) {
                return Err(UploadError::Busy);
            }
            let _writing = Writing(&this, part.clone());
            make_dir(part.parent())?;
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&part)?;
            let have = file.metadata()?.len();
            if offset > have || offset.saturating_add(bytes.len() as u64) > size {
                return Err(UploadError::Offset { received: have });
            }
            file.write_all_at(&bytes, offset)?;
            let have = have.max(offset + bytes.len() as u64);
            if have < size {
                return Ok(Received::Part(have));
            }
            if sum_of(&part)? != sum {
                fs::remove_file(&part)?;
                return Err(UploadError::Checksum);
            }
            file.sync_all()?;
            make_dir(whole.parent())?;
            fs::rename(&part, &whole)?;
            for dir in whole.ancestors().skip(1).take(3) {
                File::open(dir)?.sync_all()?;
            }
            Ok(Received::Whole(size))
        })
        .await?
    }

    /// Up to `len` bytes from `offset` on; none at the end.
    ///
    /// # Errors
    /// The disk's; `NotFound` where it is not there whole.
    pub async fn read(&self, sum: &Sha256, offset: u64, len: usize) -> io::Result<Bytes> {
        let path = self.path(sum);
        blocking(move || Ok(read_up_to(&File::open(path)?, offset, len)?.into())).await?
    }

    /// The length of one that is there whole.
    ///
    /// # Errors
    /// The disk's.
    pub async fn size(&self, sum: &Sha256) -> io::Result<Option<u64>> {
        let path = self.path(sum);
        blocking(move || len(&path)).await?
    }

    /// Removes one; that there is none is no error.
    ///
    /// # Errors
    /// The disk's.
    pub async fn remove(&self, sum: &Sha256) -> io::Result<()> {
        let path = self.path(sum);
        blocking(move || match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await?
    }

    /// Removes parts to which nobody has written since.
    ///
    /// # Errors
    /// The disk's.
    pub async fn forget_parts(&self, before: UnixMs) -> io::Result<()> {
        let dir = self.root.join("part");
        blocking(move || {
            let entries = match fs::read_dir(dir) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let written = entry.metadata()?.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                if i64::try_from(written.as_millis()).unwrap_or(i64::MAX) < before.0 {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        })
        .await?
    }

    fn path(&self, sum: &Sha256) -> PathBuf {
        self.root.join(&sum.as_str()[..2]).join(sum.as_str())
    }

    /// A name may hold anything, so its sum stands for it.
    fn part(&self, who: &str, sum: &Sha256) -> PathBuf {
        self.root.join("part").join(format!("{}-{sum}", &Sha256::of(who.as_bytes()).as_str()[..16]))
    }
}

fn len(path: &Path) -> io::Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(file) => Ok(Some(file.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn make_dir(dir: Option<&Path>) -> io::Result<()> {
    dir.map_or(Ok(()), |dir| fs::DirBuilder::new().recursive(true).mode(0o700).create(dir))
}

fn sum_of(path: &Path) -> io::Result<Sha256> {
    let (mut file, mut sum, mut piece) = (File::open(path)?, sha2::Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Sha256::from_raw(sum.finalize().into())),
            n => sum.update(&piece[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_upload_comes_in_pieces_and_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(dir.path());
        let text = Bytes::from(vec![7; 3_000]);
        let sum = Sha256::of(&text);
        assert_eq!(uploads.append("kim", &sum, 3_000, 0, text.slice(..1_000)).await.unwrap(), Received::Part(1_000));
        assert_eq!(uploads.received("kim", &sum).await.unwrap(), 1_000);
        assert_eq!(uploads.received("ada", &sum).await.unwrap(), 0, "what one sends is nothing to another");
        let hole = uploads.append("kim", &sum, 3_000, 2_000, text.slice(2_000..)).await.unwrap_err();
        assert!(matches!(hole, UploadError::Offset { received: 1_000 }), "{hole}");
        let long = uploads.append("kim", &sum, 3_000, 1_000, Bytes::from(vec![7; 2_001])).await.unwrap_err();
        assert!(matches!(long, UploadError::Offset { .. }), "{long}");
        assert_eq!(uploads.size(&sum).await.unwrap(), None);
        assert_eq!(uploads.append("kim", &sum, 3_000, 500, text.slice(500..)).await.unwrap(), Received::Whole(3_000));
        assert_eq!(uploads.size(&sum).await.unwrap(), Some(3_000));
        assert_eq!(uploads.read(&sum, 2_999, 10).await.unwrap(), text.slice(2_999..));
        uploads.remove(&sum).await.unwrap();
        uploads.remove(&sum).await.unwrap();
        assert_eq!(uploads.read(&sum, 0, 1).await.unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn wrong_bytes_are_forgotten_and_so_are_old_parts() {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(dir.path());
        let sum = Sha256::of(b"right");
        let wrong = uploads.append("kim", &sum, 5, 0, Bytes::from_static(b"wrong")).await.unwrap_err();
        assert!(matches!(wrong, UploadError::Checksum), "{wrong}");
        assert_eq!(uploads.received("kim", &sum).await.unwrap(), 0);
        uploads.append("kim", &sum, 5, 0, Bytes::from_static(b"ri")).await.unwrap();
        uploads.forget_parts(UnixMs(1_000)).await.unwrap();
        assert_eq!(uploads.received("kim", &sum).await.unwrap(), 2);
        uploads.forget_parts(UnixMs(i64::MAX)).await.unwrap();
        assert_eq!(uploads.received("kim", &sum).await.unwrap(), 0);
        let empty = Sha256::of(b"");
        assert_eq!(uploads.append("kim", &empty, 0, 0, Bytes::new()).await.unwrap(), Received::Whole(0));
    }
}
