//! What the attempt says of itself, gathered from all who know some of it, and told to the server.

use super::link::Link;
use crate::wire::Notes;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

/// How long what is to be stored waits for more of it.
const GATHER: Duration = Duration::from_secs(1);
/// How often all is stored that changes by itself. An attempt whose agent dies keeps what was stored last.
const REGULAR: Duration = Duration::from_mins(5);

/// The one copy of an attempt's notes.
#[derive(Debug, Default)]
pub(super) struct Notebook {
    notes: Mutex<Notes>,
    /// Something is to be stored soon.
    noted: Notify,
    /// Counts what is news for people who look on.
    news: watch::Sender<u64>,
}

impl Notebook {
    /// Looks at the notes.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Notes) -> T) -> T {
        look(&self.lock())
    }

    /// Changes what is told by heartbeats and stored with what else there is.
    pub(super) fn measure(&self, change: impl FnOnce(&mut Notes)) {
        change(&mut self.lock());
    }

    /// Changes what the next heartbeat tells, which then comes soon.
    pub(super) fn announce(&self, change: impl FnOnce(&mut Notes)) {
        change(&mut self.lock());
        self.news.send_modify(|count| *count += 1);
    }

    /// Changes something that is to be stored within a second or two.
    pub(super) fn note(&self, change: impl FnOnce(&mut Notes)) {
        change(&mut self.lock());
        self.noted.notify_one();
    }

    /// Hears of what is announced from now on.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores the notes as they change, for ever; returns only where the attempt is over or the server refuses them for good.
/// The end of the attempt stores them once more.
pub(super) async fn tell(link: Arc<Link>) {
    let mut backoff = link.backoff("notes");
    // Those of many attempts that began together are not stored together.
    let regular = REGULAR / 2 + Duration::from_millis(link.rng.below(u64::try_from(REGULAR.as_millis()).unwrap_or(u64::MAX)));
    loop {
        if timeout(regular, link.notebook.noted.notified()).await.is_ok() {
            sleep(GATHER).await;
        }
        loop {
            let notes = link.notebook.read(Notes::clone);
            match link.client.put_notes(link.attempt, &notes).await {
                Ok(()) => break backoff.succeeded(),
                Err(error) if link.ends(&error) => return,
                Err(error) if error.is_final() => {
                    tracing::error!(%error, "the server refuses the notes; the command runs on");
                    return;
                }
                Err(error) => sleep(backoff.failed(&error)).await,
            }
        }
    }
}
