//! Where a task's time went: from its events to spans, from the spans to a ledger. Pure.

use super::{
    AttemptNumber, UnixMs,
    state::{Phase, TaskState, words},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

words!(
    /// What a task does, or waits for, during a span.
    Stretch {
        /// It is held back: by tasks that it depends on, a time of day, or a pause before the next attempt.
        Waiting = "waiting",
        /// It stands in its queue.
        Queued = "queued",
        /// A runner has it and makes what it runs in.
        Claimed = "claimed",
        /// No node has taken its pod.
        Scheduling = "scheduling",
        /// A node pulls its image.
        Pulling = "pulling",
        /// The agent starts.
        Starting = "starting",
        /// The agent prepares code and environment.
        Setup = "setup",
        /// The command runs.
        Running = "running",
        /// The result is stored, the rest of the log is on its way.
        Finishing = "finishing",
    }
);

impl Stretch {
    const fn of(phase: Phase) -> Option<Self> {
        Some(match phase {
            Phase::Claimed => Self::Claimed,
            Phase::Scheduling => Self::Scheduling,
            Phase::Pulling => Self::Pulling,
            Phase::Starting => Self::Starting,
            Phase::Setup => Self::Setup,
            Phase::Running => Self::Running,
            Phase::Finishing => Self::Finishing,
            Phase::Ended => return None,
        })
    }
}

/// One event, as far as it moves a task from one stretch to the next.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// When.
    pub at: UnixMs,
    /// What, as a word of `wire::EventKind`.
    pub kind: &'a str,
    /// Of which attempt.
    pub attempt: Option<AttemptNumber>,
    /// The phase of `attempt.phase`.
    pub phase: Option<Phase>,
    /// Whether an attempt that was returned found no place, so that its task is held for a while.
    pub held: bool,
}

/// A stretch of a task's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// What it is.
    pub what: Stretch,
    /// The attempt that was out; none while none was.
    pub attempt: Option<AttemptNumber>,
    /// Its begin.
    pub from: UnixMs,
    /// Its end; none while it goes on.
    pub to: Option<UnixMs>,
}

impl Span {
    /// How long it took, or takes at `now`, in ms.
    #[must_use]
    pub fn ms(&self, now: UnixMs) -> u64 {
        u64::try_from(self.to.unwrap_or(now).0.saturating_sub(self.from.0)).unwrap_or(0)
    }
}

