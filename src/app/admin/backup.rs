//! `slipway admin backup`: database and data directory into one file, while their server serves.
//!
//! The database is copied first, as of one moment. What it calls durable of a log was on the disk before it was recorded,
//! and is never changed afterwards, so copying it later is soon enough; nothing is removed meanwhile (`Logs::hold`).

use super::{
    Progress,
    archive::{ABOUT, About, DATABASE, FORMAT, Writer, piece_name, upload_name},
    size,
};
use crate::{
    app::{
        ambient::SystemClock,
        args::BackupArgs,
        data_dir,
        surroundings::{self, say},
    },
    blob::{Extent, Gap, LogKey, Logs, MAX_READ, Piece, Uploads},
    domain::{Clock, Sha256},
    store::{DatabaseCopy, LogMark, Site},
};
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Makes a backup.
pub(super) async fn run(args: &BackupArgs) -> Result<()> {
    let dir = args.site.data_dir.clone().unwrap_or_else(surroundings::data_dir);
    let file = dir.join(DATABASE);
    let site = match args.site.postgres(&file) {
        // Where the logs are, if not in an object store.
        Some(_) if !dir.exists() => bail!("there is no directory {}: name the server's data directory with --data-dir", dir.display()),
        Some(url) => Site::Postgres(url),
        None if file.exists() => Site::File(&file),
        None => bail!("there is no database in {}: name the server's data directory with --data-dir", dir.display()),
    };
    if args.to == Path::new("-") {
        // The copy of the database is made beside it: nobody said where else there is room.
        let copy = Leftover(dir.join("backup.db"));
        return fill(site, &dir, &copy.0, io::stdout().lock()).await.map(drop);
    }
    if args.to.exists() {
        bail!("{} is there already: choose another name, or remove it", args.to.display());
    }
    let (part, copy) = (Leftover(args.to.with_added_extension("part")), Leftover(args.to.with_added_extension("db")));
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&part.0);
    let file = file.with_context(|| format!("cannot write {}", part.0.display()))?;
    let file = fill(site, &dir, &copy.0, file).await?;
    file.sync_all().and_then(|()| fs::rename(&part.0, &args.to)).with_context(|| format!("cannot write {}", args.to.display()))?;
    say(format_args!("{}, {}", args.to.display(), size(file.metadata()?.len())));
    Ok(())
}

/// A file that is not to stay.
struct Leftover(PathBuf);

impl Drop for Leftover {
    fn drop(&mut self) {
        // It may have been moved, or never made.
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes all of a backup to `to`; the copy of the database stands at `copy` meanwhile.
async fn fill<W: Write>(site: Site<'_>, dir: &Path, copy: &Path, to: W) -> Result<W> {
    let logs = Logs::new(dir, None);
    let _hold = logs.hold().context("cannot keep the logs from being removed")?;
    let _ = fs::remove_file(copy);
    // It holds start tokens, and may stand where others read.
    let _ = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(copy)
        .with_context(|| format!("cannot write {}", copy.display()))?;
    say("copying the database");
    let made_at = SystemClock.now().0;
    let mut progress = Progress::new();
    let mut database = DatabaseCopy::make(site, copy, &mut |rows| progress.rows(rows)).await.context("cannot copy the database")?;
    let blobs = data_dir::blobs(dir)?;
    let mut stay = (0_u64, 0_u64);
    let about =
        About { format: FORMAT, version: env!("CARGO_PKG_VERSION").to_owned(), instance: database.instance().await?, made_at, blobs };
    let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, to), made_at);
    writer.bytes(ABOUT, &serde_json::to_vec(&about)?)?;
    let mut file = File::open(copy)?;
    writer.entry(DATABASE, file.metadata()?.len(), &mut file).context("cannot copy the database")?;
    say("copying logs");
    let mut progress = Progress::new();
    let mut after = None;
    loop {
        let page = database.logs_after(after).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.attempt, last.member));
        for mark in &page {
            if !mark.stints.is_empty() {
                stay.0 += 1;
                continue;
            }
            add_log(&logs, mark, &mut writer, &mut progress).await.with_context(|| format!("cannot copy the log of {}", mark.attempt))?;
        }
    }
    let uploads = Uploads::new(dir, None);
    for (sum, size) in database.uploads().await? {
        if about.blobs.is_some() && uploads.size(&sum).await?.is_none() {
            stay.1 += 1;
            continue;
        }
        add_upload(&uploads, &sum, size, &mut writer, &mut progress).await.with_context(|| format!("cannot copy the upload {sum}"))?;
    }
    database.close().await?;
    say(format_args!("  {progress}"));
    if progress.missing > 0 {
        say(format_args!(
            "not copied: {} logs of which nothing is in {}; is it the data directory of the server that had them?",
            progress.missing,
            dir.display()
        ));
    }
    if let Some(url) = &about.blobs {
        let (logs, uploads) = stay;
        say(format_args!("not copied: {logs} logs, {uploads} uploads, which stay in {url}; keep them for as long as the backup"));
    }
    writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error).context("cannot write the backup")
}

async fn add_upload<W: Write>(uploads: &Uploads, sum: &Sha256, size: u64, writer: &mut Writer<W>, progress: &mut Progress) -> Result<()> {
    let mut offset = 0;
    loop {
        let bytes = uploads.read(sum, offset, MAX_READ).await?;
        if bytes.is_empty() && offset > 0 {
            break;
        }
        writer.bytes(&upload_name(&(sum.clone(), size, offset)), &bytes)?;
        progress.bytes(bytes.len());
        offset += bytes.len() as u64;
        if offset == 0 {
            break;
        }
    }
    progress.uploads += 1;
    Ok(())
}

async fn add_log<W: Write>(logs: &Logs, mark: &LogMark, writer: &mut Writer<W>, progress: &mut Progress) -> Result<()> {
    let key = LogKey { attempt: mark.attempt, member: mark.member };
    let extent =
        Extent { len: mark.durable, gaps: mark.gaps.iter().map(|&(offset, len)| Gap { offset, len }).collect(), ..Extent::default() };
    let (mut at, mut some) = (0, false);
    loop {
        match logs.read(key, at, MAX_READ, &extent).await? {
            Piece::End => break,
            Piece::Gap { len, .. } => at += len,
            Piece::Bytes { offset, bytes } => {
                writer.bytes(&piece_name(key, offset), &bytes)?;
                progress.bytes(bytes.len());
                at = offset + bytes.len() as u64;
                some = true;
            }
        }
    }
    progress.logs += u64::from(some);
    progress.missing += u64::from(!some);
    Ok(())
}
