//! How long what is under way has. Pure.

use crate::{
    domain::{Finding, Phase, Reason, Times, evidence::Evidence, reasons},
    store::LiveAttempt,
};

/// Where a live attempt stands, as far as its time is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not started; the time that its queue bears with counts anew from each phase.
    Unstarted(Option<Phase>),
    /// Code and environment are prepared.
    Setup,
    /// The command runs.
    Running,
    /// Somebody asked to stop it.
    Stopping,
    /// Its result is stored, and its log is awaited.
    Finishing,
}

/// Where a live attempt stands.
pub(super) fn stage(live: &LiveAttempt) -> Stage {
    if live.finished {
        return Stage::Finishing;
    }
    if live.cancel_up.is_some() {
        return Stage::Stopping;
    }
    match live.phase {
        phase if !live.started => Stage::Unstarted(phase),
        Some(Phase::Running | Phase::Finishing | Phase::Ended) => Stage::Running,
        _ => Stage::Setup,
    }
}

/// How long an attempt may stand there, in ms; none where nothing bounds it. `pending_ms` is what its queue bears with.
pub(super) fn limit_ms(stage: Stage, live: &LiveAttempt, pending_ms: u64, times: &Times) -> Option<u64> {
    let grace = live.grace_seconds.saturating_mul(1000);
    Some(match stage {
        Stage::Unstarted(_) => pending_ms,
        Stage::Setup => times.setup_limit_ms,
        Stage::Running => live.timeout_seconds?.saturating_mul(1000).saturating_add(grace).saturating_add(times.drain_output_ms),
        Stage::Stopping => grace.saturating_add(times.cancel_overdue_ms),
        Stage::Finishing => times.log_settle_ms,
    })
}

/// What to say of an attempt that has stood in a stage for `stood_ms` and had `limit_ms`.
pub(super) fn overdue(stage: Stage, stood_ms: u64, limit_ms: u64) -> String {
    let what = match stage {
        Stage::Unstarted(None | Some(Phase::Claimed)) => "has been claimed, and nothing has begun,",
        Stage::Unstarted(_) => "has been on its way to its start, without a step,",
        Stage::Setup => "has been in its set-up",
        Stage::Running => "has been running",
        Stage::Stopping => "has been asked to stop",
        Stage::Finishing => "has waited for the rest of its log",
    };
    format!("It {what} for {}, and has {} for that", long(stood_ms), long(limit_ms))
}

/// Whether an attempt that has not started has a good reason: its image is pulled, or another controller holds it back.
pub(super) fn excused(evidence: &Evidence) -> bool {
    let found: Vec<Finding> = reasons::pending(evidence);
    reasons::on_its_way(&found, evidence) || found.iter().any(|finding| finding.code == Reason::KueueQuotaPending)
}

/// `90 s`, `12 min`, `3 h`.
pub(super) fn long(ms: u64) -> String {
    match ms / 1000 {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s => format!("{} h", s / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AttemptNumber, AttemptRef, TaskId};

    fn live() -> LiveAttempt {
        LiveAttempt {
            attempt: AttemptRef { task: TaskId(1), attempt: AttemptNumber(1) },
            queue: "default".parse().unwrap(),
            runner: "r".parse().unwrap(),
            phase: None,
            started: false,
            self_stop: false,
            finished: false,
            cancel_up: None,
            timeout_seconds: None,
            grace_seconds: 10,
        }
    }

    #[test]
    fn each_stage_has_its_time_and_a_command_without_a_limit_has_all() {
        let times = Times::default();
        let of = |live: LiveAttempt| (stage(&live), limit_ms(stage(&live), &live, 900_000, &times));
        assert_eq!(of(live()), (Stage::Unstarted(None), Some(900_000)));
        let pulling = LiveAttempt { phase: Some(Phase::Pulling), ..live() };
        assert_eq!(of(pulling), (Stage::Unstarted(Some(Phase::Pulling)), Some(900_000)));
        let started = LiveAttempt { started: true, ..live() };
        assert_eq!(of(started.clone()), (Stage::Setup, Some(3_600_000)));
        let running = LiveAttempt { phase: Some(Phase::Running), ..started };
        assert_eq!(of(running.clone()), (Stage::Running, None));
        let bounded = LiveAttempt { timeout_seconds: Some(60), ..running.clone() };
        assert_eq!(of(bounded), (Stage::Running, Some(75_000)));
        let cancelled = LiveAttempt { cancel_up: Some(5), ..running.clone() };
        assert_eq!(of(cancelled.clone()), (Stage::Stopping, Some(40_000)));
        assert_eq!(of(LiveAttempt { finished: true, ..cancelled }), (Stage::Finishing, Some(60_000)));
    }

    #[test]
    fn it_says_how_long_it_stood_and_how_long_it_may() {
        assert_eq!(overdue(Stage::Setup, 4_000_000, 3_600_000), "It has been in its set-up for 66 min, and has 60 min for that");
        assert_eq!(overdue(Stage::Running, 7_300_000, 75_000), "It has been running for 2 h, and has 75 s for that");
    }
}
