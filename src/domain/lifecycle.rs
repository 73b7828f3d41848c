//! The life of a task: one pure transition function that the store applies to every row it changes.
//!
//! ```text
//! waiting ──Due──▶ queued ──Claim──▶ active(attempt n) ──Settle / Lost──▶ ended
//!    ▲                ▲                    │    │
//!    ├── retry, pause ┴──── Return ────────┤    └─ retry
//!    └──── Postpone (from queued) / Hold ──┘
//! ```
//!
//! What has not started can also be cancelled or given up, which ends it.
//!
//! Invariants, held by the property tests below: an ended task never changes; attempt numbers only grow, by one per
//! claim; a phase never goes back; nothing starts twice; `Cancelled` needs a request.

use super::{
    evidence::Evidence,
    ids::AttemptNumber,
    outcome::{AttemptResult, End, Outcome},
    reasons::refine,
    retry::{Next, Spent, next_after},
    state::{FailureClass, Phase, Reason, TaskState},
    task::Retries,
};

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Held back; by what, the caller keeps.
    Waiting,
    /// Ready to be claimed.
    Queued,
    /// Has a live attempt.
    Active(Live),
    /// An array: its elements run in its place, and its state follows theirs.
    Array(TaskState),
    /// Over.
    Ended(End),
}

/// The live attempt of an active task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Whether its agent passed the exclusive start.
    pub started: bool,
    /// The furthest phase reported; `None` until something is.
    pub phase: Option<Phase>,
    /// The first finish, which no later one replaces.
    pub result: Option<Outcome>,
}

impl Live {
    /// The phase as shown.
    #[must_use]
    pub fn shown_phase(&self) -> Phase {
        self.phase.unwrap_or(Phase::Claimed)
    }
}

/// A task's whole life so far, as far as the rules need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    /// The number of the newest attempt, 0 before the first.
    pub attempt: AttemptNumber,
    /// Where it stands.
    pub status: Status,
    /// What the ended attempts cost.
    pub spent: Spent,
    /// What it may cost.
    pub budget: Retries,
    /// Whether somebody asked to stop it.
    pub cancel_requested: bool,
    /// Whether the time that it may take in all is over: then no attempt follows another.
    pub out_of_time: bool,
}

/// Something that happens to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing holds it back any more.
    Due,
    /// Something holds it back although it was ready.
    Postpone,
    /// A runner takes it.
    Claim,
    /// The runner gives it back, or its lease ran out, before the start; no budget is charged.
    Return,
    /// The runner gives it back before the start because it found no place; no budget is charged, and it pauses so that
    /// others pass.
    Hold,
    /// The runner, which started it itself, gives it back because it found no place: all of it is gone, and nothing of it
    /// ever ran. No budget is charged, and it pauses so that others pass.
    Recall,
    /// The agent passes the exclusive start.
    Start,
    /// The agent reports a phase.
    Reach(Phase),
    /// The agent, or the runner in its place, reports the result.
    Finish(AttemptResult),
    /// The log is durable, or was waited for long enough: the stored result counts.
    Settle,
    /// Proof that the attempt is over and left no result.
    Lost(FailureClass, Reason, String),
    /// Somebody asks to stop it. `silent` = the agent has not been heard for long.
    Cancel {
        /// Whether the agent has been silent beyond the limit, so that nobody would carry the request out.
        silent: bool,
    },
    /// An operator gives the attempt up without proof.
    Abandon(String),
    /// The last element of an array ended.
    Gathered(End),
    /// A rule that the task names ends it before its start, or before another start: a time limit, a task that it depended on.
    GiveUp(End, String),
}

/// An event that the task's status does not allow. The task is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {state} does not take {event:?}")]
pub struct Illegal {
    /// The state that refuses.
    pub state: TaskState,
    /// What it refuses.
    pub event: Event,
}

impl Lifecycle {
    /// A task just submitted. `waiting`: whether something holds it back.
    #[must_use]
    pub fn new(budget: Retries, waiting: bool) -> Self {
        let status = if waiting { Status::Waiting } else { Status::Queued };
        Self { attempt: AttemptNumber::NONE, status, spent: Spent::default(), budget, cancel_requested: false, out_of_time: false }
    }

