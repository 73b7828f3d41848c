//! The plans of the hot statements: each finds its rows by a key. A statement that walks a table gives no error and only
//! grows slow with depth, so its plan is part of what is tested.

use super::harness::{Rig, spec};
use crate::{
    domain::TaskState,
    store::testing::on_postgres,
    store::{
        Kept, arrays, board, budgets, cascade, claim, deadlines, dependencies, due, events, evidence, export, flush, gate, gather, insert,
        lapsed, lease, moves, parents, place, retention, sql, tasks, waits, work,
    },
};

async fn plan(rig: &Rig, sql: &str) -> Vec<String> {
    let rows =
        sql::query_of(format!("explain query plan {sql}")).fetch_all(&rig.store.readers).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
    rows.iter().map(|row| row.try_get("detail").unwrap()).collect()
}

/// Walks only what the statement was given, or what it made itself.
fn keyed(step: &str) -> bool {
    let own = ["SCAN f", "SCAN l", "SCAN json_each", "SCAN (subquery", "SCAN CONSTANT"].iter().any(|own| step.starts_with(own))
        || step.strip_prefix("SCAN d").is_some_and(|nth| nth.parse::<u8>().is_ok());
    // `(queue=?)` alone is every row of a queue.
    let whole_queue = step.contains("PRIMARY KEY (queue=?)");
    !whole_queue && (own || !step.starts_with("SCAN"))
}

/// Every statement that runs while work is done.
fn hot() -> Vec<&'static str> {
    let statements = [
        work::LOAD,
        gather::COUNT,
        gather::RELEASE,
        gather::ARRAYS_OF,
        gather::RELEASING,
        gather::ENDED,
        arrays::INSERT_ELEMENTS,
        board::NEXT,
        cascade::BEGIN,
        cascade::CHILDREN,
        cascade::ELEMENTS,
        parents::PARENTS,
        place::AGED,
        insert::INSERT,
        claim::REPEATED,
        place::DELETE_READY,
        flush::UPDATE_LEASE,
        flush::END_TASK,
        flush::KEEP_WAITING,
        flush::QUEUED_FIRST,
        deadlines::KEEP_DEADLINE,
        deadlines::FORGET_DEADLINE,
        dependencies::STATES,
        dependencies::AWAIT,
        dependencies::COUNT,
        dependencies::DEPENDENCIES,
        flush::DESCRIBE_TASK,
        due::DUE,
        lapsed::LAPSED,
        lease::LEASE,
        lease::LEASES_OF,
        budgets::USED,
        events::EVENTS_AFTER,
        events::EVENTS_OF_TASK_AFTER,
        events::LAST_EVENT,
        waits::WAITS,
        evidence::KEEP_EVIDENCE,
        evidence::FORGET_EVIDENCE,
        export::ENDED_ATTEMPTS,
        export::LOG_BYTES,
        Kept::Task.overdue(),
        Kept::Log.overdue(),
        Kept::Events.overdue(),
        retention::NEWEST,
        retention::DELETABLE,
        retention::ELEMENTS_OF,
        retention::NEWEST_EVENT_OF,
        retention::DELETE_EVENTS,
    ];
    statements.into_iter().chain(retention::DELETE).collect()
}

#[tokio::test]
async fn no_hot_statement_walks_a_table() {
    if on_postgres() {
        return;
    }
    let rig = Rig::new().await;
    for sql in hot() {
        let plan = plan(&rig, sql).await;
        assert!(plan.iter().all(|step| keyed(step)), "{sql}\n{plan:#?}");
    }
}

/// What a limit counts is a range of an index, cut off where the limit is.
#[tokio::test]
async fn what_is_pending_is_counted_by_index() {
    if on_postgres() {
        return;
    }
    let rig = Rig::new().await;
    let plan = plan(&rig, gate::PENDING).await;
    let ranges: Vec<_> = plan.iter().filter(|step| step.contains("(queue=?)")).collect();
    assert!(ranges.len() == 2 && ranges.iter().all(|step| step.starts_with("SEARCH")), "{plan:#?}");
}

