//! How attempts end that left no result.

use super::{condition, container, disrupted, event, job, pod, terminated, text, waiting, with};
use crate::domain::{
    evidence::{ContainerRole, ContainerState, Evidence, Gone, JobFacts, PodFacts},
    outcome::{AttemptResult, End, Outcome},
    reasons::{agentless, ended, refine},
    state::{FailureClass as C, Reason as R},
};

fn of(pod: PodFacts) -> Evidence {
    with(pod, &[])
}

fn failed(reason: &str, message: &str) -> PodFacts {
    PodFacts { reason: text(reason), message: text(message), ..pod("Failed", ContainerState::Unknown) }
}

fn gone(what: Gone) -> Evidence {
    Evidence { job: Some(job()), gone: Some(what), ..Evidence::default() }
}

fn job_failed(reason: &str, message: &str) -> Evidence {
    let conditions = vec![condition("Failed", "True", reason, message)];
    Evidence { job: Some(JobFacts { conditions, ..job() }), gone: Some(Gone::Pod), ..Evidence::default() }
}

const FAULT: &str = r#"{"task":1,"attempt":1,"fault":{"exitCode":99,"message":"no such directory: /slipway/work"}}"#;

#[test]
fn what_ended_an_attempt_after_its_start() {
    let ended_with = |code, reason, message| of(pod("Failed", terminated(code, reason, message)));
    let deleting = PodFacts { deleting: true, ..pod("Running", ContainerState::Running) };
    let table: Vec<(&str, Evidence, C, R)> = vec![
        ("preempted", of(disrupted("PreemptionByScheduler")), C::Infra, R::Preempted),
        ("taint manager", of(disrupted("DeletionByTaintManager")), C::Infra, R::NodeLost),
        ("pod gc", of(disrupted("DeletionByPodGC")), C::Infra, R::NodeLost),
        ("drain", of(disrupted("EvictionByEvictionAPI")), C::Infra, R::Evicted),
        ("node pressure", of(disrupted("TerminationByKubelet")), C::Infra, R::Evicted),
        ("evicted", of(failed("Evicted", "The node was low on resource: memory.")), C::Infra, R::Evicted),
        ("shutdown", of(failed("Terminated", "Pod was terminated in response to imminent node shutdown.")), C::Infra, R::Evicted),
        ("pod deadline", of(failed("DeadlineExceeded", "Pod was active on the node longer than")), C::Timeout, R::DeadlineExceeded),
        ("job deadline", job_failed("DeadlineExceeded", "Job was active longer than"), C::Timeout, R::DeadlineExceeded),
        ("failure policy", job_failed("PodFailurePolicy", "Pod t/p has condition DisruptionTarget matching"), C::Infra, R::Evicted),
        ("memory limit", ended_with(137, "OOMKilled", ""), C::Oom, R::OomKilled),
        ("a child's memory", ended_with(0, "OOMKilled", ""), C::Oom, R::OomKilled),
        ("pod deleted", of(deleting), C::Infra, R::PodDeleted),
        ("pod gone", gone(Gone::Pod), C::Infra, R::PodDeleted),
        ("job gone", gone(Gone::Job), C::Infra, R::PodDeleted),
        ("agent fault", ended_with(99, "Error", FAULT), C::Lost, R::AttemptLost),
        ("stood down", ended_with(97, "Error", ""), C::Lost, R::AttemptLost),
        ("set-up", ended_with(98, "Error", FAULT), C::Setup, R::SetupFailed),
        ("node restarted", ended_with(255, "Unknown", ""), C::Infra, R::NodeLost),
        ("status unknown", ended_with(137, "ContainerStatusUnknown", "could not be located"), C::Lost, R::AttemptLost),
        ("killed", ended_with(137, "Error", ""), C::Lost, R::AttemptLost),
        ("exit 0 without a result", of(pod("Succeeded", terminated(0, "Completed", ""))), C::Lost, R::AttemptLost),
        ("nothing", Evidence::default(), C::Lost, R::AttemptLost),
    ];
    for (name, evidence, class, reason) in table {
        let (found_class, found, message) = ended(&evidence, true);
        assert_eq!((found_class, found), (class, reason), "{name}: {message}");
    }
    assert!(ended(&ended_with(99, "Error", FAULT), true).2.contains("no such directory"), "the agent's words are kept");
}

