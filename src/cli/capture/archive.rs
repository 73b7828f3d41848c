//! Files that travel whole: which, and as what archive. The same files give the same bytes.

use super::{
    super::exit::{Exit, Failure},
    facts::Excluded,
    git::{self, Git},
    index,
    rules::{self, Limits, Rules, Sorted},
};
use std::{
    ffi::OsStr,
    fs::{self, File},
    future::Future,
    io::{self, Read, Seek},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
    pin::Pin,
};
use tar::{Builder, EntryType, Header};

/// The files of the repository around `dir` that are below it: those that git knows and that are there, those that it does not
/// know and does not ignore, and those of repositories within.
pub(super) fn of_repository<'a>(dir: &'a Path, limits: Limits) -> Pin<Box<dyn Future<Output = Result<Sorted, Failure>> + Send + 'a>> {
    // A repository may have others within.
    Box::pin(listed(dir, limits))
}

async fn listed(dir: &Path, limits: Limits) -> Result<Sorted, Failure> {
    let user = Git::of(dir);
    let known = index::entries(&user.run(&["ls-files", "-s", "-v", "-z"]).await?);
    let others = user.run(&["ls-files", "-z", "-o", "--exclude-standard"]).await?;
    let (nested, files): (Vec<_>, Vec<_>) = git::items(&others).partition(|path| path.ends_with(b"/"));
    let mut sorted = rules::sort(dir, files.into_iter().map(<[u8]>::to_vec), limits);
    let (links, known): (Vec<_>, Vec<_>) = known.into_iter().partition(index::Entry::is_link);
    for entry in known {
        if let Some(meta) = there(dir, &entry.path) {
            sorted.weigh(&entry.path, meta.len());
            sorted.taken.push(entry.path);
        }
    }
    let mut rules = Rules::of(dir);
    let nested = nested.into_iter().map(|path| (path[..path.len() - 1].to_vec(), true));
    for (path, unknown) in links.into_iter().map(|link| (link.path, false)).chain(nested) {
        let relative = git::path(&path);
        let top = dir.join(&relative);
        if unknown && rules.named(&relative, true).is_some() {
            sorted.left.push(Excluded::measured(dir, &relative, rules::FILE));
        } else if top.join(".git").exists() {
            sorted.below(&path, of_repository(&top, limits).await?);
        }
    }
    sorted.taken.sort();
    // A file in conflict stands in the index several times.
    sorted.taken.dedup();
    Ok(sorted)
}

/// A file or symbolic link, no directory that took the place of one.
fn there(dir: &Path, path: &[u8]) -> Option<fs::Metadata> {
    let whole = dir.join(git::path(path));
    // Where a directory became a link, what was in it is gone.
    let mut above = whole.parent().into_iter().flat_map(Path::ancestors).take_while(|above| *above != dir);
    let linked = above.any(Path::is_symlink);
    whole.symlink_metadata().ok().filter(|meta| !linked && (meta.is_file() || meta.is_symlink()))
}

