use super::*;
use crate::{
    domain::evidence::{ContainerState, ObjectEvent},
    runner::kubernetes::{
        examples::{hold, job, object, object_hold, of, pod, terminal, waiting, with_state},
        states::State,
    },
};

const TIMES: fn() -> Times = Times::default;

/// So long after the clock's origin, which is an hour before the cluster's time 0.
fn at(seconds: u64) -> Now {
    Now { here: Duration::from_secs(3_600 + seconds), cluster: UnixMs(i64::try_from(seconds).unwrap() * 1_000) }
}

fn stamp(seconds: i64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(seconds).ok()
}

fn sight(job: Option<SeenJob>, pods: Vec<SeenPod>, revision: u64) -> Sight {
    Sight { job: job.map(Into::into), pods: pods.into_iter().map(Into::into).collect(), revision }
}

fn observe(notes: &mut Notes, sight: Sight, hold: Option<Hold>, now: Now) -> Observed {
    let sights = if sight == Sight::default() { BTreeMap::new() } else { BTreeMap::from([(of(1), sight)]) };
    let all = hold.map(|hold| (of(1), hold)).into_iter().collect();
    notes.observe(sights, &all, now, &TIMES()).pop().expect("it is there or held")
}

#[test]
fn own_writes_are_remembered_until_the_watch_shows_them() {
    let mut notes = Notes::default();
    notes.get(of(1)).written = Some(job(1).into());
    let seen = observe(&mut notes, Sight::default(), Some(hold(1, None)), at(0));
    assert!(seen.job.is_some() && seen.was_there);
    observe(&mut notes, sight(Some(job(1)), vec![], 1), Some(hold(1, None)), at(1));
    let gone = observe(&mut notes, Sight::default(), Some(hold(1, None)), at(2));
    assert!(gone.job.is_none() && gone.was_there, "what the watch has shown is its to take away");

    notes.get(of(1)).deleted = Some("job-1".into());
    let going = observe(&mut notes, sight(Some(job(1)), vec![pod(1)], 3), None, at(3));
    assert!(going.job.is_some_and(|job| job.facts.deleting));
    assert!(!going.evidence.job.unwrap().deleting, "what we did is no evidence");
}

#[test]
fn waiting_counts_from_the_jobs_creation_by_the_clusters_clock_and_not_in_suspension() {
    let mut notes = Notes::default();
    let mut made = job(1);
    made.created_at = stamp(1_000);
    let waited =
        |notes: &mut Notes, job: &SeenJob, now| observe(notes, sight(Some(job.clone()), vec![], 1), Some(hold(1, None)), at(now)).waited;
    assert_eq!(waited(&mut notes, &made, 1_300), Duration::from_mins(5), "found after a restart");
    assert_eq!(waited(&mut notes, &made, 1_310), Duration::from_secs(310));
    let mut suspended = made.clone();
    suspended.facts.suspended = true;
    assert_eq!(waited(&mut notes, &suspended, 2_000), Duration::ZERO);
    assert_eq!(waited(&mut notes, &made, 2_010), Duration::from_secs(10));
}

#[test]
fn a_look_counts_until_something_changes_or_it_is_old() {
    let mut notes = Notes::default();
    let here = at(10).here;
    let look = Look { job: Some(job(1).into()), pods: vec![terminal(1, "Failed").into()], ..Look::default() };
    let seen = |notes: &mut Notes, revision, now| {
        observe(notes, sight(Some(job(1)), vec![pod(1)], revision), Some(hold(1, Some("pod-1"))), at(now))
    };
    seen(&mut notes, 4, 9);
    notes.get(of(1)).looked(look.clone(), here, 4, &TIMES());
    let fresh = seen(&mut notes, 4, 11);
    assert_eq!(fresh.look.map(|look| look.age), Some(Duration::from_secs(1)));
    assert_eq!(fresh.pods[0].facts.phase, "Failed", "what was seen live counts");
    assert!(seen(&mut notes, 5, 12).look.is_none(), "something changed");
    notes.get(of(1)).looked(look, here, 5, &TIMES());
    assert!(seen(&mut notes, 5, 31).look.is_none(), "it is old");
}

#[test]
fn the_end_counts_from_when_it_was_learnt_or_from_the_pods_own() {
    let ended_for = |notes: &mut Notes, hold: Option<Hold>, now| {
        let mut pod = terminal(1, "Failed");
        pod.ended_at = stamp(1_000);
        observe(notes, sight(Some(job(1)), vec![pod], 1), hold, at(now)).ended_for
    };
    let mut ours = Notes::default();
    assert_eq!(ended_for(&mut ours, Some(hold(1, Some("pod-1"))), 1_001), None);
    assert_eq!(ended_for(&mut ours, Some(Hold { finished: true, ..hold(1, Some("pod-1")) }), 1_002), Some(Duration::ZERO));
    assert_eq!(ended_for(&mut ours, None, 1_005), Some(Duration::from_secs(3)));
    let mut found = Notes::default();
    assert_eq!(ended_for(&mut found, None, 1_100), Some(Duration::from_secs(100)));
}

