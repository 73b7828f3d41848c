//! Pods without labels of ours, at an API server that knows their owners.

use super::*;
use crate::{
    runner::kubernetes::{
        examples::{job, of},
        object::SeenObject,
        scripted::{Answer, Asked, cluster, status},
        states::State,
    },
    wire::AttemptRef,
};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/a/pods";

/// An object `slw-k3f9a-<task>-a1` with UID `job-<task>`, whose controller makes pods of templates of its own.
fn head(task: i64, version: &str, kind: &str) -> SeenJob {
    let kind = Kind { version: version.to_owned(), kind: kind.to_owned() };
    let created_at = "2026-11-24T12:00:00Z".parse().ok();
    SeenJob { object: Some(SeenObject { kind, state: State::Running, unlabelled: true }), created_at, ..job(task) }
}

fn train_job(task: i64) -> SeenJob {
    head(task, "trainer.kubeflow.org/v1alpha1", "TrainJob")
}

/// Metadata with a controller `(apiVersion, kind, name, uid)`, or none.
fn meta(name: &str, uid: &str, owner: Option<(&str, &str, &str, &str)>) -> Value {
    let reference = |(version, kind, name, uid): (&str, &str, &str, &str)| json!({"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": true});
    let owners: Vec<_> = owner.map(reference).into_iter().collect();
    json!({"name": name, "namespace": "a", "uid": uid, "creationTimestamp": "2026-11-24T12:00:01Z", "ownerReferences": owners})
}

/// A pod of a Job, as a `JobSet` marks it.
fn pod(name: &str, job: Option<&str>) -> Value {
    let uid = format!("uid-{}", job.unwrap_or_default());
    let mut meta = meta(name, &format!("uid-{name}"), job.map(|job| ("batch/v1", "Job", job, uid.as_str())));
    meta["labels"] = json!({JOB_SET_NAME: "slw-k3f9a-1-a1", JOB_SET_ROLE: "node", "batch.kubernetes.io/job-completion-index": "1"});
    json!({"metadata": meta, "spec": {"containers": [{"name": "node"}]}, "status": {"phase": "Running"}})
}

/// What is served: `batch/v1`, and the kinds of a group `odd.slipway.test/v1`.
fn served(path: &str) -> Option<Answer> {
    let one = |kind: &str, name: &str| json!({"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"]});
    let list = |version: &str, kinds: Vec<Value>| (200, json!({"kind": "APIResourceList", "groupVersion": version, "resources": kinds}));
    match path {
        "GET /apis/batch/v1" => Some(list("batch/v1", vec![one("Job", "jobs")])),
        "GET /apis/odd.slipway.test/v1" => {
            Some(list("odd.slipway.test/v1", vec![one("Matrix", "matrices"), one("Row", "rows"), one("Shut", "shuts")]))
        }
        _ => None,
    }
}

/// An API server with these pods, and these owners by the last part of their path.
fn api(pods: Vec<Value>, owners: Vec<Value>) -> (Cluster, Asked) {
    cluster(move |path| {
        let named = path.rsplit('/').next().unwrap_or_default();
        let owner = || owners.iter().find(|meta| meta["name"] == named);
        match served(path) {
            Some(list) => list,
            None if path == format!("GET {PODS}") => (200, json!({"items": pods})),
            None if path.contains("/shuts/") => status(403, "Forbidden", "shuts is forbidden: User \"glue\" cannot get resource \"shuts\""),
            None => owner().map_or_else(|| status(404, "NotFound", "not found"), |meta| (200, json!({"metadata": meta}))),
        }
    })
}

fn names(pods: &[SeenPod]) -> Vec<(&str, AttemptRef)> {
    pods.iter().map(|pod| (pod.facts.name.as_str(), pod.mark.of)).collect()
}

fn job_of(name: &str, job_set: &str) -> Value {
    meta(name, &format!("uid-{name}"), Some(("jobset.x-k8s.io/v1alpha2", "JobSet", job_set, "uid-set")))
}

#[tokio::test]
async fn the_pods_of_a_train_job_are_found_through_its_job_set() {
    let (cluster, asked) = api(vec![pod("x", Some("j")), pod("y", Some("j"))], vec![job_of("j", "slw-k3f9a-1-a1")]);
    assert_eq!(cluster.unlabelled_pods("a").await, Ok(Vec::new()));
    assert!(asked.lock().unwrap().is_empty(), "nobody's pods are looked for");
    cluster.kin.know(&train_job(1));
    let found = cluster.unlabelled_pods("a").await.unwrap();
    assert_eq!(names(&found), [("x", of(1)), ("y", of(1))]);
    assert_eq!((found[0].role.as_deref(), found[0].mark.clone(), found[0].unlabelled), (Some("node-1"), job(1).mark, true));
    assert_eq!(cluster.unlabelled_pods("a").await.unwrap(), found);
    let list = "GET /api/v1/namespaces/a/pods?&labelSelector=jobset.sigs.k8s.io%2Fjobset-name%2C%21slipway.dev%2Frunner";
    assert_eq!(
        *asked.lock().unwrap(),
        [list, "GET /apis/batch/v1", "GET /apis/batch/v1/namespaces/a/jobs/j metadata", list],
        "an owner is asked about once"
    );
}

