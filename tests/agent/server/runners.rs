//! The routes of runners.

use super::*;

pub(super) async fn register(State(s): State<Server>, Json(_): Json<RegisterRequest>) -> Answer {
    if s.world().taken {
        return Err(ProblemCode::RunnerNameTaken.into());
    }
    s.change(|w| w.registered = true);
    Ok(Json(RegisterResponse { times: s.times.clone(), instance: "tests".into(), lapsed: Vec::new() }).into_response())
}

pub(super) async fn claim(State(s): State<Server>, Json(r): Json<ClaimRequest>) -> Answer {
    let mut changes = s.changed.subscribe();
    let claimed = async {
        loop {
            let taken = {
                let mut w = s.world();
                if !w.registered {
                    return Err(ProblemCode::RunnerNotFound.into());
                }
                w.largest_claim = w.largest_claim.max(r.max);
                let mut taken = w.claims.get(&r.claim_id).cloned().unwrap_or_default();
                let (mut gpus, known) = (r.gpus, !taken.is_empty());
                while !known && taken.len() < r.max as usize && w.queue.front().is_some_and(|t| w.recipes[t].gpus <= gpus) {
                    let task = w.queue.pop_front().unwrap();
                    gpus -= w.recipes[&task].gpus;
                    let newest = w.attempts.keys().filter(|k| k.task == task).map(|k| k.attempt).max();
                    let at = AttemptRef { task, attempt: newest.unwrap_or(AttemptNumber::NONE).next() };
                    w.attempts.insert(at, Attempt { claim: r.claim_id, ..Attempt::default() });
                    taken.push(at);
                }
                w.claims.insert(r.claim_id, taken.clone());
                taken
            };
            if !taken.is_empty() {
                return Ok(taken);
            }
            let _ = changes.changed().await;
        }
    };
    let taken: Vec<AttemptRef> =
        tokio::time::timeout(Duration::from_secs(r.wait_seconds), claimed).await.unwrap_or(Ok(vec![])).map_err(|e: Refusal| e)?;
    let items = taken
        .into_iter()
        .map(|at| ClaimedTask {
            task: at.task,
            attempt: at.attempt,
            claim: r.claim_id,
            start_token: token(at, "start"),
            queue: QueueName::default(),
            resources: Resources::of_gpus(s.world().recipes[&at.task].gpus),
            job: None,
        })
        .collect();
    Ok(Json(ClaimResponse { items }).into_response())
}

fn live_attempts(w: &World) -> impl Iterator<Item = (&AttemptRef, &Attempt)> {
    w.attempts.iter().filter(|(_, a)| !a.ended && !a.superseded)
}

pub(super) async fn runner_beat(State(s): State<Server>, Json(r): Json<RunnerBeatRequest>) -> Answer {
    let w = s.world();
    if !w.registered {
        return Err(ProblemCode::RunnerNotFound.into());
    }
    let known = r.known == known_hash(live_attempts(&w).map(|(at, _)| (at.task, at.attempt)));
    let cancels = live_attempts(&w)
        .filter(|(_, a)| a.cancel)
        .map(|(at, a)| CancelOrder { task: at.task, attempt: at.attempt, overdue: a.overdue })
        .collect();
    Ok(Json(RunnerBeatResponse { known, cancels }).into_response())
}

pub(super) async fn holds(State(s): State<Server>) -> Answer {
    let w = s.world();
    let items = live_attempts(&w)
        .map(|(at, a)| Hold {
            task: at.task,
            attempt: at.attempt,
            claim: a.claim,
            uid: a.started.as_ref().map(|(uid, _)| uid.clone()),
            instance: None,
            phase: a.phases.last().copied().unwrap_or(Phase::Claimed),
            start_token: a.phases.is_empty().then(|| token(*at, "start")),
            queue: QueueName::default(),
            resources: Resources::of_gpus(w.recipes[&at.task].gpus),
            finished: a.finish.is_some(),
            job: None,
        })
        .collect();
    Ok(Json(Holds { items }).into_response())
}

fn verdict(w: &World, at: AttemptRef) -> Verdict {
    match w.attempts.get(&at) {
        None => Verdict::Unknown,
        Some(a) if a.ended => Verdict::Ended,
        Some(a) if a.superseded => Verdict::Superseded,
        Some(_) => Verdict::Live,
    }
}

pub(super) async fn check(State(s): State<Server>, Json(r): Json<CheckRequest>) -> Answer {
    let w = s.world();
    let items = r
        .items
        .into_iter()
        .map(|i| {
            let verdict = verdict(&w, AttemptRef { task: i.task, attempt: i.attempt });
            Checked { task: i.task, attempt: i.attempt, verdict, awaits_log: false }
        })
        .collect();
    Ok(Json(CheckResponse { items, installation: "tests".into() }).into_response())
}

pub(super) async fn report(State(s): State<Server>, Json(r): Json<ReportRequest>) -> Answer {
    let items = s.change(|w| {
        r.items
            .into_iter()
            .map(|item| {
                let at = AttemptRef { task: item.task, attempt: item.attempt };
                let a = w.attempts.get_mut(&at).unwrap();
                let applied = !a.ended && !a.superseded && a.claim == item.claim;
                if applied {
                    a.ended = true;
                    if matches!(item.kind, ReportKind::Returned { .. }) {
                        w.queue.push_back(at.task);
                    }
                    w.attempts.get_mut(&at).unwrap().reports.push(item.kind);
                }
                Reported { task: at.task, attempt: at.attempt, applied, verdict: verdict(w, at) }
            })
            .collect()
    });
    Ok(Json(ReportResponse { items }).into_response())
}
