//! What to do, from what is seen in the cluster and what the server holds. Pure.
//!
//! The caches of the watches suggest; wherever something ends or is deleted, a live look comes first, and what follows
//! rests on that.

mod due;
mod object;
mod over;
#[cfg(test)]
mod tests;

use super::{
    facts::{SeenJob, SeenPod},
    sight::{Hopeless, Log, Look, Observed, Rest},
};
use crate::{
    domain::{
        evidence::{Condition, ContainerState, Evidence, Gone},
        reasons::{self, Finding, Patience},
    },
    wire::{
        AttemptRef, AttemptResult, FailureClass, FinishRequest, Hold, JobOrder, Phase, Proof, Reason, ReportItem, ReportKind, StoppedBy,
        Times,
    },
};
pub(super) use due::due;
use over::for_rest;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Act in the cluster.
    In(AttemptRef, Act),
    /// Tell the server.
    Report(Box<ReportItem>),
    /// The server does not know it: leave it, and say so once.
    Strange(AttemptRef),
}

/// What to do in the cluster about an attempt.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    /// Make Secret and Job.
    Create,
    /// See to it that the Secret goes with its Job, where another process created them.
    Adopt,
    /// Look at its objects live.
    Look,
    /// Send the log of its pod, which has no agent.
    Follow,
    /// Delete its Job with its pods; then tell the server this, if anything.
    Delete(Option<Box<ReportItem>>),
    /// Delete its pods, which no Job owns any more.
    DeletePods,
    /// Delete the Secret of a Job that never came to be.
    DropSecret,
}

/// What the rules go by besides what is seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) times: &'a Times,
    /// The attempts that somebody asked to stop, and whether their agents have had the time for it. Those without an
    /// agent are stopped from here.
    pub(super) cancels: &'a BTreeMap<AttemptRef, bool>,
    /// Whether the API server is at work.
    pub(super) api: bool,
}

/// Compares what is seen with what the server holds for this runner. Attempts that something is being done about, or
/// was just done in vain, are passed over.
pub(super) fn plan(observed: &[Observed], holds: &BTreeMap<AttemptRef, Hold>, rules: Rules<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    for seen in observed.iter().filter(|seen| seen.rest == Rest::None) {
        match holds.get(&seen.of) {
            Some(hold) => for_held(seen, hold, rules, &mut actions),
            None => for_rest(seen, rules, &mut actions),
        }
    }
    if !rules.api {
        // Everything in the cluster waits for its return, and is planned anew then.
        actions.retain(|action| !matches!(action, Action::In(..)));
    }
    actions
}

fn for_held(seen: &Observed, hold: &Hold, rules: Rules<'_>, actions: &mut Vec<Action>) {
    let Some(order) = &hold.job else { return };
    // With a stored result only the rest of the log is awaited; its agent, or nobody, sends that.
    if hold.finished {
        return;
    }
    if let Some(object) = &order.object {
        Case { seen, hold, order, rules }.object(object, actions);
        return;
    }
    if let Some(job) = seen.job.as_ref().filter(|job| !job.facts.deleting)
        && job.mark.claim == hold.claim
        && rules.cancels.get(&seen.of).is_some_and(|overdue| *overdue || order.use_image_entrypoint)
    {
        actions.push(Action::In(seen.of, Act::Delete(None)));
        return;
    }
    let (case, before) = (Case { seen, hold, order, rules }, actions.len());
    match &hold.uid {
        Some(uid) => case.started(uid, actions),
        None => case.unstarted(actions),
    }
    if seen.job.is_some()
        && !seen.owned
        && actions[before..].iter().all(|action| matches!(action, Action::Report(_) | Action::In(_, Act::Follow)))
    {
        actions.push(Action::In(seen.of, Act::Adopt));
    }
}

struct Case<'a> {
    seen: &'a Observed,
    hold: &'a Hold,
    order: &'a JobOrder,
    rules: Rules<'a>,
}