/// The life of a task, from its events, oldest first; it stands in `state` now. Spans follow each other without gaps; those without
/// a length are left out, but for the one that goes on.
#[must_use]
pub fn spans(moments: &[Moment<'_>], state: TaskState) -> Vec<Span> {
    let mut all: Vec<Span> = Vec::new();
    for moment in moments {
        let attempt = moment.attempt;
        let next = match moment.kind {
            "task.submitted" => Some((Stretch::Queued, None)),
            "task.queued" => {
                // Whoever has to be put into a queue was not in it before.
                held(&mut all);
                Some((Stretch::Queued, None))
            }
            "attempt.claimed" => Some((Stretch::Claimed, attempt)),
            "attempt.started" => Some((Stretch::Starting, attempt)),
            "attempt.phase" => moment.phase.and_then(Stretch::of).map(|what| (what, attempt)),
            "attempt.returned" => Some((if moment.held { Stretch::Waiting } else { Stretch::Queued }, None)),
            "attempt.ended" | "attempt.abandoned" | "attempt.superseded" => Some((Stretch::Waiting, None)),
            "task.ended" => {
                close(&mut all, moment.at);
                continue;
            }
            _ => None,
        };
        let Some((what, attempt)) = next else { continue };
        let same = all.last().is_some_and(|last| (last.what, last.attempt, last.to) == (what, attempt, None));
        if !same {
            close(&mut all, moment.at);
            all.push(Span { what, attempt, from: moment.at, to: None });
        }
    }
    if state == TaskState::Waiting {
        held(&mut all);
    }
    all.retain(|span| span.to.is_none_or(|to| to > span.from));
    all
}

fn close(all: &mut [Span], at: UnixMs) {
    if let Some(last) = all.last_mut().filter(|last| last.to.is_none()) {
        last.to = Some(at.max(last.from));
    }
}

fn held(all: &mut [Span]) {
    if let Some(last) = all.last_mut().filter(|last| last.to.is_none() && last.what == Stretch::Queued) {
        last.what = Stretch::Waiting;
    }
}

/// What a task's time went to, in ms; all but `total_ms` and `gpu_idle_ms` add up to `total_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// From the submit to the end, or to now.
    pub total_ms: u64,
    /// Held back: by tasks that it depends on, a time of day, or a pause between two attempts.
    pub waiting_ms: u64,
    /// In its queue.
    pub queued_ms: u64,
    /// Until its newest attempt had a node.
    pub placing_ms: u64,
    /// While a node pulled its image.
    pub pulling_ms: u64,
    /// While container and agent started.
    pub starting_ms: u64,
    /// While code and environment were prepared.
    pub setup_ms: u64,
    /// While the command of the newest attempt ran.
    pub running_ms: u64,
    /// From the command's end until the result and the log were stored.
    pub finishing_ms: u64,
    /// In attempts before the newest one: what was done anew.
    pub lost_ms: u64,
    /// Time of GPUs that the newest attempt held and did not use: of each GPU the share in which it was not busy. Absent where nobody
    /// measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_idle_ms: Option<u64>,
}

