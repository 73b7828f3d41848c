//! Code that travels whole.

use super::{
    super::exit::{Exit, Failure},
    Captured, Kind, Limits, Options, Place, archive,
    facts::Facts,
    git::Git,
    ignored,
    pack::{blob, blocking},
    place::{lock, locks, stands},
    repository,
    rules::Sorted,
    shadow::broken,
};
use crate::domain::Code;
use std::{
    ffi::OsStr,
    fs::File,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// The files of a repository as one archive.
pub(super) async fn whole(place: Place, why: String, options: &Options) -> Result<Captured, Failure> {
    let sorted = archive::of_repository(&place.top, options.limits).await?;
    if sorted.taken.is_empty() && options.upload.is_none() {
        return Ok(Captured::default());
    }
    let mut captured = archived(&place.top, sorted, &place.below, options.limits).await?;
    captured.facts.why = Some(why).filter(|_| options.upload.is_none());
    captured.facts.excluded.extend(ignored(&Git::of(&place.top), &place.top).await?);
    captured.facts = captured.facts.order();
    Ok(captured)
}

/// A folder as one archive; where git knows it, without what git ignores.
pub(super) async fn folder_whole(folder: &Path, options: &Options) -> Result<Captured, Failure> {
    let mut sorted = Sorted::default();
    if repository(folder).await?.is_some() {
        sorted = archive::of_repository(folder, options.limits).await?;
    }
    if sorted.taken.is_empty() {
        let (folder, limits) = (folder.to_owned(), options.limits);
        sorted = blocking(move || Ok(archive::of_folder(&folder, limits))).await.map_err(|e| broken(&e))??;
    }
    archived(folder, sorted, Path::new(""), options.limits).await
}

async fn archived(top: &Path, sorted: Sorted, below: &Path, limits: Limits) -> Result<Captured, Failure> {
    sorted.within(limits)?;
    let Sorted { taken, left, .. } = sorted;
    if taken.is_empty() {
        return Err(Failure::usage(format!("there is no file to send along in {}", top.display())));
    }
    let files = tempfile::tempdir().map_err(|e| broken(&e))?;
    let file = files.path().join("tar");
    let inside = |path: &Path| taken.iter().any(|file| Path::new(OsStr::from_bytes(file)).starts_with(path));
    let mut unfaithful = Vec::new();
    let has: Vec<PathBuf> = Some(below.to_owned()).filter(|below| inside(below)).into_iter().collect();
    let working_dir = stands(below, &has, &mut unfaithful)?;
    let candidates = locks(below);
    let lock = lock(top, &candidates, &candidates.iter().filter(|file| inside(file)).cloned().collect::<Vec<_>>());
    let count = taken.len();
    let (from, to) = (top.to_owned(), file.clone());
    let written = blocking(move || archive::write(&from, &taken, &File::create(to)?)).await;
    written.map_err(|e| Failure::new(Exit::Error, format!("cannot pack the code: {e}")))?;
    let blob = blob(file).await?;
    let name = top.file_name().map(|name| name.to_string_lossy().into_owned());
    let facts = Facts {
        kind: Kind::Upload,
        repository: name,
        files: Some(count),
        bytes: blob.size,
        excluded: left,
        unfaithful,
        lock,
        ..Facts::default()
    };
    let code = Some(Code { upload: Some(blob.sha256.clone()), ..Code::default() });
    Ok(Captured { code, working_dir, blobs: vec![blob], facts: facts.order(), _files: Some(files) })
}
