//! What the scoreboard's proxy before the API server does to calls and watches.

use crate::{
    call::{Call, Class, Verb},
    fate::{Answer, CallFaults, EventFate, WatchFaults, is_stale, of_call, of_event, of_watch},
};
use std::time::Duration;

fn call(method: &str, uri: &str) -> Call {
    Call::of(&method.parse().expect("a method"), &uri.parse().expect("a URI"))
}

const JOBS: &str = "/apis/batch/v1/namespaces/a/jobs";

#[test]
fn a_call_is_known_by_what_it_asks() {
    let of = |method, uri: &str| {
        let call = call(method, uri);
        (call.verb, call.class, call.paged, call.writes())
    };
    assert_eq!(of("POST", &format!("{JOBS}?fieldValidation=Strict")), (Verb::Create, Class::Jobs, false, true));
    assert_eq!(of("GET", &format!("{JOBS}?limit=500")), (Verb::List, Class::Jobs, true, false));
    assert_eq!(of("GET", &format!("{JOBS}?watch=true")), (Verb::Watch, Class::Jobs, false, false));
    assert_eq!(of("DELETE", "/api/v1/namespaces/a/pods/x"), (Verb::Delete, Class::Pods, false, true));
    assert_eq!(of("PATCH", "/api/v1/namespaces/a/secrets/x"), (Verb::Patch, Class::Secrets, false, true));
    let review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    assert_eq!(of("POST", review), (Verb::Create, Class::Other, false, false), "to ask is no write");
}

#[test]
fn the_same_seed_and_number_have_the_same_fate_and_a_fifth_fails_half_of_it_after_acting() {
    let faults = CallFaults { percent: 20, ..CallFaults::default() };
    let (create, get) = (call("POST", JOBS), call("GET", &format!("{JOBS}/x")));
    let fates = |seed: u64| (0..10_000).map(|nth| of_call(faults, seed, nth, create)).collect::<Vec<_>>();
    let mine = fates(7);
    assert_eq!(mine, fates(7));
    assert_ne!(mine, fates(8));
    let failed: Vec<_> = mine.iter().filter(|fate| fate.answer != Answer::Own).collect();
    let acted = failed.iter().filter(|fate| fate.acts).count();
    assert!((1_800..2_200).contains(&failed.len()) && (850..1_150).contains(&acted), "{} failed, {acted} of them acted", failed.len());
    assert!(mine.iter().all(|fate| fate.acts || fate.answer != Answer::Own), "what is answered by the API server reached it");
    let conflicts = (0..10_000).filter(|nth| of_call(faults, 7, *nth, get).answer == Answer::Status(409)).count();
    assert_eq!(conflicts, 0, "a read meets no conflict");
    assert!((0..1_000).all(|nth| of_call(CallFaults::default(), 7, nth, create).answer == Answer::Own));
}

#[test]
fn watches_live_for_a_while_and_are_left_alone_without_faults() {
    let faults = WatchFaults { life: Duration::from_mins(1), delay: Duration::from_secs(9), swallowed: 10, swapped: 10, stale: 30 };
    let ends: Vec<_> = (0..1_000).filter_map(|nth| of_watch(faults, 7, nth)).collect();
    assert!(ends.len() == 1_000 && ends.iter().all(|(life, _)| *life <= faults.life));
    let swallowed = (0..10_000).filter(|nth| of_event(faults, 7, 1, *nth) == EventFate::Swallowed).count();
    assert!((800..1_200).contains(&swallowed), "{swallowed}");
    let stale = (0..10_000).filter(|nth| is_stale(faults, 7, *nth)).count();
    assert!((2_700..3_300).contains(&stale), "{stale}");
    let calm = WatchFaults::default();
    assert!((0..1_000).all(|nth| of_watch(calm, 7, nth).is_none() && of_event(calm, 7, 1, nth) == EventFate::Pass));
}
