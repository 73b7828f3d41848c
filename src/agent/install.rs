//! Bringing the agent into a pod: an init container of its own image copies it into a volume that the task's container
//! can only read.

use super::{Exit, place::Place};
use crate::domain::pod;
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    process::{ExitCode, Stdio},
    time::Duration,
};
use tokio::process::Command;

/// The longest that the copy may take to name its version.
const VERIFY: Duration = Duration::from_secs(30);

/// Copies the program `own` into `dir` as `slipway-agent`, executable for every user and writable for none, whole or not
/// at all, and lets the copy say `version` as proof. Only `dir` is written to; `place` is the pod, where a failure is
/// explained. The exit code is 0 or 98.
#[must_use]
pub fn install(place: &Place, own: &Path, dir: &Path, version: &str) -> ExitCode {
    copy(own, dir, version).map_or_else(|why| Exit::Setup(why).end(place), |()| ExitCode::SUCCESS)
}

fn copy(own: &Path, dir: &Path, version: &str) -> Result<(), String> {
    let name = Path::new(pod::AGENT).file_name().unwrap_or_default();
    let (new, path) = (dir.join(".slipway-agent.new"), dir.join(name));
    let cannot = |what: &'static str, path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| format!("cannot {what} {path}: {error}")
    };
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(cannot("replace", &new)(error)),
        _ => {}
    }
    let mut from = File::open(own).map_err(cannot("read", own))?;
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(cannot("make", &new))?;
    io::copy(&mut from, &mut to).map_err(cannot("write", &new))?;
    // Not left to the mask of whoever calls us.
    to.set_permissions(Permissions::from_mode(0o555)).map_err(cannot("make executable", &new))?;
    to.sync_all().map_err(cannot("sync", &new))?;
    // A file that is open for writing cannot be executed.
    drop(to);
    fs::rename(&new, &path).map_err(cannot("rename into place", &path))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(cannot("sync", dir))?;
    verify(&path, version)
        .map_err(|why| format!("{} was copied but does not run ({why}); its volume must not be mounted noexec", path.display()))
}

fn verify(path: &Path, version: &str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let output = runtime.block_on(async {
        let said = Command::new(path).arg("version").env_clear().stdin(Stdio::null()).kill_on_drop(true).output();
        tokio::time::timeout(VERIFY, said).await.map_err(|_| format!("no answer in {} s", VERIFY.as_secs()))?.map_err(|e| e.to_string())
    })?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && said.trim() == version {
        return Ok(());
    }
    Err(format!("{}, and it calls itself {:?} instead of {version:?}", output.status, said.trim()))
}
