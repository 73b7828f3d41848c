//! Acts against a scripted API server.

use super::*;
use crate::{
    runner::kubernetes::{
        examples::{hold, job, observed, of},
        scripted::{hands as scripted, status},
    },
    wire::{FailureClass, QueueName, Reason},
};
use serde_json::{Value, json};
use std::sync::Mutex;

/// What is asked, as `VERB /path`, and how it is answered; in this order and nothing else.
type Script = Vec<(&'static str, u16, Value)>;

/// Hands with a scripted API server, and what has not been asked yet.
fn hands(script: Script) -> (Hands, mpsc::UnboundedReceiver<(AttemptRef, Done)>, Arc<Mutex<Script>>) {
    let left = Arc::new(Mutex::new(script));
    let script = left.clone();
    let (hands, done, _) = scripted(move |asked| {
        let mut script = script.lock().unwrap();
        assert!(!script.is_empty(), "{asked} was not expected");
        let (expected, status, body) = script.remove(0);
        assert_eq!(asked, expected);
        (status, body)
    });
    (hands, done, left)
}

const SECRETS: &str = "/api/v1/namespaces/a/secrets";
const JOBS: &str = "/apis/batch/v1/namespaces/a/jobs";

/// An object of ours as the API server has it, under this claim.
fn object(claim: u128, uid: &str) -> Value {
    let labels: BTreeMap<_, _> =
        pod::labels("k3f9a", &"glue".parse().unwrap(), of(1), &QueueName::default(), uuid::Uuid::from_u128(claim)).into();
    json!({"metadata": {"name": "slw-k3f9a-1-a1", "namespace": "a", "uid": uid, "labels": labels}})
}

fn refused(code: u16, reason: &str, message: &str) -> Value {
    status(code, reason, message).1
}

fn exists() -> Value {
    refused(409, "AlreadyExists", "already exists")
}

fn at(verb: &str, path: &str, named: bool) -> &'static str {
    let name = if named { "/slw-k3f9a-1-a1" } else { "" };
    format!("{verb} {path}{name}").leak()
}

fn claimed() -> Hold {
    let mut hold = hold(1, None);
    let manifest = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"namespace": "a"},
        "spec": {"template": {"spec": {"containers": [{"name": "task", "image": "busybox"}]}}},
    });
    hold.job.as_mut().unwrap().manifest = Some(manifest);
    hold
}

async fn create(script: Script) -> Done {
    let (hands, mut done, left) = hands(script);
    hands.create(claimed());
    let (_, became) = done.recv().await.unwrap();
    assert!(left.lock().unwrap().is_empty(), "not everything was asked: {left:?}");
    became
}

#[tokio::test]
async fn secret_job_and_owner_are_written_once_each() {
    let became = create(vec![
        (at("POST", SECRETS, false), 201, object(7, "s")),
        (at("POST", JOBS, false), 201, object(7, "job-1")),
        (at("PATCH", SECRETS, true), 200, object(7, "s")),
    ])
    .await;
    assert!(matches!(became, Done::Created(job, true) if job.facts.uid == "job-1"));
}

#[tokio::test]
async fn what_is_there_is_ours_only_under_our_claim() {
    let found = create(vec![
        (at("POST", SECRETS, false), 409, exists()),
        (at("GET", SECRETS, true), 200, object(7, "s")),
        (at("POST", JOBS, false), 409, exists()),
        (at("GET", JOBS, true), 200, object(7, "job-1")),
        (at("PATCH", SECRETS, true), 200, object(7, "s")),
    ])
    .await;
    assert!(matches!(found, Done::Created(..)));
    let foreign = create(vec![(at("POST", SECRETS, false), 409, exists()), (at("GET", SECRETS, true), 200, object(8, "s"))]).await;
    assert!(matches!(foreign, Done::Hopeless(Hopeless::Ended(FailureClass::Config, Reason::ObjectInvalid, _))));
    let foreign = create(vec![
        (at("POST", SECRETS, false), 201, object(7, "s")),
        (at("POST", JOBS, false), 409, exists()),
        (at("GET", JOBS, true), 200, object(8, "job-1")),
    ])
    .await;
    assert!(matches!(foreign, Done::Hopeless(Hopeless::Ended(FailureClass::Config, Reason::ObjectInvalid, _))));
}

