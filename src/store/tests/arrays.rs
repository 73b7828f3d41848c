//! Arrays: the throttle, the counts, the end with the last element.

use super::{
    depth::{report, timed},
    harness::{Rig, claim, exit, lost, spec},
};
use crate::{
    domain::{ArraySpec, ElementCounts, EventId, FailureClass, Indices, Reason, Retries, TaskId, TaskSpec, TaskState, UnixMs, fingerprint},
    store::{
        Cancel, Cascade, Chore, Claim, EventFilter, Finish, ForgetAwaited, NewTask, Patch, Place, Release, Report, Submit, Submitted,
        TaskFilter, TaskRecord, Unblock, Wake,
    },
};
use secrecy::ExposeSecret;
use std::collections::BTreeMap;

impl Rig {
    pub(super) async fn submit_new(&self, task: NewTask) -> Submitted {
        self.store.run(Submit { user: "ada".into(), tasks: vec![task], idempotency: None }).await.unwrap()
    }

    pub(super) async fn array(&self, indices: &str, max_parallel: Option<u32>, spec: TaskSpec) -> TaskId {
        let indices: Indices = indices.parse().unwrap();
        let array = ArraySpec { size: indices.count(), indices, max_parallel };
        match self.submit_new(NewTask { array: Some(array), ..NewTask::new(spec) }).await {
            Submitted::New(ids, _) => ids[0],
            other => panic!("not stored: {other:?}"),
        }
    }

    pub(super) async fn record(&self, task: TaskId) -> TaskRecord {
        self.store.task(task).await.unwrap().unwrap()
    }

    pub(super) async fn counts(&self, array: TaskId) -> ElementCounts {
        match self.record(array).await.place {
            Some(Place::Array(array)) => array.counts,
            other => panic!("no array: {other:?}"),
        }
    }

    /// Rounds of the clockwork until nothing is due.
    pub(super) async fn settle(&self) {
        loop {
            let due = self.store.due(UnixMs(0)).await.unwrap();
            for task in &due.waiting {
                self.store.run(Wake(*task)).await.unwrap();
            }
            for task in &due.unblocked {
                self.store.run(Unblock(*task)).await.unwrap();
            }
            for chore in &due.chores {
                match chore {
                    Chore::ForgetAwaited => self.store.run(ForgetAwaited).await.unwrap(),
                    Chore::Release => self.store.run(Release).await.unwrap(),
                    Chore::Cascade => drop(self.store.run(Cascade).await.unwrap()),
                    Chore::Age => {}
                }
            }
            if due.waiting.is_empty() && due.unblocked.is_empty() && due.chores.is_empty() {
                return;
            }
        }
    }

    /// The next task runs and ends with `code`.
    pub(super) async fn run_next(&self, code: i32) -> TaskId {
        let (attempt, hash, _) = self.running().await;
        self.finish(attempt, hash, code, Some(true)).await.unwrap();
        attempt.task
    }

    pub(super) async fn cancel(&self, task: TaskId) -> TaskState {
        self.store.run(Cancel { task, by: "ada".into(), silent: false }).await.unwrap().unwrap().state
    }

    /// The kinds of the events of a task.
    pub(super) async fn told(&self, task: TaskId) -> Vec<String> {
        let filter = EventFilter { task: Some(task) };
        let events = self.store.events_after(EventId(0), &filter, 1_000).await.unwrap();
        events.into_iter().map(|event| event.kind).collect()
    }