/// The files of a plain folder.
pub(super) fn of_folder(dir: &Path, limits: Limits) -> Result<Sorted, Failure> {
    let mut files = Vec::new();
    let mut left = vec![Vec::new()];
    while let Some(below) = left.pop() {
        let at = dir.join(git::path(&below));
        let unreadable = |e: io::Error| Failure::new(Exit::Usage, format!("cannot read the folder {}: {e}", at.display()));
        for entry in fs::read_dir(&at).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            let name = entry.file_name();
            let path = if below.is_empty() { name.as_bytes().to_vec() } else { [&*below, name.as_bytes()].join(&b'/') };
            if kind.is_dir() && name != ".git" {
                left.push(path);
            } else if kind.is_file() || kind.is_symlink() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(rules::sort(dir, files.into_iter(), limits))
}

/// Writes the archive.
///
/// # Errors
/// A file cannot be read, or changes meanwhile.
pub(super) fn write(dir: &Path, files: &[Vec<u8>], out: &File) -> io::Result<()> {
    let mut archive = Builder::new(io::BufWriter::new(out));
    for path in files {
        let at = dir.join(git::path(path));
        add(&mut archive, path, &at).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", at.display())))?;
    }
    archive.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(())
}

fn add(archive: &mut Builder<impl io::Write>, path: &[u8], at: &Path) -> io::Result<()> {
    let meta = at.symlink_metadata()?;
    let executable = meta.permissions().mode() & 0o100 != 0;
    let mut header = header(if meta.is_symlink() { EntryType::Symlink } else { EntryType::Regular });
    header.set_mode(if executable { 0o755 } else { 0o644 });
    if meta.is_symlink() {
        let target = fs::read_link(at)?;
        // As it stands there, also where it leads nowhere or out of the code.
        if header.set_link_name_literal(target.as_os_str().as_bytes()).is_err() {
            long(archive, EntryType::GNULongLink, target.as_os_str().as_bytes())?;
        }
        header.set_size(0);
        return archive.append_data(&mut header, OsStr::from_bytes(path), io::empty());
    }
    let mut file = File::open(at)?;
    let size = file.metadata()?.len();
    header.set_size(size);
    archive.append_data(&mut header, OsStr::from_bytes(path), (&mut file).take(size))?;
    if file.stream_position()? == size { Ok(()) } else { Err(io::Error::other("it changed while it was read")) }
}

fn header(kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// What is too long for a header stands before it.
fn long(archive: &mut Builder<impl io::Write>, kind: EntryType, text: &[u8]) -> io::Result<()> {
    let mut header = header(kind);
    header.set_mode(0o644);
    header.as_gnu_mut().into_iter().for_each(|gnu| gnu.name[..13].copy_from_slice(b"././@LongLink"));
    header.set_size(text.len() as u64 + 1);
    header.set_cksum();
    archive.append(&header, text.chain(&[0][..]))
}

impl Sorted {
    /// Takes over what was found below a path.
    fn below(&mut self, path: &[u8], within: Self) {
        let shown = String::from_utf8_lossy(path);
        for (bytes, file) in within.largest {
            self.remember(&format!("{shown}/{file}"), bytes);
        }
        self.bytes += within.bytes;
        self.taken.extend(within.taken.into_iter().map(|file| [path, &file].join(&b'/')));
        self.left.extend(within.left.into_iter().map(|left| Excluded { path: format!("{shown}/{}", left.path), ..left }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_odd_names_and_targets_come_out_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let name = [b"d/".to_vec(), vec![b'n'; 180], b"\xff\n".to_vec()].concat();
        let target = format!("./a//b/../{}", "t/".repeat(90));
        fs::create_dir(dir.path().join("d")).unwrap();
        fs::write(dir.path().join(git::path(&name)), "x").unwrap();
        std::os::unix::fs::symlink(&target, dir.path().join("l")).unwrap();
        std::os::unix::fs::symlink("./x//y", dir.path().join("s")).unwrap();
        let files = of_folder(dir.path(), Limits::default()).unwrap().taken;
        assert_eq!(files, [name.clone(), b"l".to_vec(), b"s".to_vec()]);
        let [once, twice] = [(), ()].map(|()| {
            let out = tempfile::tempfile().unwrap();
            write(dir.path(), &files, &out).unwrap();
            let mut bytes = Vec::new();
            (&out).rewind().and_then(|()| (&out).read_to_end(&mut bytes)).unwrap();
            bytes
        });
        assert_eq!(once, twice);
        let mut archive = tar::Archive::new(&*once);
        let read: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.path_bytes().to_vec(), entry.link_name_bytes().map(|name| name.to_vec()), entry.header().mtime().unwrap())
            })
            .collect();
        assert_eq!(read, [(name, None, 0), (b"l".to_vec(), Some(target.into_bytes()), 0), (b"s".to_vec(), Some(b"./x//y".to_vec()), 0)]);
    }
}
