//! Keeping what a command left: the files among its task's outputs go to the server once the command has ended, however it
//! ended. Nothing here changes how it ended; what could not be kept is said in the log.

use super::{link::Link, log::Log};
use crate::{
    client::Sink,
    wire::{Notes, Output, Sha256},
};
use sha2::Digest;
use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::timeout;

/// How often a piece of a file is sent in a row before the file is given up.
const TRIES: u32 = 20;

/// A file to keep.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    /// From the working directory on.
    path: String,
    size: u64,
    executable: bool,
}

/// Keeps the files at `paths` below `dir` within `patience`, `limit` bytes of them at most; a directory stands for all files in
/// it. Symbolic links within a directory and whatever is no file are left out.
pub(super) async fn keep(paths: &[String], dir: &Path, limit: u64, patience: Duration, link: &Link, log: &Log) {
    if paths.is_empty() {
        return;
    }
    let say = |remark: &str| log.notice(&log.clear(&format!("outputs: {remark}")));
    let mut remarks = Vec::new();
    let found = find(paths, dir, &mut remarks);
    for remark in &remarks {
        say(remark);
    }
    let size: u64 = found.iter().map(|file| file.size).sum();
    if size > limit {
        say(&format!("nothing is kept: {size} bytes are more than the {limit} that the queue keeps of a task (limits.outputBytes)"));
        return;
    }
    let sending = async {
        for file in &found {
            match send(file, dir, link).await {
                Ok(output) => link.notebook.note(|notes| notes.outputs.push(output)),
                Err(why) => say(&format!("{} could not be kept: {why}", file.path)),
            }
        }
    };
    if timeout(patience, sending).await.is_err() {
        say(&format!("not all was sent within {} s", patience.as_secs()));
    }
}

/// The files, in the order of their paths, each once.
fn find(paths: &[String], dir: &Path, remarks: &mut Vec<String>) -> Vec<Found> {
    let mut found = Vec::new();
    for path in paths {
        // What the task itself names may be a link to where it is.
        match fs::metadata(dir.join(path)) {
            Ok(of) if of.is_dir() => walk(dir, Path::new(path), &mut found, remarks),
            Ok(of) if of.is_file() => {
                found.push(Found { path: path.clone(), size: of.len(), executable: of.permissions().mode() & 0o100 != 0 });
            }
            Ok(_) => remarks.push(format!("{path} is neither a file nor a directory")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => remarks.push(format!("{path} is not there")),
            Err(error) => remarks.push(format!("{path}: {error}")),
        }
    }
    found.sort();
    found.dedup_by(|a, b| a.path == b.path);
    let mut bytes = 0;
    let fitting = found.iter().take(Notes::MAX_OUTPUTS).take_while(|file| {
        bytes += file.path.len();
        bytes <= Notes::MAX_PATH_BYTES
    });
    let fitting = fitting.count();
    if fitting < found.len() {
        remarks.push(format!(
            "{} files are left out: at most {} are kept; put them into an archive",
            found.len() - fitting,
            Notes::MAX_OUTPUTS
        ));
        found.truncate(fitting);
    }
    found
}

fn walk(dir: &Path, below: &Path, found: &mut Vec<Found>, remarks: &mut Vec<String>) {
    let mut rest = vec![below.to_owned()];
    while let Some(below) = rest.pop() {
        let entries = match fs::read_dir(dir.join(&below)) {
            Ok(entries) => entries,
            Err(error) => {
                remarks.push(format!("{}: {error}", below.display()));
                continue;
            }
        };
        for entry in entries.flatten() {
            let path: PathBuf = below.join(entry.file_name());
            // Of the entry itself: a link says that it is one.
            let Ok(of) = entry.metadata() else { continue };
            let name = path.to_str().filter(|name| crate::domain::is_output(name));
            match name {
                Some(_) if of.is_dir() => rest.push(path),
                Some(name) if of.is_file() => {
                    found.push(Found { path: name.to_owned(), size: of.len(), executable: of.permissions().mode() & 0o100 != 0 });
                }
                None if of.is_dir() || of.is_file() => remarks.push(format!("{} has a name that cannot be kept", path.display())),
                _ => {}
            }
        }
        // Beyond what can be kept nothing more needs to be known of a very large directory.
        if found.len() > 100 * Notes::MAX_OUTPUTS {
            remarks.push(format!("{} holds too many files", below.display()));
            return;
        }
    }
}

async fn send(file: &Found, dir: &Path, link: &Link) -> Result<Output, String> {
    let open = File::open(dir.join(&file.path)).map_err(|e| e.to_string())?;
    let (sha256, size) = sum_of(&open).await.map_err(|e| e.to_string())?;
    let to = (Sink::Outputs(link.attempt), &sha256);
    link.client.upload(to, size, &open, &*link.rng, TRIES, |_| ()).await.map_err(|e| e.to_string())?;
    Ok(Output { path: file.path.clone(), size, sha256, executable: file.executable })
}

/// The sum of a file's bytes and how many they are. Between its pieces the agent does what else there is to do.
async fn sum_of(mut file: &File) -> io::Result<(Sha256, u64)> {
    let (mut sum, mut size, mut piece) = (sha2::Sha256::new(), 0, vec![0; 256 << 10]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok((Sha256::from_raw(sum.finalize().into()), size)),
            n => {
                sum.update(&piece[..n]);
                size += n as u64;
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn files_are_found_once_and_links_are_not_followed_out_of_sight() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("run/deep")).unwrap();
        for (path, text) in [("model.pt", "12345"), ("run/log.txt", "1"), ("run/deep/a b", ""), ("elsewhere", "x")] {
            fs::write(at(path), text).unwrap();
        }
        fs::write(at("run/new\nline"), "").unwrap();
        symlink(at("elsewhere"), at("run/link")).unwrap();
        symlink(at("elsewhere"), at("named")).unwrap();
        symlink(at("run"), at("run/deep/loop")).unwrap();
        fs::set_permissions(at("run/log.txt"), fs::Permissions::from_mode(0o755)).unwrap();
        let mut remarks = Vec::new();
        let paths = ["run", "model.pt", "run/log.txt", "named", "missing"].map(str::to_owned);
        let found = find(&paths, dir.path(), &mut remarks);
        let found: Vec<_> = found.iter().map(|f| (f.path.as_str(), f.size, f.executable)).collect();
        let expected = [("model.pt", 5, false), ("named", 1, false), ("run/deep/a b", 0, false), ("run/log.txt", 1, true)];
        assert_eq!(found, expected);
        assert_eq!(remarks, ["run/new\nline has a name that cannot be kept", "missing is not there"]);
    }
}
