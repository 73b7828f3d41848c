//! Asking for work, for as much as there is room for.

use super::{
    capacity::room,
    desk::Desk,
    facts::SeenJob,
    sight::{Now, Observed},
};
use crate::{
    crash_point,
    runner::link::CLAIM_WAIT_SECONDS,
    wire::{ClaimRequest, ClaimResponse, Hold},
};
use std::sync::Arc;
use tokio::time::Instant;

impl Desk {
    /// Every attempt as it is known now, and the Jobs that bear the runner's name for another installation.
    pub(super) fn observe(&mut self) -> (Vec<Observed>, Vec<Arc<SeenJob>>) {
        let (sights, foreign) = self.cache.sights(|mark| mark.instance == self.hands.instance_of(mark.of));
        let now = Now { here: self.clock.monotonic(), cluster: self.hands.cluster.meter.cluster_now() };
        let observed = self.notes.observe(sights, &self.held, now, &self.link.times);
        self.tell_courses(&observed);
        (observed, foreign)
    }

    /// Keeps a claim open for as much as there is room for. One that would miss a queue which has room again is made
    /// anew under its own id, so that what it may have brought is not lost. Where the count of the room is put off, the loop
    /// calls again when it is due.
    pub(super) fn ask(&mut self) {
        let begun = Instant::now();
        if !self.compared || !self.cache.complete() {
            self.room = None;
            self.pace.settle();
            return;
        }
        if !self.pace.begin(begun) {
            return;
        }
        let api = self.hands.cluster.meter.answers();
        let (observed, foreign) = self.observe();
        let room = room(&observed, &self.held, foreign.len(), &self.config, &self.link.times);
        // With thousands of attempts counting takes its time; a few milliseconds later is soon enough then.
        self.pace.counted(begun, Instant::now());
        self.room = api.then(|| room.told());
        if !api || !room.any() {
            // What a claim given up here has brought is got again under its id, or shows in what the server holds.
            self.claiming = None;
        } else if self.claiming.is_none() || self.asked.as_ref().is_none_or(|(_, asked)| asked.misses(&room)) {
            let claim_id = self.asked.take().map_or_else(|| self.link.rng.uuid(), |(id, _)| id);
            self.claiming = Some(self.link.claim(ClaimRequest {
                runner: self.config.name.clone(),
                instance: self.link.instance,
                claim_id,
                max: room.total,
                gpus: u32::MAX,
                queues: room.asks(),
                wait_seconds: CLAIM_WAIT_SECONDS,
                unserved: self.hands.barred.told(),
            }));
            self.asked = Some((claim_id, room.clone()));
        }
        self.pulse.room(room.any(), self.claiming.is_some());
    }

    /// Begins what a claim brought; answers what that is.
    pub(super) fn take(&mut self, answer: ClaimResponse) -> Vec<Hold> {
        self.asked = None;
        if answer.items.is_empty() {
            return Vec::new();
        }
        crash_point!("glue.claimed");
        let taken: Vec<_> = answer.items.into_iter().map(Hold::from).collect();
        for hold in &taken {
            let of = hold.attempt_ref();
            self.metrics.claimed.inc();
            self.held.insert(of, hold.clone());
            let note = self.notes.get(of);
            // Also where the server has told of it before this answer came. The next comparison deals with whatever is
            // unusual about it.
            if note.uncreated_yet() && hold.job.as_ref().is_some_and(|job| job.manifest.is_some()) {
                note.begun();
                self.create(hold);
            }
        }
        taken
    }
}
