//! What to do, from what is seen on this machine and what the server holds. Pure.

use crate::wire::{AttemptRef, FailureClass, FinishRequest, Hold, Proof, Reason, ReportItem, ReportKind, Verdict};
use std::collections::BTreeSet;
use uuid::Uuid;

/// How often an agent is started for an attempt that it does not get to start.
const LAUNCHES: u32 = 3;

/// An attempt of this data directory, as it was seen just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) of: AttemptRef,
    pub(super) claim: Uuid,
    pub(super) uid: String,
    /// Whether the machine has not restarted since it was begun.
    pub(super) same_boot: bool,
    /// Whether an agent holds its lock.
    pub(super) locked: bool,
    /// Whether any process carries its marker or works in its directory; not looked for where every lock is held.
    pub(super) processes: bool,
    /// What its agent left behind.
    pub(super) result: Option<FinishRequest>,
    /// How often an agent was started for it.
    pub(super) launches: u32,
    /// What the server says of it, where it was asked: about those it does not hold for us.
    pub(super) verdict: Option<Verdict>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Make its directory and start an agent.
    Begin(Box<Hold>),
    /// Start another agent in its directory, with this start token.
    Relaunch(AttemptRef, String),
    /// Kill everything that belongs to it; then look again.
    Kill(AttemptRef),
    /// Tell the server.
    Report(Box<ReportItem>),
    /// Remove its directory.
    Remove(AttemptRef),
    /// The server has never heard of it: leave it, and say so once.
    Strange(AttemptRef),
}

/// Compares what is seen with what the server holds for this runner. `overdue` are the attempts whose cancel nobody
/// carried out in time.
///
/// Nothing is reported as ended that still has a lock or a process: killing comes first, and the report only after
/// another look. An attempt that is held, started, and not in this directory belongs to somebody else.
pub(super) fn plan(observed: &[Observed], held: &[Hold], overdue: &BTreeSet<AttemptRef>) -> Vec<Action> {
    let of = |hold: &Hold| AttemptRef { task: hold.task, attempt: hold.attempt };
    let held_actions = held.iter().filter_map(|hold| match observed.iter().find(|o| o.of == of(hold)) {
        Some(seen) => for_held(seen, hold, overdue.contains(&seen.of)),
        None => (hold.uid.is_none() && hold.start_token.is_some()).then(|| Action::Begin(Box::new(hold.clone()))),
    });
    let rest = observed.iter().filter(|seen| !held.iter().any(|hold| of(hold) == seen.of));
    held_actions.chain(rest.filter_map(for_rest)).collect()
}

fn for_held(seen: &Observed, hold: &Hold, overdue: bool) -> Option<Action> {
    let report = |uid: Option<&String>, kind| {
        let uid = uid.cloned();
        Some(Action::Report(Box::new(ReportItem { uid, ..ReportItem::new(hold.task, hold.attempt, hold.claim, kind) })))
    };
    let us = Some(&seen.uid);
    let ours = hold.uid.as_ref().is_some_and(|uid| *uid == seen.uid);
    if hold.uid.is_some() && !ours {
        return None;
    }
    if overdue && (seen.locked || seen.processes) {
        return Some(Action::Kill(seen.of));
    }
    if seen.locked {
        return None;
    }
    // With a result it did start, whatever the server knew when it was asked.
    let started = ours || seen.result.is_some();
    match (started, seen.processes) {
        (true, true) => Some(Action::Kill(seen.of)),
        (true, false) => match &seen.result {
            Some(result) => report(us, ReportKind::Finish { result: result.clone() }),
            None if seen.same_boot => report(us, ended(FailureClass::Lost, Reason::AttemptLost, "the agent died without leaving a result")),
            None => report(us, ended(FailureClass::Infra, Reason::NodeLost, "the machine restarted")),
        },
        // An agent on its way to the lock.
        (false, true) => None,
        (false, false) => match &hold.start_token {
            Some(token) if seen.launches < LAUNCHES => Some(Action::Relaunch(seen.of, token.clone())),
            _ => report(None, ended(FailureClass::Infra, Reason::AgentNotStarted, "the agent ended before it could start the attempt")),
        },
    }
}

fn ended(class: FailureClass, reason: Reason, message: &str) -> ReportKind {
    ReportKind::Ended { class, reason, message: message.to_owned(), proof: Proof::Seen }
}

