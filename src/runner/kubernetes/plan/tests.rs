mod object;

use super::*;
use crate::{
    domain::evidence::{ApiRefusal, ContainerState},
    runner::kubernetes::{
        examples::{hold, job, observed, of, pod, terminal, waiting, with_state},
        sight::Late,
    },
    wire::{Testament, Verdict, handoff::Fault},
};

/// What it is, what is seen, what is held, what to do.
type Row = (&'static str, Observed, Option<Hold>, Vec<Seen>);

/// An action in one word, so that rows stay readable.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Act(&'static str),
    Tell(&'static str, Option<&'static str>),
    Strange,
}
use Seen::{Act as A, Strange, Tell as T};

fn word(action: &Action) -> (String, Option<String>) {
    let kind = |item: &ReportItem| match &item.kind {
        ReportKind::Evidence { phase } => format!("evidence {}", phase.map_or("-", Phase::as_str)),
        ReportKind::Returned { reason } => format!("returned {}", reason.map_or("-", Reason::as_str)),
        ReportKind::Ended { class, reason, proof, .. } => format!("ended {class} {reason} {proof:?}"),
        ReportKind::Finish { result } => format!("finish {:?} {}", result.exit_code, result.log_bytes),
    };
    match action {
        Action::In(_, Act::Delete(Some(item))) => (format!("delete, {}", kind(item)), item.uid.clone()),
        Action::In(_, act) => (format!("{act:?}").to_lowercase(), None),
        Action::Report(item) => (kind(item), item.uid.clone()),
        Action::Strange(_) => ("strange".to_owned(), None),
    }
}

fn planned(seen: &Observed, hold: Option<&Hold>, cancels: &BTreeMap<AttemptRef, bool>, api: bool) -> Vec<(String, Option<String>)> {
    let all = hold.map(|hold| (seen.of, hold.clone())).into_iter().collect();
    let rules = Rules { times: &Times::default(), cancels, api };
    plan(std::slice::from_ref(seen), &all, rules).iter().map(word).collect()
}

fn check(rows: Vec<Row>) {
    for (what, seen, hold, expected) in rows {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|seen| match seen {
                A(act) => (act.to_owned(), None),
                T(told, uid) => (told.to_owned(), uid.map(str::to_owned)),
                Strange => ("strange".to_owned(), None),
            })
            .collect();
        assert_eq!(planned(&seen, hold.as_ref(), &BTreeMap::new(), true), expected, "{what}");
    }
}

/// With these objects in the caches, and as evidence.
fn with(job: Option<SeenJob>, pod: Option<SeenPod>) -> Observed {
    let evidence =
        Evidence { job: job.as_ref().map(|j| j.facts.clone()), pod: pod.as_ref().map(|p| p.facts.clone()), ..Evidence::default() };
    let was_there = job.is_some();
    Observed { job: job.map(Into::into), pods: pod.map(Into::into).into_iter().collect(), evidence, was_there, ..observed(1) }
}

/// The same after a live look that saw the same.
fn looked(seen: Observed) -> Observed {
    let look = Look { job: seen.job.clone(), pods: seen.pods.clone(), age: Duration::from_millis(20), ..Look::default() };
    Observed { look: Some(look), ..seen }
}

fn testament(result: Option<FinishRequest>, fault: Option<Fault>) -> String {
    let of = of(1);
    serde_json::to_string(&Testament { task: of.task, attempt: of.attempt, result, fault }).unwrap()
}

/// A pod whose agent left something behind.
fn left(exit_code: i32, message: String) -> SeenPod {
    with_state(
        pod(1),
        "Failed",
        ContainerState::Terminated { exit_code, signal: None, reason: Some("Error".into()), message: Some(message) },
    )
}

fn finished(exit_code: i32) -> SeenPod {
    left(exit_code, testament(Some(FinishRequest { exit_code: Some(exit_code), log_bytes: 12, ..FinishRequest::default() }), None))
}