    /// The state as shown.
    #[must_use]
    pub fn state(&self) -> TaskState {
        match &self.status {
            Status::Waiting => TaskState::Waiting,
            Status::Queued => TaskState::Queued,
            Status::Active(_) => TaskState::Active,
            Status::Array(state) => *state,
            Status::Ended(end) => end.state(),
        }
    }

    /// Whether its live attempt counts for limits: it holds its slot until there is a result.
    #[must_use]
    pub fn counts(&self) -> bool {
        matches!(&self.status, Status::Active(Live { result: None, .. }))
    }

    /// The same with a better reason for the stored result, where the evidence names one of the same class.
    #[must_use]
    pub fn refined(mut self, evidence: &Evidence) -> Self {
        if let Status::Active(Live { result: Some(Outcome { end: End::Failed(class, reason), .. }), .. }) = &mut self.status {
            *reason = refine(*class, *reason, evidence).unwrap_or(*reason);
        }
        self
    }

    /// Applies one event. Where the attempt ended, its outcome comes back beside the new status, which then is
    /// `Ended`, or `Waiting` for another attempt.
    pub fn next(mut self, event: Event) -> Result<(Self, Option<Outcome>), Illegal> {
        use Status::{Active, Array, Ended, Queued, Waiting};
        let mut ended = None;
        let gives_up = matches!(event, Event::GiveUp(..));
        self.status = match (self.status, event) {
            (Waiting, Event::Due) => Queued,
            (Queued, Event::Postpone) => Waiting,
            (Queued, Event::Claim) => {
                self.attempt = self.attempt.next();
                Active(Live::default())
            }
            (Active(live), Event::Return) if !live.started => Queued,
            (Active(live), Event::Hold) if !live.started => Waiting,
            (Active(live), Event::Recall)
                if live.started && live.phase <= Some(Phase::Starting) && live.result.is_none() && !self.cancel_requested =>
            {
                Waiting
            }
            (Active(live), Event::Start) if !live.started => {
                Active(Live { started: true, phase: live.phase.max(Some(Phase::Starting)), ..live })
            }
            (Active(live), Event::Reach(phase))
                if live.result.is_none() && phase < Phase::Finishing && (live.started || phase < Phase::Starting) =>
            {
                Active(Live { phase: live.phase.max(Some(phase)), ..live })
            }
            (Active(live), Event::Finish(result)) if live.started => {
                let first = live.result.unwrap_or_else(|| Outcome::of(result, self.cancel_requested));
                Active(Live { phase: Some(Phase::Finishing), result: Some(first), ..live })
            }
            (Active(Live { result: Some(outcome), .. }), Event::Settle | Event::Lost(..) | Event::Abandon(_)) => {
                ended.insert(outcome).end.into()
            }
            (Active(live), Event::Lost(class, reason, message)) => {
                let end = if self.cancel_requested { End::Cancelled } else { End::Failed(class, reason) };
                debug_assert!(live.result.is_none());
                ended.insert(Outcome::without_result(end, message)).end.into()
            }
            (Active(live), Event::Abandon(message)) if live.started => {
                let end = if self.cancel_requested { End::Cancelled } else { End::Failed(FailureClass::Lost, Reason::AttemptLost) };
                ended.insert(Outcome::without_result(end, message)).end.into()
            }
            (Waiting | Queued, Event::Cancel { .. }) => {
                self.cancel_requested = true;
                Ended(End::Cancelled)
            }
            (Waiting | Queued, Event::GiveUp(end, _)) if end != End::Succeeded => {
                self.cancel_requested |= end == End::Cancelled;
                Ended(end)
            }
            (Active(live), Event::GiveUp(end, message)) if !live.started && end != End::Succeeded => {
                self.cancel_requested |= end == End::Cancelled;
                ended.insert(Outcome::without_result(end, message)).end.into()
            }
            (Active(live), Event::Cancel { silent }) if live.result.is_none() => {
                self.cancel_requested = true;
                if silent || !live.started {
                    ended.insert(Outcome::without_result(End::Cancelled, "cancelled")).end.into()
                } else {
                    Active(live)
                }
            }
            // The result is in: a cancel comes too late to change it. No other attempt follows.
            (Active(live), Event::Cancel { .. }) => {
                self.cancel_requested = true;
                Active(live)
            }
            // Its elements are cancelled one by one.
            (Array(state), Event::Cancel { .. }) => {
                self.cancel_requested = true;
                Array(state)
            }
            (Array(_), Event::Gathered(end)) => Ended(end),
            (Array(_), Event::GiveUp(end, _)) if end != End::Succeeded => Ended(end),
            (status, event) => {
                self.status = status;
                return Err(Illegal { state: self.state(), event });
            }
        };
        if let Some(outcome) = &ended {
            let last = self.cancel_requested || self.out_of_time || gives_up;
            let follows = next_after(outcome.end, self.spent, self.budget, last);
            self.spent = outcome.end.class().map_or(self.spent, |class| self.spent.and(class));
            if matches!(follows, Next::Retry { .. }) {
                self.status = Waiting;
            }
        }
        Ok((self, ended))
    }
}

