//! The files of an image as one tar archive.

use super::strip::stripped;
use anyhow::{Context, bail};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    str::FromStr,
};
use tar::{Builder, EntryType, Header};

/// A user and a group, as numbers: an image made of nothing has no names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u64,
    /// The group.
    pub gid: u64,
}

impl FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        let number = |part: &str| part.parse().map_err(|_| format!("{part:?} is no number"));
        Ok(Self { uid: number(uid)?, gid: number(gid)? })
    }
}

enum Content {
    Directory(u32),
    File(PathBuf),
    Link(PathBuf),
}

/// What stands at a path of the image, and whose it is.
struct Entry {
    content: Content,
    owner: Owner,
}

/// Files on their way into an image, by path without the first `/`.
pub(super) struct Layer {
    owner: Owner,
    /// Set where programs are to lose their debug information: a path for that work.
    strip: Option<PathBuf>,
    entries: BTreeMap<PathBuf, Entry>,
}

impl Layer {
    /// An empty one, whose files will be `owner`'s. With `strip`, a path that nobody else uses, programs come without
    /// their debug information.
    pub(super) fn new(owner: Owner, strip: Option<PathBuf>) -> Self {
        Self { owner, strip, entries: BTreeMap::new() }
    }

    /// Adds a file, or a directory with everything in it.
    pub(super) fn add(&mut self, source: &Path, dest: &str) -> anyhow::Result<()> {
        let cannot = |what: &str| format!("cannot {what} {}", source.display());
        // What is named is meant: only links inside a directory stay links.
        let kind = fs::metadata(source).with_context(|| cannot("find"))?;
        let path = self.make_way(dest);
        if kind.is_file() {
            self.put(path, Content::File(source.to_owned()));
            return Ok(());
        }
        if !kind.is_dir() {
            bail!("{} is neither file nor directory; images hold nothing else", source.display());
        }
        self.put(path, Content::Directory(0o755));
        for entry in fs::read_dir(source).with_context(|| cannot("list"))? {
            let entry = entry.with_context(|| cannot("list"))?;
            let name = entry.file_name();
            let inner =
                format!("{}/{}", dest.trim_end_matches('/'), name.to_str().with_context(|| format!("{} is no text", name.display()))?);
            if entry.file_type().with_context(|| cannot("list"))?.is_symlink() {
                let target = fs::read_link(entry.path()).with_context(|| cannot("read a link in"))?;
                let path = self.make_way(&inner);
                self.put(path, Content::Link(target));
            } else {
                self.add(&entry.path(), &inner)?;
            }
        }
        Ok(())
    }

    /// Adds an empty directory for data, which is `user`'s and nobody else's.
    pub(super) fn volume(&mut self, dest: &str, user: Owner) {
        let path = self.make_way(dest);
        self.entries.insert(path, Entry { content: Content::Directory(0o700), owner: user });
    }

    /// The path of `dest`, above which every directory is now there.
    fn make_way(&mut self, dest: &str) -> PathBuf {
        let path = PathBuf::from(dest.trim_matches('/'));
        for above in path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
            self.entries.entry(above.to_owned()).or_insert(Entry { content: Content::Directory(0o755), owner: self.owner });
        }
        path
    }

    fn put(&mut self, path: PathBuf, content: Content) {
        // The root is everybody's.
        if !path.as_os_str().is_empty() {
            self.entries.insert(path, Entry { content, owner: self.owner });
        }
    }

    /// Writes the archive. A file has the same mode in every image: executable for all or for none.
    pub(super) fn pack(&self, to: impl Write) -> anyhow::Result<()> {
        let mut tar = Builder::new(to);
        for (path, entry) in &self.entries {
            let mut header = Header::new_gnu();
            header.set_mtime(0);
            header.set_size(0);
            header.set_uid(entry.owner.uid);
            header.set_gid(entry.owner.gid);
            match &entry.content {
                Content::Directory(mode) => {
                    header.set_entry_type(EntryType::Directory);
                    header.set_mode(*mode);
                    tar.append_data(&mut header, path, io::empty())?;
                }
                Content::File(source) => {
                    let cannot = || format!("cannot read {}", source.display());
                    let executable = fs::metadata(source).with_context(cannot)?.permissions().mode() & 0o111 != 0;
                    let content = self.open(source).with_context(cannot)?;
                    let size = content.metadata().with_context(cannot)?.len();
                    header.set_entry_type(EntryType::Regular);
                    header.set_mode(if executable { 0o755 } else { 0o644 });
                    header.set_size(size);
                    // A file that changes meanwhile spoils its own content alone.
                    tar.append_data(&mut header, path, content.chain(io::repeat(0)).take(size)).with_context(cannot)?;
                }
                Content::Link(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_mode(0o777);
                    tar.append_link(&mut header, path, target)?;
                }
            }
        }
        tar.into_inner()?.flush()?;
        Ok(())
    }

    fn open(&self, source: &Path) -> anyhow::Result<File> {
        match &self.strip {
            Some(scratch) => stripped(source, scratch),
            None => Ok(File::open(source)?),
        }
    }
}