fn waited(seconds: u64, seen: Observed) -> Observed {
    Observed { waited: Duration::from_secs(seconds), ..seen }
}

fn refused(status: u16, reason: &str, message: &str) -> Observed {
    let refusal = ApiRefusal { verb: "create".into(), resource: "jobs".into(), status, reason: reason.into(), message: message.into() };
    Observed { evidence: Evidence { refusal: Some(refusal), ..Evidence::default() }, ..observed(1) }
}

const US: Option<&str> = Some("pod-1");

fn new() -> Hold {
    hold(1, None)
}

fn ours() -> Hold {
    hold(1, US)
}

#[test]
fn what_has_not_started_is_created_borne_with_given_back_or_ended() {
    let quota = || {
        refused(
            403,
            "Forbidden",
            "jobs.batch \"x\" is forbidden: exceeded quota: q, requested: count/jobs.batch=1, used: count/jobs.batch=5, limited: count/jobs.batch=5",
        )
    };
    let on_node = |state| with(Some(job(1)), Some(with_state(pod(1), "Pending", state)));
    let unschedulable = || Observed { news: true, ..with(Some(job(1)), Some(with_state(pod(1), "Pending", ContainerState::Unknown))) };
    let suspended = || {
        let mut job = job(1);
        job.facts.suspended = true;
        waited(5_000, with(Some(job), None))
    };
    let foreign = || {
        let mut job = job(1);
        job.mark.claim = uuid::Uuid::from_u128(8);
        with(Some(job), None)
    };
    let gone = || Observed { was_there: true, ..observed(1) };
    let no_token = Hold { start_token: None, ..hold(1, None) };
    let mut no_manifest = hold(1, None);
    no_manifest.job.as_mut().unwrap().manifest = None;
    let image = || Observed {
        troubled: Duration::from_mins(2),
        ..with(Some(job(1)), Some(waiting(1, "ImagePullBackOff", "Back-off pulling image \"x\": not found")))
    };
    check(vec![
        ("claimed, no Job", observed(1), Some(new()), vec![A("create")]),
        ("its create is not due yet", Observed { create_in: Duration::from_secs(1), ..observed(1) }, Some(new()), vec![]),
        ("something is being done", Observed { rest: Rest::Busy, ..observed(1) }, Some(new()), vec![]),
        ("something was just done in vain", Observed { rest: Rest::For(Duration::from_secs(1)), ..observed(1) }, Some(new()), vec![]),
        ("started meanwhile", observed(1), Some(no_token), vec![]),
        ("cannot be rendered for us any more", observed(1), Some(no_manifest), vec![T("returned TemplateInvalid", None)]),
        (
            "cannot be completed",
            Observed { hopeless: Some(Hopeless::Unrenderable), ..observed(1) },
            Some(new()),
            vec![T("returned TemplateInvalid", None)],
        ),
        ("quota used up", Observed { news: true, ..quota() }, Some(new()), vec![T("evidence -", None), A("create")]),
        ("quota used up, said before", Observed { create_in: Duration::from_secs(9), ..quota() }, Some(new()), vec![]),
        ("quota used up for too long", waited(900, quota()), Some(new()), vec![T("returned ResourceQuotaExceeded", None), A("dropsecret")]),
        (
            "invalid",
            refused(422, "Invalid", "spec.x: Invalid value"),
            Some(new()),
            vec![T("ended config ObjectInvalid Seen", None), A("dropsecret")],
        ),
        ("somebody else's Job has its name", foreign(), Some(new()), vec![T("ended config ObjectInvalid Seen", None)]),
        ("a Job without a pod", Observed { news: true, ..with(Some(job(1)), None) }, Some(new()), vec![T("evidence scheduling", None)]),
        ("nothing new", with(Some(job(1)), Some(pod(1))), Some(new()), vec![]),
        ("a look is due", Observed { look_in: Duration::ZERO, ..with(Some(job(1)), None) }, Some(new()), vec![A("look")]),
        ("another process made it", Observed { owned: false, ..with(Some(job(1)), Some(pod(1))) }, Some(new()), vec![A("adopt")]),
        ("on a node", unschedulable(), Some(new()), vec![T("evidence pulling", None)]),
        ("waiting for too long, not looked at", waited(900, with(Some(job(1)), None)), Some(new()), vec![A("look")]),
        ("waiting for too long", looked(waited(900, with(Some(job(1)), None))), Some(new()), vec![T("delete, returned Starting", None)]),
        ("on a node that makes it ready, however long", looked(waited(5_000, on_node(ContainerState::Unknown))), Some(new()), vec![]),
        (
            "its agent does not get through",
            looked(waited(900, on_node(ContainerState::Running))),
            Some(new()),
            vec![T("delete, returned Starting", None)],
        ),
        ("held back by Kueue", suspended(), Some(new()), vec![]),
        ("an image that cannot be had, not looked at", image(), Some(new()), vec![A("look")]),
        ("an image that cannot be had", looked(image()), Some(new()), vec![T("ended image ImageNotFound Seen", None)]),
        ("it is gone, not looked at", gone(), Some(new()), vec![A("look")]),
        ("it is gone", looked(gone()), Some(new()), vec![T("ended infra PodDeleted Gone", None)]),
        ("its pod ended, not looked at", with(Some(job(1)), Some(terminal(1, "Failed"))), Some(new()), vec![A("look")]),
        (
            "its pod ended before the start",
            looked(with(Some(job(1)), Some(terminal(1, "Failed")))),
            Some(new()),
            vec![T("ended infra AgentNotStarted Seen", None)],
        ),
        ("its pod left a result", looked(with(Some(job(1)), Some(finished(3)))), Some(new()), vec![T("finish Some(3) 12", US)]),
    ]);
}

