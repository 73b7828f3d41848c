//! Whatever the cluster writes: nothing is made of nothing, and nothing breaks.

use super::{condition, container, event, job};
use crate::domain::{
    evidence::{ApiRefusal, ContainerRole, ContainerState, Evidence, Gone, PodFacts},
    reasons::{Patience, agentless, ended, failure, patience, pending, refine, verdict},
    state::{FailureClass, Reason},
};
use proptest::prelude::*;

#[test]
fn no_evidence_no_reason() {
    assert_eq!(pending(&Evidence::default()), []);
    assert_eq!((verdict(&[]), patience(&[])), (None, Patience::Pending));
    assert_eq!(agentless(&Evidence::default()), None);
    assert_eq!(refine(FailureClass::Infra, Reason::Evicted, &Evidence::default()), None);
    let (class, reason, _) = ended(&Evidence::default(), true);
    assert_eq!((class, reason), (FailureClass::Lost, Reason::AttemptLost));
}

/// Words that the rules look for, between anything at all.
fn said() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "exceeded quota: q, requested: cpu=1, used: cpu=2, limited: cpu=é",
        "failed quota: q: must specify ",
        "0/3 nodes are available: 1 Insufficient ",
        "12 node(s) had untolerated taint {a: b}, ",
        " violates PodSecurity \"",
        "\" is forbidden: ",
        "secret \"x\" not found",
        "Failed to pull image ",
        "preemption: 0/3",
        "ErrImagePull",
        "InvalidImageName",
        "FailedMount",
        "OutOf",
        "{\"fault\":{\"message\":\"x\"}}",
        "DisruptionTarget",
        "Evicted",
    ]);
    prop::collection::vec(prop_oneof![known.prop_map(str::to_owned), ".{0,40}", "é{0,400}"], 0..4).prop_map(|parts| parts.concat())
}

fn state() -> impl Strategy<Value = ContainerState> {
    let text = || prop::option::of(said());
    prop_oneof![
        Just(ContainerState::Unknown),
        Just(ContainerState::Running),
        (text(), text()).prop_map(|(reason, message)| ContainerState::Waiting { reason, message }),
        (any::<i32>(), text(), text()).prop_map(|(exit_code, reason, message)| ContainerState::Terminated {
            exit_code,
            signal: None,
            reason,
            message
        }),
    ]
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let phase = prop::sample::select(vec!["Pending", "Running", "Failed", "Succeeded", "Unknown", ""]);
    let role = prop::sample::select(vec![ContainerRole::Task, ContainerRole::Agent, ContainerRole::Init, ContainerRole::Sidecar]);
    let pod = (phase, prop::option::of(said()), said(), any::<(bool, bool)>(), prop::collection::vec((role, state()), 0..4)).prop_map(
        |(phase, reason, message, (placed, deleting), containers)| PodFacts {
            node: placed.then(|| "n".to_owned()),
            phase: phase.into(),
            conditions: vec![condition("PodScheduled", if placed { "True" } else { "False" }, "Unschedulable", &message)],
            reason,
            message: Some(message),
            deleting,
            containers: containers.into_iter().map(|(role, state)| container("c", role, state)).collect(),
            ..PodFacts::default()
        },
    );
    let events = prop::collection::vec((said(), said()).prop_map(|(reason, message)| event(&reason, &message)), 0..4);
    let refusal = (any::<u16>(), said()).prop_map(|(status, message)| ApiRefusal { status, message, ..ApiRefusal::default() });
    let gone = prop::option::of(prop::sample::select(vec![Gone::Job, Gone::Pod]));
    (any::<bool>(), prop::option::of(pod), events, prop::option::of(refusal), gone)
        .prop_map(|(has_job, pod, events, refusal, gone)| Evidence { job: has_job.then(job), pod, events, refusal, gone, log_tail: None })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn any_text_is_borne(evidence in evidence(), started: bool) {
        let findings = pending(&evidence);
        prop_assert_eq!(findings.is_empty(), evidence == Evidence::default());
        for finding in &findings {
            prop_assert!(!finding.evidence.is_empty() && !finding.message.is_empty(), "{:?}", finding);
            prop_assert!(finding.message.len() < 4_096);
        }
        prop_assert!(findings.is_empty() || findings[0].blocking, "something holds it up: {:?}", findings);
        prop_assert!(findings.is_sorted_by_key(|f| !f.blocking));
        let (_, _, message) = ended(&evidence, started);
        prop_assert!(!message.is_empty() && message.len() <= 1_024);
        let (class, _, _) = failure(&findings);
        if patience(&findings) == Patience::Pending {
            prop_assert!(!matches!(class, FailureClass::Image), "images are not borne with for long");
        }
        if let Some(better) = refine(FailureClass::Infra, Reason::Evicted, &evidence) {
            prop_assert!(better != Reason::Evicted);
        }
        if agentless(&evidence).is_some() {
            let task = evidence.pod.as_ref().and_then(PodFacts::task).map(|c| &c.state);
            prop_assert!(matches!(task, Some(ContainerState::Terminated { .. })), "made of nothing");
        }
    }
}
