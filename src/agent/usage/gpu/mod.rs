//! What the attempt uses of NVIDIA GPUs, as `nvidia-smi` says: the driver's library cannot be loaded into a static program.
//!
//! One `nvidia-smi` runs beside the command and says every few seconds what each GPU does; a second one where a GPU is divided, for
//! the memory of its slices. Where there is no such program, where it fails, hangs or talks nonsense, there are no figures and
//! nothing else happens.

mod board;
mod feed;
mod lines;
mod slices;

use super::helper::Helpers;
use crate::wire::GpuUsage;
use board::Board;
use feed::Patience;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

/// The program.
pub(super) const PROGRAM: &str = "nvidia-smi";
/// Seconds between two words of a GPU.
const EVERY: &str = "5";
/// Seconds between two words of slices, which are hundreds of lines each.
const SLICES_EVERY: &str = "15";
/// The longest that is listened to without a GPU being named: a message, and no stream of anything else.
const WORDS: Patience = Patience::of(64 << 10);
/// The longest document about slices, twice as long as of 16 GPUs with 7 slices and hundreds of processes.
const DOCUMENT: usize = 2 << 20;

/// The GPUs of an attempt.
pub(super) struct Gpus {
    board: Arc<Mutex<Board>>,
    feeds: Vec<AbortOnDropHandle<()>>,
}

impl Gpus {
    /// None, for ever.
    pub(super) fn none() -> Self {
        Self { board: Arc::default(), feeds: Vec::new() }
    }

    /// Starts to listen. `chosen` are those that the attempt was given, by their numbers; without it all that are seen.
    pub(super) fn watch(program: PathBuf, helpers: &Helpers, chosen: Option<BTreeSet<u32>>) -> Self {
        let board = Arc::<Mutex<Board>>::default();
        let divided = Arc::new(Notify::new());
        let whole = whole(program.clone(), helpers.clone(), chosen, board.clone(), divided.clone());
        let parts = parts(program, helpers.clone(), board.clone(), divided);
        let feeds = [AbortOnDropHandle::new(tokio::spawn(whole)), AbortOnDropHandle::new(tokio::spawn(parts))];
        Self { board, feeds: feeds.into() }
    }

    /// What is known now.
    pub(super) fn look(&self) -> Vec<GpuUsage> {
        lock(&self.board).told()
    }

    /// Waits for the end of all that listens; the helpers must have been told to stop.
    pub(super) async fn ended(self) {
        for feed in self.feeds {
            let _ = feed.await;
        }
    }
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// GPUs as such.
async fn whole(program: PathBuf, helpers: Helpers, chosen: Option<BTreeSet<u32>>, board: Arc<Mutex<Board>>, divided: Arc<Notify>) {
    let take = |line: &str| {
        let Some(gpu) = lines::gpu(line) else { return false };
        if chosen.as_ref().is_none_or(|chosen| chosen.contains(&gpu.index)) && lock(&board).gpu(&gpu) {
            divided.notify_one();
        }
        true
    };
    let args = [lines::QUERY, "--format=csv,noheader,nounits", "-l", EVERY];
    feed::follow(&helpers, &program, &args, WORDS, take, || lock(&board).quiet(false)).await;
}

/// Slices, once it is known that there are any.
async fn parts(program: PathBuf, helpers: Helpers, board: Arc<Mutex<Board>>, divided: Arc<Notify>) {
    tokio::select! {
        () = helpers.stop.cancelled() => return,
        () = divided.notified() => {}
    }
    let listed = lines::listed(&feed::once(&helpers, &program, &["-L"], WORDS).await);
    if !helpers.stop.is_cancelled() {
        documents(&program, &helpers, &board, &listed).await;
    }
}

async fn documents(program: &Path, helpers: &Helpers, board: &Mutex<Board>, listed: &[lines::Listed]) {
    let mut document = String::new();
    let take = |line: &str| {
        if document.len() + line.len() < DOCUMENT {
            document.push_str(line);
            document.push('\n');
        }
        if line.trim_start() != slices::END {
            return false;
        }
        let found = slices::slices(&std::mem::take(&mut document));
        lock(board).slices(&found, listed);
        !found.is_empty()
    };
    feed::follow(helpers, program, &["-q", "-x", "-l", SLICES_EVERY], Patience::of(DOCUMENT), take, || lock(board).quiet(true)).await;
}