#[test]
fn of_what_has_started_only_the_pod_that_started_it_counts() {
    let running = || with(Some(job(1)), Some(pod(1)));
    let going = || {
        let mut pod = pod(1);
        pod.facts.deleting = true;
        Observed { news: true, ..with(Some(job(1)), Some(pod)) }
    };
    let other = || {
        let mut pod = finished(0);
        "pod-2".clone_into(&mut pod.facts.uid);
        with(Some(job(1)), Some(pod))
    };
    let half_dead = || looked(with(Some(job(1)), Some(with_state(pod(1), "Failed", ContainerState::Running))));
    let fault = || left(98, testament(None, Some(Fault { exit_code: 98, message: "no such commit".into() })));
    check(vec![
        ("runs", running(), Some(ours()), vec![]),
        ("somebody wants it to go", going(), Some(ours()), vec![T("evidence -", US)]),
        ("its result is stored", with(Some(job(1)), Some(finished(0))), Some(Hold { finished: true, ..hold(1, US) }), vec![]),
        ("ended, not looked at", with(Some(job(1)), Some(finished(0))), Some(ours()), vec![A("look")]),
        ("ended with a result", looked(with(Some(job(1)), Some(finished(0)))), Some(ours()), vec![T("finish Some(0) 12", US)]),
        (
            "exit code 0 alone is no result",
            looked(with(Some(job(1)), Some(terminal(1, "Succeeded")))),
            Some(ours()),
            vec![T("ended lost AttemptLost Seen", US)],
        ),
        ("its agent said why", looked(with(Some(job(1)), Some(fault()))), Some(ours()), vec![T("ended setup SetupFailed Seen", US)]),
        ("a phase without its containers is no proof", half_dead(), Some(ours()), vec![]),
        ("another pod's result", looked(other()), Some(ours()), vec![T("ended infra PodDeleted Gone", US)]),
        ("gone, not looked at", observed(1), Some(ours()), vec![A("look")]),
        ("gone", looked(observed(1)), Some(ours()), vec![T("ended infra PodDeleted Gone", US)]),
        ("its pod is gone", looked(with(Some(job(1)), None)), Some(ours()), vec![T("ended infra PodDeleted Gone", US)]),
    ]);
}

