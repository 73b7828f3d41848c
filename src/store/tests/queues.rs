//! Queues, tokens, runners, logs, and the database file itself.

use super::harness::{Rig, ambient, fresh_uuid, spec};
use crate::{
    domain::{AttemptNumber, AttemptRef, Role, TaskId, order::Cost},
    store::testing::{on_postgres, try_open},
    store::{
        ApplyQueue, CreateToken, DeleteQueue, Keeper, LogMark, MarkLogs, PauseQueue, QueueRefusal, Register, Renew, RevokeToken,
        StoreError, TokenCreated,
    },
};

#[tokio::test]
async fn a_queue_is_applied_paused_and_deleted_under_its_revision() {
    let rig = Rig::new().await;
    let name: crate::domain::QueueName = "gpu".parse().unwrap();
    let apply = |doc: &str, if_revision| ApplyQueue {
        name: name.clone(),
        doc: doc.into(),
        cost: Cost::default(),
        by: "root".into(),
        if_revision,
        kept_by: Keeper::Any,
    };
    assert_eq!(rig.store.run(apply("{}", Some(0))).await.unwrap(), Ok(true));
    assert_eq!(rig.store.run(apply("{}", Some(0))).await.unwrap(), Err(QueueRefusal::Revision(1)));
    assert_eq!(rig.store.run(apply("{}", None)).await.unwrap(), Ok(false));
    assert_eq!(rig.store.queue(&name).await.unwrap().unwrap().revision, 1, "the same document changes nothing");
    assert_eq!(rig.store.run(apply(r#"{"a":1}"#, Some(1))).await.unwrap(), Ok(false));
    assert_eq!(rig.store.queue(&name).await.unwrap().unwrap().revision, 2);

    let pause = |pause| PauseQueue { name: name.clone(), by: "op".into(), pause };
    rig.store.run(pause(Some(Some("patching".into())))).await.unwrap().unwrap();
    let task = rig.submit(crate::domain::TaskSpec { queue: name.clone(), ..spec() }).await;
    assert!(rig.claim(5).await.is_empty(), "nothing is claimed from a paused queue");
    let delete = |if_revision| DeleteQueue { name: name.clone(), by: "root".into(), if_revision };
    assert_eq!(rig.store.run(delete(None)).await.unwrap(), Err(QueueRefusal::Busy));
    rig.store.run(pause(None)).await.unwrap().unwrap();
    assert_eq!(rig.claim(5).await[0].task, task);
    rig.store.run(crate::store::Cancel { task, by: "ada".into(), silent: false }).await.unwrap();
    assert_eq!(rig.store.run(delete(Some(1))).await.unwrap(), Err(QueueRefusal::Revision(4)));
    assert_eq!(rig.store.run(delete(None)).await.unwrap(), Ok(()));
    assert_eq!(rig.store.run(delete(None)).await.unwrap(), Err(QueueRefusal::NotFound));
    assert!(rig.store.task(task).await.unwrap().is_some(), "the tasks of a deleted queue stay");
}

#[tokio::test]
async fn tokens_are_hashes_and_revocation_stays() {
    let rig = Rig::new().await;
    let create = CreateToken {
        hash: [7; 32],
        user: "ada".into(),
        role: Role::Submitter,
        tail: "abcd".into(),
        by: "root".into(),
        expires_at: None,
        queues: None,
        replaces: None,
    };
    let TokenCreated(id) = rig.store.run(create).await.unwrap();
    assert!(rig.store.run(RevokeToken(id)).await.unwrap());
    let revoked = rig.store.tokens().await.unwrap()[0].clone();
    assert!(rig.store.run(RevokeToken(id)).await.unwrap());
    assert_eq!(rig.store.tokens().await.unwrap()[0].revoked_at, revoked.revoked_at);
    assert!(!rig.store.run(RevokeToken(99)).await.unwrap());
}

#[tokio::test]
async fn a_runner_renews_what_it_has_not_started() {
    let rig = Rig::new().await;
    rig.store.run(Register { name: "r1".parse().unwrap(), instance: fresh_uuid(), doc: "{}".into() }).await.unwrap();
    rig.submit(spec()).await;
    rig.claim(1).await;
    rig.pass(rig.times.claim_lease_ms - 1);
    rig.store.run(Renew("r1".parse().unwrap())).await.unwrap();
    rig.pass(rig.times.claim_lease_ms - 1);
    assert!(rig.due().await.expired.is_empty());
    assert_eq!(rig.store.runner(&"r1".parse().unwrap()).await.unwrap().unwrap().active, 1);
}

#[tokio::test]
async fn log_marks_are_kept_and_never_move_back() {
    let rig = Rig::new().await;
    let attempt = AttemptRef { task: TaskId(1), attempt: AttemptNumber(1) };
    let mark = |durable, crc| LogMark { attempt, member: 0, durable, crc, gaps: vec![(5, 3)], stints: vec![(0, 7)] };
    rig.store.run(MarkLogs(vec![mark(10, Some(4_000_000_000))])).await.unwrap();
    rig.store.run(MarkLogs(vec![mark(20, None)])).await.unwrap();
    // From a round of syncs that began before and had other logs to wait for.
    rig.store.run(MarkLogs(vec![mark(15, None)])).await.unwrap();
    rig.store.run(MarkLogs(vec![mark(20, None), mark(15, None)])).await.unwrap();
    let rig = rig.reopened().await;
    assert_eq!(rig.store.log_mark(attempt, 0).await.unwrap(), Some(mark(20, None)));
    assert_eq!(rig.store.log_mark(attempt, 1).await.unwrap(), None);
}

#[tokio::test]
async fn a_database_whose_making_was_cut_off_is_made_anew() {
    use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
    if on_postgres() {
        return;
    }
    let (dir, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = dir.path().join("slipway.db");
    let mut conn = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&file).create_if_missing(true)).await.unwrap();
    // A transaction larger than the cache, so that half of it stands in the file and the way back in the journal.
    conn.execute("pragma cache_size = 1; create table t (x); begin; insert into t values (randomblob(1000000))").await.unwrap();
    for name in ["slipway.db", "slipway.db-journal"] {
        std::fs::copy(dir.path().join(name), cut.path().join(name)).unwrap();
    }
    let rig = super::harness::Rig::open(cut).await;
    assert!(rig.store.queues().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_untouched() {
    let rig = Rig::new().await;
    let later = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         select $1, 'later', success, checksum, 0 from _sqlx_migrations order by version desc limit 1";
    rig.past_the_writer(&[later], 9999).await;
    let dir = rig.closed().await;
    let path = dir.path().join("slipway.db");
    let before = std::fs::read(&path).ok();
    let refused = try_open(&dir, ambient()).await.err().expect("must be refused");
    assert!(matches!(refused, StoreError::NewerSchema { found: 9999, .. }), "{refused}");
    assert_eq!(std::fs::read(&path).ok(), before, "the file was touched");
}
