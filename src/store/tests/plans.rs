//! The plans of the hot statements: each finds its rows by a key. A statement that walks a table gives no error and only
//! grows slow with depth, so its plan is part of what is tested.

use super::harness::Rig;
use crate::{
    domain::TaskState,
    store::{
        Kept, arrays, board, budgets, cascade, claim, deadlines, dependencies, due, events, evidence, export, flush, gate, gather, insert,
        lease, moves, parents, place, retention, sql, tasks, waits, work,
    },
};

async fn plan(rig: &Rig, sql: &str) -> Vec<String> {
    let rows =
        sql::query_of(format!("explain query plan {sql}")).fetch_all(&rig.store.readers).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
    rows.iter().map(|row| row.try_get("detail").unwrap()).collect()
}

/// Walks only what the statement was given, or what it made itself.
fn keyed(step: &str) -> bool {
    let own = ["SCAN j ", "SCAN f", "SCAN l", "SCAN json_each", "SCAN (subquery", "SCAN CONSTANT"].iter().any(|own| step.starts_with(own));
    // `(queue=?)` alone is every row of a queue.
    let whole_queue = step.contains("PRIMARY KEY (queue=?)");
    !whole_queue && (own || !step.starts_with("SCAN"))
}

#[tokio::test]
async fn no_hot_statement_walks_a_table() {
    let rig = Rig::new().await;
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
    let statements = statements.into_iter().chain(retention::DELETE);
    for sql in statements {
        let plan = plan(&rig, sql).await;
        assert!(plan.iter().all(|step| keyed(step)), "{sql}\n{plan:#?}");
    }
}

/// What a limit counts is a range of an index, cut off where the limit is.
#[tokio::test]
async fn what_is_pending_is_counted_by_index() {
    let rig = Rig::new().await;
    let plan = plan(&rig, gate::PENDING).await;
    let ranges: Vec<_> = plan.iter().filter(|step| step.contains("(queue=?)")).collect();
    assert!(ranges.len() == 2 && ranges.iter().all(|step| step.starts_with("SEARCH")), "{plan:#?}");
}

#[tokio::test]
async fn the_order_is_rebuilt_by_steps_from_lane_to_lane() {
    let rig = Rig::new().await;
    let plan = plan(&rig, board::LANES).await;
    let steps = plan.iter().filter(|step| step.contains("(tier,usr,gpus,weight,rank)>(?,?,?,?,?)")).count();
    assert_eq!(steps, 1, "each step is one search by the whole lane: {plan:#?}");
}

#[tokio::test]
async fn a_task_is_moved_by_steps_from_lane_to_lane() {
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