#[tokio::test]
async fn a_refusal_is_kept_in_the_api_servers_words() {
    let quota = "exceeded quota: q, requested: count/jobs.batch=1";
    let became =
        create(vec![(at("POST", SECRETS, false), 201, object(7, "s")), (at("POST", JOBS, false), 403, refused(403, "Forbidden", quota))])
            .await;
    assert!(matches!(became, Done::Uncreated(Some(r)) if (r.status, r.resource.as_str(), r.message.as_str()) == (403, "jobs", quota)));
    let race = "Operation cannot be fulfilled on resourcequotas \"q\"";
    let became = create(vec![(at("POST", SECRETS, false), 409, refused(409, "Conflict", race))]).await;
    assert!(matches!(became, Done::Uncreated(None)), "a race for the quota is no refusal");
}

#[tokio::test]
async fn a_secret_whose_owner_could_not_be_named_is_seen_to_later() {
    let became = create(vec![
        (at("POST", SECRETS, false), 201, object(7, "s")),
        (at("POST", JOBS, false), 201, object(7, "job-1")),
        (at("PATCH", SECRETS, true), 403, refused(403, "Forbidden", "no")),
    ])
    .await;
    assert!(matches!(became, Done::Created(_, false)));
    let (hands, mut done, left) =
        hands(vec![(at("GET", SECRETS, true), 200, object(7, "s")), (at("PATCH", SECRETS, true), 200, object(7, "s"))]);
    hands.adopt(&job(1));
    assert!(matches!(done.recv().await, Some((_, Done::Adopted))));
    assert!(left.lock().unwrap().is_empty());
}

#[tokio::test]
async fn only_the_job_that_was_seen_is_deleted() {
    let item = || {
        Some(Box::new(ReportItem::new(of(1).task, of(1).attempt, uuid::Uuid::nil(), crate::wire::ReportKind::Returned { reason: None })))
    };
    let ours = hands(vec![(at("GET", JOBS, true), 200, object(7, "job-1")), (at("DELETE", JOBS, true), 200, refused(200, "", ""))]);
    let successor = hands(vec![(at("GET", JOBS, true), 200, object(7, "job-2"))]);
    let none = hands(vec![(at("GET", JOBS, true), 404, refused(404, "NotFound", ""))]);
    for (hands, mut done, left) in [ours, successor, none] {
        hands.delete(&job(1), true, item());
        let (_, became) = done.recv().await.unwrap();
        assert!(matches!(became, Done::Deleted(uid, Some(_)) if uid == "job-1"));
        assert!(left.lock().unwrap().is_empty());
    }
    let (hands, mut done, _) = hands(vec![(at("GET", JOBS, true), 403, refused(403, "Forbidden", ""))]);
    hands.delete(&job(1), true, item());
    assert!(matches!(done.recv().await, Some((_, Done::Vain))), "and nothing is told");
}

/// Scoreboard row 4, seed 1638574337: a conflict was taken for "gone", and the Job stayed for ever.
#[tokio::test]
async fn a_conflict_is_no_sign_that_a_job_is_gone() {
    for message in ["the object has been modified", "the UID in the precondition does not match the UID in record"] {
        let (hands, mut done, left) = hands(vec![
            (at("GET", JOBS, true), 200, object(7, "job-1")),
            (at("DELETE", JOBS, true), 409, refused(409, "Conflict", message)),
        ]);
        hands.delete(&job(1), true, None);
        assert!(matches!(done.recv().await, Some((_, Done::Vain))), "the next look tells: {message}");
        assert!(left.lock().unwrap().is_empty());
    }
}

