//! Programs without their debug information, which is most of a debug build.

use anyhow::{Context, bail};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::process::Command;

/// The longest that one program may take.
const LIMIT: Duration = Duration::from_mins(2);

/// Opens a file; of a program (ELF) a copy without its debug information. The file stays as it is; `scratch` is a path
/// that nobody else uses, where nothing is left.
pub(super) fn stripped(source: &Path, scratch: &Path) -> anyhow::Result<File> {
    if !is_program(source)? {
        return Ok(File::open(source)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let output = runtime.block_on(async {
        let mut strip = Command::new("strip");
        strip.arg("--strip-debug").arg("-o").arg(scratch).arg(source).stdin(Stdio::null()).kill_on_drop(true);
        tokio::time::timeout(LIMIT, strip.output()).await
    });
    let output = output
        .with_context(|| format!("strip took more than {} s", LIMIT.as_secs()))?
        .context("cannot run strip; it is part of binutils")?;
    if !output.status.success() {
        bail!("strip: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    let file = File::open(scratch)?;
    fs::remove_file(scratch)?;
    Ok(file)
}

fn is_program(source: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    File::open(source)?.take(4).read_to_end(&mut begin)?;
    Ok(begin == b"\x7fELF")
}