#[test]
fn what_a_living_replica_claimed_is_left_to_it_for_a_moment() {
    let mut notes = Notes::default();
    assert_eq!(observe(&mut notes, Sight::default(), Some(hold(1, None)), at(0)).create_in, Duration::from_secs(2));
    let mut own = Notes::default();
    own.get(of(1)).begun();
    assert_eq!(observe(&mut own, Sight::default(), Some(hold(1, None)), at(0)).rest, Rest::Busy);
    own.get(of(1)).uncreated(None, at(0).here, &TIMES());
    own.get(of(1)).done();
    assert_eq!(observe(&mut own, Sight::default(), Some(hold(1, None)), at(0)).create_in, Duration::from_secs(1));
    own.get(of(1)).uncreated(None, at(1).here, &TIMES());
    assert_eq!(observe(&mut own, Sight::default(), Some(hold(1, None)), at(1)).create_in, Duration::from_secs(2));
}

#[test]
fn the_same_is_told_once_and_progress_is_no_news() {
    let mut notes = Notes::default();
    let news = |notes: &mut Notes, pods| observe(notes, sight(Some(job(1)), pods, 1), Some(hold(1, None)), at(0)).news;
    assert!(news(&mut notes, vec![]));
    notes.told(of(1));
    assert!(!news(&mut notes, vec![]));
    assert!(news(&mut notes, vec![waiting(1, "ContainerCreating", "")]), "it has a node");
    notes.told(of(1));
    assert!(!news(&mut notes, vec![with_state(pod(1), "Pending", ContainerState::Unknown)]));
    assert!(news(&mut notes, vec![waiting(1, "ImagePullBackOff", "not found")]));
}

#[test]
fn trouble_is_timed_only_where_some_patience_is_due() {
    let mut notes = Notes::default();
    let troubled = |notes: &mut Notes, pod, now| observe(notes, sight(Some(job(1)), vec![pod], 1), Some(hold(1, None)), at(now)).troubled;
    let pulling = || waiting(1, "ErrImagePull", "dial tcp: i/o timeout");
    assert_eq!(troubled(&mut notes, pulling(), 5), Duration::ZERO);
    assert_eq!(troubled(&mut notes, pulling(), 65), Duration::from_mins(1));
    assert_eq!(troubled(&mut notes, waiting(1, "ContainerCreating", ""), 70), Duration::ZERO);
    assert_eq!(troubled(&mut notes, pulling(), 75), Duration::ZERO, "it begins anew");
}

/// Scoreboard row 6, seed 3939057860: while the watch did not show it, an orphan's deletion was asked for again and again.
#[test]
fn a_pod_that_was_deleted_is_on_its_way_out_before_the_watch_shows_it() {
    let mut notes = Notes::default();
    let seen = |notes: &mut Notes| {
        let seen = observe(notes, sight(None, vec![pod(1)], 1), None, at(0));
        (seen.pods[0].facts.deleting, seen.evidence.pod.is_some_and(|pod| pod.deleting))
    };
    assert_eq!(seen(&mut notes), (false, false));
    notes.get(of(1)).deleted_pods.insert("pod-1".to_owned());
    assert_eq!(seen(&mut notes), (true, false), "and it is no evidence of what others did");
}

/// An image's name that is none stands in an event before it stands in the pod's status. By what came of the pods of an object that
/// was deleted for it, the attempt ended as one whose object somebody else had deleted.
#[test]
fn events_that_follow_our_own_deletion_of_an_object_say_nothing_of_the_end_before_it() {
    let mut notes = Notes::default();
    let seen = |notes: &mut Notes, reason: &str, now| {
        let (job, pod) = (object(1, State::Created), waiting(1, "ContainerCreating", ""));
        let event = ObjectEvent { about: "Pod".into(), reason: reason.into(), message: String::new(), kind: "Warning".into(), at: None };
        let look = Look { job: Some(job.clone().into()), pods: vec![pod.clone().into()], events: vec![event], ..Look::default() };
        notes.get(of(1)).looked(look, at(now).here, 1, &TIMES());
        let seen = observe(notes, sight(Some(job), vec![pod], 1), Some(object_hold(1)), at(now));
        seen.evidence.events.into_iter().map(|event| event.reason).collect::<Vec<_>>()
    };
    assert_eq!(seen(&mut notes, "InspectFailed", 1), ["InspectFailed"]);
    notes.get(of(1)).deleted = Some("job-1".to_owned());
    assert_eq!(seen(&mut notes, "Killing", 2), ["InspectFailed"]);
}
