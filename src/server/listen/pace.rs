//! How fast one connection goes on, and what it may be ended for.

use super::Bounds;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Why a connection ends before whoever opened it ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// The head of a request did not come in time, or the handshake before it.
    Head,
    /// Nothing was asked for too long.
    Idle,
    /// Nothing of an answer was taken for too long.
    Write,
}

/// What a connection is at. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Pace(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Calls that are not answered to their end.
    open: usize,
    /// Since when there are none; the beginning where there was none yet.
    quiet_since: Instant,
    /// Since when bytes come that could be the head of a request.
    head_since: Option<Instant>,
    /// Since when bytes of ours find no room.
    blocked_since: Option<Instant>,
}

/// A call that is not answered to its end, for as long as this value lives.
#[derive(Debug)]
pub(super) struct Turn(Pace);

impl Pace {
    pub(super) fn begin(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(State { open: 0, quiet_since: now, head_since: Some(now), blocked_since: None })))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Bytes came.
    pub(super) fn heard(&self, now: Instant) {
        self.with(|state| {
            if state.open == 0 && state.head_since.is_none() {
                state.head_since = Some(now);
            }
        });
    }

    /// Bytes of ours were taken, or found no room.
    pub(super) fn said(&self, taken: bool, now: Instant) {
        self.with(|state| {
            if taken {
                state.blocked_since = None;
            } else if state.blocked_since.is_none() {
                state.blocked_since = Some(now);
            }
        });
    }

    /// The head of a request is there.
    pub(super) fn turn(&self) -> Turn {
        self.with(|state| {
            state.open += 1;
            state.head_since = None;
        });
        Turn(self.clone())
    }

    /// A call is answered to its end.
    fn over(&self, now: Instant) {
        self.with(|state| {
            state.open -= 1;
            if state.open == 0 {
                state.quiet_since = now;
            }
        });
    }

    /// When it ends unless something happens, and for what; nothing while it waits for us.
    pub(super) fn due(&self, bounds: &Bounds) -> Option<(Instant, Late)> {
        let after = |since: Instant, limit: Duration, why| since.checked_add(limit).map(|at| (at, why));
        self.with(|state| {
            let reading = match state.head_since {
                _ if state.open > 0 => None,
                Some(since) => after(since, bounds.head, Late::Head),
                None => after(state.quiet_since, bounds.idle, Late::Idle),
            };
            let writing = state.blocked_since.and_then(|since| after(since, bounds.write, Late::Write));
            reading.into_iter().chain(writing).min_by_key(|(at, _)| *at)
        })
    }

    /// Ends when the connection is late.
    pub(super) async fn late(&self, bounds: &Bounds) -> Late {
        loop {
            let now = Instant::now();
            let due = self.due(bounds);
            if let Some((_, why)) = due.filter(|(at, _)| *at <= now) {
                return why;
            }
            // What begins meanwhile is seen at the next look, so nothing has to wake us at each request.
            let look = now + bounds.head;
            tokio::time::sleep_until(due.map_or(look, |(at, _)| at.min(look))).await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.over(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn bounds() -> Bounds {
        Bounds { head: 10 * S, idle: 100 * S, write: 50 * S, ..Bounds::default() }
    }

    #[test]
    fn heads_are_late_and_answers_are_not() {
        let (bounds, began) = (bounds(), Instant::now());
        let pace = Pace::begin(began);
        assert_eq!(pace.due(&bounds), Some((began + 10 * S, Late::Head)));
        pace.heard(began + 9 * S);
        assert_eq!(pace.due(&bounds), Some((began + 10 * S, Late::Head)), "bytes that drip win no time");
        for turn in [pace.turn(), pace.turn()] {
            std::mem::forget(turn);
        }
        pace.heard(began + 9 * S);
        assert_eq!(pace.due(&bounds), None, "a held call takes as long as it takes");
        pace.over(began + 20 * S);
        assert_eq!(pace.due(&bounds), None);
        pace.over(began + 30 * S);
        assert_eq!(pace.due(&bounds), Some((began + 130 * S, Late::Idle)));
        pace.heard(began + 40 * S);
        assert_eq!(pace.due(&bounds), Some((began + 50 * S, Late::Head)));
    }

    #[test]
    fn who_takes_nothing_is_late_in_a_call_too() {
        let (bounds, began) = (bounds(), Instant::now());
        let pace = Pace::begin(began);
        let _turn = pace.turn();
        pace.said(false, began + S);
        pace.said(false, began + 40 * S);
        assert_eq!(pace.due(&bounds), Some((began + 51 * S, Late::Write)));
        pace.said(true, began + 41 * S);
        assert_eq!(pace.due(&bounds), None);
    }

    #[tokio::test]
    async fn what_begins_while_nothing_is_due_is_seen() {
        let bounds = Bounds { head: Duration::from_millis(20), write: Duration::from_millis(30), ..bounds() };
        let pace = Pace::begin(Instant::now());
        let _turn = pace.turn();
        let late = tokio::spawn({
            let (pace, bounds) = (pace.clone(), bounds.clone());
            async move { pace.late(&bounds).await }
        });
        tokio::task::yield_now().await;
        pace.said(false, Instant::now());
        assert_eq!(tokio::time::timeout(10 * S, late).await.unwrap().unwrap(), Late::Write);
    }
}