#[tokio::test]
async fn a_pod_that_merely_bears_the_labels_is_somebody_elses() {
    let mut early = pod("early", Some("j"));
    early["metadata"]["creationTimestamp"] = "2026-11-24T11:59:59Z".into();
    let pods = vec![pod("free", None), pod("other", Some("o")), pod("alone", Some("s")), pod("replaced", Some("r")), early];
    let mut replaced = job_of("r", "slw-k3f9a-1-a1");
    replaced["uid"] = "another".into();
    let owners = vec![job_of("j", "slw-k3f9a-1-a1"), job_of("o", "slw-k3f9a-1-a10"), meta("s", "uid-s", None), replaced];
    let (cluster, _) = api(pods, owners);
    cluster.kin.know(&train_job(1));
    assert_eq!(cluster.unlabelled_pods("a").await, Ok(Vec::new()));
}

#[tokio::test]
async fn owners_of_any_kind_are_followed_as_far_as_they_can_be_read() {
    let odd = "odd.slipway.test/v1";
    let owners = vec![
        meta("j", "uid-j", Some((odd, "Row", "row", "uid-row"))),
        meta("row", "uid-row", Some((odd, "Matrix", "slw-k3f9a-1-a1", "job-1"))),
        meta("k", "uid-k", Some((odd, "Shut", "shut", "uid-shut"))),
        meta("l", "uid-l", Some((odd, "Row", "round", "uid-round"))),
        meta("round", "uid-round", Some((odd, "Row", "round", "uid-round"))),
    ];
    let pods = vec![pod("x", Some("j")), pod("y", Some("k")), pod("z", Some("l"))];
    let (cluster, asked) = api(pods, owners);
    cluster.kin.know(&head(1, odd, "Matrix"));
    assert_eq!(names(&cluster.unlabelled_pods("a").await.unwrap()), [("x", of(1))]);
    let lines = asked.lock().unwrap().len();
    assert_eq!(names(&cluster.unlabelled_pods("a").await.unwrap()), [("x", of(1))]);
    assert_eq!(asked.lock().unwrap().len(), lines + 1, "what leads to nobody is not asked about again");
    cluster.kin.know(&head(2, odd, "Matrix"));
    assert_eq!(names(&cluster.unlabelled_pods("a").await.unwrap()), [("x", of(1))]);
    assert!(asked.lock().unwrap().len() > lines + 2, "it might lead to an object that is new");
}

#[tokio::test]
async fn pods_are_known_until_the_last_of_a_gone_object_is_gone() {
    let there = std::sync::Arc::new(Mutex::new(true));
    let pods = std::sync::Arc::new(Mutex::new(vec![pod("x", Some("j"))]));
    let (owned, listed) = (there.clone(), pods.clone());
    let (cluster, asked) = cluster(move |path| match served(path) {
        Some(list) => list,
        None if path == format!("GET {PODS}") => (200, json!({"items": *listed.lock().unwrap()})),
        None if path == format!("GET {PODS}/x") => (200, pod("x", Some("j"))),
        None if *owned.lock().unwrap() => (200, json!({"metadata": job_of("j", "slw-k3f9a-1-a1")})),
        None => status(404, "NotFound", "not found"),
    });
    let object = train_job(1);
    cluster.kin.know(&object);
    let kind = object.object.as_ref().unwrap().kind.clone();
    assert_eq!(cluster.pod("a", "x").await, Ok(None), "nothing is known of its Job yet");
    assert_eq!(cluster.unlabelled_pods("a").await.unwrap().len(), 1);
    *there.lock().unwrap() = false;
    cluster.kin.listed(&kind, "a", &[]);
    assert_eq!(names(&cluster.unlabelled_pods("a").await.unwrap()), [("x", of(1))], "object and Job are gone, and it still ends");
    assert_eq!(cluster.pod("a", "x").await.unwrap().map(|pod| pod.mark), Some(object.mark));
    pods.lock().unwrap().clear();
    assert_eq!(cluster.unlabelled_pods("a").await, Ok(Vec::new()));
    let lines = asked.lock().unwrap().len();
    assert_eq!(cluster.unlabelled_pods("a").await, Ok(Vec::new()));
    assert_eq!(asked.lock().unwrap().len(), lines, "nobody is left to look for");
}
