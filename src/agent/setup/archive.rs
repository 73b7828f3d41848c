//! The files that were sent along, as an archive.

use super::{Fault, Site, fetch};
use crate::wire::{Reason, Sha256};
use std::{fs, path::Path};

/// Unpacks an upload into a directory. Nothing of it gets outside: names that would lead there are refused.
pub(super) async fn unpack(sum: &Sha256, to: &Path, site: &Site<'_>) -> Result<(), Fault> {
    let file = fetch::upload(sum, site).await?;
    let (from, to) = (file.clone(), to.to_owned());
    let unpacked = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        let mut archive = tar::Archive::new(std::io::BufReader::with_capacity(1 << 20, fs::File::open(from)?));
        archive.set_preserve_permissions(true);
        archive.set_preserve_mtime(false);
        archive.set_unpack_xattrs(false);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.display().to_string();
            if !entry.unpack_in(&to)? {
                return Err(std::io::Error::other(format!("{name:?} leads outside")));
            }
        }
        Ok(())
    });
    let unpacked = unpacked.await.map_err(std::io::Error::other).flatten();
    let _ = fs::remove_file(file);
    unpacked.map_err(|e| Fault::new(Reason::SetupFailed, format!("the archive of the code cannot be unpacked: {e}")))
}
