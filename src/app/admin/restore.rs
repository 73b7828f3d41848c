//! `slipway admin restore`: a backup into an empty directory, and an empty Postgres database where one is named, checked, under a new name of the installation.

use super::{
    Progress,
    archive::{ABOUT, About, DATABASE, FORMAT, SUM, Summing, piece_of, upload_of},
};
use crate::{
    app::{
        ambient::SystemRng,
        args::RestoreArgs,
        data_dir::DataDir,
        surroundings::{self, say},
    },
    blob::{LogKey, Logs, Received, Resume, Synced, Uploads},
    domain::UnixMs,
    store::{DatabaseCopy, EmptyDatabase, LogMark, Restored, adopt},
};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Logs that are put on the disk together.
const TOGETHER: usize = 256;

/// Restores a backup.
pub(super) async fn run(args: &RestoreArgs) -> Result<()> {
    let dir = args.data_dir.clone().unwrap_or_else(surroundings::data_dir);
    if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty: restore into a new directory, and give that one to the server", dir.display());
    }
    let from: Box<dyn Read> = if args.from == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&args.from).with_context(|| format!("cannot read {}", args.from.display()))?)
    };
    let database = args.postgres(&dir.join(DATABASE));
    let into = match database {
        None => None,
        Some(url) => Some(EmptyDatabase::take(url).await.context("cannot restore into the Postgres database")?),
    };
    let dir = DataDir::take(&dir)?;
    match unpack(&dir, from, into).await {
        Ok((about, restored, progress)) => {
            tell(&dir, database.is_some(), &about, &restored, &progress);
            Ok(())
        }
        Err(error) => {
            // It was empty; what stands in it now is of no use to anybody.
            for entry in fs::read_dir(dir.path()).into_iter().flatten().flatten() {
                let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
            }
            Err(error.context(format!("{} was not restored, and nothing of it was left behind", args.from.display())))
        }
    }
}

fn tell(dir: &DataDir, postgres: bool, about: &About, restored: &Restored, progress: &Progress) {
    let made = crate::wire::timestamp(UnixMs(about.made_at));
    let (and, more) = if postgres { (" and the Postgres database", " --database URL") } else { ("", "") };
    say(format_args!("restored into {}{and}", dir.path().display()));
    say(format_args!("  backup       of {made:.0}, by version {}", about.version));
    say(format_args!("  tasks        {}, of which {} have not ended", restored.tasks, restored.open));
    say(format_args!("  logs         {progress}"));
    say(format_args!("  instance     {} (before: {})", restored.instance, restored.before));
    if let Some(url) = &about.blobs {
        say(format_args!("  bytes        others are in {url}: give its server the same blobs (docs/CONFIGURATION.md)"));
    }
    say("  tokens       all of them hold; a new admin token is made at the first start");
    if !restored.live.is_empty() {
        say(format_args!("  live then    {}", restored.live.len()));
        for lease in restored.live.iter().take(20) {
            let began = if lease.started_at.is_some() { "started" } else { "not started" };
            say(format_args!("    {} in queue {}, held by {}, {began}", lease.attempt, lease.queue, lease.runner));
        }
        if restored.live.len() > 20 {
            say(format_args!("    and {} more", restored.live.len() - 20));
        }
    }
    say("What was submitted after the backup is gone. What runs and is known goes on; what is not known is told to stop.");
    say(format_args!(
        "  next         stop the server that it is of for good, then: slipway server --data-dir {}{more}",
        dir.path().display()
    ));
}

