//! Rows that go from one kind of database to the other and back.

use super::harness::{Rig, ambient, spec};
use crate::{
    domain::{QueueName, Role, fingerprint},
    store::{
        CreateToken, DatabaseCopy, EmptyDatabase, NewTask, Site, Store, StoreError, Submit, Submitted, TaskFilter, adopt,
        catalog::{self, Kind},
        numbers, postgres,
        sql::{self, Conn},
        sqlite,
        testing::Cluster,
    },
};
use std::{collections::BTreeMap, path::Path};
use tempfile::TempDir;

/// All that a database holds: the rows of each table in the order of its key, and the last number that each gave.
pub(super) async fn all(conn: &mut Conn) -> BTreeMap<String, (Vec<String>, Option<i64>)> {
    let mut found = BTreeMap::new();
    for table in catalog::tables(conn).await.unwrap() {
        let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let text = format!("select {} from {} order by {}", names.join(", "), table.name, table.key().join(", "));
        let shown = |row: &sql::Row| {
            let cells = table.columns.iter().enumerate().map(|(at, column)| match column.kind {
                Kind::Int => format!("{:?}", row.at::<Option<i64>>(at).unwrap()),
                Kind::Text | Kind::Other => format!("{:?}", row.at::<Option<String>>(at).unwrap()),
                Kind::Bytes => format!("{:?}", row.at::<Option<Vec<u8>>>(at).unwrap()),
            });
            cells.collect::<Vec<_>>().join(", ")
        };
        let rows = sql::query_of(text).fetch_all(&mut *conn).await.unwrap().iter().map(shown).collect();
        let last = if table.numbered() { Some(numbers::last(&table.name, conn).await.unwrap()) } else { None };
        found.insert(table.name, (rows, last));
    }
    found
}

/// All that the SQLite file holds.
pub(super) async fn all_of(file: &Path) -> BTreeMap<String, (Vec<String>, Option<i64>)> {
    let mut conn = sqlite::open_existing(file).await.unwrap();
    let found = all(&mut conn).await;
    conn.close().await.unwrap();
    found
}

/// What a history of tasks does not bring about, and what is hard to carry: the largest numbers, all kinds of characters,
/// bytes that are no text, rows that were deleted, more rows than go at once.
const BESIDE: &[&str] = &[
    "insert into audit (id, at, usr, action, object, address, status, request_id) values (9007199254740993, 1, 'ä\"\\''☃', 'a', 'o', '::1', 200, '')",
    "insert into awaited values (7, 'failed')",
    "insert into budget values ('b', '{\"max\": 4}', 1, 2, 3)",
    "insert into cascade (task, by, at, after, indices) values (1, 'ada', 2, 9223372036854775807, null)",
    "insert into cascade (task, by, at, after, indices) values (2, 'ada', 2, -1, '0-3')",
    "insert into dependency values (9, 8, 'any', 'cancel', null)",
    "insert into evidence values (7, 1, '{\"text\": \"line\\nline\\ttab\\u0001\"}', 5)",
    "insert into idempotency values ('p', 'r', 'k', x'00ff10', '[1]', 3)",
    "insert into log (task, attempt, member, durable, crc, gaps, stints) values (7, 1, 0, 10, 4294967295, '[[1, 2]]', '[[0, \"t\"]]')",
    "insert into meta values ('told', '')",
    "insert into notes values (7, 1, '{}')",
    "insert into reservation values ('budget', 'b', 9)",
    "insert into runner values ('r1', 'i', '{}', 4)",
    "insert into task_array (task, elements, size, indices, max_parallel, slots, waiting, queued, active, throttled) values (9, 3, 3, '0-2', 1, 1, 2, 1, 0, 2)",
    "insert into unlogged values (7)",
    "insert into upload values ('0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'ada', 5, 6)",
    "insert into upload_use values ('0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 7)",
    "insert into usage values ('default', 'eve', 9)",
    "insert into deadline values (7, 1, null, 0)",
    "insert into event (id, at, kind) values (50, 1, 'gone')",
    "delete from event where id = 50",
    "insert into token (id, hash, usr, role, tail, created_by, created_at) values (70, x'', 'gone', 'viewer', '', '', 1)",
    "delete from token where id = 70",
    "with recursive n (i) as (select 1 union all select i + 1 from n where i < 2500)
     insert into event (at, task, kind, data) select i, 3, 'task.noted', '{\"nth\": ' || i || '}' from n",
];

/// A SQLite database with a row of every kind, and its file's folder. Nobody uses it.
async fn everything() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (store, writer) = Store::open(&dir.path().join("slipway.db"), ambient()).await.unwrap();
    let rig = Rig::over(store, dir);
    rig.queue("default").await;
    for _ in 0..3 {
        let attempt = rig.submit(spec()).await;
        let (running, token, _) = rig.running().await;
        assert_eq!(attempt, running.task);
        rig.finish(running, token, 0, Some(true)).await.unwrap();
    }
    rig.submit(spec()).await;
    rig.running().await;
    for _ in 0..3 {
        rig.submit(spec()).await;
    }
    let later = NewTask { not_before: Some(crate::domain::UnixMs(i64::MAX / 2)), ..NewTask::new(spec()) };
    let submit = Submit { user: "ada".into(), tasks: vec![later], idempotency: None };
    assert!(matches!(rig.store.run(submit).await.unwrap(), Submitted::New(..)));
    let token = CreateToken {
        hash: fingerprint("a token"),
        user: "ada".into(),
        role: Role::Operator,
        tail: "oken".into(),
        by: "root".into(),
        expires_at: None,
        queues: None,
        replaces: None,
    };
    rig.store.run(token).await.unwrap();
    let Rig { store, dir, .. } = rig;
    store.closed().await;
    writer.await.unwrap();
    let mut conn = sqlite::open_existing(&dir.path().join("slipway.db")).await.unwrap();
    for text in BESIDE {
        sql::query(text).execute(&mut conn).await.unwrap_or_else(|error| panic!("{error}: {text}"));
    }
    let empty: Vec<_> = all(&mut conn).await.into_iter().filter(|(_, (rows, _))| rows.is_empty()).map(|(name, _)| name).collect();
    assert!(empty.is_empty(), "nothing in {empty:?}: say above what such rows look like");
    conn.close().await.unwrap();
    dir
}