#[tokio::test]
async fn the_order_is_rebuilt_by_steps_from_lane_to_lane() {
    if on_postgres() {
        return;
    }
    let rig = Rig::new().await;
    let plan = plan(&rig, board::LANES).await;
    let steps = plan.iter().filter(|step| step.contains("(tier,usr,gpus,weight,rank)>(?,?,?,?,?)")).count();
    assert_eq!(steps, 1, "each step is one search by the whole lane: {plan:#?}");
}

#[tokio::test]
async fn a_task_is_moved_by_steps_from_lane_to_lane() {
    if on_postgres() {
        return;
    }
    let rig = Rig::new().await;
    for sql in [moves::BEHIND, moves::BEFORE] {
        let plan = plan(&rig, sql).await;
        let by = |key: &str| plan.iter().filter(|step| step.contains(key)).count();
        let lanes = by("(queue=? AND tier=? AND usr=? AND (gpus,weight,rank)>(?,?,?))");
        let nearest = by("gpus=? AND weight=? AND (rank,task)");
        assert_eq!((lanes, nearest), (1, 1), "each step is one search by a whole lane: {plan:#?}");
        assert!(
            !plan.iter().any(|step| step.starts_with("SCAN r ") || step.starts_with("SCAN t ") || step.starts_with("SCAN w ")),
            "{plan:#?}"
        );
    }
}

#[tokio::test]
async fn a_list_by_state_reads_what_is_in_that_state() {
    use TaskState::{Active, Cancelled, Failed, Queued, Succeeded, Waiting};
    if on_postgres() {
        return;
    }
    let rig = Rig::new().await;
    let lists: [&[TaskState]; 7] =
        [&[Active], &[Waiting], &[Active, Waiting], &[Queued], &[Queued, Active, Waiting], &[Failed], &[Cancelled]];
    for states in lists {
        let sql = format!(
            "{} where true and t.idx is null and {} order by t.id desc limit 20",
            tasks::TASKS,
            tasks::of_states(states, true).unwrap()
        );
        let plan = plan(&rig, &sql).await;
        assert!(!plan.iter().any(|step| step.starts_with("SCAN t ")), "{states:?}\n{plan:#?}");
        let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
        assert!(!sorts, "the page is read in order: {states:?}\n{plan:#?}");
    }
    let mixed = format!(
        "{} where true and t.idx is null and {} order by t.id desc limit 20",
        tasks::TASKS,
        tasks::of_states(&[Queued, Succeeded], true).unwrap()
    );
    let plan = plan(&rig, &mixed).await;
    assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:#?}");
}

/// What a plan reads of tables without a condition on an index, and what it sorts of them.
fn walks(plan: &serde_json::Value, found: &mut Vec<String>) {
    let text = |key: &str| plan.get(key).and_then(|value| value.as_str()).unwrap_or_default();
    // One row answers whether there is any.
    if text("Parent Relationship") == "InitPlan" && !text("Subplan Name").starts_with("CTE") {
        return;
    }
    let keyed = plan.get("Index Cond").is_some() || plan.get("TID Cond").is_some();
    match text("Node Type") {
        "Seq Scan" => found.push(format!("all of {}", text("Relation Name"))),
        "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" if !keyed => found.push(format!("all of {}", text("Index Name"))),
        _ => {}
    }
    for inner in plan.get("Plans").and_then(|inner| inner.as_array()).into_iter().flatten() {
        walks(inner, found);
    }
}

