//! Comparing the cluster with what the server holds, and acting on it.

use super::{
    act::Done,
    desk::Desk,
    facts::SeenJob,
    follow::follow,
    object::Kind,
    plan::{Act, Action, Rules, due, plan},
    poll::Polled,
    sight::{Hopeless, Late, Log, Observed},
    voices::{Course, follow_pods},
};
use crate::{
    client::Error,
    crash_point,
    runner::link::answered,
    wire::{AttemptRef, Hold, ReportItem, ReportKind, UnknownJobs, Verdict, limits},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// The kind of object that carries an attempt in place of a Job.
fn kind_of(hold: &Hold) -> Option<Kind> {
    Some(Kind::of(hold.job.as_ref()?.object.as_ref()?))
}

/// What whoever sends the log of an object's pods must know of them.
fn course(seen: &Observed) -> Course {
    let over = seen.over.is_some() || seen.job.as_ref().is_none_or(|job| job.facts.deleting);
    Course { pods: seen.pods.clone(), over }
}

impl Desk {
    /// Tells those who send logs what is seen of the pods.
    pub(super) fn tell_courses(&self, observed: &[Observed]) {
        for (seen, tell) in observed.iter().filter_map(|seen| Some((seen, self.courses.get(&seen.of)?))) {
            tell.send_replace(course(seen));
        }
    }

    /// Notes what became of an act.
    pub(super) fn note(&mut self, of: AttemptRef, done: Done) {
        let now = self.clock.monotonic();
        let times = &self.link.times;
        let note = self.notes.get(of);
        if let Done::Followed(log) = done {
            note.log = log.map_or(Log::Unsent, |(bytes, crc)| Log::Sent(bytes, crc));
            self.followers.remove(&of);
            return;
        }
        note.done();
        if matches!(done, Done::Created(_, true) | Done::Adopted | Done::Deleted(..) | Done::Searched) {
            self.leftovers.settle(of);
        }
        match done {
            Done::Created(job, owned) => (note.written, note.owned, note.refusal) = (Some(Arc::new(*job)), owned, None),
            Done::Uncreated(refusal) => note.uncreated(refusal, now, times),
            Done::Hopeless(why) => note.hopeless = Some(why),
            Done::Unserved(refusal) => (note.hopeless, note.refusal) = (Some(Hopeless::Unserved), Some(refusal)),
            Done::Looked(look, revision) => note.looked(look, now, revision, times),
            Done::Deleted(uid, then) => {
                note.deleted = Some(uid);
                self.owed.extend(then.map(|item| (of, *item)));
            }
            Done::DeletedPods(gone) => note.deleted_pods.extend(gone),
            Done::Adopted => note.owned = true,
            Done::Vain => note.rest(now, times),
            Done::Idle | Done::Searched | Done::Followed(_) => {}
        }
    }

    /// Compares the cluster with what the server holds, and acts. In how long something is due by time alone.
    pub(super) async fn compare(&mut self) -> Result<Option<Duration>, Error> {
        if !self.cache.complete() {
            return Ok(None);
        }
        if !self.stale
            && let Some(observed) = self.idle()
        {
            return Ok(due(&observed, &self.held, &self.link.times));
        }
        let owed: Vec<_> = self.owed.values().cloned().collect();
        self.report(owed).await?;
        let link = self.link.clone();
        let (held, taken) = self.taking(async move { link.holds().await }).await;
        crash_point!("glue.held");
        self.held = held?.into_iter().map(|hold| (hold.attempt_ref(), hold)).collect();
        self.hands.inherit(self.held.values());
        self.poll();
        // What was claimed meanwhile may have come too late for the list; the next one says for certain.
        self.stale = !taken.is_empty();
        for hold in taken {
            self.held.entry(hold.attempt_ref()).or_insert(hold);
        }
        self.followers.retain(|of, _| self.held.contains_key(of));
        self.courses.retain(|of, _| self.held.contains_key(of));
        let (mut observed, foreign) = self.observe();
        self.ask_about(&mut observed).await?;
        self.note_unknown(&observed, &foreign);
        let rules = Rules { times: &self.link.times, cancels: &self.cancels, api: self.hands.cluster.meter.answers() };
        let actions = plan(&observed, &self.held, rules);
        self.compared = true;
        self.pulse.compared();
        let reports = self.act(actions, &observed);
        self.stale |= self.report(reports).await?;
        let due = due(&observed, &self.held, &self.link.times);
        Ok(if self.stale { Some(Duration::ZERO) } else { due })
    }

    /// Makes a call of the server and begins meanwhile what a claim brings, which comes out beside the answer: with thousands of attempts
    /// such a call takes its time (row 20 of the scoreboard, seed 2427699733: 4 s from claim to create in the median).
    async fn taking<T>(&mut self, call: impl Future<Output = T>) -> (T, Vec<Hold>) {
        let (mut call, mut taken) = (pin!(call), Vec::new());
        loop {
            tokio::select! {
                biased;
                answer = answered(&mut self.claiming) => {
                    self.claiming = None;
                    match answer {
                        Ok(answer) => taken.extend(self.take(answer)),
                        // The loop is told, and knows what to do.
                        Err(error) => {
                            self.claiming = Some(AbortOnDropHandle::new(tokio::spawn(async { Err(error) })));
                            return (call.await, taken);
                        }
                    }
                }
                answer = &mut call => return (answer, taken),
            }
        }
    }

    /// Everything as it is known now, where what the server was last known to hold calls for nothing to be done. Most changes
    /// in the cluster are of this kind; before anything is done, the server is asked anew.
    fn idle(&mut self) -> Option<Vec<Observed>> {
        let observed = self.observe().0;
        let unasked = |seen: &Observed| !self.held.contains_key(&seen.of) && seen.verdict.is_none();
        if !self.owed.is_empty() || observed.iter().any(unasked) {
            return None;
        }
        let rules = Rules { times: &self.link.times, cancels: &self.cancels, api: self.hands.cluster.meter.answers() };
        let idle = plan(&observed, &self.held, rules).iter().all(|action| matches!(action, Action::Strange(_)));
        idle.then_some(observed)
    }

    /// Asks the server about those that it does not hold for us.
    async fn ask_about(&mut self, observed: &mut [Observed]) -> Result<(), Error> {
        let open = |seen: &&mut Observed| !self.held.contains_key(&seen.of) && seen.verdict.is_none();
        let rest: Vec<_> = observed.iter_mut().filter(open).collect();
        let asked: Vec<_> = rest.iter().map(|seen| (seen.of, seen.claim)).collect();
        let verdicts = self.link.check(&asked).await?;
        for seen in rest {
            let checked = verdicts.get(&seen.of);
            seen.verdict = checked.map(|checked| checked.verdict);
            seen.late = if checked.is_some_and(|checked| checked.awaits_log) { Late::Log } else { Late::Nothing };
            let note = self.notes.get(seen.of);
            // What is over stays over; whatever else is said is asked again.
            note.verdict = seen.verdict.filter(|verdict| *verdict != Verdict::Live);
            note.late = seen.late;
        }
        Ok(())
    }

    /// Notes what stands under our name and is of no attempt that the server knows.
    fn note_unknown(&mut self, observed: &[Observed], foreign: &[Arc<SeenJob>]) {
        let unknown = observed.iter().filter(|seen| seen.verdict == Some(Verdict::Unknown)).filter_map(|seen| seen.job.as_ref());
        let mut named: Vec<_> = unknown.chain(foreign).map(|job| format!("{}/{}", job.facts.namespace, job.facts.name)).collect();
        let count = u32::try_from(named.len()).unwrap_or(u32::MAX);
        self.metrics.strange.set(count.into());
        named.sort_unstable();
        named.truncate(limits::MAX_UNKNOWN_JOBS);
        let now = (count > 0).then_some(UnknownJobs { count, named });
        if let Some(jobs) = now.as_ref().filter(|_| now != self.unknown) {
            tracing::warn!(
                count,
                named = jobs.named.join(", "),
                "Jobs under this name are of no attempt that the server knows: they are left alone"
            );
        }
        self.unknown = now;
    }

    /// Carries out a plan; what is to be reported comes back.
    fn act(&mut self, actions: Vec<Action>, observed: &[Observed]) -> Vec<ReportItem> {
        let mut reports = Vec::new();
        let all: BTreeMap<AttemptRef, &Observed> = observed.iter().map(|seen| (seen.of, seen)).collect();
        for action in actions {
            match action {
                Action::Report(item) => reports.push(*item),
                Action::Strange(of) => {
                    if self.warned.insert(of) {
                        tracing::warn!(attempt = %of, "the server does not know it; its objects are left alone");
                    }
                }
                Action::In(of, act) => {
                    if let Some(seen) = all.get(&of) {
                        self.begin(seen, act);
                    }
                }
            }
        }
        reports
    }

    /// Begins one act in the cluster. The plan makes none without what it needs.
    fn begin(&mut self, seen: &Observed, act: Act) {
        let of = seen.of;
        let hold = self.held.get(&of);
        match (act, &seen.job, hold) {
            (Act::Create, _, Some(hold)) => {
                let hold = hold.clone();
                self.create(&hold);
            }
            (Act::DropSecret, _, Some(hold)) if kind_of(hold).is_some() => return,
            (Act::DropSecret, _, Some(hold)) => self.hands.drop_secret(hold.clone()),
            (Act::Adopt, Some(job), _) => self.hands.adopt(job),
            (Act::Delete(then), Some(job), _) => self.hands.delete(job, seen.owned, then),
            (Act::DeletePods, ..) => self.hands.delete_pods(of, seen.pods.clone()),
            (Act::Look, _, Some(hold)) if kind_of(hold).is_some() => {
                let Some(kind) = kind_of(hold) else { return };
                self.hands.look_object(seen, kind, self.cache.revision(of));
            }
            (Act::Look, _, hold) => {
                let log = hold.and_then(|hold| hold.job.as_ref()).is_none_or(|order| !order.use_image_entrypoint);
                self.hands.look(seen, hold.and_then(|hold| hold.uid.clone()), self.cache.revision(of), log);
            }
            (Act::Follow, ..) => return self.follow(seen),
            _ => return,
        }
        self.notes.get(of).begun();
    }

    /// Makes what carries an attempt.
    pub(super) fn create(&mut self, hold: &Hold) {
        if kind_of(hold).is_some() {
            self.hands.create_object(hold.clone(), self.link.client.clone());
        } else {
            self.leftovers.begin(hold);
            self.hands.create(hold.clone());
        }
    }

    /// Sees to it that the objects of the attempts held here are looked at.
    fn poll(&self) {
        let every = Duration::from_millis(self.link.times.runner_heartbeat_ms / 4).max(Duration::from_millis(50));
        let held = self.held.values().filter_map(kind_of);
        self.polled.send_if_modified(|polled| {
            // What was looked at once is looked at on: its objects stay for a while after the end.
            let kinds: BTreeSet<_> = polled.kinds.iter().cloned().chain(held).collect();
            let wanted = Polled { kinds, every };
            let changed = *polled != wanted;
            *polled = wanted;
            changed
        });
    }

    /// Sends the log of the pod that started an attempt without an agent.
    fn follow(&mut self, seen: &Observed) {
        let of = seen.of;
        let Some(hold) = self.held.get(&of).filter(|_| !self.followers.contains_key(&of)) else { return };
        if kind_of(hold).is_some() {
            let (hands, link, claim) = (self.hands.clone(), self.link.clone(), hold.claim);
            let (tell, course) = watch::channel(course(seen));
            self.courses.insert(of, tell);
            self.notes.get(of).log = Log::Sending;
            let follower = async move {
                let log = follow_pods(&hands.cluster, &link, of, claim, course).await;
                let _ = hands.done.send((of, Done::Followed(log)));
            };
            self.followers.insert(of, AbortOnDropHandle::new(tokio::spawn(follower)));
            return;
        }
        let Some(pod) = seen.pods.iter().find(|pod| Some(&pod.facts.uid) == hold.uid.as_ref()).cloned() else { return };
        let (hands, link, claim) = (self.hands.clone(), self.link.clone(), hold.claim);
        self.notes.get(of).log = Log::Sending;
        let follower = async move {
            let log = follow(&hands.cluster, &link, of, claim, &pod).await;
            // Nobody listens any more where the glue ends.
            let _ = hands.done.send((of, Done::Followed(log)));
        };
        self.followers.insert(of, AbortOnDropHandle::new(tokio::spawn(follower)));
    }

    /// Tells the server. `true` where another look at it is due at once; what was told in vain rests for a moment.
    async fn report(&mut self, items: Vec<ReportItem>) -> Result<bool, Error> {
        if items.is_empty() {
            return Ok(false);
        }
        // Objects deleted for it cannot be seen again, so this must not be forgotten.
        let returns = items.iter().filter(|item| matches!(item.kind, ReportKind::Returned { .. }));
        self.owed.extend(returns.map(|item| (item.attempt_ref(), item.clone())));
        let told: Vec<_> = items.iter().map(|item| (item.attempt_ref(), item.kind.clone())).collect();
        let became = self.link.report(items).await?;
        let now = self.clock.monotonic();
        let mut again = false;
        for ((of, kind), one) in told.into_iter().zip(became) {
            self.owed.remove(&of);
            self.notes.told(of);
            let applied = one.applied;
            match kind {
                ReportKind::Evidence { .. } => {
                    tracing::debug!(attempt = %of, applied, "told what is seen of it");
                    continue;
                }
                ReportKind::Returned { reason } => {
                    self.metrics.returned.inc();
                    let reason = reason.map_or("", |reason| reason.as_str());
                    tracing::info!(attempt = %of, applied, reason, "gave it back");
                }
                ReportKind::Ended { reason, message, .. } => tracing::info!(attempt = %of, applied, %reason, message, "reported its end"),
                ReportKind::Finish { .. } => tracing::info!(attempt = %of, applied, "reported the result that it left"),
            }
            again = true;
            if one.verdict == Verdict::Live {
                self.notes.get(of).rest(now, &self.link.times);
            }
        }
        Ok(again)
    }
}
