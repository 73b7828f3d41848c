//! Every attempt as it is known now: from the caches, from what this process did itself and remembers, and from live
//! looks. Pure: time comes in, nothing goes out.

mod keep;

use self::keep::fingerprint;
use super::{
    facts::{SeenJob, SeenPod},
    states::State,
    watch::Sight,
};
use crate::{
    domain::{
        UnixMs,
        evidence::{ApiRefusal, Evidence, ObjectEvent},
        reasons::{self, Patience, Stage},
    },
    wire::{AttemptRef, FailureClass, Hold, Phase, QueueName, Reason, Times, Verdict},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

/// An attempt's objects, looked at live.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Look {
    pub(super) job: Option<Arc<SeenJob>>,
    /// Oldest first.
    pub(super) pods: Vec<Arc<SeenPod>>,
    pub(super) events: Vec<ObjectEvent>,
    pub(super) log_tail: Option<String>,
    /// How long ago; set when it is handed out.
    pub(super) age: Duration,
}

/// Whether anything may be done about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Yes.
    None,
    /// Something is being done.
    Busy,
    /// Not for so long, because the last thing was in vain.
    For(Duration),
}

/// Why a Job can never be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Hopeless {
    /// What the server rendered cannot be completed here.
    Unrenderable,
    /// No object of its kind can be made here.
    Unserved,
    /// The attempt fails for it.
    Ended(FailureClass, Reason, String),
}

/// How far a log has been sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Log {
    /// Nobody sends it.
    #[default]
    Unsent,
    /// It is on its way.
    Sending,
    /// To its end: length and CRC-32C of the whole.
    Sent(u64, u32),
}

/// What the server expects of an attempt that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Late {
    /// Nothing.
    #[default]
    Nothing,
    /// The rest of its log.
    Log,
}

/// An attempt as the plan sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Observed {
    pub(super) of: AttemptRef,
    /// The claim that its objects bear, or under which it is held.
    pub(super) claim: Uuid,
    pub(super) queue: QueueName,
    pub(super) job: Option<Arc<SeenJob>>,
    /// Its pods, oldest first.
    pub(super) pods: Vec<Arc<SeenPod>>,
    /// A live look since the last change in the caches; job and pods are then what it saw.
    pub(super) look: Option<Look>,
    /// Everything known of it; where its objects have gone, as they were last.
    pub(super) evidence: Evidence,
    /// Whether the evidence says something that the server has not been told.
    pub(super) news: bool,
    /// Whether a Job of it was ever there.
    pub(super) was_there: bool,
    /// Whether its Secret is known to go with its Job.
    pub(super) owned: bool,
    /// Whether anything may be done about it now.
    pub(super) rest: Rest,
    /// How long it has waited for its start in the stage that it has reached; time in suspension does not count.
    pub(super) waited: Duration,
    /// How long it has been in a trouble that only some patience is due to.
    pub(super) troubled: Duration,
    /// In how long another look would help to explain it; zero is now.
    pub(super) look_in: Duration,
    /// In how long its Job may be tried to create; zero is now.
    pub(super) create_in: Duration,
    /// Why its Job can never be.
    pub(super) hopeless: Option<Hopeless>,
    /// How far its log has been sent from here, where it has no agent.
    pub(super) log: Log,
    /// What the server says of it, where it does not hold it for us.
    pub(super) verdict: Option<Verdict>,
    /// What the server still takes from it, although it has ended.
    pub(super) late: Late,
    /// How long ago its end was learnt: that the server holds it no more, or that only its log is awaited.
    pub(super) ended_for: Option<Duration>,
    /// How long its pods have been without a Job.
    pub(super) orphaned_for: Option<Duration>,
    /// How long ago the first of its containers began, where its object was seen to run.
    pub(super) ran_for: Option<Duration>,
    /// The end that its object was seen to have.
    pub(super) over: Option<State>,
}

