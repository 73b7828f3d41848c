//! Row 11: images that do not exist, that are no names, that are not for us, and registries that are away for a while.

use crate::{
    kit::registry::Registry,
    procs::uptime,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    site::{Site, on_site, times},
    support::free_address,
};
use axum::http::StatusCode;
use serde_json::json;
use slipway::wire::{Attempt, FailureClass, Reason, Task, TaskId, TaskState};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

pub(crate) const ROW: Row = Row { number: 11, level: Level::R, short: 4, full: 12, run: |form| Box::pin(run(form)) };

/// Within so many seconds a name that is none fails.
const NO_NAME: f64 = 15.0;
/// So many seconds after the grace period whatever cannot be pulled has failed.
const SLACK: f64 = 30.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    NoName,
    Missing,
    Denied,
    Unauthorized,
    /// Nobody answers for less than the grace period.
    Away,
    /// Nobody answers for longer.
    LongAway,
}
use Trouble::{Away, Denied, LongAway, Missing, NoName, Unauthorized};

/// The kubelet's own pauses after a pull that failed come to half a minute, so the last two are for the full form alone.
const SHORT: [Trouble; 4] = [NoName, Missing, Denied, Unauthorized];
const FULL: [Trouble; 12] = [NoName, Missing, Denied, Away, LongAway, NoName, Missing, Unauthorized, Away, LongAway, NoName, Missing];

async fn run(form: Form) -> Result<Outcome, Absent> {
    let times = times(form);
    #[expect(clippy::cast_precision_loss, reason = "some minutes")]
    let grace = times.image_grace_ms as f64 / 1e3;
    on_site("images", times, async |site| pulled(site, form, grace).await).await
}

async fn pulled(site: &mut Site, form: Form, grace: f64) -> Outcome {
    let refusals = [
        Registry::refusing(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN").await,
        Registry::refusing(StatusCode::FORBIDDEN, "DENIED").await,
        Registry::refusing(StatusCode::UNAUTHORIZED, "UNAUTHORIZED").await,
    ];
    let away = [(); 2].map(|()| free_address(Ipv4Addr::LOCALHOST.into()));
    let image = |trouble: Trouble, nth: usize| match trouble {
        NoName => format!("registry.example/UPPER:{nth}"),
        Missing => format!("{}/team/train:{nth}", refusals[0].address),
        Denied => format!("{}/team/train:{nth}", refusals[1].address),
        Unauthorized => format!("{}/team/train:{nth}", refusals[2].address),
        Away => format!("{}/team/train:{nth}", away[0]),
        LongAway => format!("{}/team/train:{nth}", away[1]),
    };
    let troubles: Vec<_> = form.of(&SHORT[..], &FULL[..]).iter().copied().cycle().take(form.tasks).collect();
    for (nth, trouble) in troubles.iter().enumerate() {
        let queue = json!({"defaults": {"image": image(*trouble, nth)}, "keepJobsSeconds": {"success": 0, "failure": 0}});
        site.queue(&format!("q-{nth}"), queue).await;
    }
    site.glue("k8s", json!({})).await;
    site.throughout(&["k8s"]);
    let tasks: Vec<_> = (0..form.tasks).map(|nth| site.task(&format!("q-{nth}"), "note runs")).collect();
    let ids = site.submit(&tasks).await;
    let (submitted, began) = (uptime(), Instant::now());
    let of: BTreeMap<TaskId, Trouble> = ids.iter().copied().zip(troubles).collect();
    let back = [(60, away[0]), (300, away[1])];
    let serving = async {
        let mut registries = Vec::new();
        for (after, address) in back.into_iter().take(form.of(0, 2)) {
            sleep_until(began + Duration::from_secs(after)).await;
            registries.push(serve(address).await);
        }
        // They serve for as long as there are tasks.
        std::future::pending::<()>().await;
    };
    let judged = tokio::select! {
        judged = site.judged(&ids) => judged,
        () = serving => unreachable!("it waits for ever"),
    };
    let mut outcome = judged.outcome;
    for task in &judged.tasks {
        let (trouble, attempts) = (of[&task.id], site.attempts(task.id).await);
        let took = judged.seen.get(&task.id).map_or(f64::INFINITY, |seen| seen - submitted);
        outcome.must(right(task, trouble, &attempts, took, grace), || {
            format!("task {} ({trouble:?}) is {} after {took:.1} s: {:?}; {attempts:?}", task.id, task.state, task.ended)
        });
        if let Some(words) = words(trouble) {
            let why = site.world.client().await.why(task.id).await.expect("an answer");
            let quoted = why.reasons.iter().flat_map(|finding| &finding.evidence).any(|quote| quote.raw.contains(words));
            outcome.must(quoted, || format!("why of task {} ({trouble:?}) does not quote {words:?}: {why:?}", task.id));
        }
        eprintln!("task {} ({trouble:?}) {} after {took:.1} s in attempt {}", task.id, task.state, task.attempt);
    }
    site.nothing_left(&mut outcome).await;
    outcome
}

async fn serve(address: SocketAddr) -> Registry {
    eprintln!("the registry {address} is back");
    Registry::serving(address).await
}

/// What node and registry said, as it must be quoted.
fn words(trouble: Trouble) -> Option<&'static str> {
    match trouble {
        NoName => Some("UPPER"),
        Missing => Some("not found"),
        Denied => Some("403"),
        Unauthorized => Some("401"),
        Away | LongAway => None,
    }
}

fn right(task: &Task, trouble: Trouble, attempts: &[Attempt], took: f64, grace: f64) -> bool {
    let end = task.ended.clone().unwrap_or_default();
    let fails =
        |reason| (task.state, task.attempt.0, end.class, end.reason) == (TaskState::Failed, 1, Some(FailureClass::Image), Some(reason));
    let in_time = (grace..=grace + SLACK).contains(&took);
    match trouble {
        NoName => fails(Reason::ImageNotFound) && took <= NO_NAME,
        Missing => fails(Reason::ImageNotFound) && in_time,
        Denied | Unauthorized => fails(Reason::ImagePullAuth) && in_time,
        Away => (task.state, task.attempt.0) == (TaskState::Succeeded, 1),
        LongAway => {
            let (last, before) = attempts.split_last().expect("an attempt");
            let charged = |attempt: &Attempt| {
                let end = attempt.ended.clone().unwrap_or_default();
                (end.class, end.reason) == (Some(FailureClass::Image), Some(Reason::RegistryUnreachable))
            };
            last.state == Some(TaskState::Succeeded) && !before.is_empty() && before.iter().all(charged)
        }
    }
}
