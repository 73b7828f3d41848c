//! Attempts that an object carries in place of a Job. Their pods have no agent: the glue starts them itself before it
//! creates the object, and says how they ended.
//!
//! Whatever ends one but a success comes true only when object and pods are seen to be gone, or dead; so nothing of an
//! attempt runs while another one does.

use super::{Act, Action, Case, Verdicted, ms};
use crate::{
    domain::{
        evidence::{ContainerState, Gone},
        reasons,
    },
    runner::kubernetes::{
        facts::{SeenJob, SeenPod},
        sight::{Hopeless, Log},
        states::State,
    },
    wire::{AttemptResult, FailureClass, FinishRequest, ObjectOrder, Phase, Proof, Reason, ReportKind, StoppedBy},
};
use std::{sync::Arc, time::Duration};

/// What is to become of an attempt.
#[derive(Clone, Debug, PartialEq)]
enum End {
    /// Its object says so.
    Own(State),
    /// Somebody asked for it.
    Cancel,
    /// Its time is over.
    Timeout,
    /// What keeps it from running will not pass.
    Failure((FailureClass, Reason, String)),
    /// It found no place.
    Return(Reason),
}

impl Case<'_> {
    pub(super) fn object(&self, object: &ObjectOrder, actions: &mut Vec<Action>) {
        let seen = self.seen;
        if let Some(job) = seen.job.as_ref().filter(|job| job.mark.claim != self.hold.claim) {
            let message =
                format!("an object {} of another claim ({}) stands in its place; see slipway doctor", job.facts.name, job.mark.claim);
            actions.push(self.ends_without_result((FailureClass::Config, Reason::ObjectInvalid, message)));
            return;
        }
        let end = self.end(object);
        let there = seen.job.as_ref().filter(|job| !job.facts.deleting);
        match (there, &end) {
            _ if self.hold.uid.is_none() => self.not_begun(actions),
            (Some(job), Some(end)) => self.to_end(job, end, actions),
            (None, Some(end)) if self.closed() || seen.was_there || *end == End::Cancel => self.gone(Some(end), actions),
            // Until the start is closed nobody can know that its object was made; making it again makes it once.
            _ if !self.closed() => self.open(actions),
            (Some(job), None) => self.under_way(job, actions),
            (None, _) => self.gone(None, actions),
        }
    }

    /// Whether the start is closed, which follows the creation of its object.
    fn closed(&self) -> bool {
        self.hold.start_token.is_none()
    }

    fn started_by(&self) -> Option<&str> {
        self.hold.uid.as_deref()
    }

    fn ends_without_result(&self, (class, reason, message): (FailureClass, Reason, String)) -> Action {
        self.report(self.started_by(), ReportKind::Ended { class, reason, message, proof: Proof::Seen })
    }

    fn end(&self, object: &ObjectOrder) -> Option<End> {
        let seen = self.seen;
        if let Some(over) = &seen.over {
            return Some(End::Own(over.clone()));
        }
        if self.rules.cancels.contains_key(&seen.of) {
            return Some(End::Cancel);
        }
        let limit = self.order.timeout_seconds.map(Duration::from_secs);
        if limit.is_some_and(|limit| seen.ran_for.is_some_and(|ran| ran >= limit)) || object.ends_in_seconds == Some(0) {
            return Some(End::Timeout);
        }
        let suspended = seen.evidence.job.as_ref().is_some_and(|job| job.suspended);
        if self.hold.phase >= Phase::Running || seen.ran_for.is_some() || suspended || self.hold.uid.is_none() {
            return None;
        }
        match self.patience(&reasons::pending(&seen.evidence))? {
            Verdicted::Fail(why) => Some(End::Failure(why)),
            Verdicted::Return(reason) => Some(End::Return(reason)),
        }
    }

    /// The server has not started it for us.
    fn not_begun(&self, actions: &mut Vec<Action>) {
        if self.seen.hopeless == Some(Hopeless::Unserved) {
            let blocking = reasons::pending(&self.seen.evidence).into_iter().find(|finding| finding.blocking);
            actions.push(Action::Report(self.returned(Some(blocking.map_or(Reason::ObjectKindMissing, |finding| finding.code)))));
            return;
        }
        self.uncreated(actions);
    }

    /// The server has started it for us, and whether its object was made is not sure.
    fn open(&self, actions: &mut Vec<Action>) {
        match &self.seen.hopeless {
            Some(Hopeless::Ended(class, reason, message)) => actions.push(self.ends_without_result((*class, *reason, message.clone()))),
            _ if self.seen.create_in.is_zero() => actions.push(Action::In(self.seen.of, Act::Create)),
            _ => {}
        }
    }

    /// Its object is there and goes its way.
    fn under_way(&self, job: &SeenJob, actions: &mut Vec<Action>) {
        let seen = self.seen;
        let state = job.object.as_ref().map(|object| &object.state);
        let runs = state == Some(&State::Running) || seen.pods.iter().any(|pod| pod.running());
        if seen.log == Log::Unsent && seen.pods.iter().any(|pod| pod.running()) {
            actions.push(Action::In(seen.of, Act::Follow));
        }
        if runs && self.hold.phase < Phase::Running {
            actions.push(self.report(self.started_by(), ReportKind::Evidence { phase: Some(Phase::Running) }));
            return;
        }
        self.tell(None, self.started_by(), actions);
        if !runs && seen.look_in.is_zero() {
            actions.push(Action::In(seen.of, Act::Look));
        }
    }

    /// Its object is there, and the attempt is to end.
    fn to_end(&self, job: &SeenJob, end: &End, actions: &mut Vec<Action>) {
        if !matches!(end, End::Own(_)) {
            actions.push(Action::In(self.seen.of, Act::Delete(None)));
            return;
        }
        let Some(look) = self.look(actions) else { return };
        let lives = look.pods.iter().any(|pod| !pod.dead());
        match end {
            // Nothing follows a success, so what its controller leaves running may go later.
            End::Own(State::Succeeded) => self.conclude_object(end, &look.pods, actions),
            // Nothing of it may run beside another attempt.
            _ if lives && !job.facts.deleting => actions.push(Action::In(self.seen.of, Act::Delete(None))),
            _ => self.conclude_object(end, &look.pods, actions),
        }
    }

    /// Its object is gone or going.
    fn gone(&self, end: Option<&End>, actions: &mut Vec<Action>) {
        let seen = self.seen;
        let Some(look) = self.look(actions) else { return };
        if look.job.is_some() {
            return;
        }
        if look.pods.iter().any(|pod| !pod.dead()) {
            // The cluster's garbage collector is about to remove them, unless somebody made orphans of them.
            if seen.orphaned_for.is_some_and(|since| since >= ms(self.rules.times.sweep_ms))
                && look.pods.iter().any(|pod| !pod.facts.deleting)
            {
                actions.push(Action::In(seen.of, Act::DeletePods));
            }
            return;
        }
        match end {
            Some(end) => self.conclude_object(end, &look.pods, actions),
            None => actions.push(self.over(self.started_by(), Some(Gone::Job))),
        }
    }

    /// Nothing of it runs any more, or nothing that counts.
    fn conclude_object(&self, end: &End, pods: &[Arc<SeenPod>], actions: &mut Vec<Action>) {
        let uid = self.started_by();
        // Its log first: what the pods wrote goes with them.
        let (bytes, crc) = match self.seen.log {
            Log::Sent(bytes, crc) => (bytes, crc),
            Log::Sending => return,
            Log::Unsent if pods.iter().any(|pod| pod.running()) => {
                actions.push(Action::In(self.seen.of, Act::Follow));
                return;
            }
            Log::Unsent => (0, 0),
        };
        let finish = |result: AttemptResult| self.report(uid, ReportKind::Finish { result: FinishRequest::new(result, (bytes, crc)) });
        let stopped = |by: StoppedBy| finish(AttemptResult { stopped_by: Some(by), ..AttemptResult::default() });
        actions.push(match end {
            End::Own(State::Failed(why)) => self.failed(why, finish),
            End::Own(_) => finish(AttemptResult { exit_code: Some(0), ..AttemptResult::default() }),
            End::Cancel => stopped(StoppedBy::Cancel),
            End::Timeout => stopped(StoppedBy::Timeout),
            End::Failure(why) => self.ends_without_result(why.clone()),
            End::Return(reason) => {
                let mut item = self.returned(Some(*reason));
                item.uid = uid.map(str::to_owned);
                Action::Report(item)
            }
        });
    }

    /// Its object failed: by what its pods say where they say it, else as the object says.
    fn failed(&self, why: &str, finish: impl FnOnce(AttemptResult) -> Action) -> Action {
        let evidence = &self.seen.evidence;
        let what = evidence.job.as_ref().map_or("its object", |job| job.name.as_str());
        let message = if why.is_empty() { format!("{what} failed") } else { format!("{what} failed: {why}") };
        let task = evidence.pod.as_ref().and_then(|pod| pod.task());
        let failed = task.is_some_and(|task| matches!(task.state, ContainerState::Terminated { exit_code, .. } if exit_code != 0));
        if let Some(result) = reasons::agentless(evidence).filter(|_| failed) {
            return finish(AttemptResult { message: Some(message), ..result });
        }
        let (class, reason, said) = reasons::ended(evidence, true);
        match class {
            // What nobody explains is what the object says.
            FailureClass::Lost => self.ends_without_result((FailureClass::User, Reason::ExitNonZero, message)),
            _ => self.ends_without_result((class, reason, said)),
        }
    }
}
