//! Uploads: bytes by their SHA-256, as files of a local directory or as objects.
//!
//! `<root>/uploads/<first two digits>/<sha256>` is whole and on the disk. `<root>/uploads/part/<who>-<sha256>` is what one
//! user has sent of it so far: those of different users never meet, so nobody can spoil what another one sends.
//!
//! With an object store what is whole goes there before anybody hears of it, as `uploads/<first two digits>/<sha256>/<tag>`. A
//! new tag each time means that a server which was deposed in the middle of a removal removes nothing that came later.

use super::{
    blocking,
    disk::read_up_to,
    lock,
    remote::{Remote, written},
};
use crate::domain::{Sha256, UnixMs};
use bytes::Bytes;
use object_store::path::Path as Object;
use sha2::Digest;
use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::SystemTime,
};

/// Of so many it is remembered where their object is.
const KNOWN: usize = 1_000;

/// A handle on all uploads; clones share it.
#[derive(Clone)]
pub struct Uploads {
    root: PathBuf,
    remote: Option<Remote>,
    /// The parts that somebody writes to at this moment.
    busy: Arc<Mutex<HashSet<PathBuf>>>,
    /// Objects that were there when they were looked for, with their lengths.
    known: Arc<Mutex<HashMap<Sha256, (Object, u64)>>>,
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
    /// The disk or the object store refused.
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
struct Writing(Uploads, PathBuf);

impl Writing {
    fn begin(uploads: &Uploads, part: &Path) -> Result<Self, UploadError> {
        let free = lock(&uploads.busy).insert(part.to_owned());
        if free { Ok(Self(uploads.clone(), part.to_owned())) } else { Err(UploadError::Busy) }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        lock(&self.0.busy).remove(&self.1);
    }
}

impl Uploads {
    /// The uploads in the data directory `root`; with `remote` only parts are there, and what was whole before there was one.
    #[must_use]
    pub fn new(root: &Path, remote: Option<Remote>) -> Self {
        Self { root: root.join("uploads"), remote, busy: Arc::default(), known: Arc::default() }
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
        let (part, whole, wanted) = (self.part(who, sum), self.path(sum), sum.clone());
        let writing = Writing::begin(self, &part)?;
        let to_disk = self.remote.is_none();
        let (writing, file) = blocking(move || {
            make_dir(part.parent())?;
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&part)?;
            let have = file.metadata()?.len();
            if offset > have || offset.saturating_add(bytes.len() as u64) > size {
                return Err(UploadError::Offset { received: have });
            }
            file.write_all_at(&bytes, offset)?;
            let have = have.max(offset + bytes.len() as u64);
            if have < size {
                return Ok((writing, Err(Received::Part(have))));
            }
            if sum_of(&part)? != wanted {
                fs::remove_file(&part)?;
                return Err(UploadError::Checksum);
            }
            if to_disk {
                file.sync_all()?;
                make_dir(whole.parent())?;
                fs::rename(&part, &whole)?;
                for dir in whole.ancestors().skip(1).take(3) {
                    File::open(dir)?.sync_all()?;
                }
                return Ok((writing, Err(Received::Whole(size))));
            }
            Ok((writing, Ok(file)))
        })
        .await??;
        match (file, &self.remote) {
            (Ok(file), Some(Remote(remote))) => {
                let object = objects(sum).join(format!("{:016x}", remote.tag()));
                // Where this fails, the part stays: to send its end again is enough.
                remote.put_file(&object, Arc::new(file), size).await?;
                let part = writing.1.clone();
                blocking(move || fs::remove_file(part)).await??;
                Ok(Received::Whole(size))
            }
            (Ok(_), None) => Ok(Received::Whole(size)),
            (Err(received), _) => Ok(received),
        }
    }

    /// Up to `len` bytes from `offset` on; none at the end.
    ///
    /// # Errors
    /// The disk's, and the object store's; `NotFound` where it is not there whole.
    pub async fn read(&self, sum: &Sha256, offset: u64, len: usize) -> io::Result<Bytes> {
        let path = self.path(sum);
        let read = blocking(move || Ok(read_up_to(&File::open(path)?, offset, len)?.into())).await?;
        let Some(Remote(remote)) = self.remote.as_ref().filter(|_| is_missing(&read)) else { return read };
        for _ in 0..2 {
            let Some((object, size)) = self.object(sum).await? else { break };
            let end = offset.saturating_add(len as u64).min(size);
            if offset >= end {
                return Ok(Bytes::new());
            }
            match remote.get(&object, offset..end).await {
                // It was removed since it was found; there may be another one.
                Err(error) if error.kind() == ErrorKind::NotFound => drop(lock(&self.known).remove(sum)),
                read => return read,
            }
        }
        read
    }

    /// The length of one that is there whole.
    ///
    /// # Errors
    /// The disk's, and the object store's.
    pub async fn size(&self, sum: &Sha256) -> io::Result<Option<u64>> {
        let path = self.path(sum);
        let here = blocking(move || len(&path)).await??;
        if here.is_some() || self.remote.is_none() {
            return Ok(here);
        }
        Ok(self.object(sum).await?.map(|(_, size)| size))
    }

    /// Removes one that nobody may name since `before`; that there is none is no error. An object that was written later stays:
    /// somebody else may have named it.
    ///
    /// # Errors
    /// The disk's, and the object store's.
    pub async fn remove(&self, sum: &Sha256, before: UnixMs) -> io::Result<()> {
        let path = self.path(sum);
        blocking(move || match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await??;
        let Some(Remote(remote)) = &self.remote else { return Ok(()) };
        lock(&self.known).remove(sum);
        for object in remote.list(&objects(sum)).await?.iter().filter(|object| written(object) < before) {
            remote.delete(&object.location).await?;
        }
        Ok(())
    }

    /// An object with these bytes, and its length.
    async fn object(&self, sum: &Sha256) -> io::Result<Option<(Object, u64)>> {
        let Some(Remote(remote)) = &self.remote else { return Ok(None) };
        if let Some(known) = lock(&self.known).get(sum) {
            return Ok(Some(known.clone()));
        }
        let found = remote.list(&objects(sum)).await?.into_iter().next().map(|object| (object.location, object.size));
        if let Some(found) = &found {
            let mut known = lock(&self.known);
            if known.len() >= KNOWN {
                known.clear();
            }
            known.insert(sum.clone(), found.clone());
        }
        Ok(found)
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

/// Where the objects with these bytes are.
fn objects(sum: &Sha256) -> Object {
    Object::from(format!("uploads/{}/{sum}", &sum.as_str()[..2]))
}

fn is_missing<T>(read: &io::Result<T>) -> bool {
    read.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound)
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
