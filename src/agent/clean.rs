//! Removing what the command left in the attempt's directory.

use super::place::Place;
use crate::wire::handoff::files;
use std::{
    fs::{self, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// Removes the command's directories and the spool. What cannot be removed is left for whoever owns the attempt's
/// directory, and said. Call it when nothing of the attempt lives. A pod's volume goes with the pod.
pub(super) fn clean(place: &Place) {
    if place.is_pod() {
        return;
    }
    for name in [files::SCRATCH, files::HOME, files::TMP, files::CODE, files::ENV, files::SETUP, files::INSIDE] {
        let path = place.at(name);
        if let Err(error) = remove_tree(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot be removed");
        }
    }
    let _ = fs::remove_file(place.at(files::SPOOL));
}

/// Removes a directory whatever the permissions inside it are; none is no error.
fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        other => other,
    }
}

/// Makes every directory below `path` ours to change. Symbolic links are not followed.
fn open_up(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_permissions_are_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let locked = dir.path().join("scratch/a/b");
        fs::create_dir_all(&locked).unwrap();
        fs::write(locked.join("file"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("scratch/a/link")).unwrap();
        fs::set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(dir.path().join("scratch/a"), Permissions::from_mode(0o500)).unwrap();
        clean(&Place::directory(dir.path()));
        assert!(!dir.path().join("scratch").exists());
        assert!(Path::new("/etc").exists());
    }
}
