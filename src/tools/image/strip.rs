//! Programs without their debug information, which is most of a debug build.

use anyhow::{Context, bail};
use std::{fs, path::Path, process::Stdio, time::Duration};
use tokio::process::Command;

/// The longest that one program may take.
const LIMIT: Duration = Duration::from_mins(2);

/// The bytes of a file; of a program (ELF) without its debug information. The file stays as it is; `scratch` is a path
/// where strip may put what it makes, which nobody else uses.
pub(super) fn stripped(source: &Path, scratch: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = fs::read(source)?;
    if !bytes.starts_with(b"\x7fELF") {
        return Ok(bytes);
    }
    drop(bytes);
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
    let bytes = fs::read(scratch)?;
    fs::remove_file(scratch)?;
    Ok(bytes)
}
