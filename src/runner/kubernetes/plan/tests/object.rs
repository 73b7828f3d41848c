//! Attempts that an object carries in place of a Job.

use super::*;
use crate::runner::kubernetes::{
    examples::{object, object_hold},
    states::State,
};

const BY: Option<&str> = Some("claim");

fn at(state: State, pod: Option<SeenPod>) -> Observed {
    let over = Some(state.clone()).filter(State::is_over);
    let ran_for = pod.as_ref().filter(|pod| pod.running()).map(|_| Duration::from_secs(5));
    Observed { ran_for, over, ..with(Some(object(1, state)), pod) }
}

/// Its start granted or not, and not closed.
fn open(uid: Option<&str>) -> Hold {
    let mut hold = object_hold(1);
    hold.job.as_mut().unwrap().manifest = Some(serde_json::json!({}));
    Hold { uid: uid.map(str::to_owned), start_token: Some("token".into()), ..hold }
}

fn sent(seen: Observed) -> Observed {
    Observed { log: Log::Sent(5, 7), ..seen }
}

/// Its object and pods gone, and that was seen.
fn gone(seen: Observed) -> Observed {
    looked(Observed { job: None, pods: Vec::new(), was_there: true, ..seen })
}

fn running() -> Hold {
    Hold { phase: Phase::Running, ..object_hold(1) }
}

#[test]
fn an_object_is_made_until_its_start_is_closed_and_never_after() {
    let refusal = || {
        refused(
            403,
            "Forbidden",
            "pytorchjobs.kubeflow.org \"x\" is forbidden: exceeded quota: q, requested: count/pytorchjobs.kubeflow.org=1, used: count/pytorchjobs.kubeflow.org=5, limited: count/pytorchjobs.kubeflow.org=5",
        )
    };
    let unserved = |status, reason, message| Observed { hopeless: Some(Hopeless::Unserved), ..refused(status, reason, message) };
    let forbidden = unserved(
        403,
        "Forbidden",
        "pytorchjobs.kubeflow.org is forbidden: User \"glue\" cannot create resource \"pytorchjobs\" in API group",
    );
    let missing = unserved(404, "NotServed", "The API server serves no PyTorchJob of kubeflow.org/v1");
    let resting = || Observed { create_in: Duration::from_secs(3), ..observed(1) };
    check(vec![
        ("claimed", observed(1), Some(open(None)), vec![A("create")]),
        ("refused before the start", Observed { news: true, ..refusal() }, Some(open(None)), vec![T("evidence -", None), A("create")]),
        ("refused for long", waited(900, refusal()), Some(open(None)), vec![T("returned ResourceQuotaExceeded", None), A("dropsecret")]),
        ("its kind may not be made here", forbidden, Some(open(None)), vec![T("returned RunnerForbidden", None)]),
        ("its kind is not served here", missing, Some(open(None)), vec![T("returned ObjectKindMissing", None)]),
        ("granted, and its maker died", observed(1), Some(open(BY)), vec![A("create")]),
        ("granted, just tried", resting(), Some(open(BY)), vec![]),
        ("granted and made, and its maker died", at(State::Created, None), Some(open(BY)), vec![A("create")]),
        ("closed, not seen", observed(1), Some(object_hold(1)), vec![A("look")]),
        ("closed, and not there", looked(observed(1)), Some(object_hold(1)), vec![T("ended infra PodDeleted Gone", BY)]),
    ]);
}