    /// That the counts of an array are those of its rows, and that its throttle holds; answers them.
    pub(super) async fn checked(&self, array: TaskId) -> ElementCounts {
        let record = self.record(array).await;
        let Some(Place::Array(of)) = record.place else { panic!("no array") };
        let filter = TaskFilter { parent: Some(array), limit: 10_001, ..TaskFilter::default() };
        let (elements, more) = self.store.tasks(&filter).await.unwrap();
        assert!(!more);
        let of_state = |state| u32::try_from(elements.iter().filter(|e| e.state == state).count()).unwrap();
        let rows = ElementCounts {
            waiting: of_state(TaskState::Waiting),
            queued: of_state(TaskState::Queued),
            active: of_state(TaskState::Active),
            succeeded: of_state(TaskState::Succeeded),
            failed: of_state(TaskState::Failed),
            cancelled: of_state(TaskState::Cancelled),
        };
        assert_eq!(of.counts, rows, "the counts are those of the rows");
        assert_eq!(record.state, rows.state());
        assert_eq!(record.finished_at.is_some(), rows.open() == 0, "it ends with its last element");
        let mut throttled = 0;
        for element in elements.iter().filter(|e| e.state == TaskState::Waiting) {
            throttled += u32::from(self.store.waits(element.id).await.unwrap().unwrap().throttled);
        }
        let out = rows.open() - throttled;
        assert!(of.spec.max_parallel.is_none_or(|most| out <= most), "{out} are out");
        rows
    }
}

#[tokio::test]
async fn elements_have_consecutive_ids_and_their_own_indices() {
    let rig = Rig::new().await;
    rig.submit(spec()).await;
    let described = TaskSpec { name: Some("sweep".into()), labels: [("a".to_owned(), "b".to_owned())].into(), ..spec() };
    let array = rig.array("3-5,9", Some(2), described.clone()).await;
    let after = rig.submit(spec()).await;
    assert_eq!(after.0, array.0 + 5, "four elements lie between");
    let (elements, _) = rig.store.tasks(&TaskFilter { parent: Some(array), limit: 10, ..TaskFilter::default() }).await.unwrap();
    let places: Vec<_> = elements.iter().map(|e| (e.id.0 - array.0, e.place.clone().unwrap(), e.state)).collect();
    let at = |index| Place::Element { index, size: 4 };
    assert_eq!(
        places,
        [(1, at(3), TaskState::Queued), (2, at(4), TaskState::Queued), (3, at(5), TaskState::Waiting), (4, at(9), TaskState::Waiting)]
    );
    assert!(elements.iter().all(|e| e.spec == described && e.parent == Some(array)));
    assert_eq!(rig.store.element(array, 9).await.unwrap(), Some(TaskId(array.0 + 4)));
    assert_eq!(rig.store.element(array, 6).await.unwrap(), None);
    assert_eq!(rig.store.element(after, 0).await.unwrap(), None);

    // A list shows the array and not its elements, unless it is asked for them.
    let listed = |elements, states: &[TaskState]| TaskFilter { elements, states: states.to_vec(), limit: 10, ..TaskFilter::default() };
    for (filter, rows) in [
        (listed(false, &[]), 3),
        (listed(true, &[]), 7),
        (listed(false, &[TaskState::Queued]), 3),
        (listed(true, &[TaskState::Queued]), 5),
        (listed(false, &[TaskState::Waiting]), 0),
        (listed(true, &[TaskState::Waiting]), 2),
        (listed(false, &[TaskState::Queued, TaskState::Waiting, TaskState::Active]), 3),
    ] {
        assert_eq!(rig.store.tasks(&filter).await.unwrap().0.len(), rows, "{filter:?}");
    }
}

#[tokio::test]
async fn an_array_is_never_claimed_and_ends_with_its_last_element() {
    let rig = Rig::new().await;
    let array = rig.array("0-3", None, TaskSpec { retries: Retries { user: 0, oom: 0, infra: 0 }, ..spec() }).await;
    assert_eq!(rig.state(array).await, TaskState::Queued);
    for (code, state) in [(0, TaskState::Queued), (7, TaskState::Queued), (0, TaskState::Queued)] {
        assert_ne!(rig.run_next(code).await, array);
        assert_eq!(rig.state(array).await, state);
    }
    let (attempt, hash, _) = rig.running().await;
    assert_eq!(rig.state(array).await, TaskState::Active);
    rig.finish(attempt, hash, 8, Some(true)).await.unwrap();
    let ended = rig.record(array).await;
    let (outcome, _) = ended.ended.clone().unwrap();
    assert_eq!(
        (ended.state, outcome.end.class(), outcome.end.reason()),
        (TaskState::Failed, Some(FailureClass::User), Some(Reason::ExitNonZero))
    );
    assert_eq!(outcome.result.message, Some(format!("2 of 4 elements failed: {array}_1, {array}_3")));
    assert!(ended.started_at.is_some() && ended.finished_at.is_some());
    assert_eq!(rig.told(array).await, ["task.submitted", "task.ended"]);
    assert!(rig.claim(5).await.is_empty());
}