/// The plan that Postgres keeps for a statement whatever its arguments are.
async fn generic(conn: &mut sqlx::PgConnection, sql: &str) -> serde_json::Value {
    use sqlx::AssertSqlSafe;
    let written = sql::written(sql);
    let arguments = (1..100).rev().find(|n| written.contains(&format!("${n}"))).unwrap_or(0);
    let execute = if arguments == 0 { "p".to_owned() } else { format!("p({})", vec!["null"; arguments].join(", ")) };
    sqlx::query(AssertSqlSafe(format!("prepare p as {written}"))).execute(&mut *conn).await.unwrap_or_else(|e| panic!("{e}: {written}"));
    let explain = AssertSqlSafe(format!("explain (format json) execute {execute}"));
    let plan = sqlx::query_scalar(explain).fetch_one(&mut *conn).await.unwrap_or_else(|e| panic!("{e}: {written}"));
    sqlx::query("deallocate p").execute(conn).await.unwrap();
    plan
}

/// The same on Postgres, whose plans depend on what the tables hold.
#[tokio::test]
async fn no_hot_statement_walks_a_table_of_postgres() {
    if !on_postgres() {
        return;
    }
    let rig = Rig::new().await;
    rig.submit(spec()).await;
    let tasks = [
        "insert into task (id, queue, usr, labels, band, spec, created_at, state, finished_at, attempt, parent, idx)
         with recursive n (i) as (select 1 union all select i + 1 from n where i < $1)
         select i + 1, queue, usr, labels, band, spec, created_at, case when i % 4 > 0 then 'succeeded' end,
             case when i % 4 > 0 then created_at + i end, 1, case when i % 7 = 0 then i end, case when i % 14 = 0 then 0 end
         from n, task where task.id = 1",
        "insert into ready select queue, band + 1, usr, id % 8, 0, id << 24, id, 0, 0, null
         from task where state is null and id % 12 = 1 and $1 > 0 and id > 1",
        "insert into lease (task, attempt, queue, runner, claim, gpus, claimed_at, expires_up, usr)
         select id, 1, 'queue' || (id % 50), 'r' || (id % 100), 'c' || id, 0, 0, case when id % 24 = 5 then 9 end, usr
         from task where state is null and id % 12 = 5 and $1 > 0",
        "insert into waiting (task, queue, attempt, due_up, blockers, throttled)
         select id, queue, 0, id, 1, 0 from task where state is null and id % 12 = 9 and $1 > 0",
        "insert into dependency (task, on_task, kind, on_failure) select task, task + 4, 'any', 'fail' from waiting where $1 > 0",
        "insert into deadline select id, id, id, id % 2 from task where state is null and $1 > 0",
        "insert into awaited select id, state from task where state is not null and id % 1000 = 2 and $1 > 0",
        "insert into task_array (task, elements, size, indices, slots, waiting, queued, active, succeeded, throttled)
         select id, 1, 1, '0', 1, 0, 0, 0, 1, 0 from task where id % 5 = 0 and $1 > 0",
        "insert into attempt (task, attempt, runner, claim, claimed_at, ended_at, state)
         select id, 1, 'r1', 'c', created_at, finished_at, state from task where state is not null and $1 > 0",
        "insert into evidence select task, attempt, '{}', 0 from attempt where $1 > 0",
        "insert into notes select task, attempt, '{}' from attempt where $1 > 0",
        "insert into log (task, attempt, member, durable, gaps) select id, 1, 0, 1, '[]' from task where state is not null and $1 > 0",
        "insert into event (at, task, kind, data) select created_at, id, 'attempt.phase', '{}' from task where $1 > 0",
    ];
    rig.past_the_writer(&tasks, 20_000).await;
    let mut conn = rig.postgres().await;
    sqlx::query("analyze").execute(&mut conn).await.unwrap();
    sqlx::query("set plan_cache_mode = force_generic_plan").execute(&mut conn).await.unwrap();
    // The tables that this did not fill are small, and Postgres would read them whole for that.
    sqlx::query("set enable_seqscan = off").execute(&mut conn).await.unwrap();
    let mut all = Vec::new();
    for sql in hot() {
        let plan = generic(&mut conn, sql).await;
        let mut found = Vec::new();
        walks(&plan[0]["Plan"], &mut found);
        if !found.is_empty() {
            all.push(format!("{found:?}: {sql}"));
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n\n"));
}