#[test]
fn without_an_agent_the_containers_end_counts_once_its_log_is_sent() {
    let agentless = || {
        let mut hold = hold(1, US);
        hold.job.as_mut().unwrap().use_image_entrypoint = true;
        Some(hold)
    };
    let ended = || looked(with(Some(job(1)), Some(terminal(1, "Failed"))));
    check(vec![
        ("runs", with(Some(job(1)), Some(pod(1))), agentless(), vec![A("follow")]),
        ("runs, and its log is on its way", Observed { log: Log::Sending, ..with(Some(job(1)), Some(pod(1))) }, agentless(), vec![]),
        ("ended, its log not sent", ended(), agentless(), vec![A("follow")]),
        ("ended, its log on its way", Observed { log: Log::Sending, ..ended() }, agentless(), vec![]),
        ("ended", Observed { log: Log::Sent(5, 7), ..ended() }, agentless(), vec![T("finish Some(1) 5", US)]),
    ]);
    let cancels = BTreeMap::from([(of(1), false)]);
    let stopped = |seen: Observed| planned(&seen, agentless().as_ref(), &cancels, true);
    assert_eq!(stopped(with(Some(job(1)), Some(pod(1)))), [("delete(none)".to_owned(), None)], "nobody else carries a cancel out");
    let gone = looked(Observed { log: Log::Sent(5, 7), ..observed(1) });
    assert_eq!(stopped(gone.clone()), [("finish None 5".to_owned(), US.map(str::to_owned))], "with the log that it left");
    assert_eq!(stopped(Observed { log: Log::Sending, ..gone }), []);
}

#[test]
fn what_is_over_is_removed_in_time_and_what_is_unknown_never() {
    let ended = |seconds, seen: Observed| Observed { verdict: Some(Verdict::Ended), ended_for: Some(Duration::from_secs(seconds)), ..seen };
    let awaits_log = |seconds, seen: Observed| Observed { late: Late::Log, ..ended(seconds, seen) };
    let done = |phase| with(Some(job(1)), Some(terminal(1, phase)));
    let verdict = |verdict, seen: Observed| Observed { verdict: Some(verdict), ..seen };
    let orphan = |seconds, seen: Observed| Observed { orphaned_for: Some(Duration::from_secs(seconds)), ..ended(0, seen) };
    let deleting = || {
        let mut job = job(1);
        job.facts.deleting = true;
        with(Some(job), Some(pod(1)))
    };
    let delete = || vec![A("delete(none)")];
    // What whoever deletes a Job and keeps its pods leaves behind.
    let alone = || SeenPod { owner: None, ..pod(1) };
    // An agent that has told its result ends well itself.
    let told = |code| {
        let mut pod = finished(code);
        pod.facts.phase = "Succeeded".into();
        pod
    };
    check(vec![
        ("not asked about", done("Succeeded"), None, vec![]),
        ("live for another", verdict(Verdict::Live, done("Succeeded")), None, vec![]),
        ("unknown", verdict(Verdict::Unknown, done("Succeeded")), None, vec![Strange]),
        ("superseded", verdict(Verdict::Superseded, with(Some(job(1)), Some(pod(1)))), None, delete()),
        ("a success stays a minute", ended(59, done("Succeeded")), None, vec![]),
        ("a success", ended(60, done("Succeeded")), None, delete()),
        ("a failure stays an hour", ended(3_599, done("Failed")), None, vec![]),
        ("a failure, not told of yet", Observed { news: true, ..ended(1, done("Failed")) }, None, vec![T("evidence -", US)]),
        ("a failure", ended(3_600, done("Failed")), None, delete()),
        ("a failure of which its agent has told", ended(3_599, with(Some(job(1)), Some(told(1)))), None, vec![]),
        ("a success of which its agent has told", ended(60, with(Some(job(1)), Some(told(0)))), None, delete()),
        ("its Secret would be left", Observed { owned: false, ..ended(60, done("Succeeded")) }, None, vec![A("adopt")]),
        ("it is about to end", ended(59, with(Some(job(1)), Some(pod(1)))), None, vec![]),
        ("it does not end", ended(60, with(Some(job(1)), Some(pod(1)))), None, delete()),
        // Row 13 of the scoreboard, seed 383054981: a finish was stored, and then agent and server were cut off from each other.
        ("it may still send its log", awaits_log(1_199, with(Some(job(1)), Some(pod(1)))), None, vec![]),
        ("it never sent its log", awaits_log(1_200, with(Some(job(1)), Some(pod(1)))), None, delete()),
        ("it died with its log", awaits_log(60, done("Succeeded")), None, delete()),
        ("cancelled on its node", ended(9, with(Some(job(1)), Some(waiting(1, "ContainerCreating", "")))), None, vec![]),
        ("cancelled on its node a while ago", ended(10, with(Some(job(1)), Some(waiting(1, "ContainerCreating", "")))), None, delete()),
        ("cancelled before it had a node", ended(0, with(Some(job(1)), None)), None, delete()),
        ("on its way out", ended(500, deleting()), None, vec![]),
        ("orphans", orphan(59, with(None, Some(alone()))), None, vec![]),
        ("orphans that nobody removes", orphan(60, with(None, Some(alone()))), None, vec![A("deletepods")]),
        // Row 20 of the scoreboard with 1,000 pods at once: each that the glue deleted too was a write more.
        ("pods that the cluster removes when it comes to it", orphan(599, with(None, Some(pod(1)))), None, vec![]),
        ("pods that the cluster does not remove", orphan(600, with(None, Some(pod(1)))), None, vec![A("deletepods")]),
    ]);
}

