//! How many acts run at once, and which of them first.

use std::sync::Arc;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

/// How many acts run at once.
const AT_ONCE: usize = 32;
/// Of these so many are for removals alone: they go on however much is to be created.
const FOR_REMOVALS: usize = 8;

/// The room for acts. What is about to begin comes before what is over: a removal takes its place among the others only where
/// nothing waits for it, or in its turn behind what waits already.
///
/// Row 20 of the scoreboard: removals of thousands of Jobs, each waiting for the limit on writes, held creates up for seconds. Row 4
/// (seed 20261129): with removals held to a few at once for that, those of an API server that answers late fell behind by hundreds.
#[derive(Clone, Debug)]
pub(super) struct Room {
    shared: Arc<Semaphore>,
    removals: Arc<Semaphore>,
    /// Held by the one removal that stands in line with the others.
    line: Arc<Mutex<()>>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            shared: Arc::new(Semaphore::new(AT_ONCE - FOR_REMOVALS)),
            removals: Arc::new(Semaphore::new(FOR_REMOVALS)),
            line: Arc::default(),
        }
    }

    /// A place for an act that something waits for. None is never: the room is not closed.
    pub(super) async fn enter(&self) -> Option<OwnedSemaphorePermit> {
        self.shared.clone().acquire_owned().await.ok()
    }

    /// A place for an act that removes what is over.
    pub(super) async fn enter_to_remove(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            place = self.removals.clone().acquire_owned() => place.ok(),
            place = async {
                let _turn = self.line.lock().await;
                self.shared.clone().acquire_owned().await
            } => place.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    /// Takes places until none is free.
    fn filled(room: &Room) -> Vec<OwnedSemaphorePermit> {
        std::iter::from_fn(|| room.enter().now_or_never().flatten()).collect()
    }

    #[test]
    fn removals_take_all_the_room_where_nothing_else_is_to_be_done() {
        let room = Room::new();
        let places: Vec<_> = std::iter::from_fn(|| room.enter_to_remove().now_or_never().flatten()).collect();
        assert_eq!(places.len(), AT_ONCE);
    }

    #[tokio::test]
    async fn removals_go_on_beside_any_number_of_creates() {
        let room = Room::new();
        let creates = filled(&room);
        assert_eq!(creates.len(), AT_ONCE - FOR_REMOVALS);
        for _ in 0..100 {
            assert!(room.enter_to_remove().await.is_some());
        }
    }

    #[tokio::test]
    async fn a_create_waits_for_one_removal_in_line_and_no_more() {
        let room = Room::new();
        let mut places = filled(&room);
        let mut removals: Vec<_> = std::iter::from_fn(|| room.enter_to_remove().now_or_never().flatten()).collect();
        assert_eq!(removals.len(), FOR_REMOVALS);
        let mut waiting: Vec<_> = (0..50).map(|_| Box::pin(room.enter_to_remove())).collect();
        assert!(waiting.iter_mut().all(|removal| removal.now_or_never().is_none()));
        let mut create = Box::pin(room.enter());
        assert!((&mut create).now_or_never().is_none());
        places.pop();
        assert!((&mut create).now_or_never().is_none(), "the removal in line comes first");
        removals.extend(waiting.iter_mut().filter_map(|removal| removal.now_or_never().flatten()));
        assert_eq!(removals.len(), FOR_REMOVALS + 1, "one came in");
        places.pop();
        assert!(create.now_or_never().flatten().is_some());
    }
}
