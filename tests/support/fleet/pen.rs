//! What simulated tasks write to the outside recorder.

use slipway::wire::AttemptRef;
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::Arc,
};

/// The recorder's file, opened to append; each line goes out in one write, so the order of the lines is that of what
/// happened.
#[derive(Clone)]
pub(crate) struct Pen(Arc<File>);

impl Pen {
    /// Opens the file, which is made where it is not there.
    pub(crate) fn open(path: &Path) -> Self {
        Self(Arc::new(OpenOptions::new().append(true).create(true).open(path).expect("the recorder's file")))
    }

    /// Writes `task attempt word uid uptime`.
    pub(super) fn note(&self, of: AttemptRef, word: &str, uid: &str) {
        let up = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).expect("an uptime");
        let up = std::time::Duration::from(up).as_secs_f64();
        let line = format!("{} {} {word} {uid} {up:.3}\n", of.task, of.attempt);
        (&*self.0).write_all(line.as_bytes()).expect("the recorder takes the line");
    }
}
