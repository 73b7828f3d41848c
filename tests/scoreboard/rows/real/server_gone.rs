//! Row 16: the server is away for an hour, and every command ends right at the beginning of it. The agents try for as long as they do, and
//! go; what they left in their pods is told by the glue once the server is back.

use crate::{
    kit::phase,
    procs::uptime,
    row::{Absent, Form, Outcome, Row},
    score::Level,
    site::{Site, on_site, times},
};
use serde_json::json;
use slipway::wire::{FailureClass, NewTask, Retries, TaskState, Times};
use std::time::Duration;
use tokio::time::sleep;

pub(crate) const ROW: Row = Row { number: 16, level: Level::R, short: 5, full: 20, run: |form| Box::pin(run(form)) };

/// Within so many seconds after the server's return every result is stored.
const STORED: f64 = 60.0;
/// What commands end with.
const CODES: [i32; 5] = [0, 1, 3, 77, 200];

async fn run(form: Form) -> Result<Outcome, Absent> {
    // A sixtieth of the usual is too short for a busy machine, where agents try for a quarter of the short form's absence.
    let times = times(form);
    let times = form.of(Times { finish_retry_ms: 3_000, ..times.clone() }, times);
    on_site("server_gone", times, async |site| gone(site, form).await).await
}

async fn gone(site: &mut Site, form: Form) -> Outcome {
    site.queue("q", json!({})).await;
    site.glue("k8s", json!({})).await;
    let code = |nth: usize| CODES[nth % CODES.len()];
    let body = |nth: usize| format!("note wait; [ {0} = 0 ] && note end; exit {0}", code(nth));
    let tasks: Vec<_> =
        (0..form.tasks).map(|nth| NewTask { retries: Some(Retries::default()), ..site.open_task("q", &body(nth)) }).collect();
    let ids = site.submit(&tasks).await;
    site.all_told(&ids, "wait").await;
    site.world.stop_server();
    let away = uptime();
    site.recorder.go();
    sleep(Duration::from_secs(form.of(12, 3_600))).await;
    let mut open = Vec::new();
    for id in &ids {
        let pods = site.scene.pods(*id).await;
        open.extend(pods.iter().filter(|pod| !matches!(phase(pod), "Succeeded" | "Failed")).map(|_| *id));
    }
    site.world.start_server();
    site.server_ready().await;
    let back = uptime();
    eprintln!("the server was away for {:.0} s", back - away);
    let judged = site.judged(&ids).await;
    let mut outcome = judged.outcome;
    outcome.must(open.is_empty(), || format!("the agents of {open:?} were still there as the server came back"));
    for task in &judged.tasks {
        let code = code(ids.iter().position(|id| *id == task.id).unwrap_or_default());
        let end = task.ended.clone().unwrap_or_default();
        let expected = if code == 0 { (TaskState::Succeeded, None) } else { (TaskState::Failed, Some(FailureClass::User)) };
        let took = judged.seen.get(&task.id).map_or(f64::INFINITY, |seen| seen - back);
        outcome.worst_recovery = Some(outcome.worst_recovery.unwrap_or_default().max(took));
        let right = (task.state, end.class) == expected && end.exit_code == Some(code) && task.attempt.0 == 1 && took <= STORED;
        outcome.must(right, || format!("task {} with exit code {code} is {} after {took:.1} s: {end:?}", task.id, task.state));
    }
    site.nothing_left(&mut outcome).await;
    outcome
}