#[test]
fn an_overdue_cancel_deletes_and_an_api_server_away_gives_back() {
    let overdue = BTreeMap::from([(of(1), true)]);
    let asked = BTreeMap::from([(of(1), false)]);
    let runs = with(Some(job(1)), Some(pod(1)));
    assert_eq!(planned(&runs, Some(&ours()), &overdue, true), [("delete(none)".to_owned(), None)]);
    assert_eq!(planned(&runs, Some(&ours()), &asked, true), []);
    let never = BTreeMap::new();
    assert_eq!(planned(&waited(59, observed(1)), Some(&new()), &never, false), []);
    assert_eq!(planned(&waited(60, observed(1)), Some(&new()), &never, false), [("returned -".to_owned(), None)]);
    let mut fails = hold(1, None);
    fails.job.as_mut().unwrap().fail_pending_after_seconds = Some(60);
    let pending = looked(waited(60, with(Some(job(1)), None)));
    assert_eq!(planned(&pending, Some(&fails), &never, true), [("ended policy Starting Seen".to_owned(), None)]);
}

#[test]
fn time_alone_calls_for_the_next_look() {
    let times = Times::default();
    let due = |seen: Observed, hold: Option<Hold>| due(&[seen], &hold.map(|hold| (of(1), hold)).into_iter().collect(), &times);
    assert_eq!(due(with(Some(job(1)), Some(pod(1))), Some(ours())), None);
    assert_eq!(due(waited(890, with(Some(job(1)), None)), Some(new())), Some(Duration::from_secs(3)));
    assert_eq!(
        due(Observed { look_in: Duration::from_mins(1), ..waited(890, with(Some(job(1)), None)) }, Some(new())),
        Some(Duration::from_secs(10))
    );
    let ended = Observed { ended_for: Some(Duration::from_secs(50)), ..with(Some(job(1)), Some(terminal(1, "Succeeded"))) };
    assert_eq!(due(ended, None), Some(Duration::from_secs(10)));
    assert_eq!(due(Observed { rest: Rest::For(Duration::from_secs(2)), ..observed(1) }, Some(ours())), Some(Duration::from_secs(2)));
}
