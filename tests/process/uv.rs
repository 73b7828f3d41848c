//! uv, of the version that the tests were made with: from the machine, or installed by pip beside what cargo builds.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const VERSION: &str = "0.13.9";

/// The directory with the program.
///
/// # Panics
/// Where it can be neither found nor installed: the tests need python3 with pip and a package index.
pub(crate) fn uv() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_slipway")).parent().expect("a directory of programs");
    let dir = built.join(format!("tools/uv-{VERSION}"));
    fs::create_dir_all(&dir).expect("a directory for uv");
    // Tests of several programs run at once.
    let lock = fs::File::create(dir.join("lock")).expect("a lock");
    lock.lock().expect("the lock");
    let bin = dir.join("bin");
    if !bin.join("uv").exists() {
        let install = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--target"];
        let mut pip = Command::new("python3");
        pip.args(install).arg(&dir).arg(format!("uv=={VERSION}"));
        let done = pip.output().expect("python3, which these tests need");
        assert!(done.status.success(), "uv cannot be installed: {}", String::from_utf8_lossy(&done.stderr));
    }
    bin
}
