use super::*;
use serde_json::json;

fn of(version: &str, kind: &str, object: &Value) -> State {
    state(ObjectKind::of(version, kind), Ends::default(), object)
}

fn conditions(all: &[(&str, &str)]) -> Value {
    let one = |(kind, status): &(&str, &str)| json!({"type": kind, "status": status, "reason": "R", "message": "m"});
    Value::Array(all.iter().map(one).collect())
}

fn failed(words: &str) -> State {
    State::Failed(words.to_owned())
}

#[test]
fn kubeflow_jobs_end_by_their_conditions_alone() {
    let kinds = [
        ("kubeflow.org/v1", "PyTorchJob"),
        ("kubeflow.org/v1", "TFJob"),
        ("kubeflow.org/v1", "MPIJob"),
        ("kubeflow.org/v2beta1", "MPIJob"),
        ("kubeflow.org/v1", "XGBoostJob"),
        ("kubeflow.org/v1", "PaddleJob"),
        ("kubeflow.org/v1", "JAXJob"),
    ];
    // A Master that succeeded while Workers run is not the end: the controller says when it is.
    let half = json!({"status": {"conditions": conditions(&[("Created", "True"), ("Running", "True")]),
        "replicaStatuses": {"Master": {"succeeded": 1}, "Worker": {"active": 1, "succeeded": 1}}}});
    let rows = [
        (json!({}), State::Created),
        (json!({"status": {"conditions": conditions(&[("Created", "True")])}}), State::Created),
        (json!({"status": {"conditions": conditions(&[("Created", "True"), ("Running", "True")])}}), State::Running),
        (half, State::Running),
        (
            json!({"status": {"conditions": conditions(&[("Created", "True"), ("Running", "False"), ("Restarting", "True")])}}),
            State::Running,
        ),
        (
            json!({"status": {"conditions": conditions(&[("Created", "True"), ("Running", "False"), ("Succeeded", "True")])}}),
            State::Succeeded,
        ),
        (json!({"status": {"conditions": conditions(&[("Running", "True"), ("Succeeded", "False")])}}), State::Running),
        (json!({"status": {"conditions": conditions(&[("Running", "False"), ("Failed", "True")])}}), failed("R: m")),
        (json!({"status": {"conditions": conditions(&[("Succeeded", "True"), ("Failed", "True")])}}), failed("R: m")),
        (
            json!({"spec": {"runPolicy": {"suspend": true}}, "status": {"conditions": conditions(&[("Created", "True"), ("Suspended", "True")])}}),
            State::Suspended,
        ),
    ];
    for (version, kind) in kinds {
        for (object, expected) in rows.clone() {
            assert_eq!(of(version, kind, &object), expected, "{kind}: {object}");
        }
    }
}

#[test]
fn a_job_of_several_completions_ends_with_the_last() {
    let job = |status: Value| of("batch/v1", "Job", &json!({"spec": {"completions": 2}, "status": status}));
    assert_eq!(job(json!({})), State::Created);
    assert_eq!(job(json!({"active": 2, "ready": 0})), State::Created);
    assert_eq!(job(json!({"active": 2, "ready": 1})), State::Running);
    assert_eq!(job(json!({"active": 1, "succeeded": 1})), State::Running);
    let before_the_end = conditions(&[("SuccessCriteriaMet", "True")]);
    assert_eq!(job(json!({"succeeded": 2, "conditions": before_the_end})), State::Running);
    assert_eq!(
        job(json!({"succeeded": 2, "conditions": conditions(&[("SuccessCriteriaMet", "True"), ("Complete", "True")])})),
        State::Succeeded
    );
    // backoffLimit 3: the first pod failed, another one is tried.
    assert_eq!(job(json!({"failed": 1, "active": 1})), State::Running);
    assert_eq!(job(json!({"failed": 4, "conditions": conditions(&[("FailureTarget", "True")])})), State::Running);
    assert_eq!(job(json!({"failed": 4, "conditions": conditions(&[("FailureTarget", "True"), ("Failed", "True")])})), failed("R: m"));
    assert_eq!(
        of("batch/v1", "Job", &json!({"spec": {"suspend": true}, "status": {"conditions": conditions(&[("Suspended", "True")])}})),
        State::Suspended
    );
}

