//! Fetching what the submitter sent along.

use super::{Fault, Site, scratch};
use crate::wire::{Reason, Sha256};
use sha2::Digest;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::PathBuf,
    time::Duration,
};
use tokio::time::sleep;

/// The longest that one answer may take; after it the rest is asked for.
const ANSWER: Duration = Duration::from_mins(10);
/// How often an upload is asked for again in a row without a byte more.
const TRIES: u32 = 8;

/// An upload as a file, its SHA-256 checked. What broke off goes on where it was.
pub(super) async fn upload(sum: &Sha256, site: &Site<'_>) -> Result<PathBuf, Fault> {
    let path = scratch(site, sum.as_str());
    let failed = |e: &io::Error| Fault::io("keep what was sent along", e);
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(|e| failed(&e))?;
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&path).map_err(|e| failed(&e))?;
    let (mut have, mut tries) = (0, 0);
    let mut backoff = site.link.backoff("upload");
    loop {
        let error = match site.link.client.upload_of_attempt(site.link.attempt, sum, have, ANSWER).await {
            Ok(mut answer) => loop {
                match answer.chunk().await {
                    Ok(Some(bytes)) => {
                        file.write_all(&bytes).map_err(|e| failed(&e))?;
                        have += bytes.len() as u64;
                        tries = 0;
                    }
                    Ok(None) => break None,
                    Err(error) => break Some(crate::client::cut_off(error)),
                }
            },
            Err(error) => Some(error),
        };
        let Some(error) = error else { break };
        tries += 1;
        site.link.ends(&error);
        if error.is_final() || tries >= TRIES {
            return Err(Fault::new(Reason::SetupFailed, format!("cannot fetch what was sent along: {error}")));
        }
        sleep(backoff.failed(&error)).await;
    }
    backoff.succeeded();
    drop(file);
    if sum_of(&path).map_err(|e| failed(&e))? != *sum {
        return Err(Fault::new(Reason::SetupFailed, format!("what was sent along is damaged: it has not the SHA-256 {sum}")));
    }
    Ok(path)
}

fn sum_of(path: &std::path::Path) -> io::Result<Sha256> {
    let (mut file, mut sum, mut piece) = (File::open(path)?, sha2::Sha256::new(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Sha256::from_raw(sum.finalize().into())),
            n => sum.update(&piece[..n]),
        }
    }
}
