//! One queue asked about at an API server that answers by path.

use super::*;
use crate::runner::kubernetes::{
    examples::{hold, object_hold},
    scripted::{Answer, Asked, hands as scripted, status},
};
use serde_json::json;

/// Hands at an API server, and what it was asked.
fn hands(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> (Hands, Asked) {
    let (hands, _, asked) = scripted(answer);
    (hands, asked)
}

fn made(name: &str) -> Answer {
    (201, json!({"metadata": {"name": name, "namespace": "a"}}))
}

fn template() -> Value {
    json!({"spec": {
        "containers": [{"name": "task", "image": "busybox", "envFrom": [{"configMapRef": {"name": "conf"}}]}],
        "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "k", "secret": {"secretName": "key"}}],
        "imagePullSecrets": [{"name": "registry"}],
    }})
}

async fn of_job(hands: &Hands) -> Result<Vec<TemplateFinding>, Failed> {
    let mut order = hold(1, None).job.unwrap();
    order.manifest =
        Some(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"namespace": "a"}, "spec": {"template": template()}}));
    hands.findings(&QueueName::default(), order).await
}

fn codes(found: &[TemplateFinding]) -> Vec<String> {
    found.iter().map(|finding| format!("{:?} {} {}", finding.level, finding.code, finding.pointer)).collect()
}

#[tokio::test]
async fn job_and_pod_are_asked_for_by_dry_run_and_names_by_their_metadata_alone() {
    let (hands, asked) = hands(|path| made(path.rsplit('/').next().unwrap()));
    assert_eq!(of_job(&hands).await, Ok(Vec::new()));
    assert_eq!(
        *asked.lock().unwrap(),
        [
            "POST /apis/batch/v1/namespaces/a/jobs?&dryRun=All&fieldValidation=Strict",
            "POST /api/v1/namespaces/a/pods?&dryRun=All&fieldValidation=Strict",
            // The attempt's own Secret, which its Job comes with, is not among them.
            "GET /api/v1/namespaces/a/persistentvolumeclaims/data metadata",
            "GET /api/v1/namespaces/a/secrets/key metadata",
            "GET /api/v1/namespaces/a/configmaps/conf metadata",
            "GET /api/v1/namespaces/a/secrets/registry metadata",
        ]
    );
}

#[tokio::test]
async fn what_is_not_there_is_found_and_without_the_right_to_look_nothing_is_said() {
    let (hands, _) = hands(|path| match path {
        "GET /api/v1/namespaces/a/configmaps/conf" => {
            status(403, "Forbidden", "configmaps \"conf\" is forbidden: User \"glue\" cannot get")
        }
        path if path.starts_with("GET") => status(404, "NotFound", "not found"),
        path => made(path),
    });
    assert_eq!(
        codes(&of_job(&hands).await.unwrap()),
        [
            "Error ClaimMissing /spec/template/spec/volumes/0/persistentVolumeClaim/claimName",
            "Error SecretMissing /spec/template/spec/volumes/1/secret/secretName",
            "Warning SecretMissing /spec/template/spec/imagePullSecrets/0/name",
        ]
    );
}

#[tokio::test]
async fn where_there_is_no_namespace_nothing_else_is_asked() {
    let (hands, asked) = hands(|_| status(404, "NotFound", "namespaces \"a\" not found"));
    assert_eq!(codes(&of_job(&hands).await.unwrap()), ["Error NamespaceMissing /metadata/namespace"]);
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_api_server_that_does_not_answer_says_nothing_of_a_queue() {
    for broken in ["POST /api/v1/namespaces/a/pods", "GET /api/v1/namespaces/a/secrets/key"] {
        let (hands, _) = hands(move |path| if path == broken { status(503, "ServiceUnavailable", "no") } else { made(path) });
        assert!(matches!(of_job(&hands).await, Err(Failed::Later(_))), "{broken}");
    }
}

#[tokio::test]
async fn what_a_job_is_refused_for_is_said_once() {
    let (hands, _) = hands(|path| match path.rsplit('/').next() {
        Some("jobs") => status(422, "Invalid", "Job.batch \"x\" is invalid: spec.template.spec.containers[0].image: Required value"),
        Some("pods") => status(422, "Invalid", "Pod \"x\" is invalid: spec.containers[0].image: Required value"),
        _ => made(path),
    });
    assert_eq!(codes(&of_job(&hands).await.unwrap()), ["Error ObjectInvalid /spec/template/spec/containers/0/image"]);
}

#[tokio::test]
async fn an_object_is_asked_about_by_itself_and_by_what_its_pods_refer_to() {
    let (hands, asked) = hands(|path| match path {
        "GET /apis/kubeflow.org/v1" => {
            let kind = json!({"name": "pytorchjobs", "singularName": "", "namespaced": true, "kind": "PyTorchJob", "verbs": ["create"]});
            (200, json!({"kind": "APIResourceList", "groupVersion": "kubeflow.org/v1", "resources": [kind]}))
        }
        path if path.ends_with("pytorchjobs") => status(403, "Forbidden", "admission webhook \"policy\" denied the request: no"),
        path if path.ends_with("/data") => status(404, "NotFound", "persistentvolumeclaims \"data\" not found"),
        path => made(path),
    });
    let mut order = object_hold(1).job.unwrap();
    order.manifest = Some(json!({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "metadata": {"namespace": "a"},
        "spec": {"pytorchReplicaSpecs": {"Master": {"template": template()}}}}));
    let found = hands.findings(&QueueName::default(), order).await.unwrap();
    let at = "/spec/pytorchReplicaSpecs/Master/template/spec/volumes/0/persistentVolumeClaim/claimName";
    assert_eq!(codes(&found), ["Error AdmissionWebhookDenied /spec".to_owned(), format!("Error ClaimMissing {at}")]);
    assert!(asked.lock().unwrap().iter().all(|line| !line.contains("/pods")), "its pods are its controller's");
}
