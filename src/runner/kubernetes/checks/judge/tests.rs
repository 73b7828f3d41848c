//! Refusals as API servers write them, and what is said of a queue for each.

use super::*;
use serde_json::json;

fn job() -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "slw-k3f9a-0-a1", "namespace": "research"},
        "spec": {"template": {
            "metadata": {"labels": {"team": "core"}, "annotations": {"a": "b"}},
            "spec": {"priorityClassName": "gold", "serviceAccountName": "trainer", "runtimeClassName": "nvidia", "hostNetwork": true,
                "containers": [{"name": "task", "image": "img:1", "resources": {"limits": {"cpu": "64"}}}]},
        }},
    })
}

fn said(asked: Asked<'_>, status: u16, reason: &str, message: &str) -> TemplateFinding {
    let resource = if asked == Asked::Object { "jobs" } else { "pods" };
    let refusal = ApiRefusal { verb: "create".into(), resource: resource.into(), status, reason: reason.into(), message: message.into() };
    refused(&job(), asked, refusal)
}

const POD: Asked<'static> = Asked::Pod("/spec/template");

#[test]
fn refusals_are_said_with_place_and_remedy() {
    let all = [
        (POD, 403, "Forbidden", "pods \"slw-k3f9a-0-a1-\" is forbidden: no PriorityClass with name gold was found"),
        (POD, 403, "Forbidden", "pods \"slw-k3f9a-0-a1-\" is forbidden: error looking up service account research/trainer: serviceaccount \"trainer\" not found"),
        (POD, 403, "Forbidden", "pods \"slw-k3f9a-0-a1-\" is forbidden: pod rejected: RuntimeClass \"nvidia\" not found"),
        (POD, 403, "Forbidden", "pods \"slw-k3f9a-0-a1-x\" is forbidden: violates PodSecurity \"restricted:latest\": host namespaces (hostNetwork=true)"),
        (POD, 403, "Forbidden", "pods \"slw-k3f9a-0-a1-x\" is forbidden: exceeded quota: small, requested: limits.cpu=64, used: limits.cpu=0, limited: limits.cpu=4"),
        (POD, 403, "Forbidden", "pods \"slw-k3f9a-0-a1-x\" is forbidden: exceeded quota: shared, requested: pods=1, used: pods=9, limited: pods=9"),
        (POD, 403, "Forbidden", "pods \"slw-k3f9a-0-a1-x\" is forbidden: [maximum cpu usage per Container is 2, but limit is 64]"),
        (POD, 400, "BadRequest", "admission webhook \"policy.example.com\" denied the request: no such team"),
        (POD, 400, "BadRequest", "admission webhook \"old.example.com\" does not support dry run"),
        (POD, 403, "Forbidden", "pods is forbidden: User \"system:serviceaccount:research:glue\" cannot create resource \"pods\" in API group \"\" in the namespace \"research\""),
        (Asked::Object, 404, "NotFound", "namespaces \"research\" not found"),
        (Asked::Object, 403, "Forbidden", "jobs.batch is forbidden: User \"glue\" cannot create resource \"jobs\" in API group \"batch\" in the namespace \"research\""),
        (Asked::Object, 422, "Invalid", "Job.batch \"slw-k3f9a-0-a1\" is invalid: spec.template.spec.containers[0].image: Invalid value: \"img:1\": must not have leading or trailing whitespace"),
        (Asked::Object, 400, "BadRequest", "Job in version \"v1\" cannot be handled as a Job: strict decoding error: unknown field \"spec.template.spec.hostNetwrk\""),
        (Asked::Object, 418, "Teapot", "short and stout"),
    ]
    .map(|(asked, status, reason, message)| {
        let TemplateFinding { level, code, pointer, found, message, fix, said, .. } = said(asked, status, reason, message);
        format!("{level:?} {code} {pointer} {found:?}\n  {message}\n  {fix}\n  {said}")
    });
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_pod_is_asked_for_as_the_jobs_controller_makes_it() {
    let pod = pod(&job()).unwrap();
    assert_eq!((&pod["kind"], &pod["spec"]), (&json!("Pod"), &job()["spec"]["template"]["spec"]));
    assert_eq!(
        pod["metadata"],
        json!({"generateName": "slw-k3f9a-0-a1-", "namespace": "research", "annotations": {"a": "b"},
            "labels": {"team": "core", "job-name": "slw-k3f9a-0-a1", "batch.kubernetes.io/job-name": "slw-k3f9a-0-a1"}})
    );
    assert_eq!(super::pod(&json!({"metadata": {"name": "x"}})), None);
}

#[test]
fn what_is_not_there_is_said_with_who_needs_it() {
    let at = "/spec/template/spec/volumes/0/persistentVolumeClaim/claimName";
    let all = [Kind::Claim, Kind::ConfigMap, Kind::Secret, Kind::PullSecret].map(|kind| {
        let TemplateFinding { level, code, found, message, fix, said, .. } =
            missing(kind, at, "data", "research", "\"data\" not found".into());
        format!("{level:?} {code} {found}\n  {message}\n  {fix}\n  {said}")
    });
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_field_is_a_pointer_only_where_it_can_be_one() {
    for (said, pointer) in [
        ("x is invalid: spec.template.spec.containers[0].image: Required value", Some("/spec/template/spec/containers/0/image")),
        ("x is invalid: [spec.a: Required value, spec.b: Required value]", Some("/spec/a")),
        ("strict decoding error: unknown field \"spec.x\"", Some("/spec/x")),
        ("x is invalid: something else happened: yes", None),
        ("nothing of the kind", None),
    ] {
        assert_eq!(field(said).as_deref(), pointer, "{said}");
    }
}