#[test]
fn an_object_runs_and_ends_by_its_own_word() {
    let failed = || State::Failed("BackoffLimitExceeded: too many".into());
    let disrupted = || {
        let mut pod = terminal(1, "Failed");
        pod.facts.conditions.push(Condition {
            kind: "DisruptionTarget".into(),
            status: "True".into(),
            reason: Some("PreemptionByScheduler".into()),
            ..Condition::default()
        });
        pod
    };
    check(vec![
        ("made", at(State::Created, None), Some(object_hold(1)), vec![]),
        ("its first pod runs", at(State::Created, Some(pod(1))), Some(object_hold(1)), vec![A("follow"), T("evidence running", BY)]),
        ("it runs", Observed { log: Log::Sending, ..at(State::Running, Some(pod(1))) }, Some(running()), vec![]),
        (
            "its pods succeeded, it did not yet",
            Observed { log: Log::Sending, ..at(State::Running, Some(terminal(1, "Succeeded"))) },
            Some(running()),
            vec![],
        ),
        (
            "its pod failed, and it tries another",
            Observed { log: Log::Sending, ..at(State::Running, Some(terminal(1, "Failed"))) },
            Some(running()),
            vec![],
        ),
        ("succeeded, not looked at", at(State::Succeeded, None), Some(running()), vec![A("look")]),
        ("succeeded, its log not sent", looked(at(State::Succeeded, Some(terminal(1, "Succeeded")))), Some(running()), vec![A("follow")]),
        ("succeeded", sent(looked(at(State::Succeeded, Some(terminal(1, "Succeeded"))))), Some(running()), vec![T("finish Some(0) 5", BY)]),
        (
            "succeeded, and a pod is left",
            sent(looked(at(State::Succeeded, Some(pod(1))))),
            Some(running()),
            vec![T("finish Some(0) 5", BY)],
        ),
        ("succeeded without a pod", looked(at(State::Succeeded, None)), Some(object_hold(1)), vec![T("finish Some(0) 0", BY)]),
        ("failed while a pod runs", sent(looked(at(failed(), Some(pod(1))))), Some(running()), vec![A("delete(none)")]),
        ("failed by a pod", sent(looked(at(failed(), Some(terminal(1, "Failed"))))), Some(running()), vec![T("finish Some(1) 5", BY)]),
        ("failed without a word of its pods", looked(at(failed(), None)), Some(object_hold(1)), vec![T("ended user ExitNonZero Seen", BY)]),
        (
            "failed by a disruption",
            sent(looked(at(failed(), Some(disrupted())))),
            Some(running()),
            vec![T("ended infra Preempted Seen", BY)],
        ),
        (
            "failed, and deleted for what ran",
            sent(gone(at(failed(), Some(terminal(1, "Failed"))))),
            Some(running()),
            vec![T("finish Some(1) 5", BY)],
        ),
        (
            "somebody deleted it",
            gone(at(State::Running, Some(terminal(1, "Failed")))),
            Some(running()),
            vec![T("ended infra PodDeleted Gone", BY)],
        ),
    ]);
}

#[test]
fn whoever_stops_an_object_waits_until_nothing_of_it_is_left() {
    let cancels = BTreeMap::from([(of(1), true)]);
    let cancelled = |seen: Observed, hold: Hold| planned(&seen, Some(&hold), &cancels, true);
    let one = |word: &str| vec![(word.to_owned(), None)];
    let told = |word: &str| vec![(word.to_owned(), BY.map(str::to_owned))];
    let runs = || sent(at(State::Running, Some(pod(1))));
    assert_eq!(cancelled(runs(), running()), one("delete(none)"));
    let mut leaving = object(1, State::Running);
    leaving.facts.deleting = true;
    assert_eq!(cancelled(looked(Observed { job: Some(leaving.into()), ..runs() }), running()), [], "it is on its way out");
    assert_eq!(cancelled(looked(Observed { job: None, ..runs() }), running()), [], "its pod still runs");
    assert_eq!(cancelled(Observed { job: None, pods: Vec::new(), ..runs() }, running()), one("look"));
    assert_eq!(cancelled(gone(runs()), running()), told("finish None 5"));
    assert_eq!(cancelled(observed(1), open(BY)), one("look"), "granted, and perhaps made");
    assert_eq!(cancelled(looked(observed(1)), open(BY)), told("finish None 0"));
    assert_eq!(cancelled(sent(looked(at(State::Succeeded, None))), running()), told("finish Some(0) 5"), "it was over before");

    let mut timed = running();
    timed.job.as_mut().unwrap().timeout_seconds = Some(5);
    assert_eq!(planned(&runs(), Some(&timed), &BTreeMap::new(), true), one("delete(none)"));
    assert_eq!(planned(&gone(runs()), Some(&timed), &BTreeMap::new(), true), told("finish None 5"));
    timed.job.as_mut().unwrap().timeout_seconds = Some(6);
    assert_eq!(planned(&runs(), Some(&timed), &BTreeMap::new(), true), []);
}

#[test]
fn an_object_that_finds_no_place_is_taken_back_once_it_is_gone() {
    let unplaced = || waited(900, at(State::Created, Some(with_state(pod(1), "Pending", ContainerState::Unknown))));
    let unplaced = || {
        let mut seen = unplaced();
        seen.evidence.pod.as_mut().unwrap().node = None;
        seen
    };
    check(vec![
        ("it waits too long", unplaced(), Some(object_hold(1)), vec![A("delete(none)")]),
        ("it is gone", gone(unplaced()), Some(object_hold(1)), vec![T("returned Unschedulable", BY)]),
        ("it runs at last", Observed { ran_for: Some(Duration::ZERO), log: Log::Sending, ..unplaced() }, Some(running()), vec![]),
        ("something holds it back", waited(5_000, held_back()), Some(object_hold(1)), vec![]),
    ]);
}

fn held_back() -> Observed {
    let mut job = object(1, State::Suspended);
    job.facts.suspended = true;
    with(Some(job), None)
}