#[test]
fn job_sets_and_train_jobs_end_by_their_conditions_and_run_by_their_jobs() {
    for (version, kind, done, jobs) in [
        ("jobset.x-k8s.io/v1alpha2", "JobSet", "Completed", "replicatedJobsStatus"),
        ("trainer.kubeflow.org/v1alpha1", "TrainJob", "Complete", "jobsStatus"),
    ] {
        let job = |fields: Value| {
            let mut one = json!({"name": "node", "ready": 0, "succeeded": 0, "failed": 0, "active": 0, "suspended": 0});
            fields.as_object().unwrap().iter().for_each(|(key, value)| one[key] = value.clone());
            json!({jobs: [one]})
        };
        assert_eq!(of(version, kind, &json!({"status": job(json!({"active": 1}))})), State::Created, "{kind}");
        assert_eq!(of(version, kind, &json!({"status": job(json!({"ready": 1}))})), State::Running, "{kind}");
        assert_eq!(of(version, kind, &json!({"status": job(json!({"succeeded": 1, "active": 1}))})), State::Running, "{kind}");
        let end = |name: &str| json!({"status": {"conditions": conditions(&[(name, "True")])}});
        assert_eq!(of(version, kind, &end(done)), State::Succeeded, "{kind}");
        assert_eq!(of(version, kind, &end("Failed")), failed("R: m"), "{kind}");
        assert_eq!(of(version, kind, &end("Suspended")), State::Suspended, "{kind}");
        assert_eq!(
            of(version, kind, &json!({"status": {"terminalState": "", "conditions": conditions(&[(done, "False")])}})),
            State::Created
        );
    }
}

#[test]
fn a_ray_job_is_over_when_its_deployment_is() {
    let ray = |deployment: &str, job: &str| {
        of(
            "ray.io/v1",
            "RayJob",
            &json!({"status": {"jobDeploymentStatus": deployment, "jobStatus": job, "reason": "AppFailed", "message": "exit 1"}}),
        )
    };
    for (deployment, job, expected) in [
        ("", "", State::Created),
        ("Initializing", "", State::Created),
        ("Waiting", "", State::Created),
        ("Running", "PENDING", State::Running),
        ("Running", "RUNNING", State::Running),
        ("Running", "SUCCEEDED", State::Running),
        ("Running", "FAILED", State::Running),
        ("Retrying", "FAILED", State::Running),
        ("Complete", "SUCCEEDED", State::Succeeded),
        ("Complete", "STOPPED", failed("AppFailed: exit 1")),
        ("Failed", "FAILED", failed("AppFailed: exit 1")),
        ("Failed", "", failed("AppFailed: exit 1")),
        ("Suspended", "", State::Suspended),
    ] {
        assert_eq!(ray(deployment, job), expected, "{deployment} {job}");
    }
}

#[test]
fn a_volcano_job_that_is_completing_is_not_over() {
    let phase = |phase: &str| {
        of("batch.volcano.sh/v1alpha1", "Job", &json!({"status": {"state": {"phase": phase, "reason": "PodFailed"}, "succeeded": 1}}))
    };
    for (name, expected) in [
        ("", State::Created),
        ("Pending", State::Created),
        ("Running", State::Running),
        ("Restarting", State::Running),
        ("Completing", State::Running),
        ("Completed", State::Succeeded),
        ("Terminating", State::Running),
        ("Terminated", failed("Terminated: PodFailed")),
        ("Aborting", State::Running),
        ("Aborted", failed("Aborted: PodFailed")),
        ("Failed", failed("Failed: PodFailed")),
    ] {
        assert_eq!(phase(name), expected, "{name}");
    }
}

#[test]
fn a_workflow_ends_by_its_phase() {
    let phase = |phase: &str| {
        of("argoproj.io/v1alpha1", "Workflow", &json!({"status": {"phase": phase, "progress": "1/2", "message": "child failed"}}))
    };
    assert_eq!([phase(""), phase("Pending")], [State::Created, State::Created]);
    assert_eq!([phase("Running"), phase("Succeeded")], [State::Running, State::Succeeded]);
    assert_eq!([phase("Failed"), phase("Error")], [failed("child failed"), failed("child failed")]);
}

#[test]
fn an_unknown_kind_ends_by_the_conditions_that_its_queue_names() {
    let ends = Ends { succeeded: Some("Finished"), failed: Some("Broken") };
    let of = |all: &[(&str, &str)]| state(None, ends, &json!({"status": {"conditions": conditions(all)}}));
    assert_eq!(of(&[]), State::Created);
    assert_eq!(of(&[("Finished", "False"), ("Ready", "True")]), State::Created);
    assert_eq!(of(&[("Finished", "Unknown")]), State::Created);
    assert_eq!(of(&[("Finished", "True")]), State::Succeeded);
    assert_eq!(of(&[("Broken", "True"), ("Finished", "True")]), failed("R: m"));
    assert_eq!(state(None, Ends::default(), &json!({"status": {"conditions": conditions(&[("Finished", "True")])}})), State::Created);
}