/// What this process remembers of an attempt.
#[derive(Debug, Default)]
pub(super) struct Note {
    /// The Job that it created, until the watch shows one.
    pub(super) written: Option<Arc<SeenJob>>,
    /// The UID of a Job whose deletion was accepted.
    pub(super) deleted: Option<String>,
    /// The UIDs of pods whose deletion was accepted.
    pub(super) deleted_pods: BTreeSet<String>,
    pub(super) owned: bool,
    /// Until when nothing more is tried; for ever while something is being done.
    rests_until: Duration,
    pub(super) refusal: Option<ApiRefusal>,
    pub(super) next_create: Duration,
    creates: u32,
    pub(super) hopeless: Option<Hopeless>,
    pub(super) log: Log,
    look: Option<(Look, Duration, u64)>,
    looks: u32,
    next_look: Duration,
    pub(super) verdict: Option<Verdict>,
    pub(super) late: Late,
    evidence: Evidence,
    told: Option<u64>,
    was_there: bool,
    was_held: bool,
    waiting_since: Option<Duration>,
    stage: Option<Stage>,
    troubled_since: Option<Duration>,
    ended_since: Option<Duration>,
    orphaned_since: Option<Duration>,
    began: Option<Duration>,
    over: Option<State>,
}

impl Note {
    /// Whether nothing was ever seen of it, and nothing is being done.
    pub(super) fn uncreated_yet(&self) -> bool {
        !self.busy() && !self.was_there && self.written.is_none()
    }

    /// Notes a live look that was begun at `at`, when the cache stood at `revision`.
    pub(super) fn looked(&mut self, look: Look, at: Duration, revision: u64, times: &Times) {
        self.looks += 1;
        self.next_look = at + backoff(times, 20, self.looks);
        self.look = Some((look, at, revision));
    }

    /// Notes that the API server did not take the Job now; it is tried again later, less and less often.
    pub(super) fn uncreated(&mut self, refusal: Option<ApiRefusal>, now: Duration, times: &Times) {
        self.creates += 1;
        self.next_create = now + backoff(times, 60, self.creates);
        self.refusal = refusal;
    }

    /// Something is being done about it, until [`Note::done`].
    pub(super) fn begun(&mut self) {
        self.rests_until = Duration::MAX;
    }

    /// What was being done is done.
    pub(super) fn done(&mut self) {
        self.rests_until = Duration::ZERO;
    }

    fn busy(&self) -> bool {
        self.rests_until == Duration::MAX
    }

    /// Nothing is tried for a moment, because the last thing was in vain.
    pub(super) fn rest(&mut self, now: Duration, times: &Times) {
        self.look = None;
        self.rests_until = now + Duration::from_millis(times.runner_heartbeat_ms / 2);
    }
}

/// From a part of the sweep's pause, doubling up to all of it.
fn backoff(times: &Times, part: u64, tries: u32) -> Duration {
    let most = Duration::from_millis(times.sweep_ms);
    (most / u32::try_from(part).unwrap_or(1) * 2_u32.saturating_pow(tries.saturating_sub(1).min(16))).min(most)
}

/// When it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// By our monotonic clock.
    pub(super) here: Duration,
    /// By the API server's wall clock, which made the objects' times.
    pub(super) cluster: UnixMs,
}

impl Now {
    /// When something happened, by our monotonic clock.
    fn back(self, at: Option<jiff::Timestamp>) -> Duration {
        let age = at.map_or(0, |at| self.cluster.0.saturating_sub(at.as_millisecond()));
        self.here.saturating_sub(Duration::from_millis(u64::try_from(age).unwrap_or(0)))
    }
}

/// What this process remembers of all attempts.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<AttemptRef, Note>);

impl Notes {
    pub(super) fn get(&mut self, of: AttemptRef) -> &mut Note {
        self.0.entry(of).or_default()
    }

    /// Forgets the verdicts, so that the server is asked again.
    pub(super) fn ask_again(&mut self) {
        self.0.values_mut().for_each(|note| note.verdict = None);
    }

    /// Notes that the server was told what is known of an attempt.
    pub(super) fn told(&mut self, of: AttemptRef) {
        if let Some(note) = self.0.get_mut(&of) {
            note.told = Some(fingerprint(&note.evidence, note.ended_since.is_some()));
        }
    }

    /// Puts everything together. What neither server nor cluster has is forgotten.
    pub(super) fn observe(
        &mut self,
        mut sights: BTreeMap<AttemptRef, Sight>,
        held: &BTreeMap<AttemptRef, Hold>,
        now: Now,
        times: &Times,
    ) -> Vec<Observed> {
        let held = || held.values().filter(|hold| hold.job.is_some());
        self.0.retain(|of, note| sights.contains_key(of) || note.busy() || held().any(|hold| hold.attempt_ref() == *of));
        let mut all: BTreeSet<AttemptRef> = sights.keys().copied().collect();
        all.extend(held().map(Hold::attempt_ref));
        all.extend(self.0.keys());
        let holds: BTreeMap<AttemptRef, &Hold> = held().map(|hold| (hold.attempt_ref(), hold)).collect();
        all.into_iter()
            .filter_map(|of| {
                let sight = sights.remove(&of).unwrap_or_default();
                self.0.entry(of).or_default().observe(of, sight, holds.get(&of).copied(), now, times)
            })
            .collect()
    }
}