/// The same row: a Job went before its Secret had an owner, and the Secret stayed for ever.
#[tokio::test]
async fn a_job_does_not_go_without_its_secret() {
    let (hands, mut done, left) = hands(vec![
        (at("GET", JOBS, true), 200, object(7, "job-1")),
        (at("GET", SECRETS, true), 200, object(7, "s")),
        (at("PATCH", SECRETS, true), 200, object(7, "s")),
        (at("DELETE", JOBS, true), 200, refused(200, "", "")),
    ]);
    hands.delete(&job(1), false, None);
    assert!(matches!(done.recv().await, Some((_, Done::Deleted(..)))));
    assert!(left.lock().unwrap().is_empty());
    let (hands, mut done, left) = self::hands(vec![
        (at("GET", JOBS, true), 200, object(7, "job-1")),
        (at("GET", SECRETS, true), 500, refused(500, "InternalError", "")),
    ]);
    hands.delete(&job(1), false, None);
    assert!(matches!(done.recv().await, Some((_, Done::Vain))));
    assert!(left.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_leftover_is_a_secret_of_ours_without_an_owner() {
    let mut owned = object(7, "s");
    owned["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "n", "uid": "u"}]);
    let get = |status: u16, body: Value| (at("GET", SECRETS, true), status, body);
    let left_behind = hands(vec![get(200, object(7, "s")), (at("DELETE", SECRETS, true), 200, refused(200, "", ""))]);
    let with_its_job = hands(vec![get(200, owned)]);
    let none = hands(vec![get(404, refused(404, "NotFound", ""))]);
    for (hands, mut done, left) in [left_behind, with_its_job, none] {
        hands.drop_leftover(of(1));
        assert!(matches!(done.recv().await, Some((_, Done::Searched))));
        assert!(left.lock().unwrap().is_empty());
    }
    let (hands, mut done, _) = hands(vec![get(500, refused(500, "InternalError", ""))]);
    hands.drop_leftover(of(1));
    assert!(matches!(done.recv().await, Some((_, Done::Vain))), "it is looked for again");
}

#[tokio::test]
async fn a_look_finds_what_the_caches_do_not_know() {
    let empty = || json!({"items": []});
    let (hands, mut done, left) = hands(vec![
        (at("GET", JOBS, false), 200, json!({"items": [object(7, "job-1")]})),
        (at("GET", "/api/v1/namespaces/a/pods", false), 200, empty()),
        (at("GET", "/api/v1/namespaces/a/events", false), 200, empty()),
    ]);
    hands.look(&observed(1), Some("pod-1".into()), 3, true);
    let (_, became) = done.recv().await.unwrap();
    assert!(
        matches!(became, Done::Looked(look, 3) if look.job.as_ref().is_some_and(|job| job.facts.uid == "job-1") && look.pods.is_empty())
    );
    assert!(left.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_attempt_from_before_a_restore_keeps_its_name() {
    let inherited = Hold { instance: Some("older".into()), ..claimed() };
    let named = |verb: &str, path: &str| -> &'static str { format!("{verb} {path}/slw-older-1-a1").leak() };
    let job = json!({"metadata": {"name": "slw-older-1-a1", "namespace": "a", "uid": "job-1",
        "labels": BTreeMap::from(pod::labels("older", &"glue".parse().unwrap(), of(1), &QueueName::default(), uuid::Uuid::from_u128(7)))}});
    let (mut hands, mut done, left) = hands(vec![
        (at("POST", SECRETS, false), 201, object(7, "s")),
        (at("POST", JOBS, false), 201, job),
        (named("PATCH", SECRETS), 200, object(7, "s")),
    ]);
    hands.inherit([claimed(), Hold { attempt: crate::wire::AttemptNumber(1), ..inherited.clone() }].iter());
    assert_eq!((hands.instance_of(of(1)), hands.instance_of(of(2))), ("older", "k3f9a"));
    hands.create(inherited);
    assert!(matches!(done.recv().await.unwrap().1, Done::Created(job, true) if job.mark.instance == "older"));
    assert!(left.lock().unwrap().is_empty(), "not everything was asked: {left:?}");
    // Once over it is held no more, and its Job is still known as ours.
    hands.inherit([].iter());
    assert_eq!(hands.instance_of(of(1)), "older");
}

/// Scoreboard, row 20 at W, seed 1560925600: a glue that found 10,000 Jobs at its start took 356 MiB, where it runs on with 150. Each had
/// an act of 12 KiB that waited for its place.
#[test]
fn an_act_that_waits_for_its_place_is_small() {
    let act = || async {
        let large = [0_u8; 1 << 13];
        tokio::task::yield_now().await;
        Done::Deleted(large.len().to_string(), None)
    };
    let waiting = in_turn(std::future::pending::<()>(), act, |_| true);
    assert!(size_of_val(&waiting) < 256, "{} bytes", size_of_val(&waiting));
}

/// Scoreboard, row 20 at W, seed 2469720432: each look at a Job without a pod listed the pods of all four namespaces.
#[tokio::test]
async fn pods_are_looked_for_where_their_job_is() {
    let seen = crate::runner::kubernetes::sight::Observed { job: Some(Arc::new(job(1))), ..observed(1) };
    let there = object(7, &job(1).facts.uid);
    let (hands, mut done, asked) =
        scripted(move |asked| if asked.contains("/jobs/") { (200, there.clone()) } else { (200, json!({"items": []})) });
    let config = Config { namespaces: vec!["b".into(), "a".into(), "c".into()], ..(*hands.config).clone() };
    let hands = Hands { config: Arc::new(config), ..hands };
    hands.look(&seen, None, 3, false);
    assert!(matches!(done.recv().await.unwrap().1, Done::Looked(look, 3) if look.job.is_some()));
    let lists: Vec<_> = asked.lock().unwrap().iter().filter(|asked| asked.contains("/pods")).cloned().collect();
    assert!(lists.len() == 1 && lists[0].contains("/namespaces/a/pods"), "{lists:?}");
}