fn for_rest(seen: &Observed) -> Option<Action> {
    match seen.verdict? {
        // Another runner's name carries it now, or the server has just begun to: no business of this round.
        Verdict::Live => None,
        Verdict::Unknown => Some(Action::Strange(seen.of)),
        // It has said its last word and is about to go.
        Verdict::Ended if seen.locked && seen.result.is_some() => None,
        Verdict::Ended | Verdict::Superseded if seen.locked || seen.processes => Some(Action::Kill(seen.of)),
        Verdict::Ended | Verdict::Superseded => Some(Action::Remove(seen.of)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{AttemptNumber, Phase, QueueName, Resources, TaskId};

    /// What it is, what is seen, what is held, what to do.
    type Row<'a> = (&'a str, Option<Observed>, Option<&'a Hold>, Option<Action>);

    const OF: AttemptRef = AttemptRef { task: TaskId(7), attempt: AttemptNumber(2) };

    /// A dead attempt of ours, begun in this life of the machine.
    fn seen() -> Observed {
        Observed {
            of: OF,
            claim: Uuid::nil(),
            uid: "us".into(),
            same_boot: true,
            locked: false,
            processes: false,
            result: None,
            launches: 1,
            verdict: None,
        }
    }

    fn alive() -> Observed {
        Observed { locked: true, processes: true, ..seen() }
    }

    fn with_result(seen: Observed) -> Observed {
        Observed { result: Some(FinishRequest { exit_code: Some(0), ..FinishRequest::default() }), ..seen }
    }

    fn found(verdict: Verdict, seen: Observed) -> Observed {
        Observed { verdict: Some(verdict), ..seen }
    }

    fn held(uid: Option<&str>) -> Hold {
        Hold {
            task: OF.task,
            attempt: OF.attempt,
            claim: Uuid::nil(),
            uid: uid.map(str::to_owned),
            instance: None,
            phase: Phase::Claimed,
            start_token: uid.is_none().then(|| "token".to_owned()),
            queue: QueueName::default(),
            resources: Resources::default(),
            finished: false,
            job: None,
        }
    }

    fn report(uid: Option<&str>, kind: ReportKind) -> Action {
        Action::Report(Box::new(ReportItem { uid: uid.map(str::to_owned), ..ReportItem::new(OF.task, OF.attempt, Uuid::nil(), kind) }))
    }

    fn gone(class: FailureClass, reason: Reason) -> impl Fn(&Action) -> bool {
        move |action| matches!(action, Action::Report(item) if matches!(item.kind, ReportKind::Ended { class: c, reason: r, .. } if (c, r) == (class, reason)))
    }

    #[test]
    fn each_sight_has_its_answer() {
        let (us, us_held, theirs, new) = (Some("us"), held(Some("us")), held(Some("them")), held(None));
        let finish = || report(us, ReportKind::Finish { result: with_result(seen()).result.unwrap() });
        let token = || "token".to_owned();
        let table: Vec<Row<'_>> = vec![
            ("held, not here, not started", None, Some(&new), Some(Action::Begin(Box::new(new.clone())))),
            ("held, started elsewhere", None, Some(&us_held), None),
            ("adopted", Some(alive()), Some(&us_held), None),
            ("adopted before its start", Some(alive()), Some(&new), None),
            ("its agent is on its way to the lock", Some(Observed { processes: true, ..seen() }), Some(&new), None),
            ("its agent is dead before the start", Some(seen()), Some(&new), Some(Action::Relaunch(OF, token()))),
            ("dead, but leftovers live", Some(Observed { processes: true, ..seen() }), Some(&us_held), Some(Action::Kill(OF))),
            (
                "leftovers live beside a result",
                Some(with_result(Observed { processes: true, ..seen() })),
                Some(&us_held),
                Some(Action::Kill(OF)),
            ),
            ("dead with a result", Some(with_result(seen())), Some(&us_held), Some(finish())),
            ("dead with a result that the server has not seen start", Some(with_result(seen())), Some(&new), Some(finish())),
            ("a result outlives a restart", Some(with_result(Observed { same_boot: false, ..seen() })), Some(&us_held), Some(finish())),
            ("started by another uid", Some(seen()), Some(&theirs), None),
            ("over for the server", Some(found(Verdict::Ended, seen())), None, Some(Action::Remove(OF))),
            ("over, and its agent about to go", Some(found(Verdict::Ended, with_result(alive()))), None, None),
            ("over, and its command runs on", Some(found(Verdict::Ended, alive())), None, Some(Action::Kill(OF))),
            ("superseded and alive", Some(found(Verdict::Superseded, with_result(alive()))), None, Some(Action::Kill(OF))),
            ("superseded and dead", Some(found(Verdict::Superseded, seen())), None, Some(Action::Remove(OF))),
            ("unknown", Some(found(Verdict::Unknown, alive())), None, Some(Action::Strange(OF))),
            ("live, only not ours", Some(found(Verdict::Live, alive())), None, None),
            ("not asked about", Some(seen()), None, None),
        ];
        for (what, seen, hold, expected) in table {
            let actions = plan(seen.as_slice(), &hold.cloned().into_iter().collect::<Vec<_>>(), &BTreeSet::new());
            assert_eq!(actions, expected.into_iter().collect::<Vec<_>>(), "{what}");
        }
    }

    #[test]
    fn an_end_without_result_says_whose_fault_it_is() {
        let end = |seen: Observed, hold: Hold| plan(&[seen], &[hold], &BTreeSet::new()).remove(0);
        let lost = gone(FailureClass::Lost, Reason::AttemptLost);
        assert!(lost(&end(seen(), held(Some("us")))));
        let node = gone(FailureClass::Infra, Reason::NodeLost);
        assert!(node(&end(Observed { same_boot: false, ..seen() }, held(Some("us")))));
        let agent = gone(FailureClass::Infra, Reason::AgentNotStarted);
        assert!(agent(&end(Observed { launches: 3, ..seen() }, held(None))));
    }

    #[test]
    fn an_overdue_cancel_kills_first_and_reports_after_another_look() {
        let overdue = BTreeSet::from([OF]);
        assert_eq!(plan(&[alive()], &[held(Some("us"))], &overdue), [Action::Kill(OF)]);
        assert!(gone(FailureClass::Lost, Reason::AttemptLost)(&plan(&[seen()], &[held(Some("us"))], &overdue)[0]));
        let them = held(Some("them"));
        assert_eq!(plan(&[alive()], &[them], &overdue), []);
    }
}