impl Note {
    fn observe(&mut self, of: AttemptRef, sight: Sight, hold: Option<&Hold>, now: Now, times: &Times) -> Option<Observed> {
        let mut look = self.fresh_look(sight.revision, now.here, times);
        if sight.job.is_some() {
            self.written = None;
        }
        let (mut job, mut pods) = (sight.job.or_else(|| self.written.clone()), sight.pods);
        if let Some(look) = &mut look {
            (job, pods) = (look.job.clone(), look.pods.clone());
        }
        let mark = job.as_ref().map(|job| &job.mark).or(pods.last().map(|pod| &pod.mark));
        let (claim, queue) = match (mark, hold) {
            (Some(mark), _) => (mark.claim, mark.queue.clone()),
            (None, Some(hold)) => (hold.claim, hold.queue.clone()),
            // Only something that is being done keeps it.
            (None, None) => return None,
        };
        if let Some(job) = job.as_mut().filter(|job| self.deleted.as_ref() == Some(&job.facts.uid)) {
            Arc::make_mut(job).facts.deleting = true;
        }
        self.keep_time(hold, job.as_deref(), &pods, now, times);
        self.keep_course(job.as_deref(), &pods, now);
        self.keep_evidence(hold, job.as_deref(), &pods, look.as_ref());
        self.keep_stage(now.here);
        // What we did is remembered until the watch shows it; it says nothing of the end before it.
        for pod in pods.iter_mut().filter(|pod| self.deleted_pods.contains(&pod.facts.uid)) {
            Arc::make_mut(pod).facts.deleting = true;
        }
        self.was_there |= job.is_some() || hold.is_some_and(|hold| hold.phase >= Phase::Scheduling);
        let unstarted = match hold.and_then(|hold| Some((hold, hold.job.as_ref()?.object.as_ref()))) {
            Some((_, Some(_))) => self.began.is_none(),
            Some((hold, None)) => hold.uid.is_none() && job.is_some(),
            None => false,
        };
        if unstarted && reasons::patience(&reasons::pending(&self.evidence)) == Patience::ImageGrace {
            self.troubled_since.get_or_insert(now.here);
        } else {
            self.troubled_since = None;
        }
        if self.next_look == Duration::ZERO {
            self.next_look = now.here + backoff(times, 20, 1);
        }
        let since = |since: Option<Duration>| since.map(|since| now.here.saturating_sub(since));
        Some(Observed {
            of,
            claim,
            queue,
            news: self.told != Some(fingerprint(&self.evidence, hold.is_none())),
            evidence: self.evidence.clone(),
            was_there: self.was_there,
            owned: self.owned,
            rest: match self.rests_until.saturating_sub(now.here) {
                _ if self.busy() => Rest::Busy,
                Duration::ZERO => Rest::None,
                left => Rest::For(left),
            },
            waited: since(self.waiting_since).unwrap_or_default(),
            troubled: since(self.troubled_since).unwrap_or_default(),
            look_in: self.next_look.saturating_sub(now.here),
            create_in: self.next_create.saturating_sub(now.here),
            hopeless: self.hopeless.clone(),
            log: self.log,
            verdict: self.verdict.filter(|_| hold.is_none()),
            late: self.late,
            ended_for: since(self.ended_since),
            orphaned_for: since(self.orphaned_since),
            ran_for: since(self.began),
            over: self.over.clone(),
            job,
            pods,
            look,
        })
    }

    /// The newest look, where nothing has changed since and it is not old.
    fn fresh_look(&mut self, revision: u64, now: Duration, times: &Times) -> Option<Look> {
        let most = Duration::from_millis(2 * times.runner_heartbeat_ms);
        let (look, at, at_revision) = self.look.take()?;
        let age = now.saturating_sub(at);
        if at_revision != revision || age > most {
            return None;
        }
        self.look = Some((look.clone(), at, at_revision));
        Some(Look { age, ..look })
    }
}

#[cfg(test)]
mod tests;