#[tokio::test]
async fn the_next_element_follows_the_one_that_ends_and_a_pause_keeps_its_slot() {
    let rig = Rig::new().await;
    let array = rig.array("0-4", Some(2), TaskSpec { retries: Retries { user: 1, oom: 0, infra: 0 }, ..spec() }).await;
    rig.settle().await;
    assert_eq!(rig.checked(array).await, ElementCounts { waiting: 3, queued: 2, ..ElementCounts::default() });
    // The first fails and pauses: nobody takes its place.
    let first = rig.run_next(1).await;
    rig.settle().await;
    assert_eq!(rig.checked(array).await, ElementCounts { waiting: 4, queued: 1, ..ElementCounts::default() });
    let second = rig.run_next(0).await;
    assert_eq!((first.0, second.0), (array.0 + 1, array.0 + 2));
    rig.settle().await;
    assert_eq!(rig.state(TaskId(array.0 + 3)).await, TaskState::Queued, "the lowest index is next");
    assert_eq!(rig.checked(array).await, ElementCounts { waiting: 3, queued: 1, succeeded: 1, ..ElementCounts::default() });
    // One that is cancelled while it waits for a slot frees none.
    rig.cancel(TaskId(array.0 + 5)).await;
    rig.settle().await;
    assert_eq!(rig.checked(array).await, ElementCounts { waiting: 2, queued: 1, succeeded: 1, cancelled: 1, ..ElementCounts::default() });
    // One that is cancelled in its slot frees it.
    rig.cancel(TaskId(array.0 + 3)).await;
    rig.settle().await;
    assert_eq!(rig.state(TaskId(array.0 + 4)).await, TaskState::Queued);
    rig.pass(60_000);
    rig.settle().await;
    for code in [0, 0] {
        rig.run_next(code).await;
    }
    assert_eq!(rig.checked(array).await, ElementCounts { succeeded: 3, cancelled: 2, ..ElementCounts::default() });
    let message = rig.record(array).await.ended.unwrap().0.result.message;
    assert_eq!((rig.state(array).await, message.as_deref()), (TaskState::Cancelled, Some("2 of 5 elements were cancelled")));
}