async fn unpack(dir: &DataDir, from: Box<dyn Read>, into: Option<EmptyDatabase>) -> Result<(About, Restored, Progress)> {
    let summing = Summing::new(BufReader::with_capacity(1 << 20, from));
    let mut archive = tar::Archive::new(summing.share());
    let database = dir.path().join("restoring.db");
    let mut logs = Unpacked::new(Logs::new(dir.path(), None));
    let uploads = Uploads::new(dir.path(), None);
    let (mut about, mut whole) = (None, false);
    for entry in archive.entries().context("it is no archive")? {
        let mut entry = entry.context("it is cut off, or no archive")?;
        let name = entry.path()?.display().to_string();
        let sum = summing.sum();
        if about.is_none() && name != ABOUT {
            bail!("it is no backup of Slipway");
        }
        match (name.as_str(), piece_of(&name)) {
            (ABOUT, _) => {
                let read: About = serde_json::from_reader(&mut entry).context("it is no backup of Slipway")?;
                if read.format > FORMAT {
                    bail!("a newer version ({}) made it: restore it with that one", read.version);
                }
                about = Some(read);
            }
            (DATABASE, _) => {
                let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&database)?;
                io::copy(&mut entry, &mut file).context("cannot write the database")?;
                file.sync_all()?;
            }
            (SUM, _) => {
                let mut given = String::new();
                entry.read_to_string(&mut given)?;
                if given != sum {
                    bail!("it is damaged: its SHA-256 is {sum}, and it says {given}");
                }
                whole = true;
                break;
            }
            (_, Some((key, offset))) => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                logs.add(key, offset, bytes.into()).await.with_context(|| format!("cannot write the log of {}", key.attempt))?;
            }
            _ if let Some((sum, size, offset)) = upload_of(&name) => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                logs.progress.bytes(bytes.len());
                let received = uploads.append("restore", &sum, size, offset, bytes.into()).await;
                if let Received::Whole(_) = received.with_context(|| format!("cannot write the upload {sum}"))? {
                    logs.progress.uploads += 1;
                }
            }
            _ => bail!("it holds {name:?}, which is no part of a backup"),
        }
    }
    let Some(about) = about.filter(|_| whole) else { bail!("it is cut off: its end is missing") };
    logs.settle().await?;
    let lost = logs.compare(&database).await?;
    let restored = adopt(&database, &lost, &SystemRng).await.context("the database in it cannot be used")?;
    if let Some(url) = &about.blobs {
        dir.set_blobs(url)?;
    }
    match into {
        None => fs::rename(&database, dir.file(DATABASE))?,
        Some(into) => {
            let filled = into.fill(&database, &mut |rows| logs.progress.rows(rows)).await;
            filled.context("cannot fill the Postgres database")?;
            // The tasks are where they belong, whether this one goes or not.
            let _ = fs::remove_file(&database);
        }
    }
    File::open(dir.path())?.sync_all()?;
    Ok((about, restored, logs.progress))
}

/// The logs, as they are unpacked.
struct Unpacked {
    logs: Logs,
    open: Vec<LogKey>,
    /// Length, checksum and gaps of what is on the disk.
    done: HashMap<LogKey, Synced>,
    progress: Progress,
}

impl Unpacked {
    fn new(logs: Logs) -> Self {
        Self { logs, open: Vec::new(), done: HashMap::new(), progress: Progress::new() }
    }

    /// Takes the next piece of a log; what is missing before it is lost.
    async fn add(&mut self, key: LogKey, offset: u64, bytes: Bytes) -> Result<()> {
        if self.open.last() != Some(&key) {
            if self.open.len() >= TOGETHER {
                self.settle().await?;
            }
            self.logs.open(key, Resume::fresh(u64::MAX)).await?;
            self.open.push(key);
            self.progress.logs += 1;
        }
        let next = self.logs.progress(key).map_or(0, |progress| progress.next);
        if offset > next {
            self.logs.gap(key, next, offset - next).await?;
        }
        self.progress.bytes(bytes.len());
        let crc = crc32c::crc32c(&bytes);
        self.logs.append(key, offset, bytes, crc).await?;
        Ok(())
    }

    /// Puts everything on the disk.
    async fn settle(&mut self) -> Result<()> {
        let open = self.open.len();
        let synced = self.logs.sync_dirty().await;
        if synced.len() != open {
            bail!("the disk did not take the logs");
        }
        self.done.extend(synced.into_iter().map(|synced| (synced.key, synced)));
        for key in std::mem::take(&mut self.open) {
            self.logs.close(key).await;
        }
        Ok(())
    }

    /// Compares with what the database promises; the marks of logs of which bytes are lost.
    async fn compare(&self, database: &Path) -> Result<Vec<LogMark>> {
        let mut copy = DatabaseCopy::open(database).await.context("the database in it cannot be read")?;
        let mut differing = Vec::new();
        let mut after = None;
        loop {
            let page = copy.logs_after(after).await.context("the database in it cannot be read")?;
            let Some(last) = page.last() else { break };
            after = Some((last.attempt, last.member));
            // What an object store holds is not in the backup.
            for mark in page.into_iter().filter(|mark| mark.stints.is_empty()) {
                let found = self.found(&mark);
                if (found.crc, &found.gaps) != (mark.crc, &mark.gaps) {
                    let what = if found.gaps == mark.gaps { "was damaged" } else { "had lost bytes, which show as a gap," };
                    say(format_args!("  the log of {} {what} before the backup was made", mark.attempt));
                    differing.push(found);
                }
            }
        }
        copy.close().await?;
        Ok(differing)
    }

    /// What is there of a log that is promised to have `mark.durable` bytes.
    fn found(&self, mark: &LogMark) -> LogMark {
        let synced = self.done.get(&LogKey { attempt: mark.attempt, member: mark.member });
        let have = synced.map_or(0, |synced| synced.durable);
        let mut gaps: Vec<(u64, u64)> = synced.iter().flat_map(|s| &s.gaps).map(|gap| (gap.offset, gap.len)).collect();
        if have < mark.durable {
            gaps.push((have, mark.durable - have));
        }
        let crc = synced.and_then(|synced| synced.crc).filter(|_| gaps.is_empty());
        LogMark { crc, gaps, ..mark.clone() }
    }
}
