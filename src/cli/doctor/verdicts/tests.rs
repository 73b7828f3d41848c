//! One table: what is changed in a healthy installation, and what is said of it.

use super::{healthy::*, of};
use crate::{
    cli::{
        doctor::{
            canary::Sung,
            facts::{Facts, Trouble},
            report::{Check, Line, Report, Verdict},
        },
        testing::queue,
    },
    wire::{
        ClusterSight, FieldError, Level, MissingRight, ProblemCode, Queue, QueueCounts, Reason, Rendering, Role, RunnerState, Stuck,
        TaskId, UnknownJobs, Whoami,
    },
};
use clap::ValueEnum;
use serde_json::json;
use std::time::Duration;

/// What is changed, the check, what comes of it, and a part of what is said.
type Row = (fn(&mut Facts), Check, Verdict, &'static str);

#[expect(clippy::too_many_lines, reason = "a table")]
fn rows() -> Vec<Row> {
    use Verdict::{Fail, Ok as Fine, Skip, Warn};
    vec![
        (|f| f.greeted = Err(away()), Check::Server, Fail, "cannot reach"),
        (|f| f.ready = Err(refused(ProblemCode::Unavailable)), Check::Server, Fail, "is not ready"),
        (|f| f.greeted = Err(away()), Check::Canary, Skip, "was not reached"),
        (|f| f.url = "http://slipway.example.org".into(), Check::Tls, Fail, "public network"),
        (|f| f.url = "http://10.0.0.5:7227".into(), Check::Tls, Warn, "plain http"),
        (|f| f.url = "http://slipway-server.ml.svc".into(), Check::Tls, Warn, "plain http"),
        (|f| (f.url, f.in_cluster) = ("http://slipway-server.ml".into(), true), Check::Tls, Warn, "plain http"),
        (|f| f.url = "https://slipway.example.org".into(), Check::Tls, Warn, "cannot be read"),
        (|f| certified(f, "261001000000Z", "271001000000Z"), Check::Tls, Fine, "good for 314d more, until 2027-10-01T00:00:00Z"),
        (|f| certified(f, "251201000000Z", "261201000000Z"), Check::Tls, Warn, "good for 10d more"),
        (|f| certified(f, "251121000000Z", "261121000000Z"), Check::Tls, Fail, "good for 14h37m more"),
        // One that lives for a week is renewed each few days.
        (|f| certified(f, "261118000000Z", "261125000000Z"), Check::Tls, Fine, "good for 4d more"),
        (
            |f| {
                f.url = "https://slipway.example.org".into();
                f.greeted = Err(Trouble::Away("invalid peer certificate: UnknownIssuer".into()));
            },
            Check::Tls,
            Fail,
            "UnknownIssuer",
        ),
        (|f| greeted(f).at = at("2026-11-20T09:22:45Z"), Check::Clock, Fine, "ahead"),
        (|f| greeted(f).at = at("2026-11-20T09:22:30Z"), Check::Clock, Warn, "10s behind"),
        (|f| greeted(f).at = at("2026-11-20T09:24:42Z"), Check::Clock, Fail, "ahead of the server"),
        (|f| (greeted(f).at, greeted(f).took) = (at("2026-11-20T09:22:50Z"), Duration::from_secs(10)), Check::Clock, Fine, "ahead"),
        (|f| greeted(f).greeting.date = None, Check::Clock, Skip, "no answer bears a date"),
        (|f| f.health = Some(Err(refused(ProblemCode::RouteNotFound))), Check::Database, Skip, "does not tell"),
        (|f| f.health = Some(Err(refused(ProblemCode::Internal))), Check::Database, Fail, "no"),
        (|f| f.health.as_mut().unwrap().as_mut().unwrap().database.commit_ms = 900, Check::Database, Warn, "written in 900 ms"),
        (|f| f.health.as_mut().unwrap().as_mut().unwrap().database.schema = 8, Check::Database, Fail, "schema 8 of 9"),
        (|f| bytes(f, None), Check::Bytes, Fail, "s3://logs does not take an object"),
        (|f| bytes(f, Some(9)), Check::Bytes, Fine, "s3://logs, written, read and deleted in 9 ms"),
        (|f| greeted(f).greeting.version.version = "0.1.7".into(), Check::Version, Fine, "0.1.7"),
        (|f| f.client = "0.2.0", Check::Version, Warn, "one minor version apart"),
        (|f| f.client = "0.3.0", Check::Version, Fail, "too far apart"),
        (|f| f.client = "1.1.0", Check::Version, Fail, "too far apart"),
        (|f| greeted(f).greeting.version.version = "nightly".into(), Check::Version, Warn, "cannot be compared"),
        (|f| runners(f)[0].version = "0.9.0".into(), Check::Version, Fail, "box is 0.9.0"),
        (|f| f.me = Some(Err(refused(ProblemCode::Unauthenticated))), Check::Token, Fail, "no"),
        (|f| f.me = Some(Err(refused(ProblemCode::Forbidden))), Check::Token, Fail, "no"),
        (|f| f.me = Some(Err(Trouble::Unasked("no token is sent".into()))), Check::Token, Fail, "no token is sent"),
        (|f| f.me = Some(Err(refused(ProblemCode::Unauthenticated))), Check::Runners, Skip, "the token is not taken"),
        (
            |f| f.me = Some(Ok(Whoami { user: "v".into(), role: Role::Viewer, grants: Vec::new() })),
            Check::Upload,
            Skip,
            "the role viewer sends nothing",
        ),
        (|f| runners(f).clear(), Check::Runners, Fail, "no runner has ever registered"),
        (|f| runners(f).iter_mut().for_each(|runner| runner.seen_at = None), Check::Runners, Fail, "heard for a minute"),
        (|f| runners(f)[0].seen_at = Some(at("2026-11-20T08:22:41Z")), Check::Runners, Warn, "silent for 1h"),
        (|f| runners(f).iter_mut().for_each(|runner| runner.queues = vec!["gpu".into()]), Check::Runners, Fail, "5 of its tasks wait"),
        (
            |f| {
                runners(f).remove(1);
                look(f).queue = Queue { pod_template: Some(json!({})), counts: QueueCounts::default(), ..queue("cpu", 1) };
            },
            Check::Runners,
            Warn,
            "no runner at work serves this queue",
        ),
        (
            |f| {
                let right = |verb: &str, namespace: Option<&str>| MissingRight {
                    namespace: namespace.map(str::to_owned),
                    group: "batch".into(),
                    resource: "jobs".into(),
                    verb: verb.into(),
                    why: "one Job for each attempt".into(),
                    said: "RBAC: no".into(),
                };
                glue(f).missing = vec![right("delete", Some("research")), right("list", None)];
            },
            Check::Rights,
            Fail,
            "RBAC: no",
        ),
        (|f| glue(f).unknown = Some("no answer".into()), Check::Rights, Warn, "no answer"),
        (|f| runners(f)[1].footing = None, Check::Rights, Warn, "has not told"),
        (|f| drop(runners(f).remove(1)), Check::Rights, Skip, "no glue is at work"),
        (
            |f| {
                let unknown = Some(UnknownJobs { count: 7, named: vec!["jobs/slw-k3f9a-7-a1".into()] });
                let cluster = Some(ClusterSight { answers: true, unknown, ..ClusterSight::default() });
                runners(f)[1].state = Some(RunnerState { room: None, cluster });
            },
            Check::Runners,
            Warn,
            "7 Jobs in its cluster are of no task that the server knows: jobs/slw-k3f9a-7-a1",
        ),
        (|f| f.bases[0].2 = Err(away()), Check::BaseUrl, Fine, "the canary reached it"),
        (|f| (f.bases[0].2, f.canary) = (Err(away()), None), Check::BaseUrl, Skip, "only they can reach"),
        (|f| (f.bases[0].2, f.canary, f.in_cluster) = (Err(away()), None, true), Check::BaseUrl, Fail, "cannot reach"),
        (
            |f| {
                f.canary = None;
                f.bases[0] = ("k8s".parse().unwrap(), "https://slipway.example.org".into(), Err(away()));
            },
            Check::BaseUrl,
            Warn,
            "from here",
        ),
        (|f| says(f, vec![finding(Level::Error, "ClaimMissing", "/spec/volumes/0")]), Check::Queues, Fail, "ClaimMissing x on eu-1"),
        (|f| says(f, vec![finding(Level::Warning, "DeviceUnknown", "/spec")]), Check::Queues, Warn, "DeviceUnknown"),
        (|f| says(f, vec![finding(Level::Info, "DryRunRefused", "/spec")]), Check::Queues, Fine, "all taken by their clusters"),
        (
            |f| {
                let items = vec![rendering("eu-1", vec![finding(Level::Error, "ClaimMissing", "/spec")]), rendering("us-2", Vec::new())];
                look(f).rendered = Ok(items);
            },
            Check::Queues,
            Warn,
            "ClaimMissing x on eu-1",
        ),
        (
            |f| {
                let faults = vec![FieldError { pointer: "/queue/podTemplate/spec".into(), message: "no image".into() }];
                look(f).rendered = Ok(vec![Rendering { manifest: None, faults, checked_at: None, ..rendering("eu-1", Vec::new()) }]);
            },
            Check::Queues,
            Fail,
            "no image",
        ),
        (
            |f| {
                look(f).queue.counts = QueueCounts::default();
                let faults = vec![FieldError { pointer: "/queue/podTemplate/spec".into(), message: "no image".into() }];
                look(f).rendered = Ok(vec![Rendering { manifest: None, faults, checked_at: None, ..rendering("eu-1", Vec::new()) }]);
            },
            Check::Queues,
            Warn,
            "no image",
        ),
        (|f| look(f).rendered = Err(refused(ProblemCode::Internal)), Check::Queues, Fail, "no"),
        (|f| look(f).rendered.as_mut().unwrap()[0].checked_at = None, Check::Queues, Skip, "was not asked"),
        (|f| look(f).rendered = Ok(Vec::new()), Check::Queues, Skip, "served by a glue"),
        (|f| says(f, vec![finding(Level::Error, "PodSecurityViolation", "/spec")]), Check::Security, Fail, "PodSecurityViolation"),
        (|f| look(f).rendered.as_mut().unwrap()[0].checked_at = None, Check::Security, Skip, "was not asked"),
        (
            |f| says(f, vec![finding(Level::Warning, "SecretMissing", "/spec/template/spec/imagePullSecrets/0/name")]),
            Check::PullSecret,
            Warn,
            "SecretMissing",
        ),
        (|f| look(f).rendered.as_mut().unwrap()[0].manifest = None, Check::PullSecret, Skip, "no queue names a Secret"),
        (
            |f| {
                let (code, since) = (Reason::RunnerBehind, at("2026-11-20T09:18:41Z"));
                let message = "Task 7 is due and nothing was claimed for 4 min".to_owned();
                let (runner, queue) = ("k8s".parse().unwrap(), "cpu".parse().ok());
                let stuck = Stuck { code, since, queue, runner, task: Some(TaskId(7)), attempt: None, message };
                f.health.as_mut().unwrap().as_mut().unwrap().stuck = vec![stuck];
            },
            Check::Stuck,
            Fail,
            "Task 7 is due and nothing was claimed",
        ),
        (|f| says(f, vec![finding(Level::Error, "MigProfileNotAdvertised", "/spec")]), Check::Capacity, Fail, "MigProfileNotAdvertised"),
        (|f| look(f).rendered.as_mut().unwrap()[0].nodes_at = None, Check::Capacity, Skip, "no glue tells its nodes"),
        (|f| f.large = Some(Err(Trouble::Foreign(413, "too large".into()))), Check::LargeBody, Fail, "too large"),
        (|f| f.large = Some(Err(away())), Check::LargeBody, Fail, "cannot reach"),
        (|f| f.upload = Some(Err(refused(ProblemCode::Internal))), Check::Upload, Fail, "no"),
        (|f| f.stream = Some(Err(away())), Check::Stream, Fail, "brings nothing"),
        (|f| f.canary = None, Check::Canary, Skip, "not asked for"),
        (|f| f.canary = Some(Err(refused(ProblemCode::QueueNotFound))), Check::Canary, Fail, "no"),
        (
            |f| f.canary = Some(Ok(Sung { is_success: false, how: "failed: exit code 3".into(), ..sung() })),
            Check::Canary,
            Fail,
            "task 7 in cpu failed: exit code 3",
        ),
        (
            |f| {
                let stuck = Some("PodUnschedulable: no node".into());
                f.canary = Some(Ok(Sung { is_success: false, ended: false, stuck, ..sung() }));
            },
            Check::Canary,
            Fail,
            "PodUnschedulable: no node",
        ),
        (|f| f.canary = Some(Ok(Sung { log_bytes: 0, ..sung() })), Check::Canary, Fail, "its log was not there"),
        (|f| f.canary = Some(Ok(Sung { log_bytes: 0, speaks: false, ..sung() })), Check::Canary, Fine, "ran on k8s"),
    ]
}

fn report(facts: &Facts) -> Report {
    let lines = Check::value_variants().iter().flat_map(|check| of(*check, facts)).collect();
    Report::new(facts.url.clone(), facts.now, facts.client, lines)
}

#[test]
fn of_a_healthy_installation_nothing_bad_is_said() {
    let facts = healthy();
    let report = report(&facts);
    assert!(report.ok && report.checks.iter().all(|line| line.verdict == Verdict::Ok), "{}", report.text());
    let plain = anstream::adapter::strip_str(&report.text()).to_string();
    insta::assert_snapshot!("a_healthy_installation", plain);
    insta::assert_snapshot!("the_report_as_json", serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn each_fault_is_named_by_its_check_with_what_to_do() {
    let mut told = Vec::new();
    for (i, (change, check, verdict, part)) in rows().into_iter().enumerate() {
        let mut facts = healthy();
        change(&mut facts);
        let lines = of(check, &facts);
        let line = lines.iter().find(|line| line.verdict == verdict && line.seen.contains(part));
        let line = line.unwrap_or_else(|| panic!("row {i}: {check:?} is to be {verdict:?} with {part:?}: {lines:#?}"));
        assert!(verdict != Verdict::Fail || !line.fix.is_empty(), "row {i}: a failure without a remedy");
        if line.verdict != Verdict::Ok {
            told.push(anstream::adapter::strip_str(&Report::new(String::new(), facts.now, "", vec![line.clone()]).text()).to_string());
        }
        // A fault shows whether or not it is looked for, and nothing comes out of nothing.
        let other: Vec<Line> = Check::value_variants().iter().flat_map(|check| of(*check, &facts)).collect();
        assert!(other.iter().all(|line| line.verdict != Verdict::Fail || !line.fix.is_empty()), "row {i}");
    }
    let told = told.concat();
    insta::assert_snapshot!(told.lines().filter(|line| !line.contains(" skipped")).collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_check_has_a_row() {
    let rows = rows();
    for check in Check::value_variants() {
        assert!(rows.iter().any(|(_, of, ..)| of == check), "{check:?}");
    }
}

#[test]
fn every_missing_right_is_a_line_with_its_verb_resource_and_place() {
    let mut facts = healthy();
    let right = |group: &str, resource: &str, verb: &str, namespace: Option<&str>| MissingRight {
        namespace: namespace.map(str::to_owned),
        group: group.into(),
        resource: resource.into(),
        verb: verb.into(),
        why: "why".into(),
        said: String::new(),
    };
    glue(&mut facts).missing = vec![right("", "pods/log", "get", Some("research")), right("", "nodes", "list", None)];
    let about: Vec<_> = of(Check::Rights, &facts).into_iter().map(|line| line.about.unwrap()).collect();
    assert_eq!(about, ["get pods/log in research", "list nodes in the whole cluster"]);
}

#[test]
fn the_document_tells_of_every_check_in_the_order_of_the_report() {
    let document = include_str!("../../../../docs/DOCTOR.md");
    let (_, table) = document.split_once("## The checks").unwrap();
    let (table, _) = table.split_once("## Rights").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name);
    let checks: Vec<_> = Check::value_variants().iter().map(|check| check.as_str()).collect();
    assert_eq!(rows.filter(|name| checks.contains(name)).collect::<Vec<_>>(), checks);
    for check in Check::value_variants() {
        let typed = check.to_possible_value().unwrap().get_name().to_owned();
        assert_eq!((typed.as_str(), serde_json::to_value(check).unwrap()), (check.as_str(), json!(check.as_str())));
    }
}
