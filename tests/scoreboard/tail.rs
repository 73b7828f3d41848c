//! The outside record as it grows.

use crate::record::Line;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
};

/// The end of a file of records: what comes is read once.
pub(crate) struct Tail {
    path: PathBuf,
    /// How far it has been read, in bytes.
    at: u64,
}

impl Tail {
    pub(crate) fn of(path: PathBuf) -> Self {
        Self { path, at: 0 }
    }

    /// The whole lines that were written since.
    pub(crate) fn fresh(&mut self) -> Vec<Line> {
        let mut text = String::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.at))?;
            file.read_to_string(&mut text)
        });
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if read.is_ok() {
            self.at += whole as u64;
        }
        text[..whole].lines().map(|text| Line::read(text).expect(text)).collect()
    }
}