impl From<End> for Status {
    fn from(end: End) -> Self {
        Status::Ended(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::outcome::StoppedBy;
    use proptest::prelude::*;

    fn event() -> impl Strategy<Value = Event> {
        let phase = prop::sample::select(Phase::ALL);
        let result = (prop::option::of(-1..3_i32), prop::option::of(1..16_i32), prop::option::of(prop::sample::select(StoppedBy::ALL)))
            .prop_map(|(exit_code, signal, stopped_by)| AttemptResult { exit_code, signal, stopped_by, ..AttemptResult::default() });
        prop_oneof![
            2 => Just(Event::Due),
            4 => Just(Event::Claim),
            1 => Just(Event::Return),
            1 => Just(Event::Hold),
            1 => Just(Event::Recall),
            4 => Just(Event::Start),
            2 => phase.prop_map(Event::Reach),
            4 => result.prop_map(Event::Finish),
            3 => Just(Event::Settle),
            2 => Just(Event::Lost(FailureClass::Lost, Reason::AttemptLost, String::new())),
            1 => any::<bool>().prop_map(|silent| Event::Cancel { silent }),
            1 => Just(Event::Abandon(String::new())),
            1 => Just(Event::Gathered(End::Succeeded)),
            1 => Just(Event::Postpone),
            1 => prop::sample::select(vec![
                End::Cancelled,
                End::Succeeded,
                End::Failed(FailureClass::Timeout, Reason::NotStartedInTime),
                End::Failed(FailureClass::Infra, Reason::Evicted),
            ]).prop_map(|end| Event::GiveUp(end, String::new())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn no_sequence_of_events_breaks_a_rule(
            events in prop::collection::vec(event(), 0..60), user in 0..3_u32, oom in 0..2_u32, infra in 0..4_u32,
            waiting in any::<bool>(), mut in_time in 0..60_u32,
        ) {
            let mut task = Lifecycle::new(Retries { user, oom, infra }, waiting);
            for event in events {
                in_time = in_time.saturating_sub(1);
                task.out_of_time = in_time == 0;
                let before = task.clone();
                match task.clone().next(event.clone()) {
                    Err(_) => prop_assert_eq!(&task, &before),
                    Ok((after, ended)) => {
                        prop_assert!(!before.state().is_terminal(), "an ended task took {:?}", event);
                        let claimed = u32::from(event == Event::Claim);
                        prop_assert_eq!(after.attempt.0, before.attempt.0 + claimed);
                        prop_assert!(before.cancel_requested <= after.cancel_requested);
                        if let (Status::Active(b), Status::Active(a)) = (&before.status, &after.status) {
                            prop_assert!(b.phase <= a.phase && b.started <= a.started);
                            prop_assert!(b.result.is_none() || b.result == a.result, "a result was replaced");
                        }
                        if let Status::Ended(end) = after.status {
                            prop_assert!(end != End::Cancelled || after.cancel_requested);
                            if end == End::Succeeded {
                                let Status::Active(Live { result: Some(outcome), .. }) = &before.status else {
                                    return Err(TestCaseError::fail("success without a stored result"));
                                };
                                prop_assert_eq!(outcome.result.exit_code, Some(0));
                            }
                        }
                        if let Event::GiveUp(end, _) = event {
                            prop_assert!(after.status == Status::Ended(end), "it was given up, and is {}", after.state());
                            prop_assert!(!matches!(&before.status, Status::Active(live) if live.started), "it had started");
                        }
                        if before.out_of_time && ended.is_some() {
                            prop_assert!(after.state().is_terminal(), "an attempt follows although no time is left");
                        }
                        prop_assert!(after.spent.user <= user + 1 && after.spent.oom <= oom + 1 && after.spent.infra <= infra + 1);
                        let over = matches!((&before.status, &after.status), (Status::Active(_), Status::Ended(_) | Status::Waiting));
                        prop_assert!(ended.is_some() || !over || matches!(event, Event::Hold | Event::Recall));
                        task = after;
                    }
                }
            }
        }
    }

    #[test]
    fn a_cancel_before_the_start_ends_the_task_and_after_it_is_a_request() {
        let queued = Lifecycle::new(Retries::default(), false);
        let (cancelled, _) = queued.clone().next(Event::Cancel { silent: false }).unwrap();
        assert_eq!(cancelled.state(), TaskState::Cancelled);

        let (claimed, _) = queued.next(Event::Claim).unwrap();
        assert_eq!(claimed.clone().next(Event::Cancel { silent: false }).unwrap().0.state(), TaskState::Cancelled);

        let (started, _) = claimed.next(Event::Start).unwrap();
        let (asked, _) = started.next(Event::Cancel { silent: false }).unwrap();
        assert_eq!(asked.state(), TaskState::Active);
        let zero = AttemptResult { exit_code: Some(0), ..AttemptResult::default() };
        let (finished, _) = asked.next(Event::Finish(zero)).unwrap();
        assert_eq!(finished.next(Event::Settle).unwrap().0.state(), TaskState::Succeeded, "it ended by itself first");
    }

    #[test]
    fn a_cancel_that_comes_after_the_result_keeps_it_and_lets_no_other_attempt_follow() {
        let mut task = Lifecycle::new(Retries { user: 5, ..Retries::default() }, false);
        let one = AttemptResult { exit_code: Some(1), ..AttemptResult::default() };
        for event in [Event::Claim, Event::Start, Event::Finish(one), Event::Cancel { silent: false }, Event::Settle] {
            task = task.next(event).unwrap().0;
        }
        assert_eq!(task.state(), TaskState::Failed);
    }

    #[test]
    fn an_array_takes_nothing_but_a_cancel_and_the_end_of_its_elements() {
        let array = Lifecycle { status: Status::Array(TaskState::Queued), ..Lifecycle::new(Retries::default(), false) };
        for event in [Event::Due, Event::Claim, Event::Return, Event::Start, Event::Settle, Event::Abandon(String::new())] {
            assert!(array.clone().next(event.clone()).is_err(), "{event:?}");
        }
        let (asked, _) = array.next(Event::Cancel { silent: false }).unwrap();
        assert_eq!((asked.state(), asked.cancel_requested), (TaskState::Queued, true));
        assert_eq!(asked.next(Event::Gathered(End::Cancelled)).unwrap().0.state(), TaskState::Cancelled);
    }

    #[test]
    fn a_lost_attempt_is_retried_within_its_budget() {
        let mut task = Lifecycle::new(Retries { infra: 1, ..Retries::default() }, false);
        for expected in [TaskState::Waiting, TaskState::Failed] {
            for event in [Event::Due, Event::Claim, Event::Start] {
                task = task.clone().next(event).map_or(task, |(next, _)| next);
            }
            task = task.next(Event::Lost(FailureClass::Lost, Reason::AttemptLost, "gone".into())).unwrap().0;
            assert_eq!(task.state(), expected);
        }
        assert_eq!(task.attempt, AttemptNumber(2));
    }
}