impl Case<'_> {
    fn item(&self, uid: Option<&str>, kind: ReportKind) -> Box<ReportItem> {
        let Hold { task, attempt, claim, .. } = *self.hold;
        let observed_ms_ago = self.seen.look.as_ref().map_or(0, |look| u64::try_from(look.age.as_millis()).unwrap_or(u64::MAX));
        let evidence = Some(self.seen.evidence.clone());
        Box::new(ReportItem { uid: uid.map(str::to_owned), observed_ms_ago, evidence, ..ReportItem::new(task, attempt, claim, kind) })
    }

    fn report(&self, uid: Option<&str>, kind: ReportKind) -> Action {
        Action::Report(self.item(uid, kind))
    }

    /// Nothing lives of it, and it left no result.
    fn over(&self, uid: Option<&str>, gone: Option<Gone>) -> Action {
        let evidence = Evidence { gone: gone.or(self.seen.evidence.gone), ..self.seen.evidence.clone() };
        let (class, reason, message) = reasons::ended(&evidence, uid.is_some());
        let proof = if gone.is_some() { Proof::Gone } else { Proof::Seen };
        let mut item = self.item(uid, ReportKind::Ended { class, reason, message, proof });
        item.evidence = Some(evidence);
        Action::Report(item)
    }

    /// It fails before its start, by what keeps it from running.
    fn fails(&self, (class, reason, message): (FailureClass, Reason, String)) -> Action {
        self.report(None, ReportKind::Ended { class, reason, message, proof: Proof::Seen })
    }

    fn returned(&self, reason: Option<Reason>) -> Box<ReportItem> {
        self.item(None, ReportKind::Returned { reason })
    }

    /// Looks first where there is no look yet; the newest look otherwise.
    fn look(&self, actions: &mut Vec<Action>) -> Option<&Look> {
        if self.seen.look.is_none() {
            actions.push(Action::In(self.seen.of, Act::Look));
        }
        self.seen.look.as_ref()
    }

    /// Something to tell where the evidence has changed since it was told last.
    fn tell(&self, phase: Option<Phase>, uid: Option<&str>, actions: &mut Vec<Action>) {
        if self.seen.news {
            actions.push(self.report(uid, ReportKind::Evidence { phase }));
        }
    }

    /// Its agent, or the gate in its place, has passed the start in the pod `uid`: only that pod counts.
    fn started(&self, uid: &str, actions: &mut Vec<Action>) {
        let agentless = self.order.use_image_entrypoint;
        let pod = self.seen.pods.iter().find(|pod| pod.facts.uid == uid);
        if let Some(pod) = pod.filter(|pod| !pod.facts.is_terminal()) {
            if agentless && pod.running() && self.seen.log == Log::Unsent {
                actions.push(Action::In(self.seen.of, Act::Follow));
            }
            if disturbed(pod) {
                self.tell(None, Some(uid), actions);
            }
            return;
        }
        let Some(look) = self.look(actions) else { return };
        let pod = look.pods.iter().find(|pod| pod.facts.uid == uid);
        if agentless && pod.is_none_or(|pod| pod.dead()) && self.rules.cancels.contains_key(&self.seen.of) && self.seen.log != Log::Unsent {
            self.stopped(uid, pod, actions);
            return;
        }
        match pod {
            Some(pod) if pod.dead() => self.conclude(pod, agentless, actions),
            // A phase that is the word of a controller, while the node may still run it: no proof.
            Some(pod) if pod.facts.is_terminal() => self.tell(None, Some(uid), actions),
            Some(_) => {}
            None => {
                let what = if look.job.is_some() { Gone::Pod } else { Gone::Job };
                actions.push(self.over(Some(uid), Some(what)));
            }
        }
    }

    /// Somebody asked to stop it, its pod was deleted from here, and its log is on its way or sent.
    fn stopped(&self, uid: &str, pod: Option<&Arc<SeenPod>>, actions: &mut Vec<Action>) {
        let Log::Sent(bytes, crc) = self.seen.log else { return };
        let exit_code = pod.and_then(|pod| pod.facts.task()).and_then(|task| match task.state {
            ContainerState::Terminated { exit_code, .. } => Some(exit_code),
            _ => None,
        });
        let result = AttemptResult { exit_code, stopped_by: Some(StoppedBy::Cancel), ..AttemptResult::default() };
        actions.push(self.report(Some(uid), ReportKind::Finish { result: FinishRequest::new(result, (bytes, crc)) }));
    }

    /// The pod that started it is dead: its result counts, or that there is none.
    fn conclude(&self, pod: &SeenPod, agentless: bool, actions: &mut Vec<Action>) {
        let uid = Some(pod.facts.uid.as_str());
        let finish = |result: FinishRequest| self.report(uid, ReportKind::Finish { result });
        if !agentless {
            let result = pod.testament().and_then(|testament| testament.result);
            actions.push(result.map_or_else(|| self.over(uid, None), finish));
            return;
        }
        match (reasons::agentless(&self.seen.evidence), self.seen.log) {
            (Some(result), Log::Sent(bytes, crc)) => actions.push(finish(FinishRequest::new(result, (bytes, crc)))),
            (Some(_), Log::Sending) => {}
            (Some(_), Log::Unsent) => actions.push(Action::In(self.seen.of, Act::Follow)),
            (None, _) => actions.push(self.over(uid, None)),
        }
    }

    fn unstarted(&self, actions: &mut Vec<Action>) {
        let seen = self.seen;
        match &seen.job {
            Some(job) if job.mark.claim != self.hold.claim => actions.push(self.fails((
                FailureClass::Config,
                Reason::ObjectInvalid,
                format!("a Job {} of another claim ({}) stands in its place; see slipway doctor", job.facts.name, job.mark.claim),
            ))),
            Some(job) => self.waiting(job, actions),
            None if seen.was_there => {
                if let Some(look) = self.look(actions)
                    && look.job.is_none()
                {
                    actions.push(self.over(None, Some(Gone::Job)));
                }
            }
            None => self.uncreated(actions),
        }
    }

    /// No Job was ever seen of it.
    fn uncreated(&self, actions: &mut Vec<Action>) {
        let seen = self.seen;
        // Without it, it has started, and the next look at the server will say so.
        if self.hold.start_token.is_none() {
            return;
        }
        if self.order.manifest.is_none() || seen.hopeless == Some(Hopeless::Unrenderable) {
            // The queue's template does not fit this runner any more; another one may have it, or somebody mends it.
            actions.push(Action::Report(self.returned(Some(Reason::TemplateInvalid))));
            return;
        }
        if let Some(Hopeless::Ended(class, reason, message)) = seen.hopeless.clone() {
            actions.extend([self.fails((class, reason, message)), Action::In(seen.of, Act::DropSecret)]);
            return;
        }
        if !self.rules.api && seen.waited >= ms(self.rules.times.claim_lease_ms) {
            // Nobody is to blame: another runner may take it at once.
            actions.push(Action::Report(self.returned(None)));
            return;
        }
        if seen.evidence.refusal.is_none() {
            if seen.create_in.is_zero() {
                actions.push(Action::In(seen.of, Act::Create));
            }
            return;
        }
        match self.patience(&reasons::pending(&seen.evidence)) {
            Some(Verdicted::Fail(why)) => actions.extend([self.fails(why), Action::In(seen.of, Act::DropSecret)]),
            Some(Verdicted::Return(why)) => {
                actions.extend([Action::Report(self.returned(Some(why))), Action::In(seen.of, Act::DropSecret)]);
            }
            None => {
                self.tell(None, None, actions);
                if seen.create_in.is_zero() {
                    actions.push(Action::In(seen.of, Act::Create));
                }
            }
        }
    }

    /// Its Job is there and it has not started.
    fn waiting(&self, job: &SeenJob, actions: &mut Vec<Action>) {
        let seen = self.seen;
        let pod = seen.pods.last();
        if pod.is_some_and(|pod| pod.facts.is_terminal()) {
            let Some(look) = self.look(actions) else { return };
            let Some(pod) = look.pods.last().filter(|pod| pod.dead()) else { return };
            match pod.testament().and_then(|testament| testament.result) {
                // With a result it did start, whatever the server knew when it was asked.
                Some(result) => actions.push(self.report(Some(&pod.facts.uid), ReportKind::Finish { result })),
                None if self.order.use_image_entrypoint && pod.running() && !rejected(pod) => {
                    // The gate let it through, and the server was asked before.
                }
                None => actions.push(self.over(None, None)),
            }
            return;
        }
        if seen.pods.is_empty() && job.ended().is_some() {
            // It ended without leaving a pod, for instance by its deadline.
            if self.look(actions).is_some_and(|look| look.pods.is_empty()) {
                actions.push(self.over(None, None));
            }
            return;
        }
        let findings = reasons::pending(&seen.evidence);
        let phase = pod.map_or(Phase::Scheduling, |pod| phase(pod));
        if !job.facts.suspended {
            match self.patience(&findings) {
                Some(verdicted) if self.look(actions).is_none() => {
                    tracing::debug!(attempt = %seen.of, ?verdicted, "looking once more before its patience ends");
                    return;
                }
                Some(Verdicted::Fail(why)) => {
                    actions.push(self.fails(why));
                    return;
                }
                Some(Verdicted::Return(why)) => {
                    actions.push(Action::In(seen.of, Act::Delete(Some(self.returned(Some(why))))));
                    return;
                }
                None => {}
            }
        }
        self.tell(Some(phase), None, actions);
        if seen.look_in.is_zero() {
            actions.push(Action::In(seen.of, Act::Look));
        }
    }

    /// Whether it has waited for long enough, and what then.
    fn patience(&self, findings: &[Finding]) -> Option<Verdicted> {
        let seen = self.seen;
        match reasons::patience(findings) {
            Patience::AtOnce => return Some(Verdicted::Fail(reasons::failure(findings))),
            Patience::ImageGrace if seen.troubled >= ms(self.rules.times.image_grace_ms) => {
                return Some(Verdicted::Fail(reasons::failure(findings)));
            }
            Patience::ImageGrace | Patience::Pending => {}
        }
        if reasons::on_its_way(findings, &seen.evidence) {
            return None;
        }
        if self.order.fail_pending_after_seconds.is_some_and(|limit| seen.waited >= Duration::from_secs(limit)) {
            return Some(Verdicted::Fail(reasons::failure(findings)));
        }
        let blocking = findings.iter().find(|f| f.blocking).map_or(Reason::Unknown, |f| f.code);
        (seen.waited >= Duration::from_secs(self.order.pending_timeout_seconds)).then_some(Verdicted::Return(blocking))
    }
}

/// What becomes of an attempt whose patience is over.
#[derive(Clone, Debug, PartialEq)]
enum Verdicted {
    Fail((FailureClass, Reason, String)),
    Return(Reason),
}

/// How far a pod has come without its agent.
fn phase(pod: &SeenPod) -> Phase {
    let placed = pod.facts.node.is_some() || pod.facts.condition("PodScheduled").is_some_and(|c| c.status == "True");
    if placed { Phase::Pulling } else { Phase::Scheduling }
}

/// Whether somebody wants a pod to go.
fn disturbed(pod: &SeenPod) -> bool {
    let target = |c: &Condition| c.status == "True";
    pod.facts.deleting || pod.facts.condition("DisruptionTarget").is_some_and(target)
}

/// Whether the node or somebody else ended it, whatever its containers say.
fn rejected(pod: &SeenPod) -> bool {
    pod.facts.reason.is_some() || disturbed(pod)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
