//! Where in the code the user stands, and which file there the environment is made from; both only as far as they travel.

use super::{
    super::exit::Failure,
    Lock,
    git::{self, Git},
};
use crate::domain::{Sha256, is_inside};
use std::path::{Path, PathBuf};

/// The files that an environment is made from, in the order in which they count.
const LOCKS: [&str; 4] = ["uv.lock", "requirements.txt", "pyproject.toml", "environment.yml"];

/// Those of some paths that a tree has.
pub(super) async fn has(objects: &Git, tree: &str, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let paths: Vec<_> = paths.iter().filter(|path| !path.as_os_str().is_empty()).map(|path| path.as_os_str()).collect();
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let args = [&["ls-tree", "-z", "--name-only", "--full-tree", tree, "--"].map(AsRef::as_ref)[..], &paths].concat();
    let listed = objects.clone().with("GIT_LITERAL_PATHSPECS", "1").run(&args).await?;
    Ok(git::items(&listed).map(git::path).collect())
}

/// Where the command is to run, as far as that place travels.
pub(super) fn stands(below: &Path, has: &[PathBuf], unfaithful: &mut Vec<String>) -> Result<Option<String>, Failure> {
    if below.as_os_str().is_empty() {
        return Ok(None);
    }
    if !has.iter().any(|path| path == below) {
        unfaithful.push(format!("nothing of {}/ travels: the command runs at the top", below.display()));
        return Ok(None);
    }
    match below.to_str().filter(|below| is_inside(below)) {
        Some(below) => Ok(Some(below.to_owned())),
        None => Err(Failure::usage(format!("the directory {} has a name that no task can be given", below.display()))
            .hint("go to the top of the repository, or name a directory: --cwd DIR")),
    }
}

/// Where a file of an environment may be: where the user stands, else at the top.
pub(super) fn locks(below: &Path) -> Vec<PathBuf> {
    let mut places = vec![below, Path::new("")];
    places.dedup();
    places.into_iter().flat_map(|place| LOCKS.map(|name| place.join(name))).collect()
}

/// The first of these files that travels.
pub(super) fn lock(top: &Path, locks: &[PathBuf], has: &[PathBuf]) -> Option<Lock> {
    let file = locks.iter().find(|file| has.contains(file))?;
    let bytes = std::fs::read(top.join(file)).ok()?;
    Some(Lock { file: file.to_string_lossy().into_owned(), sha256: Sha256::of(&bytes).to_string() })
}
