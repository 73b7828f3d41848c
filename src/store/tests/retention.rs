//! What has ended is forgotten after a time: no more than was asked, all of it, and so that nobody waits.

use super::{
    depth::{report, timed},
    harness::{Rig, ambient, claim, spec},
};
use crate::{
    domain::{AttemptNumber, AttemptRef, Clock, DependencyKind, EventId, OnFailure, TaskId, TaskState, UnixMs},
    store::testing::opened,
    store::{
        After, Ambient, BytesGone, Cut, EventFilter, Kept, LogMark, MarkLogs, NewTask, On, Parent, Prune, Shrink, Store, Submit, Submitted,
        Unblock, sql,
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Everything that has ended is over its time.
const ALL: Cut = Cut { at: UnixMs(i64::MAX), task: TaskId(0) };

impl Rig {
    /// A task that ran, left a log, and succeeded.
    async fn ended(&self) -> TaskId {
        let id = self.submit(spec()).await;
        let (attempt, token_hash, _) = self.running().await;
        assert_eq!(attempt.task, id);
        let mark = LogMark { attempt, member: 0, durable: 5, crc: Some(1), gaps: Vec::new(), stints: Vec::new() };
        self.store.run(MarkLogs(vec![mark])).await.unwrap();
        self.finish(attempt, token_hash, 0, Some(true)).await.unwrap();
        id
    }

    async fn overdue(&self, what: Kept, cut: Cut) -> Vec<TaskId> {
        self.store.overdue(what, &"default".parse().unwrap(), cut).await.unwrap()
    }

    async fn prune(&self, what: Kept, tasks: &[TaskId]) -> usize {
        self.store.run(Prune { what, tasks: tasks.to_vec() }).await.unwrap()
    }

    async fn events_of(&self, task: TaskId) -> usize {
        self.store.events_after(EventId(0), &EventFilter { task: Some(task) }, 100).await.unwrap().len()
    }

    /// Rows that name a task, in every table that does.
    async fn rows_of(&self, task: TaskId) -> Vec<&'static str> {
        let tables = [
            ("task", "select count(*) from task where id = $1"),
            ("attempt", "select count(*) from attempt where task = $1"),
            ("evidence", "select count(*) from evidence where task = $1"),
            ("log", "select count(*) from log where task = $1"),
            ("event", "select count(*) from event where task = $1"),
            ("unlogged", "select count(*) from unlogged where task = $1"),
        ];
        let mut found = Vec::new();
        for (table, sql) in tables {
            let count: i64 = sql::query_scalar(sql).bind(task.0).fetch_one(&self.store.readers).await.unwrap();
            if count > 0 {
                found.push(table);
            }
        }
        found
    }
}

#[tokio::test]
async fn a_queue_keeps_its_newest_and_what_is_young() {
    let rig = Rig::new().await;
    let mut ended = Vec::new();
    for _ in 0..4 {
        ended.push(rig.ended().await);
    }
    let open = rig.submit(spec()).await;
    let queue = "default".parse().unwrap();
    assert_eq!(rig.store.cut_after(&queue, 4).await.unwrap().map(|cut| cut.task), Some(ended[0]));
    assert_eq!(rig.store.cut_after(&queue, 5).await.unwrap(), None);
    let two = rig.store.cut_after(&queue, 2).await.unwrap().expect("there are more");
    assert_eq!(rig.overdue(Kept::Task, two).await, ended[..2]);

    let third = rig.store.task(ended[2]).await.unwrap().unwrap().finished_at.unwrap();
    assert_eq!(rig.overdue(Kept::Task, Cut { at: third, task: TaskId(0) }).await, ended[..2]);
    assert_eq!(rig.overdue(Kept::Task, ALL).await, ended, "what has not ended is never over its time");
    assert_eq!(rig.store.overdue(Kept::Task, &"other".parse().unwrap(), ALL).await.unwrap(), []);

    // Whatever is asked, the writer looks again.
    assert_eq!(rig.prune(Kept::Task, &[open, ended[0], TaskId(4711)]).await, 3);
    assert_eq!(rig.state(open).await, TaskState::Queued);
    assert_eq!(rig.overdue(Kept::Task, ALL).await, ended[1..]);
}

#[tokio::test]
async fn a_deleted_task_leaves_nothing_but_a_note_of_its_bytes() {
    let rig = Rig::new().await;
    let (gone, kept) = (rig.ended().await, rig.ended().await);
    let newest = rig.store.events_after(EventId(0), &EventFilter { task: Some(gone) }, 100).await.unwrap().pop().unwrap().id;
    rig.prune(Kept::Task, &[gone]).await;
    assert_eq!(rig.rows_of(gone).await, ["unlogged"]);
    assert_eq!(rig.rows_of(kept).await, ["task", "attempt", "log", "event"]);
    assert_eq!(rig.store.changes().forgotten(), newest.0);
    assert!(rig.store.events_expired(gone).await.unwrap() && !rig.store.events_expired(kept).await.unwrap());

    // What was to be done is known after a death in between.
    let rig = rig.reopened().await;
    assert_eq!(rig.store.changes().forgotten(), newest.0);
    assert_eq!(rig.store.unlogged().await.unwrap(), [gone]);
    rig.store.run(BytesGone(vec![gone])).await.unwrap();
    assert_eq!(rig.rows_of(gone).await, Vec::<&str>::new());
    assert!(rig.submit(spec()).await > kept, "an id is never used again");
}

#[tokio::test]
async fn a_log_goes_before_its_task_and_events_before_both() {
    let rig = Rig::new().await;
    let task = rig.ended().await;
    let before = rig.store.task(task).await.unwrap().unwrap();
    for (what, first) in [(Kept::Log, true), (Kept::Log, false), (Kept::Events, true), (Kept::Events, false)] {
        assert_eq!(rig.overdue(what, ALL).await.is_empty(), !first, "{what:?}");
        rig.prune(what, &[task]).await;
    }
    assert!(rig.store.log_expired(task).await.unwrap() && rig.store.events_expired(task).await.unwrap());
    assert_eq!(rig.store.unlogged().await.unwrap(), [task]);
    assert_eq!(rig.events_of(task).await, 0);
    assert_eq!(rig.store.task(task).await.unwrap().unwrap(), before, "all else stays, and whether its log was complete");
    let log = AttemptRef { task, attempt: AttemptNumber(1) };
    assert!(rig.store.log_mark(log, 0).await.unwrap().is_some(), "how long it was is known");

    let open = rig.submit(spec()).await;
    rig.prune(Kept::Log, &[open]).await;
    rig.prune(Kept::Events, &[open]).await;
    assert!(!rig.store.log_expired(open).await.unwrap());
    assert_eq!(rig.events_of(open).await, 1);
}

/// A clock on which each look costs a millisecond.
struct Slow(AtomicU64);
impl Clock for Slow {
    fn now(&self) -> UnixMs {
        UnixMs(1_800_000_000_000)
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_step_ends_when_it_has_taken_long_enough() {
    let dir = tempfile::tempdir().unwrap();
    let slow = Ambient { clock: Arc::new(Slow(AtomicU64::new(0))), ..ambient() };
    let (store, _writer) = Store::open(&dir.path().join("slipway.db"), slow).await.unwrap();
    let ids: Vec<_> = (1..=200).map(TaskId).collect();
    assert_eq!(store.run(Prune { what: Kept::Task, tasks: ids }).await.unwrap(), 30);
}

/// A clock that goes.
struct Real;
#[expect(clippy::disallowed_methods, reason = "figures for people, of a real clock")]
impl Clock for Real {
    fn now(&self) -> UnixMs {
        UnixMs(1_800_000_000_000)
    }
    fn monotonic(&self) -> Duration {
        static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        BEGAN.get_or_init(std::time::Instant::now).elapsed()
    }
}

/// Ended tasks with an attempt, a log and six events each, made past the writer, as it is only to be quick.
async fn fill(rig: &Rig, count: u32) {
    rig.submit(spec()).await;
    let statements = [
        "insert into task (id, queue, usr, labels, band, spec, created_at, state, finished_at, attempt)
         with recursive n (i) as (select 1 union all select i + 1 from n where i < $1)
         select i + 1, queue, usr, labels, band, spec, created_at, 'succeeded', created_at + i, 1 from n, task where task.id = 1",
        "insert into attempt (task, attempt, runner, claim, claimed_at, ended_at, state)
         select id, 1, 'r1', 'c', created_at, finished_at, state from task where state is not null and $1 > 0",
        "insert into log (task, attempt, member, durable, gaps) select id, 1, 0, 1, '[]' from task where state is not null and $1 > 0",
        "insert into event (at, task, kind, data) select created_at, id, 'attempt.phase', '{\"queue\":\"default\"}'
         from task, (values (1), (2), (3), (4), (5), (6)) v where state is not null and $1 > 0",
        "{sqlite: select $1; postgres: select setval('task_ids', $1 + 1)}",
    ];
    rig.past_the_writer(&statements, count.into()).await;
}

/// The middle time of claims, one each few milliseconds until `work` is done, that of the slowest hundredth, and the longest.
async fn claims_beside(store: &Store, work: impl Future<Output = ()>) -> [Duration; 3] {
    let mut took = Vec::new();
    let claims = async {
        loop {
            took.push(timed(store.run(claim(1))).await.0);
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = claims => {}
    }
    // There may have been nothing to be beside of.
    if took.is_empty() {
        return [Duration::ZERO; 3];
    }
    took.sort_unstable();
    [took[took.len() / 2], took[took.len() * 99 / 100], took[took.len() - 1]]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_claim_waits_for_what_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let real = Ambient { clock: Arc::new(Real), ..ambient() };
    let store = opened(&dir, real).await;
    let rig = Rig::over(store, dir);
    rig.queue("default").await;
    fill(&rig, 20_000).await;
    // What the first claim after such a change does is done once.
    rig.claim(1).await;
    let usual = claims_beside(&rig.store, tokio::time::sleep(Duration::from_secs(1))).await;
    let deleting = claims_beside(&rig.store, async {
        loop {
            let mut due = rig.overdue(Kept::Task, ALL).await;
            if due.is_empty() {
                break;
            }
            while !due.is_empty() {
                let done = rig.prune(Kept::Task, &due).await;
                due.drain(..done);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let deleting = deleting.await;
    let shrinking = claims_beside(&rig.store, async { while rig.store.run(Shrink).await.unwrap() {} }).await;
    for (what, took) in [("usually", usual), ("beside deletions", deleting), ("beside shrinking", shrinking)] {
        report(&format!("a claim {what:<16} median {:?}, p99 {:?}, at most {:?}", took[0], took[1], took[2]));
    }
    let left: i64 = sql::query_scalar("select count(*) from event").fetch_one(&rig.store.readers).await.unwrap();
    assert!(left < 5_000, "only what this test's claims made: {left}");
    // A step takes 3 ms of the writer and a commit; an unoptimised database on a busy machine takes a multiple of that.
    assert!(deleting[0] < usual[0] + Duration::from_millis(50), "{deleting:?} against {usual:?}");
    // Postgres leaves its file as large as it was, for what comes.
    let free: i64 =
        sql::query_scalar("{sqlite: pragma freelist_count; postgres: select 0::bigint}").fetch_one(&rig.store.readers).await.unwrap();
    assert!(free <= 1_024, "{free} pages lie idle");
}

#[tokio::test]
async fn what_an_open_task_waits_for_stays_until_it_is_counted() {
    let rig = Rig::new().await;
    let first = rig.submit(spec()).await;
    let after = After { on: [(On::Task(first), DependencyKind::Any)].into(), on_failure: OnFailure::Cancel };
    let submit = Submit { user: "ada".into(), tasks: vec![NewTask { after, ..NewTask::new(spec()) }], idempotency: None };
    let Submitted::New(second, _) = rig.store.run(submit).await.unwrap() else { panic!("not stored") };
    let (attempt, token_hash, _) = rig.running().await;
    rig.finish(attempt, token_hash, 0, Some(true)).await.unwrap();
    assert_eq!(rig.overdue(Kept::Task, ALL).await, []);
    rig.prune(Kept::Task, &[first]).await;
    assert_eq!(rig.state(first).await, TaskState::Succeeded);

    assert!(rig.store.run(Unblock(second[0])).await.unwrap());
    rig.prune(Kept::Task, &[first]).await;
    assert_eq!(rig.rows_of(first).await, ["unlogged"]);
    assert_eq!(rig.state(second[0]).await, TaskState::Queued, "what it waited for is known without the other's row");
    let (attempt, token_hash, _) = rig.running().await;
    assert_eq!(attempt.task, second[0]);
    rig.finish(attempt, token_hash, 0, Some(true)).await.unwrap();
    rig.prune(Kept::Task, &second).await;
    let left: i64 = sql::query_scalar("select count(*) from dependency").fetch_one(&rig.store.readers).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_parent_stays_until_its_children_have_ended() {
    let rig = Rig::new().await;
    let parent = rig.submit(spec()).await;
    let (attempt, token_hash, _) = rig.running().await;
    let new = NewTask { parent: Some(Parent { id: parent, of: Some("ada".into()) }), ..NewTask::new(spec()) };
    let Submitted::New(child, _) = rig.submit_new(new).await else { panic!("not stored") };
    rig.finish(attempt, token_hash, 0, Some(true)).await.unwrap();
    assert_eq!(rig.overdue(Kept::Task, ALL).await, []);
    rig.prune(Kept::Task, &[parent]).await;
    assert_eq!(rig.state(parent).await, TaskState::Succeeded);

    let (attempt, token_hash, _) = rig.running().await;
    assert_eq!(attempt.task, child[0]);
    rig.finish(attempt, token_hash, 0, Some(true)).await.unwrap();
    assert_eq!(rig.overdue(Kept::Task, ALL).await, [parent, child[0]]);
    rig.prune(Kept::Task, &[parent, child[0]]).await;
    assert!(rig.store.task(parent).await.unwrap().is_none());
}