#[tokio::test]
async fn whatever_happens_the_throttle_holds_and_the_counts_are_those_of_the_rows() {
    for seed in 0..10 {
        let mut dice = Dice(seed * 7919 + 1);
        let mut rig = Rig::new().await;
        let retries = Retries { user: 2, oom: 0, infra: 2 };
        let sizes: Vec<(u32, u32)> = (0..3).map(|_| (1 + small(&mut dice, 13), 1 + small(&mut dice, 5))).collect();
        let mut arrays = Vec::new();
        for (size, most) in sizes {
            let indices = format!("0-{}", size - 1);
            arrays.push(rig.array(&indices, (most < 5).then_some(most), TaskSpec { retries, ..spec() }).await);
        }
        let mut live = BTreeMap::new();
        for step in 0..400 {
            let array = arrays[usize::try_from(dice.below(3)).unwrap()];
            let element = TaskId(array.0 + 1 + i64::from(small(&mut dice, 13)));
            let claimed = live.keys().copied().nth(usize::try_from(dice.below(u64::try_from(live.len().max(1)).unwrap())).unwrap());
            match (dice.below(20), claimed) {
                (0..6, _) => {
                    let op = Claim { max: 1 + small(&mut dice, 3), ..claim(1) };
                    let id = op.claim;
                    for attempt in rig.store.run(op).await.unwrap() {
                        assert!(!arrays.contains(&attempt.task), "an array is never claimed");
                        let token = rig.start(&attempt, "pod").await.unwrap();
                        live.insert(attempt.task, (attempt.attempt, fingerprint(token.expose_secret()), id));
                    }
                }
                (6..10, Some(task)) => {
                    let (attempt, token_hash, _) = live.remove(&task).unwrap();
                    let result = exit(i32::from(dice.below(2) == 1));
                    let finish = Finish { task, attempt, token_hash, result, log: (0, 0), notes: None, settled: Some(true) };
                    rig.store.run(finish).await.unwrap().unwrap();
                }
                (10..12, Some(task)) => {
                    let (attempt, _, claim) = live.remove(&task).unwrap();
                    let report = Report { task, attempt, claim, uid: Some("pod".into()), evidence: None, reporting: lost(true) };
                    rig.store.run(report).await.unwrap();
                }
                (12, _) if rig.store.task(element).await.unwrap().is_some_and(|t| t.parent.is_some()) => drop(rig.cancel(element).await),
                (13, _) if step > 200 => drop(rig.cancel(array).await),
                (14, _) => rig = rig.reopened().await,
                (15, _) => rig.pass(3_000),
                _ => rig.settle().await,
            }
            if step % 10 == 0 {
                rig.checked(array).await;
            }
        }
        for array in &arrays {
            rig.cancel(*array).await;
        }
        rig.settle().await;
        for (task, (attempt, token_hash, _)) in live {
            let finish = Finish { task, attempt, token_hash, result: exit(0), log: (0, 0), notes: None, settled: Some(true) };
            rig.store.run(finish).await.unwrap().unwrap();
        }
        for array in arrays {
            assert_eq!(rig.checked(array).await.open(), 0, "seed {seed}");
            let ends = rig.told(array).await.iter().filter(|kind| *kind == "task.ended").count();
            assert_eq!(ends, 1, "it ends exactly once: seed {seed}");
        }
    }
}

/// A seeded generator (xorshift), so that a failure names all it takes to repeat it.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        for (left, by) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left { self.0 << by } else { self.0 >> by };
        }
        (self.0 >> 16) % bound
    }
}

fn small(dice: &mut Dice, below: u64) -> u32 {
    u32::try_from(dice.below(below)).unwrap()
}

/// What is changed of an array counts for those of its elements that nobody has claimed.
#[tokio::test]
async fn an_array_is_changed_like_a_task_and_stands_in_no_queue() {
    let rig = Rig::new().await;
    let array = rig.array("0-2", Some(1), spec()).await;
    let priority = Some(crate::domain::Priority::Critical);
    let patch = Patch { task: array, by: "ada".into(), name: Some(Some("x".into())), labels: BTreeMap::new(), priority, not_before: None };
    rig.store.run(patch).await.unwrap();
    assert_eq!(rig.record(array).await.spec.name.as_deref(), Some("x"));
    assert_eq!(rig.store.unclaimed_elements(array, array, 10).await.unwrap().len(), 3);
    let claimed = rig.claim(5).await;
    assert_eq!(claimed.iter().map(|c| c.task).collect::<Vec<_>>(), [TaskId(array.0 + 1)]);
    assert_eq!(rig.store.unclaimed_elements(array, array, 10).await.unwrap(), [TaskId(array.0 + 2), TaskId(array.0 + 3)]);
}

#[tokio::test]
async fn ten_thousand_elements_are_stored_at_once_and_cancelled_in_steps() {
    let rig = Rig::new().await;
    let (took, array) = timed(rig.array("0-9999", Some(8), spec())).await;
    report(&format!("10,000 elements stored in {took:?}"));
    assert!(took.as_secs() < 10, "{took:?}");
    assert_eq!(rig.counts(array).await, ElementCounts { waiting: 9_992, queued: 8, ..ElementCounts::default() });
    rig.cancel(array).await;
    let mut steps = 0;
    while rig.store.due(UnixMs(0)).await.unwrap().chores.contains(&Chore::Cascade) {
        let (took, done) = timed(rig.store.run(Cascade)).await;
        done.unwrap();
        steps += 1;
        assert!(took.as_secs() < 5, "step {steps}: {took:?}");
    }
    assert_eq!(steps, 21, "twenty that find something, one that finds nothing left");
    assert_eq!(rig.record(array).await.state, TaskState::Cancelled);
}