/// What no test listens to.
fn untold(_: u64) {}

#[tokio::test]
async fn every_row_goes_to_postgres_and_comes_back_as_it_was() {
    let dir = everything().await;
    let file = dir.path().join("slipway.db");
    let before = all_of(&file).await;
    let url = Cluster::of_this_process().database(dir.path()).await;
    let mut steps = Vec::new();
    let empty = EmptyDatabase::take(&url).await.unwrap();
    // Nobody else gets it meanwhile.
    assert!(matches!(Store::connect(&url, ambient()).await.map(drop), Err(StoreError::Taken)));
    empty.fill(&file, &mut |rows| steps.push(rows)).await.unwrap();
    assert!(steps.len() > 2 && steps.is_sorted(), "{steps:?}");
    assert_eq!(*steps.last().unwrap(), before.values().map(|(rows, _)| rows.len() as u64).sum::<u64>());
    let mut conn = postgres::look(&url).await.unwrap();
    assert_eq!(all(&mut conn).await, before);
    conn.close().await.unwrap();

    let back = dir.path().join("back.db");
    DatabaseCopy::make(Site::Postgres(&url), &back, &mut untold).await.unwrap().close().await.unwrap();
    assert_eq!(all_of(&back).await, before);
    // It is what a server opens, and a copy of a file is no different.
    let (store, _) = Store::open(&back, ambient()).await.unwrap();
    assert_eq!(store.tasks(&TaskFilter { limit: 100, ..TaskFilter::default() }).await.unwrap().0.len(), 8);
}

#[tokio::test]
async fn a_restored_database_goes_on_in_postgres() {
    let dir = everything().await;
    let file = dir.path().join("slipway.db");
    let restored = adopt(&file, &[], &*ambient().rng).await.unwrap();
    assert_eq!((restored.tasks, restored.open, restored.live.len()), (8, 5, 1));
    let url = Cluster::of_this_process().database(dir.path()).await;
    EmptyDatabase::take(&url).await.unwrap().fill(&file, &mut untold).await.unwrap();
    let again = EmptyDatabase::take(&url).await.map(drop);
    assert!(matches!(again, Err(StoreError::NotEmpty { .. })), "{again:?}");

    let (store, _) = Store::connect(&url, ambient()).await.unwrap();
    let rig = Rig::over(store, dir);
    assert_eq!(rig.store.instance(), restored.instance);
    assert_ne!(restored.instance, restored.before);
    assert_eq!(rig.store.restored_up(), Some(rig.store.uptime().now()));
    let tokens = rig.store.tokens().await.unwrap();
    assert!(tokens.iter().any(|token| token.hash == fingerprint("a token") && token.role == Role::Operator), "they hold");
    // Who ran goes on under the name that it began with; who was queued is served in its order, before who comes now.
    let live = rig.store.lease(restored.live[0].attempt.task).await.unwrap().expect("it lives");
    assert_eq!(live.instance.as_deref(), Some(restored.before.as_str()));
    let new = rig.submit(spec()).await;
    assert_eq!(new.0, 8 + 10_000 + 1);
    let claimed: Vec<_> = rig.claim(10).await.iter().map(|claimed| (claimed.task.0, claimed.attempt.0)).collect();
    assert_eq!(claimed, [(5, 1_001), (6, 1_001), (7, 1_001), (new.0, 1)]);
    let events = rig.rows("select id from event order by id desc limit 1").await;
    assert!(events[0].at::<i64>(0).unwrap() > 1_000_000 + 2_500);
    assert_eq!(rig.store.queues().await.unwrap()[0].name, QueueName::default());
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let url = Cluster::of_this_process().database(dir.path()).await;
    let copy = async |name: &str| DatabaseCopy::make(Site::Postgres(&url), &dir.path().join(name), &mut untold).await.map(drop);
    assert!(matches!(copy("absent").await, Err(StoreError::Absent)));
    let (store, writer) = Store::connect(&url, ambient()).await.unwrap();
    assert!(matches!(EmptyDatabase::take(&url).await.map(drop), Err(StoreError::Taken)), "its server runs");
    store.closed().await;
    writer.await.unwrap();
    let mut conn = loop {
        match postgres::take(&url).await {
            // Its connection is about to end.
            Err(StoreError::Taken) => tokio::task::yield_now().await,
            taken => break taken.unwrap(),
        }
    };
    sql::query("alter table notes add column more bigint").execute(&mut conn).await.unwrap();
    let refused = copy("differs").await;
    assert!(matches!(&refused, Err(StoreError::Differs { table }) if table == "notes"), "{refused:?}");
    sql::query("alter table notes drop column more").execute(&mut conn).await.unwrap();
    sql::query("create table others (a jsonb)").execute(&mut conn).await.unwrap();
    copy("beside_others").await.unwrap();
    sql::query("update _sqlx_migrations set version = 9999 where version = 13").execute(&mut conn).await.unwrap();
    assert!(matches!(copy("newer").await, Err(StoreError::NewerSchema { .. })));
}
