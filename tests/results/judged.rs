//! The judge of the scoreboard before histories that hold each fault.

use crate::{
    judge::{Findings, Stored, judge},
    record::Line,
    recovery::{Fault, worst},
};
use slipway::wire::TaskState;
use std::collections::BTreeMap;

/// `task attempt word uid` for each line, one second after the other.
fn history(lines: &[&str]) -> Vec<Line> {
    lines.iter().enumerate().map(|(at, text)| Line::read(&format!("{text} {at}.5")).expect("a line")).collect()
}

fn stored(tasks: &[(i64, TaskState, u32)]) -> BTreeMap<i64, Stored> {
    tasks.iter().map(|(task, state, attempt)| (*task, Stored { state: *state, attempt: *attempt })).collect()
}

fn counts(findings: &Findings) -> (usize, usize, usize) {
    (findings.lost.len(), findings.duplicated.len(), findings.false_successes.len())
}

#[test]
fn a_history_without_a_fault_has_no_findings() {
    use TaskState::{Cancelled, Failed, Succeeded};
    let lines =
        history(&["1 1 start a", "2 1 start b", "1 1 end a", "2 2 start c", "2 2 end c", "3 1 start d", "4 1 start e", "4 1 end e"]);
    let stored = stored(&[(1, Succeeded, 1), (2, Succeeded, 2), (3, Failed, 1), (4, Cancelled, 1), (5, Cancelled, 0)]);
    assert_eq!(judge(&[1, 2, 3, 4, 5], &lines, &stored), Findings::default());
}

#[test]
fn a_task_that_is_gone_or_never_ends_is_lost() {
    let lines = history(&["1 1 start a", "1 1 end a"]);
    let findings = judge(&[1, 2, 3], &lines, &stored(&[(2, TaskState::Active, 1), (3, TaskState::Queued, 0)]));
    assert_eq!(counts(&findings), (3, 0, 0));
    assert!(findings.lost[0].contains("task 1: lost; not stored") && findings.lost[0].contains("1 end a 1.5"), "{findings:?}");
}

#[test]
fn what_runs_twice_is_duplicated() {
    let of = |lines: &[&str]| judge(&[1], &history(lines), &stored(&[(1, TaskState::Succeeded, 2)]));
    for (lines, why) in [
        // The first attempt writes after the second has begun.
        (&["1 1 start a", "1 2 start b", "1 1 alive a", "1 2 end b"][..], "attempt 1 ran on after attempt 2"),
        (&["1 2 start b", "1 1 start a", "1 2 end b"][..], "attempt 1 ran on after attempt 2"),
        // One attempt in two processes, and twice in one.
        (&["1 2 start a", "1 2 start b", "1 2 end b"][..], "attempt 2 started twice"),
        (&["1 2 start a", "1 2 alive b", "1 2 end a"][..], "two processes ran attempt 2"),
        (&["1 2 start a", "1 2 end a", "1 2 start a"][..], "attempt 2 started twice"),
    ] {
        let findings = of(lines);
        assert_eq!(counts(&findings), (0, 1, 0), "{lines:?}");
        assert!(findings.duplicated[0].contains(why), "{findings:?}");
    }
    // It was acknowledged to nobody, and no server knows it.
    let findings = judge(&[], &history(&["7 1 start a", "7 1 end a"]), &BTreeMap::new());
    assert_eq!(counts(&findings), (0, 1, 0));
}

#[test]
fn a_success_needs_the_recorded_end_of_its_own_attempt() {
    let of = |lines: &[&str]| judge(&[1], &history(lines), &stored(&[(1, TaskState::Succeeded, 2)]));
    assert_eq!(counts(&of(&["1 1 start a", "1 1 end a", "1 2 start b"])), (0, 0, 1));
    assert_eq!(counts(&of(&["1 2 start b", "1 2 exit:3 b"])), (0, 0, 1));
    assert_eq!(counts(&of(&[])), (0, 0, 1));
    assert_eq!(counts(&of(&["1 2 start b", "1 2 end b"])), (0, 0, 0));
}

#[test]
fn one_task_may_show_every_fault() {
    let lines = history(&["1 1 start a", "1 2 start b", "1 1 alive a", "2 1 start c"]);
    let first = judge(&[1, 2], &lines, &stored(&[(1, TaskState::Succeeded, 2), (2, TaskState::Active, 1)]));
    assert_eq!(counts(&first), (1, 1, 1));
    assert_eq!(first.stories().count(), 3);
    assert_eq!(counts(&first.clone().and(first)), (2, 2, 2));
}

#[test]
fn recovery_counts_from_the_end_of_a_fault_to_the_first_start_that_was_not_under_way() {
    let fault = |began, ended| Fault { began, ended };
    // Of two slots each may have been on its way: the third start proves new work.
    assert_eq!(worst(&[fault(10.0, 11.0)], &[9.0, 11.1, 11.2, 13.5, 20.0], 2), Some(2.5));
    // What strikes again before that counts from its own end.
    assert_eq!(worst(&[fault(10.0, 11.0), fault(11.5, 12.0)], &[11.1, 12.1, 12.2, 13.5], 2), Some(1.5));
    // The worst of several; a fault after which there was nothing left to start says nothing.
    let starts = [1.5, 2.0, 7.0, 8.0, 30.0];
    assert_eq!(worst(&[fault(0.0, 1.0), fault(3.0, 4.0), fault(29.0, 31.0)], &starts, 1), Some(4.0));
    assert_eq!(worst(&[fault(29.0, 31.0)], &starts, 1), None);
}
