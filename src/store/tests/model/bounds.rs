//! That nobody starves, looked at from the side of who waits.
//!
//! A task that was ready for as many times `agingMs` as lie between its priority and `critical` has risen as far as it can. From
//! then on, whenever a claim could have taken it and takes another of its queue that became ready later, that one is boosted
//! by an operator, or comes first by its own user's wish, or belongs to a user who has used no more of the queue.

use super::book::{Book, Room, ms};

impl Book {
    /// Looks at the task at `served`, which a claim is about to take.
    pub(super) fn nobody_starves(&mut self, served: usize, room: &Room) {
        let taken = &self.ready[served];
        if self.tier(taken) < taken.band + 1 && !taken.boosted {
            self.aged += 1;
        }
        let risen = |w: &&super::book::Ready| self.up - w.since >= w.band * ms(self.times.aging_ms);
        let later = self.ready.iter().filter(|w| w.queue == taken.queue && w.since < taken.since);
        let waiting: Vec<_> = later.filter(risen).filter(|w| self.held_back(w, room).is_none()).collect();
        for w in &waiting {
            let wish = w.user == taken.user && (taken.rank, taken.task) < (w.rank, w.task);
            let fair = w.user != taken.user && self.used_by(&taken.queue, &taken.user) <= self.used_by(&w.queue, &w.user);
            assert!(taken.boosted || wish || fair, "{taken:?} passes {w:?}, which has aged");
        }
        let passed: Vec<_> = waiting.iter().map(|w| w.task).collect();
        for task in passed {
            *self.passed.entry(task).or_default() += 1;
        }
    }
}