#[test]
fn what_ended_an_attempt_before_its_start() {
    let agent = |code, message| {
        let mut pod = pod("Failed", waiting("PodInitializing", ""));
        pod.containers.insert(0, container("slipway-agent", ContainerRole::Agent, terminated(code, "Error", message)));
        of(pod)
    };
    let init = {
        let mut pod = pod("Failed", waiting("PodInitializing", ""));
        pod.containers.insert(0, container("fetch", ContainerRole::Init, terminated(3, "Error", "no space")));
        of(pod)
    };
    let bad_image = of(pod("Pending", waiting("InvalidImageName", "couldn't parse image name")));
    let image = with(pod("Pending", waiting("ErrImagePull", "registry.example/train:1: not found")), &[]);
    let start_error = of(pod("Failed", terminated(128, "StartError", "exec: \"pyton\": executable file not found in $PATH")));
    let table: Vec<(&str, Evidence, C, R)> = vec![
        ("devices", of(failed("UnexpectedAdmissionError", "Allocate failed due to no healthy devices")), C::Infra, R::GpuNotInjected),
        ("out of GPUs", of(failed("OutOfnvidia.com/gpu", "Node didn't have enough resource")), C::Infra, R::InsufficientGpu),
        ("out of pods", of(failed("OutOfpods", "Node didn't have enough resource")), C::Infra, R::TooManyPods),
        ("labels changed", of(failed("NodeAffinity", "Predicate NodeAffinity failed")), C::Infra, R::NoNodeMatchesSelector),
        ("deadline", of(failed("DeadlineExceeded", "Pod was active on the node longer than")), C::Infra, R::AgentNotStarted),
        ("drain", of(disrupted("EvictionByEvictionAPI")), C::Infra, R::Evicted),
        ("image's name", bad_image, C::Image, R::ImageNotFound),
        ("image", image, C::Image, R::ImageNotFound),
        ("entry point", start_error, C::Config, R::ContainerNotCreated),
        ("init container", init, C::Setup, R::SetupFailed),
        ("install", agent(99, FAULT), C::Infra, R::AgentNotStarted),
        ("gate", agent(97, "superseded"), C::Infra, R::AgentNotStarted),
        ("agent", of(pod("Failed", terminated(99, "Error", FAULT))), C::Infra, R::AgentNotStarted),
        ("nothing", Evidence::default(), C::Infra, R::AgentNotStarted),
    ];
    for (name, evidence, class, reason) in table {
        let (found_class, found, message) = ended(&evidence, false);
        assert_eq!((found_class, found), (class, reason), "{name}: {message}");
    }
}

#[test]
fn a_command_without_an_agent_ends_as_its_container_did() {
    let exited = |phase: &str, code, reason| of(pod(phase, terminated(code, reason, "")));
    let verdict = |evidence: &Evidence| agentless(evidence).map(|result| Outcome::of(result, false).end);
    let user = Some(End::Failed(C::User, R::ExitNonZero));
    assert_eq!(verdict(&exited("Succeeded", 0, "Completed")), Some(End::Succeeded));
    assert_eq!(verdict(&exited("Failed", 3, "Error")), user);
    assert_eq!(verdict(&exited("Failed", 137, "Error")), user);
    assert_eq!(verdict(&exited("Failed", 137, "OOMKilled")), Some(End::Failed(C::Oom, R::OomKilled)));
    assert_eq!(verdict(&exited("Succeeded", 0, "OOMKilled")), Some(End::Succeeded), "a child was killed, and the command coped");

    let sidecar = {
        let mut pod = pod("Running", ContainerState::Running);
        pod.containers.push(container("proxy", ContainerRole::Sidecar, terminated(0, "Completed", "")));
        of(pod)
    };
    let deleting = PodFacts { deleting: true, ..pod("Failed", terminated(143, "Error", "")) };
    let deadline = PodFacts { reason: text("DeadlineExceeded"), ..pod("Failed", terminated(137, "Error", "")) };
    for none in [
        Evidence::default(),
        of(pod("Running", ContainerState::Running)),
        sidecar,
        of(deleting),
        of(deadline),
        of(disrupted("EvictionByEvictionAPI")),
        exited("Failed", 255, "Unknown"),
        exited("Failed", 128, "StartError"),
    ] {
        assert_eq!(agentless(&none), None, "{none:?}");
    }
}

#[test]
fn a_drain_gets_the_reason_that_the_cluster_names() {
    let deleted = of(PodFacts { deleting: true, ..pod("Failed", terminated(143, "Error", "")) });
    for (evidence, better) in [
        (of(disrupted("PreemptionByScheduler")), Some(R::Preempted)),
        (of(disrupted("DeletionByTaintManager")), Some(R::NodeLost)),
        (of(disrupted("EvictionByEvictionAPI")), None),
        (deleted, Some(R::PodDeleted)),
        (of(pod("Failed", terminated(137, "OOMKilled", ""))), None),
        (Evidence { events: vec![event("Killing", "Stopping container task")], ..of(pod("Failed", ContainerState::Unknown)) }, None),
    ] {
        assert_eq!(refine(C::Infra, R::Evicted, &evidence), better, "{evidence:?}");
        assert_eq!(refine(C::User, R::ExitNonZero, &evidence), None, "only the reason of the same class");
        assert_eq!(refine(C::Lost, R::AttemptLost, &evidence), None);
    }
}

#[test]
fn a_result_with_a_kill_for_memory_is_of_class_oom_unless_the_command_coped() {
    let result = |exit_code, signal| AttemptResult { exit_code, signal, oom_killed: true, ..AttemptResult::default() };
    assert_eq!(Outcome::of(result(Some(1), None), false).end, End::Failed(C::Oom, R::OomKilled));
    assert_eq!(Outcome::of(result(None, Some(9)), false).end, End::Failed(C::Oom, R::OomKilled));
    assert_eq!(Outcome::of(result(Some(0), None), false).end, End::Succeeded);
    assert_eq!(Outcome::of(result(None, None), false).end, End::Failed(C::Oom, R::OomKilled), "the kill is evidence by itself");
}
