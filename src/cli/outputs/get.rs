//! `slipway outputs get`: files from the server to the disk.

use super::none;
use crate::{
    cli::{
        context::Context,
        exit::{Exit, Failure},
    },
    client::{Client, cut_off},
    domain::is_output,
    wire::{Output, OutputList, Sha256, TaskId},
};
use serde::Serialize;
use sha2::Digest;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What is to be fetched, and whereto.
pub(super) struct Wanted {
    pub(super) paths: Vec<String>,
    pub(super) to: Option<PathBuf>,
    pub(super) force: bool,
}

/// A file that was fetched.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fetched {
    #[serde(flatten)]
    output: Output,
    /// Where it is now.
    to: PathBuf,
}

/// Fetches files. One is there whole, with the SHA-256 that it had where it was made, or not at all.
pub(super) async fn fetch(context: &Context, client: &Client, id: TaskId, left: OutputList, wanted: &Wanted) -> Result<Exit, Failure> {
    if left.items.is_empty() {
        return Err(Failure::new(Exit::NotFound, none(id)));
    }
    let chosen = choose(left.items, &wanted.paths).map_err(|missing| {
        Failure::new(Exit::NotFound, format!("task {id} left no {missing}")).hint(format!("see what it left: slipway outputs ls {id}"))
    })?;
    if wanted.to.as_deref() == Some(Path::new("-")) {
        let [file] = chosen.as_slice() else {
            return Err(Failure::usage(format!("standard output takes one file, and these are {}", chosen.len())));
        };
        receive(client, id, file, |bytes| context.console.bytes(bytes)).await?;
        return Ok(Exit::Ok);
    }
    let dir = wanted.to.clone().unwrap_or_else(|| id.to_string().into());
    if !wanted.force
        && let Some(there) = chosen.iter().map(|file| dir.join(&file.path)).find(|path| path.exists())
    {
        return Err(Failure::new(Exit::Conflict, format!("{} is there already", there.display())).hint("replace it: --force"));
    }
    let mut fetched = Vec::new();
    for file in chosen {
        let to = dir.join(&file.path);
        save(client, id, &file, &to).await?;
        if context.format().is_whole() {
            fetched.push(Fetched { output: file, to });
        } else {
            context.console.line(to.display())?;
        }
    }
    if context.format().is_whole() {
        context.print(&fetched, |_| Vec::new(), |_| String::new())?;
    }
    Ok(Exit::Ok)
}

/// Of the files those that `paths` name, each once; all where they name none. The error is a path that names nothing.
fn choose(files: Vec<Output>, paths: &[String]) -> Result<Vec<Output>, String> {
    let below = |file: &Output, path: &str| {
        let path = path.strip_prefix("./").unwrap_or(path).trim_end_matches('/');
        file.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some(missing) = paths.iter().find(|path| !files.iter().any(|file| below(file, path))) {
        return Err(missing.clone());
    }
    // A server's word is not enough to leave the directory.
    let named = |file: &Output| is_output(&file.path) && (paths.is_empty() || paths.iter().any(|path| below(file, path)));
    Ok(files.into_iter().filter(named).collect())
}

async fn save(client: &Client, id: TaskId, file: &Output, to: &Path) -> Result<(), Failure> {
    let failed = |error: &io::Error| Failure::new(Exit::Error, format!("cannot write {}: {error}", to.display()));
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).map_err(|e| failed(&e))?;
    }
    let part = to.with_added_extension("part");
    let mode = if file.executable { 0o777 } else { 0o666 };
    let _ = fs::remove_file(&part);
    let mut open = OpenOptions::new().write(true).create_new(true).mode(mode).open(&part).map_err(|e| failed(&e))?;
    let received = receive(client, id, file, |bytes| open.write_all(bytes).map_err(|e| failed(&e))).await;
    if let Err(failure) = received {
        let _ = fs::remove_file(&part);
        return Err(failure);
    }
    fs::rename(&part, to).map_err(|e| failed(&e))
}

/// Gives the bytes of a file to `take`; an error where they are not those that the task left.
async fn receive(client: &Client, id: TaskId, file: &Output, mut take: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut response = client.output(id, &file.sha256, 0).await?;
    let mut sum = sha2::Sha256::new();
    while let Some(bytes) = response.chunk().await.map_err(cut_off)? {
        sum.update(&bytes);
        take(&bytes)?;
    }
    if Sha256::from_raw(sum.finalize().into()) != file.sha256 {
        return Err(Failure::new(Exit::Error, format!("{} arrived damaged", file.path)).hint("fetch it again"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_chosen_by_name_and_by_directory() {
        let file = |path: &str| Output { path: path.into(), size: 1, sha256: Sha256::of(b"x"), executable: false };
        let left = || ["a.txt", "run/1.txt", "run/2.txt", "runs/3.txt", "../evil", "/etc/passwd"].map(file).to_vec();
        let chosen = |paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
            choose(left(), &paths).map(|files| files.into_iter().map(|file| file.path).collect::<Vec<_>>())
        };
        assert_eq!(chosen(&[]).unwrap(), ["a.txt", "run/1.txt", "run/2.txt", "runs/3.txt"], "and nothing that leaves the directory");
        assert_eq!(chosen(&["run/", "./run/1.txt"]).unwrap(), ["run/1.txt", "run/2.txt"]);
        assert_eq!(chosen(&["a.txt", "ru"]).unwrap_err(), "ru");
        assert_eq!(chosen(&["../evil"]).unwrap(), Vec::<String>::new());
    }
}
