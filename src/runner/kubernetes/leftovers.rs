//! Attempts of which a Secret may be left without a Job: those that this process began to create and that ended before their
//! Job was there, and what a dead process may have begun: earlier attempts of what is held, and those that the server says ended
//! before they started.

use super::{desk::Desk, watch::Sight};
use crate::wire::{AttemptNumber, AttemptRef, Hold, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What is to be looked for.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// Attempts whose creation was begun here and whose Secret is not known to go with a Job, with their claims.
    begun: BTreeMap<AttemptRef, Uuid>,
    /// Earlier attempts of what is held, and whether they were looked for.
    earlier: BTreeMap<AttemptRef, bool>,
}

impl Leftovers {
    /// Its Secret is about to be made.
    pub(super) fn begin(&mut self, hold: &Hold) {
        self.begun.insert(hold.attempt_ref(), hold.claim);
    }

    /// These ended before they started; another life of this glue may have begun them.
    pub(super) fn recall(&mut self, lapsed: impl IntoIterator<Item = AttemptRef>) {
        for of in lapsed {
            self.earlier.entry(of).or_default();
        }
    }

    /// Nothing of it is left without an owner.
    pub(super) fn settle(&mut self, of: AttemptRef) {
        self.begun.remove(&of);
        if let Some(searched) = self.earlier.get_mut(&of) {
            *searched = true;
        }
    }

    /// Those begun here that nobody seems to carry any more; the server knows whether they are over.
    fn doubtful(&self, held: &BTreeMap<AttemptRef, Hold>, sights: &BTreeMap<AttemptRef, Sight>) -> Vec<(AttemptRef, Uuid)> {
        let carried = |of: &AttemptRef| held.contains_key(of) || sights.get(of).is_some_and(|sight| sight.job.is_some());
        self.begun.iter().filter(|(of, _)| !carried(of)).map(|(of, claim)| (*of, *claim)).collect()
    }

    /// The earlier attempts that are to be looked for now. A new one comes a sweep later, when a creation that was on its way has
    /// come; it is over since its successor was claimed.
    fn due(&mut self, held: &BTreeMap<AttemptRef, Hold>) -> Vec<AttemptRef> {
        let live: BTreeSet<_> = held.keys().map(|of| of.task).collect();
        self.earlier.retain(|of, searched| !*searched || live.contains(&of.task));
        let due = self.earlier.iter().filter(|(_, searched)| !**searched).map(|(of, _)| *of).collect();
        for hold in held.values().filter(|hold| hold.job.is_some()) {
            for attempt in (1..hold.attempt.0).map(AttemptNumber) {
                self.earlier.entry(AttemptRef { task: hold.task, attempt }).or_default();
            }
        }
        due
    }
}

impl Desk {
    /// Looks for Secrets that were left without a Job. What cannot be looked at now is looked at in the next sweep.
    pub(super) async fn search(&mut self) {
        if !self.hands.cluster.meter.answers() {
            return;
        }
        let (sights, _) = self.cache.sights(|mark| mark.instance == self.hands.instance_of(mark.of));
        let doubtful = self.leftovers.doubtful(&self.held, &sights);
        // A server that does not answer is asked in the next sweep.
        let verdicts = self.link.check(&doubtful).await.unwrap_or_default();
        let over =
            |of: &AttemptRef| verdicts.get(of).is_some_and(|checked| matches!(checked.verdict, Verdict::Ended | Verdict::Superseded));
        let over: Vec<_> = doubtful.into_iter().map(|(of, _)| of).filter(over).collect();
        for of in over.into_iter().chain(self.leftovers.due(&self.held)) {
            self.hands.drop_leftover(of);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        runner::kubernetes::examples::{hold, job, of},
        wire::TaskId,
    };

    fn held(holds: &[Hold]) -> BTreeMap<AttemptRef, Hold> {
        holds.iter().map(|hold| (hold.attempt_ref(), hold.clone())).collect()
    }

    /// Scoreboard row 4, seed 1638574337: the API server did not answer, the attempt was given back, and its Secret stayed.
    #[test]
    fn what_was_begun_and_given_back_is_looked_for_until_it_is_settled() {
        let (mut left, begun) = (Leftovers::default(), hold(1, None));
        left.begin(&begun);
        assert!(left.doubtful(&held(std::slice::from_ref(&begun)), &BTreeMap::new()).is_empty(), "it is still held");
        let there = BTreeMap::from([(of(1), Sight { job: Some(job(1).into()), ..Sight::default() })]);
        assert!(left.doubtful(&BTreeMap::new(), &there).is_empty(), "its Job sees to it");
        for _ in 0..2 {
            assert_eq!(left.doubtful(&BTreeMap::new(), &BTreeMap::new()), [(of(1), begun.claim)]);
        }
        left.settle(of(1));
        assert!(left.doubtful(&BTreeMap::new(), &BTreeMap::new()).is_empty());
    }

    /// A glue died between Secret and Job, and a runner of another name took the task.
    #[test]
    fn what_lapsed_before_this_life_is_looked_for_once() {
        let mut left = Leftovers::default();
        left.recall([of(1)]);
        assert_eq!(left.due(&BTreeMap::new()), [of(1)]);
        left.settle(of(1));
        assert!(left.due(&BTreeMap::new()).is_empty() && left.earlier.is_empty());
    }

    /// The same row: the successor had ended before the Secret was old enough, and nobody looked again.
    #[test]
    fn an_earlier_attempt_is_looked_for_a_sweep_later_though_its_task_has_ended() {
        let mut left = Leftovers::default();
        let third = Hold { attempt: AttemptNumber(3), ..hold(1, None) };
        assert!(left.due(&held(std::slice::from_ref(&third))).is_empty());
        let earlier = [1, 2].map(|n| AttemptRef { task: TaskId(1), attempt: AttemptNumber(n) });
        assert_eq!(left.due(&BTreeMap::new()), earlier);
        assert_eq!(left.due(&BTreeMap::new()), earlier, "it could not be looked at");
        for of in earlier {
            left.settle(of);
        }
        assert!(left.due(&held(&[third])).is_empty());
        assert!(left.due(&BTreeMap::new()).is_empty() && left.earlier.is_empty(), "nothing is kept of what is over");
    }
}