/// The sums of spans, as of `now`. Attempts before `newest` count as lost.
#[must_use]
pub fn ledger(spans: &[Span], newest: AttemptNumber, now: UnixMs) -> Ledger {
    let mut sums = Ledger::default();
    for span in spans {
        let ms = span.ms(now);
        sums.total_ms += ms;
        let sum = match (span.attempt, span.what) {
            (Some(attempt), _) if attempt < newest => &mut sums.lost_ms,
            (_, Stretch::Waiting) => &mut sums.waiting_ms,
            (_, Stretch::Queued) => &mut sums.queued_ms,
            (_, Stretch::Claimed | Stretch::Scheduling) => &mut sums.placing_ms,
            (_, Stretch::Pulling) => &mut sums.pulling_ms,
            (_, Stretch::Starting) => &mut sums.starting_ms,
            (_, Stretch::Setup) => &mut sums.setup_ms,
            (_, Stretch::Running) => &mut sums.running_ms,
            (_, Stretch::Finishing) => &mut sums.finishing_ms,
        };
        *sum += ms;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moment(at: i64, kind: &'static str, attempt: u32, phase: Option<Phase>) -> Moment<'static> {
        let attempt = (attempt > 0).then_some(AttemptNumber(attempt));
        Moment { at: UnixMs(at), kind, attempt, phase, held: false }
    }

    fn told(moments: &[Moment<'_>], state: TaskState) -> Vec<String> {
        let of = |span: &Span| {
            let attempt = span.attempt.map(|n| format!("/{n}")).unwrap_or_default();
            format!("{}{attempt} {}..{}", span.what, span.from.0, span.to.map(|to| to.0.to_string()).unwrap_or_default())
        };
        spans(moments, state).iter().map(of).collect()
    }

    #[test]
    fn a_life_with_a_retry_is_told_without_gaps() {
        let life = [
            moment(0, "task.submitted", 0, None),
            moment(50, "task.queued", 0, None),
            moment(100, "attempt.claimed", 1, None),
            moment(110, "attempt.phase", 1, Some(Phase::Scheduling)),
            moment(200, "attempt.phase", 1, Some(Phase::Pulling)),
            moment(300, "attempt.started", 1, None),
            moment(300, "attempt.phase", 1, Some(Phase::Starting)),
            moment(320, "attempt.phase", 1, Some(Phase::Setup)),
            moment(400, "task.changed", 0, None),
            moment(450, "attempt.phase", 1, Some(Phase::Running)),
            moment(700, "attempt.ended", 1, None),
            moment(900, "task.queued", 0, None),
            moment(900, "attempt.claimed", 2, None),
            moment(910, "attempt.started", 2, None),
            moment(920, "attempt.phase", 2, Some(Phase::Running)),
            moment(1_000, "attempt.phase", 2, Some(Phase::Finishing)),
            moment(1_010, "task.ended", 2, None),
        ];
        let expected = [
            "waiting 0..50",
            "queued 50..100",
            "claimed/1 100..110",
            "scheduling/1 110..200",
            "pulling/1 200..300",
            "starting/1 300..320",
            "setup/1 320..450",
            "running/1 450..700",
            "waiting 700..900",
            "claimed/2 900..910",
            "starting/2 910..920",
            "running/2 920..1000",
            "finishing/2 1000..1010",
        ];
        assert_eq!(told(&life, TaskState::Succeeded), expected);
        let sums = ledger(&spans(&life, TaskState::Succeeded), AttemptNumber(2), UnixMs(9_999));
        let known = Ledger {
            total_ms: 1_010,
            waiting_ms: 250,
            queued_ms: 50,
            placing_ms: 10,
            starting_ms: 10,
            running_ms: 80,
            finishing_ms: 10,
            lost_ms: 600,
            ..Ledger::default()
        };
        assert_eq!(sums, known);
    }

    #[test]
    fn what_goes_on_is_open() {
        let submitted = moment(0, "task.submitted", 0, None);
        assert_eq!(told(&[submitted], TaskState::Queued), ["queued 0.."]);
        assert_eq!(told(&[submitted], TaskState::Waiting), ["waiting 0.."]);
        let mut returned = moment(9, "attempt.returned", 1, None);
        let claimed = moment(5, "attempt.claimed", 1, None);
        assert_eq!(told(&[submitted, claimed, returned], TaskState::Queued), ["queued 0..5", "claimed/1 5..9", "queued 9.."]);
        returned.held = true;
        assert_eq!(told(&[submitted, claimed, returned], TaskState::Waiting), ["queued 0..5", "claimed/1 5..9", "waiting 9.."]);
        assert_eq!(ledger(&spans(&[submitted, claimed], TaskState::Active), AttemptNumber(1), UnixMs(20)).placing_ms, 15);
        assert!(spans(&[], TaskState::Succeeded).is_empty());
    }

    proptest! {
        #[test]
        fn the_sums_are_the_whole(kinds in prop::collection::vec((0..8_usize, 0..500_i64, 1..4_u32), 0..40)) {
            let names = ["task.submitted", "task.queued", "attempt.claimed", "attempt.started", "attempt.phase", "attempt.returned", "attempt.ended", "task.changed"];
            let mut at = 0;
            let moments: Vec<_> = kinds.iter().map(|(kind, after, attempt)| {
                at += after;
                moment(at, names[*kind], *attempt, Some(Phase::Running))
            }).collect();
            let all = spans(&moments, TaskState::Active);
            for pair in all.windows(2) {
                prop_assert_eq!(pair[0].to, Some(pair[1].from));
            }
            let sums = ledger(&all, AttemptNumber(2), UnixMs(at));
            let Ledger { total_ms, waiting_ms, queued_ms, placing_ms, pulling_ms, starting_ms, setup_ms, running_ms, finishing_ms, lost_ms, .. } = sums;
            prop_assert_eq!(total_ms, waiting_ms + queued_ms + placing_ms + pulling_ms + starting_ms + setup_ms + running_ms + finishing_ms + lost_ms);
            let began = all.first().map_or(at, |first| first.from.0);
            prop_assert_eq!(i64::try_from(total_ms).unwrap(), at - began);
        }
    }
}
